"""Race ``panels``: many series in one estimator.

A panel is a frame whose index has two levels, the series and the date.

``fit``: a fit of one epoch on many series beside one on a single series of as many
rows, with the same network, lanes and tiles. Both come as frames with dates, and both
have been fitted once before. Each fit also walks every series once more, which leaves a
state for each.

``step``: a new row of every series in one frame, of the day after the last. sklstm
predicts these rows and advances the states by ``model.step(frame)``. A stateful Keras
model with a lane for each series does so by a direct call, which knows neither ids nor
dates. It has read all rows of the fit before, and its predictions must agree. Each call
is timed by itself; a turn has a number of calls, and their median is its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from _contestants import Array, Size, build_keras, draw_rows, make_sklstm
from _measure import absolute_difference, median_seconds, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _serving import KERAS_ANSWERS, KERAS_CALL, ServingResult, call_keras
from _turns import OURS, Turns, take_turns

FIRST_DATE = "2000-01-01"
ONE_SERIES = "one series"


@dataclass(frozen=True)
class PanelSize:
    """The sizes of a panel, and the network that is fitted on it."""

    n_series: int
    n_rows: int  # of each series
    network: Size

    def __str__(self) -> str:
        return f"{self.n_series} series of {self.n_rows} rows at {self.network.network}"


PANEL = PanelSize(10_000, 200, Size(64, 50, 4, (16,), 0))
QUICK_PANEL = PanelSize(100, 20, Size(8, 10, 4, (8,), 0))
FIT_TURNS = 3
FIT_TARGET = 3.0  # times as long as one series of as many rows, at most
STEP_TURNS = 5
STEP_TARGET = 30.0  # milliseconds, at most
N_CALLS = 20  # in a turn
N_QUICK_CALLS = 3
N_COMPARED = 3  # calls


# --- frames -----------------------------------------------------------------------


def make_panel(size: PanelSize) -> tuple[Any, Array]:
    """Return the rows of a panel, series by series, and their targets."""
    import pandas as pd

    dates = pd.date_range(FIRST_DATE, periods=size.n_rows)
    index = pd.MultiIndex.from_product(
        [np.arange(size.n_series), dates], names=["series", "date"]
    )
    return make_frame(size, index)


def make_one_series(size: PanelSize) -> tuple[Any, Array]:
    """Return the rows of a panel as those of one series, a minute apart."""
    import pandas as pd

    n = size.n_series * size.n_rows
    return make_frame(size, pd.date_range(FIRST_DATE, periods=n, freq="min"))


def make_frame(size: PanelSize, index: Any) -> tuple[Any, Array]:
    """Return random rows with this index, and their targets."""
    import pandas as pd

    X, y = draw_rows(len(index), size.network.n_features)
    columns = [f"feature {k}" for k in range(X.shape[1])]
    return pd.DataFrame(X, index=index, columns=columns), y


def make_next_rows(size: PanelSize, day: int) -> Any:
    """Return a new row of each series, so many days after the last one of the fit."""
    import pandas as pd

    date = pd.Timestamp(FIRST_DATE) + pd.Timedelta(days=size.n_rows - 1 + day)
    index = pd.MultiIndex.from_product(
        [np.arange(size.n_series), [date]], names=["series", "date"]
    )
    rows = np.random.default_rng(day).standard_normal(
        (size.n_series, size.network.n_features)
    )
    columns = [f"feature {k}" for k in range(rows.shape[1])]
    return pd.DataFrame(rows.astype("float32"), index=index, columns=columns)


def make_tiled(size: PanelSize) -> Any:
    """Make the estimator."""
    return make_sklstm(size.network, 1, windows="tiled")


# --- fit --------------------------------------------------------------------------


def race_fit(report: Report, plan: Plan) -> None:
    """Time whole fits of a panel and of one series."""
    size = QUICK_PANEL if plan.quick else PANEL
    note(f"fit of {size}")
    turns = plan.processes.call(race_fits, size, plan.turns(FIT_TURNS))
    report.turns("Warm fit of one epoch", {str(size): turns}, "s", {})
    what = f"panels, fit of {size}: {OURS} / {ONE_SERIES} of as many rows"
    report.sum_up(what, turns.ratios(OURS), at_most=FIT_TARGET)


def race_fits(size: PanelSize, repeats: int) -> Turns:
    """Fit both once, then let them take turns."""
    import_contestants()
    fits = {
        OURS: partial(make_tiled(size).fit, *make_panel(size)),
        ONE_SERIES: partial(make_tiled(size).fit, *make_one_series(size)),
    }
    for fit in fits.values():
        fit()
    turns = {name: partial(seconds, fit) for name, fit in fits.items()}
    return Turns(take_turns(turns, repeats), base=ONE_SERIES)


# --- step -------------------------------------------------------------------------


def race_step(report: Report, plan: Plan) -> None:
    """Time the predictions of a new row of each series."""
    size = QUICK_PANEL if plan.quick else PANEL
    n_calls = N_QUICK_CALLS if plan.quick else N_CALLS
    note(f"step of {size}")
    result = plan.processes.call(race_steps, size, n_calls, plan.turns(STEP_TURNS))
    label = f"a row of each of {size.n_series} series"
    difference = result.differences[KERAS_CALL]
    text = report.check(f"panels, step of {label}: answers", difference, KERAS_ANSWERS)
    report.turns(
        f"Answers to new rows, network {size.network.network}",
        {label: result.turns},
        "ms",
        {(label, KERAS_CALL): text},
    )
    milliseconds = [1e3 * time for time in result.turns.times[OURS]]
    race = f"panels, step of {label} at {size.network.network}"
    report.sum_up(f"{race}: {OURS}", milliseconds, at_most=STEP_TARGET, unit="ms")
    report.sum_up(f"{race}: {KERAS_CALL} / {OURS}", result.turns.ratios(KERAS_CALL))


def race_steps(size: PanelSize, n_calls: int, repeats: int) -> ServingResult:
    """Compare the predictions of some days, then time calls in turns."""
    import_contestants()
    panel, y = make_panel(size)
    ours = make_tiled(size).fit(panel, y)
    model = build_lanes(size, ours.get_weights(), panel.to_numpy())
    days = count(1)
    differences = []
    for day in (next(days) for _ in range(N_COMPARED)):
        frame = make_next_rows(size, day)
        theirs = call_keras(model, frame.to_numpy()[:, np.newaxis])[:, 0]
        differences.append(absolute_difference(ours.step(frame), theirs))
    timers = {
        OURS: partial(time_steps, ours, size, days, n_calls),
        KERAS_CALL: partial(time_keras, model, size, n_calls),
    }
    turns = Turns(take_turns(timers, repeats))
    return ServingResult(turns, {KERAS_CALL: max(differences)})


def build_lanes(size: PanelSize, weights: list[Array], rows: Array) -> Any:
    """Build a stateful Keras model with a lane for each series, and feed it all rows.

    `rows`, of shape (n_series * n_rows, n_features), are series by series.
    """
    network = size.network
    lanes = Size(size.n_series, 1, network.n_features, network.units, 0)
    model = build_keras(lanes, weights)
    for step in np.split(rows.reshape(size.n_series, size.n_rows, -1), size.n_rows, 1):
        call_keras(model, step)  # (n_series, 1, n_features)
    return model


def time_steps(ours: Any, size: PanelSize, days: Any, n_calls: int) -> float:
    """Return the median seconds of calls, each with a new frame of the next day."""
    frames = iter([make_next_rows(size, next(days)) for _ in range(n_calls)])
    return median_seconds(lambda: ours.step(next(frames)), n_calls)


def time_keras(model: Any, size: PanelSize, n_calls: int) -> float:
    """Return the median seconds of calls, with the same rows each time."""
    rows = make_next_rows(size, 1).to_numpy()[:, np.newaxis]
    return median_seconds(lambda: call_keras(model, rows), n_calls)
