"""Users' scripts in which rows do or do not follow those before them."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input_cases import assert_refused
from helpers import ROUNDING, NaiveLSTM, assert_close, make_rows
from plain import StatefulLSTMRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingGridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm._rows.continuity import ContinuityWarning

SERIES = pd.Series(
    np.sin(np.arange(300) / 5).cumsum() / 5, pd.date_range("2024", periods=300)
)
X, y = SERIES[:-1].to_frame("v"), SERIES[1:].to_numpy()


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    """Return a small regressor, with tiled windows unless told otherwise."""
    settings = {"windows": "tiled", "sequence_length": 4, "batch_size": 2, "epochs": 1}
    return StatefulLSTMRegressor(3, **{**settings, "random_state": 0, **parameters})


def walk_of_one_lane(estimator: Any, *runs: np.ndarray) -> np.ndarray:
    """Outputs of the NumPy LSTM over runs, each from zero state."""
    naive = NaiveLSTM(estimator.get_weights(), sequence_length=1, batch_size=1)
    made = []
    for run in runs:
        naive.reset()
        made.append(naive.step(run)[:, 0])
    return np.concatenate(made)


@pytest.fixture
def silent():
    """Turn warnings that rows do not follow into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ContinuityWarning)
        yield


@pytest.fixture(scope="module")
def fitted_once():
    return regressor().fit(X[:200], y[:200])


@pytest.fixture
def fitted(fitted_once):
    """A regressor of its own, fitted on the first 200 days."""
    return copy.deepcopy(fitted_once)


# --------------------------------------------------------------------------------------
# Rows skipped, and rows that follow
# --------------------------------------------------------------------------------------

KINDS = [{}, {"windows": "sliding", "batch_size": 1}]


@pytest.mark.parametrize("kind", KINDS, ids=["tiled", "sliding"])
def test_predict_after_skipped_rows_warns_and_names_both_labels(kind):
    estimator = regressor(**kind).fit(X[:200], y[:200])
    text = (
        r"Rows of the series do not follow one another: row 0 of X is labelled"
        r" 2024-09-07, and the last row seen before it 2024-07-18. The usual step is"
        r" 1 days: about 50 row\(s\) are missing.*observe the rows in between"
    )
    with pytest.warns(ContinuityWarning, match=text) as record:
        skipped = estimator.predict(X[250:])
    assert [warning.filename for warning in record] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.observe(X[200:250])
        estimator.predict(X[250:])
    other = regressor(**kind, on_gap="ignore").fit(X[:200], y[:200])
    np.testing.assert_array_equal(other.predict(X[250:]), skipped)


@pytest.mark.parametrize(
    "call",
    [
        lambda e, rows: e.predict(rows),
        lambda e, rows: e.step(rows),
        lambda e, rows: e.observe(rows),
        lambda e, rows: e.score(rows, y[250:]),
        lambda e, rows: e.partial_fit(rows, y[250:]),
        lambda e, rows: e.forecast(2, start=rows),
        lambda e, rows: e.lane_table(rows),
    ],
)
def test_calls_after_skipped_rows_warn(fitted, call):
    with pytest.warns(ContinuityWarning, match="row 0 of X is labelled 2024-09-07"):
        call(fitted, X[250:])


def test_predict_whole_replays_first_part_and_goes_on(fitted, silent):
    whole = fitted.predict(X)
    assert_close(whole[:200], fitted.predict(X[:200]), **ROUNDING)
    assert_close(whole[200:], fitted.predict(X[200:]), **ROUNDING)
    assert_close(whole, walk_of_one_lane(fitted, X.to_numpy()), **ROUNDING)
    fitted.observe(X[200:230])
    assert_close(fitted.predict(X), whole, **ROUNDING)
    assert_close(fitted.predict(X[230:]), whole[230:], **ROUNDING)


def test_predict_whole_with_sliding_windows_replays_and_goes_on(silent):
    estimator = regressor(windows="sliding").fit(X[:199], y[:199])
    whole = estimator.predict(X)
    assert_close(whole[:199], estimator.predict(X[:199]), **ROUNDING)
    assert_close(whole[199:], estimator.predict(X[199:]), **ROUNDING)


def test_predict_training_rows_after_rows_without_labels_replays(fitted, silent):
    """An array says nothing of when it was; the rows of the fit are known again."""
    expected = fitted.predict(X[:200])
    later = pd.DataFrame(X[200:210]).reset_index(drop=True)
    fitted.observe(later)
    assert_close(fitted.predict(X[:200]), expected, **ROUNDING)


