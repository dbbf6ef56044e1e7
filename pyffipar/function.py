"""What a user calls: a declared function."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .binding import bind
from .companions import Companions
from .executors import Run, executor
from .explaining import explain
from .merging import finish, start
from .options import Options, checked, current
from .plan import Outcome, Plan
from .planning import make_plan
from .preparing import Prepared, guard
from .recall import MOST_TEMPLATES, Key, Rebasable, Template, layout_key
from .roles import Contract
from .submitting import CallFuture, submit
from .symbols import Symbol
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
        self._templates: dict[Key, Template] = {}
        self.__name__ = contract.prototype.name
        self.__doc__ = f"{contract.prototype.text}\n\nFrom {symbol.library}."

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function on all of its data; see the declaration for what it takes."""
        return self._call(arguments, keywords, self._options())

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
        return self._prepared(arguments, keywords)

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

    def _call(self, arguments: tuple[Any, ...], keywords: dict[str, Any], chosen: Options) -> Any:
        """Make a call, by the template of an earlier one where there is one."""
        threads = chosen.thread_count()
        key = layout_key(self._contract, arguments, keywords) if chosen.executor == "native" else None
        if key is not None:
            key = (threads, *key)
            known = self._templates.get(key)
            if known is not None:
                repeated = known.repeat(arguments, keywords, partial(self._carry_out, chosen=chosen, threads=threads))
                if repeated is not None:
                    return repeated[0]
        bound = bind(self._contract, arguments, keywords)
        plan = make_plan(self._contract, bound)
        guards = guard(plan)
        carry_out: Any = executor(chosen.executor).prepare(plan, self._symbol, threads)
        results = self._carry_out(plan, plan.outcome, carry_out, chosen, threads)
        del guards
        if key is not None and isinstance(carry_out, Rebasable) and Template.fits(plan, bound):
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            self._templates[key] = Template(plan, carry_out)
        return results

    def _prepared(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Prepared:
        """A call with everything decided."""
        plan = self._plan(arguments, keywords)
        chosen = self._options()
        threads = chosen.thread_count()
        lay_out = partial(executor(chosen.executor).prepare, plan, self._symbol, threads)

        def carry_out(run: Callable[[Run], None], stop: threading.Event | None) -> Any:
            return self._carry_out(plan, plan.outcome, run, chosen, threads, stop)

        return Prepared(self.__name__, lay_out, carry_out, guard(plan))

    def _carry_out(
        self,
        plan: Plan,
        outcome: Outcome,
        run: Callable[[Run], None],
        chosen: Options,
        threads: int,
        stop: threading.Event | None = None,
    ) -> Any:
        """Make the calls of a plan, and merge."""
        start(plan)
        with (
            Watch(plan, chosen.timeout, chosen.progress, stop) as watch,
            self._companions.private_handles(plan, threads) as handles,
        ):
            run(Run(plan, self._symbol, threads, handles, self._describe, watch))
            self._companions.merge_handles(plan, handles)
            return finish(plan, outcome, self._companions.functions)

    def _describe(self, code: int) -> str:
        """The library's own words for a status."""
        status = self._contract.prototype.clauses.status
        return self._companions.describe(status.describe if status else None, code)
