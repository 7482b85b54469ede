"""Panels in files: ids, the states of every series, time labels, tiled windows."""

from __future__ import annotations

import copy
import datetime
import decimal
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from helpers import ROUNDING, assert_identical_weights, first_ordinary
from persistence_cases import (
    N_DAYS,
    PANELS,
    SMALL,
    assert_same_ids,
    assert_same_record,
    fitted_panel,
    panel,
    round_trip,
    targets,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm._rows.continuity import ContinuityWarning, TimeAxis
from sklstm.persistence import PersistenceError, describe, read, rebuild, write
from sklstm.persistence._checked import Store
from sklstm.persistence._series_ids import IdsWriter, take_ids

# --------------------------------------------------------------------------------------
# Ids of every kind
# --------------------------------------------------------------------------------------

DAY = datetime.date
MOMENTS = ["2024-01-31 12:30", "1999-05-01", "2024-10-27 00:30"]


def at(zone: Any = None, unit: str = "ns") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(MOMENTS, tz=zone).as_unit(unit)


IDS: dict[str, pd.Index] = {
    "int64": pd.Index([3, -1, 2**62], name="shop"),
    "int8": pd.Index(np.array([3, -1, 7], np.int8), name=4),
    "uint64": pd.Index(np.array([0, 2**64 - 1], np.uint64)),
    "float64": pd.Index([0.1, -np.inf, 1e308], name=("a", 2.5)),
    "float32": pd.Index(np.array([0.1, 2], np.float32)),
    "bool": pd.Index([True, False], name=True),
    "text": pd.Index(["süd", "", "a\0b", "\u2028", "😀"], name=""),
    "text of objects": pd.Index(["b", "\ud800"], dtype=object),
    "text that may be missing": pd.Index(["b", "a"], dtype="string"),
    "dates": at(),
    "dates by the second": at(unit="s"),
    "dates before 1678": pd.DatetimeIndex(np.array(["1066-10-14"], "M8[us]")),
    "dates of a zone": at("Europe/Berlin", "us"),
    "dates of UTC": at("UTC"),
    "dates of an offset": at("UTC+05:30"),
    "dates of a zone of dateutil": at("dateutil/Europe/Berlin"),
    "days": pd.Index([DAY(2024, 2, 29), DAY.min, DAY.max], dtype=object),
    "durations": pd.to_timedelta([1, -5], unit="h"),
    "quarters": pd.period_range("2024Q1", periods=3, freq="Q"),
    "fortnights": pd.period_range("2024-01-01", periods=3, freq="2W-TUE"),
    "mixed": pd.Index([1, "1", 2.5, False, 2**70, -np.inf], dtype=object),
    "one": pd.Index(["only"]),
    "none left": pd.Index([], dtype="int32", name="shop"),
    "no text left": pd.Index([], dtype=object),
    "levels": pd.MultiIndex.from_arrays(
        [["a", "a", "b"], np.array([1, 2, 1], np.int16), at("Asia/Tokyo")],
        names=["land", None, "since"],
    ),
    "no levels left": pd.MultiIndex.from_arrays(
        [["a"], pd.period_range("2024", periods=1, freq="D")], names=["x", "y"]
    )[:0],
}


def ids_from_file(ids: pd.Index, folder: Path) -> pd.Index:
    arrays: dict[str, np.ndarray] = {}
    writer = IdsWriter(arrays)
    assert (writer.put(ids), writer.put(None), writer.put(ids)) == (0, None, 0)
    write(folder / "ids", writer.described, arrays)
    described, arrays = read(folder / "ids")
    store = Store(arrays)
    (taken,) = take_ids(store, described)
    store.close()
    return taken


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_kind_come_back(kind, tmp_path):
    ids, taken = IDS[kind], ids_from_file(IDS[kind], tmp_path)
    if "dateutil" not in kind:
        assert_same_ids(taken, ids)
        return
    assert str(taken.tz) == "Europe/Berlin"  # as pandas itself reads zones
    assert (taken == ids).all()


def test_ids_in_a_file_are_arrays_of_numbers(tmp_path):
    """Worked by hand, so that others can read them."""
    arrays: dict[str, np.ndarray] = {}
    writer = IdsWriter(arrays)
    levels = [["ä", "b"], pd.to_datetime(["1970-01-02"] * 2, utc=True).as_unit("s")]
    writer.put(pd.MultiIndex.from_arrays(levels, names=["x", "y"]))
    text = {"name": "x", "kind": "texts", "dtype": str(pd.Index(["a"]).dtype)}
    dates = {"name": "y", "kind": "dates", "unit": "s", "zone": "UTC"}
    assert writer.described == [[text, dates]]
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "series/0/0/text": [0xC3, 0xA4, 0x62],
        "series/0/0/ends": [2, 3],
        "series/0/1": [24 * 60 * 60] * 2,
    }


