"""What is on the device: parameters and rows put there, results fetched back.

Owns the way between NumPy arrays and tensors, and `ByShape`, by which a traced function
is called. Knows no network.
"""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._rows.lanes import table_capacity
from sklstm._rows.tiles import Tiles, tile_batches
from sklstm._tensorflow import tf

Arrays = tuple[np.ndarray, ...]
LayerStates = tuple[tuple[Any, ...], ...]  # of arrays, or of tensors

ALIGNMENT = 64  # bytes; the widest that the kernels of TensorFlow ask for
MOST_TRACES = 32  # of one function: rows by the million are a shape for each length


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
    in_numpy : bool
        Whether every pass is run in NumPy, however long it is: in serving, where there
        is no TensorFlow to compile it.
    """

    weights: Arrays
    seeds: Arrays = ()
    slots: Arrays = ()
    in_numpy: bool = False


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows on the device, padded to a capacity.

    Parameters
    ----------
    values : tensor of shape (capacity, n_features)
    stride : int
        Rows for each target: 1 for a series, the window length for ready-made windows.
    targets : tensor of shape (room, n_outputs) or None
    weights : tensor of shape (room,) or (room, n_outputs), or None
    lengths : tensor of shape (room,) or (0,)
        Rows that each padded window has; empty where none is padded.
    """

    values: Any
    stride: int
    targets: Any
    weights: Any
    lengths: Any

    @property
    def room(self) -> int:
        """How many targets there can be."""
        return -(-self.values.shape[0] // self.stride)

    def put_tiles(self, epochs: Sequence[Tiles], most: int) -> DeviceTiles:
        """The tiles of some epochs on the device, padded to fit those of `most` epochs.

        Padded, so that other tiles over as many rows share a program.
        """
        n_batches, n_steps, n_lanes = epochs[0].table.shape
        n_batches = max(n_batches, tile_batches(self.room, n_lanes, n_steps))
        room = n_batches * most
        epoch_of = np.repeat(np.arange(len(epochs)), [len(e.table) for e in epochs])

        def put(name, dtype):
            parts = [getattr(tiles, name) for tiles in epochs]
            return padded(np.concatenate(parts), room, dtype)

        return DeviceTiles(
            put("table", np.int32),
            put("steps", np.int32),
            put("starts", bool),
            padded(epoch_of, room, np.int32),
            put("begins", bool) if any(e.begins_inside for e in epochs) else None,
        )

    def put_table(self, table: np.ndarray):
        """A batch table over these rows on the device, padded to fit any other one."""
        return padded(table, table_capacity(self.room, table.shape[1]), np.int32)


@dataclass(frozen=True, eq=False)
class DeviceTiles:
    """Tiles of one or several epochs on the device, one behind the other.

    Parameters
    ----------
    table : tensor of shape (n_batches, T, B)
        As in `Tiles`, as the others are.
    steps : tensor of shape (n_batches, 2)
    starts : tensor of shape (n_batches, B)
    epoch_of : tensor of shape (n_batches,)
        Which epoch each batch belongs to.
    begins : tensor of shape (n_batches, T, B) or None
        None where lanes start from zero state at first steps only.
    """

    table: Any
    steps: Any
    starts: Any
    epoch_of: Any
    begins: Any

    @property
    def tensors(self) -> tuple:
        """All that there are."""
        tensors = (self.table, self.steps, self.starts, self.epoch_of)
        return tensors if self.begins is None else (*tensors, self.begins)


class Latest:
    """The values used last, by key.

    Parameters
    ----------
    n : int
        How many to keep.
    """

    def __init__(self, n: int):
        self.n = n
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`, made now if it is not there."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self.n:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


class ByShape:
    """A function of tensors, traced once for each of the latest shapes of them.

    Calling the traced function itself skips `tf.function`'s dispatch, a third of the
    time of a pass over 25 single rows, and its warning that shapes differ.
    """

    def __init__(self, function: Callable, jit_compile: bool, autograph: bool):
        self._function = tf.function(
            function, jit_compile=jit_compile, autograph=autograph
        )
        self._traced = Latest(MOST_TRACES)

    def __call__(self, *tensors):
        given = [tf.convert_to_tensor(tensor) for tensor in tensors]
        shapes = tuple([tuple(tensor.shape) for tensor in given])
        traced = self._traced.get(
            shapes, lambda: self._function.get_concrete_function(*given)
        )
        return traced(*given)


def padded(array: np.ndarray, room: int, dtype=np.float32):
    """A tensor with `room` for entries along the first axis.

    On a CPU it reads the memory of an array made here: a copy by TensorFlow would need
    twice as much while it is made.
    """
    filled = _aligned_zeros((room, *array.shape[1:]), dtype)
    filled[: len(array)] = array
    tensor = tf.experimental.dlpack.from_dlpack(filled.__dlpack__())
    on_gpu = tf.config.list_logical_devices("GPU")
    return tf.identity(tensor) if on_gpu else tensor


def _aligned_zeros(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Zeros that begin at an address where TensorFlow's kernels may read them."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def to_device(states: LayerStates) -> LayerStates:
    """The state arrays as tensors."""
    return tuple(tuple(map(tf.convert_to_tensor, layer)) for layer in states)


def to_numpy(states: LayerStates) -> LayerStates:
    """The state tensors as arrays of their own."""
    return tuple(tuple(np.array(v.numpy()) for v in layer) for layer in states)


@functools.lru_cache(maxsize=1024)
def int32(value: int):
    """A run-time number: a Python int would be compiled into the program."""
    return tf.constant(value, tf.int32)


def assign(variables: Sequence, values: Sequence) -> None:
    """Put values into Keras's variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.value.assign(value)  # TensorFlow's own: half the time of Keras's


def values_of(variables: Sequence) -> Arrays:
    """What Keras's variables hold, copied out."""
    return tuple(np.array(variable.numpy()) for variable in variables)
