"""What users of the package can name: ``python tests/public_api.py`` lists it.

Written to ``tests/data/public_api.txt``, the list makes every change of the interface a
change of a file, which a review sees.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import sklstm


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


def _members(cls: type) -> Iterator[str]:
    """The attributes and methods of a class that this package defines."""
    names = {
        name
        for base in cls.__mro__
        if base.__module__.startswith("sklstm")
        for name in vars(base)
        if not name.startswith("_") and hasattr(cls, name)
    }
    for name in sorted(names):
        yield f"{name}{_parameters(inspect.getattr_static(cls, name))}"


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
        if p.name not in ("self", "cls")
    ]
    return str(inspect.Signature(plain))


if __name__ == "__main__":
    print("\n".join(lines()))
