"""`sklstm.serving`: files that answer in NumPy alone, and go back into a file."""

from __future__ import annotations

import json
import sys

import encoder_cases
import keras
import numpy as np
import pandas as pd
import persistence_cases
import pytest
from helpers import assert_close, make_rows, pieces, run, with_rest_thorough
from hypothesis import given
from hypothesis import strategies as st
from persistence_cases import SMALL, assert_identical_state
from plain import StatefulLSTMClassifier

from sklstm import ContinuityWarning, StatefulLSTMRegressor
from sklstm._network import numpy_forward
from sklstm.persistence import PersistenceError, write
from sklstm.serving import ClassifierPredictor, Predictor, load

# The estimator's compiled pass and the predictor's NumPy sum in other orders, float32.
SAME = {"rtol": 1e-5, "atol": 1e-5}
N, N_MORE = persistence_cases.N, persistence_cases.N_MORE
PLAIN = [k for k in persistence_cases.KINDS if not k.startswith("model")]
ENCODED = [k for k in encoder_cases.KINDS if k != "model"]


def case_of(kind: str):
    """An estimator of a kind, the rows of its fit, and later ones."""
    if kind in encoder_cases.KINDS:
        seen, later = encoder_cases.seen_rows(kind), encoder_cases.later_rows(kind)
        return encoder_cases.fitted(kind), seen[0], later[0]
    if kind in persistence_cases.PANELS:
        later = persistence_cases.panel(first_day=persistence_cases.N_DAYS)
        return persistence_cases.fitted_panel(kind), persistence_cases.panel(), later
    estimator, X, _ = persistence_cases.fitted(kind)
    return estimator, X[:N], X[N:]


def served(estimator, folder) -> Predictor:
    """The estimator in a file, read by `load`."""
    estimator.save(folder / "model.sklstm")
    return load(folder / "model.sklstm")


def assert_same_answers(actual, expected) -> None:
    """Numbers to rounding, labels as they are; of sequences, each of a list."""
    if isinstance(expected, list):
        for one, other in zip(actual, expected, strict=True):
            assert_same_answers(one, other)
    elif expected.dtype.kind == "f":
        assert actual.dtype == expected.dtype
        assert_close(actual, expected, **SAME)
    else:
        np.testing.assert_array_equal(actual, expected)


ALL = with_rest_thorough(
    [*PLAIN, *ENCODED, *persistence_cases.PANELS],
    [
        "regressor: stateless, two layers, 2-d y",
        "regressor: windows, float32 y",
        "classifier: two layers",
        *("both", "classes", "panel", "sequences", "sliding, stateless"),
    ],
)


@pytest.fixture(scope="module")
def of_frame(tmp_path_factory):
    """A predictor of a frame with dates, whose state tests leave as it is."""
    dates = pd.date_range("2024", periods=20, freq="D")
    frame = pd.DataFrame(make_rows(20, 2, 0), dates, ["sun", "rain"])
    model = StatefulLSTMRegressor(2, epochs=1, random_state=0)
    model.fit(frame[:15], frame["sun"][:15] + frame["rain"][:15])
    return served(model, tmp_path_factory.mktemp("frame")), frame[15:]


@pytest.mark.parametrize("kind", ALL)
def test_predictor_answers_what_the_estimator_answers(kind, tmp_path):
    """On rows of the fit, which are replayed, on later ones, and step by step."""
    estimator, seen, later = case_of(kind)
    predictor = served(estimator, tmp_path)
    for rows in (later, seen):
        assert_same_answers(predictor.predict(rows), estimator.predict(rows))
        if hasattr(estimator, "predict_proba"):
            assert_same_answers(
                predictor.predict_proba(rows), estimator.predict_proba(rows)
            )
    if kind == "sequences":
        return
    assert_same_answers(predictor.step(later), estimator.step(later))
    assert_identical_state(predictor.state_, estimator.state_)
    predictor.reseed_states().observe(later[:1])
    estimator.reseed_states().observe(later[:1])
    assert_identical_state(predictor.get_states(), estimator.get_states())
    predictor.reset_states()
    estimator.reset_states()
    assert_same_answers(predictor.predict(later), estimator.predict(later))


