"""Weights of single targets: `sample_weight` of shape (n_rows, n_outputs).

The oracles are plain Keras loops whose loss is written out by hand: the weights come to
it as further columns of y.
"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import (
    assert_close,
    assert_same_weights,
    first_ordinary,
    keras_loop,
    keras_lstm,
    make_rows,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.metrics import r2_score
from tiled_cases import tiled_keras_loop, tiled_lstm

import sklstm
from sklstm._network.losses import batch_loss, check_taken_apart

#: Losses and weights are float32 on both sides, summed in another order.
PARITY = {"rtol": 1e-4, "atol": 1e-6}
T, B, N = 3, 2, 19
X = make_rows(N, 2, seed=1)
Y = np.column_stack([X[:, 0] - X[:, 1], np.sin(3 * X[:, 0])])
WEIGHTS = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 2.0], (N, 2))
PACKED = np.hstack([Y, WEIGHTS])
SGD = {"optimizer": "sgd", "optimizer__learning_rate": 0.1}


def regressor(**parameters) -> StatefulLSTMRegressor:
    shared = {"units": 2, "sequence_length": T, "batch_size": B, "epochs": 2}
    return StatefulLSTMRegressor(**(shared | {"random_state": 0} | SGD | parameters))


def tiled(**parameters) -> StatefulLSTMRegressor:
    return regressor(windows="tiled", shuffle=False, **parameters)


def windows_lstm(batch_size):
    shape = {"batch_size": batch_size, "sequence_length": T, "n_features": 2}
    return keras_lstm((2,), 2, "linear", stateful=True, **shape)


def weighted_squares(y_and_weights, y_pred):
    """The loss of each row: the mean over its outputs of weight times square."""
    y, weights = y_and_weights[:, :2], y_and_weights[:, 2:]
    return keras.ops.mean(weights * (y - y_pred) ** 2, axis=-1)


# --------------------------------------------------------------------------------------
# Against plain Keras loops and NumPy
# --------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(
    "drop_remainder", [pytest.param(True, marks=pytest.mark.thorough), False]
)
def test_fit_sliding_with_weights_of_outputs_equals_keras_loop(drop_remainder):
    """Without dropping, the first batch has an empty lane."""
    model = regressor(drop_remainder=drop_remainder)
    rows = slice(0, N - 1) if drop_remainder else slice(0, N)
    model.fit(X[rows], Y[rows], WEIGHTS[rows])
    expected = keras_loop(
        windows_lstm,
        X[rows],
        PACKED[rows],
        initial_weights=model.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=2,
        optimizer=keras.optimizers.SGD(0.1),
        loss=weighted_squares,
        drop_remainder=drop_remainder,
    )
    assert_close(model.history_["loss"], expected.losses, **PARITY)
    assert_same_weights(model.get_weights(), expected.weights, **PARITY)


def test_fit_tiled_with_weights_of_outputs_equals_keras_loop():
    """Two series, the tiles of which have empty steps; their ends are held out."""
    ids = np.repeat(["a", "b"], [11, 8])
    frame = pd.DataFrame(X, columns=["u", "v"]).assign(shop=ids)
    model = tiled(series_id="shop", validation_split=0.25).fit(frame, Y, WEIGHTS)
    runs = [tuple(range(9)), tuple(range(11, 17))]
    held_out = [(runs[0], (9, 10)), (runs[1], (17, 18))]
    expected = tiled_keras_loop(
        tiled_lstm((2,), 2, "linear", 2),
        X,
        PACKED,
        runs,
        initial_weights=model.initial_weights_,
        sequence_length=T,
        batch_size=B,
        epochs=2,
        optimizer=keras.optimizers.SGD(0.1),
        loss=weighted_squares,
        held_out=held_out,
    )
    assert_close(model.history_["loss"], expected.losses, **PARITY)
    assert_close(model.history_["val_loss"], expected.val_losses, **PARITY)
    assert_same_weights(model.get_weights(), expected.model.get_weights(), **PARITY)


LOSSES = {
    "mse": keras.losses.MeanSquaredError(),
    "mae": "mae",
    "huber": keras.losses.Huber(delta=0.3),
    "log_cosh": keras.losses.LogCosh(),
    "msle": "msle",
    "sum": keras.losses.MeanSquaredError(reduction="sum"),
    "mean of weights": keras.losses.MeanSquaredError(
        reduction="mean_with_sample_weight"
    ),
    "own": lambda y, y_pred: keras.ops.mean(keras.ops.abs(y - y_pred) ** 3, axis=-1),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("has_empty", [False, True])
def test_batch_loss_of_equal_weights_equals_one_for_each_row(name, has_empty):
    """Rounding aside: both are sums of the same terms."""
    loss = LOSSES[name]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", loss=loss)
    check_taken_apart(loss, 3)
    rng = np.random.default_rng(0)
    y, y_pred = rng.uniform(0.1, 2, (2, 7, 3)).astype(np.float32)
    weights = rng.uniform(0.5, 2, 7).astype(np.float32)
    live = np.arange(7) != 2 if has_empty else None
    tensors = [keras.ops.convert_to_tensor(v) for v in (y, y_pred)]
    for_rows, for_outputs = (
        batch_loss(model, loss, None, *tensors, keras.ops.convert_to_tensor(w), live)
        for w in (weights, np.tile(weights[:, np.newaxis], 3))
    )
    np.testing.assert_allclose(for_outputs, for_rows, rtol=1e-6)


def test_batch_loss_equals_numbers_by_hand():
    """Of two rows with a target, one output counts for nothing."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", loss="mse")
    y = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 5.0]], np.float32)
    weights = np.array([[1.0, 0.0], [9.0, 9.0], [2.0, 0.5]], np.float32)
    live = np.array([True, False, True])
    given = [keras.ops.convert_to_tensor(v) for v in (y, 0 * y, weights)]
    loss = batch_loss(model, "mse", None, *given, live)
    assert float(loss) == pytest.approx((1 + 2 * 9 + 0.5 * 25) / 4)


