"""Names a declaration text defines for itself: typedefs, structs, enums; what each stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import did_you_mean
from .csyntax import BASE_TYPES, TAGS, parse_definition, type_words
from .scalars import BYTES_CODE, WELL_KNOWN, Scalar, scalar
from .tokens import Statement, Token

MAX_DIGITS = 24  # of an integer: 64 bits in octal, with its 0
MAX_STRUCT_BYTES = 1 << 20  # a struct is one item of an array; larger ones are arrays in disguise


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A typedef, struct or enum as it was written; `number` counts them, `needs` are those that it is built on."""

    text: str
    number: int
    needs: tuple[Definition, ...]


def written_out(needs: Iterable[Definition]) -> str:
    """The text of definitions and of all that these are built on, in the order in which they were read."""
    found: dict[int, str] = {}
    open_ones = list(needs)
    while open_ones:
        one = open_ones.pop()
        if one.number not in found:
            found[one.number] = one.text
            open_ones += one.needs
    return "".join(f"{found[number]};\n" for number in sorted(found))


@dataclass(frozen=True, slots=True)
class ArrayType:
    """What ``typedef double vec3[3]`` names: so many elements in every dimension."""

    element: Scalar
    shape: tuple[int, ...]


class TypeNames:
    """What the typedefs, structs and enums read so far stand for.

    Attributes
    ----------
    constants : dict
        Enumerators and their values.
    pointers : dict
        Typedefs of pointers and functions: what each points to, as pycparser read it.
    arrays : dict
        Typedefs of arrays.
    """

    def __init__(self) -> None:
        self._types: dict[str, Scalar | None] = {}
        self._definitions: dict[str, Definition] = {}  # by every name they define
        self._read = 0  # definitions so far
        self.constants: dict[str, int] = {}
        self.pointers: dict[str, Any] = {}
        self.arrays: dict[str, ArrayType] = {}

    def copy(self) -> TypeNames:
        """The same names, to add to without changing these."""
        other = TypeNames()
        other._types |= self._types
        other._definitions |= self._definitions
        other._read = self._read
        other.constants |= self.constants
        other.pointers |= self.pointers
        other.arrays |= self.arrays
        return other

    def find(self, words: list[str]) -> Scalar | None:
        """The element type these words name: arithmetic, a typedef or a struct; None for an opaque or unknown one."""
        return scalar(*words) or self._types.get(" ".join(words))

    def is_opaque(self, words: list[str]) -> bool:
        """Whether these words name a type of which nothing but the name was said."""
        name = " ".join(words)
        return name in self._types and self._types[name] is None and name not in self.pointers

    def alike(self, words: list[str]) -> str:
        """The end of a message about a type that is not known: a slip in one word, for others there are too many."""
        if len(words) > 1 or words[0] in BASE_TYPES:
            return ""
        return did_you_mean(words[0], {*BASE_TYPES, *WELL_KNOWN, *self._types}, closeness=0.82)

    def needed(self, tokens: Iterable[Token]) -> tuple[Definition, ...]:
        """The definitions that the names in some tokens may refer to."""
        found: dict[int, Definition] = {}
        before = ""
        for token in tokens:
            for name in (token.text, f"{before} {token.text}"):
                if definition := self._definitions.get(name):
                    found[definition.number] = definition
            before = token.text
        return tuple(found.values())

    def define(self, statement: Statement) -> bool:
        """Read a typedef, struct or enum; False if the statement is something else.

        Raises
        ------
        PrototypeError
            For a definition with members that no array can hold.
        """
        first = statement.tokens[0].text
        is_tag = first in TAGS and any(token.text == "{" for token in statement.tokens)
        if first != "typedef" and not (is_tag and statement.tokens[-1].text == "}"):
            return False
        nodes = parse_definition(statement, {*WELL_KNOWN, *self._types})
        definition = Definition(statement.text, self._read, self.needed(statement.tokens))
        self._read += 1
        try:
            for node in nodes:  # typedef int a, *b; defines both
                self._read_tags(statement, node, definition)
                if first == "typedef":
                    self._read_typedef(statement, node)
                    self._definitions[node.name] = definition
        except RecursionError:
            statement.fail("this expression is too long")
        return True

    def _read_typedef(self, statement: Statement, node: Any) -> None:
        """Take in one name that a typedef gives."""
        if type(node).__name__ != "Typedef":
            statement.fail("this typedef gives nothing a name")
        name, target = node.name, node.type
        self.pointers.pop(name, None)
        self.arrays.pop(name, None)
        self._types[name] = None  # unless it turns out to hold a value below
        kind = type(target).__name__
        if kind in ("PtrDecl", "FuncDecl"):
            self.pointers[name] = target
        elif kind == "ArrayDecl":
            self._read_array(statement, name, target)
        else:
            words, _ = type_words(target)
            if words[0] in self.pointers:
                self.pointers[name] = self.pointers[words[0]]
            elif words[0] in self.arrays:
                self.arrays[name] = self.arrays[words[0]]
            else:
                known = "None" not in words
                self._types[name] = self.find(words) if known else self._struct(statement, target.type, name)

    def _read_array(self, statement: Statement, name: str, node: Any) -> None:
        """Take in ``typedef double name[3][3]``; one of pointers, or of nothing known, stays opaque."""
        inner, shape = self._shape(statement, node)
        words = type_words(inner)[0] if type(inner).__name__ == "TypeDecl" else ["None"]
        base = self.arrays.get(words[0])
        element = base.element if base else self.find(words)
        shape += base.shape if base else ()
        if element is not None and min(shape) > 0:
            _check_size(statement, name, element.dtype.itemsize * math.prod(shape))
            self.arrays[name] = ArrayType(element, tuple(shape))

    def _shape(self, statement: Statement, node: Any) -> tuple[Any, list[int]]:
        """What an array holds, and how many in every dimension; 0 where that is left open."""
        shape = []
        while type(node).__name__ == "ArrayDecl":
            shape.append(0 if node.dim is None else self._constant(statement, node.dim))
            node = node.type
        return node, shape

    def _read_tags(self, statement: Statement, node: Any, definition: Definition) -> None:
        """Take in every enum and struct that is spelled out in a definition."""
        inner = getattr(node, "type", node)
        while type(inner).__name__ in ("TypeDecl", "PtrDecl", "ArrayDecl"):
            inner = inner.type
        kind = type(inner).__name__
        if kind == "Enum" and inner.values is not None:
            self._enumerators(statement, inner)
            self._definitions |= dict.fromkeys((entry.name for entry in inner.values.enumerators), definition)
        elif kind == "Struct" and inner.decls is not None and inner.name is not None:
            name = f"struct {inner.name}"
            self._types[name] = self._struct(statement, inner, name)
            self._definitions[name] = definition

    def _enumerators(self, statement: Statement, node: Any) -> None:
        following = 0
        for entry in node.values.enumerators:
            value = following if entry.value is None else self._constant(statement, entry.value)
            self.constants[entry.name] = value
            following = value + 1

    def _struct(self, statement: Statement, node: Any, name: str) -> Scalar | None:
        """A struct of arithmetic members as a structured dtype with C's alignment."""
        kind = type(node).__name__
        if kind == "Enum":
            return scalar("int")
        if kind != "Struct" or node.decls is None:
            return None
        fields = [self._field(statement, member, name) for member in node.decls]
        if any(dtype is None for _, dtype in fields):
            return None  # pointers inside: usable as a handle only
        try:
            dtype = np.dtype({"names": [n for n, _ in fields], "formats": [f for _, f in fields]}, align=True)
        except ValueError as error:
            statement.fail(f"{name}: {error}")
        _check_size(statement, name, dtype.itemsize)
        return Scalar(name, dtype, None, BYTES_CODE)

    def _field(self, statement: Statement, member: Any, name: str) -> tuple[str, Any]:
        """Name and dtype of a member; None as dtype for a pointer."""
        if getattr(member, "bitsize", None) is not None:
            statement.fail(f"{name}: the bit field {member.name} has no address, so no dtype describes it")
        node, shape = self._shape(statement, member.type)
        words = type_words(node)[0] if type(node).__name__ == "TypeDecl" else None
        if words is None or words[0] in self.pointers:
            return member.name, None
        base = self.arrays.get(words[0])
        found = (
            base.element if base else self.find(words) or self._struct(statement, node.type, f"{name}.{member.name}")
        )
        if member.name is None or (found is None and "None" not in words and words[0] not in TAGS):
            statement.fail(f"{name}: unknown type {' '.join(words)} of member {member.name}")
        shape += base.shape if base else ()
        if any(extent < 1 or extent > MAX_STRUCT_BYTES for extent in shape):
            statement.fail(f"{name}: member {member.name} has {shape} elements")
        if found is None:
            return member.name, None
        _check_size(statement, name, found.dtype.itemsize * math.prod(shape))
        return member.name, np.dtype((found.dtype, tuple(shape))) if shape else found.dtype

    def _constant(self, statement: Statement, node: Any) -> int:
        """The value of a constant expression of integers and enumerators."""
        kind = type(node).__name__
        if kind == "Constant" and "int" in node.type:
            digits = node.value.rstrip("uUlL")
            if len(digits) > MAX_DIGITS:
                statement.fail(f"{digits[:MAX_DIGITS]}… is too large")
            return int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
        if kind == "ID" and node.name in self.constants:
            return self.constants[node.name]
        if kind == "UnaryOp" and node.op in ("-", "+"):
            value = self._constant(statement, node.expr)
            return -value if node.op == "-" else value
        if kind == "BinaryOp" and node.op in ("+", "-", "*", "|", "<<"):
            return self._binary(statement, node)
        statement.fail("a constant is built from integers and enumerators with + - * | <<")

    def _binary(self, statement: Statement, node: Any) -> int:
        left, right = self._constant(statement, node.left), self._constant(statement, node.right)
        if node.op == "<<" and not 0 <= right < 64:
            statement.fail(f"a shift by {right} has no value in C")
        value = {"+": left + right, "-": left - right, "*": left * right, "|": left | right}.get(node.op)
        value = left << right if value is None else value
        if not -(1 << 63) <= value < 1 << 64:  # C has no wider integers, and repeated products would never end
            statement.fail(f"{left} {node.op} {right} does not fit 64 bits")
        return value


def _check_size(statement: Statement, name: str, size: int) -> None:
    """Refuse what is too large for one item; NumPy has a limit of its own, far above."""
    if not 0 < size <= MAX_STRUCT_BYTES:
        statement.fail(f"{name} holds {size} bytes; 1 … {MAX_STRUCT_BYTES} are wanted")
