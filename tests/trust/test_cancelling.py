"""Ending a call early from outside, by time, by its future or by asyncio; and being told how far it has got."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import threading
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])
MANY = 20_000  # chunks of a millisecond: no test waits for all of them


def assert_nobody_is_inside(gate: Any, y: Any) -> None:
    """Now or later: whoever were still to write would be seen."""
    assert gate.entered == gate.left
    y[...] = -2.0
    assert gate.entered < MANY
    assert (y == -2).all()


@every_executor
def test_a_timeout_says_how_far_the_call_got_and_leaves_nobody_inside(stage: Any, gate: Any, executor: str) -> None:
    x, y = np.arange(float(MANY)), np.zeros(MANY)
    with pytest.raises(TimeoutError) as caught:
        stage.function("slow", executor, timeout=0.1)(gate, x, out=y)
    match = re.fullmatch(rf"slow: not done after 0.1 s; (\d+) of {MANY} calls were made", str(caught.value))
    assert match
    assert 0 < int(match[1]) <= gate.left < MANY
    assert_nobody_is_inside(gate, y)


@every_executor
def test_a_timeout_waits_for_the_chunks_that_run(stage: Any, gate: Any, executor: str) -> None:
    """The first is held until long after the time is over."""
    x, y = np.ones(64), np.zeros(64)
    threading.Timer(0.2, gate.release).start()
    with pytest.raises(TimeoutError):
        stage.function("held", executor, threads=1, timeout=0.01)(gate, x, out=y)
    assert gate.counters[2], "it did not wait"
    assert_nobody_is_inside(gate, y)


@every_executor
def test_no_time_at_all_ends_a_call_with_more_than_one_chunk(stage: Any, gate: Any, executor: str) -> None:
    with pytest.raises(TimeoutError):
        stage.function("slow", executor, timeout=0)(gate, np.ones(1000))
    assert gate.entered < 1000


@every_executor
def test_a_timeout_that_is_long_enough_changes_nothing(stage: Any, gate: Any, executor: str) -> None:
    x = np.arange(50.0)
    np.testing.assert_array_equal(stage.function("slow", executor, timeout=60)(gate, x), x)


@every_executor
def test_cancelling_a_future_ends_the_running_call(stage: Any, gate: Any, executor: str) -> None:
    x, y = np.arange(float(MANY)), np.zeros(MANY)
    future = stage.function("slow", executor).submit(gate, x, out=y)
    gate.wait(10)
    assert not future.done()
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    assert future.cancelled()
    assert future.done()
    assert not future.cancel()
    assert_nobody_is_inside(gate, y)


@every_executor
def test_a_million_dear_calls_end_between_any_two_of_them(stage: Any, gate: Any, executor: str) -> None:
    """They are handed out many at once, but nobody makes thousands of them after the end."""
    future = stage.function("slow", executor).submit(gate, np.ones(10**6))
    gate.wait(10)
    before = gate.entered
    future.cancel()
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    assert gate.entered == gate.left < before + 4000


@every_executor
def test_a_cancelled_future_is_not_done_before_the_last_chunk_has_left(stage: Any, gate: Any, executor: str) -> None:
    future = stage.function("held", executor).submit(gate, np.ones(64))
    gate.wait(1)
    future.cancel()
    with pytest.raises(concurrent.futures.TimeoutError):
        future.exception(timeout=0.2)
    assert not future.done()
    gate.release()
    with pytest.raises(CancelledError):
        future.result(timeout=60)
    assert gate.entered == gate.left


@every_executor
def test_a_call_cancelled_before_it_begins_makes_no_call(stage: Any, gate: Any, executor: str) -> None:
    slow = stage.function("slow", executor)
    again = slow._prepared(slow._plan((gate, np.ones(MANY)), {}), slow._options())
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        again.until(stop)
    assert gate.entered == 0


@every_executor
def test_a_future_that_has_ended_cannot_be_cancelled(stage: Any, executor: str) -> None:
    future = stage.function("total", executor).submit(np.ones(1000))
    assert future.result(timeout=60) == 1000
    assert not future.cancel()
    assert future.result() == 1000


@every_executor
def test_a_future_is_awaited(stage: Any, executor: str) -> None:
    async def main() -> list[Any]:
        total = stage.function("total", executor)
        return await asyncio.gather(*(total.submit(np.full(1000, value)) for value in (1.0, 2.0, 3.0)))

    async def one() -> Any:
        return await stage.function("total", executor).submit(np.ones(10))

    assert asyncio.run(main()) == [1000, 2000, 3000]
    assert asyncio.run(one()) == 10


@every_executor
def test_asyncio_stays_awake_and_can_cancel_a_call(stage: Any, gate: Any, executor: str) -> None:
    y = np.zeros(MANY)

    async def main() -> bool:
        async def call() -> None:
            await stage.function("slow", executor).submit(gate, np.ones(MANY), out=y)

        task = asyncio.create_task(call())
        while gate.entered < 10:
            await asyncio.sleep(0.001)  # the loop turns while the call runs
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(main())
    # asyncio does not wait for the call itself: it ends within the running chunks
    stage.wait_until(lambda: not background_threads(), "the call has ended")
    assert_nobody_is_inside(gate, y)


def background_threads() -> list[threading.Thread]:
    """Those of submitted calls."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("pyffipar")]


# Progress


@every_executor
def test_progress_goes_up_from_nothing_to_all(stage: Any, gate: Any, executor: str) -> None:
    seen: list[tuple[int, int]] = []
    slow = stage.function("slow", executor, progress=lambda done, total: seen.append((done, total)))
    slow(gate, np.ones(200))
    done = [entry[0] for entry in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 200)
    assert {entry[1] for entry in seen} == {200}
    assert len(set(done)) > 2, "nothing in between"


@every_executor
def test_what_progress_raises_ends_the_call(stage: Any, gate: Any, executor: str) -> None:
    def enough(done: int, total: int) -> None:
        if done:
            raise InterruptedError("seen enough")

    y = np.zeros(MANY)
    with pytest.raises(InterruptedError, match="seen enough"):
        stage.function("slow", executor, progress=enough)(gate, np.ones(MANY), out=y)
    assert_nobody_is_inside(gate, y)


@every_executor
def test_progress_true_draws_a_bar(stage: Any, gate: Any, executor: str, capsys: pytest.CaptureFixture[str]) -> None:
    stage.function("slow", executor, progress=True)(gate, np.ones(150))
    bar = capsys.readouterr().err
    assert "slow: " in bar
    assert "100%" in bar
    assert "150/150" in bar


def test_the_bar_is_closed_when_the_call_fails(stage: Any, gate: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pf.ChunkError):
        stage.function("fail", progress=True)(gate, np.ones(50, np.intc))
    assert capsys.readouterr().err.endswith("\n"), "a closed bar ends its line"
