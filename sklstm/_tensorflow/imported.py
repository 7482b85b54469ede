"""Imports TensorFlow and Keras, without TensorFlow's start-up messages.

The estimators import this module; all others take `tf` and `keras` from
`sklstm._tensorflow`. TensorFlow writes lines about the CPU and a missing GPU to stderr
while it is imported, some of them before it reads its log level. They are dropped here,
unless the user's environment sets a log level. All else that is written to stderr
meanwhile is passed on, and the environment is restored.

Importing does not start TensorFlow's devices: `start_devices` does, before the first
program. Until then a process may be forked, which would hang afterwards, and the user
may choose threads and devices. TensorFlow reads two settings only once, when it starts
its devices, so they are made here:

- ``OMP_NUM_THREADS`` becomes TensorFlow's number of threads. joblib sets it in the
  workers of a parallel search, so that they do not compete for the cores.
- The folder of `kept_programs`, if the user names one. A warning says so where
  TensorFlow was started before, or has ``TF_XLA_FLAGS`` from the user.
"""

from __future__ import annotations

import functools
import gc
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from sklstm._tensorflow.kept_programs import VARIABLE, tensorflow_flags

_CHATTER = re.compile(
    rb"WARNING: All log messages before absl"
    rb"|[IWE]\d{4} "  # as in: I0000 00:00:1795 cudart_stub.cc:31] ...
    rb"|\d{4}-\d\d-\d\d .*: [IWE] "  # as in: 2026-01-31 12:00:00: I tensorflow/...
)


@contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Set environment variables in a `with` block, except those that the user set."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _stderr_without_chatter() -> Iterator[None]:
    """Drop TensorFlow's start-up lines from stderr in a `with` block.

    They come from C++, which writes to file descriptor 2 and not to ``sys.stderr``.
    """
    with ExitStack() as stack:
        try:
            kept = os.dup(2)
            stack.callback(os.close, kept)
            held = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # a service without stderr, or without a folder to write to
            yield
            return
        _flush_stderr()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(kept, 2)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)


def _flush_stderr() -> None:
    """Flush ``sys.stderr``, which is None in some services, or closed."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _settings() -> dict[str, str]:
    """Environment variables for TensorFlow's start that the user may override."""
    settings = {}
    n_threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if n_threads.isdecimal() and int(n_threads) > 0:
        settings["TF_NUM_INTRAOP_THREADS"] = n_threads
        settings["TF_NUM_INTEROP_THREADS"] = n_threads
    flags = tensorflow_flags()
    if flags:
        _warn_unless_read(flags)
        settings["TF_XLA_FLAGS"] = flags
    return settings


def _warn_unless_read(flags: str) -> None:
    """Warn if TensorFlow will not read `flags`, which name the folder of programs."""
    if "TF_XLA_FLAGS" in os.environ:
        why = f"TF_XLA_FLAGS is set. Unset it, or add to it: {flags}"
    elif _has_started():
        why = (
            "TensorFlow was started before. Fit or load an estimator of sklstm before"
            " anything else uses TensorFlow."
        )
    else:
        return
    warnings.warn(
        f"{VARIABLE}={os.environ[VARIABLE]!r} has no effect in this process, since"
        f" {why}",
        stacklevel=4,
    )


def _has_started() -> bool:
    """Whether TensorFlow has started its devices, which an import alone does not do."""
    module = sys.modules.get("tensorflow.python.eager.context")
    context = module and module.context_safe()
    return getattr(context, "_context_handle", None) is not None


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop TensorFlow's start-up lines, unless the user has set a log level."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    with _environment(TF_CPP_MIN_LOG_LEVEL="3"), _stderr_without_chatter():
        yield


@contextmanager
def _collected_once() -> Iterator[None]:
    """Disable the garbage collector in a `with` block, and collect once at its end.

    TensorFlow's import creates so many lasting objects that the collector, which
    examines them again and again, would take a noticeable part of a first fit.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


@_collected_once()
def _import():
    import keras
    import tensorflow as tf

    return tf, keras


@functools.cache
def _start_devices() -> None:
    flags = _SETTINGS.get("TF_XLA_FLAGS")
    if flags and _has_started() and not _WAS_STARTED:
        _warn_unless_read(flags)
    with _environment(**_SETTINGS), _quiet():
        tf.config.list_logical_devices()  # they announce themselves


def start_devices() -> None:
    """Start TensorFlow's devices if they are not, with the settings named above."""
    with _STARTING:
        _start_devices()


_STARTING = threading.Lock()
_WAS_STARTED = _has_started()
_SETTINGS = _settings()


def _check_backend(name: str) -> None:
    """Raise ImportError for a backend other than TensorFlow."""
    if name != "tensorflow":
        raise ImportError(
            "sklstm runs on Keras's TensorFlow backend, but Keras was started with"
            f" {name!r}. Set KERAS_BACKEND=tensorflow (or unset it) before Keras is"
            " first imported."
        )


if "keras" not in sys.modules:  # it would fail itself for want of the other library
    _check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
with _environment(KERAS_BACKEND="tensorflow"), _quiet():
    tf, keras = _import()
_check_backend(keras.backend.backend())
if "TF_XLA_FLAGS" in _SETTINGS:  # or an unpickled optimizer would start them without
    start_devices()
