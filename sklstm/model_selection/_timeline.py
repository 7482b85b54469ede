"""Where each row lies in its series and in time, as splitters and walks need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from sklstm._rows.series import RowLabels, read_labels
from sklstm.streaming._fed_rows import find_id_columns


@dataclass(frozen=True, eq=False)
class Timeline:
    """The series of all rows, each in time order.

    Parameters
    ----------
    labels : RowLabels
        Whose each row is, and when it was.
    """

    labels: RowLabels

    @property
    def codes(self) -> np.ndarray:
        """Which series each row belongs to, of shape (n_rows,)."""
        return self.labels.codes

    @cached_property
    def moments(self) -> np.ndarray:
        """The number of each row's time among all times: (n_rows,).

        Without time labels rows of several series are told by their place in these.
        """
        return self.places if self.labels.time is None else self._times

    @cached_property
    def places(self) -> np.ndarray:
        """Each row's number within its series, by time where it has one: (n_rows,)."""
        places = np.empty(len(self.codes), np.int64)
        order, starts, _ = self._in_order
        places[order] = np.arange(len(order)) - starts[self.codes[order]]
        return places

    def rows_at(self, codes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """The row at each place of a series; -1 where the series has none."""
        order, starts, lengths = self._in_order
        is_there = (places >= 0) & (places < lengths[codes])
        rows = order[np.where(is_there, starts[codes] + places, 0)]
        return np.where(is_there, rows, -1)

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the rows of each series come in time order."""
        order, _, _ = self._in_order
        same = np.diff(self.codes[order]) == 0
        return bool((np.diff(order)[same] > 0).all())

    @cached_property
    def _times(self) -> np.ndarray:
        """The number of each row's time label among all of these."""
        time = self.labels.time
        assert time is not None
        return pd.factorize(time, sort=True)[0]

    @cached_property
    def _in_order(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows series by series; where each series starts in them, and how many."""
        codes = self.codes
        time = np.arange(len(codes)) if self.labels.time is None else self._times
        lengths = np.bincount(codes, minlength=self.labels.n_series)
        return np.lexsort((time, codes)), np.cumsum(lengths) - lengths, lengths


def read_series(estimator, places: list[str], X) -> RowLabels:
    """Whose each row of X is, and when it was, as far as X tells.

    `places` are the prefixes of the parameters of the networks in `estimator`, whose
    ``series_id`` may name columns of X.
    """
    if isinstance(getattr(X, "index", None), pd.MultiIndex) or not places:
        return read_labels(X)[1]
    parameters = estimator.get_params()
    named = [parameters[f"{place}series_id"] for place in places]
    series_id = next((name for name in named if name is not None), None)
    if series_id is None:
        return read_labels(X)[1]
    parts = [estimator, *parameters.values()]
    if any(isinstance(part, Pipeline) and len(part) > 1 for part in parts):
        series_id = find_id_columns(series_id, getattr(X, "columns", None))
    if series_id is None:
        raise ValueError(
            f"One cannot tell which columns of X are the series_id={named}"
            " behind the transformers of the pipeline. Pass X as a DataFrame, call"
            " set_output(transform='pandas') on the pipeline and give series_id by"
            " name, or tell series apart by a MultiIndex."
        )
    return read_labels(X, series_id)[1]


def span(rows: np.ndarray) -> str:
    """Which rows these are, in words for an error."""
    if len(rows) and (np.diff(rows) == 1).all():
        return f"rows {rows[0]} to {rows[-1]}"
    return f"{len(rows)} scattered rows" if len(rows) else "no rows"
