"""The oracles of parity agree with each other: Keras's loop and the NumPy LSTM."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from helpers import (
    PARITY,
    ROUNDING,
    NaiveLSTM,
    assert_close,
    assert_same_weights,
    keras_forward,
    keras_lstm,
    make_rows,
    weight_change,
    windows_by_hand,
)
from parity_cases import N_FEATURES, OPTIMIZERS, lstm_loop


@pytest.mark.parametrize("stateful", [True, False])
@pytest.mark.parametrize("n_empty", [0, 2])
@pytest.mark.parametrize("units, activation", [((4,), "linear"), ((4, 3), "softmax")])
def test_keras_forward_equals_numpy_lstm(units, activation, n_empty, stateful):
    """Keras and the NumPy LSTM give the same outputs, lanes and states."""
    B, T = 3, 4
    model = keras_lstm(
        units,
        2,
        activation,
        batch_size=B,
        sequence_length=T,
        n_features=N_FEATURES,
        stateful=stateful,
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    X = make_rows(T - 1 + 3 * B - n_empty + 2 * (n_empty == 0), N_FEATURES, seed=1)
    naive = NaiveLSTM(
        model.get_weights(),
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        head=activation,
    )
    naive.position = n_empty
    windows = windows_by_hand(X, T)
    expected = naive.step(windows)
    actual = keras_forward(model, windows.astype(np.float32), B, n_empty)
    assert_close(actual, expected, **ROUNDING)


def test_numpy_lstm_stateful_differs_from_stateless():
    """The outputs of the two modes differ by far more than any tolerance here."""
    rng = np.random.default_rng(0)
    shapes = [(2, 16), (4, 16), (16,), (4, 1), (1,)]
    weights = [rng.normal(size=s) for s in shapes]
    X = make_rows(12, 2, seed=0)
    stateful, stateless = (
        NaiveLSTM(weights, sequence_length=2, batch_size=3, stateful=s).predict(X)
        for s in (True, False)
    )
    assert_close(stateful[:4], stateless[:4])  # one short row, then the first batch
    assert np.min(np.abs(stateful[4:] - stateless[4:])) > 100 * ROUNDING["atol"]


@pytest.mark.parametrize("mode", ["dropped", "left-filled", "stateless short"])
def test_keras_loop_loss_is_weighted_mean_of_forward_pass(mode):
    """With a learning rate of zero, the epoch's loss is that of the NumPy LSTM."""
    B, T, stateful = 3, 2, mode != "stateless short"
    X, weight = make_rows(9, 2, seed=5), np.arange(9) % 4 / 2
    rng = np.random.default_rng(0)
    shapes = [(2, 16), (4, 16), (16,), (4, 1), (1,)]
    weights = [rng.normal(size=s).astype(np.float32) for s in shapes]
    loop = lstm_loop(
        (4,),
        1,
        "linear",
        X,
        X[:, 0],
        initial_weights=weights,
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        drop_remainder=mode == "dropped",
        sample_weight=weight,
        epochs=2,
        optimizer={"class_name": "SGD", "config": {"learning_rate": 0.0}},
        loss="mean_squared_error",
    )
    naive = NaiveLSTM(weights, sequence_length=T, batch_size=B, stateful=stateful)
    out = naive.seed(X, drop_remainder=mode == "dropped")
    n = len(out)
    assert n == (6 if mode == "dropped" else 8)
    expected = np.mean(weight[-n:] * (out[:, 0] - X[-n:, 0]) ** 2)
    assert_close(loop.losses, [expected, expected], what="loss", **ROUNDING)
    assert_close(loop.in_sample, out, what="training rows", **ROUNDING)


def test_keras_loop_left_filled_batch_equals_short_batch():
    """From zero state, two windows in three lanes are a batch of two windows."""
    X = make_rows(3, 2, seed=5)
    build = functools.partial(
        keras_lstm, (4,), 1, "linear", sequence_length=2, n_features=2, stateful=True
    )
    settings = {
        "initial_weights": build(batch_size=3).get_weights(),
        "sequence_length": 2,
        "batch_size": 3,
        "drop_remainder": False,
        "epochs": 3,
        "optimizer": OPTIMIZERS["sgd"],
        "loss": "mean_squared_error",
    }
    filled, short = (
        lstm_loop((4,), 1, "linear", X, X[:, 0], stateful=stateful, **settings)
        for stateful in (True, False)
    )
    assert weight_change(settings["initial_weights"], short.weights) > 0.01
    assert_close(filled.losses, short.losses, **PARITY)
    assert_same_weights(filled.weights, short.weights, **PARITY)
