"""Checkpoints of tiled windows and of panels: killed, and gone on with."""

from __future__ import annotations

import datetime
import signal
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import assert_identical_weights, run, with_rest_thorough
from persistence_cases import (
    PANELS,
    SMALL,
    assert_same_record,
    panel,
    targets,
)
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor

from sklstm._estimator.choosing_epochs import EpochErrors
from sklstm._training.checkpoint import Checkpoint


class Killed(BaseException):
    """What a test raises in place of a kill: nothing catches it."""


class KillAt(keras.callbacks.Callback):
    """Die when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self._at = epoch  # another name: when to die is no part of the training

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._at:
            raise Killed


CASES: dict[str, dict[str, Any]] = {
    "in order": {"shuffle": False},
    "drawn": {"shuffle": True},
    "held out": {"validation_split": 0.4, "shuffle": True},
    "dropout": {"dropout": 0.3, "cell": "gru"},
}


def estimator(kind: str, kill_at=None, **options):
    cls, parameters = PANELS[kind]
    callbacks = [KillAt(kill_at)]
    options = {**SMALL, "epochs": 5, "callbacks": callbacks, **parameters, **options}
    return cls(2, **options)


def data(kind: str):
    X, y = panel(), targets(panel())
    if PANELS[kind][0] is StatefulLSTMClassifier:
        y = np.where(y > 0, "up", "down")
    return X, y


def assert_resumes(folder, kind: str, **options) -> None:
    """Killed after two epochs and gone on with, it ends as if it never was."""
    X, y = data(kind)
    whole = estimator(kind, **options).fit(X, y)
    with pytest.raises(Killed):
        estimator(kind, 2, **options).fit(X, y, checkpoint=folder)
    (file,) = folder.iterdir()
    again = estimator(kind, **options).fit(X, y, checkpoint=folder)
    assert not file.exists()
    for part in ("weights", "seeds", "slots"):
        ours, theirs = (getattr(e._fitted.parameters, part) for e in (again, whole))
        assert_identical_weights(list(ours), list(theirs))
    assert again.history_ == whole.history_
    assert len(again.history_["loss"]) == 5
    assert_same_record(again, whole)


@pytest.mark.slow
@pytest.mark.parametrize("kind", with_rest_thorough(PANELS, ("tiled classifier",)))
def test_fit_checkpoint_panel_resumes_bit_for_bit(kind, tmp_path):
    assert_resumes(tmp_path, kind)


@pytest.mark.slow
@pytest.mark.parametrize("case", with_rest_thorough(CASES, ("dropout",)))
def test_fit_checkpoint_tiled_resumes_bit_for_bit(case, tmp_path):
    """The cuts of each epoch are drawn anew, from the seed of the checkpoint."""
    assert_resumes(tmp_path, "tiled", **CASES[case])


# --------------------------------------------------------------------------------------
# Encoders, averages, and epochs that are chosen
# --------------------------------------------------------------------------------------

STEPS = np.arange(120)
SERIES = np.sin(STEPS * 2 * np.pi / 12) + np.sin(STEPS**2) / 4  # (n_rows,)
SERIES_X, SERIES_Y = SERIES[:-1, np.newaxis], SERIES[1:]


def chooser(kill_at=None, **options) -> StatefulLSTMRegressor:
    defaults = {
        "windows": "tiled",
        "sequence_length": 6,
        "batch_size": 2,
        "scale": True,
        "epochs": "auto",
        "ema_momentum": 0.6,
        "random_state": 0,
        "callbacks": [KillAt(kill_at)],
    }
    return StatefulLSTMRegressor(3, **{**defaults, **options})


@pytest.mark.parametrize(
    "linear_skip", [False, pytest.param(True, marks=pytest.mark.thorough)]
)
def test_fit_checkpoint_auto_epochs_resumes_bit_for_bit(linear_skip, tmp_path):
    """Their number is chosen again, alike; the encoder is learnt again, alike."""
    options = {"linear_skip": linear_skip}
    if linear_skip:  # whose network may be of no use, so that nothing is trained
        options |= {"epochs": 4}
    whole = chooser(**options).fit(SERIES_X, SERIES_Y)
    assert whole.epochs_ > 2
    with pytest.raises(Killed):
        chooser(2, **options).fit(SERIES_X, SERIES_Y, checkpoint=tmp_path)
    (file,) = tmp_path.iterdir()
    again = chooser(**options).fit(SERIES_X, SERIES_Y, checkpoint=tmp_path)
    assert not file.exists()
    assert again.epochs_ == whole.epochs_
    assert again.history_ == whole.history_
    for part in ("weights", "seeds", "slots"):
        ours, theirs = (getattr(e._fitted.parameters, part) for e in (again, whole))
        assert_identical_weights(list(ours), list(theirs))
    assert_same_record(again, whole)
    np.testing.assert_array_equal(again.forecast(5), whole.forecast(5))


@pytest.mark.thorough
def test_fit_checkpoint_auto_epochs_fewer_than_trained_raises(tmp_path):
    n = chooser().fit(SERIES_X, SERIES_Y).epochs_
    with pytest.raises(Killed):
        chooser(n + 1, epochs=n + 2).fit(SERIES_X, SERIES_Y, checkpoint=tmp_path)
    text = (
        f"holds {n + 1} epochs, but epochs='auto', which chose {n}. Set epochs={n + 1}"
        " or more, or delete .* anew"
    )
    auto = chooser()
    with pytest.raises(ValueError, match=text):
        auto.fit(SERIES_X, SERIES_Y, checkpoint=tmp_path)
    assert not hasattr(auto, "state_")
    assert len(list(tmp_path.iterdir())) == 1


def test_fit_checkpoint_auto_epochs_none_leaves_no_file(tmp_path):
    """Where the linear map leaves nothing to learn, no epoch is trained."""
    sine = np.sin(STEPS / 3)
    model = chooser(linear_skip=True)
    model.fit(sine[:-1, np.newaxis], sine[1:], checkpoint=tmp_path)
    assert (model.epochs_, model.history_) == (0, {})
    assert not list(tmp_path.iterdir())


def test_fit_ctrl_c_while_epochs_are_chosen_raises_KeyboardInterrupt(monkeypatch):
    """Nothing was trained that could stand, and no warning says so."""
    looks: list[int] = []
    look = EpochErrors.__call__

    def interrupt(self, epoch, weights):
        looks.append(epoch)
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)
        return look(self, epoch, weights)

    monkeypatch.setattr(EpochErrors, "__call__", interrupt)
    model = chooser()
    with pytest.raises(KeyboardInterrupt):
        model.fit(SERIES_X, SERIES_Y)
    assert max(looks) <= 4
    assert not hasattr(model, "state_")


@pytest.mark.thorough
def test_fit_checkpoint_tiled_without_random_state_keeps_drawn_seed(tmp_path):
    X, y = data("tiled")
    options = {"random_state": None, "shuffle": True}
    with pytest.raises(Killed):
        estimator("tiled", 2, **options).fit(X, y, checkpoint=tmp_path)
    (file,) = tmp_path.iterdir()
    kept, ends = file.read_bytes(), []
    for _ in range(2):
        file.write_bytes(kept)
        again = estimator("tiled", **options).fit(X, y, checkpoint=tmp_path)
        ends.append(again.get_weights())
    assert_identical_weights(*ends)


# --------------------------------------------------------------------------------------
# Which training a file is of
# --------------------------------------------------------------------------------------


@pytest.fixture
def file_of(tmp_path, monkeypatch):
    """The name of the checkpoint of a training on some rows, without the training."""
    names: list[str] = []
    make = Checkpoint.of

    def make_and_die(folder, every, call):
        names.append(make(folder, every, call).path.name)
        raise Killed

    monkeypatch.setattr(Checkpoint, "of", make_and_die)

    def name_of(X: pd.DataFrame, **options) -> str:
        y = X["sales"].to_numpy()
        with pytest.raises(Killed):
            estimator("tiled", **options).fit(X, y, checkpoint=tmp_path)
        return names[-1]

    return name_of


def days(index: pd.MultiIndex) -> pd.Index:
    return index.levels[1]


def test_fit_checkpoint_tells_panels_apart(file_of):
    """By whose the rows are and when they were, with the same numbers in them."""
    X = panel()
    others = {
        "same": X.copy(),
        "ids": X.rename(index={"north": "east"}, level="shop"),
        "ids swapped": X.rename(index={"north": "süd", "süd": "north"}, level="shop"),
        "time": X.set_axis(X.index.set_levels(days(X.index).shift(1), level="day")),
        "zone": X.tz_convert("UTC", level="day"),
        "no time": X.set_axis(
            X.index.set_levels(range(len(days(X.index))), level="day")
        ),
        "one series": X.reset_index(drop=True),
    }
    names = {what: file_of(other) for what, other in others.items()}
    assert names.pop("same") == file_of(X)
    assert file_of(X) not in names.values()
    assert len(set(names.values())) == len(names)
    by_column = X.reset_index("shop")
    names["column"] = file_of(by_column, series_id="shop")
    by_column["shop"] = by_column["shop"].replace("north", "east")
    assert file_of(by_column, series_id="shop") != names["column"]


def test_fit_checkpoint_on_gap_is_part_of_the_training(file_of):
    X = panel()
    assert file_of(X) != file_of(X, on_gap="reset")


LABELS: dict[str, pd.Index] = {
    "integers": pd.Index([1, 2]),
    "other integers": pd.Index([1, 3]),
    "floats": pd.Index([1.5, 2.5]),
    "bools": pd.Index([True, False]),
    "text": pd.Index(["a", "b"]),
    "other text": pd.Index(["ab", ""]),
    "digits": pd.Index(["1", "2"]),
    "days": pd.Index([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]),
    "dates": pd.date_range("2024-01-01", periods=2, unit="ns"),
    "dates of a zone": pd.date_range("2024-01-01", periods=2, tz="Asia/Tokyo"),
    "months": pd.period_range("2024-01", periods=2, freq="M"),
    "quarters": pd.PeriodIndex.from_ordinals([648, 649], freq="Q"),
    "durations": pd.to_timedelta([1, 2], unit="D"),
    "mixed": pd.Index([1, "2"], dtype=object),
    "levels": pd.MultiIndex.from_arrays([["a", "b"], [1, 2]]),
    "levels crossed": pd.MultiIndex.from_arrays([["a", "b"], [2, 1]]),
    "levels of days": pd.MultiIndex.from_arrays(
        [[datetime.date(2024, 1, 1)] * 2, pd.date_range("2024", periods=2, tz="UTC")]
    ),
}

NAMES = """
from test_checkpoint_tiled import LABELS, name
print({what: name(labels) for what, labels in LABELS.items()})
"""


def name(labels: pd.Index) -> str:
    """The name of the file of a training with such labels."""
    return Checkpoint.of(".", 1, [labels]).path.name


def test_checkpoint_name_tells_labels_apart():
    names = [name(labels) for labels in LABELS.values()]
    assert len(set(names)) == len(names)


def test_checkpoint_name_knows_labels_of_another_storage():
    """Text is text, and equal labels need not be the same objects."""
    text = pd.Index(["".join(["a"]), "b"], dtype=object)
    assert name(text) == name(LABELS["text"])
    for labels in LABELS.values():
        assert name(labels[::-1][::-1]) == name(labels.copy(deep=True)) == name(labels)


@pytest.mark.thorough
def test_checkpoint_name_is_the_same_in_every_process():
    folder = __file__.rpartition("/")[0]
    code = f"import sys; sys.path.insert(0, {folder!r})\n{NAMES}"
    done = run(code, PYTHONHASHSEED="3")
    assert done.returncode == 0, done.stderr
    ours = {what: name(labels) for what, labels in LABELS.items()}
    assert done.stdout.strip() == str(ours)
