"""Rows that tell where they come from, and lengths that are no positive integer."""

import numpy as np
import pandas as pd

NAN = np.nan


def rows_of(n_rows, n_features=1, start=1):
    """Rows whose values count up, so that each one tells where it comes from."""
    stop = start + n_rows * n_features
    return np.arange(start, stop, dtype=float).reshape(n_rows, n_features)


# --------------------------------------------------------------------------------------
# SlidingWindow: values
# --------------------------------------------------------------------------------------


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


# --------------------------------------------------------------------------------------
# SlidingWindow: names
# --------------------------------------------------------------------------------------


def weather(n_rows=6):
    index = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    return pd.DataFrame(rows_of(n_rows, 2), index, columns=["temp", "wind"])


# --------------------------------------------------------------------------------------
# SlidingWindow: errors
# --------------------------------------------------------------------------------------

NO_POSITIVE_INTEGERS = [
    (0, ValueError),
    (-3, ValueError),
    (2.0, TypeError),
    (True, TypeError),
    (np.bool_(True), TypeError),
    ("7", TypeError),
    (None, TypeError),
]
