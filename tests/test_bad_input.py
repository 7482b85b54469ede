"""Bad input: each kind is refused with its own text, and nothing is left half done.

Texts that scikit-learn writes are matched on the words that name the trouble. Every
refused fit is also checked to leave the estimator exactly as it was.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest
from helpers import left_nan_windows, make_rows
from sklearn.exceptions import NotFittedError

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

N = 12
X = make_rows(N, 2, seed=1)
y = make_rows(N, 1, seed=2)[:, 0]
LABELS = np.array(["down", "up"] * (N // 2))
WINDOWS = make_rows(6 * 3, 2, seed=3).reshape(6, 3, 2)  # (n_windows, T, F)
NAN, INF = np.nan, np.inf
NOTHING_BUT_NAN = (
    r"1 window\(s\) of X hold nothing but NaN; each needs at least its last row\. Leave"
    r" them out, with their targets\."
)


def regressor(**parameters: Any) -> StatefulLSTMRegressor:
    """Return the smallest regressor."""
    return StatefulLSTMRegressor(
        **{"units": 2, "epochs": 1, "random_state": 0, **parameters}
    )


def classifier(**parameters: Any) -> StatefulLSTMClassifier:
    """Return the smallest classifier."""
    return StatefulLSTMClassifier(
        **{"units": 2, "epochs": 1, "random_state": 0, **parameters}
    )


@pytest.fixture(scope="module")
def on_rows():
    """A regressor fitted on rows of two features; tests leave it as it is."""
    return regressor().fit(X, y)


@pytest.fixture(scope="module")
def on_windows():
    """A regressor fitted on ready-made windows of three steps."""
    return regressor().fit(WINDOWS, y[:6])


@pytest.fixture(scope="module")
def on_labels():
    """A classifier fitted on rows with the labels 'down' and 'up'."""
    return classifier().fit(X, LABELS)


def with_value(array: np.ndarray, value: Any, at: tuple[int, ...]) -> np.ndarray:
    """Return a copy of `array` with one entry changed."""
    changed = np.array(array, dtype=object if isinstance(value, str) else float)
    changed[at] = value
    return changed


def assert_refused(estimator, call, text: str, error=ValueError) -> None:
    """Check an error's text, and that no attribute of the estimator has changed."""
    before = dict(vars(estimator))
    with pytest.raises(error, match=text):
        call()
    after = vars(estimator)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def feed_zeros(prediction, k):
    """Feed rows of zeros, whatever was predicted."""
    return np.zeros(2)


READERS = {  # calls that take rows of a fitted regressor
    "predict": lambda e, rows: e.predict(rows),
    "observe": lambda e, rows: e.observe(rows),
    "step": lambda e, rows: e.step(rows),
    "score": lambda e, rows: e.score(rows, y[: len(rows)]),
    "forecast": lambda e, rows: e.forecast(2, start=rows, feedback=feed_zeros),
    "partial_fit": lambda e, rows: e.partial_fit(rows, y[: len(rows)]),
}
reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


# --------------------------------------------------------------------------------------
# Values: NaN, infinity, strings
# --------------------------------------------------------------------------------------

BAD_VALUES = {
    "NaN": (NAN, "X contains NaN"),
    "infinity": (INF, "X contains infinity"),
    "too large for float32": (1e300, "X contains infinity or a value too large"),
    "string": ("seven", "could not convert string to float: 'seven'"),
}
# Casting 1e300 to float32 is what NumPy warns of, and the error is about.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in cast")
bad_value = pytest.mark.parametrize(
    ("value", "text"), BAD_VALUES.values(), ids=BAD_VALUES
)


@bad_value
def test_bad_value_in_the_training_rows(value, text):
    estimator = regressor()
    rows = with_value(X, value, (3, 1))
    assert_refused(estimator, lambda: estimator.fit(rows, y), text)


@reader
@bad_value
def test_bad_value_in_later_rows(on_rows, read, value, text):
    rows = with_value(X, value, (3, 1))
    assert_refused(on_rows, lambda: read(on_rows, rows), text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "Input y contains NaN"),
        (INF, "Input y contains infinity"),
        ("up", "could not convert string to float: 'up'"),
    ],
)
@pytest.mark.parametrize("X", [X[:6], WINDOWS], ids=["rows", "windows"])
def test_bad_value_in_the_targets(X, value, text):
    estimator = regressor()
    target = with_value(y[:6], value, (3,))
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (with_value(np.arange(N) % 2, NAN, (3,)), "Input y contains NaN"),
        (y, "Unknown label type: continuous"),
        (np.ones((N, 2)), "y should be a 1d array"),
    ],
    ids=["NaN", "continuous", "two columns"],
)
def test_bad_labels(target, text):
    estimator = classifier()
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "sample_weight contains NaN"),
        (INF, "sample_weight contains infinity"),
        ("heavy", "could not convert string to float: 'heavy'"),
    ],
)
def test_bad_value_in_the_sample_weights(value, text):
    estimator = regressor()
    weights = with_value(np.ones(N), value, (3,))
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