@pytest.mark.parametrize("n_outputs", with_rest_thorough([1, 2], [2]))
def test_predictor_answers_quantiles_as_the_estimator(n_outputs, tmp_path):
    """On rows of the fit and on later ones, from a state that has moved."""
    X = make_rows(30, 2, 0)
    y = X[:, 0] if n_outputs == 1 else X
    levels = (0.1, 0.5, 0.8)
    model = StatefulLSTMRegressor(2, loss="quantile", quantiles=levels, **SMALL)
    predictor = served(model.fit(X[:20], y[:20]), tmp_path)
    assert predictor.quantiles_ == levels
    for rows in (X, X[20:]):
        made = predictor.predict_quantiles(rows)
        assert_same_answers(made, model.predict_quantiles(rows))
        assert_same_answers(made[..., 1], predictor.predict(rows))
    for one in (predictor, model):
        one.observe(X[20:23])
    made = [one.predict_quantiles(X[23:]) for one in (predictor, model)]
    assert_same_answers(*made)
    assert made[0].shape == ((7, 3) if n_outputs == 1 else (7, 2, 3))


@pytest.mark.thorough
def test_predictor_of_another_loss_has_no_quantiles(of_frame):
    predictor, later = of_frame
    assert not hasattr(predictor, "quantiles_")
    with pytest.raises(AttributeError, match="with another loss"):
        predictor.predict_quantiles(later)


COMPILED = with_rest_thorough(
    [*PLAIN, *ENCODED], ["regressor: windows, float32 y", "classes"]
)


@pytest.mark.parametrize("kind", COMPILED)
def test_predictor_answers_what_a_compiled_pass_answers(kind, tmp_path, monkeypatch):
    """The estimator compiles long calls; the predictor never does."""
    estimator, _, later = case_of(kind)
    predictor = served(estimator, tmp_path)
    monkeypatch.setattr(numpy_forward, "WORTH_COMPILING", -1.0)
    assert_same_answers(predictor.predict(later), estimator.predict(later))


@pytest.mark.parametrize(
    "kind",
    with_rest_thorough(
        ["regressor: rows", "classifier: two layers", "both", "panel", "tiled"],
        ["classifier: two layers", "both", "panel"],
    ),
)
def test_save_predictor_after_step_lets_the_estimator_go_on(kind, tmp_path):
    """Over the file it came from, and the optimizer's slots are still in it."""
    estimator, _, later = case_of(kind)
    n = len(later) // 2
    predictor = served(estimator, tmp_path)
    predictor.step(later[:n])
    predictor.save(tmp_path / "model.sklstm")
    loaded = type(estimator).load(tmp_path / "model.sklstm")
    estimator.observe(later[:n])
    assert_identical_state(loaded.state_, estimator.state_)
    assert loaded.history_ == estimator.history_
    for slot, other in zip(
        loaded._fitted.parameters.slots, estimator._fitted.parameters.slots, strict=True
    ):
        np.testing.assert_array_equal(slot, other)
    np.testing.assert_array_equal(
        loaded.step(later[n:]), estimator.step(later[n:]), strict=True
    )
    again = served(loaded, tmp_path)  # and back
    assert_identical_state(again.state_, estimator.state_)


def test_save_predictor_unmoved_writes_the_same_file(tmp_path):
    """Rows that wait to be trained on are kept."""
    predictor = served(persistence_cases.small(), tmp_path)
    predictor.save(tmp_path / "again")
    again, first = ((tmp_path / n).read_bytes() for n in ("again", "model.sklstm"))
    assert again == first


def test_step_predictor_drops_rows_that_wait_with_a_warning(tmp_path):
    predictor = served(persistence_cases.small(), tmp_path)
    with pytest.warns(UserWarning, match=r"1 row\(s\) given to partial_fit .*=2"):
        predictor.step(persistence_cases.X[:1, :1])


