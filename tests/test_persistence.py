"""`save` and `load`: what comes back, what is refused, and what a crash leaves.

A file is read in two steps, and so it is attacked in two: bytes are mutated under
`read`, which the checksum guards; headers and arrays are forged under `rebuild`, where
a forger's checksum would be right.
"""

from __future__ import annotations

import copy
import errno
import importlib
import io
import json
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from helpers import assert_identical_weights, assert_same_state, make_rows
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklstm
from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor, _archive
from sklstm.persistence import PersistenceError, describe, read, rebuild, write
from sklstm.persistence._keras_config import NotDataError, built_in_classes, make
from sklstm.persistence._plain import decode, encode

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
    "windows, float32 y": ({"units": 3}, WINDOWS, y[T - 1 :].astype(np.float32)),
    "objects": (
        {
            "units": (2, 2),
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
    "two layers": ({"units": (3, 2), "optimizer__learning_rate": 0.1}, X, LABELS),
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
def _fitted(kind: str):
    cls, parameters, X, y = KINDS[kind]
    return cls(**{**SMALL, **parameters}).fit(X[:N], y[:N])


def fitted(kind: str):
    """A fitted estimator of that kind, for this test alone, and its data."""
    return copy.deepcopy(_fitted(kind)), *KINDS[kind][2:]


@cache
def _small() -> StatefulLSTMRegressor:
    """The smallest estimator, with rows that wait."""
    model = StatefulLSTMRegressor(1, **SMALL).fit(X[:N, :1], y[:N])
    return model.partial_fit(X[N : N + 1, :1], y[N : N + 1])


def small() -> StatefulLSTMRegressor:
    return copy.deepcopy(_small())


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
    for name in ("n_windows_", "n_dropped_rows_", "n_outputs_", "n_features_in_"):
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
# What comes back
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind, tmp_path):
    original, X, y = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    assert_same(loaded, original, X, y)
    assert_same_future(loaded, original, X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_saving_what_was_loaded_gives_the_same_file(kind, tmp_path):
    original, *_ = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    loaded.save(tmp_path / "again")
    saved = (tmp_path / "estimator.safetensors").read_bytes()
    assert saved == (tmp_path / "again").read_bytes()


def test_rows_that_wait_come_along(tmp_path):
    """Saved in the middle of a batch, training goes on where it was."""
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 3], y[N : N + 3])
    loaded = round_trip(original, tmp_path)
    assert len(loaded._waiting[0].X) == 1
    for estimator in (loaded, original):
        estimator.partial_fit(X[N + 3 :], y[N + 3 :])
    assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert_same_state(loaded.state_, original.state_)


def test_rows_that_no_longer_wait_stay_away(tmp_path):
    """Once the state has moved on without them, they are not trained on."""
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 3], y[N : N + 3]).observe(X[N + 3 : N + 4])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(X[N + 4 :], y[N + 4 :])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_the_state_is_the_one_saved(tmp_path):
    original, X, y = fitted("classifier: two layers")
    original.observe(X[N : N + 3])
    loaded = round_trip(original, tmp_path)
    assert_same(loaded, original, X, y)
    loaded.set_states(loaded.get_states())
    assert_same_state(
        loaded.reseed_states().state_, _fitted("classifier: two layers").state_
    )


def test_a_reset_state_stays_one(tmp_path):
    original, X, _ = fitted("regressor: rows")
    loaded = round_trip(original.reset_states(), tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), original.predict(X), strict=True)
    assert loaded.state_.last_output is None


def test_before_any_batch_is_trained_on(tmp_path):
    original = StatefulLSTMRegressor(3, **SMALL).partial_fit(X[:2], y[:2])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(X[2:], y[2:])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_padded_windows_that_wait(tmp_path):
    windows = [WINDOWS[i][i % T :] for i in range(5)]
    original = StatefulLSTMRegressor(2, **SMALL).partial_fit(windows, y[:5])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(windows, y[:5])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_parameters_set_after_the_fit_leave_its_recipe(tmp_path):
    """Loss and optimizer remain those of the fit; a new learning rate counts."""
    original, X, y = fitted("regressor: objects")
    original.set_params(loss="mae", units=7, dropout=0.0, sequence_length=9)
    loaded = round_trip(original, tmp_path)
    assert loaded.get_params()["units"] == 7
    assert_same_future(loaded, original, X, y)


@pytest.mark.parametrize("before", [True, False])
def test_a_learning_rate_set_before_or_after_saving(before, tmp_path):
    original, X, y = fitted("classifier: two layers")
    if before:
        original.set_params(optimizer__learning_rate=0.5)
    loaded = round_trip(original, tmp_path)
    if not before:
        for estimator in (loaded, original):
            estimator.set_params(optimizer__learning_rate=0.5)
    assert_same_future(loaded, original, X, y)


def test_keywords_of_the_model_function_are_those_of_the_fit(tmp_path):
    original, X, y = fitted("model: gru")
    original.set_params(model__units=9)
    loaded = round_trip(original, tmp_path, model=gru)
    assert loaded.get_params()["model__units"] == 9
    assert_same_future(loaded, original, X, y)


def test_a_compiled_model_brings_its_own_loss(tmp_path):
    original, *_ = fitted("model: compiled")
    assert list(describe(original)[0]["lacking"]) == ["model"]
    loaded = round_trip(original, tmp_path, model=compiled)
    assert loaded._recipe.loss is shifted_error
    assert loaded._recipe.optimizer.momentum == 0.5


def test_a_loss_that_forgets(tmp_path):
    """Keras's own copy of it, as in `clone` and in a pickle, has another delta."""
    loss = keras.losses.Huber(delta=0.3)
    original = StatefulLSTMRegressor(1, **SMALL, loss=loss).fit(X[:N], y[:N])
    loaded = round_trip(original, tmp_path)
    assert loaded.loss._fn_kwargs == {"delta": 0.3}
    assert_same_future(loaded, original, X, y)


