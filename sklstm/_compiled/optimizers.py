"""What tells optimizers apart: their settings, and their learning rate."""

from __future__ import annotations

import json

from sklstm._tensorflow import keras


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> float | None:
    """The learning rate, or None where a schedule sets it."""
    if _has_schedule(optimizer):
        return None
    return float(optimizer.learning_rate)


def _has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return isinstance(getattr(optimizer, "_learning_rate", None), schedule)


def optimizer_key(optimizer: keras.optimizers.Optimizer) -> tuple:
    """What distinguishes an optimizer's compiled passes: all but a rate."""
    config = dict(optimizer.get_config(), name=None)
    if not _has_schedule(optimizer):
        config["learning_rate"] = None  # a variable: another value, the same program
    return (type(optimizer), json.dumps(config, sort_keys=True, default=str))
