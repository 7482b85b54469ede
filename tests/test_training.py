"""Training: callbacks, held-out rows, metrics, optimizers, losses, going on.

The networks are tiny and share one shape, so that few programs are compiled. Where a
number can be had in another way it is: from a shorter fit, from a plain Keras loop, or
from predictions made with weights that a learning rate of zero leaves where they were.
"""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    NaiveLSTM,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    keras_loop,
    keras_lstm,
    keras_reset,
    make_rows,
    weight_change,
    windows_by_hand,
)
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm._compiled.device_arrays import Parameters
from sklstm._network.architecture import StackedLSTM
from sklstm._rows.windows import Windows
from sklstm._training.recipe import walk, zero_state

T, B, K = 2, 3, 7
N = T - 1 + B * K  # rows that fill K batches with none left over
X = make_rows(N + 12, 2, seed=1)
y = X[:, 0] - 0.5 * X[:, 1] + 0.1 * make_rows(N + 12, 1, seed=2)[:, 0]
LABELS = np.array(["high", "low", "mid"])[np.digitize(y, [-0.5, 0.5])]
FAST = {"optimizer": "sgd", "optimizer__learning_rate": 0.1}
FROZEN = {"optimizer": "sgd", "optimizer__learning_rate": 0.0}
HALVING = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5, staircase=True)
FALLING = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.9)


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


def test_epoch_hooks_in_order_with_logs():
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


def test_weights_a_callback_sees_are_those_of_a_shorter_fit():
    recorder = Recorder()
    estimator = fit(regressor(callbacks=[recorder]))
    for k, seen in enumerate(recorder.weights, start=1):
        shorter = fit(regressor(epochs=k))
        assert_identical_weights(shorter.get_weights(), seen)
        assert shorter.history_["loss"] == estimator.history_["loss"][:k]
    assert weight_change(recorder.weights[0], recorder.weights[-1]) > 1e-4


def test_many_epochs_in_one_call_are_those_run_one_by_one():
    """A callback that only looks on makes each epoch a call; nothing else may change.

    Seventy epochs are more than one call takes.
    """
    together = fit(regressor(epochs=70))
    apart = fit(regressor(epochs=70, callbacks=[keras.callbacks.Callback()]))
    assert together.history_ == apart.history_
    assert len(together.history_["loss"]) == 70
    assert_identical_weights(together.get_weights(), apart.get_weights())
    assert_same_state(together.get_states(), apart.get_states())


def test_batch_hooks_are_called_for_each_batch():
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


def test_batch_logs_are_means_over_the_windows_so_far():
    """With frozen weights each batch's loss is known from the predictions."""
    recorder = BatchRecorder()
    estimator = fit(regressor(callbacks=[recorder], epochs=1, **FROZEN))
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :] ** 2
    expected = [errors[: B * (k + 1)].mean() for k in range(K)]
    assert_close([logs["loss"] for _, logs in recorder.ended], expected)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_batch_end"])
def test_lambda_callback_with_a_batch_hook(hook):
    """Both spellings that Keras has."""
    batches = []
    callback = keras.callbacks.LambdaCallback(
        **{hook: lambda batch, logs: batches.append(batch)}
    )
    fit(regressor(callbacks=[callback], epochs=2))
    assert batches == list(range(K)) * 2


def test_lambda_callback_with_epoch_hooks():
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(epoch),
        on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]),
    )
    losses = fit(regressor(callbacks=callback, epochs=2)).history_["loss"]
    assert seen == [0, losses[0], 1, losses[1]]


