"""Rows, estimators and plain loops for the tests of intervals and label sets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from backtest_cases import net
from sklearn.base import BaseEstimator, RegressorMixin

from sklstm.intervals import ConformalRegressor

GAMMAS = [0.001 * 2**k for k in range(8)]
N = 160
NOISE = np.random.default_rng(3).normal(size=N)
VALUES = 20 + 5 * np.sin(np.arange(N) / 3) + NOISE
HOURS = pd.date_range("2024-01-01", periods=N, freq="h")
SERIES = pd.DataFrame({"v": VALUES}, HOURS)
X, y = SERIES[:-1], SERIES["v"].shift(-1)[:-1].rename("v[t+1]")
FITTED = 120


class Repeat(RegressorMixin, BaseEstimator):
    """Predicts the first column, or each of the first `n_outputs`."""

    def __init__(self, n_outputs: int = 1):
        self.n_outputs = n_outputs

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        table = np.asarray(X, float)
        return table[:, 0] if self.n_outputs == 1 else table[:, : self.n_outputs]


def noise_pairs(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of zeros, which `Repeat` forecasts, and these errors as their values."""
    return np.zeros((len(errors), 1)), np.asarray(errors, float)


def repeated(errors: Any, **options: Any) -> ConformalRegressor:
    """A conformal estimator calibrated on the newest quarter of these errors."""
    return ConformalRegressor(Repeat(), **options).fit(*noise_pairs(errors))


def follow_by_hand(scores: list[float], later: list[float], miss: float) -> list:
    """Half widths before each of some later errors: the method in plain Python."""
    unit = sum(scores) / len(scores)
    kept = [s / unit for s in scores]
    aims, gains, squares = [miss] * 8, [0.0] * 8, [0.0] * 8
    largest, widths = 0.0, []
    for error in later:
        newest = sorted(kept[-1000:])
        ranks = [math.ceil(round((1 - a) * (len(newest) + 1), 9)) for a in aims]
        ends = [newest[min(max(r, 1), len(newest)) - 1] for r in ranks]
        weights = [1 / 8] * 8
        if largest:
            rates = [0.5 / largest] * 8
            rates = [
                min(r, math.sqrt(math.log(8) / s)) if s else r
                for r, s in zip(rates, squares, strict=True)
            ]
            powers = [r * g for r, g in zip(rates, gains, strict=True)]
            weights = [
                r * math.exp(p - max(powers))
                for r, p in zip(rates, powers, strict=True)
            ]
            weights = [w / sum(weights) for w in weights]
        mean = sum(w * e for w, e in zip(weights, ends, strict=True))
        widths.append(mean * unit)
        score = abs(error) / unit
        slope = miss - 1 if score > mean else miss
        for k in range(8):
            gain = slope * (mean - ends[k])
            gains[k] = (1 - 1 / 1000) * gains[k] + gain
            squares[k] = (1 - 1 / 1000) * squares[k] + gain**2
            largest = max(largest, abs(gain))
            aims[k] += GAMMAS[k] * (miss - (score > ends[k]))
            aims[k] = min(max(aims[k], 1e-4), 0.9)
        kept.append(score)
    return widths


def inside(intervals: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (intervals[..., 0] <= values) & (values <= intervals[..., 1])


def conformal_net(**options: Any) -> ConformalRegressor:
    """Around a small network, which reads the rows scaled."""
    return ConformalRegressor(net(), coverage=0.8, **options)


def make_panel(n_rows: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """Two series of other sizes, whose rows come day by day."""
    days = pd.date_range("2024-01-01", periods=n_rows + 1)
    rng = np.random.default_rng(5)
    waves = 5 + np.sin(np.arange(n_rows + 1))
    parts = {
        name: pd.DataFrame({"v": size * (waves + rng.normal(size=n_rows + 1))}, days)
        for name, size in (("a", 1.0), ("b", 100.0))
    }
    table = pd.concat(parts, names=["shop", "day"]).sort_index(level="day")
    following = table["v"].groupby(level="shop").shift(-1)
    known = following.notna()
    return table[known], following[known].rename("v[t+1]")
