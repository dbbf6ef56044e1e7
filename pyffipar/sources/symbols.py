"""Shared libraries that are loaded for good, the functions in them, and how another process finds both again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LibraryError, alike
from ..system import forking
from ..system.trust import open_to_all
from . import libraries

LibrarySource: TypeAlias = "str | os.PathLike[str] | ctypes.CDLL | OpenLibrary"

# The loader never unloads what was opened so (where it knows the flag): functions stay callable until the process ends.
_MODE = ctypes.DEFAULT_MODE | getattr(os, "RTLD_NODELETE", 0)

_lock = forking.Lock()
_opened: dict[str, OpenLibrary] = {}  # by path, for ever: the second guard against unloading
_adopted: dict[int, OpenLibrary] = {}  # those that came as CDLL, by handle, likewise

PROGRAM = "<this process>"  # in place of a path


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
    stamp : Stamp or None
        What the file looked like when it was opened, to tell later whether it is the same; None without a file.
    """

    path: str
    handle: ctypes.CDLL = field(repr=False, compare=False)
    stamp: libraries.Stamp | None = field(default=None, repr=False, compare=False)

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
            raise LibraryError.without(name, _no_symbol(self.path, name)) from None
        except ValueError:
            raise LibraryError(f"{name!r} is no name of a function") from None
        return Symbol(name, address_of(pointer), self.path, self.handle)

    def fingerprint(self) -> str:
        """Which build of the library is loaded; an empty text if its file does not tell any more."""
        if self.stamp is None and sys.platform == "darwin":  # the system's libraries are in no file, and change with it
            return f"macOS {platform.mac_ver()[0]}"
        if self.stamp is None or libraries.stamp(self.path) != self.stamp:
            return ""
        return libraries.fingerprint(self.path)


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


def is_library(source: object) -> bool:
    """Whether it is what `open_library` takes."""
    return isinstance(source, (str, os.PathLike, ctypes.CDLL, OpenLibrary))


def loaded(path: str) -> OpenLibrary | None:
    """What was opened or taken over under a path."""
    with _lock:
        return _opened.get(path) or next((opened for opened in _adopted.values() if opened.path == path), None)


def address_of(pointer: Any) -> int:
    """Where a ctypes function pointer points; 0 for NULL."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def is_code(address: int) -> bool:
    """Whether there is executable memory at an address, as far as the system tells."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:  # no such file here
        return True
    for line in lines:
        span, rights, *_ = line.split(maxsplit=2)
        first, _, end = span.partition("-")
        if int(first, 16) <= address < int(end, 16):
            return "x" in rights
    return False


class _Place(ctypes.Structure):
    """``Dl_info``."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def pin(address: int) -> tuple[str, str]:
    """Keep the library that an address lies in loaded for ever, whoever else closes it.

    Returns
    -------
    tuple of str
        The library's path, and the name under which it exports what is there; empty where there is none.
    """
    place = _Place()
    try:
        found = ctypes.CDLL(None)["dladdr"](ctypes.c_void_p(address), ctypes.byref(place))
    except (AttributeError, OSError, TypeError):  # Windows
        return "", ""
    if not found or not place.file:  # code that was made at run time
        return "", ""
    with contextlib.suppress(OSError):  # the program itself, under a name that nobody can open
        ctypes.CDLL(os.fsdecode(place.file), mode=_MODE | getattr(os, "RTLD_NOLOAD", 0))
    path = os.fsdecode(place.file)
    if not Path(path).is_absolute():  # the program itself, or a library that was opened from where we may not be now
        return path, ""
    return path, os.fsdecode(place.name) if place.name and place.address == address else ""


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
        found = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
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
        stamp = libraries.stamp(path)
        try:
            handle = ctypes.CDLL(path, mode=_MODE)
        except OSError as error:
            raise LibraryError(f"{path} cannot be loaded: {error}") from None
        return _opened.setdefault(path, OpenLibrary(path, handle, stamp))


def _refuse_writable(path: Path) -> None:
    """Refuse a file that anyone on this machine may have written or put there: loading it runs it."""
    if reason := open_to_all(path):
        raise LibraryError(f"{path} is not loaded: {reason}, or pass allow_writable=True")


def _adopt(handle: ctypes.CDLL) -> OpenLibrary:
    """Take over a library that the caller has opened; our own reference keeps it loaded even if that one closes it."""
    path = _path_of_handle(handle._handle) or handle._name
    if not path:
        return OpenLibrary(PROGRAM, handle)
    with _lock:
        if path in _opened and _opened[path].handle._handle == handle._handle:
            return _opened[path]
        if handle._handle not in _adopted:
            try:
                ours = ctypes.CDLL(path, mode=_MODE)
            except OSError:  # its file has been moved or deleted since: the caller's own reference has to do
                ours = handle
            _adopted[handle._handle] = OpenLibrary(path, ours, libraries.stamp(path))
        return _adopted[handle._handle]


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
    close = alike(name, names, 4)
    close += sorted(other for other in names if other.strip("_") == name and other not in close)
    message = f"{path} has no function {name!r}"
    if close:
        message += f"; it has {', '.join(close)}"
    # Itanium mangling: _Z, the length of the name, the name.
    if any(other.startswith(f"_Z{len(name)}{name}") for other in names):
        message += f'; a C++ function {name} is there: declare it extern "C"'
    return message
