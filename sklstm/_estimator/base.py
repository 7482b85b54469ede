"""The base of both estimators, put together from what they do."""

from __future__ import annotations

from sklstm._estimator.array_checks import ArrayChecks
from sklstm._estimator.copies import Copies
from sklstm._estimator.exports import Exports
from sklstm._estimator.fitting import Fitting
from sklstm._estimator.hidden_states import HiddenStates
from sklstm._estimator.partial_fitting import PartialFitting
from sklstm._estimator.predicting import Predicting
from sklstm._estimator.state_calls import StateCalls


class BaseStatefulLSTM(
    Copies,
    Fitting,
    PartialFitting,
    Predicting,
    HiddenStates,
    StateCalls,
    Exports,
    ArrayChecks,
):
    """Base of the stateful LSTM estimators; use one of its subclasses.

    A subclass says what its targets are, ``_learn_target(y, loss)``, and how rows are
    weighted, ``_weigh_rows(y, sample_weight, target)``.
    """
