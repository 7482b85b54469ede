"""Law 3: `predict`, `score`, `forecast` change nothing; no call changes its arrays."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from helpers import (
    assert_same_state,
)
from hypothesis import given
from law_cases import (
    COPIES,
    POOL,
    assert_unchanged,
    in_pool,
    make_estimator,
    make_target,
    situations,
    snapshot,
    trained,
)


def read_only(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return copies that cannot be written to."""
    copies = [array.copy() for array in arrays]
    for array in copies:
        array.setflags(write=False)
    return copies


@given(situations())
def test_predict_score_forecast_change_nothing(situation):
    """``predict``, ``predict_proba``, ``score`` and ``forecast`` leave no trace."""
    spec = situation.spec
    estimator, _ = situation.begin()
    y = make_target(spec, situation.n_rows, situation.seed)
    weight = np.linspace(0.5, 1.0, len(y))
    given_arrays = [situation.rows, y, weight]
    X, y, weight = read_only(*given_arrays)
    before = snapshot(estimator)
    first = estimator.predict(X)
    assert_unchanged(estimator, before)
    if spec.n_classes:
        estimator.predict_proba(X)
        assert_unchanged(estimator, before)
    if len(X) > 1:  # R2 of a single row is undefined
        estimator.score(X, y, sample_weight=weight)
        assert_unchanged(estimator, before)
    row = X[0]
    estimator.forecast(4, start=X, feedback=lambda prediction, k: row)
    assert_unchanged(estimator, before)
    np.testing.assert_array_equal(estimator.predict(X), first)
    for after, given_array in zip((X, y, weight), given_arrays, strict=True):
        np.testing.assert_array_equal(after, given_array)


@in_pool
def test_fit_observe_step_leave_arrays_unchanged(spec):
    """Arrays that cannot be written to are accepted everywhere."""
    _, X, y = trained(spec)
    given_arrays = [X, y, np.arange(len(y)) % 3 / 2]
    arrays = read_only(*given_arrays)
    X, y, weight = arrays
    estimator = make_estimator(spec).fit(X, y, sample_weight=weight)
    estimator.observe(X)
    estimator.step(X)
    if spec.stateful:
        estimator.partial_fit(X, y, sample_weight=weight)
    for after, given_array in zip(arrays, given_arrays, strict=True):
        np.testing.assert_array_equal(after, given_array)


@pytest.mark.parametrize("origin", ["fit", "observe", "pickle", "joblib", "deepcopy"])
def test_get_states_writing_into_result_changes_nothing(origin):
    """Writing into what ``get_states`` returned, if at all possible, changes nothing.

    Copying an array, as pickle and deepcopy do, makes it writeable again.
    """
    _, X, y = trained(POOL[1])
    estimator = make_estimator(POOL[1]).fit(X, y)
    if origin == "observe":
        estimator.observe(X)
    elif origin != "fit":
        estimator = COPIES[origin](estimator)
    before = snapshot(estimator)
    state = estimator.get_states()
    arrays = [*itertools.chain(*state.layers), state.context, state.last_output]
    for array in arrays + estimator.get_weights() + estimator.initial_weights_:
        if array.flags.writeable:
            array += 1.0
    assert_unchanged(estimator, before)
    estimator.reseed_states()
    if origin == "observe":
        estimator.observe(X)
    assert_same_state(estimator.get_states(), before.state)


def test_set_states_copies_its_argument():
    """Writing later into the arrays of a state that was set changes nothing."""
    estimator = trained(POOL[1]).estimator
    state = pickle.loads(pickle.dumps(estimator.get_states()))
    estimator.set_states(state)
    before = snapshot(estimator)
    for array in [*itertools.chain(*state.layers), state.context]:
        if array.flags.writeable:
            array += 1.0
    assert_unchanged(estimator, before)
