"""Whole pipelines in a file without pickle, by skops."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import assert_identical_weights, assert_same_state
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor, stream
from sklstm.persistence import PersistenceError

SETTINGS = {"epochs": 1, "sequence_length": 10, "batch_size": 1, "random_state": 0}
DAYS = pd.date_range("2025-01-01", periods=80, name="day")
X = pd.DataFrame({"sales": 20 + 5 * np.sin(np.arange(80) / 4)}, DAYS)
y = X["sales"].shift(-1, fill_value=20)
LABELS = np.where(y > X["sales"], "up", "down")
N = 60  # rows of the fit


def fitted(**parameters) -> Pipeline:
    network = StatefulLSTMRegressor(4, **SETTINGS, **parameters)
    pipeline = make_pipeline(StandardScaler(), network)
    return pipeline.set_output(transform="pandas").fit(X[:N], y[:N])


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return fitted()


@pytest.fixture(scope="module")
def labeller() -> StatefulLSTMClassifier:
    return StatefulLSTMClassifier(4, **SETTINGS).fit(X[:N], LABELS[:N])


def through_skops(model, path, names):
    """What skops reads back, if nothing but `names` has to be trusted."""
    sio = pytest.importorskip("skops.io")
    sio.dump(model, path)
    untrusted = sio.get_untrusted_types(file=path)
    assert untrusted == names
    return sio.load(path, trusted=untrusted)


REGRESSOR = "sklstm.regressor.StatefulLSTMRegressor"
CLASSIFIER = "sklstm.classifier.StatefulLSTMClassifier"


def test_skops_pipeline_answers_and_goes_on_alike(pipeline, tmp_path):
    """The scaler, the network and its state come back, and trust is asked for one."""
    model = copy.deepcopy(pipeline)
    stream(model).step(X[N : N + 5])  # the state is no longer that of the fit
    loaded = through_skops(model, tmp_path / "model.skops", [REGRESSOR])
    np.testing.assert_array_equal(loaded.predict(X[N + 5 :]), model.predict(X[N + 5 :]))
    ours, theirs = stream(model), stream(loaded)
    assert_same_state(theirs.get_states(), ours.get_states())
    rows = X[N + 5 : N + 10]
    np.testing.assert_array_equal(theirs.step(rows), ours.step(rows))
    assert_same_state(theirs.get_states(), ours.get_states())
    np.testing.assert_array_equal(theirs.forecast(3), ours.forecast(3))


def test_skops_of_a_loaded_pipeline_learns_on_alike(pipeline, tmp_path):
    """The optimizer goes along, with its slots."""
    model = copy.deepcopy(pipeline)
    loaded = through_skops(model, tmp_path / "model.skops", [REGRESSOR])
    for each in (model, loaded):
        stream(each).partial_fit(X[N:], y[N:])
    assert_identical_weights(loaded[-1].get_weights(), model[-1].get_weights())


def test_skops_classifier_keeps_labels(labeller, tmp_path):
    loaded = through_skops(labeller, tmp_path / "model.skops", [CLASSIFIER])
    assert loaded.classes_.tolist() == ["down", "up"]
    np.testing.assert_array_equal(loaded.predict(X[N:]), labeller.predict(X[N:]))


def test_skops_unfitted_estimator_keeps_parameters(tmp_path):
    model = StatefulLSTMRegressor(4, lags=[1, 7], optimizer__learning_rate=0.01)
    loaded = through_skops(model, tmp_path / "model.skops", [REGRESSOR])
    assert loaded.get_params() == model.get_params()


# --------------------------------------------------------------------------------------
# The state that such libraries ask for
# --------------------------------------------------------------------------------------


def from_state(state: dict) -> StatefulLSTMClassifier:
    """An estimator from a state alone, as skops makes one."""
    estimator = StatefulLSTMClassifier.__new__(StatefulLSTMClassifier)
    estimator.__setstate__(state)
    return estimator


def test_getstate_of_a_fitted_estimator_is_data_alone(labeller):
    state = labeller.__getstate__()
    assert [(name, type(value)) for name, value in state.items()] == [("sklstm", bytes)]
    assert from_state(state).classes_.tolist() == ["down", "up"]


def test_setstate_of_damaged_bytes_raises(labeller):
    damaged = bytearray(labeller.__getstate__()["sklstm"])
    damaged[-1] ^= 1
    with pytest.raises(
        PersistenceError,
        match="The state of a StatefulLSTMClassifier is damaged: its content does not",
    ):
        from_state({"sklstm": bytes(damaged)})


def test_setstate_of_another_class_raises(pipeline):
    with pytest.raises(PersistenceError, match="holds a 'StatefulLSTMRegressor', not"):
        from_state(pipeline[-1].__getstate__())


def test_getstate_refuses_what_predictions_need_and_is_no_data(labeller):
    """pickle and copies keep it; a file of data is asked for by `save`."""
    model = copy.deepcopy(labeller)
    model.loss = lambda y_true, y_pred: 0.0
    with pytest.raises(
        PersistenceError, match=r"loss=.*is no plain data.*load\(path, loss=\.\.\.\)"
    ):
        model.__getstate__()
    assert copy.copy(model).loss is model.loss


def test_state_without_callbacks_warns_when_it_comes_back(labeller):
    model = copy.copy(labeller).set_params(callbacks=[object()])
    with pytest.warns(UserWarning, match=r"kept without callbacks.*set_params\(callba"):
        back = from_state(model.__getstate__())
    assert back.callbacks is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert copy.copy(model).callbacks is model.callbacks
