"""The Displays: the data they keep and the artists they draw, checked by hand."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close, assert_same_state, make_rows
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklstm
from sklstm.plotting import (
    ForecastDisplay,
    LanesDisplay,
    LossCurveDisplay,
    StateComparisonDisplay,
    StateDisplay,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def texts(labels) -> list[str]:
    """Return what a list of texts says, once the figure is drawn."""
    if labels:
        labels[0].figure.canvas.draw()
    return [label.get_text() for label in labels]


def legend_of(ax) -> list[str]:
    """Return the entries of the legend."""
    return texts(ax.get_legend().get_texts())


def shown_ticks(axis) -> list[float]:
    """Return the ticks inside the view."""
    low, high = sorted(axis.get_view_interval())
    return [float(tick) for tick in axis.get_ticklocs() if low <= tick <= high]


# --------------------------------------------------------------------------------------
# Fitted estimators, of one compiled shape
# --------------------------------------------------------------------------------------

T, B = 2, 3
DAYS = pd.date_range("2024-01-01", periods=40, name="day")  # from a Monday on
X = pd.DataFrame(make_rows(40, 2, seed=1), DAYS, columns=["wind", "rain"])
Y = pd.Series(X["wind"] - X["rain"], name="flow")
X_NEW = pd.DataFrame(
    make_rows(8, 2, seed=2),
    pd.date_range("2024-02-10", periods=8),
    columns=["wind", "rain"],
)


def unfitted(**parameters):
    """Return a regressor of the one shape that is compiled here."""
    from sklstm import StatefulLSTMRegressor

    shape = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 3}
    return StatefulLSTMRegressor(**{**shape, "random_state": 0, **parameters})


@functools.cache
def fitted():
    """Return a regressor fitted on X with held-out rows and a metric."""
    return unfitted(validation_split=0.25, metrics=["mae"]).fit(X, Y)


@functools.cache
def composite():
    """Return the same inside a search over scaled inputs and targets."""
    inner = make_pipeline(StandardScaler(), unfitted())
    scaled = TransformedTargetRegressor(regressor=inner, transformer=StandardScaler())
    grid = {"regressor__statefullstmregressor__epochs": [2]}
    return GridSearchCV(scaled, grid, cv=TimeSeriesSplit(2)).fit(X, Y)


@functools.cache
def stateless():
    """Return a fitted regressor that has no lanes."""
    return unfitted(stateful=False).fit(X, Y)


# --------------------------------------------------------------------------------------
# All Displays
# --------------------------------------------------------------------------------------

SCORES = pd.DataFrame(
    {
        "carried": [0.9, 0.8, 0.7, 0.6],
        "reset": [0.5, 0.6, 0.5, 0.4],
        "swapped": [0.1, 0.2, 0.3, 0.4],
    },
    index=pd.MultiIndex.from_product([[0, 1], [7, 8]], names=["fold", "seed"]),
)

DISPLAYS = {
    "loss": lambda: LossCurveDisplay({"loss": [2.0, 1.0]}),
    "forecast": lambda: ForecastDisplay(
        y_true=None, y_pred=pd.DataFrame({"flow": [1.0, 2.0]})
    ),
    "lanes": lambda: LanesDisplay(np.array([[0, 1], [2, 3]]), np.arange(4)),
    "state": lambda: StateDisplay(np.zeros((3, 2))),
    "comparison": lambda: StateComparisonDisplay(SCORES),
}


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_plot_makes_axes_or_takes_them(make):
    display = make()
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    figure, ax = plt.subplots()
    assert display.plot(ax).ax_ is ax
    assert display.figure_ is figure


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_missing_matplotlib(make, monkeypatch):
    """Nothing but drawing needs it, and the error says what to install."""
    display = make()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "matplotlib>=3\.7"') as error:
        display.plot()
    assert str(error.value).startswith(type(display).__name__)


def test_importing_loads_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys, sklstm.plotting\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'matplotlib', 'tensorflow', 'keras'}, loaded"
    )
    root = Path(sklstm.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


@pytest.mark.parametrize("kind", [LossCurveDisplay, LanesDisplay, StateDisplay])
def test_other_estimators_are_refused(kind):
    data = (X,) if kind is not LossCurveDisplay else ()
    with pytest.raises(TypeError, match=r"StatefulLSTMRegressor.*got LinearRegression"):
        kind.from_estimator(LinearRegression().fit(X, Y), *data)
    with pytest.raises(NotFittedError):
        kind.from_estimator(unfitted(), *data)


# --------------------------------------------------------------------------------------
# LossCurveDisplay
# --------------------------------------------------------------------------------------

HISTORY = {
    "loss": [4.0, 2.0, 1.0],
    "mae": [3.0, 2.5, 2.0],
    "val_loss": [5.0, 3.0, 2.0],
    "val_mae": [4.0, 3.0, 2.5],
}


def test_losses_by_epoch():
    display = LossCurveDisplay(HISTORY, loss_name="mean squared error").plot()
    assert list(display.lines_) == ["loss", "val_loss"]
    for name, line in display.lines_.items():
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata().tolist() == HISTORY[name]
    styles = [line.get_linestyle() for line in display.lines_.values()]
    colours = {line.get_color() for line in display.lines_.values()}
    assert (styles, len(colours)) == (["-", "--"], 1)
    assert legend_of(display.ax_) == ["loss", "val_loss"]
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss (mean squared error)"
    assert display.ax_.get_yscale() == "linear"
    assert display.metrics_ax_ is None


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 20, 1000])
def test_epochs_are_whole_numbers_from_one(n_epochs):
    display = LossCurveDisplay({"loss": [1.0] * n_epochs}).plot()
    ticks = shown_ticks(display.ax_.xaxis)
    assert ticks
    assert all(tick == int(tick) and 1 <= tick <= n_epochs for tick in ticks)


def test_a_lone_loss_needs_no_legend():
    assert LossCurveDisplay({"loss": [1.0]}).plot().ax_.get_legend() is None


def test_metrics_have_an_axis_of_their_own():
    display = LossCurveDisplay(HISTORY).plot(metrics="mae", yscale="log")
    assert list(display.lines_) == ["loss", "val_loss", "mae", "val_mae"]
    assert display.lines_["val_mae"].axes is display.metrics_ax_
    assert display.lines_["val_mae"].get_ydata().tolist() == HISTORY["val_mae"]
    assert display.lines_["mae"].get_color() != display.lines_["loss"].get_color()
    assert display.metrics_ax_.get_ylabel() == "mae"
    assert legend_of(display.metrics_ax_) == ["loss", "val_loss", "mae", "val_mae"]
    assert display.ax_.get_ylabel() == "loss"
    assert display.ax_.get_yscale() == "log"
    assert display.metrics_ax_.get_yscale() == "linear"


def test_curves_of_two_estimators_on_one_axes():
    first = LossCurveDisplay({"loss": [3.0, 2.0]}).plot(label="small")
    second = LossCurveDisplay({"loss": [3.0] * 9}).plot(first.ax_, label="large", lw=3)
    assert legend_of(first.ax_) == ["small: loss", "large: loss"]
    assert first.lines_["loss"].get_color() != second.lines_["loss"].get_color()
    assert second.lines_["loss"].get_linewidth() == 3
    assert first.ax_.get_xlim() == (0.5, 9.5)


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ({}, {}, r"no loss of any epoch.*names are \[\].*Fit the estimator"),
        ({"loss": []}, {}, "no loss of any epoch"),
        (HISTORY, {"metrics": ["mse"]}, r"metrics=\['mse'\] .* metrics are \['mae'\]"),
        (HISTORY, {"metrics": "val_mae"}, r"metrics=\['val_mae'\] are not"),
        ({"loss": [1, -0.5]}, {"yscale": "log"}, "above zero, but the least is -0.5"),
    ],
)
def test_losses_that_cannot_be_drawn(history, options, message):
    with pytest.raises(ValueError, match=message):
        LossCurveDisplay(history).plot(**options)


def test_losses_of_an_estimator():
    display = LossCurveDisplay.from_estimator(fitted(), metrics=["mae"], yscale="log")
    assert display.history == fitted().history_
    assert set(display.lines_) == {"loss", "val_loss", "mae", "val_mae"}
    assert display.ax_.get_ylabel() == "loss (mean squared error)"
    assert display.ax_.get_yscale() == "log"


def test_losses_of_a_composite():
    display = LossCurveDisplay.from_estimator(composite())
    assert display.lines_["loss"].get_xdata().tolist() == [1, 2]


# --------------------------------------------------------------------------------------
# ForecastDisplay
# --------------------------------------------------------------------------------------


def test_arrays_lie_at_their_rows():
    display = ForecastDisplay.from_predictions([1, 2], [3.0, 4.0, 5.0], unit="mm")
    (truth,), (forecast,) = display.truth_lines_, display.forecast_lines_
    assert_close(truth.get_xydata(), [[0, 1], [1, 2]])
    assert_close(forecast.get_xydata(), [[0, 3], [1, 4], [2, 5]])
    assert legend_of(display.ax_) == ["truth", "forecast"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("row", "mm")


def test_dates_of_the_truth_hold_for_the_forecast():
    display = ForecastDisplay.from_predictions(Y[:3], np.zeros(3), unit="m³/s")
    for line in [*display.truth_lines_, *display.forecast_lines_]:
        assert list(line.get_xdata()) == list(DAYS[:3].to_numpy())
    locator, formatter = (
        display.ax_.xaxis.get_major_locator(),
        display.ax_.xaxis.get_major_formatter(),
    )
    assert isinstance(locator, matplotlib.dates.AutoDateLocator)
    assert isinstance(formatter, matplotlib.dates.ConciseDateFormatter)
    assert display.ax_.get_xlabel() == "day"
    assert display.ax_.get_ylabel() == "flow (m³/s)"


def test_a_forecast_beyond_the_data():
    """Each is drawn where its own index says; neither need cover the other."""
    beyond = pd.Series([7.0, 8.0], DAYS[4:6])
    display = ForecastDisplay.from_predictions(Y[:5], beyond)
    assert list(display.truth_lines_[0].get_xdata()) == list(DAYS[:5].to_numpy())
    assert list(display.forecast_lines_[0].get_xdata()) == list(DAYS[4:6].to_numpy())
    assert display.ax_.get_ylabel() == "flow"


def test_an_index_places_both():
    later = DAYS[:3] + pd.Timedelta(hours=1)
    display = ForecastDisplay.from_predictions(Y[:2], np.zeros(3), index=later)
    assert list(display.truth_lines_[0].get_xdata()) == list(later[:2].to_numpy())
    assert list(display.forecast_lines_[0].get_xdata()) == list(later.to_numpy())


def test_periods_are_dates():
    months = pd.period_range("2024-01", periods=3, freq="M")
    display = ForecastDisplay.from_predictions(None, pd.Series([1.0, 2, 3], months))
    assert list(display.forecast_lines_[0].get_xdata()) == [
        np.datetime64("2024-01-01"),
        np.datetime64("2024-02-01"),
        np.datetime64("2024-03-01"),
    ]
    assert display.truth_lines_ == []
    assert legend_of(display.ax_) == ["forecast"]


def test_dates_keep_their_time_zone():
    hours = pd.date_range("2024-07-01", periods=25, freq="h", tz="Europe/Berlin")
    display = ForecastDisplay.from_predictions(None, np.zeros(25), index=hours)
    display.figure_.canvas.draw()
    formatter = display.ax_.xaxis.get_major_formatter()
    midnight = matplotlib.dates.date2num(np.datetime64("2024-06-30T22:00"))  # in UTC
    noon = midnight + 0.5
    assert formatter.format_ticks([midnight, noon]) == ["Jul-01", "12:00"]


def test_outputs_have_a_colour_each():
    y = pd.DataFrame({"high": [5.0, 6.0], "low": [1.0, 2.0]})
    display = ForecastDisplay.from_predictions(y, y.to_numpy() + 1, unit="°C")
    assert [line.get_ydata().tolist() for line in display.forecast_lines_] == [
        [6.0, 7.0],
        [2.0, 3.0],
    ]
    assert len({line.get_color() for line in display.forecast_lines_}) == 2
    assert {line.get_color() for line in display.truth_lines_} == {"0.25"}
    assert legend_of(display.ax_) == ["truth", "forecast: high", "forecast: low"]
    assert display.ax_.get_ylabel() == "°C"


def test_outputs_without_names():
    display = ForecastDisplay.from_predictions(None, np.zeros((3, 2)))
    assert legend_of(display.ax_) == ["forecast: output 0", "forecast: output 1"]


def test_keywords_of_the_lines():
    display = ForecastDisplay.from_predictions(
        [1.0], [2.0], truth_kw={"c": "r", "label": "gauge"}, ls=":", label="LSTM"
    )
    assert display.truth_lines_[0].get_color() == "r"
    assert display.forecast_lines_[0].get_linestyle() == ":"
    assert legend_of(display.ax_) == ["gauge", "LSTM"]
    again = ForecastDisplay.from_predictions(None, [3.0], ax=display.ax_)
    colours = {line.get_color() for line in display.ax_.lines}
    assert len(colours) == 3
    assert again.figure_ is display.figure_


def test_labels_are_steps_on_an_axis_of_classes():
    display = ForecastDisplay.from_predictions(
        pd.Series(["sun", None, "rain"]), np.array(["rain", "rain", "fog"])
    )
    assert display.classes.tolist() == ["fog", "rain", "sun"]
    (truth,), (forecast,) = display.truth_lines_, display.forecast_lines_
    assert truth.get_drawstyle() == forecast.get_drawstyle() == "steps-mid"
    np.testing.assert_array_equal(truth.get_ydata(), [2, np.nan, 1])
    assert forecast.get_ydata().tolist() == [1, 1, 0]
    assert display.ax_.get_ylim() == (-0.5, 2.5)
    assert texts(display.ax_.get_yticklabels()) == ["fog", "rain", "sun"]


def test_classes_of_a_classifier():
    """In its order, numbers among them; labels it never saw come last."""
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    classifier = LogisticRegression().fit(x, [10, 10, 20, 20])
    display = ForecastDisplay.from_estimator(classifier, x, [10, 5, 20, 20])
    assert texts(display.ax_.get_yticklabels()) == ["10", "20", "5"]
    assert display.truth_lines_[0].get_ydata().tolist() == [0, 2, 1, 1]
    assert display.forecast_lines_[0].get_ydata().tolist() == [0, 0, 1, 1]


def test_forecast_of_any_estimator():
    """By the dates of X where y has none."""
    model = LinearRegression().fit(X, Y)
    display = ForecastDisplay.from_estimator(model, X, Y.to_numpy()[:30], unit="m³/s")
    assert_close(display.forecast_lines_[0].get_ydata(), Y)
    assert_close(display.truth_lines_[0].get_ydata(), Y[:30])
    assert list(display.forecast_lines_[0].get_xdata()) == list(DAYS.to_numpy())
    later = DAYS + pd.Timedelta(days=1)
    display = ForecastDisplay.from_estimator(model, X, Y, index=later)
    assert list(display.truth_lines_[0].get_xdata()) == list(later.to_numpy())


def test_forecast_of_a_stateful_estimator():
    before = fitted().get_states()
    display = ForecastDisplay.from_estimator(fitted(), X_NEW)
    assert_close(display.forecast_lines_[0].get_ydata(), fitted().predict(X_NEW))
    assert fitted().get_states() is before


@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        ([1, 2, 3], [1.0], {}, "y_true has 3 rows, more than the 1 of y_pred"),
        ([[1, 2]], [1.0], {}, r"y_true has 2 output\(s\).*y_pred has 1"),
        (None, [1.0], {"index": [1, 2]}, "index has 2 entries, but y_pred has 1 rows"),
        (None, [1.0], {"index": ["mon"]}, "index must hold dates or numbers"),
        (None, [1.0, 2], {"index": DAYS[1::-1]}, "falls from 2024-01-02.* at row 1"),
        (Y[:1], [1.0, 2], {}, "y_true has dates for 1 of the 2 rows of y_pred"),
        (Y[:1], pd.Series([1.0]), {}, "y_true is indexed by dates, y_pred by numbers"),
        (
            Y[:1],
            pd.Series([1.0], DAYS[:1].tz_localize("UTC")),
            {},
            "by dates, y_pred by dates with a time zone",
        ),
    ],
)
def test_forecasts_that_cannot_be_placed(y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        ForecastDisplay.from_predictions(y_true, y_pred, **options)


def test_what_the_caller_gave_is_left_alone():
    y = pd.Series([1.0, 2.0], name="flow")
    prediction = pd.DataFrame({"other": [1.0, 2.0]})
    ForecastDisplay.from_predictions(y, prediction, index=DAYS[:2])
    assert list(prediction.columns) == ["other"]
    assert prediction.index.tolist() == y.index.tolist() == [0, 1]


# --------------------------------------------------------------------------------------
# LanesDisplay
# --------------------------------------------------------------------------------------

#: Rows 1 to 5 in three lanes: the first lane of the first batch has no window.
TABLE = np.array([[-1, 1, 2], [3, 4, 5]])


def test_lanes_are_rows_and_batches_columns():
    display = LanesDisplay(TABLE, [10.0, 11, 12, 13, 14, 15], label="flow").plot()
    picture = display.image_.get_array()
    assert picture.filled(-1).tolist() == [[-1, 13], [11, 14], [12, 15]]
    assert picture.mask.tolist() == [[True, False], [False, False], [False, False]]
    assert display.image_.get_clim() == (11, 15)
    assert display.colorbar_.ax.get_ylabel() == "flow"
    assert texts(display.ax_.get_yticklabels()) == ["0", "1", "2"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("batch", "lane")
    assert shown_ticks(display.ax_.xaxis) == [0, 1]


def test_values_keep_their_edges_where_there_are_pixels():
    usual = plt.rcParams["image.interpolation"]
    for n_batches, interpolation in [(50, "nearest"), (5000, usual)]:
        table = np.arange(n_batches)[:, None]
        display = LanesDisplay(table, np.zeros(n_batches)).plot()
        assert display.image_.get_interpolation() == interpolation


def test_empty_places_are_hatched():
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


def test_a_lane_of_one_season_says_so():
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
def test_a_lane_of_no_one_season_is_a_number(freq, batch_size):
    dates = pd.date_range(
        "2024-01-01", periods=35 // batch_size * batch_size, freq=freq
    )
    assert lane_labels(dates, batch_size)[0] == "0"


@pytest.mark.parametrize("n_lanes", [1, 7, 24, 31, 168, 1000])
def test_lanes_are_labelled_as_far_as_there_is_room(n_lanes):
    display = LanesDisplay(np.arange(n_lanes)[None], np.zeros(n_lanes)).plot()
    labels = texts(display.ax_.get_yticklabels())
    assert labels[0] == "0"
    assert len(labels) == n_lanes if n_lanes <= 24 else 10 <= len(labels) <= 31
    figure = display.figure_
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    gaps = np.diff([box.y0 for box in boxes])
    assert (np.abs(gaps) >= boxes[0].height * 0.9).all(), figure.get_size_inches()


def test_dates_are_where_batches_start():
    """Weeks from 1 January on, by their left edge: 1 March is 60 days later."""
    days = pd.date_range("2024-01-01", periods=210)
    table = np.arange(210).reshape(30, 7)
    display = LanesDisplay(table, np.zeros(210), index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert labels == ["2024", "Feb", "Mar", "Apr", "May", "Jun", "Jul"]
    assert display.ax_.get_xticks()[0] == -0.5
    assert display.ax_.get_xticks()[2] == pytest.approx(60 / 7 - 0.5)
    assert display.ax_.get_xlabel() == "start of the batch"


def test_few_batches_are_each_dated():
    days = pd.date_range("2024-01-01", periods=21)
    table = np.arange(21).reshape(3, 7)
    display = LanesDisplay(table, np.zeros(21), index=days).plot()
    assert texts(display.ax_.get_xticklabels()) == ["Jan", "08", "15"]
    assert display.ax_.get_xticks().tolist() == [-0.5, 0.5, 1.5]
    assert display.ax_.xaxis.get_offset_text().get_text() == "2024-Jan"


def test_uneven_dates():
    """A tick lies in a gap by its share: the 13th is 3 of 10 days after the 10th."""
    days = pd.date_range("2024-01-01", periods=29).delete(range(10, 19))
    display = LanesDisplay(np.arange(20)[:, None], np.zeros(20), index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert display.ax_.get_xticks()[labels.index("13")] == pytest.approx(9.3 - 0.5)


@pytest.mark.parametrize("width", [4, 6, 12])
@pytest.mark.parametrize("freq", ["17s", "5min", "7h", "D", "7D", "31D", "400D"])
@pytest.mark.filterwarnings("error:AutoDateLocator")
def test_dates_do_not_overlap(freq, width):
    """In images nor in lines, from half a column of text to a slide."""
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


def test_one_batch_says_its_date():
    days = pd.date_range("2024-01-01", periods=3)
    display = LanesDisplay(np.array([[0, 1, 2]]), np.zeros(3), index=days).plot()
    assert texts(display.ax_.get_xticklabels()) == ["2024-01-01"]


def test_lanes_coloured_by_labels():
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
def test_tables_that_are_none(table, message):
    with pytest.raises(ValueError, match=message):
        LanesDisplay(table, np.zeros(6)).plot()


def test_lanes_of_an_estimator():
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


def test_colours_of_an_estimators_lanes():
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


def test_lanes_of_a_composite():
    """In the units of X, not in those the estimator inside sees."""
    display = LanesDisplay.from_estimator(composite(), X, Y)
    assert display.table.shape == (13, 3)  # 39 windows of two rows
    np.testing.assert_array_equal(display.values, Y)


def test_lanes_of_a_stateless_estimator():
    with pytest.raises(ValueError, match="stateful=False"):
        LanesDisplay.from_estimator(stateless(), X_NEW)


# --------------------------------------------------------------------------------------
# StateDisplay
# --------------------------------------------------------------------------------------

STATES = np.array([[0.1, -0.8], [0.2, -0.4], [0.3, 0.0]])


def test_units_are_rows_and_times_columns():
    display = StateDisplay(STATES, kind="c", layer=1, lane=4).plot()
    np.testing.assert_array_equal(display.image_.get_array(), STATES.T)
    assert display.image_.get_clim() == (-0.8, 0.8)
    assert display.image_.get_cmap().name == "RdBu_r"
    assert display.colorbar_.ax.get_ylabel() == "cell state c"
    assert display.ax_.get_title() == "layer 1, lane 4"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("batch", "unit")
    assert shown_ticks(display.ax_.yaxis) == [0, 1]


def test_colours_of_states():
    assert StateDisplay(STATES * 0).plot().image_.get_clim() == (-1, 1)
    chosen = StateDisplay(STATES).plot(vmin=-2, vmax=2, cmap="PuOr")
    assert chosen.image_.get_clim() == (-2, 2)
    norm = matplotlib.colors.SymLogNorm(0.1, vmin=-1, vmax=1)
    assert StateDisplay(STATES).plot(norm=norm).image_.norm is norm


def test_dates_of_states():
    """A column's middle is the time its state was reached."""
    days = pd.date_range("2024-01-31", periods=3)
    display = StateDisplay(STATES, index=days).plot()
    labels = texts(display.ax_.get_xticklabels())
    assert display.ax_.get_xticks()[labels.index("Feb")] == 1
    assert display.ax_.get_xlabel() == ""


