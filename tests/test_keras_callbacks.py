"""Keras's own callbacks, each doing here what it does in Keras's `fit`."""

from __future__ import annotations

import csv
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import (
    NaiveLSTM,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    weight_change,
)
from sklearn.base import clone
from training_cases import (
    FAST,
    B,
    BatchRecorder,
    K,
    N,
    Recorder,
    T,
    X,
    fit,
    regressor,
    y,
)


def jump(epoch: int, rate: float) -> float:
    """Learn well for three epochs, then jump about."""
    return 0.01 if epoch < 3 else 3.0


@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
def test_EarlyStopping_restores_best_weights_and_state(monitor):
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


def test_EarlyStopping_restores_best_over_ema_weights():
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


def test_ReduceLROnPlateau_lowers_rate_as_in_keras():
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


def test_history_holds_learning_rate_of_ReduceLROnPlateau():
    """A callback puts the rate into the logs, so that `history_` has it as in Keras."""
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


@pytest.mark.thorough
def test_ModelCheckpoint_file_loads_without_sklstm(tmp_path):
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


def test_ModelCheckpoint_save_weights_only_each_epoch(tmp_path):
    recorder = Recorder()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True
    )
    estimator = fit(regressor(callbacks=[checkpoint, recorder], epochs=2))
    for epoch, weights in enumerate(recorder.weights, start=1):
        model = estimator.rebuild(1)
        model.load_weights(tmp_path / f"{epoch}.weights.h5")
        assert_identical_weights(model.get_weights(), weights)


def test_ModelCheckpoint_save_freq_in_batches(tmp_path):
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


def test_TerminateOnNaN_ends_epoch_at_once():
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


def test_CSVLogger_writes_history(tmp_path):
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


def test_CSVLogger_append_restored_after_checkpointed_fit(tmp_path):
    """A resumed training appends to the log; the next training starts a new log."""

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


def test_BackupAndRestore_is_refused_by_what_does_its_work(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match=r"BackupAndRestore, .*fit\(X, y, checkpoint="):
        fit(regressor(callbacks=[backup]))
    assert not (tmp_path / "backup").exists()


def test_callback_set_model_is_called_once():
    """`TensorBoard` opens a file at each `set_model`."""

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


def test_ProgbarLogger_prints_progress(capfd):
    fit(regressor(callbacks=[keras.callbacks.ProgbarLogger()], verbose=1, epochs=2))
    out = capfd.readouterr().out
    assert "Epoch 2/2" in out
    assert f"{K}/{K}" in out


def test_pickle_and_clone_with_used_callbacks():
    """After `fit` the callbacks hold no model, which could not be pickled."""
    stop = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
    estimator = fit(regressor(callbacks=[stop, Recorder()]))
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.predict(X), estimator.predict(X))
    again = fit(clone(estimator))
    assert_identical_weights(again.get_weights(), estimator.get_weights())
