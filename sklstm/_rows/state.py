"""What a network remembers between two calls, for one series or for many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklstm._later import pd

NEVER = np.iinfo(np.int64).min  # the time label of no row
LARGEST = np.finfo(np.float32).max  # of the numbers that rows and states hold


@dataclass(frozen=True, eq=False)
class RecurrentState:
    """State of every recurrent layer, with the rows and the count that go with it.

    A value: its arrays are read-only, and whoever advances it makes a new one.

    With sliding windows of one series there are `batch_size` lanes, which take its
    windows in turns. With tiled windows, and for a panel, there is one lane for each
    series, and `position`, `last_output` and `last_seen` have an entry for each.

    Parameters
    ----------
    layers : tuple of tuple of ndarray of shape (n_lanes, units)
        For each recurrent layer its state arrays: ``(h, c)`` for an LSTM, ``(h,)``
        for a GRU or a simple recurrent layer. Empty for a stateless network with
        sliding windows.
    context : ndarray of shape (n_context, n_features) or \
            (n_series, sequence_length - 1, n_features)
        The last rows seen, which the next windows reach back into: at most
        ``sequence_length - 1`` of one series; of many, the newest at the end, and zeros
        where a series has had fewer rows. Tiled windows need none.
    position : int or ndarray of int of shape (n_series,)
        Windows that the lanes have taken since the last reset: the next one goes to
        lane ``position % batch_size``. By series: the rows that each has had.
    last_output : ndarray of shape (n_outputs,) or (n_series, n_outputs), or None
        Network output for the last row seen; None right after a reset, NaN for a series
        that was reset.
    series : Index of shape (n_series,) or None
        Ids of the series; None for one series without a name.
    last_seen : ndarray of int64 of shape (n_series,) or None
        The time label of each series' last row, as a count of the steps of its index;
        the smallest int64 where none is known. None where rows have no time label.

    Examples
    --------
    >>> import numpy as np
    >>> state = RecurrentState(((np.ones((2, 3)), np.zeros((2, 3))),), np.ones((0, 1)))
    >>> state.shapes
    (((2, 3), (2, 3)),)
    """

    layers: tuple[tuple[np.ndarray, ...], ...]
    context: np.ndarray
    position: Any = 0  # an int, or an array by series
    last_output: np.ndarray | None = None
    series: Any = None  # an Index, or None
    last_seen: np.ndarray | None = None

    def __post_init__(self):
        layers = tuple(tuple(map(_frozen, arrays)) for arrays in self.layers)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "context", _frozen(_single(self.context)))
        if self.last_output is not None:
            last_output = _frozen(_single(self.last_output))
            object.__setattr__(self, "last_output", last_output)
        if self.last_seen is not None:
            object.__setattr__(self, "last_seen", _frozen(self.last_seen))
        if isinstance(self.position, np.ndarray) and self.position.ndim:
            object.__setattr__(self, "position", _frozen(self.position))
        elif isinstance(self.position, np.integer):  # a narrow one would overflow
            object.__setattr__(self, "position", int(self.position))

    def __reduce__(self):
        # through the constructor: unpickled and copied arrays would be writeable
        fields = (self.layers, self.context, self.position, self.last_output)
        return RecurrentState, (*fields, self.series, self.last_seen)

    @property
    def is_by_series(self) -> bool:
        """Whether there is a lane, and a position, for each series."""
        return isinstance(self.position, np.ndarray) and self.position.ndim > 0

    @property
    def is_cold(self) -> bool:
        """Whether no row was seen since the last reset."""
        has_context = self.context.ndim == 2 and len(self.context) > 0
        return not np.any(self.position) and not has_context

    def has_rows(self, lanes: np.ndarray) -> np.ndarray:
        """Whether a row was seen of some series since they were reset, by lane.

        False where `lanes` is -1, for series that are not known.
        """
        if not self.is_by_series:
            return np.full(len(lanes), not self.is_cold)
        return np.append(self.position, 0)[lanes] > 0

    @property
    def h(self) -> tuple[np.ndarray, ...]:
        """Hidden state of each layer, of shape (batch_size, units)."""
        return tuple(arrays[0] for arrays in self.layers)

    @property
    def c(self) -> tuple[np.ndarray, ...]:
        """Cell state of each layer that has one, of shape (batch_size, units)."""
        return tuple(arrays[1] for arrays in self.layers if len(arrays) > 1)

    @property
    def shapes(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Shapes of the layers' arrays."""
        return tuple(tuple(a.shape for a in arrays) for arrays in self.layers)

    def reset(self) -> RecurrentState:
        """The state before any row: zeros, no context, position 0."""
        if self.is_by_series:
            return self.reset_lanes(np.arange(len(self.position)))
        zeros = tuple(tuple(np.zeros_like(a) for a in arrays) for arrays in self.layers)
        return RecurrentState(zeros, self.context[:0])

    def replace(self, **changes: Any) -> RecurrentState:
        """A copy with some fields changed."""
        return replace(self, **changes)

    # --- by series --------------------------------------------------------------------

    def reset_lanes(self, lanes: np.ndarray) -> RecurrentState:
        """The state with some series as before any row."""
        layers = tuple(tuple(_zeroed(a, lanes) for a in layer) for layer in self.layers)
        last_output, last_seen = self.last_output, self.last_seen
        if last_output is not None:
            last_output = _with(last_output, lanes, np.nan)
        if last_seen is not None:
            last_seen = _with(last_seen, lanes, NEVER)
        context = self.context
        if context.ndim == 3:
            context = _zeroed(context, lanes)
        position = _zeroed(self.position, lanes)
        return replace(
            self,
            layers=layers,
            context=context,
            position=position,
            last_output=last_output,
            last_seen=last_seen,
        )

    def take_lanes(self, lanes: np.ndarray) -> RecurrentState:
        """The state of some series; zero where `lanes` is -1, for those not known."""

        def taken(array, unknown=0):
            known = np.append(array, np.full_like(array[:1], unknown), axis=0)
            if not len(array):
                known = np.full((1, *array.shape[1:]), unknown, array.dtype)
            return known[lanes]

        last_output, last_seen = self.last_output, self.last_seen
        return RecurrentState(
            tuple(tuple(map(taken, layer)) for layer in self.layers),
            taken(self.context) if self.context.ndim == 3 else self.context,
            taken(self.position),
            None if last_output is None else taken(last_output, np.nan),
            None,
            None if last_seen is None else taken(last_seen, NEVER),
        )

    def put_lanes(
        self, lanes: np.ndarray, ids: pd.Index | None, after: RecurrentState
    ) -> RecurrentState:
        """The state with that of some series changed, and those not known joined.

        Parameters
        ----------
        lanes : ndarray of int of shape (n,)
            As in `take_lanes`.
        ids : Index of shape (n,) or None
        after : RecurrentState
            Of these n series.
        """
        new = lanes < 0
        if not new.any() and np.array_equal(lanes, np.arange(len(self.position))):
            return replace(after, series=self.series)
        n_known = len(self.position)
        at = np.where(new, n_known + np.cumsum(new) - 1, lanes)

        def put(before, value):
            room = np.zeros((int(new.sum()), *before.shape[1:]), before.dtype)
            together = np.concatenate([before, room])
            together[at] = value
            return together

        series = self.series
        if ids is not None and new.any():
            joining = (
                ids[new]
                if self.series is None
                else ids[new].set_names(self.series.names)
            )
            series = joining if not n_known else self.series.append(joining)
        last_output, last_seen = after.last_output, after.last_seen
        if last_output is not None or self.last_output is not None:
            last_output = put(*_outputs_of(self, after))
        if last_seen is not None or self.last_seen is not None:
            known, given = (
                np.full(len(state.position), NEVER)
                if state.last_seen is None
                else state.last_seen
                for state in (self, after)
            )
            last_seen = put(known, given)
        layers = tuple(
            tuple(put(old, value) for old, value in zip(*pair, strict=True))
            for pair in zip(self.layers, after.layers, strict=True)
        )
        context = self.context
        if context.ndim == 3:
            context = put(context, after.context)
        position = put(self.position, after.position)
        return RecurrentState(layers, context, position, last_output, series, last_seen)

    def without_lanes(self, lanes: np.ndarray) -> RecurrentState:
        """The state without some series."""
        kept = np.delete(np.arange(len(self.position)), lanes)
        state = self.take_lanes(kept)
        return replace(state, series=self.series[kept])


