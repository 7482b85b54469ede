"""Tiled windows: which row each lane reads at each step of each batch. NumPy only.

The *runs* of all series, each a stretch of rows without a break, are laid end to end in
one line. The line is cut into `batch_size` lanes of equal length, to a row, and each
lane into tiles of `sequence_length` rows. So each row is in one tile. The state is
carried from tile to tile, and starts from zero where a run or a lane begins.

A *tile table* is an int32 array of shape (n_batches, sequence_length, batch_size) whose
entry (k, t, i) is the row that lane i reads at step t of batch k, or ``EMPTY``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from sklstm._rows.lanes import EMPTY


@dataclass(frozen=True, eq=False)
class PlainRows:
    """Rows as tiles read them, of shape (n_rows, n_features): each by itself."""

    rows: np.ndarray

    stride = 1  # rows for each target
    is_padded = False


@dataclass(frozen=True, eq=False)
class Tiles:
    """The tiles of one epoch.

    Parameters
    ----------
    table : ndarray of int32 of shape (n_batches, sequence_length, batch_size)
        The row that each lane reads at each step; ``EMPTY`` where it reads none.
    begins : ndarray of bool of the same shape
        Steps that start from zero state.
    is_drawn_inside : bool
        Whether a lane may start from zero state inside a tile in another epoch, whose
        tiles are drawn as these were.
    """

    table: np.ndarray
    begins: np.ndarray
    is_drawn_inside: bool = False

    @cached_property
    def steps(self) -> np.ndarray:
        """The first step of each batch with a row, and the one after the last: (K, 2).

        Lanes begin at the same step, and end within one step of each other.
        """
        has_row = (self.table != EMPTY).any(axis=2)  # (K, T)
        first = has_row.argmax(axis=1)
        stop = has_row.shape[1] - has_row[:, ::-1].argmax(axis=1)
        return np.stack([first, stop], axis=1).astype(np.int32)

    @cached_property
    def starts(self) -> np.ndarray:
        """Lanes of each batch that start from zero state at its first step: (K, B)."""
        return self.begins[np.arange(len(self.table)), self.steps[:, 0]]

    @property
    def begins_inside(self) -> bool:
        """Whether a lane starts from zero state elsewhere than at a first step.

        The same for all epochs of a fit, since programs are of one kind or the other.
        """
        return self.is_drawn_inside or int(self.begins.sum()) > int(self.starts.sum())


@dataclass(frozen=True, eq=False)
class TilePlan:
    """How the rows to train on are laid in lanes.

    Parameters
    ----------
    rows : ndarray of int of shape (n_rows,)
        The rows of X to train on, run by run.
    lengths : ndarray of int of shape (n_runs,)
        Rows of each run.
    batch_size, sequence_length : int
        Lanes, and rows of a tile.
    carries : bool
        Whether the state is carried from tile to tile; else each starts from zero.
    aligned : bool
        Whether a run must begin with a tile. A network of Keras's own layers can only
        be reset between two tiles.
    """

    rows: np.ndarray
    lengths: np.ndarray
    batch_size: int
    sequence_length: int
    carries: bool = True
    aligned: bool = False

    def tiles(self, rng: np.random.Generator | None = None) -> Tiles:
        """The tiles of an epoch: as they come, or drawn from `rng`.

        Drawn, the runs come in random order, and the first tile of each lane is cut
        short by a random number of rows, which moves every cut after it: by so many at
        most as leave the number of batches as it is, if that is a quarter of a tile or
        more. Aligned runs keep their cuts.

        Examples
        --------
        Two series of five and three rows in two lanes. Each lane gets four rows, so the
        first series is cut, and the second one begins inside a lane.

        >>> import numpy as np
        >>> plan = TilePlan(np.arange(8), np.array([5, 3]), 2, sequence_length=2)
        >>> tiles = plan.tiles()
        >>> tiles.table.transpose(2, 0, 1).tolist()   # lane by lane, tile by tile
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
        >>> tiles.begins.transpose(2, 0, 1).astype(int).tolist()
        [[[1, 0], [0, 0]], [[1, 1], [0, 0]]]
        """
        line, begins = self._line(rng)
        n_steps = self.sequence_length
        cut = n_steps if self.aligned else 1
        edges = np.arange(self.batch_size + 1) * (len(line) // cut) // self.batch_size
        edges *= cut
        lane_lengths = np.diff(edges)  # (B,)
        shift = 0
        if rng is not None and not self.aligned:
            shift = int(rng.integers(_most_shift(int(lane_lengths.max()), n_steps) + 1))
        n_batches = -(-(int(lane_lengths.max()) + shift) // n_steps)
        shape = (n_batches * n_steps, self.batch_size)
        table, starts = np.full(shape, EMPTY, np.int32), np.zeros(shape, bool)
        for lane, (first, stop) in enumerate(pairwise(edges.tolist())):
            table[shift : shift + stop - first, lane] = line[first:stop]
        lanes = np.searchsorted(edges, begins, "right") - 1  # of each run's first row
        starts[shift + begins - edges[lanes], lanes] = True
        starts[shift] = True
        if not self.carries:
            starts[::n_steps] = True
        moves = rng is not None and cut < n_steps
        # Runs of one length begin at the same places in any order.
        begin_lanes = (begins == edges[lanes]).all()
        is_inside = moves and not (np.ptp(self.lengths) == 0 and begin_lanes)
        by_batch = (n_batches, n_steps, self.batch_size)
        return Tiles(table.reshape(by_batch), starts.reshape(by_batch), bool(is_inside))

    def _line(self, rng) -> tuple[np.ndarray, np.ndarray]:
        """All runs end to end, ``EMPTY`` between aligned ones, and each one's start."""
        rows, lengths = self.rows, self.lengths
        if rng is not None:
            order = rng.permutation(len(lengths))
            before = _starts(lengths)[order]  # of each run in `rows`
            lengths = lengths[order]
            if len(order) > 1:
                rows = rows[_moved(_starts(lengths), before, lengths)]
        if self.aligned:
            rooms = -(-lengths // self.sequence_length) * self.sequence_length
            places = _starts(rooms)  # of each run in the line
            line = np.full(int(rooms.sum()), EMPTY, np.int32)
            line[_moved(_starts(lengths), places, lengths)] = rows
        else:
            places, line = _starts(lengths), rows.astype(np.int32)
        return line, places

    def describe(self) -> str:
        """One line on what the fit trains on."""
        return (
            f"Training on {len(self.rows)} rows in {len(self.lengths)} run(s), tiled in"
            f" {self.batch_size} lane(s) by {self.sequence_length} row(s)."
        )


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where runs of these lengths begin, laid end to end."""
    return np.cumsum(lengths) - lengths


def _moved(starts: np.ndarray, to: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Places of the rows of runs that begin at `to` instead of at `starts`."""
    return np.arange(lengths.sum()) + np.repeat(to - starts, lengths)


def _most_shift(length: int, n_steps: int) -> int:
    """By how many rows the cuts of a lane may move."""
    room = -length % n_steps
    return room if 4 * room >= n_steps else n_steps - 1


def tile_batches(n_rows: int, batch_size: int, sequence_length: int) -> int:
    """Batches that suffice for a line of so many rows, wherever its tiles are cut.

    Examples
    --------
    >>> tile_batches(100, 4, 10)
    5
    """
    longest = -(-n_rows // batch_size) + sequence_length  # aligned lanes differ by one
    return -(-(longest + sequence_length - 1) // sequence_length)


@dataclass(frozen=True, eq=False)
class Stretch:
    """Steps that some series take side by side, one row of each at every step.

    Parameters
    ----------
    series : ndarray of int of shape (n_lanes,)
        Which series the lanes are.
    rows : ndarray of int of shape (n_steps, n_lanes)
        The row that each takes at each step; ``EMPTY`` where it has no more.
    """

    series: np.ndarray
    rows: np.ndarray

    @property
    def is_full(self) -> bool:
        """Whether every lane has a row at every step."""
        return bool((self.rows[-1] != EMPTY).all())


def side_by_side(codes: np.ndarray, n_series: int) -> list[Stretch]:
    """Every series in a lane of its own, the longer ones in ever fewer lanes.

    Series of very different lengths would leave most of one table empty. So the table
    is cut where it has doubled in length, and series that have ended get no lane after
    the cut: at most about half of it is empty.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows,)
        The series that each row belongs to; its rows are in time order.
    n_series : int

    Examples
    --------
    >>> import numpy as np
    >>> for stretch in side_by_side(np.array([0, 1, 0, 0, 0]), 2):
    ...     print(stretch.series, stretch.rows.tolist())
    [0 1] [[0, 1]]
    [0] [[2], [3], [4]]
    """
    counts = np.bincount(codes, minlength=n_series)  # (S,)
    if n_series == 1:
        rows = np.arange(len(codes), dtype=np.int32)[:, np.newaxis]
        return [Stretch(np.zeros(1, int), rows)] if len(codes) else []
    order = np.argsort(codes, kind="stable")
    firsts = np.cumsum(counts) - counts
    series = np.argsort(-counts, kind="stable")
    series = series[counts[series] > 0]  # longest first
    stretches, begin = [], 0
    while len(series):
        end = max(2 * begin, int(counts[series[-1]]))
        steps = np.arange(begin, min(end, int(counts[series[0]])))
        at = firsts[series] + steps[:, np.newaxis]  # (n_steps, n_lanes)
        has_row = steps[:, np.newaxis] < counts[series]
        rows = np.where(has_row, order[np.minimum(at, len(order) - 1)], EMPTY)
        stretches.append(Stretch(series, rows.astype(np.int32)))
        series = series[counts[series] > end]
        begin = end
    return stretches
