"""Libraries of the distribution in worker processes, which load them for themselves: the bits are the same."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, get_context("spawn")) as made:
        yield made


@pytest.fixture(params=["processes", "a pool"])
def apart(request: pytest.FixtureRequest) -> Iterator[None]:
    """Calls are made in worker processes, ours or those of another pool."""
    executor = "processes" if request.param == "processes" else request.getfixturevalue("pool")
    with pf.options(executor=executor, threads=2):
        yield


def test_zlibs_checksum_is_merged_by_zlib(need: Any, apart: None) -> None:
    z = need(
        "z",
        "zlib1g",
        """uLong crc32_combine(uLong crc1, uLong crc2, long len2);
           uLong crc32(uLong crc, const Bytef buf[len], uInt len)
               carry(crc = 0) reduction(crc32_combine(_, _, len));""",
    )
    data = np.random.default_rng(1).integers(0, 256, 10_000_003, np.uint8)
    for buffer in (data, pf.shared(data), data[::2]):
        assert z.crc32(77, buffer) == zlib.crc32(np.ascontiguousarray(buffer).tobytes(), 77)


def test_gsl_does_not_end_the_worker_but_tells_what_is_wrong(need: Any, apart: None) -> None:
    """Only if `init` is called in the workers as well: GSL's own handler would abort them."""
    gsl = need(
        "gsl",
        "libgsl-dev",
        """typedef struct { double val; double err; } gsl_sf_result;
           int gsl_sf_lngamma_e(double x, gsl_sf_result result[1])
               status(0, gsl_strerror) init(gsl_set_error_handler_off);""",
    )
    x = np.linspace(0.5, 9.5, 1000)
    np.testing.assert_array_equal(gsl.gsl_sf_lngamma_e(x), gsl.gsl_sf_lngamma_e.options(executor="serial")(x))
    x[700] = -1.0
    with pytest.raises(pf.ChunkError, match=r"gsl_sf_lngamma_e at \(700,\) returned 1 \(input domain error\)"):
        gsl.gsl_sf_lngamma_e(x)


def test_every_worker_makes_an_accelerator_of_its_own(need: Any, apart: None) -> None:
    """`gsl_interp_accel_alloc()` wants no handle of the caller's, so there may be one in each process."""
    gsl = need(
        "gsl",
        "libgsl-dev",
        """size_t gsl_interp_accel_find(struct accel *a, const double x[size], size_t size, double at)
               private(a = gsl_interp_accel_alloc(), gsl_interp_accel_free) split();""",
    )
    grid = np.linspace(0.0, 1.0, 101)
    at = np.random.default_rng(2).uniform(0.0, 1.0, 500)
    np.testing.assert_array_equal(gsl.gsl_interp_accel_find(None, grid, at=at), np.searchsorted(grid, at, "right") - 1)


@pytest.mark.parametrize("increments", [(1, 1), (2, 1), (1, 3), (5, 5), (-1, 1)])
def test_blas_sees_the_increments_it_would_see_here(need: Any, apart: None, increments: tuple[int, int]) -> None:
    """It adds up in another order for each, so that a packed copy would have other bits."""
    blas = need(
        "openblas",
        "libopenblas-dev",
        """double cblas_ddot(int n, const double x[0 : n : incx], int incx, const double y[0 : n : incy], int incy)
               reduction(+);""",
    )
    random = np.random.default_rng(3)
    x, y = (random.standard_normal(30_000 * abs(increment))[::increment] for increment in increments)
    assert blas.cblas_ddot(x, y) == blas.cblas_ddot.options(executor="serial")(x, y)


def test_a_cipher_goes_on_counting_from_chunk_to_chunk(need: Any, apart: None) -> None:
    sodium = need(
        "sodium",
        "libsodium-dev",
        """int crypto_stream_chacha20_xor_ic(unsigned char c[mlen], const unsigned char m[mlen],
               unsigned long long mlen, const unsigned char n[8], uint64_t ic, const unsigned char k[32])
               linear(ic : 1/64) chunk(step = 64, max = 4096) status(0) init(sodium_init);""",
    )
    cipher = sodium.crypto_stream_chacha20_xor_ic
    message = np.random.default_rng(4).integers(0, 256, 100_003, np.uint8)
    key, nonce = np.arange(32, dtype=np.uint8), np.arange(8, dtype=np.uint8)
    found = cipher(message, nonce, 2**40, key)
    np.testing.assert_array_equal(found, cipher.options(executor="serial")(message, nonce, 2**40, key))
    np.testing.assert_array_equal(cipher(found, nonce, 2**40, key), message)