@pytest.mark.parametrize(
    ("at", "value", "text"),
    [
        ((2, 0, 1), NAN, r"X contains NaN in 1 place\(s\).*SimpleImputer"),
        ((2, 1), NAN, r"X contains NaN in 2 place\(s\).*whole leading steps"),
        ((2,), NAN, NOTHING_BUT_NAN),
        ((2, 0, 1), INF, "X contains infinity"),
        ((2, 0, 1), "seven", "could not convert string to float: 'seven'"),
    ],
    ids=["one entry", "a step inside", "a whole window", "infinity", "string"],
)
def test_bad_value_in_windows(on_windows, at, value, text):
    """Only leading steps may be NaN: those lie before the series began."""
    windows = with_value(WINDOWS, value, at)
    fresh = regressor()
    assert_refused(fresh, lambda: fresh.fit(windows, y[:6]), text)
    assert_refused(on_windows, lambda: on_windows.predict(windows), text)
    assert_refused(on_windows, lambda: on_windows.observe(windows), text)
    assert_refused(on_windows, lambda: on_windows.partial_fit(windows, y[:6]), text)


# --------------------------------------------------------------------------------------
# Shapes
# --------------------------------------------------------------------------------------


@reader
@pytest.mark.parametrize("n_features", [1, 3])
def test_another_number_of_features(on_rows, read, n_features):
    rows = np.ones((4, n_features))
    text = f"X has {n_features} features, but StatefulLSTMRegressor is expecting 2"
    assert_refused(on_rows, lambda: read(on_rows, rows), text)


@pytest.mark.parametrize("windows", [WINDOWS[:, :, :1], WINDOWS[:, :2]])
def test_windows_of_another_shape(on_windows, windows):
    text = re.escape(
        f"X has windows of shape {windows.shape[1:]}, but StatefulLSTMRegressor was"
        " fitted on windows of shape (sequence_length, n_features) = (3, 2). Cut or"
        " frame X as for fit."
    )
    assert_refused(on_windows, lambda: on_windows.predict(windows), text)


@reader
def test_windows_after_rows(on_rows, read):
    text = (
        r"was fitted on rows, X of shape .*, but got ready-made .*\. Pass X as in fit"
    )
    assert_refused(on_rows, lambda: read(on_rows, WINDOWS), text)


@pytest.mark.parametrize("name", ["predict", "observe", "step", "partial_fit"])
def test_rows_after_windows(on_windows, name):
    text = (
        r"was fitted on ready-made windows, X of .*, but got rows.*\. Pass X as in fit"
    )
    assert_refused(on_windows, lambda: READERS[name](on_windows, X), text)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (X[:, 0], "Expected 2D array, got 1D array instead"),
        (X[None, None], "Found array with dim 4"),
        (X[:0], r"Found array with 0 sample\(s\)"),
        (WINDOWS[:0], r"Found array with 0 sample\(s\)"),
        (WINDOWS[:, :0], r"at least one step and one feature; got \(6, 0, 2\)"),
        (WINDOWS[:, :, :0], r"at least one step and one feature; got \(6, 3, 0\)"),
    ],
    ids=["1-D", "4-D", "no rows", "no windows", "no steps", "no features"],
)
def test_not_rows_at_all(rows, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(rows, y[: len(rows)]), text)


@pytest.mark.parametrize(
    ("X", "target", "text"),
    [
        (X, y[:-1], r"inconsistent numbers of samples: \[12, 11\]"),
        (WINDOWS, y, r"inconsistent numbers of samples: \[6, 12\]"),
        (X, None, "requires y to be passed, but the target y is None"),
        (WINDOWS, None, "requires y to be passed, but the target y is None"),
        (X, np.ones((N, 1, 1)), "Found array with dim 3"),
    ],
)
def test_targets_that_do_not_belong_to_the_rows(X, target, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(X, target), text)


