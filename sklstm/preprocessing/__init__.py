"""Framing of series before an estimator sees them.

NumPy, pandas and scikit-learn only: nothing here knows of networks or states.
"""

from sklstm.preprocessing._framing import frame_series
from sklstm.preprocessing._sliding_window import SlidingWindow

__all__ = ["SlidingWindow", "frame_series"]
