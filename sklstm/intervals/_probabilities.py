"""Class probabilities as the state of a classifier moves over rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm.streaming import stream
from sklstm.streaming._composite import Network


def step_probabilities(fitted: Any, X: Any, has_networks: bool) -> np.ndarray:
    """Probabilities for each row, of shape (n_rows, n_classes); states move over them.

    Parameters
    ----------
    fitted : estimator
        A fitted classifier with `predict_proba`.
    X : array-like of shape (n_rows, n_features)
        The rows after those seen.
    has_networks : bool
        Whether there are states in it.
    """
    if not has_networks:
        return fitted.predict_proba(X)
    live = stream(fitted)

    def answer(network: Network, rows: Any, method: str) -> Any:
        return getattr(network.estimator, method)(rows, False)

    probabilities = live.composite.answer(X, answer, "predict_proba", stacklevel=3)
    live.observe(X)
    return probabilities
