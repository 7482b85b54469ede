"""A user's code with types, which mypy must accept; `.ci/run` asks it, with --strict.

What is not annotated here returns what its function says: an error means that a public
call has lost its type.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklstm import (
    RecurrentState,
    SlidingWindow,
    StatefulLSTMClassifier,
    StatefulLSTMRegressor,
    frame_series,
    serving,
    stream,
)
from sklstm.datasets import load_bike_rentals
from sklstm.intervals import ConformalClassifier, ConformalRegressor
from sklstm.model_selection import (
    BacktestResult,
    PanelSplit,
    StateComparison,
    backtest,
    compare_states,
)
from sklstm.persistence import PersistenceError
from sklstm.plotting import ForecastDisplay, IntervalDisplay, LossCurveDisplay
from sklstm.streaming import Stream

Array = npt.NDArray[np.float64]


class HourlyRegressor(StatefulLSTMRegressor):
    """A subclass with a method of its own."""

    def next_day(self) -> Array:
        return self.forecast(24)


def fit(series: pd.Series[float]) -> StatefulLSTMRegressor:
    X, y = frame_series(series, horizon=1)
    model = StatefulLSTMRegressor(
        8,
        cell="gru",
        epochs=2,
        batch_size="auto",
        lags=[1, 24],
        random_state=0,
        optimizer__learning_rate=0.01,
    )
    return model.set_params(units=(8, 4)).fit(X[:-10], y[:-10])


def go_on(model: StatefulLSTMRegressor, X: pd.DataFrame, y: pd.Series[float]) -> Array:
    before: RecurrentState = model.get_states()
    answers = [model.predict(X, replay=False), model.step(X)]
    model.observe(X).partial_fit(X, y).set_states(before).forget("north")
    model.reseed_states().reset_states(series=["south"])
    answers.append(model.forecast(3, X_future=X))
    if model.score(X, y) < 0.5 or before.is_cold:
        answers.append(model.transform(X))
    return np.concatenate(answers)


def read_fit(model: StatefulLSTMRegressor) -> tuple[int, float, list[float]]:
    state: RecurrentState = model.state_
    epochs: int = model.epochs_
    return epochs + len(state.h), model.network_share_, model.history_["loss"]


def quantiles(model: StatefulLSTMRegressor, X: Array) -> Array:
    return model.predict_quantiles(X)


def classify(X: Array, y: npt.NDArray[np.str_]) -> Array:
    model = StatefulLSTMClassifier(class_weight="balanced").fit(X, y)
    model.partial_fit(X, y, classes=["down", "up"])
    return model.predict_proba(X)


def keep(model: StatefulLSTMRegressor, path: Path) -> StatefulLSTMRegressor:
    try:
        model.save(path)
        return StatefulLSTMRegressor.load(path)
    except PersistenceError as error:
        raise SystemExit(str(error)) from error


def serve(path: Path, X: Array) -> Array:
    predictor = serving.load(path)
    predictor.observe(X).save(path)
    return predictor.step(X)


def follow(fitted: object, X: Array, y: Array) -> Array:
    live: Stream = stream(fitted)
    live.observe(X).partial_fit(X, y).reset_states()
    return np.concatenate([live.step(X), live.predict(X), live.forecast(3, start=X)])


def judge(X: pd.DataFrame, y: pd.Series[float]) -> tuple[BacktestResult, pd.DataFrame]:
    cv = PanelSplit(3)
    result = backtest(StatefulLSTMRegressor(), X, y, cv=cv, horizon=2)
    worth: StateComparison = compare_states(StatefulLSTMRegressor(), X, y, cv=cv)
    result.plot("forecast", horizon=1)
    worth.plot()
    return result, result.scores.join(result.errors_by_horizon())


def intervals(X: Array, y: Array, path: Path) -> Array:
    model = ConformalRegressor(StatefulLSTMRegressor(8), coverage=0.8).fit(X, y)
    model.save(path)
    loaded: ConformalRegressor = ConformalRegressor.load(path)
    ahead = loaded.observe(X, y).forecast_interval(1, start=X)
    return np.concatenate([ahead, model.step_interval(X, y), model.predict_interval(X)])


def label_sets(X: Array, y: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    model = ConformalClassifier(StatefulLSTMClassifier(), conformity_score="aps")
    return model.fit(X, y).predict_set(X, coverage=0.9)


def draw(model: StatefulLSTMRegressor, X: pd.DataFrame, y: pd.Series[float]) -> None:
    ForecastDisplay.from_estimator(model, X, y, unit="bikes").plot()
    LossCurveDisplay.from_estimator(model, yscale="log")
    conformal = ConformalRegressor(model).fit(X, y)
    IntervalDisplay.from_estimator(conformal, X, y, coverages=[0.5, 0.9])


def window(rows: Array) -> Array:
    return SlidingWindow(24).fit(rows).transform(rows)


def read() -> pd.DataFrame:
    X, _ = load_bike_rentals(return_X_y=True)
    assert isinstance(X, pd.DataFrame)
    return X
