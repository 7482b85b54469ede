"""The form of X: rows, ready-made windows or sequences, told without converting it."""

from __future__ import annotations

import numpy as np

from sklstm._later import is_frame, pd


def n_dimensions(X) -> int:
    """Dimensions of X, without converting frames or sparse matrices."""
    if holds_windows(X):
        return 3
    n = getattr(X, "ndim", None)
    if n is None and hasattr(X, "shape"):  # as tables of Arrow have it
        return len(X.shape)
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
        or (all(map(_is_nested, X)) and is_ragged(X))
    )


def _is_nested(window) -> bool:
    """Whether a window is a list of rows that are lists themselves."""
    return isinstance(window, list | tuple) and all(
        isinstance(row, list | tuple) for row in window
    )


def is_ragged(values) -> bool:
    """Whether values are a list, or an array of objects, of parts unlike in shape."""
    is_array = isinstance(values, np.ndarray) and values.dtype == object
    if not (is_array or isinstance(values, list | tuple)):
        return False
    try:
        np.asarray(list(values))
    except ValueError:
        return True
    return False


def _is_1d(part) -> bool:
    if isinstance(part, list | tuple):
        return not any(isinstance(value, list | tuple) for value in part)
    return getattr(part, "ndim", 0) == 1


def check_not_1d(X) -> None:
    """Refuse a list of sequences without an axis for features, by what to do."""
    if is_ragged(X) and all(map(_is_1d, X)):
        lengths = ", ".join(str(len(part)) for part in X[:3])
        raise ValueError(
            f"X is a list of 1-D sequences of different lengths ({lengths}, ...), but"
            " each must be of shape (n_steps, n_features). For one feature pass"
            " [np.reshape(x, (-1, 1)) for x in X]."
        )


def column_of_text(X):
    """The first column of a frame that holds text; None if there is none."""
    if not is_frame(X):
        return None
    is_text = [
        pd.api.types.infer_dtype(X.iloc[:, k]) == "string" for k in range(X.shape[1])
    ]
    return next(iter(X.columns[is_text]), None)
