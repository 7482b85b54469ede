"""Descriptions of networks, and the Keras models that are built from them.

`StackedLSTM` describes the package's own network, `UserNetwork` a network that a user's
function builds. Both are frozen values, and their `build` makes a Keras model. This
module also checks the model that a user's function returns and finds its states. It
imports nothing of training or of the estimators.
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

from sklstm._network.cells import CELLS, Cell
from sklstm._network.cells.cell import glorot_uniform
from sklstm._tensorflow import keras


@dataclass(frozen=True)
class StackedLSTM:
    """Description of a stack of recurrent layers with a dense layer, the head, on top.

    Parameters
    ----------
    units : tuple of int
        Units of each recurrent layer.
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
    return_sequences : bool
        Whether there is an output at each step of a window, and not at its last alone.
    n_skip : int
        How many of the features, the last ones, are added to the head's output before
        its activation and are not read by the recurrent layers: 0 or `n_outputs`. They
        hold the forecast of a linear skip.
    cell : {"lstm", "gru", "rnn"}
        What the recurrent layers are made of.
    """

    units: tuple[int, ...]
    dropout: float
    n_outputs: int
    activation: str
    sequence_length: int
    n_features: int
    batch_size: int | None
    return_sequences: bool = False
    n_skip: int = 0
    cell: str = "lstm"

    @property
    def kind(self) -> Cell:
        """The facts of the cell."""
        return CELLS[self.cell]

    @property
    def key(self) -> tuple:
        """Key in the pool of compiled programs; equal networks share their programs."""
        return ("StackedLSTM", self)

    def at_batch_size(self, batch_size: int) -> StackedLSTM:
        """The same network with another number of lanes; itself if it is stateless."""
        if self.batch_size is None:
            return self
        return replace(self, batch_size=batch_size)

    def of_length(self, n_steps: int) -> StackedLSTM:
        """The same network for windows of another length."""
        return replace(self, sequence_length=n_steps)

    def for_steps(self, n_lanes: int) -> StackedLSTM:
        """The network for lanes that take one step at a time.

        It does not depend on `n_lanes`: `StackedGraph` takes any number of lanes.
        """
        return replace(self, batch_size=1, sequence_length=1)

    def zero_states(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Zero states of each layer, of shape (B, units); empty if it is stateless."""
        if self.batch_size is None:
            return ()
        shapes = [(self.batch_size, units) for units in self.units]
        names = self.kind.states
        return tuple(tuple(np.zeros(s, np.float32) for _ in names) for s in shapes)

    def build(self) -> keras.Model:
        """Build a plain Keras model, whose weights the caller sets afterwards.

        Layers and initialisers get seeds, because Keras would otherwise draw seeds from
        Python's global generator and thereby change the user's random numbers.
        """
        layers, initializers = keras.layers, keras.initializers
        shape = (self.batch_size, self.sequence_length, self.n_features)
        plain = {"dtype": "float32"}  # whatever Keras's global policy is
        stack: list[Any] = [layers.Input(batch_shape=shape, **plain)]
        for k, units in enumerate(self.units):
            stack.append(
                self.kind.keras_layer(
                    units,
                    return_sequences=self.return_sequences or k + 1 < len(self.units),
                    stateful=self.batch_size is not None,
                    kernel_initializer=initializers.GlorotUniform(seed=0),
                    recurrent_initializer=initializers.Orthogonal(seed=0),
                    seed=0,
                    name=f"{self.cell}_{k + 1}",
                    **plain,
                )
            )
            if self.dropout:
                name = f"dropout_{k + 1}"
                stack.append(layers.Dropout(self.dropout, seed=0, name=name, **plain))
        head = layers.Dense(
            self.n_outputs,
            activation=None if self.n_skip else self.activation,
            kernel_initializer=initializers.GlorotUniform(seed=0),
            name="head",
            **plain,
        )
        if not self.n_skip:
            return keras.Sequential([*stack, head], name=f"stateful_{self.cell}")
        x = keras.Input(batch_shape=shape, **plain)
        hidden = x[..., : -self.n_skip]
        for layer in [*stack[1:], head]:
            hidden = layer(hidden)
        outputs = layers.Add(name="skip", **plain)([hidden, x[..., -self.n_skip :]])
        outputs = layers.Activation(self.activation, name="output", **plain)(outputs)
        return keras.Model(x, outputs, name=f"stateful_{self.cell}")

    def initial_weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Initial weights of Keras's default kind, drawn from `rng`.

        They are in the order of ``build().weights``: those of each recurrent layer (see
        `Cell.initial_weights`), then a Glorot-uniform kernel and a zero bias of the
        head.
        """
        weights: list[np.ndarray] = []
        for n_inputs, units in self._layer_sizes:
            weights += self.kind.initial_weights(rng, n_inputs, units)
        head, head_bias = self.weight_shapes[-2:]
        return [
            *weights,
            glorot_uniform(rng, *head),
            np.zeros(head_bias, np.float32),
        ]

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of ``build().weights``, known without building the model."""
        shapes: list[tuple[int, ...]] = []
        for n_inputs, units in self._layer_sizes:
            shapes += self.kind.weight_shapes(n_inputs, units)
        return [*shapes, (self.units[-1], self.n_outputs), (self.n_outputs,)]

    @property
    def _layer_sizes(self) -> list[tuple[int, int]]:
        """The number of inputs and the number of units of each recurrent layer."""
        return list(itertools.pairwise((self.n_features - self.n_skip, *self.units)))


