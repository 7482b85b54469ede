"""`ResidualsDisplay`: what forecasts have left of the values that came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from sklstm.plotting._alignment import lay_in_time
from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    name_time_axis,
    places_in_time,
    tick_whole_numbers,
)
from sklstm.plotting._rows import of_one_series

MOST_LAGS = 48  # two days of hours, four years of months
GREY: dict[str, Any] = {"color": "0.45", "linewidth": 0.9}


class ResidualsDisplay(Display):
    r"""Residuals over time, their distribution, and their autocorrelation.

    ``BacktestResult.plot("residuals")`` draws those of a backtest;
    :meth:`from_predictions` takes forecasts from elsewhere as well. The constructor
    only stores data computed before.

    Parameters
    ----------
    residuals : Series of shape (n_rows,)
        What came less what was forecast, NaN where nothing came, indexed by dates or
        numbers.
    runs : array-like of shape (n_rows,), default=None
        Which run of consecutive rows each row is of. Residuals of different runs, such
        as of folds with rows between them, are not compared in the autocorrelation. By
        default all rows follow one another.
    n_lags : int, default=None
        Up to which lag the autocorrelation is drawn. By default a quarter of the rows,
        but at most 48.
    unit : str, default=None
        Unit of the values, for the axes.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The residuals over time, as dots.
    bars_ : matplotlib BarContainer
        The histogram.
    normal_ : matplotlib Line2D
        The density of the normal distribution with the residuals' mean and standard
        deviation.
    autocorrelation_ : ndarray of shape (n_lags,)
        That of lags 1, 2, ….
    axes_ : ndarray of matplotlib Axes, of shape (3,)
        Those of residuals over time, of the histogram and of the autocorrelation.
    ax_ : matplotlib Axes
        The one whose place they take, without a frame.
    figure_ : matplotlib Figure
        The figure with the axes.

    Notes
    -----
    The autocorrelation of residuals :math:`e_t` at lag k, with the sum over those pairs
    that are known and of one run, is

    .. math:: r_k = \sum_t (e_t - \bar e)(e_{t+k} - \bar e)
        \,\big/\, \sum_t (e_t - \bar e)^2

    Of residuals that tell nothing of one another, 95 % of the :math:`r_k` lie within
    :math:`\pm 1.96 / \sqrt n`, between the dashed lines [1]_. Forecasts h steps ahead
    made at each row have errors in common, so that theirs are correlated up to lag
    h - 1 even where nothing could be forecast better.

    References
    ----------
    .. [1] R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles and practice",
       3rd edition, OTexts 2021, chapter 5.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.plotting import ResidualsDisplay
    >>> noise = np.random.default_rng(0).normal(size=400)
    >>> truth = 20 + noise + 0.9 * np.roll(noise, 1)   # an error tells of the next
    >>> display = ResidualsDisplay.from_predictions(truth, np.full(400, 20.0))
    >>> float(display.autocorrelation_[0].round(1))
    0.5
    """

    def __init__(
        self,
        residuals: Any,
        *,
        runs: Any = None,
        n_lags: int | None = None,
        unit: str | None = None,
    ) -> None:
        self.residuals = residuals
        self.runs = runs
        self.n_lags = n_lags
        self.unit = unit

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        index: Any = None,
        runs: Any = None,
        n_lags: int | None = None,
        unit: str | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> ResidualsDisplay:
        """Draw the residuals of predictions that were made before.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_rows,)
            What came, NaN where nothing did, and what was forecast, row by row.
        index : array-like of shape (n_rows,), default=None
            Dates or numbers of the rows, by default those of `y_pred` or `y_true`.
        runs, n_lags, unit : object
            As for the constructor.
        ax, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : ResidualsDisplay

        Raises
        ------
        ValueError
            If truth and forecast are not of the same rows and one output, if rows are
            not in time order, or as :meth:`plot` does.
        ImportError
            If matplotlib is not installed.
        """
        y_true, y_pred = of_one_series(y_true), of_one_series(y_pred)
        truth, forecast = lay_in_time(y_true, y_pred, index)
        if truth is None or forecast.shape != truth.shape or forecast.shape[1] != 1:
            shapes = [None if y is None else np.shape(y) for y in (y_true, y_pred)]
            raise ValueError(
                "y_true and y_pred must be one value for each of the same rows; got"
                f" shapes {shapes[0]} and {shapes[1]}."
            )
        if not truth.index.equals(forecast.index):
            raise ValueError(
                "y_true and y_pred are indexed by different rows. Pass both of the same"
                " rows, or as arrays."
            )
        made, came = (
            frame.iloc[:, 0].to_numpy(float, na_value=np.nan)
            for frame in (forecast, truth)
        )
        residuals = pd.Series(came - made, forecast.index)
        return cls(residuals, runs=runs, n_lags=n_lags, unit=unit).plot(ax, **line_kw)

    def plot(self, ax: Any = None, **line_kw: Any) -> ResidualsDisplay:
        """Draw the three pictures.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place the three take, made by ``plt.subplots`` or the like; by default
            a new figure.
        **line_kw : dict
            Keywords for the dots over time.

        Returns
        -------
        self : ResidualsDisplay

        Raises
        ------
        ValueError
            If less than 3 residuals are known, all are equal, `runs` is of another
            length, `n_lags` is out of range, or `ax` is no part of a grid.
        ImportError
            If matplotlib is not installed.
        """
        values = self.residuals.to_numpy(float, na_value=np.nan)
        n_lags = _check_residuals(values, self.runs, self.n_lags)
        ax = self._take_axes(ax, figsize=(9, 6))
        self.axes_ = _divide(ax)
        colour = free_colours(ax, 1)[0]
        self._draw_over_time(values, line_style(line_kw, color=colour))
        known = values[np.isfinite(values)]
        self._draw_distribution(known, self.line_.get_color())
        self.autocorrelation_ = autocorrelation(values, n_lags, self.runs)
        self._draw_autocorrelation(len(known), self.line_.get_color())
        return self

    def _draw_over_time(self, values: np.ndarray, look: dict[str, Any]) -> None:
        ax = self.axes_[0]
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.5}
        x = places_in_time(self.residuals.index)
        (self.line_,) = ax.plot(x, values, **{**dots, **look})
        ax.axhline(0, **GREY)
        name_time_axis(ax, self.residuals.index)
        ax.set_ylabel(self._name("truth - forecast"))

    def _draw_distribution(self, known: np.ndarray, colour) -> None:
        ax = self.axes_[1]
        mean, deviation = known.mean(), known.std()
        bins = np.histogram_bin_edges(known, bins="fd" if len(known) > 50 else "auto")
        bins = np.linspace(bins[0], bins[-1], min(len(bins), 61))
        look = {"density": True, "color": colour, "alpha": 0.5}
        _, _, self.bars_ = ax.hist(known, bins, label="residuals", **look)
        x = np.linspace(bins[0], bins[-1], 200)
        density = norm.pdf(x, mean, deviation)
        label = f"normal, mean {mean:.3g},\nstandard deviation {deviation:.3g}"
        (self.normal_,) = ax.plot(x, density, color="0.25", label=label)
        ax.set(xlabel=self._name("truth - forecast"), ylabel="density")
        ax.set_ylim(top=1.5 * ax.get_ylim()[1])  # room for the legend
        ax.legend(loc="upper left", fontsize="small")

    def _draw_autocorrelation(self, n_known: int, colour) -> None:
        ax = self.axes_[2]
        lags = np.arange(1, len(self.autocorrelation_) + 1)
        ax.vlines(lags, 0, self.autocorrelation_, color=colour, linewidth=1.5)
        ax.axhline(0, **GREY)
        for sign in (-1, 1):
            ax.axhline(sign * 1.96 / np.sqrt(n_known), linestyle="--", **GREY)
        tick_whole_numbers(ax.xaxis)
        ax.set(xlabel="lag, in forecasts", ylabel="autocorrelation")

    def _name(self, text: str) -> str:
        return f"{text} ({self.unit})" if self.unit else text


def autocorrelation(values: np.ndarray, n_lags: int, runs: Any = None) -> np.ndarray:
    """The autocorrelation of lags 1 to `n_lags`, over pairs that are known, in a run.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        NaN where one is missing.
    n_lags : int
    runs : array-like of shape (n_rows,), optional
        Pairs of different runs are left out.
    """
    centred = np.nan_to_num(values - np.nanmean(values))  # missing ones add nothing
    runs = np.zeros(len(values)) if runs is None else np.asarray(runs)
    products = [
        (centred[:-lag] * centred[lag:])[runs[:-lag] == runs[lag:]].sum()
        for lag in range(1, n_lags + 1)
    ]
    return np.array(products) / (centred**2).sum()


def _divide(ax) -> np.ndarray:
    """Three axes in the place of one: one above, two side by side below."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax is to be divided into three, so it must be a part of a grid, such as"
            " plt.subplots makes; this one was placed by hand."
        )
    ax.set_axis_off()
    grid = place.subgridspec(2, 2)
    figure = ax.figure
    places = (grid[0, :], grid[1, 0], grid[1, 1])
    return np.array([figure.add_subplot(one) for one in places])


def _check_residuals(values: np.ndarray, runs: Any, n_lags: Any) -> int:
    """The number of lags, once the data are as `plot` needs them."""
    known = values[np.isfinite(values)]
    if len(known) < 3 or np.ptp(known) == 0:
        raise ValueError(
            f"At least 3 residuals that are not all equal are needed; got {len(known)},"
            f" {known[:3].tolist()} among them."
        )
    if runs is not None and np.shape(runs) != values.shape:
        raise ValueError(
            f"runs must have an entry for each of the {len(values)} residuals; got"
            f" shape {np.shape(runs)}."
        )
    if n_lags is None:
        return min(MOST_LAGS, max(1, len(values) // 4))
    is_number = isinstance(n_lags, int | np.integer) and not isinstance(n_lags, bool)
    if not is_number or not 1 <= n_lags < len(values):
        raise ValueError(
            f"n_lags must be a whole number from 1 to {len(values) - 1}, less than the"
            f" number of residuals; got {n_lags!r}."
        )
    return int(n_lags)
