"""VOLK exports no functions but variables that hold the address of the fastest one for this machine."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

DECLARATIONS = """
    void (*volk_32f_x2_add_32f)(float c[num_points], const float a[num_points], const float b[num_points],
                                unsigned int num_points);
    void (*volk_32f_x2_dot_prod_32f)(float result[1], const float input[num_points], const float taps[num_points],
                                     unsigned int num_points) reduction(+: result);
    void (*volk_32f_accumulator_s32f)(float result[1], const float input[num_points], unsigned int num_points)
        reduction(+: result);
    void (*volk_32fc_x2_multiply_32fc)(float _Complex c[num_points], const float _Complex a[num_points],
                                       const float _Complex b[num_points], unsigned int num_points);
    void (*volk_32f_s32f_convert_16i)(int16_t out[num_points], const float in[num_points], float scalar,
                                      unsigned int num_points);
"""


@pytest.fixture(scope="module")
def volk(need: Any) -> pf.Library:
    # The name that ends in .so comes with the development package only.
    library: pf.Library = need("volk", "libvolk2-dev", DECLARATIONS)
    return library


def test_sums_of_vectors(volk: pf.Library, everywhere: dict[str, Any]) -> None:
    a, b = np.random.default_rng(1).standard_normal((2, 300_001)).astype(np.float32)
    assert volk.volk_32f_x2_add_32f(a, b).tobytes() == (a + b).tobytes()
    assert (
        volk.volk_32f_x2_add_32f(a[1::3], b[::-3][: a[1::3].size]).tolist()
        == (a[1::3] + b[::-3][: a[1::3].size]).tolist()
    )
    rows = volk.volk_32f_x2_add_32f(a[:300_000].reshape(300, 1000), b[:1000])
    assert rows.tobytes() == (a[:300_000].reshape(300, 1000) + b[:1000]).tobytes()


def test_partial_sums_behind_a_pointer(volk: pf.Library, everywhere: dict[str, Any]) -> None:
    a, b = np.random.default_rng(2).integers(-8, 8, (2, 200_003)).astype(np.float32)
    assert volk.volk_32f_x2_dot_prod_32f(a, b) == a.astype(np.float64) @ b
    assert volk.volk_32f_accumulator_s32f(a) == a.sum(dtype=np.float64)
    assert type(volk.volk_32f_accumulator_s32f(a)) is np.float32


def test_complex_and_converted_elements(volk: pf.Library, everywhere: dict[str, Any]) -> None:
    random = np.random.default_rng(3)
    a, b = (random.integers(-99, 99, (2, 50_001)) + 1j * random.integers(-99, 99, (2, 50_001))).astype(np.complex64)
    np.testing.assert_array_equal(volk.volk_32fc_x2_multiply_32fc(a, b), a * b)
    x = np.array([0.4, -0.6, 1e9, -1e9], np.float32)
    assert volk.volk_32f_s32f_convert_16i(x, 10.0).tolist() == [4, -6, 32767, -32768]


def test_the_address_is_the_variables_content(volk: pf.Library) -> None:
    content = ctypes.c_void_p.in_dll(ctypes.CDLL(volk.path), "volk_32f_x2_add_32f").value
    assert content
    # Declared as a plain function, the variable's own bytes would be run as code.
    assert repr(volk.volk_32f_x2_add_32f).startswith("<void (*volk_32f_x2_add_32f)(float c[num_points],")


def test_a_variable_that_holds_no_function() -> None:
    library = pf.compile("void (*hook)(int) = 0; int value(void) { return hook == 0; }", "int value(void);")
    assert library.value() == 1
    with pytest.raises(pf.LibraryError) as caught:
        library.declare("void (*hook)(int x);")
    assert str(caught.value) == f"{library.path}: the function pointer hook is NULL"
