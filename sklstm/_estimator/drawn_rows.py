"""Ensembles that fit their members on rows drawn at random, out of time order.

They hand on arrays without labels, so that nothing in the rows tells of it. Who calls
`fit` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter


def refuse_drawn_rows() -> None:
    """Raise ValueError where an ensemble calls with rows that it has drawn.

    ``AdaBoostRegressor`` draws the rows of each member; a bagging ensemble those of
    members that take no ``sample_weight``, such as pipelines.
    """
    for frame in _callers():
        ensemble = _drawing(frame)
        if ensemble is not None:
            raise ValueError(
                f"{type(ensemble).__name__} fits this estimator on rows drawn at"
                " random, out of their order in time, so that no state goes on from one"
                " to the next. The mean of networks of other seeds, by VotingRegressor"
                " or VotingClassifier, keeps the order; so does a bagging ensemble of"
                " the network alone, which weighs rows instead, or of pipelines with"
                " bootstrap=False and max_samples=1.0."
            )


def weighs_rows(estimator: Any) -> bool:
    """Whether a bagging ensemble hands its draws to this estimator as weights."""
    if get_config()["enable_metadata_routing"]:
        routing = get_routing_for_object(estimator)
        return bool(routing.consumes("fit", ["sample_weight"]))
    return has_fit_parameter(estimator, "sample_weight")


def _callers() -> Iterator[FrameType]:
    frame = sys._getframe(1).f_back
    while frame is not None:
        yield frame
        frame = frame.f_back


def _drawing(frame: FrameType) -> Any:
    """The ensemble that calls from this frame with rows drawn; None elsewhere."""
    home, function = frame.f_globals.get("__name__"), frame.f_code.co_name
    if home == "sklearn.ensemble._weight_boosting" and function == "_boost":
        draws = "bootstrap_idx" in frame.f_code.co_varnames
        return frame.f_locals["self"] if draws else None
    if home == "sklearn.ensemble._bagging" and function == "_parallel_build_estimators":
        ensemble, drawn = frame.f_locals["ensemble"], frame.f_locals["indices"]
        is_in_order = np.array_equal(drawn, np.arange(len(frame.f_locals["X"])))
        return None if is_in_order or weighs_rows(ensemble.estimator_) else ensemble
    return None
