"""SlidingWindow in pipelines: before an estimator, it changes no answer."""

import subprocess
import sys

import numpy as np
import pandas as pd
import plain
import pytest
import sklearn
from helpers import first_ordinary
from preprocessing_cases import naive_windows, rows_of, weather
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklstm.preprocessing import SlidingWindow, frame_series

# --------------------------------------------------------------------------------------
# SlidingWindow: pipelines
# --------------------------------------------------------------------------------------


def test_Pipeline_windows_scaled_rows_of_train_and_test():
    rows = np.random.default_rng(0).normal(size=(20, 3))
    train, test = rows[:14], rows[14:]
    pipeline = make_pipeline(StandardScaler(), SlidingWindow(4))
    windows = pipeline.fit_transform(train)
    np.testing.assert_array_equal(pipeline.transform(train), windows)
    scaled = StandardScaler().fit(train).transform(rows)
    np.testing.assert_array_equal(
        np.concatenate([windows, pipeline.transform(test)]),
        naive_windows(scaled[:0], scaled, 4),
    )
    assert len(pipeline.transform(test)) == len(test)


def test_Pipeline_get_feature_names_out_of_windows():
    pipeline = make_pipeline(StandardScaler(), SlidingWindow(2)).fit(weather())
    assert pipeline.get_feature_names_out()[0].tolist() == ["temp[t-1]", "wind[t-1]"]


def test_Pipeline_pandas_output_leaves_windows_an_array():
    """Asked for globally, frames reach the windows and arrays leave them."""
    with sklearn.config_context(transform_output="pandas"):
        pipeline = make_pipeline(StandardScaler(), SlidingWindow(2))
        out = pipeline.fit_transform(weather())
    assert type(out) is np.ndarray and out.shape == (6, 2, 2)
    assert pipeline[-1].feature_names_in_.tolist() == ["temp", "wind"]
    assert not hasattr(SlidingWindow(), "set_output")


def test_Pipeline_sets_sequence_length_of_window():
    pipeline = Pipeline([("window", SlidingWindow()), ("as_is", FunctionTransformer())])
    assert pipeline.get_params()["window__sequence_length"] == 10
    pipeline.set_params(window__sequence_length=2)
    assert pipeline.fit_transform(rows_of(5)).shape == (5, 2, 1)


def test_import_preprocessing_loads_no_tensorflow():
    code = (
        "import sys, sklstm.preprocessing;"
        "sys.exit(bool({'tensorflow', 'keras', 'scikeras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --------------------------------------------------------------------------------------
# SlidingWindow: before the estimators
# --------------------------------------------------------------------------------------

# Both ways read the same float32 numbers, but windows gathered from rows and windows
# given whole are two compiled programs, whose sums may be taken in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-6}
SETTINGS = {"units": 4, "epochs": 3, "random_state": 0}


def wave(n_rows=40, n_features=2):
    """Rows with a target that needs the rows before: train and what follows it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    y = X[:, 0] + np.roll(X[:, -1], 1) + 0.1 * rng.normal(size=n_rows)
    return X[:30], y[:30], X[30:], y[30:]


def both_ways(estimator, length, **settings):
    """An estimator that windows by itself, and one behind a SlidingWindow."""
    estimator = getattr(plain, estimator)
    settings = SETTINGS | settings
    alone = estimator(sequence_length=length, **settings)
    windows = SlidingWindow(length)
    piped = Pipeline([("window", windows), ("model", estimator(**settings))])
    return alone, piped


GEOMETRIES = [
    # T, settings
    (1, {"batch_size": 1}),
    (4, {"batch_size": 1}),
    (4, {"batch_size": 7}),  # 27 windows: 6 of them dropped
    (4, {"batch_size": 7, "drop_remainder": False}),
    (4, {"batch_size": 7, "stateful": False}),
    (4, {"batch_size": 7, "stateful": False, "shuffle": False}),
]


@pytest.mark.parametrize(("length", "settings"), first_ordinary(1, GEOMETRIES), ids=str)
def test_Pipeline_with_SlidingWindow_equals_regressor_alone(length, settings):
    X, y, X_after, y_after = wave()
    alone, piped = both_ways("StatefulLSTMRegressor", length, **settings)
    alone.fit(X, y)
    model = piped.fit(X, y)[-1]
    assert model.sequence_length_ == alone.sequence_length_ == length
    assert model.n_windows_ == alone.n_windows_
    for given, expected in zip(
        model.initial_weights_, alone.initial_weights_, strict=True
    ):
        np.testing.assert_array_equal(given, expected)
    assert model.history_.keys() == alone.history_.keys()
    np.testing.assert_allclose(model.history_["loss"], alone.history_["loss"], **CLOSE)
    for given, expected in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(given, expected, **CLOSE)
    for rows in (X, X_after, X_after[:1]):
        np.testing.assert_allclose(piped.predict(rows), alone.predict(rows), **CLOSE)
    for rows, target in ((X, y), (X_after, y_after)):
        expected = alone.score(rows, target)
        assert piped.score(rows, target) == pytest.approx(expected, rel=1e-4)


def test_Pipeline_with_SlidingWindow_equals_classifier_alone():
    X, y, X_after, _ = wave()
    labels = np.where(y > 0, "up", "down")
    alone, piped = both_ways("StatefulLSTMClassifier", 4, batch_size=7)
    alone.fit(X, labels)
    piped.fit(X, labels)
    for rows in (X, X_after):
        np.testing.assert_allclose(
            piped.predict_proba(rows), alone.predict_proba(rows), **CLOSE
        )
        np.testing.assert_array_equal(piped.predict(rows), alone.predict(rows))


@pytest.mark.thorough
def test_Pipeline_with_SlidingWindow_passes_sample_weight_and_validation_split():
    X, y, X_after, _ = wave()
    weight = np.linspace(0, 1, len(y))
    alone, piped = both_ways(
        "StatefulLSTMRegressor", 4, batch_size=7, validation_split=0.2
    )
    alone.fit(X, y, sample_weight=weight)
    piped.fit(X, y, model__sample_weight=weight)
    for name, values in alone.history_.items():
        np.testing.assert_allclose(piped[-1].history_[name], values, **CLOSE)
    np.testing.assert_allclose(piped.predict(X_after), alone.predict(X_after), **CLOSE)


def test_GridSearchCV_over_either_sequence_length_scores_alike():
    X, y, _, _ = wave()
    alone, piped = both_ways("StatefulLSTMRegressor", 2, batch_size=1, epochs=1)
    options = {"cv": TimeSeriesSplit(2), "return_train_score": True, "refit": False}
    by_itself = GridSearchCV(alone, {"sequence_length": [1, 4]}, **options)
    by_window = GridSearchCV(piped, {"window__sequence_length": [1, 4]}, **options)
    expected = by_itself.fit(X, y).cv_results_
    given = by_window.fit(X, y).cv_results_
    for name in ("mean_train_score", "mean_test_score"):
        np.testing.assert_allclose(given[name], expected[name], rtol=1e-4)


def test_frame_series_last_rows_are_forecast_from():
    """The rows left over continue from the state that the framed rows left."""
    series = pd.DataFrame(wave()[0], columns=["count", "promo"])
    X, y = frame_series(series, 3, target="count")
    model, _ = both_ways("StatefulLSTMRegressor", 4, batch_size=1)
    forecast = model.fit(X, y).predict(series[len(X) :])
    assert forecast.shape == (3,)
    again = model.reset_states().predict(series)
    np.testing.assert_allclose(forecast, again[-3:], **CLOSE)
