"""The dask arrays of a lazy call: what stands in for them, what is refused, how their chunks lie in a view."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from ..language.clauses import LOCATORS
from ..language.parameters import Parameter
from ..plans.binding import RETURNED, Bound
from ..plans.boundaries import places
from ..plans.plan import Argument, Merge, Plan
from ..plans.roles import Contract
from ..streaming import Region, StandIns

Array = np.ndarray[Any, np.dtype[Any]]


def dask_array() -> Any:
    """The module of dask's arrays; it has been imported by whoever has a dask array."""
    import dask.array

    return dask.array


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """Values, and those in tuples among them."""
    for value in values:
        yield from value if isinstance(value, tuple) else (value,)


def is_dask(value: object) -> bool:
    """Whether something is a dask array."""
    return isinstance(value, dask_array().Array)


def _refuse(contract: Contract, what: str) -> NoReturn:
    raise TypeError(f"{contract.prototype.name}: {what}")


def check_known(contract: Contract, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    """Refuse dask arrays where the value must be known when the call is planned."""
    passed = {parameter.name: value for parameter, value in zip(contract.arguments, arguments, strict=False)}
    for name, value in {**passed, **keywords}.items():
        parameter = contract.prototype.by_name.get(name)
        if not is_dask(value) or parameter is None or parameter.kind == "array":
            continue
        if value.ndim == 0 or parameter.kind == "handle" or name in contract.sizes:
            _refuse(contract, f"{name} is a dask array, but its value is wanted at once: give {name}.compute()")
        if name in contract.prototype.clauses.linear:
            _refuse(contract, f"{name} advances ({name} is linear), so it is wanted at once: give {name}.compute()")


def check_results(contract: Contract, bound: Bound) -> None:
    """Refuse to write into arrays of the caller's, who would look at them too early."""
    given = ", ".join("out" if name == RETURNED else name for name in sorted(bound.given))
    if given:
        _refuse(
            contract,
            f"{given} would be written into, but a call on dask arrays makes its results later: leave out= away; for "
            "a function that works in place compute() the dask arrays first",
        )
    if not contract.outputs and not contract.returns_result:
        _refuse(contract, "has no result, so a call on dask arrays would never be made: compute() them first")


def check_merges(plan: Plan, stand_ins: DaskStandIns) -> None:
    """Refuse lifted numbers that only merging looks at: they are not there where merging is planned."""
    for merge in plan.outcome.merges:
        for name in operands_of(merge):
            if isinstance(merge.operands, Mapping) and stand_ins.holds(merge.operands[name]):
                _refuse(plan.contract, f"{name} takes part in merging, so it is no dask array: give {name}.compute()")


def operands_of(merge: Merge) -> list[str]:
    """Names of the values that a merging function takes."""
    if merge.operands is None or merge.reduction.is_builtin or merge.reduction.operator in LOCATORS:
        return []
    return [name for name in merge.reduction.operands if name in merge.operands]


class DaskStandIns(StandIns):
    """Memory in place of dask arrays."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def arrays(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """What stands in for each of several."""
        return tuple(self.array(value) for value in values)

    def array(self, value: Any) -> Any:
        """What stands in for a dask array, for each of several in a tuple; anything else is given back."""
        if isinstance(value, tuple):
            return self.arrays(value)
        if not is_dask(value):
            return value
        if any(np.isnan(extent) for extent in value.shape):
            raise ValueError(
                f"{self._name}: a dask array of shape {value.shape} has chunks of unknown size, so the call cannot be "
                "cut: call its compute_chunk_sizes() first"
            )
        if not isinstance(value._meta, np.ndarray) or value.dtype.hasobject:  # noqa: SLF001 - dask's own word for it
            kind = type(value._meta).__name__  # noqa: SLF001
            raise TypeError(
                f"{self._name}: blocks of a dask array are {kind}s of {value.dtype}; C takes NumPy's numbers"
            )
        return self.stand_in(value)

    def holds(self, value: Any) -> bool:
        """Whether a value is only stood in for."""
        return isinstance(value, np.ndarray) and value.size > 0 and self.region(value) is not None


def overlapping(chunks: tuple[int, ...], place: slice) -> Iterator[tuple[int, slice, slice]]:
    """Blocks along a dimension that hold part of a place: number, which part of the block, and of the place."""
    begin = 0
    for number, length in enumerate(chunks):
        first, last = max(begin, place.start), min(begin + length, place.stop)
        if first < last:
            yield number, slice(first - begin, last - begin), slice(first - place.start, last - place.start)
        begin += length


def chunk_borders(region: Region, view: Array) -> Iterator[tuple[int, list[int]]]:
    """For every dimension of a view that shows a dimension of a dask array, where that one's chunks begin and end."""
    wide = [d for d, (step, extent) in enumerate(zip(view.strides, view.shape, strict=True)) if step and extent > 1]
    for dimension, shown in zip(wide, region.shown, strict=True):
        first, last = region.places[shown].start, region.places[shown].stop
        ends = itertools.accumulate(region.stored.chunks[shown])
        yield dimension, [end - first for end in ends if first < end < last]


def padded_plan(plan: Plan, stand_ins: DaskStandIns) -> Plan:
    """The plan with what stands beyond the ends of dask arrays put there, a few elements, as dask arrays."""
    return replace(plan, arguments=tuple(_with_ends(plan, argument, stand_ins) for argument in plan.arguments))


def _with_ends(plan: Plan, argument: Argument, stand_ins: DaskStandIns) -> Argument:
    array = argument.array
    region = stand_ins.region(array) if argument.boundary and array is not None and array.size else None
    if region is None:
        return argument
    assert array is not None
    assert argument.boundary is not None
    axis, before = len(plan.loop_shape), argument.boundary.before
    stop = argument.factor * plan.grid.length + argument.offset - before
    padded = _ends_added(_shown(region, array), axis, argument.boundary, -before, stop)
    core = padded.shape[axis:]
    view = np.broadcast_to(stand_ins.stand_in(padded), (*plan.loop_shape, *core))
    return replace(argument, array=view, boundary=None)


def _shown(region: Region, view: Array) -> Any:
    """A region as a dask array with the dimensions of its view; those of stride 0 have an extent of 1."""
    hidden = [dimension for dimension in range(len(region.places)) if dimension not in region.shown]
    part = region.stored[region.places].transpose(*region.shown, *hidden)
    part = part[(*(slice(None) for _ in region.shown), *(0 for _ in hidden))]
    wide = [step and extent > 1 for step, extent in zip(view.strides, view.shape, strict=True)]
    return part[tuple(slice(None) if shown else np.newaxis for shown in wide)]


def _ends_added(array: Any, axis: int, parameter: Parameter, first: int, stop: int) -> Any:
    """A dask array from `first` to `stop` along an axis, with what a boundary clause makes up beyond the ends."""
    da = dask_array()
    boundary, extent = parameter.boundary, array.shape[axis]
    assert boundary is not None
    parts = []
    for low, high in ((first, min(stop, 0)), (max(first, 0), min(stop, extent)), (max(first, extent), stop)):
        if low >= high:
            continue
        chosen = places(boundary.mode, low, high, extent)
        if low >= 0 and high <= extent:
            part = array[(*(slice(None) for _ in range(axis)), slice(low, high))]
        elif boundary.mode == "constant":
            shape = (*array.shape[:axis], high - low, *array.shape[axis + 1 :])
            part = da.full(shape, boundary.value, dtype=array.dtype)
        else:
            part = da.take(array, chosen, axis)
        parts.append(part)
    return da.concatenate(parts, axis)
