"""Ctrl-C in training: when it takes effect, and how soon.

A call of a compiled program cannot be interrupted. `interrupts_held_back` therefore
lets the epoch loop raise `KeyboardInterrupt` between calls, and `Slices` keeps a call
to about a second.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[Callable[[], None]]:
    """Hold back Ctrl-C in a `with` block, and yield a function that lets it through.

    The function raises `KeyboardInterrupt` if Ctrl-C was pressed since the last call.
    The caller calls it only where weights and history agree with each other. In a
    thread other than the main one, which Python does not interrupt, and where the user
    has installed a handler, nothing is held back.
    """
    arrived: list[int] = []

    def notice() -> None:
        if arrived:
            arrived.clear()
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield notice
        return
    signal.signal(signal.SIGINT, lambda number, frame: arrived.append(number))
    try:
        yield notice
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Slices:
    """Divides an epoch into calls of the compiled program, of about a second each.

    How an epoch is divided has no effect on the result.

    Parameters
    ----------
    fixed_size : int or None
        Batches in every call; None to adapt them to the time that a call takes.
    first_size : int
        Batches in the first call, if they are to be adapted.
    """

    def __init__(self, fixed_size: int | None, first_size: int):
        self._is_fixed = fixed_size is not None
        self.size = fixed_size or first_size

    def over(self, n_batches: int) -> Iterator[tuple[int, int]]:
        """For each call its first batch, and one past its last batch."""
        first = 0
        while first < n_batches:
            stop = min(first + self.size, n_batches)
            with self.timed():
                yield first, stop
            first = stop

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the call made in a `with` block, and adapt the size of the next one."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        if self._is_fixed:
            return
        if seconds < 0.3:
            self.size *= 4
        elif seconds > 2.0:
            self.size = max(1, self.size // 2)
