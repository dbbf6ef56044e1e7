"""What Python shows of a declared function: its signature, and the text that `help` prints."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..language.clauses import RETURNED
from ..language.parameters import Parameter
from ..language.scalars import Scalar
from .axes import take_axes
from .roles import Contract

_EMPTY = inspect.Parameter.empty
_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


class _Word(NamedTuple):
    """A keyword about axes: its default, its type, and what it does."""

    default: object
    kind: str
    told: str


_AXES = {
    "axis": _Word(-1, "int", "Where the core dimension is."),
    "axes": _Word(None, "list", "Where the core dimensions of every array are, as NumPy's generalized ufuncs have it."),
    "keepdims": _Word(
        default=False, kind="bool", told="Whether the core dimensions stay in the result, with extent 1."
    ),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One argument that a call takes.

    Attributes
    ----------
    name : str
        In Python: a keyword of the language has ``_`` behind it, and can be passed by position only.
    kind : object
        As in `inspect.Parameter`.
    default : object
        ``inspect.Parameter.empty`` if it must be given.
    what : str
        ``input``, ``output`` (an array to write a result into, by its name), ``out`` or one of the words for axes.
    parameter : Parameter or None
        Of the C function.
    is_size : bool
        Whether it is the length of arrays that a caller does not pass.
    may_be_null : bool
        Whether it is an array for which None may be passed: the function gets NULL.
    """

    name: str
    kind: Any
    default: object
    what: str
    parameter: Parameter | None = None
    is_size: bool = False
    may_be_null: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a call: its name (empty for the returned value), element type and shape of the core."""

    name: str
    scalar: Scalar
    core: tuple[str, ...]


def results(contract: Contract) -> list[Result]:
    """What a call gives, in order."""
    returned = contract.prototype.returns
    found = [Result(RETURNED, returned, ())] if contract.returns_result and returned is not None else []
    for parameter in contract.outputs:
        assert parameter.scalar is not None  # arrays have an element type
        found.append(Result(parameter.name, parameter.scalar, core_shape(parameter)))
    return found


def core_shape(parameter: Parameter) -> tuple[str, ...]:
    """How long the core dimensions of an array are, as its brackets say it."""
    return tuple(str(replace(extent, lower=0, stride=None)) for extent in parameter.extents)


def taken(contract: Contract) -> list[Taken]:
    """The arguments of a call, in order."""
    found = list(_inputs(contract))
    names = {parameter.name for parameter in contract.prototype.parameters}
    found += [Taken(one.name, _KEYWORD, None, "output", one) for one in contract.outputs if not _is_word(one.name)]
    if results(contract) and "out" not in names:
        found.append(Taken("out", _KEYWORD, None, "out"))
    for word, about in _AXES.items():
        if word not in names and _takes(contract, word):
            found.append(Taken(word, _KEYWORD, about.default, word))
    return found


def _inputs(contract: Contract) -> Iterator[Taken]:
    """Arguments for C parameters.

    One that may be left out in front of one that may not leaves no order of positions that all callers could use: from
    there on they are passed by name.
    """
    defaults = contract.prototype.clauses.default
    optional = [parameter.name in defaults for parameter in contract.arguments]
    words = [_is_word(parameter.name) for parameter in contract.arguments]
    nameless = len(words) - words[::-1].index(True) if True in words else 0
    rest = range(nameless, len(optional))
    unordered = next((at for at in rest if optional[at] and not all(optional[at:])), len(optional))
    for number, parameter in enumerate(contract.arguments):
        name = parameter.name + "_" * words[number]
        kind = _POSITIONAL if number < nameless else _KEYWORD if number >= unordered else _EITHER
        may_be_left_out = optional[number] and (kind is _KEYWORD or all(optional[number:]))
        default = defaults[parameter.name] if may_be_left_out else _EMPTY
        may_be_null = parameter.kind == "array" and optional[number]
        yield Taken(name, kind, default, "input", parameter, parameter.name in contract.sizes, may_be_null)


def _is_word(name: str) -> bool:
    """Whether a C name is a word of Python, and so cannot stand in front of ``=`` in a call."""
    return keyword.iskeyword(name)


def _takes(contract: Contract, word: str) -> bool:
    """Whether ``axis``, ``axes`` or ``keepdims`` has a meaning for a function."""
    if word == "axes":
        return any(parameter.extents for parameter in (*contract.arguments, *contract.outputs))
    try:
        take_axes(contract, {word: -1 if word == "axis" else True})
    except TypeError:
        return False
    return True


def signature(contract: Contract) -> inspect.Signature:
    """How a declared function is called, for `inspect.signature` and for editors."""
    return inspect.Signature([inspect.Parameter(one.name, one.kind, default=one.default) for one in taken(contract)])


class OnInstances:
    """An attribute that instances have and their class has not; made when somebody asks for it."""

    def __init__(self, make: Callable[[Any], object]) -> None:
        self._make = make

    def __get__(self, instance: object | None, owner: type) -> object:
        if instance is None:
            raise AttributeError
        return self._make(instance)


def describe(contract: Contract, library: str) -> str:
    """A docstring: declaration, every parameter with its role, results, and where the function comes from."""
    prototype = contract.prototype
    lines = [f"{prototype.name}{signature(contract)}", "", prototype.text, ""]
    arguments = taken(contract)
    if arguments:
        lines += ["Parameters", "----------"]
        for one in arguments:
            lines += _argument(contract, one)
        lines.append("")
    given = results(contract)
    if given:
        lines += ["Returns", "-------", *(line for result in given for line in _result(contract, result)), ""]
    lines += ["Notes", "-----", *_notes(contract), f"From {library}."]
    return "\n".join(lines)


def _argument(contract: Contract, one: Taken) -> list[str]:
    optional = "" if one.default is _EMPTY else ", optional"
    if one.what == "out":
        several = len(results(contract)) > 1
        told = "Arrays to write the results into, None for those to be made." if several else "Where the result goes."
        return [f"out : {'tuple of arrays' if several else 'array'}{optional}", f"    {told}"]
    if one.parameter is None:
        return [f"{one.name} : {_AXES[one.what].kind}{optional}", f"    {_AXES[one.what].told}"]
    parameter = one.parameter
    role = next(role for role in contract.roles if role.parameter is parameter)
    if parameter.kind == "handle":
        kind = "callable or handle" if parameter.callback else "handle"
    elif parameter.kind == "array":
        assert parameter.scalar is not None  # arrays have an element type
        kind = _array(parameter.scalar, core_shape(parameter)) + " or None" * one.may_be_null
    else:
        assert parameter.scalar is not None  # passed by value
        kind = f"int ({parameter.spelled})" if one.is_size else _element(parameter.scalar)
    return [f"{one.name} : {kind}{optional}", f"    {role.word}: {role.reason}"]


def _result(contract: Contract, result: Result) -> list[str]:
    merged = contract.prototype.clauses.reductions.get(result.name)
    kind = _array(result.scalar, result.core)
    how = [f"    partial results merge by {merged}"] if merged else []
    return [f"{result.name} : {kind}" if result.name else kind, *how]


def _array(scalar: Scalar, core: tuple[str, ...]) -> str:
    """An array as a reader would say it; what is in front of the core is broadcast over."""
    return f"array of {_element(scalar)}, shape (..., {', '.join(core)})" if core else _element(scalar)


def _element(scalar: Scalar) -> str:
    return scalar.name if scalar.dtype.kind == "V" else scalar.dtype.name


def _notes(contract: Contract) -> Iterator[str]:
    """What a caller does not pass."""
    passed = {parameter.name for parameter in (*contract.arguments, *contract.outputs)}
    for role in contract.roles:
        if role.parameter.name not in passed:
            yield f"{role.parameter.name} is not passed ({role.word}: {role.reason})"
