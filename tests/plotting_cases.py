"""Fitted estimators and readers of figures for the tests of the Displays.

Owns one regressor, one composite and one stateless regressor, each fitted once in a
process, and functions that read texts, legends and ticks off a drawn figure.
"""

from __future__ import annotations

import functools

import pandas as pd
import pytest
from helpers import make_rows
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


def texts(labels) -> list[str]:
    """Return what a list of texts says, once the figure is drawn."""
    if labels:
        labels[0].figure.canvas.draw()
    return [label.get_text() for label in labels]


def legend_of(ax) -> list[str]:
    """Return the entries of the legend."""
    return texts(ax.get_legend().get_texts())


def shown_ticks(axis) -> list[float]:
    """Return the ticks inside the view."""
    low, high = sorted(axis.get_view_interval())
    return [float(tick) for tick in axis.get_ticklocs() if low <= tick <= high]


# --------------------------------------------------------------------------------------
# Fitted estimators, of one compiled shape
# --------------------------------------------------------------------------------------

T, B = 2, 3
DAYS = pd.date_range("2024-01-01", periods=40, name="day")  # from a Monday on
X = pd.DataFrame(make_rows(40, 2, seed=1), DAYS, columns=["wind", "rain"])
Y = pd.Series(X["wind"] - X["rain"], name="flow")
X_NEW = pd.DataFrame(
    make_rows(8, 2, seed=2),
    pd.date_range("2024-02-10", periods=8),
    columns=["wind", "rain"],
)


def unfitted(**parameters):
    """Return a regressor of the one shape that is compiled here."""
    from plain import StatefulLSTMRegressor

    shape = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 3}
    return StatefulLSTMRegressor(**{**shape, "random_state": 0, **parameters})


@functools.cache
def fitted():
    """Return a regressor fitted on X with held-out rows and a metric."""
    return unfitted(validation_split=0.25, metrics=["mae"]).fit(X, Y)


@functools.cache
def composite():
    """Return the same inside a search over scaled inputs and targets."""
    inner = make_pipeline(StandardScaler(), unfitted())
    scaled = TransformedTargetRegressor(regressor=inner, transformer=StandardScaler())
    grid = {"regressor__statefullstmregressor__epochs": [2]}
    return GridSearchCV(scaled, grid, cv=TimeSeriesSplit(2)).fit(X, Y)


@functools.cache
def stateless():
    """Return a fitted regressor that has no lanes."""
    return unfitted(stateful=False).fit(X, Y)


# --------------------------------------------------------------------------------------
# All Displays
# --------------------------------------------------------------------------------------

SCORES = pd.DataFrame(
    {
        "carried": [0.9, 0.8, 0.7, 0.6],
        "reset": [0.5, 0.6, 0.5, 0.4],
        "swapped": [0.1, 0.2, 0.3, 0.4],
    },
    index=pd.MultiIndex.from_product([[0, 1], [7, 8]], names=["fold", "seed"]),
)
