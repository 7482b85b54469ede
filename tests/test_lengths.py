"""Windows of different lengths in one call: padding is told from data, and inert."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import KERAS_LAYERS, PARITY, NaiveLSTM, assert_close, assert_same_state
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

T, F = 5, 2


def make_windows(n: int, seed: int = 0) -> list[np.ndarray]:
    """Windows of 1 to T rows, at least one of each length."""
    rng = np.random.default_rng(seed)
    lengths = np.concatenate([np.arange(1, T + 1), rng.integers(1, T + 1, n - T)])
    return [rng.normal(size=(length, F)) for length in rng.permutation(lengths)]


def pad(windows, fill=0.0):
    """The windows in one array of shape (n, T, F), and a mask, True at padding."""
    values = np.full((len(windows), T, F), fill)
    mask = np.ones((len(windows), T, F), bool)
    for value, hidden, window in zip(values, mask, windows, strict=True):
        value[T - len(window) :] = window
        hidden[T - len(window) :] = False
    return values, mask


def targets(n: int, labels: bool, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(["a", "b", "c"])[np.arange(n) % 3] if labels else rng.normal(size=n)


# --------------------------------------------------------------------------------------
# Against Keras with masks, and against NumPy
# --------------------------------------------------------------------------------------


def keras_masked_loop(kind, units, batch_size, stateful, weights, windows, y, epochs):
    """Losses, weights and outputs of Keras's own loop with an explicit mask."""
    import keras

    values, mask = pad(windows)
    live = ~mask[:, :, 0]
    lanes = batch_size if stateful else None
    x = keras.Input(batch_shape=(lanes, T, F))
    m = keras.Input(batch_shape=(lanes, T), dtype="bool")
    hidden = x
    for k, width in enumerate(units):
        layer = getattr(keras.layers, kind)(
            width, stateful=stateful, return_sequences=k + 1 < len(units)
        )
        hidden = layer(hidden, mask=m)
    labels = y.dtype.kind == "U"
    head = keras.layers.Dense(3, "softmax") if labels else keras.layers.Dense(1)
    model = keras.Model([x, m], head(hidden))
    model.set_weights(weights)
    loss = "sparse_categorical_crossentropy" if labels else "mse"
    model.compile(keras.optimizers.Adam(0.01), loss)
    encoded = np.unique(y, return_inverse=True)[1] if labels else y

    def reset():
        for layer in model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_state()

    losses = []
    for _ in range(epochs):
        reset()
        done = model.fit(
            [values, live], encoded, batch_size=batch_size, shuffle=False, verbose=0
        )
        losses += done.history["loss"]
    reset()
    outputs = model.predict([values, live], batch_size=batch_size, verbose=0)
    return losses, model.get_weights(), outputs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "units", "batch_size", "stateful", "labels"),
    [
        pytest.param("lstm", (3,), 1, True, False, marks=pytest.mark.thorough),
        pytest.param("gru", (3,), 3, True, True, marks=pytest.mark.thorough),
        ("lstm", (4, 3), 3, True, False),
        pytest.param("rnn", (3,), 4, False, True, marks=pytest.mark.thorough),
    ],
)
def test_fit_windows_of_many_lengths_equals_keras_mask(
    cell, units, batch_size, stateful, labels
):
    """Losses, weights and predictions are those of Keras with an explicit mask."""
    windows = make_windows(24)
    y = targets(24, labels)
    model = (StatefulLSTMClassifier if labels else StatefulLSTMRegressor)(
        units,
        cell=cell,
        batch_size=batch_size,
        stateful=stateful,
        shuffle=False,
        epochs=3,
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(windows, y)
    kind = KERAS_LAYERS[cell]
    losses, weights, outputs = keras_masked_loop(
        kind, units, batch_size, stateful, model.initial_weights_, windows, y, 3
    )
    assert_close(model.history_["loss"], losses, **PARITY)
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        assert_close(ours, theirs, **PARITY)
    predicted = model.predict_proba(windows) if labels else model.predict(windows)
    assert_close(predicted.reshape(24, -1), outputs, rtol=1e-4, atol=1e-5)


def build_gru(meta):
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.layers.Input(batch_shape=shape),
            keras.layers.GRU(3, stateful=meta["stateful"]),
            keras.layers.Dense(1),
        ]
    )


