"""Forecasters of scikit-learn on lags, one step ahead and recursively.

All are given the same lags: the last 24 values, and four around each period. Each is
fitted to levels and to differences, and takes what forecasts the last fifth of its
training rows better. Values are standardised by the training rows of each series, and
the series of a panel are pooled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _accuracy_series import (
    Series,
    mark_origins,
    mark_test,
    rows_and_targets,
    units_of,
)

N_LAGS = 24
FORMS = ("levels", "differences")


def lags_of(series: Series) -> np.ndarray:
    """Return how many rows back from each row its features are; 0 is the row itself.

    So a forecast knows the values 1 to 24 rows before its target, and of each period m
    those m - 1 to m + 2 rows before it. The fourth of these shows how the value one
    period before the last one was reached: without it, the error of ridge regression on
    levels is 0.37 on half-hourly electricity, with it 0.25. Periods longer than a third
    of the shortest series would leave too few rows, and are left out.
    """
    X, _ = rows_and_targets(series)
    units = units_of(X.index)
    shortest = int(np.bincount(units[~mark_test(units)]).min())
    lags = set(range(min(N_LAGS, shortest // 3)))
    for period in series.periods:
        if period < shortest // 3:
            lags |= set(range(max(period - 2, 0), period + 2))
    return np.array(sorted(lags))


@dataclass(frozen=True)
class Rows:
    """The rows of a series at its own scale, and the values up to each of them.

    Parameters
    ----------
    values, targets : ndarray of shape (n_rows,)
    units, is_test : ndarray of shape (n_rows,)
        Which series each row is of, and whether it is in the test part.
    mean, spread : ndarray of shape (n_rows,)
        Of the training rows of the row's series.
    """

    values: np.ndarray
    targets: np.ndarray
    units: np.ndarray
    is_test: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, series: Series) -> Rows:
        """Return the rows of a series or panel, standardised by its training part."""
        X, y = rows_and_targets(series)
        units = units_of(X.index)
        is_test = mark_test(units)
        of_unit = X["v"][~is_test].groupby(units[~is_test])
        mean = of_unit.mean().to_numpy()[units]
        spread = np.maximum(of_unit.std().to_numpy()[units], 1e-12)
        values, targets = (
            (part.to_numpy(float) - mean) / spread for part in (X["v"], y)
        )
        return cls(values, targets, units, is_test, mean, spread)

    def recent(self, rows: np.ndarray, depth: int) -> np.ndarray:
        """Return the values up to each of some rows, the newest last, (n, depth).

        Values from before a series begins are NaN.
        """
        starts = np.flatnonzero(np.diff(self.units, prepend=-1))
        behind = np.arange(depth)[::-1]
        table = self.values[np.maximum(rows[:, None] - behind, 0)]
        place = rows - starts[self.units[rows]]
        return np.where(behind <= place[:, None], table, np.nan)


def features_of(recent: np.ndarray, lags: np.ndarray, form: str) -> np.ndarray:
    """Return the lags of each row, as levels or as differences, (n, n_lags)."""
    if form == "differences":
        recent = np.diff(recent, axis=1)
    return recent[:, -1 - lags]


def base_of(recent: np.ndarray, form: str) -> np.ndarray:
    """Return what the targets of a form are measured from, (n,)."""
    return recent[:, -1] if form == "differences" else np.zeros(len(recent))


@dataclass(frozen=True)
class Lagged:
    """A fitted model with the form that it was chosen for."""

    model: Any
    lags: np.ndarray
    form: str

    @property
    def depth(self) -> int:
        """The number of values that a forecast is made from."""
        return depth_of(self.lags)

    def predict(self, recent: np.ndarray) -> np.ndarray:
        """Return the value after the recent ones, (n,); these are (n, depth)."""
        features = features_of(recent, self.lags, self.form)
        return base_of(recent, self.form) + self.model.predict(features)

    def predict_ahead(self, recent: np.ndarray, n_steps: int) -> np.ndarray:
        """Return the values after those given, (n, n_steps), each fed back."""
        steps = []
        for _ in range(n_steps):
            steps.append(self.predict(recent))
            recent = np.column_stack([recent[:, 1:], steps[-1]])
        return np.stack(steps, axis=1)


def depth_of(lags: np.ndarray) -> int:
    """Return how many values a forecast needs: one more than lags, for differences."""
    return int(lags.max()) + 2


def fit_lagged(series: Series, make_model: Callable[[], Any]) -> Lagged:
    """Fit a model on the training rows in the form that validates better."""
    rows, lags = Rows.of(series), lags_of(series)
    training = np.flatnonzero(~rows.is_test)
    recent = rows.recent(training, depth_of(lags))
    is_whole = ~np.isnan(recent[:, 0])
    training, recent = training[is_whole], recent[is_whole]
    targets, is_held = rows.targets[training], mark_test(rows.units[training])

    def fit(form: str, at: np.ndarray) -> Lagged:
        given = features_of(recent[at], lags, form)
        aims = targets[at] - base_of(recent[at], form)
        return Lagged(make_model().fit(given, aims), lags, form)

    def held_out_error(form: str) -> float:
        answers = fit(form, ~is_held).predict(recent[is_held])
        return float(np.abs(answers - targets[is_held]).mean())

    return fit(min(FORMS, key=held_out_error), np.full(len(targets), True))


def forecast_lagged(series: Series, fitted: Lagged, horizon: int = 1) -> np.ndarray:
    """Return forecasts from all origins in the user's units, (n_origins, horizon)."""
    rows = Rows.of(series)
    origins = np.flatnonzero(mark_origins(series, horizon))
    made = fitted.predict_ahead(rows.recent(origins, fitted.depth), horizon)
    return made * rows.spread[origins, None] + rows.mean[origins, None]
