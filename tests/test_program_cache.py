"""The folder of compiled programs, and the threads of a parallel search's workers."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

import pytest
from helpers import run

from sklstm._tensorflow import kept_programs as _program_cache
from sklstm._tensorflow.kept_programs import tensorflow_flags

FIT = """
import os
import numpy as np
from sklstm import StatefulLSTMRegressor

X = np.sin(np.arange(40.0))[:, np.newaxis]
model = StatefulLSTMRegressor(3, epochs=2, random_state=0).fit(X, X[:, 0])
assert "TF_XLA_FLAGS" not in os.environ
print(*model.predict(X[:5]), *model.history_["loss"])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    version("tensorflow").startswith("2.18"),
    reason="TensorFlow 2.18 names the same program otherwise in another process",
)
def test_SKLSTM_CACHE_second_process_finds_program(tmp_path):
    """The second process writes no new file and answers bit for bit as the first."""
    folder = tmp_path / "deep" / "programs"
    first = run(FIT, SKLSTM_CACHE=str(folder))
    assert first.returncode == 0, first.stderr
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(written) == 1
    second = run(FIT, SKLSTM_CACHE=str(folder))
    assert second.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


LENGTHS = """
import keras
import numpy as np
from sklstm import StatefulLSTMRegressor

class Hook(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass

for callbacks in (None, [Hook()]):
    for n in (40, 31, 22):
        X = np.sin(np.arange(float(n)))[:, np.newaxis]
        options = dict(batch_size=BATCH, epochs=2, callbacks=callbacks, random_state=0)
        StatefulLSTMRegressor(3, **options).fit(X, X[:, 0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 4])
def test_SKLSTM_CACHE_one_program_for_all_lengths(tmp_path, batch_size):
    """For all lengths one program with callbacks, and one without."""
    script = LENGTHS.replace("BATCH", str(batch_size))
    done = run(script, SKLSTM_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("xla_compile_cache__*"))) == 2


STARTED = "import tensorflow as tf; tf.constant(1)"
FLAGS = "import os; os.environ['TF_XLA_FLAGS'] = '--tf_xla_cpu_global_jit'"
ONCE = """
{first}
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from sklstm import StatefulLSTMClassifier, StatefulLSTMRegressor
print(*[w.message for w in caught if "SKLSTM_CACHE" in str(w.message)], sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "first, words",
    [
        ("import tensorflow", ""),
        (STARTED, "has no effect in this process, since TensorFlow was started before"),
        (FLAGS, "has no effect in this process, since TF_XLA_FLAGS is set"),
    ],
)
def test_SKLSTM_CACHE_too_late_warns(tmp_path, first, words):
    done = run(ONCE.format(first=first), SKLSTM_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    warned = done.stdout.split("\n")[:-1]
    assert len(warned) == 1 and words in warned[0]
    assert bool(warned[0]) == bool(words)


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


THREADS = """
import os
{first}
from sklstm._tensorflow import tf
assert "TF_NUM_INTRAOP_THREADS" not in os.environ
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize("first", ["", "import tensorflow"])
def test_OMP_NUM_THREADS_sets_tensorflow_threads(first):
    """joblib sets it in its workers; TensorFlow has two pools of threads."""
    code, limits = THREADS.format(first=first), {"OPENBLAS_NUM_THREADS": "1"}
    one, six = (run(code, OMP_NUM_THREADS=n, **limits) for n in ("1", "6"))
    assert one.returncode == six.returncode == 0, one.stderr + six.stderr
    assert int(six.stdout) - int(one.stdout) == 2 * (6 - 1)


@pytest.mark.parametrize("value", ["", "many", "0", "-1"])
def test_OMP_NUM_THREADS_not_a_number_is_ignored(monkeypatch, value):
    from sklstm import _tensorflow

    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert "TF_NUM_INTRAOP_THREADS" not in _tensorflow._settings()
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert _tensorflow._settings()["TF_NUM_INTRAOP_THREADS"] == "3"
