"""Elements and values of every C type arrive as they were, in every executor."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from samples import (
    LAYOUTS,
    TEAMS,
    Declare,
    every_executor,
    in_this_process,
    same_bits,
    unhurried,
    whole_numbers,
)

Array = np.ndarray[Any, np.dtype[Any]]


TYPES = {
    "bool": "bool", "char": "int8", "int8": "int8", "uint8": "uint8", "int16": "int16", "uint16": "uint16",
    "int32": "int32", "uint32": "uint32", "int64": "int64", "uint64": "uint64", "float": "float32", "double": "float64",
    "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip
SPELLED = {
    "bool": "bool",
    "char": "char",
    "float": "float",
    "double": "double",
    "cfloat": "float _Complex",
    "cdouble": "double _Complex",
}
every_type = pytest.mark.parametrize("name", TYPES)


def extreme_values(name: str, count: int) -> Array:
    """Values of a type with both its ends among them."""
    dtype = np.dtype(TYPES[name])
    random = np.random.default_rng(9)
    if dtype.kind == "b":
        return random.integers(0, 2, count).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values: Array = random.integers(info.min, info.max, count, dtype, endpoint=True)
        values[:2] = info.min, info.max
        return values
    parts = random.standard_normal((2, count))
    parts[:, :4] = [[np.inf, -0.0, 1e30, 0.0], [-np.inf, 0.0, -1e30, -0.0]]
    if dtype.kind == "f":
        real: Array = parts[0].astype(dtype)
        return real
    made = np.empty(count, dtype)
    made.real, made.imag = parts
    return made


@every_executor
@every_type
def test_elements_of_every_type_arrive_as_they_were(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    declaration = f"void copy_{name}(size_t n, const {spelled} x[n], {spelled} y[n]) chunk(max = 10);"
    x = extreme_values(name, 101)
    function = declare(declaration, executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        same_bits(function(lay_out(x)), x)
        out = lay_out(np.zeros(101, x.dtype))
        function(x, out=out)
        same_bits(out, x)


@every_executor
@every_type
def test_values_of_every_type_are_passed_and_returned_one_by_one(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    x = extreme_values(name, 60)
    function = declare(f"{spelled} same_{name}({spelled} x);", executor=executor, threads=3)
    for lay_out in LAYOUTS.values():
        same_bits(function(lay_out(x.reshape(3, 4, 5))), x.reshape(3, 4, 5))
    one = function(x[1].item())
    assert type(one) is x.dtype.type
    same_bits(one, x[1])


@every_executor
@every_type
def test_constants_of_every_type_reach_every_chunk(declare: Declare, executor: str, name: str) -> None:
    spelled = SPELLED.get(name, f"{name}_t")
    function = declare(
        f"void fill_{name}(size_t n, {spelled} value, {spelled} y[n]) split(n) chunk(max = 9);",
        executor=executor,
        threads=3,
    )
    for value in extreme_values(name, 6):
        same_bits(function(50, value), np.full(50, value))


@every_executor
@given(data=st.data(), threads=TEAMS)
@settings(unhurried, max_examples=20)
def test_arguments_that_fill_all_registers_and_more(
    declare: Declare, plain: ctypes.CDLL, executor: str, data: st.DataObject, threads: int
) -> None:
    kinds = "bdHfqdIfhdBdqddd?fQ"  # as in the C source
    spelled = {
        "b": "int8_t", "d": "double", "H": "uint16_t", "f": "float", "q": "int64_t", "I": "uint32_t", "h": "int16_t",
        "B": "uint8_t", "?": "bool", "Q": "uint64_t",
    }  # fmt: skip
    parameters = ", ".join(f"{spelled[kind]} {name}" for kind, name in zip(kinds, "abcdefghijklmopqrst", strict=True))
    function = declare(f"double many({parameters});", executor=executor, threads=threads)
    arrays = []
    for kind in kinds:
        dtype = np.dtype(kind)
        small = st.integers(0 if dtype.kind in "ub" else -100, 1 if dtype.kind == "b" else 100)
        arrays.append(data.draw(hnp.arrays(dtype, (7,), elements=small.map(dtype.type))))
    plain.many.restype = ctypes.c_double
    plain.many.argtypes = [np.ctypeslib.as_ctypes_type(np.dtype(kind)) for kind in kinds]
    expected = [plain.many(*(array[i].item() for array in arrays)) for i in range(7)]
    same_bits(function(*arrays), np.array(expected))


@in_this_process
def test_a_handle_is_passed_as_it_is(declare: Declare, executor: str) -> None:
    class Shift(ctypes.Structure):
        _fields_ = (("by", ctypes.c_double),)

    declaration = "void shift_all(const struct shift *how, size_t n, const double x[n], double y[n]) chunk(max = 9);"
    function = declare(declaration, executor=executor, threads=3)
    how = Shift(2.5)
    x = whole_numbers(100)
    address = ctypes.addressof(how)
    for handle in (how, ctypes.pointer(how), ctypes.byref(how), address, ctypes.c_void_p(address)):
        same_bits(function(handle, x), x + 2.5)