def test_predict_after_reset_reads_any_rows_from_zero_state(fitted, silent):
    fitted.reset_states()
    for rows in (X[:200], X[100:150], X[250:]):
        expected = walk_of_one_lane(fitted, rows.to_numpy())
        assert_close(fitted.predict(rows), expected, **ROUNDING)


def test_observe_rows_already_seen_raises_and_names_reseed_states(fitted):
    text = (
        "Row 0 of X, the first of the series, is labelled 2024-01-01, but rows up to"
        r" 2024-07-18 were seen.*reseed_states\(\)"
    )
    assert_refused(fitted, lambda: fitted.observe(X[:200]), text)
    fitted.observe(X[200:220])
    with pytest.raises(ValueError, match="labelled 2024-08-03, but rows up to"):
        fitted.step(X[215:225])
    fitted.reseed_states().observe(X[200:220])


def test_predict_begins_among_rows_observed_after_fit_raises(fitted):
    fitted.observe(X[200:220])
    with pytest.raises(ValueError, match="labelled 2024-07-24, but rows up to 2024-08"):
        fitted.predict(X[205:230])


# --------------------------------------------------------------------------------------
# Calendar rows without labels
# --------------------------------------------------------------------------------------


def test_predict_repeated_calendar_rows_continues_and_warns():
    """One-hot hours and a trend in the target: ten more days look like the first ten.

    The first call has as many rows as the fit, and they are equal to them.
    """
    t = np.arange(480)
    hours = np.eye(24)[t % 24]
    target = np.sin(t / 24 * 2 * np.pi) + t / 240
    estimator = StatefulLSTMRegressor(16, epochs=60, random_state=0)
    estimator.fit(hours[:240], target[:240])
    with pytest.warns(UserWarning, match="these repeat.*Pass replay=True") as record:
        as_many = estimator.predict(hours[240:480])
    assert [warning.filename for warning in record] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one_less = estimator.predict(hours[240:479])
        told = estimator.predict(hours[240:480], replay=False)
        in_sample = estimator.predict(hours[:240], replay=True)
    assert_close(as_many[:-1], one_less, **ROUNDING)
    np.testing.assert_array_equal(told, as_many)
    # The level of the eleventh day, which is 1 above that of the first. How near the
    # network comes (0.1 to 0.2) depends on the epochs it chose, and so on rounding.
    assert_close(as_many[:3], target[240:243], atol=0.3, rtol=0)
    assert_close(in_sample[24:27], target[24:27], atol=0.3, rtol=0)
    assert abs(as_many[0] - in_sample[0]) > 0.5


# --------------------------------------------------------------------------------------
# Splitters and searches
# --------------------------------------------------------------------------------------


def test_cross_validate_with_gap_between_train_and_test_warns():
    splits = TimeSeriesSplit(3, gap=10)
    with pytest.warns(ContinuityWarning, match=r"about 10 row\(s\) are missing"):
        cross_validate(regressor(), X, y, cv=splits)


def test_cross_validate_without_gap_is_silent(silent):
    cross_validate(regressor(), X, y, cv=TimeSeriesSplit(3), return_train_score=True)


@pytest.mark.parametrize("frame", [X, X.reset_index(drop=True)], ids=["dates", "range"])
def test_halving_search_on_rows_raises_our_error(frame):
    search = HalvingGridSearchCV(
        regressor(),
        {"epochs": [1, 2]},
        resource="n_samples",
        cv=TimeSeriesSplit(2),
        min_resources=60,
        error_score="raise",
        random_state=0,
    )
    with pytest.raises(ValueError, match=r"must be in time order.*resource='epochs'"):
        search.fit(frame, y)


def test_shuffled_folds_raise_our_error():
    folds = KFold(3, shuffle=True, random_state=0)
    with pytest.raises(ValueError, match="among the rows of fit"):
        cross_val_score(regressor(on_gap="reset"), X, y, cv=folds, error_score="raise")
    train, _, y_train, _ = train_test_split(X, y, random_state=0)
    estimator = regressor()
    text = r"must be in time order.*train_test_split\(shuffle=False\)"
    assert_refused(estimator, lambda: estimator.fit(train, y_train), text)


