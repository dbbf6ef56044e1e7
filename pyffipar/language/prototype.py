"""Declaration text → frozen prototypes: brackets and clauses are ours, the C types are read by pycparser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import check_text, did_you_mean
from .clause_reading import read_clauses
from .clauses import LOCATORS, RETURNED, Clauses
from .csyntax import (
    BASE_TYPES,
    KEYWORDS,
    TAGS,
    check_commas,
    declared_name,
    parse,
    without_attributes,
)
from .extents import Extent, read_bracket
from .names import Definition, TypeNames, written_out
from .parameters import Parameter, ParameterReader, bounded
from .scalars import WELL_KNOWN, Scalar
from .tokens import Statement, Token, closing, split_at, statements

MAX_PARAMETERS = 64  # C guarantees 127; libraries stay under 30


@dataclass(frozen=True, slots=True)
class Prototype:
    """A declared foreign function: what its C prototype says and what its clauses add.

    Attributes
    ----------
    name : str
    returns : Scalar or None
        None for ``void``.
    parameters : tuple of Parameter
    clauses : Clauses
    text : str
        The declaration as written, with its ``;``.
    source : str
        The whole text it stands in, and `position` where; for error messages.
    is_variable : bool
        The symbol is a variable that holds the function's address: ``void (*f)(int n, …)``.
    needs : tuple of Definition
        Typedefs, structs and enums it refers to.
    """

    name: str
    returns: Scalar | None
    parameters: tuple[Parameter, ...]
    clauses: Clauses
    text: str
    source: str = field(repr=False)
    position: int = 0
    is_variable: bool = False
    by_name: Mapping[str, Parameter] = field(default_factory=dict, repr=False, compare=False)
    needs: tuple[Definition, ...] = field(default=(), repr=False, compare=False)

    @property
    def whole_text(self) -> str:
        """The declaration behind the definitions it needs: a text that stands by itself."""
        return written_out(self.needs) + self.text


def read_prototypes(text: str, names: TypeNames | None = None) -> list[Prototype]:
    """Read every declaration in `text`.

    Parameters
    ----------
    text : str
        Prototypes with array lengths in the brackets and clauses behind, each closed by ``;``; typedefs, structs and
        enums in between.
    names : TypeNames, optional
        Types known from earlier texts; what this one defines is added.

    Returns
    -------
    list of Prototype

    Raises
    ------
    PrototypeError
        With line and caret, for anything that is no declaration.

    Examples
    --------
    >>> prototype, = read_prototypes("double dot(size_t n, const double x[n], const double y[n]) reduction(+);")
    >>> [str(parameter) for parameter in prototype.parameters]
    ['size_t n', 'const double x[n]', 'const double y[n]']
    """
    check_text("the declaration", text, "the text of C prototypes")
    if "\0" in text:
        Statement(text, (Token("mark", "\0", text.index("\0")),), len(text)).fail("unexpected character '\\x00'")
    known = TypeNames() if names is None else names
    return [_prototype(statement, known) for statement in statements(text) if not known.define(statement)]


def _prototype(statement: Statement, names: TypeNames) -> Prototype:
    tokens, is_variable = _as_function(without_attributes(statement))
    opening = _parameter_list(statement, tokens)
    last = closing(tokens, opening)
    name = tokens[opening - 1]
    parts = split_at(tokens[opening + 1 : last], ",")
    if len(parts) > MAX_PARAMETERS:
        statement.fail(f"{name.text} has {len(parts)} parameters; at most {MAX_PARAMETERS} are read", name.position)
    _check_returnwords(statement, tokens[: opening - 1])
    check_commas(statement, name, parts, tokens[opening + 1 : last])
    hidden = {declared_name(part).text for part in parts}
    constants = {one: value for one, value in names.constants.items() if one not in hidden}
    declared = [(declared_name(part).position, _brackets(statement, part, constants)) for part in parts]
    declaration = parse(statement, tokens[: last + 1])
    clauses = read_clauses(statement, tokens[last + 1 :], names.constants)
    reader = ParameterReader(statement, names)
    parameters = bounded(statement, reader.read(declaration, declared, clauses.directions), clauses)
    returns = reader.returned(declaration, name)
    by_name = {parameter.name: parameter for parameter in parameters}
    prototype = Prototype(
        name.text,
        returns,
        parameters,
        clauses,
        f"{statement.text};",
        statement.source,
        name.position,
        is_variable,
        by_name,
        names.needed(statement.tokens),
    )
    _check_names(statement, prototype)
    return prototype


def _as_function(tokens: tuple[Token, ...]) -> tuple[tuple[Token, ...], bool]:
    """``void (*name)(…)`` as ``void name(…)``, and whether it was written so."""
    for index, token in enumerate(tokens):
        if token.text == "(":
            shape = [following.text for following in tokens[index + 1 : index + 5]]
            if len(shape) == 4 and shape[0] == "*" and shape[2:] == [")", "("]:
                return (*tokens[:index], tokens[index + 2], *tokens[index + 4 :]), True
            break
    return tokens, False


def _parameter_list(statement: Statement, tokens: tuple[Token, ...]) -> int:
    """Index of the ``(`` that opens the parameter list."""
    for index, token in enumerate(tokens):
        if token.text in ("[", "{"):
            break
        if token.text == "(":
            before = tokens[index - 1] if index else None
            if before is None or before.kind != "name" or before.text in KEYWORDS:
                statement.fail("the name of a function was expected before this (", token.position)
            if index == 1:
                statement.fail(f"{before.text} has no return type", before.position)
            return index
    statement.fail("this is no function: return-type name(parameters) clauses; was expected")


def _check_returnwords(statement: Statement, tokens: tuple[Token, ...]) -> None:
    """Macros such as ZEXTERN before the return type would read as types; name them instead."""
    unknown = [
        token for index, token in enumerate(tokens)
        if token.kind == "name" and token.text not in KEYWORDS and (not index or tokens[index - 1].text not in TAGS)
    ]  # fmt: skip
    typed = any(token.text in BASE_TYPES for token in tokens)
    strange = [token for token in unknown if token.text not in WELL_KNOWN]
    if len(unknown) + typed > 1 and strange:
        statement.fail(f"unknown word {strange[0].text} before the return type: leave it out", strange[0].position)


def _brackets(statement: Statement, part: tuple[Token, ...], constants: Mapping[str, int]) -> tuple[Extent, ...] | None:
    """The extents of one parameter; None if it has no brackets. `constants` are enumerators that no parameter hides."""
    extents: list[Extent] = []
    index = 0
    seen = False
    while index < len(part):
        if part[index].text == "(":
            return None
        if part[index].text == "[":
            last = closing(part, index)
            extents += read_bracket(part[index + 1 : last], statement.source, part[index].position, constants)
            seen, index = True, last
        index += 1
    return tuple(extents) if seen else None


def _check_names(statement: Statement, prototype: Prototype) -> None:
    """Every name in a bracket or clause is a parameter of the right kind."""
    for parameter in prototype.parameters:
        for extent in parameter.extents:
            for name in (extent.size, extent.stride):
                if name is not None:
                    _check_integer(statement, prototype, name, extent.position)
    _check_clause_names(statement, prototype, prototype.clauses)


def _check_clause_names(statement: Statement, prototype: Prototype, clauses: Clauses) -> None:
    for name in clauses.reductions:
        if name != RETURNED:
            kind = "handle" if name in clauses.private else "array"
            _check_known(statement, prototype, name, clauses.reductions[name].position, kind)
    for which, kind in _CLAUSE_KINDS.items():
        for name in getattr(clauses, which):
            if name:
                _check_known(
                    statement, prototype, name, clauses.positions[f"{_POSITIONS.get(which, which)} {name}"], kind
                )
    for name, value in clauses.default.items():
        _check_default(statement, prototype, name, is_null=value is None)
    if clauses.split:
        _check_integer(statement, prototype, clauses.split, clauses.positions["split"])
    if clauses.status is not None and isinstance(clauses.status.expected, str):
        _check_integer(statement, prototype, clauses.status.expected, clauses.positions["status"])


# What a parameter must be to stand in a clause, and the word its position is filed under.
_CLAUSE_KINDS = {
    "directions": "array",
    "boundaries": "array",
    "fixed": "value",
    "carry": "value",
    "linear": "value",
    "private": "handle",
}
_POSITIONS = {"directions": "direction", "boundaries": "boundary"}


_WANTED = {
    "array": "an array (it has no brackets)",
    "value": "passed by value",
    "handle": "a handle (a pointer without brackets to a type that is not known)",
}


def _check_known(statement: Statement, prototype: Prototype, name: str, position: int, kind: str) -> None:
    parameter = prototype.by_name.get(name)
    if parameter is None:
        statement.fail(f"{prototype.name} has no parameter {name}{did_you_mean(name, prototype.by_name)}", position)
    if parameter.kind != kind:
        hint = f"; one that may be left out is default({name} = NULL)" if _may_be_null(prototype, parameter) else ""
        statement.fail(f"{name} is not {_WANTED[kind]}{hint}", position)


def _may_be_null(prototype: Prototype, parameter: Parameter) -> bool:
    """Whether a number was given for an array or a handle, which could be NULL."""
    return parameter.name in prototype.clauses.default and parameter.kind != "value" and parameter.direction != "out"


def _check_default(statement: Statement, prototype: Prototype, name: str, *, is_null: bool) -> None:
    """Numbers stand for what is passed by value, NULL for arrays and handles that a function can do without."""
    position = prototype.clauses.positions[f"default {name}"]
    parameter = prototype.by_name.get(name)
    if is_null and parameter is not None and parameter.kind != "value":
        _check_absent(statement, prototype, parameter, position)
        return
    _check_known(statement, prototype, name, position, "value" if not is_null else "array")


def _check_absent(statement: Statement, prototype: Prototype, parameter: Parameter, position: int) -> None:
    """Refuse NULL for an array that something is made of even when nobody passes it."""
    name, reductions = parameter.name, prototype.clauses.reductions
    if parameter.direction == "out":
        statement.fail(f"{name} is an output: one that is left out is made, and never NULL", position)
    if parameter.boundary is not None:
        statement.fail(f"{name} may be NULL, so it has no ends for boundary to make up", position)
    if parameter.kind == "array" and name in reductions:
        statement.fail(f"{name} may be NULL, so there is nothing to merge by {reductions[name]}", position)
    for reduction in reductions.values():
        if reduction.operator in LOCATORS and reduction.operands == (name,):
            statement.fail(f"{name} may be NULL, so {reduction} has no elements to compare", position)


def _check_integer(statement: Statement, prototype: Prototype, name: str, position: int) -> None:
    _check_known(statement, prototype, name, position, "value")
    kind = prototype.by_name[name].scalar
    if kind is None or not kind.is_integer:
        statement.fail(f"{name} is a size, so it must be an integer, not {prototype.by_name[name].spelled}", position)
