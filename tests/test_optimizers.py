"""Optimizers: every way to name one, trained with as in Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    keras_loop,
    keras_lstm,
    weight_change,
)
from sklearn.base import clone
from training_cases import FAST, HALVING, B, K, N, T, X, fit, regressor, y


def test_fit_again_does_not_trace_loss_again():
    """A loss in Python is called while a program is traced, and at no other time."""
    traced = []

    def loss(y_true, y_pred):
        traced.append(y_pred.shape)
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    estimator = fit(regressor(loss=loss, optimizer="sgd", epochs=2))
    n = len(traced)
    assert n > 0
    weights = []
    for rate in (0.1, 0.01, 0.3):
        another = clone(estimator).set_params(optimizer__learning_rate=rate)
        weights.append(fit(another).get_weights())
    assert weight_change(*weights[:2]) > 1e-3
    fit(clone(estimator).set_params(random_state=5, epochs=3))
    fit(clone(estimator), N - B)  # another number of batches
    fit(clone(estimator), N + 2)  # rows left out
    fit(clone(estimator), sample_weight=np.linspace(1, 2, N))
    assert len(traced) == n
    fit(clone(estimator).set_params(units=3))  # another network is another program
    assert len(traced) > n


@pytest.mark.parametrize(
    "optimizer", ["sgd", keras.optimizers.SGD], ids=["name", "class"]
)
def test_optimizer_by_name_class_or_object_trains_alike(optimizer):
    """A learning rate routed to the optimizer or set on it gives the same weights."""
    estimator = regressor(optimizer=optimizer, optimizer__learning_rate=0.1)
    own = keras.optimizers.SGD(0.1)
    other = fit(regressor(optimizer=own))
    assert_identical_weights(fit(estimator).get_weights(), other.get_weights())
    assert int(own.iterations) == 0  # the user's object is not the one that trains
    assert_identical_weights(
        fit(regressor(optimizer=own)).get_weights(), (other.get_weights())
    )


#: Those of which `test_parity_settings` has no three epochs.
OPTIMIZERS = {
    "sgd global clipnorm, momentum": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, nesterov=True, global_clipnorm=0.1
    ),
    "moving average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "accumulated gradients": lambda: keras.optimizers.SGD(
        0.1, gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("make", first_ordinary(1, OPTIMIZERS.values()), ids=OPTIMIZERS)
def test_optimizers_train_as_in_keras(make):
    """One epoch: Keras would put averaged weights in place after each `fit`."""
    estimator = fit(regressor(optimizer=make(), epochs=1))
    expected = keras_loop(
        lambda batch_size: keras_lstm(
            [2],
            1,
            "linear",
            batch_size=batch_size,
            sequence_length=T,
            n_features=2,
            stateful=True,
        ),
        X[:N],
        y[:N],
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=1,
        optimizer=keras.optimizers.serialize(make()),
        loss="mse",
    )
    assert_same_weights(estimator.get_weights(), expected.weights, **PARITY)
    assert_close(estimator.history_["loss"], expected.losses, **PARITY)
    plain = fit(regressor(epochs=1, **FAST))
    assert weight_change(estimator.get_weights(), plain.get_weights()) > 1e-3


def test_optimizer_schedule_continues_over_epochs():
    """A schedule counts updates over all epochs."""
    estimator = fit(regressor(optimizer=keras.optimizers.SGD(HALVING)))
    rates = [0.1 * 0.5 ** (update // 4) for update in range(3 * K)]

    class EachUpdate(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = rates.pop(0)

    by_hand = fit(regressor(callbacks=[EachUpdate()], **FAST))
    assert not rates
    assert_same_weights(estimator.get_weights(), by_hand.get_weights())


def test_optimizer_routed_parameters_take_effect():
    routed = regressor(optimizer__learning_rate=0.01, optimizer__clipnorm=0.05)
    own = keras.optimizers.Adam(0.01, clipnorm=0.05)
    assert_identical_weights(
        fit(routed).get_weights(), fit(regressor(optimizer=own)).get_weights()
    )
    unclipped = fit(regressor(optimizer__learning_rate=0.01))
    assert weight_change(routed.get_weights(), unclipped.get_weights()) > 1e-6