def test_100_000_ids_fit_into_a_file(tmp_path):
    """The header, of which JSON's 4 MiB are the most, does not grow with them."""
    names = [f"a shop with a long name, number {k}" for k in range(100_000)]
    ids = pd.MultiIndex.from_arrays([names, np.arange(100_000)])
    assert_same_ids(ids_from_file(ids, tmp_path), ids)


@pytest.mark.parametrize(
    "ids",
    [
        pd.Index([decimal.Decimal(1), decimal.Decimal(2)]),
        pd.Index([1 + 2j, 3]),
        pd.interval_range(0, 2),
        pd.Index([(1, 2), (3, "x")], tupleize_cols=False),
        pd.Index([datetime.time(1), "a"]),
        pd.Index([10**5000, "a"]),
        at(datetime.timezone(datetime.timedelta(hours=7), "Europe/Berlin")),
    ],
    ids=["decimals", "complex", "intervals", "tuples", "times", "huge", "false zone"],
)
def test_save_ids_that_are_no_data_raises(ids, tmp_path):
    original = fitted_panel("tiled")
    record = original._fitted
    state = record.state.take_lanes(np.arange(len(ids))).replace(series=ids)
    original._fitted = replace(record, state=state)
    with pytest.raises(PersistenceError, match="a file holds ids that are integers"):
        original.save(tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_save_ids_named_by_an_object_raises(tmp_path):
    original = fitted_panel("tiled")
    record = original._fitted
    ids = record.state.series.rename(DAY(2024, 1, 1))
    original._fitted = replace(record, state=record.state.replace(series=ids))
    with pytest.raises(PersistenceError, match="a file holds names that are strings"):
        original.save(tmp_path / "file")


# --------------------------------------------------------------------------------------
# Estimators
# --------------------------------------------------------------------------------------

NEW = ("new", "newer")


def moved(kind: str):
    """A panel that has gone on: two series are new, one was reset, one forgotten."""
    estimator = fitted_panel(kind)
    estimator.observe(panel(first_day=N_DAYS, n_days=1))
    estimator.observe(panel(NEW, first_day=N_DAYS, n_days=2))
    return estimator.reset_states("süd").forget("north")


def fed_back(predictions, k):
    return np.stack([predictions, predictions], axis=1)  # (n_series, n_features)


def futures(estimator) -> dict[str, Any]:
    """What comes of every call that goes on from the state; the state moves."""
    later, old = panel(NEW, N_DAYS + 2, 3), panel()
    answers = {"later": estimator.predict(later), "fit": estimator.predict(old)}
    if isinstance(estimator, StatefulLSTMRegressor):
        answers["ahead"] = estimator.forecast(3, None, fed_back, series=list(NEW))
    answers["step"] = estimator.step(later.iloc[:2])
    estimator.observe(later.iloc[2:4])
    y = targets(later.iloc[4:])
    if isinstance(estimator, StatefulLSTMClassifier):
        y = np.where(y > 0, "up", "down")
    if estimator.windows == "tiled":
        estimator.partial_fit(later.iloc[4:], y)
    else:
        estimator.observe(later.iloc[4:])
    answers["weights"] = np.concatenate([w.ravel() for w in estimator.get_weights()])
    answers["again"] = estimator.reseed_states().predict(panel(first_day=N_DAYS))
    answers["cold"] = estimator.reset_states().predict(old)
    return answers


def assert_same_futures(loaded, original) -> None:
    ours, theirs = futures(loaded), futures(original)
    for name, answer in theirs.items():
        np.testing.assert_array_equal(ours[name], answer, strict=True, err_msg=name)
    assert_same_record(loaded, original)


@pytest.mark.parametrize("kind", first_ordinary(2, PANELS))
def test_load_panel_goes_on_bit_for_bit(kind, tmp_path):
    """The state has four series, that of the fit three."""
    original = moved(kind)
    assert list(original.series_) == ["süd", "\u2028 west", *NEW]
    assert np.isnan(original.state_.last_output[0]).all()
    loaded = round_trip(original, tmp_path)
    assert_same_record(loaded, original)
    assert_same_futures(loaded, original)


COPIES: dict[str, Callable] = {
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "joblib": lambda estimator, path: (
        joblib.dump(estimator, path),
        joblib.load(path),
    )[1],
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("how", COPIES)
def test_pickle_joblib_deepcopy_of_loaded_panel(how, tmp_path):
    original = moved("tiled")
    copied = COPIES[how](round_trip(original, tmp_path), tmp_path / "copy")
    for state in (copied.state_, copied._fitted.seeded):
        assert not state.position.flags.writeable
        assert not state.last_seen.flags.writeable
    assert_same_record(copied, original)
    assert_same_futures(copied, original)


def test_load_panel_of_no_series_left(tmp_path):
    original = fitted_panel("tiled")
    original.forget(list(original.series_))
    loaded = round_trip(original, tmp_path)
    assert_same_record(loaded, original)
    later = panel(first_day=N_DAYS)
    np.testing.assert_array_equal(loaded.step(later), original.step(later))
    assert_same_record(loaded, original)


def test_load_panel_that_partial_fit_alone_has_trained(tmp_path):
    original = StatefulLSTMRegressor(2, **SMALL, windows="tiled")
    original.partial_fit(panel(), targets(panel()))
    loaded = round_trip(original, tmp_path)
    assert loaded._fitted.training_rows is None
    assert_same_record(loaded, original)
    later = panel(first_day=N_DAYS)
    for estimator in (loaded, original):
        estimator.partial_fit(later, targets(later))
    assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert_same_record(loaded, original)


COLUMNS: dict[str, Any] = {
    "name": "shop",
    "several": ["land", "shop"],
    "tuple": ("shop", "land"),
    "array": np.array(["land", "shop"]),
    "position": -1,
}


@pytest.mark.parametrize("which", COLUMNS)
def test_load_panel_by_series_id(which, tmp_path):
    """Ids in columns, by name or position, and time that only counts."""
    X = panel(n_days=9).reset_index("shop").reset_index(drop=True)
    X["land"], X["shop"] = X.index % 2 + 0.5, X.pop("shop")
    series_id = COLUMNS[which]
    if isinstance(series_id, int | str):
        X = X.drop(columns="land")
    original = StatefulLSTMRegressor(2, **SMALL, windows="tiled", series_id=series_id)
    original.fit(X[:18], targets(X[:18]))
    loaded = round_trip(original, tmp_path)
    kept = loaded._fitted.input_shape.series_id
    assert type(kept) is type(series_id) and np.all(kept == series_id)
    assert_same_ids(loaded.series_, original.series_)
    np.testing.assert_array_equal(loaded.step(X[18:]), original.step(X[18:]))
    with pytest.raises(ValueError, match=r"which X lacks|columns|feature names"):
        loaded.predict(X[18:].drop(columns="shop"))


def one_shop(**days: int) -> pd.DataFrame:
    frame = panel(("north",), **days)
    return frame.droplevel("shop")


@pytest.mark.parametrize("stateful", [True, False])
def test_load_one_series_knows_its_last_label(stateful, tmp_path):
    """With sliding windows: the row that follows does, another one is reported."""
    original = StatefulLSTMRegressor(2, **SMALL, stateful=stateful)
    original.fit(one_shop(), targets(one_shop()))
    original.partial_fit(one_shop(first_day=N_DAYS, n_days=1), [0.5])  # it waits
    loaded = round_trip(original, tmp_path)
    assert loaded._fitted.waiting is not None
    assert_same_record(loaded, original)
    assert loaded._fitted.axis.tz == "Europe/Berlin"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.predict(one_shop(first_day=N_DAYS + 1, n_days=1))
    with pytest.warns(ContinuityWarning, match="2024-04-05"):
        loaded.predict(one_shop(first_day=N_DAYS + 2, n_days=1))
    rows = one_shop(n_days=N_DAYS + 2)  # those of the fit, and later ones
    np.testing.assert_array_equal(
        loaded.reseed_states().predict(rows), original.reseed_states().predict(rows)
    )


def test_load_one_named_series_of_sliding_windows(tmp_path):
    """A stateful network carries one series, which may have a name."""
    X = panel(("north",))
    original = StatefulLSTMRegressor(2, **SMALL).fit(X, targets(X))
    loaded = round_trip(original, tmp_path)
    assert_same_record(loaded, original)
    later = panel(("north",), N_DAYS, 3)
    np.testing.assert_array_equal(loaded.step(later), original.step(later))
    assert_same_record(loaded, original)


AXES = {
    "no step": TimeAxis("datetime", unit="us"),
    "hours of a zone": TimeAxis("datetime", 3_600_000_000, None, "us", "Asia/Tokyo"),
    "months": TimeAxis("datetime", 1, "day of month", "ns"),
    "any day of a month": TimeAxis("datetime", 3, "month", "us", "UTC"),
    "open days": TimeAxis("datetime", 1, "1111100", "us"),
    "periods": TimeAxis("period", 2, freq="Q-DEC"),
    "count": TimeAxis("integer", 10),
}


@pytest.mark.parametrize("kind", AXES)
def test_load_every_time_axis(kind):
    original = fitted_panel("tiled")
    original._fitted = replace(original._fitted, axis=AXES[kind])
    loaded = rebuild(StatefulLSTMRegressor, *describe(original), {})
    assert loaded._fitted.axis == AXES[kind]


def tiled_gru(meta):
    """A user's network with an output at each step."""
    shape = (meta["batch_size"], meta["sequence_length"], meta["n_features_in_"])
    return keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            keras.layers.GRU(2, stateful=True, return_sequences=True),
            keras.layers.Dense(1),
        ]
    )


