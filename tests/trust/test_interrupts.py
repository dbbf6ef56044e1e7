"""Ctrl-C during a call: it comes within the running chunks, and nobody is in the arrays any more when it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Scene = Callable[..., Any]  # plays a program of its own

parallel = pytest.mark.parametrize("executor", ["native", "threads"])
every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])

# Runs something when both threads of a call are inside, or when the main thread is at some line.
_HELPERS = """
def when(condition, action):
    def watch():
        wait_until(condition, "it is time")
        action()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread

def press():
    os.kill(os.getpid(), signal.SIGINT)

def main_thread_is_in(*names):
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False
"""


@every_executor
def test_ctrl_c_ends_a_long_call_within_the_running_chunks(scene: Scene, executor: str) -> None:
    """20 000 chunks of a millisecond: of those hardly more than a slice's may run after the signal."""
    told = scene(
        _HELPERS
        + """
gate = Gate()
x = np.arange(20000.0)
y = np.full(20000, -1.0)
at = []
def note():
    at.append(gate.entered)
    press()
when(lambda: gate.entered >= threads + 20, note)
try:
    function("slow", executor, threads)(gate, x, out=y)
    say("was not interrupted")
except KeyboardInterrupt:
    assert gate.entered == gate.left, "somebody is in the arrays"
    entered = gate.entered
    y[:] = -2.0
    x = None
    gc.collect()
    time.sleep(0.05)  # for the mistake to show, if there is one
    assert gate.entered == entered, "chunks are begun after the end"
    assert (y == -2).all(), "somebody writes after the end"
    # 100 ms are 200 chunks of two threads; the machine may be ten times slower in between
    assert entered - at[0] < 2000, (entered, at)
    z = np.arange(100.0)
    assert (function("slow", executor, threads)(gate, z) == z).all()
    say("interrupted")
""",
        executor,
    )
    assert told.stdout == "interrupted\n"


@parallel
def test_ctrl_c_waits_for_workers_that_are_still_inside(scene: Scene, executor: str) -> None:
    """A worker is held; the interrupt may come out of the call only once it is let go. Pressed thrice."""
    told = scene(
        _HELPERS
        + """
gate = Gate()
x, y = np.arange(5000.0), np.full(5000, -1.0)
steps = []

def first():
    # The main thread goes through chunks alone; the worker is inside until it is released.
    press()
    wait_until(lambda: main_thread_is_in("_drain", "leave"), "the main thread drains")
    steps.append("draining")
    for _ in range(3):
        press()
        time.sleep(0.02)
    assert main_thread_is_in("_drain", "leave"), "it left the worker behind"
    assert gate.entered == gate.left + 1
    steps.append("released")
    gate.release()

when(lambda: gate.entered >= gate.left + 2 and gate.left >= 20, first)
try:
    try:
        function("held_elsewhere", executor, 2)(gate, x, out=y)
    finally:
        inside = gate.entered - gate.left
        steps.append("out")
except KeyboardInterrupt:
    try:
        say(*steps, inside)
    except KeyboardInterrupt:  # the second press may be delivered behind the first
        say(*steps, inside)
y[:] = -2.0
assert gate.entered < 5000
gate.release()
assert (function("held_elsewhere", executor, 2)(gate, np.ones(10)) == 1).all()
assert (y == -2).all()
""",
        executor,
    )
    assert told.stdout == "draining released out 0\n"


@parallel
def test_a_handler_that_raises_something_else_does_not_end_the_waiting_either(scene: Scene, executor: str) -> None:
    told = scene(
        _HELPERS
        + """
gate = Gate()
class Alarm(Exception): pass
def alarm(number, frame):
    raise Alarm
signal.signal(signal.SIGALRM, alarm)

def ring():
    os.kill(os.getpid(), signal.SIGALRM)
    wait_until(lambda: main_thread_is_in("_drain", "leave"), "the main thread drains")
    os.kill(os.getpid(), signal.SIGALRM)
    time.sleep(0.02)
    gate.release()

when(lambda: gate.entered >= gate.left + 2 and gate.left >= 20, ring)
try:
    function("held_elsewhere", executor, 2)(gate, np.arange(5000.0))
except Alarm:
    say("alarm", gate.entered - gate.left)
assert signal.getsignal(signal.SIGALRM) is alarm
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
""",
        executor,
    )
    assert told.stdout == "alarm 0\n"


@every_executor
def test_a_handler_that_does_not_raise_does_not_disturb_the_call(scene: Scene, executor: str) -> None:
    told = scene(
        _HELPERS
        + """
gate = Gate()
seen = []
signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
when(lambda: gate.entered >= 20, press)
x = np.arange(500.0)
assert (function("slow", executor, threads)(gate, x) == x).all()
wait_until(lambda: seen, "the handler has run")
say(gate.entered, len(seen))
""",
        executor,
    )
    assert told.stdout == "500 1\n"


@parallel
def test_interrupts_at_any_moment_leave_nobody_in_the_arrays(scene: Scene, executor: str) -> None:
    """Forty calls, each interrupted by two signals somewhere."""
    told = scene(
        _HELPERS
        + """
import random
random.seed(1)
gate = Gate()
f = function("slow", executor, 2)
x, y = np.arange(200.0), np.zeros(200)
go, stop = threading.Semaphore(0), []

def pest():
    while True:
        go.acquire()
        if stop:
            return
        time.sleep(random.uniform(0, 0.02))
        press()
        time.sleep(random.uniform(0, 0.002))
        press()
        sent.set()

sent = threading.Event()
threading.Thread(target=pest, daemon=True).start()
interrupted = 0
for _ in range(40):
    sent.clear()
    inside = None
    try:
        try:
            go.release()
            f(gate, x, out=y)
        finally:
            inside = gate.entered - gate.left
            y[:] = -1.0
            entered = gate.entered
            while not sent.is_set():
                time.sleep(0.001)
    except KeyboardInterrupt:
        interrupted += 1
    for _ in range(3):
        try:
            sent.wait()
            break
        except KeyboardInterrupt:
            pass
    if inside is not None:
        assert inside == 0, inside
        assert (y == -1).all() or gate.entered == entered
signal.signal(signal.SIGINT, signal.SIG_IGN)
stop.append(1)
go.release()
say("interrupted" if interrupted > 20 else interrupted)
""",
        executor,
    )
    assert told.stdout == "interrupted\n"
