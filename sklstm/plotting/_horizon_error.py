"""`HorizonErrorDisplay`: how the error of a forecast grows with the steps ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    tick_whole_numbers,
)

#: Baselines are grey, and behind the estimator.
LOOKS: dict[str, dict[str, Any]] = {
    "persistence": {"color": "0.45", "linestyle": "--"},
    "seasonal persistence": {"color": "0.45", "linestyle": ":"},
}


class HorizonErrorDisplay(Display):
    """The error of forecasts by how many steps ahead they are, beside baselines.

    `BacktestResult.plot` draws it; the constructor takes errors from elsewhere as well,
    such as those of several rivals.

    Parameters
    ----------
    errors : DataFrame of shape (n_horizons, n_lines)
        Indexed by the horizon, with a column for each line. Columns named "persistence"
        and "seasonal persistence" are drawn in grey.
    error_name : str, default="mean absolute error"
        Name of the error, with its unit if it has one.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        A line for each column.
    ax_ : matplotlib Axes
        The axes with the lines.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklstm.plotting import HorizonErrorDisplay
    >>> errors = pd.DataFrame(
    ...     {"estimator": [1.0, 1.4, 1.6], "persistence": [1.5, 2.8, 3.9]},
    ...     index=[1, 2, 3])
    >>> display = HorizonErrorDisplay(errors, error_name="error in °C").plot()
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('steps ahead', 'error in °C')
    """

    def __init__(
        self, errors: pd.DataFrame, *, error_name: str = "mean absolute error"
    ) -> None:
        self.errors = errors
        self.error_name = error_name

    def plot(self, ax: Any = None, **line_kw: Any) -> HorizonErrorDisplay:
        """Draw a line for each column.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        **line_kw : dict
            Keywords for the lines.

        Returns
        -------
        self : HorizonErrorDisplay

        Raises
        ------
        ValueError
            If `errors` is not a frame of numbers indexed by increasing numbers.
        ImportError
            If matplotlib is not installed.
        """
        errors = _check_errors(self.errors)
        ax = self._take_axes(ax)
        own = [str(name) for name in errors.columns if name not in LOOKS]
        colours = dict(zip(own, free_colours(ax, len(own)), strict=True))
        self.lines_ = []
        for name, column in errors.items():
            look = LOOKS.get(
                str(name), {"color": colours.get(str(name)), "marker": "o"}
            )
            look = {"markersize": 4, "linewidth": 1.2, "label": str(name), **look}
            line = ax.plot(errors.index, column, **line_style(line_kw, **look))[0]
            self.lines_.append(line)
        tick_whole_numbers(ax.xaxis)
        ax.set(xlabel="steps ahead", ylabel=self.error_name)
        ax.set_ylim(bottom=0)
        ax.legend()
        return self


def _check_errors(errors: Any) -> pd.DataFrame:
    """The errors as floats, once they are as `plot` needs them."""
    if not isinstance(errors, pd.DataFrame) or not errors.size:
        raise ValueError(
            "errors must be a DataFrame with a row for each horizon and a column for"
            f" each line; got {type(errors).__name__} of shape {np.shape(errors)}."
        )
    index = errors.index
    if not pd.api.types.is_numeric_dtype(index) or not index.is_monotonic_increasing:
        raise ValueError(
            "errors must be indexed by horizons, as increasing numbers; got the index"
            f" {list(index[:5])}."
        )
    return errors.astype(float)
