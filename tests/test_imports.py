"""What importing does, and who may import whom."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers import run

import sklstm

PACKAGE = Path(sklstm.__file__).parent

# --------------------------------------------------------------------------------------
# Processes that import
# --------------------------------------------------------------------------------------

IMPORT = """
import os
import sklearn  # which sets variables of its own
before = dict(os.environ)
import sklstm, sklstm.datasets, sklstm.preprocessing
from sklstm import RecurrentState, SlidingWindow, frame_series
import sys
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"tensorflow", "keras", "scikeras", "jax", "torch"}, loaded
assert dict(os.environ) == before
"""


def test_importing_is_quiet_and_leaves_tensorflow_alone():
    """So does using what needs no network."""
    done = run(IMPORT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


USE = '''
import os, sys
before = dict(os.environ)
import numpy as np

class Finder:
    """Speaks up, as a troubled library would, while TensorFlow is imported."""
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            print("disk is on fire", file=sys.stderr)

sys.meta_path.insert(0, Finder())
from sklstm import StatefulLSTMRegressor
rng = np.random.default_rng(0)
X = rng.normal(size=(12, 2))
model = StatefulLSTMRegressor(
    2, sequence_length=2, batch_size=3, epochs=2, random_state=0, validation_split=0.2)
model.fit(X, X[:, 0]).predict(X)
model.reset_states().predict(X)
model.forecast(2, start=X, feedback=lambda p, k: [p, p])
model.rebuild(1)

# TensorFlow and scikit-learn set variables of their own, by other prefixes.
after = dict(os.environ)
assert before.items() <= after.items()
ours = [k for k in after.keys() - before if k.startswith(("TF_", "KERAS_", "XLA_"))]
assert not ours, ours
'''


@pytest.mark.slow
@pytest.mark.xfail(
    version("tensorflow").startswith("2.18."),
    reason="TensorFlow 2.18 announces XLA when it first compiles",
    strict=True,
)
def test_using_an_estimator_is_quiet():
    """Neither TensorFlow's start nor its first compilation shows; others' lines do."""
    done = run(USE)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "disk is on fire\n")


@pytest.mark.slow
def test_chatter_for_those_who_ask():
    """The user's own environment variable has the last word."""
    done = run("import sklstm.regressor", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "cpu_feature_guard" in done.stderr


def test_another_backend_is_refused():
    """Keras with another backend cannot run the compiled passes."""
    done = run("import sklstm.regressor", KERAS_BACKEND="jax")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    if "No module named 'jax'" in last:
        pytest.skip("Keras itself fails first, for want of jax")
    assert "ImportError: sklstm runs on Keras's TensorFlow backend" in last
    assert "KERAS_BACKEND=tensorflow" in last


BACKEND = """
import sys, types
fake = types.ModuleType("keras")
fake.backend = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = fake
tf = types.ModuleType("tensorflow")
tf.config = types.SimpleNamespace(list_logical_devices=lambda: [])
sys.modules["tensorflow"] = tf
import sklstm._tensorflow
"""


def test_the_error_of_another_backend():
    """The same with stand-ins for both libraries, so that none need be installed."""
    done = run(BACKEND)
    last = done.stderr.strip().splitlines()[-1]
    assert last == (
        "ImportError: sklstm runs on Keras's TensorFlow backend, but Keras was started"
        " with 'jax'. Set KERAS_BACKEND=tensorflow (or unset it) before Keras is first"
        " imported."
    )


COLLECTOR = """
import gc, sys, types
gc.{start}()
keras, tf = types.ModuleType("keras"), types.ModuleType("tensorflow")
keras.backend = types.SimpleNamespace(backend=lambda: "tensorflow")
seen = []
listed = lambda: seen.append(gc.isenabled())
tf.config = types.SimpleNamespace(list_logical_devices=listed)
sys.modules.update(keras=keras, tensorflow=tf)
import sklstm._tensorflow
print(seen, gc.isenabled())
"""


@pytest.mark.parametrize("start, after", [("enable", True), ("disable", False)])
def test_the_garbage_collector_is_left_as_it_was(start, after):
    """It rests while TensorFlow is imported, whoever had it off keeps it off."""
    done = run(COLLECTOR.format(start=start))
    assert done.stdout == f"[False] {after}\n", done.stderr


# --------------------------------------------------------------------------------------
# Public names
# --------------------------------------------------------------------------------------

PUBLIC = {
    "RecurrentState",
    "SlidingWindow",
    "StatefulLSTMClassifier",
    "StatefulLSTMRegressor",
    "frame_series",
    "stream",
}


def test_public_names():
    assert set(sklstm.__all__) == PUBLIC
    assert set(dir(sklstm)) >= PUBLIC | {"__version__"}
    for name in sklstm.__all__:
        value = getattr(sklstm, name)
        assert value.__name__ == name
        assert value.__doc__


def test_public_names_are_listed_before_they_are_loaded():
    code = "import sklstm, json; print(json.dumps(dir(sklstm)))"
    assert set(json.loads(run(code).stdout)) >= PUBLIC


def test_star_import():
    names: dict[str, object] = {}
    exec("from sklstm import *", names)
    assert set(names) - {"__builtins__"} == PUBLIC


def test_unknown_names():
    with pytest.raises(AttributeError, match="'sklstm' has no attribute 'LSTM'"):
        _ = sklstm.LSTM
    with pytest.raises(ImportError, match="cannot import name 'LSTM'"):
        from sklstm import LSTM  # noqa: F401


# --------------------------------------------------------------------------------------
# Layers: imports run one way, downward
# --------------------------------------------------------------------------------------

#: Module -> modules of this package that it may import. Whoever adds a line here says
#: that the layer below is needed; lines are in order, each imports only from above it.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "_geometry": set(),
    "_state": set(),
    "_program_cache": set(),
    "_tensorflow": {"_program_cache"},
    "_validation": set(),
    "_forecasting": {"_validation"},
    "_kernel": {"_tensorflow"},
    "_losses": {"_tensorflow"},
    "_network": {"_tensorflow"},
    "_graphs": {"_kernel", "_network", "_tensorflow"},
    "_scikeras": {"_losses", "_tensorflow", "_validation"},
    "_windows": set(),
    "preprocessing": {"_validation", "_windows"},
    "_device": {"_geometry", "_tensorflow"},
    "_engine": {
        "_device",
        "_geometry",
        "_graphs",
        "_network",
        "_tensorflow",
        "_windows",
    },
    "_trainer": {
        "_device",
        "_engine",
        "_geometry",
        "_graphs",
        "_losses",
        "_tensorflow",
    },
    "_inputs": {"_scikeras", "_state", "_validation", "_windows"},
    "_targets": {"_scikeras"},
    "datasets": {"preprocessing"},
    "_numpy_pass": {"_geometry", "_network", "_windows"},
    "_walking": {"_engine", "_geometry", "_numpy_pass", "_state", "_windows"},
    "_archive": set(),
    "_checkpoint": {"_archive"},
    "_interrupts": set(),
    "_training": {
        "_checkpoint",
        "_device",
        "_geometry",
        "_interrupts",
        "_tensorflow",
        "_trainer",
    },
    "_fitting": {
        "_checkpoint",
        "_device",
        "_engine",
        "_geometry",
        "_losses",
        "_network",
        "_numpy_pass",
        "_state",
        "_tensorflow",
        "_trainer",
        "_training",
        "_walking",
        "_windows",
    },
    "persistence": {
        "_archive",
        "_device",
        "_engine",
        "_fitting",
        "_network",
        "_state",
        "_targets",
        "_tensorflow",
        "_trainer",
    },
    "_stateful": {
        "_device",
        "_fitting",
        "_forecasting",
        "_geometry",
        "_inputs",
        "_network",
        "_state",
        "_tensorflow",
        "_validation",
        "_windows",
        "persistence",
    },
    "_base": {
        "_checkpoint",
        "_device",
        "_fitting",
        "_geometry",
        "_network",
        "_state",
        "_stateful",
        "_trainer",
        "_validation",
        "_windows",
    },
    "streaming": {"_base", "_forecasting", "_inputs", "_state", "_validation"},
    "plotting": {"_scikeras", "_state", "streaming"},
    "model_selection": {"_base", "_inputs", "_state", "plotting", "streaming"},
    "classifier": {"_base", "_targets"},
    "regressor": {"_base", "_targets"},
}

