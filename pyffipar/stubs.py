"""Type stubs: the functions of a library as a type checker sees them."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .language.parameters import Parameter
from .plans.describing import Result, Taken, results, taken
from .plans.roles import Contract

_HEAD = '''"""Types of the functions of {origin}, written by pyffipar.

For a module in which `{name}` is what pyffipar.load or pyffipar.compile gave; this file lies beside it.
"""

from collections.abc import Callable
from typing import Any, SupportsIndex, overload

import numpy as np
import pyffipar
from numpy.typing import ArrayLike, NDArray
'''

_EMPTY = inspect.Parameter.empty
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


def write_stub(origin: str, name: str, contracts: Iterable[Contract], reserved: Callable[[str], bool]) -> str:
    """The text of a ``.pyi`` file.

    Parameters
    ----------
    origin : str
        Where the library comes from, for readers.
    name : str
        What the library is called in the module that the stub is for.
    contracts : iterable of Contract
    reserved : callable
        Whether an attribute of that name is something else than a function.

    Raises
    ------
    ValueError
        If `name` is no name in Python.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name of a variable")
    known = {contract.prototype.name: contract for contract in contracts}
    reachable = {one: known[one] for one in known if not keyword.iskeyword(one) and not reserved(one)}
    lines = [_HEAD.format(origin=origin, name=name)]
    for contract in reachable.values():
        lines += _function(contract)
    return "\n".join([
        *lines,
        f"class _Type_of_{name}(pyffipar.Library):",
        "    __getattr__: None  # type: ignore[assignment, misc]  # a name that is not declared is an error",
        *(f"    {one}: _{one}" for one in reachable),
        "",
        f"{name}: _Type_of_{name}",
        "",
    ])  # fmt: skip


def _function(contract: Contract) -> Iterator[str]:
    """A class for the type of one function."""
    given = results(contract)
    result = _results(given)
    yield f"class _{contract.prototype.name}(pyffipar.Function):"
    yield from _method("__call__", contract, given, result)
    yield from _method("prepare", contract, given, f"Callable[[], {result}]")
    yield from _method("submit", contract, given, "pyffipar.CallFuture")
    yield from _method("explain", contract, given, "None")
    yield f"    def options(self, **changes: Any) -> _{contract.prototype.name}: ..."
    yield ""


def _method(name: str, contract: Contract, given: list[Result], result: str) -> Iterator[str]:
    ways = list(_ways(contract))
    for way in ways:
        if len(ways) > 1:
            yield "    @overload"
        yield f"    def {name}({', '.join(['self', *_parameters(way, given)])}) -> {result}: ..."


def _ways(contract: Contract) -> Iterator[list[Taken]]:
    """The ways in which a function may be called, where one list of parameters does not hold them all."""
    usual = taken(contract)
    yield usual
    inputs = [one for one in usual if one.what == "input"]
    rest = [one for one in usual if one.what != "input"]
    if any(one.kind is _KEYWORD for one in inputs):  # one that may be left out stands in front of one that may not
        yield [*(replace(one, default=_EMPTY, kind=min(one.kind, _EITHER)) for one in inputs), *rest]
    if any(one.extents for one in contract.outputs) and (ordered := _sizes_told(inputs, contract.outputs)):
        for what in ("out", "output"):
            yield [*ordered, *(replace(one, default=_EMPTY) if one.what == what else one for one in rest)]
    for one in inputs:
        if one.may_be_null and one.parameter is not None:
            passed = replace(one, default=_EMPTY, kind=min(one.kind, _EITHER), may_be_null=False)
            ordered = _sizes_told([passed if other is one else other for other in inputs], [one.parameter])
            if ordered:
                yield [*ordered, *rest]


def _sizes_told(inputs: list[Taken], arrays: Iterable[Parameter]) -> list[Taken]:
    """The inputs where sizes that some arrays tell need not be passed; none if these arrays tell no size."""
    told = {extent.size for array in arrays for extent in array.extents if extent.factor}
    sizes = {one.name for one in inputs if one.parameter is not None and one.parameter.name in told}
    if not sizes:
        return []
    free = [replace(one, default=None, kind=_KEYWORD) if one.name in sizes else one for one in inputs]
    first = next(at for at, one in enumerate(free) if one.default is not _EMPTY)
    return [*free[:first], *(replace(one, kind=_KEYWORD) for one in free[first:])]


def _parameters(way: list[Taken], given: list[Result]) -> Iterator[str]:
    """The parameters in order, with ``/`` and ``*`` where they belong."""
    before: Any = None
    for one in way:
        if before is inspect.Parameter.POSITIONAL_ONLY and one.kind is not before:
            yield "/"
        if one.kind is _KEYWORD and before is not _KEYWORD:
            yield "*"
        before = one.kind
        yield f"{one.name}: {_type(one, given)}{'' if one.default is _EMPTY else ' = ...'}"
    if before is inspect.Parameter.POSITIONAL_ONLY:
        yield "/"


def _type(one: Taken, given: list[Result]) -> str:
    """The type of one argument."""
    optional = "" if one.default is _EMPTY else " | None"
    if one.what == "out":
        arrays = [_array(result.scalar.dtype) for result in given]
        return f"{arrays[0] if len(arrays) == 1 else _tuple(f'{array} | None' for array in arrays)}{optional}"
    parameter = one.parameter
    if parameter is None:
        return {"axis": "SupportsIndex", "axes": "Any", "keepdims": "bool"}[one.what]
    if parameter.kind == "handle":
        return "Any"
    assert parameter.scalar is not None  # all others have a type
    if parameter.direction != "in":
        return _array(parameter.scalar.dtype) + (" | None" if one.may_be_null else optional)
    if parameter.kind == "array":
        return "ArrayLike" + " | None" * one.may_be_null
    return "SupportsIndex" + optional if one.is_size else "ArrayLike"


def _array(dtype: np.dtype[Any]) -> str:
    return f"NDArray[np.{dtype.type.__name__}]"


def _results(given: list[Result]) -> str:
    """What a call returns; what is a number or an array, as the arguments have it, is Any, as in NumPy's own stubs."""
    types = [_array(result.scalar.dtype) if result.core else "Any" for result in given]
    if not types:
        return "None"
    return types[0] if len(types) == 1 else _tuple(types)


def _tuple(types: Iterable[str]) -> str:
    return f"tuple[{', '.join(types)}]"
