"""The parameters of a prototype: what each C declaration and its brackets say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .clauses import RETURNED, Boundary, Clauses
from .csyntax import TAGS, is_void, type_words
from .extents import Extent
from .names import TypeNames
from .scalars import BYTES, Scalar
from .tokens import Statement, Token

MAX_CORE_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Signature:
    """What a pointer to a function returns and takes; None stands for ``void`` and for pointers."""

    returns: Scalar | None
    arguments: tuple[Scalar | None, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a foreign function.

    Attributes
    ----------
    name : str
    kind : str
        ``value`` (passed by value), ``array`` (a pointer with brackets) or ``handle`` (a pointer without).
    scalar : Scalar or None
        The value's or the elements' type; None for a handle.
    spelled : str
        The C type as a reader would write it.
    extents : tuple of Extent
        Core dimensions of an array; empty for ``x[1]``, one value by reference.
    direction : str
        ``in``, ``out`` or ``inout``.
    position : int
        Offset of the name in the declaration text.
    boundary : Boundary or None
        What stands beyond the ends of the leading dimension: the caller's array ends where the items end, and the
        function reads `before` elements in front of it and `after` behind.
    before, after : int
    callback : Signature or None
        What a function pointer points to, as far as Python can be called that way.
    """

    name: str
    kind: str
    scalar: Scalar | None
    spelled: str
    extents: tuple[Extent, ...] = ()
    direction: str = "in"
    position: int = 0
    boundary: Boundary | None = None
    before: int = 0
    after: int = 0
    callback: Signature | None = None

    @property
    def sizes(self) -> frozenset[str]:
        """Names of the sizes in its brackets."""
        return frozenset(extent.size for extent in self.extents if extent.size is not None)

    def __str__(self) -> str:
        brackets = "".join(f"[{extent}]" for extent in self.extents) or ("[1]" if self.kind == "array" else "")
        return f"{self.spelled}{'' if self.spelled.endswith('*') else ' '}{self.name}{brackets}"


