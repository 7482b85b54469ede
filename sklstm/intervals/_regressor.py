"""`ConformalRegressor`: intervals around the forecasts of a regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin, clone

from sklstm._checks import check_bool
from sklstm.intervals._calibration import as_rows, calibrate, read_pair
from sklstm.intervals._checks import check_values
from sklstm.intervals._fed import FedForecasts, copied, put_records, records_of
from sklstm.intervals._forecasting import ForecastIntervals
from sklstm.intervals._moment import Moment
from sklstm.intervals._quantiles import Pair, step_quantiles
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell
from sklstm.persistence._checked import (
    Fields,
    damaged,
    is_bool,
    is_count,
    is_list_of,
    or_none,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class ConformalRegressor(RegressorMixin, ForecastIntervals):
    r"""Prediction intervals around the forecasts of a regressor, adapted row by row.

    The newest rows of `fit` are held out, forecast as they would have been live, and
    the errors there kept as scores: an interval reaches as far to both sides as all but
    a share of the scores. As rows come in with their values, the newest scores take the
    place of the oldest, and the level of the intervals follows the share of values that
    they have missed.

    .. math:: \hat y_t \pm \sum_k w_{k,t} \, Q_t(1 - \alpha_{k,t}), \quad
        \alpha_{k,t+1} = \alpha_{k,t} + \gamma_k (\alpha - [y_t \text{ missed by } k])

    Parameters
    ----------
    estimator : estimator
        A regressor, as `backtest` takes it: a `StatefulLSTMRegressor`, alone or in what
        `sklstm.stream` follows, or one of scikit-learn without state, whose lags are
        columns of X. It is cloned, not changed. Of one with ``loss="quantile"`` two
        quantiles are calibrated in the place of the prediction.
    coverage : float, default=0.9
        Share of the values that intervals are to hold.
    horizon : int, default=1
        How many steps ahead `forecast_interval` tells, each with scores of its own.
        Each prediction becomes a part of the next row then, as in `backtest`. Where y
        has all horizons as its columns, this stays 1; so it does with quantiles.
    calibration : float, default=0.25
        Share of the newest rows that give the first scores.
    adaptive : bool, default=True
        Whether `observe` and `step` adapt scores and level. If False, both stay as they
        are after `fit` (split conformal intervals by horizon).

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all rows. Its state is after the last row seen.
    n_calibration_ : int
        Scores of each step ahead from the calibration rows, of all series.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if these are strings.

    See Also
    --------
    ConformalClassifier : The same for labels.
    sklstm.model_selection.backtest : The walk that gives the scores.

    Notes
    -----
    When a value is known. ``y[i]`` is passed with row i, once it is known: ask
    `predict_interval` for row i, and when ``y[i]`` has come, `observe` both. Where
    columns of y hold further steps, or all of y lies several steps ahead, as of
    ``frame_series(series, horizon=range(1, 25))``, pass with each row what is known of
    it, or all: only the column of the nearest step is read, and each value is used for
    all forecasts of it once the row has come at which it is known.

    The scores are absolute errors, the 1,000 newest of each series and step ahead. Of a
    series with less than 100, errors of all series are added, in units of each one's
    mean error. Eight step sizes :math:`\gamma_k` from 0.001 to 0.128, divided by the
    square root of the steps ahead, adapt a level each; their thresholds are averaged
    with weights :math:`w_k` after the pinball losses so far [2]_.

    Of a `StatefulLSTMRegressor` with ``loss="quantile"``, alone, the ends of a forecast
    are two of its quantiles, l and u, which can be far apart where the network expects
    much noise [3]_: those below and above the median whose levels are nearest to
    `coverage` apart. The scores are then :math:`\max(l - y, y - u)`, negative for
    values between the two, and an interval reaches from l minus to u plus a threshold,
    which may be negative as well. Where nothing would be left, as for a small
    ``coverage=`` of a call, both ends are the middle.

    Coverage holds in the long run whatever the series does [1]_, and not at each
    moment. An interval never is infinite: a level beyond the largest score gives the
    largest score.

    No answer changes anything, and `observe` replaces what is known in one assignment:
    threads may read while one observes. Calls that observe must not overlap.

    References
    ----------
    .. [1] I. Gibbs and E. Candès, "Adaptive conformal inference under distribution
       shift", NeurIPS 2021.
    .. [2] M. Zaffran, O. Féron, Y. Goude, J. Josse and A. Dieuleveut, "Adaptive
       conformal predictions for time series", ICML 2022.
    .. [3] Y. Romano, E. Patterson and E. Candès, "Conformalized quantile regression",
       NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklstm import frame_series
    >>> from sklstm.intervals import ConformalRegressor
    >>> noise = np.random.default_rng(0).normal(size=600)
    >>> series = 10 + 3 * np.sin(np.arange(600) / 4) + noise
    >>> lags = np.stack([series[3 - k : 600 - k] for k in range(4)], axis=1)
    >>> X, y = frame_series(lags, target=0)
    >>> model = ConformalRegressor(Ridge()).fit(X[:400], y[:400])
    >>> model.predict_interval(X[400:401]).shape
    (1, 2)
    >>> intervals = model.step_interval(X[400:], y[400:])   # the level moves on
    >>> inside = (intervals[:, 0] <= y[400:]) & (y[400:] <= intervals[:, 1])
    >>> bool(0.85 < inside.mean() < 0.95)
    True
    """

    def __init__(
        self,
        estimator: Any,
        coverage: float = 0.9,
        horizon: int = 1,
        calibration: float = 0.25,
        adaptive: bool = True,
    ) -> None:
        self.estimator = estimator
        self.coverage = coverage
        self.horizon = horizon
        self.calibration = calibration
        self.adaptive = adaptive

    def fit(self, X: Any, y: Any) -> Self:
        """Take scores from the newest rows, then fit on all rows.

        Two fits: one on the rows before the calibration rows, over which it is walked,
        and one on everything.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order, of one series or of many, as `backtest` takes them.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            For parameters out of range, as `backtest` does, and if there are fewer
            scores than the coverage takes.
        """
        check_bool("adaptive", self.adaptive)
        X, y = read_pair(X, y)
        found = calibrate(
            self.estimator, X, y, self.coverage, self.horizon, self.calibration
        )
        fitted = clone(self.estimator).fit(X, y)
        self.estimator_ = fitted
        self.n_calibration_ = found.n_scores
        self._has_networks = bool(networks_in(self.estimator))
        self._cells, self._is_1d = found.cells, np.ndim(y) == 1
        self._n_told, self._pair = found.target.values.shape[1], found.pair
        fed = self._copy = None
        if any(cell.later for cell in found.cells):
            records = records_of(fitted) if self._has_networks else None
            fed = FedForecasts(found.cells, found.target.lags, None, records)
            self._copy = copied(fitted)
        self._moment = self._begun = Moment(found.online, fed)
        return self

    # --- answers that change nothing --------------------------------------------------

    def predict_interval(self, X: Any, coverage: float | None = None) -> np.ndarray:
        """An interval for the value of each row; neither state nor level changes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        coverage : float, default=None
            By default that of the parameter. For another one the level is moved as far
            from it, in standard deviations, as the adapted level is from the parameter.

        Returns
        -------
        intervals : ndarray of shape (n_rows, 2) or (n_rows, n_outputs, 2)
            Lower and upper end. The second shape is that of a y with columns, which may
            be horizons.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `predict` does, and for a coverage that is none.
        """
        coverage = self._asked(coverage)
        if self._pair is None:
            made = self._made(_twice(self.estimator_.predict(X)))
        else:
            made = self._made(self._pair.ends(self.estimator_.predict_quantiles(X)))
        nothing = self._values(None, len(made))
        online = self._moment.online
        labels = self._labels(X, len(made))
        thresholds, _ = online.walk(labels, made, nothing, coverage)
        return self._intervals(made, thresholds)

    # --- rows that come in ------------------------------------------------------------

    def step(self, X: Any, y: Any = None) -> np.ndarray:
        """Predict for each row, and then `observe` it with its value.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            As for `observe`.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
            What ``predict(X)`` would have returned.

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `observe` does.
        """
        return self._advance(X, y, self._asked(None))[0]

    def step_interval(
        self, X: Any, y: Any = None, coverage: float | None = None
    ) -> np.ndarray:
        """An interval for each row, which is then observed with its value.

        The interval of a row is that of `predict_interval` once all rows before have
        been observed, so that a call over past rows tells what would have been live.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows after those seen.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            As for `observe`.
        coverage : float, default=None
            As for `predict_interval`.

        Returns
        -------
        intervals : ndarray of shape (n_rows, 2) or (n_rows, n_outputs, 2)

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError, TypeError
            As `observe` does, and for a coverage that is none.
        """
        _, made, thresholds = self._advance(X, y, self._asked(coverage))
        return self._intervals(made, thresholds)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # --- inside -----------------------------------------------------------------------

    def _facts(self) -> dict[str, Any]:
        """What `fit` has found, as JSON."""
        return {
            "n_calibration": self.n_calibration_,
            "cells": [list(cell) for cell in self._cells],
            "n_columns": self._n_columns(),
            "is_1d": bool(self._is_1d),
            "pair": self._pair and [self._pair.lower, self._pair.upper],
        }

    def _set_facts(self, fields: Fields) -> None:
        """Take what `_facts` has told out of a file."""
        self.n_calibration_ = fields.take("n_calibration", is_count)
        cells = fields.take("cells", is_list_of(is_list_of(is_count)))
        self._n_told = fields.take("n_columns", is_count)
        if not cells or any(len(c) != 3 or c[0] >= self._n_told for c in cells):
            raise damaged("its cells", cells)
        self._cells = [Cell(*one) for one in cells]
        self._is_1d = fields.take("is_1d", is_bool)
        self._pair = self._take_pair(fields)
        self._has_networks, self._copy = True, None

    def _take_pair(self, fields: Fields) -> Pair | None:
        places = fields.take("pair", or_none(is_list_of(is_count)))
        n_quantiles = len(getattr(self.estimator_, "quantiles_", ()))
        if places is None and not n_quantiles:
            return None
        if places is None or len(places) != 2 or max(places) >= n_quantiles:
            raise damaged("which quantiles are its ends", places)
        return Pair(*places)

    def _n_columns(self) -> int:
        return self._n_told

    def _values(self, y: Any, n_rows: int) -> np.ndarray:
        return check_values(y, n_rows, self._n_told)

    def _advance(self, X: Any, y: Any, coverage: float):
        """Predictions, their ends, and thresholds; then the rows have been seen."""
        moment, live = self._moment, self._live()
        X = as_rows(X)
        told = self._values(y, X.shape[0])
        labels = self._labels(X, len(told))
        before = None if live is None else records_of(self.estimator_)
        predictions, ends = self._stepped(X, live)
        try:
            made = self._made(ends)
            due, fed = self._due(moment, X)
            if not self.adaptive:
                told = np.full_like(told, np.nan)
            thresholds, online = moment.online.walk(labels, made, told, coverage, due)
        except BaseException:
            if before is not None:
                put_records(self.estimator_, before)
            raise
        self._moment = Moment(online, fed)
        return predictions, made, thresholds

    def _stepped(self, X: Any, live: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for rows and their ends; then the state is that after them."""
        if self._pair is not None:
            predictions, quantiles = step_quantiles(live, X)
            return predictions, self._pair.ends(quantiles)
        predictions = self.predict(X) if live is None else live.step(X)
        return predictions, _twice(predictions)

    def _due(self, moment: Moment, X: Any):
        """Ends of the fed-back forecasts of the values of each row."""
        if moment.fed is None:
            return None, None
        due, fed = moment.fed.advance(self._copy, X)
        return np.stack([due, due], axis=-1), fed

    def _made(self, ends: np.ndarray) -> np.ndarray:
        """Ends of (n_rows, n_columns, 2) as those of the cells, (n_rows, n_cells, 2).

        Forecasts that are fed back are told apart from these rows: `_due` has them.
        """
        made = ends[:, [cell.column for cell in self._cells]]
        made[:, [cell.later > 0 for cell in self._cells]] = np.nan
        return made

    def _intervals(self, made: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Those of the values of each row, in the order of the columns of y."""
        scores = self._moment.online.cells.scores
        first = [k for k, cell in enumerate(self._cells) if not cell.later]
        first.sort(key=lambda k: self._cells[k].column)
        lower, upper = made[:, first, 0], made[:, first, 1]
        ends = scores.interval(lower, upper, thresholds[:, first])
        return ends[:, 0] if self._is_1d else ends


def _twice(predictions: np.ndarray) -> np.ndarray:
    """Point forecasts as both ends, of shape (n_rows, n_columns, 2)."""
    table = np.asarray(predictions, np.float64).reshape(len(predictions), -1)
    return np.stack([table, table], axis=-1)
