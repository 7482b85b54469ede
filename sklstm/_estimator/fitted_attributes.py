"""Attributes of an estimator that are read from the record of its fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklstm._training.fitted import Fitted


class FromFit:
    """A fitted attribute, read from the record; absent before a fit.

    It has no ``__set__``, so that scikit-learn's checks may set an attribute of that
    name on a stand-in.

    Parameters
    ----------
    read : callable
        From the record to the value; None means that there is no such attribute.
    """

    def __init__(self, read: Callable[[Fitted], Any]):
        self._read = read

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, estimator, owner=None):
        if estimator is None:
            return self
        fitted = vars(estimator).get("_fitted")
        value = None if fitted is None else self._read(fitted)
        if value is None:
            raise AttributeError(
                f"{type(estimator).__name__!r} object has no attribute {self._name!r}"
            )
        return value
