"""Is carrying state worth it? Scores with the state carried, reset and swapped."""

from sklstm.model_selection._compare import compare_states
from sklstm.model_selection._comparison import StateComparison

__all__ = ["StateComparison", "compare_states"]
