"""Libraries: open or compile one, declare its functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import LibraryError, PrototypeError, check_text, excerpt
from .function import Function, make_function
from .language.names import TypeNames
from .language.prototype import Prototype, read_prototypes
from .language.tokens import statements
from .plans.companions import check_callables, initialise
from .sources import pickling
from .sources.origins import Origin, SourceOrigin, origin_of
from .sources.recipes import Paths, make_recipe
from .sources.symbols import LibrarySource, OpenLibrary, open_library
from .system.forking import late_import

if TYPE_CHECKING:
    from .language.drafts import Draft
    from .sources.authoring import Names


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
        self,
        opened: OpenLibrary,
        declarations: str = "",
        callables: Mapping[str, Callable[..., Any]] | None = None,
        origin: Origin | None = None,
    ) -> None:
        self._opened = opened
        self._origin = origin or origin_of(opened.path, opened)
        self._names = TypeNames()
        self._functions: dict[str, Function] = {}
        self._told: tuple[tuple[str, Mapping[str, Callable[..., Any]]], ...] = ()  # what was declared, in order
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
        check_callables(callables)
        with pointed_out(declarations):
            self._add(declarations, callables or {})

    def _add(self, declarations: str, callables: Mapping[str, Callable[..., Any]]) -> None:
        names = self._names.copy()
        prototypes = read_prototypes(declarations, names)
        known: dict[str, Callable[..., Any]] = {**callables, **self._functions}
        found: dict[str, Function] = {}
        for prototype in _mergers_first(prototypes):
            self._check_twice(prototype, found.get(prototype.name) or self._functions.get(prototype.name))
            found[prototype.name] = make_function(prototype, self._opened.symbol, {**known, **found}, self._origin)
        for prototype in prototypes:
            if prototype.clauses.init:
                initialise(self._opened.symbol(prototype.clauses.init))
        self._names = names
        if declarations.strip():
            merging = {reduction.operator for one in prototypes for reduction in one.clauses.reductions.values()}
            used = {name: given for name, given in callables.items() if name in merging}
            self._told += ((declarations, used),)
        self._publish({prototype.name: found[prototype.name] for prototype in prototypes})

    def _publish(self, functions: Mapping[str, Function]) -> None:
        """Let functions be attributes, as far as names are free: `__getattr__` takes longer than a small call."""
        self._functions |= functions
        for name, function in functions.items():
            if not name.startswith("_") and not hasattr(type(self), name):
                vars(self)[name] = function

    def _check_twice(self, prototype: Prototype, known: Function | None) -> None:
        if known is not None and known.declaration.split() != prototype.text.split():
            raise PrototypeError(
                f"{prototype.name} is declared already, as {known.declaration}", prototype.source, prototype.position
            )

    @property
    def path(self) -> str:
        """Absolute path of the library's file."""
        return self._opened.path

    def stub(self, path: str | os.PathLike[str] | None = None, *, name: str = "library") -> str:
        """The types of the declared functions, for type checkers and editors.

        Parameters
        ----------
        path : str or path, optional
            Also write the text there: ``kernels.pyi`` beside a ``kernels.py`` that keeps the library in a variable.
        name : str
            What that variable is called.

        Returns
        -------
        str
            The text of a ``.pyi`` file.

        Examples
        --------
        >>> import pyffipar as pf
        >>> text = pf.load("m", "double hypot(double x, double y);").stub()
        >>> "def __call__(self, x: ArrayLike, y: ArrayLike, *, out: NDArray[np.float64] | None = ...)" in text
        True
        """
        with late_import():
            from .stubs import write_stub
        contracts = [function._contract for function in self]  # noqa: SLF001 - ours
        text = write_stub(self._origin.name, name, contracts, partial(hasattr, Library))
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

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

    def __copy__(self) -> Library:
        """The same functions; what is declared in one later is not in the other."""
        other = Library(self._opened, origin=self._origin)
        other._names = self._names
        other._told = self._told
        other._publish(self._functions)
        return other

    def __deepcopy__(self, memo: object) -> Library:
        return self.__copy__()

    def __reduce__(self) -> tuple[Callable[..., Library], tuple[Any, ...]]:
        what = f"library {self._origin.name}"
        for _, callables in self._told:
            for name, merger in callables.items():
                pickling.check_named(f"{what} cannot be pickled: {name}, which merges results,", merger)
        return restore_library, (pickling.FORMAT, self._origin.packed(what), self._told)

    def __repr__(self) -> str:
        return f"<Library {self.path}: {', '.join(self._functions) or 'nothing declared'}>"


def restore_library(version: object, origin: object, told: object) -> Library:
    """Make a library from what it was pickled as; equal data gives equal functions, which are made once.

    Raises
    ------
    UnpickleError
        If it may not be unpickled here, or the data describes no library.
    LibraryError, CompileError
        If the library cannot be had here; says on which host.
    """
    texts = pickling.checked_texts(version, told)
    admitted = pickling.admit(origin, "\n".join(text for text, _ in texts))
    made = pickling.once(
        lambda: (admitted, tuple((text, pickling.frozen(callables)) for text, callables in texts)),
        lambda: _restored(admitted, texts),
    )
    return made.__copy__()  # what one of its owners declares later is not the others' business


def _restored(origin: Origin, texts: pickling.Texts) -> Library:
    opened = origin.open()
    library = Library(opened, origin=origin.here(opened))
    for text, callables in texts:
        library.declare(text, callables)
    return library


def _mergers_first(prototypes: list[Prototype]) -> list[Prototype]:
    """Functions that merge with nothing foreign in front, so that the others find them."""
    return sorted(
        prototypes, key=lambda prototype: any(not r.is_builtin for r in prototype.clauses.reductions.values())
    )


