"""`load` refuses forged encoders: scales, lags, ties, and networks of other ones.

They are given to `rebuild`, which comes after the checksum was compared.
"""

from __future__ import annotations

import copy
import random
import resource
from functools import cache
from typing import Any

import numpy as np
import pytest
from encoder_cases import fitted_once, later_rows
from test_persistence_forged_files import HOSTILE, put, ways_into
from test_persistence_panels_forged import shaken

from sklstm.persistence import PersistenceError, describe, rebuild

Header, Arrays = dict[str, Any], dict[str, np.ndarray]


@cache
def described_once(kind: str) -> tuple[Header, Arrays]:
    return describe(fitted_once(kind))


def described(kind: str = "panel") -> tuple[Header, Arrays]:
    """Header and arrays of an estimator, to be tampered with."""
    return copy.deepcopy(described_once(kind))


def refuse(header: Header, arrays: Arrays, message: str, kind: str = "panel") -> None:
    with pytest.raises(PersistenceError, match=message) as caught:
        rebuild(type(fitted_once(kind)), header, arrays, {})
    assert len(str(caught.value)) < 2000


def test_described_panel_holds_what_is_forged_below():
    """Three shops of two features, one output, and a linear map of some lags."""
    header, arrays = described()
    encoder = header["encoder"]
    assert encoder["scales"] == ["x_scale", "y_scale", "shown"]
    assert encoder["series"] == 0 and len(encoder["lags"]) > 1
    assert header["network"]["n_features"] == 2 * (2 + 1)
    assert header["network"]["n_skip"] == 1
    assert arrays["encoder/x_scale/mean"].shape == (4, 2)
    assert arrays["encoder/y_scale/mean"].shape == (4, 1)
    assert arrays["encoder/shown/mean"].shape == (1, 5)
    rebuild(type(fitted_once("panel")), header, arrays, {})


BAD_HEADERS: dict[tuple, list[tuple[Any, str]]] = {
    ("encoder",): [
        (None, "as dtype in input, for rows without an encoder|n_features|n_skip"),
        ([], "as encoder in its header"),
        ({}, "as scales in encoder"),
    ],
    ("encoder", "series"): [
        (None, "'encoder/x_scale/mean' should have shape"),
        (7, "the number of an index of series"),
        (True, "as series in encoder"),
    ],
    ("encoder", "scales"): [
        (None, "as scales in encoder"),
        (["os.system"], "as scales in encoder"),
        ([["x_scale"]], "as scales in encoder"),
        ([], "as scales in encoder, which do not go together"),
        (["shown"], "do not belong to its estimator|should have shape"),
        (["x_scale", "shown"], "as scales in encoder, which do not go together"),
        (["x_scale", "y_scale"], "as scales in encoder, which do not go together"),
        (["shown", "x_scale", "y_scale"], "which do not go together"),
        (["x_scale", "y_scale", "shown", "shown"], "which do not go together"),
    ],
    ("encoder", "lags"): [
        (None, "as scales in encoder, which do not go together"),
        ([], "as lags in encoder"),
        ([-1, 0], "as lags in encoder"),
        ([1, 0], "as lags in encoder"),
        ([0, 0], "as lags in encoder"),
        ([0, True], "as lags in encoder"),
        ([0, 1.0], "as lags in encoder"),
        ([0, 2**31], "as lags in encoder"),
        ("01", "as lags in encoder"),
        ([0], "'encoder/skip/weights' should have shape .1, 2, 1. and dtype float64"),
    ],
    ("network", "n_skip"): [
        (None, "0 as n_skip in network, for another linear skip"),
        (0, "0 as n_skip in network, for another linear skip"),
        (2, "2 as n_skip in network, for another linear skip"),
        (True, "as n_skip in network"),
        (-1, "as n_skip in network"),
    ],
    ("network", "n_features"): [(2, "as n_features in network"), (10**9, "n_features")],
    ("network", "n_outputs"): [(2, "as n_skip in network, for another linear skip")],
    ("network", "kind"): [("function", "'function' as kind in network, for a linear")],
    ("network", "return_sequences"): [
        (False, "as return_sequences in network, for an encoder"),
        (None, "as return_sequences in network, for an encoder"),
    ],
    ("input", "n_features"): [(3, "'encoder/x_scale/mean' should have shape")],
    ("input", "dtype"): [
        ("float32", "as dtype in input, for rows with an encoder"),
        (None, "as dtype in input, for rows with an encoder"),
        ("object", "as dtype in input"),
    ],
    ("target", "n_outputs"): [(2, "should have shape|of a target of one dimension")],
    ("training", "epochs"): [
        (None, "as epochs in training"),
        (-1, "as epochs in training"),
        (True, "as epochs in training"),
        ("auto", "as epochs in training"),
    ],
}


@pytest.mark.parametrize("way", BAD_HEADERS, ids=".".join)
def test_rebuild_bad_header_of_encoder_raises(way):
    for value, message in BAD_HEADERS[way]:
        header, arrays = described()
        put(header, way, value)
        refuse(header, arrays, message)


