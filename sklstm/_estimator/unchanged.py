"""Parameters that training goes on with: what `partial_fit` and `warm_start` refuse.

The network is made, and its loss chosen, when training begins. A parameter that asks
for another one later would otherwise be ignored without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklstm._checks import check_units
from sklstm._compiled.optimizers import learning_rate_of, optimizer_key
from sklstm._network.architecture import StackedLSTM
from sklstm._network.losses import loss_key, loss_name
from sklstm._tensorflow import keras
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import (
    Recipe,
    compiled_choices,
    user_network,
    with_changes,
)


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


def check_same_loss(
    loss: Any, recipe: Recipe, asks: str = "the parameters now ask for"
) -> None:
    """Raise ValueError for another loss than training began with; None is any."""
    if loss is None:
        return
    asked, had = loss_name(loss), loss_name(recipe.loss)
    is_other_object = type(loss) is type(recipe.loss) and loss_key(loss) != loss_key(
        recipe.loss
    )
    if asked != had or is_other_object:
        raise ValueError(
            f"partial_fit goes on with the loss that training began with, {had}, but"
            f" {asks} {asked}. Set loss back, or call fit with"
            " warm_start=True, which goes on from the weights alone."
        )


def check_same_model(function: Any, asked: Any, recipe: Recipe) -> None:
    """Raise ValueError if a model function now builds or compiles another model.

    Parameters
    ----------
    function : functools.partial
        The function of now, with its arguments.
    asked : keras.optimizers.Optimizer
        That of the parameters, whose rate training follows.
    recipe : Recipe
        Of a `UserNetwork`.
    """
    network: Any = recipe.network
    if _is_alike(function.args, network.function.args):
        return
    other, model = user_network(function, dict(network.meta), seed=0)
    had_shapes = [weight.shape for weight in recipe.weights]
    is_other = [tuple(v.shape) for v in model.weights] != had_shapes
    if all(isinstance(key[1], str) for key in (network.key, other.key)):
        is_other = is_other or network.key != other.key
    if is_other:
        raise ValueError(
            "partial_fit goes on with the network that training began with, but the"
            " model function now returns another one. Set model and its arguments back,"
            " or call fit, which begins anew."
        )
    if recipe.is_compiled != model.compiled:
        made = "a compiled model" if model.compiled else "a model not compiled"
        raise ValueError(
            f"The model function now returns {made}, unlike when training began. Set it"
            " back, or call fit with warm_start=True."
        )
    if not model.compiled:
        return
    choices = compiled_choices(model)
    check_same_loss(choices["loss"], recipe, "the model function now compiles with")
    had, has = recipe.optimizer, choices["optimizer"]
    if optimizer_key(had) != optimizer_key(has) or learning_rate_of(has) not in (
        learning_rate_of(had),
        learning_rate_of(asked),
    ):
        raise ValueError(
            "partial_fit goes on with the optimizer that training began with,"
            f" {type(had).__name__}, but the model function now compiles with"
            f" {with_changes(had, has)}. Set it back, or call fit with warm_start=True,"
            " which goes on from the weights alone. A learning rate can be changed by"
            " optimizer__learning_rate."
        )


def _is_alike(ours: Any, theirs: Any) -> bool:
    """Whether arguments of a model function are the same, the optimizer's rate aside.

    False where that cannot be told.
    """
    if ours is theirs:
        return True
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(
            _is_alike(ours[name], theirs[name]) for name in ours
        )
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_is_alike, ours, theirs))
    if isinstance(ours, keras.optimizers.Optimizer):
        return optimizer_key(ours) == optimizer_key(theirs)
    if isinstance(ours, keras.losses.Loss):
        return loss_key(ours) == loss_key(theirs)
    return isinstance(ours, str | int | float | None) and ours == theirs


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
