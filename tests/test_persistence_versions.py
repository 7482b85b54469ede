"""Files of other versions of this package and of Keras: what is read, and what is told.

A file names the versions that wrote it. They are edited here, under a checksum that is
right again.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from persistence_cases import X, fitted, gru, small_once, y
from plain import StatefulLSTMRegressor

from sklstm import _archive
from sklstm.persistence import PersistenceError, describe, write


def saved_with(path: Path, estimator=None, arrays_lost=(), **versions: str) -> Path:
    """A file by other versions; some of its arrays are unknown to this one."""
    header, arrays = describe(estimator or small_once())
    header["versions"] = {**header["versions"], **versions}
    arrays = {name: v for name, v in arrays.items() if name not in arrays_lost}
    write(path, header, arrays)
    return path


def test_load_of_older_versions_answers_alike_without_a_word(tmp_path):
    old = {"sklstm": "0.0.9", "keras": "3.8.0", "tensorflow": "2.18.0"}
    path = saved_with(tmp_path / "old", **old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = StatefulLSTMRegressor.load(path)
    x = X[:, :1]
    np.testing.assert_array_equal(loaded.predict(x), small_once().predict(x))
    assert loaded.partial_fit(x, y).n_windows_ > small_once().n_windows_


def test_load_that_fails_names_the_newer_versions_that_wrote_the_file(tmp_path):
    lost = {"arrays_lost": ["waiting/X"]}
    newer = saved_with(tmp_path / "a", sklstm="7.10.0", keras="3.99.1", **lost)
    text = r"Install 'sklstm>=7\.10\.0' 'keras>=3\.99\.1'.*no array 'waiting/X'\.$"
    with pytest.raises(PersistenceError, match=text):
        StatefulLSTMRegressor.load(newer)
    older = saved_with(tmp_path / "b", sklstm="0.0.9", **lost)
    with pytest.raises(PersistenceError, match="is damaged: it has no array"):
        StatefulLSTMRegressor.load(older)


def test_load_of_a_later_format_names_the_version_that_wrote_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_archive, "FORMAT", 99)
    path = saved_with(tmp_path / "later", sklstm="7.10.0")
    monkeypatch.undo()
    with pytest.raises(PersistenceError, match=r"Upgrade .*: version 7\.10\.0"):
        StatefulLSTMRegressor.load(path)


def test_load_of_model_function_under_another_keras_warns(tmp_path):
    """Its network is built by Keras; of the built-in one no more than weights are."""
    estimator = fitted("model: gru")[0]
    path = saved_with(tmp_path / "model", estimator, keras="3.1.0")
    with pytest.warns(UserWarning, match=r"saved with keras 3\.1\.0.*Compare") as seen:
        loaded = StatefulLSTMRegressor.load(path, model=gru)
    assert seen[0].filename == __file__
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
