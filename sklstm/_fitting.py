"""What a fit is made of and what it leaves: values between estimator and engine.

`Recipe` says what to train and how, `Learnt` what came out; both are frozen. Nothing
here remembers anything.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sklstm._checkpoint import Checkpoint
from sklstm._device import Parameters
from sklstm._engine import POOL
from sklstm._geometry import FitPlan
from sklstm._losses import pack_loss, unpack_loss
from sklstm._network import StackedLSTM, UserNetwork, sharing_key
from sklstm._numpy_pass import NumpyPass, is_short
from sklstm._state import RecurrentState
from sklstm._tensorflow import keras
from sklstm._trainer import learning_rate_of, optimizer_key, trainer_of
from sklstm._training import TrainingRun, Validation
from sklstm._walking import STATELESS_LANES, advance, advance_one
from sklstm._windows import Windows, digest


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
    """

    network: StackedLSTM | UserNetwork
    weights: tuple[np.ndarray, ...]
    optimizer: Any
    loss: Any
    metrics: Any

    n_outputs: int
    sequence_length: int
    asked_rate: float | None

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
        if self.is_trained_by(optimizer) or self.is_compiled:
            return
        ours, other = type(self.optimizer).__name__, type(optimizer).__name__
        if ours == other:
            old, new = self.optimizer.get_config(), optimizer.get_config()
            changed = [key for key in new if key != "name" and new[key] != old.get(key)]
            other += f" with another {', '.join(changed)}"
        raise ValueError(
            f"partial_fit goes on with the optimizer that training began with, {ours},"
            f" but the parameters now ask for {other}. Set them back, or call fit with"
            " warm_start=True, which goes on from the weights alone. A learning rate"
            " that is a number may change to another one."
        )

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


@dataclass(frozen=True, eq=False)
class Examples:
    """Windows with their targets and weights, one for each row of the input."""

    windows: Windows
    targets: np.ndarray
    weights: np.ndarray

    def held_out(self, plan: FitPlan) -> Validation | None:
        """The validation windows of `plan`, in window order."""
        if not len(plan.held_out):
            return None
        at = plan.held_out // self.windows.stride
        table = plan.held_out_table(STATELESS_LANES)
        return Validation(table, self.targets[at], self.weights[at])


@dataclass(frozen=True, eq=False)
class Learnt:
    """What training leaves: parameters, history, and the state it ended in.

    `n_batches` is how far the last epoch came in the batch table.
    """

    parameters: Parameters
    history: dict[str, list[float]]
    layers: tuple
    last_output: np.ndarray | None
    n_batches: int
    was_interrupted: bool


def train(
    recipe: Recipe,
    initial: Parameters,
    examples: Examples,
    table: np.ndarray,
    learning_rate: float | None,
    layers: tuple | None = None,
    checkpoint: Checkpoint | None = None,
    **options,
) -> Learnt:
    """Train from `initial` parameters; each epoch starts from the state `layers`.

    A `learning_rate` of None is the one that `initial` holds, as callbacks left it, or
    the optimizer's own before any training.
    Where the `checkpoint` found progress, training goes on from there. `options` are
    those of `TrainingRun`.
    """
    if checkpoint is not None and checkpoint.found is not None:
        found, learning_rate = checkpoint.found, None
        initial = Parameters(found.weights, found.seeds, found.slots)
    if learning_rate is None and not initial.slots:
        learning_rate = learning_rate_of(recipe.optimizer)
    windows = examples.windows
    with POOL.borrow(recipe.network) as program:
        rows = program.put_rows(windows, examples.targets, examples.weights)
        trainer = trainer_of(program, recipe.loss, recipe.optimizer)
        states = program.zero_states() if layers is None else layers
        options["metrics"] = bool(recipe.metrics)
        run = TrainingRun(
            trainer, rows, table, states, checkpoint=checkpoint, **options
        )
        trainer.start(initial, recipe.metrics, learning_rate, run.is_watched)
        parameters = run.run()
        return Learnt(
            parameters,
            run.history,
            run.states_after,
            run.last_output,
            run.n_batches,
            run.was_interrupted,
        )


