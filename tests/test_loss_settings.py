"""A loss object keeps its settings through clones, copies and searches."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
from helpers import (
    assert_identical_weights,
)
from plain import StatefulLSTMRegressor
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

ROWS = np.random.default_rng(0).normal(size=(24, 2))
COPIES = {
    "clone": clone,
    "deepcopy": copy.deepcopy,
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
}


@pytest.mark.parametrize("name", COPIES)
def test_loss_object_keeps_settings_through_copies(name):
    """Keras's own copies of a Huber loss forget its delta."""
    loss = keras.losses.Huber(delta=0.01)
    model = StatefulLSTMRegressor(2, loss=loss, epochs=1, random_state=0)
    expected = clone(model).set_params(loss=loss).fit(ROWS, ROWS[:, 0])
    copied = COPIES[name](model)
    copied.fit(ROWS, ROWS[:, 0])
    assert copied.history_ == expected.history_
    default = clone(model).set_params(loss="huber").fit(ROWS, ROWS[:, 0])
    assert default.history_["loss"][0] > 3 * expected.history_["loss"][0]


def test_loss_object_keeps_settings_in_pickle_of_fitted():
    """`partial_fit` of a copy of a fitted estimator goes on with the same loss."""
    loss = keras.losses.Huber(delta=0.01)
    model = StatefulLSTMRegressor(2, loss=loss, epochs=1, random_state=0)
    model.fit(ROWS, ROWS[:, 0])
    again = pickle.loads(pickle.dumps(model))
    weights = model.partial_fit(ROWS, ROWS[:, 0]).get_weights()
    assert_identical_weights(again.partial_fit(ROWS, ROWS[:, 0]).get_weights(), weights)
