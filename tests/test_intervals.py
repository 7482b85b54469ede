"""`ConformalRegressor` on forecasts without state: scores, level, coverage and laws."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interval_cases import (
    FITTED,
    Repeat,
    X,
    follow_by_hand,
    inside,
    noise_pairs,
    repeated,
    y,
)
from sklearn.linear_model import LinearRegression, Ridge

from sklstm import frame_series
from sklstm.intervals import ConformalRegressor
from sklstm.intervals._scores import OuterErrors
from sklstm.model_selection import backtest

RNG = np.random.default_rng(0)
ERRORS = RNG.normal(size=400)


def cut(n_rows: int, cuts: list[int]) -> list[slice]:
    ends = sorted({c % (n_rows + 1) for c in cuts} | {0, n_rows})
    return [slice(a, b) for a, b in pairwise(ends)]


# --------------------------------------------------------------------------------------
# Scores
# --------------------------------------------------------------------------------------


def test_interval_not_adaptive_reaches_the_score_of_its_rank():
    """Of 39 errors the 36th is that of 90 per cent: ceil(0.9 * 40)."""
    errors = np.arange(1.0, 157)
    model = repeated(errors, adaptive=False)
    assert model.n_calibration_ == 39
    assert model.predict_interval([[5.0]]).tolist() == [[5 - 153.0, 5 + 153.0]]


def test_scores_are_those_of_a_fit_on_the_rows_before():
    train, newest = np.arange(FITTED * 3 // 4), np.arange(FITTED * 3 // 4, FITTED)
    rows, values = X[:FITTED], y[:FITTED]
    older = Ridge().fit(rows.iloc[train], values.iloc[train])
    errors = np.abs(values.iloc[newest] - older.predict(rows.iloc[newest]))
    rank = int(np.ceil(0.9 * (len(errors) + 1)))
    model = ConformalRegressor(Ridge(), adaptive=False).fit(rows, values)
    width = np.diff(model.predict_interval(X[FITTED:])) / 2
    np.testing.assert_allclose(width, np.sort(errors)[rank - 1], rtol=1e-12)
    refitted = Ridge().fit(rows, values)
    np.testing.assert_array_equal(model.predict(X), refitted.predict(X))


def test_scores_of_further_steps_are_those_of_backtest():
    rows, values = X[:FITTED], y[:FITTED]
    fold = (np.arange(90), np.arange(90, FITTED))
    table = backtest(Ridge(), rows, values, cv=[fold], horizon=3).predictions
    errors = (table["y_true"] - table["y_pred"]).abs().groupby(table["horizon"])
    expected = errors.apply(lambda e: np.sort(e)[int(np.ceil(0.9 * (len(e) + 1))) - 1])
    model = ConformalRegressor(Ridge(), horizon=3).fit(rows, values)
    thresholds = model._moment.online.trackers[0].thresholds(0.9)[:, 0]
    np.testing.assert_allclose(thresholds, expected, rtol=1e-12)


def test_rows_whose_targets_lie_among_the_calibration_rows_are_not_trained_on():
    """Of y three steps ahead, the last two rows before them."""
    seen = []

    class Seeing(Repeat):
        def fit(self, X, y=None):
            seen.append(len(X))
            return super().fit(X)

    rows, values = frame_series(pd.DataFrame({"v": ERRORS[:103]}), 3, target="v")
    ConformalRegressor(Seeing(), coverage=0.5).fit(rows, values)
    assert seen == [73, 100]


def test_scores_of_quantile_forecasts_lie_outside_of_both():
    """The seam for conformalised quantile regression."""
    scores = OuterErrors()
    lower, upper = np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0])
    found = scores.of(np.array([0.5, 2.5, 4.0]), lower, upper)
    assert found[:, 0].tolist() == [0.5, -0.5, 1.0]
    ends = scores.interval(1.0, 3.0, np.array([-0.5]))
    assert ends.tolist() == [1.5, 2.5]
    assert scores.interval(1.0, 3.0, np.array([-2.0])).tolist() == [2.0, 2.0]


# --------------------------------------------------------------------------------------
# Level
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.9, 0.5])
def test_widths_follow_as_those_of_a_plain_loop(coverage):
    errors = np.concatenate([ERRORS[:200], 4 * ERRORS[200:300], ERRORS[300:]])
    model = repeated(errors[:160], coverage=coverage)
    intervals = model.step_interval(*noise_pairs(errors[160:]))
    first = np.abs(errors[120:160]).tolist()
    expected = follow_by_hand(first, errors[160:].tolist(), 1 - coverage)
    np.testing.assert_allclose(intervals[:, 1], expected, rtol=1e-9)
    np.testing.assert_allclose(intervals[:, 0], -intervals[:, 1], rtol=1e-12)


def test_coverage_is_kept_where_errors_grow_fourfold():
    later = 4 * np.random.default_rng(1).normal(size=500)
    adapted = repeated(ERRORS).step_interval(*noise_pairs(later))
    fixed = repeated(ERRORS, adaptive=False).step_interval(*noise_pairs(later))
    assert 0.86 < inside(adapted, later).mean() < 0.94
    assert inside(fixed, later).mean() < 0.5


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_coverage_of_exchangeable_noise_is_within_binomial_bounds(coverage):
    """Over 12 series of 50 rows each, around forecasts with 100 scores.

    Of m scores the true coverage is Beta distributed with deviation sqrt(c(1-c)/m).
    """
    rng, hits = np.random.default_rng(7), []
    for _ in range(12):
        errors = rng.standard_t(3, size=450)
        model = repeated(errors[:400], coverage=coverage)
        made = model.step_interval(*noise_pairs(errors[400:]))
        hits.append(inside(made, errors[400:]))
    spread = np.sqrt(coverage * (1 - coverage) * (1 / (12 * 100) + 1 / (12 * 50)))
    assert abs(np.mean(hits) - coverage) < 3 * spread + 0.01  # ranks are rounded up


@given(
    seed=st.integers(0, 10**6),
    coverages=st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)),
    own=st.sampled_from([0.5, 0.9]),
)
def test_more_coverage_never_narrows(seed, coverages, own):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=160) * np.linspace(1, rng.uniform(0.1, 10), 160)
    model = repeated(errors[:100], coverage=own)
    model.observe(*noise_pairs(errors[100:]))
    less, more = (model.predict_interval([[0.0]], c)[0] for c in sorted(coverages))
    assert more[0] <= less[0] <= less[1] <= more[1]


@given(cuts=st.lists(st.integers(0, 100), max_size=6), steps=st.sampled_from([1, 4]))
def test_step_interval_does_not_depend_on_cuts(cuts, steps):
    """With y one step ahead, or four, whose values are known three rows later."""
    rows, values = frame_series(pd.DataFrame({"v": ERRORS[:200]}), steps, target="v")
    values = values.copy()
    values.iloc[[150, 160]] = np.nan
    whole, pieces = (
        ConformalRegressor(Repeat(), 0.8).fit(rows[:120], values[:120])
        for _ in range(2)
    )
    expected = whole.step_interval(rows[120:], values[120:])
    places = cut(len(rows) - 120, cuts)
    made = [
        pieces.step_interval(rows[120:][place], values[120:][place]) for place in places
    ]
    np.testing.assert_array_equal(np.concatenate(made), expected)
    after = [m.predict_interval(rows[-3:], 0.5) for m in (whole, pieces)]
    np.testing.assert_array_equal(*after)


@pytest.mark.parametrize("horizon", [3, range(1, 4)])
def test_predict_interval_after_observe_is_that_of_step_interval(horizon):
    """Answers of the rows themselves change nothing in between."""
    rows, values = frame_series(pd.DataFrame({"v": ERRORS[:150]}), horizon, target="v")
    model = ConformalRegressor(Repeat(), 0.8)
    if np.ndim(values) == 2:
        model = ConformalRegressor(LinearRegression(), 0.8)
    model.fit(rows[:120], values[:120])
    start = model.get_states()
    expected = model.step_interval(rows[120:140], values[120:140])
    model.set_states(start)
    for k in range(120, 140):
        piece = slice(k, k + 1)
        twice = [model.predict_interval(rows[piece]) for _ in range(2)]
        np.testing.assert_array_equal(*twice)
        np.testing.assert_array_equal(twice[0][0], expected[k - 120])
        model.observe(rows[piece], values[piece])


def test_value_is_not_used_before_it_is_known():
    """Three steps ahead, another value of a row changes intervals two rows after it."""
    rows, values = frame_series(pd.DataFrame({"v": ERRORS[:200]}), 3, target="v")
    other = values.copy()
    other.iloc[150] += 50
    model = ConformalRegressor(Repeat()).fit(rows[:140], values[:140])
    made = []
    for given_values in (values, other):
        made.append(model.step_interval(rows[140:], given_values[140:]))
        model.reseed_states()
    first = int(np.flatnonzero((made[0] != made[1]).any(axis=1))[0])
    assert first == 150 + 3 - 140


def test_horizons_in_columns_are_each_told_when_they_come():
    """All of y may be passed with its row: later columns are not read before time."""
    rows, values = frame_series(
        pd.DataFrame({"v": ERRORS[:200]}), range(1, 4), target="v"
    )
    model = ConformalRegressor(LinearRegression()).fit(rows[:140], values[:140])
    start = model.get_states()
    whole = model.step_interval(rows[140:], values[140:])
    model.set_states(start)
    nearest = values[140:].copy()
    nearest.iloc[:, 1:] = np.nan
    np.testing.assert_array_equal(model.step_interval(rows[140:], nearest), whole)
    assert whole.shape == (57, 3, 2)


def test_observe_without_value_leaves_the_level():
    model = repeated(ERRORS)
    before = model.predict_interval([[0.0]])
    model.observe(np.zeros((5, 1)), np.full(5, np.nan)).observe(np.zeros((5, 1)))
    np.testing.assert_array_equal(model.predict_interval([[0.0]]), before)
    assert (model.observe([[0.0]], [9.0]).predict_interval([[0.0]]) != before).any()


def test_adaptive_false_leaves_scores_and_level():
    model = repeated(ERRORS, adaptive=False)
    before = model.predict_interval([[0.0]])
    model.step_interval(*noise_pairs(50 * ERRORS))
    np.testing.assert_array_equal(model.predict_interval([[0.0]]), before)


def test_perfect_forecasts_have_intervals_of_no_width():
    model = repeated(np.zeros(80))
    made = model.step_interval(np.full((30, 1), 2.0), np.full(30, 2.0))
    np.testing.assert_array_equal(made, np.full((30, 2), 2.0))


def test_reseed_and_set_states_go_back():
    model = repeated(ERRORS[:200])
    first = model.step_interval(*noise_pairs(ERRORS[200:]))
    moved = model.get_states()
    model.reseed_states()
    np.testing.assert_array_equal(
        model.step_interval(*noise_pairs(ERRORS[200:])), first
    )
    now = model.predict_interval([[0.0]])
    np.testing.assert_array_equal(
        model.set_states(moved).predict_interval([[0.0]]), now
    )
    np.testing.assert_array_equal(model.reset_states().predict_interval([[0.0]]), now)


def test_threads_read_whole_levels_while_one_observes():
    """Each width read is one that a loop without threads has between two rows."""
    model, alone = repeated(ERRORS[:200]), repeated(ERRORS[:200])
    later = 5 * ERRORS[200:300]
    widths = {alone.predict_interval([[0.0]])[0, 1]}
    for error in later:
        widths.add(alone.observe([[0.0]], [error]).predict_interval([[0.0]])[0, 1])
    with ThreadPoolExecutor(2) as pool:
        reading = [
            pool.submit(lambda: model.predict_interval([[0.0]])[0, 1])
            for _ in range(200)
        ]
        for error in later:
            model.observe([[0.0]], [error])
    assert {one.result() for one in reading} <= widths


def test_intervals_of_several_outputs_have_levels_of_their_own():
    rows = np.zeros((300, 2))
    values = np.stack([ERRORS[:300], 10 * ERRORS[100:400]], axis=1)
    model = ConformalRegressor(Repeat(2)).fit(rows, values)
    widths = np.diff(model.predict_interval(np.zeros((1, 2))))[0, :, 0]
    assert 6 < widths[1] / widths[0] < 16
