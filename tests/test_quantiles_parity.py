"""Law 7 of quantiles: training equals a plain Keras loop with its own pinball loss."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import PARITY, assert_close, assert_same_weights, weight_change
from parity_cases import EPOCHS, OPTIMIZERS, lstm_loop, make_data
from plain import StatefulLSTMRegressor
from tiled_cases import tiled_keras_loop, tiled_lstm

LEVELS = (0.1, 0.5, 0.9)
T, B, N = 3, 2, 25
SETTINGS = {
    "loss": "quantile",
    "quantiles": LEVELS,
    "sequence_length": T,
    "batch_size": B,
    "epochs": EPOCHS,
    "shuffle": False,
    "optimizer": "adam",
    "optimizer__learning_rate": 0.01,
    "random_state": 11,
}


def pinball(y_true, y_pred):
    """Levels repeat from output to output, which targets are repeated for."""
    import tensorflow as tf

    n = y_pred.shape[-1] // len(LEVELS)
    total = 0.0
    for k, level in enumerate(np.tile(LEVELS, n)):
        left = y_true[:, k] - y_pred[:, k]
        total += tf.where(left >= 0, level * left, (level - 1) * left)
    return total / y_pred.shape[-1]


thorough = pytest.mark.thorough


@pytest.mark.parametrize(
    ("windows", "task"),
    [
        ("tiled", "two outputs"),
        pytest.param("sliding", "regression", marks=thorough),
        pytest.param("sliding", "two outputs", marks=thorough),
        pytest.param("tiled", "regression", marks=thorough),
    ],
)
def test_fit_quantiles_equals_plain_keras_loop(windows, task):
    data = make_data(task, N)
    n_outputs = 1 if data.y.ndim == 1 else 2
    y = np.repeat(data.y.reshape(N, -1), len(LEVELS), axis=1)
    estimator = StatefulLSTMRegressor((4,), windows=windows, **SETTINGS)
    estimator.fit(data.X, data.y, sample_weight=data.sample_weight)
    shared = {
        "initial_weights": estimator.initial_weights_,
        "sequence_length": T,
        "batch_size": B,
        "epochs": EPOCHS,
        "optimizer": OPTIMIZERS["adam"],
        "loss": pinball,
        "sample_weight": data.sample_weight,
    }
    if windows == "sliding":
        width = y.shape[1]
        loop = lstm_loop(
            (4,), width, "linear", data.X, y, **shared, new_rows=data.X_new
        )
        weights = loop.weights
        made = estimator.predict_quantiles(data.X_new).reshape(-1, n_outputs, 3)
        raw = loop.out_of_sample.reshape(-1, n_outputs, 3)
        assert_close(made, np.sort(raw, axis=2), **PARITY)
    else:
        build = tiled_lstm((4,), y.shape[1], "linear", data.X.shape[1])
        loop = tiled_keras_loop(build, data.X, y, [tuple(range(N))], **shared)
        weights = loop.model.get_weights()
    assert weight_change(estimator.initial_weights_, weights) > 1000 * PARITY["atol"]
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), weights, **PARITY)
