"""Axes, lines, images, ticks and colours: what the Displays share.

Only this module imports matplotlib, and only inside functions, so that the package can
be imported without it. Nothing here knows of estimators.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from typing_extensions import Self

#: Every lane is labelled, or every second, third, … or every multiple of 24 lanes.
LANE_STEPS = (1, 2, 3, 4, 6, 8, 12, 24)
LABEL_HEIGHT, DATE_WIDTH = 12, 40  # of a tick label, in points, with space around it
LEAST_BETWEEN_LINES = 4  # points; the image could not be seen behind closer lines


class Display:
    """Base of all Displays: finds the axes to draw on."""

    def _take_axes(self, ax, figsize: tuple[float, float] | None = None):
        """Set `ax_` to `ax`, or to the axes of a new figure, and `figure_` to theirs.

        A new figure has the size `figsize`, in inches.
        """
        require_matplotlib(type(self).__name__)
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


class ImageDisplay(Display):
    """Base of the Displays of an image."""

    def plot(self, ax: Any = None, **imshow_kw: Any) -> Self:
        """Draw the image.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        **imshow_kw : dict
            Keywords for ``ax.imshow``.

        Returns
        -------
        self : Display
            The Display itself.

        Raises
        ------
        ValueError
            If the data are not as the constructor expects them.
        ImportError
            If matplotlib is not installed.
        """
        ax = self._take_axes(ax, figsize=self._figsize())
        self._draw(ax, imshow_kw)
        return self

    def _figsize(self) -> tuple[float, float]:
        """The size of a new figure; raises ValueError for data that cannot be drawn."""
        raise NotImplementedError

    def _draw(self, ax, imshow_kw: dict[str, Any]) -> None:
        """Draw the image and its labels, and set `image_` and `colorbar_`."""
        raise NotImplementedError


def require_matplotlib(owner: str) -> None:
    """Raise ImportError with the command to install matplotlib, if it is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{owner} draws with matplotlib, which cannot be imported. Install it with:"
            ' pip install "matplotlib>=3.7"'
        ) from error


# --- lines ------------------------------------------------------------------------


def line_style(given: dict[str, Any] | None, **defaults: Any) -> dict[str, Any]:
    """Keywords of a line: those of `given`, then those of `defaults`.

    Aliases in `given`, such as ``lw`` for ``linewidth``, override defaults as well.
    """
    from matplotlib import cbook
    from matplotlib.lines import Line2D

    return {**defaults, **cbook.normalize_kwargs(given or {}, Line2D)}


def free_colours(ax, n: int) -> list[str]:
    """`n` colours of matplotlib's cycle that no line in `ax` has.

    Colours are used again if there are too few.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_hex

    colours = [to_hex(c) for c in rcParams["axes.prop_cycle"].by_key()["color"]]
    used = {to_hex(line.get_color()) for line in ax.lines}
    return list(islice(cycle([c for c in colours if c not in used] or colours), n))


# --- images -----------------------------------------------------------------------


def image_size(n_rows: int, inches_per_row: float, most: float) -> tuple[float, float]:
    """Width and height, in inches, of a figure for an image of `n_rows` rows."""
    return 9.0, float(np.clip(1.6 + inches_per_row * n_rows, 2.4, most))


def draw_image(ax, values: np.ndarray, label: str, imshow_kw: dict[str, Any]):
    """Draw an image that fills the axes, and its colour bar.

    If there is a pixel for each column, values are drawn with sharp edges. If not,
    neighbouring columns are averaged, because leaving some out would show patterns that
    are not in the data.
    """
    has_room = values.shape[1] <= ax.get_window_extent().width
    default = {"aspect": "auto"} | ({"interpolation": "nearest"} if has_room else {})
    image = ax.imshow(values, **{**default, **imshow_kw})
    return image, ax.figure.colorbar(image, ax=ax, label=label, pad=0.02)


def class_colours(n_classes: int) -> dict[str, Any]:
    """Keywords for ``imshow`` of an image whose values are numbers of classes."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    name = "tab10" if n_classes <= 10 else "tab20"
    colours = [colormaps[name](i % 20) for i in range(n_classes)]
    edges = np.arange(n_classes + 1) - 0.5
    norm = BoundaryNorm(edges, n_classes)
    return {"cmap": ListedColormap(colours), "norm": norm, "interpolation": "nearest"}


def hatch_background(ax, label: str):
    """Hatch the axes, which shows where an image is masked, and add a legend of it."""
    from matplotlib.patches import Patch

    look: dict[str, Any] = {
        "facecolor": "0.93",
        "edgecolor": "0.72",
        "hatch": "////",
        "linewidth": 0,
    }
    ax.patch.set(**look)
    return ax.legend(
        handles=[Patch(label=label, **look)],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        frameon=False,
    )


# --- ticks ------------------------------------------------------------------------


def tick_whole_numbers(axis) -> None:
    """Tick an axis at integers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(
        MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    )


def tick_dates(axis, dates: pd.DatetimeIndex) -> None:
    """Tick an axis whose values are dates, in the dates' own time zone."""
    locator, formatter = _date_ticks(dates, _most_dates(axis))
    axis.set_major_locator(locator)
    axis.set_major_formatter(formatter)


