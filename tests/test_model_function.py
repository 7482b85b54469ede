"""`model=` a function: its network trains and predicts as in plain Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    assert_close,
    assert_identical_weights,
    assert_same_weights,
    first_ordinary,
    weight_change,
    windows_by_hand,
)
from model_functions import (
    LABELS,
    MASK_IS_LOST,
    N_NEW,
    SGD,
    B,
    N,
    T,
    X,
    bidirectional,
    frozen,
    gru,
    layers,
    loop,
    make_meta,
    mixed,
    normalised,
    open_length,
    own_mask,
    penalised,
    regressor,
    simple_rnn,
    start,
    two_lstms,
    y,
)
from plain import StatefulLSTMClassifier
from sklearn.base import clone


@pytest.mark.parametrize(
    ("model", "stateful"),
    [
        (mixed, True),
        pytest.param(own_mask, True, marks=[MASK_IS_LOST, pytest.mark.thorough]),
        # Their like is in `test_parity_own_models`.
        *first_ordinary(
            0,
            [
                (simple_rnn, True),
                (two_lstms, True),
                (frozen, True),
                (two_lstms, False),
                (gru, True),
                (normalised, True),
                (open_length, True),
                (bidirectional, False),
            ],
        ),
    ],
)
def test_model_function_trains_and_predicts_as_in_keras(model, stateful):
    # `units` and `cell` are of no account
    estimator = regressor(model, stateful=stateful, shuffle=False, units=7, cell="rnn")
    estimator.fit(X[:N], y[:N])
    expected = loop(model, estimator, stateful=stateful)
    assert_close(estimator.history_["loss"], expected.losses, **PARITY)
    assert_same_weights(estimator.get_weights(), expected.weights, **PARITY)
    assert weight_change(estimator.initial_weights_, expected.weights) > 1e-3
    predictions = estimator.predict(X[:N])[T - 1 :]
    assert_close(predictions, expected.in_sample[:, 0], **PARITY)
    predictions = estimator.predict(X[N:])
    assert_close(predictions, expected.out_of_sample[:, 0], **PARITY)


@pytest.mark.parametrize("on_outputs", first_ordinary(1, [True, False]))
@pytest.mark.parametrize("split", [0.0, N_NEW / (N + N_NEW)], ids=["all", "held out"])
def test_model_function_penalties_count_as_in_keras(on_outputs, split):
    """Penalties are part of the loss trained on, and of the validation loss."""
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


@pytest.mark.thorough
def test_model_function_dropout_acts_in_training_only():
    """The weights are frozen, so that the losses differ by dropout alone."""
    still = {"model__rate": 0.5, "optimizer__learning_rate": 0.0}
    estimator = regressor(two_lstms, **still).fit(X[:N], y[:N])
    errors = (estimator.predict(X[:N]) - y[:N])[T - 1 :]
    losses = [*estimator.history_["loss"], np.mean(errors**2)]
    assert np.abs(np.subtract.outer(losses, losses))[np.triu_indices(3, 1)].min() > 1e-4
    again = clone(estimator).fit(X[:N], y[:N])
    assert again.history_ == estimator.history_
    np.testing.assert_array_equal(estimator.predict(X[N:]), again.predict(X[N:]))


def test_model_function_frozen_layers_do_not_change():
    estimator = regressor(frozen).fit(X[:N], y[:N])
    before, after = estimator.initial_weights_, estimator.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sorted(changed) == [False, False, False, True, True]


def test_model_function_random_state_makes_initial_weights():
    one, same, two = (
        regressor(gru, random_state=seed, epochs=1).fit(X[:N], y[:N])
        for seed in (1, 1, 2)
    )
    assert_identical_weights(one.initial_weights_, same.initial_weights_)
    assert weight_change(one.initial_weights_, two.initial_weights_) > 1e-2


def test_model_function_SimpleRNN_state_methods():
    """A SimpleRNN has one state array; `step` in pieces is `predict` in one."""
    estimator = regressor(simple_rnn).fit(X[:N], y[:N])
    assert estimator.state_.shapes == (((B, 2),),)
    expected = estimator.predict(X[N:])
    pieces = [estimator.step(X[N : N + 4]), estimator.step(X[N + 4 :])]
    assert_close(np.concatenate(pieces), expected)
    seeded = estimator.reseed_states().state_
    estimator.reset_states().observe(X[:N])
    assert_close(estimator.state_.layers[0][0], seeded.layers[0][0])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("labels", "activation", "width"),
    first_ordinary(1, [(LABELS, "softmax", 3), (LABELS == "low", "sigmoid", 1)]),
)
def test_model_function_of_classifier_gives_probabilities(labels, activation, width):
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
