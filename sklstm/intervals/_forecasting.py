"""Intervals of the next steps, each prediction becoming the next row."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._checks import check_positive_int
from sklstm._rows.series import as_ids
from sklstm.intervals._base import BaseConformal
from sklstm.intervals._quantiles import Pair
from sklstm.model_selection._target import Cell


class ForecastIntervals(BaseConformal):
    """Forecasts from the state, and the intervals around them."""

    _cells: list[Cell]
    _pair: Pair | None

    def forecast(
        self,
        n_steps: int,
        start: Any = None,
        feedback: Any = None,
        series: Any = None,
        X_future: Any = None,
    ) -> np.ndarray:
        """Predict `n_steps` ahead, each prediction becoming the next row.

        Parameters
        ----------
        n_steps, start, feedback, series, X_future : object
            As for the `forecast` of `sklstm.stream`.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
            For many series, the first axis is that of the series.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError, KeyError
            As that of the stream, and if the estimator inside has no state.
        """
        self._now()
        live = self._live()
        if live is None:
            raise TypeError(
                f"forecast goes on from a state, but {type(self.estimator_).__name__}"
                " has none. Pass a StatefulLSTMRegressor, or make all horizons columns"
                " of y, and call predict_interval."
            )
        return live.forecast(n_steps, start, feedback, series, X_future)

    def forecast_interval(
        self,
        n_steps: int,
        coverage: float | None = None,
        start: Any = None,
        feedback: Any = None,
        series: Any = None,
        X_future: Any = None,
    ) -> np.ndarray:
        """An interval for each of the next steps; neither state nor level changes.

        Parameters
        ----------
        n_steps : int
            With `start` at most `horizon`. Without it one less: the prediction for the
            last row seen is fed back, and the first value returned is that of the row
            after, two steps ahead.
        coverage : float, default=None
            As for `predict_interval`.
        start, feedback, series, X_future : object
            As for `forecast`.

        Returns
        -------
        intervals : ndarray of shape (n_steps, 2) or (n_steps, n_outputs, 2)
            For many series, the first axis is that of the series.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError, KeyError
            As `forecast` does, for more steps than there are scores of, and of a
            network with ``loss="quantile"``, which feeds its median back.
        """
        coverage = self._asked(coverage)
        if self._pair is not None:
            raise ValueError(
                "forecast_interval reaches as far to both sides of what forecast feeds"
                " back, which with loss='quantile' is the median alone; the intervals"
                " lie around two quantiles, one step ahead. Call predict_interval: its"
                " last row is the interval of the next value. Of further steps make"
                " columns of y, frame_series(series, horizon=range(1, ...))."
            )
        n_steps = check_positive_int("n_steps", n_steps)
        skipped = int(start is None)
        self._check_steps(n_steps, skipped)
        made = self.forecast(n_steps, start, feedback, series, X_future)
        thresholds = self._next_thresholds(coverage, start, series)
        n_outputs = len({cell.column for cell in self._cells})
        centres = made.reshape(len(thresholds), n_steps, n_outputs)
        by_step = thresholds.reshape(
            len(thresholds), -1, n_outputs, thresholds.shape[-1]
        )
        by_step = by_step[:, skipped : skipped + n_steps]
        scores = self._moment.online.cells.scores
        return scores.interval(centres, centres, by_step).reshape(*made.shape, 2)

    def _check_steps(self, n_steps: int, skipped: int) -> None:
        horizon = 1 + max(cell.later for cell in self._cells)
        if n_steps + skipped <= horizon:
            return
        why = "" if not skipped else ", the first of which is two ahead without start="
        raise ValueError(
            f"Intervals are asked for {n_steps} step(s){why}, but there are scores of"
            f" up to {horizon} ahead. Fit with horizon={n_steps + skipped}."
        )

    def _next_thresholds(self, coverage: float, start: Any, series: Any) -> np.ndarray:
        """Thresholds of each series that is forecast, in the order of the answer."""
        online = self._moment.online
        ids = online.ids
        if ids is not None and series is not None:
            ids = as_ids(ids, series)
        elif ids is not None and start is not None:
            ids = self._labels(start, np.shape(start)[0]).ids
        elif ids is not None:
            ids = self._live().get_states().series
        return online.thresholds(ids, coverage)
