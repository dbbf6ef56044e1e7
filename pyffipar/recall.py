"""Calls like an earlier one: same dtypes, shapes and strides, other addresses and numbers; nothing is planned again.

Binding and planning cost some 50 us, mostly in checks whose outcome depends on the layout of the arguments alone. A
template keeps that outcome; a later call of the same layout only fills in addresses and numbers. Whatever a template
cannot repeat takes the long way. The native library does by itself what `Template.repeat` does, in a tenth of the time,
where it is told of the template.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .executors import Run, native
from .executors.repertoire import Known, ResultLayout
from .kinds import Kind
from .language.clauses import Reduction
from .plans.adoption import adopt_scalar
from .plans.axes import NO_AXES
from .plans.binding import Bound
from .plans.foreign import Foreign
from .plans.merging import finish, folder, has_copies, is_fold, start
from .plans.plan import Outcome, Plan, Result
from .plans.roles import Contract
from .system.addresses import address_of
from .system.mappings import is_large
from .system.overlaps import hold, reach

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[Any, ...]
CarryOut = Callable[[Plan, Outcome, Callable[[Run], None]], Any]
Finish = Callable[[tuple[Array, ...]], Any] | Array

_REPEATABLE = frozenset((Kind.CONSTANT, Kind.LENGTH, Kind.LOAD, Kind.ADDRESS, Kind.BUFFER))


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
    if kind is np.float64:
        return float  # it is one, and what reductions return
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
            ResultLayout(r.name, r.array.shape, r.array.dtype, r.given) for r in plan.outcome.results
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
        if plan.contract.joined:
            return False
        arrays = (argument.array for argument in plan.arguments)
        if any(array is not None and is_large(array) for array in arrays):
            return False  # its pages may be a file's, which a watch over the very array lets go of
        return all(argument.kind in _REPEATABLE for argument in plan.arguments)

    def repeat(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any], carry_out: CarryOut) -> tuple[Any] | None:
        """The results of a call of the same layout, in a tuple; None if it has to take the long way."""
        given = self._by_name(arguments, keywords)
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

    def known(
        self, foreign: Foreign, threads: int, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Known | None:
        """The call that this was made from, of plain numbers and arrays, as the native library may repeat it.

        None if it is none that it can. From then on the template is the library's: nothing here may `repeat` it.
        """
        given = self._by_name(arguments, keywords)
        if not isinstance(self._job, native.Job) or not self._job.is_plain or not self._takes(given):
            return None
        self._learn(given)
        names = self._arrays or ()
        results, finish_by = self._ending(foreign.companions.functions)
        return Known(
            job=self._job,
            arguments=tuple(given.items()),
            keywords=tuple(keywords),
            shared=self._shared,
            constants=frozenset(self._constants),
            results=results,
            apart=tuple((names[one], names[other], first, last) for one, other, first, last in self._apart),
            begin=partial(start, self._plan) if has_copies(self._plan) else None,
            take_up=lambda status: self._take_up(status, foreign, threads),
            finish=finish_by,
        )

    def _ending(self, functions: Mapping[str, Callable[..., Any]]) -> tuple[tuple[ResultLayout, ...], Finish | None]:
        """Which arrays calls write or make, and what is made of these at the end."""
        merges = self._plan.outcome.merges
        values = [not (result.given or result.shape) for result in self._results]
        if not any(values) and not merges:
            return self._results, None
        if values == [True] and not merges:
            return self._results, _value_of
        if values == [True] and len(merges) == 1 and is_fold(merges[0]):
            return (), folder(self._plan, merges[0])
        return self._results, lambda arrays: finish(self._plan, self._outcome(arrays), functions)

    def _takes(self, given: Mapping[str, Any]) -> bool:
        """Whether all numbers are sizes, or go where the native library can put them: into real ones."""
        arrays = {name for name, value in given.items() if isinstance(value, np.ndarray)}
        real = {name for name, scalar in self._constants.items() if scalar.dtype.kind in "iuf"}
        is_number_by_array = not arrays.isdisjoint(self._constants)  # one without dimensions, passed by value
        return not is_number_by_array and given.keys() - arrays <= real | set(self._plan.contract.sizes)

    def _by_name(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """What was given, by parameters, in that order."""
        given = dict(zip(self._names, arguments, strict=False))
        for name, value in keywords.items():
            given[self._results[0].name if name == "out" else name] = value  # a single array, says the key
        return given

    def _take_up(self, status: int, foreign: Foreign, threads: int) -> None:
        assert isinstance(self._job, native.Job)
        self._job.take_up(status, foreign.symbol, threads, foreign.describe)

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
        arrays = []
        for name, shape, dtype, is_given in self._results:
            if is_given:
                array = given[name]
            else:
                array = np.empty(shape, dtype)
                addresses[name] = address_of(array)
            arrays.append(array)
        for name in self._shared:
            self._job.rebase(name, addresses[name])
        for name, scalar in self._constants.items():
            if name in given:
                self._job.set_constant(name, adopt_scalar(self._where + name, scalar, given[name]))
        return self._outcome(tuple(arrays))

    def _outcome(self, arrays: tuple[Array, ...]) -> Outcome:
        """Where results are: in these arrays, in their order; partial results are merged into some of them."""
        results = {
            new.name: Result(new.name, array, new.given) for new, array in zip(self._results, arrays, strict=True)
        }
        merges = self._plan.outcome.merges
        into = tuple([merge._replace(into=results[merge.name].array) for merge in merges])
        return Outcome(into, tuple(results.values()))


def _value_of(arrays: tuple[Array, ...]) -> Any:
    """A single result without dimensions, as a scalar."""
    return arrays[0][()]


def _is_plain(reduction: Reduction) -> bool:
    """Whether it takes partial results and nothing else of the call."""
    return reduction.is_builtin or reduction.operands == ("_",)


def _without_arrays(plan: Plan) -> Plan:
    """The plan less the arrays of the call it was made for: a template must not keep them alive."""
    nothing = np.empty(0)
    arguments = tuple(argument if argument.per_call else argument.without_memory() for argument in plan.arguments)
    returned = plan.returned
    if returned is not None and not returned.per_call:
        returned = returned.without_memory()
    merges = tuple(merge._replace(into=nothing, operands=None) for merge in plan.outcome.merges)
    return replace(plan, arguments=arguments, returned=returned, outcome=Outcome(merges, ()))
