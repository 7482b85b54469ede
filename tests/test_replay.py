"""`predict` knows the rows of the fit again by their content, where no labels tell.

That is so for arrays, and for frames with the index 0, 1, 2, … of every new frame.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import ROUNDING, NaiveLSTM, assert_close, first_ordinary, make_rows
from plain import StatefulLSTMRegressor
from sklearn.pipeline import make_pipeline

from sklstm.preprocessing import SlidingWindow

N = 20  # rows of the fit
X = make_rows(33, 2, seed=5)
Y = make_rows(33, 1, seed=6)[:, 0]
FRAME = pd.DataFrame(X, columns=["u", "v"])

KINDS: dict[str, dict[str, Any]] = {
    "tiled": {"windows": "tiled"},
    "sliding": {},  # the oldest window is dropped, as 17 do not fill batches of two
    "stateless": {"stateful": False},
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    settings = {"sequence_length": 4, "batch_size": 2, "epochs": 1, "random_state": 0}
    return StatefulLSTMRegressor(3, **{**settings, **parameters})


@cache
def fitted(kind: str) -> StatefulLSTMRegressor:
    """Fitted on the first rows of a frame with the index of every new frame."""
    return regressor(**KINDS[kind]).fit(FRAME[:N], Y[:N])


@pytest.mark.parametrize("kind", first_ordinary(1, KINDS))
def test_predict_longer_default_frame_replays_and_goes_on(kind):
    estimator = fitted(kind)
    whole = estimator.predict(FRAME)
    assert_close(whole[:N], estimator.predict(FRAME[:N]), **ROUNDING)
    assert_close(whole[N:], estimator.predict(FRAME[N:]), **ROUNDING)


def test_predict_longer_default_frame_equals_numpy_lstm():
    """One walk over all rows from zero state."""
    estimator = fitted("tiled")
    naive = NaiveLSTM(estimator.get_weights(), sequence_length=1, batch_size=1)
    assert_close(estimator.predict(FRAME), naive.step(X)[:, 0], **ROUNDING)


@each_kind
def test_predict_longer_array_replays_and_goes_on(kind):
    estimator = regressor(**KINDS[kind]).fit(X[:N], Y[:N])
    assert_close(estimator.predict(X), fitted(kind).predict(FRAME), **ROUNDING)


def test_predict_longer_array_of_windows_replays_and_goes_on():
    windows = np.lib.stride_tricks.sliding_window_view(X, 4, axis=0).swapaxes(1, 2)
    estimator = regressor().fit(windows[:N], Y[:N])
    whole = estimator.predict(windows)
    assert_close(whole[:N], estimator.predict(windows[:N]), **ROUNDING)
    assert_close(whole[N:], estimator.predict(windows[N:]), **ROUNDING)


def test_predict_longer_frame_after_observe_replays_and_goes_on():
    """What was seen since the fit changes nothing, as where labels tell."""
    estimator = regressor(windows="tiled").fit(FRAME[:N], Y[:N])
    whole = estimator.predict(FRAME)
    estimator.observe(FRAME[N : N + 5])
    np.testing.assert_array_equal(estimator.predict(FRAME), whole)
    assert_close(estimator.predict(FRAME[N + 5 :]), whole[N + 5 :], **ROUNDING)


def test_lane_table_of_longer_frame_goes_on_in_lanes():
    table = fitted("sliding").lane_table(FRAME)
    parts = [fitted("sliding").lane_table(rows) for rows in (FRAME[:N], FRAME[N:])]
    parts[1] = np.where(parts[1] < 0, -1, parts[1] + N)
    np.testing.assert_array_equal(table, np.concatenate(parts))


@pytest.mark.parametrize("on_gap", ["warn", "ignore"])
def test_predict_dated_frame_of_other_dates_is_told_by_labels(on_gap):
    """Only if labels are left unread does the content say that rows are the fit's."""
    dates = pd.date_range("2024", periods=66)
    early, late = (FRAME.set_axis(when, axis=0) for when in (dates[:33], dates[33:]))
    estimator = regressor(windows="tiled", on_gap=on_gap).fit(early[:N], Y[:N])
    in_sample = estimator.predict(early)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = estimator.predict(late)
    assert np.allclose(answers, in_sample) is (on_gap == "ignore")
    assert len(caught) == (on_gap == "warn")


def test_predict_longer_frame_after_load_replays_and_goes_on(tmp_path):
    estimator = fitted("sliding")
    estimator.save(tmp_path / "file")
    loaded = StatefulLSTMRegressor.load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.predict(FRAME), estimator.predict(FRAME))


# --------------------------------------------------------------------------------------
# Rows that are not those of the fit
# --------------------------------------------------------------------------------------

OTHERS = {
    "part of the fit": X[: N - 1],
    "from its second row on": X[1:],
    "one value changed": X + np.eye(33, 2, -9) * 1e-3,
}


