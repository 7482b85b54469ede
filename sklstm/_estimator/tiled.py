"""Tiled windows: what a fit reads, and walks of many series side by side.

In training, series are laid in `batch_size` lanes (see `_rows.tiles`). Everywhere else
each series has a lane of its own, and advances by one step with each of its rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sklstm._compiled.device_arrays import LayerStates
from sklstm._compiled.outputs import walk_series
from sklstm._compiled.program_pool import POOL
from sklstm._estimator.encoded import answers_of, inputs_of
from sklstm._estimator.following import Following
from sklstm._estimator.given import Given
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._rows.lanes import EMPTY, lane_capacity
from sklstm._rows.state import NEVER, RecurrentState
from sklstm._rows.tiles import PlainRows, TilePlan, Tiles
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe

if TYPE_CHECKING:
    from sklstm._training.train import Curriculum


def plan(
    given: Given,
    begins: np.ndarray,
    validation_split: float,
    *,
    batch_size: int,
    sequence_length: int,
    carries: bool,
    aligned: bool,
) -> tuple[TilePlan, np.ndarray]:
    """How to lay training rows in lanes, and which rows to hold out.

    Rows are series by series. The last share of each series is held out.
    """
    codes = given.labels.codes
    counts = np.bincount(codes)
    n_trained = counts - (counts * validation_split).astype(int)
    within = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes]
    is_trained = within < n_trained[codes]
    trained = np.flatnonzero(is_trained)
    starts = (begins | (within == 0))[trained]
    lengths = np.diff(np.append(np.flatnonzero(starts), len(trained)))
    trained = trained.astype(np.int32)  # as in a tile table
    tile_plan = TilePlan(
        trained, lengths, batch_size, sequence_length, carries, aligned
    )
    return tile_plan, np.flatnonzero(~is_trained)


def curriculum(
    given: Given,
    begins: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    recipe: Recipe,
    *,
    validation_split: float,
    batch_size: int,
    shuffle: bool,
    seed: int,
) -> Curriculum:
    """What to train on and what to hold out. Rows are series by series."""
    from sklstm._training.train import Curriculum, WalkedValidation

    network = recipe.network
    tile_plan, held_out = plan(
        given,
        begins,
        validation_split,
        batch_size=batch_size,
        sequence_length=recipe.sequence_length,
        carries=recipe.carries_state,
        aligned=isinstance(network, UserNetwork),
    )
    validation = None
    if len(held_out):
        n_series = given.labels.n_series
        positions = rows_since_start(
            given.labels.codes, begins, np.zeros(n_series, np.int64)
        )
        validation = WalkedValidation(
            network,
            given.X,
            given.labels.codes,
            _zero_starts(begins, positions, recipe),
            zero_layers(network, n_series),
            held_out,
            targets[held_out],
            weights[held_out],
        )
    tiles = tile_plan.tiles()
    return Curriculum(
        PlainRows(given.X),
        tiles,
        partial(_drawn_tiles, tile_plan, seed) if shuffle else None,
        tile_plan.rows,
        validation,
        int((tiles.table != EMPTY).any(axis=1).sum()),
        0,
        tile_plan.describe(),
    )


def _drawn_tiles(tile_plan: TilePlan, seed: int, epoch: int) -> Tiles:
    return tile_plan.tiles(np.random.default_rng([seed, 3, epoch]))


def _zero_starts(
    begins: np.ndarray, positions: np.ndarray, recipe: Recipe
) -> np.ndarray:
    """Rows that start from zero state: where a run begins, and at cuts if stateless."""
    if recipe.carries_state:
        return begins
    return begins | (positions % recipe.sequence_length == 0)


def zero_state(network: StackedLSTM | UserNetwork, given: Given) -> RecurrentState:
    """The state of the series of a call before any row; sequences have none."""
    n = given.labels.n_series if given.sequences is None else 0
    return RecurrentState(
        zero_layers(network, n),
        np.empty((0, given.X.shape[-1]), np.float32),
        np.zeros(n, np.int64),
        None,
        given.labels.ids if given.sequences is None else None,
        np.full(n, NEVER),
    )


def zero_layers(network: StackedLSTM | UserNetwork, n_lanes: int) -> LayerStates:
    """Zero state arrays for so many lanes."""
    if isinstance(network, StackedLSTM):
        return network.at_batch_size(n_lanes).zero_states()
    with POOL.borrow(network) as program:
        layers = program.zero_states()
    return tuple(
        tuple(np.zeros((n_lanes, *a.shape[1:]), a.dtype) for a in layer)
        for layer in layers
    )


def advance(
    fitted: Fitted, given: Given, following: Following
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for each row, in the units of y, and the state after the last rows."""
    outputs, state = walk_rows(fitted, given, following)
    return answers_of(fitted.encoder, given, outputs), state


