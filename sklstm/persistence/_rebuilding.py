"""From a file's header and arrays to an estimator, or to an error and nothing else.

The header may say anything: every value is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import is_classifier

from sklstm._archive import PersistenceError, shortly
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.outputs import zero_state
from sklstm._rows.input_shape import InputShape
from sklstm._rows.state import RecurrentState
from sklstm._rows.training_rows import TrainingRows, Untrained
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_bool,
    is_count,
    is_dict,
    is_dict_of_str,
    is_list_of,
    is_side,
    is_str,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._plain import count_objects, decode_each
from sklstm.persistence._saved_recipe import SavedRecipe

OPTIONAL = ("callbacks", "random_state")  # not needed to predict
ROUTED_METHODS = ("fit", "partial_fit", "score")
_REAL = "fiu"  # kinds of dtypes that a state may have beside its layers
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
        recipe = saved.recipe(target)
        fitted = Fitted(
            recipe=recipe,
            target=target,
            initial=Parameters(recipe.weights),
            parameters=saved.learnt(recipe),
            history=self._history(),
            **self._states(recipe),
            **self._facts(recipe),
        )
        self._route(estimator)
        self.store.close()
        estimator._fitted = fitted
        return estimator

    # --- parameters -----------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        """Parameters by name: those of the file, and the objects given."""
        values = decode_each(self.fields.take("parameters", is_dict))
        lacking = self.fields.take("lacking", is_dict_of_str)
        known = self.cls._signature_names()  # type: ignore[attr-defined]
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

    # --- states and rows ------------------------------------------------------------

    def _states(self, recipe: Recipe) -> dict[str, Any]:
        """The state, the one after the fit, and the rows that wait after a third."""
        with refusing("its network has no states"):
            zero = zero_state(recipe.network, self.n_features)
        state = self._state("state", recipe, zero)
        waiting = None
        if "waiting" in self.fields.within("states").values:
            waiting = self._untrained(recipe, zero)
        return {
            "state": state,
            "seeded": self._state("seeded", recipe, zero),
            "zero": zero,
            "waiting": waiting,
        }

    def _state(self, name: str, recipe: Recipe, zero: RecurrentState) -> RecurrentState:
        fields = self.fields.within("states").within(name)
        layers = [
            self.store.take_all(f"{name}/{i}", [(a.shape, a.dtype.name) for a in like])
            for i, like in enumerate(zero.layers)
        ]
        context = self.store.take(f"{name}/context", (None, self.n_features), _REAL)
        if len(context) >= recipe.sequence_length:
            raise damaged("rows before the next window", len(context))
        last_output = None
        if fields.take("has_output", is_bool):
            shape = (recipe.n_outputs,)
            last_output = self.store.take(f"{name}/last_output", shape, _REAL)
        position = fields.take("position", is_count)
        return RecurrentState(tuple(map(tuple, layers)), context, position, last_output)

    def _untrained(self, recipe: Recipe, zero: RecurrentState) -> Untrained:
        steps = (recipe.sequence_length,) if self.is_3d else ()
        shape = (None, *steps, self.n_features)
        X = self.store.take("waiting/X", shape, "float32")
        targets = self.store.take("waiting/targets", (len(X), None), "float32")
        if targets.shape[1] not in (1, recipe.n_outputs):
            raise damaged("the width of targets that wait", targets.shape[1])
        weights = self.store.take("waiting/weights", (len(X),), "float32")
        before = self._state("waiting", recipe, zero)
        return Untrained(X, targets, weights, before)

    def _history(self) -> dict[str, list[float]]:
        names = self.fields.take("history", is_list_of(is_str))
        if len(set(names)) < len(names):
            raise damaged("the names of its history", names)
        return {
            name: self.store.take(f"history/{i}", (None,), "float64").tolist()
            for i, name in enumerate(names)
        }

    # --- facts ----------------------------------------------------------------------

    def _facts(self, recipe: Recipe) -> dict[str, Any]:
        """What the fit found about its rows."""
        names = self.input.take("feature_names", or_none(is_list_of(is_str)))
        if names is not None and len(names) != self.n_features:
            raise damaged("the number of its feature names", len(names))
        n_steps = recipe.sequence_length if self.is_3d else None
        names = None if names is None else tuple(names)
        return {
            "input_shape": InputShape(self.n_features, names, n_steps),
            "n_windows": self.input.take("n_windows", is_count),
            "n_dropped": self.input.take("n_dropped_rows", is_count),
            "training_rows": self._training_rows(recipe),
        }

    def _training_rows(self, recipe: Recipe) -> TrainingRows | None:
        if self.input.values.get("training_rows") is None:
            return None
        rows = self.input.within("training_rows")
        shape = rows.take("shape", is_list_of(is_side))
        steps = [recipe.sequence_length] if self.is_3d else []
        if shape[1:] != [*steps, self.n_features]:
            raise damaged("the shape of its training rows", shape)
        return TrainingRows(
            tuple(shape),
            bytes.fromhex(rows.take("digest", _is_digest)),
            rows.take("n_dropped", is_count),
            rows.take("start_position", is_count),
        )


def _is_digest(value: Any) -> bool:
    """Whether `value` is 16 bytes in lower-case hexadecimal digits."""
    return is_str(value) and len(value) == 32 and set(value) <= set("0123456789abcdef")