def walk(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    windows: Windows,
    state: RecurrentState,
    **options,
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for `windows` from `state`, and the state after them (see `advance`)."""
    n_lanes = min(network.batch_size or STATELESS_LANES, len(windows)) or 1
    n_batches = -(-len(windows) // n_lanes)  # empty lanes cost nothing in NumPy
    if isinstance(network, StackedLSTM) and is_short(network, n_batches, n_lanes):
        numpy_pass = _numpy_pass(network, parameters)
        return advance(numpy_pass, windows, state, network.batch_size, **options)
    with POOL.borrow(network) as program:
        program.load(parameters)
        return advance(program, windows, state, network.batch_size, **options)


def step_one(
    network: StackedLSTM | UserNetwork,
    parameters: Parameters,
    row: np.ndarray,
    state: RecurrentState,
) -> tuple[np.ndarray, RecurrentState] | None:
    """What `walk` gives for one row after a full context; None where it must walk."""
    if (
        isinstance(network, StackedLSTM)
        and row.shape == (1, network.n_features)
        and len(state.context) == network.sequence_length - 1
        and is_short(network, 1, 1)
    ):
        numpy_pass = _numpy_pass(network, parameters)
        return advance_one(numpy_pass, row, state, network.batch_size)
    return None


def _numpy_pass(network: StackedLSTM, parameters: Parameters) -> NumpyPass:
    """The pass with these parameters; making it takes as long as five steps."""
    if parameters not in _NUMPY_PASSES:
        _NUMPY_PASSES[parameters] = NumpyPass(network, parameters.weights)
    return _NUMPY_PASSES[parameters]


_NUMPY_PASSES: MutableMapping[Parameters, NumpyPass] = weakref.WeakKeyDictionary()


def zero_state(network: StackedLSTM | UserNetwork, n_features: int) -> RecurrentState:
    """The state of `network` before any row."""
    if isinstance(network, StackedLSTM):
        layers = network.zero_states()
    else:
        with POOL.borrow(network) as program:
            layers = program.zero_states()
    return RecurrentState(layers, np.empty((0, n_features), np.float32))


def shuffled_table(plan: FitPlan, seed: int, epoch: int) -> np.ndarray:
    """The batch table of an epoch with its windows in random order."""
    rng = np.random.default_rng([seed, 3, epoch])
    return plan.table(rng.permutation(len(plan.trained)))


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """How the rows of a fit were read, so that predicting on them can repeat it.

    Parameters
    ----------
    shape : tuple of int
    digest : bytes
        Of the rows' content.
    n_dropped : int
        Complete windows before the first one in the lanes.
    start_position : int
        Slot of that one.
    """

    shape: tuple[int, ...]
    digest: bytes
    n_dropped: int
    start_position: int

    @classmethod
    def of(cls, X: np.ndarray, plan: FitPlan) -> TrainingRows:
        """Remember `X` by its content."""
        return cls(X.shape, digest(X), plan.n_dropped, plan.start_position)

    def are(self, X: np.ndarray) -> bool:
        """Whether `X` is what the fit was given."""
        return X.shape == self.shape and digest(X) == self.digest

    def in_lanes(self, windows: Windows) -> np.ndarray:
        """Windows that advance the lanes: the complete ones less those dropped."""
        complete = windows.complete
        return complete & (np.cumsum(complete) > self.n_dropped)


@dataclass(frozen=True, eq=False)
class Untrained:
    """Rows that `partial_fit` has yet to train on, and the state before them."""

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    before: RecurrentState

    def then(self, more: Untrained) -> Untrained:
        """These rows and those after them."""
        return Untrained(
            np.concatenate([self.X, more.X]),
            np.concatenate([self.targets, more.targets]),
            np.concatenate([self.weights, more.weights]),
            self.before,
        )

    def copy(self) -> Untrained:
        """These rows in arrays of their own, which no caller fills anew."""
        return Untrained(
            self.X.copy(), self.targets.copy(), self.weights.copy(), self.before
        )

    def since(self, n: int, before: RecurrentState) -> Untrained:
        """The rows after the first `n`, which left the state `before`."""
        return Untrained(self.X[n:], self.targets[n:], self.weights[n:], before)


def stacked_recipe(network: StackedLSTM, seed: int, choices, target) -> Recipe:
    """A recipe for the built-in network, its initial weights drawn from `seed`."""
    weights = tuple(network.initial_weights(np.random.default_rng([seed, 1])))
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
    )


def user_recipe(
    function: Callable[[dict[str, Any]], keras.Model],
    meta: dict[str, Any],
    seed: int,
    choices: dict[str, Any],
    target,
) -> Recipe:
    """A recipe for the model that `function` builds; if compiled, with its own choices.

    Models of built-in layers alone share compiled programs; others are told apart by
    a token of their own.
    """
    network, model = user_network(function, meta, seed)
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
    metrics = getattr(model._compile_metrics, "_user_metrics", None)
    return {"optimizer": model.optimizer, "loss": model.loss, "metrics": metrics}
