"""Checks of parameters and of what comes in with rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._checks import check_numbers


def check_coverage(value: Any) -> float:
    """`value` as a float between 0 and 1."""
    return _between("coverage", value, "such as 0.9")


def check_share(name: str, value: Any) -> float:
    """`value` as a float between 0 and 1, a share of the rows."""
    return _between(name, value, "the share of the newest rows, such as 0.25")


def _between(name: str, value: Any, what: str) -> float:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if not is_number or isinstance(value, bool):
        raise TypeError(
            f"{name} must be a number between 0 and 1, {what}; got {value!r} of type"
            f" {type(value).__name__}."
        )
    if not 0 < value < 1:
        raise ValueError(
            f"{name} must be between 0 and 1, {what}, and neither of these itself; got"
            f" {value!r}."
        )
    return float(value)


def check_values(y: Any, n_rows: int, n_columns: int) -> np.ndarray:
    """Values of y of rows, of shape (n_rows, n_columns), NaN where they are not known.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If there are more or fewer than rows, in another number of columns, or one is
        infinite.
    """
    if y is None:
        return np.full((n_rows, n_columns), np.nan)
    check_numbers("y", y)
    values = np.asarray(y, np.float64)
    if len(np.shape(values)) not in (1, 2):
        raise ValueError(
            f"y has shape {values.shape}, but one value for each row is expected, of"
            f" shape ({n_rows},) or ({n_rows}, {n_columns})."
        )
    if len(values) != n_rows:
        raise ValueError(
            f"X has {n_rows} row(s) and y has {len(values)}, but y[i] is the value of"
            " row i. Pass y of the same rows, with NaN where it is not known."
        )
    values = values.reshape(n_rows, -1)
    if values.shape[1] != n_columns:
        raise ValueError(
            f"y has {values.shape[1]} column(s), but had {n_columns} in fit. Pass the"
            " same ones, with NaN where a value is not known."
        )
    if np.isinf(values).any():
        raise ValueError(
            "y holds an infinite value. Pass NaN where a value is not known."
        )
    return values
