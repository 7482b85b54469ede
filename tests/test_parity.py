"""Parity: `fit` equals a plain Keras loop in losses, weights and predictions."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from parity_cases import EPOCHS, OPTIMIZERS, TASKS, assert_parity, lstm_loop, make_data
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

GEOMETRIES = list(itertools.product([(4,), (4, 3)], [1, 3, 7], [1, 5]))
#: Of other cells than the LSTM, the geometry and the mode of the ordinary run.
ORDINARY = {
    "gru": (((4, 3), 3, 5), "left-filled"),
    "rnn": (((4, 3), 3, 5), "stateless short"),
}
#: The target of each geometry.
TARGETS = [
    *("binary", "two outputs", "regression", "three classes"),
    *("two outputs", "binary", "regression", "three classes"),
    *("regression", "two outputs", "three classes", "binary"),
]
MODES = ["exact", "dropped", "left-filled", "stateless", "stateless short"]


def is_in_other_half(units: tuple, batch_size: int, sequence_length: int) -> bool:
    """Return whether a geometry is left to the thorough run."""
    levels = (2, 1).index(len(units)), (1, 3, 7).index(batch_size), sequence_length == 5
    return sum(levels) % 2 == 0


def make_cases(cell: str) -> list[dict[str, Any]]:
    """Return every geometry in every mode, target and optimizer going round.

    Both are the same for all modes of a geometry, so that its compiled programs are
    shared. The ordinary run takes every third case of the half of the geometries in
    which any two of layers, lanes and steps still meet; all runs together take every
    mode of every geometry. Over all geometries each target meets each number of layers.
    Sample weights come with every second mode of a target. Other cells than the LSTM
    take the other half only, and one case of it in the ordinary run.
    """
    cases = []
    for g, (units, batch_size, sequence_length) in enumerate(GEOMETRIES):
        for m, mode in enumerate(MODES):
            if batch_size == 1 and mode not in ("exact", "stateless"):
                continue  # with one lane nothing is ever left over
            geometry = units, batch_size, sequence_length
            if cell != "lstm" and not is_in_other_half(*geometry):
                continue  # what is around the cell is the same for all of them
            # every third mode of half of the geometries is enough for each run
            is_extra = is_in_other_half(*geometry) or len(cases) % 3 != 0
            if cell != "lstm":
                is_extra = (geometry, mode) != ORDINARY[cell]
            cases.append(
                {
                    "thorough": is_extra,
                    "cell": cell,
                    "units": units,
                    "batch_size": batch_size,
                    "sequence_length": sequence_length,
                    "mode": mode,
                    "task": TARGETS[g],
                    "weighted": (g // 4 + m) % 2 == 0,
                    "optimizer": ["adam", "sgd"][(g // 4 + g) % 2],
                }
            )
    return cases


CASES = [case for cell in ("lstm", "gru", "rnn") for case in make_cases(cell)]


def n_windows_for(mode: str, batch_size: int) -> int:
    """Return a number of windows with the remainder that ``mode`` is about."""
    full = {1: 3, 3: 9, 7: 14}[batch_size]
    return full if mode in ("exact", "stateless") else full + (batch_size + 1) // 2


def case_id(case: dict[str, Any]) -> str:
    """Name a case for pytest."""
    return "-".join(
        [
            f"{len(case['units'])}layer",
            f"B{case['batch_size']}",
            f"T{case['sequence_length']}",
            case["mode"].replace(" ", "_"),
            case["task"].replace(" ", "_"),
            "weighted" if case["weighted"] else "even",
            case["optimizer"],
            case["cell"],
        ]
    )


# --------------------------------------------------------------------------------------
# The estimators agree with Keras
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.thorough] * case["thorough"])
        for case in CASES
    ],
    ids=case_id,
)
def test_fit_equals_keras_loop(case):
    """Epoch losses, final weights and predictions are those of the plain loop."""
    task, B, T = case["task"], case["batch_size"], case["sequence_length"]
    n_windows = n_windows_for(case["mode"], B)
    data = make_data(task, n_windows + T - 1)
    n_outputs, activation, loss = TASKS[task]
    optimizer = OPTIMIZERS[case["optimizer"]]
    stateful = not case["mode"].startswith("stateless")
    drop_remainder = case["mode"] != "left-filled"
    sample_weight = data.sample_weight if case["weighted"] else None
    kind = StatefulLSTMRegressor if data.y.dtype.kind == "f" else StatefulLSTMClassifier
    estimator = kind(
        case["units"],
        cell=case["cell"],
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        shuffle=False,
        drop_remainder=drop_remainder,
        epochs=EPOCHS,
        optimizer=case["optimizer"],
        optimizer__learning_rate=optimizer["config"]["learning_rate"],
        random_state=11,
    ).fit(data.X, data.y, sample_weight=sample_weight)

    loop = lstm_loop(
        case["units"],
        n_outputs,
        activation,
        data.X,
        data.y_encoded,
        cell=case["cell"],
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=EPOCHS,
        optimizer=optimizer,
        loss=loss,
        stateful=stateful,
        drop_remainder=drop_remainder,
        sample_weight=sample_weight,
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)
    n_dropped = n_windows % B if case["mode"] == "dropped" else 0
    assert estimator.n_dropped_windows_ == n_dropped
    assert estimator.n_windows_ == n_windows - n_dropped == len(loop.in_sample)
