"""A user's code with types, which mypy must accept; `.ci/run` asks it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sklstm import (
    RecurrentState,
    StatefulLSTMClassifier,
    StatefulLSTMRegressor,
    frame_series,
    stream,
)
from sklstm.model_selection import BacktestResult, PanelSplit, backtest


def forecast(series: pd.Series) -> np.ndarray:
    X, y = frame_series(series)
    model = StatefulLSTMRegressor(8, epochs=2, batch_size="auto", random_state=0)
    model.fit(X[:-10], y[:-10])
    state: RecurrentState = model.get_states()
    model.set_states(state)
    live = stream(model)
    live.observe(X[-10:])
    return live.forecast(3)


def classify(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return StatefulLSTMClassifier(cell="gru").fit(X, y).predict_proba(X)


def judge(X: pd.DataFrame, y: pd.Series) -> BacktestResult:
    return backtest(StatefulLSTMRegressor(), X, y, cv=PanelSplit(3), horizon=2)
