"""State calls on an estimator that sits inside scikit-learn's composites.

The calls themselves are in :class:`Stream`.
"""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from sklstm.streaming._composite import Composite
from sklstm.streaming._stream import Stream

__all__ = ["Stream", "stream"]


def stream(fitted: Any) -> Stream:
    """The state calls of a fitted composite, in the units it was fitted in.

    A stateful estimator behind scalers and inside a grid search can still be stepped
    row by row: the calls of the result take rows as the composite takes them and
    return predictions as it returns them. Row labels and series ids come along, also
    where a transformer drops the index. The estimator's other calls are found at
    ``stream(fitted).estimator``, in the units that it sees.

    In a Voting or Bagging ensemble, each call moves the states of all members, or of
    none if it fails, and answers what the ensemble makes of their predictions: means
    and votes with their weights. Members without state predict each row by itself.

    Parameters
    ----------
    fitted : estimator
        A fitted `StatefulLSTMRegressor` or `StatefulLSTMClassifier`, or one at the end
        of a `Pipeline`, or before its end, where its hidden states are the features of
        the last step; or one inside a `TransformedTargetRegressor`, or found by a
        search such as `GridSearchCV`, or several of them in a `VotingRegressor`,
        `VotingClassifier`, `BaggingRegressor` or `BaggingClassifier`, all these nested
        in any way.

    Returns
    -------
    stream : Stream
        It moves the state of the estimator inside `fitted`, so that
        ``fitted.predict`` continues from there too.

    Raises
    ------
    TypeError
        If `fitted` is none of these.
    ValueError
        If a bagging ensemble has fitted its members on rows drawn at random, which is
        so for members that take no ``sample_weight``, such as pipelines, unless
        ``bootstrap=False`` and ``max_samples=1.0``. If a member without state makes
        windows of its rows by `SlidingWindow`.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm import StatefulLSTMRegressor, stream
    >>> series = 20 + 5 * np.sin(np.arange(200) / 4)
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> model = make_pipeline(StandardScaler(), StatefulLSTMRegressor(8, epochs=2))
    >>> live = stream(model.fit(X[:150], y[:150]))
    >>> before = model.predict(X[150:160])
    >>> bool(np.allclose(live.step(X[150:160]), before))   # and the state has moved on
    True
    >>> live.forecast(5).shape
    (5,)
    >>> live = live.partial_fit(X[160:180], y[160:180])   # learns on, behind the scaler

    Two shops, in the levels of an index that the scaler hands on. The state of one is
    moved, and both are forecast:

    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=60)
    >>> index = pd.MultiIndex.from_product([["north", "south"], days])
    >>> sales = np.sin(np.arange(120.0) / 4)
    >>> X = pd.DataFrame({"sales": sales}, index)
    >>> y = X["sales"].groupby(level=0).shift(-1, fill_value=0)
    >>> seen = index.get_level_values(1) < "2024-02-20"
    >>> model = make_pipeline(
    ...     StandardScaler(), StatefulLSTMRegressor(4, windows="tiled", epochs=1))
    >>> model = model.set_output(transform="pandas").fit(X[seen], y[seen])
    >>> live = stream(model)
    >>> live.step(X.loc[["south"]][-10:]).shape
    (10,)
    >>> live.forecast(3).shape   # of each series
    (2, 3)

    The mean of three networks, which all move on:

    >>> from sklearn.ensemble import VotingRegressor
    >>> X, y = series[:-1, np.newaxis], series[1:]
    >>> networks = [(f"seed {seed}", StatefulLSTMRegressor(
    ...     8, epochs=2, random_state=seed)) for seed in range(3)]
    >>> mean = VotingRegressor(networks).fit(X[:150], y[:150])
    >>> live = stream(mean)
    >>> before = mean.predict(X[150:160])
    >>> bool(np.allclose(live.step(X[150:160]), before))
    True
    >>> len(live.get_states())   # one for each network
    3
    >>> live.forecast(5).shape   # each next row is the mean, for all three
    (5,)
    """
    check_is_fitted(fitted)
    return Stream(Composite.of(fitted))
