"""The parameters of a fit, with "auto" made definite where the form of X decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._checks import (
    check_bool,
    check_fraction,
    check_lags,
    check_option,
    check_positive_int,
)
from sklstm._estimator.forms import n_dimensions

AUTO = "auto"


@dataclass(frozen=True)
class Settings:
    """What a fit does, by the parameters of an estimator and the form of X.

    Parameters
    ----------
    is_tiled : bool
        Whether windows are tiled.
    sequence_length, batch_size, epochs : int or "auto"
        "auto" is chosen from the training rows.
    scale, linear_skip : bool
    lags : tuple of int or None
        None is chosen from the training rows.
    ema_momentum : float
    """

    is_tiled: bool
    sequence_length: Any
    batch_size: Any
    epochs: Any
    scale: bool
    linear_skip: bool
    lags: tuple[int, ...] | None
    ema_momentum: float

    @classmethod
    def of(cls, estimator, X, y) -> Settings:
        """The settings of an estimator for the rows X.

        Raises
        ------
        TypeError, ValueError
            For a parameter of a wrong type or value, and for one that sliding windows
            do not have.
        """
        is_tiled = _is_tiled(estimator, X, y)
        chosen = {
            name: _number(name, getattr(estimator, name))
            for name in ("sequence_length", "batch_size", "epochs")
        }
        scale = _flag("scale", estimator.scale)
        linear_skip = _flag("linear_skip", estimator.linear_skip)
        ema = estimator.ema_momentum
        if not _is_auto(ema):
            ema = check_fraction("ema_momentum", ema)
        lags = check_lags(estimator.lags)
        if is_tiled:
            may_skip = estimator.model is None
            _refuse_skip_of_model(linear_skip, may_skip)
            return cls(
                True,
                **chosen,
                scale=True if scale is None else scale,
                linear_skip=may_skip if linear_skip is None else linear_skip,
                lags=lags,
                ema_momentum=0.8 if _is_auto(ema) else ema,
            )
        _refuse_encoder(scale, linear_skip)
        plain = {"sequence_length": 1, "batch_size": 1, "epochs": 20}
        numbers = {n: plain[n] if v == AUTO else v for n, v in chosen.items()}
        return cls(
            False,
            **numbers,
            scale=False,
            linear_skip=False,
            lags=None,
            ema_momentum=0.0 if _is_auto(ema) else ema,
        )

    @property
    def dtype(self) -> str:
        """The dtype in which rows are read: exact where they are scaled."""
        return "float64" if self.scale or self.linear_skip else "float32"

    @property
    def chooses(self) -> bool:
        """Whether something is learnt or chosen from the rows before training."""
        sizes = (self.sequence_length, self.batch_size, self.epochs)
        return self.scale or self.linear_skip or AUTO in sizes


def _is_tiled(estimator, X, y) -> bool:
    """Whether windows are tiled; by default, rows are, and sequences of targets."""
    kind = check_option("windows", estimator.windows, (AUTO, "sliding", "tiled"))
    if kind != AUTO:
        return kind == "tiled"
    if estimator.model is not None:
        return False
    if n_dimensions(X) != 3:
        return True
    return isinstance(y, list | tuple) and all(np.ndim(part) > 0 for part in y)


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == AUTO


def _number(name: str, value: Any) -> int | str:
    if _is_auto(value):
        return AUTO
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f"{name} must be a positive integer or 'auto', got {value!r} of type"
            f" {type(value).__name__}."
        )
    return check_positive_int(name, value)


def _flag(name: str, value: Any) -> bool | None:
    """True, False, or None for "auto"."""
    if _is_auto(value):
        return None
    if isinstance(value, str):
        raise TypeError(f"{name} must be True, False or 'auto', got {value!r}.")
    return check_bool(name, value)


def _refuse_skip_of_model(linear_skip: bool | None, may_skip: bool) -> None:
    if linear_skip and not may_skip:
        raise ValueError(
            "linear_skip=True adds a linear map to the built-in network's output, but"
            " model= is a function of yours. Set linear_skip=False, or 'auto'."
        )


def _refuse_encoder(scale: bool | None, linear_skip: bool | None) -> None:
    for name, value in (("scale", scale), ("linear_skip", linear_skip)):
        if value:
            raise ValueError(
                f"{name}=True encodes each row once, for windows='tiled', but windows"
                f" are sliding here. Set windows='tiled', or {name}=False."
            )
