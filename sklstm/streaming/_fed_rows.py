"""Rows fed back: how what `feedback` returns becomes rows that the estimator takes.

Owns the names and the series ids that such rows lack. Each call of `feedback` returns
one row for each series, in the units of the composite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.closed_loop import refuse_to_guess_rows
from sklstm._rows.series import match_series, read_labels
from sklstm.streaming._way import carry_in, put_labels_back


@dataclass(frozen=True, eq=False)
class FedRows:
    """Rows fed back to the estimator inside a composite.

    Parameters
    ----------
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
    way_in : tuple of Pipeline
        Transformers that rows pass, in order.
    names : ndarray of shape (n_columns,) or None
        Names of the columns that the composite takes; None where it was fitted on
        arrays.
    id_columns : sequence
        Those among them that hold series ids, which `feedback` leaves out.
    n_columns : int
        How many columns the composite takes.
    """

    estimator: BaseStatefulLSTM
    way_in: tuple[Pipeline, ...]
    names: np.ndarray | None
    id_columns: Sequence
    n_columns: int

    @classmethod
    def into(cls, fitted, estimator: BaseStatefulLSTM, way_in: tuple) -> FedRows:
        """For `estimator` inside the composite `fitted`."""
        names = _feature_names(fitted)
        series_id = estimator._record().input_shape.series_id
        id_columns: Sequence = ()
        if series_id is not None and names is not None and way_in:
            id_columns = find_id_columns(series_id, names) or ()
        return cls(estimator, way_in, names, id_columns, fitted.n_features_in_)

    def carry_in(self, rows: Any, ids: pd.Index | None) -> np.ndarray:
        """Rows as the network takes them, without ids.

        Parameters
        ----------
        rows : array or frame of shape (n_series, n_features)
        ids : Index of shape (n_series,) or None
            The series that these are rows of.
        """
        record, inside = self.estimator._record(), self._table(rows, ids)
        if self.way_in:
            taken, inside = inside, carry_in(self.way_in, inside)
            inside = put_labels_back(inside, taken, self.way_in, self.estimator)
            if ids is not None and record.input_shape.series_id is not None:
                inside = _without_ids(inside, record.input_shape.series_id, ids)
        return self.estimator._check_fed_rows(inside, record)

    def _table(self, rows: Any, ids: pd.Index | None) -> Any:
        """Rows with the names and the ids that the composite takes."""
        if self.names is None:
            return rows
        if not isinstance(rows, pd.DataFrame):
            named = [name for name in self.names if name not in self.id_columns]
            rows = pd.DataFrame(rows, columns=named)
        if not self.id_columns or ids is None:
            return rows
        table = rows.copy()
        for level, name in enumerate(self.id_columns):
            table[name] = ids.get_level_values(level).to_numpy()
        return table[list(self.names)]


def check_is_row(prediction: Any, n_features: int) -> None:
    """Raise ValueError where a prediction cannot be the next row."""
    if np.asarray(prediction).dtype.kind not in "biuf":
        refuse_to_guess_rows("labels are not numbers", n_features)
    if np.size(prediction) != n_features:
        refuse_to_guess_rows(
            f"it has {np.size(prediction)} value(s), a row has {n_features} feature(s)",
            n_features,
        )


def _without_ids(inside: Any, series_id: Any, ids: pd.Index) -> Any:
    """Transformed rows without their ids, which must be those of the series."""
    table, labels = read_labels(inside, series_id)
    places = match_series(ids, labels.ids)[labels.codes]
    if not np.array_equal(places, np.arange(len(ids))):
        raise ValueError(
            f"The rows fed back must be those of the series {list(ids)}, in this order,"
            f" but hold the ids {[labels.series_name(int(k)) for k in labels.codes]}."
        )
    return table


def find_id_columns(series_id: Any, names: Any) -> list | None:
    """The columns of a composite that the estimator inside knows as `series_id`.

    None where that cannot be told. A ColumnTransformer may have put the name of a step
    before the name of a column, as in ``"remainder__shop"``.
    """
    is_list = isinstance(series_id, list | tuple | np.ndarray | pd.Index)
    found: list = []
    for name in series_id if is_list else [series_id]:
        own = str(name).rpartition("__")[2]
        known = () if names is None else [one for one in (name, own) if one in names]
        found += known[:1]
    return found if len(found) == (len(series_id) if is_list else 1) else None


def _feature_names(fitted) -> np.ndarray | None:
    for part in _inside(fitted):
        names = getattr(part, "feature_names_in_", None)
        if names is not None:
            return names
    return None


def _inside(fitted) -> Iterator[Any]:
    """`fitted` and what it hands its rows to, as long as they stay untransformed."""
    while fitted is not None:
        yield fitted
        if isinstance(fitted, TransformedTargetRegressor):
            fitted = fitted.regressor_
        else:
            fitted = getattr(fitted, "best_estimator_", None)
