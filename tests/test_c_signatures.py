"""What two sources say about one function: what counts as the same, and where they differ."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

import cffi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.errors import PrototypeError
from pyffipar.language.c_signatures import (
    UNKNOWN,
    CSignature,
    check,
    declared,
    differences,
    has_python_objects,
    read_signature,
)
from pyffipar.language.names import TypeNames
from pyffipar.language.prototype import Prototype, read_prototypes
from pyffipar.sources.introspection import numba_signature, of_cffi, of_ctypes, of_numba

numba: Any = importlib.import_module("numba")  # its own annotations cover only a part of it

DECLARED = (
    "typedef double real; typedef struct { double x, y; } point; typedef struct hidden *hidden_t;"
    "typedef int (*compare)(int, int); typedef float quad[4];"
)


def ours(text: str) -> CSignature:
    return declared(prototype(text))


def prototype(text: str) -> Prototype:
    (found,) = read_prototypes(DECLARED + text)
    return found


def told(text: str) -> CSignature:
    """What a capsule says, with the types that the declaration defines."""
    names = TypeNames()
    read_prototypes(DECLARED, names)
    found = read_signature(text, names)
    assert found is not None, text
    return found


SAME = [
    ("void f(void);", "void (void)"),
    ("void f(void);", "void ()"),
    ("long f(long x);", "long long (long long)"),
    ("int64_t f(int64_t x);", "long (long int)"),
    ("size_t f(size_t x);", "unsigned long (unsigned PY_LONG_LONG)"),
    ("ssize_t f(ptrdiff_t x);", "Py_ssize_t (npy_intp)"),
    ("int f(short x);", "signed int (short int)"),
    ("int f(char x);", "int (unsigned char)"),
    ("int f(signed char x);", "int (char)"),
    ("bool f(bool x);", "_Bool (_Bool)"),
    ("float f(double x);", "float (real)"),
    ("real f(real x);", "double (double)"),
    ("double _Complex f(double _Complex x);", "__pyx_t_double_complex (double _Complex)"),
    ("void f(const double x[n], size_t n) split();", "void (double const *, size_t)"),
    ("void f(double x[n], size_t n) split();", "void (double [], size_t)"),
    ("void f(double x[1]);", "void (double *)"),
    ("void f(const quad x[n], long n) split();", "void (float const *, long)"),
    ("void f(const double x[n][3], size_t n) split();", "void (__pyx_t_5numpy_float64_t *, size_t)"),
    ("void f(const void x[n], size_t n) split();", "void (char const *, size_t)"),
    ("void f(const char x[n], size_t n) split();", "void (unsigned char *, size_t)"),
    ("void f(const double x[n], size_t n) split();", "void (void *, size_t)"),
    ("void f(const point x[n], size_t n) split();", "void (point *, size_t)"),
    ("void f(const point x[n], size_t n) split();", "void (struct other *, size_t)"),
    ("void f(struct state *h);", "void (void *)"),
    ("void f(struct state *h);", "void (double **)"),
    ("void f(hidden_t h);", "void (hidden_t)"),
    ("void f(hidden_t h);", "void (struct hidden *)"),
    ("void f(compare c);", "void (int (*)(int, int))"),
    ("void f(int (*c)(int));", "void (compare)"),
    ("double f(double x);", "double (*)(double)"),
    ("double f(int x);", "double (enum colour)"),
    ("double f(double x);", "something (something_else)"),
    ("double f(double x, int n);", "double (one, other)"),
    ("uintptr_t f(int x);", "struct state *(int)"),
    ("intptr_t f(int x);", "void *(int)"),
    ("void f(int x);", "char *(int)"),
]


@pytest.mark.parametrize(("text", "other"), SAME)
def test_spellings_of_the_same_signature(text: str, other: str) -> None:
    assert differences(ours(text), told(other)) == []


DIFFERENT = [
    ("double f(double x);", "double (float)", [1]),
    ("double f(double x);", "float (double)", [0]),
    ("double f(double x);", "void (double)", [0]),
    ("void f(double x);", "int (double)", [0]),  # a status that nobody would see
    ("int f(int x);", "unsigned (int)", [0]),
    ("int f(size_t x);", "int (ssize_t)", [1]),
    ("int f(int x);", "int (long)", [1]),
    ("int f(double x);", "int (long)", [1]),
    ("int f(bool x);", "int (unsigned char)", [1]),
    ("double f(double x);", "long double (long double)", [0, 1]),
    ("double f(double x);", "double _Complex (double)", [0]),
    ("float _Complex f(float _Complex x);", "double _Complex (float _Complex)", [0]),
    ("double f(double x);", "double (double *)", [1]),
    ("double f(const double x[1]);", "double (double)", [1]),
    ("double f(const double x[1]);", "double (float *)", [1]),
    ("double f(const double x[1]);", "double (double **)", [1]),
    ("double f(const unsigned char x[1]);", "double (signed char *)", [1]),
    ("double f(const int x[1]);", "double (unsigned *)", [1]),
    ("double f(const point x[1]);", "double (double *)", [1]),
    ("double f(struct state *h);", "double (size_t)", [1]),
    ("double f(size_t x);", "double (void *)", [1]),
    ("uintptr_t f(int x);", "int (int)", [0]),
    ("int f(int x);", "int *(int)", [0]),
    ("double f(void);", "double (double)", [1]),
    ("double f(double x, double y);", "double (double)", [2]),
    ("double f(double x);", "double (double, int, int)", [2]),
    ("double f(int x, int y, double z);", "double (int, double, int)", [2, 3]),
    ("double f(int x);", "double (int, ...)", [2]),
]


@pytest.mark.parametrize(("text", "other", "places"), DIFFERENT)
def test_differences_are_found_at_their_places(text: str, other: str, places: list[int]) -> None:
    assert differences(ours(text), told(other)) == places
    assert differences(told(other), ours(text)) == places or text.startswith(("void", "uintptr_t"))


def test_all_differences_are_told_at_the_first() -> None:
    text = "float f(const float x[n],\n  int n, struct s *h) split();"
    with pytest.raises(PrototypeError) as caught:
        check(prototype(text), told("double (double const *, size_t, int, int)"), "capsule")
    assert caught.value.message.split("\n") == [
        "f: the declaration does not agree with the capsule, which is double (double const *, size_t, int, int)",
        "  it returns double, not float",
        "  parameter 1 is const double *, not const float x[n]",
        "  parameter 2 is size_t, not int n",
        "  parameter 3 is int, not struct s *h",
        "  it has 4 parameters, not 3",
    ]
    assert caught.value.text[caught.value.position :].startswith("x[n],\n")


def test_nothing_said_is_nothing_different() -> None:
    assert differences(ours("double f(double x);"), CSignature(None, UNKNOWN, "? (...)")) == []
    check(prototype("double f(double x);"), CSignature(None, UNKNOWN, "? (...)"), "capsule")


@pytest.mark.parametrize(
    "text",
    ["", "numpy.core._ARRAY_API", "()", "double", "double (", "double )", "(double)", "double (double", "12", "f(\0)",
     "double (double))", "a b c d(e f g h)", "double (double;", "double {double}", "#define", "é (double)"],
)  # fmt: skip
def test_what_is_no_signature_is_told_from_one(text: str) -> None:
    assert read_signature(text, TypeNames()) is None


WORDS = ("int", "(", ")", "*", ",", "void", "...", "[", "]", "f", "const", "struct")


@given(st.text() | st.text('abc ()*,;[]{}012_."\n') | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_signature_or_none(text: str) -> None:
    found = read_signature(text, TypeNames())
    assert found is None or found.parameters is not None


def test_python_objects_are_seen_wherever_they_are() -> None:
    for text in ("PyObject *(int)", "int (PyObject *)", "int (PyObject **)", "void (int, PyArrayObject *)"):
        assert has_python_objects(told(text))
    assert not has_python_objects(told("int (void *, struct PyObjects *)"))


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


CTYPES: list[tuple[Any, str]] = [
    (ctypes.c_double, "double x"), (ctypes.c_float, "float x"), (ctypes.c_int, "int x"), (ctypes.c_uint, "unsigned x"),
    (ctypes.c_long, "long x"), (ctypes.c_ulonglong, "uint64_t x"), (ctypes.c_size_t, "size_t x"),
    (ctypes.c_short, "short x"), (ctypes.c_ushort, "unsigned short x"), (ctypes.c_byte, "signed char x"),
    (ctypes.c_ubyte, "unsigned char x"), (ctypes.c_char, "char x"), (ctypes.c_bool, "bool x"),
    (ctypes.c_void_p, "struct s *x"), (ctypes.c_char_p, "const char x[1]"),
    (ctypes.POINTER(ctypes.c_double), "double x[1]"), (ctypes.c_double * 3, "double x[3]"),
    (ctypes.POINTER(Point), "const point x[1]"), (ctypes.CFUNCTYPE(None), "void (*x)(void)"),
    (np.ctypeslib.ndpointer(np.float32), "const float x[1]"), (np.ctypeslib.ndpointer(), "const int x[1]"),
    (ctypes.POINTER(ctypes.POINTER(ctypes.c_int)), "struct s *x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), CTYPES, ids=[text for _, text in CTYPES])
def test_ctypes_and_the_declaration_agree_on_the_same_type(kind: Any, text: str) -> None:
    function: Any = ctypes.CFUNCTYPE(None, kind)(lambda *_: None) if issubclass(kind, ctypes._SimpleCData) else None
    if function is None:  # not every type can be one of a callback
        function = ctypes.CDLL(None)["abs"]
        function.restype, function.argtypes = None, (kind,)
    assert differences(ours(f"void f({text});"), of_ctypes(function)) == []


CLASHING: list[tuple[Any, str]] = [
    (ctypes.c_double, "float x"), (ctypes.c_double, "long x"), (ctypes.c_int, "unsigned x"), (ctypes.c_int, "long x"),
    (ctypes.c_bool, "char x"), (ctypes.c_longdouble, "double x"),
    (ctypes.c_double, "const double x[1]"), (ctypes.c_void_p, "size_t x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), CLASHING)
def test_ctypes_and_the_declaration_differ_on_others(kind: Any, text: str) -> None:
    assert differences(ours(f"void f({text});"), of_ctypes(ctypes.CFUNCTYPE(None, kind)())) == [1]


def test_ctypes_says_nothing_where_nothing_was_set() -> None:
    function = ctypes.CDLL(None)["labs"]
    assert of_ctypes(function) == CSignature(None, UNKNOWN, "? (...)")
    function.restype = ctypes.c_long
    assert differences(ours("int f(int x);"), of_ctypes(function)) == [0]
    assert differences(ours("double f(int x);"), of_ctypes(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)())) == [0]
    assert has_python_objects(of_ctypes(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.py_object)()))
    assert differences(
        ours("double f(double x);"), of_ctypes(ctypes.CFUNCTYPE(ctypes.c_longdouble, ctypes.c_double)())
    ) == [0]


@pytest.mark.parametrize(
    ("text", "theirs", "places"),
    [
        ("double f(double x);", "double(*)(double)", []),
        ("size_t f(long x, bool b);", "uint64_t(*)(ssize_t, _Bool)", []),
        ("int f(int x, const char s[1]);", "int(*)(enum colour, char *)", []),
        ("void f(const point x[1], struct s *h);", "void(*)(point *, struct hidden *)", []),
        ("void f(const void x[1], const double y[3]);", "void(*)(unsigned char *, double[3])", []),
        ("void f(void (*c)(int));", "void(*)(void(*)(int))", []),
        ("void f(const double x[1]);", "void(*)(void *)", []),
        ("uintptr_t f(int x);", "struct hidden *(*)(int)", []),
        ("double f(float x);", "double(*)(double)", [1]),
        ("void f(const float x[1]);", "void(*)(double *)", [1]),
        ("void f(const double x[1]);", "void(*)(point *)", [1]),
        ("double f(double x);", "long double(*)(double, int)", [0, 2]),
        ("int f(unsigned short x);", "int(*)(int16_t)", [1]),
    ],
)
def test_cffi_and_the_declaration(text: str, theirs: str, places: list[int]) -> None:
    ffi = cffi.FFI()
    ffi.cdef("typedef struct { double x, y; } point; struct hidden; enum colour { RED, BLUE };")
    assert differences(ours(text), of_cffi(ffi.typeof(theirs), ffi.sizeof)) == places


@pytest.mark.parametrize(
    ("text", "theirs", "places"),
    [
        ("double f(double x);", "float64(float64)", []),
        ("long f(int64_t x, bool b);", "int64(intp, boolean)", []),
        ("void f(const double x[1], struct s *h);", "void(CPointer(float64), voidptr)", []),
        ("double _Complex f(double _Complex x);", "complex128(complex128)", []),
        ("void f(const float _Complex x[1]);", "void(CPointer(complex64))", []),
        ("double f(size_t x);", "float64(int64)", [1]),
        ("void f(const float x[1]);", "void(CPointer(float64))", [1]),
        ("void f(const float x[1]);", "void(float32)", [1]),
        ("float f(float x, int n);", "float64(float32)", [0, 2]),
    ],
)
def test_numba_and_the_declaration(text: str, theirs: str, places: list[int]) -> None:
    arguments, returns = numba.core.sigutils.normalize_signature(theirs)
    assert differences(ours(text), of_numba(returns(*arguments))) == places


@pytest.mark.parametrize(
    "text",
    ["double f(double x, int n, bool b);", "void f(const float x[1], const void y[1], struct s *h, void (*c)(int));",
     "unsigned char f(const point x[1], char c);", "int f(void);"],
)  # fmt: skip
def test_what_numba_is_asked_for_is_what_was_declared(text: str) -> None:
    assert differences(ours(text), of_numba(numba_signature(prototype(text)))) == []
