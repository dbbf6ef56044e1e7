"""All roads, in the order in which the story is told."""

from __future__ import annotations

import importlib

from .base import Road

MODULES = (
    "sequential",
    "threads",
    "futures_threads",
    "coroutines",
    "extension",
    "cython_module",
    "ctypes_library",
    "cffi_library",
    "numba_functions",
    "numpy_threads",
    "pyffipar_functions",
    "processes",
    "futures_processes",
    "pypy",
    "graalpy",
    "free_threaded",
    "subinterpreters",
    "jython",
    "ironpython",
    "java",
)


def all_roads() -> list[Road]:
    """Every road there is."""
    return [road for name in MODULES for road in importlib.import_module(f"roads.{name}").ROADS]


def chosen(names: str | None) -> list[Road]:
    """Those named, with commas between; all if None.

    Raises
    ------
    ValueError
        For a name no road has.
    """
    roads = all_roads()
    if names is None:
        return roads
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {road.name for road in roads}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ValueError(f"no road is called {', '.join(unknown) or 'nothing'}; there are {', '.join(sorted(known))}")
    return [road for road in roads if road.name in wanted]
