"""Scores of labels: how little a classifier believed in each."""

from __future__ import annotations

import numpy as np

SCORES = ("lac", "aps")


def label_scores(kind: str, probabilities: np.ndarray) -> np.ndarray:
    """The score of each label, of shape (n_rows, n_classes), from 0 to 1.

    Parameters
    ----------
    kind : {"lac", "aps"}
        Least ambiguous sets (Sadinle, Lei and Wasserman 2019): what the probability of
        the label is short of 1. Adaptive prediction sets (Romano, Sesia and Candès
        2020): the probability of this label and all likelier ones, without the random
        part, so that sets are rather too large.
    probabilities : ndarray of shape (n_rows, n_classes)

    Examples
    --------
    >>> p = np.array([[0.25, 0.5, 0.25]])
    >>> label_scores("lac", p).tolist()
    [[0.75, 0.5, 0.75]]
    >>> label_scores("aps", p).tolist()
    [[0.75, 0.5, 1.0]]
    """
    if kind == "lac":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    summed = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    scores = np.empty_like(probabilities)
    np.put_along_axis(scores, order, summed, axis=1)
    return scores


def scores_of_labels(
    kind: str, probabilities: np.ndarray, classes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """The scores of the labels that came, of shape (n_rows,).

    NaN where a label is missing (None or NaN), and 1 for one that is no class.
    """
    known = {label: k for k, label in enumerate(classes.tolist())}
    places = np.array([known.get(label, -1) for label in labels.tolist()], int)
    scores = label_scores(kind, probabilities)
    of_known = scores[np.arange(len(places)), places] if len(places) else np.zeros(0)
    is_missing = np.array([is_no_label(label) for label in labels.tolist()], bool)
    return np.where(is_missing, np.nan, np.where(places < 0, 1.0, of_known))


def is_no_label(label: object) -> bool:
    """Whether it is None, NaN or pandas's NA."""
    return label is None or type(label).__name__ == "NAType" or label != label
