"""What the types of a header are made of: to compare them with others, and to write them out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from ..errors import PrototypeError
from .csyntax import is_void, parse_definition, type_words
from .headers import Declared
from .scalars import WELL_KNOWN, scalar
from .tokens import statements

# ("value", what) | ("pointer", whether to const, to what) | ("function", result, arguments)
Shape: TypeAlias = "tuple[Any, ...]"

ENUM = ("value", "enum")  # every one of them: C has them all be integers
VOID = ("value", "void")


class HeaderTypes:
    """The types of a header.

    Parameters
    ----------
    types : dict
        As in `Header`.
    """

    def __init__(self, types: Mapping[str, Declared]) -> None:
        self._types = types
        self._nodes: dict[str, Any] = {}

    def node(self, name: str) -> Any:
        """What pycparser makes of a type; a struct's name begins with ``struct``. None if there is none."""
        if name not in self._nodes:
            declared = self._types.get(name)
            self._nodes[name] = self._read(declared.text, name) if declared else None
        return self._nodes[name]

    def forget(self, names: Iterable[str]) -> None:
        """Read these again when they are asked for: they have another meaning now."""
        for name in names:
            self._nodes.pop(name, None)

    def _read(self, text: str, name: str) -> Any:
        try:
            (statement,) = statements(f"{text};")
            nodes = parse_definition(statement, {*WELL_KNOWN, *self._types} - {name})
        except PrototypeError:  # no plain C: then nothing is known of it but its name
            return None
        if " " not in name:
            return next((node.type for node in nodes if node.name == name), None)
        inner = nodes[0].type
        while type(inner).__name__ in ("TypeDecl", "PtrDecl", "ArrayDecl"):
            inner = inner.type
        return inner

    def meaning(self, name: str) -> str:
        """What a name stands for that pyffipar takes for something else; else the name itself."""
        known = scalar(name) if name in WELL_KNOWN else None
        if known is None or self.node(name) is None:
            return name
        shape = self.shape(self.node(name))
        return name if shape == ("value", known.name) else str(shape[1])

    def shape(self, node: Any) -> Shape:
        """A type in a form that can be compared: without names of its own, qualifiers of values and array lengths."""
        kind = type(node).__name__
        if kind in ("PtrDecl", "ArrayDecl"):
            inner = _element(node)
            return "pointer", self._is_const(inner), self.shape(inner)
        if kind == "FuncDecl":
            return "function", self.shape(node.type), tuple(self.shape(one.type) for one in arguments(node))
        if type(node.type).__name__ != "IdentifierType":
            return ENUM if type(node.type).__name__ == "Enum" else ("value", _tag(node.type))
        words = node.type.names
        target = self.node(words[0]) if len(words) == 1 else None
        if target is None:
            known = scalar(*words)
            return "value", known.name if known else " ".join(words)
        if (
            type(target).__name__ == "TypeDecl" and getattr(target.type, "name", "") is None
        ):  # typedef struct { … } name;
            return ENUM if type(target.type).__name__ == "Enum" else ("value", f"struct {words[0]}")
        found = self.shape(target)
        is_array = type(target).__name__ == "ArrayDecl"  # then const is about what it holds
        return ("pointer", True, found[2]) if is_array and "const" in node.quals else found

    def _is_const(self, node: Any) -> bool:
        if "const" in getattr(node, "quals", ()):
            return True
        words = type_words(node)[0] if type(node).__name__ == "TypeDecl" else []
        target = self.node(words[0]) if len(words) == 1 else None
        return target is not None and self._is_const(target)

    def pointed_to(self, node: Any) -> Any:
        """What a parameter of this type points to, typedefs of pointers seen through; None if it is no pointer."""
        while type(node).__name__ == "TypeDecl" and type(node.type).__name__ == "IdentifierType":
            target = self.node(node.type.names[0])
            if target is None or type(target).__name__ == "ArrayDecl":
                return None
            node = target
        return _element(node) if type(node).__name__ in ("ArrayDecl", "PtrDecl") else None

    def spelled(self, node: Any, name: str) -> str:
        """A declaration in C of something of this type."""
        kind = type(node).__name__
        if kind == "PtrDecl":
            inner = "*" + " ".join([*node.quals, name])
            grouped = type(node.type).__name__ in ("FuncDecl", "ArrayDecl")
            return self.spelled(node.type, f"({inner})" if grouped else inner)
        if kind == "FuncDecl":
            taken = ", ".join(self.spelled(one.type, one.name or "").rstrip() for one in arguments(node))
            return self.spelled(node.type, f"{name}({taken or 'void'})")
        if kind == "ArrayDecl":
            return self.spelled(node.type, f"{name}[1]")
        named = type(node.type).__name__ == "IdentifierType"
        words = map(self.meaning, node.type.names) if named else [_tag(node.type)]
        return " ".join([*node.quals, *words, name])


