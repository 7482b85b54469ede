"""`LanesDisplay`: which rows each lane reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from sklstm._rows.lanes import EMPTY
from sklstm.plotting._axes import (
    ImageDisplay,
    class_colours,
    draw_image,
    hatch_background,
    image_size,
    tick_columns,
    tick_lanes,
)
from sklstm.plotting._rows import (
    dates_of,
    encode_classes,
    find_classes,
    first_column,
    merge_classes,
)


class LanesDisplay(ImageDisplay):
    """The rows that each lane reads: lanes from top to bottom, batches to the right.

    The image is hatched where a lane has no window in a batch. If each lane always
    reads the same weekday, hour or month, it is labelled with that.
    Use :meth:`from_estimator`; the constructor only stores data computed before.

    Parameters
    ----------
    table : ndarray of int of shape (n_batches, batch_size)
        Entry (k, i) is the row at which the window of lane i in batch k ends, or -1 if
        the lane has no window there, as an estimator's ``lane_table`` returns it.
    values : array-like of shape (n_rows,)
        Numbers or labels that give each row its colour; a missing value has none.
    index : DatetimeIndex of shape (n_rows,), default=None
        Dates of the rows.
    label : str, default="value"
        Name of the values, for the colour bar.
    classes : array-like of shape (n_classes,), default=None
        The labels in the order of the colours, if the values are labels.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The image of shape (batch_size, n_batches), masked where there is no window.
    colorbar_ : matplotlib Colorbar
        The scale of the colours.
    ax_ : matplotlib Axes
        The axes with the image.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    Ten days, read by seven lanes. The first batch has no window for the first four.

    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklstm.plotting import LanesDisplay
    >>> days = pd.date_range("2024-05-03", periods=10)   # from a Friday on
    >>> table = np.arange(-4, 10).clip(-1).reshape(2, 7)
    >>> display = LanesDisplay(table, np.arange(10), index=days).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()][4:]
    ['lane 4 · Fri', 'lane 5 · Sat', 'lane 6 · Sun']
    """

    def __init__(self, table, values, *, index=None, label="value", classes=None):
        self.table = table
        self.values = values
        self.index = index
        self.label = label
        self.classes = classes

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, values=None, ax=None, **imshow_kw
    ) -> LanesDisplay:
        """Draw which lane reads which row of X.

        Parameters
        ----------
        estimator : estimator
            A fitted stateful estimator, or one at the end of a `Pipeline`, inside a
            `TransformedTargetRegressor`, or found by a search.
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            Rows as for `predict`: those that follow, or exactly those given to `fit`.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            The targets of the rows, whose first output gives the colours.
        values : array-like of shape (n_rows,), default=None
            Values that give the colours instead of y. Without `values` and y, the
            first feature gives them.
        ax, **imshow_kw
            As in :meth:`plot`.

        Returns
        -------
        display : LanesDisplay

        Raises
        ------
        ValueError
            If the estimator is stateless, and so has no lanes, or if the number of
            values is not that of the rows.
        TypeError
            If there is no stateful estimator inside `estimator`.
        """
        from sklstm.streaming import stream

        way = stream(estimator)
        table = way.estimator.lane_table(way.transform(X))
        index = dates_of(len(X), X, y, values)
        by_y = values is None and y is not None
        classes = estimator.classes_ if by_y and is_classifier(estimator) else None
        values, label = _choose_values(X, y, values)
        display = cls(table, values, index=index, label=label, classes=classes)
        return display.plot(ax, **imshow_kw)

    def _figsize(self) -> tuple[float, float]:
        n_lanes = _check_table(self.table, len(self.values)).shape[1]
        return image_size(n_lanes, 0.2, most=7)

    def _draw(self, ax, imshow_kw: dict[str, Any]) -> None:
        table = np.asarray(self.table)
        self._draw_values(ax, table, imshow_kw)
        if (table == EMPTY).any():
            hatch_background(ax, "no window")
        dates = None if self.index is None else self.index[_first_rows(table)]
        tick_columns(ax, dates, at=-0.5)
        ax.set_xlabel("batch" if dates is None else "start of the batch")
        seasons = None if self.index is None else _season_of_each(table, self.index)
        if seasons is None:
            tick_lanes(ax.yaxis, [str(i) for i in range(table.shape[1])])
            ax.set_ylabel("lane")
        else:
            tick_lanes(ax.yaxis, [f"lane {i} · {s}" for i, s in enumerate(seasons)])

    def _draw_values(self, ax, table: np.ndarray, imshow_kw: dict[str, Any]) -> None:
        """Draw the image itself and its colour bar."""
        values, classes = np.asarray(self.values), self._find_classes()
        look = {}
        if classes is not None:
            values, look = encode_classes(values, classes), class_colours(len(classes))
        picture = np.ma.masked_where(table == EMPTY, values[table]).T  # (B, K)
        look = {**look, **imshow_kw}
        self.image_, self.colorbar_ = draw_image(ax, picture, self.label, look)
        if classes is not None:
            names = [str(c) for c in classes]
            self.colorbar_.set_ticks(range(len(names)), labels=names)
            self.colorbar_.ax.tick_params(length=0, which="both")

    def _find_classes(self) -> np.ndarray | None:
        known = find_classes(self.values) if self.classes is None else self.classes
        return None if known is None else merge_classes(known, self.values)


def _choose_values(X, y, values) -> tuple[np.ndarray, str]:
    """One value for each row of X, and the name of these values."""
    choices = [(values, "value"), (y, "y"), (X, "feature 0")]
    chosen, name = next(choice for choice in choices if choice[0] is not None)
    column, name = first_column(chosen, name)
    if len(column) != len(X):
        raise ValueError(
            f"There are {len(column)} values for {len(X)} rows of X. Pass one value for"
            " each row."
        )
    return column, name


def _check_table(table: Any, n_rows: int) -> np.ndarray:
    table = np.asarray(table)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu":
        raise ValueError(
            f"table has shape {table.shape} and dtype {table.dtype}, but must be an"
            " array of int of shape (n_batches, batch_size), as lane_table(X) returns"
            " it for rows enough to fill a window."
        )
    if table.min() < EMPTY or table.max() >= n_rows:
        raise ValueError(
            f"table names rows from {table.min()} to {table.max()}, but there are"
            f" values for {n_rows} rows, 0 to {n_rows - 1}; -1 stands for no row. Pass"
            " the values of the rows that the table was made for."
        )
    return table


def _first_rows(table: np.ndarray) -> np.ndarray:
    """The row that each batch starts with, of shape (n_batches,)."""
    return np.where(table == EMPTY, table.max(), table).min(axis=1)


# --- seasons ----------------------------------------------------------------------


def _season_of_each(table: np.ndarray, dates: pd.DatetimeIndex) -> list[str] | None:
    """The weekday, hour or month that each lane reads, if each reads only one.

    Otherwise None. It is None too if all lanes read the same one, or each lane a single
    row, since such labels would not distinguish the lanes.
    """
    if min(table.shape) < 2:
        return None
    for form in _seasons(dates):
        names = dates.strftime(form).to_numpy()[table]  # (K, B)
        lanes = zip(names.T, (table != EMPTY).T, strict=True)
        of_lanes = [set(lane[used]) for lane, used in lanes]
        if max(map(len, of_lanes)) == 1 and len(set.union(*of_lanes)) > 1:
            return [next(iter(names), "no rows") for names in of_lanes]
    return None


def _seasons(dates: pd.DatetimeIndex) -> Iterator[str]:
    """Formats, as of ``strftime``, of the seasons that rows at this step can have."""
    step = dates.to_series().diff().median()
    if step >= pd.Timedelta(days=28):
        yield "%b"
    elif step >= pd.Timedelta(days=1):
        yield "%a"
    else:
        yield from ("%a %H:%M", "%H:%M")
