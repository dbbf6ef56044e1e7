"""A declared foreign function as it travels to where its calls are made: without what merges their results."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LibraryError, UnpickleError
from ..language.prototype import Prototype, read_prototypes
from ..sources import pickling
from ..sources.origins import FileOrigin, Origin
from ..sources.symbols import OpenLibrary, Symbol, loaded
from .companions import Companions, initialise, needed_symbols
from .handles import pointed_to
from .roles import Contract, analyse


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a call needs of a declared function; pickled where another process finds the same library.

    Attributes
    ----------
    contract : Contract
    symbol : Symbol
    companions : Companions
    origin : Origin
        How another process finds the same.
    """

    contract: Contract
    symbol: Symbol
    companions: Companions
    origin: Origin

    def nearby(self) -> Foreign:
        """The same for another process on this machine: it loads the very file that is loaded here."""
        path = self.symbol.library
        opened = loaded(path)
        if opened is None or not opened.fingerprint():
            return self  # its file is no more the one that was loaded: what the origin says, counts
        return replace(self, origin=FileOrigin(path, path))

    def describe(self, code: int) -> str:
        """The library's own words for a status."""
        status = self.contract.prototype.clauses.status
        return self.companions.describe(status.describe if status else None, code)

    def __reduce__(self) -> tuple[Callable[..., Foreign], tuple[Any, ...]]:
        prototype = self.contract.prototype
        return restore, (pickling.FORMAT, self.origin.packed(prototype.name), prototype.whole_text, self.symbol.name)


def restore(version: object, origin: object, declaration: str, symbol: str) -> Foreign:
    """Find a function again from what it was pickled as; equal data gives the same function.

    Raises
    ------
    UnpickleError
        If it may not be unpickled here, or the data describes no function.
    LibraryError, CompileError
        If its library cannot be had here; says on which host.
    """
    pickling.check_data(version, declaration, {})
    pickling.check_symbol(symbol)
    admitted = pickling.admit(origin, declaration)
    return pickling.once(
        lambda: (Foreign, admitted, declaration, symbol), lambda: _restored(admitted, declaration, symbol)
    )


def found_again(
    origin: Origin, declaration: str, symbol: str, purpose: str
) -> tuple[Prototype, Callable[[str], Symbol], OpenLibrary]:
    """Open where a function came from: its prototype, and how functions are looked up there.

    Parameters
    ----------
    origin : Origin
    declaration : str
        Of this function alone.
    symbol : str
        Its name in the library.
    purpose : str
        What is done with it here, for errors.
    """
    opened = origin.open()
    prototypes = read_prototypes(declaration)
    if len(prototypes) != 1:
        raise UnpickleError(f"pickled data declares {len(prototypes)} functions in the place of one")
    (prototype,) = prototypes

    def find(name: str) -> Symbol:
        try:
            return opened.symbol(symbol if name == prototype.name else name)
        except LibraryError as error:
            raise LibraryError(f"host {platform.node()}, where {prototype.name} is {purpose}: {error}") from None

    return prototype, find, opened


def _restored(origin: Origin, declaration: str, symbol: str) -> Foreign:
    prototype, find, opened = found_again(origin, declaration, symbol, "to be called")
    contract = analyse(prototype)
    found = find(prototype.name)
    symbols = {name: find(name) for name in needed_symbols(prototype.clauses)}
    if prototype.clauses.init:
        initialise(symbols[prototype.clauses.init])
    return Foreign(
        contract, pointed_to(found) if prototype.is_variable else found, Companions(symbols), origin.here(opened)
    )
