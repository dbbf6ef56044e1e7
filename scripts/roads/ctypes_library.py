"""ctypes, with the two kinds of library it knows."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from .common.base import Command, Group, Prepared, Road, Work, worker
from .common.build import jobs_library
from .common.calls import Calls, by_threads

KINDS = {"cdll": "CDLL", "pydll": "PyDLL"}


def setup(variant: str, path: str) -> Calls:
    """Load the library and declare its functions."""
    library = getattr(ctypes, KINDS[variant])(path)  # PyPy has no PyDLL
    library.total.argtypes = ctypes.c_size_t, ctypes.c_void_p
    library.total.restype = ctypes.c_double
    for name in ("fib", "timed_fib", "get"):
        library[name].argtypes = (ctypes.c_int,)
        library[name].restype = ctypes.c_long
        setattr(library, name, library[name])

    def total(data: Any, start: int, stop: int) -> float:
        address, _length = data.buffer_info()
        result: float = library.total(stop - start, address + start * data.itemsize)
        return result

    return Calls(library.fib, total, library.get, library.meet, library.timed_fib, path)


def prepare(calls: Calls, work: Work) -> Prepared:
    """Make a job ready for threads that call the library."""
    return by_threads(calls, work)


def command(folder: Path, variant: str) -> Command:
    """The worker, with the jobs compiled."""
    return worker("ctypes_library", variant, str(jobs_library(folder)))


ROADS = (
    Road(
        name="ctypes-pydll",
        what="A C library loaded with ctypes.PyDLL, which keeps the GIL during each call. It is meant for "
        "functions that call back into Python; for others it makes even waiting sequential.",
        group=Group.HOLDS,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": False, "requests": False},
        command=lambda folder: command(folder, "pydll"),
        extras=("spans",),
    ),
    Road(
        name="ctypes-cdll",
        what="The same library loaded with ctypes.CDLL, which lets go of the GIL around each call. Threads and "
        "chunks are yours to manage.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda folder: command(folder, "cdll"),
        extras=("spans", "moving"),
    ),
)