def test_a_callback_may_stop_training():
    class StopAfterTwo(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.stop_training = True

    stopped = fit(regressor(callbacks=[StopAfterTwo()], epochs=5))
    assert len(stopped.history_["loss"]) == 2
    assert_identical_weights(
        stopped.get_weights(), fit(regressor(epochs=2)).get_weights()
    )
    again = fit(regressor(epochs=3))  # the flag stays with the fit that set it
    assert len(again.history_["loss"]) == 3


class StopAt(keras.callbacks.Callback):
    """Stops training in one hook, where that is called for batch or epoch `number`."""

    def __init__(self, hook: str, number: int | None = None):
        super().__init__()

        def stop(at=None, logs=None):
            if number in (None, at):
                self.model.stop_training = True

        setattr(self, hook, stop)


def test_a_stop_as_an_epoch_begins_takes_effect_after_one_batch():
    """As in Keras, and however many batches a compiled call would have taken."""
    stopped = fit(regressor(callbacks=[StopAt("on_epoch_begin", 0)]))
    first = regressor(epochs=1).fit(X[: T - 1 + B], y[: T - 1 + B])
    assert_identical_weights(stopped.get_weights(), first.get_weights())
    assert stopped.history_ == first.history_


@pytest.mark.parametrize(
    ("stop", "n_batches"),
    [
        (("on_train_begin",), 0),
        (("on_epoch_begin",), 1),
        (("on_train_batch_end", 2), 3),
    ],
    ids=lambda argument: argument[0] if isinstance(argument, tuple) else "",
)
def test_a_partial_fit_that_is_stopped_goes_on_in_the_next_one(stop, n_batches):
    """State and position tell of the batches done; the other rows wait."""
    whole = regressor().partial_fit(X[:N], y[:N])
    parts = regressor(callbacks=[StopAt(*stop)]).partial_fit(X[:N], y[:N])
    assert parts.n_windows_ == n_batches * B
    assert parts.state_.position == whole.state_.position == K * B
    if n_batches:
        n = N - (K - n_batches) * B
        part = regressor().partial_fit(X[:n], y[:n])
        assert_identical_weights(parts.get_weights(), part.get_weights())
        assert parts.history_ == part.history_
        assert_same_state(parts.state_, part.observe(X[n:N]).state_)
    parts.set_params(callbacks=None)
    for estimator in (parts, whole):
        estimator.partial_fit(X[N:], y[N:])
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.n_windows_ == whole.n_windows_
    assert_same_state(parts.state_, whole.state_)


def test_a_callback_may_set_the_weights():
    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([w / 2 for w in self.model.get_weights()])

    recorder, halved = Recorder(), Recorder()
    estimator = fit(regressor(callbacks=[recorder, Halve(), halved], epochs=2))
    for before, after in zip(recorder.weights, halved.weights, strict=True):
        assert_identical_weights(after, [w / 2 for w in before])
    assert_identical_weights(estimator.get_weights(), halved.weights[-1])


def test_callbacks_given_as_classes_with_routed_parameters():
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
# Keras's own callbacks
# --------------------------------------------------------------------------------------


def jump(epoch: int, rate: float) -> float:
    """Learn well for three epochs, then jump about."""
    return 0.01 if epoch < 3 else 3.0


@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
def test_early_stopping_restores_the_best_weights(monitor):
    """Weights, state and predictions are those of the best epoch, in the middle."""
    recorder = Recorder()
    stop = keras.callbacks.EarlyStopping(monitor, patience=2, restore_best_weights=True)
    schedule = keras.callbacks.LearningRateScheduler(jump)
    callbacks = [schedule, recorder, stop]
    # 5 of N + 5 rows are held out, which leaves N: whole batches.
    estimator = regressor(callbacks=callbacks, epochs=12, validation_split=5 / (N + 5))
    fit(estimator, N + 5)

    values = estimator.history_[monitor]
    best = int(np.argmin(values))
    assert 0 < best < len(values) - 1
    assert len(values) == best + 1 + 2
    assert_identical_weights(estimator.get_weights(), recorder.weights[best])
    assert weight_change(recorder.weights[best], recorder.weights[-1]) > 1e-2

    oracle = NaiveLSTM(recorder.weights[best], sequence_length=T, batch_size=B)
    oracle.seed(X[: N + 5], drop_remainder=False)
    expected = oracle.predict(X[N + 5 :])[:, 0]
    assert_close(estimator.predict(X[N + 5 :]), expected)


def test_early_stopping_restores_best_weights_over_averaged_ones():
    """Keras averages (`use_ema`) first and restores the best epoch after."""
    recorder = Recorder()
    stop = keras.callbacks.EarlyStopping(
        "loss", patience=1, min_delta=1e9, restore_best_weights=True
    )
    estimator = regressor(
        callbacks=[recorder, stop], optimizer=keras.optimizers.SGD(0.1, use_ema=True)
    )
    fit(estimator)
    assert len(recorder.weights) == 2
    assert_identical_weights(estimator.get_weights(), recorder.weights[0])


def test_reduce_lr_on_plateau():
    """The rate falls where Keras lets it fall, and training feels it."""
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.5, patience=1, min_delta=1e9
    )
    recorder, history = Recorder(), keras.callbacks.History()
    estimator = regressor(callbacks=[plateau, recorder, history], epochs=4, **FAST)
    fit(estimator)
    rates = [0.1, 0.1, 0.05, 0.025]  # nothing is better than the first epoch
    assert_close(recorder.rates, rates)
    assert_close(history.history["learning_rate"], rates)

    by_hand = keras.callbacks.LearningRateScheduler(lambda epoch, _: rates[epoch])
    same = fit(regressor(callbacks=[by_hand], epochs=4, **FAST))
    assert_same_weights(estimator.get_weights(), same.get_weights())
    constant = fit(regressor(epochs=4, **FAST))
    assert weight_change(estimator.get_weights(), constant.get_weights()) > 1e-4
    again = fit(estimator)  # from the rate that was asked for
    assert_same_weights(again.get_weights(), same.get_weights())


def test_a_learning_rate_that_moves_is_in_the_history():
    """As Keras's own `History` has it: callbacks put it into the logs."""
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.5, patience=1, min_delta=1e9
    )
    estimator = fit(regressor(callbacks=[plateau], epochs=3, **FAST))
    assert_close(estimator.history_["learning_rate"], [0.1, 0.1, 0.05])


