"""Small fits, to be repeated in threads and in other processes, bit for bit."""

from __future__ import annotations

from functools import cache
from typing import Any

import joblib
from helpers import assert_identical_weights, assert_same_state, make_rows
from plain import StatefulLSTMRegressor
from sklearn.model_selection import TimeSeriesSplit, cross_validate

PATIENCE = 180  # seconds; the slowest wait in these tests takes a tenth of it
N = 30
X = make_rows(N, 2, seed=1)
y = X[:, 0] - 0.2 * X[:, 1]
MANY = make_rows(9_000, 2, seed=2)  # beyond what is walked in NumPy: compiled
SHAPES = {"one": {"units": 2}, "another": {"units": 3, "sequence_length": 2}}


def regressor(shape: str = "one", **parameters: Any) -> StatefulLSTMRegressor:
    """Return an estimator of one of the two shapes that are compiled here."""
    settings = {"batch_size": 1, "epochs": 2, "random_state": 0}
    return StatefulLSTMRegressor(**(settings | SHAPES[shape] | parameters))


def fit(shape: str = "one", random_state: Any = 0) -> StatefulLSTMRegressor:
    """Fit an estimator; at module level, for worker processes to import."""
    return regressor(shape, random_state=random_state).fit(X, y)


def assert_equal_estimators(found: Any, expected: Any) -> None:
    """Compare weights and state bit for bit."""
    assert_identical_weights(found.get_weights(), expected.get_weights())
    assert_same_state(found.get_states(), expected.get_states())


@cache
def fits_alone() -> list[StatefulLSTMRegressor]:
    """Return what fits give with nothing running beside them, by random_state."""
    return [fit(random_state=k) for k in range(2)]


def folds(n_jobs: int, backend: str = "loky") -> list[StatefulLSTMRegressor]:
    """Return the estimators that cross-validation fits."""
    with joblib.parallel_backend(backend):
        scores = cross_validate(
            regressor(),
            X,
            y,
            cv=TimeSeriesSplit(3),
            n_jobs=n_jobs,
            return_estimator=True,
        )
    return scores["estimator"]
