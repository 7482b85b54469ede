"""A panel answers for each series as if it were alone, however rows are interleaved."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import (
    ROUNDING,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    pieces,
)
from hypothesis import given
from hypothesis import strategies as st
from panel_cases import (
    FITTED,
    KIND_NAMES,
    KINDS,
    B,
    T,
    alone,
    fitted,
    following,
    interleaved,
    make_series,
    target_of,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

each_kind = pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)


def names_of(frame: pd.DataFrame) -> np.ndarray:
    """Return the series of each row."""
    return frame.index.get_level_values(0).to_numpy()


def in_order_of_series(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return an order of the rows in which series come one after the other."""
    place = {name: k for k, name in enumerate(names)}
    return np.argsort([place[name] for name in names_of(frame)], kind="stable")


# --------------------------------------------------------------------------------------
# Each series alone, answers in the caller's order
# --------------------------------------------------------------------------------------


@each_kind
def test_predict_training_rows_of_panel_replays_each_series(kind):
    """The break of one series is a beginning in its replay as well."""
    estimator = fitted(**kind)
    for seed in range(3):
        frame = interleaved(FITTED, seed)
        expected = np.empty(len(frame))
        for name, series in FITTED.items():
            expected[names_of(frame) == name] = alone(estimator, series)[0]
        assert_close(estimator.predict(frame), expected, **ROUNDING)


@each_kind
@given(rows=following())
def test_predict_panel_answers_each_series_as_alone(kind, rows):
    """Known series go on from the fit, new ones start cold, breaks start anew."""
    estimator = fitted(**kind)
    assert_close(estimator.predict(rows.frame), rows.expected(estimator), **ROUNDING)


@each_kind
@given(rows=following(longest=20), seed=st.integers(0, 99))
def test_predict_panel_in_another_order_answers_alike(kind, rows, seed):
    estimator = fitted(**kind)
    frame = rows.frame
    names = np.random.default_rng(seed).permutation(list(rows.series)).tolist()
    order = in_order_of_series(frame, names)
    expected = estimator.predict(frame)[order]
    assert_close(estimator.predict(frame.iloc[order]), expected, **ROUNDING)
    for name in names:
        alone = frame[names_of(frame) == name]
        made = expected[names_of(frame)[order] == name]
        assert_close(estimator.predict(alone), made, **ROUNDING)


@each_kind
@given(rows=following(longest=20), data=st.data())
def test_step_panel_over_pieces_equals_predict(kind, rows, data):
    """Cut anywhere: a piece may lack series, and some join in a later piece."""
    estimator = fitted(**kind)
    frame, expected = rows.frame, rows.expected(estimator)
    cuts = data.draw(pieces(len(frame)))
    made = [estimator.step(frame.iloc[piece]) for piece in cuts]
    assert_close(np.concatenate(made), expected, **ROUNDING)
    joined = [name for name in dict.fromkeys(names_of(frame)) if name not in FITTED]
    assert list(estimator.series_)[: len(FITTED)] == list(fitted(**kind).series_)
    assert list(estimator.series_)[len(FITTED) :] == joined


@each_kind
@given(rows=following(longest=20), data=st.data())
def test_observe_panel_then_predict_equals_tail_of_predict(kind, rows, data):
    estimator = fitted(**kind)
    frame, expected = rows.frame, rows.expected(estimator)
    n = data.draw(st.integers(0, len(frame) - 1))
    if n:
        estimator.observe(frame.iloc[:n])
    assert_close(estimator.predict(frame.iloc[n:]), expected[n:], **ROUNDING)


@given(rows=following(longest=20))
def test_observe_panel_leaves_state_of_each_series_alone(rows):
    estimator = fitted().observe(rows.frame)
    for name in estimator.series_:
        _, naive = alone(estimator, rows.whole(name))
        state = estimator.get_states(series=name)
        assert_close(state.h[0][0], naive.h[0][0], what=f"h of {name}", **ROUNDING)
        assert_close(state.c[0][0], naive.c[0][0], what=f"c of {name}", **ROUNDING)
        last_output = alone(estimator, rows.whole(name))[0][-1:]
        assert_close(state.last_output[0], last_output, **ROUNDING)


