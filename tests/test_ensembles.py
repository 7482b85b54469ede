"""Ensembles of scikit-learn around stateful networks: `stream` moves all their states.

The answers are compared with those of the members, each streamed by itself, and put
together by hand.
"""

from __future__ import annotations

import copy
import warnings
from functools import cache
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import assert_close, assert_same_state, assert_same_weights
from hypothesis import given
from hypothesis import strategies as st
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)

from sklstm import ContinuityWarning, SlidingWindow, stream
from sklstm._network.one_batch import StackedGraph
from sklstm.plotting import LossCurveDisplay

N_TRAIN, N_ROWS = 40, 60
RNG = np.random.default_rng(0)
VALUES = 2 + np.sin(np.arange(N_ROWS + 1) / 3) + 0.3 * RNG.normal(size=N_ROWS + 1)
X = np.column_stack([VALUES[:-1], np.arange(N_ROWS) % 7 / 7])
Y = VALUES[1:]
LABELS = np.where(Y > 2, "up", "down")
X_NEW = X[N_TRAIN:]
DAYS = pd.date_range("2024-01-01", periods=N_ROWS, freq="D")
SHAPE = {"units": 3, "windows": "tiled", "sequence_length": 4, "batch_size": 2}
SHAPE |= {"epochs": 5, "optimizer__learning_rate": 0.05}
ROUNDING = {"rtol": 1e-6, "atol": 1e-6}


def net(seed: int = 0, **options) -> StatefulLSTMRegressor:
    settings = {**SHAPE, "random_state": seed, **options}
    return StatefulLSTMRegressor(**settings)


def labeller(seed: int = 0, **options) -> StatefulLSTMClassifier:
    settings = {**SHAPE, "epochs": 15, "random_state": seed, **options}
    return StatefulLSTMClassifier(**settings)


def scaled(last):
    return make_pipeline(StandardScaler(), last)


def in_scale(regressor):
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def voting(weights=(3, 1, 2)) -> VotingRegressor:
    """A network, one behind a scaler, and one with its target scaled as well."""
    members = [("a", net(0)), ("b", scaled(net(1))), ("c", in_scale(scaled(net(2))))]
    return VotingRegressor(members, weights=weights)


def bagging(member=None, **options) -> BaggingRegressor:
    settings = {"n_estimators": 3, "bootstrap": False, "random_state": 0, **options}
    return BaggingRegressor(net() if member is None else member, **settings)


def mean_of_votes(fitted, rows, call):
    """`call` of the stream of each member, or its predictions where it has no state."""
    return np.average(
        [answer_of(member, rows, call) for member in fitted.estimators_],
        axis=0,
        weights=fitted.weights,
    )


def mean_of_bag(fitted, rows, call):
    pairs = zip(fitted.estimators_, fitted.estimators_features_, strict=True)
    return np.mean([answer_of(one, rows[:, at], call) for one, at in pairs], axis=0)


def answer_of(member, rows, call):
    if isinstance(member, Ridge):
        return member.predict(rows)
    return getattr(stream(member), call)(rows)


def behind_scalers(fitted, rows, call):
    """In a target's units, by hand."""
    scaler, ensemble = fitted.regressor_
    made = mean_of_votes(ensemble, scaler.transform(rows), call)
    return made * Y[:N_TRAIN].std() + Y[:N_TRAIN].mean()


#: An ensemble, and how its answers are put together by hand.
ENSEMBLES = {
    "voting": (voting, mean_of_votes),
    "voting without weights": (lambda: voting(None), mean_of_votes),
    "beside a ridge": (
        lambda: VotingRegressor([("a", net()), ("r", Ridge())], weights=[1, 2]),
        mean_of_votes,
    ),
    "bagging": (bagging, mean_of_bag),
    "bagging of features": (lambda: bagging(max_features=1), mean_of_bag),
    "bagging of pipelines": (lambda: bagging(scaled(net())), mean_of_bag),
    "ensemble of ensembles": (
        lambda: VotingRegressor([("v", voting()), ("a", net(3))]),
        mean_of_votes,
    ),
    "behind scalers": (
        lambda: in_scale(scaled(VotingRegressor([("a", net()), ("b", net(1))]))),
        behind_scalers,
    ),
    "search": (
        lambda: GridSearchCV(
            voting(), {"weights": [[1, 2, 3], [3, 1, 2]]}, cv=TimeSeriesSplit(2)
        ),
        lambda fitted, rows, call: mean_of_votes(fitted.best_estimator_, rows, call),
    ),
}
each_ensemble = pytest.mark.parametrize("name", ENSEMBLES)


