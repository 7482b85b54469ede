"""Arrays that are refused: bad values, bad shapes, too few rows."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from bad_input_cases import (
    INF,
    NAN,
    NOTHING_BUT_NAN,
    READERS,
    WINDOWS,
    N,
    X,
    assert_refused,
    reader,
    regressor,
    with_value,
    y,
)
from helpers import left_nan_windows

# --------------------------------------------------------------------------------------
# Values: NaN, infinity, strings
# --------------------------------------------------------------------------------------

BAD_VALUES = {
    "NaN": (NAN, "X contains NaN"),
    "infinity": (INF, "X contains infinity"),
    "too large for float32": (1e300, "X contains infinity or a value too large"),
    "string": ("seven", "could not convert string to float: 'seven'"),
}
# Casting 1e300 to float32 is what NumPy warns of, and the error is about.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in cast")
bad_value = pytest.mark.parametrize(
    ("value", "text"), BAD_VALUES.values(), ids=BAD_VALUES
)


@bad_value
def test_fit_rows_with_bad_value_raises(value, text):
    estimator = regressor()
    rows = with_value(X, value, (3, 1))
    assert_refused(estimator, lambda: estimator.fit(rows, y), text)


@reader
@bad_value
def test_calls_with_bad_value_in_later_rows_raise(on_rows, read, value, text):
    rows = with_value(X, value, (3, 1))
    assert_refused(on_rows, lambda: read(on_rows, rows), text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "Input y contains NaN"),
        (INF, "Input y contains infinity"),
        ("up", "could not convert string to float: 'up'"),
    ],
)
@pytest.mark.parametrize("X", [X[:6], WINDOWS], ids=["rows", "windows"])
def test_fit_targets_with_bad_value_raises(X, value, text):
    estimator = regressor()
    target = with_value(y[:6], value, (3,))
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "sample_weight contains NaN"),
        (INF, "sample_weight contains infinity"),
        ("heavy", "could not convert string to float: 'heavy'"),
    ],
)
def test_fit_sample_weight_with_bad_value_raises(value, text):
    estimator = regressor()
    weights = with_value(np.ones(N), value, (3,))
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


@pytest.mark.parametrize(
    ("at", "value", "text"),
    [
        ((2, 0, 1), NAN, r"X contains NaN in 1 place\(s\).*SimpleImputer"),
        ((2, 1), NAN, r"X contains NaN in 2 place\(s\).*whole leading steps"),
        ((2,), NAN, NOTHING_BUT_NAN),
        ((2, 0, 1), INF, "X contains infinity"),
        ((2, 0, 1), "seven", "could not convert string to float: 'seven'"),
    ],
    ids=["one entry", "a step inside", "a whole window", "infinity", "string"],
)
def test_fit_and_calls_with_bad_value_in_windows_raise(on_windows, at, value, text):
    """Only the first steps of a window may be NaN: the series had not begun yet."""
    windows = with_value(WINDOWS, value, at)
    fresh = regressor()
    assert_refused(fresh, lambda: fresh.fit(windows, y[:6]), text)
    assert_refused(on_windows, lambda: on_windows.predict(windows), text)
    assert_refused(on_windows, lambda: on_windows.observe(windows), text)
    assert_refused(on_windows, lambda: on_windows.partial_fit(windows, y[:6]), text)


# --------------------------------------------------------------------------------------
# Shapes
# --------------------------------------------------------------------------------------


@reader
@pytest.mark.parametrize("n_features", [1, 3])
def test_calls_with_another_n_features_raise(on_rows, read, n_features):
    rows = np.ones((4, n_features))
    text = f"X has {n_features} features, but StatefulLSTMRegressor is expecting 2"
    assert_refused(on_rows, lambda: read(on_rows, rows), text)


def test_predict_windows_of_other_features_raises(on_windows):
    windows = WINDOWS[:, :, :1]
    text = re.escape(
        f"X has windows of shape {windows.shape[1:]}, but StatefulLSTMRegressor was"
        " fitted on windows of shape (sequence_length, n_features) = (3, 2). Their"
        " lengths may differ, the number of features may not."
    )
    assert_refused(on_windows, lambda: on_windows.predict(windows), text)


@reader
def test_calls_with_windows_after_fit_on_rows_raise(on_rows, read):
    text = (
        r"was fitted on rows, X of shape .*, but got ready-made .*\. Pass X as in fit"
    )
    assert_refused(on_rows, lambda: read(on_rows, WINDOWS), text)


@pytest.mark.parametrize("name", ["predict", "observe", "step", "partial_fit"])
def test_calls_with_rows_after_fit_on_windows_raise(on_windows, name):
    text = (
        r"was fitted on ready-made windows, X of .*, but got rows.*\. Pass X as in fit"
    )
    assert_refused(on_windows, lambda: READERS[name](on_windows, X), text)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (X[:, 0], "Expected 2D array, got 1D array instead"),
        (X[None, None], "Found array with dim 4"),
        (X[:0], r"Found array with 0 sample\(s\)"),
        (WINDOWS[:0], r"Found array with 0 sample\(s\)"),
        (WINDOWS[:, :0], r"at least one step and one feature; got \(6, 0, 2\)"),
        (WINDOWS[:, :, :0], r"at least one step and one feature; got \(6, 3, 0\)"),
    ],
    ids=["1-D", "4-D", "no rows", "no windows", "no steps", "no features"],
)
def test_fit_X_of_bad_shape_raises(rows, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(rows, y[: len(rows)]), text)


@pytest.mark.parametrize(
    ("X", "target", "text"),
    [
        (X, y[:-1], r"inconsistent numbers of samples: \[12, 11\]"),
        (WINDOWS, y, r"inconsistent numbers of samples: \[6, 12\]"),
        (X, None, "requires y to be passed, but the target y is None"),
        (WINDOWS, None, "requires y to be passed, but the target y is None"),
        (X, np.ones((N, 1, 1)), r"y has shape \(12, 1, 1\)"),
    ],
)
def test_fit_y_of_another_length_raises(X, target, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


def test_partial_fit_y_of_another_width_raises(on_rows):
    """Without a check, the first of two columns would be trained on alone."""
    estimator, two = copy.deepcopy(on_rows), np.ones((N, 2))
    assert_refused(estimator, lambda: estimator.partial_fit(X, two), "y has|output")


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(5), r"sample_weight.shape == \(5,\), expected \(12,\)"),
        (np.ones((N, 2)), r"shape \(12, 2\), but y has 12 row\(s\) of 1 output\(s\)"),
    ],
)
def test_fit_sample_weight_of_another_shape_raises(weights, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


# --------------------------------------------------------------------------------------
# Too few rows: for a window, for a batch, for what validation leaves
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_fit_fewer_rows_than_sequence_length_raises(stateful):
    estimator = regressor(sequence_length=13, stateful=stateful)
    text = (
        r"12 row\(s\) to train on.* sequence_length=13 needs at least 13\."
        " Pass more rows or a shorter sequence_length"
    )
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_fit_fewer_rows_than_one_batch_raises():
    """The error names the smallest input that would do, and that input does."""
    estimator = regressor(sequence_length=3, batch_size=5)
    text = (
        r"X holds 4 complete window\(s\) of sequence_length=3 to train on, but one"
        r" batch takes batch_size=5\. Pass at least 7 rows to train on, use a smaller"
        r" batch_size, or set drop_remainder=False\."
    )
    assert_refused(estimator, lambda: estimator.fit(X[:6], y[:6]), text)
    assert estimator.fit(X[:7], y[:7]).n_windows_ == 5


def test_fit_fewer_windows_than_batch_size_raises():
    """For ready-made windows the error counts windows, not rows."""
    estimator = regressor(batch_size=5)
    text = (
        r"X holds 4 complete window\(s\) of sequence_length=3 to train on, but one"
        r" batch takes batch_size=5\. Pass at least 5 complete windows to train on, use"
    )
    assert_refused(estimator, lambda: estimator.fit(WINDOWS[:4], y[:4]), text)
    assert estimator.fit(WINDOWS[:5], y[:5]).n_windows_ == 5


@pytest.mark.parametrize(
    ("parameters", "n"),
    [({}, 4), ({"drop_remainder": False}, 1), ({"stateful": False}, 1)],
)
def test_fit_no_complete_window_raises(parameters, n):
    """The error names the number of complete windows needed: a batch, or one."""
    estimator = regressor(batch_size=4, **parameters)
    short = left_nan_windows(X[:2], 3)
    text = (
        "None of the windows to train on is complete: all begin with NaN. Pass at least"
        f" {n} without NaN."
    )
    assert_refused(estimator, lambda: estimator.fit(short, y[:2]), text)


def test_fit_too_few_rows_with_validation_split_raises():
    """Six of twelve rows are held out: six hold two windows of five rows."""
    estimator = regressor(sequence_length=5, batch_size=3, validation_split=0.5)
    text = r"X holds 2 complete window\(s\) .*Pass at least 7 rows to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)
    estimator = regressor(sequence_length=7, validation_split=0.5)
    text = r"There are 6 row\(s\) to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)
