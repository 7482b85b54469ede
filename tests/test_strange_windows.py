"""X as ready-made windows, held in every way: as plain ones, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import scipy.sparse
from strange_arguments import (
    EXPECTED_WARNINGS,
    INF,
    NAN,
    NOT_NUMBERS,
    READ,
    READ_ALSO,
    SAME_NUMBERS,
    WINDOWS,
    Trial,
    Way,
    among,
    crossed,
    frame,
    mapped,
    masked,
    object_array,
    read_only,
    without,
)
from strange_trials import (
    assert_large_table,
    assert_taken_or_refused,
)

pytestmark = EXPECTED_WARNINGS


def first_shorter(windows: np.ndarray) -> list[np.ndarray]:
    """Return the windows as a list, the first one cut to its last step."""
    return [windows[0][-1:], *windows[1:]]


def each(change: Callable) -> Callable:
    """Return a function that lists the windows, the first one cut, each changed."""
    return lambda windows: [change(window) for window in first_shorter(windows)]


def first(change: Callable) -> Callable:
    """Return a function that lists the windows, the first one changed."""
    return lambda windows: [change(windows[0]), *windows[1:]]


def two_steps_masked(windows: np.ndarray) -> np.ma.MaskedArray:
    """Return the windows with the first two steps of the first one masked."""
    mask = np.zeros(windows.shape, bool)
    mask[0, :2] = True
    return np.ma.array(windows, mask=mask)


def mixed(windows: np.ndarray) -> list:
    """Return windows of several kinds, the first one cut to its last step."""
    one, two, three, *others = first_shorter(windows)
    return [read_only(one), frame(two), three.astype(object), *others]


LISTS_OF_WINDOWS = [
    Way("tuple of windows", lambda a: tuple(first_shorter(a)), twin=first_shorter),
    Way(
        "array of windows",
        lambda a: object_array(first_shorter(a)),
        twin=first_shorter,
    ),
    Way("frames", each(frame), twin=first_shorter),
    Way("int8 windows", each(lambda w: w.astype(np.int8)), twin=first_shorter),
    Way("read-only windows", each(read_only), twin=first_shorter),
    Way("mapped windows", each(lambda w: mapped(w, "r")), twin=first_shorter),
    Way("Fortran windows", each(np.asfortranarray), twin=first_shorter),
    Way("windows of several kinds", mixed, twin=first_shorter),
    Way("nested lists", each(np.ndarray.tolist), twin=first_shorter),
    Way("first steps masked", two_steps_masked, twin=first_shorter),
    Way("windows of one length", list),
    Way("nothing masked in each", lambda a: [np.ma.array(w) for w in a]),
    Way(
        "a masked window",
        first(lambda w: masked(w, 2, 1)),
        r"X\[0\] is masked in 1 place",
        ValueError,
    ),
    Way(
        "a masked step inside",
        lambda a: masked(a, 2, 1),
        "masked in places other than whole first steps",
        ValueError,
    ),
    Way(
        "a masked entry",
        lambda a: masked(a, 2, 0, 1),
        "masked in places other than whole first steps",
        ValueError,
    ),
    Way(
        "a window masked throughout",
        lambda a: masked(a, 2),
        r"1 window\(s\) of X are masked throughout",
        ValueError,
    ),
    Way("an empty window", first(lambda w: w[:0]), r"0 sample\(s\)"),
    Way("a narrow window", first(lambda w: w[:, :1]), "same n_features"),
    Way("a flat window", first(lambda w: w[0]), "inhomogeneous"),
    Way("a number for a window", first(lambda w: 3), "inhomogeneous"),
    Way("None for a window", first(lambda w: None), "inhomogeneous"),
    Way("a sparse window", first(scipy.sparse.csr_matrix), "Sparse data was passed"),
    Way(
        "a window of words",
        first(lambda w: np.full(w.shape, "x")),
        "could not convert string to float",
    ),
    Way(
        "a window of dates",
        first(lambda w: w.astype("M8[s]")),
        r"X\[0\] holds dates",
        TypeError,
    ),
    Way("a window of NaN", first(lambda w: w * NAN), r"X\[0\] contains NaN"),
    Way("an infinite window", first(lambda w: w + INF), r"X\[0\] contains infinity"),
    Way("a complex window", first(lambda w: w + 1j), "Complex data not supported"),
    Way("no steps", lambda a: a[:, :0], "at least one step and one|windows of shape"),
    Way("no features", lambda a: a[:, :, :0], "at least one step|windows of shape"),
    Way("four dimensions", lambda a: a[None], "Found array with dim 4"),
]


def windows() -> Iterator[Trial]:
    """Yield the trials of X as ready-made windows."""
    arrays = [*SAME_NUMBERS, *without(NOT_NUMBERS, "one masked")]
    read = {"predict": READ["predict"]}
    yield from crossed(arrays, WINDOWS, "on windows", read)
    yield from crossed(LISTS_OF_WINDOWS, WINDOWS, "on windows", READ)
    some = among(
        [*arrays, *LISTS_OF_WINDOWS],
        "lists, float32, generator, NaN, 1e300, frames, first steps masked, a masked"
        " window, a narrow window, a sparse window",
    )
    calls = {name: READ_ALSO[name] for name in ("partial_fit", "step", "lane_table")}
    yield from crossed(some, WINDOWS, "on windows", calls)


TABLE = list(windows())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_windows_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_windows_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=55, n_refused=70)
