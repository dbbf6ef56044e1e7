"""What functions of ctypes, cffi and numba say about their own types."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Any

from ..language.c_signatures import UNKNOWN, VARIADIC, VOID, CSignature, CType, of_words, pointer
from ..language.names import TypeNames
from ..language.parameters import Parameter
from ..language.prototype import Prototype
from ..language.scalars import Scalar

_NO_NAMES = TypeNames()
_CHAR = CType("integer", 8, None, spelled="char")

# ctypes' own codes of its simple types.
_POINTERS = {"P": VOID, "z": _CHAR, "Z": CType("unknown", spelled="wchar_t")}
_KINDS = {
    **dict.fromkeys("bhilq", "integer"), **dict.fromkeys("BHILQ", "integer"), "c": "integer", "?": "bool",
    "f": "float", "d": "float", "g": "float", "O": "object",
}  # fmt: skip

_CFFI_COMPLEX = {"_cffi_double_complex_t": "double _Complex", "_cffi_float_complex_t": "float _Complex"}


def signature(returns: CType, parameters: Iterable[CType] | None) -> CSignature:
    """A signature with its text."""
    known = None if parameters is None else tuple(parameters)
    inside = "..." if known is None else ", ".join(map(str, known)) or "void"
    return CSignature(known, returns, f"{returns} ({inside})")


# ctypes


def of_ctypes(function: Any) -> CSignature:
    """Of a ctypes function: what its type says, or what was set on it; ctypes assumes int where nothing was."""
    is_typed = hasattr(type(function), "_argtypes_")  # made by CFUNCTYPE, not looked up in a library
    given = function.argtypes
    result = function.restype
    said_nothing = not is_typed and result is ctypes.c_int
    returns = UNKNOWN if said_nothing else VOID if result is None else _of_ctypes_type(result)
    return signature(returns, None if given is None else map(_of_ctypes_type, given))


def _of_ctypes_type(kind: Any) -> CType:
    """One ctypes type; UNKNOWN for objects that only convert, as argtypes may hold."""
    if not isinstance(kind, type):
        return UNKNOWN
    name = kind.__name__
    code = getattr(kind, "_type_", None)
    if isinstance(code, str):
        if code in _POINTERS:
            return pointer(_POINTERS[code], name)
        found = _KINDS.get(code, "unknown")
        signed = None if code == "c" or found != "integer" else code.islower()
        bits = 80 if code == "g" else 8 * ctypes.sizeof(kind)
        return CType(found, bits, signed, spelled=name)
    if issubclass(kind, (ctypes._Pointer, ctypes.Array)):
        return pointer(_of_ctypes_type(code), name)
    if issubclass(kind, (ctypes.Structure, ctypes.Union)):
        return CType("struct", 8 * ctypes.sizeof(kind), spelled=name)
    if hasattr(kind, "_dtype_"):  # numpy.ctypeslib.ndpointer
        return pointer(VOID if kind._dtype_ is None else _of_dtype(kind._dtype_), name)
    return CType("unknown", spelled=name)


def _of_dtype(dtype: Any) -> CType:
    kind = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}.get(dtype.kind, "struct")
    return CType(kind, 8 * dtype.itemsize, dtype.kind == "i" if kind == "integer" else None, spelled=str(dtype))


# cffi


def of_cffi(kind: Any, sizeof: Any) -> CSignature:
    """Of a cffi function type; `sizeof` is cffi's."""
    name = str(kind.cname)
    parameters = [_of_cffi_type(one, sizeof) for one in kind.args]
    if "..." in name:  # kind.ellipsis is also set for functions that cffi calls in a special way
        parameters.append(VARIADIC)
    return CSignature(tuple(parameters), _of_cffi_type(kind.result, sizeof), name)


def _of_cffi_type(kind: Any, sizeof: Any) -> CType:
    name = str(kind.cname)
    if kind.kind == "void":
        return VOID
    if kind.kind in ("pointer", "array"):
        return pointer(_of_cffi_type(kind.item, sizeof), name)
    if kind.kind == "function":
        return pointer(UNKNOWN, name)
    if kind.kind == "primitive":
        return of_words(_CFFI_COMPLEX.get(name, name).split(), _NO_NAMES, name)
    try:
        bits = 8 * sizeof(kind)
    except (TypeError, ValueError):  # a struct of which only the name was declared
        bits = 0
    return CType("integer" if kind.kind == "enum" else "struct", bits, spelled=name)


# numba


def of_numba(found: Any) -> CSignature:
    """Of a numba signature.

    Raises
    ------
    TypeError
        For a type that numba does not pass as C would.
    """
    parameters = [_of_numba_type(one) for one in found.args]
    returns = _of_numba_type(found.return_type)
    for one in (*parameters, returns):
        if one.kind == "complex" and one.bits == 64:
            raise TypeError(
                f"the numba function {found} passes complex64 by value, which numba does in another way than C: take "
                "or fill a types.CPointer(types.complex64)"
            )
    return CSignature(tuple(parameters), returns, str(found))


def _of_numba_type(kind: Any) -> CType:
    """One numba type; those of Python, such as arrays, are passed by value as nothing that C knows."""
    name = type(kind).__name__
    if name in ("Float", "Integer", "Complex"):
        signed = kind.signed if name == "Integer" else None
        return CType(name.lower(), kind.bitwidth, signed, spelled=str(kind))
    if name in ("Boolean", "NoneType", "RawPointer"):
        return {"Boolean": CType("bool", 8, spelled="bool"), "NoneType": VOID, "RawPointer": pointer(VOID)}[name]
    if name == "CPointer":
        return pointer(_of_numba_type(kind.dtype), str(kind))
    if name == "Record":
        return CType("struct", 8 * kind.size, spelled=str(kind))
    raise TypeError(
        f"numba's {kind} is no type of C, so only numba can call a function with it: take a types.CPointer, and make "
        "an array of it with numba.carray"
    )


def numba_signature(prototype: Prototype) -> Any:
    """The numba signature that a declaration asks for."""
    types: Any = sys.modules["numba"].types
    from_dtype: Any = sys.modules["numba"].from_dtype

    def of(scalar: Scalar | None) -> Any:
        return types.void if scalar is None else from_dtype(scalar.dtype)

    def passed(one: Parameter) -> Any:
        if one.kind == "handle":
            return types.voidptr
        return of(one.scalar) if one.kind == "value" else types.CPointer(of(one.scalar))

    return of(prototype.returns)(*map(passed, prototype.parameters))
