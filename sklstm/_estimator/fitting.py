"""Training on the rows of a whole past: `fit`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sklstm._checks import check_each_output_has_weight, check_positive_int
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.optimizers import learning_rate_of
from sklstm._compiled.outputs import zero_state
from sklstm._estimator import sliding, tiled
from sklstm._estimator.choosing_epochs import choose_epochs
from sklstm._estimator.drawn_rows import refuse_drawn_rows
from sklstm._estimator.encoded import with_context
from sklstm._estimator.following import check_training_labels, learn_axis
from sklstm._estimator.forms import n_dimensions
from sklstm._estimator.given import Given, read_training_rows
from sklstm._estimator.inputs import check_y
from sklstm._estimator.keywords import refuse_keywords
from sklstm._estimator.preparing import Preparing
from sklstm._estimator.seeding import seed_state
from sklstm._estimator.settings import Settings
from sklstm._estimator.unchanged import check_same_classes
from sklstm._rows.training_rows import TrainingRows
from sklstm._training.checkpoint import Checkpoint
from sklstm._training.fitted import Fitted, joined
from sklstm._training.recipe import Recipe, with_share
from sklstm._training.train import Examples, train

if TYPE_CHECKING:
    from typing_extensions import Self


class Fitting(Preparing):
    """Fits anew: one frozen record of what was found is assigned at the end."""

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
        **unknown: Any,
    ) -> Self:
        """Train the network and leave its state right after the last row.

        Each epoch starts from zero state. Sliding windows are read in order (stateful)
        or shuffled (stateless), tiled windows lane by lane. Afterwards all rows run
        once more through the final weights from zero state, each series by itself, so
        that the state of each is right for the row after its last one. Whatever it
        raises, the estimator stays as it was.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of n_windows \
                array-like of shape (n_steps, n_features)
            Rows in time order, or, with sliding windows, ready-made windows. Windows
            of different lengths come as a list, or as a masked array (`numpy.ma`)
            whose padding, whole first steps, is masked. Nothing else is taken for
            padding: zeros are data. Padded steps leave the state untouched, and such
            windows are trained on like any other. A window whose first steps are NaN
            in every feature lacks rows from before the series began; it is not trained
            on.

            A panel, rows of many series, is a frame with a MultiIndex whose last level
            is the time, or has columns that `series_id` names. The rows of each series
            are in time order; those of other series may lie in between.

            With tiled windows a list of arrays of shape (n_steps, n_features), or one
            array of shape (n_sequences, n_steps, n_features), holds sequences: each is
            a series of its own, without a name, that starts from zero state in every
            call. There is no state to go on from after such a fit.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), or list of these
            With sliding windows ``y[i]`` belongs to the window that ends at row i.
            With tiled windows it belongs to row i: each step of a window has a target.
            For sequences y has their form: an entry for each step of each of them.
        sample_weight : array-like of shape (n_rows,) or (n_rows, n_outputs), or list \
                of these, default=None
            Weight of each row's loss; for sequences, in the form of y. A row of weight
            0 still advances the state. With a weight for each output of a row, which
            a regressor takes, the loss of the row is the mean over its outputs of
            weight times loss; outputs of weight 0 are not learnt from there.
        checkpoint : str or path-like, default=None
            A folder to keep the progress in, made if it is not there. After a crash the
            same call on the same data goes on from the last checkpoint and ends with
            the very weights of an uninterrupted one; so does a call for more epochs.
            Other data or parameters start anew, with a file of their own, so that the
            fits of a search can share the folder. Functions among the parameters, such
            as a scheduler's, count by their name and code, not by the global variables
            they read: the same lines, run again, go on. A finished training takes its
            checkpoint away; one ended by Ctrl-C or an error leaves it. Around a
            pipeline or a search of one, pass
            ``statefullstmregressor__checkpoint=folder`` to `fit`.
        checkpoint_every : int, default=1
            Epochs from one checkpoint to the next.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

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
            another shape; weights of single outputs where the loss is not the mean over
            outputs, or where an output has none above zero; and a loss that stops being
            a finite number.
            For labels that run backwards or come twice in a series, and for gaps if
            `on_gap` is "raise"; for a missing series id; and, if stateful with sliding
            windows, for more than one series, or run if `on_gap` is "reset".
            For rows that an ensemble has drawn at random, out of their order in time.
        sklstm.persistence.PersistenceError
            For a damaged checkpoint.
        OSError
            If the folder for the checkpoint cannot be made or read.
        KeyboardInterrupt
            If training is interrupted before the first whole epoch, or while
            ``epochs="auto"`` is chosen.

        Warns
        -----
        ContinuityWarning
            If labels tell that rows are missing, unless `on_gap` says otherwise.
        RuntimeWarning
            If training is interrupted after the first epoch: the last whole one stands.
            If a checkpoint cannot be written: training goes on without.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.state_.position.tolist()   # rows that the state has seen
        [40]
        """
        if unknown:
            refuse_keywords(self, "fit", unknown, trains=True)
        self._check_parameters()
        settings = Settings.of(self, X, y)
        if self.stateful or n_dimensions(X) == 2:
            refuse_drawn_rows()
        given = read_training_rows(
            self, X, self.series_id, settings.is_tiled, settings.dtype
        )
        y, is_missing = check_y(self, y, self._y_options, given, X)
        progress = None
        if checkpoint is not None:
            progress = self._open_checkpoint(
                checkpoint, checkpoint_every, given, (y, is_missing), sample_weight
            )
        found = progress and progress.found
        seed = found.seed if found else self._draw_seed()
        target = self._learn_target(
            y, self._compile_arguments(settings.is_tiled)["loss"]
        )
        if self._goes_on():
            check_same_classes(self._fitted.target, target)
        weights = self._weights(given, y, sample_weight, target, is_missing)
        axis = learn_axis(given)
        begins, first, last = check_training_labels(axis, given, self.on_gap, 2)
        given, order = given.sorted()
        begins, y, weights = begins[order], y[order], weights[order]
        prepared = self._prepare(settings, given, begins, y, weights, target, seed)
        recipe, encoder = prepared.recipe, prepared.encoder
        output_weights = prepared.output_weights
        recipe.check_weighted_by(output_weights)
        initial = self._initial_parameters(recipe, seed)
        epochs, share = settings.epochs, 1.0
        if epochs == "auto":
            errors = choose_epochs(
                prepared, initial, bool(self.shuffle), seed, settings.ema_momentum
            )
            epochs, share = errors.best, errors.share
            if self.verbose:
                print(errors.text)
        epochs = int(epochs)
        if progress is not None:
            progress.check_within(epochs, self.epochs)
        encoded, targets = prepared.encoded(encoder)
        fit = self._fit_tiled if recipe.is_tiled else self._fit_sliding
        curriculum, rows, zero = fit(
            recipe,
            given,
            encoded,
            begins,
            targets,
            output_weights,
            seed,
            settings.batch_size,
        )
        zero = with_context(encoder, zero)
        check_each_output_has_weight(weights, curriculum.trained)
        if self.verbose:
            print(curriculum.text)
        learnt = train(
            recipe,
            initial,
            Examples(curriculum.windows, targets, output_weights),
            curriculum.layout,
            shuffled=curriculum.shuffled,
            learning_rate=learning_rate_of(recipe.optimizer),
            checkpoint=progress,
            seed=seed,
            epochs=epochs,
            ema_momentum=settings.ema_momentum,
            callbacks=self._instantiate_callbacks(),
            validation=curriculum.validation,
            verbose=int(self.verbose),
        )
        if given.sequences is None:
            rows = replace(rows, series=given.labels.ids, first=first, last=last)
        fitted = Fitted(
            recipe=recipe,
            target=target,
            input_shape=given.shape,
            initial=initial,
            parameters=with_share(recipe, learnt.parameters, share),
            history=joined(self.history_ if self._goes_on() else {}, learnt.history),
            n_windows=curriculum.n_windows,
            n_dropped=curriculum.n_dropped,
            zero=zero,
            seeded=zero,
            state=zero,
            training_rows=rows,
            epochs=epochs,
            share=share,
            encoder=encoder,
            axis=axis,
        )
        state = seed_state(fitted, given, begins, last, curriculum.windows)
        self._fitted = replace(fitted, seeded=state, state=state)
        if progress is not None and not learnt.was_interrupted:
            progress.remove()
        return self

    def _fit_sliding(
        self, recipe, given, encoded, begins, targets, weights, seed, batch_size
    ):
        """What to train on, how the rows are read again, and the zero state."""
        windows = sliding.training_windows(encoded, begins, recipe)
        curriculum, plan = sliding.curriculum(
            windows,
            encoded,
            targets,
            weights,
            validation_split=float(self.validation_split),
            batch_size=batch_size,
            stateful=bool(self.stateful),
            drop_remainder=bool(self.drop_remainder),
            shuffle=bool(self.shuffle),
            seed=seed,
        )
        lengths = np.bincount(given.labels.codes)
        rows = TrainingRows.of(given.X, lengths, plan.n_dropped, plan.start_position)
        if given.labels.ids is not None and recipe.batch_size is None:
            zero = sliding.zero_of_panel(given, recipe.sequence_length)
        else:
            zero = zero_state(recipe.network, given.shape.n_features)
            zero = zero.replace(series=given.labels.ids)
        return curriculum, rows, zero

    def _fit_tiled(
        self, recipe, given, encoded, begins, targets, weights, seed, batch_size
    ):
        """The same for tiled windows."""
        curriculum = tiled.curriculum(
            encoded,
            begins,
            targets,
            weights,
            recipe,
            validation_split=float(self.validation_split),
            batch_size=recipe.batch_size or 1,
            shuffle=bool(self.shuffle),
            seed=seed,
        )
        # Sequences have no names by which those of a later call could be matched.
        lengths = np.bincount(given.labels.codes)
        lengths = lengths if given.sequences is None else np.array([len(given.X)])
        rows = TrainingRows.of(given.X, lengths, n_dropped=0, start_position=0)
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

    def _initial_parameters(self, recipe: Recipe, seed: int) -> Parameters:
        """Fresh parameters, or with `warm_start` those of the last fit."""
        if not self._goes_on():
            return recipe.initial(seed)
        last = self._fitted
        kept = last.parameters
        if recipe.network.key != last.recipe.network.key:
            kept = _fitting_into(recipe.initial(seed), last)
        if not last.recipe.is_trained_by(recipe.optimizer):
            kept = replace(kept, slots=())
        return kept


def _fitting_into(fresh: Parameters, last: Fitted) -> Parameters:
    """The last fit's parameters for a new network of `fresh` ones, if they fit.

    Networks with a key of their own each time may yet be of one shape.
    """
    kept = last.parameters
    if _shapes(fresh.weights) != _shapes(kept.weights):
        raise ValueError(
            "warm_start=True continues from the weights of the last fit, but the"
            " network's shape has changed since. Set warm_start=False to start anew."
        )
    if _shapes(fresh.seeds) != _shapes(kept.seeds):  # dropout came or went
        return replace(kept, seeds=fresh.seeds)
    return kept


def _shapes(arrays: Iterable[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
