"""What each parameter is for, which size calls are cut along, and why; refuses what a declaration leaves open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..language.clauses import LOCATORS, RETURNED, Reduction
from ..language.parameters import Parameter
from ..language.prototype import Prototype
from ..language.scalars import Scalar
from .combine import accepts
from .cutting import arrays, choose_split, fail, joined, leading, sizes_of


@dataclass(frozen=True, slots=True)
class Role:
    """What one parameter is for.

    Attributes
    ----------
    parameter : Parameter
    word : str
        ``size``, ``stride``, ``split``, ``halo``, ``whole``, ``partial``, ``lifted``, ``linear``, ``carry``,
        ``fixed``, ``handle`` or ``private``.
    reason : str
        Why, for a reader.
    """

    parameter: Parameter
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A prototype with every question answered.

    Attributes
    ----------
    prototype : Prototype
    split : str or None
        The size calls are cut along.
    roles : tuple of Role
        One per parameter, in C order.
    arguments : tuple of Parameter
        What a Python caller passes, in order.
    outputs : tuple of Parameter
        Arrays that are allocated and returned, or passed as ``out=``.
    returns_result : bool
        Whether the returned value is one of the results; it is not where it is a status or counts used elements.
    sizes, strides : frozenset of str
        Parameters that are sizes and strides.
    joined : frozenset of str
        Outputs under ``concat``.
    """

    prototype: Prototype
    split: str | None
    roles: tuple[Role, ...]
    arguments: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    returns_result: bool
    sizes: frozenset[str]
    strides: frozenset[str]
    joined: frozenset[str]


def analyse(prototype: Prototype) -> Contract:
    """Give every parameter its role and choose the size to cut along.

    Raises
    ------
    PrototypeError
        Where the declaration leaves a merge or the size to cut along open; the message says how to write it.
    """
    _check_merges(prototype)
    split = choose_split(prototype)
    _check_cut(prototype, split)
    roles = tuple(_role(prototype, parameter, split) for parameter in prototype.parameters)
    known = _known_sizes(prototype)
    arguments = tuple(
        role.parameter
        for role in roles
        if role.parameter.name not in known
        and role.word not in ("fixed", "stride")
        and role.parameter.direction != "out"
    )
    outputs = tuple(parameter for parameter in prototype.parameters if parameter.direction == "out")
    consumed = prototype.clauses.status is not None or (
        joined(prototype) and RETURNED not in prototype.clauses.reductions
    )
    return Contract(
        prototype,
        split,
        roles,
        arguments,
        outputs,
        returns_result=prototype.returns is not None and not consumed,
        sizes=frozenset(sizes_of(prototype)),
        strides=frozenset(strides_of(prototype)),
        joined=frozenset(joined(prototype)),
    )


def strides_of(prototype: Prototype) -> dict[str, str]:
    """Stride parameters and the array each belongs to (the first, where several share one)."""
    found: dict[str, str] = {}
    for parameter in arrays(prototype):
        for extent in parameter.extents:
            if extent.stride is not None:
                found.setdefault(extent.stride, parameter.name)
    return found


def _known_sizes(prototype: Prototype) -> frozenset[str]:
    """Sizes that the arrays a caller must pass determine."""
    optional = prototype.clauses.default  # of arrays: those that may be NULL
    passed = [array for array in arrays(prototype) if array.direction != "out" and array.name not in optional]
    return frozenset(
        extent.size for parameter in passed for extent in parameter.extents if extent.size is not None and extent.factor
    )


def _check_merges(prototype: Prototype) -> None:
    """Reductions stand only where there is something to merge, with an operator its type knows."""
    reductions = prototype.clauses.reductions
    for name, reduction in reductions.items():
        if name == RETURNED:
            element = _returned_element(prototype, reduction)
        else:
            parameter = prototype.by_name[name]
            if parameter.kind == "handle":
                if reduction.is_builtin:
                    fail(prototype, f"{name} is a handle: only a function can merge it", reduction.position)
                if reduction.is_whole:
                    fail(prototype, f"{reduction}: handles merge two at a time, as in g(_, _)", reduction.position)
                continue
            if parameter.direction == "in":
                fail(prototype, f"{name} is an input, so it has no partial results to merge", reduction.position)
            assert parameter.scalar is not None  # arrays have an element type
            element = parameter.scalar
            _check_array_merge(prototype, parameter, reduction)
        if reduction.is_builtin and not accepts(reduction.operator, element.dtype):
            what = name or "the returned value"
            fail(prototype, f"{reduction} does not apply to {what}, which is {element.name}", reduction.position)
    for name in prototype.clauses.private:
        if prototype.by_name[name].kind == "handle" and prototype.clauses.split == "" and name in reductions:
            fail(prototype, f"split() never cuts, so {name} has nothing to merge", reductions[name].position)


