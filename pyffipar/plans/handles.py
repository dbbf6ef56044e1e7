"""Opaque handles and the small foreign functions around them: addresses, makers, enders, status texts."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import LibraryError
from ..sources.symbols import Symbol

_ARRAY_OR_POINTER: tuple[Any, ...] = (ctypes.Array, ctypes._Pointer, ctypes.CFUNCTYPE(None).__mro__[1])
_ARRAY_OR_POINTER += (type(ctypes.byref(ctypes.c_int())),)


def is_foreign(value: object) -> bool:
    """Whether a callable is a C function that ctypes knows."""
    return isinstance(value, _ARRAY_OR_POINTER)


def handle_address(where: str, value: Any) -> int:
    """The address a handle stands for.

    Parameters
    ----------
    where : str
        Named in errors.
    value : object
        None (NULL), an address (also one that a declared function returned as ``uintptr_t``), a ctypes pointer,
        array or callback, a ctypes structure (its own address), or an object with ``_as_parameter_``.

    Raises
    ------
    TypeError
        For anything else.
    """
    if value is None:
        return 0
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return int(value)
    if isinstance(value, ctypes.c_void_p):
        return value.value or 0
    if isinstance(value, _ARRAY_OR_POINTER):
        return ctypes.cast(value, ctypes.c_void_p).value or 0
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        return ctypes.addressof(value)
    if hasattr(value, "_as_parameter_"):
        return handle_address(where, value._as_parameter_)
    raise TypeError(
        f"{where} is a handle, so it takes None, an address or a ctypes pointer, not {type(value).__name__}; "
        f"an array needs brackets in the declaration"
    )


def call_for_handle(symbol: Symbol, arguments: Sequence[int]) -> int:
    """Call ``void *f(…)`` with integers and addresses; gives the returned address."""
    function = ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * len(arguments))(symbol.address)
    return function(*(argument % (1 << 64) for argument in arguments)) or 0


def call_with_handle(symbol: Symbol, address: int) -> None:
    """Call ``void f(void *)``, such as a library's own ``free``."""
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(symbol.address)(address)


def call_once(symbol: Symbol) -> None:
    """Call ``void f(void)``."""
    ctypes.CFUNCTYPE(None)(symbol.address)()


def describe(symbol: Symbol, code: int) -> str:
    """Call ``const char *f(int code)``, such as ``strerror``."""
    text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)(symbol.address)(code)
    return text.decode("utf-8", "replace") if text else ""


def pointed_to(symbol: Symbol) -> Symbol:
    """The function whose address a pointer variable holds now.

    Raises
    ------
    LibraryError
        If the pointer is NULL.
    """
    address = ctypes.c_void_p.from_address(symbol.address).value
    if not address:
        raise LibraryError(f"{symbol.library}: the function pointer {symbol.name} is NULL")
    return Symbol(symbol.name, address, symbol.library, symbol.keepalive)


def flush_streams() -> None:
    """Write out what foreign functions have printed: C keeps it back, and a worker may never end in good order."""
    ctypes.CDLL(None)["fflush"](None)


def keep_for_ever(owner: object) -> None:
    """Never free an object, not even when the interpreter ends."""
    if sys.implementation.name == "cpython":  # others do not free anything at the end
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
