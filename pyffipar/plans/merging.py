"""Before and after the calls of a plan: fill private copies, merge partial results in chunk order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ChunkError, Failure
from ..language.clauses import LOCATORS
from ..partition import Grid
from .binding import RETURNED
from .combine import are_sums, fold_arrays, fold_values, identity, join, locate, starting_value
from .plan import Merge, Outcome, Plan, Result

Array = np.ndarray[Any, np.dtype[Any]]
Functions = Mapping[str, Callable[..., Any]]  # merging functions by name


def has_copies(plan: Plan) -> bool:
    """Whether there are private copies, which have to be filled before every run."""
    return any(map(_is_copied, plan.outcome.merges))


def _is_copied(merge: Merge) -> bool:
    return merge.name != RETURNED and merge.reduction.operator != "concat"


def start(plan: Plan) -> None:
    """Fill private copies with the value that changes nothing; before every run."""
    for merge in plan.outcome.merges:
        if _is_copied(merge):
            merge.partials[...] = starting_value(merge.reduction.operator, merge.partials.dtype, keep=merge.keep)


def finish(plan: Plan, outcome: Outcome, functions: Functions) -> Any:
    """Merge the partial results, first chunk first, and hand out what the caller gets.

    Returns
    -------
    object
        The only result, a tuple of several, or None; results without dimensions are NumPy scalars.
    """
    joined: dict[str, Array] = {}
    if outcome.merges:
        _merge_all(plan, outcome.merges, joined, functions)
    if len(outcome.results) == 1:
        return _handed_out(outcome.results[0], joined)
    return tuple([_handed_out(result, joined) for result in outcome.results]) or None


def ending(plan: Plan, functions: Functions) -> Callable[[object], Any] | Array:
    """`finish` for a plan that is carried out again and again on the same arrays: what can be decided is.

    What it is given is of no use to it, but who calls it gives something. Or, of a sum, what is to be added up.
    """
    merges, results = plan.outcome
    values = [not (result.given or result.array.ndim) for result in results]
    if values == [True] and len(merges) == 1 and is_fold(merges[0]) and plan.calls:
        return folder(plan, merges[0])
    if merges or any(values):
        return lambda _: finish(plan, plan.outcome, functions)
    same = finish(plan, plan.outcome, functions)
    return lambda _: same


def _merge_all(plan: Plan, merges: tuple[Merge, ...], joined: dict[str, Array], functions: Functions) -> None:
    """Merge into the arrays that results are; what was joined is kept by name."""
    starts, lengths = _spans(plan.grid)
    for merge in merges:
        if not plan.calls:
            _merge_nothing(merge, joined)
        elif merge.reduction.operator == "concat":
            joined[merge.name] = _join(plan, merge, starts, lengths)
        else:
            _merge(plan, merge, starts, lengths, functions)


@lru_cache(maxsize=256)
def _spans(grid: Grid) -> tuple[Array, Array]:
    """Start and length of every chunk."""
    starts = np.arange(grid.chunks, dtype=np.int64) * grid.chunk
    lengths = np.minimum(starts + grid.chunk, grid.length) - starts
    starts.flags.writeable = lengths.flags.writeable = False  # shared by all calls with this grid
    return starts, lengths


def is_fold(merge: Merge) -> bool:
    """Whether returned values become one by an operator alone, whatever the call's arguments."""
    reduction = merge.reduction
    is_operator = reduction.is_builtin and reduction.operator not in LOCATORS and reduction.operator != "concat"
    return merge.name == RETURNED and is_operator and not reduction.is_whole


def folder(plan: Plan, merge: Merge) -> Callable[[object], Any] | Array:
    """What makes one scalar of the returned values of all chunks, where `is_fold` says that nothing else is needed.

    Or what is to be added up, as of `ending`.
    """
    _, lengths = _spans(plan.grid)
    operator, partials, name = merge.reduction.operator, merge.partials, plan.contract.prototype.name
    if are_sums(operator, partials) and partials.flags.c_contiguous:
        return partials
    return lambda _: fold_values(operator, partials, lengths, name)[()]


