"""Groups of lanes trained side by side, each by a program of its own.

Where a batch is much work, training cuts its lanes into groups. The outcome is that of
one group, to rounding: whatever is trained, and whoever looks on. Small networks are
cut here by lowering the limits; one large enough is held against Keras.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    keras_loop,
    keras_lstm,
    make_rows,
    weight_change,
    with_rest_thorough,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm._compiled.program_pool import POOL
from sklstm._network import one_batch as graphs
from sklstm._network.architecture import StackedLSTM


@pytest.fixture
def few_are_enough(monkeypatch):
    """Lower the limits so that four lanes make two groups; return the numbers made."""
    made: list[int] = []
    in_training = graphs.StackedGraph.in_training

    def noted(graph, n_groups):
        made.append(n_groups)
        return in_training(graph, n_groups)

    def lower() -> list[int]:
        POOL.clear()
        monkeypatch.setattr(graphs, "LEAST_GROUPED", 0)
        monkeypatch.setattr(graphs, "LEAST_LANES", 2)
        monkeypatch.setattr(graphs.StackedGraph, "in_training", noted)
        return made

    POOL.clear()
    yield lower
    POOL.clear()


class Onlooker(keras.callbacks.Callback):
    """Reads the weights after each epoch, as early stopping does."""

    def __init__(self):
        super().__init__()
        self.seen: list = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(self.model.get_weights())


def ragged(rng) -> list[np.ndarray]:
    return [rng.normal(size=(n, 2)).astype("f4") for n in rng.integers(1, 6, size=22)]


CASES: dict[str, dict[str, Any]] = {
    "in order": {"units": (4, 3)},
    "one step": {"sequence_length": 1},
    "lanes without a window": {"drop_remainder": False},
    "windows of many lengths": {"stateful": False, "sequence_length": 5},
    "an optimizer that needs the variables": {"optimizer__clipnorm": 0.1},
    "held out": {"validation_split": 0.3, "metrics": ["mae"]},
}


ORDINARY = ("windows of many lengths",)


@pytest.mark.parametrize("case", with_rest_thorough(CASES, ORDINARY))
def test_fit_in_lane_groups_equals_fit_in_one(case, few_are_enough):
    rng = np.random.default_rng(0)
    X = ragged(rng) if "lengths" in case else rng.normal(size=(41, 2))
    y = np.array([np.sum(rows) for rows in X])
    weight = rng.uniform(0.5, 2.0, size=len(X))
    settings = {
        "units": 4,
        "batch_size": 4,
        "sequence_length": 3,
        "epochs": 4,
        "random_state": 0,
        **CASES[case],
    }

    def fit():
        return StatefulLSTMRegressor(**settings).fit(X, y, sample_weight=weight)

    whole = fit()
    n_groups = few_are_enough()
    grouped = fit()
    assert set(n_groups) == {2}
    assert_same_weights(grouped.get_weights(), whole.get_weights(), **PARITY)
    for name, values in whole.history_.items():
        assert_close(grouped.history_[name], values, what=name, **PARITY)
    assert_close(grouped.predict(X), whole.predict(X), **PARITY)


@pytest.mark.thorough
def test_callbacks_in_lane_groups_see_weights_of_each_epoch(few_are_enough):
    """A classifier with `fit` and then `partial_fit`, watched after each epoch."""
    X, labels = make_rows(60, 2, 0), np.arange(60) % 3

    def fit():
        onlooker = Onlooker()
        model = StatefulLSTMClassifier(
            4, batch_size=4, epochs=3, random_state=0, callbacks=[onlooker]
        )
        model.fit(X[:40], labels[:40]).partial_fit(X[40:], labels[40:])
        return model, onlooker.seen

    model, seen = fit()
    n_groups = few_are_enough()
    grouped, seen_grouped = fit()
    assert set(n_groups) == {2}
    assert len(seen) == len(seen_grouped) == 4
    for weights, expected in zip(seen_grouped, seen, strict=True):
        assert_same_weights(weights, expected, **PARITY)
    assert_close(grouped.predict_proba(X[:8]), model.predict_proba(X[:8]), **PARITY)


@pytest.mark.thorough
def test_fit_with_dropout_uses_one_lane_group(few_are_enough):
    """Dropout's seed is a variable, which two groups could not advance at once."""
    X = make_rows(40, 2, 0)
    model = StatefulLSTMRegressor(4, batch_size=4, epochs=3, random_state=0)
    model.set_params(dropout=0.3)
    whole = model.fit(X, X[:, 0]).get_weights()
    n_groups = few_are_enough()
    again = model.fit(X, X[:, 0]).get_weights()
    assert set(n_groups) == {1}
    assert all(map(np.array_equal, again, whole))


@pytest.mark.parametrize(
    "n_lanes, n_groups",
    [(1, 1), (31, 1), (32, 1), (63, 1), (64, 2), (96, 3), (97, 1), (100, 2), (256, 8)],
)
def test_n_groups_depends_on_lanes_alone(n_lanes, n_groups):
    """The number of lanes decides, so that every machine sums in the same order."""
    network = StackedLSTM(
        units=(256, 128),
        dropout=0.0,
        n_outputs=1,
        activation="linear",
        sequence_length=60,
        n_features=4,
        batch_size=None,
    )
    assert graphs.graph_of(network).n_groups(n_lanes, 60) == n_groups


@pytest.mark.thorough
def test_fit_large_network_in_lane_groups_equals_keras_loop():
    """Large enough to be cut without lowering anything."""
    T, B, units, epochs = 60, 64, 110, 1
    X, y = make_rows(T - 1 + 2 * B, 2, 0), make_rows(T - 1 + 2 * B, 1, 1)[:, 0]
    model, again = (
        StatefulLSTMRegressor(
            units, sequence_length=T, batch_size=B, epochs=epochs, random_state=0
        ).fit(X, y)
        for _ in range(2)
    )
    assert_identical_weights(again.get_weights(), model.get_weights())
    loop = keras_loop(
        lambda batch_size: keras_lstm(
            (units,),
            1,
            "linear",
            batch_size=batch_size,
            sequence_length=T,
            n_features=2,
            stateful=True,
        ),
        X,
        y,
        initial_weights=model.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=epochs,
        optimizer="adam",
        loss="mean_squared_error",
    )
    assert weight_change(model.initial_weights_, loop.weights) > 1000 * PARITY["atol"]
    assert_close(model.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(model.get_weights(), loop.weights, **PARITY)
