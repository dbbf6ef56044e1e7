"""What the tasks of a lazy call do, wherever a scheduler runs them: cut inputs out, make the calls of a piece, fold."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import ChunkError, Failure
from ..executors.base import Run, chunk_error
from ..executors.serving import make_calls
from ..language.clauses import LOCATORS, Reduction
from ..partition import Grid
from ..plans.binding import RETURNED
from ..plans.combine import choose, pointed_at, starting_value
from ..plans.foreign import Foreign
from ..plans.merging import finish
from ..plans.parcels import Find, Mould, Order, Parcel, fresh, open_parcel, over, reduced
from ..plans.pieces import Piece
from ..plans.plan import Merge, Outcome, Plan, Result
from ..watching import Watch

Array = np.ndarray[Any, np.dtype[Any]]
Places = tuple[slice, ...]
Parts = tuple[Array, ...]  # partial results; those that are indices have the elements found behind them


class Sealed:
    """Something that opens where it is used: what fails then is a task's error, not one of whoever carried it."""

    def __init__(self, content: Any, data: bytes | None = None) -> None:
        self._content = content
        self._data = data

    def open(self) -> Any:
        """What is in it."""
        if self._content is None:
            assert self._data is not None  # one of the two is there
            self._content = pickle.loads(self._data)  # noqa: S301 - no more trusted than the scheduler's own pickles
        return self._content

    def __reduce__(self) -> tuple[Callable[..., Sealed], tuple[None, bytes]]:
        return Sealed, (None, self._data or pickle.dumps(self._content, protocol=5))


class Awaited(NamedTuple):
    """An array that is put together from blocks of a lazy one.

    Attributes
    ----------
    where : str
        Named in errors.
    blocks : tuple of (int, tuple of slice)
        Numbers among a task's blocks, and where each belongs.
    extents : tuple of int
        In the lazy array.
    shown : tuple of int
        Dimensions of the lazy array in the order in which the function's has them.
    """

    where: str
    blocks: tuple[tuple[int, Places], ...]
    extents: tuple[int, ...]
    shown: tuple[int, ...]


class Kept(NamedTuple):
    """A result of a piece's calls.

    Attributes
    ----------
    name : str
    reduction : Reduction or None
        How it merges.
    """

    name: str
    reduction: Reduction | None


@dataclass(frozen=True, slots=True)
class Errand:
    """The calls of one task.

    Attributes
    ----------
    parcel : Parcel
        Places are arrays, `Awaited` ones, or None for what the calls write.
    item, start
        As of the `Piece`.
    kept : tuple of Kept
    """

    parcel: Parcel
    item: tuple[int, ...]
    start: int
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """How partial results of all chunks become one result.

    Attributes
    ----------
    foreign : Foreign
    functions : dict
        Those that merge, by name.
    name : str
    reduction : Reduction
    sizes : dict
    grid : Grid
    core : tuple of int
        Shape of the result behind the loop dimensions.
    """

    foreign: Foreign
    functions: Mapping[str, Callable[..., Any]]
    name: str
    reduction: Reduction
    sizes: dict[str, int]
    grid: Grid
    core: tuple[int, ...]


def cut_out(block: Any, places: Places) -> Any:
    """Part of a block; a small one is copied, as it would keep the block alive."""
    part = block[places]
    return part if 2 * part.size > block.size else part.copy()


def perform(sealed: Sealed, errand: Errand, common: list[Any], blocks: list[Any]) -> tuple[Any, ...]:
    """Make the calls of a piece in this thread.

    Parameters
    ----------
    sealed : Sealed
        The order.
    errand : Errand
    common : list of ndarray
        Blocks of what all calls see whole.
    blocks : list of ndarray
        Blocks of this piece's own inputs.

    Returns
    -------
    tuple
        For each of ``errand.kept`` an array, or `Parts`.
    """
    order: Order = sealed.open()
    find_common = _finder(common)
    wholes = {
        number: find_common(part.place, part.mould, False)  # noqa: FBT003 - a `Find`
        for number, part in order.wholes.items()
        if part.mould is not None
    }
    plan = open_parcel(order, errand.parcel, _finder(blocks), wholes)
    for kept in errand.kept:
        if kept.reduction is not None and kept.reduction.operator != "concat" and kept.name != RETURNED:
            array = _array(plan, kept.name)
            array[...] = starting_value(kept.reduction.operator, array.dtype)
    foreign = order.foreign
    with Watch(plan) as watch, foreign.companions.private_handles(plan, 1) as handles:
        run = Run(plan, foreign.symbol, 1, handles, foreign.describe, watch)
        report = make_calls(order, plan, handles, watch)
    if report.failures:
        raise _failed(run, errand, report.failures)
    return tuple(_result(run, errand, kept) for kept in errand.kept)


