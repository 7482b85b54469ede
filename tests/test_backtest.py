"""`backtest`: its walk equals live calls, whatever it is given to fit."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from backtest_cases import (
    DAYS,
    FOLDS,
    SERIES,
    SHAPE,
    Leading,
    N,
    X,
    Y,
    bagging,
    composites,
    make_panel,
    net,
    pred,
    scaled,
    sliding,
)
from helpers import assert_close, first_ordinary
from hypothesis import given
from hypothesis import strategies as st
from plain import StatefulLSTMClassifier
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import SlidingWindow, frame_series, stream
from sklstm.model_selection import PanelSplit, backtest

ROUNDING = {"rtol": 1e-5, "atol": 1e-5}  # NumPy and compiled programs, in float32
SPLITS = list(FOLDS.split(X))
TEST = np.concatenate([test for _, test in SPLITS])


def stepped(fitted, first: int, X=X) -> dict[int, float]:
    """What live calls answer for each row from `first` on, one row at a time."""
    live = stream(fitted)
    rows = range(first, len(X))
    take = X.iloc if hasattr(X, "iloc") else X
    return {k: live.step(take[k : k + 1])[0] for k in rows}


# --------------------------------------------------------------------------------------
# One step ahead
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", first_ordinary(4, [*composites(), "bagging", "sliding"])
)
def test_backtest_equals_live_steps(kind):
    """Fitted once; the rows of gaps and of all folds are seen on the way."""
    if kind in ("bagging", "sliding"):  # without labels
        model = bagging() if kind == "bagging" else sliding()
        rows, targets = X.to_numpy(), Y.to_numpy()
    else:
        model, rows, targets = composites()[kind], X, Y
    result = backtest(model, rows, targets, cv=FOLDS)
    train = SPLITS[0][0]
    take = rows.iloc if hasattr(rows, "iloc") else rows
    fitted = clone(model).fit(take[train], targets[: len(train)])
    live = stepped(fitted, len(train), rows)
    table = result.predictions
    assert_close(table["y_pred"], [live[k] for k in TEST], **ROUNDING)
    assert (table["y_true"].to_numpy() == np.asarray(targets)[TEST]).all()
    assert table["fold"].tolist() == [0] * 8 + [1] * 8 + [2] * 8
    expected = TEST if kind in ("bagging", "sliding") else DAYS[TEST]
    assert table["time"].tolist() == list(expected)
    assert set(table["horizon"]) == {1} and set(table["series"]) == {0}


@pytest.mark.parametrize("refit, every", [(True, 1), (2, 2), (False, 3)])
def test_backtest_refit_fits_anew_every_so_many_folds(refit, every):
    result = backtest(net(), X, Y, cv=FOLDS, refit=refit, return_estimators=True)
    assert len(result.estimators) == len(range(0, 3, every))
    for k, (_, test) in enumerate(SPLITS):
        train = SPLITS[k // every * every][0]
        live = stepped(net().fit(X.iloc[train], Y.iloc[train]), len(train))
        assert_close(pred(result, fold=k), [live[i] for i in test], **ROUNDING)


def test_backtest_refit_update_goes_on_with_partial_fit():
    """Trained up to the gap before each fold, from where a copy walks on."""
    result = backtest(net(), X, Y, cv=FOLDS, refit="update")
    model, n_read = net(), 0
    for k, (train, test) in enumerate(SPLITS):
        new = slice(n_read, len(train))
        fit = model.partial_fit if n_read else model.fit
        model, n_read = fit(X.iloc[new], Y.iloc[new]), len(train)
        live = stepped(copy.deepcopy(model), n_read)
        assert_close(pred(result, fold=k), [live[i] for i in test], **ROUNDING)


def test_backtest_refit_update_of_estimator_without_state():
    model = SGDRegressor(random_state=0, eta0=1e-5)
    result = backtest(model, X, Y, cv=FOLDS, refit="update", return_estimators=True)
    hand, n_read = clone(model), 0
    for k, (train, test) in enumerate(SPLITS):
        fit = hand.partial_fit if n_read else hand.fit
        fit(X[n_read : len(train)], Y[n_read : len(train)])
        n_read = len(train)
        assert_close(pred(result, fold=k), hand.predict(X.iloc[test]))
    assert len(result.estimators) == 3


def test_backtest_refit_update_observes_rows_that_are_never_trained_on():
    cv = TimeSeriesSplit(2, test_size=10, max_train_size=6)  # trains on 44-49, 54-59
    result = backtest(net(), X, Y, cv=cv, refit="update")
    model = net().fit(X[44:50], Y[44:50]).observe(X[50:54])
    model.partial_fit(X[54:60], Y[54:60])
    live = stepped(model, 60)
    assert_close(pred(result, fold=1), list(live.values()), **ROUNDING)


def test_backtest_stride_forecasts_from_every_so_many_rows():
    every, some = (backtest(net(), X, Y, cv=FOLDS, stride=s) for s in (1, 3))
    chosen = np.arange(24) % 8 % 3 == 0
    assert_close(pred(some), pred(every)[chosen], **ROUNDING)


def test_backtest_walks_all_folds_of_a_fit_in_one_call(monkeypatch):
    """So that it costs about as much as one `predict`."""
    calls = []
    advance = type(net())._advance
    monkeypatch.setattr(
        type(net()), "_advance", lambda self, X: calls.append(X) or advance(self, X)
    )
    backtest(net(), X, Y, cv=FOLDS)
    assert [len(rows) for rows in calls] == [70 - 44]


def test_backtest_goes_on_live_from_returned_estimators():
    result = backtest(net(), X[:62], Y[:62], cv=FOLDS, return_estimators=True)
    whole = backtest(net(), X[:62], Y[:62], cv=[(np.arange(36), np.arange(38, 62))])
    (fitted,) = result.estimators
    assert_close(pred(result), pred(whole), **ROUNDING)
    rest = fitted.predict(X[62:])
    live = stepped(net().fit(X[:36], Y[:36]), 36)
    assert_close(rest, [live[k] for k in range(62, 70)], **ROUNDING)


@pytest.mark.parametrize("fitted_before", [False, True])
def test_backtest_leaves_estimator_and_data_alone(fitted_before):
    model = scaled(net())
    if fitted_before:
        model.fit(X[:20], Y[:20])
    before, data = dict(vars(model[-1])), (X.copy(), Y.copy())
    backtest(model, X, Y, cv=FOLDS, horizon=2)
    after = vars(model[-1])
    assert before.keys() == after.keys()
    assert all(after[name] is before[name] for name in before)
    pd.testing.assert_frame_equal(X, data[0])
    pd.testing.assert_series_equal(Y, data[1])


@pytest.mark.thorough
def test_backtest_in_parallel_is_the_same():
    one, two = (
        backtest(net(), X, Y, cv=FOLDS, refit=True, n_jobs=n) for n in (None, 2)
    )
    assert_close(pred(two), pred(one), **ROUNDING)


# --------------------------------------------------------------------------------------
# Many series
# --------------------------------------------------------------------------------------

PANEL = make_panel({"a": 40, "b": 40, "late": 14})  # "late" joins in the first gap
XP, YP = frame_series(PANEL, target="sales")
PANEL_FOLDS = PanelSplit(2, test_size=6, gap=3)
PANEL_TEST = [test for _, test in PANEL_FOLDS.split(XP)]


def by_day(table):
    """The rows of each day, as they would arrive."""
    return [day for _, day in table.groupby(level="day", sort=True)]


@pytest.mark.parametrize("kind", ["alone", "pipeline", "voting"])
def test_backtest_of_panel_equals_live_steps_day_by_day(kind):
    model = composites()[kind]
    result = backtest(model, XP, YP, cv=PANEL_FOLDS)
    train = next(PANEL_FOLDS.split(XP))[0]
    fitted = clone(model).fit(XP.iloc[train], YP.iloc[train])
    live = stream(fitted)
    rest = XP.drop(XP.index[train])
    answers = pd.concat([pd.Series(live.step(day), day.index) for day in by_day(rest)])
    table = result.predictions
    expected = answers.loc[list(zip(table["series"], table["time"], strict=True))]
    assert_close(table["y_pred"], expected, **ROUNDING)
    truth = YP.loc[list(zip(table["series"], table["time"], strict=True))]
    assert (table["y_true"].to_numpy() == truth.to_numpy()).all()
    assert set(table["series"]) == {"a", "b", "late"}


def test_backtest_of_id_column_equals_multiindex():
    columns = XP.reset_index("shop")
    columns.index.name = None
    cv = list(PANEL_FOLDS.split(XP))
    for horizon in (1, 3):
        expected = backtest(net(), XP, YP, cv=cv, horizon=horizon)
        result = backtest(
            net(series_id="shop"), columns, YP.to_numpy(), cv=cv, horizon=horizon
        )
        assert_close(pred(result), pred(expected), **ROUNDING)
        assert result.predictions["series"].tolist() == (
            expected.predictions["series"].tolist()
        )


# --------------------------------------------------------------------------------------
# Several steps ahead, in a closed loop
# --------------------------------------------------------------------------------------


def forecast_by_hand(model, train: int, horizon: int, rows=X, targets=Y):
    """Live forecasts from each row, fed by `feedback` of known columns."""
    live = stream(clone(model).fit(rows.iloc[:train], targets.iloc[:train]))
    made = {}
    for k in range(train, len(rows) - horizon + 1):
        if isinstance(model, type(net())) and model.windows == "sliding":
            known = rows.iloc[k + 1 : k + horizon].drop(columns="sales")
            one = live.estimator.forecast(horizon, start=rows.iloc[[k]], X_future=known)
        else:
            one = live.forecast(
                horizon,
                start=rows.iloc[[k]],
                feedback=lambda p, j, k=k: rows.iloc[[k + 1 + j]].assign(sales=p),
            )
        made[k] = one
        live.observe(rows.iloc[[k]])
    return made


@pytest.mark.parametrize(
    "kind",
    first_ordinary(2, ["target", "voting", "alone", "pipeline", "sliding", "features"]),
)
def test_backtest_of_horizons_equals_live_forecasts(kind):
    model = sliding() if kind == "sliding" else composites()[kind]
    result = backtest(model, X, Y, cv=FOLDS, horizon=3)
    hand = forecast_by_hand(model, len(SPLITS[0][0]), 3)
    for fold, (_, test) in enumerate(SPLITS):
        expected = np.concatenate([hand[k] for k in test[:-2]])
        assert_close(pred(result, fold=fold), expected, **ROUNDING)
    table = result.predictions
    assert table["horizon"].tolist() == [1, 2, 3] * 18
    origin = np.repeat(np.concatenate([test[:-2] for _, test in SPLITS]), 3)
    truth = Y.to_numpy()[origin + table["horizon"] - 1]
    assert (table["y_true"] == truth).all()
    assert (table["time"] == DAYS[origin]).all()


@pytest.mark.property
@given(
    st.integers(1, 3), st.integers(0, 4), st.integers(4, 8), st.integers(1, 4),
    st.integers(1, 3),
)  # fmt: skip
def test_backtest_equals_live_forecasts_however_rows_are_cut(
    n_splits, gap, size, horizon, stride
):
    """The gap and the rows between two forecasts have been seen by each of them."""
    train = len(X) - n_splits * size - gap
    folds = [
        (np.arange(train), np.arange(len(X))[len(X) - k * size :][:size])
        for k in range(n_splits, 0, -1)
    ]
    result = backtest(net(), X, Y, cv=folds, horizon=horizon, stride=stride)
    hand = forecast_by_hand(net(), train, horizon)
    origins = [test[: size - horizon + 1 : stride] for _, test in folds]
    expected = [hand[k] for k in np.concatenate(origins)]
    assert_close(pred(result), np.concatenate(expected), **ROUNDING)


def test_backtest_of_horizons_of_panel_equals_live_forecasts():
    """All series of a day are forecast together."""
    result = backtest(net(), XP, YP, cv=PANEL_FOLDS, horizon=3, stride=2)
    train, test = next(PANEL_FOLDS.split(XP))
    live = net().fit(XP.iloc[train], YP.iloc[train])
    between = XP.index.get_level_values("day") < XP.index[test].get_level_values(1)[0]
    between[train] = False
    live.observe(XP[between])
    days = by_day(XP.iloc[test])
    expected = []
    for k, day in enumerate(days[:4]):
        known = pd.concat(days[k + 1 : k + 3]).drop(columns="sales")
        if k % 2 == 0:
            expected.append(live.forecast(3, start=day, X_future=known).ravel())
        live.observe(day)
    table = result.predictions
    first = table[table["fold"] == 0].sort_values("time", kind="stable")
    assert_close(first["y_pred"], np.concatenate(expected), **ROUNDING)


@st.composite
def closed_loops(draw):
    """A panel with columns of two lags, and how to walk over it."""
    lengths = {
        name: draw(st.integers(14, 24)) for name in draw(st.sampled_from(["a", "ab"]))
    }
    panel = make_panel(lengths, draw(st.integers(0, 99)), end=24)
    grouped = panel.groupby(level="shop")["sales"]
    panel["before"] = grouped.shift(1).fillna(1.0)
    panel["third"] = grouped.shift(2).fillna(2.0)
    if draw(st.booleans()):  # series by series, else day by day
        panel = panel.sort_index()
    gap, size = draw(st.integers(0, 2)), draw(st.integers(3, 5))
    cv = PanelSplit(draw(st.integers(1, 2)), test_size=size, gap=gap)
    return panel, cv, draw(st.integers(1, 3)), draw(st.integers(1, 3))


@pytest.mark.property
@given(closed_loops())
def test_backtest_of_lag_columns_equals_loop_by_hand(drawn):
    """Each column that holds the target is filled with what is known by then."""
    panel, cv, horizon, stride = drawn
    rows, targets = frame_series(panel, target="sales")
    rows = rows[["sales", "open", "before", "third"]]
    result = backtest(Leading(), rows, targets, cv=cv, horizon=horizon, stride=stride)
    expected = []
    splits = list(cv.split(rows))
    n_read = len(splits[0][0])
    for _, test in splits:
        count: dict[str, int] = {}
        for k in np.sort(test):
            shop = rows.index[k][0]
            count[shop] = count.get(shop, -1) + 1
            own = [i for i in test if rows.index[i][0] == shop]
            at = own.index(k)
            if count[shop] % stride or at + horizon > len(own):
                continue
            values = targets.loc[shop].to_numpy().copy()
            place = rows.loc[shop].index.get_loc(rows.index[k][1])
            known = dict(enumerate(rows.loc[shop]["sales"].to_numpy()[: place + 1]))
            for step in range(horizon):  # v[place + step] is known or was forecast
                row = rows.loc[shop].iloc[place + step]
                third = known.get(place + step - 2, row["third"])
                made = known[place + step] + 0.25 * third + n_read * 1e-3
                known[place + step + 1] = made
                expected.append((shop, step + 1, values[place + step], made))
    table = result.predictions
    assert table["series"].tolist() == [one[0] for one in expected]
    assert table["horizon"].tolist() == [one[1] for one in expected]
    assert_close(table["y_true"], [one[2] for one in expected])
    assert_close(table["y_pred"], [one[3] for one in expected])


@pytest.mark.parametrize("as_array", [False, True])
def test_backtest_of_linear_model_on_lags(as_array):
    """The recursion of skilled hands: lags of the target are filled, promo is known."""
    lagged = SERIES.assign(before=SERIES["sales"].shift(1)).iloc[1:]
    rows, targets = frame_series(lagged, target="sales")
    if as_array:
        rows, targets = rows.to_numpy(), targets.to_numpy()
    cv = [(range(len(rows) - 6), range(len(rows) - 6, len(rows)))]
    result = backtest(LinearRegression(), rows, targets, cv=cv, horizon=4)
    table, truth = np.asarray(rows), np.asarray(targets)
    model = LinearRegression().fit(table[:-6], truth[:-6])
    expected = []
    for k in range(len(table) - 6, len(table) - 3):
        now, before = table[k, 0], table[k, 2]
        for step in range(4):
            made = model.predict([[now, table[k + step, 1], before]])[0]
            expected.append(made)
            now, before = made, now
    assert_close(pred(result), expected)


# --------------------------------------------------------------------------------------
# All horizons at once, several outputs, classes
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("horizon", [1, 3])
def test_backtest_of_direct_horizons(as_array, horizon):
    rows, targets = frame_series(SERIES, horizon=range(1, 4), target="sales")
    if as_array:
        rows, targets = rows.to_numpy(), targets.to_numpy()
    cv = TimeSeriesSplit(2, test_size=6, gap=2)
    result = backtest(net(), rows, targets, cv=cv, horizon=horizon)
    table = result.predictions
    assert table["horizon"].tolist() == [1, 2, 3] * 12
    truth = np.asarray(targets)
    assert (table["y_true"].to_numpy() == truth[-12:].ravel()).all()
    take = rows if as_array else rows.iloc
    n_read = len(rows) - 14
    live = net().fit(take[:n_read], targets[:n_read])
    assert_close(table["y_pred"], live.step(take[n_read:])[2:].ravel(), **ROUNDING)
    assert "output" not in table


def test_backtest_of_two_targets_at_two_horizons():
    rows, targets = frame_series(SERIES, horizon=[3, 1], target=["sales", "promo"])
    cv = TimeSeriesSplit(2)
    table = backtest(Leading(), rows, targets, cv=cv).predictions
    assert table["horizon"].tolist()[:4] == [1, 1, 3, 3]
    assert table["output"].tolist()[:4] == ["sales", "promo"] * 2
    first = SERIES.index.get_loc(table["time"][0])
    expected = [SERIES.iloc[first + h][name] for h in (1, 3) for name in SERIES]
    assert table["y_true"].tolist()[:4] == expected


def test_backtest_of_two_outputs_in_a_closed_loop():
    """Both are fed back, in the columns that they are found in."""
    values = np.random.default_rng(1).normal(size=(40, 2))
    rows, targets = frame_series(values)
    cv = [(range(30), range(30, 36))]
    result = backtest(LinearRegression(), rows, targets, cv=cv, horizon=3)
    model = LinearRegression().fit(rows[:30], targets[:30])
    now, expected = rows[30:31], []
    for _ in range(3):
        now = model.predict(now)
        expected.extend(now[0])
    assert_close(pred(result)[:6], expected)
    assert result.predictions["output"].tolist()[:2] == [0, 1]


@pytest.mark.parametrize("network", [False, True])
def test_backtest_of_classifier(network):
    labels = pd.Series(np.where(Y > 20, "up", "down"), Y.index)
    model = LogisticRegression()
    if network:
        model = StatefulLSTMClassifier(**SHAPE)
    result = backtest(model, X, labels, cv=FOLDS)
    fitted = clone(model).fit(X[:44], labels[:44])
    answers = fitted.step(X[44:]) if network else fitted.predict(X[44:])
    assert result.predictions["y_pred"].tolist() == list(answers[TEST - 44])
    truth = labels.to_numpy()
    assert result.baselines["persistence"].tolist() == list(truth[TEST - 1])
    scores = result.scores.loc[("all", 0)]
    assert scores["accuracy"] == np.mean(answers[TEST - 44] == truth[TEST])
    wrong = np.mean(truth[TEST - 1] != truth[TEST])
    expected = 1 - (1 - scores["accuracy"]) / wrong
    assert scores["skill over persistence"] == pytest.approx(expected)


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------

ROWS = np.arange(70)
BAD_FOLDS = {
    "before": ([(ROWS[20:], ROWS[:20])], r"Fold 0 trains on rows 20 to 69 and tests on"
               r" rows 0 to 19, but a backtest walks forward: .* must come later"),
    "among": ([(ROWS[::2], ROWS[1::2])], r"35 scattered rows, but a backtest walks"),
    "overlap": (
        [(ROWS[:20], ROWS[20:30]), (ROWS[:25], ROWS[25:35])],
        r"Fold 0 tests on rows 20 to 29 and fold 1 on rows 25 to 34, .*not overlap",
    ),
    "back": (
        [(ROWS[:40], ROWS[40:50]), (ROWS[:20], ROWS[20:30])],
        r"fold 1 on rows 20 to 29, but a backtest walks forward",
    ),
    "untrained": ([(ROWS[:0], ROWS[:20])], r"Fold 0 trains on no rows and tests on"),
    "untested": ([(ROWS[:20], ROWS[:0])], r"tests on no rows, but a fold needs rows"),
    "holes": ([(ROWS[:20], ROWS[20:40:2])], r"must be consecutive in each series"),
    "none": ([], r"cv gave no folds\. Use TimeSeriesSplit"),
    "kfold": (5, r"Fold 0 trains on rows 14 to 69 and tests on rows 0 to 13"),
}  # fmt: skip


@pytest.mark.parametrize("cv, message", BAD_FOLDS.values(), ids=BAD_FOLDS)
def test_backtest_refuses_folds_that_do_not_go_forward(cv, message):
    with pytest.raises(ValueError, match=message):
        backtest(Leading(), X, Y, cv=cv)


def test_backtest_refuses_panel_tested_before_it_was_trained_on():
    """One series is tested on days on which the other one was trained."""
    shops, cut = XP.index.get_level_values("shop"), XP.index[30][1]
    day = XP.index.get_level_values("day")
    train = np.flatnonzero((shops == "a") & (day > cut))
    test = np.flatnonzero((shops == "b") & (day <= cut))
    with pytest.raises(ValueError, match="must come later than those to train on"):
        backtest(Leading(), XP, YP, cv=[(train, test)])


CALLS = {
    "horizon 0": ({"horizon": 0}, ValueError, "horizon must be a positive integer"),
    "horizon text": ({"horizon": "3"}, TypeError, "horizon must be a positive integer"),
    "horizon long": ({"horizon": 9}, ValueError, r"tests on rows 46 to 53, 8 of a"
                     r" series at most, but horizon=9 takes as many"),
    "stride": ({"stride": 0}, ValueError, "stride must be a positive integer, got 0"),
    "period": ({"period": 1}, ValueError, "period=1 repeats the last value"),
    "refit 0": ({"refit": 0}, ValueError, r"refit must be False, True, 'update' or a"
                r" number of folds.*got 0\."),
    "refit text": ({"refit": "always"}, ValueError, "got 'always'"),
    "refit type": ({"refit": 1.5}, TypeError, "got 1.5 of type float"),
    "scoring": ({"scoring": "best"}, ValueError, "'best' is not a valid scoring value"),
    "scoring type": ({"scoring": 3}, TypeError, "scoring must be the name of one"),
    "scoring proba": ({"scoring": "neg_log_loss"}, ValueError,
                      "'neg_log_loss' needs probabilities, but backtest keeps"),
}  # fmt: skip


@pytest.mark.parametrize("options, error, message", CALLS.values(), ids=CALLS)
def test_backtest_refuses_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        backtest(Leading(), X, Y, cv=FOLDS, **options)


def test_backtest_refuses_update_without_partial_fit():
    with pytest.raises(ValueError, match="calls partial_fit, which Pipeline does not"):
        backtest(scaled(net()), X, Y, cv=FOLDS, refit="update")


def test_backtest_refuses_horizons_of_which_no_row_can_be_made():
    """A forest of calendar columns, and a target in other units than its column."""
    message = r"horizon=3 each prediction becomes a part of the next row, but no column"
    model = HistGradientBoostingRegressor()
    with pytest.raises(ValueError, match=message):
        backtest(model, X[["promo"]], Y, cv=FOLDS, horizon=3)
    with pytest.raises(ValueError, match=message):
        backtest(Ridge(), X, np.log(Y), cv=FOLDS, horizon=3)
    weekly = frame_series(SERIES, horizon=7, target="sales")
    with pytest.raises(ValueError, match=r"range\(1, 4\)\), for an estimator"):
        backtest(Ridge(), *weekly, cv=TimeSeriesSplit(2), horizon=3)


def test_backtest_refuses_other_horizon_than_those_of_y():
    direct = frame_series(SERIES, horizon=range(1, 4), target="sales")
    with pytest.raises(ValueError, match=r"are the horizons \[1, 2, 3\].*horizon=2"):
        backtest(Ridge(), *direct, cv=TimeSeriesSplit(2), horizon=2)


def test_backtest_refuses_windows():
    model = make_pipeline(SlidingWindow(2), sliding())
    with pytest.raises(ValueError, match="Rows become windows before they reach"):
        backtest(model, X, Y, cv=FOLDS)
    with pytest.raises(ValueError, match=r"X has 3 dimension\(s\), but backtest takes"):
        backtest(net(), np.zeros((N - 1, 2, 2)), Y, cv=FOLDS)
    in_a_row = FunctionTransformer(lambda windows: windows.reshape(len(windows), -1))
    flat = make_pipeline(SlidingWindow(1), in_a_row, Ridge())
    assert len(backtest(flat, X, Y, cv=FOLDS).predictions) == 24
    with pytest.raises(ValueError, match="fed back one by one, but a SlidingWindow"):
        backtest(flat, X, Y, cv=FOLDS, horizon=2)


def test_backtest_refuses_classes_further_ahead():
    labels = np.where(Y > 20, "up", "down")
    with pytest.raises(ValueError, match="one label for each row, but horizon=2"):
        backtest(LogisticRegression(), X, labels, cv=FOLDS, horizon=2)


def test_backtest_refuses_rows_out_of_order_and_lost_labels():
    with pytest.raises(ValueError, match="must be in time order to be walked over"):
        backtest(Leading(), X[::-1], Y[::-1], cv=FOLDS)
    lost = scaled(net()).set_output(transform="default")
    with pytest.raises(ValueError, match="before the network returns arrays"):
        backtest(lost, XP, YP, cv=PANEL_FOLDS)


def test_backtest_refuses_text_as_target():
    with pytest.raises((TypeError, ValueError)):
        backtest(Ridge(), X, np.where(Y > 20, "up", "down"), cv=FOLDS)
