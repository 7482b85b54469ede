"""`Stream`: the state calls of a composite, in the units that it was fitted in.

The state stays with the estimator; what happens to rows and predictions on the way is
in :mod:`sklstm.streaming._way`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sklstm._checks import check_positive_int
from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.closed_loop import (
    check_one_way,
    closed_loop,
    refuse_to_guess_rows,
)
from sklstm._rows.state import RecurrentState
from sklstm.streaming._fed_rows import FedRows, check_is_row
from sklstm.streaming._future_rows import FutureRows
from sklstm.streaming._way import (
    LABELS_LOST,
    carry_in,
    carry_out,
    has_lost_labels,
    put_labels_back,
)


@dataclass(frozen=True, eq=False)
class Stream:
    """A fitted composite's state calls; made by :func:`sklstm.stream`.

    Parameters
    ----------
    fitted : estimator
        The composite.
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
        The estimator inside it, which holds the state.
    way_in : tuple of Pipeline
        Transformers that rows pass, in order.
    way_out : tuple of TransformedTargetRegressor
        Whose target transformations predictions pass back, the innermost first.
    """

    fitted: Any
    estimator: BaseStatefulLSTM
    way_in: tuple[Pipeline, ...]
    way_out: tuple[TransformedTargetRegressor, ...]
    _warned: list[str] = field(default_factory=list, init=False, repr=False)

    def transform(self, X):
        """Rows as the estimator inside sees them, with the index of X.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows as the composite takes them.

        Returns
        -------
        X : array-like of shape (n_rows, n_features of the estimator)

        Raises
        ------
        ValueError
            If the rows become windows on the way: a window transformer does not follow
            the state.

        Warns
        -----
        UserWarning
            Once, if X is dated or holds many series but transformers have returned
            arrays in `fit` as well, so that the estimator knows of no labels.
        """
        return self._inside(X, stacklevel=2)

    def _inside(self, X, stacklevel: int):
        """What `transform` returns; its warning names the caller of `stacklevel`."""
        if not self.way_in:
            return X
        inside = carry_in(self.way_in, X)
        inside = put_labels_back(inside, X, self.way_in, self.estimator)
        if not self._warned and has_lost_labels(inside, X):
            self._warned.append(LABELS_LOST)
            warnings.warn(LABELS_LOST, stacklevel=stacklevel + 1)
        return inside

    def predict(self, X, replay=None):
        """Predict for each row, continuing from the state, which stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen, or those of the fit.
        replay : bool, default=None
            Whether X begins with the rows of the fit, which are read from zero state.
            None finds out, as the estimator's `predict` does.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``fitted.predict(X)`` returns.

        Raises
        ------
        ValueError, TypeError
            As `transform` and the estimator's `predict` do.
        """
        return self._leave(
            self.estimator.predict(self._inside(X, stacklevel=2), replay)
        )

    def step(self, X):
        """Predict for each row and advance the state over them, in one pass.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``fitted.predict(X)`` would have returned, to rounding, for rows that
            follow those seen: `step` never replays the rows of `fit`.

        Raises
        ------
        ValueError, TypeError
            As `transform` and the estimator's `predict` do; the state stays as it was.
        """
        return self._leave(self.estimator.step(self._inside(X, stacklevel=2)))

    def observe(self, X) -> Stream:
        """Advance the state over rows without predicting.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.

        Returns
        -------
        self : Stream

        Raises
        ------
        ValueError, TypeError
            As `transform` and the estimator's `predict` do; the state stays as it was.
        """
        self.estimator.observe(self._inside(X, stacklevel=2))
        return self

    def forecast(
        self, n_steps, start=None, feedback=None, series=None, X_future=None
    ) -> np.ndarray:
        """Predict `n_steps` ahead, each prediction becoming the next row.

        The state stays as it is.

        Parameters
        ----------
        n_steps : int
            Number of predictions.
        start : array-like of shape (n_rows, n_features), default=None
            Rows fed first; the first value returned is the prediction for the last of
            them, of each series. Without it, the prediction already made for the last
            row seen is fed back first.
        feedback : callable, default=None
            ``feedback(prediction, k)`` returns the k-th row to feed, of shape
            (n_features,) or as a frame of one row; prediction and row are in the
            composite's units. By default the prediction itself, which needs as many
            outputs as features. For many series both have a row for each series, of
            shapes (n_series,) or (n_series, n_outputs), and (n_series, n_features).
            Columns of series ids are left out, and filled in. Only where `series_id` is
            a position behind transformers, rows have all columns, ids included.
        series : object, default=None
            Id of one series, or a list of ids, to forecast. By default, those in
            `start` in order of appearance, or all in the order of ``series_``.
        X_future : DataFrame or array-like of shape (n_rows, n_features), default=None
            What is known of the rows to come, in place of `feedback`, as the composite
            takes rows: a frame of the known columns, or an array with NaN where nothing
            is known. Step by step the next row is filled from the prediction, and then
            passes the transformers. Otherwise as in the estimator's `forecast`.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
            The predictions. For many series, the first axis is that of the series.

        Raises
        ------
        ValueError
            If a prediction cannot be a row and `feedback` is missing, or no row was
            seen and `start` is missing, or rows fed back hold ids of other series. For
            rows of `X_future` that do not come next, are too few, or lack values that
            no prediction fills.
        TypeError
            If `n_steps` is not an integer or `feedback` not a function.
        KeyError
            If there is no series of that id.
        """
        n_steps = check_positive_int("n_steps", n_steps)
        record = self.estimator._record()
        fed = FedRows.into(self.fitted, self.estimator, self.way_in)
        inside = None if start is None else self._inside(start, stacklevel=2)
        walker, is_one = self.estimator._forecaster(record, inside, series)
        n_features = self.fitted.n_features_in_ - len(fed.id_columns)

        def step(rows):
            outputs = walker.step(fed.carry_in(rows, walker.ids))
            return self._leave(record.decode(outputs))

        first = self._leave(record.decode(walker.last_outputs()))
        n_fed = n_steps if start is None else n_steps - 1
        check_one_way(feedback, X_future)
        if X_future is not None:
            feedback = FutureRows.of(X_future, fed, walker, n_fed, is_one).feedback
        if feedback is None:
            if record.why_not_next():
                refuse_to_guess_rows(record.why_not_next(), n_features)
            check_is_row(first[0], n_features)
        made = closed_loop(step, first, feedback, n_fed, n_features, is_one)
        predictions = made if start is None else [first, *made]
        by_series = np.stack(predictions, axis=1)  # (n_series, n_steps, ...)
        return by_series[0] if is_one else by_series

    def reset_states(self, series=None) -> Stream:
        """Forget every row seen: zero state, empty context, position 0.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all are reset.

        Returns
        -------
        self : Stream

        Raises
        ------
        KeyError
            If there is no series of that id.
        """
        self.estimator.reset_states(series)
        return self

    def forget(self, series) -> Stream:
        """Remove series and their states; if they come again, they start cold.

        Parameters
        ----------
        series : object
            Id of one series, or a list of ids.

        Returns
        -------
        self : Stream

        Raises
        ------
        KeyError
            If there is no series of that id.
        """
        self.estimator.forget(series)
        return self

    def reseed_states(self) -> Stream:
        """Go back to the state at the end of the last `fit`.

        Returns
        -------
        self : Stream
        """
        self.estimator.reseed_states()
        return self

    def get_states(self, series=None) -> RecurrentState:
        """The state as a value, in the estimator's units.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all.

        Returns
        -------
        state : RecurrentState

        Raises
        ------
        KeyError
            If there is no series of that id.
        """
        return self.estimator.get_states(series)

    def set_states(self, state: RecurrentState) -> Stream:
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState
            A state of some series changes these, and leaves the others as they are.

        Returns
        -------
        self : Stream

        Raises
        ------
        TypeError, ValueError
            As the estimator's `set_states` does.
        """
        self.estimator.set_states(state)
        return self

    def _leave(self, predictions):
        """The estimator's predictions in the composite's units."""
        return carry_out(self.way_out, predictions)
