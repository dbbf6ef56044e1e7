"""Any range of a plan's calls as plans of their own: views of the same arrays, the same chunks, so the same bits.

Whoever makes the calls of a plan piece by piece, in any order and anywhere, leaves in the plan's arrays what a loop
over all its calls leaves there. A piece needs nothing but its own arrays: what depends on where a call stands in the
whole (a carried or linear value, elements made up beyond an end) is settled when the piece is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import Failure
from ..kinds import Kind
from ..partition import Grid
from ..system.addresses import aligned_empty
from .boundaries import places
from .plan import Argument, Outcome, Plan

Array = np.ndarray[Any, np.dtype[Any]]
Span = tuple[int, int]  # first and one behind the last
Read = Callable[[Array], Array]  # what a view of a plan's array holds

_NO_OUTCOME = Outcome((), ())


@dataclass(frozen=True, slots=True)
class Piece:
    """Some calls of a plan, as a plan.

    Attributes
    ----------
    plan : Plan
        Its arrays are views of the whole plan's; it merges nothing.
    first : int
        Number of its first call in the whole plan; the others follow.
    item : tuple of int
        Loop index at which it begins.
    start : int
        First item of the size that is cut.
    """

    plan: Plan
    first: int
    item: tuple[int, ...]
    start: int

    def in_whole(self, failure: Failure) -> Failure:
        """A failure of one of its calls, as the whole plan counts."""
        item = tuple(index + begin for index, begin in zip(failure.item, self.item, strict=True))
        return replace(failure, item=item, start=failure.start + self.start, stop=failure.stop + self.start)


def pieces(plan: Plan, first: int, last: int, read: Read | None = None) -> Iterator[Piece]:
    """Cut the calls from `first` up to `last` out of a plan, in as few pieces as their loop dimensions allow.

    Parameters
    ----------
    plan : Plan
    first, last : int
        ``0 <= first <= last <= plan.calls``.
    read : callable, optional
        Gives the elements of a view, where the plan's arrays do not hold them themselves.
    """
    for begin, spans in _boxes((*plan.loop_shape, plan.grid.chunks), first, last):
        yield _Cutter(plan, spans, read or (lambda view: view)).piece(begin)


def piece_of(plan: Plan, spans: list[Span]) -> Piece:
    """Cut one box of calls out of a plan: a span of every loop dimension, then one of the chunks."""
    shape = (*plan.loop_shape, plan.grid.chunks)
    first = np.ravel_multi_index([begin for begin, _ in spans], shape)
    return _Cutter(plan, spans, lambda view: view).piece(int(first))


def _boxes(shape: tuple[int, ...], first: int, last: int) -> Iterator[tuple[int, list[Span]]]:
    """Cut a range of numbers that count through `shape` in C order into boxes: first number, span of each dimension."""
    blocks = [1] * len(shape)  # numbers in one step along each dimension
    for dimension in reversed(range(len(shape) - 1)):
        blocks[dimension] = blocks[dimension + 1] * shape[dimension + 1]
    while first < last:
        along = next(d for d, block in enumerate(blocks) if first % block == 0 and first + block <= last)
        index = [first // block % extent for block, extent in zip(blocks, shape, strict=True)]
        steps = min(shape[along] - index[along], (last - first) // blocks[along])
        spans = [(place, place + 1) for place in index[:along]]
        spans.append((index[along], index[along] + steps))
        spans += [(0, extent) for extent in shape[along + 1 :]]
        yield first, spans
        first += steps * blocks[along]


class _Cutter:
    """Cuts one box of calls out of a plan."""

    def __init__(self, plan: Plan, spans: list[Span], read: Read) -> None:
        self._plan = plan
        self._read = read
        self._loops = tuple(slice(*span) for span in spans[:-1])
        self._chunks = slice(*spans[-1])
        self._start = plan.grid.span(self._chunks.start)[0]
        self._stop = plan.grid.span(self._chunks.stop - 1)[1]

    def piece(self, first: int) -> Piece:
        plan, loops = self._plan, self._loops
        chunks = self._chunks.stop - self._chunks.start
        loop_shape = tuple(loop.stop - loop.start for loop in loops)
        part = replace(
            plan,
            loop_shape=loop_shape,
            grid=Grid(self._stop - self._start, plan.grid.chunk, chunks),
            calls=int(np.prod(loop_shape, dtype=np.int64)) * chunks,
            arguments=tuple(self._argument(argument) for argument in plan.arguments),
            returned=plan.returned and self._argument(plan.returned),
            outcome=_NO_OUTCOME,
        )
        return Piece(part, first, tuple(loop.start for loop in loops), self._start)

    def _argument(self, argument: Argument) -> Argument:
        if argument.array is None:  # the same for all calls, or known from the grid
            return argument
        if argument.factor:
            return self._cut(argument, self._looped(argument.array))
        if argument.per_call:
            return replace(argument, array=_at(argument.array, *self._loops, self._chunks))
        if self._chunks.start and argument.kind is Kind.CARRY:
            return Argument(argument.name, Kind.CONSTANT, argument.scalar, argument.value)
        if self._start and argument.kind is Kind.LINEAR:
            return self._advanced(argument, self._looped(argument.array))
        return replace(argument, array=self._looped(argument.array))

    def _looped(self, array: Array) -> Array:
        return _at(array, *self._loops)

    def _cut(self, argument: Argument, array: Array) -> Argument:
        """An array that is cut: what the chunks cover of it."""
        before = argument.boundary.before if argument.boundary else 0
        first = argument.factor * self._start - before
        stop = argument.factor * self._stop - before + argument.offset
        if argument.boundary and not 0 <= first <= stop <= array.shape[len(self._loops)]:
            made = self._made_up(argument, array, first, stop)
            return replace(argument, kind=Kind.ADDRESS, array=made, boundary=None)
        return replace(argument, array=self._led(array, first, stop), boundary=None)

    def _led(self, array: Array, first: int, stop: int) -> Array:
        """Part of an array along its leading core dimension."""
        return _at(array, *(slice(None) for _ in self._loops), slice(first, stop))

    def _made_up(self, argument: Argument, array: Array, first: int, stop: int) -> Array:
        """The elements from `first` to `stop` as the function sees them, made up where they lie beyond an end."""
        assert argument.boundary is not None
        assert argument.boundary.boundary is not None  # the planner keeps only parameters that have one
        assert argument.scalar is not None  # arrays have an element type
        boundary, loops = argument.boundary.boundary, len(self._loops)
        extent = array.shape[loops]
        shape = (*array.shape[:loops], stop - first, *array.shape[loops + 1 :])
        made = aligned_empty(shape, argument.scalar.dtype)
        begin, end = max(first, 0), min(stop, extent)  # every piece has items of its own in between
        self._led(made, begin - first, end - first)[...] = self._read(self._led(array, begin, end))
        for low, high in ((first, begin), (end, stop)):
            chosen = places(boundary.mode, low, high, extent)
            beyond = self._led(made, low - first, high - first)
            if boundary.mode == "constant":
                beyond[...] = boundary.value
            elif len(chosen):
                near = self._read(self._led(array, int(chosen.min()), int(chosen.max()) + 1))
                beyond[...] = np.take(near, chosen - chosen.min(), loops)
        return made

    def _advanced(self, argument: Argument, array: Array) -> Argument:
        """A linear value, counted on to each of the chunks, since they do not begin at their item's start."""
        scalar = argument.scalar
        assert scalar is not None  # passed by value
        number = int if scalar.is_integer else float
        advances = [number(self._plan.grid.span(chunk)[0] * argument.step) for chunk in self._numbers()]
        begun = array.astype(scalar.dtype).astype(object)  # Python's numbers, as a loop over the calls adds them
        with np.errstate(all="ignore"):  # C does not warn of what is too large for a float either
            values = np.asarray(np.add.outer(begun, np.array(advances, object))).astype(scalar.dtype)
        return Argument(argument.name, Kind.LOAD, scalar, array=values, read=True, per_call=True)

    def _numbers(self) -> range:
        return range(self._chunks.start, self._chunks.stop)


def _at(array: Array, *spans: slice) -> Array:
    """A view of the leading dimensions; one without any stays an array."""
    places: Any = (*spans, ...)
    view: Array = array[places]
    return view
