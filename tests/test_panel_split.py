"""PanelSplit: folds by hand, the laws of its folds, in searches, and its errors."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm.model_selection import PanelSplit
from sklstm.preprocessing import frame_series

#: Three shops and six days, which begin and end at different days, in no order of rows.
ROWS = [
    ("a", 1),  # 0
    ("b", 3),  # 1
    ("a", 2),  # 2
    ("c", 2),  # 3
    ("b", 4),  # 4
    ("a", 3),  # 5
    ("c", 1),  # 6
    ("b", 5),  # 7
    ("a", 4),  # 8
    ("b", 6),  # 9
]


def make_panel(rows=ROWS):
    index = pd.MultiIndex.from_tuples(rows, names=["shop", "day"])
    return pd.DataFrame({"p": range(len(rows)), "q": 1.0}, index)


def folds_of(split, X, groups=None):
    return [
        (train.tolist(), test.tolist()) for train, test in split.split(X, groups=groups)
    ]


# ---------------------------------------------------------------------- Folds by hand


def test_split_by_hand():
    folds = folds_of(PanelSplit(n_splits=2), make_panel())
    assert folds == [
        ([0, 2, 3, 6], [1, 4, 5, 8]),  # days 1 and 2, days 3 and 4
        ([0, 1, 2, 3, 4, 5, 6, 8], [7, 9]),  # days 1 to 4, days 5 and 6
    ]


def test_split_with_test_size_gap_and_max_train_size_by_hand():
    split = PanelSplit(n_splits=2, test_size=1, gap=1, max_train_size=2)
    assert folds_of(split, make_panel()) == [
        ([1, 2, 3, 5], [7]),  # days 2 and 3, day 5
        ([1, 4, 5, 8], [9]),  # days 3 and 4, day 6
    ]


def test_split_counts_a_label_once_however_many_rows_have_it():
    rows = [("a", 1), ("a", 2), ("a", 3)] + [(f"s{i}", 2) for i in range(20)]
    (first, _), (second, _) = folds_of(PanelSplit(n_splits=2), make_panel(rows))
    assert first == [0]
    assert second == [0, 1, *range(3, 23)]


def test_split_into_one_fold():
    assert folds_of(PanelSplit(1, test_size=2), make_panel()) == [
        ([0, 1, 2, 3, 4, 5, 6, 8], [7, 9])
    ]


def as_dates(days):
    return pd.Timestamp("2024-01-31") + pd.to_timedelta(days, unit="D")


@pytest.mark.parametrize(
    "label",
    [
        lambda days: days,
        as_dates,
        lambda days: as_dates(days).tz_localize("Europe/Berlin"),
        lambda days: as_dates(days).to_period("D"),
    ],
    ids=["integers", "dates", "dates with a time zone", "periods"],
)
@pytest.mark.parametrize("place", ["level", "index", "groups"])
def test_split_reads_time_from_levels_index_and_groups(label, place):
    panel = make_panel()
    expected = folds_of(PanelSplit(2), panel)
    time = label(panel.index.get_level_values("day"))
    shop = panel.index.get_level_values("shop")
    if place == "level":
        X = panel.set_axis(pd.MultiIndex.from_arrays([shop, time]))
        assert folds_of(PanelSplit(2), X) == expected
    elif place == "index":
        X = panel.set_axis(time).assign(shop=shop)
        assert folds_of(PanelSplit(2, series_id="shop"), X) == expected
        assert folds_of(PanelSplit(2), X) == expected  # the labels alone decide
    else:
        X = panel.to_numpy()
        for groups in (time, list(time), pd.Series(time), time.to_numpy()):
            assert folds_of(PanelSplit(2), X, groups) == expected


def test_split_of_an_array_with_a_column_of_ids():
    panel = make_panel()
    codes = panel.index.codes[0]
    X = np.column_stack([panel.to_numpy(), codes])
    time = panel.index.get_level_values("day")
    split = PanelSplit(2, series_id=-1)
    assert folds_of(split, X, time) == folds_of(PanelSplit(2), panel)


def test_split_takes_groups_where_the_index_only_numbers_rows():
    """That of a frame made anew, and what is left of it after rows were taken."""
    panel = make_panel()
    expected = folds_of(PanelSplit(2), panel)
    time = panel.index.get_level_values("day").to_numpy()
    anew = panel.reset_index(drop=True)
    assert folds_of(PanelSplit(2), anew, time) == expected
    taken = pd.concat([anew, anew]).set_axis(range(20))[10:]
    assert folds_of(PanelSplit(2), taken, time) == expected


def test_split_takes_groups_that_agree_with_the_labels():
    panel = make_panel()
    dates = as_dates(panel.index.get_level_values("day"))
    assert folds_of(PanelSplit(2), panel, dates) == folds_of(PanelSplit(2), panel)


def test_split_changes_nothing_and_repeats_itself():
    panel = make_panel()
    before, split = panel.copy(), PanelSplit(2)
    assert folds_of(split, panel) == folds_of(split, panel)
    pd.testing.assert_frame_equal(panel, before)


# --------------------------------------------------------------------------------- Laws

SIZES = st.fixed_dictionaries(
    {
        "n_splits": st.integers(2, 6),
        "test_size": st.none() | st.integers(1, 4),
        "gap": st.integers(0, 4),
        "max_train_size": st.none() | st.integers(1, 5),
    }
)


@given(sizes=SIZES, n_rows=st.integers(1, 30))
def test_split_of_one_series_equals_TimeSeriesSplit(sizes, n_rows):
    """Where TimeSeriesSplit refuses the sizes, PanelSplit does so too."""
    days = pd.date_range("2024-01-01", periods=n_rows)
    values = np.zeros((n_rows, 1))
    panel = pd.DataFrame(
        values, pd.MultiIndex.from_product([["a"], days], names=["shop", "day"])
    )
    ways = [(panel, None), (pd.DataFrame(values, days), None), (values, days)]
    try:
        expected = folds_of(TimeSeriesSplit(**sizes), values)
    except ValueError:
        for X, groups in ways:
            with pytest.raises(ValueError, match=f"There are {n_rows} time labels"):
                PanelSplit(**sizes).split(X, groups=groups)
        return
    for X, groups in ways:
        assert folds_of(PanelSplit(**sizes), X, groups) == expected


#: Rows of up to five series in any order, one of which has all of the days 0 to 11.
PANELS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 15)), max_size=30, unique=True
).flatmap(lambda rows: st.permutations([*rows, *(("e", day) for day in range(12))]))

#: Sizes for which twelve labels are enough.
SMALL_SIZES = st.fixed_dictionaries(
    {
        "n_splits": st.integers(1, 3),
        "test_size": st.integers(1, 3),
        "gap": st.integers(0, 2),
        "max_train_size": st.none() | st.integers(1, 5),
    }
)


@given(rows=PANELS, sizes=SMALL_SIZES)
def test_split_keeps_every_training_time_before_every_test_time(rows, sizes):
    panel = make_panel(rows)
    time = panel.index.get_level_values("day").to_numpy()
    labels = np.unique(time)
    folds = list(PanelSplit(**sizes).split(panel))
    tested = np.concatenate([test for _, test in folds])
    assert len(np.unique(tested)) == len(tested)
    assert len(folds) == sizes["n_splits"]
    for train, test in folds:
        between = (labels > time[train].max()) & (labels < time[test].min())
        assert between.sum() == sizes["gap"]
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
        if sizes["max_train_size"] is not None:
            assert len(np.unique(time[train])) <= sizes["max_train_size"]
        assert len(np.unique(time[test])) == sizes["test_size"]


@given(rows=PANELS, order=st.randoms(use_true_random=False))
def test_split_does_not_depend_on_the_order_of_rows(rows, order):
    shuffled = order.sample(rows, len(rows))
    folds = []
    for some in (rows, shuffled):
        folds.append(
            [
                [{some[i] for i in part} for part in fold]
                for fold in PanelSplit(2).split(make_panel(some))
            ]
        )
    assert folds[0] == folds[1]


# -------------------------------------------------------------- In scikit-learn's hands


def make_sales():
    """A framed panel of four shops and 40 days, whose sales follow the day before's."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40)
    index = pd.MultiIndex.from_product([list("abcd"), days], names=["shop", "day"])
    walk = rng.normal(size=(4, 40)).cumsum(axis=1).ravel()
    return frame_series(pd.DataFrame({"sales": walk}, index))


