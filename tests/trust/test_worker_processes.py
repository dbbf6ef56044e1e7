"""Worker processes: what a function does to its own process becomes an error; nothing outlives the parent."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.errors import ChunkError

ENDS = {
    1: "was killed by SIGSEGV",
    2: "was killed by SIGABRT",
    3: "ended with exit code 3",
    4: "was killed by SIGKILL",
    5: "ended with exit code 0",
    6: "was killed by SIGTERM",
    7: "ended with exit code 0",  # it has closed its connection, and goes home
}


@pytest.mark.parametrize("what", ENDS)
def test_a_worker_that_ends_is_an_error_with_reason_and_range_and_everything_else_lives_on(
    stage: Any, what: int
) -> None:
    items = np.zeros(1000, np.intc)
    items[500] = what
    before, y = items.copy(), np.full(1000, -1.0)
    with pytest.raises(ChunkError) as caught:
        stage.apart("trip")(items, out=y)
    (failure,) = caught.value.failures
    assert failure.start <= 500 < failure.stop
    assert str(caught.value) == (
        f"trip on n = {failure.start} … {failure.stop} failed: its worker process {ENDS[what]}"
    )
    np.testing.assert_array_equal(items, before)
    assert (y[failure.start : failure.stop] == -1).all(), "half-written results of the piece that failed"
    items[:] = 0
    spans = stage.apart("trip")._plan((items,), {}).grid
    expected = np.concatenate([np.arange(b - a) for a, b in map(spans.span, range(spans.chunks))])
    np.testing.assert_array_equal(stage.apart("trip")(items), expected)


def test_a_crash_among_lifted_items_names_those_it_was_one_of(stage: Any) -> None:
    x = np.arange(3000.0).reshape(3, 1000)
    x[x == 77] = 0
    x[2, 500] = 77
    with pytest.raises(
        ChunkError, match=r"^trip_one somewhere from \(2, \d+\) to \(2, \d+\) failed: its worker"
    ) as caught:
        stage.apart("trip_one")(x)
    assert "SIGABRT" in str(caught.value)
    with pytest.raises(ChunkError, match=r"^trip_one failed: its worker process was killed by SIGABRT$"):
        stage.apart("trip_one")(77.0)


def test_thirty_crashes_in_a_row_are_thirty_errors(stage: Any) -> None:
    items = np.zeros(40, np.intc)
    for turn in range(30):
        items[:] = 0
        items[turn % 40] = 2
        with pytest.raises(ChunkError, match="SIGABRT"):
            stage.apart("trip")(items)
    assert stage.apart("total")(np.ones(5000)) == 5000


def test_the_parent_reads_the_bits_of_all_chunks_that_were_done(stage: Any) -> None:
    """Results are written piece by whole piece: what the crash left out holds what it held."""
    items = np.zeros(1000, np.intc)
    items[-1] = 2
    y = np.full(1000, -1.0)
    with pytest.raises(ChunkError):
        stage.apart("trip", threads=1)(items, out=y)
    plan = stage.apart("trip")._plan((items,), {})
    for chunk in range(plan.grid.chunks):
        first, last = plan.grid.span(chunk)
        assert y[first:last].tolist() in ([-1.0] * (last - first), list(range(last - first)))


# Ending early


def test_a_timeout_ends_a_chunk_that_never_ends(stage: Any) -> None:
    gate, y = pf.shared_empty(1, np.int64), pf.shared_empty(8)
    with pytest.raises(TimeoutError, match=r"^held: not done after 0.2 s; 0 of 8 calls were made$"):
        stage.apart("held", timeout=0.2)(np.ones(8), gate=gate, out=y)
    assert (y == -2).any()
    y[:] = 5.0
    gate[0] = 1
    assert (y == 5.0).all(), "somebody is still in the array"
    assert stage.apart("held", timeout=60)(np.ones(8), gate=gate).tolist() == [1.0] * 8


def test_cancelling_a_future_ends_its_call(stage: Any) -> None:
    y = pf.shared_empty(100_000)
    future = stage.apart("slow").submit(np.ones(100_000), out=y)
    stage.wait_until(y.any, "it has begun")
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    done = y.sum()
    assert done < 100_000
    assert stage.apart("total")(np.ones(5000)) == 5000
    assert y.sum() == done


def test_a_failure_drops_what_has_not_begun(stage: Any) -> None:
    items, y = np.full(100_000, 8, np.intc), pf.shared_empty(100_000)  # a millisecond each, to be sure
    items[0] = 2
    with pytest.raises(ChunkError, match="SIGABRT"):
        stage.apart("trip")(items, out=y)
    assert not y[50_000:].any()


def test_progress_counts_calls_and_never_goes_back(stage: Any) -> None:
    seen: list[tuple[int, int]] = []
    stage.apart("slow", progress=lambda done, total: seen.append((done, total)))(np.ones(200))
    assert seen[0] == (0, 200)
    assert seen[-1] == (200, 200)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({done for done, _ in seen}) > 3


def test_ctrl_c_ends_a_call_and_no_worker(scene: Any) -> None:
    """It reaches all processes of a terminal: workers must not die of it."""
    told = scene("""
        apart("who")(np.ones(50))
        workers = descendants()
        y = pf.shared_empty(100_000)
        def press():
            wait_until(y.any, "it has begun")
            for process in (*workers, os.getpid()):
                os.kill(process, signal.SIGINT)
        threading.Thread(target=press, daemon=True).start()
        try:
            apart("slow")(np.ones(100_000), out=y)
        except KeyboardInterrupt:
            done = y.sum()
            assert done < 100_000
            assert apart("total")(np.ones(5000)) == 5000
            assert y.sum() == done
            assert all(map(is_alive, workers))
            say("interrupted")
    """)
    assert told.stdout == "interrupted\n"
    assert told.stderr == ""


# The end of the parent


WORK = """
gate, y = pf.shared_empty(1, np.int64), pf.shared_empty(8)
future = apart("held").submit(np.ones(8), gate=gate, out=y)
wait_until(lambda: (y == -2).sum() == 2, "two workers are inside for ever")
file = os.open("pids", os.O_WRONLY | os.O_CREAT)
os.write(file, " ".join(map(str, descendants())).encode())
"""


def pids_gone(stage: Any, folder: Any) -> None:
    processes = [int(number) for number in (folder / "pids").read_text().split()]
    assert len(processes) >= 2
    stage.wait_until(lambda: not any(map(stage.is_alive, processes)), "all workers have ended")


def in_shared_memory() -> set[str]:
    """What lies there by name; other programs' semaphores come and go."""
    names = os.listdir("/dev/shm")  # noqa: PTH208, S108 - it is looked at
    return {name for name in names if not name.startswith("sem.")}


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("os._exit(4)", 4),
        ("sys.exit(5)", 5),
        ("raise LookupError('the end')", 1),
        ("os.abort()", -6),
    ],
)
def test_workers_end_with_their_parent_whatever_they_do(
    stage: Any, scene: Any, tmp_path: Any, method: str, end: str, status: int
) -> None:
    before = in_shared_memory()
    told = scene(WORK + end, expect=status, PYFFIPAR_START_METHOD=method, PYTHONFAULTHANDLER="")
    pids_gone(stage, tmp_path)
    stage.wait_until(lambda: in_shared_memory() <= before, "nothing is left")
    assert "resource_tracker" not in told.stderr
    assert "Warning" not in told.stderr


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_an_idle_pool_ends_silently_and_leaves_nothing(scene: Any, stage: Any, tmp_path: Any, method: str) -> None:
    told = scene(
        """
        import warnings
        warnings.simplefilter("error")
        assert apart("who")(np.ones(50)).any()
        shared = pf.shared(np.ones(50))
        assert apart("total")(shared) == 50
        from pathlib import Path
        Path("pids").write_text(" ".join(map(str, descendants())))
        assert not any("psm_" in name or "pyffipar" in name for name in os.listdir("/dev/shm"))
        say("done")
        """,
        PYFFIPAR_START_METHOD=method,
        PYTHONWARNINGS="error",
        PYTHONDEVMODE="1",
    )
    assert told.stdout == "done\n"
    assert told.stderr == ""
    pids_gone(stage, tmp_path)


