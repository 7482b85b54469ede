"""What panels and tiled windows refuse: what came, what was expected, how to mend it.

After each error the estimator is as it was: not fitted, or fitted as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input_cases import assert_refused
from helpers import make_rows
from plain import StatefulLSTMRegressor

N = 10
DAYS = pd.date_range("2024-01-01", periods=N)


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    """Return the smallest regressor on tiled windows."""
    settings = {"windows": "tiled", "sequence_length": 4, "batch_size": 2, "epochs": 1}
    return StatefulLSTMRegressor(2, **{**settings, "random_state": 0, **parameters})


def table_of(ids: Any = ("a", "b"), n: int = N) -> pd.DataFrame:
    """Return n rows of each series with a column of ids, interleaved in time."""
    frame = pd.DataFrame(make_rows(len(ids) * n, 2, seed=1), columns=["u", "v"])
    frame.insert(1, "shop", np.tile(np.array(ids), n))
    days = pd.date_range("2024-01-01", periods=n)
    return frame.set_axis(np.repeat(days, len(ids)), axis=0)


def indexed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a MultiIndex instead of a column of ids."""
    return table.set_index("shop", append=True).swaplevel()


def later(frame: pd.DataFrame, n: int = N) -> pd.DataFrame:
    """Return the same rows n days later."""
    return frame.set_axis(frame.index + pd.Timedelta(days=n), axis=0)


TABLE = table_of()
y = make_rows(len(TABLE), 1, seed=2)[:, 0]


@pytest.fixture(scope="module")
def by_column():
    """A regressor fitted with a column of ids and dates; left as it is."""
    return regressor(series_id="shop").fit(TABLE, y)


@pytest.fixture(scope="module")
def by_index():
    """A regressor fitted on a MultiIndex; left as it is."""
    return regressor().fit(indexed(TABLE), y)


@pytest.fixture(scope="module")
def on_one():
    """A regressor fitted on one series of dates; left as it is."""
    X = pd.DataFrame(make_rows(N, 2, seed=3), DAYS, columns=["u", "v"])
    return regressor().fit(X, y[:N])


CALLS: dict[str, Callable] = {
    "predict": lambda e, rows: e.predict(rows),
    "observe": lambda e, rows: e.observe(rows),
    "step": lambda e, rows: e.step(rows),
    "partial_fit": lambda e, rows: e.partial_fit(rows, np.zeros(len(rows))),
    "forecast": lambda e, rows: e.forecast(2, rows, lambda p, k: np.zeros((len(p), 2))),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


# --------------------------------------------------------------------------------------
# Parameters
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"windows": "bogus"}, "windows must be.*'sliding'.*'tiled'.*'bogus'"),
        ({"on_gap": "bogus"}, "on_gap must be.*'warn'.*'reset'.*'bogus'"),
        ({"series_id": "town"}, r"series_id names column 'town', which X lacks; the"),
        ({"series_id": 7}, r"series_id names column 7, which X lacks; the columns of"),
        ({"series_id": ["u", "shop", "v"]}, "leave at least one as a feature"),
        ({"series_id": ["shop", "shop"]}, "names column 'shop' twice. Name it once"),
    ],
)
def test_fit_bad_parameter_raises(parameters, text):
    estimator = regressor(**parameters)
    assert_refused(estimator, lambda: estimator.fit(TABLE, y), text)


def test_fit_series_id_of_wrong_type_raises():
    estimator = regressor(series_id=1.5)
    text = "series_id must be the name or the position of a column"
    assert_refused(estimator, lambda: estimator.fit(TABLE, y), text, TypeError)


def test_fit_series_id_and_multi_index_raises():
    estimator = regressor(series_id="u")
    text = "X has a MultiIndex, whose levels before the last.*Use one of the two"
    assert_refused(estimator, lambda: estimator.fit(indexed(TABLE), y), text)


@pytest.mark.parametrize("windows", ["sliding", "tiled"])
def test_fit_series_id_and_ready_made_windows_raises(windows):
    estimator = regressor(windows=windows, series_id=0)
    X = make_rows(6 * 4, 2, seed=4).reshape(6, 4, 2)
    text = "series_id=0 names a column of rows, but X holds.*Pass series_id=None"
    assert_refused(estimator, lambda: estimator.fit(X, y[:6]), text)


