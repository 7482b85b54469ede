"""`CoverageDisplay`: what share of values has lately been inside their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from sklstm.plotting._alignment import lay_in_time
from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    name_time_axis,
    places_in_time,
)
from sklstm.plotting._bands import check_coverages, column_of, read_bands
from sklstm.plotting._rows import dates_of, of_one_series

CHANCE = 0.95  # of windows that the grey range holds, were misses independent


class CoverageDisplay(Display):
    """The rolling share of values inside their intervals, beside what was asked for.

    Use :meth:`from_estimator` or :meth:`from_predictions`; the constructor only stores
    data computed before.

    Parameters
    ----------
    inside : DataFrame of shape (n_rows, n_coverages)
        Whether each value is inside its interval, 1 or 0, and NaN where the value is
        missing, indexed by dates or numbers. The names of the columns are the coverages
        that were asked for.
    window : int, default=100
        The number of rows, of those with a value, over which the share is taken. At a
        row it is that of the `window` rows up to it.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The rolling share, a line for each coverage.
    target_lines_ : list of matplotlib Line2D
        The coverages that were asked for.
    ax_ : matplotlib Axes
        The axes with the lines.
    figure_ : matplotlib Figure
        The figure with the axes.

    See Also
    --------
    IntervalDisplay : The intervals themselves.

    Notes
    -----
    A share of n rows differs from the coverage by chance alone. If values missed their
    intervals independently of one another, 95 % of the shares would lie in the pale
    range about each coverage: that of a binomial distribution. Values of a series may
    miss in runs, which moves the share further.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.plotting import CoverageDisplay
    >>> y = np.random.default_rng(0).normal(size=500)
    >>> ends = np.tile([-1.645, 1.645], (500, 1))
    >>> display = CoverageDisplay.from_predictions(y, {0.9: ends}, window=100)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['90 % interval: 91.8 % of all']
    """

    def __init__(self, inside: Any, *, window: int = 100) -> None:
        self.inside = inside
        self.window = window

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        coverages: Any = (0.8, 0.95),
        window: int = 100,
        output: int | None = None,
        index: Any = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> CoverageDisplay:
        """Draw what share of the values the intervals would have held live.

        The interval of each row is made once the values of all rows before it have been
        observed, by `step_interval`. Then the estimator is set back to where it was.

        Parameters
        ----------
        estimator : ConformalRegressor
            Fitted, and at the row before X.
        X : array-like of shape (n_rows, n_features)
            The rows after those seen, of one series.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Their values, NaN where one is not known.
        coverages : sequence of float, default=(0.8, 0.95)
            The coverages of the intervals, each between 0 and 1.
        window : int, default=100
            As for the constructor.
        output : int, default=None
            Number of the output to draw, where y has several columns.
        index : array-like of shape (n_rows,), default=None
            Dates or numbers of the rows. By default the dates of y, or else of X.
        ax, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        ValueError
            As in :meth:`from_predictions`, if a coverage is not between 0 and 1, or if
            there are several outputs or several series to choose from.
        """
        check_coverages(coverages)
        truth = of_one_series(column_of(y, output, 1))
        rows = of_one_series(X)
        if index is None:
            index = dates_of(len(truth), truth, rows)
        intervals = {
            c: column_of(_walk(estimator, X, y, c), output, 2) for c in coverages
        }
        options = {"window": window, "index": index, "ax": ax}
        return cls.from_predictions(truth, intervals, **options, **line_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        intervals: Any,
        *,
        window: int = 100,
        index: Any = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> CoverageDisplay:
        """Draw the share of values inside intervals that were made before.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            The values, NaN where one is missing.
        intervals : dict of float to array-like of shape (n_rows, 2)
            Lower and upper ends of the intervals of each coverage.
        window : int, default=100
            As for the constructor.
        index : array-like of shape (n_rows,), default=None
            Dates or numbers of the rows, by default those of `y_true`.
        ax, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        ValueError
            If intervals are not as described, if the window is longer than the rows
            with a value, or if rows are not in time order.
        ImportError
            If matplotlib is not installed.
        """
        _, frame = lay_in_time(None, of_one_series(y_true), index)
        values = frame.iloc[:, 0].to_numpy(float, na_value=np.nan)
        inside = {}
        for coverage, ends in read_bands(intervals, len(values)).items():
            held = (ends[:, 0] <= values) & (values <= ends[:, 1])
            inside[coverage] = np.where(np.isnan(values), np.nan, held)
        return cls(pd.DataFrame(inside, frame.index), window=window).plot(ax, **line_kw)

    def plot(self, ax: Any = None, **line_kw: Any) -> CoverageDisplay:
        """Draw the rolling shares as lines, the coverages dashed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        **line_kw : dict
            Keywords for the lines of the shares.

        Returns
        -------
        self : CoverageDisplay

        Raises
        ------
        ValueError
            If the window is longer than the rows with a value, or none.
        ImportError
            If matplotlib is not installed.
        """
        known = self.inside.dropna()
        _check_window(self.window, len(known))
        ax = self._take_axes(ax, figsize=(9, 4))
        colours = free_colours(ax, known.shape[1])
        self.lines_: list[Any] = []
        self.target_lines_: list[Any] = []
        x = places_in_time(known.index)[self.window - 1 :]
        for (coverage, held), colour in zip(known.items(), colours, strict=True):
            self._draw_target(ax, coverage, colour)
            of_all = f"{100 * held.mean():.1f} % of all"
            label = f"{100 * coverage:g} % interval: {of_all}"
            look = line_style(line_kw, color=colour, linewidth=1.3, label=label)
            shares = held.rolling(self.window).mean().to_numpy()[self.window - 1 :]
            self.lines_ += ax.plot(x, shares, **look)
        self._name_axes(ax)
        return self

    def _draw_target(self, ax, coverage: float, colour: str) -> None:
        look: dict[str, Any] = {"color": colour, "linewidth": 0.9, "linestyle": "--"}
        self.target_lines_.append(ax.axhline(coverage, **look, zorder=1.5))
        low, high = np.array(binom.interval(CHANCE, self.window, coverage))
        band = {"color": colour, "alpha": 0.1, "linewidth": 0, "zorder": 1}
        ax.axhspan(low / self.window, high / self.window, **band)

    def _name_axes(self, ax) -> None:
        from matplotlib.ticker import PercentFormatter

        name_time_axis(ax, self.inside.index)
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        ax.set_ylabel(f"inside, of the last {self.window} rows")
        ax.legend()


def _walk(estimator: Any, X: Any, y: Any, coverage: float) -> np.ndarray:
    """The intervals of `step_interval`; the estimator is left where it was."""
    before = estimator.get_states()
    try:
        return estimator.step_interval(X, y, coverage)
    finally:
        estimator.set_states(before)


def _check_window(window: Any, n_known: int) -> None:
    is_number = isinstance(window, int | np.integer) and not isinstance(window, bool)
    if not is_number or not 1 <= window <= n_known:
        raise ValueError(
            f"window must be a whole number from 1 to {n_known}, the number of rows"
            f" with a value; got {window!r}."
        )
