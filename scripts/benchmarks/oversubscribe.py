"""Several Python threads that all call in parallel: more work than CPUs, as in a web server or a test runner."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

import pyffipar as pf

from .harness import Case, Report, interleave, ours, timing

CALLERS = 4
THREADS = 2
SOURCE = r"""
#include <stddef.h>
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
double openmp(size_t n, const double *x) {
    double s = 0;
    #pragma omp parallel for num_threads(2) reduction(+ : s)
    for (size_t i = 0; i < n; i++) s += x[i];
    return s;
}
"""
DECLARATION = "double total(size_t n, const double x[n]) reduction(+);"
NUMBA = """
import sys, threading, time
import numpy as np, numba
numba.set_num_threads({threads})
@numba.njit(parallel=True, nogil=True)
def total(v):
    s = 0.0
    for i in numba.prange(v.size):
        s += v[i]
    return s
arrays = [np.ones({size}) for _ in range({callers})]
total(arrays[0])
def work(x):
    for _ in range({calls}):
        total(x)
taken = []
for _ in range({repeats}):
    team = [threading.Thread(target=work, args=(x,)) for x in arrays]
    began = time.perf_counter()
    [thread.start() for thread in team]
    [thread.join() for thread in team]
    taken.append(time.perf_counter() - began)
print(taken)
"""


def run(*, quick: bool) -> Report:
    """Time the cases and hold them against their goals."""
    report = Report()
    library = pf.compile(SOURCE, DECLARATION, flags=("-fopenmp", "-ffast-math"))
    for size, calls in ((10_000, 200), (1_000_000, 20), (10_000_000, 3)):
        rounds = max(2, calls // 10) if quick else calls
        report.timings |= interleave(_cases(library, size, rounds), repeats=3 if quick else 15)
        _numba(report, size, rounds, quick=quick)
        _judge(report, size)
    return report


def _cases(library: pf.Library, size: int, rounds: int) -> dict[str, Case]:
    """The same sum, each by so many threads at once; a case is one round of each."""
    arrays = [np.ones(size) for _ in range(CALLERS)]
    addresses = [(size, x.ctypes.data) for x in arrays]
    prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_size_t, ctypes.c_void_p)
    plain = {name: prototype((name, ctypes.CDLL(library.path))) for name in ("total", "openmp")}
    names = f"{CALLERS} callers, {size:.0e} items"
    own = [library.total.options(threads=THREADS).prepare(x) for x in arrays]
    cases = {f"{names}, serial C through ctypes": _together([_call(plain["total"], a) for a in addresses], rounds)}
    cases |= ours({f"{names}, pyffipar, {THREADS} threads each": _together(own, rounds)})
    team = _together([_call(plain["openmp"], a) for a in addresses], rounds)
    return cases | {f"{names}, OpenMP, {THREADS} threads each": team}


def _call(function: Callable[..., object], arguments: tuple[int, int]) -> Case:
    return lambda: function(*arguments)


def _together(calls: list[Case], rounds: int) -> Case:
    """All of them, again and again, each in a thread of its own."""

    def work(call: Case) -> None:
        for _ in range(rounds):
            call()

    def case() -> None:
        team = [threading.Thread(target=work, args=(call,)) for call in calls]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()

    return case


def _judge(report: Report, size: int) -> None:
    names = f"{CALLERS} callers, {size:.0e} items"
    serial = report.seconds(f"{names}, serial C through ctypes")
    for who, goal in (("pyffipar", {"at_most": 1.5}), ("OpenMP", {}), ("numba", {})):
        report.compare(
            f"{names}: {who} / serial", report.seconds(f"{names}, {who}, {THREADS} threads each") / serial, **goal
        )


def _numba(report: Report, size: int, rounds: int, *, quick: bool) -> None:
    """The same with numba, which has to have a process of its own: some of its layers abort it."""
    names = f"{CALLERS} callers, {size:.0e} items"
    code = NUMBA.format(threads=THREADS, size=size, callers=CALLERS, calls=rounds, repeats=3 if quick else 7)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path.home())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        report.missing.append(f"numba, {names}: status {done.returncode}, {last}")
        return
    name = f"{names}, numba, {THREADS} threads each"
    report.timings[name] = timing(name, json.loads(done.stdout), is_ours=False)
