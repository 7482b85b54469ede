"""What compiled programs keep between two users, and how much of it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import first_ordinary, make_rows, weight_change
from keras import layers
from plain import StatefulLSTMRegressor

from sklstm._compiled import program_pool as engine
from sklstm._compiled import training_program
from sklstm._compiled.device_arrays import Latest
from sklstm._compiled.training_program import _filled
from sklstm._network.architecture import StackedLSTM
from sklstm._network.recurrent_loops import speed_up
from sklstm._rows.lanes import EMPTY, lay_in_lanes
from sklstm._rows.windows import Windows
from sklstm._tensorflow import tf


def test_Latest_drops_least_recently_used():
    """Of more values than are kept, the one used longest ago is dropped."""
    made: list[str] = []

    def make(key):
        return lambda: made.append(key) or key

    latest = Latest(2)
    for key in "abacab":
        assert latest.get(key, make(key)) == key
    assert made == ["a", "b", "c", "b"]


@pytest.mark.thorough
def test_fit_with_many_optimizers_keeps_few_trainers():
    """Each setting but the learning rate is another compiled pass."""
    engine.POOL.clear()
    X = make_rows(12, 1, 0)
    model = StatefulLSTMRegressor(2, epochs=1, random_state=0)
    with engine.POOL.borrow(model.fit(X, X[:, 0])._fitted.recipe.network) as program:
        program.trainers.n = 2
    for decay in (0.1, 0.2, 0.3):
        model.set_params(optimizer="adamw", optimizer__weight_decay=decay)
        model.fit(X, X[:, 0])
    with engine.POOL.borrow(model._fitted.recipe.network) as again:
        assert again is program
        assert len(again.trainers) == 2


def test_fit_that_diverges_gives_program_back(monkeypatch):
    """A search over learning rates compiles once, though some of them are too large."""
    made = []

    class Counted(training_program.Program):
        def __init__(self, network):
            made.append(network)
            super().__init__(network)

    monkeypatch.setattr(training_program, "Program", Counted)
    X = make_rows(30, 1, 0)
    model = StatefulLSTMRegressor(3, sequence_length=2, epochs=3, random_state=0)
    model.set_params(optimizer="sgd", optimizer__learning_rate=1e30)
    engine.POOL.clear()
    with pytest.raises(ValueError, match="became"):
        model.fit(X, X[:, 0])
    model.set_params(optimizer__learning_rate=0.01).fit(X, X[:, 0])
    assert len(made) == 1


def test_put_rows_of_windows_keeps_one_target_each():
    """A target for each row of each window would take most of the memory."""
    network = StackedLSTM((2,), 0.0, 1, "linear", 50, 1, None)
    X, none = np.zeros((300, 50, 1), np.float32), np.zeros((0, 1), np.float32)
    windows = Windows.of(X, none, 50)
    with engine.POOL.borrow(network) as program:
        rows = program.put_rows(windows, np.zeros((300, 1)), np.ones(300))
    assert rows.values.shape[0] >= 15000
    assert rows.targets.shape[0] == rows.weights.shape[0] == rows.room < 400
    assert rows.put_table(np.zeros((3, 100), np.int32)).shape[0] < 10


class CountedLoss:
    """A loss in Python, called while a program is traced and at no other time."""

    def __init__(self):
        self.n_calls = 0

    def __call__(self, y_true, y_pred):
        self.n_calls += 1
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def tiled(loss, **options):
    """A regressor of three lanes of tiles of four rows."""
    settings = {"batch_size": 3, "sequence_length": 4, "epochs": 3, "random_state": 0}
    return StatefulLSTMRegressor(
        2, windows="tiled", loss=loss, **{**settings, **options}
    )


@pytest.mark.parametrize(
    "panel", first_ordinary(1, [True, False]), ids=["panel", "one series"]
)
def test_fit_tiled_again_with_other_cuts_does_not_trace_again(panel):
    """`shuffle` moves the cuts in each epoch, and other rows have other ones.

    In a panel, series begin inside tiles at other steps, too.
    """
    loss = CountedLoss()

    def train(n, **options):
        X = np.column_stack([np.arange(n) % 7, make_rows(n, 2, seed=1)])
        model = tiled(loss, series_id=0 if panel else None, **options)
        return model.fit(X, X[:, 1]).get_weights()

    first = train(60)
    n_traced = loss.n_calls
    assert n_traced > 0
    for random_state in (1, 2, 3):
        assert weight_change(first, train(60, random_state=random_state)) > 1e-4
    for n in (33, 47, 64):
        train(n)
    train(60, shuffle=False)
    assert loss.n_calls == n_traced


def test_fit_tiled_panel_traces_once_however_series_meet_the_cuts():
    """Series of whole tiles begin with one only in the epochs that move no cut.

    Callbacks are called after each epoch, whose tiles go to the program by themselves.
    """
    loss, hook = CountedLoss(), keras.callbacks.LambdaCallback()
    X = np.column_stack([np.arange(60) // 12, make_rows(60, 2, seed=1)])
    tiled(loss, epochs=1, series_id=0, callbacks=[hook]).fit(X, X[:, 1])
    n_traced = loss.n_calls
    for random_state in range(4):
        model = tiled(loss, epochs=8, series_id=0, callbacks=[hook])
        model.set_params(random_state=random_state).fit(X, X[:, 1])
    assert loss.n_calls == n_traced


@pytest.mark.parametrize(
    "ends, filled",
    [
        ([4, 5, 6, 7], [4, 5, 6, 7]),
        ([8, 9, EMPTY, EMPTY], [8, 9, 8, 9]),
        ([EMPTY, 3, 4, 5], [5, 3, 4, 5]),
        ([EMPTY, 7, EMPTY, EMPTY], [7, 7, 7, 7]),
    ],
)
def test_filled_repeats_live_lanes_in_empty_ones(ends, filled):
    """Empty lanes come first where a series began earlier, last in a short batch."""
    assert _filled(tf.constant(ends)).numpy().tolist() == filled


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("n", range(1, 12))
def test_lay_in_lanes_keeps_live_lanes_side_by_side(n, position):
    """In each batch the lanes with a window are one block."""
    live = lay_in_lanes(np.arange(n), position, 4) != EMPTY
    begins = np.diff(live, axis=1, prepend=False) & live
    assert (begins.sum(axis=1) == 1).all()


@keras.saving.register_keras_serializable("sklstm tests")
class Noise(layers.Dropout):
    """Drops while predicting too."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def noisy(meta):
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            layers.LSTM(4, stateful=meta["stateful"]),
            Noise(0.5, seed=1),
            layers.Dense(1),
        ]
    )


@pytest.mark.thorough
def test_predict_with_random_layer_repeats_itself():
    """A prediction does not advance the seed of a layer that draws numbers."""
    X = make_rows(40, 2, 0)
    model = StatefulLSTMRegressor(model=noisy, loss="mse", epochs=1, random_state=0)
    model.fit(X[:30], X[:30, 0])
    first = model.predict(X[30:])
    assert np.ptp(first) > 0
    np.testing.assert_array_equal(model.predict(X[30:]), first)


@pytest.mark.parametrize("zeroes", [False, True])
def test_speed_up_leaves_zero_output_for_mask_layer(zeroes):
    """The fast loop repeats the last output at masked steps, Keras's default."""
    lstm = layers.LSTM(2, zero_output_for_mask=zeroes, return_sequences=True)
    speed_up(keras.Sequential([keras.Input((3, 2)), lstm]))
    assert ("inner_loop" in vars(lstm)) is not zeroes