def arguments(node: Any) -> list[Any]:
    """The parameters of a function's node; none for ``(void)``, and without ``...``."""
    found = node.args.params if node.args else []
    if len(found) == 1 and type(found[0]).__name__ == "Typename" and is_void(found[0].type):
        return []
    return [one for one in found if hasattr(one, "type")]


def _element(node: Any) -> Any:
    """What a pointer or an array of any number of dimensions leads to."""
    if type(node).__name__ == "PtrDecl":
        return node.type
    while type(node).__name__ == "ArrayDecl":
        node = node.type
    return node


def _tag(node: Any) -> str:
    return f"{type(node).__name__.lower()} {node.name}"


class Definitions:
    """The definitions that declarations need, each written once and behind those it is built on.

    Parameters
    ----------
    types : HeaderTypes
    declared : dict
        As in `Header`.
    """

    def __init__(self, types: HeaderTypes, declared: Mapping[str, Declared]) -> None:
        self._types = types
        self._declared = declared
        self._begun: set[str] = set()

    def leave_out(self, names: Iterable[str]) -> None:
        """Write nothing about these: somebody else does."""
        self._begun.update(names)

    def needed(self, nodes: list[Any]) -> Iterator[str]:
        """Texts that define what these types need and that was not needed before.

        Of structs to which there are only pointers nothing is said but that they are: those are handles.
        """
        used = [entry for node in nodes for entry in _uses(node, whole=True)]
        for name, whole in sorted(used, key=lambda entry: not entry[1]):
            yield from self._write(name, whole=whole)

    def _write(self, name: str, *, whole: bool) -> Iterator[str]:
        node = self._types.node(name)
        if node is None or name in self._begun or name in WELL_KNOWN:  # what means something else is replaced
            return
        shape = ("value", name) if " " in name else self._types.shape(node)
        if not whole and shape[0] == "value" and str(shape[1]).startswith(("struct ", "union ")):
            if " " not in name:
                yield f"typedef struct {name} {name}"
            return
        declared = self._declared[name]
        self._begun.update(other for other, its in self._declared.items() if its is declared)  # typedef … a, *b;
        for used, needed in _uses(node, whole=True):
            yield from self._write(used, whole=needed)
        yield re.sub(r"[A-Za-z_]\w*", lambda match: self._types.meaning(match[0]), declared.text)


def _uses(node: Any, *, whole: bool) -> Iterator[tuple[str, bool]]:
    """Types that a type is built on, and for each whether it must be known what it is made of."""
    kind = type(node).__name__
    if kind == "IdentifierType":
        yield " ".join(node.names), whole
    elif kind in ("Struct", "Union"):
        if node.decls is None:
            yield _tag(node), whole
        for member in node.decls or ():
            yield from _uses(member.type, whole=True)
    elif kind == "FuncDecl":
        yield from _uses(node.type, whole=whole)
        for argument in arguments(node):
            yield from _uses(argument.type, whole=whole)
    elif kind != "Enum":
        yield from _uses(node.type, whole=whole and kind != "PtrDecl")