def walk_rows(
    fitted: Fitted, given: Given, following: Following
) -> tuple[np.ndarray, RecurrentState]:
    """The same with outputs as the network gives them.

    A network that reads fewer numbers of a row than the encoder makes reads the first.
    """
    before = fitted.state.take_lanes(following.lanes)
    before = before.reset_lanes(np.flatnonzero(following.replays))
    codes, n_series = given.labels.codes, len(before.position)
    positions = rows_since_start(codes, following.begins, before.position)
    begins = _zero_starts(following.begins, positions, fitted.recipe)
    if n_series == len(codes) == 1:
        last = np.zeros(1, np.int64)
    else:
        last = np.empty(n_series, np.int64)
        last[codes] = np.arange(len(codes))  # the last row of each series
    had = positions[last] + 1
    inputs, context = inputs_of(fitted.encoder, given, following.begins, before, had)
    network = fitted.recipe.network
    if isinstance(network, StackedLSTM):
        inputs = inputs[:, : network.n_features]
    outputs, layers = walk_series(
        network, fitted.parameters, inputs, codes, begins, before.layers
    )
    if given.sequences is not None:
        return outputs, fitted.state
    after = RecurrentState(
        layers, context, had, outputs[last], last_seen=following.last_seen
    )
    return outputs, fitted.state.put_lanes(following.lanes, given.labels.ids, after)


def rows_since_start(
    codes: np.ndarray, begins: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """How many rows of its run came before each row, of shape (n_rows,).

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The series of each row.
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    before : ndarray of int of shape (n_series,)
        Rows of each series' run before the first of these.
    """
    n = len(codes)
    if len(before) == 1 and not begins.any():
        return np.arange(n) + before[0]
    order = np.argsort(codes, kind="stable")
    is_first = np.diff(codes[order], prepend=-1) != 0
    starts = np.flatnonzero(is_first | begins[order])
    first_rows = order[starts]  # of each run
    goes_on = is_first[starts] & ~begins[first_rows]
    offsets = np.where(goes_on, before[codes[first_rows]], 0)
    run = np.cumsum(is_first | begins[order]) - 1
    positions = np.empty(n, np.int64)
    positions[order] = np.arange(n) - starts[run] + offsets[run]
    return positions


def zero_starts(
    given: Given, following: Following, before: RecurrentState, fitted: Fitted
) -> np.ndarray:
    """Rows of a call that start from zero state."""
    positions = rows_since_start(given.labels.codes, following.begins, before.position)
    return _zero_starts(following.begins, positions, fitted.recipe)


def training_lanes(given: Given, begins: np.ndarray, fitted: Fitted) -> Tiles:
    """Tiles over rows that follow, a lane for each series, going on from its state.

    `begins` are rows that start from zero state. In a network of Keras's own layers,
    which can only do so between two tiles, each of them begins a tile.
    """
    n_steps, codes = fitted.sequence_length, given.labels.codes
    order = np.argsort(codes, kind="stable")
    is_first = np.diff(codes[order], prepend=-1) != 0  # of a series
    starts = np.flatnonzero(is_first | begins[order])  # of each run
    lengths = np.diff(np.append(starts, len(codes)))
    rooms = lengths
    if isinstance(fitted.recipe.network, UserNetwork):
        rooms = -(-lengths // n_steps) * n_steps
    places = np.cumsum(rooms) - rooms
    # Counted from where the lane of its series begins.
    places -= places[is_first[starts]][codes[order[starts]]]
    run = np.cumsum(is_first | begins[order]) - 1
    steps = np.arange(len(codes)) - (starts - places)[run]
    n_batches = -(-(int(steps.max()) + 1) // n_steps)
    n_lanes = lane_capacity(given.labels.n_series)
    table = np.full((n_batches * n_steps, n_lanes), EMPTY, np.int32)
    is_start = np.zeros(table.shape, bool)
    table[steps, codes[order]] = order
    is_start[steps, codes[order]] = begins[order]
    shape = (n_batches, n_steps, n_lanes)
    return Tiles(table.reshape(shape), is_start.reshape(shape))


def lane_table(given: Given, begins: np.ndarray, fitted: Fitted) -> np.ndarray:
    """Which row each lane reads, of shape (n_batches, batch_size, sequence_length)."""
    recipe = fitted.recipe
    ordered, order = given.sorted()
    rows = np.arange(len(given.X))[order]
    tile_plan, _ = plan(
        ordered,
        begins[order],
        0.0,
        batch_size=recipe.batch_size or 1,
        sequence_length=recipe.sequence_length,
        carries=recipe.carries_state,
        aligned=isinstance(recipe.network, UserNetwork),
    )
    table = tile_plan.tiles().table.transpose(0, 2, 1)
    return np.where(table == EMPTY, EMPTY, rows[table]).astype(int)


def in_lanes(layers: LayerStates, n_lanes: int) -> LayerStates:
    """The states of series, each in its lane, and zeros in the lanes left over."""

    def laid(array):
        room = np.zeros((n_lanes, *array.shape[1:]), array.dtype)
        room[: len(array)] = array
        return room

    return tuple(tuple(map(laid, layer)) for layer in layers)
