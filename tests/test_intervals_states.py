"""`ConformalRegressor` around networks: state, composites, panels and forecasts."""

from __future__ import annotations

import copy
import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from backtest_cases import composites, net
from helpers import assert_close
from interval_cases import FITTED, SERIES, X, conformal_net, inside, make_panel, y
from sklearn.linear_model import Ridge

from sklstm import frame_series, stream
from sklstm.intervals import ConformalRegressor
from sklstm.model_selection import backtest

ROUNDING = {"rtol": 1e-4, "atol": 1e-4}  # NumPy and compiled programs, in float32


@cache
def _fitted(horizon: int) -> ConformalRegressor:
    return conformal_net(horizon=horizon).fit(X[:FITTED], y[:FITTED])


def fitted(horizon: int = 1) -> ConformalRegressor:
    """A copy that a test may move."""
    return copy.deepcopy(_fitted(horizon))


def test_step_moves_the_state_and_answers_as_the_estimator():
    model, alone = fitted(), net().fit(X[:FITTED], y[:FITTED])
    rows = X[FITTED : FITTED + 20]
    before = model.predict(rows)
    assert_close(model.step(rows, y[rows.index]), before, **ROUNDING)
    assert_close(before, alone.step(rows), **ROUNDING)
    later = X[FITTED + 20 :]
    assert_close(model.predict(later), alone.predict(later), **ROUNDING)
    assert_close(model.predict_interval(later).mean(axis=1), alone.predict(later))


def test_scores_are_those_of_a_walk_with_state():
    fold = (np.arange(90), np.arange(90, FITTED))
    rows, values = X[:FITTED], y[:FITTED]
    table = backtest(net(), rows, values, cv=[fold]).predictions
    errors = np.sort((table["y_true"] - table["y_pred"]).abs())
    rank = int(np.ceil(0.8 * (len(errors) + 1)))
    width = np.diff(fitted().predict_interval(X[FITTED : FITTED + 1]))[0, 0]
    assert_close(width, 2 * errors[rank - 1], rtol=1e-5)


@pytest.mark.parametrize("kind", ["pipeline", "target", "search", "voting"])
def test_composites_are_followed_row_by_row(kind):
    model = ConformalRegressor(composites()[kind], 0.8).fit(X[:FITTED], y[:FITTED])
    start = model.get_states()
    rows, values = X[FITTED:], y[FITTED:]
    expected = model.predict(rows)
    whole = model.step_interval(rows, values)
    assert_close(whole.mean(axis=1), expected, **ROUNDING)
    model.set_states(start)
    pieces = [
        model.step_interval(rows[place], values[place])
        for place in (slice(0, 1), slice(1, 15), slice(15, None))
    ]
    assert_close(np.concatenate(pieces), whole, **ROUNDING)


# --------------------------------------------------------------------------------------
# Several steps ahead
# --------------------------------------------------------------------------------------


def test_forecast_interval_is_around_the_forecast():
    model = fitted(4)
    start = X[FITTED : FITTED + 1]
    for given in ({}, {"start": start}):
        made = model.forecast(3, **given)
        intervals = model.forecast_interval(3, **given)
        assert intervals.shape == (3, 2)
        assert_close(intervals.mean(axis=1), made)
    wider = model.forecast_interval(3, coverage=0.9, start=start)
    assert (wider[:, 0] < intervals[:, 0]).all()
    assert_close(intervals[:1], model.predict_interval(start), **ROUNDING)


def test_forecast_interval_without_start_is_two_steps_ahead():
    """As the prediction for the last row seen is fed back first."""
    model = fitted(4)
    model.observe(X[FITTED : FITTED + 1])
    thresholds = model._moment.online.trackers[0].thresholds(0.8)[:, 0]
    widths = np.diff(model.forecast_interval(3))[:, 0]
    assert_close(widths, 2 * thresholds[1:], rtol=1e-9)


