"""Ctrl-C in training: a call of the compiled pass cannot be interrupted.

Owns how long such a call may be, and the moment at which an interrupt is let in.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held_back() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C, and raise it where asked: weights and history then agree.

    Only the main thread is sent it, and a handler of the user's own is left alone.
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
    """How many batches one call of the compiled pass takes.

    A call cannot be interrupted, so it should take about a second: long epochs run in
    slices, which changes nothing in the result.
    """

    def __init__(self, fixed_size: int | None, first_size: int):
        self._is_fixed = fixed_size is not None
        self.size = fixed_size or first_size

    def over(self, n_batches: int) -> Iterator[tuple[int, int]]:
        """The first and one past the last batch of each slice."""
        first = 0
        while first < n_batches:
            stop = min(first + self.size, n_batches)
            with self.timed():
                yield first, stop
            first = stop

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time a call, and let the next one take more or fewer batches accordingly."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        if self._is_fixed:
            return
        if seconds < 0.3:
            self.size *= 4
        elif seconds > 2.0:
            self.size = max(1, self.size // 2)
