"""`IntervalDisplay`: intervals of one or several coverages around forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm.plotting._alignment import lay_in_time
from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    name_time_axis,
    places_in_time,
)
from sklstm.plotting._bands import check_coverages, column_of, read_bands
from sklstm.plotting._rows import dates_of, is_pandas, of_one_series

TRUTH = {"color": "0.25", "linewidth": 1.5}
LIGHTEST, DARKEST = 0.2, 0.55  # opacity of the widest and the narrowest interval


class IntervalDisplay(Display):
    """A fan chart: intervals around forecasts, beside what was before and what came.

    Use :meth:`from_estimator` or :meth:`from_predictions`; the constructor only stores
    data computed before.

    Parameters
    ----------
    y_true : Series of shape (n_true,) or None
        The true values, indexed by dates or numbers.
    y_pred : Series of shape (n_pred,)
        The forecasts, with an index of the same kind. The truth may begin earlier, as a
        history, and end later.
    intervals : dict of float to ndarray of shape (n_pred, 2)
        Lower and upper ends of the intervals of each coverage.
    unit : str, default=None
        Unit of the values, for the axis.

    Attributes
    ----------
    truth_line_ : matplotlib Line2D or None
        The truth; None if there is none.
    forecast_line_ : matplotlib Line2D
        The forecasts.
    bands_ : list of matplotlib PolyCollection
        The intervals of each coverage, from the widest to the narrowest.
    ax_ : matplotlib Axes
        The axes with the lines.
    figure_ : matplotlib Figure
        The figure with the axes.

    See Also
    --------
    CoverageDisplay : Whether intervals have held what they promise.
    sklstm.intervals.ConformalRegressor : The estimator that makes intervals.

    Examples
    --------
    A forecast of three days after a history of four:

    >>> import pandas as pd
    >>> from sklstm.plotting import IntervalDisplay
    >>> days = pd.date_range("2024-05-01", periods=7, name="day")
    >>> history = pd.Series([3.0, 4.0, 5.0, 4.5], days[:4])
    >>> forecast = pd.Series([4.6, 4.8, 5.1], days[4:])
    >>> display = IntervalDisplay.from_predictions(
    ...     history, forecast,
    ...     {0.5: [[4.2, 5.0], [4.3, 5.3], [4.5, 5.7]],
    ...      0.9: [[3.6, 5.6], [3.5, 6.1], [3.4, 6.8]]}, unit="°C")
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['truth', 'forecast', '90 % interval', '50 % interval']
    """

    def __init__(
        self, *, y_true: Any, y_pred: Any, intervals: Any, unit: str | None = None
    ) -> None:
        self.y_true = y_true
        self.y_pred = y_pred
        self.intervals = intervals
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        coverages: Any = (0.5, 0.8, 0.95),
        output: int | None = None,
        index: Any = None,
        unit: str | None = None,
        ax: Any = None,
        truth_kw: dict[str, Any] | None = None,
        **line_kw: Any,
    ) -> IntervalDisplay:
        """Draw the intervals that an estimator gives for the rows of X.

        All are made with what the estimator knows before these rows, and it stays as it
        is.

        Parameters
        ----------
        estimator : estimator
            A fitted `ConformalRegressor`, or another estimator with `predict` and
            ``predict_interval(X, coverage)``.
        X : array-like of shape (n_rows, n_features)
            The rows to forecast from, of one series.
        y : array-like of shape (n_true,) or (n_true, n_outputs), default=None
            The truth for the first n_true rows. If it has dates and X has them too, it
            may begin earlier, to be drawn as a history.
        coverages : sequence of float, default=(0.5, 0.8, 0.95)
            The coverages of the intervals, each between 0 and 1.
        output : int, default=None
            Number of the output to draw, where y has several columns.
        index : array-like of shape (n_rows,), default=None
            Dates or numbers of the rows. By default the dates of X, or else of y. If
            ``y[i]`` belongs to a later time than row i of X, pass these times, such as
            ``X.index + pd.Timedelta(hours=1)``; the truth begins at the first of them.
        unit, ax, truth_kw, **line_kw
            As in :meth:`from_predictions`.

        Returns
        -------
        display : IntervalDisplay

        Raises
        ------
        ValueError
            As in :meth:`from_predictions`, if a coverage is not between 0 and 1, or if
            there are several outputs or several series to choose from.
        """
        check_coverages(coverages)
        made = column_of(estimator.predict(X), output, 1)
        intervals = {
            c: column_of(estimator.predict_interval(X, c), output, 2) for c in coverages
        }
        X, y = of_one_series(X), of_one_series(column_of(y, output, 1))
        dates = dates_of(len(made), X) if index is None else None
        if dates is not None and is_pandas(y):
            made = pd.Series(made, dates)  # each at its own dates
        elif dates is not None:
            index = dates
        return cls.from_predictions(
            y,
            made,
            intervals,
            index=index,
            unit=unit,
            ax=ax,
            truth_kw=truth_kw,
            **line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        intervals: Any,
        *,
        index: Any = None,
        unit: str | None = None,
        ax: Any = None,
        truth_kw: dict[str, Any] | None = None,
        **line_kw: Any,
    ) -> IntervalDisplay:
        """Draw forecasts and intervals that were made before, and the truth.

        Parameters
        ----------
        y_true : array-like of shape (n_true,) or None
            The truth. If it and `y_pred` are pandas objects and `index` is None, each
            is drawn at its own index, so that a history may come first. If it is an
            array, it belongs to the first n_true forecasts.
        y_pred : array-like of shape (n_pred,)
            The forecasts.
        intervals : dict of float to array-like of shape (n_pred, 2)
            Lower and upper ends of the intervals of each coverage.
        index : array-like of shape (n_pred,), default=None
            Dates or numbers of the forecasts; the truth begins at the first of them. By
            default the index of `y_pred`, or else of a `y_true` of equal length.
        unit : str, default=None
            Unit of the values, for the axis.
        ax, truth_kw, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : IntervalDisplay

        Raises
        ------
        ValueError
            If there are several outputs, if intervals are not as described, if the time
            of a row is unclear, or if rows are not in time order.
        ImportError
            If matplotlib is not installed.
        """
        y_true, y_pred = of_one_series(y_true), of_one_series(y_pred)
        truth, forecast = lay_in_time(y_true, y_pred, index)
        if forecast.shape[1] > 1:
            raise ValueError(
                f"y_pred has {forecast.shape[1]} outputs, but intervals of one are"
                " drawn. Pass one column of y_true and y_pred."
            )
        display = cls(
            y_true=None if truth is None else truth.iloc[:, 0],
            y_pred=forecast.iloc[:, 0],
            intervals=read_bands(intervals, len(forecast)),
            unit=unit,
        )
        return display.plot(ax, truth_kw=truth_kw, **line_kw)

    def plot(
        self, ax: Any = None, *, truth_kw: dict[str, Any] | None = None, **line_kw: Any
    ) -> IntervalDisplay:
        """Draw the intervals as areas, the darker the narrower, behind both lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        truth_kw : dict, default=None
            Keywords for the line of the truth.
        **line_kw : dict
            Keywords for the line of the forecasts, whose colour the areas have.

        Returns
        -------
        self : IntervalDisplay

        Raises
        ------
        ValueError
            If the intervals are not as the constructor expects them.
        ImportError
            If matplotlib is not installed.
        """
        bands = read_bands(self.intervals, len(self.y_pred))
        ax = self._take_axes(ax, figsize=(9, 4))
        look = {"color": free_colours(ax, 1)[0], "linewidth": 1.2, "label": "forecast"}
        look = line_style(line_kw, **look)
        self.truth_line_ = self._draw_truth(ax, truth_kw)
        self.forecast_line_ = self._draw(ax, self.y_pred, look)
        self.bands_ = self._draw_bands(ax, bands, self.forecast_line_.get_color())
        self._name_axes(ax)
        ax.legend()
        return self

    def _draw_truth(self, ax, truth_kw):
        if self.y_true is None:
            return None
        return self._draw(
            ax, self.y_true, line_style(truth_kw, **{"label": "truth", **TRUTH})
        )

    def _draw(self, ax, values: pd.Series, look: dict[str, Any]):
        # A single forecast would be no line.
        dot = {"marker": "o", "markersize": 4} if len(values) == 1 else {}
        numbers = values.to_numpy(float, na_value=np.nan)
        return ax.plot(places_in_time(values.index), numbers, **{**dot, **look})[0]

    def _draw_bands(self, ax, bands: dict[float, np.ndarray], colour) -> list[Any]:
        x = places_in_time(self.y_pred.index)
        shades = np.linspace(LIGHTEST, DARKEST, len(bands)) if len(bands) > 1 else [0.3]
        drawn = []
        for (coverage, ends), shade in zip(
            reversed(bands.items()), shades, strict=True
        ):
            look = {"color": mix_with_white(colour, float(shade)), "linewidth": 0}
            if len(x) == 1:
                look["linewidth"] = 6  # an area of no width would not be seen
            label = f"{100 * coverage:g} % interval"
            band = ax.fill_between(x, *ends.T, label=label, zorder=1, **look)
            drawn.append(band)
        return drawn

    def _name_axes(self, ax) -> None:
        longest = self.y_pred.index
        if self.y_true is not None:
            longest = self.y_true.index.union(longest).rename(longest.name)
        name_time_axis(ax, longest)
        name = str(self.y_pred.name or "")
        unit = f"({self.unit})" if self.unit and name else self.unit
        ax.set_ylabel(" ".join(part for part in (name, unit) if part))


def mix_with_white(colour, share: float) -> tuple[float, ...]:
    """An opaque colour: `share` of `colour`, the rest white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(colour))
