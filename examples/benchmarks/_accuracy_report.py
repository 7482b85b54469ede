"""Tables of outcomes, series by series, and the same figures as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _accuracy_rivals import Outcome
from _accuracy_series import Series, geometric_mean, horizon_of, rows_and_targets
from _tables import print_table, shorten, spread

RIVALS = ("persistence", "seasonal", "ridge", "boosting", "perceptron", "smoothing")
CLASS_RIVALS = ("last label", "logistic", "boosting")


@dataclass(frozen=True)
class Result:
    """What all forecasters reached on one series: ours by seed, rivals by name."""

    series: Series
    ours: list[Outcome]
    rivals: dict[str, Outcome]


def print_report(results: Sequence[Result]) -> None:
    """Print a table of each group and question."""
    numbers = [one for one in results if not one.series.is_classes]
    classes = [one for one in results if one.series.is_classes]
    for group in ("chosen", "reported"):
        of_group = [one for one in numbers if one.series.group == group]
        if of_group:
            print(f"## Series of the group {group!r}\n")
            print("One step ahead:\n")
            _print_errors(of_group, lambda outcome: outcome.one_step, _n_rows)
            print("All steps up to the horizon:\n")
            _print_errors(of_group, lambda outcome: outcome.ahead, _horizon)
    if classes:
        print("## Classes\n")
        _print_classes(classes)


def _n_rows(series: Series) -> str:
    return f"{len(series.values)} rows"


def _horizon(series: Series) -> str:
    return f"{horizon_of(series)} steps"


def _print_errors(
    results: Sequence[Result],
    read: Callable[[Outcome], float],
    describe: Callable[[Series], str],
) -> None:
    """Print the errors of all forecasters on some series, the least with a star."""
    rows, columns = [], []
    for result in results:
        of_ours = [read(outcome) for outcome in result.ours]
        errors = [_read(result.rivals, name, read) for name in RIVALS]
        columns.append([float(np.median(of_ours)) if of_ours else math.nan, *errors])
        cells = [spread(of_ours) if of_ours else "-", *map(_cell, errors)]
        best = int(np.nanargmin(columns[-1]))
        cells[best] += " *"
        series = result.series
        rows.append([series.name, series.kind, describe(series), *cells])
    means = [_mean(column) for column in zip(*columns, strict=True)]
    rows.append(["geometric mean", "", "", *means])
    rows.append(["median fit, s", "", "", *_median_seconds(results, RIVALS)])
    print_table(["series", "kind", "", "sklstm", *RIVALS], rows, n_text=3)


def _read(
    outcomes: dict[str, Outcome], name: str, read: Callable[[Outcome], float]
) -> float:
    return read(outcomes[name]) if name in outcomes else math.nan


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else shorten(value)


def _mean(values: Sequence[float]) -> str:
    """Return the mean over all series, where a forecaster took part in all."""
    return _cell(geometric_mean(values) if not np.isnan(values).any() else math.nan)


def _median_seconds(results: Sequence[Result], names: Sequence[str]) -> list[str]:
    """Return the median time of a fit of ours and of each rival that is fitted."""
    ours = [outcome.seconds for result in results for outcome in result.ours]
    of_rivals = [
        [one.rivals[name].seconds for one in results if name in one.rivals]
        for name in names
    ]
    return [
        shorten(float(np.median(times)), 2) if np.any(times) else "-"
        for times in (ours, *of_rivals)
    ]


def _print_classes(results: Sequence[Result]) -> None:
    """Print log losses as ratios, with the share of labels told right."""
    rows = []
    for result in results:
        series = result.series
        cells = [_class_cell(result.ours)]
        cells += [_class_cell([result.rivals[name]]) for name in CLASS_RIVALS]
        rows.append([series.name, series.kind, series.group, *cells])
    seconds = _median_seconds(results, CLASS_RIVALS)
    rows.append(["median fit, s", "", "", *seconds])
    print("Log loss, 1 being the frequencies of labels (labels told right, %):\n")
    print_table(["series", "kind", "group", "sklstm", *CLASS_RIVALS], rows, n_text=3)


def _class_cell(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "-"
    right = np.median([outcome.accuracy for outcome in outcomes])
    return f"{spread([one.one_step for one in outcomes])} ({100 * right:.1f})"


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write all figures, so that those of two runs can be compared."""
    table = {
        result.series.name: {
            "kind": result.series.kind,
            "group": result.series.group,
            "rows": len(rows_and_targets(result.series)[0]),
            "horizon": None if result.series.is_classes else horizon_of(result.series),
            "ours": [_finite(outcome) for outcome in result.ours],
            "rivals": {name: _finite(one) for name, one in result.rivals.items()},
        }
        for result in results
    }
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _finite(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of an outcome; JSON has no NaN."""
    figures = asdict(outcome)
    return {name: x if math.isfinite(x) else None for name, x in figures.items()}
