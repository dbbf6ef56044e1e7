"""Pieces of a plan as they travel to other processes: an order that is the same for all of them, and a parcel for each.

How an array travels is its carrier's business: through a window of shared memory, as a place in a file, or as bytes.
Here is decided what travels at all, and how it has to lie over there for the function to see what it would see here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..kinds import Kind
from ..language.clauses import ForeignCall
from ..partition import Grid
from ..system.addresses import CACHE_LINE, address_of, aligned_empty
from .foreign import Foreign
from .pieces import Piece
from .plan import Argument, Outcome, Plan, PrivateHandle

Array = np.ndarray[Any, np.dtype[Any]]
Place = Any  # where a carrier put an array

PAGE = 4096  # bytes; what touching one element of sparse memory costs


class Mould(NamedTuple):
    """How an array lies; a stride of 0 shows one element many times.

    `phase` says how many bytes behind the beginning of a cache line.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    phase: int = 0

    def reach(self) -> tuple[int, int]:
        """The bytes around its first element that its elements lie in: from where to where."""
        if 0 in self.shape:
            return 0, 0
        steps = [stride * (extent - 1) for stride, extent in zip(self.strides, self.shape, strict=True)]
        return sum(step for step in steps if step < 0), sum(step for step in steps if step > 0) + self.dtype.itemsize

    def describes(self, array: Array) -> bool:
        """Whether an array without repetitions lies as this says, without gaps (see `over`); the phase aside."""
        wanted = [(extent, step) for extent, step in zip(self.shape, self.strides, strict=True) if step and extent > 1]
        found = [(extent, step) for extent, step in zip(array.shape, array.strides, strict=True) if extent > 1]
        return array.flags.c_contiguous and array.dtype == self.dtype and found == wanted

    def touched(self) -> int:
        """Bytes of memory that its elements need: whole pages where they lie far apart."""
        dense, count = self.dtype.itemsize, 1
        for stride, extent in sorted(zip(map(abs, self.strides), self.shape, strict=True)):
            if count == 1 and stride <= dense + PAGE:
                dense += stride * (extent - 1)
            elif stride:
                count *= extent
        return dense if count == 1 else count * (dense + PAGE)


class Part(NamedTuple):
    """One argument of a piece, or its returned value.

    Attributes
    ----------
    kind : Kind
    value : object
        Of a CONSTANT that is none in the whole plan.
    per_call : bool
    mould : Mould or None
        How its array lies; None for an argument without one.
    place : object
    """

    kind: Kind
    value: Any = None
    per_call: bool = False
    mould: Mould | None = None
    place: Place = None


class Parcel(NamedTuple):
    """What makes a piece of an order: its size, and a part for every argument; the last is the returned value's."""

    loop_shape: tuple[int, ...]
    grid: Grid
    calls: int
    parts: tuple[Part | None, ...]  # None: the order has it


@dataclass(frozen=True, slots=True)
class Order:
    """What all pieces of a plan have in common.

    Attributes
    ----------
    foreign : Foreign
    sizes : dict
    grain : int
    arguments : tuple of Argument or None
        Without arrays; the returned value's place behind the others.
    handles : tuple of PrivateHandle
    wholes : dict
        The parts of arrays that every call sees whole, by number of the argument.
    """

    foreign: Foreign
    sizes: dict[str, int]
    grain: int
    arguments: tuple[Argument | None, ...]
    handles: tuple[PrivateHandle, ...]
    wholes: dict[int, Part]


# Where an array is put and by which place it is found: given the argument, its array here, the mould it takes if it is
# copied, and whether what it holds matters.
Lay = Callable[[Argument, Array, Mould, bool], tuple[Mould, Place]]
# The array that lies at a place; the last says whether it is written to.
Find = Callable[[Place, Mould, bool], Array]


