"""What encoders are made of: rows looked back at, scales, ties and periods.

Each is compared with a naive loop or with numbers made by hand. The linear maps are in
``test_linear_skip``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklstm._encoding.lesson import Lesson
from sklstm._encoding.periods import find_periods, lags_for
from sklstm._encoding.scale import Scale
from sklstm._encoding.ties import find_ties
from sklstm._encoding.trail import Trail

# --------------------------------------------------------------------------------------
# Trails
# --------------------------------------------------------------------------------------


class Walk:
    """The rows of each series' run so far, kept in lists, row after row."""

    def __init__(self, context: np.ndarray, n_known: np.ndarray):
        n_context = context.shape[1]
        self.runs = [
            list(rows[n_context - min(n, n_context) :])
            for rows, n in zip(context, n_known, strict=True)
        ]
        self.n_had = list(n_known)

    def take(self, row: np.ndarray, code: int, begins: bool) -> list[np.ndarray]:
        """The rows of the run up to this one."""
        if begins:
            self.runs[code], self.n_had[code] = [], 0
        self.runs[code].append(row)
        self.n_had[code] += 1
        return list(self.runs[code])


def back_by_hand(run: list[np.ndarray], n: int, before: int) -> np.ndarray:
    """The row n steps before the one `before` steps before the last."""
    start = max(len(run) - 1 - before, 0)
    return run[max(start - n, 0)]


@given(st.data())
def test_trail_back_equals_naive_loop_over_interleaved_rows(data):
    """Whatever is interleaved, known before, or begins a run in the middle."""
    n_series = data.draw(st.integers(1, 4))
    n_context = data.draw(st.integers(0, 4))
    n_known = data.draw(
        st.lists(st.integers(0, 6), min_size=n_series, max_size=n_series)
    )
    codes = data.draw(st.lists(st.integers(0, n_series - 1), min_size=1, max_size=25))
    begins = data.draw(
        st.lists(st.booleans(), min_size=len(codes), max_size=len(codes))
    )
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(len(codes), 2))
    context = rng.normal(size=(n_series, n_context, 2))
    trail = Trail.of(
        rows, np.array(codes), np.array(begins), context, np.array(n_known)
    )
    walk = Walk(context, np.array(n_known))
    runs = [walk.take(*row) for row in zip(rows, codes, begins, strict=True)]
    np.testing.assert_array_equal(trail.n_before, [len(run) - 1 for run in runs])
    for before in (0, 1, 3):
        for n in (0, 1, 2, 30):
            expected = [back_by_hand(run, n, before) for run in runs]
            np.testing.assert_array_equal(trail.back(n, before), expected)
    some = np.arange(0, len(codes), 2)
    np.testing.assert_array_equal(trail.at_rows(some).back(1), trail.back(1)[some])
    last = trail.last(n_context, np.array(walk.n_had))
    for made, run in zip(last, walk.runs, strict=True):
        newest = run[max(len(run) - n_context, 0) :]
        empty = [np.zeros(2)] * (n_context - len(newest))
        expected = np.array([*empty, *newest]).reshape(n_context, 2)
        np.testing.assert_array_equal(made, expected)


# --------------------------------------------------------------------------------------
# Scales
# --------------------------------------------------------------------------------------


def test_scale_learn_pooled_is_mean_and_deviation_of_all_rows():
    values = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])
    scale = Scale.learn(values, np.array([0, 0, 1]), 2, is_pooled=True)
    np.testing.assert_allclose(scale.mean, [[3.0, 20.0]])
    np.testing.assert_allclose(scale.deviation, [[np.sqrt(8 / 3), np.sqrt(200)]])
    scaled = scale.scaled(values, np.zeros(3, int))
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0)
    np.testing.assert_allclose(scale.restored(scaled, np.zeros(3, int)), values)


