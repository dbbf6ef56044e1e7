#!/usr/bin/env python3
"""Everything that must not go wrong, at random and for as long as wanted: exit status 1 at the first deviation.

    python scripts/soak.py MINUTES [--seed N] [--executor native|threads|serial|processes]

Calls from several threads, callbacks and calls inside them, failures, exceptions of C++, workers that crash, cancelled
futures, timeouts, interrupts, forks, and interpreters that end in the middle of their work. What is done depends on the
seed alone, not so what comes between what.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar.function import Function
from pyffipar.options import EXECUTORS

SOURCE = Path(__file__).with_name("soaking").joinpath("functions.cpp").read_text()
DECLARATIONS = """
    void work(struct counter *inside, int64_t microseconds, size_t n, const double x[n], double y[n]) chunk(max = 50);
    double total(size_t n, const double x[n]) reduction(+);
    void apply(double (*f)(double), size_t n, const double x[n], double y[n]);
    int fail(size_t n, const int x[n]) status(0);
    void trip(size_t n, const int x[n], double y[n]) chunk(max = 50);
    double throwing(double x);
"""
NEEDS_THIS_PROCESS = ("work", "apply")  # for a counter, a Python function
LIMIT = 60.0  # s; what takes longer hangs
ENDING = """
import sys, threading
import numpy as np, pyffipar as pf
x = np.ones(10**6)
path, executor, declarations, callback = sys.argv[1:]
k = pf.load(path, declarations)
begun, inside = threading.Event(), np.zeros(1, np.int64)
def f(value):
    begun.set()
    return value
if callback == "yes":
    future = k.apply.options(executor=executor).submit(f, x)
    begun.wait()
else:
    future = k.work.options(executor=executor).submit(inside.ctypes.data, 1000, x)
    while not inside[0]:
        pass
sys.exit(23)
"""


class Deviation(Exception):  # noqa: N818 - it is no error of this program
    """Something was not as it must be."""


def must(condition: object, what: str) -> None:
    """Complain unless something holds."""
    if not condition:
        raise Deviation(what)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that must happen."""
    end = time.monotonic() + LIMIT
    while not condition():
        must(time.monotonic() < end, f"hangs: {what}")
        time.sleep(0.001)


