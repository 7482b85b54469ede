"""The compiled training pass of a program, and the optimizer whose slots it updates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sklstm._compiled.device_arrays import (
    ByShape,
    LayerStates,
    Parameters,
    Rows,
    assign,
    int32,
    values_of,
)
from sklstm._compiled.forward_program import Program, lost_masks_refused, where_live
from sklstm._network.losses import is_kerass_own, loss_key
from sklstm._network.one_batch import KerasGraph, StackedGraph, flat
from sklstm._rows.lanes import EMPTY
from sklstm._tensorflow import keras, tf

MOST_PASSES = 64  # in one call of a training program


def trainer_of(
    program: Program, loss: Any, optimizer: keras.optimizers.Optimizer
) -> Trainer:
    """The program's training pass for this loss and optimizer, its rate aside."""
    key = (loss_key(loss), optimizer_key(optimizer))
    return program.trainers.get(key, lambda: Trainer(program, loss, optimizer))


class Trainer:
    """The compiled training pass of a program for one loss and one optimizer."""

    def __init__(self, program: Program, loss, optimizer):
        self.program = program
        self.loss = loss
        self.optimizer = type(optimizer).from_config(optimizer.get_config())
        self.trained = program.graph.trained_variables(self.optimizer)
        self.optimizer.build(self.trained)
        self._fresh_slots = tuple(v.numpy() for v in self.optimizer.variables)
        self._apart: StackedGraph | None = None  # where the model's weights stay behind
        self._autograph = program.autograph or not is_kerass_own(loss)
        self._passes: dict[tuple, ByShape] = {}

    def start(
        self,
        parameters: Parameters,
        metrics,
        learning_rate: float | None,
        is_watched: bool,
    ) -> None:
        """Make the program's model ready to train on from `parameters`.

        Slots of other shapes are not taken over. Where `learning_rate` is None,
        it is the one among the slots. Where training `is_watched`, the model has the
        right weights before and after every call of `train`.
        """
        program = self.program
        graph = program.graph
        self._apart = None
        if not is_watched and isinstance(graph, StackedGraph):
            self._apart = graph if graph.has_blocks(self.trained) else None
        program.release()
        self._put(parameters)
        shapes = [slot.shape for slot in parameters.slots]
        is_ours = shapes == [slot.shape for slot in self._fresh_slots]
        assign(
            self.optimizer.variables, parameters.slots if is_ours else self._fresh_slots
        )
        if learning_rate is not None:
            self.optimizer.learning_rate = learning_rate
        if metrics or program.compiled_by is not self:  # 2 ms of every fit
            program.model.compile(
                optimizer=self.optimizer,
                loss=self.loss,
                metrics=metrics,
                jit_compile=False,
            )
            program.compiled_by = None if metrics else self
        program.model.stop_training = False

    def read(self) -> Parameters:
        """The parameters as they stand, copied out."""
        if self._apart is None:
            weights = values_of(self.program.weights)
        else:
            weights = self._apart.unstacked(values_of(self.trained))
        return Parameters(
            weights, values_of(self.program.seeds), values_of(self.optimizer.variables)
        )

    def write(self, parameters: Parameters) -> None:
        """Put `parameters` back, the optimizer's variables among them."""
        self._put(parameters)
        assign(self.optimizer.variables, parameters.slots)

    def _put(self, parameters: Parameters) -> None:
        """Put the weights where training finds them, and the seeds."""
        if self._apart is None:
            assign(self.program.weights, parameters.weights)
        else:
            assign(self.trained, self._apart.stacked(parameters.weights))
        assign(self.program.seeds, parameters.seeds)

    def train(
        self,
        rows: Rows,
        layout: tuple,
        first: int,
        stop: int,
        total: float,
        states: LayerStates,
        n_passes: int = 1,
    ) -> tuple[np.ndarray, np.ndarray, LayerStates]:
        """Passes over batches `first` to `stop` of a layout on the device.

        Each of at most `MOST_PASSES` starts from `states`, which stay on the device:
        `to_numpy` fetches them.

        Parameters
        ----------
        rows : Rows
            With targets and weights.
        layout : tuple of tensors
            As `Rows.put_layout` returns it.
        first, stop : int
        total : float
            What to add to the sums.
        states : LayerStates
        n_passes : int

        Returns
        -------
        totals : ndarray of shape (n_passes,)
            Sum over each pass, `total` included: each batch's loss times the number of
            its targets. Summed in one order however an epoch is cut.
        outputs : ndarray of shape (stop - first, ..., n_outputs)
            Predictions made on the way, in the last pass, where the layout has targets.
        states : LayerStates
            States after the last batch.
        """
        n_lanes = layout[0].shape[-1]
        totals, outputs, after = self._pass_over(n_lanes, len(layout) > 1)(
            rows.values,
            rows.lengths,
            rows.targets,
            rows.weights,
            *layout,
            int32(first),
            int32(stop - first),
            int32(n_passes * (stop - first)),
            np.full(MOST_PASSES, total),
            *flat(states),
        )
        outputs = outputs.numpy()[first:stop]  # (K, B or T * B, n_outputs)
        shape = (*layout[0].shape[1:], outputs.shape[-1])
        return (
            totals.numpy()[:n_passes],
            outputs.reshape(len(outputs), *shape),
            self.program.nested(after),
        )

    def _pass_over(self, n_lanes: int, is_tiled: bool) -> ByShape:
        """The compiled pass over batches of so many lanes."""
        program, is_apart = self.program, self._apart is not None
        n_groups = 1
        if not is_tiled:
            n_groups = program.graph.n_groups(n_lanes, program.sequence_length)
        key = (is_apart, is_tiled, n_groups)
        if key not in self._passes:
            one_pass = (
                partial(self._pass_over_tiles, is_apart)
                if is_tiled
                else partial(self._pass_over_windows, is_apart, n_groups)
            )
            # Of several groups each is compiled by itself, and the whole is not.
            self._passes[key] = ByShape(one_pass, n_groups == 1, self._autograph)
        return self._passes[key]

    def _pass_over_windows(
        self,
        is_apart,
        n_groups,
        values,
        lengths,
        targets,
        weights,
        table,
        *counts_and_states,
    ):
        """Batches of sliding or ready-made windows, with a target for each window."""
        program, graph = self.program, self.program.graph
        forward = graph.in_training(n_groups)
        # rows for each target: the shapes tell, and what is constant costs nothing
        is_series = targets.shape[0] == values.shape[0]
        stride = 1 if is_series else program.sequence_length

        def read(k):
            ends = tf.gather(table, k)  # (B,); by `table[k]`, XLA would compile k in
            live = None if table.shape[1] == 1 else ends != EMPTY  # one lane always is
            at = tf.truncatediv(tf.maximum(ends, 0), stride)
            y, w = tf.gather(targets, at), tf.gather(weights, at)
            if live is not None and isinstance(graph, KerasGraph):
                ends = _filled(ends)  # a layer may look across the batch
            x, mask = program.windows(values, ends), program.mask(lengths, ends)

            def predict(given, before):
                with lost_masks_refused(mask):
                    y_pred, after = forward(given, x, mask, before)
                if live is not None:
                    after = where_live(live, after, before)
                return y_pred, after

            return _Batch(x, y, w, live, predict)

        outputs = program.outputs_like(table)
        return self._loop(is_apart, read, outputs, *counts_and_states)

    def _pass_over_tiles(
        self,
        is_apart,
        values,
        lengths,
        targets,
        weights,
        table,
        begins,
        *counts_and_states,
    ):
        """Batches of tiles, with a target for each row of a tile."""
        graph = self.program.graph

        def read(k):
            rows = tf.gather(table, k)  # (T, B)
            live = tf.reshape(rows != EMPTY, (-1,))  # (T * B,)
            at = tf.maximum(rows, 0)
            x = tf.gather(values, at)  # (T, B, F)
            flat_at = tf.reshape(at, (-1,))
            y, w = tf.gather(targets, flat_at), tf.gather(weights, flat_at)
            carry = tf.where(tf.gather(begins, k), 0.0, 1.0)[:, :, tf.newaxis]

            def predict(given, before):
                return graph.over_tile(given, x, carry, before)

            return _Batch(x, y, w, live, predict)

        outputs = self.program.outputs_like(table)
        return self._loop(is_apart, read, outputs, *counts_and_states)

    def _loop(
        self, is_apart, read, outputs, first, n_batches, n_total, sums, *start
    ) -> tuple:
        """One loop over all batches of all passes.

        A loop in a loop would take longer to trace and to compile.
        """
        program, graph, trained = self.program, self.program.graph, self.trained
        if not is_apart:
            graph.begin(trained)

        # `truncatediv` compiles to fewer operations than `//`, so that XLA runs a small
        # batch on one thread. For the same reason one count tells pass and batch.
        def body(n, totals, outputs, *states):
            n_pass = tf.truncatediv(n, n_batches)
            k = first + tf.truncatemod(n, n_batches)
            is_first = k == first
            before = [
                tf.where(is_first, *pair) for pair in zip(start, states, strict=True)
            ]
            batch = read(k)
            with tf.GradientTape() as tape:
                y_pred, after = batch.predict(graph.weights(trained), before)
                # Keras leaves masked entries out of a loss's sum and of its count.
                y_pred._keras_mask = batch.live
                loss = program.model.compute_loss(batch.x, batch.y, y_pred, batch.w)
            self.optimizer.apply(tape.gradient(loss, trained), trained)
            if batch.live is not None:
                loss *= tf.reduce_sum(tf.cast(batch.live, loss.dtype))
            sum_so_far = totals.read(n_pass) + tf.cast(loss, tf.float64)
            totals = totals.write(n_pass, sum_so_far)
            outputs = outputs.write(k, tf.cast(y_pred, tf.float32))
            return n + 1, totals, outputs, *after

        totals = tf.TensorArray(tf.float64, MOST_PASSES)
        _, totals, outputs, *after = tf.while_loop(
            lambda n, *_: n < n_total,
            body,
            (0, totals.unstack(sums), outputs, *start),
        )
        if not is_apart:
            graph.end(trained)
        return totals.stack(), outputs.stack(), after

    def finish(self) -> None:
        """What Keras does at the end of training (weights of a moving average)."""
        self.optimizer.finalize_variable_values(self.trained)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Tensors of a batch inside a compiled pass.

    `live`, of shape (n_targets,) or None, is False where there is no target.
    ``predict(weights, states)`` gives the outputs and the states after the batch.
    """

    x: Any
    y: Any
    w: Any
    live: Any
    predict: Callable


def _filled(ends):
    """A row of a batch table whose lanes without a window repeat those with one.

    Lanes with a window are side by side, so counting round them finds one for each.
    """
    live = tf.cast(ends != EMPTY, tf.int32)
    first = tf.argmax(live, output_type=tf.int32)
    lanes = first + (tf.range(ends.shape[0]) - first) % tf.reduce_sum(live)
    return tf.gather(ends, lanes)


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The learning rate, or None where a schedule sets it."""
    if _has_schedule(optimizer):
        return None
    return float(optimizer.learning_rate)


def _has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return isinstance(getattr(optimizer, "_learning_rate", None), schedule)


def optimizer_key(optimizer: keras.optimizers.Optimizer) -> tuple:
    """What distinguishes an optimizer's compiled passes: all but a rate."""
    config = dict(optimizer.get_config(), name=None)
    if not _has_schedule(optimizer):
        config["learning_rate"] = None  # a variable: another value, the same program
    return (type(optimizer), json.dumps(config, sort_keys=True, default=str))
