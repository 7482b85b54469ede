"""Targets: the user's y as numbers for the network, and its outputs as predictions.

`ContinuousTarget` is a regressor's target, `QuantileTarget` one whose quantiles are
predicted, `ClassTarget` a classifier's. Each also says which head the network needs
(its width and activation) and which loss fits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklstm._network.losses import is_pinball, loss_name


@dataclass(frozen=True, eq=False)
class ContinuousTarget:
    """One or several numbers for each row.

    Parameters
    ----------
    n_outputs : int
    is_1d : bool
        Whether y, and predictions with it, have shape (n_rows,).
    dtype : dtype
        Dtype of predictions: the target's own if it was floating, else float64.
    """

    n_outputs: int
    is_1d: bool
    dtype: np.dtype

    activation = "linear"
    n_quantiles = 1  # outputs of the network for each number

    @property
    def width(self) -> int:
        """Width of the head."""
        return self.n_outputs * self.n_quantiles

    @property
    def meta(self) -> dict[str, Any]:
        """What a model function is told about the target."""
        return {"n_outputs_": self.width}

    def default_loss(self, n_outputs: int) -> str:
        """Mean squared error."""
        return "mse"

    def why_not_a_row(self, n_features: int) -> str:
        """Why a prediction cannot be the next row of X; an empty string if it can."""
        if self.n_outputs == n_features:
            return ""
        return f"it has {self.n_outputs} value(s), a row has {n_features} feature(s)"

    @classmethod
    def of(cls, y: np.ndarray) -> ContinuousTarget:
        """The target for a y of shape (n,) or (n, n_outputs)."""
        dtype = y.dtype if y.dtype.kind == "f" else np.dtype(np.float64)
        return cls(1 if y.ndim == 1 else y.shape[1], y.ndim == 1, dtype)

    def encode(self, y: np.ndarray, n_outputs: int, loss: Any) -> np.ndarray:
        """Network targets of shape (n, n_outputs)."""
        if n_outputs != self.width:
            raise ValueError(
                f"The model gives {n_outputs} output(s) for each window, but y has"
                f" {self._needs}. Give its last layer meta['n_outputs_'] units."
            )
        with np.errstate(over="ignore"):  # overflow gives infinity, refused below
            columns = np.asarray(y, np.float32).reshape(len(y), -1)
        if not np.isfinite(columns).all():
            raise ValueError(
                "y contains a value too large for float32, in which the network is"
                " trained. Scale y, for example with TransformedTargetRegressor."
            )
        if columns.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has {columns.shape[1]} output(s) for each row, but the estimator"
                f" was fitted on {self.n_outputs}."
            )
        return columns

    def decode(self, outputs: np.ndarray, loss: Any) -> np.ndarray:
        """Predictions in the shape of y."""
        predictions = outputs.astype(self.dtype)
        return predictions[:, 0] if self.is_1d else predictions

    def output_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the network's outputs, from those of rows or of numbers."""
        return weights

    @property
    def _needs(self) -> str:
        """How many outputs it takes, in words."""
        return str(self.n_outputs)


@dataclass(frozen=True, eq=False)
class QuantileTarget(ContinuousTarget):
    """One or several numbers for each row, of which quantiles are predicted.

    The network's outputs are those quantiles: all of the first number in ascending
    order of their levels, then those of the next.

    Parameters
    ----------
    n_outputs, is_1d, dtype
        As of `ContinuousTarget`.
    quantiles : tuple of float
        Levels in ascending order, 0.5 among them.
    """

    quantiles: tuple[float, ...]

    @property
    def n_quantiles(self) -> int:  # type: ignore[override]
        """Outputs of the network for each number."""
        return len(self.quantiles)

    @classmethod
    def with_levels(cls, y: np.ndarray, quantiles: tuple[float, ...]) -> QuantileTarget:
        """The target for a y of shape (n,) or (n, n_outputs)."""
        plain = ContinuousTarget.of(y)
        return cls(plain.n_outputs, plain.is_1d, plain.dtype, quantiles)

    def encode(self, y: np.ndarray, n_outputs: int, loss: Any) -> np.ndarray:
        """Network targets of shape (n, width), each number once for each quantile."""
        if not is_pinball(loss):
            raise ValueError(
                "loss='quantile' trains a network to predict quantiles, but the model"
                f" function returned a model compiled with the loss {loss_name(loss)}."
                " Return it without compiling it, or set loss=None."
            )
        columns = super().encode(y, n_outputs, loss)
        return np.repeat(columns, self.n_quantiles, axis=1)

    def decode(self, outputs: np.ndarray, loss: Any) -> np.ndarray:
        """The medians in the shape of y."""
        return self.by_level(outputs)[..., self.quantiles.index(0.5)]

    def by_level(self, outputs: np.ndarray) -> np.ndarray:
        """Quantiles of shape (n, n_quantiles) or (n, n_outputs, n_quantiles).

        Outputs that cross are put in order. This never raises the sum of their pinball
        losses, nor their distance from the true quantiles (V. Chernozhukov,
        I. Fernández-Val and A. Galichon, "Quantile and probability curves without
        crossing", Econometrica 78(3), 2010).
        """
        shape = (len(outputs), self.n_outputs, self.n_quantiles)
        made = np.sort(outputs.astype(self.dtype).reshape(shape), axis=-1)
        return made[:, 0] if self.is_1d else made

    def output_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the network's outputs, from those of rows or of numbers."""
        if weights.ndim == 1:
            return weights
        return np.repeat(weights, self.n_quantiles, axis=1)

    @property
    def _needs(self) -> str:
        return f"{self.n_outputs} with {self.n_quantiles} quantiles of each"


