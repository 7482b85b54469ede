"""Whose each row is, and when it was: the labels of the rows of one call.

This module owns how series ids and times are read from a table, and how the ids of one
call are matched with those of another. Whether the times follow one another is decided
in :mod:`sklstm._rows.continuity`. NumPy and pandas only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._later import is_index, pd
from sklstm._rows.frames import as_pandas


@dataclass(frozen=True, eq=False)
class RowLabels:
    """Whose each row of one call is, and when it was.

    Parameters
    ----------
    ids : Index of shape (n_series,) or None
        The different series, in order of first appearance: a MultiIndex where several
        levels or columns tell them apart. None for one series that has no name.
    codes : ndarray of int64 of shape (n,)
        Which of `ids` each row belongs to; zeros where `ids` is None.
    time : Index of shape (n,) or None
        Dates, periods or integers; None where rows carry no time label.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"shop": ["b", "a", "b"], "sales": [1.0, 2.0, 3.0]})
    >>> X, labels = read_labels(frame, "shop")
    >>> list(X.columns), list(labels.ids), labels.codes.tolist()
    (['sales'], ['b', 'a'], [0, 1, 0])
    """

    ids: Any  # an Index, or None; of sequences a range of their numbers
    codes: np.ndarray
    time: pd.Index | None

    @property
    def n_series(self) -> int:
        """How many series the rows belong to; 1 where the series has no name."""
        return 1 if self.ids is None else len(self.ids)

    def series_name(self, code: int) -> str:
        """``"series 'north'"``, or ``"the series"`` where it has no name."""
        if self.ids is None:
            return "the series"
        return f"series {_shown(self.ids[code])}"


def read_labels(X: Any, series_id: Any = None) -> tuple[Any, RowLabels]:
    """The table without its id columns, and whose each row is and when it was.

    Parameters
    ----------
    X : DataFrame, array or sequence with n rows
        Never changed. All levels of a MultiIndex before the last tell series apart,
        and the last is the time. A single level of dates, periods or integers is the
        time, except the index that every new frame has, ``RangeIndex(n)``.
    series_id : str, int or a list of them, optional
        Columns that tell series apart: names, or positions in an array. An int is a
        position, too, in a frame whose columns are all named by strings.

    Returns
    -------
    X : of the same kind, of shape (n, n_features - number of id columns)
    labels : RowLabels

    Raises
    ------
    TypeError
        Where `series_id` is of a type that cannot name columns.
    ValueError
        Where an id column is not in `X`, is named twice or leaves no feature; where `X`
        has no columns for ids, or an id is missing; where the last level of a
        MultiIndex is no time; where both `series_id` and a MultiIndex are given.
    """
    index = getattr(X, "index", None)
    index = index if is_index(index) else None
    if series_id is not None:
        return _read_id_columns(X, series_id, index)
    if index is not None and isinstance(index, pd.MultiIndex):
        return X, _read_levels(index)
    codes = np.zeros(_n_rows(X), np.int64)
    return X, RowLabels(None, codes, _time_of(index))


def match_series(known: pd.Index | None, ids: pd.Index | None) -> np.ndarray:
    """Where each series of a call is among those known.

    Parameters
    ----------
    known : Index of shape (n_known,) or None
        Ids of the series of `fit`; None where it had one series without a name.
    ids : Index of shape (n_series,) or None
        Ids of the series of this call.

    Returns
    -------
    positions : ndarray of int64 of shape (n_series,)
        -1 for each series that is new.

    Raises
    ------
    ValueError
        Where only one of the two has ids, or one has more columns or levels of them.
    TypeError
        Where ids have another type than in `fit`.
    """
    if known is None and ids is None:
        return np.zeros(1, np.int64)
    if known is None or ids is None:
        had, has = ("no ids", "some") if known is None else ("ids", "none")
        raise ValueError(
            f"The series of fit had {had}, but those of X have {has}. Tell series apart"
            " in all calls or in none: by the columns that series_id names, or by the"
            " levels of a MultiIndex before the last."
        )
    _check_same_ids(known, ids)
    return known.get_indexer(ids).astype(np.int64)


def _read_levels(index: pd.MultiIndex) -> RowLabels:
    """Labels from the levels of an index: whose, whose, ..., when."""
    last = index.get_level_values(-1)
    time = _as_time(last)
    if time is None:
        raise ValueError(
            "The last level of X's MultiIndex must be the time of each row: dates,"
            f" periods or integers. Got {_level(index, -1)} of dtype {last.dtype}."
            " Convert it (for example with pandas.to_datetime), or put the levels in"
            " order with reorder_levels(), the time last."
        )
    if index.nlevels == 1:
        return RowLabels(None, np.zeros(len(index), np.int64), time)
    codes = [np.asarray(level, np.int64) for level in index.codes[:-1]]
    for i, level in enumerate(codes):
        _check_none_missing(level, _level(index, i))
    return RowLabels(*_combine(codes, index.levels[:-1], index.names[:-1]), time)


def _level(index: pd.MultiIndex, i: int) -> str:
    name = index.names[i]
    return f"index level {i % index.nlevels if name is None else _shown(name)}"


def _time_of(index: pd.Index | None) -> pd.Index | None:
    """The time that a single-level index of rows tells, if it tells any."""
    if index is None:
        return None
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return None  # every new frame has this index
    return _as_time(index)


def _as_time(index: pd.Index) -> pd.Index | None:
    """The index as dates, periods or integers, or None where it holds others."""
    if isinstance(index, pd.CategoricalIndex):
        index = index.astype(index.categories.dtype)
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        return index
    if pd.api.types.is_integer_dtype(index.dtype):
        return index
    if getattr(index.dtype, "kind", "") == "M":  # dates kept by pyarrow
        return pd.DatetimeIndex(index)
    if index.dtype == object and pd.api.types.infer_dtype(index) == "date":
        return pd.DatetimeIndex(index)  # what pyarrow makes of days in a file
    return None


def _read_id_columns(
    X: Any, series_id: Any, index: pd.Index | None
) -> tuple[Any, RowLabels]:
    """The table without its id columns, and labels from these and from its index."""
    table = _as_table(X, series_id)
    if isinstance(index, pd.MultiIndex):
        raise ValueError(
            f"series_id={series_id!r} was given, and X has a MultiIndex, whose levels"
            " before the last tell the series apart as well. Use one of the two: pass"
            " series_id=None, or move the levels into columns with X.reset_index()."
        )
    names = list(table.columns) if hasattr(table, "columns") else None
    places = _places(series_id, names, table.shape[1])
    codes, values = [], []
    for place in places:
        column = _columns(table, place)
        column = column if index is not None else np.asarray(column)
        column_codes, uniques = pd.factorize(column)
        codes.append(column_codes.astype(np.int64))
        values.append(pd.Index(uniques))
        _check_none_missing(codes[-1], f"column {names[place] if names else place!r}")
    ids, combined = _combine(codes, values, [names and names[i] for i in places])
    kept = [i for i in range(table.shape[1]) if i not in places]
    return _columns(table, kept), RowLabels(ids, combined, _time_of(index))


def _as_table(X: Any, series_id: Any) -> Any:
    """`X` with its columns, or an error where it has none to take ids from."""
    # A list of rows may mix text and numbers, which an object array keeps apart.
    table = as_pandas(X) if hasattr(X, "shape") else np.array(X, dtype=object)
    if len(table.shape) != 2 or hasattr(table, "toarray"):
        raise ValueError(
            f"series_id={series_id!r} needs columns that can hold ids, but X is of type"
            f" {type(X).__name__} and shape {tuple(table.shape)}. Pass a DataFrame or a"
            " dense array of shape (n_rows, n_columns), ids beside the features."
        )
    return table


def _places(series_id: Any, names: list | None, n_columns: int) -> list[int]:
    """Positions of the id columns of a table whose columns have `names`, if any."""
    is_list = isinstance(series_id, list | tuple | np.ndarray | pd.Index)
    wanted = list(series_id) if is_list else [series_id]
    places = [_place(name, series_id, names, n_columns) for name in wanted]
    twice = [wanted[i] for i, place in enumerate(places) if place in places[:i]]
    if twice:
        raise ValueError(
            f"series_id={series_id!r} names column {twice[0]!r} twice. Name it once."
        )
    if not 0 < len(places) < n_columns:
        raise ValueError(
            f"series_id={series_id!r} names {len(places)} of the {n_columns} column(s)"
            " of X. It must name at least one and leave at least one as a feature. Pass"
            " series_id=None where X holds one series."
        )
    return places


def _place(name: Any, series_id: Any, names: list | None, n_columns: int) -> int:
    """The position of the column that `name` names, or an error that lists them all."""
    is_int = isinstance(name, int | np.integer) and not isinstance(name, bool)
    if not is_int and not isinstance(name, str):
        raise TypeError(
            "series_id must be the name or the position of a column, or a list of them;"
            f" got {series_id!r}, where {name!r} is of type {type(name).__name__}."
        )
    same = [i for i, column in enumerate(names or ()) if column == name]
    if len(same) > 1:
        raise ValueError(
            f"series_id names column {name!r}, but X has {len(same)} columns of this"
            " name. Rename all but one."
        )
    if same:
        return same[0]
    by_position = names is None or all(isinstance(column, str) for column in names)
    if is_int and by_position and -n_columns <= name < n_columns:
        return int(name) % n_columns
    columns = names or f"{n_columns} without names, which are given by position"
    raise ValueError(
        f"series_id names column {name!r}, which X lacks; the columns of X: {columns}."
        " The ids must be passed to predict, and to every other method, as in fit."
    )


def _columns(table: Any, places: int | list[int]) -> Any:
    return (table.iloc if hasattr(table, "iloc") else table)[:, places]


def _combine(
    codes: Sequence[np.ndarray], values: Sequence[pd.Index], names: Any
) -> tuple[pd.Index, np.ndarray]:
    """Ids in order of first appearance, and which of them each row belongs to.

    `codes`, of shape (n,) for each column, say which of its `values` each row has.
    """
    combined = np.zeros(len(codes[0]), np.int64)
    for column, uniques in zip(codes, values, strict=True):
        combined = pd.factorize(combined * len(uniques) + column)[0].astype(np.int64)
    # factorize counts in order of appearance: a new series has the highest code so far.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(combined), prepend=-1))
    columns = [
        _plain(uniques.take(column[first]))  # (n_series,)
        for column, uniques in zip(codes, values, strict=True)
    ]
    if len(columns) == 1:
        return columns[0].rename(names[0]), combined
    return pd.MultiIndex.from_arrays(columns, names=names), combined


def _plain(ids: pd.Index) -> pd.Index:
    """Ids by their values alone: no categories, masks or Python objects for numbers."""
    if isinstance(ids, pd.CategoricalIndex):
        ids = ids.astype(ids.categories.dtype)
    numpy_dtype = getattr(ids.dtype, "numpy_dtype", None)  # of Int64, int64[pyarrow]
    return (ids if numpy_dtype is None else ids.astype(numpy_dtype)).infer_objects()


def _check_none_missing(codes: np.ndarray, where: str) -> None:
    """Raise ValueError where a row has no id."""
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(
            f"{len(missing)} row(s) of X have no series id: {where} holds NaN, None or"
            f" NaT, first in row {missing[0]}. Give these rows an id, or drop them."
        )


def _check_same_ids(known: pd.Index, ids: pd.Index) -> None:
    """Raise where ids have other columns, or other types, than in fit."""
    fitted, given = list(known.names), list(ids.names)
    is_reordered = fitted != given and set(fitted) == set(given)
    if len(fitted) != len(given) or is_reordered:
        raise ValueError(
            f"Series are told apart by {len(given)} column(s) or level(s), {given}, but"
            f" were by {len(fitted)} in fit, {fitted}. Pass the same in the same order."
        )
    for i, name in enumerate(fitted):
        _check_same_kind(known.get_level_values(i), ids.get_level_values(i), name)


def _check_same_kind(fitted: pd.Index, given: pd.Index, name: Any) -> None:
    """Raise TypeError where ids are of a kind that equals none of those fitted."""
    kinds = _kind(fitted), _kind(given)
    if kinds[0] == kinds[1] or "empty" in kinds or kinds[0].startswith("mixed"):
        return
    dtype = "str" if kinds[0] == "string" else repr(str(fitted.dtype))
    where = "" if name is None else f" in {_shown(name)}"
    raise TypeError(
        f"Series ids{where} are of dtype {given.dtype} ({kinds[1]}), but were of dtype"
        f" {fitted.dtype} ({kinds[0]}) in fit: none would be recognised. Convert them"
        f" with astype({dtype})."
    )


def _kind(ids: pd.Index) -> str:
    """What ids are, whatever their width and storage: "number", "string", ..."""
    kind = pd.api.types.infer_dtype(ids, skipna=False)
    if isinstance(ids, pd.PeriodIndex):
        return f"{kind} of {ids.freqstr}"
    if isinstance(ids, pd.DatetimeIndex) and ids.tz is not None:
        return f"{kind} with a time zone"
    # A row of an array of floats may hold the id 7 as 7.0, which is the same.
    return "number" if kind in ("integer", "floating", "mixed-integer-float") else kind


def _shown(value: Any) -> str:
    """An id as a reader knows it: text in quotes, a number without its type."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return repr(str(value)) if isinstance(value, str) else str(value)


