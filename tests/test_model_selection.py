"""compare_states: the three conditions, the verdict, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import first_ordinary
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import SlidingWindow
from sklstm.model_selection import StateComparison, compare_states

CONDITIONS = ["carried", "reset", "swapped"]
SHORT = TimeSeriesSplit(2, test_size=6)


def make_series(n_rows=30, n_features=2, seed=0):
    """Random rows, and as target the sum of the row before the last one."""
    X = np.random.default_rng(seed).normal(size=(n_rows, n_features))
    return X, np.roll(X.sum(axis=1), 2)


def quick(**parameters):
    """A regressor that is fitted in no time: what it learns does not matter here."""
    return StatefulLSTMRegressor(3, epochs=1, **parameters)


def scorer_that_keeps(kept):
    """A scorer that appends what it was shown: carried, reset and swapped in turn."""

    def keep(estimator, X, y):
        kept.append(estimator.predict(X))
        return -np.mean((kept[-1] - y) ** 2)

    return keep


# --------------------------------------------------------------------------------------
# The three conditions
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("T", "B"), first_ordinary(2, [(3, 2), (1, 1), (3, 1), (1, 2)])
)
def test_compare_states_reset_equals_cold_series(T, B):
    """A cold series of T rows is one window from zero state."""
    X, y = make_series()
    model = quick(sequence_length=T, batch_size=B)
    kept = []
    scoring = scorer_that_keeps(kept)
    folds = [(np.arange(24), np.arange(24, 30))]
    comparison = compare_states(
        model, X, y, cv=folds, scoring=scoring, random_states=[5]
    )
    model.set_params(random_state=5).fit(X[:24], y[:24])
    carried, reset, _ = kept
    np.testing.assert_allclose(carried, model.predict(X[24:]), rtol=1e-5)
    expected = [
        model.reset_states().predict(X[i - T + 1 : i + 1])[-1] for i in range(24, 30)
    ]
    np.testing.assert_allclose(reset, expected, rtol=1e-5)
    assert not np.allclose(carried, reset)
    scores = comparison.scores.loc[(0, 5)]
    assert scores["reset"] == pytest.approx(-np.mean((reset - y[24:]) ** 2))


@pytest.mark.parametrize("B", [1, 2])
def test_compare_states_swapped_starts_from_another_batch(B):
    """Each answer is one of those that the other batches' states give, in its lane."""
    X, y = make_series()
    model = quick(batch_size=B)
    kept = []
    scoring = scorer_that_keeps(kept)
    folds = [(np.arange(20), np.arange(20, 30))]
    compare_states(model, X, y, cv=folds, scoring=scoring, random_states=[5])
    model.set_params(random_state=5).fit(X[:20], y[:20])
    test = X[20:].reshape(-1, B, 2)  # (n_batches, B, n_features)
    by_start = []  # [j][k]: batch k from the state before batch j
    for batch in test:
        by_start.append([model.predict(rows) for rows in test])
        model.observe(batch)
    answers = np.array(by_start)  # (n_batches, n_batches, B)
    swapped = kept[2].reshape(-1, B)
    starts = [
        int(np.abs(answers[:, k] - swapped[k]).sum(axis=1).argmin())
        for k in range(len(test))
    ]
    for k, j in enumerate(starts):
        np.testing.assert_allclose(swapped[k], answers[j, k], rtol=1e-5)
        assert j != k
    assert len(set(starts)) > 1


def test_compare_states_scores_test_rows_of_incomplete_batch():
    X, y = make_series(29)
    kept = []
    folds = [(np.arange(24), np.arange(24, 29))]
    compare_states(
        quick(batch_size=3, sequence_length=2),
        X,
        y,
        cv=folds,
        scoring=scorer_that_keeps(kept),
        random_states=[0],
    )
    assert [len(answers) for answers in kept] == [5, 5, 5]


def test_compare_states_carried_equals_cross_val_score():
    X, y = make_series()
    comparison = compare_states(quick(batch_size=2), X, y, cv=SHORT)
    assert comparison.score_name == "r2"
    assert comparison.scores.columns.tolist() == CONDITIONS
    assert comparison.scores.index.names == ["fold", "seed"]
    for seed in (0, 1, 2):
        model = quick(batch_size=2, random_state=seed)
        scores = comparison.scores["carried"].xs(seed, level="seed")
        expected = cross_val_score(model, X, y, cv=SHORT)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)


