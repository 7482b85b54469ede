"""How much of the network's output `fit` adds to that of the linear map."""

import numpy as np
import pytest
from helpers import first_ordinary
from scipy.special import expit, softmax

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklstm._estimator import choosing_epochs
from sklstm._estimator.choosing_epochs import EpochErrors
from sklstm._network.numpy_forward import ACTIVATIONS

RNG = np.random.default_rng(0)
TIME = np.arange(300)
SERIES = np.sin(TIME / 5) + RNG.normal(scale=0.3, size=300)
X, Y = SERIES[:-1, np.newaxis], np.abs(SERIES[1:])  # more than a linear map can tell


def constant(value: float) -> np.ndarray:
    return np.full(20, value)


def test_epoch_errors_takes_share_of_least_error():
    errors = EpochErrors(
        lambda by_share: {k: constant(e) for k, e in by_share.items()}, constant(1.0)
    )
    assert errors(1, {1.0: 0.9, 0.5: 0.8})
    assert errors(2, {1.0: 0.6, 0.5: 0.7})
    assert errors(3, {1.0: 0.75, 0.5: 0.65})
    assert errors.mean == pytest.approx({0: 1.0, 1: 0.8, 2: 0.6, 3: 0.65})
    assert (errors.best, errors.share) == (2, 1.0)
    assert "Best: 2, with 100% of the network's output." in errors.text


def test_epoch_errors_without_gain_takes_nothing_of_network():
    errors = EpochErrors(lambda error: {0.4: constant(error)}, constant(1.0))
    errors(1, 1.1)
    assert (errors.best, errors.share) == (0, 0.0)


@pytest.mark.parametrize("share", first_ordinary(1, [0.25, 0.0, 1.0]))
def test_fit_adds_share_of_network_to_linear_map(monkeypatch, share):
    monkeypatch.setattr(EpochErrors, "best", 8)
    monkeypatch.setattr(EpochErrors, "share", 1.0)
    options = {"units": 4, "random_state": 0, "sequence_length": 12, "batch_size": 2}
    whole = StatefulLSTMRegressor(**options).fit(X[:250], Y[:250])
    monkeypatch.setattr(EpochErrors, "share", share)
    part = StatefulLSTMRegressor(**options).fit(X[:250], Y[:250])
    linear = whole._linear_alone().predict(X[250:])
    expected = linear + share * (whole.predict(X[250:]) - linear)
    assert np.abs(whole.predict(X[250:]) - linear).max() > 0.01
    # the network computes in single precision
    np.testing.assert_allclose(part.predict(X[250:]), expected, rtol=1e-5)
    assert part.network_share_ == share


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "softmax"])
def test_logits_give_outputs_again(activation):
    logits = RNG.normal(scale=3, size=(50, 3))
    activate = {
        "linear": lambda z: z,
        "sigmoid": expit,
        "softmax": lambda z: softmax(z, axis=1),
    }[activation]
    found = choosing_epochs._logits(activation, activate(logits))
    np.testing.assert_allclose(ACTIVATIONS[activation](found), activate(logits))


@pytest.mark.thorough
def test_fit_of_classes_shrinks_network_by_its_held_out_rows(tmp_path):
    labels = np.where(Y > 0.7, "high", "low")
    noisy = np.where(RNG.random(len(labels)) < 0.3, "low", labels)
    model = StatefulLSTMClassifier(8, random_state=0).fit(X, noisy)
    assert model.epochs_ > 0
    assert model.network_share_ in choosing_epochs.SHARES
    linear = model._linear_alone().predict_proba(X)
    assert not np.allclose(linear, model.predict_proba(X))
    model.save(tmp_path / "model.sklstm")
    loaded = StatefulLSTMClassifier.load(tmp_path / "model.sklstm")
    assert loaded.network_share_ == model.network_share_


@pytest.mark.thorough
def test_network_share_is_one_for_number_of_epochs_and_absent_without_map():
    model = StatefulLSTMRegressor(2, epochs=1, random_state=0).fit(X, Y)
    assert model.network_share_ == 1.0
    model.set_params(linear_skip=False).fit(X, Y)
    assert not hasattr(model, "network_share_")
