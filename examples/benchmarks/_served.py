"""Race ``serving``: a saved estimator that answers in a fresh process.

*fresh*: a process is started that imports, loads a file and answers one row, and ends.
`sklstm.serving.load` does so in NumPy, the estimator's own `load` with TensorFlow. The
time is that of the whole process, and the memory its peak. The files hold an estimator
as it comes, of one series, and of a panel, whose ids take pandas.

*step*: the next row of a live series, by a predictor and by the estimator it was saved
from, in one process. Each call is timed by itself, as in the race ``step``.

*size*: the files of the packages that serving needs, and of all that the project
depends on, as their installers have listed them.

The answers must agree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import metadata
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from _contestants import make_series
from _measure import MEGABYTE, absolute_difference, median_seconds, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _serving import SAME_ANSWERS
from _tables import print_table
from _turns import OURS, Turns, take_turns

PREDICTOR, ESTIMATOR = "sklstm.serving", "estimator"
ONE, PANEL = "one series", "panel of 100 series"
TARGETS = 0.5, 120.0  # seconds and MB of a fresh process, at most
FRESH_TURNS, STEP_TURNS = 9, 5
N_CALLS, N_QUICK_CALLS = 2_000, 200
N_ROWS, N_NEW, N_SERIES = 500, 200, 100
SERVED = ("numpy", "safetensors", "sklstm")

FRESH = """
import sys
from {module} import {loader}
model = {loader}{call}(sys.argv[1])
{rows}
answers = model.step(rows)
print(list(map(float, answers)))
if sys.platform == "linux":
    print(*[s.split()[1] for s in open("/proc/self/status") if s.startswith("VmHWM")])
"""
LOADERS = {
    PREDICTOR: {"module": "sklstm.serving", "loader": "load", "call": ""},
    ESTIMATOR: {
        "module": "sklstm",
        "loader": "StatefulLSTMRegressor",
        "call": ".load",
    },
}
ROWS = {
    ONE: "rows = [[0.25]]",
    PANEL: "import numpy as np; rows = np.array([[7.0, 0.25]])",
}


def race(report: Report, plan: Plan) -> None:
    """Time fresh processes and single rows, and print what has to be installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (ONE, PANEL):
            note(f"serving: {name} in fresh processes")
            path = str(Path(folder, name))
            plan.processes.call(save_fitted, path, name == PANEL)
            race_fresh(report, plan, path, name)
        note("serving: step")
        race_step(report, plan, str(Path(folder, ONE)))
    race_sizes(report)


# --- fresh processes --------------------------------------------------------------


def save_fitted(path: str, is_panel: bool) -> None:
    """Fit an estimator as it comes and save it."""
    import_contestants()
    from sklstm import StatefulLSTMRegressor

    X, y = make_series(N_ROWS)
    if not is_panel:
        StatefulLSTMRegressor(32, epochs=1, random_state=0).fit(X, y).save(path)
        return
    ids = np.arange(N_ROWS) % N_SERIES
    model = StatefulLSTMRegressor(32, epochs=1, series_id=0, random_state=0)
    model.fit(np.column_stack([ids, X]), y).save(path)


def race_fresh(report: Report, plan: Plan, path: str, name: str) -> None:
    """Time whole processes that answer one row, in turns."""
    runs = take_turns(
        {who: partial(run_fresh, path, who, name) for who in LOADERS},
        plan.turns(FRESH_TURNS),
    )
    times = {who: [run["seconds"] for run in made] for who, made in runs.items()}
    answers = {who: made[0]["answers"] for who, made in runs.items()}
    text = report.check(
        f"serving: answers of {name}",
        absolute_difference(answers[PREDICTOR], answers[ESTIMATOR]),
        SAME_ANSWERS,
    )
    turns = Turns(times, PREDICTOR)
    title = "A fresh process that imports, loads and answers one row"
    report.turns(title, {name: turns}, "s", {(name, ESTIMATOR): text})
    for who in LOADERS:
        most_seconds, most_mb = TARGETS if who == PREDICTOR else (None, None)
        what = f"serving, {name}, fresh process: {who}"
        report.sum_up(what, times[who], at_most=most_seconds, unit="s")
        busy = [run["busy"] for run in runs[who]]
        report.sum_up(f"{what}, processor time", busy, unit="s")
        peaks = [run["peak"] for run in runs[who] if run["peak"] is not None]
        if peaks:
            report.sum_up(f"{what}, peak", peaks, at_most=most_mb, unit="MB")


