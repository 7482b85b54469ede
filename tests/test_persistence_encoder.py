"""Estimators with an encoder in files and as copies: scales, linear skips, averages.

What a file or a copy gives back is held against the estimator that it was made from:
the same answers, bit for bit, and the same ones after more training.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from encoder_cases import (
    KINDS,
    SMALL,
    STATEFUL,
    fitted,
    fitted_once,
    later_rows,
    next_row,
    seen_rows,
)
from helpers import assert_identical_weights, first_ordinary
from persistence_cases import (
    assert_same_array,
    assert_same_record,
    objects_of,
    panel,
    round_trip,
    targets,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm import StatefulLSTMRegressor
from sklstm.persistence import describe, rebuild


def answers(estimator, kind: str) -> list[np.ndarray]:
    """All that can be asked of an estimator, whose state is moved at the end."""
    seen, later = seen_rows(kind)[0], later_rows(kind)[0]
    made = [*map(estimator.predict, (seen, later))]
    if hasattr(estimator, "predict_proba"):
        made.append(estimator.predict_proba(later))
    if kind == "sequences":
        return [np.concatenate(part) for part in made]
    if kind in ("both", "skip", "chosen", "scale", "model"):
        made.append(estimator.forecast(4))
    made.append(estimator.step(later))
    made.append(estimator.state_.context)
    return made


def assert_same_answers(actual, expected, kind: str) -> None:
    """Of copies, so that the state of neither moves."""
    pairs = [answers(copy.deepcopy(e), kind) for e in (actual, expected)]
    for ours, theirs in zip(*pairs, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
        if theirs.dtype.kind == "f":
            assert np.isfinite(theirs).all()


def assert_same_fit(actual, expected) -> None:
    assert type(actual) is type(expected)
    assert_same_record(actual, expected)
    assert actual.history_ == expected.history_
    networks = [e._fitted.recipe.network for e in (actual, expected)]
    assert networks[0].n_skip == networks[1].n_skip
    for name in ("epochs_", "lags_", "sequence_length_", "batch_size_"):
        assert getattr(actual, name, None) == getattr(expected, name, None)
    assert_identical_weights(actual.get_weights(), expected.get_weights())


def test_kinds_have_what_their_names_say():
    """So that the tests below meet every part of an encoder."""
    both, scale, skip, chosen, classes = (
        fitted_once(kind)._fitted
        for kind in ("both", "scale", "skip", "chosen", "classes")
    )
    assert both.encoder.ties.tolist() == [0, 1] and both.encoder.shown is not None
    assert both.state.context.shape == (1, both.lags[-1] + 1, 2)
    assert scale.encoder.skip is None and scale.state.context.shape == (0, 2)
    assert skip.encoder.x_scale is None and {0, 1, 3, 11} <= set(skip.lags)
    assert chosen.sequence_length == 12 and chosen.epochs == len(
        chosen.history.get("loss", ())
    )
    assert classes.encoder.y_scale is None and classes.encoder.x_scale is not None
    shops = fitted_once("panel")._fitted
    assert shops.encoder.x_scale.mean.shape == (4, 2)
    assert shops.encoder.ties.tolist() == [-1]
    assert len(shops.state.context) == 3 and shops.input_shape.dtype == "float64"
    assert len(fitted_once("sequences")._fitted.state.context) == 0


# --------------------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", first_ordinary(4, KINDS))
def test_load_estimator_with_encoder_answers_alike(kind, tmp_path):
    original = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    assert_same_fit(loaded, original)
    assert_same_answers(loaded, original, kind)


@pytest.mark.parametrize("kind", first_ordinary(2, STATEFUL))
def test_load_estimator_with_encoder_trains_on_alike(kind, tmp_path):
    original = fitted(kind)
    loaded = round_trip(original, tmp_path, **objects_of(original))
    X, y = later_rows(kind)
    for estimator in (loaded, original):
        estimator.partial_fit(X[:3], y[:3]).partial_fit(X[3:], y[3:])
    assert_same_fit(loaded, original)
    seen = seen_rows(kind)[0]
    assert_same_array(loaded.predict(seen), original.predict(seen))
    changed = fitted_once(kind).get_weights()
    assert any(map(np.any, map(np.subtract, loaded.get_weights(), changed)))


def test_load_panel_with_encoder_in_other_states_goes_on_alike(tmp_path):
    """A series has joined, one was forgotten and one reset since the fit."""
    original = fitted("panel")
    X, _ = later_rows("panel")
    new = panel(("new",), n_days=2).astype(np.float64)
    original.observe(X).observe(new).forget("north").reset_states("süd")
    loaded = round_trip(original, tmp_path)
    assert_same_fit(loaded, original)
    assert loaded._fitted.encoder.series is not loaded.series_
    more = panel(("new",), 2, 2).astype(np.float64)
    for estimator in (loaded, original):
        estimator.partial_fit(more, targets(more))
    assert_same_fit(loaded, original)
    for estimator in (loaded, original):
        estimator.reseed_states()
    assert_same_fit(loaded, original)


@pytest.mark.parametrize("parameters", [{"scale": True}, {"linear_skip": True}])
def test_load_estimator_that_partial_fit_alone_has_trained(parameters, tmp_path):
    X, y = next_row(slice(60))
    original = StatefulLSTMRegressor(2, **SMALL, **parameters)
    original.partial_fit(X[:40], y[:40])
    loaded = round_trip(original, tmp_path)
    assert_same_fit(loaded, original)
    assert loaded.epochs_ == 0
    for estimator in (loaded, original):
        estimator.partial_fit(X[40:], y[40:])
    assert_same_fit(loaded, original)


def test_load_epochs_that_were_not_trained(tmp_path):
    """The file says how many, whatever the parameter has become since."""
    original = fitted("both").set_params(epochs=9)
    assert round_trip(original, tmp_path).epochs_ == 2


@pytest.mark.thorough
def test_load_linear_skip_for_a_users_network_has_no_encoder(tmp_path):
    """By default there is none, and rows are read as ever."""
    original = StatefulLSTMRegressor(
        **SMALL, scale=False, linear_skip="auto", model=KINDS["model"][2]["model"]
    ).fit(*next_row(slice(40)))
    loaded = round_trip(original, tmp_path, model=original.model)
    assert loaded._fitted.input_shape.dtype == "float32"
    assert loaded._fitted.encoder is None
    assert_same_fit(loaded, original)
    rows = next_row(slice(40, 50))[0]
    assert_same_array(loaded.predict(rows), original.predict(rows))


@pytest.mark.parametrize("kind", ["both", "panel", "sequences"])
def test_describe_after_rebuild_is_the_same(kind):
    """Nothing is lost on the way, and nothing is added."""
    header, arrays = describe(fitted_once(kind))
    again, others = describe(rebuild(type(fitted_once(kind)), header, arrays, {}))
    assert again == header
    assert others.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same_array(others[name], array)


# --------------------------------------------------------------------------------------
# Copies
# --------------------------------------------------------------------------------------

COPIES: dict[str, Any] = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", first_ordinary(1, COPIES))
@pytest.mark.parametrize("kind", ["both", "classes", "panel", "sequences"])
def test_copy_keeps_encoder_and_goes_on_alike(kind, way):
    original = fitted(kind)
    copied = COPIES[way](original)
    assert_same_fit(copied, original)
    assert_same_answers(copied, original, kind)
    if kind != "sequences":
        X, y = later_rows(kind)
        copied.partial_fit(X, y)
        assert_same_fit(original, fitted_once(kind))  # it has its own arrays
        assert_same_fit(copied, original.partial_fit(X, y))


@pytest.mark.parametrize("kind", ["both", "panel of classes"])
def test_clone_keeps_parameters_alone_and_fits_alike(kind):
    original = fitted(kind)
    cloned = clone(original)
    assert cloned.get_params() == original.get_params()
    with pytest.raises(NotFittedError):
        cloned.predict(later_rows(kind)[0])
    assert_same_fit(cloned.fit(*seen_rows(kind)), original)
    assert_same_answers(cloned, original, kind)
