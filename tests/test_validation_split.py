"""`validation_split`: the last rows are held out, and only evaluated."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_state,
    first_ordinary,
    windows_by_hand,
)
from training_cases import FAST, FROZEN, B, K, N, Recorder, T, X, fit, regressor, y


@pytest.mark.parametrize("stateful", first_ordinary(1, [True, False]))
def test_validation_split_rows_are_not_trained_on(stateful):
    """Losses and weights are those of a fit on the first rows alone."""
    options = {"stateful": stateful, **FAST}
    n = N + 2  # two windows too many for whole batches
    split = fit(regressor(validation_split=10 / (n + 10), **options), n + 10)
    first = fit(regressor(**options), n)
    assert_identical_weights(split.get_weights(), first.get_weights())
    assert split.history_["loss"] == first.history_["loss"]
    assert split.n_windows_ == first.n_windows_
    assert (
        split.n_dropped_windows_ == first.n_dropped_windows_ == (2 if stateful else 0)
    )


@pytest.mark.parametrize("stateful", [True, False])
def test_validation_loss_of_frozen_weights_equals_predictions(stateful):
    """What the state after the training rows predicts for the rows after them."""
    options = {"stateful": stateful, "metrics": ["mae"], **FROZEN}
    split = fit(regressor(validation_split=10 / (N + 10), **options), N + 10)
    first = fit(regressor(**options))
    errors = first.predict(X[N : N + 10]) - y[N : N + 10]
    assert_close(split.history_["val_loss"], [np.mean(errors**2)] * 3)
    assert_close(split.history_["val_mae"], [np.mean(np.abs(errors))] * 3)


def test_validation_split_calls_test_hooks_of_callbacks():
    """The hooks come after the last batch, with the log names that Keras uses."""
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


def test_validation_loss_of_SwapEMAWeights():
    """The callback swaps averaged weights in; the validation loss is theirs."""
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


def test_validation_loss_counts_sample_weight():
    """As Keras has it: the sum of weighted losses over the number of rows."""
    weights = np.random.default_rng(0).uniform(0.5, 2, N + 10)
    split = regressor(validation_split=10 / (N + 10), **FROZEN)
    fit(split, N + 10, sample_weight=weights)
    first = fit(regressor(**FROZEN))
    errors = first.predict(X[N : N + 10]) - y[N : N + 10]
    assert_close(split.history_["val_loss"][0], np.mean(weights[N:] * errors**2))


@pytest.mark.thorough
def test_validation_split_of_windows():
    windows = windows_by_hand(X, T)[: 4 * B + 5]
    target = y[T - 1 :][: len(windows)]
    split = regressor(validation_split=5 / len(windows), **FROZEN).fit(windows, target)
    first = regressor(**FROZEN).fit(windows[:-5], target[:-5])
    errors = first.predict(windows[-5:]) - target[-5:]
    assert_close(split.history_["val_loss"], [np.mean(errors**2)] * 3)


def test_validation_split_state_is_after_last_row():
    """The state is that after the last row given, the held-out rows included."""
    estimator = fit(regressor(validation_split=10 / (N + 10)), N + 10)
    state = estimator.state_
    assert state.position == B * K + 10
    estimator.reset_states().observe(X[: N + 10])
    assert_same_state(state, estimator.state_, rtol=1e-5, atol=1e-6)
