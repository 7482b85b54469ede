"""Parity with a linear skip: `fit` equals a plain Keras loop fed with encoded rows.

The rows are encoded in plain loops (``encoding_cases``) from the scales and the linear
map; the network is Keras's own layers, to whose output the last columns are added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from encoding_cases import encoder_of, in_units_of_y, inputs_by_hand
from helpers import (
    PARITY,
    assert_close,
    assert_same_weights,
    make_rows,
    outputs_of,
    weight_change,
    with_rest_thorough,
)
from parity_cases import TASKS, make_data
from tiled_cases import tiled_keras_loop, walk_series

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm._training.epoch_loop import WeightAverage

B, T, K = 3, 4, 3
N, EPOCHS = B * T * K, 3
SETTINGS = {
    "windows": "tiled",
    "sequence_length": T,
    "batch_size": B,
    "shuffle": False,
    "scale": True,
    "linear_skip": True,
    "epochs": EPOCHS,
    "optimizer": "adam",
    "optimizer__learning_rate": 0.02,
    "ema_momentum": 0.0,
    "random_state": 0,
}
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.02}}


def lstm_with_offset(units, n_outputs: int, activation: str, n_inputs: int) -> Any:
    """Return ``build(batch_size)``: the last inputs are added before the activation."""
    import keras

    def build(batch_size: int) -> Any:
        x = keras.Input(batch_shape=(batch_size, None, n_inputs))
        h = x[..., : n_inputs - n_outputs]
        for u in units:
            h = keras.layers.LSTM(u, return_sequences=True, stateful=True)(h)
        h = keras.layers.Dense(n_outputs)(h) + x[..., n_inputs - n_outputs :]
        return keras.Model(x, keras.layers.Activation(activation)(h))

    return build


def series_of(task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows on scales of their own, targets as given and encoded, later rows."""
    if task == "next value":
        rows = 50 + 3 * make_rows(N + 10, 2, seed=4).cumsum(axis=0)
        y = rows[1 : N + 1, 1]
        return rows[:N], y, y, rows[N:]
    data = make_data(task, N)
    y = data.y_encoded
    if not task.endswith(("classes", "binary")):
        y = 10 * y - 3
        return 5 * data.X + 7, y, y, 5 * data.X_new + 7
    return 5 * data.X + 7, data.y, y, 5 * data.X_new + 7


CASES = {
    "next value": ("next value", (4,)),
    "two layers": ("next value", (4, 3)),
    "two outputs": ("two outputs", (4,)),
    "two classes": ("binary", (4,)),
    "three classes": ("three classes", (4,)),
}


ORDINARY = ("three classes",)


@pytest.mark.parametrize("case", with_rest_thorough(CASES, ORDINARY))
def test_fit_linear_skip_equals_keras_loop_over_encoded_rows(case):
    task, units = CASES[case]
    n_outputs, activation, loss = TASKS.get(task, TASKS["regression"])
    X, y, y_encoded, later = series_of(task)
    is_classifier = task in ("binary", "three classes")
    kind = StatefulLSTMClassifier if is_classifier else StatefulLSTMRegressor
    estimator = kind(units, **SETTINGS).fit(X, y)
    encoder = encoder_of(estimator)
    if is_classifier:
        targets = y_encoded
    else:
        targets = y_encoded.reshape(N, -1) - encoder.y_scale.mean[0]
        targets = targets / encoder.y_scale.deviation[0] / encoder.residual
    whole = np.vstack([X, later])
    inputs = inputs_by_hand(estimator, whole)
    build = lstm_with_offset(units, n_outputs, activation, inputs.shape[1])
    loop = tiled_keras_loop(
        build,
        inputs[:N],
        targets,
        [tuple(range(N))],
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss=loss,
    )
    weights = loop.model.get_weights()
    # Otherwise a fit that does nothing would pass.
    assert weight_change(estimator.initial_weights_, weights) > 1000 * PARITY["atol"]
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), weights, **PARITY)
    expected = walk_series(build, weights, inputs, [tuple(range(len(whole)))])
    expected = in_units_of_y(estimator, expected)
    assert_close(outputs_of(estimator, X), expected[:N], what="in sample", **PARITY)
    assert_close(outputs_of(estimator, later), expected[N:], what="later", **PARITY)


def test_model_of_linear_skip_is_plain_keras_over_encoded_rows():
    """What `rebuild` gives takes rows as the network does, and scaled targets come."""
    X, y, _, later = series_of("next value")
    estimator = StatefulLSTMRegressor((4,), **SETTINGS).fit(X, y)
    model = estimator.rebuild(batch_size=1)
    inputs = inputs_by_hand(estimator, np.vstack([X, later]))
    for first in range(0, N, T):
        tile = inputs[np.newaxis, first : first + T].astype(np.float32)
        made = in_units_of_y(estimator, np.asarray(model(tile))[0])
        expected = outputs_of(estimator, X)[first : first + T]
        assert_close(made, expected, **PARITY)
    assert type(model).__module__.startswith("keras")


# --------------------------------------------------------------------------------------
# Weights averaged over epochs
# --------------------------------------------------------------------------------------


def averaged_by_hand(weights: list[list[np.ndarray]], momentum: float):
    """The moving average from zero, divided by what it has counted."""
    made = [np.zeros(w.shape) for w in weights[0]]
    for after in weights:
        made = [momentum * m + (1 - momentum) * w for m, w in zip(made, after)]
    return [m / (1 - momentum ** len(weights)) for m in made]


@pytest.mark.parametrize("momentum", [0.5, 0.8])
def test_weight_average_equals_hand_made_loop(momentum):
    rng = np.random.default_rng(0)
    epochs = [[rng.normal(size=(2, 3)), rng.normal(size=3)] for _ in range(4)]
    average = WeightAverage(momentum)
    for n, weights in enumerate(epochs, start=1):
        average.add(tuple(weights))
        expected = averaged_by_hand(epochs[:n], momentum)
        made = average.of(tuple(weights))
        assert all(w.dtype == np.float32 for w in made)
        assert_same_weights(list(made), expected)


def test_weight_average_without_momentum_is_last_weights():
    average, weights = WeightAverage(0.0), (np.ones(3), np.zeros((2, 2)))
    average.add(weights)
    assert average.of(weights) is weights


def test_fit_ema_momentum_averages_weights_after_epochs():
    """Those of fits of fewer epochs, as epochs are the same whatever comes later."""
    X, y, _, _ = series_of("next value")
    after = [
        StatefulLSTMRegressor((4,), **(SETTINGS | {"epochs": n})).fit(X, y)
        for n in (1, 2, 3)
    ]
    settings = SETTINGS | {"ema_momentum": 0.8}
    averaged = StatefulLSTMRegressor((4,), **settings).fit(X, y)
    expected = averaged_by_hand([one.get_weights() for one in after], 0.8)
    assert_same_weights(averaged.get_weights(), expected)
    assert_close(averaged.history_["loss"], after[-1].history_["loss"])
