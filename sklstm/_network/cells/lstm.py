"""The LSTM cell.

With input x_t, hidden state h and cell state c, it computes

    z   = x_t W + h R + b                   of shape (B, 4U), a part for each gate
    c_t = sigmoid(z_f) c + sigmoid(z_i) tanh(z_g)
    h_t = sigmoid(z_o) tanh(c_t)
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from sklstm._network.cells.cell import Cell
from sklstm._tensorflow import keras, tf

GATES = "ifgo"  # input, forget, candidate, output: the order of Keras's weights
N_GATES = len(GATES)


class LSTM(Cell):
    """The LSTM cell, whose bias begins as one for the forget gates."""

    name = "lstm"
    states = ("h", "c")
    n_gates = n_columns = n_recurrent = n_kept = N_GATES

    @property
    def keras_layer(self) -> type[Any]:
        return keras.layers.LSTM

    def initial_bias(self, units):
        return _for_each_gate(units, i=0, f=1, g=0, o=0)

    def activate(self, z, rest, states):
        halves = _halves(z.shape[-1] // N_GATES)
        a = tf.tanh(z * halves)  # (B, 4U)
        i, f, g, o = _gates(a)
        c = f * states[1] + i * g
        return a, (o * tf.tanh(c), c)

    def kept_states(self, is_masked):
        return (0, 1) if is_masked else (1,)  # h follows from c and the output gate

    def outputs(self, a, after):
        return _gates(a)[3] * tf.tanh(after[1])

    def factors(self, a, rest, before, after):
        halves = _halves(a.shape[-1] // N_GATES)
        i, f, g, o = _gates(a)
        tanh_c = tf.tanh(after[1])
        to_i, to_f, to_g, to_o = tf.split(halves**2 * (1.0 - a * a), N_GATES, -1)
        to_z = g * to_i, before[1] * to_f, i * to_g, tanh_c * to_o
        return to_z, (o * (1.0 - tanh_c * tanh_c),), (f,)

    def step_back(self, d_h, d_others, others):
        d_c = d_others[0] + d_h * others[0]
        return (d_c, d_c, d_c, d_h), None, d_c

    def numpy_weights(self, kernel, recurrent_kernel, bias):
        halves = _halves(len(recurrent_kernel))
        return kernel * halves, recurrent_kernel * halves, bias * halves

    def numpy_step(self, z, states, R):
        i, f, g, o = _gate_slices(len(R))
        a = np.tanh(z + states[0] @ R)  # (L, 4U)
        s = 0.5 * a + 0.5  # the sigmoids; the columns of g are not used
        c = s[:, f] * states[1] + s[:, i] * a[:, g]
        return s[:, o] * np.tanh(c), c


def _gates(a):
    """The gates i, f, g and o, from a = tanh(z * halves)."""
    halves = _halves(a.shape[-1] // N_GATES)
    return tf.split(a * halves + (1.0 - halves), N_GATES, axis=-1)


def _halves(units: int) -> np.ndarray:
    """Factors of shape (4U,) with which one ``tanh`` gives all four gates.

    A sigmoid is a scaled ``tanh``: sigmoid(z) = (1 + tanh(z / 2)) / 2. So the factor is
    1/2 for the gates i, f and o, and 1 for the candidate g, which is a ``tanh`` itself.
    With ``a = tanh(z * halves)``, the gates are ``a * halves + (1 - halves)``.
    """
    return _for_each_gate(units, i=0.5, f=0.5, g=1, o=0.5)


@functools.cache
def _gate_slices(units: int) -> tuple[slice, ...]:
    """Which columns of z belong to each gate, in the order of `GATES`."""
    return tuple(slice(k * units, (k + 1) * units) for k in range(N_GATES))


def _for_each_gate(units: int, **values: float) -> np.ndarray:
    """An array of shape (4U,) that holds each gate's value once for each unit."""
    return np.repeat(np.array([values[gate] for gate in GATES], np.float32), units)
