"""The windows of one call: which rows each prediction reads. NumPy only.

A series is kept as rows, never as an array of windows; only ready-made windows, which
come as such, are held in full.

Ready-made windows may be shorter than `sequence_length`, for either of two reasons.
A window that begins before its series does *lacks* rows: its first steps are NaN, and
like the first windows of a series it takes no lane. A window that *is* shorter, because
it came so in a list or was masked, is as good as any other; its unused first steps hold
``PADDING``, minus infinity, which checked input cannot contain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PADDING = -np.inf


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
        Rows each window has; fewer than `sequence_length` where the series begins or
        where the window is padded.
    complete : ndarray of bool of shape (n_windows,)
        Whether each window lacks no rows, and so takes a lane.
    sequence_length : int
    """

    rows: np.ndarray
    stride: int
    ends: np.ndarray
    lengths: np.ndarray
    complete: np.ndarray
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
            return cls._ready_made(X)
        rows = np.concatenate([context, X]) if len(context) else X
        ends = np.arange(len(context), len(rows), dtype=np.int32)
        lengths = np.minimum(ends + 1, sequence_length)
        complete = lengths == sequence_length
        return cls(rows, 1, ends, lengths, complete, sequence_length)

    @classmethod
    def of_runs(
        cls,
        X: np.ndarray,
        runs: np.ndarray,
        sequence_length: int,
        contexts: np.ndarray | None = None,
        n_context: np.ndarray | None = None,
    ) -> Windows:
        """Windows ending at each row of several runs, none of which crosses a border.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
        runs : ndarray of int of shape (n,)
            The run that each row belongs to, from 0 on; its rows are in time order.
        sequence_length : int
        contexts : ndarray of shape (n_runs, sequence_length - 1, n_features) or None
            Rows right before each run, the newest last.
        n_context : ndarray of int of shape (n_runs,) or None
            How many of these there are.
        """
        n_runs = int(runs.max()) + 1 if len(runs) else 0
        if contexts is None or n_context is None:
            contexts = np.empty((n_runs, 0, X.shape[1]), X.dtype)
            n_context = np.zeros(n_runs, np.int64)
        order = np.argsort(runs, kind="stable")
        counts = np.bincount(runs, minlength=n_runs)
        begin = np.cumsum(n_context + counts) - n_context - counts  # of each run's rows
        within = np.arange(len(X)) - (np.cumsum(counts) - counts)[runs[order]]
        ends = np.empty(len(X), np.int32)
        ends[order] = (begin + n_context)[runs[order]] + within
        rows = np.empty((len(X) + int(n_context.sum()), X.shape[1]), X.dtype)
        rows[ends] = X
        width = contexts.shape[1]
        steps = np.arange(width)
        has_row = steps >= width - n_context[:, np.newaxis]  # (n_runs, T - 1)
        at = (begin + n_context - width)[:, np.newaxis] + steps
        rows[at[has_row]] = contexts[has_row]
        lengths = np.minimum(ends - begin[runs] + 1, sequence_length)
        complete = lengths == sequence_length
        return cls(rows, 1, ends, lengths, complete, sequence_length)

    def contexts_after(self, last: np.ndarray) -> np.ndarray:
        """The rows that windows right after some of these reach back into.

        Parameters
        ----------
        last : ndarray of int of shape (n_runs,)
            Which windows.

        Returns
        -------
        contexts : ndarray of shape (n_runs, sequence_length - 1, n_features)
            The newest rows last, zeros where a run has had fewer.
        """
        steps = np.arange(1 - self.sequence_length, 0) + 1  # 2 - T, ..., 0
        at = self.ends[last][:, np.newaxis] + steps
        has_row = -steps < self.lengths[last][:, np.newaxis]
        return np.where(has_row[..., np.newaxis], self.rows[np.maximum(at, 0)], 0)

    @classmethod
    def _ready_made(cls, X: np.ndarray) -> Windows:
        n_windows, n_steps, n_features = X.shape
        lacking, padded = _leading_steps(X)
        unused = np.maximum(lacking, padded)  # (n_windows,)
        rows = X.reshape(-1, n_features)  # (n * T, F)
        if unused.any():
            rows = np.where(np.isfinite(rows), rows, 0)
        ends = np.arange(1, n_windows + 1, dtype=np.int32) * n_steps - 1
        return cls(rows, n_steps, ends, n_steps - unused, lacking == 0, n_steps)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def is_padded(self) -> bool:
        """Whether any window that takes a lane is shorter than `sequence_length`."""
        return bool((self.lengths[self.complete] < self.sequence_length).any())

    def context_before(self, end: int) -> np.ndarray:
        """The rows that a window ending at row `end` reaches back into."""
        if self.stride > 1:
            return self.rows[:0]
        return self.rows[max(0, end - self.sequence_length + 1) : end]

    def context_after(self) -> np.ndarray:
        """The last rows, which the next windows of the series reach back into.

        The last of several runs may be too short to have as many as others.
        """
        context = self.context_before(len(self.rows))
        if not len(self):
            return context
        return context[max(0, len(context) - int(self.lengths[-1])) :]


