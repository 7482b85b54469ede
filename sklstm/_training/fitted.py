"""What a fit leaves, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklstm._compiled.device_arrays import Parameters
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._rows.continuity import TimeAxis
from sklstm._rows.input_shape import InputShape
from sklstm._rows.state import RecurrentState
from sklstm._rows.training_rows import TrainingRows, Untrained
from sklstm._training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything that an estimator knows after a fit.

    An estimator holds one such record and puts another in its place when something
    changes, in one assignment: a call that fails leaves the estimator as it was, and a
    thread that predicts meanwhile sees the one or the other.

    Parameters
    ----------
    recipe : Recipe
        The network, with the optimizer, loss and metrics that it is trained with.
    target : ContinuousTarget or ClassTarget
        What stands between y and the network's outputs.
    input_shape : InputShape
        What X looked like.
    initial, parameters : Parameters
        Before the first epoch, and now.
    history : dict of str to list of float
        Loss and metrics of each epoch.
    n_windows, n_dropped : int
        Windows trained on, and windows left out so that batches are whole.
    zero, seeded, state : RecurrentState
        The state before any row, after the last fit, and now.
    training_rows : TrainingRows or None
        The rows of the last fit; None where `partial_fit` alone has trained.
    epochs : int
        Passes over the rows of the last fit.
    share : float
        How much of the network's output is added to the linear skip, in the weights.
    encoder : RowEncoder or None
        What stands between rows and the network; None where it reads them as they are.
    axis : TimeAxis or None
        How time labels are counted; None where rows have none.
    waiting : Untrained or None
        Rows that `partial_fit` has yet to train on, as long as `state` is the one
        after them.
    """

    recipe: Recipe
    target: Any
    input_shape: InputShape
    initial: Parameters
    parameters: Parameters
    history: dict[str, list[float]]
    n_windows: int
    n_dropped: int
    zero: RecurrentState
    seeded: RecurrentState
    state: RecurrentState
    training_rows: TrainingRows | None = None
    epochs: int = 0
    share: float = 1.0
    encoder: RowEncoder | None = None
    axis: TimeAxis | None = None
    waiting: Untrained | None = None

    @property
    def sequence_length(self) -> int:
        """Rows in a window."""
        return self.recipe.sequence_length

    @property
    def lags(self) -> tuple[int, ...] | None:
        """Steps back to the rows that the linear skip reads; None without one."""
        if self.encoder is None or self.encoder.skip is None:
            return None
        return self.encoder.skip.lags

    @property
    def feature_names(self) -> np.ndarray | None:
        """Names of X's columns, where it was a frame."""
        names = self.input_shape.feature_names
        return None if names is None else np.array(names, dtype=object)

    def why_not_next(self) -> str:
        """What else predictions are than values of the next row; "" if not told."""
        ahead = [] if self.encoder is None else np.unique(self.encoder.ahead).tolist()
        if max(ahead, default=1) > 1:
            return (
                f"its values are those of the row(s) {ahead} steps ahead, which"
                " predict gives at once for the last row seen"
            )
        return ""

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Predictions in the form of y, from outputs of shape (n, n_outputs)."""
        return self.target.decode(outputs, self.recipe.loss)

    def quantiles(self, outputs: np.ndarray) -> np.ndarray:
        """Quantiles of each number of y, from outputs of such a regressor's network."""
        return self.target.by_level(outputs)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Class probabilities, from outputs of a classifier's network."""
        return self.target.probabilities(outputs, self.recipe.loss)

    def decoded(self, outputs: np.ndarray, method: str) -> np.ndarray:
        """What `method`, "predict" or "predict_proba", makes of outputs."""
        if method == "predict_proba":
            return self.probabilities(outputs)
        return self.decode(outputs)

    def in_state(self, state: RecurrentState) -> Fitted:
        """The same in another state, in which no row waits to be trained on."""
        record = object.__new__(Fitted)  # `replace` would slow `step` down
        vars(record).update(vars(self), state=state, waiting=None)
        return record

    def with_history(self, history: dict[str, list[float]]) -> Fitted:
        """The same with the epochs of `history` added."""
        return replace(self, history=joined(self.history, history))


def joined(
    before: dict[str, list[float]], after: dict[str, list[float]]
) -> dict[str, list[float]]:
    """Two histories, one after the other."""
    names = dict.fromkeys([*before, *after])
    return {n: [*before.get(n, ()), *after.get(n, ())] for n in names}
