"""Targets, labels, classes and weights of every kind: as plain ones, or refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import __version__ as sklearn_version
from sklearn.utils.fixes import parse_version
from strange_arguments import (
    EXPECTED_WARNINGS,
    INF,
    LABELS,
    NAN,
    NOT_NUMBERS,
    SAME_NUMBERS,
    WEIGHTS,
    WINDOWS,
    N,
    Trial,
    Way,
    X,
    among,
    crossed,
    dates,
    entry,
    high,
    high_numbers,
    masked,
    object_array,
    read_only,
    without,
    y,
)
from strange_trials import (
    assert_large_table,
    assert_taken_or_refused,
)

pytestmark = EXPECTED_WARNINGS


def column(array: np.ndarray) -> np.ndarray:
    """Return the numbers as a column."""
    return array[:, np.newaxis]


OTHER_TARGETS = [
    Way("series", pd.Series),
    Way("index", pd.Index),
    Way("series by dates", lambda a: pd.Series(a, dates())),
    Way("Int64", lambda a: pd.Series(a).astype("Int64")),
    Way("Float64", lambda a: pd.Series(a).astype("Float64")),
    Way("boolean", lambda a: pd.Series(high(a), dtype="boolean"), twin=high_numbers),
    Way("categories", lambda a: pd.Series(a).astype("category")),
    Way("a frame's column", lambda a: pd.DataFrame({"y": a}), twin=column),
    Way(
        "Int64 with NA",
        lambda a: pd.Series(a).astype("Int64").mask(entry(True)(a > INF)),
        "y contains NaN",
    ),
    Way(
        "objects with NA",
        lambda a: pd.Series(entry(pd.NA, dtype=object)(a)),
        "y contains NaN|NAType",
    ),
    Way("series of dates", lambda a: pd.Series(dates()), "y holds dates", TypeError),
    Way("digits", lambda a: a.astype(str), "not compatible with arrays of .*strings"),
    Way("sparse", lambda a: scipy.sparse.csr_matrix(column(a)), "Sparse .* for y"),
    Way("structured", lambda a: a.astype([("y", float)]), "y is a structured array"),
    Way("a row short", lambda a: a[:-1], r"inconsistent numbers of samples: \[8, 7\]"),
    Way("no columns", lambda a: column(a)[:, :0], r"0 feature\(s\)"),
    Way("three dimensions", lambda a: a[:, None, None], r"y has shape .*, 1, 1\)"),
    Way("ragged", lambda a: [[1], [1, 2], *a[2:]], "entries differ in length"),
]

OTHER_WEIGHTS = [
    Way("a number", lambda a: 3.0, twin=lambda a: np.full(N, 3.0)),
    Way("an int", lambda a: 3, twin=lambda a: np.full(N, 3.0)),
    Way("None", lambda a: None, twin=np.ones_like),
    Way("series", pd.Series),
    Way("Int64", lambda a: pd.Series(a).astype("Int64")),
    Way(
        "Int64 with NA",
        lambda a: pd.Series(a).astype("Int64").mask(entry(True)(a < 0)),
        "sample_weight contains NaN",
    ),
    Way("0-d", lambda a: np.array(3.0), "at least 1 dimension"),
    Way("NaN for all", lambda a: NAN, "sample_weight", ValueError),
    Way("zero for all", lambda a: 0, "at least one non-zero|is zero for all"),
    Way("a frame", lambda a: pd.DataFrame({"w": a})),
    Way("a column", column),
    Way("two columns", lambda a: np.c_[a, a], r"has shape \(8, 2\), but y has 8 row"),
    Way("a row short", lambda a: a[:-1], r"sample_weight.shape == \(7,\)"),
    Way("sparse", lambda a: scipy.sparse.csr_matrix(a), "Sparse data was passed"),
]


def booleans(array: np.ndarray) -> np.ndarray:
    """Return whether each label is 'up', as floats."""
    return (array == "up") * 1.0


LABEL_WAYS = [
    Way("lists", lambda a: a.tolist()),
    Way("objects", lambda a: a.astype(object)),
    Way("series", pd.Series),
    Way("series of string", lambda a: pd.Series(a, dtype="string")),
    Way("series of str", lambda a: pd.Series(a, dtype="str")),
    Way("categories", lambda a: pd.Categorical(a)),
    Way("categories, one unused", lambda a: pd.Categorical(a, ["up", "x", "down"])),
    Way(
        "ordered categories", lambda a: pd.Categorical(a, ["up", "down"], ordered=True)
    ),
    Way("a column", column),
    Way("a frame", lambda a: pd.DataFrame({"label": a})),
    Way("reversed view", lambda a: a[::-1].copy()[::-1]),
    Way("read-only", read_only),
    Way("nothing masked", np.ma.array),
    Way("bools", lambda a: a == "up", twin=booleans),
    Way("int8", lambda a: (a == "up").astype(np.int8), twin=booleans),
    Way("float16", lambda a: (a == "up").astype(np.float16), twin=booleans),
    Way("Int64", lambda a: pd.Series(booleans(a)).astype("Int64"), twin=booleans),
    Way("boolean", lambda a: pd.Series(a == "up", dtype="boolean"), twin=booleans),
    Way("negative numbers", lambda a: -(a == "down").astype(int), twin=booleans),
    Way("huge numbers", lambda a: 2**62 + (a == "up"), twin=booleans),
    Way("unicode", lambda a: np.where(a == "up", "日本 ↑", "ä"), twin=booleans),
    Way("the empty string", lambda a: np.where(a == "up", "up", ""), twin=booleans),
    Way("dates", lambda a: np.array(["2024"], "M8[D]") + (a == "up"), twin=booleans),
    Way("None", lambda a: None, "target y is None", ValueError),
    Way("None among them", entry(None, dtype=object), r"lacks a label in 1 place\(s\)"),
    Way("NaN among them", entry(NAN, dtype=object), r"lacks a label in 1 place\(s\)"),
    Way(
        "NA among them",
        lambda a: pd.Series(a, dtype="string").mask(entry(True)(a == "")),
        r"lacks a label in 1 place\(s\)",
        ValueError,
    ),
    Way(
        "boolean with NA",
        lambda a: pd.Series(a == "up", dtype="boolean").mask(entry(True)(a == "")),
        "y contains NaN",
    ),
    Way("one masked", masked, r"y is masked in 1 place\(s\)", ValueError),
    Way("NaN", lambda a: entry(NAN)(booleans(a)), "y contains NaN"),
    Way("infinity", lambda a: entry(INF)(booleans(a)), "y contains infinity"),
    Way("continuous", lambda a: booleans(a) + 0.5, "Unknown label type: continuous"),
    Way("mixed types", entry(1, dtype=object), "'<' not supported|Unknown label type"),
    Way("a number first", entry(1, 0, dtype=object), "Unknown label type"),
    *(
        [Way("bytes", lambda a: a.astype("S"), "as bytes is not supported")]
        if parse_version(sklearn_version) >= parse_version("1.7")
        else []  # where scikit-learn still takes them, and warns
    ),
    Way("tuples", lambda a: object_array([(v, 1) for v in a]), "legacy multi-label"),
    Way("complex", lambda a: booleans(a) + 1j, "Complex data not supported"),
    Way("two columns", lambda a: np.c_[a, a], "y should be a 1d array"),
    Way("one class", lambda a: ["up"] * N, "at least two classes"),
    Way("a word", lambda a: "up", "1d array|at least 1 dimension"),
    Way("generator", lambda a: (v for v in a), "1d array|at least 1 dimension"),
    Way("dict", lambda a: {"up": 1}, "1d array|at least 1 dimension"),
    Way("a row short", lambda a: a[:-1], r"inconsistent numbers of samples: \[8, 7\]"),
    Way(
        "sparse",
        lambda a: scipy.sparse.csr_matrix(column(booleans(a))),
        "Sparse data was passed for y",
    ),
]

CLASSES_WAYS = [
    Way("list", lambda a: ["up", "down"]),
    Way("twice", lambda a: ["up", "down", "up"]),
    Way("tuple", lambda a: ("down", "up")),
    Way("series", lambda a: pd.Series(["up", "down"])),
    Way("categories", lambda a: pd.Categorical(["up", "down"])),
    Way("objects", lambda a: np.array(["up", "down"], object)),
    Way("column", lambda a: np.array([["up"], ["down"]])),
    Way("a word", lambda a: "up", "1d array"),
    Way("a set", lambda a: {"up", "down"}, "1d array"),
    Way("a dict", lambda a: {"up": 1, "down": 2}, "1d array"),
    Way("a number", lambda a: 2, "1d array"),
    Way("two rows", lambda a: [["up", "down"]] * 2, "1d array"),
    Way("none at all", lambda a: [], "at least two classes"),
    Way("one", lambda a: ["up"], "at least two classes"),
    Way("others", lambda a: ["left", "right"], r"label\(s\) \['down', 'up'\]"),
    Way("numbers", lambda a: [0, 1], r"label\(s\) \['down', 'up'\]"),
    Way("None among them", lambda a: ["up", "down", None], "'<' not supported"),
    Way("complex", lambda a: [1j, 2], "Complex data not supported"),
]


def targets() -> Iterator[Trial]:
    """Yield the trials of y, classes and sample_weight."""
    fit = {"fit, y": lambda e, y: e.fit(X, y)}
    follow = {"partial_fit, y": lambda e, y: e.partial_fit(X, y)}
    on_windows = {"fit windows, y": lambda e, y: e.fit(WINDOWS, y)}
    numbers = [*SAME_NUMBERS, *NOT_NUMBERS, *OTHER_TARGETS]
    yield from crossed(numbers, y, "regressor", fit)
    some = (
        "float32, objects, None among objects, 1e300, one masked, dates, digits, sparse"
    )
    yield from crossed(among(numbers, some), y, "regressor", follow)
    yield from crossed(among(numbers, some), y, "on windows", on_windows)
    yield from crossed(LABEL_WAYS, LABELS, "classifier", fit)
    some = "a column, two columns, NA among them, one masked, a word, int8"
    labels = among(LABEL_WAYS, some)
    yield from crossed(labels, LABELS, "classifier of windows", on_windows)
    yield from crossed(without(labels, "int8"), LABELS, "classifier", follow)
    known = [way._replace(twin=np.unique) for way in CLASSES_WAYS]
    first_pass = {"partial_fit, classes": lambda e, c: e.partial_fit(X, LABELS, c)}
    yield from crossed(known, LABELS, "unfitted classifier", first_pass)
    bad = without(NOT_NUMBERS, "None", "a number", "0-d")
    weights = [*SAME_NUMBERS, *bad, *OTHER_WEIGHTS]
    weighed = {"fit, sample_weight": lambda e, w: e.fit(X, y, w)}
    yield from crossed(weights, WEIGHTS, "regressor", weighed)
    weighed = {"partial_fit, sample_weight": lambda e, w: e.partial_fit(X, y, w)}
    some = "float16, a number, NaN for all, 1e300, one masked"
    yield from crossed(among(weights, some), WEIGHTS, "regressor", weighed)


TABLE = list(targets())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_targets_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_targets_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=90, n_refused=110)
