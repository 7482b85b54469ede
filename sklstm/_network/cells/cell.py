"""What the package asks of a kind of recurrent cell, and initial weights.

A cell of U units has *gates*, each with U columns of the weights W (kernel) and R
(recurrent kernel) and of the bias b. With input x_t and the hidden state h of the step
before, it computes

    z     = x_t W + h R + b
    state = what `activate` makes of z and the state before

The loops over time, in `recurrent_loops` and `numpy_forward`, are the same for all
cells. They see the weights in *columns*, C for each unit, and h R is added to the first
`n_recurrent` of them. A column is a gate, unless a cell needs x_t W and h R of a gate
apart from each other. The activations of the first `n_kept` columns are kept for the
gradient, in the place of these columns; the others are the `rest`.

A layer's weights come as one *block*: kernel, recurrent kernel and bias, stacked by
rows. `in_columns` makes of it an array of shape (F + U + 1, C * U).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

States = Sequence[Any]  # h first, each of shape (B, U)


class Cell(ABC):
    """One kind of recurrent cell; it has no weights and no state of its own."""

    name: ClassVar[str]  # the value of the parameter `cell`
    states: ClassVar[tuple[str, ...]]  # names of the state arrays, h first
    n_gates: ClassVar[int]  # each has U columns of Keras's kernels
    n_columns: ClassVar[int]  # C
    n_recurrent: ClassVar[int]  # how many of the C have a part from h
    n_kept: ClassVar[int]  # how many of the C have an activation that is kept

    # --- weights ----------------------------------------------------------------------

    def weight_shapes(self, n_inputs: int, units: int) -> list[tuple[int, ...]]:
        """Shapes of the kernel, the recurrent kernel and the bias of a layer."""
        width = self.n_gates * units
        return [(n_inputs, width), (units, width), (width,)]

    def initial_weights(
        self, rng: np.random.Generator, n_inputs: int, units: int
    ) -> list[np.ndarray]:
        """Kernel, recurrent kernel and bias as Keras initialises them, from `rng`.

        The kernel is Glorot-uniform and the recurrent kernel orthogonal.
        """
        kernel, recurrent_kernel, _ = self.weight_shapes(n_inputs, units)
        return [
            glorot_uniform(rng, *kernel),
            _orthogonal(rng, *recurrent_kernel),
            self.initial_bias(units),
        ]

    def initial_bias(self, units: int) -> np.ndarray:
        """The bias before training."""
        return np.zeros(self.weight_shapes(0, units)[-1], np.float32)

    @property
    @abstractmethod
    def keras_layer(self) -> type[Any]:
        """The layer of Keras that computes the same."""

    # --- compiled ---------------------------------------------------------------------

    def in_columns(self, block, n_inputs: int):
        """The block with its weights in columns, of shape (F + U + 1, C * U)."""
        return block

    @abstractmethod
    def activate(self, z, rest, states: States) -> tuple[Any, States]:
        """The activations to keep, of z's shape, and the states after a step.

        `z` has the columns to keep, of shape (B, n_kept * U), and `rest` the others, or
        is None if there are none.
        """

    @abstractmethod
    def kept_states(self, is_masked: bool) -> tuple[int, ...]:
        """Which states the forward loop keeps for every step.

        Where h is not among them, `outputs` tells it.
        """

    def outputs(self, gates, after: Sequence):
        """The h after each step, from activations and the other states after it."""
        raise NotImplementedError(f"{self.name!r} keeps h for every step")

    @abstractmethod
    def factors(self, gates, rest, before: Sequence, after: Sequence) -> tuple:
        """The factors of the gradient that no recurrence is in, for all steps at once.

        `gates` are the activations kept, `before` and `after` the states around each
        step. Returns three things:

        - for each of the C columns the factor of its gradient, as a sequence,
        - others that `step_back` needs, as a sequence, each of h's shape,
        - for each state but h, what of it goes into itself a step later.
        """

    @abstractmethod
    def step_back(self, d_h, d_others: Sequence, others: Sequence) -> tuple:
        """The gradient of one step, from that of the states after it.

        `others` are the step's second factors. Returns for each of the C columns what
        its factor is to be multiplied by, as a sequence; what of the gradient of h is
        handed on otherwise than by h R, or None; and for each state but h the gradient,
        which is yet to be multiplied by the third of the `factors`. Multiplied here, it
        would be an operation more in the loop.
        """

    # --- in NumPy ---------------------------------------------------------------------

    @abstractmethod
    def numpy_weights(self, kernel, recurrent_kernel, bias) -> tuple[np.ndarray, ...]:
        """W in columns, R, and b in columns, prepared for `numpy_step`."""

    @abstractmethod
    def numpy_step(self, z, states: States, R: np.ndarray) -> States:
        """The state after a step, where z of shape (L, C * U) lacks the part from h."""


def glorot_uniform(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Glorot and Bengio's uniform initial weights, of shape (n_in, n_out)."""
    limit = np.sqrt(6.0 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)


def _orthogonal(rng: np.random.Generator, n_rows: int, n_columns: int) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((n_columns, n_rows)))
    return (q * np.sign(np.diag(r))).T.astype(np.float32)  # (n_rows, n_columns)
