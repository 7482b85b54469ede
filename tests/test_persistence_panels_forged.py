"""`load` refuses forged panels: ids, states by series, labels and tiled windows.

They are given to `rebuild`, which comes after the checksum was compared.
"""

from __future__ import annotations

import copy
import random
import resource
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers import first_ordinary
from persistence_cases import N_DAYS, fitted_panel, panel
from plain import StatefulLSTMRegressor
from test_persistence_forged_files import HOSTILE, put, ways_into

from sklstm.persistence import PersistenceError, describe, rebuild

Header, Arrays = dict[str, Any], dict[str, np.ndarray]


@cache
def described_once(kind: str) -> tuple[Header, Arrays]:
    """A panel of three series at the end of fit, and of four now."""
    estimator = fitted_panel(kind)
    estimator.observe(panel(("new",), N_DAYS, 2))
    return describe(estimator)


def described(kind: str = "tiled") -> tuple[Header, Arrays]:
    """Header and arrays of a panel, to be tampered with."""
    return copy.deepcopy(described_once(kind))


def refuse(header: Header, arrays: Arrays, message: str) -> None:
    with pytest.raises(PersistenceError, match=message) as caught:
        rebuild(StatefulLSTMRegressor, header, arrays, {})
    assert len(str(caught.value)) < 2000


def test_described_panel_holds_what_is_forged_below():
    header, arrays = described()
    assert [[level["kind"] for level in ids] for ids in header["series"]] == [
        ["texts"],
        ["texts"],
    ]
    assert header["input"]["training_rows"]["series"] == 0
    assert {n: s["series"] for n, s in header["states"].items()} == {
        "state": 1,
        "seeded": 0,
    }
    assert arrays["state/0/0"].shape == (4, 2)
    assert arrays["seeded/0/0"].shape == (3, 2)
    rebuild(StatefulLSTMRegressor, header, arrays, {})


BAD_HEADERS: dict[tuple, list[tuple[Any, str]]] = {
    ("series",): [
        ([], "the number of an index of series"),
        ([[], []], "the levels of its series ids"),
        ({}, "as series in its header"),
        ([["os"], ["os"]], "as its series ids"),
    ],
    ("series", 0, 0, "kind"): [
        ("os.system", "as kind in its series ids"),
        ("numbers", "as dtype in its series ids|dtype"),
        ("days", "it has no array 'series/0/0'"),
        ("mixed", "it has no array 'series/0/0/types'"),
    ],
    ("series", 0, 0, "dtype"): [("<U9999999", "as dtype in its series ids")],
    ("series", 0, 0, "name"): [
        ([1], "the name of its series ids"),
        ({"keras": ["keras.losses.Huber", {"dict": []}]}, "the name of its series"),
        ({"lambda": "exit"}, "does not write"),
    ],
    ("network", "return_sequences"): [
        (False, "its batch size, for states of other shapes"),
        (1, "as return_sequences in network"),
    ],
    ("network", "batch_size"): [
        (None, "its batch size, for tiled windows"),
        (2**31 - 1, "its batch size, for tiled windows"),
        (0, "as batch_size in network"),
    ],
    ("training", "carries_state"): [(1, "as carries_state in training")],
    ("input", "series_id"): [
        ({"dict": []}, "the columns of its series ids"),
        ([["shop"]], "the columns of its series ids"),
        (0.5, "the columns of its series ids"),
        (["shop", "land"], "series_id in input, for other ids"),
    ],
    ("input", "n_dimensions"): [(3, "n_dimensions in input, for rows of series")],
    ("input", "training_rows", "series"): [
        (1, "'training_rows/lengths' should have shape"),
        (2, "the number of an index of series"),
        (-1, "as series in training_rows"),
        (None, "'training_rows/lengths' should have shape"),
    ],
    ("input", "training_rows", "has_labels"): [
        (False, "do not belong to its estimator"),
        ("yes", "as has_labels in training_rows"),
    ],
    ("input", "axis"): [([], "as axis in input"), ({}, "as kind in axis")],
    ("input", "axis", "kind"): [
        ("no", "as kind in axis"),
        ("integer", "as calendar in axis|as unit in axis"),
        ("period", "as calendar in axis|as unit in axis"),
    ],
    ("input", "axis", "step"): [
        (0, "as step in axis"),
        (-1, "as step in axis"),
        (2**63, "as step in axis"),
        (True, "as step in axis"),
        (1.0, "as step in axis"),
    ],
    ("input", "axis", "calendar"): [
        ("0000000", "as calendar in axis"),
        ("1111111111", "as calendar in axis"),
        (1111100, "as calendar in axis"),
        ("year", "as calendar in axis"),
    ],
    ("input", "axis", "unit"): [("s", "as unit in axis"), (None, "as unit in axis")],
    ("input", "axis", "tz"): [
        ("dateutil//etc/passwd", "as tz in axis"),
        ("../../etc/passwd", "as tz in axis"),
        ("/etc/passwd", "as tz in axis"),
        ("Europe", "as tz in axis"),
        ("", "as tz in axis"),
        (3, "as tz in axis"),
    ],
    ("input", "axis", "freq"): [("D", "as freq in axis")],
    ("states", "state", "series"): [
        (0, "the number of series in state"),
        (None, "the number of series in state"),
        (2, "the number of an index of series"),
        (True, "as series in state"),
    ],
    ("states", "state", "position"): [
        (4, "position in state, for windows of another kind"),
        ([1, 2, 3, 4], "as position in state"),
    ],
    ("states", "seeded", "position"): [(0, "as position in seeded")],
    ("states", "state", "has_output"): [(False, "do not belong"), (1, "as has_output")],
    ("states", "state", "has_last_seen"): [
        (False, "do not belong to its estimator"),
        (1, "as has_last_seen in state"),
    ],
    ("states", "waiting"): [({}, "waiting in states, which are by series")],
}


