"""Known columns of rows to come, the others of which are filled from predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sklstm._checks import check_numbers
from sklstm._later import is_frame, pd
from sklstm._rows.continuity import TimeAxis
from sklstm._rows.series import RowLabels, match_series, read_labels
from sklstm._rows.state import NEVER
from sklstm._training.fitted import Fitted


def future_feedback(
    fitted: Fitted,
    X_future: Any,
    ids: pd.Index | None,
    last_seen: np.ndarray,
    n_fed: int,
    is_one: bool,
) -> Callable[[Any, int], np.ndarray]:
    """A ``feedback`` function that takes rows from `X_future`.

    Parameters
    ----------
    fitted : Fitted
    X_future : array-like or DataFrame
        At least `n_fed` rows after those seen, of each series.
    ids : Index of shape (n_series,) or None
        The series that are forecast.
    last_seen : ndarray of int64 of shape (n_series,)
        The label of the last row seen of each; `NEVER` where none is known.
    n_fed : int
        How many rows of each series are fed.
    is_one : bool
        Whether rows are those of one series, without an axis for it.

    Raises
    ------
    ValueError
        For rows that do not follow, too few of them, columns that are unknown and that
        no prediction fills, and series that lack rows.
    """
    known = _known_rows(fitted, X_future, ids, last_seen, n_fed)
    columns = _filled_columns(fitted, known)

    def feedback(prediction: Any, k: int) -> np.ndarray:
        rows = known[:, k].copy()  # (n_series, n_features)
        values = np.asarray(prediction, np.float64).reshape(len(rows), -1)
        unknown = np.isnan(rows)
        for output, column in enumerate(columns):
            if column >= 0:
                at = unknown[:, column]
                rows[at, column] = values[at, output]
        return rows[0] if is_one else rows

    return feedback


def _known_rows(fitted: Fitted, X_future, ids, last_seen, n_fed: int) -> np.ndarray:
    """What is known, of shape (n_series, n_fed, n_features); NaN where nothing is."""
    check_numbers("X_future", X_future)
    table, labels = read_labels(X_future, fitted.input_shape.series_id)
    values = _values(fitted, table)
    places = next_rows(fitted, labels, ids, last_seen, n_fed)
    return np.stack([values[place] for place in places])


def next_rows(
    fitted: Fitted, labels: RowLabels, ids, last_seen: np.ndarray, n_fed: int
) -> list[np.ndarray]:
    """Where the rows to feed lie among those labelled, for each series.

    The parameters, and what is raised, are those of `future_feedback`.
    """
    lanes = np.zeros(1, int)
    if ids is not None:
        if labels.ids is None:
            raise ValueError(
                f"X_future has no series ids, but {list(ids)} are forecast. Give it the"
                " id columns or the MultiIndex that X had in fit."
            )
        lanes = match_series(labels.ids, ids)
    if (lanes < 0).any():
        lacking = [ids[k] for k in np.flatnonzero(lanes < 0)]
        raise ValueError(f"X_future has no rows of the series {lacking}.")
    places = [np.flatnonzero(labels.codes == lane) for lane in lanes]
    fewest = min(map(len, places))
    if fewest < n_fed:
        raise ValueError(
            f"X_future has {fewest} row(s), but this forecast feeds {n_fed}: one for"
            " each step after the last row seen. Pass more rows, or a smaller n_steps."
        )
    if fitted.axis is not None and labels.time is not None:
        for place, last in zip(places, last_seen, strict=True):
            _check_follows(fitted.axis, labels, place[:n_fed], int(last))
    return [place[:n_fed] for place in places]


def _values(fitted: Fitted, table) -> np.ndarray:
    """The columns of fit, as float64; NaN in those that the table lacks."""
    names, n_features = fitted.feature_names, fitted.input_shape.n_features
    if names is not None and is_frame(table):
        check_known_names(table, names)
        return table.reindex(columns=names).to_numpy(np.float64)
    values = np.asarray(table, np.float64)
    if values.ndim != 2 or values.shape[1] != n_features:
        raise ValueError(
            f"X_future has shape {values.shape}, but rows have {n_features} feature(s)."
            " Pass rows of this width, with NaN where predictions are to be filled in,"
            " or a frame of the known columns."
        )
    return values


def check_known_names(table: pd.DataFrame, names: Iterable) -> None:
    """Raise ValueError for columns of rows to come that are not among these names."""
    strange = [name for name in table.columns if name not in set(names)]
    if strange:
        raise ValueError(
            f"X_future has the columns {strange}, which fit did not see. Its columns"
            f" are among {list(names)}; those left out are filled from predictions."
        )


def check_all_filled(left: Sequence) -> None:
    """Raise ValueError where columns are left that no prediction fills."""
    if len(left):
        raise ValueError(
            f"X_future lacks values of {list(left)}, which no prediction fills: the"
            " target does not go on with these columns. Pass values for them, or"
            " feedback=, a function that makes the next row."
        )


def _filled_columns(fitted: Fitted, known: np.ndarray) -> list[int]:
    """The column that each output fills; -1 where it fills none."""
    unknown = np.flatnonzero(np.isnan(known).any(axis=(0, 1)))
    n_outputs = fitted.recipe.n_outputs // fitted.target.n_quantiles
    columns = [-1] * n_outputs
    if fitted.encoder is not None:
        columns = list(map(int, fitted.encoder.columns_predicted))
    if max(columns) < 0 and len(unknown) == n_outputs and not fitted.why_not_next():
        columns = list(map(int, unknown))
    left = [int(column) for column in unknown if column not in columns]
    names = fitted.feature_names
    check_all_filled(left if names is None else [str(names[k]) for k in left])
    return columns


def _check_follows(
    axis: TimeAxis, labels: RowLabels, place: np.ndarray, last: int
) -> None:
    """Raise ValueError where the rows of a series are not those that come next."""
    assert labels.time is not None
    ordinals = axis.ordinals(labels.time[place])
    before = ordinals[:-1]
    if last != NEVER:
        before = np.append(last, before)
    after = ordinals[len(ordinals) - len(before) :]
    breaks = np.flatnonzero(~axis.follows(before, after))
    if len(breaks):
        k = int(breaks[0])
        one, two = axis.names(int(before[k]), int(after[k]))
        step = axis.step_name()
        if k == 0 and last != NEVER:
            raise ValueError(
                f"X_future begins with {two}, but the last row seen is {one}, and the"
                f" next must follow {step} after it. Pass the rows in between too, or"
                " observe those that have come."
            )
        raise ValueError(
            f"X_future goes from {one} to {two}, but its rows must follow one another"
            f" {step} apart. Pass the rows in between too."
        )
