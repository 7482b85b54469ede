"""What y is of each row, and what is known of it when a forecast is made.

A target is a value of an output, some steps after the row. Which output and how many
steps is read from the names that `frame_series` gives, or found from the numbers: where
a column of X holds y from s rows before, y is s steps ahead of what the row shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklstm._checks import check_numbers
from sklstm.model_selection._timeline import Timeline

FRAMED = re.compile(r"(.*)\[t\+(\d+)\]")  # the name of a column of frame_series
LEAST_ROWS = 4  # that must agree, for one column to be another one shifted
PROBES = 12  # rows by which most shifts are ruled out


class Cell(NamedTuple):
    """One of the values forecast from a row."""

    column: int  # of y
    later: int  # how many rows after the row y has the truth
    horizon: int  # steps after the newest value that is known


class Lag(NamedTuple):
    """A column of X that holds a column of y, of so many rows before."""

    column: int  # of X
    of: int  # the column of y
    rows: int


@dataclass(frozen=True, eq=False)
class Target:
    """The targets of all rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    steps : tuple of int
        How many steps after the newest known value each column is.
    outputs : tuple
        Name of the output that each column is a value of.
    lags : tuple of Lag
        Columns of X that hold y from rows before.
    is_labels : bool
        Whether values are labels of classes, not numbers.
    """

    values: np.ndarray
    steps: tuple[int, ...]
    outputs: tuple[Any, ...]
    lags: tuple[Lag, ...]
    is_labels: bool = False

    @classmethod
    def read(cls, X, y, timeline: Timeline, is_labels: bool) -> Target:
        """What y is, beside X.

        Raises
        ------
        TypeError
            If it is neither labels nor numbers.
        """
        values = np.asarray(y)
        values = values.reshape(len(values), -1)
        if is_labels:
            framed = _framed(y) or ((1,) * values.shape[1], tuple(_names(y, values)))
            return cls(values, *framed, (), is_labels)
        check_numbers("y", y)
        values = values.astype(np.float64)
        lags = tuple(_find_lags(X, values, timeline))
        steps, outputs = _framed(y) or _found(_names(y, values), values, lags, timeline)
        return cls(values, steps, outputs, lags)

    @property
    def is_direct(self) -> bool:
        """Whether y has several horizons of an output side by side."""
        return len(set(self.outputs)) < len(self.outputs)

    def first_of(self, column: int) -> int:
        """The column with the fewest steps of the same output."""
        same = [
            k for k, name in enumerate(self.outputs) if name == self.outputs[column]
        ]
        return min(same, key=lambda k: self.steps[k])

    def cells(self, horizon: int) -> list[Cell]:
        """What is forecast from each row, the nearest first.

        Raises
        ------
        ValueError
            If predictions cannot become rows, or y holds its horizons already.
        """
        columns = range(len(self.steps))
        if horizon > 1 and not self.is_direct:
            self._check_feeds_back(horizon)
            return [Cell(j, k, k + 1) for k in range(horizon) for j in columns]
        if horizon not in (1, max(self.steps)):
            raise ValueError(
                f"The columns of y are the horizons {sorted(set(self.steps))}, all of"
                f" which are forecast from each row, so that horizon={horizon} has no"
                " meaning. Leave horizon=1, or frame y with other horizons."
            )
        nearest = sorted(columns, key=lambda j: self.steps[j])
        return [Cell(j, 0, self.steps[j]) for j in nearest]

    def _check_feeds_back(self, horizon: int) -> None:
        """Raise ValueError where a prediction is not a value of the next row."""
        fed = {lag.of for lag in self.lags if lag.rows == 1}
        if set(self.steps) == {1} and len(fed) == len(self.steps):
            return
        raise ValueError(
            f"With horizon={horizon} each prediction becomes a part of the next row,"
            " but no column of X holds y of the row before, in the same units, for each"
            " output. Give X such a column, as frame_series does, or frame y with all"
            f" horizons, frame_series(series, horizon=range(1, {horizon + 1})), for an"
            " estimator that predicts several outputs."
        )


def _framed(y) -> tuple[tuple[int, ...], tuple] | None:
    """Steps and outputs by names such as "sales[t+2]"; None where y has others."""
    if not isinstance(y, pd.Series | pd.DataFrame):
        return None
    names = [y.name] if isinstance(y, pd.Series) else list(y.columns)
    found = [FRAMED.fullmatch(str(name)) for name in names]
    matches = [match for match in found if match is not None]
    if len(matches) < len(names):
        return None
    return tuple(int(m[2]) for m in matches), tuple(m[1] for m in matches)


def _names(y, values: np.ndarray) -> list:
    """Names of the columns of y, their numbers where it has none."""
    return list(y.columns) if hasattr(y, "columns") else list(range(values.shape[1]))


def _found(names: list, values: np.ndarray, lags: tuple[Lag, ...], timeline: Timeline):
    """Steps and outputs of columns, by which are others shifted."""
    n_columns = values.shape[1]
    roots = list(range(n_columns))
    ahead = [0] * n_columns  # of the root
    for k in range(1, n_columns):
        for root in sorted(set(roots[:k])):
            later = find_lag(values[:, root], values[:, k], timeline)
            sooner = find_lag(values[:, k], values[:, root], timeline)
            if later or sooner:
                roots[k] = root
                ahead[k] = int(later or 0) - int(0 if later else sooner or 0)
                break
    steps = []
    for k, root in enumerate(roots):
        nearest = min(a for a, r in zip(ahead, roots, strict=True) if r == root)
        known = [lag.rows - ahead[lag.of] for lag in lags if roots[lag.of] == root]
        steps.append(ahead[k] + (min(known) if known else 1 - nearest))
    return tuple(steps), tuple(names[root] for root in roots)


def _find_lags(X, values: np.ndarray, timeline: Timeline):
    """The columns of X that hold a column of y from rows before, each once."""
    for column in range(np.shape(X)[1]):
        try:
            known = np.asarray(_safe_indexing(X, column, axis=1), np.float64)
        except (TypeError, ValueError):  # text, dates, ids
            continue
        found = [
            Lag(column, k, rows)
            for k in range(values.shape[1])
            if (rows := find_lag(known, values[:, k], timeline)) is not None
        ]
        if found:
            yield min(found, key=lambda lag: lag.rows)


def find_lag(column: np.ndarray, target: np.ndarray, timeline: Timeline) -> int | None:
    """The least s of at least 1 such that a column is the target s rows before.

    Parameters
    ----------
    column, target : ndarray of float of shape (n_rows,)
    timeline : Timeline

    Returns
    -------
    s : int or None
        None where there is none, up to half the rows of the longest series.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm._rows.series import read_labels
    >>> series = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    >>> timeline = Timeline(read_labels(series[:6, np.newaxis])[1])
    >>> find_lag(series[:6], series[2:], timeline)
    2
    """
    codes = timeline.codes
    longest = int(np.argmax(np.bincount(codes)))
    rows = np.flatnonzero(codes == longest)
    shifts = np.arange(1, len(rows) // 2 + 1)
    for place in np.linspace(len(rows) - 1, len(rows) // 2, PROBES).astype(int):
        known, before = column[rows[place]], target[rows[place - shifts]]
        shifts = shifts[_agree(known, before)]
        if not len(shifts):
            return None
    for shift in shifts.tolist():
        before = timeline.rows_at(codes, timeline.places - shift)
        both = before >= 0
        known, value = column[both], target[before[both]]
        told = np.isfinite(known) & np.isfinite(value)
        if told.sum() < LEAST_ROWS or np.ptp(value[told]) == 0:
            continue
        if _agree(known, value).all():
            return int(shift)
    return None


def _agree(known, values) -> np.ndarray:
    """Whether values are the same to single precision, or one is missing."""
    return ~(np.abs(known - values) > 1e-6 * np.abs(values))  # NaN is never more