class Soak:
    """One thread's share of the soak: random numbers and arrays of its own."""

    def __init__(self, seed: int, executors: Sequence[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a game of chance
        self.executors = executors
        self.here = tuple(name for name in executors if name != "processes") or ("native",)
        self.done: collections.Counter[str] = collections.Counter()
        self.library = pf.compile(SOURCE, DECLARATIONS, language="c++")

    def function(self, name: str, **options: Any) -> Function:
        """A function with a random executor and number of threads."""
        found: Function = getattr(self.library, name)
        executor = self.random.choice(self.here if name in NEEDS_THIS_PROCESS else self.executors)
        return found.options(executor=executor, threads=self.random.randint(1, 5), **options)

    def array(self, most: int = 20_000) -> Any:
        """Random values, in a random layout."""
        values = np.random.default_rng(self.random.randrange(2**32)).standard_normal(self.random.randint(0, most))
        layout = self.random.randrange(3)
        if layout == 1:
            return np.repeat(values, 2)[::2]
        return values.astype(">f8") if layout == 2 else values

    def step(self, scenes: Sequence[str]) -> None:
        """Do one thing."""
        name = self.random.choice(scenes)
        getattr(self, name)()
        self.done[name] += 1

    def plain_call(self) -> None:
        """A sum whose bits do not depend on how it is made."""
        x = self.array()
        must(self.function("total")(x) == self.library.total.options(executor="serial")(x), "sums differ")

    def call_in_place(self) -> None:
        """An array of the caller's own, all of it and nothing else."""
        x, inside = self.array(), np.zeros(1, np.int64)
        wide = np.full(len(x) + 2, -7.0)
        self.function("work")(inside.ctypes.data, 0, x, out=wide[1:-1])
        must((wide[1:-1] == x + 1).all() and wide[0] == wide[-1] == -7, "a wrong output")
        must(inside[0] == 0, "somebody is inside")

    def prepared_call(self) -> None:
        """Bound once, made often."""
        x = self.array()
        again = self.function("total").prepare(x)
        expected = self.library.total.options(executor="serial")(x)
        must(all(again() == expected for _ in range(5)), "a prepared call differs")

    def callback_and_nested_call(self) -> None:
        """C calls Python, which calls C."""
        x, inner = self.array(200), self.function("total")
        ones = np.ones(self.random.randint(0, 3000))
        result = self.function("apply")(lambda value: value + float(inner(ones)), x)
        must((result == x + len(ones)).all(), "a nested call differs")

    def failing_call(self) -> None:
        """The error names the place."""
        x = np.zeros(self.random.randint(1, 5000), np.intc)
        place = self.random.randrange(len(x))
        x[place] = 5
        try:
            self.function("fail")(x)
        except pf.ChunkError as error:
            (failure,) = error.failures
            must(failure.start <= place < failure.stop and failure.errno == 5, f"a wrong failure: {error}")
        else:
            raise Deviation("a failure was lost")

    def cpp_exception(self) -> None:
        """Only the pool catches them."""
        x = np.ones(self.random.randint(1, 5000))
        place = self.random.randrange(len(x))
        x[place] = -1
        try:
            self.library.throwing.options(threads=self.random.randint(1, 5))(x)
        except pf.ChunkError as error:
            must(error.failures[0].item == (place,) and "below zero" in str(error), f"a wrong failure: {error}")
        else:
            raise Deviation("an exception was lost")

    def crashing_call(self) -> None:
        """It ends a worker, and nothing else."""
        x = np.zeros(self.random.randint(1, 5000), np.intc)
        place = self.random.randrange(len(x))
        x[place] = 1
        trip = self.library.trip.options(executor="processes", threads=self.random.randint(1, 3))
        try:
            trip(x)
        except pf.ChunkError as error:
            (failure,) = error.failures
            must(failure.start <= place < failure.stop and "SIGABRT" in str(error), f"a wrong failure: {error}")
        else:
            raise Deviation("a crash was lost")
        x[place] = 0
        must((trip(x) == 1).all(), "a wrong result after a crash")

    def raising_callback(self) -> None:
        """What it raises comes out, and is what it raised."""
        x = np.arange(float(self.random.randint(1, 1000)))
        place, error = self.random.randrange(len(x)), LookupError("here")

        def callback(value: float) -> float:
            if value == place:
                raise error
            return value

        try:
            self.function("apply")(callback, x)
        except LookupError as caught:
            must(caught is error, "another exception")
        else:
            raise Deviation("an exception was lost")

    def cancelled_future(self) -> None:
        """Nobody is inside when it is done, and what has ended in time has a right result."""
        x, inside = np.zeros(self.random.randint(1, 20_000)), np.zeros(1, np.int64)
        out = np.zeros_like(x)
        future = self.function("work").submit(inside.ctypes.data, self.random.randint(0, 500), x, out=out)
        time.sleep(self.random.uniform(0, 0.05))
        asked = future.cancel()
        try:
            result = future.result(timeout=LIMIT)
            must(not asked and (result == 1).all(), "a cancelled call had a result")
        except CancelledError:
            must(asked, "cancelled without being asked")
        must(inside[0] == 0, "somebody is inside a cancelled call")
        out[:] = -1
        must((out == -1).all(), "somebody writes after the end")

    def dropped_future(self) -> None:
        """Nobody waits for it; its arrays must live all the same."""
        self.function("total").submit(self.array())

    def timeout(self) -> None:
        """In time with a right result, or late with nobody inside."""
        x, inside = np.zeros(self.random.randint(1, 20_000)), np.zeros(1, np.int64)
        limit = self.random.uniform(0, 0.1)
        try:
            result = self.function("work", timeout=limit)(inside.ctypes.data, self.random.randint(0, 500), x)
            must((result == 1).all(), "a wrong result in time")
        except TimeoutError:
            pass
        must(inside[0] == 0, "somebody is inside after a timeout")

    def fork(self) -> None:
        """While other threads do what they do; the child's first call must work."""
        x = np.arange(1000.0)
        call = self.function("total")
        child = os.fork()
        if child == 0:
            os._exit(0 if call(x) == x.sum() else 1)
        statuses: list[int] = []

        def is_over() -> bool:
            ended, status = os.waitpid(child, os.WNOHANG)
            statuses.extend([status] if ended else [])
            return bool(ended)

        try:
            until(is_over, "a forked child")
        except Deviation:
            os.kill(child, signal.SIGKILL)
            raise
        must(statuses == [0], f"a forked child ended with status {statuses}")

    def ending(self) -> None:
        """An interpreter that ends in the middle of its work."""
        callback = self.random.choice(("yes", "no"))
        command = [sys.executable, "-c", ENDING, self.library.path, self.random.choice(self.here), DECLARATIONS]
        try:
            ended = subprocess.run([*command, callback], capture_output=True, text=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise Deviation(f"an ending interpreter hangs (callback: {callback})") from None
        must(ended.returncode == 23, f"an interpreter ended with {ended.returncode}: {ended.stderr}")

    def interrupt(self) -> None:
        """Ctrl-C at any moment; in the main thread only."""
        x, inside = np.zeros(self.random.randint(1, 20_000)), np.zeros(1, np.int64)
        use_callback = self.random.random() < 0.5
        call, microseconds = self.function("apply" if use_callback else "work"), self.random.randint(0, 300)
        delay = self.random.uniform(0, 0.05)
        sent = threading.Event()

        def press() -> None:
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)
            sent.set()

        results: list[Any] = []
        left: list[int] = []
        try:
            threading.Thread(target=press, daemon=True).start()
            try:
                arguments = (lambda value: value + 1,) if use_callback else (inside.ctypes.data, microseconds)
                results.append(call(*arguments, x))
            finally:
                left.append(int(inside[0]))
            while not sent.is_set():
                time.sleep(0.001)
            time.sleep(LIMIT)  # until it arrives
            raise Deviation("an interrupt was lost")
        except KeyboardInterrupt:
            pass
        must(not left or left[0] == 0, "somebody is inside after an interrupt")
        must(not results or (results[0] == 1).all(), "an interrupt left a wrong result")


ANYWHERE = [
    "plain_call",
    "call_in_place",
    "prepared_call",
    "callback_and_nested_call",
    "failing_call",
    "cpp_exception",
    "crashing_call",
    "raising_callback",
    "cancelled_future",
    "dropped_future",
    "timeout",
]
IN_THE_MAIN_THREAD = [*ANYWHERE, "interrupt", "fork", "ending"]


def main() -> int:
    """Soak; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, help="how long")
    parser.add_argument("--seed", type=int, default=None, help="what is done; drawn and printed if it is not given")
    parser.add_argument("--executor", choices=EXECUTORS, default=None, help="all of them, if none is given")
    parser.add_argument("--threads", type=int, default=3, help="beside the main one (default: 3)")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    executors = (options.executor,) if options.executor else EXECUTORS
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background it is ignored
    print(f"seed {seed}, executors {', '.join(executors)}, {options.minutes:g} minutes", flush=True)
    end = time.monotonic() + 60 * options.minutes
    soaks = [Soak(1000 * seed + number, executors) for number in range(options.threads + 1)]
    failures: list[str] = []

    def soak(one: Soak, scenes: Sequence[str]) -> None:
        while time.monotonic() < end and not failures:
            try:
                one.step(scenes)
            except BaseException as error:  # noqa: BLE001 - all of them are deviations
                failures.append(f"{type(error).__name__}: {error}")

    others = [threading.Thread(target=soak, args=(one, ANYWHERE), daemon=True) for one in soaks[1:]]
    for other in others:
        other.start()
    soak(soaks[0], IN_THE_MAIN_THREAD)
    for other in others:
        other.join(LIMIT)
        if other.is_alive():
            failures.append(f"hangs: a thread does not end; so far it did {soaks[1 + others.index(other)].done}")
    done: collections.Counter[str] = sum((one.done for one in soaks), collections.Counter())
    for name, count in sorted(done.items()):
        print(f"{count:8} {name}")
    for failure in failures:
        print(f"DEVIATION (seed {seed}): {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
