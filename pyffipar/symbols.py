"""From a library's name or path, a ctypes, cffi or numba function, a capsule or a plain address to a Symbol."""

from __future__ import annotations

import ctypes
import difflib
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from . import forking, libraries
from .errors import LibraryError

LibrarySource: TypeAlias = "str | os.PathLike[str] | ctypes.CDLL | OpenLibrary"

# The loader never unloads what was opened so (where it knows the flag): functions stay callable until the process ends.
_MODE = ctypes.DEFAULT_MODE | getattr(os, "RTLD_NODELETE", 0)

_lock = forking.Lock()
_opened: dict[str, OpenLibrary] = {}  # by path, for ever: the second guard against unloading
_adopted: dict[int, ctypes.CDLL] = {}  # those that came as CDLL, by handle, likewise

_FUNCTION_POINTER: Any = ctypes.CFUNCTYPE(None).__mro__[1]  # ctypes keeps this class private
_NEEDS_GIL = 4  # FUNCFLAG_PYTHONAPI in a ctypes function type's _flags_


@dataclass(frozen=True, slots=True)
class Symbol:
    """A foreign function that can be called: where it is and where it came from.

    Attributes
    ----------
    name : str
        What it is called.
    address : int
        Where it is.
    library : str
        Absolute path of the library it was looked up in; for one that was not looked up, what it was made of, in
        angle brackets: ``<address>``, ``<ctypes function>``.
    keepalive : object
        What must live as long as the address is used; None if nothing must.
    """

    name: str
    address: int
    library: str
    keepalive: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    """A library that is loaded and stays loaded until the process ends.

    Attributes
    ----------
    path : str
        Absolute path of its file; ``<this process>`` for the program itself.
    handle : ctypes.CDLL
        Through which symbols are looked up.
    """

    path: str
    handle: ctypes.CDLL = field(repr=False, compare=False)

    def symbol(self, name: str) -> Symbol:
        """Look up a function.

        Raises
        ------
        LibraryError
            If the library has no such function; names the ones that resemble it.
        """
        try:
            pointer = self.handle[name]  # unlike getattr, shares nothing with other users of the handle
        except AttributeError:
            raise LibraryError(_no_symbol(self.path, name)) from None
        return Symbol(name, _address_of(pointer), self.path, self.handle)


def open_library(source: LibrarySource, *, allow_writable: bool = False) -> OpenLibrary:
    """Load a library for the rest of the process's life.

    Parameters
    ----------
    source : str, path, ctypes.CDLL or OpenLibrary
        A path if it contains a separator or is a path object. Otherwise a name, searched in the system's library
        folders and never in the current one: ``"z"``, or a whole file name such as ``"libz.so.1"``. For a plain name
        the highest version in the first folder that has one is taken.
    allow_writable : bool
        Load the file even if every user of the machine could have written it.

    Returns
    -------
    OpenLibrary

    Raises
    ------
    LibraryError
        If it is not found (the message lists where it was searched), is no library for this process, or may be
        written by everyone.
    TypeError
        If `source` is none of the above, or a library whose functions need the GIL (``ctypes.PyDLL``).

    Examples
    --------
    >>> open_library("z").symbol("crc32").name
    'crc32'
    """
    if isinstance(source, OpenLibrary):
        return source
    if isinstance(source, ctypes.PyDLL):
        raise TypeError(f"functions of {source!r} run under the GIL, so threads cannot help: open it as ctypes.CDLL")
    if isinstance(source, ctypes.CDLL):
        return _adopt(source)
    return _open(_locate(source), allow_writable=allow_writable)


