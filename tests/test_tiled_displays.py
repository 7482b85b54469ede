"""LanesDisplay and StateDisplay of tiled windows and panels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close
from plain import StatefulLSTMRegressor
from plotting_cases import X as PLAIN
from plotting_cases import fitted, legend_of, shown_ticks, texts
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm.plotting import LanesDisplay, StateDisplay

#: Two batches of two lanes, each tile of three rows; the second lane ends early.
TABLE = np.array([[[0, 1, 2], [5, 6, 7]], [[3, 4, -1], [8, 9, -1]]])
DAYS = pd.date_range("2024-01-01", periods=10, name="day")
SHOPS = ["south", "north"]


def lstm(**options) -> StatefulLSTMRegressor:
    shape = {"units": 4, "sequence_length": 4, "batch_size": 2, "windows": "tiled"}
    return StatefulLSTMRegressor(**{**shape, "epochs": 1, "random_state": 0, **options})


def panel() -> pd.DataFrame:
    """Two shops on twenty days, day by day."""
    days = pd.date_range("2024-01-01", periods=20, name="day")
    index = pd.MultiIndex.from_product([days, SHOPS], names=["day", "shop"])
    sales = np.sin(np.arange(40.0))
    return pd.DataFrame({"sales": sales}, index).swaplevel()


PANEL = panel()
SEEN, LATER = PANEL[:24], PANEL[24:]


@cache
def of_panel(scaled: bool = False):
    model = lstm()
    if scaled:
        scaler = StandardScaler(with_mean=False, with_std=False)
        model = make_pipeline(scaler, model).set_output(transform="pandas")
    return model.fit(SEEN, SEEN["sales"])


@cache
def of_columns():
    """Ids in a column, behind a transformer that renames it."""
    rows = SEEN.reset_index("shop")
    columns = make_column_transformer(
        ("passthrough", ["sales"]), remainder="passthrough"
    )
    model = make_pipeline(columns, lstm(series_id="remainder__shop"))
    return model.set_output(transform="pandas").fit(rows, SEEN["sales"].to_numpy())


@cache
def of_one_series():
    rows = pd.DataFrame({"sales": np.sin(np.arange(10.0))}, DAYS)
    return lstm().fit(rows, rows["sales"])


def columns_of_lines(ax) -> list[list[float]]:
    """Return the columns at which each set of vertical lines lies."""
    return [[path[0, 0] for path in lines.get_segments()] for lines in ax.collections]


# --------------------------------------------------------------------------------------
# LanesDisplay
# --------------------------------------------------------------------------------------


def test_plot_tiles_draws_lanes_as_rows_and_rows_as_columns():
    display = LanesDisplay(TABLE, np.arange(10.0), label="flow").plot()
    picture = display.image_.get_array()
    expected = [[0, 1, 2, 3, 4, -1], [5, 6, 7, 8, 9, -1]]
    assert picture.filled(-1).tolist() == expected
    assert legend_of(display.ax_) == ["no row"]
    assert display.ax_.get_xlabel() == "row of the lane, cut every 3 row(s)"
    assert display.ax_.get_ylabel() == "lane"
    assert texts(display.ax_.get_yticklabels()) == ["0", "1"]
    assert shown_ticks(display.ax_.xaxis)[:2] == [0, 1]


def test_plot_tiles_marks_cuts():
    display = LanesDisplay(TABLE, np.arange(10.0)).plot()
    assert columns_of_lines(display.ax_) == [[2.5]]
    assert display.ax_.get_xlim() == (-0.5, 5.5)


def test_plot_tiles_leaves_out_cuts_that_would_cover_the_image():
    table = np.arange(2000).reshape(1000, 1, 2)
    assert columns_of_lines(LanesDisplay(table, np.zeros(2000)).plot().ax_) == []


def test_plot_tiles_marks_where_another_series_begins_in_a_lane():
    series = np.array(["a", "a", "b", "b", "b", "c", "c", "c", "c", "d"])
    display = LanesDisplay(TABLE, np.arange(10.0), series=series).plot()
    cuts, borders = columns_of_lines(display.ax_)
    assert cuts == [2.5]
    assert borders == [1.5, 3.5]
    ends = [path[:, 1].tolist() for path in display.ax_.collections[1].get_segments()]
    assert ends == [[-0.5, 0.5], [0.5, 1.5]]


def test_plot_tiles_labels_lanes_with_the_date_of_their_first_row():
    display = LanesDisplay(TABLE, np.arange(10.0), index=DAYS).plot()
    labels = texts(display.ax_.get_yticklabels())
    assert labels == ["lane 0 · from 2024-01-01", "lane 1 · from 2024-01-06"]
    hours = pd.date_range("2024-01-01 06:00", periods=10, freq="h")
    display = LanesDisplay(TABLE, np.arange(10.0), index=hours).plot()
    labels = texts(display.ax_.get_yticklabels())
    assert labels[1] == "lane 1 · from 2024-01-01 11:00"


def test_plot_tiles_of_one_lane_dates_its_rows():
    table = np.arange(40).reshape(10, 1, 4)
    days = pd.date_range("2024-01-01", periods=40)
    display = LanesDisplay(table, np.arange(40), index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert display.ax_.get_xticks()[labels.index("Feb")] == 31
    assert display.ax_.get_xlabel() == "cut every 4 row(s)"


def test_plot_tiles_table_of_another_shape_raises():
    with pytest.raises(ValueError, match=r"has shape \(1, 2, 2, 3\).*tiled windows"):
        LanesDisplay(TABLE[None], np.arange(10)).plot()
    with pytest.raises(ValueError, match="rows from -1 to 9, but there are values for"):
        LanesDisplay(TABLE, np.arange(9)).plot()


def test_from_estimator_of_tiles_draws_lane_table():
    model = of_one_series()
    rows = pd.DataFrame({"sales": np.sin(np.arange(10.0))}, DAYS)
    display = LanesDisplay.from_estimator(model, rows)
    np.testing.assert_array_equal(display.table, model.lane_table(rows))
    assert display.table.shape == (2, 2, 4)
    assert display.series is None
    assert texts(display.ax_.get_yticklabels())[1] == "lane 1 · from 2024-01-06"


@pytest.mark.parametrize("scaled", [False, True])
def test_from_estimator_of_panel_marks_its_series(scaled):
    """Each lane has one shop here: the rows of the shops alternate."""
    model = of_panel(scaled)
    display = LanesDisplay.from_estimator(model, SEEN, values="series")
    assert display.series.tolist() == SHOPS * 12
    assert display.label == "series"
    assert texts(display.colorbar_.ax.get_yticklabels()) == sorted(SHOPS)
    picture = display.image_.get_array()
    assert [set(lane.compressed()) for lane in picture] == [{1.0}, {0.0}]


def test_from_estimator_of_panel_colours_by_value():
    display = LanesDisplay.from_estimator(of_panel(), SEEN)
    assert display.label == "sales"
    south = SEEN["sales"].xs("south", level="shop")
    np.testing.assert_allclose(display.image_.get_array()[0].compressed(), south)
    assert texts(display.ax_.get_yticklabels()) == ["0", "1"]


def test_from_estimator_of_id_columns_colours_by_first_feature():
    """The ids are no feature, and dates that two shops share label no lane."""
    rows = SEEN.reset_index("shop")
    display = LanesDisplay.from_estimator(of_columns(), rows)
    assert display.label == "sales"
    assert display.series.tolist() == SHOPS * 12
    alone = lstm(series_id="shop").fit(rows, rows["sales"])
    assert LanesDisplay.from_estimator(alone, rows).label == "sales"


def test_from_estimator_many_classes_have_as_many_names_as_fit():
    n = 60
    series = np.array([f"shop {k:02d}" for k in range(n)])
    table = np.arange(n).reshape(1, 1, n)
    display = LanesDisplay(table, series, series=series).plot()
    names = texts(display.colorbar_.ax.get_yticklabels())
    assert 3 <= len(names) <= 15
    assert set(names) <= set(series)


def test_from_estimator_values_series_of_one_series_raises():
    rows = pd.DataFrame({"sales": np.sin(np.arange(10.0))}, DAYS)
    with pytest.raises(ValueError, match="holds one without a name"):
        LanesDisplay.from_estimator(of_one_series(), rows, values="series")


# --------------------------------------------------------------------------------------
# StateDisplay
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shop", SHOPS)
@pytest.mark.parametrize("kind", ["h", "c"])
@pytest.mark.parametrize("scaled", [False, True])
def test_from_estimator_of_panel_states_equal_observe_row_by_row(shop, kind, scaled):
    model = of_panel(scaled)
    inner = model[-1] if scaled else model
    before = inner.get_states()
    display = StateDisplay.from_estimator(model, LATER, kind=kind, series=shop)
    assert inner.get_states() is before
    states = []
    own = LATER.xs(shop, level="shop", drop_level=False)
    for i in range(len(own)):
        states.append(getattr(inner.observe(own[i : i + 1]).get_states(shop), kind)[0])
    inner.reseed_states()
    assert_close(display.states, np.concatenate(states))
    assert display.states.shape == (8, 4)
    assert display.index.equals(own.index.get_level_values("day"))
    assert display.ax_.get_title() == f"layer 0, series {shop}"


def test_from_estimator_of_panel_draws_first_series_by_default():
    display = StateDisplay.from_estimator(of_panel(), LATER)
    assert display.series == "south"


def test_from_estimator_of_new_series_starts_cold():
    later = LATER.rename({"south": "east"}, level="shop")
    display = StateDisplay.from_estimator(of_panel(), later, series="east")
    cold = StateDisplay.from_estimator(
        lstm().fit(SEEN, SEEN["sales"]).reset_states(), LATER, series="south"
    )
    assert_close(display.states, cold.states)


def test_from_estimator_of_id_columns_draws_chosen_series():
    rows = LATER.reset_index("shop")
    display = StateDisplay.from_estimator(of_columns(), rows, series="north")
    expected = StateDisplay.from_estimator(of_panel(), LATER, series="north")
    assert_close(display.states, expected.states)


def test_from_estimator_of_one_tiled_series_draws_each_row():
    rows = np.sin(np.arange(6.0))[:, np.newaxis]
    model = lstm().fit(rows, rows[:, 0])
    display = StateDisplay.from_estimator(model, rows + 1)
    assert display.states.shape == (6, 4)
    assert display.ax_.get_title() == "layer 0"
    assert display.ax_.get_xlabel() == "row"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"series": "east"}, r"no row of series 'east'.*\['south', 'north'\]"),
        ({"lane": 1}, r"lane must be an integer from 0 to 0.*series with series="),
    ],
)
def test_from_estimator_bad_series_or_lane_raises(options, message):
    with pytest.raises(ValueError, match=message):
        StateDisplay.from_estimator(of_panel(), LATER, **options)


def test_from_estimator_series_of_one_series_raises():
    rows = pd.DataFrame({"sales": np.ones(3)}, DAYS[-3:] + pd.Timedelta(days=3))
    with pytest.raises(ValueError, match=r"X has no row of series 'a'.*without a name"):
        StateDisplay.from_estimator(of_one_series(), rows, series="a")


def test_from_estimator_series_of_sliding_windows_raises():
    with pytest.raises(ValueError, match=r"carries one, whose windows.*with lane="):
        StateDisplay.from_estimator(fitted(), PLAIN, series="a")
