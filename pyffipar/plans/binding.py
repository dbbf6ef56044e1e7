"""A call's arguments → arrays, values, sizes and the loop shape; every shape and dtype is checked here."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..errors import did_you_mean
from ..language.parameters import Parameter
from ..language.scalars import Scalar
from ..system.overlaps import identical, overlap
from .adoption import adopt_input, adopt_output, adopt_scalar, is_scalar
from .axes import NO_AXES, CoreAxes, take_axes
from .callbacks import Callback
from .handles import handle_address, is_foreign
from .roles import Contract

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Bound:
    """The arguments of one call, checked.

    Attributes
    ----------
    arrays : dict
        Arrays by parameter name, in their own dtype and strides; value parameters that are lifted are here too.
    values : dict
        Single numbers and handles by parameter name.
    sizes : dict
        Every size by name.
    loop_shape : tuple of int
        The dimensions the call is lifted over.
    given : frozenset of str
        Names of the arrays the caller passed to be written into; ``return`` is the one for returned values.
    originals : dict
        The arrays of ``out=`` as they were passed.
    axes : CoreAxes
        Where the core dimensions of results belong.
    alive : tuple
        Owners of the handles, which must outlive the call.
    callbacks : tuple of Callback
        Python callables that C is given pointers to.
    """

    arrays: dict[str, Array]
    values: dict[str, Any]
    sizes: dict[str, int]
    loop_shape: tuple[int, ...]
    given: frozenset[str]
    originals: dict[str, Array]
    axes: CoreAxes
    alive: tuple[Any, ...]
    callbacks: tuple[Callback, ...]


RETURNED = "return"  # key of the array that takes returned values: no C parameter can be called so


def bind(contract: Contract, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Bound:
    """Match a call's arguments with the parameters and check them.

    Raises
    ------
    TypeError
        For arguments too many, missing or unknown, and dtypes that do not cast.
    ValueError
        For shapes that contradict the brackets or each other, and outputs that overlap another array.
    OverflowError
        For numbers that their C types cannot hold.
    """
    return _Binder(contract).bind(arguments, dict(keywords))


class _Binder:
    """One call being bound."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._prototype = contract.prototype
        self._name = contract.prototype.name
        self._arrays: dict[str, Array] = {}
        self._values: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._origin: dict[str, str] = {}
        self._given: set[str] = set()
        self._originals: dict[str, Array] = {}
        self._axes = NO_AXES
        self._alive: list[Any] = []
        self._callbacks: list[Callback] = []

    def bind(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Bound:
        if "where" in keywords and "where" not in self._prototype.by_name:
            self._refuse("takes no where=: a C function works on whole chunks; select the items first")
        self._axes = take_axes(self._contract, keywords)
        outputs = self._take_outputs(keywords)
        passed = self._match(arguments, keywords)
        names = self._contract.sizes
        for parameter in self._prototype.parameters:
            name = parameter.name
            if name in outputs:
                self._output(parameter, outputs[name])
            elif name in passed and name not in names:
                self._adopt(parameter, passed[name])
        self._solve(passed, names)
        self._adopt_returned(outputs)
        self._check_overlaps()
        return Bound(
            self._arrays,
            self._values,
            self._sizes,
            self._loop_shape(),
            frozenset(self._given),
            self._originals,
            self._axes,
            tuple(self._alive),
            tuple(self._callbacks),
        )

    def _where(self, name: str) -> str:
        return f"{self._name}: {name}"

    def _take_outputs(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """``out=`` as NumPy has it (one array, or a tuple with None for what is to be allocated), or each by name."""
        names = [parameter.name for parameter in self._contract.outputs]
        slots = ([RETURNED] if self.returns else []) + names
        out = keywords.pop("out", None)
        given: dict[str, Any] = {}
        if out is not None:
            entries = out if isinstance(out, tuple) else (out,)
            if len(entries) != len(slots):
                wanted = ", ".join(slots) or "nothing"
                raise ValueError(
                    f"{self._name}: out= holds {len(entries)} arrays; there are {len(slots)} results ({wanted})"
                )
            given = {slot: entry for slot, entry in zip(slots, entries, strict=True) if entry is not None}
        for name in names:
            if keywords.get(name) is not None:
                if name in given:
                    raise TypeError(f"{self._name}: {name} is given both by name and in out=")
                given[name] = keywords[name]
            keywords.pop(name, None)
        return given

    @property
    def returns(self) -> bool:
        """Whether the returned value is one of the call's results."""
        return self._contract.returns_result

    def _match(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
        """Positional and keyword arguments by parameter name."""
        wanted = self._contract.arguments
        if len(arguments) > len(wanted):
            names = ", ".join(parameter.name for parameter in wanted)
            self._refuse(f"takes {len(wanted)} positional arguments ({names}), {len(arguments)} were given")
        passed = {parameter.name: value for parameter, value in zip(wanted, arguments, strict=False)}
        sizes = self._contract.sizes
        for name, value in keywords.items():
            allowed = {parameter.name for parameter in wanted} | sizes
            if name not in allowed:
                takes = f"; it takes {', '.join(parameter.name for parameter in wanted) or 'none'}"
                self._refuse(f"has no argument {name}{did_you_mean(name, allowed | {'out'}) or takes}")
            if name in passed:
                self._refuse(f"got {name} twice")
            passed[name] = value
        for parameter in wanted:
            if parameter.name in passed or parameter.name in sizes:
                continue
            if parameter.name in self._prototype.clauses.default:
                passed[parameter.name] = self._prototype.clauses.default[parameter.name]
            else:
                self._refuse(f"argument {parameter} is missing")
        return passed

    def _refuse(self, message: str) -> NoReturn:
        raise TypeError(f"{self._name} {message}")

    def _adopt(self, parameter: Parameter, value: Any) -> None:
        """Take one argument that is no size."""
        name = parameter.name
        if parameter.kind == "handle":
            self._values[name] = self._handle(parameter, value)
        elif parameter.kind == "array" and value is None:
            self._values[name] = self._null(parameter)
        elif parameter.kind == "array":
            if parameter.direction == "inout":
                array = adopt_output(self._where(name), parameter, value, read=True)
                self._arrays[name] = self._axes.core_last(self._where(name), name, array)
                self._given.add(name)
            else:
                self._arrays[name] = self._input(parameter, value)
        elif is_scalar(value):
            assert parameter.scalar is not None  # passed by value
            self._values[name] = adopt_scalar(self._where(name), parameter.scalar, value)
        else:
            self._arrays[name] = self._input(parameter, value)

    def _null(self, parameter: Parameter) -> int:
        """NULL in place of an array, where the declaration says that the function can do without it."""
        name = parameter.name
        if name not in self._prototype.clauses.default:
            raise TypeError(
                f"{self._where(name)} is None, and {parameter} wants an array; for a function that takes NULL there "
                f"declare default({name} = NULL)"
            )
        return 0

    def _handle(self, parameter: Parameter, value: Any) -> int:
        """The address behind a handle; a Python callable becomes a C function."""
        plain_callable = callable(value) and not hasattr(value, "_as_parameter_") and not is_foreign(value)
        if parameter.callback is not None and plain_callable:
            callback = Callback(parameter.callback, value, self._where(parameter.name))
            self._callbacks.append(callback)
            return callback.address
        self._alive.append(value)
        return handle_address(self._where(parameter.name), value)

    def _input(self, parameter: Parameter, value: Any) -> Array:
        where = self._where(parameter.name)
        array = self._axes.core_last(where, parameter.name, adopt_input(where, parameter, value))
        if array.ndim < len(parameter.extents):
            raise ValueError(
                f"{self._where(parameter.name)} has shape {array.shape}; {parameter} wants at least "
                f"{len(parameter.extents)} dimension{'s' if len(parameter.extents) > 1 else ''}"
            )
        return array

    def _solve(self, passed: dict[str, Any], names: frozenset[str]) -> None:
        """Find every size from the arrays, then from what was passed; then check every array against them."""
        for parameter in self._prototype.parameters:
            if parameter.name in self._arrays:
                self._solve_from(parameter, self._arrays[parameter.name])
        for parameter in self._prototype.parameters:
            name = parameter.name
            if name in names:
                self._settle(parameter, passed)
        for parameter in self._prototype.parameters:
            if parameter.name in self._arrays:
                self._check_shape(parameter, self._arrays[parameter.name])

    def _solve_from(self, parameter: Parameter, array: Array) -> None:
        core = array.shape[array.ndim - len(parameter.extents) :]
        if len(core) < len(parameter.extents):
            self._fail_shape(parameter, array)
        for extent, length in zip(parameter.extents, core, strict=True):
            if extent.size is None or extent.size in self._sizes:
                continue
            size = extent.solve(length)
            if size is None:
                raise ValueError(
                    f"{self._where(parameter.name)} has shape {array.shape}; "
                    f"no {extent.size} makes {extent} equal {length}"
                )
            self._sizes[extent.size] = size
            self._origin[extent.size] = parameter.name

    def _settle(self, parameter: Parameter, passed: dict[str, Any]) -> None:
        """The value of one size: solved, passed, or fixed; in the range of its C type."""
        name = parameter.name
        assert isinstance(parameter.scalar, Scalar)
        value = passed.get(name, self._prototype.clauses.fixed.get(name))
        if value is None and name not in self._sizes:
            value = self._prototype.clauses.default.get(name)
        if value is not None:
            number = operator.index(adopt_scalar(self._where(name), parameter.scalar, value))  # type: ignore[arg-type]
            if self._sizes.setdefault(name, number) != number:
                raise ValueError(
                    f"{self._name}: {name} = {number} was given, but {self._origin[name]} has shape "
                    f"{self._arrays[self._origin[name]].shape}, which makes {name} = {self._sizes[name]}"
                )
        elif name not in self._sizes:
            self._refuse(f"argument {parameter} is missing: no array that was passed tells it")
        if self._sizes[name] < 0:
            raise ValueError(f"{self._where(name)} = {self._sizes[name]} is negative")
        if name != self._contract.split and self._sizes[name] > parameter.scalar.limits[1]:
            raise OverflowError(
                f"{self._where(name)} = {self._sizes[name]} (from {self._origin[name]}) does not fit "
                f"{parameter.spelled}, and calls are not cut along it"
            )

    def _check_shape(self, parameter: Parameter, array: Array) -> None:
        core = array.shape[array.ndim - len(parameter.extents) :]
        for extent, length in zip(parameter.extents, core, strict=True):
            wanted = extent.length(self._sizes[extent.size]) if extent.size else extent.offset
            if length != wanted:
                self._fail_shape(parameter, array)

    def _fail_shape(self, parameter: Parameter, array: Array) -> NoReturn:
        """Say what the brackets want, and which array says so."""
        wanted = []
        because = []
        for extent in parameter.extents:
            if extent.size is None:
                wanted.append(str(extent.offset))
            elif extent.size in self._sizes:
                wanted.append(str(extent.length(self._sizes[extent.size])))
                because.append(self._source(extent.size))
            else:
                wanted.append(str(extent))
        brackets = "".join(f"[{extent}]" for extent in parameter.extents)
        reason = f" ({'; '.join(dict.fromkeys(because))})" if because else ""
        raise ValueError(
            f"{self._where(parameter.name)} has shape {array.shape}, {parameter.name}{brackets} wants "
            f"({', '.join(wanted)}{',' if len(wanted) == 1 else ''}){reason}"
        )

    def _source(self, size: str) -> str:
        """Where a size came from."""
        origin = self._origin.get(size)
        if origin is None:
            return f"{size} = {self._sizes[size]}, as passed"
        return f"{size} = {self._sizes[size]}, from {origin} of shape {self._arrays[origin].shape}"

    def _output(self, parameter: Parameter, given: Any) -> None:
        """Take an array that a result is to be written into; that very array is what the caller gets back."""
        where = self._where("out" if parameter.name == RETURNED else parameter.name)
        array = adopt_output(where, parameter, given)
        self._originals[parameter.name] = given if isinstance(given, np.ndarray) else array
        array = self._axes.core_last(where, parameter.name, array)
        self._arrays[parameter.name] = self._axes.without_kept(where, array)
        self._given.add(parameter.name)

    def _adopt_returned(self, outputs: dict[str, Any]) -> None:
        if RETURNED in outputs:
            returned = Parameter(RETURNED, "array", self._prototype.returns, "returned value", direction="out")
            self._output(returned, outputs[RETURNED])

    def _loop_shape(self) -> tuple[int, ...]:
        """Broadcast what stands before the core dimensions; arrays that are written must have it as it is."""
        loops = {}
        for name, array in self._arrays.items():
            core = 0 if name == RETURNED else len(self._prototype.by_name[name].extents)
            loops[name] = array.shape[: array.ndim - core]
        shapes = set(loops.values())
        if len(shapes) <= 1:
            return shapes.pop() if shapes else ()
        try:
            shape = np.broadcast_shapes(*loops.values())
        except ValueError:
            shown = ", ".join(f"{name} {loop}" for name, loop in loops.items())
            raise ValueError(f"{self._name}: the leading dimensions do not broadcast: {shown}") from None
        for name in self._given:
            if loops[name] != shape:
                raise ValueError(
                    f"{self._where('out' if name == RETURNED else name)} has leading dimensions {loops[name]}, "
                    f"but the call is lifted over {shape}"
                )
        return shape

    def _check_overlaps(self) -> None:
        """Refuse outputs that share memory with anything else: a chunk would read what another has written."""
        for name in self._given:
            for other, array in self._arrays.items():
                if other == name or not overlap(self._arrays[name], array) or self._item_by_item(name, other):
                    continue
                shown = "out" if name == RETURNED else name
                raise ValueError(
                    f"{self._name}: {shown} overlaps {'out' if other == RETURNED else other} in memory; "
                    f"to work in place declare one array with inout({shown})"
                )

    def _item_by_item(self, name: str, other: str) -> bool:
        """Whether `other` is passed by value from the very elements that are written: each is read before that."""
        if other == RETURNED or self._prototype.by_name[other].kind != "value":
            return False
        core = () if name == RETURNED else self._prototype.by_name[name].extents
        return not core and identical(self._arrays[name], self._arrays[other])
