"""What X and y may be: rows, ready-made windows, or sequences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklstm._checks import (
    check_no_label_missing,
    check_nothing_masked,
    check_numbers,
)
from sklstm._estimator.forms import (
    check_not_1d,
    column_of_text,
    holds_windows,
    is_ragged,
    n_dimensions,
)
from sklstm._later import is_index, pd
from sklstm._rows.input_shape import InputShape
from sklstm._rows.state import LARGEST
from sklstm._rows.windows import pad_masked, pad_windows

_KINDS = {2: "rows of X", 3: "windows of X"}
_SHAPES = {
    2: "rows, X of shape (n_rows, n_features)",
    3: "ready-made windows, X of shape (n_windows, sequence_length, n_features)",
}


def check_y(
    estimator, y, y_options: dict[str, Any], given, X
) -> tuple[np.ndarray, np.ndarray]:
    """Targets as an array, numbers or labels, and which of them are missing.

    Where targets may be missing, others stand in their places.

    Parameters
    ----------
    estimator : object
        Whose name errors speak of; it is not changed.
    y : array-like
    y_options : dict
        Options of scikit-learn's checks of y.
    given : Given
        The rows that y belongs to.
    X : array-like
        These rows as they came, whose index is compared with that of y.

    Returns
    -------
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    is_missing : ndarray of bool of the shape of y
    """
    from sklearn.utils.validation import (  # not needed where nothing is trained
        check_array,
        check_consistent_length,
        column_or_1d,
    )

    may_miss = estimator.missing == "ignore"
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but"
            " the target y is None."
        )
    _check_same_order(X, y)
    if given.sequences is not None:
        y = given.sequences.flat("y", y)
    _check_form_of_y(y, given.X)
    if y_options.get("y_numeric"):
        check_numbers("y", y)
        index = getattr(y, "index", None)
        y = check_array(
            y,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            input_name="y",
            estimator=estimator,
        )
        is_missing = np.isnan(y)
        rows_missing = is_missing.reshape(len(y), -1).any(axis=1)
        if rows_missing.any() and not may_miss:
            raise ValueError(
                f"Input y contains NaN in {_rows_text(rows_missing, index)}. Give these"
                " rows any number and sample_weight=0, or set missing='ignore', which"
                " does that. Do not drop them from inside a series, or the rows around"
                " would seem to follow one another."
            )
        y = _with_stand_ins(y, is_missing)
    else:
        check_nothing_masked("y", y)
        labels = column_or_1d(y, warn=True)
        is_missing = pd.isna(labels)
        if may_miss:
            labels = _with_stand_ins(labels, is_missing)
        check_no_label_missing(labels)
        y = check_array(labels, ensure_2d=False, dtype=None, input_name="y")
    check_consistent_length(given.X, y)
    return y, is_missing


def _check_form_of_y(y, X: np.ndarray) -> None:
    """Refuse targets with an axis too many, and those of sequences for other rows."""
    if is_ragged(y):
        raise ValueError(
            "y is a list whose entries differ in length, but there is one target, or"
            f" n_outputs of them, for each of the {len(X)} {_KINDS[X.ndim]}. For a"
            " target at each step of sequences set windows='tiled', and pass X as a"
            " list of arrays of shape (n_steps, n_features)."
        )
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    if len(shape) < 3:
        return
    text = (
        f"y has shape {tuple(shape)}, but must be of shape (n_rows,) or (n_rows,"
        f" n_outputs): one target, or n_outputs of them, for each of the {len(X)}"
        f" {_KINDS[X.ndim]}."
    )
    if shape[1] == 1:
        raise ValueError(f"{text} Pass y.reshape(len(y), -1).")
    raise ValueError(
        f"{text} For a target at each step of a window set windows='tiled', which"
        " takes y of shape (n_windows, sequence_length); for that of its last step"
        " pass y[:, -1]."
    )


def _with_stand_ins(y: np.ndarray, is_missing: np.ndarray) -> np.ndarray:
    """Targets with the first one that there is in the places of those missing.

    For each output it is the first one of this output, if there is any.
    """
    if not is_missing.any():
        return y
    if is_missing.all():
        raise ValueError(
            f"y is missing in all {len(y)} rows, so there is nothing to learn from."
            " Give at least some rows a target."
        )
    first = y[~is_missing][0]
    if y.ndim == 2:
        firsts = np.take_along_axis(y, is_missing.argmin(axis=0)[np.newaxis], axis=0)
        first = np.where(is_missing.all(axis=0), first, firsts)
    return np.where(is_missing, first, y)


def _check_same_order(X, y) -> None:
    """Refuse a y whose index has the labels of X in another order."""
    ours, theirs = getattr(X, "index", None), getattr(y, "index", None)
    if not is_index(ours) or not is_index(theirs):
        return
    if len(ours) != len(theirs) or ours.equals(theirs):
        return
    if ours.is_unique and theirs.is_unique and not len(ours.difference(theirs)):
        raise ValueError(
            "The index of y has the labels of X in another order, so that its values"
            " would be given to other rows. Pass y.loc[X.index], or y.to_numpy() where"
            " its index means nothing."
        )


def check_X(
    estimator, X, like: InputShape | None, dtype: str = "float32"
) -> tuple[np.ndarray, InputShape]:
    """X as rows of shape (n, F) or float32 windows of shape (n, T, F), and its shape.

    Parameters
    ----------
    estimator : object
        Whose name and tags errors speak of, and whose checks of arrays are used (see
        `ArrayChecks`); it is not changed.
    X : array-like
    like : InputShape or None
        The shape that X must have; None for a first call.
    dtype : {"float32", "float64"}
        Of rows in a first call.
    """
    if like is not None and is_plain(X, like):
        return X.astype(like.dtype, copy=False), like
    if n_dimensions(X) == 3:
        _check_dimensions(estimator, 3, like)
        return _check_windows(estimator, X, like)
    if like is not None and like.n_dimensions == 3:
        _check_table(estimator, X, None, dtype)
        _check_dimensions(estimator, 2, like)
    return _check_table(estimator, X, like, dtype if like is None else like.dtype)


def _check_dimensions(estimator, n: int, like: InputShape | None) -> None:
    if like is not None and n != like.n_dimensions:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on {_SHAPES[like.n_dimensions]},"
            f" but got {_SHAPES[n]}. Pass X as in fit, or fit anew."
        )


def is_plain(X, like: InputShape) -> bool:
    """Whether X is a finite float array of rows as fitted: nothing to convert.

    Asking takes 5 µs where scikit-learn's checks take 100, which counts for a single
    row.
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in (np.float32, np.float64)
        and len(X) > 0
        and X.shape[1] == like.n_features
        and like.n_steps is None
        and not like.is_sequences
        and like.feature_names is None
        and bool((np.abs(X) < LARGEST).all())
    )


