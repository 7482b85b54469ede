"""State calls on an estimator that sits inside scikit-learn's composites.

Owns the way in and out: what X becomes on its way to the estimator, and what its
predictions become on their way back. The state stays with the estimator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._checks import check_positive_int
from sklstm._estimator.closed_loop import closed_loop, refuse_to_guess_rows
from sklstm._estimator.fitting import BaseStatefulLSTM
from sklstm._estimator.inputs import n_dimensions
from sklstm._rows.state import RecurrentState

__all__ = ["Stream", "stream"]


def stream(fitted) -> Stream:
    """The state calls of a fitted composite, in the units it was fitted in.

    A stateful estimator behind scalers and inside a grid search can still be stepped
    row by row: the calls of the result take rows as the composite takes them and
    return predictions as it returns them. Those are `predict`, `step`, `observe`,
    `forecast` and the calls that reset, get and set the state; the estimator's others
    are found at ``stream(fitted).estimator``, in the units that it sees.

    Parameters
    ----------
    fitted : estimator
        A fitted `StatefulLSTMRegressor` or `StatefulLSTMClassifier`, or one at the end
        of a `Pipeline`, inside a `TransformedTargetRegressor`, or found by a search
        such as `GridSearchCV`, these nested in any way.

    Returns
    -------
    stream : Stream
        It moves the state of the estimator inside `fitted`, so that
        ``fitted.predict`` continues from there too.

    Raises
    ------
    TypeError
        If `fitted` is none of these.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm import StatefulLSTMRegressor, stream
    >>> series = 20 + 5 * np.sin(np.arange(200) / 4)
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> model = make_pipeline(StandardScaler(), StatefulLSTMRegressor(8, epochs=2))
    >>> live = stream(model.fit(X[:150], y[:150]))
    >>> before = model.predict(X[150:160])
    >>> bool(np.allclose(live.step(X[150:160]), before))   # and the state has moved on
    True
    >>> live.forecast(5).shape
    (5,)
    """
    check_is_fitted(fitted)
    return Stream(fitted, *_follow(fitted))


@dataclass(frozen=True, eq=False)
class Stream:
    """A fitted composite's state calls; made by `stream`.

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

    def transform(self, X):
        """Rows as the estimator inside sees them.

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
        """
        inside = X
        for transformers in self.way_in:
            inside = transformers.transform(inside)
        if n_dimensions(inside) == 3 and n_dimensions(X) != 3:
            raise ValueError(
                "Rows become windows before they reach the estimator, as SlidingWindow"
                " makes them, and always after the rows of fit: rows observed since"
                " would be missing from them. Leave that step out and give the"
                f" estimator sequence_length={np.shape(inside)[1]} instead."
            )
        return inside

    def predict(self, X):
        """Predict for each row, continuing from the state, which stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``fitted.predict(X)`` returns.

        Raises
        ------
        ValueError, TypeError
            As `transform` and the estimator's `predict` do.
        """
        return self._leave(self.estimator.predict(self.transform(X)))

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
        return self._leave(self.estimator.step(self.transform(X)))

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
        self.estimator.observe(self.transform(X))
        return self

    def forecast(self, n_steps, start=None, feedback=None) -> np.ndarray:
        """Predict `n_steps` ahead, each prediction becoming the next row.

        The state stays as it is.

        Parameters
        ----------
        n_steps : int
            Number of predictions.
        start : array-like of shape (n_rows, n_features), default=None
            Rows fed first; the first value returned is the prediction for the last of
            them. Without it, the prediction already made for the last row seen is fed
            back first.
        feedback : callable, default=None
            ``feedback(prediction, k)`` returns the k-th row to feed, of shape
            (n_features,) or as a frame of one row; prediction and row are in the
            composite's units. By default the prediction itself, which needs as many
            outputs as features.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
            The predictions.

        Raises
        ------
        ValueError
            If a prediction cannot be a row and `feedback` is missing, or no row was
            seen and `start` is missing.
        TypeError
            If `n_steps` is not an integer or `feedback` not a function.
        """
        n_steps = check_positive_int("n_steps", n_steps)
        walker = replace(self, estimator=copy.copy(self.estimator))
        predictions = []
        if start is not None:
            predictions, n_steps = [walker.step(start)[-1]], n_steps - 1
        last = predictions[0] if predictions else self._last_prediction()
        if feedback is None:
            self._check_is_row(last)
        fed = closed_loop(
            lambda row: walker.step(self._named(row)),
            np.asarray(last)[np.newaxis],
            feedback,
            n_steps,
            self.fitted.n_features_in_,
            is_one=True,
        )
        return np.array([*predictions, *(one[0] for one in fed)])

    def reset_states(self) -> Stream:
        """Forget every row seen: zero state, empty context, position 0.

        Returns
        -------
        self : Stream
        """
        self.estimator.reset_states()
        return self

    def reseed_states(self) -> Stream:
        """Go back to the state at the end of the last `fit`.

        Returns
        -------
        self : Stream
        """
        self.estimator.reseed_states()
        return self

    def get_states(self) -> RecurrentState:
        """The state as a value, in the estimator's units.

        Returns
        -------
        state : RecurrentState
        """
        return self.estimator.get_states()

    def set_states(self, state: RecurrentState) -> Stream:
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState

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
        for regressor in self.way_out:
            shell = copy.copy(regressor)
            shell.regressor_ = _Predicted(predictions)
            predictions = shell.predict(None)
        return predictions

    def _last_prediction(self):
        """The prediction already made for the last row seen."""
        last = self.estimator._last_predictions()
        return self._leave(last)[0]

    def _check_is_row(self, prediction) -> None:
        n_features = self.fitted.n_features_in_
        if np.asarray(prediction).dtype.kind not in "biuf":
            refuse_to_guess_rows("labels are not numbers", n_features)
        if np.size(prediction) != n_features:
            refuse_to_guess_rows(
                f"it has {np.size(prediction)} value(s), a row has {n_features}"
                " feature(s)",
                n_features,
            )

    def _named(self, row):
        """A row with the names of the features, where the composite knows them."""
        names = _feature_names(self.fitted)
        if names is None or hasattr(row, "iloc"):
            return row
        import pandas as pd

        return pd.DataFrame(row, columns=names)


