"""Rows of the last fit, and rows that wait to be trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklstm._rows.lanes import FitPlan
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
    """

    shape: tuple[int, ...]
    digest: bytes
    n_dropped: int
    start_position: int

    @classmethod
    def of(cls, X: np.ndarray, plan: FitPlan) -> TrainingRows:
        """Remember `X` by its content."""
        return cls(X.shape, digest(X), plan.n_dropped, plan.start_position)

    def are(self, X: np.ndarray) -> bool:
        """Whether `X` is what the fit was given."""
        return X.shape == self.shape and digest(X) == self.digest

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
