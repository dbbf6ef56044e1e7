"""What a call costs that does nothing: from Python, through ctypes, per chunk, and from one core to the other."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar import _native
from pyffipar.executors import native

from .harness import Case, Report, interleave, ours
from .peers import peer_cases

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = 2
HERE = Path(__file__).parent
MANY = 4096
SOURCE = r"""
#include <stddef.h>
void nothing(size_t n, const double *x, double *y) { (void)n; (void)x; (void)y; }
void add(size_t n, const double *a, const double *b, double *c) { for (size_t i = 0; i < n; i++) c[i] = a[i] + b[i]; }
void openmp(size_t chunks, size_t n, const double *x, double *y) {
    #pragma omp parallel for num_threads(2) schedule(dynamic)
    for (size_t i = 0; i < chunks; i++) nothing(n, x + i * n, y + i * n);
}
"""


def run(*, quick: bool) -> Report:
    """Time the cases and hold them against their goals."""
    report = Report()
    library = pf.compile(SOURCE, flags=("-fopenmp",))
    times = 200 if quick else 5000
    with pf.options(threads=THREADS):
        is_shared = report.has_cpus("calls that are shared, pools beside them, and the way between cores", THREADS)
        cases = _calls(library.path)
        if is_shared:
            cases |= _shared(library.path) | _chunks(library.path) | _peers(library.path, report)
        else:
            cases |= _chunks(library.path)
        slow = {name: cases.pop(name) for name in list(cases) if "ThreadPoolExecutor" in name}
        repeats = 3 if quick else 15
        report.timings = interleave(cases, repeats, times=dict.fromkeys(cases, times))
        report.timings |= interleave(slow, repeats, times=dict.fromkeys(slow, max(2, times // 100)))
    _judge(report)
    if is_shared:
        _between_cores(report, 300 if quick else 20_000)
    return report


def _empty(path: str, chunk: int, chunks: int) -> tuple[pf.Function, Array, Array]:
    """A function that does nothing, cut into so many chunks, and its arrays."""
    declared = f"void nothing(size_t n, const double x[n], double y[n]) chunk(min = {chunk}, max = {chunk});"
    return pf.load(path, declared).nothing, np.zeros(chunk * chunks), np.zeros(chunk * chunks)


def _bare(path: str) -> Callable[..., None]:
    """The same function as ctypes calls it."""
    function = ctypes.CDLL(path).nothing
    function.restype, function.argtypes = None, (ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
    return function


def _calls(path: str) -> dict[str, Case]:
    """Calls as users make them."""
    bare, address = _bare(path), np.zeros(100).ctypes.data
    add = pf.load(path, "void add(size_t n, const double a[n], const double b[n], double c[n]);").add
    a, b, c = np.zeros((3, 100))
    cases: dict[str, Case] = {"bare ctypes call": lambda: bare(100, address, address)}
    return cases | ours({"an ordinary call of three arrays, pyffipar": lambda: add(a, b, out=c)})


def _shared(path: str) -> dict[str, Case]:
    """Calls whose chunks two threads share."""
    cases: dict[str, Case] = {}
    for chunks in (2, 64):
        function, x, y = _empty(path, 100, chunks)
        cases[f"{chunks} empty chunks, pyffipar, prepared"] = function.prepare(x, out=y)
    return ours(cases)


def _chunks(path: str) -> dict[str, Case]:
    """Few chunks and many, on one thread, by both ways to call a function."""
    cases: dict[str, Case] = {}
    usual = native.CALL_PATH
    for word, way in (("registers", _native.CallPath.REGISTER), ("libffi", _native.CallPath.LIBFFI)):
        native.CALL_PATH = way
        for chunks in (64, MANY):
            function, x, y = _empty(path, 1, chunks)
            cases[f"{chunks} empty chunks by {word}, 1 thread, pyffipar"] = function.options(threads=1).prepare(
                x, out=y
            )
    native.CALL_PATH = usual
    return ours(cases)


def _peers(path: str, report: Report) -> dict[str, Case]:
    """The same work in other ways."""
    bare = _bare(path)
    openmp = ctypes.CDLL(path).openmp
    openmp.restype, openmp.argtypes = None, (ctypes.c_size_t, *_bare(path).argtypes)  # type: ignore[attr-defined]
    pool = ThreadPoolExecutor(THREADS)
    x = np.zeros(6400)
    address = x.ctypes.data
    cases: dict[str, Case] = {}
    for chunks in (2, 64):
        cases[f"{chunks} empty chunks, OpenMP"] = lambda chunks=chunks: openmp(chunks, 100, address, address)  # type: ignore[misc]
        cases[f"{chunks} empty chunks, ThreadPoolExecutor and ctypes"] = (
            lambda chunks=chunks: wait([pool.submit(bare, 100, address, address) for _ in range(chunks)])  # type: ignore[misc]
        )
    return cases | peer_cases("numba", report, THREADS, lambda numba: _numba(numba, x))


def _numba(numba: Any, x: Array) -> dict[str, Case]:
    def launch(v: Array, chunks: int) -> None:
        for i in numba.prange(chunks):
            v[i] = 0.0

    compiled = numba.njit(parallel=True)(launch)
    return {f"{chunks} empty chunks, numba prange": lambda chunks=chunks: compiled(x, chunks) for chunks in (2, 64)}  # type: ignore[misc]


def _judge(report: Report) -> None:
    """Hold the times against the goals."""
    s = report.seconds
    bare = s("bare ctypes call")
    for chunks, most in ((2, 3), (64, 10)):
        above = s(f"{chunks} empty chunks, pyffipar, prepared") - bare
        report.compare(
            f"prepared, {chunks} empty chunks, above a bare ctypes call", above * 1e6, at_most=most, unit="us"
        )
    ordinary = s("an ordinary call of three arrays, pyffipar")
    report.compare("an ordinary call of three arrays", ordinary * 1e6, at_most=15, unit="us")
    for word, most in (("libffi", 150), ("registers", 20)):
        few, many = (s(f"{chunks} empty chunks by {word}, 1 thread, pyffipar") for chunks in (64, MANY))
        report.compare(f"a chunk by {word}", (many - few) / (MANY - 64) * 1e9, at_most=most, unit="ns")
    own = s("64 empty chunks, pyffipar, prepared")
    pool = s("64 empty chunks, ThreadPoolExecutor and ctypes")
    report.compare("64 chunks: ThreadPoolExecutor and ctypes / ours", pool / own, at_least=50)
    for name in ("numba prange", "OpenMP"):
        for chunks in (2, 64):
            ours = s(f"{chunks} empty chunks, pyffipar, prepared")
            ratio = s(f"{chunks} empty chunks, {name}") / ours
            report.compare(f"{chunks} chunks: {name} / ours", ratio, **({"at_least": 1} if name != "OpenMP" else {}))


def _between_cores(report: Report, rounds: int) -> None:
    """What a small program in C sees of the pool, beside the time a word takes to the other core and back."""
    header = HERE.parents[1] / "cpp" / "include"
    compiler = shutil.which("cc")
    if compiler is None or not header.is_dir():
        report.missing.append("hand-off between cores: it wants cc and a checkout with cpp/include")
        return
    library = Path(str(_native.library()._name))  # noqa: SLF001 - ctypes has no other word for it
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "handoff")
        command = [
            compiler,
            "-O2",
            f"-I{header}",
            str(HERE / "handoff.c"),
            str(library),
            "-lpthread",
            f"-Wl,-rpath,{library.parent}",
        ]
        subprocess.run([*command, "-o", str(program)], check=True)
        done = subprocess.run([str(program), str(rounds)], capture_output=True, text=True, check=False)
    if done.returncode:
        report.missing.append(f"hand-off between cores: {done.stderr.strip()}")
        return
    told = json.loads(done.stdout)
    both = told["in"] + told["out"] - 2 * told["clock"]  # each ends with a look at the clock
    report.compare("a word to the other core and back", told["round_trip"], unit="ns")
    report.compare("hand-off to a worker and back", both, unit="ns")
    report.compare("hand-off / a word to the other core and back", both / told["round_trip"], at_most=1.3)
    beyond = told["beyond"] - 2 * told["clock"]
    report.compare("a job of two chunks, from the call on, beyond the worker's chunk", beyond, unit="ns")
    report.compare(
        "jobs that tell: the worker took its half, after the caller", told["seen"] / told["of"] * 100, unit="%"
    )
