"""How far a training has come, kept in a folder so that a killed one can go on.

Owns the file and what is in it. When to write and what to do with what was read is the
epoch loop's. NumPy only: callbacks are known by their attributes.
"""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import types
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from sklstm._archive import Arrays, PersistenceError, read, write

# Keras's callbacks turn the sign of this setting when they are first used.
_TURNED = "min_delta"
_PLAIN = bool | int | float | str | np.number | np.bool_ | None


@dataclass(frozen=True, eq=False)
class Progress:
    """A training after some whole epochs.

    Parameters
    ----------
    seed : int
        What initial weights, dropout and the order of windows are drawn from.
    n_epochs : int
        Whole epochs trained.
    stopped : bool
        Whether a callback has ended the training.
    weights, seeds, slots : tuple of ndarray
        The fields of `Parameters`.
    history : dict of str to list of float
    memories : list of dict of str to object
        For each callback its numbers, strings, arrays and lists of arrays.
    """

    seed: int
    n_epochs: int
    stopped: bool
    weights: tuple[np.ndarray, ...]
    seeds: tuple[np.ndarray, ...]
    slots: tuple[np.ndarray, ...]
    history: dict[str, list[float]]
    memories: list[dict[str, Any]]


@dataclass(eq=False)
class Checkpoint:
    """The file of one training.

    Parameters
    ----------
    path : Path
    every : int
        Epochs between two writes.
    found : Progress or None
        How far an earlier run of the training came.
    """

    path: Path
    every: int
    found: Progress | None

    @classmethod
    def of(cls, folder, every: int, call: Any) -> Checkpoint:
        """The checkpoint in `folder` of the training that `call` describes.

        Trainings on other data or with other parameters have files of their own, so
        that a search can share one folder.
        """
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(
                f"checkpoint must be the path of a folder, got {folder!r} of type"
                f" {type(folder).__name__}."
            )
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{joblib.hash(_described(call))}.sklstm"
        return cls(path, every, _find(path))

    def check_within(self, epochs: int) -> None:
        """Raise ValueError where more epochs than `epochs` are trained already."""
        if self.found is not None and self.found.n_epochs > epochs:
            raise ValueError(
                f"The checkpoint of this training holds {self.found.n_epochs} epochs,"
                f" but epochs={epochs}. Set epochs={self.found.n_epochs} or more, or"
                f" delete {str(self.path)!r} to start the training anew."
            )

    def is_due(self, n_epochs: int) -> bool:
        """Whether to write after so many epochs."""
        return n_epochs % self.every == 0

    def write(self, progress: Progress) -> None:
        """Write the progress; where the disk will not have it, warn and go on."""
        try:
            write(self.path, *_pack(progress))
        except OSError as error:
            warnings.warn(
                f"The checkpoint after epoch {progress.n_epochs} could not be written:"
                f" {error}. Training goes on; the checkpoint before it, if any, is"
                " whole.",
                RuntimeWarning,
                stacklevel=2,
            )

    def remove(self) -> None:
        """Forget the training: it is over."""
        self.path.unlink(missing_ok=True)


def _find(path: Path) -> Progress | None:
    """The progress in a file, or None where there is no file."""
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
    """What each callback remembers: its plain attributes, arrays and lists of those.

    Given what they remembered `before`, only what has changed since.
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
    """Give the callbacks back what they remembered."""
    for callback, memory in zip(callbacks, memories, strict=True):
        vars(callback).update(memory)


def _is_memory(value: Any) -> bool:
    return isinstance(value, _PLAIN) or _is_array(value) or _is_list_of_arrays(value)


def _is_same(value: Any, old: Any) -> bool:
    return isinstance(value, _PLAIN) and type(value) is type(old) and value == old


def _is_array(value: Any) -> bool:
    """Whether a file can hold it: truth values, and numbers of up to 64 bits."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "biuf"
        and value.dtype.itemsize <= 8
    )


def _is_list_of_arrays(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_array, value))


def _described(value: Any) -> Any:
    """`value` as data that is the same in every process, objects by what made them."""
    if isinstance(value, _PLAIN | np.ndarray):
        return value
    if isinstance(value, dict):
        return {name: _described(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    if isinstance(value, np.random.RandomState):
        return _described(value.get_state())
    if isinstance(value, functools.partial):
        return _described(["partial", value.func, value.args, value.keywords])
    if isinstance(value, types.MethodType):
        return _described([value.__func__, value.__self__])
    is_made = not hasattr(value, "__qualname__")  # by calling what has one
    kind = type(value) if is_made else value
    return [
        f"{kind.__module__}.{kind.__qualname__}",
        _content(value) if is_made else {},
    ]


def _content(value: Any) -> Any:
    """What is in an object: its numbers, what it was made with, or its pickle."""
    if hasattr(value, "__array__"):  # a frame, a series or a tensor
        return _described([list(getattr(value, "columns", ())), np.asarray(value)])
    if hasattr(value, "get_config") or hasattr(value, "on_epoch_end"):
        return _settings(value)
    try:
        return joblib.hash(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            "A checkpoint tells trainings apart by their parameters, but"
            f" {value!r} tells nothing of what it holds: {error}. Give its class a"
            " get_config method, or leave checkpoint= out."
        ) from error


def _settings(value: Any) -> Any:
    """What an object was made with, as far as it tells."""
    if hasattr(value, "get_config"):
        return _described({**value.get_config(), "name": None})
    names = inspect.signature(type(value)).parameters
    settings = {name: vars(value).get(name) for name in names}
    return {  # a threshold may have had its sign turned by then
        name: abs(setting) if isinstance(setting, float) else setting
        for name, setting in settings.items()
        if isinstance(setting, _PLAIN)
    }


def _pack(progress: Progress) -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {}
    header: dict[str, Any] = {
        "training": progress.seed,
        "n_epochs": progress.n_epochs,
        "stopped": progress.stopped,
        "history": list(progress.history),
        "memories": [],
    }
    for name in ("weights", "seeds", "slots"):
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
    """A tagged JSON value; arrays and floats, which may be infinite, as arrays."""
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
    """Add arrays under numbered names, truth values as bytes, and return how many."""
    for k, value in enumerate(map(np.asarray, values)):
        if value.dtype == bool:
            arrays[f"{name}.{k}.{_TRUTH}"] = value.astype(np.uint8)
        else:
            arrays[f"{name}.{k}"] = value
    return len(values)


def _unpack(header: Any, arrays: Arrays) -> Progress:
    if "training" not in header:
        raise PersistenceError("It holds no progress of a training.")
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


_FIELDS = ("weights", "seeds", "slots")
_TRUTH = "bool"


def _unpack_value(arrays: Arrays, name: str, kind: str, value: Any) -> Any:
    if kind == "plain":
        return value
    found = _take(arrays, name, value)
    if kind == "arrays":
        return list(found)
    return found[0] if kind == "array" else found[0].item()


def _take(arrays: Arrays, name: str, n: int) -> tuple[np.ndarray, ...]:
    """The arrays that `_put` has added under a name."""
    names = [f"{name}.{k}" for k in range(n)]
    return tuple(
        arrays[name] if name in arrays else arrays[f"{name}.{_TRUTH}"].astype(bool)
        for name in names
    )
