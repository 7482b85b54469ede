"""Race ``tiled``: tiled windows beside sliding ones, and beside others who tile.

Three questions, in this order.

- Seconds per epoch on 8,064 rows. sklstm's time is what further epochs add to a fit, as
  in the race ``epoch``, by tiled windows with their default ``shuffle=True`` and by
  sliding ones. At the first two sizes a Keras loop and a PyTorch loop train on the same
  tiles, in order: the layers return an output for each step, the state is carried from
  tile to tile, and gradients stop there. The losses of the first epochs must agree with
  those of sklstm with ``shuffle=False``. A lane may end within a tile: PyTorch takes
  the rest as a shorter one, and Keras, whose arrays must be of one length, takes a
  whole tile whose further steps have no weight.
- Memory and time on a million rows, measured as in the race ``scale``.
- ``predict`` of new rows from zero state, by both kinds of windows. The predictions by
  tiled windows must agree with those of a Keras model with the same weights.

Contestants are run once before they are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from _contestants import (
    LOOP,
    Array,
    Size,
    build_keras,
    draw_rows,
    loop_keras,
    make_sklstm,
    reset_keras,
)
from _epochs import (
    PYTORCH_FASTER,
    QUICK_PACE,
    Pace,
    SizeResult,
    prepare_turns,
    take_turn,
    time_added_epoch,
    time_epoch,
)
from _measure import absolute_difference, is_installed, relative_difference, seconds
from _plan import Plan
from _processes import Process, import_contestants
from _report import Report, note
from _rivals import (
    PYTORCH,
    PYTORCH_ALONE,
    TORCH,
    PyTorchLoop,
    Started,
    train_pytorch,
)
from _scale import Case, race_case
from _serving import KERAS_ANSWERS, ServingResult, predict_ours
from _turns import OURS, Turns, take_turns

SLIDING = f"{OURS}, sliding windows"
N_ROWS = 8_064
SIZES = {  # K depends on the windows
    1: Size(24, 24, 4, (32,), 0),
    2: Size(16, 48, 4, (32,), 0),
    3: Size(32, 168, 4, (32,), 0),
}
RIVALS_AT = (1, 2)
N_QUICK_ROWS = 300
QUICK_SIZE = Size(4, 10, 4, (8,), 0)
TURNS = 5
TARGETS = {  # how many times as long as tiled windows, at least, by the size's number
    SLIDING: {1: 25.0, 2: 45.0, 3: 130.0},
    LOOP: {1: 15.0, 2: 15.0},
    PYTORCH_FASTER: {1: 2.5, 2: 2.5},
}
LONG = Case("tiled", memory_target=3.0, time_target=1.3, windows="tiled")
N_PREDICTED = 100_000
N_QUICK_PREDICTED = 1_000
N_COMPARED = 1_000  # predictions
PREDICT_TARGET = 10.0  # how many times as long sliding windows take, at least


# --- epochs -----------------------------------------------------------------------


def race_epochs(report: Report, plan: Plan) -> None:
    """Race at all sizes, or only at a small one in a quick run."""
    sizes = {1: QUICK_SIZE} if plan.quick else SIZES
    n_rows = N_QUICK_ROWS if plan.quick else N_ROWS
    raced, differences = {}, {}
    for number, size in sizes.items():
        label = f"{n_rows} rows at {size.network}"
        note(f"tiled windows, epoch on {label}")
        result = race_size(size, n_rows, number in RIVALS_AT, plan)
        raced[label] = result.turns
        for name, difference in result.differences.items():
            text = report.check(f"losses of {name} on tiles, {label}", difference)
            differences[label, name] = text
        sum_up_epochs(report, f"tiled, epoch on {label}", number, result.turns)
    report.turns("Time per epoch by tiled windows", raced, "ms", differences)


def sum_up_epochs(report: Report, race: str, number: int, turns: Turns) -> None:
    """Add the ratios of one size to the summary, with their targets."""
    if PYTORCH in turns.times:
        turns = turns.merged((PYTORCH, PYTORCH_ALONE), PYTORCH_FASTER)
    for name in turns.times:
        if name != OURS:
            goal = TARGETS[name].get(number)
            report.sum_up(f"{race}: {name} / {OURS}", turns.ratios(name), at_least=goal)


def race_size(size: Size, n_rows: int, with_rivals: bool, plan: Plan) -> SizeResult:
    """Start all contestants, and let them take turns."""
    pace = QUICK_PACE if plan.quick else Pace()
    with ExitStack() as stack:
        ours = stack.enter_context(plan.processes.lend())
        homes = {OURS: ours, SLIDING: ours}
        losses, weights = ours.call(start_ours, size, n_rows, pace)
        rivals = [name for name in RIVALS if with_rivals and is_installed_for(name)]
        if PYTORCH in rivals:
            theirs = stack.enter_context(Process())
        differences = {}
        for name in rivals:
            homes[name] = ours if name == LOOP else theirs
            found = homes[name].call(start_rival, name, size, n_rows, weights, pace)
            differences[name] = relative_difference(found, losses)
        contestants = {
            name: partial(home.call, take_turn, name) for name, home in homes.items()
        }
        times = take_turns(contestants, plan.turns(TURNS))
    return SizeResult(Turns(times), differences)


def is_installed_for(name: str) -> bool:
    """Return whether a rival can take part."""
    return name == LOOP or is_installed(TORCH)


# --- epochs, in the contestants' processes ----------------------------------------


def start_ours(size: Size, n_rows: int, pace: Pace) -> tuple[list[float], list[Array]]:
    """Prepare both kinds of windows; return the losses in order, and first weights."""
    import_contestants()
    fit = partial(fit_windows, size, n_rows)
    fitted = fit(pace.first_epochs, windows="tiled", shuffle=False)
    for name, windows in ((OURS, "tiled"), (SLIDING, "sliding")):
        prepare_turns(name, time_added_epoch, partial(fit, windows=windows), pace)
    return fitted.history_["loss"], fitted.initial_weights_


def fit_windows(size: Size, n_rows: int, epochs: int, **params: Any) -> Any:
    """Make the rows and fit an estimator on them."""
    X, y = draw_rows(n_rows, size.n_features)
    return make_sklstm(size, epochs, **params).fit(X, y)


def start_rival(
    name: str, size: Size, n_rows: int, weights: list[Array], pace: Pace
) -> list[float]:
    """Prepare a rival for its turns; return its first losses."""
    losses, train = RIVALS[name](size, n_rows, weights, pace.first_epochs)
    prepare_turns(name, time_epoch, train, pace)
    return losses


def lay_in_lanes(size: Size, n_rows: int) -> tuple[Array, Array]:
    """Return rows and targets of shapes (B, n_rows / B, F) and (B, n_rows / B)."""
    X, y = draw_rows(n_rows, size.n_features)
    B = size.batch_size
    return X.reshape(B, -1, size.n_features), y.reshape(B, -1)


def cut_tiles(lanes: Array, T: int) -> list[Array]:
    """Cut lanes of shape (B, n, ...) into tiles of T steps; the last may be shorter."""
    return [lanes[:, i : i + T] for i in range(0, lanes.shape[1], T)]


def start_loop(size: Size, n_rows: int, weights: list[Array], epochs: int) -> Started:
    """Train by the plain Keras loop on tiles.

    The losses to compare are means over the rows of an epoch. Keras's own losses are
    means over batches, so that the first model has a metric too. The model that is
    timed has none.
    """
    import keras

    B, T = size.batch_size, size.sequence_length
    X, y = lay_in_lanes(size, n_rows)
    n_missing = -X.shape[1] % T
    row_weights = np.pad(np.ones(y.shape, "float32"), ((0, 0), (0, n_missing)))
    X = np.pad(X, ((0, 0), (0, n_missing), (0, 0)))
    y = np.pad(y, ((0, 0), (0, n_missing)))[..., np.newaxis]
    tiles = [np.concatenate(cut_tiles(lanes, T)) for lanes in (X, y, row_weights)]
    windows, targets, tile_weights = tiles  # (K * B, T, ...)
    build = partial(
        build_keras,
        size,
        weights,
        return_sequences=True,
        loss=keras.losses.MeanSquaredError("mean_with_sample_weight"),
    )
    counted = tile_weights if n_missing else None
    losses = record_losses(
        build(weighted_metrics=["mse"]), (windows, targets, tile_weights), epochs, B
    )
    return losses, partial(train_loop, build(), (windows, targets, counted), B)


def train_loop(
    model: Any, tiles: tuple[Array, Array, Array | None], batch_size: int, epochs: int
) -> list[float]:
    """Train a built model by the plain loop for this number of epochs."""
    windows, targets, weights = tiles
    return loop_keras(model, windows, targets, epochs, batch_size, weights)


def record_losses(
    model: Any, tiles: tuple[Array, Array, Array], epochs: int, batch_size: int
) -> list[float]:
    """Train by the plain loop; return the mean loss of the rows of each epoch."""
    windows, targets, weights = tiles
    losses = []
    for _ in range(epochs):
        history = model.fit(
            windows,
            targets,
            sample_weight=weights,
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
        reset_keras(model)
        losses.append(history.history["mse"][0])
    return losses


def start_pytorch(
    size: Size,
    n_rows: int,
    weights: list[Array],
    epochs: int,
    n_threads: int | None = None,
) -> Started:
    """Train by the PyTorch loop of the race ``epoch``, with a target for each step."""
    X, y = (
        cut_tiles(lanes, size.sequence_length) for lanes in lay_in_lanes(size, n_rows)
    )
    loop = PyTorchLoop(size, weights, list(zip(X, y, strict=True)))
    train = partial(train_pytorch, loop, n_threads)
    return train(epochs), train


RIVALS: dict[str, Callable[..., Started]] = {
    LOOP: start_loop,
    PYTORCH: start_pytorch,
    PYTORCH_ALONE: partial(start_pytorch, n_threads=1),
}


# --- many rows --------------------------------------------------------------------


def race_scale(report: Report, plan: Plan) -> None:
    """Measure memory and time of fits on ever more rows."""
    race_case(report, plan, LONG)


# --- predictions ------------------------------------------------------------------


def race_predict(report: Report, plan: Plan) -> None:
    """Time the predictions of many new rows."""
    size = QUICK_SIZE if plan.quick else SIZES[1]
    n_rows = N_QUICK_PREDICTED if plan.quick else N_PREDICTED
    label = f"{n_rows} rows at {size.network}"
    note(f"tiled windows, predict {label}")
    result = plan.processes.call(race_predictions, size, n_rows, plan.turns(TURNS))
    text = report.check(
        f"tiled, predict {label}: answers of Keras",
        result.differences[OURS],
        KERAS_ANSWERS,
    )
    report.turns(
        "Predictions by tiled windows, and their difference from Keras's",
        {label: result.turns},
        "s",
        {(label, OURS): text},
    )
    what = f"tiled, predict {label}: {SLIDING} / {OURS}"
    report.sum_up(what, result.turns.ratios(SLIDING), at_least=PREDICT_TARGET)


def race_predictions(size: Size, n_rows: int, repeats: int) -> ServingResult:
    """Compare some predictions, and predict all rows once, then time in turns."""
    import_contestants()
    models = {
        name: fit_windows(size, N_QUICK_ROWS, 1, windows=windows)
        for name, windows in ((OURS, "tiled"), (SLIDING, "sliding"))
    }
    X = np.random.default_rng(1).standard_normal((n_rows, size.n_features))
    X = X.astype("float32")
    predictions = {
        name: partial(predict_ours, model, X) for name, model in models.items()
    }
    answers = {name: predict() for name, predict in predictions.items()}
    expected = predict_one_lane(models[OURS].get_weights(), size, X[:N_COMPARED])
    difference = absolute_difference(answers[OURS][: len(expected)], expected)
    turns = {name: partial(seconds, predict) for name, predict in predictions.items()}
    return ServingResult(Turns(take_turns(turns, repeats)), {OURS: difference})


def predict_one_lane(weights: list[Array], size: Size, X: Array) -> Array:
    """Predict each row of X by a Keras model that reads them as one window."""
    window = Size(1, len(X), size.n_features, size.units, 1)
    model = build_keras(window, weights, return_sequences=True)
    return model.predict(X[np.newaxis], verbose=0)[0, :, 0]
