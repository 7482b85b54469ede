"""Metrics, what `verbose` prints, and the rows that a fit leaves out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    first_ordinary,
    keras_lstm,
    keras_reset,
    windows_by_hand,
)
from training_cases import (
    FAST,
    FROZEN,
    LABELS,
    B,
    K,
    N,
    T,
    X,
    classifier,
    fit,
    regressor,
    y,
)


@pytest.mark.thorough
def test_metrics_while_training_equal_keras():
    """Metrics are those of the predictions made before each update, as in Keras."""
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


def test_metrics_ignore_sample_weight():
    """Keras counts them in `weighted_metrics` only, which `metrics` are not."""
    weights = np.random.default_rng(0).uniform(0.5, 2, N)
    estimator = regressor(metrics=["mae", keras.metrics.RootMeanSquaredError()])
    fit(estimator.set_params(**FROZEN), sample_weight=weights)
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :]
    history = estimator.history_
    assert_close(history["mae"], [np.mean(np.abs(errors))] * 3)
    root = np.sqrt(np.mean(errors**2))
    assert_close(history["root_mean_squared_error"], [root] * 3)


@pytest.mark.parametrize(
    "labels", first_ordinary(1, [LABELS, LABELS == "low"]), ids=["three", "two"]
)
def test_metrics_accuracy_equals_predictions(labels):
    estimator = classifier(
        metrics=["accuracy"], validation_split=10 / (N + 10), epochs=1, **FROZEN
    )
    estimator.fit(X[: N + 10], labels[: N + 10])
    right = estimator.predict(X[: N + 10]) == labels[: N + 10]
    assert 0 < right.mean() < 1
    assert_close(estimator.history_["accuracy"], [right[T - 1 : N].mean()])
    assert_close(estimator.history_["val_accuracy"], [right[N:].mean()])


@pytest.mark.thorough
def test_metrics_of_several_numbers_raises():
    """F1Score gives one number per class; with `average="macro"` it is accepted."""
    options = {"loss": "categorical_crossentropy", "epochs": 1}
    each = classifier(metrics=[keras.metrics.F1Score()], **options)
    text = "metric 'f1_score' gives 3 numbers, but .* one .* average='macro'"
    with pytest.raises(ValueError, match=text):
        fit(each)
    assert not hasattr(each, "state_")
    mean = fit(classifier(metrics=[keras.metrics.F1Score("macro")], **options))
    assert 0 < mean.history_["f1_score"][0] < 1


def test_verbose_prints_progress_and_rows_left_out(capfd):
    estimator = fit(regressor(verbose=1), N + 2)
    out, err = capfd.readouterr()
    assert "the oldest 2 left out" in out
    assert f"{B * K} windows" in out
    assert "Epoch 3/3" in err
    assert f"loss={estimator.history_['loss'][-1]:.4g}" in err


@pytest.mark.parametrize("stateful", first_ordinary(1, [True, False]))
def test_fit_predict_print_nothing_by_default(capfd, stateful):
    estimator = regressor(stateful=stateful, validation_split=0.2)
    fit(estimator, N + 2).predict(X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_extra", [0, 1, 2])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_n_dropped_windows_counts_rows_left_out(n_extra, drop_remainder):
    estimator = fit(regressor(drop_remainder=drop_remainder, epochs=1), N + n_extra)
    n_dropped = n_extra if drop_remainder else 0
    assert estimator.n_dropped_windows_ == n_dropped
    assert estimator.n_windows_ == B * K + n_extra - n_dropped
    assert estimator.predict(X[: N + n_extra]).shape == (N + n_extra,)