@cache
def _fitted(name: str):
    return ENSEMBLES[name][0]().fit(X[:N_TRAIN], Y[:N_TRAIN])


def fit(name: str):
    """An ensemble fitted once, its states as after `fit`."""
    stream(_fitted(name)).reseed_states()
    return _fitted(name)


def classifiers(kind: str):
    """Votes of two networks, one of them behind a scaler, and a logistic regression."""
    if kind == "bagging":
        return BaggingClassifier(
            labeller(), n_estimators=3, bootstrap=False, random_state=0
        )
    members = [("a", labeller(0)), ("b", scaled(labeller(1)))]
    members += [("l", LogisticRegression())] if "plain" in kind else []
    weights = [2, 1, 1] if "plain" in kind else None
    return VotingClassifier(members, voting=kind.split()[0], weights=weights)


# --------------------------------------------------------------------------------------
# step, observe and predict
# --------------------------------------------------------------------------------------


@each_ensemble
def test_stream_step_of_ensemble_is_mean_of_members_streams(name):
    fitted, by_hand = fit(name), ENSEMBLES[name][1]
    members = copy.deepcopy(fitted)
    live = stream(fitted)
    for rows in (X_NEW[:7], X_NEW[7:8], X_NEW[8:]):
        expected = by_hand(members, rows, "step")
        assert_close(live.predict(rows), expected, **ROUNDING)
        assert_close(live.step(rows), expected, **ROUNDING)
    pairs = zip(live.get_states(), stream(members).get_states(), strict=True)
    for state, expected in pairs:
        assert_same_state(state, expected, rtol=1e-6, atol=1e-6)


@given(
    name=st.sampled_from(list(ENSEMBLES)),
    n_seen=st.integers(0, 5),
    cuts=st.sets(st.integers(6, 19)),
    cold=st.booleans(),
)
def test_stream_step_of_ensemble_over_pieces_equals_predict(name, n_seen, cuts, cold):
    """Law 1: also `observe(A)` and then `predict(B)` is the tail of `predict(A + B)`.

    What `fitted` itself predicts then is the same, as states are those of its members.
    """
    fitted = fit(name)
    live = stream(fitted)
    if cold:
        live.reset_states()
    expected = fitted.predict(X_NEW)
    live.observe(X_NEW[:n_seen]) if n_seen else None
    assert_close(fitted.predict(X_NEW[n_seen:]), expected[n_seen:], **ROUNDING)
    bounds = [n_seen, *sorted(cuts), len(X_NEW)]
    stepped = [live.step(X_NEW[a:b]) for a, b in pairwise(bounds)]
    assert_close(np.concatenate(stepped), expected[n_seen:], **ROUNDING)


@pytest.mark.parametrize(
    "kind", ["soft", "hard", "soft plain", "hard plain", "bagging"]
)
def test_stream_of_classifiers_votes_as_the_ensemble(kind):
    """Soft votes are averaged; in hard ones a draw goes to the first label."""
    fitted = classifiers(kind).fit(X[:N_TRAIN], LABELS[:N_TRAIN])
    live, alone = stream(fitted), copy.deepcopy(fitted)
    expected = fitted.predict(X_NEW)
    pieces = [live.step(X_NEW[a : a + 6]) for a in range(0, len(X_NEW), 6)]
    assert list(np.concatenate(pieces)) == list(expected)
    votes = [
        member.predict(X_NEW) if "hard" in kind else member.predict_proba(X_NEW)[:, 1]
        for member in alone.estimators_  # which know the labels as 0 and 1
    ]
    ups = np.average(votes, axis=0, weights=[2, 1, 1] if "plain" in kind else None)
    assert list(expected) == list(np.where(ups > 0.5, "up", "down"))
    assert len(set(expected)) == 2
    for one, other in zip(stream(alone).observe(X_NEW).estimators, live.estimators):
        assert_same_state(other.get_states(), one.get_states(), rtol=1e-6, atol=1e-6)