def _n_rows(X: Any) -> int:
    """How many rows there are; 0 for what has no length, which other checks refuse."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 0
    return len(X) if hasattr(X, "__len__") else 0


def is_id(known: pd.Index | None, series: Any) -> bool:
    """Whether `series` is one id, and not several in a list or an array."""
    if isinstance(known, pd.MultiIndex):
        return isinstance(series, tuple)
    return not isinstance(series, list | tuple | np.ndarray | pd.Index | pd.Series)


def as_ids(known: pd.Index | None, series: Any) -> pd.Index:
    """One id or several as an index; each must be among the ids `known`.

    Raises
    ------
    KeyError
        For a series that is not known, and where series have no names.
    """
    if known is None:
        raise KeyError(
            f"series={series!r} names a series, but the estimator was fitted on one"
            " without a name. Leave series= out."
        )
    wanted = [series] if is_id(known, series) else list(series)
    if isinstance(known, pd.MultiIndex):
        ids: pd.Index = pd.MultiIndex.from_tuples(wanted, names=known.names)
    else:
        ids = pd.Index(wanted, name=known.name)
    unknown = [one for one in wanted if one not in known]
    if unknown:
        raise KeyError(
            f"There is no series {unknown[0]!r} among the {len(known)} known, the first"
            f" of which are {list(known[:5])}. See series_ for all of them."
        )
    return ids
