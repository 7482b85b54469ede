"""Law 6: the same `random_state` gives the same bits, and nothing else is drawn."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from helpers import (
    ROUNDING,
    TRAINING,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    make_rows,
    outputs_of,
    weight_change,
)
from law_cases import (
    DROPOUT,
    POOL,
    Spec,
    in_pool,
    make_estimator,
    make_target,
    naive_of,
    trained,
)


@pytest.mark.parametrize("spec", first_ordinary(1, DROPOUT), ids=str)
def test_fit_another_random_state_gives_other_weights(spec):
    """Initial weights and, from equal weights, dropout masks depend on the seed."""
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    one, two = (
        make_estimator(spec, dropout=0.4, random_state=r).fit(X, y) for r in (1, 2)
    )
    assert weight_change(one.initial_weights_, two.initial_weights_) > 1e-3
    assert weight_change(one.get_weights(), two.get_weights()) > 1e-3


@pytest.mark.thorough
@pytest.mark.parametrize("spec", DROPOUT[1:2], ids=str)
def test_dropout_changes_fit_but_not_predict(spec):
    """It changes what is learnt; predictions draw nothing."""
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    dry, wet = (make_estimator(spec, dropout=p).fit(X, y) for p in (0.0, 0.4))
    assert_identical_weights(dry.initial_weights_, wet.initial_weights_)
    assert weight_change(dry.get_weights(), wet.get_weights()) > 1e-4
    rows = make_rows(12, spec.n_features, seed=2)
    naive = naive_of(spec, wet, X)
    assert_close(outputs_of(wet, rows), naive.predict(rows), **ROUNDING)


def test_shuffle_acts_on_windows_of_stateless_only():
    """In one batch of all windows order is nothing; in three batches it is not."""
    spec = Spec(12, 2, 1, stateful=False)
    X = make_rows(13, 1, TRAINING)  # 12 windows
    y = make_target(spec, 13, TRAINING)
    together, apart = (
        [
            make_estimator(spec, batch_size=b, shuffle=s, epochs=2).fit(X, y)
            for s in (False, True)
        ]
        for b in (12, 4)
    )
    # Rounding of a sum in another order, through two steps of Adam.
    assert_same_weights(
        together[1].get_weights(), together[0].get_weights(), rtol=1e-4, atol=1e-5
    )
    assert weight_change(apart[0].get_weights(), apart[1].get_weights()) > 1e-3
    carried = [
        make_estimator(POOL[5], shuffle=s).fit(*trained(POOL[5])[1:]).get_weights()
        for s in (False, True)
    ]
    assert_identical_weights(*carried)


def global_random_states() -> tuple[Any, Any]:
    """Return the states of NumPy's and Python's global generators."""
    return np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("random_state", [None, 0])
@in_pool
def test_fit_predict_leave_global_random_states(spec, random_state):
    """Nothing is drawn from NumPy's or Python's own generators."""
    _, X, y = trained(spec)
    before = global_random_states()
    estimator = make_estimator(spec, shuffle=True, random_state=random_state)
    estimator.fit(X, y).predict(X[1:])
    after = global_random_states()
    np.testing.assert_equal(after[0], before[0])
    assert after[1] == before[1]
