"""compare_states with tiled windows and panels: the three conditions, and the folds."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.compose import make_column_transformer
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import ContinuityWarning
from sklstm.model_selection import PanelSplit, compare_states

T = 4
SHOPS = ["north", "south"]
DAYS = pd.date_range("2024-01-01", periods=30, name="day")


def quick(**parameters):
    """A regressor that is fitted in no time: what it learns does not matter here."""
    shape = {"units": 4, "sequence_length": T, "batch_size": 2, "epochs": 1}
    return StatefulLSTMRegressor(windows="tiled", **{**shape, **parameters})


def make_series(n_rows=30, seed=0):
    """Random rows, and as target the sum of the row before the last one."""
    X = np.random.default_rng(seed).normal(size=(n_rows, 2))
    return X, np.roll(X.sum(axis=1), 2)


def make_panel(order=("shop", "day")):
    """Two shops on thirty days, shop by shop or day by day."""
    index = pd.MultiIndex.from_product([SHOPS, DAYS], names=["shop", "day"])
    rows, targets = make_series(len(index))
    X = pd.DataFrame(rows, index, columns=["a", "b"])
    X = X.assign(y=targets).sort_index(level=list(order))
    return X[["a", "b"]], X["y"]


def scorer_that_keeps(kept):
    """A scorer that appends what it was shown: carried, reset and swapped in turn."""

    def keep(estimator, X, y):
        kept.append(estimator.predict(X))
        return -np.mean((kept[-1] - y) ** 2)

    return keep


def compare(model, X, y, cv, **options):
    """The predictions under the three conditions for one seed, and the comparison."""
    kept: list[np.ndarray] = []
    options = {"random_states": [5], "scoring": scorer_that_keeps(kept), **options}
    return kept, compare_states(model, X, y, cv=cv, **options)


def tiles_of(rows: pd.DataFrame | np.ndarray) -> list:
    """Each tile of T rows of one series; the last one may be short."""
    return [rows[begin : begin + T] for begin in range(0, len(rows), T)]


# --------------------------------------------------------------------------------------
# The three conditions
# --------------------------------------------------------------------------------------


def test_compare_states_of_tiles_reset_equals_cold_tiles():
    """Ten test rows are tiles of four, four and two rows."""
    X, y = make_series()
    folds = [(np.arange(20), np.arange(20, 30))]
    (carried, reset, _), comparison = compare(quick(), X, y, folds)
    model = quick(random_state=5).fit(X[:20], y[:20])
    np.testing.assert_allclose(carried, model.predict(X[20:]), rtol=1e-5)
    cold = [model.reset_states().predict(tile) for tile in tiles_of(X[20:])]
    np.testing.assert_allclose(reset, np.concatenate(cold), rtol=1e-5)
    assert not np.allclose(carried[:T], reset[:T])
    scores = comparison.scores.loc[(0, 5)]
    assert scores["reset"] == pytest.approx(-np.mean((reset - y[20:]) ** 2))


@pytest.mark.parametrize("order", [("shop", "day"), ("day", "shop")])
def test_compare_states_of_panel_resets_tiles_of_each_series(order):
    """Answers come in the order of the rows, however series are interleaved."""
    X, y = make_panel(order)
    folds = list(PanelSplit(1, test_size=10).split(X))
    (carried, reset, swapped), _ = compare(quick(), X, y, folds)
    train, test = folds[0]
    model = quick(random_state=5).fit(X.iloc[train], y.iloc[train])
    rows = X.iloc[test]
    np.testing.assert_allclose(carried, model.predict(rows), rtol=1e-5)
    expected = pd.Series(np.nan, rows.index)
    for shop in SHOPS:
        own = rows.loc[[shop]]
        for tile in tiles_of(own):
            expected[tile.index] = model.reset_states().predict(tile)
    np.testing.assert_allclose(reset, expected, rtol=1e-5)
    assert len({tuple(a.round(5)) for a in (carried, reset, swapped)}) == 3


@pytest.mark.parametrize("kind", ["series", "panel"])
def test_compare_states_swapped_tile_starts_from_state_of_another_tile(kind):
    """In a panel that may be a tile of the other series."""
    if kind == "series":
        rows, y = make_series()
        X = pd.DataFrame(rows, DAYS)
        folds = [(np.arange(18), np.arange(18, 30))]
    else:
        X, y = make_panel()
        folds = list(PanelSplit(1, test_size=12).split(X))
    (_, _, swapped), _ = compare(quick(), X, y, folds)
    train, test = folds[0]
    model = quick(random_state=5, on_gap="ignore")
    model.fit(X.iloc[train], np.asarray(y)[train])
    own = [X.iloc[test].loc[[s]] for s in SHOPS] if kind == "panel" else [X.iloc[test]]
    tiles = [(k, tile) for k, rows in enumerate(own) for tile in tiles_of(rows)]
    names = SHOPS if kind == "panel" else [None]
    before = []  # the layers of the series before each tile
    for k, tile in tiles:
        before.append(model.get_states(names[k]).layers)
        model.observe(tile)
    swapped = pd.Series(swapped, X.index[test])
    starts = []
    for k, tile in tiles:
        answers = []
        for layers in before:
            state = model.get_states(names[k]).replace(layers=layers)
            answers.append(model.set_states(state).predict(tile))
        gaps = np.abs(np.array(answers) - swapped[tile.index].to_numpy()).max(axis=1)
        starts.append(int(gaps.argmin()))
        assert gaps.min() < 1e-5
    assert all(start != own for own, start in enumerate(starts))
    if kind == "panel":  # three tiles each: some states are those of the other shop
        assert any(start // 3 != own // 3 for own, start in enumerate(starts))


def test_compare_states_of_series_without_training_rows_starts_cold():
    X, y = make_panel()
    late = X.index.get_level_values("day") >= DAYS[20]
    is_new = X.index.get_level_values("shop") == "south"
    X, y = X[late | ~is_new], y[late | ~is_new]
    kept, _ = compare(quick(), X, y, PanelSplit(1, test_size=10))
    assert [len(answers) for answers in kept] == [20, 20, 20]
    south = X[X.index.get_level_values("shop") == "south"].index.size
    np.testing.assert_allclose(kept[0][-south:][:T], kept[1][-south:][:T], rtol=1e-5)


def test_compare_states_of_panel_carried_equals_cross_val_score():
    X, y = make_panel()
    folds = PanelSplit(2, test_size=6)
    comparison = compare_states(quick(), X, y, cv=folds, random_states=[3])
    expected = cross_val_score(quick(random_state=3), X, y, cv=folds)
    np.testing.assert_allclose(comparison.scores["carried"], expected, rtol=1e-5)
    assert "from the state of another tile" in comparison.verdict
    assert comparison.unit == "tile"


def test_compare_states_of_tiled_classifier_by_probabilities():
    X, y = make_panel()
    shape = {"sequence_length": T, "batch_size": 2, "epochs": 1, "windows": "tiled"}
    model = StatefulLSTMClassifier(4, **shape)
    comparison = compare_states(
        model, X, y > 0, cv=PanelSplit(1), scoring="neg_log_loss", random_states=[0]
    )
    assert comparison.scores.nunique(axis=1).min() == 3


def with_columns(panel):
    """The shops in a column, the days in the index."""
    return panel.reset_index("shop")


@pytest.mark.parametrize("name", ["pipeline", "column", "column alone"])
def test_compare_states_of_composites_follows_series(name):
    """The labels reach the estimator: each gives the scores of the plain panel."""
    X, y = make_panel()
    folds = list(PanelSplit(2, test_size=6).split(X))
    if name == "pipeline":
        model = make_pipeline(StandardScaler(with_mean=False, with_std=False), quick())
        model.set_output(transform="pandas")
    elif name == "column":
        keep = make_column_transformer(("passthrough", ["b", "a"]), ("drop", []))
        keep.set_params(remainder="passthrough", verbose_feature_names_out=True)
        model = make_pipeline(keep, quick(series_id="remainder__shop"))
        model.set_output(transform="pandas")
        X = with_columns(X[["b", "a"]])
    else:
        model, X = quick(series_id="shop"), with_columns(X)
    y = y.set_axis(X.index)
    _, comparison = compare(model, X, y, folds)
    plain_X, plain_y = make_panel()
    if name == "column":
        plain_X = plain_X[["b", "a"]]
    _, expected = compare(quick(), plain_X, plain_y, folds)
    np.testing.assert_allclose(comparison.scores, expected.scores, rtol=1e-5)


def test_compare_states_warns_of_gap_once_for_each_fit():
    """The rows are read with the state carried and by tiles, but told of once."""
    X, y = make_series()
    X = pd.DataFrame(X, DAYS + pd.to_timedelta(1 * (np.arange(30) >= 25), unit="D"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compare(quick(), X, y, [(np.arange(20), np.arange(20, 30))])
    assert [w.category for w in caught].count(ContinuityWarning) == 1


def test_compare_states_verdict_of_tiles_helps_where_state_matters():
    """A leaky sum of the rows so far, of which a tile holds the last four at most.

    Its first row explains 1 - 0.9² = 19 % of the variance, its last 1 - 0.9⁸ = 57 %.
    """
    X = np.random.default_rng(0).normal(size=(600, 1))
    y = np.convolve(X[:, 0], 0.9 ** np.arange(60))[:600]
    model = quick(units=8, epochs=15, optimizer__learning_rate=0.02)
    comparison = compare_states(model, X, y, cv=[(np.arange(540), np.arange(540, 600))])
    assert comparison.verdict.startswith("Carrying the state helps: r2 is 0.9")
    assert comparison.scores["reset"].max() < 0.75


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------


def refuse(match, model, X, y, cv):
    with pytest.raises(ValueError, match=match):
        compare_states(model, X, y, cv=cv, random_states=[0])


def test_compare_states_of_panel_with_gap_in_folds_raises():
    X, y = make_panel()
    refuse(
        "Fold 0 trains on .* scattered rows .* of series 'north' and others,.*gap=0",
        quick(),
        X,
        y,
        PanelSplit(2, gap=1),
    )


def test_compare_states_of_rows_left_out_within_series_raises():
    """A row of the shop is left out between those of training and of the test."""
    X, y = make_panel()
    shuffled = [(np.arange(10, 40), np.arange(40, 50)), (np.arange(9), [10, 11])]
    compare(quick(), X, y, shuffled[:1])
    refuse(
        "Fold 1 .* tests on rows 10 to 11 of series 'north'", quick(), X, y, shuffled
    )


def test_compare_states_of_folds_in_another_time_order_raises():
    X, y = make_panel()
    folds = [(np.arange(10, 20), np.arange(10))]
    refuse(
        "Fold 0 trains on rows 10 to 19 and tests on rows 0 to 9", quick(), X, y, folds
    )


def test_compare_states_single_tile_raises():
    X, y = make_series()
    refuse(
        r"Fold 0 tests on 4 row\(s\), 1 tile of sequence_length=4, .*: 5 rows will do",
        quick(),
        X,
        y,
        TimeSeriesSplit(2, test_size=4),
    )


def test_compare_states_one_tile_of_each_series_swaps_series():
    X, y = make_panel()
    (_, _, swapped), _ = compare(quick(), X, y, PanelSplit(1, test_size=4))
    assert len(swapped) == 8


def test_compare_states_stateless_tiles_raise():
    X, y = make_series()
    refuse(
        "fitted with stateful=False", quick(stateful=False), X, y, TimeSeriesSplit(2)
    )


def test_compare_states_where_labels_are_lost_raises():
    X, y = make_panel()
    model = make_pipeline(StandardScaler(), quick())
    refuse(
        r"Fold 0 was fitted without the index of X.*set_output\(transform='pandas'\)",
        model,
        X,
        y,
        PanelSplit(2),
    )


def test_compare_states_where_id_columns_cannot_be_told_raises():
    X, y = make_panel()
    codes = X.index.get_level_values("shop").factorize()[0]
    columns = make_column_transformer(
        (StandardScaler(), [1, 2]), remainder="passthrough"
    )
    model = make_pipeline(columns, quick(series_id=2))
    refuse(
        r"cannot tell which columns of X are the series_id=\[2\]",
        model,
        np.column_stack([codes, X]),
        y,
        [(np.arange(20), np.arange(20, 30))],
    )