def test_clone_and_refit(tmp_path):
    original, X, y = fitted("regressor: objects")
    loaded = round_trip(original, tmp_path)
    again = clone(loaded).fit(X[:N], y[:N])
    assert_identical_weights(again.get_weights(), original.get_weights())


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype="U40"),
        np.array(["no", "yes"], dtype=object),
        np.array([3, 7]),
        np.array([3, 7], dtype=np.int8),
        np.array([0.0, 1.0], dtype=np.float32),
        np.array([False, True]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_keep_their_dtype(labels, tmp_path):
    targets = labels[UP.astype(int)]
    original = StatefulLSTMClassifier(1, **SMALL).fit(X[:N], targets[:N])
    loaded = round_trip(original, tmp_path)
    assert_same(loaded, original, X, targets)


def test_labels_that_no_file_holds(tmp_path):
    days = np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")
    original = StatefulLSTMClassifier(1, **SMALL).fit(X[:N], UP[:N])
    original._target = type(original._target)(days)
    with pytest.raises(PersistenceError, match=r"dtype datetime64.*y.astype\(str\)"):
        original.save(tmp_path / "days")


def test_names_of_features(tmp_path):
    frame = pd.DataFrame(X, columns=["height", "wídth\ud800"])
    original = StatefulLSTMRegressor(1, **SMALL).fit(frame[:N], y[:N])
    loaded = round_trip(original, tmp_path)
    np.testing.assert_array_equal(
        loaded.feature_names_in_, original.feature_names_in_, strict=True
    )
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"height": "depth"}))


def test_metadata_routing(tmp_path):
    original = small()
    with config_context(enable_metadata_routing=True):
        original.set_fit_request(sample_weight=True)
        original.set_score_request(sample_weight="w")
        original.set_partial_fit_request(sample_weight=False)
        loaded = round_trip(original, tmp_path)
        requests = loaded.get_metadata_routing()
        assert requests.fit.requests["sample_weight"] is True
        assert requests.score.requests["sample_weight"] == "w"
        assert requests.partial_fit.requests["sample_weight"] is False


def test_parameters_are_made_plain(tmp_path):
    original = small().set_params(
        units=np.int64(4),
        dropout=np.float32(0.5),
        shuffle=np.True_,
        epochs=3,
        metrics=("mae", "mse"),
        validation_split=float("inf"),
        optimizer__nesterov=True,
    )
    parameters = round_trip(original, tmp_path).get_params()
    assert parameters == original.get_params()
    assert [
        type(parameters[n]) for n in ("units", "dropout", "shuffle", "metrics")
    ] == [int, float, bool, tuple]


def test_the_file_is_safetensors(tmp_path):
    """Others can read the arrays, and the header as JSON."""
    original = small()
    original.save(tmp_path / "file")
    arrays = safetensors.numpy.load_file(tmp_path / "file")
    np.testing.assert_array_equal(arrays["weights/0"], original.get_weights()[0])
    with safetensors.safe_open(tmp_path / "file", framework="np") as file:
        stored = json.loads(file.metadata()["sklstm"])
    assert stored["format"] == 1
    assert stored["content"]["class"] == "StatefulLSTMRegressor"
    assert stored["content"]["versions"]["keras"] == keras.__version__


IN_ANOTHER_PROCESS = """
import json, sys
import numpy as np
import sklstm
file, rows, targets, results = sys.argv[1:]
rows, targets = np.load(rows), np.load(targets)
model = sklstm.StatefulLSTMClassifier.load(file)
new = rows[{n}:]
predicted = model.predict_proba(new)
model.partial_fit(new, targets[{n}:])
np.savez(results, predicted, *model.get_weights())
"""


@pytest.mark.slow
def test_in_another_process(tmp_path):
    """Without the training rows: only those that follow are given."""
    original, X, y = fitted("classifier: two layers")
    original.save(tmp_path / "file")
    np.save(tmp_path / "X.npy", X), np.save(tmp_path / "y.npy", y)
    names = [str(tmp_path / name) for name in ("file", "X.npy", "y.npy", "out.npz")]
    code = IN_ANOTHER_PROCESS.format(n=N)
    place = {**os.environ, "PYTHONPATH": str(Path(sklstm.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code, *names], check=True, env=place)
    with np.load(tmp_path / "out.npz") as results:
        predicted, *weights = (results[name] for name in results)
    np.testing.assert_array_equal(predicted, original.predict_proba(X[N:]), strict=True)
    original.partial_fit(X[N:], y[N:])
    assert_identical_weights(weights, original.get_weights())


def _predict_and_train(estimator, X, y):
    predicted = estimator.predict(X[N:])
    return predicted, estimator.partial_fit(X[N:], y[N:]).get_weights()


COPIES: dict[str, Callable] = {
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "joblib": lambda estimator, path: (
        joblib.dump(estimator, path),
        joblib.load(path),
    )[1],
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("how", COPIES)
def test_other_copies_of_what_was_loaded(how, tmp_path):
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 1], y[N : N + 1])
    copied = COPIES[how](round_trip(original, tmp_path), tmp_path / "copy")
    assert_same(copied, original, X, y)
    assert_identical_weights(
        _predict_and_train(copied, X, y)[1], _predict_and_train(original, X, y)[1]
    )


@pytest.mark.slow
def test_in_a_loky_worker(tmp_path):
    original, X, y = fitted("regressor: rows")
    loaded = round_trip(original, tmp_path)
    task = joblib.delayed(_predict_and_train)(loaded, X, y)
    ((predicted, weights),) = joblib.Parallel(n_jobs=2, backend="loky")([task])
    expected, expected_weights = _predict_and_train(original, X, y)
    np.testing.assert_array_equal(predicted, expected, strict=True)
    assert_identical_weights(weights, expected_weights)


