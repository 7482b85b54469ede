"""Laws of `transform`: hidden states are the NumPy LSTM's, however rows are cut."""

from __future__ import annotations

import numpy as np
from helpers import (
    ROUNDING,
    NaiveLSTM,
    assert_close,
    assert_same_state,
    make_rows,
    pieces,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import in_pool, naive_of, situations, trained


def headless(naive: NaiveLSTM) -> NaiveLSTM:
    """The NumPy LSTM with its last h as its output."""
    n_units = len(naive.head_kernel)
    naive.head_kernel, naive.head_bias = np.eye(n_units), np.zeros(n_units)
    naive.activation = lambda z: z
    return naive


@given(situations())
def test_transform_equals_numpy_lstm(situation):
    """Of every cell, window and lane: short cold windows too. The state stays."""
    estimator, naive = situation.begin()
    before = estimator.get_states()
    h = estimator.transform(situation.rows)
    assert h.shape == (situation.n_rows, situation.spec.units[-1])
    assert_close(h, headless(naive).predict(situation.rows), **ROUNDING)
    assert_same_state(estimator.get_states(), before)


@in_pool
def test_transform_training_rows_replays_from_zero_state(spec):
    estimator, rows, _ = trained(spec)
    naive = headless(naive_of(spec, estimator, rows))
    kept = naive.seed(rows, drop_remainder=spec.drop_remainder)
    h = estimator.observe(make_rows(3, spec.n_features, seed=2)).transform(rows)
    assert_close(h[len(rows) - len(kept) :], kept, **ROUNDING)


@given(situations(), st.data())
def test_transform_is_independent_of_cuts(situation, data):
    """Laws 1 and 2: pieces, observed in between, make the whole."""
    estimator, _ = situation.begin()
    whole = estimator.transform(situation.rows)
    made = []
    for piece in data.draw(pieces(situation.n_rows)):
        made.append(estimator.transform(situation.rows[piece]))
        estimator.observe(situation.rows[piece])
    assert_close(np.concatenate(made), whole, **ROUNDING)
