"""Types of headers: what is the same type, how it is written, and which definitions it needs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyffipar.errors import PrototypeError
from pyffipar.language.agreement import HeaderFunction, read_function
from pyffipar.language.header_types import ENUM, Definitions, HeaderTypes
from pyffipar.language.headers import Header, read_header
from pyffipar.language.names import TypeNames
from pyffipar.language.prototype import read_prototypes
from pyffipar.sources.compiling import preprocess
from pyffipar.sources.recipes import Recipe

TEXT = """
typedef unsigned long int size_t;
typedef double real;
typedef const real constant;
typedef real *vector;
typedef real vec3[3];
typedef double (*callback)(double x, void *data);
typedef double function(double x);
typedef enum { RED, GREEN } color;
enum shape { ROUND };
struct point { real x, y; };
typedef struct point point_t, *point_p;
typedef struct { real x; struct point at[2]; const char *name; point_p next; } anonymous;
typedef struct opaque opaque;
typedef short Byte;
typedef Byte sample;
struct nested { struct inner { int a; } in; union { int b; float c; } either; FILE *file; };
typedef struct { int bits : 3; } FILE;
"""


def reader(text: str = TEXT) -> tuple[Header, HeaderTypes]:
    header = read_header(text)
    return header, HeaderTypes(header.types)


def function(types_text: str, declaration: str) -> tuple[HeaderTypes, HeaderFunction]:
    header, types = reader(f"{types_text}\n{declaration};")
    return types, read_function(header.functions["f"])


def shape(declaration: str) -> Any:
    """The shape of the only parameter of a function."""
    types, found = function(TEXT, f"void f({declaration})")
    return types.shape(found.parameters[0].type)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("size_t n", "unsigned long n"),
        ("real x", "double x"),
        ("const real x", "double x"),
        ("vector x", "double *x"),
        ("const real *x", "const double x[]"),
        ("constant *x", "const double *x"),
        ("vec3 x", "double *x"),
        ("const vec3 x", "const double x[3]"),
        ("real x[][3]", "double *x"),
        ("point_t *p", "struct point *p"),
        ("point_p p", "struct point *p"),
        ("callback g", "double (*g)(double, void *)"),
        ("function *g", "double (*g)(double)"),
        ("color c", "enum shape s"),
        ("const char *s", "char const *s"),
        ("long unsigned n", "unsigned long int n"),
        ("real *volatile x", "double *x"),
        ("void (*g)(void)", "void (*g)()"),
    ],
)
def test_types_are_the_same_whatever_they_are_called(one: str, other: str) -> None:
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("size_t n", "long n"),
        ("real x", "float x"),
        ("real *x", "const real *x"),
        ("real **x", "real *x"),
        ("point_t *p", "anonymous *p"),
        ("callback g", "double (*g)(double)"),
        ("char *s", "signed char *s"),
        ("long n", "long long n"),
        ("Byte b", "unsigned char b"),
    ],
)
def test_types_are_not_the_same(one: str, other: str) -> None:
    assert shape(one) != shape(other)


def test_every_enum_is_an_integer() -> None:
    assert shape("color c") == shape("enum shape s") == ENUM


@pytest.mark.parametrize(
    ("declaration", "spelled"),
    [
        ("const real *const x", "const real * const NAME"),
        ("real x", "real NAME"),
        ("struct point *p", "struct point *NAME"),
        ("callback g", "callback NAME"),
        ("double (*g)(int, const real *)", "double (*NAME)(int, const real *)"),
        ("double (*g[2])(void)", "double (*NAME[1])(void)"),
        ("unsigned char **p", "unsigned char **NAME"),
        ("Byte b", "short NAME"),
        ("const enum shape s", "const enum shape NAME"),
    ],
)
def test_types_are_written_as_c(declaration: str, spelled: str) -> None:
    types, found = function(TEXT, f"void f({declaration})")
    assert types.spelled(found.parameters[0].type, "NAME") == spelled.replace("* const", "*const")


def pointed_to(declaration: str) -> str:
    types, found = function(TEXT, f"void f({declaration})")
    node = types.pointed_to(found.parameters[0].type)
    return "nothing" if node is None else types.spelled(node, "").strip()


@pytest.mark.parametrize(
    ("declaration", "target"),
    [
        ("const real *x", "const real"), ("real x[3][3]", "real"), ("vector x", "real"), ("real x", "nothing"),
        ("point_p p", "point_t"), ("real **x", "real *"), ("unsigned n", "nothing"), ("vec3 x", "nothing"),
        ("const vec3 *x", "const vec3"), ("struct point p", "nothing"),
    ],
)  # fmt: skip
def test_pointers_are_seen_through_their_names(declaration: str, target: str) -> None:
    assert pointed_to(declaration).replace("struct point", "point_t") == target


def definitions(*declarations: str) -> list[str]:
    """What functions with these parameters need, one after the other."""
    text = TEXT + "".join(f"void f{number}({one});" for number, one in enumerate(declarations))
    header, types = reader(text)
    writer = Definitions(types, header.types)
    nodes = [read_function(header.functions[f"f{number}"]).node for number in range(len(declarations))]
    return [definition for node in nodes for definition in writer.needed([node.type])]


def test_only_what_is_needed_is_defined_and_only_once() -> None:
    assert definitions("double x, size_t n, const char *s") == []
    assert definitions("real x", "constant *x, real y") == ["typedef double real", "typedef const real constant"]
    assert definitions("callback g, vec3 x") == [
        "typedef double (*callback)(double x, void *data)", "typedef double real", "typedef real vec3[3]"
    ]  # fmt: skip


def test_structs_behind_pointers_are_handles() -> None:
    assert sorted(definitions("point_t *p, struct point *q, opaque *o, FILE *f")) == [
        "typedef struct FILE FILE", "typedef struct opaque opaque", "typedef struct point_t point_t"
    ]  # fmt: skip


def test_structs_that_arrays_hold_are_spelled_out() -> None:
    found = definitions("anonymous x[1]")
    assert found == [
        "typedef double real",
        "struct point { real x, y; }",
        "typedef struct point point_t, *point_p",
        "typedef struct { real x; struct point at[2]; const char *name; point_p next; } anonymous",
    ]
    assert definitions("anonymous x[1]", "anonymous *x, point_t *p") == found


def test_names_that_mean_something_else_here_are_replaced() -> None:
    assert definitions("sample x[3]") == ["typedef short sample"]
    assert HeaderTypes(read_header("typedef unsigned char Byte;").types).meaning("Byte") == "Byte"
    assert HeaderTypes(read_header(TEXT).types).meaning("Byte") == "short"
    assert HeaderTypes(read_header(TEXT).types).meaning("uint8_t") == "uint8_t"


def test_what_is_no_plain_c_stays_unknown() -> None:
    _, types = reader("typedef __typeof__(1 ? 2 : 3) strange; typedef int (^block)(int);")
    assert types.node("strange") is None
    assert types.node("nowhere") is None


@pytest.mark.parametrize("name", ["math", "stdlib", "string", "stdio", "complex", "pthread", "time", "unistd"])
def test_the_compiler_finds_every_function_written_as_it_is(name: str, tmp_path: Path, cc: str) -> None:
    """All functions of a header are declared a second time, from what was read: C refuses another type."""
    header, types = reader(preprocess(Recipe(f"#include <{name}.h>\n")))
    lines = [f"#include <{name}.h>"]
    for declared in header.functions.values():
        try:
            found = read_function(declared)
        except PrototypeError:
            assert "_Float" in declared.text or "__builtin" in declared.text
            continue
        if not found.is_open and not declared.label:
            taken = ", ".join(types.spelled(node.type, "") for node in found.parameters) or "void"
            lines.append(f"{types.spelled(found.node.type.type, found.node.name)}({taken});")
    assert len(lines) > 5
    (tmp_path / "source.c").write_text("\n".join(lines) + "\n")
    told = subprocess.run(
        [cc, "-std=gnu11", "-fsyntax-only", "source.c"], cwd=tmp_path, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr.decode()


def test_definitions_are_what_the_language_reads() -> None:
    taken = "struct point x[1], FILE *f, callback g, color c, sample s[1], const vec3 *v, opaque *o"
    text = "".join(f"{one};\n" for one in definitions(taken))
    (prototype,) = read_prototypes(f"{text}void f({taken.replace('*v', 'v[2]')});", TypeNames())
    first, *others = prototype.parameters
    assert first.scalar is not None
    assert first.scalar.dtype.names == ("x", "y")
    assert [parameter.kind for parameter in others] == ["handle", "handle", "value", "array", "array", "handle"]
    assert str(others[-2]) == "const double v[2][3]"
    assert others[3].scalar is not None
    assert others[3].scalar.name == "short"
