"""The forecasts that all intervals of the benchmark are put around.

Of each series the newest rows are forecast, at most 8,760 of them: after a fit on the
first 45 % the next 15 %, which calibrate, and after a fit on these 60 % the rest. Both
times the state of the network follows the rows, and nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _accuracy_series import Series

MOST_ROWS = 8760  # a year of hours
FITTED, CALIBRATION = 0.6, 0.25  # of all rows; of those fitted on
LEAST_ROWS = 100  # of a month, where 30 days have fewer


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of one series, so many steps ahead.

    Parameters
    ----------
    name : str
    steps : int
    truth, made : ndarray of shape (n_rows,)
        What came and what was forecast, first in the calibration rows.
    n_calibration : int
    window : int
        Rows in a month, or more where these are few.
    """

    name: str
    steps: int
    truth: np.ndarray
    made: np.ndarray
    n_calibration: int
    window: int

    @property
    def tested(self) -> np.ndarray:
        """What came in the test rows."""
        return self.truth[self.n_calibration :]


def forecast(series: Series, steps: int, make_model: Callable[[], Any]) -> Forecasts:
    """Fit twice, and forecast `steps` ahead."""
    from sklstm import frame_series

    X, y = frame_series(series.values[-MOST_ROWS:].to_frame("v"), steps, target="v")
    n_fit = int(FITTED * len(X))
    n_calibration = int(np.ceil(CALIBRATION * n_fit))
    n_trained = n_fit - n_calibration
    # the targets of the last rows before the calibration rows lie among these
    model = make_model().fit(X[: n_trained - steps + 1], y[: n_trained - steps + 1])
    calibrating = model.predict(X[n_trained - steps + 1 : n_fit])[steps - 1 :]
    model = make_model().fit(X[:n_fit], y[:n_fit])
    made = np.concatenate([calibrating, model.predict(X[n_fit:])])
    return Forecasts(
        series.name,
        steps,
        y.to_numpy(float)[n_trained:],
        made.astype(float),
        n_calibration,
        window_of(series),
    )


def window_of(series: Series) -> int:
    """Rows in 30 days by the dates of a series, or by its weeks, and at least 100."""
    index = series.values.index
    if isinstance(index, pd.DatetimeIndex):
        step = pd.Series(index).diff().median()
        return max(LEAST_ROWS, int(pd.Timedelta(days=30) / step))
    if len(series.periods) > 1:  # a day and a week
        return max(LEAST_ROWS, series.periods[1] * 30 // 7)
    return LEAST_ROWS


def kept(path: Path, make: Callable[[], Forecasts]) -> Forecasts:
    """Forecasts from a file, or made and written to it."""
    if path.exists():
        table = dict(np.load(path))
        numbers = {n: int(table[n]) for n in ("steps", "n_calibration", "window")}
        return Forecasts(
            str(table["name"]), truth=table["truth"], made=table["made"], **numbers
        )
    forecasts = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(forecasts))
    return forecasts