def test_targets_of_another_width_later(on_rows):
    """Two columns after one would be cut to the first without a check."""
    estimator, two = copy.deepcopy(on_rows), np.ones((N, 2))
    assert_refused(estimator, lambda: estimator.partial_fit(X, two), "y has|output")


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(5), r"sample_weight.shape == \(5,\), expected \(12,\)"),
        (np.ones((N, 2)), "Sample weights must be 1D array or scalar"),
    ],
)
def test_sample_weights_of_another_shape(weights, text):
    estimator = regressor()
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


# --------------------------------------------------------------------------------------
# Too few rows: for a window, for a batch, for what validation leaves
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
def test_too_few_rows_for_a_window(stateful):
    estimator = regressor(sequence_length=13, stateful=stateful)
    text = (
        r"12 row\(s\) to train on.* sequence_length=13 needs at least 13\."
        " Pass more rows or a shorter sequence_length"
    )
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_too_few_rows_for_a_batch():
    """The error names the smallest input that would do, and that input does."""
    estimator = regressor(sequence_length=3, batch_size=5)
    text = (
        r"X holds 4 complete window\(s\) of sequence_length=3 to train on, but one"
        r" batch takes batch_size=5\. Pass at least 7 rows to train on, use a smaller"
        r" batch_size, or set drop_remainder=False\."
    )
    assert_refused(estimator, lambda: estimator.fit(X[:6], y[:6]), text)
    assert estimator.fit(X[:7], y[:7]).n_windows_ == 5


def test_too_few_windows_for_a_batch():
    """Ready-made windows are counted in windows: their rows are not the caller's."""
    estimator = regressor(batch_size=5)
    text = (
        r"X holds 4 complete window\(s\) of sequence_length=3 to train on, but one"
        r" batch takes batch_size=5\. Pass at least 5 complete windows to train on, use"
    )
    assert_refused(estimator, lambda: estimator.fit(WINDOWS[:4], y[:4]), text)
    assert estimator.fit(WINDOWS[:5], y[:5]).n_windows_ == 5


@pytest.mark.parametrize(
    ("parameters", "n"),
    [({}, 4), ({"drop_remainder": False}, 1), ({"stateful": False}, 1)],
)
def test_only_windows_from_before_the_series_began(parameters, n):
    """The error says how many whole ones would do: a batch, or any."""
    estimator = regressor(batch_size=4, **parameters)
    short = left_nan_windows(X[:2], 3)
    text = (
        "None of the windows to train on is complete: all begin with NaN. Pass at least"
        f" {n} without."
    )
    assert_refused(estimator, lambda: estimator.fit(short, y[:2]), text)


def test_too_few_rows_beside_those_held_out():
    """Six of twelve rows are held out: six hold two windows of five rows."""
    estimator = regressor(sequence_length=5, batch_size=3, validation_split=0.5)
    text = r"X holds 2 complete window\(s\) .*Pass at least 7 rows to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)
    estimator = regressor(sequence_length=7, validation_split=0.5)
    text = r"There are 6 row\(s\) to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


# --------------------------------------------------------------------------------------
# Parameters
# --------------------------------------------------------------------------------------

POSITIVE_INTS = ["units", "epochs", "batch_size", "sequence_length"]


@pytest.mark.parametrize("name", POSITIVE_INTS)
@pytest.mark.parametrize("value", [0, -1, np.int64(0)], ids=repr)
def test_a_number_that_is_not_positive(name, value):
    estimator = regressor(**{name: value})
    text = re.escape(f"{name} must be a positive integer, got {value!r}.")
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


@pytest.mark.parametrize("name", POSITIVE_INTS)
@pytest.mark.parametrize("value", [2.5, "7", True, None], ids=repr)
def test_a_number_that_is_not_whole(name, value):
    estimator = regressor(**{name: value})
    kind = type(value).__name__
    text = rf"{name} must be a positive integer.* got {value!r} of type {kind}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, TypeError)


@pytest.mark.parametrize(
    ("units", "error", "text"),
    [
        ((), ValueError, "units must name at least one LSTM layer, got none"),
        ((2, 0), ValueError, "units must be a positive integer, got 0"),
        ((2, 2.5), TypeError, "units must be a positive integer, got 2.5"),
        ([True], TypeError, "units must be a positive integer, got True"),
    ],
)
def test_layers_of_bad_units(units, error, text):
    estimator = regressor(units=units)
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


