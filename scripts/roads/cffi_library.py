"""cffi, in both its modes."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import Any

from .common.base import Command, Group, Prepared, Road, Work, module, python_headers, worker
from .common.build import jobs_library, shared_object
from .common.calls import Calls, by_threads
from .extension import load

INSTALL = "pip install cffi"
DECLARATIONS = """
long fib(int n);
long timed_fib(int n);
double total(size_t n, const double *x);
long get(int port);
int meet(int wanted, int patience);
"""
NAME = "_cffi_jobs"


def setup(variant: str, path: str) -> Calls:
    """Open the library, or import what was built."""
    if variant == "abi":
        ffi = importlib.import_module("cffi").FFI()
        ffi.cdef(DECLARATIONS)
        library = ffi.dlopen(path)
    else:
        built = load(path, NAME)
        ffi, library = built.ffi, built.lib

    def total(data: Any, start: int, stop: int) -> float:
        result: float = library.total(stop - start, ffi.from_buffer("double[]", data) + start)
        return result

    return Calls(library.fib, total, library.get, library.meet, library.timed_fib, path)


def prepare(calls: Calls, work: Work) -> Prepared:
    """Make a job ready for threads that call the library."""
    return by_threads(calls, work)


def command(folder: Path, variant: str) -> Command:
    """The worker, with library or module built."""
    module("cffi", INSTALL)
    path = jobs_library(folder) if variant == "abi" else api_module(folder / "cffi")
    return worker("cffi_library", variant, str(path))


def api_module(folder: Path) -> Path:
    """Cffi writes the C of an extension module, the compiler does the rest."""
    headers = python_headers()
    folder.mkdir(parents=True, exist_ok=True)
    ffi = importlib.import_module("cffi").FFI()
    ffi.cdef(DECLARATIONS)
    ffi.set_source(NAME, '#include "jobs.c"')
    source = folder / f"{NAME}.c"
    with contextlib.redirect_stdout(sys.stderr):  # it talks, and standard output may be carrying JSON
        ffi.emit_c_code(str(source))
    return shared_object(folder / f"{NAME}.so", source, f"-I{headers}")


ROADS = (
    Road(
        name="cffi-abi",
        what="cffi opens a library and calls it from declarations alone, without a compiler. It lets go of the "
        "GIL around each call.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda folder: command(folder, "abi"),
        extras=("spans",),
    ),
    Road(
        name="cffi-api",
        what="cffi writes an extension module that the C compiler checks and builds. Calls are cheaper, the GIL "
        "is let go of as well.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda folder: command(folder, "api"),
        extras=("spans",),
    ),
)
