"""What the tests of this folder and the programs they start share: held functions, and waiting for what happens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar.function import Function

Array = np.ndarray[Any, np.dtype[Any]]

EXECUTORS = ("native", "threads", "serial")
LIMIT = 60.0  # s; no wait takes as long on any machine
DECLARATIONS = """
    void held(struct gate *gate, size_t n, const double x[n], double y[n]);
    void held_elsewhere(struct gate *gate, size_t n, const double x[n], double y[n]) chunk(max = 1);
    void slow(struct gate *gate, size_t n, const double x[n], double y[n]) chunk(max = 1);
    void meet(struct gate *gate, int64_t parties, size_t n, const double x[n], int64_t thread[n]) chunk(max = 1);
    void who(size_t n, const double x[n], int64_t thread[n]) chunk(max = 1);
    int fail(struct gate *gate, size_t n, const int x[n], double y[n]) status(0, words) chunk(max = 1);
    int fail_together(struct gate *gate, int64_t parties, size_t n, const int x[n], double y[n])
        status(0, words) chunk(max = 1);
    void apply(double (*f)(double), size_t n, const double x[n], double y[n]);
    int apply_checked(double (*f)(double), size_t n, const double x[n]) status(0) chunk(max = 10);
    void apply_together(struct gate *gate, int64_t parties, double (*f)(double), size_t n, const double x[n],
                        double y[n]) chunk(max = 1);
    double total(size_t n, const double x[n]) reduction(+);
    void histogram(size_t n, const int x[n], size_t bins, int64_t counts[bins]) reduction(+: counts);
    void habits(struct gate *gate, int64_t parties, size_t n, const double x[n], int rounding[n], int flushes[n])
        chunk(max = 1);
    void deep(struct gate *gate, int64_t parties, int64_t kibibytes, size_t n, const double x[n], int64_t depth[n])
        chunk(max = 1);
"""
SOURCE = Path(__file__).with_name("trust.c").read_text()


@cache
def functions() -> pf.Library:
    """The functions of trust.c."""
    return pf.compile(SOURCE, DECLARATIONS)


def function(name: str, executor: str = "native", threads: int = 2, **options: Any) -> Function:
    """One of them."""
    found: Function = getattr(functions(), name)
    return found.options(executor=executor, threads=threads, **options)


APART = """
    void trip(size_t n, const int what[n], double y[n]) chunk(max = 10);
    double trip_one(double x);
    void held(size_t n, const double x[n], size_t g, const int64_t gate[g], double y[n]) chunk(max = 1);
    void slow(size_t n, const double x[n], double y[n]) chunk(max = 1);
    void who(size_t n, const double x[n], int64_t process[n]) chunk(max = 1);
    double total(size_t n, const double x[n]) reduction(+) chunk(max = 1000);
"""
APART_SOURCE = Path(__file__).with_name("apart.c").read_text()


@cache
def functions_apart() -> pf.Library:
    """The functions of apart.c, for workers that share nothing but arrays."""
    return pf.compile(APART_SOURCE, APART)


def apart(name: str, threads: int = 2, **options: Any) -> Function:
    """One of them, to be called in worker processes."""
    found: Function = getattr(functions_apart(), name)
    return found.options(executor="processes", threads=threads, **options)


def children(process: int | None = None) -> list[int]:
    """Processes that a process, or this one, has started and that have not ended."""
    own = os.getpid() if process is None else process
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = entry.joinpath("stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[1]) == own and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def descendants() -> list[int]:
    """Children of this process, and theirs."""
    found = children()
    for child in found:
        found += children(child)
    return found


def is_alive(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Look until something has happened."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.001)


class Gate:
    """The counters of ``struct gate``; pass it as the handle."""

    def __init__(self) -> None:
        self.counters = np.zeros(8, np.int64)

    @property
    def _as_parameter_(self) -> int:
        return int(self.counters.ctypes.data)

    @property
    def entered(self) -> int:
        """Calls that have begun."""
        return int(self.counters[0])

    @property
    def left(self) -> int:
        """Calls that have ended."""
        return int(self.counters[1])

    def release(self) -> None:
        """Let all go that are held."""
        self.counters[2] = 1

    @property
    def arrived(self) -> int:
        """Calls at their meeting point."""
        return int(self.counters[3])

    @property
    def is_good(self) -> bool:
        """Whether nobody waited in vain."""
        return not self.counters[4]

    def wait(self, calls: int) -> None:
        """Until so many calls have begun."""
        wait_until(lambda: self.entered >= calls, f"{calls} calls have begun")


def threads_of_this_process() -> int:
    """How many there are, Python's or not."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are enough


def thread_count(executor: str) -> int:
    """Threads for a test that needs a worker."""
    return 1 if executor == "serial" else 2


def say(*words: object) -> None:
    """Tell the test, at once: the process may be about to crash."""
    print(*words, flush=True)  # noqa: T201 - to the test
