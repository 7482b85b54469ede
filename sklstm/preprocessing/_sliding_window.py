"""A transformer that makes the windows of a series visible in a pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklstm._checks import check_numbers, check_positive_int
from sklstm._rows.windows import digest


class SlidingWindow(  # type: ignore[call-arg]  # mypy skips scikit-learn's classes
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Turn each row of a series into the window of rows that ends at it.

    With T = ``sequence_length``, row i of the output holds rows i-T+1 … i of the
    series, in time order::

        out[i, s] = X[i - T + 1 + s]        s = 0 … T-1

    so ``out[i, -1]`` is ``X[i]`` itself and the row count is kept. Put before an
    estimator in a :class:`~sklearn.pipeline.Pipeline`, it gives the answers that the
    estimator gives when it windows by itself with the same ``sequence_length``.

    Parameters
    ----------
    sequence_length : int, default=10
        T, the number of rows in a window, the row itself included.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in :meth:`fit`, where they were all strings.
    sequence_length_ : int
        T as it was at :meth:`fit`; later changes of the parameter wait for a refit.
    context_ : ndarray of shape (min(n_rows, sequence_length_ - 1), n_features_in_)
        The last rows of the data of :meth:`fit`, which windows reach back into.

    See Also
    --------
    frame_series : Shift a series into (X, y) for a horizon.

    Notes
    -----
    :meth:`transform` tells two cases apart by content:

    - The rows of :meth:`fit`, all of them, in order and equal to the last bit, are
      *replayed* from the start of the series. The first T-1 windows are incomplete:
      their steps that lie before the series are NaN in every feature.
    - Any other rows are taken to *follow* the rows of :meth:`fit`, as a test split
      follows its training split: their first windows reach back into ``context_``.

    A step before this one whose ``fit_transform`` rounds otherwise than its
    ``transform``, as :class:`~sklearn.decomposition.PCA`'s may, hides the rows of
    :meth:`fit`: they come out as rows that follow themselves.

    :meth:`transform` never changes the transformer, so two calls both follow the rows
    of :meth:`fit`, not each other: pass the rows after the training rows in one piece.

    The output has three dimensions, which no data frame holds, so ``set_output`` is
    not offered.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import SlidingWindow
    >>> train = np.array([[1.0], [2.0], [3.0]])
    >>> test = np.array([[4.0], [5.0]])
    >>> window = SlidingWindow(sequence_length=3).fit(train)
    >>> window.transform(train)[:, :, 0]
    array([[nan, nan,  1.],
           [nan,  1.,  2.],
           [ 1.,  2.,  3.]])
    >>> window.transform(test)[:, :, 0]
    array([[2., 3., 4.],
           [3., 4., 5.]])
    >>> window.get_feature_names_out(["count"]).ravel().tolist()
    ['count[t-2]', 'count[t-1]', 'count[t]']
    """

    def __init__(self, sequence_length: int = 10) -> None:
        self.sequence_length = sequence_length

    def fit(self, X: Any, y: Any = None) -> SlidingWindow:
        """Remember the last rows of X, and which rows they were.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.
        y : None
            Ignored; here for the pipeline's sake.

        Returns
        -------
        SlidingWindow
            The transformer itself.

        Raises
        ------
        TypeError
            If ``sequence_length`` is not an integer, or X holds dates or durations.
        ValueError
            If ``sequence_length`` is less than 1, or X is not a table of finite
            numbers.
        """
        length = check_positive_int("sequence_length", self.sequence_length)
        rows = self._check_rows(X, reset=True)
        self.sequence_length_ = length
        # Counted from the front: rows[-0:] would be all rows where T is 1.
        self.context_ = rows[max(len(rows) - (length - 1), 0) :].copy()  # (<= T-1, F)
        self._fit_shape = rows.shape
        self._fit_digest = digest(rows.astype(np.float64))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Window X: a replay of the rows of :meth:`fit`, or the rows after them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.

        Returns
        -------
        ndarray of shape (n_rows, sequence_length_, n_features)
            The windows, a fresh array. float32 stays float32; anything else comes
            out float64.

        Raises
        ------
        TypeError
            If X holds dates or durations.
        ValueError
            If X is not a table of finite numbers, nothing of it masked, or its features
            are not those of :meth:`fit`.
        """
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        before = self.context_[:0] if self._is_fit_data(rows) else self.context_
        return _stack_windows(before, rows, self.sequence_length_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the output's values, by step and feature.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the input's features; by default ``feature_names_in_``, and
            where there are none, "x0", "x1", ….

        Returns
        -------
        ndarray of shape (sequence_length_, n_features), dtype object
            One name for each value of a window: "temp[t-1]" is feature "temp" one
            row before the window's last row, "temp[t]" is that last row's.

        Raises
        ------
        ValueError
            If ``input_features`` does not agree with the features of :meth:`fit`.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        lags = range(self.sequence_length_ - 1, -1, -1)
        return np.array(
            [[shift_name(name, -lag) for name in names] for lag in lags], dtype=object
        )  # (T, F)

    def _check_rows(self, X: Any, reset: bool) -> np.ndarray:
        """X as a finite floating array of shape (n_rows, n_features)."""
        check_numbers("X", X)
        rows = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],  # others become the first of these
            ensure_all_finite=False,
        )
        _refuse_non_finite(rows, getattr(self, "feature_names_in_", None))
        return rows

    def _is_fit_data(self, rows: np.ndarray) -> bool:
        return rows.shape == self._fit_shape and (
            digest(rows.astype(np.float64)) == self._fit_digest
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _stack_windows(before: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """The windows of ``length`` rows that end at each of ``rows``.

    ``before``, of shape (<= length - 1, n_features), are the rows that come first;
    what is still missing at the front is NaN.
    """
    n_missing = length - 1 - len(before)
    padded = np.empty((length - 1 + len(rows), rows.shape[1]), dtype=rows.dtype)
    padded[:n_missing] = np.nan
    padded[n_missing : length - 1] = before
    padded[length - 1 :] = rows
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))  # (n, F, T) -> (n, T, F)


def _refuse_non_finite(rows: np.ndarray, names: np.ndarray | None) -> None:
    bad = ~np.isfinite(rows)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    kind = "NaN" if np.isnan(rows[row, column]) else "infinity"
    feature = f"feature {column}" if names is None else f"feature {names[column]!r}"
    raise ValueError(
        f"Input X contains {kind} at row {row}, {feature}: {bad.sum()} of its "
        f"{rows.size} values are NaN or infinity, and SlidingWindow expects finite "
        "numbers (NaN in its output marks the steps before the series). Fill them "
        "before windowing, for example with SimpleImputer or DataFrame.ffill; do not "
        "drop single rows, which would shift the others in time."
    )


def shift_name(name: Any, shift: int) -> str:
    """The name of a column so many rows later (or before, where negative)."""
    return f"{name}[t{shift:+d}]" if shift else f"{name}[t]"
