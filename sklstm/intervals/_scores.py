"""Scores: how far a value lies outside of what was forecast, and the way back.

A forecast is a lower and an upper end. Of one number both ends are that number; of two
quantiles they are these, and the scores those of conformalised quantile regression.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OuterErrors:
    r"""How far y lies below the lower end of a forecast, and above its upper end.

    .. math:: s_1 = l - y, \quad s_2 = y - u

    Both are negative inside. With two sides each has scores, and a level, of its own;
    with one side there is :math:`\max(s_1, s_2)` alone, which for a forecast of one
    number is the absolute error, and for quantiles the score of Romano, Patterson and
    Candès (2019).

    Parameters
    ----------
    n_sides : {1, 2}

    Examples
    --------
    >>> OuterErrors(2).of(5.0, 3.0, 4.0).tolist()
    [-2.0, 1.0]
    >>> OuterErrors(1).of(5.0, 3.0, 4.0).tolist()
    [1.0]
    >>> OuterErrors(1).interval(3.0, 4.0, np.array([1.0])).tolist()
    [2.0, 5.0]
    """

    n_sides: int = 1

    def of(self, y, lower, upper) -> np.ndarray:
        """Scores of values, of shape (..., n_sides)."""
        below, above = np.asarray(lower - y), np.asarray(y - upper)
        if self.n_sides == 1:
            return np.maximum(below, above)[..., np.newaxis]
        return np.stack([below, above], axis=-1)

    def interval(self, lower, upper, thresholds: np.ndarray) -> np.ndarray:
        """All values whose scores are at most `thresholds`, as (..., 2).

        Where there are none, both ends are the middle.
        """
        below, above = thresholds[..., 0], thresholds[..., -1]
        ends = np.stack([lower - below, upper + above], axis=-1)
        # not the mean of the ends, which rounds otherwise for each threshold
        middle = (lower + upper + (above - below)) / 2
        is_empty = ends[..., 0] > ends[..., 1]
        return np.where(is_empty[..., np.newaxis], middle[..., np.newaxis], ends)

    def miss(self, coverage):
        """Share of values beyond the threshold of each side."""
        return (1 - coverage) / self.n_sides

    def least(self, coverage: float) -> int:
        """How many scores it takes, so that one of them is the threshold.

        Of m scores the one of rank ``(1 - miss) * (m + 1)`` is.
        """
        return math.ceil(round(1 / self.miss(coverage), 6)) - 1


def thresholds_of(ordered: np.ndarray, misses: np.ndarray) -> np.ndarray:
    """The scores that a share `misses` of values to come are beyond.

    Parameters
    ----------
    ordered : ndarray of shape (..., n_scores)
        Scores in ascending order, NaN at the end where there are fewer.
    misses : ndarray of shape (..., n)

    Returns
    -------
    thresholds : ndarray of shape (..., n)
        The largest score for a share below that of one score; NaN without scores.

    Examples
    --------
    >>> thresholds_of(np.arange(1.0, 10), np.array([0.1, 0.5, 0.05])).tolist()
    [9.0, 5.0, 9.0]
    """
    n = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., np.newaxis]
    ranks = np.ceil(np.round((1 - misses) * (n + 1), 9)).astype(int)
    places = np.clip(ranks, 1, np.maximum(n, 1)) - 1
    return np.take_along_axis(ordered, places, axis=-1)
