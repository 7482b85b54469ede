"""Strange arguments: ways to hold an array, crossed with the calls that take it.

A table of trials is made of ways to hold an array (or another argument) and calls that
take it. Each trial is one call with one strange argument and says one of two things:
that the call does exactly what it does with the plain twin of the argument (answers,
weights and state equal to the last bit), or that it raises an error of a documented
type, whose text names what is wrong and which leaves the estimator as it was, to the
last bit. Either way the caller's argument is left alone.

Owns the form of such a table and the ways that several tables share. The tables stand
in the tests, one for each kind of argument; ``strange_trials`` runs a trial. The
numbers are small integers, which every dtype from float16 to longdouble holds exactly.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from sklstm import (
    RecurrentState,
)

#: Marks of every file with a table: what warns of the very thing that is tried.
EXPECTED_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in (
        "X has feature names",
        "X does not have valid feature names",
        "A column-vector y was passed",
        # NumPy's own words about what the error under test is about:
        "overflow encountered in cast",
        "the matrix subclass",
    )
]

N, T, B, F, UNITS = 8, 2, 2, 2, 2
_rng = np.random.default_rng(0)
X = _rng.integers(0, 10, (N, F)).astype(float)
y = X[:, 0] - X[:, 1]
WEIGHTS = np.arange(1.0, N + 1)
UP = np.arange(N) % 3 == 0
LABELS = np.where(UP, "up", "down")
WINDOWS = _rng.integers(0, 10, (N, 3, F)).astype(float)  # (n_windows, T, F)
NAN, INF = np.nan, np.inf
EITHER = (TypeError, ValueError)  # where the words are NumPy's or scikit-learn's

Call = Callable[[Any, Any], Any]  # (estimator, argument) -> answer


@dataclass(frozen=True)
class Trial:
    """One row of the table: ``call(subject, make())``.

    ``twin`` makes the plain argument that it is equal to; where that is None, the call
    raises ``error`` with a text that matches ``match``.
    """

    name: str
    subject: str
    call: Call
    make: Callable[[], Any]
    twin: Callable[[], Any] | None
    error: Any
    match: str
    key: tuple  # equal for trials whose twins are the same call


class Way(NamedTuple):
    """A way to pass an array: ``make(array)`` is strange, ``twin(array)`` is plain.

    Where ``match`` is not empty there is no twin, but an ``error`` with such a text.
    """

    name: str
    make: Callable[[np.ndarray], Any]
    match: str = ""
    error: Any = EITHER
    twin: Callable[[np.ndarray], Any] = np.array


def crossed(
    ways: list[Way], array: np.ndarray, subject: str, calls: dict[str, Call]
) -> Iterator[Trial]:
    """Yield a trial for each way of passing `array` to each of `calls`."""
    for way in ways:
        for name, call in calls.items():
            yield Trial(
                f"{name}({way.name})",
                subject,
                call,
                lambda way=way: way.make(array),
                None if way.match else lambda way=way: way.twin(array),
                way.error,
                way.match,
                (subject, name, way.twin),
            )


def among(ways: list[Way], names: str) -> list[Way]:
    """Return the ways whose names are among those listed, parted by commas."""
    chosen = [way for way in ways if way.name in names.split(", ")]
    assert len(chosen) == len(names.split(", "))
    return chosen


def without(ways: list[Way], *names: str) -> list[Way]:
    """Return the ways but for those named."""
    return [way for way in ways if way.name not in names]


def entry(value: Any, *at: int, dtype: Any = None) -> Callable:
    """Return a function that changes one entry of a copy of an array."""

    def change(array: np.ndarray) -> np.ndarray:
        changed = np.array(array, dtype=dtype)
        changed[(at or (3, 1))[: changed.ndim]] = value
        return changed

    return change


def masked(array: np.ndarray, *at: int) -> np.ma.MaskedArray:
    """Return a masked array with one entry masked."""
    mask = np.zeros(array.shape, bool)
    return np.ma.array(array, mask=entry(True, *at)(mask))


def frame(array: np.ndarray) -> pd.DataFrame:
    """Return a frame with columns 'a' and 'b'."""
    return pd.DataFrame(np.array(array), columns=["a", "b"])


def dates() -> pd.DatetimeIndex:
    """Return a date for each row."""
    return pd.date_range("2024-01-01", periods=N)


def mapped(array: np.ndarray, mode: str) -> np.memmap:
    """Return a memory map of a file that holds the array."""
    with tempfile.TemporaryFile() as file:
        file.write(np.ascontiguousarray(array).tobytes())
        file.flush()
        return np.memmap(file, array.dtype, mode, shape=array.shape)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a copy that cannot be written to."""
    copied = array.copy()
    copied.flags.writeable = False
    return copied


