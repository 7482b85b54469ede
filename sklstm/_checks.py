"""Checks of parameters and arrays, and the texts of their errors. NumPy only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# Routed parameters that people write without their prefix.
OFTEN_ROUTED = (
    "optimizer__learning_rate",
    "optimizer__clipnorm",
    "optimizer__weight_decay",
)


def check_positive_int(name: str, value: Any) -> int:
    """`value` as an int, or an error unless it is a whole number above zero."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value >= 1:
            return int(value)
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    raise TypeError(
        f"{name} must be a positive integer, got {value!r} of type"
        f" {type(value).__name__}."
    )


def check_units(units: Any) -> tuple[int, ...]:
    """Units of each LSTM layer, from an int or a sequence of ints."""
    if isinstance(units, int | np.integer):
        return (check_positive_int("units", units),)
    is_sequence = isinstance(units, Sequence) and not isinstance(units, str | bytes)
    if not is_sequence and getattr(units, "ndim", 0) != 1:
        raise TypeError(
            "units must be a positive integer or a sequence of them, one for each LSTM"
            f" layer; got {units!r} of type {type(units).__name__}."
        )
    sizes = tuple(check_positive_int("units", size) for size in units)
    if not sizes:
        raise ValueError("units must name at least one LSTM layer, got none.")
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


def check_bool(name: str, value: Any) -> bool:
    """`value` as a bool; other types are refused rather than guessed at."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"{name} must be True or False, got {value!r} of type"
            f" {type(value).__name__}."
        )
    return bool(value)


def check_verbose(value: Any) -> int:
    """`value` as an int; False and True are 0 and 1."""
    text = f"verbose must be 0 (silent) or above (progress bar), got {value!r}"
    if not isinstance(value, int | np.integer | np.bool_):
        raise TypeError(f"{text} of type {type(value).__name__}.")
    if value < 0:
        raise ValueError(f"{text}.")
    return int(value)


def check_keywords(
    owner: str, given: Iterable[str], valid: Iterable[str], prefixes: Iterable[str]
) -> None:
    """Raise TypeError for a keyword that is neither a parameter nor routed to one."""
    prefixes = tuple(prefixes)
    for keyword in given:
        prefix, routed, rest = keyword.partition("__")
        if routed and prefix in prefixes and rest:
            continue
        if routed:
            near = difflib.get_close_matches(prefix, prefixes, n=1, cutoff=0.5)
            nearest = "__".join([*near, rest] if rest else near) if near else ""
        else:
            known = (*valid, *OFTEN_ROUTED)
            near = difflib.get_close_matches(keyword, known, n=1, cutoff=0.0)
            nearest = near[0] if near else ""
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        raise TypeError(
            f"{owner}() got an unexpected keyword argument {keyword!r}.{hint}"
            " Routed parameters start with one of"
            f" {', '.join(f'{prefix}__' for prefix in prefixes)}."
        )


def check_nothing_masked(name: str, values: Any) -> None:
    """Raise ValueError for a masked entry, which conversion would bring to light."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} is masked in {int(np.ma.getmaskarray(values).sum())} place(s), and"
            " what lies under a mask is no data. Fill or drop those entries."
        )


def check_numbers(name: str, values: Any) -> None:
    """Raise for what conversion to float would take for numbers without a word."""
    check_nothing_masked(name, values)
    kinds = {getattr(dtype, "kind", "") for dtype in _dtypes(values)}
    if kinds & {"M", "m"}:
        raise TypeError(
            f"{name} holds dates or durations, not numbers. Pass numbers made of them,"
            " such as the hour of the day, or the days since the first row."
        )
    if "V" in kinds:
        raise TypeError(
            f"{name} is a structured array, not numbers. Pass its fields as columns."
        )


def check_no_label_missing(labels: np.ndarray) -> None:
    """Raise ValueError for None, NaN or pandas's NA among labels."""
    if labels.dtype != object:
        return
    n_missing = sum(map(_is_missing, labels))
    if n_missing:
        raise ValueError(
            f"y lacks a label in {n_missing} place(s): None, NaN or NA. Drop nothing"
            " from inside a series; give such rows a label, and sample_weight 0."
        )


def _is_missing(label: Any) -> bool:
    return label is None or type(label).__name__ == "NAType" or label != label


def _dtypes(values: Any) -> list:
    """The dtype of an array or a series, those of a frame's columns, or none."""
    if hasattr(values, "dtype"):
        return [values.dtype]
    return list(getattr(values, "dtypes", ()))


def check_enough_rows(n_rows: int, sequence_length: int) -> None:
    """Raise ValueError where not even one window fits."""
    if n_rows < sequence_length:
        raise ValueError(
            f"There are {n_rows} row(s) to train on, so n_samples={n_rows}, but one"
            f" window of sequence_length={sequence_length} needs at least"
            f" {sequence_length}. Pass more rows or a shorter sequence_length."
        )


def check_enough_windows(
    n_windows: int, batch_size: int, sequence_length: int, ready_made: bool
) -> None:
    """Raise ValueError where the complete windows do not fill one batch."""
    if n_windows >= batch_size:
        return
    if not n_windows:
        raise ValueError(
            "None of the windows to train on is complete: all begin with NaN. Pass at"
            f" least {batch_size} without."
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
    """Raise ValueError where no window trained on has any weight."""
    if not weights[trained].any():
        raise ValueError(
            f"sample_weight is zero for all {len(trained)} windows to train on, so"
            " there is nothing to learn from. Give some rows a weight above zero."
        )
