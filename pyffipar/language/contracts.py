"""Contracts for the functions of a header: types come from the header, brackets and clauses from the contract.

A contract is a whole declaration, which must not contradict the header; or one in which parameters have no types,
``double mean(data[0 : n : stride], stride, n) reduction(mean)``; or the name alone with its clauses. What comes out is
a plain declaration text with the definitions it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import PrototypeError, did_you_mean
from .agreement import (
    HeaderFunction,
    between_commas,
    check_brackets,
    check_names,
    check_types,
    parse_function,
    read_function,
)
from .clause_reading import CLAUSE_WORDS
from .csyntax import KEYWORDS, check_commas, declared_name, without_attributes
from .drafts import Document, Draft, Piece
from .header_types import Definitions, HeaderTypes, arguments
from .headers import Declared, Header, read_header
from .tokens import Statement, Token, closing, statements

_HOLE = "pyffipar_name"  # where a parameter's name goes in a type
_INTEGER = re.compile(r"[\s()+*|<-]*(?:(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*[\s()+*|<-]*)+")
_WORD = re.compile(r"[A-Za-z_]\w*")
_MOST_MACROS = 64  # that stand for each other before a number comes out


@dataclass(frozen=True, slots=True)
class Contract:
    """What a contract says.

    Attributes
    ----------
    statement : Statement
    name : str
        Of the function, and `position` where that stands.
    returns : tuple of Token
        The type it returns; empty if it does not say.
    parts : list of tuple of Token or None
        Its parameters; None if they are to be as in the header.
    end : int
        Where the clauses begin.
    """

    statement: Statement
    name: str
    position: int
    returns: tuple[Token, ...]
    parts: list[tuple[Token, ...]] | None
    end: int

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        """Raise a PrototypeError about it."""
        self.statement.fail(f"{self.name}: {message}", self.position if position is None else position)


def read_contract(statement: Statement, header: Header) -> Contract:
    """Tell the parts of a contract apart."""
    tokens = without_attributes(statement)
    first = tokens[0]
    alone = len(tokens) == 1 or (tokens[1].text in CLAUSE_WORDS and first.text in header.functions)
    if first.kind == "name" and alone:
        return Contract(statement, first.text, first.position, (), None, first.end)
    opening = next((index for index, token in enumerate(tokens) if token.text == "("), 0)
    name = tokens[opening - 1] if opening else first
    if not opening or name.kind != "name" or name.text in KEYWORDS:
        statement.fail("this is no contract: name clauses; or name(parameters) clauses; was expected")
    last = closing(tokens, opening)
    inside = tokens[opening + 1 : last]
    parts = between_commas(inside)
    check_commas(statement, name, parts, inside)
    return Contract(statement, name.text, name.position, tokens[: opening - 1], parts, tokens[last].end)


class Completer:
    """Makes plain declarations of contracts about the functions of one header.

    Parameters
    ----------
    header : Header
    name : str
        What to call it in messages.
    """

    def __init__(self, header: Header, name: str) -> None:
        self._header = header
        self._name = name
        self._types = HeaderTypes(header.types)
        self._definitions = Definitions(self._types, header.types)
        self._written: set[str] = set()

    def define(self, text: str) -> None:
        """Let a typedef, struct or enum that stands between contracts count in those behind it."""
        own = read_header(f"{text};").types
        self._header.types |= own
        self._types.forget(own)
        self._definitions.leave_out(own)

    def complete(
        self, contract: Contract, document: Document, shift: int = 0, declared: Declared | None = None
    ) -> list[Piece]:
        """The plain declaration, behind the definitions that were not needed before.

        Parameters
        ----------
        contract : Contract
        document : Document
            What the contract is written in,
        shift : int
            and how far behind its beginning.
        declared : Declared, optional
            The declaration it is about, if not the first one of that name.

        Raises
        ------
        PrototypeError
            If the header has no such function, or has it otherwise.
        """
        theirs = self._find(contract, declared)
        pieces = list(self._declaration(contract, theirs, document, shift))
        draft = Draft(pieces)
        with draft.errors():
            (statement,) = statements(draft.text)
            mine = parse_function(statement)
            check_types(statement, mine, theirs, self._types)
        here = document, contract.position + shift
        texts = [*self._definitions.needed([mine.type]), *self._constants(statement.tokens, mine)]
        return [*(Piece(f"{text};\n", *here) for text in self._new(texts)), *pieces, Piece("\n", *here)]

    def _find(self, contract: Contract, declared: Declared | None) -> HeaderFunction:
        """The function that a contract is about; refused if it is not there, or not as the contract has it."""
        declared = declared or self._header.functions.get(contract.name)
        if declared is None:
            if contract.name in self._header.calls or contract.name in self._header.macros:
                contract.fail(f"this is a macro in {self._name}; only functions are in a library")
            hint = did_you_mean(contract.name, self._header.functions)
            contract.fail(f"{self._name} declares no such function{hint}")
        try:
            theirs = read_function(declared)
        except PrototypeError:
            contract.fail(f"this is no plain C in {declared.place}:\n    {declared.text};")
        if declared.label and declared.label != contract.name:
            contract.fail(f"the linker knows it as {declared.label}, says {theirs}")
        if theirs.is_open:
            contract.fail(f"it takes any number of arguments and cannot be called by a fixed rule, says {theirs}")
        if contract.parts is not None:
            if len(contract.parts) != len(theirs.parameters):
                count = f"{len(contract.parts)} parameter{'s' * (len(contract.parts) != 1)}"
                contract.fail(f"{count} here, but {len(theirs.parameters)} in {theirs}")
            check_names(contract.parts, theirs, contract.fail)
            check_brackets(contract.parts, theirs, contract.fail)
        elif not all(theirs.names):
            example = ", ".join("abcdefgh"[: len(theirs.parameters)])
            contract.fail(f"name the parameters, as in {contract.name}({example}): they have no names in {theirs}")
        return theirs

    def _declaration(
        self, contract: Contract, theirs: HeaderFunction, document: Document, shift: int
    ) -> Iterator[Piece]:
        """The whole declaration: what the contract says as it stands there, and the rest from the header."""
        source = contract.statement.source

        def copied(start: int, end: int) -> Piece:
            return Piece(source[start:end], document, start + shift, is_copy=True)

        if contract.returns:
            yield copied(contract.returns[0].position, contract.returns[-1].end)
            returns = " "
        else:
            returns = self._types.spelled(theirs.node.type.type, "")
        yield Piece(f"{returns}{contract.name}(", document, contract.position + shift)
        for number in range(len(theirs.parameters)):
            part = contract.parts[number] if contract.parts is not None else None
            place = part[0].position if part is not None else contract.position
            comma = ", " if number else ""
            if part is not None and not _is_bare(part):
                yield Piece(comma, document, place + shift)
                yield copied(part[0].position, part[-1].end)
                continue
            before, behind = self._around(contract, theirs, number, part)
            yield Piece(comma + before, document, place + shift)
            if part is not None:
                yield copied(part[0].position, part[-1].end)
            else:
                yield Piece(theirs.names[number], document, place + shift)
            yield Piece(behind, document, place + shift)
        gap = "" if source[contract.end : contract.end + 1].isspace() or contract.end == contract.statement.end else " "
        yield Piece(f"{'' if theirs.parameters else 'void'}){gap}", document, contract.position + shift)
        yield copied(contract.end, contract.statement.end)
        yield Piece(";", document, contract.statement.end + shift)

    def _around(
        self, contract: Contract, theirs: HeaderFunction, number: int, part: tuple[Token, ...] | None
    ) -> tuple[str, str]:
        """What stands in front of a parameter's name, or of its name and brackets, and what behind."""
        node, brackets = theirs.parameters[number].type, theirs.brackets(number)
        target = self._types.pointed_to(node)
        if part is not None and len(part) > 1:
            if target is None:
                contract.fail(f"{part[0].text} is no array in {theirs}", part[1].position)
            node, brackets = target, []
        elif brackets:
            node = target
        before, _, behind = self._types.spelled(node, _HOLE).partition(_HOLE)
        names = dict(zip((node.name for node in theirs.parameters), _names(contract, theirs), strict=True))
        insides = (" ".join(names.get(token.text, token.text) for token in inside) for inside in brackets)
        return before, behind + "".join(f"[{inside}]" for inside in insides)

    def _constants(self, tokens: tuple[Token, ...], mine: Any) -> Iterator[str]:
        """Definitions of the enumerators and of the macros for integers that a declaration names."""
        own = {mine.name, *(node.name for node in arguments(mine.type))}
        for token in tokens:
            if token.kind != "name" or token.text in own:
                continue
            if token.text in self._header.enumerators:
                yield self._header.enumerators[token.text].text
            elif token.text in self._header.macros:
                value = self._expanded(token.text)
                if _INTEGER.fullmatch(value):
                    yield f"enum {{ {token.text} = {value} }}"

    def _expanded(self, name: str) -> str:
        """What a macro stands for when those in it are replaced too."""
        text = self._header.macros[name]
        for _ in range(_MOST_MACROS):
            further = _WORD.sub(lambda match: self._header.macros.get(match[0], match[0]), text)
            if further == text:
                break
            text = further
        return text

    def _new(self, texts: list[str]) -> list[str]:
        """Those that were not written before."""
        found = [text for text in dict.fromkeys(texts) if text not in self._written]
        self._written.update(found)
        return found


def _is_bare(part: tuple[Token, ...]) -> bool:
    """Whether a parameter has no type: a name, and brackets or nothing behind it."""
    return part[0].kind == "name" and part[0].text not in KEYWORDS and (len(part) == 1 or part[1].text == "[")


def _names(contract: Contract, theirs: HeaderFunction) -> list[str]:
    """The parameters' names: the contract's where it has them."""
    return theirs.names if contract.parts is None else [declared_name(part).text for part in contract.parts]
