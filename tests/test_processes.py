"""The executor `processes`: what is copied and what is not, handles in workers, and what workers are like."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.executors import placing
from pyffipar.executors.launching import METHOD_VARIABLE, Launcher, chosen_method
from pyffipar.executors.portions import Portions
from pyffipar.executors.workers import pool

Array = np.ndarray[Any, np.dtype[Any]]

SOURCE = r"""
#include <fenv.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
void scale(size_t n, double a, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = a * x[i]; }
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
double strided(size_t n, const double *x, size_t by) { double s = 0; while (n--) s += x[n * by]; return s; }
void add_to(size_t n, double *x, double a) { for (size_t i = 0; i < n; i++) x[i] += a; }
void gemv(size_t m, size_t n, const double *a, const double *x, double *y) {
    for (size_t i = 0; i < m; i++) { y[i] = 0; for (size_t j = 0; j < n; j++) y[i] += a[i * n + j] * x[j]; }
}
void some(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) if (x[i] > 0) y[i] = x[i]; }
double third(double x) { return x / 3; }
int64_t process(double x) { return getpid() + 0 * (int64_t)x; }
struct space { long calls; };
static long made, ended;
void *space_new(void) { made++; return calloc(1, sizeof(struct space)); }
void *space_none(void) { return NULL; }
void space_free(void *space) { ended++; free(space); }
void use(struct space *space, size_t n, const double *x, int64_t *seen) {
    space->calls++;
    for (size_t i = 0; i < n; i++) seen[i] = 1000000 * (int64_t)getpid() + 1000 * made + ended + 0 * (int64_t)x[i];
}
"""
DECLARATIONS = """
    void scale(size_t n, double a, const double x[n], double y[n]);
    double total(size_t n, const double x[n]) reduction(+);
    double strided(size_t n, const double x[0 : n : by], size_t by) reduction(+);
    void add_to(size_t n, double x[n], double a) inout(x);
    void gemv(size_t m, size_t n, const double a[m][n], const double x[n], double y[m]) chunk(max = 10);
    void some(size_t n, const double x[n], double y[n]) chunk(max = 100);
    double third(double x);
    int64_t process(double x);
    void use(struct space *space, size_t n, const double x[n], int64_t seen[n])
        private(space = space_new(), space_free) chunk(max = 10);
"""


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@pytest.fixture(autouse=True)
def _in_processes() -> Iterator[None]:
    with pf.options(executor="processes", threads=2):
        yield


class Copied:
    """Counts the bytes that go through windows of shared memory, in and out."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.put = self.taken = 0
        fill, take = placing.Load.fill, placing.Load.take

        def counted_fill(load: placing.Load, memory: Any, base: int) -> None:
            self.put += sum(one.array.nbytes for one in load._placed if one.content)
            fill(load, memory, base)

        def counted_take(load: placing.Load, memory: Any, base: int) -> None:
            self.taken += sum(one.array.nbytes for one in load._placed if one.written)
            take(load, memory, base)

        patch.setattr(placing.Load, "fill", counted_fill)
        patch.setattr(placing.Load, "take", counted_take)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copied:
    return Copied(monkeypatch)


# What is copied


def test_plain_arrays_go_through_windows_once_each_way(library: pf.Library, copied: Copied) -> None:
    x = np.arange(1e6)
    np.testing.assert_array_equal(library.scale(2.0, x), 2 * x)
    assert (copied.put, copied.taken) == (x.nbytes, x.nbytes)


def test_shared_arrays_are_read_and_written_where_they_lie(library: pf.Library, copied: Copied) -> None:
    x, y = pf.shared(np.arange(1e6)), pf.shared_empty(10**6)
    assert library.scale(2.0, x, out=y) is y
    np.testing.assert_array_equal(y, 2 * x)
    library.add_to(y[::2], 1.0)
    np.testing.assert_array_equal(y[::2], 2 * x[::2] + 1)
    np.testing.assert_array_equal(y[1::2], 2 * x[1::2])
    assert library.total(x[::-1]) == x.sum()
    partials = 8 * library.total._plan((x,), {}).grid.chunks
    assert (copied.put, copied.taken) == (0, partials)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells which file is mapped")
