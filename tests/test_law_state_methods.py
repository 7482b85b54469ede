"""Law 4: what `reset_states`, `reseed_states`, `get_states` and `set_states` do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from helpers import (
    ROUNDING,
    assert_same_state,
    make_rows,
    seeds,
)
from hypothesis import given
from law_cases import POOL, assert_unchanged, situations, snapshot, trained


@pytest.mark.parametrize("spec", [s for s in POOL if not s.n_extra], ids=str)
def test_reset_then_observe_training_rows_reproduces_state(spec):
    """``reset_states(); observe(X)`` is how the state came about."""
    estimator, X, _ = trained(spec)
    seeded = copy.deepcopy(estimator.state_)
    assert estimator.reset_states() is estimator
    estimator.observe(X)
    assert_same_state(estimator.state_, seeded, **ROUNDING)


@given(situations(), seeds)
def test_reseed_states_returns_to_end_of_fit(situation, seed):
    """Whatever was observed since, ``reseed_states`` undoes it, bit for bit."""
    estimator, _ = situation.begin()
    estimator.step(situation.rows)
    assert estimator.reseed_states() is estimator
    pristine = trained(situation.spec).estimator
    assert_same_state(estimator.get_states(), pristine.get_states())
    X = make_rows(7, situation.spec.n_features, seed)
    np.testing.assert_array_equal(estimator.predict(X), pristine.predict(X))


@given(situations())
def test_set_states_of_get_states_restores_answers(situation):
    """``set_states(get_states())`` restores the answers, bit for bit."""
    estimator, _ = situation.begin()
    X = situation.rows
    state = estimator.get_states()
    answer = estimator.predict(X)
    estimator.step(make_rows(9, situation.spec.n_features, seed=1))
    estimator.set_states(state)
    assert_same_state(estimator.get_states(), state)
    np.testing.assert_array_equal(estimator.predict(X), answer)
    # A state travels to another estimator with the same weights.
    other = trained(situation.spec).estimator
    other.set_states(state)
    np.testing.assert_array_equal(other.predict(X), answer)


def test_set_states_of_another_shape_raises_naming_both():
    """The error names the lanes and units that came and those that were expected."""
    estimator = trained(POOL[4]).estimator  # 4 lanes of 3 units
    other = trained(POOL[5]).estimator  # 5 lanes of 3 units
    before = snapshot(estimator)
    with pytest.raises(ValueError, match=r"(?s)\(5, 3\).*\(4, 3\)|\(4, 3\).*\(5, 3\)"):
        estimator.set_states(other.get_states())
    assert_unchanged(estimator, before)