# --------------------------------------------------------------------------------------
# What weights of zero leave out
# --------------------------------------------------------------------------------------

WALK = make_rows(61, 2, seed=0).cumsum(axis=0)
HORIZONS = np.column_stack([WALK[k : k + 58, 0] for k in (1, 2, 3)])
GONE = np.random.default_rng(1).uniform(size=HORIZONS.shape) < 0.2
SHOPS = pd.DataFrame(WALK[:58], columns=["u", "v"]).assign(shop=np.arange(58) // 29)
KINDS = {
    "series": (WALK[:58], {}),
    "panel": (SHOPS, {"series_id": "shop"}),
    "sequences": (np.split(WALK[:58], [20, 40]), {}),
}


def as_it_comes(**parameters) -> sklstm.StatefulLSTMRegressor:
    shared = {"units": 2, "sequence_length": 6, "batch_size": 2, "random_state": 0}
    return sklstm.StatefulLSTMRegressor(**(shared | parameters))


@pytest.mark.parametrize("kind", first_ordinary(1, ["panel", "sequences", "series"]))
def test_fit_does_not_learn_from_targets_of_weight_zero(kind):
    """Neither scales, nor the linear map, nor the choice of epochs, nor the network."""
    rows, parameters = KINDS[kind]
    made = []
    for stand_in in (0.0, 1e3):
        y, w = np.where(GONE, stand_in, HORIZONS), (~GONE).astype(float)
        if kind == "sequences":
            y, w = np.split(y, [20, 40]), np.split(w, [20, 40])
        model = as_it_comes(missing="ignore", **parameters).fit(rows, y, w)
        made.append((np.concatenate(list(model.predict(rows))), model.epochs_))
    np.testing.assert_array_equal(made[0][0], made[1][0])
    assert made[0][1] == made[1][1]
    y = np.where(GONE, np.nan, HORIZONS)
    y = np.split(y, [20, 40]) if kind == "sequences" else y
    missing = as_it_comes(missing="ignore", **parameters).fit(rows, y)
    np.testing.assert_array_equal(
        np.concatenate(list(missing.predict(rows))), made[0][0]
    )


def test_fit_with_missing_horizons_keeps_the_others():
    """The newest rows, whose later targets are not known yet, still tell of the first.

    Their first target is off by 5, of which a fit without them knows nothing.
    """
    y = HORIZONS.copy()
    y[40:, 0] += 5
    y[40:, 1:] = np.nan
    settings = {"missing": "ignore", "epochs": 1}
    all_rows = as_it_comes(**settings).fit(WALK[:58], y)
    older = as_it_comes(**settings).fit(WALK[:40], y[:40])
    moved = all_rows.predict(WALK[:58]) - older.predict(WALK[:58], replay=True)
    assert moved[:, 0].mean() > 1
    assert (np.abs(moved[:, 1:].mean(axis=0)) < 0.3).all()


def test_fit_equal_weights_of_outputs_equals_one_for_each_row():
    row = WEIGHTS.sum(axis=1)
    one = tiled().fit(X, Y, row)
    other = tiled().fit(X, Y, np.tile(row[:, np.newaxis], 2))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


# --------------------------------------------------------------------------------------
# Going on
# --------------------------------------------------------------------------------------


def test_partial_fit_in_pieces_equals_one_call(tmp_path):
    """A row waits for the next piece, also in a file; pieces have weights of each kind.

    The waiting row has one weight, or one for each output.
    """
    weights = WEIGHTS.copy()
    weights[:5] = weights[:5, :1]
    whole = regressor().partial_fit(X[:16], Y[:16], weights[:16])
    pieces = regressor().partial_fit(X[:5], Y[:5], weights[:5, 0])
    pieces.partial_fit(X[5:11], Y[5:11], weights[5:11])
    pieces.save(tmp_path / "model.sklstm")
    again = StatefulLSTMRegressor.load(tmp_path / "model.sklstm")
    for model in (pieces, again):
        model.partial_fit(X[11:16], Y[11:16], weights[11:16])
        assert_same_weights(model.get_weights(), whole.get_weights(), rtol=1e-5)


def test_partial_fit_tiled_with_weights_of_outputs_equals_keras_loop():
    model = tiled().partial_fit(X[:9], Y[:9], WEIGHTS[:9])
    expected = tiled_keras_loop(
        tiled_lstm((2,), 2, "linear", 2),
        X[:9],
        PACKED[:9],
        [tuple(range(9))],
        initial_weights=model.initial_weights_,
        sequence_length=T,
        batch_size=1,
        epochs=1,
        optimizer=keras.optimizers.SGD(0.1),
        loss=weighted_squares,
        one_series_a_lane=True,
    )
    assert_same_weights(model.get_weights(), expected.model.get_weights(), **PARITY)


@pytest.mark.thorough
def test_fit_checkpoint_with_weights_of_outputs_resumes_bit_for_bit(tmp_path):
    class Killed(BaseException):
        pass

    class KillAt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1 and not list(resumed):
                raise Killed

    resumed: list[bool] = []
    whole = tiled(callbacks=[KillAt()])
    with pytest.raises(Killed):
        whole.fit(X, Y, WEIGHTS, checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    resumed.append(True)
    whole.fit(X, Y, WEIGHTS, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())
    plain = tiled().fit(X, Y, WEIGHTS)
    np.testing.assert_array_equal(whole.predict(X), plain.predict(X))


def test_score_with_weights_of_outputs_is_mean_over_outputs():
    model = tiled().fit(X, Y)
    made = model.predict(X)
    by_hand = []
    for k in range(2):
        w, y = WEIGHTS[:, k], Y[:, k]
        left = (w * (y - made[:, k]) ** 2).sum()
        by_hand.append(1 - left / (w * (y - np.average(y, weights=w)) ** 2).sum())
    assert model.score(X, Y, WEIGHTS) == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert model.score(X, Y, WEIGHTS[:, 0]) == pytest.approx(
        r2_score(Y, made, sample_weight=WEIGHTS[:, 0])
    )
    y = np.where(np.arange(2 * N).reshape(N, 2) % 5 == 0, np.nan, Y)
    known = [~np.isnan(y[:, k]) for k in range(2)]
    expected = [r2_score(y[at, k], made[at, k]) for k, at in enumerate(known)]
    model.set_params(missing="ignore")
    assert model.score(X, y) == pytest.approx(np.mean(expected))


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (
            np.ones((N, 3)),
            rf"sample_weight has shape \({N}, 3\), but y has {N} row\(s\) of 2"
            rf" output\(s\): expected shape \({N},\) or \({N}, 2\)",
        ),
        (np.ones((N - 1, 2)), rf"sample_weight has shape \({N - 1}, 2\)"),
        (np.ones((N, 2, 1)), rf"shape \({N}, 2, 1\), .* expected shape \({N},\) or"),
        (np.zeros((N, 2)), "at least one non-zero"),
        (np.full((N, 2), np.nan), "sample_weight contains NaN"),
        (
            np.tile([0.0, 1.0], (N, 1)),
            r"The output\(s\) \[0\] have sample_weight zero, or y is missing, in all",
        ),
    ],
    ids=["outputs", "rows", "dimensions", "zero", "NaN", "one output"],
)
def test_fit_weights_of_outputs_that_do_not_suit_raises(weights, text):
    with pytest.raises(ValueError, match=text):
        tiled().fit(X, Y, weights)


