"""What users of the package can name: ``python tests/public_api.py`` lists it.

Written to ``tests/data/public_api.txt``, the list makes every change of the interface a
change of a file, which a review sees.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import sklstm

SELF = ("self", "cls")


def public_modules() -> list[str]:
    """The modules whose names have no underscore."""
    found = pkgutil.iter_modules(sklstm.__path__, "sklstm.")
    return ["sklstm", *sorted(m.name for m in found if "._" not in m.name)]


def lines() -> Iterator[str]:
    """A line for each public name, with its parameters and their defaults."""
    for module in public_modules():
        loaded = importlib.import_module(module)
        for name in sorted(getattr(loaded, "__all__", ())):
            value = getattr(loaded, name)
            yield f"{module}.{name}{_parameters(value)}"
            if inspect.isclass(value):
                yield from (f"    {line}" for line in _members(value))


def unannotated() -> Iterator[str]:
    """Public calls of which a parameter or the answer has no type."""
    for module in public_modules():
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            calls = {name: value}
            if inspect.isclass(value):
                members = {m: inspect.getattr_static(value, m) for m in _names(value)}
                calls = {"__init__": value.__init__, **members}
            for called, call in calls.items():
                if not _is_annotated(_function_of(call)):
                    yield f"{module}.{name}.{called}"


def _function_of(value) -> Any:
    """The function behind a method or a property, or what is no call itself."""
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__func__", value)


def _is_annotated(function) -> bool:
    if not inspect.isfunction(function):
        return True
    signature = inspect.signature(function)
    parameters = [p for p in signature.parameters.values() if p.name not in SELF]
    kinds = [p.annotation for p in parameters] + [signature.return_annotation]
    return inspect.Signature.empty not in kinds


def _members(cls: type) -> Iterator[str]:
    """The attributes and methods of a class that this package defines."""
    for name in sorted(_names(cls)):
        yield f"{name}{_parameters(inspect.getattr_static(cls, name))}"


def _names(cls: type) -> set[str]:
    """The public names in a class that this package defines."""
    return {
        name
        for base in cls.__mro__
        if base.__module__.startswith("sklstm")
        for name in vars(base)
        if not name.startswith("_") and hasattr(cls, name)
    }


def _parameters(value) -> str:
    """The signature without annotations; empty for what is not called."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if isinstance(value, property) or not callable(value):
        return ""
    if inspect.isclass(value) and issubclass(value, Exception):
        return ""
    signature = inspect.signature(value)
    plain = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in signature.parameters.values()
        if p.name not in SELF
    ]
    return str(inspect.Signature(plain))


if __name__ == "__main__":
    print("\n".join(lines()))
