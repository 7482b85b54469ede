"""How the rows of a call go on from the rows seen: what starts anew, what is replayed.

Labels decide where rows carry any: the rows of the fit are replayed from zero state,
later ones follow. Without labels the content decides: where every series begins with
the rows that it had in the fit these are replayed, unless they repeat so that a
continuation could look the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from sklstm._estimator.given import Given
from sklstm._rows.continuity import (
    TimeAxis,
    check_after,
    check_order,
    find_breaks,
    report_breaks,
)
from sklstm._rows.series import match_series
from sklstm._rows.state import NEVER, RecurrentState
from sklstm._rows.training_rows import TrainingRows, repeats
from sklstm._training.fitted import Fitted


@dataclass(frozen=True, eq=False)
class Following:
    """How the series of a call go on.

    Parameters
    ----------
    lanes : ndarray of int of shape (n_series,)
        The place of each series in the state; -1 for those not seen before.
    replays : ndarray of bool of shape (n_series,)
        Series whose rows begin with those of the fit, from zero state.
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run, from zero state.
    last_seen : ndarray of int64 of shape (n_series,)
        The last label of each series in the call; `NEVER` where it has none.
    """

    lanes: np.ndarray
    replays: np.ndarray
    begins: np.ndarray
    last_seen: np.ndarray


def follow(
    fitted: Fitted,
    given: Given,
    on_gap: str,
    replay: bool | None = False,
    stacklevel: int = 2,
) -> Following:
    """How the rows of a call go on from the state, or an error where they cannot.

    Parameters
    ----------
    fitted : Fitted
    given : Given
    on_gap : {"warn", "reset", "raise", "ignore"}
    replay : bool or None
        Whether the rows are those of the fit; None where that is to be found out.
    stacklevel : int
        That of the caller's warnings.
    """
    labels, axis = given.labels, fitted.axis
    if given.sequences is not None:  # each is a series of its own, in each call anew
        no_series = np.zeros(labels.n_series, bool)
        return Following(
            np.full(labels.n_series, -1),
            no_series,
            np.zeros(len(given.X), bool),
            np.full(labels.n_series, NEVER),
        )
    lanes = match_series(fitted.state.series, labels.ids)
    _check_one_series(fitted.state, given, lanes)
    n_rows, n_series = len(given.X), labels.n_series
    no_replay = np.zeros(n_series, bool)
    no_breaks = np.zeros(n_rows, bool)
    if axis is None or labels.time is None or on_gap == "ignore":
        replays = _replayed_by_content(fitted, given, replay, lanes, stacklevel + 1)
        last_seen = np.full(n_series, NEVER)
        return Following(lanes, replays, no_breaks, last_seen)
    ordinals = axis.ordinals(labels.time)
    check_order(axis, ordinals, labels)
    seen = _last_seen(fitted.state, lanes)
    rows = fitted.training_rows
    replays, in_fit = no_replay, no_breaks
    if rows is not None and replay is not False:
        was_seen = fitted.state.has_rows(lanes)
        replays, in_fit = _find_replayed(axis, rows, given, ordinals, was_seen, replay)
    seen = np.where(replays, NEVER, seen)
    check_after(axis, ordinals, labels, seen)
    breaks = find_breaks(axis, ordinals, labels.codes, seen)
    report_breaks(
        axis, breaks & ~in_fit, ordinals, labels, seen, on_gap, stacklevel + 1
    )
    begins = breaks if on_gap == "reset" else no_breaks
    return Following(lanes, replays, begins, _last_of_each(ordinals, given))


def _check_one_series(state: RecurrentState, given: Given, lanes: np.ndarray) -> None:
    """Raise ValueError for rows of other series than the one that has a state."""
    if state.is_by_series or (len(lanes) == 1 and lanes[0] >= 0):
        return
    labels = given.labels
    others = [labels.series_name(int(k)) for k in np.flatnonzero(lanes < 0)]
    raise ValueError(
        f"X holds {labels.n_series} series, among them {others[0]}, but with"
        " windows='sliding' a stateful network carries the state of one, that of"
        f" {list(state.series)}. Pass rows of this one alone, or set windows='tiled',"
        " which carries a state for each series."
    )


def learn_axis(given: Given) -> TimeAxis | None:
    """How the times of training rows are counted; None where they have none.

    Integers beside a column of ids that differ in every row of several series number
    the rows of a table. They tell the order of the rows, not how far apart they are.
    """
    labels = given.labels
    axis = TimeAxis.learn(labels)
    numbers_rows = (
        axis is not None
        and axis.kind == "integer"
        and given.shape.series_id is not None
        and labels.n_series > 1
        and labels.time is not None
        and labels.time.is_unique
    )
    return replace(axis, step=None) if axis and numbers_rows else axis


def check_training_labels(
    axis: TimeAxis | None, given: Given, on_gap: str, stacklevel: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which training rows begin a new run, and the labels of each series' ends.

    Returns
    -------
    begins : ndarray of bool of shape (n_rows,)
    first, last : ndarray of int64 of shape (n_series,)
        `NEVER` where rows carry no labels.
    """
    labels = given.labels
    nowhere = np.zeros(len(given.X), bool)
    unseen = np.full(labels.n_series, NEVER)
    if axis is None or labels.time is None:
        return nowhere, unseen, unseen
    ordinals = axis.ordinals(labels.time)
    ends = _first_of_each(ordinals, given), _last_of_each(ordinals, given)
    if on_gap == "ignore":
        return nowhere, *ends
    check_order(axis, ordinals, labels)
    breaks = find_breaks(axis, ordinals, labels.codes, unseen)
    report_breaks(axis, breaks, ordinals, labels, unseen, on_gap, stacklevel + 1)
    return (breaks if on_gap == "reset" else nowhere), *ends


