"""Checked access to the header and the arrays of a file, which may hold anything.

`Fields` returns an entry of the header only if it passes a check, and `Store` an array
only if it has the expected shape and dtype. Otherwise both raise `PersistenceError`.
The checks, functions of one value that return a bool, are at the end of this module.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklstm._archive import PersistenceError, shortly
from sklstm._later import pd

LARGEST_SIDE = 2**31 - 1  # how long a side of an array may be
Check = Callable[[Any], bool]
_ZONE = re.compile(r"[A-Za-z0-9_+:/-]{1,64}|tzlocal\(\)")
_FREQUENCY = re.compile(r"[A-Za-z0-9-]{1,32}")


class Fields:
    """A dict in a header; each entry is checked when it is taken.

    Parameters
    ----------
    values : object
        The dict; PersistenceError is raised if it is something else.
    where : str
        What to call it in errors.
    """

    def __init__(self, values: Any, where: str):
        if not isinstance(values, dict):
            raise damaged(where, values)
        self.values, self._where = values, where

    def take(self, name: str, fits: Check) -> Any:
        """The entry of that name (None if there is none), if `fits` accepts it."""
        value = self.values.get(name)
        if not fits(value):
            raise damaged(f"{name} in {self._where}", value)
        return value

    def within(self, name: str) -> Fields:
        """The entry of that name, which must be a dict, as `Fields` of its own."""
        return Fields(self.values.get(name), f"{name} in {self._where}")


class Store:
    """The arrays of a file. Each is taken once, and `close` refuses any left over."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._left = dict(arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the array of that name, without taking it; () if it is not there."""
        return np.shape(self._left.get(name, 0))

    def shapes(self, prefix: str) -> list[tuple[int, ...]]:
        """Shapes of the arrays ``prefix/0``, ``prefix/1``, ... without taking them."""
        shapes: list[tuple[int, ...]] = []
        while (name := f"{prefix}/{len(shapes)}") in self._left:
            shapes.append(self._left[name].shape)
        return shapes

    def n_values(self, prefix: str) -> int:
        """How many values the arrays ``prefix/0``, ``prefix/1``, ... have in all."""
        return sum(map(math.prod, self.shapes(prefix)))

    def take(self, name: str, shape: tuple[int | None, ...], dtype: str) -> np.ndarray:
        """The array of that name, if it has that shape and dtype.

        A None in `shape` allows any length. `dtype` is the name of a dtype, such as
        "float32", or up to three letters that each allow a kind of NumPy's dtypes, such
        as "iu" for all integers.
        """
        if name not in self._left:
            raise PersistenceError(
                f"is damaged: it has no array {name!r}. Take an undamaged copy."
            )
        array = self._left.pop(name)
        fits = len(shape) == array.ndim and all(
            side in (None, got) for side, got in zip(shape, array.shape, strict=True)
        )
        fits = fits and (
            array.dtype.kind in dtype if len(dtype) <= 3 else array.dtype.name == dtype
        )
        if not fits:
            raise PersistenceError(
                f"is damaged: its array {name!r} should have shape {shape} and dtype"
                f" {dtype}, but has {array.shape} and {array.dtype}. Take an undamaged"
                " copy."
            )
        return array

    def take_all(self, prefix: str, like: list[tuple[tuple, str]]) -> list[np.ndarray]:
        """The arrays ``prefix/0``, ``prefix/1``, ..., one for each shape and dtype."""
        return [self.take(f"{prefix}/{i}", *one) for i, one in enumerate(like)]

    def leave(self, prefix: str) -> None:
        """Leave the arrays ``prefix/0``, ``prefix/1``, ... where they are, unread."""
        for i in range(len(self.shapes(prefix))):
            del self._left[f"{prefix}/{i}"]

    def close(self) -> None:
        """Raise PersistenceError if an array has not been taken."""
        if self._left:
            raise PersistenceError(
                "is damaged: it has arrays that do not belong to its estimator:"
                f" {shortly(sorted(self._left))}. Take an undamaged copy."
            )


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn an error of Keras, or of a user's function, into a PersistenceError.

    `what` says in the error's text what has failed.
    """
    try:
        yield
    except PersistenceError:
        raise
    except Exception as error:
        raise PersistenceError(
            f"cannot be loaded: {what} ({type(error).__name__}: {str(error)[:500]})"
        ) from error


def damaged(where: str, value: Any) -> PersistenceError:
    """The error for a header with an invalid value, which `where` names."""
    return PersistenceError(
        f"is damaged: it has {shortly(value)} as {where}. Take an undamaged copy."
    )


def is_anything(value: Any) -> bool:
    """Any value."""
    return True


def is_dict(value: Any) -> bool:
    """A dict."""
    return isinstance(value, dict)


def is_bool(value: Any) -> bool:
    """True or False."""
    return isinstance(value, bool)


def is_count(value: Any) -> bool:
    """An int of at least 0 that fits into an int64."""
    return type(value) is int and 0 <= value < 2**63


def is_side(value: Any) -> bool:
    """An int that can be the length of an array's side."""
    return type(value) is int and 1 <= value <= LARGEST_SIDE


def is_share(value: Any) -> bool:
    """A number from 0 up to, but not including, 1."""
    return type(value) in (int, float) and 0 <= value < 1


def is_part(value: Any) -> bool:
    """A number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1


def is_list_of(fits: Check) -> Check:
    """A list, which may be empty, of values that all pass a check."""
    return lambda value: isinstance(value, list) and all(map(fits, value))


def is_str(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


def is_dict_of_str(value: Any) -> bool:
    """A dict of strings."""
    return isinstance(value, dict) and all(map(is_str, value.values()))


def is_zone(value: Any) -> bool:
    """The name of a time zone that pandas finds.

    dateutil is not asked, since it would open any file that a name points to.
    """
    if not is_str(value) or not _ZONE.fullmatch(value) or "dateutil" in value:
        return False
    try:
        pd.DatetimeTZDtype("ns", value)
    except Exception:  # pandas raises errors of many types
        return False
    return True


def is_frequency(value: Any) -> bool:
    """The name of a frequency of periods, as pandas writes it."""
    if not is_str(value) or not _FREQUENCY.fullmatch(value):
        return False
    try:
        dtype = pd.PeriodDtype(value)
    except Exception:  # pandas raises errors of many types
        return False
    return dtype.name == f"period[{value}]" and dtype.freq.n > 0


def one_of(*known: Any) -> Check:
    """One of the strings or ints given; True is not taken for 1."""
    return lambda value: type(value) in (int, str) and value in known


def or_none(fits: Check) -> Check:
    """None, or a value that passes a check."""
    return lambda value: value is None or fits(value)
