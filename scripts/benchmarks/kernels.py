"""The built-in kernels against the memory's own speed, OpenMP, NumPy and, where they are installed, torch and numba."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar.kernels import prepare

from .harness import Figure, Ours, Report, cpus, figure, interleave, ours
from .peers import peer_cases

Array = np.ndarray[Any, np.dtype[Any]]
Cases = dict[str, Callable[[], object]]

THREADS = 2
ITEMS = 100_000_000
# The fastest a loop in C reads: whole words, one to four streams for each thread, lines asked for ahead or not; and
# what most would write for a sum.
SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
static uint64_t part_asked(size_t n, const uint64_t *x) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t q = n / 4;
    for (size_t i = 0; i + 8 <= q; i += 8) {
        for (size_t s = 0; s < 4; s++) __builtin_prefetch(x + s * q + i + 128);
        for (size_t k = i; k < i + 8; k++) { a ^= x[k]; b ^= x[q + k]; c ^= x[2 * q + k]; d ^= x[3 * q + k]; }
    }
    return a ^ b ^ c ^ d;
}
static uint64_t part(size_t n, const uint64_t *x, int streams) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t q = n / (size_t)streams;
    if (streams == 1) for (size_t i = 0; i < q; i++) a ^= x[i];
    if (streams == 2) for (size_t i = 0; i < q; i++) { a ^= x[i]; b ^= x[q + i]; }
    if (streams == 4) for (size_t i = 0; i < q; i++) { a ^= x[i]; b ^= x[q + i]; c ^= x[2 * q + i]; d ^= x[3 * q + i]; }
    return a ^ b ^ c ^ d;
}
uint64_t read_all(size_t n, const double *x, int streams, int asks) {
    uint64_t all = 0;
    #pragma omp parallel for schedule(static) reduction(^ : all)
    for (int half = 0; half < 2; half++) {
        const uint64_t *from = (const uint64_t *)x + (size_t)half * (n / 2);
        all ^= asks ? part_asked(n / 2, from) : part(n / 2, from, streams);
    }
    return all;
}
double openmp_sum(size_t n, const double *x) {
    double s = 0;
    #pragma omp parallel for simd schedule(static) reduction(+ : s)
    for (size_t i = 0; i < n; i++) s += x[i];
    return s;
}
"""
DECLARATIONS = """
uint64_t read_all(size_t n, const double x[n], int streams, int asks) split();
double openmp_sum(size_t n, const double x[n]) split();
"""
FLAGS = ("-march=native", "-ffast-math", "-fopenmp")


def run(*, quick: bool) -> Report:
    """Time the cases and hold them against their goals."""
    report = Report()
    with pf.options(threads=THREADS):
        if report.has_cpus("kernels on large arrays, and whether sharing is ever slower", THREADS):
            _large(report, quick=quick)
        _in_cache(report, quick=quick)
        _small(report, quick=quick)
        if cpus() >= THREADS:
            _every_size(report, quick=quick)
    return report


def _large(report: Report, *, quick: bool) -> None:
    """What memory bounds."""
    n = ITEMS // 50 if quick else ITEMS
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal(n), generator.standard_normal(n)
    wide = np.ldexp(x, generator.integers(-300, 300, n))
    c = pf.compile(SOURCE, DECLARATIONS, flags=FLAGS)
    cases: Cases = {f"read, {s} streams": lambda s=s: c.read_all(x, s, 0) for s in (1, 2, 4)}  # type: ignore[misc]
    cases["read, 4 streams, asked ahead"] = lambda: c.read_all(x, 4, 1)
    cases |= {"OpenMP sum": lambda: c.openmp_sum(x)}
    own: Cases = {f"{name}, pyffipar": lambda f=f: f(x) for name, f in _own().items()}  # type: ignore[misc]
    own |= {
        "dot, pyffipar": lambda: pf.dot(x, y),
        "exact sum, pyffipar": lambda: pf.sum(x, method="exact"),
        "exact sum of 600 binades, pyffipar": lambda: pf.sum(wide, method="exact"),
        "histogram, pyffipar": lambda: pf.histogram(x, 100, (-4.0, 4.0)),
    }
    cases |= ours(own)
    cases |= {
        "dot, NumPy": lambda: np.dot(x, y),
        "norm, NumPy": lambda: np.linalg.norm(x),
        "histogram, NumPy": lambda: np.histogram(x, 100, (-4.0, 4.0)),
    }
    cases |= {f"{name}, NumPy": lambda name=name: getattr(np, name)(x) for name in ("sum", "min", "max", "var")}  # type: ignore[misc]
    for name, make in (("torch", _torch), ("numba", _numba), ("numexpr", _numexpr)):
        cases |= peer_cases(name, report, THREADS, partial(make, x, y))
    slow = {name: cases.pop(name) for name in ("histogram, NumPy",)}
    timings = interleave(cases, repeats=3 if quick else 9) | interleave(slow, repeats=1 if quick else 2)
    report.timings |= timings
    report.figures += _large_figures({name: timing.seconds for name, timing in timings.items()})


