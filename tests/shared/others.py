"""Functions of other toolkits: what ctypes, cffi, Cython, SciPy and plain addresses have."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import cffi
import numpy as np
import pytest

import pyffipar as pf
from pyffipar.sources.symbols import open_library

numba: Any = importlib.import_module("numba")  # its own annotations cover only a part of it

SOURCE = r"""
#include <stddef.h>
#include <stdarg.h>
double twice(double x) { return 2 * x; }
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
int any_number(int n, ...) { return n; }
int check(double x) { return x < 0; }
const char *words(int code) { return code ? "negative" : "fine"; }
double (*variable)(double) = twice;
double data[4] = {1, 2, 3, 4};
"""
TWICE = "double twice(double x);"
TOTAL = "double total(size_t n, const double x[n]) reduction(+);"
CYTHON = """
# cython: language_level=3
cdef api double twice(double x) noexcept nogil:
    return 2 * x
cdef api double total(Py_ssize_t n, const double *x) noexcept nogil:
    cdef double s = 0
    cdef Py_ssize_t i
    for i in range(n):
        s += x[i]
    return s
cdef api object handle(object x):
    return x
cpdef api double both(double x) noexcept nogil:
    return 3 * x
"""
X = np.arange(100_000.0)

every_executor = pytest.mark.parametrize("executor", ["native", "threads", "serial"])


class Owner:
    """Something that can be seen to die."""


def extension(cc: str, source: Path) -> ModuleType:
    """An extension module, compiled and imported without being put into sys.modules."""
    name = source.stem
    path = source.with_name(name + sysconfig.get_config_var("EXT_SUFFIX"))
    include = sysconfig.get_path("include")
    subprocess.run([cc, "-w", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(path)], check=True)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def dlopened(built: Path) -> tuple[Any, Any]:
    ffi = cffi.FFI()
    ffi.cdef("double twice(double x); double total(size_t n, double *x);")
    return ffi, ffi.dlopen(str(built))


def capsule(address: int, name: bytes | None, destroyed: Any = None) -> Any:
    new: Any = ctypes.pythonapi["PyCapsule_New"]
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(address, name, destroyed)


_KEPT = (b"double (double)", b"double (size_t, double const *)", b"double (real, void *)")  # capsules point to them


class LowLevelCallable(tuple[Any, ...]):
    """As SciPy's: a tuple of something of its own, the function, and what it is called with."""

    __slots__ = ()

    @property
    def function(self) -> Any:
        return self[1]

    @property
    def user_data(self) -> Any:
        return self[2]

    @property
    def signature(self) -> str:
        return "double (double)"


def sources(built: Path, cython_module: Any, cffi_module: Any) -> dict[str, Any]:
    """The function `twice` as each of them has it."""
    ffi, library = dlopened(built)
    opened = ctypes.CDLL(str(built))
    typed = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    address = open_library(built).symbol("twice").address

    def double_it(x: float) -> float:
        return 2 * x

    return {
        "path": str(built),
        "path object": built,
        "ctypes library": opened,
        "library": pf.load(built),
        "ctypes function": opened.twice,
        "ctypes pointer": typed(("twice", opened)),
        "ctypes callback": typed(double_it),
        "cffi library": library,
        "cffi function": library.twice,
        "cffi address": ffi.addressof(library, "twice"),
        "cffi callback": ffi.callback("double(double)", double_it),
        "cffi compiled library": cffi_module.lib,
        "cffi compiled function": cffi_module.lib.twice,
        "cffi compiled address": cffi_module.ffi.addressof(cffi_module.lib, "twice"),
        "numba cfunc": numba.cfunc("float64(float64)")(double_it),
        "numba cfunc's ctypes": numba.cfunc("float64(float64)")(double_it).ctypes,
        "numba njit": numba.njit(double_it),
        "numba njit with its signature": numba.njit("float64(float64)")(double_it),
        "Cython module": cython_module,
        "Cython capsule": cython_module.__pyx_capi__["twice"],
        "capsule": capsule(address, _KEPT[0]),
        "capsule without a name": capsule(address, None),
        "LowLevelCallable": LowLevelCallable((None, capsule(address, _KEPT[0]), None)),
        "LowLevelCallable of ctypes": LowLevelCallable((None, opened.twice, None)),
        "address": address,
    }
