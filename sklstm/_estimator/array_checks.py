"""Arrays as finite numbers, by scikit-learn's checks.

`inputs` asks whoever owns it to check arrays: the estimators are `ArrayChecks`, which
uses scikit-learn; `sklstm.serving` has checks of its own, in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from sklstm._rows.input_shape import InputShape


class ArrayChecks:
    """The checks of the estimators."""

    def _checked_rows(
        self, X, like: InputShape | None, dtype: str
    ) -> tuple[np.ndarray, tuple[str, ...] | None]:
        """Rows of shape (n_rows, n_features), and the names of their columns.

        Parameters
        ----------
        X : array-like
        like : InputShape or None
            What X looked like in `fit`; None in a first call.
        dtype : {"float32", "float64"}
        """
        seen = self._stand_in(like)
        rows = validate_data(seen, X, reset=like is None, dtype=np.dtype(dtype))
        names = vars(seen).get("feature_names_in_")
        return rows, None if names is None else tuple(names)

    def _stand_in(self, like: InputShape | None):
        """An estimator of the same class for scikit-learn to read and to write.

        It sets what it has seen as attributes, and compares with them.
        """
        seen: Any = object.__new__(type(self))
        if like is not None:
            seen.n_features_in_ = like.n_features
            if like.feature_names is not None:
                seen.feature_names_in_ = np.array(like.feature_names, dtype=object)
        return seen

    def _checked_array(
        self, values, name: str, dtype: str = "float32", is_stack: bool = False
    ) -> np.ndarray:
        """Numbers of shape (n, m); windows of shape (n, T, F), with NaN, in a stack."""
        return check_array(
            values,
            dtype=np.dtype(dtype),
            allow_nd=is_stack,
            ensure_all_finite="allow-nan" if is_stack else True,
            estimator=self,
            input_name=name,
        )
