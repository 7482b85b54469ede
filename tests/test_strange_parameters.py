"""Parameters of every type: as plain ones, or refused by their name."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from strange_arguments import EXPECTED_WARNINGS, INF, LABELS, Trial, Way, X, crossed, y
from strange_trials import assert_large_table, assert_taken_or_refused

pytestmark = EXPECTED_WARNINGS


LAYERS = [
    Way("list", lambda a: [2]),
    Way("tuple of int8", lambda a: (np.int8(2),)),
    Way("array", lambda a: np.array([2])),
    Way("range", lambda a: range(2, 3)),
    Way("int64", lambda a: np.int64(2)),
    Way("0-d", lambda a: np.array(2), "units must be a positive integer or a sequence"),
    Way("generator", lambda a: (n for n in [2]), "units must be .* a sequence"),
    Way("set", lambda a: {2}, "units must be .* a sequence"),
    Way("dict", lambda a: {2: 3}, "units must be .* a sequence"),
    Way("bytes", lambda a: b"\x02", "units must be .* a sequence"),
    Way("words", lambda a: "2", "units must be .* a sequence"),
    Way(
        "array of floats", lambda a: np.array([2.0]), "units must be a positive integer"
    ),
    Way("two dimensions", lambda a: np.array([[2]]), "units must be .* a sequence"),
    Way("nested", lambda a: [[2]], "units must be a positive integer, got .2. of"),
    Way("with None", lambda a: (2, None), "units must be a positive integer, got None"),
    Way("with True", lambda a: (True,), "units must be a positive integer, got True"),
    Way("none", lambda a: np.array([], int), "at least one layer"),
]

TRUTHS = [
    Way("np.True_", lambda a: np.True_),
    Way("1", lambda a: 1, "must be True or False, got 1 of type int", TypeError),
    Way("'True'", lambda a: "True", "must be True or False, got 'True'", TypeError),
    Way("None", lambda a: None, "must be True or False, got None", TypeError),
    Way("0-d", lambda a: np.array(True), "must be True or False", TypeError),
    Way("NA", lambda a: pd.NA, "must be True or False, got <NA>", TypeError),
]

FRACTIONS = [
    Way("float32", lambda a: np.float32(0.25)),
    Way("Fraction", lambda a: Fraction(1, 4), "must be a number from 0", TypeError),
    Way("0-d", lambda a: np.array(0.25), "must be a number from 0", TypeError),
    Way("complex", lambda a: 0.25j, "must be a number from 0", TypeError),
    Way("NA", lambda a: pd.NA, "must be a number from 0", TypeError),
    Way("infinity", lambda a: INF, "must be from 0 up to", ValueError),
]

SEEDS = [
    Way("uint8", lambda a: np.uint8(7)),
    Way("Generator", lambda a: np.random.default_rng(7), "cannot be used to seed"),
    Way("a word", lambda a: "7", "cannot be used to seed"),
    Way("7.0", lambda a: 7.0, "cannot be used to seed"),
    Way("a list", lambda a: [7], "cannot be used to seed"),
    Way("-1", lambda a: -1, "[Ss]eed must be between 0"),
    Way("2**40", lambda a: 2**40, "[Ss]eed must be between 0"),
]

CLASS_WEIGHTS = [
    Way("dict", lambda a: {"up": 2, "down": 1}),
    Way("of float32", lambda a: {"up": np.float32(2), "down": 1}),
    Way("by np.str_", lambda a: {np.str_("up"): 2, np.str_("down"): 1}),
    Way("a word", lambda a: "even", "'class_weight'|class_weight", ValueError),
    Way("a list", lambda a: [1, 2], "class_weight must be a dict", TypeError),
    Way("a number", lambda a: 3, "class_weight must be a dict", TypeError),
    Way("a stranger", lambda a: {"left": 2}, r"classes, \['left'\]|class_weight"),
]

SETTINGS = [
    Way("a word", lambda a: {"unit": 3}, "'unit'.*mean 'units'", ValueError),
    Way("in capitals", lambda a: {"Units": 3}, "'Units'.*mean 'units'", ValueError),
    Way("no name", lambda a: {"": 3}, "Invalid parameter", ValueError),
    Way("fitted", lambda a: {"state_": 3}, "Invalid parameter.*'state_'", ValueError),
    Way(
        "private", lambda a: {"_recipe": 3}, "Invalid parameter.*'_recipe'", ValueError
    ),
    Way("a method", lambda a: {"fit": 3}, "Invalid parameter.*'fit'", ValueError),
    Way(
        "routed to none", lambda a: {"x__y": 3}, "Invalid parameter.*'x__y'", ValueError
    ),
    Way(
        "routed nothing", lambda a: {"optimizer__": 3}, "Invalid parameter", ValueError
    ),
    Way("no prefix", lambda a: {"__y": 3}, "Invalid parameter", ValueError),
]


def parameters() -> Iterator[Trial]:
    """Yield the trials of parameters."""

    def fit_with(name):
        return {f"fit, {name}": lambda e, v: e.set_params(**{name: v}).fit(X, y)}

    def plain(ways, value):
        return [way._replace(twin=lambda a: value) for way in ways]

    yield from crossed(plain(LAYERS, 2), X, "regressor", fit_with("units"))
    for name in ("stateful", "drop_remainder"):
        yield from crossed(plain(TRUTHS, True), X, "regressor", fit_with(name))
    fractions = plain(FRACTIONS, 0.25)
    yield from crossed(fractions, X, "regressor", fit_with("validation_split"))
    yield from crossed(plain(SEEDS, 7), X, "regressor", fit_with("random_state"))
    weighed = {
        "fit, class_weight": lambda e, w: e.set_params(class_weight=w).fit(X, LABELS)
    }
    known = plain(CLASS_WEIGHTS, {"up": 2, "down": 1})
    yield from crossed(known, X, "classifier", weighed)
    yield from crossed(
        SETTINGS, X, "regressor", {"set_params": lambda e, p: e.set_params(**p)}
    )


TABLE = list(parameters())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_parameters_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_parameters_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=12, n_refused=45)
