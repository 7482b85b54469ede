"""The training rows that an encoder learns from, and what their targets go on with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

HELD_OUT = 0.2  # of each series, its newest rows, on which is chosen
ALIKE = 0.99  # of the targets that are equal to a later row, for these to be tied


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


def find_ties(lesson: Lesson) -> np.ndarray:
    """The column that each target goes on with, -1 where none: y[i] is X[i + k, j].

    Here k is 1 for the first target. For others it is 1 where each target is a column
    of the next row, or their number where each is a horizon.
    """
    ties = np.full(lesson.n_outputs, -1)
    if lesson.n_classes is not None:
        return ties
    for output, column in product(range(lesson.n_outputs), range(lesson.X.shape[1])):
        for ahead in dict.fromkeys((1, output + 1)):
            if ties[output] < 0 and _goes_on(lesson, output, column, ahead):
                ties[output] = column
    return ties


def _goes_on(lesson: Lesson, output: int, column: int, ahead: int) -> bool:
    is_inside = lesson.codes[ahead:] == lesson.codes[:-ahead]
    is_inside &= lesson.weights[:-ahead] > 0
    then = lesson.X[ahead:, column][is_inside].astype(np.float32)
    target = lesson.y[: len(lesson.y) - ahead, output][is_inside].astype(np.float32)
    if len(then) < 3 or (then == then[0]).all():
        return False
    return bool(np.mean(then == target) >= ALIKE)
