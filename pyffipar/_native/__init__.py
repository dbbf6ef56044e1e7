"""The boundary to our own shared library: find it, load it, check it, declare every function; nothing else touches it.

What it consists of is in `mirror`; how Python calls it without ctypes in between, in `built_ins`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from ctypes import c_int32
from functools import cache
from pathlib import Path

from ..errors import NativeLibraryError
from ..system import forking
from .mirror import (
    ABI_VERSION,
    ENUMS,
    FUNCTIONS,
    STRUCTS,
    Argument,
    Boundary,
    CallPath,
    FailureRecord,
    Flag,
    Interpreter,
    Job,
    Most,
    Operand,
    OperandRecord,
    Output,
    Pair,
    Reason,
    Repertoire,
    Slot,
    Span,
    Status,
    Template,
    Type,
    Value,
)

__all__ = [
    "ABI_VERSION",
    "ENUMS",
    "FUNCTIONS",
    "STRUCTS",
    "Argument",
    "Boundary",
    "CallPath",
    "FailureRecord",
    "Flag",
    "Interpreter",
    "Job",
    "Most",
    "Operand",
    "OperandRecord",
    "Output",
    "Pair",
    "Reason",
    "Repertoire",
    "Slot",
    "Span",
    "Status",
    "Template",
    "Type",
    "Value",
    "build_info",
    "is_loaded",
    "last_error",
    "library",
]

LIBRARY_VARIABLE = "PYFFIPAR_LIBRARY"  # path of a library to load in place of the installed one: sanitizers, debugging
WAIT_FOREVER = 2**63 - 1  # INT64_MAX as slice_ns: never PENDING

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
