"""GSL objects that only one thread may use: a histogram for every task, merged by the library's own function."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

PRIVATE = (
    "private(h = gsl_histogram_clone, gsl_histogram_free, gsl_histogram_reset) reduction(gsl_histogram_add(_, _): h)"
)
DECLARATIONS = f"""
    uintptr_t gsl_histogram_calloc_uniform(size_t n, double xmin, double xmax);
    void gsl_histogram_free(gsl_histogram *h);
    double gsl_histogram_get(const gsl_histogram *h, size_t i);
    int gsl_histogram_add(gsl_histogram *h1, const gsl_histogram *h2) status(0, gsl_strerror);
    int gsl_histogram_increment(gsl_histogram *h, double x) {PRIVATE} init(gsl_set_error_handler_off);
    int gsl_histogram_accumulate(gsl_histogram *h, double x, double weight) status(0, gsl_strerror) {PRIVATE};

    uintptr_t gsl_spline_alloc(const gsl_interp_type *type, size_t size);
    void gsl_spline_free(gsl_spline *spline);
    int gsl_spline_init(gsl_spline *spline, const double xa[size], const double ya[size], size_t size)
        split() status(0, gsl_strerror);
    double gsl_spline_eval(const gsl_spline *spline, double x, gsl_interp_accel *a)
        private(a = gsl_interp_accel_alloc(), gsl_interp_accel_free);
"""
BINS = 25


@pytest.fixture(scope="module")
def gsl(need: Any) -> pf.Library:
    library: pf.Library = need("gsl", "libgsl-dev", DECLARATIONS)
    return library


@contextmanager
def histogram(gsl: pf.Library) -> Iterator[int]:
    handle = int(gsl.gsl_histogram_calloc_uniform(BINS, 0.0, 1.0))
    try:
        yield handle
    finally:
        gsl.gsl_histogram_free(handle)


def counts(gsl: pf.Library, handle: int) -> Any:
    return gsl.gsl_histogram_get(handle, np.arange(BINS, dtype=np.uint64))


def test_a_histogram_of_all_cores_is_the_serial_one(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.random.default_rng(1).random(20_000)
    increment = ctypes.CDLL(gsl.path).gsl_histogram_increment
    with histogram(gsl) as shared, histogram(gsl) as alone:
        for value in x:
            increment(ctypes.c_void_p(alone), ctypes.c_double(value))
        statuses = gsl.gsl_histogram_increment(shared, x)
        assert statuses.shape == x.shape
        assert not statuses.any()
        assert counts(gsl, shared).tolist() == counts(gsl, alone).tolist()
        # What the histogram held before stays in it, once.
        gsl.gsl_histogram_increment(shared, x)
        assert counts(gsl, shared).tolist() == (2 * counts(gsl, alone)).tolist()


def test_without_status_the_codes_are_the_result(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.array([0.5, 2.0, 0.5, -1.0])
    with histogram(gsl) as handle:
        assert gsl.gsl_histogram_increment(handle, x).tolist() == [0, 1, 0, 1]
        assert counts(gsl, handle).sum() == 2


def test_weights_add_up_to_the_same_bits_everywhere(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    random = np.random.default_rng(2)
    x, weight = random.random(5000), random.random(5000)
    with histogram(gsl) as handle, histogram(gsl) as oracle:
        gsl.gsl_histogram_accumulate(handle, x, weight)
        gsl.gsl_histogram_accumulate.options(executor="serial", threads=1)(oracle, x, weight)
        assert counts(gsl, handle).tobytes() == counts(gsl, oracle).tobytes()
        np.testing.assert_allclose(counts(gsl, handle).sum(), weight.sum())


def test_a_failure_leaves_the_handle_as_it_was(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.full(5000, 0.5)
    x[4321] = 7.0
    with histogram(gsl) as handle:
        with pytest.raises(pf.ChunkError, match=r"^gsl_histogram_accumulate at \(4321,\) returned 1 \(input domain"):
            gsl.gsl_histogram_accumulate(handle, x, 1.0)
        assert counts(gsl, handle).sum() == 0


SHIM = r"""
#include <gsl/gsl_histogram.h>
#include <stdatomic.h>
static atomic_long made, ended;
void *counted_clone(const gsl_histogram *h) { made++; return gsl_histogram_clone(h); }
void counted_free(gsl_histogram *h) { ended++; gsl_histogram_free(h); }
void *refuse(const gsl_histogram *h) { return made++ % 3 == 2 ? 0 : gsl_histogram_clone(h); }
void empty(gsl_histogram *h) { gsl_histogram_reset(h); }
int add(gsl_histogram *one, const gsl_histogram *other) { return gsl_histogram_add(one, other); }
int increment(gsl_histogram *h, double x) { return gsl_histogram_increment(h, x); }
int refused(gsl_histogram *h, double x) { return gsl_histogram_increment(h, x); }
long count_made(void) { return made; }
long count_ended(void) { return ended; }
"""


@pytest.fixture(scope="module")
def shim(gsl: pf.Library) -> pf.Library:
    """GSL's functions with copies counted."""
    return pf.compile(
        SHIM,
        """
        int add(gsl_histogram *h1, const gsl_histogram *h2) status(0);
        int increment(gsl_histogram *h, double x) status(0)
            private(h = counted_clone, counted_free, empty) reduction(add(_, _): h);
        int refused(gsl_histogram *h, double x) status(0)
            private(h = refuse, counted_free, empty) reduction(add(_, _): h);
        long count_made(void);
        long count_ended(void);
        """,
        flags=["-Wl,--no-as-needed", "-lgsl", "-lgslcblas", "-lm"],
    )