def test_fed_forecasts_are_told_as_those_of_backtest():
    """Errors k steps ahead of rows observed since the fit are those of a backtest."""
    model = fitted(3)
    model.observe(X[FITTED:], y[FITTED:])
    fold = (np.arange(FITTED), np.arange(FITTED, len(X)))
    table = backtest(net(), X, y, cv=[fold], horizon=3).predictions
    tracker = model._moment.online.trackers[0]
    for step in (1, 2, 3):
        errors = table[table["horizon"] == step].eval("abs(y_true - y_pred)")
        kept = tracker.newest[step - 1, 0, -len(errors) :] * tracker.unit[step - 1]
        # backtest leaves the nearest step of the last rows out
        n = len(errors) if step == 3 else len(errors) + 3 - step
        kept = tracker.newest[step - 1, 0, -n:] * tracker.unit[step - 1]
        assert_close(kept[: len(errors)], errors.to_numpy(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["frame", "array", "no index"])
def test_fed_forecasts_do_not_depend_on_cuts(kind):
    rows = {"frame": X, "array": X.to_numpy(), "no index": X.reset_index(drop=True)}
    table, values = rows[kind], y.to_numpy()
    whole = ConformalRegressor(net(), 0.8, horizon=3).fit(table[:100], values[:100])
    pieces = copy.deepcopy(whole)
    whole.observe(table[100:130], values[100:130])
    for place in (slice(100, 101), slice(101, 103), slice(103, 130)):
        part = table[place]
        if kind == "no index":
            part = part.reset_index(drop=True)
        pieces.observe(part, values[place])
    assert_close(pieces.forecast_interval(2), whole.forecast_interval(2), **ROUNDING)


def test_fed_forecasts_of_rows_without_state_are_adapted():
    model = ConformalRegressor(Ridge(), 0.8, horizon=3).fit(X[:100], y[:100])
    before = model._moment.online.trackers[0].thresholds(0.8)
    model.observe(X[100:150], y[100:150])
    after = model._moment.online.trackers[0].thresholds(0.8)
    assert (before != after).all()


@pytest.mark.thorough
def test_all_horizons_in_columns_have_intervals():
    rows, values = frame_series(SERIES, range(1, 4), target="v")
    model = ConformalRegressor(net(), 0.8).fit(rows[:FITTED], values[:FITTED])
    intervals = model.step_interval(rows[FITTED:], values[FITTED:])
    assert intervals.shape == (len(rows) - FITTED, 3, 2)
    assert inside(intervals, values[FITTED:].to_numpy()).mean() > 0.6


# --------------------------------------------------------------------------------------
# Many series
# --------------------------------------------------------------------------------------


@cache
def panel():
    rows, values = make_panel()
    seen = rows.index.get_level_values("day") < "2024-02-20"
    model = ConformalRegressor(net(), 0.8, horizon=2).fit(rows[seen], values[seen])
    return model, rows, values, seen


def test_widths_of_each_series_are_of_its_own_size():
    model, rows, _, seen = panel()
    first = rows[~seen][:2]  # a row of each
    widths = np.diff(model.predict_interval(first))[:, 0]
    assert 20 < widths[1] / widths[0] < 500


def test_series_of_a_panel_are_told_apart_in_any_order():
    model, rows, values, seen = panel()
    together, apart = copy.deepcopy(model), copy.deepcopy(model)
    later, told = rows[~seen], values[~seen]
    whole = pd.DataFrame(together.step_interval(later, told), later.index)
    for name in ("b", "a"):
        own = later.index.get_level_values("shop") == name
        made = apart.step_interval(later[own], told[own])
        assert_close(made, whole[own].to_numpy(), rtol=1e-5)
    both = together.forecast_interval(1)
    assert both.shape == (2, 1, 2)
    assert_close(together.forecast_interval(1, series="b"), both[1], **ROUNDING)
    assert_close(together.forecast_interval(1, series=["b"])[0], both[1], **ROUNDING)


def test_new_series_begins_with_scores_of_all():
    model, rows, values, seen = panel()
    model = copy.deepcopy(model)
    new = rows[~seen].rename(index={"b": "c"}, level="shop")
    intervals = model.step_interval(new, values[~seen])
    assert np.isfinite(intervals).all()
    assert list(model._moment.online.ids) == ["a", "b", "c"]
    model.reset_states("c")


def joined_panel():
    """A panel's estimator, and rows of one of its series, and of one that joins."""
    model, rows, values, seen = panel()
    new = rows[~seen].rename(index={"b": "c"}, level="shop")
    return copy.deepcopy(model), new, values[~seen].to_numpy()


def test_set_states_forgets_series_that_have_joined_since():
    model, new, values = joined_panel()
    start, expected = model.get_states(), model.predict_interval(new)
    first = model.step_interval(new, values)
    model.set_states(start)
    assert list(model.estimator_.series_) == ["a", "b"]
    assert_close(model.predict_interval(new), expected, **ROUNDING)
    assert_close(model.step_interval(new, values), first, **ROUNDING)


def test_reset_states_of_a_series_keeps_forecasts_of_others():
    """A value that comes after it tells the level of the other series as without."""
    model, new, values = joined_panel()
    alone = copy.deepcopy(model)
    is_a = new.index.get_level_values("shop") == "a"
    n = 6  # rows of both, and then those of one alone
    for one in (model, alone):
        one.observe(new[:n], values[:n])
    model.reset_states("c")
    assert (
        model.get_states().networks.position[list(model.estimator_.series_).index("c")]
        == 0
    )
    made = [m.observe(new[n:][is_a[n:]], values[n:][is_a[n:]]) for m in (model, alone)]
    trackers = [m._moment.online.trackers[0] for m in made]
    for name in ("newest", "placed"):
        np.testing.assert_allclose(*(getattr(t, name) for t in trackers), rtol=1e-5)
    rows = [set(m._moment.fed.rows.index.get_level_values("shop")) for m in made]
    assert rows == [{"a"}, {"a", "c"}]


def test_reset_states_of_all_drops_every_forecast():
    model, new, values = joined_panel()
    model.observe(new[:4], values[:4]).reset_states()
    assert model._moment.fed.rows is None
    records = model._moment.fed.records
    assert (records[0].state.position == 0).all()


# --------------------------------------------------------------------------------------
# Copies and files
# --------------------------------------------------------------------------------------


def assert_goes_on_alike(one, other, rows, values):
    before = [m.forecast_interval(m.horizon - 1) for m in (one, other)]
    np.testing.assert_array_equal(*before)
    made = [m.step_interval(rows, values) for m in (one, other)]
    np.testing.assert_array_equal(*made)
    np.testing.assert_array_equal(*[m.forecast_interval(1) for m in (one, other)])
    made = [m.reseed_states().forecast_interval(1) for m in (one, other)]
    np.testing.assert_array_equal(*made)


def through_file(model, folder):
    path = folder / "model.safetensors"
    model.save(path)
    return type(model).load(path)


def test_loaded_estimator_goes_on_bit_for_bit(tmp_path):
    model = fitted(3)
    model.observe(X[FITTED : FITTED + 9], y[FITTED : FITTED + 9])
    loaded = through_file(model, tmp_path)
    assert loaded.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert loaded.estimator.get_params() == model.estimator.get_params()
    assert loaded.n_calibration_ == model.n_calibration_
    assert_goes_on_alike(model, loaded, X[FITTED + 9 :], y[FITTED + 9 :])


def test_loaded_panel_goes_on_bit_for_bit(tmp_path):
    model, rows, values, seen = panel()
    model = copy.deepcopy(model).observe(rows[~seen][:4], values[~seen][:4])
    loaded = through_file(model, tmp_path)
    assert_goes_on_alike(model, loaded, rows[~seen][4:], values[~seen][4:])


def test_pickled_estimator_goes_on_alike():
    model = fitted(3)
    model.observe(X[FITTED : FITTED + 9], y[FITTED : FITTED + 9])
    other = pickle.loads(pickle.dumps(model))
    assert_goes_on_alike(model, other, X[FITTED + 9 :], y[FITTED + 9 :])


def test_failed_observe_moves_nothing():
    model = fitted()
    before = model.get_states()
    with pytest.raises(ValueError, match=r"X has 2 row\(s\) and y has 3"):
        model.observe(X[FITTED : FITTED + 2], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="infinite value"):
        model.observe(X[FITTED : FITTED + 2], [1.0, np.inf])
    after = model.get_states()
    assert after.moment is before.moment
    assert after.networks is before.networks


def test_stream_moves_the_state_inside():
    """The estimator inside is an ordinary one."""
    model = fitted()
    stream(model.estimator_).observe(X[FITTED : FITTED + 3])
    expected = fitted().observe(X[FITTED : FITTED + 3])
    rows = X[FITTED + 3 :]
    assert_close(model.predict(rows), expected.predict(rows), **ROUNDING)
