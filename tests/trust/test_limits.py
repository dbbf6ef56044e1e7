"""CPUs, threads and memory: a call does with what it gets, and says so where that is too little."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Scene = Callable[..., Any]  # plays a program of its own

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])
parallel = pytest.mark.parametrize("executor", ["native", "threads"])

_HELPERS = """
who = functions().who.options(executor=executor)
def team(**options):
    # Threads that have worked on a call long enough for all to come.
    return len(set(who.options(**options)(np.ones(400)).tolist()))
"""


@parallel
def test_affinity_decides_how_many_threads_work(scene: Scene, executor: str) -> None:
    told = scene(
        _HELPERS
        + """
cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})
say(pf.current_options().thread_count(), team())
""",
        executor,
        PYFFIPAR_NUM_THREADS="",
        OMP_NUM_THREADS="",
    )
    assert told.stdout == "1 1\n"


@pytest.mark.parametrize("how", ["set_options", "options", "function"])
def test_a_changed_affinity_is_noticed_when_the_default_is_asked_for_again(scene: Scene, how: str) -> None:
    cpus = len(os.sched_getaffinity(0))
    told = scene(
        f"""
        all_of_them = os.sched_getaffinity(0)
        before = pf.current_options().thread_count()
        os.sched_setaffinity(0, {{min(all_of_them)}})
        if {how!r} == "set_options":
            pf.set_options(threads=None)
        elif {how!r} == "options":
            with pf.options(threads=None): pass
        else:
            functions().who.options(threads=None)
        now = pf.current_options().thread_count()
        os.sched_setaffinity(0, all_of_them)
        pf.set_options(threads=None)
        say(before, now, pf.current_options().thread_count())
        """,
        PYFFIPAR_NUM_THREADS="",
        OMP_NUM_THREADS="",
    )
    assert told.stdout.split() == [told.stdout.split()[0], "1", told.stdout.split()[0]]
    assert 1 <= int(told.stdout.split()[0]) <= cpus


@parallel
@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"PYFFIPAR_NUM_THREADS": "1", "OMP_NUM_THREADS": "7"}, 1),
        ({"PYFFIPAR_NUM_THREADS": "", "OMP_NUM_THREADS": "1"}, 1),
        ({"PYFFIPAR_NUM_THREADS": "5", "OMP_NUM_THREADS": "1"}, 5),
        ({"PYFFIPAR_NUM_THREADS": "", "OMP_NUM_THREADS": "4,2"}, 4),
    ],
)
def test_the_environment_decides_before_the_machine(
    scene: Scene, executor: str, environment: dict[str, str], wanted: int
) -> None:
    told = scene(
        """
        gate = Gate()
        count = pf.current_options().thread_count()
        meet = functions().meet.options(executor=executor)
        seen = set(meet(gate, count, np.ones(max(1, count))).tolist())
        say(count, len(seen), gate.is_good)
        """,
        executor,
        **environment,
    )
    assert told.stdout == f"{wanted} {wanted} True\n"


def test_a_variable_that_is_no_number_is_named(scene: Scene) -> None:
    told = scene(
        "function('total')(np.ones(3)); pf.current_options().thread_count()", expect=1, PYFFIPAR_NUM_THREADS="many"
    )
    assert "PYFFIPAR_NUM_THREADS" in told.stderr.splitlines()[-1]


# Threads that cannot be had

_REFUSING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static int allowed = 1 << 30;

void allow_threads(int count) { allowed = count; }

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    if (__atomic_fetch_sub(&allowed, 1, __ATOMIC_SEQ_CST) <= 0) {
        return EAGAIN;
    }
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, body, argument);
}
"""


