"""Network outputs for windows, and the state after them: state in, state out.

Short calls are answered in NumPy, long ones by a compiled program, to the same numbers
but for rounding. Which of them is told by the size of the call alone, but for
parameters that ask for NumPy.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from sklstm._compiled.device_arrays import LayerStates, Parameters
from sklstm._compiled.program_pool import POOL
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._network.numpy_forward import NumpyPass, is_short
from sklstm._rows.lanes import (
    EMPTY,
    STATELESS_LANES,
    lane_capacity,
    lay_in_lanes,
    read_from_lanes,
)
from sklstm._rows.state import RecurrentState
from sklstm._rows.tiles import side_by_side
from sklstm._rows.windows import Windows

if TYPE_CHECKING:
    from sklstm._compiled.forward_program import ForwardProgram


def walk(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    windows: Windows,
    state: RecurrentState,
    **options,
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for `windows` from `state`, and the state after them (see `advance`).

    Windows may have another length than those of the fit, if the network takes them.
    """
    if windows.sequence_length != network.sequence_length:
        network = network.of_length(windows.sequence_length)
    n_lanes = min(network.batch_size or STATELESS_LANES, len(windows)) or 1
    n_batches = -(-len(windows) // n_lanes)  # empty lanes cost nothing in NumPy
    n_steps = n_batches * network.sequence_length
    if _is_for_numpy(network, parameters, n_steps, n_lanes):
        numpy_pass = _numpy_pass(network, parameters)
        return advance(numpy_pass, windows, state, network.batch_size, **options)
    with POOL.borrow(network) as program:
        _check_weights_fit(program, parameters)
        program.load(parameters)
        return advance(program, windows, state, network.batch_size, **options)


def _check_weights_fit(program: ForwardProgram, parameters: Parameters) -> None:
    """Refuse windows of another length where a user's weights depend on the length."""
    takes = [tuple(weights.shape) for weights in program.weights]
    if takes != [weights.shape for weights in parameters.weights]:
        raise ValueError(
            f"X holds windows of {program.sequence_length} steps, but the weights of"
            " the network that model= builds depend on the length of those it was"
            " fitted on, as those after a Flatten layer do. Cut or pad the windows to"
            " that length, or fit on windows as long."
        )


def walk_on(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    X: np.ndarray,
    state: RecurrentState,
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for rows or windows X that follow, and the state after them."""
    one = step_one(network, parameters, X, state)
    if one is not None:
        return one
    windows = Windows.of(X, state.context, network.sequence_length)
    return walk(network, parameters, windows, state)


LARGEST_ROOM = 2**15  # rows of all lanes in one call of a compiled program
MOST_STEPS = 2**14


def walk_series(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    X: np.ndarray,
    codes: np.ndarray,
    begins: np.ndarray,
    layers: LayerStates,
) -> tuple[np.ndarray, LayerStates]:
    """Outputs for each row of some series, and the states after the last of each.

    Parameters
    ----------
    network : StackedLSTM or UserNetwork
    parameters : Parameters
    X : ndarray of shape (n_rows, n_features)
        Rows of a series in time order; those of others may lie in between.
    codes : ndarray of int of shape (n_rows,)
        The series that each row belongs to.
    begins : ndarray of bool of shape (n_rows,)
        Rows that start from zero state.
    layers : LayerStates
        The state of each series, of shape (n_series, units).

    Returns
    -------
    outputs : ndarray of shape (n_rows, n_outputs)
    layers : LayerStates
        Arrays of their own.
    """
    after = tuple(tuple(array.copy() for array in layer) for layer in layers)
    n_series = len(after[0][0])
    outputs: np.ndarray | None = None
    begins_any = bool(begins.any())
    for stretch in side_by_side(codes, n_series):
        states = tuple(tuple(a[stretch.series] for a in layer) for layer in after)
        n_steps, n_lanes = stretch.rows.shape
        with _stepper(network, parameters, n_steps, n_lanes) as (forward, room):
            for first in range(0, n_steps, room[0]):
                rows = stretch.rows[first : first + room[0]]  # (n_steps, n_lanes)
                live = rows != EMPTY
                has_all = bool(live.all())
                at = rows if has_all else np.maximum(rows, 0)
                made, states = forward(
                    X[at],
                    None if has_all else live,
                    begins[at] & live if begins_any else None,
                    states,
                    room,
                )
                if outputs is None:
                    outputs = np.empty((len(X), made.shape[-1]), np.float32)
                filled = slice(None) if has_all else live
                outputs[rows[filled]] = made[filled]
        for layer, new in zip(after, states, strict=True):
            for array, value in zip(layer, new, strict=True):
                array[stretch.series] = value
    if outputs is None:
        outputs = np.empty((0, 1), np.float32)
    return outputs, after


@contextmanager
def _stepper(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    n_steps: int,
    n_lanes: int,
) -> Iterator[tuple[Callable, tuple[int, int]]]:
    """What takes steps in so many lanes, and how many of both at once."""
    if _is_for_numpy(network, parameters, n_steps, n_lanes):
        n_at_once = max(1, LARGEST_ROOM // n_lanes)
        yield _numpy_pass(network, parameters).forward_steps, (n_at_once, n_lanes)
        return
    lanes = lane_capacity(n_lanes)
    steps = max(1, min(MOST_STEPS, 1 << (LARGEST_ROOM // lanes).bit_length() >> 1))
    with POOL.borrow(network.for_steps(lanes)) as program:
        program.load(parameters)
        yield program.forward_steps, (steps, lanes)


def step_one(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    row: np.ndarray,
    state: RecurrentState,
    context: np.ndarray | None = None,
) -> tuple[np.ndarray, RecurrentState] | None:
    """What `walk` gives for one row after a full context; None where it must walk.

    With tiled windows `context` is that of the state after the row.
    """
    n_steps = 1 if network.return_sequences else network.sequence_length
    if not _is_for_numpy(network, parameters, n_steps, 1):
        return None
    if row.shape != (1, network.n_features):
        return None
    if network.return_sequences:  # one series, in the only lane
        numpy_pass = _numpy_pass(network, parameters)
        outputs, layers = numpy_pass.forward_one(row, 0, state.layers)
        context = state.context if context is None else context
        return outputs, RecurrentState(layers, context, state.position + 1, outputs)
    if len(state.context) != n_steps - 1:
        return None
    numpy_pass = _numpy_pass(network, parameters)
    return advance_one(numpy_pass, row, state, network.batch_size)


def _is_for_numpy(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    n_steps: int,
    n_lanes: int,
) -> TypeGuard[StackedLSTM]:
    """Whether a pass over so many steps of so many lanes is run in NumPy."""
    return isinstance(network, StackedLSTM) and (
        parameters.in_numpy or is_short(network, n_steps, n_lanes)
    )


def _numpy_pass(network: StackedLSTM, parameters: Parameters) -> NumpyPass:
    """The pass with these parameters; making it takes as long as five steps."""
    numpy_pass = _NUMPY_PASSES.get(parameters)
    if numpy_pass is None:
        numpy_pass = NumpyPass(network, parameters.weights)
        _NUMPY_PASSES[parameters] = numpy_pass
    return numpy_pass


_NUMPY_PASSES: MutableMapping[Parameters, NumpyPass] = weakref.WeakKeyDictionary()


def zero_state(network: StackedLSTM | UserNetwork, n_features: int) -> RecurrentState:
    """The state of `network` before any row."""
    if isinstance(network, StackedLSTM):
        layers = network.zero_states()
    else:
        with POOL.borrow(network) as program:
            layers = program.zero_states()
    return RecurrentState(layers, np.empty((0, n_features), np.float32))


def advance(
    program: ForwardProgram | NumpyPass,
    windows: Windows,
    state: RecurrentState,
    batch_size: int | None,
    in_lanes: np.ndarray | None = None,
    answer_apart: bool = True,
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for every window, and the state after the last.

    Parameters
    ----------
    program : ForwardProgram or NumpyPass
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