@pytest.mark.thorough
def test_load_panel_of_a_users_network(tmp_path):
    original = StatefulLSTMRegressor(**SMALL, windows="tiled", model=tiled_gru)
    original.fit(panel(), targets(panel()))
    loaded = round_trip(original, tmp_path, model=tiled_gru)
    assert_same_record(loaded, original)
    later = panel(("north", "new"), N_DAYS, 3)
    for estimator in (loaded, original):
        estimator.partial_fit(later, targets(later))
    assert_identical_weights(loaded.get_weights(), original.get_weights())
    assert_same_record(loaded, original)


# --------------------------------------------------------------------------------------
# Files of format 1, as version 0.1 wrote them
# --------------------------------------------------------------------------------------

OLD = Path(__file__).parent / "data"
STEPS = np.arange(20.0)
OLD_X = np.stack([STEPS % 5, STEPS % 3], axis=1) / 4
OLD_Y = OLD_X[:, 0] - OLD_X[:, 1]


def assert_knows_no_encoder(loaded) -> None:
    """What came with format 2 is as it was before."""
    fitted = loaded._fitted
    assert fitted.encoder is None and not hasattr(loaded, "lags_")
    assert fitted.recipe.network.n_skip == 0
    assert fitted.input_shape.dtype == "float32"
    assert loaded.epochs_ == loaded.epochs  # nobody stopped it


