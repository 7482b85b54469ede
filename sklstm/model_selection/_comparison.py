"""`StateComparison`: the statistics of a comparison, and its verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

CONDITIONS = ("carried", "reset", "swapped")
LINEAR = "linear"  # the column of the linear map alone, where there is one
DIFFERENCES = ("carried - reset", "carried - swapped")

#: A difference of at most this share of the carried score counts as none.
NEGLIGIBLE = 0.01
#: An interval needs at least so many means, of folds or of seeds.
FEWEST_UNITS = 3


@dataclass(frozen=True, eq=False, repr=False)
class StateComparison:
    r"""What `compare_states` returns: scores, differences and a verdict.

    ``print`` shows the scores of each fold, the differences and the verdict.

    Parameters
    ----------
    scores : DataFrame of shape (n_folds * n_seeds, 3) or (n_folds * n_seeds, 4)
        Indexed by (fold, seed), with columns "carried", "reset" and "swapped"; higher
        is better. A fourth column, "linear", has the scores of the linear map alone,
        where networks have a linear skip.
    score_name : str, default="score"
        Name of the score.
    unit : str, default="batch"
        What states were swapped between: "batch" with sliding windows, "tile" with
        tiled ones.

    Attributes
    ----------
    differences : DataFrame of shape (2, 5)
        "carried - reset" and "carried - swapped": their mean and std over folds and
        seeds, and the standard error and 95 % interval ("low", "high") of the mean.
    verdict : str
        A sentence that begins with "Carrying the state helps", "Carrying the state does
        not help" or "Undecided", and gives the figures.

    Notes
    -----
    The differences of one fold with several seeds are not independent, because they
    share their test rows. So they are averaged first, and the interval is Student's for
    the mean of the n fold means :math:`d_k`,

    .. math::
        \bar d \pm t_{0.975,\,n-1} \sqrt{\frac{1}{n(n-1)} \sum_k (d_k - \bar d)^2}

    With fewer than three folds, the means of at least three seeds are used instead. The
    interval then describes how much training varies on these test rows, and says
    nothing about other rows. With fewer than three of both there is no interval.

    The test rows of two folds never overlap, but their training rows do, and
    neighbouring parts of a series resemble each other. The interval is therefore
    somewhat too narrow; no estimate of the variance from one cross-validation is
    unbiased [2]_. The correction of Nadeau and Bengio [1]_ is not applied. It is
    derived for test sets that are drawn at random again and again, so that any two
    folds have the same correlation. And here each difference is between states of the
    same network, not between networks from different training sets.

    By the verdict, a condition is as good as carrying if the interval ends at or below
    1 % of the mean carried score. Carrying does not help if one of the two conditions
    is as good. It helps if neither is and both intervals lie above zero. Otherwise the
    verdict is undecided.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine
       Learning 52 (2003), 239-281.
    .. [2] Y. Bengio and Y. Grandvalet, "No unbiased estimator of the variance of K-fold
       cross-validation", Journal of Machine Learning Research 5 (2004), 1089-1105.

    Examples
    --------
    >>> import textwrap
    >>> import pandas as pd
    >>> from sklstm.model_selection import StateComparison
    >>> pairs = pd.MultiIndex.from_product([[0, 1, 2], [0]], names=["fold", "seed"])
    >>> scores = {"carried": [0.90, 0.92, 0.94], "reset": [0.50, 0.50, 0.50],
    ...           "swapped": [0.40, 0.43, 0.46]}
    >>> comparison = StateComparison(pd.DataFrame(scores, pairs), "r2")
    >>> comparison.differences["mean"].round(2).tolist()
    [0.42, 0.49]
    >>> print(textwrap.fill(comparison.verdict, 72))
    Carrying the state helps: r2 is 0.92 with the state carried, 0.5 from
    zero state (difference +0.42, 95 % interval +0.3703 to +0.4697) and 0.43
    from the state of another batch (difference +0.49, 95 % interval +0.4652
    to +0.5148).
    """

    scores: pd.DataFrame
    score_name: str = "score"
    unit: str = "batch"

    @property
    def differences(self) -> pd.DataFrame:
        """Carried minus reset and carried minus swapped, with intervals."""
        carried = self.scores["carried"]
        rows = [
            _summarise(carried - self.scores[name], self._units)
            for name in CONDITIONS[1:]
        ]
        return pd.DataFrame(rows, list(DIFFERENCES))

    @property
    def verdict(self) -> str:
        """Whether carrying the state helps, in words, with the figures."""
        means, differences = self.scores.mean(), self.differences
        rows = differences.T  # a column for each difference
        any_state, right_state = (rows[name] for name in DIFFERENCES)
        judgement, remark = _judge(any_state, right_state, abs(means["carried"]))
        figures = (
            f"{self.score_name} is {means['carried']:.4g} with the state carried,"
            f" {means['reset']:.4g} from zero state ({_describe(any_state)}) and"
            f" {means['swapped']:.4g} from the state of another {self.unit}"
            f" ({_describe(right_state)})."
        )
        linear = ""
        if LINEAR in means:
            linear = f"The linear map alone reaches {means[LINEAR]:.4g}."
        return " ".join(filter(None, [f"{judgement}: {figures}", remark, linear]))

    def plot(self, ax: Any = None) -> Any:
        """Draw the scores, one line for each fold and seed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure.

        Returns
        -------
        display : sklstm.plotting.StateComparisonDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from sklstm.plotting import StateComparisonDisplay

        return StateComparisonDisplay(self.scores, score_name=self.score_name).plot(ax)

    @property
    def _units(self) -> str | None:
        """The level whose means give the intervals: "fold", else "seed", else None."""
        for level in ("fold", "seed"):
            if self.scores.index.unique(level).size >= FEWEST_UNITS:
                return level
        return None

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Mean scores of each fold and of all, and the differences."""
        means = self.scores.groupby("fold").mean()
        means.index = pd.Index([f"fold {fold}" for fold in means.index])
        means.loc["mean"] = self.scores.mean()
        return means, self.differences

    def __str__(self) -> str:
        tables = [t.to_string(float_format=_format) for t in self._tables()]
        title = f"{self.score_name}, higher is better"
        return "\n\n".join([f"{title}\n{tables[0]}", tables[1], self.verdict])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = [t.to_html(float_format=_format) for t in self._tables()]
        title = escape(f"{self.score_name}, higher is better")
        return "\n".join([f"<p>{title}</p>", *tables, f"<p>{escape(self.verdict)}</p>"])


def _summarise(differences: pd.Series, units: str | None) -> dict[str, float]:
    """Mean, spread and interval of the differences; `units` names an index level."""
    summary = {"mean": differences.mean(), "std": differences.std()}
    missing = {"standard error": np.nan, "low": np.nan, "high": np.nan}
    if units is None:
        return {**summary, **missing}
    means = differences.groupby(level=units).mean()
    error = means.sem()
    reach = stats.t.ppf(0.975, len(means) - 1) * error
    low, high = summary["mean"] - reach, summary["mean"] + reach
    return {**summary, "standard error": error, "low": low, "high": high}


def _judge(any_state: pd.Series, right_state: pd.Series, score: float):
    """The first words of the verdict, and a remark for its end.

    `any_state` and `right_state` are the two rows of `differences`, `score` the size of
    the mean carried score.
    """
    if any_state.isna()["low"]:
        return "Undecided", (
            f"There is no interval from fewer than {FEWEST_UNITS} folds and fewer than"
            f" {FEWEST_UNITS} seeds."
        )
    nothing = NEGLIGIBLE * score
    reset_does, swapped_does = (d["high"] <= nothing for d in (any_state, right_state))
    same = "A swapped state is as good as the right one" if swapped_does else ""
    if reset_does:
        return "Carrying the state does not help", same and f"{same}."
    if swapped_does:
        return "Carrying the state does not help", (
            f"{same}: the network needs some state, but not what this one has carried."
        )
    unsure = [str(d.name) for d in (any_state, right_state) if d["low"] <= 0]
    if not unsure:
        return "Carrying the state helps", ""
    return "Undecided", (
        f"By the interval of {' and that of '.join(unsure)}, there may be no difference"
        " or one that counts. More folds, or more test rows in each, would decide."
    )


def _describe(difference: pd.Series) -> str:
    """A difference and its interval in words."""
    text = f"difference {difference['mean']:+.4g}"
    if np.isnan(difference["low"]):
        return text
    low, high = difference["low"], difference["high"]
    return f"{text}, 95 % interval {low:+.4g} to {high:+.4g}"


def _format(value: float) -> str:
    return f"{value:.4g}"
