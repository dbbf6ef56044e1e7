"""explain(): every parameter's role and why, sizes, grid, merges, copies, executor; nothing is called for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyffipar as pf

SOURCE = r"""
#include <stddef.h>
static long calls = 0;
struct acc;
long called(void) { return calls; }
double dot(size_t n, const double *x, const double *y) { calls++; return x[n - 1] * y[n - 1]; }
void hist(size_t n, const double *x, size_t bins, long *counts) { calls++; counts[bins - 1] += x[n - 1] > 0; }
void blur(size_t n, const double *x, double *y) { calls++; y[n - 1] = x[n]; }
int keep(int n, const float *x, float *y) { calls++; *y = *x; return n > 0; }
unsigned sum(unsigned a, size_t n, const unsigned char *x, size_t ic) { calls++; return a + x[n - 1] + (unsigned)ic; }
unsigned both(unsigned a, unsigned b) { return a + b; }
double top(const double *x, size_t stride, size_t n) { calls++; return x[(n - 1) * stride]; }
double first(size_t n, const double *x) { calls++; return x ? *x : n; }
int add(struct acc *a, struct acc *b) { return a == b; }
int put(struct acc *h, int mode, double x) { calls++; return h && mode && x > 0; }
void *clone(struct acc *a) { return a; }
void gemm(int m, int k, int n, const double *a, const double *b, double *c) { calls++; c[0] = a[0] * b[0] * m * k * n; }
"""
DECLARATIONS = """
    long called(void);
    double dot(size_t n, const double x[n], const double y[n]) reduction(+);
    void hist(size_t n, const double x[n], size_t bins, long counts[bins]) reduction(+: counts);
    void blur(size_t n, const double x[-1 : n + 2], double y[n]) boundary(wrap);
    int keep(int n, const float x[n], float y[n]) reduction(concat: y) chunk(max = 1000);
    unsigned sum(unsigned a, size_t n, const unsigned char x[n], size_t ic)
        carry(a = 7) linear(ic : 1/64) chunk(step = 64) reduction(both(_, _));
    unsigned both(unsigned a, unsigned b);
    double top(const double x[0 : n : stride], size_t stride, size_t n) reduction(max);
    double first(size_t n, const double x[n]) reduction(first) default(x = NULL);
    int add(struct acc *a, struct acc *b);
    int put(struct acc *h, int mode, double x) fixed(mode = 3) private(h = clone) reduction(add(_, _): h);
    void gemm(int m, int k, int n, const double a[m][k], const double b[k][n], double c[m][n]);
"""


@pytest.fixture(scope="module")
def kernels() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


class Explained:
    """What explain() printed, in parts."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.declaration = lines[0]
        self.roles = [" ".join(line.split()) for line in lines if line.startswith("  ")]
        self.facts = dict(line.split(": ", 1) for line in lines[1:] if not line.startswith("  "))


@pytest.fixture
def explained(kernels: pf.Library, capsys: pytest.CaptureFixture[str]) -> Any:
    """Explain a call with three serial threads, and check that nothing was called."""

    def explain(name: str, *arguments: Any, **keywords: Any) -> Explained:
        before = kernels.called()
        getattr(kernels, name).options(executor="serial", threads=3).explain(*arguments, **keywords)
        assert kernels.called() == before
        return Explained(capsys.readouterr().out)

    return explain


def test_arrays_that_may_be_null(explained: Any) -> None:
    assert explained("first", x=np.zeros(4)).roles[1] == "const double x[n] split led by n; NULL if it is left out"
    assert explained("first", 4).roles[1] == "const double x[n] split NULL in this call"


def test_every_word(kernels: pf.Library, capsys: pytest.CaptureFixture[str]) -> None:
    kernels.gemm.options(executor="threads", threads=2).explain(np.zeros((100, 40)), np.zeros((40, 30)))
    assert capsys.readouterr().out == (
        "void gemm(int m, int k, int n, const double a[m][k], const double b[k][n], double c[m][n]);\n"
        "  int m                 size   from a; calls are cut along it, each gets its chunk's length\n"
        "  int k                 size   from a\n"
        "  int n                 size   from b\n"
        "  const double a[m][k]  split  led by m\n"
        "  const double b[k][n]  whole  m is not in its brackets\n"
        "  double c[m][n]        split  led by m\n"
        "sizes: m = 100, k = 40, n = 30\n"
        "lifted: no, one item\n"
        "cut: along m, 50 chunks of 2; 50 calls in 50 tasks of 1\n"
        "merge: nothing to merge\n"
        "copies: 0 bytes\n"
        "executor: threads, at most 2 threads\n"
    )


