"""The parameter `cell`: what a network of GRU or simple recurrent layers shows."""

from __future__ import annotations

import copy
import functools
from typing import Any

import keras
import numpy as np
import pytest
from helpers import KERAS_LAYERS, assert_close, assert_identical_weights, make_rows
from plain import StatefulLSTMRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from sklstm.model_selection import compare_states
from sklstm.persistence import PersistenceError, describe, rebuild
from sklstm.plotting import StateDisplay

B, T = 3, 2
X = make_rows(22, 2, seed=0)
y = np.sin(X.cumsum(axis=0)[:, 0])
OTHERS = ["gru", "rnn"]
SETTINGS = {"sequence_length": T, "batch_size": B, "epochs": 2, "random_state": 0}

others = pytest.mark.parametrize("cell", OTHERS)
each_cell = pytest.mark.parametrize("cell", KERAS_LAYERS)


def regressor(cell: str, **changes: Any) -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor((3, 2), cell=cell, **(SETTINGS | changes))


@functools.cache
def fitted_once(cell: str) -> StatefulLSTMRegressor:
    return regressor(cell).fit(X, y)


def fitted(cell: str) -> StatefulLSTMRegressor:
    """An estimator of one's own."""
    return copy.deepcopy(fitted_once(cell))


@each_cell
def test_state_has_the_arrays_of_the_cell(cell):
    """An LSTM has h and c, the others h alone."""
    state = fitted(cell).state_
    n_arrays = 2 if cell == "lstm" else 1
    assert state.shapes == (((B, 3),) * n_arrays, ((B, 2),) * n_arrays)
    assert [h.shape for h in state.h] == [(B, 3), (B, 2)]
    assert len(state.c) == (2 if cell == "lstm" else 0)


@each_cell
def test_model_and_rebuild_are_plain_keras_layers_of_the_cell(cell):
    """`model_` goes on from the state, `rebuild` starts from zero at another size."""
    estimator = fitted(cell)
    for model in (estimator.model_, estimator.rebuild(1)):
        for layer in model.layers[:2]:
            assert type(layer) is getattr(keras.layers, KERAS_LAYERS[cell])
            assert layer.stateful
        assert_identical_weights(model.get_weights(), estimator.get_weights())
    assert estimator.state_.position % B == 0  # the next row goes to the first lane
    new = make_rows(B, 2, seed=1)
    series = np.vstack([X[-(T - 1) :], new]).astype(np.float32)
    windows = np.stack([series[i : i + T] for i in range(B)])
    assert_close(estimator.predict(new), estimator.model_(windows)[:, 0])
    cold = estimator.reset_states().predict(new)[T - 1]
    assert_close(cold, estimator.rebuild(1)(windows[T - 1 : T])[0, 0])


@others
def test_set_states_of_another_cell_raises_naming_both_shapes(cell):
    with pytest.raises(ValueError, match=r"(?s)\(3, 3\), \(3, 3\).*\(3, 3\)"):
        fitted(cell).set_states(fitted("lstm").get_states())


@each_cell
def test_load_file_without_cell_takes_lstm(cell):
    """Older files do not name the cell; arrays of another one do not fit then."""
    estimator = fitted(cell)
    header, arrays = describe(estimator)
    del header["network"]["cell"], header["parameters"]["cell"]
    if cell != "lstm":
        with pytest.raises(PersistenceError, match="for another network"):
            rebuild(type(estimator), header, arrays, {})
        return
    loaded = rebuild(type(estimator), header, arrays, {})
    assert loaded.cell == "lstm"
    np.testing.assert_array_equal(loaded.predict(X + 1), estimator.predict(X + 1))


def test_GridSearchCV_over_cells():
    search = GridSearchCV(
        regressor("lstm"), {"cell": list(KERAS_LAYERS)}, cv=TimeSeriesSplit(2)
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    assert search.best_params_["cell"] == list(KERAS_LAYERS)[np.argmax(scores)]


def test_compare_states_of_gru():
    comparison = compare_states(
        regressor("gru"), X, y, cv=TimeSeriesSplit(2), random_states=[0]
    )
    assert np.isfinite(comparison.scores).all(axis=None)


@others
def test_StateDisplay_of_cell_has_h_and_no_c(cell):
    estimator = fitted(cell)
    display = StateDisplay.from_estimator(estimator, X[:6] + 1)
    assert display.plot().colorbar_.ax.get_ylabel() == "hidden state h"
    with pytest.raises(ValueError, match="asks for a cell state, but layer 0 has none"):
        StateDisplay.from_estimator(estimator, X[:6] + 1, kind="c")
