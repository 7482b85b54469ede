"""From a file to the states of a fit, and to what it remembers of its rows.

A state has lanes that take the windows of one series in turns, or a lane for each
series. Which of the two it is, the recipe and the header must agree on, and every array
must have as many entries as there are lanes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sklstm._compiled.outputs import zero_state
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._later import pd
from sklstm._rows.continuity import TimeAxis
from sklstm._rows.input_shape import InputShape
from sklstm._rows.state import NEVER, RecurrentState
from sklstm._rows.training_rows import TrainingRows, Untrained
from sklstm._training.recipe import Recipe
from sklstm.persistence._checked import (
    Check,
    Fields,
    Store,
    damaged,
    is_bool,
    is_count,
    is_frequency,
    is_list_of,
    is_side,
    is_str,
    is_zone,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._series_ids import ids_of

_REAL = "fiu"  # kinds of dtypes that a state may have beside its layers
_LARGEST_POSITION = 2**62  # so that the rows of one more call do not overflow
_MOST_CONTEXT = 2**24  # numbers for each series to come, if the file holds no series
_MOST_UNITS_OF_CALENDAR = 4_000_000  # days, or months, from the year 1 to 9999


class SavedStates:
    """The states in a header and arrays, with the rows and ids that go with them.

    Parameters
    ----------
    recipe : Recipe
    encoder : RowEncoder or None
    input_shape : InputShape
    ids : list of Index
        All ids of the file.
    fields : Fields
        The header.
    store : Store
        The arrays.
    """

    def __init__(
        self,
        recipe: Recipe,
        encoder: RowEncoder | None,
        input_shape: InputShape,
        ids: list[pd.Index],
        fields: Fields,
        store: Store,
    ):
        self._recipe, self._encoder = recipe, encoder
        self._shape, self._store, self._ids = input_shape, store, ids
        self._input, self._fields = fields.within("input"), fields.within("states")
        self._check_ids()
        with refusing("its network has no states"):
            self._zero = zero_state(recipe.network, input_shape.n_features)

    def _check_ids(self) -> None:
        """Raise unless the ids are those of the columns that tell series apart."""
        shape = self._shape
        n_levels = {ids.nlevels for ids in self._ids}
        if shape.series_id is not None and n_levels != {_n_columns(shape.series_id)}:
            raise damaged("series_id in input, for other ids", shape.series_id)
        if shape.n_steps is not None and (n_levels or self._recipe.is_tiled):
            raise damaged("n_dimensions in input, for rows of series", 3)

    @property
    def _sides(self) -> tuple[int, ...]:
        """The shape of a row, or of a ready-made window."""
        shape = self._shape
        steps = () if shape.n_steps is None else (shape.n_steps,)
        return (*steps, shape.n_features)

    # --- states ---------------------------------------------------------------------

    def states(self) -> dict[str, Any]:
        """The state, the one after the fit, and the rows that wait after a third."""
        by_series = self._are_by_series()
        state, seeded = (self._state(n, by_series) for n in ("state", "seeded"))
        if by_series and (state.series is None) != (seeded.series is None):
            raise damaged("the series of its state, for others in fit", state.series)
        self._check_scaled_series(state.series)
        waiting = None
        if "waiting" in self._fields.values:
            if by_series:
                raise damaged("waiting in states, which are by series", "rows")
            waiting = self._untrained()
        return {
            "state": state,
            "seeded": seeded,
            "zero": self._state_before(seeded),
            "waiting": waiting,
        }

    def _check_scaled_series(self, series: pd.Index | None) -> None:
        """Raise if series with names have an encoder without, or the reverse."""
        if self._encoder is None:
            return
        scaled = self._encoder.series
        if (scaled is None) != (series is None):
            raise damaged("series in encoder, for others in state", scaled)

    def _are_by_series(self) -> bool:
        """Whether states have a lane for each series: positions are then arrays."""
        position = self._fields.within("state").take("position", or_none(is_count))
        is_stateful = self._recipe.batch_size is not None
        if is_stateful and self._recipe.is_tiled != (position is None):
            raise damaged("position in state, for windows of another kind", position)
        return position is None

    def _state_before(self, seeded: RecurrentState) -> RecurrentState:
        """The state before any row of the fit."""
        if not seeded.is_by_series:
            return self._zero.replace(series=seeded.series)
        zeros = tuple(tuple(map(np.zeros_like, arrays)) for arrays in seeded.layers)
        return RecurrentState(
            zeros,
            np.zeros_like(seeded.context),
            np.zeros_like(seeded.position),
            None,
            seeded.series,
            np.full(len(seeded.position), NEVER),
        )

    def _state(self, name: str, by_series: bool) -> RecurrentState:
        fields, store = self._fields.within(name), self._store
        series = ids_of(fields, self._ids)
        position: Any
        if by_series:
            fields.take("position", _is_none)
            position, n = self._positions(name, series)
            lanes: tuple[int, ...] = (n,)
        else:
            position, n, lanes = fields.take("position", is_count), 1, ()
        n_unnamed = 0 if self._shape.is_sequences else 1
        if n != (n_unnamed if series is None else len(series)):
            raise damaged(f"the number of series in {name}", n)
        layers = [
            store.take_all(f"{name}/{i}", [_like(array, lanes) for array in arrays])
            for i, arrays in enumerate(self._zero.layers)
        ]
        last_output = last_seen = None
        if fields.take("has_output", is_bool):
            shape = (*lanes, self._recipe.n_outputs)
            last_output = store.take(f"{name}/last_output", shape, _REAL)
        if fields.take("has_last_seen", or_none(is_bool)):
            last_seen = store.take(f"{name}/last_seen", (n,), "int64")
        return RecurrentState(
            tuple(map(tuple, layers)),
            self._context(name, lanes),
            position,
            last_output,
            series,
            last_seen,
        )

    def _positions(self, name: str, series: pd.Index | None) -> tuple[np.ndarray, int]:
        """The position of each series, and how many there are."""
        if series is None and not self._recipe.is_tiled:
            raise damaged(f"series in {name}, where states are by series", None)
        position = self._store.take(f"{name}/position", (None,), "int64")
        if ((position < 0) | (position > _LARGEST_POSITION)).any():
            raise damaged(f"position in {name}", position.tolist())
        return position, len(position)

    def _context(self, name: str, lanes: tuple[int, ...]) -> np.ndarray:
        length = self._recipe.sequence_length
        shape: tuple[int | None, ...] = (None, self._shape.n_features)
        if lanes and not self._recipe.is_tiled:
            shape = (*lanes, length - 1, self._shape.n_features)
        n_before = 0 if self._encoder is None else self._encoder.n_context
        if n_before:
            shape = (*lanes, n_before, self._shape.n_features)
            if lanes == (0,) and n_before * self._shape.n_features > _MOST_CONTEXT:
                raise damaged("the last lag of its encoder", n_before - 1)
        context = self._store.take(f"{name}/context", shape, _REAL)
        if context.ndim == 2 and len(context) >= length:
            raise damaged("rows before the next window", len(context))
        return context

    def _untrained(self) -> Untrained:
        n_outputs = self._recipe.n_outputs
        shape = (None, *self._sides)
        X = self._store.take("waiting/X", shape, "float32")
        targets = self._store.take("waiting/targets", (len(X), None), "float32")
        if targets.shape[1] not in (1, n_outputs):
            raise damaged("the width of targets that wait", targets.shape[1])
        n_sides = len(self._store.shape("waiting/weights"))
        by_output = targets.shape[1] > 1 and n_sides == 2
        shape = targets.shape if by_output else targets.shape[:1]
        weights = self._store.take("waiting/weights", shape, "float32")
        return Untrained(X, targets, weights, self._state("waiting", by_series=False))

    # --- rows of the fit ------------------------------------------------------------

    def training_rows(self) -> TrainingRows | None:
        """How the rows of the fit were read."""
        if self._input.values.get("training_rows") is None:
            return None
        rows = self._input.within("training_rows")
        series, first, last = ids_of(rows, self._ids), None, None
        n = 1 if series is None else len(series)
        lengths, digests = self._content_of(rows, n)
        if rows.take("has_labels", or_none(is_bool)):
            first = self._store.take("training_rows/first", (n,), "int64")
            last = self._store.take("training_rows/last", (n,), "int64")
        return TrainingRows(
            lengths,
            digests,
            rows.take("n_dropped", is_count),
            rows.take("start_position", is_count),
            series,
            first,
            last,
        )

    def _content_of(self, rows: Fields, n: int) -> tuple[np.ndarray, np.ndarray]:
        """How many rows each of `n` series had, and digests of them."""
        if "digest" in rows.values:  # format 1, of one series
            shape = rows.take("shape", is_list_of(is_side))
            if shape[1:] != list(self._sides) or n != 1:
                raise damaged("the shape of its training rows", shape)
            digest = bytes.fromhex(rows.take("digest", _is_digest))
            return np.array(shape[:1]), np.frombuffer(digest, np.uint8)[np.newaxis]
        lengths = self._store.take("training_rows/lengths", (n,), "int64")
        if (lengths < 1).any():
            raise damaged("the numbers of its training rows", lengths.tolist())
        return lengths, self._store.take("training_rows/digests", (n, 16), "uint8")

    def axis(self) -> TimeAxis | None:
        """How time labels are counted."""
        if self._input.values.get("axis") is None:
            return None
        fields = self._input.within("axis")
        kind = fields.take("kind", one_of("datetime", "period", "integer"))
        is_date, is_period = kind == "datetime", kind == "period"
        axis = TimeAxis(
            kind,
            step=fields.take("step", or_none(_is_step)),
            calendar=fields.take("calendar", _only(is_date, or_none(_is_calendar))),
            unit=fields.take("unit", _only(is_date, one_of("us", "ns"))),
            tz=fields.take("tz", _only(is_date, or_none(is_zone))),
            freq=fields.take("freq", _only(is_period, is_frequency)),
        )
        if axis.calendar and not 0 < (axis.step or 0) <= _MOST_UNITS_OF_CALENDAR:
            raise damaged("the step of its calendar", axis.step)
        return axis


def _n_columns(series_id: Any) -> int:
    return len(series_id) if isinstance(series_id, list | tuple | np.ndarray) else 1


def _like(array: np.ndarray, lanes: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of an array for the same lanes, or for `lanes` if there are."""
    return (*(lanes or array.shape[:1]), *array.shape[1:]), array.dtype.name


def _only(applies: bool, fits: Check) -> Check:
    """The check `fits` if it applies, else None alone."""
    return fits if applies else _is_none


def _is_none(value: Any) -> bool:
    return value is None


def _is_step(value: Any) -> bool:
    """Whether `value` is a positive int that fits into an int64."""
    return is_count(value) and value > 0


def _is_calendar(value: Any) -> bool:
    """Whether `value` is a calendar of `TimeAxis`; one without an open day is none."""
    is_week = is_str(value) and re.fullmatch("[01]{7}", value) and "1" in value
    return bool(is_week) or value in ("month", "day of month")


def _is_digest(value: Any) -> bool:
    """Whether `value` is 16 bytes in lower-case hexadecimal digits."""
    return is_str(value) and len(value) == 32 and set(value) <= set("0123456789abcdef")