def test_a_merge_of_returned_values(explained: Any) -> None:
    found = explained("dot", np.zeros(100_000), np.zeros(100_000))
    assert found.roles[1] == "const double x[n] split led by n"
    assert found.facts == {
        "sizes": "n = 100000",
        "lifted": "no, one item",
        "cut": "along n, 64 chunks of 1568, the last 1216; 64 calls in 64 tasks of 1",
        "merge": "returned values by + in chunk order",
        "copies": "0 bytes",
        "executor": "serial, at most 3 threads",
    }


def test_copies_are_told_with_their_reason(explained: Any) -> None:
    x = np.zeros(1000)
    off = np.zeros(8001, np.uint8)[1:].view(np.float64)
    for array, why in (
        (x[::-1], "8000 bytes of y (not contiguous)"),
        (np.zeros(2000)[::2], "8000 bytes of y (not contiguous)"),
        (x.astype(np.float32), "4000 bytes of y (float32 for double)"),
        (x.astype(">f8"), "8000 bytes of y (>f8 for double)"),
        (off, "8000 bytes of y (not aligned)"),
    ):
        assert explained("dot", x, array).facts["copies"] == f"{why}, chunk by chunk"
    both = explained("dot", x[::-1], off).facts["copies"]
    assert both == "8000 bytes of x (not contiguous), chunk by chunk; 8000 bytes of y (not aligned), chunk by chunk"


def test_rows_and_columns_are_no_copies(explained: Any) -> None:
    table = np.zeros((1000, 4))
    assert explained("dot", table[:, 0].copy(), np.zeros((3, 5, 1000))).facts["copies"] == "0 bytes"
    found = explained("top", table.T)
    assert found.facts["copies"] == "0 bytes"
    assert found.facts["lifted"] == "over (4,), 4 items"
    assert found.roles[1] == "size_t stride stride taken from x, in elements"


def test_private_copies_and_sizes_of_the_caller(explained: Any) -> None:
    found = explained("hist", np.zeros(100), bins=10)
    assert found.roles[2:] == [
        "size_t bins size passed by the caller",
        "long counts[bins] partial a private copy for every chunk, merged by +",
    ]
    assert found.facts["sizes"] == "n = 100, bins = 10"
    assert found.facts["merge"] == "counts by + in chunk order"


def test_a_halo_and_its_ends(explained: Any) -> None:
    found = explained("blur", np.zeros(100_000))
    assert found.roles[1] == "const double x[n] halo led by n; 1 before and 1 behind are read, at the ends wrap"
    assert found.facts["copies"] == "the ends of x"


def test_joined_outputs(explained: Any) -> None:
    found = explained("keep", np.zeros(99_500, np.float32))
    assert found.roles[2] == "float y[n] split led by n; the used parts of the chunks are pushed together"
    assert found.facts["cut"].startswith("along n, 100 chunks of 1000, the last 500; 100 calls in ")
    assert found.facts["merge"] == "y by concat in chunk order"


def test_values_that_change(explained: Any) -> None:
    found = explained("sum", 1, np.zeros(100_000, np.uint8), 5)
    assert found.declaration == (
        "unsigned sum(unsigned a, size_t n, const unsigned char x[n], size_t ic) "
        "carry(a = 7) linear(ic : 1/64) chunk(step = 64) reduction(both(_, _));"
    )
    assert found.roles[0] == "unsigned a carry the caller's value in the first chunk, 7 in all others"
    assert found.roles[3] == "size_t ic linear advances by 1/64 per item of n"
    assert found.facts["merge"] == "returned values by both(_, _) in chunk order"


def test_handles_and_fixed_values(explained: Any) -> None:
    found = explained("put", None, np.zeros(1000))
    assert found.roles == [
        "struct acc *h private one of clone for every task, merged by add(_, _)",
        "int mode fixed always 3",
        "double x lifted passed by value: arrays are broadcast over it",
    ]
    assert found.facts["merge"] == "h by add(_, _) in task order"
    assert found.facts["cut"].startswith("never; 1000 calls in ")


def test_nothing_to_do(explained: Any) -> None:
    found = explained("dot", [], [])
    assert found.facts["cut"] == "along n, 1 chunk of 0; 0 calls in 0 tasks of 1"
    assert found.facts["executor"] == "serial, at most 1 threads"


def test_a_call_that_would_fail_fails(explained: Any) -> None:
    with pytest.raises(ValueError, match=r"^dot: y has shape \(4,\), y\[n\] wants \(3,\) \(n = 3, from x of shape"):
        explained("dot", np.zeros(3), np.zeros(4))
