"""Parity: ``fit`` equals a plain Keras loop in losses, weights and predictions.

The oracle (``helpers.keras_loop``) trains ``keras.layers.LSTM(stateful=True)`` with
``model.fit(epochs=1, shuffle=False)`` and state resets, over windows cut by hand,
from the weights the estimator started from. The oracle is itself held against a NumPy
LSTM here, so that the two second opinions agree with each other.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers import (
    PARITY,
    ROUNDING,
    Loop,
    NaiveLSTM,
    assert_close,
    assert_same_weights,
    keras_forward,
    keras_loop,
    keras_lstm,
    make_rows,
    outputs_of,
    weight_change,
    windows_by_hand,
)

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

N_FEATURES, EPOCHS, N_NEW = 2, 3, 9

TASKS = {  # task: (n_outputs, activation of the head, loss)
    "regression": (1, "linear", "mean_squared_error"),
    "two outputs": (2, "linear", "mean_squared_error"),
    "binary": (1, "sigmoid", "binary_crossentropy"),
    "three classes": (3, "softmax", "sparse_categorical_crossentropy"),
}

GEOMETRIES = list(itertools.product([(4,), (4, 3)], [1, 3, 7], [1, 5]))
MODES = ["exact", "dropped", "left-filled", "stateless", "stateless short"]


def make_cases() -> list[dict[str, Any]]:
    """Return every geometry in every mode, target and optimizer going round.

    Both are the same for all modes of a geometry, so that its compiled programs are
    shared; over the geometries each target meets each number of layers, each optimizer
    and all modes, and sample weights come with every second mode of each target.
    """
    cases = []
    for g, (units, batch_size, sequence_length) in enumerate(GEOMETRIES):
        for m, mode in enumerate(MODES):
            if batch_size == 1 and mode not in ("exact", "stateless"):
                continue  # with one lane nothing is ever left over
            cases.append(
                {
                    "units": units,
                    "batch_size": batch_size,
                    "sequence_length": sequence_length,
                    "mode": mode,
                    "task": list(TASKS)[g % 4],
                    "weighted": (g // 4 + m) % 2 == 0,
                    "optimizer": ["adam", "sgd"][(g // 4 + g) % 2],
                }
            )
    return cases


CASES = make_cases()

# Learning rates at which three epochs move the weights by far more than the tolerance.
OPTIMIZERS = {
    "adam": {"class_name": "Adam", "config": {"learning_rate": 0.01}},
    "sgd": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
}


class Data(NamedTuple):
    """Training rows, targets as the user and as Keras has them, weights, new rows."""

    X: np.ndarray
    y: np.ndarray
    y_encoded: np.ndarray
    sample_weight: np.ndarray
    X_new: np.ndarray


def make_data(task: str, n_rows: int) -> Data:
    """Return rows with a target that depends on the past of the series."""
    X = make_rows(n_rows, N_FEATURES, seed=7)
    signal = np.cumsum(X[:, 0]) + X[:, 1]
    y: np.ndarray
    if task == "regression":
        y = encoded = np.sin(signal)
    elif task == "two outputs":
        y = encoded = np.column_stack([np.sin(signal), np.cos(signal)])
    elif task == "binary":
        encoded = (np.arange(n_rows) + (signal > 0)) % 2
        y = np.array(["no", "yes"])[encoded]
    else:
        encoded = (np.arange(n_rows) + (signal > 0)) % 3
        y = np.array([30, 10, 20])[encoded]
        encoded = np.searchsorted([10, 20, 30], y)
    weight = np.random.default_rng(3).uniform(0.2, 2.0, size=n_rows)
    weight[::4] = 0.0  # a row of zero weight still moves the state
    return Data(X, y, encoded, weight, make_rows(N_NEW, N_FEATURES, seed=8))


def n_windows_for(mode: str, batch_size: int) -> int:
    """Return a number of windows with the remainder that ``mode`` is about."""
    full = {1: 5, 3: 9, 7: 14}[batch_size]
    return full if mode in ("exact", "stateless") else full + (batch_size + 1) // 2


def assert_parity(estimator: Any, loop: Loop, data: Data) -> None:
    """Compare losses, weights and predictions, and see that weights moved."""
    # Otherwise a fit that does nothing would pass.
    assert (
        weight_change(estimator.initial_weights_, loop.weights) > 1000 * PARITY["atol"]
    )
    assert_close(estimator.history_["loss"], loop.losses, what="loss", **PARITY)
    assert_same_weights(estimator.get_weights(), loop.weights, **PARITY)
    assert_close(
        outputs_of(estimator, data.X_new), loop.out_of_sample, what="new rows", **PARITY
    )
    in_sample = outputs_of(estimator, data.X)
    # Rows whose window was dropped have no Keras counterpart.
    kept = in_sample[len(in_sample) - len(loop.in_sample) :]
    assert_close(kept, loop.in_sample, what="training rows", **PARITY)


def case_id(case: dict[str, Any]) -> str:
    """Name a case for pytest."""
    return "-".join(
        [
            f"{len(case['units'])}layer",
            f"B{case['batch_size']}",
            f"T{case['sequence_length']}",
            case["mode"].replace(" ", "_"),
            case["task"].replace(" ", "_"),
            "weighted" if case["weighted"] else "even",
            case["optimizer"],
        ]
    )


# --------------------------------------------------------------------------------------
# The oracles agree with each other
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stateful", [True, False])
@pytest.mark.parametrize("n_empty", [0, 2])
@pytest.mark.parametrize("units, activation", [((4,), "linear"), ((4, 3), "softmax")])
def test_oracles_agree_on_the_forward_pass(units, activation, n_empty, stateful):
    """Keras and the NumPy LSTM give the same outputs, lanes and states."""
    B, T = 3, 4
    model = keras_lstm(
        units,
        2,
        activation,
        batch_size=B,
        sequence_length=T,
        n_features=N_FEATURES,
        stateful=stateful,
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    X = make_rows(T - 1 + 3 * B - n_empty + 2 * (n_empty == 0), N_FEATURES, seed=1)
    naive = NaiveLSTM(
        model.get_weights(),
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        head=activation,
    )
    naive.position = n_empty
    windows = windows_by_hand(X, T)
    expected = naive.step(windows)
    actual = keras_forward(model, windows.astype(np.float32), B, n_empty)
    assert_close(actual, expected, **ROUNDING)


def test_carried_state_is_visible_in_the_oracle():
    """The outputs of the two modes differ by far more than any tolerance here."""
    rng = np.random.default_rng(0)
    shapes = [(2, 16), (4, 16), (16,), (4, 1), (1,)]
    weights = [rng.normal(size=s) for s in shapes]
    X = make_rows(12, 2, seed=0)
    stateful, stateless = (
        NaiveLSTM(weights, sequence_length=2, batch_size=3, stateful=s).predict(X)
        for s in (True, False)
    )
    assert_close(stateful[:4], stateless[:4])  # one short row, then the first batch
    assert np.min(np.abs(stateful[4:] - stateless[4:])) > 100 * ROUNDING["atol"]


def lstm_loop(units, n_outputs, activation, X, y, **settings) -> Loop:
    """Run the Keras loop on LSTM layers and a dense head."""

    def build(batch_size):
        return keras_lstm(
            units,
            n_outputs,
            activation,
            batch_size=batch_size,
            sequence_length=settings["sequence_length"],
            n_features=X.shape[1],
            stateful=settings.get("stateful", True),
        )

    return keras_loop(build, X, y, **settings)


@pytest.mark.parametrize("mode", ["dropped", "left-filled", "stateless short"])
def test_loop_reports_the_weighted_mean_loss_of_the_forward_pass(mode):
    """With a learning rate of zero, the epoch's loss is that of the NumPy LSTM."""
    B, T, stateful = 3, 2, mode != "stateless short"
    X, weight = make_rows(9, 2, seed=5), np.arange(9) % 4 / 2
    rng = np.random.default_rng(0)
    shapes = [(2, 16), (4, 16), (16,), (4, 1), (1,)]
    weights = [rng.normal(size=s).astype(np.float32) for s in shapes]
    loop = lstm_loop(
        (4,),
        1,
        "linear",
        X,
        X[:, 0],
        initial_weights=weights,
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        drop_remainder=mode == "dropped",
        sample_weight=weight,
        epochs=2,
        optimizer={"class_name": "SGD", "config": {"learning_rate": 0.0}},
        loss="mean_squared_error",
    )
    naive = NaiveLSTM(weights, sequence_length=T, batch_size=B, stateful=stateful)
    out = naive.seed(X, drop_remainder=mode == "dropped")
    n = len(out)
    assert n == (6 if mode == "dropped" else 8)
    expected = np.mean(weight[-n:] * (out[:, 0] - X[-n:, 0]) ** 2)
    assert_close(loop.losses, [expected, expected], what="loss", **ROUNDING)
    assert_close(loop.in_sample, out, what="training rows", **ROUNDING)


