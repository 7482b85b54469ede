"""A composite taken apart: its networks, and a copy of it that others answer in.

What an ensemble makes of the predictions of its members, and a target transformation of
its regressor's, is asked of scikit-learn: `predict` is called on a copy of the
composite in which a stand-in sits in the place of each network.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm.streaming._members import (
    check_no_network_inside,
    check_plain_member,
    check_rows_in_order,
)
from sklstm.streaming._way import (
    LABELS_LOST,
    LABELS_LOST_IN_BAG,
    carry_in,
    has_lost_labels,
    put_labels_back,
)

BAGS = (BaggingRegressor, BaggingClassifier)
ENSEMBLES = (*BAGS, VotingRegressor, VotingClassifier)


@dataclass(frozen=True, eq=False)
class Network:
    """A stateful estimator inside a composite.

    Parameters
    ----------
    estimator : StatefulLSTMRegressor or StatefulLSTMClassifier
    way_in : tuple of Pipeline
        Transformers that rows pass before they reach it, in order.
    bag : str or None
        Class of the bagging ensemble that it is in, which hands on arrays.
    """

    estimator: BaseStatefulLSTM
    way_in: tuple[Pipeline, ...]
    bag: str | None

    def labelled(self, inside: Any, X: Any) -> Any:
        """Rows that have come in, with the labels that transformers have dropped.

        X are the rows as they were outside.
        """
        if not self.way_in:
            return inside
        return put_labels_back(inside, X, self.way_in, self.estimator)

    @property
    def labels_lost(self) -> str:
        """What is warned of where the labels of rows do not come in."""
        return LABELS_LOST_IN_BAG.format(bag=self.bag) if self.bag else LABELS_LOST


#: ``answer(network, rows, method)`` is what a network answers to "predict",
#: "predict_proba" or "transform"; `rows` are as they have come in to it, with labels.
Answer = Callable[[Network, Any, str], Any]

_ANSWER: ContextVar[Answer] = ContextVar("answer")  # of the call that goes on


@dataclass(frozen=True, eq=False)
class Composite:
    """A fitted composite, and the networks inside it.

    Parameters
    ----------
    fitted : estimator
    networks : tuple of Network
        In the order of an ensemble's members.
    plain : tuple of estimator
        Members of ensembles that have no network in them, and so no state.
    is_ensemble : bool
        Whether there is an ensemble on the way to the networks.
    shell : estimator
        The copy with stand-ins.
    """

    fitted: Any
    networks: tuple[Network, ...]
    plain: tuple[Any, ...]
    is_ensemble: bool
    shell: Any = field(repr=False)
    _warned: list[Network] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def of(cls, fitted) -> Composite:
        """Take a composite apart.

        Raises
        ------
        TypeError
            If no network inside `fitted` predicts, or one of them gives features to
            another.
        ValueError
            If an ensemble has drawn rows to fit its members on, or a member without
            state makes windows of its rows.
        """
        parts = _Parts()
        shell = parts.shell_of(fitted)
        if not parts.networks:
            raise TypeError(
                "stream takes a fitted StatefulLSTMRegressor or StatefulLSTMClassifier,"
                " alone, as a step of a Pipeline, inside a TransformedTargetRegressor,"
                " in a Voting or Bagging ensemble, or found by a search with"
                f" refit=True; got {type(fitted).__name__}."
            )
        for ensemble in parts.ensembles:
            if isinstance(ensemble, BAGS):
                check_rows_in_order(ensemble)
        for member in parts.plain:
            check_plain_member(member)
        return cls(
            fitted,
            tuple(parts.networks),
            tuple(parts.plain),
            bool(parts.ensembles),
            shell,
        )

    def answer(
        self,
        X: Any,
        answer: Answer,
        method: str = "predict",
        stacklevel: int | None = None,
    ) -> Any:
        """What the composite predicts where its networks answer so.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features) or None
            Rows as the composite takes them. None where networks need none, and there
            are no plain members.
        answer : callable
            ``answer(network, rows, method)``.
        method : {"predict", "predict_proba"}
        stacklevel : int, default=None
            That of a warning of lost labels; None for no warning.

        Warns
        -----
        UserWarning
            Once, if X has labels that do not reach a network.
        """
        lost = []

        def labelled(network: Network, inside: Any, method: str) -> Any:
            rows = network.labelled(inside, X)
            if stacklevel is not None and has_lost_labels(rows, X):
                lost.append(network)
            return answer(network, rows, method)

        before = _ANSWER.set(labelled)
        try:
            predictions = getattr(self.shell, method)(X)
        finally:
            _ANSWER.reset(before)
        if stacklevel is not None and lost:
            self.warn_once(lost[0], stacklevel + 1)
        return predictions

    def warn_once(self, network: Network, stacklevel: int) -> None:
        """Warn that labels do not reach a network; the first time only."""
        if not self._warned:
            self._warned.append(network)
            warnings.warn(network.labels_lost, stacklevel=stacklevel + 1)


class _Parts:
    """What is found while the copy with stand-ins is made."""

    def __init__(self) -> None:
        self.networks: list[Network] = []
        self.plain: list[Any] = []
        self.ensembles: list[Any] = []

    def shell_of(
        self, fitted: Any, way_in: tuple[Pipeline, ...] = (), bag: str | None = None
    ) -> Any:
        """A copy of `fitted` with stand-ins; itself where there is no network in it."""
        if isinstance(fitted, BaseStatefulLSTM):
            for transformers in way_in:
                check_no_network_inside(transformers)
            self.networks.append(Network(fitted, way_in, bag))
            return Seat(self.networks[-1])
        if isinstance(fitted, Pipeline):
            return self._shell_of_pipeline(fitted, way_in, bag)
        if isinstance(fitted, TransformedTargetRegressor):
            regressor = self.shell_of(fitted.regressor_, way_in, bag)
            if regressor is fitted.regressor_:
                return fitted
            return _changed(fitted, regressor_=regressor)
        if isinstance(fitted, ENSEMBLES):
            return self._shell_of_ensemble(fitted, way_in, bag)
        if hasattr(fitted, "best_estimator_"):
            return self.shell_of(fitted.best_estimator_, way_in, bag)
        return fitted

    def _shell_of_pipeline(self, fitted: Pipeline, way_in, bag) -> Any:
        for k, (_, step) in enumerate(fitted.steps[:-1]):
            if isinstance(step, BaseStatefulLSTM):
                return self._shell_of_fed(fitted, k, way_in, bag)
        before = (fitted[:-1],) if len(fitted) > 1 else ()
        last = self.shell_of(fitted[-1], (*way_in, *before), bag)
        return fitted if last is fitted[-1] else Piped(before, last)

    def _shell_of_fed(self, fitted: Pipeline, k: int, way_in, bag) -> Any:
        """Of a pipeline whose step k is a network, on whose features the rest is."""
        rest = fitted[k + 1 :]
        check_no_network_inside(rest)
        before = (fitted[:k],) if k else ()
        seat = self.shell_of(fitted[k], (*way_in, *before), bag)
        return Piped(before, Fed(seat.network, rest))

    def _shell_of_ensemble(self, fitted: Any, way_in, bag) -> Any:
        is_bag = isinstance(fitted, BAGS)
        bag = type(fitted).__name__ if is_bag else bag
        members = [self.shell_of(one, way_in, bag) for one in fitted.estimators_]
        pairs = zip(members, fitted.estimators_, strict=True)
        plain = [new for new, old in pairs if new is old]
        if len(plain) == len(members):
            return fitted
        self.plain += plain
        self.ensembles.append(fitted)
        if is_bag:  # in this thread, where the answers are
            return Bagged(_changed(fitted, estimators_=members, n_jobs=1))
        return _changed(fitted, estimators_=members)


def _changed(estimator: Any, **attributes: Any) -> Any:
    """A shallow copy with other attributes."""
    changed = copy.copy(estimator)
    vars(changed).update(attributes)
    return changed


# --- stand-ins --------------------------------------------------------------------


class _StandIn:
    """Predicts in the place of `part`; subclasses say what becomes of rows before."""

    part: Any

    def _inside(self, X: Any) -> Any:
        return X

    def predict(self, X):
        """Predictions of the part."""
        return self.part.predict(self._inside(X))

    @available_if(lambda self: hasattr(self.part, "predict_proba"))
    def predict_proba(self, X):
        """Class probabilities of the part."""
        return self.part.predict_proba(self._inside(X))

    @property
    def classes_(self):
        """The labels of a classifier."""
        return self.part.classes_


class Seat(_StandIn):
    """In the place of a network."""

    def __init__(self, network: Network):
        self.network = network
        self.part = network.estimator

    def predict(self, X):
        """What the network answers in the call that goes on."""
        return _ANSWER.get()(self.network, X, "predict")

    @available_if(lambda self: hasattr(self.part, "predict_proba"))
    def predict_proba(self, X):
        """What the network answers in the call that goes on."""
        return _ANSWER.get()(self.network, X, "predict_proba")


class Fed(_StandIn):
    """In the place of a network and the steps of a pipeline that its states feed."""

    def __init__(self, network: Network, rest: Pipeline):
        self.network = network
        self.part = rest

    def _inside(self, X: Any) -> Any:
        """Hidden states that the network answers in the call that goes on."""
        features = _ANSWER.get()(self.network, X, "transform")
        names = getattr(self.part, "feature_names_in_", None)
        if names is None or isinstance(features, pd.DataFrame):
            return features
        return pd.DataFrame(features, columns=names)


class Piped(_StandIn):
    """In the place of a pipeline: rows are carried in to its last step."""

    def __init__(self, transformers: tuple[Pipeline, ...], last: Any):
        self.transformers = transformers
        self.part = last

    def _inside(self, X: Any) -> Any:
        return None if X is None else carry_in(self.transformers, X)


class Bagged(_StandIn):
    """In the place of a bagging ensemble, which checks and counts its rows."""

    def __init__(self, ensemble: Any):
        self.part = ensemble

    def _inside(self, X: Any) -> Any:
        """X, or where there is none as many rows of zeros as there are answers."""
        if X is not None:
            return X
        n_rows = len(self.part.estimators_[0].predict(None))
        zeros = np.zeros((n_rows, self.part.n_features_in_))
        names = getattr(self.part, "feature_names_in_", None)
        return zeros if names is None else pd.DataFrame(zeros, columns=names)
