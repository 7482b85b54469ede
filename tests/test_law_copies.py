"""Law 5: copies keep weights and state; clones and refits start afresh."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    assert_identical_weights,
    assert_same_state,
    make_rows,
    seeds,
    weight_change,
)
from hypothesis import given
from law_cases import (
    COPIES,
    POOL,
    among_stateful,
    assert_unchanged,
    in_pool,
    make_estimator,
    situations,
    snapshot,
    trained,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

by_each_copy = pytest.mark.parametrize(
    "make_copy",
    [
        pytest.param(copy, id=name, marks=[pytest.mark.thorough] * (name != "pickle"))
        for name, copy in COPIES.items()
    ],
)


@by_each_copy
@given(situation=situations(), seed=seeds)
def test_pickle_joblib_deepcopy_keep_weights_and_state(make_copy, situation, seed):
    """A copy answers alike, also after more rows, and does not touch the original."""
    estimator, _ = situation.begin()
    before = snapshot(estimator)
    twin = make_copy(estimator)
    assert_unchanged(twin, before)
    X = situation.rows
    np.testing.assert_array_equal(twin.predict(X), estimator.predict(X))
    twin.observe(X)
    twin.reset_states()
    assert_unchanged(estimator, before)
    estimator.observe(X)
    twin.set_states(estimator.get_states())
    rows = make_rows(5, situation.spec.n_features, seed)
    np.testing.assert_array_equal(twin.predict(rows), estimator.predict(rows))
    assert_same_state(
        twin.reseed_states().get_states(), estimator.reseed_states().get_states()
    )


@by_each_copy
@among_stateful
def test_partial_fit_of_a_copy_equals_original(make_copy, spec):
    """The optimizer's slots and an unfinished batch travel with a copy."""
    estimator, X, y = trained(spec)
    estimator.partial_fit(X[:-1], y[:-1])
    twin = make_copy(estimator)
    before = estimator.get_weights()
    for each in (estimator, twin):
        each.partial_fit(X, y)
    assert weight_change(before, estimator.get_weights()) > 1e-3
    assert_identical_weights(twin.get_weights(), estimator.get_weights())
    assert_same_state(twin.get_states(), estimator.get_states())


@in_pool
def test_clone_is_unfitted_and_starts_afresh(spec):
    """A clone has the parameters and nothing that was learnt."""
    estimator, X, y = trained(spec)
    cloned = clone(estimator)
    assert cloned.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        cloned.predict(X)
    cloned.fit(X, y)
    assert_identical_weights(cloned.initial_weights_, estimator.initial_weights_)
    assert_identical_weights(cloned.get_weights(), estimator.get_weights())
    assert weight_change(cloned.initial_weights_, cloned.get_weights()) > 1e-3
    assert_same_state(cloned.get_states(), estimator.get_states())


@pytest.mark.parametrize("random_state", [None, 0])
def test_fit_again_does_not_start_from_old_weights(random_state):
    """Neither a clone nor a second ``fit`` goes on from the first one's weights."""
    spec = POOL[5]
    _, X, y = trained(spec)
    estimator = make_estimator(spec, random_state=random_state).fit(X, y)
    start, end = estimator.initial_weights_, estimator.get_weights()
    for again in (clone(estimator).fit(X, y), estimator.fit(X, y)):
        assert weight_change(again.initial_weights_, end) > 1e-3
        same_start = weight_change(again.initial_weights_, start) == 0.0
        assert same_start == (random_state == 0)


def test_fit_again_with_warm_start_starts_from_old_weights():
    """With ``warm_start=True`` a second ``fit`` starts where the first one ended."""
    spec = POOL[5]
    _, X, y = trained(spec)
    estimator = make_estimator(spec, warm_start=True).fit(X, y)
    end = estimator.get_weights()
    estimator.fit(X, y)
    assert_identical_weights(estimator.initial_weights_, end)
    assert weight_change(estimator.get_weights(), end) > 1e-3
