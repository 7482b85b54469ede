"""Race ``epoch``: seconds per epoch of training, at four sizes.

All contestants start from the same weights, and have been run once before they take
turns of about a second each. A turn of M epochs is timed as follows.

- sklstm: no public call runs a single epoch, so its time is what M further epochs add
  to a fit, (fit with 1 + M epochs - fit with 1 epoch) / M. This includes all that an
  epoch costs, such as the history. It leaves out what a fit costs once, which is the
  subject of the race ``fit``.
- The Keras loop: M times ``fit(epochs=1)`` and a reset, on a built model, divided by M.
  It also races with ``steps_per_execution``, which runs all batches of an epoch in one
  call of TensorFlow, and as *compiled*, with ``jit_compile=True`` in addition.
- scikeras alone: one ``fit`` of M epochs on windows; a callback resets the states.
- PyTorch: M epochs of an eager loop, with the default number of threads and with one.
  The summary takes the faster of the two in each turn.
- The floor: the time of an epoch's matrix products at the best speed of NumPy that was
  measured in this run, the same figure in every turn.

The losses of the first epochs must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from _contestants import LOOP, SIZES, Array, Size, fit_sklstm
from _floor import count_operations, time_floor
from _measure import is_installed, relative_difference, seconds
from _plan import Plan
from _processes import Process, import_contestants
from _report import Report, note
from _rivals import PYTORCH, PYTORCH_ALONE, RIVALS, TORCH
from _turns import OURS, Turns, take_turns

FLOOR = "floor"
PYTORCH_FASTER = "PyTorch, its faster setting"
TURNS = 7
TARGETS = {  # how many times as long as sklstm, at least, by the number of the size
    LOOP: {1: 120.0, 2: 30.0, 3: 6.0, 4: 2.0},
    PYTORCH_FASTER: {1: 25.0, 2: 6.0, 3: 1.3, 4: 1.2},
}
FLOOR_TARGET = 2.5  # how many times as long as the floor sklstm takes, at most
FLOOR_SIZE = 4


@dataclass(frozen=True)
class Pace:
    """How many epochs' losses are compared, and the least length of a turn."""

    first_epochs: int = 10
    turn_seconds: float = 1.0


QUICK_PACE = Pace(3, 0.1)


def race(report: Report, plan: Plan) -> None:
    """Race at all sizes, or only at the smallest one in a quick run."""
    numbers = [1] if plan.quick else list(SIZES)
    raced, differences, speeds = {}, {}, []
    for number in numbers:
        size = SIZES[number]
        label = str(size)
        note(f"epoch at {label}")
        result = race_size(size, plan)
        raced[label] = result.turns
        for name, difference in result.differences.items():
            text = report.check(f"losses of {name} at {label}", difference)
            differences[label, name] = text
        sum_up(report, number, result.turns)
        speeds.append(count_operations(size) / result.turns.times[FLOOR][0] / 1e9)
    report.turns("Time per epoch", raced, "ms", differences)
    report.say(f"The floor is that of {max(speeds):.0f} GFLOP/s.")


def sum_up(report: Report, number: int, turns: Turns) -> None:
    """Add the ratios of one size to the summary, with their targets."""
    if PYTORCH in turns.times:
        turns = turns.merged((PYTORCH, PYTORCH_ALONE), PYTORCH_FASTER)
    for name in turns.times:
        if name not in (OURS, FLOOR):
            what = f"epoch at {SIZES[number]}: {name} / {OURS}"
            goal = TARGETS.get(name, {}).get(number)
            report.sum_up(what, turns.ratios(name), at_least=goal)
    if number == FLOOR_SIZE:
        what = f"epoch at {SIZES[number]}: {OURS} / {FLOOR}"
        ratios = replace(turns, base=FLOOR).ratios(OURS)
        report.sum_up(what, ratios, at_most=FLOOR_TARGET)


# --- one size ---------------------------------------------------------------------


@dataclass(frozen=True)
class SizeResult:
    """Times at one size, and the largest relative difference of each rival's losses."""

    turns: Turns
    differences: dict[str, float]


def race_size(size: Size, plan: Plan) -> SizeResult:
    """Start all contestants, and let them take turns."""
    pace = QUICK_PACE if plan.quick else Pace()
    names = [name for name, rival in RIVALS.items() if is_installed(rival.library)]
    with ExitStack() as stack:
        ours = stack.enter_context(plan.processes.lend())
        homes = dict.fromkeys((OURS, *names), ours)
        if is_installed(TORCH):
            theirs = stack.enter_context(Process())
            homes.update(dict.fromkeys((PYTORCH, PYTORCH_ALONE), theirs))
        losses, weights = ours.call(start_ours, size, pace)
        differences = {}
        for name in names:
            found = homes[name].call(start_rival, name, size, weights, pace)
            differences[name] = relative_difference(found, losses)
        contestants: dict[str, Callable[[], float]] = {
            name: partial(home.call, take_turn, name) for name, home in homes.items()
        }
        contestants[FLOOR] = partial(time_floor, size)
        times = take_turns(contestants, plan.turns(TURNS))
    times[FLOOR] = [min(times[FLOOR])] * len(times[FLOOR])
    return SizeResult(Turns(times), differences)


# --- in the contestants' processes ------------------------------------------------

_TURNS: dict[str, Callable[[], float]] = {}  # of the contestants in this process


def start_ours(size: Size, pace: Pace) -> tuple[list[float], list[Array]]:
    """Prepare sklstm for its turns; return its first losses and initial weights."""
    import_contestants()
    fitted = fit_sklstm(size, pace.first_epochs)
    prepare_turns(OURS, time_added_epoch, partial(fit_sklstm, size), pace)
    return fitted.history_["loss"], fitted.initial_weights_


def start_rival(name: str, size: Size, weights: list[Array], pace: Pace) -> list[float]:
    """Prepare a rival for its turns; return its first losses."""
    losses, train = RIVALS[name].start(size, weights, pace.first_epochs)
    prepare_turns(name, time_epoch, train, pace)
    return losses


def prepare_turns(
    name: str,
    timer: Callable[[Callable[[int], Any], int], float],
    train: Callable[[int], Any],
    pace: Pace,
) -> None:
    """Keep what a turn of a contestant runs, with epochs enough for its length."""
    train(1)  # compiles what is not yet compiled, which must not count
    _TURNS[name] = partial(timer, train, count_epochs(train, pace.turn_seconds))


def take_turn(name: str) -> float:
    """Run one turn of a contestant; return its seconds per epoch."""
    return _TURNS[name]()


def time_epoch(train: Callable[[int], Any], epochs: int) -> float:
    """Mean seconds per epoch in a run of ``epochs`` epochs."""
    return seconds(partial(train, epochs)) / epochs


def time_added_epoch(train: Callable[[int], Any], epochs: int) -> float:
    """Seconds that each of ``epochs`` further epochs adds to a run of one."""
    one = seconds(partial(train, 1))
    return (seconds(partial(train, 1 + epochs)) - one) / epochs


def count_epochs(train: Callable[[int], Any], turn_seconds: float) -> int:
    """Return the first of 1, 2, 4, 8, ... epochs that take ``turn_seconds`` or more."""
    epochs = 1
    while seconds(partial(train, epochs)) < turn_seconds:
        epochs *= 2
    return epochs
