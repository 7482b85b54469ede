"""Frames of pandas: their values count, their column names are checked."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from composition_cases import LABELS, SPLITS, Y2, X, by_hand, classifier, regressor, y
from helpers import (
    assert_close,
    assert_identical_weights,
    assert_same_weights,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@functools.cache
def frames() -> tuple[pd.DataFrame, pd.Series]:
    """Return X and y as pandas has them, one row a day."""
    days = pd.date_range("2020-01-01", periods=60, freq="D")
    frame = pd.DataFrame(X, index=days, columns=["price", "count"])
    return frame, pd.Series(y, index=days, name="next")


def test_fit_predict_frame_with_datetime_index_equals_arrays():
    """A frame gives the weights and answers that its values give."""
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


def test_fit_windows_after_frame_drops_feature_names():
    """A second fit, on windows without names, forgets those of the first."""
    frame, target = frames()
    model = regressor().fit(frame, target)
    assert not hasattr(model.fit(X.reshape(20, 3, 2), y[:20]), "feature_names_in_")


def test_Pipeline_with_pandas_output_passes_feature_names():
    frame, target = frames()
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, regressor()).fit(frame, target)
    assert pipeline[-1].feature_names_in_.tolist() == ["price", "count"]
    plain = make_pipeline(StandardScaler(), regressor()).fit(X, y)
    assert_same_weights(pipeline[-1].get_weights(), plain[-1].get_weights())


def test_fit_y_as_frame_equals_array():
    frame, _ = frames()
    estimator = regressor().fit(frame, pd.DataFrame(Y2, index=frame.index))
    plain = regressor().fit(X, Y2)
    np.testing.assert_array_equal(estimator.predict(frame), plain.predict(X))


def test_classifier_fit_Series_of_labels():
    frame, _ = frames()
    labels = pd.Series(LABELS, index=frame.index)
    estimator = classifier().fit(frame, labels)
    assert set(estimator.predict(frame)) <= {"down", "up"}
    categories = classifier().fit(frame, labels.astype("category"))
    assert_identical_weights(estimator.get_weights(), categories.get_weights())


@pytest.mark.parametrize("name", ["predict", "observe", "step"])
def test_predict_frame_with_other_columns_raises(name):
    frame, target = frames()
    estimator = regressor().fit(frame, target)
    call = getattr(estimator, name)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        call(frame[["count", "price"]])
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*volume"):
        call(frame.rename(columns={"count": "volume"}))


def test_predict_without_fitted_feature_names_warns():
    frame, target = frames()
    estimator = regressor().fit(frame, target)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but"):
        estimator.predict(X)
    estimator = regressor().fit(X, y)
    with pytest.warns(UserWarning, match="X has feature names, but .* without"):
        estimator.predict(frame)


def test_GridSearchCV_on_frames_warns_of_nothing():
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
