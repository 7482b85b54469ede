"""Losses: keys for the program pool, copies, weights of single outputs.

Keras copies and pickles a loss by its `get_config`, which omits settings of some
losses: a copy of `Huber(delta=3)` has the default delta (Keras 3.15).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._tensorflow import keras, tf


@dataclass(frozen=True)
class PackedLoss:
    """A loss object of Keras, as its class and all of its attributes."""

    kind: type
    attributes: dict[str, Any]


@dataclass(frozen=True)
class LossFacts:
    """What predicting asks of a loss, where the loss itself is not at hand."""

    name: str
    from_logits: bool


def loss_name(loss: Any) -> str:
    """Snake-case name of a loss given as a name, a class, an object or a function."""
    if isinstance(loss, LossFacts):
        return loss.name
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return loss
    if is_pinball(loss):
        return f"quantile ({', '.join(map(str, loss.quantiles))})"
    if isinstance(loss, keras.losses.Loss):
        loss = type(loss)
    if isinstance(loss, functools.partial):
        loss = loss.func
    return _snake_case(getattr(loss, "__name__", repr(loss)))


def is_pinball(loss: Any) -> bool:
    """Whether a loss is that of quantiles."""
    from sklstm._network.pinball_loss import PinballLoss  # it needs Keras's base

    return isinstance(loss, PinballLoss)


def _snake_case(name: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


def is_kerass_own(loss: Any) -> bool:
    """Whether a loss is a name or an object of Keras, and not the user's own code.

    `PinballLoss` counts among them.
    """
    if isinstance(loss, str) or is_pinball(loss):
        return True
    return type(loss).__module__.startswith("keras.")


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
    if loss is None or isinstance(loss, LossFacts):  # in serving, without Keras
        return loss
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


# --------------------------------------------------------------------------------------
# A weight for each output
# --------------------------------------------------------------------------------------


def batch_loss(
    model: keras.Model, loss: Any, x, y, y_pred, weights, live=None, training=True
):
    """The loss of a batch, as Keras computes it, and what layers add to it.

    Keras takes the mean over the outputs of each target before it multiplies by
    weights. A weight for each output needs outputs apart: as targets of one output
    each, of which there are `n_outputs` times as many. The result is the same as that
    of a weight for each target where these are the same for all outputs.

    Parameters
    ----------
    model : keras.Model
        Compiled with `loss`.
    loss : str, callable or keras.losses.Loss
    x : tensor or None
    y, y_pred : tensor of shape (n_targets, n_outputs)
    weights : tensor of shape (n_targets,) or (n_targets, n_outputs)
    live : tensor of bool of shape (n_targets,) or None
        False where there is no target.
    training : bool
    """
    if len(weights.shape) == 2:
        if getattr(loss, "reduction", None) == "sum":
            weights /= weights.shape[1]
        if live is not None:
            live = tf.tile(live[:, tf.newaxis], (1, weights.shape[1]))
        y, y_pred = y[..., tf.newaxis], tf.convert_to_tensor(y_pred)[..., tf.newaxis]
    y_pred._keras_mask = live  # Keras leaves masked entries out of sum and count
    return model.compute_loss(x, y, y_pred, weights, training=training)


def by_target(loss: Any) -> Callable:
    """From targets and outputs to the loss of each, the mean over their outputs."""
    loss = keras.losses.get(loss)
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def by_output(loss: Any) -> Callable:
    """From targets and outputs to the loss of each output, of their shape."""
    of_targets = by_target(loss)
    return lambda y, y_pred: of_targets(y[..., np.newaxis], y_pred[..., np.newaxis])


def check_taken_apart(loss: Any, n_outputs: int) -> None:
    """Raise ValueError unless a loss is the mean of what it is of each output.

    It is asked for some numbers between 0 and 1, which every loss takes.
    """
    given = np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, n_outputs))
    y, y_pred = map(tf.convert_to_tensor, given.astype(np.float32))
    try:
        whole, parts = by_target(loss)(y, y_pred), by_output(loss)(y, y_pred)
        is_mean = parts.shape == y.shape and np.allclose(
            whole, np.mean(parts, axis=1), rtol=1e-4, atol=1e-6
        )
    except Exception:  # whatever a function of the user's raises for such shapes
        is_mean = False
    if not is_mean:
        raise ValueError(
            f"The loss {loss_name(loss)!r} is not the mean of a loss of each of the"
            f" {n_outputs} outputs, so that outputs cannot have weights of their own."
            " Pass one weight for each row, and targets that are missing in all"
            " outputs of a row or in none; or use a loss such as 'mse', 'mae' or"
            " 'huber'."
        )
