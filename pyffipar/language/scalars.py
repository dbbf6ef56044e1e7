"""C's arithmetic types: spelling, NumPy dtype, ctypes type and the native library's code, in one table."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

POINTER_CODE = 15  # PYFFIPAR_POINTER
BYTES_CODE = 16  # PYFFIPAR_BYTES


@dataclass(frozen=True, slots=True)
class Scalar:
    """One arithmetic type of C on this machine.

    Attributes
    ----------
    name : str
        C spelling without spaces to spare, such as ``unsigned long``.
    dtype : numpy.dtype
        The NumPy dtype of the same size, kind and signedness.
    ctype : type
        The ctypes type, or None where ctypes has none (complex numbers).
    code : int
        The ``pyffipar_type`` of the native library.
    """

    name: str
    dtype: np.dtype[Any]
    ctype: Any
    code: int

    @property
    def is_integer(self) -> bool:
        """Whether it can count: an integer, signed or not, but no bool."""
        return self.dtype.kind in "iu"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        return _limits(self.dtype)


@cache
def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


# What `void x[n]` holds.
BYTES = Scalar("void", np.dtype(np.uint8), ctypes.c_ubyte, 3)

# Codes as in cpp/include/pyffipar.h, by NumPy kind and size in bytes.
_CODES = {
    "b1": 1, "i1": 2, "u1": 3, "i2": 4, "u2": 5, "i4": 6, "u4": 7, "i8": 8, "u8": 9,
    "f2": 10, "f4": 11, "f8": 12, "c8": 13, "c16": 14,
}  # fmt: skip

# What C calls them. `char` counts as signed here whatever the machine says; arrays of it take either signedness.
_CTYPES: dict[str, Any] = {
    "_Bool": ctypes.c_bool,
    "char": ctypes.c_byte,
    "signed char": ctypes.c_byte,
    "unsigned char": ctypes.c_ubyte,
    "short": ctypes.c_short,
    "unsigned short": ctypes.c_ushort,
    "int": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "long": ctypes.c_long,
    "unsigned long": ctypes.c_ulong,
    "long long": ctypes.c_longlong,
    "unsigned long long": ctypes.c_ulonglong,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}

# Names every C programmer knows: <stddef.h>, <stdint.h>, <stdbool.h>, <complex.h>, <sys/types.h> and <zlib.h>.
WELL_KNOWN: dict[str, str] = {
    "bool": "_Bool",
    "size_t": "unsigned long"
    if ctypes.sizeof(ctypes.c_long) == ctypes.sizeof(ctypes.c_size_t)
    else "unsigned long long",
    "ssize_t": "long" if ctypes.sizeof(ctypes.c_long) == ctypes.sizeof(ctypes.c_size_t) else "long long",
    "int8_t": "signed char",
    "int16_t": "short",
    "int32_t": "int",
    "int64_t": "long" if ctypes.sizeof(ctypes.c_long) == 8 else "long long",
    "uint8_t": "unsigned char",
    "uint16_t": "unsigned short",
    "uint32_t": "unsigned int",
    "uint64_t": "unsigned long" if ctypes.sizeof(ctypes.c_long) == 8 else "unsigned long long",
    "Byte": "unsigned char",
    "Bytef": "unsigned char",
    "uInt": "unsigned int",
    "uLong": "unsigned long",
    "uLongf": "unsigned long",
    "z_off_t": "long",
}
WELL_KNOWN |= {
    "ptrdiff_t": WELL_KNOWN["ssize_t"],
    "intptr_t": WELL_KNOWN["ssize_t"],
    "uintptr_t": WELL_KNOWN["size_t"],
    "off_t": WELL_KNOWN["ssize_t"],
}

_COMPLEX: dict[str, np.dtype[Any]] = {
    "float _Complex": np.dtype(np.complex64),
    "double _Complex": np.dtype(np.complex128),
}

_SIGNS = ("signed", "unsigned")
_WORDS = frozenset(("_Bool", "char", "short", "int", "long", "float", "double", "_Complex", *_SIGNS))


def _spell(words: Sequence[str]) -> str:
    """Bring the words of a C type into the order and length of the table's names."""
    left = list(words)
    if "_Complex" in left:
        left.remove("_Complex")
        return " ".join([*left, "_Complex"])
    unsigned = "unsigned" in left
    signed = "signed" in left
    left = [word for word in left if word not in _SIGNS]
    if len(left) > 1 and "int" in left:  # short int, long int
        left.remove("int")
    base = " ".join(left) or "int"
    if unsigned:
        return f"unsigned {base}"
    return f"signed {base}" if signed and base == "char" else base


@cache
def scalar(*words: str) -> Scalar | None:
    """The scalar that the words of a C type name, in any order C allows; None if it is no arithmetic type.

    Examples
    --------
    >>> scalar("long", "unsigned", "int").name
    'unsigned long'
    >>> scalar("gsl_rng") is None
    True
    """
    if len(words) == 1 and words[0] in WELL_KNOWN:
        words = tuple(WELL_KNOWN[words[0]].split())
    if not _WORDS.issuperset(words) or any(words.count(word) > 1 + (word == "long") for word in words):
        return None
    name = _spell(words)
    if name in _COMPLEX:
        return Scalar(name, _COMPLEX[name], None, element_code(_COMPLEX[name]))
    ctype = _CTYPES.get(name)
    if ctype is None:
        return None
    dtype = np.dtype(ctype)
    return Scalar(name, dtype, ctype, element_code(dtype))


def element_code(dtype: np.dtype[Any]) -> int:
    """The native library's code for elements of this dtype, whatever their byte order; BYTES if it has none."""
    return _CODES.get(f"{dtype.kind}{dtype.itemsize}", BYTES_CODE)
