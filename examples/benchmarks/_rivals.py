"""The rivals of race ``epoch``: other ways to train the same network on the same data.

Each is a function ``start(size, weights, epochs)``. It cuts the windows, builds the
network with these initial weights, and trains it for this number of epochs. It returns
their losses, and a function that trains the same network for further epochs, which is
what the race times.

Libraries are imported inside the functions. PyTorch needs a process without TensorFlow:
a process that imports PyTorch 2.15 and TensorFlow 2.21 aborts, because each brings its
own LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from _contestants import (
    LEARNING_RATE,
    LOOP,
    Array,
    Size,
    build_keras,
    keras_windows,
    loop_keras,
    make_rows,
    reset_keras,
)
from _device import torch_device

PYTORCH, PYTORCH_ALONE = "PyTorch", "PyTorch, one thread"
TORCH = "torch"
KERAS_EPSILON = 1e-7  # of Keras's Adam
ADAM_BETA_2 = 0.999  # of both libraries' Adam

# The losses of the first epochs, and a function that trains for further ones.
Started = tuple[list[float], Callable[[int], Any]]


@dataclass(frozen=True)
class Rival:
    """A way to train, and the library that it needs.

    Parameters
    ----------
    start : callable
        ``start(size, weights, epochs)``, as this module describes it.
    library : str
        Name of the module.
    """

    start: Callable[[Size, list[Array], int], Started]
    library: str = "keras"


def cut_windows(size: Size) -> tuple[Array, Array]:
    """Return the windows and targets of a size."""
    return keras_windows(*make_rows(size), size.sequence_length, size.batch_size)


# --- Keras ------------------------------------------------------------------------


def start_loop(
    size: Size, weights: list[Array], epochs: int, **options: Any
) -> Started:
    """Train by the plain loop; `options` are those of `build_keras`."""
    model = build_keras(size, weights, **options)
    train = partial(train_loop, model, cut_windows(size), size.batch_size)
    return train(epochs), train


def train_loop(
    model: Any, windows: tuple[Array, Array], batch_size: int, epochs: int
) -> list[float]:
    """Train a built model by the plain loop for this number of epochs."""
    return loop_keras(model, *windows, epochs, batch_size)


def start_epoch_at_once(size: Size, weights: list[Array], epochs: int) -> Started:
    """Train by the plain loop, with all batches of an epoch in one TensorFlow call."""
    return start_loop(size, weights, epochs, steps_per_execution=size.n_batches)


def start_compiled(size: Size, weights: list[Array], epochs: int) -> Started:
    """Train as `start_epoch_at_once` does, with the call compiled by XLA."""
    return start_loop(
        size,
        weights,
        epochs,
        use_cudnn=False,
        jit_compile=True,
        steps_per_execution=size.n_batches,
    )


def start_scikeras(size: Size, weights: list[Array], epochs: int) -> Started:
    """Train by scikeras alone: one ``fit`` on windows; a callback resets the states.

    With ``warm_start=True``, further calls of ``fit`` neither build nor trace the
    model.
    """
    from scikeras.wrappers import KerasRegressor

    regressor = KerasRegressor(
        model=lambda: build_keras(size, weights),
        batch_size=size.batch_size,
        shuffle=False,
        callbacks=[make_resetting_callback()],
        warm_start=True,
        verbose=0,
    )
    windows = cut_windows(size)
    regressor.fit(*windows, epochs=epochs)
    losses = list(regressor.history_["loss"])
    return losses, partial(train_scikeras, regressor, windows)


def train_scikeras(regressor: Any, windows: tuple[Array, Array], epochs: int) -> None:
    """Train a scikeras estimator for further epochs."""
    regressor.fit(*windows, epochs=epochs)


def make_resetting_callback() -> Any:
    """Make the callback that zeroes the states after every epoch."""
    import keras

    class ResetStates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            reset_keras(self.model)

    return ResetStates()


# --- PyTorch ----------------------------------------------------------------------


def start_pytorch(
    size: Size, weights: list[Array], epochs: int, n_threads: int | None = None
) -> Started:
    """Train by an eager PyTorch loop that carries the state.

    It has `n_threads` threads, or PyTorch's default number if that is None. Threads
    speed up large networks and slow down small ones, in which they wait for each other.
    """
    windows, targets = cut_windows(size)
    batches = cut_batches(windows, targets[:, None], size.batch_size)
    train = partial(train_pytorch, PyTorchLoop(size, weights, batches), n_threads)
    return train(epochs), train


def cut_batches(
    windows: Array, targets: Array, batch_size: int
) -> list[tuple[Array, Array]]:
    """Cut windows and their targets into batches."""
    firsts = range(0, len(windows), batch_size)
    return [(windows[i : i + batch_size], targets[i : i + batch_size]) for i in firsts]


def train_pytorch(loop: PyTorchLoop, n_threads: int | None, epochs: int) -> list[float]:
    """Train with this number of threads, and restore the number afterwards."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(n_threads or usual)
    try:
        return loop.train(epochs)
    finally:
        torch.set_num_threads(usual)