def by_single_rows(model, rows, kind, lane) -> tuple[list[int], np.ndarray]:
    """Observe row by row; return those that moved the lane and the state after each."""
    import copy

    walker, moved, states = copy.deepcopy(model), [], []
    before = getattr(walker.get_states(), kind)[0][lane]
    for i in range(len(rows)):
        after = getattr(walker.observe(rows[i : i + 1]).get_states(), kind)[0][lane]
        if not np.array_equal(after, before):
            moved.append(i)
            states.append(after)
        before = after
    return moved, np.array(states)


@pytest.mark.parametrize("lane", range(B))
@pytest.mark.parametrize("kind", ["h", "c"])
@pytest.mark.parametrize("is_cold", [False, True])
def test_states_are_those_after_each_row_of_the_lane(kind, lane, is_cold):
    """Also in a cold series, whose first row moves no lane; the estimator stays."""
    import copy

    model = copy.deepcopy(fitted())
    if is_cold:
        model.reset_states()
    before = model.get_states()
    rows, states = by_single_rows(model, X_NEW, kind, lane)
    display = StateDisplay.from_estimator(model, X_NEW, kind=kind, lane=lane)
    assert_close(display.states, states)
    assert display.index.equals(X_NEW.index[rows])
    assert display.states.shape == (len(rows), 2)
    assert model.get_states() is before


