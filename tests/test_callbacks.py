"""Callbacks: which hooks are called, with what, and what they may change."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    weight_change,
    windows_by_hand,
)
from training_cases import (
    FAST,
    FROZEN,
    B,
    BatchRecorder,
    K,
    N,
    Recorder,
    StopAt,
    T,
    X,
    fit,
    regressor,
    y,
)


def test_fit_callbacks_epoch_hooks_in_order_with_logs():
    recorder = Recorder()
    estimator = fit(regressor(callbacks=[recorder], validation_split=0.2))
    epochs = [
        event for k in range(3) for event in (("epoch begins", k), ("epoch ends", k))
    ]
    assert recorder.events == [("train begins",), *epochs, ("train ends",)]
    assert set(estimator.history_) == {"loss", "val_loss"}
    for name, values in estimator.history_.items():
        assert [logs[name] for logs in recorder.logs] == values
    assert recorder.params["epochs"] == 3


def test_fit_callbacks_see_weights_of_each_epoch():
    recorder = Recorder()
    estimator = fit(regressor(callbacks=[recorder]))
    for k, seen in enumerate(recorder.weights, start=1):
        shorter = fit(regressor(epochs=k))
        assert_identical_weights(shorter.get_weights(), seen)
        assert shorter.history_["loss"] == estimator.history_["loss"][:k]
    assert weight_change(recorder.weights[0], recorder.weights[-1]) > 1e-4


def test_fit_with_and_without_callback_gives_same_bits():
    """Without callbacks many epochs run in one compiled call; with one, each by itself.

    Seventy epochs are more than one call takes. A callback that does nothing must not
    change any result.
    """
    together = fit(regressor(epochs=70))
    apart = fit(regressor(epochs=70, callbacks=[keras.callbacks.Callback()]))
    assert together.history_ == apart.history_
    assert len(together.history_["loss"]) == 70
    assert_identical_weights(together.get_weights(), apart.get_weights())
    assert_same_state(together.get_states(), apart.get_states())


def test_fit_callbacks_batch_hooks_for_each_batch():
    """The weights are as without the callback; the logs are the running means."""
    recorder = BatchRecorder()
    estimator = fit(regressor(callbacks=[recorder], metrics=["mae"], **FAST))
    assert recorder.begun == list(range(K)) * 3
    assert [batch for batch, _ in recorder.ended] == list(range(K)) * 3
    last = [logs for batch, logs in recorder.ended if batch == K - 1]
    for name, values in estimator.history_.items():
        assert_close([logs[name] for logs in last], values, what=name)

    plain = fit(regressor(**FAST))
    assert_same_weights(estimator.get_weights(), plain.get_weights())
    assert_identical_weights(recorder.weights[-1], estimator.get_weights())
    assert weight_change(recorder.weights[0], recorder.weights[1]) > 1e-5


def test_fit_callbacks_batch_logs_are_running_means():
    """With frozen weights each batch's loss is known from the predictions."""
    recorder = BatchRecorder()
    estimator = fit(regressor(callbacks=[recorder], epochs=1, **FROZEN))
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :] ** 2
    expected = [errors[: B * (k + 1)].mean() for k in range(K)]
    assert_close([logs["loss"] for _, logs in recorder.ended], expected)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_batch_end"])
def test_LambdaCallback_batch_hook_is_called(hook):
    """Keras has two names for the hook at the end of a batch."""
    batches = []
    callback = keras.callbacks.LambdaCallback(
        **{hook: lambda batch, logs: batches.append(batch)}
    )
    fit(regressor(callbacks=[callback], epochs=2))
    assert batches == list(range(K)) * 2


def test_LambdaCallback_epoch_hooks_are_called():
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(epoch),
        on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]),
    )
    losses = fit(regressor(callbacks=callback, epochs=2)).history_["loss"]
    assert seen == [0, losses[0], 1, losses[1]]


