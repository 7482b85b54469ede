"""One series and small estimators for the tests inside scikit-learn.

Whatever scikit-learn arrives at is had a second time by hand: :func:`by_hand` is the
loop over the splits, :func:`assert_searched` compares a search with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers import (
    assert_close,
    make_rows,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import (
    r2_score,
)
from sklearn.model_selection import (
    TimeSeriesSplit,
)

T, B = 2, 3
X = make_rows(60, 2, seed=1) * [1.0, 5.0] + [0.0, 3.0]
y = X[:, 0] - 0.2 * X[:, 1] + 0.1 * make_rows(60, 1, seed=2)[:, 0]
Y2 = np.column_stack([y, X[:, 0]])
LABELS = np.where(y > np.median(y), "up", "down")
X_NEW = make_rows(8, 2, seed=3)
SPLITS = TimeSeriesSplit(3)


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    """Return a regressor of the one shape that is compiled here."""
    shared = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 2}
    fast = {"optimizer": "sgd", "optimizer__learning_rate": 0.05}
    return StatefulLSTMRegressor(**{**shared, **fast, "random_state": 0, **parameters})


def classifier(**parameters: Any) -> StatefulLSTMClassifier:
    """Return a classifier of that shape."""
    shared = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 2}
    return StatefulLSTMClassifier(**{**shared, "random_state": 0, **parameters})


def by_hand(estimator, y=y, metric=r2_score, weights=None) -> dict[str, np.ndarray]:
    """Fit and score on each split, in a loop."""
    scores: dict[str, list[float]] = {"test": [], "train": []}
    for train, test in SPLITS.split(X):
        fitted = clone(estimator)
        options = {} if weights is None else {"sample_weight": weights[train]}
        fitted.fit(X[train], y[train], **options)
        for name, rows in {"test": test, "train": train}.items():
            options = {} if weights is None else {"sample_weight": weights[rows]}
            scores[name].append(metric(y[rows], fitted.predict(X[rows]), **options))
    return {name: np.array(values) for name, values in scores.items()}


def assert_searched(search, estimator, y=y) -> None:
    """Check every candidate's scores, the ranking and the refitted estimator."""
    results = search.cv_results_
    for k, parameters in enumerate(results["params"]):
        expected = by_hand(clone(estimator).set_params(**parameters), y)
        for part, values in expected.items():
            if f"mean_{part}_score" in results:
                found = [results[f"split{i}_{part}_score"][k] for i in range(3)]
                assert_close(found, values, what=f"{part} scores of {parameters}")
    means = results["mean_test_score"]
    assert np.isfinite(means).all()
    assert len(set(np.round(means, 6))) > 1
    assert_close(search.best_score_, max(means))
    best = clone(estimator).set_params(**search.best_params_).fit(X, y)
    assert_close(search.predict(X_NEW), best.predict(X_NEW))
