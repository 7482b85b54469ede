"""Training rows with the network for them, and with what stands between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._encoding.learning import Plan
from sklstm._encoding.lesson import Lesson
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._estimator.encoded import encode_training_rows, targets_of
from sklstm._estimator.given import Given
from sklstm._training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training rows, series by series, and a network for them.

    Parameters
    ----------
    given : Given
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    y, weights : ndarray
        A target for each row, and a weight for it or for each of its outputs.
    target : ContinuousTarget or ClassTarget
    recipe : Recipe
    lesson : Lesson or None
        The rows as an encoder learns from them; None where nothing is learnt or chosen
        before training.
    plan : Plan or None
        What was chosen of the encoder.
    encoder : RowEncoder or None
    """

    given: Given
    begins: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    target: Any
    recipe: Recipe
    lesson: Lesson | None = None
    plan: Plan | None = None
    encoder: RowEncoder | None = None

    @property
    def output_weights(self) -> np.ndarray:
        """Weights of rows, or of the network's outputs for them."""
        return self.target.output_weights(self.weights)

    def encoded(self, encoder: RowEncoder | None) -> tuple[Given, np.ndarray]:
        """The rows as the network reads them, and its targets."""
        rows = encode_training_rows(self.lesson, encoder, self.given)
        y = targets_of(encoder, self.target, self.given, self.y)
        recipe = self.recipe
        return rows, self.target.encode(y, recipe.n_outputs, recipe.loss)
