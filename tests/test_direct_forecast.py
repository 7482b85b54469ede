"""All horizons at once: each target is told, and served for its own horizon.

What the linear map reads for a horizon, what it is anchored to, and what `forecast`
makes of such an estimator. Oracles are naive loops, scikit-learn's ridge on one output,
and series whose next season is known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from sklstm import StatefulLSTMRegressor
from sklstm._encoding.lesson import Lesson
from sklstm._encoding.linear_skip import LagDesign, LinearSkip, forecasts
from sklstm._encoding.output_weights import by_weights
from sklstm._encoding.periods import lag_of, lags_for
from sklstm._encoding.ridge import ridge_skips
from sklstm._encoding.ties import Ties, find_ties
from sklstm._encoding.trail import Trail
from sklstm.preprocessing import frame_series

#: Both sides are float64; normal equations square the condition of the design.
EXACT = {"rtol": 1e-8, "atol": 1e-9}
N = 80
rng = np.random.default_rng(0)
WALK = rng.normal(size=(N, 2)).cumsum(axis=0)
TRAIL = Trail.of(
    WALK, np.zeros(N, int), np.zeros(N, bool), np.empty((1, 0, 2)), np.zeros(1, int)
)


# --------------------------------------------------------------------------------------
# Lags
# --------------------------------------------------------------------------------------


@given(period=st.integers(1, 50), ahead=st.integers(1, 200))
def test_lag_of_is_newest_row_whole_periods_before_target(period, ahead):
    at, k = 10_000, 1
    while at + ahead - k * period > at:
        k += 1
    assert at - lag_of(period, ahead) == at + ahead - k * period


def test_lags_for_of_a_day_of_horizons_are_all_around_each_period():
    lags = lags_for(10_000, (24, 168), 4, range(1, 25))
    assert lags == (*range(27), *range(142, 171))
    assert lags_for(10_000, (24, 168), 4, (1,)) == lags_for(10_000, (24, 168), 4)
    assert lags_for(10_000, (12,), 0, (12,)) == (0, 1, 2, 3)
    assert lags_for(10_000, (12,), 0, (6, 18)) == (0, *range(4, 10))


# --------------------------------------------------------------------------------------
# How far ahead targets are
# --------------------------------------------------------------------------------------


LONG = rng.normal(size=(200, 2)).cumsum(axis=0)


def ties_of(X, y, codes=None) -> Ties:
    X, y = np.asarray(X, float).reshape(len(y), -1), np.asarray(y, float)
    codes = np.zeros(len(y), int) if codes is None else codes
    n, y = int(codes.max()) + 1, y.reshape(len(y), -1)
    ones, begins = np.ones(len(y)), np.zeros(len(y), bool)
    return find_ties(Lesson(X, y, codes, begins, ones, None, n, y.shape[1]))


@pytest.mark.parametrize(
    "horizons", [range(1, 5), [24], [1, 6, 24], [6, 2, 12, 1]], ids=str
)
def test_find_ties_tells_any_horizon(horizons):
    X, y = frame_series(LONG, horizon=horizons, target=[1])
    ties = ties_of(X, y)
    assert ties.columns.tolist() == [1] * len(horizons)
    assert ties.ahead.tolist() == list(horizons)
    scaled = ties_of(X / 3 + 1, 5 * y - 2)
    assert scaled.ahead.tolist() == list(horizons)
    np.testing.assert_allclose(scaled.slopes, 15)


def test_find_ties_tells_horizons_within_each_series_of_a_panel():
    index = pd.MultiIndex.from_product([["a", "b"], range(100)])
    panel = pd.DataFrame(LONG, index)
    X, y = frame_series(panel, horizon=[2, 5], target=[0])
    assert ties_of(X, y, np.arange(len(X)) // (len(X) // 2)).ahead.tolist() == [2, 5]


def test_find_ties_beside_columns_of_the_past_is_column_of_the_value():
    """A column of the value six rows ago is seven rows behind the next value."""
    value = LONG[:, 0]
    X = np.column_stack([np.roll(value, 6), value])[6:-9]
    y = np.column_stack([value[6 + k : len(value) - 9 + k] for k in (1, 9)])
    ties = ties_of(X, y)
    assert (ties.columns.tolist(), ties.ahead.tolist()) == ([1, 1], [1, 9])


def test_find_ties_of_few_rows_finds_no_horizon_by_chance():
    """Zeros and ones that agree somewhere: of them nothing is told."""
    coins = rng.integers(0, 2, (2, 200, 20))
    assert all((ties_of(X, y).ahead == 1).all() for X, y in coins.swapaxes(0, 1))


def test_ties_in_same_units_drop_how_far_ahead_the_others_are():
    X, y = frame_series(WALK, horizon=[2, 3], target=[0])
    ties = ties_of(X, y * [1, 2]).in_same_units()
    assert (ties.columns.tolist(), ties.ahead.tolist()) == ([0, -1], [2, 1])


# --------------------------------------------------------------------------------------
# The linear map
# --------------------------------------------------------------------------------------


def test_ridge_skips_with_starts_equals_sklearn_on_what_is_left_of_each():
    """Rows are read as differences from the anchor, targets from rows of their own."""
    lagged, starts = np.array([True, False]), (7, 2, 0)
    design = LagDesign((0, 1, 2, 7), lagged, np.array([0, 0, -1]), 7, starts)
    target = np.stack([np.roll(WALK[:, 0], -k) for k in (1, 6, 8)], axis=1)
    target += rng.normal(size=target.shape)
    (skip,) = ridge_skips([design], TRAIL, target, np.ones(N))
    at = np.arange(7, N)
    Z = np.column_stack(
        [WALK[at, 1], *(WALK[at - k, 0] - WALK[at - 7, 0] for k in (0, 1, 2))]
    )
    taken = np.column_stack([WALK[at - 7, 0], WALK[at - 2, 0], np.zeros(len(at))])
    scaled = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    made = skip.forecast(TRAIL)[at]
    for k in range(3):
        left = target[at, k] - taken[:, k]
        models = (Ridge(alpha=a).fit(scaled, left) for a in np.logspace(-4, 4, 17))
        misses = [
            np.abs(m.predict(scaled) + taken[:, k] - made[:, k]).max() for m in models
        ]
        assert min(misses) < 1e-8  # at one of the strengths it is the same


def test_naive_with_starts_is_a_season_before_each_target():
    design = LagDesign((0, 1, 2), np.ones(2, bool), np.array([1, 1]), 2, (2, 1))
    made = design.naive().forecast(TRAIL)
    np.testing.assert_array_equal(made[2:], np.c_[WALK[:-2, 1], WALK[1:-1, 1]])


def test_ridge_skips_with_weights_of_outputs_equal_each_output_alone():
    """Outputs one and three have the same weights, and are learnt together."""
    weights = rng.uniform(0, 1, (N, 2))[:, [0, 1, 0, 1]]
    weights[weights < 0.2] = 0
    weights[:, 3] = 0  # nothing is told of the last
    design = LagDesign((0, 1, 3), np.ones(2, bool), np.array([0, 1, -1, 0]), 3)
    target = np.roll(WALK, -1, axis=0)[:, [0, 1, 1, 0]] + rng.normal(size=(N, 4))
    (skip,) = ridge_skips([design], TRAIL, target, weights)
    for k in range(3):
        (alone,) = ridge_skips(
            [design.of_outputs(np.array([k]))], TRAIL, target[:, [k]], weights[:, k]
        )
        np.testing.assert_allclose(skip.weights[:, :, [k]], alone.weights, **EXACT)
    np.testing.assert_array_equal(skip.forecast(TRAIL)[3:, 3], WALK[:-3, 0])  # naive
    assert sorted(len(outputs) for outputs, _ in by_weights(weights)) == [1, 1, 2]


def test_forecasts_of_maps_equal_each_alone():
    maps = [
        LinearSkip(lags, rng.normal(size=(len(lags), 2, 3)), rng.normal(size=3))
        for lags in ((0, 1), (0, 3, 7), (2,))
    ]
    expected = [skip.forecast(TRAIL) for skip in maps]
    np.testing.assert_allclose(forecasts(maps, TRAIL), expected, **EXACT)


def test_forecast_in_blocks_equals_all_rows_at_once(monkeypatch):
    skip = LinearSkip((0, 5), rng.normal(size=(2, 2, 3)), rng.normal(size=3))
    at_once = skip.forecast(TRAIL, before=1)
    by_hand = skip.intercept + sum(
        TRAIL.back(lag, 1) @ w for lag, w in zip(skip.lags, skip.weights, strict=True)
    )
    monkeypatch.setattr("sklstm._encoding.linear_skip.BLOCK", 7)
    np.testing.assert_allclose(at_once, by_hand, **EXACT)
    np.testing.assert_allclose(skip.forecast(TRAIL, before=1), by_hand, **EXACT)


# --------------------------------------------------------------------------------------
# Estimators
# --------------------------------------------------------------------------------------

PERIOD, STEPS = 30, 30
SEASONS = np.tile(np.random.default_rng(3).normal(size=PERIOD), 14)
NOISY = SEASONS + 0.05 * np.random.default_rng(4).normal(size=len(SEASONS))
SERIES = pd.DataFrame(
    {"known": np.cos(np.arange(len(NOISY)) / 5), "value": NOISY},
    pd.date_range("2025-01-01", periods=len(NOISY), freq="h"),
)


@pytest.fixture(scope="module")
def direct() -> StatefulLSTMRegressor:
    """An estimator of all horizons of a season, fitted on all but the last season."""
    X, y = frame_series(SERIES[:-STEPS], horizon=range(1, STEPS + 1), target="value")
    model = StatefulLSTMRegressor(2, sequence_length=12, epochs=1, random_state=0)
    return model.fit(X, y)


def test_predict_last_row_gives_all_horizons(direct):
    """A season without a pattern in it: only the row a season before tells a value."""
    rows = SERIES[-STEPS - STEPS : -STEPS]  # after those of X, with targets unknown
    made = direct.predict(rows)[-1]
    expected = SEASONS[-STEPS:]
    assert np.abs(made - expected).max() < 0.3  # noise of 0.05, seasons of 1


def test_forecast_of_horizons_says_what_gives_them(direct):
    text = r"those of the row\(s\) \[1, 2, .*30\] steps ahead, which predict gives at"
    with pytest.raises(ValueError, match=text):
        direct.forecast(3)


def test_forecast_of_horizons_with_known_columns_feeds_the_next_value(direct):
    """Not that of the last horizon: the first output is what comes next."""
    known = SERIES[["known"]][len(SERIES) - 2 * STEPS :]

    def next_row(prediction, k):
        return [known["known"].iloc[k], prediction[0]]

    expected = direct.forecast(3, feedback=next_row)
    np.testing.assert_array_equal(direct.forecast(3, X_future=known), expected)


def test_forecast_without_output_of_the_next_value_raises():
    """Though there are as many outputs as columns."""
    X, y = frame_series(SERIES[:200], horizon=[2, 3], target="value")
    model = StatefulLSTMRegressor(2, epochs=1, random_state=0).fit(X, y)
    known = SERIES[["known"]][len(X) :]
    with pytest.raises(ValueError, match=r"lacks values of \['value'\], which no"):
        model.forecast(2, X_future=known)
    with pytest.raises(ValueError, match=r"row\(s\) \[2, 3\] steps ahead"):
        model.forecast(2)


def test_save_keeps_how_far_ahead_targets_are(direct, tmp_path):
    direct.save(tmp_path / "model.sklstm")
    again = StatefulLSTMRegressor.load(tmp_path / "model.sklstm")
    known = SERIES[["known"]][len(SERIES) - 2 * STEPS :]
    np.testing.assert_array_equal(
        again.forecast(2, X_future=known), direct.forecast(2, X_future=known)
    )
