"""What `backtest` makes of forecasts: baselines, scores, skill, pictures."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from backtest_cases import FOLDS, Leading, X, Y, make_panel
from helpers import assert_close
from plotting_cases import legend_of, plt, shown_ticks
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import make_scorer, mean_absolute_percentage_error, r2_score
from sklearn.model_selection import TimeSeriesSplit

from sklstm import frame_series
from sklstm.model_selection import BacktestResult, PanelSplit, backtest
from sklstm.plotting import ForecastDisplay, HorizonErrorDisplay

PRIMES = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53.0])
LAST_FOUR = [(range(8), range(8, 12))]  # y[8:12] is 29, 31, 37, 41 one step ahead

# --------------------------------------------------------------------------------------
# What is known when
# --------------------------------------------------------------------------------------


def baselines(*, horizon=1, steps=1, period=3, drop_x=False):
    """Naive forecasts of primes, from rows 8 to 11 as far as these reach."""
    rows, targets = frame_series(PRIMES, horizon=steps)
    if drop_x:
        rows = np.ones_like(rows)
    model = DummyRegressor()
    cv = [(range(8), range(8, 12))]
    result = backtest(model, rows, targets, cv=cv, horizon=horizon, period=period)
    table = result.predictions[["time", "horizon", "y_true"]].join(result.baselines)
    return table.to_numpy().tolist()


def test_baselines_one_step_ahead():
    """Row 8 is 23, y[8] is 29; three before 29 is 17."""
    assert baselines()[:2] == [[8, 1, 29, 23, 17], [9, 1, 31, 29, 19]]


def test_baselines_of_closed_loop_know_nothing_after_the_row():
    """Four steps ahead with a period of three: the newest at this phase, six before."""
    made = baselines(horizon=4)
    assert made == [
        [8, 1, 29, 23, 17],
        [8, 2, 31, 23, 19],
        [8, 3, 37, 23, 23],
        [8, 4, 41, 23, 17],
    ]


def test_baselines_of_target_further_ahead_found_by_its_numbers():
    """y is three steps ahead of the row: what is known at row 8 is 23, not y[7]."""
    made = baselines(steps=3)
    assert made[:2] == [[8, 3, 37, 23, 23], [9, 3, 41, 29, 29]]


def test_baselines_of_direct_horizons():
    made = baselines(steps=[4, 2])
    assert made[:2] == [[8, 2, 31, 23, 19], [8, 4, 41, 23, 17]]


def test_baselines_of_target_that_no_column_of_x_holds():
    """y[i - 1] is known at row i; of horizons the nearest is one step ahead."""
    assert baselines(drop_x=True)[0] == [8, 1, 29, 23, 17]
    assert baselines(drop_x=True, steps=[1, 2])[:2] == [
        [8, 1, 29, 23, 17],
        [8, 2, 31, 23, 19],
    ]


def test_baselines_of_target_whose_steps_its_name_tells():
    series = pd.Series(PRIMES, pd.RangeIndex(5, 21), name="prime")
    _, targets = frame_series(series, horizon=3)
    rows = pd.DataFrame({"one": np.ones(len(targets))}, targets.index)
    result = backtest(DummyRegressor(), rows, targets, cv=LAST_FOUR, period=3)
    assert result.predictions["horizon"].tolist() == [3] * 4
    assert result.predictions["time"].tolist() == [13, 14, 15, 16]
    assert result.baselines["persistence"].tolist() == [23, 29, 31, 37]


def test_baselines_of_panel_stay_within_series_and_are_missing_before_any_row():
    panel = make_panel({"a": 30, "late": 6}, end=30)
    rows, targets = frame_series(panel, target="sales")
    cv = PanelSplit(1, test_size=8)
    result = backtest(Leading(), rows, targets, cv=cv, period=2)
    table = result.predictions.join(result.baselines).set_index(["series", "time"])
    for shop in ("a", "late"):
        own = panel.loc[shop]["sales"]
        got = table.loc[shop]
        expected = own.reindex(got.index).to_numpy(copy=True)
        if shop == "late":
            expected[0] = np.nan  # y of the row before tells it, and there is none
        assert_close(got["persistence"], expected)
        assert_close(got["seasonal persistence"][2:], own.shift(1)[got.index][2:])
    late = result.scores.loc[("series", "late")]
    assert np.isfinite(late).all()


def test_period_is_found_in_the_first_training_rows():
    noise = 0.3 * np.random.default_rng(0).normal(size=140)
    week = np.tile([5.0, 1, 2, 8, 3, 9, 4], 20) + noise
    rows, targets = frame_series(week)
    result = backtest(DummyRegressor(), rows, targets, cv=TimeSeriesSplit(2))
    assert result.period == 7
    noise = np.random.default_rng(1).normal(size=140)
    rows, targets = frame_series(noise)
    result = backtest(DummyRegressor(), rows, targets, cv=TimeSeriesSplit(2))
    assert result.period is None
    assert result.baselines.columns.tolist() == ["persistence"]


# --------------------------------------------------------------------------------------
# Scores and skill
# --------------------------------------------------------------------------------------


def by_hand(scorer=None) -> BacktestResult:
    """Two folds of two series at two horizons; errors of 1, 2, 3, ..., 8."""
    keys = pd.MultiIndex.from_product([[0, 1], ["a", "b"], [1, 2]])
    table = keys.to_frame(index=False, name=["fold", "series", "horizon"])
    table = table.assign(time=0, y_true=10.0, y_pred=10.0 + np.arange(1, 9))
    naive = pd.DataFrame({"persistence": np.r_[np.nan, np.full(7, 20.0)]})
    options = {} if scorer is None else {"scorer": scorer}
    return BacktestResult(table, naive, **options)


def test_scores_by_fold_horizon_and_series():
    scores = by_hand().scores
    name = "neg_mean_absolute_error"
    assert scores.columns.tolist() == [name, "persistence", "skill over persistence"]
    assert scores[name].to_dict() == {
        ("all", 0): -4.5,
        ("fold", 0): -2.5,
        ("fold", 1): -6.5,
        ("horizon", 1): -4,
        ("horizon", 2): -5,
        ("series", "a"): -3.5,
        ("series", "b"): -5.5,
    }
    # The first forecast has no baseline, and is left out of the skill over it.
    skill = scores["skill over persistence"]
    assert skill["all", 0] == pytest.approx(1 - 35 / 70)
    assert skill["fold", 0] == pytest.approx(1 - 9 / 30)
    assert scores.loc["horizon"]["persistence"].tolist() == [-10, -10]


def test_scores_leave_out_missing_truths():
    result = by_hand()
    result.predictions.loc[7, "y_true"] = np.nan
    assert result.scores.iloc[0, 0] == -4
    assert result.predictions["y_pred"].notna().all()


@pytest.mark.parametrize("as_callable", [False, True])
def test_scores_by_another_scorer(as_callable):
    scoring = make_scorer(r2_score) if as_callable else "r2"
    result = backtest(LinearRegression(), X, Y, cv=FOLDS, scoring=scoring)
    table = result.predictions
    expected = r2_score(table["y_true"], table["y_pred"])
    assert result.scores.iloc[0, 0] == pytest.approx(expected)
    first = table[table["fold"] == 0]
    expected = r2_score(first["y_true"], first["y_pred"])
    assert result.scores.iloc[1, 0] == pytest.approx(expected)


def test_scores_by_a_function_of_the_user():
    def percentage(estimator, predictions, truth):
        return -mean_absolute_percentage_error(truth, estimator.predict(predictions))

    result = backtest(LinearRegression(), X, Y, cv=FOLDS, scoring=percentage)
    table = result.predictions
    expected = -mean_absolute_percentage_error(table["y_true"], table["y_pred"])
    assert result.scores.loc[("all", 0), "percentage"] == pytest.approx(expected)
    bad = backtest(LinearRegression(), X, Y, cv=FOLDS, scoring=lambda *_: "good")
    with pytest.raises(TypeError, match="scoring must return one number, got 'good'"):
        _ = bad.scores


def test_result_prints_its_scores_and_is_pickled():
    result = backtest(LinearRegression(), X, Y, cv=FOLDS, horizon=2)
    text = str(result)
    assert text.startswith("neg_mean_absolute_error and skill, higher is better")
    assert "skill over persistence" in text and "horizon" in text
    copied = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(copied.scores, result.scores)
    with pytest.raises(AttributeError):
        result.period = 3


@pytest.mark.parametrize("kind", [int, bool, float, str])
def test_scores_of_labels_of_any_type(kind):
    """A series that joins has no label before its first row, so no baseline there."""
    panel = make_panel({"a": 40, "late": 10})
    rows, targets = frame_series(panel, target="sales")
    labels = (targets > targets.median()).astype(int).astype(kind)
    result = backtest(
        LogisticRegression(), rows, labels, cv=PanelSplit(2, test_size=10), period=7
    )
    truth, made = (result.predictions[name] for name in ("y_true", "y_pred"))
    assert result.scores.iloc[0, 0] == np.mean(truth == made)
    assert result.baselines.isna().sum().tolist() == [1, 7]
    naive = result.baselines["persistence"]
    known = naive.notna()
    scores = result.scores.loc[("all", 0)]
    assert scores["persistence"] == np.mean(truth[known] == naive[known])
    wrong = [np.sum(truth[known] != one[known]) for one in (made, naive)]
    skill = pytest.approx(1 - wrong[0] / wrong[1])
    assert scores["skill over persistence"] == skill


# --------------------------------------------------------------------------------------
# Pictures
# --------------------------------------------------------------------------------------


def test_plot_of_horizons():
    display = by_hand().plot()
    assert isinstance(display, HorizonErrorDisplay)
    assert legend_of(display.ax_) == ["estimator", "persistence"]
    assert [line.get_ydata().tolist() for line in display.lines_] == [[4, 5], [10, 10]]
    assert shown_ticks(display.ax_.xaxis) == [1, 2]
    assert display.ax_.get_ylabel() == "mean absolute error"


def test_plot_of_forecasts_of_one_horizon_and_series():
    result = backtest(LinearRegression(), X, Y, cv=FOLDS, horizon=2)
    display = result.plot("forecast", horizon=2)
    assert isinstance(display, ForecastDisplay)
    table = result.predictions[result.predictions["horizon"] == 2]
    (line,) = display.forecast_lines_
    drawn = np.asarray(line.get_ydata())
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [7, 15]  # between the folds
    assert_close(drawn[np.isfinite(drawn)], table["y_pred"])
    assert display.ax_.get_xlabel() == "row from which is forecast, 2 steps ahead"
    (truth,) = display.truth_lines_
    drawn = np.asarray(truth.get_ydata())
    assert_close(drawn[np.isfinite(drawn)], table["y_true"])
    plain = backtest(LinearRegression(), X, Y, cv=FOLDS).plot()
    assert isinstance(plain, ForecastDisplay)
    assert np.isfinite(plain.forecast_lines_[0].get_ydata()).all()
    plt.close("all")


def test_plot_refuses_what_is_not_there():
    result = by_hand()
    with pytest.raises(ValueError, match="kind must be 'horizon', 'forecast' or"):
        result.plot("fan")
    with pytest.raises(ValueError, match=r"no forecast of series 'c'; .* \['a', 'b'\]"):
        result.plot("forecast", series="c")
    with pytest.raises(ValueError, match=r"no forecast of horizon 9; .* \[1, 2\]"):
        result.plot("forecast", horizon=9)


@pytest.mark.parametrize(
    "errors, message",
    [
        ([1.0, 2.0], r"must be a DataFrame .* got list of shape \(2,\)"),
        (pd.DataFrame({"a": [1.0, 2.0]}, [2, 1]), r"increasing numbers; .* \[2, 1\]"),
        (pd.DataFrame({"a": [1.0]}, ["x"]), r"increasing numbers; .* \['x'\]"),
    ],
)
def test_horizon_error_display_refuses(errors, message):
    with pytest.raises(ValueError, match=message):
        HorizonErrorDisplay(errors).plot()