def test_callback_stop_training_ends_fit():
    class StopAfterTwo(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.stop_training = True

    stopped = fit(regressor(callbacks=[StopAfterTwo()], epochs=5))
    assert len(stopped.history_["loss"]) == 2
    assert_identical_weights(
        stopped.get_weights(), fit(regressor(epochs=2)).get_weights()
    )
    again = fit(regressor(epochs=3))  # a later fit does not see the flag
    assert len(again.history_["loss"]) == 3


def test_callback_stop_training_at_epoch_begin_ends_after_one_batch():
    """As in Keras: however many batches one compiled call takes, it takes only one."""
    stopped = fit(regressor(callbacks=[StopAt("on_epoch_begin", 0)]))
    first = regressor(epochs=1).fit(X[: T - 1 + B], y[: T - 1 + B])
    assert_identical_weights(stopped.get_weights(), first.get_weights())
    assert stopped.history_ == first.history_


def test_callback_set_weights_takes_effect():
    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([w / 2 for w in self.model.get_weights()])

    recorder, halved = Recorder(), Recorder()
    estimator = fit(regressor(callbacks=[recorder, Halve(), halved], epochs=2))
    for before, after in zip(recorder.weights, halved.weights, strict=True):
        assert_identical_weights(after, [w / 2 for w in before])
    assert_identical_weights(estimator.get_weights(), halved.weights[-1])


def test_callbacks_as_classes_take_routed_parameters():
    estimator = regressor(
        callbacks=[keras.callbacks.EarlyStopping],
        callbacks__0__monitor="loss",
        callbacks__0__min_delta=1e9,  # no epoch is better than the first
        callbacks__0__patience=2,
        epochs=6,
    )
    assert len(fit(estimator).history_["loss"]) == 3
    estimator.set_params(callbacks__0__patience=3)
    assert len(fit(estimator).history_["loss"]) == 4


# --------------------------------------------------------------------------------------
# States of layers, which callbacks read and reset
# --------------------------------------------------------------------------------------


NAMES = ("batch_size", "sequence_length", "n_features_in_", "stateful")


class TwoRecordings(keras.callbacks.Callback):
    """The usual recipe for two recordings in one array: a reset between them."""

    def __init__(self):
        super().__init__()
        self.seen: list[list[np.ndarray]] = []

    def read(self, layer):
        self.seen.append([np.asarray(v.numpy()) for v in layer.states])

    def on_train_batch_end(self, batch, logs=None):
        layer = self.model.layers[0]
        self.read(layer)
        if batch == 3:
            layer.reset_states()

    def on_epoch_end(self, epoch, logs=None):
        self.read(self.model.layers[0])


def own_lstm(meta):
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    layers = [keras.layers.LSTM(2, stateful=meta["stateful"]), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(batch_shape=shape), *layers])


@pytest.mark.parametrize(
    "model", [None, pytest.param(own_lstm, marks=pytest.mark.thorough)]
)
def test_states_reset_and_read_by_callback_in_mid_epoch_are_those_of_keras(model):
    """Against Keras's own `fit`, whose layers hold the state between batches."""
    ours, theirs = TwoRecordings(), TwoRecordings()
    estimator = fit(regressor(callbacks=[ours], model=model, epochs=2, **FAST))

    loop = own_lstm(dict(zip(NAMES, (B, T, 2, True), strict=True)))
    loop.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    loop.set_weights(estimator.initial_weights_)
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    for _ in range(2):
        loop.layers[0].reset_state()
        options = {"batch_size": B, "shuffle": False, "verbose": 0}
        loop.fit(windows, y[T - 1 : N], callbacks=[theirs], **options)
    assert_same_weights(estimator.get_weights(), loop.get_weights(), **PARITY)
    assert len(ours.seen) == len(theirs.seen) == 2 * (K + 1)
    for mine, other in zip(ours.seen, theirs.seen, strict=True):
        assert_close(mine, other, **PARITY)
    kept = fit(regressor(model=model, epochs=2, **FAST))
    assert weight_change(estimator.get_weights(), kept.get_weights()) > 1e-4


def test_states_reset_by_callback_in_tiles_begin_the_next_tile_at_zero():
    """A reset after every batch trains as windows do that carry no state."""

    class Reset(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.layers[0].reset_state()

    options = {"windows": "tiled", "shuffle": False, "epochs": 2, **FAST}
    estimator = fit(regressor(callbacks=[Reset()], **options))
    cut = fit(regressor(stateful=False, **options))
    assert_same_weights(estimator.get_weights(), cut.get_weights())
