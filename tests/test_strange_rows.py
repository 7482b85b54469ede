"""X as rows, held in every way: equal to plain rows, or refused by its name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from strange_arguments import (
    EXPECTED_WARNINGS,
    FRAMES,
    NOT_NUMBERS,
    OTHER_ROWS,
    READ,
    READ_ALSO,
    SAME_NUMBERS,
    SOME,
    Trial,
    Way,
    X,
    among,
    crossed,
    frame,
    y,
)
from strange_trials import (
    a_copy_of,
    another,
    assert_large_table,
    assert_taken_or_refused,
    fingerprint,
    imprint,
)

from sklstm import (
    stream,
)

pytestmark = EXPECTED_WARNINGS


NAMED = [
    Way("frame", frame),
    Way(
        "columns in another order",
        lambda a: frame(a)[["b", "a"]],
        "must be in the same order",
    ),
    Way("columns renamed", lambda a: frame(a).add_prefix("x"), "unseen at fit"),
    Way("a column more", lambda a: frame(a).assign(c=0), "unseen at fit"),
    Way(
        "a column less", lambda a: frame(a)[["a"]], "seen at fit time, yet now missing"
    ),
    Way(
        "a column twice",
        lambda a: frame(a)[["a", "a"]],
        "(?i)unique|seen at fit time, yet now missing",
    ),
]


def rows() -> Iterator[Trial]:
    """Yield the trials of X as rows."""
    ways = [*SAME_NUMBERS, *FRAMES, *NOT_NUMBERS, *OTHER_ROWS]
    yield from crossed(ways, X, "regressor", READ)
    some = among(ways, SOME)
    yield from crossed(some, X, "regressor", READ_ALSO)
    classified = {"predict_proba": lambda e, rows: e.predict_proba(rows)}
    yield from crossed(some, X, "classifier", classified)
    streamed = {
        f"stream.{name}": lambda e, rows, name=name: getattr(stream(e), name)(rows)
        for name in ("predict", "step", "observe")
    }
    yield from crossed(some, X, "pipeline", streamed)
    calls = READ | READ_ALSO
    calls.pop("fit")
    yield from crossed(NAMED, X, "named", calls)


TABLE = list(rows())


@pytest.mark.parametrize("trial", TABLE, ids=[trial.name for trial in TABLE])
def test_strange_rows_taken_or_refused(trial):
    """As the plain twin, or an error that names what is wrong and changes nothing."""
    assert_taken_or_refused(trial)


def test_strange_rows_table_has_unique_names_and_size():
    assert_large_table(TABLE, n_taken=130, n_refused=210)


def test_imprint_and_fingerprint_show_changes():
    """The comparisons of these trials do fail where something changes."""
    array, table, fitted = X.copy(), frame(X), a_copy_of("regressor")
    bits, of_table, before = imprint(array), imprint(table), fingerprint(fitted)
    array[0, 0] += 1
    table.iloc[0, 0] += 1
    assert imprint(array) != bits
    assert imprint(table) != of_table
    assert fingerprint(another(fitted).observe(X)) != before
    assert fingerprint(another(fitted).partial_fit(X, y)) != before
    assert fingerprint(fitted) == before


def test_partial_fit_waiting_rows_are_copied():
    """A buffer may be filled anew while its rows wait for a batch to fill."""
    reused, fresh = a_copy_of("regressor"), a_copy_of("regressor")
    for k in range(6):
        row, target = X[k : k + 1].astype(np.float32), y[k : k + 1].astype(np.float32)
        fresh.partial_fit(row.copy(), target.copy())
        reused.partial_fit(row, target)
        row[:], target[:] = 77, 77
    assert fingerprint(reused) == fingerprint(fresh)
