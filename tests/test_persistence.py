"""`save` and `load`: a loaded estimator answers and trains as the saved one."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from helpers import assert_identical_weights, assert_same_state, first_ordinary
from persistence_cases import (
    KINDS,
    SMALL,
    UP,
    WINDOWS,
    N,
    T,
    X,
    assert_same,
    assert_same_future,
    compiled,
    fitted,
    fitted_once,
    gru,
    objects_of,
    predict_and_train,
    round_trip,
    shifted_error,
    small,
    y,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn import config_context
from sklearn.base import clone

from sklstm.persistence import PersistenceError, describe


@pytest.mark.parametrize("kind", first_ordinary(2, KINDS))
def test_save_load_answers_and_trains_alike(kind, tmp_path):
    original, X, y = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    assert_same(loaded, original, X, y)
    assert_same_future(loaded, original, X, y)


@pytest.mark.parametrize("kind", first_ordinary(4, KINDS))
def test_save_after_load_writes_same_bytes(kind, tmp_path):
    original, *_ = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    loaded.save(tmp_path / "again")
    saved = (tmp_path / "estimator.safetensors").read_bytes()
    assert saved == (tmp_path / "again").read_bytes()


def test_save_load_keeps_rows_waiting_for_a_batch(tmp_path):
    """Saved with a batch half filled, training goes on with the rows that wait."""
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 3], y[N : N + 3])
    loaded = round_trip(original, tmp_path)
    assert len(loaded._fitted.waiting.X) == 1
    for estimator in (loaded, original):
        estimator.partial_fit(X[N + 3 :], y[N + 3 :])
    assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert_same_state(loaded.state_, original.state_)


def test_save_load_drops_rows_passed_by_observe(tmp_path):
    """After `observe` the rows that waited are not trained on, loaded or not."""
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 3], y[N : N + 3]).observe(X[N + 3 : N + 4])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(X[N + 4 :], y[N + 4 :])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_save_load_keeps_state_and_seeded_state(tmp_path):
    original, X, y = fitted("classifier: two layers")
    original.observe(X[N : N + 3])
    loaded = round_trip(original, tmp_path)
    assert_same(loaded, original, X, y)
    loaded.set_states(loaded.get_states())
    assert_same_state(
        loaded.reseed_states().state_, fitted_once("classifier: two layers").state_
    )


def test_save_load_keeps_reset_state(tmp_path):
    original, X, _ = fitted("regressor: rows")
    loaded = round_trip(original.reset_states(), tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), original.predict(X), strict=True)
    assert loaded.state_.last_output is None


def test_save_load_before_first_batch(tmp_path):
    original = StatefulLSTMRegressor(3, metrics=["mae"], **SMALL)
    original.partial_fit(X[:2], y[:2])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(X[2:], y[2:])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_save_load_keeps_padded_windows_waiting(tmp_path):
    windows = [WINDOWS[i][i % T :] for i in range(5)]
    original = StatefulLSTMRegressor(3, **SMALL).partial_fit(windows, y[:5])
    loaded = round_trip(original, tmp_path)
    for estimator in (loaded, original):
        estimator.partial_fit(windows, y[:5])
    assert_identical_weights(loaded.get_weights(), original.get_weights())


def test_save_load_set_params_after_fit_keeps_training(tmp_path):
    """The file keeps the loss and network of the fit, beside parameters set since."""
    original, X, y = fitted("regressor: objects")
    since = {"loss": "mae", "units": 7, "dropout": 0.0, "sequence_length": 9}
    had = {name: original.get_params()[name] for name in since}
    loaded = round_trip(original.set_params(**since), tmp_path)
    assert loaded.get_params()["units"] == 7
    for estimator in (loaded, original):
        estimator.set_params(**had)
    assert_same_future(loaded, original, X, y)


@pytest.mark.parametrize("before", [True, False])
def test_save_load_learning_rate_set_before_or_after(before, tmp_path):
    original, X, y = fitted("classifier: two layers")
    if before:
        original.set_params(optimizer__learning_rate=0.5)
    loaded = round_trip(original, tmp_path)
    if not before:
        for estimator in (loaded, original):
            estimator.set_params(optimizer__learning_rate=0.5)
    assert_same_future(loaded, original, X, y)


def test_save_load_model_keywords_are_those_of_fit(tmp_path):
    original, X, y = fitted("model: gru")
    original.set_params(model__units=9)
    loaded = round_trip(original, tmp_path, model=gru)
    assert loaded.get_params()["model__units"] == 9
    for estimator in (loaded, original):  # training would refuse another network
        estimator.set_params(model__units=3)
    assert_same_future(loaded, original, X, y)


def test_save_load_compiled_model_keeps_loss(tmp_path):
    original, *_ = fitted("model: compiled")
    assert list(describe(original)[0]["lacking"]) == ["model"]
    loaded = round_trip(original, tmp_path, model=compiled)
    assert loaded._fitted.recipe.loss is shifted_error
    assert loaded._fitted.recipe.optimizer.momentum == 0.5


def test_save_load_keeps_settings_of_Huber_loss(tmp_path):
    """Keras's own copy of a Huber loss, as in `clone`, forgets `delta`."""
    loss = keras.losses.Huber(delta=0.3)
    original = StatefulLSTMRegressor(1, **SMALL, loss=loss).fit(X[:N], y[:N])
    loaded = round_trip(original, tmp_path)
    assert loaded.loss._fn_kwargs == {"delta": 0.3}
    assert_same_future(loaded, original, X, y)


