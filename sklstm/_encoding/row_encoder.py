"""Rows as a network is shown them, targets as it is trained on them, and the way back.

What a network is shown of a row has up to four parts, side by side:

    the row         scaled by its series, (n_features)
    its change      since the row before, (n_features)
    the outlook     the linear forecast less the column that it forecasts, or, where it
                    forecasts none, its change since the row before, (n_outputs)
    the skip        the linear forecast, which is added to the network's output as it
                    is, (n_outputs); of quantiles the forecast and the spread of what it
                    leaves around it, (n_outputs * n_quantiles)

The first three are standardised once more, since changes are small beside the rows, and
clipped. Without a linear skip there is the scaled row alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._encoding.linear_skip import LinearSkip
from sklstm._encoding.scale import Scale
from sklstm._encoding.trail import Trail

CLIP = 6.0  # deviations
_FIRST = np.zeros(1, int)  # the entry of the scales that serves one series


@dataclass(frozen=True, eq=False)
class RowEncoder:
    """Between the user's rows and targets and those of the network.

    Parameters
    ----------
    n_features, n_outputs : int
        Of the user's rows, and of the network's outputs.
    series : Index or None
        Ids of the series that `x_scale` and `y_scale` have an entry for.
    x_scale, y_scale : Scale or None
        None where rows or targets keep their own units.
    skip : LinearSkip or None
    ties : ndarray of int of shape (n_outputs,)
        The column that each target goes on with; -1 where there is none.
    ahead : ndarray of int of shape (n_outputs,)
        How many rows ahead of the column each target is; 1 where there is none.
    residual : ndarray of float64 of shape (n_outputs,)
        Deviation of what the skip leaves: the network's unit of a scaled target.
    shown : Scale or None
        Of what the network is shown, the skip apart; None without a skip.
    spread : ndarray of float64 of shape (n_outputs, n_quantiles) or None
        Where quantiles are predicted, those of what the skip leaves, in the network's
        unit; None elsewhere, and without a skip.
    """

    n_features: int
    n_outputs: int
    series: Any
    x_scale: Scale | None
    y_scale: Scale | None
    skip: LinearSkip | None
    ties: np.ndarray
    ahead: np.ndarray
    residual: np.ndarray
    shown: Scale | None = None
    spread: np.ndarray | None = None

    @property
    def n_skip(self) -> int:
        """How many of the network's inputs are added to its output as they are."""
        if self.skip is None:
            return 0
        return self.n_outputs if self.spread is None else self.spread.size

    @property
    def n_inputs(self) -> int:
        """How many numbers the network is given of a row."""
        if self.skip is None:
            return self.n_features
        return 2 * self.n_features + self.n_outputs + self.n_skip

    @property
    def n_context(self) -> int:
        """How many rows before a row it takes to encode it."""
        return 0 if self.skip is None else self.skip.reach + 1

    @property
    def columns_predicted(self) -> np.ndarray:
        """The column of X that each output is the next value of; -1 if of none.

        It is none as well where the two have been scaled apart from each other, and
        where it is a value further ahead.
        """
        same = self.ahead == 1
        if self.x_scale is None or self.y_scale is None:
            return np.where(same, self.ties, -1)
        for x, y in (
            (self.x_scale.mean, self.y_scale.mean),
            (self.x_scale.deviation, self.y_scale.deviation),
        ):
            same &= (x[:, self.ties] == y).all(axis=0)
        return np.where(same, self.ties, -1)

    def trail(
        self,
        X: np.ndarray,
        scales: np.ndarray,
        codes: np.ndarray,
        begins: np.ndarray,
        context: np.ndarray,
        n_known: np.ndarray,
    ) -> Trail:
        """Scaled rows of a call behind those that came before them.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
        scales : ndarray of int of shape (n_series,)
            The entry of the scales that is each series' own.
        codes, begins, context, n_known
            As in `Trail.of`; `context` is of scaled rows.
        """
        return Trail.of(self.scaled(X, scales[codes]), codes, begins, context, n_known)

    def scaled(self, X: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Rows scaled by their series."""
        if self.x_scale is None:
            return np.asarray(X, np.float64)
        return self.x_scale.scaled(np.asarray(X, np.float64), series)

    def inputs(self, trail: Trail) -> np.ndarray:
        """What the network is given of rows, float32 of shape (n_rows, n_inputs)."""
        inputs = np.empty((len(trail.at), self.n_inputs), np.float32)
        forecast = None if self.skip is None else self.skip.forecast(trail)
        shown = self.unscaled_inputs(trail, forecast)
        n_shown = self.n_inputs - self.n_skip
        inputs[:, :n_shown] = np.clip(self._shown(shown), -CLIP, CLIP)
        if forecast is not None:
            inputs[:, n_shown:] = self._added(forecast)
        return inputs

    def encode_one(
        self, row: np.ndarray, context: np.ndarray, n_known: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the network is given of one row, and the context after it.

        In a tenth of the time that a `Trail` takes.

        Parameters
        ----------
        row : ndarray of shape (1, n_features)
        context : ndarray of shape (n_context, n_features)
            The last rows, scaled, the newest last.
        n_known : int
            How many of these count.
        """
        rows = self.scaled(row, _FIRST)
        if self.skip is None:
            return np.clip(self._shown(rows), -CLIP, CLIP).astype(np.float32), context
        n_known = min(n_known, len(context))
        rows = np.concatenate([context[len(context) - n_known :], rows])
        after = np.concatenate([context[1:], rows[-1:].astype(np.float32)])
        forecast = self.skip.forecast_last(rows)
        before = rows[max(len(rows) - 2, 0)]
        outlook = forecast - rows[-1, self.ties]
        if (self.ties < 0).any():
            earlier = self.skip.forecast_last(rows[: max(len(rows) - 1, 1)])
            outlook = np.where(self.ties < 0, forecast - earlier, outlook)
        shown = self._shown(np.hstack([rows[-1], rows[-1] - before, outlook]))
        inputs = np.append(np.clip(shown, -CLIP, CLIP), self._added(forecast))
        return inputs[np.newaxis].astype(np.float32), after

    def _added(self, forecast: np.ndarray) -> np.ndarray:
        """What is added to the network's output, for a forecast (..., n_outputs)."""
        added = forecast / self.residual
        if self.spread is None:
            return added
        by_level = added[..., np.newaxis] + self.spread
        return by_level.reshape(*added.shape[:-1], -1)

    def _shown(self, values: np.ndarray) -> np.ndarray:
        """The values that the network is shown at their own scale."""
        if self.shown is None:
            return values
        return (values - self.shown.mean[0]) / self.shown.deviation[0]

    def unscaled_inputs(self, trail: Trail, forecast: np.ndarray | None) -> np.ndarray:
        """The row, its change and the outlook, before they are standardised."""
        now = trail.back(0)
        if self.skip is None or forecast is None:
            return now
        outlook = forecast - now[:, self.ties]
        untied = self.ties < 0
        if untied.any():
            change = forecast - self.skip.forecast(trail, before=1)
            outlook[:, untied] = change[:, untied]
        return np.hstack([now, now - trail.back(1), outlook])

    def targets(self, y: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Numbers of shape (n_rows, n_outputs) in the network's units."""
        if self.y_scale is not None:
            y = self.y_scale.scaled(y, series)
        return y / self.residual

    def answers(self, outputs: np.ndarray, series: np.ndarray) -> np.ndarray:
        """The network's outputs in the units of y.

        Each of the `n_outputs` may come in several quantiles, side by side.
        """
        n_levels = outputs.shape[1] // self.n_outputs
        if n_levels > 1:
            parts = [
                self.answers(outputs[:, k::n_levels], series) for k in range(n_levels)
            ]
            return np.stack(parts, axis=2).reshape(outputs.shape)
        answers = outputs.astype(np.float64) * self.residual
        return (
            answers if self.y_scale is None else self.y_scale.restored(answers, series)
        )
