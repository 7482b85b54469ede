"""`transform`: hidden states of the last layer as features for other estimators."""

from __future__ import annotations

import copy
import functools
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from bad_input_cases import WINDOWS
from helpers import (
    KERAS_LAYERS,
    ROUNDING,
    assert_close,
    first_ordinary,
    make_rows,
)
from hypothesis import given, settings
from model_functions import simple_rnn
from panel_cases import KIND_NAMES, KINDS, fitted, following
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import sklstm
from sklstm._compiled import outputs
from sklstm.persistence import PersistenceError, describe, rebuild

X = make_rows(30, 2, seed=0)
y = np.sin(X.cumsum(axis=0)[:, 0])
NEW = make_rows(7, 2, seed=1)
TILED = {
    "windows": "tiled",
    "sequence_length": 4,
    "batch_size": 2,
    "epochs": 1,
    "random_state": 0,
}


@functools.cache
def tiled_once(cell: str) -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor((3, 2), cell=cell, **TILED).fit(X, y)


@functools.cache
def encoded() -> sklstm.StatefulLSTMRegressor:
    """As it comes: scaled, and with a linear skip that `transform` leaves out."""
    return sklstm.StatefulLSTMRegressor((3, 2), epochs=1, random_state=0).fit(X, y)


# --------------------------------------------------------------------------------------
# Against other networks
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", first_ordinary(1, KINDS), ids=KIND_NAMES)
@settings(max_examples=4)
@given(rows=following(longest=8))
def test_transform_panel_equals_each_series_alone(kind, rows):
    """Interleaved, with breaks, and of series not seen before."""
    estimator = fitted(**kind)
    *layers, _, _ = estimator.get_weights()
    head = np.eye(3), np.zeros(3)
    h = estimator.transform(rows.frame)
    for unit in range(3):
        of_unit = [*layers, head[0][:, [unit]], head[1][[unit]]]
        one = SimpleNamespace(
            windows=estimator.windows,
            stateful=estimator.stateful,
            get_weights=lambda of_unit=of_unit: of_unit,
        )
        assert_close(h[:, unit], rows.expected(one), **ROUNDING)


@pytest.mark.parametrize(
    ("cell", "way"),
    [
        ("lstm", "numpy"),
        pytest.param("lstm", "compiled", marks=pytest.mark.thorough),
        pytest.param("gru", "numpy", marks=pytest.mark.thorough),
        pytest.param("rnn", "numpy", marks=pytest.mark.thorough),
        pytest.param("gru", "compiled", marks=pytest.mark.thorough),
        pytest.param("rnn", "compiled", marks=pytest.mark.thorough),
    ],
)
def test_transform_equals_output_of_plain_keras_layer(cell, way, monkeypatch):
    """In NumPy, and, as long calls are answered, by the compiled program."""
    estimator = copy.deepcopy(tiled_once(cell))
    layers = [
        getattr(keras.layers, KERAS_LAYERS[cell])(n, return_sequences=True)
        for n in (3, 2)
    ]
    plain = keras.Sequential([keras.Input((None, 2)), *layers])
    plain.set_weights(estimator.rebuild(1).get_weights()[:-2])
    expected = np.asarray(plain(NEW[np.newaxis].astype(np.float32)))[0]
    monkeypatch.setattr(outputs, "is_short", lambda *_: way == "numpy")
    assert_close(estimator.reset_states().transform(NEW), expected, **ROUNDING)


def test_transform_with_linear_skip_is_h_of_state():
    """Row by row, what `observe` leaves in the state."""
    estimator = clone(encoded()).fit(X, y)
    h = estimator.transform(NEW)
    for k, row in enumerate(NEW):
        alone_h = estimator.transform(row[np.newaxis])
        assert_close(alone_h[0], h[k])
        estimator.observe(row[np.newaxis])
        assert_close(estimator.state_.h[-1][0], h[k])


# --------------------------------------------------------------------------------------
# Forms of X
# --------------------------------------------------------------------------------------


