"""Weights of rows, or of each output of each row.

They have shape (n_rows,), or (n_rows, n_outputs) where the outputs of some row have
different ones. An entry of weight 0 is not learnt from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import _check_sample_weight, check_array

from sklstm._checks import check_numbers


def check_sample_weight(sample_weight: Any, y: np.ndarray, by_output: bool):
    """The user's weights as finite float32, of shape (n_rows,) or (n_rows, n_outputs).

    Parameters
    ----------
    sample_weight : array-like, float or None
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    by_output : bool
        Whether outputs may have weights of their own.

    Raises
    ------
    TypeError
        For dates, durations and structured arrays.
    ValueError
        For weights of another shape, and for such that are not finite or all zero.
    """
    check_numbers("sample_weight", sample_weight)
    if np.asarray(sample_weight).ndim > 1:
        return _check_table(sample_weight, y, by_output)
    weights = _check_sample_weight(sample_weight, y, dtype=np.float32, copy=True)
    if not np.isfinite(weights).all():  # one number for all is not checked there
        raise ValueError(
            f"sample_weight={sample_weight!r} must be finite. Pass one weight for"
            " each row, or None for equal ones."
        )
    return weights


def _check_table(sample_weight: Any, y: np.ndarray, by_output: bool) -> np.ndarray:
    weights = check_array(
        sample_weight,
        dtype=np.float32,
        copy=True,
        allow_nd=True,
        input_name="sample_weight",
    )
    shape, expected = weights.shape, (len(y), y[:1].size)
    if not by_output:
        raise ValueError(
            f"sample_weight has shape {shape}, but a classifier has one label in each"
            f" row: expected shape ({len(y)},). Pass one weight for each row."
        )
    if shape != expected:
        raise ValueError(
            f"sample_weight has shape {shape}, but y has {expected[0]} row(s) of"
            f" {expected[1]} output(s): expected shape ({len(y)},) or {expected}. Pass"
            " one weight for each row, or one for each output of each row."
        )
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def weighted_r2(y: Any, predicted: np.ndarray, sample_weight, may_miss: bool) -> float:
    """The mean over outputs of R², each by the weights of its targets.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
    predicted : ndarray of the shape of y
    sample_weight : array-like of shape (n_rows,) or (n_rows, n_outputs), or None
    may_miss : bool
        Whether targets may be NaN, which then do not count.
    """
    kinds = {"ensure_2d": False, "dtype": np.float64, "input_name": "y"}
    y = check_array(y, ensure_all_finite="allow-nan" if may_miss else True, **kinds)
    weights = without_missing(check_sample_weight(sample_weight, y, True), np.isnan(y))
    n = len(y)
    by_column = np.broadcast_to(weights.reshape(n, -1), y.reshape(n, -1).shape)
    scores = [
        r2_score(truth[w != 0], made[w != 0], sample_weight=w[w != 0])
        for truth, made, w in zip(
            y.reshape(n, -1).T, predicted.reshape(n, -1).T, by_column.T, strict=True
        )
        if w.any()
    ]
    if not scores:
        raise ValueError(f"All {n} rows of y are missing, or have weight zero.")
    return float(np.mean(scores))


def without_missing(weights: np.ndarray, is_missing: np.ndarray) -> np.ndarray:
    """Weights with 0 where a target is missing; for each row, if that says it all.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,) or (n_rows, n_outputs)
    is_missing : ndarray of bool of shape (n_rows,) or (n_rows, n_outputs)
    """
    if is_missing.ndim == 2 and weights.ndim == 1:
        weights = weights[:, np.newaxis]
    if is_missing.ndim == 1 and weights.ndim == 2:
        is_missing = is_missing[:, np.newaxis]
    # weights of a pandas Series are read-only, also where they are a copy
    weights = np.where(is_missing, np.float32(0), weights)
    if weights.ndim == 2 and (weights == weights[:, :1]).all():
        return np.ascontiguousarray(weights[:, 0])
    return weights
