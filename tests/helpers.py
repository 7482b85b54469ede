"""Independent oracles, random geometries and comparators shared by the tests.

Owns three second opinions, none of which imports the package:

* :class:`NaiveLSTM`, an LSTM (or GRU, or simple recurrent network) with its lanes and
  windows as plain NumPy loops in float64: the oracle of ``predict``, ``step``,
  ``observe`` and ``forecast``;
* :func:`keras_loop`, the loop of Keras's own ``fit(epochs=1, shuffle=False)`` and
  ``reset_state()`` over windows made by hand: the oracle of training;
* the Hypothesis strategies that draw rows and ways of cutting them up.

Also :func:`run`, which runs code in a fresh process, and
:func:`with_rest_thorough` and :func:`first_ordinary`, which leave cases to the
thorough run.

It does not own fitted estimators: each test module makes and caches its own.
"""

from __future__ import annotations

import copy
import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

Weights = list[np.ndarray]

# --------------------------------------------------------------------------------------
# Comparators
# --------------------------------------------------------------------------------------

#: Float32 arithmetic against float64, or against float32 in another order. One
#: operation is good to 6e-8 and XLA's tanh to about 4e-7, and the recurrences tested
#: here contract, so that the error does not grow with the number of windows: the worst
#: seen on values of order one is 1e-7, a twentieth of what is allowed.
ROUNDING = {"rtol": 1e-5, "atol": 2e-6}

#: Training for some epochs, against Keras. The relative part is the parity law's own
#: figure; the absolute one is for weights that are near zero: Adam divides a gradient
#: by its size, so that a gradient which is itself little more than rounding moves its
#: weight by an appreciable part of the learning rate. The worst seen is 1e-7.
PARITY = {"rtol": 1e-4, "atol": 1e-6}


def assert_close(actual: Any, expected: Any, *, what: str = "values", **tol: float):
    """Compare shape and numbers within ``tol`` (default: :data:`ROUNDING`)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (
        f"{what}: shape {actual.shape}, expected {expected.shape}"
    )
    np.testing.assert_allclose(actual, expected, **(tol or ROUNDING), err_msg=what)


def assert_same_weights(actual: Weights, expected: Weights, **tol: float) -> None:
    """Compare two lists of weights, array by array."""
    assert len(actual) == len(expected)
    for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
        assert_close(a, b, what=f"weight array {i} of shape {np.shape(b)}", **tol)


def assert_identical_weights(actual: Weights, expected: Weights) -> None:
    """Compare two lists of weights bit for bit."""
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def weight_change(before: Weights, after: Weights) -> float:
    """Return the largest change of any single weight."""
    return max(float(np.max(np.abs(a - b))) for a, b in zip(before, after, strict=True))


def assert_same_state(actual: Any, expected: Any, **tol: float) -> None:
    """Compare two recurrent states, lanes and context and position; exactly if no tol.

    The last output is compared as well, so that a forecast would start alike.
    """
    tol = tol or {"rtol": 0.0, "atol": 0.0}
    np.testing.assert_array_equal(actual.position, expected.position)
    assert len(actual.layers) == len(expected.layers)
    for i, (a, b) in enumerate(zip(actual.layers, expected.layers, strict=True)):
        assert len(a) == len(b)
        for u, v in zip(a, b, strict=True):
            assert_close(u, v, what=f"state of layer {i}", **tol)
    assert_close(actual.context, expected.context, what="context", **tol)
    if expected.last_output is None:
        assert actual.last_output is None
    else:
        assert_close(
            actual.last_output, expected.last_output, what="last output", **tol
        )


def outputs_of(estimator: Any, X: np.ndarray) -> np.ndarray:
    """Return the outputs of the network's head, of shape (n_rows, n_outputs)."""
    if not hasattr(estimator, "classes_"):
        return np.asarray(estimator.predict(X)).reshape(len(X), -1)
    proba = estimator.predict_proba(X)  # (n_rows, n_classes)
    return proba[:, 1:] if len(estimator.classes_) == 2 else proba


