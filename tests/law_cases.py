"""Networks and drawn situations for the laws of state; what a call may not change.

Owns a small fixed pool of networks, :data:`POOL`, each fitted once in a process: a
network costs a second or two of compilation, which says nothing about a law. Also
the situations that Hypothesis draws (which network, from which state, which rows),
copies of estimators, and snapshots of all that a call could have changed.

The NumPy LSTM of ``helpers`` answers every question one row at a time; the estimators
must agree with it, with each other, and with themselves asked in another way.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import pickle
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
    make_rows,
    seeds,
)
from hypothesis import strategies as st
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

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
    cell: str = "lstm"

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
            f"{tail and '-' + tail}-{self.cell}"
        )


POOL = [
    Spec(1, 1, 1),
    Spec(1, 4, 2, n_outputs=2, cell="rnn"),
    Spec(2, 6, 3, (3, 2)),
    Spec(3, 1, 2, (3, 2), n_outputs=2, n_extra=2, cell="gru"),
    Spec(4, 2, 1, n_extra=3, drop_remainder=False),
    Spec(5, 5, 1),
    Spec(6, 3, 3, n_classes=2),
    Spec(7, 3, 2, n_classes=3, n_extra=4),
    Spec(8, 6, 1, (3, 2), n_extra=1, drop_remainder=False, cell="gru"),
    Spec(3, 4, 2, n_outputs=2, stateful=False, cell="rnn"),
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
        "cell": spec.cell,
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
def trained_once(spec: Spec) -> Trained:
    X = make_rows(spec.n_rows, spec.n_features, TRAINING)
    y = make_target(spec, spec.n_rows, TRAINING)
    return Trained(make_estimator(spec).fit(X, y), X, y)


def trained(spec: Spec) -> Trained:
    """Return a copy of the pool's estimator, with its training rows."""
    estimator, X, y = trained_once(spec)
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
        assert_layers_are(state, naive)


def assert_layers_are(state: Any, naive: NaiveLSTM) -> None:
    """Compare h of each layer, and c where it has one."""
    for k, (h, *c) in enumerate(state.layers):
        assert_close(h, naive.h[k], what=f"h of layer {k}", **ROUNDING)
        if c:
            assert_close(c[0], naive.c[k], what=f"c of layer {k}", **ROUNDING)


def labels_of(spec: Spec, estimator: Any, outputs: np.ndarray) -> np.ndarray:
    """Turn outputs of the head into what ``predict`` returns."""
    if spec.n_classes == 2:
        return estimator.classes_[(outputs[:, 0] > 0.5).astype(int)]
    if spec.n_classes:
        return estimator.classes_[outputs.argmax(axis=1)]
    return outputs[:, 0] if spec.n_outputs == 1 else outputs


#: Networks with dropout: with two layers, of a classifier, stateless and shuffled.
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
