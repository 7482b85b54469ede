"""Compiled programs: (weights, state, rows) in, (results, state) out.

A `Program` owns one Keras model with its variables and the compiled passes over it.
Compiling costs about a second, so programs outlive fits: the process-wide `POOL`
lends a program to one user at a time, who loads weights into it and reads them back.
Nothing of an estimator lives here between two loans.

Every pass walks a batch table (see `_geometry`) in a loop inside the program. The
number of batches is a run-time value and arrays are padded to a capacity, so that
folds of different lengths share one compilation; windows are gathered inside the
loop, so that memory grows with the rows and not with rows times sequence_length.
"""

from __future__ import annotations

import functools
import json
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._geometry import EMPTY, capacity, table_capacity
from sklstm._graphs import flat, graph_of
from sklstm._losses import is_kerass_own, loss_key
from sklstm._network import StackedLSTM, UserNetwork, state_variables
from sklstm._tensorflow import keras, tf
from sklstm._windows import Windows

Arrays = tuple[np.ndarray, ...]
_NO_LENGTHS = np.empty(0, np.int32)
MOST_PASSES = 64  # in one call of a training program
LARGEST_REUSED_ROOM = 16384  # padding 16384 rows of ten features takes 0.1 ms
LayerStates = tuple[tuple[Any, ...], ...]  # of arrays, or of tensors


