"""Lanes and tiles written down from their definition, and Keras's loop over them.

The oracle of tiled windows imports nothing of the package. The runs of all series lie
end to end in one line; the line is cut into lanes whose lengths differ by at most one
row, and each lane every T rows. A plain Keras model with ``return_sequences=True,
stateful=True`` reads tile after tile of all lanes side by side. Where a run or a lane
begins, the state of this lane is set to zero by hand: a tile in which a run begins goes
through the model step by step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from helpers import KERAS_LAYERS, Weights, keras_reset

Run = tuple[int, ...]  # rows without a break, in time order


class Step(NamedTuple):
    """What one lane reads at one step: a row or None, and whether it starts anew."""

    row: int | None
    begins: bool


NOTHING = Step(None, False)


def lanes_of(
    runs: Sequence[Run], batch_size: int, n_steps: int, *, aligned: bool = False
) -> list[list[Step]]:
    """Return what each lane reads, step by step, the shorter lanes filled up.

    Aligned, a run begins with a tile, and the tiles are what is cut into lanes.
    """
    line: list[Step] = []
    for run in runs:
        line += [Step(row, k == 0) for k, row in enumerate(run)]
        if aligned:
            line += [NOTHING] * (-len(run) % n_steps)
    size = n_steps if aligned else 1
    n_pieces = len(line) // size
    edges = [b * n_pieces // batch_size * size for b in range(batch_size + 1)]
    lanes = [line[a:b] for a, b in itertools.pairwise(edges)]
    lanes = [[Step(s.row, s.begins or t == 0) for t, s in enumerate(x)] for x in lanes]
    return filled(lanes, n_steps)


def filled(lanes: list[list[Step]], n_steps: int) -> list[list[Step]]:
    """Return lanes of one length, which is whole tiles."""
    longest = max(map(len, lanes))
    n_filled = -(-longest // n_steps) * n_steps
    return [lane + [NOTHING] * (n_filled - len(lane)) for lane in lanes]


class TiledLoop(NamedTuple):
    """What :func:`tiled_keras_loop` found."""

    losses: list[float]
    val_losses: list[float]
    model: Any


def tiled_lstm(
    units: Sequence[int],
    n_outputs: int,
    activation: str,
    n_features: int,
    cell: str = "lstm",
) -> Callable[[int], Any]:
    """Return ``build(batch_size)``, which makes a plain Keras model with an output at
    each step."""
    import keras

    layer = getattr(keras.layers, KERAS_LAYERS[cell])

    def build(batch_size: int) -> Any:
        layers = [layer(u, return_sequences=True, stateful=True) for u in units]
        head = keras.layers.Dense(n_outputs, activation=activation)
        inputs = keras.Input(batch_shape=(batch_size, None, n_features))
        return keras.Sequential([inputs, *layers, head])

    return build


def tiled_keras_loop(
    build: Callable[[int], Any],
    X: np.ndarray,
    y: np.ndarray,
    runs: Sequence[Run],
    *,
    initial_weights: Weights,
    batch_size: int,
    sequence_length: int,
    epochs: int,
    optimizer: Any,
    loss: Any,
    sample_weight: np.ndarray | None = None,
    carries: bool = True,
    aligned: bool = False,
    one_series_a_lane: bool = False,
    held_out: Sequence[tuple[Run, Run]] = (),
) -> TiledLoop:
    """Train a plain Keras model on tiles, eagerly.

    Parameters
    ----------
    build : callable
        ``build(batch_size)`` returns an uncompiled stateful model of any number of
        steps, with an output at each.
    X, y : arrays of shape (n_rows, n_features) and (n_rows,) or (n_rows, n_outputs)
        ``y`` as Keras wants it (classes encoded).
    runs : sequence of Run
        The rows to train on, run by run, in the order in which they are laid.
    carries : bool
        Whether the state is carried from tile to tile; else each starts from zero.
    aligned : bool
        As in :func:`lanes_of`.
    one_series_a_lane : bool
        Whether each run has a lane, as in ``partial_fit``.
    held_out : sequence of (Run, Run)
        For each series the rows before those held out, and those: after each epoch a
        walk over both from zero state gives the loss of the latter.
    """
    import keras
    import tensorflow as tf

    T, B = sequence_length, batch_size
    X, y = np.asarray(X, np.float32), np.asarray(y, np.float32)
    y = y.reshape(len(y), -1)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    if one_series_a_lane:
        lanes = filled(
            [[Step(row, k == 0) for k, row in enumerate(r)] for r in runs], T
        )
    else:
        lanes = lanes_of(runs, B, T, aligned=aligned)
    model = build(B)
    model.set_weights(initial_weights)
    optimizer = keras.optimizers.get(optimizer)
    loss = keras.losses.get(loss)
    losses: list[float] = []
    val_losses: list[float] = []

    for _ in range(epochs):
        total, n_rows = 0.0, 0
        keras_reset(model)
        for first in range(0, len(lanes[0]), T):
            tile = [lane[first : first + T] for lane in lanes]
            begins = np.array([[step.begins for step in steps] for steps in tile])
            if not carries:
                begins[:, 0] = True
            rows = [step.row for steps in tile for step in steps]
            at = np.array([0 if row is None else row for row in rows])  # (B * T,)
            live = np.array([row is not None for row in rows])
            with tf.GradientTape() as tape:
                out = call_with_resets(model, X[at].reshape(B, T, -1), begins)
                per_row = loss(y[at], tf.reshape(out, (B * T, -1)))  # (B * T,)
                # Keras divides by the number of live entries, whatever they weigh.
                mean = tf.reduce_sum(per_row * (weights[at] * live).astype(np.float32))
                mean /= live.sum()
            variables = model.trainable_variables
            optimizer.apply_gradients(
                zip(tape.gradient(mean, variables), variables, strict=True)
            )
            total += float(mean) * live.sum()
            n_rows += live.sum()
        losses.append(total / n_rows)
        if held_out:
            val_losses.append(
                _held_out_loss(
                    build(1),
                    model.get_weights(),
                    X,
                    y,
                    weights,
                    held_out,
                    loss,
                    None if carries else T,
                )
            )
    return TiledLoop(losses, val_losses, model)


def call_with_resets(model: Any, x: np.ndarray, begins: np.ndarray) -> Any:
    """Outputs of shape (B, T, n_outputs) over a tile, lanes reset where they begin.

    Resets at the first step come before the call. Others are in the middle of a tile,
    whose gradient has to flow through all of it: the layers are taken apart then.
    """
    import tensorflow as tf

    keras_reset(model, np.flatnonzero(begins[:, 0]))
    if not begins[:, 1:].any():
        return model(x, training=True)
    hs = tf.convert_to_tensor(x)
    for layer in model.layers:
        if not getattr(layer, "states", None):
            hs = layer(hs)
            continue
        states = [tf.convert_to_tensor(state) for state in layer.states]
        made = []
        for t in range(x.shape[1]):
            if t:
                goes_on = (~begins[:, t]).astype(np.float32)[:, np.newaxis]
                states = [state * goes_on for state in states]
            h, states = layer.cell(hs[:, t], states)
            made.append(h)
        for variable, value in zip(layer.states, states, strict=True):
            variable.assign(value)
        hs = tf.stack(made, axis=1)
    return hs


def walk_by_hand(
    model: Any, X: np.ndarray, run: Run, reset_every: int | None = None
) -> np.ndarray:
    """Outputs of a model of one lane over the rows of a run, from zero state.

    Where the state is not carried, it is reset every so many rows.
    """
    keras_reset(model)
    X = np.asarray(X, np.float32)
    size = reset_every or max(1, len(run))
    made = []
    for first in range(0, len(run), size):
        keras_reset(model)
        rows = list(run[first : first + size])
        made.append(np.asarray(model(X[rows][np.newaxis], training=False))[0])
    return np.concatenate(made)


def walk_series(
    build: Callable[[int], Any],
    weights: Weights,
    X: np.ndarray,
    runs: Sequence[Run],
    reset_every: int | None = None,
) -> np.ndarray:
    """Outputs of shape (n_rows, n_outputs) for all rows, each run from zero state."""
    model = build(1)
    model.set_weights(weights)
    n_outputs = model.output_shape[-1]
    outputs = np.full((len(X), n_outputs), np.nan)
    for run in runs:
        outputs[list(run)] = walk_by_hand(model, X, run, reset_every)
    return outputs


def _held_out_loss(model, weights, X, y, w, held_out, loss, reset_every) -> float:
    """The weighted mean loss of the rows held out at the end of each series."""
    model.set_weights(weights)
    total, n = 0.0, 0
    for before, rows in held_out:
        made = walk_by_hand(model, X, (*before, *rows), reset_every)[len(before) :]
        at = list(rows)
        if at:
            total += float(np.sum(np.asarray(loss(y[at], made)) * w[at]))
            n += len(at)
    return total / n
