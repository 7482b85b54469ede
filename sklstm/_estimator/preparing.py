"""What a fit begins with: checked parameters, a recipe, and encoded targets."""

from __future__ import annotations

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
)
from sklstm._estimator.fitted_attributes import FittedAttributes
from sklstm._estimator.given import Given
from sklstm._network.architecture import StackedLSTM
from sklstm._training.recipe import Recipe, stacked_recipe, user_recipe


class Preparing(FittedAttributes):
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
