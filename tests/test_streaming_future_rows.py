"""`stream(...).forecast(X_future=...)`: known columns in the composite's units.

The oracle steps the composite by hand: complete a row from the last prediction, let it
pass the transformers, predict.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklstm import StatefulLSTMRegressor, stream
from sklstm.preprocessing import frame_series

N, M = 60, 8
DATES = pd.date_range("2025-01-01", periods=N + M + 1)


def sales_of(index: pd.Index) -> pd.DataFrame:
    """Sales of each day, with a price, and what kind of day the next one is."""
    n = np.arange(len(index))
    sales = 100 + 20 * np.sin(n / 3) + n
    kind = np.array(["open", "late", "holiday"])[(n + 1) % 7 % 3]
    return pd.DataFrame({"kind": kind, "sales": sales, "price": 5 + np.cos(n)}, index)


TABLE = sales_of(DATES)
X, Y = frame_series(TABLE, target="sales")
FUTURE = X[N:].drop(columns="sales")


def lstm(**parameters) -> StatefulLSTMRegressor:
    shared = {"units": 2, "sequence_length": 12, "batch_size": 1, "epochs": 1}
    return StatefulLSTMRegressor(**(shared | {"random_state": 0} | parameters))


def revenue(table: pd.DataFrame) -> pd.DataFrame:
    """A column of the row that is filled and of one that is known."""
    return table.assign(revenue=table["sales"] * table["price"])


def composite(with_names: bool):
    """Steps that need all columns of a row; targets are logarithms inside."""
    columns = make_column_transformer(
        (StandardScaler(), ["sales", "price", "revenue"]),
        (OneHotEncoder(sparse_output=False), ["kind"]),
    )
    steps = make_pipeline(FunctionTransformer(revenue), columns, lstm())
    if with_names:
        steps.set_output(transform="pandas")
    return TransformedTargetRegressor(steps, func=np.log, inverse_func=np.exp)


def forecast_by_hand(live, last: float, n_steps: int) -> list[float]:
    """Predictions, each put into the next row, as a user would write it down."""
    made = []
    for k in range(n_steps):
        row = FUTURE[k : k + 1].assign(sales=made[-1] if made else last)
        made.append(float(live.step(row[X.columns])[0]))
    return made


@pytest.mark.filterwarnings("ignore:The index of X does not reach")
@pytest.mark.parametrize("with_names", [True, False])
def test_stream_forecast_with_known_columns_equals_steps_by_hand(with_names):
    """To rounding: a step of one row is computed in another order."""
    fitted = composite(with_names).fit(X[:N], Y[:N])
    live = stream(fitted)
    last = fitted.predict(X[:N])[-1]
    made = live.forecast(5, X_future=FUTURE)
    whole = live.forecast(5, X_future=X[N:].assign(sales=np.nan))
    np.testing.assert_array_equal(whole, made)
    start = live.forecast(3, start=X[N : N + 1], X_future=FUTURE[1:])
    expected = forecast_by_hand(live, last, 5)
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    live.reseed_states()
    first = live.step(X[N : N + 1])
    assert start[0] == pytest.approx(first[0], rel=1e-5)
    if with_names:  # else no label reaches the estimator
        text = "X_future begins with 2025-03-03, but the last row seen is 2025-03-01"
        with pytest.raises(ValueError, match=text):
            live.reseed_states().forecast(2, X_future=FUTURE[1:])


@pytest.fixture(scope="module")
def two_targets():
    """Two columns go on, in another order than they have in X."""
    table = TABLE[["price", "sales"]].assign(known=np.arange(len(TABLE)) % 5)
    rows, y = frame_series(table, target=["sales", "price"])
    fitted = make_pipeline(StandardScaler().set_output(transform="pandas"), lstm())
    return rows, fitted.fit(rows[:N], y[:N])


def test_stream_forecast_fills_each_column_from_its_own_target(two_targets):
    rows, fitted = two_targets
    future = rows[["known"]][N:]

    def next_row(prediction, k):
        return [prediction[1], prediction[0], future["known"].iloc[k]]

    live = stream(fitted)
    expected = live.forecast(4, feedback=next_row)
    np.testing.assert_array_equal(live.forecast(4, X_future=future), expected)
    alone = stream(lstm().fit(rows[:N], rows.iloc[1 : N + 1, [1, 0]]))
    assert alone.forecast(2, X_future=future).shape == (2, 2)


@pytest.mark.parametrize(
    ("X_future", "text"),
    [
        (lambda t: t[["known"]][:3], "X_future has 3 row(s), but this forecast feeds"),
        (lambda t: t.assign(other=1), "X_future has the columns ['other'], which fit"),
        (
            lambda t: t[["price"]],
            "X_future lacks values of ['known'], which no prediction fills",
        ),
    ],
    ids=["too few", "unknown column", "not filled"],
)
def test_stream_forecast_with_bad_future_raises(two_targets, X_future, text):
    rows, fitted = two_targets
    with pytest.raises(ValueError, match=re.escape(text)):
        stream(fitted).forecast(4, X_future=X_future(rows[N:]))


def test_stream_forecast_with_feedback_and_future_raises(two_targets):
    rows, fitted = two_targets
    with pytest.raises(ValueError, match="feedback and X_future both say"):
        stream(fitted).forecast(2, feedback=lambda p, k: p, X_future=rows[N:])


def test_stream_forecast_of_arrays_fills_nan():
    rows, y = X[["sales", "price"]].to_numpy(), Y.to_numpy()
    live = stream(make_pipeline(StandardScaler(), lstm()).fit(rows[:N], y[:N]))
    future = rows[N:].copy()
    future[:, 0] = np.nan
    expected = live.forecast(4, feedback=lambda p, k: [p, rows[N + k, 1]])
    np.testing.assert_array_equal(live.forecast(4, X_future=future), expected)
    with pytest.raises(ValueError, match=r"X_future has shape \(8, 1\), but rows have"):
        live.forecast(4, X_future=future[:, :1])


@pytest.mark.parametrize("as_columns", [False, True])
def test_stream_forecast_of_panel_takes_each_series_own_rows(as_columns):
    """Ids are levels of the index, or a column that passes the transformers."""
    frame = X[["sales", "price"]]
    parts = {"a": frame, "b": 3 * frame}
    panel = pd.concat(parts, names=["shop", "day"])
    y = np.concatenate([Y, 3 * Y])
    old = panel.index.get_level_values("day") < DATES[N]
    future = panel[["price"]][~old]
    steps = make_column_transformer(
        (StandardScaler(), ["sales", "price"]), remainder="passthrough"
    ).set_output(transform="pandas")
    inner = lstm()
    if as_columns:
        panel, future = panel.reset_index("shop"), future.reset_index("shop")
        inner = lstm(series_id="remainder__shop")
    live = stream(make_pipeline(steps, inner).fit(panel[old], y[old]))
    both = live.forecast(3, X_future=future[::-1].sort_index(kind="stable"))

    def next_rows(predictions, k):
        prices = frame["price"].iloc[N + k] * np.array([1, 3])
        return np.column_stack([predictions, prices])

    expected = live.forecast(3, feedback=next_rows)
    np.testing.assert_allclose(both, expected, rtol=1e-9)
    one = live.forecast(3, series="b", X_future=future)
    np.testing.assert_allclose(one, both[1], rtol=1e-6)


@pytest.mark.thorough
def test_stream_forecast_of_horizons_says_what_gives_them():
    """Two outputs are as many as columns, but no next row."""
    rows, y = frame_series(X[["sales", "price"]], horizon=[1, 2], target=["sales"])
    live = stream(make_pipeline(StandardScaler(), lstm()).fit(rows[:N], y[:N]))
    text = r"row\(s\) \[1, 2\] steps ahead, which predict gives at once"
    with pytest.raises(ValueError, match=text):
        live.forecast(2)
