"""Losses: their names, keys for the program pool, and copies that keep settings.

Keras copies and pickles a loss by its `get_config`, which omits settings of some
losses: a copy of `Huber(delta=3)` has the default delta (Keras 3.15).
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

from sklstm._tensorflow import keras


@dataclass(frozen=True)
class PackedLoss:
    """A loss object of Keras, as its class and all of its attributes."""

    kind: type
    attributes: dict[str, Any]


def loss_name(loss: Any) -> str:
    """Snake-case name of a loss given as a name, a class, an object or a function."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return loss
    if isinstance(loss, keras.losses.Loss):
        loss = type(loss)
    if isinstance(loss, functools.partial):
        loss = loss.func
    return _snake_case(getattr(loss, "__name__", repr(loss)))


def _snake_case(name: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


def is_kerass_own(loss: Any) -> bool:
    """Whether a loss is a name or an object of Keras, and not the user's own code."""
    return isinstance(loss, str) or type(loss).__module__.startswith("keras.")


def loss_key(loss: Any) -> Any:
    """Key of a loss in the pool of compiled programs.

    Loss objects of Keras have equal keys if their settings are equal. A loss that the
    user wrote is its own key, and equal to no other.
    """
    if isinstance(loss, keras.losses.Loss) and is_kerass_own(loss):
        config = dict(vars(loss), name=None)
        return (type(loss), json.dumps(config, sort_keys=True, default=str))
    return loss


def pack_loss(loss: Any) -> Any:
    """`loss` in a form that keeps all settings when it is copied or pickled."""
    if isinstance(loss, keras.losses.Loss) and is_kerass_own(loss):
        return PackedLoss(type(loss), dict(vars(loss)))
    return loss


def unpack_loss(packed: Any) -> Any:
    """The loss that `pack_loss` was given."""
    if not isinstance(packed, PackedLoss):
        return packed
    loss: Any = object.__new__(packed.kind)
    vars(loss).update(packed.attributes)
    return loss
