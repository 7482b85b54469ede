"""The series that come with the package, against their original files."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sklstm.datasets import (
    load_bike_rentals,
    load_online_retail,
    load_seattle_weather,
    load_shampoo_sales,
)

LOADERS = [
    load_bike_rentals,
    load_online_retail,
    load_seattle_weather,
    load_shampoo_sales,
]


@pytest.mark.parametrize("load", LOADERS)
def test_load_gives_regular_index_without_missing_values(load):
    """No step of time is missing or repeated, and no value either."""
    frame = load()
    assert frame.index.freq is not None
    regular = pd.date_range(frame.index[0], periods=len(frame), freq=frame.index.freq)
    assert frame.index.equals(regular)
    assert not frame.isna().to_numpy().any()


@pytest.mark.parametrize("load", LOADERS)
def test_load_reads_anew_after_caller_changed_frame(load):
    """Each call reads anew: changes of a frame do not reach the next one."""
    first = load()
    first.iloc[:, 0] = -1
    X, y = load(return_X_y=True)
    X.iloc[:, 0] = -1
    y.iloc[:] = y.iloc[0]
    again_X, again_y = load(return_X_y=True)
    assert (load().iloc[:, 0] >= 0).all()
    assert (again_X.iloc[:, 0] >= 0).all()
    assert again_y.nunique() > 1


@pytest.mark.parametrize(
    ("load", "target"),
    [
        (load_bike_rentals, "rentals"),
        (load_online_retail, "orders"),
        (load_seattle_weather, "weather"),
        (load_shampoo_sales, "sales"),
    ],
)
def test_load_return_X_y_target_is_next_row(load, target):
    """X is the series without its last row, y the same without its first."""
    frame = load()
    X, y = load(return_X_y=True)
    assert X.index.equals(frame.index[:-1])
    assert y.index.equals(X.index)
    assert (y.to_numpy() == frame[target].to_numpy()[1:]).all()
    assert all(np.issubdtype(dtype, np.number) for dtype in X.dtypes)
    assert np.isfinite(X.to_numpy(dtype=float)).all()


# The numbers below were taken from the original files with awk, not with pandas.


def test_load_bike_rentals_agrees_with_source():
    frame = load_bike_rentals()
    assert frame.shape == (8760, 10)
    assert frame.index[0] == pd.Timestamp("2011-01-01 00:00")
    assert frame.index[-1] == pd.Timestamp("2011-12-31 23:00")
    assert frame["rentals"].sum() == 1_243_103
    assert frame["casual"].sum() == 247_252
    assert frame["registered"].sum() == 995_851
    assert (frame["rentals"] == frame["casual"] + frame["registered"]).all()
    first = frame.iloc[0]
    assert first.tolist() == [16, 3, 13, 0.24, 0.2879, 0.81, 0.0, "clear", 0, 0]
    peak = frame.loc["2011-06-01 17:00"]  # day 152 of the source
    assert peak.tolist() == [486, 52, 434, 0.86, 0.803, 0.47, 0.2985, "clear", 0, 1]


def test_load_bike_rentals_hours_without_rentals_are_those_added():
    """115 hours, with the weather of the hour before and the calendar of their day."""
    frame = load_bike_rentals()
    added = frame[frame["rentals"] == 0]
    assert len(added) == 8760 - 8645
    weather = ["temp", "atemp", "hum", "windspeed", "weather"]
    before = frame[weather].shift(1).loc[added.index]
    assert (added[weather] == before).to_numpy().all()
    # The source has no row from 17 January (a holiday), 23 h, to 18 January, 12 h.
    night = frame.loc["2011-01-17 23:00":"2011-01-18 12:00"]
    assert night["rentals"].tolist() == [4] + 12 * [0] + [3]
    assert night["holiday"].tolist() == [1] + 13 * [0]
    assert night["workingday"].tolist() == [0] + 13 * [1]


def test_load_bike_rentals_calendar_is_that_of_2011():
    """A working day is a weekday without a holiday, and there were ten holidays."""
    frame = load_bike_rentals()
    weekday = frame.index.day_of_week < 5
    working = weekday & (frame["holiday"] == 0)
    assert (frame["workingday"] == working).all()
    holidays = frame.index[frame["holiday"] == 1].normalize().unique()
    assert len(holidays) == 10
    assert pd.Timestamp("2011-07-04") in holidays


def test_load_bike_rentals_features_describe_next_hour():
    X, _ = load_bike_rentals(return_X_y=True)
    assert X.shape == (8759, 14)
    before_holiday = X.loc["2011-07-03 23:00"]  # Sunday; Monday the 4th is a holiday
    assert before_holiday["next_holiday"] == 1
    assert before_holiday["next_workingday"] == 0
    assert before_holiday["next_hour_sin"] == pytest.approx(0.0)  # 0 h
    assert before_holiday["next_hour_cos"] == pytest.approx(1.0)
    assert before_holiday["next_weekday_cos"] == pytest.approx(1.0)  # Monday
    before_six = X.loc["2011-07-05 05:00"]
    assert before_six["next_hour_sin"] == pytest.approx(1.0)  # a quarter of the day
    assert before_six["next_half_day_cos"] == pytest.approx(-1.0)  # half the half day
    assert X["wet"].sum() + X["misty"].sum() < len(X)


def test_load_online_retail_agrees_with_published_totals():
    """Days, orders and pounds, as others counted them with the same cleaning."""
    frame = load_online_retail()
    assert frame.shape == (739, 3)
    assert frame.index[0] == pd.Timestamp("2009-12-01")
    assert frame.index[-1] == pd.Timestamp("2011-12-09")
    assert (frame["orders"] > 0).sum() == 604
    assert frame["orders"].sum() == 36_969
    assert frame["revenue"].sum() == pytest.approx(17_374_804.268, abs=1e-3)
    assert frame.loc["2010-10-14"].tolist() == [96, 86_945.13, 0]
    assert frame["revenue"].idxmax() == pd.Timestamp("2011-12-09")


def test_load_online_retail_sells_on_one_saturday_and_no_bank_holiday():
    frame = load_online_retail()
    open_days = frame[frame["orders"] > 0]
    saturdays = open_days[open_days.index.day_of_week == 5]
    assert saturdays.index.tolist() == [pd.Timestamp("2009-12-05")]
    assert frame["bank_holiday"].sum() == 17
    assert not open_days["bank_holiday"].any()
    assert frame.loc["2011-04-29", "bank_holiday"] == 1  # a royal wedding
    assert ((frame["orders"] == 0) == (frame["revenue"] == 0)).all()


def test_load_online_retail_features_describe_next_day():
    X, _ = load_online_retail(return_X_y=True)
    assert X.shape == (738, 5)
    thursday, friday = X.loc["2011-04-28"], X.loc["2011-05-06"]
    sunday = X.loc["2011-05-08"]
    assert thursday["next_day_off"] == 1  # the wedding
    assert friday["next_day_off"] == 1
    assert sunday["next_day_off"] == 0
    assert sunday["next_weekday_cos"] == pytest.approx(1.0)  # Monday
    assert X["next_day_off"].sum() == 105 + 17  # no bank holiday on a Saturday


def test_load_seattle_weather_agrees_with_source():
    frame = load_seattle_weather()
    assert frame.shape == (1461, 5)
    assert frame.index[0] == pd.Timestamp("2012-01-01")
    assert frame.index[-1] == pd.Timestamp("2015-12-31")
    assert frame["precipitation"].sum() == pytest.approx(4426.0)
    assert frame["temp_max"].sum() == pytest.approx(24_017.5)
    assert frame["temp_min"].sum() == pytest.approx(12_031.0)
    assert frame["wind"].sum() == pytest.approx(4735.3)
    assert frame.loc["2012-01-02"].tolist() == [10.9, 10.6, 2.8, 4.5, "rain"]


def test_load_seattle_weather_classes_are_corrected():
    """In copies made before 2020 most rainy days after 2012 are "fog" or "sun"."""
    frame = load_seattle_weather()
    wet = frame["precipitation"] > 0
    assert set(frame.loc[wet, "weather"]) == {"rain", "snow"}
    rainy = frame["weather"] == "rain"
    by_year = rainy.groupby(frame.index.year).sum()
    assert by_year.to_dict() == {2012: 191, 2013: 158, 2014: 148, 2015: 144}


def test_load_seattle_weather_features_hold_todays_class():
    X, y = load_seattle_weather(return_X_y=True)
    assert X.shape == (1460, 11)
    classes = X.filter(like="is_")
    assert (classes.sum(axis=1) == 1).all()
    today = classes.idxmax(axis=1).str.removeprefix("is_")
    assert (today.to_numpy()[1:] == y.to_numpy()[:-1]).all()


def test_load_shampoo_sales_agrees_with_source():
    frame = load_shampoo_sales()
    assert frame.shape == (36, 1)
    assert frame["sales"].sum() == pytest.approx(11_253.6)
    assert frame["sales"].tolist()[-3:] == [475.3, 581.3, 646.9]
    assert frame["sales"].idxmax() == pd.Timestamp("2003-09-01")  # 682.0
    assert (frame.index.day == 1).all()


def test_load_imports_no_tensorflow():
    program = (
        "import sys; from sklstm.datasets import load_seattle_weather as load; load(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
