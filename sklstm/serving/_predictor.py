"""What answers in an estimator's place, from the same record and by the same calls."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from sklstm._estimator.fitted_attributes import FromFit
from sklstm._estimator.keywords import refuse_keywords
from sklstm._estimator.predicting import Predicting
from sklstm._estimator.state_calls import StateCalls
from sklstm._network.targets import QuantileTarget
from sklstm._training.fitted import Fitted
from sklstm.serving._numpy_checks import NumpyChecks
from sklstm.serving._saved import Kept, write_served


class Predictor(NumpyChecks, Predicting, StateCalls):
    """A fitted estimator that predicts, and follows its series, in NumPy alone.

    `load` makes it. It has `predict`, `predict_quantiles`, `forecast` and `lane_table`,
    and the calls that move the state, `step`, `observe`, `reset_states`,
    `reseed_states`, `forget`, `get_states` and `set_states`, with the parameters and
    the answers of the estimator; but for rounding, since the estimator compiles long
    calls. It does not train.

    X may be of the forms that `fit` took. Where this was a frame, an array or a list
    must have its columns in the same order.

    Parameters
    ----------
    fitted : Fitted
        The record of a fit.
    kept : Kept
        What else the file held.

    Attributes
    ----------
    on_gap : {"warn", "reset", "raise", "ignore"}
        The estimator's parameter, which may be set to another value.
    state_ : RecurrentState
        State of the network after the last row seen, with context and position.
    series_ : Index of shape (n_series,)
        Ids of the series that have a state. Absent where series have no ids.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X was a frame.
    quantiles_ : tuple of float
        Levels of the columns of `predict_quantiles`; absent with another loss than
        ``"quantile"``.

    See Also
    --------
    sklstm.serving.load : Reads a predictor from a file.
    """

    def __init__(self, fitted: Fitted, kept: Kept) -> None:
        self._fitted, self._kept = fitted, kept
        self.on_gap, self.batch_size = kept.on_gap, kept.batch_size

    def predict_quantiles(
        self, X: Any, replay: bool | None = None, **unknown: Any
    ) -> np.ndarray:
        """Predict quantiles for each row of X, continuing from the state.

        For the file of a regressor with ``loss="quantile"``.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of windows
            As in `predict`.
        replay : bool, default=None
            As in `predict`.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        quantiles : ndarray of shape (n_rows, n_quantiles) or \
                (n_rows, n_outputs, n_quantiles), or list of these
            In ascending order, with a column for each of `quantiles_`.

        Raises
        ------
        AttributeError
            If the estimator in the file was fitted with another loss.
        ValueError, TypeError
            As in `predict`.
        """
        if unknown:
            refuse_keywords(self, "predict_quantiles", unknown)
        if not isinstance(self._record().target, QuantileTarget):
            raise AttributeError(
                "Quantiles are predicted where loss='quantile', but the estimator in"
                " this file was fitted with another loss. Save a StatefulLSTMRegressor"
                " fitted with loss='quantile'."
            )
        return self._predictions(X, replay, Fitted.quantiles)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to a file again, in the state that it is in now.

        The estimator's own `load` reads it and goes on from there, and trains on with
        the optimizer as it was saved.

        Parameters
        ----------
        path : str or path-like
            May be that of the file which the predictor was loaded from: the new one
            takes its place when it is complete and on the disk.

        Raises
        ------
        sklstm.persistence.PersistenceError
            For ids of series that joined and are no data, and for a `path` that is no
            regular file.
        OSError
            If the file cannot be written, for example for want of space.
        """
        write_served(path, self._record(), self._kept)


class ClassifierPredictor(Predictor):
    """The same for class labels.

    Parameters
    ----------
    fitted : Fitted
        The record of a fit.
    kept : Kept
        What else the file held.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.

    See Also
    --------
    Predictor : The same for numbers, with the other attributes.
    """

    classes_ = FromFit(lambda fitted: fitted.target.classes)

    def predict_proba(
        self, X: Any, replay: bool | None = None, **unknown: Any
    ) -> np.ndarray:
        """Class probabilities for each row of X, continuing from the state.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            As in `predict`.
        replay : bool, default=None
            As in `predict`.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        p : ndarray of shape (n_rows, n_classes)
            Columns in the order of `classes_`; rows sum to one.

        Raises
        ------
        ValueError, TypeError
            As in `predict`.
        """
        if unknown:
            refuse_keywords(self, "predict_proba", unknown)
        return self._predictions(X, replay, Fitted.probabilities)