MODEL = make_pipeline(StandardScaler(), Ridge())
GRID = {"ridge__alpha": [0.1, 1.0, 1e6]}


def test_GridSearchCV_with_PanelSplit_chooses_by_later_days():
    X, y = make_sales()
    search = GridSearchCV(MODEL, GRID, cv=PanelSplit(3, test_size=5)).fit(X, y)
    assert search.n_splits_ == 3
    assert search.best_params_["ridge__alpha"] != 1e6
    day = X.index.get_level_values("day")
    for i, (train, test) in enumerate(PanelSplit(3, test_size=5).split(X)):
        assert day[train].max() < day[test].min()
        model = sklearn.clone(MODEL).set_params(ridge__alpha=1.0)
        score = model.fit(X.iloc[train], y.iloc[train]).score(
            X.iloc[test], y.iloc[test]
        )
        assert search.cv_results_[f"split{i}_test_score"][1] == pytest.approx(score)


def test_GridSearchCV_hands_groups_to_PanelSplit():
    X, y = make_sales()
    day = X.index.get_level_values("day")
    expected = GridSearchCV(MODEL, GRID, cv=PanelSplit(3)).fit(X, y).cv_results_
    search = GridSearchCV(MODEL, GRID, cv=PanelSplit(3))
    found = search.fit(X.to_numpy(), y.to_numpy(), groups=day).cv_results_
    np.testing.assert_allclose(found["mean_test_score"], expected["mean_test_score"])