def find_symbol(source: object, name: str = "") -> Symbol:
    """Make a Symbol of anything that leads to a C function.

    Parameters
    ----------
    source : object
        A library (anything `open_library` takes), a function of ctypes, cffi or numba (``cfunc``), a capsule that
        holds a function pointer, a `Symbol`, or an address as int.
    name : str
        Name of the function; needed for a library and an address, else replaces the function's own.

    Returns
    -------
    Symbol
        Its `keepalive` holds `source` alive where that owns the function.

    Raises
    ------
    LibraryError
        As `open_library` and `OpenLibrary.symbol`.
    TypeError, ValueError
        If `source` leads to no function that may be called without the GIL, or the name is missing.
    """
    if isinstance(source, Symbol):
        return source
    if isinstance(source, (str, os.PathLike, ctypes.CDLL, OpenLibrary)):
        if not name:
            raise ValueError(f"which function of {source!r}? A library needs the name of one")
        return open_library(source).symbol(name)
    for matches, convert in _CONVERSIONS:
        if matches(source):
            own_name, address, origin = convert(source)
            return _checked(Symbol(name or own_name, address, origin, source))
    raise TypeError(
        f"{type(source).__name__} is no foreign function: wanted a library, a ctypes, cffi or numba cfunc function, "
        "a capsule or an address"
    )


def _checked(symbol: Symbol) -> Symbol:
    """Refuse what cannot be a function's address, or has no name to be reported under."""
    if not 0 < symbol.address < 1 << (8 * ctypes.sizeof(ctypes.c_void_p)):
        raise ValueError(f"{symbol.library} {symbol.name}: {symbol.address:#x} is no address of a function")
    if not symbol.name:
        raise ValueError(f"{symbol.library} {symbol.address:#x} has no name of its own: pass name=")
    return symbol


# --- functions made by others -------------------------------------------------------------------------------------


def _is_address(source: object) -> bool:
    """Whether it is an int; True and False are not meant as addresses."""
    return isinstance(source, int) and not isinstance(source, bool)


def _from_address(source: Any) -> tuple[str, int, str]:
    return "", int(source), "<address>"


def _is_ctypes(source: object) -> bool:
    """Whether it is a ctypes function pointer of any kind."""
    return isinstance(source, _FUNCTION_POINTER)


def _from_ctypes(source: Any) -> tuple[str, int, str]:
    """A ctypes function; one that wants the GIL held cannot be called from workers."""
    if source._flags_ & _NEEDS_GIL:
        raise TypeError(f"{source!r} must be called with the GIL held (PYFUNCTYPE, PyDLL), so workers cannot call it")
    return getattr(source, "__name__", ""), _address_of(source), "<ctypes function>"


def _is_numba(source: object) -> bool:
    """Whether it looks like a numba ``cfunc``; numba itself is not imported for the question."""
    return isinstance(getattr(source, "address", None), int) and hasattr(source, "native_name")


def _from_numba(source: Any) -> tuple[str, int, str]:
    return getattr(source, "__name__", ""), int(source.address), "<numba cfunc>"


def _is_cffi(source: object) -> bool:
    """Whether it is a cffi object; without cffi imported there can be none."""
    backend = sys.modules.get("_cffi_backend")
    return backend is not None and isinstance(source, backend._CDataBase)


def _from_cffi(source: Any) -> tuple[str, int, str]:
    """A cffi function pointer, as ``ffi.addressof(lib, name)`` and ``ffi.callback`` give it."""
    ffi = sys.modules["_cffi_backend"].FFI()
    if ffi.typeof(source).kind != "function":
        raise TypeError(f"{source!r} is no function pointer: pass ffi.addressof(lib, name)")
    return "", int(ffi.cast("uintptr_t", source)), "<cffi function>"


def _is_capsule(source: object) -> bool:
    """Whether it is a PyCapsule; the type has no public name before Python 3.13."""
    return type(source).__name__ == "PyCapsule"


def _from_capsule(source: Any) -> tuple[str, int, str]:
    """A capsule; by the custom of Cython and SciPy its name is the C signature, which does not name the function."""
    api = ctypes.pythonapi
    get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api))
    return "", get_pointer(source, get_name(source)) or 0, "<capsule>"


_CONVERSIONS: tuple[tuple[Callable[[object], bool], Callable[[Any], tuple[str, int, str]]], ...] = (
    (_is_address, _from_address),
    (_is_ctypes, _from_ctypes),
    (_is_cffi, _from_cffi),
    (_is_capsule, _from_capsule),
    (_is_numba, _from_numba),
)


