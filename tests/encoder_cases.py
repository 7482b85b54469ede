"""Fitted estimators with an encoder, to save, to copy and to forge.

Owns the estimators, each fitted once in a process, and the rows that follow those of
their fits. Tests work on copies.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import keras
import numpy as np
import pandas as pd
from persistence_cases import panel, targets
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

N, N_MORE = 72, 6
RNG = np.random.default_rng(3)
STEPS = np.arange(N + N_MORE + 1)
LEVEL = 500 + 20 * np.sin(STEPS * np.pi / 6) + RNG.normal(size=len(STEPS))
OTHER = 2 + np.cos(STEPS * np.pi / 6) + 0.1 * RNG.normal(size=len(STEPS))
ROWS = np.stack([LEVEL, OTHER], axis=1)  # two columns at scales of their own

SMALL: dict[str, Any] = {
    "windows": "tiled",
    "sequence_length": 6,
    "batch_size": 2,
    "epochs": 2,
    "random_state": 0,
}
BOTH = {"scale": True, "linear_skip": True}


def tiled_gru(meta):
    """A user's network with an output at each step."""
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.GRU(2, stateful=True, return_sequences=True),
            keras.layers.Dense(meta["n_outputs_"]),
        ]
    )


def next_row(rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """A series with its next row as target: both columns are tied."""
    return ROWS[:-1][rows], ROWS[1:][rows]


def next_level(rows: slice) -> tuple[np.ndarray, np.ndarray]:
    return LEVEL[:-1, np.newaxis][rows], LEVEL[1:][rows]


def level_class(rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of the next row."""
    names = np.array(["high", "low", "mid"])
    return ROWS[:-1][rows], names[np.digitize(LEVEL[1:], [490, 510])][rows]


def shops(rows: slice) -> tuple[pd.DataFrame, np.ndarray]:
    """Three shops; the target is no column of a later row, so that none is tied."""
    n_days = 24
    frame = panel(n_days=n_days) if rows.stop == N else panel(first_day=n_days)
    frame["sales"] = frame["sales"] * 300 + 1000
    return frame.astype(np.float64), targets(frame)


def shops_up(rows: slice) -> tuple[pd.DataFrame, np.ndarray]:
    frame, y = shops(rows)
    return frame, y > 500


def sequences(rows: slice) -> tuple[list, list]:
    parts = np.array_split(np.arange(N + N_MORE)[rows], 3)
    return [ROWS[part] for part in parts], [LEVEL[part + 1] for part in parts]


KINDS: dict[str, tuple[type, Any, dict[str, Any]]] = {
    "both": (StatefulLSTMRegressor, next_row, {**BOTH, "ema_momentum": 0.5}),
    "scale": (StatefulLSTMRegressor, next_row, {"scale": True}),
    "skip": (
        StatefulLSTMRegressor,
        next_level,
        {"linear_skip": True, "lags": (1, 3, 11)},
    ),
    "chosen": (
        StatefulLSTMRegressor,
        next_level,
        {**BOTH, "epochs": "auto", "sequence_length": "auto", "batch_size": "auto"},
    ),
    "classes": (StatefulLSTMClassifier, level_class, BOTH),
    "panel": (StatefulLSTMRegressor, shops, BOTH),
    "panel, skip": (StatefulLSTMRegressor, shops, {"linear_skip": True, "lags": 2}),
    "panel of classes": (StatefulLSTMClassifier, shops_up, BOTH),
    "sequences": (StatefulLSTMRegressor, sequences, BOTH),
    "model": (StatefulLSTMRegressor, next_row, {"scale": True, "model": tiled_gru}),
}
STATEFUL = [kind for kind in KINDS if kind != "sequences"]


@cache
def fitted_once(kind: str):
    cls, rows, parameters = KINDS[kind]
    return cls(2, **{**SMALL, **parameters}).fit(*rows(slice(N)))


def fitted(kind: str):
    """A fitted estimator of that kind, for this test alone."""
    return copy.deepcopy(fitted_once(kind))


def seen_rows(kind: str):
    """The rows of the fit, and their targets."""
    return KINDS[kind][1](slice(N))


def later_rows(kind: str):
    """Rows that follow those of the fit, and their targets."""
    return KINDS[kind][1](slice(N, N + N_MORE))
