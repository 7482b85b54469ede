"""Versions of the libraries that wrote a file, and what they tell of one that is not
understood.

A file's format alone decides whether it is read. Versions are compared where reading
fails, since a newer library may know names that this one does not, and where the
network is built by Keras itself.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sklstm
from sklstm._archive import PersistenceError

_REMEDY = " Take an undamaged copy."
_LIBRARIES = ("keras", "tensorflow", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Those of this process, by name."""
    import importlib.metadata  # which takes a while, and predicting does not need it
    import platform

    return {
        "sklstm": sklstm.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


@contextmanager
def telling_versions(wrote: Mapping[str, str]) -> Iterator[None]:
    """Add to a PersistenceError which newer versions wrote the file, if they did.

    Parameters
    ----------
    wrote : mapping of str to str
        The versions that the file names.
    """
    try:
        yield
    except PersistenceError as error:
        newer = {
            name: wrote[name]
            for name, ours in versions().items()
            if _numbers(wrote.get(name, "")) > _numbers(ours)
        }
        if not newer:
            raise
        needed = " ".join(f"'{name}>={version}'" for name, version in newer.items())
        here = ", ".join(f"{name} {versions()[name]}" for name in newer)
        found = str(error).removeprefix("is damaged: ").removesuffix(_REMEDY)
        raise PersistenceError(
            f"cannot be loaded with {here}, since newer versions wrote it. Install"
            f" {needed}. What was not understood: {found}"
        ) from error


def warn_of_keras(wrote: Mapping[str, str], path: object) -> None:
    """Warn that a `model=` network was saved with another minor version of Keras."""
    had, has = wrote.get("keras", ""), versions()["keras"]
    if _numbers(had)[:2] == _numbers(has)[:2]:
        return
    warnings.warn(
        f"{str(path)!r} was saved with keras {had or 'unknown'}, and here is keras"
        f" {has}, which builds the network of the model function. Compare some"
        " predictions with earlier ones, and save it again.",
        stacklevel=4,
    )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version)[:3]]
