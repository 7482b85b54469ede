"""One file of JSON and arrays: written whole or not at all, read with suspicion.

Owns the file and nothing of what it means: `write` takes a header and named arrays,
`read` gives them back or raises `PersistenceError`. The layout is safetensors: eight
bytes that give the length of a JSON header, the header, then the arrays' bytes. The
caller's header lies in its metadata, beside a checksum over all that the file says.

Files are read by the code below and not by the safetensors library, which lets a name
that comes twice pass, and allocates before anyone could look at the sizes (0.8.0).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import reprlib
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy

FORMAT = 1
KEY = "sklstm"
LARGEST_HEADER = 4 * 2**20  # bytes; parsed, JSON takes up to some 30 times its length
_LARGEST_EMPTY = 2**31  # of the sides of an array without values, multiplied
_MOST_SIDES = 8
_DTYPES: dict[str, np.dtype] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "U64": np.dtype("<u8"),
}

Arrays = dict[str, np.ndarray]


class PersistenceError(ValueError):
    """A file that cannot be loaded, or an estimator that cannot be saved as data."""

    __module__ = "sklstm.persistence"  # where users find it


@dataclass(frozen=True)
class _Entry:
    """What a file's header says of one array."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


# --- writing --------------------------------------------------------------------------


def write(path, header: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays to one file, or leave the file that was there alone.

    The file is written beside its place and moved into it when it is complete and on
    the disk, so that neither a crash nor a full disk leaves half a file.

    Parameters
    ----------
    path : str or path-like
    header : object
        JSON values: dicts with str keys, lists, str, finite numbers, bool and None.
    arrays : mapping of str to ndarray
        Of real numbers.

    Raises
    ------
    PersistenceError
        For arrays of other dtypes, a header of more than 4 MiB, and a `path` that is
        there but no regular file.
    OSError
        If the file cannot be written; what was there before is still there.
    """
    arrays = {name: _storable(name, array) for name, array in arrays.items()}
    signed = {"format": FORMAT, "content": header}
    checksum = _checksum(_canonical(signed), arrays)
    text = _canonical({**signed, "checksum": checksum})
    packed = safetensors.numpy.save(arrays, {KEY: text})
    n_header = int.from_bytes(packed[:8], "little")
    if n_header > LARGEST_HEADER:
        raise PersistenceError(
            f"What is to be saved has {n_header} bytes besides its arrays (parameters,"
            " labels, names), more than the"
            f" {LARGEST_HEADER} that a file may have. Use smaller parameters."
        )
    _put_in_place(path, packed)


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    # in C order: safetensors 0.8.0 writes the memory of others as it lies
    array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    if array.dtype not in _DTYPES.values():
        raise PersistenceError(
            f"The array {name!r} has dtype {array.dtype}, which a file cannot hold."
            " Files hold integers, and floats of 16 to 64 bits."
        )
    return array


def _put_in_place(path, packed: bytes) -> None:
    target = Path(os.path.realpath(path))  # a link stays one
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent)
        )
    mode = _mode_of(target)
    temporary = target.with_name(f".{KEY}-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.chmod(temporary, mode)
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _mode_of(target: Path) -> int | None:
    """Permissions of the file to be replaced, or None where there is none."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise PersistenceError(
            f"{target} is there and no regular file, so it cannot be replaced by one."
            " Pass the name of a file."
        )
    return stat.S_IMODE(mode)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where folders can be synced."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # the file is in place: that is no failure
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- reading --------------------------------------------------------------------------


def read(path) -> tuple[Any, Arrays]:
    """Read back what `write` wrote, once it has proved to be exactly that.

    Nothing in the file is run or imported. Sizes are checked against the file's own
    before anything is allocated, so that reading takes no more memory than the file
    has bytes, its parsed header aside.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : object
        As it was given to `write`.
    arrays : dict of str to ndarray
        Writeable arrays of their own.

    Raises
    ------
    PersistenceError
        For a file that `write` did not write, that was damaged since, or that a newer
        version wrote. The checksum tells damage, it does not tell forgery.
    FileNotFoundError
        If there is no such file.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise PersistenceError(f"is no regular file. {_EXPECTED}")
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except PersistenceError as error:
        raise PersistenceError(f"{os.fspath(path)!r} {error}") from None


_EXPECTED = "Pass the name of a file that save() wrote."


def _read(file: BinaryIO, size: int) -> tuple[Any, Arrays]:
    text, n_header = _read_header(file, size)
    entries, stored = _parse_header(text)
    _check_sizes(entries, size - 8 - n_header)
    arrays = {entry.name: _read_array(file, entry) for entry in entries}
    checksum = stored.pop("checksum")
    if checksum != _checksum(_canonical(stored), arrays):
        raise PersistenceError(
            "is damaged: its content does not match its checksum. Save it again, or"
            " take an undamaged copy."
        )
    return stored["content"], arrays


def _read_header(file: BinaryIO, size: int) -> tuple[bytes, int]:
    """The header's bytes and how many there are."""
    first = file.read(8)
    n_header = int.from_bytes(first, "little")
    if len(first) < 8 or not 2 <= n_header <= LARGEST_HEADER:
        raise PersistenceError(
            f"is no file that save() wrote: it has {size} bytes and begins with"
            f" {first!r}, which is no header length from 2 to {LARGEST_HEADER}."
            f" {_EXPECTED}"
        )
    if size < 8 + n_header:
        raise PersistenceError(
            f"is truncated, or no file that save() wrote: its header should take"
            f" {n_header} bytes, but {size - 8} follow. Take a complete copy."
        )
    return file.read(n_header), n_header


