"""Race sklstm against the plain Keras 3 stateful loop, and check the answers agree.

Three measurements, in one run:

1. Per epoch, on four sizes. Both contestants are warm, start from the same weights and
   take turns. The loop's epoch is timed as it stands: M passes of ``fit(epochs=1)`` and
   reset on a compiled model, divided by M. sklstm has no call that runs one epoch, so
   its epoch is what M further epochs add to a fit: (fit with N + M epochs - fit with N
   epochs) / M. That holds all that an epoch costs, history included, and leaves out
   what a fit costs once, which is in the next measurement.
2. Whole fit of ten epochs, from rows to trained model: the first in a process of its
   own, compiling included, and a second one of the same shape. Imports are not timed.
   The Keras figure has no pass over the training rows after training, sklstm's has.
3. A grid of twelve fits, each followed by predicting the held-out rows: GridSearchCV
   against nested loops, each in a process of its own, with the resident memory after
   every fit; then many further fits of sklstm, and the slope of its memory.

Exits with status 1 when losses, or scores of the grid, disagree.

Run ``python race_keras_loop.py``, or with ``--quick`` for a check of a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
from _contestants import (
    SIZES,
    Array,
    Grid,
    Size,
    build_keras,
    fit_keras,
    fit_sklstm,
    keras_windows,
    loop_keras,
    make_rows,
    make_series,
    make_sklstm,
    search_keras,
    search_sklstm,
)
from _measure import (
    describe_machine,
    import_quietly,
    in_new_process,
    memory_kind,
    print_table,
    resident_mb,
    seconds,
    slope,
    spread,
)

IMPORTS = ("tensorflow", "keras", "sklearn.model_selection")  # never timed
EPOCHS = 10  # of a whole fit
AGREEMENT = 1e-3  # relative: float32 sums taken in another order, over 10 epochs
TARGETS = {1: 80.0, 2: 8.0}  # least speed-up per epoch, by size
GRID_TARGET = 10.0  # least speed-up of the grid
MEMORY_TARGET = 0.5  # MB a fit, at most


@dataclass(frozen=True)
class Settings:
    """How long to measure."""

    sizes: tuple[int, ...]
    repeats: int  # turns per epoch measurement
    processes: int  # fresh processes per whole-fit measurement
    turn_seconds: float  # least length of one timed stretch
    grid: Grid | None
    further_fits: int
    judged: bool  # long enough to hold the figures against the targets


# --- per epoch --------------------------------------------------------------------


@dataclass(frozen=True)
class EpochTimes:
    """Seconds per epoch, one of each for every turn, and how far losses differ."""

    sklstm: list[float]
    keras: list[float]
    loss_difference: float  # largest relative, over the first epochs

    @property
    def ratios(self) -> list[float]:
        """How many times faster sklstm was, turn by turn."""
        return [k / s for k, s in zip(self.keras, self.sklstm, strict=True)]


def race_epochs(size: Size, repeats: int, turn_seconds: float) -> EpochTimes:
    """Time both contestants' epochs in turns, after a checked warm-up."""
    import_quietly(*IMPORTS)
    ours = fit_sklstm(size, EPOCHS)
    windows = keras_windows(*make_rows(size), size.sequence_length, size.batch_size)
    model = build_keras(size, ours.initial_weights_)
    losses = loop_keras(model, *windows, EPOCHS, size.batch_size)
    run_ours = partial(fit_sklstm, size)
    run_loop = partial(train_further, model, windows, size.batch_size)
    n_ours = count_epochs(run_ours, turn_seconds)
    n_loop = count_epochs(run_loop, turn_seconds)
    sklstm, keras = [], []
    for _ in range(repeats):
        sklstm.append(time_added_epoch(run_ours, n_ours))
        keras.append(seconds(partial(run_loop, n_loop)) / n_loop)
    difference = relative_difference(ours.history_["loss"], losses)
    return EpochTimes(sklstm, keras, difference)


def train_further(
    model: Any, windows: tuple[Array, Array], batch_size: int, epochs: int
) -> None:
    """Pass over the data with the Keras loop, on a compiled model."""
    loop_keras(model, *windows, epochs, batch_size)


def time_added_epoch(run: Callable[[int], Any], epochs: int) -> float:
    """Seconds that each of ``epochs`` further epochs adds to a run of one."""
    one = seconds(partial(run, 1))
    return (seconds(partial(run, 1 + epochs)) - one) / epochs


def count_epochs(run: Callable[[int], Any], turn_seconds: float) -> int:
    """Return how many epochs take at least ``turn_seconds``: 4, 8, 16, ..."""
    epochs = 4
    while seconds(partial(run, epochs)) < turn_seconds:
        epochs *= 2
    return epochs