# --------------------------------------------------------------------------------------
# What is no data
# --------------------------------------------------------------------------------------


class Halved(keras.optimizers.SGD):
    """An optimizer of the user's own."""


@keras.saving.register_keras_serializable()
class RegisteredLoss(keras.losses.Loss):
    """A loss that Keras could load by its registered name."""

    def call(self, y_true, y_pred):
        return shifted_error(y_true, y_pred)


def test_what_is_lacking_is_named(tmp_path):
    original, *_ = fitted("model: gru")
    original.save(tmp_path / "file")
    message = (
        r"file' holds data only, and so lacks model \(function .*gru\)\."
        r" Pass it again: StatefulLSTMRegressor\.load\(path, model=\.\.\.\)\."
    )
    with pytest.raises(PersistenceError, match=message):
        StatefulLSTMRegressor.load(tmp_path / "file")


def test_what_is_not_lacking_is_refused(tmp_path):
    original, *_ = fitted("model: gru")
    original.save(tmp_path / "file")
    with pytest.raises(
        TypeError, match=r"argument 'modle'. Besides the path .*: model"
    ):
        StatefulLSTMRegressor.load(tmp_path / "file", modle=gru)
    small().save(tmp_path / "file")
    with pytest.raises(TypeError, match=r"argument 'loss'.*lacks: nothing"):
        StatefulLSTMRegressor.load(tmp_path / "file", loss="mse")


LACKING: dict[str, dict[str, Any]] = {
    "function as loss": {"loss": shifted_error},
    "registered loss": {"loss": RegisteredLoss()},
    "own optimizer": {"optimizer": Halved(0.1)},
    "class as optimizer": {"optimizer": keras.optimizers.SGD},
    "own metric": {"metrics": ["mae", shifted_error]},
    "class as metric": {"metrics": [keras.metrics.MeanAbsoluteError]},
}


@pytest.mark.parametrize("what", LACKING)
def test_what_is_no_data_is_given_again(what, tmp_path):
    parameters = LACKING[what]
    (name,) = parameters
    original = StatefulLSTMRegressor(1, **SMALL, **parameters).fit(X[:N], y[:N])
    original.save(tmp_path / "file")
    with pytest.raises(PersistenceError, match=rf"load\(path, {name}=\.\.\.\)"):
        StatefulLSTMRegressor.load(tmp_path / "file")
    loaded = StatefulLSTMRegressor.load(tmp_path / "file", **parameters)
    assert_same(loaded, original, X, y)
    assert_same_future(loaded, original, X, y)


def test_keywords_that_are_no_data(tmp_path):
    note = object()
    original = StatefulLSTMRegressor(model=partial(gru), model__note=note, **SMALL)
    original.fit(X[:N], y[:N]).save(tmp_path / "file")
    with pytest.raises(PersistenceError, match=r"model=\.\.\., model__note=\.\.\."):
        StatefulLSTMRegressor.load(tmp_path / "file")
    again = {"model": gru, "model__note": note}
    loaded = StatefulLSTMRegressor.load(tmp_path / "file", **again)
    np.testing.assert_array_equal(loaded.predict(X), original.predict(X))


@pytest.mark.parametrize("name", ["callbacks", "random_state"])
def test_what_predictions_do_not_need(name, tmp_path):
    value = {
        "callbacks": [keras.callbacks.EarlyStopping("loss")],
        "random_state": np.random.RandomState(0),
    }[name]
    original = small().set_params(**{name: value})
    original.save(tmp_path / "file")
    with pytest.warns(UserWarning, match=rf"{name}=None.*load\(path, {name}=") as seen:
        loaded = StatefulLSTMRegressor.load(tmp_path / "file")
    assert seen[0].filename == __file__
    assert getattr(loaded, name) is None
    np.testing.assert_array_equal(loaded.predict(X[:, :1]), original.predict(X[:, :1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = StatefulLSTMRegressor.load(tmp_path / "file", **{name: value})
    assert getattr(loaded, name) is value


def test_another_model_function_is_refused(tmp_path):
    original, *_ = fitted("model: gru")
    with pytest.raises(
        PersistenceError, match=r"array 0 has shape .2, 15., in the file"
    ):
        round_trip(original, tmp_path, model=partial(_wider))
    with pytest.raises(PersistenceError, match="it has 2 weight arrays, the file 5"):
        round_trip(original, tmp_path, model=_shallow)
    with pytest.raises(PersistenceError, match=r"model= does not.*ZeroDivisionError"):
        round_trip(original, tmp_path, model=lambda meta, units: 1 / 0)
    with pytest.raises(PersistenceError, match="model must be None or a function"):
        round_trip(original, tmp_path, model=keras.Sequential([layers.Dense(1)]))


def _wider(meta, units):
    return gru(meta, units + 2)


def _shallow(meta, units):
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            layers.SimpleRNN(2, stateful=True, use_bias=False),
        ]
    )


# --------------------------------------------------------------------------------------
# Plain values
# --------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(SCALARS.filter(lambda v: v == v), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_plain_values(value):
    """Whatever JSON lacks comes back too; `repr` tells NaN, -0.0 and tuples."""
    text = json.dumps(encode(value), allow_nan=False)
    assert repr(decode(json.loads(text))) == repr(value)


@pytest.mark.parametrize(
    "json",
    [
        {"os.system": "true"},
        {"tuple": "abc"},
        {"tuple": [1], "dict": []},
        {"dict": [[[], 1]]},
        {"dict": [[1, 2], [1, 3]]},
        {"dict": [[1, 2, 3]]},
        {"dict": 3},
        {"float": "1.5"},
        {"float": ["nan"]},
        {"function": "os.system"},
        {"function": "keras.losses.deserialize"},
        {"function": []},
        {"array": ["<U1000000000", ["a"]]},
        {"array": ["<U9999999", ["a"] * 50]},
        {"array": ["<U1", ["ab"]]},
        {"array": ["|i1", [300]]},
        {"array": ["|u1", [-1]]},
        {"array": ["<i8", [10**30]]},
        {"array": ["<i8", [True]]},
        {"array": ["<i8", [1.5]]},
        {"array": ["|b1", ["yes"]]},
        {"array": ["|O", [[1, 2]]]},
        {"array": ["|V8", [1]]},
        {"array": ["i8,i8", [1]]},
        {"array": [["a", "i8"], [1]]},
        {"array": ["<i8"]},
        {"keras": "keras.optimizers.Adam"},
        {"keras": ["keras.optimizers.Adam"]},
        {"keras": [["keras.optimizers.Adam"], {"dict": []}]},
        {},
        {"a": 1, "b": 2},
    ],
    ids=str,
)
def test_values_that_nobody_wrote(json):
    with pytest.raises(PersistenceError, match=r"which save.. does not write"):
        decode(json)


def test_values_nested_too_deep():
    for shell in (
        lambda v: [v],
        lambda v: {"tuple": [v]},
        lambda v: {"dict": [[1, v]]},
    ):
        value: Any = 1
        for _ in range(500):
            value = shell(value)
        with pytest.raises(PersistenceError, match="does not write"):
            decode(value)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotDataError):
        encode(endless)


