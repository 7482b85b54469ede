"""Rows of the last fit, and rows that wait to be trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sklstm._rows.state import RecurrentState
from sklstm._rows.windows import Windows, digest


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """How the rows of a fit were read, so that predicting on them can repeat it.

    Parameters
    ----------
    shape : tuple of int
    digest : bytes
        Of the rows' content.
    n_dropped : int
        Complete windows before the first one in the lanes.
    start_position : int
        Slot of that one.
    series : Index of shape (n_series,) or None
        Ids of the series; None for one series without a name.
    first, last : ndarray of int64 of shape (n_series,) or None
        Time labels of each series' first and last row; None where rows have none.
    """

    shape: tuple[int, ...]
    digest: bytes
    n_dropped: int
    start_position: int
    series: pd.Index | None = None
    first: np.ndarray | None = None
    last: np.ndarray | None = None

    def are(self, X: np.ndarray, codes: np.ndarray) -> bool:
        """Whether the fit was given `X`, its rows belonging to the same series."""
        return X.shape == self.shape and digest_rows(X, codes) == self.digest

    def state_before(self, zero: RecurrentState) -> RecurrentState:
        """The state that the fit began with, at the slot of the first window."""
        return zero.replace(position=self.start_position)

    def in_lanes(self, windows: Windows) -> np.ndarray:
        """Windows that advance the lanes: the complete ones less those dropped."""
        complete = windows.complete
        return complete & (np.cumsum(complete) > self.n_dropped)


@dataclass(frozen=True, eq=False)
class Untrained:
    """Rows that `partial_fit` has yet to train on, and the state before them."""

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    before: RecurrentState

    def then(self, more: Untrained) -> Untrained:
        """These rows and those after them."""
        return Untrained(
            np.concatenate([self.X, more.X]),
            np.concatenate([self.targets, more.targets]),
            np.concatenate([self.weights, more.weights]),
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


def digest_rows(X: np.ndarray, codes: np.ndarray) -> bytes:
    """A digest of rows and of which series each belongs to."""
    if not codes.any():
        return digest(X)
    return digest(np.frombuffer(digest(X) + digest(codes), np.uint8))


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
