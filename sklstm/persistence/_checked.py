"""Taking from a file's header and arrays only what fits: JSON may say anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklstm._archive import PersistenceError, shortly

LARGEST_SIDE = 2**31 - 1
Check = Callable[[Any], bool]


class Fields:
    """Entries of a header, each checked when it is taken."""

    def __init__(self, values: Any, where: str):
        if not isinstance(values, dict):
            raise damaged(where, values)
        self.values, self._where = values, where

    def take(self, name: str, fits: Check) -> Any:
        """The entry of that name (None where there is none), if it fits."""
        value = self.values.get(name)
        if not fits(value):
            raise damaged(f"{name} in {self._where}", value)
        return value

    def within(self, name: str) -> Fields:
        """The entries of an entry."""
        return Fields(self.values.get(name), f"{name} in {self._where}")


class Store:
    """Arrays of a file, each taken once; none may be left over."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._left = dict(arrays)

    def shapes(self, prefix: str) -> list[tuple[int, ...]]:
        """Shapes of the arrays ``prefix/0``, ``prefix/1``, ... without taking them."""
        shapes: list[tuple[int, ...]] = []
        while (name := f"{prefix}/{len(shapes)}") in self._left:
            shapes.append(self._left[name].shape)
        return shapes

    def n_values(self, prefix: str) -> int:
        """How many values the arrays ``prefix/0``, ``prefix/1``, ... have."""
        return sum(map(math.prod, self.shapes(prefix)))

    def take(self, name: str, shape: tuple[int | None, ...], dtype: str) -> np.ndarray:
        """The array of that name, if it has that shape (None: any) and dtype.

        A dtype of up to three letters is any dtype of these kinds.
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
        """The arrays ``prefix/0``, ``prefix/1``, ... of those shapes and dtypes."""
        return [self.take(f"{prefix}/{i}", *one) for i, one in enumerate(like)]

    def close(self) -> None:
        """Refuse arrays that nobody took."""
        if self._left:
            raise PersistenceError(
                "is damaged: it has arrays that do not belong there:"
                f" {shortly(sorted(self._left))}. Take an undamaged copy."
            )


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what Keras, or a function of the user's, raises into one kind of error."""
    try:
        yield
    except PersistenceError:
        raise
    except Exception as error:
        raise PersistenceError(
            f"cannot be loaded: {what} ({type(error).__name__}: {str(error)[:500]})"
        ) from error


def damaged(where: str, value: Any) -> PersistenceError:
    """The error for a header with a value that cannot be."""
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
    """An int of at least 0, as NumPy can hold it."""
    return type(value) is int and 0 <= value < 2**63


def is_side(value: Any) -> bool:
    """An int that an array may have as a side."""
    return type(value) is int and 1 <= value <= LARGEST_SIDE


def is_share(value: Any) -> bool:
    """A number from 0 up to, but not including, 1."""
    return type(value) in (int, float) and 0 <= value < 1


def is_list_of(fits: Check) -> Check:
    """A list of such values, which may be empty."""
    return lambda value: isinstance(value, list) and all(map(fits, value))


def is_str(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


def is_dict_of_str(value: Any) -> bool:
    """A dict of strings."""
    return isinstance(value, dict) and all(map(is_str, value.values()))


def one_of(*known: Any) -> Check:
    """One of some strings or ints."""
    return lambda value: type(value) in (int, str) and value in known


def or_none(fits: Check) -> Check:
    """Such a value, or None."""
    return lambda value: value is None or fits(value)
