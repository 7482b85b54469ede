"""Framing of series before an estimator sees them.

Owns two things: :class:`SlidingWindow`, which makes the windows of a series visible
in a pipeline, and :func:`frame_series`, which shifts a series into pairs (X, y) for a
horizon. NumPy, pandas and scikit-learn only: nothing here knows of networks or states.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklstm._validation import (
    check_nothing_masked,
    check_numbers,
    check_positive_int,
)
from sklstm._windows import digest

__all__ = ["SlidingWindow", "frame_series"]


class SlidingWindow(  # type: ignore[call-arg]  # mypy skips scikit-learn's classes
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Turn each row of a series into the window of rows that ends at it.

    With T = ``sequence_length``, row i of the output holds rows i-T+1 … i of the
    series, in time order::

        out[i, s] = X[i - T + 1 + s]        s = 0 … T-1

    so ``out[i, -1]`` is ``X[i]`` itself and the row count is kept. Put before an
    estimator in a :class:`~sklearn.pipeline.Pipeline`, it gives the answers that the
    estimator gives when it windows by itself with the same ``sequence_length``.

    Parameters
    ----------
    sequence_length : int, default=10
        T, the number of rows in a window, the row itself included.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in :meth:`fit`, where they were all strings.
    sequence_length_ : int
        T as it was at :meth:`fit`; later changes of the parameter wait for a refit.
    context_ : ndarray of shape (min(n_rows, sequence_length_ - 1), n_features_in_)
        The last rows of the data of :meth:`fit`, which windows reach back into.

    See Also
    --------
    frame_series : Shift a series into (X, y) for a horizon.

    Notes
    -----
    :meth:`transform` tells two cases apart by content:

    - The rows of :meth:`fit`, all of them, in order and equal to the last bit, are
      *replayed* from the start of the series. The first T-1 windows are incomplete:
      their steps that lie before the series are NaN in every feature.
    - Any other rows are taken to *follow* the rows of :meth:`fit`, as a test split
      follows its training split: their first windows reach back into ``context_``.

    A step before this one whose ``fit_transform`` rounds otherwise than its
    ``transform``, as :class:`~sklearn.decomposition.PCA`'s may, hides the rows of
    :meth:`fit`: they come out as rows that follow themselves.

    :meth:`transform` never changes the transformer, so two calls both follow the rows
    of :meth:`fit`, not each other: pass the rows after the training rows in one piece.

    The output has three dimensions, which no data frame holds, so ``set_output`` is
    not offered.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import SlidingWindow
    >>> train = np.array([[1.0], [2.0], [3.0]])
    >>> test = np.array([[4.0], [5.0]])
    >>> window = SlidingWindow(sequence_length=3).fit(train)
    >>> window.transform(train)[:, :, 0]
    array([[nan, nan,  1.],
           [nan,  1.,  2.],
           [ 1.,  2.,  3.]])
    >>> window.transform(test)[:, :, 0]
    array([[2., 3., 4.],
           [3., 4., 5.]])
    >>> window.get_feature_names_out(["count"]).ravel().tolist()
    ['count[t-2]', 'count[t-1]', 'count[t]']
    """

    def __init__(self, sequence_length: int = 10) -> None:
        self.sequence_length = sequence_length

    def fit(self, X: Any, y: Any = None) -> SlidingWindow:
        """Remember the last rows of X, and which rows they were.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.
        y : None
            Ignored; here for the pipeline's sake.

        Returns
        -------
        SlidingWindow
            The transformer itself.

        Raises
        ------
        TypeError
            If ``sequence_length`` is not an integer, or X holds dates or durations.
        ValueError
            If ``sequence_length`` is less than 1, or X is not a table of finite
            numbers.
        """
        length = check_positive_int("sequence_length", self.sequence_length)
        rows = self._check_rows(X, reset=True)
        self.sequence_length_ = length
        # Counted from the front: rows[-0:] would be all rows where T is 1.
        self.context_ = rows[max(len(rows) - (length - 1), 0) :].copy()  # (<= T-1, F)
        self._fit_shape = rows.shape
        self._fit_digest = digest(rows.astype(np.float64))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Window X: a replay of the rows of :meth:`fit`, or the rows after them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.

        Returns
        -------
        ndarray of shape (n_rows, sequence_length_, n_features)
            The windows, a fresh array. float32 stays float32; anything else comes
            out float64.

        Raises
        ------
        TypeError
            If X holds dates or durations.
        ValueError
            If X is not a table of finite numbers, nothing of it masked, or its features
            are not those of :meth:`fit`.
        """
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        before = self.context_[:0] if self._is_fit_data(rows) else self.context_
        return _stack_windows(before, rows, self.sequence_length_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the output's values, by step and feature.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the input's features; by default ``feature_names_in_``, and
            where there are none, "x0", "x1", ….

        Returns
        -------
        ndarray of shape (sequence_length_, n_features), dtype object
            One name for each value of a window: "temp[t-1]" is feature "temp" one
            row before the window's last row, "temp[t]" is that last row's.

        Raises
        ------
        ValueError
            If ``input_features`` does not agree with the features of :meth:`fit`.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        lags = range(self.sequence_length_ - 1, -1, -1)
        return np.array(
            [[_shift_name(name, -lag) for name in names] for lag in lags], dtype=object
        )  # (T, F)

    def _check_rows(self, X: Any, reset: bool) -> np.ndarray:
        """X as a finite floating array of shape (n_rows, n_features)."""
        check_numbers("X", X)
        rows = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],  # others become the first of these
            ensure_all_finite=False,
        )
        _refuse_non_finite(rows, getattr(self, "feature_names_in_", None))
        return rows

    def _is_fit_data(self, rows: np.ndarray) -> bool:
        return rows.shape == self._fit_shape and (
            digest(rows.astype(np.float64)) == self._fit_digest
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def frame_series(
    series: Any,
    horizon: int | Iterable[int] = 1,
    *,
    target: Hashable | Sequence[Hashable] | None = None,
) -> tuple[Any, Any]:
    """Shift a series into pairs (X, y), y being what comes ``horizon`` steps later.

    Row i of X is what is known at time i, and ``y[i]`` is the value at time
    i + ``horizon``. The last rows of the series, whose target is not known yet, are
    not in X.

    Parameters
    ----------
    series : array-like or pandas object of shape (n_rows,) or (n_rows, n_features)
        Values in time order: an array, a Series or a DataFrame. Not changed.
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
        The rows with a known target, where n_pairs is n_rows less the longest
        horizon. pandas in, pandas out, with the index of ``series``; a Series
        without a name becomes a column "value".
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
        target, no column, masked entries or another number of dimensions, or ``target``
        names a column that is not there or one twice.

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

    Missing values pass through unseen: fill them before, since to leave out rows
    would shift the others in time.

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
    """
    table = _as_table(series)  # (n, F)
    horizons = _check_horizons(horizon)
    columns = _check_targets(target, table)
    n_pairs = _count_pairs(len(table), max(horizons))
    pairs = [(step, column) for step in horizons for column in columns]
    y = _shift_columns(table, pairs, n_pairs)  # (n_pairs, n_targets)
    alone = _is_int(horizon) and (
        _is_single(target) or (target is None and table.shape[1] == 1)
    )
    if _is_pandas(table):
        return table.iloc[:n_pairs].copy(), y.iloc[:, 0] if alone else y
    return table[:n_pairs].copy(), y[:, 0] if alone else y


# ------------------------------------------------------------------ windows


def _stack_windows(before: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """The windows of ``length`` rows that end at each of ``rows``.

    ``before``, of shape (<= length - 1, n_features), are the rows that come first;
    what is still missing at the front is NaN.
    """
    n_missing = length - 1 - len(before)
    padded = np.empty((length - 1 + len(rows), rows.shape[1]), dtype=rows.dtype)
    padded[:n_missing] = np.nan
    padded[n_missing : length - 1] = before
    padded[length - 1 :] = rows
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))  # (n, F, T) -> (n, T, F)


def _refuse_non_finite(rows: np.ndarray, names: np.ndarray | None) -> None:
    bad = ~np.isfinite(rows)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    kind = "NaN" if np.isnan(rows[row, column]) else "infinity"
    feature = f"feature {column}" if names is None else f"feature {names[column]!r}"
    raise ValueError(
        f"Input X contains {kind} at row {row}, {feature}: {bad.sum()} of its "
        f"{rows.size} values are NaN or infinity, and SlidingWindow expects finite "
        "numbers (NaN in its output marks the steps before the series). Fill them "
        "before windowing, for example with SimpleImputer or DataFrame.ffill; do not "
        "drop single rows, which would shift the others in time."
    )


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _shift_name(name: Any, shift: int) -> str:
    return f"{name}[t{shift:+d}]" if shift else f"{name}[t]"


# ------------------------------------------------------------------ framing


def _is_pandas(values: Any) -> bool:
    return hasattr(values, "iloc")


def _as_table(series: Any) -> Any:
    """The series as an array or a DataFrame of shape (n_rows, n_features)."""
    check_nothing_masked("series", series)
    if not _is_pandas(series):
        series = np.asarray(series)
    if series.ndim == 2 and not series.shape[1]:
        raise ValueError(f"series has no columns, shape {series.shape}.")
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


def _count_pairs(n_rows: int, horizon: int) -> int:
    if n_rows > horizon:
        return n_rows - horizon
    raise ValueError(
        f"series has {n_rows} rows, too few for a horizon of {horizon}: expected at "
        f"least {horizon + 1}, so that one row has a known target. Pass a longer "
        "series or a shorter horizon."
    )


def _shift_columns(table: Any, pairs: list[tuple[int, int]], n_pairs: int) -> Any:
    """One column for each (step, column): that column, ``step`` rows later."""
    if not _is_pandas(table):
        return np.stack(
            [table[step : step + n_pairs, column] for step, column in pairs], axis=1
        )
    import pandas as pd  # already there, since the caller's table is a DataFrame

    index = table.index[:n_pairs]
    return pd.concat(
        [
            table.iloc[step : step + n_pairs, column]
            .set_axis(index)
            .rename(_shift_name(table.columns[column], step))
            for step, column in pairs
        ],
        axis=1,
    )
