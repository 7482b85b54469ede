"""`load` refuses files that `save` did not write, or that were damaged since.

Bytes are changed under `read`, which the checksum guards.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from persistence_cases import read_bytes, small_file, small_once
from plain import StatefulLSTMRegressor

from sklstm import _archive
from sklstm.persistence import PersistenceError, read, write


def packed(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def unpacked(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (n,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + n]), raw[8 + n :]


def mutated(
    change: Callable[[dict[str, Any]], Any], data: bytes | None = None
) -> bytes:
    """A file with an edited outer header."""
    header, old = unpacked(small_file())
    header = change(header) or header
    return packed(header, old if data is None else data)


def restored(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A file with an edited inner header, not signed anew."""

    def change_text(header):
        stored = json.loads(header["__metadata__"]["sklstm"])
        text = change(stored)
        if not isinstance(text, str):
            text = _archive._canonical(stored)
        header["__metadata__"]["sklstm"] = text

    return mutated(change_text)


def set_entry(name: str, **says: Any) -> bytes:
    return mutated(lambda header: header[name].update(says))


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is not a file that save.. wrote: it has 0 bytes"),
    "text": (lambda: b"Dear Sir or Madam,", "begins with b'Dear Sir'"),
    "a pickle": (lambda: pickle.dumps(small_once()), "is not a file that save"),
    "a huge header": (lambda: struct.pack("<Q", 2**63), "which is not a header length"),
    "a long header": (lambda: struct.pack("<Q", 2**22), "is truncated, or not a file"),
    "truncated header": (
        lambda: small_file()[:100],
        "should take .* bytes, but 92 follow",
    ),
    "truncated": (lambda: small_file()[:-1], "is truncated: its arrays should take"),
    "too long": (lambda: small_file() + b"\0", "is too long: its arrays should take"),
    "flipped": (lambda: small_file()[:-1] + b"\x01", "does not match its checksum"),
    "not JSON": (lambda: packed(b"{]"), "header cannot be read .JSONDecodeError"),
    "not UTF-8": (lambda: packed(b'{"\xff":1}'), "cannot be read .UnicodeDecodeError"),
    "NaN": (lambda: packed(b'{"a": NaN}'), "NaN is not JSON"),
    "a long number": (lambda: packed(b'{"a": ' + b"9" * 9999 + b"}"), "cannot be read"),
    "nested": (lambda: packed(b"[" * 100_000 + b"]" * 100_000), "RecursionError"),
    "a list": (lambda: packed([]), "is not a file that save"),
    "other safetensors": (
        lambda: safetensors.numpy.save({"a": np.zeros(3)}, {"format": "pt"}),
        "its metadata should be a JSON object with the key 'sklstm' alone",
    ),
    "no metadata": (
        lambda: safetensors.numpy.save({"a": np.zeros(3)}),
        "its metadata should be",
    ),
    "more metadata": (
        lambda: mutated(lambda h: h["__metadata__"].update(more="")),
        "its metadata should be",
    ),
    "metadata of another type": (
        lambda: mutated(lambda h: h["__metadata__"].update(sklstm=[])),
        "its header is not in the form that save",
    ),
    "newer": (
        lambda: restored(lambda s: s.update(format=3)),
        "has format 3, which a newer version .* reads formats up to 2. Upgrade sklstm",
    ),
    "no format": (
        lambda: restored(lambda s: s.pop("format") and None),
        "has format None, which",
    ),
    "format 0": (
        lambda: restored(lambda s: s.update(format=0)),
        "has format 0, which no version",
    ),
    "format true": (
        lambda: restored(lambda s: s.update(format=True)),
        "has format True, which",
    ),
    "no content": (
        lambda: restored(lambda s: s.pop("content") and None),
        "should have format, content and checksum",
    ),
    "other checksum": (
        lambda: restored(lambda s: s.update(checksum="0" * 64)),
        "does not match its checksum",
    ),
    "checksum of another type": (
        lambda: restored(lambda s: s.update(checksum=None)),
        "does not match its checksum",
    ),
    "other content": (
        lambda: restored(lambda s: s["content"].update({"class": "os.system"})),
        "does not match its checksum",
    ),
    "spaces": (
        lambda: restored(lambda s: json.dumps(s)),
        "not in the form that save.. writes",
    ),
    "a number too large": (
        lambda: restored(lambda s: '{"content":1e400,"format":1,"checksum":""}'),
        "not in the form that save.. writes",
    ),
    "a name twice inside": (
        lambda: restored(lambda s: '{"format":1,"format":1}'),
        "a name comes twice",
    ),
    "an array twice": (
        lambda: mutated(
            lambda h: (
                json.dumps(h)[:-1]
                + ', "weights/0": '
                + json.dumps(h["weights/0"])
                + "}"
            ).encode()
        ),
        "a name comes twice",
    ),
    "an array less": (
        lambda: mutated(lambda h: h.pop("waiting/X") and None),
        "should begin at byte|is too long",
    ),
    "overlapping": (
        lambda: mutated(lambda h: h.update(more=h["weights/0"])),
        "should begin at byte",
    ),
    "a hole": (
        lambda: mutated(
            lambda h: h.update(
                more={"dtype": "U8", "shape": [1], "data_offsets": [10**6, 10**6 + 1]}
            )
        ),
        "should begin at byte",
    ),
    "enormous": (
        lambda: set_entry("weights/0", shape=[2**40], data_offsets=[0, 2**42]),
        "should begin at byte|is truncated",
    ),
    "enormous beyond words": (
        lambda: set_entry("weights/0", shape=[2**62, 2**62]),
        "do not fit its shape",
    ),
    "enormous beyond floats": (
        lambda: set_entry("weights/0", shape=[10**400]),
        "invalid entry for array",
    ),
    "enormous and empty": (
        lambda: mutated(
            lambda h: h.update(
                more={"dtype": "U8", "shape": [0, 2**62], "data_offsets": [0, 0]}
            )
        ),
        "do not fit its shape",
    ),
    "too many sides": (
        lambda: set_entry("weights/0", shape=[1] * 70),
        "invalid entry for array",
    ),
    "negative": (
        lambda: set_entry("weights/0", shape=[-1, -4]),
        "invalid entry for array",
    ),
    "negative offset": (
        lambda: set_entry("weights/0", data_offsets=[-16, 0]),
        "invalid entry for array",
    ),
    "offsets reversed": (
        lambda: set_entry("weights/0", data_offsets=[16, 0]),
        "do not fit its shape",
    ),
    "a side that is no number": (
        lambda: set_entry("weights/0", shape=["1"]),
        "invalid entry for array",
    ),
    "a shape that is no list": (
        lambda: set_entry("weights/0", shape={}),
        "invalid entry for array",
    ),
    "another dtype": (
        lambda: set_entry("weights/0", dtype="BF16"),
        "invalid entry for array",
    ),
    "a dtype that is none": (
        lambda: set_entry("weights/0", dtype=[]),
        "invalid entry for array",
    ),
    "more about an array": (
        lambda: set_entry("weights/0", more=1),
        "invalid entry for array",
    ),
    "an array that is none": (
        lambda: mutated(lambda h: h.update({"weights/0": "F32"})),
        "invalid entry for array",
    ),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_load_bad_file_raises(what, tmp_path):
    """Each has its own message, and the memory that a header asks for is not taken."""
    make_raw, message = BAD_FILES[what]
    path = tmp_path / "file"
    path.write_bytes(make_raw())
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(PersistenceError, match=message) as caught:
            StatefulLSTMRegressor.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{str(path)!r} ")
    assert len(str(caught.value)) < 600
    assert peak < 40 * size + 2**18  # parsed JSON is up to some 30 times as large


