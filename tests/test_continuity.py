"""Do the rows follow? Usual steps, breaks, and what is said of them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklstm._rows.continuity import (
    NEVER,
    ContinuityWarning,
    TimeAxis,
    check_after,
    check_order,
    find_breaks,
    report_breaks,
)
from sklstm._rows.series import RowLabels

HOURS = pd.date_range("2024-03-01", periods=6, freq="h")
AWARE = HOURS.tz_localize("Europe/Berlin")
DAYS = pd.date_range("2024-03-01", periods=3, freq="D")
JUMP = pd.DatetimeIndex(["2024-01-01", "2024-04-01"])


def labels_of(time: Any, codes: Any = None, ids: Any = None) -> RowLabels:
    time = pd.Index(time)
    codes = np.zeros(len(time), np.int64) if codes is None else np.array(codes)
    return RowLabels(None if ids is None else pd.Index(ids), codes, time)


def learn(time: Any, codes: Any = None, ids: Any = None) -> TimeAxis:
    axis = TimeAxis.learn(labels_of(time, codes, ids))
    assert axis is not None
    return axis


def breaks_of(axis: TimeAxis, time: Any) -> list[int]:
    """Rows of one series that do not follow, nothing being seen before."""
    ordinals = axis.ordinals(pd.Index(time))
    codes = np.zeros(len(ordinals), np.int64)
    return np.flatnonzero(
        find_breaks(axis, ordinals, codes, np.array([NEVER]))
    ).tolist()


def follows(axis: TimeAxis, before: str, after: str) -> bool:
    ordinals = axis.ordinals(pd.DatetimeIndex([before, after]))
    return bool(axis.follows(ordinals[:1], ordinals[1:])[0])


MONTH_END, WORK_MONTH_END = pd.offsets.MonthEnd(), pd.offsets.BMonthEnd()
QUARTER_END = pd.offsets.QuarterEnd(startingMonth=3)
MONTH, YEAR = pd.DateOffset(months=1), pd.DateOffset(years=1)

# First training row, step, a row, the row that follows it, others that do not.
STEPS = [
    ("2024-01-01", "h", "2024-05-31 23:00", "2024-06-01", "2024-06-01 01:00"),
    ("2024-01-01", "10min", "2024-05-01", "2024-05-01 00:10", "2024-05-01 00:20"),
    ("2024-01-01", "D", "2024-02-28", "2024-02-29", "2024-03-01"),
    ("2024-01-03", "7D", "2024-02-28", "2024-03-06", "2024-03-13"),
    ("2024-01-01", MONTH, "2025-01-01", "2025-02-01", "2025-03-01, 2025-02-01 12:00"),
    ("2024-01-15", MONTH, "2025-01-15", "2025-02-15", "2025-02-14, 2025-03-15"),
    ("2024-01-31", MONTH_END, "2024-02-29", "2024-03-31", "2024-04-30, 2024-03-28"),
    ("2024-01-31", WORK_MONTH_END, "2024-02-29", "2024-03-29", "2024-04-30"),
    ("2024-01-01", "QS", "2025-01-01", "2025-04-01", "2025-02-01"),
    ("2024-03-31", QUARTER_END, "2025-06-30", "2025-09-30", "2025-12-31, 2025-09-29"),
    ("2000-01-01", YEAR, "2023-01-01", "2024-01-01", "2025-01-01, 2023-12-31"),
    ("2024-01-01", "B", "2024-03-01", "2024-03-04", "2024-03-02, 2024-03-04 12:00"),
]


@pytest.mark.parametrize(("start", "freq", "before", "after", "wrong"), STEPS)
def test_learn_recognises_the_usual_step_of_dates(start, freq, before, after, wrong):
    time = pd.DatetimeIndex(list(pd.date_range(start, periods=15, freq=freq)))
    axis = learn(time)
    assert breaks_of(axis, time) == []
    assert follows(axis, before, after)
    for other in [before, *wrong.split(", ")]:
        assert not follows(axis, before, other)


@pytest.mark.parametrize(("start", "freq"), [case[:2] for case in STEPS])
def test_learn_recognises_the_usual_step_where_rows_are_missing(start, freq):
    time = pd.date_range(start, periods=40, freq=freq)
    axis = learn(time.delete([7, 8, 20]))
    assert axis == learn(time)
    assert breaks_of(axis, time.delete([7, 8, 20])) == [7, 18]


@pytest.mark.parametrize("freq", ["MS", MONTH_END, YEAR])
def test_learn_takes_two_rows_a_month_apart_for_months(freq):
    time = pd.date_range("2023-01-31", periods=4, freq=freq)
    axis = learn(pd.DatetimeIndex(list(time[:2])))
    assert breaks_of(axis, time) == []


def test_learn_takes_the_frequency_of_an_index_of_workdays_shorter_than_a_week():
    week = pd.date_range("2024-03-04", periods=5, freq="B")
    assert follows(learn(week), "2024-03-08", "2024-03-11")
    assert not follows(learn(list(week)), "2024-03-08", "2024-03-11")


def test_learn_recognises_weekdays_that_are_always_closed():
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    axis = learn(days[days.day_of_week != 6])
    assert follows(axis, "2024-06-01", "2024-06-03")
    assert not follows(axis, "2024-05-31", "2024-06-03")


@pytest.mark.parametrize("missing", [[6], [4, 5], [1, 2, 3]])
def test_learn_takes_a_few_lacking_days_for_missing_rows(missing):
    days = pd.date_range("2024-01-01", periods=10, freq="D").delete(missing)
    assert breaks_of(learn(days), days) == [missing[0]]


def test_learn_of_integers_takes_the_most_frequent_difference():
    axis = learn([0, 5, 10, 15, 17, 22])
    assert axis == TimeAxis("integer", step=5)
    assert breaks_of(axis, [100, 105, 106, 111]) == [2]
    assert learn(pd.RangeIndex(3, 9, 2)).step == 2
    assert learn([0, 3, 4]).step == 1  # the smaller of two that are equally frequent
    assert learn(pd.Index([1, 2, 3], dtype="uint8")).ordinals(pd.Index([-1])) == [-1]


@pytest.mark.parametrize("freq", ["M", "Q", "D", "h"])
def test_learn_of_periods_counts_periods(freq):
    time = pd.period_range("2024-01-01", periods=30, freq=freq)
    axis = learn(time)
    assert axis.step == 1
    assert breaks_of(axis, time) == []
    assert breaks_of(axis, time.delete(4)) == [4]


def test_learn_pools_the_differences_of_all_series():
    # a: 0, 2, 4 and b: 1, 3, 5; across the two series rows are one apart.
    axis = learn([0, 1, 2, 3, 4, 5], codes=[0, 1, 0, 1, 0, 1], ids=["a", "b"])
    assert axis.step == 2


@pytest.mark.parametrize("time", [HOURS[:1], HOURS[:0], pd.Index([4])])
def test_learn_without_two_rows_of_a_series_lets_any_later_row_follow(time):
    axis = learn(time)
    assert axis.step is None
    ordinals = np.array([3, 900, 900, 20])
    assert axis.follows(ordinals[:-1], ordinals[1:]).tolist() == [True, False, False]


def test_learn_of_random_times_finds_no_usual_step():
    seconds = np.random.default_rng(0).integers(1, 10_000, 200).cumsum()
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    axis = learn(time)
    assert axis.step is None
    assert breaks_of(axis, time) == []


def test_learn_of_rows_without_time_gives_none():
    assert TimeAxis.learn(RowLabels(None, np.zeros(3, np.int64), None)) is None


@pytest.mark.parametrize("time", [HOURS, AWARE, HOURS.to_period("h"), [1, 2]])
def test_axis_is_written_as_json_and_read_back_equal(time):
    axis = learn(time)
    assert TimeAxis(**json.loads(json.dumps(dataclasses.asdict(axis)))) == axis


@pytest.mark.parametrize("freq", ["h", "30min", "24h", "6h"])
def test_follows_fixed_steps_through_summer_time(freq):
    time = pd.date_range("2024-03-28", "2024-11-02", freq=freq, tz="Europe/Berlin")
    axis = learn(time)
    assert breaks_of(axis, time) == []
    assert breaks_of(axis, time.delete(90)) == [90]


@pytest.mark.parametrize("start", ["2024-03-29", "2024-03-30", "2024-10-26"])
@pytest.mark.parametrize("freq", ["D", "7D", "B", "MS"])
def test_follows_local_midnights_through_summer_time(start, freq):
    local = pd.date_range(start, periods=400, freq=freq).tz_localize("Europe/Berlin")
    local = pd.DatetimeIndex(list(local))
    for n in (4, 400):
        assert breaks_of(learn(local[:n]), local[: 3 if freq == "B" else 400]) == []
    assert breaks_of(learn(local), local.delete(90)) == [90]


def test_follows_naive_local_hours_without_the_skipped_hour_is_a_gap():
    hours = pd.date_range("2024-03-30", "2024-04-02", freq="h", tz="Europe/Berlin")
    naive = hours.tz_localize(None)
    assert breaks_of(learn(naive), naive) == [26]  # from 01:00 to 03:00


def test_ordinals_of_another_time_zone_are_the_same_moments():
    axis = learn(HOURS.tz_localize("UTC"))
    aware = HOURS.tz_localize("UTC").tz_convert("Asia/Tokyo")
    np.testing.assert_array_equal(axis.ordinals(aware), HOURS.as_unit("us").asi8)


@pytest.mark.parametrize(("zone", "name"), [(None, "UTC+01:00"), ("office", "UTC")])
def test_learn_of_a_zone_without_a_readable_name_counts_in_utc(zone, name):
    hour = datetime.timedelta(hours=1)
    tz = datetime.timezone(hour, zone) if zone else datetime.timezone(hour)
    axis = learn(HOURS.tz_localize(tz))
    utc = (HOURS - hour).as_unit("us")
    assert axis.tz == name
    assert axis.ordinals(HOURS.tz_localize(tz)).tolist() == utc.asi8.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_ordinals_are_the_same_whatever_the_unit(unit):
    ordinals = learn(HOURS.as_unit("ns")).ordinals(HOURS.as_unit(unit))
    assert ordinals.dtype == np.int64
    assert (np.diff(ordinals) == 3_600_000_000).all()
    np.testing.assert_array_equal(ordinals, learn(HOURS.as_unit(unit)).ordinals(HOURS))


def test_learn_of_nanoseconds_counts_nanoseconds():
    time = pd.DatetimeIndex(np.arange(1000, 1500, 100).astype("M8[ns]"))
    axis = learn(time)
    assert (axis.unit, axis.step) == ("ns", 100)
    assert breaks_of(axis, time.delete(2)) == [2]


@pytest.mark.parametrize(
    ("fitted", "given", "text"),
    [
        (HOURS, pd.Index([1]), "integer labels, but those of fit had datetime labels"),
        ([1, 2], HOURS, "datetime labels, but those of fit had integer labels"),
        (DAYS.to_period("M"), DAYS.to_period("D"), "period .* D, but .* frequency M"),
        (HOURS, AWARE, "datetime labels with a time zone, but .* datetime labels,"),
        (AWARE, HOURS, "datetime labels, but .* datetime labels with a time zone,"),
        (HOURS, None, "no labels, but those of fit had datetime labels"),
    ],
    ids=["integers", "dates", "frequency", "aware", "naive", "none"],
)
def test_ordinals_refuse_labels_of_another_kind(fitted, given, text):
    with pytest.raises(TypeError, match=f"X have {text}"):
        learn(fitted).ordinals(given)


@pytest.mark.parametrize(
    "time",
    [
        pd.DatetimeIndex(["2024-01-01", None, "2024-01-02", None]),
        pd.PeriodIndex(["2024-01", None, "2024-02", None], freq="M"),
        pd.Index(pd.array([1, None, 2, None], dtype="Int64")),
    ],
    ids=["dates", "periods", "Int64"],
)
def test_ordinals_refuse_missing_labels(time):
    with pytest.raises(ValueError, match=r"2 row\(s\) of X have no time.* row 1\."):
        learn(time)


@pytest.mark.parametrize(
    ("time", "name"),
    [
        (HOURS[5:], "2024-03-01 05:00"),
        (HOURS, "2024-03-01 00:00"),
        (HOURS[:1], "2024-03-01"),  # one label alone tells no step
        (pd.DatetimeIndex(["2024-03-01 05:00:30"]), "2024-03-01 05:00:30"),
        (pd.DatetimeIndex(["2024-03-01", "2024-03-02 17:03"]), "2024-03-01 00:00"),
        (AWARE[5:], "2024-03-01 05:00+01:00"),
        (HOURS.tz_localize("America/St_Johns"), "2024-03-01 00:00-03:30"),
        (DAYS.tz_localize("America/St_Johns"), "2024-03-01"),
        (DAYS[::-1], "2024-03-03"),  # no step forward, so none is known
        (DAYS, "2024-03-01"),
        (pd.date_range("2024-03-01", periods=3, freq="MS"), "2024-03-01"),
        (pd.period_range("2024-03-01", periods=2, freq="Q"), "2024Q1"),
        ([117], "117"),
    ],
)
def test_names_are_the_labels_as_a_reader_knows_them(time, name):
    """Midnights have no time of the day, unless it is told among others."""
    axis = learn(time)
    assert axis.names(*axis.ordinals(pd.Index(time)))[0] == name


def test_find_breaks_looks_at_each_series_by_itself():
    axis = TimeAxis("integer", step=1)
    codes = np.array([0, 1, 0, 1, 2, 0])
    ordinals = np.array([5, 1, 6, 3, 9, 8])
    last_seen = np.array([4, NEVER, 7])
    breaks = find_breaks(axis, ordinals, codes, last_seen)
    #                          4→5    -      5→6    1→3   7→9   6→8
    assert breaks.tolist() == [False, False, False, True, True, True]


PANELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), max_size=12)
SEEN = st.lists(st.one_of(st.just(NEVER), st.integers(-2, 4)), min_size=4, max_size=4)


@given(rows=PANELS, seen=SEEN, step=st.one_of(st.none(), st.integers(1, 2)))
def test_find_breaks_equals_a_loop_over_the_rows(rows, seen, step):
    axis = TimeAxis("integer", step=step)
    codes = np.array([code for code, _ in rows], np.int64)
    ordinals = np.array([ordinal for _, ordinal in rows], np.int64)
    breaks = find_breaks(axis, ordinals, codes, np.array(seen, np.int64))
    last, expected = list(seen), []
    for code, ordinal in rows:
        grown = ordinal - last[code]
        is_next = grown > 0 if step is None else grown == step
        expected.append(last[code] != NEVER and not is_next)
        last[code] = ordinal
    assert breaks.tolist() == expected


def report(time: Any, training: Any, seen: list, on_gap: str, *series: Any) -> None:
    """Report the breaks of rows, given what was trained on and what was seen last."""
    axis, labels = learn(training), labels_of(time, *series)
    ordinals, last_seen = axis.ordinals(labels.time), np.array(seen)
    breaks = find_breaks(axis, ordinals, labels.codes, last_seen)
    report_breaks(axis, breaks, ordinals, labels, last_seen, on_gap, stacklevel=1)


def test_report_breaks_warns_once_of_the_first_break_and_counts_the_others():
    text = (
        r"series 'b' .* row 3 of X is labelled 2024-03-01 04:00, and the row before it"
        r" 2024-03-01 01:00\. The usual step is 01:00:00: about 2 row\(s\) are missing"
        r"\. X has 1 other break\(s\), with about 1 row\(s\) missing.*on_gap='reset'"
    )
    time = [HOURS[i] for i in (0, 1, 1, 4, 3, 5)]
    with pytest.warns(ContinuityWarning, match=text) as caught:
        report(time, HOURS, [NEVER, NEVER], "warn", [0, 1, 0, 1, 0, 1], ["a", "b"])
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_report_breaks_names_the_last_row_seen_before_the_call():
    text = r"series .* row 0 .* 70, and the last row seen before it 40\. .* 10: about 2"
    with pytest.raises(ValueError, match=text):
        report([70, 80], [10, 20, 30], [40], "raise")


@pytest.mark.parametrize(
    ("time", "training", "text"),
    [
        ([5, 4], [1, 2], "is 1: time does not move forward"),
        ([5, 4], [1], "is unknown: time does not move forward"),
        ([0, 14], [0, 10], "is 10: this is another one"),
        (JUMP, pd.date_range("2023", periods=5, freq="MS"), r"1 month\(s\): about 2"),
        (
            JUMP,
            pd.date_range("2023", periods=9, freq="B"),
            r"1 open day\(s\): about 64",
        ),
        (JUMP, pd.date_range("2023", periods=9, freq="7D"), "is 7 days: about 12"),
    ],
    ids=["backwards", "unknown-step", "off-step", "months", "workdays", "weeks"],
)
def test_report_breaks_says_what_is_wrong_in_units_of_the_step(time, training, text):
    with pytest.raises(ValueError, match=text):
        report(time, training, [NEVER], "raise")


@pytest.mark.parametrize("on_gap", ["reset", "ignore"])
def test_report_breaks_says_nothing_of_breaks_that_are_wanted(on_gap):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report([1, 2, 9], [1, 2], [NEVER], on_gap)
        report([3, 4], [1, 2], [2], "warn")


def test_check_order_accepts_series_that_are_interleaved_and_have_gaps():
    labels = labels_of([1, 1, 9, 2], codes=[0, 1, 0, 1], ids=["a", "b"])
    check_order(TimeAxis("integer", step=1), np.array([1, 1, 9, 2]), labels)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([3, 2, 1, 0], "row 1 of X is .*02:00, but row 0 before it .*03:00, and 2"),
        ([0, 1, 1, 2], "row 2 of X is .*01:00, but row 1 before it .*01:00, and 0"),
    ],
    ids=["newest-first", "twice"],
)
def test_check_order_refuses_rows_out_of_order(rows, text):
    labels = labels_of(HOURS[rows])
    axis = learn(HOURS)
    remedies = r".*sort_index\(\).*duplicates.*series_id.*TimeSeriesSplit.*'epochs'"
    with pytest.raises(ValueError, match=f"the series must be .*{text}{remedies}"):
        check_order(axis, axis.ordinals(labels.time), labels)


def test_check_order_names_the_series_and_its_own_rows():
    labels = labels_of([5, 1, 6, 1], codes=[0, 1, 0, 1], ids=["a", "b"])
    with pytest.raises(ValueError, match=r"series 'b' .* row 3 of X is 1, but row 1 "):
        check_order(learn([1, 2]), np.array([5, 1, 6, 1]), labels)


@pytest.mark.parametrize("last", [9, 12])
def test_check_after_refuses_only_rows_that_the_state_has_moved_past(last):
    labels = labels_of([5, 9, 6], codes=[0, 1, 0], ids=["a", "b"])
    text = rf"Row 1 of X, the first of series 'b', is labelled 9, but rows up to {last}"
    remedies = r".*1 series in all.*reseed_states\(\).*reset_states\(\).*'ignore'"
    for last_seen in ([4, 8], [NEVER, 0], [4, NEVER]):
        check_after(learn([1, 2]), np.array([5, 9, 6]), labels, np.array(last_seen))
    with pytest.raises(ValueError, match=text + remedies):
        check_after(learn([1, 2]), np.array([5, 9, 6]), labels, np.array([4, last]))
