"""Rows of a call as the network reads them, and its outputs as answers.

Where a fit has an encoder, it stands between the rows and the network: see
`_encoding.row_encoder`. Where it has none, both are the same.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sklstm._encoding.lesson import Lesson, trail_of
from sklstm._encoding.row_encoder import RowEncoder
from sklstm._estimator.given import Given
from sklstm._network.targets import ClassTarget
from sklstm._rows.series import match_series
from sklstm._rows.state import RecurrentState


def lesson_of(
    given: Given, begins: np.ndarray, y: np.ndarray, weights: np.ndarray, target
) -> Lesson:
    """Training rows, series by series, for an encoder to learn from."""
    is_named = given.labels.ids is not None and given.sequences is None
    n_classes = None
    if isinstance(target, ClassTarget):
        n_classes = len(target.classes)
        y = np.searchsorted(target.classes, y)
    return Lesson(
        X=given.X,
        y=np.asarray(y).reshape(len(given.X), -1),
        codes=given.labels.codes,
        begins=begins,
        weights=weights,
        series=given.labels.ids if is_named else None,
        n_series=given.labels.n_series,
        n_outputs=target.n_outputs,
        n_classes=n_classes,
        quantiles=getattr(target, "quantiles", None),
    )


def encode_training_rows(
    lesson: Lesson | None, encoder: RowEncoder | None, given: Given
) -> Given:
    """Training rows as the network reads them."""
    if lesson is None or encoder is None:
        return replace(given, X=given.X.astype(np.float32, copy=False))
    return replace(given, X=encoder.inputs(trail_of(lesson, encoder)))


def scales_of(encoder: RowEncoder, given: Given) -> np.ndarray:
    """The entry of the scales that serves each series of a call."""
    if encoder.series is None or given.labels.ids is None:
        return np.zeros(given.labels.n_series, int)
    return match_series(encoder.series, given.labels.ids)


def inputs_of(
    encoder: RowEncoder | None,
    given: Given,
    begins: np.ndarray,
    before: RecurrentState,
    positions_after: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What the network reads of the rows of a call, and the contexts after them.

    Parameters
    ----------
    encoder : RowEncoder or None
    given : Given
    begins : ndarray of bool of shape (n_rows,)
        Rows that begin a new run.
    before : RecurrentState
        Of the series of the call.
    positions_after : ndarray of int of shape (n_series,)
        How many rows of its run each series has had after the call.
    """
    if encoder is None:
        return given.X, before.context
    context = before.context
    if context.ndim == 2:  # no row is looked back at
        context = np.empty((len(before.position), 0, encoder.n_features))
    trail = encoder.trail(
        given.X,
        scales_of(encoder, given),
        given.labels.codes,
        begins,
        context,
        before.position,
    )
    if not encoder.n_context:
        return encoder.inputs(trail), before.context
    after = trail.last(encoder.n_context, positions_after)
    return encoder.inputs(trail), after.astype(np.float32)


def targets_of(
    encoder: RowEncoder | None, target, given: Given, y: np.ndarray
) -> np.ndarray:
    """Targets in the network's units; classes as they are."""
    if encoder is None or isinstance(target, ClassTarget):
        return y
    series = scales_of(encoder, given)[given.labels.codes]
    return encoder.targets(np.asarray(y, np.float64).reshape(len(y), -1), series)


def answers_of(
    encoder: RowEncoder | None, given: Given, outputs: np.ndarray
) -> np.ndarray:
    """The network's outputs for rows of a call in the units of y."""
    if encoder is None:
        return outputs
    return encoder.answers(outputs, scales_of(encoder, given)[given.labels.codes])


def with_context(encoder: RowEncoder | None, zero: RecurrentState) -> RecurrentState:
    """The state before any row with room for the rows that an encoder looks back at."""
    if encoder is None or not encoder.n_context:
        return zero
    shape = (len(zero.position), encoder.n_context, encoder.n_features)
    return replace(zero, context=np.zeros(shape, np.float32))