def test_every_copy_is_ended(gsl: pf.Library, shim: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.random.default_rng(3).random(3000)
    before = int(shim.count_made())
    with histogram(gsl) as handle:
        for _ in range(5):
            shim.increment(handle, x)
        assert counts(gsl, handle).sum() == 5 * x.size
        with pytest.raises(pf.ChunkError):
            shim.increment(handle, x + 1)
    assert int(shim.count_made()) > before
    assert shim.count_made() == shim.count_ended()


def test_a_copy_that_cannot_be_made_ends_those_that_were(
    gsl: pf.Library, shim: pf.Library, everywhere: dict[str, Any]
) -> None:
    ended = int(shim.count_ended())
    with histogram(gsl) as handle:
        with pytest.raises(pf.PyffiparError) as caught:
            shim.refused(handle, np.full(3000, 0.5))
        assert str(caught.value) == "refused: refuse returned NULL instead of a copy of h"
        assert counts(gsl, handle).sum() == 0
    extra = int(shim.count_made()) - int(shim.count_ended())
    assert int(shim.count_ended()) - ended <= 2
    assert extra <= 1  # the one that was NULL
    # The counters agree again for the tests that follow.
    while shim.count_made() != shim.count_ended():
        ctypes.CDLL(shim.path).counted_free(None)


def test_an_accelerator_for_every_worker(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    """A cache that changes no result: made from nothing for each worker, so the caller passes None."""
    kind = ctypes.c_void_p.in_dll(ctypes.CDLL(gsl.path), "gsl_interp_cspline").value
    knots = np.linspace(0.0, 6.0, 60)
    spline = int(gsl.gsl_spline_alloc(kind, knots.size))
    gsl.gsl_spline_init(spline, knots, np.sin(knots))
    x = np.random.default_rng(4).random(9999) * 6
    found = gsl.gsl_spline_eval(spline, x, None)
    plain = ctypes.CDLL(gsl.path).gsl_spline_eval
    plain.restype = ctypes.c_double
    expected = [plain(ctypes.c_void_p(spline), ctypes.c_double(value), None) for value in x]
    assert found.tolist() == expected
    np.testing.assert_allclose(found, np.sin(x), atol=1e-3)
    gsl.gsl_spline_free(spline)
