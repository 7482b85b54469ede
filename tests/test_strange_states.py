"""States, fed-back rows and counts of every kind: as plain ones, or refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from strange_arguments import (
    EXPECTED_WARNINGS,
    INF,
    NAN,
    STATE,
    B,
    Trial,
    Way,
    X,
    among,
    crossed,
    entry,
    frame,
    masked,
    read_only,
    y,
)
from strange_trials import (
    a_copy_of,
    assert_large_table,
    assert_taken_or_refused,
)

from sklstm import (
    RecurrentState,
    stream,
)

pytestmark = EXPECTED_WARNINGS


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
    Way("NaN", lambda a: NAN, "must be a positive integer.*got nan", TypeError),
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


TABLE = list(states_and_forecasts())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_states_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_states_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=35, n_refused=95)


def test_set_states_huge_position_steps_like_small_one():
    """Lanes come round for positions beyond any machine integer."""
    near, far = a_copy_of("regressor"), a_copy_of("regressor")
    near.set_states(STATE)
    far.set_states(STATE.replace(position=STATE.position + B * 10**30))
    np.testing.assert_array_equal(far.step(X), near.step(X))
    assert far.get_states().position == near.get_states().position + B * 10**30
