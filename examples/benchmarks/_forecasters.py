"""Race ``epoch``, in a table of its own: whole stateless fits beside skforecast's.

skforecast trains a stateless network on windows of one column of a frame. One call
checks the frame, cuts the windows, trains, and predicts all windows once more for the
spread of the residuals. So its epochs cannot be timed, and it cannot carry the state.
Whole fits are raced here instead, without a target. Both have the same column, windows,
network, initial weights and number of epochs.

Both have fitted once before. skforecast then goes on training the model that it was
given, and need not build or trace it again; sklstm begins each fit anew. The second
dense layer of skforecast's default network is left out.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

from _contestants import LEARNING_RATE, Array, Size, make_series, make_sklstm
from _measure import is_installed, relative_difference, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _turns import OURS, Turns, take_turns

SKFORECAST = "skforecast"
SIZE = Size(32, 30, 1, (64,), 30)
QUICK_SIZE = Size(4, 7, 1, (8,), 5)
EPOCHS = 10
TURNS = 5


@dataclass(frozen=True)
class ForecasterResult:
    """Times, and the largest relative difference of the first fits' losses."""

    turns: Turns
    difference: float


def race(report: Report, plan: Plan) -> None:
    """Race whole fits, if skforecast is installed."""
    if not is_installed(SKFORECAST):
        return
    size = QUICK_SIZE if plan.quick else SIZE
    note(f"whole stateless fits at {size}")
    result = plan.processes.call(race_fits, size, plan.turns(TURNS))
    label = f"{size}, stateless, {EPOCHS} epochs"
    difference = report.check(f"losses of {SKFORECAST}", result.difference)
    report.turns(
        "Whole warm fit of one column",
        {label: result.turns},
        "s",
        {(label, SKFORECAST): difference},
    )
    what = f"epoch, whole fit at {label}: {SKFORECAST} / {OURS}"
    report.sum_up(what, result.turns.ratios(SKFORECAST))


def race_fits(size: Size, repeats: int) -> ForecasterResult:
    """Fit both once and compare their losses, then let them take turns."""
    import_contestants()
    X, y = make_series(size.n_rows)  # row i is the value before y[i]
    ours = make_sklstm(size, EPOCHS, stateful=False, shuffle=False).fit(X, y)
    frame = make_frame(X, y)
    theirs = build_forecaster(size, frame, ours.initial_weights_)
    fit_theirs = partial(theirs.fit, frame, suppress_warnings=True)
    fit_theirs()
    difference = relative_difference(theirs.history_["loss"], ours.history_["loss"])
    fits = {OURS: partial(ours.fit, X, y), SKFORECAST: fit_theirs}
    turns = {name: partial(seconds, fit) for name, fit in fits.items()}
    return ForecasterResult(Turns(take_turns(turns, repeats)), difference)


def make_frame(X: Array, y: Array) -> Any:
    """Return the series of which X and y are pieces, in the form skforecast takes."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame({"value": np.append(X[:, 0], y[-1])})


def build_forecaster(size: Size, frame: Any, weights: list[Array]) -> Any:
    """Build skforecast's forecaster with the network of sklstm's estimator."""
    import keras
    from skforecast.deep_learning import ForecasterRnn, create_and_compile_model

    with contextlib.redirect_stdout(io.StringIO()):  # skforecast prints versions
        model = create_and_compile_model(
            series=frame,
            lags=size.sequence_length,
            steps=1,
            levels="value",
            recurrent_units=list(size.units),
            dense_units=None,
            compile_kwargs={
                "optimizer": keras.optimizers.Adam(LEARNING_RATE),
                "loss": "mse",
            },
        )
    model.set_weights(weights)
    with warnings.catch_warnings():
        # skforecast copies the model, and Keras warns that its optimizer is not built.
        warnings.simplefilter("ignore")
        return ForecasterRnn(
            estimator=model,
            levels="value",
            lags=size.sequence_length,
            transformer_series=None,
            fit_kwargs={
                "epochs": EPOCHS,
                "batch_size": size.batch_size,
                "shuffle": False,
                "verbose": 0,
            },
        )
