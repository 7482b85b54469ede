"""`model=` a function: the user's own Keras model, held against plain Keras.

Every graph here is built by a function of ``meta``, as users write them; the oracle is
the loop of Keras's own ``fit`` over the same function's model.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    keras_loop,
    make_rows,
    weight_change,
    windows_by_hand,
)
from sklearn.base import clone

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm._network.architecture import sharing_key

T, B, K = 2, 3, 5
N, N_NEW = T - 1 + B * K, 7
X = make_rows(N + N_NEW, 2, seed=1)
y = X[:, 0] - 0.5 * X[:, 1] + 0.1 * make_rows(N + N_NEW, 1, seed=2)[:, 0]
LABELS = np.array(["high", "low", "mid"])[np.digitize(y, [-0.5, 0.5])]
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
layers = keras.layers
MASK_IS_LOST = pytest.mark.filterwarnings("ignore:Layer .* does not support mask")


def regressor(model: Callable | None, **parameters: Any) -> StatefulLSTMRegressor:
    """Return a regressor around a model function."""
    shared = {"sequence_length": T, "batch_size": B, "epochs": 2, "random_state": 0}
    fast = {"optimizer": "sgd", "optimizer__learning_rate": 0.1}
    return StatefulLSTMRegressor(model=model, **{**shared, **fast, **parameters})


def make_meta(batch_size: int | None, **others: Any) -> dict[str, Any]:
    """Return what a function is told about `X` and `y`."""
    return {
        "batch_size": batch_size,
        "sequence_length": T,
        "n_features_in_": 2,
        "n_outputs_": 1,
        "stateful": batch_size is not None,
        **others,
    }


def start(meta: dict[str, Any]) -> Any:
    """Return the input that `meta` describes."""
    return keras.Input(
        batch_shape=(
            meta["batch_size"],
            meta["sequence_length"],
            meta["n_features_in_"],
        )
    )


def gru(meta):
    """A functional graph: a GRU beside the last row of the window."""
    inputs = start(meta)
    last = layers.Cropping1D((meta["sequence_length"] - 1, 0))(inputs)
    both = layers.Concatenate()(
        [layers.GRU(2, stateful=meta["stateful"])(inputs), layers.Flatten()(last)]
    )
    return keras.Model(inputs, layers.Dense(meta["n_outputs_"])(both))


def simple_rnn(meta, units=2):
    """The oldest recurrent layer, whose state is one array."""
    return keras.Sequential(
        [
            start(meta),
            layers.SimpleRNN(units, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def two_lstms(meta, rate=0.0):
    """Two layers, and dropout between them."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(3, stateful=meta["stateful"], return_sequences=True),
            layers.Dropout(rate),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def mixed(meta):
    """Layers that are no plain LSTM: a convolution, a GRU, other activations."""
    return keras.Sequential(
        [
            start(meta),
            layers.Conv1D(3, 2, padding="causal", activation="relu"),
            layers.GRU(2, stateful=meta["stateful"], return_sequences=True),
            layers.LSTM(2, stateful=meta["stateful"], activation="relu"),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def normalised(meta):
    """Batch normalisation, whose moving averages are weights that no one trains."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.BatchNormalization(momentum=0.5),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def penalised(meta, on_outputs=False):
    """Penalties on weights and, where asked for, on what a layer puts out."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(
                2,
                stateful=meta["stateful"],
                kernel_regularizer=keras.regularizers.L2(0.1),
            ),
            layers.Dense(1, activity_regularizer="l2" if on_outputs else None),
        ]
    )


