"""SlidingWindow and frame_series: against naive loops, by hand, and in pipelines."""

import copy
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklstm
from sklstm.preprocessing import SlidingWindow, frame_series

NAN = np.nan


def rows_of(n_rows, n_features=1, start=1):
    """Rows whose values count up, so that each one tells where it comes from."""
    stop = start + n_rows * n_features
    return np.arange(start, stop, dtype=float).reshape(n_rows, n_features)


# ------------------------------------------------ SlidingWindow: scikit-learn's checks

ORDER_CARRIES_MEANING = {
    "check_methods_subset_invariance": (
        "a window reaches back into the rows before it, so rows passed one batch at a "
        "time, each as if it followed the training rows, are another series"
    ),
    "check_methods_sample_order_invariance": (
        "a window holds the rows before it in time, so shuffled rows have other windows"
    ),
}


def expected_failures(window):
    return {} if window.sequence_length == 1 else ORDER_CARRIES_MEANING


@parametrize_with_checks(
    [SlidingWindow(), SlidingWindow(sequence_length=3), SlidingWindow(1)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ORDER_CARRIES_MEANING)
def test_expected_failures_still_fail(name):
    """An excuse that is no longer needed has to leave the table."""
    with pytest.raises(AssertionError):
        getattr(estimator_checks, name)("SlidingWindow", SlidingWindow(3))


# ---------------------------------------------------------------- SlidingWindow: values


def test_windows_by_hand():
    window = SlidingWindow(sequence_length=3).fit([[1, 10], [2, 20], [3, 30], [4, 40]])
    replayed = window.transform([[1, 10], [2, 20], [3, 30], [4, 40]])
    following = window.transform([[5, 50], [6, 60]])
    np.testing.assert_array_equal(
        replayed,
        [
            [[NAN, NAN], [NAN, NAN], [1, 10]],
            [[NAN, NAN], [1, 10], [2, 20]],
            [[1, 10], [2, 20], [3, 30]],
            [[2, 20], [3, 30], [4, 40]],
        ],
    )
    np.testing.assert_array_equal(
        following,
        [[[3, 30], [4, 40], [5, 50]], [[4, 40], [5, 50], [6, 60]]],
    )


def naive_windows(before, rows, length):
    """The rows each window holds, looked up one by one."""
    series = np.concatenate([before, rows])
    out = np.full((len(rows), length, rows.shape[1]), NAN)
    for i in range(len(rows)):
        for s in range(length):
            row = len(before) + i - length + 1 + s
            if row >= 0:
                out[i, s] = series[row]
    return out


@pytest.mark.parametrize("n_fit", range(1, 7))
@pytest.mark.parametrize("length", range(1, 8))
def test_windows_equal_a_naive_loop(n_fit, length):
    for n_features, n_after in itertools.product((1, 2), range(1, 6)):
        train = rows_of(n_fit, n_features)
        # Other rows, even where there are as many of them as were fitted on.
        after = rows_of(n_after, n_features, start=1000)
        window = SlidingWindow(length).fit(train)
        np.testing.assert_array_equal(
            window.transform(train), naive_windows(train[:0], train, length)
        )
        np.testing.assert_array_equal(
            window.transform(after), naive_windows(train, after, length)
        )
        np.testing.assert_array_equal(
            SlidingWindow(length).fit_transform(train), window.transform(train)
        )


def test_training_and_following_windows_are_the_windows_of_the_whole():
    rows = rows_of(12, 2)
    window = SlidingWindow(4).fit(rows[:7])
    pieces = [window.transform(rows[:7]), window.transform(rows[7:])]
    np.testing.assert_array_equal(
        np.concatenate(pieces), SlidingWindow(4).fit_transform(rows)
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: rows[::-1], id="reversed"),
        pytest.param(lambda rows: rows[1:], id="first row missing"),
        pytest.param(lambda rows: rows + np.eye(1, 8).T * 1e-9, id="one value moved"),
    ],
)
def test_only_the_very_rows_of_fit_are_replayed(change):
    rows = rows_of(8)
    out = SlidingWindow(3).fit(rows).transform(change(rows))
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[0, :2], rows[-2:])