@pytest.mark.parametrize(
    "name, config",
    [
        ("os.system", {}),
        ("keras.layers.Lambda", {"function": "print"}),
        ("keras.models.Sequential", {}),
        ("keras.losses.Loss", {}),
        ("keras.losses.deserialize", {}),
        ("keras.metrics.MeanMetricWrapper", {"fn": "print"}),
        ("keras.metrics.MeanIoU", {"num_classes": 10**6}),
        ("keras.metrics.AUC", {"num_thresholds": 10**9}),
        ("keras.metrics.AUC", {"num_thresholds": 1e9}),
        ("keras.metrics.AUC", {"multi_label": True, "num_labels": 10**9}),
        ("keras.losses.MeanSquaredError", {"fn": "print"}),
        ("keras.losses.MeanSquaredError", {"unknown": 1}),
        ("keras.losses.MeanSquaredError", {"dtype": "no such"}),
        ("keras.optimizers.Adam", {"learning_rate": "fast"}),
        ("keras.optimizers.Adam", {"learning_rate": b"bytes"}),
        ("keras.optimizers.Adam", None),
        ("keras.optimizers.Adam", [1]),
        *(
            ("keras.optimizers.Adam", {"learning_rate": nested})
            for nested in (
                {"module": "os", "class_name": "system", "config": {}},
                {"module": "builtins", "class_name": "function", "config": "exec"},
                {"module": "keras.layers", "class_name": "Lambda", "config": {}},
                {"class_name": "__lambda__", "config": {"value": ["4w==", None, None]}},
                {"class_name": "__numpy__", "config": {"value": 1, "dtype": "f4"}},
                {"class_name": "ExponentialDecay", "config": {}},
                {"registered_name": "mine>Decay", "config": {}},
                {
                    "module": "keras.optimizers.schedules",
                    "class_name": "ExponentialDecay",
                    "config": {"initial_learning_rate": 1.0},
                    "registered_name": "mine>Decay",
                },
            )
        ),
    ],
    ids=str,
)
def test_objects_that_are_not_made(name, config, monkeypatch):
    """And nothing is looked for."""

    def refuse(*arguments):
        raise AssertionError(f"imported {arguments}")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(NotDataError):
        make(name, config)


@pytest.mark.parametrize("name", built_in_classes())
def test_every_object_of_keras_comes_back_or_is_left_out(name):
    """None comes back other than it was."""
    needed = {
        "keras.optimizers.LossScaleOptimizer": (keras.optimizers.SGD(0.1),),
        "keras.optimizers.schedules.CosineDecay": (0.1, 10),
        "keras.optimizers.schedules.CosineDecayRestarts": (0.1, 10),
        "keras.optimizers.schedules.ExponentialDecay": (0.1, 10, 0.9),
        "keras.optimizers.schedules.InverseTimeDecay": (0.1, 10, 0.9),
        "keras.optimizers.schedules.PiecewiseConstantDecay": ([5], [0.1, 0.01]),
        "keras.optimizers.schedules.PolynomialDecay": (0.1, 10),
        "keras.metrics.PrecisionAtRecall": (0.5,),
        "keras.metrics.RecallAtPrecision": (0.5,),
        "keras.metrics.SensitivityAtSpecificity": (0.5,),
        "keras.metrics.SpecificityAtSensitivity": (0.5,),
    }
    thing = built_in_classes()[name](*needed.get(name, ()))
    again = decode(json.loads(json.dumps(encode(thing))))
    assert type(again) is type(thing)
    assert plainly(again) == plainly(thing)


def test_losses_come_back_with_all_their_settings():
    for loss in (
        keras.losses.Huber(delta=0.25, reduction="sum", dtype="float64"),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        keras.losses.CategoricalFocalCrossentropy(alpha=0.3, gamma=1.5, axis=-1),
        keras.losses.Tversky(alpha=0.3, beta=0.6),
    ):
        again = decode(json.loads(json.dumps(encode(loss))))
        assert again.dtype == loss.dtype
        assert again._fn_kwargs == loss._fn_kwargs
        assert again(UP, ~UP) == loss(UP, ~UP)