@pytest.fixture(scope="module")
def refusing(cc: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that stands before the system's pthread_create."""
    folder = tmp_path_factory.mktemp("refusing")
    (folder / "refuse.c").write_text(_REFUSING)
    target = folder / "refuse.so"
    subprocess.run([cc, "-shared", "-fPIC", "-o", target, folder / "refuse.c", "-ldl"], check=True)
    return str(target)


@every_executor
@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_a_call_does_with_the_threads_it_gets(scene: Scene, refusing: str, executor: str, allowed: int) -> None:
    told = scene(
        f"""
        import ctypes
        process = ctypes.CDLL(None)
        x = np.arange(100_000.0)
        expected = function("total", "serial")(x)
        process.allow_threads({allowed})
        for _ in range(20):
            assert function("total", executor, 5)(x) == expected
        used = len(set(function("who", executor, 5)(np.ones(2000)).tolist()))
        process.allow_threads(1 << 30)
        say(used <= 1 + {allowed})
        """,
        executor,
        LD_PRELOAD=refusing,
    )
    assert told.stdout == "True\n"


def test_a_future_that_gets_no_thread_is_refused_before_anything_is_called(scene: Scene, refusing: str) -> None:
    told = scene(
        """
        import ctypes
        gate = Gate()
        process = ctypes.CDLL(None)
        process.allow_threads(0)
        try:
            function("slow").submit(gate, np.ones(10))
        except RuntimeError as error:
            say(error, gate.entered)
        process.allow_threads(1 << 30)
        say((function("slow").submit(gate, np.ones(10)).result() == 1).all())
        """,
        LD_PRELOAD=refusing,
    )
    assert told.stdout.splitlines() == ["can't start new thread 0", "True"]


def _task_groups() -> Path | None:
    """Where a control group that limits tasks can be made; None where the system lets nobody."""
    for folder in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        if (folder / "cgroup.procs").exists() and os.access(folder, os.W_OK):
            probe = folder / f"pyffipar-probe-{os.getpid()}"
            try:
                probe.mkdir()
                limited = (probe / "pids.max").exists()
                probe.rmdir()
            except OSError:
                continue
            if limited:
                return folder
    return None


@pytest.fixture
def task_group() -> Iterator[Path]:
    """A control group of the test's own, empty again at the end."""
    parent = _task_groups()
    assert parent is not None
    group = parent / f"pyffipar-{os.getpid()}"
    group.mkdir()
    yield group
    group.rmdir()


@pytest.mark.skipif(_task_groups() is None, reason="control groups that limit tasks cannot be made here (needs root)")
@parallel
def test_a_control_group_that_allows_no_further_thread_does_not_stop_a_call(
    scene: Scene, task_group: Path, executor: str
) -> None:
    told = scene(
        f"""
        from pathlib import Path
        functions()
        group = Path({str(task_group)!r})
        (group / "cgroup.procs").write_text(str(os.getpid()))
        (group / "pids.max").write_text(str(threads_of_this_process()))
        x = np.arange(100_000.0)
        assert function("total", executor, 4)(x) == function("total", "serial")(x)
        alone = len(set(function("who", executor, 4)(np.ones(400)).tolist()))
        (group / "pids.max").write_text("max")
        time.sleep(0.6)  # the pool asks the system again after half a second
        gate = Gate()
        meeting = function("meet", executor, 2)(gate, 2, np.ones(8))
        say(alone, len(set(meeting.tolist())), gate.is_good)
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        """,
        executor,
    )
    assert told.stdout == "1 2 True\n"


# Memory


@every_executor
def test_memory_that_cannot_be_had_is_a_memory_error_and_the_arrays_are_untouched(scene: Scene, executor: str) -> None:
    """Every row is handed over as a contiguous copy: of 1 GiB, where half a GiB is allowed."""
    told = scene(
        """
        import resource
        held_whole = "void held(struct gate *gate, size_t n, const double x[n], double y[n]) split();"
        k = pf.load(functions().path, held_whole + "double total(size_t n, const double x[n]) split();")
        held, total = k.held.options(executor=executor), k.total.options(executor=executor)
        gate = Gate()
        gate.release()
        x = np.broadcast_to(np.float64(1), 1 << 27)
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 29), before[1]))
        try:
            held(gate, x)  # its result, too, cannot be had
        except MemoryError:
            say("MemoryError", gate.entered)
        try:
            total(x)
        except MemoryError:
            say("MemoryError")
        resource.setrlimit(resource.RLIMIT_AS, before)
        small = np.arange(10.0)
        assert (held(gate, small) == small).all()
        """,
        executor,
    )
    assert told.stdout.splitlines() == ["MemoryError 0", "MemoryError"]