def _returned_element(prototype: Prototype, reduction: Reduction) -> Scalar:
    """The type of the returned value that a reduction merges."""
    if prototype.returns is None:
        outputs = [parameter.name for parameter in arrays(prototype) if parameter.direction != "in"]
        example = f"; for an array write reduction({reduction}: {outputs[0]})" if outputs else ""
        fail(prototype, f"returns nothing, so there is nothing to merge{example}", reduction.position)
    if prototype.clauses.status is not None:
        fail(prototype, "the returned value is a status, so there is nothing to merge", reduction.position)
    if reduction.operator == "concat":
        fail(prototype, "concat joins arrays: write reduction(concat: y)", reduction.position)
    if reduction.operator in LOCATORS and not prototype.returns.is_integer:
        fail(prototype, f"{reduction} merges indices, and {prototype.returns.name} is no integer", reduction.position)
    return prototype.returns


def _check_array_merge(prototype: Prototype, parameter: Parameter, reduction: Reduction) -> None:
    """What only some operators can do with an array."""
    name, operator = parameter.name, reduction.operator
    if operator in LOCATORS:
        fail(prototype, f"{reduction} merges a returned index, not the array {name}", reduction.position)
    if parameter.direction == "inout" and operator in ("mean", "first", "last", "concat"):
        fail(prototype, f"{operator} has no place for what {name} held before: make it an output", reduction.position)
    if operator == "concat" and (prototype.returns is None or not prototype.returns.is_integer):
        fail(prototype, f"concat: the function has to return how many elements of {name} it used", reduction.position)
    if operator == "concat" and prototype.clauses.status is not None:
        fail(prototype, "concat: the returned value is a status, so it cannot count elements", reduction.position)
    assert parameter.scalar is not None  # arrays have an element type
    if parameter.scalar.dtype.kind == "V" and operator not in ("first", "last", "concat"):
        fail(prototype, f"{reduction} does not apply to {name}, which holds structs", reduction.position)


def _check_cut(prototype: Prototype, split: str | None) -> None:
    """Clauses that mean something only along the size that is cut."""
    clauses = prototype.clauses
    for parameter in arrays(prototype):
        if parameter.boundary is not None and (split is None or not leading(parameter, split)):
            fail(prototype, f"boundary: {parameter.name} is not cut, so it has no ends to make up", parameter.position)
    for which in ("carry", "linear"):
        for name in getattr(clauses, which):
            if split is None:
                position = clauses.positions[f"{which} {name}"]
                fail(prototype, f"{which}: calls are never cut, so {name} never changes", position)
    for name, step in clauses.linear.items():
        scalar = prototype.by_name[name].scalar
        if scalar is not None and scalar.is_integer and clauses.limits.step % step.denominator:
            fail(
                prototype,
                f"linear: {name} advances by {step}, so chunks begin at multiples of {step.denominator}: "
                f"say chunk(step = {step.denominator})",
                clauses.positions[f"linear {name}"],
            )
    for name, reduction in clauses.reductions.items():
        _check_operands(prototype, name, reduction, split)


def _check_operands(prototype: Prototype, name: str, reduction: Reduction, split: str | None) -> None:
    """What a reduction takes besides partial results."""
    if reduction.operator in LOCATORS:
        _check_locator(prototype, reduction, split)
    if reduction.operator == "concat" and (split is None or not leading(prototype.by_name[name], split)):
        fail(prototype, f"concat: {prototype.by_name[name]} is not led by the size that is cut", reduction.position)
    if reduction.is_builtin:
        return
    for operand in reduction.operands:
        if operand not in ("_", split) and operand not in prototype.by_name:
            fail(prototype, f"{reduction}: there is no parameter {operand}", reduction.position)
        if operand in prototype.by_name and prototype.by_name[operand].kind != "value":
            fail(prototype, f"{reduction}: {operand} is not passed by value", reduction.position)


