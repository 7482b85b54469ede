"""The epoch loop: resets, callbacks, validation, progress, history.

Owns the order of events in training. The arithmetic is in the compiled programs; what
the rows mean is known to the estimator.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from sklstm._compiled.device_arrays import (
    LayerStates,
    Parameters,
    Rows,
    to_device,
    to_numpy,
)
from sklstm._compiled.training_program import MOST_PASSES, Trainer
from sklstm._network.losses import batch_loss
from sklstm._rows.lanes import EMPTY
from sklstm._rows.tiles import Tiles
from sklstm._tensorflow import keras, tf
from sklstm._training.checkpoint import Checkpoint, Progress, recall, remind
from sklstm._training.interrupts import Slices, interrupts_held_back
from sklstm._training.weight_average import WeightAverage

with warnings.catch_warnings():  # in a notebook without widgets the bar is text
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm


MOST_TILED_ROWS = 2**20  # on the device at once, those of each epoch counted


@dataclass(frozen=True, eq=False)
class Validation:
    """Windows held out: their batch table, and targets and weights in window order."""

    table: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def outputs(self, trainer: Trainer, rows: Rows, states: LayerStates) -> np.ndarray:
        """Outputs of shape (n_windows, n_outputs), continuing from `states`."""
        outputs, _ = trainer.program.forward(rows, self.table, states)
        return outputs[self.table != EMPTY]


@dataclass(eq=False)
class TrainingRun:
    """One fit's passes over the data.

    Parameters
    ----------
    trainer : Trainer
        To be started on the initial parameters before `run` is called.
    rows : Rows
        With targets and weights.
    layout : ndarray of shape (n_batches, batch_size), or Tiles
        The batch table, or the tiles, of an epoch in order.
    states : LayerStates
        State that each epoch starts from.
    epochs : int
    callbacks : list of keras.callbacks.Callback
    validation : Validation, WalkedValidation or None
    metrics : bool
        Whether the model was compiled with metrics.
    verbose : int
        Above 0 shows a progress bar.
    shuffled : callable or None
        ``shuffled(epoch)`` is the layout of an epoch in another order.
    seed : int
        What the training draws from; kept with its progress.
    checkpoint : Checkpoint or None
        Where to keep the progress. Where it found some, the trainer is started on
        that.
    ema_momentum : float
        Momentum of the exponential moving average of weights over epochs, which is what
        is learnt; 0 for the weights after the last epoch.
    on_epoch : callable or None
        ``on_epoch(n_epochs, weights)`` is called after each epoch with the averaged
        weights, and tells whether training goes on. Such a training is a trial: where
        the user interrupts it, nothing of it stands.

    Attributes
    ----------
    history : dict of str to list of float
        Loss and metrics of each epoch.
    last_output : ndarray of shape (n_outputs,)
        What the network put out for the last window trained on.
    n_batches : int
        Batches of the last epoch that were trained on: fewer than the table has where a
        callback stopped training.
    was_interrupted : bool
        Whether the user ended it by Ctrl-C.
    is_watched : bool
        Whether anybody looks at the model in between: each epoch then takes a call of
        its own.
    """

    trainer: Trainer
    rows: Rows
    layout: np.ndarray | Tiles
    states: LayerStates
    epochs: int = 1
    callbacks: list = field(default_factory=list)
    validation: Any = None
    metrics: bool = False
    verbose: int = 0
    shuffled: Callable[[int], np.ndarray | Tiles] | None = None
    seed: int = 0
    checkpoint: Checkpoint | None = None
    ema_momentum: float = 0.0
    on_epoch: Callable[[int, tuple], bool] | None = None

    def __post_init__(self):
        self.history: dict[str, list[float]] = {}
        self._start_states = to_device(self.states)
        self._states = self._start_states
        self.last_output: np.ndarray | None = None
        self.n_batches = 0
        self.was_interrupted = False
        self._model = self.trainer.program.model
        self._before_epoch: Parameters | None = None
        self._average = WeightAverage(self.ema_momentum)
        self._n_averaged = 0  # epochs whose weights are in the average
        self._appending: list = []  # loggers that go on with their file this once
        self._logged = keras.callbacks.History()  # what callbacks add to the logs too
        self._calls_python = bool(self.metrics or self.validation)
        self.is_watched = bool(
            self.callbacks or self._calls_python or self.checkpoint is not None
        )
        self._use([self.layout])
        self._call_batch_hooks = any(map(_has_batch_hooks, self.callbacks))
        self._slices = Slices(1 if self._call_batch_hooks else None, self._first_slice)

    @property
    def _is_tiled(self) -> bool:
        return isinstance(self.layout, Tiles)

    @property
    def _most_at_once(self) -> int:
        """Epochs that one call may take."""
        if self.is_watched or self.ema_momentum or self.on_epoch is not None:
            return 1
        if not self._is_tiled:
            return 1 if self.shuffled is not None else MOST_PASSES
        # the tiles of all of them are on the device together
        return int(np.clip(MOST_TILED_ROWS // self.rows.room, 1, MOST_PASSES))

    def _use(self, epochs: list) -> None:
        """Read rows by the layouts of these epochs from now on."""
        layout = epochs[-1]
        self.table = layout.table if isinstance(layout, Tiles) else layout
        self._on_device: Any = None  # the tiles before are let go first
        if isinstance(layout, Tiles):
            self._on_device = self.rows.put_tiles(epochs, self._most_at_once)
            self._n_batches = sum(len(tiles.table) for tiles in epochs)
        else:
            self._on_device = self.rows.put_table(layout)

    def _train(self, first: int, stop: int, total: float, states, n_passes: int = 1):
        """Totals, outputs and states of a call; for tiles, of all epochs in use."""
        if not self._is_tiled:
            return self.trainer.train(
                self.rows, self._on_device, first, stop, total, states, n_passes
            )
        return self.trainer.train_tiles(
            self.rows, self._on_device, first, stop, total, states, self.metrics
        )

    @property
    def _first_slice(self) -> int:
        """Batches that take a few tenths of a second, as a guess before the first."""
        program = self.trainer.program
        n_windows, n_steps = self.table.shape[-1], program.sequence_length
        n_weights = sum(int(np.prod(variable.shape)) for variable in program.weights)
        return int(np.clip(4e9 / (6 * n_windows * n_steps * n_weights), 8, 2048))

    @property
    def states_after(self) -> LayerStates:
        """State after the last batch trained on."""
        return to_numpy(self._states)

    def run(self) -> Parameters:
        """Train for all epochs and return what was learnt.

        Raises
        ------
        ValueError
            Where the loss is no longer a finite number.
        KeyboardInterrupt
            Where the user interrupts before the first whole epoch, or a trial.

        Warns
        -----
        RuntimeWarning
            Where the user interrupts later: the last whole epoch stands.
        """
        hooks = keras.callbacks.CallbackList(
            [*self.callbacks, self._logged],
            model=self._model,
            epochs=self.epochs,
            steps=len(self.table),
            verbose=self.verbose,
        )
        try:
            self._begin(hooks)
            with interrupts_held_back() as self._notice_interrupt:
                self._run_epochs(hooks)
            self.trainer.finish()
            hooks.on_train_end({name: v[-1] for name, v in self.history.items()})
        except KeyboardInterrupt:
            self._keep_last_whole_epoch()
        finally:
            for callback in hooks.callbacks:  # the model goes back to the pool
                callback._model = None  # not `set_model`, which may do more
            for logger in self._appending:
                logger.append, logger.append_header = False, True
        learnt = self._checked(self.trainer.read())
        return replace(learnt, weights=self._average.of(learnt.weights))

    def _begin(self, hooks) -> None:
        """Start the callbacks; those of a training that goes on remember."""
        progress = None if self.checkpoint is None else self.checkpoint.found
        self._n_done = 0
        if progress is not None:
            self._appending = [
                callback
                for callback in self.callbacks
                if isinstance(callback, keras.callbacks.CSVLogger)
                and not callback.append
            ]
            for logger in self._appending:
                logger.append = True
        hooks.on_train_begin()
        self._memories = recall(self.callbacks)
        if progress is not None:
            remind(self.callbacks, progress.memories)
            self.history = {name: [*v] for name, v in progress.history.items()}
            self._average.remind(progress.average)
            self._n_done = self._n_averaged = progress.n_epochs
            self._model.stop_training = progress.stopped

    def _keep_progress(self, n_epochs: int) -> None:
        """Write the checkpoint, where there is one and it is time to."""
        checkpoint = self.checkpoint
        is_last = n_epochs == self.epochs or self._model.stop_training
        if checkpoint is None or not (is_last or checkpoint.is_due(n_epochs)):
            return
        learnt = self.trainer.read()
        checkpoint.write(
            Progress(
                self.seed,
                n_epochs,
                bool(self._model.stop_training),
                learnt.weights,
                learnt.seeds,
                learnt.slots,
                self._average.recall(),
                self.history,
                recall(self.callbacks, self._memories),
            )
        )

    def _checked(self, parameters: Parameters) -> Parameters:
        """The parameters, unless the last update left them not finite."""
        if not all(np.isfinite(weight).all() for weight in parameters.weights):
            self._refuse(
                "weights became infinite or NaN", len(self.history["loss"]) - 1
            )
        return parameters

    def _run_epochs(self, hooks) -> None:
        epoch = self._n_done
        with _progress_bar(self.epochs, self.verbose) as bar:
            bar.update(epoch)
            while epoch < self.epochs and not self._model.stop_training:
                n = self._n_at_once(self.epochs - epoch)
                last = epoch + n
                bar.set_description(f"Epoch {last}/{self.epochs}", refresh=False)
                if n > 1:
                    logs = self._run_epochs_at_once(epoch, n)
                    bar.update(n)
                else:
                    logs = self._run_epoch_with_hooks(epoch, hooks, bar)
                if self.verbose:
                    shown = {name: f"{value:.4g}" for name, value in logs.items()}
                    bar.set_postfix(shown, refresh=last == self.epochs)
                self._notice_interrupt()
                epoch = last
                if not self._goes_on_after(epoch):
                    break

    def _goes_on_after(self, epoch: int) -> bool:
        """Ask whether training goes on."""
        if self.on_epoch is None:
            return True
        return self.on_epoch(epoch, self._average.of(self.trainer.read().weights))

    def _add_to_average(self, n_epochs: int) -> None:
        """Count the weights after so many epochs, unless they are counted already."""
        if self.ema_momentum and self._n_averaged < n_epochs:
            self._average.add(self.trainer.read().weights)
            self._n_averaged = n_epochs

    def _n_at_once(self, n_left: int) -> int:
        """How many epochs the next call takes: several, where nobody looks between."""
        n_in_time = self._slices.size // len(self.table)
        return max(1, min(n_in_time, n_left, self._most_at_once))

    def _run_epochs_at_once(self, epoch: int, n: int) -> dict[str, float]:
        """Run epochs in one call, which saves a millisecond for each of them."""
        stop = len(self.table)
        if self._is_tiled:
            epochs = range(epoch, epoch + n)
            self._use([self._layout_of(e) for e in epochs])
            stop = self._n_batches
        with self._slices.timed():
            totals, outputs, self._states = self._train(
                0, stop, 0.0, self._start_states, n
            )
        losses = (totals[:n] / np.count_nonzero(self.table != EMPTY)).tolist()
        for k, loss in enumerate(losses):
            if not np.isfinite(loss):
                self._refuse(f"loss became {loss}", epoch + k)
        self.history.setdefault("loss", []).extend(losses)
        self.n_batches = len(self.table)
        if outputs is not None:
            self.last_output = _last_of(outputs, self.table)
        return {"loss": losses[-1]}

    def _layout_of(self, epoch: int):
        return self.layout if self.shuffled is None else self.shuffled(epoch)

    def _run_epoch_with_hooks(self, epoch: int, hooks, bar) -> dict[str, float]:
        """Run an epoch, with everything that looks on."""
        if self.shuffled is not None or self._is_tiled:
            self._use([self._layout_of(epoch)])
        self._show(self._start_states)
        hooks.on_epoch_begin(epoch)
        logs = self._run_epoch(epoch, hooks, bar)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self._before_epoch = None
        self._show(self._states)
        hooks.on_epoch_end(epoch, logs)
        for name in self._logged.history.keys() - logs.keys():
            values = self.history.setdefault(name, [])
            values.append(self._logged.history[name][-1])
        self._add_to_average(epoch + 1)
        self._keep_progress(epoch + 1)
        return logs

    def _run_epoch(self, epoch: int, hooks, bar) -> dict[str, float]:
        """One pass over the batches of the table, from the starting state."""
        table = self.table
        states, total, n_seen, logs = self._start_states, 0.0, 0, {}
        parts, made = [], []
        if self.metrics:
            self._model.reset_metrics()
        # Keras notices a stop after a batch, also one asked for as the epoch begins.
        n_batches = 1 if self._model.stop_training else len(table)
        for first, stop in self._slices.over(n_batches):
            if self._call_batch_hooks:
                self._show(states)
                hooks.on_train_batch_begin(first)
                states = self.trainer.program.shown_states()
            is_part = stop - first < len(table)
            if (is_part or self._calls_python) and self._before_epoch is None:
                self._before_epoch = self.trainer.read()
            totals, outputs, states = self._train(first, stop, total, states)
            total = float(totals[0])
            part = table[first:stop]
            n_seen += int(np.count_nonzero(part != EMPTY))
            logs = {"loss": total / n_seen}
            if self._call_batch_hooks:
                if self.metrics:
                    logs |= self._training_metrics(part, outputs)
                self._show(states)
                hooks.on_train_batch_end(first, dict(logs))
                states = self.trainer.program.shown_states()
            elif self.metrics:
                parts.append(part)
                made.append(outputs)
            bar.update((stop - first) / len(table))
            if is_part:
                self._notice_interrupt()
            if self._model.stop_training:
                break
        if not np.isfinite(logs["loss"]):
            self._refuse(f"loss became {logs['loss']}", epoch)
        if made:  # all at once: metrics must not depend on how the epoch was cut
            logs |= self._training_metrics(np.concatenate(parts), np.concatenate(made))
        self._states, self.n_batches = states, stop
        if outputs is not None:
            self.last_output = _last_of(outputs, part)
        return logs | self._validate(states, hooks)

    def _show(self, states: LayerStates) -> None:
        """Let callbacks find the states in the layers, as in Keras.

        What batch-level hooks make of them counts. An epoch begins, and ends, in states
        that no hook decides.
        """
        if self.callbacks:
            self.trainer.program.show_states(states)

    def _training_metrics(self, part: np.ndarray, outputs: np.ndarray):
        """Metrics over the windows so far, from the predictions made on the way."""
        at = part[part != EMPTY] // self.rows.stride
        y = tf.gather(self.rows.targets, at)
        w = tf.gather(self.rows.weights, at)
        return self._update_metrics(y, outputs[part != EMPTY], w)

    def _validate(self, states: LayerStates, hooks) -> dict[str, float]:
        """Loss and metrics on the held-out windows, continuing from `states`."""
        held_out = self.validation
        if held_out is None:
            return {}
        hooks.on_test_begin()  # a callback may put other weights into the model
        y_pred = tf.constant(held_out.outputs(self.trainer, self.rows, states))
        y, w = tf.constant(held_out.targets), tf.constant(held_out.weights)
        self._model._clear_losses()  # those of activities belong to the traced pass
        given = None, y, y_pred, w
        loss = batch_loss(self._model, self.trainer.loss, *given, training=False)
        logs = {"loss": float(loss)}
        if self.metrics:
            self._model.reset_metrics()
            logs |= self._update_metrics(y, y_pred, w)
        hooks.on_test_end(dict(logs))
        return {f"val_{name}": value for name, value in logs.items()}

    def _update_metrics(self, y, y_pred, w) -> dict[str, float]:
        logs = self._model.compute_metrics(None, y, tf.convert_to_tensor(y_pred), w)
        return {name: _one(name, v) for name, v in logs.items() if name != "loss"}

    def _refuse(self, what: str, epoch: int) -> NoReturn:
        raise ValueError(
            f"The {what} in epoch {epoch + 1} of {self.epochs}, so training stopped and"
            " the estimator was left as it was. Scale X and y (for example with"
            " StandardScaler), lower optimizer__learning_rate, or set"
            " optimizer__clipnorm=1.0."
        )

    def _keep_last_whole_epoch(self) -> None:
        n_whole = len(self.history.get("loss", ()))
        if not n_whole or self.on_epoch is not None:
            raise KeyboardInterrupt
        self.was_interrupted = True
        if self._before_epoch is not None:
            self.trainer.write(self._before_epoch)
        self._add_to_average(n_whole)
        warnings.warn(
            f"Training was interrupted after {n_whole} of {self.epochs} epochs; the"
            " estimator is fitted as the last whole epoch left it.",
            RuntimeWarning,
            stacklevel=5,
        )


def _last_of(outputs: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What the network put out for the last target of a layout."""
    return outputs[-1][table[-1] != EMPTY][-1]


def _one(name: str, result) -> float:
    """A metric's result, which has to be one number."""
    values = np.asarray(result)
    if values.size != 1:
        raise ValueError(
            f"The metric {name!r} gives {values.size} numbers, but the history has room"
            " for one an epoch. Have it make one of them, as average='macro' does in"
            " keras.metrics.F1Score."
        )
    return float(values.item())


def _has_batch_hooks(callback) -> bool:
    """Whether a callback listens to batches, which costs one call for each."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return callback.save_freq != "epoch"
    hooks = ("batch_begin", "batch_end", "train_batch_begin", "train_batch_end")
    return any(
        getattr(getattr(callback, f"on_{hook}"), "__func__", None)
        is not getattr(keras.callbacks.Callback, f"on_{hook}")
        for hook in hooks
    )


def _progress_bar(epochs: int, verbose: int) -> tqdm:
    return tqdm(
        total=epochs,
        disable=verbose < 1,
        bar_format="{desc} |{bar:20}| {elapsed}<{remaining}{postfix}",
        mininterval=0.2,
    )
