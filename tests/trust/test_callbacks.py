"""Python functions that C calls: what they raise comes out of the call, from whatever thread, and Ctrl-C too."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyffipar.errors import ChunkError

Scene = Callable[..., Any]  # plays a program of its own

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])


def raising_at(place: float, error: BaseException) -> Any:
    def callback(x: float) -> float:
        if x == place:
            raise error
        return 2 * x

    return callback


@every_executor
@pytest.mark.parametrize("error", [ValueError("not this one"), KeyboardInterrupt(), SystemExit(3)])
def test_what_a_callback_raises_comes_out_of_the_call(stage: Any, executor: str, error: BaseException) -> None:
    apply = stage.function("apply", executor)
    x = np.arange(5000.0)
    y = np.full(5000, -1.0)
    with pytest.raises(type(error)) as caught:
        apply(raising_at(1234, error), x, out=y)
    assert caught.value is error
    np.testing.assert_array_equal(apply(lambda value: 2 * value, x), 2 * x)


@every_executor
def test_after_it_raised_a_callback_is_not_called_again(stage: Any, executor: str) -> None:
    seen: list[float] = []

    def callback(x: float) -> float:
        seen.append(x)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        stage.function("apply", executor, threads=1)(callback, np.arange(5000.0))
    assert seen == [0.0]


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_callbacks_that_fail_in_several_threads_are_all_told_of(stage: Any, gate: Any, executor: str) -> None:
    both = threading.Barrier(2, timeout=60)

    def callback(x: float) -> float:
        both.wait()
        raise ValueError(f"at {x}")

    with pytest.raises(ValueError, match=r"^at [01]\.0") as caught:
        stage.function("apply_together", executor)(gate, 2, callback, np.arange(2.0))
    if sys.version_info >= (3, 11):
        (note,) = caught.value.__notes__
    else:
        note = repr(caught.value.__context__)
    (other,) = {"at 0.0", "at 1.0"} - {str(caught.value)}
    assert f"ValueError('{other}')" in note


@every_executor
def test_the_callbacks_exception_goes_before_the_status_that_it_led_to(stage: Any, executor: str) -> None:
    """The function got a zero in its place and called that an error."""
    check = stage.function("apply_checked", executor)
    with pytest.raises(LookupError, match="nobody there"):
        check(raising_at(1234, LookupError("nobody there")), np.arange(1.0, 5000.0))
    with pytest.raises(ChunkError, match=r"returned 1$"):
        check(lambda _: 0.0, np.ones(100))


@every_executor
def test_what_a_callback_returns_must_be_a_number(stage: Any, executor: str) -> None:
    with pytest.raises((TypeError, ValueError), match="str"):
        stage.function("apply", executor)(lambda _: "seven", np.ones(10))


@every_executor
def test_a_prepared_call_starts_afresh_after_its_callback_raised(stage: Any, executor: str) -> None:
    fails = [True]

    def callback(x: float) -> float:
        if fails and x == 99:
            raise ValueError("this time")
        return x + 1

    x = np.arange(100.0)
    again = stage.function("apply", executor).prepare(callback, x)
    for _ in range(3):
        with pytest.raises(ValueError, match="this time"):
            again()
    fails.clear()
    np.testing.assert_array_equal(again(), x + 1)


@every_executor
def test_what_a_callback_raised_in_a_call_that_ended_otherwise_does_not_come_up_in_the_next(
    stage: Any, executor: str
) -> None:
    fails = [True]

    def callback(x: float) -> float:
        if fails:
            raise ValueError("in the first call")
        return x + 1

    def progress(done: int, total: int) -> None:
        if fails and done:
            raise InterruptedError("this ends the call")

    x = np.arange(100.0)
    again = stage.function("apply", executor, progress=progress).prepare(callback, x)
    with pytest.raises(InterruptedError):
        again()
    fails.clear()
    np.testing.assert_array_equal(again(), x + 1)


@every_executor
def test_ctrl_c_on_the_way_into_a_callback_is_not_lost(scene: Scene, executor: str) -> None:
    """The signal comes while C runs in the main thread; Python sees it at the first step of the next callback."""
    told = scene(
        """
        def callback(x):
            if x == 1000:
                os.kill(os.getpid(), signal.SIGINT)
            return x
        calls = 0
        for _ in range(20):
            try:
                function("apply", executor, threads=1)(callback, np.arange(3000.0))
            except KeyboardInterrupt:
                calls += 1
        say(calls)

        # From another thread, so that it arrives anywhere; it is raised or the result is right.
        import random
        random.seed(1)
        x = np.arange(1.0, 1000.0)
        go, sent = threading.Semaphore(0), threading.Event()
        def pester():
            while True:
                go.acquire()
                time.sleep(random.uniform(0, 0.003))
                os.kill(os.getpid(), signal.SIGINT)
                sent.set()
        threading.Thread(target=pester, daemon=True).start()
        def call_while_pestered():
            sent.clear()
            go.release()
            while not sent.is_set():
                y = f(lambda value: value, x)
                assert (y == x).all(), "a lost interrupt left a zero"
        f = function("apply", executor, threads=1)
        rounds = raised = 0
        while rounds < 100:
            try:
                while rounds < 100:
                    rounds += 1
                    call_while_pestered()
            except KeyboardInterrupt:
                raised += 1
        say("raised" if raised > 90 else raised)
        """,
        executor,
    )
    assert told.stdout.split("\n")[:2] == ["20", "raised"]
    assert "ignored" not in told.stderr


@every_executor
def test_ctrl_c_inside_a_long_callback_ends_it_at_once(scene: Scene, executor: str) -> None:
    told = scene(
        """
        inside = threading.Event()
        def callback(x):
            inside.set()
            while True:  # for ever, unless it is interrupted
                time.sleep(0.01)
        def interrupt():
            inside.wait()
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            function("apply", executor, threads=1)(callback, np.ones(3))
        except KeyboardInterrupt:
            say("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """,
        executor,
    )
    assert told.stdout == "interrupted True\n"


@every_executor
def test_a_programs_own_signal_handler_runs_inside_callbacks(scene: Scene, executor: str) -> None:
    """One that does not raise; the call goes on."""
    told = scene(
        """
        seen = []
        signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
        def callback(x):
            if x == 500:
                os.kill(os.getpid(), signal.SIGUSR1)
                while not seen:
                    time.sleep(0.001)
            return x
        x = np.arange(1000.0)
        assert (function("apply", executor, threads=1)(callback, x) == x).all()
        assert signal.getsignal(signal.SIGUSR1).__name__ == "<lambda>"
        say(len(seen))
        """,
        executor,
    )
    assert told.stdout == "1\n"
