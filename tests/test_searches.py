"""Searches over parameters equal a loop over the splits."""

from __future__ import annotations

import pytest
from composition_cases import SPLITS, X, assert_searched, by_hand, regressor, y
from helpers import (
    assert_close,
    weight_change,
)
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

GRID = {"stateful": [True, False], "optimizer__learning_rate": [0.02, 0.2]}


def test_GridSearchCV_equals_loop_over_splits():
    """Train scores too, for which the rows of a fit are replayed from zero state."""
    search = GridSearchCV(regressor(), GRID, cv=SPLITS, return_train_score=True)
    search.fit(X, y)
    assert "mean_train_score" in search.cv_results_
    assert_searched(search, regressor())


def test_RandomizedSearchCV_equals_loop_over_splits():
    distributions = {
        "optimizer__learning_rate": [0.001, 0.01, 0.1],
        "epochs": [1, 2, 3],
    }
    search = RandomizedSearchCV(
        regressor(), distributions, n_iter=3, cv=SPLITS, random_state=0
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 3
    assert_searched(search, regressor())


def test_HalvingGridSearchCV_over_epochs_equals_loop():
    """Epochs are the resource: taking rows at random would tear the series apart."""
    rates = [0.001, 0.01, 0.05, 0.1]
    search = HalvingGridSearchCV(
        regressor(),
        {"optimizer__learning_rate": rates},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=SPLITS,
        random_state=0,
    ).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    assert search.n_candidates_ == [4, 2, 1]
    results = search.cv_results_
    for parameters, n_epochs, mean in zip(
        results["params"], results["n_resources"], results["mean_test_score"]
    ):
        assert parameters["epochs"] == n_epochs
        expected = by_hand(regressor(**parameters))["test"]
        assert_close(mean, expected.mean())
    assert search.best_params_ == results["params"][-1]


def test_GridSearchCV_over_nested_parameters():
    """Through a pipeline, and the target's transformer around it."""
    pipeline = Pipeline([("scale", StandardScaler()), ("lstm", regressor())])
    wrapped = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    grid = {"regressor__lstm__optimizer__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(wrapped, grid, cv=SPLITS).fit(X, y)
    assert_searched(search, wrapped)
    low, high = (
        clone(wrapped).set_params(regressor__lstm__optimizer__learning_rate=rate)
        for rate in (0.01, 0.1)
    )
    weights = [e.fit(X, y).regressor_[-1].get_weights() for e in (low, high)]
    assert weight_change(*weights) > 1e-3


def test_GridSearchCV_over_routed_parameters_compiles_once():
    """A loss in Python is called only while a program is traced."""
    import keras

    n_calls = []

    def loss(y_true, y_pred):
        n_calls.append(1)
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    grid = {"optimizer__learning_rate": [0.001, 0.01, 0.1], "random_state": [0, 1]}
    estimator = regressor(loss=loss).fit(X, y)
    n = len(n_calls)
    assert n > 0
    GridSearchCV(estimator, grid, cv=SPLITS).fit(X, y)
    assert len(n_calls) == n


def test_GridSearchCV_over_unknown_name_raises():
    search = GridSearchCV(regressor(), {"unit": [2, 3]}, cv=SPLITS)
    with pytest.raises((TypeError, ValueError), match="unit"):
        search.fit(X, y)
