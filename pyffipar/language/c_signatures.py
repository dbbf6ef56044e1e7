"""C signatures as two sources tell them, and where they differ: kinds and widths count, spellings do not."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from .csyntax import is_void, parse, type_words
from .names import TypeNames
from .parameters import Parameter
from .prototype import Prototype
from .scalars import BYTES, Scalar
from .tokens import statements


@dataclass(frozen=True, slots=True)
class CType:
    """A type as far as a call depends on it.

    Attributes
    ----------
    kind : str
        ``void``, ``bool``, ``integer``, ``float``, ``complex``, ``struct``, ``pointer``, ``object`` (Python's),
        ``variadic`` (any number of arguments), or ``unknown``, which goes with anything.
    bits : int
        Width; 0 where it is not known.
    signed : bool or None
        Of an integer; None where either will do, as for ``char`` and enumerations.
    target : CType or None
        What a pointer points to.
    spelled : str
        As its source writes it.
    """

    kind: str
    bits: int = 0
    signed: bool | None = None
    target: CType | None = None
    spelled: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.spelled


_ADDRESS_BITS = 8 * struct.calcsize("P")
UNKNOWN = CType("unknown", spelled="?")
VOID = CType("void", spelled="void")
VARIADIC = CType("variadic", spelled="...")


def pointer(target: CType, spelled: str = "") -> CType:
    """A pointer to a type."""
    return CType("pointer", target=target, spelled=spelled or f"{target} *")


@dataclass(frozen=True, slots=True)
class CSignature:
    """What is known of a function.

    Attributes
    ----------
    parameters : tuple of CType or None
        None where their source says nothing about them.
    returns : CType
    spelled : str
        The whole, for messages.
    """

    parameters: tuple[CType, ...] | None
    returns: CType
    spelled: str


def same(one: CType, other: CType) -> bool:
    """Whether a value of one type can be passed as the other."""
    if "unknown" in (one.kind, other.kind):
        return True
    if one.kind != other.kind:
        return False
    if one.kind == "pointer":
        assert one.target is not None
        assert other.target is not None
        return "void" in (one.target.kind, other.target.kind) or same(one.target, other.target)
    if one.bits and other.bits and one.bits != other.bits:
        return False
    return one.kind != "integer" or one.signed is None or other.signed is None or one.signed == other.signed


def _same_result(ours: CType, theirs: CType) -> bool:
    """Likewise for what is returned: addresses are declared as integers of their width, or as void if not wanted."""
    if theirs.kind != "pointer" or ours.kind == "pointer":
        return same(ours, theirs)
    return ours.kind == "void" or (ours.kind == "integer" and ours.bits == _ADDRESS_BITS)


def differences(ours: CSignature, theirs: CSignature) -> list[int]:
    """Where two signatures differ: positions of parameters from 1, or 0 for what is returned.

    If they do not have as many parameters, the first that one of them lacks is among the positions.
    """
    found = [] if _same_result(ours.returns, theirs.returns) else [0]
    if ours.parameters is None or theirs.parameters is None:
        return found
    pairs = enumerate(zip(ours.parameters, theirs.parameters, strict=False), 1)
    found += [number for number, (one, other) in pairs if not same(one, other)]
    if len(ours.parameters) != len(theirs.parameters):
        found.append(min(len(ours.parameters), len(theirs.parameters)) + 1)
    return found


def check(prototype: Prototype, theirs: CSignature, what: str) -> None:
    """Refuse a declaration that differs from what the function itself says.

    Parameters
    ----------
    prototype : Prototype
    theirs : CSignature
    what : str
        What kind of function says so, for the message.

    Raises
    ------
    PrototypeError
        Points at the first parameter that differs, and lists all with what both sides say.
    """
    ours = declared(prototype)
    found = differences(ours, theirs)
    if not found:
        return
    lines = [f"{prototype.name}: the declaration does not agree with the {what}, which is {theirs.spelled}"]
    lines += [f"  {_difference(number, prototype, ours, theirs)}" for number in found]
    if "__pyx_skip_dispatch" in theirs.spelled:
        lines.append("  (Cython's cpdef functions take one more: declare it, as in `int skip) fixed(skip = 1)`)")
    first = next((number for number in found if number), 0)
    known = 0 < first <= len(prototype.parameters)
    position = prototype.parameters[first - 1].position if known else prototype.position
    raise PrototypeError("\n".join(lines), prototype.source, position)


def _difference(number: int, prototype: Prototype, ours: CSignature, theirs: CSignature) -> str:
    """One difference in words."""
    if number == 0:
        return f"it returns {theirs.returns}, not {ours.returns}"
    assert ours.parameters is not None
    assert theirs.parameters is not None
    if VARIADIC in theirs.parameters:
        return f"it takes any number of arguments, {theirs.spelled}, so it cannot be called by a fixed rule"
    if number > min(len(ours.parameters), len(theirs.parameters)):
        return f"it has {len(theirs.parameters)} parameters, not {len(ours.parameters)}"
    return f"parameter {number} is {theirs.parameters[number - 1]}, not {prototype.parameters[number - 1]}"


# What a declaration says


def declared(prototype: Prototype) -> CSignature:
    """The signature a declaration gives its function."""
    parameters = tuple(map(_of_parameter, prototype.parameters))
    return CSignature(parameters, of_scalar(prototype.returns), prototype.text)


def _of_parameter(parameter: Parameter) -> CType:
    if parameter.kind == "value":
        return of_scalar(parameter.scalar)
    return pointer(of_scalar(parameter.scalar) if parameter.kind == "array" else UNKNOWN, str(parameter))


def of_scalar(known: Scalar | None, spelled: str = "") -> CType:
    """An element type of the declaration language; None is ``void``."""
    if known is None or known == BYTES:
        return VOID
    kind = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}.get(known.dtype.kind, "struct")
    signed = known.dtype.kind == "i" if kind == "integer" and known.name != "char" else None
    return CType(kind, 8 * known.dtype.itemsize, signed, spelled=spelled or known.name)


# What C text says, as the names of capsules are


# Names in the headers of Python, NumPy and Cython.
_SPELLINGS = {
    "PY_LONG_LONG": "long long", "Py_ssize_t": "ssize_t", "npy_intp": "ssize_t", "intp_t": "ssize_t",
    "npy_float64": "double", "float64_t": "double", "npy_float32": "float", "float32_t": "float",
    "__pyx_t_double_complex": "double _Complex", "__pyx_t_float_complex": "float _Complex",
}  # fmt: skip
_PYTHON_OBJECTS = frozenset(("PyObject", "PyTypeObject", "PyArrayObject"))
_CYTHON = "__pyx_t_"
_WORD = re.compile(r"[A-Za-z_]\w*")


def read_signature(text: str, names: TypeNames) -> CSignature | None:
    """Read a signature such as ``double (double, void *)``; None if the text is none.

    Parameters
    ----------
    text : str
    names : TypeNames
        What the names of types in it may stand for, besides those that every C programmer knows.
    """
    start = _parameter_list(text)
    if start is None:
        return None
    plain = _WORD.sub(lambda word: _spelling(word[0]), text)
    start = _parameter_list(plain) or 0
    returns = plain[:start].rstrip().removesuffix("(*)")
    try:
        (statement,) = statements(f"{returns} f{plain[start:]};")
        node = parse(statement, statement.tokens)
    except (PrototypeError, ValueError):
        return None
    arguments = node.type.args.params if node.type.args else []
    if len(arguments) == 1 and type(arguments[0]).__name__ == "Typename" and is_void(arguments[0].type):
        arguments = []
    return CSignature(tuple(_of_argument(one, names) for one in arguments), _of_node(node.type.type, names), text)


def _parameter_list(text: str) -> int | None:
    """Where the parameters' ``(`` stands."""
    depth = 0
    for place in range(len(text.rstrip()) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[place], 0)
        if depth == 0:
            return place or None if text[place] == "(" else None
    return None


def _spelling(word: str) -> str:
    """The C name of a name in the headers of others; Cython puts modules with their lengths in front."""
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    rest = word.removeprefix(_CYTHON)
    while rest != word and (module := re.match(r"(\d+)", rest)):
        rest = rest[module.end() + int(module[1]) + 1 :]
    return _SPELLINGS.get(rest, rest) or word


def _of_argument(argument: Any, names: TypeNames) -> CType:
    kind = type(argument).__name__
    if kind in ("Typename", "Decl"):
        return _of_node(argument.type, names)
    return VARIADIC if kind == "EllipsisParam" else UNKNOWN


def _of_node(node: Any, names: TypeNames) -> CType:
    """A type as pycparser read it."""
    kind = type(node).__name__
    if kind in ("PtrDecl", "ArrayDecl"):
        return pointer(_of_node(node.type, names))
    if kind == "FuncDecl":
        return CType("unknown", spelled="a function")
    words, const = type_words(node)
    spelled = ("const " if const else "") + " ".join(words)
    if words == ["void"]:
        return VOID
    if words[-1] in _PYTHON_OBJECTS:
        return CType("object", spelled=spelled)
    if words[0] in names.pointers:
        return pointer(UNKNOWN, spelled)
    if array := names.arrays.get(words[0]):
        return pointer(of_scalar(array.element), spelled)
    return of_words(words, names, spelled)


def of_words(words: list[str], names: TypeNames, spelled: str) -> CType:
    """A type by its words; one that nobody has defined is unknown."""
    if sorted(words) == ["double", "long"]:
        return CType("float", 80, spelled=spelled)  # or whatever it has here: more than any declaration can say
    found = names.find(words)
    return CType("unknown", spelled=spelled) if found is None else of_scalar(found, spelled)


def has_python_objects(signature: CSignature) -> bool:
    """Whether a function handles what only code under the GIL may touch."""
    return any(_holds_object(one) for one in (*(signature.parameters or ()), signature.returns))


def _holds_object(one: CType) -> bool:
    return one.kind == "object" or (one.target is not None and _holds_object(one.target))