def test_load_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        StatefulLSTMRegressor.load(tmp_path / "nothing")
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(PersistenceError, match="is not a regular file"):
            StatefulLSTMRegressor.load(path)


def test_load_file_cut_while_read_raises():
    raw = small_file()
    with pytest.raises(PersistenceError, match="cut short while"):
        _archive._read(io.BytesIO(raw[:-1]), len(raw))


def test_read_large_file_takes_memory_once(tmp_path):
    """It is read into the arrays themselves: the memory they take, and once."""
    array = np.random.default_rng(0).random((2048, 512))  # 8 MiB
    write(tmp_path / "file", {}, {"array": array})
    tracemalloc.start()
    try:
        again = read(tmp_path / "file")[1]["array"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(again, array)
    assert peak < 1.1 * array.nbytes


def mutations(raw: bytes, n: int) -> Iterator[bytes]:
    """Files that are nearly that one, the same ones on each run."""
    rng = random.Random(0)
    for k in range(n):
        at, length = rng.randrange(len(raw)), rng.randrange(1, 40)
        other = rng.randrange(len(raw))
        if k % 4 == 0:
            yield raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]
        elif k % 4 == 1:
            yield raw[:at]
        elif k % 4 == 2:
            yield raw[:at] + raw[other : other + length] + raw[at + length :]
        else:
            yield raw[:at] + rng.randbytes(length) * rng.randrange(3) + raw[other:]


def test_read_mutated_bytes_raises():
    """Of 6,000 mutated files each is refused, or gives what was written."""
    raw, n_read, n = small_file(), 0, 6000
    header, arrays = read_bytes(raw)
    for mutant in mutations(raw, n):
        try:
            got, got_arrays = read_bytes(mutant)
        except PersistenceError:
            continue
        n_read += 1
        assert got == header
        assert {k: v.tobytes() for k, v in got_arrays.items()} == {
            k: v.tobytes() for k, v in arrays.items()
        }
    assert n_read < n / 100  # a splice may put back what it took
