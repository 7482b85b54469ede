"""The simple recurrent cell, also called Elman's, of Keras's ``SimpleRNN``.

With input x_t and hidden state h, it computes

    h_t = tanh(x_t W + h R + b)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._network.cells.cell import Cell
from sklstm._tensorflow import keras, tf


class SimpleRNN(Cell):
    """The cell without gates."""

    name = "rnn"
    states = ("h",)
    n_gates = n_columns = n_recurrent = n_kept = 1

    @property
    def keras_layer(self) -> type[Any]:
        return keras.layers.SimpleRNN

    def activate(self, z, rest, states):
        h = tf.tanh(z)
        return h, (h,)

    def kept_states(self, is_masked):
        return (0,)

    def factors(self, gates, rest, before, after):
        return (1.0 - after[0] * after[0],), (), ()

    def step_back(self, d_h, d_others, others):
        return (d_h,), None

    def numpy_weights(self, kernel, recurrent_kernel, bias):
        return kernel, recurrent_kernel, bias

    def numpy_step(self, z, states, R):
        return (np.tanh(z + states[0] @ R),)
