"""Classifiers of scikit-learn on lags, and two that look at labels alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from _accuracy_lags import lags_of
from _accuracy_series import Series, log_loss, mark_test, split, units_of
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SHORT, LONG = (0,), tuple(range(7))  # rows that are seen where there are many columns


def tell_by_last_label(series: Series) -> pd.DataFrame:
    """Return the probabilities of the next label by how often it follows the last."""
    last = series.labels.groupby(series.units).shift(1)
    is_test = mark_test(series.units)
    counts = pd.crosstab(last[~is_test], series.labels[~is_test]) + 1.0
    after = counts.div(counts.sum(axis=1), axis=0)
    shares = series.labels[~is_test].value_counts(normalize=True)[after.columns]
    told = after.reindex(last[is_test]).fillna(shares)
    return told.set_axis(series.labels[is_test].index)


def tell_by_logistic(series: Series) -> pd.DataFrame:
    """Return the probabilities of logistic regression on lags."""
    models = [
        make_pipeline(
            StandardScaler(), SimpleImputer(), LogisticRegression(C=c, max_iter=2000)
        )
        for c in (0.01, 0.1, 1.0, 10.0)
    ]
    return _best_probabilities(series, models)


def tell_by_boosting(series: Series) -> pd.DataFrame:
    """Return the probabilities of boosted trees on lags."""
    models = [
        HistGradientBoostingClassifier(max_iter=n, learning_rate=0.05, random_state=0)
        for n in (20, 60, 200)
    ]
    return _best_probabilities(series, models)


CLASSIFIERS: dict[str, Callable[[Series], pd.DataFrame]] = {
    "last label": tell_by_last_label,
    "logistic": tell_by_logistic,
    "boosting": tell_by_boosting,
}


def _best_probabilities(series: Series, models: list[Any]) -> pd.DataFrame:
    """Return test probabilities of the model and lags that validate best."""
    _, y_train, _, _ = split(series)
    is_test = mark_test(series.units)
    is_held = mark_test(units_of(y_train.index))
    best, chosen = np.inf, None
    for lags, model in product(_choices_of_lags(series), models):
        table = _lagged_columns(series, lags)
        train = table[~is_test]
        fitted = clone(model).fit(train[~is_held], y_train[~is_held])
        told = fitted.predict_proba(train[is_held])
        loss = log_loss(y_train[is_held], told, fitted.classes_)
        if loss < best:
            best, chosen = loss, (table, model)
    assert chosen is not None, "a finite loss is less than infinity"
    table, model = chosen
    fitted = clone(model).fit(table[~is_test], y_train)
    told = fitted.predict_proba(table[is_test])
    return pd.DataFrame(told, series.labels[is_test].index, fitted.classes_)


def _choices_of_lags(series: Series) -> list[tuple[int, ...]]:
    if series.values.shape[1] > 1:
        return [SHORT, LONG]
    return [tuple(int(lag) for lag in lags_of(series))]


def _lagged_columns(series: Series, lags: tuple[int, ...]) -> np.ndarray:
    """Return all columns at all lags; NaN before a series begins."""
    by_unit = series.values.groupby(series.units)
    return np.hstack([by_unit.shift(lag).to_numpy(float) for lag in lags])
