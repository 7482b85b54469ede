"""A model of sklstm on a series: fitted, and asked for one step and for many ahead."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from _accuracy_rivals import Outcome, class_outcome
from _accuracy_series import (
    Series,
    error_ratio,
    horizon_of,
    split,
    units_of,
)


def error_of(model: Any, series: Series) -> tuple[float, float]:
    """Fit a model on a series; return its one-step error as a ratio, and the seconds.

    Parameters
    ----------
    model : estimator
        A regressor, or a classifier for a series of classes. It is given the rows in
        their own units, and the test rows follow those of the fit.
    """
    outcome = fit_and_ask(model, series, ahead=False)
    return outcome.one_step, outcome.seconds


def fit_and_ask(model: Any, series: Series, ahead: bool = True) -> Outcome:
    """Fit a model on the training rows of a series; return how well it does after them.

    Parameters
    ----------
    ahead : bool, default=True
        Whether it is also asked for all steps of the horizon.
    """
    X_train, y_train, X_test, _ = split(series)
    started = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    if series.is_classes:
        told = model.predict_proba(X_test)
        told = pd.DataFrame(told, X_test.index, model.classes_)
        return class_outcome(series, told, seconds)
    one_step = error_ratio(series, model.predict(X_test))
    if not ahead:
        return Outcome(one_step, seconds=seconds)
    horizon = horizon_of(series)
    forecasts = forecast_ahead(model, X_test, horizon)
    return Outcome(one_step, error_ratio(series, forecasts, horizon), seconds=seconds)


def forecast_ahead(model: Any, X_test: Any, horizon: int) -> np.ndarray:
    """Return closed-loop forecasts from all origins, (n_origins, horizon).

    The first row of each stretch of `horizon` test rows is the start of a forecast;
    then the state follows the whole stretch.
    """
    from sklstm import stream

    following = stream(model)
    units = units_of(X_test.index)
    table = pd.Series(units).groupby(units)
    stretch = table.cumcount().to_numpy() // horizon
    is_whole = stretch < table.transform("size").to_numpy() // horizon
    made = []
    for number in range(stretch[is_whole].max() + 1):
        at = is_whole & (stretch == number)
        _, firsts = np.unique(units[at], return_index=True)
        rows = X_test[at]
        steps = following.forecast(horizon, start=rows.iloc[firsts])
        made += zip(units[at][firsts], np.reshape(steps, (-1, horizon)), strict=True)
        following.observe(rows)
    made.sort(key=lambda pair: pair[0])  # stable: the stretches of a series in order
    return np.stack([steps for _, steps in made])
