"""Checks of parameters and of arrays. Imports NumPy, and nothing of TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def check_positive_int(name: str, value: Any) -> int:
    """`value` as an int; raise TypeError or ValueError unless it is a positive one."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value >= 1:
            return int(value)
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    raise TypeError(
        f"{name} must be a positive integer, got {value!r} of type"
        f" {type(value).__name__}."
    )


def check_lags(value: Any) -> tuple[int, ...] | None:
    """Lags as a tuple in ascending order, from an int or a sequence; None for "auto".

    An int n stands for the n rows before a row.
    """
    if isinstance(value, str) and value == "auto":
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return tuple(range(1, check_positive_int("lags", value) + 1))
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if not is_sequence and getattr(value, "ndim", 0) != 1:
        raise TypeError(
            "lags must be 'auto', a number of rows, or a sequence of numbers of steps"
            f" back; got {value!r} of type {type(value).__name__}."
        )
    return tuple(sorted({check_positive_int("lags", lag) for lag in value}))


def check_units(units: Any) -> tuple[int, ...]:
    """Units of each recurrent layer, from an int or a sequence of ints."""
    if isinstance(units, int | np.integer):
        return (check_positive_int("units", units),)
    is_sequence = isinstance(units, Sequence) and not isinstance(units, str | bytes)
    if not is_sequence and getattr(units, "ndim", 0) != 1:
        raise TypeError(
            "units must be a positive integer or a sequence of them, one for each"
            f" layer; got {units!r} of type {type(units).__name__}."
        )
    sizes = tuple(check_positive_int("units", size) for size in units)
    if not sizes:
        raise ValueError(
            "units must hold a number for at least one layer, got an empty"
            f" {type(units).__name__}."
        )
    return sizes


def check_fraction(name: str, value: Any) -> float:
    """`value` as a float in [0, 1)."""
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if not is_number or isinstance(value, bool):
        raise TypeError(
            f"{name} must be a number from 0 up to, but not including, 1; got"
            f" {value!r} of type {type(value).__name__}."
        )
    if not 0 <= value < 1:
        raise ValueError(
            f"{name} must be from 0 up to, but not including, 1; got {value!r}."
        )
    return float(value)


def check_quantiles(value: Any) -> tuple[float, ...]:
    """Levels between 0 and 1, in ascending order, 0.5 among them."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(
            "quantiles must be a sequence of numbers between 0 and 1; got"
            f" {value!r} of type {type(value).__name__}."
        )
    levels = list(value)
    numbers = int | float | np.integer | np.floating
    if not all(isinstance(v, numbers) and not isinstance(v, bool) for v in levels):
        raise TypeError(f"quantiles must hold numbers between 0 and 1; got {value!r}.")
    if not all(0 < level < 1 for level in levels):
        raise ValueError(
            f"quantiles must lie between 0 and 1, without either; got {value!r}. The"
            " quantile 0.05 is the value that 5% of targets lie below."
        )
    if sorted(set(levels)) != levels:
        raise ValueError(
            "quantiles must be in ascending order, each once, as the columns of"
            f" predict_quantiles are; got {value!r}."
        )
    if 0.5 not in levels:
        raise ValueError(
            "quantiles must hold 0.5, the median, which predict answers and forecast"
            f" feeds back; got {value!r}. Add it, and take the others from"
            " predict_quantiles."
        )
    return tuple(map(float, levels))


def check_bool(name: str, value: Any) -> bool:
    """`value` as a bool; raise TypeError for any other type, also for 0 and 1."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"{name} must be True or False, got {value!r} of type"
            f" {type(value).__name__}."
        )
    return bool(value)


def check_option(name: str, value: Any, options: Sequence[str]) -> str:
    """`value`; raise TypeError or ValueError unless it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        listed = ", ".join(map(repr, options[:-1])) + f" or {options[-1]!r}"
        kind = TypeError if not isinstance(value, str) else ValueError
        raise kind(f"{name} must be {listed}, got {value!r}.")
    return value


def check_verbose(value: Any) -> int:
    """`value` as an int of at least 0; False and True become 0 and 1."""
    text = f"verbose must be 0 (silent) or above (progress bar), got {value!r}"
    if not isinstance(value, int | np.integer | np.bool_):
        raise TypeError(f"{text} of type {type(value).__name__}.")
    if value < 0:
        raise ValueError(f"{text}.")
    return int(value)


def check_nothing_masked(name: str, values: Any) -> None:
    """Raise ValueError for a masked entry, whose hidden value NumPy would convert."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} is masked in {int(np.ma.getmaskarray(values).sum())} place(s), but"
            " every entry must have a value. Fill the masked ones with numpy.ma.filled."
        )


