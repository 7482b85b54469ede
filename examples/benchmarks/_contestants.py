"""sklstm and the Keras loop: two contestants that do the same work in the same order.

This module owns the sizes, the artificial data, the Keras 3 loop as tutorials write it,
and the estimator with the settings that match it. The races do the timing.

Keras and sklstm are imported inside the functions, so that a process which runs one of
them does not import the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LOOP = "Keras loop"
LEARNING_RATE = 1e-3
SEED = 0


@dataclass(frozen=True)
class Size:
    """The sizes of a network and its data, on which the cost of an epoch depends."""

    batch_size: int  # B, lanes
    sequence_length: int  # T, steps in a window
    n_features: int  # F
    units: tuple[int, ...]  # of each LSTM layer
    n_batches: int  # K, batches in an epoch

    @property
    def network(self) -> str:
        """The size as text, without the number of batches."""
        units = "+".join(str(n) for n in self.units)
        return f"B{self.batch_size} T{self.sequence_length} F{self.n_features} U{units}"

    @property
    def n_rows(self) -> int:
        """Rows that give exactly ``n_batches`` full batches of windows."""
        return self.batch_size * self.n_batches + self.sequence_length - 1

    def __str__(self) -> str:
        return f"{self.network} K{self.n_batches}"


SIZES = {
    1: Size(1, 1, 1, (32,), 25),
    2: Size(7, 14, 1, (32,), 50),
    3: Size(32, 30, 8, (64,), 30),
    4: Size(64, 60, 16, (128, 128), 10),
}
SMALL = Size(1, 1, 1, (32,), 250)  # sklstm's defaults, on 250 rows


def make_rows(size: Size) -> tuple[Array, Array]:
    """Return the rows of a size."""
    return draw_rows(size.n_rows, size.n_features)


def draw_rows(n_rows: int, n_features: int) -> tuple[Array, Array]:
    """Random features, and a target that depends on the last eight rows.

    Returns
    -------
    X : array of shape (n_rows, n_features), float32
    y : array of shape (n_rows,), float32
    """
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((n_rows, n_features))
    decay = 0.7 ** np.arange(8)
    y = np.tanh(np.convolve(X[:, 0], decay)[:n_rows])
    return X.astype("float32"), y.astype("float32")


def make_series(n_rows: int) -> tuple[Array, Array]:
    """A series of weekly pattern, trend and noise, as inputs and next values.

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
    """A window ending at each row, and its target; the oldest are dropped.

    As many are dropped as do not fill a batch of B.

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
    size: Size,
    weights: list[Array] | None,
    learning_rate: float = LEARNING_RATE,
    use_cudnn: bool | str = "auto",
    return_sequences: bool = False,
    **compile_options: Any,
) -> Any:
    """Build and compile the stateful model of the tutorials.

    Its initial weights are `weights`, or those that Keras draws if that is None. With
    ``jit_compile=True``, `use_cudnn` must be False: XLA cannot compile a layer that may
    use cuDNN. With ``return_sequences=True``, there is an output for each step.
    """
    import keras

    B, T, F = size.batch_size, size.sequence_length, size.n_features
    layers: list[Any] = [keras.layers.Input(batch_shape=(B, T, F))]
    for depth, units in enumerate(size.units, start=1):
        more = return_sequences or depth < len(size.units)
        layers.append(
            keras.layers.LSTM(
                units, stateful=True, return_sequences=more, use_cudnn=use_cudnn
            )
        )
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    if weights is not None:
        model.set_weights(weights)
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(**{"loss": "mse", "optimizer": optimizer, **compile_options})
    return model


def reset_keras(model: Any) -> None:
    """Zero the state of every recurrent layer."""
    for layer in model.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def loop_keras(
    model: Any,
    windows: Array,
    targets: Array,
    epochs: int,
    batch_size: int,
    weights: Array | None = None,
) -> list[float]:
    """Train as the tutorials do: one ``fit`` and one reset for each epoch.

    `weights` are those of the targets, if they are not all equal.
    """
    losses = []
    for _ in range(epochs):
        history = model.fit(
            windows,
            targets,
            sample_weight=weights,
            epochs=1,
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
        reset_keras(model)
        losses.append(history.history["loss"][0])
    return losses


def fit_keras(
    size: Size, X: Array, y: Array, weights: list[Array], epochs: int
) -> list[float]:
    """Cut windows, build the model and train it; return its losses."""
    windows, targets = keras_windows(X, y, size.sequence_length, size.batch_size)
    model = build_keras(size, weights)
    return loop_keras(model, windows, targets, epochs, size.batch_size)


# --- sklstm -----------------------------------------------------------------------


# The networks that are raced read rows as they are, as those of the rivals do.
PLAIN = {
    "windows": "sliding",
    "scale": False,
    "linear_skip": False,
    "ema_momentum": 0.0,
}


def make_sklstm(
    size: Size, epochs: int, learning_rate: float = LEARNING_RATE, **params: Any
) -> Any:
    """Make an estimator that trains as ``loop_keras`` does."""
    from sklstm import StatefulLSTMRegressor

    return StatefulLSTMRegressor(
        units=size.units,
        sequence_length=size.sequence_length,
        batch_size=size.batch_size,
        epochs=epochs,
        optimizer="adam",
        optimizer__learning_rate=learning_rate,
        random_state=SEED,
        **{**PLAIN, **params},
    )


def fit_sklstm(size: Size, epochs: int) -> Any:
    """Make the rows of a size and fit an estimator on them."""
    X, y = make_rows(size)
    return make_sklstm(size, epochs).fit(X, y)
