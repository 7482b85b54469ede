"""Fitted estimators of many kinds to save and load, and what makes two the same.

Owns the estimators (each fitted once in a process; tests work on copies), the round
trip through a file, and the comparisons of an estimator with what was loaded. It does
not own forged or damaged files: the tests that need them make them.
"""

from __future__ import annotations

import copy
import io
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import assert_identical_weights, assert_same_state, make_rows
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm import _archive
from sklstm.persistence import describe, write

T, B, F = 3, 2, 2
N, N_MORE = 12, 7  # ten windows: five batches of two
X = make_rows(N + N_MORE, F, seed=1)
y = X[:, 0] - 0.5 * X[:, 1]
Y = np.stack([y, X[:, 1]], axis=1)
LABELS = np.array(["low", "mid", "high"])[np.digitize(y, [-0.5, 0.5])]
UP = y > 0
WINDOWS = np.stack([X[i : i + T] for i in range(len(X) - T + 1)])
layers = keras.layers

SMALL = {"sequence_length": T, "batch_size": B, "epochs": 1, "random_state": 0}


# --------------------------------------------------------------------------------------
# Estimators of many kinds, each fitted once
# --------------------------------------------------------------------------------------


def gru(meta, units=2, note=None):
    """A user's network, with a keyword to be routed."""
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    n = meta["n_outputs_"]
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            layers.GRU(units, stateful=meta["stateful"]),
            layers.Dense(n, activation="softmax" if n > 2 else "linear"),
        ]
    )


def shifted_error(y_true, y_pred):
    """A user's loss."""
    return keras.ops.mean(keras.ops.square(y_true - y_pred + 0.1), axis=-1)


def compiled(meta, compile_kwargs, params):
    """A user's network that comes with its optimizer and a loss of the user's own."""
    model = gru(meta, units=params["units"])
    optimizer = keras.optimizers.SGD(0.02, momentum=0.5)
    model.compile(optimizer=optimizer, loss=shifted_error, metrics=["mae"])
    return model


