"""``loss="quantile"``: what quantiles are, on which data, and in which forms."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import ROUNDING, assert_close, make_rows, with_rest_thorough
from hypothesis import given
from hypothesis import strategies as st
from model_functions import gru, start
from plain import StatefulLSTMRegressor as Plain
from scipy.stats import norm
from sklearn.base import clone
from sklearn.metrics import mean_pinball_loss, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor, stream
from sklstm._compiled import outputs
from sklstm._encoding.learning import weighted_quantiles
from sklstm._estimator.choosing_epochs import row_errors
from sklstm._network.losses import by_output, by_target
from sklstm._network.pinball_loss import PinballLoss
from sklstm._network.targets import QuantileTarget
from sklstm.persistence import PersistenceError, describe, rebuild

LEVELS = (0.1, 0.5, 0.8)
X = make_rows(48, 2, seed=0)
Y = np.column_stack([np.sin(X.cumsum(axis=0)[:, 0]), X[:, 1]]) * 10 + 50
NEW = make_rows(6, 2, seed=1)
SMALL: dict[str, Any] = {
    "loss": "quantile",
    "quantiles": LEVELS,
    "sequence_length": 4,
    "batch_size": 2,
    "epochs": 2,
    "random_state": 0,
}


@functools.cache
def fitted_once(kind: str) -> StatefulLSTMRegressor:
    if kind == "plain":
        plain = Plain(2, windows="tiled", optimizer__learning_rate=0.3, **SMALL)
        return plain.fit(X, Y[:, 0])
    y = Y[:, 0] if kind == "one" else Y
    return StatefulLSTMRegressor(2, **SMALL).fit(X, y)


def fitted(kind: str) -> StatefulLSTMRegressor:
    """An estimator of one's own: "plain", "one" output, or "two"."""
    return copy.deepcopy(fitted_once(kind))


# --------------------------------------------------------------------------------------
# What quantiles are
# --------------------------------------------------------------------------------------


def test_quantiles_of_autoregression_with_known_noise():
    """Near the true conditional quantiles, and with near nominal coverage.

    Of 600 rows a share of 0.9 varies by 0.012; five deviations are allowed.
    """
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=2.0, size=1600)
    series = np.zeros(1600)
    for t in range(1, 1600):
        series[t] = 0.8 * series[t - 1] + noise[t]
    X, y = series[:-1, np.newaxis], series[1:]
    levels = (0.1, 0.5, 0.9)
    model = StatefulLSTMRegressor(4, loss="quantile", quantiles=levels, random_state=0)
    made = model.fit(X[:1000], y[:1000]).predict_quantiles(X[1000:])
    true = 0.8 * X[1000:] + 2.0 * norm.ppf(levels)
    assert np.abs(made - true).mean() < 0.3  # of a noise of 2
    covered = (y[1000:, np.newaxis] <= made).mean(axis=0)
    assert_close(covered, levels, rtol=0, atol=0.06)


@pytest.mark.thorough
def test_quantiles_of_noise_that_grows_follow_it():
    """The linear map has the same spread everywhere; the network learns the rest."""
    rng = np.random.default_rng(1)
    scale = rng.choice([1.0, 5.0], size=1200)
    y = scale * rng.normal(size=1200)
    model = StatefulLSTMRegressor(4, loss="quantile", epochs=20, random_state=0)
    model.fit(scale[:900, np.newaxis], y[:900])
    low, _, high = model.predict_quantiles(scale[900:, np.newaxis]).T
    widths = [np.median((high - low)[scale[900:] == s]) for s in (1.0, 5.0)]
    assert widths[1] > 2.5 * widths[0]  # truly 5 times


def test_linear_map_alone_adds_quantiles_of_what_it_leaves():
    """Before any epoch the network adds a constant at most, its bias of zero."""
    model = StatefulLSTMRegressor(2, **SMALL | {"epochs": 1})
    model.set_params(optimizer="sgd", optimizer__learning_rate=1e-9).fit(X, Y[:, 0])
    encoder = model._fitted.encoder
    assert encoder.spread.shape == (1, 3)
    made = model.predict_quantiles(X)
    middle = made[:, 1] - encoder.spread[0, 1] * encoder.residual * _deviation(encoder)
    below = (Y[:, [0]] - middle[:, np.newaxis] < made - middle[:, np.newaxis]).mean(0)
    assert_close(below, LEVELS, rtol=0, atol=0.08)