def test_the_estimator_goes_on_as_if_nothing_was_drawn():
    before = fitted().get_states()
    prediction = fitted().predict(X_NEW)
    StateDisplay.from_estimator(fitted(), X_NEW)
    LanesDisplay.from_estimator(fitted(), X_NEW)
    assert_same_state(fitted().get_states(), before)
    np.testing.assert_array_equal(fitted().predict(X_NEW), prediction)


def test_states_of_a_composite():
    """As the estimator inside has them, on rows as it sees them."""
    regressor = composite().best_estimator_.regressor_
    inside = regressor[:-1].transform(X_NEW)
    display = StateDisplay.from_estimator(composite(), X_NEW, lane=1)
    expected = StateDisplay.from_estimator(regressor[-1], inside, lane=1)
    np.testing.assert_array_equal(display.states, expected.states)
    assert expected.index is None
    assert len(display.index) == len(display.states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "x"}, "kind must be 'h' or 'c', got 'x'"),
        ({"layer": 1}, r"layer must be an integer from 0 to 0.* 1 layer\(s\); got 1"),
        ({"lane": 3}, r"lane must be an integer from 0 to 2.* 3 lane\(s\); got 3"),
        ({"lane": -1}, "got -1"),
        ({"lane": 1.0}, r"got 1\.0"),
    ],
)
def test_states_that_are_not_there(options, message):
    with pytest.raises(ValueError, match=message):
        StateDisplay.from_estimator(fitted(), X_NEW, **options)