def run_fresh(path: str, who: str, name: str) -> dict[str, Any]:
    """Start a process that answers a row; return its times, its peak and its answers.

    Beside the time on the clock it is that of the processor, which other processes on a
    busy machine change less.
    """
    code = FRESH.format(rows=ROWS[name], **LOADERS[who])
    done: dict[str, Any] = {}

    def start() -> None:
        done["output"] = subprocess.run(
            [sys.executable, "-c", code, path],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        ).stdout

    before = os.times()
    done["seconds"] = seconds(start)
    after = os.times()
    done["busy"] = sum(after[2:4]) - sum(before[2:4])  # of children, which have ended
    answers, *peak = done["output"].splitlines()
    done["answers"] = json.loads(answers)
    done["peak"] = int(peak[0]) / 1024 if peak else None
    return done


# --- one row at a time ------------------------------------------------------------


def race_step(report: Report, plan: Plan, path: str) -> None:
    """Time the answer to a single row of one series."""
    n_calls = N_QUICK_CALLS if plan.quick else N_CALLS
    times, difference = plan.processes.call(
        time_steps, path, n_calls, plan.turns(STEP_TURNS)
    )
    text = report.check("serving: answers to rows", difference, SAME_ANSWERS)
    turns = Turns(times, PREDICTOR)
    title = "Answer to the next row, by an estimator as it comes with 32 units"
    report.turns(title, {"one row": turns}, "µs", {("one row", OURS): text})
    micro = [1e6 * time for time in times[PREDICTOR]]
    report.sum_up(f"serving, step: {PREDICTOR}", micro, unit="µs")
    ratios = turns.ratios(ESTIMATOR)
    report.sum_up(f"serving, step: {ESTIMATOR} / {PREDICTOR}", ratios)


def time_steps(path: str, n_calls: int, repeats: int) -> tuple[dict, float]:
    """Seconds of a call by both in each turn, and how far their answers differ."""
    import_contestants()
    from sklstm import StatefulLSTMRegressor
    from sklstm.serving import load

    both = {PREDICTOR: load(path), ESTIMATOR: StatefulLSTMRegressor.load(path)}
    rows = list(make_series(N_NEW)[0][:, np.newaxis])  # each (1, 1)
    answers = [np.ravel([one.step(row) for row in rows]) for one in both.values()]
    timers: dict[str, Callable[[], float]] = {
        name: partial(time_calls, one.step, rows, n_calls) for name, one in both.items()
    }
    return take_turns(timers, repeats), absolute_difference(*answers)


def time_calls(step: Any, rows: list, n_calls: int) -> float:
    """Return the median seconds of ``n_calls`` calls, with the rows in turn."""
    stream = cycle(rows)
    return median_seconds(lambda: step(next(stream)), n_calls)


# --- what has to be installed -----------------------------------------------------


def race_sizes(report: Report) -> None:
    """Print the size of a slim environment beside that of all dependencies."""
    everything = required("sklstm", set())
    sizes = {name: installed_mb(name) for name in everything}
    slim = {name: sizes[name] for name in SERVED}
    rows = [
        ["for serving", ", ".join(SERVED), f"{sum(slim.values()):.0f}"],
        ["with pandas", f"{len(required('pandas', set(SERVED)))} packages"],
        ["all", f"{len(everything)} packages", f"{sum(sizes.values()):.0f}"],
    ]
    with_pandas = required("pandas", set(SERVED))
    rows[1].append(f"{sum(map(installed_mb, with_pandas)):.0f}")
    print("Files of installed packages\n", flush=True)
    print_table(["environment", "packages", "MB"], rows, n_text=2)
    report.sum_up("serving, installed files", [sum(slim.values())], unit="MB")
    report.sum_up("all, installed files", [sum(sizes.values())], unit="MB")


def required(name: str, known: set[str]) -> set[str]:
    """The packages that one needs, itself and those known before included."""
    from packaging.requirements import Requirement

    if name in known:
        return known
    known = known | {name}
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            known = required(requirement.name.lower().replace("_", "-"), known)
    return known


def installed_mb(name: str) -> float:
    """The size of a package's files; of sklstm, which may be a checkout, its folder."""
    if name == "sklstm":
        import sklstm

        files = Path(sklstm.__file__).parent.rglob("*")
        files = (file for file in files if "__pycache__" not in file.parts)
    else:
        files = (Path(file.locate()) for file in metadata.files(name) or ())
    return sum(file.stat().st_size for file in files if file.is_file()) / MEGABYTE
