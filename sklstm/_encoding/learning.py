"""Learning the numbers of an encoder from training rows, by a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sklstm._encoding.lesson import Lesson, trail_of
from sklstm._encoding.linear_skip import LagDesign, LinearSkip, mixed
from sklstm._encoding.logistic import logistic_skip
from sklstm._encoding.output_weights import by_output, by_weights
from sklstm._encoding.ridge import ridge_skips
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._encoding.scale import Scale
from sklstm._encoding.ties import Ties
from sklstm._encoding.trail import Trail


@dataclass(frozen=True, eq=False)
class Plan:
    """What is chosen of an encoder before its numbers are learnt.

    Parameters
    ----------
    scale : bool
    periods : tuple of int
    ties : Ties
    designs : tuple of LagDesign
        Of the maps whose mean is the linear skip; empty without one.
    naive : LagDesign or None
        Of a naive forecast that takes half of the place of these.
    inverse_alpha : float
        Of a logistic regression.
    has_common_scale : bool
        Whether X has one scale for all series: where levels tell classes, each series'
        own would take them away.
    """

    scale: bool
    periods: tuple[int, ...]
    ties: Ties
    designs: tuple[LagDesign, ...] = ()
    naive: LagDesign | None = None
    inverse_alpha: float = 1.0
    has_common_scale: bool = False


def learn_encoder(lesson: Lesson, plan: Plan, used: np.ndarray) -> RowEncoder:
    """The encoder of a plan, its numbers learnt on the rows that are `used`."""
    encoder = RowEncoder(
        n_features=lesson.X.shape[1],
        n_outputs=lesson.n_outputs,
        series=lesson.series,
        x_scale=None,
        y_scale=None,
        skip=None,
        ties=plan.ties.columns,
        ahead=plan.ties.ahead,
        residual=np.ones(lesson.n_outputs),
    )
    if plan.scale:
        encoder = _with_scales(encoder, lesson, plan, used)
    if plan.designs:
        encoder = _with_skip(encoder, lesson, plan, used)
    return encoder


def _with_scales(
    encoder: RowEncoder, lesson: Lesson, plan: Plan, used: np.ndarray
) -> RowEncoder:
    codes, is_pooled = lesson.codes[used], lesson.series is None
    x_scale = Scale.learn(
        lesson.X[used], codes, lesson.n_series, is_pooled or plan.has_common_scale
    )
    if plan.has_common_scale and not is_pooled:
        x_scale = x_scale.repeated(lesson.n_series + 1)
    y_scale = None
    if lesson.n_classes is None:
        own = _target_scale(lesson, used, is_pooled)
        ties, at = plan.ties, plan.ties.columns
        tied = at >= 0
        mean = ties.slopes * x_scale.mean[:, at] + ties.offsets
        deviation = ties.slopes * x_scale.deviation[:, at]
        y_scale = Scale(
            np.where(tied, mean, own.mean), np.where(tied, deviation, own.deviation)
        )
    return replace(encoder, x_scale=x_scale, y_scale=y_scale)


def _target_scale(lesson: Lesson, used: np.ndarray, is_pooled: bool) -> Scale:
    """The scale of targets, of each output over its rows with a weight, if any."""
    n_scales = 1 if is_pooled else lesson.n_series + 1
    mean, deviation = np.empty((2, n_scales, lesson.n_outputs))
    for outputs, weights in by_weights(lesson.weights):
        told = used & (weights > 0)  # the others may have no target
        if not told.any():
            told = used
        own = Scale.learn(
            lesson.y[told][:, outputs], lesson.codes[told], lesson.n_series, is_pooled
        )
        mean[:, outputs], deviation[:, outputs] = own.mean, own.deviation
    return Scale(mean, deviation)


def _with_skip(encoder: RowEncoder, lesson: Lesson, plan: Plan, used) -> RowEncoder:
    target = scaled_targets(lesson, encoder)
    at = np.flatnonzero(used)
    trail = trail_of(lesson, encoder).at_rows(at)
    skip = learn_skip(lesson, plan, trail, target[at], lesson.weights[at])
    residual = np.ones(lesson.n_outputs)
    forecast = skip.forecast(trail)
    if lesson.n_classes is None and plan.scale:
        told = by_output(lesson.weights[at]) > 0
        squares = np.where(told, (target[at] - forecast) ** 2, 0.0).sum(axis=0)
        left = np.sqrt(squares / np.maximum(told.sum(axis=0), 1))
        residual = np.where(left > 1e-9, left, 1.0)
    spread = None
    if lesson.quantiles is not None:
        left = (target[at] - forecast) / residual
        spread = spread_of(left, lesson.weights[at], lesson.quantiles)
    encoder = replace(encoder, skip=skip, residual=residual, spread=spread)
    shown = encoder.unscaled_inputs(trail, forecast)
    codes = np.zeros(len(shown), int)
    return replace(encoder, shown=Scale.learn(shown, codes, 1, is_pooled=True))


def spread_of(left: np.ndarray, weights: np.ndarray, levels: Sequence[float]):
    """Quantiles of what is left of each output, of shape (n_outputs, n_quantiles)."""
    by_column = np.broadcast_to(by_output(weights), left.shape).T
    pairs = zip(left.T, by_column, strict=True)
    return np.array([weighted_quantiles(*pair, levels) for pair in pairs])


def weighted_quantiles(
    values: np.ndarray, weights: np.ndarray, levels: Sequence[float]
) -> np.ndarray:
    """Quantiles of values that stand for as many as their weights say.

    Between two values they are interpolated, a value lying in the middle of its weight
    (Hazen's rule, of equal weights); 0 where all weights are.
    """
    told = np.flatnonzero(weights > 0)
    if not len(told):
        return np.zeros(len(levels))
    order = told[np.argsort(values[told], kind="stable")]
    summed = np.cumsum(weights[order], dtype=np.float64)
    middles = summed - weights[order] / 2
    return np.interp(np.array(levels) * summed[-1], middles, values[order])


def learn_skip(lesson: Lesson, plan: Plan, trail: Trail, target, weights) -> LinearSkip:
    """The linear skip of a plan, of the rows of a trail."""
    if lesson.n_classes is not None:
        return logistic_skip(
            plan.designs[0],
            trail,
            target[:, 0].astype(int),
            weights,
            lesson.n_classes,
            lesson.n_outputs,
            plan.inverse_alpha,
        )
    skips = ridge_skips(plan.designs, trail, target, weights)
    mean = mixed(skips, [1 / len(skips)] * len(skips))
    return mean if plan.naive is None else mixed([mean, plan.naive.naive()], [0.5, 0.5])


def scaled_targets(lesson: Lesson, encoder: RowEncoder) -> np.ndarray:
    """Targets scaled by their series; class numbers as they are."""
    if lesson.n_classes is not None:
        return lesson.y
    return encoder.targets(lesson.y, lesson.scales[lesson.codes])
