"""What a call of `fit` is known by: the name of its checkpoint.

Owns the description of parameters and data as plain values that are the same in every
process. Nothing of TensorFlow is imported: callbacks are known by their attributes.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import types
from typing import Any

import joblib
import numpy as np
import pandas as pd

PLAIN = bool | int | float | str | np.number | np.bool_ | None


def key_of(call: Any) -> str:
    """A hash of parameters and data.

    Parameters
    ----------
    call : list
        Of anything: values, arrays, frames, functions, objects with `get_config`.

    Returns
    -------
    key : str

    Raises
    ------
    TypeError
        For an object that cannot be pickled and has no `get_config`.

    Examples
    --------
    >>> halving, again = lambda epoch: 0.5**epoch, lambda epoch: 0.5**epoch
    >>> key_of([{"units": 8}, halving]) == key_of([{"units": 8}, again])
    True
    >>> key_of([{"units": 8}, halving]) == key_of([{"units": 8}, lambda epoch: 0.1])
    False
    """
    return joblib.hash(_described(call))


def _described(value: Any) -> Any:
    """`value` as plain data that is the same in every process.

    An object becomes the name of its class with its content, a class its name, and a
    function its name and code.
    """
    if isinstance(value, PLAIN | np.ndarray):
        return value
    if isinstance(value, dict):
        return {name: _described(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    if isinstance(value, np.random.RandomState):
        return _described(value.get_state())
    if isinstance(value, functools.partial):
        return _described(["partial", value.func, value.args, value.keywords])
    if isinstance(value, types.MethodType):
        return _described([value.__func__, value.__self__])
    if isinstance(value, types.FunctionType):
        return _function(value)
    is_made = not hasattr(value, "__qualname__")  # functions and classes have one
    kind = type(value) if is_made else value
    return [
        f"{kind.__module__}.{kind.__qualname__}",
        _content(value) if is_made else {},
    ]


def _function(function: types.FunctionType) -> Any:
    """The name of a function; of the user's own its code and settings as well.

    The same lines give the same code in every process, at whatever place in a script,
    so that a lambda made anew in a rerun is the same one. Settings are plain values
    among the defaults and in the scopes around it; global variables are not looked at.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    if name.startswith(("keras.", "tensorflow.")):
        return name
    defaults = [
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).items(),
    ]
    scopes = map(_of_scope, function.__closure__ or ())
    return [name, _code(function.__code__), *map(_setting, [*defaults, *scopes])]


def _of_scope(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _setting(value: Any) -> Any:
    """A plain value; the code of a function, which may call itself; else the class."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple | list):
        return [*map(_setting, value)]
    if isinstance(value, types.FunctionType):
        return _code(value.__code__)
    return type(value).__qualname__


def _code(code: types.CodeType) -> list:
    """What a function does: its instructions, and the names and constants in them."""
    return [code.co_code.hex(), list(code.co_names), [*map(_constant, code.co_consts)]]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # in an order that each process has of its own
        return sorted(map(repr, value))
    return repr(value)


def _content(value: Any) -> Any:
    """The content of an object: its values, its settings, or a hash of its pickle."""
    if isinstance(value, pd.Index):
        levels = range(value.nlevels)
        return [_labels(value.get_level_values(level)) for level in levels]
    if hasattr(value, "__array__"):  # a frame, a series or a tensor
        return _described([list(getattr(value, "columns", ())), np.asarray(value)])
    if hasattr(value, "get_config") or hasattr(value, "on_epoch_end"):
        return _settings(value)
    try:
        return joblib.hash(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            "A checkpoint is named by the parameters of the training, but the content"
            f" of {value!r} is unknown, since it cannot be pickled: {error}. Give its"
            " class a get_config method, or leave checkpoint= out."
        ) from error


def _labels(index: pd.Index) -> Any:
    """The labels of one level of an index, one by one if they are objects.

    As one array, objects would be pickled together, and the pickle of equal objects
    depends on which of them are the same one.
    """
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return [str(index.dtype), index.asi8]
    labels = np.asarray(index)
    return _described(labels.tolist() if labels.dtype.hasobject else labels)


def _settings(value: Any) -> Any:
    """The settings that an object was created with, as far as it still has them."""
    if hasattr(value, "get_config"):
        return _described({**value.get_config(), "name": None})
    names = inspect.signature(type(value)).parameters
    settings = {name: vars(value).get(name) for name in names}
    return {  # without signs, since callbacks may change that of a threshold
        name: abs(setting) if isinstance(setting, float) else _described(setting)
        for name, setting in settings.items()
        if isinstance(setting, PLAIN | types.FunctionType)
        and not name.startswith("on_")  # hooks, which watch
    }
