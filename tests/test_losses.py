"""Losses: every way to name one, class weights, and losses from logits."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    weight_change,
)
from sklearn.utils.class_weight import compute_sample_weight
from training_cases import FAST, LABELS, N, X, classifier, fit, regressor


def absolute_error(y_true, y_pred):
    """A loss of the user's own."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    "loss",
    first_ordinary(
        2,
        [
            keras.losses.MeanAbsoluteError(),
            absolute_error,
            keras.losses.MeanAbsoluteError,
            keras.losses.mean_absolute_error,
        ],
    ),
    ids=["object", "own", "class", "function"],
)
def test_loss_by_name_class_object_or_function_trains_alike(loss):
    named = fit(regressor(loss="mae", **FAST))
    given = fit(regressor(loss=loss, **FAST))
    assert_same_weights(given.get_weights(), named.get_weights())
    assert_close(given.history_["loss"], named.history_["loss"])
    squared = fit(regressor(**FAST))
    assert weight_change(given.get_weights(), squared.get_weights()) > 1e-3


@pytest.mark.thorough
def test_loss_routed_parameter_takes_effect():
    def weights(**parameters):
        return fit(regressor(**FAST, **parameters)).get_weights()

    routed = weights(loss=keras.losses.Huber, loss__delta=0.1)
    assert_identical_weights(routed, weights(loss=keras.losses.Huber(delta=0.1)))
    another = weights(loss=keras.losses.Huber, loss__delta=1.0)
    assert weight_change(routed, another) > 1e-3


def test_class_weight_equals_sample_weight_by_label():
    by_class = {"high": 0.5, "low": 2.0, "mid": 1.0}
    weighted = fit(classifier(class_weight=by_class))
    row_by_row = np.array([by_class[label] for label in LABELS[:N]])
    same = fit(classifier(), sample_weight=row_by_row)
    assert_identical_weights(weighted.get_weights(), same.get_weights())
    plain = fit(classifier())
    assert weight_change(weighted.get_weights(), plain.get_weights()) > 1e-5


@pytest.mark.parametrize("by_class", [{"low": 2.0}, {"low": 2.0, "mid": 0.5}])
def test_partial_fit_class_weight_of_some_classes(by_class):
    """A piece of the series need not hold the classes named; the others weigh 1."""
    weighted, same = classifier(class_weight=by_class), classifier()
    for piece in (LABELS[:N] == "low", LABELS[:N] != "low", LABELS[:N] == "high"):
        rows, labels = X[:N][piece], LABELS[:N][piece]
        by_row = [by_class.get(label, 1.0) for label in labels]
        classes = np.unique(LABELS)
        weighted.partial_fit(rows, labels, classes=classes)
        same.partial_fit(rows, labels, classes=classes, sample_weight=by_row)
    assert_identical_weights(weighted.get_weights(), same.get_weights())


def test_class_weight_balanced_multiplies_sample_weight():
    own = np.linspace(0.5, 1.5, N)
    balanced = compute_sample_weight("balanced", LABELS[:N])
    assert np.ptp(balanced) > 0.1
    both = fit(classifier(class_weight="balanced"), sample_weight=own)
    same = fit(classifier(), sample_weight=own * balanced)
    assert_same_weights(both.get_weights(), same.get_weights())
    assert_close(own, np.linspace(0.5, 1.5, N))  # the caller's array is left alone


@pytest.mark.thorough
@pytest.mark.parametrize(
    "labels", first_ordinary(1, [LABELS, LABELS == "low"]), ids=["three", "two"]
)
def test_categorical_crossentropy_trains_like_sparse(labels):
    """One output for each class, also of two; three learn as by the sparse default."""
    one_hot = classifier(loss="categorical_crossentropy", **FAST)
    one_hot.fit(X[:N], labels[:N])
    n_classes = len(np.unique(labels))
    assert one_hot.n_outputs_ == n_classes
    proba = one_hot.predict_proba(X)
    assert proba.shape == (len(X), n_classes)
    assert_close(proba.sum(axis=1), np.ones(len(X)))
    sparse = classifier(loss="sparse_categorical_crossentropy", **FAST)
    sparse.fit(X[:N], labels[:N])
    assert_same_weights(one_hot.get_weights(), sparse.get_weights())


@pytest.mark.parametrize(
    ("labels", "loss"),
    first_ordinary(
        1,
        [
            (LABELS, keras.losses.CategoricalCrossentropy),
            (LABELS, keras.losses.SparseCategoricalCrossentropy),
            (LABELS == "low", keras.losses.BinaryCrossentropy),
        ],
    ),
    ids=["categorical", "sparse", "binary"],
)
def test_loss_from_logits_gives_same_probabilities(labels, loss):
    """A linear head and the same probabilities."""
    logits = classifier(loss=loss, loss__from_logits=True, **FAST)
    logits.fit(X[:N], labels[:N])
    plain = classifier(loss=loss, **FAST).fit(X[:N], labels[:N])
    assert_same_weights(logits.get_weights(), plain.get_weights(), rtol=1e-3, atol=1e-4)
    proba = logits.predict_proba(X)
    assert_close(proba, plain.predict_proba(X), rtol=1e-3, atol=1e-4)
    head = logits.rebuild(1).layers[-1]
    assert head.activation is keras.activations.linear