LOAD = """
import sys, keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.savez(sys.argv[2], *model.get_weights())
assert not any(name.split(".")[0] == "sklstm" for name in sys.modules)
print(type(model).__module__, [type(l).__module__ for l in model.layers])
"""


@pytest.mark.slow
def test_model_checkpoint_loads_without_this_package(tmp_path):
    """The file holds the weights of the best epoch, in Keras's own layers."""
    recorder = Recorder()
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, "loss", save_best_only=True)
    schedule = keras.callbacks.LearningRateScheduler(jump)
    estimator = fit(regressor(callbacks=[schedule, recorder, checkpoint], epochs=6))
    best = int(np.argmin(estimator.history_["loss"]))
    assert best < 5

    arrays = tmp_path / "weights.npz"
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path), str(arrays)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=without_this_package(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(arrays) as loaded:
        weights = [loaded[name] for name in loaded.files]
    assert_identical_weights(weights, recorder.weights[best])
    assert weight_change(weights, estimator.get_weights()) > 1e-2


def without_this_package() -> dict[str, str]:
    """Return an environment without the path that this package may be found on."""
    import os

    return {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}


def test_model_checkpoint_of_weights_each_epoch(tmp_path):
    recorder = Recorder()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True
    )
    estimator = fit(regressor(callbacks=[checkpoint, recorder], epochs=2))
    for epoch, weights in enumerate(recorder.weights, start=1):
        model = estimator.rebuild(1)
        model.load_weights(tmp_path / f"{epoch}.weights.h5")
        assert_identical_weights(model.get_weights(), weights)


def test_model_checkpoint_every_few_batches(tmp_path):
    """`save_freq` in batches makes it a batch-level callback."""
    recorder = BatchRecorder()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=5
    )
    estimator = fit(regressor(callbacks=[checkpoint, recorder], epochs=1))
    assert [path.name for path in tmp_path.iterdir()] == ["1-5.weights.h5"]
    model = estimator.rebuild(1)
    model.load_weights(tmp_path / "1-5.weights.h5")
    assert_identical_weights(model.get_weights(), recorder.weights[4])


def test_terminate_on_nan_ends_the_epoch_at_once():
    """The rest of the epoch is not run, and the loss is refused as ever."""
    target = y[:N].copy()
    target[T - 1 + 2 * B] = 1e30  # in the third batch
    recorder = BatchRecorder()
    callbacks = [keras.callbacks.TerminateOnNaN(), recorder]
    estimator = regressor(callbacks=callbacks)
    with pytest.raises(ValueError, match=r"The loss became (nan|inf) in epoch 1 of 3"):
        estimator.fit(X[:N], target)
    assert [batch for batch, _ in recorder.ended] == [0, 1, 2]
    assert not hasattr(estimator, "state_")


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    estimator = regressor(
        callbacks=[keras.callbacks.CSVLogger(path)], metrics=["mae"], **FAST
    )
    fit(estimator.set_params(validation_split=0.2))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert set(rows[0]) == {"epoch", *estimator.history_}
    for name, values in estimator.history_.items():
        assert_close([float(row[name]) for row in rows], values, what=name)


def test_a_csv_logger_is_given_back_as_it_was(tmp_path):
    """A training that goes on adds to the log; the next one starts another log."""

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("killed")

    log, folder = tmp_path / "log.csv", tmp_path / "kept"
    logger, options = keras.callbacks.CSVLogger(log), {"checkpoint": folder}
    estimator = regressor(callbacks=[logger, Kill()])
    with pytest.raises(RuntimeError, match="killed"):
        fit(estimator, **options)
    Kill.on_epoch_begin = keras.callbacks.Callback.on_epoch_begin
    for _ in range(2):
        fit(estimator, **options)
        assert logger.append is False
        with log.open() as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_a_callback_is_told_of_a_model_once():
    """Keras never takes it back, and `TensorBoard` opens a file at each telling."""

    class Told(keras.callbacks.Callback):
        def set_model(self, model):
            super().set_model(model)
            told.append(model)

    told = []
    callback = Told()
    fit(regressor(callbacks=[callback], epochs=1))
    assert len(told) == 1
    assert isinstance(told[0], keras.Model)
    assert callback.model is None


def test_kerass_own_progress_bar(capfd):
    fit(regressor(callbacks=[keras.callbacks.ProgbarLogger()], verbose=1, epochs=2))
    out = capfd.readouterr().out
    assert "Epoch 2/2" in out
    assert f"{K}/{K}" in out


def test_an_estimator_with_used_callbacks_can_be_copied():
    """Callbacks let go of the model, which belongs to nobody's estimator."""
    stop = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
    estimator = fit(regressor(callbacks=[stop, Recorder()]))
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.predict(X), estimator.predict(X))
    again = fit(clone(estimator))
    assert_identical_weights(again.get_weights(), estimator.get_weights())


