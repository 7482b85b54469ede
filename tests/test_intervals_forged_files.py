"""`load` of the conformal estimators refuses damaged files, and those put together.

Headers and arrays are tampered with after the checksum of the file was compared.
"""

from __future__ import annotations

import copy
import json
import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from interval_cases import FITTED, X, conformal_net, y
from test_persistence_forged_files import HOSTILE, others_than, put, ways_into

from sklstm.intervals import ConformalClassifier, ConformalRegressor
from sklstm.intervals import _saved as saved
from sklstm.persistence import PersistenceError


@cache
def _whole() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    model = conformal_net(horizon=2).fit(X[:60], y[:60]).observe(X[60:70], y[60:70])
    kept = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(saved, "write", lambda _, *parts: kept.update(parts=parts))
        model.save("")
    header, arrays = kept["parts"]
    return json.loads(json.dumps(header)), arrays


def forged() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a file, to be tampered with."""
    header, arrays = _whole()
    return copy.deepcopy(header), dict(arrays)


def load(monkeypatch, header, arrays, cls=ConformalRegressor):
    monkeypatch.setattr(saved, "read", lambda _: (header, arrays))
    return cls.load("forged")


BAD_HEADERS: dict[tuple, list[tuple[Any, str]]] = {
    ("class",): [
        (None, "holds no estimator"),
        ("ConformalClassifier", "holds 'ConformalClassifier', not"),
    ],
    ("parameters",): [
        ([], "as parameters in its header"),
        ({"estimator": 1}, "its parameters do not suit the class"),
    ],
    ("inside",): [(None, "as inside in its header")],
    ("inside", "class"): [("os.system", "as class in inside")],
    ("facts", "pair"): [([0, 1], "which quantiles are its ends"), (1, "as pair in")],
    ("facts", "n_columns"): [(2, "its cells"), (2**64, "as n_columns in facts")],
    ("facts", "cells"): [
        ([], "its cells"),
        ([[0, 0, 1]], "the steps of its cells"),
        ([[0, 0, 1], [0, 10**9, 2]], "the steps of its cells"),
        ([[0, 0, 1], [0, 0, 1]], "its cells"),
        ([[1, 0, 1], [0, 1, 2]], "its cells"),
    ],
    ("now",): [([], "now in its header")],
    ("now", "series"): [(0, "the number of an index of series")],
    ("now", "cells", "steps"): [([1, 10**9], "its cells"), ([1], "its cells")],
    ("now", "cells", "columns"): [([0, 7], "the columns of its cells")],
    ("now", "cells", "n_sides"): [(3, "as n_sides in cells"), (2, "should have shape")],
    ("now", "cells", "coverage"): [(1.0, "as coverage in"), ("0.9", "as coverage in")],
    ("now", "fed"): [(None, "forecasts that are fed back"), (3, "as fed in now")],
    ("now", "fed", "lags"): [([[9, 0, 1]], "what its forecasts are fed")],
    ("now", "fed", "rows"): [(3, "as rows in fed"), ({}, "as is_frame in rows")],
    ("now", "fed", "rows", "names"): [
        ({"array": ["<U1", ["v", "w"]]}, "the columns of its newest rows"),
        ({"array": ["<U1", ["w"]]}, "newest rows do not suit its network"),
    ],
    ("now", "fed", "rows", "columns"): [
        ([{"float": "nan"}], "the columns of its newest rows"),
        ([{"array": ["<U1", ["a"]]}], "newest rows"),
    ],
}


@pytest.mark.parametrize("way", BAD_HEADERS, ids=".".join)
def test_load_bad_header_raises(way, monkeypatch):
    for value, message in BAD_HEADERS[way]:
        header, arrays = forged()
        put(header, way, value)
        with pytest.raises(PersistenceError, match=message):
            load(monkeypatch, header, arrays)


def test_load_bad_array_raises(monkeypatch):
    """Each array of scores and levels missing, of another shape, or of another dtype.

    Those of the network inside are tampered with in the tests of its own files.
    """
    names = [name for name in forged()[1] if "inside/" not in name]
    assert len(names) == 20  # nine of each moment, and an index of rows
    for name in names:
        for other in others_than(forged()[1][name]):
            header, arrays = forged()
            del arrays[name]
            if other is not None:
                arrays[name] = other
            with pytest.raises(PersistenceError):
                load(monkeypatch, header, arrays)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("misses", np.nan, "the level of a series"),
        ("misses", 2.0, "the level of a series"),
        ("unit", -1.0, "the size of its scores"),
        ("unit", 0.0, "the gains of its levels"),
        ("gains", np.inf, "the gains of its levels"),
        ("largest", np.nan, "the size of its scores"),
        ("newest", np.inf, "a value of newest"),
    ],
)
def test_load_bad_numbers_raise(name, value, message, monkeypatch):
    header, arrays = forged()
    array = arrays[f"now/{name}"].copy()
    array.flat[0] = value
    arrays[f"now/{name}"] = array
    with pytest.raises(PersistenceError, match=message):
        load(monkeypatch, header, arrays)


def test_load_hostile_values_anywhere_raises_or_predicts(monkeypatch):
    whole, _ = forged()
    ways = [way for way in ways_into(whole) if "inside" not in way]
    rng, n_built = random.Random(0), 0
    for _ in range(100):
        header, arrays = forged()
        put(header, rng.choice(ways), rng.choice(HOSTILE))
        try:
            model = load(monkeypatch, header, arrays)
        except PersistenceError as error:
            assert len(str(error)) < 2000
            continue
        n_built += 1
        rows = X[70:73]
        assert model.step_interval(rows, y[70:73]).shape == (3, 2)
    assert n_built < 50


def test_load_whole_file_and_file_of_another_class(monkeypatch):
    """Otherwise the tests above might refuse any file."""
    model = load(monkeypatch, *forged())
    assert model.predict_interval(X[70:FITTED]).shape == (FITTED - 70, 2)
    with pytest.raises(PersistenceError, match="not a 'ConformalClassifier'"):
        load(monkeypatch, *forged(), cls=ConformalClassifier)


def test_load_cut_file_raises(tmp_path):
    path = tmp_path / "model.safetensors"
    saved.write(path, *forged())
    assert ConformalRegressor.load(path).coverage == 0.8
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PersistenceError, match=r"model\.safetensors"):
        ConformalRegressor.load(path)
