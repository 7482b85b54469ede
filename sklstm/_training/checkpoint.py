"""Checkpoints: the progress of a training in a file, so that a killed one can go on.

This module owns the file and its content. The epoch loop decides when to write it and
what to do with what was read. Nothing of TensorFlow is imported: callbacks are known
by their attributes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sklstm._archive import Arrays, PersistenceError, read, write
from sklstm._training.call_key import PLAIN, key_of

# Keras's callbacks may change the sign of this setting when training begins.
_TURNED = "min_delta"


@dataclass(frozen=True, eq=False)
class Progress:
    """The state of a training after some number of whole epochs.

    Parameters
    ----------
    seed : int
        Seed of the initial weights, of dropout and of the order of windows.
    n_epochs : int
        Whole epochs trained.
    stopped : bool
        Whether a callback has ended the training.
    weights, seeds, slots : tuple of ndarray
        The fields of `Parameters`: weights, states of random generators, and variables
        of the optimizer.
    average : tuple of ndarray
        What `WeightAverage.recall` returned: empty without an average of weights.
    history : dict of str to list of float
    memories : list of dict of str to object
        What each callback remembers, as `recall` returns it.
    """

    seed: int
    n_epochs: int
    stopped: bool
    weights: tuple[np.ndarray, ...]
    seeds: tuple[np.ndarray, ...]
    slots: tuple[np.ndarray, ...]
    average: tuple[np.ndarray, ...]
    history: dict[str, list[float]]
    memories: list[dict[str, Any]]


@dataclass(eq=False)
class Checkpoint:
    """The file in which the progress of one training is kept.

    Parameters
    ----------
    path : Path
    every : int
        Number of epochs from one write to the next.
    found : Progress or None
        The progress of an earlier run of the training, if the file held any.
    """

    path: Path
    every: int
    found: Progress | None

    @classmethod
    def of(cls, folder, every: int, call: Any) -> Checkpoint:
        """The checkpoint in `folder` of the training that `call` describes.

        The file is named by a hash of `call`. So trainings that differ in their data or
        parameters have different files, and those of a search can share one folder.
        """
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(
                f"checkpoint must be the path of a folder, got {folder!r} of type"
                f" {type(folder).__name__}."
            )
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{key_of(call)}.sklstm"
        return cls(path, every, _find(path))

    def check_within(self, epochs: int, asked: Any) -> None:
        """Raise ValueError if the checkpoint holds more than `epochs` epochs.

        `asked` is the parameter that they follow from: a number, or "auto".
        """
        if self.found is not None and self.found.n_epochs > epochs:
            chosen = f", which chose {epochs}" if isinstance(asked, str) else ""
            raise ValueError(
                f"The checkpoint of this training holds {self.found.n_epochs} epochs,"
                f" but epochs={asked!r}{chosen}. Set epochs={self.found.n_epochs} or"
                f" more, or delete {str(self.path)!r} to start the training anew."
            )

    def is_due(self, n_epochs: int) -> bool:
        """Whether to write the progress after `n_epochs` epochs."""
        return n_epochs % self.every == 0

    def write(self, progress: Progress) -> None:
        """Write the progress; if that fails, warn, since training can go on."""
        try:
            write(self.path, *_pack(progress))
        except OSError as error:
            warnings.warn(
                f"The checkpoint after epoch {progress.n_epochs} could not be written:"
                f" {error}. Training goes on, and an earlier checkpoint, if there is"
                " one, is still valid.",
                RuntimeWarning,
                stacklevel=2,
            )

    def remove(self) -> None:
        """Delete the file, once the training is finished."""
        self.path.unlink(missing_ok=True)


def _find(path: Path) -> Progress | None:
    """The progress in a file, or None if there is no file."""
    try:
        return _unpack(*read(path))
    except FileNotFoundError:
        return None
    except PersistenceError as error:
        raise PersistenceError(
            f"The checkpoint of this training cannot be read. {error} Delete"
            f" {str(path)!r} to start the training anew."
        ) from None


def recall(
    callbacks: Sequence[Any], before: Sequence[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """What each callback remembers: those of its attributes that a file can hold.

    These are plain values, arrays, and lists of arrays. If `before` is given, a former
    result, only attributes that have changed since are returned; arrays count as
    changed.
    """
    memories = [
        {
            name: value
            for name, value in vars(callback).items()
            if _is_memory(value) and name != _TURNED
        }
        for callback in callbacks
    ]
    if before is None:
        return memories
    return [
        {
            name: value
            for name, value in memory.items()
            if name not in old or not _is_same(value, old[name])
        }
        for memory, old in zip(memories, before, strict=True)
    ]


def remind(callbacks: Sequence[Any], memories: Sequence[dict[str, Any]]) -> None:
    """Set the attributes of the callbacks that `recall` returned."""
    for callback, memory in zip(callbacks, memories, strict=True):
        vars(callback).update(memory)


def _is_memory(value: Any) -> bool:
    return isinstance(value, PLAIN) or _is_array(value) or _is_list_of_arrays(value)


def _is_same(value: Any, old: Any) -> bool:
    return isinstance(value, PLAIN) and type(value) is type(old) and value == old


def _is_array(value: Any) -> bool:
    """Whether `value` is an array that a file can hold: numbers of up to 64 bits."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "biuf"
        and value.dtype.itemsize <= 8
    )


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_array, value))


