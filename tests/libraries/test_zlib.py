"""Checksums that combine: zlib's own crc32 and adler32, cut anywhere, against one call over the whole."""

from __future__ import annotations

import ctypes
import mmap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyffipar as pf

DECLARATIONS = """
    uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong adler32_combine(uLong adler1, uLong adler2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len)
        carry(crc = 0) reduction(crc32_combine(_, _, len)) {0};
    uLong adler32(uLong adler, const Bytef buf[len], uInt len)
        carry(adler = 1) reduction(adler32_combine(_, _, len)) {0};
"""
START = {"crc32": 0, "adler32": 1}
every_checksum = pytest.mark.parametrize("name", START)
unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
BIG = (1 << 32) + (1 << 20) + 7  # more than an unsigned 32-bit length holds


@pytest.fixture(scope="module")
def z(need: Any) -> pf.Library:
    library: pf.Library = need("z", "zlib1g-dev", DECLARATIONS.format(""))
    return library


def whole(library: pf.Library, name: str, start: int, data: bytes) -> int:
    """One call of the library itself over everything."""
    function = getattr(ctypes.CDLL(library.path), name)
    function.restype = ctypes.c_ulong
    function.argtypes = [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_uint]
    return int(function(start, data, len(data)))


@every_checksum
@given(data=st.data())
@unhurried
def test_any_size_cut_anywhere_with_any_start(
    z: pf.Library, everywhere: dict[str, Any], name: str, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, 5000) | st.sampled_from((0, 1, 2, 63, 64, 65)))
    step = data.draw(st.integers(1, 50))
    largest = data.draw(st.integers(step, 700))
    start = data.draw(st.sampled_from((START[name], whole(z, name, START[name], b"before"))))
    text = np.random.default_rng(size).bytes(size)
    clause = f"chunk(step = {step}, max = {largest})"
    function = getattr(pf.load(z.path, DECLARATIONS.format(clause)), name)
    assert function(start, text) == whole(z, name, start, text)


@every_checksum
def test_large_enough_for_many_chunks(z: pf.Library, everywhere: dict[str, Any], name: str) -> None:
    data = np.random.default_rng(1).integers(0, 256, 3_000_001, np.uint8)
    assert getattr(z, name)(START[name], data) == whole(z, name, START[name], data.tobytes())


@every_checksum
def test_everything_that_holds_bytes(z: pf.Library, everywhere: dict[str, Any], name: str, tmp_path: Path) -> None:
    data = np.random.default_rng(2).integers(0, 256, 100_000, np.uint8)
    expected = getattr(zlib, name)(data)
    path = tmp_path / "data"
    data.tofile(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        # Nothing that was passed is held on to: else closing the map would fail.
        assert getattr(z, name)(START[name], view) == expected
        view.release()
    for buffer in (data.tobytes(), bytearray(data), data.data, np.memmap(path, np.uint8, "r")):
        assert getattr(z, name)(START[name], buffer) == expected


@every_checksum
def test_rows_are_lifted(z: pf.Library, everywhere: dict[str, Any], name: str) -> None:
    table = np.random.default_rng(3).integers(0, 256, (7, 9_999), np.uint8)
    sums = getattr(z, name)(START[name], table)
    assert sums.tolist() == [getattr(zlib, name)(row) for row in table]
    every_other = getattr(z, name)(START[name], table[:, ::-2])
    assert every_other.tolist() == [getattr(zlib, name)(row[::-2].copy()) for row in table]
    starts = np.arange(7)
    assert getattr(z, name)(starts.astype(np.uint64), table).tolist() == [
        getattr(zlib, name)(row, start) for row, start in zip(table, starts.tolist(), strict=True)
    ]


@every_checksum
def test_of_nothing_is_what_the_library_says(z: pf.Library, everywhere: dict[str, Any], name: str) -> None:
    for start in (START[name], 12345):
        assert getattr(z, name)(start, b"") == start
    assert getattr(z, name)(START[name], np.empty((3, 0), np.uint8)).tolist() == [START[name]] * 3


def test_the_same_start_for_every_chunk_would_be_wrong(z: pf.Library) -> None:
    """What carry() is for: a start other than the identity, handed to every chunk, gives another checksum."""
    text = bytes(range(256)) * 4
    start = zlib.crc32(b"before")
    without = DECLARATIONS.format("chunk(max = 100)").replace("carry(crc = 0)", "")
    assert pf.load(z.path, without).crc32(start, text) != zlib.crc32(text, start)
    assert pf.load(z.path, DECLARATIONS.format("chunk(max = 100)")).crc32(start, text) == zlib.crc32(text, start)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse file longer than 32 bits count, with a few bytes that tell places apart."""
    path = tmp_path_factory.mktemp("big") / "sparse"
    with path.open("wb") as file:
        for place in (0, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, BIG - 1):
            file.seek(place)
            file.write(bytes([place % 251 + 1]))
    assert path.stat().st_size == BIG
    return path


@pytest.mark.slow
def test_more_bytes_than_the_length_parameter_counts(z: pf.Library, big: Path, apart: Any) -> None:
    """More than 4 GiB through a ``uInt len``, without memory for it, and not what is left of it modulo 2^32."""
    found = apart(f"""
data = np.memmap({str(big)!r}, np.uint8, "r")
z = pf.load({z.path!r}, '''{DECLARATIONS.format("")}''')
print(json.dumps(anonymous(lambda: int(z.crc32(0, data)))))
""")
    data = np.memmap(big, np.uint8, "r")
    expected = zlib.crc32(data.data)
    assert found["value"] == expected
    assert expected != zlib.crc32(data[: BIG - (1 << 32)].data), "what a length that wrapped would have given"
    assert found["anonymous"] < 200 << 20  # bytes of the process's own; the file's pages are the system's
