"""Laws of tiled windows for one series, over rows and cuts drawn at random.

The oracle is the NumPy LSTM of ``helpers`` with windows of one row in one lane: each
row advances the one state by one step, whatever the tiles of the fit were.
"""

from __future__ import annotations

import copy
import functools
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from helpers import (
    PARITY,
    ROUNDING,
    TRAINING,
    NaiveLSTM,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    first_ordinary,
    make_rows,
    outputs_of,
    pieces,
    seeds,
    weight_change,
)
from hypothesis import given
from hypothesis import strategies as st
from law_cases import COPIES, assert_unchanged, snapshot
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.base import clone


class Spec(NamedTuple):
    """One network, and how many rows it was trained on."""

    batch_size: int
    sequence_length: int
    n_features: int
    n_rows: int
    units: tuple[int, ...] = (3,)
    n_outputs: int = 1
    n_classes: int = 0
    stateful: bool = True
    cell: str = "lstm"

    def __str__(self) -> str:
        kind = f"{self.n_classes}classes" if self.n_classes else f"{self.n_outputs}out"
        carries = "stateful" if self.stateful else "stateless"
        return (
            f"B{self.batch_size}-T{self.sequence_length}-F{self.n_features}-{kind}-"
            f"{len(self.units)}layer-{carries}-{self.cell}"
        )


POOL = [
    Spec(2, 4, 1, 29),
    Spec(3, 1, 1, 11, cell="rnn"),
    Spec(2, 4, 2, 26, (4, 3), n_outputs=2, cell="gru"),
    Spec(3, 4, 2, 31, n_classes=3),
    Spec(2, 4, 1, 18, stateful=False),
]
REGRESSORS = [spec for spec in POOL if not spec.n_classes]
LABELS = np.array(["high", "low", "mid"])
in_pool = pytest.mark.parametrize("spec", POOL, ids=str)


def make_estimator(spec: Spec, **parameters: Any) -> Any:
    """Return an unfitted estimator, its steps large enough to see."""
    kind = StatefulLSTMClassifier if spec.n_classes else StatefulLSTMRegressor
    settings = {
        "windows": "tiled",
        "cell": spec.cell,
        "sequence_length": spec.sequence_length,
        "batch_size": spec.batch_size,
        "stateful": spec.stateful,
        "epochs": 2,
        "optimizer__learning_rate": 0.05,
        "random_state": 0,
    }
    return kind(spec.units, **(settings | parameters))


class Trained(NamedTuple):
    """A fitted estimator with the rows it was trained on."""

    estimator: Any
    X: np.ndarray
    y: np.ndarray


@functools.cache
def trained_once(spec: Spec) -> Trained:
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    if spec.n_classes:
        y = LABELS[np.digitize(X[:, 0], [-0.5, 0.5])]
    else:
        y = make_rows(spec.n_rows, spec.n_outputs, TRAINING + 1)
        y = y[:, 0] if spec.n_outputs == 1 else y
    return Trained(make_estimator(spec).fit(X, y), X, y)


def trained(spec: Spec) -> Trained:
    """Return a copy of the pool's estimator, with its training rows."""
    estimator, X, y = trained_once(spec)
    return Trained(copy.deepcopy(estimator), X.copy(), y.copy())


def numpy_outputs(spec: Spec, estimator: Any, X: np.ndarray) -> np.ndarray:
    """Outputs of the NumPy LSTM over rows from zero state, one by one."""
    naive = NaiveLSTM(
        estimator.get_weights(),
        sequence_length=1,
        batch_size=1,
        head="softmax" if spec.n_classes else "linear",
    )
    if spec.stateful:
        return naive.step(X)
    made = []
    for first in range(0, len(X), spec.sequence_length):
        naive.reset()
        made.append(naive.step(X[first : first + spec.sequence_length]))
    return np.concatenate(made)


def step_outputs(estimator: Any, X: np.ndarray) -> np.ndarray:
    """Outputs of the head for rows that the state then advances over."""
    outputs = outputs_of(estimator, X)
    predicted = estimator.predict(X)
    np.testing.assert_array_equal(estimator.step(X), predicted)
    return outputs


