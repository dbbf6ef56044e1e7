"""Which size calls are cut along: what stands in the way, and what a declaration would have to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ..errors import PrototypeError
from ..language.clauses import RETURNED
from ..language.extents import Extent
from ..language.parameters import Parameter
from ..language.prototype import Prototype


def fail(prototype: Prototype, message: str, position: int | None = None) -> NoReturn:
    """Refuse a declaration, pointing at its name or at `position`."""
    here = prototype.position if position is None else position
    raise PrototypeError(f"{prototype.name}: {message}", prototype.source, here)


def sizes_of(prototype: Prototype) -> tuple[str, ...]:
    """Every size of the prototype, in the order of its parameters."""
    named = frozenset(name for parameter in prototype.parameters for name in parameter.sizes)
    named |= {prototype.clauses.split or ""}
    return tuple(parameter.name for parameter in prototype.parameters if parameter.name in named)


def joined(prototype: Prototype) -> tuple[str, ...]:
    """Outputs under ``concat``: the returned value says how much of each chunk is used."""
    reductions = prototype.clauses.reductions
    return tuple(name for name, reduction in reductions.items() if reduction.operator == "concat")


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Something in the way of cutting along a size; `fix` is a clause that would remove it, if one would."""

    text: str
    position: int
    fix: str = ""


def choose_split(prototype: Prototype) -> str | None:
    """The size to cut along; None if calls are never cut.

    Raises
    ------
    PrototypeError
        Where several sizes could be, or where a cut would leave results without a rule for putting them together.
    """
    clauses = prototype.clauses
    merging = [name for name in clauses.reductions if name not in clauses.private]  # private handles merge by task
    if clauses.split == "":
        if merging:
            fail(prototype, "split() never cuts, so a reduction has nothing to merge", clauses.positions["reduction"])
        return None
    if clauses.split is not None:
        obstacles = [*_shape_obstacles(prototype, clauses.split), *_merge_obstacles(prototype, clauses.split)]
        if obstacles:
            fail(prototype, f"cannot be cut along {clauses.split}: {obstacles[0].text}", obstacles[0].position)
        return clauses.split
    candidates = [name for name in sizes_of(prototype) if _leads_input(prototype, name)]
    shaped = [name for name in candidates if not any(_shape_obstacles(prototype, name))]
    free = [name for name in shaped if not any(_merge_obstacles(prototype, name))]
    if len(free) == 1:
        return free[0]
    if free:
        choices = " or ".join(f"split({name})" for name in free)
        fail(prototype, f"can be cut along {' and along '.join(free)}: say {choices}, or split() to call it whole")
    if shaped:
        _fail_unmerged(prototype, shaped)
    if merging:
        why = [obstacle.text for name in candidates for obstacle in _shape_obstacles(prototype, name)]
        reason = f" ({why[0]})" if why else ""
        fail(
            prototype,
            f"no size can be cut{reason}, so a reduction has nothing to merge",
            clauses.positions["reduction"],
        )
    return None


def _fail_unmerged(prototype: Prototype, shaped: list[str]) -> NoReturn:
    """Refuse a declaration that could be cut if it said how the pieces merge."""
    name = shaped[0]
    obstacle = next(_merge_obstacles(prototype, name))
    fix = f"say {obstacle.fix}, or split() to call it whole" if obstacle.fix else "say split() to call it whole"
    fail(prototype, f"would be cut along {name}, but {obstacle.text}: {fix}", obstacle.position)


def arrays(prototype: Prototype) -> Iterator[Parameter]:
    """The parameters with brackets."""
    return (parameter for parameter in prototype.parameters if parameter.kind == "array")


def leading(parameter: Parameter, size: str) -> Extent | None:
    """The first extent of `parameter` if it depends on `size`."""
    if parameter.extents and parameter.extents[0].size == size and parameter.extents[0].factor:
        return parameter.extents[0]
    return None


def _leads_input(prototype: Prototype, size: str) -> bool:
    """Whether an array that is read is led by `size`: what a function makes from nothing may depend on where it is."""
    return any(leading(parameter, size) and parameter.direction != "out" for parameter in arrays(prototype))


def _shape_obstacles(prototype: Prototype, size: str) -> Iterator[_Obstacle]:
    """Places of `size` in brackets that forbid a cut, whatever clauses say."""
    for parameter in arrays(prototype):
        name = parameter.name
        if any(extent.size == size for extent in parameter.extents[1:]):
            yield _Obstacle(f"{size} is not the leading dimension of {parameter}", parameter.position)
        lead = leading(parameter, size)
        if lead is None:
            continue
        if name in prototype.clauses.reductions and name not in joined(prototype):
            yield _Obstacle(f"{name} is under a reduction, so every chunk gets a copy of all of it", parameter.position)
        if lead.offset < 0:
            yield _Obstacle(
                f"{parameter} has fewer elements than items, so chunks would leave gaps "
                f"(count the items of the shorter array instead)",
                parameter.position,
            )
        if parameter.direction != "in" and (lead.offset > 0 or lead.lower):
            yield _Obstacle(f"neighbouring chunks would both write the overlap of {parameter}", parameter.position)


def _merge_obstacles(prototype: Prototype, size: str) -> Iterator[_Obstacle]:
    """Results that would come in pieces without a rule for putting them together."""
    reductions = prototype.clauses.reductions
    consumed = prototype.clauses.status is not None or bool(joined(prototype))
    if prototype.returns is not None and RETURNED not in reductions and not consumed:
        text = f"it returns {prototype.returns.name} and does not say how partial results merge"
        yield _Obstacle(text, prototype.position, "reduction(+) or another operator")
    for parameter in arrays(prototype):
        if parameter.direction == "in" or parameter.name in reductions or leading(parameter, size):
            continue
        text = f"{parameter} is written whole by every chunk"
        yield _Obstacle(text, parameter.position, f"reduction(+: {parameter.name}) or another operator")
