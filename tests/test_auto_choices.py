"""Parameters that `fit` chooses or that stand between rows and the network.

What comes out for rows of every kind, what is chosen, and what is refused.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import first_ordinary, make_rows
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm.model_selection import PanelSplit

SETTINGS = {
    "windows": "tiled",
    "sequence_length": 4,
    "batch_size": 2,
    "scale": True,
    "linear_skip": True,
    "epochs": 2,
    "random_state": 0,
}
AUTO = {"epochs": "auto", "sequence_length": "auto", "batch_size": "auto"}


def regressor(**changes: Any) -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor(2, **(SETTINGS | changes))


def classifier(**changes: Any) -> StatefulLSTMClassifier:
    return StatefulLSTMClassifier(2, **(SETTINGS | changes))


walk = make_rows(41, 2, seed=0).cumsum(axis=0)
X, y = walk[:-1], walk[1:, 0]


# --------------------------------------------------------------------------------------
# Rows of every kind
# --------------------------------------------------------------------------------------

DATES = pd.date_range("2024-01-01", periods=40)
SHOPS = pd.MultiIndex.from_product([["a", "b"], DATES[:20]])
ROWS = {
    "ten rows": (X[:10], y[:10]),
    "one row": (X[:1], y[:1]),
    "constant rows": (np.full((40, 2), 0.1), y),
    "constant target": (X, np.full(40, 5.0)),
    "one constant feature": (np.column_stack([X[:, 0], np.ones(40)]), y),
    "integers": ((10 * X).astype(int), (10 * y).astype(int)),
    "dates": (pd.DataFrame(X, DATES, columns=["u", "v"]), y),
    "panel": (pd.DataFrame(X, SHOPS, columns=["u", "v"]), y),
    "float32": (X.astype(np.float32), y.astype(np.float32)),
    "more horizons than rows": (X[:2], np.ones((2, 3))),
}


@pytest.mark.parametrize("rows", ROWS)
def test_fit_auto_on_rows_of_every_kind_answers_each(rows):
    table, target = ROWS[rows]
    estimator = regressor(epochs="auto").fit(table, target)
    made = estimator.predict(table, replay=True)
    assert made.shape == np.shape(target)
    assert np.isfinite(made).all()


def test_fit_constant_target_answers_constant():
    estimator = regressor().fit(X, np.full(40, 5.0))
    np.testing.assert_allclose(estimator.predict(X), 5.0, atol=0.2)
    estimator = regressor(epochs="auto").fit(X, np.full(40, 5.0))
    assert estimator.epochs_ == 0
    np.testing.assert_allclose(estimator.predict(X), 5.0, atol=1e-6)


@pytest.mark.parametrize(
    "n_outputs", first_ordinary(1, [2, 3]), ids=["multivariate", "horizons"]
)
def test_fit_auto_several_targets_answers_each(n_outputs):
    if n_outputs == 2:
        target, rows = walk[1:], X
    else:
        rows = X[:38]
        target = np.column_stack([walk[k : k + 38, 0] for k in (1, 2, 3)])
    estimator = regressor(epochs="auto").fit(rows, target)
    made = estimator.predict(rows)
    assert made.shape == target.shape
    # No worse than the mean: the linear map alone explains most of a walk.
    error = np.mean((made - target) ** 2, axis=0)
    assert (error < 0.5 * target.var(axis=0)).all()


def test_fit_sequences_with_linear_skip_answers_each_alone():
    """Nothing is looked back at over the borders of sequences."""
    parts = [X[:15], X[15:22], X[22:]]
    targets = [y[:15], y[15:22], y[22:]]
    estimator = regressor().fit(parts, targets)
    together = estimator.predict(parts)
    for part, made in zip(parts, together, strict=True):
        (alone,) = estimator.predict([part])
        np.testing.assert_allclose(made, alone, rtol=1e-5, atol=1e-6)
    first = estimator.predict([X[15:16]])[0]
    np.testing.assert_allclose(together[1][:1], first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_classes", [3, pytest.param(2, marks=pytest.mark.thorough)])
def test_fit_auto_classifier_of_labels(n_classes):
    names = np.array(["down", "level", "up"])[:n_classes]
    edges = np.quantile(y, np.arange(1, n_classes) / n_classes)
    labels = names[np.digitize(y, edges)]
    estimator = classifier(epochs="auto").fit(X, labels)
    np.testing.assert_array_equal(estimator.classes_, names)
    np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    assert estimator.score(X, labels) > 0.6


# --------------------------------------------------------------------------------------
# What is chosen
# --------------------------------------------------------------------------------------


def test_fit_auto_chooses_period_and_lanes():
    """Twelve months: tiles of a year, and a lane for each eight of them."""
    month = np.arange(241)
    series = np.sin(2 * np.pi * month / 12) + 0.1 * make_rows(241, 1, 1)[:, 0]
    changes = AUTO | {"epochs": 1}
    estimator = regressor(**changes).fit(series[:-1, np.newaxis], series[1:])
    assert estimator.sequence_length_ == 12
    assert estimator.batch_size_ == 240 // (8 * 12)
    assert estimator.epochs_ == 1
    assert 11 in estimator.lags_  # the row a year before the next


def test_fit_auto_of_few_rows_has_one_lane():
    estimator = regressor(**AUTO).fit(X[:10], y[:10])
    assert (estimator.sequence_length_, estimator.batch_size_) == (24, 1)
    assert estimator.lags_ == (0, 1)
    assert estimator.epochs_ == 0


@pytest.mark.parametrize(
    ("lags", "expected"),
    [(1, (0, 1)), (3, (0, 1, 2, 3)), ([5, 2], (0, 2, 5)), (np.array([4]), (0, 4))],
)
@pytest.mark.parametrize("target", ["next", "other"])
def test_fit_reads_the_lags_asked_for(lags, expected, target):
    """With the row itself, and no others, though the series has a period."""
    month = np.arange(61)
    series = np.sin(2 * np.pi * month / 6) + 0.1 * make_rows(61, 1, 1)[:, 0]
    later = series[1:] if target == "next" else np.cos(series[1:])
    estimator = regressor(lags=lags).fit(series[:-1, np.newaxis], later)
    assert estimator.lags_ == expected


def test_fit_without_linear_skip_has_no_lags():
    assert not hasattr(regressor(linear_skip=False).fit(X, y), "lags_")


def test_fit_auto_same_random_state_chooses_alike():
    one, other = (regressor(**AUTO).fit(X, y) for _ in range(2))
    for name in ("epochs_", "sequence_length_", "batch_size_", "lags_"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_fit_auto_verbose_prints_errors_by_epochs(capsys):
    estimator = regressor(epochs="auto", verbose=1).fit(X, y)
    out = capsys.readouterr().out
    assert "Error on held-out rows by epochs: 0: " in out
    assert f"Best: {estimator.epochs_}, with" in out


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"epochs": "aut"}, TypeError, "epochs must be .* or 'auto', got 'aut'"),
        ({"batch_size": 0}, ValueError, "batch_size must be a positive integer"),
        ({"lags": 0}, ValueError, "lags must be a positive integer, got 0"),
        ({"lags": [1.5]}, TypeError, "lags must be a positive integer, got 1.5"),
        ({"lags": "x"}, TypeError, "lags must be 'auto', a number of rows"),
        ({"lags": True}, TypeError, "lags must be 'auto', a number of rows"),
        ({"lags": None}, TypeError, "lags must be 'auto', a number of rows"),
        ({"scale": 1}, TypeError, "scale must be"),
        ({"linear_skip": "yes"}, TypeError, "linear_skip must be"),
        ({"ema_momentum": 1}, ValueError, "ema_momentum must be"),
        (
            {"windows": "sliding", "scale": False},
            ValueError,
            "linear_skip=True .* for windows='tiled'.* windows are sliding",
        ),
        (
            {"windows": "sliding", "linear_skip": False},
            ValueError,
            "scale=True .* for windows='tiled'.* windows are sliding",
        ),
    ],
    ids=str,
)
def test_fit_with_bad_parameter_raises(changes, error, match):
    with pytest.raises(error, match=match):
        regressor(**changes).fit(X, y)


@pytest.mark.parametrize("epochs", [2, "auto"])
def test_fit_with_nan_raises(epochs):
    rows = X.copy()
    rows[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        regressor(epochs=epochs).fit(rows, y)
    estimator = regressor().fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.predict(rows)


@pytest.mark.parametrize("epochs", [2, "auto"])
def test_fit_with_weights_all_zero_raises(epochs):
    estimator = regressor(epochs=epochs)
    with pytest.raises(ValueError, match="at least one non-zero"):
        estimator.fit(X, y, sample_weight=np.zeros(40))
    assert not hasattr(estimator, "state_")


def test_fit_with_weight_zero_does_not_learn_from_targets_there():
    """Neither the linear map nor the network: other targets change nothing."""
    weights = np.where(np.arange(40) % 5 == 2, 0.0, 1.0)
    strange = np.where(weights == 0, np.roll(np.cos(y), 1), np.cos(y))
    settings = {"linear_skip": True, "scale": False, "lags": 2}
    one = regressor(**settings).fit(X, np.cos(y), sample_weight=weights)
    other = regressor(**settings).fit(X, strange, sample_weight=weights)
    np.testing.assert_allclose(one.predict(X), other.predict(X), atol=1e-6)


# --------------------------------------------------------------------------------------
# With other parts
# --------------------------------------------------------------------------------------


def test_grid_search_over_linear_skip_and_lags():
    grid = {"linear_skip": [True, False], "lags": [1, 3]}
    search = GridSearchCV(regressor(), grid, cv=TimeSeriesSplit(2), error_score="raise")
    search.fit(X, y)
    assert search.best_params_["linear_skip"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pipeline_scales_before_linear_skip():
    pipeline = make_pipeline(StandardScaler(), regressor(epochs="auto"))
    made = pipeline.fit(X, y).predict(X)
    assert np.mean((made - y) ** 2) < 0.5 * y.var()


def test_panel_split_of_encoded_panel():
    frame = pd.DataFrame(X, SHOPS, columns=["u", "v"])
    search = GridSearchCV(
        regressor(), {"lags": [1, 2]}, cv=PanelSplit(2), error_score="raise"
    )
    search.fit(frame, y)
    assert search.best_estimator_.lags_ == (
        (0, 1) if search.best_params_["lags"] == 1 else (0, 1, 2)
    )


@pytest.mark.thorough
def test_fit_own_model_with_scale_answers_in_units_of_y():
    def model(meta):
        shape = meta["batch_size"], meta["sequence_length"], meta["n_features_in_"]
        return keras.Sequential(
            [
                keras.Input(batch_shape=shape),
                keras.layers.GRU(2, stateful=True, return_sequences=True),
                keras.layers.Dense(meta["n_outputs_"]),
            ]
        )

    far = 1e6 + 100 * y
    estimator = regressor(model=model, linear_skip=False).fit(X, far)
    made = estimator.predict(X)
    assert np.abs(made - far.mean()).max() < 10 * far.std()
    steps = np.concatenate([estimator.step(X[:3]), estimator.step(X[3:5])])
    assert np.isfinite(steps).all()


def test_fit_auto_stateless_answers():
    estimator = regressor(stateful=False, epochs="auto").fit(X, y)
    assert np.mean((estimator.predict(X) - y) ** 2) < 0.5 * y.var()


def test_classifier_of_panel_keeps_levels_that_tell_classes():
    """A scale of each series' own would take the levels away: all have one."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2025-01-01", periods=40)
    names = [f"shop {k}" for k in range(8)]
    index = pd.MultiIndex.from_product([names, days], names=["shop", "day"])
    level = np.repeat(np.arange(8) % 2, 40)  # each shop is of one class throughout
    X = pd.DataFrame({"v": 10 * level + rng.normal(size=320)}, index)
    y = np.where(level, "large", "small")
    old = index.get_level_values("day") < days[30]
    model = StatefulLSTMClassifier(2, epochs=1, random_state=0).fit(X[old], y[old])
    assert model.score(X[~old], y[~old]) == 1
    scales = model._fitted.encoder.x_scale
    assert len(scales.mean) == 9 and np.ptp(scales.mean) == 0
    stranger = X.loc[["shop 1"]].rename(index={"shop 1": "another"})
    assert (model.predict(stranger) == "large").all()
