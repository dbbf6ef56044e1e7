"""Calls that the native library repeats by itself: templates laid out for it, and the table it looks them up in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, addressof, c_double, c_int64, c_void_p, cast, pointer
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import _native
from .._native import built_ins
from ..system import forking
from ..timelines import tracing
from .native import AT_ONCE, Job

Array = np.ndarray[Any, np.dtype[Any]]


tracing.tell(lambda: built_ins.ask(is_asked=bool(tracing.active)))  # what nobody looks after cannot be recorded


class ResultLayout(NamedTuple):
    """What a result of every call looks like.

    Attributes
    ----------
    name : str
    shape : tuple of int
    dtype : dtype
    given : bool
        Whether it is the caller's own array; else it is made for every call.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    given: bool


class Known(NamedTuple):
    """A call that was made, as it is to be repeated.

    Attributes
    ----------
    job : Job
        The plan laid out; the template's own.
    begin : callable or None
        Called before the calls are made.
    take_up : callable
        Given a status that is not DONE, brings the job to its end; given PENDING where nothing has begun, all of it.
    finish : callable, array or None
        Makes of the results, in a tuple, what the caller gets; None for as they are. An array holds doubles, one at
        least, that are added up from the first to the last: the caller gets their sum.
    arguments : tuple of (str, object)
        Names and values, in the order in which they were given, those given by keyword last.
    keywords : tuple of str
        How these were called.
    shared : collection of str
        Arrays that the job reads or writes where the caller has them.
    constants : collection of str
        Numbers that are passed by value.
    results : tuple of ResultLayout
    apart : tuple of (str, str, int, int)
        Arrays that must not overlap, by name: they do if the address of the second less that of the first lies
        between the numbers.
    """

    job: Job
    begin: Callable[[], object] | None
    take_up: Callable[[int], object]
    finish: Callable[[tuple[Array, ...]], Any] | Array | None
    arguments: tuple[tuple[str, Any], ...] = ()
    keywords: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()
    results: tuple[ResultLayout, ...] = ()
    apart: tuple[tuple[str, str, int, int], ...] = ()


class Repertoire:
    """Calls of one function that are repeated without planning them again, or asking Python how.

    Each is kept for one thread at a time: where several make the same call at once, it is learnt several times. Only
    where they can be had: see `is_had`.

    Attributes
    ----------
    recall : callable
        Makes a call; NotImplemented where it is not known, Ellipsis where it is but cannot be repeated.
    """

    _otherwise: Callable[[], Any]

    def __init__(self) -> None:
        self._table = _native.Repertoire()
        self._kept: list[_LaidOut] = []
        self._lock = forking.Lock()
        self.recall: Callable[..., Any] = built_ins.recall(self._table)

    def learn(self, known: Known) -> None:
        """Keep a call, in place of another one if there are too many."""
        if len(known.arguments) > _native.Most.MOST_OPERANDS or len(known.results) > _native.Most.MOST_OUTPUTS:
            return
        laid_out = _LaidOut(known)
        with self._lock:
            self._kept.append(laid_out)  # before the library knows it: Ctrl-C may come between any two steps
            _native.library().pyffipar_keep(self._table, laid_out.template)
            places = {addressof(slot.known.contents) for slot in self._table.slots if slot.known}
            self._kept = [kept for kept in self._kept if addressof(kept.template) in places]

    def again(self, otherwise: Callable[[], Any]) -> Callable[[], Any]:
        """What makes a call without arguments, or `otherwise` where it is not known or being made."""
        self._otherwise = otherwise
        self._table.otherwise = id(otherwise)
        return built_ins.again(self._table)

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Let nobody else begin a call by what `again` gave: for one thread that waits for its turn."""
        self._table.is_wanted = True
        try:
            yield
        finally:
            self._table.is_wanted = False

    def callers(self) -> set[int]:
        """Threads whose calls are being made."""
        return {slot.owner for slot in self._table.slots if slot.owner}

    def __len__(self) -> int:
        return len(self._kept)


def is_had() -> bool:
    """Whether this Python can make calls in this way."""
    return built_ins.are_here()


class _LaidOut:
    """A call as the native library wants to know it, and all that has to live as long.

    Attributes
    ----------
    template : _native.Template
    """

    def __init__(self, known: Known) -> None:
        self._keep: list[Any] = [known.job]  # not the arguments: they are the caller's
        names = [name for name, _ in known.arguments]
        made = [result for result in known.results if not result.given]
        numbers = {name: number for number, name in enumerate([*names, *(result.name for result in made)])}
        partials, finish = (known.finish, None) if isinstance(known.finish, np.ndarray) else (None, known.finish)
        self.template = _native.Template(
            job=known.job.record,
            slice_ns=AT_ONCE,
            operand_count=len(names),
            operands=self._array(_native.OperandRecord, [self._operand(known, *given) for given in known.arguments]),
            name_count=len(known.keywords),
            names=self._array(c_void_p, [self._address(sys.intern(name)) for name in known.keywords]),
            output_count=len(made),
            outputs=self._array(_native.Output, [self._output(known, result) for result in made]),
            pair_count=len(known.apart),
            pairs=self._array(_native.Pair, [_native.Pair(numbers[a], numbers[b], *far) for a, b, *far in known.apart]),
            result_count=len(known.results),
            results=self._array(c_int64, [numbers[result.name] for result in known.results]),
            begin=self._address(known.begin),
            take_up=self._address(known.take_up),
            finish=self._address(finish),
            partial_count=0 if partials is None else len(partials),
            partials=None if partials is None else self._doubles(partials),
        )

    def _operand(self, known: Known, name: str, value: Any) -> _native.OperandRecord:
        """What an argument has to be, by one that was given."""
        if not isinstance(value, np.ndarray):
            if name not in known.constants:
                return _native.OperandRecord(kind=_native.Operand.SIZE, size=value)
            kind = _native.Operand.WHOLE if isinstance(value, int) else _native.Operand.FLOATING
            return _native.OperandRecord(kind=kind, target=pointer(known.job.target(name)))
        return _native.OperandRecord(
            kind=_native.Operand.ARRAY,
            flags=value.flags.num,
            dtype=self._address(value.dtype),
            ndim=value.ndim,
            shape=self._array(c_int64, value.shape),
            strides=self._array(c_int64, value.strides),
            target=pointer(known.job.target(name)) if name in known.shared else None,
        )

    def _output(self, known: Known, result: ResultLayout) -> _native.Output:
        """An array to be made."""
        target = pointer(known.job.target(result.name)) if result.name in known.shared else None
        return _native.Output(make=self._address(partial(np.empty, result.shape, result.dtype)), target=target)

    def _address(self, value: object) -> int | None:
        """Where an object lies, which is kept there; None for None."""
        self._keep.append(value)
        return None if value is None else id(value)

    def _doubles(self, array: Array) -> Any:
        """Where a contiguous array of doubles lies, which is kept there."""
        self._keep.append(array)
        return cast(array.ctypes.data, POINTER(c_double))

    def _array(self, kind: Any, values: Any) -> Any:
        """Values as a C array."""
        array = (kind * max(1, len(values)))(*values)
        self._keep.append(array)
        return array