def _deviation(encoder: Any) -> float:
    return float(encoder.y_scale.deviation[0, 0])


@given(st.integers(0, 10**6), st.floats(0.1, 1e3))
def test_predict_quantiles_never_cross(seed, size):
    """For rows that the network has not seen the like of, whose outputs do cross."""
    rows = size * np.random.default_rng(seed).normal(size=(20, 2))
    model = fitted_once("plain")
    made = model.predict_quantiles(rows)
    assert (np.diff(made, axis=1) >= 0).all()


def test_outputs_that_cross_are_put_in_order_and_lose_no_accuracy():
    """Without this, the property above might hold of outputs that never cross."""
    rng = np.random.default_rng(0)
    raw, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    target = QuantileTarget.with_levels(y, LEVELS)
    made = target.by_level(raw)
    assert (np.diff(raw, axis=1) < 0).any()
    assert_close(made, np.sort(raw, axis=1))
    loss = by_target(PinballLoss(LEVELS))
    each = np.repeat(y[:, np.newaxis], 3, axis=1)
    before, after = np.asarray(loss(each, raw)), np.asarray(loss(each, made))
    assert (after <= before + 1e-12).all()


@pytest.mark.parametrize("kind", with_rest_thorough(["one", "two"], ["two"]))
def test_quantiles_follow_affine_change_of_y(kind):
    """With `scale`, to rounding through two epochs."""
    y = Y[:, 0] if kind == "one" else Y
    made = fitted_once(kind).predict_quantiles(NEW)
    other = StatefulLSTMRegressor(2, **SMALL).fit(X, 4 * y - 300)
    assert_close(other.predict_quantiles(NEW), 4 * made - 300, rtol=1e-3, atol=1e-3)