def test_replay_does_not_depend_on_how_the_rows_are_held():
    rows = rows_of(6, 2)
    window = SlidingWindow(3).fit(rows)
    replayed = window.transform(rows)
    for same in (
        rows.tolist(),
        rows.astype(int),
        rows.astype(np.float32),
        np.asfortranarray(rows),
        np.repeat(rows, 2, axis=0)[::2],
        rows.astype(object),
    ):
        np.testing.assert_array_equal(window.transform(same), replayed)


def test_transform_changes_nothing():
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows)
    before = copy.deepcopy(vars(window))
    first = window.transform(rows[:2] + 6)
    second = window.transform(rows[:2] + 6)
    np.testing.assert_array_equal(first, second)
    assert pickle.dumps(vars(window)) == pickle.dumps(before)
    np.testing.assert_array_equal(rows, rows_of(6))


def test_output_is_the_callers_own():
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows)
    out = window.transform(rows)
    assert out.flags.c_contiguous and out.flags.writeable and out.base is None
    out[:] = 0
    rows[:] = 0
    np.testing.assert_array_equal(window.context_, [[5], [6]])
    assert window.transform([[7.0]])[0].ravel().tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
    ],
)
def test_dtype(given, expected):
    rows = rows_of(4).astype(given)
    window = SlidingWindow(2)
    assert window.fit_transform(rows).dtype == expected
    assert window.transform(rows[:2]).dtype == expected


def test_dtype_is_that_of_the_rows_transformed():
    window = SlidingWindow(2).fit(rows_of(4))
    assert window.transform(np.float32([[5.0]])).dtype == np.float32


def test_fitted_attributes():
    window = SlidingWindow(np.int64(3)).fit(rows_of(5, 2))
    assert window.n_features_in_ == 2
    assert window.sequence_length_ == 3 and type(window.sequence_length_) is int
    np.testing.assert_array_equal(window.context_, [[7, 8], [9, 10]])
    assert SlidingWindow(1).fit(rows_of(5, 2)).context_.shape == (0, 2)
    assert SlidingWindow(9).fit(rows_of(5, 2)).context_.shape == (5, 2)


def test_a_changed_parameter_waits_for_the_next_fit():
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows).set_params(sequence_length=2)
    assert window.transform(rows).shape == (6, 3, 1)
    assert window.get_feature_names_out().shape == (3, 1)
    assert window.fit(rows).transform(rows).shape == (6, 2, 1)


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda window: pickle.loads(pickle.dumps(window))]
)
def test_copies_remember_the_rows_of_fit(twin):
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows)
    for X in (rows, rows + 6):
        np.testing.assert_array_equal(twin(window).transform(X), window.transform(X))


def test_a_clone_is_unfitted():
    with pytest.raises(NotFittedError):
        clone(SlidingWindow(3).fit(rows_of(6))).transform(rows_of(6))


