"""Data, estimators and plain loops for the tests of `backtest`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from plain import StatefulLSTMRegressor
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import frame_series

RNG = np.random.default_rng(0)
N = 71
DAYS = pd.date_range("2024-01-01", periods=N, name="day")
SERIES = pd.DataFrame(
    {
        "sales": 20 + 5 * np.sin(np.arange(N) / 3) + RNG.normal(size=N),
        "promo": (RNG.random(N) < 0.3).astype(int),
    },
    DAYS,
)
X, Y = frame_series(SERIES, target="sales")  # 70 rows
FOLDS = TimeSeriesSplit(3, test_size=8, gap=2)  # tests on 46-53, 54-61, 62-69
SHAPE = {"units": 3, "windows": "tiled", "sequence_length": 4, "batch_size": 2}
SHAPE |= {"epochs": 3, "random_state": 0, "optimizer__learning_rate": 0.05}


def net(**options) -> StatefulLSTMRegressor:
    """A network of the one shape that is compiled here; rows reach it scaled."""
    return StatefulLSTMRegressor(**{**SHAPE, "scale": True, **options})


def scaled(last):
    pipeline = make_pipeline(StandardScaler(), last)
    return pipeline.set_output(transform="pandas")


def composites() -> dict:
    """Regressors of every kind that holds a network."""
    target = TransformedTargetRegressor(scaled(net()), transformer=StandardScaler())
    members = [("a", net()), ("b", scaled(net(random_state=1))), ("c", Ridge())]
    grid = {"statefullstmregressor__random_state": [0, 1]}
    return {
        "alone": net(),
        "pipeline": scaled(net()),
        "target": target,
        "search": GridSearchCV(scaled(net()), grid, cv=TimeSeriesSplit(2)),
        "voting": VotingRegressor(members, weights=[2, 1, 1]),
        "features": make_pipeline(net(), Ridge()).set_output(transform="pandas"),
    }


def bagging() -> BaggingRegressor:
    return BaggingRegressor(net(), n_estimators=2, bootstrap=False, random_state=0)


def sliding(**options) -> StatefulLSTMRegressor:
    shape = {"sequence_length": 2, "batch_size": 2, "windows": "sliding", "units": 3}
    return StatefulLSTMRegressor(**{**shape, "epochs": 3, "random_state": 0, **options})


class Leading(RegressorMixin, BaseEstimator):
    """Predicts from its first and last column, and the number of rows fitted."""

    def fit(self, X, y):
        self.n_rows_ = len(X)
        self.n_outputs_ = 1 if np.ndim(y) == 1 else np.shape(y)[1]
        return self

    def predict(self, X):
        X = np.asarray(X, float)
        made = X[:, 0] + 0.25 * X[:, -1] + self.n_rows_ * 1e-3
        if self.n_outputs_ == 1:
            return made
        return np.column_stack([made + k for k in range(self.n_outputs_)])


def make_panel(lengths: dict[str, int], seed: int = 0, end: int = 40) -> pd.DataFrame:
    """Series that end on the same day, of so many rows, their rows interleaved."""
    rng = np.random.default_rng(seed)
    frames = []
    for name, n in lengths.items():
        days = pd.date_range("2024-01-01", periods=end, name="day")[end - n :]
        index = pd.MultiIndex.from_product([[name], days], names=["shop", "day"])
        level = rng.uniform(10, 50)
        sales = level + np.cumsum(rng.normal(size=n))
        frames.append(pd.DataFrame({"sales": sales, "open": rng.random(n)}, index))
    return pd.concat(frames).sort_index(level="day", kind="stable")


def pred(result, **chosen) -> np.ndarray:
    """Predictions of some rows of a result."""
    table = result.predictions
    for name, value in chosen.items():
        table = table[table[name] == value]
    return table["y_pred"].to_numpy()
