"""Is carrying state worth it? Scores with the state carried, reset and swapped.

Owns the comparison and its statistics. The state is moved by public calls alone, and
the picture is that of `sklstm.plotting`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from html import escape
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed

from sklstm._base import BaseStatefulLSTM
from sklstm._inputs import n_dimensions
from sklstm._state import RecurrentState
from sklstm.streaming import Stream, stream

__all__ = ["StateComparison", "compare_states"]

CONDITIONS = ("carried", "reset", "swapped")
DIFFERENCES = ("carried - reset", "carried - swapped")

#: A difference of at most this share of the carried score counts as none.
NEGLIGIBLE = 0.01
#: Fewer means than this, of folds or of seeds, give no interval.
FEWEST_UNITS = 3


def compare_states(
    estimator,
    X,
    y,
    *,
    cv,
    scoring=None,
    random_states=(0, 1, 2),
    n_jobs=None,
) -> StateComparison:
    """Tell on your own data whether it is worth carrying the state.

    Each fold is fitted once for each seed, and its test rows are scored three times
    with the same weights:

    - *carried*: the state runs on from the training rows, as in ``predict`` after
      ``fit``;
    - *reset*: each window starts from zero state;
    - *swapped*: each window starts from the state that its lane had at another batch of
      the test rows, drawn at random.

    In all three a window keeps its true rows, those it reaches back into among them. So
    ``carried - reset`` tells what it is worth to have a state, and
    ``carried - swapped`` what it is worth to have the right one: a network that was
    trained with states may do worse without any, whatever they say.

    Parameters
    ----------
    estimator : estimator
        A stateful `StatefulLSTMRegressor` or `StatefulLSTMClassifier`, or one at the
        end of a `Pipeline`, inside a `TransformedTargetRegressor`, or searched for by
        a search such as `GridSearchCV`, these nested in any way. It is cloned, not
        changed.
    X : array-like of shape (n_rows, n_features)
        Rows in time order.
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Their targets.
    cv : splitter or iterable of (train, test)
        Folds whose test rows directly follow their training rows, such as
        `TimeSeriesSplit`. Each needs at least two batches of test rows.
    scoring : str or callable, default=None
        Name of a scorer of scikit-learn, or a callable ``scoring(estimator, X, y)``;
        higher is better. By default the estimator's own: that of a search, else R² or
        accuracy.
    random_states : iterable of int, default=(0, 1, 2)
        Seeds to fit with: each in turn becomes the stateful estimator's
        ``random_state``, and seeds the swaps.
    n_jobs : int, default=None
        Pairs of fold and seed to work on at once, as joblib counts.

    Returns
    -------
    comparison : StateComparison
        Scores, their differences with intervals, and a verdict in words.

    Raises
    ------
    TypeError
        If there is no stateful estimator inside `estimator`, a seed is no integer, or
        `scoring` is neither one name nor a callable that returns a number.
    ValueError
        If the estimator is stateless, X holds ready-made windows or becomes such on its
        way in, test rows do not directly follow training rows or are fewer than two
        batches, seeds repeat, or a score is not a finite number.

    See Also
    --------
    sklstm.plotting.StateComparisonDisplay : Draws the scores.

    Examples
    --------
    A leaky sum of all rows so far, seen through windows of one row:

    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from sklstm import StatefulLSTMRegressor
    >>> from sklstm.model_selection import compare_states
    >>> X = np.random.default_rng(0).normal(size=(600, 1))
    >>> y = np.convolve(X[:, 0], 0.7 ** np.arange(20))[:600]
    >>> model = StatefulLSTMRegressor(8, epochs=15, optimizer__learning_rate=0.02)
    >>> comparison = compare_states(
    ...     model, X, y, cv=TimeSeriesSplit(3, test_size=60), random_states=[0])
    >>> comparison.scores.shape
    (3, 3)
    >>> comparison.verdict.partition(":")[0]
    'Carrying the state helps'
    """
    X, y = indexable(X, y)
    _check_rows(X)
    places = _find_stateful(estimator)
    seeds = _check_seeds(random_states)
    folds = _check_folds(cv, X, y, is_classifier(estimator))
    scorer, name = _choose_scorer(estimator, scoring)
    pairs = list(product(range(len(folds)), seeds))
    rows = Parallel(n_jobs=n_jobs)(
        delayed(_score_pair)(
            _seed(estimator, places, seed), X, y, folds[k], scorer, (k, seed)
        )
        for k, seed in pairs
    )
    index = pd.MultiIndex.from_tuples(pairs, names=["fold", "seed"])
    return StateComparison(pd.DataFrame(rows, index, list(CONDITIONS)), name)


@dataclass(frozen=True, eq=False, repr=False)
class StateComparison:
    r"""What it is worth to carry the state: scores, differences and a verdict.

    Printed, it is a table and the verdict in words.

    Parameters
    ----------
    scores : DataFrame of shape (n_folds * n_seeds, 3)
        Indexed by (fold, seed), with columns "carried", "reset" and "swapped"; higher
        is better.
    score_name : str, default="score"
        What the scores are.

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
    The scores of one fold with several seeds share their test rows, and those of one
    seed are no independent draws either. So the seeds of each fold are averaged first,
    and the interval is Student's over the n fold means :math:`d_k`,

    .. math::
        \bar d \pm t_{0.975,\,n-1} \sqrt{\frac{1}{n(n-1)} \sum_k (d_k - \bar d)^2}

    Where there are fewer than three folds, the means of at least three seeds take their
    place: the interval then tells how much training varies on these test rows, and
    nothing of other rows. With fewer of both there is no interval.

    The test rows of two folds never overlap, but their training rows do, and
    neighbouring stretches of a series resemble each other, so that the interval is
    somewhat too narrow; no estimate of the variance from one cross-validation is
    without bias [2]_. The correction of Nadeau and Bengio [1]_ is not made: it is
    derived for test sets drawn at random again and again, where any two folds are
    correlated alike, and here each difference is between states of one and the same
    network, not between networks from different training sets.

    The verdict calls a condition as good as carrying where the interval ends at or
    below 1 % of the mean carried score. Carrying helps where neither of the two is
    as good and both intervals lie above zero.

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

    @property
    def differences(self) -> pd.DataFrame:
        """Carried less the other two conditions, with intervals."""
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
            f" {means['swapped']:.4g} from the state of another batch"
            f" ({_describe(right_state)})."
        )
        return " ".join(filter(None, [f"{judgement}: {figures}", remark]))

    def plot(self, ax=None):
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
        """Whose means the intervals are over: folds, or else seeds, if enough."""
        for level in ("fold", "seed"):
            if self.scores.index.unique(level).size >= FEWEST_UNITS:
                return level
        return None

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scores of each fold, the mean over the seeds, and the differences."""
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


# --- one fold and seed ------------------------------------------------------------


def _score_pair(estimator, X, y, fold, scorer: Callable, draw: tuple[int, int]):
    """Scores of one fit under the three conditions."""
    train, test = fold
    fitted = estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train))
    X_test, y_test = _safe_indexing(X, test), _safe_indexing(y, test)
    walk = _Walk.over(stream(fitted), X_test, where=f"Fold {draw[0]}")
    rng = np.random.default_rng(draw)
    candidates = {
        "carried": fitted,
        "reset": _StartingFrom(walk, walk.zeros()),
        "swapped": _StartingFrom(walk, walk.swapped(rng)),
    }
    scores = {
        name: _one_number(scorer(candidate, X_test, y_test))
        for name, candidate in candidates.items()
    }
    if not np.isfinite(list(scores.values())).all():
        raise ValueError(
            f"The scores of fold {draw[0]}, seed {draw[1]} are not all finite:"
            f" {scores}. Choose a scoring that is defined on each fold's test rows."
        )
    return scores


def _one_number(score) -> float:
    if np.ndim(score) or np.asarray(score).dtype.kind not in "biuf":
        raise TypeError(f"scoring must return one number, got {score!r}.")
    return float(score)


@dataclass(frozen=True, eq=False)
class _Walk:
    """Test rows batch by batch, and the state that each batch truly starts from.

    Within a batch each lane takes one window, so that a state set before a batch is
    that of each of its windows.
    """

    live: Stream  # takes rows as the estimator inside sees them
    batches: tuple[Any, ...]
    states: tuple[RecurrentState, ...]

    @classmethod
    def over(cls, live: Stream, X, where: str) -> _Walk:
        """Walk from the end of the training rows, and return there."""
        rows = live.transform(X)
        if not live.estimator.stateful:
            raise ValueError(
                f"{where} was fitted with stateful=False, which carries no state to"
                " compare. Set stateful=True; a search must not choose it."
            )
        table = live.estimator.lane_table(rows)  # (n_batches, B)
        if len(table) < 2:
            raise ValueError(
                f"{where} tests on {table.max() + 1} row(s), {len(table)} batch of"
                f" batch_size={table.shape[1]}, but to swap states takes at least two:"
                f" {2 * table.shape[1]} rows will do. Use fewer splits, a larger"
                " test_size or a smaller batch_size."
            )
        batches = [_safe_indexing(rows, lanes[lanes >= 0]) for lanes in table]
        inside, states = replace(live, way_in=()), []
        for batch in batches:
            states.append(inside.get_states())
            inside.observe(batch)
        inside.reseed_states()
        return cls(inside, tuple(batches), tuple(states))

    def zeros(self) -> list:
        """Zero state for each batch."""
        return [state.reset().layers for state in self.states]

    def swapped(self, rng: np.random.Generator) -> list:
        """For each batch the state of another one."""
        n = len(self.states)
        others = (np.arange(n) + rng.integers(1, n, size=n)) % n
        return [self.states[other].layers for other in others]


class _StartingFrom:
    """Stands in for the fitted estimator, each batch starting from a given state."""

    def __init__(self, walk: _Walk, layers: list):
        self.walk = walk
        self.layers = layers

    def predict(self, X):
        """Predictions for the rows of the walk."""
        return self._answer(self.walk.live.predict)

    @available_if(lambda self: hasattr(self.walk.live.estimator, "predict_proba"))
    def predict_proba(self, X):
        """Class probabilities for the rows of the walk."""
        return self._answer(self.walk.live.estimator.predict_proba)

    @property
    def classes_(self):
        """The labels, where there are any."""
        return self.walk.live.fitted.classes_

    def __sklearn_tags__(self):
        return get_tags(self.walk.live.fitted)

    def _answer(self, method: Callable) -> np.ndarray:
        live, answers = self.walk.live, []
        steps = zip(self.walk.batches, self.walk.states, self.layers, strict=True)
        for batch, state, layers in steps:
            live.set_states(state.replace(layers=layers))
            answers.append(method(batch))
        live.reseed_states()
        return np.concatenate(answers)


# --- statistics and words ---------------------------------------------------------


def _summarise(differences: pd.Series, units: str | None) -> dict[str, float]:
    """Mean and spread of the differences, and the interval over the units' means."""
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
    """The verdict's opening words, and a remark for its end."""
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
            f"{same}: what the network misses from zero state is not what was carried."
        )
    unsure = [str(d.name) for d in (any_state, right_state) if d["low"] <= 0]
    if not unsure:
        return "Carrying the state helps", ""
    return "Undecided", (
        f"The interval of {' and that of '.join(unsure)} reaches from no difference to"
        " one that counts: more folds, or more test rows in each, would tell."
    )


