"""What a fitted estimator answers without moving its state: predict and forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._checks import check_positive_int
from sklstm._estimator import sliding, tiled
from sklstm._estimator.closed_loop import (
    check_one_way,
    closed_loop,
    refuse_to_guess_rows,
)
from sklstm._estimator.fitted_attributes import FittedAttributes
from sklstm._estimator.following import follow
from sklstm._estimator.future import future_feedback
from sklstm._estimator.given import read_rows
from sklstm._estimator.inputs import check_X
from sklstm._estimator.keywords import refuse_keywords
from sklstm._estimator.series_walk import SeriesWalk, check_takes_rows
from sklstm._rows.lanes import EMPTY, lay_in_lanes
from sklstm._training.fitted import Fitted


class Predicting(FittedAttributes):
    """Calls that leave the state as it is."""

    def _predictions(
        self, X, replay: bool | None, decode: Callable[[Fitted, np.ndarray], np.ndarray]
    ) -> Any:
        """Decoded outputs for rows of X: from the state, or replayed as in fit."""
        fitted = self._record()
        given = read_rows(self, X, fitted.input_shape)
        following = follow(fitted, given, self.on_gap, replay, stacklevel=3)
        if fitted.recipe.is_tiled:
            outputs = tiled.advance(fitted, given, following)[0]
        else:
            outputs = sliding.outputs_of(fitted, given, following)
        return given.shaped(decode(fitted, outputs))

    def predict(self, X: Any, replay: bool | None = None, **unknown: Any) -> np.ndarray:
        """Predict for each row of X, continuing from the state, which stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features), or list of windows
            The rows after those seen, in any of the forms that `fit` takes. The rows of
            the fit are known again, and replayed from zero state instead, unless the
            state was just reset. Labels tell which these are, where X has an index of
            dates, periods or integers: those of the fit, from the first one on, and
            more rows may follow them in the same call. Without labels, their content
            tells: X must begin with all of them, each series with all of its own; a
            part of them is taken for new rows.
        replay : bool, default=None
            Whether X begins with the rows of the fit. None finds out, and warns where
            rows without labels repeat, so that a continuation could look the same.
        **unknown : dict
            None is taken. The error for a keyword of Keras tells where it goes.

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
            the other way round, windows of another length where the weights of a
            ``model=`` function depend on it, no row at all, infinity, or NaN other than
            in whole first steps of a window.
            If labels run backwards, come twice, or were seen already, and for series
            told apart in another way than in `fit`.
        TypeError
            If X holds dates or durations, or labels or ids of another kind than in
            `fit`.

        Warns
        -----
        ContinuityWarning
            If labels tell that rows are missing, unless `on_gap` says otherwise.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.predict(X[40:]).shape   # of the rows that follow
        (19,)
        >>> at_once = model.predict(X)   # the rows of the fit, and those that follow
        >>> bool(np.allclose(at_once[40:], model.predict(X[40:]), atol=1e-5))
        True
        """
        if unknown:
            refuse_keywords(self, "predict", unknown)
        return self._predictions(X, replay, Fitted.decode)

    def forecast(
        self,
        n_steps: int,
        start: Any = None,
        feedback: Any = None,
        series: Any = None,
        X_future: Any = None,
    ) -> np.ndarray:
        """Predict `n_steps` ahead, each prediction becoming the next row.

        The state stays as it is. Where targets are values further ahead (the horizons
        of `frame_series`), `predict` gives them all at once for the last row; this
        call then needs `feedback`, or `X_future` and a target of one row ahead.

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
            outputs as features; with ``loss="quantile"`` it is the median. For many
            series both have a row for each series, of shapes (n_series,) or (n_series,
            n_outputs), and (n_series, n_features).
        series : object, default=None
            Id of one series, or a list of ids, to forecast. By default, all in the
            order of `series_`, or those in `start`, in order of appearance.
        X_future : DataFrame or array-like of shape (n_rows, n_features), default=None
            What is known of the rows to come, such as calendar features, in place of
            `feedback`. A frame has the known columns; an array has all, with NaN where
            nothing is known. What is not known is filled from predictions, where y is
            the next value of a column of X. Its first row is the one after the last row
            seen, and it has at least as many rows of each series as steps are fed:
            `n_steps`, or one less with `start`. Labels are checked.

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
            for a row fed back that is of another shape, masked, NaN or infinite. For
            rows of `X_future` that do not come next, are too few, or lack values that
            no prediction fills.
        TypeError
            If `n_steps` is not an integer, `feedback` not a function, or a row fed back
            holds dates or durations.
        KeyError
            If there is no series of that id.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm import StatefulLSTMRegressor
        >>> series = np.sin(np.arange(60) / 4)
        >>> X, y = series[:-1, np.newaxis], series[1:]
        >>> model = StatefulLSTMRegressor(4, epochs=1).fit(X[:40], y[:40])
        >>> model.forecast(3).shape
        (3,)
        >>> ahead = model.forecast(3, start=X[40:45])   # after five more rows
        >>> bool(np.isclose(ahead[0], model.predict(X[40:45])[-1], atol=1e-5))
        True
        """
        fitted = self._record()
        n_steps = check_positive_int("n_steps", n_steps)
        check_takes_rows(fitted)
        n_features = fitted.input_shape.n_features
        problem = fitted.why_not_next() or fitted.target.why_not_a_row(n_features)
        check_one_way(feedback, X_future)
        if feedback is None and X_future is None and problem:
            refuse_to_guess_rows(problem, n_features)
        walker, is_one = self._forecaster(fitted, start, series)
        n_fed = n_steps if start is None else n_steps - 1
        if X_future is not None:
            feedback = future_feedback(
                fitted, X_future, walker.ids, walker.last_seen(), n_fed, is_one
            )

        def step(rows):
            return fitted.decode(walker.step(self._check_fed_rows(rows, fitted)))

        first = fitted.decode(walker.last_outputs())
        fed = closed_loop(step, first, feedback, n_fed, n_features, is_one)
        predictions = fed if start is None else [first, *fed]
        by_series = np.stack(predictions, axis=1)  # (n_series, n_steps, ...)
        return by_series[0] if is_one else by_series

    def _forecaster(self, fitted: Fitted, start, series) -> tuple[SeriesWalk, bool]:
        """A walk of the series to forecast, and whether that is one without a list."""
        ids = None
        if start is not None:
            given = read_rows(self, start, fitted.input_shape)
            following = follow(fitted, given, self.on_gap, stacklevel=3)
            advance = tiled.advance if fitted.recipe.is_tiled else sliding.advance
            fitted = replace(fitted, state=advance(fitted, given, following)[1])
            ids = given.labels.ids
        return SeriesWalk.of(fitted, ids, series)

    def _check_fed_rows(self, rows, fitted: Fitted) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            dtype = fitted.input_shape.dtype
            return self._checked_array(rows, "the row fed back", dtype)
        return check_X(self, rows, replace(fitted.input_shape, series_id=None))[0]

    def lane_table(self, X: Any) -> np.ndarray:
        """Which row of X each lane reads in each batch.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            Rows as in `predict`: those that follow, or those given to `fit` and on.

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
        >>> model = StatefulLSTMRegressor(2, windows="sliding", batch_size=3)
        >>> model = model.fit(X, y)
        >>> model.lane_table(X)   # the oldest two rows fill no batch
        array([[2, 3, 4],
               [5, 6, 7]])
        >>> model.lane_table(X[:2])   # two rows that follow
        array([[ 0,  1, -1]])
        """
        fitted = self._record()
        given = read_rows(self, X, fitted.input_shape)
        following = follow(fitted, given, self.on_gap, None, stacklevel=2)
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
