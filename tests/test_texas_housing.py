"""The panel that comes with the package, against its original file.

The figures were taken from the original file with awk and grep, not with pandas.
"""

import numpy as np
import pandas as pd
import pytest

from sklstm.datasets import load_texas_housing
from sklstm.preprocessing import frame_series

N_ROWS = {  # of those with less than 187, and what they have instead
    "Brazoria County": ("2000-01", "2015-06", 186),
    "Brownsville": ("2000-02", "2015-06", 185),
    "Corpus Christi": ("2000-01", "2015-06", 186),
    "Killeen-Fort Hood": ("2000-01", "2015-06", 186),
    "Nacogdoches": ("2000-11", "2015-07", 177),
    "Texarkana": ("2001-01", "2015-07", 175),
}


@pytest.fixture(scope="module")
def frame():
    return load_texas_housing()


@pytest.fixture(scope="module")
def framed():
    return load_texas_housing(return_X_y=True)


# --------------------------------------------------------------------------- The panel


def test_texas_housing_has_a_sorted_index_of_city_and_month(frame):
    assert frame.shape == (7079, 3)
    assert frame.columns.tolist() == ["sales", "volume", "reported"]
    assert frame.index.names == ["city", "month"]
    assert frame.index.is_unique and frame.index.is_monotonic_increasing
    months = frame.index.unique("month")
    assert isinstance(months, pd.DatetimeIndex)
    assert months.equals(pd.date_range("2000-01-01", "2015-07-01", freq="MS"))
    assert len(frame.index.unique("city")) == 38


def test_texas_housing_has_no_missing_value(frame):
    assert all(np.issubdtype(dtype, np.integer) for dtype in frame.dtypes)
    assert (frame[["sales", "volume"]] > 0).to_numpy().all()
    assert set(frame["reported"]) == {0, 1}


def test_texas_housing_has_every_month_from_the_first_to_the_last_of_a_city(frame):
    for city, part in frame.groupby("city"):
        first, last, n_rows = N_ROWS.get(city, ("2000-01", "2015-07", 187))
        months = pd.date_range(first, last, freq="MS")
        assert part.index.get_level_values("month").equals(months)
        assert len(part) == n_rows
        assert part["reported"].iloc[[0, -1]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("city", "month", "sales", "volume"),
    [
        ("Abilene", "2000-01", 72, 5_380_000),
        ("Austin", "2000-01", 1025, 173_053_635),
        ("Austin", "2015-07", 3466, 1_150_381_553),
        ("Houston", "2006-06", 8628, 1_795_898_108),
        ("Houston", "2015-07", 8945, 2_568_156_780),
        ("Texarkana", "2001-06", 195, 28_075_000),
    ],
)
def test_texas_housing_agrees_with_the_source(frame, city, month, sales, volume):
    assert frame.loc[(city, f"{month}-01")].tolist() == [sales, volume, 1]


def test_texas_housing_has_the_totals_of_the_source(frame):
    """Over the months reported, of the cities with at least 90 % of them."""
    reported = frame[frame["reported"] == 1]
    assert len(reported) == 7031
    assert reported["sales"].sum() == 4_325_179
    assert reported["volume"].sum() == 844_454_177_506


def test_texas_housing_repeats_the_month_before_where_none_was_reported(frame):
    filled = frame["reported"] == 0
    assert filled.sum() == 48
    before = frame.groupby("city")[["sales", "volume"]].shift(1)
    assert (frame.loc[filled, ["sales", "volume"]] == before[filled]).to_numpy().all()
    # Lubbock lacks one month: 254 sales in November 2013, 221 in January 2014.
    lubbock = frame.loc["Lubbock"].loc["2013-11":"2014-01"]
    assert lubbock["reported"].tolist() == [1, 0, 1]
    assert lubbock["sales"].tolist() == [254, 254, 221]


def test_texas_housing_is_read_anew_by_each_call(frame):
    changed = load_texas_housing()
    changed.iloc[:, 0] = -1
    pd.testing.assert_frame_equal(load_texas_housing(), frame)


# --------------------------------------------------------------------------- (X, y)


def test_texas_housing_X_y_shapes(framed):
    X, y = framed
    assert X.shape == (7041, 5) and y.shape == (7041,)  # 7079 less one for each city
    assert X.columns.tolist() == [
        "sales",
        "volume",
        "reported",
        "next_month_sin",
        "next_month_cos",
    ]
    assert y.name == "sales[t+1]"
    assert X.index.equals(y.index)
    assert np.isfinite(X.to_numpy(dtype=float)).all()


def test_texas_housing_target_is_the_citys_next_month(frame, framed):
    """Without the last month of each city, and never the first month of the next."""
    X, y = framed
    for city, part in frame.groupby("city"):
        assert X.loc[city, "sales"].tolist() == part["sales"].tolist()[:-1]
        assert y.loc[city].tolist() == part["sales"].tolist()[1:]


def test_texas_housing_framed_by_hand_for_austin(framed):
    X, y = framed
    months = X.loc["Austin"].index
    assert len(months) == 186
    assert (months[0], months[-1]) == (
        pd.Timestamp("2000-01-01"),
        pd.Timestamp("2015-06-01"),
    )
    assert X.loc["Austin", "sales"].iloc[[0, 1, -1]].tolist() == [1025, 1277, 3301]
    assert y.loc["Austin"].iloc[[0, -2, -1]].tolist() == [1277, 3301, 3466]


def test_texas_housing_tells_the_calendar_of_the_next_month(framed):
    X, _ = framed
    before_december = X.loc[("Houston", "2006-11-01")]  # a whole turn of the circle
    assert before_december["next_month_sin"] == pytest.approx(0.0)
    assert before_december["next_month_cos"] == pytest.approx(1.0)
    before_march = X.loc[("Houston", "2006-02-01")]  # a quarter
    assert before_march["next_month_sin"] == pytest.approx(1.0)
    before_january = X.loc[("Houston", "2006-12-01")]  # a twelfth: 30 degrees
    assert before_january["next_month_sin"] == pytest.approx(0.5)


def test_texas_housing_weights_leave_out_what_was_not_reported(frame, framed):
    _, sample_weight = frame_series(frame, target="reported")
    pd.testing.assert_index_equal(sample_weight.index, framed[1].index)
    assert (sample_weight == 0).sum() == 48  # none of them is the first of a city