def _own() -> dict[str, Callable[[Array], Any]]:
    return {"sum": pf.sum, "min": pf.min, "max": pf.max, "norm": pf.norm, "var": pf.var}


def _torch(x: Array, y: Array, torch: Any) -> Cases:
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    return {
        "sum, torch": lambda: torch.sum(a), "dot, torch": lambda: torch.dot(a, b), "min, torch": lambda: torch.min(a),
        "max, torch": lambda: torch.max(a), "var, torch": lambda: torch.var(a), "norm, torch": lambda: torch.norm(a),
    }  # fmt: skip


def _numba(x: Array, y: Array, numba: Any) -> Cases:
    def total(v: Array) -> float:
        s = 0.0
        for i in numba.prange(v.size):
            s += v[i]
        return s

    def product(v: Array, w: Array) -> float:
        s = 0.0
        for i in numba.prange(v.size):
            s += v[i] * w[i]
        return s

    compiled = numba.njit(parallel=True, fastmath=True)
    total, product = compiled(total), compiled(product)
    return {"sum, numba": lambda: total(x), "dot, numba": lambda: product(x, y)}


def _numexpr(x: Array, y: Array, numexpr: Any) -> Cases:
    names = {"x": x, "y": y}
    return {
        "sum, numexpr": lambda: numexpr.evaluate("sum(x)", names),
        "dot, numexpr": lambda: numexpr.evaluate("sum(x * y)", names),
    }


def _large_figures(seconds: dict[str, float]) -> list[Figure]:
    best = min(taken for name, taken in seconds.items() if name.startswith("read"))
    figures = [figure("sum / ceiling", best / seconds["sum, pyffipar"], at_least=0.95)]
    figures.append(figure("dot / ceiling", 2 * best / seconds["dot, pyffipar"], at_least=0.85))
    goals = {"min": 0.9, "max": 0.9, "norm": 0.9, "var": 0.85}
    figures += [figure(f"{n} / ceiling", best / seconds[f"{n}, pyffipar"], at_least=g) for n, g in goals.items()]
    exact = seconds["exact sum, pyffipar"]
    spread = seconds["exact sum of 600 binades, pyffipar"]
    figures += [
        figure("exact sum / ceiling", best / exact, at_least=0.8),
        figure("exact sum of 600 binades, times sum", spread / seconds["sum, pyffipar"], at_most=4),
        figure("exact sum / NumPy's sum", seconds["sum, NumPy"] / exact, at_least=1),
    ]
    wanted = {("sum", "NumPy"): 2.5, ("sum", "torch"): 1.3, ("sum", "numba"): 1.3, ("var", "NumPy"): 8}
    wanted |= {("histogram", "NumPy"): 8}
    for name, taken in seconds.items():
        what, _, peer = name.partition(", ")
        if peer in ("NumPy", "torch", "numba", "numexpr") and f"{what}, pyffipar" in seconds:
            ratio = taken / seconds[f"{what}, pyffipar"]
            figures.append(figure(f"{what} / {peer}'s", ratio, at_least=wanted.get((what, peer), 1.0)))
    return figures


