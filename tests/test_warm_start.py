"""`warm_start=True`: a second `fit` goes on, or is refused."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    assert_identical_weights,
    first_ordinary,
    weight_change,
)
from training_cases import FAST, X, fit, lambda_model, regressor


def test_warm_start_continues_weights_optimizer_and_history():
    """Two epochs and three are the five they add up to, momenta included."""
    whole = fit(regressor(epochs=5))
    parts = fit(regressor(epochs=2, warm_start=True))
    assert_identical_weights(parts.initial_weights_, whole.initial_weights_)
    after_two = parts.get_weights()
    fit(parts.set_params(epochs=3))
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.history_["loss"] == whole.history_["loss"]
    assert_identical_weights(parts.initial_weights_, after_two)


def test_warm_start_with_another_learning_rate():
    """A learning rate set between two fits takes effect."""
    estimator = fit(regressor(warm_start=True, **FAST))
    before = estimator.get_weights()
    fit(estimator.set_params(optimizer__learning_rate=0.0))
    assert_identical_weights(estimator.get_weights(), before)


def test_warm_start_with_another_optimizer_keeps_weights():
    """The weights go on; the new optimizer starts without the old one's slots."""
    estimator = fit(regressor(warm_start=True))
    before = estimator.get_weights()
    estimator.set_params(optimizer="sgd", optimizer__learning_rate=0.1)
    fit(estimator)
    assert_identical_weights(estimator.initial_weights_, before)
    assert weight_change(before, estimator.get_weights()) > 1e-4


@pytest.mark.parametrize(
    ("first", "second"),
    first_ordinary(1, [("adam", "adadelta"), ("rmsprop", "adagrad")]),
)
def test_warm_start_with_another_optimizer_drops_slots(first, second):
    """The slots have the same shapes, and must not be taken over all the same."""
    still = {"optimizer": first, "optimizer__learning_rate": 0.0, "epochs": 1}
    estimator = fit(regressor(warm_start=True, **still))
    learning = {"optimizer": second, "optimizer__learning_rate": 0.1}
    fit(estimator.set_params(**learning))
    afresh = fit(regressor(epochs=1, **learning))
    assert_identical_weights(estimator.get_weights(), afresh.get_weights())


@pytest.mark.thorough
def test_warm_start_of_model_function_with_lambda():
    """The model has a Lambda layer, so that its programs are not shared."""
    whole = fit(regressor(model=lambda_model, epochs=3))
    parts = fit(regressor(model=lambda_model, epochs=1, warm_start=True))
    fit(parts.set_params(epochs=2))
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.history_["loss"] == whole.history_["loss"]


@pytest.mark.thorough
def test_warm_start_with_dropout_set_since_keeps_weights():
    """The network gets seed generators; the weights go on."""
    estimator = fit(regressor(warm_start=True, epochs=1))
    before = estimator.get_weights()
    fit(estimator.set_params(dropout=0.5))
    assert_identical_weights(estimator.initial_weights_, before)
    assert weight_change(before, estimator.get_weights()) > 1e-4


def test_warm_start_of_another_network_raises():
    estimator = fit(regressor(warm_start=True, epochs=1))
    before = estimator.predict(X)
    text = "warm_start=True continues .* network's shape has changed"
    with pytest.raises(ValueError, match=text):
        fit(estimator.set_params(units=3))
    np.testing.assert_array_equal(estimator.predict(X), before)