def test_objects_that_cannot_be_written():
    """The same list holds for writing, so that no file is written in vain."""
    for thing in (
        keras.optimizers.Adam(lambda: 0.1),
        keras.metrics.MeanMetricWrapper(shifted_error),
        keras.metrics.AUC(num_thresholds=5000),
        keras.losses.deserialize,
        keras.callbacks.EarlyStopping(),
        shifted_error,
        keras.losses.Huber,
        {1, 2},
        np.zeros((2, 2)),
        np.datetime64("2026-01-01"),
        10**400,
    ):
        with pytest.raises(NotDataError):
            encode(thing)


# --------------------------------------------------------------------------------------
# Writing: whole or not at all
# --------------------------------------------------------------------------------------


def test_unfitted():
    with pytest.raises(NotFittedError):
        StatefulLSTMRegressor().save("nowhere")


class FullDisk(io.BytesIO):
    """A file on a disk with room for a hundred bytes."""

    def __init__(self, path, mode):
        self._file = io.FileIO(path, mode)
        super().__init__()

    def write(self, data):
        self._file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self._file.close()
        super().close()


def _fail(*arguments, **keywords):
    raise OSError(errno.EIO, "Input/output error")


def _interrupt(*arguments, **keywords):
    raise KeyboardInterrupt


CRASHES = {
    "full disk": ("builtins.open", FullDisk, OSError),
    "fsync": ("os.fsync", _fail, OSError),
    "replace": ("os.replace", _fail, OSError),
    "Ctrl-C": ("os.replace", _interrupt, KeyboardInterrupt),
}


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_crash_leaves_what_was_there(crash, is_there, tmp_path, monkeypatch):
    path, model = tmp_path / "file", small()
    if is_there:
        model.save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    where, failing, error = CRASHES[crash]
    with monkeypatch.context() as patched:
        patched.setattr(where, failing)
        with pytest.raises(error):
            model.observe(X[:, :1]).save(path)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


