"""Typedefs, structs and enums: what they make known, and what no array can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyffipar.errors import PrototypeError
from pyffipar.language.names import TypeNames
from pyffipar.language.parameters import Signature
from pyffipar.language.prototype import read_prototypes
from pyffipar.language.scalars import scalar


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


@pytest.mark.parametrize(
    ("text", "word", "dtype"),
    [
        ("typedef double real, *reals;", "real", "f8"),
        ("typedef int first, second, third;", "first", "i4"),
        ("typedef int first, second, third;", "third", "i4"),
        ("typedef struct { float x; } *points, point;", "point", [("x", "f4")]),
        ("typedef enum { RED } *colours, colour;", "colour", "i4"),
        ("typedef int *(*made)(void), plain;", "plain", "i4"),
    ],
)
def test_a_typedef_defines_every_name_in_it(text: str, word: str, dtype: Any) -> None:
    assert dtype_of(text, word) == np.dtype(dtype)


def test_a_struct_behind_a_pointer_is_known_by_its_tag() -> None:
    assert dtype_of("typedef struct point { double x, y; } *points;", "struct", "point").itemsize == 16


@pytest.mark.parametrize(
    "text",
    [
        "typedef struct state *state_t; void f(state_t x);",
        "typedef void *state_t; void f(const state_t x);",
        "typedef struct state *state_t, other; typedef state_t alias; void f(alias x);",
        "typedef double **tables; void f(tables x);",
        "typedef struct state *state_t; void f(state_t *x);",
        "typedef double (*function)(double); void f(function x);",
        "typedef double function(double); void f(function *x);",
        "typedef double function(double); void f(function x);",
    ],
)
def test_typedefs_of_pointers_are_handles(text: str) -> None:
    (prototype,) = read_prototypes(text)
    assert prototype.parameters[0].kind == "handle"
    callback = prototype.parameters[0].callback
    assert (callback is not None) == ("function" in text)
    assert callback is None or (callback.returns, *callback.arguments) == (scalar("double"), scalar("double"))


def test_typedefs_of_pointers_may_stand_in_callbacks() -> None:
    (prototype,) = read_prototypes("typedef struct state *state_t; void f(int (*x)(state_t, double));")
    assert prototype.parameters[0].callback == Signature(scalar("int"), (None, scalar("double")))


def test_a_callback_of_unknown_types_is_a_plain_address() -> None:
    (prototype,) = read_prototypes("void f(int (*x)(unknown, other));")
    assert (prototype.parameters[0].kind, prototype.parameters[0].callback) == ("handle", None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("typedef double vec3[3]; void f(const vec3 x);", "const double x[3]"),
        ("typedef double vec3[3]; void f(size_t n, const vec3 x[n]);", "const double x[n][3]"),
        ("typedef float vec3[3]; typedef vec3 mat3[3]; void f(mat3 x);", "float x[3][3]"),
        ("typedef float row[4]; typedef row alias; void f(size_t n, alias x[n + 1]);", "float x[n + 1][4]"),
        ("typedef struct { int a; } item; typedef item pair[2]; void f(pair x);", "item x[2]"),
        ("typedef double one[1]; void f(one x);", "double x[1]"),
    ],
)
def test_typedefs_of_arrays_bring_their_extents(text: str, shown: str) -> None:
    (prototype,) = read_prototypes(text)
    assert str(prototype.parameters[-1]) == shown


def test_members_may_be_of_array_and_pointer_typedefs() -> None:
    text = (
        "typedef double vec3[3]; typedef struct { vec3 at; vec3 edges[2]; } box; typedef struct { vec3 *more; } list;"
    )
    assert dtype_of(text, "box") == np.dtype([("at", "f8", (3,)), ("edges", "f8", (2, 3))])
    assert names_of(text).find(["list"]) is None


def test_a_name_that_is_defined_again_is_what_it_was_defined_as_last() -> None:
    text = "typedef int *a; typedef double b[2]; typedef int a; typedef float b;"
    assert [str(dtype_of(text, name)) for name in "ab"] == ["int32", "float32"]
    (prototype,) = read_prototypes(f"{text} void f(a x, b y);")
    assert [one.kind for one in prototype.parameters] == ["value", "value"]


def test_a_prototype_knows_the_definitions_it_needs() -> None:
    text = """
        typedef double real;  typedef int unused;  enum { GOOD = 3, BAD };  typedef real vec3[3];
        struct box { vec3 at; };  typedef struct box box;  typedef struct other other;
        int f(const box *b, other *o) status(GOOD); int g(int x);
    """
    first, second = read_prototypes(text.replace("const box *b", "const box b[1]"))
    whole = first.whole_text.split("\n")
    assert whole[:-1] == [
        "typedef double real;", "enum { GOOD = 3, BAD };", "typedef real vec3[3];", "struct box { vec3 at; };",
        "typedef struct box box;", "typedef struct other other;",
    ]  # fmt: skip
    assert second.whole_text == second.text
    (again,) = read_prototypes(first.whole_text)
    assert (again.text, again.whole_text) == (first.text, first.whole_text)


def test_long_chains_of_definitions_are_written_out() -> None:
    chain = "typedef int t0;" + "".join(f"typedef t{number} t{number + 1};" for number in range(3000))
    (prototype,) = read_prototypes(f"{chain} void f(t3000 x);")
    assert prototype.whole_text.count("typedef") == 3001


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
        ("typedef struct { int x; };", "this typedef gives nothing a name"),
        ("typedef double q[2000][2000];", "q holds 32000000 bytes; 1 … 1048576 are wanted"),
        ("typedef char r[99]; typedef struct { r x[9999][99]; } q;", "q holds 98000199 bytes; 1 … 1048576 are wanted"),
        ("typedef struct { int x[9999][9999][9999]; } q;", "q holds 3998800119996 bytes; 1 … 1048576 are wanted"),
    ],
)  # fmt: skip
def test_definitions_no_array_can_hold_are_refused(text: str, message: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        read_prototypes(text)
    assert caught.value.message == message
    assert caught.value.line == 1
