"""The folds of a backtest, which must go forward in time, and who is fitted on which.

Owns the checks of a splitter's folds, and which rows a walk goes over. Nothing is
fitted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from sklstm.model_selection._timeline import Timeline, span

REMEDY = "Use TimeSeriesSplit, or PanelSplit for many series."


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of a splitter.

    Parameters
    ----------
    number : int
    train, test : ndarray of int
        Rows in ascending order.
    """

    number: int
    train: np.ndarray
    test: np.ndarray

    def __str__(self) -> str:
        return (
            f"Fold {self.number} trains on {span(self.train)} and tests on"
            f" {span(self.test)}"
        )


def read_folds(cv, X, y, timeline: Timeline, classifier: bool) -> list[Fold]:
    """The folds, each tested on rows after those that it and folds before have read.

    Raises
    ------
    ValueError
        If there are none, one is empty, or they go back in time or overlap.
    """
    if not timeline.is_in_order:
        raise ValueError(
            "The rows of each series of X must be in time order to be walked over, but"
            " their index runs backwards. Sort X and y by it: X.sort_index()."
        )
    splits = check_cv(cv, y, classifier=classifier).split(X, y)
    folds = [
        Fold(k, *(_ascending(rows, len(timeline.codes)) for rows in split))
        for k, split in enumerate(splits)
    ]
    if not folds:
        raise ValueError(f"cv gave no folds. {REMEDY}")
    for fold in folds:
        _check_fold(fold, timeline)
    for before, fold in pairwise(folds):
        _check_forward(before, fold, timeline)
    return folds


def _ascending(rows, n_rows: int) -> np.ndarray:
    """Rows given by numbers or by a mask, as numbers in ascending order."""
    chosen = np.zeros(n_rows, bool)
    chosen[rows] = True
    return np.flatnonzero(chosen)


def _check_fold(fold: Fold, timeline: Timeline) -> None:
    """Raise ValueError for an empty fold, or one tested on rows before trained ones."""
    if not len(fold.train) or not len(fold.test):
        raise ValueError(
            f"{fold}, but a fold needs rows to train on and rows to test on. Use fewer"
            " splits, a smaller gap, or another test_size."
        )
    if not _is_later(fold.train, fold.test, timeline):
        raise ValueError(
            f"{fold}, but a backtest walks forward: all rows to test on must come later"
            f" than those to train on. {REMEDY}"
        )
    codes, places = timeline.codes[fold.test], timeline.places[fold.test]
    order = np.lexsort((places, codes))
    if (np.diff(places[order])[np.diff(codes[order]) == 0] != 1).any():
        raise ValueError(
            f"{fold}, but the rows to test on must be consecutive in each series, as a"
            f" walk goes over them one by one. {REMEDY}"
        )


def _check_forward(before: Fold, fold: Fold, timeline: Timeline) -> None:
    """Raise ValueError where a fold is not tested on later rows than the one before."""
    if not _is_later(before.test, fold.test, timeline):
        raise ValueError(
            f"Fold {before.number} tests on {span(before.test)} and fold"
            f" {fold.number} on {span(fold.test)}, but a backtest walks forward: the"
            " rows to test on must not overlap, and come later from fold to fold."
            f" {REMEDY}"
        )


def _is_later(rows: np.ndarray, others: np.ndarray, timeline: Timeline) -> bool:
    """Whether others are all later than rows, within each series and in time."""
    n_series = timeline.labels.n_series
    last = _extreme(np.maximum, -1, rows, timeline, n_series)
    first = _extreme(np.minimum, len(timeline.codes), others, timeline, n_series)
    moments = timeline.moments
    has_time = timeline.labels.time is not None
    return bool(
        (first > last).all()
        and (not has_time or moments[others].min() >= moments[rows].max())
    )


def _extreme(
    which: np.ufunc, start: int, rows: np.ndarray, timeline: Timeline, n_series: int
) -> np.ndarray:
    """The last or first place of rows in each series, `start` where it has none."""
    found = np.full(n_series, start)
    if n_series == 1 and len(rows):
        found[0] = which.reduce(timeline.places[rows])
    else:
        which.at(found, timeline.codes[rows], timeline.places[rows])
    return found


def rows_between(read: np.ndarray, test: np.ndarray, timeline: Timeline) -> np.ndarray:
    """The rows a walk goes over, ascending: those to test on, and any before them.

    Parameters
    ----------
    read : ndarray of int
        Rows that were trained on.
    test : ndarray of int
        Those to walk to.
    timeline : Timeline
    """
    n_series = timeline.labels.n_series
    last_read = _extreme(np.maximum, -1, read, timeline, n_series)
    end = _extreme(np.maximum, -1, test, timeline, n_series)
    codes, places = timeline.codes, timeline.places
    return np.flatnonzero((places > last_read[codes]) & (places <= end[codes]))


# --- who is fitted on which -------------------------------------------------------


def fits_of(folds: Sequence[Fold], refit: Any) -> list[list[Fold]]:
    """The folds in groups, each walked by one fitted estimator.

    Raises
    ------
    TypeError, ValueError
        If `refit` is neither a bool, "update" nor a number of folds.
    """
    text = (
        "refit must be False, True, 'update' or a number of folds after which to fit"
        f" anew; got {refit!r}"
    )
    if isinstance(refit, str) and refit == "update":
        every = 1
    elif isinstance(refit, bool | np.bool_):
        every = 1 if refit else len(folds)
    elif isinstance(refit, int | np.integer):
        every = int(refit)
    elif isinstance(refit, str):
        raise ValueError(f"{text}.")
    else:
        raise TypeError(f"{text} of type {type(refit).__name__}.")
    if every < 1:
        raise ValueError(f"{text}.")
    return [list(folds[k : k + every]) for k in range(0, len(folds), every)]
