"""Compiled programs: (weights, state, rows) in, (results, state) out.

A `ForwardProgram` owns one Keras model with its variables and the compiled forward
passes over it; `training_program` adds those of training.
Compiling costs about a second, so programs outlive fits: the process-wide `POOL`
lends a program to one user at a time, who loads weights into it and reads them back.

Every pass walks a batch table (see `_rows.lanes`) in a loop inside the program. The
number of batches is a run-time value and arrays are padded to a capacity, so that
folds of different lengths share one compilation; windows are gathered inside the
loop, so that memory grows with the rows and not with rows times sequence_length.
"""

from __future__ import annotations

import itertools
import math
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from sklstm._compiled.device_arrays import (
    ByShape,
    LayerStates,
    Parameters,
    Rows,
    assign,
    int32,
    padded,
    to_numpy,
)
from sklstm._network.architecture import StackedLSTM, UserNetwork, state_variables
from sklstm._network.one_batch import flat, graph_of
from sklstm._rows.lanes import EMPTY, capacity
from sklstm._rows.tiles import PlainRows
from sklstm._rows.windows import Windows
from sklstm._tensorflow import start_devices, tf

_NO_LENGTHS = np.empty(0, np.int32)
LARGEST_REUSED_ROOM = 16384  # padding 16384 rows of ten features takes 0.1 ms