# --------------------------------------------------------------------------------------
# Held-out rows
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_held_out_rows_are_not_trained_on(stateful):
    """Losses and weights are those of a fit on the first rows alone."""
    options = {"stateful": stateful, **FAST}
    n = N + 2  # two windows too many for whole batches
    split = fit(regressor(validation_split=10 / (n + 10), **options), n + 10)
    first = fit(regressor(**options), n)
    assert_identical_weights(split.get_weights(), first.get_weights())
    assert split.history_["loss"] == first.history_["loss"]
    assert split.n_windows_ == first.n_windows_
    assert split.n_dropped_rows_ == first.n_dropped_rows_ == (2 if stateful else 0)


@pytest.mark.parametrize("stateful", [True, False])
def test_validation_loss_of_frozen_weights(stateful):
    """What the state after the training rows predicts for the rows after them."""
    options = {"stateful": stateful, "metrics": ["mae"], **FROZEN}
    split = fit(regressor(validation_split=10 / (N + 10), **options), N + 10)
    first = fit(regressor(**options))
    errors = first.predict(X[N : N + 10]) - y[N : N + 10]
    assert_close(split.history_["val_loss"], [np.mean(errors**2)] * 3)
    assert_close(split.history_["val_mae"], [np.mean(np.abs(errors))] * 3)


def test_callbacks_are_told_of_validation():
    """After the last batch, with logs as Keras names them there."""
    events = []

    class Told(Recorder):
        def on_test_begin(self, logs=None):
            events.append(("test begins", logs))

        def on_test_end(self, logs=None):
            events.append(("test ends", logs))

        def on_epoch_end(self, epoch, logs=None):
            events.append(("epoch ends", logs))

    told = Told()
    fit(regressor(callbacks=[told], metrics=["mae"], validation_split=0.2, epochs=1))
    (begins, _), (ends, logs), (last, epoch_logs) = events
    assert [begins, ends, last] == ["test begins", "test ends", "epoch ends"]
    assert set(logs) == {"loss", "mae"}
    for name, value in logs.items():
        assert epoch_logs[f"val_{name}"] == value


def test_validation_of_weights_that_a_callback_swaps_in():
    """Averages, which are the weights after one epoch: so the losses are one too."""
    estimator = regressor(
        stateful=False,
        optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
        callbacks=[keras.callbacks.SwapEMAWeights()],
        validation_split=10 / (N + 10),
        epochs=1,
    )
    fit(estimator, N + 10)
    errors = estimator.predict(X[: N + 10])[N:] - y[N : N + 10]
    assert_close(estimator.history_["val_loss"], [np.mean(errors**2)])
    alone = fit(estimator.set_params(callbacks=None), N + 10)
    raw = alone.history_["val_loss"][0]
    assert abs(raw - np.mean(errors**2)) > 1e-3


def test_validation_loss_counts_sample_weights():
    """As Keras has it: the sum of weighted losses over the number of rows."""
    weights = np.random.default_rng(0).uniform(0.5, 2, N + 10)
    split = regressor(validation_split=10 / (N + 10), **FROZEN)
    fit(split, N + 10, sample_weight=weights)
    first = fit(regressor(**FROZEN))
    errors = first.predict(X[N : N + 10]) - y[N : N + 10]
    assert_close(split.history_["val_loss"][0], np.mean(weights[N:] * errors**2))


def test_validation_of_ready_made_windows():
    windows = windows_by_hand(X, T)[: 4 * B + 5]
    target = y[T - 1 :][: len(windows)]
    split = regressor(validation_split=5 / len(windows), **FROZEN).fit(windows, target)
    first = regressor(**FROZEN).fit(windows[:-5], target[:-5])
    errors = first.predict(windows[-5:]) - target[-5:]
    assert_close(split.history_["val_loss"], [np.mean(errors**2)] * 3)


def test_the_state_after_a_fit_with_held_out_rows():
    """It is right for the row after the last one given, held out or not."""
    estimator = fit(regressor(validation_split=10 / (N + 10)), N + 10)
    state = estimator.state_
    assert state.position == B * K + 10
    estimator.reset_states().observe(X[: N + 10])
    assert_same_state(state, estimator.state_, rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------------------------------
# Metrics and what is shown
# --------------------------------------------------------------------------------------


def test_metrics_of_a_learning_network_equal_those_of_keras():
    """Made from the predictions on the way, before each update."""
    estimator = fit(regressor(metrics=["mae"], **FAST))
    model = keras_lstm(
        [2],
        1,
        "linear",
        batch_size=B,
        sequence_length=T,
        n_features=2,
        stateful=True,
    )
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"], jit_compile=False)
    model.set_weights(estimator.initial_weights_)
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    expected = []
    for _ in range(3):
        keras_reset(model)
        past = model.fit(windows, y[T - 1 : N], batch_size=B, shuffle=False, verbose=0)
        expected.append(past.history["mae"][0])
    assert_close(estimator.history_["mae"], expected, **PARITY)


def test_metrics_do_not_count_sample_weights():
    """Keras counts them in `weighted_metrics` only, which `metrics` are not."""
    weights = np.random.default_rng(0).uniform(0.5, 2, N)
    estimator = regressor(metrics=["mae", keras.metrics.RootMeanSquaredError()])
    fit(estimator.set_params(**FROZEN), sample_weight=weights)
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :]
    history = estimator.history_
    assert_close(history["mae"], [np.mean(np.abs(errors))] * 3)
    root = np.sqrt(np.mean(errors**2))
    assert_close(history["root_mean_squared_error"], [root] * 3)


