"""Any order of calls: a fitted estimator beside the NumPy LSTM, step by step.

The laws of ``test_law_*`` are each about one call or two. Here Hypothesis draws whole
histories: observe, step, predict, forecast, reset, reseed, states taken out and put
back, copies through pickle, deepcopy and files, further training. Three things go
through every history together:

* the estimator, which is replaced by copies of itself;
* another one, which is given the same rows in other pieces and is never copied;
* the oracle, :class:`helpers.NaiveLSTM`, which answers one row at a time.

After each call they must agree. Training is beyond the oracle, which takes over the
weights and the state that it leaves; there the two estimators check each other.
"""

from __future__ import annotations

import copy
import functools
import io
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    first_ordinary,
    make_rows,
    outputs_of,
    pieces,
    seeds,
    weight_change,
)
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

TOO_CLOSE = 1e-4  # outputs whose largest two differ by less may decode either way


# --------------------------------------------------------------------------------------
# The networks, each fitted once
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """A network: its lanes, window, layers, features, and the labels of a classifier.

    A regressor has no labels and as many outputs as features.
    """

    batch_size: int
    sequence_length: int
    units: tuple[int, ...]
    n_features: int
    labels: tuple = ()
    stateful: bool = True
    drop_remainder: bool = True

    def __str__(self) -> str:
        kind = f"{len(self.labels)}classes" if self.labels else "numbers"
        return (
            f"B{self.batch_size}-T{self.sequence_length}-{len(self.units)}layers-{kind}-"
            f"{'stateful' if self.stateful else 'stateless'}"
        )

    @property
    def head(self) -> str:
        """Return the activation of the network's head."""
        return {0: "linear", 2: "sigmoid"}.get(len(self.labels), "softmax")

    @property
    def feeds_itself(self) -> bool:
        """Return whether a prediction can be a row: labels of the pool if numbers."""
        return not self.labels or not isinstance(self.labels[0], str)

    def make_target(self, n_rows: int, seed: int) -> np.ndarray:
        """Return a target of the kind that the network learns."""
        rng = np.random.default_rng(seed + 1)
        if self.labels:
            return np.array(self.labels)[rng.integers(len(self.labels), size=n_rows)]
        return rng.normal(size=(n_rows, self.n_features))

    def decode(self, output: np.ndarray) -> int:
        """Return the number of the label that an output of the head stands for."""
        return int(output[0] > 0.5) if len(output) == 1 else int(output.argmax())

    def margin(self, outputs: np.ndarray) -> float:
        """Return by how much the clearest label wins where it wins by least."""
        if not self.labels or not len(outputs):
            return np.inf
        if outputs.shape[1] == 1:
            outputs = np.hstack([1 - outputs, outputs])
        first, second = np.sort(outputs, axis=1)[:, -2:].T[::-1]
        return float((first - second).min())


POOL = [
    Spec(1, 1, (3,), 1),
    Spec(3, 3, (3, 2), 2, drop_remainder=False),
    Spec(3, 1, (3,), 1, labels=(0.0, 1.0)),
    Spec(1, 3, (3, 2), 2, labels=("high", "low", "mid")),
    Spec(3, 3, (3,), 1, stateful=False),
]
N_EXTRA = 2  # training windows that fill no batch of three lanes


@functools.cache
def fitted(spec: Spec) -> tuple[Any, np.ndarray]:
    """Return a fitted estimator of the pool, and its training rows."""
    n_rows = spec.sequence_length - 1 + 3 * spec.batch_size + N_EXTRA
    X, y = make_rows(n_rows, spec.n_features, TRAINING), spec.make_target(n_rows, 1)
    y[: len(spec.labels)] = spec.labels or y[:0]  # each label at least once
    kind = StatefulLSTMClassifier if spec.labels else StatefulLSTMRegressor
    estimator = kind(
        spec.units,
        sequence_length=spec.sequence_length,
        batch_size=spec.batch_size,
        stateful=spec.stateful,
        drop_remainder=spec.drop_remainder,
        shuffle=False,
        epochs=2,
        optimizer="sgd",
        optimizer__learning_rate=0.1,
        optimizer__momentum=0.5,  # so that the optimizer has something to remember
        random_state=0,
    )
    return estimator.fit(X, y), X


def oracle_of(spec: Spec, estimator: Any) -> NaiveLSTM:
    """Return the NumPy LSTM with an estimator's weights, no row seen."""
    return NaiveLSTM(
        estimator.get_weights(),
        sequence_length=spec.sequence_length,
        batch_size=spec.batch_size,
        stateful=spec.stateful,
        head=spec.head,
    )


