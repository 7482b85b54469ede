"""Inside scikit-learn: pipelines, searches, splits, wrappers, metadata, frames.

Whatever scikit-learn arrives at is had a second time by hand: a loop over the splits, a
scaling before a fit, a mean of predictions.
"""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    make_rows,
    weight_change,
)
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    log_loss,
    make_scorer,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

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


# --------------------------------------------------------------------------------------
# Pipelines and targets
# --------------------------------------------------------------------------------------


def test_pipeline_is_scaling_before_the_fit():
    pipeline = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    scaler = StandardScaler().fit(X)
    plain = regressor().fit(scaler.transform(X), y)
    assert_identical_weights(pipeline[-1].get_weights(), plain.get_weights())
    assert_close(pipeline.predict(X_NEW), plain.predict(scaler.transform(X_NEW)))
    # The training rows come out of the scaler as they did, and are recognised.
    assert_close(pipeline.predict(X), plain.predict(scaler.transform(X)))
    assert pipeline.score(X, y) == r2_score(y, pipeline.predict(X))


def test_transformed_target():
    wrapped = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    wrapped.fit(X, y)
    mean, scale = y.mean(), y.std()
    plain = regressor().fit(X, (y - mean) / scale)
    expected = plain.predict(X_NEW) * scale + mean
    assert wrapped.predict(X_NEW).shape == (8,)
    assert_close(wrapped.predict(X_NEW), expected)


def test_transformed_target_of_two_columns():
    wrapped = TransformedTargetRegressor(
        regressor(), func=lambda y: y / 2, inverse_func=lambda y: y * 2
    ).fit(X, Y2)
    plain = regressor().fit(X, Y2 / 2)
    assert_close(wrapped.predict(X_NEW), 2 * plain.predict(X_NEW))


def test_kinds():
    assert is_regressor(regressor())
    assert is_classifier(classifier())
    assert is_regressor(make_pipeline(StandardScaler(), regressor()))
    assert not is_classifier(regressor())


def test_representations():
    """In a notebook, before and after fitting."""
    estimator = regressor(optimizer__learning_rate=0.125)
    assert "optimizer__learning_rate=0.125" in repr(estimator)
    assert "StatefulLSTMRegressor" in estimator._repr_html_()
    assert "Fitted" in estimator.fit(X, y)._repr_html_()


# --------------------------------------------------------------------------------------
# Searches
# --------------------------------------------------------------------------------------

GRID = {"stateful": [True, False], "optimizer__learning_rate": [0.02, 0.2]}


def test_grid_search_is_a_loop_over_the_splits():
    """Train scores too: the rows of a fit are replayed from where they began."""
    search = GridSearchCV(regressor(), GRID, cv=SPLITS, return_train_score=True)
    search.fit(X, y)
    assert "mean_train_score" in search.cv_results_
    assert_searched(search, regressor())


@pytest.mark.slow
def test_grid_search_in_two_processes():
    """Scores and predictions are those that this process arrives at by hand."""
    grid = {"optimizer__learning_rate": GRID["optimizer__learning_rate"]}
    search = GridSearchCV(
        regressor(), grid, cv=SPLITS, return_train_score=True, n_jobs=2
    ).fit(X, y)
    assert "mean_train_score" in search.cv_results_
    assert_searched(search, regressor())