def test_mapped_files_are_opened_by_the_workers(library: pf.Library, copied: Copied, tmp_path: Path) -> None:
    np.arange(1e6).tofile(tmp_path / "x.bin")
    x = np.memmap(tmp_path / "x.bin", np.float64, "r")
    y = np.memmap(tmp_path / "y.bin", np.float64, "w+", shape=(10**6,))
    library.scale(2.0, x, out=y)
    assert (copied.put, copied.taken) == (0, 0)
    y.flush()
    np.testing.assert_array_equal(np.fromfile(tmp_path / "y.bin"), 2 * np.arange(1e6))


def test_what_only_this_process_sees_of_a_file_is_copied(library: pf.Library, tmp_path: Path) -> None:
    np.arange(1e5).tofile(tmp_path / "x.bin")
    x = np.memmap(tmp_path / "x.bin", np.float64, "c")
    x[:] = 1.0  # in this process's own pages
    assert library.total(x) == 1e5
    (tmp_path / "x.bin").unlink()
    x = np.memmap(tmp_path / "y.bin", np.float64, "w+", shape=(10**5,))
    x[:] = 2.0
    (tmp_path / "y.bin").unlink()  # nobody can open it any more
    assert library.total(x) == 2e5


def test_what_all_calls_see_whole_is_copied_once_for_all_workers(library: pf.Library, copied: Copied) -> None:
    a, x = np.ones((1000, 500)), np.arange(500.0)
    np.testing.assert_array_equal(library.gemv(a, x), a @ x)
    assert copied.put == a.nbytes + x.nbytes


def test_elements_a_function_leaves_out_keep_what_the_callers_array_held(library: pf.Library) -> None:
    x = np.tile([1.0, -1.0], 5000)
    for y in (np.full(10_000, 7.0), pf.shared(np.full(10_000, 7.0))):
        library.some(x, out=y)
        np.testing.assert_array_equal(y, np.where(x > 0, x, 7.0))


def test_a_column_whose_rows_are_pages_apart_is_refused_with_the_way_out(library: pf.Library) -> None:
    text = "double strided(size_t n, const double x[0 : n : by], size_t by) reduction(+) chunk(min = 70000);"
    strided = pf.load(library.path, text).strided
    table = np.zeros((70_000, 1024))  # half a gigabyte that nobody touches
    with pytest.raises(ValueError, match="strided") as caught:
        strided(table[:, 3])
    assert str(caught.value) == (
        f"strided: a chunk has 560008 bytes, but with the strides of x, which the function is told, it takes "
        f"{70_000 * (8 + 4096) + 8} bytes of a worker's memory: keep the array in pf.shared_empty or a memmap, where "
        f"workers read it in place, or pass a contiguous copy"
    )
    shared = pf.shared_empty(table.shape)
    shared[:, 3] = 1.0
    assert strided(shared[:, 3]) == 70_000