def bidirectional(meta):
    """Reads each window both ways, which needs no state."""
    return keras.Sequential(
        [
            start(meta),
            layers.Bidirectional(layers.LSTM(2)),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def frozen(meta):
    """An LSTM that is not trained, under a head that is."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"], trainable=False),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def open_length(meta):
    """An input that leaves the number of steps in a window open."""
    inputs = keras.Input(batch_shape=(meta["batch_size"], None, meta["n_features_in_"]))
    hidden = layers.LSTM(2, stateful=meta["stateful"])(inputs)
    return keras.Model(inputs, layers.Dense(meta["n_outputs_"])(hidden))


def own_mask(meta):
    """Makes a mask of its own, which the convolution loses: the user's own affair."""
    return keras.Sequential(
        [
            start(meta),
            layers.Masking(float(X[3, 0])),
            layers.Conv1D(3, 2, padding="causal"),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(meta["n_outputs_"]),
        ]
    )


def loop(build, estimator, **options):
    """Run Keras's loop from the weights that the estimator started from."""
    settings = {
        "optimizer": SGD,
        "loss": "mse",
        "new_rows": X[N:],
        "sequence_length": T,
        "batch_size": B,
        "epochs": 2,
        **options,
    }
    return keras_loop(
        lambda batch_size: build(make_meta(batch_size)),
        X[:N],
        y[:N],
        initial_weights=estimator.initial_weights_,
        **settings,
    )


# --------------------------------------------------------------------------------------
# Training and predicting as in Keras
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "stateful"),
    [
        (gru, True),
        (simple_rnn, True),
        (two_lstms, True),
        (mixed, True),
        (normalised, True),
        (frozen, True),
        (open_length, True),
        pytest.param(own_mask, True, marks=MASK_IS_LOST),
        (bidirectional, False),
        (two_lstms, False),
    ],
)
def test_trains_and_predicts_as_in_keras(model, stateful):
    estimator = regressor(model, stateful=stateful, shuffle=False)
    estimator.fit(X[:N], y[:N])
    expected = loop(model, estimator, stateful=stateful)
    assert_close(estimator.history_["loss"], expected.losses, **PARITY)
    assert_same_weights(estimator.get_weights(), expected.weights, **PARITY)
    assert weight_change(estimator.initial_weights_, expected.weights) > 1e-3
    predictions = estimator.predict(X[:N])[T - 1 :]
    assert_close(predictions, expected.in_sample[:, 0], **PARITY)
    predictions = estimator.predict(X[N:])
    assert_close(predictions, expected.out_of_sample[:, 0], **PARITY)


@pytest.mark.parametrize("on_outputs", [False, True])
@pytest.mark.parametrize("split", [0.0, N_NEW / (N + N_NEW)], ids=["all", "held out"])
def test_penalties_count_as_in_keras(on_outputs, split):
    """In the loss trained on, and in the validation loss."""
    rows = slice(None if split else N)
    estimator = regressor(
        penalised, model__on_outputs=on_outputs, validation_split=split, epochs=1
    ).fit(X[rows], y[rows])
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    model = penalised(make_meta(B), on_outputs)
    model.compile(keras.optimizers.get(SGD), "mse", jit_compile=False)
    model.set_weights(estimator.initial_weights_)
    past = model.fit(windows, y[T - 1 : N], batch_size=B, shuffle=False, verbose=0)
    assert_same_weights(estimator.get_weights(), model.get_weights(), **PARITY)
    assert_close(estimator.history_["loss"], past.history["loss"], **PARITY)
    penalty = 0.1 * np.sum(np.square(estimator.get_weights()[0]))
    assert penalty > 0.01
    if split:
        assert estimator.history_["val_loss"][0] > penalty


def test_dropout_acts_in_training_only():
    """Each epoch draws anew, from `random_state`; the weights here are frozen."""
    still = {"model__rate": 0.5, "optimizer__learning_rate": 0.0}
    estimator = regressor(two_lstms, **still).fit(X[:N], y[:N])
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :]
    losses = [*estimator.history_["loss"], np.mean(errors**2)]
    assert np.abs(np.subtract.outer(losses, losses))[np.triu_indices(3, 1)].min() > 1e-4
    again = clone(estimator).fit(X[:N], y[:N])
    assert again.history_ == estimator.history_
    np.testing.assert_array_equal(estimator.predict(X[N:]), again.predict(X[N:]))


def test_frozen_layers_stay_as_they_were():
    estimator = regressor(frozen).fit(X[:N], y[:N])
    before, after = estimator.initial_weights_, estimator.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sorted(changed) == [False, False, False, True, True]


def test_random_state_makes_the_initial_weights():
    one, same, two = (
        regressor(gru, random_state=seed, epochs=1).fit(X[:N], y[:N])
        for seed in (1, 1, 2)
    )
    assert_identical_weights(one.initial_weights_, same.initial_weights_)
    assert weight_change(one.initial_weights_, two.initial_weights_) > 1e-2


