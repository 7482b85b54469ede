"""Intervals of sklstm, MAPIE and skforecast around the same forecasts.

All are given an estimator that repeats the forecasts, which lie in its only column, the
same calibration rows, and the values of test rows only once they are known.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from _interval_forecasts import Forecasts
from sklearn.base import BaseEstimator, RegressorMixin

COVERAGE = 0.9
GAMMA = 0.05  # the step size of MAPIE's own example of adaptive inference


class Repeat(RegressorMixin, BaseEstimator):
    """Predicts its last column."""

    def fit(self, X: Any, y: Any = None) -> Repeat:
        """Learn nothing."""
        self.n_features_in_ = np.shape(X)[1]
        self.is_fitted_ = True
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The forecasts."""
        return np.asarray(X, float)[:, -1]


def adaptive(forecasts: Forecasts) -> np.ndarray:
    """`ConformalRegressor`, walked over the test rows."""
    return _conformal(forecasts, adaptive=True)


def split(forecasts: Forecasts) -> np.ndarray:
    """`ConformalRegressor` whose level stays as it is."""
    return _conformal(forecasts, adaptive=False)


def _conformal(forecasts: Forecasts, **options: Any) -> np.ndarray:
    from sklstm.intervals import ConformalRegressor

    n = forecasts.n_calibration
    made = forecasts.made[:, np.newaxis]
    before = np.zeros((3 * n, 1))  # rows to train on: a quarter of all calibrates
    name = f"v[t+{forecasts.steps}]"
    X, y = np.concatenate([before, made[:n]]), np.zeros(4 * n)
    y[3 * n :] = forecasts.truth[:n]
    model = ConformalRegressor(Repeat(), COVERAGE, **options)
    model.fit(X, pd.Series(y, name=name))
    return model.step_interval(made[n:], forecasts.tested)


def mapie_split(forecasts: Forecasts) -> np.ndarray:
    """MAPIE's split conformal intervals."""
    from mapie.regression import SplitConformalRegressor

    n = forecasts.n_calibration
    made = forecasts.made[:, np.newaxis]
    echo = Repeat().fit(made)
    model = SplitConformalRegressor(echo, confidence_level=COVERAGE, prefit=True)
    model.conformalize(made[:n], forecasts.truth[:n])
    return model.predict_interval(made[n:])[1][:, :, 0]


def mapie_adaptive(forecasts: Forecasts) -> np.ndarray:
    """MAPIE's adaptive conformal inference, one row after the other.

    An infinite end counts as that of the largest score.
    """
    from mapie.regression import TimeSeriesRegressor

    n, steps = forecasts.n_calibration, forecasts.steps
    made, truth = forecasts.made[:, np.newaxis], forecasts.truth
    model = TimeSeriesRegressor(Repeat().fit(made), method="aci", cv="prefit")
    model.fit(made[:n], truth[:n])
    largest = np.abs(truth[:n] - made[:n, 0]).max()
    intervals = []
    for i in range(n, len(made)):
        told = i - steps  # whose value has come
        if told >= n:
            rows = slice(told, told + 1)
            model.adapt_conformal_inference(
                made[rows], truth[rows], gamma=GAMMA, confidence_level=COVERAGE
            )
        _, ends = model.predict(
            made[i : i + 1], confidence_level=COVERAGE, allow_infinite_bounds=True
        )
        low, high = ends[0, :, 0]
        centre = made[i, 0]
        is_finite = np.isfinite(low) and np.isfinite(high)
        finite = (low, high) if is_finite else (centre - largest, centre + largest)
        intervals.append(finite)
    return np.array(intervals)


def skforecast_conformal(forecasts: Forecasts) -> np.ndarray:
    """The conformal intervals of skforecast, by bins of the forecast as it comes."""
    from skforecast.recursive import ForecasterRecursive

    n = forecasts.n_calibration
    made = pd.DataFrame({"forecast": forecasts.made})
    truth = pd.Series(forecasts.truth)
    model = ForecasterRecursive(Repeat(), lags=1)
    model.fit(truth[:n], exog=made[:n])
    model.set_out_sample_residuals(truth[:n], forecasts.made[:n])
    table = model.predict_interval(
        steps=len(made) - n,
        exog=made[n:],
        method="conformal",
        interval=COVERAGE,
        use_in_sample_residuals=False,
    )
    np.testing.assert_allclose(table["pred"], forecasts.made[n:])
    return table[["lower_bound", "upper_bound"]].to_numpy()


METHODS: dict[str, tuple[str | None, Callable[[Forecasts], np.ndarray]]] = {
    "sklstm": (None, adaptive),
    "sklstm, not adaptive": (None, split),
    "MAPIE split": ("mapie", mapie_split),
    "MAPIE adaptive": ("mapie", mapie_adaptive),
    "skforecast": ("skforecast", skforecast_conformal),
}


def available() -> list[str]:
    """Names of the methods whose library is installed."""
    return [
        name
        for name, (library, _) in METHODS.items()
        if library is None or importlib.util.find_spec(library)
    ]


def intervals_of(name: str, forecasts: Forecasts) -> np.ndarray:
    """The intervals of the test rows by one method, of shape (n_rows, 2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, about their own futures
        return METHODS[name][1](forecasts)