@pytest.mark.thorough
def test_fit_windows_of_many_lengths_gru_equals_keras_mask():
    """Recurrent layers without a kernel of ours keep Keras's own masking."""
    windows, y = make_windows(24), targets(24, labels=False)
    model = StatefulLSTMRegressor(
        model=build_gru,
        batch_size=3,
        epochs=3,
        optimizer__learning_rate=0.01,
        random_state=0,
    ).fit(windows, y)
    losses, weights, outputs = keras_masked_loop(
        "GRU", (3,), 3, True, model.initial_weights_, windows, y, 3
    )
    assert_close(model.history_["loss"], losses, **PARITY)
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        assert_close(ours, theirs, **PARITY)
    assert_close(model.predict(windows)[:, None], outputs, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    """A stateful regressor with three lanes, fitted on windows of many lengths."""
    windows = make_windows(24)
    model = StatefulLSTMRegressor(3, batch_size=3, epochs=2, random_state=0)
    return model.fit(windows, targets(24, labels=False)), windows


def test_predict_windows_of_many_lengths_equals_numpy_lstm(fitted):
    """A lane's windows, padding left out, are one sequence to a NumPy LSTM."""
    model, windows = fitted
    naive = NaiveLSTM(model.get_weights(), sequence_length=T, batch_size=3)
    outputs = [naive.answer(window, k % 3) for k, window in enumerate(windows)]
    assert_close(model.predict(windows)[:, None], outputs)
    assert_close(model.get_states().h[0], naive.h[0])
    assert_close(model.get_states().c[0], naive.c[0])


def test_fit_list_of_equal_windows_equals_array():
    """A list of full windows trains as their array does, to the last bit."""
    X = np.random.default_rng(0).normal(size=(12, T, F))
    y = targets(12, labels=False)
    model = StatefulLSTMRegressor(3, batch_size=2, epochs=2, random_state=0)
    as_array = model.fit(X, y).get_weights()
    as_list = model.fit(list(X), y).get_weights()
    for a, b in zip(as_array, as_list, strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_longer_windows_than_fitted_equals_numpy_lstm(fitted):
    """Two longer ones in a list, and an array of windows of yet another length."""
    model, windows = fitted
    longer = [*windows[:4], *np.random.default_rng(5).normal(size=(2, T + 3, F))]
    for X in (longer, np.stack(longer[-2:]), np.stack(longer[-2:])[:, :2]):
        naive = NaiveLSTM(model.get_weights(), sequence_length=T, batch_size=3)
        outputs = [naive.answer(window, k % 3) for k, window in enumerate(X)]
        assert_close(model.reset_states().predict(X)[:, None], outputs)
    model.reseed_states()


@pytest.mark.thorough
def test_predict_longer_windows_own_model_equals_keras():
    """The function is asked for a network as long; no answer depends on others."""
    windows, longer = make_windows(12), np.ones((2, T + 1, F), np.float32)
    model = StatefulLSTMRegressor(
        model=build_gru, stateful=False, epochs=1, random_state=0
    ).fit(windows, targets(12, labels=False))
    keras_model = build_gru(
        {
            "batch_size": None,
            "sequence_length": T + 1,
            "n_features_in_": F,
            "stateful": False,
        }
    )
    keras_model.set_weights(model.get_weights())
    expected = keras_model.predict(longer, verbose=0)[:, 0]
    assert_close(model.predict(longer), expected, rtol=1e-5, atol=1e-6)


def build_flat(meta):
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.layers.Input(batch_shape=shape),
            keras.layers.GRU(2, return_sequences=True),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )


def test_predict_longer_windows_weights_by_length_raises():
    X = np.ones((4, T, F))
    model = StatefulLSTMRegressor(model=build_flat, stateful=False, epochs=1)
    model.fit(X, np.zeros(4))
    with pytest.raises(ValueError, match=r"windows of 6 steps, .* Flatten.* Cut or"):
        model.predict(np.ones((2, T + 1, F)))


def test_partial_fit_longer_windows_than_before_raises(fitted):
    model, _ = fitted
    with pytest.raises(ValueError, match=r"windows of 6 steps, but training began"):
        model.partial_fit(np.ones((3, T + 1, F)), np.zeros(3))


# --------------------------------------------------------------------------------------
# How padding is told from data
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [0.0, 7.0, np.nan, np.inf])
def test_fit_masked_array_equals_list_of_windows(fitted, fill):
    """Whatever lies under the mask, in training and in prediction."""
    model, windows = fitted
    values, mask = pad(windows, fill)
    masked = np.ma.masked_array(values, mask)
    assert_close(model.predict(masked), model.predict(windows), rtol=0, atol=0)
    again = StatefulLSTMRegressor(3, batch_size=3, epochs=2, random_state=0)
    again.fit(masked, targets(24, labels=False))
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_windows_of_zeros_are_not_padding(fitted):
    """A window of zeros and a value is not a short window."""
    model, _ = fitted
    short, long = np.ones((1, F)), np.vstack([np.zeros((T - 1, F)), np.ones((1, F))])
    model.reset_states()
    assert abs(model.predict([short])[0] - model.predict([long])[0]) > 1e-4
    model.reseed_states()


