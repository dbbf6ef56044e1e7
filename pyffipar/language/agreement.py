"""A function as its header has it, and whether what a contract says about it agrees."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from .csyntax import declared_name, parse
from .header_types import ENUM, VOID, HeaderTypes, arguments
from .headers import Declared
from .tokens import Statement, Token, closing, split_at, statements

# In a contract these stand for any pointer,
_ADDRESSES = ("uintptr_t", "intptr_t")
# and ``void`` for whatever a pointer leads to, as it does in C.
_NUMBER = re.compile(r"\(*(0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*\)*")

Fail = Callable[[str, int], NoReturn]


@dataclass(frozen=True, slots=True)
class HeaderFunction:
    """A function as its header has it.

    Attributes
    ----------
    declared : Declared
    node : object
        pycparser's, of the whole declaration.
    parameters : list
        pycparser's nodes.
    parts : list of tuple of Token
        What stands between the commas.
    is_open : bool
        Whether it takes any number of arguments.
    """

    declared: Declared
    node: Any
    parameters: list[Any]
    parts: list[tuple[Token, ...]]
    is_open: bool

    def __str__(self) -> str:
        return f"{self.declared.place}:\n    {self.declared.text};"

    @property
    def names(self) -> list[str]:
        """Of its parameters, without the underscores in front that the C library's headers have; some may be empty."""
        return [(node.name or "").lstrip("_") for node in self.parameters]

    def brackets(self, number: int) -> list[tuple[Token, ...]]:
        """What stands in the brackets of a parameter."""
        return _insides(self.parts[number])


def read_function(declared: Declared) -> HeaderFunction:
    """Read a function's declaration.

    Raises
    ------
    PrototypeError
        If it is no plain C.
    """
    (statement,) = statements(f"{declared.text};")
    node = parse_function(statement)
    inside = _inside(statement.tokens)
    is_open = any(token.text == "..." for token in inside)
    return HeaderFunction(declared, node, arguments(node.type), between_commas(inside), is_open)


def parse_function(statement: Statement) -> Any:
    """The node that pycparser makes of a declaration, clauses left out."""
    opening = _opening(statement.tokens)
    for index, token in enumerate(statement.tokens[:opening]):
        if token.text in ("[", "{") and closing(statement.tokens, index) > opening:
            statement.fail("this is no function: return-type name(parameters) clauses; was expected", token.position)
    return parse(statement, statement.tokens[: closing(statement.tokens, opening) + 1])


def _opening(tokens: tuple[Token, ...]) -> int:
    return next(index for index, token in enumerate(tokens) if token.text == "(")


def _inside(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """What stands in the brackets behind a function's name."""
    opening = _opening(tokens)
    return tokens[opening + 1 : closing(tokens, opening)]


def between_commas(inside: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """The parameters; none for ``(void)``."""
    return [] if [token.text for token in inside] == ["void"] else split_at(inside, ",")


def _insides(part: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """What stands in each pair of brackets of one parameter."""
    found = []
    index = 0
    while index < len(part) and part[index].text != "(":
        if part[index].text == "[":
            last = closing(part, index)
            found.append(part[index + 1 : last])
            index = last
        index += 1
    return found


def check_names(parts: list[tuple[Token, ...]], theirs: HeaderFunction, fail: Fail) -> None:
    """Refuse parameters that bear each other's names: places decide, so that would mix them up."""
    for number, part in enumerate(parts):
        name = declared_name(part)
        there = theirs.names.index(name.text) if name.text in theirs.names else number
        if there != number:
            fail(f"{name.text} is parameter {number + 1} here, but parameter {there + 1} in {theirs}", name.position)


def check_brackets(parts: list[tuple[Token, ...]], theirs: HeaderFunction, fail: Fail) -> None:
    """Refuse brackets that contradict those of the header, where these hold numbers."""
    names = {declared_name(part).text for part in parts}
    for number, part in enumerate(parts):
        mine, known = _insides(part), [_number(inside) for inside in theirs.brackets(number)]
        if not mine or not any(known):
            continue
        agree = len(mine) == len(known) and all(
            wanted in (None, _number(inside) or wanted) and not (wanted and names.intersection(_texts(inside)))
            for inside, wanted in zip(mine, known, strict=True)
        )
        if not agree:
            shown = "".join(f"[{' '.join(_texts(inside))}]" for inside in theirs.brackets(number))
            fail(f"{declared_name(part).text} has the brackets {shown} in {theirs}", part[0].position)


def _texts(tokens: tuple[Token, ...]) -> list[str]:
    return [token.text for token in tokens]


def _number(inside: tuple[Token, ...]) -> int | None:
    """The number that stands in brackets; None if it is something else."""
    match = _NUMBER.fullmatch("".join(_texts(inside)))
    return int(match[1], 0) if match else None


def check_types(statement: Statement, mine: Any, theirs: HeaderFunction, types: HeaderTypes) -> None:
    """Refuse types that contradict those of the header.

    Parameters
    ----------
    statement : Statement
        The completed declaration.
    mine : object
        pycparser's node of it.
    theirs : HeaderFunction
    types : HeaderTypes
    """
    name = str(mine.name)
    parts = between_commas(_inside(statement.tokens))
    if not _agree(types, mine.type.type, theirs.node.type.type, is_handle=False) and not _is_unneeded(
        mine, theirs, types
    ):
        given = types.spelled(mine.type.type, "").strip()
        wanted = types.spelled(theirs.node.type.type, "").strip()
        statement.fail(f"{name}: returns {given} here, but {wanted} in {theirs}")
    pairs = zip(arguments(mine.type), theirs.parameters, parts, theirs.parts, strict=True)
    for node, other, part, their_part in pairs:
        if _agree(types, node.type, other.type, is_handle=not _insides(part)):
            continue
        given, wanted = (_written(tokens) for tokens in (part, their_part))
        hint = _hint(types, node, other)
        statement.fail(f"{name}: {given} here{hint}, but {wanted} in {theirs}", part[0].position)


def _is_unneeded(mine: Any, theirs: HeaderFunction, types: HeaderTypes) -> bool:
    """Whether a returned pointer is left out: ``void`` in place of it."""
    return types.shape(mine.type.type) == VOID and types.shape(theirs.node.type.type)[0] == "pointer"


def _written(part: tuple[Token, ...]) -> str:
    text = " ".join(_texts(part))
    return re.sub(r" (?=[\[\])])|(?<=[*\[(]) ", "", text)


def _hint(types: HeaderTypes, mine: Any, theirs: Any) -> str:
    """What to do where only const is different."""
    given, wanted = types.shape(mine.type), types.shape(theirs.type)
    if given[0] == wanted[0] == "pointer" and given[2] == wanted[2] and given[1]:
        return f" (leave const out and say in({mine.name}))"
    return ""


def _agree(types: HeaderTypes, mine: Any, theirs: Any, *, is_handle: bool) -> bool:
    """Whether two types are the same to a caller."""
    given, wanted = types.shape(mine), types.shape(theirs)
    if given[0] == wanted[0] == "pointer":
        _, const, target = given
        _, their_const, their_target = wanted
        return (is_handle or const == their_const) and (VOID in (target, their_target) or target == their_target)
    if wanted[0] == "pointer":
        return getattr(getattr(mine, "type", None), "names", [""])[0] in _ADDRESSES
    if wanted[0] == "function":  # a parameter declared as a function is a pointer to one
        return given in (wanted, ("pointer", False, wanted), ("pointer", False, VOID))
    return given == wanted or (wanted == ENUM and given in (("value", "int"), ("value", "unsigned int")))
