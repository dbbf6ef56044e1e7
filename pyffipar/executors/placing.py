"""Where the arrays of a piece travel: in a file that both sides map, in a segment of shared memory, or beside it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..plans.parcels import Mould, over, reduced
from ..plans.plan import Argument, Plan
from ..system.addresses import CACHE_LINE, address_of
from ..system.overlaps import reach
from ..system.sharing import Sources

Array = np.ndarray[Any, np.dtype[Any]]

HEADER = 4096  # bytes in front of what a segment holds: a page of its own for what both sides look at


class InFile(NamedTuple):
    """So many bytes behind the beginning of one of the files that came with the order."""

    file: int
    offset: int


class InSegment(NamedTuple):
    """So many bytes behind the beginning of the segment."""

    offset: int


Place: TypeAlias = "InFile | InSegment"


class Header:
    """What a process and its worker tell each other in memory, so that neither has to wait for the other's messages.

    Parameters
    ----------
    memory : buffer
        The worker's window.
    """

    def __init__(self, memory: Any) -> None:
        self._words = np.ndarray((3,), np.int64, memory)

    def is_set(self) -> bool:
        """Whether the worker is asked to stop; a `Flag`."""
        return bool(self._words[0])

    def stop(self, *, now: bool) -> None:
        """Ask the worker to stop, or to go on with later pieces."""
        self._words[0] = now

    @property
    def done(self) -> int:
        """Calls of the piece under way that were made."""
        return int(self._words[1])

    @done.setter
    def done(self, calls: int) -> None:
        self._words[1] = calls

    @property
    def begun(self) -> int:
        """Number of the latest piece whose calls were begun."""
        return int(self._words[2])

    @begun.setter
    def begun(self, number: int) -> None:
        self._words[2] = number


class Files:
    """The arrays of a plan that workers can map, and the files they map them from."""

    def __init__(self, plan: Plan, sources: Sources) -> None:
        self.descriptors: list[int] = []
        self._found: dict[str, tuple[Array, InFile]] = {}
        for argument in (*plan.arguments, plan.returned):
            if argument is None or argument.array is None or argument.per_call:
                continue
            source = sources.find(argument.array, writable=argument.written)
            if source is None:
                continue
            if source.descriptor not in self.descriptors:
                self.descriptors.append(source.descriptor)
            place = InFile(self.descriptors.index(source.descriptor), source.offset)
            self._found[argument.name] = (argument.array, place)

    @property
    def names(self) -> Collection[str]:
        """Arguments whose arrays workers read and write in place."""
        return self._found.keys()

    def place(self, argument: Argument, array: Array) -> InFile | None:
        """Where a part of an argument's array is found; None if it is in no file, or was made for the piece."""
        if argument.name not in self._found or not array.size:
            return None
        whole, place = self._found[argument.name]
        below, above = reach(whole)
        distance = address_of(array) - address_of(whole)
        return place._replace(offset=place.offset + distance) if below <= distance < above else None


class _Placed(NamedTuple):
    """An array that travels through a segment."""

    array: Array
    mould: Mould
    offset: int
    content: bool
    written: bool


class Load:
    """What is to be put into a segment, and taken out again.

    Parameters
    ----------
    files : Files
        Arrays found there are left where they are.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._placed: list[_Placed] = []
        self.size = 0  # bytes of the segment
        self.content = 0  # bytes of arrays
        self.touched = 0  # bytes of memory, whole pages where elements lie far apart
        self.widest = ""  # the array that takes the most
        self._most = 0

    def lay(self, argument: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, Place]:  # noqa: FBT001 - a `Lay`
        """Find a place for an array."""
        if place := self._files.place(argument, array):
            return Mould(array.shape, array.strides, array.dtype), place
        offset = -(-self.size // CACHE_LINE) * CACHE_LINE + mould.phase
        self._placed.append(_Placed(array, mould, offset, content, argument.written))
        self.size = offset + mould.reach()[1]
        self.content += array.nbytes
        self.touched += (touched := mould.touched())
        if touched > self._most:
            self._most, self.widest = touched, argument.name
        return mould, InSegment(offset)

    def fill(self, memory: Any, base: int) -> None:
        """Put in what the function reads; the load begins `base` bytes behind the segment's beginning."""
        for array, mould, offset, content, _ in self._placed:
            if content:
                np.copyto(reduced(over(memory, base + offset, mould)), reduced(array))

    def take(self, memory: Any, base: int) -> None:
        """Take out what it has written."""
        for array, mould, offset, _, written in self._placed:
            if written:
                np.copyto(reduced(array), reduced(over(memory, base + offset, mould)))
