"""Small estimators, one series and recording callbacks for the tests of training.

Owns the one network shape (T = 2 steps, B = 3 lanes, 2 units, 2 features) that these
tests share, so that few programs are compiled. Where a number can be had in another
way, the tests take it from there: a shorter fit, a plain Keras loop, or predictions
made with weights that a learning rate of zero leaves where they were.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from helpers import (
    make_rows,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

T, B, K = 2, 3, 7
N = T - 1 + B * K  # rows that fill K batches with none left over
X = make_rows(N + 12, 2, seed=1)
y = X[:, 0] - 0.5 * X[:, 1] + 0.1 * make_rows(N + 12, 1, seed=2)[:, 0]
LABELS = np.array(["high", "low", "mid"])[np.digitize(y, [-0.5, 0.5])]
FAST = {"optimizer": "sgd", "optimizer__learning_rate": 0.1}
FROZEN = {"optimizer": "sgd", "optimizer__learning_rate": 0.0}
HALVING = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5, staircase=True)


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    """Return a regressor of the shape that all tests here share."""
    shared = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 3}
    return StatefulLSTMRegressor(**{**shared, "random_state": 0, **parameters})


def classifier(**parameters: Any) -> StatefulLSTMClassifier:
    """Return a classifier of that shape."""
    shared = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 3}
    return StatefulLSTMClassifier(**{**shared, "random_state": 0, **parameters})


def fit(estimator, n: int = N, **options):
    """Fit on the first `n` rows."""
    target = LABELS if isinstance(estimator, StatefulLSTMClassifier) else y
    return estimator.fit(X[:n], target[:n], **options)


class Recorder(keras.callbacks.Callback):
    """Notes every epoch-level event, with the weights and learning rate then."""

    def __init__(self):
        super().__init__()
        self.events: list[tuple] = []
        self.weights: list[list[np.ndarray]] = []
        self.logs: list[dict] = []
        self.rates: list[float] = []

    def on_train_begin(self, logs=None):
        self.events.append(("train begins",))

    def on_train_end(self, logs=None):
        self.events.append(("train ends",))

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(("epoch begins", epoch))
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(("epoch ends", epoch))
        self.weights.append(self.model.get_weights())
        self.logs.append(dict(logs))


class BatchRecorder(keras.callbacks.Callback):
    """Notes the number and the logs of every batch."""

    def __init__(self):
        super().__init__()
        self.begun: list[int] = []
        self.ended: list[tuple[int, dict]] = []
        self.weights: list[list[np.ndarray]] = []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append((batch, dict(logs)))
        self.weights.append(self.model.get_weights())


# --------------------------------------------------------------------------------------
# Callbacks: what they are called with
# --------------------------------------------------------------------------------------


class StopAt(keras.callbacks.Callback):
    """Stops training in one hook, where that is called for batch or epoch `number`."""

    def __init__(self, hook: str, number: int | None = None):
        super().__init__()

        def stop(at=None, logs=None):
            if number in (None, at):
                self.model.stop_training = True

        setattr(self, hook, stop)


# --------------------------------------------------------------------------------------
# Going on: warm starts and partial fits
# --------------------------------------------------------------------------------------


def lambda_model(meta):
    """A model with a Lambda layer, whose program is not shared with others."""
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.LSTM(2, stateful=meta["stateful"]),
            keras.layers.Dense(1),
            keras.layers.Lambda(lambda x: 2 * x, output_shape=(1,)),
        ]
    )
