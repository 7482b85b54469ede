"""State calls through scikit-learn's composites, in the user's own units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close, assert_same_state
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from sklstm import SlidingWindow, stream

N_TRAIN = 60
DATES = pd.date_range("2024-01-01", periods=100, freq="D")


def series(n_features: int = 1) -> np.ndarray:
    """Rows far from zero and of sizes of their own, so that units show."""
    t = np.arange(101.0)[:, None]
    scales = 10.0 ** np.arange(n_features)
    return scales * (50 + 5 * np.sin(t / 3 + np.arange(n_features)))


def lstm(**options) -> StatefulLSTMRegressor:
    defaults = {"units": 3, "sequence_length": 3, "batch_size": 2, "epochs": 2}
    return StatefulLSTMRegressor(**{**defaults, "random_state": 0, **options})


def scaled(inner=None):
    return make_pipeline(StandardScaler(), inner or lstm())


def search(inner, **grid):
    return GridSearchCV(
        inner, grid, cv=TimeSeriesSplit(2), scoring="neg_mean_absolute_error"
    )


COMPOSITES = {
    "alone": lstm,
    "pipeline": scaled,
    "pipeline of one": lambda: Pipeline([("lstm", lstm())]),
    "nested pipelines": lambda: make_pipeline(MinMaxScaler(), scaled()),
    "target": lambda: TransformedTargetRegressor(lstm(), transformer=StandardScaler()),
    "target of a pipeline": lambda: TransformedTargetRegressor(
        scaled(), transformer=StandardScaler()
    ),
    "pipeline of a target": lambda: make_pipeline(
        StandardScaler(),
        TransformedTargetRegressor(lstm(), transformer=MinMaxScaler()),
    ),
    "functions": lambda: TransformedTargetRegressor(
        scaled(), func=np.log, inverse_func=np.exp
    ),
    "two targets": lambda: TransformedTargetRegressor(
        TransformedTargetRegressor(scaled(), transformer=StandardScaler()),
        func=np.log,
        inverse_func=np.exp,
    ),
    "search": lambda: search(
        TransformedTargetRegressor(scaled(), transformer=StandardScaler()),
        regressor__statefullstmregressor__stateful=[True],
    ),
    "target of a search": lambda: TransformedTargetRegressor(
        search(scaled(), statefullstmregressor__epochs=[2]),
        transformer=StandardScaler(),
    ),
}


def data(kind: str):
    """Rows and targets as arrays, as dated frames, or with y of shape (n, 1)."""
    rows = series()
    X, y = rows[:-1], rows[1:, 0]
    if kind == "frames":
        X = pd.DataFrame(X, index=DATES, columns=["sales"])
        return X, pd.Series(y, DATES)
    return (X, y[:, None]) if kind == "column" else (X, y)


UNSCALED_TARGETS = (
    "alone",
    "pipeline",
    "pipeline of one",
    "nested pipelines",
    "functions",
)
_fitted: dict[tuple[str, str], object] = {}


def fit(name: str, kind: str = "frames"):
    """A composite fitted once, its state as after `fit`."""
    if (name, kind) not in _fitted:
        X, y = data(kind)
        _fitted[name, kind] = COMPOSITES[name]().fit(X[:N_TRAIN], y[:N_TRAIN])
    stream(_fitted[name, kind]).reseed_states()
    return _fitted[name, kind]


each_composite = pytest.mark.parametrize("name", COMPOSITES)


# --------------------------------------------------------------------------------------
# The calls are those of the composite, with a state
# --------------------------------------------------------------------------------------


@each_composite
@pytest.mark.parametrize("kind", ["frames", "arrays", "column"])
def test_stream_step_equals_predict_of_composite(name, kind):
    """Piece by piece, in values and shapes."""
    fitted, (X, _) = fit(name, kind), data(kind)
    expected = fitted.predict(X[N_TRAIN:])
    live = stream(fitted)
    stepped = [live.step(X[a : a + 5]) for a in range(N_TRAIN, 100, 5)]
    assert_close(np.concatenate(stepped), expected, rtol=1e-6, atol=1e-5)


@each_composite
def test_stream_observe_moves_composite(name):
    """The state is the estimator's: `predict` of the composite goes on from there."""
    fitted, (X, _) = fit(name), data("frames")
    expected = fitted.predict(X[N_TRAIN:])
    live = stream(fitted)
    assert live.observe(X[N_TRAIN:80]) is live
    assert_close(fitted.predict(X[80:]), expected[20:], rtol=1e-6, atol=1e-5)
    assert_close(live.predict(X[80:]), expected[20:], rtol=1e-6, atol=1e-5)


