"""`compare_states` of networks with a linear skip: the score of the map alone."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMRegressor
from sklstm.model_selection import compare_states

RNG = np.random.default_rng(0)
VALUES = np.sin(np.arange(181) / 4) ** 3 + 0.1 * RNG.normal(size=181)
X, Y = VALUES[:-1, np.newaxis], VALUES[1:]
FOLDS = TimeSeriesSplit(3, test_size=30)


def network(**parameters) -> StatefulLSTMRegressor:
    settings = {"epochs": 2, "sequence_length": 12, "batch_size": 2, **parameters}
    return StatefulLSTMRegressor(4, random_state=0, **settings)


def test_compare_states_scores_linear_map_alone():
    comparison = compare_states(network(), X, Y, cv=FOLDS, random_states=[0])
    assert comparison.scores.columns.tolist() == [
        "carried",
        "reset",
        "swapped",
        "linear",
    ]
    assert "The linear map alone reaches 0." in comparison.verdict
    for k, (train, test) in enumerate(FOLDS.split(X)):
        model = network().fit(X[train], Y[train])
        encoder = model._fitted.encoder
        skip = encoder.skip
        rows = encoder.scaled(X[: test[-1] + 1], np.zeros(test[-1] + 1, int))
        expected = []
        for t in test:
            value = skip.intercept.copy()
            for lag, slope in zip(skip.lags, skip.weights, strict=True):
                value = value + rows[t - lag] @ slope
            expected.append(value)
        answers = encoder.y_scale.restored(np.array(expected), np.zeros(len(test), int))
        left = ((answers[:, 0] - Y[test]) ** 2).sum()
        r2 = 1 - left / ((Y[test] - Y[test].mean()) ** 2).sum()
        np.testing.assert_allclose(comparison.scores["linear"].loc[k, 0], r2, rtol=1e-5)


def test_compare_states_behind_scaler_scores_linear_map_alone():
    model = make_pipeline(StandardScaler(), network())
    comparison = compare_states(model, X, Y, cv=FOLDS, random_states=[0])
    alone = compare_states(network(), X, Y, cv=FOLDS, random_states=[0])
    np.testing.assert_allclose(
        comparison.scores["linear"], alone.scores["linear"], rtol=1e-5
    )
    comparison.plot()


def test_compare_states_without_linear_map_has_three_columns():
    model = network(linear_skip=False)
    comparison = compare_states(model, X, Y, cv=FOLDS, random_states=[0])
    assert comparison.scores.shape == (3, 3)
    assert "linear" not in comparison.verdict