def make_order(plan: Plan, foreign: Foreign, lay: Lay) -> Order:
    """What is the same for all pieces of a plan; arrays that every call sees whole are laid once, here."""
    arguments = _all_arguments(plan)
    wholes = {}
    for number, argument in enumerate(arguments):
        if argument is not None and argument.array is not None and is_whole(plan, argument):
            alone: Any = (*(slice(0, 1) for _ in plan.loop_shape), ...)
            first = argument.array[alone]
            wholes[number] = _part(replace(argument, array=first), len(plan.loop_shape), lay, content=True)
    bare = tuple(argument and replace(argument, array=None, boundary=None) for argument in arguments)
    return Order(foreign, plan.sizes, plan.grain, bare, plan.handles, wholes)


def make_parcel(piece: Piece, order: Order, given: frozenset[str], lay: Lay) -> Parcel:
    """What makes a piece of its order; its own arrays are laid where they travel.

    Parameters
    ----------
    piece : Piece
    order : Order
    given : frozenset of str
        Names of the results that are the caller's own: what they hold stays where the function writes nothing.
    lay : callable
    """
    plan = piece.plan
    parts: list[Part | None] = []
    for number, (argument, known) in enumerate(zip(_all_arguments(plan), order.arguments, strict=True)):
        if argument is None or known is None or number in order.wholes:
            parts.append(None)
        else:
            content = argument.read or (argument.name in given and argument.kind is Kind.ADDRESS)
            is_known = argument.array is None and argument.kind is known.kind
            parts.append(None if is_known else _part(argument, len(plan.loop_shape), lay, content=content))
    return Parcel(plan.loop_shape, plan.grid, plan.calls, tuple(parts))


def open_parcel(order: Order, parcel: Parcel, find: Find, wholes: dict[int, Array]) -> Plan:
    """The plan of a piece, over arrays that were found where they had been laid.

    Parameters
    ----------
    order : Order
    parcel : Parcel
    find : callable
    wholes : dict
        The order's own arrays, by number of the argument.
    """
    *passed, returned = (
        _opened(argument, part, find)
        if number not in wholes
        else _whole(argument, order.wholes[number], wholes[number], parcel)
        for number, (argument, part) in enumerate(zip(order.arguments, parcel.parts, strict=True))
    )
    return Plan(
        order.foreign.contract, order.sizes, parcel.loop_shape, parcel.grid, parcel.calls, order.grain,
        tuple(argument for argument in passed if argument is not None), returned,
        order.handles, Outcome((), ()), (), (),
    )  # fmt: skip


def _opened(argument: Argument | None, part: Part | None, find: Find) -> Argument | None:
    """An argument of a piece over the array that came for it."""
    if argument is None or part is None:
        return argument
    array = None if part.mould is None else find(part.place, part.mould, argument.written)
    value = argument.value if part.value is None else part.value
    return replace(argument, kind=part.kind, value=value, per_call=part.per_call, array=array)


def _whole(argument: Argument | None, part: Part, array: Array, parcel: Parcel) -> Argument | None:
    """An argument over an array of the order, shown for every item of the piece."""
    core = array.shape[len(parcel.loop_shape) :]
    shown = np.broadcast_to(array, (*parcel.loop_shape, *core))
    return argument and replace(argument, kind=part.kind, array=shown)


def written_arrays(plan: Plan) -> Iterator[tuple[int, Array]]:
    """The arrays that the calls of a plan write to, by number of the argument."""
    for number, argument in enumerate(_all_arguments(plan)):
        if argument is not None and argument.written and argument.array is not None:
            yield number, argument.array


def is_whole(plan: Plan, argument: Argument) -> bool:
    """Whether every call reads the same elements of an argument's array."""
    array = argument.array
    if array is None or argument.written or argument.factor or argument.per_call:
        return False
    loops = zip(array.strides, plan.loop_shape, strict=False)
    return argument.kind in (Kind.ADDRESS, Kind.BUFFER) and all(step == 0 or count == 1 for step, count in loops)


def reduced(array: Array) -> Array:
    """An array less the repetitions along dimensions of stride 0."""
    shown = zip(array.strides, array.shape, strict=True)
    return array[(*(slice(0, 1) if stride == 0 and extent else slice(None) for stride, extent in shown), ...)]


def over(memory: Any, offset: int, mould: Mould) -> Array:
    """The array of a mould over some memory: a buffer without gaps, as NumPy takes no other."""
    return np.ndarray(mould.shape, mould.dtype, memory, offset, mould.strides)