class PyTorchLoop:
    """The usual training loop in PyTorch, on windows that were cut into batches before.

    Parameters
    ----------
    size : Size
    weights : list of ndarray
        Initial weights, in Keras's order.
    batches : list of pairs of ndarray
        Windows of shape (B, T, F), and the targets of their last steps: of shape
        (B, 1) for the last one, or (B, T) for all.
    """

    def __init__(
        self,
        size: Size,
        weights: list[Array],
        batches: Sequence[tuple[Array, Array]],
    ) -> None:
        import torch

        device = torch_device()
        lstm, head = build_pytorch(size, weights)
        self._lstm, self._head = lstm.to(device), head.to(device)
        parameters = [*self._lstm.parameters(), *self._head.parameters()]
        self._optimizer = torch.optim.Adam(
            [one for one in parameters if one.requires_grad], lr=LEARNING_RATE
        )
        self._n_steps = 0
        self._batches = [
            (torch.tensor(x, device=device), torch.tensor(y, device=device))
            for x, y in batches
        ]
        self._n_targets = sum(y.numel() for _, y in self._batches)

    def train(self, epochs: int) -> list[float]:
        """Train for this number of epochs; return their losses."""
        return [self._train_epoch() for _ in range(epochs)]

    def _train_epoch(self) -> float:
        """Train for one epoch from zero state; return the mean loss of its targets."""
        from torch.nn.functional import mse_loss

        state, total = None, 0.0
        for windows, targets in self._batches:
            outputs, state = self._lstm(windows, state)  # (B, T, U)
            state = tuple(part.detach() for part in state)
            outputs = outputs[:, -targets.shape[1] :]  # those that have a target
            loss = mse_loss(self._head(outputs)[..., 0], targets)
            self._optimizer.zero_grad()
            loss.backward()
            self._step()
            total += loss.item() * targets.numel()
        return total / self._n_targets

    def _step(self) -> None:
        """Update the weights as Keras's Adam does.

        Keras adds epsilon before it corrects the bias of the second moment, PyTorch
        after. With equal epsilons, their effect would differ thirtyfold in the first
        step, and losses by 0.3 %.
        """
        self._n_steps += 1
        correction = 1 - ADAM_BETA_2**self._n_steps
        self._optimizer.param_groups[0]["eps"] = KERAS_EPSILON / correction**0.5
        self._optimizer.step()


def build_pytorch(size: Size, weights: list[Array]) -> tuple[Any, Any]:
    """Build the layers with Keras's weights.

    Both have the same order of gates, but PyTorch's matrices are transposed. PyTorch
    adds two biases where Keras has one. Keras's is the first of them here. The second
    is zero and not trained, since otherwise their sum would move twice as far in a
    step.
    """
    import torch

    units = size.units[0]  # nn.LSTM has as many in every layer
    lstm = torch.nn.LSTM(size.n_features, units, len(size.units), batch_first=True)
    head = torch.nn.Linear(units, 1)
    names = ("weight_ih", "weight_hh", "bias_ih")
    with torch.no_grad():
        for depth in range(len(size.units)):
            for name, values in zip(names, weights[3 * depth :], strict=False):
                getattr(lstm, f"{name}_l{depth}").copy_(torch.tensor(values.T))
            getattr(lstm, f"bias_hh_l{depth}").zero_().requires_grad_(False)
        head.weight.copy_(torch.tensor(weights[-2].T))
        head.bias.copy_(torch.tensor(weights[-1]))
    return lstm, head


RIVALS = {
    LOOP: Rival(start_loop),
    f"{LOOP}, steps_per_execution=K": Rival(start_epoch_at_once),
    f"{LOOP}, compiled": Rival(start_compiled),
    "scikeras": Rival(start_scikeras, "scikeras"),
    PYTORCH: Rival(start_pytorch, TORCH),
    PYTORCH_ALONE: Rival(partial(start_pytorch, n_threads=1), TORCH),
}