def test_stream_of_ensemble_replays_the_rows_of_fit():
    """In-sample answers are those of the ensemble; `step` never replays."""
    fitted = fit("voting")
    live = stream(fitted)
    expected = fitted.predict(X[:N_TRAIN])
    assert_close(live.predict(X[:N_TRAIN]), expected, **ROUNDING)
    assert not np.allclose(live.predict(X[:N_TRAIN], replay=False), expected)


# --------------------------------------------------------------------------------------
# The closed loop
# --------------------------------------------------------------------------------------


def weekday(prediction, k):
    """The next row: the prediction, and the day of the week after the fit."""
    return [prediction, (N_TRAIN + k) % 7 / 7]


@pytest.mark.parametrize("name", [n for n in ENSEMBLES if n != "beside a ridge"])
def test_stream_forecast_of_ensemble_feeds_its_prediction_to_all(name):
    fitted, by_hand = fit(name), ENSEMBLES[name][1]
    forecast = stream(fitted).forecast(4, feedback=weekday)
    members = copy.deepcopy(fitted)
    value = fitted.predict(X[:N_TRAIN])[-1]
    for k in range(4):
        (value,) = by_hand(members, np.array([weekday(value, k)]), "step")
        assert_close(forecast[k], value, rtol=1e-5, atol=1e-4)


def test_stream_forecast_of_ensemble_is_not_the_mean_of_members_forecasts():
    fitted = VotingRegressor([("a", net(0)), ("b", net(1, epochs=30))])
    fitted.fit(X[:N_TRAIN], Y[:N_TRAIN])
    forecast = stream(fitted).forecast(5, feedback=weekday)
    alone = [one.forecast(5, feedback=weekday) for one in fitted.estimators_]
    assert np.abs(forecast - np.mean(alone, axis=0))[1:].max() > 1e-3


def test_stream_forecast_beside_a_ridge_begins_with_start():
    """The ridge has kept nothing of the last row, and predicts each row by itself."""
    fitted = fit("beside a ridge")
    live, members = stream(fitted), copy.deepcopy(fitted)
    before = live.get_states()
    forecast = live.forecast(4, start=X_NEW[:3], feedback=weekday)
    assert live.get_states()[0] is before[0]
    value = mean_of_votes(members, X_NEW[:3], "step")[-1]
    for k in range(4):
        assert_close(forecast[k], value, rtol=1e-5, atol=1e-4)
        (value,) = mean_of_votes(members, np.array([weekday(value, k)]), "step")


def test_stream_forecast_of_classifiers_feeds_the_label_voted_for():
    fitted = classifiers("hard").fit(X[:N_TRAIN], LABELS[:N_TRAIN])
    fed = []

    def feedback(label, k):
        fed.append(label)
        return [3.0 if label == "up" else 1.0, k / 7]

    forecast = stream(fitted).forecast(4, start=X_NEW[:1], feedback=feedback)
    assert set(forecast) <= {"up", "down"}
    assert fed == list(forecast[:-1])


# --------------------------------------------------------------------------------------
# States as values
# --------------------------------------------------------------------------------------


def test_stream_states_of_ensemble_come_in_a_tuple():
    live = stream(fit("voting"))
    seeded = live.get_states()
    assert len(seeded) == len(live.estimators) == 3
    later = live.observe(X_NEW[:5]).get_states()
    assert live.set_states(seeded) is live
    assert all(a is b for a, b in zip(live.get_states(), seeded, strict=True))
    assert live.set_states(list(later)).step(X_NEW[5:]).shape == (15,)
    assert live.reset_states() is live
    assert all(not np.any(state.position) for state in live.get_states())
    live.observe(X[:N_TRAIN])
    for state, expected in zip(live.get_states(), seeded, strict=True):
        assert_same_state(state, expected, rtol=1e-5, atol=1e-6)
    assert live.reseed_states() is live
    assert all(a is b for a, b in zip(live.get_states(), seeded, strict=True))


