"""The training rows that an encoder learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._encoding.row_encoder import RowEncoder
from sklstm._encoding.trail import Trail

HELD_OUT = 0.2  # of each series, its newest rows, on which is chosen


@dataclass(frozen=True, eq=False)
class Lesson:
    """Training rows of a fit, series by series, each in time order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows, n_outputs)
        Numbers, or, where there are classes, class numbers of shape (n_rows, 1).
    codes : ndarray of int of shape (n_rows,)
        The series of each row.
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    weights : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Of rows, or of each of their outputs.
    series : Index or None
        Ids of the series; None where all have one scale.
    n_series : int
    n_outputs : int
        Of the network.
    n_classes : int or None
        None for a regression.
    quantiles : tuple of float or None
        Levels of the quantiles that are predicted of each output; None without.
    """

    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    begins: np.ndarray
    weights: np.ndarray
    series: Any
    n_series: int
    n_outputs: int
    n_classes: int | None = None
    quantiles: tuple[float, ...] | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series."""
        return np.bincount(self.codes, minlength=self.n_series)

    @property
    def scales(self) -> np.ndarray:
        """The entry of a scale that serves each series."""
        return np.arange(self.n_series) * (self.series is not None)

    def weights_of(self, output: int) -> np.ndarray:
        """The weight of each row for an output."""
        return self.weights if self.weights.ndim == 1 else self.weights[:, output]

    def newest(self, share: float) -> np.ndarray:
        """Whether a row is within this share of newest rows of its series."""
        lengths = self.lengths
        within = np.arange(len(self.X)) - (np.cumsum(lengths) - lengths)[self.codes]
        return within >= (lengths - (share * lengths).astype(int))[self.codes]

    def is_held_out(self) -> np.ndarray:
        """Whether a row is among those on which is chosen."""
        return self.newest(HELD_OUT)

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to learn from and later rows to choose on, as masks, the newest first.

        Empty where some of these masks hold no row with a weight, or no row to learn
        some output from.
        """
        newest, newer = self.newest(HELD_OUT), self.newest(2 * HELD_OUT)
        folds = [(~newest, newest), (~newer, newer & ~newest)]
        has_all = all(
            self.weights[learnt].any(axis=0).all() and self.weights[told].any()
            for learnt, told in folds
        )
        return folds if has_all else []


def trail_of(lesson: Lesson, encoder: RowEncoder) -> Trail:
    """The training rows, scaled, each series from its beginning."""
    context = np.empty((lesson.n_series, 0, encoder.n_features))
    n_known = np.zeros(lesson.n_series, int)
    return encoder.trail(
        lesson.X, lesson.scales, lesson.codes, lesson.begins, context, n_known
    )
