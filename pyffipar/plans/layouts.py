"""Which arrays a function can walk where they lie, and the values of its stride parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..language.parameters import Parameter
from ..language.prototype import Prototype

Array = np.ndarray[Any, np.dtype[Any]]
Strides = dict[str, int]  # values, in elements, by stride parameter


@dataclass(frozen=True, slots=True)
class Layout:
    """How the arrays of one call are handed over.

    Attributes
    ----------
    in_place : frozenset of str
        Arrays the function walks where they lie; all others pass through a contiguous buffer, chunk by chunk.
    strides : dict
        Values of the stride parameters, in elements.
    """

    in_place: frozenset[str]
    strides: Mapping[str, int]


def lay_out(prototype: Prototype, cores: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]) -> Layout:
    """Decide for every array whether the function can walk it, so that arrays that share a stride agree on it.

    Parameters
    ----------
    prototype : Prototype
    cores : dict
        Core shape of every array that is handed over.
    arrays : dict
        Those that may be handed over in place, loop dimensions first.

    Raises
    ------
    ValueError
        Where two arrays share a stride parameter and no value suits both.
    OverflowError
        Where a stride does not fit its parameter.
    """
    dense = {name: _dense(prototype.by_name[name], core) for name, core in cores.items()}
    walked = {name: _walked(prototype, prototype.by_name[name], array) for name, array in arrays.items()}
    wanted = {name: walk for name, walk in walked.items() if walk is not None}
    if not any(dense.values()):
        return Layout(frozenset(wanted), {})
    while conflicts := _conflicts({**dense, **wanted}):
        # All that share the stride get the one of contiguous elements.
        moved = [name for name, walk in wanted.items() if any(walk.get(s) != dense[name].get(s) for s in conflicts)]
        if not moved:
            _fail(prototype, conflicts, cores)
        wanted = {name: walk for name, walk in wanted.items() if name not in moved}
    strides = {stride: value for walk in {**dense, **wanted}.values() for stride, value in walk.items()}
    for stride, value in strides.items():
        if not _fits(prototype, stride, value):
            raise OverflowError(
                f"{prototype.name}: {stride} = {value} does not fit {prototype.by_name[stride].spelled}"
            )
    return Layout(frozenset(wanted), strides)


def _conflicts(wanted: Mapping[str, Strides]) -> list[str]:
    """Stride parameters of which different arrays want different values."""
    values: dict[str, set[int]] = {}
    for walk in wanted.values():
        for stride, value in walk.items():
            values.setdefault(stride, set()).add(value)
    return [stride for stride, different in values.items() if len(different) > 1]


def _fail(prototype: Prototype, conflicts: list[str], cores: Mapping[str, tuple[int, ...]]) -> None:
    stride = conflicts[0]
    sharing = [name for name in cores if any(e.stride == stride for e in prototype.by_name[name].extents)]
    shown = " and ".join(f"{name} of core shape {cores[name]}" for name in sharing)
    raise ValueError(f"{prototype.name}: {shown} share the stride {stride}, and no value of it suits all of them")


def _dense(parameter: Parameter, core: tuple[int, ...]) -> Strides:
    """Strides of a contiguous copy."""
    found: Strides = {}
    step = 1
    for extent, length in zip(parameter.extents[::-1], core[::-1], strict=True):
        if extent.stride is not None:
            found.setdefault(extent.stride, step)
        step *= max(1, length)
    return found


def _walked(prototype: Prototype, parameter: Parameter, array: Array) -> Strides | None:
    """The strides at which an array's core lies; None if the function cannot walk it.

    Only strides that go forward are told: where a function with a negative one starts is its own affair (BLAS starts
    at the lowest address, a plain loop at the highest). Rows must not overlap either: BLAS refuses such matrices.
    """
    assert parameter.scalar is not None  # arrays have an element type
    if array.dtype != parameter.scalar.dtype or not array.flags.aligned:
        return None
    found: Strides = {}
    expected = least = array.itemsize
    core = zip(parameter.extents[::-1], array.shape[::-1], array.strides[::-1], strict=False)  # loops left out
    for extent, length, stride in core:
        if stride != expected and (parameter.boundary is not None or (extent.stride is None and length > 1)):
            return None  # with a boundary elements are added at the ends, and those lie side by side
        if extent.stride is None:
            least *= max(1, length)
        else:
            step = stride if length > 1 else max(expected, least)
            elements, rest = divmod(step, array.itemsize)
            if rest or step < least or not _fits(prototype, extent.stride, elements):
                return None
            if found.setdefault(extent.stride, elements) != elements:
                return None
            expected = step
        expected *= max(1, length)
    return found


def _fits(prototype: Prototype, stride: str, elements: int) -> bool:
    """Whether a stride parameter can hold a value."""
    scalar = prototype.by_name[stride].scalar
    assert scalar is not None  # strides are integers
    return elements <= scalar.limits[1]