def test_stream_call_that_fails_moves_no_member():
    """The first network takes rows after a gap, and the second refuses them."""
    members = [("a", net(on_gap="ignore")), ("b", net(1, on_gap="raise"))]
    frame = pd.DataFrame(X, DAYS, columns=["sales", "day"])
    fitted = VotingRegressor(members).fit(frame[:N_TRAIN], Y[:N_TRAIN])
    live = stream(fitted)
    before = live.get_states()
    late = frame[N_TRAIN + 3 :]
    for call in (live.step, live.observe, live.predict):
        with pytest.raises(
            ValueError, match="2024-02-13, and the last row seen before it 2024-02-09"
        ):
            call(late)
    with pytest.raises(ValueError, match="shape"):
        live.set_states([before[0].reset(), before[1].replace(layers=[])])
    with pytest.raises(KeyError, match="series='east' names a series"):
        live.reset_states("east")
    assert all(a is b for a, b in zip(live.get_states(), before, strict=True))
    live.step(frame[N_TRAIN:])


def test_copies_of_ensemble_keep_the_states(tmp_path):
    fitted = fit("voting")
    stream(fitted).observe(X_NEW[:5])
    expected = fitted.predict(X_NEW[5:])
    joblib.dump(fitted, tmp_path / "ensemble")
    for again in (copy.deepcopy(fitted), joblib.load(tmp_path / "ensemble")):
        np.testing.assert_array_equal(stream(again).step(X_NEW[5:]), expected)


# --------------------------------------------------------------------------------------
# Labels and series
# --------------------------------------------------------------------------------------


def panel():
    """Two shops, day by day, and how each day goes on."""
    index = pd.MultiIndex.from_product([["north", "south"], DAYS])
    sales = np.concatenate([VALUES[:-1], VALUES[1:]])
    return pd.DataFrame({"sales": sales}, index), np.concatenate(
        [Y, np.append(Y, 2)[1:]]
    )


def test_stream_of_ensemble_follows_each_series_of_a_panel():
    rows, y = panel()
    seen = rows.index.get_level_values(1) < DAYS[N_TRAIN]
    pipeline = scaled(net(1)).set_output(transform="pandas")
    members = [("a", net()), ("b", pipeline), ("r", Ridge())]
    fitted = VotingRegressor(members).fit(rows[seen], y[seen])
    live, new = stream(fitted), rows[~seen]
    expected = fitted.predict(new)
    assert_close(live.step(new.loc[["south"]]), expected[20:], **ROUNDING)
    assert [list(state.series) for state in live.get_states()] == [
        ["north", "south"]
    ] * 2
    assert [list(s.series) for s in live.get_states("south")] == [["south"]] * 2
    with pytest.warns(ContinuityWarning, match="2024-02-09"):
        live.predict(new.loc[["north"]][2:])
    north = live.get_states("north")
    live.step(new.loc[["north"]])
    live.set_states(north)
    assert_close(live.step(new.loc[["north"]]), expected[:20], **ROUNDING)
    live.reseed_states()
    ends = live.forecast(3, start=new.groupby(level=0).head(4))
    assert ends.shape == (2, 3)
    south = live.forecast(3, start=new.loc[["south"]][:4], series="south")
    assert_close(south, ends[1], **ROUNDING)
    live.observe(new.loc[["south"]][:4])
    row = [[float(ends[1, 0])]]
    stepped = live.step(pd.DataFrame(row, new.loc[["south"]].index[4:5], ["sales"]))
    assert_close(stepped, ends[1, 1:2], rtol=1e-5, atol=1e-4)
    with pytest.raises(
        ValueError, match=r"start has no row of \['north'\], which Ridge"
    ):
        live.forecast(2, start=new.loc[["south"]][5:], series=["north"])


