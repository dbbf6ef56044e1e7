"""Typedefs, structs and enums: what they make known, and what no array can hold."""

from __future__ import annotations

import numpy as np
import pytest

from pyffipar.errors import PrototypeError
from pyffipar.names import TypeNames
from pyffipar.prototype import read_prototypes


def names_of(text: str) -> TypeNames:
    names = TypeNames()
    assert read_prototypes(text, names) == []
    return names


def dtype_of(text: str, *words: str) -> np.dtype[np.void]:
    found = names_of(text).find(list(words))
    assert found is not None
    return found.dtype


@pytest.mark.parametrize(
    ("text", "word", "dtype"),
    [
        ("typedef double real;", "real", "f8"),
        ("typedef unsigned char byte;", "byte", "u1"),
        ("typedef double real; typedef real number;", "number", "f8"),
        ("typedef size_t count;", "count", "u8"),
        ("typedef enum { RED, BLUE } colour;", "colour", "i4"),
        ("typedef float _Complex cf;", "cf", "c8"),
    ],
)
def test_typedefs_of_numbers(text: str, word: str, dtype: str) -> None:
    assert dtype_of(text, word) == np.dtype(dtype)


def test_a_struct_has_the_layout_c_gives_it() -> None:
    dtype = dtype_of("typedef struct { char flag; double x, y; short k[2][3]; unsigned char last; } item;", "item")
    expected = np.dtype([("flag", "i1"), ("x", "f8"), ("y", "f8"), ("k", "i2", (2, 3)), ("last", "u1")], align=True)
    assert dtype == expected
    assert dtype.itemsize == 40


def test_structs_have_tags_and_nest() -> None:
    text = "struct point { double x, y; }; typedef struct { struct point from, to; struct { int a; } in; } line;"
    assert dtype_of(text, "struct", "point").itemsize == 16
    line = dtype_of(text, "line")
    assert line.fields is not None
    assert list(line.fields) == ["from", "to", "in"]
    assert line.itemsize == 40


def test_a_struct_of_our_own_is_an_element_type() -> None:
    (prototype,) = read_prototypes("struct p { double x, y; }; double f(size_t n, const struct p v[n]) reduction(+);")
    element = prototype.parameters[1].scalar
    assert element is not None
    assert element.dtype.itemsize == 16


@pytest.mark.parametrize(
    "text",
    [
        "typedef struct hidden hidden;",
        "typedef struct { double *data; size_t n; } hidden;",
        "typedef struct { struct other *next; } hidden;",
        "typedef union { int i; float f; } hidden;",
    ],
)
def test_what_hides_its_inside_is_a_handle(text: str) -> None:
    (prototype,) = read_prototypes(f"{text} void f(hidden *h);")
    assert prototype.parameters[0].kind == "handle"


def test_enumerators_count_on() -> None:
    constants = names_of("enum { A, B = 5, C, D = B << 2 | 1, E = -(C) * 2, F = 010, G = 0x1F };").constants
    assert constants == {"A": 0, "B": 5, "C": 6, "D": 21, "E": -12, "F": 8, "G": 31}


def test_names_are_kept_for_later_texts() -> None:
    names = names_of("typedef double real; enum { ONE = 1 };")
    (prototype,) = read_prototypes("int f(real x) status(ONE);", names)
    assert prototype.clauses.status is not None
    assert prototype.clauses.status.expected == 1


MANY = "|".join(["A"] * 5000)
SQUARES = "enum { A0 = 1 << 40, " + ", ".join(f"A{i + 1} = A{i} * A{i}" for i in range(60)) + " };"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("typedef struct { int x : 3; } q;", "q: the bit field x has no address, so no dtype describes it"),
        ("typedef struct { int x[0]; } q;", "q: member x has [0] elements"),
        ("typedef struct { int n; double x[]; } q;", "q: member x has [0] elements"),
        ("typedef struct { int x[9999999]; } q;", "q: member x has [9999999] elements"),
        ("typedef struct { int x[1000][1000]; } q;", "q holds 4000000 bytes; 1 … 1048576 are wanted"),
        ("typedef struct { } q;", "q holds 0 bytes; 1 … 1048576 are wanted"),
        ("typedef struct { int x, x; } q;", "q: name already used as a name or title"),
        ("enum { A = 1 / 2 };", "a constant is built from integers and enumerators with + - * | <<"),
        ("enum { A = sizeof(int) };", "a constant is built from integers and enumerators with + - * | <<"),
        ("enum { A = B };", "a constant is built from integers and enumerators with + - * | <<"),
        ("enum { A = 1 << 70 };", "a shift by 70 has no value in C"),
        ("enum { A = 1 << -1 };", "a shift by -1 has no value in C"),
        (f"enum {{ A = {'1' * 5000} }};", f"{'1' * 24}… is too large"),
        (SQUARES, "1099511627776 * 1099511627776 does not fit 64 bits"),
        (f"enum {{ A, B = {MANY} }};", "this expression is too long"),
    ],
)  # fmt: skip
def test_definitions_no_array_can_hold_are_refused(text: str, message: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(text)
    assert caught.value.message == message
    assert caught.value.line == 1
