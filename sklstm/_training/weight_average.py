"""The exponential moving average of a network's weights over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class WeightAverage:
    """An exponential moving average of weights, unbiased from the first ones on.

    Parameters
    ----------
    momentum : float
        Share that the average so far keeps; 0 for no average.
    """

    def __init__(self, momentum: float):
        self._momentum = momentum
        self._sum: list[np.ndarray] = []
        self._total = 0.0  # of the shares of all weights added

    def add(self, weights: tuple[np.ndarray, ...]) -> None:
        """Count the weights after an epoch."""
        m = self._momentum
        if not m:
            return
        so_far = self._sum or [np.zeros(w.shape) for w in weights]
        self._sum = [m * s + (1 - m) * w for s, w in zip(so_far, weights, strict=True)]
        self._total = m * self._total + (1 - m)

    def of(self, weights: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """The average; these weights where there is none."""
        if not self._sum:
            return weights
        return tuple((s / self._total).astype(np.float32) for s in self._sum)

    def recall(self) -> tuple[np.ndarray, ...]:
        """Arrays from which `remind` makes the same average; none without one."""
        return (np.array(self._total), *self._sum) if self._sum else ()

    def remind(self, arrays: Sequence[np.ndarray]) -> None:
        """Go on from the average that `recall` returned."""
        if arrays:
            total, *self._sum = arrays
            self._total = float(total)