def test_fit_windows_leading_nan_equals_shorter_windows(fitted):
    """A window that lacks rows takes no lane; one that is short does."""
    _, windows = fitted
    values, mask = pad(windows, np.nan)
    n_full = sum(len(window) == T for window in windows)
    lacking = StatefulLSTMRegressor(3, epochs=1, random_state=0)
    y = targets(24, labels=False)
    assert lacking.fit(values, y).n_windows_ == n_full
    assert lacking.fit(np.ma.masked_array(values, mask), y).n_windows_ == 24


def test_fit_frames_or_object_array_equals_list(fitted):
    model, windows = fitted
    expected = model.predict(windows)
    frames = [pd.DataFrame(window) for window in windows]
    objects = np.empty(24, object)
    objects[:] = windows
    for X in (frames, objects, tuple(windows)):
        assert_close(model.predict(X), expected, rtol=0, atol=0)


# --------------------------------------------------------------------------------------
# The laws hold for them
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[1], [3, 4, 11], list(range(1, 24))])
def test_step_pieces_of_many_lengths_equals_predict(fitted, cuts):
    """`step` over any pieces is `predict`, and both ways end in the same state."""
    model, windows = fitted
    pieces = [windows[a:b] for a, b in zip([0, *cuts], [*cuts, 24], strict=True)]
    model.reset_states()
    stepped = np.concatenate([model.step(piece) for piece in pieces])
    after = model.get_states()
    assert_close(stepped, model.reset_states().predict(windows))
    assert_same_state(model.observe(windows).get_states(), after, rtol=1e-6, atol=1e-6)
    model.reseed_states()


def test_partial_fit_windows_of_many_lengths_equals_one_epoch():
    windows, y = make_windows(24), targets(24, labels=False)
    options = {"units": 3, "batch_size": 3, "epochs": 1, "random_state": 0}
    whole = StatefulLSTMRegressor(**options).fit(windows, y)
    longest = next(k for k, window in enumerate(windows) if len(window) == T) + 1
    pieces = StatefulLSTMRegressor(**options)
    for part in (slice(0, longest), slice(longest, 20), slice(20, 24)):
        pieces.partial_fit(windows[part], y[part])
    for a, b in zip(pieces.get_weights(), whole.get_weights(), strict=True):
        assert_close(a, b, **PARITY)


def test_lane_table_of_windows_of_many_lengths(fitted):
    model, windows = fitted
    expected = np.arange(24).reshape(8, 3)
    np.testing.assert_array_equal(model.lane_table(windows), expected)


def test_GridSearchCV_slices_list_of_windows():
    """scikit-learn's splitters take lists of windows as they are."""
    windows, y = make_windows(24), targets(24, labels=True)
    search = GridSearchCV(
        StatefulLSTMClassifier(2, epochs=1, random_state=0),
        {"batch_size": [1, 2]},
        cv=TimeSeriesSplit(2),
        error_score="raise",
    ).fit(windows, y)
    assert search.predict(windows).shape == (24,)


# --------------------------------------------------------------------------------------
# Bad input
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "text"),
    [
        ([np.ones((2, 2)), np.ones((2, 3))], r"windows of \[2, 3\] features"),
        ([np.ones((2, 2)), np.ones((0, 2))], "0 sample"),
        ([np.ones((2, 2)), np.full((1, 2), np.nan)], r"Input X\[1\] contains NaN"),
        ([np.ones((2, 2)), np.full((1, 2), -np.inf)], r"X\[1\] contains infinity"),
        (
            np.ma.masked_array(np.ones((2, 3, 2)), [[[0, 0], [1, 1], [0, 0]]] * 2),
            "masked in places other than whole first steps",
        ),
        (
            np.ma.masked_array(np.ones((2, 3, 2)), [[[1, 0], [0, 0], [0, 0]]] * 2),
            "masked in places other than whole first steps",
        ),
        (
            np.ma.masked_array(np.ones((2, 3, 2)), True),
            r"2 window\(s\) of X are masked throughout; .*Leave them out",
        ),
    ],
)
def test_fit_bad_list_of_windows_raises(X, text):
    model = StatefulLSTMRegressor(2, epochs=1)
    with pytest.raises(ValueError, match=text):
        model.fit(X, np.zeros(2))
    assert not hasattr(model, "state_")


def build_without_masks(meta):
    import keras

    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.layers.Input(batch_shape=shape),
            keras.layers.Conv1D(3, 2, padding="causal"),
            keras.layers.LSTM(3, stateful=meta["stateful"]),
            keras.layers.Dense(1),
        ]
    )


def test_fit_layer_that_loses_mask_raises():
    model = StatefulLSTMRegressor(model=build_without_masks, epochs=1)
    with pytest.raises(ValueError, match="cannot tell padding from data"):
        model.fit(make_windows(8), np.zeros(8))
