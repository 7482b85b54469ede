"""Races ``step`` and ``predict``: the time of a prediction by a trained network.

``step``: the next row of a live series. sklstm predicts it and advances its state by
``model.step(row)``. The same stateful network in Keras does so by ``model.predict`` of
one window, and by a direct call of the model. Each call is timed by itself; a turn has
a number of calls, and their median is its time.

``predict``: many new rows at once, by ``predict(X)`` from zero state, and by
``model.predict(windows)`` of the Keras model, with windows that were cut before. Keras
predicts whole batches of complete windows only. The time of sklstm includes further
rows: the first ones, which have too few rows before them to fill a window, and those of
the last batch, which is not full.

Both networks have been called before and have the same weights. Their predictions must
agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from _contestants import (
    SMALL,
    Array,
    Size,
    build_keras,
    keras_windows,
    make_rows,
    make_sklstm,
    reset_keras,
)
from _measure import absolute_difference, median_seconds, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _turns import OURS, Turns, take_turns

KERAS_PREDICT, KERAS_CALL = "Keras predict", "Keras call"
LARGE = Size(32, 14, 1, (32,), 50)  # K is the number of batches in the fit
N_ROWS = 100_000
N_QUICK_ROWS = 1_000
N_COMPARED = 10_000  # rows by `step`; for so many, `predict` compiles a program
N_KERAS_COMPARED = 20
STEP_CALLS = {OURS: 2_000, KERAS_CALL: 200, KERAS_PREDICT: 30}  # calls in a turn
QUICK_STEP_CALLS = {OURS: 200, KERAS_CALL: 20, KERAS_PREDICT: 5}
TURNS = 5
STEP_TARGET = 60.0  # microseconds, at most
PREDICT_TARGET = 10.0  # how many times as long Keras takes, at least
# Absolute differences allowed between predictions, which are about 1 in size: of `step`
# and `predict`, and of sklstm and Keras, after many steps in float32.
SAME_ANSWERS = 1e-6
KERAS_ANSWERS = 1e-4


@dataclass(frozen=True)
class ServingResult:
    """Times, and the largest absolute difference of the answers compared."""

    turns: Turns
    differences: dict[str, float]


def make_both(size: Size) -> tuple[Any, Any]:
    """Fit an estimator, and build the stateful Keras model with its weights."""
    import_contestants()
    ours = make_sklstm(size, 1).fit(*make_rows(size))
    return ours, build_keras(size, ours.get_weights())


def make_new_rows(n_rows: int) -> Array:
    """Return rows of one feature that no fit has seen, of shape (n_rows, 1)."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((n_rows, 1)).astype("float32")


# --- one row at a time ------------------------------------------------------------


def race_step(report: Report, plan: Plan) -> None:
    """Time the prediction of a single row."""
    note(f"step at {SMALL.network}")
    n_calls = QUICK_STEP_CALLS if plan.quick else STEP_CALLS
    result = plan.processes.call(race_steps, n_calls, plan.turns(TURNS))
    differences = {
        ("one row", name): report.check(
            f"step: answers of {name}",
            difference,
            SAME_ANSWERS if name == OURS else KERAS_ANSWERS,
        )
        for name, difference in result.differences.items()
    }
    title = f"Answer to the next row, network {SMALL.network}"
    report.turns(title, {"one row": result.turns}, "µs", differences)
    micro = [1e6 * time for time in result.turns.times[OURS]]
    race = f"step at {SMALL.network}"
    report.sum_up(f"{race}: {OURS}", micro, at_most=STEP_TARGET, unit="µs")
    for name in (KERAS_CALL, KERAS_PREDICT):
        report.sum_up(f"{race}: {name} / {OURS}", result.turns.ratios(name))


def race_steps(n_calls: dict[str, int], repeats: int) -> ServingResult:
    """Compare the predictions of some rows, then time calls in turns."""
    ours, model = make_both(SMALL)
    X = make_new_rows(N_COMPARED)
    rows = list(X[:, np.newaxis])  # each (1, 1)
    windows = list(X[:N_KERAS_COMPARED, np.newaxis, np.newaxis])  # each (1, 1, 1)
    calls = {
        OURS: (ours.step, rows),
        KERAS_CALL: (partial(call_keras, model), windows),
        KERAS_PREDICT: (partial(model.predict, verbose=0), windows),
    }
    ours.reset_states()
    expected = ours.predict(X)
    differences = {}
    for name, (call, inputs) in calls.items():
        reset_keras(model)
        answers = np.ravel([call(one) for one in inputs])
        differences[name] = absolute_difference(answers, expected[: len(answers)])
    timers = {name: partial(time_calls, *calls[name], n) for name, n in n_calls.items()}
    return ServingResult(Turns(take_turns(timers, repeats)), differences)


def call_keras(model: Any, window: Array) -> Array:
    """Call the model directly."""
    return model(window).numpy()


def time_calls(call: Any, inputs: list[Array], n_calls: int) -> float:
    """Return the median seconds of ``n_calls`` calls, with the inputs in turn."""
    stream = cycle(inputs)
    return median_seconds(lambda: call(next(stream)), n_calls)


# --- many rows at once ------------------------------------------------------------


def race_predict(report: Report, plan: Plan) -> None:
    """Time the predictions of many new rows."""
    n_rows = N_QUICK_ROWS if plan.quick else N_ROWS
    label = f"{n_rows} rows at {LARGE.network}"
    note(f"predict {label}")
    result = plan.processes.call(race_predictions, n_rows, plan.turns(TURNS))
    difference = result.differences[KERAS_PREDICT]
    text = report.check("predict: answers of Keras", difference, KERAS_ANSWERS)
    differences = {(label, KERAS_PREDICT): text}
    report.turns("Predictions", {label: result.turns}, "s", differences)
    ratios = result.turns.ratios(KERAS_PREDICT)
    what = f"predict {label}: {KERAS_PREDICT} / {OURS}"
    report.sum_up(what, ratios, at_least=PREDICT_TARGET)


def race_predictions(n_rows: int, repeats: int) -> ServingResult:
    """Compare the predictions, which compiles all programs, then time in turns."""
    ours, model = make_both(LARGE)
    X = make_new_rows(n_rows)
    B, T = LARGE.batch_size, LARGE.sequence_length
    n_answered = (n_rows - T + 1) // B * B
    windows, _ = keras_windows(X, X[:, 0], T, 1)
    windows = windows[:n_answered]
    answers = predict_keras(model, windows, B)
    difference = absolute_difference(
        answers, predict_ours(ours, X)[T - 1 :][:n_answered]
    )
    predictions = {
        OURS: partial(predict_ours, ours, X),
        KERAS_PREDICT: partial(predict_keras, model, windows, B),
    }
    turns = {name: partial(seconds, predict) for name, predict in predictions.items()}
    return ServingResult(Turns(take_turns(turns, repeats)), {KERAS_PREDICT: difference})


def predict_ours(ours: Any, X: Array) -> Array:
    """Predict all rows from zero state."""
    return ours.reset_states().predict(X)


def predict_keras(model: Any, windows: Array, batch_size: int) -> Array:
    """Predict whole batches of windows from zero state."""
    reset_keras(model)
    return model.predict(windows, batch_size=batch_size, verbose=0)[:, 0]
