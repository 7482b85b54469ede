"""Which rows a series or a panel has a target for, and which rows hold the targets.

Owns positions only; the values at them are taken in ``_framing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklstm._rows.series import RowLabels

#: Positions of rows: a slice keeps what an index knows, such as its frequency.
Rows = slice | np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Positions of the rows with known targets, and those of their targets."""

    known: Rows  # n_pairs positions
    later: dict[int, Rows]  # for each step, as many positions that many rows later


def pair_rows(table: Any, horizons: Sequence[int]) -> Pairs:
    """Pair the rows of each series with the rows ``horizons`` steps after them."""
    if getattr(getattr(table, "index", None), "nlevels", 1) > 1:
        from sklstm._rows.series import read_labels  # and pandas, which is there

        return _pair_within_series(read_labels(table, None)[1], horizons)
    n_pairs = _count_pairs(len(table), max(horizons))
    later: dict[int, Rows] = {step: slice(step, step + n_pairs) for step in horizons}
    return Pairs(slice(n_pairs), later)


def _count_pairs(n_rows: int, horizon: int) -> int:
    if n_rows > horizon:
        return n_rows - horizon
    raise ValueError(
        f"series has {n_rows} rows, too few for a horizon of {horizon}: expected at "
        f"least {horizon + 1}, so that one row has a known target. Pass a longer "
        "series or a shorter horizon."
    )


def _pair_within_series(labels: RowLabels, horizons: Sequence[int]) -> Pairs:
    """Pair rows of a panel, each with rows of its own series."""
    order = np.argsort(labels.codes, kind="stable")  # series by series, rows as given
    codes = labels.codes[order]
    _check_time_order(labels, order)
    n_rows_of = np.bincount(codes)
    ends = np.cumsum(n_rows_of)  # where each series ends, in `order`
    n_following = ends[codes] - 1 - np.arange(len(codes))  # within the series
    places = np.flatnonzero(n_following >= max(horizons))
    if not len(places):
        raise ValueError(
            f"The panel has {len(n_rows_of)} series of at most "
            f"{n_rows_of.max(initial=0)} rows, too few for a horizon of "
            f"{max(horizons)}: expected at least {max(horizons) + 1} in one of them. "
            "Pass longer series or a shorter horizon."
        )
    places = places[np.argsort(order[places])]  # the caller's order
    return Pairs(order[places], {step: order[places + step] for step in horizons})


def _check_time_order(labels: RowLabels, order: np.ndarray) -> None:
    """Raise ValueError where the time does not grow from row to row of a series."""
    assert labels.time is not None  # read from the last level
    codes, time = labels.codes[order], labels.time[order]
    wrong = (codes[1:] == codes[:-1]) & ~np.asarray(time[1:] > time[:-1], dtype=bool)
    if not wrong.any():
        return
    at = int(wrong.argmax())
    raise ValueError(
        f"In {labels.series_name(codes[at])}, the row of {time[at + 1]} comes after "
        f"that of {time[at]}: expected the last level of the MultiIndex to be the time "
        "of the row, later with each row of a series. sort_index() puts rows in order; "
        "labels that come twice have to be told apart by the levels before the last."
    )
