"""Streams: arrays that lie in no memory are read and written by windows; all else is as of an ordinary call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.streaming import StandIns, is_stored

Array = np.ndarray[Any, np.dtype[Any]]
MIB = 1 << 20

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
#include <time.h>
void scale(size_t n, double a, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = a * x[i]; }
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void add_to(size_t n, double *x, double a) { for (size_t i = 0; i < n; i++) x[i] += a; }
void hist(size_t n, const unsigned char *x, int64_t *counts) { for (size_t i = 0; i < n; i++) counts[x[i]]++; }
long largest(size_t n, const double *x) {
    long best = 0;
    for (size_t i = 1; i < n; i++) if (x[i] > x[best]) best = (long)i;
    return best;
}
size_t found(size_t n, const double *x, double *y) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) if (x[i] > 0) y[used++] = x[i];
    return used;
}
int fail(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) { if (x[i] < 0) return 5; y[i] = x[i]; }
    return 0;
}
void weigh(size_t n, const double *x, size_t m, const double *w, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * w[m - 1];
}
void slow(size_t n, const double *x, double *y) {
    struct timespec time = {0, 1000000};
    for (size_t i = 0; i < n; i++) { nanosleep(&time, NULL); y[i] = x[i]; }
}
uint64_t bytes(size_t n, const void *x) { uint64_t s = 0; const unsigned char *p = x; while (n--) s += *p++; return s; }
"""
DECLARATIONS = """
    void scale(size_t n, double a, const double x[n], double y[n]) chunk(max = 100);
    double total(size_t n, const double x[n]) reduction(+) chunk(max = 100);
    void add_to(size_t n, double x[n], double a) inout(x) chunk(max = 100);
    void hist(size_t n, const unsigned char x[n], int64_t counts[256]) reduction(+: counts) chunk(max = 100);
    long largest(size_t n, const double x[n]) reduction(argmax(x)) chunk(max = 100);
    size_t found(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(max = 100);
    int fail(size_t n, const double x[n], double y[n]) status(0) chunk(max = 100);
    void weigh(size_t n, const double x[n], size_t m, const double w[m], double y[n]) split(n) chunk(max = 100);
    void slow(size_t n, const double x[n], double y[n]) chunk(max = 1);
    uint64_t bytes(size_t n, const void x[n]) reduction(+) chunk(max = 100);
"""


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


