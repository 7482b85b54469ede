"""From parameters to a Keras model: architecture, initial weights, state variables.

Owns what a network *is*. Knows nothing of training or of estimators.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklstm._network import cell
from sklstm._tensorflow import keras


@dataclass(frozen=True)
class StackedLSTM:
    """Description of LSTM layers on top of each other and a dense head.

    Parameters
    ----------
    units : tuple of int
        Units of each LSTM layer.
    dropout : float
        Share of each layer's outputs dropped before the next layer.
    n_outputs : int
        Width of the head.
    activation : {"linear", "sigmoid", "softmax"}
        Activation of the head.
    sequence_length, n_features : int
        Shape of a window.
    batch_size : int or None
        Number of lanes of a stateful network; None for a stateless one.
    """

    units: tuple[int, ...]
    dropout: float
    n_outputs: int
    activation: str
    sequence_length: int
    n_features: int
    batch_size: int | None

    @property
    def key(self) -> tuple:
        """What distinguishes the compiled programs of this network."""
        return ("StackedLSTM", self)

    def at_batch_size(self, batch_size: int) -> StackedLSTM:
        """The same network with another number of lanes; a stateless one has none."""
        if self.batch_size is None:
            return self
        return replace(self, batch_size=batch_size)

    def zero_states(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """The state of every layer before any row; none for a stateless network."""
        if self.batch_size is None:
            return ()
        shapes = [(self.batch_size, units) for units in self.units]
        return tuple((np.zeros(s, np.float32), np.zeros(s, np.float32)) for s in shapes)

    def build(self) -> keras.Model:
        """A plain Keras model, with initial weights that do not matter.

        Seeds are given, or Keras would draw them from Python's global generator.
        """
        layers, initializers = keras.layers, keras.initializers
        shape = (self.batch_size, self.sequence_length, self.n_features)
        stack: list[Any] = [layers.Input(batch_shape=shape)]
        for k, units in enumerate(self.units):
            stack.append(
                layers.LSTM(
                    units,
                    return_sequences=k + 1 < len(self.units),
                    stateful=self.batch_size is not None,
                    kernel_initializer=initializers.GlorotUniform(seed=0),
                    recurrent_initializer=initializers.Orthogonal(seed=0),
                    seed=0,
                    name=f"lstm_{k + 1}",
                )
            )
            if self.dropout:
                name = f"dropout_{k + 1}"
                stack.append(layers.Dropout(self.dropout, seed=0, name=name))
        stack.append(
            layers.Dense(
                self.n_outputs,
                activation=self.activation,
                kernel_initializer=initializers.GlorotUniform(seed=0),
                name="head",
            )
        )
        return keras.Sequential(stack, name="stateful_lstm")

    def initial_weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Keras's default initial weights, drawn from `rng`.

        They are in the order of ``build().weights``: those of each LSTM layer (see
        `cell.initial_weights`), then a Glorot-uniform kernel and a zero bias of the
        head.
        """
        weights: list[np.ndarray] = []
        for n_inputs, units in self._layer_sizes:
            weights += cell.initial_weights(rng, n_inputs, units)
        head, head_bias = self.weight_shapes[-2:]
        return [
            *weights,
            cell.glorot_uniform(rng, *head),
            np.zeros(head_bias, np.float32),
        ]

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of ``build().weights``, known without building the model."""
        shapes: list[tuple[int, ...]] = []
        for n_inputs, units in self._layer_sizes:
            shapes += cell.weight_shapes(n_inputs, units)
        return [*shapes, (self.units[-1], self.n_outputs), (self.n_outputs,)]

    @property
    def _layer_sizes(self) -> list[tuple[int, int]]:
        """The number of inputs and the number of units of each LSTM layer."""
        return list(itertools.pairwise((self.n_features, *self.units)))


@dataclass(frozen=True)
class UserNetwork:
    """Description of a network that a user's function builds from `meta`.

    Parameters
    ----------
    function : callable
        Takes `meta`, returns a Keras model.
    meta : tuple of (name, value)
        What the function is told, `batch_size` among it.
    key : tuple
        What distinguishes the compiled programs of this network.
    """

    function: Callable[[dict[str, Any]], keras.Model]
    meta: tuple[tuple[str, Any], ...]
    key: tuple

    @property
    def batch_size(self) -> int | None:
        """Number of lanes of a stateful network; None for a stateless one."""
        return dict(self.meta)["batch_size"]

    @property
    def sequence_length(self) -> int:
        """Steps in a window, which the model itself may leave open."""
        return dict(self.meta)["sequence_length"]

    def at_batch_size(self, batch_size: int) -> UserNetwork:
        """The same network with another number of lanes; a stateless one has none."""
        if self.batch_size is None:
            return self
        meta = {**dict(self.meta), "batch_size": batch_size}
        return replace(self, meta=tuple(meta.items()), key=(*self.key, batch_size))

    def build(self, seed: int = 0) -> keras.Model:
        """What the function returns, its shapes checked against `meta`."""
        meta = dict(self.meta)
        with seeded(seed):
            model = self.function(meta)
        check_model(model, meta)
        return model


def check_model(model: keras.Model, meta: dict[str, Any]) -> None:
    """Raise ValueError unless `model` takes windows and gives outputs as `meta` has."""
    expected = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    if not model.built or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "The model function must return a built Keras model with one input and one"
            f" output, starting for example with keras.Input(batch_shape={expected})."
        )
    got = tuple(model.inputs[0].shape)
    fits = len(got) == 3 and all(
        g is None or e is None or g == e for g, e in zip(got, expected, strict=True)
    )
    if meta["stateful"]:
        fits = fits and got[0] == expected[0]
    if not fits:
        raise ValueError(
            f"The model function returned a model for inputs of shape {got}, but"
            f" meta asks for (batch_size, sequence_length, n_features) = {expected}."
            " Start the model with keras.Input(batch_shape=(meta['batch_size'],"
            " meta['sequence_length'], meta['n_features_in_']))."
        )
    if len(model.outputs[0].shape) != 2:
        raise ValueError(
            "The model function must return a model with outputs of shape (batch_size,"
            f" n_outputs), a row for each window; got {tuple(model.outputs[0].shape)}."
            " The last recurrent layer probably needs return_sequences=False."
        )
    if not meta["stateful"] and recurrent_layers(model):
        raise ValueError(
            "stateful=False, but the model function returned a model with a stateful"
            " recurrent layer. Pass stateful=meta['stateful'] to its recurrent layers."
        )
    if meta["stateful"] and not recurrent_layers(model):
        raise ValueError(
            "stateful=True, but the model function returned a model without a stateful"
            " recurrent layer. Pass stateful=meta['stateful'] to its recurrent layers."
        )


def recurrent_layers(model: keras.Model) -> list:
    """Layers of `model` that hold state from batch to batch."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.RNN | keras.layers.ConvLSTM2D)
        and layer.stateful
    ]