@each_composite
def test_stream_step_answers_in_users_units(name):
    """Predictions lie where the targets do, far from the scaled ones."""
    if name in UNSCALED_TARGETS:
        pytest.skip("targets are not scaled")
    fitted, (X, _) = fit(name), data("frames")
    assert np.all(stream(fitted).step(X[N_TRAIN:]) > 30)


@each_composite
def test_stream_reset_and_reseed_states(name):
    fitted, (X, _) = fit(name), data("frames")
    live = stream(fitted)
    seeded = live.get_states()
    assert live.reset_states() is live
    assert live.get_states().position == 0
    live.observe(X[:N_TRAIN])
    assert_same_state(live.get_states(), seeded, rtol=1e-5, atol=1e-6)
    live.observe(X[N_TRAIN:])
    assert live.reseed_states() is live
    assert live.get_states() is seeded
    later = live.observe(X[N_TRAIN:70]).get_states()
    assert live.reseed_states().set_states(later) is live
    assert live.get_states() is later


# --------------------------------------------------------------------------------------
# Forecasts
# --------------------------------------------------------------------------------------


@each_composite
@pytest.mark.parametrize("kind", ["frames", "arrays"])
@pytest.mark.parametrize("with_start", [False, True])
def test_stream_forecast_equals_single_steps(name, kind, with_start):
    """Each step feeds the prediction before it, in the user's units."""
    fitted, (X, _) = fit(name, kind), data(kind)
    live = stream(fitted)
    start = X[N_TRAIN:63] if with_start else None
    before = live.get_states()
    forecast = live.forecast(6, start=start)
    assert live.get_states() is before

    if with_start:
        expected = [live.step(start)[-1]]
    else:  # the prediction already made for the last row of the fit
        expected = []
        last = fitted.predict(X[:N_TRAIN])[-1]
    while len(expected) < 6:
        value = expected[-1] if expected else last
        fed = pd.DataFrame({"sales": [value]}) if kind == "frames" else [[value]]
        expected.append(live.step(fed)[0])
    assert_close(forecast, expected, rtol=1e-5, atol=1e-4)


def test_stream_forecast_feedback_in_users_units():
    """It is given predictions and returns rows as the composite takes them."""
    rows = series(2)
    X, y = rows[:-1], rows[1:, 1]
    fitted = TransformedTargetRegressor(scaled(), transformer=StandardScaler())
    fitted.fit(X[:N_TRAIN], y[:N_TRAIN])
    calls = []

    def feedback(prediction, k):
        calls.append((float(prediction), k))
        return [X[N_TRAIN + k, 0], prediction]

    live = stream(fitted)
    forecast = live.forecast(4, start=X[N_TRAIN - 1 : N_TRAIN], feedback=feedback)
    assert calls == [(float(value), k) for k, value in enumerate(forecast[:-1])]
    live.observe(X[N_TRAIN - 1 : N_TRAIN])
    for k in range(3):
        stepped = live.step([[X[N_TRAIN + k, 0], forecast[k]]])
        assert_close(stepped, forecast[k + 1 : k + 2], rtol=1e-5, atol=1e-3)


def test_stream_forecast_feedback_may_return_frame():
    live = stream(fit("target of a pipeline"))

    def as_frame(prediction, k):
        return pd.DataFrame({"sales": [prediction]}, index=DATES[[N_TRAIN + k]])

    assert_close(live.forecast(4, feedback=as_frame), live.forecast(4), rtol=0, atol=0)


