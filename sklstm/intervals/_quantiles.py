"""Two quantiles as the ends of a forecast: conformalised quantile regression.

The network inside predicts quantiles; two of them, one below and one above the median,
take the place of the point forecast, and the scores tell how far outside values lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from sklstm._checks import check_quantiles
from sklstm._estimator.base import BaseStatefulLSTM
from sklstm.model_selection._folds import read_folds, rows_between
from sklstm.model_selection._seeding import parts_of
from sklstm.model_selection._timeline import Timeline


@dataclass(frozen=True)
class Pair:
    """Which of a network's quantiles are the ends of its forecasts.

    Parameters
    ----------
    lower, upper : int
        Places in `quantiles_`.

    Examples
    --------
    >>> Pair.nearest((0.05, 0.25, 0.5, 0.75, 0.95), coverage=0.6)
    Pair(lower=1, upper=3)
    >>> Pair.nearest((0.1, 0.5), coverage=0.9)   # the median is the upper end
    Pair(lower=0, upper=1)
    """

    lower: int
    upper: int

    @classmethod
    def nearest(cls, levels: tuple[float, ...], coverage: float) -> Pair:
        """The quantiles between which about a share `coverage` of values should lie.

        Of pairs that are as near, the one that lies most evenly around the median.
        """
        median = levels.index(0.5)
        below = range(median) or [median]
        above = range(median + 1, len(levels)) or [median]

        def distance(pair: tuple[int, int]) -> tuple[float, float]:
            low, high = levels[pair[0]], levels[pair[1]]
            missed = abs(high - low - coverage), abs(low + high - 1)
            return round(missed[0], 9), round(missed[1], 9)

        return cls(*min(product(below, above), key=distance))

    def ends(self, quantiles: np.ndarray) -> np.ndarray:
        """Lower and upper end for each row and column of y, (n_rows, n_columns, 2)."""
        chosen = quantiles[..., [self.lower, self.upper]].astype(np.float64)
        return chosen.reshape(len(chosen), -1, 2)


def pair_of(estimator: Any, coverage: float, horizon: int) -> Pair | None:
    """The quantiles to calibrate; None where the estimator forecasts one number.

    Raises
    ------
    TypeError
        If a network of quantiles is inside of another estimator, which hides them.
    ValueError
        For a horizon beyond one step, over which only the median could be fed back.
    """
    if not any(_has_quantiles(part) for _, part in parts_of(estimator)):
        return None
    if not _has_quantiles(estimator):
        raise TypeError(
            f"A network with loss='quantile' is inside of {type(estimator).__name__},"
            " which does not hand its quantiles on. Put the StatefulLSTMRegressor"
            " directly into the ConformalRegressor, or set loss=None to have intervals"
            " around the predictions."
        )
    if horizon > 1:
        raise ValueError(
            f"horizon={horizon} feeds predictions back, of which loss='quantile' has"
            " only the median. Leave horizon=1 and make all horizons columns of y, as"
            f" frame_series(series, horizon=range(1, {horizon + 1})) does, or set"
            " loss=None."
        )
    return Pair.nearest(check_quantiles(estimator.quantiles), coverage)


def _has_quantiles(part: Any) -> bool:
    return isinstance(part, BaseStatefulLSTM) and hasattr(part, "predict_quantiles")


def step_quantiles(fitted: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a network's `step` and `predict_quantiles` answer, in one pass.

    Returns
    -------
    predictions : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    quantiles : ndarray of shape (n_rows, n_quantiles) or \
            (n_rows, n_outputs, n_quantiles)
    """
    outputs, record, moved = fitted._advance(X)
    fitted._move_to(moved)
    return record.decode(outputs), record.quantiles(outputs)


def walked_ends(
    estimator: Any,
    X: Any,
    y: Any,
    timeline: Timeline,
    fold: tuple[np.ndarray, np.ndarray],
    pair: Pair,
) -> tuple[np.ndarray, np.ndarray]:
    """Walk over the newest rows after a fit on those before, as `backtest` does.

    Returns
    -------
    rows : ndarray of int of shape (n_origins,)
        The newest rows.
    ends : ndarray of shape (n_origins, n_columns, 2)
    """
    one = read_folds([fold], X, y, timeline, False)[0]
    train = (_safe_indexing(rows, one.train) for rows in (X, y))
    fitted = clone(estimator).fit(*train)
    walked = rows_between(one.train, one.test, timeline)
    ends = pair.ends(step_quantiles(fitted, _safe_indexing(X, walked))[1])
    return one.test, ends[np.searchsorted(walked, one.test)]