@dataclass(frozen=True, eq=False)
class ClassTarget:
    """One of several classes for each row.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    loss : object or None
        The loss that the user passed. A categorical loss needs one output for each
        class, even if there are only two classes.
    """

    classes: np.ndarray
    loss: Any = None

    n_quantiles = 1

    @property
    def width(self) -> int:
        """Width of the head."""
        return self.n_outputs

    def output_weights(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the network's outputs: those of rows."""
        return weights

    @property
    def n_outputs(self) -> int:
        """Width of the head: one output for two classes, else one for each."""
        named = "" if self.loss is None else loss_name(self.loss)
        return (
            1
            if len(self.classes) == 2 and "categorical" not in named
            else len(self.classes)
        )

    @property
    def activation(self) -> str:
        """Activation of the head, by its width and whether the loss takes logits."""
        if getattr(self.loss, "from_logits", False):
            return "linear"
        return "sigmoid" if self.n_outputs == 1 else "softmax"

    @property
    def meta(self) -> dict[str, Any]:
        """What a model function is told about the target."""
        return {
            "n_outputs_": self.n_outputs,
            "n_classes_": len(self.classes),
            "classes_": self.classes,
        }

    def default_loss(self, n_outputs: int) -> str:
        """The cross-entropy that fits a head of that width."""
        if n_outputs == 1:
            return "binary_crossentropy"
        return "sparse_categorical_crossentropy"

    def why_not_a_row(self, n_features: int) -> str:
        """Why a label cannot be the next row of X; an empty string if it can."""
        if self.classes.dtype.kind not in "biuf":
            return "labels are not numbers"
        return (
            ""
            if n_features == 1
            else f"it is one label, a row has {n_features} features"
        )

    def encode(self, y: np.ndarray, n_outputs: int, loss: Any) -> np.ndarray:
        """Class indices of shape (n, 1), or one-hot rows if the loss needs them."""
        n_classes = len(self.classes)
        if n_outputs != n_classes and (n_outputs, n_classes) != (1, 2):
            raise ValueError(
                f"The model gives {n_outputs} output(s) for each window, but y has"
                f" {n_classes} classes. Build its last layer with meta['n_outputs_']"
                " units."
            )
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"y holds the label(s) {unknown.tolist()}, which are not among the"
                f" classes {self.classes.tolist()}. Pass all labels there will be as"
                " classes= in the first call of partial_fit."
            )
        indices = np.searchsorted(self.classes, y)
        if n_outputs > 1 and "sparse" not in loss_name(loss):
            return np.eye(n_classes, dtype=np.float32)[indices]
        return indices.astype(np.float32)[:, np.newaxis]

    def decode(self, outputs: np.ndarray, loss: Any) -> np.ndarray:
        """The most probable label for each row."""
        return self.classes[self.probabilities(outputs, loss).argmax(axis=1)]

    def probabilities(self, outputs: np.ndarray, loss: Any) -> np.ndarray:
        """Class probabilities of shape (n, n_classes), rows summing to one."""
        from_logits = getattr(loss, "from_logits", False)
        outputs = outputs.astype(np.float64)
        if outputs.shape[1] == 1:
            positive = 1 / (1 + np.exp(-outputs)) if from_logits else outputs
            return np.hstack([1 - positive, positive])
        if from_logits:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return outputs / outputs.sum(axis=1, keepdims=True)
