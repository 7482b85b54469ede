"""Compiled programs are shared by equal graphs, and never by graphs that differ."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    first_ordinary,
    weight_change,
)
from model_functions import (
    B,
    N,
    X,
    gru,
    layers,
    make_meta,
    own_layer,
    regressor,
    simple_rnn,
    start,
    y,
)
from sklearn.base import clone

from sklstm._network.architecture import sharing_key


class Tracer:
    """A loss that counts its calls, which happen only while a program is traced."""

    def __init__(self):
        self.n = 0

    def __call__(self, y_true, y_pred):
        self.n += 1
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    def __deepcopy__(self, memo):
        return self


def test_equal_graphs_share_a_program():
    tracer = Tracer()
    estimator = regressor(simple_rnn, loss=tracer).fit(X[:N], y[:N])
    n = tracer.n
    assert n > 0
    same = clone(estimator).fit(X[:N], y[:N])
    other_seed = clone(estimator).set_params(random_state=5).fit(X[:N], y[:N])
    clone(estimator).set_params(optimizer__learning_rate=0.5).fit(X[:N], y[:N])
    assert tracer.n == n
    assert_identical_weights(same.get_weights(), estimator.get_weights())
    assert weight_change(same.get_weights(), other_seed.get_weights()) > 1e-2
    clone(estimator).set_params(batch_size=B + 1).fit(X[:N], y[:N])
    assert tracer.n > n


def lambda_layer(meta, factor=1.0):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1),
            layers.Lambda(lambda x: factor * x, output_shape=(1,)),
        ]
    )


def own_activation(meta, factor=1.0):
    def times(x):
        return factor * x

    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1, activation=times),
        ]
    )


def own_cell(meta, factor=1.0):
    class Cell(layers.SimpleRNNCell):
        def call(self, sequence, states, training=False):
            output, new = super().call(sequence, states, training=training)
            return factor * output, new

    return keras.Sequential(
        [
            start(meta),
            layers.RNN(Cell(2), stateful=meta["stateful"]),
            layers.Dense(1, use_bias=False),
        ]
    )


@pytest.mark.parametrize(
    "model", first_ordinary(1, [own_layer, own_cell, lambda_layer, own_activation])
)
def test_graphs_with_own_functions_share_no_program(model):
    """No configuration holds the factor; with frozen weights answers show it."""
    still = {"epochs": 1, "optimizer__learning_rate": 0.0}
    once = regressor(model, **still).fit(X[:N], y[:N])
    twice = regressor(model, model__factor=2.0, **still).fit(X[:N], y[:N])
    assert_identical_weights(once.initial_weights_, twice.initial_weights_)
    assert_close(twice.predict(X[N:]), 2 * once.predict(X[N:]))
    assert np.abs(once.predict(X[N:])).max() > 1e-3


def activated(meta, kind, name=None):
    """An activation as a layer of its own, which may be named after it."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Activation(kind, name=name),
            layers.Dense(1),
        ]
    )


@pytest.mark.thorough
def test_layer_names_do_not_decide_sharing():
    """Graphs whose layers have other names, but the same activation, train alike."""
    regressor(activated, model__kind="relu", model__name="relu").fit(X[:N], y[:N])
    named = regressor(activated, model__kind="gelu", model__name="gelu")
    plain = regressor(activated, model__kind="gelu")
    named, plain = named.fit(X[:N], y[:N]), plain.fit(X[:N], y[:N])
    assert_identical_weights(named.get_weights(), plain.get_weights())


def test_sharing_key_tells_dtypes_used_as_names_apart():
    """Dtype policies have names too, which must not be taken for names of layers."""

    def key(dtype):
        dense = layers.Dense(1, dtype=dtype, name=dtype)
        model = keras.Sequential([start(make_meta(B)), layers.LSTM(2), dense])
        return sharing_key(model)

    assert key("float16") != key("bfloat16")


def test_sharing_key_ignores_numbers_in_names():
    """Keras numbers the names of layers, of models inside others and of operations."""

    def key():
        inner = simple_rnn(make_meta(B))
        inputs = start(make_meta(B))
        outputs = keras.ops.abs(inner(inputs)) + gru(make_meta(B))(inputs)
        return sharing_key(keras.Model(inputs, outputs))

    assert key() == key()


def adapted(meta, factor=1.0):
    """Standardised by what the layer has seen, which its configuration leaves out."""
    seen = layers.Normalization()
    seen.adapt(X * factor)
    return keras.Sequential(
        [
            start(meta),
            seen,
            layers.SimpleRNN(2, stateful=meta["stateful"], activation="linear"),
            layers.Dense(1),
        ]
    )


@pytest.mark.thorough
def test_adapted_layers_share_no_program():
    """Halved data through a layer adapted to it give the same answers."""
    still = {"epochs": 1, "optimizer__learning_rate": 0.0}
    whole = regressor(adapted, **still).fit(X[:N], y[:N])
    half = regressor(adapted, model__factor=0.5, **still).fit(X[:N] / 2, y[:N])
    assert_close(half.predict(X[N:] / 2), whole.predict(X[N:]))


def test_sharing_key_depends_on_given_means():
    def key(mean):
        given = layers.Normalization(mean=mean, variance=[1.0, 4.0])
        model = [start(make_meta(B)), given, layers.SimpleRNN(2), layers.Dense(1)]
        return sharing_key(keras.Sequential(model))

    assert key([1.0, 2.0]) == key([1.0, 2.0]) != key([1.0, 3.0])


@pytest.mark.thorough
def test_clone_with_own_layer_trains_alike():
    one = regressor(own_layer, model__factor=2.0).fit(X[:N], y[:N])
    other = clone(one).fit(X[:N], y[:N])
    assert_identical_weights(one.get_weights(), other.get_weights())
