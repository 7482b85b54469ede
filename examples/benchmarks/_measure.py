"""Clock, memory gauge, differences, and a description of the machine.

Nothing here knows what is measured.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LIBRARIES = ("tensorflow", "keras", "scikit-learn", "scikeras", "numpy")
OPTIONAL_LIBRARIES = ("torch", "skforecast")  # contestants only if installed
MEGABYTE = 2**20
SAMPLING_SECONDS = 0.002  # a peak shorter than this may be missed


# --- time -------------------------------------------------------------------------


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall-clock seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], Any], n_calls: int) -> float:
    """Return the median seconds of ``n_calls`` calls, each timed by itself."""
    return float(np.median([seconds(work) for _ in range(n_calls)]))


# --- differences ------------------------------------------------------------------


def relative_difference(ours: Any, theirs: Any) -> float:
    """Return the largest relative difference; infinity if a value is not finite."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))


def absolute_difference(ours: Any, theirs: Any) -> float:
    """Return the largest absolute difference; infinity if a value is not finite."""
    difference = np.abs(np.asarray(ours, float) - np.asarray(theirs, float))
    return float(np.max(difference)) if np.isfinite(difference).all() else float("inf")


# --- memory -----------------------------------------------------------------------


def resident_mb() -> float:
    """Return the resident memory of this process in MB.

    Linux gives the present value. On other systems the peak so far is returned, whose
    growth is an upper bound of what a long run needs; on Windows, which gives neither,
    NaN.
    """
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MEGABYTE if sys.platform == "darwin" else 1024)


def memory_kind() -> str:
    """Name what `resident_mb` returns on this platform."""
    if os.path.exists("/proc/self/statm"):
        return "resident memory"
    if sys.platform == "win32":
        return "memory (not available on this platform)"
    return "peak resident memory (the current one is not available here)"


class PeakMemory:
    """The peak of resident memory in a ``with`` block, sampled by a thread.

    Attributes
    ----------
    growth_mb : float
        The peak, less the memory at the start of the block.
    """

    def __enter__(self) -> PeakMemory:
        self._start = self._peak = resident_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        self.growth_mb = self._peak - self._start

    def _watch(self) -> None:
        while not self._done.wait(SAMPLING_SECONDS):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, resident_mb())


def slope(values: Sequence[float]) -> float:
    """Return by how much ``values`` grow from one to the next, by least squares."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


# --- the machine ------------------------------------------------------------------


def describe_machine() -> str:
    """Return one line: processors, system and library versions."""
    present = [name for name in OPTIONAL_LIBRARIES if is_installed(name)]
    versions = [
        f"{name} {importlib.metadata.version(name)}" for name in (*LIBRARIES, *present)
    ]
    return (
        f"{count_cpus()} CPUs, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def is_installed(name: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def count_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
