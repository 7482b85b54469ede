"""frame_series: pairs of rows and later values, against a naive loop and by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from preprocessing_cases import NO_POSITIVE_INTEGERS, rows_of

from sklstm.preprocessing import frame_series

# --------------------------------------------------------------------------------------
# frame_series: values
# --------------------------------------------------------------------------------------


def test_frame_series_of_array_by_hand():
    X, y = frame_series(np.array([10, 11, 12, 13]))
    np.testing.assert_array_equal(X, [[10], [11], [12]])
    np.testing.assert_array_equal(y, [11, 12, 13])
    assert X.dtype == y.dtype == int


def test_frame_series_several_horizons_by_hand():
    _, y = frame_series([10, 11, 12, 13, 14], range(1, 4))
    np.testing.assert_array_equal(y, [[11, 12, 13], [12, 13, 14]])


def test_frame_series_several_horizons_and_columns_by_hand():
    series = np.column_stack([np.arange(4), np.arange(4) + 10])
    X, y = frame_series(series, [2, 1])
    np.testing.assert_array_equal(X, [[0, 10], [1, 11]])
    np.testing.assert_array_equal(y, [[2, 12, 1, 11], [3, 13, 2, 12]])


def naive_pairs(series, horizons, columns):
    """X and y looked up one by one, for as long as every target is there."""
    X, y = [], []
    for i in range(len(series)):
        if i + max(horizons) >= len(series):
            break
        X.append(series[i])
        y.append([series[i + h][column] for h in horizons for column in columns])
    return np.array(X), np.array(y)


HORIZONS = [1, 2, 4, [1], [3], [1, 2], [3, 1], range(1, 4), np.array([2, 5])]


@pytest.mark.parametrize("horizon", HORIZONS, ids=str)
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_frame_series_equals_naive_loop(horizon, n_features):
    horizons = np.atleast_1d(horizon).tolist()
    targets = [None, 0, -1, [0], list(range(n_features))[::-1]]
    for n_rows, target in itertools.product(range(max(horizons) + 1, 9), targets):
        series = rows_of(n_rows, n_features)
        columns = np.arange(n_features)[target if target is not None else slice(None)]
        expected_X, expected_y = naive_pairs(series, horizons, np.atleast_1d(columns))
        alone = isinstance(horizon, int) and (
            isinstance(target, int) or (target is None and n_features == 1)
        )
        X, y = frame_series(series, horizon, target=target)
        np.testing.assert_array_equal(X, expected_X)
        np.testing.assert_array_equal(y, expected_y[:, 0] if alone else expected_y)
        frame = pd.DataFrame(series, pd.RangeIndex(100, 100 + n_rows))
        frame_X, frame_y = frame_series(frame, horizon, target=target)
        pd.testing.assert_frame_equal(frame_X, frame[: len(X)])
        assert type(frame_y) is (pd.Series if alone else pd.DataFrame)
        assert frame_y.index.equals(frame_X.index)
        np.testing.assert_array_equal(frame_y, y)


def test_frame_series_of_1d_equals_one_column():
    series = rows_of(6)
    flat, table = frame_series(series[:, 0], 2), frame_series(series, 2)
    for one, two in zip(flat, table, strict=True):
        np.testing.assert_array_equal(one, two)


def test_frame_series_leaves_over_rows_to_forecast_from():
    series = np.arange(10)
    for horizon in (1, 3, range(1, 5)):
        X, _ = frame_series(series, horizon)
        left = series[len(X) :].reshape(-1, 1)
        assert len(left) == np.max(horizon)
        np.testing.assert_array_equal(np.concatenate([X, left])[:, 0], series)


def test_frame_series_keeps_any_dtype():
    letters = np.array(list("abcd"))
    X, y = frame_series(letters)
    assert X.ravel().tolist() == list("abc") and y.tolist() == list("bcd")
    X, y = frame_series(np.float32([1, 2, 3]), [1])
    assert X.dtype == y.dtype == np.float32


# --------------------------------------------------------------------------------------
# frame_series: pandas
# --------------------------------------------------------------------------------------


def sales():
    days = pd.date_range("2024-01-01", periods=5, name="day")
    return pd.DataFrame(
        {"count": [3, 5, 4, 6, 7], "promo": [True, False, True, False, True]}, days
    )


def test_frame_series_of_Series_keeps_index_and_name():
    X, y = frame_series(sales()["count"], 2)
    pd.testing.assert_frame_equal(X, sales()[["count"]].iloc[:3])
    pd.testing.assert_series_equal(
        y, pd.Series([4, 6, 7], sales().index[:3], name="count[t+2]"), check_freq=False
    )


def test_frame_series_of_Series_without_name():
    X, y = frame_series(pd.Series([1.0, 2.0]))
    assert X.columns.tolist() == ["value"] and y.name == "value[t+1]"
    assert frame_series(pd.Series([1.0, 2.0], name=0))[1].name == "0[t+1]"


def test_frame_series_target_by_name():
    X, y = frame_series(sales(), target="count")
    pd.testing.assert_frame_equal(X, sales().iloc[:4])
    assert y.tolist() == [5, 4, 6, 7]
    pd.testing.assert_series_equal(y, frame_series(sales(), target=0)[1])


def test_frame_series_names_columns_and_keeps_dtypes():
    _, y = frame_series(sales(), [1, 2])
    names = ["count[t+1]", "promo[t+1]", "count[t+2]", "promo[t+2]"]
    assert y.columns.tolist() == names
    assert y.dtypes.tolist() == [int, bool, int, bool]
    assert y.iloc[0].tolist() == [5, False, 4, True]
    _, y = frame_series(sales(), target=["promo"])
    assert type(y) is pd.DataFrame and y.columns.tolist() == ["promo[t+1]"]


def test_frame_series_int_target_is_position():
    frame = pd.DataFrame({1: [1, 2], 0: [10, 20]})
    assert frame_series(frame, target=0)[1].tolist() == [2]


def test_frame_series_with_repeated_index():
    series = pd.Series([1, 2, 3, 4], index=[7, 7, 7, 7], name="v")
    X, y = frame_series(series, [1, 2])
    assert y.index.tolist() == X.index.tolist() == [7, 7]
    assert y.to_numpy().tolist() == [[2, 3], [3, 4]]


@pytest.mark.parametrize(
    "series", [rows_of(5)[:, 0], rows_of(5, 2), sales()["count"], sales()]
)
@pytest.mark.parametrize("horizon", [1, [1, 2]], ids=str)
def test_frame_series_leaves_argument_unchanged(series, horizon):
    before = series.copy()
    for out in frame_series(series, horizon):
        if isinstance(out, np.ndarray):
            out[:] = 0
        elif out.ndim == 1:
            out.iloc[0] = 0
        else:
            out.iloc[0, 0] = 0
    assert type(series) is type(before)
    np.testing.assert_array_equal(series, before)


# --------------------------------------------------------------------------------------
# frame_series: errors
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("horizon", "error"), NO_POSITIVE_INTEGERS)
@pytest.mark.parametrize("alone", [True, False])
def test_frame_series_horizon_not_positive_integer_raises(horizon, error, alone):
    with pytest.raises(error) as caught:
        frame_series(rows_of(5), horizon if alone else [1, horizon])
    expected = f"horizon must be a positive integer, got {horizon!r}"
    assert str(caught.value).startswith(expected)


def test_frame_series_horizons_empty_or_repeated_raises():
    with pytest.raises(ValueError, match=r"horizon=\[\] is empty: expected an integer"):
        frame_series(rows_of(5), [])
    with pytest.raises(ValueError, match=r"horizon=\[1, 1\] names a step twice"):
        frame_series(rows_of(5), [1, 1])


@pytest.mark.parametrize("horizon", [3, 4, [1, 3]], ids=str)
def test_frame_series_too_few_rows_raises(horizon):
    longest = np.max(horizon)
    text = (
        f"series has 3 rows, too few for a horizon of {longest}: expected at least "
        f"{longest + 1}"
    )
    for series in (rows_of(3), sales()[:3]):
        with pytest.raises(ValueError, match=text):
            frame_series(series, horizon)


def test_frame_series_of_other_dimensions_raises():
    with pytest.raises(ValueError, match=r"3 dimensions, shape \(4, 2, 1\): expected"):
        frame_series(np.zeros((4, 2, 1)))
    with pytest.raises(ValueError, match=r"0 dimensions, shape \(\): expected"):
        frame_series(5.0)


@pytest.mark.parametrize(
    ("series", "target", "known"),
    [
        (rows_of(5, 2), 2, "a position from -2 to 1"),
        (rows_of(5, 2), -3, "a position from -2 to 1"),
        (rows_of(5, 2), [0, 5], "a position from -2 to 1"),
        (rows_of(5, 2), "count", "an array has no names"),
        (rows_of(5, 2), True, "an array has no names"),
        (sales(), "sales", r"one of the names \['count', 'promo'\]"),
        (sales(), ["count", "sales"], r"one of the names \['count', 'promo'\]"),
    ],
)
def test_frame_series_unknown_target_raises(series, target, known):
    missing = target[-1] if isinstance(target, list) else target
    with pytest.raises(ValueError, match=known) as caught:
        frame_series(series, target=target)
    expected = f"target={missing!r} is no column of this series of 2: expected"
    assert str(caught.value).startswith(expected)


def test_frame_series_ambiguous_target_raises():
    with pytest.raises(ValueError, match=r"target=\[\] selects no column"):
        frame_series(sales(), target=[])
    with pytest.raises(ValueError, match="selects a column twice"):
        frame_series(sales(), target=["count", 0])
    doubled = pd.concat([sales(), sales()], axis=1)
    with pytest.raises(ValueError, match="there once"):
        frame_series(doubled, target="count")