def fresh(mould: Mould) -> Array:
    """A new array of a mould."""
    return over(aligned_empty((mould.reach()[1],), np.dtype(np.uint8), mould.phase), 0, mould)


def _all_arguments(plan: Plan) -> tuple[Argument | None, ...]:
    return (*plan.arguments, plan.returned)


def _part(argument: Argument, loops: int, lay: Lay, *, content: bool) -> Part:
    """An argument as it travels."""
    if argument.array is None:
        return Part(argument.kind, argument.value if argument.kind is Kind.CONSTANT else None)
    mould = _mould(argument, argument.array, loops)
    laid, place = lay(argument, argument.array, mould, content)
    return Part(argument.kind, None, argument.per_call, laid, place)


def _mould(argument: Argument, array: Array, loops: int) -> Mould:
    """How a copy of an array has to lie.

    A function that walks an array where it lies is told its strides, and sees how it lies in cache lines: BLAS adds up
    in another order. So a copy keeps both. Anything else is packed.
    """
    if argument.kind is not Kind.ADDRESS:
        return Mould(array.shape, _packed(array, 0), array.dtype)
    strides = _packed(array, loops) if _is_packed(array, loops) else tuple(abs(stride) for stride in array.strides)
    return Mould(array.shape, strides, array.dtype, address_of(array) % CACHE_LINE)


def _is_packed(array: Array, loops: int) -> bool:
    """Whether the dimensions behind the loops lie in C order, without gaps."""
    first: Any = (*(0,) * loops, ...)
    return array.size == 0 or bool(array[first].flags.c_contiguous)


def _packed(array: Array, loops: int) -> tuple[int, ...]:
    """Strides in C order, still 0 where one element is shown many times; items keep their places in cache lines."""
    strides = [0] * array.ndim
    size = array.itemsize  # of what lies behind a dimension
    for dimension in reversed(range(array.ndim)):
        stride, extent = array.strides[dimension], array.shape[dimension]
        if stride or extent <= 1:
            step = size + (stride - size) % CACHE_LINE if dimension < loops else size
            strides[dimension] = step
            size += step * max(0, extent - 1)
    return tuple(strides)


def check_portable(plan: Plan, where: str, instead: str = 'take executor="native", "threads" or "serial"') -> None:
    """Refuse what has a meaning in this process only.

    Parameters
    ----------
    plan : Plan
    where : str
        Where the calls were to be made, for the message.
    instead : str
        What to do then.

    Raises
    ------
    TypeError
        For Python functions that C is to call, handles, and private handles that are copies of one or merge into one.
    """
    end = f"so {where} cannot do it: {instead}"
    called = {callback.address for callback in plan.callbacks}
    for argument in plan.arguments:
        if argument.kind is Kind.CONSTANT and argument.scalar is None and argument.value:
            if argument.value in called:
                _refuse(plan, argument.name, "is a Python function, which C can call in this process only", end)
            _refuse(plan, argument.name, f"is the address {argument.value:#x}, which means nothing elsewhere", end)
    for handle in plan.handles:
        if handle.reduction is not None:
            _refuse(
                plan,
                handle.name,
                f"collects: its copies merge into the one of this process ({handle.reduction})",
                end,
            )
        if handle.original and _uses_original(handle.private.clone):
            clone = handle.private.clone.name
            _refuse(plan, handle.name, f"is copied by {clone} from a handle that lives in this process", end)


def _uses_original(call: ForeignCall) -> bool:
    return any(
        _uses_original(argument) if isinstance(argument, ForeignCall) else argument == "_"
        for argument in call.arguments
    )


def _refuse(plan: Plan, name: str, why: str, end: str) -> NoReturn:
    raise TypeError(f"{plan.contract.prototype.name}: {name} {why}, {end}")


def bytes_per_call(plan: Plan, stay: Collection[str]) -> float:
    """Bytes of arrays that travel with one call, on average: none of those that stay, or that all calls see."""
    found = [a for a in _all_arguments(plan) if a is not None and not is_whole(plan, a) and a.name not in stay]
    return sum(reduced(a.array).nbytes for a in found if a.array is not None) / max(1, plan.calls)