MEASURE = """
import json, os, sys
import numpy as np
import pyffipar as pf

def status(process, word):
    lines = open(f"/proc/{process}/status").read().split("\\n")
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(word))

def everybody():
    stats = [open(f"/proc/{one}/stat").read().rpartition(")") for one in os.listdir("/proc") if one.isdigit()]
    found = {int(head.split()[0]): int(tail.split()[1]) for head, _, tail in stats}
    ours, before = {os.getpid()}, set()
    while ours != before:
        before = set(ours)
        ours |= {process for process, parent in found.items() if parent in before}
    return [one for one in ours - {os.getpid()} if "forkserver" in open(f"/proc/{one}/cmdline").read()]

k = pf.load(sys.argv[1], sys.argv[2])
pf.set_options(executor="processes", threads=2)
k.scale(2.0, np.zeros(10**6)), k.total(np.zeros(10**6))
x, y = np.ones(1 << 25), np.zeros(1 << 25)
y[:] = 1
before = status("self", "VmRSS:")
open("/proc/self/clear_refs", "w").write("5")
k.scale(2.0, x, out=y)
assert k.total(y) == 2.0 ** 26
workers = [status(one, "VmHWM:") for one in everybody()]
print(json.dumps({"parent": status("self", "VmHWM:") - before, "workers": workers}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no way to measure a peak")
def test_a_quarter_of_a_gigabyte_passes_through_windows_of_a_few_megabytes(library: pf.Library, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, library.path, DECLARATIONS], capture_output=True, text=True, timeout=200,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["parent"] < 40 << 20
    assert len(told["workers"]) >= 3  # the server, and what it has forked
    assert max(told["workers"]) < 150 << 20


# Workers


def test_workers_are_other_processes_and_stay(library: pf.Library) -> None:
    seen = [set(library.process(np.zeros(200)).tolist()) for _ in range(20)]
    assert all(os.getpid() not in workers for workers in seen)
    assert len(set().union(*seen)) <= pool()._most


def test_a_handle_is_made_once_in_every_worker_and_ended_in_it(library: pf.Library) -> None:
    for turn in (1, 2, 3):
        seen = set(library.use(None, np.zeros(3000)).tolist())
        for code in seen:
            made, ended = code // 1000 % 1000, code % 1000
            assert made == ended + 1, "one that lives, and all before are ended"
            assert made <= turn


def test_a_handle_that_cannot_be_made_is_the_error_it_is_here(library: pf.Library) -> None:
    text = """void use(struct space *space, size_t n, const double x[n], int64_t seen[n])
              private(space = space_none(), space_free) chunk(max = 10);"""
    failing = pf.load(library.path, text).use
    with pytest.raises(pf.PyffiparError) as here:
        failing.options(executor="serial")(None, np.zeros(100))
    with pytest.raises(pf.PyffiparError) as there:
        failing(None, np.zeros(100))
    assert str(there.value) == str(here.value) == "use: space_none returned NULL instead of a copy of space"


@pytest.mark.parametrize("mode", range(4))
def test_workers_round_as_the_caller_does(library: pf.Library, mode: int) -> None:
    c = ctypes.CDLL(None)
    x = np.random.default_rng(1).standard_normal(1000)
    nearest = c.fegetround()
    modes = {"x86_64": 0x400, "aarch64": 0x400000}[os.uname().machine]
    c.fesetround(mode * modes)
    try:
        here, there = library.third.options(executor="serial")(x), library.third(x)
    finally:
        c.fesetround(nearest)
    assert here.tobytes() == there.tobytes()
    assert (here.tobytes() == library.third(x).tobytes()) == (mode == 0)


def test_a_library_that_was_replaced_is_not_taken_for_the_one_that_is_loaded(
    library: pf.Library, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.so"
    copy.write_bytes(Path(library.path).read_bytes())
    loaded = pf.load(str(copy), "double third(double x);")
    assert loaded.third(3.0) == 1.0
    copy.unlink()  # to write into a file that is mapped would take the code from under the process
    copy.write_bytes(Path(library.path).read_bytes() + b"changed")
    with pytest.raises(pf.LibraryError, match="changed or removed since it was loaded"):
        loaded.third(3.0)


def test_a_function_that_only_this_process_has_is_refused(library: pf.Library) -> None:
    address = ctypes.cast(ctypes.CDLL(library.path).third, ctypes.c_void_p).value
    bare = pf.function(address, "double third(double x);")
    with pytest.raises(TypeError, match=r"third cannot be pickled: it comes from .*, which only this process has"):
        bare([1.0, 2.0])


def test_a_cpp_exception_is_an_error_with_its_words() -> None:
    source = (
        '#include <stdexcept>\nextern "C" double odd(double x) { if (x > 3) throw std::range_error("odd"); return x; }'
    )
    odd = pf.compile(source, "double odd(double x);", language="c++").odd
    assert odd(np.arange(4.0)).tolist() == [0, 1, 2, 3]
    with pytest.raises(pf.ChunkError, match=r"^odd at \(4,\) threw a C\+\+ exception: odd$"):
        odd.options(threads=1)(np.arange(5.0))


def test_many_calls_at_once_do_not_outnumber_the_workers(library: pf.Library) -> None:
    futures = [library.process.submit(np.zeros(300)) for _ in range(8)]
    everybody = {process for future in futures for process in future.result(timeout=60).tolist()}
    assert len(everybody) <= pool()._most, "the largest number that any call has asked for"


# How they are started


def test_an_unknown_way_to_start_workers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(METHOD_VARIABLE, "fork")
    with pytest.raises(ValueError, match=r"^PYFFIPAR_START_METHOD is 'fork'; there are forkserver and spawn$"):
        chosen_method()
    with pytest.raises(ValueError, match="there are forkserver and spawn"):
        Launcher().start()


def test_without_an_interpreter_there_are_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing.spawn

    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", None)
    with pytest.raises(RuntimeError, match="nobody knows where the interpreter is"):
        Launcher().start()


def test_where_no_process_can_be_started_the_call_says_so(library: pf.Library, tmp_path: Path) -> None:
    code = f"""
