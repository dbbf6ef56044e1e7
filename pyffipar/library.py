"""Libraries: open or compile one, declare its functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .companions import Companions, initialise, needed_symbols
from .compiling import compile_source
from .errors import PrototypeError
from .function import Function
from .handles import pointed_to
from .names import TypeNames
from .prototype import Prototype, read_prototypes
from .roles import analyse
from .symbols import LibrarySource, OpenLibrary, open_library


class Library:
    """Declared functions of one shared library, as attributes.

    Examples
    --------
    >>> import pyffipar as pf
    >>> m = pf.load("m", "double erf(double x);")
    >>> m.declare("double cbrt(double x);")
    >>> print(m.cbrt(8.0))
    2.0
    """

    def __init__(
        self, opened: OpenLibrary, declarations: str = "", callables: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        self._opened = opened
        self._names = TypeNames()
        self._functions: dict[str, Function] = {}
        self.declare(declarations, callables)

    def declare(self, declarations: str, callables: Mapping[str, Callable[..., Any]] | None = None) -> None:
        """Declare more functions; all of them, or none if one is refused.

        Parameters
        ----------
        declarations : str
            Prototypes with array lengths in the brackets and clauses behind, each closed by ``;``; typedefs, structs
            and enums in between.
        callables : dict, optional
            Python functions that ``reduction(name(_, _))`` may merge with, by name.

        Raises
        ------
        PrototypeError
            For a declaration that cannot be read or leaves something open, for a name declared before with another
            meaning, and for a merging function that is neither declared nor among `callables`.
        LibraryError
            For a function the library does not have.
        """
        names = self._names.copy()
        prototypes = read_prototypes(declarations, names)
        known: dict[str, Callable[..., Any]] = {**(callables or {}), **self._functions}
        found: dict[str, Function] = {}
        for prototype in _mergers_first(prototypes):
            self._check_twice(prototype, found.get(prototype.name) or self._functions.get(prototype.name))
            found[prototype.name] = self._function(prototype, {**known, **found})
        for prototype in prototypes:
            if prototype.clauses.init:
                initialise(self._opened.symbol(prototype.clauses.init))
        self._names = names
        self._functions |= {prototype.name: found[prototype.name] for prototype in prototypes}

    def _function(self, prototype: Prototype, known: Mapping[str, Callable[..., Any]]) -> Function:
        """One declared function with everything its clauses name."""
        contract = analyse(prototype)
        mergers = {}
        for reduction in prototype.clauses.reductions.values():
            if reduction.is_builtin:
                continue
            if reduction.operator not in known:
                raise PrototypeError(
                    f"{prototype.name}: {reduction.operator} merges, so declare it too, or give it in callables",
                    prototype.source,
                    reduction.position,
                )
            mergers[reduction.operator] = known[reduction.operator]
        symbols = {name: self._opened.symbol(name) for name in needed_symbols(prototype.clauses)}
        symbol = self._opened.symbol(prototype.name)
        return Function(contract, pointed_to(symbol) if prototype.is_variable else symbol, Companions(symbols, mergers))

    def _check_twice(self, prototype: Prototype, known: Function | None) -> None:
        if known is not None and known.declaration.split() != prototype.text.split():
            raise PrototypeError(
                f"{prototype.name} is declared already, as {known.declaration}", prototype.source, prototype.position
            )

    @property
    def path(self) -> str:
        """Absolute path of the library's file."""
        return self._opened.path

    def __getattr__(self, name: str) -> Function:
        try:
            return self.__dict__["_functions"][name]  # type: ignore[no-any-return]
        except KeyError:
            declared = ", ".join(self.__dict__.get("_functions", {})) or "none"
            raise AttributeError(
                f"{name} is not declared; declared functions: {declared}. Declare it with library.declare(...)"
            ) from None

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions.values())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._functions]

    def __repr__(self) -> str:
        return f"<Library {self.path}: {', '.join(self._functions) or 'nothing declared'}>"


def _mergers_first(prototypes: list[Prototype]) -> list[Prototype]:
    """Functions that merge with nothing foreign in front, so that the others find them."""
    return sorted(
        prototypes, key=lambda prototype: any(not r.is_builtin for r in prototype.clauses.reductions.values())
    )


def load(
    source: LibrarySource,
    declarations: str = "",
    *,
    callables: Mapping[str, Callable[..., Any]] | None = None,
) -> Library:
    """Open a shared library and declare functions of it.

    Parameters
    ----------
    source : str, path or ctypes.CDLL
        A path, or a name such as ``"z"`` or ``"libz.so.1"`` that is searched in the system's library folders and
        never in the current one, or a library that is open already.
    declarations : str
        Prototypes with array lengths in the brackets and clauses behind, each closed by ``;``.
    callables : dict, optional
        Python functions that ``reduction(name(_, _))`` may merge with, by name.

    Returns
    -------
    Library

    Raises
    ------
    LibraryError
        If the library or a function in it is not found.
    PrototypeError
        With line and caret, for a declaration that cannot be read or leaves something open.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> m = pf.load("m", "double hypot(double x, double y);")
    >>> m.hypot(3.0, np.array([4.0, 0.0]))
    array([5., 3.])
    """
    return Library(open_library(source), declarations, callables)


def compile(
    source: str,
    declarations: str = "",
    *,
    flags: Sequence[str] = (),
    language: str = "c",
    callables: Mapping[str, Callable[..., Any]] | None = None,
) -> Library:
    """Compile C source with the system's compiler and declare functions of it.

    The result is kept in the user's cache folder; the same source is compiled once.

    Parameters
    ----------
    source : str
        C source text.
    declarations : str
        As for `load`.
    flags : sequence of str
        Further compiler flags, behind ``-O3``.
    language : str
        ``"c"`` or ``"c++"``.
    callables : dict, optional
        As for `load`.

    Returns
    -------
    Library

    Raises
    ------
    CompileError
        With the compiler's message and the line of `source` it is about; also if there is no compiler.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> k = pf.compile('''
    ...     #include <stddef.h>
    ...     double total(size_t n, const double *x) {
    ...         double sum = 0;
    ...         for (size_t i = 0; i < n; i++) sum += x[i];
    ...         return sum;
    ...     }
    ... ''', "double total(size_t n, const double x[n]) reduction(+);")
    >>> print(k.total(np.arange(5.0)))
    10.0
    """
    return load(compile_source(source, flags=flags, language=language), declarations, callables=callables)
