"""The NumPy forward pass and the compiled one: two ways, one answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_state,
    first_ordinary,
    make_rows,
    outputs_of,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.outputs import walk, zero_state
from sklstm._network import numpy_forward
from sklstm._network.architecture import StackedLSTM
from sklstm._rows.windows import Windows


@pytest.fixture
def compile_everything(monkeypatch):
    """Calling it makes every later walk a compiled one."""
    return lambda: monkeypatch.setattr(numpy_forward, "WORTH_COMPILING", -1.0)


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


def list_of_windows(n: int) -> list[np.ndarray]:
    lengths = np.random.default_rng(1).integers(1, 5, n)
    lengths[0] = 4
    return [rows(length, seed) for seed, length in enumerate(lengths)]


NUMBERS, TWO, THREE = np.arange(40.0) / 40, np.arange(40) % 2, np.arange(40) % 3
CASES = {
    "one lane": (StatefulLSTMRegressor, {"sequence_length": 4}, rows(40), NUMBERS),
    "lanes": (
        StatefulLSTMRegressor,
        {"sequence_length": 3, "batch_size": 7, "units": (4, 3), "cell": "rnn"},
        rows(40),
        rows(40, 1),
    ),
    "two classes": (
        StatefulLSTMClassifier,
        {"batch_size": 3, "cell": "gru"},
        rows(40),
        TWO,
    ),
    "three classes": (StatefulLSTMClassifier, {}, rows(40), THREE),
    "stateless": (
        StatefulLSTMRegressor,
        {"stateful": False, "sequence_length": 3, "dropout": 0.5},
        rows(40),
        NUMBERS,
    ),
    "many lengths": (
        StatefulLSTMRegressor,
        {"batch_size": 3, "units": (3, 2), "cell": "gru"},
        list_of_windows(40),
        NUMBERS,
    ),
    "many lengths, stateless": (
        StatefulLSTMRegressor,
        {"stateful": False},
        list_of_windows(40),
        NUMBERS,
    ),
}


@pytest.mark.parametrize("name", first_ordinary(1, CASES))
def test_numpy_pass_equals_compiled_pass(name, compile_everything):
    """On training rows, rows that follow and rows after a reset; states too."""
    kind, options, X, y = CASES[name]
    model = kind(**{"units": 3, "epochs": 1, "random_state": 0} | options).fit(X, y)
    tail = X[-17:]

    def everything():
        seeded = model.reseed_states().get_states()
        found = [outputs_of(model, X), outputs_of(model, tail)]
        states = [seeded, model.observe(tail).get_states()]
        model.reset_states()
        found.append(outputs_of(model, tail))
        return found, [*states, model.observe(tail).get_states()]

    here, states_here = everything()
    compile_everything()
    there, states_there = everything()
    for a, b in zip(here, there, strict=True):
        assert_close(a, b)
    for a, b in zip(states_here, states_there, strict=True):
        assert_same_state(a, b, rtol=1e-5, atol=2e-6)


def test_predict_proba_near_zero_equals_compiled_pass(compile_everything):
    """The NumPy pass does not round probabilities near 0 to 0."""
    model = StatefulLSTMClassifier(2, epochs=1, random_state=0).fit(rows(40), TWO)
    weights = (*model._fitted.parameters.weights[:-1], np.array([-60.0], np.float32))
    parameters = replace(model._fitted.parameters, weights=weights)
    model._fitted = replace(model._fitted, parameters=parameters)
    here = model.predict_proba(rows(3))[:, 1]
    assert np.all(here > 0) and np.all(here < 1e-20)
    compile_everything()
    assert_close(model.predict_proba(rows(3))[:, 1], here, rtol=1e-3, atol=0)


def network(**changes) -> StackedLSTM:
    described = {
        "units": (32,),
        "dropout": 0.0,
        "n_outputs": 1,
        "activation": "linear",
        "sequence_length": 1,
        "n_features": 1,
        "batch_size": 1,
    }
    return StackedLSTM(**described | changes)


@pytest.mark.parametrize(
    ("is_short", "n_batches", "n_lanes", "changes"),
    [
        (True, 1, 1, {}),
        (True, 5000, 1, {}),
        (False, 100_000, 1, {}),
        (False, 5000, 1, {"sequence_length": 50}),
        (False, 5000, 256, {}),
        (False, 5000, 1, {"units": (512, 512)}),
    ],
)
def test_is_short_depends_on_size(is_short, n_batches, n_lanes, changes):
    made = network(**changes)
    n_steps = n_batches * made.sequence_length
    assert numpy_forward.is_short(made, n_steps, n_lanes) is is_short


@pytest.mark.parametrize("stateful", [True, False])
def test_walk_one_row_of_large_network_compiles_nothing(stateful):
    """The NumPy pass computes the lanes that have a window, however many there are."""
    network = StackedLSTM(
        units=(128, 128),
        dropout=0.0,
        n_outputs=1,
        activation="linear",
        sequence_length=60,
        n_features=2,
        batch_size=256 if stateful else None,
    )
    weights = network.initial_weights(np.random.default_rng(0))
    state = zero_state(network, 2)
    windows = Windows.of(
        np.float32(make_rows(1, 2, seed=1)), np.float32(make_rows(59, 2, seed=3)), 60
    )
    with pytest.MonkeyPatch.context() as patch:
        # Whoever borrowed a compiled program from it would fail.
        patch.setattr("sklstm._compiled.outputs.POOL", None)
        outputs, _ = walk(network, Parameters(tuple(weights)), windows, state)
    assert outputs.shape == (1, 1)
