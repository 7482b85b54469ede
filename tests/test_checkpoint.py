"""Training that is killed, interrupted, or out of disk, and goes on."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import assert_identical_weights, first_ordinary, with_rest_thorough
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklstm
from sklstm.persistence import PersistenceError

ROOT = Path(sklstm.__file__).parent.parent
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 2)), RNG.normal(size=40)


def regressor(**options):
    defaults = {"units": 3, "sequence_length": 2, "epochs": 6, "random_state": 0}
    return StatefulLSTMRegressor(**{**defaults, **options})


class Killed(BaseException):
    """What a test raises in place of a kill: nothing catches it."""


class KillAt(keras.callbacks.Callback):
    """Die at the end of an epoch, before or after its checkpoint is written."""

    def __init__(self, epoch):
        super().__init__()
        self._at = epoch  # another name: when to die is no part of the training

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._at:
            raise Killed


def callbacks(kill_at=None, **settings):
    """Early stopping and a falling learning rate, whose memories matter."""
    stop = {"monitor": "loss", "patience": 3, "restore_best_weights": True, **settings}
    return [
        keras.callbacks.EarlyStopping(**stop),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=1, min_delta=9),
        KillAt(kill_at),
    ]


def learnt(estimator):
    """Everything that two equal trainings have in common."""
    parameters = estimator._fitted.parameters
    return [*parameters.weights, *parameters.seeds, *parameters.slots]


CASES = {
    "stateful": {},
    "lanes": {"batch_size": 3, "cell": "gru"},
    "shuffled": {"stateful": False, "batch_size": 4},
    "dropout": {"units": (3, 2), "dropout": 0.4},
    "momentum": {"optimizer": "sgd", "optimizer__momentum": 0.9},
    "held out": {"validation_split": 0.2, "metrics": ["mae"]},
    "averaged": {"ema_momentum": 0.7},
}


ORDINARY = ("averaged",)


@pytest.mark.parametrize("name", with_rest_thorough(CASES, ORDINARY))
def test_fit_checkpoint_after_kill_resumes_bit_for_bit(name, tmp_path):
    """Killed after each number of epochs; weights, slots, history as if never."""
    options = CASES[name]
    whole = regressor(callbacks=callbacks(), **options).fit(X, Y)
    for epoch in (1, 4):
        with pytest.raises(Killed):
            regressor(callbacks=callbacks(epoch), **options).fit(X, Y, None, tmp_path)
        again = regressor(callbacks=callbacks(), **options)
        again.fit(X, Y, checkpoint=tmp_path)
        assert_identical_weights(learnt(again), learnt(whole))
        assert again.history_ == whole.history_
        assert_identical_weights(again.initial_weights_, whole.initial_weights_)
        np.testing.assert_array_equal(again.predict(X), whole.predict(X))
        assert not list(tmp_path.iterdir())  # a finished training leaves nothing


def test_fit_checkpoint_trains_no_epoch_twice(tmp_path):
    """After three epochs three are left."""
    epochs = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda k, logs: epochs.append(k)
    )
    with pytest.raises(Killed):
        regressor(callbacks=[count, KillAt(3)]).fit(X, Y, checkpoint=tmp_path)
    regressor(callbacks=[count, KillAt(None)]).fit(X, Y, checkpoint=tmp_path)
    assert epochs == [0, 1, 2, 3, 3, 4, 5]


def test_fit_checkpoint_every_resumes_from_last_written(tmp_path):
    """Between two checkpoints an epoch is trained again, to the same end."""
    epochs = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda k, logs: epochs.append(k)
    )
    options = {"checkpoint": tmp_path, "checkpoint_every": 2}
    with pytest.raises(Killed):
        regressor(callbacks=[count, KillAt(5)]).fit(X, Y, **options)
    again = regressor(callbacks=[count, KillAt(None)]).fit(X, Y, **options)
    assert epochs == [0, 1, 2, 3, 4, 5, 4, 5]
    assert_identical_weights(learnt(again), learnt(regressor().fit(X, Y)))


def test_fit_checkpoint_keeps_EarlyStopping_best(tmp_path):
    """Killed one epoch before it would stop: it stops there, with the same weights."""
    options = {"optimizer": "sgd", "optimizer__learning_rate": 1.0, "epochs": 12}
    whole = regressor(callbacks=callbacks(), **options).fit(X, Y)
    n = len(whole.history_["loss"])
    assert 4 <= n < 12
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(n - 1), **options).fit(X, Y, checkpoint=tmp_path)
    again = regressor(callbacks=callbacks(), **options).fit(X, Y, checkpoint=tmp_path)
    assert again.history_ == whole.history_
    assert_identical_weights(learnt(again), learnt(whole))
    assert not list(tmp_path.iterdir())


class Remember(keras.callbacks.Callback):
    """Keeps arrays of each kind, of which a file holds those of numbers."""

    def __init__(self):
        super().__init__()
        self.kept = []
        self.flags = np.zeros(3, bool)
        self.many = [np.zeros(2, bool), np.zeros(2)]
        self.words, self.things = np.array(["a"]), np.array([None])
        self.wide, self.waves = np.zeros(1, np.longdouble), [np.zeros(1, complex)]

    def on_epoch_begin(self, epoch, logs=None):
        self.kept.append([self.flags.tolist(), self.many[0].tolist(), self.flags.dtype])

    def on_epoch_end(self, epoch, logs=None):
        self.flags[epoch % 3], self.many[0][epoch % 2] = True, True


@pytest.mark.thorough
def test_fit_checkpoint_callbacks_with_arrays_of_any_dtype(tmp_path):
    """Arrays of booleans and numbers are restored; those of other dtypes are left."""
    whole, again = Remember(), Remember()
    regressor(callbacks=[whole, KillAt(None)]).fit(X, Y)
    with pytest.raises(Killed):
        regressor(callbacks=[Remember(), KillAt(2)]).fit(X, Y, checkpoint=tmp_path)
    regressor(callbacks=[again, KillAt(None)]).fit(X, Y, checkpoint=tmp_path)
    assert again.kept == whole.kept[2:]


def test_fit_checkpoint_averaged_after_early_stop_resumes_bit_for_bit(tmp_path):
    """The average of a training that had ended is in its last checkpoint."""
    options = {"ema_momentum": 0.5, "optimizer": "sgd", "epochs": 12}
    options |= {"optimizer__learning_rate": 1.0}

    class KillAtEnd(KillAt):
        def on_train_end(self, logs=None):
            if self._at == "end":
                raise Killed

    def model(at):
        return regressor(callbacks=[*callbacks()[:2], KillAtEnd(at)], **options)

    whole = model(None).fit(X, Y)
    assert 4 <= len(whole.history_["loss"]) < 12
    with pytest.raises(Killed):
        model("end").fit(X, Y, checkpoint=tmp_path)
    again = model(None).fit(X, Y, checkpoint=tmp_path)
    assert_identical_weights(learnt(again), learnt(whole))
    assert again.history_ == whole.history_


def averaged_by_hand(momentum: float, epochs: int) -> list[np.ndarray]:
    """The average of the weights after each epoch, with shares that fall with age."""
    after = [regressor(epochs=n).fit(X, Y).get_weights() for n in range(1, epochs + 1)]
    shares = momentum ** np.arange(epochs)[::-1]
    shares /= shares.sum()
    return [
        sum(share * array for share, array in zip(shares, arrays, strict=True))
        for arrays in zip(*after, strict=True)
    ]


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_epoch_begin"])
@pytest.mark.parametrize("by", ["signal", "callback"])
def test_fit_averaged_after_ctrl_c_keeps_average_of_whole_epochs(hook, by):
    """The signal is held back; a callback's own error comes before the average."""

    class Interrupt(keras.callbacks.Callback):
        def at(self, epoch, logs=None):
            if epoch == 2 + (hook == "on_epoch_begin"):
                if by == "callback":
                    raise KeyboardInterrupt
                signal.raise_signal(signal.SIGINT)

    interrupt = Interrupt()
    setattr(interrupt, hook, interrupt.at)
    model = regressor(callbacks=[interrupt], ema_momentum=0.7)
    with pytest.warns(RuntimeWarning, match="interrupted after . of 6 epochs"):
        model.fit(X, Y)
    n = len(model.history_["loss"])
    assert n == 3 + (hook == "on_epoch_begin" and by == "signal")
    for actual, expected in zip(
        model.get_weights(), averaged_by_hand(0.7, n), strict=True
    ):  # float32, rounded once
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_fit_checkpoint_averaged_after_ctrl_c_resumes_bit_for_bit(tmp_path):
    """It goes on from the weights themselves, not from their average."""

    class Interrupt(KillAt):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self._at:
                signal.raise_signal(signal.SIGINT)

    whole = regressor(callbacks=[Interrupt(None)], ema_momentum=0.7).fit(X, Y)
    with pytest.warns(RuntimeWarning, match="interrupted after 4 of 6 epochs"):
        part = regressor(callbacks=[Interrupt(3)], ema_momentum=0.7)
        part.fit(X, Y, checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    again = regressor(callbacks=[Interrupt(None)], ema_momentum=0.7)
    again.fit(X, Y, checkpoint=tmp_path)
    assert_identical_weights(learnt(again), learnt(whole))


def test_fit_checkpoint_without_random_state_keeps_drawn_seed(tmp_path):
    options = {"random_state": None, "dropout": 0.3}
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(3), **options).fit(X, Y, checkpoint=tmp_path)
    (file,) = tmp_path.iterdir()
    kept = file.read_bytes()
    ends = []
    for _ in range(2):
        file.write_bytes(kept)
        again = regressor(callbacks=callbacks(), **options)
        ends.append(learnt(again.fit(X, Y, checkpoint=tmp_path)))
    assert_identical_weights(*ends)


