"""A series to forecast: its rows and targets, its test part, and errors as ratios.

Knows neither where the values come from nor who forecasts them. An error is the mean
absolute error on the test part, divided by that of the better of two forecasts which
need no model: the last value, and the value one period before the one to be forecast.
So 1 is as good as these, and an error is comparable between series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

TEST_SHARE = 5  # the last fifth of a series is its test part,
LONGEST_TEST = 672  # and no more rows of it than these, four weeks of hours
HORIZON = 24


@dataclass(frozen=True, eq=False)
class Series:
    """One series, or a panel of them, with what a forecaster may be told about it.

    Parameters
    ----------
    name, kind : str
        What it is called in the tables, and what sort of series it is.
    group : {"chosen", "reported"}
        Whether settings may be chosen by its errors. Those of the reported series may
        only be reported.
    values : Series of shape (n_rows,) or DataFrame of shape (n_rows, n_features)
        The value of each row, which forecasts the next one; or, if there are labels,
        what is known when a row's label is to be told. A panel has a MultiIndex of
        series and time, sorted by both.
    periods : tuple of int
        Rows in a day, a week or a year, the shortest first; none where there is none.
    labels : Series of shape (n_rows,), optional
        The class of each row of `values`.
    """

    name: str
    kind: str
    group: Literal["chosen", "reported"]
    values: Any
    periods: tuple[int, ...] = ()
    labels: Any = None

    @property
    def is_panel(self) -> bool:
        """Whether there are many series."""
        return isinstance(self.values.index, pd.MultiIndex)

    @property
    def is_classes(self) -> bool:
        """Whether the targets are labels."""
        return self.labels is not None

    @property
    def units(self) -> Any:
        """The series that each row is of, as integers in order of appearance."""
        return units_of(self.values.index)


def units_of(index: pd.Index) -> np.ndarray:
    """Tell which series each row is of, as integers in order of appearance."""
    if not isinstance(index, pd.MultiIndex):
        return np.zeros(len(index), int)
    return pd.factorize(index.droplevel(-1))[0]


def rows_and_targets(series: Series, calendar: bool = False) -> tuple[Any, Any]:
    """Return all rows X that have a target, and the targets y under the same labels.

    The target of a value is the next value of its series, so that the last row of each
    series is left out; labels belong to the rows as they are.
    """
    if series.is_classes:
        return series.values, series.labels
    units = series.units
    following = series.values.groupby(units).shift(-1)
    has_next = np.append(units[1:] == units[:-1], False)
    X = series.values.to_frame("v")
    if calendar:
        X = X.join(calendar_of_next(series.values.index))
    return X[has_next], following[has_next].rename("next")


def calendar_of_next(index: pd.Index) -> pd.DataFrame:
    """Return the place in day, week and year of the row after each, as circles.

    Raises
    ------
    ValueError
        If the rows have no dates.
    """
    times = index.get_level_values(-1)
    if not isinstance(times, pd.DatetimeIndex):
        raise ValueError(f"calendar columns need dates, got {type(times).__name__}")
    step = pd.Series(times).diff().median()
    times = times + step
    places = {"year": (times.day_of_year - 1) / 365.25}
    if step < pd.Timedelta(days=7):
        places["week"] = times.day_of_week / 7
    if step < pd.Timedelta(days=1):
        places["day"] = (times.hour + times.minute / 60) / 24
    angles = pd.DataFrame(places, index=index) * 2 * np.pi
    sines = np.sin(angles).add_suffix("_sin")
    return sines.join(np.cos(angles).add_suffix("_cos"))


def mark_test(units: np.ndarray) -> np.ndarray:
    """Mark the last fifth of the rows of each series, and no more than 672 of them."""
    table = pd.Series(units)
    rows = table.groupby(table)
    n_rows, place = rows.transform("size").to_numpy(), rows.cumcount().to_numpy()
    n_test = np.clip(n_rows // TEST_SHARE, 1, LONGEST_TEST)
    return place >= n_rows - n_test


def split(series: Series, calendar: bool = False) -> tuple[Any, Any, Any, Any]:
    """Return ``X_train, y_train, X_test, y_test``; in each series the test rows follow.

    Parameters
    ----------
    calendar : bool, default=False
        Whether X has the calendar of the row to be forecast as further columns.
    """
    X, y = rows_and_targets(series, calendar)
    is_test = mark_test(units_of(X.index))
    return X[~is_test], y[~is_test], X[is_test], y[is_test]


def horizon_of(series: Series) -> int:
    """Return 24 steps, or one period where the test part has not twice as many."""
    X, _ = rows_and_targets(series)
    units = units_of(X.index)
    n_test = int(np.bincount(units[mark_test(units)]).min())
    if n_test >= 2 * HORIZON:
        return HORIZON
    return max([4, *series.periods[:1]])


def mark_origins(series: Series, horizon: int) -> np.ndarray:
    """Mark the rows of X that a forecast over `horizon` steps starts from.

    They are the first test row of each series and every `horizon`-th row after it,
    as long as all targets of the forecast are in the series.
    """
    X, _ = rows_and_targets(series)
    units = units_of(X.index)
    is_test = mark_test(units)
    place = pd.Series(is_test).groupby(units).cumsum().to_numpy() - 1
    left = pd.Series(units).groupby(units).cumcount(ascending=False).to_numpy() + 1
    return is_test & (place % horizon == 0) & (left >= horizon)


def following_targets(series: Series, horizon: int) -> np.ndarray:
    """Return the targets of all steps from all origins, (n_origins, horizon)."""
    _, y = rows_and_targets(series)
    rows = np.flatnonzero(mark_origins(series, horizon))
    return y.to_numpy(float)[rows[:, None] + np.arange(horizon)]


def naive_forecasts(series: Series, horizon: int = 1) -> dict[str, np.ndarray]:
    """Return forecasts that need no model, each of shape (n_origins, horizon).

    "persistence" repeats the last value, "seasonal 24" the last 24. Values from before
    the series begins are NaN. If `horizon` is 1, every test row is an origin.
    """
    X, _ = rows_and_targets(series)
    values = X["v"].groupby(units_of(X.index))
    origins = mark_origins(series, horizon)
    forecasts = {}
    for name, period in {"persistence": 1, **_seasonal_names(series)}.items():
        behind = [period - 1 - step % period for step in range(horizon)]
        shifted = {n: values.shift(n).to_numpy(float)[origins] for n in set(behind)}
        forecasts[name] = np.stack([shifted[n] for n in behind], axis=1)
    return forecasts


def _seasonal_names(series: Series) -> dict[str, int]:
    return {f"seasonal {period}": period for period in series.periods}


def error_by_unit(series: Series, forecast: Any, horizon: int = 1) -> np.ndarray:
    """Return the mean absolute error of each series, infinite where it is NaN."""
    X, _ = rows_and_targets(series)
    units = units_of(X.index)[mark_origins(series, horizon)]
    forecast = np.asarray(forecast, float).reshape(-1, horizon)
    errors = np.abs(forecast - following_targets(series, horizon)).mean(axis=1)
    means = pd.Series(errors).groupby(units).agg(lambda part: part.mean(skipna=False))
    return means.fillna(np.inf).to_numpy()


def naive_error_by_unit(series: Series, horizon: int = 1) -> np.ndarray:
    """Return the error of the better of the forecasts without a model, by series."""
    naive = naive_forecasts(series, horizon).values()
    return np.min([error_by_unit(series, one, horizon) for one in naive], axis=0)


def error_ratio(series: Series, forecast: Any, horizon: int = 1) -> float:
    """Return the error of a forecast, 1 being the better of those without a model.

    Parameters
    ----------
    forecast : array-like of shape (n_test,) or (n_origins, horizon)
        In a panel the ratio is the geometric mean of those of its series.
    """
    errors = error_by_unit(series, forecast, horizon)
    return geometric_mean(errors / naive_error_by_unit(series, horizon))


def class_error_ratio(series: Series, probabilities: Any, classes: Any) -> float:
    """Return the log loss on the test part, 1 being the training rows' frequencies.

    Parameters
    ----------
    probabilities : array-like of shape (n_test, n_classes)
    classes : array-like of shape (n_classes,)
        The labels of the columns, which must be those of the training rows.
    """
    _, y_train, _, y_test = split(series)
    shares = y_train.value_counts(normalize=True)
    constant = np.tile(shares.reindex(classes).to_numpy(), (len(y_test), 1))
    loss = log_loss(y_test, probabilities, classes)
    return loss / log_loss(y_test, constant, classes)


def log_loss(labels: Any, probabilities: Any, classes: Any) -> float:
    """Return the mean negative log probability of the labels, none below 1e-6."""
    columns = pd.Index(classes).get_indexer(np.asarray(labels))
    told = np.asarray(probabilities, float)[np.arange(len(columns)), columns]
    told = np.where(columns < 0, 0.0, told)  # a label that training never saw
    return float(-np.log(np.clip(told, 1e-6, 1)).mean())


def geometric_mean(ratios: Any) -> float:
    """Return the mean in which half and double cancel each other."""
    return float(np.exp(np.mean(np.log(np.asarray(ratios, float)))))
