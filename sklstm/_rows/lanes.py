"""Where windows lie in the rows and which lane reads each: plain NumPy.

Owns the arithmetic of windows, lanes and truncation. Knows nothing of values,
weights or TensorFlow: a *batch table* is an int32 array of shape (n_batches,
batch_size) whose entry (k, i) is the row at which the window of lane i in batch k
ends, or ``EMPTY`` where the lane has no window in that batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EMPTY = -1
STATELESS_LANES = 256  # windows at once where no state ties them to a lane


def lay_in_lanes(ends: np.ndarray, position: int, batch_size: int) -> np.ndarray:
    """Batch table of windows that continue after `position` windows.

    Window j goes to lane ``(position + j) % batch_size``; lanes before the first
    and after the last window are ``EMPTY``.

    Examples
    --------
    >>> import numpy as np
    >>> lay_in_lanes(np.array([10, 11, 12]), position=2, batch_size=3)
    array([[-1, -1, 10],
           [11, 12, -1]], dtype=int32)
    """
    lead = position % batch_size
    n_batches = -(-(lead + len(ends)) // batch_size)
    table = np.full(n_batches * batch_size, EMPTY, dtype=np.int32)
    table[lead : lead + len(ends)] = ends
    return table.reshape(n_batches, batch_size)  # (K, B)


@dataclass(frozen=True, eq=False)
class FitPlan:
    """Which windows a fit trains on and which it holds out, and in which lanes.

    Parameters
    ----------
    trained : ndarray of shape (n_windows,)
        Rows at which the windows trained on end.
    held_out : ndarray of shape (n_held_out,)
        Rows at which the validation windows end: right after those trained on.
    n_dropped : int
        Windows left out so that the others fill whole batches: the oldest.
    start_position : int
        Slot of the oldest window trained on; the newest falls on the last lane.
    batch_size : int
    stateful : bool
    """

    trained: np.ndarray
    held_out: np.ndarray
    n_dropped: int
    start_position: int
    batch_size: int
    stateful: bool

    @classmethod
    def of(
        cls,
        ends: np.ndarray,
        n_held_out: int,
        *,
        batch_size: int,
        stateful: bool,
        drop_remainder: bool,
    ) -> FitPlan:
        """Plan a fit on windows that end at rows `ends`, the last ones held out.

        Examples
        --------
        >>> import numpy as np
        >>> options = dict(batch_size=4, stateful=True)
        >>> FitPlan.of(np.arange(10), 0, drop_remainder=True, **options).table()
        array([[2, 3, 4, 5],
               [6, 7, 8, 9]], dtype=int32)
        >>> FitPlan.of(np.arange(10), 0, drop_remainder=False, **options).table()
        array([[-1, -1,  0,  1],
               [ 2,  3,  4,  5],
               [ 6,  7,  8,  9]], dtype=int32)
        """
        n_windows = len(ends) - n_held_out
        remainder = n_windows % batch_size if stateful else 0
        n_dropped = remainder if drop_remainder else 0
        start = -n_windows % batch_size if stateful and not drop_remainder else 0
        trained, held_out = ends[n_dropped:n_windows], ends[n_windows:]
        return cls(trained, held_out, n_dropped, start, batch_size, stateful)

    @property
    def end_position(self) -> int:
        """Slot after the newest window trained on."""
        return self.start_position + len(self.trained)

    def describe(self, sequence_length: int) -> str:
        """One line on what the fit trains on and what it leaves out."""
        line = (
            f"Training on {len(self.trained)} windows of {sequence_length} row(s) in"
            f" {self.n_batches} batch(es) of {self.batch_size}"
        )
        if len(self.held_out):
            line += f", validating on {len(self.held_out)}"
        if self.n_dropped:
            line += f"; the oldest {self.n_dropped} left out (drop_remainder=True)"
        return line + "."

    @property
    def n_batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.end_position // self.batch_size)

    def table(self, order: np.ndarray | None = None) -> np.ndarray:
        """Batch table of an epoch, of shape (n_batches, batch_size)."""
        ends = self.trained if order is None else self.trained[order]
        return lay_in_lanes(ends, self.start_position, self.batch_size)

    def held_out_table(self, n_lanes: int) -> np.ndarray:
        """Batch table of the held-out windows; they continue the lanes if stateful."""
        if self.stateful:
            return lay_in_lanes(self.held_out, self.end_position, self.batch_size)
        return lay_in_lanes(self.held_out, 0, n_lanes)


def read_from_lanes(outputs: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Outputs of shape (K, B, ...) back in window order, of shape (n_windows, ...).

    A view: `lay_in_lanes` leaves lanes empty at both ends only.
    """
    flat = outputs.reshape(-1, *outputs.shape[2:])
    if not len(table):
        return flat
    n_before = int(np.argmax(table[0] != EMPTY))
    n_after = int(np.argmax(table[-1, ::-1] != EMPTY))
    return flat[n_before : len(flat) - n_after]


def capacity(n: int) -> int:
    """Room for `n` entries, in steps: 4096 times a power of four, later of two.

    Compiled programs are specialised to array shapes. Rounding up lets the folds of a
    split share one, and where rows are few enough for that to waste little, the steps
    are wide: 16384 rows of ten features are 640 kB. Above a quarter of a million there
    is no rounding: next to training on so many rows a compilation takes no time, but
    padding them takes as much memory as the rows.

    Examples
    --------
    >>> [capacity(n) for n in (1, 4096, 4097, 65537, 262145)]
    [4096, 4096, 16384, 131072, 262145]
    """
    if n > 2**18:
        return n
    steps = (4096, 16384, 65536)
    return next((step for step in steps if n <= step), 1 << (n - 1).bit_length())


def table_capacity(room: int, batch_size: int) -> int:
    """Batches that the windows of `room` rows fit in, whatever lane they start at."""
    return room // batch_size + 2


def lane_capacity(n: int) -> int:
    """Lanes to compile for where `n` are needed, so that similar numbers share.

    Powers of two up to 1024, then multiples of 1024.

    Examples
    --------
    >>> [lane_capacity(n) for n in (1, 5, 1024, 10000)]
    [1, 8, 1024, 10240]
    """
    if n <= 1024:
        return 1 << (n - 1).bit_length()
    return -(-n // 1024) * 1024