def test_stream_of_ensemble_hands_ids_in_a_column_to_all_members():
    """A network takes them out; a ridge behind an encoder reads them, fed back too."""
    rows, y = panel()
    frame = pd.DataFrame({"sales": rows["sales"].to_numpy()})
    frame["shop"] = rows.index.get_level_values(0).to_numpy()
    seen = np.tile(np.arange(N_ROWS) < N_TRAIN, 2)
    columns = make_column_transformer(
        (OneHotEncoder(), ["shop"]), remainder="passthrough"
    )
    plain = make_pipeline(columns, Ridge())
    members = [("a", net(series_id="shop")), ("r", plain)]
    fitted = VotingRegressor(members, weights=[2, 1]).fit(frame[seen], y[seen])
    live, start = stream(fitted), frame[~seen].groupby("shop").head(2)
    expected = fitted.predict(start)[[1, 3]]
    forecast = live.forecast(2, start=start)
    assert_close(forecast[:, 0], expected, **ROUNDING)
    live.observe(start)
    fed = pd.DataFrame({"sales": expected, "shop": ["north", "south"]})
    by_hand = [fitted.estimators_[0].predict(fed), fitted.estimators_[1].predict(fed)]
    assert_close(
        forecast[:, 1], np.average(by_hand, axis=0, weights=[2, 1]), **ROUNDING
    )


def test_stream_of_bagging_of_many_jobs_answers_in_one_thread():
    fitted = copy.deepcopy(fit("bagging")).set_params(n_jobs=2)
    with joblib.parallel_config(backend="threading"):
        expected = fitted.predict(X_NEW)
        assert_close(stream(fitted).step(X_NEW), expected, **ROUNDING)


