"""Outputs that have the same weights: what is learnt from rows is learnt once for them.

Knows weights of shape (n_rows,), which are those of every output, and of shape (n_rows,
n_outputs).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def by_weights(weights: np.ndarray) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
    """Outputs with the same weights, and these, of shape (n_rows,), one set a time."""
    if weights.ndim == 1:
        yield slice(None), weights
        return
    different, which = np.unique(weights, axis=1, return_inverse=True)
    for k in range(different.shape[1]):
        yield np.flatnonzero(which.ravel() == k), different[:, k]


def by_output(weights: np.ndarray) -> np.ndarray:
    """Weights that can be multiplied with values of shape (n_rows, n_outputs)."""
    return weights[:, np.newaxis] if weights.ndim == 1 else weights
