"""Data with a past, the Keras loop over LSTM layers, and what parity compares.

The oracle (``helpers.keras_loop``) trains ``keras.layers.LSTM(stateful=True)`` with
``model.fit(epochs=1, shuffle=False)`` and state resets, over windows cut by hand, from
the weights the estimator started from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from helpers import (
    PARITY,
    Loop,
    assert_close,
    assert_same_weights,
    keras_loop,
    keras_lstm,
    make_rows,
    outputs_of,
    weight_change,
)

N_FEATURES, EPOCHS, N_NEW = 2, 3, 9

TASKS = {  # task: (n_outputs, activation of the head, loss)
    "regression": (1, "linear", "mean_squared_error"),
    "two outputs": (2, "linear", "mean_squared_error"),
    "binary": (1, "sigmoid", "binary_crossentropy"),
    "three classes": (3, "softmax", "sparse_categorical_crossentropy"),
}

# Learning rates at which three epochs move the weights by far more than the tolerance.
OPTIMIZERS = {
    "adam": {"class_name": "Adam", "config": {"learning_rate": 0.01}},
    "sgd": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
}


class Data(NamedTuple):
    """Training rows, targets as the user and as Keras has them, weights, new rows."""

    X: np.ndarray
    y: np.ndarray
    y_encoded: np.ndarray
    sample_weight: np.ndarray
    X_new: np.ndarray


def make_data(task: str, n_rows: int) -> Data:
    """Return rows with a target that depends on the past of the series."""
    X = make_rows(n_rows, N_FEATURES, seed=7)
    signal = np.cumsum(X[:, 0]) + X[:, 1]
    y: np.ndarray
    if task == "regression":
        y = encoded = np.sin(signal)
    elif task == "two outputs":
        y = encoded = np.column_stack([np.sin(signal), np.cos(signal)])
    elif task == "binary":
        encoded = (np.arange(n_rows) + (signal > 0)) % 2
        y = np.array(["no", "yes"])[encoded]
    else:
        encoded = (np.arange(n_rows) + (signal > 0)) % 3
        y = np.array([30, 10, 20])[encoded]
        encoded = np.searchsorted([10, 20, 30], y)
    weight = np.random.default_rng(3).uniform(0.2, 2.0, size=n_rows)
    weight[::4] = 0.0  # a row of zero weight still moves the state
    return Data(X, y, encoded, weight, make_rows(N_NEW, N_FEATURES, seed=8))


def assert_parity(estimator: Any, loop: Loop, data: Data) -> None:
    """Compare losses, weights and predictions, and see that weights moved."""
    # Otherwise a fit that does nothing would pass.
    assert (
        weight_change(estimator.initial_weights_, loop.weights) > 1000 * PARITY["atol"]
    )
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), loop.weights, **PARITY)
    assert_close(
        outputs_of(estimator, data.X_new), loop.out_of_sample, what="new rows", **PARITY
    )
    in_sample = outputs_of(estimator, data.X)
    # Rows whose window was dropped have no Keras counterpart.
    kept = in_sample[len(in_sample) - len(loop.in_sample) :]
    assert_close(kept, loop.in_sample, what="training rows", **PARITY)


# --------------------------------------------------------------------------------------
# The oracles agree with each other
# --------------------------------------------------------------------------------------


def lstm_loop(units, n_outputs, activation, X, y, **settings) -> Loop:
    """Run the Keras loop on LSTM (or other) layers and a dense head."""
    cell = settings.pop("cell", "lstm")

    def build(batch_size):
        return keras_lstm(
            units,
            n_outputs,
            activation,
            batch_size=batch_size,
            sequence_length=settings["sequence_length"],
            n_features=X.shape[1],
            stateful=settings.get("stateful", True),
            cell=cell,
        )

    return keras_loop(build, X, y, **settings)
