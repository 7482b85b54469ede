"""The closed loop of a composite, whose networks walk side by side.

Each row fed back is made from what the composite predicts: in an ensemble from the mean
or the vote, for all members alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklstm._estimator.series_walk import SeriesWalk
from sklstm._rows.series import RowLabels, match_series
from sklstm._training.fitted import Fitted
from sklstm.streaming._composite import Composite, Network
from sklstm.streaming._fed_rows import FedRows


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """Walks of the networks of a composite, all over the same series.

    Parameters
    ----------
    composite : Composite
    fed : FedRows
    walks : dict of Network to (Fitted, SeriesWalk)
        A walk that leaves the estimator alone, and how its outputs are decoded.
    ids : Index of shape (n_series,) or None
        The series walked.
    is_one : bool
        Whether that is one series without a list.
    """

    composite: Composite
    fed: FedRows
    walks: dict[Network, tuple[Fitted, SeriesWalk]]
    ids: pd.Index | None
    is_one: bool

    @classmethod
    def begin(
        cls,
        composite: Composite,
        records: dict[Network, Fitted],
        labels: RowLabels | None,
        series: Any,
    ) -> ClosedLoop:
        """From the states in `records`, over `series` or those that `labels` have.

        Raises
        ------
        ValueError
            If networks of an ensemble know other series than others.
        """
        ids = None if labels is None else labels.ids
        walks, ones = {}, []
        for network, record in records.items():
            walk, is_one = SeriesWalk.of(record, ids, series)
            walks[network] = record, walk
            ones.append((walk, is_one))
        first, is_one = ones[0]
        for other, also_one in ones[1:]:
            if is_one != also_one or not _are_same(first.ids, other.ids):
                raise ValueError(
                    "The networks of the ensemble walk other series than one another:"
                    f" {_names(first.ids)} and {_names(other.ids)}. Let all of them see"
                    " the same rows with the same labels, or name some with series=."
                )
        return cls(composite, FedRows.into(composite), walks, first.ids, is_one)

    def first(self, start: Any, labels: RowLabels | None) -> np.ndarray:
        """What is predicted for the last row of each series.

        Parameters
        ----------
        start : array-like of shape (n_rows, n_features) or None
            Rows that hold these last ones, for members without state.
        labels : RowLabels or None
            Of `start`.

        Raises
        ------
        ValueError
            If such a member has no row to predict for.
        """

        def answer(network: Network, rows: Any, method: str) -> np.ndarray:
            record, walk = self.walks[network]
            return _answered(record, walk, walk.last_outputs(), method)

        return self.composite.answer(self._last_rows(start, labels), answer)

    def step(self, rows: Any) -> np.ndarray:
        """Predictions for one more row of each series."""

        def answer(network: Network, inside: Any, method: str) -> np.ndarray:
            record, walk = self.walks[network]
            fed = self.fed.accepted(network, inside, self.ids)
            return _answered(record, walk, walk.step(fed), method)

        return self.composite.answer(self.fed.table(rows, self.ids), answer)

    def _last_rows(self, start: Any, labels: RowLabels | None) -> Any:
        """The last row in `start` of each series; None where no member needs it."""
        if not self.composite.plain:
            return None
        if start is None or labels is None:
            raise ValueError(
                "A forecast without start begins with the predictions already made for"
                f" the last row seen, but {_kinds(self.composite.plain)} in the"
                " ensemble, without state, has kept none. Pass start=, the rows that"
                " come next, or hold back the last row and pass it."
            )
        last = np.empty(labels.n_series, int)
        last[labels.codes] = np.arange(len(labels.codes))
        if self.ids is None:
            return _safe_indexing(start, last)
        lanes = match_series(labels.ids, self.ids)
        if (lanes < 0).any():
            raise ValueError(
                f"start has no row of {list(self.ids[lanes < 0])}, which"
                f" {_kinds(self.composite.plain)} in the ensemble, without state,"
                " predicts from. Pass rows of each series to forecast."
            )
        return _safe_indexing(start, last[lanes])


def _answered(
    record: Fitted, walk: SeriesWalk, outputs: np.ndarray, method: str
) -> np.ndarray:
    """What a network answers after a row of each series."""
    if method == "transform":
        return walk.last_hidden()
    return record.decoded(outputs, method)


def _are_same(ids: pd.Index | None, others: pd.Index | None) -> bool:
    if ids is None or others is None:
        return ids is others
    return ids.equals(others)


def _names(ids: pd.Index | None) -> str:
    return "one without a name" if ids is None else str(list(ids))


def _kinds(members: tuple[Any, ...]) -> str:
    """Classes of estimators, in words."""
    return " and ".join(dict.fromkeys(type(member).__name__ for member in members))
