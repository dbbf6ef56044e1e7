"""Looking: versions, library, CPUs, other pools, compilers, cache, extras, as plain data. Nothing is left changed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_char_p
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf
from pyffipar import _native
from pyffipar.executors import repertoire
from pyffipar.sources.compile_cache import workshop
from pyffipar.sources.compilers import LANGUAGES, find_compiler
from pyffipar.system import cpus

Facts = dict[str, Any]

# For every extra the modules that it brings.
EXTRAS = {
    "dask": ("dask", "distributed"),
    "plot": ("matplotlib",),
    "progress": ("tqdm",),
    "roads": ("cffi", "Cython", "matplotlib", "numba", "rich"),
    "threadpoolctl": ("threadpoolctl",),
}
VARIABLES = (
    *cpus.THREAD_VARIABLES, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "OMP_PROC_BIND", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "PYFFIPAR_LIBRARY", "PYFFIPAR_CACHE_DIR",
    "PYFFIPAR_START_METHOD", "PYFFIPAR_UNPICKLE", "CC", "CXX", "PYTHON_GIL",
)  # fmt: skip


def look() -> Facts:
    """All of it, section by section; one that cannot be looked at says why under ``error``."""
    sections: dict[str, Callable[[], Facts]] = {
        "python": python, "pyffipar": package, "library": library, "cpus": cpu_facts, "environment": environment,
        "pools": pools, "compilers": compilers, "cache": cache, "extras": extras,
    }  # fmt: skip
    return {name: _tried(section) for name, section in sections.items()}


def _tried(section: Callable[[], Facts]) -> Facts:
    try:
        return section()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what is looked for
        return {"error": f"{type(error).__name__}: {error}"}


def python() -> Facts:
    """The interpreter and NumPy."""
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "free_threaded_build": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil": is_gil_enabled(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }


def package() -> Facts:
    """The package: what is imported, and what is installed."""
    imported = Path(str(pf.__file__)).resolve().parent
    installed = []
    for found in importlib.metadata.distributions(name="pyffipar"):
        place = Path(str(found.locate_file("pyffipar"))).resolve()
        installed.append({"version": found.version, "folder": str(place), "is_imported": place == imported})
    return {"version": pf.__version__, "folder": str(imported), "installed": installed}


def library() -> Facts:
    """The native library: its file, and what it says about itself."""
    loaded = _native.library()
    told = _native.build_info()
    level = loaded.pyffipar_kernel_level
    level.restype, level.argtypes = c_char_p, ()
    return {
        "file": str(loaded._name),  # noqa: SLF001 - ctypes has no other word for it
        "abi": loaded.pyffipar_abi_version(),
        "build": told,
        **{name: _part(told, pattern) for name, pattern in _BUILD.items()},
        "simd_level": level().decode(),
        "simd_of_this_cpu": _simd(),
        "called": "as a built-in function" if repertoire.is_had() else "through ctypes, which takes longer",
    }


_BUILD = {
    "compiler": r"((?:GCC|Clang) [^,]*|unknown compiler)",
    "build_type": r"(?:GCC|Clang) [^,]*, (\w+), libffi",
    "libffi": r"libffi ([^,]*)",
    "register_call": r"register call ([^,]*)",
    "sanitizer": r"sanitizer (.*)",
}


def _part(told: str, pattern: str) -> str:
    match = re.search(pattern, told)
    return match[1] if match else "not said"


def _simd() -> str:
    """The best level this CPU has, by what the kernel says of it."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return "unknown"
    flags = set(re.findall(r"\w+", (re.search(r"^flags\s*:(.*)$", text, re.MULTILINE) or [""])[0]))
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else "baseline"


def cpu_facts() -> Facts:
    """How many CPUs there are, how many may be used and why, and how many threads calls use."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    facts: Facts = {
        "machine": os.cpu_count(),
        "affinity": allowed,
        "usable": cpus.usable_cpus(),
        "is_limited_by_cgroup": allowed is not None and cpus.usable_cpus() < len(allowed),
    }
    try:
        facts["threads"] = cpus.default_threads()
    except ValueError as error:
        facts["threads"], facts["error"] = None, str(error)
    return facts


def environment() -> Facts:
    """Variables that change what calls do, as far as they are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def pools() -> Facts:
    """Other thread pools in this process, as threadpoolctl sees them."""
    pf.register_threadpoolctl()  # says which extra it wants
    import threadpoolctl

    return {"found": [dict(pool) for pool in threadpoolctl.threadpool_info()]}


def compilers() -> Facts:
    """What compiles C and C++; for each language that has none, why."""
    found: Facts = {}
    for name, language in LANGUAGES.items():
        try:
            compiler = find_compiler(language)
            found[name] = {"command": list(compiler.command), "version": compiler.name}
        except pf.CompileError as error:
            found[name] = {"error": str(error)}
    return found


def cache() -> Facts:
    """The compile cache, in which something is made and removed again, as `pf.compile` does."""
    place = pf.compile_cache.folder()
    new = [one for one in (place, *place.parents) if not one.exists()]
    try:
        with workshop() as aside:
            (aside / "probe").write_bytes(b"written")
    finally:
        for folder in new:
            with suppress(OSError):  # somebody has compiled something meanwhile, or it was never made
                folder.rmdir()
    entries = pf.compile_cache.entries()
    return {
        "folder": str(place),
        "entries": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "last_used": max((entry.last_used for entry in entries), default=None),
    }


def extras() -> Facts:
    """Which optional parts are there, and for each module its version."""
    return {extra: {module: _version(module) for module in modules} for extra, modules in EXTRAS.items()}


def _version(module: str) -> str | None:
    """The version of a module's distribution; None if it cannot be imported."""
    if importlib.util.find_spec(module) is None:
        return None
    names = importlib.metadata.packages_distributions().get(module, [module])
    return importlib.metadata.version(names[0])