def test_fit_checkpoint_more_epochs_resumes(tmp_path):
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(4)).fit(X, Y, checkpoint=tmp_path)
    more = regressor(epochs=9, callbacks=callbacks()).fit(X, Y, checkpoint=tmp_path)
    whole = regressor(epochs=9, callbacks=callbacks()).fit(X, Y)
    assert_identical_weights(learnt(more), learnt(whole))


@pytest.mark.parametrize(
    "change",
    first_ordinary(
        1,
        [
            {"units": 4},
            {"optimizer__learning_rate": 0.1},
            {"random_state": 1},
            {"callbacks": callbacks(patience=2)},
            {"loss": keras.losses.Huber()},
        ],
    ),
    ids=["units", "rate", "seed", "patience", "loss"],
)
def test_fit_checkpoint_other_parameters_starts_anew(change, tmp_path):
    """Parameters and data tell trainings apart; each has a file of its own."""
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(3)).fit(X, Y, checkpoint=tmp_path)
    options = {"callbacks": callbacks()} | change
    other = regressor(**options).fit(X, Y, checkpoint=tmp_path)
    assert_identical_weights(learnt(other), learnt(regressor(**options).fit(X, Y)))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.thorough
def test_fit_checkpoint_other_data_starts_anew(tmp_path):
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(3)).fit(X, Y, checkpoint=tmp_path)
    weights = np.linspace(0.5, 1, 40)
    for data in [(X + 1, Y, None), (X, Y + 1, None), (X, Y, weights), (X[1:], Y[1:])]:
        other = regressor(callbacks=callbacks()).fit(*data, checkpoint=tmp_path)
        fresh = regressor(callbacks=callbacks()).fit(*data)
        assert_identical_weights(learnt(other), learnt(fresh))
    assert len(list(tmp_path.iterdir())) == 1


