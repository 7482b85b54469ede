"""Race ``grid``: a search of twelve fits, each scored on its held-out rows.

sklstm is searched by GridSearchCV, the Keras model by nested loops, each in a process
of its own. Imports are not timed, but compiling is. The loops use the same initial
weights, fill up the last batch, and run the training rows through the network before
they predict, to bring the state to their end. So both must find the same errors. Like
most such code, the loops do not call ``keras.backend.clear_session()``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from _contestants import (
    LOOP,
    Array,
    Size,
    build_keras,
    keras_windows,
    loop_keras,
    make_series,
    make_sklstm,
    reset_keras,
)
from _measure import relative_difference, seconds
from _plan import Plan
from _processes import import_contestants
from _report import Report, note
from _turns import OURS, Turns, take_turns

TURNS = 3
TARGET = 25.0  # how many times as long the loops take, at least


@dataclass(frozen=True)
class Grid:
    """A search. By default, 2 batch sizes, 2 learning rates and 3 folds: 12 fits."""

    n_rows: int = 999
    epochs: int = 10
    sequence_length: int = 7
    units: int = 32
    batch_sizes: tuple[int, ...] = (1, 7)
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    n_splits: int = 3

    def size(self, batch_size: int) -> Size:
        """Return the size of one fit; its number of batches depends on the fold."""
        return Size(batch_size, self.sequence_length, 1, (self.units,), 0)

    def folds(self) -> list[tuple[Array, Array]]:
        """Return scikit-learn's time-series folds, oldest first."""
        from sklearn.model_selection import TimeSeriesSplit

        splitter = TimeSeriesSplit(self.n_splits)
        return list(splitter.split(np.empty((self.n_rows, 1))))

    def fits(self) -> Iterator[tuple[int, float, int]]:
        """Yield (batch size, learning rate, fold) in the order of GridSearchCV."""
        for batch_size in self.batch_sizes:
            for learning_rate in self.learning_rates:
                for fold in range(self.n_splits):
                    yield batch_size, learning_rate, fold

    @property
    def network(self) -> str:
        """The sizes of the networks, as text."""
        lanes = ",".join(str(n) for n in self.batch_sizes)
        return f"B{lanes} T{self.sequence_length} F1 U{self.units}"

    def __str__(self) -> str:
        return (
            f"{len(list(self.fits()))} fits, {self.n_rows} rows, {self.network}, "
            f"{self.epochs} epochs"
        )


QUICK_GRID = Grid(99, 2, batch_sizes=(7,), learning_rates=(1e-3,), n_splits=2)


def race(report: Report, plan: Plan) -> None:
    """Let both run the grid in turns, each time in a fresh process."""
    grid = QUICK_GRID if plan.quick else Grid()
    logs: dict[str, SearchLog] = {}

    def run_ours() -> float:
        note(f"grid of {grid}: {OURS}")
        logs[OURS] = plan.processes.call(run_sklstm, grid)
        return logs[OURS].seconds

    def run_loop() -> float:
        note(f"grid of {grid}: {LOOP}")
        logs[LOOP] = plan.processes.call(run_keras, grid, logs[OURS].weights)
        return logs[LOOP].seconds

    turns = Turns(take_turns({OURS: run_ours, LOOP: run_loop}, plan.turns(TURNS)))
    difference = relative_difference(logs[LOOP].scores, logs[OURS].scores)
    text = report.check("scores of the grid", difference)
    report.turns("Whole grid", {str(grid): turns}, "s", {(str(grid), LOOP): text})
    what = f"grid of {grid}: {LOOP} / {OURS}"
    report.sum_up(what, turns.ratios(LOOP), at_least=TARGET)


# --- the searches -----------------------------------------------------------------


def make_search(grid: Grid, **options: Any) -> Any:
    """Make the GridSearchCV of the grid, without a final fit on all rows."""
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(
        make_sklstm(grid.size(grid.batch_sizes[0]), grid.epochs),
        {
            "batch_size": list(grid.batch_sizes),
            "optimizer__learning_rate": list(grid.learning_rates),
        },
        cv=grid.folds(),
        refit=False,
        error_score="raise",
        **options,
    )


@dataclass
class SearchLog:
    """The time of a search, and the error and initial weights of each fit in it."""

    seconds: float = 0.0
    scores: list[float] = field(default_factory=list)
    weights: list[list[Array]] = field(default_factory=list)  # of sklstm only


def run_sklstm(grid: Grid) -> SearchLog:
    """Run the grid by GridSearchCV."""
    import_contestants()
    log = SearchLog()
    log.seconds = seconds(partial(search_sklstm, grid, log))
    return log


def run_keras(grid: Grid, weights: list[list[Array]]) -> SearchLog:
    """Run the grid by nested loops; `weights` are the initial ones of each fit."""
    import_contestants()
    log = SearchLog()
    log.seconds = seconds(partial(search_keras, grid, weights, log))
    return log


def search_sklstm(grid: Grid, log: SearchLog) -> None:
    """Fit and score all members of the grid by GridSearchCV."""

    def score(estimator: Any, X: Array, y: Array) -> float:
        log.scores.append(mean_squared_error(estimator.predict(X), y))
        log.weights.append(estimator.initial_weights_)
        return -log.scores[-1]

    make_search(grid, scoring=score).fit(*make_series(grid.n_rows))


def search_keras(grid: Grid, weights: list[list[Array]], log: SearchLog) -> None:
    """Fit and score all members of the grid by the Keras loop."""
    for start, member in zip(weights, grid.fits(), strict=True):
        log.scores.append(fit_keras_member(grid, start, *member))


def fit_keras_member(
    grid: Grid,
    weights: list[Array] | None,
    batch_size: int,
    learning_rate: float,
    fold: int,
) -> float:
    """Fit one member by the Keras loop; return its error on the held-out rows."""
    X, y = make_series(grid.n_rows)
    train, test = grid.folds()[fold]
    size = grid.size(batch_size)
    model = build_keras(size, weights, learning_rate)
    windows = keras_windows(X[train], y[train], size.sequence_length, batch_size)
    loop_keras(model, *windows, grid.epochs, batch_size)
    answers = predict_keras_after(model, size, X[: test[-1] + 1], y, len(train))
    return mean_squared_error(answers, y[test])


def predict_keras_after(
    model: Any, size: Size, X: Array, y: Array, n_train: int
) -> Array:
    """Predict the rows from ``n_train`` on, from the state after the rows before.

    A stateful model predicts whole batches only. So the last batch is filled up with
    copies of the last window, whose predictions are discarded.
    """
    B, T = size.batch_size, size.sequence_length
    reset_keras(model)
    seen, _ = keras_windows(X[:n_train], y[:n_train], T, B)
    model.predict(seen, batch_size=B, verbose=0)
    ahead, _ = keras_windows(X[n_train - (T - 1) :], y[n_train - (T - 1) :], T, 1)
    padding = np.repeat(ahead[-1:], -len(ahead) % B, axis=0)
    answers = model.predict(np.concatenate([ahead, padding]), batch_size=B, verbose=0)
    return answers[: len(ahead), 0]


def mean_squared_error(answers: Array, y: Array) -> float:
    """Return the mean of the squared errors."""
    return float(np.mean((answers - y) ** 2))
