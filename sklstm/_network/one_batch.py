"""One batch of a network as a function inside a compiled program: state in, state out.

`graph_of` gives the graph of a network's Keras model. A `KerasGraph` calls the model. A
`StackedGraph` runs the same layers on *blocks*, each the weights of one layer in one
array, which makes a training step of one lane three times faster: what counts there is
the number of operations, and most of them are the optimizer's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sklstm._network.architecture import StackedLSTM, UserNetwork, state_variables
from sklstm._network.lstm_kernel import (
    lstm,
    lstm_weights,
    speed_up,
    stack_weights,
    with_ones,
)
from sklstm._tensorflow import keras, tf

LEAST_LANES = 32  # in a group: products of fewer lanes are slower than waiting
LEAST_GROUPED = 5e8  # operations in a batch, below which groups do not pay


def graph_of(network: StackedLSTM | UserNetwork) -> KerasGraph | StackedGraph:
    """The graph of the network's model, which is built for it."""
    model = network.build()
    if isinstance(network, StackedLSTM):
        return StackedGraph(model)
    speed_up(model)
    return KerasGraph(model)


class KerasGraph:
    """A Keras model, whose layers read their weights and state from variables.

    Parameters
    ----------
    model : keras.Model
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._states = flat(state_variables(model))

    def trained_variables(self, optimizer: keras.optimizers.Optimizer) -> list:
        """The variables that an optimizer is to update: the model's own."""
        return self.model.trainable_variables

    def begin(self, trained: list) -> None:
        """Fill the trained variables, where they are not the model's own."""

    def end(self, trained: list) -> None:
        """Fill the model's variables, where they are not the trained ones."""

    def weights(self, trained: list | None = None) -> None:
        """What `__call__` takes as weights: the layers find theirs themselves."""

    def n_groups(self, n_lanes: int, n_steps: int) -> int:
        """In how many groups lanes train best: in one, as the state is in variables."""
        return 1

    def in_training(self, n_groups: int) -> Callable:
        """The graph as a function of weights, windows, mask and states."""
        return partial(self, training=True)

    def __call__(self, weights, x, mask, states: Sequence, training: bool) -> tuple:
        """Outputs of shape (B, n_outputs) and the states after windows `x`.

        `mask`, of shape (B, T) or None, is False at steps that are padding.
        """
        for variable, value in zip(self._states, states, strict=True):
            variable.assign(value)
        if mask is None:
            outputs = self.model(x, training=training)
        else:  # `call`, since `__call__` warns that the output loses the mask
            outputs = self.model.call(x, training=training, mask=mask)
        return outputs, [tf.convert_to_tensor(v) for v in self._states]


