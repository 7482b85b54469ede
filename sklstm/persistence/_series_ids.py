"""Ids of series as arrays of a file, and back.

This module owns the kinds of ids that a file holds. What an index has besides its
values, its names and dtypes, is JSON; the values are arrays, since there may be more of
them than a header has room for. Ids that were read back are checked: there is a value
for each series, none is missing, and none comes twice.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklstm._archive import Arrays, PersistenceError
from sklstm._later import pd
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_count,
    is_frequency,
    is_zone,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._keras_config import NotDataError
from sklstm.persistence._plain import decode, encode

_NUMBERS = [f"{sign}int{n_bits}" for sign in ("", "u") for n_bits in (8, 16, 32, 64)]
_NUMBERS += ["float32", "float64", "bool"]
_UNITS = ("s", "ms", "us", "ns")
_TEXTS = ("str", "string", "object")  # dtypes of an index of strings
_MISSING = np.iinfo(np.int64).min  # NaT, among dates, durations and periods
_FIRST_DAY, _LAST_DAY = (
    (day - datetime.date(1970, 1, 1)).days
    for day in (datetime.date.min, datetime.date.max)
)
# Types of Python's that may be mixed in an index of objects. Their place in the tuple
# is their number in a file.
_TYPES = (str, int, float, bool)


# --- to arrays ------------------------------------------------------------------------


class IdsWriter:
    """Puts ids into the arrays of a file, each index once.

    Parameters
    ----------
    arrays : dict of str to ndarray
        To which ids are added.
    """

    def __init__(self, arrays: Arrays):
        self._arrays = arrays
        self._written: list[pd.Index] = []
        self.described: list[list[dict[str, Any]]] = []  # the levels of each index

    def put(self, ids: pd.Index | None) -> int | None:
        """The number of `ids` among those of the file; None for no ids.

        Raises PersistenceError for ids that are no data.
        """
        if ids is None:
            return None
        for number, other in enumerate(self._written):
            if ids is other:
                return number
        number = len(self._written)
        levels = [ids.get_level_values(i) for i in range(ids.nlevels)]
        self.described.append(
            [
                {
                    "name": _encode_name(level),
                    **self._put(f"series/{number}/{i}", level),
                }
                for i, level in enumerate(levels)
            ]
        )
        self._written.append(ids)
        return number

    def _put(self, name: str, level: pd.Index) -> dict[str, Any]:
        """The kind of the ids of one level, whose values go into the arrays."""
        dtype = level.dtype
        if isinstance(level, pd.PeriodIndex):
            self._arrays[name] = level.asi8
            return {"kind": "periods", "freq": dtype.name[len("period[") : -1]}
        if isinstance(level, pd.DatetimeIndex):
            self._arrays[name] = level.asi8
            return {"kind": "dates", "unit": level.unit, "zone": _zone(level)}
        if isinstance(level, pd.TimedeltaIndex):
            self._arrays[name] = level.asi8
            return {"kind": "durations", "unit": level.unit}
        if isinstance(dtype, np.dtype) and dtype.name in _NUMBERS:
            values = level.to_numpy()
            is_bool = dtype.kind == "b"
            self._arrays[name] = values.astype(np.uint8) if is_bool else values
            return {"kind": "numbers", "dtype": dtype.name}
        return self._put_objects(name, level)

    def _put_objects(self, name: str, level: pd.Index) -> dict[str, Any]:
        is_text = isinstance(level.dtype, pd.StringDtype)
        if not is_text and level.dtype != object:
            raise _not_data(level)
        values = [v.item() if isinstance(v, np.generic) else v for v in level]
        kinds = set(map(type, values))
        if kinds == {datetime.date}:
            self._arrays[name] = np.array(values, "M8[D]").view(np.int64)
            return {"kind": "days"}
        if not kinds <= set(_TYPES):
            raise _not_data(level)
        if kinds <= {str}:
            self._put_texts(name, values)
            dtype = str(level.dtype) if is_text else "object"
            return {"kind": "texts", "dtype": dtype}
        try:
            self._put_texts(name, [str(v) for v in values])
        except ValueError:  # an integer of thousands of digits
            raise _not_data(level) from None
        types = np.array([_TYPES.index(type(v)) for v in values], np.uint8)
        self._arrays[f"{name}/types"] = types
        return {"kind": "mixed"}

    def _put_texts(self, name: str, texts: list[str]) -> None:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._arrays[f"{name}/text"] = np.frombuffer(b"".join(encoded), np.uint8)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self._arrays[f"{name}/ends"] = np.cumsum(lengths)


def _encode_name(level: pd.Index) -> Any:
    try:
        return encode(level.name)
    except NotDataError:
        raise PersistenceError(
            f"Series ids named {level.name!r} cannot be saved: a file holds names that"
            " are strings or numbers. Give the column or level of ids such a name"
            " before fit."
        ) from None


def _zone(dates: pd.DatetimeIndex) -> str | None:
    """The name by which pandas finds a time zone in which these dates are the same."""
    if dates.tz is None:
        return None
    name = str(dates.tz)
    of_file = name.partition("zoneinfo/")[2].rstrip("')")  # as dateutil names zones
    for zone in filter(is_zone, (name, of_file)):
        if dates.tz_convert(zone).tz_localize(None).equals(dates.tz_localize(None)):
            return zone
    raise _not_data(dates)


def _not_data(level: pd.Index) -> PersistenceError:
    types = ", ".join(sorted({type(value).__name__ for value in level}))
    return PersistenceError(
        f"Series ids of dtype {level.dtype} (of type {types[:200]}) cannot be"
        " saved: a file holds ids that are integers, floats of 32 or 64 bits, bools,"
        " strings, dates with or without a named time zone, durations or periods, and"
        " several levels of these. Convert the ids before fit, for example with"
        " astype(str)."
    )


# --- from arrays ----------------------------------------------------------------------


def take_ids(store: Store, described: list[Any]) -> list[pd.Index]:
    """The ids that an `IdsWriter` described and put into arrays.

    Raises PersistenceError for anything that it does not write.
    """
    taken = [
        _take_index(store, f"series/{number}", levels)
        for number, levels in enumerate(described)
    ]
    if len({ids.nlevels for ids in taken}) > 1:
        raise damaged("the levels of its series ids", [ids.nlevels for ids in taken])
    return taken


def ids_of(fields: Fields, ids: Sequence[pd.Index]) -> pd.Index | None:
    """The ids that a part of the header refers to by their number among all ids."""
    number = fields.take("series", or_none(is_count))
    if number is not None and number >= len(ids):
        raise damaged("the number of an index of series", number)
    return None if number is None else ids[number]


def _take_index(store: Store, name: str, levels: list[Any]) -> pd.Index:
    if not levels:
        raise damaged("the levels of its series ids", levels)
    indexes: list[pd.Index] = []
    for i, level in enumerate(levels):
        fields = Fields(level, "its series ids")
        kind = fields.take("kind", one_of(*_TAKERS))
        with refusing("its series ids cannot be read"):
            index = _TAKERS[kind](store, f"{name}/{i}", fields)
        if index.hasnans:
            raise damaged("a series id", None)
        if indexes and len(index) != len(indexes[0]):
            raise damaged("the number of its series ids", len(index))
        indexes.append(index.rename(_name(fields)))
    ids = indexes[0]
    if len(indexes) > 1:
        names = [index.name for index in indexes]
        ids = pd.MultiIndex.from_arrays(indexes, names=names)
    if not ids.is_unique:
        raise damaged("a series id that comes twice", ids[ids.duplicated()][0])
    return ids


def _name(fields: Fields) -> Any:
    name = decode(fields.values.get("name"))
    if not _is_name(name):
        raise damaged("the name of its series ids", name)
    return name


def _is_name(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_name, value))
    return value is None or type(value) in (str, int, float, bool)


def _take_numbers(store: Store, name: str, fields: Fields) -> pd.Index:
    dtype = fields.take("dtype", one_of(*_NUMBERS))
    if dtype != "bool":
        return pd.Index(store.take(name, (None,), dtype))
    flags = store.take(name, (None,), "uint8")
    if (flags > 1).any():
        raise damaged("a series id that is True or False", int(flags.max()))
    return pd.Index(flags.astype(bool))


def _take_dates(store: Store, name: str, fields: Fields) -> pd.Index:
    unit = fields.take("unit", one_of(*_UNITS))
    zone = fields.take("zone", or_none(is_zone))
    dates = pd.DatetimeIndex(_take_ordinals(store, name).view(f"M8[{unit}]"))
    return dates if zone is None else dates.tz_localize("UTC").tz_convert(zone)


def _take_durations(store: Store, name: str, fields: Fields) -> pd.Index:
    unit = fields.take("unit", one_of(*_UNITS))
    return pd.TimedeltaIndex(_take_ordinals(store, name).view(f"m8[{unit}]"))


def _take_periods(store: Store, name: str, fields: Fields) -> pd.Index:
    dtype = pd.PeriodDtype(fields.take("freq", is_frequency))
    periods = pd.arrays.PeriodArray(_take_ordinals(store, name), dtype=dtype)
    return pd.PeriodIndex(periods)


def _take_ordinals(store: Store, name: str) -> np.ndarray:
    ordinals = store.take(name, (None,), "int64")
    if (ordinals == _MISSING).any():
        raise damaged("a series id", None)
    return ordinals


def _take_days(store: Store, name: str, fields: Fields) -> pd.Index:
    days = store.take(name, (None,), "int64")
    if ((days < _FIRST_DAY) | (days > _LAST_DAY)).any():
        raise damaged("a series id that is a date", [int(days.min()), int(days.max())])
    return pd.Index(days.view("M8[D]").astype(object), dtype=object)


def _take_text_ids(store: Store, name: str, fields: Fields) -> pd.Index:
    dtype = fields.take("dtype", one_of(*_TEXTS))
    return pd.Index(_take_texts(store, name), dtype=dtype)


def _take_mixed(store: Store, name: str, fields: Fields) -> pd.Index:
    texts = _take_texts(store, name)
    types = store.take(f"{name}/types", (len(texts),), "uint8")
    if (types >= len(_TYPES)).any():
        raise damaged("the type of a series id", int(types.max()))
    pairs = zip(types.tolist(), texts, strict=True)
    values = [_parsed(_TYPES[number], text) for number, text in pairs]
    return pd.Index(values, dtype=object)


def _parsed(kind: type, text: str) -> Any:
    value = text == "True" if kind is bool else kind(text)
    if str(value) != text:
        raise damaged(f"a series id of type {kind.__name__}", text)
    return value


def _take_texts(store: Store, name: str) -> list[str]:
    ends = store.take(f"{name}/ends", (None,), "int64")
    text = store.take(f"{name}/text", (None,), "uint8")
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    last = int(ends[-1]) if len(ends) else 0
    if (ends < starts).any() or last != len(text):
        raise damaged("where the text of its last series id ends", last)
    whole, places = text.tobytes(), zip(starts.tolist(), ends.tolist(), strict=True)
    return [whole[a:b].decode("utf-8", "surrogatepass") for a, b in places]


_TAKERS: dict[str, Callable[[Store, str, Fields], pd.Index]] = {
    "numbers": _take_numbers,
    "dates": _take_dates,
    "durations": _take_durations,
    "periods": _take_periods,
    "days": _take_days,
    "texts": _take_text_ids,
    "mixed": _take_mixed,
}
