"""Functions made by others: ctypes, cffi, numba, Cython, SciPy, capsules, plain addresses."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..errors import LibraryError, alike
from ..language.c_signatures import (
    CSignature,
    declared,
    differences,
    has_python_objects,
    read_signature,
)
from ..language.names import TypeNames
from ..language.prototype import Prototype
from .introspection import numba_signature, of_cffi, of_ctypes, of_numba
from .origins import Unmovable
from .symbols import Symbol, address_of, is_code, pin

_FUNCTION_POINTER: Any = ctypes.CFUNCTYPE(None).__mro__[1]  # ctypes keeps this class private
_NEEDS_GIL = 4  # FUNCFLAG_PYTHONAPI in a ctypes function type's _flags_


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be declared, and the names of types that its text defines."""

    prototype: Prototype
    names: TypeNames


@dataclass(frozen=True, slots=True)
class Native:
    """A function as its maker hands it out.

    Attributes
    ----------
    kind : str
        What it is, for messages.
    address : int
    signature : CSignature or None
        What is known of its types.
    owner : object
        What must live as long as it is called.
    """

    kind: str
    address: int
    signature: CSignature | None
    owner: object

    def symbol(self, name: str) -> Symbol:
        """What is called, under a name of its own."""
        return Symbol(name, self.address, f"<{self.kind}>", self.owner)

    def origin(self) -> Unmovable:
        """Why it cannot be pickled."""
        library, exported = pin(self.address)  # whoever opened it may close it
        if exported:
            return Unmovable(
                f"a {self.kind} of {library}", f"Declare it with pf.load({library!r}, ...): that can be pickled"
            )
        return Unmovable(f"a {self.kind}", "Make it in the other process, too, with pf.function")


def find(source: object, wanted: Wanted, name: str = "") -> Native:
    """Find out where a function is and what it says about itself.

    Parameters
    ----------
    source : object
        A function of ctypes, cffi or numba, a capsule, a `scipy.LowLevelCallable`, an address as int; or a Cython
        module or a cffi library, of which the function called `name`, or else as declared, is taken.
    wanted : Wanted
        What a function of numba is compiled for.
    name : str

    Raises
    ------
    LibraryError
        If a module or library has no such function.
    TypeError, ValueError
        If `source` leads to no function that may be called without the GIL.
    """
    for contains, look_up in _CONTAINERS:
        if contains(source):
            return _native(look_up(source, name or wanted.prototype.name), wanted)
    if name:
        raise TypeError(f"name={name!r} chooses among the functions of a library or module, and {source!r} is neither")
    return _native(source, wanted)


def told_by_library(source: object, name: str) -> CSignature | None:
    """What the user of a ctypes library has set as types of one of its functions; None if it was never looked up."""
    known = vars(source).get(name) if isinstance(source, ctypes.CDLL) else None
    return None if known is None else of_ctypes(known)


def _native(source: object, wanted: Wanted) -> Native:
    """One function of whatever kind."""
    for matches, convert in _CONVERSIONS:
        if matches(source):
            native = convert(source, wanted)
            break
    else:
        raise TypeError(
            f"{source!r} is no function with an address that is known how to find: wanted is a library, a function of "
            "ctypes, cffi or numba (cfunc, njit), a capsule, a scipy.LowLevelCallable, a Cython module, or an address"
        )
    if not 0 < native.address < 1 << (8 * ctypes.sizeof(ctypes.c_void_p)) or not is_code(native.address):
        raise ValueError(f"{native.kind}: at {native.address:#x} there is no code in this process")
    if native.signature is not None and has_python_objects(native.signature):
        raise TypeError(f"this {native.kind}, {native.signature.spelled}, handles Python objects, which needs the GIL")
    return native


# Where several functions are


def _is_module(source: object) -> bool:
    return isinstance(source, ModuleType)


def _of_module(source: Any, name: str) -> object:
    """A function that a Cython module exports."""
    exported = getattr(source, "__pyx_capi__", None)
    if not isinstance(exported, dict):
        raise TypeError(
            f"module {source.__name__} exports no C functions: it has no __pyx_capi__, which Cython makes for "
            "functions declared in a .pxd file or with the word api"
        )
    if name not in exported:
        near = alike(name, exported, 4)
        has = f"; it has {', '.join(near)}" if near else ""
        raise LibraryError(f"module {source.__name__} exports no C function {name!r}{has}")
    return exported[name]


def _backend() -> Any:
    """The module under cffi, if cffi is in use."""
    return sys.modules.get("_cffi_backend")


def _is_cffi_library(source: object) -> bool:
    if _backend() is None:
        return False
    kind = type(source)  # that of ffi.dlopen is made anew for every library, and named after it
    return isinstance(source, _backend().Lib) or (
        kind.__module__ == "cffi.api" and kind.__name__.startswith("FFILibrary")
    )


def _of_cffi_library(source: Any, name: str) -> object:
    """A function of what ``ffi.dlopen`` returned, or of the ``lib`` of a compiled module."""
    try:
        return _backend().FFI().addressof(source, name) if isinstance(source, _backend().Lib) else getattr(source, name)
    except AttributeError as error:
        raise LibraryError(f"{error}; cffi knows the functions that were given to ffi.cdef") from None


_CONTAINERS: tuple[tuple[Callable[[object], bool], Callable[[Any, str], object]], ...] = (
    (_is_cffi_library, _of_cffi_library),  # which passes for a module
    (_is_module, _of_module),
)