def test_memory_stays_near_the_output():
    """Windows are views until the end: no copy larger than the output itself."""
    tracemalloc = pytest.importorskip("tracemalloc")
    rows = rows_of(20_000, 2)
    window = SlidingWindow(50).fit(rows)
    tracemalloc.start()
    out = window.transform(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes + 8 * rows.nbytes


# ----------------------------------------------------------------- SlidingWindow: names


def weather(n_rows=6):
    index = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    return pd.DataFrame(rows_of(n_rows, 2), index, columns=["temp", "wind"])


def test_feature_names_line_up_with_the_output():
    names = SlidingWindow(3).fit(weather()).get_feature_names_out()
    assert names.dtype == object
    assert names.tolist() == [
        ["temp[t-2]", "wind[t-2]"],
        ["temp[t-1]", "wind[t-1]"],
        ["temp[t]", "wind[t]"],
    ]
    assert names.shape == SlidingWindow(3).fit_transform(weather()).shape[1:]


def test_feature_names_without_a_frame():
    window = SlidingWindow(2).fit(rows_of(4, 2))
    assert window.get_feature_names_out().tolist() == [
        ["x0[t-1]", "x1[t-1]"],
        ["x0[t]", "x1[t]"],
    ]
    assert window.get_feature_names_out(["a", "b"])[1].tolist() == ["a[t]", "b[t]"]


def test_feature_names_that_do_not_agree():
    with pytest.raises(ValueError, match="should have length equal to number of feat"):
        SlidingWindow(2).fit(rows_of(4, 2)).get_feature_names_out(["a"])
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        SlidingWindow(2).fit(weather()).get_feature_names_out(["a", "b"])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        SlidingWindow(2).get_feature_names_out()


def test_data_frames_with_a_time_index():
    frame = weather(8)
    window = SlidingWindow(3).fit(frame[:6])
    assert window.feature_names_in_.tolist() == ["temp", "wind"]
    np.testing.assert_array_equal(
        np.concatenate([window.transform(frame[:6]), window.transform(frame[6:])]),
        naive_windows(np.empty((0, 2)), frame.to_numpy(), 3),
    )
    with pytest.raises(ValueError, match="feature names should match"):
        window.transform(frame[["wind", "temp"]])


# ---------------------------------------------------------------- SlidingWindow: errors


NO_POSITIVE_INTEGERS = [
    (0, ValueError),
    (-3, ValueError),
    (2.0, TypeError),
    (True, TypeError),
    (np.bool_(True), TypeError),
    ("7", TypeError),
    (None, TypeError),
]


@pytest.mark.parametrize(("length", "error"), [*NO_POSITIVE_INTEGERS, ([7], TypeError)])
def test_sequence_length_that_is_no_positive_integer(length, error):
    with pytest.raises(error) as caught:
        SlidingWindow(length).fit(rows_of(4))
    expected = f"sequence_length must be a positive integer, got {length!r}"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("value", "kind"), [(NAN, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_values_that_are_not_finite(value, kind):
    frame = weather()
    window = SlidingWindow(2).fit(frame)
    frame.iloc[3:5, 1] = value
    text = (
        f"Input X contains {kind} at row 3, feature 'wind': 2 of its 12 values are NaN "
        "or infinity, .*expects finite numbers.*Fill them before windowing, for "
        "example with SimpleImputer"
    )
    for method in (window.transform, SlidingWindow(2).fit, SlidingWindow().fit):
        with pytest.raises(ValueError, match=text):
            method(frame)
    with pytest.raises(ValueError, match=f"contains {kind} at row 3, feature 1:"):
        SlidingWindow(2).fit(frame.to_numpy())


def test_arrays_of_other_shapes():
    with pytest.raises(ValueError, match=r"Reshape your data"):
        SlidingWindow(2).fit(np.arange(5.0))
    with pytest.raises(ValueError, match="dim 3"):
        SlidingWindow(2).fit(np.zeros((5, 2, 1)))
    with pytest.raises(ValueError, match="expecting 2 features"):
        SlidingWindow(2).fit(rows_of(4, 2)).transform(rows_of(4, 3))
    with pytest.raises(ValueError, match="could not convert string to float"):
        SlidingWindow(2).fit([["a"], ["b"]])


# ------------------------------------------------------------- SlidingWindow: pipelines


def test_pipeline_windows_scaled_rows_of_train_and_test():
    rows = np.random.default_rng(0).normal(size=(20, 3))
    train, test = rows[:14], rows[14:]
    pipeline = make_pipeline(StandardScaler(), SlidingWindow(4))
    windows = pipeline.fit_transform(train)
    np.testing.assert_array_equal(pipeline.transform(train), windows)
    scaled = StandardScaler().fit(train).transform(rows)
    np.testing.assert_array_equal(
        np.concatenate([windows, pipeline.transform(test)]),
        naive_windows(scaled[:0], scaled, 4),
    )
    assert len(pipeline.transform(test)) == len(test)


def test_pipeline_names_pass_through():
    pipeline = make_pipeline(StandardScaler(), SlidingWindow(2)).fit(weather())
    assert pipeline.get_feature_names_out()[0].tolist() == ["temp[t-1]", "wind[t-1]"]


def test_pandas_output_leaves_the_windows_an_array():
    """Asked for globally, frames reach the windows and arrays leave them."""
    with sklearn.config_context(transform_output="pandas"):
        pipeline = make_pipeline(StandardScaler(), SlidingWindow(2))
        out = pipeline.fit_transform(weather())
    assert type(out) is np.ndarray and out.shape == (6, 2, 2)
    assert pipeline[-1].feature_names_in_.tolist() == ["temp", "wind"]
    assert not hasattr(SlidingWindow(), "set_output")


def test_sequence_length_is_a_pipeline_parameter():
    pipeline = Pipeline([("window", SlidingWindow()), ("as_is", FunctionTransformer())])
    assert pipeline.get_params()["window__sequence_length"] == 10
    pipeline.set_params(window__sequence_length=2)
    assert pipeline.fit_transform(rows_of(5)).shape == (5, 2, 1)


def test_import_leaves_tensorflow_out():
    code = (
        "import sys, sklstm.preprocessing;"
        "sys.exit(bool({'tensorflow', 'keras', 'scikeras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------ SlidingWindow: before the estimators

# Both ways read the same float32 numbers, but windows gathered from rows and windows
# given whole are two compiled programs, whose sums may be taken in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-6}
SETTINGS = {"units": 4, "epochs": 3, "random_state": 0}


def wave(n_rows=40, n_features=2):
    """Rows with a target that needs the rows before: train and what follows it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    y = X[:, 0] + np.roll(X[:, -1], 1) + 0.1 * rng.normal(size=n_rows)
    return X[:30], y[:30], X[30:], y[30:]


def both_ways(estimator, length, **settings):
    """An estimator that windows by itself, and one behind a SlidingWindow."""
    estimator = getattr(sklstm, estimator)
    settings = SETTINGS | settings
    alone = estimator(sequence_length=length, **settings)
    windows = SlidingWindow(length)
    piped = Pipeline([("window", windows), ("model", estimator(**settings))])
    return alone, piped


GEOMETRIES = [
    # T, settings
    (1, {"batch_size": 1}),
    (4, {"batch_size": 1}),
    (4, {"batch_size": 7}),  # 27 windows: 6 of them dropped
    (4, {"batch_size": 7, "drop_remainder": False}),
    (4, {"batch_size": 7, "stateful": False}),
    (4, {"batch_size": 7, "stateful": False, "shuffle": False}),
]


@pytest.mark.parametrize(("length", "settings"), GEOMETRIES, ids=str)
def test_windows_made_in_the_pipeline_or_in_the_regressor_are_the_same(
    length, settings
):
    X, y, X_after, y_after = wave()
    alone, piped = both_ways("StatefulLSTMRegressor", length, **settings)
    alone.fit(X, y)
    model = piped.fit(X, y)[-1]
    assert model.sequence_length_ == alone.sequence_length_ == length
    assert model.n_windows_ == alone.n_windows_
    for given, expected in zip(
        model.initial_weights_, alone.initial_weights_, strict=True
    ):
        np.testing.assert_array_equal(given, expected)
    assert model.history_.keys() == alone.history_.keys()
    np.testing.assert_allclose(model.history_["loss"], alone.history_["loss"], **CLOSE)
    for given, expected in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(given, expected, **CLOSE)
    for rows in (X, X_after, X_after[:1]):
        np.testing.assert_allclose(piped.predict(rows), alone.predict(rows), **CLOSE)
    for rows, target in ((X, y), (X_after, y_after)):
        expected = alone.score(rows, target)
        assert piped.score(rows, target) == pytest.approx(expected, rel=1e-4)


def test_windows_made_in_the_pipeline_or_in_the_classifier_are_the_same():
    X, y, X_after, _ = wave()
    labels = np.where(y > 0, "up", "down")
    alone, piped = both_ways("StatefulLSTMClassifier", 4, batch_size=7)
    alone.fit(X, labels)
    piped.fit(X, labels)
    for rows in (X, X_after):
        np.testing.assert_allclose(
            piped.predict_proba(rows), alone.predict_proba(rows), **CLOSE
        )
        np.testing.assert_array_equal(piped.predict(rows), alone.predict(rows))


def test_sample_weight_and_validation_split_reach_the_windows():
    X, y, X_after, _ = wave()
    weight = np.linspace(0, 1, len(y))
    alone, piped = both_ways(
        "StatefulLSTMRegressor", 4, batch_size=7, validation_split=0.2
    )
    alone.fit(X, y, sample_weight=weight)
    piped.fit(X, y, model__sample_weight=weight)
    for name, values in alone.history_.items():
        np.testing.assert_allclose(piped[-1].history_[name], values, **CLOSE)
    np.testing.assert_allclose(piped.predict(X_after), alone.predict(X_after), **CLOSE)


def test_a_search_over_either_parameter_scores_the_same():
    X, y, _, _ = wave()
    alone, piped = both_ways("StatefulLSTMRegressor", 2, batch_size=1, epochs=1)
    options = {"cv": TimeSeriesSplit(2), "return_train_score": True, "refit": False}
    by_itself = GridSearchCV(alone, {"sequence_length": [1, 4]}, **options)
    by_window = GridSearchCV(piped, {"window__sequence_length": [1, 4]}, **options)
    expected = by_itself.fit(X, y).cv_results_
    given = by_window.fit(X, y).cv_results_
    for name in ("mean_train_score", "mean_test_score"):
        np.testing.assert_allclose(given[name], expected[name], rtol=1e-4)


def test_a_framed_series_is_forecast_from_its_last_rows():
    """The rows left over continue from the state that the framed rows left."""
    series = pd.DataFrame(wave()[0], columns=["count", "promo"])
    X, y = frame_series(series, 3, target="count")
    model, _ = both_ways("StatefulLSTMRegressor", 4, batch_size=1)
    forecast = model.fit(X, y).predict(series[len(X) :])
    assert forecast.shape == (3,)
    again = model.reset_states().predict(series)
    np.testing.assert_allclose(forecast, again[-3:], **CLOSE)


# ----------------------------------------------------------------- frame_series: values


def test_next_value_of_an_array():
    X, y = frame_series(np.array([10, 11, 12, 13]))
    np.testing.assert_array_equal(X, [[10], [11], [12]])
    np.testing.assert_array_equal(y, [11, 12, 13])
    assert X.dtype == y.dtype == int


def test_several_horizons_by_hand():
    _, y = frame_series([10, 11, 12, 13, 14], range(1, 4))
    np.testing.assert_array_equal(y, [[11, 12, 13], [12, 13, 14]])


def test_several_horizons_and_columns_by_hand():
    series = np.column_stack([np.arange(4), np.arange(4) + 10])
    X, y = frame_series(series, [2, 1])
    np.testing.assert_array_equal(X, [[0, 10], [1, 11]])
    np.testing.assert_array_equal(y, [[2, 12, 1, 11], [3, 13, 2, 12]])


def naive_pairs(series, horizons, columns):
    """X and y looked up one by one, for as long as every target is there."""
    X, y = [], []
    for i in range(len(series)):
        if i + max(horizons) >= len(series):
            break
        X.append(series[i])
        y.append([series[i + h][column] for h in horizons for column in columns])
    return np.array(X), np.array(y)


HORIZONS = [1, 2, 4, [1], [3], [1, 2], [3, 1], range(1, 4), np.array([2, 5])]


@pytest.mark.parametrize("horizon", HORIZONS, ids=str)
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_pairs_equal_a_naive_loop(horizon, n_features):
    horizons = np.atleast_1d(horizon).tolist()
    targets = [None, 0, -1, [0], list(range(n_features))[::-1]]
    for n_rows, target in itertools.product(range(max(horizons) + 1, 9), targets):
        series = rows_of(n_rows, n_features)
        columns = np.arange(n_features)[target if target is not None else slice(None)]
        expected_X, expected_y = naive_pairs(series, horizons, np.atleast_1d(columns))
        alone = isinstance(horizon, int) and (
            isinstance(target, int) or (target is None and n_features == 1)
        )
        X, y = frame_series(series, horizon, target=target)
        np.testing.assert_array_equal(X, expected_X)
        np.testing.assert_array_equal(y, expected_y[:, 0] if alone else expected_y)
        frame = pd.DataFrame(series, pd.RangeIndex(100, 100 + n_rows))
        frame_X, frame_y = frame_series(frame, horizon, target=target)
        pd.testing.assert_frame_equal(frame_X, frame[: len(X)])
        assert type(frame_y) is (pd.Series if alone else pd.DataFrame)
        assert frame_y.index.equals(frame_X.index)
        np.testing.assert_array_equal(frame_y, y)


def test_arrays_of_one_dimension_and_of_one_column_agree():
    series = rows_of(6)
    flat, table = frame_series(series[:, 0], 2), frame_series(series, 2)
    for one, two in zip(flat, table, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_rows_left_over_are_those_to_forecast_from():
    series = np.arange(10)
    for horizon in (1, 3, range(1, 5)):
        X, _ = frame_series(series, horizon)
        left = series[len(X) :].reshape(-1, 1)
        assert len(left) == np.max(horizon)
        np.testing.assert_array_equal(np.concatenate([X, left])[:, 0], series)


def test_any_dtype_is_framed():
    letters = np.array(list("abcd"))
    X, y = frame_series(letters)
    assert X.ravel().tolist() == list("abc") and y.tolist() == list("bcd")
    X, y = frame_series(np.float32([1, 2, 3]), [1])
    assert X.dtype == y.dtype == np.float32


# ----------------------------------------------------------------- frame_series: pandas


def sales():
    days = pd.date_range("2024-01-01", periods=5, name="day")
    return pd.DataFrame(
        {"count": [3, 5, 4, 6, 7], "promo": [True, False, True, False, True]}, days
    )


def test_a_series_keeps_its_index_and_name():
    X, y = frame_series(sales()["count"], 2)
    pd.testing.assert_frame_equal(X, sales()[["count"]].iloc[:3])
    pd.testing.assert_series_equal(
        y, pd.Series([4, 6, 7], sales().index[:3], name="count[t+2]"), check_freq=False
    )


def test_a_series_without_a_name():
    X, y = frame_series(pd.Series([1.0, 2.0]))
    assert X.columns.tolist() == ["value"] and y.name == "value[t+1]"
    assert frame_series(pd.Series([1.0, 2.0], name=0))[1].name == "0[t+1]"


def test_a_column_by_name():
    X, y = frame_series(sales(), target="count")
    pd.testing.assert_frame_equal(X, sales().iloc[:4])
    assert y.tolist() == [5, 4, 6, 7]
    pd.testing.assert_series_equal(y, frame_series(sales(), target=0)[1])


def test_columns_and_horizons_are_named_and_keep_their_dtypes():
    _, y = frame_series(sales(), [1, 2])
    names = ["count[t+1]", "promo[t+1]", "count[t+2]", "promo[t+2]"]
    assert y.columns.tolist() == names
    assert y.dtypes.tolist() == [int, bool, int, bool]
    assert y.iloc[0].tolist() == [5, False, 4, True]
    _, y = frame_series(sales(), target=["promo"])
    assert type(y) is pd.DataFrame and y.columns.tolist() == ["promo[t+1]"]


def test_an_int_is_a_position_even_where_labels_are_ints():
    frame = pd.DataFrame({1: [1, 2], 0: [10, 20]})
    assert frame_series(frame, target=0)[1].tolist() == [2]


def test_an_index_that_repeats_does_not_disturb():
    series = pd.Series([1, 2, 3, 4], index=[7, 7, 7, 7], name="v")
    X, y = frame_series(series, [1, 2])
    assert y.index.tolist() == X.index.tolist() == [7, 7]
    assert y.to_numpy().tolist() == [[2, 3], [3, 4]]


@pytest.mark.parametrize(
    "series", [rows_of(5)[:, 0], rows_of(5, 2), sales()["count"], sales()]
)
@pytest.mark.parametrize("horizon", [1, [1, 2]], ids=str)
def test_the_callers_series_is_left_alone(series, horizon):
    before = series.copy()
    for out in frame_series(series, horizon):
        if isinstance(out, np.ndarray):
            out[:] = 0
        elif out.ndim == 1:
            out.iloc[0] = 0
        else:
            out.iloc[0, 0] = 0
    assert type(series) is type(before)
    np.testing.assert_array_equal(series, before)


# ----------------------------------------------------------------- frame_series: errors


@pytest.mark.parametrize(("horizon", "error"), NO_POSITIVE_INTEGERS)
@pytest.mark.parametrize("alone", [True, False])
def test_horizons_that_are_no_positive_integers(horizon, error, alone):
    with pytest.raises(error) as caught:
        frame_series(rows_of(5), horizon if alone else [1, horizon])
    expected = f"horizon must be a positive integer, got {horizon!r}"
    assert str(caught.value).startswith(expected)


def test_horizons_that_are_none_or_twice():
    with pytest.raises(ValueError, match=r"horizon=\[\] is empty: expected an integer"):
        frame_series(rows_of(5), [])
    with pytest.raises(ValueError, match=r"horizon=\[1, 1\] names a step twice"):
        frame_series(rows_of(5), [1, 1])


@pytest.mark.parametrize("horizon", [3, 4, [1, 3]], ids=str)
def test_series_that_are_too_short(horizon):
    longest = np.max(horizon)
    text = (
        f"series has 3 rows, too few for a horizon of {longest}: expected at least "
        f"{longest + 1}"
    )
    for series in (rows_of(3), sales()[:3]):
        with pytest.raises(ValueError, match=text):
            frame_series(series, horizon)


def test_series_of_other_dimensions():
    with pytest.raises(ValueError, match=r"3 dimensions, shape \(4, 2, 1\): expected"):
        frame_series(np.zeros((4, 2, 1)))
    with pytest.raises(ValueError, match=r"0 dimensions, shape \(\): expected"):
        frame_series(5.0)


@pytest.mark.parametrize(
    ("series", "target", "known"),
    [
        (rows_of(5, 2), 2, "a position from -2 to 1"),
        (rows_of(5, 2), -3, "a position from -2 to 1"),
        (rows_of(5, 2), [0, 5], "a position from -2 to 1"),
        (rows_of(5, 2), "count", "an array has no names"),
        (rows_of(5, 2), True, "an array has no names"),
        (sales(), "sales", r"one of the names \['count', 'promo'\]"),
        (sales(), ["count", "sales"], r"one of the names \['count', 'promo'\]"),
    ],
)
def test_targets_that_are_not_there(series, target, known):
    missing = target[-1] if isinstance(target, list) else target
    with pytest.raises(ValueError, match=known) as caught:
        frame_series(series, target=target)
    expected = f"target={missing!r} is no column of this series of 2: expected"
    assert str(caught.value).startswith(expected)


def test_targets_that_are_none_twice_or_ambiguous():
    with pytest.raises(ValueError, match=r"target=\[\] selects no column"):
        frame_series(sales(), target=[])
    with pytest.raises(ValueError, match="selects a column twice"):
        frame_series(sales(), target=["count", 0])
    doubled = pd.concat([sales(), sales()], axis=1)
    with pytest.raises(ValueError, match="there once"):
        frame_series(doubled, target="count")
