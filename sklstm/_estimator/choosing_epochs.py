"""How many epochs to train for, and how much of the network to add to the linear map.

Both are told by the newest rows of each series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import logit

from sklstm._compiled.device_arrays import Parameters
from sklstm._compiled.optimizers import learning_rate_of
from sklstm._compiled.outputs import walk_series
from sklstm._encoding.learning import learn_encoder
from sklstm._encoding.lesson import HELD_OUT
from sklstm._encoding.planning import is_gain
from sklstm._estimator import tiled
from sklstm._estimator.prepared import Prepared
from sklstm._network.architecture import StackedLSTM
from sklstm._network.losses import by_output, by_target
from sklstm._network.numpy_forward import ACTIVATIONS
from sklstm._network.targets import ClassTarget
from sklstm._training.recipe import Recipe
from sklstm._training.train import Examples, WalkedValidation, train

#: Numbers of epochs after which the error on held-out rows is looked at.
EPOCHS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60)
#: Rows of each series that are walked before those held out, as all its rows would take
#: several times as long and lead to nearly the same state.
WALKED_BEFORE = 512
#: Shares of the network's output that are tried. What a network finds beside a linear
#: map is in part noise of the rows it was trained on, the more so the fewer they are.
SHARES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)

LEAST_PROBABILITY = 1e-7  # of a class; a smaller one counts as this much


def choose_epochs(
    prepared: Prepared, initial: Parameters, shuffle: bool, seed: int, ema: float
) -> EpochErrors:
    """Errors on the newest rows of each series after some numbers of epochs.

    The network is trained on the other rows, by an encoder that has seen no more.
    """
    lesson, plan, recipe = prepared.lesson, prepared.plan, prepared.recipe
    assert lesson is not None and plan is not None
    held_out = lesson.is_held_out()
    is_learnt = lesson.weights[~held_out].any(axis=0).all()
    if not lesson.weights[held_out].any() or not is_learnt:
        return EpochErrors.unknown(recipe.network.n_skip > 0)
    encoder = None
    if prepared.encoder is not None:
        encoder = learn_encoder(lesson, plan, ~held_out)
    encoded, targets = prepared.encoded(encoder)
    curriculum = tiled.curriculum(
        encoded,
        prepared.begins,
        targets,
        prepared.output_weights,
        recipe,
        validation_split=HELD_OUT,
        batch_size=recipe.batch_size or 1,
        shuffle=shuffle,
        seed=seed,
    )
    validation = curriculum.validation
    assert isinstance(validation, WalkedValidation)
    validation = validation.begun_before(WALKED_BEFORE)
    errors = held_out_errors(recipe, prepared.target, initial, validation)
    train(
        replace(recipe, metrics=None),
        initial,
        Examples(curriculum.windows, targets, prepared.output_weights),
        curriculum.layout,
        shuffled=curriculum.shuffled,
        learning_rate=learning_rate_of(recipe.optimizer),
        seed=seed,
        epochs=EPOCHS[-1],
        ema_momentum=ema,
        on_epoch=errors,
    )
    return errors


def held_out_errors(
    recipe: Recipe, target, initial: Parameters, held_out: WalkedValidation
) -> EpochErrors:
    """What looks at the errors on held-out rows in a training."""
    network, rows = recipe.network, held_out.rows
    shares = held_out.weights / held_out.weights.mean()
    skip, activation = None, "linear"
    if isinstance(network, StackedLSTM) and network.n_skip:
        skip, activation = held_out.X[rows, -network.n_skip :], network.activation
    activate = ACTIVATIONS[activation]

    def errors(outputs: np.ndarray) -> np.ndarray:
        given = held_out.targets, outputs
        if shares.ndim == 2:
            return (output_errors(recipe, *given) * shares).mean(axis=1)
        return row_errors(recipe, target, *given) * shares

    def by_share(weights: tuple[np.ndarray, ...]) -> dict[float, np.ndarray]:
        outputs, _ = walk_series(
            held_out.network,
            replace(initial, weights=weights),
            held_out.X,
            held_out.codes,
            held_out.begins,
            held_out.layers,
        )
        if skip is None:
            return {1.0: errors(outputs[rows])}
        added = _logits(activation, outputs[rows]) - skip
        return {share: errors(activate(skip + share * added)) for share in SHARES}

    without = None if skip is None else errors(activate(skip))
    return EpochErrors(by_share, without)


def _logits(activation: str, outputs: np.ndarray) -> np.ndarray:
    """What a head's activation was given, but for a constant in each row of softmax."""
    if activation == "linear":
        return outputs
    outputs = np.clip(outputs, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return logit(outputs) if activation == "sigmoid" else np.log(outputs)


def row_errors(recipe: Recipe, target, y: np.ndarray, outputs: np.ndarray):
    """The error of each row, of shape (n_rows,), by which epochs are compared.

    It is the absolute error where the loss is the squared one, since it is less noisy
    where a few rows are far off; the cross-entropy of classes; else the loss.
    """
    if isinstance(target, ClassTarget):
        classes = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
        probabilities = target.probabilities(outputs, recipe.loss)
        taken = np.take_along_axis(probabilities, classes[:, np.newaxis], axis=1)
        return -np.log(np.maximum(taken[:, 0], LEAST_PROBABILITY))
    if recipe.loss == "mse":
        return np.abs(outputs - y).mean(axis=1)
    return np.asarray(by_target(recipe.loss)(y, outputs)).reshape(len(y))


def output_errors(recipe: Recipe, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The same for numbers, apart for each output, of shape (n_rows, n_outputs)."""
    if recipe.loss == "mse":
        return np.abs(outputs - y)
    return np.asarray(by_output(recipe.loss)(y, outputs))


class EpochErrors:
    """Errors on held-out rows after some of the epochs of a training.

    Parameters
    ----------
    errors : callable
        From weights to the error of each held-out row, by the share of the network's
        output that is added to the linear part.
    without : ndarray of shape (n_rows,) or None
        The same errors where the network adds nothing to the linear part; None where
        there is none.
    """

    PATIENCE = 5  # looks without an improvement, after which the training ends

    def __init__(self, errors: Callable, without: np.ndarray | None):
        self._errors = errors
        self._by_epoch: dict[int, np.ndarray] = {}
        self._shares = {0: 0.0}
        if without is not None:
            self._by_epoch[0] = without

    @classmethod
    def unknown(cls, has_skip: bool) -> EpochErrors:
        """Of a training without held-out rows: no network beside a linear part."""
        errors = cls(lambda weights: {1.0: np.zeros(1)}, None)
        epoch = 0 if has_skip else EPOCHS[0]
        errors._by_epoch[epoch] = np.full(1, np.nan)
        errors._shares[EPOCHS[0]] = 1.0
        return errors

    @property
    def mean(self) -> dict[int, float]:
        """Mean error by the number of epochs, at the best share."""
        return {epoch: float(e.mean()) for epoch, e in self._by_epoch.items()}

    @property
    def best(self) -> int:
        """The number of epochs of the least mean error.

        It is 0 unless the network improves on the linear part by more than the standard
        error of the improvement, so that chance alone seldom adds a network.
        """
        mean = self.mean
        best = min(mean, key=lambda epoch: mean[epoch])
        if best and 0 in mean:
            return best if is_gain(self._by_epoch[0] - self._by_epoch[best]) else 0
        return best

    @property
    def share(self) -> float:
        """How much of the network's output is added after the best number of epochs."""
        return self._shares[self.best]

    def __call__(self, epoch: int, weights) -> bool:
        """Look after an epoch; whether training goes on."""
        if epoch in EPOCHS:
            by_share = self._errors(weights)
            best_share = min(by_share, key=lambda share: by_share[share].mean())
            self._by_epoch[epoch] = by_share[best_share]
            self._shares[epoch] = best_share
        mean = self.mean
        looks = list(mean)
        best = min(looks, key=lambda look: mean[look])
        return len(looks) - 1 - looks.index(best) < self.PATIENCE

    @property
    def text(self) -> str:
        """What was found, in a line."""
        shown = ", ".join(f"{n}: {e:.4g}" for n, e in self.mean.items())
        return (
            f"Error on held-out rows by epochs: {shown}. Best: {self.best}, with"
            f" {self.share:.0%} of the network's output."
        )
