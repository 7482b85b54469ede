"""Known columns of rows to come, in a composite's units, filled step by step.

A row is completed before it passes the transformers: what is not known of it is filled
from the composite's prediction, which is in the user's units as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklstm._estimator.future import check_all_filled, check_known_names, next_rows
from sklstm._rows.series import read_labels
from sklstm._training.fitted import Fitted
from sklstm.streaming._closed_loop import ClosedLoop
from sklstm.streaming._composite import Network
from sklstm.streaming._fed_rows import FedRows


@dataclass(frozen=True, eq=False)
class FutureRows:
    """Rows to come of some series, without their ids.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_features)
        Missing where nothing is known.
    places : list of ndarray of int of shape (n_fed,)
        Where the rows of each series are in it.
    columns : list of int
        The column that each output fills; -1 where it fills none.
    gives : {"frame", "rows", "row"}
        The form that the composite takes them in, "row" for an array of one series.
    """

    table: pd.DataFrame
    places: list[np.ndarray]
    columns: list[int]
    gives: str

    @classmethod
    def of(cls, X_future: Any, loop: ClosedLoop, n_fed: int) -> FutureRows:
        """The rows that a forecast feeds.

        Which columns the predictions fill, the first network of an ensemble tells.

        Raises
        ------
        ValueError
            For rows that do not follow, too few of them, columns that are unknown and
            that no prediction fills, and series that lack rows.
        """
        fed = loop.fed
        network, (record, walk) = next(iter(loop.walks.items()))
        series_id: Any = list(fed.id_columns) or None
        if not network.way_in:
            series_id = record.input_shape.series_id
        table, labels = read_labels(X_future, series_id)
        table = _completed(table, fed)
        places = next_rows(record, labels, walk.ids, walk.last_seen(), n_fed)
        used = table.iloc[np.concatenate(places)]
        own_names = _own_names(fed, network, record)
        is_unknown = used.isna().any().to_numpy()
        columns = _filled_columns(record, own_names, table, is_unknown)
        gives = "frame" if fed.names is not None else "row" if loop.is_one else "rows"
        return cls(table, places, columns, gives)

    def feedback(self, prediction: Any, k: int) -> Any:
        """The k-th rows, filled from predictions in the composite's units."""
        rows = self.table.iloc[[place[k] for place in self.places]].copy()
        values = np.asarray(prediction).reshape(len(rows), -1)
        unknown = rows.isna().to_numpy()
        for output, column in enumerate(self.columns):
            if column >= 0 and unknown[:, column].any():
                had = rows.iloc[:, column].to_numpy()
                filled = np.where(unknown[:, column], values[:, output], had)
                rows.isetitem(column, filled)
        if self.gives == "frame":
            return rows
        return rows.to_numpy()[0] if self.gives == "row" else rows.to_numpy()


def _completed(table: Any, fed: FedRows) -> pd.DataFrame:
    """Rows with all columns that the composite takes, ids apart."""
    if fed.names is None:
        n_features = fed.n_features
        if np.ndim(table) != 2 or np.shape(table)[1] != n_features:
            raise ValueError(
                f"X_future has shape {np.shape(table)}, but rows have {n_features}"
                " feature(s). Pass rows of this width, with NaN where predictions are"
                " to be filled in."
            )
        return pd.DataFrame(np.asarray(table))
    names = [name for name in fed.names if name not in fed.id_columns]
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table, columns=names)
    check_known_names(table, names)
    return table.reindex(columns=names)


def _filled_columns(
    record: Fitted,
    own_names: list[str] | None,
    table: pd.DataFrame,
    is_unknown: np.ndarray,
) -> list[int]:
    """The column of the composite that each output fills; -1 where it fills none.

    It is the one that the output is told to go on with, where the estimator knows it by
    the same name; else columns are filled in their order, if there are as many unknown
    ones as outputs of the next row.
    """
    encoder, n_outputs = record.encoder, record.target.n_outputs
    is_next = np.ones(n_outputs, bool) if encoder is None else encoder.ahead == 1
    unknown = np.flatnonzero(is_unknown)
    columns = np.full(n_outputs, -1)
    if encoder is not None and own_names is not None:
        places = table.columns.get_indexer(pd.Index(own_names))
        columns = np.where(is_next & (encoder.ties >= 0), places[encoder.ties], -1)
    if (columns < 0).all() and len(unknown) == is_next.sum():
        columns[is_next] = unknown
    left = np.setdiff1d(unknown, columns)
    check_all_filled(table.columns[left].tolist())
    return columns.tolist()


def _own_names(fed: FedRows, network: Network, record: Fitted) -> list[str] | None:
    """By which names of the composite's columns a network knows its features."""
    names = record.feature_names
    if names is None or fed.names is None:
        return None
    if not network.way_in:
        return list(names)
    # a ColumnTransformer puts the name of a step before that of a column
    return [str(name).rpartition("__")[2] for name in names]
