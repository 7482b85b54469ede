"""`IntervalDisplay` and `CoverageDisplay`: what they draw, where, what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close
from interval_cases import FITTED, HOURS, Repeat, X, inside, make_panel, y
from plotting_cases import legend_of, plt, texts
from sklearn.linear_model import LinearRegression

from sklstm.intervals import ConformalRegressor
from sklstm.plotting import CoverageDisplay, IntervalDisplay

NEW, LATER = X[FITTED:], y[FITTED:]
DAYS = pd.date_range("2024-05-01", periods=7, name="day")
ENDS = {0.9: [[0.0, 9.0], [1.0, 8.0], [2.0, 9.0]]}


@pytest.fixture(scope="module")
def conformal():
    return ConformalRegressor(LinearRegression()).fit(X[:FITTED], y[:FITTED])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def ends_of(band) -> tuple[float, float]:
    """The least and the largest height of an area."""
    heights = band.get_paths()[0].vertices[:, 1]
    return heights.min(), heights.max()


# --- IntervalDisplay ------------------------------------------------------------------


def test_intervals_from_estimator_draws_widest_first_and_changes_nothing(conformal):
    before = conformal.predict_interval(NEW)
    display = IntervalDisplay.from_estimator(
        conformal, NEW, y[FITTED - 10 :], coverages=(0.8, 0.5), unit="bikes"
    )
    assert legend_of(display.ax_) == [
        "truth",
        "forecast",
        "80 % interval",
        "50 % interval",
    ]
    for band, coverage in zip(display.bands_, (0.8, 0.5), strict=True):
        made = conformal.predict_interval(NEW, coverage)
        assert_close(ends_of(band), (made[:, 0].min(), made[:, 1].max()))
    assert_close(display.forecast_line_.get_ydata(), conformal.predict(NEW))
    assert len(display.truth_line_.get_ydata()) == len(LATER) + 10  # with a history
    assert display.ax_.get_ylabel() == "v[t+1] (bikes)"
    assert_close(conformal.predict_interval(NEW), before)


def test_intervals_have_dates_on_the_axis(conformal):
    display = IntervalDisplay.from_estimator(conformal, NEW, LATER.to_numpy())
    drawn = pd.DatetimeIndex(display.forecast_line_.get_xdata())
    assert drawn.equals(pd.DatetimeIndex(HOURS[FITTED:-1], freq=None))
    ticks = texts(display.ax_.get_xticklabels())
    assert any(":" in tick for tick in ticks)  # hours, not numbers of rows
    times = NEW.index + pd.Timedelta(hours=1)
    moved = IntervalDisplay.from_estimator(conformal, NEW, LATER, index=times)
    assert moved.truth_line_.get_xdata()[0] == times[0]


def test_intervals_of_arrays_without_truth_are_at_rows():
    display = IntervalDisplay.from_predictions(None, [4.0, 5.0, 6.0], ENDS)
    assert display.truth_line_ is None
    assert display.ax_.get_xlabel() == "row"
    assert display.forecast_line_.get_xdata().tolist() == [0, 1, 2]


def test_intervals_are_drawn_in_the_colour_of_the_line():
    display = IntervalDisplay.from_predictions(
        [4.0], [4.0, 5.0, 6.0], ENDS, color="red", truth_kw={"lw": 7}
    )
    red, green, blue, alpha = display.bands_[0].get_facecolor()[0]
    assert (red, green, alpha) == (1, pytest.approx(blue), 1)
    assert display.truth_line_.get_linewidth() == 7


def test_interval_of_one_forecast_is_seen():
    display = IntervalDisplay.from_predictions(
        pd.Series([3.0, 4.0], DAYS[:2]), pd.Series([4.0], DAYS[2:3]), {0.9: [[3, 5]]}
    )
    assert display.forecast_line_.get_marker() == "o"
    assert display.bands_[0].get_linewidth()[0] > 0


def test_intervals_of_several_outputs_need_a_choice():
    targets = np.column_stack([y, 10 * y])
    model = ConformalRegressor(LinearRegression()).fit(X, targets)
    with pytest.raises(ValueError, match=r"There are 2 outputs.*from 0 to 1"):
        IntervalDisplay.from_estimator(model, NEW)
    display = IntervalDisplay.from_estimator(model, NEW, targets[FITTED:], output=1)
    assert_close(display.truth_line_.get_ydata(), 10 * LATER)


def test_intervals_of_a_panel_are_those_of_one_series():
    rows, targets = make_panel()
    model = ConformalRegressor(Repeat()).fit(rows, targets)
    with pytest.raises(ValueError, match=r"2 series.*\.loc\[\['a'\]\]"):
        IntervalDisplay.from_estimator(model, rows, targets)
    display = IntervalDisplay.from_estimator(
        model, rows.loc[["b"]], targets.loc[["b"]], coverages=[0.5]
    )
    assert display.ax_.get_xlabel() == "day"


@pytest.mark.parametrize(
    "intervals, message",
    [
        ([[0, 1]], r"must be a dict .* \{0.9: array of shape \(3, 2\)\}; got list"),
        ({}, "must be a dict"),
        ({90: ENDS[0.9]}, r"numbers between 0 and 1.*got \[90\]"),
        ({0.9: [[0, 1]]}, r"coverage 0.9 must be of shape \(3, 2\).*\(1, 2\)"),
        ({0.9: [[0, 1], [2, 1], [0, 1]]}, r"in row 1 has its lower end, 2, above"),
    ],
)
def test_intervals_refuse_what_are_none(intervals, message):
    with pytest.raises(ValueError, match=message):
        IntervalDisplay.from_predictions(None, [4.0, 5.0, 6.0], intervals)


def test_intervals_refuse_two_outputs_and_no_coverage(conformal):
    with pytest.raises(ValueError, match=r"y_pred has 2 outputs"):
        IntervalDisplay.from_predictions(None, np.ones((3, 2)), ENDS)
    for kind in (IntervalDisplay, CoverageDisplay):
        with pytest.raises(ValueError, match=r"Coverages must be numbers.*got \[\]"):
            kind.from_estimator(conformal, NEW, LATER, coverages=())


# --- CoverageDisplay ------------------------------------------------------------------


def test_coverage_from_estimator_is_that_of_step_interval_and_sets_back(conformal):
    before = conformal.predict_interval(NEW)
    display = CoverageDisplay.from_estimator(
        conformal, NEW, LATER, coverages=[0.5], window=8
    )
    assert_close(conformal.predict_interval(NEW), before)
    begun = conformal.get_states()
    held = inside(conformal.step_interval(NEW, LATER, 0.5), LATER.to_numpy())
    conformal.set_states(begun)
    by_hand = [held[i - 8 : i].mean() for i in range(8, len(held) + 1)]
    (line,) = display.lines_
    assert_close(line.get_ydata(), by_hand)
    assert pd.Timestamp(line.get_xdata()[0]) == NEW.index[7]
    assert legend_of(display.ax_) == [
        f"50 % interval: {100 * held.mean():.1f} % of all"
    ]


def test_coverage_sets_estimator_back_after_an_error(conformal):
    before = conformal.predict_interval(NEW)
    with pytest.raises(ValueError, match="y has"):
        CoverageDisplay.from_estimator(conformal, NEW, LATER[:-1])
    assert_close(conformal.predict_interval(NEW), before)


def test_coverage_leaves_out_rows_without_a_value():
    values = np.array([1.0, np.nan, 5.0, 1.0, 5.0])
    ends = np.tile([0.0, 2.0], (5, 1))
    display = CoverageDisplay.from_predictions(values, {0.9: ends}, window=2)
    (line,) = display.lines_
    assert line.get_xdata().tolist() == [2, 3, 4]
    assert line.get_ydata().tolist() == [0.5, 0.5, 0.5]
    assert display.target_lines_[0].get_ydata() == [0.9, 0.9]
    assert display.ax_.get_ylabel() == "inside, of the last 2 rows"


@pytest.mark.parametrize("window", [0, 4, 1.5, True])
def test_coverage_refuses_window(window):
    with pytest.raises(ValueError, match="window must be a whole number from 1 to 3"):
        CoverageDisplay.from_predictions([1.0, 2.0, 3.0], ENDS, window=window)