def test_cross_validate_hands_groups_to_PanelSplit():
    X, y = make_sales()
    day = X.index.get_level_values("day")
    split = PanelSplit(3, gap=2)
    labelled = cross_validate(MODEL, X, y, cv=split)
    given_time = cross_validate(MODEL, X.to_numpy(), y, cv=split, groups=day)
    np.testing.assert_allclose(labelled["test_score"], given_time["test_score"])
    assert len(labelled["test_score"]) == split.get_n_splits() == 3


def test_metadata_routing_hands_groups_to_PanelSplit():
    X, y = make_sales()
    day = X.index.get_level_values("day")
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_validate(
            MODEL, X.to_numpy(), y, cv=PanelSplit(3), params={"groups": day}
        )
    expected = cross_validate(MODEL, X, y, cv=PanelSplit(3))
    np.testing.assert_allclose(scores["test_score"], expected["test_score"])


def test_PanelSplit_inside_a_PanelSplit():
    """A search within each outer fold: rows taken from a panel keep their labels."""
    X, y = make_sales()
    search = GridSearchCV(MODEL, GRID, cv=PanelSplit(2))
    outer = cross_validate(search, X, y, cv=PanelSplit(2), error_score="raise")
    assert np.isfinite(outer["test_score"]).all()


def test_PanelSplit_shows_its_parameters_and_can_be_copied():
    split = PanelSplit(3, gap=1, series_id=["shop"])
    assert "gap=1, max_train_size=None, n_splits=3, series_id=['shop']" in repr(split)
    for twin in (copy.deepcopy(split), pickle.loads(pickle.dumps(split))):
        assert vars(twin) == vars(split)


