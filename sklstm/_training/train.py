"""One training: from a recipe, examples and initial parameters to what was learnt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sklstm._compiled.device_arrays import LayerStates, Parameters, Rows
from sklstm._compiled.optimizers import learning_rate_of
from sklstm._compiled.outputs import walk_series
from sklstm._compiled.program_pool import POOL
from sklstm._compiled.training_program import Trainer
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._rows.tiles import PlainRows, Tiles
from sklstm._rows.windows import Windows
from sklstm._training.checkpoint import Checkpoint
from sklstm._training.epoch_loop import TrainingRun, Validation
from sklstm._training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows or windows, with a target and a weight for each, or for each output."""

    windows: Windows | PlainRows
    targets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Curriculum:
    """What a training reads in each epoch.

    Parameters
    ----------
    windows : Windows or PlainRows
    layout : ndarray or Tiles
        The batch table, or the tiles, of an epoch in order.
    shuffled : callable or None
        ``shuffled(epoch)`` is the layout of an epoch in another order.
    trained : ndarray of int
        The targets that are trained on.
    validation : Validation, WalkedValidation or None
        What is held out.
    n_windows, n_dropped : int
        Windows trained on, and left out.
    text : str
        All this in a line.
    """

    windows: Windows | PlainRows
    layout: np.ndarray | Tiles
    shuffled: Callable[[int], np.ndarray | Tiles] | None
    trained: np.ndarray
    validation: Validation | WalkedValidation | None
    n_windows: int
    n_dropped: int
    text: str


@dataclass(frozen=True, eq=False)
class WalkedValidation:
    """Rows held out at the end of each series, reached by a walk from its beginning.

    Parameters
    ----------
    network : StackedLSTM or UserNetwork
    X, codes, begins : ndarray
        As in `walk_series`, for all rows.
    layers : LayerStates
        Zero states of the series.
    rows : ndarray of int
        The rows held out.
    targets, weights : ndarray
        Of these.
    """

    network: StackedLSTM | UserNetwork
    X: np.ndarray
    codes: np.ndarray
    begins: np.ndarray
    layers: LayerStates
    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def outputs(self, trainer: Trainer, rows: Rows, states: LayerStates) -> np.ndarray:
        """Outputs for the rows held out, of shape (n_rows, n_outputs)."""
        outputs, _ = walk_series(
            self.network, trainer.read(), self.X, self.codes, self.begins, self.layers
        )
        return outputs[self.rows]

    def begun_before(self, n_rows: int) -> WalkedValidation:
        """The same rows held out, each series reached from so many rows before them.

        The walk begins there in zero state, which by the first row held out hardly
        shows, and takes a part of the time.
        """
        first = np.full(len(self.layers[0][0]), len(self.X))  # of each series
        np.minimum.at(first, self.codes[self.rows], self.rows)
        walked = np.arange(len(self.X)) >= first[self.codes] - n_rows
        if walked.all():  # as in a panel of short series: no copy of all rows
            return self
        return replace(
            self,
            X=self.X[walked],
            codes=self.codes[walked],
            begins=self.begins[walked],
            rows=np.searchsorted(np.flatnonzero(walked), self.rows),
        )


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
    layout: np.ndarray | Tiles,
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
        trainer = program.trainer(recipe.loss, recipe.optimizer)
        states = program.zero_states() if layers is None else layers
        options["metrics"] = bool(recipe.metrics)
        run = TrainingRun(
            trainer, rows, layout, states, checkpoint=checkpoint, **options
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
