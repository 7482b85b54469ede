"""Do intervals keep their coverage on real series that drift, and how wide are they?

``python intervals.py`` forecasts the series of the accuracy benchmark with sklstm, one
step and one period ahead, and puts intervals of 90 % around these forecasts: those of
sklstm, and those of MAPIE and skforecast where they are installed. Tables show the
share of values inside, the least share in any month of rows, and the mean width; and
the interval score, the width and 20 times what values lie outside by, of which less is
better at any coverage (Gneiting and Raftery 2007).

A month is 30 days of rows by the dates of a series, and at least 100 rows. Widths are
in mean absolute errors of the calibration rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _accuracy_data import load_chosen, load_reported
from _accuracy_series import Series, geometric_mean
from _interval_forecasts import Forecasts, forecast, kept
from _interval_rivals import COVERAGE, available, intervals_of
from _measure import describe_machine
from _report import note
from _tables import print_table

QUICK = {"google", "orders"}
LEAST_ROWS = 250  # of the test rows; coverage of fewer is mostly chance


@dataclass(frozen=True)
class Outcome:
    """How the intervals of one method did on one series."""

    coverage: float
    least: float
    width: float
    score: float


def outcome_of(forecasts: Forecasts, intervals: np.ndarray) -> Outcome:
    """The share of values inside, the least of any month, and the mean width."""
    truth, n = forecasts.tested, forecasts.n_calibration
    inside = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    window = min(forecasts.window, len(inside))
    by_month = np.convolve(inside, np.full(window, 1 / window), "valid")
    unit = np.abs(forecasts.truth[:n] - forecasts.made[:n]).mean()
    widths = (intervals[:, 1] - intervals[:, 0]) / unit
    outside = np.maximum(intervals[:, 0] - truth, truth - intervals[:, 1]) / unit
    scores = widths + 2 / (1 - COVERAGE) * np.maximum(outside, 0)
    return Outcome(
        float(inside.mean()),
        float(by_month.min()),
        float(widths.mean()),
        float(scores.mean()),
    )


def forecasts_of(
    all_series: Sequence[Series], folder: Path | None
) -> dict[int, list[Forecasts]]:
    """Forecasts of all series, one step (0) and one period (1) ahead."""
    from sklstm import StatefulLSTMRegressor

    made: dict[int, list[Forecasts]] = {0: [], 1: []}
    for series in all_series:
        for ahead, steps in enumerate((1, *series.periods[:1])):

            def make(series: Series = series, steps: int = steps) -> Forecasts:
                note(f"{series.name}, {steps} ahead: two fits")
                return forecast(
                    series, steps, lambda: StatefulLSTMRegressor(random_state=0)
                )

            name = f"{series.name.replace(' ', '_')}_{steps}.npz"
            made[ahead].append(kept(folder / name, make) if folder else make())
    return made


def print_outcomes(title: str, all_forecasts: Sequence[Forecasts]) -> None:
    """Print a table of all methods on the long series, and then their means."""
    names = available()
    longs = [one for one in all_forecasts if len(one.tested) >= LEAST_ROWS]
    outcomes = {
        name: [outcome_of(one, intervals_of(name, one)) for one in longs]
        for name in names
    }
    rows = []
    for i, one in enumerate(longs):
        of_each = [outcomes[name][i] for name in names]
        about = [one.name, str(one.steps), str(len(one.tested)), str(one.window)]
        rows.append([*about, *map(_cell, of_each)])
    print(f"## {title}\n\nShare inside, least share in a month, mean width:\n")
    print_table(["series", "ahead", "rows", "month", *names], rows, n_text=1)
    summary = [[name, *_summary(outcomes[name])] for name in names]
    columns = [
        "all values",
        "from 0.87 to 0.93",
        "least month",
        "0.80 kept",
        "width",
        "score",
    ]
    print(f"Over these {len(longs)} series:\n")
    print_table(["", *columns], summary, n_text=1)


def _cell(one: Outcome) -> str:
    return f"{one.coverage:.3f} {one.least:.2f} {one.width:.2f}"


def _summary(outcomes: Sequence[Outcome]) -> list[str]:
    n = len(outcomes)
    near = sum(abs(one.coverage - COVERAGE) <= 0.03 for one in outcomes)
    kept_up = sum(one.least >= 0.8 for one in outcomes)
    return [
        f"{np.mean([one.coverage for one in outcomes]):.3f}",
        f"{near} of {n}",
        f"{min(one.least for one in outcomes):.2f}",
        f"{kept_up} of {n}",
        f"{geometric_mean([one.width for one in outcomes]):.2f}",
        f"{geometric_mean([one.score for one in outcomes]):.2f}",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Forecast the series that were asked for, and print the tables."""
    parser = argparse.ArgumentParser(
        description="Compare coverage and width of intervals on real series."
    )
    parser.add_argument("--quick", action="store_true", help="two small series")
    parser.add_argument(
        "--series", action="append", metavar="NAME", help="only this; may be repeated"
    )
    parser.add_argument(
        "--forecasts", type=Path, metavar="FOLDER", help="where forecasts are kept"
    )
    options = parser.parse_args(arguments)
    every = [*load_chosen(), *load_reported()]
    if options.quick:
        every = [one for one in every if one.name in QUICK]
    chosen = [s for s in every if not options.series or s.name in options.series]
    if not chosen:
        raise SystemExit(f"there are {', '.join(one.name for one in every)}")
    print(describe_machine(), end="\n\n", flush=True)
    made = forecasts_of(chosen, options.forecasts)
    for ahead, title in enumerate(("One step ahead", "One period ahead")):
        if any(len(one.tested) >= LEAST_ROWS for one in made[ahead]):
            print_outcomes(title, made[ahead])
    return 0


if __name__ == "__main__":
    sys.exit(main())