def pad_windows(windows: Sequence[np.ndarray], length: int | None) -> np.ndarray:
    """Windows of shapes (n_steps, n_features) in one array, padded at their front.

    Parameters
    ----------
    windows : sequence of ndarray
    length : int or None
        Steps of the result at least, if the longest window has fewer.

    Examples
    --------
    >>> import numpy as np
    >>> pad_windows([np.ones((1, 1)), np.ones((2, 1))], None)[:, :, 0]
    array([[-inf,   1.],
           [  1.,   1.]], dtype=float32)
    """
    widths = {window.shape[1] for window in windows}
    if len(widths) > 1:
        raise ValueError(
            f"X holds windows of {sorted(widths)} features: every window of the list"
            " must have shape (n_steps, n_features) with the same n_features."
        )
    length = max(length or 0, *map(len, windows))
    padded = np.full((len(windows), length, *widths), PADDING, np.float32)
    for row, window in zip(padded, windows, strict=True):
        row[length - len(window) :] = window
    return padded  # (n, T, F)


def pad_masked(X: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Windows of shape (n, T, F) with masked first steps marked as padding."""
    steps = mask.all(axis=2)  # (n, T)
    leading = np.logical_and.accumulate(steps, axis=1)
    if (mask != leading[:, :, np.newaxis]).any():
        raise ValueError(
            "X is masked in places other than whole first steps of a window. Padding"
            " goes before a window's rows, with all features of a step masked."
        )
    n_empty = int(leading.all(axis=1).sum())
    if n_empty:
        raise ValueError(
            f"{n_empty} window(s) of X are masked throughout; each needs at least its"
            " last row. Leave them out, with their targets."
        )
    return np.where(mask, np.float32(PADDING), X)


def digest(X: np.ndarray) -> bytes:
    """A digest of an array's content, to recognise it by later."""
    return hashlib.blake2b(np.ascontiguousarray(X).data, digest_size=16).digest()


def _leading_steps(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many first steps each window lacks, and how many are padding.

    Parameters
    ----------
    X : ndarray of shape (n_windows, sequence_length, n_features)

    Raises
    ------
    ValueError
        For NaN anywhere else, and for windows that lack every step.
    """
    if X.shape[1] == 0 or X.shape[2] == 0:
        raise ValueError(
            "X as ready-made windows must have shape (n_windows, sequence_length,"
            f" n_features) with at least one step and one feature; got {X.shape}."
        )
    lacking = np.logical_and.accumulate(np.isnan(X).all(axis=2), axis=1)  # (n, T)
    n_nan = int(np.isnan(X[~lacking]).sum())
    if n_nan:
        raise ValueError(
            f"X contains NaN in {n_nan} place(s). Only whole leading steps of a window"
            " may be NaN, for rows from before the series began. Fill the rest,"
            " for example with sklearn.impute.SimpleImputer before windowing."
        )
    n_empty = int(lacking.all(axis=1).sum())
    if n_empty:
        raise ValueError(
            f"{n_empty} window(s) of X hold nothing but NaN; each needs at least its"
            " last row. Leave them out, with their targets."
        )
    return lacking.sum(axis=1), np.isneginf(X[:, :, 0]).sum(axis=1)
