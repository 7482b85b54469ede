"""Parity of optimizer settings, loss settings and held-out rows with Keras."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import (
    PARITY,
    Loop,
    assert_close,
    assert_same_weights,
    first_ordinary,
)
from parity_cases import EPOCHS, OPTIMIZERS, assert_parity, lstm_loop, make_data
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor


@pytest.mark.thorough
def test_fit_class_weight_equals_keras_loop_with_sample_weight():
    """A dict of class weights is one more weight on every row."""
    data = make_data("three classes", 3 * 4 + 2)
    class_weight = {10: 0.5, 20: 2.0, 30: 1.0}
    estimator = StatefulLSTMClassifier(
        (4,),
        sequence_length=2,
        batch_size=3,
        class_weight=class_weight,
        epochs=EPOCHS,
        optimizer="adam",
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(data.X, data.y, sample_weight=data.sample_weight)
    loop = lstm_loop(
        (4,),
        3,
        "softmax",
        data.X,
        data.y_encoded,
        initial_weights=estimator.initial_weights_,
        sequence_length=2,
        batch_size=3,
        epochs=EPOCHS,
        optimizer=OPTIMIZERS["adam"],
        loss="sparse_categorical_crossentropy",
        sample_weight=data.sample_weight * [class_weight[label] for label in data.y],
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)


@pytest.mark.parametrize("stateful", first_ordinary(1, [True, False]))
def test_fit_validation_loss_equals_keras_loop(stateful):
    """The last rows are evaluated after each epoch, from the state it ended in."""
    B, T, n_train, n_val = 3, 2, 15, 5  # 14 training windows: two are dropped
    data = make_data("regression", n_train + n_val)
    estimator = StatefulLSTMRegressor(
        (4,),
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        shuffle=False,
        epochs=EPOCHS,
        optimizer="adam",
        optimizer__learning_rate=0.01,
        validation_split=n_val / (n_train + n_val),
        random_state=0,
    ).fit(data.X, data.y)
    loop = lstm_loop(
        (4,),
        1,
        "linear",
        data.X[:n_train],
        data.y[:n_train],
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        epochs=EPOCHS,
        optimizer=OPTIMIZERS["adam"],
        loss="mean_squared_error",
        validation=(data.X[n_train:], data.y[n_train:]),
    )
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_close(estimator.history_["val_loss"], loop.val_losses, **PARITY)
    assert_same_weights(estimator.get_weights(), loop.weights, **PARITY)


def schedule() -> Any:
    """Return a learning rate that falls to a fifth every four batches."""
    import keras

    return keras.optimizers.schedules.ExponentialDecay(0.05, 4, 0.2)


# Networks of one geometry share compiled programs: each of these settings must take
# effect all the same, also where only a number differs from the one before.
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.5}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.95, "epsilon": 0.1}),
    ("Adam", {"learning_rate": 0.01, "clipnorm": 0.02, "epsilon": 0.1}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": schedule}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 1.0}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.5}),
]


def assert_small_parity(loop_optimizer: Any, loop_loss: Any, **parameters: Any) -> Loop:
    """Fit one small network as asked, and the Keras loop; compare."""
    data = make_data("regression", 3 * 3 + 1)
    estimator = StatefulLSTMRegressor(
        (4,),
        sequence_length=2,
        batch_size=3,
        epochs=EPOCHS,
        random_state=0,
        **parameters,
    ).fit(data.X, data.y)
    loop = lstm_loop(
        (4,),
        1,
        "linear",
        data.X,
        data.y_encoded,
        initial_weights=estimator.initial_weights_,
        sequence_length=2,
        batch_size=3,
        epochs=EPOCHS,
        optimizer=loop_optimizer,
        loss=loop_loss,
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)
    return loop


@pytest.mark.parametrize(
    "name, config, form",
    first_ordinary(
        1, [(n, c, ["routed", "instance"][i % 2]) for i, (n, c) in enumerate(SETTINGS)]
    ),
    ids=[f"{n}-{'-'.join(c)}" for n, c in SETTINGS],
)
def test_fit_optimizer_settings_equal_keras_loop(name, config, form):
    """Routed to a name or set on an instance, each number is the optimizer's."""
    import keras

    config = {k: v() if callable(v) else v for k, v in config.items()}
    if form == "routed":
        parameters = {f"optimizer__{k}": v for k, v in config.items()}
        parameters["optimizer"] = name
    else:
        parameters = {"optimizer": getattr(keras.optimizers, name)(**config)}
    optimizer = getattr(keras.optimizers, name)(**config)
    assert_small_parity(optimizer, "mean_squared_error", **parameters)


@pytest.mark.thorough
def test_fit_loss_settings_equal_keras_loop():
    """Another loss, or another number in the same loss, trains another network."""
    import keras

    losses = [
        "mean_squared_error",
        "mean_absolute_error",
        keras.losses.Huber(delta=0.1),
        keras.losses.Huber(delta=0.5),
    ]
    seen = [
        assert_small_parity(
            OPTIMIZERS["sgd"],
            loss,
            loss=loss,
            optimizer="sgd",
            optimizer__learning_rate=0.1,
        ).losses[0]
        for loss in losses
    ]
    assert len({round(loss, 6) for loss in seen}) == len(losses)
