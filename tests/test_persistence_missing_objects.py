"""`load` is given again what a file of plain data cannot hold.

Functions, classes and objects of the user's own are no data: `save` leaves them out,
and `load` asks for them by name.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
from helpers import first_ordinary
from persistence_cases import (
    SMALL,
    N,
    X,
    assert_same,
    assert_same_future,
    fitted,
    gru,
    layers,
    round_trip,
    shifted_error,
    small,
    y,
)
from plain import StatefulLSTMRegressor

from sklstm.persistence import PersistenceError


class Halved(keras.optimizers.SGD):
    """An optimizer of the user's own."""


@keras.saving.register_keras_serializable()
class RegisteredLoss(keras.losses.Loss):
    """A loss that Keras could load by its registered name."""

    def call(self, y_true, y_pred):
        return shifted_error(y_true, y_pred)


def test_load_without_needed_object_raises_naming_it(tmp_path):
    original, *_ = fitted("model: gru")
    original.save(tmp_path / "file")
    message = (
        r"file' holds data only, and so lacks model \(function .*gru\)\."
        r" Pass it again: StatefulLSTMRegressor\.load\(path, model=\.\.\.\)\."
    )
    with pytest.raises(PersistenceError, match=message):
        StatefulLSTMRegressor.load(tmp_path / "file")


def test_load_with_unneeded_object_raises(tmp_path):
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
    "functions and own classes": {
        "loss": shifted_error,
        "metrics": ["mae", shifted_error],
        "optimizer": Halved(0.1),
    },
    "Keras's classes and a registered object": {
        "loss": RegisteredLoss(),
        "metrics": [keras.metrics.MeanAbsoluteError],
        "optimizer": keras.optimizers.SGD,
    },
}


@pytest.mark.parametrize("what", first_ordinary(1, LACKING))
def test_load_with_objects_given_again_answers_alike(what, tmp_path):
    parameters = LACKING[what]
    names = ", ".join(rf"{name}=\.\.\." for name in parameters)
    original = StatefulLSTMRegressor(1, **SMALL, **parameters).fit(X[:N], y[:N])
    original.save(tmp_path / "file")
    with pytest.raises(PersistenceError, match=rf"load\(path, {names}\)"):
        StatefulLSTMRegressor.load(tmp_path / "file")
    loaded = StatefulLSTMRegressor.load(tmp_path / "file", **parameters)
    assert_same(loaded, original, X, y)
    assert_same_future(loaded, original, X, y)


@pytest.mark.thorough
def test_load_with_model_keywords_given_again(tmp_path):
    note = object()
    original = StatefulLSTMRegressor(model=partial(gru), model__note=note, **SMALL)
    original.fit(X[:N], y[:N]).save(tmp_path / "file")
    with pytest.raises(PersistenceError, match=r"model=\.\.\., model__note=\.\.\."):
        StatefulLSTMRegressor.load(tmp_path / "file")
    again = {"model": gru, "model__note": note}
    loaded = StatefulLSTMRegressor.load(tmp_path / "file", **again)
    np.testing.assert_array_equal(loaded.predict(X), original.predict(X))


@pytest.mark.parametrize("name", ["callbacks", "random_state"])
def test_load_without_callbacks_or_random_state_warns(name, tmp_path):
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


def test_load_with_another_model_function_raises(tmp_path):
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
