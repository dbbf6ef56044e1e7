"""``axis=``, ``axes=`` and ``keepdims=``: which dimensions of an array are its core, as NumPy's gufuncs have it."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import shown
from ..language.parameters import Parameter
from .roles import Contract

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class CoreAxes:
    """Where callers have the core dimensions, if not behind all others.

    Attributes
    ----------
    by_name : dict
        Axes of an array by parameter name, in the order of its brackets.
    kept : tuple of int
        Axes to insert into results as dimensions of extent 1.
    """

    by_name: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    kept: tuple[int, ...] = ()

    def core_last(self, where: str, name: str, array: Array) -> Array:
        """A view with the core dimensions behind all others."""
        axes = self.by_name.get(name)
        if axes is None:
            return array
        for axis in axes:
            if not -array.ndim <= axis < array.ndim:
                raise ValueError(
                    f"{where} has shape {array.shape}, so there is no axis {axis}: "
                    f"{f'{-array.ndim} … {array.ndim - 1}' if array.ndim else 'none at all'}"
                )
        if len({axis % array.ndim for axis in axes}) < len(axes):
            raise ValueError(f"{where}: axes {axes} of shape {array.shape} name a dimension twice")
        return np.moveaxis(array, axes, range(-len(axes), 0))

    def core_back(self, name: str, array: Array) -> Array:
        """A result with its core dimensions where the caller wants them."""
        axes = self.by_name.get(name)
        if axes is not None:
            array = np.moveaxis(array, range(-len(axes), 0), axes)
        return np.expand_dims(array, self.kept) if self.kept else array

    def without_kept(self, where: str, array: Array) -> Array:
        """An ``out=`` array less the dimensions that `keepdims` keeps."""
        if not self.kept:
            return array
        if any(not -array.ndim <= axis < array.ndim or array.shape[axis] != 1 for axis in self.kept):
            places = " and ".join(str(axis) for axis in self.kept)
            raise ValueError(f"{where} has shape {array.shape}; with keepdims=True dimension {places} wants extent 1")
        return np.squeeze(array, self.kept)


NO_AXES = CoreAxes()


def take_axes(contract: Contract, keywords: dict[str, Any]) -> CoreAxes:
    """Take the keywords out of a call's and read them.

    Raises
    ------
    TypeError
        For both of ``axis`` and ``axes``, and for functions they have no meaning for.
    ValueError
        For entries that do not match the core dimensions.
    """
    if not keywords or not {"axis", "axes", "keepdims"}.intersection(keywords):
        return NO_AXES
    name = contract.prototype.name
    known = contract.prototype.by_name
    words = ("axis", "axes", "keepdims")
    axis, axes, keepdims = (None if word in known else keywords.pop(word, None) for word in words)
    if axis is not None and axes is not None:
        raise TypeError(f"{name}: give axis or axes, not both")
    by_name: dict[str, tuple[int, ...]] = {}
    if axis is not None:
        by_name = _single(contract, _whole(f"{name}: axis", axis))
    elif axes is not None:
        by_name = _several(contract, axes)
    return CoreAxes(by_name, _kept(contract, by_name) if keepdims else ())


def _whole(what: str, value: object) -> int:
    """The number of a dimension."""
    try:
        return operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        raise TypeError(f"{what} = {shown(value)}; the number of a dimension is wanted") from None


def _operands(contract: Contract) -> tuple[list[Parameter], list[Parameter]]:
    """What ``axes`` has entries for: arguments that are no sizes or handles, then outputs."""
    sizes = {role.parameter.name for role in contract.roles if role.word in ("size", "stride")}
    passed = [
        parameter for parameter in contract.arguments if parameter.kind != "handle" and parameter.name not in sizes
    ]
    return passed, list(contract.outputs)


def _single(contract: Contract, axis: int) -> dict[str, tuple[int, ...]]:
    """One axis for every array with one core dimension."""
    passed, outputs = _operands(contract)
    arrays = [parameter for parameter in (*passed, *outputs) if parameter.extents]
    sizes = {extent.size for parameter in arrays for extent in parameter.extents}
    if not arrays or len(sizes) > 1 or any(len(parameter.extents) > 1 for parameter in arrays):
        raise TypeError(
            f"{contract.prototype.name}: axis= is for functions with one core dimension that all arrays share; "
            f"say axes=[...]"
        )
    return {parameter.name: (axis,) for parameter in arrays}


def _several(contract: Contract, axes: Sequence[Any]) -> dict[str, tuple[int, ...]]:
    """An entry for every operand; those of outputs may be left out when none of them has a core dimension."""
    passed, outputs = _operands(contract)
    operands = [*passed, *outputs]
    if not isinstance(axes, (list, tuple)):
        raise TypeError(
            f"{contract.prototype.name}: axes = {shown(axes)}; a list with an entry for every array is wanted"
        )
    if contract.returns_result and len(axes) == len(operands) + 1 and axes[len(passed)] == ():
        axes = [*axes[: len(passed)], *axes[len(passed) + 1 :]]  # the returned value's own entry
    if len(axes) == len(passed) and not any(parameter.extents for parameter in outputs):
        operands = passed
    if len(axes) != len(operands):
        names = ", ".join(parameter.name for parameter in operands)
        raise ValueError(f"{contract.prototype.name}: axes has {len(axes)} entries; one each for {names} is wanted")
    found = {}
    for parameter, entry in zip(operands, axes, strict=True):
        entries = entry if isinstance(entry, (tuple, list)) else (entry,)
        given = tuple(_whole(f"{contract.prototype.name}: axes of {parameter.name}", one) for one in entries)
        if len(given) != len(parameter.extents):
            raise ValueError(
                f"{contract.prototype.name}: axes of {parameter.name} are {given}; "
                f"{parameter} has {len(parameter.extents)} core dimensions"
            )
        if given:
            found[parameter.name] = given
    return found


def _kept(contract: Contract, by_name: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Where ``keepdims`` leaves dimensions of extent 1."""
    passed, outputs = _operands(contract)
    counts = {len(parameter.extents) for parameter in passed if parameter.kind == "array"}
    if len(counts) != 1 or any(parameter.extents for parameter in outputs):
        raise TypeError(
            f"{contract.prototype.name}: keepdims= is for functions whose arrays have as many core dimensions "
            f"as each other, and whose results have none"
        )
    (count,) = counts
    behind = tuple(range(-count, 0))
    places = {by_name.get(parameter.name, behind) for parameter in passed if parameter.extents}
    if len(places) != 1:
        raise TypeError(f"{contract.prototype.name}: keepdims= wants the same axes for all arrays")
    return places.pop()