class Disk:
    """An array that is somewhere else; says what was read and written."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.read: list[tuple[slice, ...]] = []
        self.written: list[tuple[slice, ...]] = []

    def __getitem__(self, places: tuple[slice, ...]) -> Array:
        self.read.append(places)
        return self.array[places].copy()

    def __setitem__(self, places: tuple[slice, ...], block: Array) -> None:
        self.written.append(places)
        self.array[places] = block


def test_every_element_is_read_and_written_once_and_a_window_at_a_time(library: pf.Library) -> None:
    x, y = Disk(np.arange(10_000.0)), Disk(np.zeros(10_000))
    assert library.scale.options(window=16_000).stream(2.0, x, out=y) is y
    np.testing.assert_array_equal(y.array, 2 * x.array)
    assert y.read == y.written, "the function might leave elements out, and those are to keep what they held"
    for places in (x.read, y.written):
        spans = [place.indices(10_000)[:2] for (place,) in places]
        assert spans == sorted(spans)
        assert [first for first, _ in spans] == [0, *(last for _, last in spans[:-1])]
        assert spans[-1][1] == 10_000
        assert 10 <= len(spans) <= 40, "a window has 16 000 bytes, of x and y together"
        assert max(last - first for first, last in spans) * 16 <= 16_000


def test_an_array_that_is_changed_in_place_is_read_and_written(library: pf.Library) -> None:
    x = Disk(np.arange(10_000.0))
    assert library.add_to.options(window=16_000).stream(x, 0.5) is None
    np.testing.assert_array_equal(x.array, np.arange(10_000.0) + 0.5)
    assert len(x.read) == len(x.written) > 3


def test_an_array_that_all_chunks_see_is_read_once(library: pf.Library) -> None:
    x, w = np.arange(10_000.0), Disk(np.arange(50.0))
    np.testing.assert_array_equal(library.weigh.options(window=1000).stream(x, w), x * 49)
    assert w.read == [(slice(0, 50),)]


def test_results_that_merge_may_be_stored_too(library: pf.Library) -> None:
    data = np.random.default_rng(1).integers(0, 256, 5000, np.uint8)
    counts = Disk(np.full(256, 9))
    assert library.hist.options(window=1000).stream(Disk(data), out=counts) is counts
    np.testing.assert_array_equal(counts.array, np.bincount(data, minlength=256))
    assert len(counts.written) == 1


def test_the_largest_element_is_found_among_all_windows(library: pf.Library) -> None:
    rows = np.random.default_rng(2).standard_normal((3, 5000))
    largest = library.largest.options(window=3000)
    np.testing.assert_array_equal(largest.stream(Disk(rows)), rows.argmax(axis=1))
    one = Disk(rows[0])
    assert largest.stream(one) == rows[0].argmax()
    assert sum(place.stop - place.start for (place,) in one.read) == 5000, "merging reads nothing again"


def test_plain_arrays_may_stand_beside_stored_ones(library: pf.Library) -> None:
    x, y = np.arange(10_000.0), np.zeros(10_000)
    library.scale.options(window=8000).stream(2.0, Disk(x), out=y)
    np.testing.assert_array_equal(y, 2 * x)
    np.testing.assert_array_equal(library.scale.stream(2.0, x), 2 * x)


def test_one_array_in_two_places_is_one_array(library: pf.Library) -> None:
    x = Disk(np.arange(1000.0))
    with pytest.raises(ValueError, match="y overlaps x in memory"):
        library.scale.stream(2.0, x, out=x)


def test_shapes_and_dtypes_are_checked_before_anything_is_read(library: pf.Library) -> None:
    x = Disk(np.zeros(1000, complex))
    with pytest.raises(TypeError, match="x has dtype complex128, which does not cast safely to double"):
        library.scale.stream(2.0, x)
    y = Disk(np.zeros(999))
    with pytest.raises(ValueError, match=r"y has shape \(999,\)"):
        library.scale.stream(2.0, Disk(np.zeros(1000)), out=y)
    assert not x.read
    assert not y.read


def test_axes_say_where_the_core_lies(library: pf.Library) -> None:
    x = np.arange(6000.0).reshape(1000, 6)
    function = library.scale.options(window=1000)
    np.testing.assert_array_equal(function.stream(2.0, Disk(x), axis=0), 2 * x)
    y = Disk(np.zeros((1000, 6)))
    function.stream(2.0, Disk(x), axis=0, out=y)
    np.testing.assert_array_equal(y.array, 2 * x)


def test_a_bad_status_is_told_as_the_whole_array_counts(library: pf.Library) -> None:
    rows = np.ones((2, 5000))
    rows[1, 3210] = -1
    with pytest.raises(pf.ChunkError) as here:
        library.fail.options(executor="serial")(rows)
    for executor in ("native", "processes"):
        with pytest.raises(pf.ChunkError) as there:
            library.fail.options(executor=executor, threads=1, window=4000).stream(Disk(rows))
        assert str(there.value) == str(here.value)
        assert there.value.failures == here.value.failures


def test_progress_and_time_limits_are_those_of_the_whole_call(library: pf.Library) -> None:
    seen: list[tuple[int, int]] = []
    slow = library.slow.options(window=160, progress=lambda done, total: seen.append((done, total)))
    slow.stream(Disk(np.ones(200)))
    assert seen[0] == (0, 200)
    assert seen[-1] == (200, 200)
    assert seen == sorted(seen)
    with pytest.raises(TimeoutError, match=r"^slow: not done after 0.2 s; \d+ of 20000 calls were made$"):
        library.slow.options(window=160, timeout=0.2).stream(Disk(np.ones(20_000)))


class Broken(Disk):
    """Can be read up to its middle."""

    def __getitem__(self, places: tuple[slice, ...]) -> Array:
        if places[0].stop > self.shape[0] // 2:
            raise OSError("the disk is full of holes")
        return super().__getitem__(places)


def test_what_reading_or_writing_raises_is_raised(library: pf.Library) -> None:
    with pytest.raises(OSError, match="full of holes"):
        library.total.options(window=8000).stream(Broken(np.zeros(10_000)))

    class ReadOnly:
        shape, dtype = (1000,), np.dtype(float)

        def __getitem__(self, places: tuple[slice, ...]) -> Array:
            return np.zeros(1000)[places]

    with pytest.raises(TypeError, match="does not support item assignment"):
        library.scale.stream(2.0, Disk(np.zeros(1000)), out=ReadOnly())


def test_what_cannot_be_streamed_is_refused(library: pf.Library) -> None:
    with pytest.raises(TypeError, match="found: y is as long as what is found, so it is not written to a stored array"):
        library.found.stream(Disk(np.ones(1000)), out=Disk(np.ones(1000)))
    np.testing.assert_array_equal(library.found.stream(Disk(np.arange(-500.0, 500.0))), np.arange(1.0, 500.0))
    with pytest.raises(TypeError, match="bytes of a stored array of float64 are not seen as uint8"):
        library.bytes.stream(Disk(np.ones(1000)))
    text = """void scale(size_t n, struct h *h, const double x[n], double y[n])
              private(h = add_to()) reduction(merge(_, _): h);"""
    collecting = pf.load(library.path, text, callables={"merge": max}).scale
    with pytest.raises(TypeError, match="scale: h collects over the whole call, so it is not streamed"):
        collecting.stream(None, Disk(np.ones(10)))


def test_nothing_is_nothing(library: pf.Library) -> None:
    assert library.total.stream(Disk(np.empty(0))) == 0
    assert library.scale.stream(2.0, Disk(np.empty((3, 0)))).shape == (3, 0)
    assert library.total.stream(Disk(np.empty((0, 50)))).shape == (0,)


def test_only_arrays_that_numpy_would_read_whole_are_stored() -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    assert is_stored(Disk(np.zeros(3)))
    for value in (
        np.zeros(3), np.ma.zeros(3), np.float64(1), [1.0], (1.0,), 1.0, "x", b"x", None, memoryview(b"x"),
        pd.Series([1.0]), pd.DataFrame({"a": [1.0]}), pl.Series([1.0]), pa.array([1.0]),
    ):  # fmt: skip
        assert not is_stored(value), type(value)


def test_a_stand_in_takes_no_memory_and_knows_what_it_stands_for() -> None:
    disk = Disk(np.broadcast_to(np.float32(0), (1 << 20, 1 << 10, 4)))  # 16 GiB
    stand_ins = StandIns()
    array = stand_ins.array(disk)
    assert (array.shape, array.dtype) == (disk.shape, np.float32)
    assert stand_ins.array((disk, 5)) == (array, 5) or stand_ins.array((disk, 5))[0] is array
    assert stand_ins.stored((array, 5))[0] is disk
    region = stand_ins.region(array[3:7, :, 2:3].transpose(1, 0, 2))
    assert region is not None
    assert region.places == (slice(3, 7), slice(0, 1024), slice(2, 3))
    assert region.shown == (1, 0)
    assert stand_ins.region(np.zeros(3)) is None


@pytest.mark.parametrize("executor", ["native", "threads", "processes"])
def test_zarr_arrays_are_streamed(library: pf.Library, tmp_path: Path, executor: str) -> None:
    import zarr

    x: Any = zarr.open(str(tmp_path / "x"), mode="w", shape=(7, 20_000), chunks=(2, 3000), dtype="f4")
    y: Any = zarr.open(str(tmp_path / "y"), mode="w", shape=(7, 20_000), chunks=(3, 5000), dtype="f8")
    values = np.random.default_rng(3).standard_normal((7, 20_000)).astype(np.float32)
    x[:] = values
    options = {"executor": executor, "threads": 2, "window": 100_000}
    assert library.scale.options(**options).stream(3.0, x, out=y) is y
    expected = library.scale.options(executor="serial")(3.0, values)
    np.testing.assert_array_equal(y[:], expected)
    np.testing.assert_array_equal(
        library.total.options(**options).stream(y), library.total.options(executor="serial")(expected)
    )


# Larger than memory


BIG = """
import json, sys, zlib
import numpy as np
import pyffipar as pf

