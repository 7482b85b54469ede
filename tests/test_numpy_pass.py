"""The NumPy forward pass and the compiled one: two ways, one answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_close, assert_same_state, outputs_of

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor, _numpy_pass
from sklstm._network.architecture import StackedLSTM


@pytest.fixture
def compile_everything(monkeypatch):
    """Calling it makes every later walk a compiled one."""
    return lambda: monkeypatch.setattr(_numpy_pass, "WORTH_COMPILING", -1.0)


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


def list_of_windows(n: int) -> list[np.ndarray]:
    lengths = np.random.default_rng(1).integers(1, 5, n)
    lengths[0] = 4
    return [rows(length, seed) for seed, length in enumerate(lengths)]


NUMBERS, TWO, THREE = np.arange(40.0) / 40, np.arange(40) % 2, np.arange(40) % 3
CASES = {
    "one lane": (StatefulLSTMRegressor, {}, rows(40), NUMBERS),
    "windows": (StatefulLSTMRegressor, {"sequence_length": 4}, rows(40), NUMBERS),
    "lanes": (
        StatefulLSTMRegressor,
        {"sequence_length": 3, "batch_size": 7, "units": (4, 3)},
        rows(40),
        rows(40, 1),
    ),
    "two classes": (StatefulLSTMClassifier, {"batch_size": 3}, rows(40), TWO),
    "three classes": (StatefulLSTMClassifier, {"units": (3, 2)}, rows(40), THREE),
    "stateless": (
        StatefulLSTMRegressor,
        {"stateful": False, "sequence_length": 3, "dropout": 0.5},
        rows(40),
        NUMBERS,
    ),
    "many lengths": (
        StatefulLSTMRegressor,
        {"batch_size": 3, "units": (3, 2)},
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


@pytest.mark.parametrize("name", CASES)
def test_the_two_passes_agree(name, compile_everything):
    """On training rows, rows that follow, cold rows, and in the states they leave."""
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


def test_certainty_is_kept_to_the_last_digit(compile_everything):
    """Probabilities near 0 are as small as the compiled ones, not rounded to 0."""
    model = StatefulLSTMClassifier(2, epochs=1, random_state=0).fit(rows(40), TWO)
    weights = (*model._parameters.weights[:-1], np.array([-60.0], np.float32))
    model._parameters = replace(model._parameters, weights=weights)
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
def test_the_choice_is_by_size(is_short, n_batches, n_lanes, changes):
    assert _numpy_pass.is_short(network(**changes), n_batches, n_lanes) is is_short
