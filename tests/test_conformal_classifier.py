"""`ConformalClassifier`: scores, sets, coverage, and the level as labels come in."""

from __future__ import annotations

import copy
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from backtest_cases import SHAPE
from hypothesis import given
from hypothesis import strategies as st
from plain import StatefulLSTMClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm.intervals import ConformalClassifier
from sklstm.intervals._label_scores import label_scores, scores_of_labels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 1))
PLACES = np.digitize(X[:, 0] + RNG.normal(size=500), [-0.5, 0.5])
NAMES = np.array(["down", "flat", "up"])
y = NAMES[PLACES]
P = np.array([[0.25, 0.625, 0.125], [0.5, 0.25, 0.25]])


@cache
def _plain(score: str) -> ConformalClassifier:
    return ConformalClassifier(LogisticRegression(), conformity_score=score).fit(
        X[:300], y[:300]
    )


def plain(score: str = "lac") -> ConformalClassifier:
    return copy.deepcopy(_plain(score))


def net() -> StatefulLSTMClassifier:
    return StatefulLSTMClassifier(**{**SHAPE, "scale": True})


def test_scores_by_hand():
    assert label_scores("lac", P).tolist() == [[0.75, 0.375, 0.875], [0.5, 0.75, 0.75]]
    assert label_scores("aps", P).tolist() == [[0.875, 0.625, 1.0], [0.5, 0.75, 1.0]]


def test_scores_of_missing_and_unknown_labels():
    labels = np.array(["up", None], object)
    assert scores_of_labels("lac", P, NAMES, labels)[0] == 0.875
    assert np.isnan(scores_of_labels("lac", P, NAMES, labels)[1])
    strange = np.array(["sideways", float("nan")], object)
    found = scores_of_labels("aps", P, NAMES, strange)
    assert found[0] == 1 and np.isnan(found[1])


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_first_sets_hold_the_labels_up_to_the_score_of_its_rank(score):
    older = LogisticRegression().fit(X[:225], y[:225])
    told = older.predict_proba(X[225:300])
    scores = np.sort(label_scores(score, told)[np.arange(75), PLACES[225:300]])
    limit = scores[int(np.ceil(0.9 * 76)) - 1]
    model = plain(score)
    expected = label_scores(score, model.predict_proba(X[300:])) <= limit + 1e-6
    np.testing.assert_array_equal(model.predict_set(X[300:]), expected)
    assert model.n_calibration_ == 75
    assert model.classes_.tolist() == NAMES.tolist()


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_coverage_of_sets_is_kept(score):
    sets = plain(score).step_set(X[300:], y[300:])
    assert 0.85 < sets[np.arange(200), PLACES[300:]].mean() < 0.97


def test_coverage_is_kept_where_labels_become_noise():
    noise = NAMES[np.random.default_rng(1).integers(0, 3, 200)]
    places = np.searchsorted(NAMES, noise)
    hit = plain().step_set(X[300:], noise)[np.arange(200), places].mean()
    fixed = ConformalClassifier(LogisticRegression(), adaptive=False)
    still = fixed.fit(X[:300], y[:300]).step_set(X[300:], noise)
    assert hit > still[np.arange(200), places].mean() + 0.05
    assert hit > 0.84


@given(coverages=st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)))
def test_more_coverage_never_makes_sets_smaller(coverages):
    model = plain().observe(X[300:400], y[300:400])
    less, more = (model.predict_set(X[400:], c) for c in sorted(coverages))
    assert (less <= more).all()


@given(cuts=st.lists(st.integers(300, 400), max_size=4))
def test_step_set_does_not_depend_on_cuts(cuts):
    expected = plain().step_set(X[300:400], y[300:400])
    model, ends = plain(), sorted({300, 400, *cuts})
    made = [model.step_set(X[a:b], y[a:b]) for a, b in pairwise(ends)]
    np.testing.assert_array_equal(np.concatenate(made), expected)


def test_rows_without_label_leave_the_level():
    model = plain()
    before = model.predict_set(X[300:])
    model.observe(X[300:303]).observe(X[303:305], [None, np.nan])
    np.testing.assert_array_equal(model.predict_set(X[300:]), before)
    assert model.step(X[305:310]).tolist() == model.predict(X[305:310]).tolist()


def test_network_inside_is_stepped_and_saved(tmp_path):
    model = ConformalClassifier(net(), 0.8).fit(X[:100], y[:100])
    alone = net().fit(X[:100], y[:100])
    expected = alone.predict_proba(X[100:140])
    np.testing.assert_allclose(model.predict_proba(X[100:140]), expected, atol=1e-5)
    sets = model.predict_set(X[100:140])
    np.testing.assert_array_equal(model.step_set(X[100:140]), sets)
    alone.observe(X[100:140])
    told = [m.predict_proba(X[140:150]) for m in (model, alone)]
    np.testing.assert_allclose(*told, atol=1e-5)
    model.observe(X[140:150], y[140:150])
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = ConformalClassifier.load(path)
    made = [m.step_set(X[150:200], y[150:200]) for m in (model, loaded)]
    np.testing.assert_array_equal(*made)
    made = [m.reseed_states().predict_set(X[100:120]) for m in (model, loaded)]
    np.testing.assert_array_equal(*made)


def test_network_behind_a_scaler_is_followed():
    frame = pd.DataFrame({"x": X[:, 0]}, pd.date_range("2024", periods=500, freq="h"))
    pipeline = make_pipeline(StandardScaler(), net()).set_output(transform="pandas")
    model = ConformalClassifier(pipeline, 0.8).fit(frame[:100], y[:100])
    sets = model.predict_set(frame[100:120])
    assert sets.shape == (20, 3)
    np.testing.assert_array_equal(model.step_set(frame[100:120]), sets)
