"""What a model function may not return: each case is refused with its own text."""

from __future__ import annotations

import keras
import pytest
from model_functions import (
    LABELS,
    B,
    N,
    T,
    X,
    layers,
    make_meta,
    regressor,
    simple_rnn,
    start,
    y,
)
from plain import StatefulLSTMClassifier


def two_outputs(meta):
    inputs = start(meta)
    state = layers.LSTM(2, stateful=meta["stateful"])(inputs)
    return keras.Model(inputs, [layers.Dense(1)(state), layers.Dense(1)(state)])


def fixed_batch(meta):
    return simple_rnn({**meta, "batch_size": B + 1})


def other_width(meta):
    return simple_rnn({**meta, "n_features_in_": 5})


def every_step(meta):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"], return_sequences=True),
            layers.Dense(1),
        ]
    )


BAD_MODELS = {
    "nothing": (
        lambda meta: None,
        TypeError,
        r"must return a keras.Model, but it returned None of type NoneType",
    ),
    "a layer": (
        lambda meta: layers.LSTM(2),
        TypeError,
        r"must return a keras.Model, but it returned <LSTM .* of type LSTM",
    ),
    "not built": (
        lambda meta: keras.Sequential([layers.LSTM(2), layers.Dense(1)]),
        ValueError,
        r"must return a built Keras model with one input and one output, starting for"
        r" example with keras.Input\(batch_shape=\(3, 2, 2\)\)",
    ),
    "two outputs": (two_outputs, ValueError, "one input and one output"),
    "too many outputs": (
        lambda meta: simple_rnn({**meta, "n_outputs_": 4}),
        ValueError,
        r"gives 4 output\(s\) for each window, but y has 1\. .*meta\['n_outputs_'\]",
    ),
    "an output for each step": (
        every_step,
        ValueError,
        r"row for each window; got \(3, 2, 1\)\. .*return_sequences=False",
    ),
    "not stateful": (
        lambda meta: simple_rnn({**meta, "stateful": False}),
        ValueError,
        r"stateful=True, but .* without a stateful recurrent layer\. Pass"
        r" stateful=meta\['stateful'\]",
    ),
    "another batch size": (
        fixed_batch,
        ValueError,
        r"inputs of shape \(4, 2, 2\), but meta asks for \(batch_size, sequence_length,"
        r" n_features\) = \(3, 2, 2\)",
    ),
    "another width": (
        other_width,
        ValueError,
        r"inputs of shape \(3, 2, 5\), but meta",
    ),
}


@pytest.mark.parametrize(
    ("model", "error", "text"), BAD_MODELS.values(), ids=BAD_MODELS
)
def test_model_function_bad_result_raises(model, error, text):
    estimator = regressor(model)
    with pytest.raises(error, match=text):
        estimator.fit(X[:N], y[:N])
    assert not hasattr(estimator, "state_")


def test_model_function_stateful_model_with_stateful_false_raises():
    """Its state would pass from window to window, where none may."""

    def model(meta):
        return simple_rnn({**meta, "batch_size": B, "stateful": True})

    estimator = regressor(model, stateful=False)
    with pytest.raises(ValueError, match=r"stateful=False|batch_shape|meta asks for"):
        estimator.fit(X[:N], y[:N])


def test_model_function_too_few_outputs_for_classes_raises():
    def model(meta):
        return simple_rnn({**meta, "n_outputs_": 2})

    estimator = StatefulLSTMClassifier(model=model, sequence_length=T, batch_size=B)
    with pytest.raises(ValueError, match=r"gives 2 output\(s\).* y has 3 classes"):
        estimator.fit(X[:N], LABELS[:N])


@pytest.mark.parametrize("model", ["lstm", 3, simple_rnn(make_meta(B))])
def test_model_not_a_function_raises(model):
    estimator = regressor(model)
    text = "model must be None or a function that is given `meta` and returns"
    with pytest.raises(TypeError, match=text):
        estimator.fit(X[:N], y[:N])


def test_model_function_error_inside_is_raised_as_it_is():
    def model(meta):
        raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        regressor(model).fit(X[:N], y[:N])


def convolved(meta):
    return keras.Sequential(
        [
            start(meta),
            layers.Conv1D(2, T + 1),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1),
        ]
    )


def test_model_function_convolution_longer_than_windows_names_sequence_length():
    text = rf"leaves nothing of a window of {T} step\(s\).*Set sequence_length.*causal"
    with pytest.raises(ValueError, match=text):
        regressor(convolved).fit(X[:N], y[:N])
    pooled = [layers.MaxPooling1D(T + 1), layers.LSTM(2, stateful=True)]
    pooling = regressor(lambda meta: keras.Sequential([start(meta), *pooled]))
    with pytest.raises(ValueError, match=text):
        pooling.fit(X[:N], y[:N])