def _in_cache(report: Report, *, quick: bool) -> None:
    """Sums of what the caches hold."""
    # as plainly as Python can call it: its own cost is not held against it
    openmp_sum = ctypes.CDLL(pf.compile(SOURCE, flags=FLAGS).path).openmp_sum
    openmp_sum.restype, openmp_sum.argtypes = ctypes.c_double, (ctypes.c_size_t, ctypes.c_void_p)
    is_shared = cpus() >= THREADS
    for n in (100_000, 300_000, 1_000_000):
        x = np.random.default_rng(0).standard_normal(n)
        with pf.options(threads=1):
            alone = prepare(pf.sum, x)
        cases: Cases = {}
        if is_shared:
            cases = {"OpenMP static": partial(openmp_sum, n, x.ctypes.data), "pyffipar": Ours(prepare(pf.sum, x))}
        cases |= {"pyffipar, 1 thread": Ours(alone), "NumPy": x.sum}
        cases = {f"sum of {n:.0e}, {name}": case for name, case in cases.items()}
        times = max(2, 50_000_000 // n) // (10 if quick else 1) + 1  # calls in a row: the threads stay awake
        report.timings |= interleave(cases, repeats=3 if quick else 15, times=dict.fromkeys(cases, times))
        openmp, both, one, numpy = (
            report.seconds(f"sum of {n:.0e}, {name}")
            for name in ("OpenMP static", "pyffipar", "pyffipar, 1 thread", "NumPy")
        )
        report.compare(f"sum of {n:.0e}: OpenMP / ours", openmp / both, at_least=1)
        report.compare(f"sum of {n:.0e}, 1 thread: NumPy / ours", numpy / one, at_least=1)


def _small(report: Report, *, quick: bool) -> None:
    """What a sum costs that takes no time."""
    x = np.random.default_rng(0).standard_normal(1000)
    times = 200 if quick else 5000
    cases: Cases = {"NumPy": lambda: np.sum(x), "NumPy's method": x.sum}
    cases |= ours({"pyffipar": lambda: pf.sum(x), "prepared": prepare(pf.sum, x)})
    cases = {f"sum of 1e3, {name}": case for name, case in cases.items()}
    report.timings |= interleave(cases, times=dict.fromkeys(cases, times))
    prepared, method, call = (
        report.seconds(f"sum of 1e3, {name}") for name in ("prepared", "NumPy's method", "pyffipar")
    )
    report.compare("sum of 1e3: prepared / NumPy's method", prepared / method, at_most=1)
    report.compare("sum of 1e3: an ordinary call", call * 1e6, at_most=15, unit="us")


def _every_size(report: Report, *, quick: bool) -> None:
    """Never slower than one thread, hot and after 20 ms of rest."""
    sizes = [10**k for k in range(6 if quick else 9)] + [3 * 10**k for k in range(3, 6 if quick else 8)]
    x = np.ones(max(sizes))
    worst = {"hot": 0.0, "after idle": 0.0}
    for n in sorted(sizes):
        with pf.options(threads=1):
            serial = prepare(pf.sum, x[:n])
        both = prepare(pf.sum, x[:n])
        for state, pause, share, constant in (("hot", 0.0, 1.05, 3e-6), ("after idle", 0.02, 1.15, 10e-6)):
            alone, together = _pair(serial, both, pause, 5 if quick else 31)
            worst[state] = max(worst[state], together / (alone * share + constant))
    for state, allowance in (("hot", "1.05 serial + 3 us"), ("after idle", "1.15 serial + 10 us")):
        report.compare(f"any size, {state}: worst / ({allowance})", worst[state], at_most=1)


def _pair(one: Callable[[], object], other: Callable[[], object], pause: float, repeats: int) -> tuple[float, float]:
    """Medians of two cases in turn, each after a rest."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for case, kept in zip((one, other), taken, strict=True):
            time.sleep(pause)
            if not pause:
                case()
            began = time.perf_counter()
            case()
            kept.append(time.perf_counter() - began)
    return float(np.median(taken[0])), float(np.median(taken[1]))