class ForwardProgram:
    """A Keras model and its compiled passes, on loan to one user at a time."""

    def __init__(self, network: StackedLSTM | UserNetwork):
        start_devices()
        self.graph = graph_of(network)
        self.model = self.graph.model
        self.weights = self.model.weights
        known = {id(variable) for variable in self.weights}
        self.seeds = [v for v in self.model.variables if id(v) not in known]
        self.states = state_variables(self.model)
        self.sequence_length = network.sequence_length
        self.n_outputs = self.model.outputs[0].shape[-1]
        self._held: Callable[[], Parameters | None] = lambda: None
        self._rooms: set[int] = set()
        # Python's own ifs and loops over tensors may be in a user's layers only.
        self.autograph = not isinstance(network, StackedLSTM)
        options = {"autograph": self.autograph}
        self._compiled_forward = ByShape(self._forward_pass, True, **options)
        self._traced_short = ByShape(self._short_pass, False, **options)
        self._compiled_steps = {
            masks: ByShape(partial(self._steps_pass, *masks), True, **options)
            for masks in itertools.product((False, True), repeat=2)
        }

    def put_rows(
        self, windows: Windows | PlainRows, targets=None, weights=None
    ) -> Rows:
        """Rows on the device, in the room of a program already compiled if it fits.

        Those of windows that are there already stay: a fit trains on its rows and then
        walks over them, and a million rows twice would be too many. The rows of tiles
        are not walked over there, and do not stay.
        """
        if windows in _ON_DEVICE:
            values, lengths = _ON_DEVICE[windows]
        else:
            n = len(windows.rows)
            known = [room for room in self._rooms if n <= room <= LARGEST_REUSED_ROOM]
            room = min(known, default=capacity(n))
            lengths = _NO_LENGTHS
            if isinstance(windows, Windows) and windows.is_padded:
                lengths = padded(windows.lengths, -(-room // windows.stride), np.int32)
            values = padded(windows.rows, room)
            if isinstance(windows, Windows):
                _ON_DEVICE[windows] = values, lengths
        self._rooms.add(values.shape[0])
        rows = Rows(values, windows.stride, None, None, lengths)
        return replace(
            rows,
            targets=None if targets is None else padded(targets, rows.room),
            weights=None if weights is None else padded(weights, rows.room),
        )

    def load(self, parameters: Parameters) -> None:
        """Set the model's seeds, and its weights unless they are there already."""
        if self._held() is not parameters:
            assign(self.weights, parameters.weights)
            self._held = weakref.ref(parameters)
        assign(self.seeds, parameters.seeds)  # an own layer may draw in any pass

    def release(self) -> None:
        """Forget which parameters are loaded: someone is about to change them."""
        self._held = lambda: None

    def zero_states(self) -> LayerStates:
        """The state of every recurrent layer before any row."""
        return tuple(
            tuple(np.zeros(v.shape, v.dtype) for v in layer) for layer in self.states
        )

    def show_states(self, states: LayerStates) -> None:
        """Put states into the model's layers, for callbacks to look at."""
        assign(flat(self.states), flat(states))

    def shown_states(self) -> LayerStates:
        """The states in the model's layers, as callbacks left them."""
        return self.nested([tf.convert_to_tensor(v) for v in flat(self.states)])

    def forward(
        self, rows: Rows, table: np.ndarray, states: LayerStates
    ) -> tuple[np.ndarray, LayerStates]:
        """Outputs of shape (K, B, n_outputs) and the states after the last batch."""
        outputs, after = self._compiled_forward(
            rows.values,
            rows.lengths,
            rows.put_table(table),
            int32(len(table)),
            *flat(states),
        )
        return outputs.numpy()[: len(table)], to_numpy(self.nested(after))

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
            int32(len(table)),
        )
        return outputs.numpy()[: len(table)]

    def forward_steps(
        self,
        x: np.ndarray,
        live: np.ndarray | None,
        begins: np.ndarray | None,
        states: LayerStates,
        room: tuple[int, int],
    ) -> tuple[np.ndarray, LayerStates]:
        """Outputs for series side by side, one row of each at every step.

        Parameters
        ----------
        x : ndarray of shape (n_steps, n_lanes, n_features)
        live : ndarray of bool of shape (n_steps, n_lanes) or None
            False where a lane has no row, and keeps its state; None if all have one.
        begins : ndarray of bool of shape (n_steps, n_lanes) or None
            True at steps that start from zero state; None if there is none.
        states : LayerStates
            Of `n_lanes` lanes.
        room : tuple of int
            Steps and lanes to pad to, so that calls of other sizes share a program.

        Returns
        -------
        outputs : ndarray of shape (n_steps, n_lanes, n_outputs)
        states : LayerStates
        """
        n_steps, n_lanes = x.shape[:2]
        masks = [live, None if begins is None else ~begins]
        given = [
            _fill(mask[..., np.newaxis], room) for mask in masks if mask is not None
        ]
        outputs, after = self._compiled_steps[live is not None, begins is not None](
            _fill(x, room),
            int32(n_steps),
            *given,
            *(_fill(value, room[1:]) for value in flat(states)),
        )
        # cut in NumPy, since slices of tensors cost a call of TensorFlow each
        after = [np.array(value.numpy()[:n_lanes]) for value in after]
        return outputs.numpy()[:n_steps, :n_lanes], self.nested(after)

    def _steps_pass(self, has_live, has_begins, x, n_steps, *given):
        masks, states = given[: has_live + has_begins], given[has_live + has_begins :]
        live = masks[0] if has_live else None
        carry = tf.cast(masks[-1], tf.float32) if has_begins else None
        weights = self.graph.weights()
        return self.graph.over_steps(weights, x, n_steps, live, carry, states)

    def _forward_pass(self, values, lengths, table, n_batches, *states):
        weights = self.graph.weights()

        def body(k, outputs, *before):
            ends = table[k]  # (B,)
            x, mask = self.windows(values, ends), self.mask(lengths, ends)
            with lost_masks_refused(mask):
                y_pred, after = self.graph(weights, x, mask, before, training=False)
            after = where_live(ends != EMPTY, after, before)
            return k + 1, outputs.write(k, tf.cast(y_pred, tf.float32)), *after

        _, outputs, *states = tf.while_loop(
            lambda k, *_: k < n_batches, body, (0, self.outputs_like(table), *states)
        )
        return outputs.stack(), states

    def _short_pass(self, values, table, lengths, n_batches):
        weights = self.graph.weights()
        zero = [tf.zeros(v.shape, v.dtype) for layer in self.states for v in layer]

        def body(k, outputs):
            x, mask = self.windows(values, table[k]), self._live_steps(lengths[k])
            y_pred, _ = self.graph(weights, x, mask, zero, training=False)
            return k + 1, outputs.write(k, tf.cast(y_pred, tf.float32))

        _, outputs = tf.while_loop(
            lambda k, _: k < n_batches, body, (0, self.outputs_like(table))
        )
        return outputs.stack()

    def mask(self, lengths, ends):
        """Which steps of windows that end at `ends` are no padding; None if all are."""
        if not lengths.shape[0]:
            return None
        at = tf.maximum(ends, 0) // self.sequence_length
        return self._live_steps(tf.gather(lengths, at))

    def _live_steps(self, lengths):
        """Of shape (B, T): True at the last steps, as many as `lengths` says."""
        steps = tf.range(self.sequence_length - 1, -1, -1)  # steps before the end
        return steps < lengths[:, tf.newaxis]

    def outputs_like(self, table):
        """Room for the outputs of every entry of a batch or tile table."""
        n_batches, *sides = table.shape
        shape = (math.prod(sides), self.n_outputs)
        return tf.TensorArray(tf.float32, n_batches, element_shape=shape)

    def windows(self, values, ends):
        """Windows of shape (B, T, F) that end at rows `ends`, of shape (B,)."""
        offsets = np.arange(1 - self.sequence_length, 1, dtype=np.int32)  # (T,)
        indices = tf.maximum(tf.expand_dims(ends, 1) + offsets, 0)  # (B, T)
        return tf.gather(values, indices)

    def nested(self, flat: Sequence) -> LayerStates:
        """States in one list as they were before `flat`, layer by layer."""
        values = iter(flat)
        return tuple(tuple(next(values) for _ in layer) for layer in self.states)


_ON_DEVICE: MutableMapping[Windows | PlainRows, tuple] = weakref.WeakKeyDictionary()
_FILTERING = threading.RLock()


def _fill(array: np.ndarray, room: tuple[int, ...]) -> np.ndarray:
    """The array with zeros after it on its first axes."""
    if array.shape[: len(room)] == room:
        return array
    filled = np.zeros((*room, *array.shape[len(room) :]), array.dtype)
    filled[tuple(map(slice, array.shape[: len(room)]))] = array
    return filled


def where_live(live, after: Sequence, before: Sequence) -> list:
    """States after a batch, in lanes without a window those before it."""
    return [
        tf.where(tf.reshape(live, (-1,) + (1,) * (len(new.shape) - 1)), new, old)
        for new, old in zip(after, before, strict=True)
    ]


@contextmanager
def lost_masks_refused(mask) -> Iterator[None]:
    """Turn Keras's warning that a layer drops our `mask` into an error.

    Without one, a mask that the user's own layers make and drop is the user's affair.
    """
    if mask is None:
        yield
        return
    with _FILTERING, warnings.catch_warnings():  # the filters are those of all threads
        warnings.filterwarnings("error", message=".*does not support mask")
        try:
            yield
        except UserWarning as warning:
            raise ValueError(
                "The model has a layer before its recurrent ones that cannot tell"
                f" padding from data: {warning} Pass windows of one length, or leave"
                " that layer out."
            ) from None