@pytest.mark.parametrize("way", BAD_HEADERS, ids=lambda way: ".".join(map(str, way)))
def test_rebuild_bad_header_of_panel_raises(way):
    for value, message in BAD_HEADERS[way]:
        header, arrays = described()
        put(header, way, value)
        refuse(header, arrays, message)


BAD_AXES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "period", "freq": None}, "as freq in axis"),
    ({"kind": "period", "freq": "os.system"}, "as freq in axis"),
    ({"kind": "period", "freq": "0D"}, "as freq in axis"),
    ({"kind": "period", "freq": "-1D"}, "as freq in axis"),
    ({"kind": "period", "freq": "9" * 30 + "D"}, "as freq in axis"),
    ({"kind": "integer", "tz": "UTC"}, "as tz in axis"),
    ({"kind": "datetime", "unit": "us", "calendar": "month"}, "step of its calendar"),
    (
        {"kind": "datetime", "unit": "us", "calendar": "month", "step": 10**9},
        "step of its calendar",
    ),
]


@pytest.mark.parametrize("axis, message", BAD_AXES)
def test_rebuild_bad_time_axis_raises(axis, message):
    header, arrays = described()
    header["input"]["axis"] = axis
    refuse(header, arrays, message)


def level(kind: str, **says: Any) -> Callable[..., None]:
    """Forge the ids of the fit, three, as those of another kind."""

    def forge(header: Header, arrays: Arrays, **values: np.ndarray) -> None:
        header["series"][0] = [{"name": None, "kind": kind, **says}]
        for name in ("text", "ends"):
            del arrays[f"series/0/0/{name}"]
        for name, array in values.items():
            arrays["series/0/0" + ("" if name == "whole" else f"/{name}")] = array

    return forge