def _handed_out(result: Result, joined: dict[str, Array]) -> Any:
    """A result as the caller gets it: a new one without dimensions is a scalar, as in NumPy."""
    name, array, given = result
    array = joined.get(name, array)
    return array if array.ndim or given else array[()]


def _merge_nothing(merge: Merge, joined: dict[str, Array]) -> None:
    """The result of no calls at all."""
    if merge.reduction.operator == "concat":
        joined[merge.name] = merge.into[:0]
    elif not merge.keep and merge.into.size:  # of no items there may be no identity either
        merge.into[...] = identity(merge.reduction.operator, merge.into.dtype)


def _merge(plan: Plan, merge: Merge, starts: Array, lengths: Array, functions: Functions) -> None:
    name = plan.contract.prototype.name
    operator = merge.reduction.operator
    merger = None if merge.reduction.is_builtin else _merger(plan, merge, functions)
    if operator in LOCATORS:
        assert merge.values is not None  # planned together
        merge.into[...] = locate(operator, merge.partials, starts, merge.values, name)
    elif merge.reduction.is_whole:
        _merge_whole(plan, merge, functions)
    elif merge.name == RETURNED:
        merge.into[...] = fold_values(operator, merge.partials, lengths, name, merger)
    else:
        chunks = np.moveaxis(merge.partials, len(plan.loop_shape), 0)
        fold_arrays(operator, chunks, lengths, merge.into, name, keep=merge.keep, merger=merger)


def _merger(plan: Plan, merge: Merge, functions: Functions) -> Callable[..., Any]:
    """A function with its operands in place, as ``(earlier, later, length) -> merged``."""
    function = functions[merge.reduction.operator]

    def merged(earlier: Any, later: Any, length: int) -> Any:
        partials = iter((earlier, later))
        known = dict(merge.operands or {})
        if plan.contract.split:
            known[plan.contract.split] = length
        operands = [next(partials) if operand == "_" else known[operand] for operand in merge.reduction.operands]
        try:
            return function(*operands)
        except Exception as error:
            name = plan.contract.prototype.name
            text = f"merging by {merge.reduction} failed: {type(error).__name__}: {error}"
            raise ChunkError(f"{name}: {text}", name) from error

    return merged


def _merge_whole(plan: Plan, merge: Merge, functions: Functions) -> None:
    """Hand all partial results to one call of a function, with the chunks as its leading core dimension."""
    axis = len(plan.loop_shape)
    partials = merge.partials
    if merge.keep:
        partials = np.concatenate([np.expand_dims(np.asarray(merge.into, partials.dtype), axis), partials], axis)
    if partials.shape[axis] == 1:
        merge.into[...] = np.take(partials, 0, axis)
        return
    known = merge.operands or {}
    operands = [partials if operand == "_" else known[operand] for operand in merge.reduction.operands]
    try:
        merge.into[...] = functions[merge.reduction.operator](*operands)
    except Exception as error:
        name = plan.contract.prototype.name
        text = f"merging by {merge.reduction} failed: {type(error).__name__}: {error}"
        raise ChunkError(f"{name}: {text}", name) from error


def _join(plan: Plan, merge: Merge, starts: Array, lengths: Array) -> Array:
    """Push the used parts of the chunks together, once they are known to be parts."""
    argument = next(argument for argument in plan.arguments if argument.name == merge.name)
    capacity = lengths * argument.factor
    used = merge.partials.astype(np.int64)
    for chunk in np.flatnonzero((used < 0) | (used > capacity)).tolist():
        start, stop = plan.grid.span(chunk)
        name = plan.contract.prototype.name
        text = f"returned {used[chunk]}, but its chunk of {merge.name} has {capacity[chunk]} elements"
        failure = Failure((), start, stop, int(used[chunk]), 0, text)
        raise ChunkError(f"{name} on {plan.contract.split} = {start} … {stop} {text}", name, (failure,))
    return join(merge.into, starts * argument.factor, used)
