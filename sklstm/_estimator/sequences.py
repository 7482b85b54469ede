"""Sequences in one call, each a series without a name, as rows and back.

They come as a list of arrays of shape (n_steps, n_features), of any lengths, or as one
array of shape (n_sequences, n_steps, n_features); targets, weights and predictions have
the same form, without the last axis where there is one value for each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._estimator.forms import n_dimensions
from sklstm._estimator.inputs import check_window, common_names
from sklstm._rows.input_shape import InputShape
from sklstm._training.fitted import Fitted


@dataclass(frozen=True, eq=False)
class Sequences:
    """How rows make up sequences.

    Parameters
    ----------
    lengths : ndarray of int of shape (n_sequences,)
    is_list : bool
        Whether they came in a list, and not in one array.
    """

    lengths: np.ndarray
    is_list: bool

    def flat(self, name: str, values: Any) -> Any:
        """Values of each step of each sequence, one sequence behind the other."""
        if values is None or np.isscalar(values):
            return values
        if isinstance(values, np.ndarray) and values.dtype != object:
            parts = list(values)
        else:
            parts = [np.asarray(part) for part in values]
        got = [len(part) if np.ndim(part) else None for part in parts]
        expected = self.lengths.tolist()
        if got != expected:
            differ = [a != b for a, b in zip(got, expected, strict=False)]
            first = differ.index(True) if any(differ) else len(differ)
            raise ValueError(
                f"{name} must have an entry for each step of each of the"
                f" {len(self.lengths)} sequences of X, but it has {len(got)} and they"
                f" differ from sequence {first} on. Pass a list of arrays as long as"
                " the sequences, or give X as rows. For one target for each whole"
                " sequence set windows='sliding' and stateful=False."
            )
        return np.concatenate(parts) if parts else np.empty(0)

    def shaped(self, values: np.ndarray) -> list[np.ndarray] | np.ndarray:
        """Values of rows in the form of the sequences."""
        if self.is_list:
            return np.split(values, np.cumsum(self.lengths)[:-1])
        return values.reshape(len(self.lengths), -1, *values.shape[1:])


def check_sequences(
    estimator, X, like: InputShape | None
) -> tuple[np.ndarray, Sequences, tuple[str, ...] | None]:
    """Rows of all sequences as float32, how they make them up, and names of columns.

    Raises
    ------
    ValueError
        For sequences of other features than fitted, or than each other; for masked
        steps, NaN and infinity; and for rows where sequences were fitted.
    """
    if n_dimensions(X) != 3:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on sequences, a list of arrays of"
            " shape (n_steps, n_features), but got something else. Pass such a list:"
            " one sequence alone as [X]."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            "X is masked, but with windows='tiled' sequences have no padding. Pass them"
            " as a list of arrays, each of its own length."
        )
    names = common_names(X, like)
    rows = [check_window(estimator, sequence, k) for k, sequence in enumerate(X)]
    widths = {row.shape[1] for row in rows}
    expected = widths if like is None else {like.n_features}
    if len(widths) > 1 or widths != expected:
        raise ValueError(
            f"X holds sequences of {sorted(widths)} features, but all must have"
            f" {sorted(expected)[0]}."
        )
    lengths = np.array([len(row) for row in rows], np.int64)
    is_list = not isinstance(X, np.ndarray) or X.dtype == object
    return np.concatenate(rows), Sequences(lengths, is_list), names


def flat_if_sequences(fitted: Fitted, X, *values: Any) -> list:
    """Values of each row, one behind the other, where X holds sequences."""
    if not fitted.input_shape.is_sequences:
        return list(values)
    lengths = np.array([len(sequence) for sequence in X], np.int64)
    sequences = Sequences(lengths, is_list=True)
    return [sequences.flat("y or sample_weight", value) for value in values]
