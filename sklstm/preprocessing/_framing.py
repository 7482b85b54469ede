"""A series shifted into pairs (X, y) for a horizon."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from sklstm._checks import check_nothing_masked, check_positive_int
from sklstm._rows.frames import as_pandas
from sklstm.preprocessing._pairs import Pairs, pair_rows
from sklstm.preprocessing._sliding_window import shift_name


def frame_series(
    series: Any,
    horizon: int | Iterable[int] = 1,
    *,
    target: Hashable | Sequence[Hashable] | None = None,
) -> tuple[Any, Any]:
    """Shift a series into pairs (X, y), y being what comes ``horizon`` steps later.

    Row i of X is what is known at time i, and ``y[i]`` is the value at time
    i + ``horizon``. The last rows of the series, whose target is not known yet, are
    not in X. In a panel, a pandas object whose index has several levels, each series
    is shifted by itself, so that a target is always of the same series as its row.

    Parameters
    ----------
    series : array-like or pandas object of shape (n_rows,) or (n_rows, n_features)
        Values in time order: an array, a Series or a DataFrame. Not changed. With a
        MultiIndex it is a panel: the last level is the time, the levels before it tell
        the series apart, whose rows need not be adjacent.
    horizon : int or iterable of int, default=1
        How many steps ahead y is; at least 1. An int gives one target for each
        target column; an iterable, such as ``range(1, 8)`` for each of the next 7
        values, gives one for each horizon and target column, the horizons in the
        order given and the target columns side by side within a horizon.
    target : int, str, or list of these, default=None
        Which columns of ``series`` to predict: an int is a position (negative ones
        count from the end), a str the name of a DataFrame's column. By default all.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_pairs, n_features)
        The rows with a known target in the order given, where n_pairs is n_rows less
        the longest horizon, in a panel less this for each series (and a series that
        is no longer than this has no row in X). pandas in, pandas out, with the index
        of ``series``; a Series without a name becomes a column "value".
    y : ndarray, Series or DataFrame of shape (n_pairs,) or (n_pairs, n_targets)
        The targets. 1-D if ``horizon`` is an int and one column is predicted: the
        only one, or one given alone, not in a list. pandas targets carry the index
        of the rows of X they belong to, and names such as "count[t+1]".

    Raises
    ------
    TypeError
        If a horizon is not an integer.
    ValueError
        If a horizon is less than 1 or comes twice, ``series`` has no row with a known
        target, no column, masked entries or another number of dimensions, ``target``
        names a column that is not there or one twice, or the time of a panel's series
        does not grow with each row.

    See Also
    --------
    SlidingWindow : Turn rows into the windows that end at them.

    Notes
    -----
    For the forecast itself, the rows without a known target are the last ones of the
    series, as many as the (longest) horizon: after ``fit(X, y)``, the rows
    ``series[len(X):]`` follow the rows of X, and the prediction for the last of them
    is the value ``horizon`` steps after the end of the series. A 1-D array needs
    ``series[len(X):].reshape(-1, 1)`` there, a Series ``series[len(X):].to_frame()``.

    With several horizons, ``predict`` for the last row of the series gives all of them
    at once: a direct forecast, one output for each horizon. The linear map of
    `StatefulLSTMRegressor` is told how far ahead each target is, and reads the rows a
    period before it. To train on the newest rows too, of which the nearer targets are
    known, put NaN for those that are not, and set ``missing="ignore"``.

    In a panel these are the last rows of each series, as many as the longest horizon:
    ``series.groupby(level="shop").tail(1)`` where the horizon is 1 and one level,
    "shop", tells the series apart.

    A step is a row, whatever time its label names, and missing values pass through
    unseen: fill in missing rows and values before, since to leave out rows would shift
    the others in time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import frame_series
    >>> series = np.array([10, 11, 12, 13, 14])
    >>> X, y = frame_series(series)
    >>> X.ravel(), y
    (array([10, 11, 12, 13]), array([11, 12, 13, 14]))
    >>> X, y = frame_series(series, horizon=[1, 3])
    >>> X.ravel()
    array([10, 11])
    >>> y
    array([[11, 13],
           [12, 14]])
    >>> series[len(X):].reshape(-1, 1)    # no target yet: what to forecast from
    array([[12],
           [13],
           [14]])

    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> sales = pd.DataFrame({"count": [3, 5, 4, 6], "promo": [0, 1, 0, 1]}, days)
    >>> X, y = frame_series(sales, target="count")
    >>> X.shape, y.tolist(), y.name
    ((3, 2), [5, 4, 6], 'count[t+1]')
    >>> y.index.equals(X.index)
    True

    A panel, here two shops whose rows come day by day:

    >>> panel = pd.DataFrame(
    ...     {"count": [3, 30, 5, 50, 4]},
    ...     index=pd.MultiIndex.from_tuples(
    ...         [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)],
    ...         names=["shop", "day"],
    ...     ),
    ... )
    >>> X, y = frame_series(panel)
    >>> X.join(y).reset_index()
      shop  day  count  count[t+1]
    0    a    1      3           5
    1    b    1     30          50
    2    a    2      5           4
    """
    table = _as_table(series)  # (n, F)
    horizons = _check_horizons(horizon)
    columns = _check_targets(target, table)
    pairs = pair_rows(table, horizons)
    y = _shift_columns(table, pairs, columns)  # (n_pairs, n_targets)
    alone = _is_int(horizon) and (
        _is_single(target) or (target is None and table.shape[1] == 1)
    )
    if _is_pandas(table):
        return table.iloc[pairs.known].copy(), y.iloc[:, 0] if alone else y
    return table[pairs.known].copy(), y[:, 0] if alone else y


def _is_pandas(values: Any) -> bool:
    return hasattr(values, "iloc")


def _as_table(series: Any) -> Any:
    """The series as an array or a DataFrame of shape (n_rows, n_features)."""
    check_nothing_masked("series", series)
    series = as_pandas(series)
    if not _is_pandas(series):
        series = np.asarray(series)
    if series.ndim == 2 and not series.shape[1]:
        raise ValueError(
            f"series has no columns, shape {series.shape}: expected at least one."
        )
    if series.ndim not in (1, 2):
        raise ValueError(
            f"series has {series.ndim} dimensions, shape {series.shape}: expected "
            "(n_rows,) or (n_rows, n_features). Frame one series at a time."
        )
    if series.ndim == 2:
        return series
    if _is_pandas(series):
        return series.to_frame("value" if series.name is None else series.name)
    return series[:, np.newaxis]


def _check_horizons(horizon: Any) -> list[int]:
    """The horizons as a list of distinct positive integers."""
    if isinstance(horizon, Iterable) and not isinstance(horizon, str):
        horizons = [check_positive_int("horizon", step) for step in horizon]
    else:
        horizons = [check_positive_int("horizon", horizon)]
    if not horizons:
        raise ValueError(
            f"horizon={horizon!r} is empty: expected an integer of at least 1 or "
            "several of them, such as range(1, 8)."
        )
    if len(set(horizons)) < len(horizons):
        raise ValueError(
            f"horizon={horizons} names a step twice: expected each step once."
        )
    return horizons


def _is_single(target: Any) -> bool:
    """Whether ``target`` is one column given alone, not several in a list."""
    return isinstance(target, str) or not (
        target is None or isinstance(target, Iterable)
    )


def _check_targets(target: Any, table: Any) -> list[int]:
    """The positions of the target columns."""
    n_columns = table.shape[1]
    if target is None:
        return list(range(n_columns))
    targets = [target] if _is_single(target) else list(target)
    columns = [_locate_column(one, table) for one in targets]
    if not columns:
        raise ValueError(
            "target=[] selects no column: expected at least one, or None for all."
        )
    if len(set(columns)) < len(columns):
        raise ValueError(
            f"target={targets} selects a column twice: expected each column once."
        )
    return columns


def _locate_column(target: Any, table: Any) -> int:
    """The position of one target column, given by position or by name."""
    n_columns = table.shape[1]
    if _is_int(target):
        if -n_columns <= target < n_columns:
            return int(target) % n_columns
        known = f"a position from {-n_columns} to {n_columns - 1}"
    elif not _is_pandas(table):
        known = "the position of a column, since an array has no names"
    else:
        names = list(table.columns)
        if names.count(target) == 1:
            return names.index(target)
        known = f"the position of a column or one of the names {names}, there once"
    raise ValueError(
        f"target={target!r} is no column of this series of {n_columns}: expected "
        f"{known}."
    )


def _shift_columns(table: Any, pairs: Pairs, columns: list[int]) -> Any:
    """The target columns at each step, the columns side by side within a step."""
    targets = [(step, column) for step in pairs.later for column in columns]
    if not _is_pandas(table):
        return np.stack(
            [table[pairs.later[step], column] for step, column in targets], axis=1
        )
    import pandas as pd  # already there, since the caller's table is a DataFrame

    index = table.index[pairs.known]
    return pd.concat(
        [
            table.iloc[pairs.later[step], column]
            .set_axis(index)
            .rename(shift_name(table.columns[column], step))
            for step, column in targets
        ],
        axis=1,
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
