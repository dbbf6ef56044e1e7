"""What Python shows of a function: `inspect.signature`, `help`, and what stands in them."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.language.prototype import read_prototypes
from pyffipar.plans import describing
from pyffipar.plans.roles import Contract, analyse

HIST = (
    "void hist(size_t n, const double x[n], size_t bins, double lo, double hi, long counts[bins]) reduction(+: counts);"
)


def contract(text: str) -> Contract:
    *_, last = read_prototypes(text)
    return analyse(last)


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("double f(double x);", "(x, *, out=None)"),
        ("void f(void);", "()"),
        ("double f(size_t n, const double x[n], const double y[n]) reduction(+);",
         "(x, y, *, out=None, axis=-1, axes=None, keepdims=False)"),
        (HIST, "(x, bins, lo, hi, *, counts=None, out=None, axes=None)"),
        ("void f(size_t n, double x[n]) inout(x);", "(x, *, axis=-1, axes=None, keepdims=False)"),
        ("int f(const double x[3], double y[1], int z[1]) status(0);",
         "(x, *, y=None, z=None, out=None, axis=-1, axes=None, keepdims=False)"),
        ("double f(double x, double a) default(a = 2);", "(x, a=2, *, out=None)"),
        ("double f(double x, double a, double b) default(b = 0.5) fixed(a = 1);", "(x, b=0.5, *, out=None)"),
        ("double f(double a, double x, double b, double y) default(a = 2, b = 3);", "(*, a=2, x, b=3, y, out=None)"),
        ("double f(double y, double a, double x) default(a = 2);", "(y, *, a=2, x, out=None)"),
        ("double f(size_t n, const double x[n], const double y[n]) reduction(+) default(y = NULL);",
         "(x, y=None, *, out=None, axis=-1, axes=None, keepdims=False)"),
        ("double f(size_t n, const double w[n], size_t m, const double x[m]) split(n) reduction(+) default(w = NULL);",
         "(n, *, w=None, x, out=None, axes=None, keepdims=False)"),
        ("double f(double in, double x);", "(in_, /, x, *, out=None)"),
        ("double f(double x, double lambda, double y) default(x = 1);", "(x, lambda_, /, y, *, out=None)"),
        ("void f(size_t n, const double x[n], double from[n]);", "(x, *, out=None, axis=-1, axes=None)"),
        ("double f(double out, double axis);", "(out, axis)"),
        ("void f(size_t m, size_t k, const double a[m][k], double b[m]);", "(a, *, b=None, out=None, axes=None)"),
        ("double f(const double x[0 : n : stride], size_t stride, size_t n) reduction(max);",
         "(x, *, out=None, axis=-1, axes=None, keepdims=False)"),
        ("int f(rng *r, double (*g)(double x), double x);", "(r, g, x, *, out=None)"),
    ],
)  # fmt: skip
def test_the_signature_is_what_a_caller_passes(declaration: str, expected: str) -> None:
    assert str(describing.signature(contract(declaration))) == expected


def test_functions_have_a_signature_and_their_class_has_none_of_theirs() -> None:
    hypot = pf.load("m", "double hypot(double x, double y);").hypot
    assert str(inspect.signature(hypot)) == "(x, y, *, out=None)"
    assert "contract" in str(inspect.signature(pf.Function))
    assert inspect.signature(hypot).bind(1.0, y=2.0).arguments == {"x": 1.0, "y": 2.0}
    assert not hasattr(pf.Function, "__signature__")


@pytest.fixture
def library() -> pf.Library:
    return pf.compile(
        """
        #include <stddef.h>
        double dot(size_t n, const double *x, const double *y) {
            double s = 0;
            for (size_t i = 0; i < n; i++) s += x[i] * y[i];
            return s;
        }
        void ends(size_t n, const float *x, double a, float *first, float *last) {
            *first = a * x[0];
            *last = x[n - 1];
        }
        """,
        """
        double dot(size_t n, const double x[n], const double y[n]) reduction(+);
        void ends(size_t n, const float x[n], double a, float first[1], float last[1]) split();
        """,
    )


def test_every_call_that_the_signature_allows_is_understood(library: pf.Library) -> None:
    x = np.ones(3)
    bound = inspect.signature(library.dot).bind
    right: list[dict[str, Any]] = [
        {"y": x},
        {"y": x, "out": np.empty(())},
        {"y": x, "axis": -1},
        {"y": x, "axes": None},
    ]
    right += [{"y": x, "keepdims": False}]
    for keywords in right:
        assert bound(x, **keywords).kwargs or keywords == right[0]
        assert library.dot(x, **keywords) == 3.0
    assert library.dot(x, x) == library.dot(x=x, y=x) == 3.0
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((x,), {}), ((x, x, x), {}), ((x, x), {"z": x})]
    for arguments, keywords in wrong:
        for called in (bound, library.dot):
            with pytest.raises(TypeError):
                called(*arguments, **keywords)


def test_help_reads_well(library: pf.Library) -> None:
    told = pydoc.plain(pydoc.render_doc(library.dot))
    first, _, text = told.partition("    dot(")
    assert "dot = <double dot(size_t n" in first
    lines = [line.removeprefix("    ") for line in f"    dot({text}".rstrip().split("\n")]
    assert lines == [
        "dot(x, y, *, out=None, axis=-1, axes=None, keepdims=False)",
        "",
        "double dot(size_t n, const double x[n], const double y[n]) reduction(+);",
        "",
        "Parameters",
        "----------",
        "x : array of float64, shape (..., n)",
        "    split: led by n",
        "y : array of float64, shape (..., n)",
        "    split: led by n",
        "out : array, optional",
        "    Where the result goes.",
        "axis : int, optional",
        "    Where the core dimension is.",
        "axes : list, optional",
        "    Where the core dimensions of every array are, as NumPy's generalized ufuncs have it.",
        "keepdims : bool, optional",
        "    Whether the core dimensions stay in the result, with extent 1.",
        "",
        "Returns",
        "-------",
        "float64",
        "    partial results merge by +",
        "",
        "Notes",
        "-----",
        "n is not passed (size: from x; calls are cut along it, each gets its chunk's length)",
        f"From {library.path}.",
    ]


def test_several_results_and_handles_are_described(library: pf.Library) -> None:
    told = describing.describe(library.ends._contract, "here")
    assert (
        "\nout : tuple of arrays, optional\n    Arrays to write the results into, None for those to be made.\n" in told
    )
    assert "\nReturns\n-------\nfirst : float32\nlast : float32\n\n" in told
    text = "struct p { int a; }; int f(rng *r, void (*g)(int n), struct p x[1], unsigned n, void z[n]) split();"
    told = describing.describe(contract(text), "here")
    assert "\nr : handle\n    handle: a pointer without brackets: passed as it is\n" in told
    assert "\ng : callable or handle\n" in told
    assert "\nx : struct p, optional\n" in told
    assert "\nn : int (unsigned)\n    size: passed by the caller\n" in told
    assert "\nz : array of uint8, shape (..., n), optional\n" in told


def test_copies_with_options_are_described_alike(library: pf.Library) -> None:
    other = library.dot.options(threads=1)
    assert other.__doc__ == library.dot.__doc__
    assert inspect.signature(other) == inspect.signature(library.dot)
