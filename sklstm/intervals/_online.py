"""The trackers of all series: which rows go to which, and back in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sklstm._rows.series import RowLabels, match_series
from sklstm.intervals._tracker import Cells, Tracker

ENOUGH = 100  # scores of a series, so that it needs none of others
FEWEST = 5  # that tell of what size its errors are


@dataclass(frozen=True, eq=False)
class Online:
    """What is known of all series; a value, of which each walk makes a new one.

    Parameters
    ----------
    cells : Cells
    ids : Index of shape (n_series,) or None
        None for one series without a name.
    trackers : tuple of Tracker
        One for each series.
    pooled : Tracker
        With scores of all series, from which a series begins that comes anew.
    """

    cells: Cells
    ids: pd.Index | None
    trackers: tuple[Tracker, ...]
    pooled: Tracker

    @classmethod
    def begin(
        cls,
        cells: Cells,
        labels: RowLabels,
        codes: np.ndarray,
        scores: np.ndarray,
        n_columns: int,
    ) -> Online:
        """From the scores of the calibration rows.

        Parameters
        ----------
        cells : Cells
        labels : RowLabels
            Of all rows of the fit, which tell the series.
        codes : ndarray of int of shape (n_scores,)
            Which series each score is of.
        scores : ndarray of shape (n_scores, n_cells, n_sides)
            NaN where a value was missing.
        n_columns : int
            Of y.
        """
        units = _units(labels.n_series, codes, scores)
        pooled_unit = _mean(scores)
        comparable = scores / units[codes][..., np.newaxis]
        thinned = _thinned(comparable, ENOUGH)

        def tracker(code: int) -> Tracker:
            own = comparable[codes == code]
            if labels.n_series > 1 and len(own) < ENOUGH:
                own = np.concatenate([thinned, own])
            return Tracker.begin(cells, units[code], own, n_columns)

        return cls(
            cells,
            labels.ids,
            tuple(tracker(code) for code in range(labels.n_series)),
            Tracker.begin(cells, pooled_unit, thinned, n_columns),
        )

    def walk(
        self,
        labels: RowLabels,
        made: np.ndarray,
        told: np.ndarray,
        coverage: float,
        due: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Online]:
        """Thresholds at each row, (n_rows, n_cells, n_sides), and what is known then.

        The arrays have a row for each of `labels`; see `Tracker.walk`.
        """
        ids, places = self._with(labels)
        trackers = list(self.trackers)
        trackers += [self.pooled] * ((0 if ids is None else len(ids)) - len(trackers))
        n_sides = self.cells.scores.n_sides
        thresholds = np.empty((len(made), self.cells.n, n_sides))
        for code, place in enumerate(places):
            rows = _rows_of(labels, code)
            moved = trackers[place].copy()
            thresholds[rows] = moved.walk(
                made[rows], told[rows], coverage, None if due is None else due[rows]
            )
            trackers[place] = moved
        return thresholds, replace(self, ids=ids, trackers=tuple(trackers))

    def thresholds(self, ids: pd.Index | None, coverage: float) -> np.ndarray:
        """Those at the next row of each series, (n_series, n_cells, n_sides)."""
        places = match_series(self.ids, ids)
        chosen = [self.trackers[k] if k >= 0 else self.pooled for k in places]
        return np.stack([tracker.thresholds(coverage) for tracker in chosen])

    def forgetting(self, places: np.ndarray) -> Online:
        """The same, without forecasts of these series that wait for their values."""
        trackers = list(self.trackers)
        for place in places:
            trackers[place] = trackers[place].forgetting()
        return replace(self, trackers=tuple(trackers))

    def _with(self, labels: RowLabels) -> tuple[pd.Index | None, np.ndarray]:
        """All ids, those of new series too, and the place of each series of a call."""
        places = match_series(self.ids, labels.ids)
        if self.ids is None or labels.ids is None or (places >= 0).all():
            return self.ids, places
        ids = self.ids.append(labels.ids[places < 0])
        return ids, match_series(ids, labels.ids)


def _rows_of(labels: RowLabels, code: int) -> slice | np.ndarray:
    return slice(None) if labels.n_series == 1 else np.flatnonzero(labels.codes == code)


def _mean(scores: np.ndarray) -> np.ndarray:
    """The mean size of the scores of each cell; 1 where they are all 0 or missing."""
    sizes = np.abs(scores).mean(axis=2)  # (n_scores, n_cells)
    is_told = np.isfinite(sizes)
    total = np.where(is_told, sizes, 0).sum(axis=0)
    mean = total / np.maximum(is_told.sum(axis=0), 1)
    return np.where(mean > 0, mean, 1.0)


def _units(n_series: int, codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The mean size of each series' scores, of all where it has very few itself."""
    own = [scores[codes == code] for code in range(n_series)]
    everything = _mean(scores)
    n_told = [np.isfinite(one).all(axis=2).sum(axis=0) for one in own]
    return np.stack(
        [
            np.where(n < FEWEST, everything, _mean(one))
            for one, n in zip(own, n_told, strict=True)
        ]
    )


def _thinned(scores: np.ndarray, n: int) -> np.ndarray:
    """So many scores that are distributed as all are, each cell and side by itself."""
    ordered = np.sort(scores, axis=0)  # NaN at the end
    n_told = np.isfinite(ordered).sum(axis=0)
    n_kept = min(n, len(scores))
    shares = (np.arange(n_kept) + 0.5) / n_kept
    places = (shares[:, np.newaxis, np.newaxis] * n_told).astype(int)
    return np.take_along_axis(ordered, places, axis=0)