@contextmanager
def pointed_out(declarations: str) -> Iterator[None]:
    """Show where in the declarations a function stands that the library has not."""
    try:
        yield
    except LibraryError as error:
        for statement in statements(declarations) if error.symbol else ():
            names = [token.text for token in statement.tokens]
            if error.symbol in names:
                name = names[names.index("(") - 1]
                whose = f"{name}: " if name != error.symbol else ""
                place = statement.tokens[names.index(error.symbol)].position
                message = f"{whose}{error}{excerpt(statement.source, place)}"
                raise LibraryError.without(error.symbol, message) from None
        raise


def load(  # noqa: PLR0913 - each says one thing about a library
    source: LibrarySource,
    declarations: str = "",
    *,
    header: Names | None = None,
    contracts: str = "",
    include: Paths = (),
    defines: Sequence[str] = (),
    callables: Mapping[str, Callable[..., Any]] | None = None,
    allow_writable: bool = False,
) -> Library:
    """Open a shared library and declare functions of it.

    Parameters
    ----------
    source : str, path or ctypes.CDLL
        A path, or a name such as ``"z"`` or ``"libz.so.1"`` that is searched in the system's library folders and
        never in the current one, or a library that is open already.
    declarations : str
        Prototypes with array lengths in the brackets and clauses behind, each closed by ``;``.
    header : str, path, or sequence of these
        Take the C types from a header, which the system's compiler preprocesses: a name as in ``#include <name>``, or
        a path.
    contracts : str
        Brackets and clauses for the header's functions, each closed by ``;``: ``mean(data[n], n) reduction(mean)``,
        ``hypot`` alone where nothing is to be added, or a whole declaration, which must not contradict the header.
        Without any the header's own lines ``#pragma pyffipar`` count.
    include : sequence of paths
        Folders in which headers are looked for first.
    defines : sequence of str
        Macros for the header, as ``NAME`` or ``NAME=value``.
    callables : dict, optional
        Python functions that ``reduction(name(_, _))`` may merge with, by name.
    allow_writable : bool
        Load a file given by path even if every user of this machine could have written it.

    Returns
    -------
    Library

    Raises
    ------
    LibraryError
        If the library or a function in it is not found, or anyone could have written the library.
    PrototypeError
        With line and caret, for a declaration that cannot be read or leaves something open, or contradicts the header.
    CompileError
        If the header is not found, or there is no compiler to preprocess it.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> m = pf.load("m", "double hypot(double x, double y);")
    >>> m.hypot(3.0, np.array([4.0, 0.0]))
    array([5., 3.])
    >>> pf.load("m", header="math.h", contracts="hypot(x, y);").hypot(3.0, np.array([4.0, 0.0]))
    array([5., 3.])
    """
    if header is None and (contracts or include or defines):
        raise TypeError("contracts, include and defines are about a header: name it in header=")
    opened = open_library(source, allow_writable=allow_writable)
    library = Library(opened, declarations, callables, origin_of(source, opened))
    if header is not None:
        with late_import():
            from .sources.authoring import declared_by_header
        draft = declared_by_header(header, contracts, include, defines)
        if not draft.text.strip():
            raise TypeError(f"nothing in {header} is declared: give contracts=, since it has no line #pragma pyffipar")
        _declare(library, draft, callables)
    return library


def _declare(library: Library, draft: Draft, callables: Mapping[str, Callable[..., Any]] | None) -> None:
    """Declare what a draft says; errors point at what it was made of."""
    with draft.errors():
        library.declare(draft.text, callables)


def compile(
    source: str,
    declarations: str = "",
    *,
    flags: Sequence[str] = (),
    include: Paths = (),
    libraries: Paths = (),
    language: str = "c",
    callables: Mapping[str, Callable[..., Any]] | None = None,
) -> Library:
    """Compile C source with the system's compiler and declare functions of it.

    The result is kept in the user's cache folder: the same source is compiled once, and again when a header that it
    includes has changed.

    Parameters
    ----------
    source : str
        C or C++ source text.
    declarations : str
        As for `load`. Without any the lines ``#pragma pyffipar`` count that stand above functions of the source, or of
        a header that it includes.
    flags : sequence of str
        Further compiler flags, such as ``("-march=native", "-fopenmp")``; they stand behind pyffipar's own ``-O3`` and
        so win over it.
    include : sequence of paths
        Folders in which headers are looked for first.
    libraries : sequence of paths
        What to link: names as for the linker's ``-l``, or paths of static or shared libraries and object files.
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
        With the compiler's message and the line of `source` it is about; also if there is no compiler, or if others
        could write to the cache folder.
    PrototypeError
        As for `load`, and for a declaration that `source` contradicts.

    Notes
    -----
    The compiler is ``CC`` (``CXX`` for C++), else the first of ``cc gcc clang`` (``c++ g++ clang++``), else that of the
    package ``ziglang``, if it is installed. The cache folder is ``PYFFIPAR_CACHE_DIR``, else ``pyffipar`` in the user's
    own cache folder.

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
    with late_import():
        from .sources.authoring import declared_by_source
        from .sources.compiling import build
        from .sources.contradictions import check_declared
    recipe = make_recipe(source, flags=flags, include=include, libraries=libraries, language=language)
    check_callables(callables)
    check_text("declarations", declarations, "a text of C prototypes")
    library = Library(open_library(build(recipe)), declarations, callables, SourceOrigin(recipe))
    check_declared(recipe, [function._contract.prototype for function in library])  # noqa: SLF001 - ours
    if not declarations.strip():
        _declare(library, declared_by_source(recipe), callables)
    return library
