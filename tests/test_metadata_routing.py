"""Sample weights reach `fit` and `score` through scikit-learn's metadata routing."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from composition_cases import SPLITS, X, by_hand, classifier, regressor, y
from helpers import (
    assert_close,
    assert_identical_weights,
)
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import (
    make_scorer,
    r2_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def routing():
    """Metadata routing while a test runs."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, 60)


def test_cross_validate_routes_sample_weight_to_fit_and_score(routing):
    estimator = regressor().set_fit_request(sample_weight=True)
    estimator.set_score_request(sample_weight=True)
    found = cross_validate(
        estimator, X, y, cv=SPLITS, params={"sample_weight": WEIGHTS}
    )
    expected = by_hand(regressor(), weights=WEIGHTS)["test"]
    assert_close(found["test_score"], expected)
    assert np.abs(found["test_score"] - by_hand(regressor())["test"]).max() > 1e-4


def test_GridSearchCV_routes_sample_weight_through_Pipeline(routing):
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False),
        regressor().set_fit_request(sample_weight=True),
    )
    search = GridSearchCV(
        pipeline,
        {"statefullstmregressor__optimizer__learning_rate": [0.05]},
        cv=SPLITS,
        scoring=make_scorer(r2_score).set_score_request(sample_weight=False),
    ).fit(X, y, sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    plain = regressor().fit(scaled, y, sample_weight=WEIGHTS)
    assert_identical_weights(
        search.best_estimator_[-1].get_weights(), plain.get_weights()
    )


def test_cross_validate_unrequested_sample_weight_raises(routing):
    """They are neither used nor ignored silently."""
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        cross_validate(regressor(), X, y, cv=SPLITS, params={"sample_weight": WEIGHTS})


def test_GridSearchCV_with_sample_weight_declined(routing):
    estimator = regressor().set_fit_request(sample_weight=False)
    estimator.set_score_request(sample_weight=False)
    found = GridSearchCV(estimator, {"epochs": [2]}, cv=SPLITS).fit(X, y)
    assert_close(found.best_score_, by_hand(regressor())["test"].mean())


@pytest.mark.parametrize("make", [regressor, classifier])
def test_set_fit_and_partial_fit_request(routing, make):
    estimator = make().set_fit_request(sample_weight=True)
    estimator.set_partial_fit_request(sample_weight=True)
    request = clone(estimator).get_metadata_routing()
    assert request.fit.requests["sample_weight"] is True
    assert request.partial_fit.requests["sample_weight"] is True
