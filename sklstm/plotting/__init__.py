"""Plots of training, forecasts, intervals, lanes and states, as scikit-learn has them.

A Display holds the data of one plot. Its class methods, such as ``from_estimator``,
compute the data and draw them; `plot` draws the same data again. Drawing needs
matplotlib, ``pip install "matplotlib>=3.7"``, but importing this package does not.
"""

from sklstm.plotting._comparison import StateComparisonDisplay
from sklstm.plotting._coverage import CoverageDisplay
from sklstm.plotting._forecast import ForecastDisplay
from sklstm.plotting._horizon_error import HorizonErrorDisplay
from sklstm.plotting._intervals import IntervalDisplay
from sklstm.plotting._lanes import LanesDisplay
from sklstm.plotting._loss_curve import LossCurveDisplay
from sklstm.plotting._residuals import ResidualsDisplay
from sklstm.plotting._state import StateDisplay

__all__ = [
    "CoverageDisplay",
    "ForecastDisplay",
    "HorizonErrorDisplay",
    "IntervalDisplay",
    "LanesDisplay",
    "LossCurveDisplay",
    "ResidualsDisplay",
    "StateComparisonDisplay",
    "StateDisplay",
]
