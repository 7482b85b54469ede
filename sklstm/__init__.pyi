from sklstm._rows.continuity import ContinuityWarning as ContinuityWarning
from sklstm._rows.state import RecurrentState as RecurrentState
from sklstm.classifier import StatefulLSTMClassifier as StatefulLSTMClassifier
from sklstm.preprocessing import SlidingWindow as SlidingWindow
from sklstm.preprocessing import frame_series as frame_series
from sklstm.regressor import StatefulLSTMRegressor as StatefulLSTMRegressor
from sklstm.streaming import stream as stream

__version__: str
