"""The states of a composite's networks: all of them move, or none does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._rows.series import RowLabels, read_labels
from sklstm._training.fitted import Fitted
from sklstm.streaming._composite import Composite, Network


@dataclass(frozen=True, eq=False)
class Advanced:
    """What rows lead to; nothing is moved yet.

    Parameters
    ----------
    predictions : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Those of the composite.
    records : dict of Network to Fitted
        The networks' records after the rows.
    rows : array-like of shape (n_rows, n_columns)
        As they have come in to the first network.
    """

    predictions: np.ndarray
    records: dict[Network, Fitted]
    rows: Any

    def labels(self) -> RowLabels:
        """Whose each row is, as the first network sees it."""
        first = next(iter(self.records))
        return read_labels(self.rows, first.estimator.series_id)[1]


def advance(composite: Composite, X: Any, stacklevel: int) -> Advanced:
    """What rows of X lead to, from the present states.

    `stacklevel` is that of a warning of lost labels.
    """
    records: dict[Network, Fitted] = {}
    seen = []

    def answer(network: Network, rows: Any, method: str) -> np.ndarray:
        outputs, before, records[network] = network.estimator._advance(rows)
        seen.append(rows)
        if method == "transform":
            return network.estimator.transform(rows, replay=False)
        return before.decoded(outputs, method)

    predictions = composite.answer(X, answer, stacklevel=stacklevel)
    return Advanced(predictions, records, seen[0])


def move_each(composite: Composite, call: Callable[[BaseStatefulLSTM], Any]) -> None:
    """Call a copy of each estimator, and then take the states that this gave."""
    copies = {n: copy.copy(n.estimator) for n in composite.networks}
    for estimator in copies.values():
        call(estimator)
    for network, one in copies.items():  # which has warned of what is lost
        network.estimator._fitted = one._record()


def move(records: dict[Network, Fitted]) -> None:
    """Put records in the place of those that the networks have."""
    for network, record in records.items():
        network.estimator._move_to(record, stacklevel=4)


def check_states(composite: Composite, state: Any) -> tuple[Any, ...]:
    """A state for each network, from what `get_states` of a stream returns."""
    if not composite.is_ensemble:
        return (state,)
    n = len(composite.networks)
    takes = f"The ensemble has {n} networks, and takes a tuple of {n} states, as"
    if not isinstance(state, tuple | list):
        raise TypeError(f"{takes} get_states() returns it; got {type(state).__name__}.")
    if len(state) != n:
        raise ValueError(f"{takes} get_states() returns it; got {len(state)}.")
    return tuple(state)
