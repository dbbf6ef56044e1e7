"""What to fix: each finding says what is wrong, why that matters, and the command that mends it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what is here has to work where NumPy or the package is missing
    from .selftest import Trial

LARGE_CACHE = 1 << 30  # bytes
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to fix.

    Attributes
    ----------
    what, why, command : str
    is_fault : bool
        Whether something does not work; else it could be better.
    """

    what: str
    why: str
    command: str
    is_fault: bool = True


def findings(facts: Facts, trials: Sequence[Trial]) -> list[Finding]:
    """Everything to fix, faults first."""
    found = [
        *_library(facts["library"], facts["environment"]),
        *_package(facts["pyffipar"]),
        *_python(facts["python"]),
        *_threads(facts["cpus"], facts["environment"]),
        *_pools(facts["pools"]),
        *_compilers(facts["compilers"], facts["environment"]),
        *_cache(facts["cache"], facts["environment"]),
        *_trials(trials, facts),
    ]
    return sorted(found, key=lambda finding: not finding.is_fault)


def absences() -> list[Finding]:
    """What has to be there before anything can be looked at."""
    found: dict[str, Finding] = {}
    why = "pyffipar does not work without it; if it is there for another Python, start doctor.py with that one"
    for module in ("numpy", "pycparser", "pyffipar"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            if error.name in found:  # it lacks one that was told already
                continue
            is_absent = isinstance(error, ModuleNotFoundError) and error.name == module
            what = f"{module} " + (
                f"is not installed for {sys.executable}" if is_absent else f"cannot be imported: {error}"
            )
            package = "pyffipar  # in a checkout: ." if module == "pyffipar" else module
            found[module] = Finding(what, why, f"{sys.executable} -m pip install {package}")
    return list(found.values())


INSTALL = f"{sys.executable} -m pip install --force-reinstall --no-deps pyffipar  # in a checkout: ."


def _library(library: Facts, environment: Facts) -> Iterator[Finding]:
    if "error" in library:
        command = "unset PYFFIPAR_LIBRARY" if "PYFFIPAR_LIBRARY" in environment else INSTALL
        yield Finding(library["error"], "without it there is no executor native, and no pf.sum", command)
        return
    if library["build_type"] not in ("Release", "RelWithDebInfo", "not said"):
        yield Finding(
            f"the native library is a {library['build_type'] or 'nameless'} build",
            "calls and kernels are several times slower than they could be",
            "cmake --preset release && cmake --build --preset release",
            is_fault=False,
        )
    if library["sanitizer"] not in ("none", "not said"):
        why = "that is for looking for errors, and slow"
        yield Finding(
            f"the native library has the sanitizer {library['sanitizer']}",
            why,
            "unset PYFFIPAR_LIBRARY",
            is_fault=False,
        )
    if library["simd_of_this_cpu"] not in ("unknown", library["simd_level"]):
        yield Finding(
            f"the kernels run at level {library['simd_level']}, this CPU has {library['simd_of_this_cpu']}",
            "pf.sum and its like are slower than they could be",
            INSTALL,
            is_fault=False,
        )


def _package(package: Facts) -> Iterator[Finding]:
    others = [found for found in package["installed"] if not found["is_imported"]]
    if others:
        yield Finding(
            f"pyffipar is imported from {package['folder']}, but version {others[0]['version']} is installed in"
            f" {others[0]['folder']}",
            "which one a program gets depends on the folder it is started from",
            f"{sys.executable} -m pip uninstall pyffipar",
            is_fault=False,
        )


def _python(python: Facts) -> Iterator[Finding]:
    if python["free_threaded_build"] and python["gil"]:
        yield Finding(
            "this Python was built to run without the GIL, and runs with it",
            "some extension module has switched it on",
            f"PYTHON_GIL=0 {sys.executable} …",
            is_fault=False,
        )


def _threads(cpus: Facts, environment: Facts) -> Iterator[Finding]:
    if "error" in cpus:
        name = next((name for name in ("PYFFIPAR_NUM_THREADS", "OMP_NUM_THREADS") if environment.get(name)), "")
        yield Finding(cpus["error"], "every call that does not say threads= fails", f"unset {name}")
        return
    if cpus["threads"] > cpus["usable"]:
        yield Finding(
            f"calls use {cpus['threads']} threads on {cpus['usable']} CPUs",
            "threads that wait for a CPU make calls slower, not faster",
            f"export PYFFIPAR_NUM_THREADS={cpus['usable']}",
            is_fault=False,
        )
    if cpus["threads"] < cpus["usable"] and not environment.get("PYFFIPAR_NUM_THREADS"):
        openmp = environment["OMP_NUM_THREADS"]
        yield Finding(
            f"OMP_NUM_THREADS={openmp} keeps calls to {cpus['threads']} of {cpus['usable']} CPUs",
            "pyffipar follows it unless it has a variable of its own",
            f"export PYFFIPAR_NUM_THREADS={cpus['usable']}",
            is_fault=False,
        )


def _pools(pools: Facts) -> Iterator[Finding]:
    openmp = sorted({pool["prefix"] for pool in pools.get("found", ()) if pool["user_api"] == "openmp"})
    if len(openmp) > 1:
        yield Finding(
            f"{len(openmp)} OpenMP runtimes are loaded: {', '.join(openmp)}",
            "they know nothing of each other, and some pairs crash or hang",
            "conda install nomkl  # or take all packages from one source",
            is_fault=False,
        )


_COMPILER_VARIABLES = {"c": "CC", "c++": "CXX"}


def _compilers(compilers: Facts, environment: Facts) -> Iterator[Finding]:
    for name, found in compilers.items():
        if "error" in found:
            why = "pf.compile and pf.load(header=...) cannot be used" if name == "c" else "pf.compile cannot take C++"
            variable = _COMPILER_VARIABLES[name]
            if named := environment.get(variable, "").strip():
                what = f"{variable}={named} names no compiler that can be started"
                yield Finding(what, why, f"unset {variable}  # or correct it", is_fault=False)
                continue
            command = "apt-get install gcc g++ libc6-dev  # or: pip install ziglang"
            yield Finding(f"no compiler for {name.upper()}: {found['error']}", why, command, is_fault=False)


def _cache(cache: Facts, environment: Facts) -> Iterator[Finding]:
    if "error" in cache:
        why = "pf.compile keeps there what it has compiled, and loads nothing that others may have put there"
        is_named = "PYFFIPAR_CACHE_DIR" in environment
        command = "unset PYFFIPAR_CACHE_DIR" if is_named else "export PYFFIPAR_CACHE_DIR=$(mktemp -d)"
        yield Finding(cache["error"], why, command)
    elif cache["bytes"] > LARGE_CACHE:
        yield Finding(
            f"the compile cache holds {cache['bytes'] / 1e9:.1f} GB in {cache['entries']} entries",
            "entries are never removed by themselves",
            f"{sys.executable} scripts/doctor.py --clear-cache",
            is_fault=False,
        )


def _trials(trials: Sequence[Trial], facts: Facts) -> Iterator[Finding]:
    for trial in trials:
        if trial.is_good or ("error" in facts["library"] and trial.executor == "native"):
            continue
        why = f"calls with executor={trial.executor!r} cannot be trusted"
        yield Finding(
            f"{trial.executor}: {trial.text}", why, f"{sys.executable} -X faulthandler scripts/doctor.py --json"
        )
