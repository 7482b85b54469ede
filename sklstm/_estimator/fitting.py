"""What both estimators share in training: `fit` and `partial_fit`.

What a fitted estimator does is in `predicting`, `state_calls` and `exports`; subclasses
only say what their targets are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from sklstm._checks import (
    check_bool,
    check_fraction,
    check_numbers,
    check_option,
    check_positive_int,
    check_units,
    check_verbose,
    check_weights,
)
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.outputs import walk_on, zero_state
from sklstm._compiled.training_program import learning_rate_of
from sklstm._estimator import sliding, tiled
from sklstm._estimator.exports import Exports
from sklstm._estimator.following import Following, check_training_labels, follow
from sklstm._estimator.given import Given, read_rows, read_training_rows
from sklstm._estimator.inputs import check_y
from sklstm._estimator.predicting import Predicting
from sklstm._estimator.seeding import seed_state
from sklstm._estimator.state_calls import StateCalls
from sklstm._network.architecture import StackedLSTM
from sklstm._rows.continuity import TimeAxis
from sklstm._rows.lanes import EMPTY, lay_in_lanes
from sklstm._rows.state import RecurrentState
from sklstm._rows.tiles import PlainRows
from sklstm._rows.training_rows import TrainingRows, Untrained, digest_rows
from sklstm._rows.windows import Windows
from sklstm._training.checkpoint import Checkpoint
from sklstm._training.fitted import Fitted, joined
from sklstm._training.recipe import Recipe, stacked_recipe, user_recipe
from sklstm._training.train import Examples, train


class BaseStatefulLSTM(Predicting, StateCalls, Exports):
    """Base of the stateful LSTM estimators; use one of its subclasses.

    A subclass says what its targets are, ``_learn_target(y, loss)``, and how rows are
    weighted, ``_weigh_rows(y, sample_weight, target)``.
    """

    _y_options: dict[str, Any] = {}

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
        self._check_parameters()
        given = read_training_rows(self, X, self.series_id, self.windows == "tiled")
        y = check_y(self, y, self._y_options, given, X)
        if checkpoint is not None:
            checkpoint = self._open_checkpoint(
                checkpoint, checkpoint_every, given, y, sample_weight
            )
            checkpoint.check_within(int(self.epochs))
        found = checkpoint and checkpoint.found
        seed = found.seed if found else self._draw_seed()
        recipe, target = self._make_recipe(given, y, seed)
        targets, weights = self._encode(recipe, target, given, y, sample_weight)
        axis = TimeAxis.learn(given.labels)
        begins, first, last = check_training_labels(axis, given, self.on_gap, 2)
        unsorted, (given, order) = given, given.sorted()
        begins = begins[order]
        fit = self._fit_tiled if recipe.is_tiled else self._fit_sliding
        curriculum, rows, zero = fit(
            recipe, given, begins, targets[order], weights[order], seed
        )
        check_weights(weights[order], curriculum.trained)
        initial = self._initial_parameters(recipe, seed)
        if self.verbose:
            print(curriculum.text)
        learnt = train(
            recipe,
            initial,
            Examples(curriculum.windows, targets[order], weights[order]),
            curriculum.layout,
            shuffled=curriculum.shuffled,
            learning_rate=learning_rate_of(recipe.optimizer),
            checkpoint=checkpoint,
            seed=seed,
            epochs=int(self.epochs),
            callbacks=self._instantiate_callbacks(),
            validation=curriculum.validation,
            verbose=int(self.verbose),
        )
        rows = replace(rows, digest=digest_rows(unsorted.X, unsorted.labels.codes))
        if given.sequences is None:
            rows = replace(rows, series=given.labels.ids, first=first, last=last)
        fitted = Fitted(
            recipe=recipe,
            target=target,
            input_shape=given.shape,
            initial=initial,
            parameters=learnt.parameters,
            history=joined(self.history_ if self._goes_on() else {}, learnt.history),
            n_windows=curriculum.n_windows,
            n_dropped=curriculum.n_dropped,
            zero=zero,
            seeded=zero,
            state=zero,
            training_rows=rows,
            axis=axis,
        )
        state = seed_state(fitted, given, begins, last, curriculum.windows)
        self._fitted = replace(fitted, seeded=state, state=state)
        if checkpoint is not None and not learnt.was_interrupted:
            checkpoint.remove()
        return self

    def _fit_sliding(self, recipe, given, begins, targets, weights, seed):
        """What to train on, how the rows are read again, and the zero state."""
        windows = sliding.training_windows(given, begins, recipe)
        curriculum, plan = sliding.curriculum(
            windows,
            given,
            targets,
            weights,
            validation_split=float(self.validation_split),
            batch_size=int(self.batch_size),
            stateful=bool(self.stateful),
            drop_remainder=bool(self.drop_remainder),
            shuffle=bool(self.shuffle),
            seed=seed,
        )
        rows = TrainingRows(given.X.shape, b"", plan.n_dropped, plan.start_position)
        if given.labels.ids is not None and recipe.batch_size is None:
            zero = sliding.zero_of_panel(given, recipe.sequence_length)
        else:
            zero = zero_state(recipe.network, given.shape.n_features)
            zero = zero.replace(series=given.labels.ids)
        return curriculum, rows, zero

    def _fit_tiled(self, recipe, given, begins, targets, weights, seed):
        """The same for tiled windows."""
        curriculum = tiled.curriculum(
            given,
            begins,
            targets,
            weights,
            recipe,
            validation_split=float(self.validation_split),
            batch_size=int(self.batch_size),
            shuffle=bool(self.shuffle),
            seed=seed,
        )
        rows = TrainingRows(given.X.shape, b"", 0, 0)
        return curriculum, rows, tiled.zero_state(recipe.network, given)

    def _open_checkpoint(
        self, folder, every, given: Given, y, sample_weight
    ) -> Checkpoint:
        """The checkpoint in `folder` of this very training."""
        every = check_positive_int("checkpoint_every", every)
        parameters = self.get_params(deep=False)
        for name in ("epochs", "verbose"):  # more epochs go on where fewer ended
            del parameters[name]
        before = self._fitted.parameters.weights if self._goes_on() else ()
        labels = given.labels
        rows = [given.X, labels.codes, labels.ids, labels.time]
        call = [type(self), parameters, before, *rows, y, sample_weight]
        return Checkpoint.of(folder, every, call)

    def _goes_on(self) -> bool:
        """Whether `fit` starts from the weights of the last one."""
        return bool(self.warm_start) and self.__sklearn_is_fitted__()

    def _partial_fit(self, X, y, sample_weight, **announced):
        """One pass over rows that follow those seen.

        `epochs`, `validation_split`, `shuffle`, `drop_remainder`, `warm_start` and
        `verbose` play no part. `announced` is for ``_learn_target``.
        """
        self._check_parameters()
        fitted = vars(self).get("_fitted")
        if fitted is None:
            given = read_training_rows(self, X, self.series_id, self.windows == "tiled")
        else:
            given = read_rows(self, X, fitted.input_shape)
        y = check_y(self, y, self._y_options, given, X)
        if fitted is None:
            fitted = self._start_empty(given, y, **announced)
        targets, weights = self._encode(
            fitted.recipe, fitted.target, given, y, sample_weight
        )
        following = follow(fitted, given, self.on_gap, stacklevel=3)
        if fitted.recipe.is_tiled:
            fitted = self._train_tiles(fitted, given, following, targets, weights)
            state = tiled.advance(fitted, given, following)[1]
            self._fitted = fitted.in_state(state)
            return self
        if fitted.state.is_by_series or following.begins.any():
            raise ValueError(
                "With windows='sliding', partial_fit goes on with one series without a"
                " break. Set windows='tiled' for many series, or for on_gap='reset'."
            )
        rows = Untrained(given.X, targets, weights, fitted.state)
        if fitted.waiting is not None:
            rows = fitted.waiting.then(rows)
        fitted, rows = self._train_whole_batches(fitted, rows)
        state = rows.before
        if len(rows.X):
            _, state = walk_on(fitted.recipe.network, fitted.parameters, rows.X, state)
        state = state.replace(series=fitted.state.series, last_seen=following.last_seen)
        self._fitted = replace(fitted, state=state, waiting=rows.copy())
        return self

    def _train_tiles(
        self, fitted: Fitted, given: Given, following: Following, targets, weights
    ) -> Fitted:
        """One pass over rows that follow, a lane for each series."""
        before = fitted.state.take_lanes(following.lanes)
        tiles, series = tiled.training_lanes(
            given, tiled.zero_starts(given, following, before, fitted), fitted
        )
        check_weights(weights, np.arange(len(weights)))
        recipe, learning_rate = self._changed_learning_rate(fitted.recipe)
        learnt = train(
            recipe,
            fitted.parameters,
            Examples(PlainRows(given.X), targets, weights),
            tiles,
            learning_rate=learning_rate,
            layers=tiled.in_lanes(before.layers, series, tiles.table.shape[2]),
            callbacks=self._instantiate_callbacks(),
        )
        return replace(
            fitted.with_history(learnt.history),
            recipe=recipe,
            parameters=learnt.parameters,
            n_windows=fitted.n_windows + int((tiles.table != EMPTY).any(axis=1).sum()),
        )

    def _train_whole_batches(
        self, fitted: Fitted, rows: Untrained
    ) -> tuple[Fitted, Untrained]:
        """Train on the batches that `rows` fill and return the rows left over.

        Where a callback stops training, the batches after that are left over too.
        """
        before = rows.before
        windows = Windows.of(rows.X, before.context, fitted.sequence_length)
        full = windows.ends[windows.complete]
        n_lanes = fitted.recipe.batch_size or int(self.batch_size)
        n_trained = len(full) - (before.position + len(full)) % n_lanes
        if n_trained <= 0:
            return fitted, rows
        n_context = len(before.context)
        table = lay_in_lanes(full[:n_trained], before.position, n_lanes)
        recipe, learning_rate = self._changed_learning_rate(fitted.recipe)
        learnt = train(
            recipe,
            fitted.parameters,
            Examples(
                windows,
                np.pad(rows.targets, ((n_context, 0), (0, 0))),
                np.pad(rows.weights, (n_context, 0)),
            ),
            table,
            learning_rate=learning_rate,
            layers=before.layers,
            callbacks=self._instantiate_callbacks(),
        )
        n_trained = int(np.count_nonzero(table[: learnt.n_batches] != EMPTY))
        fitted = replace(
            fitted.with_history(learnt.history),
            recipe=recipe,
            parameters=learnt.parameters,
            n_windows=fitted.n_windows + n_trained,
        )
        if not n_trained:  # stopped before the first batch
            return fitted, rows
        end = int(full[n_trained - 1]) + 1
        after = RecurrentState(
            learnt.layers,
            windows.context_before(end),
            before.position + n_trained,
            learnt.last_output,
        )
        return fitted, rows.since((end - n_context) // windows.stride, after)

    def _changed_learning_rate(self, recipe: Recipe) -> tuple[Recipe, float | None]:
        """The recipe, and a learning rate set since it was made; None if there is none.

        The recipe returned has the rate that is asked for now.
        """
        optimizer = self._compile_arguments()["optimizer"]
        recipe.check_trained_by(optimizer)
        asked = learning_rate_of(optimizer)
        if asked == recipe.asked_rate:
            return recipe, None
        return replace(recipe, asked_rate=asked), asked

    # --- parts of fitting -----------------------------------------------------------

    def _check_parameters(self) -> None:
        check_units(self.units)
        check_option("windows", self.windows, ("sliding", "tiled"))
        check_option("on_gap", self.on_gap, ("warn", "reset", "raise", "ignore"))
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

    def _make_recipe(self, given: Given, y, seed: int, **announced):
        """The network that the parameters describe, and the target it is for."""
        choices = self._compile_arguments()
        target = self._learn_target(y, choices["loss"], **announced)
        is_tiled = self.windows == "tiled"
        if is_tiled and given.X.ndim == 3:
            raise ValueError(
                "windows='tiled' cuts rows into windows itself, but X holds ready-made"
                f" windows, of shape {given.X.shape}. Pass rows, of shape (n_rows,"
                " n_features), or set windows='sliding'."
            )
        sequence_length = given.shape.n_steps or int(self.sequence_length)
        carries = bool(self.stateful)
        has_state = carries or is_tiled
        batch_size = int(self.batch_size) if has_state else None
        if self.model is not None:
            meta = {
                **target.meta,
                "n_features_in_": given.shape.n_features,
                "sequence_length": sequence_length,
                "batch_size": batch_size,
                "stateful": has_state,
                "return_sequences": is_tiled,
            }
            function = self._model_function()
            return user_recipe(function, meta, seed, choices, target, carries), target
        network = StackedLSTM(
            units=check_units(self.units),
            dropout=float(self.dropout),
            n_outputs=target.n_outputs,
            activation=target.activation,
            sequence_length=sequence_length,
            n_features=given.shape.n_features,
            batch_size=batch_size,
            return_sequences=is_tiled,
        )
        return stacked_recipe(network, seed, choices, target, carries), target

    def _encode(self, recipe: Recipe, target, given: Given, y, sample_weight):
        """Network targets of shape (n, n_outputs) and weights of shape (n,)."""
        if given.sequences is not None:
            sample_weight = given.sequences.flat("sample_weight", sample_weight)
        check_numbers("sample_weight", sample_weight)
        weights = _check_sample_weight(
            sample_weight, given.X, dtype=np.float32, copy=True
        )
        if not np.isfinite(weights).all():  # one number for all is not checked there
            raise ValueError(
                f"sample_weight={sample_weight!r} must be finite. Pass one weight for"
                " each row, or None for equal ones."
            )
        weights = np.asarray(self._weigh_rows(y, weights, target), np.float32)
        return target.encode(y, recipe.n_outputs, recipe.loss), weights

    def _initial_parameters(self, recipe: Recipe, seed: int) -> Parameters:
        """Fresh parameters, or with `warm_start` those of the last fit."""
        if not self._goes_on():
            return recipe.initial(seed)
        last = self._fitted
        kept = last.parameters
        if recipe.network.key != last.recipe.network.key:
            kept = _fitting_into(recipe, recipe.initial(seed), last)
        if not last.recipe.is_trained_by(recipe.optimizer):
            kept = replace(kept, slots=())
        return kept

    def _start_empty(self, given: Given, y, **announced) -> Fitted:
        """What is known before any row, for the first `partial_fit`."""
        seed = self._draw_seed()
        recipe, target = self._make_recipe(given, y, seed, **announced)
        initial = recipe.initial(seed)
        ids = given.labels.ids
        if recipe.is_tiled:
            zero = tiled.zero_state(recipe.network, given)
        else:
            zero = zero_state(recipe.network, given.shape.n_features)
            zero = zero.replace(series=ids)
        if not recipe.is_tiled and ids is not None and len(ids) > 1:
            raise ValueError(
                f"X holds {len(ids)} series, but with windows='sliding' partial_fit"
                " takes one. Set windows='tiled'."
            )
        return Fitted(
            recipe=recipe,
            target=target,
            input_shape=given.shape,
            initial=initial,
            parameters=initial,
            history={},
            n_windows=0,
            n_dropped=0,
            zero=zero,
            seeded=zero,
            state=zero,
            axis=TimeAxis.learn(given.labels),
        )


def _fitting_into(recipe: Recipe, fresh: Parameters, last: Fitted) -> Parameters:
    """The last fit's parameters for a new network of `fresh` ones, if they fit.

    Networks with a key of their own each time may yet be of one shape.
    """
    kept = last.parameters
    has_same_shape = _shapes(fresh.weights) == _shapes(kept.weights)
    if recipe.batch_size != last.recipe.batch_size or not has_same_shape:
        raise ValueError(
            "warm_start=True continues from the weights of the last fit, but the"
            " network's shape or batch size has changed since. Set warm_start=False"
            " to start anew."
        )
    if _shapes(fresh.seeds) != _shapes(kept.seeds):  # dropout came or went
        return replace(kept, seeds=fresh.seeds)
    return kept


def _shapes(arrays: Iterable[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
