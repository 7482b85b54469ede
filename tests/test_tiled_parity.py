"""Parity of tiled windows: `fit` equals a plain Keras loop over tiles cut by hand.

The oracle is in ``tiled_cases``: Keras's own layers with resets and masks by hand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_same_weights,
    first_ordinary,
    make_rows,
    outputs_of,
    weight_change,
    with_rest_thorough,
)
from parity_cases import TASKS, make_data
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from tiled_cases import (
    Run,
    lanes_of,
    tiled_keras_loop,
    tiled_lstm,
    walk_series,
)

B, T, K = 3, 4, 3
EPOCHS = 3
SETTINGS = {
    "windows": "tiled",
    "sequence_length": T,
    "batch_size": B,
    "shuffle": False,
    "epochs": EPOCHS,
    "optimizer": "adam",
    "optimizer__learning_rate": 0.02,
    "random_state": 0,
}
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.02}}
N = B * T * K


class Case(NamedTuple):
    """What of a fit differs from the plain one, and what it is for the oracle."""

    n_rows: int = N
    units: tuple[int, ...] = (4,)
    task: str = "regression"
    estimator: dict[str, Any] = {}
    oracle: dict[str, Any] = {}
    weighted: bool = False
    cell: str = "lstm"


CASES = {
    "whole tiles": Case(),
    "two layers": Case(units=(4, 3)),
    "a row more": Case(n_rows=N + 1),
    "a row less": Case(n_rows=N - 1),
    "fewer rows than a tile": Case(n_rows=7),
    "fewer rows than lanes": Case(n_rows=2),
    "one row": Case(n_rows=1),
    "two classes": Case(task="binary"),
    "three classes": Case(task="three classes"),
    "weighted": Case(weighted=True),
    "weighted classes": Case(task="three classes", weighted=True, n_rows=N + 5),
    "stateless": Case(estimator={"stateful": False}, oracle={"carries": False}),
    "stateless ragged": Case(
        n_rows=N + 5, estimator={"stateful": False}, oracle={"carries": False}
    ),
    "GRU, two layers": Case(units=(4, 3), n_rows=N + 5, cell="gru"),
    "RNN, two layers": Case(units=(4, 3), n_rows=N + 5, cell="rnn"),
}


def fit_both(case: Case) -> tuple[Any, Any, Any, Any]:
    """Return the data, the fitted estimator, the loop, and a builder of its model."""
    data = make_data(case.task, case.n_rows)
    n_outputs, activation, loss = TASKS[case.task]
    is_classifier = case.task in ("binary", "three classes")
    kind = StatefulLSTMClassifier if is_classifier else StatefulLSTMRegressor
    weight = data.sample_weight if case.weighted else None
    estimator = kind(case.units, cell=case.cell, **SETTINGS, **case.estimator)
    estimator.fit(data.X, data.y, sample_weight=weight)
    n_features = data.X.shape[1]
    build = tiled_lstm(case.units, n_outputs, activation, n_features, case.cell)
    loop = tiled_keras_loop(
        build,
        data.X,
        data.y_encoded,
        [tuple(range(case.n_rows))],
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss=loss,
        sample_weight=weight,
        **case.oracle,
    )
    return data, estimator, loop, build


def assert_tiled_parity(
    estimator: Any,
    loop: Any,
    build: Any,
    X: Any,
    rows: np.ndarray,
    runs: list[Run],
    reset_every: int | None = None,
) -> None:
    """Compare losses, weights and outputs for `X`, whose runs start from zero state."""
    weights = loop.model.get_weights()
    # Otherwise a fit that does nothing would pass.
    assert weight_change(estimator.initial_weights_, weights) > 1000 * PARITY["atol"]
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), weights, **PARITY)
    expected = walk_series(build, weights, rows, runs, reset_every)
    assert_close(outputs_of(estimator, X), expected, what="outputs", **PARITY)


ORDINARY = (
    "two layers",
    "fewer rows than a tile",
    "weighted classes",
    "stateless ragged",
)


@pytest.mark.parametrize("name", with_rest_thorough(CASES, ORDINARY))
def test_fit_tiled_equals_keras_loop(name):
    """One series: its rows in the fit, and the rows that follow."""
    case = CASES[name]
    data, estimator, loop, build = fit_both(case)
    n, X = case.n_rows, np.vstack([data.X, data.X_new])
    reset_every = T if case.estimator.get("stateful") is False else None
    assert_tiled_parity(
        estimator, loop, build, data.X, data.X, [tuple(range(n))], reset_every
    )
    weights = loop.model.get_weights()
    expected = walk_series(build, weights, X, [tuple(range(len(X)))], reset_every)
    assert_close(outputs_of(estimator, data.X_new), expected[n:], **PARITY)


def test_fit_whole_tiles_lane_reads_consecutive_rows():
    """Lane b of the oracle reads rows b·T·K to (b + 1)·T·K, in K tiles."""
    lanes = lanes_of([tuple(range(N))], B, T)
    for b, lane in enumerate(lanes):
        assert [step.row for step in lane] == list(range(b * T * K, (b + 1) * T * K))
        assert [step.begins for step in lane] == [True] + [False] * (T * K - 1)


def test_fit_tiled_class_weight_equals_keras_loop():
    """Class weights are one more weight on every row."""
    task = "three classes"
    data = make_data(task, N + 2)
    by_class = {label: 0.5 + k for k, label in enumerate(np.unique(data.y).tolist())}
    n_outputs, activation, loss = TASKS[task]
    estimator = StatefulLSTMClassifier((4,), class_weight=by_class, **SETTINGS)
    estimator.fit(data.X, data.y, sample_weight=data.sample_weight)
    build = tiled_lstm((4,), n_outputs, activation, data.X.shape[1])
    runs = [tuple(range(N + 2))]
    loop = tiled_keras_loop(
        build,
        data.X,
        data.y_encoded,
        runs,
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss=loss,
        sample_weight=data.sample_weight * [by_class[label] for label in data.y],
    )
    assert_tiled_parity(estimator, loop, build, data.X, data.X, runs)


# --------------------------------------------------------------------------------------
# Panels
# --------------------------------------------------------------------------------------

LENGTHS = {"a": 13, "b": 1, "c": 7, "d": 4}  # rows of each series


def make_panel(lengths: dict[str, int], seed: int = 0) -> tuple[Any, dict[str, Run]]:
    """Return a frame whose rows are interleaved, and the rows of each series."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(list(lengths), list(lengths.values())))
    frame = pd.DataFrame(make_rows(len(ids), 2, seed=seed + 5), columns=["u", "v"])
    frame.insert(1, "shop", ids)
    order = dict.fromkeys(ids.tolist())
    return frame, {one: tuple(np.flatnonzero(ids == one).tolist()) for one in order}


