"""What X and y may be: rows in two dimensions, ready-made windows in three."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from sklstm._scikeras import RoutedParameters

_SHAPES = {
    2: "rows, X of shape (n_rows, n_features)",
    3: "ready-made windows, X of shape (n_windows, sequence_length, n_features)",
}


class InputChecks(RoutedParameters):
    """Checks of X and y that set or compare the fitted shape."""

    _y_options: dict[str, Any] = {}

    def _check_training_input(self, X, y, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """X as float32 rows or windows, y as an array."""
        if _n_dimensions(X) == 3:
            X, y = self._check_windows(X, reset), self._check_y(y)
            check_consistent_length(X, y)
            return X, y
        self._check_dimensions(2, reset)
        return validate_data(
            self, X, y, reset=reset, dtype=np.float32, **self._y_options
        )

    def _check_y(self, y) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the"
                " target y is None."
            )
        dtype = "numeric" if self._y_options.get("y_numeric") else None
        return check_array(y, ensure_2d=False, dtype=dtype, input_name="y")

    def _check_rows(self, X) -> np.ndarray:
        """X for prediction, of the shape that was fitted."""
        check_is_fitted(self)
        if _n_dimensions(X) == 3:
            return self._check_windows(X, reset=False)
        X = validate_data(self, X, reset=False, dtype=np.float32)
        self._check_dimensions(2, reset=False)
        return X

    def _check_windows(self, X, reset: bool) -> np.ndarray:
        self._check_dimensions(3, reset)
        X = check_array(
            X,
            dtype=np.float32,
            allow_nd=True,
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )
        if reset:
            self.n_features_in_ = X.shape[2]
        elif X.shape[1:] != (self.sequence_length_, self.n_features_in_):
            raise ValueError(
                f"X has windows of shape {X.shape[1:]}, but {type(self).__name__} was"
                " fitted on windows of shape (sequence_length, n_features) ="
                f" {(self.sequence_length_, self.n_features_in_)}."
            )
        return X

    def _check_dimensions(self, n: int, reset: bool) -> None:
        if reset:
            self._n_dimensions = n
        elif n != self._n_dimensions:
            raise ValueError(
                f"{type(self).__name__} was fitted on"
                f" {_SHAPES[self._n_dimensions]}, but got {_SHAPES[n]}."
            )


def _n_dimensions(X) -> int:
    """Dimensions of X, without converting frames or sparse matrices."""
    n = getattr(X, "ndim", None)
    if n is None:
        try:
            n = np.asarray(X).ndim
        except ValueError:  # ragged: left to scikit-learn's own error
            n = 0
    return n
