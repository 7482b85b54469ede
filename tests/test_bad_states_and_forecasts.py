"""States, forecasts and calls before `fit` that are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bad_input_cases import (
    INF,
    NAN,
    X,
    assert_refused,
    classifier,
    feed_zeros,
    regressor,
    y,
)
from sklearn.exceptions import NotFittedError

# --------------------------------------------------------------------------------------
# Before fit
# --------------------------------------------------------------------------------------

BEFORE_FIT = {
    "predict": lambda e: e.predict(X),
    "score": lambda e: e.score(X, y),
    "observe": lambda e: e.observe(X),
    "step": lambda e: e.step(X),
    "forecast": lambda e: e.forecast(3),
    "get_states": lambda e: e.get_states(),
    "set_states": lambda e: e.set_states(None),
    "reset_states": lambda e: e.reset_states(),
    "reseed_states": lambda e: e.reseed_states(),
    "get_weights": lambda e: e.get_weights(),
    "rebuild": lambda e: e.rebuild(1),
    "model_": lambda e: e.model_,
}


@pytest.mark.parametrize("call", BEFORE_FIT.values(), ids=BEFORE_FIT)
def test_calls_before_fit_raise_NotFittedError(call):
    estimator = regressor()
    text = "This StatefulLSTMRegressor instance is not fitted yet"
    assert_refused(estimator, lambda: call(estimator), text, NotFittedError)


def test_predict_proba_before_fit_raises_NotFittedError():
    estimator = classifier()
    text = "This StatefulLSTMClassifier instance is not fitted yet"
    assert_refused(estimator, lambda: estimator.predict_proba(X), text, NotFittedError)


# --------------------------------------------------------------------------------------
# States and forecasts
# --------------------------------------------------------------------------------------

ZEROS = np.zeros((1, 2), np.float32)


@pytest.mark.parametrize(
    "layers",
    [
        ((np.zeros((2, 2)), np.zeros((2, 2))),),
        ((np.zeros((1, 3)), np.zeros((1, 3))),),
        ((ZEROS,),),
        ((ZEROS, ZEROS), (ZEROS, ZEROS)),
        (),
    ],
    ids=["lanes", "units", "no cell state", "layers", "stateless"],
)
def test_set_states_of_another_shape_raises(on_rows, layers):
    """Both shapes are named."""
    state = on_rows.get_states().replace(layers=layers)
    text = re.escape(
        f"The state has layers of shapes {state.shapes}, but this estimator's have"
        f" {(((1, 2), (1, 2)),)}: (batch_size, units) each."
    )
    assert_refused(on_rows, lambda: on_rows.set_states(state), text)


def test_set_states_context_of_another_width_raises(on_rows):
    state = on_rows.get_states().replace(context=np.zeros((0, 3)))
    text = r"context of shape \(0, 3\), but this estimator was fitted on rows of 2"
    assert_refused(on_rows, lambda: on_rows.set_states(state), text)


@pytest.mark.parametrize("state", [3, ((ZEROS, ZEROS),), None], ids=["3", "tuple", "-"])
def test_set_states_not_a_RecurrentState_raises(on_rows, state):
    text = f"must be a RecurrentState, as get_states.* got {type(state).__name__}"
    assert_refused(on_rows, lambda: on_rows.set_states(state), text, TypeError)


@pytest.mark.parametrize("n", [0, -1])
def test_forecast_n_steps_not_positive_raises(on_rows, n):
    text = f"n_steps must be a positive integer, got {n}"
    assert_refused(on_rows, lambda: on_rows.forecast(n, feedback=feed_zeros), text)


@pytest.mark.parametrize("n", [2.5, "3", None, True], ids=repr)
def test_forecast_n_steps_not_integer_raises(on_rows, n):
    text = f"n_steps must be a positive integer, got {n!r} of type"
    assert_refused(
        on_rows, lambda: on_rows.forecast(n, feedback=feed_zeros), text, TypeError
    )


def test_forecast_without_feedback_where_prediction_is_no_row_raises(
    on_rows, on_labels
):
    text = (
        r"A prediction cannot be the next row: it has 1 value\(s\), a row has 2"
        r" feature\(s\)\. Pass feedback=.* of shape \(2,\)"
    )
    assert_refused(on_rows, lambda: on_rows.forecast(3), text)
    text = "A prediction cannot be the next row: labels are not numbers. Pass feedback="
    assert_refused(on_labels, lambda: on_labels.forecast(3), text)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([0, 0, 0], r"row of shape \(2,\), .*for step 0 it returned shape \(3,\)"),
        (0.0, r"row of shape \(2,\), .*for step 0 it returned shape \(\)"),
        ([[0, 0]], r"row of shape \(2,\), .*for step 0 it returned shape \(1, 2\)"),
        ([0, NAN], "feedback returned NaN or infinity for step 0"),
        ([0, INF], r"NaN or infinity for step 0.*\. Return finite numbers: clip"),
    ],
)
def test_forecast_feedback_of_bad_row_raises(on_rows, row, text):
    assert_refused(on_rows, lambda: on_rows.forecast(3, feedback=lambda *_: row), text)


def test_forecast_feedback_bad_at_later_step_raises_naming_step(on_rows):
    """The step is named."""

    def feedback(prediction, k):
        return [0.0, 0.0] if k < 2 else [0.0]

    text = r"for step 2 it returned shape \(1,\)"
    assert_refused(on_rows, lambda: on_rows.forecast(5, feedback=feedback), text)


def test_forecast_after_reset_states_without_start_raises(on_rows):
    state = on_rows.get_states()
    try:
        on_rows.reset_states()
        text = "No row was seen since the last reset.* Pass start="
        assert_refused(on_rows, lambda: on_rows.forecast(3, feedback=feed_zeros), text)
    finally:
        on_rows.set_states(state)


def test_forecast_after_fit_on_windows_raises(on_windows):
    text = "forecast feeds back one row at a time.* ready-made windows"
    assert_refused(on_windows, lambda: on_windows.forecast(3), text)


def test_rebuild_bad_batch_size_raises(on_rows):
    text = "batch_size must be a positive integer, got 0"
    assert_refused(on_rows, lambda: on_rows.rebuild(0), text)
    text = "batch_size must be a positive integer, got 2.5 of type float"
    assert_refused(on_rows, lambda: on_rows.rebuild(2.5), text, TypeError)
