"""Facts about one LSTM cell that every implementation of it shares, in plain NumPy.

With input x_t, hidden state h and cell state c, an LSTM cell of U units computes

    z   = x_t W + h R + b                   of shape (B, 4U), a part for each gate
    c_t = sigmoid(z_f) c + sigmoid(z_i) tanh(z_g)
    h_t = sigmoid(z_o) tanh(c_t)

This module owns the order of the gates in z, the shapes of the weights W (kernel), R
(recurrent kernel) and b (bias), their initial values, and the factors by which one
``tanh`` serves all four gates. The computation itself is in `numpy_forward` and
`lstm_kernel`.
"""

from __future__ import annotations

import functools

import numpy as np

GATES = "ifgo"  # input, forget, candidate, output: the order of Keras's weights
N_GATES = len(GATES)


def weight_shapes(n_inputs: int, units: int) -> list[tuple[int, ...]]:
    """Shapes of the kernel, the recurrent kernel and the bias of an LSTM layer."""
    width = N_GATES * units
    return [(n_inputs, width), (units, width), (width,)]


def initial_weights(
    rng: np.random.Generator, n_inputs: int, units: int
) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias as Keras initialises them, drawn from `rng`.

    The kernel is Glorot-uniform and the recurrent kernel orthogonal. The bias is one
    for the forget gates and zero for the others.
    """
    kernel, recurrent_kernel, _ = weight_shapes(n_inputs, units)
    return [
        glorot_uniform(rng, *kernel),
        _orthogonal(rng, *recurrent_kernel),
        _for_each_gate(units, i=0, f=1, g=0, o=0),
    ]


def halves(units: int) -> np.ndarray:
    """Factors of shape (4U,) with which one ``tanh`` gives all four gates.

    A sigmoid is a scaled ``tanh``: sigmoid(z) = (1 + tanh(z / 2)) / 2. So the factor is
    1/2 for the gates i, f and o, and 1 for the candidate g, which is a ``tanh`` itself.
    With ``a = tanh(z * halves)``, the gates are ``a * halves + (1 - halves)``.
    """
    return _for_each_gate(units, i=0.5, f=0.5, g=1, o=0.5)


@functools.cache
def gate_slices(units: int) -> tuple[slice, ...]:
    """Which columns of z belong to each gate, in the order of `GATES`."""
    return tuple(slice(k * units, (k + 1) * units) for k in range(N_GATES))


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Glorot and Bengio's uniform initial weights, of shape (n_in, n_out)."""
    limit = np.sqrt(6.0 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)


def _orthogonal(rng: np.random.Generator, n_rows: int, n_columns: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((n_columns, n_rows)))
    return (q * np.sign(np.diag(r))).T.astype(np.float32)  # (n_rows, n_columns)


def _for_each_gate(units: int, **values: float) -> np.ndarray:
    """An array of shape (4U,) that holds each gate's value once for each unit."""
    return np.repeat(np.array([values[gate] for gate in GATES], np.float32), units)
