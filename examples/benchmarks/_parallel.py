"""Race ``parallel``: the same search with ``n_jobs=1`` and with ``n_jobs=2``.

Each runs GridSearchCV in a fresh process that has imported all it needs. The wall-clock
time of ``fit`` is measured, so that with ``n_jobs=2`` it includes the start of two
worker processes and their imports. Both must find the same parameters, and exactly the
same score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from _contestants import make_series
from _grid import Grid, make_search
from _measure import absolute_difference, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _turns import Turns, take_turns

ALONE, TWO = "n_jobs=1", "n_jobs=2"
TURNS = 3
TARGET = 1.6  # how many times as long n_jobs=1 takes, at least


SEARCH = Grid(4_000, 150, 14, 32, (8, 16), (1e-3, 3e-3, 1e-2), 3)
QUICK_SEARCH = Grid(100, 2, 3, 8, (8,), (1e-3, 1e-2), 2)


@dataclass(frozen=True)
class SearchResult:
    """The time of a search, and its result."""

    seconds: float
    best_score: float
    best_params: dict[str, Any]


def race(report: Report, plan: Plan) -> None:
    """Let both search in turns, and compare their results."""
    search = QUICK_SEARCH if plan.quick else SEARCH
    results = take_turns(
        {
            TWO: partial(measure, plan, search, 2),
            ALONE: partial(measure, plan, search, 1),
        },
        plan.turns(TURNS),
    )
    times = {name: [one.seconds for one in found] for name, found in results.items()}
    turns = {str(search): Turns(times, base=TWO)}
    text = compare(report, results[ALONE][0], results[TWO][0])
    report.turns("Search in processes", turns, "s", {(str(search), ALONE): text})
    ratios = turns[str(search)].ratios(ALONE)
    what = f"parallel, {search}: {ALONE} / {TWO}"
    report.sum_up(what, ratios, at_least=TARGET)


def compare(report: Report, alone: SearchResult, two: SearchResult) -> str:
    """Check that both results are the same; return the difference of their scores."""
    difference = absolute_difference(alone.best_score, two.best_score)
    if alone.best_params != two.best_params:
        difference = float("inf")
    return report.check("best scores of the parallel searches", difference, 0.0)


def measure(plan: Plan, search: Grid, n_jobs: int) -> SearchResult:
    """Search in a process of its own."""
    note(f"search of {search}: n_jobs={n_jobs}")
    return plan.processes.call(run_search, search, n_jobs)


def run_search(search: Grid, n_jobs: int) -> SearchResult:
    """Search by GridSearchCV."""
    import_contestants()
    from joblib.externals.loky import get_reusable_executor

    grid = make_search(search, n_jobs=n_jobs)
    taken = seconds(partial(grid.fit, *make_series(search.n_rows)))
    get_reusable_executor().shutdown(wait=True)  # else workers idle for five minutes
    return SearchResult(taken, float(grid.best_score_), dict(grid.best_params_))
