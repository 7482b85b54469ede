"""Encoders written down from their definition: plain loops in float64, row by row.

The oracle of `scale` and `linear_skip` takes the numbers that a fit has found (scales,
linear map, weights) and makes of a row what the network is given, and of the network's
output an answer. It looks back at all rows of a run, kept in a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers import HEADS, NaiveLSTM


def encoder_of(estimator: Any) -> Any:
    """Return the numbers between the user's rows and the network."""
    return estimator._fitted.encoder


def entry_of(estimator: Any, name: Any = None) -> int:
    """Return which entry of the scales serves a series; the last one strangers."""
    series = encoder_of(estimator).series
    if series is None:
        return 0
    return list(series).index(name) if name in list(series) else -1


def scaled_run(encoder: Any, run: np.ndarray, entry: int) -> np.ndarray:
    """The rows of a run in deviations from their series' mean."""
    run = np.asarray(run, np.float64)
    if encoder.x_scale is None:
        return run
    return (run - encoder.x_scale.mean[entry]) / encoder.x_scale.deviation[entry]


def linear_forecast(encoder: Any, z: np.ndarray, i: int) -> np.ndarray:
    """The linear map at row i of a run of scaled rows."""
    made = np.array(encoder.skip.intercept, np.float64)
    for lag, weights in zip(encoder.skip.lags, encoder.skip.weights, strict=True):
        for column, slopes in enumerate(weights):
            made = made + z[max(i - lag, 0), column] * slopes
    return made


def inputs_by_hand(estimator: Any, run: np.ndarray, entry: int = 0) -> np.ndarray:
    """What the network is given of the rows of one run, from its beginning."""
    encoder = encoder_of(estimator)
    z = scaled_run(encoder, run, entry)
    if encoder.skip is None:
        return np.clip(z, -6, 6)
    inputs = []
    for i, row in enumerate(z):
        before = max(i - 1, 0)
        forecast = linear_forecast(encoder, z, i)
        outlook = forecast - linear_forecast(encoder, z, before)
        for output, column in enumerate(encoder.ties):
            if column >= 0:
                outlook[output] = forecast[output] - row[column]
        seen = np.concatenate([row, row - z[before], outlook])
        seen = (seen - encoder.shown.mean[0]) / encoder.shown.deviation[0]
        skip = forecast / encoder.residual
        inputs.append(np.concatenate([np.clip(seen, -6, 6), skip]))
    return np.array(inputs)


def in_units_of_y(estimator: Any, outputs: np.ndarray, entry: int = 0) -> np.ndarray:
    """Answers of the network in the units of y; probabilities as they are."""
    encoder = encoder_of(estimator)
    if hasattr(estimator, "classes_"):
        return outputs
    outputs = outputs * encoder.residual
    if encoder.y_scale is None:
        return outputs
    scale = encoder.y_scale
    return outputs * scale.deviation[entry] + scale.mean[entry]


def head_of(estimator: Any) -> str:
    """Return the activation of the output."""
    if not hasattr(estimator, "classes_"):
        return "linear"
    return "sigmoid" if len(estimator.classes_) == 2 else "softmax"


def answers_by_hand(
    estimator: Any, values: np.ndarray, begins: np.ndarray, entry: int = 0
) -> np.ndarray:
    """Answers of shape (n_rows, n_outputs) for one series from its beginning.

    A run begins where `begins` says so. Without a carried state the network is reset
    every `sequence_length` rows of a run, while the encoder looks back beyond that.
    """
    network = NaiveLSTM(estimator.get_weights(), sequence_length=1, batch_size=1)
    activation = HEADS[head_of(estimator)]
    n_skip = 0 if encoder_of(estimator).skip is None else estimator.n_outputs_
    starts = np.flatnonzero(np.r_[True, begins[1:]])
    made = []
    for run in np.split(np.asarray(values), starts[1:]):
        network.reset()
        for i, row in enumerate(inputs_by_hand(estimator, run, entry)):
            if not estimator.stateful and i % estimator.sequence_length_ == 0:
                network.reset()
            read, skip = np.split(row, [len(row) - n_skip])
            output = network.take(read)
            made.append(activation(output + skip if n_skip else output))
    return in_units_of_y(estimator, np.array(made), entry)