def test_state_methods_of_another_recurrent_layer():
    """A SimpleRNN has one state array; `step` in pieces is `predict` in one."""
    estimator = regressor(simple_rnn).fit(X[:N], y[:N])
    assert estimator.state_.shapes == (((B, 2),),)
    expected = estimator.predict(X[N:])
    pieces = [estimator.step(X[N : N + 4]), estimator.step(X[N + 4 :])]
    assert_close(np.concatenate(pieces), expected)
    seeded = estimator.reseed_states().state_
    estimator.reset_states().observe(X[:N])
    assert_close(estimator.state_.layers[0][0], seeded.layers[0][0])


@pytest.mark.parametrize(
    ("labels", "activation", "width"),
    [(LABELS, "softmax", 3), (LABELS == "low", "sigmoid", 1)],
)
def test_classifier_around_a_model_function(labels, activation, width):
    def model(meta):
        assert meta["n_outputs_"] == width
        return keras.Sequential(
            [
                start(meta),
                layers.GRU(2, stateful=meta["stateful"]),
                layers.Dense(meta["n_outputs_"], activation=activation),
            ]
        )

    estimator = StatefulLSTMClassifier(
        model=model, sequence_length=T, batch_size=B, epochs=1, random_state=0
    ).fit(X[:N], labels[:N])
    proba = estimator.predict_proba(X[N:])
    assert proba.shape == (N_NEW, len(np.unique(labels)))
    outputs = estimator.model_(windows_by_hand(X[N - T + 1 :], T)[:B].astype("float32"))
    first = np.asarray(outputs)
    expected = np.hstack([1 - first, first]) if width == 1 else first
    assert_close(proba[:B], expected)
    assert set(estimator.predict(X[N:])) <= set(labels)


# --------------------------------------------------------------------------------------
# What the function is given
# --------------------------------------------------------------------------------------


class Told(Exception):
    """Raised by a function that only wants to know what it is given."""


def tell(meta, units=None):
    raise Told(meta, units)


def what_is_told(estimator, X, y) -> tuple[dict[str, Any], Any]:
    """Return the `meta` and `units` that a fit gives to `tell`."""
    with pytest.raises(Told) as told:
        estimator.fit(X, y)
    return told.value.args


@pytest.mark.parametrize("stateful", [True, False])
def test_meta_of_a_regressor(stateful):
    estimator = regressor(tell, stateful=stateful)
    meta, _ = what_is_told(estimator, X, np.column_stack([y, y]))
    expected = {
        "n_features_in_": 2,
        "n_outputs_": 2,
        "sequence_length": T,
        "batch_size": B if stateful else None,
        "stateful": stateful,
    }
    assert expected.items() <= meta.items()


@pytest.mark.parametrize(
    ("labels", "n_outputs"), [(LABELS, 3), (LABELS == "low", 1)], ids=["three", "two"]
)
def test_meta_of_a_classifier(labels, n_outputs):
    meta, _ = what_is_told(StatefulLSTMClassifier(model=tell), X, labels)
    assert meta["n_outputs_"] == n_outputs
    assert meta["n_classes_"] == len(np.unique(labels))
    assert list(meta["classes_"]) == sorted(set(labels))


def test_meta_of_ready_made_windows():
    """The windows' own length counts, not the parameter."""
    windows = windows_by_hand(X, T + 1)
    meta, _ = what_is_told(regressor(tell, sequence_length=1), windows, y[T:])
    assert meta["sequence_length"] == T + 1


def test_routed_parameters_reach_the_function():
    estimator = regressor(tell, model__units=3)
    assert what_is_told(estimator, X, y)[1] == 3
    assert what_is_told(clone(estimator), X, y)[1] == 3
    estimator.set_params(model__units=4)
    assert what_is_told(estimator, X, y)[1] == 4


