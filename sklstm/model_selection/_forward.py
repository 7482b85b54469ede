"""The walk of a backtest: a fitted estimator goes over rows, and forecasts from some.

One step ahead is a `step` over all rows at once. Further ahead, each prediction becomes
a part of the next row. All the rows from which is forecast then go side by side: the
k-th step of all of them is one prediction of the composite, in which each network has a
walk of its own from each state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklstm._estimator.series_walk import SeriesWalk
from sklstm._rows.series import read_labels
from sklstm.model_selection._seeding import networks_in, parts_of
from sklstm.model_selection._target import Cell, Lag, Target
from sklstm.model_selection._timeline import Timeline
from sklstm.preprocessing import SlidingWindow
from sklstm.streaming import stream
from sklstm.streaming._composite import Network


class PlainWalker:
    """A fitted estimator without state, whose lags are columns of X."""

    has_state = False

    def __init__(self, fitted: Any):
        self.fitted = fitted

    def step(self, rows: Any) -> np.ndarray:
        """Predictions for rows."""
        return self.fitted.predict(rows)

    def keep(self, ids: pd.Index | None) -> None:
        """Remember the state after the rows of a moment; here there is none."""

    def ahead(self, rows: Any) -> np.ndarray:
        """Predictions for the next row after each state that was kept."""
        return self.fitted.predict(rows)


class StateWalker:
    """A fitted composite of networks, whose states move on."""

    has_state = True

    def __init__(self, fitted: Any):
        self.live = stream(fitted)
        networks = self.live.composite.networks
        self._kept: dict[Network, list[SeriesWalk]] = {n: [] for n in networks}
        self._n_rows: list[int] = []  # of each moment kept

    def step(self, rows: Any) -> np.ndarray:
        """Predictions for rows; the states move over them."""
        return self.live.step(rows)

    def keep(self, ids: pd.Index | None) -> None:
        """Remember the states after the rows of a moment, of the series `ids`."""
        for network, kept in self._kept.items():
            kept.append(SeriesWalk(network.estimator._record(), ids))
        self._n_rows.append(1 if ids is None else len(ids))

    def join(self) -> None:
        """Walk from all states kept in one, where a network has lanes for that."""
        for network, kept in self._kept.items():
            if network.estimator._record().recipe.is_tiled:
                self._kept[network] = [SeriesWalk.joined(kept)]

    def ahead(self, rows: Any) -> np.ndarray:
        """Predictions for the next row after each state that was kept."""
        ends = np.cumsum(self._n_rows)

        def answer(network: Network, inside: Any, method: str) -> np.ndarray:
            walks, record = self._kept[network], network.estimator._record()
            table = read_labels(inside, record.input_shape.series_id)[0]
            values = network.estimator._check_fed_rows(table, record)
            parts = [values] if len(walks) == 1 else np.split(values, ends[:-1])
            pairs = zip(walks, parts, strict=True)
            outputs = [walk.step(part) for walk, part in pairs]
            if method == "transform":
                return np.concatenate([walk.last_hidden() for walk in walks])
            return record.decoded(np.concatenate(outputs), method)

        return self.live.composite.answer(rows, answer)


def walker_of(
    fitted: Any, timeline: Timeline, horizon: int
) -> PlainWalker | StateWalker:
    """The walker for a fitted estimator.

    Raises
    ------
    ValueError
        If networks cannot tell the series of X apart, or windows are made of rows
        before they reach an estimator without state, which is fed rows.
    TypeError
        If `stream` does not follow the networks that are in `fitted`.
    """
    if networks_in(fitted):
        walker = StateWalker(fitted)
        _check_knows_series(walker, timeline)
        return walker
    windows = [p for _, p in parts_of(fitted) if isinstance(p, SlidingWindow)]
    if windows and horizon > 1:
        raise ValueError(
            f"With horizon={horizon} rows are fed back one by one, but a SlidingWindow"
            " makes windows of them, always after the rows of fit. Give the estimator"
            " lags as columns of X, or all horizons as columns of y:"
            " frame_series(series, horizon=range(1, ...))."
        )
    return PlainWalker(fitted)


def _check_knows_series(walker: StateWalker, timeline: Timeline) -> None:
    if timeline.labels.ids is None:
        return
    for network in walker.live.composite.networks:
        if network.estimator.get_states().series is None:
            remedy = "Call set_output(transform='pandas') on the pipeline."
            if network.bag:
                remedy = "Use a Voting ensemble."
            raise ValueError(
                "The estimator was fitted without the index of X, which tells its"
                f" series apart: {network.bag or 'a transformer'} before the network"
                f" returns arrays. {remedy}"
            )


def forecasts(
    walker, X, target: Target, timeline: Timeline, walked: np.ndarray, origins, cells
) -> np.ndarray:
    """What is forecast from each origin, the walker going over rows.

    Parameters
    ----------
    walker : PlainWalker or StateWalker
    X : array-like of shape (n_rows, n_features)
    target : Target
    timeline : Timeline
    walked : ndarray of int
        Rows to go over, in ascending order.
    origins : ndarray of int of shape (n_origins,)
        Rows among them to forecast from, in ascending order.
    cells : list of Cell

    Returns
    -------
    values : ndarray of shape (n_origins, n_cells)
    """
    n_steps = 1 + max(cell.later for cell in cells)
    if n_steps == 1:
        answers = walker.step(_safe_indexing(X, walked))
        answers = answers[np.searchsorted(walked, origins)]
        return _in_cells([answers.reshape(len(origins), -1)], cells)
    first, origins_walked = _walk_moments(walker, X, timeline, walked, origins)
    made = [first]
    for k in range(1, n_steps):
        rows = timeline.rows_at(
            timeline.codes[origins_walked], timeline.places[origins_walked] + k
        )
        table = fed_rows(X, rows, k, target.lags, made)
        made.append(walker.ahead(table).reshape(len(rows), -1))
    values = _in_cells(made, cells)
    return values[np.argsort(origins_walked)]


def _in_cells(made: list[np.ndarray], cells: list[Cell]) -> np.ndarray:
    """Predictions of steps, each of shape (n, n_columns), as (n, n_cells)."""
    return np.stack([made[cell.later][:, cell.column] for cell in cells], axis=1)


def _walk_moments(
    walker, X, timeline: Timeline, walked: np.ndarray, origins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions for the origins, whose states are kept, and the order of these."""
    if not walker.has_state:
        made = walker.step(_safe_indexing(X, origins))
        return made.reshape(len(origins), -1), origins
    is_origin = np.zeros(len(timeline.codes), bool)
    is_origin[origins] = True
    answers, order, waiting = [], [], []
    for rows in _by_moment(walked, timeline):
        waiting.append(rows)
        begun = rows[is_origin[rows]]
        if not len(begun):
            continue
        together = np.sort(np.concatenate(waiting))
        waiting = []
        made = walker.step(_safe_indexing(X, together)).reshape(len(together), -1)
        answers.append(made[np.searchsorted(together, begun)])
        order.append(begun)
        ids = timeline.labels.ids
        walker.keep(None if ids is None else ids.take(timeline.codes[begun]))
    if waiting:
        walker.step(_safe_indexing(X, np.sort(np.concatenate(waiting))))
    walker.join()
    return np.concatenate(answers), np.concatenate(order)


def _by_moment(rows: np.ndarray, timeline: Timeline) -> list[np.ndarray]:
    """Rows of the same time together, the earliest first."""
    moments = timeline.moments[rows]
    order = np.argsort(moments, kind="stable")
    changes = np.flatnonzero(np.diff(moments[order])) + 1
    return np.split(rows[order], changes)


def fed_rows(
    X, rows: np.ndarray, k: int, lags: tuple[Lag, ...], made: list[np.ndarray]
) -> Any:
    """Rows of X, k steps after those forecast from, with what was not known by then.

    Columns that hold y of s rows before are filled from the prediction for this row,
    where it comes after the row forecast from. All others are taken as known.
    """
    filled = {
        lag.column: made[k - lag.rows][:, lag.of] for lag in lags if lag.rows <= k
    }
    table = _safe_indexing(X, rows)
    if not hasattr(table, "iloc"):
        table = np.array(table, dtype=np.result_type(np.asarray(table), np.float64))
        for column, values in filled.items():
            table[:, column] = values
        return table
    table = table.copy()
    for column, values in filled.items():
        table.isetitem(column, values)
    return table
