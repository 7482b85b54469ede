"""Pictures of training, forecasts, lanes and states, in scikit-learn's manner.

Each Display keeps the data of one picture apart from the drawing of it: class methods
such as ``from_estimator`` compute the data and draw, `plot` draws again. Drawing needs
matplotlib, ``pip install "matplotlib>=3.7"``; importing this package does not.
"""

from sklstm.plotting._comparison import StateComparisonDisplay
from sklstm.plotting._forecast import ForecastDisplay
from sklstm.plotting._lanes import LanesDisplay
from sklstm.plotting._loss_curve import LossCurveDisplay
from sklstm.plotting._state import StateDisplay

__all__ = [
    "ForecastDisplay",
    "LanesDisplay",
    "LossCurveDisplay",
    "StateComparisonDisplay",
    "StateDisplay",
]
