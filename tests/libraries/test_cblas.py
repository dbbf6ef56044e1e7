"""OpenBLAS, held to one thread and cut from outside: increments and leading dimensions come from the arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

VECTORS = "int n, const double x[0 : n : incx], int incx, const double y[0 : n : incy], int incy"
# A leading dimension is the stride of the rows: the third part of a section.
GEMM = """
    void cblas_dgemm(int Order, int TransA, int TransB, int m, int n, int k, double alpha,
                     const double A[0 : m : lda][k], int lda, const double B[0 : k : ldb][n], int ldb,
                     double beta, double C[0 : m : ldc][n], int ldc)
        fixed(Order = 101, TransA = 111, TransB = 111)
"""
DECLARATIONS = f"""
    void openblas_set_num_threads(int threads);
    int openblas_get_num_threads(void);
    double cblas_ddot({VECTORS}) reduction(+);
    double cblas_dnrm2(int n, const double x[0 : n : incx], int incx) reduction(hypot);
    void cblas_daxpy(int n, double alpha, const double x[0 : n : incx], int incx, double y[0 : n : incy], int incy)
        inout(y);
    {GEMM} fixed(beta = 0) default(alpha = 1);
"""
unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def blas(need: Any) -> pf.Library:
    library: pf.Library = need("openblas", "libopenblas-dev", DECLARATIONS)
    library.openblas_set_num_threads(1)  # else its threads and ours would fight over the cores
    assert library.openblas_get_num_threads() == 1
    return library


@pytest.fixture(scope="module")
def pieces(blas: pf.Library) -> pf.Library:
    """The same functions, cut every few items."""
    start = DECLARATIONS.index("double cblas_ddot")
    return pf.load(blas.path, DECLARATIONS[start:].replace(";", " chunk(max = 5);"))


def address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def test_dot_is_the_librarys_own(blas: pf.Library, everywhere: dict[str, Any]) -> None:
    random = np.random.default_rng(1)
    x, y = random.standard_normal((2, 200_003))
    plain = ctypes.CDLL(blas.path).cblas_ddot
    plain.restype = ctypes.c_double
    whole = plain(ctypes.c_int(x.size), address(x), ctypes.c_int(1), address(y), ctypes.c_int(1))
    np.testing.assert_allclose(blas.cblas_ddot(x, y), whole, rtol=1e-11)
    np.testing.assert_allclose(blas.cblas_dnrm2(x), np.linalg.norm(x))


steps = st.sampled_from((1, 2, 3, -1, -2))


@given(n=st.integers(1, 40), one=steps, other=steps)
@unhurried
def test_increments_are_the_arrays_own(
    pieces: pf.Library, everywhere: dict[str, Any], n: int, one: int, other: int
) -> None:
    """Negative ones too, although BLAS starts those at the other end: such arrays pass through a buffer."""
    random = np.random.default_rng(n)
    x, y = (random.integers(-9, 9, 3 * n).astype(np.float64)[::step][:n] for step in (one, other))
    both = min(len(x), len(y))
    x, y = x[:both], y[:both]
    assert pieces.cblas_ddot(x, y) == x @ y
    expected = 2 * x + y
    pieces.cblas_daxpy(2.0, x, y)
    assert y.tolist() == expected.tolist()


def test_dot_of_columns(blas: pf.Library, everywhere: dict[str, Any]) -> None:
    table = np.random.default_rng(2).integers(-9, 9, (500, 6)).astype(np.float64)
    assert blas.cblas_ddot(table.T[:, None], table.T).tolist() == (table.T @ table).tolist()


def matrices(name: str) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    a, b = (random.integers(-9, 9, shape).astype(np.float64) for shape in ((303, 21), (21, 17)))
    wide = np.zeros((303, 50))
    wide[:, 4:25] = a
    layouts: dict[str, tuple[Array, Array]] = {
        "as they are": (a, b),
        "inside a wider matrix": (wide[:, 4:25], b),
        "every third row": (np.repeat(a, 3, axis=0)[::3], np.repeat(b, 2, axis=0)[::2]),
        "Fortran order": (np.asfortranarray(a), np.asfortranarray(b)),
        "rows backwards": (a[::-1], b[::-1]),
        "columns backwards": (a[:, ::-1], b[:, ::-1]),
        "one row shown often": (np.broadcast_to(a[0], a.shape), np.broadcast_to(b[0], b.shape)),
        "single precision": (a.astype(np.float32), b.astype(np.float32)),
        "one row": (a[:1], b),
        "one column": (a, b[:, :1]),
        "one product": (a[:, :1], b[:1]),
        "a stack": (a[:300].reshape(3, 100, 21), b),
    }
    return layouts[name]


MATRICES = (
    "as they are", "inside a wider matrix", "every third row", "Fortran order", "rows backwards", "columns backwards",
    "one row shown often", "single precision", "one row", "one column", "one product", "a stack",
)  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_a_product_is_cut_by_rows(blas: pf.Library, pieces: pf.Library, everywhere: dict[str, Any], name: str) -> None:
    a, b = matrices(name)
    for library in (blas, pieces):
        np.testing.assert_array_equal(library.cblas_dgemm(A=a, B=b), a @ b)
    np.testing.assert_array_equal(blas.cblas_dgemm(-2.0, a, b), -2 * (a @ b))


def test_a_matrix_inside_a_wider_one_is_neither_copied_nor_exceeded(
    pieces: pf.Library, everywhere: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = matrices("inside a wider matrix")
    wide = np.full((303, 40), 7.0)
    pieces.cblas_dgemm(A=a, B=b, out=wide[:, 3:20])
    np.testing.assert_array_equal(wide[:, 3:20], a @ b)
    assert (wide[:, :3] == 7).all()
    assert (wide[:, 20:] == 7).all()
    pieces.cblas_dgemm.explain(A=a, B=b, C=wide[:, 3:20])
    assert "copies: 0 bytes\n" in capsys.readouterr().out


def test_what_c_held_before_takes_part(blas: pf.Library, everywhere: dict[str, Any]) -> None:
    updating = pf.load(blas.path, f"{GEMM} inout(C) default(alpha = 1, beta = 1);")
    a, b = matrices("as they are")
    c = np.ones((303, 17))
    updating.cblas_dgemm(A=a, B=b, C=c)
    np.testing.assert_array_equal(c, a @ b + 1)
    updating.cblas_dgemm(A=a, B=b, beta=-1.0, C=c)
    np.testing.assert_array_equal(c, -np.ones((303, 17)))


def test_shapes_that_contradict_each_other(blas: pf.Library) -> None:
    a, b = matrices("as they are")
    with pytest.raises(ValueError, match=r"^cblas_dgemm: B") as caught:
        blas.cblas_dgemm(A=a, B=b[1:])
    assert str(caught.value) == (
        "cblas_dgemm: B has shape (20, 17), B[0 : k : ldb][n] wants (21, 17) (k = 21, from A of shape (303, 21); "
        "n = 17, from B of shape (20, 17))"
    )