@given(data=st.data())
def test_step_predictor_over_any_pieces_equals_predict(data, tmp_path_factory):
    """And `observe` of the first rows leaves what `predict` says of the others."""
    kind = data.draw(st.sampled_from(["classifier: two layers", "both"]))
    estimator, _, _ = case_of(kind)
    predictor = served(estimator, tmp_path_factory.mktemp("served"))
    X = make_rows(15, predictor.n_features_in_, seed=3)
    whole = predictor.predict(X)
    cuts = data.draw(pieces(len(X)))
    stepped = [predictor.step(X[cut]) for cut in cuts if cut.stop > cut.start]
    assert_same_answers(np.concatenate(stepped), whole)
    n = data.draw(st.integers(1, len(X) - 1))
    rest = predictor.reseed_states().observe(X[:n]).predict(X[n:])
    assert_same_answers(rest, whole[n:])


def test_forecast_predictor_closes_the_loop_as_the_estimator(tmp_path):
    """By itself, after rows, by a function, and with what is known of later rows."""
    estimator, _, later = case_of("both")
    predictor = served(estimator, tmp_path)
    future = np.full((6, predictor.n_features_in_), np.nan)
    ways = (
        {},
        {"start": later},
        {"start": later.tolist(), "feedback": lambda p, k: p[::-1]},
        {"X_future": future},
    )
    for way in ways:
        answers = predictor.forecast(6, **way)
        assert_same_answers(answers, estimator.forecast(6, **way))
        assert answers.shape == (6, estimator.n_outputs_)


def test_state_calls_of_predictor_know_the_series_of_a_panel(tmp_path):
    """One is forgotten, one is reset, and one joins."""
    estimator, _, later = case_of("panel")
    predictor = served(estimator, tmp_path)
    north, south, _ = predictor.series_
    for one in (predictor, estimator):
        one.forget(north).reset_states(south)
        strange = later.rename(index={north: "east"}, level=0)
        one.observe(strange)
    assert list(predictor.series_) == list(estimator.series_)
    assert_identical_state(predictor.get_states("east"), estimator.get_states("east"))
    answers = predictor.forecast(2, series="east", feedback=lambda p, k: [p, p])
    expected = estimator.forecast(2, series="east", feedback=lambda p, k: [p, p])
    assert_same_answers(answers, expected)
    state = estimator.reseed_states().get_states()
    predictor.reset_states().set_states(state)
    assert_same_answers(predictor.predict(later), estimator.predict(later))


@pytest.mark.thorough
def test_predictor_of_a_loss_that_takes_logits_gives_probabilities(tmp_path):
    """The network's head tells, whatever the loss is and whether it can be saved."""

    class OwnLoss(keras.losses.BinaryCrossentropy):
        pass

    X, up = persistence_cases.X, persistence_cases.UP
    model = StatefulLSTMClassifier(2, **SMALL, loss=OwnLoss(from_logits=True))
    model.fit(X[:N], up[:N])
    predictor = served(model, tmp_path)
    assert isinstance(predictor, ClassifierPredictor)
    assert_same_answers(predictor.predict_proba(X[N:]), model.predict_proba(X[N:]))
    np.testing.assert_array_equal(predictor.classes_, [False, True])


# --------------------------------------------------------------------------------------
# A fresh process
# --------------------------------------------------------------------------------------

