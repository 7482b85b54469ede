"""The classifier: two or more classes, with labels of any kind."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklstm._base import BaseStatefulLSTM
from sklstm._targets import ClassTarget


class StatefulLSTMClassifier(ClassifierMixin, BaseStatefulLSTM):
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
        class_weight=None,
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
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self._assign_routed(routed)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
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
        y : array-like of shape (n_rows,)
            Their labels.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call where `y` lacks some.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss.

        Returns
        -------
        self : object
            The estimator, trained on these rows too.
        """
        known = None if classes is None else np.unique(column_or_1d(classes))
        if known is not None and self.__sklearn_is_fitted__():
            if not np.array_equal(known, self.classes_):
                raise ValueError(
                    f"classes={known.tolist()} is not the same as on the last call to"
                    f" partial_fit, {self.classes_.tolist()}."
                )
        self._announced_classes = known
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            del self._announced_classes

    def predict_proba(self, X):
        """Class probabilities for each row of X, continuing from the state.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            As in `predict`.

        Returns
        -------
        p : ndarray of shape (n_rows, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        return self._probabilities(self._outputs(X))

    def _learn_target(self, y: np.ndarray, loss) -> ClassTarget:
        check_classification_targets(y)
        classes = getattr(self, "_announced_classes", None)
        self.classes_ = np.unique(y) if classes is None else classes
        if len(self.classes_) < 2:
            raise ValueError(
                "y must hold at least two classes, but it has a single class:"
                f" {self.classes_.tolist()}. In partial_fit, pass all of them as classes=."
            )
        return ClassTarget(self.classes_, loss)

    def _weigh_rows(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return weights
        return weights * compute_sample_weight(self.class_weight, y)

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        logits = getattr(self._recipe.loss, "from_logits", False)
        return self._target.probabilities(outputs, logits)

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return self.classes_[self._probabilities(outputs).argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