def places_in_time(index: pd.Index) -> np.ndarray:
    """Where rows with an index of dates or numbers lie along an axis."""
    return moments(index) if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def name_time_axis(ax, index: pd.Index, default: str = "row") -> None:
    """Tick and label a horizontal axis of dates or numbers; dates need no label."""
    if isinstance(index, pd.DatetimeIndex):
        tick_dates(ax.xaxis, index)
        default = ""
    else:
        tick_whole_numbers(ax.xaxis)
    ax.set_xlabel(index.name or default)
    ax.margins(x=0.01)


def tick_columns(ax, dates: pd.DatetimeIndex | None, at: float = 0.0) -> None:
    """Tick the columns of an image: by date where there are dates, else by number.

    Parameters
    ----------
    ax : matplotlib Axes
    dates : DatetimeIndex of shape (n_columns,) or None
        The date of each column; they need not be equally far apart.
    at : float
        Where in a column its date lies: 0 is the middle, -0.5 the left edge.
    """
    if dates is None:
        return tick_whole_numbers(ax.xaxis)
    from matplotlib.dates import date2num
    from matplotlib.ticker import FixedFormatter, FixedLocator

    ticks, labels, offset = _choose_dates(dates, _most_dates(ax.xaxis))
    places = np.interp(ticks, date2num(moments(dates)), np.arange(len(dates)) + at)
    formatter = FixedFormatter(labels)
    formatter.set_offset_string(offset)
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_major_formatter(formatter)
    return None


def _choose_dates(dates: pd.DatetimeIndex, most: int):
    """Which dates to tick, as matplotlib's numbers, with labels and their common part.

    If there are at most `most` dates, all of them are ticked, else round dates between
    the first and the last.
    """
    from matplotlib.dates import date2num, num2date

    numbers = date2num(moments(dates))  # (n_columns,)
    if numbers[0] == numbers[-1]:
        label = f"{dates[0]:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
        return numbers[:1], [label], ""
    locator, formatter = _date_ticks(dates, most)
    if len(numbers) <= most:
        ticks = numbers
    else:
        ticks = np.array(locator.tick_values(*num2date(numbers[[0, -1]], tz=dates.tz)))
        ticks = ticks[(ticks >= numbers[0]) & (ticks <= numbers[-1])]
    return ticks, formatter.format_ticks(ticks), formatter.get_offset()


def _date_ticks(dates: pd.DatetimeIndex, most: int):
    """A locator of at most `most` dates and its formatter, in the dates' time zone."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # A narrower range of numbers of ticks is one that the locator cannot always meet.
    locator = AutoDateLocator(dates.tz, minticks=2 if most < 10 else 5, maxticks=most)
    return locator, ConciseDateFormatter(locator, tz=dates.tz)


def _most_dates(axis) -> int:
    """How many dates fit side by side along a horizontal axis, from 5 to 12."""
    return int(np.clip(_size_in_points(axis)[0] // DATE_WIDTH, 5, 12))


def _size_in_points(axis) -> tuple[float, float]:
    """Width and height of an axis's axes."""
    box, scale = axis.axes.get_window_extent(), 72 / axis.axes.figure.dpi
    return box.width * scale, box.height * scale


def moments(dates: pd.DatetimeIndex) -> np.ndarray:
    """Dates as matplotlib takes them: datetime64, in UTC if they have a time zone."""
    return (dates if dates.tz is None else dates.tz_convert(None)).to_numpy()


def tick_lanes(axis, labels: Sequence[str]) -> None:
    """Label the lanes on a vertical axis, or as many as there is room for."""
    step = label_step(axis, len(labels))
    axis.set_ticks(range(0, len(labels), step), labels[::step])


def label_step(axis, n_labels: int) -> int:
    """Of so many labels, one below the other, every how many there is room for."""
    room = max(1, int(_size_in_points(axis)[1] / LABEL_HEIGHT))
    needed = -(-n_labels // room)
    last = LANE_STEPS[-1]
    return next((s for s in LANE_STEPS if s >= needed), -(-needed // last) * last)


# --- marks ------------------------------------------------------------------------


def mark_columns(ax, places: np.ndarray, n_columns: int) -> None:
    """Draw thin lines through an image, unless they would cover it.

    Parameters
    ----------
    ax : matplotlib Axes
    places : ndarray of shape (n_lines,)
        Column before which each line is.
    n_columns : int
        Columns of the image.
    """
    apart = _size_in_points(ax.xaxis)[0] / max(1, len(places))
    if apart >= LEAST_BETWEEN_LINES:
        low, high = ax.get_ylim()
        look: dict[str, Any] = {"colors": "white", "linewidths": 0.8}
        ax.vlines(np.asarray(places) - 0.5, low, high, **look)
    ax.set_xlim(-0.5, n_columns - 0.5)


def mark_borders(ax, lanes: np.ndarray, columns: np.ndarray) -> None:
    """Draw thick lines, each in one lane of an image, before one of its columns.

    They are black with a white edge, so that they are seen on any colour.

    Parameters
    ----------
    ax : matplotlib Axes
    lanes, columns : ndarray of int of shape (n_lines,)
    """
    from matplotlib.patheffects import withStroke

    lines = ax.vlines(columns - 0.5, lanes - 0.5, lanes + 0.5, "black", linewidths=2)
    lines.set_path_effects([withStroke(linewidth=4, foreground="white")])
