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
    label_step,
    mark_borders,
    mark_columns,
    tick_columns,
    tick_lanes,
)
from sklstm.plotting._rows import (
    dates_of,
    encode_classes,
    find_classes,
    first_column,
    merge_classes,
    series_of,
    without_ids,
)


class LanesDisplay(ImageDisplay):
    """The rows that each lane reads: lanes from top to bottom, batches to the right.

    The image is hatched where a lane has no window in a batch. If each lane always
    reads the same weekday, hour or month, it is labelled with that.
    Use :meth:`from_estimator`; the constructor only stores data computed before.

    With tiled windows each row has a column of its own, since a lane reads each of its
    rows once. Thin lines are the cuts between tiles, where the state is carried and the
    gradient stops. Thick ones are where a lane comes to another series, whose state
    starts from zero. A lane is labelled with the date of its first row.

    Parameters
    ----------
    table : ndarray of int of shape (n_batches, batch_size) or \
            (n_batches, batch_size, sequence_length)
        Entry (k, i) is the row at which the window of lane i in batch k ends, or -1 if
        the lane has no window there, as an estimator's ``lane_table`` returns it. With
        tiled windows it is all rows of the tile.
    values : array-like of shape (n_rows,)
        Numbers or labels that give each row its colour; a missing value has none.
    index : DatetimeIndex of shape (n_rows,), default=None
        Dates of the rows.
    label : str, default="value"
        Name of the values, for the colour bar.
    classes : array-like of shape (n_classes,), default=None
        The labels in the order of the colours, if the values are labels.
    series : array-like of shape (n_rows,), default=None
        The series that each row belongs to, if there are many.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The image of shape (batch_size, n_batches), masked where there is no window;
        with tiled windows (batch_size, n_batches * sequence_length).
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

    def __init__(
        self,
        table: Any,
        values: Any,
        *,
        index: Any = None,
        label: str = "value",
        classes: Any = None,
        series: Any = None,
    ) -> None:
        self.table = table
        self.values = values
        self.index = index
        self.label = label
        self.classes = classes
        self.series = series

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        values: Any = None,
        ax: Any = None,
        **imshow_kw: Any,
    ) -> LanesDisplay:
        """Draw which lane reads which row of X.

        Parameters
        ----------
        estimator : estimator
            A fitted stateful estimator, or one at the end of a `Pipeline`, inside a
            `TransformedTargetRegressor`, or found by a search.
        X : array-like of shape (n_rows, n_features) or \
                (n_windows, sequence_length, n_features)
            Rows as for `predict`: those that follow, or those given to `fit` and on.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            The targets of the rows, whose first output gives the colours.
        values : array-like of shape (n_rows,) or "series", default=None
            Values that give the colours instead of y, or ``"series"`` for a colour for
            each series. Without `values` and y, the first feature gives them.
        ax, **imshow_kw
            As in :meth:`plot`.

        Returns
        -------
        display : LanesDisplay

        Raises
        ------
        ValueError
            If the estimator is stateless, and so has no lanes, if the number of values
            is not that of the rows, or if ``values="series"`` and X holds one series.
        TypeError
            If there is no stateful estimator inside `estimator`, or an ensemble of
            them: pass one of its members.
        """
        from sklstm.streaming import stream

        way = stream(estimator)
        inside = way.transform(X)
        table = way.estimator.lane_table(inside)
        series = series_of(inside, way.estimator.series_id)
        index = dates_of(len(X), X, y, values) if series is None else None
        by_y = values is None and y is not None
        classes = estimator.classes_ if by_y and is_classifier(estimator) else None
        features = without_ids(X, way.estimator.series_id, bool(way.network.way_in))
        values, label = _choose_values(features, y, values, series)
        display = cls(
            table, values, index=index, label=label, classes=classes, series=series
        )
        return display.plot(ax, **imshow_kw)

    def _figsize(self) -> tuple[float, float]:
        n_lanes = _check_table(self.table, len(self.values)).shape[1]
        return image_size(n_lanes, 0.2, most=7)

    def _draw(self, ax, imshow_kw: dict[str, Any]) -> None:
        table = np.asarray(self.table)
        if table.ndim == 3:
            self._draw_tiles(ax, table, imshow_kw)
            return
        self._draw_values(ax, table.T, imshow_kw)
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

    def _draw_tiles(self, ax, table: np.ndarray, imshow_kw: dict[str, Any]) -> None:
        n_batches, n_lanes, length = table.shape
        rows = table.transpose(1, 0, 2).reshape(n_lanes, -1)  # (B, K * T)
        self._draw_values(ax, rows, imshow_kw)
        if (rows == EMPTY).any():
            hatch_background(ax, "no row")
        mark_columns(ax, np.arange(1, n_batches) * length, rows.shape[1])
        if self.series is not None:
            mark_borders(ax, *_borders(rows, np.asarray(self.series)))
        is_one = n_lanes == 1 and self.index is not None
        columns = np.where(rows[0] == EMPTY, rows.max(), rows[0])
        tick_columns(ax, self.index[columns] if is_one else None)
        cut = f"cut every {length} row(s)"
        ax.set_xlabel(cut if is_one else f"row of the lane, {cut}")
        if self.index is None or is_one:
            tick_lanes(ax.yaxis, [str(i) for i in range(n_lanes)])
            ax.set_ylabel("lane")
        else:
            starts = self.index[_first_rows(rows)].strftime(_date_format(self.index))
            labels = [f"lane {i} · from {day}" for i, day in enumerate(starts)]
            tick_lanes(ax.yaxis, labels)

    def _draw_values(self, ax, rows: np.ndarray, imshow_kw: dict[str, Any]) -> None:
        """Draw the values of rows of shape (B, n_columns), and their colour bar."""
        values, classes = np.asarray(self.values), self._find_classes()
        look = {}
        if classes is not None:
            values, look = encode_classes(values, classes), class_colours(len(classes))
        picture = np.ma.masked_where(rows == EMPTY, values[rows])
        look = {**look, **imshow_kw}
        self.image_, self.colorbar_ = draw_image(ax, picture, self.label, look)
        if classes is not None:
            step = label_step(self.colorbar_.ax.yaxis, len(classes))
            names = [str(c) for c in classes][::step]
            self.colorbar_.set_ticks(range(0, len(classes), step), labels=names)
            self.colorbar_.ax.tick_params(length=0, which="both")

    def _find_classes(self) -> np.ndarray | None:
        known = find_classes(self.values) if self.classes is None else self.classes
        return None if known is None else merge_classes(known, self.values)


def _choose_values(X, y, values, series) -> tuple[np.ndarray, str]:
    """One value for each row of X, and the name of these values."""
    if isinstance(values, str) and values == "series":
        if series is None:
            raise ValueError(
                'values="series" gives each series a colour, but X holds one without a'
                " name. Leave values out, or tell series apart by series_id or a"
                " MultiIndex."
            )
        return series, "series"
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
    if table.ndim not in (2, 3) or not table.size or table.dtype.kind not in "iu":
        raise ValueError(
            f"table has shape {table.shape} and dtype {table.dtype}, but must be an"
            " array of int of shape (n_batches, batch_size), or (n_batches, batch_size,"
            " sequence_length) for tiled windows, as lane_table(X) returns it for rows"
            " enough to fill a window."
        )
    if table.min() < EMPTY or table.max() >= n_rows:
        raise ValueError(
            f"table names rows from {table.min()} to {table.max()}, but there are"
            f" values for {n_rows} rows, 0 to {n_rows - 1}; -1 stands for no row. Pass"
            " the values of the rows that the table was made for."
        )
    return table


def _first_rows(table: np.ndarray) -> np.ndarray:
    """The first row of each batch or lane, of shape (n,), of a table (n, n_rows)."""
    return np.where(table == EMPTY, table.max(), table).min(axis=1)


def _borders(rows: np.ndarray, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lanes and columns at which another series begins within a lane."""
    codes = np.where(rows == EMPTY, -1, pd.factorize(series)[0][rows])
    before, after = codes[:, :-1], codes[:, 1:]
    lanes, columns = np.nonzero((before != after) & (before >= 0) & (after >= 0))
    return lanes, columns + 1


def _date_format(dates: pd.DatetimeIndex) -> str:
    in_days = (dates == dates.normalize()).all()
    return "%Y-%m-%d" if in_days else "%Y-%m-%d %H:%M"


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
