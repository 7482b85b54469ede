"""The smallest estimators, and the check that a refused call changed nothing.

Owns rows, windows and labels to fit, and :func:`assert_refused`. Texts that
scikit-learn writes are matched on the words that name the trouble.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import make_rows
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

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
