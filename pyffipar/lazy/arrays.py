"""Calls on dask arrays: a graph of tasks whose results have the bits of the call on the arrays in memory.

The call is planned on memory that stands in for the dask arrays and that nobody touches, so its grid and all that can
be wrong with it are those of a call on NumPy arrays. The plan is cut into pieces at those borders of the grid that lie
next to the borders of dask's chunks. For every piece there is a task, which is given the blocks, or the parts of
blocks, that its calls read; partial results are brought together in the order of the grid, by a tree, and folded at its
root as a call folds them: folded in the branches, sums would have other bits.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..plans.axes import CoreAxes
from ..plans.binding import bind
from ..plans.foreign import Foreign
from ..plans.merging import finish, start
from ..plans.parcels import Mould, check_portable, is_whole, make_order, make_parcel, reduced
from ..plans.pieces import Piece, Span, piece_of
from ..plans.plan import Argument, Merge, Plan, Result
from ..plans.planning import make_plan
from ..streaming import Region, untouched
from .inputs import (
    DaskStandIns,
    check_known,
    check_merges,
    check_results,
    chunk_borders,
    dask_array,
    flat,
    is_dask,
    operands_of,
    overlapping,
    padded_plan,
)
from .tasks import Awaited, Errand, Fold, Kept, Sealed, concatenate, cut_out, fold, perform, take

Array = np.ndarray[Any, np.dtype[Any]]
Functions = Mapping[str, Callable[..., Any]]
Block = tuple[Any, ...]  # a key: a name, then an index

FAN_IN = 16  # partial results that one task puts side by side


def is_asked(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    """Whether a call is given dask arrays; dask has been imported."""
    return any(is_dask(value) for value in flat((*arguments, *keywords.values())))


def call(foreign: Foreign, functions: Functions, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The results of a call as dask arrays; nothing is called.

    Parameters
    ----------
    foreign : Foreign
    functions : dict
        Those that merge, by name.
    arguments, keywords
        As for a call.

    Raises
    ------
    TypeError, ValueError
        As for a call, and for what cannot be put off, or has no meaning on other machines.
    """
    contract = foreign.contract
    stand_ins = DaskStandIns(contract.prototype.name)
    check_known(contract, arguments, keywords)
    bound = bind(contract, stand_ins.arrays(arguments), {name: stand_ins.array(v) for name, v in keywords.items()})
    check_results(contract, bound)
    plan = make_plan(contract, bound, untouched)
    check_portable(plan, "a dask worker", "compute() the dask arrays first")
    check_merges(plan, stand_ins)
    graph = _Graph(plan, foreign, functions, stand_ins) if plan.calls else None
    made = graph.results(bound.axes) if graph else _of_nothing(plan)
    return made[0] if len(made) == 1 else tuple(made)


def _of_nothing(plan: Plan) -> list[Any]:
    """The results of a call that has nothing to do."""
    start(plan)
    found = finish(plan, plan.outcome, {})
    return [dask_array().from_array(np.array(one)) for one in (found if isinstance(found, tuple) else (found,))]


class _Box(NamedTuple):
    """One task's calls, and its place among the tasks."""

    place: tuple[int, ...]
    piece: Piece