def test_clone_of_loaded_fits_alike(tmp_path):
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
def test_save_load_keeps_dtype_of_labels(labels, tmp_path):
    targets = labels[UP.astype(int)]
    original = StatefulLSTMClassifier(1, **SMALL).fit(X[:N], targets[:N])
    loaded = round_trip(original, tmp_path)
    assert_same(loaded, original, X, targets)


def test_save_labels_of_unsupported_dtype_raises(tmp_path):
    days = np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")
    original = StatefulLSTMClassifier(1, **SMALL).fit(X[:N], UP[:N])
    original._fitted = replace(
        original._fitted, target=type(original._fitted.target)(days)
    )
    with pytest.raises(PersistenceError, match=r"dtype datetime64.*y.astype\(str\)"):
        original.save(tmp_path / "days")


def test_save_load_keeps_feature_names(tmp_path):
    frame = pd.DataFrame(X, columns=["height", "wídth\u2028"])
    original = StatefulLSTMRegressor(3, metrics=["mae"], **SMALL)
    original.fit(frame[:N], y[:N])
    loaded = round_trip(original, tmp_path)
    np.testing.assert_array_equal(
        loaded.feature_names_in_, original.feature_names_in_, strict=True
    )
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"height": "depth"}))


def test_save_load_keeps_metadata_requests(tmp_path):
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


def test_save_load_converts_numpy_parameters(tmp_path):
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


def test_save_writes_safetensors(tmp_path):
    """Others can read the arrays, and the header as JSON."""
    original = small()
    original.save(tmp_path / "file")
    arrays = safetensors.numpy.load_file(tmp_path / "file")
    np.testing.assert_array_equal(arrays["weights/0"], original.get_weights()[0])
    with safetensors.safe_open(tmp_path / "file", framework="np") as file:
        stored = json.loads(file.metadata()["sklstm"])
    assert stored["format"] == 2
    assert stored["content"]["class"] == "StatefulLSTMRegressor"
    assert stored["content"]["versions"]["keras"] == keras.__version__


COPIES: dict[str, Callable] = {
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "joblib": lambda estimator, path: (
        joblib.dump(estimator, path),
        joblib.load(path),
    )[1],
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("how", COPIES)
def test_pickle_joblib_deepcopy_of_loaded(how, tmp_path):
    original, X, y = fitted("regressor: rows")
    original.partial_fit(X[N : N + 1], y[N : N + 1])
    copied = COPIES[how](round_trip(original, tmp_path), tmp_path / "copy")
    assert_same(copied, original, X, y)
    assert_identical_weights(
        predict_and_train(copied, X, y)[1], predict_and_train(original, X, y)[1]
    )