@dataclass(frozen=True, eq=False)
class Parameters:
    """Everything a fit learns, as NumPy arrays.

    Parameters
    ----------
    weights : tuple of ndarray
        In the order of the Keras model's ``weights``.
    seeds : tuple of ndarray
        States of the model's seed generators (dropout).
    slots : tuple of ndarray
        The optimizer's variables; empty before training.
    """

    weights: Arrays
    seeds: Arrays = ()
    slots: Arrays = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows on the device, padded to a capacity.

    Parameters
    ----------
    values : tensor of shape (capacity, n_features)
    stride : int
        Rows for each target: 1 for a series, the window length for ready-made windows.
    targets : tensor of shape (capacity, n_outputs) or None
    weights : tensor of shape (capacity,) or None
    lengths : tensor of shape (capacity,) or (0,)
        Rows that each padded window has; empty where none is padded.
    """

    values: Any
    stride: int
    targets: Any
    weights: Any
    lengths: Any

    @property
    def room(self) -> int:
        """The capacity."""
        return self.values.shape[0]

    def put_table(self, table: np.ndarray):
        """A batch table over these rows on the device, padded to fit any other one."""
        return _padded(table, table_capacity(self.room, table.shape[1]), np.int32)


class Program:
    """A Keras model and its compiled passes, on loan to one user at a time."""

    def __init__(self, network: StackedLSTM | UserNetwork):
        self.graph = graph_of(network)
        self.model = self.graph.model
        self.weights = self.model.weights
        known = {id(variable) for variable in self.weights}
        self.seeds = [v for v in self.model.variables if id(v) not in known]
        self.states = state_variables(self.model)
        self.sequence_length = network.sequence_length
        self.n_outputs = self.model.outputs[0].shape[-1]
        self.trainers: dict[tuple, Trainer] = {}
        self.compiled_by: Trainer | None = None  # whose loss the model has, no metrics
        self._held: Parameters | None = None
        self._rooms: set[int] = set()
        # Python's own ifs and loops over tensors may be in a user's layers only.
        self.autograph = not isinstance(network, StackedLSTM)
        options = {"autograph": self.autograph}
        self._compiled_forward = _ByShape(self._forward_pass, True, **options)
        self._traced_short = _ByShape(self._short_pass, False, **options)

    def put_rows(self, windows: Windows, targets=None, weights=None) -> Rows:
        """Rows on the device, in the room of a program already compiled if it fits.

        Those of windows that are there already stay: a fit trains on its rows and then
        walks over them, and a million rows twice would be too many.
        """
        if windows not in _ON_DEVICE:
            n = len(windows.rows)
            known = [room for room in self._rooms if n <= room <= LARGEST_REUSED_ROOM]
            room = min(known, default=capacity(n))
            lengths = _NO_LENGTHS
            if windows.is_padded:
                lengths = _padded(windows.lengths, room, np.int32)
            _ON_DEVICE[windows] = _padded(windows.rows, room), lengths
        values, lengths = _ON_DEVICE[windows]
        room = values.shape[0]
        self._rooms.add(room)
        return Rows(
            values,
            windows.stride,
            None if targets is None else _padded(targets, room),
            None if weights is None else _padded(weights, room),
            lengths,
        )

    def load(self, parameters: Parameters) -> None:
        """Set the model's weights and seeds, unless they are there already."""
        if self._held is not parameters:
            _assign(self.weights, parameters.weights)
            _assign(self.seeds, parameters.seeds)
            self._held = parameters

    def release(self) -> None:
        """Forget which parameters are loaded: someone is about to change them."""
        self._held = None

    def zero_states(self) -> LayerStates:
        """The state of every recurrent layer before any row."""
        return tuple(
            tuple(np.zeros(v.shape, v.dtype) for v in layer) for layer in self.states
        )

    def trainer(self, loss: Any, optimizer: keras.optimizers.Optimizer) -> Trainer:
        """The training pass for this loss and optimizer, its learning rate aside."""
        key = (loss_key(loss), _optimizer_key(optimizer))
        if key not in self.trainers:
            self.trainers[key] = Trainer(self, loss, optimizer)
        return self.trainers[key]

    def forward(
        self, rows: Rows, table: np.ndarray, states: LayerStates
    ) -> tuple[np.ndarray, LayerStates]:
        """Outputs of shape (K, B, n_outputs) and the states after the last batch."""
        outputs, after = self._compiled_forward(
            rows.values,
            rows.lengths,
            rows.put_table(table),
            _int32(len(table)),
            *flat(states),
        )
        return outputs.numpy()[: len(table)], to_numpy(self._nested(after))

    def forward_short(
        self, rows: Rows, table: np.ndarray, lengths: np.ndarray
    ) -> np.ndarray:
        """Outputs of windows of `lengths` rows, each from zero state.

        Both arrays have shape (K, B). At most ``sequence_length - 1`` windows of a
        series are short, so this pass is traced but not worth compiling.
        """
        outputs = self._traced_short(
            rows.values,
            rows.put_table(table),
            rows.put_table(lengths),
            _int32(len(table)),
        )
        return outputs.numpy()[: len(table)]

    def _forward_pass(self, values, lengths, table, n_batches, *states):
        weights = self.graph.weights()

        def body(k, outputs, *before):
            ends = table[k]  # (B,)
            x, mask = self._windows(values, ends), self._mask(lengths, ends)
            with _lost_masks_refused(mask):
                y_pred, after = self.graph(weights, x, mask, before, training=False)
            after = _where_live(ends != EMPTY, after, before)
            return k + 1, outputs.write(k, tf.cast(y_pred, tf.float32)), *after

        _, outputs, *states = tf.while_loop(
            lambda k, *_: k < n_batches, body, (0, self._outputs_like(table), *states)
        )
        return outputs.stack(), states

    def _short_pass(self, values, table, lengths, n_batches):
        weights = self.graph.weights()
        steps = tf.range(self.sequence_length - 1, -1, -1)  # steps before the end
        zero = [tf.zeros(v.shape, v.dtype) for layer in self.states for v in layer]

        def body(k, outputs):
            x, mask = self._windows(values, table[k]), steps < lengths[k][:, tf.newaxis]
            y_pred, _ = self.graph(weights, x, mask, zero, training=False)
            return k + 1, outputs.write(k, tf.cast(y_pred, tf.float32))

        _, outputs = tf.while_loop(
            lambda k, _: k < n_batches, body, (0, self._outputs_like(table))
        )
        return outputs.stack()

    def _mask(self, lengths, ends):
        """Which steps of windows that end at `ends` are no padding; None if all are."""
        if not lengths.shape[0]:
            return None
        at = tf.maximum(ends, 0) // self.sequence_length
        steps = tf.range(self.sequence_length - 1, -1, -1)  # steps before the end
        return steps < tf.gather(lengths, at)[:, tf.newaxis]  # (B, T)

    def _outputs_like(self, table):
        """Room for the outputs of every entry of a batch table."""
        n_batches, n_lanes = table.shape
        shape = (n_lanes, self.n_outputs)
        return tf.TensorArray(tf.float32, n_batches, element_shape=shape)

    def _windows(self, values, ends):
        """Windows of shape (B, T, F) that end at rows `ends`, of shape (B,)."""
        offsets = tf.range(1 - self.sequence_length, 1)  # (T,)
        indices = tf.maximum(ends[:, tf.newaxis] + offsets, 0)  # (B, T)
        return tf.gather(values, indices)

    def _nested(self, flat: Sequence) -> LayerStates:
        values = iter(flat)
        return tuple(tuple(next(values) for _ in layer) for layer in self.states)