def _find_replayed(
    axis: TimeAxis,
    rows: TrainingRows,
    given: Given,
    ordinals: np.ndarray,
    was_seen: np.ndarray,
    replay: bool | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Which series begin with the rows of the fit, and which rows are in it."""
    labels = given.labels
    known = match_series(rows.series, labels.ids)
    no_series = np.zeros(labels.n_series, bool)
    if rows.first is None or rows.last is None:
        return no_series | bool(replay), np.zeros(len(ordinals), bool)
    first = _first_of_each(ordinals, given)
    fit_first = np.where(known >= 0, rows.first[known], NEVER)
    fit_last = np.where(known >= 0, rows.last[known], NEVER)
    # a series that was just reset has forgotten the fit: its rows are read from cold
    replays = ~no_series if replay else (first <= fit_last) & was_seen
    middle = np.flatnonzero(replays & (first != fit_first))
    if len(middle) and not replay:
        code = int(middle[0])
        is_early = first[code] < fit_first[code]
        where = "before" if is_early else "among"
        why = "rows from before the fit" if is_early else "a part of its rows"
        begin, *ends = axis.names(first[code], fit_first[code], fit_last[code])
        raise ValueError(
            f"X begins with {begin} for {labels.series_name(code)}, {where} the rows of"
            f" fit, which are from {' to '.join(ends)}: the state for {why} is not"
            " kept. Pass the rows from the first one of fit on and slice the answer,"
            " pass later rows, or call reset_states() to read rows from zero state. In"
            " cross-validation, use TimeSeriesSplit or PanelSplit, whose test rows"
            " follow."
        )
    in_fit = replays[labels.codes] & (ordinals <= fit_last[labels.codes])
    return replays, in_fit


def _replayed_by_content(
    fitted: Fitted,
    given: Given,
    replay: bool | None,
    lanes: np.ndarray,
    stacklevel: int,
) -> np.ndarray:
    """Which series begin with the rows of the fit, told by their content.

    All that the fit had, or none, since labels would tell of a mixture.
    """
    rows, labels = fitted.training_rows, given.labels
    if replay is not None or rows is None:
        return np.full(labels.n_series, bool(replay) and rows is not None)
    ordered, _ = given.sorted()
    known = match_series(rows.series, labels.ids)
    lengths = np.bincount(labels.codes, minlength=labels.n_series)
    first = rows.first_in(ordered.X, lengths, known)
    # a series that was just reset has forgotten the fit: its rows are read from cold
    replays = (known >= 0) & fitted.state.has_rows(lanes) & bool(first)
    if replays.any() and given.X.ndim == 2 and all(map(repeats, first)):
        n = sum(map(len, first))
        what = "is equal to" if n == len(given.X) else "begins with rows equal to"
        warnings.warn(
            f"X {what} the {n} rows of fit, but these repeat, so that rows that follow"
            " them could look the same: they are taken for rows that follow. Pass"
            " replay=True to predict the rows of fit from the start, or replay=False"
            " for rows that follow, or give X an index of dates.",
            stacklevel=stacklevel + 1,
        )
        return np.zeros_like(replays)
    return replays


def _last_seen(state: RecurrentState, lanes: np.ndarray) -> np.ndarray:
    """The last label seen of each series; `NEVER` where there is none."""
    if state.last_seen is None:
        return np.full(len(lanes), NEVER)
    return np.append(state.last_seen, NEVER)[lanes]


def _first_of_each(ordinals: np.ndarray, given: Given) -> np.ndarray:
    first = np.empty(given.labels.n_series, np.int64)
    first[given.labels.codes[::-1]] = ordinals[::-1]  # the last one written stays
    return first


def _last_of_each(ordinals: np.ndarray, given: Given) -> np.ndarray:
    last = np.empty(given.labels.n_series, np.int64)
    last[given.labels.codes] = ordinals
    return last