def test_score_weights_of_another_shape_raises():
    with pytest.raises(ValueError, match=r"expected shape \(19,\) or \(19, 2\)"):
        tiled(epochs=1).fit(X, Y).score(X, Y, np.ones((N, 3)))


def test_classifier_with_weights_of_outputs_raises():
    labels = np.where(X[:, 0] > 0, "high", "low")
    text = r"sample_weight has shape \(19, 2\), but a classifier has one label in each"
    with pytest.raises(ValueError, match=text):
        StatefulLSTMClassifier(2).fit(X, labels, np.ones((N, 2)))


@pytest.mark.parametrize(
    "loss",
    [
        "cosine_similarity",
        keras.losses.KLDivergence(),
        lambda y, y_pred: keras.ops.mean(keras.ops.abs(y - y_pred)),
        lambda y, y_pred: keras.ops.sum(keras.ops.abs(y - y_pred), axis=-1),
    ],
    ids=["name", "object", "scalar", "sum"],
)
def test_loss_that_is_no_mean_over_outputs_raises(loss):
    text = "is not the mean of a loss of each of the 2 outputs, so that outputs cannot"
    with pytest.raises(ValueError, match=text):
        tiled(loss=loss).fit(X, Y, WEIGHTS)
    with pytest.raises(ValueError, match=text):
        tiled(loss=loss).partial_fit(X, Y, WEIGHTS)
