"""Keras's own optimizers, losses and metrics as names and configurations, and back.

Owns the list of what may be made from a file: classes of Keras's public optimizers,
schedules, losses and metrics, and its loss and metric functions. Nothing is imported
by a name from a file, and what is not on the list is refused, nested or not.
"""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from types import FunctionType
from typing import Any

from sklstm._tensorflow import keras

_DEEPEST = 8
_MOST_THRESHOLDS = 1000  # AUC's default is 200
_MARKS = {"class_name", "module", "registered_name", "config"}


class NotDataError(Exception):
    """Something that cannot be written as data."""


@functools.cache
def built_in_classes() -> dict[str, type]:
    """Keras's classes that may be made from a file, by their public names.

    Not those that take a function of the user's own, nor those whose configuration,
    a few bytes, asks for much memory.
    """
    k = keras
    bases = {
        "keras.optimizers": (k.optimizers, k.optimizers.Optimizer),
        "keras.optimizers.schedules": (
            k.optimizers.schedules,
            k.optimizers.schedules.LearningRateSchedule,
        ),
        "keras.losses": (k.losses, k.losses.Loss),
        "keras.metrics": (k.metrics, k.metrics.Metric),
    }
    left_out = {base for _, base in bases.values()} | {k.metrics.MeanMetricWrapper}
    left_out.add(getattr(k.optimizers, "MultiOptimizer", None))  # a new one
    return {
        f"{module}.{name}": cls
        for module, (namespace, base) in bases.items()
        for name, cls in vars(namespace).items()
        if isinstance(cls, type)
        and issubclass(cls, base)
        and not issubclass(cls, k.metrics.IoU)  # num_classes squared
        and cls not in left_out
        and _is_kerass(cls)
    }


@functools.cache
def built_in_functions() -> dict[str, FunctionType]:
    """Keras's loss and metric functions, by their public names."""
    return {
        f"{module}.{name}": function
        for module, namespace in (
            ("keras.losses", keras.losses),
            ("keras.metrics", keras.metrics),
        )
        for name, function in vars(namespace).items()
        if isinstance(function, FunctionType)
        and list(inspect.signature(function).parameters)[:2] == ["y_true", "y_pred"]
        and _is_kerass(function)
    }


def _is_kerass(thing: Any) -> bool:
    return thing.__module__.startswith("keras.")


def name_of(function: Any) -> str:
    """The public name of one of Keras's functions."""
    for name, known in built_in_functions().items():
        if function is known:
            return name
    raise NotDataError


def describe(thing: Any) -> tuple[str, dict[str, Any]]:
    """The public name and the configuration of one of Keras's objects.

    Raises
    ------
    NotDataError
        For any other object, and for those that their configuration does not make
        again: an optimizer whose learning rate is a function, for example.
    """
    names = [name for name, cls in built_in_classes().items() if cls is type(thing)]
    if not names:
        raise NotDataError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about lambdas, which are refused below
            config = keras.saving.serialize_keras_object(thing)["config"]
            config |= _forgotten(thing, config)
        if _traits(make(names[0], config)) == _traits(thing):
            return names[0], config
    except Exception as error:
        raise NotDataError from error
    raise NotDataError


def _forgotten(thing: Any, config: dict[str, Any]) -> dict[str, Any]:
    """What `get_config` leaves out: every loss its dtype, Huber its delta (3.15)."""
    known = {**getattr(thing, "_fn_kwargs", {}), "dtype": getattr(thing, "dtype", None)}
    return {
        name: known[name]
        for name in inspect.signature(type(thing)).parameters
        if name not in config and known.get(name) is not None
    }


def _traits(thing: Any) -> str:
    """What tells an object from another one of its class."""
    if isinstance(thing, keras.losses.Loss):
        return json.dumps(vars(thing), sort_keys=True, default=str)
    return json.dumps(thing.get_config(), sort_keys=True, default=str)


def make(name: str, config: dict[str, Any]) -> Any:
    """The Keras object of a name and a configuration, all of it on the list.

    Raises
    ------
    NotDataError
        For anything else, and where Keras does not accept the configuration.
    """
    cls = built_in_classes().get(name)
    if cls is None or not isinstance(config, dict):
        raise NotDataError
    _check_nested(config, _DEEPEST)
    try:
        thing = cls.from_config(_copy(config))  # type: ignore[attr-defined]
    except Exception as error:  # Keras and TensorFlow raise all sorts
        raise NotDataError from error
    if type(thing) is not cls:
        raise NotDataError
    return thing


def _check_nested(config: Any, depth: int) -> None:
    """Refuse all but plain values and nested objects on the list."""
    if depth == 0:
        raise NotDataError
    if isinstance(config, dict):
        if config.keys() & _MARKS:
            _check_object(config)
        if "fn" in config or _asks_for_memory(config):
            raise NotDataError
        inner = list(config.values())
    elif isinstance(config, list | tuple):
        inner = list(config)
    elif config is None or type(config) in (bool, int, float, str):
        inner = []
    else:
        raise NotDataError
    for value in inner:
        _check_nested(value, depth - 1)


def _check_object(config: dict[str, Any]) -> None:
    """Refuse a nested object that Keras would not look up by its public name."""
    name = f"{config.get('module')}.{config.get('class_name')}"
    known = name in built_in_classes() or name == "keras.DTypePolicy"
    if not known or not config.keys() <= _MARKS or config.get("registered_name"):
        raise NotDataError


def _asks_for_memory(config: dict[str, Any]) -> bool:
    """Whether AUC and its like are asked for more counters than anyone needs."""
    n = config.get("num_thresholds")
    is_fine = n is None or (type(n) is int and n <= _MOST_THRESHOLDS)
    return not is_fine or config.get("num_labels") is not None


def _copy(config: Any) -> Any:
    """A copy for Keras, which takes some configurations apart."""
    if isinstance(config, dict):
        return {name: _copy(value) for name, value in config.items()}
    return [_copy(v) for v in config] if isinstance(config, list) else config