def test_load_regressor_of_format_1():
    """Fitted on twelve rows, with one more that waits; the numbers are its own."""
    loaded = StatefulLSTMRegressor.load(OLD / "regressor_format_1.safetensors")
    assert (loaded.windows, loaded.series_id, loaded.on_gap) == (
        "sliding",
        None,
        "warn",
    )
    assert loaded._fitted.axis is None and not hasattr(loaded, "series_")
    assert (loaded.scale, loaded.linear_skip, loaded.ema_momentum) == (False, False, 0)
    assert_knows_no_encoder(loaded)
    assert loaded.state_.position == 11
    expected = [-0.290602356, -0.283783168, -0.310189724, -0.285291076]
    np.testing.assert_allclose(loaded.predict(OLD_X[13:17]), expected, **ROUNDING)
    in_sample = loaded.predict(OLD_X[:12])  # known again, and replayed
    expected = [-0.306792229, -0.282144189, -0.265935123]
    np.testing.assert_allclose(in_sample[-3:], expected, **ROUNDING)
    loaded.partial_fit(OLD_X[13:17], OLD_Y[13:17])
    expected = [-0.253607452, -0.308731556, -0.297406912]
    np.testing.assert_allclose(loaded.predict(OLD_X[17:]), expected, **ROUNDING)


def test_load_classifier_of_format_1(tmp_path):
    loaded = StatefulLSTMClassifier.load(OLD / "classifier_format_1.safetensors")
    assert not loaded._fitted.recipe.is_tiled
    assert_knows_no_encoder(loaded)
    expected = [0.470410526, 0.466087222, 0.460687906, 0.464854389]
    probabilities = loaded.predict_proba(OLD_X[12:16])
    np.testing.assert_allclose(probabilities[:, 1], expected, **ROUNDING)
    again = round_trip(loaded, tmp_path)  # in the format of today
    np.testing.assert_array_equal(again.predict_proba(OLD_X[12:16]), probabilities)
    assert_same_record(again, loaded)
