"""The one door to scikeras, and what it gets wrong today mended.

scikeras 0.13.0 is its last release. From it come the conventions and the machinery
of routed parameters (``optimizer__learning_rate`` and so on) and of ``model=`` a
function given ``meta``. Its own fitting, validation and tags are replaced: it deletes
rows of zero weight, misses feature counts, and predates scikit-learn's tags.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from sklstm._estimator.keywords import check_keywords
from sklstm._network.losses import pack_loss, unpack_loss

# before scikeras, which imports it loudly
from sklstm._tensorflow.imported import keras, start_devices
from sklstm._training.recipe import refuse_lost_settings

from scikeras._utils import accepts_kwargs, has_param, route_params  # isort: skip
from scikeras.wrappers import BaseWrapper  # isort: skip

if TYPE_CHECKING:
    from typing_extensions import Self

if "__sklearn_tags__" not in vars(BaseWrapper):
    # It still defines `_more_tags`, which scikit-learn >= 1.6 accepts only beside this.
    BaseWrapper.__sklearn_tags__ = BaseEstimator.__sklearn_tags__

# What the optimizer "auto" of tiled windows is made with, beside AdamW's own settings.
OF_TILES = {
    "optimizer__learning_rate": 0.004,
    "optimizer__weight_decay": 0.02,
    "optimizer__global_clipnorm": 1.0,
}
ROUTED_PREFIXES = ("optimizer", "loss", "metrics", "callbacks", "model")


class _Absent:
    """A public name of scikeras that stands for nothing here."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__!r} has no attribute {self.name!r}")


