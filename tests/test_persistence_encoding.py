"""Values as JSON: what is encoded comes back equal, and nothing else is decoded."""

from __future__ import annotations

import importlib
import json
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from persistence_cases import UP, plainly, shifted_error

from sklstm.persistence import PersistenceError
from sklstm.persistence._keras_config import NotDataError, built_in_classes, make
from sklstm.persistence._plain import decode, encode

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(SCALARS.filter(lambda v: v == v), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_encode_decode_plain_values(value):
    """Also NaN, -0.0 and tuples, which JSON lacks and `repr` tells apart."""
    text = json.dumps(encode(value), allow_nan=False)
    assert repr(decode(json.loads(text))) == repr(value)


@pytest.mark.parametrize(
    "json",
    [
        {"os.system": "true"},
        {"tuple": "abc"},
        {"tuple": [1], "dict": []},
        {"dict": [[[], 1]]},
        {"dict": [[1, 2], [1, 3]]},
        {"dict": [[1, 2, 3]]},
        {"dict": 3},
        {"float": "1.5"},
        {"float": ["nan"]},
        {"function": "os.system"},
        {"function": "keras.losses.deserialize"},
        {"function": []},
        {"array": ["<U1000000000", ["a"]]},
        {"array": ["<U9999999", ["a"] * 50]},
        {"array": ["<U1", ["ab"]]},
        {"array": ["|i1", [300]]},
        {"array": ["|u1", [-1]]},
        {"array": ["<i8", [10**30]]},
        {"array": ["<i8", [True]]},
        {"array": ["<i8", [1.5]]},
        {"array": ["|b1", ["yes"]]},
        {"array": ["|O", [[1, 2]]]},
        {"array": ["|V8", [1]]},
        {"array": ["i8,i8", [1]]},
        {"array": [["a", "i8"], [1]]},
        {"array": ["<i8"]},
        {"keras": "keras.optimizers.Adam"},
        {"keras": ["keras.optimizers.Adam"]},
        {"keras": [["keras.optimizers.Adam"], {"dict": []}]},
        {},
        {"a": 1, "b": 2},
    ],
    ids=str,
)
def test_decode_unknown_json_raises(json):
    with pytest.raises(PersistenceError, match=r"which save.. does not write"):
        decode(json)


def test_encode_decode_nested_too_deep_raises():
    for shell in (
        lambda v: [v],
        lambda v: {"tuple": [v]},
        lambda v: {"dict": [[1, v]]},
    ):
        value: Any = 1
        for _ in range(500):
            value = shell(value)
        with pytest.raises(PersistenceError, match="does not write"):
            decode(value)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotDataError):
        encode(endless)


@pytest.mark.parametrize(
    "name, config",
    [
        ("os.system", {}),
        ("keras.layers.Lambda", {"function": "print"}),
        ("keras.models.Sequential", {}),
        ("keras.losses.Loss", {}),
        ("keras.losses.deserialize", {}),
        ("keras.metrics.MeanMetricWrapper", {"fn": "print"}),
        ("keras.metrics.MeanIoU", {"num_classes": 10**6}),
        ("keras.metrics.AUC", {"num_thresholds": 10**9}),
        ("keras.metrics.AUC", {"num_thresholds": 1e9}),
        ("keras.metrics.AUC", {"multi_label": True, "num_labels": 10**9}),
        ("keras.losses.MeanSquaredError", {"fn": "print"}),
        ("keras.losses.MeanSquaredError", {"unknown": 1}),
        ("keras.losses.MeanSquaredError", {"dtype": "no such"}),
        ("keras.optimizers.Adam", {"learning_rate": "fast"}),
        ("keras.optimizers.Adam", {"learning_rate": b"bytes"}),
        ("keras.optimizers.Adam", None),
        ("keras.optimizers.Adam", [1]),
        *(
            ("keras.optimizers.Adam", {"learning_rate": nested})
            for nested in (
                {"module": "os", "class_name": "system", "config": {}},
                {"module": "builtins", "class_name": "function", "config": "exec"},
                {"module": "keras.layers", "class_name": "Lambda", "config": {}},
                {"class_name": "__lambda__", "config": {"value": ["4w==", None, None]}},
                {"class_name": "__numpy__", "config": {"value": 1, "dtype": "f4"}},
                {"class_name": "ExponentialDecay", "config": {}},
                {"registered_name": "mine>Decay", "config": {}},
                {
                    "module": "keras.optimizers.schedules",
                    "class_name": "ExponentialDecay",
                    "config": {"initial_learning_rate": 1.0},
                    "registered_name": "mine>Decay",
                },
            )
        ),
    ],
    ids=str,
)
def test_make_unlisted_object_raises(name, config, monkeypatch):
    """No module is imported on the way."""

    def refuse(*arguments):
        raise AssertionError(f"imported {arguments}")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(NotDataError):
        make(name, config)


@pytest.mark.parametrize("name", built_in_classes())
def test_encode_decode_every_keras_object(name):
    """Each built-in class of Keras comes back with the configuration it had."""
    needed = {
        "keras.optimizers.LossScaleOptimizer": (keras.optimizers.SGD(0.1),),
        "keras.optimizers.schedules.CosineDecay": (0.1, 10),
        "keras.optimizers.schedules.CosineDecayRestarts": (0.1, 10),
        "keras.optimizers.schedules.ExponentialDecay": (0.1, 10, 0.9),
        "keras.optimizers.schedules.InverseTimeDecay": (0.1, 10, 0.9),
        "keras.optimizers.schedules.PiecewiseConstantDecay": ([5], [0.1, 0.01]),
        "keras.optimizers.schedules.PolynomialDecay": (0.1, 10),
        "keras.metrics.PrecisionAtRecall": (0.5,),
        "keras.metrics.RecallAtPrecision": (0.5,),
        "keras.metrics.SensitivityAtSpecificity": (0.5,),
        "keras.metrics.SpecificityAtSensitivity": (0.5,),
    }
    thing = built_in_classes()[name](*needed.get(name, ()))
    again = decode(json.loads(json.dumps(encode(thing))))
    assert type(again) is type(thing)
    assert plainly(again) == plainly(thing)


def test_encode_decode_losses_keep_settings():
    for loss in (
        keras.losses.Huber(delta=0.25, reduction="sum", dtype="float64"),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        keras.losses.CategoricalFocalCrossentropy(alpha=0.3, gamma=1.5, axis=-1),
        keras.losses.Tversky(alpha=0.3, beta=0.6),
    ):
        again = decode(json.loads(json.dumps(encode(loss))))
        assert again.dtype == loss.dtype
        assert again._fn_kwargs == loss._fn_kwargs
        assert again(UP, ~UP) == loss(UP, ~UP)


def test_encode_unsupported_object_raises():
    """What `decode` would refuse is refused before a file is written."""
    for thing in (
        keras.optimizers.Adam(lambda: 0.1),
        keras.metrics.MeanMetricWrapper(shifted_error),
        keras.metrics.AUC(num_thresholds=5000),
        keras.losses.deserialize,
        keras.callbacks.EarlyStopping(),
        shifted_error,
        keras.losses.Huber,
        {1, 2},
        np.zeros((2, 2)),
        np.datetime64("2026-01-01"),
        10**400,
    ):
        with pytest.raises(NotDataError):
            encode(thing)
