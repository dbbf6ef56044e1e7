"""Declaration text → tokens with positions → statements; comments and brackets are dealt with here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ..errors import PrototypeError

MAX_TEXT = 1 << 20  # characters: more than any header of prototypes, little enough to read in a second
MAX_DEPTH = 32  # nested brackets: no C prototype comes near it, and recursion stays shallow

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f\v]+)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<open_comment>/\*)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?
                   |[0-9]+(?:[eE][+-]?[0-9]+)?)[uUlLfF]*)
      | (?P<mark>\.\.\.|&&|\|\||[-+*/()\[\]{},;:=<>&|^.!~?%])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: `kind` is ``name``, ``number`` or ``mark``; `position` its offset in the text."""

    kind: str
    text: str
    position: int

    @property
    def end(self) -> int:
        """Offset just behind the token."""
        return self.position + len(self.text)


@dataclass(frozen=True, slots=True)
class Statement:
    """The tokens of one declaration, its closing ``;`` left out; `end` is where that stands."""

    source: str
    tokens: tuple[Token, ...]
    end: int

    @property
    def text(self) -> str:
        """The declaration as it was written, without the ``;`` and comments in front of that."""
        return self.source[self.tokens[0].position : self.tokens[-1].end]

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        """Raise a PrototypeError that points into this statement."""
        raise PrototypeError(message, self.source, self.tokens[0].position if position is None else position)


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of `text` in order, white space and comments left out."""
    if len(text) > MAX_TEXT:
        raise PrototypeError(f"the declarations are {len(text)} characters long; at most {MAX_TEXT} are read")
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            hint = "; preprocessor lines do not belong here: give prototypes" if text[position] == "#" else ""
            raise PrototypeError(f"unexpected character {text[position]!r}{hint}", text, position)
        kind = match.lastgroup
        if kind == "open_comment":
            raise PrototypeError("this comment is never closed", text, position)
        if kind not in ("space", "comment"):
            yield Token(str(kind), match.group(), position)
        position = match.end()


def statements(text: str) -> list[Statement]:
    """Cut `text` at every ``;`` that stands outside brackets.

    Raises
    ------
    PrototypeError
        For brackets that do not match, braces of a function body, and a last declaration without ``;``.
    """
    found: list[Statement] = []
    current: list[Token] = []
    opened: list[Token] = []
    for token in tokenize(text):
        if token.text == ";" and not opened:
            if current:
                found.append(Statement(text, tuple(current), token.position))
            current = []
            continue
        current.append(token)
        _match_brackets(text, token, opened)
    if opened:
        raise PrototypeError(f"this {opened[-1].text} is never closed", text, opened[-1].position)
    if current:
        body = next((token for token in current if token.text == "{"), None)
        if body is not None:
            raise PrototypeError("a declaration has no body: put ; in its place", text, body.position)
        raise PrototypeError("a declaration ends with ;", text, current[-1].end)
    return found


def _match_brackets(text: str, token: Token, opened: list[Token]) -> None:
    """Keep the stack of open brackets up to date."""
    if token.text in _CLOSING:
        if len(opened) == MAX_DEPTH:
            raise PrototypeError(f"brackets are nested more than {MAX_DEPTH} deep", text, token.position)
        opened.append(token)
    elif token.text in _CLOSING.values():
        if not opened or _CLOSING[opened[-1].text] != token.text:
            raise PrototypeError(f"this {token.text} closes nothing", text, token.position)
        opened.pop()


def closing(tokens: tuple[Token, ...] | list[Token], start: int) -> int:
    """Index of the bracket that closes the one at index `start`; brackets are known to match."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index].text in _CLOSING:
            depth += 1
        elif tokens[index].text in _CLOSING.values():
            depth -= 1
            if depth == 0:
                return index
    raise AssertionError("brackets were matched before")


def split_at(tokens: tuple[Token, ...], mark: str) -> list[tuple[Token, ...]]:
    """Cut at every `mark` outside brackets; no tokens at all give no parts."""
    if not tokens:
        return []
    parts: list[tuple[Token, ...]] = []
    depth = first = 0
    for index, token in enumerate(tokens):
        if token.text in _CLOSING:
            depth += 1
        elif token.text in _CLOSING.values():
            depth -= 1
        elif token.text == mark and depth == 0:
            parts.append(tokens[first:index])
            first = index + 1
    parts.append(tokens[first:])
    return parts
