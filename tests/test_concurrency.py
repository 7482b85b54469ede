"""Threads, and what a process shares: nothing leaks or locks.

Compiled programs outlive fits and are lent from one pool to whoever needs them, one
user at a time. So whatever runs beside them, each answer must be the one that the same
call gives alone: bit for bit, since it is the same program on the same numbers. What
belongs to the process (global generators, TensorFlow's settings, memory) is left alone.

Every wait here has an end: a deadlock fails the test with all threads' tracebacks.
"""

from __future__ import annotations

import copy
import ctypes
import faulthandler
import gc
import os
import random
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from concurrency_cases import (
    MANY,
    PATIENCE,
    N,
    X,
    assert_equal_estimators,
    fit,
    fits_alone,
    folds,
    regressor,
    y,
)
from helpers import (
    weight_change,
)
from tensorflow.python.framework.config import is_op_determinism_enabled

from sklstm._compiled.program_pool import POOL
from sklstm._network.architecture import seeded

# --------------------------------------------------------------------------------------
# Threads
# --------------------------------------------------------------------------------------


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run each task in a thread of its own, all started together; return results."""
    start, results, errors = threading.Barrier(len(tasks)), {}, []

    def run(k: int) -> None:
        try:
            start.wait(PATIENCE)
            results[k] = tasks[k]()
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(tasks))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if any(thread.is_alive() for thread in threads):
        faulthandler.dump_traceback(sys.__stderr__)
        pytest.fail(f"a thread did not come back within {PATIENCE} s")
    if errors:
        raise errors[0]
    return [results[k] for k in range(len(tasks))]


def test_at_once_raises_an_error_of_a_thread():
    """An error in a thread reaches the test."""

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        at_once(fail, lambda: None)


def test_predict_in_two_threads_gives_same_bits():
    """Short calls run in NumPy, long ones compiled; each gives what it gives alone."""
    estimator = fits_alone()[0]
    state = estimator.get_states()
    tables = [MANY[:40], MANY[40:47], MANY, MANY[::-1]]
    expected = [estimator.predict(table) for table in tables]

    def predict(order: list[int]) -> list[bool]:
        found = [(k, estimator.predict(tables[k])) for k in order * 5]
        return [np.array_equal(p, expected[k]) for k, p in found]

    for agree in at_once(lambda: predict([0, 2, 1, 3]), lambda: predict([3, 0, 2, 1])):
        assert all(agree)
    assert estimator.get_states() is state


def test_step_of_copies_in_two_threads_gives_same_bits():
    """Each has a state of its own, whatever arrays they share."""
    estimator = fits_alone()[0]
    rows = [MANY[:100], MANY[100:200]]

    def step(walker: Any, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([walker.step(row[np.newaxis]) for row in rows])

    expected = [step(copy.deepcopy(estimator), table) for table in rows]
    for copied in (copy.copy, copy.deepcopy):
        one, two = copied(estimator), copied(estimator)
        found = at_once(lambda: step(one, rows[0]), lambda: step(two, rows[1]))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_fit_same_shape_in_two_threads_gives_same_bits():
    """Both need the same compiled program: one borrows it, the other gets a second."""
    found = at_once(lambda: fit("one", 0), lambda: fit("one", 1))
    assert_equal_estimators(found[0], fits_alone()[0])
    assert_equal_estimators(found[1], fits_alone()[1])


def test_fit_two_shapes_in_two_threads_gives_same_bits():
    """No program is compiled before they start."""
    POOL.clear()
    found = at_once(lambda: fit("one"), lambda: fit("another"))
    assert_equal_estimators(found[0], fits_alone()[0])
    assert_equal_estimators(found[1], fit("another"))


def test_fit_while_another_thread_predicts_gives_same_bits():
    """A compiled prediction and a fit of the same shape borrow from one pool."""
    estimator = fits_alone()[0]
    expected = estimator.predict(MANY)
    done = threading.Event()

    def fit_some() -> list[Any]:
        try:
            return [fit("one", k % 2) for k in range(6)]
        finally:
            done.set()

    def predict_meanwhile() -> list[bool]:
        agree = []
        while not done.is_set() or len(agree) < 3:
            agree.append(np.array_equal(estimator.predict(MANY), expected))
        return agree

    fits, agree = at_once(fit_some, predict_meanwhile)
    assert all(agree)
    for k, found in enumerate(fits):
        assert_equal_estimators(found, fits_alone()[k % 2])


def test_cross_validate_in_joblib_threads_gives_same_bits():
    """scikit-learn's folds, two at a time in one process."""
    found = [folds(n_jobs=1), folds(n_jobs=2, backend="threading")]
    for one, two in zip(*found, strict=True):
        assert_equal_estimators(one, two)


def test_seeded_in_two_threads_takes_turns():
    """Keras draws from global generators, which are lent to one builder at a time.

    Without turns, the one who comes second takes the first one's seed for the user's
    state, and puts that back when it is done.
    """
    first_is_in, second_is_in = threading.Event(), threading.Event()
    first_is_out = threading.Event()

    def first() -> list[float]:
        with seeded(1):
            first_is_in.set()
            second_is_in.wait(0.5)
            drawn = [random.random(), np.random.random()]  # noqa: NPY002
        first_is_out.set()
        return drawn

    def second() -> list[float]:
        first_is_in.wait(PATIENCE)
        with seeded(2):
            second_is_in.set()
            first_is_out.wait(0.5)
            return [random.random(), np.random.random()]  # noqa: NPY002

    before = global_generators()
    drawn = at_once(first, second)
    after = global_generators()
    for found, seed in zip(drawn, (1, 2), strict=True):
        generators = random.Random(seed), np.random.RandomState(seed)
        assert found == [generator.random() for generator in generators]
    assert after == before


