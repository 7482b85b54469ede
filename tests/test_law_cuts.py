"""Laws 1 and 2: into which pieces rows are cut does not change any answer."""

from __future__ import annotations

import numpy as np
from helpers import (
    ROUNDING,
    assert_close,
    assert_same_state,
    outputs_of,
    pieces,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import assert_state_is, situations


@given(situations(), st.data())
def test_step_over_any_pieces_equals_predict(situation, data):
    """``step`` over the pieces of X, put together, is ``predict(X)``."""
    X = situation.rows
    cut = data.draw(pieces(len(X)))
    estimator, _ = situation.begin()
    whole = estimator.predict(X)
    stepped = np.concatenate([estimator.step(X[piece]) for piece in cut])
    if situation.spec.n_classes:
        assert stepped.tolist() == whole.tolist()
    else:
        assert_close(stepped, whole, **ROUNDING)


@given(situations(), st.data())
def test_step_and_observe_leave_same_state(situation, data):
    """``step`` leaves the state that ``observe`` leaves, in pieces or at once."""
    X = situation.rows
    cut = data.draw(pieces(len(X)))
    stepping, _ = situation.begin()
    observing, _ = situation.begin()
    for piece in cut:
        stepping.step(X[piece])
    observing.observe(X)
    assert_same_state(stepping.get_states(), observing.get_states(), **ROUNDING)


@given(situations(), st.integers(0, 30))
def test_observe_then_predict_equals_tail_of_predict(situation, n_observed):
    """The answers for B after observing A are the tail of those for A and B."""
    X = situation.rows
    n_observed = min(n_observed, len(X) - 1)
    estimator, _ = situation.begin()
    whole = outputs_of(estimator, X)
    if n_observed:
        estimator.observe(X[:n_observed])
    assert_close(outputs_of(estimator, X[n_observed:]), whole[n_observed:], **ROUNDING)


@given(situations(), st.integers(1, 30))
def test_predict_first_rows_is_independent_of_later_rows(situation, n_first):
    """Asked for fewer rows at once, the answers are the same."""
    X = situation.rows
    n_first = min(n_first, len(X))
    estimator, _ = situation.begin()
    whole = outputs_of(estimator, X)
    assert whole.shape[0] == len(X)
    assert_close(outputs_of(estimator, X[:n_first]), whole[:n_first], **ROUNDING)


@given(situations())
def test_predict_one_row_at_a_time_equals_all_at_once(situation):
    """The streaming call, row by row, is the batch call."""
    X = situation.rows
    estimator, naive = situation.begin()
    whole = outputs_of(estimator, X)
    singly = []
    for i in range(len(X)):
        singly.append(outputs_of(estimator, X[i : i + 1]))
        estimator.observe(X[i : i + 1])
    assert_close(np.concatenate(singly), whole, **ROUNDING)
    naive.step(X)
    assert_state_is(estimator, naive)
