"""numba: compiled functions that hold the GIL or not, and parallel loops."""

from __future__ import annotations

import ctypes
import importlib
import os
from pathlib import Path
from typing import Any

from .common import jobs
from .common.base import Command, Group, Prepared, Road, Work, module, worker
from .common.build import jobs_library
from .common.calls import Calls, by_threads

INSTALL = "pip install numba"
MOST = 8


def compiled(variant: str, path: str) -> dict[str, Any]:
    """Compile the jobs, now and for the types they are called with.

    The rendezvous is the C one, called through ctypes from compiled code: that is how numba calls C.
    """
    numba = importlib.import_module("numba")
    parallel = variant == "prange"
    options = {"nogil": variant == "nogil"}
    meet_in_c = ctypes.CDLL(path).meet
    meet_in_c.argtypes = ctypes.c_int, ctypes.c_int
    meet_in_c.restype = ctypes.c_int
    prange = numba.prange

    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    fib = numba.njit("int64(int64)", **options)(fib)

    def total(x: Any, start: int, stop: int) -> float:
        result = 0.0
        for i in range(start, stop):
            result += x[i]
        return result

    def meet(wanted: int, patience: int) -> int:
        return meet_in_c(wanted, patience)  # type: ignore[no-any-return]

    if not parallel:
        return {
            "fib": fib,
            "total": numba.njit("float64(float64[::1], int64, int64)", **options)(total),
            "meet": numba.njit("int64(int64, int64)", **options)(meet),
        }

    def all_fibs(n: int, count: int) -> int:
        value = 0
        for _ in prange(count):
            value += fib(n)
        return value // count

    def whole(x: Any) -> float:
        result = 0.0
        for i in prange(len(x)):
            result += x[i]
        return result

    def all_meet(wanted: int, patience: int) -> int:
        met = 0
        for _ in prange(wanted):
            met += meet_in_c(wanted, patience)
        return met

    return {
        "threads": numba.set_num_threads,
        "fib": numba.njit("int64(int64, int64)", parallel=True)(all_fibs),
        "total": numba.njit("float64(float64[::1])", parallel=True)(whole),
        "meet": numba.njit("int64(int64, int64)", parallel=True)(all_meet),
    }


def setup(variant: str, path: str) -> tuple[str, dict[str, Any], Any]:
    """Compile everything before anything is timed."""
    return variant, compiled(variant, path), importlib.import_module("numpy")


def prepare(state: tuple[str, dict[str, Any], Any], work: Work) -> Prepared:
    """Make a job ready: for threads, or for one parallel loop."""
    variant, functions, np = state

    def data(n: int) -> Any:
        return np.frombuffer(jobs.numbers(n))

    if variant != "prange":
        return by_threads(Calls(functions["fib"], functions["total"], None, functions["meet"], data=data), work)
    functions["threads"](work.workers)
    if work.job == "cpu":
        return Prepared(lambda: functions["fib"](work.size, work.count))
    if work.job == "native":
        return Prepared(lambda: functions["meet"](work.workers, work.patience))
    if work.job == "sum":
        values = data(work.size)
        return Prepared(lambda: functions["total"](values))
    raise NotImplementedError(f"no job {work.job!r} on this road")


def command(folder: Path, variant: str) -> Command:
    """The worker, allowed two threads even on one core."""
    module("numba", INSTALL)
    threads = str(min(max(os.cpu_count() or 1, 2), MOST))
    return worker("numba_functions", variant, str(jobs_library(folder)), NUMBA_NUM_THREADS=threads)


ROADS = (
    Road(
        name="numba-default",
        what="Python functions compiled by numba's njit as it comes. They run at C's speed and keep the GIL.",
        group=Group.HOLDS,
        code="numba",
        jobs=("cpu", "sum"),
        overlaps={"native": False},
        command=lambda folder: command(folder, "default"),
        most_workers=MOST,
    ),
    Road(
        name="numba-nogil",
        what="The same functions with nogil=True, called from Python threads. The word is a promise: nothing "
        "checks for races.",
        group=Group.RELEASES,
        code="numba",
        jobs=("cpu", "sum"),
        overlaps={"native": True},
        command=lambda folder: command(folder, "nogil"),
        most_workers=MOST,
    ),
    Road(
        name="numba-prange",
        what="Loops over prange with parallel=True, on numba's own threads. The order in which floats are added "
        "depends on how many.",
        group=Group.RELEASES,
        code="numba",
        jobs=("cpu", "sum"),
        overlaps={"native": True},
        command=lambda folder: command(folder, "prange"),
        most_workers=MOST,
    ),
)