@pytest.mark.parametrize(
    "name", ["stateful", "drop_remainder", "shuffle", "warm_start"]
)
@pytest.mark.parametrize("value", [1, "yes", None], ids=repr)
def test_neither_true_nor_false(name, value):
    estimator = regressor(**{name: value})
    text = f"{name} must be True or False, got {value!r} of type"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, TypeError)


@pytest.mark.parametrize("name", ["dropout", "validation_split"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1, ValueError),
        (1.5, ValueError),
        (-0.1, ValueError),
        (NAN, ValueError),
        ("0.5", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_fraction_outside_its_range(name, value, error):
    estimator = regressor(**{name: value})
    text = f"{name} must be .*from 0 up to, but not including, 1.* got {value!r}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (0.5, TypeError), (None, TypeError)]
)
def test_verbose_below_silence(value, error):
    estimator = regressor(verbose=value)
    text = rf"verbose must be 0 \(silent\) or above \(progress bar\), got {value}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


UNKNOWN = {
    "optimiser": "optimizer",
    "unit": "units",
    "batchsize": "batch_size",
    "sequence_lenght": "sequence_length",
    "optimzer__learning_rate": "optimizer__learning_rate",
    "los__delta": "loss__delta",
}


@pytest.mark.parametrize(("keyword", "nearest"), UNKNOWN.items())
def test_unknown_keyword_names_the_nearest(keyword, nearest):
    text = (
        rf"StatefulLSTMRegressor\(\) got an unexpected keyword argument '{keyword}'\."
        f" Did you mean '{nearest}'"
    )
    with pytest.raises(TypeError, match=text):
        StatefulLSTMRegressor(**{keyword: 1})


@pytest.mark.parametrize(("keyword", "nearest"), UNKNOWN.items())
def test_unknown_parameter_names_the_nearest(keyword, nearest):
    estimator = regressor()
    assert_refused(
        estimator,
        lambda: estimator.set_params(**{keyword: 1}),
        f"'{keyword}'(.|\n)*Did you mean '{nearest}'",
        (TypeError, ValueError),
    )


def test_parameters_are_set_all_or_none():
    """A bad name beside a good routed one leaves the good one unset too."""
    estimator = regressor()
    assert_refused(
        estimator,
        lambda: estimator.set_params(optimizer__learning_rate=0.5, unit=3),
        "'unit'",
        (TypeError, ValueError),
    )


def test_unknown_keyword_of_the_classifier():
    with pytest.raises(TypeError, match=r"'class_wieght'.* mean 'class_weight'"):
        StatefulLSTMClassifier(class_wieght="balanced")
    with pytest.raises(TypeError, match="unexpected keyword argument 'class_weight'"):
        StatefulLSTMRegressor(class_weight="balanced")


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"optimizer": "adm"}, ValueError, "optimizer.*adm"),
        ({"optimizer": None}, TypeError, "optimizer must be the name .* got None"),
        ({"optimizer": 3}, TypeError, "optimizer must be the name .* got 3"),
        ({"optimizer__learning_rat": 0.1}, ValueError, "learning_rat"),
        ({"loss": "mes"}, ValueError, "loss.*mes"),
        ({"metrics": ["mea"]}, ValueError, "metric.*mea"),
        ({"callbacks": [3]}, TypeError, "callback"),
        ({"random_state": "a"}, ValueError, "'a' cannot be used to seed"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_choices(parameters, error, text):
    estimator = regressor(**parameters)
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


# --------------------------------------------------------------------------------------
# Labels and weights that leave nothing to learn
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_single_class(name):
    estimator = classifier()
    text = r"at least two classes, but it holds 1 class: \['up'\]"
    train = getattr(estimator, name)
    assert_refused(estimator, lambda: train(X, ["up"] * N), text)


def test_one_class_at_first_of_two_announced():
    """What the error advises works: `classes=` in the first `partial_fit`."""
    estimator = classifier().partial_fit(X, ["up"] * N, classes=["down", "up"])
    assert estimator.classes_.tolist() == ["down", "up"]


def test_other_classes_announced_later(on_labels):
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
def test_a_label_nobody_announced(on_labels, stranger, class_weight):
    """Sorted between, or after, those known: neither may pass for one of them."""
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
def test_all_weights_zero(X):
    estimator = regressor()
    text = "at least one non-zero|sample_weight is zero for all"
    assert_refused(estimator, lambda: estimator.fit(X, y[:6], np.zeros(6)), text)


@pytest.mark.parametrize(
    ("parameters", "at"),
    [({"sequence_length": 3}, 1), ({"validation_split": 0.5}, -1)],
    ids=["before the first window", "held out"],
)
def test_weight_only_on_rows_not_trained_on(parameters, at):
    weights = with_value(np.zeros(N), 1.0, (at,))
    estimator = regressor(**parameters)
    text = r"sample_weight is zero for all \d+ windows to train on"
    assert_refused(estimator, lambda: estimator.fit(X, y, weights), text)


def test_class_weights_all_zero():
    estimator = classifier(class_weight={"down": 0, "up": 0})
    assert_refused(estimator, lambda: estimator.fit(X, LABELS), "weight.* zero")


# --------------------------------------------------------------------------------------
# Before fit
# --------------------------------------------------------------------------------------

BEFORE_FIT = {
    "predict": lambda e: e.predict(X),
    "score": lambda e: e.score(X, y),
    "observe": lambda e: e.observe(X),
    "step": lambda e: e.step(X),
    "forecast": lambda e: e.forecast(3),
    "get_states": lambda e: e.get_states(),
    "set_states": lambda e: e.set_states(None),
    "reset_states": lambda e: e.reset_states(),
    "reseed_states": lambda e: e.reseed_states(),
    "get_weights": lambda e: e.get_weights(),
    "rebuild": lambda e: e.rebuild(1),
    "model_": lambda e: e.model_,
}


@pytest.mark.parametrize("call", BEFORE_FIT.values(), ids=BEFORE_FIT)
def test_before_fit(call):
    estimator = regressor()
    text = "This StatefulLSTMRegressor instance is not fitted yet"
    assert_refused(estimator, lambda: call(estimator), text, NotFittedError)


def test_probabilities_before_fit():
    estimator = classifier()
    text = "This StatefulLSTMClassifier instance is not fitted yet"
    assert_refused(estimator, lambda: estimator.predict_proba(X), text, NotFittedError)


# --------------------------------------------------------------------------------------
# States and forecasts
# --------------------------------------------------------------------------------------

ZEROS = np.zeros((1, 2), np.float32)


@pytest.mark.parametrize(
    "layers",
    [
        ((np.zeros((2, 2)), np.zeros((2, 2))),),
        ((np.zeros((1, 3)), np.zeros((1, 3))),),
        ((ZEROS,),),
        ((ZEROS, ZEROS), (ZEROS, ZEROS)),
        (),
    ],
    ids=["lanes", "units", "no cell state", "layers", "stateless"],
)
def test_state_of_another_shape(on_rows, layers):
    """Both shapes are named."""
    state = on_rows.get_states().replace(layers=layers)
    text = re.escape(
        f"The state has layers of shapes {state.shapes}, but this estimator's have"
        f" {(((1, 2), (1, 2)),)}: (batch_size, units) each."
    )
    assert_refused(on_rows, lambda: on_rows.set_states(state), text)


def test_state_with_rows_of_another_width(on_rows):
    state = on_rows.get_states().replace(context=np.zeros((0, 3)))
    text = r"context of shape \(0, 3\), but this estimator was fitted on rows of 2"
    assert_refused(on_rows, lambda: on_rows.set_states(state), text)


@pytest.mark.parametrize("state", [3, ((ZEROS, ZEROS),), None], ids=["3", "tuple", "-"])
def test_not_a_state(on_rows, state):
    text = f"must be a RecurrentState, as get_states.* got {type(state).__name__}"
    assert_refused(on_rows, lambda: on_rows.set_states(state), text, TypeError)


@pytest.mark.parametrize("n", [0, -1])
def test_forecast_of_no_steps(on_rows, n):
    text = f"n_steps must be a positive integer, got {n}"
    assert_refused(on_rows, lambda: on_rows.forecast(n, feedback=feed_zeros), text)


@pytest.mark.parametrize("n", [2.5, "3", None, True], ids=repr)
def test_forecast_of_steps_that_are_not_a_number(on_rows, n):
    text = f"n_steps must be a positive integer, got {n!r} of type"
    assert_refused(
        on_rows, lambda: on_rows.forecast(n, feedback=feed_zeros), text, TypeError
    )


def test_forecast_where_a_prediction_is_no_row(on_rows, on_labels):
    text = (
        r"A prediction cannot be the next row: it has 1 value\(s\), a row has 2"
        r" feature\(s\)\. Pass feedback=.* of shape \(2,\)"
    )
    assert_refused(on_rows, lambda: on_rows.forecast(3), text)
    text = "A prediction cannot be the next row: labels are not numbers. Pass feedback="
    assert_refused(on_labels, lambda: on_labels.forecast(3), text)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([0, 0, 0], r"row of shape \(2,\), .*for step 0 it returned shape \(3,\)"),
        (0.0, r"row of shape \(2,\), .*for step 0 it returned shape \(\)"),
        ([[0, 0]], r"row of shape \(2,\), .*for step 0 it returned shape \(1, 2\)"),
        ([0, NAN], "feedback returned NaN or infinity for step 0"),
        ([0, INF], r"NaN or infinity for step 0.*\. Return finite numbers: clip"),
    ],
)
def test_feedback_that_is_no_row(on_rows, row, text):
    assert_refused(on_rows, lambda: on_rows.forecast(3, feedback=lambda *_: row), text)


