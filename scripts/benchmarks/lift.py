"""What a call costs when a scalar function is lifted over arrays, against plain C, NumPy and np.vectorize."""

from __future__ import annotations

import ctypes

import numpy as np

import pyffipar as pf

from .harness import Case, Ours, Report, interleave

ITEMS = 10_000_000
FEW = 20_000  # for what takes microseconds per item
SOURCE = r"""
#include <math.h>
#include <stddef.h>
double nothing(double x) { return x; }
/* The loops a C programmer would write; the call stays a call. */
void erf_loop(size_t n, const double *x, double *y) { for (size_t i = 0; i < n; i++) y[i] = erf(x[i]); }
"""
DECLARATIONS = """
double nothing(double x);
void erf_loop(size_t n, const double x[n], double y[n]) split();
"""


def run(*, quick: bool) -> Report:
    """Time the cases and hold them against their goals."""
    items = ITEMS // 20 if quick else ITEMS
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=items), np.empty(items)
    row, column = generator.normal(size=(1, 1000)), generator.normal(size=(items // 1000, 1))
    grid = np.empty((items // 1000, 1000))
    library = pf.compile(SOURCE, DECLARATIONS, flags=["-fno-builtin"])
    math = pf.load("m", "double erf(double x); double hypot(double x, double y);")
    cases: dict[str, Case] = {
        "C loop calling erf": lambda: library.erf_loop(x, out=y),
        "erf, 1 thread": Ours(lambda: math.erf.options(threads=1)(x, out=y)),
        "erf, 2 threads": Ours(lambda: math.erf.options(threads=2)(x, out=y)),
        "empty function, 1 thread": Ours(lambda: library.nothing.options(threads=1)(x, out=y)),
        "np.hypot, broadcast": lambda: np.hypot(row, column, out=grid),
        "hypot, broadcast, 1 thread": Ours(lambda: math.hypot.options(threads=1)(row, column, out=grid)),
        "np.vectorize(ctypes), erf": _vectorized("libm.so.6", "erf", x[:FEW]),
        "np.vectorize(ctypes), empty": _vectorized(library.path, "nothing", x[:FEW]),
    }
    report = Report()
    if not report.has_cpus("erf, 2 threads", 2):
        del cases["erf, 2 threads"]
    report.timings = interleave(cases, repeats=3 if quick else 9)
    _judge(report, items)
    return report


def _vectorized(path: str, name: str, x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Case:
    """What people write who have a ctypes function and an array."""
    function = ctypes.CDLL(path)[name]
    function.restype, function.argtypes = ctypes.c_double, (ctypes.c_double,)
    vectorized = np.vectorize(function, otypes=[np.float64])
    return lambda: vectorized(x)


def _judge(report: Report, items: int) -> None:
    """Hold the times against the goals."""
    s = report.seconds
    loop, both = s("C loop calling erf"), s("erf, 2 threads")
    empty = s("empty function, 1 thread") / items
    report.compare("erf, 1 thread / C loop", s("erf, 1 thread") / loop, at_most=1.10)
    report.compare("C loop / erf, 2 threads", loop / both, at_least=1.8)
    report.compare("empty function, per item", empty * 1e9, at_most=6, unit="ns")
    hypot = s("np.hypot, broadcast") / s("hypot, broadcast, 1 thread")
    report.compare("np.hypot / hypot, broadcast", hypot, at_least=1.0)
    vectorized = s("np.vectorize(ctypes), empty") / FEW
    report.compare("np.vectorize / lifted, empty", vectorized / empty, at_least=100)
    # erf itself takes most of its time, so its own speed bounds this one.
    report.compare("np.vectorize / erf, 2 threads", s("np.vectorize(ctypes), erf") / FEW / (both / items))
