"""Measuring tools of the benchmarks: time, memory, processes, tables.

Knows nothing of what is measured.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

LIBRARIES = ("tensorflow", "keras", "scikit-learn", "scikeras", "numpy")
MEGABYTE = 2**20


def seconds(work: Callable[[], Any]) -> float:
    """Return the wall-clock seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resident_mb() -> float:
    """Return the resident memory of this process in MB.

    Linux tells the current value. Elsewhere the peak so far stands in for it: its
    growth is still an upper bound of what a long run needs. Where neither is to be
    had (Windows) the answer is NaN.
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


def slope(values: Sequence[float]) -> float:
    """Return the least-squares growth of ``values`` per element."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


def import_quietly(*modules: str) -> None:
    """Import modules without the lines that TensorFlow writes while it starts.

    C++ writes them to file descriptor 2, some before it reads its log level.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            for module in modules:
                importlib.import_module(module)
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def in_new_process(function: Callable[..., Any], *args: Any) -> Any:
    """Return ``function(*args)``, computed in a fresh interpreter of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args).result()


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Format as ``median [min-max]`` with so many significant digits."""
    middle, low, high = (
        _short(float(value), digits)
        for value in (np.median(values), np.min(values), np.max(values))
    )
    return middle if len(values) == 1 else f"{middle} [{low}-{high}]"


def _short(value: float, digits: int) -> str:
    """Format to significant digits, without an exponent."""
    if value == 0 or not np.isfinite(value):
        return str(value)
    decimals = max(digits - 1 - int(np.floor(np.log10(abs(value)))), 0)
    return f"{value:.{decimals}f}"


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a Markdown table with aligned columns, the first one left."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for row in [cells[0], rule, *cells[1:]]:
        first, *rest = zip(row, widths, strict=True)
        line = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        print("| " + " | ".join(line) + " |")
    print(flush=True)


def describe_machine() -> str:
    """Return one line: processors, system and library versions."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return (
        f"{count_cpus()} CPUs, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def count_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
