"""LanesDisplay: which lane reads which row, drawn as a picture."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from helpers import first_ordinary
from plotting_cases import (
    X_NEW,
    B,
    X,
    Y,
    composite,
    fitted,
    legend_of,
    plt,
    shown_ticks,
    stateless,
    texts,
)

from sklstm.plotting import (
    ForecastDisplay,
    LanesDisplay,
)

#: Rows 1 to 5 in three lanes: the first lane of the first batch has no window.
TABLE = np.array([[-1, 1, 2], [3, 4, 5]])


def test_plot_draws_lanes_as_rows_batches_as_columns():
    display = LanesDisplay(TABLE, [10.0, 11, 12, 13, 14, 15], label="flow").plot()
    picture = display.image_.get_array()
    assert picture.filled(-1).tolist() == [[-1, 13], [11, 14], [12, 15]]
    assert picture.mask.tolist() == [[True, False], [False, False], [False, False]]
    assert display.image_.get_clim() == (11, 15)
    assert display.colorbar_.ax.get_ylabel() == "flow"
    assert texts(display.ax_.get_yticklabels()) == ["0", "1", "2"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("batch", "lane")
    assert shown_ticks(display.ax_.xaxis) == [0, 1]


def test_plot_interpolation_depends_on_n_batches():
    usual = plt.rcParams["image.interpolation"]
    for n_batches, interpolation in [(50, "nearest"), (5000, usual)]:
        table = np.arange(n_batches)[:, None]
        display = LanesDisplay(table, np.zeros(n_batches)).plot()
        assert display.image_.get_interpolation() == interpolation


def test_plot_hatches_empty_places():
    display = LanesDisplay(TABLE, np.arange(6)).plot(cmap="magma", vmin=0)
    assert display.ax_.patch.get_hatch() == "////"
    assert legend_of(display.ax_) == ["no window"]
    assert display.image_.get_cmap().name == "magma"
    assert display.image_.get_clim() == (0, 5)
    full = LanesDisplay(TABLE[1:], np.arange(6)).plot()
    assert full.ax_.patch.get_hatch() is None
    assert full.ax_.get_legend() is None


def lane_labels(dates: pd.DatetimeIndex, batch_size: int) -> list[str]:
    """Return the labels of lanes that read all these rows in order."""
    table = np.arange(len(dates)).reshape(-1, batch_size)
    display = LanesDisplay(table, np.zeros(len(dates)), index=dates).plot()
    return texts(display.ax_.get_yticklabels())


def test_plot_labels_lanes_by_season():
    days = pd.date_range("2024-01-03", periods=14)  # from a Wednesday on
    assert lane_labels(days, 7) == [
        f"lane {i} · {day}"
        for i, day in enumerate(["Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue"])
    ]
    hours = pd.date_range("2024-01-01 05:00", periods=48, freq="h")
    assert lane_labels(hours, 24)[::8] == [
        "lane 0 · 05:00",
        "lane 8 · 13:00",
        "lane 16 · 21:00",
    ]
    week = pd.date_range("2024-01-01", periods=336, freq="h")
    assert lane_labels(week, 168)[:2] == ["lane 0 · Mon 00:00", "lane 6 · Mon 06:00"]
    months = pd.date_range("2024-01-01", periods=24, freq="MS")
    assert lane_labels(months, 12)[1] == "lane 1 · Feb"


@pytest.mark.parametrize(
    ("freq", "batch_size"),
    [("D", 5), ("D", 1), ("h", 7), ("7D", 3), ("D", 35)],
    ids=["mixed", "one lane", "mixed hours", "the same everywhere", "one batch"],
)
def test_plot_labels_lanes_without_season_by_number(freq, batch_size):
    dates = pd.date_range(
        "2024-01-01", periods=35 // batch_size * batch_size, freq=freq
    )
    assert lane_labels(dates, batch_size)[0] == "0"


@pytest.mark.parametrize("n_lanes", [1, 7, 24, 31, 168, 1000])
def test_plot_labels_as_many_lanes_as_fit(n_lanes):
    display = LanesDisplay(np.arange(n_lanes)[None], np.zeros(n_lanes)).plot()
    labels = texts(display.ax_.get_yticklabels())
    assert labels[0] == "0"
    assert len(labels) == n_lanes if n_lanes <= 24 else 10 <= len(labels) <= 31
    figure = display.figure_
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    gaps = np.diff([box.y0 for box in boxes])
    assert (np.abs(gaps) >= boxes[0].height * 0.9).all(), figure.get_size_inches()


def test_plot_dates_mark_batch_starts():
    """Weeks from 1 January on, by their left edge: 1 March is 60 days later."""
    days = pd.date_range("2024-01-01", periods=210)
    table = np.arange(210).reshape(30, 7)
    display = LanesDisplay(table, np.zeros(210), index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert labels == ["2024", "Feb", "Mar", "Apr", "May", "Jun", "Jul"]
    assert display.ax_.get_xticks()[0] == -0.5
    assert display.ax_.get_xticks()[2] == pytest.approx(60 / 7 - 0.5)
    assert display.ax_.get_xlabel() == "start of the batch"


def test_plot_dates_each_of_few_batches():
    days = pd.date_range("2024-01-01", periods=21)
    table = np.arange(21).reshape(3, 7)
    display = LanesDisplay(table, np.zeros(21), index=days).plot()
    assert texts(display.ax_.get_xticklabels()) == ["Jan", "08", "15"]
    assert display.ax_.get_xticks().tolist() == [-0.5, 0.5, 1.5]
    assert display.ax_.xaxis.get_offset_text().get_text() == "2024-Jan"


def test_plot_dates_of_uneven_index():
    """A tick lies in a gap by its share: the 13th is 3 of 10 days after the 10th."""
    days = pd.date_range("2024-01-01", periods=29).delete(range(10, 19))
    display = LanesDisplay(np.arange(20)[:, None], np.zeros(20), index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert display.ax_.get_xticks()[labels.index("13")] == pytest.approx(9.3 - 0.5)


@pytest.mark.parametrize("width", first_ordinary(1, [4, 6, 12]))
@pytest.mark.parametrize("freq", ["17s", "5min", "7h", "D", "7D", "31D", "400D"])
@pytest.mark.filterwarnings("error:AutoDateLocator")
def test_plot_date_labels_do_not_overlap(freq, width):
    """Neither in images nor in line plots, for widths from a text column to a slide."""
    dates = pd.date_range("2021-03-04 05:06", periods=60, freq=freq)
    figure, axes = plt.subplots(2, figsize=(width, 5), layout="constrained")
    LanesDisplay(np.arange(60)[:, None], np.zeros(60), index=dates).plot(axes[0])
    ForecastDisplay.from_predictions(None, np.zeros(60), index=dates, ax=axes[1])
    figure.canvas.draw()
    for ax in axes:
        shown = [label for label in ax.get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in shown]
        assert shown
        for one, other in itertools.pairwise(boxes):
            assert one.x1 < other.x0, [label.get_text() for label in shown]


def test_plot_dates_a_single_batch():
    days = pd.date_range("2024-01-01", periods=3)
    display = LanesDisplay(np.array([[0, 1, 2]]), np.zeros(3), index=days).plot()
    assert texts(display.ax_.get_xticklabels()) == ["2024-01-01"]


def test_plot_of_labels_has_colour_per_class():
    labels = np.array(["rain", "sun", "sun", "fog", "rain", "sun"])
    display = LanesDisplay(TABLE, labels).plot()
    picture = display.image_.get_array()
    assert picture.filled(-1).tolist() == [[-1, 0], [2, 1], [2, 2]]
    assert texts(display.colorbar_.ax.get_yticklabels()) == ["fog", "rain", "sun"]
    assert display.image_.get_cmap().N == 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([0, 1], r"shape \(2,\) and dtype int64.*\(n_batches, batch_size\)"),
        ([[0.0]], "dtype float64"),
        (np.empty((0, 3), int), r"shape \(0, 3\).*rows enough to fill a window"),
        ([[0, 6]], "rows from 0 to 6, but there are values for 6 rows"),
        ([[-2, 1]], "rows from -2 to 1"),
    ],
)
def test_plot_bad_table_raises(table, message):
    with pytest.raises(ValueError, match=message):
        LanesDisplay(table, np.zeros(6)).plot()


def test_from_estimator_lays_new_rows_in_lanes():
    """New rows follow in order, from the lane that is next on."""
    model = fitted()
    display = LanesDisplay.from_estimator(model, X_NEW)
    n_before = model.get_states().position % B
    slots = [-1] * n_before + list(range(8))
    assert display.table.ravel()[: len(slots)].tolist() == slots
    assert (display.table.ravel()[len(slots) :] == -1).all()
    np.testing.assert_array_equal(display.values, X_NEW["wind"])
    assert display.colorbar_.ax.get_ylabel() == "wind"
    assert display.index.equals(X_NEW.index)


def test_from_estimator_colours_by_y_values_or_feature():
    """By y, or by values, or by the first feature of arrays."""
    y = Y[:8].to_numpy()
    by_y = LanesDisplay.from_estimator(fitted(), X_NEW, y)
    assert by_y.colorbar_.ax.get_ylabel() == "y"
    by_values = LanesDisplay.from_estimator(fitted(), X_NEW, y, values=Y[:8])
    assert by_values.colorbar_.ax.get_ylabel() == "flow"
    np.testing.assert_array_equal(by_y.values, by_values.values)
    with pytest.warns(UserWarning, match="feature names"):
        by_x = LanesDisplay.from_estimator(fitted(), X_NEW.to_numpy())
    assert by_x.colorbar_.ax.get_ylabel() == "feature 0"
    with pytest.raises(ValueError, match="There are 3 values for 8 rows of X"):
        LanesDisplay.from_estimator(fitted(), X_NEW, values=[1, 2, 3])


def test_from_estimator_of_composite_uses_units_of_X():
    """In the units of X, not in those the estimator inside sees."""
    display = LanesDisplay.from_estimator(composite(), X, Y)
    assert display.table.shape == (13, 3)  # 39 windows of two rows
    np.testing.assert_array_equal(display.values, Y)


def test_from_estimator_stateless_raises():
    with pytest.raises(ValueError, match="stateful=False"):
        LanesDisplay.from_estimator(stateless(), X_NEW)
