"""The level of intervals, which follows what share of values has lately been missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

N_STEP_SIZES = 8
STEP_SIZES = np.geomspace(0.001, 0.128, N_STEP_SIZES)
MEMORY = 1000  # rows after which an expert's past counts e times less
LEAST_MISS, LARGEST_MISS = 1e-4, 0.9


@dataclass(eq=False)
class Levels:
    r"""Experts that adapt the level, each by a step size of its own, and their mean.

    Expert k aims at a share :math:`\alpha_k` of misses. Each value that comes moves it,
    by whether the expert's threshold missed the value,

    .. math:: \alpha_k \leftarrow \alpha_k + \gamma_k (\alpha - \mathrm{miss}_k)

    as in adaptive conformal inference (Gibbs and Candès 2021). The threshold used is
    the mean of the experts' thresholds, with weights by how well these have done as
    quantiles, after the pinball loss (AgACI, Zaffran et al. 2022; the weights are those
    of Bernstein online aggregation, whose past fades here).

    Parameters
    ----------
    target : float
        The share :math:`\alpha` of misses of each side.
    steps : ndarray of int of shape (n_cells,)
        How many rows later a forecast is told from its value. So many in a row may miss
        before the first is known of, so that step sizes are divided by the square root.
    misses, gains, squares : ndarray of shape (n_cells, n_sides, n_experts)
        The shares aimed at; how much less each expert has lost than the mean, and the
        squares of that, both summed.
    largest : ndarray of shape (n_cells, n_sides)
        The largest of these differences.
    """

    target: float
    steps: np.ndarray
    misses: np.ndarray
    gains: np.ndarray
    squares: np.ndarray
    largest: np.ndarray

    @classmethod
    def fresh(cls, target: float, steps: np.ndarray, n_sides: int) -> Levels:
        """Levels before any value has come."""
        shape = (len(steps), n_sides, N_STEP_SIZES)
        zeros = [np.zeros(shape), np.zeros(shape), np.zeros(shape[:2])]
        return cls(target, steps, np.full(shape, target), *zeros)

    def weights(self) -> np.ndarray:
        """How much each expert counts, of shape (n_cells, n_sides, n_experts)."""
        with np.errstate(divide="ignore"):
            by_range = 0.5 / self.largest[..., np.newaxis]
            by_squares = np.sqrt(np.log(N_STEP_SIZES) / self.squares)
        rates = np.minimum(np.minimum(by_range, by_squares), 1e100)
        rates = rates / np.sqrt(self._steps)
        exponents = rates * self.gains
        exponents -= exponents.max(axis=-1, keepdims=True)
        weights = rates * np.exp(exponents)
        return weights / weights.sum(axis=-1, keepdims=True)

    def asked(self, miss: float) -> np.ndarray:
        """The shares to aim at where another share of misses is asked for.

        They lie as far from it, in standard deviations of a normal distribution, as
        the shares for the target lie from the target.
        """
        if miss == self.target:
            return self.misses
        moved = ndtri(self.misses) - ndtri(self.target) + ndtri(miss)
        return np.clip(ndtr(moved), LEAST_MISS * min(1, miss), None)

    def update(self, scores: np.ndarray, placed: np.ndarray) -> None:
        """Learn from scores.

        Parameters
        ----------
        scores : ndarray of shape (n_cells, n_sides)
            NaN where a value is not known.
        placed : ndarray of shape (n_cells, n_sides, n_experts)
            The experts' thresholds when the forecasts were made.
        """
        scores, steps = scores[..., np.newaxis], self._steps
        is_told = np.isfinite(scores) & np.isfinite(placed).all(-1, keepdims=True)
        mean = (self.weights() * placed).sum(axis=-1, keepdims=True)
        slope = np.where(scores > mean, self.target - 1, self.target)
        gains = np.where(is_told, slope * (mean - placed), 0.0)
        fading = np.where(is_told, 1 - 1 / (MEMORY * steps), 1.0)
        self.gains = fading * self.gains + gains
        self.squares = fading * self.squares + gains**2
        self.largest = np.maximum(self.largest, np.abs(gains).max(axis=-1))
        moves = STEP_SIZES / np.sqrt(steps) * (self.target - (scores > placed))
        moved = np.clip(self.misses + moves, LEAST_MISS, LARGEST_MISS)
        self.misses = np.where(is_told, moved, self.misses)

    @property
    def _steps(self) -> np.ndarray:
        return self.steps[:, np.newaxis, np.newaxis]
