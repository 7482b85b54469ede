"""Outputs and states are those of the NumPy LSTM, for rows drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    ROUNDING,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    make_rows,
    outputs_of,
)
from hypothesis import given
from law_cases import (
    POOL,
    among_stateful,
    assert_state_is,
    in_pool,
    labels_of,
    make_estimator,
    naive_of,
    situations,
    trained,
)


@given(situations())
def test_predict_equals_numpy_lstm(situation):
    """Each row has its window, its lane, and its lane's state: cold rows too."""
    estimator, naive = situation.begin()
    X = situation.rows
    expected = naive.predict(X)
    assert_close(outputs_of(estimator, X), expected, **ROUNDING)
    predicted = estimator.predict(X)
    if situation.spec.n_classes:
        assert predicted.tolist() == (
            labels_of(situation.spec, estimator, expected).tolist()
        )


@given(situations())
def test_observe_state_equals_numpy_lstm(situation):
    """After observing, state, context and position are the oracle's."""
    estimator, naive = situation.begin()
    assert_state_is(estimator, naive)
    assert estimator.observe(situation.rows) is estimator
    naive.step(situation.rows)
    assert_state_is(estimator, naive)


@among_stateful
def test_tolerance_tells_states_apart(spec):
    """Zero state, another lane, another context: each is a different answer.

    Without this, a network that ignores its state would obey every law here.
    """
    estimator, X, _ = trained(spec)
    rows = make_rows(3, spec.n_features, seed=4)
    naive = naive_of(spec, estimator, X)
    right = naive.predict(rows)
    wrong = []
    naive.reset()
    naive.context = X[len(X) - spec.sequence_length + 1 :]
    wrong.append(naive.predict(rows))  # zero state
    if spec.batch_size > 1:
        naive.seed(X, drop_remainder=spec.drop_remainder)
        naive.position += 1
        wrong.append(naive.predict(rows))  # the next lane
    if spec.sequence_length > 1:
        naive.seed(X, drop_remainder=spec.drop_remainder)
        naive.context = np.roll(naive.context, 1)
        naive.context[0] += 1.0
        wrong.append(naive.predict(rows)[:1])  # another past
    for answer in wrong:
        assert np.abs(answer - right[: len(answer)]).max() > 50 * ROUNDING["atol"]


@among_stateful
def test_observe_position_counts_windows_taken(spec):
    """Rows without T-1 rows before them are answered but take no lane."""
    estimator, _, _ = trained(spec)
    estimator.reset_states()
    state = estimator.get_states()
    assert state.position == 0
    assert state.context.shape == (0, spec.n_features)
    assert not any(np.any(array) for layer in state.layers for array in layer)
    for n_seen in range(1, spec.sequence_length + spec.batch_size + 2):
        estimator.observe(make_rows(1, spec.n_features, seed=n_seen))
        state = estimator.get_states()
        assert state.position == max(0, n_seen - spec.sequence_length + 1)
        assert len(state.context) == min(n_seen, spec.sequence_length - 1)


@in_pool
def test_fit_seeds_state_after_last_training_row(spec):
    """The state is that of the final weights over the kept windows from zero state."""
    estimator, X, _ = trained(spec)
    assert_state_is(estimator, naive_of(spec, estimator, X))
    assert_same_state(estimator.get_states(), estimator.state_)


@in_pool
def test_predict_training_rows_replays_from_zero_state(spec):
    """In-sample outputs are those of the seeding pass, wherever the state is now."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    kept = naive.seed(X, drop_remainder=spec.drop_remainder)
    naive.reset()
    cold = naive.predict(X[: spec.sequence_length - 1])
    first = outputs_of(estimator, X.copy())
    assert len(first) == len(X)
    assert_close(first[len(X) - len(kept) :], kept, what="kept rows", **ROUNDING)
    if spec.sequence_length > 1:
        assert_close(first[: len(cold)], cold, what="cold rows", **ROUNDING)
    estimator.observe(make_rows(5, spec.n_features, seed=2))
    np.testing.assert_array_equal(outputs_of(estimator, X), first)


@among_stateful
@pytest.mark.parametrize("change", ["one number", "one row less"])
def test_predict_nearly_training_rows_continues_from_state(spec, change):
    """Rows that differ from the training rows in one number are new rows."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    other = X[:-1].copy() if change == "one row less" else X.copy()
    if change == "one number":
        other[len(X) // 2, -1] += 1.0
    assert_close(outputs_of(estimator, other), naive.predict(other), **ROUNDING)


@pytest.mark.slow
def test_predict_thousands_of_rows_equals_numpy_lstm():
    """Thousands of rows in one call: none lost, each with its lane."""
    spec = POOL[7]
    estimator, X, _ = trained(spec)
    rows = make_rows(6_007, spec.n_features, seed=3)
    outputs = outputs_of(estimator, rows)
    naive = naive_of(spec, estimator, X)
    assert_close(outputs, naive.predict(rows), **ROUNDING)


@among_stateful
def test_estimators_of_one_shape_do_not_interfere(spec):
    """Between two calls on one, another of the same shape is trained and asked."""
    alone, X, y = trained(spec)
    rows = make_rows(9, spec.n_features, seed=4)
    expected = outputs_of(alone, rows)
    one = trained(spec).estimator
    other = make_estimator(spec, random_state=8, optimizer__learning_rate=0.5)
    halves = []
    for piece in (slice(0, 4), slice(4, 9)):
        halves.append(outputs_of(one, rows[piece]))
        one.observe(rows[piece])
        other.fit(X + 1.0, y).observe(rows).partial_fit(X, y)
        other.predict(rows)
    assert_close(np.concatenate(halves), expected, **ROUNDING)
    again = make_estimator(spec).fit(X, y)
    assert_identical_weights(again.get_weights(), alone.get_weights())
