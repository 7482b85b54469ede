"""The closed loop: each prediction becomes the next row. No TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sklstm._checks import check_numbers
from sklstm._rows.frames import as_pandas


def closed_loop(
    step: Callable[[Any], np.ndarray],
    predictions: np.ndarray,
    feedback: Callable[[Any, int], Any] | None,
    n_steps: int,
    n_features: int,
    is_one: bool,
) -> list[np.ndarray]:
    """Predictions of `n_steps`, each made on the rows that those before became.

    Parameters
    ----------
    step : callable
        From rows of shape (n_series, n_features) to a prediction for each; it carries
        the state.
    predictions : ndarray of shape (n_series,) or (n_series, n_outputs)
        Those that become the first rows.
    feedback : callable or None
        ``feedback(prediction, k)`` is the k-th row fed, of shape (n_features,), or a
        frame of one row; with many series, a row for each. None feeds the predictions
        themselves.
    n_steps, n_features : int
    is_one : bool
        Whether `feedback` is given the prediction of one series and returns one row.
    """
    if feedback is not None and not callable(feedback):
        raise TypeError(
            "feedback must be a function of (prediction, k) that returns the next row,"
            f" got {feedback!r} of type {type(feedback).__name__}."
        )
    made = []
    for k in range(n_steps):
        if feedback is None:
            rows: Any = predictions.reshape(len(predictions), -1)
            rows = rows[0] if is_one else rows  # as `feedback` would return them
        else:
            rows = feedback(predictions[0] if is_one else predictions, k)
        n_series = None if is_one else len(predictions)
        predictions = step(_checked_rows(rows, k, n_features, n_series))
        made.append(predictions)
    return made


def check_one_way(feedback: Any, X_future: Any) -> None:
    """Raise ValueError where two arguments say what the next rows are."""
    if feedback is not None and X_future is not None:
        raise ValueError(
            "feedback and X_future both say what the next rows are. Pass one of them."
        )


def refuse_to_guess_rows(problem: str, n_features: int) -> None:
    """Raise ValueError: predictions are no rows, and nothing says what to feed."""
    raise ValueError(
        f"A prediction cannot be the next row: {problem}. Pass feedback=, a function of"
        f" (prediction, k) that returns the next row, of shape ({n_features},), or"
        " X_future=, what is known of the rows to come."
    )


def _checked_rows(rows: Any, k: int, n_features: int, n_series: int | None) -> Any:
    """What `feedback` returned, as a table with a row for each series."""
    check_numbers(f"the row fed back for step {k}", rows)
    rows = as_pandas(rows)
    is_frame = hasattr(rows, "iloc") and rows.ndim == 2  # its columns check themselves
    if hasattr(rows, "iloc") and rows.ndim == 1 and rows.index.dtype.kind not in "iu":
        is_frame, rows = True, rows.to_frame().T  # a row whose values have names
    rows = rows if is_frame else np.asarray(rows)
    n_rows = 1 if n_series is None else n_series
    expected = (n_features,) if n_series is None else (n_rows, n_features)
    if rows.shape != ((n_rows, n_features) if is_frame else expected):
        raise ValueError(
            f"feedback must return a row of shape ({n_features},), or a frame of one"
            f" row, but for step {k} it returned shape {rows.shape}."
            if n_series is None
            else f"feedback must return rows of shape {expected}, one for each series,"
            f" but for step {k} it returned shape {rows.shape}."
        )
    if not is_frame:
        if rows.dtype.kind in "biuf" and not np.isfinite(rows).all():
            raise ValueError(
                f"feedback returned NaN or infinity for step {k}: {rows}. Return finite"
                " numbers: clip the prediction, or scale X and y."
            )
        rows = rows.reshape(n_rows, n_features)
    return rows