# --------------------------------------------------------------------------------------
# The NumPy oracle: windows, lanes, context, cold rows
# --------------------------------------------------------------------------------------


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return the logistic function, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def lstm(x, h, c, kernel, recurrent_kernel, bias):
    """Run one LSTM layer over ``x`` (T, F); return every h, and the last h and c.

    ``i, f, g, o`` in Keras's order of gates.
    """
    outputs = []
    for x_t in x:
        z = x_t @ kernel + h @ recurrent_kernel + bias  # (4U,)
        i, f, g, o = np.split(z, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), h, c


def gru(x, h, c, kernel, recurrent_kernel, bias):
    """Run one GRU layer, with Keras's ``reset_after=True``; c stays as it is.

    ``z, r, g`` in Keras's order of gates.
    """
    outputs = []
    for x_t in x:
        z, r, g = np.split(x_t @ kernel + bias[0], 3)
        of_z, of_r, of_g = np.split(h @ recurrent_kernel + bias[1], 3)
        z, r = sigmoid(z + of_z), sigmoid(r + of_r)
        h = z * h + (1 - z) * np.tanh(g + r * of_g)
        outputs.append(h)
    return np.array(outputs), h, c


def rnn(x, h, c, kernel, recurrent_kernel, bias):
    """Run one simple recurrent layer; c stays as it is."""
    outputs = []
    for x_t in x:
        h = np.tanh(x_t @ kernel + h @ recurrent_kernel + bias)
        outputs.append(h)
    return np.array(outputs), h, c


RUN = {4: lstm, 3: gru, 1: rnn}  # by the number of gates


def softmax(z: np.ndarray) -> np.ndarray:
    """Return exponentials of ``z`` normalised to sum one."""
    e = np.exp(z - z.max())
    return e / e.sum()


HEADS = {"linear": lambda z: z, "sigmoid": sigmoid, "softmax": softmax}


class NaiveLSTM:
    """A stateful LSTM network with its lanes, one row at a time, in float64.

    The shapes of the weights tell if the layers are of another kind: see :data:`RUN`.

    Parameters
    ----------
    weights : list of arrays
        As ``keras.Model.get_weights()`` orders them: kernel, recurrent kernel and
        bias of each layer, then kernel and bias of the dense head.
    sequence_length, batch_size : int
        T and B.
    stateful : bool
        If false, every window starts from zero state.
    head : {"linear", "sigmoid", "softmax"}
        Activation of the dense head.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        sequence_length: int,
        batch_size: int,
        stateful: bool = True,
        head: str = "linear",
    ) -> None:
        weights = [np.asarray(w, dtype=np.float64) for w in weights]
        self.layers = [tuple(weights[i : i + 3]) for i in range(0, len(weights) - 2, 3)]
        self.head_kernel, self.head_bias = weights[-2:]
        self.activation = HEADS[head]
        self.T, self.B, self.stateful = sequence_length, batch_size, stateful
        self.reset()

    def reset(self) -> None:
        """Forget everything: zero state, no context, position 0."""
        n_features = self.layers[0][0].shape[0]
        units = [recurrent.shape[0] for _, recurrent, _ in self.layers]
        self.h = [np.zeros((self.B, u)) for u in units]
        self.c = [np.zeros((self.B, u)) for u in units]
        self.context = np.empty((0, n_features))
        self.position = 0
        self.last_output: np.ndarray | None = None

    def answer(self, window: np.ndarray, lane: int | None) -> np.ndarray:
        """Return the output for one window; advance ``lane``; without, none."""
        x = np.asarray(window, dtype=np.float64)  # (steps, F)
        carry = self.stateful and lane is not None
        for k, (kernel, recurrent_kernel, bias) in enumerate(self.layers):
            units = recurrent_kernel.shape[0]
            h = self.h[k][lane] if carry else np.zeros(units)
            c = self.c[k][lane] if carry else np.zeros(units)
            run_layer = RUN[recurrent_kernel.shape[1] // units]
            x, h, c = run_layer(x, h, c, kernel, recurrent_kernel, bias)
            if carry:
                self.h[k][lane], self.c[k][lane] = h, c
        return self.activation(x[-1] @ self.head_kernel + self.head_bias)

    def take(self, row: np.ndarray) -> np.ndarray:
        """Answer one row of a series and advance over it."""
        series = np.vstack([self.context, row])
        window = series[-self.T :]
        self.context = series[max(0, len(series) - (self.T - 1)) :]
        return self.take_window(window)

    def take_window(self, window: np.ndarray) -> np.ndarray:
        """Answer one window, short ones (or NaN at their start) from zero state."""
        window = window[~np.isnan(window).all(axis=1)]
        if len(window) < self.T:
            out = self.answer(window, lane=None)
        else:
            out = self.answer(window, lane=self.position % self.B)
            self.position += 1
        self.last_output = out
        return out

    def step(self, X: np.ndarray) -> np.ndarray:
        """Answer rows (or, of 3-D ``X``, windows) one by one and advance over them."""
        take = self.take if np.ndim(X) == 2 else self.take_window
        return np.array([take(x) for x in X])  # (n, n_outputs)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Answer rows without advancing."""
        return copy.deepcopy(self).step(X)

    def seed(self, X: np.ndarray, *, drop_remainder: bool = True) -> np.ndarray:
        """Run over training rows from zero state; return the kept windows' outputs."""
        self.reset()
        if np.ndim(X) == 2:
            windows = windows_by_hand(X, self.T)
            self.context = np.asarray(X[len(X) - self.T + 1 :], dtype=np.float64)
        else:
            windows = np.array([w for w in X if not np.isnan(w).any()])
        carries = self.stateful
        n_dropped = len(windows) % self.B if drop_remainder and carries else 0
        self.position = 0 if drop_remainder else -len(windows) % self.B  # empty lanes
        return np.array([self.take_window(w) for w in windows[n_dropped:]])

    def forecast(
        self,
        n_steps: int,
        start: np.ndarray | None = None,
        feedback: Callable[[np.ndarray, int], np.ndarray] = lambda p, k: p,
    ) -> np.ndarray:
        """Feed predictions back as rows, for ``n_steps`` answers; state left alone."""
        walker = copy.deepcopy(self)
        outputs, calls = [], itertools.count()
        if start is not None:
            outputs.append(walker.step(start)[-1])
        while len(outputs) < n_steps:
            outputs.append(walker.take(feedback(walker.last_output, next(calls))))
        return np.array(outputs)


