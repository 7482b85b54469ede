"""Rebuilding, pickling and reading the model of an estimator with a model function."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    windows_by_hand,
)
from model_functions import B, N, T, X, bidirectional, gru, own_layer, regressor, y


@pytest.mark.parametrize("batch_size", [1, 5])
def test_rebuild_at_another_batch_size_of_model_function(batch_size):
    """From zero state, as a reset estimator predicts its first whole windows."""
    estimator = regressor(gru, epochs=1).fit(X[:N], y[:N])
    model = estimator.rebuild(batch_size)
    assert model.inputs[0].shape == (batch_size, T, 2)
    assert_identical_weights(model.get_weights(), estimator.get_weights())
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    outputs = np.asarray(model(windows[:batch_size]))[:, 0]
    n = min(batch_size, B)
    estimator.reset_states()
    assert_close(outputs[:n], estimator.predict(X[:N])[T - 1 :][:n])


@pytest.mark.thorough
def test_rebuild_of_stateless_model_function():
    estimator = regressor(bidirectional, stateful=False, epochs=1).fit(X[:N], y[:N])
    model = estimator.rebuild(4)
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    expected = estimator.predict(X[:N])[T - 1 :][:4]
    assert_close(np.asarray(model(windows[:4]))[:, 0], expected)


def test_model_attribute_continues_from_state():
    """`model_` goes on where the estimator stands."""
    estimator = regressor(gru, epochs=1).fit(X[:N], y[:N])
    windows = windows_by_hand(X[N - T + 1 :], T).astype(np.float32)
    expected = estimator.predict(X[N:])[:B]
    assert_close(np.asarray(estimator.model_(windows[:B]))[:, 0], expected)


@pytest.mark.parametrize("model", first_ordinary(1, [own_layer, gru]))
def test_pickle_with_model_function_predicts_and_trains_alike(model):
    """It keeps predicting, and goes on training, as the original does."""
    estimator = regressor(model).fit(X[:N], y[:N]).observe(X[N : N + 3])
    copy = pickle.loads(pickle.dumps(estimator))
    assert_close(copy.predict(X[N + 3 :]), estimator.predict(X[N + 3 :]))
    for each in (estimator, copy):
        each.partial_fit(X[N + 3 :], y[N + 3 :])
    assert_same_weights(copy.get_weights(), estimator.get_weights())