class _Graph:
    """The tasks of one call."""

    def __init__(self, plan: Plan, foreign: Foreign, functions: Functions, stand_ins: DaskStandIns) -> None:
        self._stand_ins = stand_ins
        self._plan = padded_plan(plan, stand_ins)
        self._foreign = foreign
        self._functions = functions
        self._name = f"{plan.contract.prototype.name}-{os.urandom(8).hex()}"
        self._tasks: dict[Any, Any] = {}
        self._sources: dict[str, Any] = {}  # dask arrays that tasks read
        self._blocks: list[Block] = []  # of the order or piece that is laid just now
        self._merges = {merge.name: merge for merge in plan.outcome.merges}
        self._kept = tuple(Kept(r.name, self._reduction(r.name)) for r in plan.outcome.results)
        self._borders = self._cut()

    def _reduction(self, name: str) -> Any:
        return self._merges[name].reduction if name in self._merges else None

    def results(self, axes: CoreAxes) -> list[Any]:
        """A dask array for each result."""
        self._make_calls()
        from dask.highlevelgraph import HighLevelGraph

        made = []
        graph = HighLevelGraph.from_collections(self._name, self._tasks, dependencies=list(self._sources.values()))
        for number, result in enumerate(self._plan.outcome.results):
            name = f"{self._name}-{number}"
            blocks, chunks = self._assembled(name, number, result)
            layers = {**graph.layers, name: blocks}
            whole = HighLevelGraph(layers, {**graph.dependencies, name: {self._name}})
            made.append(self._collection(whole, name, chunks, result, axes))
        return made

    def _collection(self, graph: Any, name: str, chunks: Any, result: Result, axes: CoreAxes) -> Any:
        array: Any = dask_array().Array(graph, name, chunks, dtype=result.array.dtype)
        return axes.core_back(result.name, array)  # NumPy leaves to dask what is done with its arrays

    def _cut(self) -> list[list[int]]:
        """Borders of pieces along every loop dimension, and of chunks of the grid."""
        plan = self._plan
        grid = plan.grid
        found: list[set[int]] = [{0, extent} for extent in (*plan.loop_shape, grid.chunks)]
        for argument in plan.arguments:
            array = argument.array
            if array is None or not array.size or argument.written or is_whole(plan, argument):
                continue
            region = self._stand_ins.region(array)
            if region is None:
                continue
            for dimension, borders in chunk_borders(region, array):
                if dimension < len(plan.loop_shape):
                    found[dimension].update(borders)
                elif dimension == len(plan.loop_shape) and argument.factor:
                    nearest = (round(border / (argument.factor * grid.chunk)) for border in borders)
                    found[-1].update(min(chunk, grid.chunks) for chunk in nearest)
        return [sorted(borders) for borders in found]

    def _boxes(self) -> Iterator[_Box]:
        spans = [list(itertools.pairwise(borders)) for borders in self._borders]
        for index in itertools.product(*(range(len(along)) for along in spans)):
            box: list[Span] = [along[place] for along, place in zip(spans, index, strict=True)]
            yield _Box(index, piece_of(self._plan, box))

    def _make_calls(self) -> None:
        """A task for every piece."""
        order = make_order(self._plan, self._foreign, self._lay)
        common = self._taken_blocks()
        sealed = (self._name, "order")
        self._tasks[sealed] = Sealed(order)
        for box in self._boxes():
            parcel = make_parcel(box.piece, order, frozenset(), self._lay)
            errand = Errand(parcel, box.piece.item, box.piece.start, self._kept)
            self._tasks[(self._name, *box.place)] = (perform, sealed, errand, common, self._taken_blocks())

    def _taken_blocks(self) -> list[Block]:
        blocks, self._blocks = self._blocks, []
        return blocks

    def _lay(self, argument: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, Any]:  # noqa: FBT001 - a `Lay`
        if argument.written or not content:
            return mould, None
        region = self._stand_ins.region(array) if array.size else None
        if region is None:
            return mould, np.asarray(reduced(array), order="C")
        where = f"{self._plan.contract.prototype.name}: {argument.name}"
        extents = tuple(place.stop - place.start for place in region.places)
        return mould, Awaited(where, tuple(self._wanted(region)), extents, region.shown)

    def _wanted(self, region: Region) -> Iterator[tuple[int, tuple[slice, ...]]]:
        """Have the blocks of a region brought; numbers among them, and where each belongs."""
        source = region.stored
        self._sources[source.name] = source
        along = [list(overlapping(chunks, place)) for chunks, place in zip(source.chunks, region.places, strict=True)]
        for parts in itertools.product(*along):
            key: Block = (source.name, *(number for number, _, _ in parts))
            inner = tuple(inside for _, inside, _ in parts)
            lengths = [chunks[number] for chunks, (number, _, _) in zip(source.chunks, parts, strict=True)]
            if any(place != slice(0, length) for place, length in zip(inner, lengths, strict=True)):
                part = (self._name, f"{inner} of {key}")
                self._tasks[part] = (cut_out, key, inner)
                key = part
            yield len(self._blocks), tuple(outside for _, _, outside in parts)
            self._blocks.append(key)

    def _assembled(self, name: str, number: int, result: Result) -> tuple[dict[Any, Any], Any]:
        """The tasks and chunks of one result."""
        loops = len(self._plan.loop_shape)
        shape = self._raw_shape(result.name)
        chunks: list[tuple[Any, ...]] = [_lengths(borders) for borders in self._borders[:loops]]
        chunks += [(extent,) for extent in shape[loops:]]
        reduction = self._reduction(result.name)
        if reduction is not None and reduction.operator != "concat":
            return self._folded(name, number, result.name), tuple(chunks)
        cut: tuple[float, ...] = self._cut_lengths(result.name)
        if reduction is not None:  # as long as what is found
            cut = (np.nan,) * (len(self._borders[-1]) - 1)
        if cut:
            chunks[loops] = cut
        behind = (0,) * (len(shape) - loops - bool(cut))
        blocks: dict[Any, Any] = {}
        for index in itertools.product(*(range(len(borders) - 1) for borders in self._borders)):
            key = (name, *index, *behind) if cut else (name, *index[:-1], *behind)
            blocks[key] = (take, (self._name, *index), number)
        return blocks, tuple(chunks)

    def _argument(self, name: str) -> Argument:
        arguments = (*self._plan.arguments, *([self._plan.returned] if self._plan.returned else []))
        return next(argument for argument in arguments if argument.name == name)

    def _raw_shape(self, name: str) -> tuple[int, ...]:
        """A result's shape before its core is moved to where the caller has it."""
        array = self._merges[name].into if name in self._merges else self._argument(name).array
        assert array is not None  # a result
        shape: tuple[int, ...] = array.shape
        return shape

    def _cut_lengths(self, name: str) -> tuple[int, ...]:
        """What pieces write of a result that is cut, along its leading core dimension."""
        factor = self._argument(name).factor
        if not factor:
            return ()
        grid = self._plan.grid
        return tuple(factor * one for one in _lengths([min(c * grid.chunk, grid.length) for c in self._borders[-1]]))

    def _folded(self, name: str, number: int, result: str) -> dict[Any, Any]:
        """Tasks that bring the partial results of each item's chunks together and fold them."""
        plan, merge = self._plan, self._merges[result]
        loops = len(plan.loop_shape)
        core = merge.into.shape[loops:]
        blocks: dict[Any, Any] = {}
        mergers = {name: function for name, function in self._functions.items() if name == merge.reduction.operator}
        how = Fold(self._foreign, mergers, result, merge.reduction, plan.sizes, plan.grid, core)
        blocks[(name, "how")] = Sealed(how)
        spans = [list(itertools.pairwise(borders)) for borders in self._borders[:loops]]
        for index in itertools.product(*(range(len(along)) for along in spans)):
            box = tuple(slice(*along[place]) for along, place in zip(spans, index, strict=True))
            nodes: list[Any] = []
            for chunk in range(len(self._borders[-1]) - 1):
                nodes.append((name, "partial", *index, chunk))
                blocks[nodes[-1]] = (take, (self._name, *index, chunk), number)
            for level in itertools.count():
                if len(nodes) <= FAN_IN:
                    break
                groups = [nodes[first : first + FAN_IN] for first in range(0, len(nodes), FAN_IN)]
                nodes = [(name, "joined", *index, level, place) for place in range(len(groups))]
                blocks.update({node: (concatenate, loops, group) for node, group in zip(nodes, groups, strict=True)})
            operands = {one: _of_box(merge, one, box) for one in operands_of(merge)}
            blocks[(name, *index, *(0 for _ in core))] = (fold, (name, "how"), operands, loops, nodes)
        return blocks


def _of_box(merge: Merge, name: str, box: tuple[slice, ...]) -> Any:
    """What a merging function takes by name, for some items: lifted numbers have one for each."""
    assert merge.operands is not None  # it takes some
    value = merge.operands[name]
    return value[box] if isinstance(value, np.ndarray) and value.ndim else value


def _lengths(borders: list[int]) -> tuple[int, ...]:
    return tuple(last - first for first, last in itertools.pairwise(borders))