@pytest.mark.parametrize("labels", [LABELS, LABELS == "low"], ids=["three", "two"])
def test_accuracy(labels):
    estimator = classifier(
        metrics=["accuracy"], validation_split=10 / (N + 10), epochs=1, **FROZEN
    )
    estimator.fit(X[: N + 10], labels[: N + 10])
    right = estimator.predict(X[: N + 10]) == labels[: N + 10]
    assert 0 < right.mean() < 1
    assert_close(estimator.history_["accuracy"], [right[T - 1 : N].mean()])
    assert_close(estimator.history_["val_accuracy"], [right[N:].mean()])


def test_a_metric_of_several_numbers_is_refused():
    """One for each class, here; told to average them, it is taken."""
    options = {"loss": "categorical_crossentropy", "epochs": 1}
    each = classifier(metrics=[keras.metrics.F1Score()], **options)
    text = "metric 'f1_score' gives 3 numbers, but .* one .* average='macro'"
    with pytest.raises(ValueError, match=text):
        fit(each)
    assert not hasattr(each, "state_")
    mean = fit(classifier(metrics=[keras.metrics.F1Score("macro")], **options))
    assert 0 < mean.history_["f1_score"][0] < 1


def test_verbose_shows_progress_and_what_is_left_out(capfd):
    estimator = fit(regressor(verbose=1), N + 2)
    out, err = capfd.readouterr()
    assert "the oldest 2 left out" in out
    assert f"{B * K} windows" in out
    assert "Epoch 3/3" in err
    assert f"loss={estimator.history_['loss'][-1]:.4g}" in err


@pytest.mark.parametrize("stateful", [True, False])
def test_silence_otherwise(capfd, stateful):
    estimator = regressor(stateful=stateful, validation_split=0.2)
    fit(estimator, N + 2).predict(X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_extra", [0, 1, 2])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_rows_left_out(n_extra, drop_remainder):
    estimator = fit(regressor(drop_remainder=drop_remainder, epochs=1), N + n_extra)
    n_dropped = n_extra if drop_remainder else 0
    assert estimator.n_dropped_rows_ == n_dropped
    assert estimator.n_windows_ == B * K + n_extra - n_dropped
    assert estimator.predict(X[: N + n_extra]).shape == (N + n_extra,)


# --------------------------------------------------------------------------------------
# Going on: warm starts and partial fits
# --------------------------------------------------------------------------------------


def test_warm_start_continues_weights_optimizer_and_history():
    """Two epochs and three are the five they add up to, momenta included."""
    whole = fit(regressor(epochs=5))
    parts = fit(regressor(epochs=2, warm_start=True))
    assert_identical_weights(parts.initial_weights_, whole.initial_weights_)
    after_two = parts.get_weights()
    fit(parts.set_params(epochs=3))
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.history_["loss"] == whole.history_["loss"]
    assert_identical_weights(parts.initial_weights_, after_two)


def test_warm_start_at_another_learning_rate():
    """A parameter set between two fits is not passed over."""
    estimator = fit(regressor(warm_start=True, **FAST))
    before = estimator.get_weights()
    fit(estimator.set_params(optimizer__learning_rate=0.0))
    assert_identical_weights(estimator.get_weights(), before)


def test_warm_start_with_another_optimizer():
    """The weights go on; what the old optimizer noted is of no use to the new one."""
    estimator = fit(regressor(warm_start=True))
    before = estimator.get_weights()
    estimator.set_params(optimizer="sgd", optimizer__learning_rate=0.1)
    fit(estimator)
    assert_identical_weights(estimator.initial_weights_, before)
    assert weight_change(before, estimator.get_weights()) > 1e-4


@pytest.mark.parametrize(
    ("first", "second"),
    [("adam", "adadelta"), ("rmsprop", "adagrad")],
)
def test_warm_start_with_an_optimizer_of_slots_of_the_same_shapes(first, second):
    """What the first noted while its weights stood still, the second never sees."""
    still = {"optimizer": first, "optimizer__learning_rate": 0.0, "epochs": 1}
    estimator = fit(regressor(warm_start=True, **still))
    learning = {"optimizer": second, "optimizer__learning_rate": 0.1}
    fit(estimator.set_params(**learning))
    afresh = fit(regressor(epochs=1, **learning))
    assert_identical_weights(estimator.get_weights(), afresh.get_weights())


def lambda_model(meta):
    """A model with a function of the user's own, which shares no program."""
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.LSTM(2, stateful=meta["stateful"]),
            keras.layers.Dense(1),
            keras.layers.Lambda(lambda x: 2 * x, output_shape=(1,)),
        ]
    )


