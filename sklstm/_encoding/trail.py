"""Rows of a call behind the rows that came before them, so that each can look back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Trail:
    """Rows of some series, each series behind the last rows seen of it.

    Parameters
    ----------
    rows : ndarray of shape (n_all, n_features)
        All rows, series after series, those of a series in time order.
    at : ndarray of int of shape (n_rows,)
        Where each row of the call lies among them.
    first : ndarray of int of shape (n_rows,)
        Where the run of each row begins, as far as it is known.
    ends : ndarray of int of shape (n_series,)
        Where the rows of each series end.
    """

    rows: np.ndarray
    at: np.ndarray
    first: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(
        cls,
        rows: np.ndarray,
        codes: np.ndarray,
        begins: np.ndarray,
        context: np.ndarray,
        n_known: np.ndarray,
    ) -> Trail:
        """Lay the rows of a call behind those seen before.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Rows of a series in time order; those of others may lie in between.
        codes : ndarray of int of shape (n_rows,)
            The series that each row belongs to.
        begins : ndarray of bool of shape (n_rows,)
            Rows that begin a new run.
        context : ndarray of shape (n_series, n_context, n_features)
            The last rows seen of each series, the newest last.
        n_known : ndarray of int of shape (n_series,)
            How many of these count.
        """
        n_series, n_context = context.shape[:2]
        n_known = np.minimum(n_known, n_context)
        counts = np.bincount(codes, minlength=n_series)
        ends = np.cumsum(counts + n_known)
        starts = ends - counts - n_known  # of each series
        order = np.argsort(codes, kind="stable")
        sorted_codes = codes[order]
        is_first = np.diff(sorted_codes, prepend=-1) != 0
        within = (
            np.arange(len(rows)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
        )
        places = starts[sorted_codes] + n_known[sorted_codes] + within
        first = np.where(is_first, starts[sorted_codes], 0)
        first = np.maximum.accumulate(np.where(begins[order], places, first))
        everything = np.empty((int(ends[-1]), rows.shape[1]), rows.dtype)
        counted = np.arange(n_context) >= (n_context - n_known)[:, np.newaxis]
        steps = np.arange(n_context) - n_context
        targets = starts[:, np.newaxis] + n_known[:, np.newaxis] + steps
        everything[targets[counted]] = context[counted]
        everything[places] = rows[order]
        at, first_of = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        at[order], first_of[order] = places, first
        return cls(everything, at, first_of, ends)

    @property
    def n_before(self) -> np.ndarray:
        """How many rows of its run are known before each row, of shape (n_rows,)."""
        return self.at - self.first

    def back(self, n: int, before: int = 0) -> np.ndarray:
        """The row `n` steps before each row; the first one of its run if there is none.

        With `before`, seen from the row that lies so many steps before each row.
        """
        start = np.maximum(self.at - before, self.first)
        return self.rows[np.maximum(start - n, self.first)]

    def at_rows(self, which: np.ndarray | slice) -> Trail:
        """The same rows, seen from some rows of the call only."""
        return replace(self, at=self.at[which], first=self.first[which])

    def last(self, n_context: int, n_known: np.ndarray) -> np.ndarray:
        """The last rows of each series, of shape (n_series, n_context, n_features).

        Rows beyond the `n_known` newest ones are zero.
        """
        n_known = np.minimum(n_known, n_context)[:, np.newaxis]
        steps = np.arange(n_context) - n_context
        counted = steps >= -n_known
        at = np.maximum(self.ends[:, np.newaxis] + steps, 0)
        return np.where(counted[..., np.newaxis], self.rows[at], 0)
