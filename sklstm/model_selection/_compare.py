"""`compare_states`: scores with the state carried, reset and swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklstm._estimator.fitting import BaseStatefulLSTM
from sklstm._estimator.inputs import n_dimensions
from sklstm.model_selection._comparison import CONDITIONS, StateComparison
from sklstm.model_selection._walk import StartingFrom, Walk
from sklstm.streaming import stream


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
    """Measure on your own data whether it is worth carrying the state.

    The estimator is fitted once for each fold and seed, and the test rows of the fold
    are scored three times with the same weights:

    - *carried*: the state continues from the training rows, as in ``predict`` after
      ``fit``;
    - *reset*: each window starts from zero state;
    - *swapped*: each window starts from the state that its lane had at another batch of
      the test rows, drawn at random.

    The rows of each window are the same in all three. So ``carried - reset`` is what it
    is worth to have a state, and ``carried - swapped`` what it is worth to have the
    right one. The second is needed because a network that was trained with states may
    predict worse from zero state, even if the states carry no information. The verdict
    counts a difference of up to 1 % of the carried score as none.

    With ``TimeSeriesSplit(5)`` and the default of three seeds there are 15 fits. They
    run in parallel with `n_jobs`.

    Parameters
    ----------
    estimator : estimator
        A stateful `StatefulLSTMRegressor` or `StatefulLSTMClassifier`, or one at the
        end of a `Pipeline`, inside a `TransformedTargetRegressor`, or in a search such
        as `GridSearchCV`, or in several of these, one inside the other. It is cloned,
        not changed.
    X : array-like of shape (n_rows, n_features)
        Rows in time order.
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Their targets.
    cv : splitter or iterable of (train, test)
        Folds whose test rows directly follow their training rows, such as
        `TimeSeriesSplit`. Each needs at least two batches of test rows.
    scoring : str or callable, default=None
        Name of a scorer of scikit-learn, or a callable ``scoring(estimator, X, y)``;
        higher is better. By default that of the search, if `estimator` is one, else R²
        for regressors and accuracy for classifiers.
    random_states : iterable of int, default=(0, 1, 2)
        Seeds to fit with: each in turn becomes the stateful estimator's
        ``random_state``, and seeds the swaps.
    n_jobs : int, default=None
        Number of fits that run in parallel, as for joblib.

    Returns
    -------
    comparison : StateComparison
        Scores, their differences with intervals, and a verdict in words.

    Raises
    ------
    TypeError
        If there is no stateful estimator inside `estimator`, a seed is not an integer,
        or `scoring` is neither a name nor a callable that returns a number.
    ValueError
        If the estimator is stateless, X holds ready-made windows or an earlier step of
        a pipeline makes windows of it, test rows do not directly follow training rows
        or are fewer than two batches, seeds repeat, or a score is not finite.

    See Also
    --------
    sklstm.plotting.StateComparisonDisplay : Draws the scores.

    Examples
    --------
    The target is a leaky sum of all rows so far, and a window has one row:

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


def _score_pair(estimator, X, y, fold, scorer: Callable, draw: tuple[int, int]):
    """Fit on one fold, and score its test rows under the three conditions.

    `draw` is the number of the fold and the seed.
    """
    train, test = fold
    fitted = estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train))
    X_test, y_test = _safe_indexing(X, test), _safe_indexing(y, test)
    walk = Walk.over(stream(fitted), X_test, where=f"Fold {draw[0]}")
    rng = np.random.default_rng(draw)
    candidates = {
        "carried": fitted,
        "reset": StartingFrom(walk, walk.zeros()),
        "swapped": StartingFrom(walk, walk.swapped(rng)),
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


# --- checks -----------------------------------------------------------------------


def _check_rows(X) -> None:
    if n_dimensions(X) == 3:
        raise ValueError(
            "X holds ready-made windows, but compare_states takes rows in time order,"
            " of shape (n_rows, n_features). Pass the rows, and set the estimator's"
            " sequence_length."
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
    """The folds, whose test rows must directly follow their training rows."""
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
    """Which rows these are, in words for an error."""
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
    """A clone of `estimator` with `seed` as every ``random_state`` in `places`."""
    return clone(estimator).set_params(
        **{f"{place}random_state": seed for place in places}
    )


def _choose_scorer(estimator, scoring) -> tuple[Callable, str]:
    """A scorer, and the name of its scores."""
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
    """The scoring that the estimator's ``score`` method uses."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    own = getattr(estimator, "scoring", None)  # of a search
    if own is not None:
        return own
    return "accuracy" if is_classifier(estimator) else "r2"