@each_kind
@pytest.mark.parametrize("what", OTHERS)
def test_predict_other_rows_without_labels_follow(kind, what):
    estimator, rows = fitted(kind), pd.DataFrame(OTHERS[what], columns=["u", "v"])
    told = estimator.predict(rows, replay=False)
    np.testing.assert_array_equal(estimator.predict(rows), told)


def test_step_longer_frame_never_replays():
    estimator = regressor(windows="tiled").fit(FRAME[:N], Y[:N])
    told = estimator.predict(FRAME, replay=False)
    np.testing.assert_array_equal(estimator.step(FRAME), told)


def test_predict_longer_frame_after_reset_reads_it_from_zero_state():
    estimator = regressor(windows="tiled").fit(FRAME[:N], Y[:N])
    expected = estimator.predict(FRAME, replay=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = estimator.reset_states().predict(FRAME)
    assert_close(answers, expected, **ROUNDING)


@pytest.mark.parametrize("n", [24, 30])
def test_predict_rows_that_begin_with_repeating_rows_of_fit_warns(n):
    """The fit was on two periods of ten; more of them could be the next ones."""
    hours = np.eye(10)[np.arange(n) % 10]
    estimator = regressor(windows="tiled").fit(hours[:20], Y[:20])
    text = "X begins with rows equal to the 20 rows of fit, but these repeat"
    with pytest.warns(UserWarning, match=text) as record:
        answers = estimator.predict(hours)
    assert [warning.filename for warning in record] == [__file__]
    np.testing.assert_array_equal(answers, estimator.predict(hours, replay=False))


# --------------------------------------------------------------------------------------
# Panels
# --------------------------------------------------------------------------------------

SHOPS = {"a": 33, "b": 28, "c": 9}  # rows of each; c has closed before the fit ends


def table() -> pd.DataFrame:
    """Rows of all shops, one shop behind the other."""
    parts = [FRAME.assign(v=FRAME["v"] * k, shop=s) for k, s in enumerate(SHOPS)]
    return pd.concat(
        [part[: SHOPS[part["shop"][0]]] for part in parts], ignore_index=True
    )


def interleaved(rows: pd.DataFrame) -> pd.DataFrame:
    """Each shop's first row, then the second ones, and so on."""
    order = np.argsort(rows.groupby("shop").cumcount(), kind="stable")
    return rows.iloc[order].reset_index(drop=True)


ORDERS = {"by shop": lambda rows: rows, "by day": interleaved}
PANELS = {name: KINDS[name] for name in ("tiled", "stateless")}


@pytest.mark.parametrize("kind", PANELS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("container", [pd.DataFrame, np.asarray], ids=["frame", "list"])
def test_predict_longer_panel_replays_each_series_and_goes_on(kind, order, container):
    rows = ORDERS[order](table())
    in_fit = (rows.groupby("shop").cumcount() < N).to_numpy()
    first, rest = (rows[there].reset_index(drop=True) for there in (in_fit, ~in_fit))
    shop = "shop" if container is pd.DataFrame else 2
    estimator = regressor(**PANELS[kind], series_id=shop)
    estimator.fit(container(first), make_rows(len(first), 1, 0)[:, 0])
    whole = estimator.predict(container(rows))
    assert_close(whole[in_fit], estimator.predict(container(first)), **ROUNDING)
    assert_close(whole[~in_fit], estimator.predict(container(rest)), **ROUNDING)
    # the order of series is no part of it, nor are all of them needed
    is_b = (rows["shop"] == "b").to_numpy()
    alone = container(rows[is_b].reset_index(drop=True))
    assert_close(estimator.predict(alone), whole[is_b], **ROUNDING)


def test_predict_panel_of_which_one_series_looks_like_its_fit_follows():
    """Rows follow for all series or for none; here c happens to go on alike."""
    rows = table()
    in_fit = (rows.groupby("shop").cumcount() < N).to_numpy()
    first = rows[in_fit].reset_index(drop=True)
    estimator = regressor(windows="tiled", series_id="shop")
    estimator.fit(first, make_rows(len(first), 1, 0)[:, 0])
    rest = pd.concat([rows[~in_fit], rows[rows["shop"] == "c"]], ignore_index=True)
    told = estimator.predict(rest, replay=False)
    np.testing.assert_array_equal(estimator.predict(rest), told)


# --------------------------------------------------------------------------------------
# Behind SlidingWindow
# --------------------------------------------------------------------------------------


def test_SlidingWindow_pipeline_longer_rows_equals_estimator_alone():
    pipeline = make_pipeline(SlidingWindow(4), regressor()).fit(FRAME[:N], Y[:N])
    # Windows gathered and windows given are two programs, with other orders of sums.
    assert_close(pipeline.predict(FRAME), fitted("sliding").predict(FRAME), rtol=1e-4)