# ------------------------------------------------------------------------------- Errors


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"n_splits": 0}, ValueError, "n_splits must be a positive integer, got 0"),
        ({"n_splits": 2.0}, TypeError, "n_splits must be a positive integer, got 2.0"),
        ({"test_size": 0}, ValueError, "test_size must be a positive integer, got 0"),
        ({"test_size": 0.2}, TypeError, "test_size must be a positive integer"),
        ({"max_train_size": 0}, ValueError, "max_train_size must be a positive"),
        ({"gap": -1}, ValueError, "gap must be an integer of at least 0, got -1"),
        ({"gap": False}, TypeError, "gap must be an integer of at least 0, got F"),
    ],
)
def test_split_with_impossible_parameters_raises(parameters, error, text):
    with pytest.raises(error, match=text):
        PanelSplit(**parameters).split(make_panel())


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (
            {"n_splits": 6},
            "There are 6 time labels, but n_splits=6 test parts of test_size=1, gap=0 "
            "and one label to train on take 7",
        ),
        (
            {"n_splits": 2, "gap": 2},
            "n_splits=2 test parts of test_size=2, gap=2 and one label to train on "
            "take 7",
        ),
        ({"n_splits": 2, "test_size": 3}, "of test_size=3, gap=0 and one label .* 7"),
    ],
)
def test_split_with_too_few_labels_raises(parameters, text):
    with pytest.raises(ValueError, match=text):
        PanelSplit(**parameters).split(make_panel())


@pytest.mark.parametrize(
    "X",
    [
        make_panel().to_numpy(),
        make_panel().to_numpy().tolist(),
        make_panel().reset_index(drop=True),
        make_panel().set_axis(list("abcdefghij")),
    ],
    ids=["array", "list", "new frame", "text"],
)
def test_split_without_time_labels_raises(X):
    with pytest.raises(
        ValueError, match="carries no time labels to split by"
    ) as caught:
        PanelSplit(2).split(X)
    assert "pass the time of each row as groups=" in str(caught.value)
    assert type(X).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("series_id", "found"), [(None, "one series"), ("shop", "3 series")]
)
def test_split_by_an_index_that_numbers_rows_raises(series_id, found):
    """As it is where rows were taken of a frame with the index of a new one."""
    X = make_panel().reset_index("shop").set_axis(range(5, 15))
    text = rf"index of X numbers its 10 rows \({found}, and no number comes twice\)"
    with pytest.raises(ValueError, match=text) as caught:
        PanelSplit(2, series_id=series_id).split(X)
    assert "pass the time of each row as groups=" in str(caught.value)


def test_split_by_numbers_of_a_single_named_series():
    X = pd.DataFrame({"shop": "a", "p": range(6)}, index=range(5, 11))
    split = PanelSplit(2, series_id="shop")
    assert folds_of(split, X) == folds_of(TimeSeriesSplit(2), X)


def test_split_by_groups_of_text_raises():
    """As it is where ids are passed, which other splitters take as groups."""
    panel = make_panel()
    shop = panel.index.get_level_values("shop")
    with pytest.raises(TypeError, match="groups begins with 'a', of dtype"):
        PanelSplit(2).split(panel.to_numpy(), groups=shop)


def test_split_by_groups_that_contradict_the_labels_raises():
    panel = make_panel()
    with pytest.raises(ValueError, match="put rows in another order") as caught:
        PanelSplit(2).split(panel, groups=panel.index.codes[0])
    assert "series are told apart by series_id" in str(caught.value)


@pytest.mark.parametrize("groups", [[1, 2, 3], np.zeros((10, 2)), 5], ids=str)
def test_split_by_groups_of_another_shape_raises(groups):
    with pytest.raises(
        ValueError, match=r"groups has shape .* X has 10 rows: expected"
    ):
        PanelSplit(2).split(make_panel().to_numpy(), groups=groups)


def test_split_by_a_missing_time_raises():
    panel = make_panel()
    time = as_dates(panel.index.get_level_values("day")).to_series()
    time.iloc[[3, 5]] = pd.NaT
    text = "time is missing .* in 2 of 10 rows, the first of them row 3"
    with pytest.raises(ValueError, match=text):
        PanelSplit(2).split(panel.to_numpy(), groups=time)
    shop = panel.index.get_level_values("shop")
    with pytest.raises(ValueError, match=text):
        PanelSplit(2).split(panel.set_axis(pd.MultiIndex.from_arrays([shop, time])))


def test_split_with_a_series_id_that_is_not_there_raises():
    with pytest.raises(ValueError, match="series_id names column 'store'"):
        PanelSplit(2, series_id="store").split(make_panel().reset_index("shop"))
