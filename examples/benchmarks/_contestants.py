"""The two contestants of the race, doing the same work in the same order.

Owns the sizes, the made-up data, the plain Keras 3 loop as people write it, and the
sklstm estimator set up to match. Times nothing: that is ``race_keras_loop.py``.

Keras and sklstm are imported inside the functions, so that a process which runs one
contestant does not pay for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEARNING_RATE = 1e-3
SEED = 0


@dataclass(frozen=True)
class Size:
    """One shape of network and data: what decides the cost of an epoch."""

    batch_size: int  # B, lanes
    sequence_length: int  # T, steps in a window
    n_features: int  # F
    units: tuple[int, ...]  # of each LSTM layer
    n_batches: int  # K, batches in an epoch

    @property
    def n_rows(self) -> int:
        """Rows that give exactly ``n_batches`` full batches of windows."""
        return self.batch_size * self.n_batches + self.sequence_length - 1

    def __str__(self) -> str:
        units = "+".join(str(n) for n in self.units)
        return (
            f"B{self.batch_size} T{self.sequence_length} F{self.n_features} "
            f"U{units} K{self.n_batches}"
        )


SIZES = {
    1: Size(1, 1, 1, (32,), 25),
    2: Size(7, 14, 1, (32,), 50),
    3: Size(32, 30, 8, (64,), 30),
    4: Size(64, 60, 16, (128, 128), 10),
}


def make_rows(size: Size) -> tuple[Array, Array]:
    """Random features and a target that needs the recent past, in time order.

    Returns
    -------
    X : array of shape (n_rows, n_features), float32
    y : array of shape (n_rows,), float32
    """
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((size.n_rows, size.n_features))
    decay = 0.7 ** np.arange(8)
    y = np.tanh(np.convolve(X[:, 0], decay)[: size.n_rows])
    return X.astype("float32"), y.astype("float32")


def make_series(n_rows: int) -> tuple[Array, Array]:
    """Weekly pattern, trend and noise, framed to predict the next value.

    Returns
    -------
    X : array of shape (n_rows, 1), float32
    y : array of shape (n_rows,), float32
    """
    rng = np.random.default_rng(SEED)
    t = np.arange(n_rows + 1)
    series = np.sin(2 * np.pi * t / 7) + t / (n_rows + 1)
    series = (series + 0.1 * rng.standard_normal(n_rows + 1)).astype("float32")
    return series[:-1, np.newaxis], series[1:]


# --- the plain Keras loop ---------------------------------------------------------


def keras_windows(X: Array, y: Array, T: int, B: int) -> tuple[Array, Array]:
    """Stride-1 windows and their targets, the newest multiple of B of them.

    Returns
    -------
    windows : array of shape (B * K, T, n_features)
    targets : array of shape (B * K,)
    """
    windows = np.lib.stride_tricks.sliding_window_view(X, T, axis=0)  # (W, F, T)
    windows = np.ascontiguousarray(windows.transpose(0, 2, 1))  # (W, T, F)
    n_dropped = len(windows) % B
    return windows[n_dropped:], y[T - 1 :][n_dropped:]


def build_keras(
    size: Size, weights: list[Array] | None, learning_rate: float = LEARNING_RATE
) -> Any:
    """Build and compile the stateful model of the tutorials."""
    import keras

    B, T, F = size.batch_size, size.sequence_length, size.n_features
    layers: list[Any] = [keras.layers.Input(batch_shape=(B, T, F))]
    for depth, units in enumerate(size.units, start=1):
        more = depth < len(size.units)
        layers.append(keras.layers.LSTM(units, stateful=True, return_sequences=more))
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    if weights is not None:
        model.set_weights(weights)
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(learning_rate))
    return model


def reset_keras(model: Any) -> None:
    """Zero the state of every recurrent layer."""
    for layer in model.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def loop_keras(
    model: Any, windows: Array, targets: Array, epochs: int, batch_size: int
) -> list[float]:
    """Train as the tutorials do: one ``fit`` and one reset for each epoch."""
    losses = []
    for _ in range(epochs):
        history = model.fit(
            windows, targets, epochs=1, batch_size=batch_size, shuffle=False, verbose=0
        )
        reset_keras(model)
        losses.append(history.history["loss"][0])
    return losses


def fit_keras(size: Size, weights: list[Array] | None, epochs: int) -> list[float]:
    """Whole Keras fit, from rows to trained model; returns its losses."""
    X, y = make_rows(size)
    windows, targets = keras_windows(X, y, size.sequence_length, size.batch_size)
    model = build_keras(size, weights)
    return loop_keras(model, windows, targets, epochs, size.batch_size)


def predict_keras_after(
    model: Any, size: Size, X: Array, y: Array, n_train: int
) -> Array:
    """Predict the rows from ``n_train`` on, the state warmed on the rows before.

    A stateful model answers in whole batches only, so the last batch is filled up
    with copies of the last window, and their answers are thrown away.
    """
    B, T = size.batch_size, size.sequence_length
    reset_keras(model)
    seen, _ = keras_windows(X[:n_train], y[:n_train], T, B)
    model.predict(seen, batch_size=B, verbose=0)
    ahead, _ = keras_windows(X[n_train - (T - 1) :], y[n_train - (T - 1) :], T, 1)
    padding = np.repeat(ahead[-1:], -len(ahead) % B, axis=0)
    answers = model.predict(np.concatenate([ahead, padding]), batch_size=B, verbose=0)
    return answers[: len(ahead), 0]


# --- sklstm -----------------------------------------------------------------------


def make_sklstm(
    size: Size, epochs: int, learning_rate: float = LEARNING_RATE, **params: Any
) -> Any:
    """Make the estimator that does what ``loop_keras`` does."""
    from sklstm import StatefulLSTMRegressor

    return StatefulLSTMRegressor(
        units=size.units,
        sequence_length=size.sequence_length,
        batch_size=size.batch_size,
        epochs=epochs,
        optimizer="adam",
        optimizer__learning_rate=learning_rate,
        random_state=SEED,
        **params,
    )


def fit_sklstm(size: Size, epochs: int) -> Any:
    """Whole sklstm fit, from rows to trained and seeded estimator."""
    X, y = make_rows(size)
    return make_sklstm(size, epochs).fit(X, y)


# --- the grid ---------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """A small search: 2 batch sizes x 2 learning rates x 3 folds = 12 fits."""

    n_rows: int = 999
    epochs: int = 10
    sequence_length: int = 7
    units: int = 32
    batch_sizes: tuple[int, ...] = (1, 7)
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    n_splits: int = 3

    def size(self, batch_size: int) -> Size:
        """Return the network of one fit; the number of batches is the fold's."""
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