# --------------------------------------------------------------------------------------
# Labels within a series
# --------------------------------------------------------------------------------------


def with_label(frame: pd.DataFrame, row: int, label: Any) -> pd.DataFrame:
    """Return the frame with the label of one row changed."""
    index = frame.index.to_list()
    index[row] = label
    return frame.set_axis(pd.DatetimeIndex(index), axis=0)


def test_fit_label_twice_within_series_raises_and_names_the_rows():
    """Row numbers are the caller's, although series are read one after the other."""
    doubled = with_label(TABLE, 7, TABLE.index[5])
    estimator = regressor(series_id="shop")
    text = (
        r"Rows of series 'b' must be in time order, each label once: row 7 of X is"
        r" 2024-01-03, but row 5 before it 2024-01-03"
    )
    assert_refused(estimator, lambda: estimator.fit(doubled, y), text)


def test_fit_series_newest_first_raises():
    estimator = regressor(series_id="shop")
    text = "must be in time order.*Sort rows that come newest first"
    assert_refused(estimator, lambda: estimator.fit(TABLE[::-1], y), text)


@each_call
def test_calls_with_label_twice_within_series_raise(by_column, call):
    rows = later(TABLE)
    doubled = with_label(rows, 6, rows.index[4])
    text = "series 'a' must be in time order, each label once: row 6 of X is 2024-01-13"
    assert_refused(by_column, lambda: call(by_column, doubled), text)


@each_call
def test_calls_with_missing_label_raise(by_column, call):
    rows = with_label(later(TABLE), 3, pd.NaT)
    text = r"1 row\(s\) of X have no time \(NaT or NA\), first row 3"
    assert_refused(by_column, lambda: call(by_column, rows), text)


@pytest.mark.parametrize("name", ["observe", "step", "partial_fit", "forecast"])
def test_calls_with_rows_already_seen_raise(by_column, name):
    text = (
        "Row 0 of X, the first of series 'a', is labelled 2024-01-01, but rows up to"
        r" 2024-01-10 were seen.*\(2 series in all\).*reseed_states\(\)"
    )
    assert_refused(by_column, lambda: CALLS[name](by_column, TABLE), text)


def test_predict_from_the_middle_of_training_rows_raises(by_column):
    text = "among the rows of fit, which are from 2024-01-01 to 2024-01-10.*slice"
    assert_refused(by_column, lambda: by_column.predict(TABLE[6:]), text)


# --------------------------------------------------------------------------------------
# Ids
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, np.nan])
def test_fit_missing_id_raises(value):
    table = TABLE.copy()
    table["shop"] = [value if k == 4 else one for k, one in enumerate(table["shop"])]
    text = (
        r"1 row\(s\) of X have no series id: column 'shop' holds NaN, None or NaT,"
        r" first in row 4. Give these rows an id, or drop them"
    )
    estimator = regressor(series_id="shop")
    assert_refused(estimator, lambda: estimator.fit(table, y), text)


def test_fit_missing_id_in_array_raises():
    X = np.column_stack([np.repeat([1.0, np.nan], 5), make_rows(10, 1, seed=1)])
    text = r"5 row\(s\) of X have no series id: column 0 holds NaN"
    estimator = regressor(series_id=0)
    assert_refused(estimator, lambda: estimator.fit(X, y[:10]), text)


@each_call
def test_calls_without_id_column_raise(by_column, call):
    rows = later(TABLE).drop(columns="shop")
    text = "series_id names column 'shop', which X lacks.*must be passed to predict"
    assert_refused(by_column, lambda: call(by_column, rows), text)


@each_call
def test_calls_with_ids_of_another_dtype_raise(by_column, call):
    rows = later(TABLE)
    rows["shop"] = np.tile([1, 2], N)
    text = r"Series ids in 'shop' are of dtype int64 \(.*\), but were.*astype\(str\)"
    assert_refused(by_column, lambda: call(by_column, rows), text, TypeError)


@each_call
def test_calls_without_ids_after_fit_with_ids_raise(by_index, call):
    rows = later(TABLE).drop(columns="shop")[::2]
    text = "The series of fit had ids, but those of X have none"
    assert_refused(by_index, lambda: call(by_index, rows), text)


@each_call
def test_calls_with_ids_after_fit_without_ids_raise(on_one, call):
    rows = indexed(later(TABLE))
    text = "The series of fit had no ids, but those of X have some"
    assert_refused(on_one, lambda: call(on_one, rows), text)


