"""ForecastDisplay: truth and forecast where their own index places them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import assert_close
from plotting_cases import DAYS, X_NEW, X, Y, fitted, legend_of, matplotlib, texts
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklstm.plotting import (
    ForecastDisplay,
)


def test_from_predictions_of_arrays_draws_at_row_numbers():
    display = ForecastDisplay.from_predictions([1, 2], [3.0, 4.0, 5.0], unit="mm")
    (truth,), (forecast,) = display.truth_lines_, display.forecast_lines_
    assert_close(truth.get_xydata(), [[0, 1], [1, 2]])
    assert_close(forecast.get_xydata(), [[0, 3], [1, 4], [2, 5]])
    assert legend_of(display.ax_) == ["truth", "forecast"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("row", "mm")


def test_from_predictions_takes_dates_of_y_true():
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


def test_from_predictions_beyond_y_true_uses_own_index():
    """Each is drawn where its own index says; neither need cover the other."""
    beyond = pd.Series([7.0, 8.0], DAYS[4:6])
    display = ForecastDisplay.from_predictions(Y[:5], beyond)
    assert list(display.truth_lines_[0].get_xdata()) == list(DAYS[:5].to_numpy())
    assert list(display.forecast_lines_[0].get_xdata()) == list(DAYS[4:6].to_numpy())
    assert display.ax_.get_ylabel() == "flow"


def test_from_predictions_index_places_both_lines():
    later = DAYS[:3] + pd.Timedelta(hours=1)
    display = ForecastDisplay.from_predictions(Y[:2], np.zeros(3), index=later)
    assert list(display.truth_lines_[0].get_xdata()) == list(later[:2].to_numpy())
    assert list(display.forecast_lines_[0].get_xdata()) == list(later.to_numpy())


def test_from_predictions_draws_periods_as_dates():
    months = pd.period_range("2024-01", periods=3, freq="M")
    display = ForecastDisplay.from_predictions(None, pd.Series([1.0, 2, 3], months))
    assert list(display.forecast_lines_[0].get_xdata()) == [
        np.datetime64("2024-01-01"),
        np.datetime64("2024-02-01"),
        np.datetime64("2024-03-01"),
    ]
    assert display.truth_lines_ == []
    assert legend_of(display.ax_) == ["forecast"]


def test_from_predictions_keeps_time_zone():
    hours = pd.date_range("2024-07-01", periods=25, freq="h", tz="Europe/Berlin")
    display = ForecastDisplay.from_predictions(None, np.zeros(25), index=hours)
    display.figure_.canvas.draw()
    formatter = display.ax_.xaxis.get_major_formatter()
    midnight = matplotlib.dates.date2num(np.datetime64("2024-06-30T22:00"))  # in UTC
    noon = midnight + 0.5
    assert formatter.format_ticks([midnight, noon]) == ["Jul-01", "12:00"]


def test_from_predictions_of_two_outputs_two_colours():
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


def test_from_predictions_numbers_outputs_without_names():
    display = ForecastDisplay.from_predictions(None, np.zeros((3, 2)))
    assert legend_of(display.ax_) == ["forecast: output 0", "forecast: output 1"]


def test_from_predictions_passes_line_keywords():
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


def test_from_predictions_of_labels_draws_steps_over_classes():
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


def test_from_estimator_of_classifier_orders_classes():
    """In the classifier's order; labels that it never saw come last."""
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    classifier = LogisticRegression().fit(x, [10, 10, 20, 20])
    display = ForecastDisplay.from_estimator(classifier, x, [10, 5, 20, 20])
    assert texts(display.ax_.get_yticklabels()) == ["10", "20", "5"]
    assert display.truth_lines_[0].get_ydata().tolist() == [0, 2, 1, 1]
    assert display.forecast_lines_[0].get_ydata().tolist() == [0, 0, 1, 1]


def test_from_estimator_of_any_estimator_uses_dates_of_X():
    """The dates are those of X where y has none."""
    model = LinearRegression().fit(X, Y)
    display = ForecastDisplay.from_estimator(model, X, Y.to_numpy()[:30], unit="m³/s")
    assert_close(display.forecast_lines_[0].get_ydata(), Y)
    assert_close(display.truth_lines_[0].get_ydata(), Y[:30])
    assert list(display.forecast_lines_[0].get_xdata()) == list(DAYS.to_numpy())
    later = DAYS + pd.Timedelta(days=1)
    display = ForecastDisplay.from_estimator(model, X, Y, index=later)
    assert list(display.truth_lines_[0].get_xdata()) == list(later.to_numpy())


def test_from_estimator_of_stateful_estimator_leaves_state():
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
def test_from_predictions_with_mismatched_index_raises(
    y_true, y_pred, options, message
):
    with pytest.raises(ValueError, match=message):
        ForecastDisplay.from_predictions(y_true, y_pred, **options)


def test_from_predictions_leaves_arguments_unchanged():
    y = pd.Series([1.0, 2.0], name="flow")
    prediction = pd.DataFrame({"other": [1.0, 2.0]})
    ForecastDisplay.from_predictions(y, prediction, index=DAYS[:2])
    assert list(prediction.columns) == ["other"]
    assert prediction.index.tolist() == y.index.tolist() == [0, 1]
