"""Race ``scale``: do the memory and the time of a fit grow linearly with the rows?

The race ``tiled`` asks the same of tiled windows, by `race_case`. Each number of rows
is fitted in a fresh process, for one epoch. The process first makes the rows and runs a
tiny fit of the same network, which does all that every fit needs, whatever its length:
imports, the start of TensorFlow, and most of the compiling. Two fits on all rows
follow:

- The first one's memory is measured: the peak of resident memory during the fit, less
  the memory before it, which includes the rows. A thread reads ``/proc/self/statm``
  every 2 ms (on other systems than Linux, the peak of the process is taken). The figure
  includes compiling again, since the programs of the tiny fit are for fewer rows, and
  what the training of a batch needs, several arrays of B * T * 4U numbers.
- The second one's time is measured, with all programs compiled.

Both must give the same loss. All windows at once, as Keras takes them, would need T
times the memory of the rows.
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

NETWORK = Size(64, 100, 8, (32,), 0)  # K depends on the number of rows
N_ROWS = (10_000, 100_000, 1_000_000)
QUICK_NETWORK = Size(64, 10, 8, (8,), 0)
N_QUICK_ROWS = (1_000, 5_000)
TURNS = 1  # a turn takes minutes


@dataclass(frozen=True)
class Case:
    """A kind of fit, and its targets at the most rows.

    Parameters
    ----------
    race : str
        The race that it belongs to.
    memory_target : float
        Growth of memory divided by the size of X, at most.
    time_target : float
        Seconds a row divided by those at the next smaller number of rows, at most.
    windows : {"sliding", "tiled"}
    """

    race: str
    memory_target: float
    time_target: float
    windows: str = "sliding"


SLIDING = Case("scale", memory_target=4.0, time_target=1.5)


@dataclass(frozen=True)
class LongFit:
    """Time and memory of two fits on one number of rows, and how much they differ."""

    seconds: float  # of the second fit
    growth_mb: float  # in the first fit
    rows_mb: float  # of X
    difference: float  # relative, of the two fits' losses


def race(report: Report, plan: Plan) -> None:
    """Race sliding windows."""
    race_case(report, plan, SLIDING)


def race_case(report: Report, plan: Plan, case: Case) -> None:
    """Fit each number of rows in turns, and print time and memory."""
    network = QUICK_NETWORK if plan.quick else NETWORK
    numbers = N_QUICK_ROWS if plan.quick else N_ROWS
    fits = take_turns(
        {str(n): partial(measure, plan, network, n, case.windows) for n in numbers},
        plan.turns(TURNS),
    )
    print(
        f"One epoch on many rows, {case.windows} windows, {network.network};"
        f" growth of {memory_kind()}\n",
        flush=True,
    )
    header = ["rows", "seconds", "µs a row", "X, MB", "growth, MB", "growth / X"]
    rows = [tell(report, int(n), several) for n, several in fits.items()]
    print_table([*header, "difference"], rows)
    sum_up(report, case, network, fits)


def measure(plan: Plan, network: Size, n_rows: int, windows: str) -> LongFit:
    """Measure one number of rows in a process of its own."""
    note(f"{n_rows} rows, {windows} windows")
    return plan.processes.call(fit_long, network, n_rows, windows)


def tell(report: Report, n_rows: int, fits: list[LongFit]) -> list[object]:
    """Check that the fits on one number of rows agree; return its row of the table."""
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


def sum_up(
    report: Report, case: Case, network: Size, fits: dict[str, list[LongFit]]
) -> None:
    """Add the memory and the time at the most rows to the summary."""
    fewer, most = list(fits)[-2:]
    pairs = list(zip(fits[fewer], fits[most], strict=True))
    shares = [fit.growth_mb / fit.rows_mb for _, fit in pairs]
    n_times = int(most) / int(fewer)
    times = [long.seconds / short.seconds / n_times for short, long in pairs]
    race = f"{case.race}, {most} rows at {network.network}"
    report.sum_up(f"{race}: memory / X", shares, at_most=case.memory_target)
    what = f"{race}: time a row / at {fewer} rows"
    report.sum_up(what, times, at_most=case.time_target)


# --- in a process of its own ------------------------------------------------------


def fit_long(network: Size, n_rows: int, windows: str) -> LongFit:
    """Fit a few rows, then all rows twice, to measure first memory and then time."""
    import_contestants()
    X, y = draw_rows(n_rows, network.n_features)
    n_few = network.batch_size + network.sequence_length
    make_sklstm(network, 1, windows=windows).fit(X[:n_few], y[:n_few])
    losses: list[list[float]] = []

    def fit_all() -> None:
        model = make_sklstm(network, 1, windows=windows).fit(X, y)
        losses.append(model.history_["loss"])

    with PeakMemory() as memory:
        fit_all()
    return LongFit(
        seconds(fit_all),
        memory.growth_mb,
        X.nbytes / MEGABYTE,
        relative_difference(*losses),
    )
