"""Panels drawn at random, and each series answered alone by the NumPy LSTM.

Owns one small panel to fit, with a break in one series, estimators fitted on it, and
the Hypothesis strategy of rows that follow: series known and new, their rows
interleaved, with breaks.
"""

from __future__ import annotations

import copy
import functools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from helpers import TRAINING, NaiveLSTM, make_rows, seeds
from hypothesis import strategies as st
from plain import StatefulLSTMRegressor

T, B, N_FEATURES = 4, 2, 2
DAY = pd.Timedelta(days=1)
FIRST = pd.Timestamp("2024-01-01")


class Series(NamedTuple):
    """Rows of one series: their values and dates, and where a new run begins."""

    values: np.ndarray
    dates: pd.DatetimeIndex
    begins: np.ndarray

    def then(self, more: Series) -> Series:
        """Return these rows and those after them."""
        return Series(
            np.concatenate([self.values, more.values]),
            self.dates.append(more.dates),
            np.concatenate([self.begins, more.begins]),
        )


def make_series(n: int, first: pd.Timestamp, breaks: set[int], seed: int) -> Series:
    """Return n rows, one a day, three days missing before each of those in `breaks`."""
    begins = np.isin(np.arange(n), list(breaks))
    days = np.arange(n) + 3 * np.cumsum(begins)
    dates = pd.DatetimeIndex(first + days * DAY)
    return Series(make_rows(n, N_FEATURES, seed), dates, begins)


FITTED = {
    "b": make_series(30, FIRST, {12}, TRAINING),
    "a": make_series(17, FIRST + 5 * DAY, set(), TRAINING + 1),
    "c": make_series(2, FIRST, set(), TRAINING + 2),
}
EMPTY = Series(np.empty((0, N_FEATURES)), pd.DatetimeIndex([]), np.empty(0, bool))


def interleaved(series: dict[str, Series], seed: int) -> pd.DataFrame:
    """Return one frame whose MultiIndex tells series and dates, rows in random order.

    Those of one series are in time order.
    """
    ids = np.repeat(list(series), [len(one.values) for one in series.values()])
    ids = np.random.default_rng(seed).permutation(ids)
    place = pd.Series(0, ids).groupby(level=0).cumcount().to_numpy()
    rows = [(series[one], k) for one, k in zip(ids, place, strict=True)]
    index = [(one, rows[j][0].dates[rows[j][1]]) for j, one in enumerate(ids)]
    return pd.DataFrame(
        [one.values[k] for one, k in rows],
        pd.MultiIndex.from_tuples(index, names=["shop", "day"]),
        columns=["u", "v"],
    )


def target_of(frame: pd.DataFrame) -> np.ndarray:
    """Return a target for each row, by its values alone."""
    return np.sin(3 * frame["u"].to_numpy()) + frame["v"].to_numpy()


@functools.cache
def fitted_once(**parameters: Any) -> StatefulLSTMRegressor:
    frame = interleaved(FITTED, seed=0)
    settings = {
        "windows": "tiled",
        "sequence_length": T,
        "batch_size": B,
        "on_gap": "reset",
        "epochs": 2,
        "optimizer__learning_rate": 0.05,
        "random_state": 0,
    }
    estimator = StatefulLSTMRegressor((3,), **(settings | parameters))
    return estimator.fit(frame, target_of(frame))


def fitted(**parameters: Any) -> StatefulLSTMRegressor:
    """Return a regressor of its own, fitted on the small panel."""
    return copy.deepcopy(fitted_once(**parameters))


#: Windows and whether the state is carried: of which kinds panels can be.
KINDS: list[dict[str, Any]] = [
    {},
    {"stateful": False, "cell": "gru"},
    {"windows": "sliding", "stateful": False, "cell": "rnn"},
]
KIND_NAMES = ["tiled", "tiled stateless GRU", "sliding stateless RNN"]


def alone(estimator: Any, series: Series) -> tuple[np.ndarray, NaiveLSTM]:
    """Outputs of the NumPy LSTM over one series from zero state, and what is left."""
    is_tiled = estimator.windows == "tiled"
    naive = NaiveLSTM(
        estimator.get_weights(),
        sequence_length=1 if is_tiled else T,
        batch_size=1,
        stateful=is_tiled,
    )
    made, n_since = [], 0
    for row, begins in zip(series.values, series.begins, strict=True):
        n_since = 0 if begins else n_since
        cuts = is_tiled and not estimator.stateful and n_since % T == 0
        if begins or cuts:
            naive.reset()
        made.append(naive.take(row)[0])
        n_since += 1
    return np.array(made), naive


class Following(NamedTuple):
    """Rows that follow the small panel, series by series."""

    series: dict[str, Series]
    seed: int

    @property
    def frame(self) -> pd.DataFrame:
        """All of them in one frame, interleaved."""
        return interleaved(self.series, self.seed)

    def whole(self, name: str) -> Series:
        """Rows of one series from the beginning of the fit on."""
        return FITTED.get(name, EMPTY).then(self.series.get(name, EMPTY))

    def expected(self, estimator: Any) -> np.ndarray:
        """What each row of `frame` is answered with, its series being alone."""
        frame = self.frame
        names = frame.index.get_level_values(0)
        outputs = np.empty(len(frame))
        for name, series in self.series.items():
            made, _ = alone(estimator, self.whole(name))
            outputs[names == name] = made[len(made) - len(series.values) :]
        return outputs


@st.composite
def following(draw: st.DrawFn, longest: int = 60) -> Following:
    """Draw rows that follow: of series known and new, with breaks."""
    names = draw(
        st.lists(st.sampled_from(["a", "b", "c", "x", "y"]), min_size=1, unique=True)
    )
    seed = draw(seeds)
    series = {}
    for k, name in enumerate(names):
        n = draw(st.integers(1, longest))
        breaks = draw(st.sets(st.integers(0, n - 1), max_size=2))
        if name not in FITTED:
            breaks -= {0}  # nothing is missing before the first row of all
            first = FIRST
        else:
            first = FITTED[name].dates[-1] + DAY
        series[name] = make_series(n, first, breaks, seed + k)
    return Following(series, seed)