def test_feedback_that_fails_later(on_rows):
    """The step is named."""

    def feedback(prediction, k):
        return [0.0, 0.0] if k < 2 else [0.0]

    text = r"for step 2 it returned shape \(1,\)"
    assert_refused(on_rows, lambda: on_rows.forecast(5, feedback=feedback), text)


def test_forecast_after_a_reset(on_rows):
    state = on_rows.get_states()
    try:
        on_rows.reset_states()
        text = "No row was seen since the last reset.* Pass start="
        assert_refused(on_rows, lambda: on_rows.forecast(3, feedback=feed_zeros), text)
    finally:
        on_rows.set_states(state)


def test_forecast_after_windows(on_windows):
    text = "forecast feeds back one row at a time.* ready-made windows"
    assert_refused(on_windows, lambda: on_windows.forecast(3), text)


def test_rebuild_at_a_bad_batch_size(on_rows):
    text = "batch_size must be a positive integer, got 0"
    assert_refused(on_rows, lambda: on_rows.rebuild(0), text)
    text = "batch_size must be a positive integer, got 2.5 of type float"
    assert_refused(on_rows, lambda: on_rows.rebuild(2.5), text, TypeError)


# --------------------------------------------------------------------------------------
# A loss that is no longer a number
# --------------------------------------------------------------------------------------