# Single functions


def _is_address(source: object) -> bool:
    """Whether it is an int; True and False are not meant as addresses."""
    return isinstance(source, int) and not isinstance(source, bool)


def _from_address(source: Any, _: Wanted) -> Native:
    return Native("plain address", int(source), None, None)


def _is_ctypes(source: object) -> bool:
    """Whether it is a ctypes function pointer of any kind."""
    return isinstance(source, _FUNCTION_POINTER)


def _from_ctypes(source: Any, _: Wanted) -> Native:
    """A ctypes function; one that wants the GIL held cannot be called from workers."""
    if source._flags_ & _NEEDS_GIL:
        raise TypeError(f"{source!r} must be called with the GIL held (PYFUNCTYPE, PyDLL), so workers cannot call it")
    return Native("ctypes function", address_of(source), of_ctypes(source), source)


def _is_cffi(source: object) -> bool:
    """Whether it is a cffi object; without cffi imported there can be none."""
    return _backend() is not None and isinstance(source, _backend()._CDataBase)


def _from_cffi(source: Any, _: Wanted) -> Native:
    """A cffi function pointer, as ``ffi.addressof(lib, name)`` and ``ffi.callback`` give it."""
    ffi = _backend().FFI()
    kind = ffi.typeof(source)
    if kind.kind != "function":
        raise TypeError(f"{source!r} is no function pointer: pass ffi.addressof(lib, name)")
    return Native("cffi function", int(ffi.cast("uintptr_t", source)), of_cffi(kind, ffi.sizeof), source)


def _is_cffi_builtin(source: object) -> bool:
    """Whether it is ``lib.f`` of a compiled cffi module, which is a builtin function around the one that is wanted."""
    return _backend() is not None and isinstance(getattr(source, "__self__", None), _backend().Lib)


def _from_cffi_builtin(source: Any, wanted: Wanted) -> Native:
    return _from_cffi(_of_cffi_library(source.__self__, source.__name__), wanted)


def _is_capsule(source: object) -> bool:
    """Whether it is a PyCapsule; the type has no public name before Python 3.13."""
    return type(source).__name__ == "PyCapsule"


def _from_capsule(source: Any, wanted: Wanted) -> Native:
    """A capsule; by the custom of Cython and SciPy its name is the C signature."""
    api = ctypes.pythonapi
    get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api))
    name = get_name(source)
    text = None if name is None else name.decode("utf-8", "replace")
    known = None if text is None else read_signature(text, wanted.names)
    if text is not None and known is None:
        raise TypeError(
            f"{source!r} may hold anything: its name is no C signature, as that of a capsule with a function is"
        )
    return Native("capsule", get_pointer(source, name) or 0, known, source)


def _is_cfunc(source: object) -> bool:
    """Whether it looks like a numba ``cfunc``; numba itself is not imported for the question."""
    return isinstance(getattr(source, "address", None), int) and hasattr(source, "native_name")


def _from_cfunc(source: Any, _: Wanted) -> Native:
    known = getattr(source, "_sig", None)  # numba has no public way to it
    return Native("numba cfunc", int(source.address), None if known is None else of_numba(known), source)


def _is_dispatcher(source: object) -> bool:
    """Whether it is what ``numba.njit`` makes."""
    return "numba" in sys.modules and hasattr(source, "py_func") and hasattr(source, "nopython_signatures")


def _from_dispatcher(source: Any, wanted: Wanted) -> Native:
    """The same Python function compiled by numba for C's callers, with the options of the first."""
    numba: Any = sys.modules["numba"]
    signature = numba_signature(wanted.prototype)
    if not source._can_compile and source.nopython_signatures:  # made with signatures of its own, for which alone it is
        signature = _closest(source.nopython_signatures, wanted)
    compiled = numba.cfunc(signature, **source.targetoptions)(source.py_func)
    return Native("numba function", int(compiled.address), of_numba(signature), compiled)


def _closest(signatures: list[Any], wanted: Wanted) -> Any:
    """The signature that fits the declaration, or else the first, to be told about."""
    ours = declared(wanted.prototype)
    return next((one for one in signatures if not differences(ours, of_numba(one))), signatures[0])


def _is_low_level(source: object) -> bool:
    """Whether it is a ``scipy.LowLevelCallable``; SciPy is not imported for the question."""
    return type(source).__name__ == "LowLevelCallable" and hasattr(source, "user_data")


def _from_low_level(source: Any, wanted: Wanted) -> Native:
    """What SciPy keeps together: a function, and an address that it is to be called with."""
    if source.user_data is not None:
        raise TypeError(
            "this LowLevelCallable has user_data: declare the parameter it goes to as a handle, void *user_data, give "
            "the function alone (.function) here, and pass the data when you call"
        )
    native = _native(source.function, wanted)
    known = native.signature if native.signature and native.signature.parameters is not None else None
    return Native("LowLevelCallable", native.address, known or read_signature(source.signature, wanted.names), source)


_CONVERSIONS: tuple[tuple[Callable[[object], bool], Callable[[Any, Wanted], Native]], ...] = (
    (_is_address, _from_address),
    (_is_ctypes, _from_ctypes),
    (_is_cffi, _from_cffi),
    (_is_cffi_builtin, _from_cffi_builtin),
    (_is_capsule, _from_capsule),
    (_is_cfunc, _from_cfunc),
    (_is_dispatcher, _from_dispatcher),
    (_is_low_level, _from_low_level),
)
