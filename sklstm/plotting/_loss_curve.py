"""`LossCurveDisplay`: the loss of each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklstm.plotting._axes import (
    Display,
    free_colours,
    line_style,
    tick_whole_numbers,
)

MOST_MARKED = 30  # with more epochs than this, curves have no dots


class LossCurveDisplay(Display):
    """The loss of each epoch, on the training rows and on held-out rows.

    Use :meth:`from_estimator`; the constructor only stores data computed before.

    Parameters
    ----------
    history : dict of str to list of float
        Loss and metrics of each epoch, as in an estimator's ``history_``.
    loss_name : str, default=None
        Name of the loss, for the label of its axis.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves by their names in `history`.
    metrics_ax_ : matplotlib Axes or None
        The axes on which metrics are drawn, with their scale on the right; None if
        there are no metrics.
    ax_ : matplotlib Axes
        The axes of the loss.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    >>> from sklstm.plotting import LossCurveDisplay
    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.7, 0.6]}
    >>> display = LossCurveDisplay(history).plot(yscale="log")
    >>> display.lines_["val_loss"].get_xdata().tolist()
    [1, 2, 3]
    """

    def __init__(
        self, history: dict[str, list[float]], *, loss_name: str | None = None
    ) -> None:
        self.history = history
        self.loss_name = loss_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        metrics: Any = None,
        yscale: str = "linear",
        **line_kw: Any,
    ) -> LossCurveDisplay:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted stateful estimator, or one at the end of a `Pipeline`, inside a
            `TransformedTargetRegressor`, or found by a search.
        ax, metrics, yscale, **line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            As in :meth:`plot`.
        TypeError
            If there is no stateful estimator inside `estimator`, or an ensemble of
            them: pass one of its members.
        """
        from sklstm._network.losses import loss_name
        from sklstm.streaming import stream

        inner = stream(estimator).estimator
        name = loss_name(inner._fitted.recipe.loss).replace("_", " ")
        display = cls(inner.history_, loss_name=name)
        return display.plot(ax, metrics=metrics, yscale=yscale, **line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        metrics: Any = None,
        yscale: str = "linear",
        **line_kw: Any,
    ) -> LossCurveDisplay:
        """Draw the curves, dashed for held-out rows, and metrics on their own scale.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        metrics : str or list of str, default=None
            Metrics to draw as well, by their names in `history`.
        yscale : str, default="linear"
            Scale of the loss: "linear", "log" or another one of matplotlib's.
        **line_kw : dict
            Keywords for every curve. A ``label`` is put before each curve's name in the
            legend.

        Returns
        -------
        self : LossCurveDisplay

        Raises
        ------
        ValueError
            If `history` has no loss, or lacks one of `metrics`, or if `yscale` is "log"
            and a loss is not above zero.
        ImportError
            If matplotlib is not installed.
        """
        names = [metrics] if isinstance(metrics, str) else list(metrics or ())
        self._check(names, yscale)
        ax = self._take_axes(ax)
        colours = free_colours(ax, 1 + len(names))
        self.lines_ = self._draw(ax, ["loss"], colours[:1], line_kw)
        ax.set(xlabel="epoch", ylabel=self._loss_label(), yscale=yscale)
        tick_whole_numbers(ax.xaxis)
        ax.set_xlim(0.5, ax.dataLim.x1 + 0.5)
        right = self.metrics_ax_ = ax.twinx() if names else None
        if right is not None:
            self.lines_ |= self._draw(right, names, colours[1:], line_kw)
            right.set_ylabel(", ".join(names))
        last, lines = right or ax, [*ax.lines, *(right.lines if right else ())]
        if len(lines) > 1:
            last.legend(handles=lines)
        return self

    def _check(self, metrics: Sequence[str], yscale: str) -> None:
        if not self.history.get("loss"):
            raise ValueError(
                "history has no loss of any epoch, but needs one under the name 'loss'."
                f" Its names are {sorted(self.history)}. Fit the estimator first, on at"
                " least one whole batch."
            )
        known = [n for n in self.history if n != "loss" and not n.startswith("val_")]
        unknown = [name for name in metrics if name not in known]
        if unknown:
            raise ValueError(
                f"metrics={unknown} are not in the history, whose metrics are {known}."
                " Choose from these, or fit the estimator with others as metrics=."
            )
        losses = [*self.history["loss"], *self.history.get("val_loss", ())]
        if yscale == "log" and min(losses) <= 0:
            raise ValueError(
                f"A log scale needs losses above zero, but the least is {min(losses)}."
                " Use yscale='linear' or 'symlog'."
            )

    def _loss_label(self) -> str:
        return f"loss ({self.loss_name})" if self.loss_name else "loss"

    def _draw(self, ax, names, colours, line_kw) -> dict[str, Any]:
        """Draw each of `names` in its colour, solid, and dashed on held-out rows."""
        lines = {}
        curves = [
            (full, colour, dash)
            for name, colour in zip(names, colours, strict=True)
            for full, dash in ((name, "-"), (f"val_{name}", "--"))
            if full in self.history
        ]
        for name, colour, dash in curves:
            values = self.history[name]
            marker = "o" if len(values) <= MOST_MARKED else ""
            default = {"color": colour, "linestyle": dash, "marker": marker}
            look = line_style(line_kw, markersize=3, **default)
            look["label"] = f"{look['label']}: {name}" if "label" in look else name
            lines[name] = ax.plot(np.arange(1, len(values) + 1), values, **look)[0]
        return lines
