"""The training rows that an encoder learns from, and what their targets go on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

HELD_OUT = 0.2  # of each series, its newest rows, on which is chosen
LEAST_ROWS = 4  # from which it is told that targets go on with a column
ALIKE = 0.99  # of the targets that are equal to a later row, for these to be tied
CLOSE = 1e-4  # deviations that equal values may be apart in other units


@dataclass(frozen=True, eq=False)
class Lesson:
    """Training rows of a fit, series by series, each in time order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows, n_outputs)
        Numbers, or, where there are classes, class numbers of shape (n_rows, 1).
    codes : ndarray of int of shape (n_rows,)
        The series of each row.
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    weights : ndarray of shape (n_rows,)
    series : Index or None
        Ids of the series; None where all have one scale.
    n_series : int
    n_outputs : int
        Of the network.
    n_classes : int or None
        None for a regression.
    """

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    begins: np.ndarray
    weights: np.ndarray
    series: Any
    n_series: int
    n_outputs: int
    n_classes: int | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series."""
        return np.bincount(self.codes, minlength=self.n_series)

    @property
    def scales(self) -> np.ndarray:
        """The entry of a scale that serves each series."""
        return np.arange(self.n_series) * (self.series is not None)

    def newest(self, share: float) -> np.ndarray:
        """Whether a row is within this share of newest rows of its series."""
        lengths = self.lengths
        within = np.arange(len(self.X)) - (np.cumsum(lengths) - lengths)[self.codes]
        return within >= (lengths - (share * lengths).astype(int))[self.codes]

    def is_held_out(self) -> np.ndarray:
        """Whether a row is among those on which is chosen."""
        return self.newest(HELD_OUT)

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to learn from and later rows to choose on, as masks, the newest first.

        Empty where some of these masks hold no row with a weight.
        """
        newest, newer = self.newest(HELD_OUT), self.newest(2 * HELD_OUT)
        folds = [(~newest, newest), (~newer, newer & ~newest)]
        has_all = all(self.weights[part].any() for fold in folds for part in fold)
        return folds if has_all else []


@dataclass(frozen=True, eq=False)
class Ties:
    """Which column each target goes on with, and in which units.

    Parameters
    ----------
    columns : ndarray of int of shape (n_outputs,)
        -1 where there is none.
    slopes, offsets : ndarray of float64 of shape (n_outputs,)
        A target is the later value of its column, times the slope, plus the offset.
    """

    columns: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray

    @classmethod
    def none(cls, n_outputs: int) -> Ties:
        """Targets that go on with no column."""
        none = np.full(n_outputs, -1)
        return cls(none, np.ones(n_outputs), np.zeros(n_outputs))

    @property
    def are_in_same_units(self) -> np.ndarray:
        """Whether each target has the units of its column."""
        return (self.slopes == 1) & (self.offsets == 0)

    def in_same_units(self) -> Ties:
        """Only those whose target has the units of its column."""
        return replace(self, columns=np.where(self.are_in_same_units, self.columns, -1))


def find_ties(lesson: Lesson) -> Ties:
    """The column that each target goes on with: y[i] is X[i + k, j], or linear in it.

    Here k is 1 for the first target. For others it is 1 where each target is a column
    of the next row, or their number where each is a horizon. X and y may have been
    scaled, each in its own way.
    """
    ties = Ties.none(lesson.n_outputs)
    if lesson.n_classes is not None:
        return ties
    for output, column in product(range(lesson.n_outputs), range(lesson.X.shape[1])):
        for ahead in dict.fromkeys((1, output + 1)):
            if ties.columns[output] >= 0:
                continue
            line = _line(lesson, output, column, ahead)
            if line is not None:
                ties.columns[output] = column
                ties.slopes[output], ties.offsets[output] = line
    return ties


def _line(
    lesson: Lesson, output: int, column: int, ahead: int
) -> tuple[float, float] | None:
    """Slope and offset from a column some rows ahead to a target; None if it is none.

    A few rows may differ, such as those before a gap.
    """
    is_inside = lesson.codes[ahead:] == lesson.codes[:-ahead]
    is_inside &= lesson.weights[:-ahead] > 0
    then = np.asarray(lesson.X[ahead:, column][is_inside], np.float64)
    target = np.asarray(lesson.y[:-ahead, output][is_inside], np.float64)
    if len(then) < LEAST_ROWS or np.ptp(then) == 0:
        return None
    if np.mean(then.astype(np.float32) == target.astype(np.float32)) >= ALIKE:
        return 1.0, 0.0
    kept = np.ones(len(then), bool)
    for _ in range(2):  # the second time without the rows that are furthest off
        slope, offset = _fitted_line(then[kept], target[kept])
        left = np.abs(target - (slope * then + offset))
        kept = left <= np.quantile(left, ALIKE)
    close = left <= CLOSE * target.std()
    return (slope, offset) if slope > 0 and close.mean() >= ALIKE else None


def _fitted_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The least-squares line through points; a slope of 0 where x is constant."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread if spread else 0.0
    return slope, float(y.mean() - slope * x.mean())
