"""Inside scikit-learn: pipelines, transformed targets and other wrappers."""

from __future__ import annotations

import numpy as np
from composition_cases import LABELS, SPLITS, X_NEW, Y2, X, classifier, regressor, y
from helpers import (
    assert_close,
    assert_identical_weights,
)
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    r2_score,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# --------------------------------------------------------------------------------------
# Pipelines and targets
# --------------------------------------------------------------------------------------


def test_Pipeline_with_StandardScaler_equals_scaling_by_hand():
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    scaler = StandardScaler().fit(X)
    plain = regressor().fit(scaler.transform(X), y)
    assert_identical_weights(pipeline[-1].get_weights(), plain.get_weights())
    assert_close(pipeline.predict(X_NEW), plain.predict(scaler.transform(X_NEW)))
    # The training rows come out of the scaler as they did, and are recognised.
    assert_close(pipeline.predict(X), plain.predict(scaler.transform(X)))
    assert pipeline.score(X, y) == r2_score(y, pipeline.predict(X))


def test_TransformedTargetRegressor_equals_scaling_y_by_hand():
    wrapped = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    wrapped.fit(X, y)
    mean, scale = y.mean(), y.std()
    plain = regressor().fit(X, (y - mean) / scale)
    expected = plain.predict(X_NEW) * scale + mean
    assert wrapped.predict(X_NEW).shape == (8,)
    assert_close(wrapped.predict(X_NEW), expected)


def test_TransformedTargetRegressor_of_two_outputs():
    wrapped = TransformedTargetRegressor(
        regressor(), func=lambda y: y / 2, inverse_func=lambda y: y * 2
    ).fit(X, Y2)
    plain = regressor().fit(X, Y2 / 2)
    assert_close(wrapped.predict(X_NEW), 2 * plain.predict(X_NEW))


def test_is_regressor_and_is_classifier():
    assert is_regressor(regressor())
    assert is_classifier(classifier())
    assert is_regressor(make_pipeline(StandardScaler(), regressor()))
    assert not is_classifier(regressor())


def test_repr_and_html_show_parameters():
    """In a notebook, before and after fitting."""
    estimator = regressor(optimizer__learning_rate=0.125)
    assert "optimizer__learning_rate=0.125" in repr(estimator)
    assert "StatefulLSTMRegressor" in estimator._repr_html_()
    assert "Fitted" in estimator.fit(X, y)._repr_html_()


# --------------------------------------------------------------------------------------
# Other wrappers
# --------------------------------------------------------------------------------------


def test_MultiOutputRegressor_fits_one_network_per_column():
    """One network for each column."""
    both = MultiOutputRegressor(regressor()).fit(X, Y2)
    assert both.predict(X_NEW).shape == (8, 2)
    for k in range(2):
        alone = regressor().fit(X, Y2[:, k])
        assert_close(both.predict(X_NEW)[:, k], alone.predict(X_NEW))
    together = regressor().fit(X, Y2)
    assert together.predict(X_NEW).shape == (8, 2)


def test_VotingRegressor_weighs_members():
    members = [("lstm", regressor()), ("linear", LinearRegression())]
    weights = np.linspace(0.5, 1.5, 60)
    voting = VotingRegressor(members, weights=[3, 1]).fit(X, y, sample_weight=weights)
    lstm = regressor().fit(X, y, sample_weight=weights)
    linear = LinearRegression().fit(X, y, sample_weight=weights)
    expected = (3 * lstm.predict(X_NEW) + linear.predict(X_NEW)) / 4
    assert_close(voting.predict(X_NEW), expected)


def test_CalibratedClassifierCV_equals_members_by_hand():
    """A member is fitted on a split's training rows, and calibrated on what follows."""
    calibrated = CalibratedClassifierCV(classifier(), cv=SPLITS).fit(X, LABELS)
    assert calibrated.classes_.tolist() == ["down", "up"]
    probabilities = []
    for member, (train, _) in zip(
        calibrated.calibrated_classifiers_, SPLITS.split(X), strict=True
    ):
        alone = classifier().fit(X[train], LABELS[train])
        assert_identical_weights(member.estimator.get_weights(), alone.get_weights())
        score = alone.predict_proba(X_NEW)[:, 1]
        sigmoid = member.calibrators[0]
        probabilities.append(1 / (1 + np.exp(sigmoid.a_ * score + sigmoid.b_)))
    proba = calibrated.predict_proba(X_NEW)
    assert_close(proba[:, 1], np.mean(probabilities, axis=0))
    assert_close(proba.sum(axis=1), np.ones(8))
    assert set(calibrated.predict(X_NEW)) <= {"down", "up"}


def test_permutation_importance_of_constant_feature_is_zero():
    """A feature that never changes matters nothing; one that drives y does."""
    constant = np.column_stack([X, np.ones(60)])
    estimator = regressor(epochs=20).fit(constant[:45], y[:45])
    state = estimator.state_
    found = permutation_importance(
        estimator, constant[45:], y[45:], n_repeats=3, random_state=0
    )
    assert estimator.state_ is state
    assert_close(found.importances[2], np.zeros(3))
    assert found.importances_mean[0] > 0.01

    one = permutation_importance(
        estimator, constant[45:], y[45:], n_repeats=1, random_state=0
    )
    changed = constant[45:].copy()
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    order = np.random.RandomState(seed).permutation(15)
    changed[:, 0] = changed[order, 0]
    drop = estimator.score(constant[45:], y[45:]) - estimator.score(changed, y[45:])
    assert_close(one.importances[0, 0], drop)