def test_transform_windows_and_shorter_ones(on_windows):
    h = on_windows.transform(WINDOWS + 1)
    assert h.shape == (len(WINDOWS), on_windows.units)
    ragged = [WINDOWS[0] + 1, WINDOWS[1, 1:] + 1]
    assert on_windows.transform(ragged).shape == (2, on_windows.units)


def test_transform_sequences_gives_their_form():
    sequences = [X[:10], X[10:30]]
    estimator = StatefulLSTMRegressor(3, **TILED).fit(sequences, [y[:10], y[10:]])
    h = estimator.transform(sequences)
    assert [part.shape for part in h] == [(10, 3), (20, 3)]
    assert_close(h[0], estimator.transform([X[:10]])[0])


def test_transform_keeps_dtype_of_rows():
    h = encoded().transform(NEW.astype(np.float32))
    assert h.dtype == np.float32
    assert encoded().transform(NEW.astype(np.float32).astype(float)).dtype == float
    assert_close(encoded().transform(NEW), h)


def test_set_output_pandas_names_units_and_keeps_index():
    frame = pd.DataFrame(X, pd.date_range("2025-01-01", periods=30), ["a", "b"])
    estimator = clone(encoded()).set_output(transform="pandas")
    h = estimator.fit_transform(frame, y)
    names = ["statefullstmregressor0", "statefullstmregressor1"]
    assert h.columns.tolist() == names
    assert estimator.get_feature_names_out().tolist() == names
    assert h.index.equals(frame.index)
    assert_close(h, estimator.transform(frame, replay=True))
    header, arrays = describe(estimator)
    loaded = rebuild(type(estimator), header, arrays, {})
    assert_close(loaded.transform(frame, replay=True), h)
    assert loaded.transform(frame, replay=True).columns.tolist() == names
    header["output"] = "os.system"
    with pytest.raises(PersistenceError, match="as output in its header"):
        rebuild(type(estimator), header, arrays, {})


def test_fit_transform_replays_rows_that_repeat_without_warning():
    """`transform` alone could not tell, and warns."""
    rows = np.tile([[0.0], [1.0]], (20, 1))
    estimator = StatefulLSTMRegressor(2, **TILED)
    h = estimator.fit_transform(rows, rows[:, 0])
    with pytest.warns(UserWarning, match="replay"):
        estimator.transform(rows)
    assert_close(h, estimator.transform(rows, replay=True))


# --------------------------------------------------------------------------------------
# Inside scikit-learn
# --------------------------------------------------------------------------------------


def test_estimators_stay_regressor_and_classifier_and_are_transformers():
    regressor, classifier = sklstm.StatefulLSTMRegressor(), StatefulLSTMClassifier()
    assert is_regressor(regressor)
    assert is_classifier(classifier)
    for estimator in (regressor, classifier):
        assert get_tags(estimator).transformer_tags is not None


def test_pipeline_continues_after_its_training_rows():
    """Ridge is fitted on replayed states, and predicts from those that go on."""
    pipeline = make_pipeline(
        StandardScaler(), StatefulLSTMRegressor(3, **TILED), Ridge()
    )
    pipeline.fit(X, y)
    scaler, network, ridge = (step for _, step in pipeline.steps)
    expected = Ridge().fit(network.transform(scaler.transform(X), replay=True), y)
    assert_close(ridge.coef_, expected.coef_)
    predicted = pipeline.predict(NEW)
    assert_close(predicted, ridge.predict(network.transform(scaler.transform(NEW))))
    assert np.ptp(predicted) > 0


def test_feature_union_with_rows_in_a_search():
    union = FeatureUnion(
        [("row", "passthrough"), ("memory", StatefulLSTMRegressor(3, **TILED))]
    )
    search = GridSearchCV(
        make_pipeline(union, Ridge()),
        {"featureunion__memory__random_state": [0, 1]},
        cv=TimeSeriesSplit(2),
    ).fit(X, y)
    assert len(search.best_estimator_[-1].coef_) == 2 + 3
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 2


