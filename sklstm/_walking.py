"""Walking windows through a loaded program: state in, outputs and state out."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._engine import Program
from sklstm._geometry import EMPTY, lay_in_lanes, read_from_lanes
from sklstm._numpy_pass import NumpyPass
from sklstm._state import RecurrentState
from sklstm._windows import Windows

STATELESS_LANES = 256  # windows at once where no state ties them to a lane


def advance(
    program: Program | NumpyPass,
    windows: Windows,
    state: RecurrentState,
    batch_size: int | None,
    in_lanes: np.ndarray | None = None,
    answer_apart: bool = True,
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for every window, and the state after the last.

    Parameters
    ----------
    program : Program or NumpyPass
        With its parameters loaded.
    windows : Windows
    state : RecurrentState
    batch_size : int or None
        Number of lanes; None for a stateless network.
    in_lanes : ndarray of bool of shape (n_windows,), default=all complete windows
        Windows that advance the lanes. The others, which must be those that a series
        begins with, start from zero state and leave no trace in it.
    answer_apart : bool
        Whether to compute outputs for those others; where not, they are NaN.

    Returns
    -------
    outputs : ndarray of shape (n_windows, n_outputs)
    state : RecurrentState
    """
    rows: Any = program.put_rows(windows)
    in_lanes = windows.complete if in_lanes is None else in_lanes
    outputs = np.full((len(windows), program.n_outputs), np.nan, np.float32)
    layers = state.layers
    n_lanes = batch_size or STATELESS_LANES
    if in_lanes.any():
        position = state.position if batch_size else 0
        table = lay_in_lanes(windows.ends[in_lanes], position, n_lanes)
        by_lane, layers = program.forward(rows, table, layers)
        outputs[in_lanes] = read_from_lanes(by_lane, table)
    apart = ~in_lanes
    if answer_apart and apart.any():
        ends, lengths = windows.ends[apart], windows.lengths[apart]
        n_lanes = batch_size or min(STATELESS_LANES, len(ends))
        table = lay_in_lanes(ends, 0, n_lanes)
        by_length = np.zeros_like(table)
        by_length[table != EMPTY] = lengths
        by_lane = program.forward_short(rows, table, by_length)
        outputs[apart] = read_from_lanes(by_lane, table)
    after = RecurrentState(
        layers=layers,
        context=windows.context_after(),
        position=state.position + int(in_lanes.sum()),
        last_output=outputs[-1],
    )
    return outputs, after


def advance_one(
    program: NumpyPass,
    row: np.ndarray,
    state: RecurrentState,
    batch_size: int | None,
) -> tuple[np.ndarray, RecurrentState]:
    """What `advance` does, for a row that completes a window: in a third of its time.

    Parameters
    ----------
    program : NumpyPass
    row : ndarray of shape (1, n_features)
    state : RecurrentState
        With a context of sequence_length - 1 rows.
    batch_size : int or None
        Number of lanes; None for a stateless network.
    """
    window = np.concatenate([state.context, row]) if len(state.context) else row
    lane = state.position % (batch_size or 1)
    outputs, layers = program.forward_one(window, lane, state.layers)
    return outputs, RecurrentState(layers, window[1:], state.position + 1, outputs[0])