class Tagged(np.ndarray):
    """A subclass of ndarray that does nothing of its own."""


class Protocol:
    """Not an array, but makes one when asked."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


def as_tensor(array: np.ndarray) -> Any:
    """Return a TensorFlow tensor."""
    import tensorflow as tf

    return tf.constant(array)


def high(array: np.ndarray) -> np.ndarray:
    """Return which numbers are above four."""
    return array > 4


def high_numbers(array: np.ndarray) -> np.ndarray:
    """Return them as zeros and ones."""
    return high(array) * 1.0


#: Ways to hold the same numbers, in any number of dimensions.
SAME_NUMBERS = [
    Way("lists", lambda a: a.tolist()),
    Way("tuple", tuple),
    Way("deque", deque),
    Way("float16", lambda a: a.astype(np.float16)),
    Way("float32", lambda a: a.astype(np.float32)),
    Way("longdouble", lambda a: a.astype(np.longdouble)),
    Way("int8", lambda a: a.astype(np.int8)),
    Way("int64", lambda a: a.astype(np.int64)),
    Way("bool", high, twin=high_numbers),
    Way("big-endian", lambda a: a.astype(">f8")),
    Way("objects", lambda a: a.astype(object)),
    Way("fractions", lambda a: np.vectorize(Fraction, otypes=[object])(a)),
    Way("Fortran order", np.asfortranarray),
    Way("reversed view", lambda a: a[::-1].copy()[::-1]),
    Way("every other", lambda a: np.repeat(a, 2, axis=0)[::2]),
    Way(
        "broadcast",
        lambda a: np.broadcast_to(a[0], a.shape),
        twin=lambda a: 0 * a + a[0],
    ),
    Way("read-only", read_only),
    Way("memory map", lambda a: mapped(a, "r")),
    Way("copy-on-write map", lambda a: mapped(a, "c")),
    Way("subclass", lambda a: a.copy().view(Tagged)),
    Way("nothing masked", np.ma.array),
    Way("array protocol", Protocol),
    Way("tensor", as_tensor),
    Way("memoryview", memoryview),
]

#: What is no array of real numbers at all.
NOT_NUMBERS = [
    Way("None", lambda a: None, "got scalar array|target y is None"),
    Way("a number", lambda a: 3.0, "got scalar"),
    Way("0-d", lambda a: np.array(3.0), "got scalar"),
    Way("a word", lambda a: "abc", "abc|not compatible with arrays of .*strings"),
    Way("generator", lambda a: (row for row in a), "generator"),
    Way("iterator", lambda a: iter(a.tolist()), "iterator"),
    Way("dict", lambda a: {"a": a}, "dict|{'a'"),
    Way("set", lambda a: {1, 2}, "set|{1, 2}"),
    Way("complex", lambda a: a + 1j, "Complex data not supported"),
    Way("complex without need", lambda a: a + 0j, "Complex data not supported"),
    Way("dates", lambda a: a.astype("M8[s]"), "dates or durations", TypeError),
    Way("durations", lambda a: a.astype("m8[D]"), "dates or durations", TypeError),
    Way("matrix", lambda a: np.matrix(a.ravel()), "np.matrix is not supported"),
    Way("no rows", lambda a: a[:0], r"0 sample\(s\)"),
    Way("NaN", entry(NAN), "contains NaN"),
    Way("NaN among objects", entry(NAN, dtype=object), "contains NaN"),
    Way("None among objects", entry(None, dtype=object), "contains NaN"),
    Way("infinity", entry(INF), "contains infinity"),
    Way("minus infinity", entry(-INF), "contains infinity"),
    Way("1e300", entry(1e300), "too large for"),
    # As scikit-learn has it.
    Way("a huge int", entry(10**400, dtype=object), "too large", OverflowError),
    Way("a word inside", entry("x", dtype=object), "convert string to float: 'x'"),
    Way("one masked", masked, r"is masked in 1 place\(s\)", ValueError),
]


FRAMES = [
    Way("frame", frame),
    Way("frame of int8", lambda a: frame(a).astype("int8")),
    Way("frame of Int64", lambda a: frame(a).astype("Int64")),
    Way("frame of Float64", lambda a: frame(a).astype("Float64")),
    Way(
        "frame of boolean",
        lambda a: frame(high(a)).astype("boolean"),
        twin=high_numbers,
    ),
    Way("frame of categories", lambda a: frame(a).astype("category")),
    Way("frame of two dtypes", lambda a: frame(a).astype({"a": "int32"})),
    Way("frame of digits", lambda a: frame(a).astype("string")),
    Way("frame without names", pd.DataFrame),
    Way("frame by dates", lambda a: frame(a).set_axis(dates())),
    Way("frame of one index", lambda a: frame(a).set_axis(["same"] * N)),
    Way(
        "frame of Int64 with NA",
        lambda a: frame(a).astype("Int64").mask(entry(True)(a < 0)),
        "X contains NaN",
    ),
    Way(
        "frame of objects with NA",
        lambda a: frame(entry(pd.NA, dtype=object)(a)),
        "X contains NaN|NAType",
    ),
    Way(
        "frame with dates",
        lambda a: frame(a).assign(a=dates()),
        "X holds dates or durations",
        TypeError,
    ),
    Way(
        "frame of nothing but dates",
        lambda a: frame(a).assign(a=dates(), b=dates().tz_localize("UTC")),
        "X holds dates or durations",
        TypeError,
    ),
    Way(
        "frame with periods",
        lambda a: frame(a).assign(a=dates().to_period("D")),
        "not 'Period'",
    ),
    Way(
        "frame with words",
        lambda a: frame(a).assign(a="x"),
        "convert string to float: 'x'",
    ),
    Way(
        "frame with words as categories",
        lambda a: frame(a).assign(a=pd.Categorical(LABELS)),
        "convert string to float: 'up'",
    ),
    Way("frame of complex", lambda a: frame(a + 1j), "Complex data not supported"),
    Way(
        "frame with names of two types",
        lambda a: pd.DataFrame(a, columns=["a", 1]),
        "all input features have string names",
    ),
    Way(
        "sparse frame",
        lambda a: frame(a).astype(pd.SparseDtype(float, 0.0)),
        "Sparse data was passed for X",
    ),
]

OTHER_ROWS = [
    Way("digits", lambda a: a.astype(str)),
    Way("a column", lambda a: a[:, 0], "Expected 2D array, got 1D array"),
    Way("range", lambda a: range(N), "Expected 2D array, got 1D array"),
    Way("series", lambda a: frame(a)["a"], "Expected a 2-dimensional container|2D"),
    Way("four dimensions", lambda a: a[None, None], "Found array with dim 4"),
    Way("no columns", lambda a: a[:, :0], r"0 feature\(s\)"),
    Way(
        "ragged lists",
        lambda a: [[1.0, 2.0], [1.0]],
        "1-D sequences|inhomogeneous",
    ),
    Way("sparse matrix", scipy.sparse.csr_matrix, "Sparse data was passed for X"),
    Way("sparse array", scipy.sparse.coo_array, "Sparse data was passed for X"),
    Way(
        "records",
        lambda a: frame(a).to_records(index=False),
        "X is a structured array",
        TypeError,
    ),
    Way(
        "structured in two dimensions",
        lambda a: a.astype([("a", float)]),
        "X is a structured array",
        TypeError,
    ),
]

#: The calls that take rows; those after the first two take fewer of their kinds.
READ = {
    "predict": lambda e, rows: e.predict(rows),
    "fit": lambda e, rows: e.fit(rows, y),
}
READ_ALSO = {
    "partial_fit": lambda e, rows: e.partial_fit(rows, y),
    "observe": lambda e, rows: e.observe(rows),
    "step": lambda e, rows: e.step(rows),
    "score": lambda e, rows: e.score(rows, y),
    "forecast, start": lambda e, rows: e.forecast(2, rows, lambda *_: [1, 2]),
    "lane_table": lambda e, rows: e.lane_table(rows),
}
SOME = (
    "lists, float16, objects, reversed view, memory map, frame of Int64, generator,"
    " dict, dates, no rows, NaN, 1e300, one masked, frame of Int64 with NA, a column,"
    " sparse matrix"
)


def object_array(windows: list) -> np.ndarray:
    """Return a 1-D array of windows."""
    array = np.empty(len(windows), dtype=object)
    array[:] = windows
    return array


Z = np.zeros((B, UNITS), np.float32)
STATE = RecurrentState(
    layers=((Z + 0.25, Z - 0.5),),
    context=np.array([[1, 2]], np.float32),
    position=4,
    last_output=np.ones(1, np.float32),
)