def test_warm_start_of_a_model_with_a_function_of_its_own():
    """Networks are told apart by their shapes, not by the programs they share."""
    whole = fit(regressor(model=lambda_model, epochs=3))
    parts = fit(regressor(model=lambda_model, epochs=1, warm_start=True))
    fit(parts.set_params(epochs=2))
    assert_identical_weights(parts.get_weights(), whole.get_weights())
    assert parts.history_["loss"] == whole.history_["loss"]


def test_warm_start_with_dropout_set_since():
    """Its seed generators are new; the weights go on."""
    estimator = fit(regressor(warm_start=True, epochs=1))
    before = estimator.get_weights()
    fit(estimator.set_params(dropout=0.5))
    assert_identical_weights(estimator.initial_weights_, before)
    assert weight_change(before, estimator.get_weights()) > 1e-4


@pytest.mark.parametrize(
    "change", [{"units": 3}, {"batch_size": B + 1}, {"stateful": False}], ids=str
)
def test_warm_start_of_another_network_is_refused(change):
    estimator = fit(regressor(warm_start=True, epochs=1))
    before = estimator.predict(X)
    text = "warm_start=True continues .* network's shape or batch size has changed"
    with pytest.raises(ValueError, match=text):
        fit(estimator.set_params(**change))
    np.testing.assert_array_equal(estimator.predict(X), before)


def test_partial_fit_on_a_whole_series_is_one_epoch():
    once = regressor(**FAST).partial_fit(X[:N], y[:N])
    fitted = fit(regressor(epochs=1, **FAST))
    assert_identical_weights(once.get_weights(), fitted.get_weights())
    assert once.history_ == fitted.history_
    assert once.n_windows_ == B * K


def test_a_first_partial_fit_trains_at_its_own_learning_rate():
    """Estimators share a compiled pass whatever their rates are."""
    options = {"units": 4, "optimizer": "sgd", "epochs": 1}
    fit(regressor(**options, optimizer__learning_rate=1.0))  # the first to compile it
    slow = regressor(**options, optimizer__learning_rate=0.01)
    fitted = fit(clone(slow))
    slow.partial_fit(X[:N], y[:N])
    assert_identical_weights(slow.get_weights(), fitted.get_weights())


def test_partial_fit_goes_on_from_fit():
    """The rows after those of the fit: state, weights and history carry over."""
    estimator = fit(regressor(**FAST))
    before = estimator.get_weights()
    estimator.partial_fit(X[N : N + 6], y[N : N + 6])
    assert estimator.state_.position == B * K + 6
    assert len(estimator.history_["loss"]) == 4
    assert weight_change(before, estimator.get_weights()) > 1e-4
    np.testing.assert_array_equal(
        estimator.state_.context, np.float32(X[N + 5 : N + 6])
    )


@pytest.mark.parametrize(
    ("first", "then", "text"),
    [
        ({}, {"optimizer": "sgd"}, "Adam, but .* ask for SGD"),
        ({}, {"optimizer__clipnorm": 1.0}, "Adam, but .* Adam with another clipnorm"),
        (
            {"optimizer": keras.optimizers.SGD(HALVING)},
            {"optimizer": keras.optimizers.SGD(0.1)},
            "SGD, but .* ask for SGD with another learning_rate",
        ),
        (
            {"optimizer": keras.optimizers.SGD(HALVING)},
            {"optimizer": keras.optimizers.SGD(FALLING)},
            "SGD, but .* ask for SGD with another learning_rate",
        ),
    ],
    ids=["class", "setting", "schedule to number", "schedule to schedule"],
)
def test_partial_fit_with_another_optimizer_is_refused(first, then, text):
    """It would go on with the old one; the error says what to do, and that mends it."""
    estimator = fit(regressor(epochs=1, **first))
    before = estimator.get_weights()
    estimator.set_params(**then)
    with pytest.raises(ValueError, match=f"{text}.*fit with warm_start=True"):
        estimator.partial_fit(X[N:], y[N:])
    assert_identical_weights(estimator.get_weights(), before)
    fit(estimator.set_params(warm_start=True)).partial_fit(X[N:], y[N:])
    assert weight_change(estimator.get_weights(), before) > 1e-4


def test_partial_fit_of_a_compiled_model_goes_on_with_its_own_optimizer():
    """The estimator's `optimizer` was never asked, and is not now."""

    def compiled(meta):
        model = lambda_model(meta)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    estimator = fit(regressor(model=compiled, epochs=1))
    again = fit(regressor(model=compiled, epochs=1))
    estimator.partial_fit(X[N:], y[N:])
    again.set_params(optimizer="rmsprop").partial_fit(X[N:], y[N:])
    assert_identical_weights(estimator.get_weights(), again.get_weights())


