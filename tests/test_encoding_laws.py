"""Laws of state hold with `scale` and `linear_skip`, over panels drawn at random.

The oracle is in ``encoding_cases``: each series alone, its rows encoded in plain loops
from the beginning of its run and read by a NumPy LSTM.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from encoding_cases import (
    answers_by_hand,
    encoder_of,
    entry_of,
    linear_forecast,
    scaled_run,
)
from helpers import (
    ROUNDING,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    make_rows,
    pieces,
    weight_change,
    with_rest_thorough,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import assert_unchanged, snapshot
from panel_cases import (
    DAY,
    FITTED,
    B,
    T,
    following,
    interleaved,
    make_series,
    target_of,
)
from sklearn.base import clone

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

SETTINGS = {
    "windows": "tiled",
    "sequence_length": T,
    "batch_size": B,
    "on_gap": "reset",
    "scale": True,
    "linear_skip": True,
    "epochs": 2,
    "optimizer__learning_rate": 0.05,
    "random_state": 0,
}

#: What of an estimator differs from these settings, and what it is to forecast.
KINDS: dict[str, dict[str, Any]] = {
    "free": {},
    "tied": {"target": "next", "lags": 3, "ema_momentum": 0.8},
    "scale alone": {"linear_skip": False},
    "skip alone": {"scale": False, "lags": [2], "cell": "gru"},
    "stateless": {"stateful": False, "cell": "rnn"},
    "classes": {"target": "classes", "lags": 1},
}
each_kind = pytest.mark.parametrize(
    "kind", with_rest_thorough(KINDS, ("tied", "skip alone", "classes"))
)
#: Where each number of lanes compiles a program of its own.
one_kind = pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=() if k == "tied" else pytest.mark.thorough) for k in KINDS],
)
regressors = pytest.mark.parametrize("kind", [k for k in KINDS if k != "classes"])


def targets_of(frame: pd.DataFrame, target: str) -> np.ndarray:
    """A number for each row by its values, the next value of a column, or a class."""
    if target == "next":
        return frame.groupby(level=0)["u"].shift(-1).fillna(0.0).to_numpy()
    values = target_of(frame)
    if target == "classes":
        return np.array(["down", "level", "up"])[np.digitize(values, [-0.5, 0.5])]
    return values


def training() -> pd.DataFrame:
    """Return the rows of the small panel, on scales of their own."""
    return interleaved(FITTED, 0)


@functools.cache
def fitted_once(kind: str, random_state: int = 0) -> Any:
    changes = dict(KINDS[kind])
    target = changes.pop("target", "numbers")
    of_kind = StatefulLSTMClassifier if target == "classes" else StatefulLSTMRegressor
    settings = SETTINGS | changes | {"random_state": random_state}
    frame = training()
    return of_kind((3,), **settings).fit(frame, targets_of(frame, target))


def fitted(kind: str, random_state: int = 0) -> Any:
    """Return an estimator of one's own, fitted on the small panel."""
    return copy.deepcopy(fitted_once(kind, random_state))