def composites():
    scaled = make_pipeline(StandardScaler(), quick(batch_size=2))
    grid = {"statefullstmregressor__epochs": [1, 2]}
    metric = "neg_mean_absolute_error"
    search = GridSearchCV(scaled, grid, cv=TimeSeriesSplit(2), scoring=metric)
    return {
        "pipeline": (scaled, "r2", "statefullstmregressor__"),
        "target": (
            TransformedTargetRegressor(scaled, transformer=StandardScaler()),
            "r2",
            "regressor__statefullstmregressor__",
        ),
        "search": (search, metric, "estimator__statefullstmregressor__"),
    }


@pytest.mark.parametrize("name", composites())
def test_compare_states_of_composites_scores_in_their_units(name):
    """In frames too; a search brings its own scoring."""
    model, scoring, prefix = composites()[name]
    rows, targets = make_series(40)
    X = pd.DataFrame(rows, columns=["a", "b"])
    y = pd.Series(100 + 10 * targets)
    comparison = compare_states(model, X, y, cv=SHORT, random_states=[3])
    assert comparison.score_name == scoring
    model.set_params(**{f"{prefix}random_state": 3})
    expected = cross_val_score(model, X, y, cv=SHORT, scoring=scoring)
    np.testing.assert_allclose(comparison.scores["carried"], expected, rtol=1e-5)
    assert comparison.scores.nunique(axis=1).min() == 3
    assert np.abs(comparison.scores["reset"] / comparison.scores["carried"]).max() < 10


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc", "f1"])
def test_compare_states_of_classifier_by_labels_or_probabilities(scoring):
    X, y = make_series(40)
    y = np.where(y > 0, "up", "down") if scoring != "f1" else y > 0
    model = StatefulLSTMClassifier(3, epochs=1, batch_size=2)
    folds = TimeSeriesSplit(2, test_size=10)
    comparison = compare_states(
        model, X, y, cv=folds, scoring=scoring, random_states=[0]
    )
    assert comparison.score_name == (scoring or "accuracy")
    model.set_params(random_state=0)
    expected = cross_val_score(model, X, y, cv=folds, scoring=scoring)
    np.testing.assert_allclose(comparison.scores["carried"], expected, rtol=1e-5)
    assert comparison.scores.notna().all(axis=None)


def test_compare_states_of_several_outputs():
    X, y = make_series()
    y = np.column_stack([y, -y])
    comparison = compare_states(quick(), X, y, cv=SHORT, random_states=[0])
    assert comparison.scores.shape == (2, 3)


def test_compare_states_leaves_estimator_unchanged():
    X, y = make_series()
    model = make_pipeline(StandardScaler(), quick(random_state=7)).fit(X, y)
    lstm = model[-1]
    before = {**vars(lstm)}, lstm.get_states(), model.predict(X)
    compare_states(model, X, y, cv=SHORT, random_states=[0])
    assert vars(lstm).keys() == before[0].keys()
    assert lstm.random_state == 7
    assert lstm.get_states() is before[1]
    assert (model.predict(X) == before[2]).all()


def test_compare_states_same_seeds_give_same_scores():
    X, y = make_series()
    first = compare_states(quick(), X, y, cv=SHORT, random_states=[0, 1])
    again = compare_states(quick(), X, y, cv=SHORT, random_states=[0, 1])
    pd.testing.assert_frame_equal(first.scores, again.scores)


@pytest.mark.filterwarnings("ignore:.*sklearn.utils.parallel")
def test_compare_states_tasks_can_be_pickled(monkeypatch):
    """What goes to a worker is pickled; the answers are the same."""

    class Travel:
        def __init__(self, n_jobs):
            self.n_jobs = n_jobs

        def __call__(self, tasks):
            assert self.n_jobs == 2
            travelled = pickle.loads(pickle.dumps(list(tasks)))
            return [call(*args, **options) for call, args, options in travelled]

    X, y = make_series()
    alone = compare_states(quick(), X, y, cv=SHORT, random_states=[0])
    monkeypatch.setattr("sklstm.model_selection._compare.Parallel", Travel)
    shared = compare_states(quick(), X, y, cv=SHORT, random_states=[0], n_jobs=2)
    pd.testing.assert_frame_equal(alone.scores, shared.scores)