class ParameterReader:
    """Turns pycparser's nodes of one prototype into parameters."""

    def __init__(self, statement: Statement, names: TypeNames) -> None:
        self._statement = statement
        self._names = names

    def read(
        self, declaration: Any, declared: list[tuple[int, tuple[Extent, ...] | None]], directions: Mapping[str, str]
    ) -> tuple[Parameter, ...]:
        """All parameters; `declared` holds position and extents of each, in order."""
        nodes = declaration.type.args.params if declaration.type.args else []
        if len(nodes) == 1 and type(nodes[0]).__name__ == "Typename" and is_void(nodes[0].type):
            return ()
        found: dict[str, Parameter] = {}
        fail = self._statement.fail
        for number, node in enumerate(nodes, 1):
            if type(node).__name__ == "EllipsisParam":
                fail(f"{declaration.name} takes any number of arguments (...): it cannot be called by a fixed rule")
            if getattr(node, "name", None) is None:
                fail(f"parameter {number} of {declaration.name} has no name: every parameter needs one")
            position, extents = declared[number - 1]
            if node.name in found:
                fail(f"two parameters are called {node.name}", position)
            found[node.name] = self._parameter(node, position, extents, directions.get(node.name))
        return tuple(found.values())

    def _parameter(
        self, node: Any, position: int, extents: tuple[Extent, ...] | None, direction: str | None
    ) -> Parameter:
        inner = node.type
        while type(inner).__name__ == "ArrayDecl":
            inner = inner.type
        if type(inner).__name__ in ("PtrDecl", "FuncDecl"):
            return self._pointer(node.name, inner, position, extents)
        words, const = type_words(inner)
        if words[0] in self._names.pointers:
            return self._pointer(node.name, self._names.pointers[words[0]], position, extents, words[0])
        spelled = ("const " if const else "") + " ".join(words)
        element: Scalar | None
        if array := self._names.arrays.get(words[0]):  # as C does it: a parameter of an array type is a pointer
            element = array.element
            fixed = tuple(Extent(None, 0, extent, position=position) for extent in array.shape)
            extents, spelled = (*(extents or ()), *fixed), ("const " if const else "") + element.name
        else:
            element = BYTES if words == ["void"] and extents is not None else self._names.find(words)
        if element is None or (extents is None and element.dtype.kind == "V"):
            self._statement.fail(f"{node.name}: {self._by_value(words, element)}", position)
        if extents is not None and len(extents) > MAX_CORE_DIMENSIONS:
            count = f"{len(extents)} core dimensions; at most {MAX_CORE_DIMENSIONS} are read"
            self._statement.fail(count, position)
        if extents is None:
            return Parameter(node.name, "value", element, spelled, (), "in", position)
        one = len(extents) == 1 and extents[0].size is None and extents[0].offset == 1 and not extents[0].lower
        way = direction or ("in" if const else "out")
        return Parameter(node.name, "array", element, spelled, () if one else extents, way, position)

    def _by_value(self, words: list[str], element: Scalar | None) -> str:
        """Why a type cannot be passed by value."""
        if element or words[0] in TAGS:
            return "a struct is not passed by value"
        if self._names.is_opaque(words):
            return f"{' '.join(words)} is opaque, so only pointers to it are passed"
        return f"unknown type {' '.join(words)}{self._names.alike(words)}"

    def _pointer(
        self, name: str, node: Any, position: int, extents: tuple[Extent, ...] | None, alias: str = ""
    ) -> Parameter:
        """A pointer without brackets is an opaque handle; to a known type it would be a guess.

        `alias` is the typedef that stands for the pointer.
        """
        if extents is not None:
            self._statement.fail(f"{name} is an array of pointers: only arrays of values are read", position)
        function = node if type(node).__name__ == "FuncDecl" else self._named_function(node.type)
        if type(function).__name__ == "FuncDecl":
            callback = self._callback(function)
            return Parameter(name, "handle", None, "void *", position=position, callback=callback)
        if self._is_pointer(node.type):
            return Parameter(name, "handle", None, "void *", position=position)
        words, const = type_words(node.type)
        if self._names.find(words) is not None or words[0] in self._names.arrays:
            spelled = ("const " if const else "") + " ".join(words)
            self._statement.fail(
                f"{f'{alias} ' if alias else f'{spelled} *'}{name} does not say how much it points to: "
                f"write {spelled} {name}[1] for one value or {spelled} {name}[n] for an array",
                position,
            )
        return Parameter(name, "handle", None, ("const " if const else "") + " ".join(words) + " *", position=position)

    def _named_function(self, node: Any) -> Any:
        """What a typedef of a function stands for; else the type itself."""
        if type(node).__name__ != "TypeDecl":
            return node
        target = self._names.pointers.get(type_words(node)[0][0])
        return target if type(target).__name__ == "FuncDecl" else node

    def _callback(self, node: Any) -> Signature | None:
        """The signature of a function pointer; None if a Python callable cannot have it."""
        nodes = node.args.params if node.args else []
        if len(nodes) == 1 and type(nodes[0]).__name__ == "Typename" and is_void(nodes[0].type):
            nodes = []
        if any(type(argument).__name__ not in ("Typename", "Decl") for argument in nodes):
            return None  # any number of arguments, or names of unknown types
        returns_nothing = is_void(node.type)
        result = None if returns_nothing else self._plain(node.type)
        arguments = tuple(self._plain(argument.type) for argument in nodes)
        by_value = [argument.type for argument in nodes if not self._is_pointer(argument.type)]
        if any(self._plain(argument) is None for argument in by_value) or (result is None and not returns_nothing):
            return None
        return Signature(result, arguments)

    def _is_pointer(self, node: Any) -> bool:
        """Whether a type is a pointer, an array or a function, or a typedef of a pointer."""
        return type(node).__name__ != "TypeDecl" or type_words(node)[0][0] in self._names.pointers

    def _plain(self, node: Any) -> Scalar | None:
        """The arithmetic type of a value that ctypes can pass; None for pointers and all else."""
        if type(node).__name__ != "TypeDecl":
            return None
        found = self._names.find(type_words(node)[0])
        return found if found is not None and found.ctype is not None else None

    def returned(self, declaration: Any, name: Token) -> Scalar | None:
        """What the function returns; None for ``void``."""
        node = declaration.type.type
        if self._is_pointer(node):
            self._statement.fail(
                f"{name.text} returns a pointer; only values can be returned: "
                f"write uintptr_t for an address to hand on, void if it is not needed",
                name.position,
            )
        words, _ = type_words(node)
        if words == ["void"]:
            return None
        found = self._names.find(words)
        if found is None or found.dtype.kind == "V":
            unknown = f"the unknown type {' '.join(words)}{self._names.alike(words)}"
            what = "a struct" if found or words[0] in TAGS else unknown
            self._statement.fail(f"{name.text} returns {what}", name.position)
        return found


def bounded(statement: Statement, parameters: tuple[Parameter, ...], clauses: Clauses) -> tuple[Parameter, ...]:
    """Arrays under a boundary clause end where the items end; what the brackets hold beyond that is made up."""
    if not clauses.boundaries:
        return parameters
    found = []
    for parameter in parameters:
        boundary = clauses.boundaries.get(parameter.name)
        if boundary is None and parameter.extents and parameter.direction == "in":
            lead = parameter.extents[0]
            boundary = clauses.boundaries.get(RETURNED) if lead.size and (lead.lower or lead.offset) else None
        found.append(parameter if boundary is None else _with_boundary(statement, parameter, boundary))
    if RETURNED in clauses.boundaries and all(parameter.boundary is None for parameter in found):
        statement.fail("boundary: no input has a halo, as in x[-1 : n + 2]", clauses.positions["boundary"])
    return tuple(found)


def _with_boundary(statement: Statement, parameter: Parameter, boundary: Boundary) -> Parameter:
    lead = parameter.extents[0] if parameter.extents else None
    if parameter.direction != "in":
        statement.fail(
            f"boundary: {parameter.name} is written, and nothing is written beyond its ends", parameter.position
        )
    before, after = (-lead.lower, lead.offset + lead.lower) if lead else (0, 0)
    if lead is None or lead.size is None or lead.stride or min(before, after) < 0 or before == after == 0:
        statement.fail(f"boundary: {parameter} has no halo, as in {parameter.name}[-1 : n + 2]", parameter.position)
    if parameter.scalar is not None and parameter.scalar.dtype.kind == "V":
        statement.fail(
            f"boundary: {parameter.name} holds structs, which have no neighbours to make up", parameter.position
        )
    plain = replace(lead, offset=0, lower=0)
    return replace(
        parameter,
        extents=(plain, *parameter.extents[1:]),
        boundary=boundary,
        before=before,
        after=after,
    )
