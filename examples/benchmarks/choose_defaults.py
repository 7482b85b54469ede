"""Compare other settings with the package's defaults on real series.

The defaults, windows of one row in one lane, were chosen so that the smallest data can
be fitted, such as ten rows. On more data other settings may be better.

Candidates are a base, the base with one setting changed, the best values of all
settings together, and the package's defaults. Every candidate forecasts the next row of
every series, in time-series folds and with several seeds. Inputs and numeric targets
are scaled to mean 0 and variance 1. A score is the error on the held-out rows divided
by that of persistence, which predicts the last value: the root mean square error for
numbers, the error rate for classes. A score below 1 is better than persistence. The
best values are chosen and scored on the same folds, so that their score is too good.

The rank of a candidate is its place among all candidates, 1 for the best, averaged over
series and seeds; equal scores share a place. By ranks, a single series with large
differences does not decide.

Run ``python choose_defaults.py``, with ``--quick`` for a check of a minute, or with
``--base sequence_length=1 batch_size=1`` to vary another base.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from _measure import count_cpus, describe_machine
from _tables import print_table
from joblib import Parallel, delayed
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm.datasets import load_bike_rentals, load_seattle_weather

CHOICES: dict[str, tuple[float, ...]] = {
    "sequence_length": (1, 7, 14, 24),
    "batch_size": (1, 8, 32),
    "epochs": (10, 20, 30),
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "units": (16, 32, 64),
}
QUICK = ("batch_size", "epochs", "learning_rate")  # these need few compiled programs
BASE = {
    "sequence_length": 14,
    "batch_size": 8,
    "epochs": 20,
    "learning_rate": 3e-3,
    "units": 32,
}
N_ROWS = 1200  # the newest of each series, so that a run takes minutes
N_SPLITS = 3

Settings = dict[str, float]


@dataclass(frozen=True)
class Series:
    """A real series as inputs and targets, each target being in the next row."""

    name: str
    X: Any  # (n_rows, n_features)
    y: Any  # (n_rows,)
    is_class: bool = False

    def newest(self, n_rows: int) -> Series:
        """Return the last rows only."""
        return Series(self.name, self.X[-n_rows:], self.y[-n_rows:], self.is_class)

    def error(self, y: Any, predictions: Any) -> float:
        """Return the error rate of classes, or the root mean square error."""
        if self.is_class:
            return float(np.mean(predictions != y))
        return float(np.sqrt(np.mean((predictions - y) ** 2)))


@dataclass(frozen=True)
class Outcome:
    """The scores of one candidate on one series, and the time of its fits."""

    scores: list[float]  # one for each seed, a geometric mean over folds
    seconds: float  # mean of all fits


# --- the series -------------------------------------------------------------------


def next_value(name: str, values: Any) -> Series:
    """Return a series in which a column's next value is forecast from itself."""
    column = np.asarray(values, float)
    return Series(name, column[:-1, np.newaxis], column[1:])


def load_all() -> list[Series]:
    """Return all six series: hourly and daily, one column and many, also classes."""
    hours, days = load_bike_rentals(), load_seattle_weather()
    daily = hours["rentals"].resample("D").sum()
    X_bike, y_bike = load_bike_rentals(return_X_y=True)
    X_sky, y_sky = load_seattle_weather(return_X_y=True)
    series = [
        Series("bikes/h+", X_bike.to_numpy(float), y_bike.to_numpy(float)),
        next_value("bikes/h", hours["rentals"]),
        next_value("bikes/day", daily),
        next_value("temp_max", days["temp_max"]),
        next_value("wind", days["wind"]),
        Series("weather", X_sky.to_numpy(float), y_sky.to_numpy(str), is_class=True),
    ]
    return [one.newest(N_ROWS) for one in series]


# --- the candidates ---------------------------------------------------------------


def vary_one_at_a_time(base: Settings, names: Iterable[str]) -> dict[str, Settings]:
    """Return the base, and the base with each setting changed, by name."""
    candidates = {"base": base}
    for name in names:
        for value in CHOICES[name]:
            if value != base[name]:
                candidates[f"{name} {value:g}"] = {**base, name: value}
    return candidates


def combine_best(base: Settings, ranks: dict[str, float]) -> Settings:
    """Return the values of all settings that have the best ranks.

    A setting keeps the base's value if no other is better, or none was tried.
    """
    best = dict(base)
    for name, values in CHOICES.items():
        tried = {v: ranks[f"{name} {v:g}"] for v in values if f"{name} {v:g}" in ranks}
        rank_of = {base[name]: ranks["base"], **tried}
        best[name] = min(rank_of, key=lambda value: rank_of[value])
    return best


def make_estimator(series: Series, settings: Settings, seed: int) -> BaseEstimator:
    """Return the estimator, with its inputs and a numeric target scaled."""
    params: dict[str, Any] = dict(settings)
    if "learning_rate" in params:
        params["optimizer__learning_rate"] = params.pop("learning_rate")
    params["random_state"] = seed
    if series.is_class:
        return make_pipeline(StandardScaler(), StatefulLSTMClassifier(**params))
    regressor = StatefulLSTMRegressor(**params)
    scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), scaled)


