"""From a header to what stands between y and the network's outputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from sklstm._archive import shortly
from sklstm._checks import check_quantiles
from sklstm._network.targets import ClassTarget, ContinuousTarget, QuantileTarget
from sklstm._tensorflow import keras
from sklstm.persistence._checked import (
    Fields,
    damaged,
    is_bool,
    is_dict,
    is_list_of,
    is_part,
    is_side,
    is_str,
    one_of,
    refusing,
)
from sklstm.persistence._plain import decode


def continuous_target(fields: Fields) -> ContinuousTarget:
    """The target of a regressor."""
    kind = fields.take("kind", one_of("continuous", "quantiles"))
    is_1d = fields.take("is_1d", is_bool)
    n_outputs = fields.take("n_outputs", is_side)
    if is_1d and n_outputs > 1:
        raise damaged("the width of a target of one dimension", n_outputs)
    dtype = _float_dtype(fields)
    if kind == "continuous":
        return ContinuousTarget(n_outputs, is_1d, dtype)
    levels = fields.take("quantiles", is_list_of(is_part))
    with refusing("the quantiles of its target are none"):
        return QuantileTarget(n_outputs, is_1d, dtype, check_quantiles(levels))


def class_target(fields: Fields, given_loss: Callable[[], Any]) -> ClassTarget:
    """The target of a classifier; a loss that the file lacks is `given_loss()`."""
    fields.take("kind", one_of("classes"))
    if "loss" not in fields.values:
        return ClassTarget(labels_of(fields), given_loss())
    loss = decode(fields.values["loss"])
    if not is_loss(loss):
        raise damaged("the loss of its target", loss)
    return ClassTarget(labels_of(fields), loss)


def is_loss(loss: Any) -> bool:
    """Whether Keras takes this for a loss; None is its default."""
    if isinstance(loss, str):
        with refusing(f"Keras knows no loss {shortly(loss)}"):
            keras.losses.get(loss)
        return True
    is_metric = isinstance(loss, keras.metrics.Metric)
    return loss is None or (callable(loss) and not is_metric)


def labels_of(fields: Fields) -> np.ndarray:
    """Labels as `numpy.unique` gives them: two or more, in order, each once."""
    labels = decode(fields.take("classes", is_dict))
    try:
        fits = isinstance(labels, np.ndarray) and len(labels) >= 2
        fits = fits and bool((labels[:-1] < labels[1:]).all())
    except TypeError:  # of labels that cannot be compared
        fits = False
    if not fits:
        raise damaged("its classes", labels)
    return labels


def _float_dtype(fields: Fields) -> np.dtype:
    """The dtype of a target: any float's that this machine has."""
    name = fields.take("dtype", is_str)
    try:  # only then asking NumPy, to which such a string may be a small program
        if re.fullmatch(r"[<>]f(2|4|8|12|16)", name):
            return np.dtype(name)
    except TypeError:
        pass
    raise damaged("the dtype of its target", name)
