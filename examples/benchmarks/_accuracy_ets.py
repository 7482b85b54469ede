"""Exponential smoothing of statsmodels, its components chosen by AICc.

Parameters are fitted once to the training rows; the states follow the test rows. Each
series of a panel has a model of its own. With a period of more than 24 rows smoothing
has too many states to fit, so that the season is first taken off as the mean of each
of its places.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _accuracy_series import Series, mark_origins, mark_test, rows_and_targets, units_of

LONGEST_PERIOD = 24
LONGEST_FITTED = 12  # a longer season starts from its mean: 24 states take minutes
NEWEST_ROWS = 4000  # that parameters are fitted to
TRENDS: tuple[dict[str, Any], ...] = (
    {},
    {"trend": "add"},
    {"trend": "add", "damped_trend": True},
)


def forecast_smoothed(series: Series, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts after each test row, (n_test, 1), and over the horizon."""
    X, _ = rows_and_targets(series)
    units = units_of(X.index)
    is_test, is_origin = mark_test(units), mark_origins(series, horizon)
    next_values, ahead = [], []
    for unit in range(units.max() + 1):
        at = units == unit
        values = X["v"].to_numpy(float)[at]
        first = int(np.flatnonzero(is_test[at])[0])
        origins = np.flatnonzero(is_origin[at])
        one, many = _forecast_one(values, first, origins, series.periods, horizon)
        next_values.append(one)
        ahead.append(many)
    return np.concatenate(next_values)[:, None], np.concatenate(ahead)


def _forecast_one(
    values: np.ndarray,
    first: int,
    origins: np.ndarray,
    periods: tuple[int, ...],
    horizon: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast one series after each row from `first`, and on from the origins."""
    period = periods[-1] if periods else 1
    season = np.zeros(len(values) + horizon)
    if period > LONGEST_PERIOD:
        season = _seasonal_means(values[:first], period, len(values) + horizon)
        period = 1
    start = max(first - NEWEST_ROWS, 0) // period * period
    rest = (values - season[: len(values)])[start:]
    options, params = _choose(rest[: first - start], period)

    def follow(n_rows: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _model(rest[: n_rows - start], options).smooth(params)

    # The fitted value at a row was forecast from the row before it; the last row's own
    # forecast is the one step after all rows.
    whole = follow(len(values))
    next_values = np.append(whole.fittedvalues[first - start + 1 :], whole.forecast(1))
    next_values = next_values + season[first + 1 : len(values) + 1]
    ahead = [
        follow(origin + 1).forecast(horizon) + season[origin + 1 : origin + 1 + horizon]
        for origin in origins
    ]
    return next_values, np.stack(ahead)


def _seasonal_means(values: np.ndarray, period: int, n_rows: int) -> np.ndarray:
    """Return how far each place of the period lies from a running mean, repeated."""
    sums = np.convolve(values, np.ones(period), mode="valid") / period
    middle = values[period // 2 :][: len(sums)] - sums
    places = (np.arange(len(middle)) + period // 2) % period
    means = np.array([middle[places == place].mean() for place in range(period)])
    return (means - means.mean())[np.arange(n_rows) % period]


def _candidates(values: np.ndarray, period: int) -> list[dict[str, Any]]:
    """Return the components to choose from; products need values above zero."""
    seasons: list[dict[str, Any]] = [{}]
    if 1 < period <= len(values) // 3:
        kinds = ["add", "mul"] if values.min() > 0 else ["add"]
        seasons += [{"seasonal": kind, "seasonal_periods": period} for kind in kinds]
    return [{**trend, **season} for trend in TRENDS for season in seasons]


def _choose(values: np.ndarray, period: int) -> tuple[dict[str, Any], np.ndarray]:
    """Fit all candidates, and return the components and parameters of the best."""
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for options in _candidates(values, period):
            result = _model(values, options).fit(disp=False)
            if np.isfinite(result.aicc):
                fits.append((result.aicc, options, np.asarray(result.params)))
    _, options, params = min(fits, key=lambda fit: fit[0])
    return options, params


def _model(values: np.ndarray, options: dict[str, Any]) -> Any:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    is_long = options.get("seasonal_periods", 1) > LONGEST_FITTED
    start = "heuristic" if is_long else "estimated"
    return ETSModel(values, error="add", initialization_method=start, **options)
