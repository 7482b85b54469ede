"""Series as windows, and as pairs of inputs and targets, for any estimator.

Nothing here imports TensorFlow or knows of networks and states.
"""

from sklstm.preprocessing._framing import frame_series
from sklstm.preprocessing._sliding_window import SlidingWindow

__all__ = ["SlidingWindow", "frame_series"]
