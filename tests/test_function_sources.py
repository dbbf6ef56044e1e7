"""One function of whatever has a C address: where it is found, what it says about itself, and who keeps it alive."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import pickle
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable
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


@pytest.fixture(scope="module")
def built(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions.c").write_text(SOURCE)
    path = folder / "libfunctions.so"
    subprocess.run([cc, "-shared", "-fPIC", str(folder / "functions.c"), "-o", str(path)], check=True)
    return path


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


@pytest.fixture(scope="module")
def cython_module(cc: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("cython")
    (folder / "made_by_cython.pyx").write_text(CYTHON)
    subprocess.run([sys.executable, "-m", "cython", "made_by_cython.pyx"], cwd=folder, check=True, capture_output=True)
    return extension(cc, folder / "made_by_cython.c")


@pytest.fixture(scope="module")
def cffi_module(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    ffi = cffi.FFI()
    ffi.cdef("double twice(double x); double total(size_t n, const double *x); int any_number(int n, ...);")
    ffi.set_source("made_by_cffi", SOURCE)
    path = tmp_path_factory.mktemp("cffi") / "made_by_cffi.c"
    ffi.emit_c_code(str(path))
    return extension(cc, path)


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


# Where functions are found


def sources(built: Path, cython_module: Any, cffi_module: Any) -> dict[str, Any]:
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