SERVE = """
import copy, json, pickle, sys
from sklstm.serving import load
predictor = copy.deepcopy(pickle.loads(pickle.dumps(load({path!r}))))
answers = predictor.predict({rows}).tolist()
predictor.step({rows})
predictor.forecast(3, feedback=lambda prediction, k: {rows}[0])
predictor.reset_states().observe({rows})
predictor.save({path!r})
try:
    predictor.predict([[float("nan")] * predictor.n_features_in_])
except ValueError as error:
    assert "contains NaN in 1 row(s)" in str(error), error
print(json.dumps([sorted(sys.modules), answers]))
print(*[line for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""
HEAVY = {"tensorflow", "keras", "scikeras", "sklearn", "scipy", "pandas", "joblib"}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is Linux's")
@pytest.mark.parametrize("kind", ["classifier: two layers", "a frame with dates"])
def test_fresh_process_serves_without_heavy_libraries(kind, of_frame, tmp_path):
    """In less than 120 MB. Dates of the fit need no pandas while rows have none."""
    if kind == "a frame with dates":
        predictor, later = of_frame
        rows = later.to_numpy()
    else:
        estimator, _, rows = case_of(kind)
        predictor = served(estimator, tmp_path)
    path = str(tmp_path / "model")
    predictor.save(path)
    done = run(SERVE.format(path=path, rows=rows.tolist()))
    assert done.returncode == 0, done.stderr
    (modules, answers), peak = json.loads(done.stdout.split("\n")[0]), done.stdout
    assert not HEAVY & {name.split(".")[0] for name in modules}
    assert int(peak.split()[-2]) < 120 * 1024  # kB
    assert_same_answers(np.array(answers), predictor.predict(rows))


# --------------------------------------------------------------------------------------
# What is refused
# --------------------------------------------------------------------------------------


def test_load_served_model_function_names_what_to_use_instead(tmp_path):
    estimator, *_ = persistence_cases.fitted("model: gru")
    estimator.save(tmp_path / "model")
    expected = (
        r"'.*model' holds the network of a model= function, which only Keras can run."
        r" Load it with sklstm.StatefulLSTMRegressor.load\(path, model=...\)"
    )
    with pytest.raises(PersistenceError, match=expected):
        load(tmp_path / "model")


@pytest.mark.parametrize("header", [{"class": "Pipeline"}, {"class": 3}, {}])
def test_load_served_file_of_something_else(tmp_path, header):
    write(tmp_path / "model", header, {})
    with pytest.raises(PersistenceError, match="holds no StatefulLSTMRegressor"):
        load(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")


BAD_ROWS = {
    "contains NaN in 1 row.*first of them row 1": [[0.0, 1.0], [np.nan, 2.0]],
    "contains infinity or a value too large for float64": [[0.0, np.inf]],
    r"X has 3 features, but Predictor is expecting 2 features": [[1.0, 2.0, 3.0]],
    r"X must be of shape \(n_rows, n_features\), got .* \(2,\).*reshape": [1.0, 2.0],
    r"X must be of shape .* got an array of shape \(\)": 3.0,
    r"X has shape \(0, 2\), but there must be at least one row": np.empty((0, 2)),
    "X must hold numbers, .* could not convert string to float: .*a": [["a", 1.0]],
    "cannot be converted to float64: complex numbers": [[1.0, 2.0j]],
    "X is a list of 1-D sequences of different lengths": [[1.0, 2.0], [3.0]],
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_predict_of_predictor_refuses_rows_that_are_no_numbers(of_frame, message):
    with pytest.raises(ValueError, match=message):
        of_frame[0].predict(BAD_ROWS[message])


def test_predict_of_predictor_refuses_other_columns_and_breaks(of_frame):
    """Labels of a frame are looked at, as by the estimator; arrays have none."""
    predictor, later = of_frame
    with pytest.raises(ValueError, match=r"columns \['rain', 'sun'\], but fit saw"):
        predictor.predict(later[["rain", "sun"]])
    with pytest.raises(TypeError, match="dates or durations"):
        predictor.predict(later.assign(rain=pd.Timestamp("2024")))
    with pytest.warns(ContinuityWarning, match="2024-01-17, and the last row seen"):
        late = predictor.predict(later[1:])
    assert_close(predictor.predict(later[1:].to_numpy()), late)
    predictor.on_gap = "raise"
    with pytest.raises(ValueError, match="do not follow one another"):
        predictor.predict(later[1:])
    predictor.on_gap = "warn"
    assert predictor.predict(later).shape == (5,)
    assert_close(predictor.predict(later.astype("Float64")), predictor.predict(later))


def test_keywords_of_predictor_are_refused_with_a_hint(of_frame):
    with pytest.raises(TypeError, match=r"Predictor.predict\(\) .* 'verbose'. Leave"):
        of_frame[0].predict(of_frame[1], verbose=0)
    with pytest.raises(TypeError, match=r"'strange'\.$"):
        of_frame[0].step(of_frame[1], strange=0)


def test_predict_of_predictor_refuses_sparse_rows(of_frame):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"sparse matrix.*X.toarray\(\)"):
        of_frame[0].predict(sparse.csr_array(np.eye(2)))