def relative_difference(ours: Any, theirs: Any) -> float:
    """Return the largest relative difference; infinite where either is not finite."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))


# --- whole fit --------------------------------------------------------------------


def time_whole_fits(contestant: str, size: Size) -> tuple[float, float]:
    """Seconds of the first and the second fit of a shape in this process."""
    import_quietly(*IMPORTS)
    if contestant == "sklstm":
        make_sklstm(size, EPOCHS)
        fit = partial(fit_sklstm, size, EPOCHS)
    else:
        fit = partial(fit_keras, size, None, EPOCHS)
    return seconds(fit), seconds(fit)


# --- the grid ---------------------------------------------------------------------


@dataclass
class FitLog:
    """What was seen after each fit of a grid."""

    seconds: list[float]
    megabytes: list[float]
    scores: list[float]
    weights: list[list[Array]]  # initial ones, of sklstm only
    megabytes_before: float
    total_seconds: float = 0.0


class Recorder:
    """Called after every fit; logs time, memory and score."""

    def __init__(self) -> None:
        self.log = FitLog([], [], [], [], resident_mb())
        self._start = self._last = time.perf_counter()

    def __call__(self, fitted: Any, score: float) -> None:
        """Log one fit."""
        now = time.perf_counter()
        self.log.seconds.append(now - self._last)
        self.log.megabytes.append(resident_mb())
        self.log.scores.append(score)
        self.log.weights.append(getattr(fitted, "initial_weights_", []))
        self._last = time.perf_counter()
        self.log.total_seconds = self._last - self._start


def run_sklstm_grid(grid: Grid, further_fits: int) -> tuple[FitLog, list[float]]:
    """Run the grid, then further fits of its members; also return their memory."""
    import_quietly(*IMPORTS)
    make_sklstm(grid.size(1), 1)
    recorder = Recorder()
    search_sklstm(grid, recorder)
    return recorder.log, fit_further(grid, further_fits)


def fit_further(grid: Grid, n_fits: int) -> list[float]:
    """Fit members of the grid in turn; return the resident memory after each."""
    X, y = make_series(grid.n_rows)
    folds = grid.folds()
    megabytes = []
    for batch_size, learning_rate, fold in islice(cycle(grid.fits()), n_fits):
        train, test = folds[fold]
        model = make_sklstm(grid.size(batch_size), grid.epochs, learning_rate)
        model.fit(X[train], y[train]).predict(X[test])
        megabytes.append(resident_mb())
    return megabytes


def run_keras_grid(grid: Grid, weights: list[list[Array]]) -> FitLog:
    """Run the grid by the Keras loop."""
    import_quietly(*IMPORTS)
    recorder = Recorder()
    search_keras(grid, weights, recorder)
    return recorder.log


# --- report -----------------------------------------------------------------------


def note(doing: str) -> None:
    """Show progress, apart from the tables."""
    print(f"... {doing}", file=sys.stderr, flush=True)


class Report:
    """Prints the tables, and remembers what failed or fell short."""

    def __init__(self) -> None:
        self.disagreements: list[str] = []
        self.targets: list[tuple[str, str, str]] = []

    def check(self, what: str, difference: float) -> str:
        """Remember a disagreement; return the difference as text."""
        if not difference <= AGREEMENT:
            self.disagreements.append(f"{what} differ by {difference:.1e}")
        return f"{difference:.0e}"

    def aim(self, what: str, goal: str, value: str, met: bool) -> None:
        """Remember a target and whether it was met."""
        self.targets.append((f"{what}: {goal}", value, "met" if met else "MISSED"))

    def epochs(self, settings: Settings) -> None:
        """Measure and print the epoch times."""
        print(f"Per epoch, {settings.repeats} turns: median [min-max]", flush=True)
        rows = []
        for number in settings.sizes:
            size = SIZES[number]
            note(f"epochs at {size}")
            times = in_new_process(
                race_epochs, size, settings.repeats, settings.turn_seconds
            )
            loss = self.check(f"losses at {size}", times.loss_difference)
            rows.append(
                [
                    size,
                    spread([1e3 * t for t in times.keras]),
                    spread([1e3 * t for t in times.sklstm]),
                    spread(times.ratios),
                    loss,
                ]
            )
            self._aim_epoch(number, times.ratios)
        header = ["size", "Keras loop, ms", "sklstm, ms", "times faster", "loss diff."]
        print_table(header, rows)

    def _aim_epoch(self, number: int, ratios: list[float]) -> None:
        if number in TARGETS:
            goal = TARGETS[number]
            met = float(np.median(ratios)) >= goal
            what = f"epoch at {SIZES[number]}"
            self.aim(what, f"at least {goal:g} times faster", spread(ratios), met)

    def whole_fits(self, settings: Settings) -> None:
        """Measure and print the whole fits."""
        print(
            f"Whole fit of {EPOCHS} epochs, {settings.processes} process(es) each, "
            "seconds: median [min-max]",
            flush=True,
        )
        rows = []
        for number in settings.sizes:
            size = SIZES[number]
            row: list[object] = [size]
            medians = []
            for contestant in ("keras", "sklstm"):
                note(f"whole fits at {size}: {contestant}")
                runs = [
                    in_new_process(time_whole_fits, contestant, size)
                    for _ in range(settings.processes)
                ]
                row += [spread(fits) for fits in zip(*runs, strict=True)]
                medians.append(np.median(runs, axis=0))
            ratio = medians[0] / medians[1]
            rows.append([*row, *(f"{value:.1f}" for value in ratio)])
        header = ["size", "Keras loop, first", "second", "sklstm, first", "second"]
        print_table([*header, "times faster, first", "second"], rows)

    def grid(self, grid: Grid, further_fits: int) -> None:
        """Measure and print the grid and the further fits."""
        print(
            f"Grid: {grid.n_rows} rows, T {grid.sequence_length}, U {grid.units}, "
            f"{grid.epochs} epochs, {grid.n_splits} time-series folds; "
            f"{memory_kind()} after each fit",
            flush=True,
        )
        note(f"grid and {further_fits} further fits: sklstm")
        ours, further = in_new_process(run_sklstm_grid, grid, further_fits)
        note("grid: keras")
        loop = in_new_process(run_keras_grid, grid, ours.weights)
        rows = [
            [
                f"B{batch_size} lr {learning_rate:g} fold {fold + 1}",
                *(f"{log.seconds[i]:.2f}" for log in (loop, ours)),
                *(f"{log.megabytes[i]:.0f}" for log in (loop, ours)),
                f"{ours.scores[i]:.4f}",
                self.check(
                    f"scores of fit {i + 1}",
                    relative_difference(ours.scores[i], loop.scores[i]),
                ),
            ]
            for i, (batch_size, learning_rate, fold) in enumerate(grid.fits())
        ]
        header = ["fit", "Keras loop, s", "sklstm, s", "Keras loop, MB", "sklstm, MB"]
        print_table([*header, "MSE", "diff."], rows)
        self._sum_up_grid(ours, loop, further)

    def _sum_up_grid(self, ours: FitLog, loop: FitLog, further: list[float]) -> None:
        ratio = loop.total_seconds / ours.total_seconds
        print(
            f"Whole grid: Keras loop {loop.total_seconds:.1f} s, sklstm "
            f"{ours.total_seconds:.1f} s, {ratio:.1f} times faster."
        )
        growth = slope(further)
        print(
            f"Memory growth: Keras loop {slope(loop.megabytes):.2f} MB a fit over its "
            f"{len(loop.megabytes)} fits; sklstm {growth:.3f} MB a fit over "
            f"{len(further)} further fits ({further[0]:.0f} to {further[-1]:.0f} MB).\n"
        )
        goal = f"at least {GRID_TARGET:g} times faster"
        self.aim("whole grid", goal, f"{ratio:.1f}", ratio >= GRID_TARGET)
        goal = f"under {MEMORY_TARGET:g} MB a fit"
        self.aim("memory growth", goal, f"{growth:.3f}", growth < MEMORY_TARGET)

    def conclude(self, judged: bool) -> int:
        """Print targets, where judged, and disagreements; return the exit status."""
        if judged and self.targets:
            print_table(["target", "measured", ""], self.targets)
        for line in self.disagreements:
            print(f"DISAGREEMENT: {line} (at most {AGREEMENT:g} allowed)")
        if not self.disagreements:
            print(f"All losses and scores agree within {AGREEMENT:g}.")
        return 1 if self.disagreements else 0


def parse_settings(arguments: list[str] | None = None) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Race sklstm against the plain Keras 3 stateful loop."
    )
    parser.add_argument("--quick", action="store_true", help="a check of a minute")
    parser.add_argument(
        "--sizes", nargs="*", type=int, choices=SIZES, help="sizes to race"
    )
    parser.add_argument("--repeats", type=int, help="turns per epoch measurement")
    parser.add_argument("--no-grid", action="store_true", help="leave the grid out")
    options = parser.parse_args(arguments)
    quick = options.quick
    small = Grid(n_rows=99, epochs=2, learning_rates=(1e-3,), n_splits=2)
    grid = small if quick else Grid()
    sizes = (1,) if quick else tuple(SIZES)
    return Settings(
        sizes=sizes if options.sizes is None else tuple(options.sizes),
        repeats=options.repeats or (2 if quick else 7),
        processes=1 if quick else 3,
        turn_seconds=0.3 if quick else 1.0,
        grid=None if options.no_grid else grid,
        further_fits=12 if quick else 50,
        judged=not quick,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for, print it, and return the exit status."""
    settings = parse_settings(arguments)
    print(f"{describe_machine()}\n", flush=True)
    report = Report()
    if settings.sizes:
        report.epochs(settings)
        report.whole_fits(settings)
    if settings.grid is not None:
        report.grid(settings.grid, settings.further_fits)
    return report.conclude(settings.judged)


if __name__ == "__main__":
    sys.exit(main())