# --------------------------------------------------------------------------------------
# What it finds out
# --------------------------------------------------------------------------------------


def learner():
    return StatefulLSTMRegressor(8, epochs=15, optimizer__learning_rate=0.02)


def test_compare_states_verdict_helps_where_state_matters():
    """A leaky sum of the rows so far, of which a window holds the last alone.

    The last row explains 1 - 0.7² = 51 % of its variance; the rest is in the state.
    """
    X = np.random.default_rng(0).normal(size=(600, 1))
    y = np.convolve(X[:, 0], 0.7 ** np.arange(20))[:600]
    comparison = compare_states(learner(), X, y, cv=TimeSeriesSplit(3, test_size=60))
    assert comparison.verdict.startswith("Carrying the state helps: r2 is 0.9")
    assert (comparison.differences["low"] > 0.2).all()
    assert comparison.scores["reset"].max() < 0.6


def test_compare_states_verdict_does_not_help_where_row_suffices():
    X = np.random.default_rng(0).normal(size=(600, 1))
    y = 2 * X[:, 0]
    comparison = compare_states(learner(), X, y, cv=TimeSeriesSplit(3, test_size=60))
    assert comparison.verdict.startswith("Carrying the state does not help: r2 is 0.9")
    assert "A swapped state is as good as the right one" in comparison.verdict


# --------------------------------------------------------------------------------------
# Statistics and words, by hand
# --------------------------------------------------------------------------------------


def compare(carried, reset, swapped, n_seeds=1):
    """A comparison from scores in the order of folds, then seeds."""
    seeds = range(n_seeds)
    pairs = pd.MultiIndex.from_product(
        [range(len(carried) // n_seeds), seeds], names=["fold", "seed"]
    )
    columns = {"carried": carried, "reset": reset, "swapped": swapped}
    return StateComparison(pd.DataFrame(columns, pairs), "r2")


def test_StateComparison_intervals_over_fold_means_by_hand():
    """Fold means 1, 2, 3: standard error 1 / sqrt(3), t(2) = 4.3027."""
    zeros = [0.0] * 6
    comparison = compare([0, 2, 1, 3, 3, 3], zeros, zeros, n_seeds=2)
    row = comparison.differences.loc["carried - reset"]
    assert row["mean"] == pytest.approx(2.0)
    assert row["std"] == pytest.approx(np.std([0, 2, 1, 3, 3, 3], ddof=1))
    assert row["standard error"] == pytest.approx(3**-0.5)
    assert row["low"] == pytest.approx(2 - 4.30265 * 3**-0.5, abs=1e-4)
    assert row["high"] == pytest.approx(2 + 4.30265 * 3**-0.5, abs=1e-4)


def test_StateComparison_intervals_over_seeds_where_folds_are_few():
    """Seed means over two folds: 1, 2, 3."""
    zeros = [0.0] * 6
    comparison = compare([0, 1, 2, 2, 3, 4], zeros, zeros, n_seeds=3)
    row = comparison.differences.loc["carried - swapped"]
    assert row["standard error"] == pytest.approx(3**-0.5)


@pytest.mark.parametrize(
    ("reset", "swapped", "opening", "phrase"),
    [
        ([0.5, 0.5, 0.6], [0.4, 0.4, 0.4], "Carrying the state helps", "+0.3667"),
        ([0.9, 0.9, 0.9], [0.4, 0.4, 0.4], "Carrying the state does not help", ""),
        (
            [0.9, 0.901, 0.9],
            [0.9, 0.899, 0.9],
            "Carrying the state does not help",
            "A swapped state is as good as the right one.",
        ),
        (
            [0.4, 0.4, 0.4],
            [0.9, 0.901, 0.9],
            "Carrying the state does not help",
            "as good as the right one: the network needs some state, but not what",
        ),
        (
            [0.4, 0.4, 0.4],
            [0.9, 0.7, 0.8],
            "Undecided",
            "By the interval of carried - swapped, there may be no difference or one",
        ),
        (
            [0.9, 0.4, 0.95],
            [0.95, 0.4, 0.9],
            "Undecided",
            "interval of carried - reset and that of carried - swapped, there may be",
        ),
    ],
)
def test_StateComparison_verdict_by_hand(reset, swapped, opening, phrase):
    verdict = compare([0.9, 0.9, 0.9], reset, swapped).verdict
    assert verdict.startswith(f"{opening}: r2 is 0.9 with the state carried")
    assert phrase in verdict


def test_StateComparison_two_folds_one_seed_is_undecided():
    comparison = compare([0.9, 0.9], [0.1, 0.1], [0.1, 0.1])
    assert comparison.verdict.startswith("Undecided")
    assert "There is no interval from fewer than 3 folds" in comparison.verdict
    assert comparison.differences["low"].isna().all()


def test_StateComparison_repr_has_tables_and_verdict():
    comparison = compare([0.9, 0.8, 0.7], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1])
    text = str(comparison)
    assert text == repr(comparison)
    assert "fold 2" in text
    assert "carried - swapped" in text
    assert text.endswith(comparison.verdict)
    html = comparison._repr_html_()
    assert html.count("<table") == 2
    assert "0.8" in html


def test_StateComparison_plot_draws_its_scores():
    pytest.importorskip("matplotlib").use("Agg")
    comparison = compare([0.9, 0.8, 0.7], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1])
    display = comparison.plot()
    assert display.scores is comparison.scores
    assert "r2" in display.ax_.get_ylabel()
    assert comparison.plot(ax=display.ax_).ax_ is display.ax_


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------


