"""Is carrying state worth it? And splits of many series by time."""

from sklstm.model_selection._compare import compare_states
from sklstm.model_selection._comparison import StateComparison
from sklstm.model_selection._panel_split import PanelSplit

__all__ = ["PanelSplit", "StateComparison", "compare_states"]