def test_fit_checkpoint_other_sample_weight_starts_anew(tmp_path):
    with pytest.raises(Killed):
        weights = pd.Series(np.linspace(0.5, 1, 40))
        regressor(callbacks=callbacks(3)).fit(X, Y, weights, checkpoint=tmp_path)
    other = regressor(callbacks=callbacks())
    other.fit(X, Y, weights[::-1], checkpoint=tmp_path)
    fresh = regressor(callbacks=callbacks()).fit(X, Y, weights[::-1])
    assert_identical_weights(learnt(other), learnt(fresh))


def test_fit_checkpoint_ctrl_c_keeps_file(tmp_path):
    """The estimator is fitted for its whole epochs, and the checkpoint stays."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.warns(RuntimeWarning, match="interrupted after 3 of 6 epochs"):
        part = regressor(callbacks=[Interrupt()]).fit(X, Y, checkpoint=tmp_path)
    assert part.predict(X).shape == (40,)
    assert len(list(tmp_path.iterdir())) == 1


def test_fit_checkpoint_of_classifier_in_pipeline(tmp_path):
    labels = np.where(Y > 0, "up", "down")
    pipe = make_pipeline(
        StandardScaler(), StatefulLSTMClassifier(3, epochs=3, random_state=0)
    )
    pipe.fit(
        X, labels, statefullstmclassifier__checkpoint=str(tmp_path / "new" / "one")
    )
    assert (tmp_path / "new" / "one").is_dir()


@pytest.mark.thorough
def test_GridSearchCV_fit_checkpoint_shares_folder(tmp_path):
    search = GridSearchCV(
        regressor(epochs=2), {"batch_size": [1, 2]}, cv=TimeSeriesSplit(2)
    )
    search.fit(X, Y, checkpoint=tmp_path)
    plain = GridSearchCV(search.estimator, search.param_grid, cv=search.cv).fit(X, Y)
    scores = [s.cv_results_["mean_test_score"] for s in (search, plain)]
    np.testing.assert_array_equal(*scores)


def test_fit_checkpoint_CSVLogger_resumes_without_second_header(tmp_path):
    """One header, one line for each epoch."""
    log = tmp_path / "log.csv"
    folder = tmp_path / "folder"
    for kill in (3, None):
        logger = keras.callbacks.CSVLogger(str(log))
        model = regressor(callbacks=[logger, KillAt(kill)])
        if kill:
            with pytest.raises(Killed):
                model.fit(X, Y, checkpoint=folder)
            logger.on_train_end()  # the file of a killed process is closed too
        else:
            model.fit(X, Y, checkpoint=folder)
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()]
    assert epochs == ["epoch", "0", "1", "2", "3", "4", "5"]


# --------------------------------------------------------------------------------------
# Refusals
# --------------------------------------------------------------------------------------


def test_fit_checkpoint_damaged_file_raises(tmp_path):
    with pytest.raises(Killed):
        regressor(callbacks=callbacks(3)).fit(X, Y, checkpoint=tmp_path)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    model = regressor(callbacks=callbacks())
    with pytest.raises(
        PersistenceError, match=r"cannot be read.*Delete .*start .*anew"
    ):
        model.fit(X, Y, checkpoint=tmp_path)
    assert not hasattr(model, "state_")


def test_fit_checkpoint_fewer_epochs_than_trained_raises(tmp_path):
    """The weights after 3 of 4 epochs are gone; `epochs=4` returns those it has."""
    with pytest.raises(Killed):
        regressor(callbacks=[KillAt(4)]).fit(X, Y, checkpoint=tmp_path)
    fewer = regressor(epochs=3, callbacks=[KillAt(None)])
    text = "holds 4 epochs, but epochs=3. Set epochs=4 or more, or delete .* anew"
    with pytest.raises(ValueError, match=text):
        fewer.fit(X, Y, checkpoint=tmp_path)
    assert not hasattr(fewer, "state_")
    assert len(list(tmp_path.iterdir())) == 1
    assert (
        len(fewer.set_params(epochs=4).fit(X, Y, None, tmp_path).history_["loss"]) == 4
    )


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every must be a positive"),
        ({"checkpoint_every": 1.5}, TypeError, "checkpoint_every must be a positive"),
        ({"checkpoint": __file__}, OSError, "test_checkpoint"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be .* folder, got 3"),
    ],
)
def test_fit_checkpoint_bad_arguments_raise(options, error, text, tmp_path):
    with pytest.raises(error, match=text):
        regressor().fit(X, Y, **{"checkpoint": tmp_path, **options})


# --------------------------------------------------------------------------------------
# Real processes
# --------------------------------------------------------------------------------------

LONG = {"units": 2, "epochs": 900, "dropout": 0.2, "random_state": 0}


def train_in_process(folder, counter, result):
    """Train with a checkpoint each epoch; tell the epoch, and save the end."""
    count = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda k, logs: counter.__setattr__("value", k)
    )
    model = StatefulLSTMRegressor(**LONG, callbacks=[count])
    model.fit(X, Y, checkpoint=folder)
    np.savez(result, *learnt(model))


@pytest.mark.thorough
def test_fit_checkpoint_survives_sigkills(tmp_path, monkeypatch):
    """After many kills at random moments, training ends with the same weights.

    Those killed take their program from one folder, so that only one compiles it.
    """
    monkeypatch.setenv("SKLSTM_CACHE", str(tmp_path / "programs"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sklstm.regressor", "test_checkpoint"])
    folder, result = tmp_path / "kept", tmp_path / "end.npz"
    counter = context.Value("i", -1)
    rng, kills, reached = np.random.default_rng(0), 0, []
    while kills < 8:
        counter.value = -1
        process = context.Process(
            target=train_in_process, args=(folder, counter, result)
        )
        process.start()
        while counter.value < 0 and process.is_alive():
            time.sleep(0.002)
        first = counter.value
        time.sleep(rng.uniform(0, 0.1))
        assert process.is_alive(), "the training ended too soon for so many kills"
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        reached.append((first, counter.value))
        assert not result.exists()
    # each goes on where the one before it was, less the epoch it was killed in
    for (_, last), (first, _) in itertools.pairwise(reached):
        assert last <= first <= last + 1
    train_in_process(folder, counter, result)
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda k, logs: None)
    whole = StatefulLSTMRegressor(**LONG, callbacks=[count]).fit(X, Y)
    with np.load(result) as end:
        assert_identical_weights(list(end.values()), learnt(whole))


FULL_DISK = """
import resource, signal, sys, warnings
import numpy as np
from sklstm import StatefulLSTMRegressor
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
X, y = np.random.default_rng(0).normal(size=(2, 30))
model = StatefulLSTMRegressor(8, windows="sliding", epochs=3, random_state=0)
whole = model.fit(X[:, None], y).get_weights()
limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(X[:, None], y, checkpoint=sys.argv[1])
assert all(map(np.array_equal, model.get_weights(), whole))
for warning in caught:
    print(warning.category.__name__, warning.message)
"""


@pytest.mark.thorough
def test_fit_checkpoint_full_disk_warns_and_goes_on(tmp_path):
    """Each write that the operating system refuses is a warning; no file is left."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    ours = [line for line in said if "checkpoint" in line]
    assert len(ours) == 3
    assert ours[0].startswith(
        "RuntimeWarning The checkpoint after epoch 1 could not be"
    )
    assert "Training goes on" in ours[0]
    assert not list(tmp_path.iterdir())
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
