"""All rivals of the accuracy table on one series: errors as ratios, and fit times.

The lagged ones are ridge regression, histogram gradient boosting and a multilayer
perceptron, the neural network that needs nothing but scikit-learn.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _accuracy_classes import CLASSIFIERS
from _accuracy_ets import forecast_smoothed
from _accuracy_lags import fit_lagged, forecast_lagged
from _accuracy_series import (
    Series,
    class_error_ratio,
    error_ratio,
    horizon_of,
    naive_forecasts,
    split,
)
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Outcome:
    """How well a forecaster did on a series, and how long its fit took.

    Parameters
    ----------
    one_step : float
        The error one step ahead; for classes, the log loss. Both are ratios.
    ahead : float
        The error over all steps of the horizon; NaN for classes.
    accuracy : float
        The share of labels told right; NaN for numbers.
    seconds : float
        Of the fit, with choosing among forms; of smoothing and of the classifiers, with
        forecasting too.
    """

    one_step: float
    ahead: float = np.nan
    accuracy: float = np.nan
    seconds: float = 0.0


def make_ridge() -> Any:
    """Return linear regression whose penalty is chosen without a split."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 17)))


def make_boosting() -> Any:
    """Return boosted trees as they come."""
    return HistGradientBoostingRegressor(random_state=0)


def make_perceptron() -> Any:
    """Return a network of two layers that stops where held-out rows tell it to."""
    network = MLPRegressor(
        hidden_layer_sizes=(64, 32), early_stopping=True, max_iter=100, random_state=0
    )
    scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), scaled)


LAGGED: dict[str, Callable[[], Any]] = {
    "ridge": make_ridge,
    "boosting": make_boosting,
    "perceptron": make_perceptron,
}


def rival_outcomes(series: Series) -> dict[str, Outcome]:
    """Return the outcomes of all rivals on a series, by name."""
    if series.is_classes:
        return _class_outcomes(series)
    horizon = horizon_of(series)
    outcomes = _naive_outcomes(series, horizon)
    for name, make_model in LAGGED.items():
        outcomes[name] = _lagged_outcome(series, make_model, horizon)
    outcomes["smoothing"] = _smoothed_outcome(series, horizon)
    return outcomes


def rival_errors(series: Series) -> dict[str, float]:
    """Return the one-step errors of all rivals on a series, by name."""
    return {name: one.one_step for name, one in rival_outcomes(series).items()}


def _naive_outcomes(series: Series, horizon: int) -> dict[str, Outcome]:
    """Return persistence, and seasonal persistence of the best of all periods."""
    one_step, ahead = naive_forecasts(series), naive_forecasts(series, horizon)
    of_each = {
        name: Outcome(
            error_ratio(series, one_step[name]),
            error_ratio(series, ahead[name], horizon),
        )
        for name in one_step
    }
    outcomes = {"persistence": of_each.pop("persistence")}
    if of_each:
        outcomes["seasonal"] = Outcome(
            min(one.one_step for one in of_each.values()),
            min(one.ahead for one in of_each.values()),
        )
    return outcomes


def _lagged_outcome(
    series: Series, make_model: Callable[[], Any], horizon: int
) -> Outcome:
    with warnings.catch_warnings():
        # A perceptron that has not converged is one that held-out rows did not stop.
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        fitted = fit_lagged(series, make_model)
        seconds = time.perf_counter() - started
    return Outcome(
        error_ratio(series, forecast_lagged(series, fitted)),
        error_ratio(series, forecast_lagged(series, fitted, horizon), horizon),
        seconds=seconds,
    )


def _smoothed_outcome(series: Series, horizon: int) -> Outcome:
    started = time.perf_counter()
    one_step, ahead = forecast_smoothed(series, horizon)
    return Outcome(
        error_ratio(series, one_step),
        error_ratio(series, ahead, horizon),
        seconds=time.perf_counter() - started,
    )


def _class_outcomes(series: Series) -> dict[str, Outcome]:
    outcomes = {}
    for name, tell in CLASSIFIERS.items():
        started = time.perf_counter()
        told = tell(series)
        outcomes[name] = class_outcome(series, told, time.perf_counter() - started)
    return outcomes


def class_outcome(series: Series, told: pd.DataFrame, seconds: float) -> Outcome:
    """Return the outcome of test probabilities, which have a column for each label."""
    _, _, _, y_test = split(series)
    answers = told.columns.to_numpy()[told.to_numpy().argmax(axis=1)]
    return Outcome(
        class_error_ratio(series, told, told.columns),
        accuracy=float((answers == y_test.to_numpy()).mean()),
        seconds=seconds,
    )