def test_a_file_is_complete_before_it_is_in_place(tmp_path, monkeypatch):
    """And on the disk: written, synced, moved, in this order."""
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, n=name, r=real: (done.append((n, a)), r(*a))[1]
        )
    small().save(tmp_path / "file")
    assert [name for name, _ in done] == ["fsync", "replace", "fsync"]
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_permissions_and_links(tmp_path):
    target, link = tmp_path / "file", tmp_path / "link"
    before = os.umask(0o027)
    try:
        small().save(target)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o604)
    link.symlink_to(target)
    small().save(link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o604


def test_places_where_no_file_can_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such'"):
        small().save(tmp_path / "no" / "such" / "file")
    with pytest.raises(PersistenceError, match="no regular file"):
        small().save(tmp_path)
    with pytest.raises(PersistenceError, match="no regular file"):
        small().save("/dev/null")


def test_what_is_too_long_for_a_header(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(PersistenceError, match="more than the 4194304"):
        small().set_params(metrics="m" * 2**22).save(path)
    assert not path.exists()


def test_arrays_of_every_kind(tmp_path):
    """Empty ones, scalars, and those that lie in memory in another order."""
    arrays = {
        "scalar": np.array(3, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "narrow": np.zeros((3, 0)),
        "other order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "every other": np.arange(6, dtype=np.uint8)[::2],
        "big endian": np.arange(3, dtype=">i4"),
        "half": np.arange(3, dtype=np.float16),
        "": np.array([np.nan, np.inf, -0.0]),
    }
    write(tmp_path / "file", {"a": [1, 2.5, None, True, "\ud800"]}, arrays)
    header, again = read(tmp_path / "file")
    assert header == {"a": [1, 2.5, None, True, "\ud800"]}
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].shape == array.shape
        assert again[name].dtype == array.dtype.newbyteorder("=")
        assert again[name].flags.writeable
    for dtype in (complex, object, bool, "U3"):
        with pytest.raises(PersistenceError, match="'odd' has dtype"):
            write(tmp_path / "file", {}, {"odd": np.zeros(1, dtype)})


# --------------------------------------------------------------------------------------
# Reading: bytes that `write` did not write
# --------------------------------------------------------------------------------------


def packed(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def unpacked(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (n,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + n]), raw[8 + n :]


def read_bytes(raw: bytes):
    """`read`, without the disk."""
    return _archive._read(io.BytesIO(raw), len(raw))


@cache
def _raw() -> bytes:
    """The bytes of a small file."""
    header, arrays = describe(_small())
    kept = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_archive, "_put_in_place", lambda _, raw: kept.update(raw=raw))
        write("", header, arrays)
    return kept["raw"]


def mutated(
    change: Callable[[dict[str, Any]], Any], data: bytes | None = None
) -> bytes:
    """A file with an edited outer header."""
    header, old = unpacked(_raw())
    header = change(header) or header
    return packed(header, old if data is None else data)


def restored(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A file with an edited inner header, not signed anew."""

    def change_text(header):
        stored = json.loads(header["__metadata__"]["sklstm"])
        text = change(stored)
        if not isinstance(text, str):
            text = _archive._canonical(stored)
        header["__metadata__"]["sklstm"] = text

    return mutated(change_text)


def set_entry(name: str, **says: Any) -> bytes:
    return mutated(lambda header: header[name].update(says))


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is no file that save.. wrote: it has 0 bytes"),
    "text": (lambda: b"Dear Sir or Madam,", "begins with b'Dear Sir'"),
    "a pickle": (lambda: pickle.dumps(_small()), "is no file that save"),
    "a huge header": (lambda: struct.pack("<Q", 2**63), "which is no header length"),
    "a long header": (lambda: struct.pack("<Q", 2**22), "is truncated, or no file"),
    "truncated header": (lambda: _raw()[:100], "should take .* bytes, but 92 follow"),
    "truncated": (lambda: _raw()[:-1], "is truncated: its arrays should take"),
    "too long": (lambda: _raw() + b"\0", "is too long: its arrays should take"),
    "flipped": (lambda: _raw()[:-1] + b"\x01", "does not match its checksum"),
    "not JSON": (lambda: packed(b"{]"), "header cannot be read .JSONDecodeError"),
    "not UTF-8": (lambda: packed(b'{"\xff":1}'), "cannot be read .UnicodeDecodeError"),
    "NaN": (lambda: packed(b'{"a": NaN}'), "NaN is not JSON"),
    "a long number": (lambda: packed(b'{"a": ' + b"9" * 9999 + b"}"), "cannot be read"),
    "nested": (lambda: packed(b"[" * 100_000 + b"]" * 100_000), "RecursionError"),
    "a list": (lambda: packed([]), "is no file that save"),
    "other safetensors": (
        lambda: safetensors.numpy.save({"a": np.zeros(3)}, {"format": "pt"}),
        "its metadata should have the key 'sklstm' alone",
    ),
    "no metadata": (
        lambda: safetensors.numpy.save({"a": np.zeros(3)}),
        "its metadata should have",
    ),
    "more metadata": (
        lambda: mutated(lambda h: h["__metadata__"].update(more="")),
        "its metadata should have",
    ),
    "metadata of another type": (
        lambda: mutated(lambda h: h["__metadata__"].update(sklstm=[])),
        "its header is not as save",
    ),
    "newer": (
        lambda: restored(lambda s: s.update(format=2)),
        "is of format 2, which a newer version .* reads format 1. Upgrade sklstm",
    ),
    "no format": (
        lambda: restored(lambda s: s.pop("format") and None),
        "format is None, which",
    ),
    "format 0": (
        lambda: restored(lambda s: s.update(format=0)),
        "is 0, which no version",
    ),
    "format true": (
        lambda: restored(lambda s: s.update(format=True)),
        "is True, which",
    ),
    "no content": (
        lambda: restored(lambda s: s.pop("content") and None),
        "should have format, content and checksum",
    ),
    "other checksum": (
        lambda: restored(lambda s: s.update(checksum="0" * 64)),
        "does not match its checksum",
    ),
    "checksum of another type": (
        lambda: restored(lambda s: s.update(checksum=None)),
        "does not match its checksum",
    ),
    "other content": (
        lambda: restored(lambda s: s["content"].update({"class": "os.system"})),
        "does not match its checksum",
    ),
    "spaces": (lambda: restored(lambda s: json.dumps(s)), "not as save.. writes one"),
    "a number too large": (
        lambda: restored(lambda s: '{"content":1e400,"format":1,"checksum":""}'),
        "not as save.. writes one",
    ),
    "a name twice inside": (
        lambda: restored(lambda s: '{"format":1,"format":1}'),
        "a name comes twice",
    ),
    "an array twice": (
        lambda: mutated(
            lambda h: (
                json.dumps(h)[:-1]
                + ', "weights/0": '
                + json.dumps(h["weights/0"])
                + "}"
            ).encode()
        ),
        "a name comes twice",
    ),
    "an array less": (
        lambda: mutated(lambda h: h.pop("waiting/X") and None),
        "should begin at byte|is too long",
    ),
    "overlapping": (
        lambda: mutated(lambda h: h.update(more=h["weights/0"])),
        "should begin at byte",
    ),
    "a hole": (
        lambda: mutated(
            lambda h: h.update(
                more={"dtype": "U8", "shape": [1], "data_offsets": [10**6, 10**6 + 1]}
            )
        ),
        "should begin at byte",
    ),
    "enormous": (
        lambda: set_entry("weights/0", shape=[2**40], data_offsets=[0, 2**42]),
        "should begin at byte|is truncated",
    ),
    "enormous beyond words": (
        lambda: set_entry("weights/0", shape=[2**62, 2**62]),
        "do not fit its shape",
    ),
    "enormous beyond floats": (
        lambda: set_entry("weights/0", shape=[10**400]),
        "what describes none",
    ),
    "enormous and empty": (
        lambda: mutated(
            lambda h: h.update(
                more={"dtype": "U8", "shape": [0, 2**62], "data_offsets": [0, 0]}
            )
        ),
        "do not fit its shape",
    ),
    "too many sides": (
        lambda: set_entry("weights/0", shape=[1] * 70),
        "what describes none",
    ),
    "negative": (lambda: set_entry("weights/0", shape=[-1, -4]), "what describes none"),
    "negative offset": (
        lambda: set_entry("weights/0", data_offsets=[-16, 0]),
        "what describes none",
    ),
    "offsets reversed": (
        lambda: set_entry("weights/0", data_offsets=[16, 0]),
        "do not fit its shape",
    ),
    "a side that is no number": (
        lambda: set_entry("weights/0", shape=["1"]),
        "what describes none",
    ),
    "a shape that is no list": (
        lambda: set_entry("weights/0", shape={}),
        "what describes none",
    ),
    "another dtype": (lambda: set_entry("weights/0", dtype="BF16"), "describes none"),
    "a dtype that is none": (
        lambda: set_entry("weights/0", dtype=[]),
        "describes none",
    ),
    "more about an array": (lambda: set_entry("weights/0", more=1), "describes none"),
    "an array that is none": (
        lambda: mutated(lambda h: h.update({"weights/0": "F32"})),
        "what describes none",
    ),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_files(what, tmp_path):
    """Each with its own message, and without the memory it asks for."""
    make_raw, message = BAD_FILES[what]
    path = tmp_path / "file"
    path.write_bytes(make_raw())
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(PersistenceError, match=message) as caught:
            StatefulLSTMRegressor.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{str(path)!r} ")
    assert len(str(caught.value)) < 600
    assert peak < 40 * size + 2**18  # parsed JSON is up to some 30 times as large


def test_no_file_at_all(tmp_path):
    with pytest.raises(FileNotFoundError):
        StatefulLSTMRegressor.load(tmp_path / "nothing")
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(PersistenceError, match="is no regular file"):
            StatefulLSTMRegressor.load(path)


def test_a_file_cut_while_it_is_read():
    raw = _raw()
    with pytest.raises(PersistenceError, match="cut short while"):
        _archive._read(io.BytesIO(raw[:-1]), len(raw))


def test_a_large_file_is_read_in_place(tmp_path):
    """Into the arrays themselves: as much memory as they take, and once."""
    array = np.random.default_rng(0).random((2048, 512))  # 8 MiB
    write(tmp_path / "file", {}, {"array": array})
    tracemalloc.start()
    try:
        again = read(tmp_path / "file")[1]["array"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(again, array)
    assert peak < 1.1 * array.nbytes


def mutations(raw: bytes, n: int) -> Iterator[bytes]:
    """Files that are nearly that one, the same ones on each run."""
    rng = random.Random(0)
    for k in range(n):
        at, length = rng.randrange(len(raw)), rng.randrange(1, 40)
        other = rng.randrange(len(raw))
        if k % 4 == 0:
            yield raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]
        elif k % 4 == 1:
            yield raw[:at]
        elif k % 4 == 2:
            yield raw[:at] + raw[other : other + length] + raw[at + length :]
        else:
            yield raw[:at] + rng.randbytes(length) * rng.randrange(3) + raw[other:]


def test_mutated_bytes():
    """Six thousand of them: refused, or what was written."""
    raw, n_read, n = _raw(), 0, 6000
    header, arrays = read_bytes(raw)
    for mutant in mutations(raw, n):
        try:
            got, got_arrays = read_bytes(mutant)
        except PersistenceError:
            continue
        n_read += 1
        assert got == header
        assert {k: v.tobytes() for k, v in got_arrays.items()} == {
            k: v.tobytes() for k, v in arrays.items()
        }
    assert n_read < n / 100  # a splice may put back what it took


# --------------------------------------------------------------------------------------
# Rebuilding: forgeries whose checksum is right
# --------------------------------------------------------------------------------------


def forged() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a small file, to be tampered with."""
    header, arrays = read_bytes(_raw())
    return header, arrays


def put(header: Any, way: tuple, value: Any) -> None:
    for step in way[:-1]:
        header = header[step]
    header[way[-1]] = value


BAD_HEADERS: dict[tuple, list[tuple[Any, str]]] = {
    ("class",): [
        (None, "holds no estimator"),
        (["os.system"], "holds no estimator"),
        ("os.system", "holds a 'os.system', not a 'StatefulLSTMRegressor'"),
        ("StatefulLSTMClassifier", "holds a 'StatefulLSTMClassifier', not"),
    ],
    ("lacking",): [
        (None, "as lacking in its header"),
        ({"os": 1}, "as lacking in its header"),
        ({"sys.argv": ""}, r"load\(path, sys.argv=...\)"),
    ],
    ("parameters",): [([], "as parameters in its header")],
    ("parameters", "os.system"): [("true", "the names of its parameters")],
    ("parameters", "unit"): [(3, "the names of its parameters")],
    ("parameters", "loss"): [
        ({"keras": ["os.system", {"dict": []}]}, "does not write"),
        ({"lambda": "exit"}, "does not write"),
    ],
    ("network", "kind"): [("os", "as kind in"), ("function", "nothing stands for")],
    ("network", "units"): [
        ([2**31], "as units in"),
        ([10**6], "for another network"),
        ([1, 1], "for another network"),
        ([], "for another network"),
        ([True], "as units in"),
    ],
    ("network", "batch_size"): [
        (10**9, "its batch size, for states of other shapes"),
        (None, "its batch size, for states of other shapes"),
        (0, "as batch_size in"),
    ],
    ("network", "n_features"): [(10**9, "as n_features in"), (True, "n_features|bat")],
    ("network", "n_outputs"): [(10**9, "for another network")],
    ("network", "sequence_length"): [
        (10**30, "as sequence_length"),
        (1, "rows before"),
    ],
    ("network", "dropout"): [(1.0, "as dropout in"), ("0", "as dropout in")],
    ("network", "activation"): [("exec", "as activation in"), ([], "as activation in")],
    ("target", "kind"): [("classes", "as kind in target"), (None, "as kind in target")],
    ("target", "n_outputs"): [(2, "the width of a target of one dimension")],
    ("target", "is_1d"): [(1, "as is_1d in target")],
    ("target", "dtype"): [
        ("<i8", "the dtype of its target"),
        ("f8,f8", "the dtype of its target"),
        ("O", "the dtype of its target"),
        ("<f8000000000", "the dtype of its target"),
        ("(2,)<f8", "the dtype of its target"),
    ],
    ("training", "optimizer"): [
        (None, "its optimizer"),
        ("adam", "its optimizer"),
        ({"keras": ["keras.losses.Huber", {"dict": []}]}, "its optimizer"),
    ],
    ("training", "loss"): [
        (None, "its loss"),
        ("os.system", "Keras knows no loss 'os.system'"),
        ({"keras": ["keras.metrics.AUC", {"dict": []}]}, "its loss"),
        (3, "its loss"),
    ],
    ("training", "metrics"): [(3, "its metrics"), ([[3]], "its metrics")],
    ("training", "asked_rate"): [("0.1", "its learning rate")],
    ("input", "n_features"): [(10**9, "as n_features in"), (2, "as n_features in")],
    ("input", "n_dimensions"): [
        (4, "as n_dimensions in"),
        (3, "'waiting/X' should have shape"),
    ],
    ("input", "feature_names"): [
        (["a", "b"], "the number of its feature names"),
        ([3], "as feature_names in input"),
    ],
    ("input", "n_windows"): [(-1, "as n_windows in"), (2**64, "as n_windows in")],
    ("input", "training_rows"): [([], "as training_rows in")],
    ("input", "training_rows", "shape"): [([12, 9], "training rows")],
    ("input", "training_rows", "digest"): [("no digest", "as digest in")],
    ("history",): [
        (["loss", "loss"], "the names of its history"),
        ([], "arrays that do not belong there: .'history/0'."),
        (["loss", "more"], "it has no array 'history/1'"),
    ],
    ("states", "state"): [(3, "as state in states")],
    ("states", "state", "position"): [(-1, "as position in"), (True, "as position in")],
    ("states", "state", "has_output"): [(False, "do not belong"), (1, "as has_output")],
    ("states", "waiting"): [(None, "as waiting in states")],
    ("routing",): [({"predict": {}}, "its metadata routing"), ([], "as routing in")],
    ("routing", "fit"): [
        ({"no_such": True}, "routing does not suit the class"),
        ([1], "routing does not suit the class"),
    ],
}


@pytest.mark.parametrize("way", BAD_HEADERS, ids=".".join)
def test_bad_headers(way):
    for value, message in BAD_HEADERS[way]:
        header, arrays = forged()
        put(header, way, value)
        with pytest.raises(PersistenceError, match=message):
            rebuild(StatefulLSTMRegressor, header, arrays, {})


def others_than(array: np.ndarray) -> list[np.ndarray | None]:
    """Arrays that could not be in the place of this one, and none at all."""
    return [
        np.zeros((*array.shape, 1), array.dtype),
        np.zeros((2, *array.shape), array.dtype),
        np.zeros([side + 2 for side in array.shape] or [1, 1], array.dtype),
        np.zeros((0, 2**30), array.dtype),
        array.astype(bool),
        None,
    ]


def test_bad_arrays():
    """Each missing, of another shape, of another dtype, or twice."""
    for name, array in forged()[1].items():
        for k, other in enumerate(others_than(array)):
            header, arrays = forged()
            del arrays[name]
            if other is not None:
                arrays[name] = other
            if name.startswith("history") and k == 2:
                continue  # as long as it likes
            with pytest.raises(PersistenceError):
                rebuild(StatefulLSTMRegressor, header, arrays, {})
        header, arrays = forged()
        arrays[name + "0"] = array
        with pytest.raises(PersistenceError):
            rebuild(StatefulLSTMRegressor, header, arrays, {})


def test_many_objects():
    header, arrays = forged()
    adam = {"keras": ["keras.optimizers.Adam", {"dict": []}]}
    header["parameters"]["metrics"] = [adam] * 1000
    with pytest.raises(PersistenceError, match="the number of its Keras objects"):
        rebuild(StatefulLSTMRegressor, header, arrays, {})


def test_sizes_that_a_model_function_is_not_told_of():
    """Nor is it called."""

    def never(meta, units):
        raise AssertionError(meta)

    header, arrays = describe(_fitted("model: gru"))
    for way, message in (
        (("network", "sequence_length"), "sequence_length, for"),
        (("network", "batch_size"), "its batch size"),
        (("target", "n_outputs"), "n_outputs, for"),
    ):
        forged = copy.deepcopy(header)
        put(forged, way, 10**6)
        with pytest.raises(PersistenceError, match=message):
            rebuild(StatefulLSTMRegressor, forged, arrays, {"model": never})
    header["network"]["n_features"] = header["input"]["n_features"] = 10**6
    with pytest.raises(PersistenceError, match="n_features, for"):
        rebuild(StatefulLSTMRegressor, header, arrays, {"model": never})


def test_bad_classes():
    header, arrays = describe(_fitted("classifier: two layers"))
    for classes in (
        {"array": ["<U4", ["low", "high", "mid"]]},
        {"array": ["<U4", ["high", "low", "low"]]},
        {"array": ["|O", ["high", 1, "mid"]]},
        {"array": ["<U4", ["high", "low"]]},
        {"array": ["<U4", ["high"]]},
        {"tuple": ["high", "low", "mid"]},
    ):
        header["target"]["classes"] = classes
        with pytest.raises(
            PersistenceError, match=r"its classes|number of its outputs"
        ):
            rebuild(StatefulLSTMClassifier, header, arrays, {})


def ways_into(value: Any, way: tuple = ()) -> Iterator[tuple]:
    """Every place in some JSON."""
    if way:
        yield way
    pairs = enumerate(value) if isinstance(value, list) else ()
    for step, inner in value.items() if isinstance(value, dict) else pairs:
        yield from ways_into(inner, (*way, step))


def deep(n: int) -> Any:
    value: Any = []
    for _ in range(n):
        value = [value]
    return value


HOSTILE = [
    None, True, -1, 0, 1, 7, 2**31, 10**30, 0.5, 1e308, "", "os.system", "\ud800",
    [], {}, [1], {"a": 1}, deep(300), "x" * 10_000, [0] * 10_000,
    {"keras": ["keras.layers.Lambda", {}]}, {"array": ["<U9999999", ["a"]]},
    {"keras": ["keras.metrics.AUC", {"dict": [["num_thresholds", 10**9]]}]},
]  # fmt: skip


def test_forged_headers():
    """Any value anywhere: refused, or an estimator that predicts; and no memory."""
    whole, arrays = forged()
    ways = list(ways_into(whole))
    rng, n_built = random.Random(0), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        header, way = copy.deepcopy(whole), rng.choice(ways)
        put(header, way, rng.choice(HOSTILE))
        try:
            estimator = rebuild(StatefulLSTMRegressor, header, arrays, {})
        except PersistenceError as error:
            assert len(str(error)) < 2000
            continue
        n_built += 1
        assert estimator.predict(X[:4, :1]).shape == (4,)
        assert_identical_weights(estimator.get_weights(), _small().get_weights())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 * 1024  # KiB; it asks for terabytes
    assert 50 < n_built < 500