def answers(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """Predictions, or probabilities of the classes."""
    if hasattr(estimator, "classes_"):
        return estimator.predict_proba(frame)
    return np.asarray(estimator.predict(frame)).reshape(len(frame), -1)


def names_of(frame: pd.DataFrame) -> np.ndarray:
    """Return the series of each row."""
    return frame.index.get_level_values(0).to_numpy()


def expected_of(estimator: Any, rows: Any) -> np.ndarray:
    """What each of the rows that follow is answered with, its series being alone."""
    names = names_of(rows.frame)
    parts = {}
    for name, series in rows.series.items():
        whole = rows.whole(name)
        entry = entry_of(estimator, name)
        made = answers_by_hand(estimator, whole.values, whole.begins, entry)
        parts[name] = made[len(made) - len(series.values) :]
    first = next(iter(parts.values()))
    outputs = np.empty((len(names), first.shape[1]))
    for name, part in parts.items():
        outputs[names == name] = part
    return outputs


def next_rows(*names: str, n: int = 5) -> pd.DataFrame:
    """Return rows that follow those of the fit."""
    series = {
        name: make_series(n, FITTED[name].dates[-1] + DAY, set(), seed=40 + k)
        for k, name in enumerate(names)
    }
    return interleaved(series, 1)


# --------------------------------------------------------------------------------------
# Each series alone, over pieces
# --------------------------------------------------------------------------------------


@each_kind
@given(rows=following(longest=30))
def test_predict_encoded_panel_answers_each_series_as_alone(kind, rows):
    """Known series go on from the fit, strangers have the scale of all."""
    estimator = fitted(kind)
    expected = expected_of(estimator, rows)
    assert_close(answers(estimator, rows.frame), expected, **ROUNDING)


@each_kind
@given(rows=following(longest=20), data=st.data())
def test_step_encoded_over_pieces_equals_predict(kind, rows, data):
    """Cut anywhere, down to single rows, each of which looks back at rows kept."""
    estimator = fitted(kind)
    frame, expected = rows.frame, expected_of(estimator, rows)
    for piece in data.draw(pieces(len(frame))):
        part = frame.iloc[piece]
        assert_close(answers(estimator, part), expected[piece], **ROUNDING)
        predicted = estimator.predict(part)
        np.testing.assert_array_equal(estimator.step(part), predicted)


@each_kind
@given(rows=following(longest=20), data=st.data())
def test_observe_encoded_then_predict_equals_tail_of_predict(kind, rows, data):
    estimator = fitted(kind)
    frame, expected = rows.frame, expected_of(estimator, rows)
    n = data.draw(st.integers(0, len(frame) - 1))
    if n:
        estimator.observe(frame.iloc[:n])
    made = answers(estimator, frame.iloc[n:])
    assert_close(made, expected[n:], **ROUNDING)


@each_kind
@pytest.mark.parametrize("random_state", [0, 1, 2])
def test_predict_encoded_training_rows_and_later_ones_replays_whole(kind, random_state):
    """In one call or in two, in any order of series, for several seeds."""
    estimator = fitted(kind, random_state)
    frame, later = training(), next_rows("a", "b", "c")
    whole = pd.concat([frame, later])
    expected = np.empty((len(whole), answers(estimator, frame).shape[1]))
    for name in FITTED:
        is_one = names_of(whole) == name
        begins = np.r_[FITTED[name].begins, np.zeros(5, bool)]
        values, entry = whole[is_one].to_numpy(), entry_of(estimator, name)
        expected[is_one] = answers_by_hand(estimator, values, begins, entry)
    assert_close(answers(estimator, frame), expected[: len(frame)], **ROUNDING)
    assert_close(answers(estimator, whole), expected, **ROUNDING)
    assert_close(answers(estimator, later), expected[len(frame) :], **ROUNDING)
    estimator.observe(next_rows("a"))
    assert_close(answers(estimator, frame), expected[: len(frame)], **ROUNDING)


# --------------------------------------------------------------------------------------
# What calls change, and what they leave
# --------------------------------------------------------------------------------------


@each_kind
def test_predict_score_forecast_encoded_change_nothing(kind):
    estimator, frame = fitted(kind), training()
    later = next_rows("a", "c")
    target = KINDS[kind].get("target", "numbers")
    copies = frame.copy(), later.copy()
    before, first = snapshot(estimator), answers(estimator, later)

    def zeros(predictions, k):
        return np.zeros((len(predictions), 2))

    estimator.predict(frame)
    estimator.score(frame, targets_of(frame, target))
    estimator.score(later, targets_of(later, target))
    estimator.forecast(3, feedback=zeros)
    estimator.forecast(3, start=later, feedback=zeros)
    np.testing.assert_array_equal(answers(estimator, later), first)
    assert_unchanged(estimator, before)
    pd.testing.assert_frame_equal(frame, copies[0])
    pd.testing.assert_frame_equal(later, copies[1])


@each_kind
def test_reset_states_then_observe_training_rows_reproduces_encoded_state(kind):
    """The rows looked back at are part of the state."""
    estimator, frame = fitted(kind), training()
    state = estimator.get_states()
    encoder = encoder_of(estimator)
    shape = (3, encoder.n_context, 2) if encoder.n_context else (0, 2)
    assert state.context.shape == shape
    estimator.reset_states().observe(frame)
    assert_same_state(estimator.get_states(), state, **ROUNDING)
    if encoder.n_context:
        last = FITTED["a"].values[-encoder.n_context :]
        kept = scaled_run(encoder, last, entry_of(estimator, "a"))
        assert_close(estimator.get_states("a").context[0], kept, **ROUNDING)
    estimator.observe(next_rows("b")).reseed_states()
    assert_same_state(estimator.get_states(), state)


@each_kind
def test_set_states_of_encoded_estimator_goes_on_from_there(kind):
    estimator, other = fitted(kind), fitted(kind)
    rows, later = next_rows("a", "b"), next_rows("a", "b", n=8).groupby(level=0).tail(3)
    other.observe(rows)
    estimator.set_states(other.get_states())
    np.testing.assert_array_equal(answers(estimator, later), answers(other, later))


@regressors
def test_forecast_encoded_equals_feeding_predictions_by_hand(kind):
    """The rows fed are in the user's units, and so are the predictions."""
    estimator, start = fitted(kind), next_rows("c", "a")

    def feed(predictions, k):
        return np.column_stack([predictions, np.full(len(predictions), 0.1 * k)])

    for given_start in (None, start):
        by_hand = fitted(kind)
        if given_start is None:
            names = list(by_hand.series_)
            made = by_hand.predict(training())
            made = [made[names_of(training()) == name][-1] for name in names]
        else:
            names = list(dict.fromkeys(names_of(start)))
            stepped = by_hand.step(start)
            made = [stepped[names_of(start) == name][-1] for name in names]
        expected = [] if given_start is None else [np.array(made)]
        dates = dict(by_hand_dates(start if given_start is not None else training()))
        for k in range(4 - len(expected)):
            index = [(name, dates[name] + (k + 1) * DAY) for name in names]
            index = pd.MultiIndex.from_tuples(index, names=["shop", "day"])
            rows = pd.DataFrame(feed(np.array(made), k), index, columns=["u", "v"])
            made = by_hand.step(rows)
            expected.append(made)
        forecast = estimator.forecast(4, start=given_start, feedback=feed)
        assert_close(forecast, np.array(expected).T, **ROUNDING)


def by_hand_dates(frame: pd.DataFrame) -> list[tuple[str, pd.Timestamp]]:
    """The last date of each series."""
    return [(name, rows.index[-1][1]) for name, rows in frame.groupby(level=0)]


@pytest.mark.thorough
@one_kind
@given(rows=following(longest=12), data=st.data())
def test_partial_fit_encoded_over_pieces_follows_state(kind, rows, data):
    """At a learning rate of zero the state goes where `observe` would take it."""
    estimator, observed = fitted(kind), fitted(kind)
    estimator.set_params(optimizer__learning_rate=0.0)
    frame = rows.frame
    y = targets_of(frame, KINDS[kind].get("target", "numbers"))
    for piece in data.draw(pieces(len(frame))):
        estimator.partial_fit(frame.iloc[piece], y[piece])
    assert_identical_weights(estimator.get_weights(), observed.get_weights())
    observed.observe(frame)
    assert_same_state(estimator.get_states(), observed.get_states(), **ROUNDING)


@one_kind
def test_partial_fit_encoded_anew_learns_encoder_of_first_piece(kind):
    """Later pieces train the network and leave the scales and the map."""
    frame, later = training(), next_rows("a", "b", "c")
    target = KINDS[kind].get("target", "numbers")
    estimator = clone(fitted_once(kind))
    estimator.partial_fit(frame, targets_of(frame, target))
    encoder, weights = encoder_of(estimator), estimator.get_weights()
    assert_close(answers(estimator, later), answers(copy.deepcopy(estimator), later))
    estimator.partial_fit(later, targets_of(later, target))
    assert encoder_of(estimator) is encoder
    assert weight_change(weights, estimator.get_weights()) > 1e-3


# --------------------------------------------------------------------------------------
# Copies, parameters, seeds
# --------------------------------------------------------------------------------------


@each_kind
def test_clone_of_encoded_estimator_starts_anew_and_fits_alike(kind):
    estimator, frame = fitted(kind), training()
    again = clone(estimator)
    assert not hasattr(again, "state_")
    assert not hasattr(again, "lags_")
    assert again.get_params() == estimator.get_params()
    again.fit(frame, targets_of(frame, KINDS[kind].get("target", "numbers")))
    assert_identical_weights(again.get_weights(), estimator.get_weights())
    assert_same_state(again.get_states(), estimator.get_states())


def test_set_params_of_encoded_estimator_changes_next_fit():
    estimator, frame = fitted("free"), training()
    later = next_rows("a")
    before = answers(estimator, later)
    estimator.set_params(scale=False, linear_skip=False, ema_momentum=0.5)
    np.testing.assert_array_equal(answers(estimator, later), before)
    estimator.fit(frame, target_of(frame))
    assert encoder_of(estimator) is None
    assert not hasattr(estimator, "lags_")


# --------------------------------------------------------------------------------------
# Units
# --------------------------------------------------------------------------------------


def fit_in_units(offset: float, factor: float, **changes: Any) -> tuple[Any, Any]:
    """Fit on the next value of a walk in other units; its answers for all rows."""
    rows = make_rows(60, 2, seed=5)
    rows[:, 0] = rows[:, 0].cumsum()
    rows[:, 0] = factor * rows[:, 0] + offset
    X, y = rows[:-1], rows[1:, 0]
    estimator = StatefulLSTMRegressor((3,), **(SETTINGS | changes))
    estimator.fit(X[:45], y[:45])
    later = [estimator.step(X[45:50]), estimator.step(X[50:])]
    forecast = estimator.forecast(3, feedback=lambda p, k: np.array([p, 0.0]))
    return np.concatenate([estimator.predict(X[:45]), *later, forecast]), y


@pytest.mark.parametrize("skip", [True, False], ids=["skip", "no skip"])
@pytest.mark.parametrize(("offset", "factor"), [(1e6, 1.0), (-7.0, 1e-3), (1e6, 50.0)])
def test_fit_scaled_in_other_units_answers_in_these(offset, factor, skip):
    """To a thousandth of the series' deviation: an offset takes digits of float64."""
    expected, y = fit_in_units(0.0, 1.0, linear_skip=skip)
    made, _ = fit_in_units(offset, factor, linear_skip=skip)
    np.testing.assert_allclose(
        (made - offset) / factor, expected, rtol=0, atol=1e-3 * y.std()
    )


def test_fit_scaled_target_in_other_units_answers_in_these():
    """Where y is no column of X it has a scale of its own for each series."""
    frame, later = training(), next_rows("a", "b")
    y = target_of(frame)
    estimator = fitted("free")
    other = clone(estimator).fit(frame, 1e6 + 20 * y)
    made = (other.predict(later) - 1e6) / 20
    atol = 1e-3 * y.std()
    np.testing.assert_allclose(made, estimator.predict(later), rtol=0, atol=atol)


# --------------------------------------------------------------------------------------
# No epochs
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["free", "skip alone"])
def test_fit_of_no_epochs_answers_with_linear_map(kind):
    """A network that does not learn is no gain, so that no epochs are chosen."""
    estimator, frame = clone(fitted_once(kind)), training()
    estimator.set_params(epochs="auto", optimizer__learning_rate=0.0)
    estimator.fit(frame, targets_of(frame, KINDS[kind].get("target", "numbers")))
    assert estimator.epochs_ == 0
    encoder = encoder_of(estimator)
    assert estimator.lags_ == encoder.skip.lags
    for name, series in FITTED.items():
        entry = entry_of(estimator, name)
        expected = []
        for run in np.split(series.values, np.flatnonzero(series.begins)):
            z = scaled_run(encoder, run, entry)
            expected += [linear_forecast(encoder, z, i)[0] for i in range(len(z))]
        expected = np.array(expected)
        if encoder.y_scale is not None:
            deviation, mean = encoder.y_scale.deviation, encoder.y_scale.mean
            expected = expected * deviation[entry, 0] + mean[entry, 0]
        made = estimator.predict(frame)[names_of(frame) == name]
        assert_close(made, expected, **ROUNDING)


