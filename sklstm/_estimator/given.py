"""The rows of one call, checked: their values, whose they are, and when they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklstm._estimator.forms import n_dimensions
from sklstm._estimator.inputs import check_X, is_plain
from sklstm._estimator.sequences import Sequences, check_sequences
from sklstm._later import is_index, pd
from sklstm._rows.frames import check_in_memory
from sklstm._rows.input_shape import InputShape
from sklstm._rows.series import RowLabels, read_labels


@dataclass(frozen=True, eq=False)
class Given:
    """Rows, or ready-made windows, of one call.

    Parameters
    ----------
    X : ndarray of shape (n, n_features) or (n, n_steps, n_features)
    labels : RowLabels
    shape : InputShape
        What X looked like.
    sequences : Sequences or None
        How rows make up the sequences that X held, if it did.
    """

    X: np.ndarray
    labels: RowLabels
    shape: InputShape
    sequences: Sequences | None = None

    def shaped(self, values: np.ndarray) -> Any:
        """Values of rows in the form that X came in: an array, or a list of sequences.

        The calls that answer so are annotated with the array, which all forms of X but
        a list of sequences give: users would have to tell the two apart at each call.
        """
        return values if self.sequences is None else self.sequences.shaped(values)

    def sorted(self) -> tuple[Given, np.ndarray | slice]:
        """The rows series by series, each in time order, and which they were before."""
        codes = self.labels.codes
        if (np.diff(codes) >= 0).all():
            return self, slice(None)
        order = np.argsort(codes, kind="stable")
        time = self.labels.time
        labels = RowLabels(
            self.labels.ids, codes[order], None if time is None else time[order]
        )
        return replace(self, X=self.X[order], labels=labels), order


def read_training_rows(
    estimator, X, series_id: Any, is_tiled: bool, dtype: str = "float32"
) -> Given:
    """The rows of a first call, whose index of integers is their time, if any."""
    if is_tiled and series_id is None and n_dimensions(X) == 3:
        return _read_sequences(estimator, X, None)
    table, labels = _labels_of(X, series_id)
    values, shape = check_X(estimator, table, None, dtype)
    labels = labels or unnamed(len(values))
    index = getattr(X, "index", None)
    if labels.ids is None and isinstance(index, pd.RangeIndex):
        # In later calls it tells nothing where it begins at 0: every new frame has it.
        labels = replace(labels, time=index)
    return Given(values, labels, replace(shape, series_id=series_id))


def read_rows(estimator, X, like: InputShape) -> Given:
    """The rows of a later call, which must look as in `fit`."""
    if like.series_id is None and is_plain(X, like):
        values = X.astype(like.dtype, copy=False)
        return Given(values, unnamed(len(values)), like)
    if like.is_sequences:
        return _read_sequences(estimator, X, like)
    table, labels = _labels_of(X, like.series_id)
    values, _ = check_X(estimator, table, like)
    return Given(values, labels or unnamed(len(values)), like)


def _read_sequences(estimator, X, like: InputShape | None) -> Given:
    """The rows of sequences, one behind the other, each a series without a name."""
    rows, sequences, names = check_sequences(estimator, X, like)
    n = len(sequences.lengths)
    ids = pd.RangeIndex(n) if like is None else range(n)
    labels = RowLabels(ids, np.repeat(np.arange(n), sequences.lengths), None)
    shape = like or InputShape(rows.shape[1], names, is_sequences=True)
    return Given(rows, labels, shape, sequences)


def _labels_of(X, series_id: Any) -> tuple[Any, RowLabels | None]:
    """X without its id columns, and labels; None where X has none."""
    if n_dimensions(X) == 3:
        if series_id is not None:
            raise ValueError(
                f"series_id={series_id!r} names a column of rows, but X holds"
                " sequences, each a series of its own. Pass series_id=None, or rows of"
                " shape (n_rows, n_features)."
            )
        return X, None
    if series_id is None and not is_index(getattr(X, "index", None)):
        check_in_memory(X)
        return X, None
    return read_labels(X, series_id)


def unnamed(n: int) -> RowLabels:
    """Labels of rows of one series that say nothing."""
    return RowLabels(None, np.zeros(n, np.int64), None)
