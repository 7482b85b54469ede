"""From a file to a network, without building it in Keras.

What a header says of sizes is held against the arrays of the file before anything is
made of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sklstm._encoding.row_encoder import RowEncoder
from sklstm._network.architecture import StackedLSTM, UserNetwork
from sklstm._network.cells import CELLS
from sklstm._network.targets import ClassTarget
from sklstm._training.recipe import Recipe
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_anything,
    is_bool,
    is_count,
    is_list_of,
    is_share,
    is_side,
    one_of,
    or_none,
)
from sklstm.persistence._plain import decode

# Numbers in the zero states of all lanes that are believed whatever the file holds, as
# if each lane had at least a few of them.
_MOST_STATES, _FEW_UNITS = 2**24, 64


class SavedNetwork(ABC):
    """A network in a header and arrays, and the recipe that it belongs to.

    Parameters
    ----------
    fields : Fields
        The header.
    store : Store
        The arrays.
    """

    def __init__(self, fields: Fields, store: Store):
        self._fields, self._store = fields, store
        self._n_features = fields.within("input").take("n_features", is_side)

    @abstractmethod
    def _user_network(
        self, fields: Fields, target, sequence_length: int, batch_size: int | None
    ) -> tuple[UserNetwork, int, list, dict[str, Any]]:
        """The network of a ``model=`` function.

        With it its width, shape and dtype of its weights, and what its model was
        compiled with.
        """

    @abstractmethod
    def _choices(self, made: dict[str, Any], target) -> tuple[Any, Any, Any]:
        """Optimizer, loss and metrics of the fit; `made` are those of a model."""

    def recipe(self, target, encoder: RowEncoder | None) -> Recipe:
        """The recipe, its initial weights those of the file."""
        fields = self._fields.within("network")
        kind = fields.take("kind", one_of("stacked", "function"))
        sequence_length = fields.take("sequence_length", is_side)
        batch_size = fields.take("batch_size", or_none(is_side))
        is_tiled = bool(fields.take("return_sequences", or_none(is_bool)))
        if encoder is not None and not is_tiled:
            raise damaged("return_sequences in network, for an encoder", is_tiled)
        self._check_lanes(batch_size, is_tiled)
        made: dict[str, Any] = {}
        network: StackedLSTM | UserNetwork
        if kind == "stacked":
            network = self._stacked(fields, encoder, sequence_length, batch_size)
            n_outputs = network.n_outputs
            like = [(shape, "float32") for shape in network.weight_shapes]
        else:
            if encoder is not None and encoder.n_skip:
                raise damaged("kind in network, for a linear skip", kind)
            network, n_outputs, like, made = self._user_network(
                fields, target, sequence_length, batch_size
            )
        choices = self._choices(made, target)
        self._check_width(target, n_outputs)
        return Recipe(
            network,
            tuple(self._store.take_all("initial_weights", like)),
            *choices,
            n_outputs,
            sequence_length,
            self._asked_rate(),
            self._carries_state(),
        )

    def _check_lanes(self, batch_size: int | None, is_tiled: bool) -> None:
        """Believe the header's number of lanes only if the states have as many.

        With tiled windows states have a lane for each series instead. Then the zero
        states of all lanes must be small, or no larger than the file.
        """
        shapes = self._store.shapes("state/0")
        if is_tiled:
            n_units = sum(shape[-1] for shape in shapes if shape)
            most = max(_MOST_STATES, self._store.n_values("weights"))
            if batch_size is None or batch_size * max(n_units, _FEW_UNITS) > most:
                raise damaged("its batch size, for tiled windows", batch_size)
            return
        lanes = {shape[0] if shape else None for shape in shapes}
        if lanes != (set() if batch_size is None else {batch_size}):
            raise damaged("its batch size, for states of other shapes", batch_size)

    def _stacked(
        self,
        fields: Fields,
        encoder: RowEncoder | None,
        sequence_length: int,
        batch_size: int | None,
    ) -> StackedLSTM:
        n_inputs = self._n_features if encoder is None else encoder.n_inputs
        network = StackedLSTM(
            units=tuple(fields.take("units", is_list_of(is_side))),
            dropout=float(fields.take("dropout", is_share)),
            n_outputs=fields.take("n_outputs", is_side),
            activation=fields.take("activation", _is_activation),
            sequence_length=sequence_length,
            n_features=fields.take("n_features", one_of(n_inputs)),
            batch_size=batch_size,
            return_sequences=bool(fields.values.get("return_sequences")),
            n_skip=fields.take("n_skip", or_none(is_count)) or 0,
            # absent in older files, whose networks are all made of LSTM layers
            cell=fields.take("cell", or_none(one_of(*CELLS))) or "lstm",
        )
        n_skip = network.n_skip
        if n_skip != (encoder.n_skip if encoder else 0) or (
            n_skip not in (0, network.n_outputs)
        ):
            raise damaged("n_skip in network, for another linear skip", n_skip)
        shapes = self._store.shapes("weights")
        if not network.units or shapes != network.weight_shapes:
            raise damaged("shapes of its weights, for another network", shapes)
        self._check_states(network)
        return network

    def _check_states(self, network: StackedLSTM) -> None:
        """Raise unless each layer has all states of its cell in every lane."""
        n_lanes = network.batch_size
        if n_lanes is None:
            return
        first = self._store.shapes("state/0")[:1]
        if network.return_sequences and first:  # a lane for each series
            n_lanes = first[0][0] if first[0] else 0
        for i, units in enumerate(network.units):
            shape = (n_lanes, units)
            if self._store.shapes(f"state/{i}") != [shape] * len(network.kind.states):
                raise damaged("shapes of its states, for another network", shape)

    def _asked_rate(self) -> float | None:
        fields = self._fields.within("training")
        rate = decode(fields.take("asked_rate", is_anything))
        if rate is not None and not isinstance(rate, float):
            raise damaged("its learning rate", rate)
        return rate

    def _carries_state(self) -> bool:
        """Whether tiled windows carry the state; files of format 1 have none."""
        fields = self._fields.within("training")
        return fields.take("carries_state", or_none(is_bool)) is not False

    def _check_width(self, target, n_outputs: int) -> None:
        """Raise unless the network's outputs are as wide as the target."""
        fits = n_outputs == target.width
        if isinstance(target, ClassTarget):
            n_classes = len(target.classes)
            fits = n_outputs == n_classes or (n_outputs, n_classes) == (1, 2)
        if not fits:
            raise damaged("the number of its outputs, for another target", n_outputs)


_is_activation = one_of("linear", "sigmoid", "softmax")