def test_scale_learn_by_series_gives_each_its_own_and_strangers_the_overall():
    """Eight rows are enough for a deviation of one's own."""
    a, b = np.tile([1.0, 3.0], 4), np.tile([0.0, 40.0], 4)
    codes = np.tile([0, 1], 8)
    values = np.column_stack([a, b]).reshape(-1, 1)  # interleaved
    scale = Scale.learn(values, codes, 2, is_pooled=False)
    np.testing.assert_allclose(scale.mean[:, 0], [2.0, 20.0, 11.0])
    overall = np.std(np.concatenate([a, b]))
    np.testing.assert_allclose(scale.deviation[:, 0], [1.0, 20.0, overall])
    stranger = np.array([-1])
    np.testing.assert_allclose(scale.scaled(np.array([[11.0]]), stranger), 0.0)
    made = scale.restored(np.array([[1.0]]), stranger)
    np.testing.assert_allclose(made, 11.0 + overall)


def test_scale_learn_short_series_has_deviation_within_all_series():
    """Of seven rows or fewer nothing is told; their mean is their own all the same."""
    long, short = np.tile([1.0, 3.0], 4), np.array([100.0, 108.0])
    codes = np.repeat([0, 1], [8, 2])
    values = np.concatenate([long, short])[:, np.newaxis]
    scale = Scale.learn(values, codes, 2, is_pooled=False)
    within = np.sqrt((8 * 1.0 + 2 * 16.0) / 10)
    np.testing.assert_allclose(scale.mean[:2, 0], [2.0, 104.0])
    np.testing.assert_allclose(scale.deviation[:2, 0], [1.0, within])


@pytest.mark.parametrize("is_pooled", [True, False])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-30])
def test_scale_learn_constant_column_becomes_zeros(value, is_pooled):
    values = np.full((1000, 1), value)
    codes = np.repeat([0, 1], 500)
    scale = Scale.learn(values, codes, 2, is_pooled)
    series = np.zeros(1000, int) if is_pooled else codes
    assert (scale.deviation == 1.0).all()
    np.testing.assert_allclose(scale.scaled(values, series), 0.0, atol=1e-9)


def test_scale_learn_constant_series_has_deviation_within_all_series():
    """Not one, which would be strange beside series that move by thousands."""
    moving = np.tile([1000.0, 3000.0], 10)
    values = np.concatenate([moving, np.full(20, 0.1)])[:, np.newaxis]
    codes = np.repeat([0, 1], 20)
    scale = Scale.learn(values, codes, 2, is_pooled=False)
    within = np.sqrt(20 * 1000.0**2 / 40)
    np.testing.assert_allclose(scale.deviation[:2, 0], [1000.0, within])


def test_scale_learn_long_constant_series_is_constant_in_spite_of_rounding():
    """The sum of half a million numbers is off by more than their last digit."""
    n = 500_000
    values = np.concatenate([np.full(n, 0.1), np.tile([1.0, 3.0], 10)])[:, np.newaxis]
    codes = np.repeat([0, 1], [n, 20])
    scale = Scale.learn(values, codes, 2, is_pooled=False)
    assert scale.deviation[0, 0] > 1e-3


# --------------------------------------------------------------------------------------
# Lessons: what is held out, and what targets go on with
# --------------------------------------------------------------------------------------


def lesson(X, y, codes=None, n_classes=None, weights=None) -> Lesson:
    """Return training rows without labels, or of the series that codes tell."""
    X, y = np.asarray(X, float), np.asarray(y)
    y = y.reshape(len(X), -1)
    codes = np.zeros(len(X), int) if codes is None else np.asarray(codes)
    return Lesson(
        X=X.reshape(len(y), -1),
        y=y,
        codes=codes,
        begins=np.zeros(len(X), bool),
        weights=np.ones(len(X)) if weights is None else np.asarray(weights),
        series=pd.RangeIndex(codes.max() + 1) if codes.any() else None,
        n_series=int(codes.max()) + 1,
        n_outputs=1 if n_classes else y.shape[1],
        n_classes=n_classes,
    )


