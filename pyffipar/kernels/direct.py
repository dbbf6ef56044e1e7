"""Built-in kernels as ctypes calls them: a length first, addresses for the rest."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from .. import _native
from ..sources.origins import Origin
from ..sources.symbols import OpenLibrary, open_library
from ..system.addresses import address_of

_C_TYPES: dict[str, Any] = {
    "f4": ctypes.c_float, "f8": ctypes.c_double, "b1": ctypes.c_bool,
    "i1": ctypes.c_int8, "i2": ctypes.c_int16, "i4": ctypes.c_int32, "i8": ctypes.c_int64,
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_uint64,
}  # fmt: skip


def own_library() -> OpenLibrary:
    """The package's own shared library, as a library to declare functions of."""
    return open_library(_native.library())


@dataclass(frozen=True, slots=True)
class KernelOrigin(Origin):
    """The package's own library: every process that can unpickle has it."""

    name: str = "pyffipar"

    def packed(self, what: str) -> Origin:
        """Itself."""
        return self

    def find(self) -> str:
        """Where it is installed here."""
        return own_library().path

    def open(self) -> OpenLibrary:
        """It is open."""
        return own_library()

    def here(self, opened: OpenLibrary) -> Origin:
        """Itself."""
        return self


@cache
def foreign(symbol: str, result: np.dtype[Any] | None, addresses: int) -> Any:
    """A kernel of our own library, to be called with a length and so many addresses."""
    restype = None if result is None else _C_TYPES[result.str[1:]]
    prototype = ctypes.CFUNCTYPE(restype, ctypes.c_size_t, *[ctypes.c_void_p] * addresses)
    return prototype((symbol, _native.library()))


def bound(kernel: Callable[..., Any], *arrays: np.ndarray[Any, np.dtype[Any]]) -> Callable[[], Any]:
    """A kernel's call with these very arrays, of equal size; whoever makes it keeps them alive.

    ctypes hands objects of its own on as they are; to convert numbers takes it as long as the rest of a call.
    """
    addresses = [ctypes.c_void_p(address_of(array)) for array in arrays]
    return partial(kernel, ctypes.c_size_t(arrays[0].size), *addresses)


@cache
def rounding(symbol: str) -> Callable[[int, int, int], float]:
    """What rounds an exact sum: address of the accumulator, bits and lowest exponent of the result."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
    made: Any = prototype((symbol, _native.library()))
    return made  # type: ignore[no-any-return]
