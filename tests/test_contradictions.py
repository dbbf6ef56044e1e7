"""A declaration that its own source contradicts is refused; one that may be right never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.language.prototype import read_prototypes
from pyffipar.sources.contradictions import check_declared
from pyffipar.sources.recipes import make_recipe

SOURCE = r"""
#include <stddef.h>
#define NUMBER double
#define continued 1 \\
    double f(double x);
typedef float real;
/* double f(double); */ // double f(double x);
static const char *text = "double f(double x);";
float f(float x) { return text[0] + x; }
double g(size_t n, const float *x) { return n + x[0]; }
void h(int n, double *y) { *y = n; }
real r(real x) { return x; }
NUMBER m(NUMBER x) { return x; }
double two(double a, double b) { return a + b; }
void *address(void *p) { return p; }
unsigned u(unsigned a, char c) { return a + c; }
double value(double x) { return x; }
double *pointer(double *p) { return p; }
double old() { return 1; }
"""

RIGHT = [
    "float f(float x);",
    "double g(size_t n, const float x[n]) reduction(+);",
    "double g(unsigned long n, const float x[n]) reduction(+);",
    "void h(int n, double y[n]);",
    "void h(unsigned n, double y[n]);",
    "float r(float x);",
    "typedef float real; real r(real x);",
    "double m(double x);",
    "uintptr_t address(uintptr_t p);",
    "uintptr_t address(const char p[3]);",
    "void address(struct thing *p);",
    "int u(int a, unsigned char c);",
    "void value(double x);",
    "uintptr_t pointer(const double p[3]);",
    "double old(void);",
    "double old(double x);",
]

WRONG = [
    ("double f(float x);", "returns double here, but not in the source: float f(float x);", 7),
    ("float f(double x);", "double x here, but not in the source: float f(float x);", 15),
    ("int f(float x);", "returns int here, but not in the source: float f(float x);", 4),
    ("double g(size_t n, const double x[n]) split();",
     "const double x[n] here, but not in the source: double g(size_t n, const float *x);", 32),
    ("double g(int n, const float x[n]) split();",
     "int n here, but not in the source: double g(size_t n, const float *x);", 13),
    ("int h(int n, double y[n]) status(0);", "returns int here, but not in the source: void h(int n, double *y);", 4),
    ("double r(double x);", "returns double here, but not in the source: real r(real x);", 7),
    ("double two(double a);", "1 parameters here, but 2 in the source: double two(double a, double b);", 7),
    ("double two(double a, const double b[1]);",
     "const double b[1] here, but not in the source: double two(double a, double b);", 34),
    ("double pointer(const double p[1]);",
     "returns double here, but not in the source: double *pointer(double *p);", 7),
    ("void pointer(double p);", "double p here, but not in the source: double *pointer(double *p);", 20),
]  # fmt: skip


def check(source: str, declaration: str, **about: str) -> None:
    flags = tuple(about.get("flags", "").split())
    check_declared(make_recipe(source, language=about.get("language", "c"), flags=flags), read_prototypes(declaration))


@pytest.mark.parametrize("declaration", RIGHT)
def test_what_may_be_right_is_taken(declaration: str) -> None:
    check(SOURCE, declaration)


@pytest.mark.parametrize(("declaration", "message", "position"), WRONG)
def test_what_cannot_be_right_is_pointed_at(declaration: str, message: str, position: int) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        check(SOURCE, declaration)
    name = message.rpartition("(")[0].split()[-1].lstrip("*")
    assert (caught.value.message, caught.value.position) == (f"{name}: {message}", position)


def test_compile_compares_both() -> None:
    """Without it the function would be called with numbers that it takes for others."""
    with pytest.raises(pf.PrototypeError, match="returns double here, but not in the source: float f"):
        pf.compile("float f(float x) { return x; }", "double f(double x);")


@pytest.mark.parametrize(
    ("source", "about"),
    [
        ("#if 1\nfloat f(float x);\n#else\ndouble f(double x);\n#endif", {}),
        ("#define float double\nfloat f(float x);", {}),
        ("float f(float x);", {"flags": "-O1 -Dfloat=double"}),
        ("float f(float x); double f(double x);", {"language": "c++"}),
        ("word f(word x);", {}),
        ("__typeof__(1.0) f(__typeof__(1.0) x);", {}),
        ("float f(float x, ...);", {}),
        ("}}} float f(float x", {}),
    ],
)
def test_what_may_mean_something_else_than_it_says_is_passed_over(source: str, about: dict[str, str]) -> None:
    check(source, "double f(double x);", **about)


SOURCES = [path.read_text() for path in sorted((Path(__file__).parent / "kernels").glob("*.c"))]
WORDS = ('"', "'", "{", "}", "(", ")", "/*", "*/", "#", "\\\n", ";", "dot(", "struct", "typedef", "enum {", "...", "=")


@given(st.data())
def test_any_text_is_read(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SOURCES))
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.sampled_from(WORDS)) + text[place + data.draw(st.integers(0, 5)) :]
    try:
        check(text, "double dot(size_t n, const double x[n], const double y[n]);")
    except pf.PrototypeError as error:
        assert "in the source" in error.message  # noqa: PT017 - it need not be raised