@dataclass
class _Predicted:
    """Stands in for a regressor whose predictions are there already."""

    predictions: np.ndarray

    def predict(self, X):
        return self.predictions


def _follow(fitted) -> tuple[BaseStatefulLSTM, tuple, tuple]:
    """The stateful estimator inside `fitted`, with the way in and the way out."""
    if isinstance(fitted, BaseStatefulLSTM):
        return fitted, (), ()
    if isinstance(fitted, Pipeline):
        inner, way_in, way_out = _follow(fitted[-1])
        before = (fitted[:-1],) if len(fitted) > 1 else ()
        return inner, (*before, *way_in), way_out
    if isinstance(fitted, TransformedTargetRegressor):
        inner, way_in, way_out = _follow(fitted.regressor_)
        return inner, way_in, (*way_out, fitted)
    if hasattr(fitted, "best_estimator_"):
        return _follow(fitted.best_estimator_)
    raise TypeError(
        "stream takes a fitted StatefulLSTMRegressor or StatefulLSTMClassifier, alone,"
        " at the end of a Pipeline, inside a TransformedTargetRegressor, or found by a"
        f" search with refit=True; got {type(fitted).__name__}."
    )


def _inside(fitted) -> Iterator[Any]:
    """`fitted` and what it hands its rows to, as long as they stay untransformed."""
    while fitted is not None:
        yield fitted
        if isinstance(fitted, TransformedTargetRegressor):
            fitted = fitted.regressor_
        else:
            fitted = getattr(fitted, "best_estimator_", None)


def _feature_names(fitted) -> np.ndarray | None:
    for part in _inside(fitted):
        names = getattr(part, "feature_names_in_", None)
        if names is not None:
            return names
    return None
