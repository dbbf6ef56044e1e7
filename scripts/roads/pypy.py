"""PyPy: a compiler at run time, and a GIL."""

from __future__ import annotations

from pathlib import Path

from .common.base import Command, Group, Road, program, worker
from .common.build import jobs_library


def interpreter() -> str:
    """Path of PyPy."""
    return program("pypy3", "there is no pypy3 on PATH", "apt-get install pypy3")


def threads(_folder: Path) -> Command:
    """A worker that computes in Python."""
    return worker("threads", "", interpreter=interpreter())


def cdll(folder: Path) -> Command:
    """A worker that calls C."""
    path = interpreter()
    return worker("ctypes_library", "cdll", str(jobs_library(folder)), interpreter=path)


ROADS = (
    Road(
        name="pypy",
        what="The same threads on PyPy, which compiles hot loops while they run. Each is much faster; together "
        "they take turns, for PyPy has a GIL too.",
        group=Group.HOLDS,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": False, "requests": True},
        command=threads,
    ),
    Road(
        name="pypy-cdll",
        what="ctypes.CDLL on PyPy. It lets go of PyPy's GIL as CPython's does; there is no PyDLL.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=cdll,
        extras=("spans",),
    ),
)
