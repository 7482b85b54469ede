"""Arrays as finite numbers, by NumPy: what `ArrayChecks` has scikit-learn check."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._rows.input_shape import InputShape


class NumpyChecks:
    """The checks of predictors."""

    def _checked_rows(
        self, X, like: InputShape, dtype: str
    ) -> tuple[np.ndarray, tuple[str, ...] | None]:
        """Rows of shape (n_rows, n_features), and the names of their columns.

        Columns of a frame must be those of `fit`, in their order. An array has no names
        to be compared.
        """
        _check_names(X, like.feature_names)
        rows = self._checked_array(X, "X", dtype)
        if rows.shape[1] != like.n_features:
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is"
                f" expecting {like.n_features} features as input."
            )
        return rows, like.feature_names

    def _checked_array(
        self, values, name: str, dtype: str = "float32", is_stack: bool = False
    ) -> np.ndarray:
        """Numbers of shape (n, m); windows of shape (n, T, F), with NaN, in a stack."""
        array = _numbers(values, name, dtype)
        if not is_stack and array.ndim != 2:
            raise ValueError(
                f"{name} must be of shape (n_rows, n_features), got an array of shape"
                f" {array.shape}. Reshape one row with X.reshape(1, -1), and rows of"
                " one feature with X.reshape(-1, 1)."
            )
        if not len(array) or not array.shape[1]:
            raise ValueError(
                f"{name} has shape {array.shape}, but there must be at least one row"
                " and one feature."
            )
        if not is_stack and np.isnan(array).any():
            raise ValueError(f"Input {name} contains NaN.")
        if np.isinf(array).any():
            raise ValueError(
                f"Input {name} contains infinity or a value too large for {dtype}."
                " Replace it by a finite number."
            )
        return array


def _numbers(values: Any, name: str, dtype: str) -> np.ndarray:
    """Values as an array of floats, which may be NaN or infinite."""
    if hasattr(values, "toarray"):
        raise TypeError(
            f"{name} is a sparse matrix, but rows must be dense. Pass {name}.toarray()."
        )
    try:
        if hasattr(values, "iloc"):  # pandas's own missing values become NaN
            values = values.to_numpy(np.float64, na_value=np.nan)
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        with np.errstate(over="ignore"):  # infinity, which the caller refuses
            return array.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold numbers, rows of one length each, but they cannot be"
            f" converted to {dtype}: {error}."
        ) from None


def _check_names(X: Any, fitted: tuple[str, ...] | None) -> None:
    """Raise ValueError for a frame with other columns than in fit, or another order."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    if fitted is None or names is None:
        return
    given = tuple(names)
    if given != fitted and all(isinstance(name, str) for name in given):
        raise ValueError(
            f"X has the columns {list(given)}, but fit saw {list(fitted)}. Pass these"
            f" columns in this order: X[{list(fitted)}]."
        )