def test_an_idle_pool_does_nothing_at_all(scene: Any) -> None:
    """Not one of its threads is ever woken: none has a timer or looks at anything now and then."""
    told = scene("""
        def switches():
            found = {}
            for process in descendants():
                for task in os.listdir(f"/proc/{process}/task"):
                    lines = open(f"/proc/{process}/task/{task}/status").read().split("\\n")
                    found[task] = [line for line in lines if "ctxt_switches" in line]
            return found
        apart("who")(np.ones(50))
        last = None
        def is_at_rest():
            global last
            before, last = last, switches()
            time.sleep(0.2)
            return before == last
        wait_until(is_at_rest, "nobody has been woken for a while")
        assert len(last) >= 5, "a server, and two workers with two threads each"
        time.sleep(1)
        say(switches() == last)
    """)
    assert told.stdout == "True\n"


# Forks of the parent, programs without a guard


def test_a_forked_child_has_a_pool_of_its_own(scene: Any) -> None:
    told = scene("""
        mine = set(apart("who")(np.ones(100)).tolist())
        child = os.fork()
        if child == 0:
            theirs = set(apart("who")(np.ones(100)).tolist())
            status = 0 if theirs and not theirs & mine and apart("total")(np.ones(5000)) == 5000 else 9
            os._exit(status)
        assert apart("total")(np.ones(5000)) == 5000
        _, status = os.waitpid(child, 0)
        assert set(apart("who")(np.ones(100)).tolist()) == mine
        say(os.waitstatus_to_exitcode(status))
    """)
    assert told.stdout == "0\n"
    assert told.stderr == ""


