"""Training on rows that follow those seen: `partial_fit`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sklstm._checks import check_weights
from sklstm._compiled.optimizers import learning_rate_of
from sklstm._compiled.outputs import walk_on, zero_state
from sklstm._estimator import tiled
from sklstm._estimator.encoded import inputs_of, targets_of, with_context
from sklstm._estimator.following import Following, follow, learn_axis
from sklstm._estimator.given import Given, read_rows, read_training_rows
from sklstm._estimator.inputs import check_y
from sklstm._estimator.preparing import Preparing
from sklstm._estimator.settings import Settings
from sklstm._estimator.unchanged import (
    check_same_loss,
    check_same_model,
    check_unchanged,
)
from sklstm._network.architecture import UserNetwork
from sklstm._rows.lanes import EMPTY, lay_in_lanes
from sklstm._rows.state import RecurrentState
from sklstm._rows.tiles import PlainRows
from sklstm._rows.training_rows import Untrained
from sklstm._rows.windows import Windows
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe
from sklstm._training.train import Examples, train


class PartialFitting(Preparing):
    """Trains on with the weights, optimizer and state that are there."""

    def _partial_fit(self, X, y, sample_weight, **announced):
        """One pass over rows that follow those seen.

        `epochs`, `validation_split`, `shuffle`, `drop_remainder`, `warm_start` and
        `verbose` play no part. `announced` is for ``_learn_target``.
        """
        self._check_parameters()
        fitted = vars(self).get("_fitted")
        if fitted is None:
            settings = Settings.of(self, X, y)
            given = read_training_rows(
                self, X, self.series_id, settings.is_tiled, settings.dtype
            )
        else:
            check_unchanged(self, fitted)
            given = read_rows(self, X, fitted.input_shape)
        y, is_missing = check_y(self, y, self._y_options, given, X)
        if fitted is None:
            fitted = self._start_empty(
                settings, given, y, is_missing, sample_weight, **announced
            )
        recipe, target = fitted.recipe, fitted.target
        weights = target.output_weights(
            self._weights(given, y, sample_weight, target, is_missing)
        )
        recipe.check_weighted_by(weights)
        targets = target.encode(
            targets_of(fitted.encoder, target, given, y), recipe.n_outputs, recipe.loss
        )
        _check_length(given, fitted)
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
        begins = tiled.zero_starts(given, following, before, fitted)
        tiles = tiled.training_lanes(given, begins, fitted)
        n_lanes = tiles.table.shape[2]
        check_weights(weights, np.arange(len(weights)))
        recipe, learning_rate = self._changed_learning_rate(fitted.recipe)
        had = np.zeros(len(before.position), int)  # contexts after are not looked at
        inputs, _ = inputs_of(fitted.encoder, given, following.begins, before, had)
        learnt = train(
            replace(recipe, network=recipe.network.at_batch_size(n_lanes)),
            fitted.parameters,
            Examples(PlainRows(inputs), targets, weights),
            tiles,
            learning_rate=learning_rate,
            layers=tiled.in_lanes(before.layers, n_lanes),
            callbacks=self._instantiate_callbacks(),
        )
        trained = tiles.table[: learnt.n_batches]
        n_trained = int((trained != EMPTY).any(axis=1).sum())
        return replace(
            fitted.with_history(learnt.history),
            recipe=recipe,
            parameters=learnt.parameters,
            n_windows=fitted.n_windows + n_trained,
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
        n_lanes = fitted.recipe.batch_size or _windows_in_step(self.batch_size)
        n_trained = len(full) - (before.position + len(full)) % n_lanes
        if n_trained <= 0:
            return fitted, rows
        n_context = len(before.context)
        unused = np.zeros_like(rows.weights, shape=(n_context, *rows.weights.shape[1:]))
        table = lay_in_lanes(full[:n_trained], before.position, n_lanes)
        recipe, learning_rate = self._changed_learning_rate(fitted.recipe)
        learnt = train(
            recipe,
            fitted.parameters,
            Examples(
                windows,
                np.pad(rows.targets, ((n_context, 0), (0, 0))),
                np.concatenate([unused, rows.weights]),
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
        choices = self._compile_arguments(recipe.is_tiled)
        optimizer = choices["optimizer"]
        if isinstance(recipe.network, UserNetwork):
            check_same_model(self._model_function(recipe.is_tiled), optimizer, recipe)
        if not recipe.is_compiled:
            check_same_loss(choices["loss"], recipe)
            recipe.check_trained_by(optimizer)
        asked = learning_rate_of(optimizer)
        if asked == recipe.asked_rate:
            return recipe, None
        return replace(recipe, asked_rate=asked), asked

    def _start_empty(
        self,
        settings: Settings,
        given: Given,
        y,
        is_missing,
        sample_weight,
        **announced,
    ) -> Fitted:
        """What is known before any row, for the first `partial_fit`."""
        seed = self._draw_seed()
        loss = self._compile_arguments(settings.is_tiled)["loss"]
        target = self._learn_target(y, loss, **announced)
        ordered, order = given.sorted()
        prepared = self._prepare(
            settings,
            ordered,
            np.zeros(len(given.X), bool),
            np.asarray(y)[order],
            self._weights(given, y, sample_weight, target, is_missing)[order],
            target,
            seed,
        )
        recipe, encoder = prepared.recipe, prepared.encoder
        initial = recipe.initial(seed)
        ids = given.labels.ids
        if recipe.is_tiled:
            zero = with_context(encoder, tiled.zero_state(recipe.network, given))
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
            encoder=encoder,
            axis=learn_axis(given),
        )


def _check_length(given: Given, fitted: Fitted) -> None:
    """Refuse ready-made windows of another length than those trained on before."""
    n_steps = given.shape.n_steps
    if n_steps is not None and given.X.shape[1] != n_steps:
        raise ValueError(
            f"X has windows of {given.X.shape[1]} steps, but training began with"
            f" windows of sequence_length={n_steps}. Cut or frame X as before; a list"
            " may also hold shorter ones."
        )


def _windows_in_step(batch_size: int | str) -> int:
    """Sliding windows in a gradient step of a stateless network."""
    return 1 if batch_size == "auto" else int(batch_size)
