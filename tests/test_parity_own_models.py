"""Parity of a model that the user built from `meta` with Keras's loop over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import (
    first_ordinary,
    keras_loop,
)
from parity_cases import EPOCHS, N_FEATURES, OPTIMIZERS, assert_parity, make_data
from plain import StatefulLSTMRegressor


def inputs_of(meta: dict[str, Any]) -> Any:
    """Return the input that a model for ``meta`` begins with."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Input(batch_shape=shape)


def gru_graph(meta: dict[str, Any]) -> Any:
    """Return a functional graph: a GRU beside the window's mean."""
    import keras

    inputs = inputs_of(meta)
    gru = keras.layers.GRU(4, stateful=meta["stateful"])(inputs)
    mean = keras.layers.GlobalAveragePooling1D()(inputs)
    both = keras.layers.Concatenate()([gru, mean])
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(both))


def penalised(meta: dict[str, Any], strength: float = 0.01) -> Any:
    """Return an LSTM whose weights are part of the loss and bounded."""
    import keras

    inputs = inputs_of(meta)
    lstm = keras.layers.LSTM(
        4,
        stateful=meta["stateful"],
        kernel_regularizer=keras.regularizers.L2(strength),
        recurrent_constraint=keras.constraints.MaxNorm(0.5),
    )(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(lstm))


def unusual_lstm(meta: dict[str, Any]) -> Any:
    """Return an LSTM of other activations, without bias, read backwards."""
    import keras

    inputs = inputs_of(meta)
    lstm = keras.layers.LSTM(
        4,
        activation="relu",
        recurrent_activation="hard_sigmoid",
        use_bias=False,
        go_backwards=True,
        stateful=meta["stateful"],
    )(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(lstm))


def half_frozen(meta: dict[str, Any]) -> Any:
    """Return a network with a layer that is not trained, and one that normalises."""
    import keras

    model = keras.Sequential([inputs_of(meta)])
    model.add(keras.layers.Dense(3, trainable=False, activation="tanh"))
    model.add(
        keras.layers.SimpleRNN(4, stateful=meta["stateful"], return_sequences=True)
    )
    model.add(keras.layers.BatchNormalization(momentum=0.5))
    model.add(keras.layers.LSTM(3, stateful=meta["stateful"]))
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


def both_ways(meta: dict[str, Any]) -> Any:
    """Return a bidirectional layer, whose two halves each carry their state."""
    import keras

    model = keras.Sequential([inputs_of(meta)])
    model.add(
        keras.layers.Bidirectional(keras.layers.LSTM(3, stateful=meta["stateful"]))
    )
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


def normalised(meta):
    """A network with a layer whose answer for one lane depends on the others."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    model = keras.Sequential([keras.Input(batch_shape=shape)])
    model.add(keras.layers.LSTM(3, stateful=meta["stateful"]))
    model.add(keras.layers.BatchNormalization())
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


OWN_MODELS = [gru_graph, penalised, unusual_lstm, half_frozen, both_ways]


@pytest.mark.parametrize(
    "function, stateful, B, n_windows",
    [
        *first_ordinary(1, ((f, True, 3, 11) for f in OWN_MODELS)),
        # a short last batch
        pytest.param(normalised, False, 4, 10, marks=pytest.mark.thorough),
        pytest.param(normalised, True, 3, 11, marks=pytest.mark.thorough),
        *first_ordinary(0, ((f, False, 3, 9) for f in OWN_MODELS)),
    ],
)
def test_fit_own_model_equals_keras_loop(function, stateful, B, n_windows):
    """A model that the user built from ``meta`` trains as it does in Keras."""
    T, stateful = 4, bool(stateful)
    data = make_data("two outputs", n_windows + T - 1)
    estimator = StatefulLSTMRegressor(
        model=function,
        loss="mean_squared_error",
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        shuffle=False,
        epochs=EPOCHS,
        optimizer="adam",
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(data.X, data.y, sample_weight=data.sample_weight)

    def build(batch_size):
        return function(
            {
                "batch_size": batch_size,
                "sequence_length": T,
                "stateful": stateful,
                "n_features_in_": N_FEATURES,
                "n_outputs_": 2,
            }
        )

    loop = keras_loop(
        build,
        data.X,
        data.y_encoded,
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=EPOCHS,
        optimizer=OPTIMIZERS["adam"],
        loss="mean_squared_error",
        stateful=stateful,
        sample_weight=data.sample_weight,
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)


@pytest.mark.thorough
def test_fit_own_model_routed_parameter_takes_effect():
    """A number in the model's function is not mistaken for another's program."""
    data = make_data("regression", 12)
    fits = [
        StatefulLSTMRegressor(
            model=penalised,
            model__strength=strength,
            loss="mean_squared_error",
            sequence_length=2,
            batch_size=3,
            epochs=1,
            random_state=0,
        ).fit(data.X, data.y)
        for strength in (0.0, 0.1, 1.0)
    ]
    losses = [estimator.history_["loss"][0] for estimator in fits]
    kernel = fits[0].initial_weights_[0]
    assert fits[1].initial_weights_[0].tolist() == kernel.tolist()
    # The penalty shrinks a little over the three batches of the epoch.
    ratio = (losses[2] - losses[0]) / (losses[1] - losses[0])
    assert losses[1] - losses[0] == pytest.approx(0.1 * np.sum(kernel**2), rel=0.05)
    assert ratio == pytest.approx(10.0, rel=0.05)
