"""`compare_states` of ensembles: all networks are reset, or swapped, together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm.model_selection import PanelSplit, compare_states

RNG = np.random.default_rng(0)
VALUES = np.sin(np.arange(141) / 4) ** 3 + 0.1 * RNG.normal(size=141)
X, Y = VALUES[:-1, np.newaxis], VALUES[1:]
FOLDS = TimeSeriesSplit(2, test_size=24)
SIZES = {"units": 4, "sequence_length": 8, "batch_size": 2, "epochs": 3}


def network(**options) -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor(**{**SIZES, **options})


def compared(model, y=Y, seed=0, **options):
    return compare_states(model, X, y, cv=FOLDS, random_states=[seed], **options)


@pytest.mark.thorough
@pytest.mark.parametrize("k", [1, pytest.param(0, marks=pytest.mark.thorough)])
def test_compare_states_of_ensemble_weighs_its_members(k):
    """With all the weight on one, the scores are those of this one alone.

    The k-th of two members has the seed k where the ensemble's is 0. Both cut their
    rows into tiles of their own, from which states are swapped.
    """
    members = [("a", network()), ("b", make_pipeline(StandardScaler(), network()))]
    members[1][1].set_params(statefullstmregressor__sequence_length=6)
    weights = np.eye(2)[k].tolist()
    both = compared(VotingRegressor(members, weights=weights)).scores
    alone = compared(members[k][1], seed=k).scores
    assert both.columns.tolist() == ["carried", "reset", "swapped", "linear"]
    same = ["carried", "reset", "linear"] + (["swapped"] if k == 0 else [])
    np.testing.assert_allclose(both[same], alone[same], rtol=1e-6)


def test_compare_states_of_ensemble_resets_all_members():
    """By hand: each tile from zero state, the mean of a ridge and a network."""
    members = [("a", network(linear_skip=False)), ("r", Ridge())]
    scores = compared(VotingRegressor(members, weights=[3, 1])).scores
    assert "linear" not in scores
    for fold, (train, test) in enumerate(FOLDS.split(X)):
        net = clone(members[0][1]).set_params(random_state=0).fit(X[train], Y[train])
        ridge = Ridge().fit(X[train], Y[train])
        tiles = [test[a : a + 8] for a in range(0, 24, 8)]
        reset = [net.reset_states().predict(X[tile]) for tile in tiles]
        mean = (3 * np.concatenate(reset) + ridge.predict(X[test])) / 4
        expected = r2_score(Y[test], mean)
        np.testing.assert_allclose(scores["reset"].loc[fold, 0], expected, rtol=1e-6)


def test_compare_states_gives_each_member_a_seed_of_its_own():
    """Those of one seed are not those of another; a bagging draws its own."""
    seen = []

    def scoring(estimator, X, y):
        members = getattr(estimator, "estimators_", None)  # of the fitted ensemble
        if members is not None:
            seen.append([member.random_state for member in members])
        return r2_score(y, estimator.predict(X))

    options = {"cv": TimeSeriesSplit(2, test_size=16), "scoring": scoring}
    voting = VotingRegressor([("a", network()), ("b", network())])
    compare_states(voting, X, Y, random_states=[0, 1], **options)
    assert seen == [[0, 1], [2, 3]] * 2
    seen.clear()
    bagging = BaggingRegressor(network(), n_estimators=2, bootstrap=False)
    compare_states(bagging, X, Y, random_states=[0, 1], **options)
    assert seen[:2] == seen[2:]
    assert len({seed for seeds in seen for seed in seeds}) == 4


def test_compare_states_of_soft_votes_by_probabilities():
    labels = np.where(Y > 0, "high", "low")
    members = [(n, StatefulLSTMClassifier(**SIZES)) for n in "ab"]
    voting = VotingClassifier(members, voting="soft", weights=[1, 0])
    both = compared(voting, labels, scoring="neg_log_loss").scores
    alone = compared(members[0][1], labels, scoring="neg_log_loss").scores
    np.testing.assert_allclose(both, alone, rtol=1e-6)


@pytest.mark.thorough  # another program, for the text of a network alone
def test_compare_states_of_stateless_member_raises():
    members = [("a", network()), ("b", network(stateful=False))]
    with pytest.raises(ValueError, match="Fold 0 was fitted with stateful=False"):
        compared(VotingRegressor(members))


def test_compare_states_of_bagged_panel_raises():
    """A bagging ensemble hands on arrays, which tell no series apart."""
    days = pd.date_range("2024-01-01", periods=70)
    index = pd.MultiIndex.from_product([["a", "b"], days])
    frame = pd.DataFrame(X, index, columns=["sales"])
    model = BaggingRegressor(network(), n_estimators=1, bootstrap=False)
    with pytest.raises(
        ValueError, match=r"BaggingRegressor before .* a Voting ensemble"
    ):
        compare_states(model, frame, Y, cv=PanelSplit(2, test_size=10))


def test_compare_states_of_ensemble_without_network_raises():
    with pytest.raises(TypeError, match=r"Voting or Bagging ensemble.*found none"):
        compared(VotingRegressor([("r", Ridge())]))
