"""Keras's own optimizers, losses and metrics as names and configurations, and back.

This module owns the list of what a file may create: the classes of Keras's public
optimizers, schedules, losses and metrics, and Keras's loss and metric functions.
Nothing is imported by a name that a file gives, and anything that is not on the list is
refused, also where it is nested in something else.
"""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from types import FunctionType
from typing import Any

from sklstm._tensorflow import keras

_DEEPEST = 8  # levels of nesting in a configuration
_MOST_THRESHOLDS = 1000  # AUC's default is 200
_MARKS = {"class_name", "module", "registered_name", "config"}  # keys of an object


class NotDataError(Exception):
    """A value cannot be written as data, or was not written by this package."""


@functools.cache
def built_in_classes() -> dict[str, type]:
    """The classes of Keras that a file may create, by their public names.

    Left out are classes that take a function of the user, and classes for which a
    configuration of a few bytes can demand any amount of memory.
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
    left_out.add(getattr(k.optimizers, "MultiOptimizer", None))  # not in every version
    return {
        f"{module}.{name}": cls
        for module, (namespace, base) in bases.items()
        for name, cls in vars(namespace).items()
        if isinstance(cls, type)
        and issubclass(cls, base)
        and not issubclass(cls, k.metrics.IoU)  # holds num_classes squared numbers
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
    """The public name of a function of Keras; raises NotDataError for any other."""
    for name, known in built_in_functions().items():
        if function is known:
            return name
    raise NotDataError


def describe(thing: Any) -> tuple[str, dict[str, Any]]:
    """The public name and the configuration of one of Keras's objects.

    Raises
    ------
    NotDataError
        If the object's class is not on the list, or if its configuration does not
        create an equal object, as for an optimizer whose learning rate is a function.
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
    """Settings that `get_config` omits: a loss's dtype, Huber's delta (Keras 3.15)."""
    known = {**getattr(thing, "_fn_kwargs", {}), "dtype": getattr(thing, "dtype", None)}
    return {
        name: known[name]
        for name in inspect.signature(type(thing)).parameters
        if name not in config and known.get(name) is not None
    }


def _traits(thing: Any) -> str:
    """A text that is the same for two objects of a class with the same settings."""
    if isinstance(thing, keras.losses.Loss):
        return json.dumps(vars(thing), sort_keys=True, default=str)
    return json.dumps(thing.get_config(), sort_keys=True, default=str)


def make(name: str, config: dict[str, Any]) -> Any:
    """Create a Keras object from the public name of its class and its configuration.

    Raises
    ------
    NotDataError
        If the name, or a name in the configuration, is not on the list, or if Keras
        does not accept the configuration.
    """
    cls = built_in_classes().get(name)
    if cls is None or not isinstance(config, dict):
        raise NotDataError
    _check_nested(config, _DEEPEST)
    try:
        thing = cls.from_config(_copy(config))  # type: ignore[attr-defined]
    except Exception as error:  # Keras and TensorFlow raise errors of many types
        raise NotDataError from error
    if type(thing) is not cls:
        raise NotDataError
    return thing


def _check_nested(config: Any, depth: int) -> None:
    """Raise NotDataError unless `config` holds plain values and listed objects only."""
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
    """Raise NotDataError unless Keras finds a nested object by a name on the list."""
    name = f"{config.get('module')}.{config.get('class_name')}"
    known = name in built_in_classes() or name == "keras.DTypePolicy"
    if not known or not config.keys() <= _MARKS or config.get("registered_name"):
        raise NotDataError


def _asks_for_memory(config: dict[str, Any]) -> bool:
    """Whether a metric such as AUC would allocate a great many counters."""
    n = config.get("num_thresholds")
    is_fine = n is None or (type(n) is int and n <= _MOST_THRESHOLDS)
    return not is_fine or config.get("num_labels") is not None


def _copy(config: Any) -> Any:
    """A copy of a configuration, because Keras modifies some that it is given."""
    if isinstance(config, dict):
        return {name: _copy(value) for name, value in config.items()}
    return [_copy(v) for v in config] if isinstance(config, list) else config
