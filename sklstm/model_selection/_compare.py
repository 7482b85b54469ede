"""`compare_states`: scores with the state carried, reset and swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.parallel import Parallel, delayed

from sklstm._estimator.forms import n_dimensions
from sklstm._rows.series import RowLabels
from sklstm.model_selection._comparison import CONDITIONS, LINEAR, StateComparison
from sklstm.model_selection._prediction_scorer import one_number
from sklstm.model_selection._seeding import find_stateful, seeded
from sklstm.model_selection._timeline import Timeline, read_series, span
from sklstm.model_selection._walk import Layers, StartingFrom, Walk, Walks
from sklstm.streaming import stream


def compare_states(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any,
    scoring: Any = None,
    random_states: Any = (0, 1, 2),
    n_jobs: int | None = None,
) -> StateComparison:
    """Measure on your own data whether it is worth carrying the state.

    The estimator is fitted once for each fold and seed, and the test rows of the fold
    are scored three times with the same weights:

    - *carried*: the state continues from the training rows, as in ``predict`` after
      ``fit``;
    - *reset*: each window starts from zero state;
    - *swapped*: each window starts from the state that its lane had at another batch of
      the test rows, drawn at random.

    With ``windows="tiled"`` the windows are the tiles of ``sequence_length`` rows that
    the test rows of each series are cut into. *Carried*, the state goes through all of
    them; *reset*, each tile starts from zero state; *swapped*, each tile starts from
    the state before another tile of the test rows, which in a panel may be one of
    another series. So what is measured is the state from before the tile, and a long
    tile needs it less.

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
        as `GridSearchCV`, or in several of these, one inside the other. In a Voting or
        Bagging ensemble all of them are reset, or swapped to the state at the same
        other tile or batch, while members without state predict as ever. It is cloned,
        not changed.
    X : array-like of shape (n_rows, n_features)
        Rows in time order. With tiled windows they may be of many series, told apart
        as for `fit`: each in time order.
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Their targets.
    cv : splitter or iterable of (train, test)
        Folds whose test rows directly follow their training rows within each series,
        such as `TimeSeriesSplit`, and `PanelSplit` for many series. Each needs at least
        two batches or tiles of test rows.
    scoring : str or callable, default=None
        Name of a scorer of scikit-learn, or a callable ``scoring(estimator, X, y)``;
        higher is better. By default that of the search, if `estimator` is one, else R²
        for regressors and accuracy for classifiers.
    random_states : iterable of int, default=(0, 1, 2)
        Seeds to fit with: each in turn becomes the stateful estimator's
        ``random_state``, and seeds the swaps. Of n estimators in an ensemble the k-th,
        counted from 0, is given ``n * seed + k``; a bagging ensemble is seeded itself.
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
        or are fewer than two batches or tiles, the estimator cannot tell the series of
        X apart, seeds repeat, or a score is not finite.

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
    >>> model = StatefulLSTMRegressor(
    ...     8, windows="sliding", epochs=15, optimizer__learning_rate=0.02)
    >>> comparison = compare_states(
    ...     model, X, y, cv=TimeSeriesSplit(3, test_size=60), random_states=[0])
    >>> comparison.scores.shape
    (3, 3)
    >>> comparison.verdict.partition(":")[0]
    'Carrying the state helps'
    """
    X, y = indexable(X, y)
    _check_rows(X)
    places = find_stateful(estimator)
    seeds = _check_seeds(random_states)
    labels = read_series(estimator, places, X)
    folds = _check_folds(cv, X, y, is_classifier(estimator), labels)
    scorer, name = _choose_scorer(estimator, scoring)
    pairs = list(product(range(len(folds)), seeds))
    results = Parallel(n_jobs=n_jobs)(
        delayed(_score_pair)(
            seeded(estimator, places, seed), X, y, folds[k], scorer, (k, seed)
        )
        for k, seed in pairs
    )
    index = pd.MultiIndex.from_tuples(pairs, names=["fold", "seed"])
    scores, units = zip(*results, strict=True)
    unit = " or ".join(dict.fromkeys(units))  # a search may choose one for each fold
    columns = [*CONDITIONS, *([LINEAR] if all(LINEAR in one for one in scores) else [])]
    return StateComparison(pd.DataFrame(scores, index, columns), name, unit)


def _score_pair(estimator, X, y, fold, scorer: Callable, draw: tuple[int, int]):
    """Fit on one fold, and score its test rows under the three conditions.

    `draw` is the number of the fold and the seed. Returns the scores, and what states
    were swapped between.
    """
    train, test = fold
    fitted = estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train))
    X_test, y_test = _safe_indexing(X, test), _safe_indexing(y, test)
    walks = Walks.over(stream(fitted).composite, X_test, where=f"Fold {draw[0]}")

    def swapped(walk: Walk) -> list[Layers]:  # all networks alike
        return walk.swapped(np.random.default_rng(draw))

    candidates = {
        "carried": fitted,
        "reset": StartingFrom(walks, Walk.zeros),
        "swapped": StartingFrom(walks, swapped),
    }
    linear = walks.linear()
    if linear is not None:
        candidates[LINEAR] = StartingFrom(linear, Walk.carried)
    scores = {
        name: one_number(scorer(candidate, X_test, y_test))
        for name, candidate in candidates.items()
    }
    if not np.isfinite(list(scores.values())).all():
        raise ValueError(
            f"The scores of fold {draw[0]}, seed {draw[1]} are not all finite:"
            f" {scores}. Choose a scoring that is defined on each fold's test rows."
        )
    return scores, walks.unit


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


def _check_folds(
    cv, X, y, classifier: bool, labels: RowLabels
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds, whose test rows must directly follow their training rows."""
    folds = list(check_cv(cv, y, classifier=classifier).split(X, y))
    if not folds:
        raise ValueError("cv gave no folds. Pass a splitter such as TimeSeriesSplit.")
    places = Timeline(labels).places
    for k, (train, test) in enumerate(folds):
        wrong = _first_broken(np.concatenate([train, test]), labels.codes, places)
        if len(train) and len(test) and wrong is None:
            continue
        which = ""
        if labels.ids is not None and wrong is not None:
            which = f" of {labels.series_name(wrong)} and others"
        raise ValueError(
            f"Fold {k} trains on {span(train)} and tests on {span(test)}{which}, but"
            " the state after training fits only the rows that come next: training"
            " rows must be consecutive, and the test rows follow them directly. Use"
            " TimeSeriesSplit, or PanelSplit for many series, with gap=0."
        )
    return folds


def _first_broken(rows, codes: np.ndarray, places: np.ndarray) -> int | None:
    """The first series whose rows, in this order, do not directly follow each other."""
    codes, places = codes[rows], places[rows]
    order = np.argsort(codes, kind="stable")
    codes, places = codes[order], places[order]
    broken = (np.diff(codes) == 0) & (np.diff(places) != 1)
    return int(codes[np.argmax(broken)]) if broken.any() else None


# --- the scorer -------------------------------------------------------------------


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
