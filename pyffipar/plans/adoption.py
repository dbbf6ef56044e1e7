"""What a caller passes → NumPy arrays and C values, without copying; anything that would lose something is refused."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import shown
from ..language.parameters import Parameter
from ..language.scalars import BYTES_CODE, Scalar, element_code
from ..system.overlaps import overlaps_itself

Array = np.ndarray[Any, np.dtype[Any]]

_BUFFERS = (bytes, bytearray, memoryview)
_PLAIN = (bool, int, float, complex)
_UNVIEWABLE = (list, tuple, str, *_PLAIN)


def is_scalar(value: object) -> bool:
    """Whether `value` is one number rather than an array to lift over."""
    return isinstance(value, (*_PLAIN, np.generic)) or (isinstance(value, np.ndarray) and value.ndim == 0)


def adopt_input(where: str, parameter: Parameter, value: object) -> Array:
    """The array behind an input, in its own dtype, checked against what the function reads.

    Raises
    ------
    TypeError
        For objects, strings, dates, masked values, and dtypes that cannot be cast safely.
    """
    declared = _element(parameter)
    if isinstance(value, bytes):  # the only buffer that NumPy would take for text
        value = np.frombuffer(value, np.uint8)
    array = value if type(value) is np.ndarray else _view(where, value)
    if array.dtype == declared.dtype:
        return array
    array = _raw(where, array, declared)
    if array.dtype == declared.dtype:
        return array
    if _casts(array.dtype, declared.dtype, weak=not isinstance(value, np.ndarray)):
        return array if isinstance(value, np.ndarray) else _converted(where, array, declared)
    raise TypeError(
        f"{where} has dtype {array.dtype}, which does not cast safely to {declared.name} ({declared.dtype})"
    )


def adopt_output(where: str, parameter: Parameter, value: object, *, read: bool = False) -> Array:
    """The array that results are written into; `read` for one that is updated in place.

    Raises
    ------
    TypeError
        For what no result can be written into, and dtypes the result does not cast to.
    ValueError
        For read-only arrays and arrays whose elements share memory.
    """
    declared = _element(parameter)
    if isinstance(value, (*_UNVIEWABLE, np.generic)) or not _viewable(value):
        raise TypeError(f"{where} is written into, so it must be a NumPy array, not {type(value).__name__}")
    array = value if type(value) is np.ndarray else _view(where, value)
    array = _raw(where, array, declared)
    if not array.flags.writeable:
        raise ValueError(f"{where} is read-only, but results are written into it")
    if array.dtype != declared.dtype:
        if element_code(array.dtype) == BYTES_CODE or not np.can_cast(declared.dtype, array.dtype, "same_kind"):
            raise TypeError(f"{where} has dtype {array.dtype}; {declared.name} ({declared.dtype}) does not cast to it")
        if read and not np.can_cast(array.dtype, declared.dtype, "same_kind"):
            raise TypeError(
                f"{where} has dtype {array.dtype}, which does not cast to {declared.name} ({declared.dtype})"
            )
    if overlaps_itself(array):
        raise ValueError(
            f"{where}: several of its elements share memory (strides {array.strides}), so writes would collide"
        )
    return array


def adopt_scalar(where: str, declared: Scalar, value: object) -> int | float | complex:
    """A number as the C type `declared` holds it.

    Raises
    ------
    TypeError
        Where something would be cut off, such as the fraction of 2.5 for an ``int``.
    OverflowError
        For integers the type cannot hold.
    """
    kind = declared.dtype.kind
    if isinstance(value, np.ndarray):
        value = value[()]
    if kind in "iu":
        try:
            number = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(f"{where} is {declared.name}, so it takes an integer, not {shown(value)}") from None
        low, high = declared.limits
        if not low <= number <= high:
            raise OverflowError(f"{where} = {number} does not fit {declared.name} ({low} … {high})")
        return number
    if kind == "b" and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if kind == "f" and isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        return float(value)
    if kind == "c" and isinstance(value, (*_PLAIN, np.number, np.bool_)):
        return complex(value)
    raise TypeError(f"{where} is {declared.name}; {shown(value)} does not cast to it")


def _element(parameter: Parameter) -> Scalar:
    assert parameter.scalar is not None  # handles never come here
    return parameter.scalar


def _raw(where: str, array: Array, declared: Scalar) -> Array:
    """Reinterpret what C does not tell apart: ``void`` is the bytes of anything, ``char`` any single bytes."""
    if declared.name == "char" and array.dtype.itemsize == 1 and array.dtype.kind in "uS":
        return array.view(np.int8)
    if declared.name != "void" or array.dtype == declared.dtype:
        return array
    if array.dtype.hasobject:
        raise TypeError(f"{where} holds Python objects, which a C function cannot see as bytes")
    try:
        return np.atleast_1d(array).view(np.uint8)
    except ValueError:
        raise TypeError(f"{where}: bytes of elements that do not lie side by side (strides {array.strides})") from None


def _viewable(value: object) -> bool:
    """Whether NumPy can look at it without copying."""
    if isinstance(value, (np.ndarray, *_BUFFERS)) or hasattr(value, "__array_interface__"):
        return True
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _view(where: str, value: object) -> Array:
    """Any array-like as a plain ndarray; masks and units, which NumPy would drop in silence, are refused."""
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise TypeError(f"{where} has masked elements, which a C function cannot see: fill them first")
        return np.asarray(value.data)
    unit = getattr(value, "unit", None)
    if unit is not None and isinstance(value, np.ndarray):
        raise TypeError(f"{where} carries a unit ({unit}), which a C function cannot see: pass its plain values")
    nulls = getattr(value, "null_count", 0)  # Arrow has an attribute, polars a method
    if nulls() if callable(nulls) else nulls:
        raise TypeError(f"{where} has nulls, which a C function cannot see: fill them first")
    array = _converted_by_numpy(where, value)
    if array.dtype.kind not in "biufcSV":
        raise TypeError(f"{where} has dtype {array.dtype} ({type(value).__name__}); numbers are wanted")
    return array


def _converted_by_numpy(where: str, value: Any) -> Array:
    try:
        only_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        return np.from_dlpack(value) if only_dlpack else np.asarray(value)
    except ValueError as error:
        parts = f"its parts have different lengths: {shown(value)}"
        reason = parts if isinstance(value, (list, tuple)) else str(error)
        raise ValueError(f"{where} is no array: {reason}") from error


def _casts(given: np.dtype[Any], declared: np.dtype[Any], *, weak: bool) -> bool:
    """NumPy's rule: safe for arrays; same kind for numbers and lists, which have no dtype of their own."""
    if element_code(given) == BYTES_CODE:
        return False
    if np.can_cast(given, declared, "safe"):
        return True
    return weak and (np.can_cast(given, declared, "same_kind") or (given.kind == "i" and declared.kind == "u"))


def _converted(where: str, array: Array, declared: Scalar) -> Array:
    """A list's numbers in the declared dtype, range checked."""
    if declared.is_integer and array.size:
        low, high = declared.limits
        smallest, largest = int(array.min()), int(array.max())
        if smallest < low or largest > high:
            wrong = smallest if smallest < low else largest
            raise OverflowError(f"{where} holds {wrong}, which does not fit {declared.name} ({low} … {high})")
    return array.astype(declared.dtype)