def test_partial_fit_of_a_classifier_with_classes_to_come():
    """A class not seen yet has its column."""
    estimator = classifier()
    estimator.partial_fit(X[:N], np.where(LABELS == "mid", "low", LABELS)[:N], LABELS)
    assert estimator.classes_.tolist() == ["high", "low", "mid"]
    estimator.partial_fit(X[N:], LABELS[N:])
    proba = estimator.predict_proba(X[:5])
    assert proba.shape == (5, 3)
    assert_close(proba.sum(axis=1), np.ones(5))


# --------------------------------------------------------------------------------------
# Optimizers
# --------------------------------------------------------------------------------------


def test_what_does_not_compile_again():
    """A loss in Python is called while a program is traced, and at no other time."""
    traced = []

    def loss(y_true, y_pred):
        traced.append(y_pred.shape)
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    estimator = fit(regressor(loss=loss, optimizer="sgd", epochs=2))
    n = len(traced)
    assert n > 0
    weights = []
    for rate in (0.1, 0.01, 0.3):
        another = clone(estimator).set_params(optimizer__learning_rate=rate)
        weights.append(fit(another).get_weights())
    assert weight_change(*weights[:2]) > 1e-3
    fit(clone(estimator).set_params(random_state=5, epochs=3))
    fit(clone(estimator), N - B)  # another number of batches
    fit(clone(estimator), N + 2)  # rows left out
    fit(clone(estimator), sample_weight=np.linspace(1, 2, N))
    assert len(traced) == n
    fit(clone(estimator).set_params(units=3))  # another network is another program
    assert len(traced) > n


@pytest.mark.parametrize(
    "optimizer", ["sgd", keras.optimizers.SGD], ids=["name", "class"]
)
def test_optimizer_by_name_class_or_object(optimizer):
    """And one learning rate, routed to it or its own, gives one result."""
    estimator = regressor(optimizer=optimizer, optimizer__learning_rate=0.1)
    own = keras.optimizers.SGD(0.1)
    other = fit(regressor(optimizer=own))
    assert_identical_weights(fit(estimator).get_weights(), other.get_weights())
    assert int(own.iterations) == 0  # the user's object is not the one that trains
    assert_identical_weights(
        fit(regressor(optimizer=own)).get_weights(), (other.get_weights())
    )