def scheduled() -> keras.optimizers.Optimizer:
    """An optimizer object with another object inside."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.9)
    return keras.optimizers.RMSprop(schedule, clipnorm=1.0, momentum=0.5)


REGRESSORS: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "rows": ({"units": 3, "metrics": ["mae"]}, X, y),
    "stateless, two layers, 2-d y": ({"units": [3, 2], "stateful": False}, X, Y),
    "windows, float32 y": (
        {"units": 3, "cell": "gru"},
        WINDOWS,
        y[T - 1 :].astype(np.float32),
    ),
    "objects": (
        {
            "units": (2,),
            "dropout": 0.2,
            "drop_remainder": False,
            "optimizer": scheduled(),
            "loss": keras.losses.MeanSquaredError(reduction="sum"),
            "metrics": [keras.metrics.MeanAbsoluteError(name="off")],
        },
        X,
        y,
    ),
}
CLASSIFIERS: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray]] = {
    "two layers": (
        {"units": (3, 2), "cell": "rnn", "optimizer__learning_rate": 0.1},
        X,
        LABELS,
    ),
    "stateless windows": (
        {"units": 2, "stateful": False, "class_weight": {True: 2.0, False: 0.5}},
        WINDOWS,
        UP[T - 1 :],
    ),
}
WITH_MODEL: dict[str, tuple[type, dict[str, Any], np.ndarray, np.ndarray]] = {
    "gru": (StatefulLSTMRegressor, {"model": gru, "model__units": 3}, X, Y),
    "stateless gru": (
        StatefulLSTMClassifier,
        {"model": gru, "stateful": False, "loss": "categorical_crossentropy"},
        X,
        LABELS,
    ),
    "compiled": (StatefulLSTMRegressor, {"model": compiled, "units": 2}, X, y),
}
KINDS: dict[str, tuple[type, dict[str, Any], np.ndarray, np.ndarray]] = {
    **{f"regressor: {k}": (StatefulLSTMRegressor, *v) for k, v in REGRESSORS.items()},
    **{
        f"classifier: {k}": (StatefulLSTMClassifier, *v) for k, v in CLASSIFIERS.items()
    },
    **{f"model: {k}": v for k, v in WITH_MODEL.items()},
}


@cache
def fitted_once(kind: str):
    cls, parameters, X, y = KINDS[kind]
    return cls(**{**SMALL, **parameters}).fit(X[:N], y[:N])


def fitted(kind: str):
    """A fitted estimator of that kind, for this test alone, and its data."""
    return copy.deepcopy(fitted_once(kind)), *KINDS[kind][2:]


@cache
def small_once() -> StatefulLSTMRegressor:
    """The smallest estimator, with rows that wait."""
    model = StatefulLSTMRegressor(1, **SMALL).fit(X[:N, :1], y[:N])
    return model.partial_fit(X[N : N + 1, :1], y[N : N + 1])


def small() -> StatefulLSTMRegressor:
    return copy.deepcopy(small_once())


def objects_of(estimator) -> dict[str, Any]:
    """What `load` needs besides the file."""
    lacking = describe(estimator)[0]["lacking"]
    return {name: getattr(estimator, name) for name in lacking}


def round_trip(estimator, folder: Path, **objects):
    path = folder / "estimator.safetensors"
    estimator.save(path)
    return type(estimator).load(path, **objects)


def plainly(value: Any) -> Any:
    """A value in which Keras objects are their configurations, to compare by."""
    if isinstance(value, dict):
        return {name: plainly(v) for name, v in value.items()}
    if isinstance(value, list):
        return [plainly(v) for v in value]
    if hasattr(value, "get_config") and not isinstance(value, type):
        return type(value), plainly(value.get_config())
    return value


def assert_same(loaded, original, X, y) -> None:
    """All that can be asked of a fitted estimator has the same answer, bit for bit."""
    assert type(loaded) is type(original)
    assert vars(loaded).keys() == vars(original).keys()
    assert plainly(loaded.get_params()) == plainly(original.get_params())
    assert repr(loaded.units) == repr(original.units)  # a tuple stays one
    for rows in (X[N:], X[:N], X[N - 1 : N]):  # the second is that of the fit
        predicted, expected = loaded.predict(rows), original.predict(rows)
        np.testing.assert_array_equal(predicted, expected, strict=True)
    assert_same_state(loaded.state_, original.state_)
    assert loaded.history_ == original.history_
    for name in ("n_windows_", "n_dropped_windows_", "n_outputs_", "n_features_in_"):
        assert getattr(loaded, name) == getattr(original, name)
    assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert_identical_weights(loaded.initial_weights_, original.initial_weights_)
    if hasattr(original, "classes_"):
        np.testing.assert_array_equal(loaded.classes_, original.classes_, strict=True)


def assert_same_future(loaded, original, X, y) -> None:
    """Both go on alike: further training, its rows that wait, and going back."""
    for piece in (slice(N, N + 1), slice(N + 1, N + 4), slice(N + 4, N + N_MORE)):
        for estimator in (loaded, original):
            estimator.partial_fit(X[piece], y[piece])
        assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert loaded.history_ == original.history_
    assert_same_state(loaded.reseed_states().state_, original.reseed_states().state_)
    assert_same_state(loaded.reset_states().state_, original.reset_states().state_)


# --------------------------------------------------------------------------------------
# Reading: bytes that `write` did not write
# --------------------------------------------------------------------------------------


def read_bytes(raw: bytes):
    """`read`, without the disk."""
    return _archive._read(io.BytesIO(raw), len(raw))


@cache
def small_file() -> bytes:
    """The bytes of a small file."""
    header, arrays = describe(small_once())
    kept = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_archive, "_put_in_place", lambda _, raw: kept.update(raw=raw))
        write("", header, arrays)
    return kept["raw"]


# --------------------------------------------------------------------------------------
# Panels: rows of three shops, six days each, and three days more
# --------------------------------------------------------------------------------------

SHOPS, DAYS, N_DAYS = ("north", "süd", "\u2028 west"), 9, 6


def panel(shops: Any = SHOPS, first_day: int = 0, n_days: int = N_DAYS) -> pd.DataFrame:
    """Rows of every shop, day by day; those of a shop follow from its place alone."""
    days = pd.date_range("2024-03-28", periods=first_day + n_days, tz="Europe/Berlin")
    days = days[first_day:]  # a day of 23 hours is among them
    count = np.arange(first_day, first_day + n_days)[:, np.newaxis]
    values = np.sin(count + 2 * np.arange(len(shops)))  # (n_days, n_shops)
    index = pd.MultiIndex.from_product([days, pd.Index(shops)]).swaplevel()
    index.names = ["shop", "day"]
    frame = pd.DataFrame({"sales": values.ravel(), "sun": values.ravel() ** 2}, index)
    return frame.astype(np.float32)


def targets(frame: pd.DataFrame) -> np.ndarray:
    return frame["sales"].to_numpy() / 2


PANELS: dict[str, tuple[type, dict[str, Any]]] = {
    "tiled": (StatefulLSTMRegressor, {"windows": "tiled"}),
    "tiled, stateless": (
        StatefulLSTMRegressor,
        {"windows": "tiled", "stateful": False},
    ),
    "tiled classifier": (StatefulLSTMClassifier, {"windows": "tiled"}),
    "sliding, stateless": (StatefulLSTMRegressor, {"stateful": False}),
}


@cache
def fitted_panel_once(kind: str):
    cls, parameters = PANELS[kind]
    X, y = panel(), targets(panel())
    if cls is StatefulLSTMClassifier:
        y = np.where(y > 0, "up", "down")
    return cls(2, **{**SMALL, **parameters}).fit(X, y)


def fitted_panel(kind: str):
    """A fitted panel, for this test alone."""
    return copy.deepcopy(fitted_panel_once(kind))


def assert_same_array(actual: Any, expected: Any) -> None:
    assert (actual is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(actual, expected, strict=True)


def assert_same_ids(actual: Any, expected: Any) -> None:
    """The same values of the same types, under the same names."""
    assert (actual is None) == (expected is None)
    if expected is not None:
        pd.testing.assert_index_equal(actual, expected, exact=True)
        assert actual.names == expected.names
        for i in range(expected.nlevels):
            values, others = (x.get_level_values(i) for x in (actual, expected))
            assert values.dtype == others.dtype
            assert list(map(type, values)) == list(map(type, others))


def assert_identical_state(actual: Any, expected: Any) -> None:
    """Two states, bit for bit, with their ids and labels."""
    assert type(actual.position) is type(expected.position)
    assert_same_array(np.asarray(actual.position), np.asarray(expected.position))
    assert len(actual.layers) == len(expected.layers)
    for layer, other in zip(actual.layers, expected.layers, strict=True):
        assert_identical_weights(layer, other)
    for name in ("context", "last_output", "last_seen"):
        assert_same_array(getattr(actual, name), getattr(expected, name))
    assert_same_ids(actual.series, expected.series)


def assert_same_encoder(actual: Any, expected: Any) -> None:
    """Two encoders, or none twice, bit for bit."""
    assert (actual is None) == (expected is None)
    if expected is None:
        return
    assert actual.n_features == expected.n_features
    assert actual.n_outputs == expected.n_outputs
    assert_same_ids(actual.series, expected.series)
    assert_same_array(actual.ties, expected.ties)
    assert_same_array(actual.residual, expected.residual)
    for name in ("x_scale", "y_scale", "shown"):
        ours, theirs = getattr(actual, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert_same_array(ours.mean, theirs.mean)
            assert_same_array(ours.deviation, theirs.deviation)
    assert (actual.skip is None) == (expected.skip is None)
    if expected.skip is not None:
        assert actual.skip.lags == expected.skip.lags
        assert_same_array(actual.skip.weights, expected.skip.weights)
        assert_same_array(actual.skip.intercept, expected.skip.intercept)


def assert_same_record(loaded: Any, original: Any) -> None:
    """What a fit has left is the same, but for what `assert_same` compares."""
    loaded, original = loaded._fitted, original._fitted
    for name in ("state", "seeded", "zero"):
        assert_identical_state(getattr(loaded, name), getattr(original, name))
    assert_same_encoder(loaded.encoder, original.encoder)
    assert loaded.epochs == original.epochs
    assert loaded.axis == original.axis
    assert loaded.input_shape == original.input_shape
    assert loaded.recipe.carries_state == original.recipe.carries_state
    assert loaded.recipe.is_tiled == original.recipe.is_tiled
    rows, others = loaded.training_rows, original.training_rows
    assert (rows is None) == (others is None)
    if others is not None:
        for name in ("n_dropped", "start_position"):
            assert getattr(rows, name) == getattr(others, name)
        assert_same_array(rows.lengths, others.lengths)
        assert_same_array(rows.digests, others.digests)
        assert_same_array(rows.first, others.first)
        assert_same_array(rows.last, others.last)
        assert_same_ids(rows.series, others.series)


def predict_and_train(estimator, X, y):
    """Return answers for the rows after those of the fit, and weights after them."""
    predicted = estimator.predict(X[N:])
    return predicted, estimator.partial_fit(X[N:], y[N:]).get_weights()
