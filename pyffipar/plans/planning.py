"""Bound arguments → plan: cut the work, lay out what every chunk gets."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .. import partition
from ..kinds import Kind
from ..language.clauses import LOCATORS
from ..language.clauses import RETURNED as RETURN_CLAUSE
from ..language.parameters import Parameter
from ..system.addresses import CACHE_LINE
from .binding import RETURNED, Bound
from .combine import identity
from .layouts import Layout, lay_out
from .plan import Argument, Merge, Outcome, Plan, PrivateHandle, Result
from .roles import Contract

Array = np.ndarray[Any, np.dtype[Any]]


def make_plan(contract: Contract, bound: Bound, empty: Callable[..., Array] = np.empty) -> Plan:
    """Decide how a bound call is cut, and lay out what every chunk gets.

    Parameters
    ----------
    contract : Contract
    bound : Bound
    empty : callable
        Makes the arrays of results and of partial results.

    Raises
    ------
    ValueError
        When a reduction without identity has no items.
    OverflowError
        When a chunk, or a value that advances, does not fit its C type.
    """
    return _Planner(contract, bound, empty).plan()


class _Planner:
    """One call being planned."""

    def __init__(self, contract: Contract, bound: Bound, empty: Callable[..., Array]) -> None:
        self._contract = contract
        self._empty = empty
        self._prototype = contract.prototype
        self._bound = bound
        self._items = math.prod(bound.loop_shape)
        self._length = bound.sizes[contract.split] if contract.split else 0
        self._grid = self._cut()
        self._merges: list[Merge] = []
        self._results: dict[str, Array] = {}

    def plan(self) -> Plan:
        calls = self._count()
        returned = self._returned()
        # Arrays first: stride parameters take their values from them.
        placed = {
            parameter.name: self._array(parameter)
            for parameter in self._prototype.parameters
            if self._is_array(parameter)
        }
        self._layout = self._lay_out(placed)
        arrays = {name: self._array_argument(self._prototype.by_name[name], array) for name, array in placed.items()}
        arguments = tuple(
            arrays.get(parameter.name) or self._argument(parameter) for parameter in self._prototype.parameters
        )
        return Plan(
            self._contract,
            self._bound.sizes,
            self._bound.loop_shape,
            self._grid,
            calls,
            partition.grain(calls, self._call_bytes()),
            arguments,
            returned,
            tuple(self._handles()),
            Outcome(tuple(self._merges), tuple(self._result(name, array) for name, array in self._results.items())),
            self._bound.alive,
            self._bound.callbacks,
        )

    def _result(self, name: str, array: Array) -> Result:
        """The very array that was passed, or a new one with its axes as asked for."""
        original = self._bound.originals.get(name)
        if original is not None:
            return Result(name, original, given=True)
        return Result(name, self._bound.axes.core_back(name, array), given=False)

    def _count(self) -> int:
        """Foreign calls to make: none where a cut size is 0 and the result is known without asking."""
        if not self._contract.split or self._length:
            return self._items * self._grid.chunks
        reductions = self._prototype.clauses.reductions
        if not all(reduction.is_builtin for reduction in reductions.values()):
            return self._items  # what a function makes of nothing only the foreign function knows
        for name, reduction in reductions.items():
            element = self._prototype.by_name[name].scalar if name else self._prototype.returns
            assert element is not None
            kept = bool(name) and self._prototype.by_name[name].direction == "inout"
            if reduction.operator == "concat" or kept or identity(reduction.operator, element.dtype) is not None:
                continue
            what = f"of {name} " if name else ""
            raise ValueError(
                f"{self._prototype.name}: {reduction} {what}has no value for no items ({self._contract.split} = 0)"
            )
        return 0

    def _cut(self) -> partition.Grid:
        split = self._contract.split
        if split is None:
            return partition.Grid(0, 1, 1)
        reductions = self._prototype.clauses.reductions
        copied = [name for name in reductions if name not in self._contract.joined]
        private = sum(self._core_bytes(self._prototype.by_name[name]) for name in copied if name)
        parameter = self._prototype.by_name[split]
        assert parameter.scalar is not None  # a size is an integer
        grid = partition.cut(
            self._length,
            sum(self._item_bytes(array) for array in self._prototype.parameters),
            self._prototype.clauses.limits,
            # With many items to lift over there is work enough without cutting each of them small; but a merge
            # shows where it was cut, so there the grid is the same for one row as for a million.
            at_least=partition.FEW if reductions else -(-partition.FEW // max(1, self._items)),
            private_bytes=private,
            reduced=bool(reductions),
            cap=parameter.scalar.limits[1],
        )
        if grid.chunk > parameter.scalar.limits[1]:
            raise OverflowError(
                f"{self._prototype.name}: chunks of at least {grid.chunk} items do not fit {parameter.spelled} {split}"
            )
        return grid

    def _core_shape(self, parameter: Parameter) -> tuple[int, ...]:
        sizes = self._bound.sizes
        return tuple(
            extent.length(sizes[extent.size]) if extent.size else extent.offset for extent in parameter.extents
        )

    def _core_bytes(self, parameter: Parameter) -> int:
        if parameter.scalar is None or parameter.kind != "array":
            return 0
        return math.prod(self._core_shape(parameter)) * parameter.scalar.dtype.itemsize

    def _item_bytes(self, parameter: Parameter) -> int:
        """Bytes of one item of the size that is cut."""
        factor = self._factor(parameter)
        if not factor or parameter.scalar is None:
            return 0
        return factor * math.prod(self._core_shape(parameter)[1:]) * parameter.scalar.dtype.itemsize

    def _factor(self, parameter: Parameter) -> int:
        """Elements of the leading dimension per item of the size that is cut; 0 if the array is not cut."""
        if not parameter.extents or self._contract.split is None or parameter.extents[0].size != self._contract.split:
            return 0
        return parameter.extents[0].factor

    def _call_bytes(self) -> int:
        """Bytes one call touches, by the sizes alone."""
        if self._contract.split:
            return self._grid.chunk * sum(self._item_bytes(parameter) for parameter in self._prototype.parameters)
        cores = sum(self._core_bytes(parameter) for parameter in self._prototype.parameters)
        lifted = sum(
            parameter.scalar.dtype.itemsize
            for parameter in self._prototype.parameters
            if parameter.kind == "value" and parameter.scalar is not None and parameter.name in self._bound.arrays
        )
        return cores + lifted + (self._prototype.returns.dtype.itemsize if self._prototype.returns else 0)

    def _returned(self) -> Argument | None:
        """Where the returned values go: one place per call if they are merged, else one per item."""
        element = self._prototype.returns
        clauses = self._prototype.clauses
        if element is None or clauses.status is not None:
            return None
        per_call = (*self._bound.loop_shape, self._grid.chunks)
        if self._contract.joined:
            if self._bound.loop_shape:
                raise ValueError(
                    f"{self._prototype.name}: concat gives results of different lengths, so it is not lifted"
                )
            self._used = np.zeros(per_call, element.dtype)
        if not self._contract.returns_result:
            return Argument(RETURNED, Kind.STORE, element, array=self._used, written=True, per_call=True)
        into = self._bound.arrays.get(RETURNED)
        if into is None:
            into = self._empty(self._bound.loop_shape, element.dtype)
        self._results[RETURNED] = into
        reduction = clauses.reductions.get(RETURN_CLAUSE)
        if reduction is None:
            return Argument(RETURNED, Kind.STORE, element, array=into, written=True)
        partials = self._used if self._contract.joined else self._empty(per_call, element.dtype)
        values = self._lifted(reduction.operands[0]) if reduction.operator in LOCATORS else None
        self._merges.append(
            Merge(RETURNED, reduction, partials, into, keep=False, values=values, operands=self._operands())
        )
        return Argument(RETURNED, Kind.STORE, element, array=partials, written=True, per_call=True)

    def _operands(self) -> dict[str, Any]:
        """Whole values by name, for functions that merge; lifted ones for every item."""
        values = [parameter.name for parameter in self._prototype.parameters if parameter.kind == "value"]
        lifted = {name: self._lifted(name) for name in values if name in self._bound.arrays}
        return {**self._bound.values, **self._bound.sizes, **lifted}

    def _is_array(self, parameter: Parameter) -> bool:
        return parameter.kind == "array" and parameter.name not in self._bound.values  # None was passed: NULL

    def _argument(self, parameter: Parameter) -> Argument:
        """A parameter that is no array."""
        name = parameter.name
        clauses = self._prototype.clauses
        if name == self._contract.split:
            return Argument(name, Kind.LENGTH, parameter.scalar)
        if name in self._bound.sizes:
            return Argument(name, Kind.CONSTANT, parameter.scalar, self._bound.sizes[name])
        if name in self._contract.strides:
            return Argument(
                name, Kind.CONSTANT, parameter.scalar, self._layout.strides.get(name, 1)
            )  # 1: NULL was passed
        if parameter.kind != "value":
            return self._handle(parameter)
        if name in self._bound.arrays:
            array = self._lifted(name)
        else:
            value = self._bound.values.get(name, clauses.fixed.get(name))
            if name not in clauses.carry and name not in clauses.linear:
                return Argument(name, Kind.CONSTANT, parameter.scalar, value)
            assert parameter.scalar is not None  # passed by value
            array = np.broadcast_to(np.asarray(value, parameter.scalar.dtype), self._bound.loop_shape)
        if name in clauses.carry:
            return Argument(name, Kind.CARRY, parameter.scalar, clauses.carry[name], array, read=True)
        if name in clauses.linear:
            self._check_linear(parameter, array, clauses.linear[name])
            return Argument(name, Kind.LINEAR, parameter.scalar, array=array, step=clauses.linear[name], read=True)
        return Argument(name, Kind.LOAD, parameter.scalar, array=array, read=True)

    def _check_linear(self, parameter: Parameter, array: Array, step: Fraction) -> None:
        """The last chunk's value must fit the type as well as the first one's."""
        if parameter.scalar is None or not parameter.scalar.is_integer or not array.size:
            return
        low, high = parameter.scalar.limits
        last_start = (self._grid.chunks - 1) * self._grid.chunk
        advance = int(last_start * step)
        smallest, largest = int(array.min()), int(array.max())
        if smallest + min(advance, 0) < low or largest + max(advance, 0) > high:
            raise OverflowError(
                f"{self._prototype.name}: {parameter.name} advances by {advance} until the last chunk and does not "
                f"fit {parameter.spelled} then"
            )

    def _handle(self, parameter: Parameter) -> Argument:
        """An opaque pointer, or NULL for an array that was left out."""
        name = parameter.name
        value = self._bound.values[name]
        if name not in self._prototype.clauses.private:
            return Argument(name, Kind.CONSTANT, None, value)
        kind = Kind.TASK if name in self._prototype.clauses.reductions else Kind.WORKER
        return Argument(name, kind, None, value)

    def _handles(self) -> list[PrivateHandle]:
        clauses = self._prototype.clauses
        return [
            PrivateHandle(name, self._bound.values[name], private, clauses.reductions.get(name))
            for name, private in clauses.private.items()
        ]

    def _lay_out(self, placed: dict[str, Array]) -> Layout:
        cores = {name: self._core_shape(self._prototype.by_name[name]) for name in placed}
        shared = {name: array for name, array in placed.items() if not self._is_partial(name)}
        return lay_out(self._prototype, cores, shared)

    def _is_partial(self, name: str) -> bool:
        """Whether every call writes a copy of its own."""
        return name in self._prototype.clauses.reductions and name not in self._contract.joined

    def _array_argument(self, parameter: Parameter, array: Array) -> Argument:
        reductions = self._prototype.clauses.reductions
        if self._is_partial(parameter.name):
            return self._partial(parameter, array)
        if parameter.name in self._contract.joined:
            self._merges.append(Merge(parameter.name, reductions[parameter.name], self._used, array, keep=False))
        return self._data(parameter, array)

    def _lifted(self, name: str) -> Array:
        """An array with its loop dimensions broadcast to the call's."""
        array = self._bound.arrays[name]
        core = len(self._prototype.by_name[name].extents)
        shape = (*self._bound.loop_shape, *array.shape[array.ndim - core :])
        return array if array.shape == shape else np.broadcast_to(array, shape)

    def _array(self, parameter: Parameter) -> Array:
        """The caller's array, or a new one for an output."""
        name = parameter.name
        if name in self._bound.arrays:
            array = self._lifted(name)
        else:
            assert parameter.scalar is not None  # arrays have an element type
            array = self._empty((*self._bound.loop_shape, *self._core_shape(parameter)), parameter.scalar.dtype)
        if parameter.direction == "out":
            self._results[name] = array
        return array

    def _partial(self, parameter: Parameter, into: Array) -> Argument:
        """A private copy for every call, on cache lines of its own."""
        assert parameter.scalar is not None  # arrays have an element type
        element = parameter.scalar.dtype
        core = self._core_shape(parameter)
        count = math.prod(core)
        padded = -(-count * element.itemsize // CACHE_LINE) * CACHE_LINE // element.itemsize
        slots = self._empty((*self._bound.loop_shape, self._grid.chunks, padded), element)
        partials = slots[..., :count].reshape(*self._bound.loop_shape, self._grid.chunks, *core)
        reduction = self._prototype.clauses.reductions[parameter.name]
        keep = parameter.direction == "inout"
        self._merges.append(Merge(parameter.name, reduction, partials, into, keep, operands=self._operands()))
        return Argument(
            parameter.name, Kind.ADDRESS, parameter.scalar, array=partials, core_ndim=len(core),
            read=True, written=True, per_call=True,
        )  # fmt: skip

    def _data(self, parameter: Parameter, array: Array) -> Argument:
        """An array handed over in place where the function can walk it, else through a buffer."""
        assert parameter.scalar is not None  # arrays have an element type
        factor = self._factor(parameter)
        return Argument(
            parameter.name,
            Kind.ADDRESS if parameter.name in self._layout.in_place else Kind.BUFFER,
            parameter.scalar,
            array=array,
            core_ndim=len(parameter.extents),
            factor=factor,
            offset=parameter.before + parameter.after + parameter.extents[0].offset if factor else 0,
            lowers=(-parameter.before, *(extent.lower for extent in parameter.extents[1:])) if parameter.boundary
            else tuple(extent.lower for extent in parameter.extents),
            boundary=parameter if parameter.boundary else None,
            read=parameter.direction != "out",
            written=parameter.direction != "in",
        )  # fmt: skip
