"""What importing does, and who may import whom."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from functools import cache
from graphlib import TopologicalSorter
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

import keras
def build_gru(meta):
    shape = meta["batch_size"], meta["sequence_length"], meta["n_features_in_"]
    return keras.Sequential([
        keras.Input(batch_shape=shape),
        keras.layers.GRU(2, stateful=meta["stateful"]),
        keras.layers.Dense(meta["n_outputs_"]),
    ])
StatefulLSTMRegressor(model=build_gru, epochs=1).fit(X, X[:, 0]).predict(X)

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
    done = run(USE, PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "disk is on fire\n")


@pytest.mark.thorough
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
sys.modules["tensorflow"] = tf
import sklstm._tensorflow.imported
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
import gc, importlib.machinery, sys, types
gc.{start}()
keras, tf = types.ModuleType("keras"), types.ModuleType("tensorflow")
keras.backend = types.SimpleNamespace(backend=lambda: "tensorflow")
seen = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            seen.append(gc.isenabled())
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return tf
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Finder())
sys.modules["keras"] = keras
import sklstm._tensorflow.imported
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
    "ContinuityWarning",
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

#: The rooms of the house, the lowest first, and the rooms that each may import from.
#: A room is a folder or a module of the package. CONTRIBUTING.md says what is in each.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "_checks": set(),
    "_archive": set(),
    "_later": set(),
    "_rows": {"_later"},
    "preprocessing": {"_checks", "_rows"},
    "datasets": {"preprocessing"},
    "_tensorflow": {"_later"},
    "_network": {"_rows", "_tensorflow"},
    "_compiled": {"_network", "_rows", "_tensorflow"},
    "_encoding": set(),
    "_training": {
        "_archive",
        "_compiled",
        "_encoding",
        "_network",
        "_rows",
        "_tensorflow",
    },
    "persistence": {
        "_archive",
        "_checks",
        "_compiled",
        "_encoding",
        "_later",
        "_network",
        "_rows",
        "_tensorflow",
        "_training",
    },
    "_estimator": {
        "_archive",
        "_checks",
        "_compiled",
        "_encoding",
        "_later",
        "_network",
        "_rows",
        "_tensorflow",
        "_training",
        "persistence",
    },
    "serving": {
        "_archive",
        "_compiled",
        "_encoding",
        "_estimator",
        "_network",
        "_rows",
        "_training",
        "persistence",
    },
    "classifier": {"_estimator", "_network", "_training"},
    "regressor": {"_checks", "_estimator", "_network", "_training"},
    "streaming": {"_checks", "_estimator", "_rows", "_training", "preprocessing"},
    "plotting": {"_network", "_rows", "streaming"},
    "model_selection": {
        "_checks",
        "_encoding",
        "_estimator",
        "_rows",
        "plotting",
        "preprocessing",
        "streaming",
    },
    "intervals": {
        "_archive",
        "_checks",
        "_estimator",
        "_rows",
        "_training",
        "classifier",
        "model_selection",
        "persistence",
        "regressor",
        "streaming",
    },
    "__main__": {"_tensorflow"},
}

#: Libraries with one door each, and the file that is the door.
DOORS = {
    "tensorflow": "_tensorflow/imported.py",
    "keras": "_tensorflow/imported.py",
    "scikeras": "_estimator/parameters.py",
}

#: Rooms without Keras and TensorFlow, and the libraries that they may use.
LIGHT = {
    "_checks": {"numpy"},
    "_later": {"pandas"},
    "_rows": {"numpy"},
    "_encoding": {"numpy", "scipy", "sklearn", "threadpoolctl"},
}


def files_of(room: str) -> list[Path]:
    path = PACKAGE / room
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@cache
def imports_of(file: Path) -> tuple[set[str], set[str]]:
    """Return the modules of this package and the libraries that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):  # inside functions too
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            if node.module == "sklstm":
                names |= {f"sklstm.{alias.name}" for alias in node.names}
            else:
                names.add(str(node.module))
    own = {name for name in names if name.startswith("sklstm.")}
    return own, {name.split(".")[0] for name in names} - {"sklstm", "__future__"}


def rooms_imported(room: str) -> set[str]:
    own = set().union(*(imports_of(file)[0] for file in files_of(room)))
    return {name.split(".")[1] for name in own} - {room}


ROOMS = sorted(
    [path.stem for path in PACKAGE.glob("*.py")]
    + [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
)
FILES = [file for room in ROOMS for file in files_of(room)]


def test_every_room_is_in_the_table():
    assert sorted(MAY_IMPORT) == ROOMS


def test_rooms_import_from_lower_ones_only():
    seen: set[str] = set()
    for room, others in MAY_IMPORT.items():
        assert others <= seen, f"{room} is above {others - seen}"
        seen.add(room)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_what_the_table_says(room):
    """Both ways, so that the table does not go stale."""
    exported = {name for name in rooms_imported(room) if name in ROOMS}
    assert exported == MAY_IMPORT[room]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "__init__"])
def test_files_of_a_room_do_not_import_in_a_circle(room):
    names = {
        f"sklstm.{room}.{file.stem}": imports_of(file)[0]
        for file in files_of(room)
        if file.stem != "__init__"
    }
    graph = {name: own & names.keys() for name, own in names.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_libraries_are_entered_by_their_doors(file):
    for library, door in DOORS.items():
        is_door = file == PACKAGE / door
        assert is_door or library not in imports_of(file)[1]


def test_each_door_is_used():
    for library, door in DOORS.items():
        assert library in imports_of(PACKAGE / door)[1]


@pytest.mark.parametrize("room", sorted(LIGHT))
def test_light_rooms_use_few_libraries(room):
    libraries = set().union(*(imports_of(file)[1] for file in files_of(room)))
    assert libraries - set(sys.stdlib_module_names) <= LIGHT[room]


#: What importing `sklstm.serving` may not bring in, nor any module that it imports.
NOT_SERVED = {
    *("joblib", "keras", "pandas", "scikeras", "scipy", "sklearn", "tensorflow"),
    *("threadpoolctl", "tqdm"),
}


def imported_at_once(body: list[ast.stmt]) -> set[str]:
    """Modules that are imported when a module is, and not only in a function of it."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            names.add(str(node.module))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            names |= imported_at_once(node.orelse)
        elif not isinstance(node, ast.FunctionDef):
            for field in ("body", "orelse", "finalbody"):
                names |= imported_at_once(getattr(node, field, []))
    return names


def file_of(module: str) -> Path | None:
    """The file of a module of this package; None for another name."""
    if module.partition(".")[0] != PACKAGE.name:
        return None
    path = PACKAGE.parent.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.exists()), None)


def test_serving_reaches_no_heavy_library():
    """Read from the sources: whatever is imported at the top, however far away."""
    waiting, seen = ["sklstm.serving"], {}
    while waiting:
        module = waiting.pop()
        if module in seen or (file := file_of(module)) is None:
            continue
        seen[module] = imported_at_once(ast.parse(file.read_text()).body)
        waiting += [*seen[module], module.rpartition(".")[0]]
    assert "sklstm._estimator.tiled" in seen  # the modules of the estimators
    heavy = {
        module: names & NOT_SERVED
        for module, imported in seen.items()
        if (names := {name.split(".")[0] for name in imported}) & NOT_SERVED
    }
    assert not heavy


def test_lazy_names_are_at_home_where_the_index_says():
    for name, home in sklstm._HOMES.items():
        assert name in vars(importlib.import_module(home))
