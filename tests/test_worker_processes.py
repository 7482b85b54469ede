"""Other processes give the same bits: spawned ones, joblib's, and those of a search.

These tests share one spawned process and joblib's two, since each takes some seconds to
start TensorFlow. Every wait has an end.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import composition_cases
import joblib
import keras
import numpy as np
import pytest
from concurrency_cases import PATIENCE, assert_equal_estimators, fit, fits_alone, folds
from helpers import assert_identical_weights, make_rows, run
from law_cases import dropout_digests
from persistence_cases import N, fitted, predict_and_train, round_trip
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit


def train_on(estimator: Any, X: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
    """Go on with an estimator that came from elsewhere."""
    predictions = estimator.predict(X)
    return estimator.partial_fit(X, y), predictions


@pytest.fixture(scope="module")
def worker() -> Iterator[ProcessPoolExecutor]:
    """A worker process that was started afresh."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.mark.thorough
def test_fit_in_spawned_process_gives_same_bits(worker):
    found = worker.submit(fit, "one", 1).result(PATIENCE)
    assert_equal_estimators(found, fits_alone()[1])


@pytest.mark.thorough
def test_partial_fit_in_spawned_process_gives_same_bits(worker):
    """The estimator it returns goes on here as one trained in this process."""
    sent = copy.deepcopy(fits_alone()[0])
    later = make_rows(5, 2, seed=3)
    found, predictions = worker.submit(train_on, sent, later, later[:, 0]).result(
        PATIENCE
    )
    here, expected = train_on(sent, later, later[:, 0])
    np.testing.assert_array_equal(predictions, expected)
    assert_equal_estimators(found, here)
    np.testing.assert_array_equal(found.step(later), here.step(later))


@pytest.mark.thorough
def test_fit_same_random_state_gives_same_bits_here_and_in_another_process(worker):
    """Dropout, shuffling and initial weights all follow ``random_state``."""
    elsewhere = worker.submit(dropout_digests)
    first = dropout_digests()
    np.random.seed(1234)  # noqa: NPY002 - a global seed has no say in it
    random.seed(1234)
    assert dropout_digests() == first
    assert elsewhere.result(PATIENCE) == first


@pytest.mark.slow
def test_fit_in_loky_workers_gives_same_bits():
    """joblib's own processes, and cross-validation in one and in two of them."""
    jobs = [joblib.delayed(fit)("one", k) for k in (0, 1)]
    found = joblib.Parallel(n_jobs=2, backend="loky", timeout=PATIENCE)(jobs)
    for k, estimator in enumerate(found):
        assert_equal_estimators(estimator, fits_alone()[k])
    for one, two in zip(folds(n_jobs=1), folds(n_jobs=2), strict=True):
        assert_equal_estimators(one, two)


IN_ONE_AND_IN_TWO = """
import numpy as np
from sklearn.model_selection import TimeSeriesSplit, cross_validate
from plain import StatefulLSTMRegressor

X = np.random.default_rng(0).normal(size=(700, 8))
model = StatefulLSTMRegressor(64, sequence_length=30, batch_size=32, random_state=0)
model.set_params(epochs=1)
splits = list(TimeSeriesSplit(2).split(X))[1:]  # one is enough, in one of two workers
one, two = (
    cross_validate(
        model, X, X[:, 0], cv=splits, n_jobs=n, return_estimator=True
    )["estimator"]
    for n in (1, 2)
)
for a, b in zip(one, two):
    for u, v in zip(a.get_weights(), b.get_weights()):
        np.testing.assert_array_equal(u, v)
"""


@pytest.mark.thorough
def test_cross_validate_n_jobs_2_large_network_gives_same_bits():
    """In large matrix products the order of a sum depends on the number of threads."""
    done = run(IN_ONE_AND_IN_TWO, TF_NUM_INTRAOP_THREADS="1")
    assert done.returncode == 0, done.stderr


def load_and_train(path: Path, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """Load a classifier from a file and go on with it."""
    model = StatefulLSTMClassifier.load(path)
    return model.predict_proba(X), model.partial_fit(X, y).get_weights()


@pytest.mark.thorough
def test_load_in_another_process_answers_alike(worker, tmp_path):
    """The other process has the file and the rows that follow, no training rows."""
    original, X, y = fitted("classifier: two layers")
    original.save(tmp_path / "file")
    task = worker.submit(load_and_train, tmp_path / "file", X[N:], y[N:])
    predicted, weights = task.result(PATIENCE)
    np.testing.assert_array_equal(predicted, original.predict_proba(X[N:]), strict=True)
    original.partial_fit(X[N:], y[N:])
    assert_identical_weights(weights, original.get_weights())


@pytest.mark.slow
def test_loaded_in_loky_worker_answers_alike(tmp_path):
    original, X, y = fitted("regressor: rows")
    loaded = round_trip(original, tmp_path)
    task = joblib.delayed(predict_and_train)(loaded, X, y)
    ((predicted, weights),) = joblib.Parallel(n_jobs=2, backend="loky")([task])
    expected, expected_weights = predict_and_train(original, X, y)
    np.testing.assert_array_equal(predicted, expected, strict=True)
    assert_identical_weights(weights, expected_weights)


@pytest.mark.slow
def test_GridSearchCV_n_jobs_2_equals_loop_over_splits():
    """Scores and predictions are those that this process arrives at by hand."""
    grid = {"optimizer__learning_rate": [0.02, 0.2]}
    search = GridSearchCV(
        composition_cases.regressor(),
        grid,
        cv=composition_cases.SPLITS,
        return_train_score=True,
        n_jobs=2,
    ).fit(composition_cases.X, composition_cases.y)
    assert "mean_train_score" in search.cv_results_
    composition_cases.assert_searched(search, composition_cases.regressor())


@pytest.mark.thorough
def test_GridSearchCV_n_jobs_2_keeps_settings_of_loss():
    """Keras's own copies of a Huber loss forget its delta."""
    rows = np.random.default_rng(0).normal(size=(24, 2))
    loss = keras.losses.Huber(delta=0.01)
    model = StatefulLSTMRegressor(2, loss=loss, epochs=1, random_state=0)
    expected = clone(model).set_params(loss=loss).fit(rows, rows[:, 0])
    options = {"cv": TimeSeriesSplit(2), "n_jobs": 2, "error_score": "raise"}
    search = GridSearchCV(model, {"units": [2]}, **options).fit(rows, rows[:, 0])
    copied = search.best_estimator_.fit(rows, rows[:, 0])
    assert copied.history_ == expected.history_
