"""Ctrl-C: a fit ends at its last whole epoch, or has never begun.

In process, a callback raises what Ctrl-C raises, at a place that is known; in a process
of its own, the signal itself comes at a place that is not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import assert_close, assert_identical_weights, assert_same_state, make_rows
from plain import StatefulLSTMRegressor

import sklstm

T, B, K = 2, 3, 7
N = T - 1 + B * K
X = make_rows(N, 2, seed=1)
y = X[:, 0] - 0.5 * X[:, 1]


def regressor(epochs: int = 5, callbacks=None, **parameters) -> StatefulLSTMRegressor:
    """Return a small regressor."""
    return StatefulLSTMRegressor(
        2,
        sequence_length=T,
        batch_size=B,
        epochs=epochs,
        callbacks=callbacks,
        random_state=0,
        **parameters,
    )


class Interrupt(keras.callbacks.Callback):
    """Does as Ctrl-C does, in one hook of one epoch (and of one batch)."""

    def __init__(self, hook: str, epoch: int, batch: int | None = None):
        super().__init__()
        self.epoch = None

        def note_epoch(epoch, logs=None):
            self.epoch = epoch
            if hook == "on_epoch_begin":
                interrupt(epoch)

        def interrupt(index, logs=None):
            if self.epoch == at_epoch and batch in (None, index):
                raise KeyboardInterrupt

        at_epoch = epoch
        self.on_epoch_begin = note_epoch
        if hook != "on_epoch_begin":
            setattr(self, hook, interrupt)


PLACES = {  # place in the epoch: (callback's arguments, whether that epoch is whole)
    "as it begins": (("on_epoch_begin",), False),
    "before its first batch": (("on_train_batch_begin", 0), False),
    "after its first batch": (("on_train_batch_end", 0), False),
    "in the middle": (("on_train_batch_begin", K // 2), False),
    "after its last batch": (("on_train_batch_end", K - 1), None),
    "as it ends": (("on_epoch_end",), True),
}


def interrupted(place: str, epoch: int, **parameters) -> StatefulLSTMRegressor:
    """Return a regressor that will be interrupted there."""
    hook, *batch = PLACES[place][0]
    return regressor(callbacks=[Interrupt(hook, epoch, *batch)], **parameters)


@pytest.mark.parametrize("place", PLACES)
def test_fit_interrupted_in_later_epoch_warns_and_keeps_whole_epochs(place):
    """Weights, state and history are those of the same number of whole epochs."""
    estimator = interrupted(place, epoch=2)
    with pytest.warns(RuntimeWarning, match="interrupted after [23] of 5 epochs") as w:
        estimator.fit(X, y)
    n_whole = len(estimator.history_["loss"])
    is_whole = PLACES[place][1]
    assert n_whole in ([2, 3] if is_whole is None else [2 + is_whole])
    assert f"after {n_whole} of 5 epochs" in str(w[0].message)
    assert w[0].filename == __file__  # it points at the caller's line

    expected = regressor(epochs=n_whole).fit(X, y)
    assert_identical_weights(estimator.get_weights(), expected.get_weights())
    assert_same_state(estimator.state_, expected.state_)
    assert_close(estimator.history_["loss"], expected.history_["loss"])
    np.testing.assert_array_equal(estimator.predict(X), expected.predict(X))


class InterruptingMetric:
    """A metric in Python, which is computed after an epoch's last batch."""

    def __init__(self, epoch: int):
        self.__name__ = "interrupting"
        self.at, self.epoch = epoch, None
        self.callback = keras.callbacks.LambdaCallback(on_epoch_begin=self.note)

    def note(self, epoch, logs=None):
        self.epoch = epoch

    def __call__(self, y_true, y_pred):
        if self.epoch == self.at:
            raise KeyboardInterrupt
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def test_fit_interrupted_between_last_batch_and_epoch_end():
    """Here all batches ran in one call, so the weights are an epoch ahead of the logs.

    This is where the signal itself arrives most often: a compiled call cannot be
    interrupted, so it is noticed right after one. Warning, history and weights must
    still tell of the same epoch.
    """
    metric = InterruptingMetric(epoch=2)
    estimator = regressor(callbacks=[metric.callback], metrics=[metric])
    with pytest.warns(RuntimeWarning, match="interrupted after [23] of 5") as w:
        estimator.fit(X, y)
    n_whole = len(estimator.history_["loss"])
    assert f"after {n_whole} of 5 epochs" in str(w[0].message)
    expected = regressor(epochs=n_whole).fit(X, y)
    assert estimator.history_["loss"] == expected.history_["loss"]
    assert_identical_weights(estimator.get_weights(), expected.get_weights())


@pytest.mark.parametrize("place", ["as it begins", "in the middle"])
def test_fit_interrupted_in_first_epoch_raises_KeyboardInterrupt(place):
    """Nothing is left, and the interruption is the caller's to handle."""
    estimator = interrupted(place, epoch=0)
    before = dict(vars(estimator))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert vars(estimator) == before


