"""Naive forecasts of a backtest: the last known value, and that of a season before.

What is known when: `v[t]`, the newest value of an output that row t tells, is y of p
rows before, where p is the least number of steps that y is ahead. One step ahead, row t
tells ``y[t - 1]``. No later value is used for a forecast from row t.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sklstm._encoding.periods import find_periods
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline

PERSISTENCE, SEASONAL = "persistence", "seasonal persistence"


def find_period(target: Target, timeline: Timeline, rows: np.ndarray) -> int | None:
    """The period of the first output, as the rows of the first fit tell; None for none.

    Of several periods that one is taken by which the values of these rows repeat best.
    """
    if target.is_labels:
        return None
    values = target.values[rows, target.first_of(0)]
    codes = timeline.codes[rows]
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    series = [one[np.isfinite(one)] for one in np.split(values[order], cuts)]
    found = [period for period in find_periods(series) if period > 1]

    def changes(period: int) -> float:
        apart = [np.abs(one[period:] - one[:-period]) for one in series]
        return float(np.concatenate(apart).mean())

    return min(found, key=changes, default=None)


def naive_forecasts(
    target: Target,
    timeline: Timeline,
    origins: np.ndarray,
    cells: list[Cell],
    period: int | None,
) -> pd.DataFrame:
    """The naive forecasts for each origin and cell.

    Parameters
    ----------
    target : Target
    timeline : Timeline
    origins : ndarray of int of shape (n_origins,)
    cells : list of Cell
    period : int or None

    Returns
    -------
    forecasts : DataFrame of shape (n_origins * n_cells, 1) or (n_origins * n_cells, 2)
        With the column "persistence", and "seasonal persistence" where there is a
        period; missing where nothing is known yet.
    """
    later = {PERSISTENCE: [0 for _ in cells]}  # rows after the origin
    if period is not None:
        seasons = [-(-cell.horizon // period) for cell in cells]
        later[SEASONAL] = [
            cell.horizon - period * n for cell, n in zip(cells, seasons, strict=True)
        ]
    return pd.DataFrame(
        {
            name: _known_values(target, timeline, origins, cells, shifts)
            for name, shifts in later.items()
        }
    )


def _known_values(
    target: Target,
    timeline: Timeline,
    origins: np.ndarray,
    cells: list[Cell],
    later: list[int],
) -> np.ndarray:
    """`v` so many rows after the origins, of shape (n_origins * n_cells,)."""
    codes, places = timeline.codes[origins], timeline.places[origins]
    made = []
    for cell, shift in zip(cells, later, strict=True):
        column = target.first_of(cell.column)
        made.append(
            values_at(
                target.values[:, column],
                timeline.rows_at(codes, places + shift - target.steps[column]),
            )
        )
    return np.stack(made, axis=1).ravel()


def values_at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values at rows; NaN, or None among labels, where a row is -1."""
    missing = np.nan if values.dtype.kind == "f" else None
    there = values[rows]
    if (rows >= 0).all():
        return there
    there = there if missing is not None else there.astype(object)
    there[rows < 0] = missing
    return there
