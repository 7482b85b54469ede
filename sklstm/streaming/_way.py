"""The way in: what rows and their labels become before they reach a network.

Owns how row labels that transformers drop are put back, and what is said where they are
lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.forms import n_dimensions


def carry_in(way_in: Sequence[Pipeline], X) -> Any:
    """Rows after the transformers of the way in, without the labels these drop.

    Raises
    ------
    ValueError
        If the rows become windows on the way.
    """
    inside = X
    for transformers in way_in:
        inside = transformers.transform(inside)
    if n_dimensions(inside) == 3 and n_dimensions(X) != 3:
        raise ValueError(
            "Rows become windows before they reach the estimator, as SlidingWindow"
            " makes them, and always after the rows of fit: rows observed since"
            " would be missing from them. Leave that step out and give the"
            f" estimator sequence_length={np.shape(inside)[1]} instead."
        )
    return inside


def put_labels_back(
    inside: Any, X: Any, way_in: Sequence[Pipeline], estimator: BaseStatefulLSTM
) -> Any:
    """An array of transformed rows with the index of X and the names it had in `fit`.

    Most transformers return arrays. If the estimator was fitted without labels and
    without names, the array is returned as it is.
    """
    fitted = estimator._record()
    is_table = isinstance(inside, np.ndarray) and inside.ndim == 2
    was_labelled = fitted.axis is not None or fitted.feature_names is not None
    if not (is_table and was_labelled and isinstance(X, pd.DataFrame)):
        return inside
    if len(inside) != len(X):
        return inside
    # Names that are integers do not count as names of features for scikit-learn, which
    # would warn of names where an estimator was fitted without.
    columns: Any = range(inside.shape[1])
    if fitted.feature_names is not None:
        columns = fitted.feature_names
        if fitted.input_shape.series_id is not None:
            columns = way_in[-1].get_feature_names_out()  # of the ids as well
    table = pd.DataFrame(inside, index=X.index, columns=columns)
    return table.infer_objects() if inside.dtype == object else table


def has_lost_labels(inside: Any, X: Any) -> bool:
    """Whether X tells series apart or has dates, and the transformed rows do not."""
    if not isinstance(X, pd.DataFrame) or isinstance(inside, pd.DataFrame):
        return False
    telling = pd.MultiIndex | pd.DatetimeIndex | pd.PeriodIndex
    return isinstance(X.index, telling)


LABELS_LOST = (
    "The index of X does not reach the estimator, because a transformer before it"
    " returns arrays without one, and did so in fit: all rows count as those of one"
    " series, and whether they follow one another is not checked. Call"
    " set_output(transform='pandas') on the pipeline before fit to keep the index, or"
    " pass X.reset_index(drop=True) if it is not needed."
)

LABELS_LOST_IN_BAG = (
    "The index of X does not reach the networks, because {bag} hands them arrays"
    " without one, and did so in fit: all rows count as those of one series, and"
    " whether they follow one another is not checked. Average them by a Voting"
    " ensemble to keep the index, or pass X.reset_index(drop=True) if it is not needed."
)
