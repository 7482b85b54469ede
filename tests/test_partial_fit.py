"""`partial_fit`: one pass over the rows that follow those seen."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_state,
    weight_change,
)
from sklearn.base import clone
from training_cases import (
    FAST,
    HALVING,
    LABELS,
    B,
    K,
    N,
    StopAt,
    X,
    classifier,
    fit,
    regressor,
    y,
)

FALLING = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.9)


# --------------------------------------------------------------------------------------
# Callbacks: what they are called with
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "n_batches"),
    [
        (("on_train_begin",), 0),
        (("on_epoch_begin",), 1),
        (("on_train_batch_end", 2), 3),
    ],
    ids=lambda argument: argument[0] if isinstance(argument, tuple) else "",
)
def test_partial_fit_stopped_by_callback_continues_in_next_call(stop, n_batches):
    """Only the batches done are trained on; the other rows wait for the next call."""
    whole = regressor().partial_fit(X[:N], y[:N])
    parts = regressor(callbacks=[StopAt(*stop)]).partial_fit(X[:N], y[:N])
    assert parts.n_windows_ == n_batches * B
    assert parts.state_.position == whole.state_.position == K * B
    if n_batches:
        n = N - (K - n_batches) * B
        part = regressor().partial_fit(X[:n], y[:n])
        assert_identical_weights(parts.get_weights(), part.get_weights())
        assert parts.history_ == part.history_
        assert_same_state(parts.state_, part.observe(X[n:N]).state_)
    parts.set_params(callbacks=None)
    for estimator in (parts, whole):
        estimator.partial_fit(X[N:], y[N:])
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.n_windows_ == whole.n_windows_
    assert_same_state(parts.state_, whole.state_)


# --------------------------------------------------------------------------------------
# Going on: warm starts and partial fits
# --------------------------------------------------------------------------------------


def test_partial_fit_whole_series_equals_one_epoch():
    once = regressor(**FAST).partial_fit(X[:N], y[:N])
    fitted = fit(regressor(epochs=1, **FAST))
    assert_identical_weights(once.get_weights(), fitted.get_weights())
    assert once.history_ == fitted.history_
    assert once.n_windows_ == B * K


def test_partial_fit_first_call_uses_own_learning_rate():
    """Estimators share a compiled pass whatever their rates are."""
    options = {"units": 4, "optimizer": "sgd", "epochs": 1}
    fit(regressor(**options, optimizer__learning_rate=1.0))  # the first to compile it
    slow = regressor(**options, optimizer__learning_rate=0.01)
    fitted = fit(clone(slow))
    slow.partial_fit(X[:N], y[:N])
    assert_identical_weights(slow.get_weights(), fitted.get_weights())


def test_partial_fit_after_fit_continues():
    """The rows after those of the fit: state, weights and history carry over."""
    estimator = fit(regressor(**FAST))
    before = estimator.get_weights()
    estimator.partial_fit(X[N : N + 6], y[N : N + 6])
    assert estimator.state_.position == B * K + 6
    assert len(estimator.history_["loss"]) == 4
    assert weight_change(before, estimator.get_weights()) > 1e-4
    np.testing.assert_array_equal(
        estimator.state_.context, np.float32(X[N + 5 : N + 6])
    )


@pytest.mark.parametrize(
    ("first", "then", "text"),
    [
        ({}, {"optimizer": "sgd"}, "Adam, but .* ask for SGD"),
        ({}, {"optimizer__clipnorm": 1.0}, "Adam, but .* Adam with another clipnorm"),
        (
            {"optimizer": keras.optimizers.SGD(HALVING)},
            {"optimizer": keras.optimizers.SGD(0.1)},
            "SGD, but .* ask for SGD with another learning_rate",
        ),
        (
            {"optimizer": keras.optimizers.SGD(HALVING)},
            {"optimizer": keras.optimizers.SGD(FALLING)},
            "SGD, but .* ask for SGD with another learning_rate",
        ),
    ],
    ids=["class", "setting", "schedule to number", "schedule to schedule"],
)
def test_partial_fit_with_another_optimizer_raises(first, then, text):
    """Training would go on with the old one. What the error advises works."""
    estimator = fit(regressor(epochs=1, **first))
    before = estimator.get_weights()
    estimator.set_params(**then)
    with pytest.raises(ValueError, match=f"{text}.*fit with warm_start=True"):
        estimator.partial_fit(X[N:], y[N:])
    assert_identical_weights(estimator.get_weights(), before)
    fit(estimator.set_params(warm_start=True)).partial_fit(X[N:], y[N:])
    assert weight_change(estimator.get_weights(), before) > 1e-4


def compiled(meta, rate=0.1, clipnorm=None, loss="mse", compiles=True):
    """A model with an optimizer of its own."""
    model = plain_model(meta)
    if compiles:
        model.compile(keras.optimizers.SGD(rate, clipnorm=clipnorm), loss)
    return model


def plain_model(meta):
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    layers = [keras.layers.LSTM(2, stateful=meta["stateful"]), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(batch_shape=shape), *layers])


def test_partial_fit_of_compiled_model_keeps_its_optimizer():
    """The estimator's `optimizer` is ignored, in `fit` and after; its rate counts."""
    estimator = fit(regressor(model=compiled, epochs=1))
    again = copy.deepcopy(estimator)
    estimator.partial_fit(X[N:], y[N:])
    again.set_params(optimizer="rmsprop").partial_fit(X[N:], y[N:])
    assert_identical_weights(estimator.get_weights(), again.get_weights())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clipnorm": 1.0}, "compiles with SGD with another clipnorm.*warm_start=True"),
        ({"rate": 0.2}, "another learning_rate.*changed by optimizer__learning_rate"),
        ({"loss": "mae"}, "mean_squared_error, but the model function now compiles wi"),
        ({"compiles": False}, "now returns a model not compiled"),
    ],
)
def test_partial_fit_tells_of_what_the_model_function_now_compiles_with(change, text):
    estimator = regressor(model=compiled).partial_fit(X[:N], y[:N])
    before = estimator.get_weights()
    estimator.set_params(**{f"model__{name}": v for name, v in change.items()})
    with pytest.raises(ValueError, match=text):
        estimator.partial_fit(X[N:], y[N:])
    assert_identical_weights(estimator.get_weights(), before)


def test_partial_fit_model_function_made_again_goes_on_and_another_network_does_not():
    """A notebook's cell that is run again defines the same function anew."""
    estimator = regressor(model=plain_model).partial_fit(X[:N], y[:N])
    estimator.set_params(model=lambda meta: plain_model(meta)).partial_fit(X[N:], y[N:])

    def other(meta):
        model = plain_model(meta)
        model.add(keras.layers.ReLU())
        return model

    with pytest.raises(ValueError, match="model function now returns another one"):
        estimator.set_params(model=other).partial_fit(X, y)


def test_partial_fit_classes_gives_column_to_unseen_class():
    """A class not seen yet has a column of probabilities."""
    estimator = classifier()
    estimator.partial_fit(X[:N], np.where(LABELS == "mid", "low", LABELS)[:N], LABELS)
    assert estimator.classes_.tolist() == ["high", "low", "mid"]
    estimator.partial_fit(X[N:], LABELS[N:])
    proba = estimator.predict_proba(X[:5])
    assert proba.shape == (5, 3)
    assert_close(proba.sum(axis=1), np.ones(5))
