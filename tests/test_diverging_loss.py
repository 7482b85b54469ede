"""A loss that is no longer a number ends the training with advice."""

from __future__ import annotations

import numpy as np
from bad_input_cases import N, X, assert_refused, regressor, y

ADVICE = "Scale X and y .*lower optimizer__learning_rate.* optimizer__clipnorm"
TOO_FAST = {"optimizer": "sgd", "optimizer__learning_rate": 1e38}


def test_fit_huge_learning_rate_raises_loss_became_nan():
    """The first update throws the weights away, so the first epoch notices."""
    estimator = regressor(epochs=4, **TOO_FAST)
    text = f"The loss became (nan|inf) in epoch 1 of 4.* {ADVICE}"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_fit_huge_targets_raises_loss_became_nan():
    """The square of 1e30 is beyond float32."""
    estimator = regressor(epochs=4)
    text = f"The loss became (nan|inf) in epoch 1 of 4.* {ADVICE}"
    assert_refused(estimator, lambda: estimator.fit(X, y * 1e30), text)


def test_fit_diverging_in_second_epoch_raises_naming_epoch():
    """One update an epoch: the first is made on a good loss, the second is not."""
    estimator = regressor(epochs=4, batch_size=N, **TOO_FAST)
    text = "The loss became (nan|inf) in epoch 2 of 4"
    assert_refused(estimator, lambda: estimator.fit(X, y), text)


def test_fit_last_update_diverges_raises():
    """The only loss is still a number, but what the update leaves is not."""
    estimator = regressor(batch_size=N, **TOO_FAST)
    assert_refused(estimator, lambda: estimator.fit(X, y * 1e10), "epoch 1 of 1")


def test_fit_again_diverging_leaves_fitted_estimator():
    """It predicts as before, and a better fit works."""
    estimator = regressor(batch_size=N).fit(X, y)
    before = estimator.predict(X[:5]), estimator.step(X[:5])
    state = estimator.state_
    estimator.set_params(epochs=3, **TOO_FAST)
    assert_refused(estimator, lambda: estimator.fit(X, y), "loss became")
    np.testing.assert_array_equal(estimator.reseed_states().predict(X[:5]), before[0])
    estimator.set_states(state).set_params(optimizer__learning_rate=0.01)
    assert np.isfinite(estimator.fit(X, y).predict(X)).all()


def test_partial_fit_diverging_leaves_fitted_estimator(on_rows):
    text = "loss became (nan|inf)"
    assert_refused(on_rows, lambda: on_rows.partial_fit(X, y * 1e30), text)
    assert np.isfinite(on_rows.predict(X)).all()