def test_left_filled_batch_trains_as_a_short_batch():
    """From zero state, two windows in three lanes are a batch of two windows."""
    X = make_rows(3, 2, seed=5)
    build = functools.partial(
        keras_lstm, (4,), 1, "linear", sequence_length=2, n_features=2, stateful=True
    )
    settings = {
        "initial_weights": build(batch_size=3).get_weights(),
        "sequence_length": 2,
        "batch_size": 3,
        "drop_remainder": False,
        "epochs": 3,
        "optimizer": OPTIMIZERS["sgd"],
        "loss": "mean_squared_error",
    }
    filled, short = (
        lstm_loop((4,), 1, "linear", X, X[:, 0], stateful=stateful, **settings)
        for stateful in (True, False)
    )
    assert weight_change(settings["initial_weights"], short.weights) > 0.01
    assert_close(filled.losses, short.losses, **PARITY)
    assert_same_weights(filled.weights, short.weights, **PARITY)


# --------------------------------------------------------------------------------------
# The estimators agree with Keras
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_fit_equals_the_keras_loop(case):
    """Epoch losses, final weights and predictions are those of the plain loop."""
    task, B, T = case["task"], case["batch_size"], case["sequence_length"]
    n_windows = n_windows_for(case["mode"], B)
    data = make_data(task, n_windows + T - 1)
    n_outputs, activation, loss = TASKS[task]
    optimizer = OPTIMIZERS[case["optimizer"]]
    stateful = not case["mode"].startswith("stateless")
    drop_remainder = case["mode"] != "left-filled"
    sample_weight = data.sample_weight if case["weighted"] else None
    kind = StatefulLSTMRegressor if data.y.dtype.kind == "f" else StatefulLSTMClassifier
    estimator = kind(
        case["units"],
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        shuffle=False,
        drop_remainder=drop_remainder,
        epochs=EPOCHS,
        optimizer=case["optimizer"],
        optimizer__learning_rate=optimizer["config"]["learning_rate"],
        random_state=11,
    ).fit(data.X, data.y, sample_weight=sample_weight)

    loop = lstm_loop(
        case["units"],
        n_outputs,
        activation,
        data.X,
        data.y_encoded,
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=EPOCHS,
        optimizer=optimizer,
        loss=loss,
        stateful=stateful,
        drop_remainder=drop_remainder,
        sample_weight=sample_weight,
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)
    n_dropped = n_windows % B if case["mode"] == "dropped" else 0
    assert estimator.n_dropped_rows_ == n_dropped
    assert estimator.n_windows_ == n_windows - n_dropped == len(loop.in_sample)


