"""What X and y may be: rows in two dimensions, ready-made windows in three."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sklstm._checks import (
    check_no_label_missing,
    check_nothing_masked,
    check_numbers,
)
from sklstm._estimator.parameters import RoutedParameters
from sklstm._rows.state import LARGEST
from sklstm._rows.windows import pad_masked, pad_windows

_SHAPES = {
    2: "rows, X of shape (n_rows, n_features)",
    3: "ready-made windows, X of shape (n_windows, sequence_length, n_features)",
}


def n_dimensions(X) -> int:
    """Dimensions of X, without converting frames or sparse matrices."""
    if holds_windows(X):
        return 3
    n = getattr(X, "ndim", None)
    if n is None:
        try:
            n = np.asarray(X).ndim
        except ValueError:  # ragged: left to scikit-learn's own error
            n = 0
    return n


def holds_windows(X) -> bool:
    """Whether X is a list of windows, each of its own length."""
    if isinstance(X, np.ndarray):
        is_list = X.ndim == 1 and X.dtype == object and len(X) > 0
    else:
        is_list = isinstance(X, list | tuple) and len(X) > 0
    return is_list and (
        all(getattr(window, "ndim", 0) == 2 for window in X)
        or (all(map(_is_nested, X)) and _is_ragged(X))
    )


def _is_nested(window) -> bool:
    """Whether a window is a list of rows that are lists themselves."""
    return isinstance(window, list | tuple) and all(
        isinstance(row, list | tuple) for row in window
    )


def _is_ragged(X) -> bool:
    try:
        np.asarray(X)
    except ValueError:
        return True
    return False


class InputChecks(RoutedParameters):
    """Checks of X and y that set or compare the fitted shape."""

    _y_options: dict[str, Any] = {}

    def _check_training_input(self, X, y, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """X as float32 rows or windows, y as an array."""
        if n_dimensions(X) == 3:
            X = self._check_windows(X, reset)
        else:
            X = self._check_table(X, reset)
        y = self._check_y(y)
        check_consistent_length(X, y)
        return X, y

    def _check_y(self, y) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the"
                " target y is None."
            )
        if self._y_options.get("y_numeric"):
            check_numbers("y", y)
            return check_array(y, ensure_2d=False, input_name="y", estimator=self)
        check_nothing_masked("y", y)
        labels = column_or_1d(y, warn=True)
        check_no_label_missing(labels)
        return check_array(labels, ensure_2d=False, dtype=None, input_name="y")

    def _check_rows(self, X) -> np.ndarray:
        """X for prediction, of the shape that was fitted."""
        if self._is_plain(X):
            return X.astype(np.float32, copy=False)
        check_is_fitted(self)
        if n_dimensions(X) == 3:
            return self._check_windows(X, reset=False)
        return self._check_table(X, reset=False)

    def _check_table(self, X, reset: bool) -> np.ndarray:
        """Rows of shape (n_rows, n_features)."""
        check_numbers("X", X)
        X = validate_data(self, X, reset=reset, dtype=np.float32)
        self._check_dimensions(2, reset)
        return X

    def _is_plain(self, X) -> bool:
        """Whether X is a finite float array of rows as fitted: nothing to convert.

        Asking takes 5 µs where scikit-learn's checks take 100, which counts for a
        single row.
        """
        fitted = vars(self)
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype in (np.float32, np.float64)
            and len(X) > 0
            and X.shape[1] == fitted.get("n_features_in_")
            and fitted.get("_n_dimensions") == 2
            and "feature_names_in_" not in fitted
            and bool((np.abs(X) < LARGEST).all())
        )

    def _check_windows(self, X, reset: bool) -> np.ndarray:
        """Windows of shape (n_windows, T, n_features), as `Windows` marks padding."""
        self._check_dimensions(3, reset)
        if holds_windows(X):
            X = pad_windows(
                [self._check_window(window, k) for k, window in enumerate(X)],
                None if reset else self.sequence_length_,
            )
        elif isinstance(X, np.ma.MaskedArray):
            X = pad_masked(self._check_stack(X.data, X.mask), np.ma.getmaskarray(X))
        else:
            X = self._check_stack(X)
        if reset:
            self.n_features_in_ = X.shape[2]
            self.__dict__.pop("feature_names_in_", None)  # of rows fitted before
        elif X.shape[1:] != (self.sequence_length_, self.n_features_in_):
            raise ValueError(
                f"X has windows of shape {X.shape[1:]}, but {type(self).__name__} was"
                " fitted on windows of shape (sequence_length, n_features) ="
                f" {(self.sequence_length_, self.n_features_in_)}. Cut or frame X as"
                " for fit."
            )
        return X

    def _check_stack(self, X, padded=False) -> np.ndarray:
        check_numbers("X", X)
        return check_array(
            np.where(padded, 0, X) if np.any(padded) else X,
            dtype=np.float32,
            allow_nd=True,
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )

    def _check_window(self, window, k: int) -> np.ndarray:
        check_numbers(f"X[{k}]", window)
        return check_array(
            window, dtype=np.float32, estimator=self, input_name=f"X[{k}]"
        )

    def _check_dimensions(self, n: int, reset: bool) -> None:
        if reset:
            self._n_dimensions = n
        elif n != self._n_dimensions:
            raise ValueError(
                f"{type(self).__name__} was fitted on"
                f" {_SHAPES[self._n_dimensions]}, but got {_SHAPES[n]}."
                " Pass X as in fit, or fit anew."
            )
