"""Many calls at once, from many threads and inside each other: right results, no deadlock, no threads too many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.threadpools import in_call

Scene = Callable[..., Any]  # plays a program of its own

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])
CALLERS = 32


def all_at_once(work: Callable[[int], None]) -> None:
    """Run it in many threads that begin together; what one raises is raised."""
    begin = threading.Barrier(CALLERS, timeout=60)

    def one(number: int) -> None:
        begin.wait()
        work(number)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(one, range(CALLERS), timeout=120))


@every_executor
def test_many_threads_call_on_arrays_of_their_own_and_on_shared_ones(stage: Any, executor: str) -> None:
    threads = 3
    total, histogram, apply = (stage.function(name, executor, threads) for name in ("total", "histogram", "apply"))
    random = np.random.default_rng(1)
    shared = random.standard_normal(30_000)
    bins = random.integers(0, 9, 30_000, np.intc)
    expected, counts = total(shared), histogram(bins, bins=9)
    out = np.zeros((CALLERS, 500))

    def work(number: int) -> None:
        own = np.full(20_000, float(number))
        for _ in range(5):
            assert total(own) == 20_000 * number
            assert total(shared) == expected
            np.testing.assert_array_equal(histogram(bins, bins=9), counts)
        apply(lambda x: x + number, np.arange(500.0), out=out[number])

    all_at_once(work)
    np.testing.assert_array_equal(out, np.arange(500.0) + np.arange(CALLERS)[:, None])


@every_executor
def test_threads_that_make_one_prepared_call_take_turns(stage: Any, executor: str) -> None:
    """Its private copies are one set: a second caller must not clear them under the first."""
    values = np.random.default_rng(2).integers(0, 7, 100_000, np.intc)
    counts = np.bincount(values, minlength=7)
    again = stage.function("histogram", executor).prepare(values, bins=7)
    seen: list[Any] = []

    def work(number: int) -> None:
        seen.extend(again().copy() for _ in range(3))

    all_at_once(work)
    # the result is one array as well, so only its final state is sure while others write
    np.testing.assert_array_equal(again(), counts)
    assert len(seen) == 3 * CALLERS


@every_executor
def test_a_prepared_call_is_not_begun_while_another_thread_makes_it(stage: Any, gate: Any, executor: str) -> None:
    again = stage.function("held", executor).prepare(gate, np.ones(1))
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(again) for _ in range(3)]
        gate.wait(1)
        time.sleep(0.1)  # enough for the others to be inside, if nothing kept them out
        inside = gate.entered
        gate.release()
        assert [result.result(timeout=60).tolist() for result in results] == [[1.0]] * 3
    assert inside == 1
    assert gate.entered == 3


def test_no_more_workers_than_agreed_whoever_calls(stage: Any, scene: Scene) -> None:
    told = scene(
        """
        from pyffipar import _native
        library = _native.library()
        most = []
        def call(number):
            f = function("slow", "native", 3)
            for _ in range(3):
                f(Gate(), np.ones(20))
                most.append(library.pyffipar_worker_count())
        callers = [threading.Thread(target=call, args=(number,)) for number in range(32)]
        for caller in callers: caller.start()
        for caller in callers: caller.join()
        say(max(most) <= 2, max(most) >= 1)
        """,
        PYFFIPAR_NUM_THREADS="3",
    )
    assert told.stdout == "True True\n"


# Inside each other


@every_executor
@pytest.mark.parametrize("inner", ["native", "threads", "serial"])
def test_a_call_inside_a_callback_gives_the_right_result_on_the_same_thread(
    stage: Any, gate: Any, executor: str, inner: str
) -> None:
    """Two threads are inside the outer call at the same time, and each makes an inner one."""
    who, total = stage.function("who", inner, 4), stage.function("total", inner, 4)
    parties = stage.thread_count(executor)
    others: set[int] = set()

    def callback(x: float) -> float:
        own = threading.get_native_id()
        others.update(set(who(np.zeros(20)).tolist()) - {own})
        return float(total(np.full(10_000, x)))

    x = np.arange(8.0)
    result = stage.function("apply_together", executor, parties)(gate, parties, callback, x)
    np.testing.assert_array_equal(result, 10_000 * x)
    assert not others, "an inner call has left its thread"
    assert gate.is_good


@every_executor
def test_three_levels_deep(stage: Any, executor: str) -> None:
    apply, total = stage.function("apply", executor, 3), stage.function("total", executor, 3)

    def middle(x: float) -> float:
        return float(apply(lambda y: float(total(np.full(10, y))) + x, np.arange(5.0)).sum())

    expected = [10 * (0 + 1 + 2 + 3 + 4) + 5 * x for x in range(64)]
    assert apply(middle, np.arange(64.0)).tolist() == expected


@every_executor
def test_every_thread_may_nest_at_once(stage: Any, executor: str) -> None:
    apply, total = stage.function("apply", executor, 3), stage.function("total", executor, 3)

    def work(number: int) -> None:
        x = np.arange(20.0)
        result = apply(lambda value: float(total(np.full(1000, value + number))), x)
        np.testing.assert_array_equal(result, 1000 * (x + number))

    all_at_once(work)


@every_executor
def test_an_error_inside_comes_out_through_both_calls(stage: Any, gate: Any, executor: str) -> None:
    fail = stage.function("fail", executor)

    def callback(x: float) -> float:
        fail(gate, np.array([0, 0, 5], np.intc))
        return x

    with pytest.raises(pf.ChunkError, match=r"^fail on n = 2 … 3 returned 105"):
        stage.function("apply", executor)(callback, np.ones(100))


@every_executor
def test_a_prepared_call_that_is_made_inside_itself_is_refused_instead_of_waiting_for_ever(
    stage: Any, gate: Any, executor: str
) -> None:
    parties = stage.thread_count(executor)
    made: list[Any] = []

    def callback(x: float) -> float:
        return float(made[0]()[0])

    made.append(stage.function("apply_together", executor, parties).prepare(gate, parties, callback, np.ones(2)))
    with pytest.raises(RuntimeError, match="apply_together: this prepared call is being made; it cannot be made again"):
        made[0]()
    assert gate.is_good


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_callbacks_hold_the_gil_one_at_a_time(stage: Any, gate: Any, executor: str) -> None:
    """Of two threads at once each adds up in steps that are lost if they run at the same time."""
    counter = 0

    def callback(x: float) -> float:
        nonlocal counter
        for _ in range(100):
            before = counter
            counter = before + 1
        return x

    held = threading.Lock()

    def guarded(x: float) -> float:
        with held:
            return callback(x)

    stage.function("apply_together", executor)(gate, 2, guarded, np.ones(8))
    assert counter == 8 * 100
    assert gate.is_good


def test_a_worker_is_known_to_python_while_it_is_in_a_callback(stage: Any, gate: Any) -> None:
    """Thread-local state of Python works there, and belongs to that thread."""
    local = threading.local()
    seen: set[int] = set()

    def callback(x: float) -> float:
        assert getattr(local, "owner", threading.get_ident()) == threading.get_ident()
        local.owner = threading.get_ident()
        seen.add(local.owner)
        return x

    stage.function("apply_together", "native")(gate, 2, callback, np.ones(8))
    assert len(seen) == 2
    assert not in_call()
