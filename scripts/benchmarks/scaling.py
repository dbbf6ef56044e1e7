"""Time over threads, measured and by a model of measured numbers, to tell what a larger machine does.

    T(p) = serial + max((work + chunks * chunk) / p, bytes / bandwidth)

`serial` is a prepared call without its chunks, `chunk` what each adds, `bandwidth` what a loop in C reads with all
threads, `work` what is left of the time with one. Work that is over before sharing pays is done by one thread alone.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar import _native

from . import dispatch, skew
from .harness import Case, Curve, Report, cpus, interleave, ours

Array = np.ndarray[Any, np.dtype[Any]]

ALONE = 10e-6  # s; under so much work a call does not share (`worth_sharing` of the native pool)
SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
/* The fastest a loop reads: whole words, four streams for each thread. */
uint64_t read_all(size_t n, const uint64_t *x, int threads) {
    uint64_t all = 0;
    #pragma omp parallel for num_threads(threads) schedule(static) reduction(^ : all)
    for (int t = 0; t < threads; t++) {
        const size_t q = n / (size_t)threads / 4;
        const uint64_t *p = x + 4 * q * (size_t)t;
        uint64_t a = 0, b = 0, c = 0, d = 0;
        for (size_t i = 0; i < q; i++) { a ^= p[i]; b ^= p[q + i]; c ^= p[2 * q + i]; d ^= p[3 * q + i]; }
        all ^= a ^ b ^ c ^ d;
    }
    return all;
}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is called with any number of threads.

    Attributes
    ----------
    name : str
    function : Function
    arguments : tuple
    bytes : int
        That have to come from memory.
    times : int
        How often it is called for one look at the clock.
    """

    name: str
    function: pf.Function
    arguments: tuple[Any, ...]
    bytes: int
    times: int = 1

    @property
    def chunks(self) -> int:
        """Foreign calls, or tasks of them where it is lifted."""
        plan = self.function._plan(self.arguments, {})  # noqa: SLF001 - of our own package
        return plan.tasks

    def case(self, threads: int) -> Case:
        """A call with so many threads."""
        return self.function.options(threads=threads).prepare(*self.arguments)


def run(*, quick: bool) -> Report:
    """Time the cases and fit the model."""
    report = Report()
    most = cpus()
    report.has_cpus("whether more threads are faster", 2)
    counts = [p for p in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256) if p < most] + [most]
    works = _works(quick=quick)
    cases = ours({_name(work, p): work.case(p) for work in works for p in counts})
    times = {_name(work, p): work.times for work in works for p in counts}
    repeats = 3 if quick else 9
    report.timings = interleave(cases | _limits(most, quick=quick), repeats, times=times | dict.fromkeys(_EMPTY, 300))
    serial, chunk = _overhead(report)
    bandwidth = works[0].bytes / report.seconds("read, 4 streams each")
    report.compare("memory read by all threads", bandwidth / 1e9, unit="GB/s")
    report.compare("serial part of a prepared call", serial * 1e6, unit="us")
    report.compare("a chunk", chunk * 1e9, unit="ns")
    for work in works:
        _fit(report, work, counts, serial, chunk, bandwidth)
    return report


def _name(work: Work, threads: int) -> str:
    return f"{work.name}, pyffipar, {threads} thread{'s' * (threads > 1)}"


def _works(*, quick: bool) -> list[Work]:
    """What memory bounds, what computing bounds, and what is small."""
    generator = np.random.default_rng(0)
    n = 2_000_000 if quick else 50_000_000
    x, y = generator.standard_normal((2, n))
    kernels = pf.load(
        _native.library(),
        "double pyffipar_sum_f64(size_t n, const double x[n]) reduction(+);"
        "double pyffipar_dot_f64(size_t n, const double x[n], const double y[n]) reduction(+);",
    )
    rows = pf.compile(skew.SOURCE, skew.DECLARATION, flags=("-fopenmp",)).rows
    erf = pf.load("m", "double erf(double x);").erf
    most = 20 if quick else 200
    return [
        Work(f"sum of {n:.0e}", kernels.pyffipar_sum_f64, (x,), 8 * n),
        Work(f"dot of {n:.0e}", kernels.pyffipar_dot_f64, (x, y), 16 * n),
        Work("Mandelbrot", rows, (np.linspace(0.0, 1.4, 1024), skew.WIDTH, most), 0),
        Work(f"erf of {n // 20:.0e}", erf, (x[: n // 20],), 0),
        Work("sum of 1e+03", kernels.pyffipar_sum_f64, (x[:1000],), 0, times=20 if quick else 2000),
        Work("sum of 1e+05", kernels.pyffipar_sum_f64, (x[:100_000],), 0, times=20 if quick else 500),
    ]


_EMPTY = tuple(f"{chunks} empty chunks, 1 thread" for chunks in (64, dispatch.MANY))


def _limits(threads: int, *, quick: bool) -> dict[str, Case]:
    """What the model is made of: the memory's speed, and calls that do nothing."""
    n = 2_000_000 if quick else 50_000_000
    x = np.ones(n)
    library = pf.compile(SOURCE, flags=("-O3", "-march=native", "-fopenmp")).path
    prototype = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)
    read = prototype(("read_all", ctypes.CDLL(library)))
    cases: dict[str, Case] = {"read, 4 streams each": lambda: read(n, x.ctypes.data, threads)}
    nothing = pf.compile(dispatch.SOURCE, flags=("-fopenmp",)).path
    for name, chunks in zip(_EMPTY, (64, dispatch.MANY), strict=True):
        function, a, b = dispatch._empty(nothing, 1, chunks)  # noqa: SLF001 - of the module next door
        cases |= ours({name: function.options(threads=1).prepare(a, out=b)})
    return cases


def _overhead(report: Report) -> tuple[float, float]:
    """Seconds of a prepared call without its chunks, and of a chunk."""
    few, many = (report.seconds(name) for name in _EMPTY)
    chunk = max(0.0, (many - few) / (dispatch.MANY - 64))
    return max(0.0, few - 64 * chunk), chunk


def _fit(report: Report, work: Work, counts: list[int], serial: float, chunk: float, bandwidth: float) -> None:
    """The model's curve beside the measured one, and what both say."""
    measured = [report.seconds(_name(work, p)) for p in counts]
    inside = max(0.0, measured[0] - serial)
    least = work.bytes / bandwidth
    shared = inside > ALONE
    model = [serial + max(inside / (p if shared else 1), min(least, inside)) for p in counts]
    parameters = {
        "serial": serial, "work": inside - work.chunks * chunk, "chunks": work.chunks, "chunk": chunk,
        "bytes": work.bytes, "bandwidth": bandwidth,
    }  # fmt: skip
    report.curves.append(Curve(work.name, tuple(counts), tuple(measured), tuple(model), parameters))
    most, last = counts[-1], measured[-1]
    if most == 1:  # there is nothing to compare
        return
    report.compare(f"{work.name}: model / measured, {most} threads", model[-1] / last)
    if work.bytes:
        report.compare(f"{work.name}: speed / memory's, {most} threads", least / last, at_least=0.9)
    elif shared and inside > 20 * ALONE:
        report.compare(f"{work.name}: speed-up / threads, {most} threads", measured[0] / last / most, at_least=0.95)
    else:
        report.compare(
            f"{work.name}: {most} threads / (1.05 of one + 3 us)", last / (1.05 * measured[0] + 3e-6), at_most=1
        )
