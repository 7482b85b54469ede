"""`ResidualsDisplay`, and `BacktestResult.plot("residuals")`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from backtest_cases import FOLDS, X, Y
from helpers import assert_close
from plotting_cases import legend_of, plt
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklstm.model_selection import backtest
from sklstm.plotting import ResidualsDisplay

NOISE = np.random.default_rng(0).normal(size=60)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def by_hand(values: np.ndarray, lag: int, runs: np.ndarray) -> float:
    """The autocorrelation by a plain loop."""
    mean = np.nanmean(values)
    pairs = [
        (values[t] - mean) * (values[t + lag] - mean)
        for t in range(len(values) - lag)
        if runs[t] == runs[t + lag]
    ]
    return np.nansum(pairs) / np.nansum((values - mean) ** 2)


def test_autocorrelation_equals_that_of_numpy():
    display = ResidualsDisplay.from_predictions(NOISE, np.zeros(60), n_lags=10)
    centred = NOISE - NOISE.mean()
    full = np.correlate(centred, centred, "full")[59:]
    assert_close(display.autocorrelation_, full[1:11] / full[0])


def test_autocorrelation_leaves_out_missing_values_and_other_runs():
    values, runs = NOISE.copy(), np.repeat([0, 1], 30)
    values[[3, 40]] = np.nan
    display = ResidualsDisplay(pd.Series(values), runs=runs, n_lags=35).plot()
    expected = [by_hand(values, lag, runs) for lag in range(1, 36)]
    assert_close(display.autocorrelation_, expected)
    assert not display.autocorrelation_[29:].any()  # no such pair in a run


def test_residuals_are_truth_less_forecast_at_their_dates():
    days = pd.date_range("2024-01-01", periods=60, name="day")
    display = ResidualsDisplay.from_predictions(
        pd.Series(5 + NOISE, days), np.full(60, 5.0), unit="°C", color="red"
    )
    assert_close(display.line_.get_ydata(), NOISE)
    assert display.line_.get_color() == "red"
    time, histogram, lags = display.axes_
    assert time.get_xlabel() == "day"
    assert time.get_ylabel() == histogram.get_xlabel() == "truth - forecast (°C)"
    assert lags.get_xlabel() == "lag, in forecasts"
    areas = [bar.get_width() * bar.get_height() for bar in display.bars_]
    assert sum(areas) == pytest.approx(1)
    mean, deviation = f"{NOISE.mean():.3g}", f"{NOISE.std():.3g}"
    entry = f"normal, mean {mean},\nstandard deviation {deviation}"
    assert set(legend_of(histogram)) == {"residuals", entry}


def test_residuals_of_a_backtest_are_of_one_horizon_and_do_not_cross_folds():
    cv = [list(FOLDS.split(X))[k] for k in (0, 2)]  # eight rows lie between
    result = backtest(LinearRegression(), X, Y, cv=cv, horizon=2)
    display = result.plot("residuals", horizon=2)
    assert isinstance(display, ResidualsDisplay)
    table = result.predictions.query("horizon == 2")
    residuals = (table["y_true"] - table["y_pred"]).to_numpy()
    assert_close(display.line_.get_ydata(), residuals)
    assert pd.DatetimeIndex(display.line_.get_xdata()).equals(
        pd.DatetimeIndex(table["time"])
    )
    runs = table["fold"].to_numpy()
    assert_close(display.autocorrelation_[1], by_hand(residuals, 2, runs))
    xlabel = display.axes_[0].get_xlabel()
    assert xlabel == "row from which is forecast, 2 steps ahead"


def test_residuals_of_labels_raise():
    labels = Y.gt(Y.median()).astype(int)
    result = backtest(LogisticRegression(), X, labels, cv=FOLDS)
    with pytest.raises(ValueError, match=r"Labels have no residuals.*'forecast'"):
        result.plot("residuals")


def test_residuals_take_the_place_of_axes_in_a_grid():
    figure, (left, right) = plt.subplots(1, 2)
    display = ResidualsDisplay(pd.Series(NOISE)).plot(right)
    assert not right.axison
    assert {ax.figure for ax in display.axes_} == {figure}
    figure.canvas.draw()
    assert all(ax.get_position().x0 > left.get_position().x1 for ax in display.axes_)
    with pytest.raises(ValueError, match="ax is to be divided into three"):
        ResidualsDisplay(pd.Series(NOISE)).plot(figure.add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(
    "values, options, message",
    [
        ([1.0, 2.0, np.nan], {}, r"At least 3 residuals .* got 2, \[1.0, 2.0\]"),
        ([1.0, 1.0, 1.0], {}, "not all equal are needed; got 3"),
        ([1.0, 2.0, 3.0], {"runs": [0]}, r"each of the 3 residuals; got shape \(1,\)"),
        ([1.0, 2.0, 3.0], {"n_lags": 3}, "whole number from 1 to 2.*got 3"),
        ([1.0, 2.0, 3.0], {"n_lags": True}, "whole number from 1 to 2.*got True"),
    ],
)
def test_residuals_refuse(values, options, message):
    with pytest.raises(ValueError, match=message):
        ResidualsDisplay(pd.Series(values), **options).plot()


def test_residuals_refuse_other_rows():
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        ResidualsDisplay.from_predictions([1, 2], [1, 2, 3])
    series = pd.Series([1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="indexed by different rows"):
        ResidualsDisplay.from_predictions(series, series.set_axis([1, 2, 3]))
