"""The closed loop: each prediction becomes the next row. No TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def closed_loop(
    step: Callable[[np.ndarray], Any],
    prediction: Any,
    feedback: Callable[[Any, int], Any],
    n_steps: int,
    n_features: int,
) -> list:
    """`n_steps` predictions, each made on the row that the one before became.

    Parameters
    ----------
    step : callable
        From a row of shape (1, n_features) to the prediction for it; it carries the
        state.
    prediction : object
        The prediction that becomes the first row.
    feedback : callable
        ``feedback(prediction, k)`` is the k-th row fed, of shape (n_features,).
    """
    predictions = []
    for k in range(n_steps):
        row = np.asarray(feedback(prediction, k), dtype=np.float32)
        if row.shape != (n_features,):
            raise ValueError(
                f"feedback must return a row of shape ({n_features},), but for step {k}"
                f" it returned shape {row.shape}."
            )
        if not np.isfinite(row).all():
            raise ValueError(f"feedback returned NaN or infinity for step {k}: {row}.")
        prediction = step(row[np.newaxis])
        predictions.append(prediction)
    return predictions
