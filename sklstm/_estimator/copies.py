"""What a copy of a fitted estimator keeps: all of it in pickle, data in other files.

pickle, joblib and `copy` ask `__reduce_ex__`, and keep functions and callbacks as well.
Libraries that write files without pickle, such as skops, ask `__getstate__` instead.
"""

from __future__ import annotations

import copyreg
import warnings
from typing import Any

from sklstm import persistence
from sklstm._archive import PersistenceError, packed, unpacked
from sklstm._estimator.parameters import RoutedParameters
from sklstm._tensorflow import start_devices
from sklstm.persistence._rebuilding import OPTIONAL, rebuild

DATA = "sklstm"  # the one entry of a state that is data alone
NEW = copyreg.__newobj__  # type: ignore[attr-defined]  # typeshed leaves it out


class Copies(RoutedParameters):
    """The state of a fitted estimator as the bytes of the file that `save` writes."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        everything = super().__getstate__()
        return NEW, (type(self),), everything

    def __getstate__(self) -> dict[str, Any]:
        if "_fitted" not in vars(self):
            return super().__getstate__()
        header, arrays = persistence.describe(self)
        _check_is_data(type(self), header["lacking"])
        return {DATA: packed(header, arrays)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if DATA not in state:
            super().__setstate__(state)
            return
        start_devices()  # which an optimizer's variables would do without settings
        owner = type(self).__name__
        try:
            header, arrays = unpacked(state[DATA])
            estimator = rebuild(type(self), header, arrays, {})
        except PersistenceError as error:
            raise PersistenceError(f"The state of a {owner} {error}") from None
        _warn_of_lacking(owner, header["lacking"])
        self.__dict__.update(vars(estimator))


def _check_is_data(cls: type, lacking: dict[str, str]) -> None:
    """Refuse to leave out what predictions need."""
    needed = [name for name in lacking if name not in OPTIONAL]
    if needed:
        name = needed[0]
        raise PersistenceError(
            f"{name}={lacking[name][:100]} is no plain data, but a file without pickle"
            f" would need it to predict. Call save(path) of the {cls.__name__} alone,"
            f" and {cls.__name__}.load(path, {name}=...), which takes it again."
        )


def _warn_of_lacking(owner: str, lacking: dict[str, str]) -> None:
    """Warn of what only training needs."""
    for name, what in lacking.items():
        warnings.warn(
            f"A {owner} was kept without {name}, since {what} is no plain data:"
            f" {name}=None. Predictions do not need it; to train with it, call"
            f" set_params({name}=...).",
            stacklevel=3,
        )
