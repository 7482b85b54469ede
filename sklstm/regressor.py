"""The regressor: continuous targets, one or several."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin

from sklstm._base import BaseStatefulLSTM
from sklstm._targets import ContinuousTarget


class StatefulLSTMRegressor(RegressorMixin, BaseStatefulLSTM):
    _y_options = {"multi_output": True, "y_numeric": True}

    def __init__(
        self,
        units=32,
        *,
        sequence_length=1,
        batch_size=1,
        stateful=True,
        drop_remainder=True,
        dropout=0.0,
        model=None,
        optimizer="adam",
        loss=None,
        metrics=None,
        callbacks=None,
        epochs=20,
        validation_split=0.0,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
        **routed,
    ):
        self.units = units
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.stateful = stateful
        self.drop_remainder = drop_remainder
        self.dropout = dropout
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.epochs = epochs
        self.validation_split = validation_split
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self._assign_routed(routed)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over rows that follow those seen.

        Weights, optimizer, state, context and position all carry over, so that calls
        on consecutive pieces of a series equal one epoch over the whole. A batch is
        trained on when its last lane is filled: rows of an unfinished batch already
        count in the state, and wait for the next call to be trained on.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss.

        Returns
        -------
        self : object
            The estimator, trained on these rows too.
        """
        return self._partial_fit(X, y, sample_weight)

    def _learn_target(self, y: np.ndarray, loss) -> ContinuousTarget:
        return ContinuousTarget.of(y)

    def _weigh_rows(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return weights

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = True
        return tags
