"""Sliding windows: what a fit reads, and walks of series from a state."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sklstm._checks import check_enough_rows, check_enough_windows
from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.outputs import walk, walk_on
from sklstm._estimator.following import Following
from sklstm._estimator.given import Given
from sklstm._estimator.tiled import rows_since_start
from sklstm._rows.lanes import STATELESS_LANES, FitPlan
from sklstm._rows.state import NEVER, RecurrentState
from sklstm._rows.windows import Windows
from sklstm._training.fitted import Fitted
from sklstm._training.recipe import Recipe

if TYPE_CHECKING:
    from sklstm._training.train import Curriculum


def training_windows(given: Given, begins: np.ndarray, recipe: Recipe) -> Windows:
    """Windows over training rows, none of which crosses from one run to another.

    Rows are series by series.
    """
    labels, length = given.labels, recipe.sequence_length
    n_runs = labels.n_series + int(begins.sum())
    if n_runs == 1 or given.X.ndim == 3:
        return Windows.of(given.X, given.X[:0], length)
    if recipe.batch_size is not None:
        what = f"{labels.n_series} series" if labels.n_series > 1 else f"{n_runs} runs"
        raise ValueError(
            f"X holds {what}, but with windows='sliding' a stateful network carries the"
            " state of one series without a break. Set windows='tiled', which carries"
            " a state for each series, or stateful=False."
        )
    return Windows.of_runs(given.X, run_codes(given, begins), length)


def curriculum(
    windows: Windows,
    given: Given,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    validation_split: float,
    batch_size: int,
    stateful: bool,
    drop_remainder: bool,
    shuffle: bool,
    seed: int,
) -> tuple[Curriculum, FitPlan]:
    """What to train on and what to hold out, or a clear error.

    Rows are series by series; the last share of each is held out.
    """
    from sklstm._training.epoch_loop import Validation
    from sklstm._training.train import Curriculum

    counts = np.bincount(given.labels.codes)
    n_train = counts - (counts * validation_split).astype(int)
    within = np.arange(len(windows)) - np.repeat(np.cumsum(counts) - counts, counts)
    trains, full = within < np.repeat(n_train, counts), windows.complete
    is_rows = given.X.ndim == 2
    if is_rows:
        check_enough_rows(int(trains.sum()), windows.sequence_length)
    check_enough_windows(
        int((full & trains).sum()),
        batch_size if stateful and drop_remainder else 1,
        windows.sequence_length,
        ready_made=not is_rows,
    )
    plan = FitPlan.of(
        np.concatenate([windows.ends[full & trains], windows.ends[full & ~trains]]),
        n_held_out=int((full & ~trains).sum()),
        batch_size=batch_size,
        stateful=stateful,
        drop_remainder=drop_remainder,
    )
    at = plan.held_out // windows.stride
    held_out = None
    if len(at):
        table = plan.held_out_table(STATELESS_LANES)
        held_out = Validation(table, targets[at], weights[at])
    shuffles = shuffle and not stateful
    return Curriculum(
        windows,
        plan.table(),
        partial(_shuffled_table, plan, seed) if shuffles else None,
        plan.trained // windows.stride,
        held_out,
        len(plan.trained),
        plan.n_dropped,
        plan.describe(windows.sequence_length),
    ), plan


def _shuffled_table(plan: FitPlan, seed: int, epoch: int) -> np.ndarray:
    """The batch table of an epoch with its windows in random order."""
    rng = np.random.default_rng([seed, 3, epoch])
    return plan.table(rng.permutation(len(plan.trained)))


def run_codes(given: Given, begins: np.ndarray) -> np.ndarray:
    """Which run each row belongs to, of shape (n_rows,); the rows of a run in order."""
    order = np.argsort(given.labels.codes, kind="stable")
    starts = begins[order] | (np.diff(given.labels.codes[order], prepend=-1) != 0)
    runs = np.empty(len(order), np.int64)
    runs[order] = np.cumsum(starts) - 1
    return runs


def reading(
    fitted: Fitted, given: Given, following: Following
) -> tuple[Windows, RecurrentState, np.ndarray]:
    """Windows over the rows of one series, the state before them, and which advance it.

    The rows of the fit are read as it did: from zero state, dropped ones apart.
    """
    X = given.X
    rows = fitted.training_rows
    if rows is None or not following.replays.any():
        state = fitted.state
        windows = Windows.of(X, state.context, fitted.sequence_length)
        return windows, state, windows.complete
    windows = Windows.of(X, X[:0], fitted.sequence_length)
    return windows, rows.state_before(fitted.zero), rows.in_lanes(windows)


def outputs_of(fitted: Fitted, given: Given, following: Following) -> np.ndarray:
    """Outputs for each row or window, from the state or replayed."""
    if fitted.state.is_by_series or following.begins.any():
        return advance(fitted, given, following)[0]
    windows, state, in_lanes = reading(fitted, given, following)
    network, parameters = fitted.recipe.network, fitted.parameters
    return walk(network, parameters, windows, state, in_lanes=in_lanes)[0]


def advance(
    fitted: Fitted, given: Given, following: Following
) -> tuple[np.ndarray, RecurrentState]:
    """Outputs for each row or window, and the state after the last."""
    network, parameters = fitted.recipe.network, fitted.parameters
    if fitted.state.is_by_series:
        return _advance_panel(fitted, parameters, given, following)
    state = fitted.state
    made = []
    for k, piece in enumerate(np.split(given.X, np.flatnonzero(following.begins))):
        if k:
            state = state.reset()
        elif following.replays.any():
            piece_given = replace(given, X=piece)
            windows, state, in_lanes = reading(fitted, piece_given, following)
            outputs, state = walk(
                network, parameters, windows, state, in_lanes=in_lanes
            )
            made.append(outputs)
            continue
        if len(piece):
            outputs, state = walk_on(network, parameters, piece, state)
            made.append(outputs)
    state = state.replace(series=fitted.state.series, last_seen=following.last_seen)
    return np.concatenate(made), state


def _advance_panel(
    fitted: Fitted, parameters: Parameters, given: Given, following: Following
) -> tuple[np.ndarray, RecurrentState]:
    """The same for windows of many series, each from zero state."""
    before = fitted.state.take_lanes(following.lanes)
    before = before.reset_lanes(np.flatnonzero(following.replays))
    length = fitted.sequence_length
    codes = given.labels.codes
    runs = run_codes(given, following.begins)
    windows = Windows.of_runs(
        given.X, runs, length, *_contexts(before, codes, runs, following.begins, length)
    )
    outputs, _ = walk(fitted.recipe.network, parameters, windows, _stateless(fitted))
    last = np.empty(len(before.position), np.int64)
    last[codes] = np.arange(len(codes))  # the last row of each series
    after = RecurrentState(
        (),
        windows.contexts_after(last),
        rows_since_start(codes, following.begins, before.position)[last] + 1,
        outputs[last],
        last_seen=following.last_seen,
    )
    state = fitted.state.put_lanes(following.lanes, given.labels.ids, after)
    return outputs, state


def _contexts(
    before: RecurrentState,
    codes: np.ndarray,
    runs: np.ndarray,
    begins: np.ndarray,
    length: int,
) -> tuple[np.ndarray, np.ndarray]:
    """For each run the rows before it, newest last, and how many of them count."""
    n_runs = int(runs.max()) + 1 if len(runs) else 0
    series = np.empty(n_runs, np.int64)
    series[runs] = codes
    goes_on = np.diff(series, prepend=-1) != 0  # runs of a series are side by side
    goes_on[runs[begins]] = False
    n_known = np.minimum(before.position[series], length - 1)
    return before.context[series], np.where(goes_on, n_known, 0)


def _stateless(fitted: Fitted) -> RecurrentState:
    return RecurrentState((), np.empty((0, fitted.input_shape.n_features), np.float32))


def zero_of_panel(given: Given, length: int) -> RecurrentState:
    """The state of many series before any row, for a stateless network."""
    n = given.labels.n_series
    return RecurrentState(
        (),
        np.zeros((n, length - 1, given.X.shape[1]), np.float32),
        np.zeros(n, np.int64),
        None,
        given.labels.ids,
        np.full(n, NEVER),
    )