@dataclass(frozen=True)
class UserNetwork:
    """Description of a network that a user's function builds from `meta`.

    Parameters
    ----------
    function : callable
        Takes `meta` as a dict and returns a Keras model.
    meta : tuple of (name, value)
        What the function is to know, such as the ``batch_size``.
    key : tuple
        Key in the pool of compiled programs; networks with equal keys share programs.
    """

    function: Callable[[dict[str, Any]], keras.Model]
    meta: tuple[tuple[str, Any], ...]
    key: tuple
    n_skip = 0  # a user's network adds none of its inputs to its output

    @property
    def batch_size(self) -> int | None:
        """Number of lanes of a stateful network; None for a stateless one."""
        return dict(self.meta)["batch_size"]

    @property
    def sequence_length(self) -> int:
        """T, the number of steps in a window; the model may leave it open."""
        return dict(self.meta)["sequence_length"]

    @property
    def return_sequences(self) -> bool:
        """Whether there is an output at each step of a window."""
        return dict(self.meta)["return_sequences"]

    def at_batch_size(self, batch_size: int) -> UserNetwork:
        """The same network with another number of lanes; itself if it is stateless."""
        if self.batch_size is None:
            return self
        return self._told(batch_size=batch_size)

    def of_length(self, n_steps: int) -> UserNetwork:
        """The network that the function builds for windows of another length."""
        return self._told(sequence_length=n_steps)

    def for_steps(self, n_lanes: int, n_steps: int = 1) -> UserNetwork:
        """The same network for so many lanes that take `n_steps` steps at a time."""
        return self._told(batch_size=n_lanes, sequence_length=n_steps)

    def _told(self, **changes) -> UserNetwork:
        """The network that the function builds from `meta` with these changes."""
        meta = {**dict(self.meta), **changes}
        key = (*self.key, *sorted(changes.items()))
        return replace(self, meta=tuple(meta.items()), key=key)

    def build(self, seed: int = 0) -> keras.Model:
        """Call the function and return its model, once `check_model` accepts it.

        The global generators are seeded with `seed` during the call (see `seeded`).
        """
        meta = dict(self.meta)
        try:
            with seeded(seed):
                model = self.function(meta)
        except ValueError as error:
            if "output size would be zero" not in str(error):
                raise
            raise ValueError(
                "The model function has a convolution or pooling layer that leaves"
                f" nothing of a window of {meta['sequence_length']} step(s): its kernel"
                " is longer. Set sequence_length, which is 1 by default for model="
                " functions, to a larger number, or padding='causal' in the layer."
            ) from error
        check_model(model, meta)
        return model


def check_model(model: keras.Model, meta: dict[str, Any]) -> None:
    """Raise ValueError unless the model has inputs, outputs and states as in `meta`."""
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
    if meta["return_sequences"]:
        if len(model.outputs[0].shape) != 3:
            raise ValueError(
                "windows='tiled' has a target at each step, so the model function must"
                " return a model with outputs of shape (batch_size, sequence_length,"
                f" n_outputs); got {tuple(model.outputs[0].shape)}. Pass"
                " return_sequences=meta['return_sequences'] to its last recurrent"
                " layer."
            )
    elif len(model.outputs[0].shape) != 2:
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
    """The layers of `model` that carry their state from batch to batch."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.RNN | keras.layers.ConvLSTM2D)
        and layer.stateful
    ]


def state_variables(model: keras.Model) -> list[list]:
    """State variables of each stateful recurrent layer, as a flat list for each."""
    return [keras.tree.flatten(layer.states) for layer in recurrent_layers(model)]


def sharing_key(model: keras.Model) -> tuple | None:
    """A key that two models have in common only if they compute the same, or None.

    The key is made of the configuration, which describes a layer of Keras completely.
    There is no key for a model whose configuration may leave something out: with layers
    that the user wrote, with `Lambda`, or with layers that have adapted to data, such
    as `Normalization`. Such a model shares its compiled programs with no other.
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
    """Whether a layer may have learnt statistics of data, which no configuration holds.

    A mean that was passed to `Normalization` is part of its configuration.
    """
    return hasattr(layer, "adapt") and getattr(layer, "input_mean", None) is None


def _holds_functions(config: Any) -> bool:
    """Whether a configuration refers to functions, or to classes other than Keras's."""
    if isinstance(config, dict):
        module = config.get("module") if "class_name" in config else None
        foreign = module is not None and not str(module).startswith("keras")
        is_function = config.get("class_name") == "function"
        return foreign or is_function or any(map(_holds_functions, config.values()))
    if isinstance(config, list | tuple):
        return any(map(_holds_functions, config))
    return False


def _without_names(config: Any, numbers: dict[str, int], is_name: bool = False) -> Any:
    """`config` with numbers for names, and without entries that leave the graph alone.

    Keras counts up the names of layers, so that the same model built twice has
    different names. Names are therefore numbered in the order in which they occur.
    `numbers` holds the numbers given so far, and new names are added to it.
    """
    if isinstance(config, dict):
        return {
            key: value
            if key == "dtype"  # the name of a dtype policy means something
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
    """Seed Python's and NumPy's global generators, and restore them at the end.

    This makes a user's model function reproducible: Keras draws the seeds of its
    initialisers from Python's generator, and the function may draw from both. A lock
    admits one thread at a time, since a second thread would save the first one's seeded
    state as the user's and restore that. It does not stop other threads of the user
    from drawing seeded numbers during the call.
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


_GENERATORS = threading.RLock()  # re-entrant: a model may be built inside another
