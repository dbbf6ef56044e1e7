"""Cython: functions that hold the GIL, that let go of it, and loops that use OpenMP's threads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .common import jobs
from .common.base import FOREIGN, Command, Group, Prepared, Road, Work, module, python_headers, worker
from .common.build import call, shared_object
from .common.calls import Calls, by_threads
from .extension import load

INSTALL = "pip install cython"


def setup(variant: str, path: str) -> tuple[str, Any, str]:
    """Import what was built."""
    return variant, load(path, "cjobs"), path


def prepare(state: tuple[str, Any, str], work: Work) -> Prepared:
    """Make a job ready: for threads, or for one parallel loop."""
    variant, built, path = state
    if variant == "prange":
        return parallel(built, work)
    fib, total, meet, timed = (getattr(built, f"{variant}_{name}") for name in ("fib", "total", "meet", "timed_fib"))
    return by_threads(Calls(fib=fib, total=total, meet=meet, timed=timed, spans=path), work)


def parallel(built: Any, work: Work) -> Prepared:
    """A job as one call that makes its own threads."""
    if work.job == "cpu":
        return Prepared(lambda: built.prange_fib(work.size, work.count, work.workers))
    if work.job == "native":
        return Prepared(lambda: built.prange_meet(work.workers, work.patience))
    if work.job == "sum":
        data = jobs.numbers(work.size)
        return Prepared(lambda: built.prange_total(data, work.count, work.workers))
    raise NotImplementedError(f"no job {work.job!r} on this road")


def command(folder: Path, variant: str) -> Command:
    """The worker, with the module built."""
    module("Cython", INSTALL)
    headers = python_headers()
    target = folder / "cython" / "cjobs.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source = target.with_suffix(".c")
        call([sys.executable, "-m", "cython", "-3", str(FOREIGN / "cjobs.pyx"), "-o", str(source)], target.parent)
        shared_object(target, source, f"-I{headers}", "-fopenmp")
    return worker("cython_module", variant, str(target))


ROADS = (
    Road(
        name="cython-hold",
        what="A Cython function that calls C. Compiled does not mean released: without a word about it the GIL "
        "stays held.",
        group=Group.HOLDS,
        code="C",
        jobs=("cpu", "sum"),
        overlaps={"native": False},
        command=lambda folder: command(folder, "hold"),
        extras=("spans",),
    ),
    Road(
        name="cython-nogil",
        what="The same calls in `with nogil:`, made from Python threads. Cython refuses Python objects inside.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum"),
        overlaps={"native": True},
        command=lambda folder: command(folder, "nogil"),
        extras=("spans",),
    ),
    Road(
        name="cython-prange",
        what="A loop over `prange`, which OpenMP shares among threads of its own. Scalars are merged, arrays are not.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum"),
        overlaps={"native": True},
        command=lambda folder: command(folder, "prange"),
    ),
)
