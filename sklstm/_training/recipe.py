"""A recipe: the network to train, with its optimizer, loss and metrics."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.optimizers import learning_rate_of, optimizer_key
from sklstm._compiled.program_pool import POOL
from sklstm._network.architecture import StackedLSTM, UserNetwork, sharing_key
from sklstm._network.losses import check_taken_apart, pack_loss, unpack_loss
from sklstm._tensorflow import keras


@dataclass(frozen=True, eq=False)
class Recipe:
    """A network with the optimizer, loss and metrics to train it with.

    Parameters
    ----------
    network : StackedLSTM or UserNetwork
    weights : tuple of ndarray
        Initial weights.
    optimizer : keras.optimizers.Optimizer
    loss : str, callable or keras.losses.Loss
    metrics : list or None
    n_outputs, sequence_length : int
        Shapes of the network's outputs and windows.
    asked_rate : float or None
        The learning rate that the estimator's parameters asked for; a model that is
        already compiled has its own.
    carries_state : bool
        Whether tiled windows carry the state from one to the next. Their network is a
        stateful one in any case.
    """

    network: StackedLSTM | UserNetwork
    weights: tuple[np.ndarray, ...]
    optimizer: Any
    loss: Any
    metrics: Any

    n_outputs: int
    sequence_length: int
    asked_rate: float | None
    carries_state: bool = True

    @property
    def is_tiled(self) -> bool:
        """Whether windows are tiled, with an output at each step."""
        return self.network.return_sequences

    @property
    def batch_size(self) -> int | None:
        """Number of lanes; None for a stateless network."""
        return self.network.batch_size

    @cached_property
    def is_compiled(self) -> bool:
        """Whether the user's model brings an optimizer and a loss of its own."""
        network = self.network
        return isinstance(network, UserNetwork) and network.build().compiled

    def is_trained_by(self, optimizer: keras.optimizers.Optimizer) -> bool:
        """Whether an optimizer is this one, but for a rate that is a number."""
        return optimizer_key(optimizer) == optimizer_key(self.optimizer)

    def check_trained_by(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Raise ValueError for an optimizer that training cannot go on with."""
        if self.is_trained_by(optimizer):
            return
        raise ValueError(
            "partial_fit goes on with the optimizer that training began with,"
            f" {type(self.optimizer).__name__}, but the parameters now ask for"
            f" {with_changes(self.optimizer, optimizer)}. Set them back, or call fit"
            " with warm_start=True, which goes on from the weights alone. A learning"
            " rate that is a number may change to another one."
        )

    def check_weighted_by(self, weights: np.ndarray) -> None:
        """Raise ValueError for weights of outputs that the loss has no room for."""
        if weights.ndim == 2:
            check_taken_apart(self.loss, weights.shape[1])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "loss": pack_loss(self.loss)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, loss=unpack_loss(state["loss"]))

    def initial(self, seed: int) -> Parameters:
        """Initial weights, with seed generators for dropout seeded from `seed`."""
        with POOL.borrow(self.network) as program:
            shapes = [seeds.shape for seeds in program.seeds]
        rng = np.random.default_rng([seed, 2])
        seeds = (rng.integers(0, 2**31, shape, dtype=np.uint32) for shape in shapes)
        return Parameters(self.weights, tuple(seeds))


def with_changes(
    old: keras.optimizers.Optimizer, new: keras.optimizers.Optimizer
) -> str:
    """The name of a new optimizer, with the settings that differ from the old one's."""
    name = type(new).__name__
    if type(old) is not type(new):
        return name
    had, has = old.get_config(), new.get_config()
    changed = [key for key in has if key != "name" and has[key] != had.get(key)]
    return f"{name} with another {', '.join(changed)}"


def stacked_recipe(
    network: StackedLSTM, seed: int, choices, target, carries_state: bool
) -> Recipe:
    """A recipe for the built-in network, its initial weights drawn from `seed`."""
    weights = tuple(network.initial_weights(np.random.default_rng([seed, 1])))
    if network.n_skip:  # the network begins as a small correction of the skip
        weights = (*weights[:-2], weights[-2] * np.float32(0.1), weights[-1])
    loss = choices["loss"] or target.default_loss(network.n_outputs)
    return Recipe(
        network,
        weights,
        choices["optimizer"],
        loss,
        choices["metrics"],
        network.n_outputs,
        network.sequence_length,
        learning_rate_of(choices["optimizer"]),
        carries_state,
    )


def with_share(recipe: Recipe, parameters: Parameters, share: float) -> Parameters:
    """The parameters of a network that adds a share of its output to its linear skip.

    Those given where it has none.
    """
    if share == 1 or not recipe.network.n_skip:
        return parameters
    *layers, head, bias = parameters.weights
    part = np.float32(share)
    return replace(parameters, weights=(*layers, head * part, bias * part))


def user_recipe(
    function: Callable[[dict[str, Any]], keras.Model],
    meta: dict[str, Any],
    seed: int,
    choices: dict[str, Any],
    target,
    carries_state: bool,
) -> Recipe:
    """A recipe for the model that `function` builds; if compiled, with its own choices.

    Models of built-in layers alone share compiled programs; others are told apart by
    a token of their own.
    """
    network, model = user_network(function, meta, seed)
    if network.return_sequences:
        check_step_by_step(network, model.get_weights())
    n_outputs = model.outputs[0].shape[-1]
    asked_rate = learning_rate_of(choices["optimizer"])
    choices = compiled_choices(model) or choices
    return Recipe(
        network,
        tuple(variable.numpy() for variable in model.weights),
        choices["optimizer"],
        choices["loss"] or target.default_loss(n_outputs),
        choices["metrics"],
        n_outputs,
        meta["sequence_length"],
        asked_rate,
        carries_state,
    )


def user_network(
    function: Callable[[dict[str, Any]], keras.Model], meta: dict[str, Any], seed: int
) -> tuple[UserNetwork, keras.Model]:
    """The network that `function` builds, and a model with weights from `seed`."""
    network = UserNetwork(function, tuple(meta.items()), key=())
    model = network.build(seed)
    key = sharing_key(model) or ("UserNetwork", np.random.SeedSequence().entropy)
    return UserNetwork(function, network.meta, (*key, meta["batch_size"])), model


def compiled_choices(model: keras.Model) -> dict[str, Any]:
    """Optimizer, loss and metrics that a model brings; empty if not compiled."""
    if not model.compiled:
        return {}
    _refuse_own_training(model)
    refuse_lost_settings(model.optimizer)
    metrics = getattr(model._compile_metrics, "_user_metrics", None)
    return {"optimizer": model.optimizer, "loss": model.loss, "metrics": metrics}


def refuse_lost_settings(optimizer: keras.optimizers.Optimizer) -> None:
    """Raise ValueError for what no configuration of an optimizer holds.

    Programs are shared by optimizers of equal configurations.
    """
    if isinstance(optimizer._learning_rate, types.FunctionType | functools.partial):
        raise ValueError(
            f"The learning rate of the optimizer {optimizer.name!r} is a function. Pass"
            " a number, a keras.optimizers.schedules object, or a"
            " keras.callbacks.LearningRateScheduler in callbacks."
        )
    names = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if names or getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ValueError(
            "exclude_from_weight_decay was called on the optimizer"
            f" {optimizer.name!r}, but Keras keeps that in no configuration, so that it"
            " would be lost. Pass an optimizer without, or with weight_decay=0."
        )


def _refuse_own_training(model: keras.Model) -> None:
    """Raise ValueError for settings of a compiled model that training has no use for.

    The loop is this package's own: it takes optimizer, loss and metrics.
    """
    lost = [
        f"the {step} of {type(model).__name__}"
        for step in ("train_step", "test_step")
        if getattr(type(model), step) is not getattr(keras.Model, step)
    ]
    if getattr(model._compile_loss, "_user_loss_weights", None) is not None:
        lost.append("loss_weights")
    if getattr(model._compile_metrics, "_user_weighted_metrics", None):
        lost.append("weighted_metrics")
    if lost:
        raise ValueError(
            f"The model function returned a compiled model with {', '.join(lost)},"
            " which the training loop does not use: it takes an optimizer, a loss and"
            " metrics, and weights rows by sample_weight. Leave that out."
        )


def check_step_by_step(network: UserNetwork, weights: list[np.ndarray]) -> None:
    """Raise ValueError unless the model answers the same when it takes single steps.

    Tiled windows train on several steps at once and predict a step at a time. Whatever
    looks across steps by other means than a recurrent state would answer otherwise.
    """
    n_steps, n_lanes = 3, 2
    x = (
        np.random.default_rng(0)
        .normal(size=(n_lanes, n_steps, dict(network.meta)["n_features_in_"]))
        .astype(np.float32)
    )
    what = "its weights depend on sequence_length"
    try:
        whole, single = network.for_steps(n_lanes, n_steps), network.for_steps(n_lanes)
        models = whole.build(), single.build()
        for model in models:
            model.set_weights(weights)
        at_once = np.asarray(models[0](x, training=False))
        pieces = [models[1](x[:, t : t + 1], training=False) for t in range(n_steps)]
        if np.allclose(at_once, np.concatenate(pieces, 1), rtol=1e-3, atol=1e-4):
            return
        what = "it answers another way when it is given single steps"
    except ValueError as error:
        what += f" ({str(error)[:200]})"
    raise ValueError(
        "windows='tiled' trains on sequence_length steps at once and predicts a step at"
        f" a time, but the model function returned a model that cannot: {what}. Layers"
        " before and after the recurrent ones must treat each step by itself (no"
        " Bidirectional, convolution, attention or Flatten). Change the model, or set"
        " windows='sliding'."
    )