def _check_locator(prototype: Prototype, reduction: Reduction, split: str | None) -> None:
    """``argmin(x)`` compares elements of x, so there must be one for every index."""
    array = prototype.by_name.get(reduction.operands[0])
    if array is None or array.kind != "array" or array.direction != "in":
        fail(prototype, f"{reduction}: {reduction.operands[0]} is no input array", reduction.position)
    lead = array.extents[0] if array.extents else None
    if (
        len(array.extents) != 1
        or lead is None
        or lead.size != split
        or (lead.factor, lead.offset, lead.lower) != (1, 0, 0)
    ):
        fail(prototype, f"{reduction}: {array} does not hold one element per item", reduction.position)
    if array.scalar is None or array.scalar.dtype.kind not in "biuf":
        fail(prototype, f"{reduction}: elements of {array.name} are not ordered", reduction.position)


def _role(prototype: Prototype, parameter: Parameter, split: str | None) -> Role:
    """The role of one parameter and why it has it."""
    name = parameter.name
    clauses = prototype.clauses
    if name in clauses.fixed:
        return Role(parameter, "fixed", f"always {clauses.fixed[name]}")
    if name in sizes_of(prototype):
        return _size_role(prototype, parameter, split)
    if name in strides_of(prototype):
        return Role(parameter, "stride", f"taken from {strides_of(prototype)[name]}, in elements")
    if parameter.kind == "handle":
        return _handle_role(prototype, parameter)
    if name in clauses.linear:
        return Role(parameter, "linear", f"advances by {clauses.linear[name]} per item of {split}")
    if name in clauses.carry:
        return Role(parameter, "carry", f"the caller's value in the first chunk, {clauses.carry[name]} in all others")
    if parameter.kind == "value":
        return Role(parameter, "lifted", "passed by value: arrays are broadcast over it")
    return _array_role(prototype, parameter, split)


def _array_role(prototype: Prototype, parameter: Parameter, split: str | None) -> Role:
    role = _present_role(prototype, parameter, split)
    if parameter.name in prototype.clauses.default:
        return replace(role, reason=f"{role.reason}; NULL if it is left out")
    return role


def _present_role(prototype: Prototype, parameter: Parameter, split: str | None) -> Role:
    """The role of an array that is not NULL."""
    name = parameter.name
    if name in joined(prototype):
        return Role(parameter, "split", f"led by {split}; the used parts of the chunks are pushed together")
    if name in prototype.clauses.reductions:
        merged = prototype.clauses.reductions[name]
        return Role(parameter, "partial", f"a private copy for every chunk, merged by {merged}")
    lead = leading(parameter, split) if split else None
    if lead is None:
        return Role(parameter, "whole", f"{split} is not in its brackets" if split else "calls are never cut")
    if parameter.boundary is not None:
        beyond = f"{parameter.before} before and {parameter.after} behind"
        return Role(parameter, "halo", f"led by {split}; {beyond} are read, at the ends {parameter.boundary.mode}")
    if lead.offset or lead.lower:
        return Role(parameter, "halo", f"led by {split}; neighbouring chunks share {lead.offset} elements")
    return Role(parameter, "split", f"led by {split}")


def _handle_role(prototype: Prototype, parameter: Parameter) -> Role:
    private = prototype.clauses.private.get(parameter.name)
    if private is None:
        return Role(parameter, "handle", "a pointer without brackets: passed as it is")
    if parameter.name in prototype.clauses.reductions:
        merged = prototype.clauses.reductions[parameter.name]
        return Role(parameter, "private", f"one of {private.clone.name} for every task, merged by {merged}")
    return Role(parameter, "private", f"one of {private.clone.name} for every worker")


def _size_role(prototype: Prototype, parameter: Parameter, split: str | None) -> Role:
    name = parameter.name
    source = next((array.name for array in arrays(prototype) if array.direction != "out" and name in array.sizes), None)
    origin = f"from {source}" if source else "passed by the caller"
    if name == split:
        return Role(parameter, "size", f"{origin}; calls are cut along it, each gets its chunk's length")
    return Role(parameter, "size", origin)
