"""Race ``memory``: by how much resident memory grows with each fit in a process.

sklstm first fits every member of the grid once, which compiles all programs that it
needs. Then it fits many more, and the growth is the least-squares slope of resident
memory over these. The Keras loop trains each member for one epoch only: what stays in
memory is a set of traced functions for each model, whatever its number of epochs.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

from _contestants import LOOP, make_series, make_sklstm
from _grid import QUICK_GRID, Grid, fit_keras_member
from _measure import memory_kind, resident_mb, slope
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _tables import print_table
from _turns import OURS

TARGET = 0.5  # MB for each fit, at most
N_FITS = 50
N_QUICK_FITS = 12
N_LOOP_FITS = 12
N_QUICK_LOOP_FITS = 2


def race(report: Report, plan: Plan) -> None:
    """Fit many times in a process for each contestant, and print the memory."""
    grid = QUICK_GRID if plan.quick else Grid()
    n_fits = N_QUICK_FITS if plan.quick else N_FITS
    n_loop_fits = N_QUICK_LOOP_FITS if plan.quick else N_LOOP_FITS
    note(f"memory over {n_fits} further fits of the grid of {grid}")
    seen = {
        LOOP: plan.processes.call(fit_loop, grid, n_loop_fits),
        OURS: plan.processes.call(fit_ours, grid, n_fits),
    }
    print(f"Growth of {memory_kind()}\n", flush=True)
    header = ["contestant", "fits", "first, MB", "last, MB", "MB a fit"]
    rows = [
        [name, len(mb), f"{mb[0]:.0f}", f"{mb[-1]:.0f}", f"{slope(mb):.3f}"]
        for name, mb in seen.items()
    ]
    print_table(header, rows)
    for name, goal in ((OURS, TARGET), (LOOP, None)):
        what = f"memory at {grid.network}: {name}"
        report.sum_up(what, [slope(seen[name])], at_most=goal, unit="MB a fit")


def fit_ours(grid: Grid, n_fits: int) -> list[float]:
    """Fit all members, then ``n_fits`` more; return the memory after each of those."""
    import_contestants()
    X, y = make_series(grid.n_rows)
    folds, members = grid.folds(), list(grid.fits())
    megabytes = []
    for batch_size, learning_rate, fold in islice(
        cycle(members), len(members) + n_fits
    ):
        train, test = folds[fold]
        model = make_sklstm(grid.size(batch_size), grid.epochs, learning_rate)
        model.fit(X[train], y[train]).predict(X[test])
        megabytes.append(resident_mb())
    return megabytes[len(members) :]


def fit_loop(grid: Grid, n_fits: int) -> list[float]:
    """Train members by the Keras loop for an epoch; return the memory after each."""
    import_contestants()
    once = replace(grid, epochs=1)
    megabytes = []
    for member in islice(cycle(grid.fits()), n_fits):
        fit_keras_member(once, None, *member)
        megabytes.append(resident_mb())
    return megabytes
