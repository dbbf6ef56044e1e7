"""On a worker: the caller's floating-point state, an errno of its own, a deep stack; and quiet when idle."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

Scene = Callable[..., Any]  # plays a program of its own

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])


@every_executor
def test_rounding_mode_and_flushing_of_the_caller_hold_in_workers(scene: Scene, executor: str) -> None:
    """Also in workers that were started under another state, and they are as before afterwards."""
    told = scene(
        """
        import ctypes
        libm, k = ctypes.CDLL("libm.so.6"), ctypes.CDLL(functions().path)
        nearest = libm.fegetround()
        upward, downward = (0x800, 0x400) if os.uname().machine == "x86_64" else (0x400000, 0x800000)
        def habits():
            gate = Gate()
            rounding, flushes = function("habits", executor, threads)(gate, threads, np.ones(8))
            assert gate.is_good
            return set(rounding.tolist()), set(flushes.tolist())
        for _ in range(3):
            assert habits() == ({nearest}, {0})
            for mode in (upward, downward):
                libm.fesetround(mode)
                found = habits()
                libm.fesetround(nearest)
                assert found == ({mode}, {0}), found
            k.flush_denormals(1)
            found = habits()
            k.flush_denormals(0)
            assert found == ({nearest}, {1}), found
        say("right")
        """,
        executor,
    )
    assert told.stdout == "right\n"


@every_executor
def test_errno_is_that_of_the_call_and_not_of_another(stage: Any, gate: Any, executor: str) -> None:
    """Each of eight calls fails with an errno of its own, in two threads at once."""
    codes = [errno.EPERM, errno.ENOENT, errno.EINTR, errno.EIO, errno.EBADF, errno.ENOMEM, errno.EACCES, errno.EDOM]
    with pytest.raises(pf.ChunkError) as caught:
        stage.function("fail_together", executor)(gate, stage.thread_count(executor), np.array(codes, np.intc))
    for failure in caught.value.failures:
        assert failure.errno == codes[failure.start]


@every_executor
@pytest.mark.parametrize("limit", ["unlimited", "8192", "1024"])
def test_deep_recursion_works_in_every_thread_that_a_call_uses(scene: Scene, executor: str, limit: str) -> None:
    """Six MiB; with ``ulimit -s unlimited`` the system gives threads two, and with 1 MiB one."""
    told = scene(
        f"""
        import subprocess
        if "AGAIN" not in os.environ:  # the limit counts when a program starts
            again = ["bash", "-c", 'ulimit -Ss {limit} && exec "$0" "$@"', sys.executable, *sys.argv]
            sys.exit(subprocess.run(again, env={{**os.environ, "AGAIN": "yes"}}).returncode)
        deep, gate = function("deep", executor, threads), Gate()
        depth = deep.submit(gate, threads, 6000, np.ones(8)).result()
        assert gate.is_good
        if {limit!r} != "1024":  # the main thread's own stack is the system's business
            assert (deep(Gate(), threads, 6000, np.ones(8)) == depth).all()
        assert threading.stack_size() == 0, "the program's own threads are as before"
        say(set(depth.tolist()))
        """,
        executor,
    )
    assert told.stdout == "{6000}\n"


def test_importing_starts_no_thread(scene: Scene) -> None:
    told = scene("say(threads_of_this_process(), threading.active_count())")
    assert told.stdout == "1 1\n"


@every_executor
def test_small_calls_start_no_thread_that_stays(scene: Scene, executor: str) -> None:
    """Of one call there is nothing to share."""
    told = scene(
        """
        for _ in range(100):
            assert function("total", executor, 4)(np.ones(1)) == 1
        say(threads_of_this_process())
        """,
        executor,
    )
    assert told.stdout == "1\n"


def test_an_idle_pool_uses_no_cpu(scene: Scene) -> None:
    """Two seconds of nothing cost workers less than a clock tick or two; spinning would cost them two seconds each."""
    told = scene(
        """
        def used():
            # Of all threads but this one, in clock ticks.
            ticks = 0
            for task in os.listdir("/proc/self/task"):
                if int(task) != threading.get_native_id():
                    fields = open(f"/proc/self/task/{task}/stat").read().rpartition(")")[2].split()
                    ticks += int(fields[11]) + int(fields[12])
            return ticks
        gate = Gate()
        function("meet", "native", 4)(gate, 4, np.ones(8))
        assert gate.is_good
        time.sleep(0.1)
        before, whole = used(), time.process_time()
        time.sleep(2)
        say(threads_of_this_process(), used() - before <= 2, time.process_time() - whole < 0.1)
        """,
    )
    assert told.stdout == "4 True True\n"
