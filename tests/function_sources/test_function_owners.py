"""What functions of others say about themselves, who keeps their code alive, and why they do not travel."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from others import _KEPT, CYTHON, TWICE, Owner, X, capsule, every_executor, extension, sources

import pyffipar as pf
from pyffipar.sources.symbols import open_library

numba: Any = importlib.import_module("numba")  # its own annotations cover only a part of it


# What functions say about themselves


def test_a_declaration_that_differs_is_refused_with_both_sides(
    built: Path, cython_module: Any, cffi_module: Any
) -> None:
    wrong = "double twice(float x);"
    told = {
        "capsule": "double (double)",
        "cffi function": "double(*)(double)",
        "numba cfunc": "(float64,) -> float64",
        "ctypes function": "c_double (c_double)",
    }
    seen = set()
    for kind, source in sources(built, cython_module, cffi_module).items():
        silent = (
            "address",
            "capsule without a name",
            "path",
            "path object",
            "library",
            "ctypes library",
            "ctypes function",
        )
        if kind in silent or kind == "numba njit":
            continue
        with pytest.raises(pf.PrototypeError) as caught:
            pf.function(source, wrong)
        first, second = caught.value.message.split("\n")
        assert first.startswith("twice: the declaration does not agree with the ")
        assert second.endswith(", not float x")
        assert second.startswith("  parameter 1 is ")
        assert caught.value.text[caught.value.position :] == "x);"
        seen |= {name for name, text in told.items() if first.endswith(f"with the {name}, which is {text}")}
    assert seen == set(told)


def test_types_set_on_a_ctypes_function_are_compared(built: Path) -> None:
    opened = ctypes.CDLL(str(built))
    opened.twice.argtypes = (ctypes.c_int,)
    for source in (opened.twice, opened):
        with pytest.raises(pf.PrototypeError, match=r"parameter 1 is c_int, not double x"):
            pf.function(source, TWICE)
    opened.twice.argtypes = (ctypes.c_double,)
    opened.twice.restype = ctypes.c_float
    with pytest.raises(pf.PrototypeError, match=r"it returns c_float, not double"):
        pf.function(opened, TWICE)
    opened.twice.restype = ctypes.c_double
    assert pf.function(opened.twice, TWICE)(1.0) == 2.0


def test_a_function_of_any_number_of_arguments_is_refused(cffi_module: Any) -> None:
    with pytest.raises(pf.PrototypeError, match=r"it takes any number of arguments"):
        pf.function(cffi_module.lib, "int any_number(int n);")


def test_the_parameter_that_cpdef_adds_is_explained(cython_module: Any) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        pf.function(cython_module, "double both(double x);")
    lines = caught.value.message.split("\n")
    assert lines[1:] == [
        "  it has 2 parameters, not 1",
        "  (Cython's cpdef functions take one more: declare it, as in `int skip) fixed(skip = 1)`)",
    ]
    assert pf.function(cython_module, "double both(double x, int skip) fixed(skip = 1);")(2.0) == 6.0


def test_names_of_types_that_the_declaration_defines_are_compared(built: Path) -> None:
    address = open_library(built).symbol("twice").address
    one = capsule(address, _KEPT[2])
    with pytest.raises(pf.PrototypeError, match="parameter 1 is real, not double x"):
        pf.function(one, "typedef float real; double twice(double x, void *h);")
    pf.function(one, "typedef double real; double twice(double x, void *h);")
    pf.function(one, "double twice(double x, void *h);")  # nobody knows what real is


# Who lives how long


def made_alive(kind: str, built: Path) -> Any:
    """A function pointer whose owner can be watched."""
    if kind == "ctypes":
        return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: 2 * x)
    if kind == "cffi":
        return cffi.FFI().callback("double(double)", lambda x: 2 * x)
    return numba.cfunc("float64(float64)")(lambda x: 2 * x)


@pytest.mark.parametrize("kind", ["ctypes", "cffi", "numba"])
def test_whoever_owns_the_code_lives_as_long_as_the_function(built: Path, kind: str) -> None:
    owner = made_alive(kind, built)
    watched = weakref.ref(owner)
    twice = pf.function(owner, TWICE)
    other = twice.options(threads=2)
    del owner, twice
    gc.collect()
    assert watched() is not None
    np.testing.assert_array_equal(other(X[:100]), 2 * X[:100])
    again = other.prepare(X[:100])
    del other
    gc.collect()
    assert watched() is not None
    np.testing.assert_array_equal(again(), 2 * X[:100])
    del again
    gc.collect()
    assert watched() is None


def test_what_numba_compiled_lives_as_long_as_the_function() -> None:
    twice = pf.function(numba.njit(lambda x: 2 * x), TWICE)
    gc.collect()
    np.testing.assert_array_equal(twice(X), 2 * X)


def test_a_capsule_lives_as_long_as_the_function(built: Path) -> None:
    dead: list[int] = []
    bury = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(dead.append)
    address = open_library(built).symbol("twice").address
    twice = pf.function(capsule(address, _KEPT[0], ctypes.cast(bury, ctypes.c_void_p)), TWICE)
    gc.collect()
    assert not dead
    assert twice(1.0) == 2.0
    del twice
    gc.collect()
    assert len(dead) == 1


@every_executor
@pytest.mark.parametrize("by", ["address", "library"])
def test_what_is_given_as_keepalive_lives_as_long_as_the_function(built: Path, executor: str, by: str) -> None:
    owner = Owner()
    watched = weakref.ref(owner)
    source = built if by == "library" else open_library(built).symbol("twice").address
    twice = pf.function(source, TWICE, keepalive=owner).options(executor=executor)
    del owner
    gc.collect()
    assert watched() is not None
    np.testing.assert_array_equal(twice.submit(X).result(), 2 * X)
    again = twice.prepare(X)
    del twice
    gc.collect()
    assert watched() is not None
    del again
    gc.collect()
    assert watched() is None


@every_executor
def test_a_call_in_flight_holds_what_its_function_holds(built: Path, executor: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(x: float) -> float:
        begun.set()
        go_on.wait(60)
        return 2 * x

    callback = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(wait)
    watched = weakref.ref(callback)
    future = pf.function(callback, TWICE).options(executor=executor, threads=2).submit(X[:4])
    del callback
    begun.wait(60)
    gc.collect()
    assert watched() is not None
    go_on.set()
    np.testing.assert_array_equal(future.result(timeout=60), 2 * X[:4])


def test_a_library_that_its_owner_closes_stays_loaded(cc: str, tmp_path: Path) -> None:
    """cffi and ctypes' users may close theirs at any time; a function pointer of it would then lead nowhere."""
    for number, way in enumerate(("cffi", "capsule", "address", "ctypes")):
        path = tmp_path / f"libclosed{number}.so"
        (tmp_path / "source.c").write_text(f"/* {way} */ double twice(double x) {{ return 2 * x; }}")
        subprocess.run([cc, "-shared", "-fPIC", str(tmp_path / "source.c"), "-o", str(path)], check=True)
        ffi = cffi.FFI()
        ffi.cdef(TWICE)
        opened = ffi.dlopen(str(path))
        address = int(ffi.cast("uintptr_t", opened.twice))
        source = {
            "cffi": opened.twice,
            "capsule": capsule(address, _KEPT[0]),
            "address": address,
            "ctypes": ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address),
        }[way]
        twice = pf.function(source, TWICE)
        ffi.dlclose(opened)
        assert twice(2.0) == 4.0, way


