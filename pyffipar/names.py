"""Names a declaration text defines for itself: typedefs, structs, enums; what each stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .csyntax import TAGS, parse_definition, type_words
from .scalars import BYTES_CODE, WELL_KNOWN, Scalar, scalar
from .tokens import Statement

MAX_DIGITS = 24  # of an integer: 64 bits in octal, with its 0
MAX_STRUCT_BYTES = 1 << 20  # a struct is one item of an array; larger ones are arrays in disguise


class TypeNames:
    """What the typedefs, structs and enums read so far stand for.

    Attributes
    ----------
    constants : dict
        Enumerators and their values.
    """

    def __init__(self) -> None:
        self._types: dict[str, Scalar | None] = {}
        self.constants: dict[str, int] = {}

    def copy(self) -> TypeNames:
        """The same names, to add to without changing these."""
        other = TypeNames()
        other._types |= self._types
        other.constants |= self.constants
        return other

    def find(self, words: list[str]) -> Scalar | None:
        """The element type these words name: arithmetic, a typedef or a struct; None for an opaque or unknown one."""
        return scalar(*words) or self._types.get(" ".join(words))

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
        node = parse_definition(statement, {*WELL_KNOWN, *self._types})
        try:
            self._read_tags(statement, node)
        except RecursionError:
            statement.fail("this expression is too long")
        if first == "typedef":
            self._types[node.name] = self._target(statement, node)
        return True

    def _target(self, statement: Statement, node: Any) -> Scalar | None:
        """What a typedef names; None for what is only ever handled through a pointer."""
        if type(node.type).__name__ != "TypeDecl":
            return None  # a pointer, function or array type: opaque
        words, _ = type_words(node.type)
        return self.find(words) if "None" not in words else self._struct(statement, node.type.type, node.name)

    def _read_tags(self, statement: Statement, node: Any) -> None:
        """Take in every enum and struct that is spelled out in a definition."""
        inner = getattr(node, "type", node)
        if type(inner).__name__ == "TypeDecl":
            inner = inner.type
        kind = type(inner).__name__
        if kind == "Enum" and inner.values is not None:
            self._enumerators(statement, inner)
        elif kind == "Struct" and inner.decls is not None and inner.name is not None:
            self._types[f"struct {inner.name}"] = self._struct(statement, inner, f"struct {inner.name}")

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
        if not fields or dtype.itemsize > MAX_STRUCT_BYTES:
            statement.fail(f"{name} holds {dtype.itemsize} bytes; 1 … {MAX_STRUCT_BYTES} are wanted")
        return Scalar(name, dtype, None, BYTES_CODE)

    def _field(self, statement: Statement, member: Any, name: str) -> tuple[str, Any]:
        """Name and dtype of a member; None as dtype for a pointer."""
        if getattr(member, "bitsize", None) is not None:
            statement.fail(f"{name}: the bit field {member.name} has no address, so no dtype describes it")
        shape = []
        node = member.type
        while type(node).__name__ == "ArrayDecl":
            shape.append(0 if node.dim is None else self._constant(statement, node.dim))
            node = node.type
        if type(node).__name__ != "TypeDecl":
            return member.name, None
        words, _ = type_words(node)
        found = self.find(words) or self._struct(statement, node.type, f"{name}.{member.name}")
        if member.name is None or (found is None and "None" not in words and words[0] not in TAGS):
            statement.fail(f"{name}: unknown type {' '.join(words)} of member {member.name}")
        if any(extent < 1 or extent > MAX_STRUCT_BYTES for extent in shape):
            statement.fail(f"{name}: member {member.name} has {shape} elements")
        if found is None:
            return member.name, None
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