# --------------------------------------------------------------------------------------
# Copies
# --------------------------------------------------------------------------------------


def through_joblib(value: Any) -> Any:
    """Dump and load through joblib, in memory."""
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def through_file(estimator: Any) -> Any:
    """Save and load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "estimator.safetensors")
        estimator.save(path)
        return type(estimator).load(path)


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "joblib": through_joblib,
}
COPIES_OF_ESTIMATORS = dict(COPIES)
if hasattr(StatefulLSTMRegressor, "save"):
    COPIES_OF_ESTIMATORS["file"] = through_file


# --------------------------------------------------------------------------------------
# The machine
# --------------------------------------------------------------------------------------


class Memory:
    """What an oracle remembers, its weights apart: a value to keep and put back."""

    NAMES = ("h", "c", "context", "position", "last_output")

    def __init__(self, holder: Any):
        self.fields = {
            name: copy.deepcopy(getattr(holder, name)) for name in self.NAMES
        }

    def put_into(self, oracle: NaiveLSTM) -> None:
        """Let an oracle remember this."""
        for name, value in self.fields.items():
            setattr(oracle, name, copy.deepcopy(value))


@dataclass
class Kept:
    """A moment to go back to: both estimators' states and the oracle's memory."""

    state: Any
    state_of_other: Any
    memory: Memory


n_rows = st.integers(1, 7)


class AnyOrderOfCalls(RuleBasedStateMachine):
    """One history of one network."""

    def __init__(self, spec: Spec):
        super().__init__()
        self.spec = spec
        estimator, self.training_rows = fitted(spec)
        self.estimator = copy.deepcopy(estimator)
        self.other = copy.deepcopy(estimator)
        self.oracle = oracle_of(spec, estimator)
        self.oracle.seed(self.training_rows, drop_remainder=spec.drop_remainder)
        self.seeded = Memory(self.oracle)
        self.weights = estimator.get_weights()
        self.n_windows = estimator.n_windows_
        self.kept: list[Kept] = []
        self.keep_states()

    def rows(self, n: int, seed: int) -> np.ndarray:
        """Return rows to read."""
        return make_rows(n, self.spec.n_features, seed)

    def assert_predicts(self, found: Any, outputs: np.ndarray) -> None:
        """Compare predictions with the oracle's outputs of the head."""
        if not self.spec.labels:
            assert_close(found, outputs, what="predictions")
        elif self.spec.margin(outputs) > TOO_CLOSE:
            classes = np.array(self.spec.labels)
            expected = classes[[self.spec.decode(output) for output in outputs]]
            assert np.asarray(found).tolist() == expected.tolist()

    # --- calls that leave everything as it is ---------------------------------------

    @rule(n=n_rows, seed=seeds)
    def predict(self, n, seed):
        """Each row is answered from where the state is."""
        X = self.rows(n, seed)
        outputs = self.oracle.predict(X)
        assert_close(outputs_of(self.estimator, X), outputs, what="outputs")
        self.assert_predicts(self.estimator.predict(X), outputs)

    @rule()
    def predict_the_training_rows(self):
        """They are replayed as `fit` read them, or read on where nothing was seen."""
        replay = oracle_of(self.spec, self.estimator)
        X, n_kept = self.training_rows, None
        is_cold = not self.oracle.position and not len(self.oracle.context)
        if is_cold:
            outputs = replay.step(X)
        else:
            outputs = replay.seed(X, drop_remainder=self.spec.drop_remainder)
            n_kept = len(outputs)  # the windows before those are in no lane
        assert_close(outputs_of(self.estimator, X)[-(n_kept or 0) :], outputs)

    @rule(n_steps=n_rows, own=st.booleans())
    def forecast(self, n_steps, own):
        """What was predicted for the last row seen is fed back first."""
        if self.oracle.last_output is None:
            with pytest.raises(ValueError, match="No row was seen since the last"):
                self.estimator.forecast(n_steps, feedback=lambda p, k: p)
        else:
            self.compare_forecasts(n_steps, None, own)

    @rule(n_steps=n_rows, n=n_rows, seed=seeds, own=st.booleans())
    def forecast_from_rows(self, n_steps, n, seed, own):
        """Or for the last of some more rows."""
        self.compare_forecasts(n_steps, self.rows(n, seed), own)

    def compare_forecasts(self, n_steps, start, own) -> None:
        """Feed predictions back: themselves where they can be, or what is made."""
        by_itself = own and self.spec.feeds_itself
        of_oracle = functools.partial(self.feed_output, by_itself)
        outputs = self.oracle.forecast(n_steps, start, of_oracle)
        feedback = None if by_itself else self.feed
        found = self.estimator.forecast(n_steps, start, feedback)
        assert len(found) == n_steps
        if self.spec.margin(outputs) > TOO_CLOSE and self.last_label_is_clear(start):
            self.assert_predicts(found, outputs)

    def last_label_is_clear(self, start: np.ndarray | None) -> bool:
        """Whether the first label fed back can only be the one the oracle feeds."""
        if start is not None:
            return True  # it is among the outputs
        return self.spec.margin(self.oracle.last_output[np.newaxis]) > TOO_CLOSE

    def feed(self, prediction: Any, k: int) -> np.ndarray:
        """Make a row of a prediction: another one at every step."""
        if self.spec.labels:
            prediction = self.spec.labels.index(prediction)
        return np.sin(np.resize(prediction, self.spec.n_features) + k)

    def feed_output(self, by_itself: bool, output: np.ndarray, k: int) -> np.ndarray:
        """Make the same row of an output of the head."""
        prediction = output
        if self.spec.labels:
            prediction = self.spec.labels[self.spec.decode(output)]
        return np.atleast_1d(prediction) if by_itself else self.feed(prediction, k)

    @rule(
        n=n_rows, at=st.integers(0, 6), value=st.sampled_from([np.nan, np.inf, 1e300])
    )
    def read_what_is_no_number(self, n, at, value):
        """A refused call has moved nothing: the invariants hold after it."""
        X = self.rows(n, seed=0)
        X[at % n, -1] = value
        calls = [self.estimator.step, self.estimator.observe, self.estimator.predict]
        for call in calls:
            with (
                np.errstate(over="ignore"),
                pytest.raises(ValueError, match="X contains"),
            ):
                call(X)

    # --- calls that read rows -------------------------------------------------------

    @rule(n=n_rows, seed=seeds, data=st.data())
    def observe(self, n, seed, data):
        """Rows in one piece or in several lead to the same state."""
        X = self.rows(n, seed)
        assert self.estimator.observe(X) is self.estimator
        for piece in data.draw(pieces(n)):
            self.other.observe(X[piece])
        self.oracle.step(X)

    @rule(n=n_rows, seed=seeds, data=st.data())
    def step(self, n, seed, data):
        """As observe, and with the answers that predict would have given."""
        X = self.rows(n, seed)
        expected = self.estimator.predict(X)
        found = self.estimator.step(X)
        np.testing.assert_array_equal(found, expected)
        by_pieces = [self.other.step(X[piece]) for piece in data.draw(pieces(n))]
        outputs = self.oracle.step(X)
        self.assert_predicts(found, outputs)
        self.assert_predicts(np.concatenate(by_pieces), outputs)

    @rule()
    def observe_the_training_rows(self):
        """Here they are rows like any: nothing is replayed."""
        self.estimator.observe(self.training_rows)
        self.other.step(self.training_rows)
        self.oracle.step(self.training_rows)

    # --- calls that set the state ---------------------------------------------------

    @rule()
    def reset_states(self):
        """Nothing was ever seen."""
        for estimator in (self.estimator, self.other):
            assert estimator.reset_states() is estimator
        self.oracle.reset()

    @rule()
    def reseed_states(self):
        """Back to the end of `fit`."""
        for estimator in (self.estimator, self.other):
            assert estimator.reseed_states() is estimator
        self.seeded.put_into(self.oracle)

    @rule()
    def keep_states(self):
        """Take the state out, to be put back at any time."""
        states = self.estimator.get_states(), self.other.get_states()
        self.kept.append(Kept(*states, Memory(self.oracle)))

    @rule(which=st.integers(0, 9), how=st.sampled_from(["itself", *COPIES]))
    def put_states_back(self, which, how):
        """A state, or a copy of one, is where it was taken."""
        kept = self.kept[which % len(self.kept)]
        make = COPIES.get(how, lambda state: state)
        self.estimator.set_states(make(kept.state))
        self.other.set_states(make(kept.state_of_other))
        kept.memory.put_into(self.oracle)

    @rule(spec=st.sampled_from(POOL))
    def put_in_a_strangers_state(self, spec):
        """No two networks of the pool have lanes of the same shapes."""
        if spec != self.spec:
            stranger = fitted(spec)[0].get_states()
            with pytest.raises(ValueError, match="The state has layers of shapes"):
                self.estimator.set_states(stranger)

    # --- copies and training --------------------------------------------------------

    @rule(how=st.sampled_from(sorted(COPIES_OF_ESTIMATORS)))
    def go_on_as_a_copy(self, how):
        """A copy is as good: what comes is compared with the one never copied."""
        self.estimator = COPIES_OF_ESTIMATORS[how](self.estimator)

    @rule(n=n_rows, seed=seeds)
    def fit_again(self, n, seed):
        """Nothing is left of what was: neither weights nor state nor waiting rows."""
        n += self.spec.sequence_length - 1 + self.spec.batch_size
        X, y = self.rows(n, seed + TRAINING), self.spec.make_target(n, seed)
        y[: len(self.spec.labels)] = self.spec.labels or y[:0]
        for estimator in (self.estimator, self.other):
            assert estimator.fit(X, y) is estimator
        assert_identical_weights(self.estimator.get_weights(), self.other.get_weights())
        self.training_rows = X
        self.weights, self.n_windows = (
            self.estimator.get_weights(),
            self.estimator.n_windows_,
        )
        self.oracle = oracle_of(self.spec, self.estimator)
        self.oracle.seed(X, drop_remainder=self.spec.drop_remainder)
        self.seeded = Memory(self.oracle)

    @rule(
        n=n_rows, seed=seeds, how=st.sampled_from(["", *sorted(COPIES_OF_ESTIMATORS)])
    )
    def partial_fit(self, n, seed, how):
        """Neither pieces nor copies matter; the oracle goes on from what is left."""
        X, y = self.rows(n, seed), self.spec.make_target(n, seed)
        for piece in (slice(0, n // 2), slice(n // 2, n)) if n > 1 else [slice(n)]:
            self.estimator.partial_fit(X[piece], y[piece])
            if how:
                self.go_on_as_a_copy(how)
        self.other.partial_fit(X, y)
        weights, n_windows = self.estimator.get_weights(), self.estimator.n_windows_
        assert n_windows == self.other.n_windows_
        changed = weight_change(self.weights, weights) > 0
        assert changed == (n_windows > self.n_windows)
        self.weights, self.n_windows = weights, n_windows
        state = self.estimator.get_states()
        self.oracle = oracle_of(self.spec, self.estimator)
        if self.spec.stateful:
            self.oracle.h = [np.array(h, float) for h in state.h]
            self.oracle.c = [np.array(c, float) for c in state.c]
        self.oracle.context = np.array(state.context, float)
        self.oracle.position = state.position
        if state.last_output is not None:
            self.oracle.last_output = np.array(state.last_output, float)

    # --- what holds after every call ------------------------------------------------

    @invariant()
    def weights_are_those_that_training_left(self):
        """Bit for bit; the other's to rounding, since its batches were other calls."""
        assert_identical_weights(self.estimator.get_weights(), self.weights)
        assert_same_weights(self.other.get_weights(), self.weights, **ROUNDING)

    @invariant()
    def states_agree(self):
        """Lanes, context, position and last output are the oracle's."""
        state, oracle = self.estimator.get_states(), self.oracle
        assert type(state.position) is int
        assert state.position == oracle.position
        assert_close(state.context, oracle.context, what="context")
        if oracle.last_output is None:
            assert state.last_output is None
        else:
            assert_close(state.last_output, oracle.last_output, what="last output")
        if self.spec.stateful:
            for k in range(len(self.spec.units)):
                assert_close(state.h[k], oracle.h[k], what=f"h of layer {k}")
                assert_close(state.c[k], oracle.c[k], what=f"c of layer {k}")
        else:
            assert state.layers == ()
        assert_same_state(self.other.get_states(), state, **ROUNDING)


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("spec", first_ordinary(3, POOL), ids=str)
def test_calls_in_any_order_agree_with_numpy_lstm(spec):
    """For each network, two in five of the profile's examples: whole histories."""
    profile = settings.default
    run_state_machine_as_test(
        functools.partial(AnyOrderOfCalls, spec),
        settings=settings(
            profile,
            max_examples=profile.max_examples * 2 // 5,
            phases=set(profile.phases) - {Phase.explain},  # which takes minutes
        ),
    )


def test_numpy_lstm_one_row_behind_differs():
    """Left one row behind, or a lane further, it would be noticed."""
    for spec in POOL:
        estimator, X = fitted(spec)
        exact, behind = oracle_of(spec, estimator), oracle_of(spec, estimator)
        exact.seed(X, drop_remainder=spec.drop_remainder)
        behind.seed(X[:-1], drop_remainder=spec.drop_remainder)
        later = make_rows(4, spec.n_features, seed=5)
        outputs = outputs_of(estimator, later)
        assert_close(outputs, exact.predict(later))
        if spec.stateful or spec.sequence_length > 1:
            assert np.abs(outputs - behind.predict(later)).max() > 1e-4
