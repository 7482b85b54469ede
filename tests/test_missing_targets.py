"""Rows without a target: `missing="ignore"` gives them weight 0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import first_ordinary

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

N = 60
VALUES = np.cumsum(np.random.default_rng(0).normal(size=N + 1))
X, Y = VALUES[:-1, np.newaxis], VALUES[1:]
GONE = np.arange(N) % 4 == 1
SETTINGS = {
    "units": 3,
    "sequence_length": 12,
    "batch_size": 2,
    "epochs": 2,
    "random_state": 0,
}


def regressor(**parameters) -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor(**SETTINGS, **parameters)


@pytest.mark.parametrize("windows", first_ordinary(1, ["tiled", "sliding"]))
def test_fit_with_missing_targets_equals_fit_with_weight_zero(windows):
    y = np.where(GONE, np.nan, Y)
    ignoring = regressor(windows=windows, missing="ignore").fit(X, y)
    stand_ins = np.where(GONE, Y[0], Y)
    weighted = regressor(windows=windows).fit(X, stand_ins, sample_weight=~GONE)
    np.testing.assert_array_equal(ignoring.predict(X), weighted.predict(X))
    assert ignoring.history_ == weighted.history_


def test_fit_with_missing_targets_still_sees_what_they_go_on_with():
    """The linear map is anchored to the last value, of which y is the next."""
    y = np.where(GONE, np.nan, 1000 + Y)
    model = regressor(missing="ignore").fit(1000 + X, y)
    assert np.abs(model.predict(1000 + X)[~GONE] - y[~GONE]).mean() < 3


def test_partial_fit_with_missing_targets_equals_weight_zero():
    y = np.where(GONE, np.nan, Y)
    ignoring = regressor(missing="ignore").partial_fit(X, y)
    weighted = regressor().partial_fit(X, np.where(GONE, Y[0], Y), ~GONE)
    np.testing.assert_array_equal(ignoring.predict(X), weighted.predict(X))


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_classifier_with_missing_labels(nothing):
    labels = np.where(X[:, 0] < Y, "up", "down").astype(object)
    labels[GONE] = nothing
    model = StatefulLSTMClassifier(**SETTINGS, missing="ignore").fit(X, labels)
    assert model.classes_.tolist() == ["down", "up"]
    stand_ins = np.where(GONE, labels[0], labels)
    weighted = StatefulLSTMClassifier(**SETTINGS).fit(X, stand_ins, ~GONE)
    np.testing.assert_array_equal(model.predict_proba(X), weighted.predict_proba(X))


def test_fit_with_missing_targets_raises_by_default():
    with pytest.raises(ValueError, match="Input y contains NaN"):
        regressor().fit(X, np.where(GONE, np.nan, Y))


def test_fit_without_any_target_raises():
    with pytest.raises(ValueError, match="y is missing in all 60 rows"):
        regressor(missing="ignore").fit(X, np.full(N, np.nan))


def test_fit_with_unknown_value_of_missing_raises():
    with pytest.raises(ValueError, match="missing must be 'raise' or 'ignore', got"):
        regressor(missing="drop").fit(X, Y)


def test_fit_with_nan_in_rows_says_how_to_fill_them():
    gap = pd.DataFrame(X, pd.date_range("2025-01-01", periods=N), ["v"])
    gap.iloc[3:5] = np.nan
    text = r"X contains NaN in 2 row\(s\), the first of them '2025-01-04 00:00:00'"
    with pytest.raises(ValueError, match=text + r".*DataFrame.ffill.*on_gap='reset'"):
        regressor(missing="ignore").fit(gap, Y)