@pytest.mark.parametrize("kind", KINDS, ids=["tiled", "sliding"])
def test_fit_newest_first_raises(kind):
    estimator = regressor(**kind)
    text = (
        "must be in time order, each label once: row 1 of X is 2024-10-24, but row 0"
        r" before it 2024-10-25, and 297 more.*newest first or shuffled with sort"
    )
    assert_refused(estimator, lambda: estimator.fit(X[::-1], y[::-1]), text)


# --------------------------------------------------------------------------------------
# Breaks within the rows
# --------------------------------------------------------------------------------------

OPEN = pd.date_range("2024-03-01", periods=5 * 24, freq="h")
OPEN = OPEN[(OPEN.hour >= 8) & (OPEN.hour < 18)]  # five days of ten hours each
DAYTIME = pd.DataFrame(make_rows(len(OPEN), 2, seed=1), OPEN, columns=["u", "v"])
BY_DAY = np.split(DAYTIME.to_numpy(), 5)
TARGET = make_rows(len(OPEN), 1, seed=2)[:, 0]
EVENING = DAYTIME[30:]
MORNINGS = DAYTIME[:30]


def test_fit_days_without_nights_warns():
    text = (
        r"row 10 of X is labelled 2024-03-02 08:00, and the row before it 2024-03-01"
        r" 17:00.*about 14 row\(s\) are missing. X has 3 other break\(s\)"
    )
    with pytest.warns(ContinuityWarning, match=text) as record:
        regressor().fit(DAYTIME, TARGET)
    assert [warning.filename for warning in record] == [__file__]


def test_fit_days_without_nights_with_reset_begins_each_day_anew(silent):
    estimator = regressor(on_gap="reset").fit(DAYTIME[:30], TARGET[:30])
    expected = walk_of_one_lane(estimator, *BY_DAY)
    assert_close(estimator.predict(DAYTIME[:30]), expected[:30], **ROUNDING)
    assert_close(estimator.predict(DAYTIME[30:]), expected[30:], **ROUNDING)
    assert_close(estimator.predict(DAYTIME), expected, **ROUNDING)
    pieces = [estimator.step(DAYTIME[a : a + 4]) for a in range(30, 50, 4)]
    assert_close(np.concatenate(pieces), expected[30:], **ROUNDING)


def test_fit_days_without_nights_stateless_sliding_with_reset(silent):
    """Windows do not reach over a night, nor does the context after a fit."""
    estimator = regressor(windows="sliding", stateful=False, on_gap="reset")
    estimator.fit(DAYTIME[:42], TARGET[:42])  # the last day has but two rows yet
    naive = NaiveLSTM(
        estimator.get_weights(), sequence_length=4, batch_size=1, stateful=False
    )
    expected = []
    for day in BY_DAY:
        naive.reset()
        expected.append(naive.step(day)[:, 0])
    expected = np.concatenate(expected)
    assert_close(estimator.predict(DAYTIME[42:]), expected[42:], **ROUNDING)
    assert_close(estimator.predict(DAYTIME), expected, **ROUNDING)
    assert_close(estimator.state_.last_output, expected[41:42], **ROUNDING)
    assert estimator.state_.context.shape == (2, 2)


def test_fit_days_without_nights_stateful_sliding_with_reset_raises():
    estimator = regressor(windows="sliding", on_gap="reset")
    text = "X holds 5 runs, but with windows='sliding'.*Set windows='tiled'"
    assert_refused(estimator, lambda: estimator.fit(DAYTIME, TARGET), text)


def test_predict_stateful_sliding_after_gap_with_reset_starts_cold(silent):
    estimator = regressor(windows="sliding", on_gap="reset").fit(X[:200], y[:200])
    after_gap = estimator.predict(X[250:])
    estimator.reset_states()
    assert_close(estimator.predict(X[250:]), after_gap, **ROUNDING)


def test_fit_days_without_nights_with_raise_raises():
    estimator = regressor(on_gap="raise")
    text = r"do not follow one another: row 10 of X is.*set on_gap='reset'"
    assert_refused(estimator, lambda: estimator.fit(DAYTIME, TARGET), text)
    estimator.fit(DAYTIME[:10], TARGET[:10])
    assert_refused(estimator, lambda: estimator.predict(DAYTIME[10:]), text[:20])


