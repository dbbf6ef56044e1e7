"""libm's scalar functions, lifted over arrays: the bits of calling them one by one."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

DECLARATIONS = """
    double erf(double x);
    double hypot(double x, double y);
    float hypotf(float x, float y);
    double frexp(double x, int exponent[1]);
    double ldexp(double x, int exponent);
    double modf(double x, double whole[1]);
    void sincos(double x, double sin[1], double cos[1]);
    double _Complex cexp(double _Complex z);
    float _Complex cexpf(float _Complex z);
    long lround(double x);
    int ilogb(double x);
"""
unhurried = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def m(need: Any) -> pf.Library:
    library: pf.Library = need("m", "libc6", DECLARATIONS)
    return library


def plainly(library: pf.Library, name: str, *columns: Array) -> Iterator[float]:
    """One call per item by plain ctypes."""
    function = getattr(ctypes.CDLL(library.path), name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * len(columns)
    for values in zip(*(column.ravel().tolist() for column in columns), strict=True):
        yield function(*values)


@given(x=hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=6)))
@unhurried
def test_erf_bit_for_bit(m: pf.Library, everywhere: dict[str, Any], x: Array) -> None:
    expected = np.array(list(plainly(m, "erf", x))).reshape(x.shape)
    np.testing.assert_array_equal(m.erf(x), expected)


def test_hypot_broadcasts(m: pf.Library, everywhere: dict[str, Any]) -> None:
    random = np.random.default_rng(1)
    x, y = random.standard_normal((40, 1, 30)), random.standard_normal((50, 1))
    found = m.hypot(x, y)
    assert found.shape == (40, 50, 30)
    columns = np.broadcast_arrays(x, y)
    assert found.ravel().tolist() == list(plainly(m, "hypot", *columns))
    assert m.hypot(3.0, 4) == 5.0
    assert m.hypotf(np.float32(3), np.full(5, 4, np.float32)).dtype == np.float32


def test_a_second_result_by_reference(m: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.random.default_rng(2).standard_normal(5001) * 1e9
    mantissa, exponent = m.frexp(x)
    expected = [math.frexp(value) for value in x.tolist()]
    assert list(zip(mantissa.tolist(), exponent.tolist(), strict=True)) == expected
    assert exponent.dtype == np.intc
    assert m.ldexp(mantissa, exponent).tolist() == x.tolist()
    fraction, whole = m.modf(x)
    assert (fraction + whole).tolist() == x.tolist()
    assert m.frexp(8.0) == (0.5, 4)


def test_two_results_and_no_returned_one(m: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.linspace(-10, 10, 3001)
    sine, cosine = m.sincos(x)
    np.testing.assert_allclose(sine, np.sin(x), atol=1e-15)
    np.testing.assert_allclose(cosine, np.cos(x), atol=1e-15)
    into = np.zeros((3001, 2))
    given = m.sincos(x, out=(into[:, 0], into[:, 1]))
    assert np.shares_memory(given[0], into)
    np.testing.assert_array_equal(into, np.stack([sine, cosine], axis=1))


@pytest.mark.parametrize(("name", "dtype"), [("cexp", np.complex128), ("cexpf", np.complex64)])
def test_complex_numbers_in_registers(m: pf.Library, everywhere: dict[str, Any], name: str, dtype: Any) -> None:
    random = np.random.default_rng(3)
    z = (random.standard_normal((7, 99)) + 1j * random.standard_normal((7, 99))).astype(dtype)
    found = getattr(m, name)(z)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.exp(z), rtol=4 * float(np.finfo(dtype).eps))
    assert getattr(m, name)(0) == 1


def test_integers_come_back_as_their_c_types(m: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.array([0.5, 1.5, -2.5, 1e10])
    assert m.lround(x).tolist() == [1, 2, -3, 10_000_000_000]
    assert m.lround(x).dtype == np.dtype(ctypes.c_long)
    assert m.ilogb([1.0, 1024.0]).tolist() == [0, 10]


def test_what_would_lose_something_is_refused(m: pf.Library) -> None:
    with pytest.raises(TypeError) as caught:
        m.ldexp(np.ones(3), np.ones(3))
    assert str(caught.value) == "ldexp: exponent has dtype float64, which does not cast safely to int (int32)"
    with pytest.raises(TypeError, match=r"^ldexp: exponent is int, so it takes an integer, not 2\.5 \(float\)$"):
        m.ldexp(1.0, 2.5)
    with pytest.raises(OverflowError, match=r"^ldexp: exponent = 4294967296 does not fit int "):
        m.ldexp(1.0, 1 << 32)
    with pytest.raises(TypeError, match=r"^hypotf: y has dtype float64, which does not cast safely to float"):
        m.hypotf(np.float32(1), np.ones(3))