def test_predict_long_panel_by_compiled_program_answers_each_series_as_alone():
    """Lanes run out one after the other, in a program padded to more lanes."""
    lengths = {"b": 2_600, "x": 900, "a": 2_500, "y": 40, "c": 1}
    series = {
        name: make_series(
            n,
            FITTED[name].dates[-1] + pd.Timedelta(days=1)
            if name in FITTED
            else pd.Timestamp("2024-01-01"),
            {n // 2} - {0},
            seed=k,
        )
        for k, (name, n) in enumerate(lengths.items())
    }
    estimator = fitted()
    frame = interleaved(series, 3)
    made = estimator.predict(frame)
    for name, one in series.items():
        whole = FITTED[name].then(one) if name in FITTED else one
        expected = alone(estimator, whole)[0][-len(one.values) :]
        assert_close(made[names_of(frame) == name], expected, what=name, **ROUNDING)


# --------------------------------------------------------------------------------------
# State calls by series
# --------------------------------------------------------------------------------------


def next_rows(*names: str, n: int = 3) -> pd.DataFrame:
    """Return rows that follow those of the fit."""
    day = pd.Timedelta(days=1)
    series = {
        name: make_series(n, FITTED[name].dates[-1] + day, set(), seed=40 + k)
        for k, name in enumerate(names)
    }
    return interleaved(series, 1)


@each_kind
def test_reset_states_of_one_series_leaves_others(kind):
    estimator = fitted(**kind)
    rows = next_rows("a", "b", "c")
    before, is_b = estimator.predict(rows), names_of(rows) == "b"
    assert estimator.reset_states(series="b") is estimator
    after = estimator.predict(rows)
    assert_close(after[~is_b], before[~is_b], **ROUNDING)
    cold = make_series(3, rows.index[is_b][0][1], set(), seed=41)
    assert_close(after[is_b], alone(estimator, cold)[0], **ROUNDING)
    estimator.reset_states()
    assert not estimator.get_states().position.any()
    estimator.reseed_states()
    assert_close(estimator.predict(rows), before, **ROUNDING)


@each_kind
def test_forget_series_starts_it_cold_when_it_comes_again(kind):
    estimator = fitted(**kind)
    rows = next_rows("a", "b", "c")
    before, is_b = estimator.predict(rows), names_of(rows) == "b"
    estimator.forget("b")
    assert list(estimator.series_) == [name for name in fitted().series_ if name != "b"]
    with pytest.raises(KeyError, match="There is no series 'b'"):
        estimator.get_states("b")
    after = estimator.step(rows)
    assert_close(after[~is_b], before[~is_b], **ROUNDING)
    assert list(estimator.series_)[-1] == "b"
    cold = make_series(3, rows.index[is_b][0][1], set(), seed=41)
    assert_close(after[is_b], alone(estimator, cold)[0], **ROUNDING)
    estimator.reseed_states()
    assert list(estimator.series_) == list(fitted().series_)


@each_kind
def test_forget_all_series_then_training_rows_start_cold(kind):
    estimator = fitted(**kind)
    frame = interleaved(FITTED, 0)
    expected = estimator.predict(frame)
    estimator.forget(list(estimator.series_))
    assert len(estimator.series_) == 0
    with pytest.raises(ValueError, match="There is no series to forecast"):
        estimator.forecast(2, feedback=lambda prediction, k: prediction)
    assert_close(estimator.predict(frame), expected, **ROUNDING)
    assert_close(estimator.step(frame), expected, **ROUNDING)
    assert set(estimator.series_) == set(FITTED)


@each_kind
def test_set_states_of_some_series_changes_these_alone(kind):
    estimator, other = fitted(**kind), fitted(**kind)
    rows = next_rows("a", "b", "c")
    other.observe(rows)
    taken = other.get_states(series=["c", "a"])
    assert list(taken.series) == ["c", "a"]
    estimator.set_states(taken)
    for name, source in (("a", other), ("b", fitted(**kind)), ("c", other)):
        found, expected = estimator.get_states(name), source.get_states(name)
        for mine, theirs in zip(found.layers, expected.layers, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(found.context, expected.context)
        np.testing.assert_array_equal(found.position, expected.position)
        np.testing.assert_array_equal(found.last_seen, expected.last_seen)


def test_set_states_of_series_not_known_joins_it():
    estimator, other = fitted(), fitted()
    new = make_series(4, pd.Timestamp("2024-01-01"), set(), seed=3)
    other.observe(interleaved({"x": new}, 0))
    estimator.set_states(other.get_states("x"))
    assert list(estimator.series_) == [*fitted().series_, "x"]
    assert_close(estimator.get_states("x").h[0], other.get_states("x").h[0], **ROUNDING)


def test_set_states_without_last_output_keeps_that_of_others():
    """A state from before any row has none; other series can still be forecast."""
    estimator, other = fitted(), fitted()
    other._fitted = other._fitted.in_state(other._fitted.zero)
    taken = other.get_states(["a", "c"])
    assert taken.last_output is None
    expected = estimator.forecast(3, feedback=lambda p, k: [p, p], series="b")
    estimator.set_states(taken)
    forecast = estimator.forecast(3, feedback=lambda p, k: [p, p], series="b")
    np.testing.assert_array_equal(forecast, expected)
    with pytest.raises(ValueError, match="No row was seen since the last reset"):
        estimator.forecast(3, feedback=lambda p, k: [p, p], series="a")


@each_kind
def test_copies_of_panel_estimator_keep_every_series(kind):
    estimator = fitted(**kind)
    new = {"x": make_series(5, pd.Timestamp("2024-01-01"), set(), seed=3)}
    estimator.observe(interleaved(new, 0))
    rows = next_rows("a", "b", "c")
    for copied in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        assert list(copied.series_) == list(estimator.series_)
        np.testing.assert_array_equal(copied.predict(rows), estimator.predict(rows))


# --------------------------------------------------------------------------------------
# Forecasts
# --------------------------------------------------------------------------------------


def feed(prediction, k):
    """Feed a prediction with a known feature: of one series, or a row for each."""
    return np.stack([prediction, np.full_like(prediction, 0.1 * k)], axis=-1)


@each_kind
def test_forecast_panel_equals_each_series_alone(kind):
    estimator = fitted(**kind)
    together = estimator.forecast(5, feedback=feed)
    assert together.shape == (3, 5)
    some = estimator.forecast(5, feedback=feed, series=["c", "b"])
    for k, name in enumerate(estimator.series_):
        made, naive = alone(estimator, FITTED[name])
        prediction, expected = made[-1], []
        for step in range(5):
            fed = np.array([prediction, 0.1 * step])
            if (
                kind == KINDS[1]
                and (len(FITTED[name].values) + step - 12 * (name == "b")) % T == 0
            ):
                naive.reset()  # a cut, at which the state is not carried
            prediction = naive.take(fed)[0]
            expected.append(prediction)
        assert_close(together[k], expected, what=name, **ROUNDING)
        one = estimator.forecast(5, feedback=feed, series=name)
        assert_close(one, expected, what=name, **ROUNDING)
        if name != "a":
            assert_close(some[["c", "b"].index(name)], expected, **ROUNDING)


@each_kind
def test_forecast_panel_with_start_equals_observe_then_forecast(kind):
    """In order of appearance in `start`; the first value is for its last row."""
    estimator = fitted(**kind)
    start = next_rows("c", "a")
    names = list(dict.fromkeys(names_of(start)))
    made = estimator.forecast(4, start=start, feedback=feed)
    by_hand = copy.deepcopy(estimator)
    stepped = by_hand.step(start)
    for k, name in enumerate(names):
        assert_close(made[k, 0], stepped[names_of(start) == name][-1], **ROUNDING)
        expected = by_hand.forecast(3, feedback=feed, series=name)
        assert_close(made[k, 1:], expected, **ROUNDING)


# --------------------------------------------------------------------------------------
# Three ways to tell series apart
# --------------------------------------------------------------------------------------


def settings() -> dict:
    return {
        "windows": "tiled",
        "sequence_length": T,
        "batch_size": B,
        "epochs": 2,
        "random_state": 0,
    }


def test_panel_by_index_by_column_and_by_position_are_the_same():
    frame = interleaved(FITTED, 0).loc[["a", "c"]]
    y = target_of(frame)
    by_index = StatefulLSTMRegressor((3,), **settings()).fit(frame, y)
    table = frame.reset_index("shop")[["u", "shop", "v"]]
    by_column = StatefulLSTMRegressor((3,), series_id="shop", **settings())
    by_column.fit(table, y)
    codes = (names_of(frame) == "c").astype(float)
    array = np.column_stack([frame.to_numpy(), codes])
    by_position = StatefulLSTMRegressor((3,), series_id=-1, **settings())
    by_position.fit(array, y)
    assert by_column.n_features_in_ == by_position.n_features_in_ == 2
    for other, rows in ((by_column, table), (by_position, array)):
        assert_identical_weights(other.get_weights(), by_index.get_weights())
        np.testing.assert_array_equal(other.predict(rows), by_index.predict(frame))
    later = next_rows("a", "c")
    later_table = later.reset_index("shop")[["u", "shop", "v"]]
    later_codes = (names_of(later) == "c").astype(float)
    expected = by_index.step(later)
    np.testing.assert_array_equal(by_column.step(later_table), expected)
    later_array = np.column_stack([later.to_numpy(), later_codes])
    np.testing.assert_array_equal(by_position.step(later_array), expected)


def test_fit_panel_in_another_order_of_rows_gives_same_state():
    """With a learning rate of zero, so that weights are the same in any order."""
    frame = interleaved(FITTED, 0)
    order = in_order_of_series(frame, ["c", "a", "b"])
    fits = []
    for rows in (frame, frame.iloc[order]):
        estimator = StatefulLSTMRegressor(
            (3,), on_gap="reset", optimizer__learning_rate=0.0, **settings()
        )
        fits.append(estimator.fit(rows, target_of(rows)))
    for name in FITTED:
        one, other = (estimator.get_states(name) for estimator in fits)
        assert_close(one.h[0], other.h[0], **ROUNDING)
        np.testing.assert_array_equal(one.last_seen, other.last_seen)


def test_lane_table_of_interleaved_panel_names_the_callers_rows():
    """Each row is in one lane once, and rows of a series follow one another there."""
    estimator, frame = fitted(), interleaved(FITTED, 0)
    table = estimator.lane_table(frame)  # (n_batches, batch_size, T)
    read = table[table >= 0]
    np.testing.assert_array_equal(np.sort(read), np.arange(len(frame)))
    line = np.concatenate([lane[lane >= 0] for lane in table.swapaxes(0, 1)])
    names = names_of(frame)[line]
    assert (names[1:] != names[:-1]).sum() == len(FITTED) - 1
    for name in FITTED:
        assert (np.diff(line[names == name]) > 0).all()


def test_predict_panel_of_equal_features_knows_training_rows_again():
    """Series that share a calendar do not make it one that repeats."""
    n = 20
    table = np.column_stack([np.repeat([0, 1], n), np.tile(np.arange(n) / n, 2)])
    y = np.concatenate([np.arange(n) / n, -np.arange(n) / n])
    estimator = StatefulLSTMRegressor((3,), series_id=0, **settings()).fit(table, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = estimator.predict(table)
    np.testing.assert_array_equal(estimator.predict(table, replay=True), expected)


def test_partial_fit_panel_joins_new_series():
    estimator = fitted()
    new = {"x": make_series(6, pd.Timestamp("2024-01-01"), set(), seed=3)}
    rows = interleaved(new, 0)
    n_before = len(estimator.series_)
    estimator.partial_fit(rows, target_of(rows))
    assert list(estimator.series_)[n_before:] == ["x"]
    _, naive = alone(estimator, new["x"])
    assert_close(estimator.get_states("x").h[0][0], naive.h[0][0], **ROUNDING)
    _, naive = alone(fitted(), FITTED["a"])
    assert_close(estimator.get_states("a").h[0][0], naive.h[0][0], **ROUNDING)


def test_fit_classifier_panel_answers_each_series_as_alone():
    frame = interleaved(FITTED, 0)
    labels = np.where(target_of(frame) > 0, "up", "down")
    estimator = StatefulLSTMClassifier((3,), on_gap="reset", **settings())
    together = estimator.fit(frame, labels).predict_proba(frame)
    estimator.reset_states()
    for name in FITTED:
        is_one = names_of(frame) == name
        one = estimator.predict_proba(frame[is_one])
        assert_close(one, together[is_one], **ROUNDING)


# --------------------------------------------------------------------------------------
# Sliding windows
# --------------------------------------------------------------------------------------


def test_fit_sliding_stateless_panel_trains_on_windows_within_series():
    """The same weights as windows cut by hand, none of which crosses a border."""
    series = [("a", FITTED["a"]), ("d", make_series(6, FITTED["a"].dates[0], set(), 9))]
    frame = pd.concat([interleaved({name: one}, 0) for name, one in series])
    y = target_of(frame)
    common = {"stateful": False, "shuffle": False, "epochs": 2, "random_state": 0}
    estimator = StatefulLSTMRegressor(
        (3,), sequence_length=T, batch_size=B, **common
    ).fit(frame, y)
    windows, targets, first = [], [], 0
    for _, one in series:
        for end in range(T, len(one.values) + 1):
            windows.append(one.values[end - T : end])
            targets.append(y[first + end - 1])
        first += len(one.values)
    by_hand = StatefulLSTMRegressor((3,), batch_size=B, **common)
    by_hand.fit(np.array(windows), np.array(targets))
    assert_same_weights(estimator.get_weights(), by_hand.get_weights(), **ROUNDING)


def test_fit_sliding_stateful_panel_raises():
    frame = interleaved(FITTED, 0)
    estimator = StatefulLSTMRegressor(
        (3,), sequence_length=T, epochs=1, on_gap="ignore"
    )
    with pytest.raises(ValueError, match=r"X holds 3 series.*Set windows='tiled'"):
        estimator.fit(frame, target_of(frame))


def test_sliding_stateful_network_refuses_other_series_than_its_own():
    """One series with a name is the only one that has a state."""
    frame = interleaved({"a": FITTED["a"]}, 0)
    estimator = StatefulLSTMRegressor((3,), sequence_length=T, epochs=1)
    estimator.fit(frame, target_of(frame))
    rows = next_rows("a", "c")
    stranger = rows[names_of(rows) == "c"]
    text = "among them series 'c', but with windows='sliding'.*set windows='tiled'"
    for call in (estimator.predict, estimator.observe, estimator.step):
        for refused in (rows, stranger):
            with pytest.raises(ValueError, match=text):
                call(refused)
    with pytest.raises(ValueError, match=text):
        estimator.partial_fit(stranger, np.zeros(len(stranger)))
    state = estimator.get_states(series="a")
    assert state is estimator.get_states()
    with pytest.raises(ValueError, match="forget removes one series of many"):
        estimator.forget("a")
    expected = estimator.predict(rows[names_of(rows) == "a"])
    estimator.reset_states(series="a").set_states(state)
    made = estimator.predict(rows[names_of(rows) == "a"])
    np.testing.assert_array_equal(made, expected)