def joined_states(states: list[RecurrentState]) -> RecurrentState:
    """States by series side by side, the lanes of each after those of the one before.

    The series have no names, as the same one may be there several times, and nothing is
    known of the labels and outputs of the last rows.
    """
    layers = zip(*(state.layers for state in states), strict=True)
    context = states[0].context
    if context.ndim == 3:
        context = np.concatenate([state.context for state in states])
    return RecurrentState(
        tuple(
            tuple(np.concatenate(arrays) for arrays in zip(*layer, strict=True))
            for layer in layers
        ),
        context,
        np.concatenate([state.position for state in states]),
    )


def _outputs_of(*states: RecurrentState) -> list[np.ndarray]:
    """The last outputs of states, NaN for all series of a state that has none."""
    (n_outputs, *_) = (
        state.last_output.shape[1] for state in states if state.last_output is not None
    )
    return [
        np.full((len(state.position), n_outputs), np.nan, np.float32)
        if state.last_output is None
        else state.last_output
        for state in states
    ]


def _zeroed(array: np.ndarray, lanes: np.ndarray) -> np.ndarray:
    return _with(array, lanes, 0)


def _with(array: np.ndarray, lanes: np.ndarray, value) -> np.ndarray:
    """A copy with entries changed."""
    array = array.copy()
    array[lanes] = value
    return array


def _single(array) -> np.ndarray:
    """Numbers as float32, which rows and outputs are whatever the layers compute in."""
    array = np.asarray(array)
    if array.dtype == np.float32:
        return array
    if array.dtype.kind not in "biuf":
        return array  # for `check_values` to refuse
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _frozen(array) -> np.ndarray:
    """A read-only array that nobody else can write to."""
    if (
        isinstance(array, np.ndarray)
        and not array.flags.writeable
        and array.base is None
    ):
        return array
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
