"""Predictions for test rows batch by batch, each batch from a chosen state.

The state is read and set by public methods of the estimator only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metaestimators import available_if

from sklstm._rows.state import RecurrentState
from sklstm.streaming import Stream


@dataclass(frozen=True, eq=False)
class Walk:
    """The batches of the test rows, and the state from which each of them starts.

    In a batch each lane takes one window, so that every window of a batch starts from a
    state that is set before it.

    Parameters
    ----------
    live : Stream
        The fitted estimator. It takes rows that the earlier steps of a pipeline have
        transformed already.
    batches : tuple of array-like
        The transformed rows of each batch.
    states : tuple of RecurrentState
        The state before each batch if it is carried.
    """

    live: Stream
    batches: tuple[Any, ...]
    states: tuple[RecurrentState, ...]

    @classmethod
    def over(cls, live: Stream, X, where: str) -> Walk:
        """Read the rows of X from the state after training, and restore that state.

        `where` names the fold in errors.
        """
        rows = live.transform(X)
        if not live.estimator.stateful:
            raise ValueError(
                f"{where} was fitted with stateful=False, which carries no state to"
                " compare. Set stateful=True, and leave stateful=False out of the"
                " search's grid."
            )
        table = live.estimator.lane_table(rows)  # (n_batches, B)
        if len(table) < 2:
            raise ValueError(
                f"{where} tests on {table.max() + 1} row(s), {len(table)} batch of"
                f" batch_size={table.shape[1]}, but states can be swapped between at"
                f" least two batches: {2 * table.shape[1]} rows will do. Use fewer"
                " splits, a larger test_size or a smaller batch_size."
            )
        batches = [_safe_indexing(rows, lanes[lanes >= 0]) for lanes in table]
        inside, states = replace(live, way_in=()), []
        for batch in batches:
            states.append(inside.get_states())
            inside.observe(batch)
        inside.reseed_states()
        return cls(inside, tuple(batches), tuple(states))

    def zeros(self) -> list:
        """Zero state for each batch."""
        return [state.reset().layers for state in self.states]

    def swapped(self, rng: np.random.Generator) -> list:
        """For each batch the state of another one, drawn at random."""
        n = len(self.states)
        others = (np.arange(n) + rng.integers(1, n, size=n)) % n
        return [self.states[other].layers for other in others]


class StartingFrom:
    """A stand-in for the fitted estimator that starts each batch from a given state.

    A scorer calls its methods with the test rows, which are the rows of the walk.
    """

    def __init__(self, walk: Walk, layers: list):
        self.walk = walk
        self.layers = layers

    def predict(self, X):
        """Predictions for the rows of the walk."""
        return self._answer(self.walk.live.predict)

    @available_if(lambda self: hasattr(self.walk.live.estimator, "predict_proba"))
    def predict_proba(self, X):
        """Class probabilities for the rows of the walk."""
        return self._answer(self.walk.live.estimator.predict_proba)

    @property
    def classes_(self):
        """The labels of a classifier."""
        return self.walk.live.fitted.classes_

    def __sklearn_tags__(self):
        return get_tags(self.walk.live.fitted)

    def _answer(self, method: Callable) -> np.ndarray:
        live, answers = self.walk.live, []
        steps = zip(self.walk.batches, self.walk.states, self.layers, strict=True)
        for batch, state, layers in steps:
            live.set_states(state.replace(layers=layers))
            answers.append(method(batch))
        live.reseed_states()
        return np.concatenate(answers)
