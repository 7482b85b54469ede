"""The fits of a backtest, each of which walks over the rows of its folds."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklstm.model_selection._baselines import values_at
from sklstm.model_selection._folds import Fold, rows_between
from sklstm.model_selection._forward import forecasts, walker_of
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline


class BacktestFits:
    """What all fits of a backtest share."""

    def __init__(
        self, X: Any, y: Any, target: Target, timeline: Timeline, cells: list[Cell]
    ):
        self.X, self.y = X, y
        self.target, self.timeline, self.cells = target, timeline, cells

    def walk(
        self, estimator: Any, folds: list[Fold], begun: list[np.ndarray]
    ) -> tuple[np.ndarray, Any]:
        """Fit on the first fold, and walk over the rows of all.

        Returns what is forecast from the rows `begun`, and the estimator.
        """
        train = folds[0].train
        self._fit(estimator, "fit", train)
        test = np.concatenate([fold.test for fold in folds])
        return self._walk(estimator, train, test, np.concatenate(begun)), estimator

    def walk_updated(
        self, estimator: Any, folds: list[Fold], begun: list[np.ndarray]
    ) -> list[tuple[np.ndarray, Any]]:
        """Fit on the first fold, and train on with the new rows of each later one."""
        walks = []
        read = np.zeros(0, int)
        for fold, origins in zip(folds, begun, strict=True):
            if not len(read):
                read = fold.train
                self._fit(estimator, "fit", read)
            else:
                read = self._update(estimator, read, fold)
            walker = copy.deepcopy(estimator)  # the other one stays at these rows
            walks.append((self._walk(walker, read, fold.test, origins), walker))
        return walks

    def _update(self, estimator: Any, read: np.ndarray, fold: Fold) -> np.ndarray:
        """Train on with the new rows of a fold, and return all rows read by now.

        Rows before them that are not to be trained on are observed.
        """
        new = rows_between(read, fold.train, self.timeline)
        trained = np.isin(new, fold.train)
        skipped = new[~trained]
        if len(skipped) and networks_in(estimator):
            estimator.observe(_safe_indexing(self.X, skipped))
        if trained.any():
            self._fit(estimator, "partial_fit", new[trained])
        return np.concatenate([read, new])

    def _fit(self, estimator: Any, method: str, rows: np.ndarray) -> None:
        X, y = _safe_indexing(self.X, rows), _safe_indexing(self.y, rows)
        getattr(estimator, method)(X, y)

    def _walk(
        self, fitted: Any, read: np.ndarray, test: np.ndarray, origins: np.ndarray
    ) -> np.ndarray:
        """What is forecast from origins, in ascending order of each fold's."""
        n_steps = 1 + max(cell.later for cell in self.cells)
        walker = walker_of(fitted, self.timeline, n_steps)
        walked = rows_between(read, test, self.timeline)
        order = np.argsort(origins)
        values = forecasts(
            walker,
            self.X,
            self.target,
            self.timeline,
            walked,
            origins[order],
            self.cells,
        )
        return values[np.argsort(order)]

    def table(
        self, values: np.ndarray, folds: list[Fold], begun: list[np.ndarray]
    ) -> pd.DataFrame:
        """The predictions, with a row for each value forecast."""
        origins, n_cells = np.concatenate(begun), len(self.cells)
        labels, timeline = self.timeline.labels, self.timeline
        rows = np.repeat(origins, n_cells)
        codes, places = timeline.codes[origins], timeline.places[origins]
        truth = [
            values_at(
                self.target.values[:, cell.column],
                timeline.rows_at(codes, places + cell.later),
            )
            for cell in self.cells
        ]
        ids = None if labels.ids is None else labels.ids.to_numpy()
        outputs = np.array([self.target.outputs[c.column] for c in self.cells], object)
        number = np.repeat([fold.number for fold in folds], [len(b) for b in begun])
        columns = {
            "series": 0 if ids is None else ids[timeline.codes[rows]],
            "time": rows if labels.time is None else labels.time.take(rows),
            "fold": np.repeat(number, n_cells),
            "output": np.tile(outputs, len(origins)),
            "horizon": np.tile([cell.horizon for cell in self.cells], len(origins)),
            "y_true": np.stack(truth, axis=1).ravel(),
            "y_pred": values.ravel(),
        }
        if len(set(self.target.outputs)) == 1:
            del columns["output"]
        return pd.DataFrame(columns)