def test_states_of_a_stateless_estimator():
    with pytest.raises(ValueError, match=r"keeps no state.*Fit it with stateful=True"):
        StateDisplay.from_estimator(stateless(), X_NEW)


def test_a_lane_that_reads_no_row():
    lane = (fitted().get_states().position + 1) % B  # the next row is not for it
    message = rf"Lane {lane} of 3 reads none of the 1 row\(s\) of X. Pass 4 rows"
    with pytest.raises(ValueError, match=message):
        StateDisplay.from_estimator(fitted(), X_NEW[:1], lane=lane)


def gru(meta):
    """Return a model whose layer has a hidden state only."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    rows = keras.Input(batch_shape=shape)
    hidden = keras.layers.GRU(2, stateful=meta["stateful"])(rows)
    return keras.Model(rows, keras.layers.Dense(meta["n_outputs_"])(hidden))


@pytest.mark.slow
def test_a_network_without_cell_state():
    model = unfitted(model=gru, epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match=r"layer 0 has none.*Use kind='h'"):
        StateDisplay.from_estimator(model, X_NEW, kind="c")
    _, states = by_single_rows(model, X_NEW, "h", lane=0)
    assert_close(StateDisplay.from_estimator(model, X_NEW).states, states)


# --------------------------------------------------------------------------------------
# StateComparisonDisplay
# --------------------------------------------------------------------------------------


def test_a_line_for_each_fold_and_seed():
    display = StateComparisonDisplay(SCORES, score_name="R²").plot()
    assert [line.get_ydata().tolist() for line in display.lines_] == [
        [0.9, 0.5, 0.1],
        [0.8, 0.6, 0.2],
        [0.7, 0.5, 0.3],
        [0.6, 0.4, 0.4],
    ]
    assert all(list(line.get_xdata()) == [0, 1, 2] for line in display.lines_)
    assert {line.get_marker() for line in display.lines_} == {"o"}
    assert display.ax_.get_ylabel() == "R² (higher is better)"


def test_means_are_marked():
    display = StateComparisonDisplay(SCORES).plot()
    assert_close(display.mean_.get_ydata(), [0.75, 0.5, 0.25])
    assert texts(display.ax_.get_xticklabels()) == [
        "carried\nmean 0.75",
        "reset\nmean 0.5",
        "swapped\nmean 0.25",
    ]


def test_folds_have_a_colour_each():
    display = StateComparisonDisplay(SCORES).plot(lw=2)
    colours = [line.get_color() for line in display.lines_]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert legend_of(display.ax_) == ["fold 0", "fold 1"]
    assert {line.get_linewidth() for line in display.lines_} == {2}
    alone = StateComparisonDisplay(SCORES.loc[[1]]).plot()
    assert alone.ax_.get_legend() is None


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (SCORES.reset_index(), r"two levels, \(fold, seed\); got DataFrame"),
        ([0.5], "got list with index levels"),
        (SCORES.drop(columns="reset"), r"lacks the columns \['reset'\]; it has"),
        (SCORES.assign(reset=np.nan), r"4 row\(s\) with 4 entries that are NaN"),
        (SCORES[:0], r"at least one row; got 0 row\(s\)"),
    ],
)
def test_scores_that_are_none(scores, message):
    with pytest.raises(ValueError, match=message):
        StateComparisonDisplay(scores).plot()