def _parse_header(text: bytes) -> tuple[list[_Entry], dict[str, Any]]:
    """The arrays in the order in which they lie, and what `write` stored."""
    header = _parse(text)
    if not isinstance(header, dict):
        raise PersistenceError(f"is no file that save() wrote. {_EXPECTED}")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or list(metadata) != [KEY]:
        raise PersistenceError(
            f"is no file that save() wrote: its metadata should have the key {KEY!r}"
            f" alone. {_EXPECTED}"
        )
    entries = [_entry(name, says) for name, says in header.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    return entries, _parse_stored(metadata[KEY])


def _parse_stored(text: Any) -> dict[str, Any]:
    stored = _parse(text) if isinstance(text, str) else None
    if isinstance(stored, dict):
        _check_format(stored)
    if not isinstance(stored, dict) or not _is_canonical(text, stored):
        raise PersistenceError(
            "is damaged: its header is not as save() writes one. Take an undamaged"
            " copy."
        )
    return stored


def _parse(text: bytes | str) -> Any:
    """A value from JSON that is strict: no name twice, no NaN, no infinity."""
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no)
    except (ValueError, RecursionError) as error:
        raise PersistenceError(
            f"is damaged, or no file that save() wrote: its header cannot be read"
            f" ({type(error).__name__}: {str(error)[:100]}). {_EXPECTED}"
        ) from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name comes twice")
    return values


def _no(constant: str):
    raise ValueError(f"{constant} is not JSON")


def _entry(name: str, says: Any) -> _Entry:
    """What the header says of an array, where it makes sense by itself."""
    try:
        dtype, shape = _DTYPES[says["dtype"]], says["shape"]
        begin, end = says["data_offsets"]
        sides = [*shape, begin, end]
        fits = len(says) == 3 and type(shape) is list and len(shape) <= _MOST_SIDES
    except (TypeError, KeyError, ValueError):
        fits = False
    if not fits or not all(type(n) is int and 0 <= n < 2**63 for n in sides):
        raise PersistenceError(
            f"is damaged: its header says of the array {shortly(name)} what describes"
            " none. Take an undamaged copy."
        )
    n_bytes = math.prod(shape) * dtype.itemsize
    too_wide = math.prod(side for side in shape if side) > _LARGEST_EMPTY
    if n_bytes != end - begin or (not n_bytes and too_wide):
        raise PersistenceError(
            f"is damaged: its header gives the array {shortly(name)} {end - begin:.6g}"
            f" bytes, which do not fit its shape and dtype. Take an undamaged copy."
        )
    return _Entry(name, dtype, tuple(shape), begin, end)


def _check_format(stored: dict[str, Any]) -> None:
    found = stored.get("format")
    if type(found) is int and found > FORMAT:
        raise PersistenceError(
            f"is of format {shortly(found)}, which a newer version of sklstm wrote;"
            f" this one reads format {FORMAT}. Upgrade sklstm to load it."
        )
    if found != FORMAT or type(found) is not int:
        raise PersistenceError(
            f"says that its format is {shortly(found)}, which no version of sklstm"
            f" has written; this one reads format {FORMAT}. Take an undamaged copy."
        )
    if set(stored) != {"format", "content", "checksum"}:
        raise PersistenceError(
            "is damaged: its header should have format, content and checksum, but has"
            f" {shortly(sorted(stored))}. Take an undamaged copy."
        )


def _check_sizes(entries: list[_Entry], n_bytes: int) -> None:
    """Raise unless the arrays lie one behind the other and fill `n_bytes`."""
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise PersistenceError(
                f"is damaged: its array {shortly(entry.name)} should begin at byte"
                f" {end} of the data, not at {entry.begin:.6g}. Take an undamaged copy."
            )
        end = entry.end
    if n_bytes != end:
        what = "is truncated" if n_bytes < end else "is too long"
        raise PersistenceError(
            f"{what}: its arrays should take {end:.6g} bytes, but {n_bytes} follow the"
            " header. Take an undamaged copy."
        )


def _read_array(file: BinaryIO, entry: _Entry) -> np.ndarray:
    array = np.empty(entry.shape, entry.dtype)
    if array.nbytes:
        room = array.reshape(-1).view(np.uint8)
        if file.readinto(room.data) != array.nbytes:  # type: ignore[attr-defined]
            raise PersistenceError("was cut short while it was read. Load it again.")
    return array


# --- both -----------------------------------------------------------------------------


def shortly(value: Any) -> str:
    """A few words of a value, however long or deep it is, for an error."""
    return reprlib.repr(value)[:80]


def _canonical(value: Any) -> str:
    """JSON in the one form that equal values have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _is_canonical(text: str, value: Any) -> bool:
    try:
        return _canonical(value) == text
    except (ValueError, RecursionError):  # of a number too large, of too many brackets
        return False


def _checksum(text: str, arrays: Arrays) -> str:
    """A digest of a header and of every array's name, dtype, shape and bytes."""
    checksum = hashlib.blake2b(digest_size=32)

    def add(text: str) -> None:
        checksum.update(len(text).to_bytes(8, "little"))
        checksum.update(text.encode())

    add(text)
    for name in sorted(arrays):
        array = arrays[name]
        add(_canonical([name, array.dtype.str, array.shape]))
        checksum.update(array.tobytes() if not array.size else array.reshape(-1).data)
    return checksum.hexdigest()