def test_fit_again_interrupted_in_first_epoch_leaves_estimator():
    estimator = regressor(epochs=1).fit(X, y)
    weights, state = estimator.get_weights(), estimator.state_
    estimator.set_params(callbacks=[Interrupt("on_train_batch_end", 0, 3)])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert_identical_weights(estimator.get_weights(), weights)
    assert_same_state(estimator.state_, state)


def test_partial_fit_interrupted_leaves_estimator():
    """`partial_fit` is one pass, so there is no earlier whole epoch to keep."""
    estimator = regressor(epochs=1).fit(X, y)
    weights, state = estimator.get_weights(), estimator.state_
    estimator.set_params(callbacks=[Interrupt("on_train_batch_end", 0, 3)])
    with pytest.raises(KeyboardInterrupt):
        estimator.partial_fit(X, y)
    assert_identical_weights(estimator.get_weights(), weights)
    assert_same_state(estimator.state_, state)


def test_fit_after_interruption_starts_afresh():
    """Nothing of the interrupted fit stays behind in the compiled program."""
    with pytest.raises(KeyboardInterrupt):
        interrupted("in the middle", epoch=0).fit(X, y)
    with pytest.warns(RuntimeWarning):
        interrupted("in the middle", epoch=1).fit(X, y)
    one, two = regressor(epochs=2).fit(X, y), regressor(epochs=2).fit(X, y)
    assert_identical_weights(one.get_weights(), two.get_weights())


# --------------------------------------------------------------------------------------
# The signal itself, in a process of its own
# --------------------------------------------------------------------------------------

CHILD = """
import faulthandler, json, signal, warnings
faulthandler.dump_traceback_later(110, exit=True)  # a fit that nothing interrupts
import numpy as np
from sklstm import StatefulLSTMRegressor
import keras

# A background job of some shells starts with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def make(epochs, callback=None):
    return StatefulLSTMRegressor(
        2, windows="sliding", sequence_length=2, batch_size=3, epochs=epochs,
        random_state=0, callbacks=None if callback is None else [callback],
    )


def interrupted(estimator, n_rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(X, X[:, 0])
            outcome = "returned"
        except KeyboardInterrupt:
            outcome = "raised"
    print("ended", flush=True)
    found = {"outcome": outcome, "fitted": hasattr(estimator, "state_")}
    found["warnings"] = [[w.category.__name__, str(w.message)] for w in caught]
    if found["fitted"]:
        found["n_epochs"] = len(estimator.history_["loss"])
        same = make(found["n_epochs"]).fit(X, X[:, 0])
        pairs = zip(estimator.get_weights(), same.get_weights())
        found["off"] = max(float(abs(a - b).max()) for a, b in pairs)
        found["finite"] = bool(np.isfinite(estimator.predict(X[:5])).all())
    print("found", json.dumps(found), flush=True)


class FirstBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            print("now", flush=True)


class ThirdEpoch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            print("now", flush=True)


# One call for each of 100,000 batches: the first epoch takes most of a minute.
interrupted(make(5, FirstBatch()), 300_001)
# Far too many epochs, each almost wholly spent in one call that nothing interrupts.
interrupted(make(10**7, ThirdEpoch()), 30_001)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict]:
    """What was found after a signal in a first epoch, and after one in a later one."""
    script = tmp_path_factory.mktemp("interrupt") / "fit.py"
    script.write_text(CHILD)
    root = str(Path(sklstm.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    ended = threading.Event()

    def interrupt():
        """Not at once, which would always be between two compiled calls.

        Once more after a while: where the signal is noticed inside a destructor,
        Python itself can only ignore it.
        """
        delay = 0.25
        while not ended.wait(delay):
            process.send_signal(signal.SIGINT)
            delay = 10.0

    found = []
    try:
        for line in process.stdout:
            if line.strip() == "now":
                ended.clear()
                threading.Thread(target=interrupt, daemon=True).start()
            elif line.strip() == "ended":
                ended.set()
            elif line.startswith("found "):
                found.append(json.loads(line.removeprefix("found ")))
        _, err = process.communicate()
    finally:
        ended.set()
        process.kill()
    assert process.returncode == 0, err
    return found


@pytest.mark.thorough
def test_fit_sigint_in_first_epoch_raises_KeyboardInterrupt(found):
    assert found[0] == {"outcome": "raised", "fitted": False, "warnings": []}


@pytest.mark.thorough
def test_fit_sigint_in_later_epoch_warns_and_keeps_whole_epochs(found):
    """The fit returns, fitted on the epochs that its history tells of."""
    later = found[1]
    assert later["outcome"] == "returned"
    [[category, message]] = later["warnings"]
    assert category == "RuntimeWarning"
    assert f"after {later['n_epochs']} of 10000000 epochs" in message
    assert later["n_epochs"] >= 3
    assert later["finite"]
    assert later["off"] == 0.0