NAT = np.iinfo(np.int64).min
ABC = {
    "text": np.frombuffer(b"abc", np.uint8),
    "ends": np.array([1, 2, 3]),
}
BAD_IDS: dict[str, tuple[Callable[..., None], dict[str, Any], str]] = {
    "twice": (level("numbers", dtype="int64"), {"whole": np.array([1, 2, 1])}, "twice"),
    "NaN": (
        level("numbers", dtype="float64"),
        {"whole": np.array([1, np.nan, 2])},
        "None as a series id",
    ),
    "fewer": (
        level("numbers", dtype="int64"),
        {"whole": np.array([1, 2])},
        "number of series in seeded|'training_rows/first' should",
    ),
    "more": (
        level("numbers", dtype="int64"),
        {"whole": np.arange(4)},
        "number of series in seeded|'training_rows/first' should",
    ),
    "another dtype": (
        level("numbers", dtype="int64"),
        {"whole": np.arange(3, dtype=np.int32)},
        "should have shape .* and dtype int64",
    ),
    "two sides": (
        level("numbers", dtype="int64"),
        {"whole": np.zeros((3, 1), np.int64)},
        "should have shape",
    ),
    "half true": (
        level("numbers", dtype="bool"),
        {"whole": np.array([0, 1, 2], np.uint8)},
        "a series id that is True or False",
    ),
    "no date": (
        level("dates", unit="us", zone=None),
        {"whole": np.array([1, 2, NAT])},
        "None as a series id",
    ),
    "no unit": (level("dates", unit="W", zone=None), {"whole": np.arange(3)}, "unit"),
    "no zone": (
        level("dates", unit="us", zone="dateutil//etc/passwd"),
        {"whole": np.arange(3)},
        "as zone in its series ids",
    ),
    "no frequency": (
        level("periods", freq="os.system"),
        {"whole": np.arange(3)},
        "as freq in its series ids",
    ),
    "after the year 9999": (
        level("days"),
        {"whole": np.array([0, 1, 2_932_897])},
        "a series id that is a date",
    ),
    "before the year 1": (
        level("days"),
        {"whole": np.array([0, 1, -719_163])},
        "a series id that is a date",
    ),
    "text cut in a letter": (
        level("texts", dtype="object"),
        {"text": np.frombuffer("äb".encode(), np.uint8), "ends": ABC["ends"]},
        "its series ids cannot be read .UnicodeDecodeError",
    ),
    "text too short": (
        level("texts", dtype="object"),
        {**ABC, "ends": np.array([1, 2, 4])},
        "where the text of its last series id ends",
    ),
    "text too long": (
        level("texts", dtype="object"),
        {**ABC, "ends": np.array([1, 2, 2])},
        "where the text of its last series id ends",
    ),
    "text backwards": (
        level("texts", dtype="object"),
        {**ABC, "ends": np.array([2, 1, 3])},
        "where the text of its last series id ends",
    ),
    "text before its beginning": (
        level("texts", dtype="object"),
        {**ABC, "ends": np.array([-1, 1, 3])},
        "where the text of its last series id ends",
    ),
    "mixed of a fifth type": (
        level("mixed"),
        {**ABC, "types": np.array([0, 0, 4], np.uint8)},
        "the type of a series id",
    ),
    "mixed, no integer": (
        level("mixed"),
        {**ABC, "types": np.array([0, 0, 1], np.uint8)},
        "its series ids cannot be read .ValueError",
    ),
    "mixed, an integer in another way": (
        level("mixed"),
        {
            "text": np.frombuffer(b"ab01", np.uint8),
            "ends": np.array([1, 2, 4]),
            "types": np.array([0, 0, 1], np.uint8),
        },
        "a series id of type int",
    ),
    "mixed, neither true nor false": (
        level("mixed"),
        {**ABC, "types": np.array([0, 0, 3], np.uint8)},
        "a series id of type bool",
    ),
}


@pytest.mark.parametrize("what", BAD_IDS)
def test_rebuild_bad_ids_raises(what):
    forge, values, message = BAD_IDS[what]
    header, arrays = described()
    forge(header, arrays, **values)
    refuse(header, arrays, message)


