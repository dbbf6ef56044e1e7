"""C syntax: which words are types, and a prototype's tree as pycparser reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from ..system import forking
from .tokens import Statement, Token, closing

BASE_TYPES = frozenset(("void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "_Bool"))
KEYWORDS = BASE_TYPES | {"_Complex", "const", "restrict", "volatile", "struct", "union", "enum", "extern", "static"}
KEYWORDS |= {"inline", "register"}
TAGS = frozenset(("struct", "union", "enum"))

# Compiler extensions that say nothing about the call.
_ERASED = frozenset(("__restrict", "__restrict__", "__inline", "__inline__", "__extension__"))
_ATTRIBUTES = frozenset(("__attribute__", "__attribute", "__asm__", "__declspec"))

_PARSER_LOCK = forking.Lock()  # pycparser keeps state between tokens


def parse(statement: Statement, tokens: tuple[Token, ...]) -> Any:
    """Hand the prototype to pycparser, every bracket made ``[1]`` and every foreign type name made known."""
    from pycparser import c_parser  # 40 ms: only when something is declared

    names = sorted(_type_names(tokens))
    prefix = "".join(f"typedef int {name};" for name in names)
    body = _blanked(statement, tokens)
    try:
        with _PARSER_LOCK:
            tree = c_parser.CParser().parse(f"{prefix}\n{body};", "declaration")
    except (c_parser.ParseError, RecursionError) as error:
        _fail_to_parse(statement, str(error))
    function = tree.ext[-1]
    if type(function.type).__name__ != "FuncDecl":
        statement.fail("this is no function: return-type name(parameters) clauses; was expected")
    return function


def parse_definition(statement: Statement, known: Iterable[str]) -> list[Any]:
    """Hand a typedef, struct or enum to pycparser: a node for every name; `known` are the type names it may use."""
    from pycparser import c_parser  # as above

    used = {token.text for token in statement.tokens[:-1]}
    names = used.intersection(known) | set(_member_types(statement.tokens))
    prefix = "".join(f"typedef int {name};" for name in sorted(names))
    body = _spread(statement.source, statement.tokens)
    try:
        with _PARSER_LOCK:
            tree = c_parser.CParser().parse(f"{prefix}\n{body};", "declaration")
    except (c_parser.ParseError, RecursionError) as error:
        _fail_to_parse(statement, str(error))
    return list(tree.ext[len(names) :])


def _member_types(tokens: tuple[Token, ...]) -> Iterator[str]:
    """Names that stand for the type of a member or typedef, known or not: what they are is looked into later."""
    for before, token, behind in zip(tokens, tokens[1:], tokens[2:], strict=False):
        stands = before.text in ("{", ";", "(", ",", "const", "typedef") and (
            behind.kind == "name" or behind.text == "*"
        )
        if stands and token.kind == "name" and token.text not in KEYWORDS:
            yield token.text


def _spread(source: str, tokens: Iterable[Token]) -> str:
    """The tokens at their places, with spaces in place of all else."""
    kept: list[str] = []
    place: int | None = None
    for token in tokens:
        between = "" if place is None else re.sub(r"[^\n]", " ", source[place : token.position])
        kept.append(between + token.text)
        place = token.end
    return "".join(kept)


def _type_names(tokens: tuple[Token, ...]) -> set[str]:
    """Names that stand where a type is expected."""
    found: set[str] = set()
    expecting = True
    for index, token in enumerate(tokens):
        if token.text in ("(", ","):
            expecting = True
        elif token.text in BASE_TYPES or token.text in TAGS or token.text in ("_Complex", "*"):
            expecting = False
        elif token.kind == "name" and token.text not in KEYWORDS:
            follows = tokens[index + 1] if index + 1 < len(tokens) else token
            if expecting and (follows.kind == "name" or follows.text in ("*", ")", ",", "(")):
                found.add(token.text)
            expecting = False
    return found


def _blanked(statement: Statement, tokens: tuple[Token, ...]) -> str:
    """The prototype with every token at its place, and ``1`` for whatever stands in brackets."""
    start = tokens[0].position
    kept = []
    place = start
    index = 0
    while index < len(tokens):
        token = tokens[index]
        kept.append(re.sub(r"[^\n]", " ", statement.source[place : token.position]) + token.text)
        place = token.end
        if token.text == "[":
            index = closing(tokens, index)
            kept.append("1" + re.sub(r"[^\n]", " ", statement.source[place : tokens[index].position])[1:] + "]")
            place = tokens[index].end
        index += 1
    return "".join(kept)


def _fail_to_parse(statement: Statement, said: str) -> NoReturn:
    """Turn pycparser's line and column into a position in the user's own text."""
    match = re.match(r"(?:declaration)?:(\d+):(\d+):\s*(.*)", said, re.DOTALL)
    if match is None or int(match[1]) < 2:
        statement.fail(f"this is no C prototype ({said.strip(': ')})")
    start = statement.tokens[0].position
    for _ in range(int(match[1]) - 2):
        start = statement.source.index("\n", start) + 1
    statement.fail(f"this is no C prototype ({match[3]})", min(start + int(match[2]) - 1, statement.end))


def type_words(node: Any) -> tuple[list[str], bool]:
    """The words of a type and whether it is const."""
    kind = type(node.type).__name__
    if kind == "IdentifierType":
        return list(node.type.names), "const" in node.quals
    if kind == "Enum":
        return ["int"], "const" in node.quals
    return [kind.lower(), str(node.type.name)], "const" in node.quals


def is_void(node: Any) -> bool:
    """Whether a node is plain ``void``."""
    return type(node).__name__ == "TypeDecl" and getattr(node.type, "names", None) == ["void"]


def without_attributes(statement: Statement) -> tuple[Token, ...]:
    """The tokens less compiler extensions that say nothing about the call."""
    kept: list[Token] = []
    tokens = statement.tokens
    index = 0
    while index < len(tokens):
        if tokens[index].text in _ATTRIBUTES and index + 1 < len(tokens) and tokens[index + 1].text == "(":
            index = closing(tokens, index + 1)
        elif tokens[index].text not in _ERASED:
            kept.append(tokens[index])
        index += 1
    return tuple(kept)


def declared_name(part: tuple[Token, ...]) -> Token:
    """The token that names a parameter: the last name before its brackets, or the first in ``(*name)(...)``."""
    best = part[0]
    for index, token in enumerate(part):
        if token.text == "[":
            break
        if token.text == "(":
            return next((inside for inside in part[index:] if inside.kind == "name"), token)
        if token.kind == "name" and token.text not in KEYWORDS:
            best = token
    return best


def check_commas(statement: Statement, name: Token, parts: list[tuple[Token, ...]], tokens: tuple[Token, ...]) -> None:
    """There is a parameter on both sides of every comma; `parts` are what `tokens` were split into."""
    place = -1
    for part in parts:
        place += len(part) + 1  # of the comma behind it; of nothing behind the last one
        if not part:
            side, comma = ("before", tokens[place]) if place < len(tokens) else ("behind", tokens[-1])
            statement.fail(f"{name.text}: a parameter is missing {side} this comma", comma.position)