def _address_of(pointer: Any) -> int:
    """Where a ctypes function pointer points; 0 for NULL."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


# --- loading ------------------------------------------------------------------------------------------------------


def _locate(source: object) -> str:
    """The absolute path of a library given by path or by name."""
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"a library is a name, a path or a ctypes.CDLL, not {type(source).__name__}")
    text = os.fspath(source)
    if not text or "\0" in text:
        raise LibraryError(f"{text!r} is no name of a library")
    # A path object is a path even without a separator: Path("./libx.so") is Path("libx.so").
    if isinstance(source, str) and not libraries.is_path(text):
        return libraries.search(text)
    path = Path(text).absolute()
    if not path.is_file():
        found = "is not a file" if path.exists() else "does not exist"
        raise LibraryError(f"library {text!r}: {path} {found}")
    return str(path)


def _open(path: str, *, allow_writable: bool) -> OpenLibrary:
    """Load the library at an absolute path once."""
    with _lock:
        if path in _opened:
            return _opened[path]
        if not allow_writable:
            _refuse_writable(Path(path))
        if reason := libraries.mismatch(path):
            raise LibraryError(f"{path} cannot be loaded: {reason}")
        try:
            handle = ctypes.CDLL(path, mode=_MODE)
        except OSError as error:
            raise LibraryError(f"{path} cannot be loaded: {error}") from None
        return _opened.setdefault(path, OpenLibrary(path, handle))


def _refuse_writable(path: Path) -> None:
    """Refuse a file that anyone on this machine may have written or put there: loading it runs it."""
    real = path.resolve()
    for place in dict.fromkeys((real, real.parent, path.parent)):
        try:
            mode = place.stat().st_mode
        except OSError:  # macOS: some system libraries are in no file; nobody can write them either
            continue
        # In a sticky folder such as /tmp only the owner of a file can replace it.
        if mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            raise LibraryError(
                f"{path} is not loaded: {place} can be written by every user of this machine. "
                f"`chmod o-w {place}`, or pass allow_writable=True"
            )


def _adopt(handle: ctypes.CDLL) -> OpenLibrary:
    """Take over a library that the caller has opened; our own reference keeps it loaded even if that one closes it."""
    path = _path_of_handle(handle._handle) or handle._name
    if not path:
        return OpenLibrary("<this process>", handle)
    with _lock:
        if path in _opened and _opened[path].handle._handle == handle._handle:
            return _opened[path]
        if handle._handle not in _adopted:
            try:
                _adopted[handle._handle] = ctypes.CDLL(path, mode=_MODE)
            except OSError:  # its file has been moved or deleted since: the caller's own reference has to do
                _adopted[handle._handle] = handle
    return OpenLibrary(path, handle)


class _LinkMap(ctypes.Structure):
    """The public head of glibc's and musl's ``struct link_map``."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


def _path_of_handle(handle: int) -> str:
    """The absolute path of a library from its `dlopen` handle; empty for the program itself or where none can tell."""
    try:
        dlinfo = ctypes.CDLL(None)["dlinfo"]
    except (AttributeError, OSError, TypeError):  # macOS, Windows
        return ""
    dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    dlinfo.restype = ctypes.c_int
    entry = ctypes.c_void_p()
    request = 2  # RTLD_DI_LINKMAP, the same number on Linux and the BSDs
    if dlinfo(handle, request, ctypes.byref(entry)) != 0 or entry.value is None:
        return ""
    name: bytes = _LinkMap.from_address(entry.value).name or b""
    return str(Path(os.fsdecode(name)).absolute()) if name else ""


def _no_symbol(path: str, name: str) -> str:
    """The message for a function that is not there, with those that resemble it."""
    names = libraries.exported_names(path)
    close = difflib.get_close_matches(name, names, n=4)
    close += sorted(other for other in names if other.strip("_") == name and other not in close)
    message = f"{path} has no function {name!r}"
    if close:
        message += f"; it has {', '.join(close)}"
    # Itanium mangling: _Z, the length of the name, the name.
    if any(other.startswith(f"_Z{len(name)}{name}") for other in names):
        message += f'; a C++ function {name} is there: declare it extern "C"'
    return message
