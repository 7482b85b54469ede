"""Values of parameters as JSON and back: plain data and Keras's own objects.

JSON has no tuples, no dicts with keys other than strings, no infinity, no arrays and no
objects. Each of these is written as a dict with a single key that names its kind, such
as ``{"tuple": [1, 2]}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from sklstm._archive import PersistenceError, shortly
from sklstm.persistence import _keras_config
from sklstm.persistence._keras_config import NotDataError

_DEEPEST = 12  # levels of nesting
_LONGEST_INT = 1024  # bits
_MOST_LABEL_BYTES = 2**24  # of an array that is written as JSON
_DTYPE = re.compile(r"\|(b1|i1|u1|O)|[<>]([iu][248]|f[248]|U[0-9]{1,7})")
_SCALARS = (type(None), bool, int, float, str)
# For each kind of NumPy's dtypes the types that the entries have in JSON.
_KINDS: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (float,),
    "U": (str,),
}
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


# --- to JSON --------------------------------------------------------------------------


def encode(value: Any, depth: int = _DEEPEST) -> Any:
    """`value` as JSON.

    Raises
    ------
    NotDataError
        If `value` is or holds a function, class or object that is not one of Keras's
        own, an array that `encode_array` refuses, or too many levels of nesting.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if depth == 0:
        raise NotDataError
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and value.bit_length() <= _LONGEST_INT:
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, list):
        return [encode(v, depth - 1) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(v, depth - 1) for v in value]}
    if isinstance(value, dict):
        pairs = value.items()
        return {"dict": [[encode(k, 1), encode(v, depth - 1)] for k, v in pairs]}
    if type(value) is np.ndarray:
        return encode_array(value)
    if isinstance(value, FunctionType):
        return {"function": _keras_config.name_of(value)}
    name, config = _keras_config.describe(value)
    return {"keras": [name, encode(config, depth - 1)]}


def encode_array(array: np.ndarray) -> dict[str, list]:
    """A one-dimensional array of at most 16 MiB of numbers or labels, as JSON."""
    if array.ndim != 1 or not _DTYPE.fullmatch(array.dtype.str):
        raise NotDataError
    if array.nbytes > _MOST_LABEL_BYTES:
        raise NotDataError
    return {"array": [array.dtype.str, [encode(v, 1) for v in array.tolist()]]}


def encode_each(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that can be written as JSON, and descriptions of those that cannot.

    Both are dicts by the names of `values`.
    """
    encoded, left_out = {}, {}
    for name, value in values.items():
        try:
            encoded[name] = encode(value)
        except NotDataError:
            left_out[name] = what_is(value)[:200]
    return encoded, left_out


def what_is(value: Any) -> str:
    """A short description of a value that cannot be saved."""
    if isinstance(value, list | tuple | dict):
        parts = value.values() if isinstance(value, dict) else value
        inside = ", ".join(type(part).__name__ for part in [*parts][:3])
        return f"{type(value).__name__} of {inside}"
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    name = getattr(value, "__qualname__", None)
    if callable(value) and name is not None:
        return f"function {value.__module__}.{name}"
    return f"instance of {type(value).__module__}.{type(value).__qualname__}"


# --- from JSON ------------------------------------------------------------------------


def decode(json: Any, depth: int = 2 * _DEEPEST) -> Any:
    """The value that `encode` wrote.

    Raises
    ------
    PersistenceError
        If `json` is not something that `encode` writes.
    """
    if depth == 0:
        raise _unknown(json)
    if isinstance(json, _SCALARS):
        return json
    if isinstance(json, list):
        return [decode(v, depth - 1) for v in json]
    if not isinstance(json, dict) or len(json) != 1:
        raise _unknown(json)
    (kind, inner), *_ = json.items()
    if kind not in _DECODERS:
        raise _unknown(json)
    try:
        return _DECODERS[kind](inner, depth - 1)
    except (NotDataError, TypeError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, PersistenceError):
            raise
        raise _unknown(json) from error


def decode_each(json: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, as `encode_each` wrote them."""
    return {name: decode(value) for name, value in json.items()}


def _decode_dict(pairs: list, depth: int) -> dict:
    values = {decode(key, 1): decode(value, depth) for key, value in pairs}
    if len(values) < len(pairs):
        raise ValueError
    return values


def _decode_tuple(values: list, depth: int) -> tuple:
    if type(values) is not list:
        raise TypeError
    return tuple(decode(values, depth))


def decode_array(dtype: str, values: list) -> np.ndarray:
    """The array that `encode_array` wrote.

    Raises ValueError or TypeError if it did not write it.
    """
    if not _DTYPE.fullmatch(dtype) or type(values) is not list:
        raise ValueError
    kind, n_bytes = np.dtype(dtype).kind, len(values) * np.dtype(dtype).itemsize
    if n_bytes > _MOST_LABEL_BYTES:
        raise ValueError
    scalars = [decode(value, 2) for value in values]
    kinds = _KINDS.get(kind, _SCALARS)
    if any(type(scalar) not in kinds for scalar in scalars):
        raise TypeError
    array = np.array(scalars, object if kind == "O" else None).astype(dtype)
    if encode_array(array)["array"][1] != values:
        raise ValueError  # the dtype has cut strings off, or numbers are out of range
    return array


def _decode_keras(json: list, depth: int) -> Any:
    name, config = json
    return _keras_config.make(name, decode(config, depth))


_DECODERS: dict[str, Callable[[Any, int], Any]] = {
    "float": lambda json, depth: _NOT_FINITE[json],
    "tuple": _decode_tuple,
    "dict": _decode_dict,
    "array": lambda json, depth: decode_array(*json),
    "function": lambda json, depth: _keras_config.built_in_functions()[json],
    "keras": _decode_keras,
}


def _unknown(json: Any) -> PersistenceError:
    return PersistenceError(
        f"holds the value {shortly(json)}, which save() does not write: it is"
        " neither plain data nor an optimizer, loss or metric of this version of"
        " Keras. Take an undamaged copy, or save it again."
    )


def count_objects(json: Any) -> int:
    """The number of Keras objects that `decode` would create from some JSON."""
    waiting, n = [json], 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            n += "keras" in value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return n