def _check_table(
    estimator, X, like: InputShape | None, dtype: str
) -> tuple[np.ndarray, InputShape]:
    """Rows of shape (n_rows, n_features)."""
    check_numbers("X", X)
    check_not_1d(X)
    with _our_advice("X", X):
        rows, names = estimator._checked_rows(X, like, dtype)
    return rows, InputShape(rows.shape[1], names, dtype=dtype)


def _nan_text(name: str, X) -> str:
    """What is said of rows with NaN, which a series cannot drop."""
    is_missing = np.any(_is_missing(X), axis=1)
    return (
        f"Input {name} contains NaN in"
        f" {_rows_text(is_missing, getattr(X, 'index', None))}. Fill them, for example"
        " with DataFrame.ffill, DataFrame.interpolate or a SimpleImputer in a pipeline."
        " Do not drop rows from inside a series, or those around would seem to follow"
        " one another; where the index tells that they do not, on_gap='reset' begins"
        " anew after them."
    )


def _is_missing(X) -> Any:
    """Which entries are missing. Only tables of pandas hold others than NaN."""
    is_of_pandas = hasattr(X, "iloc")
    return pd.isna(X) if is_of_pandas else np.isnan(np.asarray(X, np.float64))


def _rows_text(is_missing: Any, index: Any) -> str:
    """How many rows are missing, and the first of them by its label or number."""
    rows = np.flatnonzero(is_missing)
    labelled = is_index(index)
    first = repr(str(index[rows[0]])) if labelled else f"row {rows[0]}"
    return f"{len(rows)} row(s), the first of them {first}"


@contextmanager
def _our_advice(name: str, X) -> Iterator[None]:
    """Put our advice in the place of scikit-learn's: not to drop rows of a series."""
    try:
        yield
    except ValueError as error:
        if "contains NaN" in str(error):
            raise ValueError(_nan_text(name, X)) from None
        column = column_of_text(X)
        if column is None or "string to float" not in str(error):
            raise
        raise ValueError(
            f"{error}. Column {column!r} of {name} holds text. If it tells series"
            f" apart, set series_id={column!r}; else make numbers of it, for example"
            " with OneHotEncoder in a pipeline, or leave it out."
        ) from None


def _check_windows(
    estimator, X, like: InputShape | None
) -> tuple[np.ndarray, InputShape]:
    """Windows of shape (n_windows, T, n_features), as `Windows` marks padding."""
    names = None
    if holds_windows(X):
        names = common_names(X, like)
        X = pad_windows(
            [check_window(estimator, window, k) for k, window in enumerate(X)],
            None if like is None else like.n_steps,
        )
    elif isinstance(X, np.ma.MaskedArray):
        X = pad_masked(_check_stack(estimator, X.data, X.mask), np.ma.getmaskarray(X))
    else:
        X = _check_stack(estimator, X)
    if like is not None and X.shape[2] != like.n_features:
        raise ValueError(
            f"X has windows of shape {X.shape[1:]}, but {type(estimator).__name__} was"
            " fitted on windows of shape (sequence_length, n_features) ="
            f" {(like.n_steps, like.n_features)}. Their lengths may differ, the number"
            " of features may not."
        )
    return X, InputShape(X.shape[2], names, X.shape[1])


def common_names(tables, like: InputShape | None) -> tuple[str, ...] | None:
    """Names of the columns of every table in a list; None where none has any.

    Raises
    ------
    ValueError
        Where a table has other columns than the first, or than fitted, or in another
        order: their values would be taken for those of others.
    """
    expected = None if like is None else like.feature_names
    for k, table in enumerate(tables):
        columns = getattr(table, "columns", None)
        if columns is None or not all(isinstance(name, str) for name in columns):
            continue
        expected = expected or tuple(columns)
        if tuple(columns) != expected:
            raise ValueError(
                f"X[{k}] has the columns {list(columns)}, but {list(expected)} were"
                " expected, in this order. Pass every table with the same columns."
            )
    return expected


def _check_stack(estimator, X, padded=False) -> np.ndarray:
    check_numbers("X", X)
    values = np.where(padded, 0, X) if np.any(padded) else X
    return estimator._checked_array(values, "X", is_stack=True)


def check_window(estimator, window, k: int) -> np.ndarray:
    name = f"X[{k}]"
    check_numbers(name, window)
    with _our_advice(name, window):
        return estimator._checked_array(window, name)