@pytest.mark.parametrize(
    "call",
    [
        lambda e: e.reset_states(series="town"),
        lambda e: e.forget("town"),
        lambda e: e.get_states("town"),
        lambda e: e.forecast(2, series="town", feedback=lambda p, k: np.zeros(2)),
        lambda e: e.forecast(
            2, series=["a", "town"], feedback=lambda p, k: np.zeros((2, 2))
        ),
    ],
)
def test_calls_with_unknown_series_raise(by_column, call):
    text = r"There is no series 'town' among the 2 known.*\['a', 'b'\]. See series_"
    assert_refused(by_column, lambda: call(by_column), text, KeyError)


def test_calls_with_series_on_one_without_name_raise(on_one):
    text = "names a series, but the estimator was fitted on one without a name"
    call = lambda: on_one.reset_states(series="a")  # noqa: E731
    assert_refused(on_one, call, text, KeyError)


# --------------------------------------------------------------------------------------
# Kinds of labels
# --------------------------------------------------------------------------------------

OTHER_LABELS = {
    "integers": (pd.RangeIndex(N, 2 * N), "X have integer labels, but those of fit"),
    "periods": (pd.period_range("2024-01-11", periods=N), "period labels of frequency"),
    "a time zone": (
        pd.date_range("2024-01-11", periods=N, tz="Europe/Berlin"),
        "X have datetime labels with a time zone, but those of fit had datetime labels",
    ),
}


@pytest.mark.parametrize(("index", "text"), OTHER_LABELS.values(), ids=OTHER_LABELS)
@pytest.mark.parametrize("name", ["predict", "observe", "step", "partial_fit"])
def test_calls_with_labels_of_another_kind_raise(on_one, name, index, text):
    rows = pd.DataFrame(make_rows(N, 2, seed=5), index, columns=["u", "v"])
    text = f"{text}.*Label the rows as in fit"
    assert_refused(on_one, lambda: CALLS[name](on_one, rows), text, TypeError)


def test_fit_last_level_of_index_that_is_no_time_raises():
    frame = TABLE.set_index("shop", append=True)  # dates before ids
    estimator = regressor()
    text = "The last level of X's MultiIndex must be the time.*reorder_levels"
    assert_refused(estimator, lambda: estimator.fit(frame, y), text)


# --------------------------------------------------------------------------------------
# Targets
# --------------------------------------------------------------------------------------


def test_fit_target_in_another_order_raises():
    frame = indexed(TABLE)
    target = pd.Series(y, frame.index)
    text = r"index of y has the labels of X in another order.*Pass y.loc\[X.index\]"
    for shuffled in (target[::-1], target.sort_index()):
        estimator = regressor()
        assert_refused(estimator, lambda: estimator.fit(frame, shuffled), text)
    regressor().fit(frame, target)
    regressor().fit(frame, target.to_numpy())
    regressor().fit(frame, target.reset_index(drop=True))  # says nothing


def test_partial_fit_target_in_another_order_raises(by_index):
    frame = indexed(later(TABLE))
    target = pd.Series(y, frame.index)[::-1]
    text = re.escape("Pass y.loc[X.index]")
    assert_refused(by_index, lambda: by_index.partial_fit(frame, target), text)


# --------------------------------------------------------------------------------------
# Few rows, which are no error
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", ["tiled", "sliding"])
def test_fit_series_of_one_row_works(windows):
    """With sliding windows it has no whole window, and is only predicted."""
    table = pd.concat([TABLE, later(table_of(["c"], n=1), 2)])
    target = np.append(y, 1.0)
    estimator = regressor(series_id="shop", windows=windows, stateful=False)
    estimator.fit(table, target)
    assert list(estimator.series_) == ["a", "b", "c"]
    assert np.isfinite(estimator.predict(table)).all()
    assert np.isfinite(estimator.predict(later(table_of(["c"], n=1), 3))).all()
    assert np.isfinite(estimator.predict(table_of(["new"], n=1))).all()


def test_fit_single_row_works():
    estimator = regressor().fit(make_rows(1, 2, seed=6), [0.5])
    assert estimator.predict(make_rows(2, 2, seed=7)).shape == (2,)
    assert estimator.n_windows_ == 1