def test_workers_end_although_a_forked_child_lives_on(scene: Any, stage: Any, tmp_path: Any) -> None:
    scene(
        """
        apart("who")(np.ones(50))
        from pathlib import Path
        Path("pids").write_text(" ".join(map(str, descendants())))
        if os.fork() == 0:
            os.close(1), os.close(2)
            end = time.monotonic() + 30
            while os.path.exists("pids") and time.monotonic() < end:
                time.sleep(0.05)
            os._exit(0)
        os._exit(0)
        """
    )
    pids_gone(stage, tmp_path)
    (tmp_path / "pids").unlink()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_program_without_a_guard_is_run_once(scene: Any, method: str) -> None:
    """`scene` writes the code to a file and runs that: what multiprocessing would import in every worker."""
    told = scene('say("run", apart("total")(np.ones(5000)))', PYFFIPAR_START_METHOD=method)
    assert told.stdout == "run 5000.0\n"


def test_a_foreign_functions_output_is_not_lost(scene: Any) -> None:
    """C keeps back what is printed to a pipe."""
    told = scene(r"""
        source = '#include <stdio.h>\ndouble hello(double x) { printf("hello %g\\n", x); return x; }'
        pf.compile(source, "double hello(double x);").hello.options(executor="processes", threads=1)([1.0, 2.0])
        say("called")
    """)
    assert told.stdout.split("\n") == ["hello 1", "hello 2", "called", ""]


# Several calls at once


def test_calls_of_several_threads_share_the_workers(scene: Any) -> None:
    told = scene("""
        results = {}
        def call(number):
            results[number] = apart("who")(np.ones(60)).tolist()
        threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
        for thread in threads: thread.start()
        for thread in threads: thread.join(60)
        everybody = {process for found in results.values() for process in found}
        say(len(results), len(everybody))
    """)
    assert told.stdout == "6 2\n"


def test_a_long_call_lets_a_short_one_have_a_worker(stage: Any) -> None:
    y = pf.shared_empty(100_000)
    long = stage.apart("slow").submit(np.ones(100_000), out=y)
    stage.wait_until(lambda: np.count_nonzero(y) > 100, "both workers are busy")
    assert stage.apart("total")(np.ones(5000)) == 5000
    assert not long.done()
    assert long.cancel()
    with pytest.raises(CancelledError):
        long.result(timeout=60)


def test_waiting_for_a_worker_ends_with_the_time_limit(scene: Any) -> None:
    told = scene("""
        gate, y = pf.shared_empty(1, np.int64), pf.shared_empty(2)
        held = apart("held", threads=1).submit(np.ones(2), gate=gate, out=y)
        wait_until(lambda: (y == -2).any(), "the only worker there may be is inside")
        others = [apart("held", threads=1).submit(np.ones(2), gate=gate) for _ in range(4)]
        try:
            apart("total", threads=1, timeout=0.3)(np.ones(100))
        except TimeoutError:
            say("late")
        gate[0] = 1
        say(*[future.result(timeout=60).tolist() == [1, 1] for future in (held, *others)])
    """)
    assert told.stdout == "late\nTrue True True True True\n"