def test_class_weight_equals_the_sample_weights_it_stands_for():
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


@pytest.mark.parametrize("stateful", [True, False])
def test_validation_loss_equals_the_keras_loop(stateful):
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
    ("Adam", {"learning_rate": 0.05}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.5}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.95, "epsilon": 0.1}),
    ("Adam", {"learning_rate": 0.01, "clipnorm": 0.02, "epsilon": 0.1}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": schedule}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 1.0}),
    ("SGD", {"learning_rate": 0.1}),
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
    [(n, c, ["routed", "instance"][i % 2]) for i, (n, c) in enumerate(SETTINGS)],
    ids=[f"{n}-{'-'.join(c)}" for n, c in SETTINGS],
)
def test_optimizer_settings_take_effect(name, config, form):
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


def test_loss_settings_take_effect():
    """Another loss, or another number in the same loss, trains another network."""
    import keras

    losses = [
        "mean_squared_error",
        "mean_absolute_error",
        "huber",
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


def inputs_of(meta: dict[str, Any]) -> Any:
    """Return the input that a model for ``meta`` begins with."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Input(batch_shape=shape)


def gru_graph(meta: dict[str, Any]) -> Any:
    """Return a functional graph: a GRU beside the window's mean."""
    import keras

    inputs = inputs_of(meta)
    gru = keras.layers.GRU(4, stateful=meta["stateful"])(inputs)
    mean = keras.layers.GlobalAveragePooling1D()(inputs)
    both = keras.layers.Concatenate()([gru, mean])
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(both))


