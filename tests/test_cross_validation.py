"""Cross-validation and curves equal a loop over the splits."""

from __future__ import annotations

import numpy as np
import pytest
from composition_cases import LABELS, SPLITS, Y2, X, by_hand, classifier, regressor, y
from helpers import (
    assert_close,
    assert_identical_weights,
)
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def test_cross_validate_equals_loop_over_splits():
    scores = cross_validate(
        regressor(),
        X,
        y,
        cv=SPLITS,
        scoring={"r2": "r2", "mae": "neg_mean_absolute_error"},
        return_train_score=True,
        return_estimator=True,
    )
    for name, metric, sign in (("r2", r2_score, 1), ("mae", mean_absolute_error, -1)):
        expected = by_hand(regressor(), metric=metric)
        assert_close(scores[f"test_{name}"], sign * expected["test"])
        assert_close(scores[f"train_{name}"], sign * expected["train"])
    for fitted, (train, _) in zip(scores["estimator"], SPLITS.split(X)):
        again = regressor().fit(X[train], y[train])
        assert_identical_weights(fitted.get_weights(), again.get_weights())


def test_cross_val_score_of_two_outputs_equals_loop():
    found = cross_val_score(regressor(), X, Y2, cv=SPLITS)
    assert_close(found, by_hand(regressor(), Y2)["test"])


@pytest.mark.parametrize(
    ("scoring", "metric"),
    [
        ("roc_auc", lambda labels, proba: roc_auc_score(labels == "up", proba[:, 1])),
        ("neg_log_loss", lambda labels, proba: -log_loss(labels, proba)),
        (
            "accuracy",
            lambda labels, proba: np.mean((proba[:, 1] > 0.5) == (labels == "up")),
        ),
    ],
)
def test_cross_val_score_of_string_labels_equals_loop(scoring, metric):
    estimator = make_pipeline(StandardScaler(), classifier())
    found = cross_val_score(estimator, X, LABELS, cv=SPLITS, scoring=scoring)
    expected = []
    for train, test in SPLITS.split(X):
        fitted = clone(estimator).fit(X[train], LABELS[train])
        assert fitted.classes_.tolist() == ["down", "up"]
        assert set(fitted.predict(X[test])) <= {"down", "up"}
        expected.append(metric(LABELS[test], fitted.predict_proba(X[test])))
    assert_close(found, expected)


def test_learning_curve_equals_loop():
    """Each point is a fit on the first rows of a split's training rows."""
    sizes, train_scores, test_scores = learning_curve(
        regressor(), X, y, cv=SPLITS, train_sizes=[8, 15]
    )
    assert sizes.tolist() == [8, 15]
    for i, (train, test) in enumerate(SPLITS.split(X)):
        for k, n in enumerate(sizes):
            fitted = regressor().fit(X[train[:n]], y[train[:n]])
            assert_close(train_scores[k, i], fitted.score(X[train[:n]], y[train[:n]]))
            assert_close(test_scores[k, i], fitted.score(X[test], y[test]))


def test_validation_curve_equals_loop():
    train_scores, test_scores = validation_curve(
        regressor(), X, y, param_name="epochs", param_range=[1, 3], cv=SPLITS
    )
    for k, epochs in enumerate([1, 3]):
        expected = by_hand(regressor(epochs=epochs))
        assert_close(train_scores[k], expected["train"])
        assert_close(test_scores[k], expected["test"])