class StackedGraph:
    """LSTM layers and a head as `StackedLSTM` builds them, called on blocks.

    Parameters
    ----------
    model : keras.Model
        With plain layers: LSTM and perhaps Dropout in turns, then Dense.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._is_stateful = bool(state_variables(model))
        kinds = keras.layers.LSTM, keras.layers.Dropout
        lstms, self._dropouts = (
            [layer for layer in model.layers if isinstance(layer, kind)]
            for kind in kinds
        )
        head = model.layers[-1]
        self._activation = head.activation
        self._units = [layer.units for layer in lstms]
        self._variables = [*map(lstm_weights, lstms), (head.kernel, head.bias)]

    def trained_variables(self, optimizer: keras.optimizers.Optimizer) -> list:
        """The variables that an optimizer is to update: blocks, if it cannot tell."""
        if not _is_elementwise(optimizer):
            return self.model.trainable_variables
        return [
            keras.Variable(tf.zeros((sum(_heights(layer)), layer[-1].shape[0])))
            for layer in self._variables
        ]

    def has_blocks(self, trained: list) -> bool:
        """Whether the trained variables are other ones than the model's."""
        return len(trained) == len(self._variables)

    def stacked(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The blocks that the model's weights make, as arrays."""
        values = iter(weights)
        return [np.vstack([next(values) for _ in layer]) for layer in self._variables]

    def unstacked(self, blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """The model's weights that blocks, as arrays, are made of."""
        return tuple(
            part.reshape(variable.shape)
            for block, layer in zip(blocks, self._variables, strict=True)
            for part, variable in zip(
                np.split(block, np.cumsum(_heights(layer))[:-1]), layer, strict=True
            )
        )

    def begin(self, trained: list) -> None:
        """Fill the trained variables, where they are not the model's own."""
        if self.has_blocks(trained):
            for block, layer in zip(trained, self._variables, strict=True):
                block.assign(stack_weights(*layer))

    def end(self, trained: list) -> None:
        """Fill the model's variables, where they are not the trained ones."""
        if self.has_blocks(trained):
            for block, layer in zip(trained, self._variables, strict=True):
                parts = tf.split(tf.convert_to_tensor(block), _heights(layer), 0)
                for variable, part in zip(layer, parts, strict=True):
                    variable.assign(tf.reshape(part, variable.shape))

    def weights(self, trained: list | None = None) -> list:
        """What `__call__` takes as weights: the blocks as tensors."""
        if trained is not None and self.has_blocks(trained):
            return [tf.convert_to_tensor(block) for block in trained]
        return [stack_weights(*layer) for layer in self._variables]

    def __call__(self, weights, x, mask, states: Sequence, training: bool) -> tuple:
        """Outputs of shape (B, n_outputs) and the states after windows `x`.

        `mask`, of shape (B, T) or None, is False at steps that are padding.
        """
        hs = tf.transpose(x, (1, 0, 2))  # (T, B, F)
        live = None if mask is None else tf.transpose(mask)[:, :, tf.newaxis]
        *blocks, head = weights
        after: list = []
        for k, (block, units) in enumerate(zip(blocks, self._units, strict=True)):
            if self._is_stateful:
                h, c = states[2 * k : 2 * k + 2]
            else:
                h = c = tf.zeros((tf.shape(x)[0], units))
            hs, h, c = lstm(hs, h, c, block, live)
            after += [h, c]
            hs = h if k + 1 == len(blocks) else hs
            if self._dropouts:
                hs = self._dropouts[k](hs, training=training)
        outputs = self._activation(with_ones(hs) @ head)
        return outputs, after if self._is_stateful else []

    def n_groups(self, n_lanes: int, n_steps: int) -> int:
        """In how many groups lanes train best, by the work that a batch is.

        It does not depend on the cores, so that all machines add up in one order. A GPU
        is better at one large program, and dropout draws from a variable, in turns.
        """
        n_weights = sum(sum(_heights(v)) * v[-1].shape[0] for v in self._variables)
        is_little = 6 * n_lanes * n_steps * n_weights < LEAST_GROUPED
        if is_little or self._dropouts or tf.config.list_logical_devices("GPU"):
            return 1
        most = max(1, n_lanes // LEAST_LANES)
        return max(n for n in range(1, most + 1) if n_lanes % n == 0)

    def in_training(self, n_groups: int) -> Callable:
        """The graph as a function of weights, windows, mask and states.

        Within one compiled program XLA shares each product of a time step among the
        cores, and waits for the slowest each time. Up to the loss, groups of lanes do
        not need each other: each is a compiled program, and TensorFlow runs them side
        by side.
        """
        whole = partial(self, training=True)
        if n_groups == 1:
            return whole
        group = tf.function(whole, jit_compile=True, autograph=False)

        def side_by_side(weights, x, mask, states) -> tuple:
            masks = [None] * n_groups if mask is None else tf.split(mask, n_groups)
            parts = [tf.split(value, n_groups) for value in (x, *states)]
            answers = [
                group(weights, x, mask, before)
                for mask, x, *before in zip(masks, *parts, strict=True)
            ]
            outputs, after = zip(*answers, strict=True)
            layers = zip(*after, strict=True)
            return tf.concat(outputs, 0), [tf.concat(layer, 0) for layer in layers]

        return side_by_side


def _heights(layer: Sequence) -> list[int]:
    """Rows of a block that each of a layer's variables takes."""
    return [1 if len(v.shape) == 1 else v.shape[0] for v in layer]


def _is_elementwise(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer does to each number the same, whatever variable it is in."""
    optimizers = keras.optimizers
    return (
        type(optimizer)
        in {
            optimizers.SGD,
            optimizers.RMSprop,
            optimizers.Adagrad,
            optimizers.Adadelta,
            optimizers.Adam,
            optimizers.AdamW,
            optimizers.Adamax,
            optimizers.Nadam,
            optimizers.Ftrl,
            optimizers.Lion,
        }
        and optimizer.clipnorm is None
        and not optimizer.use_ema
    )


def flat(states: Sequence[Sequence]) -> list:
    """The states of all layers in one list."""
    return [value for layer in states for value in layer]