def test_classifier_states_behind_logistic_regression():
    pipeline = make_pipeline(StatefulLSTMClassifier(3, **TILED), LogisticRegression())
    labels = np.where(y > 0, "up", "down")
    assert set(pipeline.fit(X, labels).predict(NEW)) <= {"up", "down"}


# --------------------------------------------------------------------------------------
# `stream`
# --------------------------------------------------------------------------------------


@functools.cache
def piped_once(windows: str) -> Any:
    network = StatefulLSTMRegressor(3, **TILED | {"windows": windows})
    pipeline = make_pipeline(StandardScaler(), network, StandardScaler(), Ridge())
    return pipeline.fit(X[:, :1], X[:, 0])


def piped(windows: str = "tiled") -> Any:
    """A fitted pipeline of one's own, with a network before its last steps."""
    return copy.deepcopy(piped_once(windows))


@pytest.mark.parametrize("windows", ["tiled", "sliding"])
def test_stream_moves_network_before_last_step(windows):
    """Pieces make the whole, and the pipeline goes on from there."""
    rows = NEW[:, :1]
    whole = piped(windows).predict(rows)
    pipeline = piped(windows)
    live = sklstm.stream(pipeline)
    assert_close(live.predict(rows), whole)
    made = [live.step(rows[:2]), live.observe(rows[2:4]).step(rows[4:5])]
    assert_close(np.concatenate(made), whole[[0, 1, 4]], rtol=1e-5)
    assert_close(pipeline.predict(rows[5:]), whole[5:], rtol=1e-5)


def test_stream_forecast_through_hidden_states():
    """Each prediction of the last step becomes the next row; the state stays."""
    live = sklstm.stream(piped())
    made = live.forecast(4, start=NEW[:, :1])
    rows = NEW[:, :1]
    for expected in made:
        predicted = live.step(rows)[-1]
        assert_close(predicted, expected, rtol=1e-5)
        rows = [[predicted]]


def test_stream_forecast_through_hidden_states_of_sliding_windows_raises():
    with pytest.raises(ValueError, match="needs a state for each series: set windows="):
        sklstm.stream(piped("sliding")).forecast(2)


def test_stream_partial_fit_of_network_before_last_step_raises():
    with pytest.raises(ValueError, match="the Ridge after this one would stay"):
        sklstm.stream(piped()).partial_fit(NEW[:, :1], NEW[:, 0])


# --------------------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------------------


def test_transform_of_model_function_raises_before_training():
    estimator = StatefulLSTMRegressor(model=simple_rnn, epochs=1)
    with pytest.raises(ValueError, match="fit_transform gives the hidden states"):
        estimator.fit_transform(X, y)
    assert not hasattr(estimator, "state_")
    assert get_tags(estimator).transformer_tags is None


@pytest.mark.thorough
def test_transform_of_fitted_model_function_raises():
    estimator = StatefulLSTMRegressor(model=simple_rnn, epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"Take the layer's output .*rebuild"):
        estimator.transform(NEW)


def test_transform_bad_keyword_and_bad_rows_raise_as_predict_does():
    with pytest.raises(TypeError, match="batch_size"):
        encoded().transform(NEW, batch_size=3)
    with pytest.raises(ValueError, match="NaN"):
        encoded().transform(np.full((2, 2), np.nan))


def test_stream_of_pipelines_with_two_networks_raises():
    """The state of one of them would not move."""
    inner = StatefulLSTMRegressor(3, **TILED)
    outer = TransformedTargetRegressor(StatefulLSTMRegressor(3, **TILED))
    for first in (inner, FeatureUnion([("memory", inner)])):
        pipeline = make_pipeline(first, outer).fit(X, y)
        with pytest.raises(TypeError, match="moves one network in each pipeline"):
            sklstm.stream(pipeline)
