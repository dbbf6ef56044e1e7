"""Work of which the dear part comes first: rows of the Mandelbrot set, from its middle outwards."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

import pyffipar as pf

from .harness import Case, Report, interleave, ours
from .peers import peer_cases

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = 2
ROWS, WIDTH, MOST = 1024, 512, 400
SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
static int64_t row(double cy, size_t width, int64_t most) {
    int64_t all = 0;
    for (size_t i = 0; i < width; i++) {
        const double cx = -2.0 + 2.6 * (double)i / (double)width;
        double x = 0, y = 0;
        int64_t count = 0;
        while (count < most && x * x + y * y < 4) {
            const double next = x * x - y * y + cx;
            y = 2 * x * y + cy;
            x = next;
            count++;
        }
        all += count;
    }
    return all;
}
void rows(size_t n, const double *cy, size_t width, int64_t most, int64_t *counts) {
    for (size_t i = 0; i < n; i++) counts[i] = row(cy[i], width, most);
}
#define OPENMP(name, how) \
    void name(size_t n, const double *cy, size_t width, int64_t most, int64_t *counts) { \
        _Pragma(how) for (size_t i = 0; i < n; i++) counts[i] = row(cy[i], width, most); \
    }
OPENMP(omp_static, "omp parallel for num_threads(2) schedule(static)")
OPENMP(omp_guided, "omp parallel for num_threads(2) schedule(guided)")
OPENMP(omp_dynamic, "omp parallel for num_threads(2) schedule(dynamic)")
"""
DECLARATION = "void rows(size_t n, const double cy[n], size_t width, int64_t most, int64_t counts[n]);"


def run(*, quick: bool) -> Report:
    """Time the cases and hold them against their goals."""
    report = Report()
    most = MOST // 10 if quick else MOST
    library = pf.compile(SOURCE, DECLARATION, flags=("-fopenmp",))
    cy, counts = np.linspace(0.0, 1.4, ROWS), np.empty(ROWS, np.int64)
    is_shared = report.has_cpus("how rows are shared", THREADS)
    teams = (1, THREADS) if is_shared else (1,)
    rows = {threads: library.rows.options(threads=threads).prepare(cy, WIDTH, most, out=counts) for threads in teams}
    cases = ours({f"pyffipar, {threads} thread{'s' * (threads > 1)}": call for threads, call in rows.items()})
    for schedule in ("static", "guided", "dynamic") if is_shared else ():
        cases[f"OpenMP {schedule}, {THREADS} threads"] = _openmp(library.path, f"omp_{schedule}", cy, most, counts)
    cases |= peer_cases("numba", report, teams[-1], lambda numba: _numba(numba, cy, most, teams))
    report.timings = interleave(cases, repeats=3 if quick else 9)
    _judge(report)
    return report


def _openmp(path: str, name: str, cy: Array, most: int, counts: Array) -> Case:
    function = ctypes.CDLL(path)[name]
    function.restype = None
    function.argtypes = (ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_void_p)
    return lambda: function(len(cy), cy.ctypes.data, WIDTH, most, counts.ctypes.data)


def _numba(numba: Any, cy: Array, most: int, teams: Sequence[int]) -> dict[str, Case]:
    counts = np.empty(len(cy), np.int64)

    def rows(heights: Array, most: int, found: Array) -> None:
        for j in numba.prange(len(heights)):
            total = 0
            for i in range(WIDTH):
                cx = -2.0 + 2.6 * i / WIDTH
                x = y = 0.0
                count = 0
                while count < most and x * x + y * y < 4:
                    x, y = x * x - y * y + cx, 2 * x * y + heights[j]
                    count += 1
                total += count
            found[j] = total

    alone, together = numba.njit(rows), numba.njit(parallel=True)(rows)
    cases: dict[str, Case] = {"numba, 1 thread": lambda: alone(cy, most, counts)}
    if THREADS in teams:
        cases[f"numba, {THREADS} threads"] = lambda: together(cy, most, counts)
    return cases


def _judge(report: Report) -> None:
    """Times over an ideal of half the serial one, each program's own."""
    s = report.seconds
    ideal = s("pyffipar, 1 thread") / THREADS
    ours = s(f"pyffipar, {THREADS} threads") / ideal
    report.compare("pyffipar / ideal", ours, at_most=1.05)
    for schedule in ("static", "guided"):
        theirs = s(f"OpenMP {schedule}, {THREADS} threads") / ideal
        report.compare(f"OpenMP {schedule} / ideal", theirs)
        report.compare(f"OpenMP {schedule} / pyffipar", theirs / ours, at_least=1)
    report.compare("OpenMP dynamic / ideal", s(f"OpenMP dynamic, {THREADS} threads") / ideal)
    numba = s(f"numba, {THREADS} threads") / (s("numba, 1 thread") / THREADS)
    report.compare("numba / its own ideal", numba)
    report.compare("numba / its own ideal, over pyffipar / ideal", numba / ours, at_least=1)