def test_fit_of_no_epochs_forecasts_by_linear_map():
    """Each forecast is the map of the rows and of the forecasts before it."""
    rows = make_rows(30, 2, seed=8)
    rows[:, 0] = rows[:, 0].cumsum()
    X, y = rows[:-1], rows[1:, 0]
    estimator = StatefulLSTMRegressor((3,), **(SETTINGS | {"epochs": "auto"}))
    estimator.fit(X, y)  # too few rows are held out to tell a gain
    assert estimator.epochs_ == 0
    encoder, run = encoder_of(estimator), list(X)
    scale, expected = encoder.y_scale, []
    for _ in range(4):
        z = scaled_run(encoder, np.array(run), 0)
        made = linear_forecast(encoder, z, len(z) - 1)[0]
        expected.append(made * scale.deviation[0, 0] + scale.mean[0, 0])
        run.append(np.array([expected[-1], 0.0]))
    made = estimator.forecast(5, feedback=lambda p, k: np.array([p, 0.0]))
    first = estimator.predict(X)[-1]
    assert_close(first, expected[0], **ROUNDING)
    assert_close(made[:3], expected[1:], **ROUNDING)


def test_fit_twice_of_same_random_state_gives_same_encoder_and_weights():
    estimator, frame = fitted("tied"), training()
    again = clone(estimator).fit(frame, targets_of(frame, "next"))
    assert_identical_weights(again.get_weights(), estimator.get_weights())
    one, other = encoder_of(again).skip, encoder_of(estimator).skip
    np.testing.assert_array_equal(one.weights, other.weights)
