"""Aligns truth and forecast in time. Nothing is drawn here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm.plotting._rows import as_index, is_pandas


def lay_in_time(y_true, y_pred, index) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    """Truth and forecast as DataFrames with named columns, indexed by time.

    Parameters
    ----------
    y_true : array-like of shape (n_true,) or (n_true, n_outputs) or None
    y_pred : array-like of shape (n_pred,) or (n_pred, n_outputs)
    index : array-like of shape (n_pred,) or None

    Returns
    -------
    truth : DataFrame of shape (n_true, n_outputs) or None
    forecast : DataFrame of shape (n_pred, n_outputs)

    Raises
    ------
    ValueError
        If the time of a row is unclear, or if the numbers of outputs differ.
    """
    forecast = _as_frame(y_pred)
    if y_true is None:
        forecast.columns = _output_names(forecast)
        forecast.index = _index_for(len(forecast), index, y_pred)
        return None, forecast
    truth = _as_frame(y_true)
    _check_outputs(truth, forecast)
    is_named = truth.columns.notna().all()
    truth.columns = forecast.columns = _output_names(truth if is_named else forecast)
    if index is None and is_pandas(y_true) and is_pandas(y_pred):
        truth.index, forecast.index = _own_indices(truth, forecast)
        return truth, forecast
    _check_lengths(truth, forecast)
    forecast.index = _index_for(len(forecast), index, y_pred, y_true)
    truth.index = forecast.index[: len(truth)]
    return truth, forecast


def _as_frame(y: Any) -> pd.DataFrame:
    """A DataFrame of shape (n, n_outputs); columns without a name are called None."""
    if isinstance(y, pd.Series):
        return y.to_frame(name=y.name)
    if isinstance(y, pd.DataFrame):
        return y.copy(deep=False)
    values = np.asarray(y)
    columns = [None] * (1 if values.ndim == 1 else values.shape[1])
    return pd.DataFrame(values.reshape(len(values), -1), columns=columns)


def _output_names(frame: pd.DataFrame) -> list[str]:
    """A name for each output; the empty string for a single one without a name."""
    if frame.columns.notna().all():
        return [str(name) for name in frame.columns]
    n_outputs = frame.shape[1]
    return [""] if n_outputs == 1 else [f"output {i}" for i in range(n_outputs)]


def _own_indices(*frames: pd.DataFrame) -> list[pd.Index]:
    """The indices of the truth and the forecast, if both fit on one axis."""
    own = [as_index(frame.index) for frame in frames]
    indices = [
        pd.RangeIndex(len(frame)) if index is None else index
        for frame, index in zip(frames, own, strict=True)
    ]
    kinds = [_kind(index) for index in indices]
    if len(set(kinds)) > 1:
        raise ValueError(
            f"y_true is indexed by {kinds[0]}, y_pred by {kinds[1]}, so they cannot be"
            " drawn on one axis. Give both the same kind of index, or pass index=, with"
            " one entry for each row of y_pred."
        )
    return indices


def _kind(index: pd.Index) -> str:
    if not isinstance(index, pd.DatetimeIndex):
        return "numbers"
    return "dates" if index.tz is None else "dates with a time zone"


def _index_for(n_rows: int, index, *data) -> pd.Index:
    """`index` if given, else the first in `data` with `n_rows` rows, else a range."""
    if index is not None:
        return _check_index(as_index(index), n_rows)
    own = [d.index for d in data if is_pandas(d)]
    found = (as_index(index) for index in own if len(index) == n_rows)
    fitting = next((index for index in found if index is not None), None)
    if fitting is not None:
        return fitting
    if any(isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) for index in own):
        raise ValueError(
            f"y_true has dates for {len(own[0])} of the {n_rows} rows of y_pred, so the"
            f" others have none. Pass index= with {n_rows} dates, or y_pred as a Series"
            " with its own."
        )
    return pd.RangeIndex(n_rows)


def _check_index(index: pd.Index | None, n_rows: int) -> pd.Index:
    if index is None:
        raise ValueError(
            "index must hold dates or numbers, one for each row of y_pred, but it holds"
            " neither. Convert texts with pandas.to_datetime."
        )
    if len(index) != n_rows:
        raise ValueError(
            f"index has {len(index)} entries, but y_pred has {n_rows} rows. Pass one"
            " entry for each row of y_pred."
        )
    return index


def _check_outputs(truth: pd.DataFrame, forecast: pd.DataFrame) -> None:
    if truth.shape[1] != forecast.shape[1]:
        raise ValueError(
            f"y_true has {truth.shape[1]} output(s) for each row, but y_pred has"
            f" {forecast.shape[1]}. Pass the same columns of both, in the same order."
        )


def _check_lengths(truth: pd.DataFrame, forecast: pd.DataFrame) -> None:
    if len(truth) > len(forecast):
        raise ValueError(
            f"y_true has {len(truth)} rows, more than the {len(forecast)} of y_pred, so"
            " it is unclear which of them were forecast. Pass both as Series or frames"
            " with their own index, or the same rows of both."
        )
