"""The closed loop: each prediction becomes the next row. No TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sklstm._checks import check_numbers


def closed_loop(
    step: Callable[[np.ndarray], Any],
    prediction: Any,
    feedback: Callable[[Any, int], Any] | None,
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
    feedback : callable or None
        ``feedback(prediction, k)`` is the k-th row fed, of shape (n_features,), or a
        frame of one row. None feeds the prediction itself.
    """
    if feedback is None:
        feedback = _feed_prediction
    if not callable(feedback):
        raise TypeError(
            "feedback must be a function of (prediction, k) that returns the next row,"
            f" got {feedback!r} of type {type(feedback).__name__}."
        )
    predictions = []
    for k in range(n_steps):
        prediction = step(_checked_row(feedback(prediction, k), k, n_features))
        predictions.append(prediction)
    return predictions


def _feed_prediction(prediction: Any, k: int) -> np.ndarray:
    return np.atleast_1d(prediction)


def refuse_to_guess_rows(problem: str, n_features: int) -> None:
    """Raise ValueError: predictions are no rows, and nothing says what to feed."""
    raise ValueError(
        f"A prediction cannot be the next row: {problem}. Pass feedback=, a function of"
        f" (prediction, k) that returns the next row, of shape ({n_features},)."
    )


def _checked_row(row: Any, k: int, n_features: int) -> Any:
    """What `feedback` returned as a table of one row."""
    check_numbers(f"the row fed back for step {k}", row)
    is_frame = hasattr(row, "iloc") and row.ndim == 2  # its columns check themselves
    row = row if is_frame else np.asarray(row)
    shape = row.shape
    if shape != ((1, n_features) if is_frame else (n_features,)):
        raise ValueError(
            f"feedback must return a row of shape ({n_features},), or a frame of one"
            f" row, but for step {k} it returned shape {shape}."
        )
    if not is_frame:
        if row.dtype.kind in "biuf" and not np.isfinite(row).all():
            raise ValueError(
                f"feedback returned NaN or infinity for step {k}: {row}. Return finite"
                " numbers: clip the prediction, or scale X and y."
            )
        row = row[np.newaxis]
    return row
