"""`Stream`: the state calls of a composite, in the units that it was fitted in.

The state stays with the networks inside; what happens to rows and predictions on the
way is in :mod:`sklstm.streaming._composite`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._checks import check_positive_int
from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.closed_loop import check_one_way, closed_loop
from sklstm._estimator.series_walk import check_takes_rows
from sklstm._rows.state import RecurrentState
from sklstm.streaming._closed_loop import ClosedLoop
from sklstm.streaming._composite import Composite, Network
from sklstm.streaming._fed_rows import check_is_next, check_is_row
from sklstm.streaming._future_rows import FutureRows
from sklstm.streaming._moves import advance, check_states, move, move_each
from sklstm.streaming._partial_fit import train_on
from sklstm.streaming._way import carry_in, has_lost_labels


@dataclass(frozen=True, eq=False)
class Stream:
    """A fitted composite's state calls; made by :func:`sklstm.stream`.

    In an ensemble each call is one of all its networks: all of their states move, or
    none does.

    Parameters
    ----------
    composite : Composite
        The composite and what is inside it.

    Attributes
    ----------
    fitted : estimator
        The composite.
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
        The estimator inside it, which holds the state. TypeError where there is an
        ensemble.
    estimators : tuple of StatefulLSTMRegressor or StatefulLSTMClassifier
        All of those in an ensemble, in the order of its members; else the one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm import StatefulLSTMRegressor, stream
    >>> series = np.sin(np.arange(60) / 4)
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> lstm = StatefulLSTMRegressor(4, epochs=1, random_state=0)
    >>> live = stream(make_pipeline(StandardScaler(), lstm).fit(X[:40], y[:40]))
    >>> before = live.get_states()
    >>> live.step(X[40:45]).shape   # predicts, and moves on
    (5,)
    >>> live.estimator is live.fitted[-1]   # the network, which sees scaled rows
    True
    >>> live.set_states(before).forecast(3).shape
    (3,)
    """

    composite: Composite

    @property
    def fitted(self) -> Any:
        """The composite."""
        return self.composite.fitted

    @property
    def network(self) -> Network:
        """The estimator outside of ensembles, and the way to it."""
        if self.composite.is_ensemble:
            raise TypeError(
                f"{type(self.fitted).__name__} holds an ensemble of"
                f" {len(self.estimators)} stateful estimator(s), but one alone is asked"
                " for. Choose one of stream(fitted).estimators, or pass a member."
            )
        return self.composite.networks[0]

    @property
    def estimator(self) -> BaseStatefulLSTM:
        """The estimator that holds the state."""
        return self.network.estimator

    @property
    def estimators(self) -> tuple[BaseStatefulLSTM, ...]:
        """The estimators that hold the state."""
        return tuple(network.estimator for network in self.composite.networks)

    def transform(self, X: Any) -> Any:
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
        TypeError
            If there is an ensemble, whose members may see other rows than one another.

        Warns
        -----
        UserWarning
            Once, if X is dated or holds many series but transformers have returned
            arrays in `fit` as well, so that the estimator knows of no labels.
        """
        network = self.network
        inside = network.labelled(carry_in(network.way_in, X), X)
        if has_lost_labels(inside, X):
            self.composite.warn_once(network, stacklevel=2)
        return inside

    def predict(self, X: Any, replay: bool | None = None) -> np.ndarray:
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

        def answer(network: Network, rows: Any, method: str) -> Any:
            return getattr(network.estimator, method)(rows, replay)

        return self.composite.answer(X, answer, stacklevel=2)

    def step(self, X: Any) -> np.ndarray:
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
        advanced = advance(self.composite, X, stacklevel=3)
        move(advanced.records)
        return advanced.predictions

    def observe(self, X: Any) -> Stream:
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
        move(advance(self.composite, X, stacklevel=3).records)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Stream:
        """Train for one pass over rows that follow those seen, and move the state on.

        The transformers on the way, of rows and of targets, stay as they were fitted.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen, as the composite takes them.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Their targets, as the composite takes them.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row's loss.

        Returns
        -------
        self : Stream

        Raises
        ------
        ValueError, TypeError
            As `transform` and the estimator's `partial_fit` do, and if an ensemble
            holds members without state; the networks stay as they were.
        """
        records = train_on(self.composite, X, y, sample_weight, stacklevel=3)
        for network, record in records.items():
            network.estimator._fitted = record
        return self

    def forecast(
        self,
        n_steps: int,
        start: Any = None,
        feedback: Any = None,
        series: Any = None,
        X_future: Any = None,
    ) -> np.ndarray:
        """Predict `n_steps` ahead, each prediction becoming the next row.

        The state stays as it is. In an ensemble the loop is closed around the whole of
        it: each next row is made from the mean or the vote, and all members are fed
        this same row, not each its own prediction.

        Parameters
        ----------
        n_steps : int
            Number of predictions.
        start : array-like of shape (n_rows, n_features), default=None
            Rows fed first; the first value returned is the prediction for the last of
            them, of each series. Without it, the prediction already made for the last
            row seen is fed back first. An ensemble needs it if a member has no state,
            and so has kept nothing of the last row.
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
            no prediction fills. If members of an ensemble see other series than one
            another.
        TypeError
            If `n_steps` is not an integer or `feedback` not a function.
        KeyError
            If there is no series of that id.
        """
        n_steps = check_positive_int("n_steps", n_steps)
        records = {n: n.estimator._record() for n in self.composite.networks}
        for record in records.values():
            check_takes_rows(record)
        labels = None
        if start is not None:
            advanced = advance(self.composite, start, stacklevel=3)
            records, labels = advanced.records, advanced.labels()
        loop = ClosedLoop.begin(self.composite, records, labels, series)
        first = loop.first(start, labels)
        n_features = loop.fed.n_features
        n_fed = n_steps if start is None else n_steps - 1
        check_one_way(feedback, X_future)
        if X_future is not None:
            feedback = FutureRows.of(X_future, loop, n_fed).feedback
        if feedback is None:
            check_is_next(records.values(), n_features)
            check_is_row(first[0], n_features)
        made = closed_loop(loop.step, first, feedback, n_fed, n_features, loop.is_one)
        predictions = made if start is None else [first, *made]
        by_series = np.stack(predictions, axis=1)  # (n_series, n_steps, ...)
        return by_series[0] if loop.is_one else by_series

    def reset_states(self, series: Any = None) -> Stream:
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
        move_each(self.composite, lambda estimator: estimator.reset_states(series))
        return self

    def forget(self, series: Any) -> Stream:
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
        move_each(self.composite, lambda estimator: estimator.forget(series))
        return self

    def reseed_states(self) -> Stream:
        """Go back to the state at the end of the last `fit`.

        Returns
        -------
        self : Stream
        """
        move_each(self.composite, lambda estimator: estimator.reseed_states())
        return self

    def get_states(
        self, series: Any = None
    ) -> RecurrentState | tuple[RecurrentState, ...]:
        """The state as a value, in the estimator's units.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all.

        Returns
        -------
        state : RecurrentState, or tuple of these
            Of an ensemble the state of each of `estimators`, in a tuple.

        Raises
        ------
        KeyError
            If there is no series of that id.
        """
        states = tuple(estimator.get_states(series) for estimator in self.estimators)
        return states if self.composite.is_ensemble else states[0]

    def set_states(self, state: Any) -> Stream:
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState, or tuple of these
            A state of some series changes these, and leaves the others as they are. Of
            an ensemble one for each of `estimators`.

        Returns
        -------
        self : Stream

        Raises
        ------
        TypeError, ValueError
            As the estimator's `set_states` does, and for an ensemble if these are not
            as many states as it has networks.
        """
        states = iter(check_states(self.composite, state))
        move_each(self.composite, lambda estimator: estimator.set_states(next(states)))
        return self
