"""Race ``many``: what many short series cost in one estimator, part by part.

sklstm alone, with its defaults for scale and linear map, and each number of series in a
fresh process. A fit of a tiny panel comes first, which imports and starts all that is
needed. Then each part is run twice: its memory is measured in the first run, as the
peak of resident memory less that before it, and its time in the second, with all
programs compiled. Memory that an earlier part has freed is used again and not counted,
so that the later parts tell only what they need beyond a fit.

- ``fit``: one epoch on all rows. Each series is also walked once, for its state.
- ``predict``: five new rows of each series, from the states, which stay.
- ``step``: a new row of each series, whose states go on.
- ``save`` and ``load``: the estimator with all states, in one file.

Two numbers of series tell how each part grows, and so what a million would cost.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _contestants import Size
from _measure import MEGABYTE, PeakMemory, memory_kind, seconds
from _panels import PanelSize, make_next_rows, make_panel
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _tables import print_table, shorten, spread
from _turns import take_turns

N_SERIES = (10_000, 100_000)
N_QUICK_SERIES = (100, 300)
N_ROWS = 30  # of each series
N_NEW = 5
NETWORK = Size(64, 12, 1, (16,), 0)
TURNS = 1  # a turn takes a minute
PARTS = ("fit", "predict", "step", "save", "load")


@dataclass(frozen=True)
class Cost:
    """Time of the second run of a part, and memory of the first."""

    seconds: float
    growth_mb: float


@dataclass(frozen=True)
class Costs:
    """What the parts cost with one number of series."""

    parts: dict[str, Cost]
    rows_mb: float  # of X
    file_mb: float


def race(report: Report, plan: Plan) -> None:
    """Measure each number of series in turns, and print time and memory."""
    numbers = N_QUICK_SERIES if plan.quick else N_SERIES
    costs = take_turns(
        {str(n): partial(measure_apart, plan, n) for n in numbers}, plan.turns(TURNS)
    )
    print(
        f"Series of {N_ROWS} rows, {NETWORK.network}; growth of {memory_kind()}\n",
        flush=True,
    )
    header = ["part", "series", "seconds", "µs a series", "growth, MB", "kB a series"]
    rows = [
        row_of(part, int(n), several) for part in PARTS for n, several in costs.items()
    ]
    print_table(header, rows)
    for n, several in costs.items():
        report.say(
            f"{n} series: X takes {shorten(several[0].rows_mb)} MB, and the saved file"
            f" {shorten(several[0].file_mb)} MB."
        )
    sum_up(report, costs)


def measure_apart(plan: Plan, n_series: int) -> Costs:
    """Measure one number of series in a process of its own."""
    note(f"{n_series} series")
    return plan.processes.call(measure, n_series)


def row_of(part: str, n: int, several: list[Costs]) -> list[object]:
    """A part's row of the table."""
    times = [costs.parts[part].seconds for costs in several]
    growths = [costs.parts[part].growth_mb for costs in several]
    return [
        part,
        n,
        spread(times),
        spread([1e6 * time / n for time in times]),
        spread(growths),
        spread([1024 * growth / n for growth in growths]),
    ]


def sum_up(report: Report, costs: dict[str, list[Costs]]) -> None:
    """Add the time of each part at most series, beside that at fewer."""
    fewer, most = costs
    n_times = int(most) / int(fewer)
    for part in PARTS:
        pairs = zip(costs[fewer], costs[most], strict=True)
        growth = [
            many.parts[part].seconds / few.parts[part].seconds / n_times
            for few, many in pairs
        ]
        what = f"many, {part}: time a series at {most} / at {fewer}"
        report.sum_up(what, growth)


# --- in a process of its own ------------------------------------------------------


def measure(n_series: int) -> Costs:
    """Run every part twice: for its memory, and for its time."""
    import_contestants()
    make().fit(*make_panel(PanelSize(10, N_ROWS, NETWORK)))
    size = PanelSize(n_series, N_ROWS, NETWORK)
    X, y = make_panel(size)
    later = make_later(size)
    model = make()
    days = iter([make_next_rows(size, day) for day in (1, 2)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "many.safetensors")
        work: dict[str, Callable[[], Any]] = {
            "fit": lambda: model.fit(X, y),
            "predict": lambda: model.predict(later),
            "step": lambda: model.step(next(days)),
            "save": lambda: model.save(path),
            "load": lambda: type(model).load(path),
        }
        parts = {part: cost(work[part]) for part in PARTS}
        file_mb = path.stat().st_size / MEGABYTE
    return Costs(parts, X.to_numpy().nbytes / MEGABYTE, file_mb)


def cost(work: Callable[[], Any]) -> Cost:
    """What a part costs."""
    with PeakMemory() as memory:
        work()
    return Cost(seconds(work), memory.growth_mb)


def make() -> Any:
    """Make the estimator."""
    from sklstm import StatefulLSTMRegressor

    return StatefulLSTMRegressor(
        NETWORK.units,
        batch_size=NETWORK.batch_size,
        sequence_length=NETWORK.sequence_length,
        epochs=1,
        random_state=0,
    )


def make_later(size: PanelSize) -> Any:
    """Return some new rows of each series, of the days after those of the fit."""
    import pandas as pd

    frames = [make_next_rows(size, day) for day in range(1, N_NEW + 1)]
    return pd.concat(frames)
