"""frame_series, SlidingWindow and stream with arguments of every kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.sparse
from plain import StatefulLSTMRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from strange_arguments import (
    EXPECTED_WARNINGS,
    FRAMES,
    NAN,
    NOT_NUMBERS,
    OTHER_ROWS,
    SAME_NUMBERS,
    SOME,
    Protocol,
    Trial,
    Way,
    X,
    among,
    crossed,
    frame,
    high,
    mapped,
    masked,
    read_only,
    without,
    y,
)
from strange_trials import (
    assert_large_table,
    assert_taken_or_refused,
)

from sklstm import frame_series, stream

pytestmark = EXPECTED_WARNINGS


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


TABLE = list(around())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_series_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_series_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=60, n_refused=70)
