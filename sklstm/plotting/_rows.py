"""Dates, names, series and classes of the rows of a plot. Nothing is drawn here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm._rows.series import read_labels

# --- time -------------------------------------------------------------------------


def as_index(values: Any) -> pd.Index | None:
    """`values` as an index of dates or numbers; None if they are neither.

    Raises
    ------
    ValueError
        If one of the dates or numbers is smaller than the one before it.
    """
    index = values if isinstance(values, pd.Index) else pd.Index(values)
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    is_time = isinstance(index, pd.DatetimeIndex)
    if not is_time and not pd.api.types.is_numeric_dtype(index):
        return None
    if not index.is_monotonic_increasing:
        at = int(np.argmin(index[1:] >= index[:-1])) + 1
        raise ValueError(
            f"Rows must be in time order, but the index falls from {index[at - 1]} to"
            f" {index[at]} at row {at}. Sort the rows by their index, or pass them"
            " without one, as arrays."
        )
    return index


def dates_of(n_rows: int, *data: Any) -> pd.Index | None:
    """Dates of the rows: the first index of `n_rows` dates among `data`, or None."""
    for index in (d.index for d in data if is_pandas(d) and len(d) == n_rows):
        if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
            return as_index(index)
    return None


def of_one_series(data: Any) -> Any:
    """`data`, without the levels of its index that tell series apart.

    Raises
    ------
    ValueError
        If rows are of several series, which cannot follow one another on one axis.
    """
    if not is_pandas(data) or not isinstance(data.index, pd.MultiIndex):
        return data
    ids = data.index.droplevel(-1).unique()
    if len(ids) > 1:
        raise ValueError(
            f"The rows are of {len(ids)} series, {list(ids[:3])} among them, but one"
            f" series is drawn. Pass the rows of one, such as .loc[[{ids[0]!r}]]."
        )
    return data.set_axis(data.index.get_level_values(-1))


def is_pandas(data: Any) -> bool:
    """Whether `data` is a Series or a DataFrame."""
    return isinstance(data, pd.Series | pd.DataFrame)


# --- series -----------------------------------------------------------------------


def series_of(inside: Any, series_id: Any) -> np.ndarray | None:
    """The series of each row that an estimator sees, of shape (n,); None for one."""
    if np.ndim(inside) == 3:
        return None
    labels = read_labels(inside, series_id)[1]
    return None if labels.ids is None else labels.ids.to_numpy()[labels.codes]


def without_ids(X: Any, series_id: Any, is_transformed: bool) -> Any:
    """X without its columns of ids, as far as they can be told.

    `is_transformed` says that the estimator, which knows the columns as `series_id`,
    sees X through transformers.
    """
    if series_id is None:
        return X
    if not is_transformed:
        return read_labels(X, series_id)[0]
    from sklstm.streaming._fed_rows import find_id_columns

    columns = find_id_columns(series_id, getattr(X, "columns", None))
    return X if columns is None else X.drop(columns=columns)


# --- values -----------------------------------------------------------------------


def first_column(data: Any, default: str) -> tuple[np.ndarray, str]:
    """The first column of `data`, one value for each row, and the column's name.

    Of windows it is the first column at their last step.

    Parameters
    ----------
    data : array-like of shape (n,), (n, n_columns) or (n, sequence_length, n_columns)
    default : str
        The name to use for a column without one.
    """
    if isinstance(data, pd.DataFrame):
        data = data.iloc[:, 0]
    if isinstance(data, pd.Series):
        return data.to_numpy(), default if data.name is None else str(data.name)
    values = np.asarray(data)
    values = values[:, -1] if values.ndim == 3 else values
    return (values[:, 0] if values.ndim == 2 else values), default


# --- classes ----------------------------------------------------------------------


def find_classes(values: Any) -> np.ndarray | None:
    """The sorted labels among `values` of shape (n,); None if they are numbers."""
    values = pd.Series(values).infer_objects()
    is_number = pd.api.types.is_numeric_dtype(values)
    if is_number and not pd.api.types.is_bool_dtype(values):
        return None
    return np.array(sorted(values.dropna().unique()), dtype=object)


def merge_classes(classes: Any, values: Any) -> np.ndarray:
    """`classes`, followed by the sorted labels in `values` that are not among them."""
    new = pd.Series(values).dropna().unique()
    known = set(classes)
    return np.array([*classes, *sorted(set(new) - known)], dtype=object)


def encode_classes(values: Any, classes: Any) -> np.ndarray:
    """The number of each value's class, of shape (n,); NaN for a value without one."""
    codes = pd.Index(classes).get_indexer(pd.Index(values)).astype(float)
    codes[codes < 0] = np.nan
    return codes