import resource, numpy as np, pyffipar as pf
k = pf.load({library.path!r}, "double third(double x);")
k.third([1.0])
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
try:
    k.third.options(executor="processes")([1.0, 2.0])
except OSError as error:
    print(error.errno == 24)
print(k.third.options(executor="serial")([3.0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert done.stdout == "True\n[1.]\n", done.stderr


# Portions


def test_portions_hold_every_call_once_and_grow_with_what_is_learnt(library: pf.Library) -> None:
    plan = library.scale._plan((1.0, np.zeros(1 << 22)), {})
    portions = Portions(plan, 2, 0.005, 64 << 20)
    assert portions.ahead() == 1, "nobody knows yet whether a second piece would lie idle"
    sizes: list[int] = []
    calls: list[int] = []
    while (piece := portions.take()) is not None:
        sizes.append(piece.plan.calls)
        calls += range(piece.first, piece.first + piece.plan.calls)
        portions.learn(piece.plan.calls, piece.plan.calls * 1e-6)
    assert calls == list(range(plan.calls))
    assert sizes[0] == plan.grain
    assert max(sizes) > plan.grain
    assert max(sizes[1:]) <= plan.calls // 4, "nobody gets most of what is left"
    assert portions.ahead() == 2


def test_dear_calls_are_handed_out_one_by_one(library: pf.Library) -> None:
    plan = library.scale._plan((1.0, np.zeros(1 << 20)), {})
    portions = Portions(plan, 2, 0.005, 64 << 20)
    while (piece := portions.take()) is not None:
        assert piece.plan.calls == plan.grain
        portions.learn(1, 1.0)
    assert portions.ahead() == 1


def test_only_arrays_that_travel_bound_a_portion(library: pf.Library) -> None:
    plan = library.scale._plan((1.0, np.zeros(1 << 22)), {})
    first = plan.grid.chunk * plan.grain * 16  # bytes of a task: an array that is read, another one that is written
    for stay, most in (((), 2), (("y",), 4), (("x", "y"), plan.calls)):
        portions = Portions(plan, 2, 1.0, 2 * first, stay)
        sizes = []
        while (piece := portions.take()) is not None:
            sizes.append(piece.plan.calls)
            portions.learn(piece.plan.calls, piece.plan.calls * 1e-6)
        assert max(sizes) <= most * plan.grain
        assert max(sizes) == most * plan.grain or most == plan.calls


def test_the_last_portions_shrink_but_stay_worth_their_sending(library: pf.Library) -> None:
    plan = library.scale._plan((1.0, np.zeros(1 << 26)), {})
    tasks = plan.calls // plan.grain
    for wanted, least in ((64, 8), (tasks, tasks // 4 // 8)):
        portions = Portions(plan, 2, wanted * plan.grain * 1.001e-6, 1 << 40)
        assert portions.seconds_left() == 0, "nobody knows"
        sizes = []
        while (piece := portions.take()) is not None:
            sizes.append(piece.plan.calls // plan.grain)
            portions.learn(1, 1e-6)
            assert portions.seconds_left() == pytest.approx(1e-6 * (plan.calls - piece.first - piece.plan.calls))
        assert sizes[1] == min(wanted, (tasks - 1) // 4)
        assert sizes[1:] == sorted(sizes[1:], reverse=True)
        assert min(sizes[1:-1]) == least


def test_closed_portions_hand_out_nothing_and_take_nothing_back(library: pf.Library) -> None:
    plan = library.scale._plan((1.0, np.zeros(1 << 20)), {})
    portions = Portions(plan, 2, 0.005, 64 << 20)
    piece = portions.take()
    assert piece is not None
    portions.give_back(piece)
    assert portions.take() is piece
    portions.close()
    portions.give_back(piece)
    assert portions.take() is None
    assert not portions.is_left()
