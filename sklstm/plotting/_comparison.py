"""`StateComparisonDisplay`: scores with the state carried over, reset and swapped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklstm.plotting._axes import Display, free_colours, line_style

CONDITIONS = ("carried", "reset", "swapped")


class StateComparisonDisplay(Display):
    r"""Scores with the state carried over, reset to zero, or swapped for another one.

    There is a dot for each fold, seed and condition. A line joins the three dots of a
    fold and seed, so that the differences between the conditions can be told from those
    between folds.

    Parameters
    ----------
    scores : DataFrame of shape (n_pairs, 3 or more)
        Indexed by (fold, seed), with columns "carried", "reset" and "swapped". Higher
        is better.
    score_name : str, default="score"
        Name of the score, with its unit if it has one.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The three dots of each row of `scores`.
    mean_ : matplotlib Line2D
        The mean of each condition.
    ax_ : matplotlib Axes
        The axes with the lines.
    figure_ : matplotlib Figure
        The figure with the axes.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklstm.plotting import StateComparisonDisplay
    >>> scores = pd.DataFrame(
    ...     {"carried": [0.9, 0.8], "reset": [0.6, 0.7], "swapped": [0.5, 0.6]},
    ...     index=pd.MultiIndex.from_tuples([(0, 1), (1, 1)], names=["fold", "seed"]))
    >>> display = StateComparisonDisplay(scores, score_name="R²").plot()
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['carried\nmean 0.85', 'reset\nmean 0.65', 'swapped\nmean 0.55']
    """

    def __init__(self, scores: Any, *, score_name: str = "score") -> None:
        self.scores = scores
        self.score_name = score_name

    def plot(self, ax: Any = None, **line_kw: Any) -> StateComparisonDisplay:
        """Draw the scores, one colour for each fold.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.
        **line_kw : dict
            Keywords for the lines and their dots.

        Returns
        -------
        self : StateComparisonDisplay

        Raises
        ------
        ValueError
            If a column or a level of the index is missing, or a score is not finite.
        ImportError
            If matplotlib is not installed.
        """
        scores = _check_scores(self.scores)
        ax = self._take_axes(ax)
        folds = list(dict.fromkeys(scores.index.get_level_values(0)))
        colours = dict(zip(folds, free_colours(ax, len(folds)), strict=True))
        self.lines_ = [
            self._draw_pair(ax, row, colours[fold], line_kw)
            for fold, (_, row) in zip(
                scores.index.get_level_values(0), scores.iterrows(), strict=True
            )
        ]
        self._name_folds(ax, scores, folds)
        means = scores.mean()
        look = {"linestyle": "none", "marker": "_", "markersize": 45, "color": "0.1"}
        (self.mean_,) = ax.plot(range(3), means, markeredgewidth=2.5, zorder=3, **look)
        ticks = [f"{name}\nmean {mean:.3g}" for name, mean in means.items()]
        ax.set_xticks(range(3), ticks)
        ax.set_xlim(-0.5, 2.5)
        ax.set(xlabel="state", ylabel=f"{self.score_name} (higher is better)")
        return self

    def _draw_pair(self, ax, row: pd.Series, colour: str, line_kw: dict[str, Any]):
        default = {"color": colour, "marker": "o", "markersize": 5, "linewidth": 0.8}
        return ax.plot(range(3), row, **line_style(line_kw, alpha=0.6, **default))[0]

    def _name_folds(self, ax, scores: pd.DataFrame, folds: list[Any]) -> None:
        """Add a legend of the folds, if there are several."""
        if len(folds) < 2:
            return
        of_rows = list(scores.index.get_level_values(0))
        handles = [self.lines_[of_rows.index(fold)] for fold in folds]
        ax.legend(handles, [f"fold {fold}" for fold in folds])


def _check_scores(scores: Any) -> pd.DataFrame:
    """The three columns of scores as floats, once they are as `plot` needs them."""
    if not isinstance(scores, pd.DataFrame) or scores.index.nlevels != 2:
        levels = getattr(getattr(scores, "index", None), "names", None)
        raise ValueError(
            "scores must be a DataFrame indexed by two levels, (fold, seed); got"
            f" {type(scores).__name__} with index levels {list(levels or [])}."
        )
    missing = [name for name in CONDITIONS if name not in scores.columns]
    if missing:
        raise ValueError(
            f"scores lacks the columns {missing}; it has {list(scores.columns)}. It"
            f" needs {list(CONDITIONS)}."
        )
    scores = scores[list(CONDITIONS)].astype(float)
    bad = int(np.count_nonzero(~np.isfinite(scores.to_numpy())))
    if bad or not len(scores):
        raise ValueError(
            f"scores must hold finite numbers in at least one row; got {len(scores)}"
            f" row(s) with {bad} entries that are NaN or infinite. Leave out the folds"
            " that failed."
        )
    return scores
