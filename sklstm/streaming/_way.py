"""The way through a composite: what happens to rows and labels, and to predictions.

Owns how the estimator inside a composite is found, what X becomes on its way there, how
row labels that transformers drop are put back, and how predictions come back in the
composite's units. The state stays with the estimator.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from sklstm._estimator.base import BaseStatefulLSTM
from sklstm._estimator.inputs import n_dimensions

# --------------------------------------------------------------------------------------
# The way in
# --------------------------------------------------------------------------------------


def find_estimator(fitted) -> tuple[BaseStatefulLSTM, tuple, tuple]:
    """The stateful estimator inside `fitted`, with the way in and the way out."""
    if isinstance(fitted, BaseStatefulLSTM):
        return fitted, (), ()
    if isinstance(fitted, Pipeline):
        inner, way_in, way_out = find_estimator(fitted[-1])
        before = (fitted[:-1],) if len(fitted) > 1 else ()
        return inner, (*before, *way_in), way_out
    if isinstance(fitted, TransformedTargetRegressor):
        inner, way_in, way_out = find_estimator(fitted.regressor_)
        return inner, way_in, (*way_out, fitted)
    if hasattr(fitted, "best_estimator_"):
        return find_estimator(fitted.best_estimator_)
    raise TypeError(
        "stream takes a fitted StatefulLSTMRegressor or StatefulLSTMClassifier, alone,"
        " at the end of a Pipeline, inside a TransformedTargetRegressor, or found by a"
        f" search with refit=True; got {type(fitted).__name__}."
    )


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

# --------------------------------------------------------------------------------------
# The way out
# --------------------------------------------------------------------------------------


def carry_out(way_out: Sequence[TransformedTargetRegressor], predictions):
    """The estimator's predictions in the composite's units."""
    for regressor in way_out:
        shell = copy.copy(regressor)
        shell.regressor_ = _Predicted(predictions)
        predictions = shell.predict(None)
    return predictions


@dataclass
class _Predicted:
    """Stands in for a regressor whose predictions are there already."""

    predictions: np.ndarray

    def predict(self, X):
        return self.predictions
