"""`SlidingWindow`: a transformer from the rows of a series to windows of rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklstm._checks import check_numbers, check_positive_int
from sklstm._rows.training_rows import repeats
from sklstm._rows.windows import digest


class SlidingWindow(  # type: ignore[call-arg]  # mypy skips scikit-learn's classes
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Turn each row of a series into the window of rows that ends at it.

    With T = ``sequence_length``, row i of the output holds rows i-T+1 … i of the
    series, in time order::

        out[i, s] = X[i - T + 1 + s]        s = 0 … T-1

    so ``out[i, -1]`` is ``X[i]`` itself, and the number of rows stays the same. A
    :class:`~sklearn.pipeline.Pipeline` of this transformer and an estimator gives the
    same predictions as the estimator alone, which forms the windows itself, with the
    same ``sequence_length``.

    Parameters
    ----------
    sequence_length : int, default=10
        T, the number of rows in a window, the row itself included.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in :meth:`fit`, where they were all strings.
    sequence_length_ : int
        T, as ``sequence_length`` was in the last call of :meth:`fit`.
    context_ : ndarray of shape (n_kept, `n_features_in_`)
        The last rows of the data of :meth:`fit`, which windows reach back into: one
        fewer than a window has, or all if there are not so many.

    See Also
    --------
    frame_series : Shift a series into (X, y) for a horizon.

    Notes
    -----
    :meth:`transform` distinguishes two cases by the content of X:

    - If X begins with the rows of :meth:`fit`, all of them, in order and equal to the
      last bit, these are *replayed* from the start of the series, and any more rows
      follow them. The first T-1 windows are incomplete: their steps that lie before the
      series are NaN in every feature.
    - Any other rows are taken to *follow* the rows of :meth:`fit`, as a test split
      follows its training split: their first windows reach back into ``context_``.

    The rows of :meth:`fit` are not recognised if a step before this one rounds
    differently in ``fit_transform`` and in ``transform``, as
    :class:`~sklearn.decomposition.PCA` may. They are then taken to follow themselves.

    :meth:`transform` never changes the transformer. So the rows of two calls both
    follow the rows of :meth:`fit`, and not each other: pass all rows after the training
    rows in one call.

    There is no ``set_output``, because a data frame cannot hold the output's three
    dimensions.

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
        """Keep the last rows of X, and a digest by which all of X is recognised.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.
        y : None
            Ignored; here for compatibility with pipelines.

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
        # rows[-(length - 1):] would be all rows if length were 1.
        self.context_ = rows[max(len(rows) - (length - 1), 0) :].copy()  # (<= T-1, F)
        self._fit_shape = rows.shape
        self._fit_digest = digest(rows.astype(np.float64))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Windows of X, which holds the rows of :meth:`fit` or rows that follow them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows in time order.

        Returns
        -------
        ndarray of shape (n_rows, sequence_length, n_features)
            The windows, in a new array: of float32 if X is, else of float64.

        Raises
        ------
        TypeError
            If X holds dates or durations.
        ValueError
            If X is not a table of finite numbers, if some of it is masked, or if its
            features are not those of :meth:`fit`.

        Warns
        -----
        UserWarning
            If X begins with the rows of :meth:`fit` and has more, but those of
            :meth:`fit` repeat, so that rows that follow them could look the same.
        """
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        before = self.context_[:0] if self._begins_with_fit(rows) else self.context_
        return _stack_windows(before, rows, self.sequence_length_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the values in a window, by step and feature.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the input's features; by default ``feature_names_in_``, and
            where there are none, "x0", "x1", ….

        Returns
        -------
        ndarray of shape (sequence_length, n_features), dtype object
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

    def _begins_with_fit(self, rows: np.ndarray) -> bool:
        n = self._fit_shape[0]
        first = rows[:n].astype(np.float64)
        if len(rows) < n or digest(first) != self._fit_digest:
            return False
        if len(rows) > n and repeats(first):
            warnings.warn(
                f"X begins with rows equal to the {n} rows of fit, but these repeat, so"
                " that rows that follow them could look the same: they are taken for"
                " rows that follow. Transform the rows of fit by themselves, or leave"
                " the windows to an estimator, whose predict has replay=.",
                stacklevel=3,
            )
            return False
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _stack_windows(before: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """The windows of ``length`` rows that end at each of ``rows``.

    ``before`` holds at most ``length - 1`` rows that come before ``rows``. If it holds
    fewer, the missing ones are NaN.
    """
    n_missing = length - 1 - len(before)
    padded = np.empty((length - 1 + len(rows), rows.shape[1]), dtype=rows.dtype)
    padded[:n_missing] = np.nan
    padded[n_missing : length - 1] = before
    padded[length - 1 :] = rows
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))  # (n, F, T) -> (n, T, F)


def _refuse_non_finite(rows: np.ndarray, names: np.ndarray | None) -> None:
    """Raise ValueError with the place of the first NaN or infinity, if there is one."""
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
    """The name of a column at `shift` rows later, or earlier if it is negative."""
    return f"{name}[t{shift:+d}]" if shift else f"{name}[t]"
