"""The forward pass in plain NumPy, for calls with too little work to compile.

Compiling a forward pass takes about half a second, and each call of the compiled
program half a millisecond. In NumPy, one step of 32 units in one lane takes ten
microseconds. Both give the same answers up to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from sklstm._network.architecture import StackedLSTM
from sklstm._rows.lanes import EMPTY
from sklstm._rows.windows import Windows

Layers = Sequence[Sequence[np.ndarray]]
WORTH_COMPILING = 0.1  # seconds that a pass may take in NumPy
# Multiplications in a matrix product that OpenBLAS gives to one thread. Several threads
# gain little on narrow matrices, and wait for each other in busy loops: with one core
# taken by another process, a `step` of 10,000 series took 36 ms instead of 14.
ONE_THREAD = 2**18


def is_short(network: StackedLSTM, n_steps: int, n_lanes: int) -> bool:
    """Whether a pass is to run in NumPy, since it takes less than `WORTH_COMPILING`.

    Only the sizes decide, and not whether a compiled program is at hand: the same call
    always gives the same answer, to the last bit.
    """
    width = network.kind.n_gates * n_lanes * sum(network.units)
    step = len(network.units) * 12e-6 + width * 8e-9  # seconds, as measured
    return n_steps * step < WORTH_COMPILING


class NumpyPass:
    """The forward pass of a `StackedLSTM`, with the methods of a compiled `Program`.

    Parameters
    ----------
    network : StackedLSTM
    weights : sequence of ndarray
        In the order of the Keras model's ``weights``.
    """

    def __init__(self, network: StackedLSTM, weights: Sequence[np.ndarray]):
        *recurrent, self.head, self.head_bias = weights
        self.cell = network.kind
        self.layers = [
            self.cell.numpy_weights(*recurrent[3 * k : 3 * k + 3])  # W, R and b
            for k in range(len(network.units))
        ]
        self.n_outputs, self.n_skip = network.n_outputs, network.n_skip
        self.activation = ACTIVATIONS[network.activation]
        self.is_stateful = network.batch_size is not None

    def put_rows(self, windows: Windows) -> Windows:
        """The windows as they are; a compiled `Program` copies them to its device."""
        return windows

    def forward(
        self, windows: Windows, table: np.ndarray, states: Layers
    ) -> tuple[np.ndarray, tuple]:
        """Outputs of shape (K, B, n_outputs) and the states after the last batch."""
        lengths = None
        if windows.is_padded:
            lengths = windows.lengths[table // windows.stride]  # (K, B)
        if not self.is_stateful:
            return self._walk(windows, table, lengths, None), ()
        after = [[array.copy() for array in layer] for layer in states]
        outputs = self._walk(windows, table, lengths, after)
        return outputs, tuple(map(tuple, after))

    def forward_one(
        self, window: np.ndarray, lane: int, states: Layers
    ) -> tuple[np.ndarray, tuple]:
        """`forward` for a single window of shape (T, F), read by one lane."""
        W, _, b = self.layers[0]
        n_read = window.shape[1] - self.n_skip
        z = (window[:, :n_read] @ W + b)[np.newaxis]  # (1, T, C * U)
        after = [[array.copy() for array in layer] for layer in states]
        lanes = slice(lane, lane + 1)
        h = self._stack(z, None, lanes, after if self.is_stateful else None)
        outputs = h @ self.head + self.head_bias
        if self.n_skip:
            outputs += window[-1:, n_read:]
        outputs = self.activation(outputs)
        for array in itertools.chain(*after):
            array.flags.writeable = False  # `RecurrentState` need not copy it then
        return outputs, tuple(map(tuple, after))

    def forward_short(
        self, windows: Windows, table: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """Outputs of windows of `lengths` rows, each from zero state."""
        return self._walk(windows, table, lengths, None)

    def forward_steps(
        self,
        x: np.ndarray,
        live: np.ndarray | None,
        begins: np.ndarray | None,
        states: Layers,
        room: tuple[int, int] | None = None,
    ) -> tuple[np.ndarray, tuple]:
        """Outputs for series side by side, as those of a compiled `Program`."""
        n_lanes = x.shape[1]
        most_weights = max(W.size + R.size for W, R, _ in self.layers)
        n_at_once = max(1, ONE_THREAD // most_weights)
        if n_lanes <= n_at_once:
            return self._forward_lanes(x, live, begins, states)

        def part(array, lanes):
            return None if array is None else array[:, lanes]

        outputs, parts = [], []
        for first in range(0, n_lanes, n_at_once):
            lanes = slice(first, first + n_at_once)
            before = [tuple(array[lanes] for array in layer) for layer in states]
            made, after = self._forward_lanes(
                x[:, lanes], part(live, lanes), part(begins, lanes), before
            )
            outputs.append(made)
            parts.append(after)
        layers = zip(*parts, strict=True)  # each layer's states of every part
        joined = (tuple(map(np.concatenate, zip(*of, strict=True))) for of in layers)
        return np.concatenate(outputs, axis=1), tuple(joined)

    def _forward_lanes(self, x, live, begins, states: Layers):
        """`forward_steps` with all lanes at once."""
        n_steps, n_lanes, n_features = x.shape
        hs, skip = np.split(x, [n_features - self.n_skip], axis=2)
        after = []
        for (W, R, b), state in zip(self.layers, states, strict=True):
            z = hs @ W + b  # (n_steps, n_lanes, C * U)
            hs = np.empty((n_steps, n_lanes, len(R)), np.float32)
            for t in range(n_steps):
                if begins is not None and begins[t].any():
                    zero = [np.zeros_like(array) for array in state]
                    state = _where(begins[t, :, np.newaxis], zero, state)
                made = self.cell.numpy_step(z[t], state, R)
                if live is not None:
                    made = _where(live[t, :, np.newaxis], made, state)
                hs[t], state = made[0], made
            after.append(state)
        outputs = hs.reshape(n_steps * n_lanes, -1) @ self.head + self.head_bias
        if self.n_skip:
            outputs += skip.reshape(n_steps * n_lanes, -1)
        return self.activation(outputs).reshape(n_steps, n_lanes, -1), tuple(after)

    def _walk(self, windows, table, lengths, states) -> np.ndarray:
        """Outputs of shape (K, B, n_outputs); advances `states` in place, if any."""
        W, _, b = self.layers[0]
        z = windows.rows @ W + b  # (n_rows, C * U): once for a row, not for each window
        steps = np.arange(1 - windows.sequence_length, 1)
        outputs = np.zeros((*table.shape, self.n_outputs), np.float32)
        at = np.maximum(table[..., np.newaxis] + steps, 0)  # (K, B, T)
        live = None if lengths is None else steps > -lengths[..., np.newaxis]
        filled = (table != EMPTY).all(axis=1)
        for k in range(len(table)):
            lanes = slice(None) if filled[k] else np.flatnonzero(table[k] != EMPTY)
            is_live = None if live is None else live[k, lanes]
            h = self._stack(z[at[k, lanes]], is_live, lanes, states)  # (L, U)
            outputs[k, lanes] = self.activation(h @ self.head + self.head_bias)
        return outputs

    def _stack(self, z, live, lanes, states) -> np.ndarray:
        """The last layer's h of shape (L, U), after all steps of L windows.

        z, of shape (L, T, C * U), holds the first layer's inputs times its kernel, plus
        its bias. If there are `states`, they are advanced in place.
        """
        hs: list[np.ndarray] = []
        for k, (W, R, b) in enumerate(self.layers):
            if k:
                z = np.stack(hs, axis=1) @ W + b
            if states is None:
                zero = np.zeros((len(z), len(R)), np.float32)
                before = (zero,) * len(self.cell.states)
            else:
                before = tuple(array[lanes] for array in states[k])
            hs, after = self._run_layer(z, before, R, live)
            if states is not None:
                for array, value in zip(states[k], after, strict=True):
                    array[lanes] = value
        return hs[-1]

    def _run_layer(self, z, state, R, live):
        """The h after each step, as a list, and the last state, of shape (L, U)."""
        hs = []
        for t in range(z.shape[1]):
            made = self.cell.numpy_step(z[:, t], state, R)
            if live is not None:
                made = _where(live[:, t, np.newaxis], made, state)
            state = made
            hs.append(state[0])
        return hs, state


def _where(mask, values, otherwise) -> tuple:
    """Of each pair of arrays, the first where the mask is True, else the second."""
    pairs = zip(values, otherwise, strict=True)
    return tuple(np.where(mask, *pair) for pair in pairs)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -z))  # small values to their last digit


def _softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


#: Of the head, by name. SciPy has them too, but is not needed for serving otherwise.
ACTIVATIONS = {"linear": lambda z: z, "sigmoid": _sigmoid, "softmax": _softmax}
