"""The other foreign functions a declaration names: what merges, makes and ends handles, describes a status, sets up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import PyffiparError, shown
from ..language.clauses import Clauses, ForeignCall
from ..sources.symbols import Symbol
from ..system import forking
from .handles import call_for_handle, call_once, call_with_handle, describe
from .plan import Plan, PrivateHandle

Array = np.ndarray[Any, np.dtype[Any]]

_initialised: set[tuple[str, str]] = set()
_lock = forking.Lock()


def check_callables(callables: object) -> None:
    """Refuse what are no merging functions by name.

    Raises
    ------
    TypeError
    """
    if callables is None:
        return
    if not isinstance(callables, Mapping):
        raise TypeError(f"callables is {shown(callables)}; a dict of functions by name is wanted")
    for name, function in callables.items():
        if not isinstance(name, str) or not callable(function):
            raise TypeError(f"callables[{name!r}] is {shown(function)}; a name and a function that merges are wanted")


@dataclass(frozen=True, slots=True)
class Companions:
    """What a declared function needs besides itself.

    Attributes
    ----------
    symbols : dict
        Foreign functions with a fixed signature, by name.
    functions : dict
        Merging functions by name: declared foreign functions or Python callables.
    """

    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def describe(self, name: str | None, code: int) -> str:
        """The text of a status, or an empty one."""
        return describe(self.symbols[name], code) if name else ""

    @contextmanager
    def private_handles(self, plan: Plan, threads: int) -> Iterator[dict[str, Array]]:
        """Make the copies of every private handle, and end them whatever happens.

        Yields
        ------
        dict
            Addresses by parameter name: one for every worker, or for every task where copies merge.
        """
        made: dict[str, Array] = {}
        try:
            for handle in plan.handles:
                count = plan.tasks if handle.reduction else min(threads, max(1, plan.tasks))
                made[handle.name] = np.zeros(count, np.uintp)
                for place in range(count):
                    made[handle.name][place] = self._clone(plan, handle)
            yield made
        finally:
            for handle in plan.handles:
                self._free(handle, made.get(handle.name))

    def merge_handles(self, plan: Plan, made: Mapping[str, Array]) -> None:
        """Merge the copies into the originals, first task first."""
        for handle in plan.handles:
            if handle.reduction is None:
                continue
            for copy in made[handle.name].tolist():
                partials = iter((handle.original, copy))
                operands = (next(partials) if name == "_" else plan.sizes[name] for name in handle.reduction.operands)
                self.functions[handle.reduction.operator](*operands)

    def _clone(self, plan: Plan, handle: PrivateHandle) -> int:
        address = self._call(handle.private.clone, handle.original)
        if not address:
            name = plan.contract.prototype.name
            raise PyffiparError(f"{name}: {handle.private.clone.name} returned NULL instead of a copy of {handle.name}")
        if handle.private.reset:
            call_with_handle(self.symbols[handle.private.reset], address)
        return address

    def _call(self, call: ForeignCall, original: int) -> int:
        arguments = [
            original
            if argument == "_"
            else self._call(argument, original)
            if isinstance(argument, ForeignCall)
            else argument
            for argument in call.arguments
        ]
        return call_for_handle(self.symbols[call.name], [int(argument) for argument in arguments])

    def _free(self, handle: PrivateHandle, copies: Array | None) -> None:
        if copies is None or handle.private.free is None:
            return
        for address in copies.tolist():
            if address:
                call_with_handle(self.symbols[handle.private.free], address)


def needed_symbols(clauses: Clauses) -> set[str]:
    """Foreign functions with a fixed signature that clauses name."""
    names = {clauses.init, clauses.status.describe if clauses.status else None}
    for private in clauses.private.values():
        names |= {private.free, private.reset, *_called(private.clone)}
    return {name for name in names if name}


def _called(call: ForeignCall) -> Iterator[str]:
    yield call.name
    for argument in call.arguments:
        if isinstance(argument, ForeignCall):
            yield from _called(argument)


def initialise(symbol: Symbol) -> None:
    """Call a library's set-up function, once in the life of the process."""
    key = (symbol.library, symbol.name)
    with _lock:
        if key not in _initialised:
            call_once(symbol)
            _initialised.add(key)
