"""The interpreter ends in the middle of work: soon, without a crash, and with the exit code it was to have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

Scene = Callable[..., Any]  # plays a program of its own

EXECUTORS = ("native", "threads", "serial")
every_executor = pytest.mark.parametrize("executor", EXECUTORS)

# What is going on at the end, by name. Each leaves work behind that would take for ever, or long.
WORK = {
    "futures": """
gate = Gate()
futures = [function("slow", executor, 2).submit(gate, np.ones(10**6)) for _ in range(3)]
gate.wait(10)
""",
    "a daemon thread": """
gate = Gate()
threading.Thread(target=function("slow", executor, 2), args=(gate, np.ones(10**6)), daemon=True).start()
gate.wait(10)
""",
    "a chunk that never ends": """
gate = Gate()
future = function("held", executor, 2).submit(gate, np.ones(8))
gate.wait(1)
""",
    "callbacks": """
begun = threading.Event()
def callback(value):
    begun.set()
    return value
future = function("apply", executor, 2).submit(callback, np.ones(10**7))
begun.wait()
""",
    # Longer than anybody waits: then Python ends the threads that come back to it, in the middle of foreign code.
    "callbacks without an end": """
begun = threading.Event()
def callback(value):
    begun.set()
    return value
declaration = "void apply(double (*f)(double), size_t n, const double x[n], double y[n]) chunk(min = 20000000);"
apply = pf.load(functions().path, declaration).apply.options(executor=executor, threads=2)
future = apply.submit(callback, np.ones(4 * 10**7))
begun.wait()
""",
    "a callback that never ends": """
begun, for_ever = threading.Event(), threading.Event()
def callback(value):
    begun.set()
    for_ever.wait()
    return value
future = function("apply", executor, 2).submit(callback, np.ones(10**7))
begun.wait()
""",
    "a progress bar": """
gate = Gate()
future = function("slow", executor, 2, progress=True).submit(gate, np.ones(10**6))
gate.wait(10)
""",
    "idle workers": """
gate = Gate()
function("slow", executor, 2)(gate, np.ones(50))
""",
    "a prepared call in a future": """
import asyncio
gate = Gate()
again = function("slow", executor, 2).prepare(gate, np.ones(10**6))
threading.Thread(target=again, daemon=True).start()
gate.wait(10)
""",
}
ENDS = {"sys.exit": ("sys.exit(7)", 7), "the last line": ("", 0), "an exception": ("raise LookupError('the end')", 1)}


# Every work with every executor, the ways to end taking turns; all combinations are drawn from below.
CASES = [
    (executor, work, sorted(ENDS)[(number + place) % len(ENDS)])
    for place, executor in enumerate(EXECUTORS)
    for number, work in enumerate(sorted(WORK))
]


@pytest.mark.parametrize(("executor", "work", "end"), CASES)
def test_the_interpreter_ends_soon_and_keeps_its_exit_code(scene: Scene, executor: str, work: str, end: str) -> None:
    """A call that were waited for would take a quarter of an hour, or for ever: the limit is far from both."""
    line, code = ENDS[end]
    told = scene(f"{WORK[work]}\nsay('ending')\n{line}\n", executor, expect=code, limit=60)
    assert told.stdout == "ending\n"
    assert "Fatal" not in told.stderr
    assert ("the end" in told.stderr) == (end == "an exception")


@every_executor
def test_a_future_is_told_that_the_interpreter_ended_its_call(scene: Scene, executor: str) -> None:
    told = scene(
        """
        import atexit
        from concurrent.futures import CancelledError
        from pyffipar import watching
        gate = Gate()
        def last():  # registered before pyffipar's own hook would be first; so it is called by that order reversed
            try:
                future.result(timeout=LIMIT)
            except CancelledError:
                say("cancelled", gate.entered == gate.left)
        atexit.unregister(watching._leave)
        atexit.register(last)
        atexit.register(watching._leave)
        future = function("slow", executor, 2).submit(gate, np.ones(10**6))
        gate.wait(10)
        """,
        executor,
    )
    assert told.stdout == "cancelled True\n"


@every_executor
def test_no_call_is_begun_when_the_interpreter_is_ending(scene: Scene, executor: str) -> None:
    told = scene(
        """
        import atexit
        from pyffipar import watching
        def last():
            try:
                function("total", executor)(np.ones(100))
            except RuntimeError as error:
                say(error)
        atexit.unregister(watching._leave)
        atexit.register(last)
        atexit.register(watching._leave)
        function("total", executor)(np.ones(100))
        """,
        executor,
    )
    assert told.stdout == "total: the interpreter is ending, so no call is started\n"


@every_executor
def test_os_exit_and_a_deadly_signal_end_a_process_at_work(scene: Scene, executor: str) -> None:
    scene(WORK["a chunk that never ends"] + "os._exit(9)", executor, expect=9)
    scene(WORK["futures"] + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", executor, expect=-15)


def _many(scene: Scene, repetitions: int) -> None:
    """Ends of all kinds, one on each CPU at a time. ``PYFFIPAR_SOAK=20`` makes a thousand: for what happens rarely."""
    import random
    from concurrent.futures import ThreadPoolExecutor

    draw = random.Random(1)
    cases = [(draw.choice(EXECUTORS), draw.choice(sorted(WORK)), draw.choice(sorted(ENDS))) for _ in range(repetitions)]

    def one(case: tuple[str, str, str]) -> None:
        executor, work, end = case
        line, code = ENDS[end]
        told = scene(f"{WORK[work]}\n{line}\n", executor, expect=None, limit=100)
        assert told.returncode == code, (case, told.stderr)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(one, cases))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_more_ends_at_random(scene: Scene) -> None:
    _many(scene, 50 * int(os.environ.get("PYFFIPAR_SOAK", "1")))
