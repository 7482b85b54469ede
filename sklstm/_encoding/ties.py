"""Ties: which column of X each target goes on with, and how many rows later.

So a target is told from other ones: it can be forecast as a change since a row that is
known, and its forecast can become a part of the next row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from sklstm._encoding.lesson import Lesson

LEAST_ROWS = 4  # from which it is told that targets go on with a column
ALIKE = 0.99  # of the targets that are equal to a later row, for these to be tied
CLOSE = 1e-4  # deviations that equal values may be apart in other units
MOST_ROWS = 2**13  # of the longest series, the newest, in which a lead is looked for
LEAST_TOLD = 32  # rows that must be left of these, so that chance finds no lead
N_PAIRS = 101  # of rows, that tell whether a line is worth to be fitted


@dataclass(frozen=True, eq=False)
class Ties:
    """Which column each target goes on with, and in which units.

    Parameters
    ----------
    columns : ndarray of int of shape (n_outputs,)
        -1 where there is none.
    slopes, offsets : ndarray of float64 of shape (n_outputs,)
        A target is the later value of its column, times the slope, plus the offset.
    ahead : ndarray of int of shape (n_outputs,)
        How many rows later it is; 1 where there is none.
    """

    columns: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray
    ahead: np.ndarray

    @classmethod
    def none(cls, n_outputs: int) -> Ties:
        """Targets that go on with no column."""
        ones = np.ones(n_outputs)
        return cls(np.full(n_outputs, -1), ones, np.zeros(n_outputs), ones.astype(int))

    @property
    def are_in_same_units(self) -> np.ndarray:
        """Whether each target has the units of its column."""
        return (self.slopes == 1) & (self.offsets == 0)

    def in_same_units(self) -> Ties:
        """Only those whose target has the units of its column."""
        kept = self.are_in_same_units
        return replace(
            self,
            columns=np.where(kept, self.columns, -1),
            ahead=np.where(kept, self.ahead, 1),
        )


def find_ties(lesson: Lesson) -> Ties:
    """The column that each target goes on with: y[i] is X[i + k, j], or linear in it.

    X and y may have been scaled, each in its own way.
    """
    ties = Ties.none(lesson.n_outputs)
    if lesson.n_classes is not None:
        return ties
    for output in range(lesson.n_outputs):
        found = _tie(lesson, output)
        if found is not None:
            column, ahead, (slope, offset) = found
            ties.columns[output], ties.ahead[output] = column, ahead
            ties.slopes[output], ties.offsets[output] = slope, offset
    return ties


def _tie(lesson: Lesson, output: int) -> tuple[int, int, tuple[float, float]] | None:
    """Column, rows ahead and line of a target; None where there are none.

    A target is mostly one row ahead, where it is a column of the next row, or as many
    rows as its number, where each target is a horizon. Else it is looked for, and the
    column is taken that it is the least rows ahead of: others are its own past.
    """
    columns, usual = range(lesson.X.shape[1]), dict.fromkeys((1, output + 1))
    for column, ahead in product(columns, usual):
        line = _line(lesson, output, column, ahead)
        if line is not None:
            return column, ahead, line
    found = [
        (column, ahead, line)
        for column in columns
        for ahead in _leads(lesson, output, column)
        if ahead not in usual
        and (line := _line(lesson, output, column, ahead)) is not None
    ]
    return min(found, key=lambda tie: tie[1], default=None)


def _leads(lesson: Lesson, output: int, column: int) -> list[int]:
    """How many rows ahead of a column a target may be: where changes are most alike."""
    longest = np.flatnonzero(lesson.codes == np.argmax(lesson.lengths))[-MOST_ROWS:]
    told = lesson.weights_of(output)[longest] > 0
    then = np.diff(lesson.X[longest, column].astype(np.float64))
    target = np.diff(lesson.y[longest, output].astype(np.float64))
    target *= told[1:] & told[:-1]
    n = len(longest)
    spectrum = np.fft.rfft(then, 2 * n) * np.fft.rfft(target, 2 * n).conj()
    longest_lead = max(min(n // 2, n - LEAST_TOLD), 0)
    alike = np.fft.irfft(spectrum, 2 * n)[1 : longest_lead + 1]
    if not len(alike) or not np.ptp(alike):
        return []
    best = int(np.argmax(alike)) + 1
    return [lead for lead in (best, best - 1, best + 1) if lead > 0]


def _line(
    lesson: Lesson, output: int, column: int, ahead: int
) -> tuple[float, float] | None:
    """Slope and offset from a column some rows ahead to a target; None if it is none.

    A few rows may differ, such as those before a gap.
    """
    is_inside = lesson.codes[ahead:] == lesson.codes[:-ahead]
    is_inside &= lesson.weights_of(output)[:-ahead] > 0
    then = np.asarray(lesson.X[ahead:, column][is_inside], np.float64)
    target = np.asarray(lesson.y[:-ahead, output][is_inside], np.float64)
    if len(then) < LEAST_ROWS or np.ptp(then) == 0:
        return None
    if np.mean(then.astype(np.float32) == target.astype(np.float32)) >= ALIKE:
        return 1.0, 0.0
    if not _may_be_line(then, target):
        return None
    kept = np.ones(len(then), bool)
    for _ in range(2):  # the second time without the rows that are furthest off
        slope, offset = _fitted_line(then[kept], target[kept])
        left = np.abs(target - (slope * then + offset))
        kept = left <= np.quantile(left, ALIKE)
    close = left <= CLOSE * target.std()
    return (slope, offset) if slope > 0 and close.mean() >= ALIKE else None


def _may_be_line(then: np.ndarray, target: np.ndarray) -> bool:
    """Whether lines through pairs of some rows are about one, which is soon told."""
    pairs = np.random.default_rng(0).integers(0, len(then), (2, N_PAIRS))
    run, rise = np.diff(then[pairs], axis=0)[0], np.diff(target[pairs], axis=0)[0]
    moved = run != 0
    if not moved.any():
        return True
    slope = np.median(rise[moved] / run[moved])
    left = np.abs(rise - slope * run)
    return bool(np.mean(left <= 10 * CLOSE * target.std()) >= 0.5)


def _fitted_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The least-squares line through points; a slope of 0 where x is constant."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread if spread else 0.0
    return slope, float(y.mean() - slope * x.mean())
