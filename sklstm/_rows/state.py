"""What a stateful network remembers between two calls: plain NumPy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

LARGEST = np.finfo(np.float32).max  # of the numbers that rows and states hold


@dataclass(frozen=True, eq=False)
class RecurrentState:
    """State of every recurrent layer, with the rows and the count that go with it.

    A value: its arrays are read-only, and whoever advances it makes a new one.

    Parameters
    ----------
    layers : tuple of tuple of ndarray of shape (batch_size, units)
        For each recurrent layer its state arrays: ``(h, c)`` for an LSTM, ``(h,)``
        for a GRU. Empty for a stateless network.
    context : ndarray of shape (n_context, n_features)
        The last rows seen, at most ``sequence_length - 1`` of them, which the next
        windows reach back into.
    position : int
        Windows the lanes have taken since the last reset: the next one goes to lane
        ``position % batch_size``.
    last_output : ndarray of shape (n_outputs,) or None
        Network output for the last row seen; None right after a reset.

    Examples
    --------
    >>> import numpy as np
    >>> state = RecurrentState(((np.ones((2, 3)), np.zeros((2, 3))),), np.ones((0, 1)))
    >>> state.shapes
    (((2, 3), (2, 3)),)
    """

    layers: tuple[tuple[np.ndarray, ...], ...]
    context: np.ndarray
    position: int = 0
    last_output: np.ndarray | None = None

    def __post_init__(self):
        layers = tuple(tuple(map(_frozen, arrays)) for arrays in self.layers)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "context", _frozen(_single(self.context)))
        if self.last_output is not None:
            last_output = _frozen(_single(self.last_output))
            object.__setattr__(self, "last_output", last_output)
        if isinstance(self.position, np.integer):  # a narrow one would overflow
            object.__setattr__(self, "position", int(self.position))

    def __reduce__(self):
        # through the constructor: unpickled and copied arrays would be writeable
        fields = (self.layers, self.context, self.position, self.last_output)
        return RecurrentState, fields

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
        zeros = tuple(tuple(np.zeros_like(a) for a in arrays) for arrays in self.layers)
        return RecurrentState(zeros, self.context[:0])

    def replace(self, **changes) -> RecurrentState:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def check_fits(
        self, other: RecurrentState, sequence_length: int, n_outputs: int
    ) -> None:
        """Raise ValueError unless `other` could take the place of this state."""
        if other.shapes != self.shapes:
            raise ValueError(
                f"The state has layers of shapes {other.shapes}, but this estimator's"
                f" have {self.shapes}: (batch_size, units) each. Pass a state from"
                " get_states() of an estimator with the same units and batch_size."
            )
        dtypes = tuple(tuple(a.dtype.name for a in arrays) for arrays in other.layers)
        own = tuple(tuple(a.dtype.name for a in arrays) for arrays in self.layers)
        if dtypes != own:
            raise ValueError(
                f"The state has layers of dtypes {dtypes}, but this estimator's have"
                f" {own}. Convert them, for example with array.astype(np.float32)."
            )
        n_features = self.context.shape[1]
        if other.context.ndim != 2 or other.context.shape[1] != n_features:
            raise ValueError(
                f"The state has a context of shape {other.context.shape}, but this"
                f" estimator was fitted on rows of {n_features} feature(s)."
            )
        if len(other.context) >= sequence_length:
            raise ValueError(
                f"The state has a context of {len(other.context)} rows, but windows of"
                f" sequence_length={sequence_length} reach back into at most"
                f" {sequence_length - 1}."
            )
        if other.last_output is not None and other.last_output.shape != (n_outputs,):
            raise ValueError(
                f"The state has a last_output of shape {other.last_output.shape}, but"
                f" this estimator's have shape {(n_outputs,)}."
            )
        other.check_values()

    def check_values(self) -> None:
        """Raise ValueError for a position that counts nothing, NaN or infinity."""
        if type(self.position) is not int or self.position < 0:
            raise ValueError(
                "position must be the number of windows taken, an integer of at least"
                f" 0, got {self.position!r}."
            )
        last = () if self.last_output is None else (self.last_output,)
        arrays = (*itertools.chain(*self.layers), self.context, *last)
        strange = [a.dtype.name for a in arrays if a.dtype.kind in "cOSUmM"]
        if strange:
            raise ValueError(
                f"The state holds arrays of dtype {', '.join(strange)}, which are no"
                " real numbers. Take one from get_states()."
            )
        if not all((np.abs(array) < LARGEST).all() for array in arrays):
            raise ValueError(
                "The state contains NaN or infinity, or a value too large for float32."
                " Take one from get_states()."
            )


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