OPTIMIZERS = {
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "adam clipnorm": lambda: keras.optimizers.Adam(0.01, clipnorm=0.05),
    "sgd global clipnorm, momentum": lambda: keras.optimizers.SGD(
        0.1, momentum=0.9, nesterov=True, global_clipnorm=0.1
    ),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "schedule": lambda: keras.optimizers.SGD(HALVING),
    "moving average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "accumulated gradients": lambda: keras.optimizers.SGD(
        0.1, gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_train_as_in_keras(make):
    """One epoch: Keras would put averaged weights in place after each `fit`."""
    estimator = fit(regressor(optimizer=make(), epochs=1))
    expected = keras_loop(
        lambda batch_size: keras_lstm(
            [2],
            1,
            "linear",
            batch_size=batch_size,
            sequence_length=T,
            n_features=2,
            stateful=True,
        ),
        X[:N],
        y[:N],
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=1,
        optimizer=keras.optimizers.serialize(make()),
        loss="mse",
    )
    assert_same_weights(estimator.get_weights(), expected.weights, **PARITY)
    assert_close(estimator.history_["loss"], expected.losses, **PARITY)
    plain = fit(regressor(epochs=1, **FAST))
    assert weight_change(estimator.get_weights(), plain.get_weights()) > 1e-3


def test_a_schedule_runs_on_over_the_epochs():
    """The number of updates is the optimizer's, not the epoch's."""
    estimator = fit(regressor(optimizer=keras.optimizers.SGD(HALVING)))
    rates = [0.1 * 0.5 ** (update // 4) for update in range(3 * K)]

    class EachUpdate(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = rates.pop(0)

    by_hand = fit(regressor(callbacks=[EachUpdate()], **FAST))
    assert not rates
    assert_same_weights(estimator.get_weights(), by_hand.get_weights())


def test_adam_with_routed_parameters():
    routed = regressor(optimizer__learning_rate=0.01, optimizer__clipnorm=0.05)
    own = keras.optimizers.Adam(0.01, clipnorm=0.05)
    assert_identical_weights(
        fit(routed).get_weights(), fit(regressor(optimizer=own)).get_weights()
    )
    unclipped = fit(regressor(optimizer__learning_rate=0.01))
    assert weight_change(routed.get_weights(), unclipped.get_weights()) > 1e-6


# --------------------------------------------------------------------------------------
# Losses
# --------------------------------------------------------------------------------------


def absolute_error(y_true, y_pred):
    """A loss of the user's own."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.MeanAbsoluteError,
        keras.losses.MeanAbsoluteError(),
        keras.losses.mean_absolute_error,
        absolute_error,
    ],
    ids=["class", "object", "function", "own"],
)
def test_loss_by_name_object_or_function(loss):
    named = fit(regressor(loss="mae", **FAST))
    given = fit(regressor(loss=loss, **FAST))
    assert_same_weights(given.get_weights(), named.get_weights())
    assert_close(given.history_["loss"], named.history_["loss"])
    squared = fit(regressor(**FAST))
    assert weight_change(given.get_weights(), squared.get_weights()) > 1e-3


def test_routed_parameter_of_a_loss():
    def weights(**parameters):
        return fit(regressor(**FAST, **parameters)).get_weights()

    routed = weights(loss=keras.losses.Huber, loss__delta=0.1)
    assert_identical_weights(routed, weights(loss=keras.losses.Huber(delta=0.1)))
    another = weights(loss=keras.losses.Huber, loss__delta=1.0)
    assert weight_change(routed, another) > 1e-3


def test_class_weight_is_sample_weight_by_label():
    by_class = {"high": 0.5, "low": 2.0, "mid": 1.0}
    weighted = fit(classifier(class_weight=by_class))
    row_by_row = np.array([by_class[label] for label in LABELS[:N]])
    same = fit(classifier(), sample_weight=row_by_row)
    assert_identical_weights(weighted.get_weights(), same.get_weights())
    plain = fit(classifier())
    assert weight_change(weighted.get_weights(), plain.get_weights()) > 1e-5


@pytest.mark.parametrize("by_class", [{"low": 2.0}, {"low": 2.0, "mid": 0.5}])
def test_class_weight_of_some_classes_in_pieces(by_class):
    """A piece of the series need not hold the classes named; the others weigh 1."""
    weighted, same = classifier(class_weight=by_class), classifier()
    for piece in (LABELS[:N] == "low", LABELS[:N] != "low", LABELS[:N] == "high"):
        rows, labels = X[:N][piece], LABELS[:N][piece]
        by_row = [by_class.get(label, 1.0) for label in labels]
        classes = np.unique(LABELS)
        weighted.partial_fit(rows, labels, classes=classes)
        same.partial_fit(rows, labels, classes=classes, sample_weight=by_row)
    assert_identical_weights(weighted.get_weights(), same.get_weights())


def test_balanced_class_weight_multiplies_the_sample_weights():
    own = np.linspace(0.5, 1.5, N)
    balanced = compute_sample_weight("balanced", LABELS[:N])
    assert np.ptp(balanced) > 0.1
    both = fit(classifier(class_weight="balanced"), sample_weight=own)
    same = fit(classifier(), sample_weight=own * balanced)
    assert_same_weights(both.get_weights(), same.get_weights())
    assert_close(own, np.linspace(0.5, 1.5, N))  # the caller's array is left alone


@pytest.mark.parametrize("labels", [LABELS, LABELS == "low"], ids=["three", "two"])
def test_categorical_crossentropy(labels):
    """One output for each class, also of two; three learn as by the sparse default."""
    one_hot = classifier(loss="categorical_crossentropy", **FAST)
    one_hot.fit(X[:N], labels[:N])
    n_classes = len(np.unique(labels))
    assert one_hot.n_outputs_ == n_classes
    proba = one_hot.predict_proba(X)
    assert proba.shape == (len(X), n_classes)
    assert_close(proba.sum(axis=1), np.ones(len(X)))
    sparse = classifier(loss="sparse_categorical_crossentropy", **FAST)
    sparse.fit(X[:N], labels[:N])
    assert_same_weights(one_hot.get_weights(), sparse.get_weights())


@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        (LABELS == "low", keras.losses.BinaryCrossentropy),
        (LABELS, keras.losses.CategoricalCrossentropy),
        (LABELS, keras.losses.SparseCategoricalCrossentropy),
    ],
    ids=["binary", "categorical", "sparse"],
)
def test_losses_from_logits(labels, loss):
    """A linear head and the same probabilities."""
    logits = classifier(loss=loss, loss__from_logits=True, **FAST)
    logits.fit(X[:N], labels[:N])
    plain = classifier(loss=loss, **FAST).fit(X[:N], labels[:N])
    assert_same_weights(logits.get_weights(), plain.get_weights(), rtol=1e-3, atol=1e-4)
    proba = logits.predict_proba(X)
    assert_close(proba, plain.predict_proba(X), rtol=1e-3, atol=1e-4)
    head = logits.rebuild(1).layers[-1]
    assert head.activation is keras.activations.linear


# --------------------------------------------------------------------------------------
# What is not worth a compilation
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_one_row_of_a_large_network_compiles_nothing(stateful):
    """The NumPy pass computes the lanes that have a window, however many there are."""
    network = StackedLSTM(
        units=(128, 128),
        dropout=0.0,
        n_outputs=1,
        activation="linear",
        sequence_length=60,
        n_features=2,
        batch_size=256 if stateful else None,
    )
    weights = network.initial_weights(np.random.default_rng(0))
    state = zero_state(network, 2)
    windows = Windows.of(np.float32(X[:1]), np.float32(make_rows(59, 2, seed=3)), 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sklstm._training.recipe.POOL", None
        )  # that lends compiled passes
        outputs, _ = walk(network, Parameters(tuple(weights)), windows, state)
    assert outputs.shape == (1, 1)
