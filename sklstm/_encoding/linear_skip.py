"""The linear skip: a linear map of the last rows.

Its forecast is added to the network's output before the head's activation, so that the
network learns what the linear map leaves. How it is fitted is in `ridge` and
`logistic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sklstm._encoding.trail import Trail

BLOCK = 2**12  # rows that are forecast at once, so that what they read is not large


@dataclass(frozen=True, eq=False)
class LinearSkip:
    """A linear map of the rows some steps back.

    Parameters
    ----------
    lags : tuple of int
        How many steps back the rows lie, in ascending order; 0 is the row itself.
    weights : ndarray of float64 of shape (n_lags, n_features, n_outputs)
    intercept : ndarray of float64 of shape (n_outputs,)
    """

    lags: tuple[int, ...]
    weights: np.ndarray
    intercept: np.ndarray

    @property
    def reach(self) -> int:
        """Steps from a row back to the oldest one that counts for it."""
        return self.lags[-1]

    def forecast(self, trail: Trail, before: int = 0) -> np.ndarray:
        """Values of shape (n_rows, n_outputs) for rows, or for those `before` them."""
        made = np.tile(self.intercept, (len(trail.at), 1))
        if made.shape[1] == 1:  # no matrix is needed to be fast
            for lag, weights in zip(self.lags, self.weights, strict=True):
                made += trail.back(lag, before) @ weights
            return made
        for first in range(0, len(made), BLOCK):
            rows = slice(first, first + BLOCK)
            part = trail.at_rows(rows)
            entries = np.hstack([part.back(lag, before) for lag in self.lags])
            made[rows] += entries @ self._flat_weights
        return made

    def forecast_last(self, rows: np.ndarray) -> np.ndarray:
        """Values of shape (n_outputs,) for the last of some rows of a run."""
        at = np.maximum(len(rows) - 1 - self._lags, 0)
        return self.intercept + rows[at].ravel() @ self._flat_weights

    @cached_property
    def _lags(self) -> np.ndarray:
        return np.array(self.lags)

    @cached_property
    def _flat_weights(self) -> np.ndarray:
        """Weights of shape (n_lags * n_features, n_outputs)."""
        return self.weights.reshape(-1, self.weights.shape[2])


def forecasts(skips: Sequence[LinearSkip], trail: Trail) -> np.ndarray:
    """Forecasts of some maps, of shape (n_skips, n_rows, n_outputs), in one pass."""
    n, n_outputs = len(skips), len(skips[0].intercept)
    of_skip = np.arange(n * n_outputs).reshape(n, n_outputs)
    alone = [mixed(skips, np.eye(n)[k]) for k in range(n)]  # of all lags
    made = side_by_side(alone, list(of_skip)).forecast(trail)
    return made.reshape(-1, n, n_outputs).swapaxes(0, 1)


def side_by_side(
    skips: Sequence[LinearSkip], outputs: Sequence[slice | np.ndarray]
) -> LinearSkip:
    """The map of all outputs from maps of some of them, which have the same lags."""
    n_outputs = sum(len(skip.intercept) for skip in skips)
    weights = np.empty((*skips[0].weights.shape[:2], n_outputs))
    intercept = np.empty(n_outputs)
    for skip, these in zip(skips, outputs, strict=True):
        weights[:, :, these], intercept[these] = skip.weights, skip.intercept
    return LinearSkip(skips[0].lags, weights, intercept)


def mixed(skips: Sequence[LinearSkip], shares: Sequence[float]) -> LinearSkip:
    """The map whose forecast is the weighted sum of the forecasts of some maps."""
    lags = tuple(sorted({lag for skip in skips for lag in skip.lags}))
    weights = np.zeros((len(lags), *skips[0].weights.shape[1:]))
    intercept = np.zeros(len(skips[0].intercept))
    for skip, share in zip(skips, shares, strict=True):
        weights[np.searchsorted(lags, skip.lags)] += share * skip.weights
        intercept += share * skip.intercept
    return LinearSkip(lags, weights, intercept)


@dataclass(frozen=True, eq=False)
class LagDesign:
    """Which columns at which lags a linear map reads, and what it is anchored to.

    Parameters
    ----------
    lags : tuple of int
        In ascending order, with 0 and the anchor among them.
    lagged : ndarray of bool of shape (n_features,)
        Columns that are read at every lag. The others are read in the row itself.
    ties : ndarray of int of shape (n_outputs,)
        The column that each target goes on with; -1 where there is none.
    anchor : int or None
        The lag of a row that lagged columns are read as differences from, and so are
        targets from the column that they go on with. A ridge then shrinks forecasts
        towards the value of that row, and not towards the mean, and does not see the
        level.
    starts: tuple of int
        For each output the lag of the row that its targets are differences from: a
        season ago is further back for the next row than for a later one. Empty where it
        is the anchor for all.
    """

    lags: tuple[int, ...]
    lagged: np.ndarray
    ties: np.ndarray
    anchor: int | None
    starts: tuple[int, ...] = ()

    def of_outputs(self, outputs: slice | np.ndarray) -> LagDesign:
        """The same for some of the outputs."""
        starts = tuple(np.array(self.starts)[outputs]) if self.starts else ()
        return replace(self, ties=self.ties[outputs], starts=starts)

    def matrix(self, trail: Trail) -> np.ndarray:
        """All that may be read, of shape (n_rows, n_entries), not yet as differences.

        Columns of the row itself that are read there alone come first, then the others
        lag by lag.
        """
        parts = [trail.back(0)[:, ~self.lagged]]
        parts += [trail.back(lag)[:, self.lagged] for lag in self.lags]
        return np.hstack(parts)

    def places(self, lags: Sequence[int]) -> np.ndarray:
        """Which entries of the matrix a design reads that has these lags.

        The matrix is that of this design, and the lags are among its own.
        """
        n_others, n_lagged = int((~self.lagged).sum()), int(self.lagged.sum())
        first = n_others + n_lagged * np.searchsorted(self.lags, lags)
        by_lag = first[:, np.newaxis] + np.arange(n_lagged)
        return np.concatenate([np.arange(n_others), by_lag.ravel()])

    def differences(self) -> np.ndarray:
        """The matrix that turns entries of this design into what its ridge reads."""
        n_others, n_lagged = int((~self.lagged).sum()), int(self.lagged.sum())
        n_entries = n_others + n_lagged * len(self.lags)
        taken = np.eye(n_entries)
        if self.anchor is None:
            return taken
        at = n_others + n_lagged * self.lags.index(self.anchor)
        anchors = slice(at, at + n_lagged)
        for k in range(len(self.lags)):
            first = n_others + n_lagged * k
            taken[anchors, first : first + n_lagged] -= np.eye(n_lagged)
        return np.delete(taken, np.r_[anchors], axis=1)

    def anchors(self) -> np.ndarray:
        """The matrix from entries to what is taken from the targets before the fit."""
        n_others, n_lagged = int((~self.lagged).sum()), int(self.lagged.sum())
        taken = np.zeros((n_others + n_lagged * len(self.lags), len(self.ties)))
        if self.anchor is None:
            return taken
        starts = self.starts or (self.anchor,) * len(self.ties)
        first = n_others + n_lagged * np.searchsorted(self.lags, starts)
        place = np.cumsum(self.lagged) - 1  # of each column among those lagged
        tied = np.flatnonzero(self.ties >= 0)
        taken[first[tied] + place[self.ties[tied]], tied] = 1.0
        return taken

    def linear_skip(self, slopes: np.ndarray, intercept: np.ndarray) -> LinearSkip:
        """The map with a slope for each entry, of shape (n_entries, n_outputs)."""
        n_features, n_outputs = len(self.lagged), slopes.shape[1]
        n_others, n_lagged = int((~self.lagged).sum()), int(self.lagged.sum())
        weights = np.zeros((len(self.lags), n_features, n_outputs))
        weights[0, ~self.lagged] = slopes[:n_others]
        by_lag = slopes[n_others:].reshape(len(self.lags), n_lagged, n_outputs)
        weights[:, self.lagged] = by_lag
        return LinearSkip(self.lags, weights, intercept)

    def naive(self) -> LinearSkip:
        """The forecast that the row at the anchor, or at each start, comes again."""
        slopes = self.anchors()
        return self.linear_skip(slopes, np.zeros(slopes.shape[1]))


def lags_within(lags: Sequence[int], most: int) -> tuple[int, ...]:
    """Lags of at most so many steps, with that of the row itself."""
    return tuple(sorted({0, *(lag for lag in lags if lag <= most)}))