ADVICE = "Scale X and y .*lower optimizer__learning_rate.* optimizer__clipnorm"
TOO_FAST = {"optimizer": "sgd", "optimizer__learning_rate": 1e38}


def test_huge_learning_rate():
    """The first update throws the weights away, so the first epoch notices."""
    estimator = regressor(epochs=4, **TOO_FAST)
    text = f"The loss became (nan|inf) in epoch 1 of 4.* {ADVICE}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_huge_targets():
    """The square of 1e30 is beyond float32."""
    estimator = regressor(epochs=4)
    text = f"The loss became (nan|inf) in epoch 1 of 4.* {ADVICE}"
    assert_refused(estimator, lambda: estimator.fit(X, y * 1e30), text)


def test_the_epoch_at_which_it_went_wrong():
    """One update an epoch: the first is made on a good loss, the second is not."""
    estimator = regressor(epochs=4, batch_size=N, **TOO_FAST)
    text = "The loss became (nan|inf) in epoch 2 of 4"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_weights_thrown_away_by_the_last_update():
    """The only loss is still a number, but what the update leaves is not."""
    estimator = regressor(batch_size=N, **TOO_FAST)
    assert_refused(estimator, lambda: estimator.fit(X, y * 1e10), "epoch 1 of 1")


def test_a_fitted_estimator_survives_a_bad_fit():
    """It predicts as before, and a better fit works."""
    estimator = regressor(batch_size=N).fit(X, y)
    before = estimator.predict(X[:5]), estimator.step(X[:5])
    state = estimator.state_
    estimator.set_params(epochs=3, **TOO_FAST)
    assert_refused(estimator, lambda: estimator.fit(X, y), "loss became")
    np.testing.assert_array_equal(estimator.reseed_states().predict(X[:5]), before[0])
    estimator.set_states(state).set_params(optimizer__learning_rate=0.01)
    assert np.isfinite(estimator.fit(X, y).predict(X)).all()


def test_a_fitted_estimator_survives_a_bad_partial_fit(on_rows):
    text = "loss became (nan|inf)"
    assert_refused(on_rows, lambda: on_rows.partial_fit(X, y * 1e30), text)
    assert np.isfinite(on_rows.predict(X)).all()
