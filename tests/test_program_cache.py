"""The folder of compiled programs, and the threads of a parallel search's workers."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers import run

from sklstm._tensorflow import kept_programs as _program_cache
from sklstm._tensorflow.kept_programs import tensorflow_flags

LENGTHS = """
import os
import keras
import numpy as np
from plain import StatefulLSTMRegressor

class Hook(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass

assert "TF_XLA_FLAGS" not in os.environ
for batch_size in (1, 4):
    for callbacks in (None, [Hook()]):
        for n in (40, 31, 22):
            X = np.sin(np.arange(float(n)))[:, np.newaxis]
            options = dict(batch_size=batch_size, epochs=2, callbacks=callbacks)
            model = StatefulLSTMRegressor(3, random_state=0, **options)
            model.fit(X, X[:, 0])
            print(*model.predict(X[:5]), *model.history_["loss"])
options = dict(windows="tiled", batch_size=4, sequence_length=3, epochs=2)
for n in (40, 31, 22):  # cut at other rows in each epoch
    X = np.sin(np.arange(float(n)))[:, np.newaxis]
    model = StatefulLSTMRegressor(3, random_state=n, **options).fit(X, X[:, 0])
    print(*model.predict(X[:5]), *model.history_["loss"])
"""
N_PROGRAMS = 2 * 2 + 1  # for each batch size with callbacks and without; and tiled


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Path, str]:
    """The folder that a first process has filled, and what it answered."""
    folder = tmp_path_factory.mktemp("cache") / "deep" / "programs"
    done = run(LENGTHS, SKLSTM_CACHE=str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.thorough
def test_SKLSTM_CACHE_one_program_for_all_lengths(first):
    """Other rows, and other cuts of tiled windows, take the same program."""
    folder, _ = first
    assert len(list(folder.glob("xla_compile_cache__*"))) == N_PROGRAMS


@pytest.mark.thorough
@pytest.mark.skipif(
    version("tensorflow").startswith("2.18"),
    reason="TensorFlow 2.18 names the same program otherwise in another process",
)
def test_SKLSTM_CACHE_second_process_finds_program(first):
    """The second process writes no new file and answers bit for bit as the first."""
    folder, answers = first
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(written) == N_PROGRAMS
    second = run(LENGTHS, SKLSTM_CACHE=str(folder))
    assert second.stdout == answers
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


IMPORTED = "import tensorflow"
STARTED = "import tensorflow as tf; tf.constant(1)"
FLAGS = "import os; os.environ['TF_XLA_FLAGS'] = '--tf_xla_cpu_global_jit'"
IMPORT = """
{first}
import os
import sys
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
    from sklstm._tensorflow import start_devices
    start_devices()  # as the first program does
print(*[w.message for w in caught if "SKLSTM_CACHE" in str(w.message)], sep="\\n")
assert "TF_NUM_INTRAOP_THREADS" not in os.environ
if sys.platform == "linux":
    print(len(os.listdir("/proc/self/task")), file=sys.stderr)
"""


def imported(first: str, folder: Path, n_threads: int = 6) -> tuple[str, str]:
    """Import the estimators after `first`; return warnings and number of threads."""
    limits = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": str(n_threads)}
    done = run(IMPORT.format(first=first), SKLSTM_CACHE=str(folder), **limits)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n"), done.stderr.split("\n")[-2]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "first, words",
    [
        (STARTED, "has no effect in this process, since TensorFlow was started before"),
        pytest.param(
            FLAGS,
            "has no effect in this process, since TF_XLA_FLAGS is set",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_SKLSTM_CACHE_too_late_warns(tmp_path, first, words):
    """One warning, however many names are imported."""
    warned, _ = imported(first, tmp_path)
    assert words in warned
    assert len(warned.splitlines()) == 1


@pytest.mark.thorough
def test_OMP_NUM_THREADS_sets_tensorflow_threads(tmp_path):
    """joblib sets it in its workers; TensorFlow has two pools of threads.

    It takes effect as well where TensorFlow was imported before, but not yet started;
    nor is it too late then for a folder of programs.
    """
    found = [
        imported(first, tmp_path, n) for first, n in [("", 1), ("", 6), (IMPORTED, 6)]
    ]
    assert [warned for warned, _ in found] == [""] * 3
    if sys.platform == "linux":  # threads are counted in /proc
        one, six, six_after_import = (int(n) for _, n in found)
        assert six - one == 2 * (6 - 1)
        assert six_after_import - one == 2 * (6 - 1)


def test_SKLSTM_CACHE_unset_keeps_nothing(monkeypatch):
    monkeypatch.delenv("SKLSTM_CACHE", raising=False)
    assert tensorflow_flags() == ""
    monkeypatch.setenv("SKLSTM_CACHE", "")
    assert tensorflow_flags() == ""


def test_SKLSTM_CACHE_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLSTM_CACHE", str(tmp_path / "programs"))
    assert str(tmp_path / "programs") in tensorflow_flags()
    if os.name == "posix":
        assert (tmp_path / "programs").stat().st_mode & 0o077 == 0


def test_SKLSTM_CACHE_drops_oldest_programs(tmp_path, monkeypatch):
    """Programs are dropped down to half the limit; other files are left alone."""
    monkeypatch.setenv("SKLSTM_CACHE", str(tmp_path))
    monkeypatch.setattr(_program_cache, "LARGEST", 1000)
    (tmp_path / "notes.txt").write_bytes(b"x" * 5000)
    for k in range(11):
        path = tmp_path / f"xla_compile_cache__{k}.pb"
        path.write_bytes(b"x" * 100)
        os.utime(path, (k, k))
    tensorflow_flags()
    left = sorted(path.name for path in tmp_path.glob("xla*"))
    assert left == sorted(f"xla_compile_cache__{k}.pb" for k in range(6, 11))
    assert (tmp_path / "notes.txt").exists()
    tensorflow_flags()
    assert len(list(tmp_path.glob("xla*"))) == 5


@pytest.mark.parametrize("name", ["file/programs", "a folder"])
def test_SKLSTM_CACHE_unusable_folder_raises(tmp_path, monkeypatch, name):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SKLSTM_CACHE", str(tmp_path / name))
    with pytest.raises(ImportError, match=r"SKLSTM_CACHE=.*Name another one"):
        tensorflow_flags()


@pytest.mark.parametrize("value", ["", "many", "0", "-1"])
def test_OMP_NUM_THREADS_not_a_number_is_ignored(monkeypatch, value):
    from sklstm._tensorflow import imported

    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert "TF_NUM_INTRAOP_THREADS" not in imported._settings()
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert imported._settings()["TF_NUM_INTRAOP_THREADS"] == "3"
