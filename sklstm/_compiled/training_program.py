"""The compiled training pass of a program, and the optimizer whose slots it updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sklstm._compiled.device_arrays import (
    ByShape,
    DeviceTiles,
    Latest,
    LayerStates,
    Parameters,
    Rows,
    assign,
    int32,
    values_of,
)
from sklstm._compiled.forward_program import (
    ForwardProgram,
    lost_masks_refused,
    where_live,
)
from sklstm._compiled.optimizers import optimizer_key
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._network.losses import batch_loss, is_kerass_own, loss_key
from sklstm._network.one_batch import KerasGraph, StackedGraph, flat
from sklstm._rows.lanes import EMPTY
from sklstm._tensorflow import keras, tf

MOST_PASSES = 64  # in one call of a training program
MOST_TRAINERS = 8  # a search over an optimizer's settings makes one for each


class Program(ForwardProgram):
    """A network's compiled passes, on loan to one user at a time.

    Parameters
    ----------
    network : StackedLSTM or UserNetwork
    """

    def __init__(self, network: StackedLSTM | UserNetwork):
        super().__init__(network)
        self.trainers = Latest(MOST_TRAINERS)
        self.compiled_by: Trainer | None = None  # whose loss the model has

    def trainer(self, loss: Any, optimizer: keras.optimizers.Optimizer) -> Trainer:
        """The training pass for this loss and optimizer, its rate aside."""
        key = (loss_key(loss), optimizer_key(optimizer))
        return self.trainers.get(key, lambda: Trainer(self, loss, optimizer))


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
        table,
        first: int,
        stop: int,
        total: float,
        states: LayerStates,
        n_passes: int = 1,
    ) -> tuple[np.ndarray, np.ndarray, LayerStates]:
        """Passes over batches `first` to `stop` of a device batch table.

        Each of at most `MOST_PASSES` starts from `states`, which stay on the device:
        `to_numpy` fetches them.

        Returns
        -------
        totals : ndarray of shape (n_passes,)
            Sum over the windows of each pass, `total` included: each batch's loss
            times its number of windows. Summed in one order however an epoch is cut.
        outputs : ndarray of shape (stop - first, B, n_outputs)
            Predictions made on the way, in the last pass.
        states : LayerStates
            States after the last batch.
        """
        totals, outputs, after = self._window_pass(table.shape[1])(
            rows.values,
            rows.lengths,
            rows.targets,
            rows.weights,
            table,
            int32(first),
            int32(stop - first),
            int32(n_passes * (stop - first)),
            np.full(MOST_PASSES, total),
            *flat(states),
        )
        return (
            totals.numpy()[:n_passes],
            outputs.numpy()[first:stop],
            self.program.nested(after),
        )

    def train_tiles(
        self,
        rows: Rows,
        tiles: DeviceTiles,
        first: int,
        stop: int,
        total: float,
        states: LayerStates,
        keep_outputs: bool,
    ) -> tuple[np.ndarray, np.ndarray | None, LayerStates]:
        """Training over batches `first` to `stop` of tiles on the device.

        Returns
        -------
        totals : ndarray of shape (MOST_PASSES,)
            Sum over the rows of each epoch, as `train` returns it.
        outputs : ndarray of shape (stop - first, T, B, n_outputs) or None
            Predictions made on the way; None unless `keep_outputs`.
        states : LayerStates
            States after the last batch.
        """
        has_begins = tiles.begins is not None
        totals, outputs, after = self._tile_pass(has_begins, keep_outputs)(
            rows.values,
            rows.targets,
            rows.weights,
            *tiles.tensors,
            int32(first),
            int32(stop - first),
            np.full(MOST_PASSES, total),
            *flat(states),
        )
        made = None
        if keep_outputs:
            made = outputs.numpy()[first:stop]
            made = made.reshape(len(made), *tiles.table.shape[1:], -1)
        return totals.numpy(), made, self.program.nested(after)

    def _window_pass(self, n_lanes: int) -> ByShape:
        """The compiled pass over windows in so many lanes."""
        program, is_apart = self.program, self._apart is not None
        n_groups = program.graph.n_groups(n_lanes, program.sequence_length)
        one_pass = partial(self._pass_over_windows, is_apart, n_groups)
        # Of several groups each is compiled by itself, and the whole is not.
        return self._compiled((is_apart, n_groups), one_pass, n_groups == 1)

    def _tile_pass(self, has_begins: bool, keep_outputs: bool) -> ByShape:
        """The compiled pass over tiles."""
        key = (self._apart is not None, has_begins, keep_outputs)
        return self._compiled(key, partial(self._pass_over_tiles, *key), True)

    def _compiled(self, key: tuple, one_pass: Callable, jit_compile: bool) -> ByShape:
        if key not in self._passes:
            self._passes[key] = ByShape(one_pass, jit_compile, self._autograph)
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
        first,
        n_batches,
        n_total,
        sums,
        *start,
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

        def place(n):
            # `truncatediv` compiles to fewer operations than `//`, so that XLA runs a
            # small batch on one thread. One count tells pass and batch for that, too.
            n_pass = tf.truncatediv(n, n_batches)
            k = first + tf.truncatemod(n, n_batches)
            return n_pass, k, k == first

        outputs = program.outputs_like(table)
        return self._loop(is_apart, read, place, outputs, n_total, sums, *start)

    def _pass_over_tiles(
        self, is_apart, has_begins, keep_outputs, values, targets, weights, *given
    ):
        """Batches of tiles, with a target for each row of a tile."""
        graph = self.program.graph
        table, all_steps, starts, epoch_of = given[:4]
        begins = given[4] if has_begins else None
        first, n_total, sums, *start = given[4 + has_begins :]

        def read(k):
            rows = tf.gather(table, k)  # (T, B)
            live = tf.reshape(rows != EMPTY, (-1,))  # (T * B,)
            at = tf.maximum(rows, 0)
            # a layer of the user's may look across the batch
            read_at = _filled_tile(rows) if isinstance(graph, KerasGraph) else at
            x = tf.gather(values, read_at)  # (T, B, F)
            flat_at = tf.reshape(at, (-1,))
            y, w = tf.gather(targets, flat_at), tf.gather(weights, flat_at)
            steps = tf.unstack(tf.gather(all_steps, k))
            goes_on = tf.where(tf.gather(starts, k), 0.0, 1.0)  # (B,)

            def kept(state):
                factor = tf.reshape(goes_on, (-1,) + (1,) * (len(state.shape) - 1))
                return state * tf.cast(factor, state.dtype)

            carry = None
            if has_begins:
                carry = tf.where(tf.gather(begins, k), 0.0, 1.0)[:, :, tf.newaxis]

            def predict(given, before):
                return graph.over_tile(given, x, carry, steps, list(map(kept, before)))

            return _Batch(x, y, w, live, predict)

        def place(n):
            k = first + n
            return tf.gather(epoch_of, k), k, None

        outputs = self.program.outputs_like(table) if keep_outputs else None
        return self._loop(is_apart, read, place, outputs, n_total, sums, *start)

    def _loop(self, is_apart, read, place, outputs, n_total, sums, *start) -> tuple:
        """One loop over all batches of all passes.

        A loop in a loop would take longer to trace and to compile. ``place(n)`` tells
        the pass and the batch that the count n stands for, and whether the batch starts
        from the states `start`; None where it never does again.
        """
        program, graph, trained = self.program, self.program.graph, self.trained
        if not is_apart:
            graph.begin(trained)

        def body(n, totals, *others):
            before: Sequence = others[n_made:]
            n_pass, k, is_first = place(n)
            if is_first is not None:
                pairs = zip(start, before, strict=True)
                before = [tf.where(is_first, *pair) for pair in pairs]
            batch = read(k)
            with tf.GradientTape() as tape:
                y_pred, after = batch.predict(graph.weights(trained), before)
                given = batch.x, batch.y, y_pred, batch.w, batch.live
                loss = batch_loss(program.model, self.loss, *given)
            self.optimizer.apply(tape.gradient(loss, trained), trained)
            if batch.live is not None:
                loss *= tf.reduce_sum(tf.cast(batch.live, loss.dtype))
            sum_so_far = totals.read(n_pass) + tf.cast(loss, tf.float64)
            totals = totals.write(n_pass, sum_so_far)
            made = [
                array.write(k, tf.cast(y_pred, tf.float32)) for array in others[:n_made]
            ]
            return n + 1, totals, *made, *after

        kept = () if outputs is None else (outputs,)
        n_made = len(kept)
        totals = tf.TensorArray(tf.float64, MOST_PASSES)
        _, totals, *others = tf.while_loop(
            lambda n, *_: n < n_total,
            body,
            (0, totals.unstack(sums), *kept, *start),
        )
        if not is_apart:
            graph.end(trained)
        outputs = others[0].stack() if n_made else tf.zeros(0)
        return totals.stack(), outputs, others[n_made:]

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


def _filled_tile(rows):
    """A tile, of shape (T, B), whose empty steps repeat those with a row in turn."""
    flat_rows = tf.reshape(rows, (-1,))
    n = flat_rows.shape[0]
    live = flat_rows != EMPTY
    places = tf.sort(tf.where(live, tf.range(n), n))  # those with a row come first
    n_live = tf.reduce_sum(tf.cast(live, tf.int32))
    nth = tf.cumsum(tf.cast(~live, tf.int32)) - 1  # of the empty steps
    others = tf.gather(flat_rows, tf.gather(places, nth % n_live))
    return tf.reshape(tf.where(live, flat_rows, others), rows.shape)
