"""frame_series on panels: each series is shifted by itself, rows stay in order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklstm.preprocessing import frame_series


def make_panel(labels, names=("shop", "day")):
    """A panel whose values tell the series and the time: shop "b", day 2 is 102."""
    index = pd.MultiIndex.from_tuples(labels, names=names)
    values = [100 * ord(str(label[0])[0]) - 9700 + label[-1] for label in labels]
    return pd.DataFrame(
        {"count": values, "day": [label[-1] for label in labels]}, index
    )


INTERLEAVED = [("b", 1), ("a", 1), ("a", 2), ("b", 2), ("c", 1), ("a", 3), ("b", 3)]


# ------------------------------------------------------------------------------ Values


def test_frame_series_of_interleaved_rows_by_hand():
    X, y = frame_series(make_panel(INTERLEAVED), target="count")
    known = [("b", 1), ("a", 1), ("a", 2), ("b", 2)]  # all but the last of each shop
    assert X.index.tolist() == y.index.tolist() == known
    assert X.index.names == ["shop", "day"]
    assert X["count"].tolist() == [101, 1, 2, 102]
    assert y.tolist() == [102, 2, 3, 103]
    assert y.name == "count[t+1]"


def test_frame_series_with_several_horizons_by_hand():
    X, y = frame_series(make_panel(INTERLEAVED), [2, 1], target=["count", "day"])
    assert X.index.tolist() == [("b", 1), ("a", 1)]
    assert y.columns.tolist() == ["count[t+2]", "day[t+2]", "count[t+1]", "day[t+1]"]
    assert y.to_numpy().tolist() == [[103, 3, 102, 2], [3, 3, 2, 2]]


def test_frame_series_of_a_series_with_a_multiindex():
    X, y = frame_series(make_panel(INTERLEAVED)["count"].rename(None))
    assert type(X) is pd.DataFrame and X.columns.tolist() == ["value"]
    assert type(y) is pd.Series and y.name == "value[t+1]"
    assert y.tolist() == [102, 2, 3, 103]


def test_frame_series_with_three_levels_shifts_within_the_first_two():
    labels = [("n", "a", 1), ("s", "a", 1), ("n", "a", 2), ("s", "a", 2), ("s", "b", 1)]
    panel = make_panel(labels, names=["region", "shop", "day"])
    panel["count"] = range(5)
    X, y = frame_series(panel, target="count")
    assert X.index.tolist() == labels[:2]
    assert y.tolist() == [2, 3]


def test_frame_series_with_one_level_is_that_of_one_series():
    flat = pd.DataFrame({"count": [1, 2, 3]}, index=[1, 1, 0])  # in no order of time
    single = flat.set_axis(pd.MultiIndex.from_arrays([flat.index]))
    X, y = frame_series(single)
    assert y.tolist() == frame_series(flat)[1].tolist() == [2, 3]
    assert X.index.nlevels == 1


def test_frame_series_shifts_rows_whatever_time_their_labels_name():
    """As for one series: a day that is missing is not made up."""
    _, y = frame_series(make_panel([("a", 1), ("a", 2), ("a", 7)]), target="count")
    assert y.tolist() == [2, 7]


def test_frame_series_leaves_out_a_series_no_longer_than_the_horizon():
    X, _ = frame_series(make_panel(INTERLEAVED), 2)
    assert X.index.unique("shop").tolist() == ["b", "a"]


@pytest.mark.parametrize("horizon", [1, [1, 2]], ids=str)
def test_frame_series_leaves_the_callers_panel_alone(horizon):
    panel = make_panel(INTERLEAVED)
    before = panel.copy()
    for out in frame_series(panel, horizon, target=["count"]):
        out.iloc[0, 0] = 0
    pd.testing.assert_frame_equal(panel, before)


def test_frame_series_of_one_series_keeps_the_frequency_of_its_index():
    days = pd.date_range("2024-01-01", periods=4)
    X, y = frame_series(pd.Series(range(4), days))
    assert X.index.freq == y.index.freq == days.freq


# -------------------------------------------------------------------------------- Laws

#: How many rows each series has, and in which order the rows of all of them come.
PANELS = st.lists(st.integers(1, 6), min_size=1, max_size=5).flatmap(
    lambda lengths: st.permutations(np.repeat(range(len(lengths)), lengths).tolist())
)


def interleave(order):
    """A panel with a row for each entry of ``order``, the number of its series."""
    days = [order[:i].count(series) for i, series in enumerate(order)]
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_arrays(
        [[f"s{series}" for series in order], pd.to_datetime(days, unit="D")],
        names=["series", "day"],
    )
    return pd.DataFrame(rng.normal(size=(len(order), 2)), index, ["p", "q"])


@given(order=PANELS, horizon=st.integers(1, 3))
def test_frame_series_equals_a_shift_within_groups(order, horizon):
    panel = interleave(order)
    target = panel.groupby(level="series")["p"].shift(-horizon)
    if target.isna().all():
        with pytest.raises(ValueError, match=f"too few for a horizon of {horizon}"):
            frame_series(panel, horizon, target="p")
        return
    X, y = frame_series(panel, horizon, target="p")
    pd.testing.assert_frame_equal(X, panel[target.notna()])
    pd.testing.assert_series_equal(y, target.dropna(), check_names=False)


@given(order=PANELS)
def test_frame_series_of_a_panel_is_that_of_each_series_alone(order):
    panel = interleave(order)
    longest = panel.groupby(level="series").size().max()
    if longest < 3:
        return
    X, y = frame_series(panel, [1, 2], target=["q", "p"])
    for name, alone in panel.groupby(level="series"):
        if len(alone) < 3:
            assert name not in X.index.unique("series")
            continue
        alone_X, alone_y = frame_series(
            alone.droplevel("series"), [1, 2], target=["q", "p"]
        )
        pd.testing.assert_frame_equal(X.xs(name), alone_X, check_freq=False)
        pd.testing.assert_frame_equal(y.xs(name), alone_y, check_freq=False)


# ------------------------------------------------------------------------------ Errors


def test_frame_series_of_too_short_series_raises():
    text = (
        "The panel has 3 series of at most 3 rows, too few for a horizon of 3: "
        "expected at least 4 in one of them"
    )
    with pytest.raises(ValueError, match=text):
        frame_series(make_panel(INTERLEAVED), [1, 3])


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (
            [("a", 1), ("b", 1), ("a", 3), ("a", 2)],
            "In series 'a', the row of 2 comes after that of 3",
        ),
        (
            [("a", 1), ("b", 1), ("b", 1), ("a", 2)],
            "In series 'b', the row of 1 comes after that of 1",
        ),
    ],
    ids=["backwards", "twice"],
)
def test_frame_series_with_time_that_does_not_grow_raises(labels, text):
    with pytest.raises(ValueError, match=text) as caught:
        frame_series(make_panel(labels))
    assert "sort_index() puts rows in order" in str(caught.value)


def test_frame_series_with_a_series_in_the_last_level_raises():
    """Levels the wrong way round: the days would be taken for series of shops."""
    panel = make_panel(INTERLEAVED).swaplevel()
    with pytest.raises(ValueError, match="MultiIndex must be the time of each row"):
        frame_series(panel)


def test_frame_series_without_a_level_of_time_raises():
    """Numbers of shops in the last level are no time: they come twice in a region."""
    index = pd.MultiIndex.from_tuples([("n", 1), ("n", 2), ("n", 1), ("n", 2)])
    with pytest.raises(
        ValueError, match="In series 'n', the row of 1 comes after that"
    ):
        frame_series(pd.DataFrame({"count": range(4)}, index))