def _pack(progress: Progress) -> tuple[dict[str, Any], Arrays]:
    """The header and the arrays of a file that holds `progress`."""
    arrays: Arrays = {}
    header: dict[str, Any] = {
        "training": progress.seed,
        "n_epochs": progress.n_epochs,
        "stopped": progress.stopped,
        "history": list(progress.history),
        "memories": [],
    }
    for name in _FIELDS:
        header[name] = _put(arrays, name, getattr(progress, name))
    for k, values in enumerate(progress.history.values()):
        arrays[f"history.{k}"] = np.array(values, np.float64)
    for k, memory in enumerate(progress.memories):
        header["memories"].append(
            {
                name: _pack_value(arrays, f"memory.{k}.{name}", value)
                for name, value in memory.items()
            }
        )
    return header, arrays


def _pack_value(arrays: Arrays, name: str, value: Any) -> list:
    """The kind of a value, and the value itself or its number of arrays.

    Arrays are added to `arrays`, and so are floats, since JSON has no infinity.
    """
    if isinstance(value, np.ndarray):
        return ["array", _put(arrays, name, [value])]
    if isinstance(value, list):
        return ["arrays", _put(arrays, name, value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return ["float", _put(arrays, name, [np.array(value)])]
    return ["plain", value]


def _put(arrays: Arrays, name: str, values: Sequence[np.ndarray]) -> int:
    """Add arrays under numbered names, bools as bytes, and return their number."""
    for k, value in enumerate(map(np.asarray, values)):
        if value.dtype == bool:
            arrays[f"{name}.{k}.{_TRUTH}"] = value.astype(np.uint8)
        else:
            arrays[f"{name}.{k}"] = value
    return len(values)


def _unpack(header: Any, arrays: Arrays) -> Progress:
    """The progress that `_pack` was given."""
    if "training" not in header:
        raise PersistenceError("It is a saved estimator, or another file of sklstm.")
    parts = {name: _take(arrays, name, header[name]) for name in _FIELDS}
    history = {
        name: arrays[f"history.{k}"].tolist()
        for k, name in enumerate(header["history"])
    }
    memories = [
        {
            name: _unpack_value(arrays, f"memory.{k}.{name}", *tagged)
            for name, tagged in memory.items()
        }
        for k, memory in enumerate(header["memories"])
    ]
    return Progress(
        seed=header["training"],
        n_epochs=header["n_epochs"],
        stopped=header["stopped"],
        history=history,
        memories=memories,
        **parts,
    )


_FIELDS = ("weights", "seeds", "slots", "average")
_TRUTH = "bool"


def _unpack_value(arrays: Arrays, name: str, kind: str, value: Any) -> Any:
    """The value that `_pack_value` was given."""
    if kind == "plain":
        return value
    found = _take(arrays, name, value)
    if kind == "arrays":
        return list(found)
    return found[0] if kind == "array" else found[0].item()


def _take(arrays: Arrays, name: str, n: int) -> tuple[np.ndarray, ...]:
    """The `n` arrays that `_put` added under a name."""
    names = [f"{name}.{k}" for k in range(n)]
    return tuple(
        arrays[name] if name in arrays else arrays[f"{name}.{_TRUTH}"].astype(bool)
        for name in names
    )
