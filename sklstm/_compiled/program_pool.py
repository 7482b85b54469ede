"""Compiled programs outlive fits: the process-wide `POOL` lends them.

Compiling costs about a second. A program is lent to one user at a time, who loads
weights into it and reads them back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sklstm._network.architecture import StackedLSTM, UserNetwork

if TYPE_CHECKING:
    from sklstm._compiled.training_program import Program


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
        from sklstm._compiled.training_program import Program

        program = self._take(network.key) or Program(network)
        try:
            yield program
        except ValueError:  # a loss that is no number, say: the program is all right
            self._give_back(network.key, program)
            raise
        self._give_back(network.key, program)  # not after any other error

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
