"""What callers pass: taken uncopied where nothing is lost, refused with both types named where something would be."""

from __future__ import annotations

import array as stdlib_array
import cmath
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffipar.language.prototype import read_prototypes
from pyffipar.language.scalars import Scalar, scalar
from pyffipar.plans.adoption import adopt_input, adopt_output, adopt_scalar, is_scalar

Array = np.ndarray[Any, np.dtype[Any]]

TYPES = {
    "bool": "bool", "char": "int8", "signed char": "int8", "unsigned char": "uint8", "short": "int16",
    "unsigned short": "uint16", "int": "int32", "unsigned int": "uint32", "long long": "int64", "uint64_t": "uint64",
    "float": "float32", "double": "float64", "float _Complex": "complex64", "double _Complex": "complex128",
}  # fmt: skip


def taken(spelled: str, value: object) -> Array:
    """`value` as an input ``x[n]`` of that type."""
    (prototype,) = read_prototypes(f"void f(size_t n, const {spelled} x[n]);")
    return adopt_input("f: x", prototype.by_name["x"], value)


def written(spelled: str, value: object, *, read: bool = False) -> Array:
    """`value` as an output ``y[n]`` of that type."""
    (prototype,) = read_prototypes(f"void f(size_t n, {spelled} y[n]);")
    return adopt_output("f: y", prototype.by_name["y"], value, read=read)


def number(spelled: str, value: object) -> int | float | complex:
    found = scalar(*spelled.split())
    assert isinstance(found, Scalar)
    return adopt_scalar("f: a", found, value)


class Exported:
    """An array only by its interface, as other libraries' arrays are."""

    def __init__(self, array: Array) -> None:
        self.__array_interface__ = array.__array_interface__
        self._array = array


# Inputs


@pytest.mark.parametrize("spelled", TYPES)
def test_every_dtype_is_taken_uncopied_or_refused_by_numpys_safe_rule(spelled: str) -> None:
    declared = np.dtype(TYPES[spelled])
    for code in "?bBhHiIqQefdFD":
        for dtype in (np.dtype(code), np.dtype(code).newbyteorder("S")):
            given = np.zeros(3, dtype)
            bytes_of_either_sign = spelled == "char" and code in "bB"
            if np.can_cast(given.dtype, declared, "safe") or bytes_of_either_sign:
                found = taken(spelled, given)
                assert np.shares_memory(found, given)
            else:
                with pytest.raises(TypeError) as caught:
                    taken(spelled, given)
                name = scalar(*spelled.split())
                assert name is not None
                assert str(caught.value) == (
                    f"f: x has dtype {given.dtype}, which does not cast safely to {name.name} ({declared})"
                )


def test_a_subclass_a_memmap_or_a_foreign_array_is_seen_through(tmp_path: Any) -> None:
    x = np.arange(6.0)
    x.tofile(tmp_path / "x.bin")
    assert taken("double", np.memmap(tmp_path / "x.bin", np.float64, "r")).tolist() == x.tolist()
    assert np.shares_memory(taken("double", x.reshape(2, 3).view(np.matrix)), x)
    assert np.shares_memory(taken("double", Exported(x)), x)
    assert taken("double", stdlib_array.array("d", [1, 2])).tolist() == [1, 2]


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc"), np.array([b"a", b"b", b"c"])])
def test_bytes_are_characters_and_numbers(value: Any) -> None:
    assert taken("char", value).tolist() == [97, 98, 99]
    if not isinstance(value, np.ndarray):
        assert taken("unsigned char", value).tolist() == [97, 98, 99]
        assert np.shares_memory(taken("unsigned char", value), np.frombuffer(value, np.uint8))