# --------------------------------------------------------------------------------------
# The Keras oracle: the tutorials' loop over hand-made windows
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loop:
    """What :func:`keras_loop` found.

    Attributes
    ----------
    losses, val_losses : list of float
        One per epoch.
    weights : list of arrays
        After the last epoch.
    in_sample : array of shape (n_kept_windows, n_outputs)
        Outputs of the final weights over the kept training windows, in order.
    out_of_sample : array of shape (n_new_rows, n_outputs)
        Outputs for the rows after the training rows, the lanes running on.
    """

    losses: list[float]
    weights: Weights
    in_sample: np.ndarray
    out_of_sample: np.ndarray
    val_losses: list[float] = field(default_factory=list)


def windows_by_hand(X: np.ndarray, sequence_length: int) -> np.ndarray:
    """Return the windows of ``X``, oldest first: (n_windows, T, n_features)."""
    ends = range(sequence_length, len(X) + 1)
    return np.array([X[e - sequence_length : e] for e in ends])


#: Names of Keras's layers by the parameter ``cell``.
KERAS_LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}


def keras_lstm(
    units: Sequence[int],
    n_outputs: int,
    activation: str,
    *,
    batch_size: int | None,
    sequence_length: int,
    n_features: int,
    stateful: bool,
    cell: str = "lstm",
) -> Any:
    """Return the plain Keras model: LSTM (or other) layers and a dense head."""
    import keras

    layer = getattr(keras.layers, KERAS_LAYERS[cell])

    shape = (batch_size, sequence_length, n_features)
    model = keras.Sequential([keras.Input(batch_shape=shape)])
    for k, u in enumerate(units):
        last = k == len(units) - 1
        model.add(layer(u, return_sequences=not last, stateful=stateful))
    model.add(keras.layers.Dense(n_outputs, activation=activation))
    return model


def keras_reset(model: Any, lanes: slice = slice(None)) -> None:
    """Zero the state of the given lanes of every recurrent layer."""
    for layer in model._flatten_layers():  # those inside Bidirectional too
        for state in getattr(layer, "states", None) or ():
            value = np.copy(state.numpy())  # (B, units)
            value[lanes] = 0.0
            state.assign(value)


