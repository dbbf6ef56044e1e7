"""Handles: every way to write a pointer gives its address; what is none is refused."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from pyffipar.plans.handles import handle_address

VALUE = ctypes.c_int(7)
ADDRESS = ctypes.addressof(VALUE)


class State(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int),)


class Either(ctypes.Union):
    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_float))


class Wrapped:
    def __init__(self, inner: Any) -> None:
        self._as_parameter_ = inner


STATE, EITHER, ARRAY = State(1), Either(2), (ctypes.c_double * 3)()
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, 0),
        (0, 0),
        (ADDRESS, ADDRESS),
        (2**64 - 1, 2**64 - 1),
        (ctypes.c_void_p(ADDRESS), ADDRESS),
        (ctypes.c_void_p(), 0),
        (ctypes.pointer(VALUE), ADDRESS),
        (ctypes.byref(VALUE), ADDRESS),
        (ctypes.POINTER(ctypes.c_int)(), 0),
        (ARRAY, ctypes.addressof(ARRAY)),
        (STATE, ctypes.addressof(STATE)),
        (EITHER, ctypes.addressof(EITHER)),
        (Wrapped(ctypes.pointer(VALUE)), ADDRESS),
        (Wrapped(Wrapped(ADDRESS)), ADDRESS),
        (CALLBACK, ctypes.cast(CALLBACK, ctypes.c_void_p).value),
    ],
)
def test_every_pointer_has_an_address(value: Any, address: int) -> None:
    assert handle_address("f: h", value) == address


@pytest.mark.parametrize(
    ("value", "name"),
    [(True, "bool"), (-1, "int"), (2**64, "int"), (1.5, "float"), ("text", "str"), (b"bytes", "bytes"),
     (np.zeros(3), "ndarray"), (VALUE, "c_int"), (object(), "object"), ([1], "list")],
)  # fmt: skip
def test_what_is_no_pointer_is_refused(value: Any, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        handle_address("f: h", value)
    assert str(caught.value) == (
        f"f: h is a handle, so it takes None, an address or a ctypes pointer, not {name}; "
        "an array needs brackets in the declaration"
    )