def test_routed_parameter_that_the_function_does_not_take():
    estimator = regressor(simple_rnn, model__unit=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'unit'"):
        estimator.fit(X[:N], y[:N])


def test_a_function_may_ask_for_what_to_compile_with():
    """scikeras's convention: `compile_kwargs` holds the estimator's choices."""
    seen = {}

    def model(meta, compile_kwargs):
        seen.update(compile_kwargs)
        model = simple_rnn(meta)
        model.compile(**compile_kwargs)
        return model

    estimator = regressor(model, loss="mae").fit(X[:N], y[:N])
    assert isinstance(seen["optimizer"], keras.optimizers.SGD)
    same = regressor(simple_rnn, loss="mae").fit(X[:N], y[:N])
    assert_identical_weights(estimator.get_weights(), same.get_weights())


@pytest.mark.parametrize("loss", ["mae", keras.losses.MeanAbsoluteError()])
def test_a_compiled_model_brings_its_own_optimizer_and_loss(loss):
    """Those of the estimator's parameters are passed over."""

    def model(meta):
        model = simple_rnn(meta)
        model.compile(keras.optimizers.SGD(0.1), loss, metrics=["mse"])
        return model

    own = regressor(model, optimizer="adam", optimizer__learning_rate=1e-5)
    own.fit(X[:N], y[:N])
    given = regressor(simple_rnn, loss="mae", metrics=["mse"]).fit(X[:N], y[:N])
    assert_identical_weights(own.get_weights(), given.get_weights())
    assert own.history_.keys() == given.history_.keys()
    for name, values in given.history_.items():
        assert_close(own.history_[name], values, what=name)


def absolute_error(y_true, y_pred):
    """A loss, and a metric, of the user's own."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def test_a_model_compiled_with_functions_of_the_users_own():
    def model(meta):
        model = simple_rnn(meta)
        model.compile("sgd", loss=absolute_error, metrics=[absolute_error])
        model.optimizer.learning_rate = 0.1
        return model

    own = regressor(model, optimizer="adam").fit(X[:N], y[:N])
    given = regressor(simple_rnn, loss="mae").fit(X[:N], y[:N])
    assert_same_weights(own.get_weights(), given.get_weights(), **PARITY)
    assert_close(own.history_["absolute_error"], own.history_["loss"])


# --------------------------------------------------------------------------------------
# What the function returns
# --------------------------------------------------------------------------------------


def two_outputs(meta):
    inputs = start(meta)
    state = layers.LSTM(2, stateful=meta["stateful"])(inputs)
    return keras.Model(inputs, [layers.Dense(1)(state), layers.Dense(1)(state)])


def fixed_batch(meta):
    return simple_rnn({**meta, "batch_size": B + 1})


def other_width(meta):
    return simple_rnn({**meta, "n_features_in_": 5})


def every_step(meta):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"], return_sequences=True),
            layers.Dense(1),
        ]
    )


BAD_MODELS = {
    "nothing": (
        lambda meta: None,
        TypeError,
        r"must return a keras.Model, but it returned None of type NoneType",
    ),
    "a layer": (
        lambda meta: layers.LSTM(2),
        TypeError,
        r"must return a keras.Model, but it returned <LSTM .* of type LSTM",
    ),
    "not built": (
        lambda meta: keras.Sequential([layers.LSTM(2), layers.Dense(1)]),
        ValueError,
        r"must return a built Keras model with one input and one output, starting for"
        r" example with keras.Input\(batch_shape=\(3, 2, 2\)\)",
    ),
    "two outputs": (two_outputs, ValueError, "one input and one output"),
    "too many outputs": (
        lambda meta: simple_rnn({**meta, "n_outputs_": 4}),
        ValueError,
        r"gives 4 output\(s\) for each window, but y has 1\. .*meta\['n_outputs_'\]",
    ),
    "an output for each step": (
        every_step,
        ValueError,
        r"row for each window; got \(3, 2, 1\)\. .*return_sequences=False",
    ),
    "not stateful": (
        lambda meta: simple_rnn({**meta, "stateful": False}),
        ValueError,
        r"stateful=True, but .* without a stateful recurrent layer\. Pass"
        r" stateful=meta\['stateful'\]",
    ),
    "another batch size": (
        fixed_batch,
        ValueError,
        r"inputs of shape \(4, 2, 2\), but meta asks for \(batch_size, sequence_length,"
        r" n_features\) = \(3, 2, 2\)",
    ),
    "another width": (
        other_width,
        ValueError,
        r"inputs of shape \(3, 2, 5\), but meta",
    ),
}


@pytest.mark.parametrize(
    ("model", "error", "text"), BAD_MODELS.values(), ids=BAD_MODELS
)
def test_a_function_that_returns_something_else(model, error, text):
    estimator = regressor(model)
    with pytest.raises(error, match=text):
        estimator.fit(X[:N], y[:N])
    assert not hasattr(estimator, "state_")


def test_a_stateful_model_in_a_stateless_estimator():
    """Its batch size is frozen in, and its state would leak from window to window."""

    def model(meta):
        return simple_rnn({**meta, "batch_size": B, "stateful": True})

    estimator = regressor(model, stateful=False)
    with pytest.raises(ValueError, match=r"stateful=False|batch_shape|meta asks for"):
        estimator.fit(X[:N], y[:N])


def test_too_few_outputs_for_the_classes():
    def model(meta):
        return simple_rnn({**meta, "n_outputs_": 2})

    estimator = StatefulLSTMClassifier(model=model, sequence_length=T, batch_size=B)
    with pytest.raises(ValueError, match=r"gives 2 output\(s\).* y has 3 classes"):
        estimator.fit(X[:N], LABELS[:N])


@pytest.mark.parametrize("model", ["lstm", 3, simple_rnn(make_meta(B))])
def test_model_that_is_no_function(model):
    estimator = regressor(model)
    text = "model must be None or a function that is given `meta` and returns"
    with pytest.raises(TypeError, match=text):
        estimator.fit(X[:N], y[:N])


def test_an_error_inside_the_function_is_the_users_own():
    def model(meta):
        raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        regressor(model).fit(X[:N], y[:N])


# --------------------------------------------------------------------------------------
# Sharing of compiled programs: never between graphs that differ
# --------------------------------------------------------------------------------------


class Tracer:
    """A loss that counts its calls, which happen only while a program is traced."""

    def __init__(self):
        self.n = 0

    def __call__(self, y_true, y_pred):
        self.n += 1
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    def __deepcopy__(self, memo):
        return self


def test_equal_graphs_share_a_program():
    tracer = Tracer()
    estimator = regressor(simple_rnn, loss=tracer).fit(X[:N], y[:N])
    n = tracer.n
    assert n > 0
    same = clone(estimator).fit(X[:N], y[:N])
    other_seed = clone(estimator).set_params(random_state=5).fit(X[:N], y[:N])
    clone(estimator).set_params(optimizer__learning_rate=0.5).fit(X[:N], y[:N])
    assert tracer.n == n
    assert_identical_weights(same.get_weights(), estimator.get_weights())
    assert weight_change(same.get_weights(), other_seed.get_weights()) > 1e-2
    clone(estimator).set_params(batch_size=B + 1).fit(X[:N], y[:N])
    assert tracer.n > n


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """A layer of the user's own, which does not tell its factor."""

    def __init__(self, factor=1.0, **others):
        super().__init__(**others)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


def own_layer(meta, factor=1.0):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1),
            Scale(factor),
        ]
    )


