"""`StateDisplay`: the recurrent state over time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from sklstm._rows.state import RecurrentState
from sklstm.plotting._axes import (
    ImageDisplay,
    draw_image,
    image_size,
    tick_columns,
    tick_whole_numbers,
)
from sklstm.plotting._rows import dates_of, is_pandas

KINDS = {"h": "hidden state h", "c": "cell state c"}


class StateDisplay(ImageDisplay):
    """The state of one lane over time: units from top to bottom, time to the right.

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
        The lane.

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

    def __init__(self, states, *, index=None, kind="h", layer=0, lane=0):
        self.states = states
        self.index = index
        self.kind = kind
        self.layer = layer
        self.lane = lane

    @classmethod
    def from_estimator(
        cls, estimator, X, *, kind="h", layer=0, lane=0, ax=None, **imshow_kw
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
            The lane, counted from 0.
        ax, **imshow_kw
            As in :meth:`plot`.

        Returns
        -------
        display : StateDisplay

        Raises
        ------
        ValueError
            If the estimator has no such state, layer or lane, or if the lane reads no
            row of X.
        TypeError
            If there is no stateful estimator inside `estimator`.
        """
        from sklstm.streaming import stream

        way = stream(estimator)
        inner = way.estimator
        which = _check_choice(inner.get_states().layers, kind, layer, lane)
        inside = way.transform(X)
        inside = inside if is_pandas(inside) else np.asarray(inside)
        rows = _rows_of_lane(inner, inside, lane)
        states = [s.layers[layer][which][lane] for s in _walk(inner, inside, rows)]
        dates = dates_of(len(X), X)
        index = None if dates is None else dates[rows]
        display = cls(np.array(states), index=index, kind=kind, layer=layer, lane=lane)
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
        ax.set(
            xlabel="batch" if self.index is None else "",
            ylabel="unit",
            title=f"layer {self.layer}, lane {self.lane}",
        )


def _walk(estimator, X, rows: np.ndarray) -> Iterator[RecurrentState]:
    """The state after each of `rows`, the rows between them being read as well."""
    walker = copy.copy(estimator)  # `observe` changes only the state of the copy
    begins = [0, *(rows[:-1] + 1)]
    for begin, row in zip(begins, rows, strict=True):
        piece = slice(begin, row + 1)
        walker.observe(X.iloc[piece] if is_pandas(X) else X[piece])
        yield walker.get_states()


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


def _check_choice(layers, kind: str, layer: int, lane: int) -> int:
    """Which of the layer's arrays is the state of that kind; ValueError if none is.

    The layer and the lane are checked as well.
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
    _check_place("lane", lane, layers[layer][which].shape[0])
    return which


def _check_place(name: str, value: Any, n: int) -> None:
    """Raise ValueError unless `value` is an integer from 0 to n - 1."""
    is_int = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_int or not 0 <= value < n:
        raise ValueError(
            f"{name} must be an integer from 0 to {n - 1}, as this estimator has {n}"
            f" {name}(s); got {value!r}."
        )
