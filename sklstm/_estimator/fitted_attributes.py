"""The record of a fit inside an estimator, and the attributes that read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, overload

import numpy as np

from sklstm._training.fitted import Fitted

Value = TypeVar("Value")


class FromFit(Generic[Value]):
    """A fitted attribute, read from the record; absent before a fit.

    It has no ``__set__``, so that scikit-learn's checks may set an attribute of that
    name on a stand-in.

    Parameters
    ----------
    read : callable
        From the record to the value; None means that there is no such attribute.
    """

    def __init__(self, read: Callable[[Fitted], Value | None]) -> None:
        self._read = read

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, estimator: None, owner: type) -> FromFit[Value]: ...

    @overload
    def __get__(self, estimator: object, owner: type | None = None) -> Value: ...

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        if estimator is None:
            return self
        fitted = vars(estimator).get("_fitted")
        value = None if fitted is None else self._read(fitted)
        if value is None:
            raise AttributeError(
                f"{type(estimator).__name__!r} object has no attribute {self._name!r}"
            )
        return value


class FittedAttributes:
    """An estimator, or what serves in its place, with the record of a fit."""

    _fitted: Fitted
    _checked_rows: Callable  # see `ArrayChecks`
    _checked_array: Callable
    on_gap: Any
    batch_size: Any

    state_ = FromFit(lambda fitted: fitted.state)
    history_ = FromFit(lambda fitted: fitted.history)
    n_windows_ = FromFit(lambda fitted: fitted.n_windows)
    n_dropped_windows_ = FromFit(lambda fitted: fitted.n_dropped)
    sequence_length_ = FromFit(lambda fitted: fitted.sequence_length)
    windows_ = FromFit(lambda fitted: "tiled" if fitted.recipe.is_tiled else "sliding")
    batch_size_ = FromFit(lambda fitted: fitted.recipe.batch_size)
    epochs_ = FromFit(lambda fitted: fitted.epochs)
    network_share_ = FromFit(lambda fitted: fitted.share if fitted.lags else None)
    lags_ = FromFit(lambda fitted: fitted.lags)
    n_outputs_ = FromFit(lambda fitted: fitted.recipe.n_outputs)
    quantiles_ = FromFit(lambda fitted: getattr(fitted.target, "quantiles", None))
    initial_weights_ = FromFit(lambda fitted: copied(fitted.initial.weights))
    n_features_in_ = FromFit(lambda fitted: fitted.input_shape.n_features)
    feature_names_in_ = FromFit(lambda fitted: fitted.feature_names)
    series_ = FromFit(lambda fitted: fitted.state.series)

    def _record(self) -> Fitted:
        """What the last fit left, or NotFittedError."""
        if "_fitted" not in vars(self):  # scikit-learn's check would slow `step` down
            from sklearn.utils.validation import check_is_fitted

            check_is_fitted(self)
        return self._fitted

    @property
    def initialized_(self) -> bool:
        """Whether the estimator is fitted, in scikeras's words."""
        return self.__sklearn_is_fitted__()

    def __sklearn_is_fitted__(self) -> bool:
        return "_fitted" in vars(self)


def copied(arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The arrays in copies of their own."""
    return [array.copy() for array in arrays]
