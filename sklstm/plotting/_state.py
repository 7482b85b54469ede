"""`StateDisplay`: the recurrent state over time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sklstm._rows.series import read_labels
from sklstm._rows.state import RecurrentState
from sklstm.plotting._axes import (
    ImageDisplay,
    draw_image,
    image_size,
    tick_columns,
    tick_whole_numbers,
)
from sklstm.plotting._rows import as_index, dates_of, is_pandas

KINDS = {"h": "hidden state h", "c": "cell state c"}


class StateDisplay(ImageDisplay):
    """The state of one lane over time: units from top to bottom, time to the right.

    With tiled windows, where each series has a lane of its own, it is the state of a
    series, after each of its rows.
    Use :meth:`from_estimator`; the constructor only stores data computed before.

    Parameters
    ----------
    states : ndarray of shape (n_times, units)
        The state of each unit after each row that the lane read.
    index : DatetimeIndex of shape (n_times,), default=None
        Dates of these rows.
    kind : {"h", "c"}, default="h"
        Whether `states` are hidden or cell states.
    layer : int, default=0
        The recurrent layer.
    lane : int, default=0
        The lane; None where each series has one.
    series : object, default=None
        Id of the series.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The image of shape (units, n_times), with colours symmetric about 0.
    colorbar_ : matplotlib Colorbar
        The scale of the colours.
    ax_ : matplotlib Axes
        The axes with the image.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.plotting import StateDisplay
    >>> display = StateDisplay(np.array([[0.1, -0.8], [0.2, -0.4], [0.3, 0.0]])).plot()
    >>> display.image_.get_clim()
    (-0.8, 0.8)
    """

    def __init__(
        self,
        states: Any,
        *,
        index: Any = None,
        kind: str = "h",
        layer: int = 0,
        lane: int | None = 0,
        series: Any = None,
    ) -> None:
        self.states = states
        self.index = index
        self.kind = kind
        self.layer = layer
        self.lane = lane
        self.series = series

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        kind: str = "h",
        layer: int = 0,
        lane: int = 0,
        series: Any = None,
        ax: Any = None,
        **imshow_kw: Any,
    ) -> StateDisplay:
        """Draw the state of a lane while a copy of the estimator reads the rows of X.

        The copy starts from the estimator's present state, also if X holds the rows of
        `fit`: to see how these rows form the state, call ``reset_states`` first. The
        estimator itself is not changed. Each column of the image takes a call of
        ``observe``.

        Parameters
        ----------
        estimator : estimator
            A fitted stateful estimator, or one at the end of a `Pipeline`, inside a
            `TransformedTargetRegressor`, or found by a search.
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            The rows that follow those seen.
        kind : {"h", "c"}, default="h"
            Whether to draw the hidden or the cell state.
        layer : int, default=0
            The recurrent layer, counted from 0.
        lane : int, default=0
            The lane, counted from 0, with sliding windows.
        series : object, default=None
            With tiled windows, the id of the series; by default the first one of X.
        ax, **imshow_kw
            As in :meth:`plot`.

        Returns
        -------
        display : StateDisplay

        Raises
        ------
        ValueError
            If the estimator has no such state, layer or lane, if the lane reads no row
            of X or the series has none, and if `lane` is given for tiled windows or
            `series` for sliding ones.
        TypeError
            If there is no stateful estimator inside `estimator`, or an ensemble of
            them: pass one of its members.
        """
        from sklstm.streaming import stream

        way = stream(estimator)
        inner, inside = way.estimator, way.transform(X)
        inside = inside if is_pandas(inside) else np.asarray(inside)
        state = inner.get_states()
        which = _check_choice(state.layers, kind, layer)
        if state.is_by_series:
            _check_place("lane", lane, 1, "Choose a series with series=.")
            series, rows, index = _rows_of_series(inner, inside, series)
            pieces = [_taken(inside, slice(row, row + 1)) for row in rows]
            kept = 0
        else:
            _check_place("lane", lane, state.layers[layer][which].shape[0])
            _check_no_series(series)
            rows, kept = _rows_of_lane(inner, inside, lane), lane
            dates = dates_of(len(X), X)
            index = None if dates is None else dates[rows]
            begins = [0, *(rows[:-1] + 1)]  # rows between them are read as well
            pieces = [
                _taken(inside, slice(a, b + 1))
                for a, b in zip(begins, rows, strict=True)
            ]
        states = [s.layers[layer][which][kept] for s in _walk(inner, pieces, series)]
        display = cls(
            np.array(states),
            index=index,
            kind=kind,
            layer=layer,
            lane=None if state.is_by_series else lane,
            series=series,
        )
        return display.plot(ax, **imshow_kw)

    def _figsize(self) -> tuple[float, float]:
        return image_size(np.shape(self.states)[1], 0.1, most=6)

    def _draw(self, ax, imshow_kw: dict[str, Any]) -> None:
        states = np.asarray(self.states)  # (n_times, units)
        look: dict[str, Any] = {"cmap": "RdBu_r", **imshow_kw}
        if not {"norm", "vmin", "vmax"} & look.keys():
            limit = float(np.abs(states).max()) or 1.0
            look |= {"vmin": -limit, "vmax": limit}
        label = KINDS[self.kind]
        self.image_, self.colorbar_ = draw_image(ax, states.T, label, look)
        tick_columns(ax, self.index)
        tick_whole_numbers(ax.yaxis)
        title = f"layer {self.layer}"
        if self.lane is not None:
            title += f", lane {self.lane}"
        if self.series is not None:
            title += f", series {self.series}"
        step = "row" if self.lane is None else "batch"
        xlabel = step if self.index is None else ""
        ax.set(xlabel=xlabel, ylabel="unit", title=title)


def _walk(estimator, pieces: list, series: Any) -> Iterator[RecurrentState]:
    """The state after each of `pieces`; of one series, where it has a name."""
    walker = copy.copy(estimator)  # `observe` changes only the state of the copy
    for piece in pieces:
        walker.observe(piece)
        yield walker.get_states(series)


def _taken(X, rows: slice) -> Any:
    return X.iloc[rows] if is_pandas(X) else X[rows]


def _rows_of_series(
    estimator, X, series: Any
) -> tuple[Any, np.ndarray, pd.Index | None]:
    """The id of a series, which rows of X it has, and their dates.

    `series` is None for the first one of X.
    """
    labels = read_labels(X, estimator.series_id)[1]
    code = 0
    if series is not None:
        code = (
            -1 if labels.ids is None else labels.ids.get_indexer(pd.Index([series]))[0]
        )
    elif labels.ids is not None:
        series = labels.ids[0]
    rows = np.flatnonzero(labels.codes == code)
    if not len(rows):
        known = "one without a name" if labels.ids is None else list(labels.ids[:5])
        raise ValueError(
            f"X has no row of series {series!r}. Its series are, or begin with,"
            f" {known}."
        )
    if isinstance(labels.time, pd.DatetimeIndex | pd.PeriodIndex):
        return series, rows, as_index(labels.time[rows])
    return series, rows, None


def _check_no_series(series: Any) -> None:
    if series is not None:
        raise ValueError(
            f"series={series!r} chooses one of many series, but this estimator carries"
            " one, whose windows its lanes take in turns. Choose one with lane=."
        )


def _rows_of_lane(estimator, X, lane: int) -> np.ndarray:
    """The rows of X at which windows of the lane end.

    After ``reset_states`` the first rows advance no lane, since they have too few rows
    before them to fill a window.
    """
    start = estimator.get_states()
    n_rows, n_lanes = len(X), start.layers[0][0].shape[0]
    after = copy.copy(estimator).observe(X).get_states()
    n_idle = n_rows - (after.position - start.position)
    rows = np.arange(n_idle + (lane - start.position) % n_lanes, n_rows, n_lanes)
    if not len(rows):
        raise ValueError(
            f"Lane {lane} of {n_lanes} reads none of the {n_rows} row(s) of X. Pass"
            f" {n_lanes + estimator.sequence_length_ - 1} rows, so that each lane reads"
            " one."
        )
    return rows


def _check_choice(layers, kind: str, layer: int) -> int:
    """Which of the layer's arrays is the state of that kind; ValueError if none is.

    The layer is checked as well.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be 'h' or 'c', got {kind!r}.")
    if not layers:
        raise ValueError(
            "The estimator keeps no state: it was fitted with stateful=False, or its"
            " model has no stateful layer. Fit it with stateful=True."
        )
    _check_place("layer", layer, len(layers))
    which = list(KINDS).index(kind)
    if which >= len(layers[layer]):
        raise ValueError(
            f"kind={kind!r} asks for a cell state, but layer {layer} has none, since it"
            " is not an LSTM. Use kind='h'."
        )
    return which


def _check_place(name: str, value: Any, n: int, remedy: str = "") -> None:
    """Raise ValueError unless `value` is an integer from 0 to n - 1."""
    is_int = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_int or not 0 <= value < n:
        raise ValueError(
            f"{name} must be an integer from 0 to {n - 1}, as this estimator has {n}"
            f" {name}(s); got {value!r}. {remedy}".rstrip()
        )
