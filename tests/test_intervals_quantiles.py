"""`ConformalRegressor` around quantiles: conformalised quantile regression."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest
from backtest_cases import SHAPE, scaled
from helpers import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_cases import inside, make_panel
from plain import StatefulLSTMRegressor
from sklearn.ensemble import BaggingRegressor

from sklstm.intervals import ConformalRegressor
from sklstm.intervals._quantiles import Pair

FITTED = 320
RNG = np.random.default_rng(0)
SIZES = RNG.choice([1.0, 5.0], 640)  # of the noise, which the rows tell
NOISE = SIZES * RNG.normal(size=640)
X = np.stack([SIZES, RNG.normal(size=640)], axis=1)
LEVELS = (0.05, 0.1, 0.5, 0.9)
ROUNDING = {"rtol": 1e-4, "atol": 1e-4}  # NumPy and compiled programs, in float32


def quantile_net(**options) -> StatefulLSTMRegressor:
    given = {**SHAPE, "loss": "quantile", "quantiles": LEVELS, "scale": True}
    return StatefulLSTMRegressor(**{**given, "epochs": 20, **options})


@cache
def _fitted() -> ConformalRegressor:
    model = ConformalRegressor(quantile_net(), 0.8)
    return model.fit(X[:FITTED], NOISE[:FITTED])


def fitted() -> ConformalRegressor:
    """A copy that a test may move; the quantiles 0.1 and 0.9 are calibrated."""
    return copy.deepcopy(_fitted().reseed_states())


@pytest.mark.parametrize(
    ("levels", "coverage", "pair"),
    [
        ((0.05, 0.5, 0.95), 0.9, (0, 2)),
        ((0.05, 0.5, 0.95), 0.1, (0, 2)),  # the only one around the median
        ((0.05, 0.25, 0.5, 0.75, 0.95), 0.6, (1, 3)),
        ((0.05, 0.1, 0.5, 0.9), 0.8, (1, 3)),
        ((0.1, 0.2, 0.5, 0.8, 0.9), 0.7, (0, 3)),  # 0.7 apart, as (1, 4)
        ((0.5, 0.9), 0.8, (0, 1)),
        ((0.5,), 0.8, (0, 0)),
    ],
)
def test_pair_is_that_of_the_nearest_levels(levels, coverage, pair):
    assert Pair.nearest(levels, coverage) == Pair(*pair)


def test_interval_is_the_pair_moved_by_the_score_of_its_rank():
    """By hand from `predict_quantiles` of a fit on the rows before."""
    n_train = FITTED * 3 // 4
    older = quantile_net().fit(X[:n_train], NOISE[:n_train])
    low, high = older.predict_quantiles(X[n_train:FITTED])[:, [1, 3]].T
    newest = NOISE[n_train:FITTED]
    scores = np.maximum(low - newest, newest - high)
    rank = int(np.ceil(round(0.8 * (len(scores) + 1), 9)))
    reach = np.sort(scores)[rank - 1]
    model = fitted().set_params(adaptive=False)
    assert model.n_calibration_ == len(scores)
    quantiles = fitted().estimator_.predict_quantiles(X[FITTED:])
    expected = quantiles[:, [1, 3]] + [-reach, reach]
    assert_close(model.predict_interval(X[FITTED:]), expected, **ROUNDING)
    assert_close(model.step_interval(X[FITTED:]), expected, **ROUNDING)


def test_width_follows_the_noise_and_coverage_is_kept():
    """Of 320 values a share of 0.8 varies by 0.022; three deviations are allowed."""
    intervals = fitted().step_interval(X[FITTED:], NOISE[FITTED:])
    held = inside(intervals, NOISE[FITTED:])
    assert abs(held.mean() - 0.8) < 0.07
    widths = np.diff(intervals)[:, 0]
    large = SIZES[FITTED:] == 5
    assert np.median(widths[large]) > 2 * np.median(widths[~large])
    assert min(held[large].mean(), held[~large].mean()) > 0.65


def test_step_and_observe_answer_and_move_as_the_estimator():
    model, alone = fitted(), fitted().estimator_
    rows, values = X[FITTED : FITTED + 12], NOISE[FITTED : FITTED + 12]
    start = model.get_states()
    expected = model.step_interval(rows, values)
    model.set_states(start)
    assert_close(model.step(rows, values), alone.step(rows), **ROUNDING)
    assert_close(model.predict(X[-9:]), alone.predict(X[-9:]), **ROUNDING)
    after = model.predict_interval(X[-9:])
    model.set_states(start)
    for k in range(len(rows)):
        made = model.predict_interval(rows[k : k + 1])
        assert_close(made[0], expected[k], **ROUNDING)
        model.observe(rows[k : k + 1], values[k : k + 1])
    assert_close(model.predict_interval(X[-9:]), after, **ROUNDING)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    size=st.floats(0.01, 5),
    coverages=st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)),
)
def test_more_coverage_never_narrows_and_ends_never_cross(seed, size, coverages):
    """Of small values all scores are negative: intervals shrink to their middle."""
    model = _fitted().reseed_states()
    rows = X[FITTED : FITTED + 30]
    values = size * np.random.default_rng(seed).normal(size=len(rows))
    model.observe(rows, values)
    less, more = (model.predict_interval(X[-9:], c) for c in sorted(coverages))
    for lower, upper in (less.T, more.T):
        assert (lower <= upper).all()
    assert (more[:, 0] <= less[:, 0]).all()
    assert (less[:, 1] <= more[:, 1]).all()


def test_median_alone_is_both_ends():
    """So that scores are absolute errors, as of a point forecast."""
    assert Pair(0, 0).ends(np.array([[3.0], [4.0]])).tolist() == [[[3, 3]], [[4, 4]]]


def test_columns_of_y_and_series_have_intervals():
    rows, values = make_panel()
    both = np.stack([values, -2 * values], axis=1)
    n = len(rows) - 20
    model = ConformalRegressor(quantile_net(epochs=2), 0.8).fit(rows[:n], both[:n])
    start = model.get_states()
    intervals = model.step_interval(rows[n:], both[n:])
    assert intervals.shape == (20, 2, 2)
    model.set_states(start)
    for place in (slice(n, n + 7), slice(n + 7, None)):
        made = model.step_interval(rows[place], both[place])
        whole = intervals[place.start - n :][: len(made)]
        assert_close(made, whole, rtol=1e-5)


def test_loaded_estimator_goes_on_bit_for_bit(tmp_path):
    model = fitted().observe(X[FITTED : FITTED + 5], NOISE[FITTED : FITTED + 5])
    model.save(tmp_path / "model.safetensors")
    loaded = ConformalRegressor.load(tmp_path / "model.safetensors")
    later = X[FITTED + 5 :], NOISE[FITTED + 5 :]
    for call in (lambda m: m.predict_interval(X[-9:]), lambda m: m.step(*later)):
        np.testing.assert_array_equal(call(loaded), call(model))


@pytest.mark.parametrize(
    "hiding", [scaled, lambda net: BaggingRegressor(net, n_estimators=2)]
)
def test_quantiles_inside_of_another_estimator_raise(hiding):
    model = ConformalRegressor(hiding(quantile_net()))
    with pytest.raises(TypeError, match=r"does not hand its quantiles on\. Put the"):
        model.fit(X[:90], NOISE[:90])


def test_quantiles_further_ahead_raise():
    model = ConformalRegressor(quantile_net(), horizon=3)
    with pytest.raises(ValueError, match=r"only the median\..* horizon=range\(1, 4\)"):
        model.fit(X[:90], NOISE[:90])
    with pytest.raises(ValueError, match="Call predict_interval: its last row"):
        fitted().forecast_interval(1, start=X[-3:])


def test_too_few_scores_raise_before_any_fit():
    with pytest.raises(ValueError, match="There are 5 scores from the calibration"):
        ConformalRegressor(quantile_net()).fit(X[:20], NOISE[:20])