def search_sklstm(grid: Grid, after_fit: Callable[[Any, float], None]) -> None:
    """Run the grid by GridSearchCV; ``after_fit(estimator, mse)`` sees each fit."""
    from sklearn.model_selection import GridSearchCV

    def score(estimator: Any, X: Array, y: Array) -> float:
        mse = float(np.mean((estimator.predict(X) - y) ** 2))
        after_fit(estimator, mse)
        return -mse

    search = GridSearchCV(
        make_sklstm(grid.size(grid.batch_sizes[0]), grid.epochs),
        {
            "batch_size": list(grid.batch_sizes),
            "optimizer__learning_rate": list(grid.learning_rates),
        },
        cv=grid.folds(),
        scoring=score,
        n_jobs=1,
        refit=False,
        error_score="raise",
    )
    search.fit(*make_series(grid.n_rows))


def search_keras(
    grid: Grid, weights: list[list[Array]], after_fit: Callable[[Any, float], None]
) -> None:
    """Run the grid by hand with the Keras loop, from the given initial weights."""
    X, y = make_series(grid.n_rows)
    folds = grid.folds()
    for start, (batch_size, learning_rate, fold) in zip(
        weights, grid.fits(), strict=True
    ):
        train, test = folds[fold]
        size = grid.size(batch_size)
        model = build_keras(size, start, learning_rate)
        windows = keras_windows(X[train], y[train], size.sequence_length, batch_size)
        loop_keras(model, *windows, grid.epochs, batch_size)
        answers = predict_keras_after(model, size, X[: test[-1] + 1], y, len(train))
        after_fit(model, float(np.mean((answers - y[test]) ** 2)))
