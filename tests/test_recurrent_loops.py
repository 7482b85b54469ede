"""The loops over time: values and gradients are those of Keras's cells, step by step.

The oracle calls a cell of Keras once for each step, and applies masks and resets by
hand. The loops run uncompiled here; how they run compiled is held against Keras in the
files about parity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import assert_close
from keras import layers

from sklstm._network.cells import CELLS
from sklstm._network.recurrent_loops import recur, recur_forward, stack_weights
from sklstm._tensorflow import tf

B, F, U = 3, 2, 4
KERAS_CELLS = {
    "lstm": layers.LSTMCell,
    "gru": layers.GRUCell,
    "rnn": layers.SimpleRNNCell,
}
FIRST, STOP = 1, 4  # of the steps where not all are taken
MODES = ["plain", "live", "carry", "steps"]

each_cell = pytest.mark.parametrize("name", CELLS)


def draw(rng, *shape):
    return tf.constant(rng.normal(size=shape).astype(np.float32))


def keras_cell(name: str, rng) -> Any:
    """A cell of Keras whose weights, the biases included, are drawn at random."""
    cell = KERAS_CELLS[name](U)
    cell.build((B, F))
    for weight in cell.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return cell


def masks_of(mode: str, n_steps: int, rng) -> dict[str, Any]:
    """The mask of a mode, in which half of the entries are set."""
    coins = rng.random((n_steps, B, 1)) < 0.5
    if mode == "live":
        return {"live": tf.constant(coins)}
    if mode == "carry":
        return {"carry": tf.constant(coins.astype(np.float32))}
    if mode == "steps":
        return {"steps": (tf.constant(FIRST), tf.constant(STOP))}
    return {}


def by_hand(cell, x, states, live=None, carry=None, steps=(0, None)):
    """The h after each step that is taken, and the states after the last."""
    outputs = []
    for t in range(len(x))[slice(*map(_int, steps))]:
        if carry is not None:
            states = [state * carry[t] for state in states]
        _, after = cell(x[t], list(states))
        if live is not None:
            pairs = zip(after, states, strict=True)
            after = [tf.where(live[t], *pair) for pair in pairs]
        states = after
        outputs.append(states[0])
    return tf.stack(outputs), states


def _int(value):
    return None if value is None else int(value)


@each_cell
@pytest.mark.parametrize("n_steps", [1, 5])
@pytest.mark.parametrize("mode", MODES)
def test_recur_equals_keras_cell_step_by_step(name, mode, n_steps):
    """Outputs, states, and the gradients of both with respect to all that goes in."""
    if mode == "steps" and n_steps == 1:
        return  # a single step is always taken
    rng = np.random.default_rng(0)
    cell, masks = keras_cell(name, rng), masks_of(mode, n_steps, rng)
    x = draw(rng, n_steps, B, F)
    states = [draw(rng, B, U) for _ in CELLS[name].states]
    if mode == "steps":
        states = [tf.zeros_like(state) for state in states]
    taken = slice(FIRST, STOP) if mode == "steps" else slice(None)
    weights = cell.kernel, cell.recurrent_kernel, cell.bias
    into = [x, *states, *(w.value for w in weights)]
    results = []
    for walk in (
        lambda: by_hand(cell, x, states, **masks),
        lambda: recur(CELLS[name], x, states, stack_weights(*weights), **masks),
    ):
        with tf.GradientTape() as tape:
            tape.watch(into)
            outputs, after = walk()
            if len(outputs) == n_steps:
                outputs = outputs[taken]
            # weighted, so that no two of them count alike
            weighted = [
                tf.reduce_sum(value * np.random.default_rng(k).normal(size=value.shape))
                for k, value in enumerate([outputs, *after])
            ]
            total = tf.add_n(weighted)
        results.append([outputs, *after, *tape.gradient(total, into)])
    for expected, found in zip(*results, strict=True):
        assert_close(found, expected, rtol=1e-5, atol=5e-6)


@each_cell
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reset", [False, True])
def test_recur_forward_equals_keras_cell_step_by_step(name, masked, reset):
    """Both masks at once; steps after `n_steps` are not taken and give zeros."""
    rng = np.random.default_rng(1)
    cell = keras_cell(name, rng)
    x, states = draw(rng, 5, B, F), [draw(rng, B, U) for _ in CELLS[name].states]
    masks = masks_of("live", 5, rng) if masked else {}
    if reset:
        masks |= masks_of("carry", 5, rng)
        if masked:  # steps that are not live begin nothing
            masks["carry"] = tf.where(masks["live"], masks["carry"], 1.0)
    block = stack_weights(cell.kernel, cell.recurrent_kernel, cell.bias)
    found, after = recur_forward(CELLS[name], x, states, block, tf.constant(3), **masks)
    expected, last = by_hand(cell, x, states, steps=(0, 3), **masks)
    assert_close(found[:3], expected)
    assert not np.any(found[3:])
    for a, b in zip(after, last, strict=True):
        assert_close(a, b)


@each_cell
def test_initial_weights_are_of_keras_initialisers_kind(name):
    """Shapes and biases are those of a new layer of Keras; kernels as it draws them."""
    cell = CELLS[name]
    layer = cell.keras_layer(U)
    layer.build((None, 3, F))
    weights = cell.initial_weights(np.random.default_rng(0), F, U)
    theirs = [layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias]
    shapes = [tuple(weight.shape) for weight in theirs]
    assert [weight.shape for weight in weights] == shapes == cell.weight_shapes(F, U)
    kernel, recurrent_kernel, bias = weights
    np.testing.assert_array_equal(bias, theirs[2].numpy())
    limit = np.sqrt(6 / sum(kernel.shape))
    assert 0.5 * limit < np.abs(kernel).max() <= limit
    assert_close(recurrent_kernel @ recurrent_kernel.T, np.eye(U), rtol=0, atol=1e-6)
