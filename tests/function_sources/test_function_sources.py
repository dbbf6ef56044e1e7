"""One function of whatever has a C address: where it is found, what it says about itself, and who keeps it alive."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from others import TOTAL, TWICE, LowLevelCallable, X, capsule, dlopened, sources

import pyffipar as pf
from pyffipar.sources.symbols import open_library

numba: Any = importlib.import_module("numba")  # its own annotations cover only a part of it


# Where functions are found


def test_every_source_gives_the_same_function(built: Path, cython_module: Any, cffi_module: Any) -> None:
    for kind, source in sources(built, cython_module, cffi_module).items():
        for executor in ("native", "threads", "serial"):
            twice = pf.function(source, TWICE).options(executor=executor, threads=2)
            np.testing.assert_array_equal(twice(X[:500]), 2 * X[:500], err_msg=f"{kind}, {executor}")


def test_arrays_reach_functions_of_every_maker(built: Path, cython_module: Any, cffi_module: Any) -> None:
    def summed(n: int, pointer: Any) -> float:
        total = 0.0
        for value in numba.carray(pointer, n):
            total += value
        return total

    signature = numba.types.float64(numba.types.uint64, numba.types.CPointer(numba.types.float64))
    made: list[tuple[Any, str]] = [
        (numba.njit(summed), TOTAL),
        (numba.cfunc(signature)(summed), TOTAL),
        (cffi_module.lib, TOTAL),
        (dlopened(built)[1], TOTAL),
        (cython_module, TOTAL.replace("size_t", "ssize_t")),
    ]
    expected = pf.load(built, TOTAL).total(X)
    assert [float(pf.function(source, text)(X)) for source, text in made] == [float(expected)] * len(made)


def test_the_name_may_be_another_one_there(built: Path, cython_module: Any, cffi_module: Any) -> None:
    for source in (built, ctypes.CDLL(str(built)), pf.load(built), cython_module, cffi_module.lib, dlopened(built)[1]):
        double_it = pf.function(source, "double double_it(double x);", name="twice")
        assert double_it.__name__ == "double_it"
        assert double_it(4.0) == 8.0
    arrived = pickle.loads(pickle.dumps(pf.function(built, "double double_it(double x);", name="twice")))
    assert (arrived.__name__, arrived(4.0)) == ("double_it", 8.0)


def test_functions_of_libraries_have_all_that_load_gives_them(built: Path) -> None:
    with pytest.raises(pf.ChunkError, match="negative"):
        pf.function(built, "int check(double x) status(0, words);")(-1.0)
    assert pf.function(built, "double (*variable)(double x);")(2.0) == 4.0
    text = "double total(size_t n, const double x[n]) reduction(join(_, _));"
    joined = pf.function(built, text, callables={"join": lambda one, other: one + other})
    assert joined(X) == pf.load(built, TOTAL).total(X)


def test_numba_compiles_for_the_declared_types() -> None:
    add = numba.njit(lambda one, other: one + other)
    assert pf.function(add, "int add(int one, short other);")(3, [4, 5]).dtype == np.int32
    assert pf.function(add, "double add(double one, float other);")(3.5, [4.0]).tolist() == [7.5]
    assert not add.signatures  # the dispatcher itself learnt nothing


def test_of_several_signatures_the_fitting_one_is_taken() -> None:
    same = numba.njit(["float64(float64)", "int32(int32)"])(lambda x: x)
    assert pf.function(same, "int same(int x);")([3]).dtype == np.int32
    with pytest.raises(pf.PrototypeError, match="parameter 1 is float64, not float x"):
        pf.function(same, "float same(float x);")


def test_options_of_a_numba_function_count() -> None:
    over = numba.njit(error_model="numpy")(lambda x: 1 / x)
    assert pf.function(over, "double over(double x);")(0.0) == np.inf


def test_what_a_function_is_made_of_shows() -> None:
    twice = pf.function(numba.cfunc("float64(float64)")(lambda x: 2 * x), TWICE)
    assert twice.library == "<numba cfunc>"
    assert repr(twice) == "<double twice(double x); from <numba cfunc>>"


# What is refused


def test_functions_that_are_not_there_are_named_with_their_neighbours(
    built: Path, cython_module: Any, cffi_module: Any
) -> None:
    text = "double twise(double x);"
    with pytest.raises(pf.LibraryError, match=r"has no function 'twise'; it has twice"):
        pf.function(built, text)
    with pytest.raises(pf.LibraryError, match=r"module made_by_cython exports no C function 'twise'; it has twice"):
        pf.function(cython_module, text)
    for library in (cffi_module.lib, dlopened(built)[1]):
        with pytest.raises(pf.LibraryError, match=r"twise.*ffi\.cdef"):
            pf.function(library, text)


REFUSED: list[tuple[Callable[..., Any], type[Exception], str]] = [
    (lambda *_: len, TypeError, "<built-in function len> is no function with an address"),
    (lambda *_: np.add, TypeError, "is no function with an address"),
    (lambda *_: lambda x: x, TypeError, "is no function with an address"),
    (lambda *_: None, TypeError, "None is no function with an address"),
    (lambda *_: True, TypeError, "True is no function with an address"),
    (lambda *_: 1.5, TypeError, "is no function with an address"),
    (lambda *_: 0, ValueError, "plain address: at 0x0 there is no code in this process"),
    (lambda *_: -1, ValueError, "there is no code"),
    (lambda *_: 1 << 64, ValueError, "there is no code"),
    (lambda *_: id(None), ValueError, "there is no code"),
    (
        lambda *_: ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(),
        ValueError,
        "ctypes function: at 0x0 there is no code",
    ),
    (lambda *_: ctypes.pythonapi, TypeError, "run under the GIL"),
    (lambda *_: ctypes.pythonapi.PyList_New, TypeError, "GIL held"),
    (lambda *_: ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_double)(float), TypeError, "GIL held"),
    (lambda *_: cffi.FFI().new("double *"), TypeError, "is no function pointer: pass ffi.addressof(lib, name)"),
    (lambda *_: np, TypeError, "module numpy exports no C functions: it has no __pyx_capi__"),
    (lambda cython: cython.__pyx_capi__["handle"], TypeError, "PyObject *(PyObject *), handles Python objects"),
    (lambda *_: capsule(id(None), b"numpy._ARRAY_API"), TypeError, "may hold anything: its name is no C signature"),
    (
        lambda *_: LowLevelCallable((None, None, 5)),
        TypeError,
        "has user_data: declare the parameter it goes to as a handle",
    ),
    (lambda *_: numba.njit("float64(float64[:])")(lambda x: x[0]), TypeError, "is no type of C"),
    (lambda *_: numba.cfunc("complex64(complex64)")(lambda x: x), TypeError, "passes complex64 by value"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_leads_to_no_function_is_refused(
    cython_module: Any, make: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        pf.function(make(cython_module), TWICE)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one function is declared here, not none: load() takes several"),
        ("typedef int a;", "one function is declared here, not none: load() takes several"),
        (TWICE + TOTAL, "one function is declared here, not twice, total: load() takes several"),
        (
            "double (*twice)(double x);",
            "what is given is the function itself, not a variable with its address: write twice(…)",
        ),
        (
            "int twice(double x) status(0, words);",
            (
                "twice: words is looked up in the library that has twice, and a plain address comes from none: "
                "load() the library that has both"
            ),
        ),
    ],
)
def test_declarations_that_one_address_cannot_serve_are_refused(built: Path, text: str, message: str) -> None:
    address = open_library(built).symbol("twice").address
    with pytest.raises(pf.PrototypeError) as caught:
        pf.function(address, text)
    assert caught.value.message == message


def test_a_name_chooses_only_where_there_are_several(built: Path) -> None:
    address = open_library(built).symbol("twice").address
    with pytest.raises(
        TypeError, match=r"name='twice' chooses among the functions of a library or module, and \d+ is neither"
    ):
        pf.function(address, TWICE, name="twice")
