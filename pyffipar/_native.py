"""The boundary to our own shared library: find it, load it, check it, declare every function; nothing else touches it.

Everything below mirrors ``cpp/include/pyffipar.h``; ``tests/test_abi.py`` compiles the two against each other.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cache
from pathlib import Path
from typing import Any

from .errors import NativeLibraryError
from .kinds import Kind
from .system import forking

ABI_VERSION = 2  # PYFFIPAR_ABI_VERSION of the header this file mirrors
LIBRARY_VARIABLE = "PYFFIPAR_LIBRARY"  # path of a library to load in place of the installed one: sanitizers, debugging
WAIT_FOREVER = 2**63 - 1  # INT64_MAX as slice_ns: never PENDING


class Status(IntEnum):
    """What a function of the library returned (``pyffipar_status``)."""

    DONE = 0
    PENDING = 1
    FAILED = 2
    CANCELLED = 3
    INVALID = 4
    NO_MEMORY = 5
    ERROR = 6


class Type(IntEnum):
    """Types of arguments and of array elements (``pyffipar_type``)."""

    VOID = 0
    BOOL = 1
    I8 = 2
    U8 = 3
    I16 = 4
    U16 = 5
    I32 = 6
    U32 = 7
    I64 = 8
    U64 = 9
    F16 = 10
    F32 = 11
    F64 = 12
    C64 = 13
    C128 = 14
    POINTER = 15
    BYTES = 16


class Boundary(IntEnum):
    """What stands beyond the ends of an array (``pyffipar_boundary``)."""

    NONE = 0
    REFLECT = 1
    MIRROR = 2
    NEAREST = 3
    WRAP = 4
    FILL = 5


class Flag(IntFlag):
    """What is done with an argument's memory."""

    READ = 1
    WRITTEN = 2
    SWAPPED = 4


class Reason(IntEnum):
    """Why a foreign call failed (``pyffipar_reason``)."""

    BAD_STATUS = 1
    EXCEPTION = 2


class CallPath(IntEnum):
    """Ways to make a call, as `pyffipar_function_create` takes them."""

    CHEAPEST = 0
    LIBFFI = 1
    REGISTER = 2


class Value(ctypes.Union):
    """Value of an argument, in the member its type names (``pyffipar_value``)."""

    __slots__ = ()  # a misspelt member is an error, not a new attribute; likewise below
    _fields_ = (
        ("i", c_int64),
        ("u", c_uint64),
        ("f", c_float),
        ("d", c_double),
        ("p", c_void_p),
        ("c64", c_float * 2),
        ("c128", c_double * 2),
    )


class Argument(ctypes.Structure):
    """One argument, or the result: how it is made for every call of a job (``pyffipar_argument``)."""

    __slots__ = ()
    _fields_ = (
        ("kind", c_int32),
        ("type", c_int32),
        ("element", c_int32),
        ("flags", c_int32),
        ("element_size", c_int64),
        ("base", c_void_p),
        ("loop_strides", POINTER(c_int64)),
        ("step", c_int64),
        ("slot", c_int64),
        ("shift", c_int64),
        ("value", Value),
        ("numerator", c_int64),
        ("denominator", c_int64),
        ("core_ndim", c_int64),
        ("core_shape", POINTER(c_int64)),
        ("core_strides", POINTER(c_int64)),
        ("factor", c_int64),
        ("offset", c_int64),
        ("boundary", c_int32),
        ("reserved", c_int32),
        ("before", c_int64),
        ("extent", c_int64),
    )


class FailureRecord(ctypes.Structure):
    """One failed foreign call, as the library writes it down (``pyffipar_failure``)."""

    __slots__ = ()
    _fields_ = (
        ("call", c_int64),
        ("value", c_int64),
        ("reason", c_int32),
        ("error", c_int32),
        ("text", c_char * 232),
    )


