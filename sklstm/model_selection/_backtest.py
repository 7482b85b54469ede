"""`backtest`: estimators walked forward over the past, as they would have been live."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklstm._checks import check_positive_int
from sklstm._estimator.inputs import n_dimensions
from sklstm.model_selection._backtest_result import BacktestResult
from sklstm.model_selection._baselines import (
    find_period,
    naive_forecasts,
    values_at,
)
from sklstm.model_selection._folds import Fold, fits_of, read_folds, rows_between
from sklstm.model_selection._forward import forecasts, walker_of
from sklstm.model_selection._prediction_scorer import PredictionScorer
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline, read_series


def backtest(
    estimator,
    X,
    y,
    *,
    cv,
    horizon=1,
    refit=False,
    scoring=None,
    stride=1,
    period=None,
    n_jobs=None,
    return_estimators=False,
) -> BacktestResult:
    """DOC"""
    X, y = indexable(X, y)
    _check_rows(X)
    horizon = check_positive_int("horizon", horizon)
    stride = check_positive_int("stride", stride)
    is_labels = is_classifier(estimator)
    scorer = PredictionScorer.of(scoring, is_labels)
    if refit == "update":
        _check_goes_on(estimator)
    timeline = Timeline(read_series(estimator, networks_in(estimator), X))
    folds = read_folds(cv, X, y, timeline, is_labels)
    fits = fits_of(folds, refit)
    target = Target.read(X, y, timeline)
    if is_labels:
        _check_labels(target, horizon)
    cells = target.cells(horizon)
    begun = [_origins(fold, cells, stride, timeline) for fold in folds]
    task = _Task(X, y, target, timeline, cells)
    if refit == "update":
        walks = task.walk_updated(clone(estimator), folds, begun)
    else:
        walks = Parallel(n_jobs=n_jobs)(
            delayed(task.walk)(
                clone(estimator), group, [begun[fold.number] for fold in group]
            )
            for group in fits
        )
    values, estimators = zip(*walks, strict=True)
    if period is None:
        period = find_period(target, timeline, folds[0].train)
    elif check_positive_int("period", period) == 1:
        raise ValueError(
            "period=1 repeats the last value, which persistence does. Pass the rows"
            " of a season, or None to have it found."
        )
    return BacktestResult(
        predictions=task.table(np.concatenate(values), folds, begun),
        baselines=naive_forecasts(
            target, timeline, np.concatenate(begun), cells, period
        ),
        scorer=scorer,
        period=period,
        estimators=tuple(estimators) if return_estimators else None,
    )


class _Task:
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
        """Train on with the rows to train on that are new, and return all that are read.

        Rows before them that are not to be trained on are observed.
        """
        everything = np.ones(len(self.timeline.codes), bool)
        new = rows_between(read, fold.train, self.timeline, everything)
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
        walker = walker_of(fitted, self.X, self.timeline, n_steps)
        unread = np.ones(len(self.timeline.codes), bool)
        walked = rows_between(read, test, self.timeline, unread)
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


def _origins(
    fold: Fold, cells: list[Cell], stride: int, timeline: Timeline
) -> np.ndarray:
    """The rows of a fold to forecast from: those with all truths in the same fold."""
    codes, places = timeline.codes[fold.test], timeline.places[fold.test]
    first = np.full(timeline.labels.n_series, len(timeline.codes))
    last = np.full(timeline.labels.n_series, -1)
    np.minimum.at(first, codes, places)
    np.maximum.at(last, codes, places)
    n_later = max(cell.later for cell in cells)
    chosen = (places + n_later <= last[codes]) & ((places - first[codes]) % stride == 0)
    if not chosen.any():
        longest = int((last - first).max()) + 1
        raise ValueError(
            f"{fold}, {longest} of a series at most, but horizon={n_later + 1} takes as"
            " many rows to test on. Use a smaller horizon, fewer splits, or a larger"
            " test_size."
        )
    return fold.test[chosen]


# --- checks -----------------------------------------------------------------------


def _check_rows(X) -> None:
    if n_dimensions(X) != 2:
        raise ValueError(
            f"X has {n_dimensions(X)} dimension(s), but backtest takes rows in time"
            " order, of shape (n_rows, n_features). Of ready-made windows pass the"
            " rows, and set the estimator's sequence_length."
        )


def _check_goes_on(estimator) -> None:
    if not hasattr(estimator, "partial_fit"):
        raise ValueError(
            f"refit='update' calls partial_fit, which {type(estimator).__name__} does"
            " not have. Use refit=True or a number of folds, or pass an estimator with"
            " partial_fit, such as StatefulLSTMRegressor alone."
        )


def _check_labels(target: Target, horizon: int) -> None:
    n_columns = target.values.shape[1]
    if horizon > 1 or n_columns > 1:
        raise ValueError(
            f"A classifier is tested one label ahead, but horizon={horizon} and y has"
            f" {n_columns} column(s): a label cannot become a part of the next row."
            " Leave horizon=1, with y the labels of the step that counts:"
            " frame_series(labels, horizon=...)."
        )
