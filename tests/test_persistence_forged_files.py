"""`load` refuses forged headers and arrays whose checksum is right.

They are given to `rebuild`, which comes after the checksum was compared.
"""

from __future__ import annotations

import copy
import random
import resource
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers import assert_identical_weights
from persistence_cases import X, fitted_once, read_bytes, small_file, small_once
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm.persistence import PersistenceError, describe, rebuild


def forged() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a small file, to be tampered with."""
    header, arrays = read_bytes(small_file())
    return header, arrays


def put(header: Any, way: tuple, value: Any) -> None:
    for step in way[:-1]:
        header = header[step]
    header[way[-1]] = value


BAD_HEADERS: dict[tuple, list[tuple[Any, str]]] = {
    ("class",): [
        (None, "holds no estimator"),
        (["os.system"], "holds no estimator"),
        ("os.system", "holds a 'os.system', not a 'StatefulLSTMRegressor'"),
        ("StatefulLSTMClassifier", "holds a 'StatefulLSTMClassifier', not"),
    ],
    ("lacking",): [
        (None, "as lacking in its header"),
        ({"os": 1}, "as lacking in its header"),
        ({"sys.argv": ""}, r"load\(path, sys.argv=...\)"),
    ],
    ("parameters",): [([], "as parameters in its header")],
    ("parameters", "os.system"): [("true", "the names of its parameters")],
    ("parameters", "unit"): [(3, "the names of its parameters")],
    ("parameters", "loss"): [
        ({"keras": ["os.system", {"dict": []}]}, "does not write"),
        ({"lambda": "exit"}, "does not write"),
    ],
    ("network", "kind"): [("os", "as kind in"), ("function", "nothing stands for")],
    ("network", "units"): [
        ([2**31], "as units in"),
        ([10**6], "for another network"),
        ([1, 1], "for another network"),
        ([], "for another network"),
        ([True], "as units in"),
    ],
    ("network", "batch_size"): [
        (10**9, "its batch size, for states of other shapes"),
        (None, "its batch size, for states of other shapes"),
        (0, "as batch_size in"),
    ],
    ("network", "n_features"): [(10**9, "as n_features in"), (True, "n_features|bat")],
    ("network", "n_outputs"): [(10**9, "for another network")],
    ("network", "sequence_length"): [
        (10**30, "as sequence_length"),
        (1, "rows before"),
    ],
    ("network", "dropout"): [(1.0, "as dropout in"), ("0", "as dropout in")],
    ("network", "activation"): [("exec", "as activation in"), ([], "as activation in")],
    ("network", "cell"): [
        ("os", "as cell in"),
        (["gru"], "as cell in"),
        ("gru", "for another network"),
    ],
    ("target", "kind"): [("classes", "as kind in target"), (None, "as kind in target")],
    ("target", "n_outputs"): [(2, "the width of a target of one dimension")],
    ("target", "is_1d"): [(1, "as is_1d in target")],
    ("target", "dtype"): [
        ("<i8", "the dtype of its target"),
        ("f8,f8", "the dtype of its target"),
        ("O", "the dtype of its target"),
        ("<f8000000000", "the dtype of its target"),
        ("(2,)<f8", "the dtype of its target"),
    ],
    ("training", "optimizer"): [
        (None, "its optimizer"),
        ("adam", "its optimizer"),
        ({"keras": ["keras.losses.Huber", {"dict": []}]}, "its optimizer"),
    ],
    ("training", "loss"): [
        (None, "its loss"),
        ("os.system", "Keras knows no loss 'os.system'"),
        ({"keras": ["keras.metrics.AUC", {"dict": []}]}, "its loss"),
        (3, "its loss"),
    ],
    ("training", "metrics"): [(3, "its metrics"), ([[3]], "its metrics")],
    ("training", "asked_rate"): [("0.1", "its learning rate")],
    ("input", "n_features"): [(10**9, "as n_features in"), (2, "as n_features in")],
    ("input", "n_dimensions"): [
        (4, "as n_dimensions in"),
        (3, "'waiting/X' should have shape"),
    ],
    ("input", "feature_names"): [
        (["a", "b"], "the number of its feature names"),
        ([3], "as feature_names in input"),
    ],
    ("input", "n_windows"): [(-1, "as n_windows in"), (2**64, "as n_windows in")],
    ("input", "training_rows"): [([], "as training_rows in")],
    ("input", "training_rows", "digest"): [("no digest", "as shape in training_rows")],
    ("input", "training_rows", "n_dropped"): [(-1, "as n_dropped in training_rows")],
    ("history",): [
        (["loss", "loss"], "the names of its history"),
        ([], "arrays that do not belong to its estimator: .'history/0'."),
        (["loss", "more"], "it has no array 'history/1'"),
    ],
    ("states", "state"): [(3, "as state in states")],
    ("states", "state", "position"): [(-1, "as position in"), (True, "as position in")],
    ("states", "state", "has_output"): [(False, "do not belong"), (1, "as has_output")],
    ("states", "waiting"): [(None, "as waiting in states")],
    ("routing",): [({"predict": {}}, "its metadata routing"), ([], "as routing in")],
    ("routing", "fit"): [
        ({"no_such": True}, "routing does not suit the class"),
        ([1], "routing does not suit the class"),
    ],
}


@pytest.mark.parametrize("way", BAD_HEADERS, ids=".".join)
def test_rebuild_bad_header_raises(way):
    for value, message in BAD_HEADERS[way]:
        header, arrays = forged()
        put(header, way, value)
        with pytest.raises(PersistenceError, match=message):
            rebuild(StatefulLSTMRegressor, header, arrays, {})


def others_than(array: np.ndarray) -> list[np.ndarray | None]:
    """Arrays that could not be in the place of this one, and none at all."""
    return [
        np.zeros((*array.shape, 1), array.dtype),
        np.zeros((2, *array.shape), array.dtype),
        np.zeros([side + 2 for side in array.shape] or [1, 1], array.dtype),
        np.zeros((0, 2**30), array.dtype),
        array.astype(bool),
        None,
    ]


def test_rebuild_bad_array_raises():
    """Each array missing, of another shape, of another dtype, or there twice."""
    for name, array in forged()[1].items():
        for k, other in enumerate(others_than(array)):
            header, arrays = forged()
            del arrays[name]
            if other is not None:
                arrays[name] = other
            if name.startswith("history") and k == 2:
                continue  # as long as it likes
            with pytest.raises(PersistenceError):
                rebuild(StatefulLSTMRegressor, header, arrays, {})
        header, arrays = forged()
        arrays[name + "0"] = array
        with pytest.raises(PersistenceError):
            rebuild(StatefulLSTMRegressor, header, arrays, {})


def test_rebuild_many_keras_objects_raises():
    header, arrays = forged()
    adam = {"keras": ["keras.optimizers.Adam", {"dict": []}]}
    header["parameters"]["metrics"] = [adam] * 1000
    with pytest.raises(PersistenceError, match="the number of its Keras objects"):
        rebuild(StatefulLSTMRegressor, header, arrays, {})


@pytest.mark.thorough
def test_rebuild_forged_sizes_never_reach_model_function():
    """The model function is not called before the sizes are checked."""

    def never(meta, units):
        raise AssertionError(meta)

    header, arrays = describe(fitted_once("model: gru"))
    for way, message in (
        (("network", "sequence_length"), "sequence_length, for"),
        (("network", "batch_size"), "its batch size"),
        (("target", "n_outputs"), "n_outputs, for"),
    ):
        forged = copy.deepcopy(header)
        put(forged, way, 10**6)
        with pytest.raises(PersistenceError, match=message):
            rebuild(StatefulLSTMRegressor, forged, arrays, {"model": never})
    header["network"]["n_features"] = header["input"]["n_features"] = 10**6
    with pytest.raises(PersistenceError, match="n_features, for"):
        rebuild(StatefulLSTMRegressor, header, arrays, {"model": never})


def test_rebuild_bad_classes_raises():
    header, arrays = describe(fitted_once("classifier: two layers"))
    for classes in (
        {"array": ["<U4", ["low", "high", "mid"]]},
        {"array": ["<U4", ["high", "low", "low"]]},
        {"array": ["|O", ["high", 1, "mid"]]},
        {"array": ["<U4", ["high", "low"]]},
        {"array": ["<U4", ["high"]]},
        {"tuple": ["high", "low", "mid"]},
    ):
        header["target"]["classes"] = classes
        with pytest.raises(
            PersistenceError, match=r"its classes|number of its outputs"
        ):
            rebuild(StatefulLSTMClassifier, header, arrays, {})


def ways_into(value: Any, way: tuple = ()) -> Iterator[tuple]:
    """Every place in some JSON."""
    if way:
        yield way
    pairs = enumerate(value) if isinstance(value, list) else ()
    for step, inner in value.items() if isinstance(value, dict) else pairs:
        yield from ways_into(inner, (*way, step))


def deep(n: int) -> Any:
    value: Any = []
    for _ in range(n):
        value = [value]
    return value


HOSTILE = [
    None, True, -1, 0, 1, 7, 2**31, 10**30, 0.5, 1e308, "", "os.system", "\ud800",
    [], {}, [1], {"a": 1}, deep(300), "x" * 10_000, [0] * 10_000,
    {"keras": ["keras.layers.Lambda", {}]}, {"array": ["<U9999999", ["a"]]},
    {"keras": ["keras.metrics.AUC", {"dict": [["num_thresholds", 10**9]]}]},
]  # fmt: skip


@pytest.mark.thorough
def test_rebuild_hostile_values_anywhere_raises_or_predicts():
    """Any value anywhere: an error or an estimator that predicts, and little memory."""
    whole, arrays = forged()
    ways = list(ways_into(whole))
    rng, n_built = random.Random(0), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        header, way = copy.deepcopy(whole), rng.choice(ways)
        put(header, way, rng.choice(HOSTILE))
        try:
            estimator = rebuild(StatefulLSTMRegressor, header, arrays, {})
        except PersistenceError as error:
            assert len(str(error)) < 2000
            continue
        n_built += 1
        assert estimator.predict(X[:4, :1]).shape == (4,)
        assert_identical_weights(estimator.get_weights(), small_once().get_weights())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 * 1024  # KiB; it asks for terabytes
    assert 50 < n_built < 500
