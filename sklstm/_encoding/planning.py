"""Planning an encoder: periods, lags and the form of the linear map, from the rows.

Maps are compared by their errors on rows later than those that they learn from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sklstm._encoding.learning import (
    Plan,
    learn_encoder,
    learn_skip,
    scaled_targets,
    trail_of,
)
from sklstm._encoding.lesson import Lesson
from sklstm._encoding.linear_skip import (
    LagDesign,
    LinearSkip,
    forecasts,
    lags_within,
)
from sklstm._encoding.logistic import INVERSE_ALPHAS, cross_entropies
from sklstm._encoding.output_weights import by_output
from sklstm._encoding.periods import RECENT, find_periods, lag_of, lags_for
from sklstm._encoding.ridge import ridge_skips
from sklstm._encoding.ties import Ties, find_ties

FEW = 4  # lags next to the row itself, where more of them do not help
LEAST_TOLD = 8  # held-out rows from which something is told
NEARLY = 1.1  # times the error of the best map, within which others are taken with it
MOST_LAGGED = 200  # entries of the linear map where no column is the target's own


@dataclass(frozen=True)
class Asked:
    """What of an encoder the user's parameters fix.

    Parameters
    ----------
    scale, linear_skip : bool
    lags : tuple of int or None
        None to choose them.
    """

    scale: bool
    linear_skip: bool
    lags: tuple[int, ...] | None = None


def make_plan(lesson: Lesson, asked: Asked) -> Plan:
    """Choose the periods, and the lags and the form of the linear map.

    Where a target goes on with a column of X, all forms of a ridge regression that are
    about as good as the best one are taken, and the linear skip is their mean: it is
    better than any one of them, as each form errs in its own way. Where they err more
    than a naive forecast does, the mean of both is taken.
    """
    ties = find_ties(lesson)
    if not asked.scale:
        ties = ties.in_same_units()
    plan = Plan(asked.scale, _periods(lesson, ties), ties)
    if not asked.linear_skip:
        return plan
    designs = _designs(lesson, asked, plan)
    if not lesson.folds():
        return replace(plan, designs=tuple(designs[:1]))
    if lesson.n_classes is not None:
        return _plan_of_classes(lesson, plan, designs)
    naive = _naive_designs(plan, designs[0])
    errors, naive_errors = _compare(lesson, plan, designs, naive)
    best = errors.least(NEARLY)
    plan = replace(plan, designs=tuple(designs[k] for k in best))
    if not naive:
        return plan
    (k,) = naive_errors.least(1.0)[:1]
    if is_gain(errors.of_mean(best) - naive_errors.of_mean([k])):
        return replace(plan, naive=naive[k])
    return plan


def is_gain(gains: np.ndarray) -> bool:
    """Whether gains of rows are more on average than their standard error.

    So chance alone seldom adds what does not help. Of very few rows nothing is told.
    """
    n = len(gains)
    return n >= LEAST_TOLD and gains.mean() > gains.std() / np.sqrt(n)


def _periods(lesson: Lesson, ties: Ties) -> tuple[int, ...]:
    tied = ties.columns[ties.columns >= 0]
    values = lesson.X[:, tied[0]] if len(tied) else lesson.y[:, 0]
    ends = np.cumsum(lesson.lengths)[:-1]
    return find_periods(np.split(np.asarray(values, np.float64), ends))


def _designs(lesson: Lesson, asked: Asked, plan: Plan) -> list[LagDesign]:
    """The forms that a linear map may have."""
    n_features, longest = lesson.X.shape[1], int(lesson.lengths.max())
    lagged = np.zeros(n_features, bool)
    ties = plan.ties.columns
    lagged[ties[ties >= 0]] = True
    is_tied = bool(lagged.any())
    season, most = _season_starts(lesson, plan), None
    if asked.lags is not None:
        choices = [lags_within(asked.lags, longest - 1)]
        season = [starts for starts in season if {*starts} <= {0, *asked.lags}]
    else:
        choices = _lag_choices(longest, plan, season)
        most = max(MOST_LAGGED // n_features, 1)
    if not is_tied:
        lagged[:] = True
        return [
            LagDesign(lags[:most], lagged, ties, None)
            for lags in dict.fromkeys(choices)
        ]
    anchors: list[tuple] = [(0, ())]
    if lesson.n_series == 1:
        # In a panel no form reads levels, so that series at other levels may join it.
        anchors.append((None, ()))
    anchors += [(starts[0], starts) for starts in season]
    return [
        LagDesign(lags, lagged, ties, *anchor)
        for lags in dict.fromkeys(choices)
        for anchor in anchors
    ]


def _season_starts(lesson: Lesson, plan: Plan) -> list[tuple[int, ...]]:
    """For each target the lag of the row a season before it, where there is a season.

    None where all of these are the row itself.
    """
    longest = int(lesson.lengths.max())
    found = [
        tuple(lag_of(period, int(ahead)) for ahead in plan.ties.ahead)
        for period in plan.periods[:1]
        if 1 < period <= longest // 3
    ]
    return [starts for starts in found if any(starts)]


def _lag_choices(longest: int, plan: Plan, season: list[tuple[int, ...]]) -> list:
    """Lags with many and with few of the newest rows, and one longer period or none."""
    periods, ahead = plan.periods, np.unique(plan.ties.ahead).tolist()
    seasons = [periods[:1], *((periods[0], longer) for longer in periods[1:])]
    starts = {lag for starts in season for lag in starts}
    return [
        tuple(sorted({*lags_for(longest, of, most_recent, ahead), *starts}))
        for of in seasons
        for most_recent in (RECENT, FEW)
    ]


def _naive_designs(plan: Plan, design: LagDesign) -> list[LagDesign]:
    """That the last value comes again, or that of a season before."""
    if (plan.ties.columns < 0).any():
        return []
    season = [
        tuple(lag_of(period, int(ahead)) for ahead in plan.ties.ahead)
        for period in plan.periods[:1]
    ]
    anchors = [(0,) * len(plan.ties.ahead)]
    anchors += [starts for starts in season if {*starts} <= {*design.lags}]
    return [
        replace(design, lags=tuple(sorted({0, *starts})), anchor=0, starts=starts)
        for starts in dict.fromkeys(anchors)
    ]


class LaterErrors:
    """Errors of some maps on the rows after those that they have learnt from.

    Parameters
    ----------
    missed : list of ndarray of shape (n_maps, n_rows, n_outputs)
        What the forecasts miss, of each fold, the newest first.
    """

    NEWEST = 2.0  # times as much as older rows count the newest

    def __init__(self, missed: list[np.ndarray]):
        shares = [self.NEWEST, *([1.0] * (len(missed) - 1))]
        self._missed = np.concatenate(
            [share * part for share, part in zip(shares, missed, strict=True)], axis=1
        )

    def of_mean(self, which: list[int]) -> np.ndarray:
        """The error of each row for the mean of some maps, of shape (n_rows,)."""
        return np.abs(self._missed[which].mean(axis=0)).mean(axis=1)

    def least(self, nearly: float) -> list[int]:
        """Which maps have at most `nearly` times the least error, the best first."""
        means = np.abs(self._missed).mean(axis=(1, 2))
        order = np.argsort(means, kind="stable")
        return [int(k) for k in order if means[k] <= nearly * means.min()]


def _compare(
    lesson: Lesson, plan: Plan, designs: list[LagDesign], naive: list[LagDesign]
) -> tuple[LaterErrors, LaterErrors]:
    """Errors of the ridge regression of each design, and of naive forecasts."""
    missed: list[np.ndarray] = []
    naive_missed: list[np.ndarray] = []
    for learnt_on, told_on in lesson.folds():
        encoder = learn_encoder(lesson, plan, learnt_on)
        trail, target = trail_of(lesson, encoder), scaled_targets(lesson, encoder)
        at, told = np.flatnonzero(learnt_on), np.flatnonzero(told_on)
        skips = ridge_skips(designs, trail.at_rows(at), target[at], lesson.weights[at])
        weights = by_output(lesson.weights[told])
        later = trail.at_rows(told)
        truth = target[told]

        def misses(skips: list[LinearSkip], later=later, truth=truth, weights=weights):
            if not skips:
                return np.empty((0, *truth.shape))
            return (forecasts(skips, later) - truth) * weights

        missed.append(misses(skips))
        naive_missed.append(misses([design.naive() for design in naive]))
    return LaterErrors(missed), LaterErrors(naive_missed)


def _plan_of_classes(lesson: Lesson, plan: Plan, designs: list[LagDesign]) -> Plan:
    """The plan of the least cross-entropy on later rows.

    Whether series have a scale in common, and the strength of shrinkage, are chosen
    with the fewest lags, the lags by that choice.
    """
    learnt_on, told_on = lesson.folds()[0]
    at, told = np.flatnonzero(learnt_on), np.flatnonzero(told_on)
    classes = lesson.y[told, 0].astype(int)
    trails = {
        is_common: trail_of(
            lesson,
            learn_encoder(lesson, replace(plan, has_common_scale=is_common), learnt_on),
        )
        for is_common in ([False, True] if lesson.n_series > 1 else [False])
    }

    def error(plan: Plan) -> float:
        trail = trails[plan.has_common_scale]
        skip = learn_skip(
            lesson, plan, trail.at_rows(at), lesson.y[at], lesson.weights[at]
        )
        scores = skip.forecast(trail.at_rows(told))
        return float(lesson.weights[told] @ cross_entropies(scores, classes))

    few = min(designs, key=lambda design: len(design.lags))
    plan = min(
        (
            replace(plan, designs=(few,), inverse_alpha=c, has_common_scale=is_common)
            for is_common in trails
            for c in INVERSE_ALPHAS
        ),
        key=error,
    )
    return min((replace(plan, designs=(design,)) for design in designs), key=error)