def status(word):
    lines = open("/proc/self/status").read().split("\\n")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(word))

z = pf.load("z", '''uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));''')
k = pf.load(sys.argv[1], "double total(size_t n, const double x[n]) reduction(+);")
size = int(sys.argv[2])
with open("sparse.bin", "wb") as file:
    file.truncate(size)
    file.seek(size - 8)
    file.write(np.float64(3.0).tobytes())
pf.set_options(executor=sys.argv[3], threads=2)
x = np.memmap("sparse.bin", np.float64, "r")
z.crc32(0, bytes(10**6)), k.total(np.zeros(10**6)), pf.sum(np.zeros(10**6))
before = status("VmRSS:")
open("/proc/self/clear_refs", "w").write("5")
raw = x.view(np.uint8)
told = {
    "crc": int(z.crc32(0, raw)), "total": float(k.total(x)), "sum": float(pf.sum(x)),
    "view": float(k.total(np.asarray(x)[::-1])), "grown": status("VmHWM:") - before,
}
assert told["crc"] == zlib.crc32(raw)
print(json.dumps(told))
"""


def grown(library: pf.Library, folder: Path, size: int, executor: str) -> Any:
    """Bytes by which the peak of a process grows that goes through a sparse file."""
    done = subprocess.run(
        [sys.executable, "-c", BIG, library.path, str(size), executor], capture_output=True, text=True, timeout=280,
        cwd=folder, check=False,
    )  # fmt: skip
    (folder / "sparse.bin").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_peak = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no way to measure a peak")


@needs_peak
@pytest.mark.parametrize("executor", ["native", "threads", "serial", "processes"])
def test_mapped_files_pass_through_without_piling_up(library: pf.Library, tmp_path: Path, executor: str) -> None:
    told = grown(library, tmp_path, 640 << 20, executor)
    assert told["total"] == told["sum"] == told["view"] == 3.0
    assert told["grown"] < 400 << 20


@needs_peak
@pytest.mark.slow
@pytest.mark.parametrize("executor", ["native", "processes"])
def test_gigabytes_of_mapped_files_pass_through_without_piling_up(
    library: pf.Library, tmp_path: Path, executor: str
) -> None:
    told = grown(library, tmp_path, 1 << 32, executor)
    assert told["total"] == told["sum"] == told["view"] == 3.0
    assert told["grown"] < 400 << 20