class Span(ctypes.Structure):
    """What one thread did in one go (``pyffipar_span``)."""

    __slots__ = ()
    _fields_ = (
        ("first", c_int64),
        ("last", c_int64),
        ("worker", c_int64),
        ("thread", c_int64),
        ("begin", c_int64),
        ("end", c_int64),
        ("cpu", c_int64),
    )


class Job(ctypes.Structure):
    """Every call of one function over one set of arrays (``pyffipar_job``)."""

    __slots__ = ()
    _fields_ = (
        ("function", c_void_p),
        ("arguments", POINTER(Argument)),
        ("result", Argument),
        ("loop_ndim", c_int64),
        ("loop_shape", POINTER(c_int64)),
        ("length", c_int64),
        ("chunk", c_int64),
        ("chunks", c_int64),
        ("grain", c_int64),
        ("threads", c_int64),
        ("check_status", c_int64),
        ("expected", c_int64),
        ("failures", POINTER(FailureRecord)),
        ("max_failures", c_int64),
        ("spans", POINTER(Span)),
        ("max_spans", c_int64),
        ("failure_count", c_int64),
        ("span_count", c_int64),
        ("calls_done", c_int64),
        ("workers", c_int64),
        ("state", c_void_p),
    )


@dataclass(frozen=True, slots=True)
class CType:
    """A type as C spells it and as ctypes does; `ctype` is None for ``void``."""

    spelling: str
    ctype: Any


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function of the library returns and takes."""

    result: CType
    parameters: tuple[CType, ...] = ()


_VOID = CType("void", None)
_STATUS = CType("pyffipar_status", c_int)
_INT32 = CType("int32_t", c_int32)
_INT64 = CType("int64_t", c_int64)
_TEXT = CType("const char *", c_char_p)
_ADDRESS = CType("void *", c_void_p)
_TYPES = CType("const int32_t *", POINTER(c_int32))
_FUNCTION = CType("pyffipar_function *", c_void_p)
_CONST_FUNCTION = CType("const pyffipar_function *", c_void_p)
_NEW_FUNCTION = CType("pyffipar_function **", POINTER(c_void_p))
_JOB = CType("pyffipar_job *", POINTER(Job))

# Every function of the library. The loop in _declare() applies this table, so a misspelt name fails when loading.
FUNCTIONS: dict[str, Signature] = {
    "pyffipar_abi_version": Signature(_INT32),
    "pyffipar_build_info": Signature(_TEXT),
    "pyffipar_last_error": Signature(_TEXT),
    "pyffipar_function_create": Signature(_STATUS, (_ADDRESS, _INT32, _TYPES, _INT64, _INT32, _NEW_FUNCTION)),
    "pyffipar_function_destroy": Signature(_VOID, (_FUNCTION,)),
    "pyffipar_function_path": Signature(_TEXT, (_CONST_FUNCTION,)),
    "pyffipar_run": Signature(_STATUS, (_JOB, _INT64)),
    "pyffipar_resume": Signature(_STATUS, (_JOB, _INT64)),
    "pyffipar_cancel": Signature(_VOID, (_JOB,)),
    "pyffipar_set_num_threads": Signature(_VOID, (_INT64,)),
    "pyffipar_get_num_threads": Signature(_INT64),
    "pyffipar_worker_count": Signature(_INT64),
    "pyffipar_set_stack_size": Signature(_STATUS, (_INT64,)),
    "pyffipar_shutdown": Signature(_INT64, (_INT64,)),
    "pyffipar_in_call": Signature(_INT32),
}

# The mirrored types by their C names, for the test against the header.
STRUCTS: dict[str, type[ctypes.Structure | ctypes.Union]] = {
    "pyffipar_value": Value,
    "pyffipar_argument": Argument,
    "pyffipar_failure": FailureRecord,
    "pyffipar_span": Span,
    "pyffipar_job": Job,
}
ENUMS: tuple[type[IntEnum | IntFlag], ...] = (Status, Type, Kind, Boundary, Flag, Reason)

_lock = forking.Lock()


def library() -> ctypes.CDLL:
    """Our shared library, loaded and declared on the first call; every function is an attribute under its C name.

    Raises
    ------
    NativeLibraryError
        If it is missing, cannot be loaded, or was built for another version of this package.
    """
    with _lock:  # an editable install may compile it now: nobody may load it half written
        return _load()


@cache
def unchecked_run() -> Any:
    """``pyffipar_run``, which takes a job's address and the time as ctypes' own objects, and believes them.

    That they are right costs ctypes as long to find out as the rest of a small call takes.
    """
    return CFUNCTYPE(_STATUS.ctype, c_void_p, _INT64.ctype)(("pyffipar_run", library()))


def last_error() -> str:
    """The text that belongs to this thread's last status other than DONE and PENDING."""
    text: bytes = library().pyffipar_last_error()
    return text.decode("utf-8", "replace")


