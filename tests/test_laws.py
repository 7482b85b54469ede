"""The laws of state, over random geometries: rows, cuts and orders drawn at random.

What is drawn freely is the rows, where the series starts from, and how it is cut up.
The networks come from a small fixed pool, :data:`POOL`, whose members are fitted once:
each costs a second or two of compilation, which says nothing about a law.

The NumPy LSTM of ``helpers`` answers every question one row at a time; the estimators
must agree with it, with each other, and with themselves asked in another way.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import itertools
import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import joblib
import numpy as np
import pytest
from helpers import (
    ROUNDING,
    TRAINING,
    NaiveLSTM,
    assert_close,
    assert_identical_weights,
    assert_same_state,
    assert_same_weights,
    left_nan_windows,
    make_rows,
    outputs_of,
    pieces,
    seeds,
    weight_change,
    windows_by_hand,
)
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor

# --------------------------------------------------------------------------------------
# The pool of fitted networks
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """One network of the pool, and how many windows it was trained on.

    ``n_classes`` 0 is a regressor. ``n_extra`` windows are left over by the batches:
    dropped, or, with ``drop_remainder=False``, joined by empty lanes.
    """

    batch_size: int
    sequence_length: int
    n_features: int
    units: tuple[int, ...] = (3,)
    n_outputs: int = 1
    n_classes: int = 0
    stateful: bool = True
    n_extra: int = 0
    drop_remainder: bool = True

    @property
    def n_rows(self) -> int:
        """Return the number of training rows: three batches and the extra windows."""
        return self.sequence_length - 1 + 3 * self.batch_size + self.n_extra

    @property
    def head(self) -> str:
        """Return the activation of the network's head."""
        return {0: "linear", 2: "sigmoid"}.get(self.n_classes, "softmax")

    def __str__(self) -> str:
        kind = f"{self.n_classes}classes" if self.n_classes else f"{self.n_outputs}out"
        tail = ""
        if self.n_extra and self.stateful:
            tail = "dropped" if self.drop_remainder else "filled"
        return (
            f"B{self.batch_size}-T{self.sequence_length}-F{self.n_features}-{kind}-"
            f"{len(self.units)}layer-{'stateful' if self.stateful else 'stateless'}"
            f"{tail and '-' + tail}"
        )


POOL = [
    Spec(1, 1, 1),
    Spec(1, 4, 2, n_outputs=2),
    Spec(2, 6, 3, (3, 2)),
    Spec(3, 1, 2, (3, 2), n_outputs=2, n_extra=2),
    Spec(4, 2, 1, n_extra=3, drop_remainder=False),
    Spec(5, 5, 1),
    Spec(6, 3, 3, n_classes=2),
    Spec(7, 3, 2, n_classes=3, n_extra=4),
    Spec(8, 6, 1, (3, 2), n_extra=1, drop_remainder=False),
    Spec(3, 4, 2, n_outputs=2, stateful=False),
    Spec(8, 2, 1, (3, 2), stateful=False, n_extra=3),
]
STATEFUL = [spec for spec in POOL if spec.stateful]
REGRESSORS = [spec for spec in POOL if not spec.n_classes]
LABELS = np.array(["high", "low", "mid"])

in_pool = pytest.mark.parametrize("spec", POOL, ids=str)
among_stateful = pytest.mark.parametrize("spec", STATEFUL, ids=str)


def make_target(spec: Spec, n_rows: int, seed: int) -> np.ndarray:
    """Return a target of the kind that ``spec`` learns."""
    rng = np.random.default_rng(seed + 1)
    if spec.n_classes:
        return LABELS[
            (np.arange(n_rows) + rng.integers(2, size=n_rows)) % spec.n_classes
        ]
    y = rng.normal(size=(n_rows, spec.n_outputs))
    return y[:, 0] if spec.n_outputs == 1 else y


