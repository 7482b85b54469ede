"""Predictions for test rows piece by piece, each piece from a chosen state.

With sliding windows a piece is a batch, in which each lane takes one window. With tiled
windows it is the k-th tile of every series. So every window starts from a state that is
set before it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metaestimators import available_if

from sklstm._rows.series import match_series, read_labels
from sklstm._rows.state import RecurrentState
from sklstm.streaming._composite import Composite, Network

Layers = Sequence[Sequence[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Walk:
    """The pieces of the test rows, and the state from which each of them starts.

    Parameters
    ----------
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
        A copy, whose state is moved.
    rows : tuple of ndarray of int
        Which of the test rows each piece holds.
    pieces : tuple of array-like
        These rows, as they come in to the estimator.
    states : tuple of RecurrentState
        The state before each piece if it is carried. With tiled windows it has a lane
        for each series of the piece.
    """

    estimator: Any
    rows: tuple[np.ndarray, ...]
    pieces: tuple[Any, ...]
    states: tuple[RecurrentState, ...]

    @classmethod
    def over(cls, estimator, rows, where: str) -> Walk:
        """Read rows from the state after training.

        `where` names the fold in errors.
        """
        walker = copy.copy(estimator)
        if walker.on_gap == "warn":  # predicting with the state carried warns
            walker.on_gap = "ignore"
        cut = _tiles if walker.windows_ == "tiled" else _batches
        places = cut(walker, rows, where)
        pieces = tuple(_safe_indexing(rows, place) for place in places)
        reader, states = copy.copy(walker), []
        for piece in pieces:
            states.append(_state_before(reader, piece))
            reader.observe(piece)
        return cls(walker, tuple(places), pieces, tuple(states))

    @property
    def unit(self) -> str:
        """What the rows are cut into: "tile" or "batch"."""
        return "tile" if self.estimator.windows_ == "tiled" else "batch"

    def answer(self, layers: list[Layers], method: str) -> np.ndarray:
        """What `method` answers for the rows, each piece from its own state.

        Parameters
        ----------
        layers : list
            The state of each piece.
        method : {"predict", "predict_proba"}
        """
        answers = []
        for piece, state, begun in zip(self.pieces, self.states, layers, strict=True):
            self.estimator.set_states(state.replace(layers=begun))
            answers.append(getattr(self.estimator, method)(piece, replay=False))
        by_piece = np.concatenate(answers)
        by_row = np.empty_like(by_piece)
        by_row[np.concatenate(self.rows)] = by_piece
        return by_row

    def linear(self) -> Walk | None:
        """The same with the linear map alone; None where the network has none."""
        alone = self.estimator._linear_alone()
        return None if alone is None else replace(self, estimator=alone)

    def carried(self) -> list[Layers]:
        """For each piece the state that is carried to it."""
        return [state.layers for state in self.states]

    def zeros(self) -> list[Layers]:
        """Zero state for each piece."""
        return [state.reset().layers for state in self.states]

    def swapped(self, rng: np.random.Generator) -> list[Layers]:
        """For each batch or tile the state of another one, drawn at random.

        A batch keeps its lanes. A tile may get the state of another series.
        """
        if self.unit == "tile":
            return _swap_tiles([state.layers for state in self.states], rng)
        others = _draw_others(len(self.states), rng)
        return [self.states[other].layers for other in others]


@dataclass(frozen=True, eq=False)
class Walks:
    """The walks of all networks of a composite over the test rows.

    Parameters
    ----------
    composite : Composite
    walks : dict of Network to Walk
    """

    composite: Composite
    walks: dict[Network, Walk]

    @classmethod
    def over(cls, composite: Composite, X, where: str) -> Walks:
        """Read the rows of X from the states after training."""
        for network in composite.networks:
            _check_carries_state(network, X, where)
        walks = {}

        def answer(network: Network, rows: Any, method: str) -> np.ndarray:
            walk = walks[network] = Walk.over(network.estimator, rows, where)
            return getattr(walk.estimator, method)(rows, replay=False)

        composite.answer(X, answer, stacklevel=3)
        return cls(composite, walks)

    @property
    def unit(self) -> str:
        """What rows are cut into: "tile", "batch", or the one or the other."""
        return " or ".join(dict.fromkeys(walk.unit for walk in self.walks.values()))

    def linear(self) -> Walks | None:
        """The same with the linear maps alone; None where a network has none."""
        alone = {network: walk.linear() for network, walk in self.walks.items()}
        walks = {network: walk for network, walk in alone.items() if walk is not None}
        return replace(self, walks=walks) if len(walks) == len(alone) else None


class StartingFrom:
    """A stand-in for the fitted composite that starts each piece from a given state.

    A scorer calls its methods with the test rows, which are the rows of the walks.

    Parameters
    ----------
    walks : Walks
    layers : callable
        From a `Walk` to the states of its pieces.
    """

    def __init__(self, walks: Walks, layers: Callable[[Walk], list[Layers]]):
        self.walks = walks
        self.layers = layers

    def predict(self, X):
        """Predictions for the rows of the walks."""
        return self._answer(X, "predict")

    @available_if(lambda self: hasattr(self.walks.composite.shell, "predict_proba"))
    def predict_proba(self, X):
        """Class probabilities for the rows of the walks."""
        return self._answer(X, "predict_proba")

    @property
    def classes_(self):
        """The labels of a classifier."""
        return self.walks.composite.fitted.classes_

    def __sklearn_tags__(self):
        return get_tags(self.walks.composite.fitted)

    def _answer(self, X, method: str) -> np.ndarray:
        def answer(network: Network, rows: Any, method: str) -> np.ndarray:
            walk = self.walks.walks[network]
            return walk.answer(self.layers(walk), method)

        return self.walks.composite.answer(X, answer, method)


# --- cutting ----------------------------------------------------------------------


def _batches(estimator, rows, where: str) -> list[np.ndarray]:
    """Which rows each batch reads, one in each lane."""
    table = estimator.lane_table(rows)  # (n_batches, B)
    if len(table) < 2:
        raise ValueError(
            f"{where} tests on {table.max() + 1} row(s), {len(table)} batch of"
            f" batch_size={table.shape[1]}, but states can be swapped between at"
            f" least two batches: {2 * table.shape[1]} rows will do. Use fewer"
            " splits, a larger test_size or a smaller batch_size."
        )
    return [lanes[lanes >= 0] for lanes in table]


def _tiles(estimator, rows, where: str) -> list[np.ndarray]:
    """Which rows are in the first, second, ... tile of their series."""
    labels = read_labels(rows, estimator.series_id)[1]
    length = estimator.sequence_length_
    tile = pd.Series(labels.codes).groupby(labels.codes).cumcount().to_numpy() // length
    counts = np.bincount(tile)
    if len(counts) < 2 and labels.n_series < 2:
        raise ValueError(
            f"{where} tests on {len(tile)} row(s), 1 tile of sequence_length={length},"
            f" but states can be swapped between at least two tiles: {length + 1} rows"
            " will do. Use fewer splits, a larger test_size or a smaller"
            " sequence_length."
        )
    return np.split(np.argsort(tile, kind="stable"), np.cumsum(counts)[:-1])


def _state_before(estimator, piece) -> RecurrentState:
    """The state from which a piece starts; zero for series not seen before."""
    state = estimator.get_states()
    if not state.is_by_series:
        return state
    ids = read_labels(piece, estimator.series_id)[1].ids
    return state.take_lanes(match_series(state.series, ids)).replace(series=ids)


def _check_carries_state(network: Network, X, where: str) -> None:
    """Raise ValueError where a network has no state, or one for all series of X."""
    if not network.estimator.stateful:
        raise ValueError(
            f"{where} was fitted with stateful=False, which carries no state to"
            " compare. Set stateful=True, and leave stateful=False out of the search's"
            " grid."
        )
    index = getattr(X, "index", None)
    is_panel = isinstance(index, pd.MultiIndex) and index.nlevels > 1
    if is_panel and network.estimator.get_states().series is None:
        remedy = "Call set_output(transform='pandas') on the pipeline."
        if network.bag:
            remedy = "Use a Voting ensemble."
        raise ValueError(
            f"{where} was fitted without the index of X, which tells its series apart:"
            f" {network.bag or 'a transformer'} before the estimator returns arrays."
            f" {remedy}"
        )


# --- swapping ---------------------------------------------------------------------


def _draw_others(n: int, rng: np.random.Generator) -> np.ndarray:
    """For each of n the number of another one, of shape (n,)."""
    return (np.arange(n) + rng.integers(1, n, size=n)) % n


def _swap_tiles(before: list[Layers], rng: np.random.Generator) -> list[Layers]:
    """For each tile of each series the state before another tile of any series.

    `before` has the layers of each piece, with a lane for each series in it.
    """
    n_lanes = [len(layers[0][0]) for layers in before]
    ends = np.cumsum(n_lanes)
    others = np.split(_draw_others(int(ends[-1]), rng), ends[:-1])
    together = [  # all tiles in one array
        [np.concatenate(arrays) for arrays in zip(*layer, strict=True)]
        for layer in zip(*before, strict=True)
    ]
    return [
        tuple(tuple(array[drawn] for array in layer) for layer in together)
        for drawn in others
    ]
