"""The floor: how fast this machine could do an epoch's matrix products.

Owns the count of operations and the machine's measured speed at them. What an LSTM
does besides (gates, gathering windows, the optimizer) is left out, and the small
products of one time step run slower than the large one measured here, so nobody can
get down to the floor.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _contestants import Size
from _measure import seconds

SIDE = 1024  # of the matrices that measure the speed
N_PRODUCTS = 20  # in a turn; the fastest one counts


def count_operations(size: Size) -> int:
    """Return the floating-point operations of an epoch's matrix products.

    A layer multiplies its input (F columns) and its state (U) by 4U gates for each of
    T steps and B lanes. Backward, each product gives two of the same size, for the
    gradients of its two factors; the input of the first layer needs none.
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
    """Return the seconds of an epoch's operations at the machine's speed just now."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    multiply = partial(np.matmul, matrix, matrix)
    fastest = min(seconds(multiply) for _ in range(N_PRODUCTS))
    return count_operations(size) / (2 * SIDE**3 / fastest)
