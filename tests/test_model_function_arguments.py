"""What a model function is given, and whose optimizer and loss are used."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    windows_by_hand,
)
from model_functions import LABELS, B, N, T, X, regressor, simple_rnn, y
from plain import StatefulLSTMClassifier
from sklearn.base import clone


class Told(Exception):
    """Raised by a function that only wants to know what it is given."""


def tell(meta, units=None):
    raise Told(meta, units)


def what_is_told(estimator, X, y) -> tuple[dict[str, Any], Any]:
    """Return the `meta` and `units` that a fit gives to `tell`."""
    with pytest.raises(Told) as told:
        estimator.fit(X, y)
    return told.value.args


@pytest.mark.parametrize("stateful", [True, False])
def test_model_function_meta_of_regressor(stateful):
    estimator = regressor(tell, stateful=stateful)
    meta, _ = what_is_told(estimator, X, np.column_stack([y, y]))
    expected = {
        "n_features_in_": 2,
        "n_outputs_": 2,
        "sequence_length": T,
        "batch_size": B if stateful else None,
        "stateful": stateful,
    }
    assert expected.items() <= meta.items()


@pytest.mark.parametrize(
    ("labels", "n_outputs"), [(LABELS, 3), (LABELS == "low", 1)], ids=["three", "two"]
)
def test_model_function_meta_of_classifier(labels, n_outputs):
    meta, _ = what_is_told(StatefulLSTMClassifier(model=tell), X, labels)
    assert meta["n_outputs_"] == n_outputs
    assert meta["n_classes_"] == len(np.unique(labels))
    assert list(meta["classes_"]) == sorted(set(labels))


def test_model_function_meta_of_windows_has_their_length():
    """`meta` holds the length of the windows, not the parameter `sequence_length`."""
    windows = windows_by_hand(X, T + 1)
    meta, _ = what_is_told(regressor(tell, sequence_length=1), windows, y[T:])
    assert meta["sequence_length"] == T + 1


def test_model_function_routed_parameters_reach_it():
    estimator = regressor(tell, model__units=3)
    assert what_is_told(estimator, X, y)[1] == 3
    assert what_is_told(clone(estimator), X, y)[1] == 3
    estimator.set_params(model__units=4)
    assert what_is_told(estimator, X, y)[1] == 4


def test_model_function_unknown_routed_parameter_raises():
    estimator = regressor(simple_rnn, model__unit=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'unit'"):
        estimator.fit(X[:N], y[:N])


@pytest.mark.thorough
def test_model_function_takes_compile_kwargs():
    """scikeras's convention: `compile_kwargs` holds the estimator's choices."""
    seen = {}

    def model(meta, compile_kwargs):
        seen.update(compile_kwargs)
        model = simple_rnn(meta)
        model.compile(**compile_kwargs)
        return model

    estimator = regressor(model, loss="mae").fit(X[:N], y[:N])
    assert isinstance(seen["optimizer"], keras.optimizers.SGD)
    same = regressor(simple_rnn, loss="mae").fit(X[:N], y[:N])
    assert_identical_weights(estimator.get_weights(), same.get_weights())


@pytest.mark.parametrize(
    "loss", first_ordinary(1, [keras.losses.MeanAbsoluteError(), "mae"])
)
def test_model_function_compiled_model_keeps_its_optimizer_and_loss(loss):
    """The estimator's `optimizer` and `loss` are ignored then."""

    def model(meta):
        model = simple_rnn(meta)
        model.compile(keras.optimizers.SGD(0.1), loss, metrics=["mse"])
        return model

    own = regressor(model, optimizer="adam", optimizer__learning_rate=1e-5)
    own.fit(X[:N], y[:N])
    given = regressor(simple_rnn, loss="mae", metrics=["mse"]).fit(X[:N], y[:N])
    assert_identical_weights(own.get_weights(), given.get_weights())
    assert own.history_.keys() == given.history_.keys()
    for name, values in given.history_.items():
        assert_close(own.history_[name], values, what=name)


def absolute_error(y_true, y_pred):
    """A loss, and a metric, of the user's own."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.thorough
def test_model_function_compiled_with_own_loss_and_metric():
    def model(meta):
        model = simple_rnn(meta)
        model.compile("sgd", loss=absolute_error, metrics=[absolute_error])
        model.optimizer.learning_rate = 0.1
        return model

    own = regressor(model, optimizer="adam").fit(X[:N], y[:N])
    given = regressor(simple_rnn, loss="mae").fit(X[:N], y[:N])
    assert_same_weights(own.get_weights(), given.get_weights(), **PARITY)
    assert_close(own.history_["absolute_error"], own.history_["loss"])
