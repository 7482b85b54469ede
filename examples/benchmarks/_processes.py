"""The processes that measurements run in.

Owns their starting and ending, and the imports inside them. Functions sent to a
process are module-level ones, their arguments and results plain values.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any


class Process:
    """A fresh interpreter that keeps what it has set up from call to call."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, computed there."""
        return self._pool.submit(function, *args).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


class Processes:
    """Where the measurements run: each in a fresh process, or all of them in one.

    Sharing one saves the seconds that importing TensorFlow takes, again and again; it
    is for a check that everything runs, since nothing is measured in it for the first
    time.

    Parameters
    ----------
    shared : bool
        Whether all run in one.
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
        """Lend a process, to be called several times."""
        if self._shared is not None:
            yield self._shared
            return
        with Process() as process:
            yield process

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, computed in one of them."""
        with self.lend() as process:
            return process.call(function, *args)


def import_contestants() -> None:
    """Import all that sklstm and the Keras loop need, so that no import is timed.

    sklstm comes first, as in a program that has nothing else: it imports TensorFlow and
    Keras quietly, and tells TensorFlow which folder to keep programs in, where one is
    named.
    """
    for module in ("sklstm.regressor", "sklearn.model_selection"):
        importlib.import_module(module)