def read_defaults() -> str:
    """Return the package's own defaults, as text."""
    known = inspect.signature(StatefulLSTMRegressor).parameters
    names = ("sequence_length", "batch_size", "epochs", "optimizer", "units")
    return ", ".join(f"{name}={known[name].default!r}" for name in names)


# --- measuring --------------------------------------------------------------------


def measure_all(
    series: list[Series], candidates: list[Settings], seeds: range, jobs: int
) -> list[list[Outcome]]:
    """Return the outcomes, one row for each candidate, one column for each series.

    Each series is one job, so that different workers compile few programs twice.
    """
    run = Parallel(n_jobs=jobs, verbose=10)
    columns = run(delayed(measure_series)(one, candidates, seeds) for one in series)
    return [list(row) for row in zip(*columns, strict=True)]


def measure_series(
    series: Series, candidates: list[Settings], seeds: range
) -> list[Outcome]:
    """Fit and score every candidate on one series."""
    return [measure(series, settings, seeds) for settings in candidates]


def measure(series: Series, settings: Settings, seeds: range) -> Outcome:
    """Fit and score one candidate on one series."""
    fits = [
        [score_fold(series, settings, seed, *fold) for fold in split(series)]
        for seed in seeds
    ]
    scores = [geometric_mean(score for score, _ in folds) for folds in fits]
    seconds = np.mean([taken for folds in fits for _, taken in folds])
    return Outcome(scores, float(seconds))


def split(series: Series) -> list[tuple[Any, Any]]:
    """Return the (training, held-out) rows of each fold."""
    return list(TimeSeriesSplit(N_SPLITS).split(series.X))


def score_fold(
    series: Series, settings: Settings, seed: int, train: Any, test: Any
) -> tuple[float, float]:
    """Return the error relative to persistence, and the seconds of the fit."""
    X, y = series.X, series.y
    estimator = make_estimator(series, settings, seed)
    start = time.perf_counter()
    estimator.fit(X[train], y[train])
    seconds = time.perf_counter() - start
    error = series.error(y[test], estimator.predict(X[test]))
    return error / series.error(y[test], y[test - 1]), seconds


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, which is that of ratios."""
    return float(np.exp(np.mean(np.log(list(values)))))


def rank_candidates(outcomes: list[list[Outcome]]) -> list[float]:
    """Return each candidate's mean rank over series and seeds."""
    scores = np.array([[one.scores for one in row] for row in outcomes])  # (C, S, R)
    ranks = rankdata(scores, axis=0)  # (C, S, R), of the candidates
    return [float(rank) for rank in ranks.mean(axis=(1, 2))]


# --- report -----------------------------------------------------------------------


def print_outcomes(
    names: list[str], series: list[Series], outcomes: list[list[Outcome]]
) -> None:
    """Print the table, best candidate first."""
    ranks = rank_candidates(outcomes)
    rows = []
    for i in np.argsort(ranks):
        scores = [geometric_mean(one.scores) for one in outcomes[i]]
        seconds = np.mean([one.seconds for one in outcomes[i]])
        cells = [f"{score:.3f}" for score in [*scores, geometric_mean(scores)]]
        rows.append([names[i], *cells, f"{ranks[i]:.1f}", f"{seconds:.2f}"])
    columns = [one.name for one in series]
    print_table(["candidate", *columns, "mean", "rank", "s a fit"], rows)


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure other settings than the defaults."
    )
    parser.add_argument("--quick", action="store_true", help="a check of a minute")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--jobs", type=int, default=count_cpus(), help="processes")
    parser.add_argument(
        "--base", nargs="*", default=[], metavar="NAME=VALUE", help="another base"
    )
    return parser.parse_args(arguments)


def read_base(pairs: list[str]) -> Settings:
    """Return the base with the settings of the command line."""
    base: Settings = dict(BASE)
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in base:
            raise SystemExit(f"--base knows {', '.join(base)}, not {name!r}")
        base[name] = float(value) if name == "learning_rate" else int(value)
    return base


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_options(arguments)
    series = load_all()
    if options.quick:
        series = [one for one in series if one.name == "bikes/day"]
    seeds = range(options.seeds or (1 if options.quick else 2))
    base = read_base(options.base)
    print(f"{describe_machine()}\nBase: {base}", flush=True)
    candidates = vary_one_at_a_time(base, QUICK if options.quick else CHOICES)
    run = partial(measure_all, series, seeds=seeds, jobs=options.jobs)
    outcomes = run(candidates=list(candidates.values()))
    ranks = dict(zip(candidates, rank_candidates(outcomes), strict=True))
    best = combine_best(base, ranks)
    print(f"Best of each: {best}\nPackage's defaults: {read_defaults()}", flush=True)
    outcomes += run(candidates=[best, {}])
    names = [*candidates, "best of each", "package's defaults"]
    print(f"Error relative to persistence, {len(seeds)} seed(s), {N_SPLITS} folds:")
    print_outcomes(names, series, outcomes)
    print("Best of each: chosen and scored on the same folds, so its score flatters it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