class Situation(NamedTuple):
    """Rows to answer, after some have been seen, from the fit or from nothing."""

    spec: Spec
    cold: bool
    n_seen: int
    n_rows: int
    seed: int

    def begin(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return the estimator, the rows to answer, and the outputs to expect."""
        estimator, X, _ = trained(self.spec)
        rows = make_rows(self.n_seen + self.n_rows, self.spec.n_features, self.seed)
        before = X[:0] if self.cold else X
        if self.cold:
            estimator.reset_states()
        if self.n_seen:
            estimator.observe(rows[: self.n_seen])
        expected = numpy_outputs(self.spec, estimator, np.vstack([before, rows]))
        return estimator, rows[self.n_seen :], expected[len(expected) - self.n_rows :]


def situations(pool: list[Spec] = POOL) -> st.SearchStrategy[Situation]:
    """Draw a network, a state to start from, and the rows that follow."""
    return st.builds(
        Situation,
        spec=st.sampled_from(pool),
        cold=st.booleans(),
        n_seen=st.integers(0, 9),
        n_rows=st.integers(1, 20),
        seed=seeds,
    )


# --------------------------------------------------------------------------------------
# Laws 1 and 2: pieces
# --------------------------------------------------------------------------------------


@given(situations())
def test_predict_tiled_equals_numpy_lstm(situation):
    """Each row advances the state by one step, of rows seen and of rows asked for."""
    estimator, rows, expected = situation.begin()
    assert_close(outputs_of(estimator, rows), expected, **ROUNDING)


@given(situations(), st.data())
def test_step_tiled_over_pieces_equals_predict(situation, data):
    estimator, rows, expected = situation.begin()
    cuts = data.draw(pieces(len(rows)))
    made = [step_outputs(estimator, rows[piece]) for piece in cuts]
    assert_close(np.concatenate(made), expected, **ROUNDING)


@given(situations(), st.data())
def test_observe_tiled_then_predict_equals_tail_of_predict(situation, data):
    estimator, rows, expected = situation.begin()
    n = data.draw(st.integers(0, len(rows) - 1))
    if n:
        assert estimator.observe(rows[:n]) is estimator
    assert_close(outputs_of(estimator, rows[n:]), expected[n:], **ROUNDING)


@in_pool
def test_step_tiled_one_row_at_a_time_equals_predict(spec):
    """The one-row path of a served model, for rows in float32 and in float64."""
    estimator, X, _ = trained(spec)
    rows = make_rows(9, spec.n_features, seed=3)
    expected = numpy_outputs(spec, estimator, np.vstack([X, rows]))[len(X) :]
    for k, row in enumerate(rows):
        one = row[np.newaxis].astype(np.float32 if k % 2 else np.float64)
        assert_close(step_outputs(estimator, one), expected[k : k + 1], **ROUNDING)


@pytest.mark.parametrize("spec", [POOL[0], POOL[2]], ids=str)
def test_predict_tiled_thousands_of_rows_equals_numpy_lstm(spec):
    """Long calls are answered by a compiled program."""
    estimator, X, _ = trained(spec)
    rows = make_rows(5_003, spec.n_features, seed=3)
    expected = numpy_outputs(spec, estimator, np.vstack([X, rows]))[len(X) :]
    assert_close(outputs_of(estimator, rows), expected, **ROUNDING)
    state = estimator.observe(rows).get_states()
    again = trained(spec).estimator
    for piece in np.array_split(rows, 7):
        again.observe(piece)
    assert_same_state(again.get_states(), state, **ROUNDING)


# --------------------------------------------------------------------------------------
# Law 3: nothing changes
# --------------------------------------------------------------------------------------


@in_pool
def test_predict_score_forecast_tiled_change_nothing(spec):
    estimator, X, y = trained(spec)
    rows = make_rows(7, spec.n_features, seed=4)
    arrays = [X, y, rows]
    copies = [array.copy() for array in arrays]
    before = snapshot(estimator)
    first = outputs_of(estimator, rows)
    estimator.predict(X)
    estimator.score(X, y)
    estimator.score(rows, y[: len(rows)])
    estimator.lane_table(X)

    def zeros(prediction, k):
        return np.zeros(spec.n_features)

    estimator.forecast(3, feedback=zeros)
    estimator.forecast(2, start=rows, feedback=zeros)
    np.testing.assert_array_equal(outputs_of(estimator, rows), first)
    assert_unchanged(estimator, before)
    for array, kept in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("spec", REGRESSORS, ids=str)
def test_forecast_tiled_equals_feeding_predictions_by_hand(spec):
    estimator, X, _ = trained(spec)
    rows = make_rows(3, spec.n_features, seed=5)
    for start in (None, rows):
        by_hand = copy.deepcopy(estimator)
        made = by_hand.predict(X)[-1:] if start is None else by_hand.step(start)[-1:]
        expected = [] if start is None else [made[0]]
        while len(expected) < 4:
            made = by_hand.step(made.reshape(1, -1))
            expected.append(made[0])
        assert_close(estimator.forecast(4, start=start), expected, **ROUNDING)


# --------------------------------------------------------------------------------------
# Law 4: the state at the end of a fit
# --------------------------------------------------------------------------------------


@in_pool
def test_reset_states_then_observe_training_rows_reproduces_state(spec):
    estimator, X, _ = trained(spec)
    fitted = estimator.get_states()
    estimator.reset_states().observe(X)
    assert_same_state(estimator.get_states(), fitted, **ROUNDING)
    estimator.observe(X[:3]).reseed_states()
    assert_same_state(estimator.get_states(), fitted)


@in_pool
def test_fit_tiled_state_has_a_lane_for_the_series(spec):
    """Not one for each lane of training; every row is in it, and none is dropped."""
    estimator, X, _ = trained(spec)
    state = estimator.state_
    assert state.position.tolist() == [len(X)]
    units = [h.shape for h in state.h]
    assert units == [(1, u) for u in spec.units]
    assert estimator.n_dropped_windows_ == 0


@in_pool
def test_predict_tiled_training_rows_replays_from_zero_state(spec):
    """Wherever the state is now, in-sample outputs are those of a walk from zero."""
    estimator, X, _ = trained(spec)
    expected = numpy_outputs(spec, estimator, X)
    assert_close(outputs_of(estimator, X.copy()), expected, **ROUNDING)
    estimator.observe(make_rows(5, spec.n_features, seed=6))
    assert_close(outputs_of(estimator, X), expected, **ROUNDING)


@in_pool
def test_model_of_tiled_fit_has_its_state(spec):
    """``model_`` goes on where the estimator does."""
    estimator = trained(spec).estimator
    model = estimator.model_
    rows = make_rows(spec.sequence_length, spec.n_features, seed=7)
    if spec.stateful:
        outputs = np.asarray(model(rows[np.newaxis].astype(np.float32)))[0]
        assert_close(outputs, outputs_of(estimator, rows), **ROUNDING)
    assert estimator.rebuild(5).input_shape[0] == (5 if spec.stateful else None)


# --------------------------------------------------------------------------------------
# Law 5: copies
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", first_ordinary(2, COPIES.values()), ids=COPIES)
@in_pool
def test_copy_of_tiled_estimator_goes_on_alike(spec, copied):
    estimator, X, y = trained(spec)
    rows = make_rows(6, spec.n_features, seed=8)
    estimator.observe(rows[:3])
    other = copied(estimator)
    assert_same_state(other.get_states(), estimator.get_states())
    assert_identical_weights(other.get_weights(), estimator.get_weights())
    np.testing.assert_array_equal(outputs_of(other, X), outputs_of(estimator, X))
    np.testing.assert_array_equal(
        outputs_of(other, rows[3:]), outputs_of(estimator, rows[3:])
    )
    target = y[:3]
    other.partial_fit(rows[3:], target)
    estimator.partial_fit(rows[3:], target)
    assert_identical_weights(other.get_weights(), estimator.get_weights())


@in_pool
def test_clone_of_tiled_estimator_starts_anew(spec):
    estimator, X, y = trained(spec)
    again = clone(estimator)
    assert not hasattr(again, "state_")
    again.fit(X, y)
    assert_identical_weights(again.get_weights(), estimator.get_weights())
    assert_same_state(again.state_, estimator.state_)


# --------------------------------------------------------------------------------------
# Law 6, and how epochs are called
# --------------------------------------------------------------------------------------


@in_pool
def test_fit_tiled_same_random_state_gives_same_weights(spec):
    estimator, X, y = trained(spec)
    again = make_estimator(spec).fit(X, y)
    assert_identical_weights(again.get_weights(), estimator.get_weights())
    other = make_estimator(spec, random_state=1).fit(X, y)
    assert weight_change(other.get_weights(), estimator.get_weights()) > 1e-3


@pytest.mark.parametrize("random_state", [0, 4])
def test_fit_tiled_epochs_at_once_equal_epochs_one_by_one(random_state):
    """A callback has each epoch called by itself: runs begin where they did without.

    Runs of four and eight rows, drawn anew in each epoch, begin with a tile in some
    epochs and inside one in others: with the second random state not in the first.
    """
    ids = np.repeat([0, 1], [4, 8])
    X = np.column_stack([ids, make_rows(len(ids), 1, seed=9)])
    y = np.sin(X[:, 1].cumsum())
    at_once, one_by_one = (
        make_estimator(
            POOL[0],
            series_id=0,
            epochs=5,
            callbacks=callbacks,
            random_state=random_state,
        ).fit(X, y)
        for callbacks in (None, [keras.callbacks.Callback()])
    )
    assert_close(at_once.history_["loss"], one_by_one.history_["loss"], **PARITY)
    assert_same_weights(at_once.get_weights(), one_by_one.get_weights(), **PARITY)


# --------------------------------------------------------------------------------------
# Law 9: the tiles of the fit are those of the fit alone
# --------------------------------------------------------------------------------------


@given(
    batch_size=st.sampled_from([1, 2, 3]),
    sequence_length=st.sampled_from([1, 4]),
    n_rows=st.integers(1, 30),
    seed=seeds,
)
def test_predict_tiled_depends_on_neither_batch_size_nor_sequence_length(
    batch_size, sequence_length, n_rows, seed
):
    """With a learning rate of zero all have the initial weights, which are the same."""
    X, rows = make_rows(25, 1, TRAINING), make_rows(n_rows, 1, seed)
    y = X[:, 0]

    def outputs(spec):
        estimator = make_estimator(spec, epochs=1, optimizer__learning_rate=0.0)
        estimator.fit(X, y)
        in_sample, then = estimator.predict(X), estimator.predict(rows)
        return np.concatenate([in_sample, then, estimator.forecast(3)])

    found = outputs(Spec(batch_size, sequence_length, 1, len(X)))
    np.testing.assert_array_equal(found, outputs(Spec(2, 4, 1, len(X))))
