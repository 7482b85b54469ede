"""What both estimators share in training: `fit` and `partial_fit`.

Owns the parameters and what a fit leaves behind. What a fitted estimator does, and the
state that it moves, is in `predicting`; subclasses only encode and decode targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from sklstm._checks import (
    check_bool,
    check_enough_rows,
    check_enough_windows,
    check_fraction,
    check_numbers,
    check_positive_int,
    check_units,
    check_verbose,
    check_weights,
)
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.outputs import zero_state
from sklstm._compiled.training_program import learning_rate_of
from sklstm._estimator.predicting import StatefulPredictor
from sklstm._network.architecture import StackedLSTM
from sklstm._rows.lanes import EMPTY, FitPlan, lay_in_lanes
from sklstm._rows.state import RecurrentState
from sklstm._rows.training_rows import TrainingRows, Untrained
from sklstm._rows.windows import Windows
from sklstm._training.checkpoint import Checkpoint
from sklstm._training.recipe import Recipe, stacked_recipe, user_recipe
from sklstm._training.train import Examples, shuffled_table, train


class BaseStatefulLSTM(StatefulPredictor):
    """Base of the stateful LSTM estimators; use one of its subclasses.

    A subclass says how targets are encoded and decoded: ``_learn_target(y, loss)``,
    ``_weigh_rows(y, sample_weight)`` and ``_decode(outputs)``.
    """

    _waiting: tuple[Untrained, RecurrentState] | None

    # --- fitting --------------------------------------------------------------------

    def fit(self, X, y, sample_weight=None, checkpoint=None, checkpoint_every=1):
        """Train the network and leave its state right after the last row.

        Each epoch starts from zero state and reads the windows in order (stateful) or
        shuffled (stateless). Afterwards all rows run once more through the final
        weights from zero state, so that the state is right for the row after them.
        Whatever it raises, the estimator stays as it was.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of n_windows \
                array-like of shape (n_steps, n_features)
            Rows in time order, or ready-made windows. Windows of different lengths
            come as a list, or as a masked array (`numpy.ma`) whose padding, whole
            first steps, is masked. Nothing else is taken for padding: zeros are data.
            Padded steps leave the state untouched, and such windows are trained on like
            any other. A window whose first steps are NaN in every feature lacks rows
            from before the series began; it is not trained on.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            ``y[i]`` belongs to the window that ends at row i.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss. A row of weight 0 still advances the state.
        checkpoint : str or path-like, default=None
            A folder to keep the progress in, made if it is not there. After a crash the
            same call on the same data goes on from the last checkpoint and ends with
            the very weights of an uninterrupted one; so does a call for more epochs.
            Other data or parameters start anew, with a file of their own, so that the
            fits of a search can share the folder. A finished training takes its
            checkpoint away; one ended by Ctrl-C or an error leaves it. Around a
            pipeline or a search of one, pass
            ``statefullstmregressor__checkpoint=folder`` to `fit`.
        checkpoint_every : int, default=1
            Epochs from one checkpoint to the next.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            For a parameter of the wrong type, and for X or y that hold dates or
            durations.
        ValueError
            For a parameter out of range; NaN, infinity or masked entries; too few rows
            for a window or a batch; weights that are all zero; a model that does not
            fit the data; a metric of several numbers; `warm_start` on a network of
            another shape; and a loss that stops being a finite number.
        sklstm.persistence.PersistenceError
            For a damaged checkpoint.
        OSError
            If the folder for the checkpoint cannot be made or read.
        KeyboardInterrupt
            If training is interrupted before the first whole epoch.

        Warns
        -----
        RuntimeWarning
            If training is interrupted after the first epoch: the last whole one stands.
            If a checkpoint cannot be written: training goes on without.
        """
        with self._all_or_nothing():
            self._check_parameters()
            X, y = self._check_training_input(X, y, reset=True)
            if checkpoint is not None:
                checkpoint = self._open_checkpoint(
                    checkpoint, checkpoint_every, X, y, sample_weight
                )
                checkpoint.check_within(int(self.epochs))
            found = checkpoint and checkpoint.found
            seed = found.seed if found else self._draw_seed()
            recipe, target = self._make_recipe(X, y, seed)
            windows = Windows.of(X, X[:0], recipe.sequence_length)
            plan = self._plan(windows)
            encoded = self._encode(recipe, target, X, y, sample_weight)
            examples = Examples(windows, *encoded)
            check_weights(examples.weights, plan.trained // windows.stride)
            initial = self._initial_parameters(recipe, seed)
            shuffles = self.shuffle and not self.stateful
            if self.verbose:
                print(plan.describe(windows.sequence_length))
            learnt = train(
                recipe,
                initial,
                examples,
                plan.table(),
                shuffled=partial(shuffled_table, plan, seed) if shuffles else None,
                learning_rate=learning_rate_of(recipe.optimizer),
                checkpoint=checkpoint,
                seed=seed,
                epochs=int(self.epochs),
                callbacks=self._instantiate_callbacks(),
                validation=examples.held_out(plan),
                verbose=int(self.verbose),
            )
            self._keep_network(recipe, target, initial)
            self._parameters = learnt.parameters
            self._keep_history(learnt.history, extend=self.warm_start)
            self.n_windows_, self.n_dropped_rows_ = len(plan.trained), plan.n_dropped
            self._training_rows, self._waiting = TrainingRows.of(X, plan), None
            _, self.state_ = self._walk(
                windows,
                self._state_before(self._training_rows),
                in_lanes=self._training_rows.in_lanes(windows),
                answer_apart=False,
            )
            self._seeded_state = self.state_
        if checkpoint is not None and not learnt.was_interrupted:
            checkpoint.remove()
        return self

    def _open_checkpoint(self, folder, every, X, y, sample_weight) -> Checkpoint:
        """The checkpoint in `folder` of this very training."""
        every = check_positive_int("checkpoint_every", every)
        parameters = self.get_params(deep=False)
        for name in ("epochs", "verbose"):  # more epochs go on where fewer ended
            del parameters[name]
        before = self._parameters.weights if self._goes_on() else ()
        call = [type(self), parameters, before, X, y, sample_weight]
        return Checkpoint.of(folder, every, call)

    def _goes_on(self) -> bool:
        """Whether `fit` starts from the weights of the last one."""
        return bool(self.warm_start) and self.__sklearn_is_fitted__()

    def _partial_fit(self, X, y, sample_weight):
        """One pass over rows that follow those seen.

        `epochs`, `validation_split`, `shuffle`, `drop_remainder`, `warm_start` and
        `verbose` play no part.
        """
        with self._all_or_nothing():
            self._check_parameters()
            is_first = not self.__sklearn_is_fitted__()
            X, y = self._check_training_input(X, y, reset=is_first)
            if is_first:
                self._start_empty(X, y)
            targets, weights = self._encode(
                self._recipe, self._target, X, y, sample_weight
            )
            rows = Untrained(X, targets, weights, self.state_)
            if self._waiting is not None and self._waiting[1] is self.state_:
                rows = self._waiting[0].then(rows)
            rows = self._train_whole_batches(rows)
            state = rows.before
            if len(rows.X):
                _, state = self._walk_from(state, rows.X)
            self.state_, self._waiting = state, (rows.copy(), state)
        return self

    def _train_whole_batches(self, rows: Untrained) -> Untrained:
        """Train on the batches that `rows` fill and return the rows left over.

        Where a callback stops training, the batches after that are left over too.
        """
        before = rows.before
        windows = Windows.of(rows.X, before.context, self.sequence_length_)
        full = windows.ends[windows.complete]
        n_lanes = self._recipe.batch_size or int(self.batch_size)
        n_trained = len(full) - (before.position + len(full)) % n_lanes
        if n_trained <= 0:
            return rows
        n_context = len(before.context)
        table = lay_in_lanes(full[:n_trained], before.position, n_lanes)
        learnt = train(
            self._recipe,
            self._parameters,
            Examples(
                windows,
                np.pad(rows.targets, ((n_context, 0), (0, 0))),
                np.pad(rows.weights, (n_context, 0)),
            ),
            table,
            learning_rate=self._changed_learning_rate(),
            layers=before.layers,
            callbacks=self._instantiate_callbacks(),
        )
        self._parameters = learnt.parameters
        self._keep_history(learnt.history, extend=True)
        n_trained = int(np.count_nonzero(table[: learnt.n_batches] != EMPTY))
        if not n_trained:  # stopped before the first batch
            return rows
        self.n_windows_ += n_trained
        end = int(full[n_trained - 1]) + 1
        after = RecurrentState(
            learnt.layers,
            windows.context_before(end),
            before.position + n_trained,
            learnt.last_output,
        )
        return rows.since((end - n_context) // windows.stride, after)

    def _changed_learning_rate(self) -> float | None:
        """A learning rate set since the network was made; None where it was not."""
        optimizer = self._compile_arguments()["optimizer"]
        self._recipe.check_trained_by(optimizer)
        asked = learning_rate_of(optimizer)
        if asked == self._recipe.asked_rate:
            return None
        self._recipe = replace(self._recipe, asked_rate=asked)
        return asked

    # --- parts of fitting -----------------------------------------------------------

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Put every attribute back if anything goes wrong inside."""
        attributes = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise

    def _check_parameters(self) -> None:
        check_units(self.units)
        for name in ("sequence_length", "batch_size", "epochs"):
            check_positive_int(name, getattr(self, name))
        for name in ("stateful", "drop_remainder", "shuffle", "warm_start"):
            check_bool(name, getattr(self, name))
        for name in ("dropout", "validation_split"):
            check_fraction(name, getattr(self, name))
        check_verbose(self.verbose)

    def _draw_seed(self) -> int:
        if self.random_state is None:  # without touching NumPy's global generator
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _make_recipe(self, X: np.ndarray, y, seed: int):
        """The network that the parameters describe, and the target it is for."""
        choices = self._compile_arguments()
        target = self._learn_target(y, choices["loss"])
        sequence_length = X.shape[1] if X.ndim == 3 else int(self.sequence_length)
        batch_size = int(self.batch_size) if self.stateful else None
        if self.model is not None:
            meta = {
                **target.meta,
                "n_features_in_": self.n_features_in_,
                "sequence_length": sequence_length,
                "batch_size": batch_size,
                "stateful": bool(self.stateful),
            }
            function = self._model_function()
            return user_recipe(function, meta, seed, choices, target), target
        network = StackedLSTM(
            units=check_units(self.units),
            dropout=float(self.dropout),
            n_outputs=target.n_outputs,
            activation=target.activation,
            sequence_length=sequence_length,
            n_features=self.n_features_in_,
            batch_size=batch_size,
        )
        return stacked_recipe(network, seed, choices, target), target

    def _plan(self, windows: Windows) -> FitPlan:
        """Which windows to train on and which to hold out, or a clear error."""
        n, full = len(windows), windows.complete
        n_train = n - int(n * self.validation_split)
        if self._n_dimensions == 2:
            check_enough_rows(n_train, windows.sequence_length)
        check_enough_windows(
            int(full[:n_train].sum()),
            self.batch_size if self.stateful and self.drop_remainder else 1,
            windows.sequence_length,
            ready_made=self._n_dimensions == 3,
        )
        return FitPlan.of(
            windows.ends[full],
            n_held_out=int(full[n_train:].sum()),
            batch_size=int(self.batch_size),
            stateful=bool(self.stateful),
            drop_remainder=bool(self.drop_remainder),
        )

    def _encode(self, recipe: Recipe, target, X, y, sample_weight):
        """Network targets of shape (n, n_outputs) and weights of shape (n,)."""
        check_numbers("sample_weight", sample_weight)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float32, copy=True)
        if not np.isfinite(weights).all():  # one number for all is not checked there
            raise ValueError(
                f"sample_weight={sample_weight!r} must be finite. Pass one weight for"
                " each row, or None for equal ones."
            )
        weights = np.asarray(self._weigh_rows(y, weights), np.float32)
        return target.encode(y, recipe.n_outputs, recipe.loss), weights

    def _initial_parameters(self, recipe: Recipe, seed: int) -> Parameters:
        """Fresh parameters, or with `warm_start` those of the last fit."""
        if not self._goes_on():
            return recipe.initial(seed)
        kept = self._parameters
        if recipe.network.key != self._recipe.network.key:
            kept = self._fitting_into(recipe, recipe.initial(seed))
        if not self._recipe.is_trained_by(recipe.optimizer):
            kept = replace(kept, slots=())
        return kept

    def _fitting_into(self, recipe: Recipe, fresh: Parameters) -> Parameters:
        """The parameters for a network made anew, which has `fresh` ones, if they fit.

        Networks with a key of their own each time may yet be of one shape.
        """
        kept = self._parameters
        has_same_shape = _shapes(fresh.weights) == _shapes(kept.weights)
        if recipe.batch_size != self._recipe.batch_size or not has_same_shape:
            raise ValueError(
                "warm_start=True continues from the weights of the last fit, but the"
                " network's shape or batch size has changed since. Set warm_start=False"
                " to start anew."
            )
        if _shapes(fresh.seeds) != _shapes(kept.seeds):  # dropout came or went
            return replace(kept, seeds=fresh.seeds)
        return kept

    def _start_empty(self, X: np.ndarray, y) -> None:
        """Become fitted on no rows yet, for the first `partial_fit`."""
        seed = self._draw_seed()
        recipe, target = self._make_recipe(X, y, seed)
        initial = recipe.initial(seed)
        self._keep_network(recipe, target, initial)
        self._parameters = initial
        self._keep_history({}, extend=False)
        self.n_windows_ = self.n_dropped_rows_ = 0
        self._training_rows = self._waiting = None
        self.state_ = self._seeded_state = self._zero_state

    def _keep_network(self, recipe: Recipe, target, initial: Parameters) -> None:
        self._recipe, self._target = recipe, target
        self._zero_state = zero_state(recipe.network, self.n_features_in_)
        self.n_outputs_ = recipe.n_outputs
        self.sequence_length_ = recipe.sequence_length
        self.initial_weights_ = [weight.copy() for weight in initial.weights]

    def _keep_history(self, history: dict[str, list[float]], extend: bool) -> None:
        before = getattr(self, "history_", {}) if extend else {}
        names = dict.fromkeys([*before, *history])
        self.history_ = {n: [*before.get(n, ()), *history.get(n, ())] for n in names}


def _shapes(arrays: Iterable[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