def _batches(n_windows: int, batch_size: int, n_empty: int) -> Iterator[np.ndarray]:
    """Yield per batch the window in each lane, -1 for an empty lane."""
    lanes = np.concatenate([np.full(n_empty, -1), np.arange(n_windows)])
    lanes = np.concatenate([lanes, np.full(-len(lanes) % batch_size, -1)])
    yield from lanes.reshape(-1, batch_size)


def keras_forward(
    model: Any, windows: np.ndarray, batch_size: int, n_empty: int = 0
) -> np.ndarray:
    """Run windows through the lanes from zero state; return one output per window."""
    keras_reset(model)
    outputs = []
    for k, batch in enumerate(_batches(len(windows), batch_size, n_empty)):
        x = np.where((batch >= 0)[:, None, None], windows[batch], np.float32(0))
        y = np.asarray(model(x, training=False))
        outputs.append(y[batch >= 0])
        if k == 0:
            keras_reset(model, slice(0, n_empty))
    return np.concatenate(outputs)


def _train_left_filled(model, windows, targets, weights, batch_size, n_empty) -> float:
    """Run one epoch whose first batch has empty lanes; return the epoch's loss.

    Keras divides a batch's loss by B whatever the weights are: scaling those of the
    first batch by B / n_real makes its loss the mean over the windows that are there,
    as in a short batch.
    """
    total = 0.0
    for k, batch in enumerate(_batches(len(windows), batch_size, n_empty)):
        real = batch >= 0
        x = np.where(real[:, None, None], windows[batch], np.float32(0))
        w = np.where(real, weights[batch], 0.0) * (batch_size / real.sum())
        model.reset_metrics()  # Keras 3.8 returns the mean over batches so far
        logs = model.train_on_batch(x, targets[batch], w, return_dict=True)
        total += logs["loss"] * real.sum()
        if k == 0:
            keras_reset(model, slice(0, n_empty))
    return total / len(windows)


def _validate(model, windows, targets, batch_size, stateful) -> float:
    """Return the mean loss over validation windows, the lanes running on from now."""
    if not stateful:
        return float(model.evaluate(windows, targets, batch_size=batch_size, verbose=0))
    total = 0.0
    for batch in _batches(len(windows), batch_size, 0):
        real = batch >= 0
        model.reset_metrics()
        logs = model.test_on_batch(
            windows[batch],
            targets[batch],
            np.where(real, batch_size / real.sum(), 0.0),
            return_dict=True,
        )
        total += logs["loss"] * real.sum()
    return total / len(windows)