def make_estimator(spec: Spec, **parameters: Any) -> Any:
    """Return an unfitted estimator of ``spec``, its steps large enough to see."""
    kind = StatefulLSTMClassifier if spec.n_classes else StatefulLSTMRegressor
    settings = {
        "sequence_length": spec.sequence_length,
        "batch_size": spec.batch_size,
        "stateful": spec.stateful,
        "drop_remainder": spec.drop_remainder,
        "shuffle": False,
        "epochs": 1,
        "optimizer": "adam",
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
def _trained(spec: Spec) -> Trained:
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    return Trained(make_estimator(spec).fit(X, y), X, y)


def trained(spec: Spec) -> Trained:
    """Return a copy of the pool's estimator, with its training rows."""
    estimator, X, y = _trained(spec)
    return Trained(copy.deepcopy(estimator), X.copy(), y.copy())


def naive_of(spec: Spec, estimator: Any, X: np.ndarray) -> NaiveLSTM:
    """Return the NumPy LSTM with the estimator's weights, seeded by training ``X``."""
    naive = NaiveLSTM(
        estimator.get_weights(),
        sequence_length=spec.sequence_length,
        batch_size=spec.batch_size,
        stateful=spec.stateful,
        head=spec.head,
    )
    naive.seed(X, drop_remainder=spec.drop_remainder)
    return naive


class Situation(NamedTuple):
    """Where a series goes on from: after training, from nothing, or somewhere between.

    ``X`` has ``n_seen`` rows to be observed first and at least one row to be answered.
    """

    spec: Spec
    cold: bool
    n_seen: int
    seed: int
    n_rows: int

    @property
    def rows(self) -> np.ndarray:
        """Return the rows to answer."""
        return make_rows(self.n_rows, self.spec.n_features, self.seed)

    def begin(self) -> tuple[Any, NaiveLSTM]:
        """Return the estimator and the oracle, both brought to the situation."""
        estimator, X, _ = trained(self.spec)
        naive = naive_of(self.spec, estimator, X)
        if self.cold:
            estimator.reset_states()
            naive.reset()
        if self.n_seen:
            seen = make_rows(self.n_seen, self.spec.n_features, self.seed + 99)
            estimator.observe(seen)
            naive.step(seen)
        return estimator, naive


def situations(pool: list[Spec] = POOL) -> st.SearchStrategy[Situation]:
    """Draw a network, a state to start from, and the rows that follow."""
    return st.builds(
        Situation,
        spec=st.sampled_from(pool),
        cold=st.booleans(),
        n_seen=st.integers(0, 12),
        seed=seeds,
        n_rows=st.integers(1, 30),
    )


# --------------------------------------------------------------------------------------
# Snapshots and copies
# --------------------------------------------------------------------------------------


def joblib_round_trip(estimator: Any) -> Any:
    """Dump and load through joblib, in memory."""
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "joblib": joblib_round_trip,
    "deepcopy": copy.deepcopy,
}


class Snapshot(NamedTuple):
    """All that a call which promises to change nothing could have changed."""

    params: dict[str, Any]
    weights: list[np.ndarray]
    state: Any
    attributes: set[str]


def snapshot(estimator: Any) -> Snapshot:
    """Copy an estimator's parameters, weights and state."""
    return Snapshot(
        copy.deepcopy(estimator.get_params()),
        [w.copy() for w in estimator.get_weights()],
        copy.deepcopy(estimator.get_states()),
        set(vars(estimator)),
    )


def assert_unchanged(estimator: Any, before: Snapshot) -> None:
    """Compare with a snapshot, bit for bit."""
    after = snapshot(estimator)
    assert after.params == before.params
    assert_identical_weights(after.weights, before.weights)
    assert_same_state(after.state, before.state)
    # Caches are private; nothing public may appear or go.
    public = {name for name in after.attributes ^ before.attributes if name[0] != "_"}
    assert not public


def assert_state_is(estimator: Any, naive: NaiveLSTM) -> None:
    """Compare an estimator's state with the oracle's, lane by lane."""
    state = estimator.get_states()
    assert_close(state.context, naive.context, what="context", **ROUNDING)
    if naive.stateful:
        assert state.position % naive.B == naive.position % naive.B
        for k, (h, c) in enumerate(state.layers):
            assert_close(h, naive.h[k], what=f"h of layer {k}", **ROUNDING)
            assert_close(c, naive.c[k], what=f"c of layer {k}", **ROUNDING)


def labels_of(spec: Spec, estimator: Any, outputs: np.ndarray) -> np.ndarray:
    """Turn outputs of the head into what ``predict`` returns."""
    if spec.n_classes == 2:
        return estimator.classes_[(outputs[:, 0] > 0.5).astype(int)]
    if spec.n_classes:
        return estimator.classes_[outputs.argmax(axis=1)]
    return outputs[:, 0] if spec.n_outputs == 1 else outputs


# --------------------------------------------------------------------------------------
# The NumPy oracle: predict, observe, step
# --------------------------------------------------------------------------------------


@given(situations())
def test_outputs_are_those_of_the_numpy_lstm(situation):
    """Each row has its window, its lane, and its lane's state: cold rows too."""
    estimator, naive = situation.begin()
    X = situation.rows
    expected = naive.predict(X)
    assert_close(outputs_of(estimator, X), expected, **ROUNDING)
    predicted = estimator.predict(X)
    if situation.spec.n_classes:
        assert predicted.tolist() == (
            labels_of(situation.spec, estimator, expected).tolist()
        )


@given(situations())
def test_states_are_those_of_the_numpy_lstm(situation):
    """After observing, state, context and position are the oracle's."""
    estimator, naive = situation.begin()
    assert_state_is(estimator, naive)
    assert estimator.observe(situation.rows) is estimator
    naive.step(situation.rows)
    assert_state_is(estimator, naive)


@among_stateful
def test_the_tolerances_can_tell_states_apart(spec):
    """Zero state, another lane, another context: each is a different answer.

    Without this, a network that ignores its state would obey every law here.
    """
    estimator, X, _ = trained(spec)
    rows = make_rows(3, spec.n_features, seed=4)
    naive = naive_of(spec, estimator, X)
    right = naive.predict(rows)
    wrong = []
    naive.reset()
    naive.context = X[len(X) - spec.sequence_length + 1 :]
    wrong.append(naive.predict(rows))  # zero state
    if spec.batch_size > 1:
        naive.seed(X, drop_remainder=spec.drop_remainder)
        naive.position += 1
        wrong.append(naive.predict(rows))  # the next lane
    if spec.sequence_length > 1:
        naive.seed(X, drop_remainder=spec.drop_remainder)
        naive.context = np.roll(naive.context, 1)
        naive.context[0] += 1.0
        wrong.append(naive.predict(rows)[:1])  # another past
    for answer in wrong:
        assert np.abs(answer - right[: len(answer)]).max() > 50 * ROUNDING["atol"]