def _describe(difference: pd.Series) -> str:
    text = f"difference {difference['mean']:+.4g}"
    if np.isnan(difference["low"]):
        return text
    low, high = difference["low"], difference["high"]
    return f"{text}, 95 % interval {low:+.4g} to {high:+.4g}"


def _format(value: float) -> str:
    return f"{value:.4g}"


# --- checks -----------------------------------------------------------------------


def _check_rows(X) -> None:
    if n_dimensions(X) == 3:
        raise ValueError(
            "X holds ready-made windows, but compare_states walks over rows, of shape"
            " (n_rows, n_features), in time order. Pass the rows, and give the"
            " estimator its sequence_length."
        )


def _check_seeds(random_states: Iterable[int]) -> list[int]:
    """The seeds as a list of different integers."""
    seeds = list(random_states) if isinstance(random_states, Iterable) else None
    integers = seeds and all(
        isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        for seed in seeds
    )
    if seeds is None or not (integers or seeds == []):
        raise TypeError(
            "random_states must be integers to seed the fits with, such as (0, 1, 2);"
            f" got {random_states!r}."
        )
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(
            "random_states must be at least one integer, none negative and each given"
            f" once; got {seeds}."
        )
    return [int(seed) for seed in seeds]


def _check_folds(cv, X, y, classifier: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds of a splitter that keeps rows in time order."""
    folds = list(check_cv(cv, y, classifier=classifier).split(X, y))
    if not folds:
        raise ValueError("cv gave no folds. Pass a splitter such as TimeSeriesSplit.")
    for k, (train, test) in enumerate(folds):
        rows = np.concatenate([train, test])
        follows = len(train) and len(test) and (np.diff(rows) == 1).all()
        if not follows:
            raise ValueError(
                f"Fold {k} trains on {_span(train)} and tests on {_span(test)}, but the"
                " state after training fits only the rows that come next: training rows"
                " must be consecutive, and the test rows follow them directly. Use"
                " TimeSeriesSplit with gap=0."
            )
    return folds


def _span(rows: np.ndarray) -> str:
    if len(rows) and (np.diff(rows) == 1).all():
        return f"rows {rows[0]} to {rows[-1]}"
    return f"{len(rows)} scattered rows" if len(rows) else "no rows"


# --- the estimator and its scorer -------------------------------------------------


def _find_stateful(estimator) -> list[str]:
    """Prefixes of the parameters of the stateful estimators inside `estimator`."""
    inside = {"": estimator}
    if hasattr(estimator, "get_params"):
        inside |= {f"{n}__": part for n, part in estimator.get_params().items()}
    found = [n for n, part in inside.items() if isinstance(part, BaseStatefulLSTM)]
    if not found:
        raise TypeError(
            "compare_states takes a StatefulLSTMRegressor or StatefulLSTMClassifier,"
            " alone, at the end of a Pipeline, inside a TransformedTargetRegressor, or"
            f" in a search; found none in {estimator!r}."
        )
    return found


def _seed(estimator, places: list[str], seed: int):
    """A clone that draws its weights from `seed`."""
    return clone(estimator).set_params(
        **{f"{place}random_state": seed for place in places}
    )


def _choose_scorer(estimator, scoring) -> tuple[Callable, str]:
    """A scorer, and what to call its scores."""
    scoring = _own_scoring(estimator) if scoring is None else scoring
    if isinstance(scoring, str):
        return check_scoring(estimator, scoring), scoring
    if not callable(scoring):
        raise TypeError(
            "scoring must be the name of one scorer, such as 'neg_mean_absolute_error',"
            f" or a callable scoring(estimator, X, y); got {scoring!r}."
        )
    return check_scoring(estimator, scoring), getattr(scoring, "__name__", "score")


def _own_scoring(estimator):
    """What the estimator's ``score`` would use."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    own = getattr(estimator, "scoring", None)  # of a search
    if own is not None:
        return own
    return "accuracy" if is_classifier(estimator) else "r2"