def check_numbers(name: str, values: Any) -> None:
    """Refuse dates, masks and structured arrays, which NumPy would turn into floats.

    Raises
    ------
    TypeError
        For dates, durations and structured arrays.
    ValueError
        For masked entries.
    """
    check_nothing_masked(name, values)
    dtypes = _dtypes(values)
    if any(str(dtype).lower().startswith(_OF_TIME) for dtype in dtypes):
        index = (
            " Where they tell when rows were, make them the index, as"
            " X.set_index('date') does."
        )
        raise TypeError(
            f"{name} holds dates or durations, not numbers. Pass numbers made of them,"
            " such as the hour of the day, or the days since the first row."
            f"{index if hasattr(values, 'set_index') else ''}"
        )
    if any(getattr(dtype, "kind", "") == "V" for dtype in dtypes):
        raise TypeError(
            f"{name} is a structured array, not numbers. Pass its fields as columns."
        )


def check_no_label_missing(labels: np.ndarray) -> None:
    """Raise ValueError for None, NaN or pandas's NA among labels."""
    if labels.dtype.kind not in "Of":
        return
    n_missing = sum(map(_is_missing, labels))
    if n_missing:
        raise ValueError(
            f"Input y contains NaN, None or NA: it lacks a label in {n_missing}"
            " place(s). Give these rows any label and sample_weight=0, or set"
            " missing='ignore', which does that. To drop rows from inside a series"
            " would join rows that do not follow each other."
        )


def _is_missing(label: Any) -> bool:
    return label is None or type(label).__name__ == "NAType" or label != label


#: How names of dtypes begin in NumPy, pandas, polars and Arrow: datetime64, Date,
#: timestamp[ns], duration[us], and so on.
_OF_TIME = ("date", "time", "duration")


def _dtypes(values: Any) -> list:
    """The dtypes of an array, a Series or a frame; empty for other types."""
    if hasattr(values, "dtype"):
        return [values.dtype]
    if hasattr(values, "schema") and hasattr(values.schema, "types"):  # of Arrow
        return list(values.schema.types)
    return list(getattr(values, "dtypes", ()))


def check_enough_rows(n_rows: int, sequence_length: int) -> None:
    """Raise ValueError if the rows do not fill one window."""
    if n_rows < sequence_length:
        raise ValueError(
            f"There are {n_rows} row(s) to train on, so n_samples={n_rows}, but one"
            f" window of sequence_length={sequence_length} needs at least"
            f" {sequence_length}. Pass more rows or a shorter sequence_length."
        )


def check_enough_windows(
    n_windows: int, batch_size: int, sequence_length: int, ready_made: bool
) -> None:
    """Raise ValueError if the complete windows do not fill one batch.

    With `ready_made` windows, as 3-D input, the error counts windows and not rows.
    """
    if n_windows >= batch_size:
        return
    if not n_windows:
        raise ValueError(
            "None of the windows to train on is complete: all begin with NaN. Pass at"
            f" least {batch_size} without NaN."
        )
    smallest = f"{batch_size + sequence_length - 1} rows"
    if ready_made:
        smallest = f"{batch_size} complete windows"
    raise ValueError(
        f"X holds {n_windows} complete window(s) of sequence_length={sequence_length}"
        f" to train on, but one batch takes batch_size={batch_size}. Pass at least"
        f" {smallest} to train on, use a smaller batch_size, or set"
        " drop_remainder=False."
    )


def check_weights(weights: np.ndarray, trained: np.ndarray) -> None:
    """Raise ValueError if every window in `trained` has weight zero."""
    if not weights[trained].any():
        raise ValueError(
            f"sample_weight is zero for all {len(trained)} windows to train on, so"
            " there is nothing to learn from. Give some rows a weight above zero."
        )


def check_each_output_has_weight(weights: np.ndarray, trained: np.ndarray) -> None:
    """Raise ValueError if an output has weight zero in every window in `trained`."""
    check_weights(weights, trained)
    without = np.flatnonzero(~np.atleast_1d(weights[trained].any(axis=0)))
    if len(without):
        raise ValueError(
            f"The output(s) {list(map(int, without))} have sample_weight zero, or y is"
            f" missing, in all {len(trained)} windows to train on, so there is nothing"
            " to learn these from. Leave these columns of y out."
        )