def keras_loop(
    build: Callable[[int | None], Any],
    X: np.ndarray,
    y: np.ndarray,
    *,
    initial_weights: Weights,
    sequence_length: int,
    batch_size: int,
    epochs: int,
    optimizer: Any,
    loss: Any,
    stateful: bool = True,
    drop_remainder: bool = True,
    sample_weight: np.ndarray | None = None,
    new_rows: np.ndarray | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> Loop:
    """Train a plain Keras model by the tutorials' loop.

    Parameters
    ----------
    build : callable
        ``build(batch_size)`` returns the uncompiled model; the batch size is None for
        a stateless one, whose last batch is short.
    X, y : arrays of shape (n_rows, n_features) and (n_rows,) or (n_rows, n_outputs)
        In time order; ``y`` as Keras wants it (classes encoded).
    initial_weights : list of arrays
        The weights before the first epoch.
    optimizer, loss
        As ``keras.optimizers.get`` and ``compile`` read them.
    validation : (X, y), optional
        The rows right after ``X``: evaluated after each epoch from the state the
        epoch ended in.

    Notes
    -----
    Where no lane is empty, an epoch is ``model.fit(epochs=1, shuffle=False)``; with
    ``drop_remainder=False`` the first batch needs ``train_on_batch``.
    """
    import keras

    T, B = sequence_length, batch_size
    new = np.empty((0, X.shape[1])) if new_rows is None else new_rows
    windows = windows_by_hand(np.vstack([X, new]), T).astype(np.float32)
    targets = np.asarray(y, dtype=np.float32)[T - 1 :]
    targets = targets.reshape(len(targets), -1)  # (W, n_outputs)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    weights = weights[T - 1 :]
    n_windows = len(targets)
    n_dropped = n_windows % B if stateful and drop_remainder else 0
    n_empty = -n_windows % B if stateful and not drop_remainder else 0
    train = slice(n_dropped, n_windows)
    kept = windows[train], targets[train], weights[train]

    model = build(B if stateful else None)
    # Eagerly: nothing compiled is shared with what is under test, and for these few
    # batches it is faster than tracing a program (0.4 s against 2).
    model.compile(keras.optimizers.get(optimizer), loss=loss, run_eagerly=True)
    model.set_weights(initial_weights)
    losses, val_losses = [], []
    for _ in range(epochs):
        keras_reset(model)
        if n_empty:
            losses.append(_train_left_filled(model, *kept, B, n_empty))
        else:
            past = model.fit(
                kept[0],
                kept[1],
                sample_weight=kept[2],
                batch_size=B,
                epochs=1,
                shuffle=False,
                verbose=0,
            )
            losses.append(past.history["loss"][0])
        if validation is not None:
            X_val, y_val = validation
            val_windows = windows_by_hand(np.vstack([X, X_val]), T)[n_windows:]
            val_windows = val_windows.astype(np.float32)
            y_val = np.asarray(y_val, np.float32).reshape(len(y_val), -1)
            val_losses.append(_validate(model, val_windows, y_val, B, stateful))

    out = keras_forward(model, windows[n_dropped:], B, n_empty) if stateful else None
    out = np.asarray(model(windows)) if out is None else out
    n_kept = n_windows - n_dropped
    return Loop(losses, model.get_weights(), out[:n_kept], out[n_kept:], val_losses)


# --------------------------------------------------------------------------------------
# Random geometries
# --------------------------------------------------------------------------------------


def make_rows(n_rows: int, n_features: int, seed: int) -> np.ndarray:
    """Return standard normal rows of shape (n_rows, n_features)."""
    return np.random.default_rng(seed).normal(size=(n_rows, n_features))


#: Seeds from which rows are drawn. Hypothesis shrinks the number of rows and the cuts,
#: which is what a counterexample is about; the numbers in the rows need not shrink.
seeds = st.integers(0, 2**16)

#: Where seeds of the rows of a fit begin. `predict` knows those rows again and replays
#: them from the start, so that no rows drawn as new may happen to be them.
TRAINING = 2**20


@st.composite
def pieces(draw: st.DrawFn, n: int) -> list[slice]:
    """Draw a cut of ``range(n)`` into consecutive non-empty slices."""
    cuts = draw(st.sets(st.integers(1, n - 1), max_size=8)) if n > 1 else set()
    edges = [0, *sorted(cuts), n]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def left_nan_windows(X: np.ndarray, sequence_length: int) -> np.ndarray:
    """Return one window per row of ``X``, NaN where the series had not begun yet."""
    empty = np.full((sequence_length - 1, X.shape[1]), np.nan)
    series = np.vstack([empty, X])
    ends = range(sequence_length, len(series) + 1)
    return np.array([series[e - sequence_length : e] for e in ends])


# --------------------------------------------------------------------------------------
# Processes
# --------------------------------------------------------------------------------------

#: What users steer TensorFlow and Keras by: absent unless a test sets it.
STEERING = (
    "KERAS_BACKEND",
    "TF_CPP_MAX_VLOG_LEVEL",
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_XLA_FLAGS",
)


def with_rest_thorough(cases: Iterable[str], ordinary: Iterable[str]) -> list:
    """The names of cases to parametrize by; all but the ordinary ones are thorough."""
    return [
        name if name in ordinary else pytest.param(name, marks=pytest.mark.thorough)
        for name in cases
    ]


def first_ordinary(n: int, cases: Iterable) -> list:
    """Cases to parametrize by, of which those after the first `n` are thorough."""
    made: list = []
    for k, case in enumerate(cases):
        if k >= n:
            values = case if isinstance(case, tuple) else (case,)
            case = pytest.param(*values, marks=pytest.mark.thorough)
        made.append(case)
    return made


def run(code: str, **variables: str) -> subprocess.CompletedProcess:
    """Run code in a fresh process that can import the package and these modules."""
    package = importlib.util.find_spec("sklstm").submodule_search_locations[0]
    environment = {k: v for k, v in os.environ.items() if k not in STEERING}
    folders = [str(Path(package).parent), str(Path(__file__).parent)]
    environment |= {"PYTHONPATH": os.pathsep.join(folders), **variables}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
