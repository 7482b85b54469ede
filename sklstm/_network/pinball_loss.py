"""The loss of quantiles."""

from __future__ import annotations

import numpy as np

from sklstm._tensorflow import keras, tf


class PinballLoss(keras.losses.Loss):
    r"""The mean pinball loss of some quantiles of each target.

    Of a quantile :math:`q` at level :math:`\tau` it is
    :math:`\max(\tau (y - q), (\tau - 1) (y - q))`, whose mean is least where a share
    of :math:`\tau` of the targets lies below :math:`q` [1]_.

    Parameters
    ----------
    quantiles : sequence of float
        Levels between 0 and 1. Outputs hold those of the first target, one behind the
        other, then those of the next; targets are repeated accordingly.

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
    """

    def __init__(
        self,
        quantiles,
        reduction="sum_over_batch_size",
        name="pinball_loss",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles = tuple(map(float, quantiles))

    def call(self, y_true, y_pred):
        """The loss of each target, the mean over its outputs."""
        y_pred = tf.convert_to_tensor(y_pred)
        left = tf.cast(y_true, y_pred.dtype) - y_pred
        levels = tf.constant(self._levels(tuple(y_pred.shape)), y_pred.dtype)
        return tf.reduce_mean(tf.maximum(levels * left, (levels - 1) * left), axis=-1)

    def _levels(self, shape: tuple) -> np.ndarray:
        """The level of each output; where outputs are apart (`batch_loss`), in rows."""
        n = len(self.quantiles)
        is_apart = n > 1 and shape[-1] == 1
        n_outputs = shape[-2] if is_apart else shape[-1]
        levels = np.tile(self.quantiles, n_outputs // n)
        return levels[:, np.newaxis] if is_apart else levels

    def get_config(self):
        """What a copy is made with."""
        return {**super().get_config(), "quantiles": self.quantiles}
