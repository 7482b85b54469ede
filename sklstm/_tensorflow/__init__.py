"""The one door to TensorFlow and Keras: imports them quietly.

TensorFlow announces its CPU features and the absence of a GPU on stderr while it is
imported, some of it before its log level is read. Those lines are held back here,
unless the user's own environment sets a log level; the environment is left as it was
found, and whatever else is written to stderr meanwhile is passed on.

Two settings are read while TensorFlow starts its devices, and only then:
``OMP_NUM_THREADS``, which joblib sets in the workers of a parallel search, so that they
do not fight over the cores, and the folder of `_program_cache`. A folder that comes too
late, or beside ``TF_XLA_FLAGS`` of the user's own, is warned of.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklstm._tensorflow.kept_programs import VARIABLE, tensorflow_flags

_CHATTER = re.compile(
    rb"WARNING: All log messages before absl"
    rb"|[IWE]\d{4} "  # as in: I0000 00:00:1795 cudart_stub.cc:31] ...
    rb"|\d{4}-\d\d-\d\d .*: [IWE] "  # as in: 2026-01-31 12:00:00: I tensorflow/...
)


@contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Environment variables for a while, where the user has not set them."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _stderr_without_chatter() -> Iterator[None]:
    """Hold back TensorFlow's start-up lines; C++ writes them to file descriptor 2."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)


def _settings() -> dict[str, str]:
    """What TensorFlow and Keras are told where the user tells them nothing else."""
    settings = {"KERAS_BACKEND": "tensorflow"}
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
    """Warn where TensorFlow will not read the `flags` for the folder of programs."""
    if "TF_XLA_FLAGS" in os.environ:
        why = f"TF_XLA_FLAGS is set. Unset it, or add to it: {flags}"
    elif _has_started():
        why = (
            "TensorFlow was started before. Import an estimator of sklstm before"
            " anything uses TensorFlow."
        )
    else:
        return
    warnings.warn(
        f"{VARIABLE}={os.environ[VARIABLE]!r} has no effect in this process, since"
        f" {why}",
        stacklevel=2,
    )


def _has_started() -> bool:
    """Whether TensorFlow has started its devices; importing it does not."""
    module = sys.modules.get("tensorflow.python.eager.context")
    context = module and module.context_safe()
    return getattr(context, "_context_handle", None) is not None


def _import_quietly():
    with _environment(**_settings()):
        if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
            return _import()
        with _environment(TF_CPP_MIN_LOG_LEVEL="3"), _stderr_without_chatter():
            return _import()


@contextmanager
def _collected_once() -> Iterator[None]:
    """Let the garbage collector rest, and collect once at the end.

    TensorFlow's modules are made of so many objects, all of which stay, that going
    through them takes a noticeable part of a first fit, which would otherwise do it.
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

    tf.config.list_logical_devices()  # starts the devices, which announce themselves
    return tf, keras


tf, keras = _import_quietly()

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "sklstm runs on Keras's TensorFlow backend, but Keras was started with"
        f" {keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow (or unset it)"
        " before Keras is first imported."
    )
