"""Stride parameters: what they are told for arrays that lie anyhow, share a stride, are missing, or are copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.options import EXECUTORS

Array = np.ndarray[Any, np.dtype[Any]]

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
double dot(size_t n, const double *x, const double *y, ptrdiff_t s) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[(ptrdiff_t)i * s] * (y ? y[(ptrdiff_t)i * s] : 1);
    return sum;
}
void product(int m, int k, const double *a, int lda, const double *b, int ldb, double *c) {
    for (int i = 0; i < m; i++) { c[i] = 0; for (int j = 0; j < k; j++) c[i] += a[i * lda + j] * b[i * ldb + j]; }
}
void both(size_t m, size_t n, const double *a, size_t rows, size_t columns, double *y) {
    for (size_t i = 0; i < m; i++) {
        y[i] = 0;
        for (size_t j = 0; j < n; j++) y[i] = 10 * y[i] + a[i * rows + j * columns];
    }
}
void spread(size_t n, const double *x, size_t m, double *y, size_t s) {
    for (size_t i = 0; i < n; i++) for (size_t j = 0; j < m; j++) y[j * s] += x[i];
}
int8_t told(size_t n, const double *x, int8_t s) { return n && x ? s : s; }
void around(size_t n, size_t m, const double *x, ptrdiff_t s, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = 0;
        for (ptrdiff_t row = -1; row < 2; row++)
            for (size_t j = 0; j < m; j++) y[i] += x[((ptrdiff_t)i + row) * (ptrdiff_t)m * s + (ptrdiff_t)j * s];
    }
}
"""
DECLARATIONS = """
    double dot(size_t n, const double x[0 : n : s], const double y[0 : n : s], ptrdiff_t s)
        reduction(+) default(y = NULL) chunk(max = 3);
    void product(int m, int k, const double a[0 : m : lda][k], int lda, const double b[0 : m : ldb][k], int ldb,
                 double c[m]) chunk(max = 3);
    void both(size_t m, size_t n, const double a[0 : m : rows][0 : n : columns], size_t rows, size_t columns,
              double y[m]) chunk(max = 3);
    void spread(size_t n, const double x[n], size_t m, double y[0 : m : s], size_t s) reduction(+: y) chunk(max = 3);
    int8_t told(size_t n, const double x[0 : n : s], int8_t s) split();
    void around(size_t n, size_t m, const double x[-1 : n + 2][0 : m : s], ptrdiff_t s, double y[n])
        boundary(nearest) chunk(max = 4);
"""
every_executor = pytest.mark.parametrize("executor", EXECUTORS)


@pytest.fixture(scope="module")
def kernels() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "packed": lambda array: array.copy(),
    "every second": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "every third": lambda array: np.repeat(array, 3, axis=-1)[..., ::3],
    "backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
    "by rows": lambda array: np.repeat(array, 2, axis=0)[::2],
    "rows backwards": lambda array: array[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "single": lambda array: array.astype(np.float32),
}
one = pytest.mark.parametrize("one", LAYOUTS)
other = pytest.mark.parametrize("other", LAYOUTS)


@every_executor
@one
@other
def test_arrays_that_share_a_stride(kernels: pf.Library, executor: str, one: str, other: str) -> None:
    x, y = np.random.default_rng(1).integers(-9, 9, (2, 11)).astype(np.float64)
    function = kernels.dot.options(executor=executor, threads=2)
    assert function(LAYOUTS[one](x), LAYOUTS[other](y)) == x @ y


@every_executor
@one
@other
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (7, 1), (7, 4)])
def test_leading_dimensions(kernels: pf.Library, executor: str, one: str, other: str, shape: tuple[int, int]) -> None:
    a, b = np.random.default_rng(2).integers(-9, 9, (2, *shape)).astype(np.float64)
    function = kernels.product.options(executor=executor, threads=2)
    assert function(LAYOUTS[one](a), LAYOUTS[other](b)).tolist() == (a * b).sum(axis=1).tolist()


@every_executor
@one
def test_strides_of_both_dimensions(kernels: pf.Library, executor: str, one: str) -> None:
    a = np.random.default_rng(3).integers(0, 10, (7, 4)).astype(np.float64)
    function = kernels.both.options(executor=executor, threads=2)
    assert function(LAYOUTS[one](a)).tolist() == (a @ [1000, 100, 10, 1]).tolist()


