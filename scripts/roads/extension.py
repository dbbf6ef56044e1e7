"""A C extension written by hand, built against the running interpreter."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

from .common.base import FOREIGN, Command, Group, Prepared, Road, Work, python_headers, worker
from .common.build import shared_object
from .common.calls import Calls, by_threads


def load(path: str, name: str = "jobs") -> Any:
    """Import an extension module from its file."""
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} is no extension module")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def setup(_variant: str, path: str) -> Calls:
    """Import what was built."""
    jobs = load(path)
    return Calls(jobs.fib, jobs.total, jobs.get, jobs.meet, jobs.timed_fib, path)


def prepare(calls: Calls, work: Work) -> Prepared:
    """Make a job ready for threads that call the extension."""
    return by_threads(calls, work)


def command(folder: Path, variant: str) -> Command:
    """The worker, with the extension built."""
    flags = [f"-I{python_headers()}", *(["-DRELEASE"] if variant == "release" else [])]
    path = shared_object(folder / f"extension-{variant}" / "jobs.so", FOREIGN / "extension.c", *flags)
    return worker("extension", variant, str(path))


ROADS = (
    Road(
        name="c-hold",
        what="An extension module in C that does nothing about the GIL. Whoever writes one gets this by default.",
        group=Group.HOLDS,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": False, "requests": False},
        command=lambda folder: command(folder, "hold"),
        extras=("spans",),
    ),
    Road(
        name="c-release",
        what="The same module with Py_BEGIN_ALLOW_THREADS and Py_END_ALLOW_THREADS around each call. No Python "
        "object may be touched between the two.",
        group=Group.RELEASES,
        code="C",
        jobs=("cpu", "sum", "io"),
        overlaps={"native": True, "requests": True},
        command=lambda folder: command(folder, "release"),
        extras=("spans",),
    ),
)
