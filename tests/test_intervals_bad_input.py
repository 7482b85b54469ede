"""What intervals and label sets refuse, by the text of the errors."""

from __future__ import annotations

import numpy as np
import pytest
from interval_cases import Repeat, X, noise_pairs, repeated, y
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm.intervals import ConformalClassifier, ConformalRegressor
from sklstm.persistence import PersistenceError

ERRORS = np.random.default_rng(0).normal(size=100)
LABELS = np.where(ERRORS > 0, "up", "down")


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1, float("nan")])
def test_coverage_outside_of_its_range(value):
    text = r"coverage must be between 0 and 1, such as 0.9, and neither"
    with pytest.raises(ValueError, match=text):
        repeated(ERRORS, coverage=value)
    with pytest.raises(ValueError, match=text):
        repeated(ERRORS).predict_interval([[0.0]], coverage=value)


@pytest.mark.parametrize("name", ["coverage", "calibration"])
def test_share_of_another_type(name):
    with pytest.raises(TypeError, match=rf"{name} must be a number .* '0.9' of type"):
        repeated(ERRORS, **{name: "0.9"})


def test_other_parameters_of_wrong_types():
    with pytest.raises(TypeError, match="adaptive must be True or False, got 1"):
        repeated(ERRORS, adaptive=1)
    with pytest.raises(ValueError, match="calibration must be between 0 and 1"):
        repeated(ERRORS, calibration=1.0)
    with pytest.raises(TypeError, match="horizon must be a positive integer, got"):
        repeated(ERRORS, horizon=1.5)
    with pytest.raises(
        ValueError, match=r"conformity_score must be 'lac' or 'aps', got"
    ):
        ConformalClassifier(LogisticRegression(), conformity_score="raps").fit(
            X[:100], LABELS
        )


def test_fewer_calibration_rows_than_the_coverage_takes():
    text = (
        r"There are 5 scores from the calibration rows \(calibration=0.25\), but"
        r" coverage=0.9 takes at least 9 of each step ahead. Pass at least 36 rows"
        r" with targets, a larger calibration, or a coverage of at most 0.833\."
    )
    with pytest.raises(ValueError, match=text):
        repeated(ERRORS[:20])
    with pytest.raises(ValueError, match="There are 5 scores"):
        ConformalClassifier(LogisticRegression()).fit(X[:20], LABELS[:20])
    assert repeated(ERRORS[:36]).n_calibration_ == 9
    assert repeated(ERRORS[:20], coverage=0.83).n_calibration_ == 5


def test_missing_targets_are_no_scores():
    errors = ERRORS.copy()
    errors[80:] = np.nan
    with pytest.raises(ValueError, match="There are 5 scores"):
        repeated(errors)


def test_rows_that_do_not_follow():
    model = ConformalRegressor(Ridge())
    with pytest.raises(ValueError, match="must be in time order to be walked over"):
        model.fit(X[::-1], y[::-1])
    with pytest.raises(ValueError, match=r"X has 3 dimension\(s\), but intervals take"):
        model.fit(np.zeros((100, 2, 1)), ERRORS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:-1])


def test_horizon_where_predictions_cannot_become_rows():
    with pytest.raises(ValueError, match="no column of X holds y of the row before"):
        repeated(ERRORS, horizon=3)


@pytest.mark.parametrize("call", ["observe", "step", "step_interval"])
def test_y_of_other_shapes(call):
    model, rows = repeated(ERRORS), np.zeros((3, 1))
    with pytest.raises(
        ValueError, match=r"X has 3 row\(s\) and y has 2, but y\[i\] is"
    ):
        getattr(model, call)(rows, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"y has 2 column\(s\), but had 1 in fit"):
        getattr(model, call)(rows, np.zeros((3, 2)))
    with pytest.raises(TypeError, match="y holds dates or durations"):
        getattr(model, call)(rows, np.zeros(3, "M8[D]"))


def test_labels_of_other_shapes():
    model = ConformalClassifier(LogisticRegression()).fit(X[:100], LABELS)
    with pytest.raises(ValueError, match=r"X has 2 row\(s\) and y has shape \(3,\)"):
        model.observe(X[:2], ["up", "up", "up"])
    with pytest.raises(ValueError, match="y has 2 columns, but sets are of one label"):
        both = np.stack([LABELS, LABELS], axis=1)
        ConformalClassifier(LogisticRegression()).fit(X[:100], both)


def test_classifier_without_probabilities():
    model = ConformalClassifier(SGDClassifier())
    with pytest.raises(
        TypeError, match="SGDClassifier has no predict_proba, from which"
    ):
        model.fit(X[:100], LABELS)


def test_calls_before_fit():
    model = ConformalRegressor(Repeat())
    calls = [
        lambda: model.predict([[0.0]]),
        lambda: model.predict_interval([[0.0]]),
        lambda: model.observe([[0.0]]),
        lambda: model.step([[0.0]]),
        lambda: model.forecast(2),
        lambda: model.forecast_interval(2),
        lambda: model.get_states(),
        lambda: model.reset_states(),
        lambda: model.save("nowhere"),
        lambda: ConformalClassifier(LogisticRegression()).predict_set([[0.0]]),
        lambda: ConformalClassifier(LogisticRegression()).step([[0.0]]),
    ]
    for call in calls:
        with pytest.raises(NotFittedError):
            call()
    assert not hasattr(model, "n_features_in_")


def test_forecast_of_an_estimator_without_state():
    model = repeated(ERRORS)
    with pytest.raises(
        TypeError, match="forecast goes on from a state, but Repeat has"
    ):
        model.forecast(3)
    with pytest.raises(ValueError, match=r"of up to 1 ahead\. Fit with horizon=4"):
        model.forecast_interval(3)


def test_states_of_others():
    model = repeated(ERRORS)
    with pytest.raises(
        TypeError, match="state must be a ConformalState, as get_states"
    ):
        model.set_states(None)
    other = repeated(ERRORS, coverage=0.8).get_states()
    with pytest.raises(ValueError, match=r"at a coverage of 0.8, but .* at 0.9"):
        model.set_states(other)
    with pytest.raises(KeyError, match="names a series, but"):
        model.reset_states("north")


def test_save_around_others(tmp_path):
    path = tmp_path / "model.safetensors"
    pipeline = make_pipeline(StandardScaler(), LinearRegression())
    model = ConformalRegressor(pipeline).fit(*noise_pairs(ERRORS))
    text = (
        "around a Pipeline cannot be saved: a file holds data only, and of estimators"
    )
    with pytest.raises(PersistenceError, match=text):
        model.save(path)
    assert not path.exists()
