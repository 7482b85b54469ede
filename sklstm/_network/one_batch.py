"""One batch through a network: a function of weights, windows and states, to compile.

`graph_of` builds a network's Keras model and returns its graph, of one of two kinds:

- A `KerasGraph` calls the model itself. It serves networks that users build.
- A `StackedGraph` runs the layers of a `StackedLSTM` on *blocks*, where a block is one
  array with all weights of one layer. The optimizer then updates few large arrays
  instead of many small ones. A training step of one lane is three times faster for it,
  since its time is the number of operations, and most of them are the optimizer's.

Both have the same methods. Training calls `begin` before its batches and `end` after
them, because the optimizer may update variables that are not the model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sklstm._network.architecture import StackedLSTM, UserNetwork, state_variables
from sklstm._network.cells import Cell
from sklstm._network.recurrent_loops import (
    recur,
    recur_forward,
    speed_up,
    stack_weights,
    weights_of,
    with_ones,
)
from sklstm._tensorflow import keras, tf

# The lanes of a batch can be split into groups that train side by side: see `n_groups`.
LEAST_LANES = 32  # in a group; with fewer, its matrix products lose more than is gained
LEAST_GROUPED = 5e8  # operations in a batch; with fewer, starting the groups costs more


def graph_of(network: StackedLSTM | UserNetwork) -> KerasGraph | StackedGraph:
    """Build the network's Keras model and return the graph that runs it."""
    model = network.build()
    if isinstance(network, StackedLSTM):
        return StackedGraph(model, network.kind)
    speed_up(model)
    return KerasGraph(model)


class KerasGraph:
    """Calls a Keras model, whose layers hold their weights and states in variables.

    Parameters
    ----------
    model : keras.Model
        A network as a user's function returned it.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._states = flat(state_variables(model))

    def trained_variables(self, optimizer: keras.optimizers.Optimizer) -> list:
        """The variables that an optimizer updates: those of the model."""
        return self.model.trainable_variables

    def begin(self, trained: list) -> None:
        """Do nothing: the optimizer updates the model's own variables."""
        return  # AutoGraph cannot read a body that is nothing but a docstring

    def end(self, trained: list) -> None:
        """Do nothing: the optimizer has updated the model's own variables."""
        return

    def weights(self, trained: list | None = None) -> None:
        """None: the layers read their weights from their own variables."""
        return

    def n_groups(self, n_lanes: int, n_steps: int) -> int:
        """One group, since the layers keep the states of all lanes in one variable."""
        return 1

    def in_training(self, n_groups: int) -> Callable:
        """The graph in training, as a function of weights, windows, mask and states."""
        return partial(self, training=True)

    def __call__(self, weights, x, mask, states: Sequence, training: bool) -> tuple:
        """Outputs of shape (B, n_outputs) and the states after the windows `x`.

        `mask`, of shape (B, T) or None, is False at steps that are padding.
        """
        for variable, value in zip(self._states, states, strict=True):
            variable.assign(value)
        if mask is None:
            outputs = self.model(x, training=training)
        else:  # `call`, as `model(x)` warns where the last layer passes no mask on
            outputs = self.model.call(x, training=training, mask=mask)
        return outputs, [tf.convert_to_tensor(v) for v in self._states]

    def over_tile(self, weights, x, carry, steps, states: Sequence) -> tuple:
        """Outputs of shape (T * B, n_outputs) and the states after a tile, in training.

        `x` has shape (T, B, F). The layers take every step, and none of them may start
        from zero state: `carry` is None, and `steps` is not used.
        """
        x = tf.transpose(x, (1, 0, 2))  # (B, T, F)
        outputs, after = self(weights, x, None, states, training=True)
        outputs = tf.transpose(outputs, (1, 0, 2))  # (T, B, n_outputs)
        return tf.reshape(outputs, (-1, outputs.shape[-1])), after

    def over_steps(self, weights, x, n_steps, live, carry, states: Sequence) -> tuple:
        """Outputs of shape (T, B, n_outputs) and the states after `n_steps` steps.

        The model takes one step at a time; `x`, `live` and `carry` are as in
        `recur_forward`.
        """
        n_outputs = self.model.outputs[0].shape[-1]
        shape = (x.shape[1], n_outputs)
        made = tf.TensorArray(tf.float32, x.shape[0], element_shape=shape)

        def by_lane(factor, value):
            return tf.reshape(factor, (-1,) + (1,) * (value.ndim - 1))

        def step(t, made, *before):
            start: Sequence = before
            if carry is not None:
                start = [v * tf.cast(by_lane(carry[t], v), v.dtype) for v in before]
            outputs, after = self(None, x[t][:, tf.newaxis], None, start, False)
            if live is not None:
                after = [
                    tf.where(by_lane(live[t], old), new, old)
                    for new, old in zip(after, before, strict=True)
                ]
            outputs = tf.cast(outputs[:, 0], tf.float32)
            return t + 1, made.write(t, outputs), *after

        _, made, *after = tf.while_loop(
            lambda t, *_: t < n_steps, step, (0, made, *states)
        )
        return made.stack(), after


