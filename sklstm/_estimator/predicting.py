"""What a fitted estimator does: predict, forecast, and the calls that move the state.

The record of the fit is replaced here and in `fitting` alone: everything below takes a
state as an argument and returns another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklstm import persistence
from sklstm._checks import check_positive_int
from sklstm._compiled.outputs import step_one
from sklstm._estimator import sliding, tiled
from sklstm._estimator.closed_loop import closed_loop, refuse_to_guess_rows
from sklstm._estimator.fitted_attributes import FromFit
from sklstm._estimator.following import follow
from sklstm._estimator.given import read_rows
from sklstm._estimator.inputs import check_X, is_plain
from sklstm._estimator.parameters import RoutedParameters
from sklstm._estimator.series_walk import SeriesWalk
from sklstm._network.architecture import state_variables
from sklstm._rows.lanes import EMPTY, lay_in_lanes
from sklstm._rows.series import as_ids, is_id, match_series
from sklstm._rows.state import RecurrentState
from sklstm._tensorflow import keras
from sklstm._training.fitted import Fitted


class StatefulPredictor(RoutedParameters):
    """Calls of an estimator that is fitted; `BaseStatefulLSTM` fits it."""

    _fitted: Fitted

    state_ = FromFit(lambda fitted: fitted.state)
    history_ = FromFit(lambda fitted: fitted.history)
    n_windows_ = FromFit(lambda fitted: fitted.n_windows)
    n_dropped_rows_ = FromFit(lambda fitted: fitted.n_dropped)
    sequence_length_ = FromFit(lambda fitted: fitted.sequence_length)
    n_outputs_ = FromFit(lambda fitted: fitted.recipe.n_outputs)
    initial_weights_ = FromFit(lambda fitted: _copied(fitted.initial.weights))
    n_features_in_ = FromFit(lambda fitted: fitted.input_shape.n_features)
    feature_names_in_ = FromFit(lambda fitted: fitted.feature_names)
    series_ = FromFit(lambda fitted: fitted.state.series)

    # --- predicting -----------------------------------------------------------------

    def _record(self) -> Fitted:
        """What the last fit left, or NotFittedError."""
        check_is_fitted(self)
        return self._fitted

    def _predictions(
        self, X, replay: bool | None, decode: Callable[[Fitted, np.ndarray], np.ndarray]
    ):
        """Decoded outputs for rows of X: from the state, or replayed as in fit."""
        fitted = self._record()
        given = read_rows(self, X, fitted.input_shape)
        following = follow(fitted, given, self.on_gap, replay, stacklevel=4)
        if fitted.recipe.is_tiled:
            outputs = tiled.advance(fitted, given, following)[0]
        else:
            outputs = sliding.outputs_of(fitted, given, following)
        return given.shaped(decode(fitted, outputs))

    def predict(self, X, replay=None):
        """Predict for each row of X, continuing from the state, which stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of windows
            The rows after those seen, in any of the forms that `fit` takes. The rows of
            the fit are known again, and replayed from zero state instead, unless the
            state was just reset. Labels tell which these are, where X has an index of
            dates, periods or integers: those of the fit, from the first one on, and
            more rows may follow them in the same call. Without labels, X must be
            exactly what `fit` was given; a part of it is taken for new rows.
        replay : bool, default=None
            Whether X begins with the rows of the fit. None finds out, and warns where
            rows without labels repeat, so that a continuation could look the same.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs), or list of these
            One prediction for each row: none is dropped, however many there are. Of
            sequences in tiled windows, one for each step, in the form of X.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If X has other features than in `fit`, windows where rows were fitted or
            the other way round, windows of another length (in a list: longer ones), no
            row at all, infinity, or NaN other than in whole first steps of a window.
            If labels run backwards, come twice, or were seen already, and for series
            told apart in another way than in `fit`.
        TypeError
            If X holds dates or durations, or labels or ids of another kind than in
            `fit`.

        Warns
        -----
        ContinuityWarning
            If labels tell that rows are missing, unless `on_gap` says otherwise.
        """
        return self._predictions(X, replay, Fitted.decode)

    def forecast(self, n_steps, start=None, feedback=None, series=None):
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
            (n_features,) or as a frame of one row, for example with known calendar
            features added. By default the prediction itself, which needs as many
            outputs as features. For many series both have a row for each series, of
            shapes (n_series,) or (n_series, n_outputs), and (n_series, n_features).
        series : object, default=None
            Id of one series, or a list of ids, to forecast. By default, all in the
            order of `series_`, or those in `start`, in order of appearance.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
            The predictions. For many series, the first axis is that of the series.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If a prediction cannot be a row and `feedback` is missing, if no row was
            seen and `start` is missing, or after fitting on ready-made windows, and
            for a row fed back that is of another shape, masked, NaN or infinite.
        TypeError
            If `n_steps` is not an integer, `feedback` not a function, or a row fed back
            holds dates or durations.
        KeyError
            If there is no series of that id.
        """
        fitted = self._record()
        n_steps = check_positive_int("n_steps", n_steps)
        _check_takes_rows(fitted)
        if fitted.input_shape.is_sequences:
            raise ValueError(
                "forecast goes on from the state of a series, but this estimator was"
                " fitted on sequences without names. Fit on rows with series_id= or a"
                " MultiIndex."
            )
        n_features = fitted.input_shape.n_features
        problem = fitted.target.why_not_a_row(n_features)
        if feedback is None and problem:
            refuse_to_guess_rows(problem, n_features)
        walker, is_one = self._forecaster(fitted, start, series)

        def step(rows):
            return fitted.decode(walker.step(self._check_fed_rows(rows, fitted)))

        first = fitted.decode(walker.last_outputs())
        n_fed = n_steps if start is None else n_steps - 1
        fed = closed_loop(step, first, feedback, n_fed, n_features, is_one)
        predictions = fed if start is None else [first, *fed]
        by_series = np.stack(predictions, axis=1)  # (n_series, n_steps, ...)
        return by_series[0] if is_one else by_series

    def _forecaster(self, fitted: Fitted, start, series) -> tuple[SeriesWalk, bool]:
        """A walk of the series to forecast, and whether that is one without a list."""
        _check_takes_rows(fitted)
        state = fitted.state
        is_one = state.series is None or (
            series is not None and is_id(state.series, series)
        )
        if start is not None:
            given = read_rows(self, start, fitted.input_shape)
            following = follow(fitted, given, self.on_gap, stacklevel=5)
            advance = tiled.advance if fitted.recipe.is_tiled else sliding.advance
            state = advance(fitted, given, following)[1]
            ids = given.labels.ids if series is None else None
        else:
            ids = None
        if series is not None:
            ids = as_ids(state.series, series)
        return SeriesWalk(replace(fitted, state=state), ids), is_one

    def _check_fed_rows(self, rows, fitted: Fitted) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return check_array(rows, dtype=np.float32, input_name="the row fed back")
        return check_X(self, rows, replace(fitted.input_shape, series_id=None))[0]

    # --- lanes ----------------------------------------------------------------------

    def lane_table(self, X) -> np.ndarray:
        """Which row of X each lane reads in each batch.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            Rows as in `predict`: those that follow, or exactly those given to `fit`.

        Returns
        -------
        table : ndarray of int of shape (n_batches, batch_size) or \
                (n_batches, batch_size, sequence_length)
            Entry (k, i) is the row of X at which the window of lane i in batch k ends,
            -1 where the lane has none. Rows dropped in `fit`, and rows with too few
            rows before them to fill a window, are in no lane. With tiled windows, entry
            (k, i) has every row of the tile: as `fit` reads X with ``shuffle=False``.

        Raises
        ------
        sklearn.exceptions.NotFittedError, TypeError
            As in `predict`.
        ValueError
            As in `predict`, and if the estimator is stateless, and so has no lanes.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> X, y = np.arange(8.0)[:, np.newaxis], np.arange(8.0)
        >>> model = StatefulLSTMRegressor(2, batch_size=3, epochs=1).fit(X, y)
        >>> model.lane_table(X)   # the oldest two rows fill no batch
        array([[2, 3, 4],
               [5, 6, 7]])
        >>> model.lane_table(X[:2])   # two rows that follow
        array([[ 0,  1, -1]])
        """
        fitted = self._record()
        given = read_rows(self, X, fitted.input_shape)
        following = follow(fitted, given, self.on_gap, None, stacklevel=3)
        if fitted.recipe.is_tiled:
            return tiled.lane_table(given, following.begins, fitted)
        n_lanes = fitted.recipe.batch_size
        if n_lanes is None:
            raise ValueError(
                "lane_table needs lanes, but this estimator was fitted with"
                " stateful=False: each window starts from zero state, in no lane."
            )
        windows, state, in_lanes = sliding.reading(fitted, given, following)
        table = lay_in_lanes(windows.ends[in_lanes], state.position, n_lanes)
        rows = table // windows.stride - windows.ends[0] // windows.stride
        return np.where(table == EMPTY, -1, rows).astype(int)

    # --- state ----------------------------------------------------------------------

    def reset_states(self, series=None):
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
        self._fitted = fitted.in_state(state)
        return self

    def forget(self, series):
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
        self._fitted = fitted.in_state(fitted.state.without_lanes(lanes))
        return self

    def reseed_states(self):
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
        """
        fitted = self._record()
        self._fitted = fitted.in_state(fitted.seeded)
        return self

    def observe(self, X):
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
        """
        self._advance(X)
        return self

    def _advance(self, X) -> tuple[np.ndarray, Fitted]:
        """Move the state over rows; their outputs, and the record before them."""
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
            following = follow(fitted, given, self.on_gap, stacklevel=4)
            advance = tiled.advance if fitted.recipe.is_tiled else sliding.advance
            one = advance(fitted, given, following)
        outputs, state = one
        self._fitted = fitted.in_state(state)
        return outputs, fitted

    def step(self, X):
        """Predict for each row of X and advance the state over them, in one pass.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows after those seen.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``predict(X)`` would have returned, to rounding, for rows that follow
            those seen: `step` never replays the rows of `fit`.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As in `predict`; the state stays as it was.
        """
        outputs, fitted = self._advance(X)
        return fitted.decode(outputs)

    def get_states(self, series=None) -> RecurrentState:
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
        """
        state = self._record().state
        if series is None:
            return state
        ids = as_ids(state.series, series)
        if not state.is_by_series:
            return state
        lanes = match_series(state.series, ids)
        return state.take_lanes(lanes).replace(series=ids)

    def set_states(self, state: RecurrentState):
        """Continue from a state taken with `get_states`.

        Parameters
        ----------
        state : RecurrentState
            From this estimator or one of the same units and batch size. A state of some
            series changes these, and leaves the others as they are.

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
        """
        fitted = self._record()
        if not isinstance(state, RecurrentState):
            raise TypeError(
                "state must be a RecurrentState, as get_states() returns it; got"
                f" {type(state).__name__}."
            )
        if state is not fitted.state:
            fitted.zero.check_fits(
                state, fitted.sequence_length, fitted.recipe.n_outputs
            )
            if state.series is not None and state.is_by_series:
                lanes = match_series(fitted.state.series, state.series)
                state = fitted.state.put_lanes(lanes, state.series, state)
            self._fitted = fitted.in_state(state)
        return self

    # --- files ----------------------------------------------------------------------

    def save(self, path) -> None:
        """Write the fitted estimator, its state included, to one file.

        The file holds data only, in the safetensors format: the parameters as JSON,
        and as arrays the weights, the optimizer's slots, the state, and the rows that
        `partial_fit` has yet to train on. The training rows are not in it. It is
        moved into place when it is complete and on the disk: whatever goes wrong
        before leaves the file that was there as it was.

        Keras's own optimizers, losses and metrics are written with their settings.
        What is no data is left out, and `load` takes it again: a ``model=`` function,
        callbacks, classes, losses of your own, a RandomState instance.

        Parameters
        ----------
        path : str or path-like
            Conventionally with the suffix ``.safetensors``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If there is nothing to save yet.
        sklstm.persistence.PersistenceError
            For labels that are neither numbers nor strings, for an entry of `history_`
            that is no number, for more than 4 MiB of parameters and labels, and for a
            `path` that is no regular file.
        OSError
            If the file cannot be written, for example for want of space.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "sine.safetensors")
        ...     model.save(path)
        ...     loaded = StatefulLSTMRegressor.load(path)
        >>> bool((loaded.predict(X[40:]) == model.predict(X[40:])).all())
        True
        """
        persistence.save(self, path)

    @classmethod
    def load(cls, path, **objects):
        """Read an estimator that `save` wrote; it predicts and trains on bit for bit.

        Nothing in the file is run or imported, and it is refused as a whole unless
        everything in it fits together. A checksum tells damage. It does not tell
        forgery: a file from strangers cannot do harm, but may predict anything.

        Parameters
        ----------
        path : str or path-like
        **objects : dict
            What could not be saved, by name of the parameter: ``model=``, the
            function that the estimator was fitted with, or ``loss=``. Callbacks and a
            random state are not needed to predict.

        Returns
        -------
        estimator : object
            Fitted, in the state in which it was saved.

        Raises
        ------
        sklstm.persistence.PersistenceError
            For a file that is damaged, forged, of a newer version or of another class,
            or that lacks something which is not in `objects`.
        FileNotFoundError
            If there is no such file.
        TypeError
            For `objects` that the file does not lack.

        Warns
        -----
        UserWarning
            Where callbacks or a random state are lacking: the parameter is None.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
        >>> X, y = np.arange(8.0)[:, np.newaxis], np.arange(8.0)
        >>> model = StatefulLSTMRegressor(2, epochs=1).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "line.safetensors")
        ...     model.save(path)
        ...     StatefulLSTMClassifier.load(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        sklstm.persistence.PersistenceError: ...holds a 'StatefulLSTMRegressor'...
        """
        return persistence.load(cls, path, objects)

    # --- the network ----------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """The network's weights in the order of the Keras model's ``get_weights()``.

        Returns
        -------
        weights : list of ndarray
            For each LSTM layer its kernel (n_inputs, 4 * units), recurrent kernel
            (units, 4 * units) and bias (4 * units,), gates in the order i, f, c, o;
            then the head's kernel (units, n_outputs) and bias (n_outputs,). Those of
            a ``model=`` function are in the order of the model that it returns.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        return _copied(self._record().parameters.weights)

    def rebuild(self, batch_size) -> keras.Model:
        """A plain Keras model with these weights at another batch size.

        For serving or inspection, in zero state. The layers of the built-in network are
        ordinary ``keras.layers.LSTM`` and ``Dense``, and a file it is saved to loads
        without this package; those of a ``model=`` function are what it makes them.

        Parameters
        ----------
        batch_size : int
            Number of windows that each call of the model takes. A stateless model takes
            any number.

        Returns
        -------
        model : keras.Model
            Its input has shape (batch_size, sequence_length, n_features_in_), the first
            of them None in a stateless model.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError, ValueError
            If `batch_size` is no positive integer, or a ``model=`` function returns no
            model that fits it.
        """
        fitted = self._record()
        batch_size = check_positive_int("batch_size", batch_size)
        model = fitted.recipe.network.at_batch_size(batch_size).build()
        model.set_weights(fitted.parameters.weights)
        return model

    @property
    def model_(self) -> keras.Model:
        """A plain Keras model at the fitted batch size and in the current state.

        With tiled windows it has a lane for each series, in the order of `series_`.
        """
        fitted = self._record()
        network = fitted.recipe.network
        if fitted.recipe.is_tiled:
            network = network.at_batch_size(len(fitted.state.position))
        model = network.build()
        model.set_weights(fitted.parameters.weights)
        layers = zip(state_variables(model), fitted.state.layers, strict=True)
        for variables, values in layers:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return model

    @property
    def initialized_(self) -> bool:
        """Whether the estimator is fitted, in scikeras's words."""
        return self.__sklearn_is_fitted__()

    def __sklearn_is_fitted__(self) -> bool:
        return "_fitted" in vars(self)


def _one_row(fitted: Fitted, X) -> tuple[np.ndarray, RecurrentState] | None:
    """Output and state for one row of one series, in a third of the usual time.

    None where the row has to be looked at more closely.
    """
    state = fitted.state
    if state.series is not None or state.is_by_series:
        return None
    if not is_plain(X, fitted.input_shape) or len(X) > 1:
        return None
    row = X.astype(np.float32, copy=False)
    return step_one(fitted.recipe.network, fitted.parameters, row, state)


def _check_takes_rows(fitted: Fitted) -> None:
    """Raise ValueError where X was ready-made windows, which cannot be fed back."""
    if fitted.input_shape.n_dimensions == 3:
        raise ValueError(
            "forecast feeds back one row at a time, but this estimator was fitted"
            " on ready-made windows. Fit it on rows, of shape (n_rows, n_features)."
        )


def _copied(arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
    return [array.copy() for array in arrays]