# --------------------------------------------------------------------------------------
# The loss
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_pinball_loss_equals_that_of_sklearn(n_outputs):
    """Of rows, of outputs apart, and as `epochs="auto"` compares epochs."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(9, n_outputs))
    raw = rng.normal(size=(9, 3 * n_outputs)).astype(np.float32)
    loss, target = PinballLoss(LEVELS), QuantileTarget.with_levels(y, LEVELS)
    each = target.encode(y, 3 * n_outputs, loss)
    apart = np.asarray(by_output(loss)(each, raw))
    for k in range(3 * n_outputs):
        of_one = mean_pinball_loss(y[:, k // 3], raw[:, k], alpha=LEVELS[k % 3])
        assert_close(apart[:, k].mean(), of_one)
    assert_close(np.asarray(by_target(loss)(each, raw)), apart.mean(axis=1))
    recipe: Any = type("R", (), {"loss": loss})
    assert_close(row_errors(recipe, target, each, raw), apart.mean(axis=1))


def test_weighted_quantiles_leave_out_zero_weights_and_equal_hazens():
    values = np.random.default_rng(0).normal(size=20)
    weights = np.r_[np.ones(15), np.zeros(5)]
    expected = np.quantile(values[:15], LEVELS, method="hazen")
    assert_close(weighted_quantiles(values, weights, LEVELS), expected)
    assert_close(weighted_quantiles(values, 0 * weights, LEVELS), np.zeros(3))


def test_missing_targets_equal_weights_of_zero_for_their_quantiles():
    y, weights = Y.copy(), np.ones_like(Y)
    y[5:20, 0], weights[5:20, 0] = np.nan, 0
    missing = StatefulLSTMRegressor(2, missing="ignore", **SMALL).fit(X, y)
    weighted = StatefulLSTMRegressor(2, **SMALL).fit(X, Y, sample_weight=weights)
    assert_close(missing.predict_quantiles(NEW), weighted.predict_quantiles(NEW))
    unweighted = fitted_once("two").predict_quantiles(NEW)
    assert np.abs(missing.predict_quantiles(NEW) - unweighted)[:, 0].max() > 1e-2


# --------------------------------------------------------------------------------------
# Forms and calls
# --------------------------------------------------------------------------------------


def test_predict_is_the_median_and_score_its_r2():
    for kind, shape in (("one", (6, 3)), ("two", (6, 2, 3))):
        model = fitted_once(kind)
        made = model.predict_quantiles(NEW)
        assert made.shape == shape
        assert model.quantiles_ == LEVELS
        np.testing.assert_array_equal(model.predict(NEW), made[..., 1])
        y = Y[:6, 0] if kind == "one" else Y[:6]
        assert_close(model.score(NEW, y), r2_score(y, made[..., 1]))


def test_predict_quantiles_follows_the_state_and_leaves_it():
    model = fitted("one")
    whole = model.predict_quantiles(NEW)
    medians = model.step(NEW[:4])
    assert_close(medians, whole[:4, 1], **ROUNDING)
    assert_close(model.predict_quantiles(NEW[4:]), whole[4:], rtol=1e-5)
    replayed = model.predict_quantiles(X)
    assert_close(replayed, fitted_once("one").predict_quantiles(X), rtol=1e-5)


def test_forecast_feeds_back_the_median():
    model = fitted("two")
    made = model.forecast(3, start=NEW)
    model.observe(NEW[:-1])
    row = NEW[-1:]
    for expected in made:
        row = model.step(row)
        assert_close(row[0], expected, rtol=1e-5)


def test_panel_and_sequences():
    frame = pd.DataFrame(X, columns=["u", "v"]).assign(shop=np.arange(48) % 2)
    model = StatefulLSTMRegressor(2, series_id="shop", **SMALL).fit(frame, Y[:, 0])
    new = pd.DataFrame(NEW, columns=["u", "v"]).assign(shop=[1, 0, 0, 1, 1, 0])
    made = model.predict_quantiles(new)
    of_shop = new.shop == 1
    assert_close(model.predict_quantiles(new[of_shop]), made[of_shop], rtol=1e-5)
    parts = [slice(0, 20), slice(20, 48)]
    model = StatefulLSTMRegressor(2, **SMALL)
    model.fit([X[part] for part in parts], [Y[part] for part in parts])
    made = model.predict_quantiles([NEW, NEW[:2]])
    assert [part.shape for part in made] == [(6, 2, 3), (2, 2, 3)]


def test_compiled_pass_equals_numpy_pass(monkeypatch):
    model = fitted_once("two")
    in_numpy = model.predict_quantiles(NEW)
    monkeypatch.setattr(outputs, "is_short", lambda *_: False)
    assert_close(model.predict_quantiles(NEW), in_numpy, rtol=1e-5)


def test_partial_fit_trains_all_quantiles():
    model = fitted("two")
    before = model.predict_quantiles(NEW)
    model.partial_fit(NEW, Y[:6], sample_weight=np.full((6, 2), [1.0, 0.5]))
    assert (np.abs(model.predict_quantiles(NEW) - before).max(axis=(0, 1)) > 1e-6).all()
    model.set_params(quantiles=(0.2, 0.5, 0.8))
    with pytest.raises(ValueError, match=r"quantile \(0.1, .*ask for quantile \(0.2"):
        model.partial_fit(NEW, Y[:6])


def test_stream_answers_medians_of_pipeline():
    pipeline = make_pipeline(StandardScaler(), StatefulLSTMRegressor(2, **SMALL))
    pipeline.fit(X, Y[:, 0])
    expected = pipeline.predict(NEW)
    flow = stream(pipeline)
    made = np.concatenate([flow.step(NEW[:2]), flow.step(NEW[2:])])
    assert_close(made, expected, rtol=1e-5)
    quantiles = flow.estimator.predict_quantiles(flow.transform(NEW))
    assert quantiles.shape == (6, 3)


@pytest.mark.thorough
def test_epochs_auto_compares_pinball_losses():
    model = StatefulLSTMRegressor(2, **SMALL | {"epochs": "auto"}).fit(X, Y[:, 0])
    assert model.epochs_ in (0, 1, 2, 3, 5, 8, 12, 18, 27, 40, 60)
    assert (np.diff(model.predict_quantiles(NEW)) >= 0).all()


# --------------------------------------------------------------------------------------
# Copies and files
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", with_rest_thorough(["plain", "two"], ["two"]))
def test_copies_and_files_keep_quantiles(kind, tmp_path):
    model = fitted_once(kind)
    expected = model.predict_quantiles(NEW)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_quantiles(NEW), expected)
        y = Y[:6, 0] if kind == "plain" else Y[:6]
        trained = other.partial_fit(NEW, y).predict_quantiles(NEW)
        again = fitted(kind).partial_fit(NEW, y).predict_quantiles(NEW)
        np.testing.assert_array_equal(trained, again)
    assert clone(model).quantiles == LEVELS


def test_load_forged_quantiles_raises():
    header, arrays = describe(fitted_once("two"))
    for levels in ([0.1, 0.5], [0.5, 0.1, 0.8], [0.1, 0.4, 0.8], "no", [0.1, 0.5, 2]):
        forged = copy.deepcopy(header)
        forged["target"]["quantiles"] = levels
        with pytest.raises(PersistenceError):
            rebuild(StatefulLSTMRegressor, forged, arrays, {})
    forged = {**arrays, "encoder/spread": -arrays["encoder/spread"]}
    with pytest.raises(PersistenceError, match="spread of its quantiles, which cross"):
        rebuild(StatefulLSTMRegressor, copy.deepcopy(header), forged, {})
    forged = copy.deepcopy(header)
    forged["training"]["loss"] = "mse"
    with pytest.raises(PersistenceError, match="its loss, for a target of quantiles"):
        rebuild(StatefulLSTMRegressor, forged, arrays, {})


# --------------------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------------------

BAD = {
    "strings": ("0.5", TypeError, "must be a sequence of numbers"),
    "a number": (0.5, TypeError, "must be a sequence of numbers"),
    "bools": ([True], TypeError, "must hold numbers between 0 and 1"),
    "one": ([0.5, 1.0], ValueError, "between 0 and 1, without either"),
    "zero": ([0, 0.5], ValueError, "between 0 and 1, without either"),
    "nan": ([0.5, np.nan], ValueError, "between 0 and 1"),
    "unsorted": ([0.9, 0.5], ValueError, "in ascending order, each once"),
    "twice": ([0.5, 0.5], ValueError, "in ascending order, each once"),
    "no median": ([0.1, 0.9], ValueError, "must hold 0.5, the median"),
    "none": ([], ValueError, "must hold 0.5, the median"),
}


@pytest.mark.parametrize(("quantiles", "error", "text"), BAD.values(), ids=list(BAD))
def test_fit_bad_quantiles_raises(quantiles, error, text):
    with pytest.raises(error, match=text):
        StatefulLSTMRegressor(loss="quantile", quantiles=quantiles).fit(X, Y)


def test_fit_quantiles_with_another_loss_raises():
    with pytest.raises(ValueError, match=r"quantiles=.*loss=.mae.\. Set loss="):
        StatefulLSTMRegressor(loss="mae", quantiles=LEVELS).fit(X, Y)


def test_predict_quantiles_with_another_loss_is_absent():
    model = StatefulLSTMRegressor()
    assert not hasattr(model, "predict_quantiles")
    assert not hasattr(StatefulLSTMClassifier(), "predict_quantiles")
    changed = Plain(2, epochs=1, batch_size=8).fit(X, Y).set_params(loss="quantile")
    with pytest.raises(ValueError, match="was set after fit"):
        changed.predict_quantiles(NEW)


@pytest.mark.thorough
def test_model_function_gives_an_output_for_each_quantile():
    model = Plain(model=gru, **SMALL | {"epochs": 1}).fit(X, Y)
    assert model.n_outputs_ == 6
    assert model.predict_quantiles(NEW).shape == (6, 2, 3)


def test_model_function_with_another_compiled_loss_raises():
    def compiled(meta):
        import keras

        layers = keras.layers.LSTM(2, stateful=True), keras.layers.Dense(6)
        network = keras.Sequential([start(meta), *layers])
        network.compile(optimizer="sgd", loss="mse")
        return network

    with pytest.raises(ValueError, match="compiled with the loss mean_squared_error"):
        Plain(model=compiled, **SMALL).fit(X, Y)


def test_model_function_of_another_width_raises():
    def narrow(meta):
        return gru({**meta, "n_outputs_": 2})

    with pytest.raises(ValueError, match="y has 2 with 3 quantiles of each"):
        Plain(model=narrow, **SMALL).fit(X, Y)