class RoutedParameters(BaseWrapper):
    """scikeras's wrapper, cut down to its parameter conventions."""

    current_epoch = _Absent()
    feature_encoder = _Absent()
    initialize = _Absent()
    scorer = _Absent()
    target_encoder = _Absent()

    _routing_prefixes = set(ROUTED_PREFIXES)

    def __init_subclass__(cls, **options: Any) -> None:
        """Show named parameters only in the signature: routed ones have no one name."""
        super().__init_subclass__(**options)
        signature = inspect.signature(cls.__init__)
        named = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
        cls.__signature__ = signature.replace(parameters=named[1:])

    @classmethod
    def _signature_names(cls) -> list[str]:
        parameters = inspect.signature(cls.__init__).parameters.values()
        return [p.name for p in parameters if p.kind != p.VAR_KEYWORD][1:]

    def _assign_routed(self, routed: dict[str, Any]) -> None:
        """Assign keywords such as ``optimizer__learning_rate``; refuse unknown ones."""
        check_keywords(
            type(self).__name__, routed, self._signature_names(), ROUTED_PREFIXES
        )
        self.__dict__.update(routed)

    def _get_param_names(self) -> list[str]:
        routed = [name for name in vars(self) if self._is_routed(name)]
        return sorted(self._signature_names() + routed)

    @staticmethod
    def _is_routed(name: str) -> bool:
        prefix, separator, rest = name.partition("__")
        return bool(separator and rest and prefix in ROUTED_PREFIXES)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, routed ones such as ``optimizer__learning_rate`` included.

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        self

        Examples
        --------
        >>> from sklstm import StatefulLSTMRegressor
        >>> model = StatefulLSTMRegressor(8)
        >>> model = model.set_params(units=16, optimizer__learning_rate=0.01)
        >>> model.units, model.get_params()["optimizer__learning_rate"]
        (16, 0.01)
        """
        self._check_names(params)
        routed = {name: params.pop(name) for name in list(params) if "__" in name}
        self._assign_routed(routed)
        return BaseEstimator.set_params(self, **params)

    def _check_names(self, names: Iterable[str]) -> None:
        """Refuse unknown names before any parameter is set."""
        owner, valid = type(self).__name__, self._signature_names()
        unknown = [name for name in names if name not in valid]
        try:
            check_keywords(owner, unknown, valid, ROUTED_PREFIXES)
        except TypeError as error:  # what scikit-learn's own set_params raises
            raise ValueError(f"Invalid parameter for {owner}: {error}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "loss": pack_loss(self.loss)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "loss": unpack_loss(state["loss"])})

    def __sklearn_clone__(self):
        clone = BaseEstimator.__sklearn_clone__(self)
        if isinstance(self.loss, keras.losses.Loss):  # stateless: may be shared
            clone.loss = self.loss
        return clone

    __repr__ = BaseEstimator.__repr__
    __sklearn_tags__ = BaseEstimator.__sklearn_tags__

    def _more_tags(self):
        raise NotImplementedError("scikit-learn reads __sklearn_tags__")

    def _compile_arguments(self, is_tiled: bool) -> dict[str, Any]:
        """Optimizer, loss and metrics as Keras objects, routed parameters applied.

        The optimizer "auto" depends on whether windows are tiled.
        """
        start_devices()  # which an optimizer's variables do loudly
        parameters = {**self.get_params(), "loss": self._asked_loss()}
        if isinstance(self.optimizer, str):
            name = self.optimizer.lower()
            if name == "auto":
                name = "adamw" if is_tiled else "adam"
                settings = OF_TILES if is_tiled else {}
                parameters = {**settings, **parameters}
            kind = _optimizer_classes().get(name)
            if kind is not None:
                # else scikeras makes an optimizer to learn its class: 5 ms of every fit
                parameters["optimizer"] = kind
                # else Keras counts them, and TensorFlow keeps 35 kB for each new name
                parameters.setdefault("optimizer__name", name)
        arguments = BaseWrapper._get_compile_kwargs(
            SimpleNamespace(
                get_params=lambda: parameters, _compile_kwargs=self._compile_kwargs
            )
        )
        optimizer = arguments["optimizer"]
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise TypeError(
                "optimizer must be the name of a Keras optimizer, a class or an"
                f" instance of one; got {self.optimizer!r}."
            )
        refuse_lost_settings(optimizer)
        metrics = arguments["metrics"]
        if not any(name.startswith("metrics__") for name in vars(self)):
            # as Keras takes them: scikeras would rename "mae" to its long name
            metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        return {"optimizer": optimizer, "loss": arguments["loss"], "metrics": metrics}

    def _asked_loss(self) -> Any:
        """The loss as Keras takes it."""
        return self.loss

    def _instantiate_callbacks(self) -> list:
        """The callbacks as one flat list; classes are instantiated."""
        kinds = list | tuple | dict | keras.callbacks.Callback | type | None
        if not isinstance(self.callbacks, kinds):
            raise TypeError(
                "callbacks must be a list of keras.callbacks.Callback, got"
                f" {self.callbacks!r} of type {type(self.callbacks).__name__}."
            )
        self._initialize_callbacks()
        callbacks, unpacked = self._fit_callbacks, []
        del self._fit_callbacks, self._predict_callbacks
        for callback in callbacks:
            unpacked.extend(callback if isinstance(callback, list) else [callback])
        for callback in unpacked:
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(
                    "callbacks must be a list of keras.callbacks.Callback, but it holds"
                    f" {callback!r} of type {type(callback).__name__}."
                )
            if isinstance(callback, keras.callbacks.BackupAndRestore):
                raise ValueError(
                    "callbacks holds a BackupAndRestore, which would train all epochs"
                    " again after a crash, since it knows nothing of the epoch loop"
                    " here. Leave it out, and call fit(X, y, checkpoint=folder): the"
                    " same call goes on where training ended."
                )
        return unpacked

    def _model_function(
        self, is_tiled: bool
    ) -> Callable[[dict[str, Any]], keras.Model]:
        """The user's ``model=`` function with its routed arguments, awaiting `meta`."""
        function = self._check_model_function()
        arguments = route_params(
            self.get_params(), destination="model", pass_filter=(), strict=True
        )
        everything = accepts_kwargs(function)
        if everything or has_param(function, "compile_kwargs"):
            arguments["compile_kwargs"] = self._compile_arguments(is_tiled)
        if everything or has_param(function, "params"):
            arguments["params"] = self.get_params()
        tell_meta = everything or has_param(function, "meta")
        return functools.partial(_call_model_function, function, arguments, tell_meta)

    def _check_model_function(self) -> Callable[..., keras.Model]:
        if isinstance(self.model, keras.Model) or not callable(self.model):
            raise TypeError(
                "model must be None or a function that is given `meta` and returns a"
                f" keras.Model; got {self.model!r} of type {type(self.model).__name__}."
                " A model that is already built has its batch size frozen in: pass the"
                " function that builds it."
            )
        return self.model


@functools.cache
def _optimizer_classes() -> dict[str, type]:
    """Keras's own optimizers by their names in lower case."""
    kinds = filter(inspect.isclass, vars(keras.optimizers).values())
    return {
        kind.__name__.lower(): kind
        for kind in kinds
        if issubclass(kind, keras.optimizers.Optimizer)
        and kind is not keras.optimizers.Optimizer
    }


def _call_model_function(function, arguments, tell_meta, meta) -> keras.Model:
    model = function(**arguments, **({"meta": meta} if tell_meta else {}))
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model={_name(function)} must return a keras.Model, but it returned"
            f" {model!r} of type {type(model).__name__}."
        )
    return model


def _name(function: Callable) -> str:
    if isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", repr(function))