#: Libraries with one door each, and who may go through it.
DOORS = {
    "tensorflow": {"_tensorflow"},
    "keras": {"_tensorflow"},
    "scikeras": {"_scikeras"},
}

#: Modules that must stay plain NumPy, whatever they import.
NUMPY_ONLY = {"_geometry", "_state", "_validation", "_forecasting", "_windows"}


def nodes_of(module: str) -> Iterator[ast.AST]:
    """Every node of a module, or of all the files of a package."""
    path = PACKAGE / module
    for file in path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
        yield from ast.walk(ast.parse(file.read_text()))


@cache
def imports_of(module: str) -> tuple[set[str], set[str]]:
    """Return the modules of this package and the libraries that a module imports."""
    names = set()
    for node in nodes_of(module):  # those inside functions too
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute here"
            if node.module == "sklstm":
                names |= {f"sklstm.{alias.name}" for alias in node.names}
            else:
                names.add(str(node.module))
    own = {name.split(".")[1] for name in names if name.startswith("sklstm.")}
    return own - {module}, {name.split(".")[0] for name in names} - {
        "sklstm",
        "__future__",
    }


MODULES = sorted(
    [path.stem for path in PACKAGE.glob("*.py")]
    + [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
)


def test_the_table_has_every_module():
    assert sorted(MAY_IMPORT) == MODULES


def test_the_table_runs_downward():
    seen: set[str] = set()
    for module, others in MAY_IMPORT.items():
        assert others <= seen, f"{module} is above {others - seen}"
        seen.add(module)


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_those_of_the_table(module):
    """Both ways, so that the table does not go stale."""
    assert imports_of(module)[0] == MAY_IMPORT[module]


@pytest.mark.parametrize("module", MODULES)
def test_libraries_are_entered_by_their_doors(module):
    libraries = imports_of(module)[1]
    for library, keepers in DOORS.items():
        assert library not in libraries or module in keepers


def test_each_door_is_used():
    for library, keepers in DOORS.items():
        assert all(library in imports_of(keeper)[1] for keeper in keepers)


@pytest.mark.parametrize("module", sorted(NUMPY_ONLY))
def test_plain_numpy(module):
    """Directly and through what they import."""
    waiting, reached, libraries = [module], set(), set()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        own, others = imports_of(name)
        waiting += own - reached
        libraries |= others
    assert libraries - set(sys.stdlib_module_names) <= {"numpy"}


def test_lazy_names_are_at_home_where_the_index_says():
    for name, home in sklstm._HOMES.items():
        assert name in vars(importlib.import_module(home))
