"""Prediction intervals and label sets that keep their coverage as rows come in."""

from sklstm.intervals._classifier import ConformalClassifier
from sklstm.intervals._regressor import ConformalRegressor

__all__ = ["ConformalClassifier", "ConformalRegressor"]
