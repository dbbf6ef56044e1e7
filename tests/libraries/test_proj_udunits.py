"""Coordinates and units: libraries whose handles belong to one thread, or may be shared by all."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

PROJ = """
    uintptr_t proj_create(PJ_CONTEXT *context, const void *definition);
    uintptr_t proj_destroy(PJ *P);
    int proj_trans_array(PJ *P, int direction, size_t n, double coord[n][4])
        inout(coord) default(direction = 1) status(0, proj_errno_string)
        private(P = proj_clone(proj_context_create(), _), proj_destroy);
"""
UTM = b"+proj=utm +zone=32 +ellps=GRS80"
# It returns its last argument, a pointer: nobody needs it.
UDUNITS = """
    void cv_convert_doubles(const cv_converter *converter, const double in[count], size_t count, double out[count]);
    void cv_convert_floats(const cv_converter *converter, const float in[count], size_t count, float out[count]);
    double cv_convert_double(const cv_converter *converter, double value);
"""


@pytest.fixture(scope="module")
def proj(need: Any) -> pf.Library:
    library: pf.Library = need("proj", "libproj-dev", PROJ)
    return library


@pytest.fixture(scope="module")
def utm(proj: pf.Library) -> Iterator[int]:
    handle = int(proj.proj_create(None, ctypes.create_string_buffer(UTM)))
    assert handle
    yield handle
    proj.proj_destroy(handle)


def places(count: int) -> Array:
    """Longitudes and latitudes in radians around the ninth meridian, height and time."""
    random = np.random.default_rng(count)
    made = np.zeros((count, 4))
    made[:, 0] = np.radians(9 + 3 * random.standard_normal(count))
    made[:, 1] = np.radians(random.uniform(-80, 80, count))
    return made


def test_projected_as_by_one_call(proj: pf.Library, utm: int, everywhere: dict[str, Any]) -> None:
    coordinates = places(40_001)
    expected = coordinates.copy()
    plain = ctypes.CDLL(proj.path).proj_trans_array
    plain.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p]
    assert plain(utm, 1, len(expected), expected.ctypes.data) == 0
    there = coordinates.copy()
    proj.proj_trans_array(utm, coord=there)
    assert there.tobytes() == expected.tobytes()
    proj.proj_trans_array(utm, -1, there)
    np.testing.assert_allclose(there, coordinates, atol=1e-10)


def test_a_place_that_has_no_image(proj: pf.Library, utm: int, everywhere: dict[str, Any]) -> None:
    coordinates = places(100)
    coordinates[70, 1] = 4.0  # no latitude
    with pytest.raises(pf.ChunkError) as caught:
        proj.proj_trans_array(utm, coord=coordinates)
    failure = caught.value.failures[0]
    assert failure.start <= 70 < failure.stop
    assert str(caught.value).startswith(f"proj_trans_array on n = {failure.start} … {failure.stop} returned ")
    assert "(Invalid coordinate)" in str(caught.value)


@pytest.fixture(scope="module")
def units(need: Any) -> pf.Library:
    library: pf.Library = need("udunits2", "libudunits2-dev", UDUNITS)
    return library


@pytest.fixture(scope="module")
def fahrenheit(units: pf.Library) -> Iterator[int]:
    """A converter from degrees Celsius."""
    library = ctypes.CDLL(units.path)
    library.cv_get_galilean.restype = ctypes.c_void_p
    library.cv_get_galilean.argtypes = [ctypes.c_double, ctypes.c_double]
    handle = library.cv_get_galilean(1.8, 32.0)
    yield handle
    library.cv_free(ctypes.c_void_p(handle))


def test_units_with_one_converter_for_all(units: pf.Library, fahrenheit: int, everywhere: dict[str, Any]) -> None:
    celsius = np.random.default_rng(1).uniform(-50, 50, 20_003)
    found = units.cv_convert_doubles(fahrenheit, celsius)
    np.testing.assert_array_equal(found, units.cv_convert_double(fahrenheit, celsius))
    np.testing.assert_allclose(found, celsius * 1.8 + 32)
    single = units.cv_convert_floats(fahrenheit, celsius[:1000].astype(np.float32))
    assert single.dtype == np.float32
    with pytest.raises(ValueError, match=r"^cv_convert_doubles: ") as caught:
        units.cv_convert_doubles(fahrenheit, celsius, out=celsius)
    assert str(caught.value) == (
        "cv_convert_doubles: out overlaps in in memory; to work in place declare one array with inout(out)"
    )


def test_an_array_is_no_handle(units: pf.Library) -> None:
    with pytest.raises(TypeError) as caught:
        units.cv_convert_doubles(np.zeros(3), np.zeros(3))
    assert str(caught.value) == (
        "cv_convert_doubles: converter is a handle, so it takes None, an address or a ctypes pointer, not ndarray; "
        "an array needs brackets in the declaration"
    )
