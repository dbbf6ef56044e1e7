"""Shared arrays: ordinary arrays whose memory another process can map, freed with the last of them, under no name."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.system.mappings import Mappings
from pyffipar.system.sharing import Sources, make_segment

Array = np.ndarray[Any, np.dtype[Any]]


def segments() -> int:
    """Descriptors of shared memory of ours that this process has open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and "memfd:pyffipar" in str(link.readlink()) for link in links)


@pytest.mark.parametrize("shape", [5, (5,), (3, 4), [2, 0, 3], (), np.int64(7)])
@pytest.mark.parametrize("dtype", ["f8", ">i2", "S3", [("a", "i1"), ("b", "f8")]])
def test_a_shared_array_is_an_array_of_zeros(shape: Any, dtype: Any) -> None:
    array = pf.shared_empty(shape, dtype)
    plain = np.zeros(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype) == (plain.shape, plain.dtype)
    assert array.strides == plain.strides or not plain.size
    assert array.tobytes() == plain.tobytes()
    assert array.flags.writeable
    assert array.flags.aligned


def test_a_shared_copy_holds_what_its_original_holds() -> None:
    original = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::2].astype(">f4")
    copy = pf.shared(original)
    assert copy.dtype == original.dtype
    np.testing.assert_array_equal(copy, original)
    assert not np.shares_memory(copy, original)
    assert pf.shared([1, 2]).tolist() == [1, 2]


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        pf.shared_empty(3, object)
    with pytest.raises(ValueError, match="negative"):
        pf.shared_empty((3, -1))


def test_memory_and_descriptor_are_freed_with_the_last_view() -> None:
    gc.collect()
    before = segments()
    array = pf.shared_empty(1000)
    view = array[10:].reshape(2, -1).T
    del array
    assert segments() == before + 2  # Python's mapping has one of its own
    view[...] = 1
    assert view.sum() == 990
    del view
    gc.collect()
    assert segments() == before


def test_no_segment_has_a_name_that_could_be_left_behind() -> None:
    folder = Path("/dev/shm")  # noqa: S108 - it is looked at, not written to
    before = set(folder.iterdir()) if folder.exists() else set()
    kept = [pf.shared_empty(1000) for _ in range(5)]
    assert (set(folder.iterdir()) if folder.exists() else set()) <= before
    del kept


def test_memory_is_taken_only_where_something_is_written() -> None:
    array = pf.shared_empty(1 << 40, np.uint8)
    array[1 << 39] = 7
    assert array[(1 << 39) - 5 : (1 << 39) + 5].sum() == 7


def test_others_map_the_elements_of_views(tmp_path: Path) -> None:
    array = pf.shared(np.arange(100.0))
    file = tmp_path / "x.bin"
    np.arange(100.0).tofile(file)
    mapped = np.memmap(file, np.float64, "r+")
    for whole in (array, mapped):
        for view in (whole, whole[10:20], whole[::-3], whole[5:6].reshape(1, 1)):
            with Sources() as sources:
                source = sources.find(view, writable=True)
                assert source is not None
                memory = mmap.mmap(source.descriptor, 0)
                np.testing.assert_array_equal(
                    np.ndarray(view.shape, view.dtype, memory, source.offset, view.strides), view
                )


def test_other_arrays_are_nobody_elses_to_map(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    np.arange(100.0).tofile(file)
    with Sources() as sources:
        for array in (np.zeros(10), np.memmap(file, np.float64, "c"), pf.shared_empty(0), np.zeros(0)):
            assert sources.find(array, writable=False) is None


def test_files_are_opened_once_and_closed_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    np.arange(100.0).tofile(file)
    mapped = np.memmap(file, np.float64, "r")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Sources() as sources:
        found = [sources.find(mapped[first:], writable=False) for first in range(5)]
        assert {source.descriptor for source in found if source} == {found[0].descriptor}  # type: ignore[union-attr]
        assert [source.offset for source in found if source] == [0, 8, 16, 24, 32]
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pickled_shared_array_is_a_plain_copy() -> None:
    array = pf.shared([1.0, 2.0])
    copy = pickle.loads(pickle.dumps(array))
    copy[0] = 5
    assert array.tolist() == [1.0, 2.0]


def test_a_segment_is_zero_and_as_long_as_asked_for() -> None:
    segment = make_segment(5000)
    assert len(segment.memory) == 5000
    assert segment.memory[:] == bytes(5000)
    segment.close()
    segment.memory[4999] = 1  # mapped still


# What worker processes keep of it


@pytest.fixture(scope="module")
def total() -> pf.Function:
    """A sum, made by one worker process."""
    source = """
    #include <stddef.h>
    double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
    """
    declared = "double total(size_t n, const double x[n]) reduction(+);"
    return pf.compile(source, declared).total.options(executor="processes", threads=1)


def file_behind(array: Array) -> str:
    """How the kernel writes which file an array's memory is, in every process's list of mappings."""
    mapping = Mappings().behind(array)
    assert mapping is not None
    return f"{mapping.inode} /memfd:pyffipar"


def others_with(file: str) -> list[int]:
    """Processes that have a file mapped, but this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                lines = folder.joinpath("maps").read_text(errors="replace").split("\n")
                if any(" ".join(line.split()[4:6]) == file for line in lines):
                    found.append(int(folder.name))
    return found


def faults(process: int) -> int:
    """How often a process had to have a page found for it."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[7])


def test_a_worker_finds_the_pages_of_a_shared_array_once(total: pf.Function) -> None:
    x = pf.shared_empty(8 << 20)  # 64 MiB, 16384 pages
    x[:] = 1
    assert total(x) == 8 << 20
    (worker,) = others_with(file_behind(x))
    before = faults(worker)
    assert total(x) == 8 << 20
    assert faults(worker) - before < 256


def test_a_worker_lets_go_of_a_shared_array_when_it_has_had_nothing_to_do_for_a_while(total: pf.Function) -> None:
    x = pf.shared_empty(1 << 16)
    file = file_behind(x)
    total(x)
    assert others_with(file)
    del x
    deadline = time.monotonic() + 60
    while others_with(file):
        assert time.monotonic() < deadline
        time.sleep(0.05)
