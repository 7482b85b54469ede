"""Newest scores and level of one series, as its values come in row after row."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from sklstm.intervals._levels import N_STEP_SIZES, Levels
from sklstm.intervals._scores import OuterErrors, thresholds_of

NEWEST = 1000  # scores that are kept of each series


@dataclass(frozen=True, eq=False)
class Cells:
    """What is forecast from each row: so many outputs, each some steps ahead.

    Parameters
    ----------
    scores : OuterErrors
    coverage : float
        What the level is adapted for.
    steps : ndarray of int of shape (n_cells,)
        A forecast from row i is told from its value once row ``i + steps`` comes.
    columns : ndarray of int of shape (n_cells,)
        The column of y that has these values, that of the nearest step.
    late : ndarray of int of shape (n_cells,)
        So many rows after its row a value of this column is known, beyond the first.
    """

    scores: OuterErrors
    coverage: float
    steps: np.ndarray
    columns: np.ndarray
    late: np.ndarray

    @property
    def n(self) -> int:
        """How many values are forecast from each row."""
        return len(self.steps)

    @property
    def target(self) -> float:
        """The share of values that each side is to miss."""
        return float(self.scores.miss(self.coverage))


@dataclass(eq=False)
class Tracker:
    """One series: its newest scores, its level, and what waits to be told.

    Parameters
    ----------
    cells : Cells
    unit : ndarray of shape (n_cells,)
        What scores are divided by, so that those of several series are comparable.
    newest : ndarray of shape (n_cells, n_sides, NEWEST)
        Scores, the newest at the end, NaN at the beginning where there are fewer.
    levels : Levels
    placed : ndarray of shape (longest step, n_cells, n_sides, n_experts)
        The experts' thresholds at the newest rows, NaN before the first.
    made : ndarray of shape (longest step, n_cells, 2)
        Both ends of the forecasts from these rows.
    told : ndarray of shape (longest delay, n_columns)
        Values of the newest rows, which are not known yet.
    """

    cells: Cells
    unit: np.ndarray
    newest: np.ndarray
    levels: Levels
    placed: np.ndarray
    made: np.ndarray
    told: np.ndarray

    @classmethod
    def begin(
        cls, cells: Cells, unit: np.ndarray, scores: np.ndarray, n_columns: int
    ) -> Tracker:
        """Before any row has come.

        Parameters
        ----------
        cells : Cells
        unit : ndarray of shape (n_cells,)
        scores : ndarray of shape (n_scores, n_cells, n_sides)
            From the oldest to the newest, in that unit; NaN where there is none.
        n_columns : int
            Of y.
        """
        n_sides, longest = cells.scores.n_sides, int(cells.steps.max())
        newest = np.full((cells.n, n_sides, NEWEST), np.nan)
        tracker = cls(
            cells,
            unit,
            newest,
            Levels.fresh(cells.target, cells.steps, n_sides),
            np.full((longest, cells.n, n_sides, N_STEP_SIZES), np.nan),
            np.full((longest, cells.n, 2), np.nan),
            np.full((int(cells.late.max()), n_columns), np.nan),
        )
        for one in scores[-NEWEST:]:
            tracker._append(one)
        return tracker

    def copy(self) -> Tracker:
        """One that can be walked on without changing this one."""
        other = copy.copy(self)
        other.levels = copy.copy(self.levels)  # whose arrays are replaced, not changed
        return other

    def forgetting(self) -> Tracker:
        """The same without what waits to be told: scores and level are kept."""
        other = self.copy()
        for name in ("placed", "made", "told"):
            setattr(other, name, np.full_like(getattr(self, name), np.nan))
        return other

    def thresholds(self, coverage: float) -> np.ndarray:
        """How far each side reaches, of shape (n_cells, n_sides), in units of y."""
        ordered = np.sort(self.newest, axis=-1)  # NaN at the end
        return self._thresholds(ordered, coverage)

    def walk(
        self,
        made: np.ndarray,
        told: np.ndarray,
        coverage: float,
        due: np.ndarray | None = None,
    ) -> np.ndarray:
        """Go over rows; return the thresholds at each, before its own value is known.

        Parameters
        ----------
        made : ndarray of shape (n_rows, n_cells, 2)
            Both ends of the forecasts from each row.
        told : ndarray of shape (n_rows, n_columns)
            Values of y of each row, NaN where they are not known.
        coverage : float
        due : ndarray of shape (n_rows, n_cells, 2), optional
            Both ends of the forecasts whose values come at each row; by default they
            are found among `made`.

        Returns
        -------
        thresholds : ndarray of shape (n_rows, n_cells, n_sides)
        """
        if due is None:
            due = self._due(made)
        values = self._values(told)
        scores = self.cells.scores.of(values, due[..., 0], due[..., 1])
        scores = scores / self.unit[:, np.newaxis]
        is_told = np.isfinite(scores).any(axis=(1, 2))
        thresholds = np.empty((len(made), self.cells.n, self.cells.scores.n_sides))
        ordered = placed = current = None
        if not is_told.any():
            return self._pass(thresholds, coverage)
        for i in range(len(made)):
            if ordered is None or placed is None:
                ordered = np.sort(self.newest, axis=-1)
                placed = thresholds_of(ordered, self.levels.misses)
                current = self._thresholds(ordered, coverage)
            thresholds[i] = current
            self.placed = np.concatenate([self.placed[1:], placed[np.newaxis]])
            if is_told[i]:
                self._learn(scores[i])
                ordered = None
        return thresholds

    def _pass(self, thresholds: np.ndarray, coverage: float) -> np.ndarray:
        """Go over rows of which no value is known; fill in the thresholds at each."""
        ordered, longest = np.sort(self.newest, axis=-1), len(self.placed)
        thresholds[:] = self._thresholds(ordered, coverage)
        placed = thresholds_of(ordered, self.levels.misses)
        n = min(len(thresholds), longest)
        rows = np.broadcast_to(placed, (n, *placed.shape))
        self.placed = np.concatenate([self.placed[n:], rows])
        return thresholds

    def _thresholds(self, ordered: np.ndarray, coverage: float) -> np.ndarray:
        miss = float(self.cells.scores.miss(coverage))
        each = thresholds_of(ordered, self.levels.asked(miss))
        mean = (self.levels.weights() * each).sum(axis=-1)
        return mean * self.unit[:, np.newaxis]

    def _learn(self, scores: np.ndarray) -> None:
        """Adapt the level by scores of shape (n_cells, n_sides), and keep these."""
        steps = self.cells.steps
        begun = self.placed[-steps, np.arange(len(steps))]
        self.levels.update(scores, begun)
        self._append(scores)

    def _append(self, scores: np.ndarray) -> None:
        is_told = np.isfinite(scores)[..., np.newaxis]
        moved = np.concatenate([self.newest[..., 1:], scores[..., np.newaxis]], axis=-1)
        self.newest = np.where(is_told, moved, self.newest)

    def _due(self, made: np.ndarray) -> np.ndarray:
        """Forecasts from rows before whose values come at each row."""
        n, longest = len(made), len(self.made)
        known = np.concatenate([self.made, made])
        self.made = known[len(known) - longest :]
        rows = np.arange(n)[:, np.newaxis] + longest - (self.cells.steps - 1)
        return known[rows, np.arange(self.cells.n)]

    def _values(self, told: np.ndarray) -> np.ndarray:
        """The value known at each row, of shape (n_rows, n_cells)."""
        n, longest = len(told), len(self.told)
        known = np.concatenate([self.told, told])
        self.told = known[len(known) - longest :]
        rows = np.arange(n)[:, np.newaxis] + longest - self.cells.late
        return known[rows, self.cells.columns]
