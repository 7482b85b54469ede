"""Rows of the last fit, and rows that wait to be trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklstm._later import pd
from sklstm._rows.state import RecurrentState
from sklstm._rows.windows import Windows, digest


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """How the rows of a fit were read, so that predicting on them can repeat it.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n_series,)
        Rows of each series, or ready-made windows.
    digests : ndarray of uint8 of shape (n_series, 16)
        Of the content of each series.
    n_dropped : int
        Complete windows before the first one in the lanes.
    start_position : int
        Slot of that one.
    series : Index of shape (n_series,) or None
        Ids of the series; None for one series without a name.
    first, last : ndarray of int64 of shape (n_series,) or None
        Time labels of each series' first and last row; None where rows have none.
    """

    lengths: np.ndarray
    digests: np.ndarray
    n_dropped: int = 0
    start_position: int = 0
    series: pd.Index | None = None
    first: np.ndarray | None = None
    last: np.ndarray | None = None

    @classmethod
    def of(
        cls, X: np.ndarray, lengths: np.ndarray, n_dropped: int, start_position: int
    ) -> TrainingRows:
        """Those of a fit on `X`, whose rows are series by series, so many of each."""
        parts = np.split(X, np.cumsum(lengths)[:-1])
        digests = np.array([_digest(part) for part in parts])
        return cls(np.asarray(lengths, np.int64), digests, n_dropped, start_position)

    def first_in(
        self, X: np.ndarray, lengths: np.ndarray, known: np.ndarray
    ) -> list[np.ndarray]:
        """The rows of the fit at the beginning of each series of `X` that it had.

        None at all unless every one of these series begins with the very rows that it
        had in the fit: one alone, of few rows, may do so by chance. The work is that of
        one digest over as many rows as the fit had.

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or (n, n_steps, n_features)
            Rows series by series.
        lengths : ndarray of int of shape (n_series,)
            How many rows each series has.
        known : ndarray of int of shape (n_series,)
            Which series of the fit each one is; -1 for those that it did not have.
        """
        starts = np.cumsum(lengths) - lengths
        had = known >= 0
        if (lengths < self.lengths[known])[had].any():
            return []
        first = []
        for start, place in zip(starts[had], known[had], strict=True):
            rows = X[start : start + self.lengths[place]]
            if not np.array_equal(_digest(rows), self.digests[place]):
                return []
            first.append(rows)
        return first

    def state_before(self, zero: RecurrentState) -> RecurrentState:
        """The state that the fit began with, at the slot of the first window."""
        return zero.replace(position=self.start_position)

    def in_lanes(self, windows: Windows) -> np.ndarray:
        """Windows that advance the lanes: the complete ones less those dropped."""
        complete = windows.complete
        return complete & (np.cumsum(complete) > self.n_dropped)


@dataclass(frozen=True, eq=False)
class Untrained:
    """Rows that `partial_fit` has yet to train on, and the state before them.

    Weights have shape (n,), or (n, n_outputs) where outputs have weights of their own.
    """

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    before: RecurrentState

    def then(self, more: Untrained) -> Untrained:
        """These rows and those after them."""
        weights = [self.weights, more.weights]
        if weights[0].ndim != weights[1].ndim:  # outputs have weights in one of them
            weights = [
                np.broadcast_to(part.reshape(len(part), -1), rows.targets.shape)
                for part, rows in zip(weights, (self, more), strict=True)
            ]
        return Untrained(
            np.concatenate([self.X, more.X]),
            np.concatenate([self.targets, more.targets]),
            np.concatenate(weights),
            self.before,
        )

    def copy(self) -> Untrained:
        """These rows in arrays of their own, which no caller fills anew."""
        return Untrained(
            self.X.copy(), self.targets.copy(), self.weights.copy(), self.before
        )

    def since(self, n: int, before: RecurrentState) -> Untrained:
        """The rows after the first `n`, which left the state `before`."""
        return Untrained(self.X[n:], self.targets[n:], self.weights[n:], before)


def _digest(X: np.ndarray) -> np.ndarray:
    """A digest of rows, of shape (16,)."""
    return np.frombuffer(digest(X), np.uint8)


def repeats(X: np.ndarray) -> bool:
    """Whether rows of shape (n, n_features) are one stretch of rows over and over.

    Rows that go on in the same way would be equal to these.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(48)[:, np.newaxis] % 24
    >>> repeats(hours), repeats(hours[:-1])
    (True, False)
    """
    n = len(X)
    periods = np.flatnonzero(n % np.arange(1, n // 2 + 1) == 0) + 1
    return any(bool((X[p:] == X[:-p]).all()) for p in periods.tolist() if _may(X, p))


def _may(X: np.ndarray, period: int) -> bool:
    """Whether a few rows agree with the period, which is soon told."""
    return bool((X[period] == X[0]).all() and (X[-1] == X[-1 - period]).all())