class StackedGraph:
    """Runs the layers of a `StackedLSTM` on one block of weights for each layer.

    Parameters
    ----------
    model : keras.Model
        A model that `StackedLSTM.build` returned: recurrent layers, each followed by a
        Dropout layer if the network has dropout, and a Dense layer as its head.
    cell : Cell
        What the recurrent layers are made of.
    """

    def __init__(self, model: keras.Model, cell: Cell):
        self.model = model
        self._cell = cell
        self._is_stateful = bool(state_variables(model))
        kinds = cell.keras_layer, keras.layers.Dropout
        recurrent, self._dropouts = (
            [layer for layer in model.layers if isinstance(layer, kind)]
            for kind in kinds
        )
        head = next(v for v in model.layers if isinstance(v, keras.layers.Dense))
        self._activation = model.layers[-1].activation
        self._n_skip = model.inputs[0].shape[-1] - recurrent[0].cell.kernel.shape[0]
        self._units = [layer.units for layer in recurrent]
        self._variables = [*map(weights_of, recurrent), (head.kernel, head.bias)]

    def trained_variables(self, optimizer: keras.optimizers.Optimizer) -> list:
        """The variables that an optimizer updates: blocks, if the result is the same.

        It is not for an optimizer that treats each weight array as a whole, for example
        by its norm. Such an optimizer updates the model's own variables.
        """
        if not _is_elementwise(optimizer):
            return self.model.trainable_variables
        return [
            keras.Variable(tf.zeros((sum(_heights(layer)), layer[-1].shape[-1])))
            for layer in self._variables
        ]

    def has_blocks(self, trained: list) -> bool:
        """Whether the trained variables are blocks and not the model's variables."""
        return len(trained) == len(self._variables)

    def stacked(self, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Blocks, as NumPy arrays, from weights in the order of ``model.weights``."""
        values = iter(weights)
        return [np.vstack([next(values) for _ in layer]) for layer in self._variables]

    def unstacked(self, blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """Weights in the order of ``model.weights``, from blocks as NumPy arrays."""
        return tuple(
            part.reshape(variable.shape)
            for block, layer in zip(blocks, self._variables, strict=True)
            for part, variable in zip(
                np.split(block, np.cumsum(_heights(layer))[:-1]), layer, strict=True
            )
        )

    def begin(self, trained: list) -> None:
        """Copy the model's weights into the trained variables, if these are blocks."""
        if self.has_blocks(trained):
            for block, layer in zip(trained, self._variables, strict=True):
                block.assign(stack_weights(*layer))

    def end(self, trained: list) -> None:
        """Copy the trained variables into the model's weights, if these are blocks."""
        if self.has_blocks(trained):
            for block, layer in zip(trained, self._variables, strict=True):
                parts = tf.split(tf.convert_to_tensor(block), _heights(layer), 0)
                for variable, part in zip(layer, parts, strict=True):
                    variable.assign(tf.reshape(part, variable.shape))

    def weights(self, trained: list | None = None) -> list:
        """The blocks as tensors, which `__call__` takes as its weights.

        Their values are those of the trained variables if given, else the model's.
        """
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
        for k, block in enumerate(blocks):
            before = self._before(k, states, tf.shape(x)[0])
            hs, made = recur(self._cell, hs, before, block, live)
            after += made
            hs = made[0] if k + 1 == len(blocks) else hs
            if self._dropouts:
                hs = self._dropouts[k](hs, training=training)
        outputs = self._activation(with_ones(hs) @ head)
        return outputs, after if self._is_stateful else []

    def over_tile(self, weights, x, carry, steps, states: Sequence) -> tuple:
        """Outputs of shape (T * B, n_outputs) and the states after a tile, in training.

        `x` has shape (T, B, F); `carry` and `steps` are as in `recur`.
        """
        *blocks, head = weights
        hs, skip = self._split(x)
        after = []
        for k, block in enumerate(blocks):
            before = self._of_layer(k, states)
            hs, made = recur(self._cell, hs, before, block, carry=carry, steps=steps)
            after += made
            if self._dropouts:
                hs = self._dropouts[k](hs, training=True)
        return self._head(hs, head, skip), after

    def over_steps(self, weights, x, n_steps, live, carry, states: Sequence) -> tuple:
        """Outputs of shape (T, B, n_outputs) and the states after `n_steps` steps.

        `x`, `live` and `carry` are as in `recur_forward`.
        """
        *blocks, head = weights
        hs, skip = self._split(x)
        after = []
        for k, block in enumerate(blocks):
            before = self._of_layer(k, states)
            hs, made = recur_forward(
                self._cell, hs, before, block, n_steps, live, carry
            )
            after += made
        outputs = self._head(hs, head, skip)
        return tf.reshape(outputs, (*hs.shape[:2], outputs.shape[-1])), after

    def _of_layer(self, k: int, states: Sequence) -> Sequence:
        """The states of layer k."""
        n = len(self._cell.states)
        return states[n * k : n * (k + 1)]

    def _before(self, k: int, states: Sequence, n_lanes) -> Sequence:
        """The states of layer k before windows; zero in a stateless network."""
        if self._is_stateful:
            return self._of_layer(k, states)
        return [tf.zeros((n_lanes, self._units[k]))] * len(self._cell.states)

    def _split(self, x):
        """What the layers read of x, (T, B, F), and what is added to the outputs."""
        if not self._n_skip:
            return x, None
        return x[..., : -self._n_skip], x[..., -self._n_skip :]

    def _head(self, hs, head, skip):
        """Outputs of shape (T * B, n_outputs), from hs of shape (T, B, U)."""
        flat_hs = tf.reshape(hs, (-1, hs.shape[-1]))
        kernel, bias = tf.split(head, [hs.shape[-1], 1])
        if kernel.shape[1] > 1:
            outputs = flat_hs @ kernel + bias
        else:
            # The gradient of a product with a single column would read hs column by
            # column, which takes ten times as long as that of a sum.
            outputs = tf.reduce_sum(flat_hs * kernel[:, 0], 1, keepdims=True) + bias
        if skip is not None:
            outputs += tf.reshape(skip, (-1, self._n_skip))
        return self._activation(outputs)

    def n_groups(self, n_lanes: int, n_steps: int) -> int:
        """The number of lane groups that a batch trains in, from its amount of work.

        It does not depend on the number of cores: groups add up gradients in another
        order, and the result shall be the same on every machine. On a GPU one group is
        faster. With dropout there is one group, since parallel groups would draw from
        one random state in no fixed order.
        """
        n_weights = sum(sum(_heights(v)) * v[-1].shape[-1] for v in self._variables)
        is_little = 6 * n_lanes * n_steps * n_weights < LEAST_GROUPED
        if is_little or self._dropouts or tf.config.list_logical_devices("GPU"):
            return 1
        most = max(1, n_lanes // LEAST_LANES)
        return max(n for n in range(1, most + 1) if n_lanes % n == 0)

    def in_training(self, n_groups: int) -> Callable:
        """The graph in training, as a function of weights, windows, mask and states.

        In a single compiled program, XLA splits the matrix product of every time step
        among the cores and waits for the slowest core at every step. Groups of lanes
        are independent of each other up to the loss. So each group runs as a compiled
        program of its own, and TensorFlow runs these programs in parallel.
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
    """The number of rows of a block that each of a layer's weights takes."""
    return [1 if len(v.shape) == 1 else v.shape[0] for v in layer]


def _is_elementwise(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer's step for a weight depends on no other weight.

    If so, it does the same to a block as to the weights that the block is made of.
    """
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
    """The arrays of all layers' states in one list."""
    return [value for layer in states for value in layer]
