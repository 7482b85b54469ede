"""Whether the parts of a saved conformal estimator suit one another.

Each part has been read by itself; together they may still be those of other estimators,
or hold numbers that no estimator has, in a file that was put together by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklstm._estimator.given import read_rows
from sklstm.intervals._levels import LARGEST_MISS
from sklstm.intervals._moment import Moment
from sklstm.intervals._tracker import Tracker
from sklstm.model_selection._target import Cell
from sklstm.persistence._checked import damaged, refusing


def check_cells(conformal: Any, cells: Sequence[Cell]) -> None:
    """Raise PersistenceError unless the network inside can make these forecasts.

    Each column of y is forecast one step ahead, and maybe further ones.
    """
    n_columns = conformal._n_columns()
    nearest = sorted(cell.column for cell in cells if not cell.later)
    n_outputs = getattr(conformal.estimator_._record().target, "n_outputs", None)
    is_classifier = hasattr(conformal, "classes_")
    if nearest != list(range(n_columns)) or len(set(cells)) != len(cells):
        raise damaged("its cells", [list(cell) for cell in cells])
    if not is_classifier and n_columns != n_outputs:
        raise damaged("the number of columns of y", n_columns)


def check_moment(conformal: Any, cells: Sequence[Cell], moment: Moment) -> None:
    """Raise PersistenceError unless scores and level are of these forecasts."""
    online, fed = moment.online, moment.fed
    steps = online.cells.steps.tolist()
    if len(steps) != len(cells) or any(
        cell.later >= step for cell, step in zip(cells, steps, strict=True)
    ):
        raise damaged("the steps of its cells", steps)
    is_fed = any(cell.later for cell in cells)
    if is_fed != (fed is not None) or (fed is not None and fed.cells != list(cells)):
        raise damaged("the cells of forecasts that are fed back", fed and fed.cells)
    has_ids = conformal.estimator_._record().state.series is not None
    if has_ids != (online.ids is not None):
        raise damaged("the ids of its series", online.ids)
    for tracker in (*online.trackers, online.pooled):
        _check_tracker(tracker)


def check_fed(conformal: Any, rows: Any) -> None:
    """Raise PersistenceError unless the rows of forecasts under way can be read."""
    before = conformal._copy
    record, now = before._record(), conformal.estimator_._record()
    kinds = [
        (type(one), r.target.width, r.input_shape.n_features, r.state.series is None)
        for one, r in ((before, record), (conformal.estimator_, now))
    ]
    if kinds[0] != kinds[1]:
        raise damaged("the network of its forecasts", type(before).__name__)
    if rows is not None:
        with refusing("the newest rows do not suit its network"):
            read_rows(before, rows, record.input_shape)


def _check_tracker(tracker: Tracker) -> None:
    levels = tracker.levels
    misses = levels.misses
    if not ((misses > 0) & (misses <= LARGEST_MISS)).all():
        raise damaged("the level of a series", float(np.max(misses)))
    sizes = (tracker.unit, levels.squares, levels.largest)
    if not all((np.isfinite(one) & (one >= 0)).all() for one in sizes):
        raise damaged("the size of its scores", tracker.unit.tolist())
    if not np.isfinite(levels.gains).all() or not (tracker.unit > 0).all():
        raise damaged("the gains of its levels", float(np.max(levels.gains)))
    for name in ("newest", "placed", "made", "told"):
        if np.isinf(getattr(tracker, name)).any():
            raise damaged(f"a value of {name}", float("inf"))