@among_stateful
def test_position_counts_the_windows_taken(spec):
    """Rows without T-1 rows before them are answered but take no lane."""
    estimator, _, _ = trained(spec)
    estimator.reset_states()
    state = estimator.get_states()
    assert state.position == 0
    assert state.context.shape == (0, spec.n_features)
    assert not any(np.any(array) for layer in state.layers for array in layer)
    for n_seen in range(1, spec.sequence_length + spec.batch_size + 2):
        estimator.observe(make_rows(1, spec.n_features, seed=n_seen))
        state = estimator.get_states()
        assert state.position == max(0, n_seen - spec.sequence_length + 1)
        assert len(state.context) == min(n_seen, spec.sequence_length - 1)


@in_pool
def test_fit_seeds_the_state_after_the_last_training_row(spec):
    """The state is that of the final weights over the kept windows from zero state."""
    estimator, X, _ = trained(spec)
    assert_state_is(estimator, naive_of(spec, estimator, X))
    assert_same_state(estimator.get_states(), estimator.state_)


@in_pool
def test_training_rows_are_replayed_from_zero_state(spec):
    """In-sample outputs are those of the seeding pass, wherever the state is now."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    kept = naive.seed(X, drop_remainder=spec.drop_remainder)
    naive.reset()
    cold = naive.predict(X[: spec.sequence_length - 1])
    first = outputs_of(estimator, X.copy())
    assert len(first) == len(X)
    assert_close(first[len(X) - len(kept) :], kept, what="kept rows", **ROUNDING)
    if spec.sequence_length > 1:
        assert_close(first[: len(cold)], cold, what="cold rows", **ROUNDING)
    estimator.observe(make_rows(5, spec.n_features, seed=2))
    np.testing.assert_array_equal(outputs_of(estimator, X), first)


@among_stateful
@pytest.mark.parametrize("change", ["one number", "one row less"])
def test_rows_that_are_not_the_training_rows_go_on_from_the_state(spec, change):
    """Recognising the training data takes its whole content."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    other = X[:-1].copy() if change == "one row less" else X.copy()
    if change == "one number":
        other[len(X) // 2, -1] += 1.0
    assert_close(outputs_of(estimator, other), naive.predict(other), **ROUNDING)


@pytest.mark.slow
def test_many_rows_at_once_are_answered_like_few():
    """Thousands of rows in one call: none lost, each with its lane."""
    spec = POOL[7]
    estimator, X, _ = trained(spec)
    rows = make_rows(6_007, spec.n_features, seed=3)
    outputs = outputs_of(estimator, rows)
    naive = naive_of(spec, estimator, X)
    assert_close(outputs, naive.predict(rows), **ROUNDING)


@pytest.mark.slow
def test_training_on_many_rows_is_training_on_few_at_a_time():
    """Five thousand windows in one pass, or three thousand and then the rest."""
    spec = POOL[8]
    n_rows = spec.sequence_length - 1 + 5_000
    X, y = make_rows(n_rows, spec.n_features, 3), make_target(spec, n_rows, 3)
    # Small steps: over 625 of them rounding would otherwise be amplified.
    learning = {"optimizer": "sgd", "optimizer__learning_rate": 0.01}
    whole = make_estimator(spec, **learning).fit(X, y)
    parts = make_estimator(spec, **learning)
    parts.partial_fit(X[:3_001], y[:3_001]).partial_fit(X[3_001:], y[3_001:])
    assert weight_change(whole.initial_weights_, whole.get_weights()) > 1e-2
    assert_same_weights(parts.get_weights(), whole.get_weights(), rtol=1e-4, atol=1e-5)


@among_stateful
def test_estimators_that_share_a_geometry_do_not_share_anything_else(spec):
    """Between two calls on one, another of the same shape is trained and asked."""
    alone, X, y = trained(spec)
    rows = make_rows(9, spec.n_features, seed=4)
    expected = outputs_of(alone, rows)
    one = trained(spec).estimator
    other = make_estimator(spec, random_state=8, optimizer__learning_rate=0.5)
    halves = []
    for piece in (slice(0, 4), slice(4, 9)):
        halves.append(outputs_of(one, rows[piece]))
        one.observe(rows[piece])
        other.fit(X + 1.0, y).observe(rows).partial_fit(X, y)
        other.predict(rows)
    assert_close(np.concatenate(halves), expected, **ROUNDING)
    again = make_estimator(spec).fit(X, y)
    assert_identical_weights(again.get_weights(), alone.get_weights())


# --------------------------------------------------------------------------------------
# Laws 1 and 2: how the rows are cut up does not matter
# --------------------------------------------------------------------------------------


@given(situations(), st.data())
def test_steps_over_any_cut_equal_predict(situation, data):
    """``step`` over the pieces of X, put together, is ``predict(X)``."""
    X = situation.rows
    cut = data.draw(pieces(len(X)))
    estimator, _ = situation.begin()
    whole = estimator.predict(X)
    stepped = np.concatenate([estimator.step(X[piece]) for piece in cut])
    if situation.spec.n_classes:
        assert stepped.tolist() == whole.tolist()
    else:
        assert_close(stepped, whole, **ROUNDING)


@given(situations(), st.data())
def test_stepping_and_observing_arrive_at_the_same_state(situation, data):
    """``step`` leaves the state that ``observe`` leaves, in pieces or at once."""
    X = situation.rows
    cut = data.draw(pieces(len(X)))
    stepping, _ = situation.begin()
    observing, _ = situation.begin()
    for piece in cut:
        stepping.step(X[piece])
    observing.observe(X)
    assert_same_state(stepping.get_states(), observing.get_states(), **ROUNDING)


@given(situations(), st.integers(0, 30))
def test_observe_then_predict_is_the_tail_of_predict(situation, n_observed):
    """The answers for B after observing A are the tail of those for A and B."""
    X = situation.rows
    n_observed = min(n_observed, len(X) - 1)
    estimator, _ = situation.begin()
    whole = outputs_of(estimator, X)
    if n_observed:
        estimator.observe(X[:n_observed])
    assert_close(outputs_of(estimator, X[n_observed:]), whole[n_observed:], **ROUNDING)


@given(situations(), st.integers(1, 30))
def test_the_first_answers_do_not_depend_on_later_rows(situation, n_first):
    """Asked for fewer rows at once, the answers are the same."""
    X = situation.rows
    n_first = min(n_first, len(X))
    estimator, _ = situation.begin()
    whole = outputs_of(estimator, X)
    assert whole.shape[0] == len(X)
    assert_close(outputs_of(estimator, X[:n_first]), whole[:n_first], **ROUNDING)


@given(situations())
def test_one_row_at_a_time_equals_all_at_once(situation):
    """The streaming call, row by row, is the batch call."""
    X = situation.rows
    estimator, naive = situation.begin()
    whole = outputs_of(estimator, X)
    singly = []
    for i in range(len(X)):
        singly.append(outputs_of(estimator, X[i : i + 1]))
        estimator.observe(X[i : i + 1])
    assert_close(np.concatenate(singly), whole, **ROUNDING)
    naive.step(X)
    assert_state_is(estimator, naive)


# --------------------------------------------------------------------------------------
# Law 3: asking changes nothing
# --------------------------------------------------------------------------------------


def read_only(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return copies that cannot be written to."""
    copies = [array.copy() for array in arrays]
    for array in copies:
        array.setflags(write=False)
    return copies


@given(situations())
def test_asking_changes_nothing(situation):
    """``predict``, ``predict_proba``, ``score`` and ``forecast`` leave no trace."""
    spec = situation.spec
    estimator, _ = situation.begin()
    y = make_target(spec, situation.n_rows, situation.seed)
    weight = np.linspace(0.5, 1.0, len(y))
    given_arrays = [situation.rows, y, weight]
    X, y, weight = read_only(*given_arrays)
    before = snapshot(estimator)
    first = estimator.predict(X)
    assert_unchanged(estimator, before)
    if spec.n_classes:
        estimator.predict_proba(X)
        assert_unchanged(estimator, before)
    if len(X) > 1:  # R2 of a single row is undefined
        estimator.score(X, y, sample_weight=weight)
        assert_unchanged(estimator, before)
    row = X[0]
    estimator.forecast(4, start=X, feedback=lambda prediction, k: row)
    assert_unchanged(estimator, before)
    np.testing.assert_array_equal(estimator.predict(X), first)
    for after, given_array in zip((X, y, weight), given_arrays, strict=True):
        np.testing.assert_array_equal(after, given_array)


@in_pool
def test_training_and_observing_leave_the_callers_arrays_alone(spec):
    """Arrays that cannot be written to are accepted everywhere."""
    _, X, y = trained(spec)
    given_arrays = [X, y, np.arange(len(y)) % 3 / 2]
    arrays = read_only(*given_arrays)
    X, y, weight = arrays
    estimator = make_estimator(spec).fit(X, y, sample_weight=weight)
    estimator.observe(X)
    estimator.step(X)
    if spec.stateful:
        estimator.partial_fit(X, y, sample_weight=weight)
    for after, given_array in zip(arrays, given_arrays, strict=True):
        np.testing.assert_array_equal(after, given_array)


@pytest.mark.parametrize("origin", ["fit", "observe", "pickle", "joblib", "deepcopy"])
def test_a_state_handed_out_is_not_the_estimators_own(origin):
    """Writing into what ``get_states`` returned, if at all possible, changes nothing.

    Copying an array, as pickle and deepcopy do, makes it writeable again.
    """
    _, X, y = trained(POOL[1])
    estimator = make_estimator(POOL[1]).fit(X, y)
    if origin == "observe":
        estimator.observe(X)
    elif origin != "fit":
        estimator = COPIES[origin](estimator)
    before = snapshot(estimator)
    state = estimator.get_states()
    arrays = [*itertools.chain(*state.layers), state.context, state.last_output]
    for array in arrays + estimator.get_weights() + estimator.initial_weights_:
        if array.flags.writeable:
            array += 1.0
    assert_unchanged(estimator, before)
    estimator.reseed_states()
    if origin == "observe":
        estimator.observe(X)
    assert_same_state(estimator.get_states(), before.state)


def test_a_state_put_in_is_copied():
    """Writing later into the arrays of a state that was set changes nothing."""
    estimator = trained(POOL[1]).estimator
    state = pickle.loads(pickle.dumps(estimator.get_states()))
    estimator.set_states(state)
    before = snapshot(estimator)
    for array in [*itertools.chain(*state.layers), state.context]:
        if array.flags.writeable:
            array += 1.0
    assert_unchanged(estimator, before)


# --------------------------------------------------------------------------------------
# Law 4 and the state methods
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [s for s in POOL if not s.n_extra], ids=str)
def test_observing_the_training_rows_reproduces_the_seeded_state(spec):
    """``reset_states(); observe(X)`` is how the state came about."""
    estimator, X, _ = trained(spec)
    seeded = copy.deepcopy(estimator.state_)
    assert estimator.reset_states() is estimator
    estimator.observe(X)
    assert_same_state(estimator.state_, seeded, **ROUNDING)


@given(situations(), seeds)
def test_reseeding_goes_back_to_the_end_of_fit(situation, seed):
    """Whatever was observed since, ``reseed_states`` undoes it, bit for bit."""
    estimator, _ = situation.begin()
    estimator.step(situation.rows)
    assert estimator.reseed_states() is estimator
    pristine = trained(situation.spec).estimator
    assert_same_state(estimator.get_states(), pristine.get_states())
    X = make_rows(7, situation.spec.n_features, seed)
    np.testing.assert_array_equal(estimator.predict(X), pristine.predict(X))


@given(situations())
def test_states_can_be_taken_out_and_put_back(situation):
    """``set_states(get_states())`` restores the answers, bit for bit."""
    estimator, _ = situation.begin()
    X = situation.rows
    state = estimator.get_states()
    answer = estimator.predict(X)
    estimator.step(make_rows(9, situation.spec.n_features, seed=1))
    estimator.set_states(state)
    assert_same_state(estimator.get_states(), state)
    np.testing.assert_array_equal(estimator.predict(X), answer)
    # A state travels to another estimator with the same weights.
    other = trained(situation.spec).estimator
    other.set_states(state)
    np.testing.assert_array_equal(other.predict(X), answer)


def test_a_state_of_another_shape_is_refused_with_both_shapes():
    """The error names the lanes and units that came and those that were expected."""
    estimator = trained(POOL[4]).estimator  # 4 lanes of 3 units
    other = trained(POOL[5]).estimator  # 5 lanes of 3 units
    before = snapshot(estimator)
    with pytest.raises(ValueError, match=r"(?s)\(5, 3\).*\(4, 3\)|\(4, 3\).*\(5, 3\)"):
        estimator.set_states(other.get_states())
    assert_unchanged(estimator, before)


# --------------------------------------------------------------------------------------
# Law 5: copies
# --------------------------------------------------------------------------------------


by_each_copy = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


@by_each_copy
@given(situation=situations(), seed=seeds)
def test_copies_keep_weights_and_state(make_copy, situation, seed):
    """A copy answers alike, also after more rows, and goes its own way."""
    estimator, _ = situation.begin()
    before = snapshot(estimator)
    twin = make_copy(estimator)
    assert_unchanged(twin, before)
    X = situation.rows
    np.testing.assert_array_equal(twin.predict(X), estimator.predict(X))
    twin.observe(X)
    twin.reset_states()
    assert_unchanged(estimator, before)
    estimator.observe(X)
    twin.set_states(estimator.get_states())
    rows = make_rows(5, situation.spec.n_features, seed)
    np.testing.assert_array_equal(twin.predict(rows), estimator.predict(rows))
    assert_same_state(
        twin.reseed_states().get_states(), estimator.reseed_states().get_states()
    )


@by_each_copy
@among_stateful
def test_copies_go_on_training_like_the_original(make_copy, spec):
    """The optimizer's slots and an unfinished batch travel with a copy."""
    estimator, X, y = trained(spec)
    estimator.partial_fit(X[:-1], y[:-1])
    twin = make_copy(estimator)
    before = estimator.get_weights()
    for each in (estimator, twin):
        each.partial_fit(X, y)
    assert weight_change(before, estimator.get_weights()) > 1e-3
    assert_identical_weights(twin.get_weights(), estimator.get_weights())
    assert_same_state(twin.get_states(), estimator.get_states())


@in_pool
def test_a_clone_is_unfitted_and_starts_afresh(spec):
    """A clone has the parameters and nothing that was learnt."""
    estimator, X, y = trained(spec)
    cloned = clone(estimator)
    assert cloned.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        cloned.predict(X)
    cloned.fit(X, y)
    assert_identical_weights(cloned.initial_weights_, estimator.initial_weights_)
    assert_identical_weights(cloned.get_weights(), estimator.get_weights())
    assert weight_change(cloned.initial_weights_, cloned.get_weights()) > 1e-3
    assert_same_state(cloned.get_states(), estimator.get_states())


@pytest.mark.parametrize("random_state", [None, 0])
def test_fitting_again_never_starts_from_old_weights(random_state):
    """Neither a clone nor a second ``fit`` goes on from the first one's weights."""
    spec = POOL[5]
    _, X, y = trained(spec)
    estimator = make_estimator(spec, random_state=random_state).fit(X, y)
    start, end = estimator.initial_weights_, estimator.get_weights()
    for again in (clone(estimator).fit(X, y), estimator.fit(X, y)):
        assert weight_change(again.initial_weights_, end) > 1e-3
        same_start = weight_change(again.initial_weights_, start) == 0.0
        assert same_start == (random_state == 0)


def test_warm_start_goes_on_from_the_old_weights():
    """With ``warm_start=True`` a second ``fit`` starts where the first one ended."""
    spec = POOL[5]
    _, X, y = trained(spec)
    estimator = make_estimator(spec, warm_start=True).fit(X, y)
    end = estimator.get_weights()
    estimator.fit(X, y)
    assert_identical_weights(estimator.initial_weights_, end)
    assert weight_change(estimator.get_weights(), end) > 1e-3


# --------------------------------------------------------------------------------------
# Law 6: the same random_state, the same bits
# --------------------------------------------------------------------------------------

DROPOUT = [POOL[2], replace(POOL[7], units=(3, 2)), POOL[10]]


def dropout_digests() -> list[str]:
    """Fit networks with dropout and shuffling; return digests of their weights."""
    digests = []
    for spec in DROPOUT:
        X = make_rows(spec.n_rows, spec.n_features, TRAINING)
        y = make_target(spec, spec.n_rows, TRAINING)
        estimator = make_estimator(
            spec, dropout=0.4, shuffle=not spec.stateful, epochs=3, random_state=5
        ).fit(X, y)
        weights = b"".join(w.tobytes() for w in estimator.get_weights())
        answers = np.asarray(estimator.predict(X[:5] + 1.0)).tobytes()
        digests.append(hashlib.sha256(weights + answers).hexdigest())
    return digests


@pytest.mark.slow
def test_the_same_random_state_gives_the_same_bits_in_another_process():
    """Dropout, shuffling and initial weights all follow ``random_state``."""
    first = dropout_digests()
    np.random.seed(1234)  # noqa: NPY002 - a global seed has no say in it
    random.seed(1234)
    assert dropout_digests() == first
    script = "import json, test_laws as t; print(json.dumps(t.dropout_digests()))"
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.pathsep.join([here, os.path.dirname(here), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == first


@pytest.mark.parametrize("spec", DROPOUT, ids=str)
def test_another_random_state_gives_other_weights(spec):
    """Initial weights and, from equal weights, dropout masks depend on the seed."""
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    one, two = (
        make_estimator(spec, dropout=0.4, random_state=r).fit(X, y) for r in (1, 2)
    )
    assert weight_change(one.initial_weights_, two.initial_weights_) > 1e-3
    assert weight_change(one.get_weights(), two.get_weights()) > 1e-3


@pytest.mark.parametrize("spec", DROPOUT[1:2], ids=str)
def test_dropout_acts_in_training_only(spec):
    """It changes what is learnt; predictions draw nothing."""
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    dry, wet = (make_estimator(spec, dropout=p).fit(X, y) for p in (0.0, 0.4))
    assert_identical_weights(dry.initial_weights_, wet.initial_weights_)
    assert weight_change(dry.get_weights(), wet.get_weights()) > 1e-4
    rows = make_rows(12, spec.n_features, seed=2)
    naive = naive_of(spec, wet, X)
    assert_close(outputs_of(wet, rows), naive.predict(rows), **ROUNDING)


def test_shuffling_is_of_windows_and_only_where_nothing_is_carried():
    """In one batch of all windows order is nothing; in three batches it is not."""
    spec = Spec(12, 2, 1, stateful=False)
    X = make_rows(13, 1, TRAINING)  # 12 windows
    y = make_target(spec, 13, TRAINING)
    together, apart = (
        [
            make_estimator(spec, batch_size=b, shuffle=s, epochs=2).fit(X, y)
            for s in (False, True)
        ]
        for b in (12, 4)
    )
    # Rounding of a sum in another order, through two steps of Adam.
    assert_same_weights(
        together[1].get_weights(), together[0].get_weights(), rtol=1e-4, atol=1e-5
    )
    assert weight_change(apart[0].get_weights(), apart[1].get_weights()) > 1e-3
    carried = [
        make_estimator(POOL[5], shuffle=s).fit(*trained(POOL[5])[1:]).get_weights()
        for s in (False, True)
    ]
    assert_identical_weights(*carried)


def global_random_states() -> tuple[Any, Any]:
    """Return the states of NumPy's and Python's global generators."""
    return np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("random_state", [None, 0])
@in_pool
def test_global_random_states_are_untouched(spec, random_state):
    """Nothing is drawn from NumPy's or Python's own generators."""
    _, X, y = trained(spec)
    before = global_random_states()
    estimator = make_estimator(spec, shuffle=True, random_state=random_state)
    estimator.fit(X, y).predict(X[1:])
    after = global_random_states()
    np.testing.assert_equal(after[0], before[0])
    assert after[1] == before[1]


# --------------------------------------------------------------------------------------
# Ready-made windows
# --------------------------------------------------------------------------------------


@functools.cache
def _trained_on_windows(spec: Spec) -> Any:
    _, X, y = _trained(spec)
    windows = left_nan_windows(X, spec.sequence_length)
    # T is read from the windows, whatever the parameter says.
    return make_estimator(spec, sequence_length=11).fit(windows, y)


@in_pool
def test_ready_made_windows_train_the_same_network(spec):
    """Windows cut by the caller, short ones NaN at their start, change nothing."""
    estimator, X, _ = trained(spec)
    on_windows = copy.deepcopy(_trained_on_windows(spec))
    assert on_windows.sequence_length_ == spec.sequence_length
    assert on_windows.n_features_in_ == spec.n_features
    assert on_windows.n_windows_ == estimator.n_windows_
    assert_close(on_windows.history_["loss"], estimator.history_["loss"], **ROUNDING)
    assert_same_weights(on_windows.get_weights(), estimator.get_weights(), **ROUNDING)
    windows = left_nan_windows(X, spec.sequence_length)
    assert_close(outputs_of(on_windows, windows), outputs_of(estimator, X), **ROUNDING)


@given(spec=st.sampled_from(POOL), seed=seeds, n=st.integers(1, 25), cold=st.booleans())
def test_ready_made_windows_are_answered_like_the_rows_they_hold(spec, seed, n, cold):
    """Lanes are the same; what context would supply is in the windows themselves."""
    _, X, _ = trained(spec)
    estimator = copy.deepcopy(_trained_on_windows(spec))
    naive = naive_of(spec, estimator, X)
    rows = make_rows(n, spec.n_features, seed)
    if cold:
        estimator.reset_states()
        naive.reset()
        windows = left_nan_windows(rows, spec.sequence_length)
    else:
        windows = windows_by_hand(np.vstack([X, rows]), spec.sequence_length)[-n:]
    whole = outputs_of(estimator, windows)
    assert_close(whole, naive.predict(rows), **ROUNDING)
    half = n // 2
    if half:
        estimator.observe(windows[:half])
    assert_close(outputs_of(estimator, windows[half:]), whole[half:], **ROUNDING)


# --------------------------------------------------------------------------------------
# partial_fit
# --------------------------------------------------------------------------------------


class Chunked(NamedTuple):
    """A series with weights, as rows or ready-made windows, and a way to cut it."""

    spec: Spec
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    cut: list[slice]


@st.composite
def chunked(draw: st.DrawFn, whole_batches: bool) -> Chunked:
    """Draw a series in chunks of any size, smaller than a window or a batch too."""
    spec = draw(st.sampled_from(POOL))
    B, seed = spec.batch_size, draw(seeds)
    n_windows = B * draw(st.integers(2, 5))
    if not whole_batches:
        n_windows += draw(st.integers(0, B - 1))
    n_rows = spec.sequence_length - 1 + n_windows
    cut = draw(pieces(n_rows))
    X = make_rows(n_rows, spec.n_features, seed)
    if draw(st.booleans()):
        X = left_nan_windows(X, spec.sequence_length)
    y = make_target(spec, n_rows, seed)
    weight = np.random.default_rng(seed).uniform(0.5, 1.5, size=n_rows)
    return Chunked(spec, X, y, weight, cut)


def n_short(case: Chunked) -> int:
    """Return the number of rows before the first whole window."""
    return case.spec.sequence_length - 1


def fit_in_chunks(case: Chunked, cut: list[slice]) -> Any:
    """Train a new estimator by ``partial_fit`` over the pieces."""
    estimator = make_estimator(case.spec)
    classes = {"classes": LABELS[: case.spec.n_classes]} if case.spec.n_classes else {}
    for piece in cut:
        estimator.partial_fit(
            case.X[piece], case.y[piece], sample_weight=case.weight[piece], **classes
        )
    return estimator


@given(chunked(whole_batches=True))
def test_partial_fit_in_chunks_is_one_epoch_of_fit(case):
    """Batches that a chunk leaves unfinished wait for the next chunk's rows."""
    chunks = fit_in_chunks(case, case.cut)
    whole = make_estimator(case.spec).fit(case.X, case.y, sample_weight=case.weight)
    assert_identical_weights(chunks.initial_weights_, whole.initial_weights_)
    assert weight_change(whole.initial_weights_, whole.get_weights()) > 1e-2
    assert_same_weights(chunks.get_weights(), whole.get_weights(), **ROUNDING)
    state = chunks.get_states()
    assert state.position == len(case.X) - n_short(case)
    assert_close(state.context, whole.get_states().context, **ROUNDING)


@given(chunked(whole_batches=False))
def test_partial_fit_does_not_depend_on_the_chunks(case):
    """Weights, state and answers are those of one call; the last batch waits."""
    chunks = fit_in_chunks(case, case.cut)
    at_once = fit_in_chunks(case, [slice(0, len(case.X))])
    assert_same_weights(chunks.get_weights(), at_once.get_weights(), **ROUNDING)
    assert_same_state(chunks.get_states(), at_once.get_states(), **ROUNDING)
    new = make_rows(case.spec.batch_size + 2, case.spec.n_features, seed=3)
    if case.X.ndim == 3:
        new = np.stack([new] * case.spec.sequence_length, axis=1)
    assert_close(outputs_of(chunks, new), outputs_of(at_once, new), **ROUNDING)
    n_windows = len(case.X) - n_short(case)
    n_trained = len(case.X) - n_windows % case.spec.batch_size
    newest_left_out = make_estimator(case.spec).fit(
        case.X[:n_trained], case.y[:n_trained], sample_weight=case.weight[:n_trained]
    )
    assert_same_weights(chunks.get_weights(), newest_left_out.get_weights(), **ROUNDING)
    assert chunks.get_states().position == n_windows


@among_stateful
def test_partial_fit_after_fit_goes_on_from_its_state(spec):
    """The rows that follow are trained on from the lanes, context and optimizer."""
    estimator, X, _ = trained(spec)
    B, n_features = spec.batch_size, spec.n_features
    position = estimator.get_states().position
    rows, y = make_rows(B, n_features, seed=6), make_target(spec, B, seed=6)
    start = estimator.get_weights()
    estimator.partial_fit(rows, y)
    assert weight_change(start, estimator.get_weights()) > 1e-3
    state = estimator.get_states()
    assert state.position == position + B
    series = np.vstack([X, rows])
    assert_close(state.context, series[len(series) - spec.sequence_length + 1 :])
    # One batch is trained after its forward pass, so the lanes' states are those of
    # the weights that `fit` left.
    naive = naive_of(spec, trained(spec).estimator, X)
    naive.step(rows)
    for k, (h, c) in enumerate(state.layers):
        assert_close(h, naive.h[k], what=f"h of layer {k}", **ROUNDING)
        assert_close(c, naive.c[k], what=f"c of layer {k}", **ROUNDING)


# --------------------------------------------------------------------------------------
# forecast
# --------------------------------------------------------------------------------------


def make_feedback(spec: Spec) -> Any:
    """Return a feedback that makes a full row of a prediction and the step's number."""

    def feedback(prediction, k):
        if spec.n_classes:
            value = float(np.flatnonzero(prediction == LABELS)[0])
        else:
            value = np.ravel(prediction)[0]
        return value * np.arange(1, spec.n_features + 1) + 0.1 * (k % 3)

    return feedback


@given(situations(), st.integers(1, 12), st.booleans())
def test_forecast_is_the_one_step_calls_it_stands_for(situation, n_steps, started):
    """Each prediction, made into a row, is stepped over; the state is left alone."""
    spec, feedback = situation.spec, make_feedback(situation.spec)
    estimator, _ = situation.begin()
    if not started:  # a forecast without start needs a last row
        estimator.observe(situation.rows[:1])
    start = situation.rows if started else None
    walker = copy.deepcopy(estimator)
    before = snapshot(estimator)
    numbers = []

    def numbered(prediction, k):
        numbers.append(k)
        return feedback(prediction, k)

    forecast = estimator.forecast(n_steps, start=start, feedback=numbered)
    assert_unchanged(estimator, before)
    n_fed = n_steps - 1 if started else n_steps
    assert numbers == list(range(n_fed))
    if started:
        expected = [walker.step(start)[-1]]
    else:
        # Recover the prediction for the last row: it is asked for before it is seen.
        twin, _ = situation.begin()
        expected = [twin.step(situation.rows[:1])[-1]]
    for k in range(n_fed):
        expected.append(walker.step(feedback(expected[-1], k)[None])[0])
    expected = np.array(expected[-n_steps:])
    assert forecast.shape == expected.shape
    if spec.n_classes:
        assert forecast.tolist() == expected.tolist()
    else:
        assert_close(forecast, expected, **ROUNDING)


@pytest.mark.parametrize(
    "spec", [s for s in REGRESSORS if s.n_outputs == s.n_features], ids=str
)
@pytest.mark.parametrize("started", [False, True])
def test_forecast_after_fit_is_that_of_the_numpy_lstm(spec, started):
    """By default a prediction is the next row, from the last training row on."""
    estimator, X, _ = trained(spec)
    naive = naive_of(spec, estimator, X)
    start = make_rows(4, spec.n_features, seed=9) if started else None
    expected = naive.forecast(10, start)
    forecast = estimator.forecast(10, start=start)
    assert_close(forecast.reshape(10, -1), expected, **ROUNDING)
    assert forecast.shape == ((10,) if spec.n_outputs == 1 else (10, spec.n_outputs))


def test_forecast_needs_a_row_to_start_from_and_a_way_to_make_rows():
    """Neither is guessed."""
    estimator, X, _ = trained(POOL[2])  # three features, one output
    with pytest.raises(ValueError, match="feedback"):
        estimator.forecast(3, start=X)
    estimator.reset_states()
    with pytest.raises(ValueError, match="start"):
        estimator.forecast(3, feedback=lambda prediction, k: X[0])


@pytest.mark.parametrize("length", [1, 7, 64, 1000])
def test_partial_fit_over_a_mapped_file(tmp_path, length):
    """A series that stays on disk, read a chunk at a time, equals one `fit`."""
    n = 203
    spec = POOL[0]
    rows = np.memmap(tmp_path / "X", np.float64, "w+", shape=(n, spec.n_features))
    rows[:] = make_rows(n, spec.n_features, seed=5)
    n -= (n - spec.sequence_length + 1) % spec.batch_size
    rows, y = rows[:n], make_target(spec, n, seed=5)
    options = {"classes": LABELS[: spec.n_classes]} if spec.n_classes else {}
    chunks = make_estimator(spec)
    for first in range(0, n, length):
        piece = slice(first, first + length)
        chunks.partial_fit(rows[piece], y[piece], **options)
    whole = make_estimator(spec).fit(np.array(rows), y)
    assert_same_weights(chunks.get_weights(), whole.get_weights(), **ROUNDING)
