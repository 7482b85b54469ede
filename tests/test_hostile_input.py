"""Strange arguments: each is taken for what it plainly is, or refused by its name.

Owns one table, :data:`TABLE`. Every row of it is one call with one strange argument and
says one of two things: that the call does exactly what it does with the plain twin of
the argument (answers, weights and state equal to the last bit), or that it raises an
error of a documented type, whose text names what is wrong and which leaves the
estimator as it was, to the last bit. Either way the caller's argument is left alone.

The numbers are small integers, which every dtype from float16 to longdouble holds
exactly. Bad values of parameters are in ``test_bad_input``; here are the strange ones.
"""

from __future__ import annotations

import copy
import pickle
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import __version__ as sklearn_version
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.fixes import parse_version

from sklstm import (
    RecurrentState,
    SlidingWindow,
    StatefulLSTMClassifier,
    StatefulLSTMRegressor,
    frame_series,
    stream,
)
from sklstm.streaming import Stream

pytestmark = [
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


# --------------------------------------------------------------------------------------
# The form of the table
# --------------------------------------------------------------------------------------


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


# --------------------------------------------------------------------------------------
# X as rows
# --------------------------------------------------------------------------------------

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
    Way("frame of one index", lambda a: frame(a).set_axis([0] * N)),
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
    Way("ragged lists", lambda a: [[1.0, 2.0], [1.0]], "inhomogeneous shape"),
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

NAMED = [
    Way("frame", frame),
    Way(
        "columns in another order",
        lambda a: frame(a)[["b", "a"]],
        "must be in the same order",
    ),
    Way("columns renamed", lambda a: frame(a).add_prefix("x"), "unseen at fit"),
    Way("a column more", lambda a: frame(a).assign(c=0), "unseen at fit"),
    Way(
        "a column less", lambda a: frame(a)[["a"]], "seen at fit time, yet now missing"
    ),
    Way(
        "a column twice",
        lambda a: frame(a)[["a", "a"]],
        "(?i)unique|seen at fit time, yet now missing",
    ),
]


def rows() -> Iterator[Trial]:
    """Yield the trials of X as rows."""
    ways = [*SAME_NUMBERS, *FRAMES, *NOT_NUMBERS, *OTHER_ROWS]
    yield from crossed(ways, X, "regressor", READ)
    some = among(ways, SOME)
    yield from crossed(some, X, "regressor", READ_ALSO)
    classified = {"predict_proba": lambda e, rows: e.predict_proba(rows)}
    yield from crossed(some, X, "classifier", classified)
    streamed = {
        f"stream.{name}": lambda e, rows, name=name: getattr(stream(e), name)(rows)
        for name in ("predict", "step", "observe")
    }
    yield from crossed(some, X, "pipeline", streamed)
    calls = READ | READ_ALSO
    calls.pop("fit")
    yield from crossed(NAMED, X, "named", calls)


# --------------------------------------------------------------------------------------
# X as ready-made windows
# --------------------------------------------------------------------------------------


def first_shorter(windows: np.ndarray) -> list[np.ndarray]:
    """Return the windows as a list, the first one cut to its last step."""
    return [windows[0][-1:], *windows[1:]]


def each(change: Callable) -> Callable:
    """Return a function that lists the windows, the first one cut, each changed."""
    return lambda windows: [change(window) for window in first_shorter(windows)]


def first(change: Callable) -> Callable:
    """Return a function that lists the windows, the first one changed."""
    return lambda windows: [change(windows[0]), *windows[1:]]


def object_array(windows: list) -> np.ndarray:
    """Return a 1-D array of windows."""
    array = np.empty(len(windows), dtype=object)
    array[:] = windows
    return array


def two_steps_masked(windows: np.ndarray) -> np.ma.MaskedArray:
    """Return the windows with the first two steps of the first one masked."""
    mask = np.zeros(windows.shape, bool)
    mask[0, :2] = True
    return np.ma.array(windows, mask=mask)


def mixed(windows: np.ndarray) -> list:
    """Return windows of several kinds, the first one cut to its last step."""
    one, two, three, *others = first_shorter(windows)
    return [read_only(one), frame(two), three.astype(object), *others]


LISTS_OF_WINDOWS = [
    Way("tuple of windows", lambda a: tuple(first_shorter(a)), twin=first_shorter),
    Way(
        "array of windows",
        lambda a: object_array(first_shorter(a)),
        twin=first_shorter,
    ),
    Way("frames", each(frame), twin=first_shorter),
    Way("int8 windows", each(lambda w: w.astype(np.int8)), twin=first_shorter),
    Way("read-only windows", each(read_only), twin=first_shorter),
    Way("mapped windows", each(lambda w: mapped(w, "r")), twin=first_shorter),
    Way("Fortran windows", each(np.asfortranarray), twin=first_shorter),
    Way("windows of several kinds", mixed, twin=first_shorter),
    Way("nested lists", each(np.ndarray.tolist), twin=first_shorter),
    Way("first steps masked", two_steps_masked, twin=first_shorter),
    Way("windows of one length", list),
    Way("nothing masked in each", lambda a: [np.ma.array(w) for w in a]),
    Way(
        "a masked window",
        first(lambda w: masked(w, 2, 1)),
        r"X\[0\] is masked in 1 place",
        ValueError,
    ),
    Way(
        "a masked step inside",
        lambda a: masked(a, 2, 1),
        "masked in places other than whole first steps",
        ValueError,
    ),
    Way(
        "a masked entry",
        lambda a: masked(a, 2, 0, 1),
        "masked in places other than whole first steps",
        ValueError,
    ),
    Way(
        "a window masked throughout",
        lambda a: masked(a, 2),
        r"1 window\(s\) of X are masked throughout",
        ValueError,
    ),
    Way("an empty window", first(lambda w: w[:0]), r"0 sample\(s\)"),
    Way("a narrow window", first(lambda w: w[:, :1]), "same n_features"),
    Way("a flat window", first(lambda w: w[0]), "inhomogeneous"),
    Way("a number for a window", first(lambda w: 3), "inhomogeneous"),
    Way("None for a window", first(lambda w: None), "inhomogeneous"),
    Way("a sparse window", first(scipy.sparse.csr_matrix), "Sparse data was passed"),
    Way(
        "a window of words",
        first(lambda w: np.full(w.shape, "x")),
        "could not convert string to float",
    ),
    Way(
        "a window of dates",
        first(lambda w: w.astype("M8[s]")),
        r"X\[0\] holds dates",
        TypeError,
    ),
    Way("a window of NaN", first(lambda w: w * NAN), r"X\[0\] contains NaN"),
    Way("an infinite window", first(lambda w: w + INF), r"X\[0\] contains infinity"),
    Way("a complex window", first(lambda w: w + 1j), "Complex data not supported"),
    Way("no steps", lambda a: a[:, :0], "at least one step and one|windows of shape"),
    Way("no features", lambda a: a[:, :, :0], "at least one step|windows of shape"),
    Way("four dimensions", lambda a: a[None], "Found array with dim 4"),
]


def windows() -> Iterator[Trial]:
    """Yield the trials of X as ready-made windows."""
    arrays = [*SAME_NUMBERS, *without(NOT_NUMBERS, "one masked")]
    read = {"predict": READ["predict"]}
    yield from crossed(arrays, WINDOWS, "on windows", read)
    yield from crossed(LISTS_OF_WINDOWS, WINDOWS, "on windows", READ)
    some = among(
        [*arrays, *LISTS_OF_WINDOWS],
        "lists, float32, generator, NaN, 1e300, frames, first steps masked, a masked"
        " window, a narrow window, a sparse window",
    )
    calls = {name: READ_ALSO[name] for name in ("partial_fit", "step", "lane_table")}
    yield from crossed(some, WINDOWS, "on windows", calls)


# --------------------------------------------------------------------------------------
# Targets, labels, weights
# --------------------------------------------------------------------------------------


def column(array: np.ndarray) -> np.ndarray:
    """Return the numbers as a column."""
    return array[:, np.newaxis]


OTHER_TARGETS = [
    Way("series", pd.Series),
    Way("index", pd.Index),
    Way("series by dates", lambda a: pd.Series(a, dates())),
    Way("Int64", lambda a: pd.Series(a).astype("Int64")),
    Way("Float64", lambda a: pd.Series(a).astype("Float64")),
    Way("boolean", lambda a: pd.Series(high(a), dtype="boolean"), twin=high_numbers),
    Way("categories", lambda a: pd.Series(a).astype("category")),
    Way("a frame's column", lambda a: pd.DataFrame({"y": a}), twin=column),
    Way(
        "Int64 with NA",
        lambda a: pd.Series(a).astype("Int64").mask(entry(True)(a > INF)),
        "y contains NaN",
    ),
    Way(
        "objects with NA",
        lambda a: pd.Series(entry(pd.NA, dtype=object)(a)),
        "y contains NaN|NAType",
    ),
    Way("series of dates", lambda a: pd.Series(dates()), "y holds dates", TypeError),
    Way("digits", lambda a: a.astype(str), "not compatible with arrays of .*strings"),
    Way("sparse", lambda a: scipy.sparse.csr_matrix(column(a)), "Sparse .* for y"),
    Way("structured", lambda a: a.astype([("y", float)]), "y is a structured array"),
    Way("a row short", lambda a: a[:-1], r"inconsistent numbers of samples: \[8, 7\]"),
    Way("no columns", lambda a: column(a)[:, :0], r"0 feature\(s\)"),
    Way("three dimensions", lambda a: a[:, None, None], "Found array with dim 3"),
    Way("ragged", lambda a: [[1], [1, 2], *a[2:]], "inhomogeneous"),
]

OTHER_WEIGHTS = [
    Way("a number", lambda a: 3.0, twin=lambda a: np.full(N, 3.0)),
    Way("an int", lambda a: 3, twin=lambda a: np.full(N, 3.0)),
    Way("None", lambda a: None, twin=np.ones_like),
    Way("series", pd.Series),
    Way("Int64", lambda a: pd.Series(a).astype("Int64")),
    Way(
        "Int64 with NA",
        lambda a: pd.Series(a).astype("Int64").mask(entry(True)(a < 0)),
        "sample_weight contains NaN",
    ),
    Way("0-d", lambda a: np.array(3.0), "at least 1 dimension"),
    Way("NaN for all", lambda a: NAN, "sample_weight", ValueError),
    Way("zero for all", lambda a: 0, "at least one non-zero|is zero for all"),
    Way("a frame", lambda a: pd.DataFrame({"w": a}), "must be 1D array or scalar"),
    Way("a row short", lambda a: a[:-1], r"sample_weight.shape == \(7,\)"),
    Way("sparse", lambda a: scipy.sparse.csr_matrix(a), "Sparse data was passed"),
]


def booleans(array: np.ndarray) -> np.ndarray:
    """Return whether each label is 'up', as floats."""
    return (array == "up") * 1.0


LABEL_WAYS = [
    Way("lists", lambda a: a.tolist()),
    Way("objects", lambda a: a.astype(object)),
    Way("series", pd.Series),
    Way("series of string", lambda a: pd.Series(a, dtype="string")),
    Way("series of str", lambda a: pd.Series(a, dtype="str")),
    Way("categories", lambda a: pd.Categorical(a)),
    Way("categories, one unused", lambda a: pd.Categorical(a, ["up", "x", "down"])),
    Way(
        "ordered categories", lambda a: pd.Categorical(a, ["up", "down"], ordered=True)
    ),
    Way("a column", column),
    Way("a frame", lambda a: pd.DataFrame({"label": a})),
    Way("reversed view", lambda a: a[::-1].copy()[::-1]),
    Way("read-only", read_only),
    Way("nothing masked", np.ma.array),
    Way("bools", lambda a: a == "up", twin=booleans),
    Way("int8", lambda a: (a == "up").astype(np.int8), twin=booleans),
    Way("float16", lambda a: (a == "up").astype(np.float16), twin=booleans),
    Way("Int64", lambda a: pd.Series(booleans(a)).astype("Int64"), twin=booleans),
    Way("boolean", lambda a: pd.Series(a == "up", dtype="boolean"), twin=booleans),
    Way("negative numbers", lambda a: -(a == "down").astype(int), twin=booleans),
    Way("huge numbers", lambda a: 2**62 + (a == "up"), twin=booleans),
    Way("unicode", lambda a: np.where(a == "up", "日本 ↑", "ä"), twin=booleans),
    Way("the empty string", lambda a: np.where(a == "up", "up", ""), twin=booleans),
    Way("dates", lambda a: np.array(["2024"], "M8[D]") + (a == "up"), twin=booleans),
    Way("None", lambda a: None, "target y is None", ValueError),
    Way("None among them", entry(None, dtype=object), r"lacks a label in 1 place\(s\)"),
    Way("NaN among them", entry(NAN, dtype=object), r"lacks a label in 1 place\(s\)"),
    Way(
        "NA among them",
        lambda a: pd.Series(a, dtype="string").mask(entry(True)(a == "")),
        r"lacks a label in 1 place\(s\)",
        ValueError,
    ),
    Way(
        "boolean with NA",
        lambda a: pd.Series(a == "up", dtype="boolean").mask(entry(True)(a == "")),
        "y contains NaN",
    ),
    Way("one masked", masked, r"y is masked in 1 place\(s\)", ValueError),
    Way("NaN", lambda a: entry(NAN)(booleans(a)), "y contains NaN"),
    Way("infinity", lambda a: entry(INF)(booleans(a)), "y contains infinity"),
    Way("continuous", lambda a: booleans(a) + 0.5, "Unknown label type: continuous"),
    Way("mixed types", entry(1, dtype=object), "'<' not supported|Unknown label type"),
    Way("a number first", entry(1, 0, dtype=object), "Unknown label type"),
    *(
        [Way("bytes", lambda a: a.astype("S"), "as bytes is not supported")]
        if parse_version(sklearn_version) >= parse_version("1.7")
        else []  # where scikit-learn still takes them, and warns
    ),
    Way("tuples", lambda a: object_array([(v, 1) for v in a]), "legacy multi-label"),
    Way("complex", lambda a: booleans(a) + 1j, "Complex data not supported"),
    Way("two columns", lambda a: np.c_[a, a], "y should be a 1d array"),
    Way("one class", lambda a: ["up"] * N, "at least two classes"),
    Way("a word", lambda a: "up", "1d array|at least 1 dimension"),
    Way("generator", lambda a: (v for v in a), "1d array|at least 1 dimension"),
    Way("dict", lambda a: {"up": 1}, "1d array|at least 1 dimension"),
    Way("a row short", lambda a: a[:-1], r"inconsistent numbers of samples: \[8, 7\]"),
    Way(
        "sparse",
        lambda a: scipy.sparse.csr_matrix(column(booleans(a))),
        "Sparse data was passed for y",
    ),
]

CLASSES_WAYS = [
    Way("list", lambda a: ["up", "down"]),
    Way("twice", lambda a: ["up", "down", "up"]),
    Way("tuple", lambda a: ("down", "up")),
    Way("series", lambda a: pd.Series(["up", "down"])),
    Way("categories", lambda a: pd.Categorical(["up", "down"])),
    Way("objects", lambda a: np.array(["up", "down"], object)),
    Way("column", lambda a: np.array([["up"], ["down"]])),
    Way("a word", lambda a: "up", "1d array"),
    Way("a set", lambda a: {"up", "down"}, "1d array"),
    Way("a dict", lambda a: {"up": 1, "down": 2}, "1d array"),
    Way("a number", lambda a: 2, "1d array"),
    Way("two rows", lambda a: [["up", "down"]] * 2, "1d array"),
    Way("none at all", lambda a: [], "at least two classes"),
    Way("one", lambda a: ["up"], "at least two classes"),
    Way("others", lambda a: ["left", "right"], r"label\(s\) \['down', 'up'\]"),
    Way("numbers", lambda a: [0, 1], r"label\(s\) \['down', 'up'\]"),
    Way("None among them", lambda a: ["up", "down", None], "'<' not supported"),
    Way("complex", lambda a: [1j, 2], "Complex data not supported"),
]


def targets() -> Iterator[Trial]:
    """Yield the trials of y, classes and sample_weight."""
    fit = {"fit, y": lambda e, y: e.fit(X, y)}
    follow = {"partial_fit, y": lambda e, y: e.partial_fit(X, y)}
    on_windows = {"fit windows, y": lambda e, y: e.fit(WINDOWS, y)}
    numbers = [*SAME_NUMBERS, *NOT_NUMBERS, *OTHER_TARGETS]
    yield from crossed(numbers, y, "regressor", fit)
    some = (
        "float32, objects, None among objects, 1e300, one masked, dates, digits, sparse"
    )
    yield from crossed(among(numbers, some), y, "regressor", follow)
    yield from crossed(among(numbers, some), y, "on windows", on_windows)
    yield from crossed(LABEL_WAYS, LABELS, "classifier", fit)
    some = "a column, two columns, NA among them, one masked, a word, int8"
    labels = among(LABEL_WAYS, some)
    yield from crossed(labels, LABELS, "classifier of windows", on_windows)
    yield from crossed(without(labels, "int8"), LABELS, "classifier", follow)
    known = [way._replace(twin=np.unique) for way in CLASSES_WAYS]
    first_pass = {"partial_fit, classes": lambda e, c: e.partial_fit(X, LABELS, c)}
    yield from crossed(known, LABELS, "unfitted classifier", first_pass)
    bad = without(NOT_NUMBERS, "None", "a number", "0-d")
    weights = [*SAME_NUMBERS, *bad, *OTHER_WEIGHTS]
    weighed = {"fit, sample_weight": lambda e, w: e.fit(X, y, w)}
    yield from crossed(weights, WEIGHTS, "regressor", weighed)
    weighed = {"partial_fit, sample_weight": lambda e, w: e.partial_fit(X, y, w)}
    some = "float16, a number, NaN for all, 1e300, one masked"
    yield from crossed(among(weights, some), WEIGHTS, "regressor", weighed)


# --------------------------------------------------------------------------------------
# States and forecasts
# --------------------------------------------------------------------------------------

Z = np.zeros((B, UNITS), np.float32)
STATE = RecurrentState(
    layers=((Z + 0.25, Z - 0.5),),
    context=np.array([[1, 2]], np.float32),
    position=4,
    last_output=np.ones(1, np.float32),
)


def with_h(change: Callable[[np.ndarray], Any]) -> Callable:
    """Return a function that makes the state with h changed."""
    return lambda state: state.replace(layers=((change(state.h[0]), state.c[0]),))


def with_field(**changes: Any) -> Callable:
    """Return a function that makes the state with fields changed."""
    return lambda state: state.replace(**changes)


NOT_FINITE = "The state contains NaN or infinity, or a value too large"
COUNT = "position must be the number of windows taken"
STATES = [
    Way("lists of layers", lambda s: s.replace(layers=[list(s.layers[0])])),
    Way("read-only h", with_h(read_only)),
    Way("Fortran order h", with_h(np.asfortranarray)),
    Way("nothing masked in h", with_h(np.ma.array)),
    Way("unpickled", lambda s: pickle.loads(pickle.dumps(s))),
    Way("deepcopied", copy.deepcopy),
    Way("position of int8", with_field(position=np.int8(4))),
    Way("position of uint8", with_field(position=np.uint8(4))),
    Way("context as lists", with_field(context=[[1, 2]])),
    Way("context of float64", with_field(context=np.array([[1.0, 2.0]]))),
    Way("context as a frame", with_field(context=frame([[1, 2]]))),
    Way("last output as a list", with_field(last_output=[1])),
    Way("None", lambda s: None, "must be a RecurrentState.* got NoneType", TypeError),
    Way(
        "layers", lambda s: s.layers, "must be a RecurrentState.* got tuple", TypeError
    ),
    Way("fields", lambda s: vars(s), "must be a RecurrentState.* got dict", TypeError),
    Way("the class", lambda s: RecurrentState, "must be a RecurrentState", TypeError),
    Way(
        "h of float64", with_h(lambda h: h.astype(float)), "dtypes .*'float64'.*astype"
    ),
    Way("h of float16", with_h(lambda h: h.astype("f2")), "dtypes .*'float16'.*astype"),
    Way("h of ints", with_h(lambda h: h.astype(int)), "dtypes .*'int64'.*astype"),
    Way("h of lists", with_h(np.ndarray.tolist), "dtypes .*'float64'.*astype"),
    Way("h of bools", with_h(lambda h: h > 0), "dtypes .*'bool'.*astype"),
    Way("h of objects", with_h(lambda h: h.astype(object)), "dtypes .*'object'"),
    Way("h of words", with_h(lambda h: h.astype(str)), "dtypes .*'str"),
    Way("h of complex", with_h(lambda h: h + 1j), "dtypes .*'complex"),
    Way("h of dates", with_h(lambda h: h.astype("M8[s]")), "dtypes .*'datetime64"),
    Way(
        "h of one lane", with_h(lambda h: h[:1]), r"shapes \(\(\(1, 2\), \(2, 2\)\),\)"
    ),
    Way("h with NaN", with_h(entry(NAN, 1, 1)), NOT_FINITE),
    Way("h with infinity", with_h(entry(-INF, 1, 1)), NOT_FINITE),
    Way("no lists around h and c", lambda s: s.replace(layers=s.layers[0]), "shapes"),
    Way("position True", with_field(position=True), f"{COUNT}.*got True"),
    Way("position 1.0", with_field(position=1.0), f"{COUNT}.*got 1.0"),
    Way("position -1", with_field(position=-1), f"{COUNT}.*got -1"),
    Way("position '1'", with_field(position="1"), f"{COUNT}.*got '1'"),
    Way("position None", with_field(position=None), f"{COUNT}.*got None"),
    Way("position NaN", with_field(position=NAN), f"{COUNT}.*got nan"),
    Way("position 0-d", with_field(position=np.array(1)), COUNT),
    Way("context None", with_field(context=None), r"context of shape \(\)"),
    Way("context 1-D", with_field(context=[1, 2]), r"context of shape \(2,\)"),
    Way("long context", with_field(context=np.ones((2, 2))), "context of 2 rows"),
    Way("context with NaN", with_field(context=[[NAN, 1]]), NOT_FINITE),
    Way("context with 1e300", with_field(context=[[1e300, 1]]), NOT_FINITE),
    Way("context of words", with_field(context=[["a", "b"]]), "no real numbers"),
    Way("context of complex", with_field(context=[[1j, 2]]), "no real numbers"),
    Way("context of None", with_field(context=[[None, 2]]), "no real numbers"),
    Way("last output 0-d", with_field(last_output=1.0), r"last_output of shape \(\)"),
    Way("last outputs", with_field(last_output=[1, 2]), r"last_output of shape \(2,\)"),
    Way("last output NaN", with_field(last_output=[NAN]), NOT_FINITE),
    Way("last output 1e300", with_field(last_output=[1e300]), NOT_FINITE),
    Way("last output a word", with_field(last_output=["up"]), "no real numbers"),
    Way("last output complex", with_field(last_output=[1j]), "no real numbers"),
]


def after(estimator: Any, state: Any) -> tuple:
    """Set a state and return what follows from it."""
    estimator.set_states(state)
    return estimator.predict(X), estimator.forecast(2, feedback=lambda p, k: [p, k])


def always(row: Any) -> Callable:
    """Return what feeds the same row at every step."""
    return lambda array: lambda prediction, k: row


class Constant:
    """A callable that is no function, and false as a boolean if asked to."""

    def __init__(self, truth: bool):
        self.truth = truth

    def __bool__(self) -> bool:
        return self.truth

    def __call__(self, prediction, k):
        return ONE_TWO


ONE_TWO = np.array([1.0, 2.0])
FED = [
    Way("list", always([1, 2])),
    Way("tuple", always((1, 2))),
    Way("int8", always(ONE_TWO.astype(np.int8))),
    Way("float16", always(ONE_TWO.astype(np.float16))),
    Way("objects", always(ONE_TWO.astype(object))),
    Way("bools", always([True, False]), twin=always(np.array([1.0, 0.0]))),
    Way("series", always(pd.Series([1, 2]))),
    Way("frame of one row", always(pd.DataFrame([[1, 2]]))),
    Way("frame of Int64", always(pd.DataFrame([[1, 2]], dtype="Int64"))),
    Way("read-only", always(read_only(ONE_TWO))),
    Way("nothing masked", always(np.ma.array(ONE_TWO))),
    Way("a callable object", lambda a: Constant(True)),
    Way("a callable that is false", lambda a: Constant(False)),
    Way("None", always(None), r"for step 0 it returned shape \(\)"),
    Way("a number", always(3.0), r"for step 0 it returned shape \(\)"),
    Way("generator", lambda a: lambda p, k: (v for v in ONE_TWO), r"shape \(\)"),
    Way("dict", always({"a": 1}), r"shape \(\)"),
    Way("sparse", always(scipy.sparse.csr_matrix([[1.0, 2.0]])), r"shape \(\)"),
    Way("matrix", always(np.matrix(ONE_TWO)), r"shape \(1, 2\)"),
    Way("frame of two rows", always(pd.DataFrame([[1, 2]] * 2)), r"shape \(2, 2\)"),
    Way("narrow frame", always(pd.DataFrame([[1]])), r"shape \(1, 1\)"),
    Way("frame with NaN", always(pd.DataFrame([[1, NAN]])), "contains NaN"),
    Way("frame of words", always(pd.DataFrame([["a", "b"]])), "to float: 'a'"),
    Way("words", always(["a", "b"]), "could not convert string to float"),
    Way("ragged", always([[1], [1, 2]]), "inhomogeneous"),
    Way("None among them", always([None, 1]), "row fed back contains NaN"),
    Way("NaN", always([NAN, 1]), "NaN or infinity for step 0"),
    Way("infinity", always([-INF, 1]), "NaN or infinity for step 0"),
    Way("1e300", always([1e300, 1]), "row fed back .* too large"),
    Way("complex", always([1j, 1]), "Complex data not supported"),
    Way(
        "one masked",
        always(masked(ONE_TWO, 1)),
        "masked in 1 place",
        ValueError,
    ),
    Way(
        "dates",
        always(ONE_TWO.astype("M8[s]")),
        "dates or durations",
        TypeError,
    ),
    Way("no function", lambda a: 3, "not callable|feedback must be", TypeError),
    Way(
        "nothing true",
        lambda a: 0,
        "not callable|feedback must be",
        TypeError,
    ),
    Way("a function of nothing", lambda a: lambda: 0, "positional argument", TypeError),
]


COUNTS = [
    Way("int8", lambda a: np.int8(2), twin=lambda a: 2),
    Way("uint64", lambda a: np.uint64(2), twin=lambda a: 2),
    Way("True", lambda a: True, "must be a positive integer, got True", TypeError),
    Way("np.True_", lambda a: np.True_, "must be a positive integer", TypeError),
    Way("2.0", lambda a: 2.0, "must be a positive integer, got 2.0", TypeError),
    Way("NaN", lambda a: NAN, "must be a positive integer, got nan", TypeError),
    Way("infinity", lambda a: INF, "must be a positive integer, got inf", TypeError),
    Way("float32", lambda a: np.float32(2), "must be a positive integer", TypeError),
    Way("complex", lambda a: 2 + 0j, "must be a positive integer", TypeError),
    Way("'2'", lambda a: "2", "must be a positive integer, got '2'", TypeError),
    Way("None", lambda a: None, "must be a positive integer, got None", TypeError),
    Way("0-d", lambda a: np.array(2), "must be a positive integer", TypeError),
    Way("a list", lambda a: [2], r"must be a positive integer, got \[2\]", TypeError),
    Way("an object", lambda a: object(), "must be a positive integer", TypeError),
    Way("0", lambda a: 0, "must be a positive integer, got 0", ValueError),
    Way("-1", lambda a: -1, "must be a positive integer, got -1", ValueError),
    Way("int64 -1", lambda a: np.int64(-1), "must be a positive integer", ValueError),
]


def states_and_forecasts() -> Iterator[Trial]:
    """Yield the trials of set_states, feedback and counts."""
    states = [
        way if way.twin is not np.array else way._replace(twin=lambda s: s)
        for way in STATES
    ]
    yield from crossed(states, STATE, "regressor", {"set_states": after})
    forecast = {"forecast, feedback": lambda e, f: e.forecast(3, feedback=f)}
    fed = [
        way if way.twin is not np.array else way._replace(twin=always(ONE_TWO))
        for way in FED
    ]
    yield from crossed(fed, X, "regressor", forecast)
    streamed = {"stream.forecast": lambda e, f: stream(e).forecast(3, feedback=f)}
    some = "series, frame of one row, NaN, ragged, one masked, nothing true"
    yield from crossed(among(fed, some), X, "pipeline", streamed)
    counted = {
        "forecast, n_steps": lambda e, n: e.forecast(n, feedback=lambda p, k: [p, k]),
        "rebuild": lambda e, n: e.rebuild(n).input_shape,
    }
    yield from crossed(COUNTS, X, "regressor", counted)
    fit = {
        f"fit, {name}": lambda e, n, name=name: e.set_params(**{name: n}).fit(X, y)
        for name in ("epochs", "batch_size", "sequence_length")
    }
    yield from crossed(among(COUNTS, "int8, uint64, 0-d, NaN"), X, "regressor", fit)


# --------------------------------------------------------------------------------------
# Parameters
# --------------------------------------------------------------------------------------

LAYERS = [
    Way("list", lambda a: [2]),
    Way("tuple of int8", lambda a: (np.int8(2),)),
    Way("array", lambda a: np.array([2])),
    Way("range", lambda a: range(2, 3)),
    Way("int64", lambda a: np.int64(2)),
    Way("0-d", lambda a: np.array(2), "units must be a positive integer or a sequence"),
    Way("generator", lambda a: (n for n in [2]), "units must be .* a sequence"),
    Way("set", lambda a: {2}, "units must be .* a sequence"),
    Way("dict", lambda a: {2: 3}, "units must be .* a sequence"),
    Way("bytes", lambda a: b"\x02", "units must be .* a sequence"),
    Way("words", lambda a: "2", "units must be .* a sequence"),
    Way(
        "array of floats", lambda a: np.array([2.0]), "units must be a positive integer"
    ),
    Way("two dimensions", lambda a: np.array([[2]]), "units must be .* a sequence"),
    Way("nested", lambda a: [[2]], "units must be a positive integer, got .2. of"),
    Way("with None", lambda a: (2, None), "units must be a positive integer, got None"),
    Way("with True", lambda a: (True,), "units must be a positive integer, got True"),
    Way("none", lambda a: np.array([], int), "at least one LSTM layer"),
]

TRUTHS = [
    Way("np.True_", lambda a: np.True_),
    Way("1", lambda a: 1, "must be True or False, got 1 of type int", TypeError),
    Way("'True'", lambda a: "True", "must be True or False, got 'True'", TypeError),
    Way("None", lambda a: None, "must be True or False, got None", TypeError),
    Way("0-d", lambda a: np.array(True), "must be True or False", TypeError),
    Way("NA", lambda a: pd.NA, "must be True or False, got <NA>", TypeError),
]

FRACTIONS = [
    Way("float32", lambda a: np.float32(0.25)),
    Way("Fraction", lambda a: Fraction(1, 4), "must be a number from 0", TypeError),
    Way("0-d", lambda a: np.array(0.25), "must be a number from 0", TypeError),
    Way("complex", lambda a: 0.25j, "must be a number from 0", TypeError),
    Way("NA", lambda a: pd.NA, "must be a number from 0", TypeError),
    Way("infinity", lambda a: INF, "must be from 0 up to", ValueError),
]

SEEDS = [
    Way("uint8", lambda a: np.uint8(7)),
    Way("Generator", lambda a: np.random.default_rng(7), "cannot be used to seed"),
    Way("a word", lambda a: "7", "cannot be used to seed"),
    Way("7.0", lambda a: 7.0, "cannot be used to seed"),
    Way("a list", lambda a: [7], "cannot be used to seed"),
    Way("-1", lambda a: -1, "[Ss]eed must be between 0"),
    Way("2**40", lambda a: 2**40, "[Ss]eed must be between 0"),
]

CLASS_WEIGHTS = [
    Way("dict", lambda a: {"up": 2, "down": 1}),
    Way("of float32", lambda a: {"up": np.float32(2), "down": 1}),
    Way("by np.str_", lambda a: {np.str_("up"): 2, np.str_("down"): 1}),
    Way("a word", lambda a: "even", "'class_weight'|class_weight", ValueError),
    Way("a list", lambda a: [1, 2], "class_weight", ValueError),
    Way("a number", lambda a: 3, "class_weight", ValueError),
    Way("a stranger", lambda a: {"left": 2}, r"classes, \['left'\]|class_weight"),
]

SETTINGS = [
    Way("a word", lambda a: {"unit": 3}, "'unit'.*mean 'units'", ValueError),
    Way("in capitals", lambda a: {"Units": 3}, "'Units'.*mean 'units'", ValueError),
    Way("no name", lambda a: {"": 3}, "Invalid parameter", ValueError),
    Way("fitted", lambda a: {"state_": 3}, "Invalid parameter.*'state_'", ValueError),
    Way(
        "private", lambda a: {"_recipe": 3}, "Invalid parameter.*'_recipe'", ValueError
    ),
    Way("a method", lambda a: {"fit": 3}, "Invalid parameter.*'fit'", ValueError),
    Way(
        "routed to none", lambda a: {"x__y": 3}, "Invalid parameter.*'x__y'", ValueError
    ),
    Way(
        "routed nothing", lambda a: {"optimizer__": 3}, "Invalid parameter", ValueError
    ),
    Way("no prefix", lambda a: {"__y": 3}, "Invalid parameter", ValueError),
]


def parameters() -> Iterator[Trial]:
    """Yield the trials of parameters."""

    def fit_with(name):
        return {f"fit, {name}": lambda e, v: e.set_params(**{name: v}).fit(X, y)}

    def plain(ways, value):
        return [way._replace(twin=lambda a: value) for way in ways]

    yield from crossed(plain(LAYERS, 2), X, "regressor", fit_with("units"))
    for name in ("stateful", "drop_remainder"):
        yield from crossed(plain(TRUTHS, True), X, "regressor", fit_with(name))
    fractions = plain(FRACTIONS, 0.25)
    yield from crossed(fractions, X, "regressor", fit_with("validation_split"))
    yield from crossed(plain(SEEDS, 7), X, "regressor", fit_with("random_state"))
    weighed = {
        "fit, class_weight": lambda e, w: e.set_params(class_weight=w).fit(X, LABELS)
    }
    known = plain(CLASS_WEIGHTS, {"up": 2, "down": 1})
    yield from crossed(known, X, "classifier", weighed)
    yield from crossed(
        SETTINGS, X, "regressor", {"set_params": lambda e, p: e.set_params(**p)}
    )


# --------------------------------------------------------------------------------------
# Around the estimators: windows, framing, streams
# --------------------------------------------------------------------------------------

SERIES_WAYS = [
    Way("lists", lambda a: a.tolist()),
    Way("tuple", tuple),
    Way("deque", deque),
    Way("float16", lambda a: a.astype(np.float16)),
    Way("int8", lambda a: a.astype(np.int8)),
    Way("bool", high),
    Way("big-endian", lambda a: a.astype(">f8")),
    Way("objects", lambda a: a.astype(object)),
    Way("words", lambda a: a.astype(str)),
    Way("reversed view", lambda a: a[::-1].copy()[::-1]),
    Way("read-only", read_only),
    Way("memory map", lambda a: mapped(a, "r")),
    Way("nothing masked", np.ma.array),
    Way("array protocol", Protocol),
    Way("frame", frame),
    Way("frame of Int64", lambda a: frame(a).astype("Int64")),
    Way("frame of categories", lambda a: frame(a).astype("category")),
    Way("None", lambda a: None, "series has 0 dimensions"),
    Way("a number", lambda a: 3.0, "series has 0 dimensions"),
    Way("a word", lambda a: "abc", "series has 0 dimensions"),
    Way("generator", lambda a: (v for v in a), "series has 0 dimensions"),
    Way("dict", lambda a: {"a": a}, "series has 0 dimensions"),
    Way("sparse", scipy.sparse.csr_matrix, "series has 0 dimensions"),
    Way("three dimensions", lambda a: a[None], "series has 3 dimensions"),
    Way("ragged", lambda a: [[1, 2], [3]], "inhomogeneous"),
    Way("no rows", lambda a: a[:0], "series has 0 rows, too few for a horizon of 1"),
    Way("one row", lambda a: a[:1], "series has 1 rows, too few for a horizon of 1"),
    Way("no columns", lambda a: a[:, :0], "no columns.*at least one", ValueError),
    Way("one masked", masked, "masked in 1 place", ValueError),
]

HORIZONS = [
    Way("int8", lambda a: np.int8(2)),
    Way("True", lambda a: True, "horizon must be a positive integer", TypeError),
    Way("2.0", lambda a: 2.0, "horizon must be a positive integer", TypeError),
    Way("'2'", lambda a: "2", "horizon must be a positive integer", TypeError),
    Way("None", lambda a: None, "horizon must be a positive integer", TypeError),
    Way("NaN", lambda a: NAN, "horizon must be a positive integer", TypeError),
    Way("0", lambda a: 0, "horizon must be a positive integer, got 0", ValueError),
    Way("with None", lambda a: [1, None], "horizon must be a positive", TypeError),
    Way("nested", lambda a: [[1]], "horizon must be a positive integer", TypeError),
    Way("far", lambda a: 10**30, "too few for a horizon of 10000000", ValueError),
]
SEVERAL_HORIZONS = [
    Way("array", lambda a: np.array([1, 2])),
    Way("range", lambda a: range(1, 3)),
    Way("generator", lambda a: (h for h in [1, 2])),
]

WINDOW_WAYS = [
    *without(SAME_NUMBERS, "tuple"),
    *without(FRAMES, "frame with dates", "frame of nothing but dates"),
    *without(NOT_NUMBERS, "1e300", "dates", "durations", "one masked"),
    *without(OTHER_ROWS, "records", "structured in two dimensions"),
    Way(
        "dates",
        lambda a: a.astype("M8[s]"),
        "dates",
        TypeError,
    ),
    Way("one masked", masked, "masked in 1 place", ValueError),
]

STREAMED = [
    Way("None", lambda a: None, "not an estimator|takes a fitted", TypeError),
    Way("a number", lambda a: 3, "not an estimator|takes a fitted", TypeError),
    Way(
        "a class", lambda a: StatefulLSTMRegressor, "is a class, not an inst", TypeError
    ),
    Way(
        "another estimator",
        lambda a: LinearRegression().fit(X, y),
        "stream takes a fitted .* got LinearRegression",
        TypeError,
    ),
    Way("unfitted", lambda a: StatefulLSTMRegressor(), "not fitted", NotFittedError),
    Way(
        "unfitted in a pipeline",
        lambda a: make_pipeline(StatefulLSTMRegressor()),
        "not fitted",
        NotFittedError,
    ),
    Way("empty list", lambda a: [], "not an estimator|takes a fitted", TypeError),
]


def around() -> Iterator[Trial]:
    """Yield the trials of frame_series, SlidingWindow and stream."""
    framed = {"frame_series": lambda _, series: frame_series(series)}
    twins = [
        way._replace(twin=lambda a, way=way: np.array(way.make(a).tolist()))
        if way.name in ("bool", "words")
        else way
        for way in SERIES_WAYS
    ]
    yield from crossed(twins, X, "nothing", framed)
    ahead = {"frame_series, horizon": lambda _, h: frame_series(X, h)}
    one = [way._replace(twin=lambda a: 2) for way in HORIZONS]
    several = [way._replace(twin=lambda a: [1, 2]) for way in SEVERAL_HORIZONS]
    yield from crossed([*one, *several], X, "nothing", ahead)
    windowed = {"SlidingWindow.transform": lambda w, rows: w.transform(rows)}
    yield from crossed(WINDOW_WAYS, X, "window", windowed)
    windowed = {"SlidingWindow.fit": lambda w, rows: w.fit(rows)}
    some = among(WINDOW_WAYS, SOME.replace("1e300, ", ""))
    yield from crossed(some, X, "window", windowed)
    yield from crossed(STREAMED, X, "nothing", {"stream": lambda _, e: stream(e)})


TABLE = [
    *rows(),
    *windows(),
    *targets(),
    *states_and_forecasts(),
    *parameters(),
    *around(),
]


# --------------------------------------------------------------------------------------
# Reading the table
# --------------------------------------------------------------------------------------


def settings(**others: Any) -> dict[str, Any]:
    """Return parameters of the few shapes that are compiled here."""
    shape = {"units": UNITS, "sequence_length": T, "batch_size": B, "epochs": 1}
    return shape | {"random_state": 0} | others


@pytest.fixture(scope="module")
def subjects() -> dict[str, Any]:
    """Fitted estimators by name; a trial works on a copy."""
    # Fitted on other rows than the trials': those would be replayed, not gone on from.
    earlier = X[::-1] + 1
    regressor = StatefulLSTMRegressor(**settings()).fit(earlier, y)
    classifier = StatefulLSTMClassifier(**settings()).fit(earlier, LABELS)
    pipeline = make_pipeline(FunctionTransformer(), clone(regressor))
    return {
        "nothing": None,
        "regressor": regressor,
        "named": copy.deepcopy(regressor).fit(frame(earlier), y),
        "pipeline": pipeline.fit(earlier, y),
        "on windows": StatefulLSTMRegressor(**settings()).fit(WINDOWS + 1, y),
        "classifier": classifier,
        "unfitted classifier": StatefulLSTMClassifier(**settings()),
        "classifier of windows": StatefulLSTMClassifier(**settings()).fit(
            WINDOWS + 1, LABELS
        ),
        "window": SlidingWindow(T).fit(earlier),
    }


@pytest.fixture(scope="module")
def outcome_of_twin(subjects) -> Callable[[Trial], tuple[Any, Any]]:
    """What a call with the plain twin answers and leaves, each had once."""
    known: dict[tuple, tuple[Any, Any]] = {}

    def outcome(trial: Trial) -> tuple[Any, Any]:
        if trial.key not in known:
            subject = another(subjects[trial.subject])
            answer = trial.call(subject, trial.twin())
            known[trial.key] = answer, fingerprint(subject)
        return known[trial.key]

    return outcome


def another(subject: Any) -> Any:
    """Return a copy, of which a call may change any attribute but no array."""
    if hasattr(subject, "steps"):
        return Pipeline([(name, another(step)) for name, step in subject.steps])
    return copy.copy(subject)


def fingerprint(subject: Any) -> Any:
    """Return all bits of weights, state and what else a call could have changed."""
    subject = subject[-1] if hasattr(subject, "steps") else subject
    if isinstance(subject, SlidingWindow):
        return subject.context_.astype(float).tobytes(), subject._fit_digest
    if not hasattr(subject, "state_"):
        return None
    state, rows = subject.state_, subject._training_rows
    arrays = [*subject.get_weights(), *sum(state.layers, ()), state.context]
    arrays += [] if state.last_output is None else [state.last_output]
    bits = [(array.dtype, array.shape, array.tobytes()) for array in arrays]
    return bits, state.position, rows and rows.digest, subject.history_


def held(subject: Any) -> set[str]:
    """Return the names of an estimator's attributes; none of other subjects'."""
    return set(vars(subject)) if hasattr(subject, "state_") else set()


def imprint(argument: Any) -> bytes | None:
    """Return the bits of an argument, where they can be had."""
    if hasattr(argument, "iloc"):  # pickled with caches, which reading fills
        return argument.to_string().encode()
    try:
        return pickle.dumps(argument)
    except (TypeError, AttributeError, pickle.PicklingError):  # generators, lambdas
        return None


def assert_same_answer(found: Any, expected: Any) -> None:
    """Compare answers value by value; estimators that return themselves are equal."""
    if isinstance(found, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same_answer(a, b)
    elif not hasattr(found, "fit") and not isinstance(found, Stream):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def assert_of_ours(error: BaseException) -> None:
    """Check that an error is not one of TensorFlow's or Keras's, nor raised there."""
    places = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    names = [type(error).__module__, places[-1].replace("\\", "/")]
    for package in ("tensorflow", "keras"):
        assert not any(
            name.startswith(package) or f"site-packages/{package}/" in name
            for name in names
        ), f"raised in {package}: {names}"
    assert "in user code" not in str(error)


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_argument(trial, subjects, outcome_of_twin):
    subject = another(subjects[trial.subject])
    argument = trial.make()
    bits = imprint(argument)
    if trial.twin is not None:
        answer, after = outcome_of_twin(trial)
        assert_same_answer(trial.call(subject, argument), answer)
        assert fingerprint(subject) == after
    else:
        before, attributes = fingerprint(subject), held(subject)
        with pytest.raises(trial.error, match=trial.match) as caught:
            trial.call(subject, argument)
        assert_of_ours(caught.value)
        assert fingerprint(subject) == before
        assert held(subject) == attributes
    assert imprint(argument) == bits


def test_the_table_is_a_large_one():
    """Each row has a name of its own; many work and many are refused."""
    names = [f"{trial.subject}: {trial.name}" for trial in TABLE]
    assert len(set(names)) == len(names)
    assert sum(trial.twin is None for trial in TABLE) >= 300
    assert sum(trial.twin is not None for trial in TABLE) >= 200


def test_arguments_are_watched(subjects):
    """The comparisons above can fail: each kind of change shows."""
    array, table, fitted = X.copy(), frame(X), another(subjects["regressor"])
    bits, of_table, before = imprint(array), imprint(table), fingerprint(fitted)
    array[0, 0] += 1
    table.iloc[0, 0] += 1
    assert imprint(array) != bits
    assert imprint(table) != of_table
    assert fingerprint(another(fitted).observe(X)) != before
    assert fingerprint(another(fitted).partial_fit(X, y)) != before
    assert fingerprint(fitted) == before


def test_a_far_position_is_a_lane_like_any(subjects):
    """Lanes come round for positions beyond any machine integer."""
    near, far = another(subjects["regressor"]), another(subjects["regressor"])
    near.set_states(STATE)
    far.set_states(STATE.replace(position=STATE.position + B * 10**30))
    np.testing.assert_array_equal(far.step(X), near.step(X))
    assert far.get_states().position == near.get_states().position + B * 10**30


def test_rows_that_wait_are_not_the_callers(subjects):
    """A buffer may be filled anew while its rows wait for a batch to fill."""
    reused, fresh = another(subjects["regressor"]), another(subjects["regressor"])
    for k in range(6):
        row, target = X[k : k + 1].astype(np.float32), y[k : k + 1].astype(np.float32)
        fresh.partial_fit(row.copy(), target.copy())
        reused.partial_fit(row, target)
        row[:], target[:] = 77, 77
    assert fingerprint(reused) == fingerprint(fresh)
