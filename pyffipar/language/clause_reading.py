"""Read the clauses behind a parameter list."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NoReturn

from ..errors import did_you_mean
from ..partition import Limits
from .clauses import (
    BOUNDARIES,
    LOCATORS,
    OPERATORS,
    RETURNED,
    Boundary,
    Clauses,
    ForeignCall,
    Number,
    Private,
    Reduction,
    Status,
)
from .tokens import Statement, Token, closing, split_at

MAX_DIGITS = 64  # no C type tells more digits apart
MAX_EXPONENT = 400  # double ends at 308; exact arithmetic with far larger ones would never end
_OCTAL = re.compile(r"0[0-9]+[uUlL]*")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")


def read_clauses(statement: Statement, tokens: tuple[Token, ...], constants: Mapping[str, int]) -> Clauses:
    """Read the clauses that follow a parameter list; `constants` are enumerators that may stand for numbers.

    Raises
    ------
    PrototypeError
        For an unknown clause, one given twice, or one whose brackets hold something else than it wants.
    """
    clauses = Clauses()
    index = 0
    while index < len(tokens):
        word = tokens[index]
        if word.text == ",":  # OpenMP allows commas between clauses
            index += 1
            continue
        reader = _READERS.get(word.text)
        if reader is None:
            statement.fail(_unknown(word), word.position)
        if index + 1 == len(tokens) or tokens[index + 1].text != "(":
            statement.fail(f"{word.text} wants brackets: {word.text}({_WANTED[word.text]})", word.position)
        last = closing(tokens, index + 1)
        inside = tokens[index + 2 : last]
        clauses = reader(_Clause(statement, word, inside, constants), clauses)
        index = last + 1
    return clauses


def _unknown(word: Token) -> str:
    if word.kind != "name":
        return f"unexpected {word.text} behind the parameters: clauses or ; follow here"
    hint = did_you_mean(word.text, _READERS) or f"; there are {', '.join(_READERS)}"
    return f"unknown clause {word.text}{hint}"


@dataclass(frozen=True, slots=True)
class _Clause:
    """One clause while it is read."""

    statement: Statement
    word: Token
    inside: tuple[Token, ...]
    constants: Mapping[str, int]

    def wrong(self, position: int | None = None) -> NoReturn:
        """Raise: the brackets hold something else than wanted."""
        wanted = f"{self.word.text}({_WANTED[self.word.text]})"
        given = self.statement.source[self.word.position : self.inside[-1].end] if self.inside else f"{self.word.text}("
        here = self.word.position if position is None else position
        self.statement.fail(f"{given}) is not of the form {wanted}", here)

    def once(self, known: Mapping[str, object], name: str, position: int) -> None:
        """Raise if `name` has been given already."""
        if name in known:
            what = (
                f": {name or 'the returned value'} is named" if name or self.word.text == "reduction" else " is given"
            )
            self.statement.fail(f"{self.word.text}{what} twice", position)

    def names(self, tokens: tuple[Token, ...]) -> list[Token]:
        """A list of names with commas between."""
        found = []
        for part in split_at(tokens, ","):
            if len(part) != 1 or part[0].kind != "name":
                self.wrong(part[0].position if part else None)
            found.append(part[0])
        return found

    def settings(self) -> list[tuple[Token, tuple[Token, ...]]]:
        """``name = value`` with commas between."""
        found = []
        for part in split_at(self.inside, ","):
            if len(part) < 3 or part[0].kind != "name" or part[1].text != "=":
                self.wrong(part[0].position if part else None)
            found.append((part[0], part[2:]))
        return found

    def number(self, tokens: tuple[Token, ...]) -> Fraction:
        """A number with an optional sign, exactly as written."""
        sign = -1 if tokens[0].text == "-" else 1
        rest = tokens[1:] if tokens[0].text in ("-", "+") else tokens
        if len(rest) == 1 and rest[0].text in self.constants:
            return Fraction(sign * self.constants[rest[0].text])
        if len(rest) != 1 or rest[0].kind != "number":
            self.wrong(tokens[0].position)
        if _OCTAL.fullmatch(rest[0].text):
            self.statement.fail(
                f"{self.word.text}: {rest[0].text} is octal in C: write it in decimal", rest[0].position
            )
        exponent = _EXPONENT.search(rest[0].text)
        if len(rest[0].text) > MAX_DIGITS or (exponent is not None and abs(int(exponent[1])) > MAX_EXPONENT):
            self.statement.fail(f"{self.word.text}: no C type holds this number", rest[0].position)
        return sign * _exact(rest[0].text)

    def integer(self, name: Token, value: Fraction) -> int:
        """A whole number of at least 1."""
        if value.denominator != 1 or value < 1:
            self.statement.fail(f"{self.word.text}: {name.text} is a whole number of at least 1", name.position)
        return int(value)


def _exact(text: str) -> Fraction:
    """A C literal as a fraction, so that no digit is lost before its type is known."""
    if text[:2] in ("0x", "0X"):
        return Fraction(int(text.rstrip("uUlL"), 16))
    plain = text.rstrip("uUlLfF")
    return Fraction(plain)


def _number(value: Fraction) -> Number:
    return int(value) if value.denominator == 1 else float(value)


def _read_reduction(clause: _Clause, clauses: Clauses) -> Clauses:
    parts = split_at(clause.inside, ":")
    if not 1 <= len(parts) <= 2 or not parts[0]:
        clause.wrong()
    reduction = _operator(clause, parts[0])
    targets = [token.text for token in clause.names(parts[1])] if len(parts) == 2 else [RETURNED]
    if not targets:
        clause.wrong()
    merged = dict(clauses.reductions)
    for target in targets:
        clause.once(merged, target, clause.word.position)
        merged[target] = reduction
    return replace(clauses, reductions=merged, positions={**clauses.positions, "reduction": clause.word.position})


def _operator(clause: _Clause, tokens: tuple[Token, ...]) -> Reduction:
    """An operator, ``argmin(x)``, or a function with its operands."""
    first = tokens[0]
    if len(tokens) == 1 and first.text in OPERATORS:
        return Reduction(first.text, (), first.position)
    given = "".join(token.text for token in tokens)
    if first.kind != "name" or len(tokens) < 3 or tokens[1].text != "(" or tokens[-1].text != ")":
        known = ", ".join((*OPERATORS, *(f"{locator}(array)" for locator in LOCATORS)))
        clause.statement.fail(
            f"unknown reduction {given}; there are {known}, and functions as in g(_, _): earlier and later partial",
            first.position,
        )
    operands = tuple("".join(token.text for token in part) for part in split_at(tokens[2:-1], ","))
    if first.text in LOCATORS:
        if len(operands) != 1:
            clause.statement.fail(f"{first.text} names one array: {first.text}(x)", first.position)
    elif first.text in OPERATORS or operands.count("_") not in (1, 2):
        clause.statement.fail(
            f"{given} does not say what merges: a function takes _ twice, the earlier and the later partial, "
            "or once, all partials as one array",
            first.position,
        )
    return Reduction(first.text, operands, first.position)


def _read_split(clause: _Clause, clauses: Clauses) -> Clauses:
    clause.once({"": 0} if clauses.split is not None else {}, "", clause.word.position)
    names = clause.names(clause.inside)
    if len(names) > 1:
        clause.wrong()
    positions = {**clauses.positions, "split": names[0].position if names else clause.word.position}
    return replace(clauses, split=names[0].text if names else "", positions=positions)


def _read_direction(clause: _Clause, clauses: Clauses) -> Clauses:
    names = clause.names(clause.inside)
    if not names:
        clause.wrong()
    directions = dict(clauses.directions)
    positions = dict(clauses.positions)
    for name in names:
        clause.once(directions, name.text, name.position)
        directions[name.text] = clause.word.text
        positions[f"direction {name.text}"] = name.position
    return replace(clauses, directions=directions, positions=positions)


def _read_chunk(clause: _Clause, clauses: Clauses) -> Clauses:
    given: dict[str, int] = {}
    for name, value in clause.settings():
        if name.text not in ("step", "min", "max"):
            clause.wrong(name.position)
        clause.once(given, name.text, name.position)
        given[name.text] = clause.integer(name, clause.number(value))
    limits = Limits(given.get("step", 1), given.get("min"), given.get("max"))
    if not given:
        clause.wrong()
    if limits.largest is not None and limits.largest < max(limits.step, limits.smallest or 1):
        clause.statement.fail(f"chunk: max = {limits.largest} is less than step or min", clause.word.position)
    return replace(clauses, limits=limits, positions={**clauses.positions, "chunk": clause.word.position})


def _read_values(clause: _Clause, clauses: Clauses) -> Clauses:
    """``fixed``, ``default`` and ``carry``."""
    settings = clause.settings()
    if not settings:
        clause.wrong()
    which = clause.word.text
    values = dict(getattr(clauses, which))
    positions = dict(clauses.positions)
    for name, value in settings:
        clause.once(values, name.text, name.position)
        is_null = which == "default" and [token.text for token in value] == ["NULL"]
        values[name.text] = None if is_null else _number(clause.number(value))
        positions[f"{which} {name.text}"] = name.position
    changed = replace(clauses, positions=positions)
    if which == "fixed":
        return replace(changed, fixed=values)
    return replace(changed, default=values) if which == "default" else replace(changed, carry=values)


def _read_linear(clause: _Clause, clauses: Clauses) -> Clauses:
    parts = split_at(clause.inside, ":")
    if len(parts) > 2 or not parts:
        clause.wrong()
    step = Fraction(1)
    if len(parts) == 2:
        terms = split_at(parts[1], "/")
        if not 1 <= len(terms) <= 2 or not all(terms):
            clause.wrong()
        step = clause.number(terms[0])
        if len(terms) == 2:
            below = clause.number(terms[1])
            if below == 0:
                clause.statement.fail("linear: a step is not divided by zero", terms[1][0].position)
            step /= below
    if max(abs(step.numerator), step.denominator) >= 1 << 63:
        clause.statement.fail("linear: this step does not fit 64 bits", clause.word.position)
    names = clause.names(parts[0])
    linear = dict(clauses.linear)
    positions = dict(clauses.positions)
    for name in names:
        clause.once(linear, name.text, name.position)
        linear[name.text] = step
        positions[f"linear {name.text}"] = name.position
    if not names:
        clause.wrong()
    return replace(clauses, linear=linear, positions=positions)


def _read_status(clause: _Clause, clauses: Clauses) -> Clauses:
    clause.once({"": 0} if clauses.status is not None else {}, "", clause.word.position)
    parts = split_at(clause.inside, ",")
    if not 1 <= len(parts) <= 2 or not all(parts):
        clause.wrong()
    describe = clause.names(parts[1])[0].text if len(parts) == 2 else None
    first = parts[0][0]
    if len(parts[0]) == 1 and first.kind == "name" and first.text not in clause.constants:
        status = Status(first.text, describe)
    else:
        value = clause.number(parts[0])
        if value.denominator != 1:
            clause.statement.fail("status: a status is a whole number", first.position)
        status = Status(int(value), describe)
    return replace(clauses, status=status, positions={**clauses.positions, "status": first.position})


def _read_private(clause: _Clause, clauses: Clauses) -> Clauses:
    parts = split_at(clause.inside, ",")
    if not 1 <= len(parts) <= 3 or len(parts[0]) < 3 or parts[0][0].kind != "name" or parts[0][1].text != "=":
        clause.wrong()
    name = parts[0][0]
    clause.once(clauses.private, name.text, name.position)
    clone = _foreign_call(clause, parts[0][2:])
    others = [clause.names(part)[0].text if part else clause.wrong() for part in parts[1:]]
    private = Private(clone, *others)
    positions = {**clauses.positions, f"private {name.text}": name.position}
    return replace(clauses, private={**clauses.private, name.text: private}, positions=positions)


def _foreign_call(clause: _Clause, tokens: tuple[Token, ...]) -> ForeignCall:
    """``clone``, which means ``clone(_)``, or a call with ``_``, integers, NULL and calls as arguments."""
    if tokens[0].kind != "name":
        clause.wrong(tokens[0].position)
    if len(tokens) == 1:
        return ForeignCall(tokens[0].text, ("_",))
    if tokens[1].text != "(" or closing(tokens, 1) != len(tokens) - 1:
        clause.wrong(tokens[0].position)
    arguments: list[str | int | ForeignCall] = []
    for part in split_at(tokens[2:-1], ","):
        if not part:
            clause.wrong(tokens[0].position)
        elif len(part) == 1 and part[0].text in ("_", "NULL"):
            arguments.append("_" if part[0].text == "_" else 0)
        elif len(part) > 1 and part[0].kind == "name":
            arguments.append(_foreign_call(clause, part))
        else:
            number = clause.number(part)
            arguments.append(int(number) if number.denominator == 1 else clause.wrong(part[0].position))
    return ForeignCall(tokens[0].text, tuple(arguments))


def _read_boundary(clause: _Clause, clauses: Clauses) -> Clauses:
    parts = split_at(clause.inside, ":")
    if not 1 <= len(parts) <= 2 or not parts[0]:
        clause.wrong()
    mode, rest = parts[0][0], parts[0][1:]
    if mode.text not in BOUNDARIES:
        clause.statement.fail(f"unknown boundary {mode.text}; there are {', '.join(BOUNDARIES)}", mode.position)
    value: Number = 0
    if rest:
        if mode.text != "constant" or rest[0].text != "(" or rest[-1].text != ")" or len(rest) < 3:
            clause.wrong(rest[0].position)
        value = _number(clause.number(rest[1:-1]))
    names = clause.names(parts[1]) if len(parts) == 2 else []
    if len(parts) == 2 and not names:
        clause.wrong()
    boundaries = dict(clauses.boundaries)
    positions = {**clauses.positions, "boundary": clause.word.position}
    for name in [token.text for token in names] or [RETURNED]:
        clause.once(boundaries, name, clause.word.position)
        boundaries[name] = Boundary(mode.text, value)
        positions[f"boundary {name}"] = clause.word.position
    return replace(clauses, boundaries=boundaries, positions=positions)


def _read_init(clause: _Clause, clauses: Clauses) -> Clauses:
    clause.once({"": 0} if clauses.init is not None else {}, "", clause.word.position)
    names = clause.names(clause.inside)
    if len(names) != 1:
        clause.wrong()
    return replace(clauses, init=names[0].text, positions={**clauses.positions, "init": names[0].position})


_READERS: dict[str, Callable[[_Clause, Clauses], Clauses]] = {
    "reduction": _read_reduction,
    "split": _read_split,
    "in": _read_direction,
    "out": _read_direction,
    "inout": _read_direction,
    "chunk": _read_chunk,
    "fixed": _read_values,
    "default": _read_values,
    "carry": _read_values,
    "linear": _read_linear,
    "status": _read_status,
    "private": _read_private,
    "boundary": _read_boundary,
    "init": _read_init,
}
CLAUSE_WORDS = frozenset(_READERS)

_WANTED = {
    "reduction": "+) or reduction(+: array",
    "split": "n) or split(",
    "in": "array",
    "out": "array",
    "inout": "array",
    "chunk": "step = 64, min = 1, max = 4096",
    "fixed": "parameter = 1",
    "default": "parameter = 1) or default(array = NULL",
    "carry": "parameter = 0",
    "linear": "parameter : step",
    "status": "0) or status(0, function) or status(size",
    "private": "handle = clone, free, reset",
    "boundary": "reflect) or boundary(constant(0): array",
    "init": "function",
}
