"""Intervals of several coverages, as the Displays take them. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def read_bands(intervals: Any, n_rows: int) -> dict[float, np.ndarray]:
    """Intervals of each coverage, from the narrowest to the widest.

    Parameters
    ----------
    intervals : dict of float to array-like of shape (n_rows, 2)
        The lower and upper ends of the intervals of each coverage.
    n_rows : int

    Returns
    -------
    bands : dict of float to ndarray of shape (n_rows, 2)

    Raises
    ------
    ValueError
        If `intervals` is none of these, or a lower end is above its upper end.
    """
    if not isinstance(intervals, Mapping) or not intervals:
        raise ValueError(
            "intervals must be a dict with the intervals of each coverage, such as"
            f" {{0.9: array of shape ({n_rows}, 2)}}; got {type(intervals).__name__}."
        )
    check_coverages(intervals)
    return {
        float(coverage): _read_ends(coverage, intervals[coverage], n_rows)
        for coverage in sorted(intervals)
    }


def check_coverages(coverages: Any) -> None:
    """Raise ValueError unless these are numbers between 0 and 1, at least one."""
    values = list(coverages)
    numbers = int | float | np.integer | np.floating
    if not values or not all(isinstance(c, numbers) and 0 < c < 1 for c in values):
        raise ValueError(
            "Coverages must be numbers between 0 and 1, such as (0.5, 0.9); got"
            f" {values}."
        )


def column_of(values: Any, output: int | None, n_axes: int) -> Any:
    """One output of `values`, whose axis 1 is that of the outputs, if they have it.

    Parameters
    ----------
    values : array-like with `n_axes` axes, or one more
    output : int or None
    n_axes : int
        Of the values of a single output.

    Raises
    ------
    ValueError
        If there are several outputs and `output` is None.
    """
    if values is None or np.ndim(values) == n_axes:
        return values
    n_outputs = np.shape(values)[1]
    if output is None and n_outputs > 1:
        raise ValueError(
            f"There are {n_outputs} outputs, but one is drawn. Pass output=, from 0 to"
            f" {n_outputs - 1}."
        )
    chosen = 0 if output is None else output
    rows = getattr(values, "iloc", None)
    return np.asarray(values)[:, chosen] if rows is None else rows[:, chosen]


def _read_ends(coverage: float, ends: Any, n_rows: int) -> np.ndarray:
    values = np.asarray(ends, np.float64)
    if values.shape != (n_rows, 2):
        raise ValueError(
            f"The intervals of coverage {coverage:g} must be of shape ({n_rows}, 2), a"
            f" lower and an upper end for each forecast; got shape {values.shape}."
        )
    bad = np.flatnonzero(values[:, 0] > values[:, 1])
    if len(bad):
        raise ValueError(
            f"The interval of coverage {coverage:g} in row {bad[0]} has its lower end,"
            f" {values[bad[0], 0]:g}, above its upper end, {values[bad[0], 1]:g}. Pass"
            " the lower ends in the first column."
        )
    return values
