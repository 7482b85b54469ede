"""Parameters that training goes on with: what `partial_fit` and `warm_start` refuse.

The network is made, and its loss chosen, when training begins. A parameter that asks
for another one later would otherwise be ignored without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklstm._checks import check_units
from sklstm._network.architecture import StackedLSTM
from sklstm._network.losses import loss_key, loss_name
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe


def check_unchanged(estimator: Any, fitted: Fitted) -> None:
    """Raise ValueError for a parameter that asks for another network than there is."""
    changed = [
        f"{name}={getattr(estimator, name)!r} instead of {had!r}"
        for name, asked, had in _choices(estimator, fitted)
        if asked is not None and asked != had
    ]
    if changed:
        raise ValueError(
            "partial_fit goes on with the network that training began with, but the"
            f" parameters now ask for {', '.join(changed)}. Set them back, or call fit,"
            " which begins anew."
        )


def check_same_loss(loss: Any, recipe: Recipe) -> None:
    """Raise ValueError for another loss than training began with; None is any."""
    if loss is None or recipe.is_compiled:
        return
    asked, had = loss_name(loss), loss_name(recipe.loss)
    is_other_object = type(loss) is type(recipe.loss) and loss_key(loss) != loss_key(
        recipe.loss
    )
    if asked != had or is_other_object:
        raise ValueError(
            f"partial_fit goes on with the loss that training began with, {had}, but"
            f" the parameters now ask for {asked}. Set loss back, or call fit with"
            " warm_start=True, which goes on from the weights alone."
        )


def check_same_classes(last: Any, target: Any) -> None:
    """Raise ValueError if `warm_start` would give a class the output of another one."""
    had, has = getattr(last, "classes", None), getattr(target, "classes", None)
    if had is None or has is None or had.tolist() == has.tolist():
        return
    raise ValueError(
        "warm_start=True goes on from the weights of the last fit, whose outputs are"
        f" for the classes {had.tolist()}, but y now holds {has.tolist()}. Pass rows of"
        " the same classes, or set warm_start=False to start anew."
    )


def _choices(estimator: Any, fitted: Fitted) -> Iterator[tuple[str, Any, Any]]:
    """Name of a parameter, what it asks for now (None for anything), and what is."""
    recipe = fitted.recipe
    network = recipe.network
    yield "stateful", bool(estimator.stateful), recipe.carries_state
    yield "windows", _plain(estimator.windows), _windows(recipe)
    if isinstance(network, StackedLSTM):
        yield "model", estimator.model, None
        yield "units", check_units(estimator.units), network.units
        yield "dropout", float(estimator.dropout), network.dropout
    if fitted.input_shape.n_steps is None:
        yield (
            "sequence_length",
            _plain(estimator.sequence_length),
            recipe.sequence_length,
        )
    if not recipe.is_tiled and recipe.batch_size is not None:
        yield "batch_size", _plain(estimator.batch_size), recipe.batch_size


def _plain(value: Any) -> Any:
    """None for "auto", which is content with what there is."""
    return None if isinstance(value, str) and value == "auto" else value


def _windows(recipe: Recipe) -> str:
    return "tiled" if recipe.is_tiled else "sliding"
