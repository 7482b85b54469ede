"""Linear algebra in one thread.

On a busy machine threads wait for each other, at each of many small decompositions.
"""

from __future__ import annotations

import functools

from threadpoolctl import ThreadpoolController


def one_thread():
    """Return a context in which linear algebra has one thread."""
    return _controller().limit(limits=1)


@functools.cache
def _controller() -> ThreadpoolController:
    """All libraries with threads, whose look-up takes two milliseconds."""
    return ThreadpoolController()
