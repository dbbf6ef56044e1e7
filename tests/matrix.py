"""One call of every kind of function, to be made wherever calls can be made: the bits must be those of a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

KERNELS = Path(__file__).with_name("kernels")
POINT = np.dtype([("tag", "i1"), ("x", "f8"), ("y", "f8")], align=True)


@dataclass(frozen=True)
class Case:
    """A declaration, and what to call it with; arrays among the arguments may be written to.

    Attributes
    ----------
    source : str
        Of the kernels.
    declaration : str
        The last function in it is called.
    arguments : callable
        Makes new ones, always the same.
    """

    source: str
    declaration: str
    arguments: Callable[[], Arguments]

    def function(self) -> pf.Function:
        return _declared(self.source, self.declaration)

    def expected(self) -> list[Array]:
        """What a plain loop gives and leaves behind."""
        return self.results(self.function().options(executor="serial"))

    def results(self, call: Callable[..., Any], wrap: Callable[[Any], Any] = lambda value: value) -> list[Array]:
        """All that a call gives and leaves behind; its arguments are wrapped."""
        positional, keywords = self.arguments()
        returned = call(*map(wrap, positional), **{name: wrap(value) for name, value in keywords.items()})
        outputs = returned if isinstance(returned, tuple) else () if returned is None else (returned,)
        given = [value for value in (*positional, *keywords.values()) if isinstance(value, np.ndarray)]
        return [np.array(value) for value in (*outputs, *given)]

    def check(self, call: Callable[..., Any], wrap: Callable[[Any], Any] = lambda value: value) -> None:
        """Fail unless a call gives and leaves behind the very bits of a plain loop."""
        same_bits(self.results(call, wrap), self.expected())


@cache
def _declared(source: str, declaration: str) -> pf.Function:
    library = pf.compile(KERNELS.joinpath(f"{source}.c").read_text(), declaration)
    return list(library)[-1]


def reals(*shape: int, seed: int = 1) -> Array:
    """Numbers whose sum depends on the order of the summands."""
    random = np.random.default_rng(seed)
    values: Array = random.standard_normal(shape) * 10.0 ** random.integers(-8, 8, shape)
    return values


def given(*positional: Any, **keywords: Any) -> Arguments:
    return positional, keywords


def _points() -> Array:
    points = np.zeros(200, POINT)
    points["tag"], points["x"], points["y"] = np.arange(200) % 100, reals(200), reals(200, seed=2)
    return points


def _sparse() -> Arguments:
    counts = np.random.default_rng(3).integers(0, 5, 300)
    begin = np.concatenate([[0], np.cumsum(counts)])
    col = np.random.default_rng(4).integers(0, 20, begin[-1]).astype(np.int32)
    return given(begin, col, reals(int(begin[-1])), reals(20, seed=2))


def _bytes(count: int) -> Array:
    return np.random.default_rng(5).integers(0, 256, count, np.uint8)


SCALE = "void scale(size_t n, double a, const double x[n], double y[n]) chunk(max = 37);"
BLUR = "void blur(size_t n, const double x[n + 2], double y[n]) chunk(max = 37);"
DOT = "double dot(size_t n, const double x[n], const double y[n]) reduction(+) chunk(max = 100);"
BETWEEN = "void between(size_t n, const double x[-1 : n + 2], double y[n]) boundary({}) chunk(max = 9);"
FIRST = "{0} first_{1}_of(size_t n, const {0} x[n]) reduction({2}) chunk(max = 2);"
PLACES = """void places(int start, double where, size_t n, const double x[n], double y[n])
            linear(start : 1) linear(where : 1/4) chunk(min = 7, max = 7);"""
CARRIED = "void carried(double v, size_t n, const double x[n], double y[n]) carry(v = -1.5) chunk(min = 7, max = 7);"
CHECKSUM = """uint64_t checksum_join(uint64_t a, uint64_t b, long length);
    uint64_t checksum(uint64_t seed, const unsigned char data[len], unsigned len)
        carry(seed = 0) reduction(checksum_join(_, _, len)) chunk(max = 50);"""
MEAN = "double mean_of(const double data[0 : n : stride], size_t stride, size_t n) reduction(mean) chunk(max = 40);"
HIST = "void byte_histogram(size_t n, const unsigned char x[n], long counts[256]) reduction(+: counts) chunk(max = 90);"
HIST_ONTO = HIST.replace(" chunk", " inout(counts) chunk")
MOMENTS = """void moments(size_t n, const double x[n], double sum[1], double _Complex turned[1], unsigned bits[1])
             reduction(+: sum, turned) reduction(^: bits) chunk(max = 8);"""
DIVIDE = """int divide(size_t n, const int a[n], const int b[n], int quotient[n], int rest[n])
            reduction(+) chunk(max = 60);"""
CSR = """void csr_matvec(size_t rows, const int64_t begin[rows + 1], size_t entries, const int col[entries],
                         const double val[entries], size_t cols, const double x[cols], double y[rows])
         chunk(max = 40);"""
GEMM = """void gemm(size_t m, size_t k, size_t n, const double a[m][k], const double b[k][n], double c[m][n])
          chunk(max = 3);"""
INTERLEAVE = "void interleave(size_t n, const double re[n], const double im[n], double z[2*n]) chunk(max = 30);"
COPY = "void copy_cdouble(size_t n, const double _Complex x[n], double _Complex y[n]) chunk(max = 10);"
SWAP = """struct point { char tag; double x, y; };
          void swap_points(size_t n, const struct point p[n], struct point q[n]) chunk(max = 6);"""
STATUS = "int checked_root(size_t n, const double x[n], double y[n]) status(0, explain_code) chunk(max = 10);"
ADD_TO = "void add_to(size_t n, double x[n], double a) inout(x) chunk(max = 20);"
WEIGH = """void weigh(size_t n, const int bin[n], const double weight[n], size_t bins, double sums[bins])
           reduction(+: sums) chunk(max = 50);"""
COLUMNS = "void add_columns(const double a[0 : n : by], ptrdiff_t by, size_t n, double out[n]) chunk(max = 8);"
POSITIVE = "size_t positive(size_t n, const double x[n], double y[n]) reduction(concat: y) chunk(max = 12);"
DOT_OR_SUM = """double dot_or_sum(size_t n, const double x[n], const double y[n])
    reduction(+) default(y = NULL) chunk(max = 30);"""

CASES: dict[str, Case] = {
    "scalar": Case("basics", "double scale_one(double a, double x, int b);", lambda: given(2.5, reals(7, 40), 3)),
    "scalars broadcast": Case(
        "basics",
        "double scale_one(double a, double x, int b);",
        lambda: given(reals(6, 1, 5), reals(4, 1, seed=2).astype(">f8"), np.arange(5, dtype=np.int16)),
    ),
    "one number": Case("basics", "double scale_one(double a, double x, int b);", lambda: given(2.5, 1.5, 3)),
    "cut": Case("basics", SCALE, lambda: given(2.5, reals(1003))),
    "cut and cast": Case("basics", SCALE, lambda: given(2.5, reals(1003).astype(np.float32)[::-2])),
    "cut and lifted": Case("basics", SCALE, lambda: given(reals(3, 1), reals(3, 2, 80))),
    "into out": Case("basics", SCALE, lambda: given(2.5, reals(1003), out=np.full(2006, 7.0)[::2])),
    "into narrow out": Case("basics", SCALE, lambda: given(2.5, reals(1003), out=np.zeros(1003, ">f4"))),
    "in place": Case("basics", ADD_TO, lambda: given(reals(301), 0.5)),
    "in place and cast": Case("basics", ADD_TO, lambda: given(reals(301).astype(np.float32)[::3], 0.1)),
    "halo": Case("basics", BLUR, lambda: given(reals(502))),
    "halo of rows": Case(
        "basics",
        "void rows_difference(size_t rows, size_t cols, const double x[rows + 1][cols], double y[rows][cols]);",
        lambda: given(reals(90, 7)),
    ),
    "section": Case("clauses", BETWEEN.replace(" boundary({})", ""), lambda: given(reals(70)[::-1])),
    **{
        f"boundary {mode}": Case("clauses", BETWEEN.format(mode), lambda: given(reals(3, 64).astype(">f8")))
        for mode in ("reflect", "mirror", "nearest", "wrap", "constant(7)")
    },
    "boundary of a short array": Case("clauses", BETWEEN.format("mirror"), lambda: given(reals(2, 1))),
    "several per item": Case("basics", INTERLEAVE, lambda: given(reals(200)[::2], reals(100, seed=2))),
    "fixed dimensions": Case(
        "basics",
        "void rotate(size_t n, const double r[3][3], const double p[n][3], double q[n][3]) chunk(max = 100);",
        lambda: given(reals(3, 3), reals(3, 200).T),
    ),
    "sparse": Case("basics", CSR, _sparse),
    "whole matrix": Case("basics", GEMM, lambda: given(reals(50, 6), reals(4, 6, seed=2).T)),
    "stack of matrices": Case("basics", GEMM, lambda: given(reals(5, 1, 7, 3), reals(6, 3, 2, seed=2))),
    "never cut": Case("basics", "double trace(size_t n, const double a[n][n]);", lambda: given(reals(9, 5, 5))),
    "by reference": Case("basics", "void square_of(double x, double y[1]);", lambda: given(reals(40, 3))),
    "sum": Case("basics", DOT, lambda: given(reals(5001), reals(5001, seed=2)[::-1])),
    "sums of rows": Case("basics", DOT, lambda: given(reals(7, 1, 900), reals(3, 900, seed=2))),
    "histogram": Case("basics", HIST, lambda: given(_bytes(4000))),
    "histogram of rows": Case("basics", HIST, lambda: given(_bytes(4000).reshape(8, 500))),
    "histogram onto": Case("basics", HIST_ONTO, lambda: given(_bytes(4000), np.arange(512)[::2])),
    "weights": Case("basics", WEIGH, lambda: given(_bytes(999).astype(np.int32) % 5, reals(999), bins=5)),
    "extremes": Case(
        "basics",
        "void extremes(size_t n, const double x[n], double lo[1], double hi[1]) "
        "reduction(min: lo) reduction(max: hi) chunk(max = 30);",
        lambda: given(reals(500)),
    ),
    "several reductions": Case("basics", MOMENTS, lambda: given(np.abs(reals(100)) % 1e6)),
    "outputs and a sum": Case(
        "basics", DIVIDE, lambda: given(np.arange(-300, 301, dtype=np.int32), np.full(601, 7, np.int32))
    ),
    **{
        f"merged by {operator}": Case(
            "basics",
            FIRST.format("int64_t", "int64", operator),
            lambda: given(np.random.default_rng(8).integers(-(2**60), 2**60, 101)),
        )
        for operator in ("min", "max", "&", "|", "^", "&&", "||", "first", "last")
    },
    "product": Case(
        "basics",
        "double first(size_t n, const double x[n]) reduction(*) chunk(max = 3);",
        lambda: given(reals(30)),
    ),
    "hypot": Case(
        "basics",
        "double first(size_t n, const double x[n]) reduction(hypot) chunk(max = 3);",
        lambda: given(reals(30)),
    ),
    "mean of a column": Case("clauses", MEAN, lambda: given(reals(300, 4)[:, 2])),
    "means of columns": Case("clauses", MEAN, lambda: given(reals(300, 4).T)),
    "stride back": Case("clauses", COLUMNS, lambda: given(reals(100)[::-3])),
    "linear": Case("clauses", PLACES, lambda: given([5, -5], 0.5, np.zeros(100))),
    "carried": Case("clauses", CARRIED, lambda: given([3.0, 4.0], reals(100))),
    "foreign merge": Case("clauses", CHECKSUM, lambda: given(77, _bytes(700))),
    "foreign merge of rows": Case(
        "clauses", CHECKSUM, lambda: given(np.arange(5, dtype=np.uint64), _bytes(3500).reshape(5, 700))
    ),
    "smallest": Case(
        "clauses",
        "long smallest_at(size_t n, const double x[n]) reduction(argmin(x)) chunk(max = 20);",
        lambda: given(reals(3, 400)),
    ),
    "joined": Case("clauses", POSITIVE, lambda: given(reals(500))),
    "status": Case("clauses", STATUS, lambda: given(np.abs(reals(100)))),
    "status of length": Case(
        "clauses",
        "size_t all_or_less(size_t n, const double x[n], double y[n]) status(n) chunk(max = 10);",
        lambda: given(np.abs(reals(95))),
    ),
    "structs": Case("clauses", SWAP, lambda: given(_points()[::-1])),
    "complex": Case("basics", COPY, lambda: given(reals(101) + 1j * reals(101, seed=2))),
    "behind a variable": Case("clauses", "double (*twice)(double x);", lambda: given(reals(50))),
    "nothing": Case("basics", DOT, lambda: given(np.empty(0), np.empty(0))),
    "rows of nothing": Case("basics", SCALE, lambda: given(2.0, np.empty((3, 0)))),
    "no rows": Case("basics", DOT, lambda: given(np.empty((0, 50)), reals(50))),
    "null": Case(
        "null",
        DOT_OR_SUM,
        lambda: given(reals(300), None),
    ),
    "left out": Case("null", DOT_OR_SUM, lambda: given(reals(300))),
    "not left out": Case("null", DOT_OR_SUM, lambda: given(reals(300), reals(300, seed=1))),
}


def same_bits(one: list[Array], other: list[Array]) -> None:
    """Fail unless all arrays have the same types, shapes and bytes."""
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        if left.dtype.names and left.dtype == right.dtype:  # what lies between the members is nobody's
            same_bits([left[name] for name in left.dtype.names], [right[name] for name in left.dtype.names])
            continue
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        if left.tobytes() != right.tobytes():
            np.testing.assert_array_equal(left, right)  # says where
            raise AssertionError(f"equal values, other bits: {left!r} and {right!r}")