def test_stream_of_bagging_warns_once_that_labels_are_lost():
    """It hands on arrays, in fit as well, so that the answers stay the same."""
    frame = pd.DataFrame(X, DAYS, columns=["sales", "day"])
    fitted = bagging().fit(frame[:N_TRAIN], Y[:N_TRAIN])
    live, expected = stream(fitted), fitted.predict(frame[N_TRAIN:])
    match = "does not reach the networks, because BaggingRegressor hands them arrays"
    with pytest.warns(UserWarning, match=match) as caught:
        answer = live.predict(frame[N_TRAIN:])
        live.step(frame[N_TRAIN:])
    assert [warning.filename for warning in caught] == [__file__]
    assert_close(answer, expected, rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert live.forecast(2, feedback=weekday).shape == (2,)


# --------------------------------------------------------------------------------------
# How ensembles fit
# --------------------------------------------------------------------------------------


def test_bagging_draws_are_weights_of_rows_in_order():
    """A network that is a member itself sees all rows, however they are drawn."""
    fitted = bagging(bootstrap=True, n_estimators=2).fit(X[:N_TRAIN], Y[:N_TRAIN])
    stream(fitted).step(X_NEW)
    for member, drawn in zip(
        fitted.estimators_, fitted.estimators_samples_, strict=True
    ):
        weights = np.bincount(drawn, minlength=N_TRAIN).astype(float)
        alone = net(member.random_state)
        alone.fit(X[:N_TRAIN], Y[:N_TRAIN], sample_weight=weights)
        assert_same_weights(member.get_weights(), alone.get_weights(), rtol=1e-6)


def note_traces(monkeypatch) -> list[str]:
    """A list that grows when a program is traced, which runs the layers' own code."""
    traced: list[str] = []
    for name in ("over_tile", "over_steps"):
        method = getattr(StackedGraph, name)

        def noted(self, *args, method=method, name=name, **kwargs):
            traced.append(name)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(StackedGraph, name, noted)
    return traced


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_second_member_of_ensemble_traces_nothing(n_jobs, monkeypatch):
    """Programs are lent to one at a time: two threads have two for all members."""
    traced = note_traces(monkeypatch)
    members = [(str(k), net(k, units=4 + n_jobs)) for k in range(5)]  # as nowhere else
    VotingRegressor(members[:1]).fit(X[:N_TRAIN], Y[:N_TRAIN])
    n_traced = len(traced)
    assert n_traced > 0
    with joblib.parallel_config(backend="threading", n_jobs=n_jobs):
        ensemble = VotingRegressor(members).fit(X[:N_TRAIN], Y[:N_TRAIN])
    stream(ensemble).step(X_NEW)
    assert n_traced <= len(traced) <= n_jobs * n_traced


# --------------------------------------------------------------------------------------
# Refusals
# --------------------------------------------------------------------------------------


DRAWS = {
    "bootstrap": lambda: bagging(scaled(net()), bootstrap=True),
    "some rows": lambda: bagging(scaled(net()), max_samples=0.5),
    "searches": lambda: bagging(
        GridSearchCV(scaled(net()), {}, cv=TimeSeriesSplit(2)), bootstrap=True
    ),
    "boosting": lambda: AdaBoostRegressor(net(), random_state=0),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_ensemble_that_draws_rows_raises_in_fit(kind):
    """A pipeline takes no weights, so it would be fitted on the rows drawn."""
    ensemble = DRAWS[kind]()
    text = f"{type(ensemble).__name__} fits this estimator on rows drawn at random"
    with pytest.raises(ValueError, match=f"{text}.*VotingRegressor.*bootstrap=False"):
        ensemble.fit(X[:N_TRAIN], Y[:N_TRAIN])


def test_ensemble_that_draws_windows_fits_where_none_follows_another():
    """Ready-made windows of a stateless network may come in any order."""
    windows = np.stack([X[k : k + 3] for k in range(20)])
    alone = StatefulLSTMRegressor(2, stateful=False, epochs=1, random_state=0)
    ensemble = AdaBoostRegressor(alone, n_estimators=1).fit(windows, Y[:20])
    assert np.isfinite(ensemble.predict(windows)).all()


def test_stream_of_bagging_that_drew_rows_raises():
    """As one that was fitted before such fits were refused."""
    fitted = bagging(scaled(net(epochs=1)), n_estimators=1)
    fitted.fit(X[:N_TRAIN], Y[:N_TRAIN]).set_params(bootstrap=True)
    match = (
        "BaggingRegressor has fitted each Pipeline on rows drawn at random.*bootstrap=F"
    )
    with pytest.raises(ValueError, match=match):
        stream(fitted)


def test_stream_of_ensemble_without_network_raises():
    fitted = VotingRegressor([("r", Ridge())]).fit(X, Y)
    with pytest.raises(
        TypeError, match=r"Voting or Bagging ensemble.*got VotingRegressor"
    ):
        stream(fitted)


def test_stream_beside_windows_raises():
    def in_a_row(windows):
        return np.nan_to_num(windows).reshape(len(windows), -1)

    windows = make_pipeline(SlidingWindow(3), FunctionTransformer(in_a_row), Ridge())
    fitted = VotingRegressor([("a", net()), ("w", windows)])
    fitted.fit(X[:N_TRAIN], Y[:N_TRAIN])
    with pytest.raises(
        ValueError, match=r"Pipeline among the members .* SlidingWindow"
    ):
        stream(fitted)


def test_stream_of_ensemble_refuses_what_is_for_one_estimator():
    live = stream(fit("voting"))
    match = (
        r"VotingRegressor holds an ensemble of 3 stateful .*stream\(fitted\).estimators"
    )
    for call in (
        lambda: live.estimator,
        lambda: live.transform(X_NEW),
        lambda: LossCurveDisplay.from_estimator(fit("voting")),
    ):
        with pytest.raises(TypeError, match=match):
            call()
    LossCurveDisplay.from_estimator(live.estimators[0])


def test_stream_set_states_of_ensemble_refuses_other_numbers_of_states():
    live = stream(fit("voting"))
    states = live.get_states()
    with pytest.raises(
        TypeError, match=r"takes a tuple of 3 states.*got RecurrentState"
    ):
        live.set_states(states[0])
    with pytest.raises(ValueError, match=r"takes a tuple of 3 states.*got 2"):
        live.set_states(states[:2])


def test_stream_forecast_beside_a_ridge_without_start_raises():
    match = "Ridge in the ensemble, without state, has kept none. Pass start="
    with pytest.raises(ValueError, match=match):
        stream(fit("beside a ridge")).forecast(2, feedback=weekday)


def test_stream_forecast_where_members_see_other_series_raises():
    """A scaler that returns arrays hides the shops from one of them."""
    rows, y = panel()
    fitted = VotingRegressor([("a", net()), ("b", scaled(net(1)))]).fit(rows, y)
    match = r"\['north', 'south'\] and one without a name.*same labels"
    with pytest.raises(ValueError, match=match):
        stream(fitted).forecast(2)
