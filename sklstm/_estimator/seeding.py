"""The state after a fit: training rows once more through the final weights."""

from __future__ import annotations

import numpy as np

from sklstm._compiled.outputs import walk
from sklstm._estimator import sliding, tiled
from sklstm._estimator.following import Following
from sklstm._estimator.given import Given
from sklstm._rows.state import RecurrentState
from sklstm._rows.tiles import PlainRows
from sklstm._rows.windows import Windows
from sklstm._training.fitted import Fitted


def seed_state(
    fitted: Fitted,
    given: Given,
    begins: np.ndarray,
    last: np.ndarray,
    windows: Windows | PlainRows,
) -> RecurrentState:
    """The state right after the last row of each series, from zero state.

    Parameters
    ----------
    fitted : Fitted
        In zero state.
    given : Given
        The training rows, series by series.
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    last : ndarray of int64 of shape (n_series,)
        The last label of each series.
    windows : Windows or PlainRows
        What was trained on.
    """
    if given.sequences is not None:
        return fitted.zero
    rows = fitted.training_rows
    if not fitted.zero.is_by_series and rows is not None:
        assert isinstance(windows, Windows)
        in_lanes = rows.in_lanes(windows)
        _, state = walk(
            fitted.recipe.network,
            fitted.parameters,
            windows,
            rows.state_before(fitted.zero),
            in_lanes=in_lanes,
            answer_apart=not in_lanes[-1],  # the last output is kept
        )
        return state.replace(series=given.labels.ids, last_seen=last)
    n_series = given.labels.n_series
    following = Following(np.arange(n_series), np.zeros(n_series, bool), begins, last)
    advance = tiled.advance if fitted.recipe.is_tiled else sliding.advance
    return advance(fitted, given, following)[1]