@pytest.mark.parametrize("stateful", [True, False])
@pytest.mark.parametrize("seed", first_ordinary(1, [0, 1]))
def test_fit_tiled_panel_equals_keras_loop(seed, stateful):
    """Series of unequal lengths: runs begin in the middle of tiles."""
    frame, rows = make_panel(LENGTHS, seed)
    values = frame[["u", "v"]].to_numpy()
    y = np.sin(values.cumsum(axis=0)[:, 0])
    weight = np.random.default_rng(seed).choice([0.0, 0.5, 2.0], len(y))
    runs = list(rows.values())
    estimator = StatefulLSTMRegressor(
        (4,), series_id="shop", stateful=stateful, **SETTINGS
    )
    estimator.fit(frame, y, sample_weight=weight)
    assert list(estimator.series_) == list(rows)
    build = tiled_lstm((4,), 1, "linear", 2)
    loop = tiled_keras_loop(
        build,
        values,
        y,
        runs,
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss="mean_squared_error",
        sample_weight=weight,
        carries=stateful,
    )
    every = None if stateful else T
    assert_tiled_parity(estimator, loop, build, frame, values, runs, every)


def test_fit_tiled_breaks_with_reset_equal_keras_loop():
    """With ``on_gap="reset"`` a run begins after each break, in a tile's middle too."""
    days = pd.date_range("2024-01-01", periods=60)
    kept = np.r_[0:9, 12:18, 30:41]  # three runs
    frame = pd.DataFrame(
        make_rows(len(kept), 2, seed=3), days[kept], columns=["u", "v"]
    )
    values = frame.to_numpy()
    y = np.cos(values.cumsum(axis=0)[:, 0])
    runs = [tuple(range(9)), tuple(range(9, 15)), tuple(range(15, 26))]
    estimator = StatefulLSTMRegressor((4,), on_gap="reset", **SETTINGS).fit(frame, y)
    build = tiled_lstm((4,), 1, "linear", 2)
    loop = tiled_keras_loop(
        build,
        values,
        y,
        runs,
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss="mean_squared_error",
    )
    assert_tiled_parity(estimator, loop, build, frame, values, runs)