def test_rebuild_ids_of_other_levels_raises():
    """Of one state two levels, of the other one; and levels of unequal lengths."""
    header, arrays = described()
    header["series"][0] *= 2
    for name in ("text", "ends"):
        arrays[f"series/0/1/{name}"] = arrays[f"series/0/0/{name}"]
    refuse(header, arrays, "the levels of its series ids")
    arrays["series/0/1/ends"] = arrays["series/0/1/ends"][1:]
    refuse(header, arrays, "the number of its series ids")


def test_rebuild_bad_positions_raises():
    for position in ([-1, 0, 0, 0], [0, 0, 0, 2**63 - 1]):
        header, arrays = described()
        arrays["state/position"] = np.array(position)
        refuse(header, arrays, "as position in state")


@pytest.mark.parametrize("kind", ["tiled", "sliding, stateless"])
def test_rebuild_bad_array_of_panel_raises(kind):
    """Each array missing, of another shape, of another dtype, or there twice."""
    names = described_once(kind)[1]
    ours = ("series", "state", "seeded", "training_rows")
    for name in filter(lambda name: name.startswith(ours), names):
        array = names[name]
        others = [
            np.zeros((*array.shape, 1), array.dtype),
            np.concatenate([array, array[:1]]),
            array[1:],
            array[:0],
            array.astype(bool),
            None,
        ]
        if name.endswith("context") and kind == "tiled":
            del others[1:4]  # of no series, and empty
        for other in others:
            header, arrays = described(kind)
            del arrays[name]
            if other is not None:
                arrays[name] = other
            refuse(header, arrays, "is damaged|cannot be loaded")
        header, arrays = described(kind)
        arrays[name + "0"] = array
        refuse(header, arrays, "arrays that do not belong to its estimator")


def test_rebuild_training_rows_of_no_length_raises():
    header, arrays = described()
    arrays["training_rows/lengths"][1] = 0
    refuse(header, arrays, "the numbers of its training rows")


def test_rebuild_stateless_panel_without_ids_raises():
    header, arrays = described("sliding, stateless")
    for state in header["states"].values():
        state["series"] = None
    refuse(header, arrays, "series in state, where states are by series")


def shaken(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """An array with a few bytes changed, or cut, or with another dtype."""
    raw = bytearray(array.tobytes())
    for _ in range(rng.randrange(1, 4)):
        if raw:
            raw[rng.randrange(len(raw))] = rng.choice([0, 1, 127, 128, 255])
    other = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)
    choice = rng.randrange(6)
    if choice == 0 and array.ndim:
        return other[: rng.randrange(len(array) + 1)]
    return other.astype(np.int64) if choice == 1 else other.copy()


@pytest.mark.filterwarnings("ignore")  # numbers that overflow; rows that do not follow
@pytest.mark.parametrize("kind", first_ordinary(1, ["tiled", "sliding, stateless"]))
def test_rebuild_mutated_panel_raises_or_predicts(kind):
    """Of 200 files each is refused, or gives an estimator that answers or says why."""
    whole, original = described(kind)
    ways = [way for way in ways_into(whole) if way[0] in ("series", "states", "input")]
    ways += [("network", name) for name in whole["network"]]
    ways += [("training", "carries_state")]
    ours = ("series", "state", "seeded", "training_rows")
    names = [name for name in original if name.startswith(ours)]
    rng, n_built = random.Random(0), 0
    rows = panel(n_days=N_DAYS + 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for k in range(200):
        header, arrays = described(kind)
        if k % 2:
            put(header, rng.choice(ways), rng.choice(HOSTILE))
        else:
            name = rng.choice(names)
            with np.errstate(invalid="ignore"):
                arrays[name] = shaken(arrays[name], rng)
        try:
            estimator = rebuild(StatefulLSTMRegressor, header, arrays, {})
        except PersistenceError as error:
            assert len(str(error)) < 2000
            continue
        n_built += 1
        try:
            assert estimator.predict(rows).shape == (len(rows),)
        except (ValueError, TypeError) as error:
            assert "Traceback" not in str(error)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 * 1024  # KiB
    assert 20 < n_built < 150
