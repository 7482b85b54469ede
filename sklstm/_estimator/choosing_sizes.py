"""Sizes that `fit` chooses from training rows where a parameter is "auto"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST_STEPS, MOST_STEPS = 12, 48  # rows in a tile
MOST_LANES = 16
TILES_IN_LANE = 8  # at least, so that the state of a lane is carried on often


def choose_sequence_length(asked: int | str, periods: Sequence[int]) -> int:
    """Rows in a tile: the period of the series, within bounds."""
    if asked != "auto":
        return int(asked)
    period = periods[0] if periods else 2 * LEAST_STEPS
    return int(np.clip(period, LEAST_STEPS, MOST_STEPS))


def choose_batch_size(asked: int | str, n_rows: int, sequence_length: int) -> int:
    """Lanes: few enough that each carries its state over several tiles."""
    if asked != "auto":
        return int(asked)
    return int(np.clip(n_rows // (TILES_IN_LANE * sequence_length), 1, MOST_LANES))
