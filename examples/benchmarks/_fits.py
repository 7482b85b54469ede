"""Race ``fit``: the time of a whole fit, for the first and the second in a process.

The race prints three tables. The first is about a small estimator of sklstm. It times
the estimator's constructor and ``fit``, but no imports:

- *first*: the first fit of a process, which compiles;
- *first, kept programs*: the same, in a process that finds the programs which another
  process compiled, in the folder that an environment variable names;
- *second*: another fit of the same size in the process of *first*.

The second table compares fits of ten epochs with those of the Keras loop, at all sizes,
from rows to a trained model: the first fit in a process of its own, and a second one of
the same size. The fit of sklstm includes a pass over the training rows that computes
the state at their end. The loop has no such pass.

The third table is about the case in which compiling pays least: a huge network that is
trained once, for two epochs. The same program is raced uncompiled, as a graph that
TensorFlow runs. There is no target, since either may be faster.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _contestants import (
    LOOP,
    SIZES,
    SMALL,
    Array,
    Size,
    fit_keras,
    make_rows,
    make_sklstm,
)
from _measure import relative_difference, seconds
from _plan import Plan
from _processes import Process, import_contestants
from _report import Report, note
from _turns import OURS, Turns, take_turns

EPOCHS = 10
QUICK_EPOCHS = 2
CACHE_VARIABLE = "SKLSTM_CACHE"  # names the folder of programs kept on disk
FIRST, KEPT, SECOND = "first", "first, kept programs", "second"
TARGETS = {FIRST: 0.8, KEPT: 0.3, SECOND: 0.05}  # seconds, at most
HUGE = Size(32, 50, 16, (512, 512), 8)
HUGE_EPOCHS = 2
UNCOMPILED = "uncompiled"
SMALL_TURNS = 5
TURNS = 3


@dataclass(frozen=True)
class Fits:
    """The first and the second fit of a shape in one process."""

    seconds: tuple[float, float]
    losses: tuple[list[float], list[float]]
    weights: list[Array] | None = None  # initial weights, of sklstm only


def race(report: Report, plan: Plan) -> None:
    """Time small fits, whole fits at all sizes, and fits of a huge network."""
    race_small_fits(report, plan)
    race_whole_fits(report, plan)
    race_huge_fits(report, plan)


# --- the small estimator ----------------------------------------------------------


def race_small_fits(report: Report, plan: Plan) -> None:
    """Time first fits in fresh processes, with and without programs on disk."""
    note(f"first fits at {SMALL}")
    with tempfile.TemporaryDirectory() as folder:
        in_fresh_process(fit_ours, SMALL, EPOCHS, folder)  # fills the folder
        keeps = any(Path(folder).iterdir())
        fits = take_turns(
            {
                FIRST: partial(plan.processes.call, fit_ours, SMALL, EPOCHS),
                KEPT: partial(in_fresh_process, fit_ours, SMALL, EPOCHS, folder),
            },
            plan.turns(SMALL_TURNS),
        )
    times = {
        FIRST: [fit.seconds[0] for fit in fits[FIRST]],
        KEPT: [fit.seconds[0] for fit in fits[KEPT]],
        SECOND: [fit.seconds[1] for fit in fits[FIRST]],
    }
    label = f"{SMALL}, {EPOCHS} epochs"
    differences = check_small_fits(report, label, fits[FIRST][0], fits[KEPT][0])
    turns = {label: Turns(times, base=SECOND)}
    report.turns("Fits of a small estimator in a process", turns, "s", differences)
    if not keeps:
        report.say(f"{CACHE_VARIABLE} made this sklstm keep nothing on disk.")
    for name, goal in TARGETS.items():
        report.sum_up(f"fit: {name}, {label}", times[name], at_most=goal, unit="s")


def check_small_fits(
    report: Report, label: str, first: Fits, kept: Fits
) -> dict[tuple[str, str], str]:
    """Compare the losses of first fits with those of a second one."""
    second = first.losses[1]
    losses = {FIRST: first.losses[0], KEPT: kept.losses[0]}
    return {
        (label, name): report.check(
            f"losses of fits ({name} and second)", relative_difference(ours, second)
        )
        for name, ours in losses.items()
    }


def in_fresh_process(function: Callable[..., Fits], *args: Any) -> Fits:
    """Call a function in a process of its own, also in a quick run."""
    with Process() as process:
        return process.call(function, *args)


# --- all sizes, beside the loop ---------------------------------------------------


def race_whole_fits(report: Report, plan: Plan) -> None:
    """Time whole fits of both at all sizes, or at the smallest one in a quick run."""
    sizes = [SIZES[1]] if plan.quick else list(SIZES.values())
    epochs = QUICK_EPOCHS if plan.quick else EPOCHS
    raced, differences = {}, {}
    for size in sizes:
        note(f"whole fits at {size}")
        fits = race_whole_fits_at(size, epochs, plan)
        difference = relative_difference(fits[LOOP][0].losses, fits[OURS][0].losses)
        text = report.check(f"losses of whole fits at {size}", difference)
        for i, which in enumerate((FIRST, SECOND)):
            label = f"{size}, {which}"
            times = {
                name: [fit.seconds[i] for fit in several]
                for name, several in fits.items()
            }
            raced[label] = Turns(times)
            differences[label, LOOP] = text
            what = f"fit: {which}, {size}, {epochs} epochs: {LOOP} / {OURS}"
            report.sum_up(what, raced[label].ratios(LOOP))
    report.turns(f"Whole fit of {epochs} epochs", raced, "s", differences)


def race_whole_fits_at(size: Size, epochs: int, plan: Plan) -> dict[str, list[Fits]]:
    """Let sklstm and the loop fit in turns, from the same initial weights."""
    weights: list[Array] = []

    def run_ours() -> Fits:
        fits = plan.processes.call(fit_ours, size, epochs)
        weights[:] = fits.weights
        return fits

    def run_loop() -> Fits:
        return plan.processes.call(fit_loop, size, epochs, weights)

    return take_turns({OURS: run_ours, LOOP: run_loop}, plan.turns(TURNS))


# --- a huge network ---------------------------------------------------------------


def race_huge_fits(report: Report, plan: Plan) -> None:
    """Time first fits of a huge network, compiled and not; a small one if quick."""
    size = SIZES[1] if plan.quick else HUGE
    label = f"{size}, {HUGE_EPOCHS} epochs"
    note(f"compiled or not at {label}")
    fits = take_turns(
        {
            name: partial(in_fresh_process, fit_once, size, HUGE_EPOCHS, is_compiled)
            for name, is_compiled in ((OURS, True), (UNCOMPILED, False))
        },
        plan.turns(TURNS),
    )
    times = {name: [fit.seconds[0] for fit in found] for name, found in fits.items()}
    losses = {name: found[0].losses[0] for name, found in fits.items()}
    text = report.check(
        "losses of huge fits", relative_difference(losses[UNCOMPILED], losses[OURS])
    )
    turns = {label: Turns(times)}
    report.turns("First fit, compiled or not", turns, "s", {(label, UNCOMPILED): text})
    what = f"fit: first, {label}: {UNCOMPILED} / {OURS}"
    report.sum_up(what, turns[label].ratios(UNCOMPILED))


# --- in the contestants' processes ------------------------------------------------


def fit_ours(size: Size, epochs: int, folder: str | None = None) -> Fits:
    """Fit sklstm twice; compiled programs are kept in `folder`, if one is given."""
    os.environ.pop(CACHE_VARIABLE, None)
    if folder is not None:
        os.environ[CACHE_VARIABLE] = folder
    import_contestants()
    X, y = make_rows(size)
    fitted = []

    def make_and_fit() -> None:
        fitted.append(make_sklstm(size, epochs).fit(X, y))

    times = seconds(make_and_fit), seconds(make_and_fit)
    first, second = (one.history_["loss"] for one in fitted)
    return Fits(times, (first, second), fitted[0].initial_weights_)


def fit_once(size: Size, epochs: int, is_compiled: bool) -> Fits:
    """Fit sklstm once in a process that has not fitted before, compiled or not."""
    import_contestants()
    import tensorflow as tf

    if not is_compiled:
        trace = tf.function
        tf.function = lambda *args, **kwargs: trace(
            *args, **{**kwargs, "jit_compile": False}
        )
    X, y = make_rows(size)
    model = make_sklstm(size, epochs)
    taken = seconds(partial(model.fit, X, y))
    losses = model.history_["loss"]
    return Fits((taken, float("nan")), (losses, losses))


def fit_loop(size: Size, epochs: int, weights: list[Array]) -> Fits:
    """Fit by the Keras loop twice, both times from `weights`."""
    import_contestants()
    X, y = make_rows(size)
    losses: list[list[float]] = []

    def build_and_fit() -> None:
        losses.append(fit_keras(size, X, y, weights, epochs))

    times = seconds(build_and_fit), seconds(build_and_fit)
    return Fits(times, (losses[0], losses[1]))
