"""`to_onnx`: a step of a fitted network, run by ONNX Runtime beside `step`."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace

import encoder_cases
import numpy as np
import persistence_cases
import pytest
from helpers import assert_close, make_rows, with_rest_thorough

from sklstm._compiled.device_arrays import Parameters
from sklstm._rows.state import RecurrentState

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

pytestmark = pytest.mark.thorough  # where optional packages are installed

# Two runtimes sum in other orders, in float32.
SAME = {"rtol": 1e-5, "atol": 1e-5}


def steps_of(path, states, rows):
    """Answers to rows of one series, each state fed back by its name."""
    session = onnxruntime.InferenceSession(path)
    (row,) = (one for one in session.get_inputs() if one.name == "row")
    dtype = np.float64 if row.type == "tensor(double)" else np.float32
    names = [one.name for one in session.get_outputs()]
    answers = []
    for one in rows:
        made = session.run(None, {"row": one[np.newaxis].astype(dtype), **states})
        made = dict(zip(names, made, strict=True))
        states = {name: made[f"next_{name}"] for name in states}
        (answer,) = (made[n] for n in names if not n.startswith("next_"))
        answers.append(answer[0])
    return np.array(answers), states


def with_network(kind: str, cell: str, units: tuple[int, ...]):
    """A fitted estimator with another network, of random weights, in zero state.

    Nothing is trained or compiled: `step` is answered in NumPy.
    """
    estimator = encoder_cases.fitted(kind)
    fitted, rng = estimator._fitted, np.random.default_rng(0)
    network = replace(fitted.recipe.network, cell=cell, units=units)
    weights = tuple(
        rng.normal(size=shape).astype(np.float32) / 2 for shape in network.weight_shapes
    )
    layers = network.at_batch_size(1).zero_states()
    zero = fitted.zero
    zero = RecurrentState(layers, zero.context, zero.position, last_seen=zero.last_seen)
    estimator._fitted = replace(
        fitted,
        recipe=replace(fitted.recipe, network=network),
        parameters=Parameters(weights),
        zero=zero,
        seeded=zero,
        state=zero,
    )
    return estimator


NETWORKS = with_rest_thorough(
    [
        *("both-lstm", "both-gru-2", "both-rnn-2", "scale-lstm-2", "skip-gru"),
        *("classes-lstm-2", "classes-gru", "classes-rnn"),
    ],
    ["both-gru-2", "both-rnn-2", "scale-lstm-2", "skip-gru", "classes-lstm-2"],
)


@pytest.mark.parametrize("case", NETWORKS)
def test_onnx_model_answers_what_step_answers(case, tmp_path):
    """From the first row on, where the linear map has few rows to look back at."""
    kind, cell, *two = case.split("-")
    estimator = with_network(kind, cell, (3, 2) if two else (3,))
    path = str(tmp_path / "step.onnx")
    states = estimator.to_onnx(path)
    rows = 480 + 20 * make_rows(20, estimator.n_features_in_, seed=2)
    answers, after = steps_of(path, states, rows)
    answer = estimator.predict_proba if kind == "classes" else estimator.predict
    expected = answer(rows)
    assert_close(answers, expected.reshape(len(rows), -1), **SAME)
    estimator.observe(rows)
    again = estimator.to_onnx(path)
    assert again.keys() == after.keys()
    for name, value in after.items():
        assert_close(value, again[name], rtol=1e-4, atol=1e-5)


def test_onnx_model_of_a_series_has_its_scale_and_state(tmp_path):
    """One that was not in the fit has the scale of all rows, and zero state."""
    estimator = encoder_cases.fitted("panel")
    later, _ = encoder_cases.later_rows("panel")
    path = str(tmp_path / "step.onnx")
    for name in ("north", "east"):
        rows = later.xs("north", drop_level=False).rename(index={"north": name})
        states = estimator.to_onnx(path, series=name)
        answers, _ = steps_of(path, states, rows.to_numpy())
        assert_close(answers[:, 0], estimator.predict(rows), **SAME)
    with pytest.raises(ValueError, match=r"series have ids.* Pass the id of one"):
        estimator.to_onnx(path)


def test_onnx_model_answers_series_side_by_side(tmp_path):
    estimator = encoder_cases.fitted("both")
    path = str(tmp_path / "step.onnx")
    states = estimator.to_onnx(path)
    rows = make_rows(3, estimator.n_features_in_, seed=4).astype(np.float64)
    session = onnxruntime.InferenceSession(path)
    three = {name: np.repeat(value, 3, axis=0) for name, value in states.items()}
    answers, *_ = session.run(["prediction"], {"row": rows, **three})
    alone = [estimator.predict(row[np.newaxis])[0] for row in rows]
    assert_close(answers, np.array(alone), **SAME)


@pytest.mark.parametrize(
    "estimator, message",
    [
        (lambda: persistence_cases.small(), "reads windows of rows.*Fit with windows="),
        (lambda: encoder_cases.fitted("sequences"), "fitted on sequences.*series_id="),
        (lambda: encoder_cases.fitted("model"), r"a model= function.*rebuild\(batch"),
        (
            lambda: persistence_cases.fitted_panel("tiled, stateless"),
            "starts anew at each tile.*stateful=True",
        ),
    ],
)
def test_to_onnx_refuses_what_is_no_step(estimator, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        estimator().to_onnx(tmp_path / "step.onnx")


def test_to_onnx_without_the_package_names_it(monkeypatch, tmp_path):
    estimator = copy.copy(encoder_cases.fitted_once("both"))
    with pytest.raises(ValueError, match="the series has no id"):
        estimator.to_onnx(tmp_path / "step.onnx", series="north")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'sklstm\[onnx\]'"):
        estimator.to_onnx(tmp_path / "step.onnx")
