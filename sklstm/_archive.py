"""One file with a JSON header and arrays, in the layout of safetensors.

This module owns the file, and not the meaning of its content: `write` takes a header
and named arrays, `read` returns them or raises `PersistenceError`. A file is written
completely or not at all. When it is read, everything in it is checked before it is
used, since anyone may have made the file.

The layout is eight bytes that give the length of a JSON header, the header, and then
the bytes of the arrays. The JSON header describes each array, and in its metadata holds
the caller's header, with a checksum over that and all arrays.

`read` does not use the safetensors library (0.8.0), which accepts a name that occurs
twice and allocates memory before its caller can check the sizes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
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

# Of what is written. Format 1, which knew neither series nor encoders, is read too.
FORMAT = 2
KEY = "sklstm"
LARGEST_HEADER = 4 * 2**20  # bytes; parsed JSON takes up to 30 times its length
_LARGEST_EMPTY = 2**31  # the product of the sides above 0, if another side is 0
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
    """A file that cannot be loaded, or an estimator that cannot be saved as data.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklstm import StatefulLSTMRegressor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.txt")
    ...     written = path.write_text("no estimator")
    ...     StatefulLSTMRegressor.load(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sklstm.persistence.PersistenceError: ...notes.txt...
    """

    __module__ = "sklstm.persistence"  # where users find it


@dataclass(frozen=True)
class _Entry:
    """One array as the file's header describes it; its bytes are begin … end - 1."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


# --- writing --------------------------------------------------------------------------


def write(path, header: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays to one file, or leave an existing file unchanged.

    The content goes to a temporary file in the same folder, which replaces `path` once
    it is complete and on the disk. Neither a crash nor a full disk leaves half a file.

    Parameters
    ----------
    path : str or path-like
    header : object
        JSON values: dicts with str keys, lists, str, finite numbers, bool and None.
    arrays : mapping of str to ndarray
        Integers of up to 64 bits, or floats of 16 to 64 bits.

    Raises
    ------
    PersistenceError
        If an array has another dtype, if the file's header would take more than 4 MiB,
        or if `path` exists and is not a regular file.
    OSError
        If the file cannot be written; a file that existed before is unchanged.
    """
    _put_in_place(path, packed(header, arrays))


def packed(header: Any, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of such a file.

    Raises
    ------
    PersistenceError
        As `write` does for the header and the arrays.
    """
    arrays = {name: _storable(name, array) for name, array in arrays.items()}
    signed = {"format": FORMAT, "content": header}
    checksum = _checksum(_canonical(signed), arrays)
    text = _canonical({**signed, "checksum": checksum})
    content = safetensors.numpy.save(arrays, {KEY: text})
    n_header = int.from_bytes(content[:8], "little")
    if n_header > LARGEST_HEADER:
        raise PersistenceError(
            f"What is to be saved has {n_header} bytes besides its arrays (parameters,"
            f" labels, names), but a file may have at most {LARGEST_HEADER}. Use"
            " smaller parameters."
        )
    return content


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    # C order, since safetensors 0.8.0 writes an array's memory in the order it is in.
    array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    if array.dtype not in _DTYPES.values():
        raise PersistenceError(
            f"The array {name!r} has dtype {array.dtype}, which a file cannot hold."
            " Files hold integers, and floats of 16 to 64 bits."
        )
    return array


def _put_in_place(path, content: bytes) -> None:
    """Write `content` to a temporary file and move that to `path`."""
    target = Path(os.path.realpath(path))  # of a link, the file that it points to
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
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)


def _mode_of(target: Path) -> int | None:
    """Permissions of the file that will be replaced, or None if there is no file."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise PersistenceError(
            f"{target} exists and is not a regular file, so it cannot be replaced."
            " Pass the path of a file, or one that does not exist."
        )
    return stat.S_IMODE(mode)


def _sync_folder(folder: Path) -> None:
    """Write the folder to the disk, so that the file's new name survives a crash."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- reading --------------------------------------------------------------------------


def read(path) -> tuple[Any, Arrays]:
    """Read a file that `write` wrote, and check that it is exactly that.

    Nothing in the file is run or imported. Sizes are checked against the size of the
    file before memory is allocated, so that reading takes no more memory than the file
    has bytes, apart from the parsed header.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : object
        The header that was passed to `write`.
    arrays : dict of str to ndarray
        Writeable arrays.

    Raises
    ------
    PersistenceError
        If `write` did not write the file, if it was damaged since, or if a newer
        version of sklstm wrote it. The checksum detects damage, but not a forged file.
    FileNotFoundError
        If there is no such file.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise PersistenceError(f"is not a regular file. {_EXPECTED}")
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except PersistenceError as error:
        raise PersistenceError(f"{os.fspath(path)!r} {error}") from None


def unpacked(content: bytes) -> tuple[Any, Arrays]:
    """The header and the arrays in the bytes of such a file.

    Raises
    ------
    PersistenceError
        As `read` does for what is in the file.
    """
    return _read(io.BytesIO(content), len(content))


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
    """The bytes of the JSON header, and their number."""
    first = file.read(8)
    n_header = int.from_bytes(first, "little")
    if len(first) < 8 or not 2 <= n_header <= LARGEST_HEADER:
        raise PersistenceError(
            f"is not a file that save() wrote: it has {size} bytes and begins with"
            f" {first!r}, which is not a header length from 2 to {LARGEST_HEADER}."
            f" {_EXPECTED}"
        )
    if size < 8 + n_header:
        raise PersistenceError(
            f"is truncated, or not a file that save() wrote: its header should take"
            f" {n_header} bytes, but {size - 8} follow. Take a complete copy."
        )
    return file.read(n_header), n_header


def _parse_header(text: bytes) -> tuple[list[_Entry], dict[str, Any]]:
    """The entries of the arrays in the order of their bytes, and what `write` stored.

    What it stored is a dict of the format's number, the caller's header ("content") and
    the checksum.
    """
    header = _parse(text)
    if not isinstance(header, dict):
        raise PersistenceError(
            "is not a file that save() wrote: its header should be a JSON object, but"
            f" is {shortly(header)}. {_EXPECTED}"
        )
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or list(metadata) != [KEY]:
        raise PersistenceError(
            f"is not a file that save() wrote: its metadata should be a JSON object"
            f" with the key {KEY!r} alone, but is {shortly(metadata)}. {_EXPECTED}"
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
            "is damaged: its header is not in the form that save() writes. Take an"
            " undamaged copy."
        )
    return stored


def _parse(text: bytes | str) -> Any:
    """The value of strict JSON, in which no name occurs twice and no NaN or infinity.

    Raises PersistenceError for anything else.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no)
    except (ValueError, RecursionError) as error:
        raise PersistenceError(
            f"is damaged, or not a file that save() wrote: its header cannot be read"
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
    """The header's entry for an array, if it is valid by itself."""
    try:
        dtype, shape = _DTYPES[says["dtype"]], says["shape"]
        begin, end = says["data_offsets"]
        sides = [*shape, begin, end]
        fits = len(says) == 3 and type(shape) is list and len(shape) <= _MOST_SIDES
    except (TypeError, KeyError, ValueError):
        fits = False
    if not fits or not all(type(n) is int and 0 <= n < 2**63 for n in sides):
        raise PersistenceError(
            f"is damaged: its header has an invalid entry for array {shortly(name)}:"
            " expected dtype, shape and data_offsets of an array, got"
            f" {shortly(says)}. Take an undamaged copy."
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
            f"has format {shortly(found)}, which a newer version of sklstm wrote; this"
            f" version reads formats up to {FORMAT}. Upgrade sklstm to load"
            f" it{_writer(stored)}."
        )
    if type(found) is not int or found < 1:
        raise PersistenceError(
            f"has format {shortly(found)}, which no version of sklstm writes; this"
            f" version reads formats up to {FORMAT}. Take an undamaged copy."
        )
    if set(stored) != {"format", "content", "checksum"}:
        raise PersistenceError(
            "is damaged: its header should have format, content and checksum, but has"
            f" {shortly(sorted(stored))}. Take an undamaged copy."
        )


def _writer(stored: dict[str, Any]) -> str:
    """By which version a file of a later format was written, if it says so."""
    content = stored.get("content")
    wrote = content.get("versions") if isinstance(content, dict) else None
    version = wrote.get("sklstm") if isinstance(wrote, dict) else None
    return f": version {version[:20]} wrote it" if isinstance(version, str) else ""


def _check_sizes(entries: list[_Entry], n_bytes: int) -> None:
    """Raise unless the arrays follow each other without gaps and take `n_bytes`."""
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
    """The repr of a value, of at most 80 characters, for the text of an error."""
    return reprlib.repr(value)[:80]


def _canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _is_canonical(text: str, value: Any) -> bool:
    try:
        return _canonical(value) == text
    except (ValueError, RecursionError):  # too long a number, or too deeply nested
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