@pytest.mark.parametrize(
    ("spelled", "value", "expected"),
    [
        ("double", [1, 2], [1.0, 2.0]),
        ("float", [0.5, 2], [0.5, 2.0]),
        ("unsigned char", [0, 255], [0, 255]),
        ("int", (True, 3), [1, 3]),
        ("double _Complex", [1, 2j], [1, 2j]),
        ("int", range(3), [0, 1, 2]),
    ],
)
def test_lists_of_numbers_become_what_is_declared(spelled: str, value: object, expected: list[complex]) -> None:
    found = taken(spelled, value)
    assert found.dtype == TYPES[spelled]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("spelled", "value", "error", "message"),
    [
        ("int", [0.5], TypeError, "f: x has dtype float64, which does not cast safely to int (int32)"),
        ("double", [1j], TypeError, "f: x has dtype complex128, which does not cast safely to double (float64)"),
        ("unsigned char", [0, 256], OverflowError, "f: x holds 256, which does not fit unsigned char (0 … 255)"),
        ("unsigned char", [-1, 3], OverflowError, "f: x holds -1, which does not fit unsigned char (0 … 255)"),
        ("int", [2**31], OverflowError, "f: x holds 2147483648, which does not fit int (-2147483648 … 2147483647)"),
        ("double", ["a"], TypeError, "f: x has dtype <U1 (list); numbers are wanted"),
        ("double", "text", TypeError, "f: x has dtype <U4 (str); numbers are wanted"),
        ("double", [None], TypeError, "f: x has dtype object (list); numbers are wanted"),
        ("double", {"a": 1}, TypeError, "f: x has dtype object (dict); numbers are wanted"),
        ("double", [Fraction(1, 2)], TypeError, "f: x has dtype object (list); numbers are wanted"),
    ],
)
def test_lists_that_would_lose_something_are_refused(
    spelled: str, value: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        taken(spelled, value)
    assert str(caught.value) == message


@pytest.mark.parametrize("dtype", ["O", "U3", "S3", "M8[s]", "m8[s]", "V4", [("a", "f8")], "g"], ids=str)
def test_arrays_c_cannot_read_are_refused(dtype: Any) -> None:
    if np.dtype(dtype) == np.float64:
        pytest.fail("long double is double here: leave g out")
    for spelled in ("double", "int", "unsigned char"):
        with pytest.raises(TypeError, match=r"^f: x has dtype .* (does not cast safely to|numbers are wanted)"):
            taken(spelled, np.zeros(3, dtype))


def test_masks_are_not_dropped_in_silence() -> None:
    masked = np.ma.MaskedArray([1.0, 2.0], [False, True])
    with pytest.raises(TypeError) as caught:
        taken("double", masked)
    assert str(caught.value) == "f: x has masked elements, which a C function cannot see: fill them first"
    assert taken("double", np.ma.MaskedArray([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_units_are_not_dropped_in_silence() -> None:
    class Quantity(np.ndarray[Any, np.dtype[Any]]):
        unit = "km"

    with pytest.raises(TypeError) as caught:
        taken("double", np.zeros(3).view(Quantity))
    assert str(caught.value) == "f: x carries a unit (km), which a C function cannot see: pass its plain values"


def test_void_sees_the_bytes_of_anything_but_objects() -> None:
    assert taken("void", np.array([1.5])).tolist() == list(np.array([1.5]).tobytes())
    with pytest.raises(TypeError) as caught:
        taken("void", np.array([None]))
    assert str(caught.value) == "f: x holds Python objects, which a C function cannot see as bytes"
    with pytest.raises(TypeError) as caught:
        taken("void", np.zeros((4, 4))[:, ::2])
    assert str(caught.value) == "f: x: bytes of elements that do not lie side by side (strides (32, 16))"


# Outputs


def test_an_output_is_the_callers_own_memory() -> None:
    for y in (np.zeros(3), np.zeros(6)[::2], np.zeros(3, ">f8"), np.zeros(3, np.complex128), np.zeros((2, 3)).T):
        assert np.shares_memory(written("double", y), y)
    assert np.shares_memory(written("int", y := np.zeros(3, np.float64)), y)
    buffer = bytearray(8)
    written("unsigned char", buffer)[...] = 7
    assert buffer == b"\7" * 8


@pytest.mark.parametrize(
    ("value", "name"),
    [([0.0], "list"), ((0.0,), "tuple"), (3.0, "float"), (np.float64(3), "float64"), ("text", "str"),
     (None, "NoneType"), (object(), "object"), (range(3), "range")],
)  # fmt: skip
def test_what_cannot_be_written_into_is_refused(value: object, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        written("double", value)
    assert str(caught.value) == f"f: y is written into, so it must be a NumPy array, not {name}"


def test_read_only_memory_is_never_written(tmp_path: Any) -> None:
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    np.zeros(3).tofile(tmp_path / "y.bin")
    for value in (frozen, np.broadcast_to(np.zeros(3), (2, 3)), np.memmap(tmp_path / "y.bin", np.float64, "r")):
        with pytest.raises(ValueError, match="read-only") as caught:
            written("double", value)
        assert str(caught.value) == "f: y is read-only, but results are written into it"
    with pytest.raises(TypeError, match="does not cast to it"):
        written("unsigned char", b"never")
    with pytest.raises(ValueError, match="read-only"):
        written("unsigned char", memoryview(b"never"))


@pytest.mark.parametrize("dtype", ["f4", "i8", "bool", "O", "U3", "M8[s]"])
def test_outputs_that_cannot_hold_the_result_are_refused(dtype: str) -> None:
    y = np.zeros(3, dtype)
    if dtype == "f4":  # same kind, as NumPy's out=
        assert written("double", y) is y
        return
    with pytest.raises(TypeError) as caught:
        written("double", y)
    wanted = {
        f"f: y has dtype {y.dtype}; double (float64) does not cast to it",
        f"f: y has dtype {y.dtype} (ndarray); numbers are wanted",
    }
    assert str(caught.value) in wanted


def test_what_is_updated_must_cast_both_ways() -> None:
    y = np.zeros(3, np.float64)
    assert written("int", y) is y
    with pytest.raises(TypeError) as caught:
        written("int", y, read=True)
    assert str(caught.value) == "f: y has dtype float64, which does not cast to int (int32)"


def test_elements_that_share_memory_are_not_written() -> None:
    y = np.lib.stride_tricks.as_strided(np.zeros(4), (3, 2), (8, 8))
    with pytest.raises(ValueError, match="share memory") as caught:
        written("double", y)
    assert str(caught.value) == "f: y: several of its elements share memory (strides (8, 8)), so writes would collide"


# Numbers


@pytest.mark.parametrize("spelled", [name for name, dtype in TYPES.items() if np.dtype(dtype).kind in "iu"])
@given(value=st.integers(-(2**65), 2**65))
def test_integers_are_held_exactly_or_refused(spelled: str, value: int) -> None:
    info = np.iinfo(TYPES[spelled])
    if info.min <= value <= info.max:
        assert number(spelled, value) == value
    else:
        name = scalar(*spelled.split())
        assert name is not None
        with pytest.raises(OverflowError) as caught:
            number(spelled, value)
        assert str(caught.value) == f"f: a = {value} does not fit {name.name} ({info.min} … {info.max})"


@pytest.mark.parametrize(
    ("spelled", "value", "expected"),
    [
        ("int", True, 1), ("int", np.int8(-3), -3), ("int", np.array(7), 7), ("double", 3, 3.0),
        ("double", np.float32(0.5), 0.5),
        ("float", 0.25, 0.25), ("double", True, 1.0), ("bool", np.True_, True), ("double _Complex", 2, 2 + 0j),
        ("double _Complex", np.complex64(1j), 1j), ("double", float("nan"), None), ("uint64_t", 2**64 - 1, 2**64 - 1),
    ],
)  # fmt: skip
def test_numbers_are_taken(spelled: str, value: object, expected: complex | None) -> None:
    found = number(spelled, value)
    assert found == expected or (expected is None and cmath.isnan(found))


@pytest.mark.parametrize(
    ("spelled", "value", "message"),
    [
        ("int", 2.5, "f: a is int, so it takes an integer, not 2.5 (float)"),
        ("int", 2.0, "f: a is int, so it takes an integer, not 2.0 (float)"),
        ("size_t", "3", "f: a is unsigned long, so it takes an integer, not '3' (str)"),
        ("int", Decimal(3), "f: a is int, so it takes an integer, not Decimal('3') (Decimal)"),
        ("double", 1j, "f: a is double; 1j (complex) does not cast to it"),
        ("double", "1.5", "f: a is double; '1.5' (str) does not cast to it"),
        ("double", None, "f: a is double; None (NoneType) does not cast to it"),
        ("bool", 1, "f: a is _Bool; 1 (int) does not cast to it"),
        ("bool", 0.0, "f: a is _Bool; 0.0 (float) does not cast to it"),
        ("int", "x" * 99, f"f: a is int, so it takes an integer, not '{'x' * 36}... (str)"),
    ],
)
def test_numbers_that_would_lose_something_are_refused(spelled: str, value: object, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        number(spelled, value)
    assert str(caught.value) == message


def test_what_is_lifted_over_and_what_is_one_number() -> None:
    assert all(is_scalar(value) for value in (1, 1.0, 1j, True, np.float32(1), np.array(1.0)))
    assert not any(is_scalar(value) for value in ([1], (1,), np.array([1.0]), b"a", range(2)))