def test_a_module_that_is_dropped_leaves_its_code(cc: str, tmp_path: Path) -> None:
    (tmp_path / "dropped.pyx").write_text(CYTHON)
    subprocess.run([sys.executable, "-m", "cython", "dropped.pyx"], cwd=tmp_path, check=True, capture_output=True)
    module = extension(cc, tmp_path / "dropped.c")
    twice = pf.function(module, TWICE)
    del module
    gc.collect()
    assert twice(2.0) == 4.0


# What cannot travel


def test_functions_of_this_process_alone_say_why_they_are_not_pickled(
    built: Path, cython_module: Any, cffi_module: Any
) -> None:
    travel = {"path", "path object", "ctypes library", "library"}
    for kind, source in sources(built, cython_module, cffi_module).items():
        function = pf.function(source, TWICE)
        if kind in travel:
            assert pickle.loads(pickle.dumps(function))(2.0) == 4.0
            continue
        with pytest.raises(TypeError) as caught:
            pickle.dumps(function)
        message = str(caught.value)
        assert message.startswith("twice cannot be pickled: it comes from a ")
        assert ", which only this process has. " in message
        remedies = (
            f"Declare it with pf.load('{built}', ...): that can be pickled",
            "Make it in the other process, too, with pf.function",
        )
        assert message.endswith(remedies), kind
