"""Calls on arrays that lie in no memory: read window by window, worked on by any executor, and written back.

While a call is planned a stored array is stood in for by memory of its size that nobody touches, so the plan, and with
it every chunk, is that of an array in memory. Then the calls are cut into windows. What a window needs of a stored
array is found by looking where its view lies in the stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from .errors import ChunkError
from .executors import Executor, Run
from .executors.base import chunk_error
from .language.clauses import LOCATORS
from .plans.parcels import (
    Mould,
    Order,
    Parcel,
    fresh,
    is_whole,
    make_order,
    make_parcel,
    open_parcel,
    reduced,
)
from .plans.pieces import Piece, pieces
from .plans.plan import Argument, Outcome, Plan
from .system.addresses import address_of
from .system.sharing import make_segment
from .watching import Part

Array = np.ndarray[Any, np.dtype[Any]]


class Stored(Protocol):
    """An array that is read by slicing it: one of zarr, h5py, netCDF4, or anything that has these three."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""

    @property
    def dtype(self) -> Any:
        """Of its elements."""

    def __getitem__(self, places: tuple[slice, ...]) -> Any:
        """The elements at some places, as something that NumPy takes for an array."""


def is_stored(value: object) -> bool:
    """Whether something is an array that NumPy could only read whole; one that takes part in its arithmetic is not."""
    if any(hasattr(value, name) for name in ("__array_ufunc__", "__array_interface__", "__dlpack__", "__dataframe__")):
        return False
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))


