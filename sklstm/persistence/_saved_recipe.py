"""From a file to the recipe of a fit: its target, network, optimizer, loss and metrics.

The network of a ``model=`` function is built, and held against the arrays of the file.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sklstm._archive import PersistenceError
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.program_pool import POOL
from sklstm._network.architecture import UserNetwork
from sklstm._network.targets import ClassTarget, ContinuousTarget, QuantileTarget
from sklstm._tensorflow import keras
from sklstm._training.recipe import Recipe, compiled_choices, user_network
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_dict,
    is_list_of,
    is_str,
    one_of,
    or_none,
    refusing,
)
from sklstm.persistence._plain import decode, decode_each
from sklstm.persistence._saved_network import SavedNetwork
from sklstm.persistence._saved_target import class_target, continuous_target, is_loss

PARTS = ("optimizer", "loss", "metrics")
# A network may have fewer weights than features, outputs or steps, if it pools or drops
# some. More than this many of them are believed only where there are as many weights.
_BELIEVED = {"n_features": 4096, "n_outputs": 4096, "sequence_length": 65536}


class SavedRecipe(SavedNetwork):
    """A recipe in a header and arrays, with the objects that the file lacks.

    Parameters
    ----------
    cls : type
        The estimator's class.
    parameters : dict
        The estimator's parameters, complete.
    fields : Fields
        The header.
    store : Store
        The arrays.
    objects : mapping
        By name of the parameter, what is no data.
    """

    def __init__(
        self,
        cls: type,
        parameters: dict[str, Any],
        fields: Fields,
        store: Store,
        objects: Mapping[str, Any],
    ):
        super().__init__(fields, store)
        self._cls, self._parameters, self._objects = cls, parameters, objects

    @functools.cached_property
    def _objects_made(self) -> dict[str, Any]:
        """Optimizer, loss and metrics that the objects given ask for."""
        with refusing("its parameters and the objects given do not fit together"):
            asked = self._cls(**{**self._parameters, **self._objects})
            is_tiled = bool(
                self._fields.within("network").values.get("return_sequences")
            )
            return asked._compile_arguments(is_tiled)

    # --- target ---------------------------------------------------------------------

    def target(self, of_classes: bool) -> ContinuousTarget | ClassTarget:
        """The target, of the kind that the estimator's class has."""
        fields = self._fields.within("target")
        if not of_classes:
            return continuous_target(fields)
        return class_target(fields, lambda: self._given("loss"))

    def _given(self, part: str) -> Any:
        """Optimizer, loss or metrics that the file lacks and the caller has given."""
        if part not in self._objects:
            raise damaged(f"{part}, which nothing stands for", None)
        return self._objects_made[part]

    # --- network --------------------------------------------------------------------

    def _user_network(
        self, fields: Fields, target, sequence_length: int, batch_size: int | None
    ) -> tuple[UserNetwork, int, list, dict[str, Any]]:
        """The network of the function given."""
        fields.take("n_features", one_of(self._n_features))
        meta = {
            **target.meta,
            "n_features_in_": self._n_features,
            "sequence_length": sequence_length,
            "batch_size": batch_size,
            "stateful": batch_size is not None,
            "return_sequences": bool(fields.values.get("return_sequences")),
        }
        if "model" not in self._objects:
            raise damaged("model, which nothing stands for", None)
        self._check_believable(sequence_length, target.width)
        with refusing("model= does not build a network for it"):
            function = self._cls(model=self._objects["model"])._model_function(
                meta["return_sequences"]
            )
            arguments = self._arguments(fields, self._objects)
            function = functools.partial(
                function.func, function.args[0], arguments, function.args[2]
            )
            network, model = user_network(function, meta, seed=0)
        if shapes_differ := _differing(model.weights, self._store.shapes("weights")):
            raise PersistenceError(
                "cannot be loaded: model= builds another network than was saved:"
                f" {shapes_differ}. Pass the function that the estimator was fitted"
                " with."
            )
        with refusing("its network cannot be built"), POOL.borrow(network) as program:
            n_outputs = int(program.n_outputs)
            like = [_like(variable) for variable in program.weights]
        return network, n_outputs, like, compiled_choices(model)

    def _check_believable(self, sequence_length: int, n_outputs: int) -> None:
        """Refuse to tell a user's function of sizes that the file is too small for."""
        n_weights = self._store.n_values("weights")
        sizes = (self._n_features, n_outputs, sequence_length)
        for (name, believed), size in zip(_BELIEVED.items(), sizes, strict=True):
            if size > max(believed, n_weights):
                raise damaged(f"{name}, for {n_weights} weights", size)

    def _arguments(self, fields: Fields, objects: Mapping[str, Any]) -> dict[str, Any]:
        """What the function was called with in the fit, besides `meta`."""
        of_function = fields.within("arguments")
        arguments = decode_each(of_function.take("given", is_dict))
        for name in of_function.take("names", is_list_of(is_str)):
            if name not in arguments:
                arguments[name] = objects[f"model__{name}"]
        if fields.take("compile_kwargs", or_none(is_dict)):
            given = decode_each(fields.take("compile_kwargs", is_dict))
            lacking = {p: self._given(p) for p in PARTS if p not in given}
            arguments["compile_kwargs"] = {**given, **lacking}
        if fields.take("params", or_none(is_dict)):
            params = fields.within("params")
            names = params.take("names", is_list_of(is_str))
            given = {name: objects.get(name) for name in names}
            arguments["params"] = {
                **given,
                **decode_each(params.take("given", is_dict)),
            }
        return arguments

    # --- training -------------------------------------------------------------------

    def _choices(self, made: dict[str, Any], target) -> tuple[Any, Any, Any]:
        """Optimizer, loss and metrics of the fit."""
        fields = self._fields.within("training")
        choices = []
        for part in PARTS:
            if part in fields.values:
                choices.append(decode(fields.values[part]))
            else:
                choices.append(made[part] if part in made else self._given(part))
        optimizer, loss, metrics = choices
        if isinstance(target, QuantileTarget):
            if loss != "quantile":
                raise damaged("its loss, for a target of quantiles", loss)
            from sklstm._network.pinball_loss import PinballLoss

            loss = PinballLoss(target.quantiles)
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise damaged("its optimizer", optimizer)
        if loss is None or not is_loss(loss):
            raise damaged("its loss", loss)
        if not _are_metrics(metrics):
            raise damaged("its metrics", metrics)
        return optimizer, loss, metrics

    def learnt(self, recipe: Recipe) -> Parameters:
        """Weights, seeds and slots, of the shapes that the network has."""
        with (
            refusing("its network cannot be trained"),
            POOL.borrow(recipe.network) as program,
        ):
            weights = [_like(variable) for variable in program.weights]
            # drawn as uint32, and int64 once they come back from TensorFlow
            seeds = [(tuple(variable.shape), "iu") for variable in program.seeds]
            slots = []
            if self._store.shapes("slots"):
                trainer = program.trainer(recipe.loss, recipe.optimizer)
                slots = [_like(variable) for variable in trainer.optimizer.variables]
        return Parameters(
            tuple(self._store.take_all("weights", weights)),
            tuple(self._store.take_all("seeds", seeds)),
            tuple(self._store.take_all("slots", slots)),
        )


def _are_metrics(metrics: Any) -> bool:
    """Whether these are names, functions or objects, in lists or dicts if at all."""
    if isinstance(metrics, dict):
        metrics = list(metrics.values())
    if isinstance(metrics, list | tuple):
        return all(map(_are_metrics, metrics))
    return metrics is None or isinstance(metrics, str) or callable(metrics)


def _like(variable) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a Keras variable."""
    return tuple(variable.shape), str(variable.dtype)


def _differing(variables: list, shapes: list[tuple[int, ...]]) -> str:
    """How a model's weights differ from saved ones, in words; empty if not."""
    built = [tuple(variable.shape) for variable in variables]
    if len(built) != len(shapes):
        return f"it has {len(built)} weight arrays, the file {len(shapes)}"
    for i, (ours, theirs) in enumerate(zip(built, shapes, strict=True)):
        if ours != theirs:
            return f"weight array {i} has shape {ours}, in the file {theirs}"
    return ""
