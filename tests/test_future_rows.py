"""`forecast(X_future=...)`: known columns of rows to come, the others predicted."""

from __future__ import annotations

import functools
import re

import numpy as np
import pandas as pd
import pytest

from sklstm import StatefulLSTMRegressor

N = 60
HOURS = pd.date_range("2025-01-01", periods=N + 12, freq="h")


def frame_of(index: pd.Index) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a value and a known column, and the next value."""
    n = np.arange(len(index) + 1)
    value = np.sin(n / 3) + n / 50
    X = pd.DataFrame({"value": value[:-1], "known": np.cos(n[:-1] / 2)}, index)
    return X, value[1:]


@functools.cache
def fitted() -> StatefulLSTMRegressor:
    X, y = frame_of(HOURS)
    return StatefulLSTMRegressor(
        3, epochs=1, sequence_length=12, batch_size=2, random_state=0
    ).fit(X[:N], y[:N])


def known_rows(n: int) -> pd.DataFrame:
    return frame_of(HOURS)[0][["known"]][N : N + n]


def test_forecast_with_known_columns_equals_feedback():
    X, _ = frame_of(HOURS)

    def next_row(prediction, k):
        return [prediction, X["known"].iloc[N + k]]

    model = fitted()
    expected = model.forecast(6, feedback=next_row)
    np.testing.assert_array_equal(model.forecast(6, X_future=known_rows(6)), expected)
    whole = X[N : N + 6].assign(value=np.nan)
    np.testing.assert_array_equal(model.forecast(6, X_future=whole), expected)


def test_forecast_from_start_feeds_one_row_less():
    X, _ = frame_of(HOURS)
    model = fitted()
    expected = model.predict(X[N : N + 1])
    start = X[N : N + 1]
    given = model.forecast(1, start=start, X_future=known_rows(4)[1:1])
    np.testing.assert_array_equal(given, expected)
    two = model.forecast(2, start=start, X_future=known_rows(2)[1:])
    assert two[0] == expected[0]


def test_forecast_with_array_fills_nan():
    X, _ = frame_of(HOURS)
    rows = X[N : N + 3].to_numpy(copy=True)
    rows[:, 0] = np.nan
    rows[1, 0] = 5.0  # a value that is known after all
    model = fitted()
    given = model.forecast(3, X_future=pd.DataFrame(rows, HOURS[N : N + 3], X.columns))

    def next_row(prediction, k):
        return [5.0 if k == 1 else prediction, X["known"].iloc[N + k]]

    np.testing.assert_array_equal(given, model.forecast(3, feedback=next_row))


def test_forecast_of_panel_takes_each_series_own_rows():
    days = pd.date_range("2025-01-01", periods=N + 5, name="day")
    X, y = frame_of(days)
    panel = pd.concat({"a": X, "b": 10 + 3 * X}, names=["shop"])
    target = np.concatenate([y, 10 + 3 * y])
    old = panel.index.get_level_values("day") < days[N]
    model = StatefulLSTMRegressor(3, epochs=1, random_state=0)
    model.fit(panel[old], target[old])
    future = panel[~old][["known"]].iloc[::-1].sort_index(level="day")
    both = model.forecast(4, X_future=future)
    assert both.shape == (2, 4)
    one = model.forecast(4, series="b", X_future=future)
    np.testing.assert_allclose(one, both[1], rtol=1e-6)
    with pytest.raises(ValueError, match=r"X_future has no rows of the series \['b'\]"):
        model.forecast(4, X_future=future.loc[["a"]])


@pytest.mark.parametrize(
    "X_future, text",
    [
        (
            known_rows(8)[1:],
            "X_future begins with 2025-01-03 13:00, but the last row seen is 2025-01-03"
            " 11:00, and the next must follow 01:00:00 after it. Pass",
        ),
        (
            known_rows(8)[[True] + 2 * [False] + 5 * [True]],
            "X_future goes from 2025-01-03 12:00 to 2025-01-03 15:00, but its rows must"
            " follow one another 01:00:00 apart.",
        ),
        (known_rows(3), "X_future has 3 row(s), but this forecast feeds 4"),
        (known_rows(4).assign(other=1), "X_future has the columns ['other'], which"),
        (
            known_rows(4).assign(known=np.nan),
            "X_future lacks values of ['known'], which no prediction fills",
        ),
        (
            np.zeros((4, 3)),
            "X_future has shape (4, 3), but rows have 2 feature(s).",
        ),
    ],
    ids=["late", "gap", "too few", "unknown column", "not filled", "another width"],
)
def test_forecast_with_bad_future_raises(X_future, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        fitted().forecast(4, X_future=X_future)


def test_forecast_with_feedback_and_future_raises():
    with pytest.raises(ValueError, match="feedback and X_future both say"):
        fitted().forecast(2, feedback=lambda p, k: [p, 0], X_future=known_rows(2))
