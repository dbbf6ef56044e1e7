"""One function, declared from whatever leads to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .errors import PrototypeError
from .function import Function, make_function
from .language.names import TypeNames
from .language.prototype import Prototype, read_prototypes
from .library import Library, pointed_out
from .plans.companions import check_callables, initialise
from .sources.origins import Origin, origin_of
from .sources.symbols import Symbol, is_library, open_library
from .system.forking import late_import


def function(
    source: object,
    declaration: str,
    *,
    callables: Mapping[str, Callable[..., Any]] | None = None,
    keepalive: object = None,
    name: str = "",
) -> Function:
    """Declare one function of anything that has a C address.

    Parameters
    ----------
    source : object
        Where the function is:

        - a library, as for `load`, or a `Library`;
        - a function of ctypes: of a CDLL, or a callback made by ``CFUNCTYPE``, which takes the GIL;
        - a function of cffi: ``lib.f``, ``ffi.addressof(lib, "f")`` or ``ffi.callback``, or the ``lib`` itself;
        - a function of numba: a ``cfunc``; one of ``njit`` is compiled once more, for the declared types;
        - a Cython module with C functions, or one of the capsules in its ``__pyx_capi__``;
        - another capsule whose name is the signature, or a ``scipy.LowLevelCallable``;
        - an address as int.
    declaration : str
        One prototype with its clauses, closed by ``;``; typedefs, structs and enums in front.
    callables : dict, optional
        Functions that ``reduction(name(_, _))`` may merge with, by name.
    keepalive : object, optional
        What must live as long as the function, besides `source`: needed where an address does not say who owns it.
    name : str, optional
        The function's name in a library or module, where the declaration gives it another one.

    Returns
    -------
    Function

    Raises
    ------
    PrototypeError
        For a declaration that cannot be read, leaves something open, or differs from what the function itself says
        about its types.
    LibraryError
        If a library or module does not have the function.
    TypeError, ValueError
        If `source` leads to no function that may be called without the GIL.

    Examples
    --------
    >>> import ctypes, pyffipar as pf
    >>> root = pf.function("m", "double root(double x);", name="sqrt")
    >>> root([4.0, 9.0])
    array([2., 3.])
    >>> twice = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: 2 * x)
    >>> pf.function(twice, "double twice(double x);")([1.0, 2.0])
    array([2., 4.])
    """
    check_callables(callables)
    names = TypeNames()
    prototype = _one(read_prototypes(declaration, names), declaration)
    if isinstance(source, Library) or is_library(source):
        find, origin = _in_library(source, prototype, name)
    else:
        find, origin = _on_its_own(source, prototype, names, name)
    symbol = find(prototype.name)
    symbol = replace(symbol, keepalive=(symbol.keepalive, keepalive))
    with pointed_out(declaration):
        others = callables or {}
        made = make_function(prototype, lambda one: symbol if one == prototype.name else find(one), others, origin)
        if init := prototype.clauses.init:
            initialise(find(init))
    return made


def _one(prototypes: list[Prototype], declaration: str) -> Prototype:
    """The only prototype of a text."""
    if len(prototypes) == 1:
        return prototypes[0]
    names = ", ".join(prototype.name for prototype in prototypes) or "none"
    position = prototypes[1].position if prototypes else 0
    raise PrototypeError(f"one function is declared here, not {names}: load() takes several", declaration, position)


def _in_library(source: Any, prototype: Prototype, name: str) -> tuple[Callable[[str], Symbol], Origin]:
    """How functions of a library are found, and where it came from."""
    if isinstance(source, Library):
        opened, origin = source._opened, source._origin  # noqa: SLF001 - its public attributes are declared functions
    else:
        opened = open_library(source)
        origin = origin_of(source, opened)
    with late_import():
        from .language import c_signatures
        from .sources import function_sources
    if known := function_sources.told_by_library(source, name or prototype.name):
        c_signatures.check(prototype, known, "ctypes function")

    def find(wanted: str) -> Symbol:
        return opened.symbol(name or wanted if wanted == prototype.name else wanted)

    return find, origin


def _on_its_own(
    source: object, prototype: Prototype, names: TypeNames, name: str
) -> tuple[Callable[[str], Symbol], Origin]:
    """How a function is found that came alone, and why it cannot travel."""
    with late_import():
        from .language import c_signatures
        from .sources import function_sources
    if prototype.is_variable:
        raise PrototypeError(
            f"what is given is the function itself, not a variable with its address: write {prototype.name}(…)",
            prototype.source,
            prototype.position,
        )
    native = function_sources.find(source, function_sources.Wanted(prototype, names), name)
    if native.signature is not None:
        c_signatures.check(prototype, native.signature, native.kind)

    def find(other: str) -> Symbol:
        if other == prototype.name:
            return native.symbol(other)
        raise PrototypeError(
            f"{prototype.name}: {other} is looked up in the library that has {prototype.name}, and a {native.kind} "
            "comes from none: load() the library that has both",
            prototype.source,
            prototype.position,
        )

    return find, native.origin()
