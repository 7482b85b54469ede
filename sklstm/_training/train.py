"""One training: from a recipe, examples and initial parameters to what was learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.forward_program import STATELESS_LANES
from sklstm._compiled.program_pool import POOL
from sklstm._compiled.training_program import learning_rate_of, trainer_of
from sklstm._rows.lanes import FitPlan
from sklstm._rows.windows import Windows
from sklstm._training.checkpoint import Checkpoint
from sklstm._training.epoch_loop import TrainingRun, Validation
from sklstm._training.recipe import Recipe


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


def shuffled_table(plan: FitPlan, seed: int, epoch: int) -> np.ndarray:
    """The batch table of an epoch with its windows in random order."""
    rng = np.random.default_rng([seed, 3, epoch])
    return plan.table(rng.permutation(len(plan.trained)))
