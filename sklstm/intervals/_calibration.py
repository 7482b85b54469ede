"""The first scores: a fit on the older rows, walked forward over the newest ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import indexable

from sklstm._checks import check_positive_int
from sklstm._estimator.forms import n_dimensions
from sklstm._rows.series import as_ids
from sklstm.intervals._checks import check_coverage, check_share
from sklstm.intervals._online import Online
from sklstm.intervals._quantiles import Pair, pair_of, walked_ends
from sklstm.intervals._scores import OuterErrors
from sklstm.intervals._tracker import Cells
from sklstm.model_selection import backtest
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline, read_series


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the calibration rows have told.

    Parameters
    ----------
    online : Online
    target : Target
    cells : list of Cell
        What is forecast from each row, the nearest first.
    timeline : Timeline
        Of all rows.
    n_scores : int
        Of each cell, those of all series.
    pair : Pair or None
        The quantiles that are the ends of forecasts; None of point forecasts.
    """

    online: Online
    target: Target
    cells: list[Cell]
    timeline: Timeline
    n_scores: int
    pair: Pair | None


def calibrate(
    estimator: Any, X: Any, y: Any, coverage: Any, horizon: Any, share: Any
) -> Calibration:
    """Scores of the newest rows, from one fit on those before.

    Raises
    ------
    TypeError, ValueError
        As `backtest` does; for a coverage or a share that is none; if the newest rows
        give fewer scores than the coverage takes.
    """
    coverage = check_coverage(coverage)
    horizon = check_positive_int("horizon", horizon)
    share = check_share("calibration", share)
    pair = pair_of(estimator, coverage, horizon)
    timeline = Timeline(read_series(estimator, networks_in(estimator), X))
    target = Target.read(X, y, timeline, is_labels=False)
    cells = target.cells(horizon)
    fold = newest_rows(timeline, share, max(target.steps) - 1)
    scores = OuterErrors()
    check_enough(len(fold[1]), scores, coverage, horizon, share)
    if pair is None:
        table = backtest(estimator, X, y, cv=[fold], horizon=horizon).predictions
        truth, made = (
            table[name].to_numpy(np.float64).reshape(-1, len(cells))
            for name in ("y_true", "y_pred")
        )
        ends = np.stack([made, made], axis=-1)
        codes = _codes_of(table["series"].to_numpy()[:: len(cells)], timeline)
    else:
        rows, ends = walked_ends(estimator, X, y, timeline, fold, pair)
        columns = [cell.column for cell in cells]
        truth = np.asarray(target.values[rows][:, columns], np.float64)
        ends, codes = ends[:, columns], timeline.codes[rows]
    made_scores = scores.of(truth, ends[..., 0], ends[..., 1])
    # of shape (n_origins, n_cells, n_sides)
    n_scores = int(np.isfinite(made_scores).sum(axis=0).min())
    check_enough(n_scores, scores, coverage, horizon, share)
    online = Online.begin(
        tracked_cells(scores, coverage, target, cells),
        timeline.labels,
        codes,
        made_scores,
        target.values.shape[1],
    )
    return Calibration(online, target, cells, timeline, n_scores, pair)


def newest_rows(
    timeline: Timeline, share: float, gap: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on and those to calibrate on, which come after all of them.

    The last `gap` rows of each series before the calibration rows are left out of
    training, as their targets lie among these.
    """
    moments = timeline.moments
    ordered = np.sort(moments)
    n = len(ordered)
    first = ordered[min(n - 1, n - int(np.ceil(share * n)))]
    is_newest = moments >= first
    begins = np.full(timeline.labels.n_series, n)
    codes, places = timeline.codes, timeline.places
    np.minimum.at(begins, codes[is_newest], places[is_newest])
    is_trained = ~is_newest & (places < begins[codes] - gap)
    if not is_trained.any():
        raise ValueError(
            f"n_samples={n} rows leave none to train on beside the {is_newest.sum()}"
            f" newest, which calibrate (calibration={share:g}). Pass more rows, or a"
            " smaller calibration."
        )
    return np.flatnonzero(is_trained), np.flatnonzero(is_newest)


def tracked_cells(
    scores: OuterErrors, coverage: float, target: Target, cells: list[Cell]
) -> Cells:
    """The cells as trackers go over them.

    A value is read from the column of the nearest step of its output: those of further
    steps hold the same values, but lie in rows whose further values are not known yet.
    """
    nearest = np.array([target.first_of(cell.column) for cell in cells])
    # a fed-back forecast is told from y of the row that it was made for
    nearest = np.where(
        [cell.later > 0 for cell in cells], [c.column for c in cells], nearest
    )
    known = np.array([target.steps[column] for column in nearest])
    steps = np.array([target.steps[cell.column] + cell.later for cell in cells])
    return Cells(scores, coverage, steps, nearest, known - 1)


def _codes_of(ids: np.ndarray, timeline: Timeline) -> np.ndarray:
    """The number of the series of each score."""
    known = timeline.labels.ids
    if known is None:
        return np.zeros(len(ids), int)
    return known.get_indexer(as_ids(known, list(ids)))


def check_enough(
    n: int, scores: OuterErrors, coverage: float, horizon: int, share: float
) -> None:
    """Raise ValueError where there are fewer scores than a coverage takes."""
    least = scores.least(coverage)
    if n >= least:
        return
    n_rows = int(np.ceil((least + horizon - 1) / share))
    raise ValueError(
        f"There are {n} scores from the calibration rows (calibration={share:g}), but"
        f" coverage={coverage:g} takes at least {least} of each step ahead. Pass at"
        f" least {n_rows} rows with targets, a larger calibration, or a coverage of at"
        f" most {max(0.0, 1 - scores.n_sides / (n + 1)):.3g}."
    )


def read_pair(X: Any, y: Any) -> tuple[Any, Any]:
    """Rows and their values, of the same length.

    Raises
    ------
    TypeError, ValueError
        For what is no table of rows, for no values, and for other lengths.
    """
    if y is None:
        raise ValueError(
            "fit requires y to be passed, but the target y is None: scores are taken"
            " from the values that came."
        )
    X, y = indexable(X, y)
    return as_rows(X), y


def as_rows(X: Any) -> Any:
    """X as a table that knows its shape.

    Raises
    ------
    TypeError, ValueError
        For a sparse one, and for what is no table of rows.
    """
    if issparse(X):
        raise TypeError(
            "X is a sparse matrix, but rows are read one by one: pass a"
            " dense array, X.toarray()."
        )
    X = X if hasattr(X, "shape") else np.asarray(X)
    if n_dimensions(X) != 2:
        raise ValueError(
            f"X has {n_dimensions(X)} dimension(s), but intervals take rows in time"
            " order, of shape (n_rows, n_features). Reshape your data, X.reshape(-1, 1)"
            " if it has a single feature; of ready-made windows pass the rows, and set"
            " the estimator's sequence_length."
        )
    return X
