"""Model functions as users write them, one series to fit, and Keras's loop over it.

Owns functions of ``meta`` that return networks of many kinds, and the regressor around
them. The oracle is the loop of Keras's own ``fit`` over the same function's model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from helpers import (
    keras_loop,
    make_rows,
)
from plain import StatefulLSTMRegressor

T, B, K = 2, 3, 5
N, N_NEW = T - 1 + B * K, 7
X = make_rows(N + N_NEW, 2, seed=1)
y = X[:, 0] - 0.5 * X[:, 1] + 0.1 * make_rows(N + N_NEW, 1, seed=2)[:, 0]
LABELS = np.array(["high", "low", "mid"])[np.digitize(y, [-0.5, 0.5])]
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
layers = keras.layers
MASK_IS_LOST = pytest.mark.filterwarnings("ignore:Layer .* does not support mask")


def regressor(model: Callable | None, **parameters: Any) -> StatefulLSTMRegressor:
    """Return a regressor around a model function."""
    shared = {"sequence_length": T, "batch_size": B, "epochs": 2, "random_state": 0}
    fast = {"optimizer": "sgd", "optimizer__learning_rate": 0.1}
    return StatefulLSTMRegressor(model=model, **{**shared, **fast, **parameters})


def make_meta(batch_size: int | None, **others: Any) -> dict[str, Any]:
    """Return what a function is told about `X` and `y`."""
    return {
        "batch_size": batch_size,
        "sequence_length": T,
        "n_features_in_": 2,
        "n_outputs_": 1,
        "stateful": batch_size is not None,
        **others,
    }


def start(meta: dict[str, Any]) -> Any:
    """Return the input that `meta` describes."""
    return keras.Input(
        batch_shape=(
            meta["batch_size"],
            meta["sequence_length"],
            meta["n_features_in_"],
        )
    )


def gru(meta):
    """A functional graph: a GRU beside the last row of the window."""
    inputs = start(meta)
    last = layers.Cropping1D((meta["sequence_length"] - 1, 0))(inputs)
    both = layers.Concatenate()(
        [layers.GRU(2, stateful=meta["stateful"])(inputs), layers.Flatten()(last)]
    )
    return keras.Model(inputs, layers.Dense(meta["n_outputs_"])(both))


def simple_rnn(meta, units=2):
    """A SimpleRNN, whose state is one array."""
    return keras.Sequential(
        [
            start(meta),
            layers.SimpleRNN(units, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def two_lstms(meta, rate=0.0):
    """Two layers, and dropout between them."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(3, stateful=meta["stateful"], return_sequences=True),
            layers.Dropout(rate),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def mixed(meta):
    """Layers that are no plain LSTM: a convolution, a GRU, other activations."""
    return keras.Sequential(
        [
            start(meta),
            layers.Conv1D(3, 2, padding="causal", activation="relu"),
            layers.GRU(2, stateful=meta["stateful"], return_sequences=True),
            layers.LSTM(2, stateful=meta["stateful"], activation="relu"),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def normalised(meta):
    """Batch normalisation, whose moving averages are weights that no one trains."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.BatchNormalization(momentum=0.5),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def penalised(meta, on_outputs=False):
    """Penalties on weights and, where asked for, on what a layer puts out."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(
                2,
                stateful=meta["stateful"],
                kernel_regularizer=keras.regularizers.L2(0.1),
            ),
            layers.Dense(1, activity_regularizer="l2" if on_outputs else None),
        ]
    )


def bidirectional(meta):
    """Reads each window both ways, which needs no state."""
    return keras.Sequential(
        [
            start(meta),
            layers.Bidirectional(layers.LSTM(2)),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def frozen(meta):
    """An LSTM that is not trained, under a head that is."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"], trainable=False),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def open_length(meta):
    """An input that leaves the number of steps in a window open."""
    inputs = keras.Input(batch_shape=(meta["batch_size"], None, meta["n_features_in_"]))
    hidden = layers.LSTM(2, stateful=meta["stateful"])(inputs)
    return keras.Model(inputs, layers.Dense(meta["n_outputs_"])(hidden))


def own_mask(meta):
    """A mask made by the user's own layer, which the convolution then drops."""
    return keras.Sequential(
        [
            start(meta),
            layers.Masking(float(X[3, 0])),
            layers.Conv1D(3, 2, padding="causal"),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def loop(build, estimator, **options):
    """Run Keras's loop from the weights that the estimator started from."""
    settings = {
        "optimizer": SGD,
        "loss": "mse",
        "new_rows": X[N:],
        "sequence_length": T,
        "batch_size": B,
        "epochs": 2,
        **options,
    }
    return keras_loop(
        lambda batch_size: build(make_meta(batch_size)),
        X[:N],
        y[:N],
        initial_weights=estimator.initial_weights_,
        **settings,
    )


# --------------------------------------------------------------------------------------
# Sharing of compiled programs: never between graphs that differ
# --------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """A layer of the user's own, which does not tell its factor."""

    def __init__(self, factor=1.0, **others):
        super().__init__(**others)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


def own_layer(meta, factor=1.0):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1),
            Scale(factor),
        ]
    )
