"""`backtest`: estimators walked forward over the past, as they would have been live."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from sklstm._checks import check_positive_int
from sklstm._estimator.forms import n_dimensions
from sklstm.model_selection._backtest_fits import BacktestFits
from sklstm.model_selection._backtest_result import BacktestResult
from sklstm.model_selection._baselines import (
    find_period,
    naive_forecasts,
)
from sklstm.model_selection._folds import Fold, fits_of, read_folds
from sklstm.model_selection._prediction_scorer import PredictionScorer
from sklstm.model_selection._seeding import networks_in
from sklstm.model_selection._target import Cell, Target
from sklstm.model_selection._timeline import Timeline, read_series


def backtest(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any,
    horizon: int = 1,
    refit: Any = False,
    scoring: Any = None,
    stride: int = 1,
    period: Any = None,
    n_jobs: int | None = None,
    return_estimators: bool = False,
) -> BacktestResult:
    """Forecast the past as it would have been forecast live, fold after fold.

    An estimator is fitted on the training rows of a fold, and then walks over the rows
    that follow, with its state moving on as by `step`, whose answers these are. From
    each row to test on, or from every `stride`-th, it forecasts. Rows between those
    trained on and those tested on (a gap) are observed, not skipped. So it is told how
    the estimator would have done in service, without being fitted again unless `refit`
    says so, and rivals without state are judged by the same walk.

    Parameters
    ----------
    estimator : estimator
        A `StatefulLSTMRegressor` or `StatefulLSTMClassifier`, alone or inside what
        `stream` follows: pipelines, target transformations, searches and ensembles. Or
        an estimator of scikit-learn without state, whose lags are columns of X. It is
        cloned, not changed.
    X : array-like of shape (n_rows, n_features)
        Rows in time order, of one series or of many, told apart as for `fit`; for
        estimators without state by a MultiIndex.
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        ``y[i]`` belongs to row i.
    cv : splitter or iterable of (train, test)
        Folds that go forward in time, such as those of `TimeSeriesSplit`, and of
        `PanelSplit` for many series, with or without a gap. Where it needs ``groups``,
        pass ``cv.split(X, groups=...)``.
    horizon : int, default=1
        How many steps ahead to forecast. Above 1 each prediction becomes a part of the
        next row, see the Notes. Where y has all horizons as its columns, as of
        ``frame_series(series, horizon=range(1, 25))``, all are forecast from each row
        at once, and this stays 1.
    refit : bool, int or "update", default=False
        False fits once, on the first fold; an int n fits anew every n folds, and True
        for each one. "update" goes on with ``partial_fit`` on the training rows of
        each fold that are new.
    scoring : str or callable, default=None
        Name of a scorer of scikit-learn that needs predictions only, or a callable
        ``scoring(estimator, X, y)``, which is given the predictions as X and an
        estimator that returns them. By default the mean absolute error, negative, and
        the accuracy for classifiers.
    stride : int, default=1
        Forecasts are made from every so many rows of each series, from the first row
        of each fold on.
    period : int, default=None
        Rows in a season, for seasonal persistence. By default it is found in y of the
        first training rows, if there is one.
    n_jobs : int, default=None
        Number of fits to run in parallel, with ``refit=True`` or a number.
    return_estimators : bool, default=False
        Whether to keep the fitted estimators.

    Returns
    -------
    result : BacktestResult
        Its ``predictions`` are a row for each value forecast, in the units of y.
        ``scores`` tells the score by fold, horizon and series and the skill over
        persistence and seasonal persistence, and ``plot`` draws.

    Raises
    ------
    TypeError
        If `horizon`, `stride`, `period` or `refit` is of another type, `scoring` is
        neither a name nor a callable, or networks are in what `stream` does not follow.
    ValueError
        If folds overlap, go back in time or lack rows; if `horizon` is below 1 or
        longer than the rows to test on; if predictions cannot become rows, or a
        SlidingWindow would have to follow rows that are fed back; if
        ``refit="update"`` and there is no ``partial_fit``; if there is no scorer of
        that name, or it needs probabilities; if X holds ready-made windows; if a
        classifier is asked for more than the next label; and if the estimator cannot
        tell the series of X apart.

    See Also
    --------
    compare_states : Whether carrying the state helps.
    sklstm.stream : The calls that move a state live.

    Notes
    -----
    What is known when. Let `v` be the series that y is taken from. Where a column of X
    holds y from s rows before, row i tells ``v[i] = y[i - s]``, and ``y[i]`` is s steps
    ahead; the smallest s counts. Where the names of `frame_series` tell the steps,
    these count. Where neither tells, y is taken to be one step ahead: at row i,
    ``y[i - 1]`` is known. Persistence forecasts ``v[i]`` for all horizons, seasonal
    persistence the newest value known that is whole periods before the one asked for.

    Above one step ahead, the forecast of ``y[i]`` from row i fills the place of y in
    row i + 1, from which ``y[i + 1]`` is forecast, and so on. Every column of X that
    holds y from rows before, a lag of a linear model for example, is filled so where
    the value comes after row i. *All other columns are taken from X as known*, as
    ``forecast(X_future=...)`` takes them. That is right of a calendar, of prices and of
    plans. A column that is only measured on the day, such as the weather, or computed
    from the target, such as a moving average, tells of the future here: leave it out,
    shift it, or forecast all horizons directly. From the last ``horizon - 1`` rows of
    each fold no forecast is made, so that all horizons are tested on as many rows.

    A training row whose target lies several steps ahead, as of
    ``frame_series(series, horizon=7)``, has its target inside the rows to test on. A
    gap of one row less than that (``gap=6``) leaves these rows out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from sklstm import StatefulLSTMRegressor, frame_series
    >>> from sklstm.model_selection import backtest
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> X, y = frame_series(10 + 3 * np.sin(np.arange(300) / 4) + 0.1 * noise)
    >>> model = StatefulLSTMRegressor(8, epochs=2, random_state=0)
    >>> folds = TimeSeriesSplit(3, test_size=40, gap=5)
    >>> result = backtest(model, X, y, cv=folds, horizon=3)
    >>> result.predictions.columns.tolist()
    ['series', 'time', 'fold', 'horizon', 'y_true', 'y_pred']
    >>> result.predictions.shape  # 38 rows in each of 3 folds, 3 steps from each
    (342, 6)
    >>> bool((result.scores["skill over persistence"] > 0.5).all())
    True
    >>> rival = backtest(Ridge(), X, y, cv=folds, horizon=3)
    >>> score = "neg_mean_absolute_error"
    >>> bool((result.scores[score] > rival.scores[score]).all())
    True
    """
    X, y = indexable(X, y)
    X = X if hasattr(X, "shape") else np.asarray(X)
    _check_rows(X)
    horizon = check_positive_int("horizon", horizon)
    stride = check_positive_int("stride", stride)
    _check_period(period)
    _check_goes_on(estimator, refit)
    is_labels = is_classifier(estimator)
    scorer = PredictionScorer.of(scoring, is_labels)
    timeline = Timeline(read_series(estimator, networks_in(estimator), X))
    folds = read_folds(cv, X, y, timeline, is_labels)
    groups = fits_of(folds, refit)
    target = Target.read(X, y, timeline, is_labels)
    _check_labels(target, horizon)
    cells = target.cells(horizon)
    begun = [_origins(fold, cells, stride, timeline) for fold in folds]
    fits = BacktestFits(X, y, target, timeline, cells)
    if refit == "update":
        walks = fits.walk_updated(clone(estimator), folds, begun)
    else:
        walks = Parallel(n_jobs=n_jobs)(
            delayed(fits.walk)(
                clone(estimator), group, [begun[fold.number] for fold in group]
            )
            for group in groups
        )
    values, estimators = zip(*walks, strict=True)
    if period is None:
        period = find_period(target, timeline, folds[0].train)
    origins = np.concatenate(begun)
    return BacktestResult(
        predictions=fits.table(np.concatenate(values), folds, begun),
        baselines=naive_forecasts(target, timeline, origins, cells, period),
        scorer=scorer,
        is_labels=is_labels,
        period=period,
        estimators=estimators if return_estimators else None,
    )


def _origins(
    fold: Fold, cells: list[Cell], stride: int, timeline: Timeline
) -> np.ndarray:
    """The rows of a fold to forecast from: those with all truths in the same fold."""
    codes, places = timeline.codes[fold.test], timeline.places[fold.test]
    first = np.full(timeline.labels.n_series, len(timeline.codes))
    last = np.full(timeline.labels.n_series, -1)
    np.minimum.at(first, codes, places)
    np.maximum.at(last, codes, places)
    n_later = max(cell.later for cell in cells)
    chosen = (places + n_later <= last[codes]) & ((places - first[codes]) % stride == 0)
    if not chosen.any():
        longest = int((last - first).max()) + 1
        raise ValueError(
            f"{fold}, {longest} of a series at most, but horizon={n_later + 1} takes as"
            " many rows to test on. Use a smaller horizon, fewer splits, or a larger"
            " test_size."
        )
    return fold.test[chosen]


# --- checks -----------------------------------------------------------------------


def _check_rows(X) -> None:
    if n_dimensions(X) != 2:
        raise ValueError(
            f"X has {n_dimensions(X)} dimension(s), but backtest takes rows in time"
            " order, of shape (n_rows, n_features). Of ready-made windows pass the"
            " rows, and set the estimator's sequence_length."
        )


def _check_period(period) -> None:
    if period is not None and check_positive_int("period", period) == 1:
        raise ValueError(
            "period=1 repeats the last value, as persistence does. Pass the number of"
            " rows in a season, or None to have it found."
        )


def _check_goes_on(estimator, refit) -> None:
    is_update = isinstance(refit, str) and refit == "update"
    if is_update and not hasattr(estimator, "partial_fit"):
        raise ValueError(
            f"refit='update' calls partial_fit, which {type(estimator).__name__} does"
            " not have. Use refit=True or a number of folds, or pass an estimator with"
            " partial_fit, such as StatefulLSTMRegressor alone."
        )


def _check_labels(target: Target, horizon: int) -> None:
    n_columns = target.values.shape[1]
    if target.is_labels and (horizon > 1 or n_columns > 1):
        raise ValueError(
            f"A classifier is tested on one label for each row, but horizon={horizon}"
            f" and y has {n_columns} column(s): a label cannot become a part of the"
            " next row. Leave horizon=1, and pass as y the labels of the step that"
            " counts: frame_series(labels, horizon=...)."
        )
