"""What a contract says about types, and what the header says: what contradicts, and what is the same to a caller."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyffipar as pf
from pyffipar.sources.authoring import declared_by_header

HEADER = """
#include <stddef.h>
#include <stdint.h>
typedef struct handle handle;
typedef enum { A, B } option;
typedef double real;
int f(%s);
%s g(void);
"""


def agrees(folder: Path, contract: str, parameters: str = "void", returns: str = "int") -> bool:
    path = folder / "a.h"
    path.write_text(HEADER % (parameters, returns))
    try:
        declared_by_header(path, contract, (), ())
    except pf.PrototypeError:
        return False
    return True


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ("double x", "real x"),
        ("const double x", "double x"),
        ("unsigned long n", "size_t n"),
        ("option o", "int o"),
        ("option o", "unsigned o"),
        ("option o", "option o"),
        ("const double *x", "const double x[3]"),
        ("const double *x", "const real x[2][2]"),
        ("double *restrict x", "double x[3]"),
        ("void *x", "double x[3]"),
        ("const void *x", "const double x[3]"),
        ("const unsigned char *x", "const void x[3]"),
        ("handle *h", "handle *h"),
        ("const handle *h", "handle *h"),
        ("const handle *h", "void *h"),
        ("handle *h", "const void *h"),
        ("const char *s", "const void *s"),
        ("handle *h", "uintptr_t h"),
        ("double **x", "void *x"),
        ("double (*g)(double)", "double (*g)(double x)"),
        ("double g(double)", "double (*g)(double x)"),
        ("double g(double)", "void *g"),
        ("double (*g)(double)", "void *g"),
        ("int32_t n", "int n"),
        ("const double x[3]", "const double x[3]"),
        ("const double x[3u]", "const double y[(3)]"),
    ],
)
def test_the_same_to_a_caller(tmp_path: Path, theirs: str, mine: str) -> None:
    assert agrees(tmp_path, f"f({mine});", theirs)


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ("double x", "float x"),
        ("double x", "const double x[3]"),
        ("double *x", "double x"),
        ("double *x", "const double x[3]"),
        ("const double *x", "double x[3]"),
        ("const void *x", "double x[3]"),
        ("float *x", "double x[3]"),
        ("size_t n", "int n"),
        ("size_t n", "long n"),
        ("long n", "long long n"),
        ("option o", "long o"),
        ("handle *h", "struct other *h"),
        ("handle *h", "size_t h"),
        ("double x", "uintptr_t x"),
        ("double (*g)(double)", "double (*g)(float x)"),
        ("double (*g)(double)", "double (*g)(double x, double y)"),
        ("double (*g)(double)", "float (*g)(double x)"),
        ("double x[3]", "double x[4]"),
        ("double x[3][3]", "double x[9]"),
        ("double x[3][3]", "double x[3][4]"),
    ],
)
def test_contradictions(tmp_path: Path, theirs: str, mine: str) -> None:
    assert not agrees(tmp_path, f"f({mine});", theirs)


@pytest.mark.parametrize(
    ("theirs", "mine", "same"),
    [
        ("double", "real", True),
        ("const double", "double", True),
        ("option", "int", True),
        ("handle *", "uintptr_t", True),
        ("handle *", "void", True),
        ("const char *", "uintptr_t", True),
        ("void", "void", True),
        ("int", "void", False),
        ("void", "int", False),
        ("handle *", "size_t", False),
        ("double", "float", False),
        ("uintptr_t", "uintptr_t", True),
        ("double", "uintptr_t", False),
    ],
)
def test_returned_types(tmp_path: Path, theirs: str, mine: str, *, same: bool) -> None:
    assert agrees(tmp_path, f"{mine} g();", returns=theirs) == same


def test_sizes_do_not_stand_where_the_header_has_a_number(tmp_path: Path) -> None:
    assert agrees(tmp_path, "f(n, x[n]);", "size_t n, double x[]")
    assert agrees(tmp_path, "f(n, x[n]);", "size_t n, double *x")
    assert not agrees(tmp_path, "f(n, x[n]);", "size_t n, double x[3]")
    assert agrees(tmp_path, "f(n, x[n][3]);", "size_t n, double x[][3]")
    assert not agrees(tmp_path, "f(n, x[3][n]);", "size_t n, double x[][3]")
    assert not agrees(tmp_path, "f(n, x[n]);", "size_t n, double x[][3]")
