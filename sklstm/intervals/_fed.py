"""Forecasts several steps ahead that are under way, each fed back from step to step.

The forecast of a row for three rows later needs the rows between: what is known of
them, such as a calendar, and in the place of y what was predicted. So the newest rows
are kept, with the state before them, and forecast from again once the next ones come,
by the same walk as in `backtest`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklstm._rows.series import match_series
from sklstm._training.fitted import Fitted
from sklstm.model_selection._forward import PlainWalker, StateWalker, forecasts
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Lag, Target
from sklstm.model_selection._timeline import Timeline, read_series
from sklstm.streaming import stream


@dataclass(frozen=True, eq=False)
class FedForecasts:
    """The newest rows of each series, and the networks before them.

    Parameters
    ----------
    cells : list of Cell
    lags : tuple of Lag
        Columns of X that hold y of rows before.
    rows : array-like of shape (n_rows, n_features) or None
        One less than the longest horizon of each series; None before the first.
    records : tuple of Fitted or None
        Of the networks, in the states before these rows; None where there are none.
    """

    cells: list[Cell]
    lags: tuple[Lag, ...]
    rows: Any
    records: tuple[Fitted, ...] | None

    @property
    def horizon(self) -> int:
        """How many steps ahead is forecast."""
        return 1 + max(cell.later for cell in self.cells)

    def advance(self, fitted: Any, X: Any) -> tuple[np.ndarray, FedForecasts]:
        """The forecasts of the values of each new row, and what is under way then.

        Parameters
        ----------
        fitted : estimator
            A copy, whose states are moved.
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        due : ndarray of shape (n_rows, n_cells)
            NaN where no forecast was made so early.
        after : FedForecasts
        """
        table = X if self.rows is None else _joined(self.rows, X)
        timeline = Timeline(read_series(fitted, networks_in(fitted), table))
        n_rows = len(timeline.codes)
        everything = np.arange(n_rows)
        target = Target(np.zeros((n_rows, 1)), (1,), (0,), self.lags)
        values = forecasts(
            self._walker(fitted, table),
            table,
            target,
            timeline,
            everything,
            everything,
            self.cells,
        )
        new = everything[n_rows - np.shape(X)[0] :]
        codes, places = timeline.codes[new], timeline.places[new]
        due = np.full((len(new), len(self.cells)), np.nan)
        for c, cell in enumerate(self.cells):
            begun = timeline.rows_at(codes, places - cell.later)
            due[:, c] = np.where(begun >= 0, values[begun, c], np.nan)
        return due, self._after(fitted, table, timeline)

    def forgetting(self, fitted: Any, ids: pd.Index | None) -> FedForecasts:
        """The same without forecasts of these series, of all by default, from no state.

        Parameters
        ----------
        fitted : estimator
            A copy, whose states are moved.
        ids : Index or None
        """
        rows = None
        if ids is not None and self.rows is not None:
            labels = read_series(fitted, networks_in(fitted), self.rows)
            is_kept = match_series(ids, labels.ids)[labels.codes] < 0
            if is_kept.any():
                rows = _taken(self.rows, is_kept)
        if self.records is None:
            return replace(self, rows=rows)
        put_records(fitted, self.records)
        for estimator in stream(fitted).estimators:
            series = None
            if ids is not None:  # without those whose first rows are all under way
                known = match_series(estimator.get_states().series, ids) >= 0
                series = list(ids[known])
            estimator.reset_states(series)
        return replace(self, rows=rows, records=records_of(fitted))

    def _walker(self, fitted: Any, table: Any) -> PlainWalker | StateWalker:
        if self.records is None:
            return PlainWalker(fitted)
        put_records(fitted, self.records)
        return UnlabelledWalker(fitted) if _is_new(table) else StateWalker(fitted)

    def _after(self, fitted: Any, table: Any, timeline: Timeline) -> FedForecasts:
        """The newest of the rows, and the states before them."""
        n_rows = np.bincount(timeline.codes)[timeline.codes]
        is_kept = timeline.places >= n_rows - (self.horizon - 1)
        rows = _taken(table, is_kept)
        if self.records is None:
            return replace(self, rows=rows)
        put_records(fitted, self.records)
        if not is_kept.all():
            stream(fitted).observe(_taken(table, ~is_kept))
        return replace(self, rows=rows, records=records_of(fitted))


class UnlabelledWalker(StateWalker):
    """Goes over rows without labels, of which pandas < 3 makes some when it takes rows.

    It gives a part of a new frame an index of integers, which would count as times.
    """

    def step(self, rows: Any) -> np.ndarray:
        """Predictions for rows; the states move over them."""
        return super().step(rows.reset_index(drop=True))


def copied(fitted: Any) -> Any:
    """A copy whose states can be moved beside those of the original."""
    return copy.deepcopy(fitted)


def records_of(fitted: Any) -> tuple[Fitted, ...]:
    """What the networks inside know, in the order of `stream`."""
    return tuple(estimator._record() for estimator in stream(fitted).estimators)


def put_records(fitted: Any, records: tuple[Fitted, ...]) -> None:
    """Put all networks inside back to what they knew.

    `set_states` would leave series as they are that have come since.
    """
    for estimator, record in zip(stream(fitted).estimators, records, strict=True):
        estimator._fitted = record


def forget_joined(fitted: Any, states: Any) -> None:
    """Make the networks inside forget all series of which `states` holds none."""
    each = states if isinstance(states, tuple) else (states,)
    for estimator, state in zip(stream(fitted).estimators, each, strict=True):
        now = estimator.get_states()
        if now.is_by_series and now.series is not None:
            is_new = match_series(state.series, now.series) < 0
            if is_new.any():
                estimator.forget(list(now.series[is_new]))


def _joined(rows: Any, others: Any) -> Any:
    """Rows and the rows after them, in one table."""
    if isinstance(rows, pd.DataFrame) and isinstance(others, pd.DataFrame):
        plain = _is_new(rows) or _is_new(others)
        return pd.concat([rows, others], ignore_index=plain)
    return np.concatenate([np.asarray(rows), np.asarray(others)])


def _taken(table: Any, is_taken: np.ndarray) -> Any:
    """Some rows of a table; of a frame without labels, again without labels."""
    rows = _safe_indexing(table, np.flatnonzero(is_taken))
    return rows.reset_index(drop=True) if _is_new(table) else rows


def _is_new(table: Any) -> bool:
    """Whether it is a frame with the index that every new one has, which is no time."""
    index = getattr(table, "index", None)
    if not isinstance(index, pd.RangeIndex):
        return False
    return index.start == 0 and index.step == 1