def test_stream_forecast_of_many_outputs_feeds_itself():
    rows = series(2)
    fitted = TransformedTargetRegressor(scaled(), transformer=StandardScaler())
    fitted.fit(rows[:N_TRAIN], rows[1 : N_TRAIN + 1])
    forecast = stream(fitted).forecast(5)
    assert forecast.shape == (5, 2)
    assert np.all(np.abs(np.log10(forecast.mean(axis=0) / [50, 500])) < 0.2)


def test_stream_of_classifier_answers_labels():
    rows = series()
    X, y = rows[:-1], np.where(np.diff(rows[:, 0]) > 0, "up", "down")
    inner = StatefulLSTMClassifier(3, epochs=2, random_state=0)
    fitted = make_pipeline(StandardScaler(), inner).fit(X[:N_TRAIN], y[:N_TRAIN])
    live, expected = stream(fitted), fitted.predict(X[N_TRAIN:])
    assert list(live.step(X[N_TRAIN:])) == list(expected)

    def feedback(label, k):
        return [60.0 if label == "up" else 40.0]

    assert set(live.forecast(3, feedback=feedback)) <= {"up", "down"}
    with pytest.raises(ValueError, match="labels are not numbers"):
        live.forecast(3)


def test_stream_step_of_windows_equals_predict():
    """Rows stay windows all the way: there is no context to miss."""
    X = np.random.default_rng(0).normal(size=(20, 3, 2))
    fitted = make_pipeline(FunctionTransformer(), lstm()).fit(X[:12], X[:12, -1, 0])
    expected = fitted.predict(X[12:])
    live = stream(fitted)
    pieces = [live.step(X[12:15]), live.step(X[15:])]
    assert_close(np.concatenate(pieces), expected, rtol=1e-6, atol=1e-6)


# --------------------------------------------------------------------------------------
# Refusals
# --------------------------------------------------------------------------------------


def test_stream_of_SlidingWindow_pipeline_raises():
    X, y = data("arrays")
    fitted = make_pipeline(SlidingWindow(3), lstm()).fit(X[:N_TRAIN], y[:N_TRAIN])
    live = stream(fitted)
    for call in (live.step, live.observe, live.predict):
        with pytest.raises(ValueError, match=r"Rows become windows.*sequence_length=3"):
            call(X[N_TRAIN:])


@pytest.mark.parametrize(
    "fitted",
    [
        LinearRegression().fit([[1.0]], [1.0]),
        make_pipeline(StandardScaler(), LinearRegression()).fit([[1.0]], [1.0]),
        make_pipeline(StandardScaler()).fit([[1.0]]),
        MultiOutputRegressor(LinearRegression()).fit([[1.0]], [[1.0]]),
    ],
    ids=["regressor", "pipeline", "transformers", "many"],
)
def test_stream_of_other_estimator_raises(fitted):
    with pytest.raises(TypeError, match="stream takes a fitted StatefulLSTMRegressor"):
        stream(fitted)


def test_stream_of_search_without_refit_raises():
    X, y = data("arrays")
    fitted = search(lstm(), epochs=[1]).set_params(refit=False).fit(X[:30], y[:30])
    with pytest.raises((TypeError, NotFittedError, AttributeError)):
        stream(fitted)


@each_composite
def test_stream_of_unfitted_composite_raises(name):
    with pytest.raises(NotFittedError):
        stream(COMPOSITES[name]())


def test_stream_forecast_bad_arguments_raise():
    live = stream(fit("target of a pipeline"))
    with pytest.raises(ValueError, match="No row was seen since the last reset"):
        live.reset_states().forecast(3)
    live.reseed_states()
    with pytest.raises(ValueError, match="n_steps must be a positive integer, got 0"):
        live.forecast(0)
    with pytest.raises(ValueError, match=r"row of shape \(1,\).*step 0.*\(2,\)"):
        live.forecast(3, feedback=lambda prediction, k: [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN or infinity for step 0"):
        live.forecast(3, feedback=lambda prediction, k: [np.nan])


def test_stream_forecast_without_feedback_where_prediction_is_no_row_raises():
    rows = series(3)
    fitted = make_pipeline(PCA(1), lstm()).fit(rows[:N_TRAIN], rows[1 : N_TRAIN + 1, 0])
    with pytest.raises(ValueError, match=r"1 value\(s\), a row has 3 feature"):
        stream(fitted).forecast(2)
