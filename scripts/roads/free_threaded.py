"""CPython without a GIL."""

from __future__ import annotations

from pathlib import Path

from .common.base import Command, Group, Road, worker
from .common.build import jobs_library
from .common.interpreters import find

NAMES = ("python3.15t", "python3.14t", "python3.13t")


def interpreter() -> str:
    """Path of a free-threaded CPython."""
    return find(
        NAMES,
        "hasattr(sys, '_is_gil_enabled') and not sys._is_gil_enabled()",
        "there is no free-threaded CPython (python3.13t, python3.14t) on PATH; Debian has none",
        "CPython's source: ./configure --disable-gil && make && make altinstall",
    )


def library(folder: Path, kind: str) -> Command:
    """A worker that calls C."""
    path = interpreter()
    return worker("ctypes_library", kind, str(jobs_library(folder)), interpreter=path)


ROADS = (
    Road(
        name="free-threaded",
        what="The same threads on a CPython built without the GIL. Plain Python overlaps; single-threaded code "
        "pays for it.",
        group=Group.NONE,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=lambda _folder: worker("threads", "", interpreter=interpreter()),
        extras=("sweep",),
    ),
    Road(
        name="free-threaded-pydll",
        what="ctypes.PyDLL on that interpreter. There is nothing to hold, so even these calls meet.",
        group=Group.NONE,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda folder: library(folder, "pydll"),
        extras=("spans",),
    ),
)