def build_info() -> str:
    """One line on how the library was built."""
    text: bytes = library().pyffipar_build_info()
    return text.decode("utf-8", "replace")


def is_loaded() -> bool:
    """Whether the library is loaded already."""
    return bool(_load.cache_info().currsize)


@cache
def _load() -> ctypes.CDLL:
    """Load the first library that is there, and check and declare it."""
    tried = []
    for path in _candidates():
        if not path.is_file():
            tried.append(f"{path}: no such file")
            continue
        try:
            loaded = ctypes.CDLL(str(path))
        except OSError as error:
            tried.append(f"{path}: {error}")
            continue
        _declare(loaded, path)
        return loaded
    msg = "pyffipar's native library could not be loaded. Tried:\n  " + "\n  ".join(tried)
    raise NativeLibraryError(f"{msg}\n{_remedy()}")


def _candidates() -> Iterator[Path]:
    """Where the library may lie: where the environment says and nowhere else, or in a folder of this package."""
    if override := os.environ.get(LIBRARY_VARIABLE):
        yield Path(override).absolute()
        return
    package = __name__.rpartition(".")[0]
    name = _file_name()
    _rebuild_editable(f"{package}.{Path(name).stem}")
    # An editable install spreads the package over two folders: sources in one, what was compiled in the other.
    for folder in sys.modules[package].__path__:
        yield Path(folder) / name


def _file_name() -> str:
    """The library's file name on this platform."""
    if sys.platform == "win32":
        return "libpyffipar.dll"
    return "libpyffipar.dylib" if sys.platform == "darwin" else "libpyffipar.so"


def _rebuild_editable(module: str) -> None:
    """Let an editable install compile what has changed: its import hook acts when the library is looked up as a module.

    In an ordinary install the look-up has no effect.
    """
    try:
        importlib.util.find_spec(module)
    except (subprocess.CalledProcessError, OSError) as error:
        raise NativeLibraryError(
            f"the native library of this editable install could not be rebuilt: {error}"
        ) from error


def _declare(loaded: ctypes.CDLL, path: Path) -> None:
    """Check the version of the library and give every function its signature."""
    try:
        version = loaded.pyffipar_abi_version
    except AttributeError as error:
        raise NativeLibraryError(
            f"{path} is no pyffipar library: it has no pyffipar_abi_version. {_remedy()}"
        ) from error
    version.restype, version.argtypes = c_int32, ()
    if (found := version()) != ABI_VERSION:
        raise NativeLibraryError(f"{path} has ABI version {found}, this package wants {ABI_VERSION}. {_remedy()}")
    for name, signature in FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError as error:
            raise NativeLibraryError(
                f"{path} has ABI version {found} but no {name}: it was built from other sources. {_remedy()}"
            ) from error
        function.restype = signature.result.ctype
        function.argtypes = tuple(parameter.ctype for parameter in signature.parameters)


def _remedy() -> str:
    """What to do about a library that is missing or wrong."""
    if os.environ.get(LIBRARY_VARIABLE):
        return f"{LIBRARY_VARIABLE} names this file: correct the variable or unset it."
    return "Build it by installing the package: `pip install .` in a checkout."
