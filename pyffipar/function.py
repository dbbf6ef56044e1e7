"""What a user holds: libraries and declared functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .binding import bind
from .companions import Companions, initialise, needed_symbols
from .compiling import compile_source
from .errors import PrototypeError
from .executors import Run, executor
from .explaining import explain
from .handles import pointed_to
from .merging import finish, start
from .names import TypeNames
from .options import Options, checked, current
from .plan import Plan
from .planning import make_plan
from .prototype import Prototype, read_prototypes
from .roles import Contract, analyse
from .submitting import CallFuture, submit
from .symbols import LibrarySource, OpenLibrary, Symbol, open_library
from .watching import Watch


class Function:
    """A declared foreign function, called like a NumPy ufunc.

    Functions come from `load` and `compile`; they are not made by hand.

    Attributes
    ----------
    __name__ : str
        The symbol's name.
    library : str
        Absolute path of the library it came from.
    declaration : str
        Its prototype and clauses, as written.

    Examples
    --------
    >>> import numpy as np, pyffipar as pf
    >>> hypot = pf.load("m", "double hypot(double x, double y);").hypot
    >>> hypot([3.0, 5.0], [4.0, 12.0])
    array([ 5., 13.])
    """

    def __init__(
        self, contract: Contract, symbol: Symbol, companions: Companions, changes: dict[str, Any] | None = None
    ) -> None:
        self._contract = contract
        self._symbol = symbol
        self._companions = companions
        self._changes = dict(changes or {})
        self.__name__ = contract.prototype.name
        self.__doc__ = f"{contract.prototype.text}\n\nFrom {symbol.library}."

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function on all of its data; see the declaration for what it takes."""
        return self._prepared(arguments, keywords)(None)

    def prepare(self, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        """Bind arguments once, to call again and again on the same arrays.

        Parameters
        ----------
        *arguments, **keywords
            As for a call. Changed contents of the arrays are seen by the next call; results are written into the
            same arrays every time.

        Returns
        -------
        callable
            Without arguments; does and returns what the call would.

        Examples
        --------
        >>> import numpy as np, pyffipar as pf
        >>> x = np.array([1.0, 4.0])
        >>> again = pf.load("m", "double sqrt(double x);").sqrt.prepare(x)
        >>> x[0] = 9.0
        >>> again()
        array([3., 2.])
        """
        prepared = self._prepared(arguments, keywords)
        return lambda: prepared(None)

    def submit(self, *arguments: Any, **keywords: Any) -> CallFuture:
        """Start a call and go on; arguments are checked before this returns, and held until the call has ended.

        Parameters
        ----------
        *arguments, **keywords
            As for a call.

        Returns
        -------
        CallFuture
            A `concurrent.futures.Future` that can also be awaited. Its ``cancel()`` ends a call that runs: chunks
            not begun are dropped, and ``result()`` raises when the last one that runs has ended.

        Examples
        --------
        >>> import pyffipar as pf
        >>> future = pf.load("m", "double exp(double x);").exp.submit([0.0])
        >>> future.result()
        array([1.])
        """
        return submit(self._prepared(arguments, keywords), self.__name__)

    def explain(self, *arguments: Any, **keywords: Any) -> None:
        """Print what a call with these arguments would do: roles, sizes, grid, merge, copies, executor.

        Parameters
        ----------
        *arguments, **keywords
            As for a call. Nothing is called.

        Examples
        --------
        >>> import numpy as np, pyffipar as pf
        >>> pf.load("m", "double exp(double x);").exp.options(threads=1).explain(np.zeros(1000))
        double exp(double x);
          double x  lifted  passed by value: arrays are broadcast over it
        sizes: none
        lifted: over (1000,), 1000 items
        cut: never; 1000 calls in 63 tasks of 16
        merge: nothing to merge
        copies: 0 bytes
        executor: native, at most 1 threads
        """
        print(explain(self._plan(arguments, keywords), self._options()))  # noqa: T201 - what it is for

    def options(self, **changes: Any) -> Function:
        """A copy of the function that is called with other options than those in force.

        Parameters
        ----------
        **changes
            The fields of `Options`.

        Examples
        --------
        >>> import pyffipar as pf
        >>> exp = pf.load("m", "double exp(double x);").exp
        >>> print(exp.options(executor="serial", threads=1)(0.0))
        1.0
        """
        checked(current(), changes)
        return Function(self._contract, self._symbol, self._companions, {**self._changes, **changes})

    @property
    def library(self) -> str:
        """Absolute path of the library the function came from."""
        return self._symbol.library

    @property
    def declaration(self) -> str:
        """The prototype and clauses, as written."""
        return self._contract.prototype.text

    def __repr__(self) -> str:
        return f"<{' '.join(self.declaration.split())} from {self.library}>"

    def _options(self) -> Options:
        return checked(current(), self._changes) if self._changes else current()

    def _plan(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Plan:
        return make_plan(self._contract, bind(self._contract, arguments, keywords))

    def _prepared(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Callable[[threading.Event | None], Any]:
        """A call with everything decided; given an event, it ends early when that is set."""
        plan = self._plan(arguments, keywords)
        chosen = self._options()
        threads = chosen.thread_count()
        carry_out = executor(chosen.executor).prepare(plan, self._symbol, threads)

        def call(stop: threading.Event | None = None) -> Any:
            start(plan)
            with (
                Watch(plan, chosen.timeout, chosen.progress, stop) as watch,
                self._companions.private_handles(plan, threads) as handles,
            ):
                carry_out(Run(plan, self._symbol, threads, handles, self._describe, watch))
                self._companions.merge_handles(plan, handles)
                return finish(plan, self._companions.functions)

        return call

    def _describe(self, code: int) -> str:
        """The library's own words for a status."""
        status = self._contract.prototype.clauses.status
        return self._companions.describe(status.describe if status else None, code)


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
