"""`forecast` is the one-step calls it stands for."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from helpers import (
    ROUNDING,
    assert_close,
    make_rows,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import (
    LABELS,
    POOL,
    REGRESSORS,
    Spec,
    assert_unchanged,
    naive_of,
    situations,
    snapshot,
    trained,
)


def make_feedback(spec: Spec) -> Any:
    """Return a feedback that makes a full row of a prediction and the step's number."""

    def feedback(prediction, k):
        if spec.n_classes:
            value = float(np.flatnonzero(prediction == LABELS)[0])
        else:
            value = np.ravel(prediction)[0]
        return value * np.arange(1, spec.n_features + 1) + 0.1 * (k % 3)

    return feedback


@given(situations(), st.integers(1, 12), st.booleans())
def test_forecast_equals_single_steps(situation, n_steps, started):
    """Each prediction, made into a row, is stepped over; the state is left alone."""
    spec, feedback = situation.spec, make_feedback(situation.spec)
    estimator, _ = situation.begin()
    if not started:  # a forecast without start needs a last row
        estimator.observe(situation.rows[:1])
    start = situation.rows if started else None
    walker = copy.deepcopy(estimator)
    before = snapshot(estimator)
    numbers = []

    def numbered(prediction, k):
        numbers.append(k)
        return feedback(prediction, k)

    forecast = estimator.forecast(n_steps, start=start, feedback=numbered)
    assert_unchanged(estimator, before)
    n_fed = n_steps - 1 if started else n_steps
    assert numbers == list(range(n_fed))
    if started:
        expected = [walker.step(start)[-1]]
    else:
        # Recover the prediction for the last row: it is asked for before it is seen.
        twin, _ = situation.begin()
        expected = [twin.step(situation.rows[:1])[-1]]
    for k in range(n_fed):
        expected.append(walker.step(feedback(expected[-1], k)[None])[0])
    expected = np.array(expected[-n_steps:])
    assert forecast.shape == expected.shape
    if spec.n_classes:
        assert forecast.tolist() == expected.tolist()
    else:
        assert_close(forecast, expected, **ROUNDING)


@pytest.mark.parametrize(
    "spec", [s for s in REGRESSORS if s.n_outputs == s.n_features], ids=str
)
@pytest.mark.parametrize("started", [False, True])
def test_forecast_after_fit_equals_numpy_lstm(spec, started):
    """By default a prediction is the next row, from the last training row on."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    start = make_rows(4, spec.n_features, seed=9) if started else None
    expected = naive.forecast(10, start)
    forecast = estimator.forecast(10, start=start)
    assert_close(forecast.reshape(10, -1), expected, **ROUNDING)
    assert forecast.shape == ((10,) if spec.n_outputs == 1 else (10, spec.n_outputs))


def test_forecast_without_feedback_or_start_raises():
    """Neither is guessed."""
    estimator, X, _ = trained(POOL[2])  # three features, one output
    with pytest.raises(ValueError, match="feedback"):
        estimator.forecast(3, start=X)
    estimator.reset_states()
    with pytest.raises(ValueError, match="start"):
        estimator.forecast(3, feedback=lambda prediction, k: X[0])