def untouched(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array that takes up memory only where somebody writes to it."""
    dtype = np.dtype(dtype)
    segment = make_segment(int(np.prod(shape, dtype=object)) * dtype.itemsize)
    segment.close()
    return np.ndarray(shape, dtype, segment.memory)


class StandIns:
    """Memory in place of stored arrays."""

    def __init__(self) -> None:
        self._known: list[tuple[Stored, Array]] = []

    def array(self, value: Any) -> Any:
        """What stands in for a stored array, for each of several in a tuple; anything else is given back."""
        if isinstance(value, tuple):
            return tuple(self.array(one) for one in value)
        if not is_stored(value):
            return value
        return self.stand_in(value)

    def stand_in(self, value: Stored) -> Array:
        """The memory in place of an array; the same again for the same one."""
        for stored, array in self._known:
            if stored is value:
                return array
        made = untouched(tuple(int(extent) for extent in value.shape), value.dtype)
        self._known.append((value, made))
        return made

    def stored(self, value: Any) -> Any:
        """The stored array that something stands in for; anything else is given back."""
        if isinstance(value, tuple):
            return tuple(self.stored(one) for one in value)
        return next((stored for stored, array in self._known if array is value), value)

    def region(self, view: Array) -> Region | None:
        """Where a view lies in a stored array; None for one of other memory."""
        for stored, array in self._known:
            distance = address_of(view) - address_of(array)
            if array.size and 0 <= distance < array.nbytes:
                return _region(stored, array, view, distance)
        return None

    def writable(self, view: Array) -> Array:
        """A view over a stand-in, broadcast or not, to be written to."""
        for _, array in self._known:
            distance = address_of(view) - address_of(array)
            if 0 <= distance < array.nbytes:
                return np.ndarray(view.shape, view.dtype, array, distance, view.strides)
        return view

    def read_kept(self, plan: Plan) -> None:
        """Read what results are merged into, where that takes part."""
        for merge in plan.outcome.merges:
            if merge.keep and merge.into.size and (region := self.region(merge.into)):
                region.read(merge.into)

    def write_merged(self, plan: Plan) -> None:
        """Write results to stored arrays that were merged in their stand-ins."""
        for merge in plan.outcome.merges:
            if merge.into.size and (region := self.region(merge.into)):
                region.write(merge.into)


class Region(NamedTuple):
    """A part of a stored array, and how it shows in a view.

    Attributes
    ----------
    stored : Stored
    places : tuple of slice
    shown : tuple of int
        Dimensions of the stored array in the order in which the view has them.
    """

    stored: Any
    places: tuple[slice, ...]
    shown: tuple[int, ...]

    def read(self, into: Array) -> None:
        """Read it into an array shaped like the view."""
        block = np.asarray(self.stored[self.places])
        extents = [block.shape[dimension] for dimension in self.shown]
        hidden = [dimension for dimension in range(block.ndim) if dimension not in self.shown]  # of extent 1
        part = block.transpose(*self.shown, *hidden).reshape(extents)
        target = reduced(into)
        np.copyto(target, part.reshape(target.shape))

    def write(self, array: Array) -> None:
        """Write it from an array shaped like the view."""
        extents = [place.stop - place.start for place in self.places]
        ordered = np.asarray(array).reshape([extents[dimension] for dimension in self.shown])
        back = ordered.transpose([self.shown.index(dimension) for dimension in sorted(self.shown)])
        self.stored[self.places] = back.reshape(extents)


def _region(stored: Stored, array: Array, view: Array, distance: int) -> Region:
    """By its strides a view says which dimensions of the stored array it shows, by its address from where on."""
    if view.dtype != array.dtype:
        raise TypeError(f"the bytes of a stored array of {array.dtype} are not seen as {view.dtype}: convert it first")
    begin = np.unravel_index(distance // array.itemsize, array.shape)
    extents = [1] * array.ndim
    shown = []
    for stride, extent in zip(view.strides, view.shape, strict=True):
        if stride and extent > 1:
            pairs = zip(array.strides, array.shape, strict=True)
            dimension = next(number for number, (step, length) in enumerate(pairs) if step == stride and length > 1)
            shown.append(dimension)
            extents[dimension] = extent
    places = tuple(slice(int(first), int(first) + extent) for first, extent in zip(begin, extents, strict=True))
    return Region(stored, places, tuple(shown))


class _Place(NamedTuple):
    """Where an array of a window is: in memory, or to be read from and written to a stored one."""

    array: Array | None
    region: Region | None
    content: bool = True


class _Window(NamedTuple):
    """Some calls with all that they need in memory."""

    piece: Piece
    parcel: Parcel
    plan: Plan


class Stream:
    """A plan over stand-ins laid out for an executor, to be run window by window.

    Parameters
    ----------
    plan : Plan
    stand_ins : StandIns
    executor : Executor
        Works on each of the windows.
    size : int
        Bytes of stored arrays in a window; the next one is read meanwhile.

    Raises
    ------
    TypeError
        For handles that collect: which of them a call uses is counted through all calls.
    """

    def __init__(self, plan: Plan, stand_ins: StandIns, executor: Executor, size: int) -> None:
        name = plan.contract.prototype.name
        for handle in plan.handles:
            if handle.reduction is not None:
                raise TypeError(f"{name}: {handle.name} collects over the whole call, so it is not streamed")
        for merge in plan.outcome.merges:
            if merge.reduction.operator == "concat" and stand_ins.region(merge.into) is not None:
                raise TypeError(
                    f"{name}: {merge.name} is as long as what is found, so it is not written to a stored array"
                )
        self._plan = plan
        self._stand_ins = stand_ins
        self._executor = executor
        self._size = size

    def __call__(self, run: Run) -> None:
        """Make all calls."""
        assert run.foreign is not None  # every declared function has one
        self._stand_ins.read_kept(self._plan)
        order = make_order(self._plan, run.foreign, self._lay)
        wholes = {
            number: self._find(part.place, part.mould, False)  # noqa: FBT003 - a `Find`
            for number, part in order.wholes.items()
            if part.mould is not None
        }
        cut = self._cut()
        with ThreadPoolExecutor(1, "pyffipar reader") as reader:
            done = 0
            begun = self._begin(reader, cut, order, wholes)
            while begun is not None:
                window = _awaited(begun, Part(run.watch, done))
                begun = self._begin(reader, cut, order, wholes)
                self._work(window, run)
                self._keep(window)
                done += window.plan.calls
        run.watch.finished(self._plan.calls)

    def _cut(self) -> Iterator[Piece]:
        """The calls in pieces that fit a window."""
        plan = self._plan
        total = sum(self._stored_bytes(argument) for argument in plan.arguments)
        tasks = max(1, int(self._size * plan.calls / max(1, total)) // plan.grain)
        for first in range(0, plan.calls, tasks * plan.grain):
            yield from pieces(plan, first, min(first + tasks * plan.grain, plan.calls), self._read)

    def _stored_bytes(self, argument: Argument) -> int:
        array = argument.array
        if array is None or not array.size or is_whole(self._plan, argument):
            return 0
        return 0 if self._stand_ins.region(array) is None else reduced(array).nbytes

    def _begin(
        self, reader: ThreadPoolExecutor, cut: Iterator[Piece], order: Order, wholes: Mapping[int, Array]
    ) -> Future[_Window] | None:
        """Have the next window read."""
        piece = next(cut, None)
        return None if piece is None else reader.submit(self._window, piece, order, dict(wholes))

    def _window(self, piece: Piece, order: Order, wholes: dict[int, Array]) -> _Window:
        given = frozenset(result.name for result in self._plan.outcome.results if result.given)
        parcel = make_parcel(piece, order, given, self._lay)
        plan = open_parcel(order, parcel, self._find, wholes)
        return _Window(piece, parcel, replace(plan, outcome=Outcome((), self._plan.outcome.results)))

    def _lay(self, _: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, _Place]:  # noqa: FBT001 - a `Lay`
        region = self._stand_ins.region(array) if array.size else None
        if region is None:
            return Mould(array.shape, array.strides, array.dtype), _Place(array, None)
        return mould, _Place(None, region, content)

    def _find(self, place: _Place, mould: Mould, _: bool) -> Array:  # noqa: FBT001 - a `Find`
        if place.array is not None:
            return place.array
        assert place.region is not None
        array = fresh(mould)
        if place.content:
            place.region.read(array)
        return array

    def _read(self, view: Array) -> Array:
        """What a view would hold if it were not over a stand-in."""
        region = self._stand_ins.region(view) if view.size else None
        if region is None:
            return view
        array = np.empty(view.shape, view.dtype)
        region.read(array)
        return array

    def _work(self, window: _Window, run: Run) -> None:
        """Make the calls of a window."""
        piece = window.piece
        watch: Any = Part(run.watch, piece.first)  # looks as a watch does
        part = run._replace(plan=window.plan, watch=watch)
        try:
            self._executor.run(part)
        except ChunkError as error:
            if not error.failures:
                raise
            raise chunk_error(run, tuple(piece.in_whole(failure) for failure in error.failures)) from error.__cause__

    def _keep(self, window: _Window) -> None:
        """Write what belongs to stored arrays, and note which elements merging will look at."""
        for argument, part in zip((*window.plan.arguments, window.plan.returned), window.parcel.parts, strict=True):
            if argument is None or part is None or argument.array is None:
                continue
            if part.place.region is not None and argument.written:
                part.place.region.write(argument.array)
        for merge in self._plan.outcome.merges:
            if merge.reduction.operator in LOCATORS:
                assert merge.values is not None  # planned together
                self._note(window, merge.reduction.operands[0], merge.values)

    def _note(self, window: _Window, name: str, values: Array) -> None:
        """Put the elements that returned indices point to into the stand-in, where the merge looks for them."""
        if self._stand_ins.region(values) is None:
            return
        piece, plan = window.piece, window.plan
        assert plan.returned is not None
        assert plan.returned.array is not None  # a locator merges returned values
        read = next(argument.array for argument in plan.arguments if argument.name == name)
        assert read is not None
        starts = np.arange(plan.grid.chunks) * plan.grid.chunk
        indices = np.clip(plan.returned.array.astype(np.int64) + starts, 0, plan.grid.length - 1)
        loops = tuple(slice(begin, begin + extent) for begin, extent in zip(piece.item, plan.loop_shape, strict=True))
        span = slice(piece.start, piece.start + plan.grid.length)
        target = self._stand_ins.writable(values)[(*loops, span)]
        np.put_along_axis(target, indices, np.take_along_axis(read, indices, axis=-1), axis=-1)


def _awaited(window: Future[_Window], watch: Part) -> _Window:
    """A window that is being read; deadline and signals are looked after meanwhile."""
    while not window.done():
        wait([window], watch.patience())
        watch.look(0)
    return window.result()