def lambda_layer(meta, factor=1.0):
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1),
            layers.Lambda(lambda x: factor * x, output_shape=(1,)),
        ]
    )


def own_activation(meta, factor=1.0):
    def times(x):
        return factor * x

    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Dense(1, activation=times),
        ]
    )


def own_cell(meta, factor=1.0):
    class Cell(layers.SimpleRNNCell):
        def call(self, sequence, states, training=False):
            output, new = super().call(sequence, states, training=training)
            return factor * output, new

    return keras.Sequential(
        [
            start(meta),
            layers.RNN(Cell(2), stateful=meta["stateful"]),
            layers.Dense(1, use_bias=False),
        ]
    )


@pytest.mark.parametrize("model", [own_layer, lambda_layer, own_activation, own_cell])
def test_what_differs_unseen_shares_nothing(model):
    """The factor is in no configuration; with frozen weights it shows as it is."""
    still = {"epochs": 1, "optimizer__learning_rate": 0.0}
    once = regressor(model, **still).fit(X[:N], y[:N])
    twice = regressor(model, model__factor=2.0, **still).fit(X[:N], y[:N])
    assert_identical_weights(once.initial_weights_, twice.initial_weights_)
    assert_close(twice.predict(X[N:]), 2 * once.predict(X[N:]))
    assert np.abs(once.predict(X[N:])).max() > 1e-3


def activated(meta, kind, name=None):
    """An activation as a layer of its own, which may be named after it."""
    return keras.Sequential(
        [
            start(meta),
            layers.LSTM(2, stateful=meta["stateful"]),
            layers.Activation(kind, name=name),
            layers.Dense(1),
        ]
    )


def test_a_name_says_nothing_of_the_graph():
    """Layers named after what they do, as in a search over activations."""
    regressor(activated, model__kind="relu", model__name="relu").fit(X[:N], y[:N])
    named = regressor(activated, model__kind="gelu", model__name="gelu")
    plain = regressor(activated, model__kind="gelu")
    named, plain = named.fit(X[:N], y[:N]), plain.fit(X[:N], y[:N])
    assert_identical_weights(named.get_weights(), plain.get_weights())