@every_executor
def test_columns_and_rows_are_walked_in_place(
    kernels: pf.Library, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.both.explain(np.asfortranarray(np.ones((7, 4)))[::2])
    kernels.product.explain(np.ones((7, 9))[:, 2:5], np.ones((7, 3)))
    kernels.dot.explain(np.ones(20)[::2], np.ones(20)[1::2])
    assert capsys.readouterr().out.count("copies: 0 bytes") == 3


@every_executor
def test_rows_that_overlap_are_copied(kernels: pf.Library, executor: str) -> None:
    """BLAS refuses a leading dimension that is less than a row."""
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(10.0), 4)
    function = kernels.product.options(executor=executor, threads=2)
    assert function(windows, np.ones((7, 4))).tolist() == windows.sum(axis=1).tolist()
    same = np.broadcast_to(np.arange(4.0), (7, 4))
    assert function(same, np.ones((7, 4))).tolist() == [6.0] * 7


@every_executor
def test_an_array_that_is_left_out(kernels: pf.Library, executor: str) -> None:
    function = kernels.dot.options(executor=executor, threads=2)
    assert function(np.arange(10.0)[::3], None) == 18
    assert function(np.arange(10.0), y=None) == function(np.arange(10.0)) == 45


@every_executor
@one
def test_rows_that_are_added_at_the_ends_lie_as_the_others_do(kernels: pf.Library, executor: str, one: str) -> None:
    """Made-up rows are packed, and there is one stride for all: arrays with gaps in their rows are packed as well."""
    x = np.random.default_rng(4).integers(-9, 9, (11, 5)).astype(np.float64)
    padded = np.pad(x, ((1, 1), (0, 0)), "edge").sum(axis=1)
    found = kernels.around.options(executor=executor, threads=2)(LAYOUTS[one](x))
    assert found.tolist() == (padded[:-2] + padded[1:-1] + padded[2:]).tolist()


@every_executor
def test_private_copies_are_packed(kernels: pf.Library, executor: str) -> None:
    function = kernels.spread.options(executor=executor, threads=2)
    assert function(np.ones(10), m=4).tolist() == [10.0] * 4
    out = np.zeros(8)
    function(np.ones(10), out=out[::2])
    assert out.tolist() == [10.0, 0.0] * 4


@every_executor
def test_a_stride_its_parameter_cannot_hold_is_avoided(kernels: pf.Library, executor: str) -> None:
    function = kernels.told.options(executor=executor)
    assert function(np.zeros(1000)[::127]) == 127
    assert function(np.zeros(1000)[::128]) == 1, "passed through a buffer"
    assert function(np.zeros(1000)[::-2]) == 1


def test_a_packed_stride_that_does_not_fit_is_an_error(kernels: pf.Library) -> None:
    narrow = pf.load(
        pf.compile(
            "void f(int m, int k, const double *a, signed char lda, double *c) { c[0] = a[0] * m * k * lda; }"
        ).path,
        "void f(int m, int k, const double a[0 : m : lda][k], int8_t lda, double c[m]);",
    )
    with pytest.raises(OverflowError) as caught:
        narrow.f(np.zeros((3, 200)))
    assert str(caught.value) == "f: lda = 200 does not fit int8_t"


def test_a_stride_that_no_two_arrays_can_share_is_an_error() -> None:
    library = pf.compile(
        "void f(int m, int k, int n, const double *a, const double *b, int ld) { (void)(a - b + m + k + n + ld); }",
        "void f(int m, int k, int n, const double a[0 : m : ld][k], const double b[0 : m : ld][n], int ld);",
    )
    with pytest.raises(ValueError, match=r"^f: a ") as caught:
        library.f(np.zeros((3, 4)), np.zeros((3, 5)))
    assert str(caught.value) == (
        "f: a of core shape (3, 4) and b of core shape (3, 5) share the stride ld, and no value of it suits all of them"
    )
    # One that is wide enough for both does.
    assert library.f(np.zeros((3, 8))[:, :4], np.zeros((3, 8))[:, :5]) is None