def state_variables(model: keras.Model) -> list[list]:
    """State variables of each stateful recurrent layer, flat within the layer."""
    return [keras.tree.flatten(layer.states) for layer in recurrent_layers(model)]


def sharing_key(model: keras.Model) -> tuple | None:
    """A key equal for models whose graphs are equal, or None where none can be had.

    Built-in layers tell all about themselves in their configuration; layers of the
    user's own and `Lambda` may not, and those that adapt to data leave out what they
    have learnt.
    """
    for layer in model._flatten_layers():
        own = not type(layer).__module__.startswith("keras.")
        if own or isinstance(layer, keras.layers.Lambda) or _has_adapted(layer):
            return None
    config = keras.saving.serialize_keras_object(model)
    if _holds_functions(config):
        return None
    config = _without_names(config, {})
    return ("UserNetwork", json.dumps(config, sort_keys=True, default=str))


def _has_adapted(layer: keras.layers.Layer) -> bool:
    """Whether a layer may hold statistics of data; a given mean is configuration."""
    return hasattr(layer, "adapt") and getattr(layer, "input_mean", None) is None


def _holds_functions(config: Any) -> bool:
    """Whether a configuration names a function or class that is not Keras's own."""
    if isinstance(config, dict):
        module = config.get("module") if "class_name" in config else None
        foreign = module is not None and not str(module).startswith("keras")
        is_function = config.get("class_name") == "function"
        return foreign or is_function or any(map(_holds_functions, config.values()))
    if isinstance(config, list | tuple):
        return any(map(_holds_functions, config))
    return False


def _without_names(config: Any, numbers: dict[str, int], is_name: bool = False) -> Any:
    """`config` with names numbered, and without what does not shape the graph.

    `numbers` are those of the names met so far, to which it adds.
    """
    if isinstance(config, dict):
        return {
            key: value
            if key == "dtype"  # policies have names too
            else _without_names(value, numbers, key in _NAMING)
            for key, value in config.items()
            if key not in _SHAPELESS
        }
    if isinstance(config, list | tuple):
        return [_without_names(value, numbers, is_name) for value in config]
    if isinstance(config, str) and is_name:
        return numbers.setdefault(config, len(numbers))
    return config


_NAMING = {"name", "keras_history", "input_layers", "output_layers"}
_SHAPELESS = {"seed", "build_config", "compile_config"}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's and NumPy's global generators for a while, then put them back.

    For model functions: Keras draws the seeds of their initialisers from Python's, and
    they may draw from either themselves. Threads take turns, or one would take
    another's seed for the user's state and put that back; but a thread of the user's
    own that draws meanwhile draws what the seed gives.
    """
    with _GENERATORS:
        python_state = random.getstate()
        numpy_state = np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


_GENERATORS = threading.RLock()  # a user's function may build one model inside another
