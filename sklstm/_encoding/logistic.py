"""Logistic regression on lagged rows."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklstm._encoding.linear_skip import LagDesign, LinearSkip
from sklstm._encoding.one_thread import one_thread
from sklstm._encoding.trail import Trail

INVERSE_ALPHAS = (0.001, 0.01, 0.1, 1.0, 10.0)
MOST_ENTRIES = 10**7  # of the matrix that is fitted; of longer ones, rows are left out


def logistic_skip(
    design: LagDesign,
    trail: Trail,
    classes: np.ndarray,
    weights: np.ndarray,
    n_classes: int,
    n_outputs: int,
    inverse_alpha: float,
) -> LinearSkip:
    """The logistic regression of class numbers on lagged rows, as decision values.

    With one output, these are for class 1; else there is a value for each class.
    """
    used = np.flatnonzero(weights)
    width = len(design.places(design.lags))
    used = used[:: -(-len(used) * width // MOST_ENTRIES)]
    trail, classes, weights = trail.at_rows(used), classes[used], weights[used]
    scaler = StandardScaler()
    matrix = scaler.fit_transform(design.matrix(trail))
    counts = np.bincount(classes, weights, n_classes)
    scores = np.log((counts + 0.5) / (counts.sum() + 0.5 * n_classes))
    slopes = np.zeros((matrix.shape[1], n_classes))
    seen = np.flatnonzero(np.bincount(classes, minlength=n_classes))
    if len(seen) > 1:
        model = LogisticRegression(C=inverse_alpha, max_iter=100, tol=1e-3)
        with one_thread():
            model.fit(matrix, classes, sample_weight=weights)
        coefficients, intercepts = model.coef_.T, model.intercept_
        if len(seen) == 2:  # one column of decision values, for the second class
            coefficients = np.hstack([-coefficients, coefficients]) / 2
            intercepts = np.array([-0.5, 0.5]) * intercepts
        slopes[:, seen], scores[seen] = coefficients, intercepts
    if n_outputs == 1:
        slopes, scores = slopes[:, [1]] - slopes[:, [0]], scores[[1]] - scores[[0]]
    slopes = slopes / scaler.scale_[:, np.newaxis]
    return design.linear_skip(slopes, scores - scaler.mean_ @ slopes)


def cross_entropies(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Of each row, from decision values of shape (n_rows, n_outputs)."""
    if scores.shape[1] == 1:
        signed = np.where(classes == 1, scores[:, 0], -scores[:, 0])
        return -np.log(np.maximum(expit(signed), 1e-12))
    return -log_softmax(scores, axis=1)[np.arange(len(classes)), classes]
