"""What a fit begins with: checked parameters, a recipe, and encoded targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklstm._checks import (
    check_bool,
    check_fraction,
    check_option,
    check_units,
    check_verbose,
)
from sklstm._encoding.learning import learn_encoder
from sklstm._encoding.planning import Asked, make_plan
from sklstm._estimator.choosing_sizes import choose_batch_size, choose_sequence_length
from sklstm._estimator.encoded import lesson_of
from sklstm._estimator.fitted_attributes import FittedAttributes
from sklstm._estimator.given import Given
from sklstm._estimator.parameters import RoutedParameters
from sklstm._estimator.prepared import Prepared
from sklstm._estimator.sample_weights import check_sample_weight, without_missing
from sklstm._estimator.settings import Settings
from sklstm._network.architecture import StackedLSTM
from sklstm._network.cells import CELLS
from sklstm._training.recipe import Recipe, stacked_recipe, user_recipe


class Preparing(FittedAttributes, RoutedParameters):
    """What `fit` and `partial_fit` have in common before they train.

    A subclass says what its targets are, ``_learn_target(y, loss)``, and how rows are
    weighted, ``_weigh_rows(y, sample_weight, target)``.
    """

    _y_options: dict[str, Any] = {}

    def _goes_on(self) -> bool:
        """Whether `fit` starts from the weights of the last one."""
        return bool(self.warm_start) and self.__sklearn_is_fitted__()

    def _check_parameters(self) -> None:
        check_units(self.units)
        check_option("cell", self.cell, tuple(CELLS))
        check_option("on_gap", self.on_gap, ("warn", "reset", "raise", "ignore"))
        check_option("missing", self.missing, ("raise", "ignore"))
        for name in ("stateful", "drop_remainder", "shuffle", "warm_start"):
            check_bool(name, getattr(self, name))
        for name in ("dropout", "validation_split"):
            check_fraction(name, getattr(self, name))
        check_verbose(self.verbose)

    def _draw_seed(self) -> int:
        if self.random_state is None:  # without touching NumPy's global generator
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _prepare(
        self, settings: Settings, given: Given, begins, y, weights, target, seed: int
    ) -> Prepared:
        """The network, and what stands between it and the rows.

        Rows are series by series.
        """
        rows = given, begins, y, weights, target
        n_steps, n_lanes = settings.sequence_length, settings.batch_size
        n_inputs = given.shape.n_features
        if not settings.chooses:
            shape = NetworkShape(given.shape.n_steps or n_steps, n_lanes, n_inputs)
            recipe = self._make_recipe(settings, target, seed, shape)
            return Prepared(*rows, recipe)
        lesson = lesson_of(given, begins, y, weights, target)
        plan = make_plan(
            lesson, Asked(settings.scale, settings.linear_skip, settings.lags)
        )
        encoder, n_skip = None, 0
        if plan.scale or plan.designs:
            encoder = learn_encoder(lesson, plan, np.ones(len(given.X), bool))
            n_inputs, n_skip = encoder.n_inputs, encoder.n_skip
        n_steps = choose_sequence_length(n_steps, plan.periods)
        n_lanes = choose_batch_size(n_lanes, len(given.X), n_steps)
        shape = NetworkShape(n_steps, n_lanes, n_inputs, n_skip)
        recipe = self._make_recipe(settings, target, seed, shape)
        return Prepared(*rows, recipe, lesson, plan, encoder)

    def _make_recipe(
        self, settings: Settings, target, seed: int, shape: NetworkShape
    ) -> Recipe:
        """The network that the parameters describe, with how it is trained."""
        is_tiled = settings.is_tiled
        choices = self._compile_arguments(is_tiled)
        carries = bool(self.stateful)
        has_state = carries or is_tiled
        batch_size = shape.batch_size if has_state else None
        if self.model is not None:
            meta = {
                **target.meta,
                "n_features_in_": shape.n_inputs,
                "sequence_length": shape.sequence_length,
                "batch_size": batch_size,
                "stateful": has_state,
                "return_sequences": is_tiled,
            }
            function = self._model_function(is_tiled)
            return user_recipe(function, meta, seed, choices, target, carries)
        network = StackedLSTM(
            units=check_units(self.units),
            dropout=float(self.dropout),
            n_outputs=target.width,
            activation=target.activation,
            sequence_length=shape.sequence_length,
            n_features=shape.n_inputs,
            batch_size=batch_size,
            return_sequences=is_tiled,
            n_skip=shape.n_skip,
            cell=self.cell,
        )
        return stacked_recipe(network, seed, choices, target, carries)

    def _weights(
        self, given: Given, y, sample_weight, target, is_missing: np.ndarray
    ) -> np.ndarray:
        """Weights of rows, or of outputs of rows; 0 where the target is missing."""
        if given.sequences is not None:
            sample_weight = given.sequences.flat("sample_weight", sample_weight)
        by_output = bool(self._y_options.get("multi_output"))
        weights = check_sample_weight(sample_weight, y, by_output)
        weights = np.asarray(self._weigh_rows(y, weights, target), np.float32)
        return without_missing(weights, is_missing)


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network that depend on the rows.

    Parameters
    ----------
    sequence_length, batch_size : int
    n_inputs : int
        Numbers that the network is given of a row, `n_skip` of them to be added to its
        output as they are.
    n_skip : int
    """

    sequence_length: int
    batch_size: int
    n_inputs: int
    n_skip: int = 0