def test_randomized_search():
    distributions = {
        "optimizer__learning_rate": [0.001, 0.01, 0.1],
        "epochs": [1, 2, 3],
    }
    search = RandomizedSearchCV(
        regressor(), distributions, n_iter=3, cv=SPLITS, random_state=0
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 3
    assert_searched(search, regressor())


def test_halving_search_over_epochs():
    """Epochs are the resource: taking rows at random would tear the series apart."""
    rates = [0.001, 0.01, 0.05, 0.1]
    search = HalvingGridSearchCV(
        regressor(),
        {"optimizer__learning_rate": rates},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=SPLITS,
        random_state=0,
    ).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    assert search.n_candidates_ == [4, 2, 1]
    results = search.cv_results_
    for parameters, n_epochs, mean in zip(
        results["params"], results["n_resources"], results["mean_test_score"]
    ):
        assert parameters["epochs"] == n_epochs
        expected = by_hand(regressor(**parameters))["test"]
        assert_close(mean, expected.mean())
    assert search.best_params_ == results["params"][-1]


def test_nested_parameters_are_searched():
    """Through a pipeline, and the target's transformer around it."""
    pipeline = Pipeline([("scale", StandardScaler()), ("lstm", regressor())])
    wrapped = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    grid = {"regressor__lstm__optimizer__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(wrapped, grid, cv=SPLITS).fit(X, y)
    assert_searched(search, wrapped)
    low, high = (
        clone(wrapped).set_params(regressor__lstm__optimizer__learning_rate=rate)
        for rate in (0.01, 0.1)
    )
    weights = [e.fit(X, y).regressor_[-1].get_weights() for e in (low, high)]
    assert weight_change(*weights) > 1e-3


def test_search_over_routed_parameters_compiles_once():
    """A loss in Python is called only while a program is traced."""
    import keras

    n_calls = []

    def loss(y_true, y_pred):
        n_calls.append(1)
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    grid = {"optimizer__learning_rate": [0.001, 0.01, 0.1], "random_state": [0, 1]}
    estimator = regressor(loss=loss).fit(X, y)
    n = len(n_calls)
    assert n > 0
    GridSearchCV(estimator, grid, cv=SPLITS).fit(X, y)
    assert len(n_calls) == n


def test_a_search_over_a_name_that_does_not_exist():
    search = GridSearchCV(regressor(), {"unit": [2, 3]}, cv=SPLITS)
    with pytest.raises((TypeError, ValueError), match="unit"):
        search.fit(X, y)


# --------------------------------------------------------------------------------------
# Cross-validation and curves
# --------------------------------------------------------------------------------------


def test_cross_validate():
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


def test_cross_validation_of_two_outputs():
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
def test_classification_scores_of_string_labels(scoring, metric):
    estimator = make_pipeline(StandardScaler(), classifier())
    found = cross_val_score(estimator, X, LABELS, cv=SPLITS, scoring=scoring)
    expected = []
    for train, test in SPLITS.split(X):
        fitted = clone(estimator).fit(X[train], LABELS[train])
        assert fitted.classes_.tolist() == ["down", "up"]
        assert set(fitted.predict(X[test])) <= {"down", "up"}
        expected.append(metric(LABELS[test], fitted.predict_proba(X[test])))
    assert_close(found, expected)


def test_learning_curve():
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


def test_validation_curve():
    train_scores, test_scores = validation_curve(
        regressor(), X, y, param_name="epochs", param_range=[1, 3], cv=SPLITS
    )
    for k, epochs in enumerate([1, 3]):
        expected = by_hand(regressor(epochs=epochs))
        assert_close(train_scores[k], expected["train"])
        assert_close(test_scores[k], expected["test"])


# --------------------------------------------------------------------------------------
# Other wrappers
# --------------------------------------------------------------------------------------


def test_multi_output_regressor():
    """One network for each column."""
    both = MultiOutputRegressor(regressor()).fit(X, Y2)
    assert both.predict(X_NEW).shape == (8, 2)
    for k in range(2):
        alone = regressor().fit(X, Y2[:, k])
        assert_close(both.predict(X_NEW)[:, k], alone.predict(X_NEW))
    together = regressor().fit(X, Y2)
    assert together.predict(X_NEW).shape == (8, 2)


def test_voting_regressor():
    members = [("lstm", regressor()), ("linear", LinearRegression())]
    weights = np.linspace(0.5, 1.5, 60)
    voting = VotingRegressor(members, weights=[3, 1]).fit(X, y, sample_weight=weights)
    lstm = regressor().fit(X, y, sample_weight=weights)
    linear = LinearRegression().fit(X, y, sample_weight=weights)
    expected = (3 * lstm.predict(X_NEW) + linear.predict(X_NEW)) / 4
    assert_close(voting.predict(X_NEW), expected)


def test_calibrated_classifier():
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


def test_permutation_importance():
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


# --------------------------------------------------------------------------------------
# Metadata routing
# --------------------------------------------------------------------------------------


@pytest.fixture
def routing():
    """Metadata routing while a test runs."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, 60)


def test_routed_sample_weights_reach_fit_and_score(routing):
    estimator = regressor().set_fit_request(sample_weight=True)
    estimator.set_score_request(sample_weight=True)
    found = cross_validate(
        estimator, X, y, cv=SPLITS, params={"sample_weight": WEIGHTS}
    )
    expected = by_hand(regressor(), weights=WEIGHTS)["test"]
    assert_close(found["test_score"], expected)
    assert np.abs(found["test_score"] - by_hand(regressor())["test"]).max() > 1e-4


def test_routed_sample_weights_through_search_and_pipeline(routing):
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


def test_sample_weights_that_nobody_asked_for(routing):
    """Neither used nor passed over in silence."""
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        cross_validate(regressor(), X, y, cv=SPLITS, params={"sample_weight": WEIGHTS})


def test_sample_weights_declined(routing):
    estimator = regressor().set_fit_request(sample_weight=False)
    estimator.set_score_request(sample_weight=False)
    found = GridSearchCV(estimator, {"epochs": [2]}, cv=SPLITS).fit(X, y)
    assert_close(found.best_score_, by_hand(regressor())["test"].mean())


@pytest.mark.parametrize("make", [regressor, classifier])
def test_requests_that_can_be_made(routing, make):
    estimator = make().set_fit_request(sample_weight=True)
    estimator.set_partial_fit_request(sample_weight=True)
    request = clone(estimator).get_metadata_routing()
    assert request.fit.requests["sample_weight"] is True
    assert request.partial_fit.requests["sample_weight"] is True


# --------------------------------------------------------------------------------------
# Frames
# --------------------------------------------------------------------------------------


@functools.cache
def frames() -> tuple[pd.DataFrame, pd.Series]:
    """Return X and y as pandas has them, one row a day."""
    days = pd.date_range("2020-01-01", periods=60, freq="D")
    frame = pd.DataFrame(X, index=days, columns=["price", "count"])
    return frame, pd.Series(y, index=days, name="next")


def test_frames_with_a_datetime_index():
    """They give what their values give."""
    frame, target = frames()
    framed = regressor().fit(frame[:50], target[:50])
    plain = regressor().fit(X[:50], y[:50])
    assert_identical_weights(framed.get_weights(), plain.get_weights())
    found = framed.predict(frame[50:])
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, plain.predict(X[50:]))
    np.testing.assert_array_equal(framed.step(frame[50:]), found)
    assert framed.feature_names_in_.tolist() == ["price", "count"]
    assert not hasattr(plain, "feature_names_in_")


def test_windows_after_frames_have_no_names():
    """Fitted anew, on what has none."""
    frame, target = frames()
    model = regressor().fit(frame, target)
    assert not hasattr(model.fit(X.reshape(20, 3, 2), y[:20]), "feature_names_in_")


def test_frames_through_a_pipeline_that_keeps_them():
    frame, target = frames()
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, regressor()).fit(frame, target)
    assert pipeline[-1].feature_names_in_.tolist() == ["price", "count"]
    plain = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    assert_same_weights(pipeline[-1].get_weights(), plain[-1].get_weights())


def test_a_frame_of_targets():
    frame, _ = frames()
    estimator = regressor().fit(frame, pd.DataFrame(Y2, index=frame.index))
    plain = regressor().fit(X, Y2)
    np.testing.assert_array_equal(estimator.predict(frame), plain.predict(X))


def test_string_labels_in_a_series():
    frame, _ = frames()
    labels = pd.Series(LABELS, index=frame.index)
    estimator = classifier().fit(frame, labels)
    assert set(estimator.predict(frame)) <= {"down", "up"}
    categories = classifier().fit(frame, labels.astype("category"))
    assert_identical_weights(estimator.get_weights(), categories.get_weights())


@pytest.mark.parametrize("name", ["predict", "observe", "step"])
def test_frames_with_other_columns_are_refused(name):
    frame, target = frames()
    estimator = regressor().fit(frame, target)
    call = getattr(estimator, name)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        call(frame[["count", "price"]])
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*volume"):
        call(frame.rename(columns={"count": "volume"}))


def test_rows_without_the_names_that_were_fitted():
    frame, target = frames()
    estimator = regressor().fit(frame, target)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but"):
        estimator.predict(X)
    estimator = regressor().fit(X, y)
    with pytest.warns(UserWarning, match="X has feature names, but .* without"):
        estimator.predict(frame)


def test_search_on_frames():
    """Splits of a frame keep names and order; nothing warns."""
    import warnings

    frame, target = frames()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search = GridSearchCV(regressor(), {"epochs": [1, 2]}, cv=SPLITS)
        search.fit(frame, target)
    assert search.feature_names_in_.tolist() == ["price", "count"]
    expected = [by_hand(regressor(epochs=n))["test"].mean() for n in (1, 2)]
    assert_close(search.cv_results_["mean_test_score"], expected)


# --------------------------------------------------------------------------------------
# Losses with settings
# --------------------------------------------------------------------------------------


def through_a_search(estimator):
    """The best estimator of a search in two processes."""
    search = GridSearchCV(
        estimator, {"units": [2]}, cv=TimeSeriesSplit(2), n_jobs=2, error_score="raise"
    )
    return search.fit(ROWS, ROWS[:, 0]).best_estimator_


ROWS = np.random.default_rng(0).normal(size=(24, 2))
COPIES = {
    "clone": clone,
    "deepcopy": copy.deepcopy,
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "search": through_a_search,
}


@pytest.mark.parametrize("name", COPIES)
def test_a_loss_keeps_its_settings(name):
    """Keras's own copies of a Huber loss forget its delta."""
    loss = keras.losses.Huber(delta=0.01)
    model = StatefulLSTMRegressor(2, loss=loss, epochs=1, random_state=0)
    expected = clone(model).set_params(loss=loss).fit(ROWS, ROWS[:, 0])
    copied = COPIES[name](model)
    copied.fit(ROWS, ROWS[:, 0])
    assert copied.history_ == expected.history_
    default = clone(model).set_params(loss="huber").fit(ROWS, ROWS[:, 0])
    assert default.history_["loss"][0] > 3 * expected.history_["loss"][0]


def test_a_fitted_loss_keeps_its_settings():
    """What `partial_fit` goes on with, too."""
    loss = keras.losses.Huber(delta=0.01)
    model = StatefulLSTMRegressor(2, loss=loss, epochs=1, random_state=0)
    model.fit(ROWS, ROWS[:, 0])
    again = pickle.loads(pickle.dumps(model))
    weights = model.partial_fit(ROWS, ROWS[:, 0]).get_weights()
    assert_identical_weights(again.partial_fit(ROWS, ROWS[:, 0]).get_weights(), weights)
