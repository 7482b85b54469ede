"""Training on: rows and targets as a composite takes them, for each network inside.

Owns the way of targets to a network; rows go the way of `_way`. Transformers stay as
they were fitted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._training.fitted import Fitted
from sklstm.streaming._composite import BAGS, ENSEMBLES, Composite, Network
from sklstm.streaming._way import carry_in, has_lost_labels


def train_on(
    composite: Composite, X: Any, y: Any, sample_weight: Any, stacklevel: int
) -> dict[Network, Fitted]:
    """The networks' records after `partial_fit`; nothing is moved yet.

    Raises
    ------
    ValueError
        If a member of an ensemble has no network, or another estimator comes after
        a network in a pipeline, and would stay as it was.
    """
    if composite.plain:
        kinds = ", ".join(sorted({type(member).__name__ for member in composite.plain}))
        raise ValueError(
            f"partial_fit trains networks on, but the ensemble holds {kinds}, which"
            " would stay as it was. Fit the ensemble anew, or leave these out of it."
        )
    records = {}
    targets = targets_inside(composite.fitted, y)
    for network, inside in zip(composite.networks, targets, strict=True):
        rows = carry_in(network.way_in, np.asarray(X) if network.bag else X)
        rows = network.labelled(rows, X)
        if has_lost_labels(rows, X):
            composite.warn_once(network, stacklevel)
        one = copy.copy(network.estimator)
        records[network] = one.partial_fit(
            rows, inside, sample_weight=sample_weight
        )._record()
    return records


def targets_inside(fitted: Any, y: Any) -> Iterator[Any]:
    """Targets as each network in `fitted` was given them, in the networks' order."""
    if isinstance(fitted, BaseStatefulLSTM):
        yield y
    elif isinstance(fitted, Pipeline):
        for _, step in fitted.steps[:-1]:
            if isinstance(step, BaseStatefulLSTM):
                raise ValueError(
                    "partial_fit trains networks on, but the"
                    f" {type(fitted[-1]).__name__} after this one would stay as it was."
                    " Fit the pipeline anew."
                )
        yield from targets_inside(fitted[-1], y)
    elif isinstance(fitted, TransformedTargetRegressor):
        yield from targets_inside(fitted.regressor_, _transformed(fitted, y))
    elif isinstance(fitted, ENSEMBLES):
        inside = _encoded(fitted, y)
        for member in fitted.estimators_:
            yield from targets_inside(member, inside)
    elif hasattr(fitted, "best_estimator_"):
        yield from targets_inside(fitted.best_estimator_, y)


def _transformed(fitted: TransformedTargetRegressor, y: Any) -> np.ndarray:
    """Targets as the regressor of a target transformation was given them."""
    y = np.asarray(y)
    inside = fitted.transformer_.transform(y.reshape(-1, 1) if y.ndim == 1 else y)
    return inside[:, 0] if y.ndim == 1 and inside.shape[1] == 1 else inside


def _encoded(ensemble: Any, y: Any) -> Any:
    """Labels as numbers, where an ensemble of classifiers has numbered them."""
    if isinstance(ensemble, VotingClassifier):
        return ensemble.le_.transform(y)
    if not isinstance(ensemble, BAGS) or not hasattr(ensemble, "classes_"):
        return y
    strangers = np.setdiff1d(y, ensemble.classes_)
    if len(strangers):
        raise ValueError(
            f"y holds the labels {strangers.tolist()}, which are not among those of the"
            f" fit, {ensemble.classes_.tolist()}. Fit anew on all of them."
        )
    return np.searchsorted(ensemble.classes_, y)
