"""The windows of one call: which rows each prediction reads. NumPy only.

A series is kept as rows, never as an array of windows; only ready-made windows, which
come as such, are held in full.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from sklstm._validation import check_windows


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of at most `sequence_length` rows, one for each row of the input.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
    stride : int
        Rows for each window: 1 in a series, `sequence_length` for ready-made windows.
    ends : ndarray of shape (n_windows,)
        The row at which each window ends.
    lengths : ndarray of shape (n_windows,)
        Rows each window has; fewer than `sequence_length` where the series begins.
    sequence_length : int
    """

    rows: np.ndarray
    stride: int
    ends: np.ndarray
    lengths: np.ndarray
    sequence_length: int

    @classmethod
    def of(cls, X: np.ndarray, context: np.ndarray, sequence_length: int) -> Windows:
        """Windows ending at each row of a series, or ready-made ones.

        Parameters
        ----------
        X : ndarray of shape (n, n_features) or (n, sequence_length, n_features)
        context : ndarray of shape (m, n_features)
            Rows right before a series, which its first windows reach back into.
        """
        if X.ndim == 3:
            lengths = check_windows(X)
            rows = np.nan_to_num(X.reshape(-1, X.shape[2]))  # (n * T, F)
            ends = np.arange(1, len(X) + 1) * sequence_length - 1
            return cls(rows, sequence_length, ends, lengths, sequence_length)
        rows = np.concatenate([context, X]) if len(context) else X
        ends = np.arange(len(context), len(rows))
        lengths = np.minimum(ends + 1, sequence_length)
        return cls(rows, 1, ends, lengths, sequence_length)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def full(self) -> np.ndarray:
        """Whether each window has all its rows, of shape (n_windows,)."""
        return self.lengths == self.sequence_length

    def context_before(self, end: int) -> np.ndarray:
        """The rows that a window ending at row `end` reaches back into."""
        if self.stride > 1:
            return self.rows[:0]
        return self.rows[max(0, end - self.sequence_length + 1) : end]

    def context_after(self) -> np.ndarray:
        """The last rows, which the next windows of the series reach back into."""
        return self.context_before(len(self.rows))


def digest(X: np.ndarray) -> bytes:
    """A digest of an array's content, to recognise it by later."""
    return hashlib.blake2b(np.ascontiguousarray(X).data, digest_size=16).digest()