def refuse(error, match, model=None, X=None, y=None, **options):
    rows, targets = make_series()
    X, y = (rows if X is None else X), (targets if y is None else y)
    options = {"cv": SHORT, "random_states": [0], **options}
    with pytest.raises(error, match=match):
        compare_states(quick() if model is None else model, X, y, **options)


def test_compare_states_folds_not_after_training_raise():
    refuse(
        ValueError,
        "Fold 0 trains on rows 10 to 29 and tests on rows 0 to 9,.* TimeSeriesSplit",
        cv=KFold(3),
    )
    refuse(ValueError, "trains on 20 scattered rows", cv=KFold(3, shuffle=True))
    refuse(
        ValueError,
        "trains on rows 0 to 21 and tests on rows 24 to 26",
        cv=TimeSeriesSplit(2, test_size=3, gap=2),
    )
    refuse(ValueError, "cv gave no folds", cv=[])


def test_compare_states_stateless_raises():
    refuse(
        ValueError,
        "Fold 0 was fitted with stateful=False.*Set stateful=True, and leave stateful=",
        quick(stateful=False),
    )


def test_compare_states_ready_made_windows_raise():
    refuse(ValueError, "X holds ready-made windows", X=np.zeros((30, 4, 2)))
    refuse(
        ValueError,
        "Rows become windows before they reach the estimator.*sequence_length=3",
        make_pipeline(SlidingWindow(3), quick()),
    )


def test_compare_states_single_test_batch_raises():
    refuse(
        ValueError,
        r"Fold 0 tests on 6 row\(s\), 1 batch of batch_size=7, .*: 14 rows will do",
        quick(batch_size=7),
    )


def test_compare_states_other_estimator_raises():
    refuse(TypeError, r"found none in LinearRegression\(\)", LinearRegression())
    refuse(TypeError, "found none in 'lstm'", "lstm")


@pytest.mark.parametrize("seeds", [3, [0.5], ["a"], [True], None])
def test_compare_states_seeds_not_integers_raise(seeds):
    refuse(TypeError, "random_states must be integers", random_states=seeds)


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_compare_states_seeds_repeated_or_negative_raise(seeds):
    refuse(ValueError, "at least one integer, none negative", random_states=seeds)


def test_compare_states_bad_scoring_raises():
    refuse(TypeError, "name of one scorer.*got \\['r2'\\]", scoring=["r2"])
    refuse(ValueError, "nonsense", scoring="nonsense")
    refuse(
        TypeError,
        r"scoring must return one number, got \{'a': 1\}",
        scoring=lambda estimator, X, y: {"a": 1},
    )
    refuse(
        ValueError,
        "scores of fold 0, seed 0 are not all finite.*Choose a scoring",
        scoring=lambda estimator, X, y: np.nan,
    )


def test_compare_states_inconsistent_lengths_raise():
    refuse(ValueError, "inconsistent numbers of samples", y=np.zeros(29))
