"""Whose each row is, and when it was: ids and times as they are read from a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklstm._rows.series import match_series, read_labels

DAYS = pd.date_range("2024-01-01", periods=3, freq="D")


def frame(**columns: Any) -> pd.DataFrame:
    """A frame of two shops on two days, with one feature."""
    return pd.DataFrame(
        {"shop": ["north", "south", "north", "south"], "x": [1.0, 2.0, 3.0, 4.0]}
        | columns
    )


def levels(*arrays: list, names: list[str] | None = None) -> pd.DataFrame:
    index = pd.MultiIndex.from_arrays(arrays, names=names)
    return pd.DataFrame({"x": np.arange(len(index), dtype=float)}, index=index)


# --------------------------------------------------------------------------------------
# One series
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 2)),
        np.zeros((3, 4, 2)),
        [[0.0], [1.0], [2.0]],
        pd.DataFrame({"x": [0.0, 1.0, 2.0]}),
        pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=list("abc")),
        pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=[0.5, 1.5, 2.5]),
        pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=[True, False, True]),
    ],
    ids=["array", "windows", "list", "new-frame", "text", "floats", "bools"],
)
def test_read_labels_of_rows_without_labels_gives_one_series_without_time(X):
    rows, labels = read_labels(X)
    assert rows is X
    assert labels.ids is None
    assert labels.time is None
    assert labels.n_series == 1
    assert labels.codes.tolist() == [0, 0, 0]
    assert labels.codes.dtype == np.int64


@pytest.mark.parametrize(
    "index",
    [
        DAYS,
        DAYS.tz_localize("Europe/Berlin"),
        DAYS.to_period("D"),
        pd.RangeIndex(3, 6),
        pd.RangeIndex(0, 6, 2),
        pd.Index([7, 8, 10]),
        pd.Index([7, 8, 10], dtype="uint8"),
    ],
    ids=["dates", "zone", "periods", "range", "step-2", "integers", "uint8"],
)
def test_read_labels_takes_an_index_of_dates_periods_or_integers_as_time(index):
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=index)
    rows, labels = read_labels(X)
    assert rows is X
    assert labels.ids is None
    pd.testing.assert_index_equal(labels.time, index)


def test_read_labels_takes_an_index_of_days_as_objects_as_time():
    """So pyarrow returns the days of a Parquet file."""
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=pd.Index(DAYS.date, dtype=object))
    _, labels = read_labels(X)
    assert isinstance(labels.time, pd.DatetimeIndex)
    assert labels.time.tolist() == DAYS.tolist()
    _, labels = read_labels(levels(["b", "a", "b"], DAYS.date))
    assert labels.time.tolist() == DAYS.tolist()


def test_read_labels_of_a_pandas_series_reads_its_index():
    X = pd.Series([0.0, 1.0, 2.0], index=DAYS)
    rows, labels = read_labels(X)
    assert rows is X
    pd.testing.assert_index_equal(labels.time, DAYS)


def test_series_name_is_what_a_reader_knows():
    _, labels = read_labels(frame(), "shop")
    assert labels.series_name(1) == "series 'south'"
    _, labels = read_labels(frame(store=[7, 7, 8, 8]), ["shop", "store"])
    assert labels.series_name(2) == "series ('north', 8)"
    _, labels = read_labels(frame())
    assert labels.series_name(0) == "the series"


# --------------------------------------------------------------------------------------
# Levels of an index
# --------------------------------------------------------------------------------------


def test_read_labels_of_two_levels_gives_ids_in_order_of_first_appearance():
    X = levels(["b", "a", "b"], DAYS, names=["shop", "day"])
    rows, labels = read_labels(X)
    assert rows is X
    assert labels.ids.tolist() == ["b", "a"]
    assert labels.ids.name == "shop"
    assert labels.codes.tolist() == [0, 1, 0]
    assert labels.time.tolist() == DAYS.tolist()


def test_read_labels_of_three_levels_tells_series_apart_by_two():
    X = levels(["b", "a", "b", "b"], [1, 1, 2, 1], [5, 5, 5, 6])
    _, labels = read_labels(X)
    assert labels.ids.tolist() == [("b", 1), ("a", 1), ("b", 2)]
    assert labels.codes.tolist() == [0, 1, 2, 0]
    assert labels.time.tolist() == [5, 5, 5, 6]


def test_read_labels_leaves_out_levels_that_no_row_uses():
    X = levels(["a", "b", "c"], DAYS).iloc[1:]
    _, labels = read_labels(X)
    assert labels.ids.tolist() == ["b", "c"]
    assert labels.codes.tolist() == [0, 1]


def test_read_labels_of_a_multiindex_of_one_level_reads_it_as_time():
    _, labels = read_labels(levels(DAYS))
    assert labels.ids is None
    pd.testing.assert_index_equal(labels.time, DAYS, check_names=False)


@pytest.mark.parametrize("last", [["x", "y"], [0.5, 1.5], [True, False]])
def test_read_labels_refuses_a_last_level_that_is_no_time(last):
    X = levels(["a", "b"], last, names=["shop", "day"])
    with pytest.raises(
        ValueError, match=r"last level .* index level 'day'.*to_datetime"
    ):
        read_labels(X)


def test_read_labels_refuses_a_missing_id_in_a_level():
    X = levels(["a", None, "a"], DAYS, names=["shop", "day"])
    with pytest.raises(ValueError, match=r"1 row\(s\) .* level 'shop' .* in row 1\."):
        read_labels(X)


# --------------------------------------------------------------------------------------
# Columns of ids
# --------------------------------------------------------------------------------------


def test_read_labels_takes_the_id_column_out_of_a_copy_of_the_frame():
    X = frame()
    before = X.copy()
    rows, labels = read_labels(X, "shop")
    assert list(rows.columns) == ["x"]
    assert labels.ids.tolist() == ["north", "south"]
    assert labels.ids.name == "shop"
    assert labels.codes.tolist() == [0, 1, 0, 1]
    assert labels.time is None
    rows.iloc[0, 0] = -1.0
    pd.testing.assert_frame_equal(X, before)


def test_read_labels_with_an_id_column_reads_time_from_the_index():
    X = frame().set_index(pd.DatetimeIndex(DAYS[[0, 0, 1, 1]]))
    _, labels = read_labels(X, "shop")
    assert labels.time.tolist() == DAYS[[0, 0, 1, 1]].tolist()


@pytest.mark.parametrize("series_id", [["shop", "store"], [0, 2], ("shop", -1)])
def test_read_labels_with_two_id_columns_combines_them(series_id):
    rows, labels = read_labels(frame(store=[7, 7, 8, 7]), series_id)
    assert list(rows.columns) == ["x"]
    assert labels.ids.tolist() == [("north", 7), ("south", 7), ("north", 8)]
    assert list(labels.ids.names) == ["shop", "store"]
    assert labels.codes.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("series_id", [1, -1, [1], np.int64(1)])
def test_read_labels_of_an_array_takes_ids_by_position(series_id):
    rows, labels = read_labels(
        np.array([[1.0, 7.0], [2.0, 5.0], [3.0, 7.0]]), series_id
    )
    np.testing.assert_array_equal(rows, [[1.0], [2.0], [3.0]])
    assert labels.ids.tolist() == [7.0, 5.0]
    assert labels.codes.tolist() == [0, 1, 0]


def test_read_labels_of_a_list_keeps_text_and_numbers_apart():
    rows, labels = read_labels([["a", 1.5], ["b", 2.5]], 0)
    assert rows.tolist() == [[1.5], [2.5]]
    assert labels.ids.tolist() == ["a", "b"]


def test_read_labels_takes_an_int_for_a_name_where_a_column_has_it():
    X = pd.DataFrame({5: [1.0, 2.0], 0: ["a", "b"]})
    _, labels = read_labels(X, 0)
    assert labels.ids.tolist() == ["a", "b"]


def test_read_labels_reads_categories_as_their_values():
    shop = pd.Categorical(["b", "a", "b", "a"], categories=["a", "b", "never seen"])
    _, labels = read_labels(frame(shop=shop), "shop")
    assert not isinstance(labels.ids, pd.CategoricalIndex)
    assert labels.ids.tolist() == ["b", "a"]
    assert match_series(pd.Index(["a", "b"]), labels.ids).tolist() == [1, 0]


def test_read_labels_of_a_polars_frame_returns_a_polars_frame():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"shop": ["b", "a", "b"], "x": [1.0, 2.0, 3.0]})
    rows, labels = read_labels(X, "shop")
    assert rows.columns == ["x"]
    assert labels.ids.tolist() == ["b", "a"]
    assert labels.codes.tolist() == [0, 1, 0]
    assert labels.time is None


@pytest.mark.parametrize(
    ("X", "series_id", "error", "text"),
    [
        (
            frame(),
            "store",
            ValueError,
            r"'store', which X lacks.*\['shop', 'x'\].*as in",
        ),
        (frame(), 2, ValueError, r"column 2, which X lacks.*\['shop', 'x'\]"),
        (np.zeros((2, 2)), 2, ValueError, "column 2, which X lacks.*2 without names"),
        (np.zeros((2, 2)), "shop", ValueError, "'shop', which X lacks.*by position"),
        (frame(), ["shop", 0], ValueError, "names column 0 twice"),
        (frame(), ["shop", "x"], ValueError, r"2 of the 2 column\(s\).*as a feature"),
        (frame(), [], ValueError, r"names 0 of the 2 column\(s\).*series_id=None"),
        (frame()[["x", "x"]], "x", ValueError, "X has 2 columns of this name"),
        (frame(), 0.5, TypeError, "0.5 is of type float"),
        (frame(), True, TypeError, "True is of type bool"),
        (frame(), ["shop", None], TypeError, "None is of type NoneType"),
        (frame(), {"shop": 1}, TypeError, "is of type dict"),
        (np.zeros(3), 0, ValueError, r"ndarray and shape \(3,\).*n_columns"),
        (np.zeros((3, 2, 1)), 0, ValueError, r"shape \(3, 2, 1\)"),
        (frame()["x"], "shop", ValueError, r"Series and shape \(4,\)"),
        (levels(["a", "b"], [1, 2]), "x", ValueError, "MultiIndex.*Use one of the two"),
    ],
)
def test_read_labels_refuses_id_columns_that_are_not_there(X, series_id, error, text):
    with pytest.raises(error, match=text):
        read_labels(X, series_id)


@pytest.mark.parametrize(
    "ids",
    [
        ["a", None, "b", np.nan],
        [1.0, np.nan, 2.0, np.nan],
        pd.DatetimeIndex(["2024-01-01", None, "2024-01-02", None]),
        pd.array([1, None, 2, None], dtype="Int64"),
        pd.Categorical(["a", None, "b", None]),
    ],
    ids=["text", "floats", "dates", "Int64", "categories"],
)
def test_read_labels_refuses_missing_ids(ids):
    text = r"2 row\(s\) of X have no series id: column 'shop' .* first in row 1\."
    with pytest.raises(ValueError, match=text):
        read_labels(frame(shop=ids), "shop")


ROWS = st.tuples(st.sampled_from("abc"), st.integers(-2, 2), st.integers(1, 9))
PANELS = st.lists(ROWS, min_size=1, max_size=12)


@given(rows=PANELS, as_levels=st.booleans())
def test_read_labels_equals_a_loop_over_the_rows(rows, as_levels):
    X = pd.DataFrame(rows, columns=["shop", "store", "t"]).astype({"t": "int64"})
    X["x"] = 0.0
    X = X.set_index(["shop", "store", "t"]) if as_levels else X.set_index("t")
    _, labels = read_labels(X, None if as_levels else ["shop", "store"])
    ids: list[tuple] = []
    codes = []
    for shop, store, _ in rows:
        if (shop, store) not in ids:
            ids.append((shop, store))
        codes.append(ids.index((shop, store)))
    assert labels.ids.tolist() == ids
    assert labels.codes.tolist() == codes
    assert labels.time.tolist() == [t for _, _, t in rows]


# --------------------------------------------------------------------------------------
# Series of two calls
# --------------------------------------------------------------------------------------


def test_match_series_gives_positions_and_minus_one_for_new_series():
    known = pd.Index(["a", "b", "c"])
    assert match_series(known, pd.Index(["c", "d", "a"])).tolist() == [2, -1, 0]
    assert match_series(known, known[:0]).tolist() == []
    assert match_series(known[:0], known).tolist() == [-1, -1, -1]


def test_match_series_of_unnamed_series_takes_them_for_the_same():
    assert match_series(None, None).tolist() == [0]


def test_match_series_of_several_columns_compares_all_of_them():
    known = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    ids = pd.MultiIndex.from_tuples([("b", 1), ("b", 2), ("a", 1)])
    assert match_series(known, ids).tolist() == [2, -1, 0]


@pytest.mark.parametrize(
    ("known", "ids"),
    [
        (pd.Index([1, 2], dtype="int32"), pd.Index([2, 1])),
        (pd.Index([1, 2]), pd.Index([2.0, 1.0])),
        (pd.Index(["a", "b"], dtype=object), pd.Index(["b", "a"])),
        (pd.Index(["a", "b"]), pd.Index(["b", "a"], dtype="string")),
        (pd.Index(DAYS[:2]).as_unit("s"), pd.Index(DAYS[1::-1]).as_unit("ns")),
    ],
    ids=["int32", "whole-floats", "object", "string", "seconds"],
)
def test_match_series_recognises_ids_of_another_width_or_storage(known, ids):
    assert match_series(known, ids).tolist() == [1, 0]
    pair = [pd.MultiIndex.from_arrays([index, [0, 0]]) for index in (known, ids)]
    assert match_series(*pair).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("known", "ids", "text"),
    [
        (
            [7, 8],
            ["7", "8"],
            r"\(string\).* int64 \(number\) in fit.*astype\('int64'\)",
        ),
        (["7", "8"], [7, 8], r"int64 \(number\).*\(string\) in fit.*astype\(str\)"),
        ([0, 1], [False, True], r"bool \(boolean\).*int64 \(number\)"),
        (DAYS, [1, 2], r"int64 \(number\).*datetime64"),
        (DAYS, DAYS.tz_localize("UTC"), "with a time zone"),
        (DAYS.to_period("D"), DAYS.to_period("M"), "period of M.*period of D"),
    ],
    ids=["text", "numbers", "bools", "dates", "zones", "periods"],
)
def test_match_series_refuses_ids_of_another_type(known, ids, text):
    with pytest.raises(TypeError, match=f"Series ids in 'shop' .*{text}"):
        match_series(pd.Index(known, name="shop"), pd.Index(ids, name="shop"))


@pytest.mark.parametrize(
    ("known", "ids", "text"),
    [
        (None, pd.Index(["a"]), "fit had no ids, but those of X have some"),
        (pd.Index(["a"]), None, "fit had ids, but those of X have none.*series_id"),
        (
            pd.Index(["a"], name="shop"),
            pd.MultiIndex.from_tuples([("a", "b")], names=["region", "shop"]),
            r"2 column\(s\).*\['region', 'shop'\].*by 1 in fit, \['shop'\]",
        ),
        (
            pd.MultiIndex.from_tuples([("a", "b")], names=["shop", "region"]),
            pd.MultiIndex.from_tuples([("b", "a")], names=["region", "shop"]),
            "Pass the same in the same order",
        ),
    ],
    ids=["known-unnamed", "given-unnamed", "more-columns", "other-order"],
)
def test_match_series_refuses_ids_of_other_columns(known, ids, text):
    with pytest.raises(ValueError, match=text):
        match_series(known, ids)