def _finder(blocks: list[Any]) -> Find:
    def find(place: Any, mould: Mould, written: bool) -> Array:  # noqa: FBT001 - a `Find`
        if isinstance(place, Awaited):
            place = _shaped(place, mould, blocks)
        if place is not None and not written and place.flags.aligned and mould.describes(place):
            return over(place, 0, mould)
        array = fresh(mould)
        if place is not None:
            np.copyto(reduced(array), place)
        return array

    return find


def _shaped(place: Awaited, mould: Mould, blocks: list[Any]) -> Array:
    """Blocks put together, with the dimensions that the function's array has."""
    for number, _ in place.blocks:
        block = blocks[number]
        if not isinstance(block, np.ndarray) or block.dtype != mould.dtype:
            found = getattr(block, "dtype", type(block).__name__)
            raise TypeError(f"{place.where} was said to have dtype {mould.dtype}, but a block of it is {found}")
    if len(place.blocks) == 1:
        whole = blocks[place.blocks[0][0]]
    else:
        whole = np.empty(place.extents, mould.dtype)
        for number, places in place.blocks:
            whole[places] = blocks[number]
    hidden = [dimension for dimension in range(whole.ndim) if dimension not in place.shown]  # of extent 1
    pairs = zip(mould.shape, mould.strides, strict=True)
    shape = [1 if extent and not step else extent for extent, step in pairs]
    part: Array = whole.transpose(*place.shown, *hidden).reshape(shape)
    return part


def _array(plan: Plan, name: str) -> Array:
    arguments = (*plan.arguments, *([plan.returned] if plan.returned else []))
    array = next(argument.array for argument in arguments if argument.name == name)
    assert array is not None  # asked of arrays only
    return array


def _result(run: Run, errand: Errand, kept: Kept) -> Any:
    plan = run.plan
    array = _array(plan, kept.name)
    reduction = kept.reduction
    if reduction is None:
        return array
    if reduction.operator in LOCATORS:
        name = plan.contract.prototype.name
        starts = np.arange(plan.grid.chunks, dtype=np.int64) * plan.grid.chunk
        return array, pointed_at(array, starts, _array(plan, reduction.operands[0]), name)
    if reduction.operator != "concat":
        return (array,)
    merge = Merge(kept.name, reduction, _array(plan, RETURNED), array, keep=False)
    try:
        return finish(plan, Outcome((merge,), (Result(kept.name, array, given=False),)), {})
    except ChunkError as error:
        raise _failed(run, errand, error.failures) from None


def _failed(run: Run, errand: Errand, failures: tuple[Failure, ...]) -> ChunkError:
    """The error for calls that failed, as the whole call counts."""
    piece = Piece(run.plan, 0, errand.item, errand.start)
    return chunk_error(run, tuple(piece.in_whole(failure) for failure in failures))


def take(results: tuple[Any, ...], number: int) -> Any:
    """One of a task's results."""
    return results[number]


def concatenate(axis: int, nodes: list[Parts]) -> Parts:
    """Partial results of neighbours side by side, in order."""
    return tuple(np.concatenate(arrays, axis) for arrays in zip(*nodes, strict=True))


def fold(sealed: Sealed, operands: Mapping[str, Any], axis: int, nodes: list[Parts]) -> Array:
    """Merge the partial results of all chunks, first chunk first, as a call does."""
    how: Fold = sealed.open()
    partials, *found = concatenate(axis, nodes)
    loops = partials.shape[:axis]
    contract = how.foreign.contract
    if found:
        starts = np.arange(how.grid.chunks, dtype=np.int64) * how.grid.chunk
        return choose(how.reduction.operator, partials, starts, found[0], contract.prototype.name)
    into = np.empty((*loops, *how.core), partials.dtype)
    merge = Merge(how.name, how.reduction, partials, into, keep=False, operands=operands)
    plan = Plan(contract, how.sizes, loops, how.grid, 1, 1, (), None, (), Outcome((), ()), (), ())
    return np.asarray(finish(plan, Outcome((merge,), (Result(how.name, into, given=False),)), how.functions))