def test_is_held_out_is_newest_fifth_of_each_series():
    codes = np.repeat([0, 1, 2], [10, 4, 5])
    held_out = lesson(np.zeros(19), np.zeros(19), codes).is_held_out()
    np.testing.assert_array_equal(np.flatnonzero(held_out), [8, 9, 18])


def test_folds_choose_on_later_rows_and_none_without_weights():
    codes = np.repeat([0, 1], [10, 5])
    rows = lesson(np.zeros(15), np.zeros(15), codes)
    (learn, told), (earlier, then) = rows.folds()
    np.testing.assert_array_equal(np.flatnonzero(told), [8, 9, 14])
    np.testing.assert_array_equal(learn, ~told)
    np.testing.assert_array_equal(np.flatnonzero(then), [6, 7, 13])
    np.testing.assert_array_equal(earlier, ~told & ~then)
    weights = np.ones(15)
    weights[[8, 9, 14]] = 0
    assert lesson(np.zeros(15), np.zeros(15), codes, weights=weights).folds() == []
    assert lesson(np.zeros(4), np.zeros(4)).folds() == []


walk = np.random.default_rng(0).normal(size=(40, 3)).cumsum(axis=0)


def columns_of(rows: Lesson) -> np.ndarray:
    """The columns that targets go on with."""
    return find_ties(rows).columns


def test_find_ties_next_value_is_column_of_that_value():
    assert columns_of(lesson(walk[:-1], walk[1:, 1])).tolist() == [1]


def test_find_ties_of_scaled_columns_says_in_which_units():
    """X and y behind two scalers; a few rows differ, as before a gap."""
    walk = np.cumsum(np.random.default_rng(5).normal(size=(301, 1)), axis=0)
    X, y = (walk[:-1] - 3) / 7, 10 + 2 * walk[1:, 0]
    y[[40, 200]] += 5
    ties = find_ties(lesson(X, y))
    assert ties.columns.tolist() == [0]
    np.testing.assert_allclose(ties.slopes, [14])  # y = 10 + 2 (7 x + 3)
    np.testing.assert_allclose(ties.offsets, [16])
    assert not ties.are_in_same_units.any()
    assert ties.in_same_units().columns.tolist() == [-1]
    assert find_ties(lesson(X, -y)).columns.tolist() == [-1]  # a mirror image


def test_find_ties_multivariate_is_column_of_each_target():
    order = [2, 0, 1]
    assert columns_of(lesson(walk[:-1], walk[1:][:, order])).tolist() == order


def test_find_ties_one_target_of_two_leaves_the_other_free():
    y = np.column_stack([np.sin(np.arange(39)), walk[1:, 2]])
    assert columns_of(lesson(walk[:-1], y)).tolist() == [-1, 2]


def test_find_ties_horizons_are_one_column():
    y = np.column_stack([walk[k : k + 36, 1] for k in (1, 2, 3)])
    assert columns_of(lesson(walk[:36], y)).tolist() == [1, 1, 1]


def test_find_ties_of_panel_looks_within_each_series():
    """Three series of 13 rows: across their borders the targets are others."""
    parts = [walk[13 * k : 13 * k + 13] for k in range(3)]
    X = np.concatenate([part[:-1] for part in parts])
    y = np.concatenate([part[1:, 0] for part in parts])
    assert columns_of(lesson(X, y, np.repeat([0, 1, 2], 12))).tolist() == [0]
    assert columns_of(lesson(X, y)).tolist() == [-1]


def test_find_ties_read_as_float32_are_found():
    """Users often narrow X and not y."""
    X = walk[:-1].astype(np.float32)
    assert columns_of(lesson(X, walk[1:, 0])).tolist() == [0]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (walk, np.sin(np.arange(40))),
        (walk[1:], walk[:-1, 0]),  # the value before
        (walk, walk[:, 0]),  # the value itself
        (np.ones(20), np.ones(20)),  # nothing is told by a constant
        (walk[:2], walk[1:3, 0]),  # nor by one pair
        (walk[:3], np.zeros((3, 7))),  # more horizons than rows
        (walk[:1], walk[1:2, 0]),
    ],
    ids=["other", "before", "same", "constant", "two rows", "horizons", "one row"],
)
def test_find_ties_none(X, y):
    found = columns_of(lesson(X, y))
    assert (found == -1).all()
    assert len(found) == np.reshape(y, (len(X), -1)).shape[1]