def penalised(meta: dict[str, Any], strength: float = 0.01) -> Any:
    """Return an LSTM whose weights are part of the loss and bounded."""
    import keras

    inputs = inputs_of(meta)
    lstm = keras.layers.LSTM(
        4,
        stateful=meta["stateful"],
        kernel_regularizer=keras.regularizers.L2(strength),
        recurrent_constraint=keras.constraints.MaxNorm(0.5),
    )(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(lstm))


def unusual_lstm(meta: dict[str, Any]) -> Any:
    """Return an LSTM of other activations, without bias, read backwards."""
    import keras

    inputs = inputs_of(meta)
    lstm = keras.layers.LSTM(
        4,
        activation="relu",
        recurrent_activation="hard_sigmoid",
        use_bias=False,
        go_backwards=True,
        stateful=meta["stateful"],
    )(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(lstm))


def half_frozen(meta: dict[str, Any]) -> Any:
    """Return a network with a layer that is not trained, and one that normalises."""
    import keras

    model = keras.Sequential([inputs_of(meta)])
    model.add(keras.layers.Dense(3, trainable=False, activation="tanh"))
    model.add(
        keras.layers.SimpleRNN(4, stateful=meta["stateful"], return_sequences=True)
    )
    model.add(keras.layers.BatchNormalization(momentum=0.5))
    model.add(keras.layers.LSTM(3, stateful=meta["stateful"]))
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


def both_ways(meta: dict[str, Any]) -> Any:
    """Return a bidirectional layer, whose two halves each carry their state."""
    import keras

    model = keras.Sequential([inputs_of(meta)])
    model.add(
        keras.layers.Bidirectional(keras.layers.LSTM(3, stateful=meta["stateful"]))
    )
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


def normalised(meta):
    """A network with a layer whose answer for one lane depends on the others."""
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    model = keras.Sequential([keras.Input(batch_shape=shape)])
    model.add(keras.layers.LSTM(3, stateful=meta["stateful"]))
    model.add(keras.layers.BatchNormalization())
    model.add(keras.layers.Dense(meta["n_outputs_"]))
    return model


OWN_MODELS = [gru_graph, penalised, unusual_lstm, half_frozen, both_ways]


@pytest.mark.parametrize(
    "function, stateful, B, n_windows",
    [(f, stateful, 3, 9 + 2 * stateful) for f in OWN_MODELS for stateful in (0, 1)]
    + [(normalised, True, 3, 11), (normalised, False, 4, 10)],  # a short last batch
)
def test_own_model_equals_the_keras_loop(function, stateful, B, n_windows):
    """A model that the user built from ``meta`` trains as it does in Keras."""
    T, stateful = 4, bool(stateful)
    data = make_data("two outputs", n_windows + T - 1)
    estimator = StatefulLSTMRegressor(
        model=function,
        loss="mean_squared_error",
        sequence_length=T,
        batch_size=B,
        stateful=stateful,
        shuffle=False,
        epochs=EPOCHS,
        optimizer="adam",
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(data.X, data.y, sample_weight=data.sample_weight)

    def build(batch_size):
        return function(
            {
                "batch_size": batch_size,
                "sequence_length": T,
                "stateful": stateful,
                "n_features_in_": N_FEATURES,
                "n_outputs_": 2,
            }
        )

    loop = keras_loop(
        build,
        data.X,
        data.y_encoded,
        initial_weights=estimator.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=EPOCHS,
        optimizer=OPTIMIZERS["adam"],
        loss="mean_squared_error",
        stateful=stateful,
        sample_weight=data.sample_weight,
        new_rows=data.X_new,
    )
    assert_parity(estimator, loop, data)


def test_routed_parameters_reach_the_own_model():
    """A number in the model's function is not mistaken for another's program."""
    data = make_data("regression", 12)
    fits = [
        StatefulLSTMRegressor(
            model=penalised,
            model__strength=strength,
            loss="mean_squared_error",
            sequence_length=2,
            batch_size=3,
            epochs=1,
            random_state=0,
        ).fit(data.X, data.y)
        for strength in (0.0, 0.1, 1.0)
    ]
    losses = [estimator.history_["loss"][0] for estimator in fits]
    kernel = fits[0].initial_weights_[0]
    assert fits[1].initial_weights_[0].tolist() == kernel.tolist()
    # The penalty shrinks a little over the three batches of the epoch.
    ratio = (losses[2] - losses[0]) / (losses[1] - losses[0])
    assert losses[1] - losses[0] == pytest.approx(0.1 * np.sum(kernel**2), rel=0.05)
    assert ratio == pytest.approx(10.0, rel=0.05)