def test_a_name_may_be_that_of_a_dtype():
    """Policies have names too, which are no layer's."""

    def key(dtype):
        dense = layers.Dense(1, dtype=dtype, name=dtype)
        model = keras.Sequential([start(make_meta(B)), layers.LSTM(2), dense])
        return sharing_key(model)

    assert key("float16") != key("bfloat16")


def test_names_are_numbered_wherever_they_stand():
    """Keras counts them up: in models inside others too, and those of operations."""

    def key():
        inner = simple_rnn(make_meta(B))
        inputs = start(make_meta(B))
        outputs = keras.ops.abs(inner(inputs)) + gru(make_meta(B))(inputs)
        return sharing_key(keras.Model(inputs, outputs))

    assert key() == key()


def adapted(meta, factor=1.0):
    """Standardised by what the layer has seen, which its configuration leaves out."""
    seen = layers.Normalization()
    seen.adapt(X * factor)
    return keras.Sequential(
        [
            start(meta),
            seen,
            layers.SimpleRNN(2, stateful=meta["stateful"], activation="linear"),
            layers.Dense(1),
        ]
    )


def test_adapted_layers_share_nothing():
    """Data half as large, by a layer that has seen it: the same numbers."""
    still = {"epochs": 1, "optimizer__learning_rate": 0.0}
    whole = regressor(adapted, **still).fit(X[:N], y[:N])
    half = regressor(adapted, model__factor=0.5, **still).fit(X[:N] / 2, y[:N])
    assert_close(half.predict(X[N:] / 2), whole.predict(X[N:]))


def test_given_means_share_a_program():
    def key(mean):
        given = layers.Normalization(mean=mean, variance=[1.0, 4.0])
        model = [start(make_meta(B)), given, layers.SimpleRNN(2), layers.Dense(1)]
        return sharing_key(keras.Sequential(model))

    assert key([1.0, 2.0]) == key([1.0, 2.0]) != key([1.0, 3.0])


def test_a_clone_of_a_graph_with_its_own_layer_trains_alike():
    one = regressor(own_layer, model__factor=2.0).fit(X[:N], y[:N])
    other = clone(one).fit(X[:N], y[:N])
    assert_identical_weights(one.get_weights(), other.get_weights())


# --------------------------------------------------------------------------------------
# Rebuilding and copying
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 5])
def test_rebuild_at_another_batch_size(batch_size):
    """From zero state, as a reset estimator predicts its first whole windows."""
    estimator = regressor(gru, epochs=1).fit(X[:N], y[:N])
    model = estimator.rebuild(batch_size)
    assert model.inputs[0].shape == (batch_size, T, 2)
    assert_identical_weights(model.get_weights(), estimator.get_weights())
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    outputs = np.asarray(model(windows[:batch_size]))[:, 0]
    n = min(batch_size, B)
    estimator.reset_states()
    assert_close(outputs[:n], estimator.predict(X[:N])[T - 1 :][:n])


def test_rebuild_of_a_stateless_model():
    estimator = regressor(bidirectional, stateful=False, epochs=1).fit(X[:N], y[:N])
    model = estimator.rebuild(4)
    windows = windows_by_hand(X[:N], T).astype(np.float32)
    expected = estimator.predict(X[:N])[T - 1 :][:4]
    assert_close(np.asarray(model(windows[:4]))[:, 0], expected)


def test_model_in_its_state():
    """`model_` goes on where the estimator stands."""
    estimator = regressor(gru, epochs=1).fit(X[:N], y[:N])
    windows = windows_by_hand(X[N - T + 1 :], T).astype(np.float32)
    expected = estimator.predict(X[N:])[:B]
    assert_close(np.asarray(estimator.model_(windows[:B]))[:, 0], expected)


@pytest.mark.parametrize("model", [gru, own_layer])
def test_pickle_of_an_estimator_with_a_model_function(model):
    """It keeps predicting, and goes on training, as the original does."""
    estimator = regressor(model).fit(X[:N], y[:N]).observe(X[N : N + 3])
    copy = pickle.loads(pickle.dumps(estimator))
    assert_close(copy.predict(X[N + 3 :]), estimator.predict(X[N + 3 :]))
    for each in (estimator, copy):
        each.partial_fit(X[N + 3 :], y[N + 3 :])
    assert_same_weights(copy.get_weights(), estimator.get_weights())
