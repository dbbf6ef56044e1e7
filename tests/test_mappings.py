"""Mapped files: which arrays lie in one, where in it, and that pages leave the process without a byte being lost."""

from __future__ import annotations

import mmap
import os
import sys
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.system import mappings
from pyffipar.system.mappings import Mappings, Trail, is_trailed, lies_in_memory, mapped_by

Array = np.ndarray[Any, np.dtype[Any]]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what is mapped")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a file.bin"
    np.arange(100_000.0).tofile(path)
    return path


def read_back(array: Array) -> Array:
    """The same elements through the file that `Mappings` names."""
    mapping = Mappings().behind(array)
    assert mapping is not None
    descriptor = mapping.open(writable=False)
    assert descriptor is not None
    with os.fdopen(descriptor, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    offset = array.ctypes.data - mapping.start + mapping.offset
    return np.ndarray(array.shape, array.dtype, memory, offset, array.strides)


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("offset", [0, 8, 4096 * 5 + 16])
def test_an_array_is_found_in_its_file(file: Path, mode: Any, offset: int) -> None:
    mapped = np.memmap(file, np.float64, mode, offset)
    for view in (mapped, mapped[1000:2000], mapped[::-7], np.asarray(mapped)[5:].reshape(-1, 1), mapped[3:4]):
        np.testing.assert_array_equal(read_back(view), view)


def test_memory_of_others_is_found_too() -> None:
    memory = SharedMemory(create=True, size=8000)
    try:
        array: Array = np.ndarray((1000,), np.float64, memory.buf)
        array[:] = np.arange(1000)
        np.testing.assert_array_equal(read_back(array[10:]), array[10:])
        del array
    finally:
        memory.close()
        memory.unlink()


def test_what_only_this_process_sees_is_not_found(file: Path) -> None:
    private = np.memmap(file, np.float64, "c")
    known = Mappings()
    assert known.behind(private) is None
    assert known.behind(np.zeros(100)) is None
    assert known.behind(np.memmap(file, np.float64, "r")[:0]) is None


def test_shared_memory_without_a_name_cannot_be_opened() -> None:
    anonymous = np.frombuffer(mmap.mmap(-1, 8000), np.float64)
    mapping = Mappings().behind(anonymous)  # the kernel gives it the name of a file that is not there
    assert mapping is None or mapping.open(writable=False) is None


def test_a_file_that_was_replaced_or_removed_is_not_taken_for_the_one_that_is_mapped(file: Path) -> None:
    mapped = np.memmap(file, np.float64, "r")
    other = file.with_name("other.bin")
    np.zeros(100_000).tofile(other)
    other.replace(file)
    mapping = Mappings().behind(mapped)
    assert mapping is None or mapping.open(writable=False) is None
    file.unlink()
    mapping = Mappings().behind(mapped)
    assert mapping is None or mapping.open(writable=False) is None


def test_a_file_that_may_not_be_written_is_not_opened_for_it(file: Path) -> None:
    mapped = np.memmap(file, np.float64, "r")
    mapping = Mappings().behind(mapped)
    assert mapping is not None
    file.unlink()
    file.mkdir()  # root may write any file, but nobody a folder
    assert mapping.open(writable=True) is None


LINES = """
7f0000000000-7f0000001000 r--s 00000000 fe:01 77                         /data/x.bin
7f0000001000-7f0000003000 r--s 00001000 fe:01 77                         /data/x.bin
7f0000003000-7f0000004000 r--s 00009000 fe:01 77                         /data/x.bin
7f0000004000-7f0000005000 r--p 00000000 fe:01 78                         /data/private
7f0000005000-7f0000006000 rw-s 00000000 00:01 9                          /a name\\012with a new line
7f0000006000-7f0000007000 rw-p 00000000 00:00 0
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
""".strip().split("\n")


def test_pieces_of_a_mapping_that_continue_each_other_are_one() -> None:
    found = Mappings(LINES)._found
    assert [(one.start, one.stop, one.offset) for one in found] == [
        (0x7F0000000000, 0x7F0000003000, 0),
        (0x7F0000003000, 0x7F0000004000, 0x9000),
        (0x7F0000005000, 0x7F0000006000, 0),
    ]
    assert found[0].path == "/data/x.bin"
    assert (found[0].device, found[0].inode) == (os.makedev(0xFE, 1), 77)
    assert found[2].path == "/a name\nwith a new line"


def test_the_owner_of_a_mapping_is_found_through_any_views(file: Path) -> None:
    mapped = np.memmap(file, np.float64, "r")
    assert isinstance(mapped_by(mapped[::2].reshape(10, -1).T), mmap.mmap)
    raw = mmap.mmap(-1, 4096)
    assert mapped_by(np.frombuffer(memoryview(raw)[8:], np.uint8)) is raw
    assert mapped_by(np.zeros(3)) is None
    assert mapped_by(np.frombuffer(b"bytes", np.uint8)) is None


def test_files_that_lie_in_memory_are_told_apart(file: Path) -> None:
    shared = pf.shared_empty(1000)
    behind = Mappings().behind(shared)
    assert behind is not None
    assert behind.is_in_memory
    mapped = np.memmap(file, np.float64, "r")
    mapping = Mappings().behind(mapped)
    assert mapping is not None
    assert not mapping.is_in_memory
    with file.open() as opened:
        assert not lies_in_memory(opened.fileno())
    assert not lies_in_memory(-1)


# Pages that leave the process


@pytest.fixture
def _small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappings, "LEAST_RELEASED", 1 << 16)
    monkeypatch.setattr(mappings, "EVERY", 0.0)


