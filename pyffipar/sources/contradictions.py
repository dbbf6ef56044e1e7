"""Declarations beside the C source that is compiled for them: types that cannot both be right are refused.

The source is read as it stands, without a preprocessor, which would cost as much as compiling it. So what might mean
something else than it says (macros, conditions, types from headers) is passed over: nobody is refused by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import PrototypeError
from ..language.agreement import HeaderFunction, read_function
from ..language.header_types import VOID, HeaderTypes
from ..language.headers import read_header
from ..language.parameters import Parameter
from ..language.prototype import Prototype
from ..language.scalars import Scalar, scalar
from .recipes import Recipe

_QUIET = re.compile(r""" /\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' """, re.VERBOSE | re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|el|undef)", re.MULTILINE)
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")


def check_declared(recipe: Recipe, prototypes: Iterable[Prototype]) -> None:
    """Refuse prototypes that the source of a recipe contradicts.

    Raises
    ------
    PrototypeError
        Points at the parameter, or the function for what it returns.
    """
    text = _QUIET.sub(lambda found: '""' if found[0][0] in "\"'" else " ", recipe.source.replace("\\\n", " "))
    if recipe.language != "c" or _CONDITION.search(text):
        return
    macros = {*_MACRO.findall(text), *(flag[2:].partition("=")[0] for flag in recipe.flags if flag.startswith("-D"))}
    header = read_header(_DIRECTIVE.sub("", text))
    types = HeaderTypes(header.types)
    for prototype in prototypes:
        declared = header.functions.get(prototype.name)
        if declared is None or prototype.is_variable or macros.intersection(_WORD.findall(declared.text)):
            continue
        try:
            theirs = read_function(declared)
        except PrototypeError:  # types or attributes that only a header explains
            continue
        if not theirs.is_open and (theirs.parameters or "void" in declared.text.partition("(")[2]):
            _Comparison(prototype, theirs, types).check()


class _Comparison:
    """A prototype, and the function as the source has it."""

    def __init__(self, prototype: Prototype, theirs: HeaderFunction, types: HeaderTypes) -> None:
        self._mine, self._theirs, self._types = prototype, theirs, types

    def check(self) -> None:
        mine, theirs = self._mine, self._theirs
        if len(mine.parameters) != len(theirs.parameters):
            self._fail(f"{len(mine.parameters)} parameters here, but {len(theirs.parameters)}", mine.position)
        shape = self._types.shape(theirs.node.type.type)
        if mine.returns is not None and (shape == VOID or _differ(mine.returns, shape, by_address=False)):
            self._fail(f"returns {mine.returns.name} here, but not", mine.position)
        for parameter, node in zip(mine.parameters, theirs.parameters, strict=True):
            if self._contradicts(parameter, self._types.shape(node.type)):
                self._fail(f"{parameter} here, but not", parameter.position)

    def _contradicts(self, parameter: Parameter, shape: Any) -> bool:
        if parameter.scalar is None or parameter.kind == "handle":
            return False
        return _differ(parameter.scalar, shape, by_address=parameter.kind == "array")

    def _fail(self, message: str, position: int) -> NoReturn:
        where = f"in the source: {self._theirs.declared.text};"
        raise PrototypeError(f"{self._mine.name}: {message} {where}", self._mine.source, position)


def _differ(mine: Scalar, shape: Any, *, by_address: bool) -> bool:
    """Whether a type, or that of an array's elements, is surely another one than a shape says."""
    if shape[0] == "pointer":
        if not by_address:  # an address is an integer, too
            return mine.dtype.kind not in "iu" or mine.dtype.itemsize != _ADDRESS
        shape, by_address = shape[2], False
    theirs = scalar(*str(shape[1]).split()) if shape[0] == "value" else None
    if theirs is None or "V" in (theirs.dtype.kind, mine.dtype.kind):
        return False  # nobody knows
    return by_address or _layout(mine) != _layout(theirs)


def _layout(one: Scalar) -> tuple[bool, str, int]:
    """What matters to C: integers with and without a sign are handed over alike."""
    kind = one.dtype.kind
    return kind in "biu", "" if kind in "biu" else kind, one.dtype.itemsize


_uintptr = scalar("uintptr_t")
assert _uintptr is not None  # it is well known
_ADDRESS = _uintptr.dtype.itemsize
