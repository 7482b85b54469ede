"""From a file's header and arrays to an estimator, or to an error and nothing else.

The header may say anything: every value is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import is_classifier

from sklstm._archive import PersistenceError, shortly
from sklstm._compiled.device_arrays import Parameters
from sklstm._encoding.row_encoder import RowEncoder
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
    is_dict,
    is_dict_of_str,
    is_list_of,
    is_part,
    is_side,
    is_str,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._plain import count_objects, decode, decode_each
from sklstm.persistence._saved_encoder import take_encoder
from sklstm.persistence._saved_recipe import SavedRecipe
from sklstm.persistence._saved_states import SavedStates
from sklstm.persistence._series_ids import take_ids
from sklstm.persistence._versions import telling_versions

OPTIONAL = ("callbacks", "random_state")  # not needed to predict
ROUTED_METHODS = ("fit", "partial_fit", "score")
_MOST_OBJECTS = 100  # of Keras, in one file


def rebuild(
    cls: type, header: Any, arrays: Mapping[str, np.ndarray], objects: Mapping[str, Any]
):
    """The estimator that `describe` took apart.

    Parameters
    ----------
    cls : type
        The class that it must be of.
    header : dict
    arrays : mapping of str to ndarray
    objects : mapping
        By name of the parameter, what is no data.

    Returns
    -------
    estimator : object
        A fitted `cls`.

    Raises
    ------
    PersistenceError
        For an estimator of another class, for anything that does not fit together, and
        where something is lacking that is not in `objects`.
    TypeError
        For `objects` of which nothing is lacking.
    """
    _check_class(cls, header)
    fields = Fields(header, "its header")
    _check_objects(cls, fields.take("lacking", is_dict_of_str), objects)
    wrote = fields.take("versions", or_none(is_dict_of_str)) or {}
    with telling_versions(wrote):
        return _Rebuilding(cls, fields, Store(arrays), objects).estimator()


def _check_class(cls: type, header: Any) -> None:
    found = header.get("class") if isinstance(header, dict) else None
    if not isinstance(found, str):
        raise PersistenceError("holds no estimator. Pass a file that save() wrote.")
    if found != cls.__name__:
        raise PersistenceError(
            f"holds a {shortly(found)}, not a {cls.__name__!r}. Call load of the class"
            " that saved it."
        )
    if count_objects(header) > _MOST_OBJECTS:
        raise damaged("the number of its Keras objects", count_objects(header))


def _check_objects(
    cls: type, lacking: dict[str, str], objects: Mapping[str, Any]
) -> None:
    """Raise unless `objects` are what is lacking, no more and not much less."""
    for name in objects:
        if name not in lacking:
            takes = ", ".join(lacking) or "nothing"
            raise TypeError(
                f"{cls.__name__}.load() got an unexpected keyword argument {name!r}."
                f" Besides the path it takes what this file lacks: {takes}."
            )
    missing = [n for n in lacking if n not in objects and n not in OPTIONAL]
    if missing:
        was = ", ".join(f"{name} ({lacking[name][:100]})" for name in missing)
        again = ", ".join(f"{name}=..." for name in missing)
        raise PersistenceError(
            f"holds data only, and so lacks {was[:1000]}. Pass it again:"
            f" {cls.__name__}.load(path, {again[:300]})."
        )


class _Rebuilding:
    """One header, its arrays, and the objects that go with them, put together."""

    def __init__(
        self, cls: type, fields: Fields, store: Store, objects: Mapping[str, Any]
    ):
        self.cls, self.fields, self.store, self.objects = cls, fields, store, objects
        self.parameters = self._parameters()
        self.input = fields.within("input")
        self.n_features = self.input.take("n_features", is_side)
        self.is_3d = self.input.take("n_dimensions", one_of(2, 3)) == 3

    def estimator(self):
        """The estimator, complete."""
        with refusing("its parameters do not suit the class"):
            estimator = self.cls(**self.parameters)
        saved = SavedRecipe(
            self.cls, self.parameters, self.fields, self.store, self.objects
        )
        target = saved.target(is_classifier(estimator))
        ids = self._ids()
        encoder = take_encoder(self.fields, self.store, ids, target)
        recipe = saved.recipe(target, encoder)
        fitted = Fitted(
            recipe=recipe,
            target=target,
            initial=Parameters(recipe.weights),
            parameters=saved.learnt(recipe),
            history=self._history(),
            n_windows=self.input.take("n_windows", is_count),
            n_dropped=self.input.take("n_dropped_rows", is_count),
            encoder=encoder,
            **self._states(recipe, encoder, ids),
        )
        fitted = replace(fitted, epochs=self._epochs(fitted), share=self._share())
        self._route(estimator)
        self._set_output(estimator)
        self.store.close()
        estimator._fitted = fitted
        return estimator

    # --- parameters -----------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        """Parameters by name: those of the file, and the objects given."""
        values = decode_each(self.fields.take("parameters", is_dict))
        lacking = self.fields.take("lacking", is_dict_of_str)
        known = self.cls._signature_names()  # type: ignore[attr-defined]
        values.setdefault("windows", "sliding")  # the only ones that format 1 knew
        for name in lacking.keys() - values.keys():
            if name in known or self._is_routed(name):
                values[name] = self.objects.get(name)
        strange = [n for n in values if n not in known and not self._is_routed(n)]
        if strange:
            raise damaged("the names of its parameters", strange)
        return values

    def _is_routed(self, name: str) -> bool:
        return self.cls._is_routed(name)  # type: ignore[attr-defined]

    def _route(self, estimator) -> None:
        """What `set_fit_request` and its like were told."""
        routing = self.fields.take("routing", is_dict)
        if not routing.keys() <= set(ROUTED_METHODS):
            raise damaged("its metadata routing", routing)
        with config_context(enable_metadata_routing=True):
            for method, requests in routing.items():
                with refusing("its metadata routing does not suit the class"):
                    getattr(estimator, f"set_{method}_request")(**requests)

    def _set_output(self, estimator) -> None:
        """What `set_output` was told; older files say nothing of it."""
        containers = or_none(one_of("default", "pandas", "polars"))
        output = self.fields.take("output", containers)
        if output is not None:
            estimator.set_output(transform=output)

    # --- facts ----------------------------------------------------------------------

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
