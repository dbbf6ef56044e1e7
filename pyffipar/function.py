"""What a user calls: a declared function; how one is made, from a declaration or from pickled data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .carrying import carry_out, is_repeatable, learnt
from .errors import PrototypeError
from .executors import executor
from .executors.repertoire import Repertoire
from .language.prototype import Prototype
from .memory import Call, Memory
from .options import Options, checked, current
from .plans.binding import bind
from .plans.companions import Companions, initialise, needed_symbols
from .plans.describing import OnInstances, describe, signature
from .plans.explaining import explain
from .plans.foreign import Foreign, found_again
from .plans.handles import pointed_to
from .plans.plan import Plan
from .plans.planning import make_plan
from .plans.roles import Contract, analyse
from .preparing import Prepared, Repeated, guard
from .recall import layout_key
from .sources import pickling
from .sources.origins import Origin
from .sources.symbols import Symbol
from .streaming import StandIns, Stream
from .submitting import CallFuture, submit
from .system import nesting
from .timelines import tracing


class Function:
    """A declared foreign function, called like a NumPy ufunc.

    Functions come from `load`, `compile` and `function`; they are not made by hand. They can be pickled where another
    process finds the same library; copies are the function itself.

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

    __signature__ = OnInstances(lambda function: signature(function._contract))  # noqa: SLF001 - its own

    def __init__(self, contract: Contract, symbol: Symbol, companions: Companions, origin: Origin) -> None:
        self._contract = contract
        self._symbol = symbol
        self._companions = companions
        self._origin = origin
        self._foreign = Foreign(contract, symbol, companions, origin)
        self._changes: dict[str, Any] = {}
        self._chosen: tuple[Options | None, Options | None] = (None, None)  # in force of late, and with the changes
        self._memory = Memory(self._foreign)
        self.__name__ = contract.prototype.name
        self.__doc__ = describe(contract, symbol.library)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function on all of its data; see the declaration for what it takes."""
        if tracing.active:
            with tracing.entering():
                return self._call(arguments, keywords, self._options())
        chosen = self._options() if self._changes else current()
        known, repertoire = self._memory.usual
        if known is not chosen or nesting.depth():
            repertoire = self._memory.repertoire(chosen)
        if repertoire is None:
            return self._call(arguments, keywords, chosen)
        result = repertoire.recall(*arguments, **keywords)
        if result is NotImplemented:
            return self._call(arguments, keywords, chosen, repertoire)
        return result if result is not Ellipsis else self._call(arguments, keywords, chosen)

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
        plan, chosen = self._plan(arguments, keywords), self._options()
        if not is_repeatable(chosen, plan):
            return self._prepared(plan, chosen)
        learning = partial(learnt, self._foreign, chosen.thread_count(), plan)
        return Repeated(learning, *self._bound(plan, chosen))

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
        return submit(self._prepared(self._plan(arguments, keywords), self._options()).until, self.__name__)

    def stream(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function on arrays that are larger than memory.

        Stored arrays, which are read by slicing them (zarr's, h5py's, netCDF4's), are read, and given in ``out=``
        written, window by window; the option `window` says how large. The result has the bits of a call on arrays in
        memory.

        Parameters
        ----------
        *arguments, **keywords
            As for a call. Arrays that every chunk sees whole are read whole.

        Returns
        -------
        object
            As of a call; results that are not given in ``out=`` are made in memory.

        Examples
        --------
        >>> import numpy as np, pyffipar as pf
        >>> class Numbers:  # stands for an array in a file
        ...     shape, dtype = (10**7,), np.dtype(float)
        ...     def __getitem__(self, places):
        ...         return np.arange(10.0**7)[places]
        >>> sqrt = pf.load("m", "double sqrt(double x);").sqrt
        >>> sqrt.options(window=1 << 20).stream(Numbers())[-1]
        np.float64(3162.2775020544923)
        """
        stand_ins = StandIns()
        chosen = self._options()
        named = {name: stand_ins.array(value) for name, value in keywords.items()}
        plan = self._plan(stand_ins.array(arguments), named)
        guards = guard(plan)
        run = Stream(plan, stand_ins, executor(chosen.executor), chosen.window)
        threads = chosen.thread_count()
        results = carry_out(self._foreign, chosen, threads, plan, plan.outcome, run)
        del guards
        stand_ins.write_merged(plan)
        return stand_ins.stored(results)

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
        if "unpickle" in changes:
            raise TypeError(f"{self.__name__}: unpickle is an option of the process or of a block, not of a function")
        checked(current(), changes)
        other = object.__new__(Function)
        memory = Memory(self._foreign)
        vars(other).update(vars(self), _changes={**self._changes, **changes}, _chosen=(None, None), _memory=memory)
        return other

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

    def __copy__(self) -> Function:
        return self  # it never changes

    def __deepcopy__(self, memo: object) -> Function:
        return self

    def __reduce__(self) -> tuple[Callable[..., Function], tuple[Any, ...]]:
        what = f"{self.__name__} cannot be pickled:"
        mergers = dict(self._companions.functions)
        for name, merger in mergers.items():
            pickling.check_named(f"{what} {name}, which merges its results,", merger)
        for name, value in self._changes.items():
            pickling.check_option(what, name, value)
        text = self._contract.prototype.whole_text
        origin = self._origin.packed(self.__name__)
        return restore, (pickling.FORMAT, origin, text, self._symbol.name, mergers, dict(self._changes))

    def _options(self) -> Options:
        in_force = current()
        if not self._changes:
            return in_force
        if self._chosen[0] is not in_force:
            self._chosen = (in_force, checked(in_force, self._changes))
        chosen = self._chosen[1]
        assert chosen is not None
        return chosen

    def _plan(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Plan:
        return make_plan(self._contract, bind(self._contract, arguments, keywords))

    def _call(
        self,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        chosen: Options,
        learner: Repertoire | None = None,
    ) -> Any:
        """Make a call, by the template of an earlier one where there is one; `learner` is to know it next time."""
        threads = chosen.thread_count()
        key = layout_key(self._contract, arguments, keywords) if chosen.executor == "native" else None
        call = None if key is None else Call(threads, key, arguments, keywords)
        if call is not None and (repeated := self._memory.repeat(call, chosen)) is not None:
            return repeated[0]
        if "dask.array" in sys.modules:
            from .lazy import arrays as lazy

            if lazy.is_asked(arguments, keywords):
                return lazy.call(self._foreign, self._companions.functions, arguments, keywords)
        bound = bind(self._contract, arguments, keywords)
        plan = make_plan(self._contract, bound)
        guards = guard(plan)
        run = executor(chosen.executor).prepare(plan, self._symbol, threads)
        results = carry_out(self._foreign, chosen, threads, plan, plan.outcome, run)
        del guards
        if call is not None:
            self._memory.learn(call, bound, plan, run, learner)
        return results

    def _prepared(self, plan: Plan, chosen: Options) -> Prepared:
        """A call with everything decided."""
        call = partial(carry_out, self._foreign, chosen, chosen.thread_count(), plan, plan.outcome)
        return Prepared(call, *self._bound(plan, chosen))

    def _bound(self, plan: Plan, chosen: Options) -> tuple[Any, ...]:
        """The function's name, how to ready a plan for its executor, and what has to live as long."""
        lay_out = partial(executor(chosen.executor).prepare, plan, self._symbol, chosen.thread_count())
        return self.__name__, lay_out, guard(plan)


def make_function(
    prototype: Prototype, find: Callable[[str], Symbol], known: Mapping[str, Callable[..., Any]], origin: Origin
) -> Function:
    """Make what a prototype declares, with everything its clauses name.

    Parameters
    ----------
    prototype : Prototype
    find : callable
        Looks up foreign functions by name.
    known : dict
        Functions that may merge results, by name.
    origin : Origin
        How another process finds the same.

    Raises
    ------
    PrototypeError
        If the declaration leaves something open, or a function that merges is not known.
    LibraryError
        If a foreign function is not found.
    """
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
    symbols = {name: find(name) for name in needed_symbols(prototype.clauses)}
    symbol = find(prototype.name)
    companions = Companions(symbols, mergers)
    return Function(contract, pointed_to(symbol) if prototype.is_variable else symbol, companions, origin)


def restore(
    version: object, origin: object, declaration: str, symbol: str, mergers: dict[str, Any], changes: dict[str, Any]
) -> Function:
    """Make a function from what it was pickled as; equal data gives the same function.

    Raises
    ------
    UnpickleError
        If it may not be unpickled here, or the data describes no function.
    LibraryError, CompileError
        If its library cannot be had here; says on which host.
    """
    pickling.check_data(version, declaration, mergers)
    pickling.check_symbol(symbol)
    pickling.check_changes(changes)
    admitted = pickling.admit(origin, declaration)
    return pickling.once(
        lambda: (admitted, declaration, symbol, pickling.frozen(mergers), pickling.frozen(changes)),
        lambda: _restored(admitted, declaration, symbol, mergers).options(**changes),
    )


def _restored(origin: Origin, declaration: str, symbol: str, mergers: dict[str, Any]) -> Function:
    prototype, find, opened = found_again(origin, declaration, symbol, "unpickled")
    function = make_function(prototype, find, mergers, origin.here(opened))
    if init := prototype.clauses.init:
        initialise(find(init))
    return function
