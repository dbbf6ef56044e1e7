"""Calls like an earlier one: same dtypes, shapes and strides, other addresses and numbers; nothing is planned again.

Binding and planning cost some 50 us, mostly in checks whose outcome depends on the layout of the arguments alone. A
template keeps that outcome; a later call of the same layout only fills in addresses and numbers. Whatever a template
cannot repeat takes the long way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from .executors import Run
from .kinds import Kind
from .language.clauses import Reduction
from .plans.adoption import adopt_scalar
from .plans.axes import NO_AXES
from .plans.binding import Bound
from .plans.plan import Outcome, Plan, Result
from .plans.roles import Contract
from .system.addresses import address_of
from .system.mappings import is_large
from .system.overlaps import hold, reach

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[Any, ...]
CarryOut = Callable[[Plan, Outcome, Callable[[Run], None]], Any]

_REPEATABLE = frozenset((Kind.CONSTANT, Kind.LENGTH, Kind.LOAD, Kind.ADDRESS, Kind.BUFFER))
MOST_TEMPLATES = 32  # per function; a program that calls with more layouts than that spends its time in the function


@runtime_checkable
class Rebasable(Protocol):
    """A plan laid out for an executor, whose addresses and constants can be changed between runs."""

    def rebase(self, name: str, address: int) -> None:
        """Let an argument, or the returned value, lie at another address, in the same layout."""

    def set_constant(self, name: str, value: Any) -> None:
        """Give an argument that is passed by value another value."""

    def forget(self, plan: Plan) -> None:
        """Go on with a plan that is the same but for its arrays."""

    def __call__(self, run: Run) -> None:
        """Make the calls."""


def layout_key(contract: Contract, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Key | None:
    """What two calls must have in common for one template; None for a call that takes the long way."""
    if len(arguments) > len(contract.arguments):
        return None
    key: list[Any] = []
    for value, parameter in zip(arguments, contract.arguments, strict=False):
        if type(value) is np.ndarray:
            key += (value.dtype, value.shape, value.strides, value.flags.num)
        elif (number := _number(contract, parameter.name, value)) is not None:
            key.append(number)
        else:
            return None
    for name, value in keywords.items():
        if type(value) is np.ndarray:
            key += (name, value.dtype, value.shape, value.strides, value.flags.num)
        elif (number := _number(contract, name, value)) is not None:
            key += (name, number)
        else:
            return None
    return tuple(key)


def _number(contract: Contract, name: str, value: Any) -> Any:
    """What a plan depends on of an argument that is a plain number: its type, and its value if it is a size."""
    kind = type(value)
    if kind is int and name in contract.sizes:
        return value
    return kind if kind is float or kind is int else None


class Template:
    """One call's checks, plan and layout for the executor, to be repeated on other data.

    Parameters
    ----------
    plan : Plan
        Of the call it is made from; it has to `fit`.
    job : Rebasable
        The plan laid out for the executor.
    """

    def __init__(self, plan: Plan, job: Rebasable) -> None:
        contract = plan.contract
        self._job = job
        self._lock = threading.Lock()  # private copies are the template's own: one call at a time
        self._where = f"{contract.prototype.name}: "
        self._names = tuple(parameter.name for parameter in contract.arguments)
        self._constants = {
            argument.name: argument.scalar
            for argument in plan.arguments
            if argument.kind is Kind.CONSTANT and argument.scalar is not None and argument.name not in contract.sizes
        }
        arguments = (*plan.arguments, *([plan.returned] if plan.returned else []))
        self._shared = frozenset(a.name for a in arguments if a.array is not None and not a.per_call)
        self._results = tuple(
            _New(r.name, r.array.shape, r.array.dtype, r.given) for r in plan.outcome.results
        )  # fmt: skip
        self._written = [r.name for r in self._results if r.given]
        self._written += [a.name for a in plan.arguments if a.written and a.read and not a.per_call]
        self._arrays: tuple[str, ...] | None = None  # names of the arguments that are arrays, once they are known
        # Arrays by number, one of them written, and between which distances the other overlaps it, in bytes.
        self._apart: tuple[tuple[int, int, int, int], ...] = ()
        self._plan = _without_arrays(plan)
        job.forget(self._plan)

    @staticmethod
    def fits(plan: Plan, bound: Bound) -> bool:
        """Whether a template can repeat this plan: its arrays are the caller's own, or new ones."""
        if bound.axes is not NO_AXES or plan.handles or plan.callbacks or plan.alive or not plan.calls:
            return False
        merges = plan.outcome.merges
        if any(merge.values is not None or merge.keep or not _is_plain(merge.reduction) for merge in merges):
            return False
        clauses = plan.contract.prototype.clauses
        if plan.contract.joined or clauses.default or clauses.fixed:
            return False
        arrays = (argument.array for argument in plan.arguments)
        if any(array is not None and is_large(array) for array in arrays):
            return False  # its pages may be a file's, which a watch over the very array lets go of
        return all(argument.kind in _REPEATABLE for argument in plan.arguments)

    def repeat(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any], carry_out: CarryOut) -> tuple[Any] | None:
        """The results of a call of the same layout, in a tuple; None if it has to take the long way."""
        given = dict(zip(self._names, arguments, strict=False))
        given.update(keywords)
        if "out" in given:  # a single array, says the key
            given[self._results[0].name] = given.pop("out")
        if self._arrays is None:
            self._learn(given)
        names = self._arrays or ()
        arrays = [given[name] for name in names]
        places = [address_of(array) for array in arrays]
        for one, other, first, last in self._apart:
            if first < places[other] - places[one] < last:
                return None  # the long way knows what to do
        if not self._lock.acquire(blocking=False):
            return None
        guards = hold(arrays)
        try:
            return (carry_out(self._plan, self._fill(given, dict(zip(names, places, strict=True))), self._job),)
        finally:
            del guards
            self._lock.release()

    def _learn(self, given: Mapping[str, Any]) -> None:
        """See which arguments are arrays, and which must not share memory: the same for all calls of a layout."""
        arrays = {name: value for name, value in given.items() if type(value) is np.ndarray}
        reaches = {name: reach(array) for name, array in arrays.items()}
        names = tuple(arrays)
        apart = []
        for name in self._written:
            below, above = reaches[name]
            for number, other in enumerate(names):
                if other != name:
                    first, last = reaches[other]
                    apart.append((names.index(name), number, below - last, above - first))
        self._apart = tuple(apart)
        self._arrays = names  # last: another thread takes this for all that there is to learn

    def _fill(self, given: dict[str, Any], addresses: dict[str, int]) -> Outcome:
        """Give the job this call's arrays and numbers, and say where its results will be."""
        results = []
        for name, shape, dtype, is_given in self._results:
            if is_given:
                array = given[name]
            else:
                given[name] = array = np.empty(shape, dtype)
                addresses[name] = address_of(array)
            results.append(Result(name, array, is_given))
        for name in self._shared:
            self._job.rebase(name, addresses[name])
        for name, scalar in self._constants.items():
            if name in given:
                self._job.set_constant(name, adopt_scalar(self._where + name, scalar, given[name]))
        merges = self._plan.outcome.merges
        return Outcome(tuple([merge._replace(into=given[merge.name]) for merge in merges]), tuple(results))


def _is_plain(reduction: Reduction) -> bool:
    """Whether it takes partial results and nothing else of the call."""
    return reduction.is_builtin or reduction.operands == ("_",)


class _New(NamedTuple):
    """What a result of every call looks like."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    given: bool


def _without_arrays(plan: Plan) -> Plan:
    """The plan less the arrays of the call it was made for: a template must not keep them alive."""
    nothing = np.empty(0)
    arguments = tuple(argument if argument.per_call else argument.without_memory() for argument in plan.arguments)
    returned = plan.returned
    if returned is not None and not returned.per_call:
        returned = returned.without_memory()
    merges = tuple(merge._replace(into=nothing, operands=None) for merge in plan.outcome.merges)
    return replace(plan, arguments=arguments, returned=returned, outcome=Outcome(merges, ()))
