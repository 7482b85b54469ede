"""From a file's header and arrays to an estimator, or to an error and nothing else.

The header may say anything: every value is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklstm._archive import PersistenceError, shortly
from sklstm._compiled.device_arrays import Parameters
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._network.targets import ClassTarget, ContinuousTarget
from sklstm._training.recipe import Recipe
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_dict,
    is_dict_of_str,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._plain import count_objects, decode_each
from sklstm.persistence._saved_recipe import SavedRecipe
from sklstm.persistence._saved_record import SavedRecord
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


class _Rebuilding(SavedRecord):
    """One header, its arrays, and the objects that go with them, put together."""

    def __init__(
        self, cls: type, fields: Fields, store: Store, objects: Mapping[str, Any]
    ):
        self.cls, self.objects = cls, objects
        super().__init__(fields, store, self._parameters(fields))
        with refusing("its parameters do not suit the class"):
            self._estimator = cls(**self.parameters)
        self._saved = SavedRecipe(cls, dict(self.parameters), fields, store, objects)

    def estimator(self):
        """The estimator, complete."""
        fitted = self.fitted()
        self._route(self._estimator)
        self._set_output(self._estimator)
        self._estimator._fitted = fitted
        return self._estimator

    def _target(self) -> ContinuousTarget | ClassTarget:
        from sklearn.base import is_classifier

        return self._saved.target(is_classifier(self._estimator))

    def _recipe(self, target, encoder: RowEncoder | None) -> Recipe:
        return self._saved.recipe(target, encoder)

    def _learnt(self, recipe: Recipe) -> Parameters:
        return self._saved.learnt(recipe)

    # --- parameters -----------------------------------------------------------------

    def _parameters(self, fields: Fields) -> dict[str, Any]:
        """Parameters by name: those of the file, and the objects given."""
        values = decode_each(fields.take("parameters", is_dict))
        lacking = fields.take("lacking", is_dict_of_str)
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
        from sklearn import config_context

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
