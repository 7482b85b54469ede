"""What members of an ensemble must be, so that rows of a series can follow in it."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def check_plain_member(member: Any) -> None:
    """Raise ValueError where a member without state makes windows of its rows."""
    parts = member.get_params().values() if hasattr(member, "get_params") else ()
    if any(isinstance(part, SlidingWindow) for part in parts):
        raise ValueError(
            f"The {type(member).__name__} among the members of the ensemble makes"
            " windows of its rows by SlidingWindow, always after the rows of fit: rows"
            " observed since would be missing from them. Leave it out, or give it lags"
            " as columns of X."
        )
