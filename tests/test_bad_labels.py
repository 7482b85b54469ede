"""Labels and weights that leave nothing to learn are refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from bad_input_cases import (
    LABELS,
    NAN,
    WINDOWS,
    N,
    X,
    assert_refused,
    classifier,
    regressor,
    with_value,
    y,
)

# --------------------------------------------------------------------------------------
# Values: NaN, infinity, strings
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (with_value(np.arange(N) % 2, NAN, (3,)), "Input y contains NaN"),
        (y, "Unknown label type: continuous"),
        (np.ones((N, 2)), "y should be a 1d array"),
    ],
    ids=["NaN", "continuous", "two columns"],
)
def test_classifier_fit_bad_labels_raises(target, text):
    estimator = classifier()
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


# --------------------------------------------------------------------------------------
# Labels and weights that leave nothing to learn
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_classifier_single_class_raises(name):
    estimator = classifier()
    text = r"at least two classes, but it holds 1 class: \['up'\]"
    train = getattr(estimator, name)
    assert_refused(estimator, lambda: train(X, ["up"] * N), text)


def test_partial_fit_one_class_with_classes_given_works():
    """As the error advises: `classes=` in the first `partial_fit` names both."""
    estimator = classifier().partial_fit(X, ["up"] * N, classes=["down", "up"])
    assert estimator.classes_.tolist() == ["down", "up"]


def test_partial_fit_with_other_classes_raises(on_labels):
    text = (
        r"classes=\['down', 'flat'\] differs from the classes fitted, \['down', 'up'\]"
        r"\. Leave classes= out, or clone the estimator to start with others"
    )
    assert_refused(
        on_labels,
        lambda: on_labels.partial_fit(X, LABELS, classes=["down", "flat"]),
        text,
    )


@pytest.mark.parametrize("class_weight", [None, {"down": 2}], ids=["", "weighted"])
@pytest.mark.parametrize("stranger", ["flat", "zigzag"])
def test_partial_fit_unknown_label_raises(on_labels, stranger, class_weight):
    """One sorts between the known labels, one after them: neither is taken for one."""
    labels = with_value(LABELS, stranger, (3,))
    fitted = copy.deepcopy(on_labels).set_params(class_weight=class_weight)
    assert_refused(fitted, lambda: fitted.partial_fit(X, labels), stranger)
    fresh = classifier(class_weight=class_weight)
    assert_refused(
        fresh,
        lambda: fresh.partial_fit(X, labels, classes=["down", "up"]),
        stranger,
    )


@pytest.mark.parametrize("X", [X[:6], WINDOWS], ids=["rows", "windows"])
def test_fit_sample_weight_all_zero_raises(X):
    estimator = regressor()
    text = "at least one non-zero|sample_weight is zero for all"
    assert_refused(estimator, lambda: estimator.fit(X, y[:6], np.zeros(6)), text)


@pytest.mark.parametrize(
    ("parameters", "at"),
    [({"sequence_length": 3}, 1), ({"validation_split": 0.5}, -1)],
    ids=["before the first window", "held out"],
)
def test_fit_sample_weight_zero_on_training_windows_raises(parameters, at):
    weights = with_value(np.zeros(N), 1.0, (at,))
    estimator = regressor(**parameters)
    text = r"sample_weight is zero for all \d+ windows to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


def test_fit_class_weight_all_zero_raises():
    estimator = classifier(class_weight={"down": 0, "up": 0})
    assert_refused(estimator, lambda: estimator.fit(X, LABELS), "weight.* zero")
