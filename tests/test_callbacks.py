"""Callbacks: which hooks are called, with what, and what they may change."""

from __future__ import annotations

import keras
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    weight_change,
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