def test_find_ties_of_classes_none():
    X = np.array([0.0, 1.0] * 10)
    assert columns_of(lesson(X, 1 - X, n_classes=2)).tolist() == [-1]


# --------------------------------------------------------------------------------------
# Periods
# --------------------------------------------------------------------------------------


def noise(n: int, seed: int) -> np.ndarray:
    """Return standard normal numbers."""
    return np.random.default_rng(seed).normal(size=n)


def hours(n_weeks: int, seed: int = 0) -> np.ndarray:
    """Return a day that repeats, lower on the two last days of each week."""
    hour = np.arange(168 * n_weeks)
    day = np.exp(np.cos(2 * np.pi * (hour - 14) / 24))
    return day * np.where(hour // 24 % 7 < 5, 1.0, 0.4) + 0.1 * noise(len(hour), seed)


def months(n_years: int, seed: int = 0) -> np.ndarray:
    """Return a year that repeats on a rising trend."""
    month = np.arange(12 * n_years)
    year = np.array([1, 0, 2, 3, 3, 5, 8, 8, 4, 2, 1, 3])[month % 12]
    return 0.1 * month + year + 0.3 * noise(len(month), seed)


def test_find_periods_hours_are_day_and_week():
    assert find_periods([hours(12)]) == (24, 168)


def test_find_periods_months_with_trend_are_year():
    assert find_periods([months(12)]) == (12,)
    assert find_periods([1e6 + 1e3 * months(12)]) == (12,)


def test_find_periods_of_panel_are_those_in_common():
    """Short series, of less than half of the longest, have no say."""
    panel = [months(12, seed=k)[: 144 - 5 * k] for k in range(4)]
    assert find_periods([*panel, noise(20, 9)]) == (12,)


@pytest.mark.parametrize(
    "columns",
    [
        [noise(300, 1)],
        [noise(2000, 2)],
        [np.zeros(100)],
        [np.full(100, 0.1)],
        [np.arange(100.0)],
        [months(1)[:10]],
        [np.empty(0)],
        [np.ones(1)],
    ],
    ids=["noise", "long noise", "zeros", "constant", "line", "ten rows", "none", "one"],
)
def test_find_periods_none(columns):
    assert find_periods(columns) == ()


def test_find_periods_random_walks_have_mostly_none():
    """Chance has a say in a hundred walks, but not in one of ten."""
    walks = [noise(n, seed).cumsum() for n in (60, 300) for seed in range(50)]
    assert sum(bool(find_periods([walk])) for walk in walks) < 10


def test_find_periods_of_constant_beside_others_are_those_of_the_others():
    assert find_periods([np.ones(144), months(12)]) == (12,)


# --------------------------------------------------------------------------------------
# Lags
# --------------------------------------------------------------------------------------


def test_lags_for_long_series_are_last_day_and_around_each_period():
    lags = lags_for(10_000, (24, 168))
    assert lags == (*range(27), *range(165, 171))
    assert lags_for(10_000, (), 4) == (0, 1, 2, 3, 4)
    assert lags_for(10_000, (12,), 4) == (0, 1, 2, 3, 4, *range(9, 15))


def test_lags_for_short_series_reach_back_a_third_at_most():
    """And to a sixth of the newest rows, so that few slopes are learnt from few."""
    assert lags_for(30, (12,)) == (0, 1, 2, 3, 4, 5, 9, 10)
    assert lags_for(10, (12,)) == (0, 1)
    assert lags_for(1, ()) == (0, 1)


def test_lags_for_period_of_two_reads_no_row_to_come():
    assert lags_for(100, (2,), 1) == (0, 1, 2, 3, 4)
