"""Rows fed back: how what `feedback` returns becomes rows that networks take.

Owns the names and the series ids that such rows lack. Each call of `feedback` returns
one row for each series, in the units of the composite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor

from sklstm._estimator.closed_loop import refuse_to_guess_rows
from sklstm._rows.series import match_series, read_labels
from sklstm._training.fitted import Fitted
from sklstm.streaming._composite import Composite, Network


@dataclass(frozen=True, eq=False)
class FedRows:
    """Rows fed back to a composite.

    Parameters
    ----------
    names : ndarray of shape (n_columns,) or None
        Names of the columns that the composite takes; None where it was fitted on
        arrays.
    id_columns : sequence
        Those among them that hold series ids, which `feedback` leaves out.
    n_features : int
        How many columns `feedback` returns.
    """

    names: np.ndarray | None
    id_columns: Sequence
    n_features: int

    @classmethod
    def into(cls, composite: Composite) -> FedRows:
        """For the networks of a composite."""
        # A network counts its columns without those of the ids.
        doors = _doors(composite.fitted)
        door = max(doors, key=lambda part: getattr(part, "n_features_in_", 0))
        names = getattr(door, "feature_names_in_", None)
        series_id = composite.networks[0].estimator._record().input_shape.series_id
        id_columns: Sequence = ()
        if series_id is not None and names is not None:
            id_columns = find_id_columns(series_id, names) or ()
        return cls(names, id_columns, door.n_features_in_ - len(id_columns))

    def table(self, rows: Any, ids: pd.Index | None) -> Any:
        """Rows with the names and the ids that the composite takes.

        Parameters
        ----------
        rows : array or frame of shape (n_series, n_features)
        ids : Index of shape (n_series,) or None
            The series that these are rows of.
        """
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

    def accepted(
        self, network: Network, inside: Any, ids: pd.Index | None
    ) -> np.ndarray:
        """Rows that have come in, as the network takes them: checked, without ids."""
        record = network.estimator._record()
        shape = record.input_shape
        has_ids = np.shape(inside)[1] > shape.n_features
        if has_ids and ids is not None and shape.series_id is not None:
            inside = _without_ids(inside, shape.series_id, ids)
        return network.estimator._check_fed_rows(inside, record)


def check_is_next(records: Iterable[Fitted], n_features: int) -> None:
    """Raise ValueError where outputs of networks are not values of the next row."""
    for record in records:
        if record.why_not_next():
            refuse_to_guess_rows(record.why_not_next(), n_features)


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


def _doors(fitted) -> Iterator[Any]:
    """What in `fitted` takes its rows first, as they come."""
    if isinstance(fitted, TransformedTargetRegressor):
        yield from _doors(fitted.regressor_)
    elif isinstance(fitted, VotingRegressor | VotingClassifier):
        for member in fitted.estimators_:
            yield from _doors(member)
    elif hasattr(fitted, "best_estimator_"):
        yield from _doors(fitted.best_estimator_)
    else:
        yield fitted