def test_fit_days_without_nights_with_ignore_is_silent(silent):
    estimator = regressor(on_gap="ignore").fit(DAYTIME[:30], TARGET[:30])
    expected = walk_of_one_lane(estimator, DAYTIME.to_numpy())
    assert_close(estimator.predict(DAYTIME[:30]), expected[:30], **ROUNDING)
    assert_close(estimator.predict(DAYTIME[30:]), expected[30:], **ROUNDING)


@pytest.mark.parametrize("replay", [None, True])
def test_predict_training_rows_with_known_breaks_is_silent(replay):
    """`fit` has warned of the breaks among its rows; only later ones are news."""
    with pytest.warns(ContinuityWarning):
        estimator = regressor().fit(DAYTIME[:30], TARGET[:30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.predict(DAYTIME[:30], replay=replay)
    with pytest.warns(ContinuityWarning, match="row 30 of X.*1 other break"):
        estimator.predict(DAYTIME, replay=replay)


# --------------------------------------------------------------------------------------
# Kinds of index
# --------------------------------------------------------------------------------------

INDEXES = {
    "dates": X.index,
    "periods": pd.period_range("2001-01", periods=len(X), freq="M"),
    "months": pd.date_range("2001-01-31", periods=len(X), freq="ME"),
    "hours of summer time": pd.date_range(
        "2024-03-25", periods=len(X), freq="h", tz="Europe/Berlin"
    ),
    "range": pd.RangeIndex(len(X)),
    "range of tens": pd.RangeIndex(1000, 1000 + 10 * len(X), 10),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_slices_of_an_indexed_frame_follow_or_warn(index):
    frame = X.set_axis(index, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = regressor().fit(frame[:200], y[:200])
        in_sample = estimator.predict(frame[:200])
        assert_close(in_sample, walk_of_one_lane(estimator, X[:200].to_numpy()))
        estimator.predict(frame[200:])
    with pytest.warns(ContinuityWarning, match=r"about 50 row\(s\) are missing"):
        estimator.predict(frame[250:])


def test_predict_fresh_default_frame_does_not_warn(silent):
    """`RangeIndex(0, m)` is the index of every new frame, and says nothing."""
    frame = X.reset_index(drop=True)
    estimator = regressor().fit(frame[:200], y[:200])
    expected = estimator.predict(frame[200:])
    fresh = frame[200:].reset_index(drop=True)
    np.testing.assert_array_equal(estimator.predict(fresh), expected)
    np.testing.assert_array_equal(estimator.step(fresh), expected)


def test_panel_whose_index_numbers_the_rows_of_a_table_has_no_gaps(silent):
    """Shops open and close: how far apart their rows are in the table says nothing.

    The order of the rows is still looked at, and those of the fit are known again.
    """
    days = [(day, shop) for day in range(30) for shop in "abc"]
    days = [(day, shop) for day, shop in days if shop == "a" or day % 11 > 3]
    table = pd.DataFrame(days, columns=["day", "shop"])
    table["v"] = make_rows(len(table), 1, seed=3)[:, 0]
    target = table["v"].to_numpy()
    is_first = (table["day"] < 20).to_numpy()
    estimator = regressor(series_id="shop", on_gap="warn")
    estimator.fit(table[is_first], target[is_first])
    rest = estimator.predict(table[~is_first])
    in_sample = estimator.predict(table[is_first])
    estimator.reset_states()
    assert_close(estimator.step(table[is_first]), in_sample, **ROUNDING)
    assert_close(estimator.step(table[~is_first]), rest, **ROUNDING)
    with pytest.raises(ValueError, match="must be in time order"):
        regressor(series_id="shop").fit(table[::-1], target[::-1])


def test_fit_array_then_predict_frame_follows(silent):
    """Where the fit had no labels, those of later rows are not looked at."""
    estimator = regressor().fit(X[:200].to_numpy(), y[:200])
    expected = estimator.predict(X[200:].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn: names, but none in fit
        np.testing.assert_array_equal(estimator.predict(X[200:]), expected)


def test_pipeline_with_pandas_output_keeps_labels():
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, regressor()).fit(X[:200], y[:200])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(pipeline.predict(X)[200:], pipeline.predict(X[200:]))
    with pytest.warns(ContinuityWarning, match="labelled 2024-09-07"):
        pipeline.predict(X[250:])


def test_pipeline_of_arrays_has_no_labels(silent):
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X[:200], y[:200])
    pipeline.predict(X[250:])