def resident(array: Array) -> int:
    """Kibibytes of the mapping with an array's first element that are in this process's memory."""
    inside = False
    with Path("/proc/self/smaps").open(encoding="utf-8") as lines:
        for line in lines:
            head = line.split(maxsplit=1)[0]
            if "-" in head and not head.endswith(":"):
                first, last = (int(part, 16) for part in head.split("-"))
                inside = first <= array.ctypes.data < last
            elif inside and head == "Rss:":
                return int(line.split()[1])
    raise LookupError("not mapped")


@pytest.mark.usefixtures("_small_counts")
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_pages_behind_a_call_leave_the_process_and_keep_what_they_hold(file: Path, mode: Any) -> None:
    mapped = np.memmap(file, np.float64, mode)
    expected = np.arange(100_000.0)
    if mode == "r+":
        mapped[::2] = -1.0
        expected[::2] = -1.0
    assert mapped.sum() == expected.sum()
    trail = Trail([mapped[10:-10]])
    assert trail
    assert resident(mapped) > 700
    trail.release()
    assert resident(mapped) < 20
    np.testing.assert_array_equal(mapped, expected)
    np.testing.assert_array_equal(np.fromfile(file), expected)


@pytest.mark.usefixtures("_small_counts")
def test_what_was_written_to_a_private_mapping_stays(file: Path) -> None:
    mapped = np.memmap(file, np.float64, "c")
    mapped[:] = -1.0
    trail = Trail([mapped])
    assert not trail
    trail.release()
    assert (mapped == -1.0).all()


@pytest.mark.usefixtures("_small_counts")
def test_small_arrays_and_memory_of_no_file_are_left_alone(file: Path) -> None:
    mapped = np.memmap(file, np.float64, "r")
    assert not Trail([mapped[:100], np.zeros(100_000), pf.shared_empty(100_000)])
    assert is_trailed(mapped)
    assert not is_trailed(mapped[:100])
    assert not is_trailed(np.zeros(100_000))


def test_pages_are_let_go_now_and_then_and_not_at_every_look(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappings, "LEAST_RELEASED", 1 << 16)
    monkeypatch.setattr(mappings, "EVERY", 3600.0)
    mapped = np.memmap(file, np.float64, "r")
    trail = Trail([mapped])
    trail.release()
    assert mapped.sum() > 0
    trail.release()
    assert resident(mapped) > 700
