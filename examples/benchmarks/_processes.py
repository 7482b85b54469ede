"""The processes that measurements run in: their start, imports and end.

A function that is sent to a process must be at the top level of a module, and its
arguments and results must be picklable.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


class Process:
    """A fresh interpreter process, which stays alive between calls."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, computed in the process."""
        return self._pool.submit(function, *args).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


class Processes:
    """The processes of all measurements: a fresh one for each, or one for all.

    A shared process saves the seconds that each import of TensorFlow takes. It is meant
    for checks that everything runs: in it, only the first measurement can include what
    happens once in a process.

    Parameters
    ----------
    shared : bool
        Whether one process is used for all measurements.
    """

    def __init__(self, shared: bool) -> None:
        self._shared = Process() if shared else None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shared is not None:
            self._shared.close()

    @contextmanager
    def lend(self) -> Iterator[Process]:
        """Lend a process for several calls."""
        if self._shared is not None:
            yield self._shared
            return
        with Process() as process:
            yield process

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, computed in one of the processes."""
        with self.lend() as process:
            return process.call(function, *args)


def import_contestants() -> None:
    """Import all that sklstm and the Keras loop need, so that no import is timed.

    sklstm is imported first, as in a program that uses nothing else: it imports
    TensorFlow without its messages, and passes it the folder for compiled programs.
    """
    for module in ("sklstm.regressor", "sklearn.model_selection"):
        importlib.import_module(module)
