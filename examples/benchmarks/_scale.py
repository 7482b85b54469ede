"""Race ``scale``: does a fit's memory grow with the rows alone, and its time linearly?

One epoch on more and more rows, each number of rows in a fresh process, which first
makes the rows and runs a tiny fit of the same network: that imports, starts and
compiles all that a fit needs whatever its length. Then two fits on all rows:

- The first gives the memory: the highest resident memory during the fit less that
  before it, when the rows are already held. A thread reads ``/proc/self/statm`` every
  2 ms (where there is none, the process's peak so far stands in). Compiling for this
  many rows is in it, since the tiny fit's programs are for fewer, and so is what a
  batch needs while it is trained on, some B * T * 4U numbers several times over.
- The second gives the time, all compiling done.

Both must give the same loss. Windows of all these rows, as Keras takes them, would fill
T times as much memory as the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from _contestants import Size, draw_rows, make_sklstm
from _measure import MEGABYTE, PeakMemory, memory_kind, relative_difference, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _tables import print_table, spread
from _turns import take_turns

NETWORK = Size(64, 100, 8, (32,), 0)  # K is that of the rows
N_ROWS = (10_000, 100_000, 1_000_000)
QUICK_NETWORK = Size(64, 10, 8, (8,), 0)
N_QUICK_ROWS = (1_000, 5_000)
TURNS = 1  # a turn takes minutes
MEMORY_TARGET = 4.0  # growth at most so many times the bytes of X, at the most rows
TIME_TARGET = 1.5  # seconds a row at most so many times those at a tenth of the rows


@dataclass(frozen=True)
class LongFit:
    """One number of rows: time, memory, and whether two fits agree."""

    seconds: float  # of the second fit
    growth_mb: float  # in the first fit
    rows_mb: float  # of X
    difference: float  # relative, of the two fits' losses


def race(report: Report, plan: Plan) -> None:
    """Fit all numbers of rows in turns, and print time and memory."""
    network = QUICK_NETWORK if plan.quick else NETWORK
    numbers = N_QUICK_ROWS if plan.quick else N_ROWS
    fits = take_turns(
        {str(n): partial(measure, plan, network, n) for n in numbers},
        plan.turns(TURNS),
    )
    print(
        f"One epoch on many rows, {network.network}; growth of {memory_kind()}\n",
        flush=True,
    )
    header = ["rows", "seconds", "µs a row", "X, MB", "growth, MB", "growth / X"]
    rows = [tell(report, int(n), several) for n, several in fits.items()]
    print_table([*header, "difference"], rows)
    sum_up(report, network, fits)


def measure(plan: Plan, network: Size, n_rows: int) -> LongFit:
    """Measure one number of rows in a process of its own."""
    note(f"{n_rows} rows")
    return plan.processes.call(fit_long, network, n_rows)


def tell(report: Report, n_rows: int, fits: list[LongFit]) -> list[object]:
    """Check that one number of rows agrees, and return its line of the table."""
    difference = max(fit.difference for fit in fits)
    return [
        n_rows,
        spread([fit.seconds for fit in fits]),
        spread([1e6 * fit.seconds / n_rows for fit in fits]),
        f"{fits[0].rows_mb:.2f}",
        spread([fit.growth_mb for fit in fits]),
        spread([fit.growth_mb / fit.rows_mb for fit in fits]),
        report.check(f"losses of two fits on {n_rows} rows", difference),
    ]


def sum_up(report: Report, network: Size, fits: dict[str, list[LongFit]]) -> None:
    """Hold the most rows against what they hold, and against fewer rows."""
    fewer, most = list(fits)[-2:]
    pairs = list(zip(fits[fewer], fits[most], strict=True))
    shares = [fit.growth_mb / fit.rows_mb for _, fit in pairs]
    n_times = int(most) / int(fewer)
    times = [long.seconds / short.seconds / n_times for short, long in pairs]
    race = f"scale, {most} rows at {network.network}"
    report.sum_up(f"{race}: memory / X", shares, at_most=MEMORY_TARGET)
    what = f"{race}: time a row / at {fewer} rows"
    report.sum_up(what, times, at_most=TIME_TARGET)


# --- in a process of its own ------------------------------------------------------


def fit_long(network: Size, n_rows: int) -> LongFit:
    """Fit a few rows, then all rows twice: for their memory, and for their time."""
    import_contestants()
    X, y = draw_rows(n_rows, network.n_features)
    n_few = network.batch_size + network.sequence_length
    make_sklstm(network, 1).fit(X[:n_few], y[:n_few])
    losses: list[list[float]] = []

    def fit_all() -> None:
        losses.append(make_sklstm(network, 1).fit(X, y).history_["loss"])

    with PeakMemory() as memory:
        fit_all()
    return LongFit(
        seconds(fit_all),
        memory.growth_mb,
        X.nbytes / MEGABYTE,
        relative_difference(*losses),
    )
