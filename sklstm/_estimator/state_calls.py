"""The calls that move the state of a fitted estimator, or hand it over as a value.

Each puts another record in place of the one before, in one assignment.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from sklstm._compiled.outputs import step_one
from sklstm._estimator import sliding, tiled
from sklstm._estimator.fitted_attributes import FittedAttributes
from sklstm._estimator.following import follow
from sklstm._estimator.given import read_rows
from sklstm._estimator.inputs import is_plain
from sklstm._estimator.keywords import refuse_keywords
from sklstm._rows.series import as_ids, match_series
from sklstm._rows.state import RecurrentState
from sklstm._rows.state_checks import check_fits
from sklstm._training.fitted import Fitted

if TYPE_CHECKING:
    from typing_extensions import Self

UNTRAINED = (
    "{n} row(s) given to partial_fit have not been trained on: they waited for others"
    " to fill a batch of batch_size={batch_size}, and are dropped because the state is"
    " moved. Give partial_fit whole batches before, set a smaller batch_size, or"
    " windows='tiled', with which no row waits."
)


class StateCalls(FittedAttributes):
    """Calls that read, move or replace the state."""

    def reset_states(self, series: Any = None) -> Self:
        """Forget every row seen: zero state, empty context, position 0.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all are reset.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        KeyError
            If there is no series of that id.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.reset_states().get_states().is_cold
        True
        """
        fitted = self._record()
        state = fitted.state
        ids = None if series is None else as_ids(state.series, series)
        if not state.is_by_series:
            state = fitted.zero
        elif ids is None:
            state = state.reset()
        else:
            state = state.reset_lanes(match_series(state.series, ids))
        self._move_to(fitted.in_state(state))
        return self

    def forget(self, series: Any) -> Self:
        """Remove series and their states; if they come again, they start cold.

        Parameters
        ----------
        series : object
            Id of one series, or a list of ids.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        KeyError
            If there is no series of that id.
        ValueError
            With sliding windows in a stateful network, which carries one series only.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from sklstm import StatefulLSTMRegressor
        >>> days = pd.date_range("2025-01-01", periods=30)
        >>> index = pd.MultiIndex.from_product([["north", "south"], days])
        >>> X = pd.DataFrame({"sales": np.sin(np.arange(60) / 4)}, index)
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X, X["sales"])
        >>> model.forget("north").series_.tolist()
        ['south']
        """
        fitted = self._record()
        ids = as_ids(fitted.state.series, series)
        if not fitted.state.is_by_series:
            raise ValueError(
                f"forget removes one series of many, but {list(ids)} is the only one"
                " that this estimator carries. Call reset_states(), or set"
                " windows='tiled'."
            )
        lanes = match_series(fitted.state.series, ids)
        self._move_to(fitted.in_state(fitted.state.without_lanes(lanes)))
        return self

    def reseed_states(self) -> Self:
        """Go back to the state at the end of the last `fit`.

        That is zero state where `partial_fit` alone has trained the estimator. What
        `partial_fit` has learnt since stays in the weights.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> before = model.predict(X[40:45])
        >>> moved = model.observe(X[40:50])
        >>> bool((moved.reseed_states().predict(X[40:45]) == before).all())
        True
        """
        fitted = self._record()
        self._move_to(fitted.in_state(fitted.seeded))
        return self

    def observe(self, X: Any) -> Self:
        """Advance the state over rows without predicting.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.

        Returns
        -------
        self : object
            The estimator, its state after the last row.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`; the state stays as it was.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> answers = model.predict(X[40:])
        >>> rest = model.observe(X[40:50]).predict(X[50:])   # goes on ten rows later
        >>> bool(np.allclose(rest, answers[10:], atol=1e-5))
        True
        """
        self._move_to(self._advance(X)[2])
        return self

    def _move_to(self, moved: Fitted, stacklevel: int = 3) -> None:
        """Put the record in another state in the place of the present one.

        Warns
        -----
        UserWarning
            If rows that `partial_fit` took are thrown away untrained.
        """
        waiting = self._record().waiting
        if waiting is not None and moved.waiting is None and len(waiting.X):
            warnings.warn(
                UNTRAINED.format(n=len(waiting.X), batch_size=self.batch_size),
                stacklevel=stacklevel,
            )
        self._fitted = moved

    def _advance(self, X) -> tuple[np.ndarray, Fitted, Fitted]:
        """Outputs for rows, and the records before and after them; moves nothing."""
        fitted = self._record()
        one = _one_row(fitted, X)
        if fitted.input_shape.is_sequences:
            raise ValueError(
                "The estimator was fitted on sequences without names, each of which"
                " starts from zero state: there is no state to go on from. Call predict"
                " for whole sequences, or fit on rows with series_id= or a MultiIndex."
            )
        if one is None:
            given = read_rows(self, X, fitted.input_shape)
            following = follow(fitted, given, self.on_gap, stacklevel=3)
            advance = tiled.advance if fitted.recipe.is_tiled else sliding.advance
            one = advance(fitted, given, following)
        outputs, state = one
        return outputs, fitted, fitted.in_state(state)

    def step(self, X: Any, **unknown: Any) -> np.ndarray:
        """Predict for each row of X and advance the state over them, in one pass.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``predict(X)`` would have returned, to rounding, for rows that follow
            those seen: `step` never replays the rows of `fit`.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`; the state stays as it was.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> answers = model.predict(X[40:42])
        >>> one_by_one = [model.step(X[40:41]), model.step(X[41:42])]
        >>> bool(np.allclose(np.concatenate(one_by_one), answers, atol=1e-5))
        True
        """
        if unknown:
            refuse_keywords(self, "step", unknown)
        outputs, fitted, moved = self._advance(X)
        self._move_to(moved)
        return fitted.decode(outputs)

    def get_states(self, series: Any = None) -> RecurrentState:
        """The state as a value, which later calls do not change.

        Parameters
        ----------
        series : object, default=None
            Id of one series, or a list of ids; by default all.

        Returns
        -------
        state : RecurrentState
            State arrays of every recurrent layer, context and position.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        KeyError
            If there is no series of that id.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> state = model.get_states()
        >>> [h.shape for h in state.h]   # of each layer
        [(1, 4)]
        """
        state = self._record().state
        if series is None:
            return state
        ids = as_ids(state.series, series)
        if not state.is_by_series:
            return state
        lanes = match_series(state.series, ids)
        return state.take_lanes(lanes).replace(series=ids)

    def set_states(self, state: RecurrentState) -> Self:
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState
            From this estimator or one of the same units and, with sliding windows, the
            same batch size. A state of some series changes these, and leaves the others
            as they are.

        Returns
        -------
        self : object
            The estimator, its weights unchanged.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If `state` is not a state, not one of this estimator's shapes, or not made
            of finite numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> state = model.get_states()
        >>> ahead = model.forecast(3)
        >>> moved = model.observe(X[40:])
        >>> bool((moved.set_states(state).forecast(3) == ahead).all())
        True
        """
        fitted = self._record()
        if not isinstance(state, RecurrentState):
            raise TypeError(
                "state must be a RecurrentState, as get_states() returns it; got"
                f" {type(state).__name__}."
            )
        if state is not fitted.state:
            n_outputs = fitted.recipe.n_outputs
            check_fits(fitted.zero, state, fitted.sequence_length, n_outputs)
            if state.series is not None and state.is_by_series:
                lanes = match_series(fitted.state.series, state.series)
                state = fitted.state.put_lanes(lanes, state.series, state)
            self._move_to(fitted.in_state(state))
        return self


_FIRST = np.zeros(1, int)  # the entry of the scales that serves one series


def _one_row(fitted: Fitted, X) -> tuple[np.ndarray, RecurrentState] | None:
    """Output and state for one row of one series, in a third of the usual time.

    None where the row has to be looked at more closely.
    """
    state, recipe = fitted.state, fitted.recipe
    if state.series is not None or fitted.input_shape.is_sequences:
        return None
    if recipe.is_tiled and not recipe.carries_state:  # the row may begin a new tile
        return None
    if not is_plain(X, fitted.input_shape) or len(X) > 1:
        return None
    network, encoder = recipe.network, fitted.encoder
    if encoder is None:
        row = X.astype(np.float32, copy=False)
        return step_one(network, fitted.parameters, row, state)
    context = state.context[0] if encoder.n_context else state.context
    row, after = encoder.encode_one(X, context, int(state.position[0]))
    after = after[np.newaxis] if encoder.n_context else after
    one = step_one(network, fitted.parameters, row, state, after)
    if one is None:
        return None
    outputs, state = one
    return encoder.answers(outputs, _FIRST), state
