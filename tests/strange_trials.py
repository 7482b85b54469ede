"""Runs the trials of strange arguments: what a call answers, and what it leaves.

Owns the fitted subjects, each made once in a process, and the comparisons of answers,
of all that a call could have changed, and of the argument itself.
"""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from strange_arguments import LABELS, UNITS, WINDOWS, B, T, Trial, X, frame, y

from sklstm import SlidingWindow
from sklstm.streaming import Stream


def settings(**others: Any) -> dict[str, Any]:
    """Return parameters of the few shapes that are compiled here."""
    shape = {"units": UNITS, "sequence_length": T, "batch_size": B, "epochs": 1}
    return shape | {"random_state": 0} | others


def regressor() -> StatefulLSTMRegressor:
    return StatefulLSTMRegressor(**settings())


def classifier() -> StatefulLSTMClassifier:
    return StatefulLSTMClassifier(**settings())


# Fitted on other rows than the trials': those would be replayed, not gone on from.
EARLIER = X[::-1] + 1
SUBJECTS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "regressor": lambda: regressor().fit(EARLIER, y),
    "named": lambda: regressor().fit(frame(EARLIER), y),
    "pipeline": lambda: make_pipeline(FunctionTransformer(), regressor()).fit(
        EARLIER, y
    ),
    "on windows": lambda: regressor().fit(WINDOWS + 1, y),
    "classifier": lambda: classifier().fit(EARLIER, LABELS),
    "unfitted classifier": classifier,
    "classifier of windows": lambda: classifier().fit(WINDOWS + 1, LABELS),
    "window": lambda: SlidingWindow(T).fit(EARLIER),
}


@cache
def subject_once(name: str) -> Any:
    """Return a subject of the trials, made once in a process; trials take copies."""
    return SUBJECTS[name]()


def a_copy_of(name: str) -> Any:
    """Return a copy of a subject for one trial."""
    return another(subject_once(name))


_outcomes: dict[tuple, tuple[Any, Any]] = {}


def outcome_of_twin(trial: Trial) -> tuple[Any, Any]:
    """Return the plain twin's answer and fingerprint, each had once in a process."""
    if trial.key not in _outcomes:
        subject = a_copy_of(trial.subject)
        answer = trial.call(subject, trial.twin())
        _outcomes[trial.key] = answer, fingerprint(subject)
    return _outcomes[trial.key]


def another(subject: Any) -> Any:
    """Return a copy, of which a call may change any attribute but no array."""
    if hasattr(subject, "steps"):
        return Pipeline([(name, another(step)) for name, step in subject.steps])
    return copy.copy(subject)


def fingerprint(subject: Any) -> Any:
    """Return all bits of weights, state and what else a call could have changed."""
    subject = subject[-1] if hasattr(subject, "steps") else subject
    if isinstance(subject, SlidingWindow):
        return subject.context_.astype(float).tobytes(), subject._fit_digest
    if not hasattr(subject, "state_"):
        return None
    state, rows = subject.state_, subject._fitted.training_rows
    arrays = [*subject.get_weights(), *sum(state.layers, ()), state.context]
    arrays += [] if state.last_output is None else [state.last_output]
    bits = [(array.dtype, array.shape, array.tobytes()) for array in arrays]
    return bits, state.position, rows and rows.digests.tobytes(), subject.history_


def held(subject: Any) -> set[str]:
    """Return the names of an estimator's attributes; none of other subjects'."""
    return set(vars(subject)) if hasattr(subject, "state_") else set()


def imprint(argument: Any) -> bytes | None:
    """Return the bits of an argument, where they can be had."""
    if hasattr(argument, "iloc"):  # pickled with caches, which reading fills
        return argument.to_string().encode()
    try:
        return pickle.dumps(argument)
    except (TypeError, AttributeError, pickle.PicklingError):  # generators, lambdas
        return None


def assert_same_answer(found: Any, expected: Any) -> None:
    """Compare answers value by value; estimators that return themselves are equal."""
    if isinstance(found, tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same_answer(a, b)
    elif not hasattr(found, "fit") and not isinstance(found, Stream):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def assert_of_ours(error: BaseException) -> None:
    """Check that an error is not one of TensorFlow's or Keras's, nor raised there."""
    places = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    names = [type(error).__module__, places[-1].replace("\\", "/")]
    for package in ("tensorflow", "keras"):
        assert not any(
            name.startswith(package) or f"site-packages/{package}/" in name
            for name in names
        ), f"raised in {package}: {names}"
    assert "in user code" not in str(error)


def assert_taken_or_refused(trial: Trial) -> None:
    """Run a trial: as with its plain twin, or an error that leaves all as it was."""
    subject = a_copy_of(trial.subject)
    argument = trial.make()
    bits = imprint(argument)
    if trial.twin is not None:
        answer, after = outcome_of_twin(trial)
        assert_same_answer(trial.call(subject, argument), answer)
        assert fingerprint(subject) == after
    else:
        before, attributes = fingerprint(subject), held(subject)
        with pytest.raises(trial.error, match=trial.match) as caught:
            trial.call(subject, argument)
        assert_of_ours(caught.value)
        assert fingerprint(subject) == before
        assert held(subject) == attributes
    assert imprint(argument) == bits


def assert_large_table(table: list[Trial], *, n_taken: int, n_refused: int) -> None:
    """Check that each trial has its own name, and how many are taken and refused."""
    names = [f"{trial.subject}: {trial.name}" for trial in table]
    assert len(set(names)) == len(names)
    assert sum(trial.twin is not None for trial in table) >= n_taken
    assert sum(trial.twin is None for trial in table) >= n_refused