BAD_NUMBERS: dict[str, list[tuple[float, str]]] = {
    "x_scale/mean": [(np.nan, "nan as a number in encoder/x_scale/mean")],
    "x_scale/deviation": [
        (0, "0.0 as a deviation in encoder/x_scale/deviation"),
        (-1, "-1.0 as a deviation in encoder/x_scale/deviation"),
        (np.inf, "inf as a number in encoder/x_scale/deviation"),
    ],
    "y_scale/mean": [(-np.inf, "-inf as a number in encoder/y_scale/mean")],
    "y_scale/deviation": [(0, "a deviation in encoder/y_scale/deviation")],
    "shown/mean": [(np.nan, "a number in encoder/shown/mean")],
    "shown/deviation": [(0, "a deviation in encoder/shown/deviation")],
    "residual": [
        (0, "a deviation in encoder/residual"),
        (np.nan, "a number in encoder/residual"),
    ],
    "skip/weights": [(np.inf, "a number in encoder/skip/weights")],
    "skip/intercept": [(np.nan, "a number in encoder/skip/intercept")],
    "ties": [
        (-2, r"\[-2\] as the columns that its targets go on with"),
        (2, r"\[2\] as the columns that its targets go on with"),
    ],
    "ahead": [(0, r"\[0\] as how many rows ahead its targets are")],
}


@pytest.mark.parametrize("name", BAD_NUMBERS)
def test_rebuild_bad_number_of_encoder_raises(name):
    for value, message in BAD_NUMBERS[name]:
        header, arrays = described()
        arrays[f"encoder/{name}"].flat[-1] = value
        refuse(header, arrays, message)


def test_rebuild_bad_array_of_encoder_raises():
    """Each array missing, of another shape, of another dtype, or there twice."""
    ours = ("encoder", "state/context", "seeded/context")
    names = described_once("panel")[1]
    for name in filter(lambda name: name.startswith(ours), names):
        array = names[name]
        others = [
            array[np.newaxis],
            array[:0],
            np.concatenate([array, array[:1]]),
            np.concatenate([array, array[..., :1]], axis=-1),
            array.astype(bool),
            None,
        ]
        if not name.endswith("context"):
            others.append(array.astype(np.float32))
        for other in others:
            header, arrays = described()
            del arrays[name]
            if other is not None:
                arrays[name] = other
            refuse(header, arrays, f"{name}' should have|no array '{name}'")
        header, arrays = described()
        arrays[name + "0"] = array
        refuse(header, arrays, "arrays that do not belong to its estimator")


def test_rebuild_encoder_of_a_single_series_for_named_ones_raises():
    """Its scales have one entry, so that the ids alone tell."""
    header, arrays = described()
    header["encoder"]["series"] = None
    for name in ("x_scale", "y_scale"):
        for part in ("mean", "deviation"):
            arrays[f"encoder/{name}/{part}"] = arrays[f"encoder/{name}/{part}"][:1]
    refuse(header, arrays, "None as series in encoder, for others in state")


def test_rebuild_scale_of_classes_raises():
    """Probabilities have no unit."""
    header, arrays = described("classes")
    assert header["encoder"]["scales"] == ["x_scale", "shown"]
    header["encoder"]["scales"].insert(1, "y_scale")
    refuse(header, arrays, "which do not go together", "classes")


def test_rebuild_n_skip_without_encoder_raises():
    header, arrays = described("scale")
    header["network"]["n_skip"] = 2
    refuse(header, arrays, "2 as n_skip in network, for another linear", "scale")


def test_rebuild_far_lag_without_a_series_raises():
    """Nothing else in the file tells how long the contexts of later series are."""
    header, arrays = described("sequences")
    n_lags = len(header["encoder"]["lags"])
    header["encoder"]["lags"][-1] = 2**30
    for name in ("state", "seeded"):
        arrays[f"{name}/context"] = np.zeros((0, 2**30 + 1, 2), np.float32)
    assert n_lags > 1
    refuse(header, arrays, "1073741824 as the last lag of its encoder", "sequences")


@pytest.mark.filterwarnings("ignore")  # numbers that overflow; rows that do not follow
def test_rebuild_mutated_encoder_raises_or_predicts():
    """Of 200 files each is refused, or gives an estimator that answers or says why."""
    whole, original = described()
    ways = [way for way in ways_into(whole) if way[0] in ("encoder", "network")]
    ways += [("training", "epochs"), ("input", "dtype"), ("input", "n_features")]
    names = [name for name in original if name.startswith("encoder")]
    rng, n_built = random.Random(0), 0
    rows = later_rows("panel")[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for k in range(200):
        header, arrays = described()
        if k % 2:
            put(header, rng.choice(ways), rng.choice(HOSTILE))
        else:
            name = rng.choice(names)
            with np.errstate(invalid="ignore"):
                arrays[name] = shaken(arrays[name], rng)
        try:
            estimator = rebuild(type(fitted_once("panel")), header, arrays, {})
        except PersistenceError as error:
            assert len(str(error)) < 2000
            continue
        n_built += 1
        assert estimator.predict(rows).shape == (len(rows),)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 * 1024  # KiB
    assert 20 < n_built < 150
