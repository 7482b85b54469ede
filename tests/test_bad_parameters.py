"""Parameters that are refused by their name, their value and what would do."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bad_input_cases import NAN, X, assert_refused, regressor, y
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

POSITIVE_INTS = ["units", "epochs", "batch_size", "sequence_length"]


@pytest.mark.parametrize("name", POSITIVE_INTS)
@pytest.mark.parametrize("value", [0, -1, np.int64(0)], ids=repr)
def test_fit_count_not_positive_raises(name, value):
    estimator = regressor(**{name: value})
    text = re.escape(f"{name} must be a positive integer, got {value!r}.")
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


@pytest.mark.parametrize("name", POSITIVE_INTS)
@pytest.mark.parametrize("value", [2.5, "7", True, None], ids=repr)
def test_fit_count_not_integer_raises(name, value):
    estimator = regressor(**{name: value})
    kind = type(value).__name__
    text = rf"{name} must be a positive integer.* got {value!r} of type {kind}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, TypeError)


@pytest.mark.parametrize(
    ("units", "error", "text"),
    [
        ((), ValueError, "at least one layer, got an empty tuple"),
        ((2, 0), ValueError, "units must be a positive integer, got 0"),
        ((2, 2.5), TypeError, "units must be a positive integer, got 2.5"),
        ([True], TypeError, "units must be a positive integer, got True"),
    ],
)
def test_fit_bad_units_raises(units, error, text):
    estimator = regressor(units=units)
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


@pytest.mark.parametrize(
    ("cell", "error"),
    [("GRU", ValueError), ("simple", ValueError), (None, TypeError), (3, TypeError)],
)
def test_fit_unknown_cell_raises(cell, error):
    estimator = regressor(cell=cell)
    text = f"cell must be 'lstm', 'gru' or 'rnn', got {cell!r}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


@pytest.mark.parametrize(
    "name", ["stateful", "drop_remainder", "shuffle", "warm_start"]
)
@pytest.mark.parametrize("value", [1, "yes", None], ids=repr)
def test_fit_flag_not_bool_raises(name, value):
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
def test_fit_fraction_out_of_range_raises(name, value, error):
    estimator = regressor(**{name: value})
    text = f"{name} must be .*from 0 up to, but not including, 1.* got {value!r}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (0.5, TypeError), (None, TypeError)]
)
def test_fit_bad_verbose_raises(value, error):
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
def test_init_unknown_keyword_raises_naming_nearest(keyword, nearest):
    text = (
        rf"StatefulLSTMRegressor\(\) got an unexpected keyword argument '{keyword}'\."
        f" Did you mean '{nearest}'"
    )
    with pytest.raises(TypeError, match=text):
        StatefulLSTMRegressor(**{keyword: 1})


@pytest.mark.parametrize(("keyword", "nearest"), UNKNOWN.items())
def test_set_params_unknown_name_raises_naming_nearest(keyword, nearest):
    estimator = regressor()
    assert_refused(
        estimator,
        lambda: estimator.set_params(**{keyword: 1}),
        f"'{keyword}'(.|\n)*Did you mean '{nearest}'",
        (TypeError, ValueError),
    )


def test_set_params_with_one_bad_name_sets_none():
    """A bad name beside a good routed one leaves the good one unset too."""
    estimator = regressor()
    assert_refused(
        estimator,
        lambda: estimator.set_params(optimizer__learning_rate=0.5, unit=3),
        "'unit'",
        (TypeError, ValueError),
    )


def test_init_classifier_unknown_keyword_raises():
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
def test_fit_bad_choice_raises(parameters, error, text):
    estimator = regressor(**parameters)
    assert_refused(estimator, lambda: estimator.fit(X, y), text, error)
