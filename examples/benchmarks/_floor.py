"""The floor: a time that no implementation of an epoch can reach on this machine.

It is the number of operations in an epoch's matrix products, divided by the speed at
which this machine was measured to do them. The rest of an LSTM (gates, gathering of
windows, the optimizer) is left out. Also, the small products of a time step run slower
than the large one that is measured here.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _contestants import Size
from _measure import seconds

SIDE = 1024  # of the square matrices whose product is timed
N_PRODUCTS = 20  # that are timed in a turn; the fastest one counts


def count_operations(size: Size) -> int:
    """Return the floating-point operations of an epoch's matrix products.

    For each of T steps and B lanes, a layer multiplies its input of F values, and its
    state of U values, by matrices of 4U columns. In the backward pass each of these
    products leads to two of the same size, for the gradients of its two factors. The
    input of the first layer needs no gradient.
    """
    steps = size.n_batches * size.batch_size * size.sequence_length
    total, n_inputs = 0, size.n_features
    for depth, units in enumerate(size.units):
        n_input_products = 2 if depth == 0 else 3
        width = n_input_products * n_inputs + 3 * units
        total += 2 * steps * 4 * units * width
        n_inputs = units
    return total


def time_floor(size: Size) -> float:
    """Measure the machine's speed; return the seconds that an epoch takes at it."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    multiply = partial(np.matmul, matrix, matrix)
    fastest = min(seconds(multiply) for _ in range(N_PRODUCTS))
    return count_operations(size) / (2 * SIDE**3 / fastest)