class _ByShape:
    """A function of tensors, traced once for each combination of their shapes.

    Calling the traced function itself skips `tf.function`'s dispatch, a third of the
    time of a pass over 25 single rows, and its warning that shapes differ.
    """

    def __init__(self, function: Callable, jit_compile: bool, autograph: bool):
        self._function = tf.function(
            function, jit_compile=jit_compile, autograph=autograph
        )
        self._traced: dict[tuple, Callable] = {}

    def __call__(self, *tensors):
        given = [tf.convert_to_tensor(tensor) for tensor in tensors]
        shapes = tuple([tuple(tensor.shape) for tensor in given])
        if shapes not in self._traced:
            self._traced[shapes] = self._function.get_concrete_function(*given)
        return self._traced[shapes](*given)


class Trainer:
    """The compiled training pass of a program for one loss and one optimizer."""

    def __init__(self, program: Program, loss, optimizer):
        self.program = program
        self.loss = loss
        self.optimizer = type(optimizer).from_config(optimizer.get_config())
        self.trained = program.graph.trained_variables(self.optimizer)
        self.optimizer.build(self.trained)
        self._fresh_slots = tuple(v.numpy() for v in self.optimizer.variables)
        autograph = program.autograph or not is_kerass_own(loss)
        self._compiled_train = _ByShape(self._train_pass, True, autograph)

    def start(
        self, parameters: Parameters, metrics, learning_rate: float | None
    ) -> None:
        """Make the program's model ready to train on from `parameters`.

        Slots of another optimizer are not taken over. Where `learning_rate` is None,
        it is the one among the slots.
        """
        program = self.program
        program.load(parameters)
        program.release()
        shapes = [slot.shape for slot in parameters.slots]
        is_ours = shapes == [slot.shape for slot in self._fresh_slots]
        _assign(
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
        return Parameters(
            _values(self.program.weights),
            _values(self.program.seeds),
            _values(self.optimizer.variables),
        )

    def write(self, parameters: Parameters) -> None:
        """Put `parameters` back, the optimizer's variables among them."""
        _assign(self.program.weights, parameters.weights)
        _assign(self.program.seeds, parameters.seeds)
        _assign(self.optimizer.variables, parameters.slots)

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
        totals, outputs, after = self._compiled_train(
            rows.values,
            rows.lengths,
            rows.targets,
            rows.weights,
            _int32(rows.stride),
            table,
            _int32(first),
            _int32(stop),
            _int32(n_passes),
            np.float64(total),
            *flat(states),
        )
        return (
            totals.numpy()[:n_passes],
            outputs.numpy()[first:stop],
            self.program._nested(after),
        )

    def _train_pass(
        self,
        values,
        lengths,
        targets,
        weights,
        stride,
        table,
        first,
        stop,
        n_passes,
        total,
        *states,
    ):
        program, graph, trained = self.program, self.program.graph, self.trained
        graph.begin(trained)

        def body(k, total, outputs, *before):
            ends = table[k]  # (B,)
            live = ends != EMPTY
            at = tf.maximum(ends, 0) // stride
            x, y = program._windows(values, ends), tf.gather(targets, at)
            w, mask = tf.gather(weights, at), program._mask(lengths, ends)
            with tf.GradientTape() as tape:
                given = graph.weights(trained)
                with _lost_masks_refused(mask):
                    y_pred, after = graph(given, x, mask, before, training=True)
                # Keras leaves masked entries out of a loss's sum and of its count.
                y_pred._keras_mask = live
                loss = program.model.compute_loss(x, y, y_pred, w)
            self.optimizer.apply(tape.gradient(loss, trained), trained)
            after = _where_live(live, after, before)
            loss *= tf.reduce_sum(tf.cast(live, loss.dtype))
            total += tf.cast(loss, tf.float64)
            return k + 1, total, outputs.write(k, tf.cast(y_pred, tf.float32)), *after

        def one_pass(n, totals, outputs, *_):
            _, after, outputs, *states_after = tf.while_loop(
                lambda k, *_: k < stop, body, (first, total, outputs, *states)
            )
            return n + 1, totals.write(n, after), outputs, *states_after

        totals = tf.TensorArray(tf.float64, MOST_PASSES, element_shape=())
        _, totals, outputs, *after = tf.while_loop(
            lambda n, *_: n < n_passes,
            one_pass,
            (0, totals, program._outputs_like(table), *states),
        )
        graph.end(trained)
        return totals.stack(), outputs.stack(), after

    def finish(self) -> None:
        """What Keras does at the end of training (weights of a moving average)."""
        self.optimizer.finalize_variable_values(self.trained)


class ProgramPool:
    """Idle programs by network, the least recently used dropped first.

    Parameters
    ----------
    n_idle : int
        How many idle programs to keep.
    """

    def __init__(self, n_idle: int = 16):
        self.n_idle = n_idle
        self._idle: OrderedDict[tuple, list[Program]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, network: StackedLSTM | UserNetwork) -> Iterator[Program]:
        """Lend a program for `network`; a second user meanwhile gets another one."""
        program = self._take(network.key) or Program(network)
        yield program  # after an error the program is not taken back
        self._give_back(network.key, program)

    def clear(self) -> None:
        """Drop every idle program."""
        with self._lock:
            self._idle.clear()

    def _take(self, key: tuple) -> Program | None:
        with self._lock:
            programs = self._idle.get(key)
            if not programs:
                return None
            self._idle.move_to_end(key)
            return programs.pop()

    def _give_back(self, key: tuple, program: Program) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(program)
            self._idle.move_to_end(key)
            while sum(map(len, self._idle.values())) > self.n_idle:
                oldest = next(iter(self._idle))
                del self._idle[oldest][:1]
                if not self._idle[oldest]:
                    del self._idle[oldest]


POOL = ProgramPool()
_ON_DEVICE: MutableMapping[Windows, tuple] = weakref.WeakKeyDictionary()


def _where_live(live, after: Sequence, before: Sequence) -> list:
    """States after a batch, in lanes without a window those before it."""
    return [
        tf.where(tf.reshape(live, (-1,) + (1,) * (len(new.shape) - 1)), new, old)
        for new, old in zip(after, before, strict=True)
    ]


def _padded(array: np.ndarray, room: int, dtype=np.float32):
    """A tensor with `room` for entries along the first axis."""
    if len(array) < room:
        padded = np.zeros((room, *array.shape[1:]), dtype)
        padded[: len(array)] = array
        array = padded
    # `identity` lets go of the second copy that a tensor made from an array holds
    return tf.identity(np.ascontiguousarray(array, dtype))


@contextmanager
def _lost_masks_refused(mask) -> Iterator[None]:
    """Turn Keras's warning that a layer drops our `mask` into an error.

    Without one, a mask that the user's own layers make and drop is the user's affair.
    """
    if mask is None:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*does not support mask")
        try:
            yield
        except UserWarning as warning:
            raise ValueError(
                "The model has a layer before its recurrent ones that cannot tell"
                f" padding from data: {warning} Pass windows of one length, or leave"
                " that layer out."
            ) from None


def to_device(states: LayerStates) -> LayerStates:
    """The state arrays as tensors."""
    return tuple(tuple(map(tf.convert_to_tensor, layer)) for layer in states)


def to_numpy(states: LayerStates) -> LayerStates:
    """The state tensors as arrays of their own."""
    return tuple(tuple(np.array(v.numpy()) for v in layer) for layer in states)


@functools.lru_cache(maxsize=1024)
def _int32(value: int):
    """A run-time number: a Python int would be compiled into the program."""
    return tf.constant(value, tf.int32)


def _assign(variables: Sequence, values: Sequence) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.value.assign(value)  # TensorFlow's own: half the time of Keras's


def _values(variables: Sequence) -> Arrays:
    return tuple(np.array(variable.numpy()) for variable in variables)


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The learning rate, or None where a schedule sets it."""
    if _has_schedule(optimizer):
        return None
    return float(optimizer.learning_rate)


def _has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return isinstance(getattr(optimizer, "_learning_rate", None), schedule)


def _optimizer_key(optimizer: keras.optimizers.Optimizer) -> tuple:
    config = dict(optimizer.get_config(), name=None)
    if not _has_schedule(optimizer):
        config["learning_rate"] = None  # a variable: another value, the same program
    return (type(optimizer), json.dumps(config, sort_keys=True, default=str))
