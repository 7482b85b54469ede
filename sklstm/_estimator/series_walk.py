"""Some series of a fitted estimator, advanced row by row beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sklstm._estimator import sliding, tiled
from sklstm._estimator.encoded import answers_of
from sklstm._estimator.following import Following
from sklstm._estimator.given import Given, unnamed
from sklstm._later import pd
from sklstm._rows.series import RowLabels, as_ids, is_id, match_series
from sklstm._rows.state import NEVER, joined_states
from sklstm._training.fitted import Fitted


class SeriesWalk:
    """A walk that leaves the estimator alone.

    Parameters
    ----------
    fitted : Fitted
        In the state to begin with.
    ids : Index or None
        The series to walk; None for all.

    Attributes
    ----------
    ids : Index of shape (n_series,) or None
        The series walked; None for one series without a name.
    """

    def __init__(self, fitted: Fitted, ids: pd.Index | None):
        self._fitted = fitted
        series = fitted.state.series
        self.ids = series if ids is None else ids
        self._lanes = match_series(series, self.ids)

    @classmethod
    def of(
        cls, fitted: Fitted, ids: pd.Index | None, series: Any
    ) -> tuple[SeriesWalk, bool]:
        """A walk of the series asked for, and whether that is one without a list.

        Parameters
        ----------
        fitted : Fitted
            In the state to begin with.
        ids : Index or None
            The series to walk where `series` is None; None for all.
        series : object
            Id of one series, a list of ids, or None.
        """
        known = fitted.state.series
        is_one = known is None or (series is not None and is_id(known, series))
        return cls(fitted, ids if series is None else as_ids(known, series)), is_one

    @classmethod
    def joined(cls, walks: list[SeriesWalk]) -> SeriesWalk:
        """One walk in the place of many, with a lane for each of their series.

        The same series may be walked from several states. Only tiled windows have a
        lane for each series.
        """
        first = walks[0]._fitted
        states = [walk._fitted.state.take_lanes(walk._lanes) for walk in walks]
        n = sum(len(walk._lanes) for walk in walks)
        ids: pd.Index = pd.RangeIndex(n)  # of series without names
        if first.state.series is not None:
            ids = pd.Index.append(walks[0].ids, [walk.ids for walk in walks[1:]])
        joined = cls.__new__(cls)
        joined._fitted = first.in_state(joined_states(states))
        joined.ids, joined._lanes = ids, np.arange(n)
        return joined

    def last_outputs(self) -> np.ndarray:
        """Answers for the last row seen of each series, of shape (n_series, n_outputs).

        Raises
        ------
        ValueError
            Where there is none.
        """
        if not len(self._lanes):
            raise ValueError(
                "There is no series to forecast: all were forgotten. Pass start=, or"
                " observe rows first."
            )
        outputs = self._fitted.state.last_output
        if outputs is not None:
            outputs = np.atleast_2d(outputs)[self._lanes]
        if outputs is None or np.isnan(outputs).any():
            raise ValueError(
                "No row was seen since the last reset, so there is no prediction to"
                " feed back. Pass start=, or observe rows first."
            )
        return answers_of(self._fitted.encoder, self._given(outputs), outputs)

    def last_hidden(self) -> np.ndarray:
        """Hidden states of the last layer after the last row, (n_series, units).

        Raises
        ------
        ValueError
            With sliding windows, whose lanes take rows in turns.
        """
        if not self._fitted.recipe.is_tiled:
            raise ValueError(
                "A forecast from hidden states needs a state for each series: set"
                " windows='tiled', or give feedback to predictions of the network"
                " itself."
            )
        return self._fitted.state.h[-1][self._lanes].astype(np.float64)

    def last_seen(self) -> np.ndarray:
        """The label of each series' last row; `NEVER` where none is known."""
        known = self._fitted.state.last_seen
        return np.full(len(self._lanes), NEVER) if known is None else known[self._lanes]

    def step(self, rows: np.ndarray) -> np.ndarray:
        """Outputs for one more row of each series.

        Parameters
        ----------
        rows : ndarray of shape (n_series, n_features)
        """
        n, given = len(self._lanes), self._given(rows)
        nothing = np.zeros(n, bool)
        following = Following(self._lanes, nothing, nothing, np.full(n, NEVER))
        is_tiled = self._fitted.recipe.is_tiled
        advance = tiled.advance if is_tiled else sliding.advance
        outputs, state = advance(self._fitted, given, following)
        self._fitted = replace(self._fitted, state=state)
        return outputs

    def _given(self, rows: np.ndarray) -> Given:
        """A row of each series as those of a call."""
        labels = unnamed(len(rows))
        if self.ids is not None:
            labels = RowLabels(self.ids, np.arange(len(rows)), None)
        return Given(rows, labels, self._fitted.input_shape)


def check_takes_rows(fitted: Fitted) -> None:
    """Raise ValueError where X was windows or sequences, which cannot be fed back."""
    if fitted.input_shape.n_dimensions == 3:
        raise ValueError(
            "forecast feeds back one row at a time, but this estimator was fitted"
            " on ready-made windows. Fit it on rows, of shape (n_rows, n_features)."
        )
    if fitted.input_shape.is_sequences:
        raise ValueError(
            "forecast goes on from the state of a series, but this estimator was"
            " fitted on sequences without names. Fit on rows with series_id= or a"
            " MultiIndex."
        )
