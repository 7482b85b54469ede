"""The GRU cell, in the form that applies the reset gate after the product with R.

With input x_t and hidden state h, it computes

    z   = sigmoid(x_t W_z + b_z + h R_z + d_z)           update gate
    r   = sigmoid(x_t W_r + b_r + h R_r + d_r)           reset gate
    g   = tanh(x_t W_g + b_g + r (h R_g + d_g))          candidate
    h_t = z h + (1 - z) g

The bias, of shape (2, 3U), holds b and d. The candidate needs its parts from x_t and
from h apart from each other. So there are four columns for each unit, in this order:
z, r, the candidate's part from h, and its part from x_t.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from sklstm._network.cells.cell import Cell
from sklstm._tensorflow import keras, tf


class GRU(Cell):
    """The GRU cell of Keras's default, ``reset_after=True``."""

    name = "gru"
    states = ("h",)
    n_gates, n_columns, n_recurrent, n_kept = 3, 4, 3, 2

    @property
    def keras_layer(self) -> type[Any]:
        return keras.layers.GRU

    def weight_shapes(self, n_inputs, units):
        kernel, recurrent_kernel, (width,) = super().weight_shapes(n_inputs, units)
        return [kernel, recurrent_kernel, (2, width)]

    def in_columns(self, block, n_inputs):
        units = block.shape[1] // 3
        gates, candidate = tf.split(block, [2 * units, units], 1)
        rows = [n_inputs, units, 1, 1]
        W, R, b, d = tf.split(gates, rows)
        W_g, R_g, b_g, d_g = tf.split(candidate, rows)
        return tf.concat(
            [
                tf.concat([W, tf.zeros_like(W_g), W_g], 1),
                tf.concat([R, R_g, tf.zeros_like(R_g)], 1),
                tf.concat([b + d, d_g, b_g], 1),
            ],
            0,
        )

    def activate(self, z, rest, states):
        a = tf.tanh(0.5 * z)
        update, _, _, candidate = _gates(a, rest)
        return a, (candidate + update * (states[0] - candidate),)

    def kept_states(self, is_masked):
        return (0,)

    def factors(self, a, rest, before, after):
        update, reset, from_h, candidate = _gates(a, rest)
        to_candidate = (1.0 - update) * (1.0 - candidate * candidate)
        to_update = (before[0] - candidate) * update * (1.0 - update)
        to_reset = to_candidate * from_h * reset * (1.0 - reset)
        to_z = to_update, to_reset, to_candidate * reset, to_candidate
        return to_z, (update,), ()

    def step_back(self, d_h, d_others, others):
        return (d_h,) * 4, d_h * others[0]

    def numpy_weights(self, kernel, recurrent_kernel, bias):
        units = len(recurrent_kernel)
        b, d = bias
        W = np.insert(kernel, [2 * units] * units, 0, axis=1)
        b = np.concatenate([(b + d)[: 2 * units], d[2 * units :], b[2 * units :]])
        halves = _halves(units)
        return W * halves, recurrent_kernel * halves[: 3 * units], b * halves

    def numpy_step(self, z, states, R):
        both, first, second, third, fourth = _slices(len(R))
        h = states[0]
        from_h = h @ R  # (L, 3U)
        gates = 0.5 * np.tanh(z[:, both] + from_h[:, both]) + 0.5  # the sigmoids
        candidate = np.tanh(
            z[:, fourth] + gates[:, second] * (z[:, third] + from_h[:, third])
        )
        return (candidate + gates[:, first] * (h - candidate),)


def _gates(a, rest):
    """Update and reset gate, the candidate's part from h, and the candidate.

    `a` is the ``tanh`` of half of z: the gates are its sigmoids.
    """
    update, reset = tf.split(0.5 * a + 0.5, 2, -1)
    from_h, from_x = tf.split(rest, 2, -1)
    return update, reset, from_h, tf.tanh(from_x + reset * from_h)


@functools.cache
def _slices(units: int) -> tuple[slice, ...]:
    """The columns of both gates, and each of the four columns of all units."""
    each = [slice(k * units, (k + 1) * units) for k in range(4)]
    return slice(0, 2 * units), *each


def _halves(units: int) -> np.ndarray:
    """Factors of shape (4U,) that make the gates' sigmoid a ``tanh``: see `lstm`."""
    return np.repeat(np.array([0.5, 0.5, 1, 1], np.float32), units)
