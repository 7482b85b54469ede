"""SlidingWindow: its windows against a naive loop, its names, and what it refuses."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from preprocessing_cases import (
    NAN,
    NO_POSITIVE_INTEGERS,
    naive_windows,
    rows_of,
    weather,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm.preprocessing import SlidingWindow

# --------------------------------------------------------------------------------------
# SlidingWindow: scikit-learn's checks
# --------------------------------------------------------------------------------------

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
def test_SlidingWindow_passes_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ORDER_CARRIES_MEANING)
def test_SlidingWindow_expected_failures_still_fail(name):
    """A check that passes by now must be taken off the list."""
    with pytest.raises(AssertionError):
        getattr(estimator_checks, name)("SlidingWindow", SlidingWindow(3))


# --------------------------------------------------------------------------------------
# SlidingWindow: values
# --------------------------------------------------------------------------------------


def test_transform_by_hand():
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


@pytest.mark.parametrize("n_fit", range(1, 7))
@pytest.mark.parametrize("length", range(1, 8))
def test_transform_equals_naive_loop(n_fit, length):
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


def test_transform_of_following_rows_continues_those_of_fit():
    rows = rows_of(12, 2)
    window = SlidingWindow(4).fit(rows[:7])
    pieces = [window.transform(rows[:7]), window.transform(rows[7:])]
    np.testing.assert_array_equal(
        np.concatenate(pieces), SlidingWindow(4).fit_transform(rows)
    )


def test_transform_of_rows_of_fit_and_more_replays_and_goes_on():
    rows = rows_of(12, 2)
    window = SlidingWindow(4).fit(rows[:7])
    np.testing.assert_array_equal(
        window.transform(rows), SlidingWindow(4).fit_transform(rows)
    )


def test_transform_of_repeating_rows_of_fit_and_more_follows_and_warns():
    """One day of three hours after two: they may be the third day, or all three."""
    hours = np.eye(3)[np.arange(9) % 3]
    window = SlidingWindow(2).fit(hours[:6])
    with pytest.warns(UserWarning, match="equal to the 6 rows.*repeat") as record:
        out = window.transform(hours)
    assert [warning.filename for warning in record] == [__file__]
    np.testing.assert_array_equal(out, naive_windows(hours[:6], hours, 2))
    assert np.isnan(window.transform(hours[:6])[0, 0]).all()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: rows[::-1], id="reversed"),
        pytest.param(lambda rows: rows[1:], id="first row missing"),
        pytest.param(lambda rows: rows + np.eye(1, 8).T * 1e-9, id="one value moved"),
    ],
)
def test_transform_replays_only_rows_of_fit(change):
    rows = rows_of(8)
    out = SlidingWindow(3).fit(rows).transform(change(rows))
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[0, :2], rows[-2:])


def test_transform_replays_rows_of_fit_in_any_container():
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


def test_transform_output_is_writeable_copy():
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
def test_transform_dtype(given, expected):
    rows = rows_of(4).astype(given)
    window = SlidingWindow(2)
    assert window.fit_transform(rows).dtype == expected
    assert window.transform(rows[:2]).dtype == expected


def test_transform_dtype_is_that_of_its_rows():
    window = SlidingWindow(2).fit(rows_of(4))
    assert window.transform(np.float32([[5.0]])).dtype == np.float32


def test_fit_sets_attributes():
    window = SlidingWindow(np.int64(3)).fit(rows_of(5, 2))
    assert window.n_features_in_ == 2
    assert window.sequence_length_ == 3 and type(window.sequence_length_) is int
    np.testing.assert_array_equal(window.context_, [[7, 8], [9, 10]])
    assert SlidingWindow(1).fit(rows_of(5, 2)).context_.shape == (0, 2)
    assert SlidingWindow(9).fit(rows_of(5, 2)).context_.shape == (5, 2)


def test_set_params_sequence_length_waits_for_next_fit():
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows).set_params(sequence_length=2)
    assert window.transform(rows).shape == (6, 3, 1)
    assert window.get_feature_names_out().shape == (3, 1)
    assert window.fit(rows).transform(rows).shape == (6, 2, 1)


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda window: pickle.loads(pickle.dumps(window))]
)
def test_copies_replay_rows_of_fit(twin):
    rows = rows_of(6)
    window = SlidingWindow(3).fit(rows)
    for X in (rows, rows + 6):
        np.testing.assert_array_equal(twin(window).transform(X), window.transform(X))


def test_clone_is_unfitted():
    with pytest.raises(NotFittedError):
        clone(SlidingWindow(3).fit(rows_of(6))).transform(rows_of(6))


def test_transform_memory_is_near_its_output():
    """Windows are views until the end: no copy larger than the output itself."""
    tracemalloc = pytest.importorskip("tracemalloc")
    rows = rows_of(20_000, 2)
    window = SlidingWindow(50).fit(rows)
    tracemalloc.start()
    out = window.transform(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes + 8 * rows.nbytes


# --------------------------------------------------------------------------------------
# SlidingWindow: names
# --------------------------------------------------------------------------------------


def test_get_feature_names_out_matches_output():
    names = SlidingWindow(3).fit(weather()).get_feature_names_out()
    assert names.dtype == object
    assert names.tolist() == [
        ["temp[t-2]", "wind[t-2]"],
        ["temp[t-1]", "wind[t-1]"],
        ["temp[t]", "wind[t]"],
    ]
    assert names.shape == SlidingWindow(3).fit_transform(weather()).shape[1:]


def test_get_feature_names_out_without_frame():
    window = SlidingWindow(2).fit(rows_of(4, 2))
    assert window.get_feature_names_out().tolist() == [
        ["x0[t-1]", "x1[t-1]"],
        ["x0[t]", "x1[t]"],
    ]
    assert window.get_feature_names_out(["a", "b"])[1].tolist() == ["a[t]", "b[t]"]


def test_get_feature_names_out_of_other_names_raises():
    with pytest.raises(ValueError, match="should have length equal to number of feat"):
        SlidingWindow(2).fit(rows_of(4, 2)).get_feature_names_out(["a"])
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        SlidingWindow(2).fit(weather()).get_feature_names_out(["a", "b"])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        SlidingWindow(2).get_feature_names_out()


def test_transform_frame_with_time_index():
    frame = weather(8)
    window = SlidingWindow(3).fit(frame[:6])
    assert window.feature_names_in_.tolist() == ["temp", "wind"]
    np.testing.assert_array_equal(
        np.concatenate([window.transform(frame[:6]), window.transform(frame[6:])]),
        naive_windows(np.empty((0, 2)), frame.to_numpy(), 3),
    )
    with pytest.raises(ValueError, match="feature names should match"):
        window.transform(frame[["wind", "temp"]])


# --------------------------------------------------------------------------------------
# SlidingWindow: errors
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "error"), [*NO_POSITIVE_INTEGERS, ([7], TypeError)])
def test_fit_sequence_length_not_positive_integer_raises(length, error):
    with pytest.raises(error) as caught:
        SlidingWindow(length).fit(rows_of(4))
    expected = f"sequence_length must be a positive integer, got {length!r}"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("value", "kind"), [(NAN, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_fit_transform_not_finite_raises(value, kind):
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


def test_transform_of_other_shape_raises():
    with pytest.raises(ValueError, match=r"Reshape your data"):
        SlidingWindow(2).fit(np.arange(5.0))
    with pytest.raises(ValueError, match="dim 3"):
        SlidingWindow(2).fit(np.zeros((5, 2, 1)))
    with pytest.raises(ValueError, match="expecting 2 features"):
        SlidingWindow(2).fit(rows_of(4, 2)).transform(rows_of(4, 3))
    with pytest.raises(ValueError, match="could not convert string to float"):
        SlidingWindow(2).fit([["a"], ["b"]])
