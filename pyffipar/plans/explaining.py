"""A plan in words: every parameter's role and why, sizes, the grid, merges, copies, who does the work."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..kinds import Kind
from ..options import Options
from .binding import RETURNED
from .plan import Argument, Plan
from .roles import Role


def explain(plan: Plan, chosen: Options) -> str:
    """What a call with this plan would do.

    Parameters
    ----------
    plan : Plan
    chosen : Options
        Those the call would be made with.

    Returns
    -------
    str
        A paragraph for each question, without a trailing newline.
    """
    return "\n".join([
        " ".join(plan.contract.prototype.text.split()),
        *_table(plan),
        f"sizes: {', '.join(f'{name} = {value}' for name, value in plan.sizes.items()) or 'none'}",
        _lifted(plan),
        _cut(plan),
        f"merge: {'; '.join(_merges(plan)) or 'nothing to merge'}",
        f"copies: {_copies(plan)}",
        _executor(plan, chosen),
    ])  # fmt: skip


def _executor(plan: Plan, chosen: Options) -> str:
    """Who does the work."""
    name = chosen.executor if isinstance(chosen.executor, str) else type(chosen.executor).__name__
    workers = "threads" if name in ("native", "threads", "serial") else "workers"
    return f"executor: {name}, at most {min(chosen.thread_count(), max(1, plan.tasks))} {workers}"


def _table(plan: Plan) -> Iterator[str]:
    """A line for every parameter."""
    null = {argument.name for argument in plan.arguments if argument.kind is Kind.CONSTANT and not argument.value}
    rows = [
        (str(role.parameter), role.word, "NULL in this call" if _is_null(role, null) else role.reason)
        for role in plan.contract.roles
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for declared, word, reason in rows:
        yield f"  {declared:<{widths[0]}}  {word:<{widths[1]}}  {reason}"


def _is_null(role: Role, null: set[str]) -> bool:
    return role.parameter.kind == "array" and role.parameter.name in null


def _lifted(plan: Plan) -> str:
    if not plan.loop_shape:
        return "lifted: no, one item"
    return f"lifted: over {plan.loop_shape}, {math.prod(plan.loop_shape)} items"


def _cut(plan: Plan) -> str:
    split, grid = plan.contract.split, plan.grid
    tasks = f"{plan.calls} calls in {plan.tasks} tasks of {plan.grain}"
    if split is None:
        return f"cut: never; {tasks}"
    if grid.chunks == 1:
        return f"cut: along {split}, 1 chunk of {grid.length}; {tasks}"
    last = grid.length - (grid.chunks - 1) * grid.chunk
    ending = f", the last {last}" if last != grid.chunk else ""
    return f"cut: along {split}, {grid.chunks} chunks of {grid.chunk}{ending}; {tasks}"


def _merges(plan: Plan) -> Iterator[str]:
    """Every merge, in chunk order as they are done."""
    for merge in plan.outcome.merges:
        what = "returned values" if merge.name == RETURNED else merge.name
        yield f"{what} by {merge.reduction} in chunk order"
    for handle in plan.handles:
        if handle.reduction is not None:
            yield f"{handle.name} by {handle.reduction} in task order"


def _copies(plan: Plan) -> str:
    """Bytes that pass through buffers because the function cannot walk the array, chunk by chunk."""
    found = [
        f"{argument.array.nbytes} bytes of {argument.name} ({_why(argument)}), chunk by chunk"
        for argument in plan.arguments
        if argument.kind is Kind.BUFFER and argument.array is not None
    ]
    edges = [f"the ends of {argument.name}" for argument in plan.arguments if argument.boundary is not None]
    return "; ".join(found + edges) or "0 bytes"


def _why(argument: Argument) -> str:
    """What keeps an array from being handed over in place."""
    assert argument.array is not None
    assert argument.scalar is not None  # only buffered arrays are asked about
    if argument.array.dtype != argument.scalar.dtype:
        return f"{argument.array.dtype} for {argument.scalar.name}"
    return "not aligned" if not argument.array.flags.aligned else "not contiguous"
