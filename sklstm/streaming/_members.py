"""What members of an ensemble must be, so that rows of a series can follow in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.drawn_rows import weighs_rows
from sklstm.preprocessing import SlidingWindow


def check_rows_in_order(ensemble: Any) -> None:
    """Raise ValueError where a bagging ensemble has drawn the rows of its members.

    Members that take ``sample_weight`` are given all rows in order, and draws as
    weights; others are given the rows drawn.
    """
    if weighs_rows(ensemble.estimator_):
        return
    everything = np.arange(ensemble._n_samples)
    if all(np.array_equal(rows, everything) for rows in ensemble.estimators_samples_):
        return
    name, member = type(ensemble).__name__, type(ensemble.estimator_).__name__
    raise ValueError(
        f"{name} has fitted each {member} on rows drawn at random"
        f" (bootstrap={ensemble.bootstrap}, max_samples={ensemble.max_samples}), out of"
        " their order in time, so that no state goes on from them. Set bootstrap=False"
        " and max_samples=1.0: networks differ by their random_state."
    )


def check_no_network_inside(part: Any) -> None:
    """Raise TypeError where there is a network whose state would not move.

    That would stay where `fit` left it, while the states of others do.
    """
    if any(isinstance(inner, BaseStatefulLSTM) for inner in _parts(part)):
        raise TypeError(
            "stream moves one network in each pipeline, which is a step of it, but this"
            f" {type(part).__name__} has another one inside. Call observe on it, or"
            " predict with all rows since fit began."
        )


def check_plain_member(member: Any) -> None:
    """Raise where a member without state makes windows of its rows, or has a network.

    ValueError and TypeError.
    """
    check_no_network_inside(member)
    if any(isinstance(part, SlidingWindow) for part in _parts(member)):
        raise ValueError(
            f"The {type(member).__name__} among the members of the ensemble makes"
            " windows of its rows by SlidingWindow, always after the rows of fit: rows"
            " observed since would be missing from them. Leave it out, or give it lags"
            " as columns of X."
        )


def _parts(estimator: Any) -> Iterable[Any]:
    """The parameters of an estimator, and so the estimators inside it."""
    return estimator.get_params().values() if hasattr(estimator, "get_params") else ()