# --------------------------------------------------------------------------------------
# What belongs to the process
# --------------------------------------------------------------------------------------


def global_generators() -> list[Any]:
    """Return the states of Python's, NumPy's and TensorFlow's global generators."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return [
        random.getstate(),
        [np.asarray(part).tolist() for part in numpy_state],
        tf.random.get_global_generator().state.numpy().tolist(),
    ]


def settings_of_the_process() -> dict[str, Any]:
    """Return TensorFlow's and Keras's settings, and the environment."""
    return {
        "determinism": is_op_determinism_enabled(),
        "intra": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter": tf.config.threading.get_inter_op_parallelism_threads(),
        "jit": tf.config.optimizer.get_jit(),
        "options": tf.config.optimizer.get_experimental_options(),
        "eager": tf.config.functions_run_eagerly(),
        "placement": tf.config.get_soft_device_placement(),
        "floatx": keras.config.floatx(),
        "policy": keras.config.dtype_policy().name,
        "environment": dict(os.environ),
    }


def everything() -> None:
    """Build, compile, fit, predict and train further, seeded and not."""
    POOL.clear()
    for random_state in (None, 0):
        estimator = fit("one", random_state)
        estimator.predict(MANY)
        estimator.partial_fit(X, y)


def draws(between: Callable[[], Any]) -> list[Any]:
    """Return what global generators draw after something was done between."""
    keras.utils.set_random_seed(3)  # Python's and NumPy's, TensorFlow's and Keras's
    tf.random.get_global_generator().reset_from_seed(3)
    first = tf.random.uniform([2])  # TensorFlow counts its operations
    between()
    tensors = [
        first,
        tf.random.uniform([2]),
        tf.random.get_global_generator().uniform([2]),
    ]
    if not version("keras").startswith("3.8."):  # whose own seeds stay as they were
        tensors.append(keras.random.uniform([2]))
    drawn = [tensor.numpy().tolist() for tensor in tensors]
    return [*drawn, random.random(), np.random.random()]  # noqa: NPY002


def test_fit_leaves_global_generators_and_settings_alone():
    """Generators, in their states and in what they draw next, and settings."""
    expected, settings = draws(lambda: None), settings_of_the_process()
    states = []

    def watched() -> None:
        states.append(global_generators())
        everything()
        states.append(global_generators())

    assert draws(watched) == expected
    assert states[0] == states[1]
    assert settings_of_the_process() == settings


@pytest.mark.parametrize("options", [{}, {"units": (2, 3), "dropout": 0.1}])
def test_fit_never_sets_global_generators(options, monkeypatch):
    """Another thread might draw from them meanwhile. Only model functions need them."""
    states = {random: ("seed", "setstate"), np.random: ("seed", "set_state")}
    for module, names in states.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *_: pytest.fail("was set"))
    before = global_generators()
    POOL.clear()
    regressor(**options).fit(X, y).rebuild(2)
    assert global_generators() == before


def test_fit_without_random_state_differs_each_time():
    """Even where the global generators are seeded alike before each."""
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        weights.append(fit("one", None).get_weights())
    assert weight_change(*weights) > 1e-3


class MallocInfo(ctypes.Structure):
    """What glibc's ``mallinfo2`` returns."""

    _fields_ = [
        *((f"other_{k}", ctypes.c_size_t) for k in range(4)),
        ("mapped", ctypes.c_size_t),
        *((f"other_{k}", ctypes.c_size_t) for k in range(4, 6)),
        ("in_use", ctypes.c_size_t),
        *((f"other_{k}", ctypes.c_size_t) for k in range(6, 8)),
    ]


def megabytes_in_use() -> float:
    """Return the heap in use: the resident memory would hide small leaks.

    What earlier compilations have freed stays resident, and is filled up first.
    """
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("asks glibc (2.33 or later) how much memory is in use")
    mallinfo.restype = MallocInfo
    gc.collect()
    info = mallinfo()
    return (info.in_use + info.mapped) / 2**20


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_fit_sixty_times_leaks_no_memory():
    """Fit four times fifteen: fifteen fits leave 8 kB as a rule.

    TensorFlow keeps 35 kB for every name that a variable ever had: an optimizer that is
    made and named anew for each fit leaves 2 MB in fifteen. A Keras model made for
    each fit leaves 5 to 25 MB a fit.
    """

    def leave_behind(n: int) -> float:
        before = megabytes_in_use()
        for k in range(n):
            estimator = regressor(random_state=k).fit(X[: N - k % 5], y[: N - k % 5])
            estimator.predict(X)
        estimator.partial_fit(X, y)
        return megabytes_in_use() - before

    leave_behind(10)
    assert np.median([leave_behind(15) for _ in range(4)]) < 0.1
