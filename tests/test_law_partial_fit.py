"""`partial_fit` in chunks of any size is one epoch of `fit`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers import (
    ROUNDING,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    first_ordinary,
    left_nan_windows,
    make_rows,
    outputs_of,
    pieces,
    seeds,
    weight_change,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import (
    LABELS,
    POOL,
    Spec,
    among_stateful,
    assert_layers_are,
    make_estimator,
    make_target,
    naive_of,
    trained,
)

# --------------------------------------------------------------------------------------
# The NumPy oracle: predict, observe, step
# --------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_fit_many_rows_equals_partial_fit_in_two_calls():
    """Five thousand windows in one pass, or three thousand and then the rest."""
    spec = POOL[8]
    n_rows = spec.sequence_length - 1 + 5_000
    X, y = make_rows(n_rows, spec.n_features, 3), make_target(spec, n_rows, 3)
    # Small steps: over 625 of them rounding would otherwise be amplified.
    learning = {"optimizer": "sgd", "optimizer__learning_rate": 0.01}
    whole = make_estimator(spec, **learning).fit(X, y)
    parts = make_estimator(spec, **learning)
    parts.partial_fit(X[:3_001], y[:3_001]).partial_fit(X[3_001:], y[3_001:])
    assert weight_change(whole.initial_weights_, whole.get_weights()) > 1e-2
    assert_same_weights(parts.get_weights(), whole.get_weights(), rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------------
# partial_fit
# --------------------------------------------------------------------------------------


class Chunked(NamedTuple):
    """A series with weights, as rows or ready-made windows, and a way to cut it."""

    spec: Spec
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    cut: list[slice]


@st.composite
def chunked(draw: st.DrawFn, whole_batches: bool) -> Chunked:
    """Draw a series in chunks of any size, smaller than a window or a batch too."""
    spec = draw(st.sampled_from(POOL))
    B, seed = spec.batch_size, draw(seeds)
    n_windows = B * draw(st.integers(2, 5))
    if not whole_batches:
        n_windows += draw(st.integers(0, B - 1))
    n_rows = spec.sequence_length - 1 + n_windows
    cut = draw(pieces(n_rows))
    X = make_rows(n_rows, spec.n_features, seed)
    if draw(st.booleans()):
        X = left_nan_windows(X, spec.sequence_length)
    y = make_target(spec, n_rows, seed)
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, size=n_rows)
    return Chunked(spec, X, y, weight, cut)


def n_short(case: Chunked) -> int:
    """Return the number of rows before the first whole window."""
    return case.spec.sequence_length - 1


def fit_in_chunks(case: Chunked, cut: list[slice]) -> Any:
    """Train a new estimator by ``partial_fit`` over the pieces."""
    estimator = make_estimator(case.spec)
    classes = {"classes": LABELS[: case.spec.n_classes]} if case.spec.n_classes else {}
    for piece in cut:
        estimator.partial_fit(
            case.X[piece], case.y[piece], sample_weight=case.weight[piece], **classes
        )
    return estimator


@given(chunked(whole_batches=True))
def test_partial_fit_in_chunks_equals_one_epoch_of_fit(case):
    """Batches that a chunk leaves unfinished wait for the next chunk's rows."""
    chunks = fit_in_chunks(case, case.cut)
    whole = make_estimator(case.spec).fit(case.X, case.y, sample_weight=case.weight)
    assert_identical_weights(chunks.initial_weights_, whole.initial_weights_)
    assert weight_change(whole.initial_weights_, whole.get_weights()) > 1e-2
    assert_same_weights(chunks.get_weights(), whole.get_weights(), **ROUNDING)
    state = chunks.get_states()
    assert state.position == len(case.X) - n_short(case)
    assert_close(state.context, whole.get_states().context, **ROUNDING)


@given(chunked(whole_batches=False))
def test_partial_fit_is_independent_of_chunks(case):
    """Weights, state and answers are those of one call; the last batch waits."""
    chunks = fit_in_chunks(case, case.cut)
    at_once = fit_in_chunks(case, [slice(0, len(case.X))])
    assert_same_weights(chunks.get_weights(), at_once.get_weights(), **ROUNDING)
    assert_same_state(chunks.get_states(), at_once.get_states(), **ROUNDING)
    new = make_rows(case.spec.batch_size + 2, case.spec.n_features, seed=3)
    if case.X.ndim == 3:
        new = np.stack([new] * case.spec.sequence_length, axis=1)
    assert_close(outputs_of(chunks, new), outputs_of(at_once, new), **ROUNDING)
    n_windows = len(case.X) - n_short(case)
    n_trained = len(case.X) - n_windows % case.spec.batch_size
    newest_left_out = make_estimator(case.spec).fit(
        case.X[:n_trained], case.y[:n_trained], sample_weight=case.weight[:n_trained]
    )
    assert_same_weights(chunks.get_weights(), newest_left_out.get_weights(), **ROUNDING)
    assert chunks.get_states().position == n_windows


@among_stateful
def test_partial_fit_after_fit_continues_from_its_state(spec):
    """The rows that follow are trained on from the lanes, context and optimizer."""
    estimator, X, _ = trained(spec)
    B, n_features = spec.batch_size, spec.n_features
    position = estimator.get_states().position
    rows, y = make_rows(B, n_features, seed=6), make_target(spec, B, seed=6)
    start = estimator.get_weights()
    estimator.partial_fit(rows, y)
    assert weight_change(start, estimator.get_weights()) > 1e-3
    state = estimator.get_states()
    assert state.position == position + B
    series = np.vstack([X, rows])
    assert_close(state.context, series[len(series) - spec.sequence_length + 1 :])
    # One batch is trained after its forward pass, so the lanes' states are those of
    # the weights that `fit` left.
    naive = naive_of(spec, trained(spec).estimator, X)
    naive.step(rows)
    assert_layers_are(state, naive)


# --------------------------------------------------------------------------------------
# forecast
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", first_ordinary(1, [7, 1, 64, 1000]))
def test_partial_fit_over_memmap_equals_fit(tmp_path, length):
    """A series that stays on disk, read a chunk at a time, equals one `fit`."""
    n = 203
    spec = POOL[0]
    rows = np.memmap(tmp_path / "X", np.float64, "w+", shape=(n, spec.n_features))
    rows[:] = make_rows(n, spec.n_features, seed=5)
    n -= (n - spec.sequence_length + 1) % spec.batch_size
    rows, y = rows[:n], make_target(spec, n, seed=5)
    options = {"classes": LABELS[: spec.n_classes]} if spec.n_classes else {}
    chunks = make_estimator(spec)
    for first in range(0, n, length):
        piece = slice(first, first + length)
        chunks.partial_fit(rows[piece], y[piece], **options)
    whole = make_estimator(spec).fit(np.array(rows), y)
    assert_same_weights(chunks.get_weights(), whole.get_weights(), **ROUNDING)
