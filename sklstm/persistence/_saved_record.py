"""From a file's header and arrays to the record of a fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._compiled.device_arrays import Parameters
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._later import pd
from sklstm._network.targets import ClassTarget, ContinuousTarget
from sklstm._rows.input_shape import InputShape
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_anything,
    is_bool,
    is_count,
    is_list_of,
    is_part,
    is_side,
    is_str,
    one_of,
    or_none,
)
from sklstm.persistence._plain import decode
from sklstm.persistence._saved_encoder import take_encoder
from sklstm.persistence._saved_states import SavedStates
from sklstm.persistence._series_ids import take_ids


class SavedRecord(ABC):
    """A header and its arrays, put together to the record of a fit.

    A subclass says what becomes of the target, the recipe and what was learnt.

    Parameters
    ----------
    fields : Fields
        The header.
    store : Store
        The arrays.
    parameters : mapping
        The estimator's, of which ``epochs`` is read.
    """

    def __init__(self, fields: Fields, store: Store, parameters: Mapping[str, Any]):
        self.fields, self.store, self.parameters = fields, store, parameters
        self.input = fields.within("input")
        self.n_features = self.input.take("n_features", is_side)
        self.is_3d = self.input.take("n_dimensions", one_of(2, 3)) == 3

    @abstractmethod
    def _target(self) -> ContinuousTarget | ClassTarget:
        """The target."""

    @abstractmethod
    def _recipe(self, target, encoder: RowEncoder | None) -> Recipe:
        """The recipe."""

    @abstractmethod
    def _learnt(self, recipe: Recipe) -> Parameters:
        """The parameters."""

    def fitted(self) -> Fitted:
        """The record, complete; every array of the file has been taken then."""
        target, ids = self._target(), self._ids()
        encoder = take_encoder(self.fields, self.store, ids, target)
        recipe = self._recipe(target, encoder)
        fitted = Fitted(
            recipe=recipe,
            target=target,
            initial=Parameters(recipe.weights),
            parameters=self._learnt(recipe),
            history=self._history(),
            n_windows=self.input.take("n_windows", is_count),
            n_dropped=self.input.take("n_dropped_rows", is_count),
            encoder=encoder,
            **self._states(recipe, encoder, ids),
        )
        self.store.close()
        return replace(fitted, epochs=self._epochs(fitted), share=self._share())

    def _ids(self) -> list[pd.Index]:
        """All ids of series; files of format 1 have none."""
        are_described = or_none(is_list_of(is_list_of(is_anything)))
        return take_ids(self.store, self.fields.take("series", are_described) or [])

    def _states(
        self, recipe: Recipe, encoder: RowEncoder | None, ids: list[pd.Index]
    ) -> dict[str, Any]:
        """The states, and what the fit found about its rows."""
        shape = self._input_shape(recipe, encoder)
        saved = SavedStates(recipe, encoder, shape, ids, self.fields, self.store)
        return {
            "input_shape": shape,
            **saved.states(),
            "training_rows": saved.training_rows(),
            "axis": saved.axis(),
        }

    def _history(self) -> dict[str, list[float]]:
        names = self.fields.take("history", is_list_of(is_str))
        if len(set(names)) < len(names):
            raise damaged("the names of its history", names)
        return {
            name: self.store.take(f"history/{i}", (None,), "float64").tolist()
            for i, name in enumerate(names)
        }

    def _epochs(self, fitted: Fitted) -> int:
        """Passes over the rows of the last fit.

        Files of format 1 do not say, but no fit made more than the parameter
        asked for or than the history holds.
        """
        training = self.fields.within("training")
        if "epochs" in training.values:
            return training.take("epochs", is_count)
        asked = self.parameters.get("epochs", 0)
        if fitted.training_rows is None or not is_count(asked):
            return 0
        return min(asked, len(fitted.history.get("loss", ())))

    def _share(self) -> float:
        """How much of the network is added to the linear map; all in older files."""
        training = self.fields.within("training")
        if "share" not in training.values:
            return 1.0
        return training.take("share", is_part)

    def _input_shape(self, recipe: Recipe, encoder: RowEncoder | None) -> InputShape:
        """What X looked like."""
        names = self.input.take("feature_names", or_none(is_list_of(is_str)))
        if names is not None and len(names) != self.n_features:
            raise damaged("the number of its feature names", len(names))
        return InputShape(
            self.n_features,
            None if names is None else tuple(names),
            recipe.sequence_length if self.is_3d else None,
            self._id_columns(),
            bool(self.input.take("is_sequences", or_none(is_bool))),
            self._dtype(encoder),
        )

    def _dtype(self, encoder: RowEncoder | None) -> str:
        """What rows are read as; float32 in files of format 1."""
        dtype = self.input.take("dtype", or_none(one_of("float32", "float64")))
        dtype = dtype or "float32"
        is_sequences = self.input.values.get("is_sequences")  # float32 as it is
        if encoder is None and dtype == "float64":
            raise damaged("dtype in input, for rows without an encoder", dtype)
        if encoder is not None and dtype == "float32" and not is_sequences:
            raise damaged("dtype in input, for rows with an encoder", dtype)
        return dtype

    def _id_columns(self) -> Any:
        """The columns that tell series apart; None in files of format 1."""
        columns = decode(self.input.values.get("series_id"))
        several = isinstance(columns, list | tuple | np.ndarray)
        if columns is not None and not all(
            map(_is_column, list(columns) if several else [columns])
        ):
            raise damaged("the columns of its series ids", columns)
        return columns


def _is_column(value: Any) -> bool:
    """Whether `value` is the name or the position of a column."""
    return is_str(value) or isinstance(value, int | np.integer)
