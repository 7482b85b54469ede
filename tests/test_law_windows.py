"""Ready-made windows train and are answered like the rows they hold."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
from helpers import (
    ROUNDING,
    assert_close,
    assert_same_weights,
    left_nan_windows,
    make_rows,
    outputs_of,
    seeds,
    windows_by_hand,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import (
    POOL,
    Spec,
    in_pool,
    make_estimator,
    naive_of,
    trained,
    trained_once,
)


@functools.cache
def trained_on_windows_once(spec: Spec) -> Any:
    _, X, y = trained_once(spec)
    windows = left_nan_windows(X, spec.sequence_length)
    # T is read from the windows, whatever the parameter says.
    return make_estimator(spec, sequence_length=11).fit(windows, y)


@in_pool
def test_fit_windows_equals_fit_rows(spec):
    """Windows cut by the caller, short ones NaN at their start, change nothing."""
    estimator, X, _ = trained(spec)
    on_windows = copy.deepcopy(trained_on_windows_once(spec))
    assert on_windows.sequence_length_ == spec.sequence_length
    assert on_windows.n_features_in_ == spec.n_features
    assert on_windows.n_windows_ == estimator.n_windows_
    assert_close(on_windows.history_["loss"], estimator.history_["loss"], **ROUNDING)
    assert_same_weights(on_windows.get_weights(), estimator.get_weights(), **ROUNDING)
    windows = left_nan_windows(X, spec.sequence_length)
    assert_close(outputs_of(on_windows, windows), outputs_of(estimator, X), **ROUNDING)


@given(spec=st.sampled_from(POOL), seed=seeds, n=st.integers(1, 25), cold=st.booleans())
def test_predict_windows_equals_predict_rows(spec, seed, n, cold):
    """Lanes are the same; what context would supply is in the windows themselves."""
    _, X, _ = trained(spec)
    estimator = copy.deepcopy(trained_on_windows_once(spec))
    naive = naive_of(spec, estimator, X)
    rows = make_rows(n, spec.n_features, seed)
    if cold:
        estimator.reset_states()
        naive.reset()
        windows = left_nan_windows(rows, spec.sequence_length)
    else:
        windows = windows_by_hand(np.vstack([X, rows]), spec.sequence_length)[-n:]
    whole = outputs_of(estimator, windows)
    assert_close(whole, naive.predict(rows), **ROUNDING)
    half = n // 2
    if half:
        estimator.observe(windows[:half])
    assert_close(outputs_of(estimator, windows[half:]), whole[half:], **ROUNDING)