@pytest.mark.parametrize("stateful", first_ordinary(1, [True, False]))
def test_fit_tiled_validation_loss_equals_walk(stateful):
    """The last share of each series is held out, and reached by a walk over it all."""
    share = 0.3
    frame, rows = make_panel(LENGTHS, seed=2)
    values = frame[["u", "v"]].to_numpy()
    y = np.sin(values.cumsum(axis=0)[:, 1])
    weight = np.linspace(0.5, 2.0, len(y))
    n_kept = {one: len(run) - int(share * len(run)) for one, run in rows.items()}
    trained = [run[: n_kept[one]] for one, run in rows.items()]
    held_out = [(run[: n_kept[one]], run[n_kept[one] :]) for one, run in rows.items()]
    estimator = StatefulLSTMRegressor(
        (4,),
        series_id="shop",
        validation_split=share,
        stateful=stateful,
        **SETTINGS,
    ).fit(frame, y, sample_weight=weight)
    build = tiled_lstm((4,), 1, "linear", 2)
    loop = tiled_keras_loop(
        build,
        values,
        y,
        trained,
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss="mean_squared_error",
        sample_weight=weight,
        carries=stateful,
        held_out=held_out,
    )
    assert_close(estimator.history_["val_loss"], loop.val_losses, **PARITY)
    every = None if stateful else T
    assert_tiled_parity(
        estimator, loop, build, frame, values, list(rows.values()), every
    )


# --------------------------------------------------------------------------------------
# Networks of one's own
# --------------------------------------------------------------------------------------


def gru(meta: dict[str, Any]) -> Any:
    """Return a GRU that a user would write for both kinds of windows."""
    import keras

    shape = meta["batch_size"], meta["sequence_length"], meta["n_features_in_"]
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.GRU(
                4,
                stateful=meta["stateful"],
                return_sequences=meta["return_sequences"],
            ),
            keras.layers.Dense(meta["n_outputs_"]),
        ]
    )


def build_gru(batch_size: int) -> Any:
    """Return the same with an output at each step, for any number of steps."""
    return gru(
        {
            "batch_size": batch_size,
            "sequence_length": None,
            "n_features_in_": 2,
            "stateful": True,
            "return_sequences": True,
            "n_outputs_": 1,
        }
    )


@pytest.mark.thorough
def test_fit_tiled_own_model_equals_keras_loop():
    """A run begins with a tile: the layers can be reset nowhere else."""
    frame, rows = make_panel(LENGTHS, seed=4)
    values = frame[["u", "v"]].to_numpy()
    y = np.sin(values.cumsum(axis=0)[:, 0])
    runs = list(rows.values())
    estimator = StatefulLSTMRegressor(model=gru, series_id="shop", **SETTINGS)
    estimator.fit(frame, y)
    loop = tiled_keras_loop(
        build_gru,
        values,
        y,
        runs,
        initial_weights=estimator.initial_weights_,
        batch_size=B,
        sequence_length=T,
        epochs=EPOCHS,
        optimizer=ADAM,
        loss="mean_squared_error",
        aligned=True,
    )
    assert_tiled_parity(estimator, loop, build_gru, frame, values, runs)


def normalised(meta):
    """A network that keeps the mean and variance of the last batch it has seen."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.BatchNormalization(momentum=0.0),
            keras.layers.LSTM(2, stateful=True, return_sequences=True),
            keras.layers.Dense(1),
        ]
    )


@pytest.mark.parametrize("n_rows", first_ordinary(1, [7, 8, 9]))
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_fit_tiled_batch_normalisation_sees_live_rows_only(call, n_rows):
    """Where a tile has no row, others of the tile stand in, each as often.

    The last tile has one row, two or three. In `fit` the other lane has none left.
    """
    X = make_rows(n_rows, 2, seed=7)
    X[0] = 1000.0
    estimator = StatefulLSTMRegressor(
        model=normalised, windows="tiled", sequence_length=3, batch_size=2, epochs=1,
        shuffle=False, loss="mse", random_state=0,
    )  # fmt: skip
    getattr(estimator, call)(X, X[:, 0])
    _, _, mean, variance = estimator.get_weights()[:4]
    last = X[6:]
    if call == "partial_fit" and n_rows == 8:
        last = X[[6, 7, 6]]  # one lane of three steps
    assert_close(mean, last.mean(axis=0), rtol=1e-5)
    assert_close(variance, last.var(axis=0), rtol=1e-4, atol=1e-6)


# --------------------------------------------------------------------------------------
# partial_fit
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [None, gru], ids=["LSTM", "GRU"])
def test_partial_fit_tiled_equals_keras_loop_of_one_pass(model):
    """Each series has a lane, cut every T rows; a new one joins from zero state."""
    frame, rows = make_panel({"a": 9, "b": 6, "c": 2}, seed=5)
    values = frame[["u", "v"]].to_numpy()
    y = np.sin(values.cumsum(axis=0)[:, 0])
    estimator = StatefulLSTMRegressor(
        (4,), model=model, series_id="shop", **SETTINGS
    ).partial_fit(frame, y)
    build = tiled_lstm((4,), 1, "linear", 2) if model is None else build_gru
    loop = tiled_keras_loop(
        build,
        values,
        y,
        list(rows.values()),
        initial_weights=estimator.initial_weights_,
        batch_size=len(rows),
        sequence_length=T,
        epochs=1,
        optimizer=ADAM,
        loss="mean_squared_error",
        one_series_a_lane=True,
    )
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), loop.model.get_weights(), **PARITY)
