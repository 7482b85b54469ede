"""From a file to the record that a predictor answers from, and back into a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._archive import Arrays
from sklstm._compiled.device_arrays import Parameters
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._network.losses import LossFacts
from sklstm._network.targets import ClassTarget, ContinuousTarget
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe
from sklstm.persistence import PersistenceError, put_record, read, write
from sklstm.persistence._checked import (
    Fields,
    Store,
    damaged,
    is_dict,
    is_side,
    is_str,
    one_of,
    or_none,
)
from sklstm.persistence._saved_network import SavedNetwork
from sklstm.persistence._saved_record import SavedRecord
from sklstm.persistence._saved_target import continuous_target, labels_of

# What predictors leave as it was read: all that training knows.
_OF_TRAINING = ("weights", "seeds", "slots", "initial_weights", "history")
_CLASSES = ("StatefulLSTMRegressor", "StatefulLSTMClassifier")


@dataclass(frozen=True, eq=False)
class Kept:
    """What of a file a predictor hands on as it is, and the parameters that it reads.

    Parameters
    ----------
    header : dict
    arrays : dict of str to ndarray
    on_gap : {"warn", "reset", "raise", "ignore"}
    batch_size : object
        The parameter of the estimator.
    classes : ndarray of shape (n_classes,) or None
        None for a regressor.
    """

    header: dict[str, Any]
    arrays: Arrays
    on_gap: str
    batch_size: Any
    classes: np.ndarray | None


def read_served(path) -> tuple[Fitted, Kept]:
    """The record of the estimator in a file, and what its next file takes from this.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    PersistenceError, FileNotFoundError
        As `sklstm.serving.load` does.
    """
    header, arrays = read(path)
    try:
        fields = Fields(header, "its header")
        if fields.values.get("class") not in _CLASSES:
            raise PersistenceError(
                "holds no StatefulLSTMRegressor and no StatefulLSTMClassifier. Pass a"
                " file that save() of one of them wrote."
            )
        parameters = fields.take("parameters", is_dict)
        on_gaps = one_of("warn", "reset", "raise", "ignore")
        on_gap = Fields(parameters, "its parameters").take("on_gap", or_none(on_gaps))
        fitted = _ServedRecord(fields, Store(arrays), parameters).fitted()
    except PersistenceError as error:
        raise PersistenceError(f"{str(path)!r} {error}") from error.__cause__
    target = fitted.target
    return fitted, Kept(
        header,
        {name: a for name, a in arrays.items() if name.split("/")[0] in _OF_TRAINING},
        on_gap or "warn",
        parameters.get("batch_size"),
        target.classes if isinstance(target, ClassTarget) else None,
    )


def write_served(path, fitted: Fitted, kept: Kept) -> None:
    """Write a file as the estimator would have, if it were in this state.

    Parameters
    ----------
    path : str or path-like
    fitted : Fitted
    kept : Kept

    Raises
    ------
    PersistenceError, OSError
        As the `save` of the estimators does.
    """
    arrays = dict(kept.arrays)
    write(path, {**kept.header, **put_record(arrays, fitted)}, arrays)


class _ServedRecord(SavedRecord):
    """The record of an estimator, without what only training needs."""

    def _target(self) -> ContinuousTarget | ClassTarget:
        network = self.fields.within("network")
        if network.take("kind", one_of("stacked", "function")) == "function":
            raise PersistenceError(
                "holds the network of a model= function, which only Keras can run."
                f" Load it with sklstm.{self.fields.take('class', is_str)}.load(path,"
                " model=...), or fit the built-in network, which is served in NumPy."
            )
        fields = self.fields.within("target")
        if self.fields.values["class"] == "StatefulLSTMRegressor":
            return continuous_target(fields)
        fields.take("kind", one_of("classes"))
        return ClassTarget(labels_of(fields), _loss_facts(network, labels_of(fields)))

    def _recipe(self, target, encoder: RowEncoder | None) -> Recipe:
        loss = target.loss if isinstance(target, ClassTarget) else None
        return _ServedNetwork(self.fields, self.store, loss).recipe(target, encoder)

    def _learnt(self, recipe: Recipe) -> Parameters:
        like = [(weights.shape, "float32") for weights in recipe.weights]
        weights = tuple(self.store.take_all("weights", like))
        for of_training in ("seeds", "slots"):
            self.store.leave(of_training)
        return Parameters(weights, in_numpy=True)


class _ServedNetwork(SavedNetwork):
    """The built-in network, with a loss of which predicting knows enough."""

    def __init__(self, fields: Fields, store: Store, loss: LossFacts | None):
        super().__init__(fields, store)
        self._loss = loss

    def _user_network(self, fields, target, sequence_length, batch_size):
        raise damaged("kind in network", "function")  # which `_target` has refused

    def _choices(self, made: dict[str, Any], target) -> tuple[Any, Any, Any]:
        return None, self._loss, None


def _loss_facts(network: Fields, classes: np.ndarray) -> LossFacts:
    """What the network's head tells of a classifier's loss.

    A linear head is one whose loss takes logits, and two classes have an output each
    only for a categorical loss.
    """
    is_wide = network.take("n_outputs", is_side) == len(classes)
    return LossFacts(
        "categorical_crossentropy" if is_wide else "binary_crossentropy",
        from_logits=network.values.get("activation") == "linear",
    )
