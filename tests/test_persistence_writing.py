"""`save` writes a whole file or none, and `write` any array it can."""

from __future__ import annotations

import errno
import io
import os

import numpy as np
import pytest
from persistence_cases import X, small
from plain import StatefulLSTMRegressor
from sklearn.exceptions import NotFittedError

from sklstm.persistence import PersistenceError, read, write


def test_save_unfitted_raises_NotFittedError():
    with pytest.raises(NotFittedError):
        StatefulLSTMRegressor().save("nowhere")


class FullDisk(io.BytesIO):
    """A file on a disk with room for a hundred bytes."""

    def __init__(self, path, mode):
        self._file = io.FileIO(path, mode)
        super().__init__()

    def write(self, data):
        self._file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self._file.close()
        super().close()


def _fail(*arguments, **keywords):
    raise OSError(errno.EIO, "Input/output error")


def _interrupt(*arguments, **keywords):
    raise KeyboardInterrupt


CRASHES = {
    "full disk": ("builtins.open", FullDisk, OSError),
    "fsync": ("os.fsync", _fail, OSError),
    "replace": ("os.replace", _fail, OSError),
    "Ctrl-C": ("os.replace", _interrupt, KeyboardInterrupt),
}


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("is_there", [True, False])
def test_save_crash_leaves_old_file(crash, is_there, tmp_path, monkeypatch):
    path, model = tmp_path / "file", small()
    if is_there:
        model.save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    where, failing, error = CRASHES[crash]
    with monkeypatch.context() as patched:
        patched.setattr(where, failing)
        with pytest.raises(error):
            model.observe(X[:, :1]).save(path)
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


def test_save_syncs_before_it_replaces(tmp_path, monkeypatch):
    """The order is: write and sync a new file, put it in place, sync the folder."""
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, n=name, r=real: (done.append((n, a)), r(*a))[1]
        )
    small().save(tmp_path / "file")
    assert [name for name, _ in done] == ["fsync", "replace", "fsync"]
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_save_respects_umask_permissions_and_links(tmp_path):
    target, link = tmp_path / "file", tmp_path / "link"
    before = os.umask(0o027)
    try:
        small().save(target)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o604)
    link.symlink_to(target)
    small().save(link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o604


def test_save_to_impossible_place_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such'"):
        small().save(tmp_path / "no" / "such" / "file")
    with pytest.raises(PersistenceError, match="not a regular file"):
        small().save(tmp_path)
    with pytest.raises(PersistenceError, match="not a regular file"):
        small().save("/dev/null")


def test_save_too_long_header_raises(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(PersistenceError, match="at most 4194304"):
        small().set_params(metrics="m" * 2**22).save(path)
    assert not path.exists()


def test_write_read_arrays_of_every_kind(tmp_path):
    """Also empty arrays, scalars, and arrays in another order in memory."""
    arrays = {
        "scalar": np.array(3, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "narrow": np.zeros((3, 0)),
        "other order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "every other": np.arange(6, dtype=np.uint8)[::2],
        "big endian": np.arange(3, dtype=">i4"),
        "half": np.arange(3, dtype=np.float16),
        "": np.array([np.nan, np.inf, -0.0]),
    }
    write(tmp_path / "file", {"a": [1, 2.5, None, True, "\ud800"]}, arrays)
    header, again = read(tmp_path / "file")
    assert header == {"a": [1, 2.5, None, True, "\ud800"]}
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].shape == array.shape
        assert again[name].dtype == array.dtype.newbyteorder("=")
        assert again[name].flags.writeable
    for dtype in (complex, object, bool, "U3"):
        with pytest.raises(PersistenceError, match="'odd' has dtype"):
            write(tmp_path / "file", {}, {"odd": np.zeros(1, dtype)})
