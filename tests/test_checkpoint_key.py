"""What a checkpoint is named by: equal calls go on, others start anew."""

from __future__ import annotations

import datetime
import functools
import threading
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from plain import StatefulLSTMRegressor

from sklstm._estimator.given import read_training_rows

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 2)), RNG.normal(size=40)


def regressor(**options):
    defaults = {"units": 3, "sequence_length": 2, "epochs": 6, "random_state": 0}
    return StatefulLSTMRegressor(**{**defaults, **options})


def widened(meta, by=1, like=None):
    """A model function with arguments of its own, one of which is not used."""
    return keras.Sequential(
        [
            keras.Input(batch_shape=(meta["batch_size"], 2, 2)),
            keras.layers.LSTM(2 + by, stateful=True),
            keras.layers.Dense(1),
        ]
    )


class Size:
    """A value of the user's own, whose attribute is no argument by name."""

    def __init__(self, size):
        self._size = size

    def build(self, meta):
        return widened(meta, self._size)


KINDS = {
    "series": lambda k: {"like": pd.Series([k, 2])},
    "frame": lambda k: {"like": pd.DataFrame({"a": [k, 2]})},
    "columns": lambda k: {"like": pd.DataFrame({"ab"[k]: [1, 2]})},
    "tensor": lambda k: {"like": keras.ops.convert_to_tensor([k, 2])},
    "day": lambda k: {"like": datetime.date(2024, 1, 1 + k)},
    "path": lambda k: {"like": Path("ab"[k])},
    "set": lambda k: {"like": {"same", "ab"[k]}},
    "object": lambda k: {"like": Size(k)},
    "nested": lambda k: {"like": [{"deep": pd.Series([k])}]},
}


#: The rows as `fit` reads them.
GIVEN = read_training_rows(StatefulLSTMRegressor(), X, None, is_tiled=False)


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoint_path_depends_on_model_arguments(kind, tmp_path):
    """Arguments are compared by content: equal ones resume, others start anew."""

    def path(k):
        arguments = {f"model__{n}": v for n, v in KINDS[kind](k).items()}
        model = regressor(model=widened, **arguments)
        return model._open_checkpoint(tmp_path, 1, GIVEN, Y, None).path

    assert path(0) == path(0) != path(1)


def test_checkpoint_path_depends_on_model_function(tmp_path):
    """A partial by its function and arguments, a method by the object it belongs to."""
    paths = [
        regressor(model=model)._open_checkpoint(tmp_path, 1, GIVEN, Y, None).path
        for model in (
            widened,
            functools.partial(widened, by=2),
            functools.partial(widened, by=3),
            functools.partial(widened, by=3),
            functools.partial(widened, like=pd.Series([3])),
            Size(2).build,
            Size(3).build,
        )
    ]
    assert paths[2] == paths[3]
    assert len(set(paths)) == 6


def falling(rate, factor=0.5):
    """A schedule that remembers its rate, and calls itself."""

    def schedule(epoch, _=None):
        return rate if epoch == 0 else factor * schedule(epoch - 1)

    return schedule


def test_checkpoint_path_depends_on_what_a_schedule_does(tmp_path):
    """A function made anew by the same lines is the same one, wherever it stands."""

    def path(schedule):
        follow = keras.callbacks.LearningRateScheduler(schedule)
        model = regressor(callbacks=[follow])
        return model._open_checkpoint(tmp_path, 1, GIVEN, Y, None).path

    same = path(lambda epoch: 0.1 if epoch in {1, 2} else 0.2)
    assert path(lambda epoch: 0.1 if epoch in {1, 2} else 0.2) == same
    assert path(lambda epoch: 0.1 if epoch in {1, 3} else 0.2) != same
    assert path(falling(0.1)) == path(falling(0.1)) != path(falling(0.2))
    assert path(falling(0.1)) != path(falling(0.1, factor=0.9))
    watch = [keras.callbacks.LambdaCallback(on_epoch_end=f) for f in (print, input)]
    first, other = (
        regressor(callbacks=[one])._open_checkpoint(tmp_path, 1, GIVEN, Y, None).path
        for one in watch
    )
    assert first == other  # hooks watch


def test_fit_checkpoint_argument_without_pickle_raises(tmp_path):
    """An object that has neither a configuration nor a pickle."""
    model = regressor(model=widened, model__like=threading.Lock())
    text = (
        "_thread.lock .*is unknown, since it cannot be pickled.* leave checkpoint= out"
    )
    with pytest.raises(TypeError, match=text):
        model.fit(X, Y, checkpoint=tmp_path)
