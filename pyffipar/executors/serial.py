"""The oracle: every call of a plan, one after the other, through ctypes; needs no native library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..errors import Failure
from ..kinds import Kind
from ..language.scalars import Scalar
from ..plans.boundaries import places
from ..plans.plan import Argument, Plan
from ..sources.symbols import Symbol
from ..system.addresses import address_of, aligned_empty
from ..system.nesting import inside
from ..timelines.tracing import moment, running
from ..watching import Watch
from .base import Array, Run, bad_status, chunk_error

_BY_VALUE = (Kind.CONSTANT, Kind.LENGTH, Kind.LOAD, Kind.LINEAR, Kind.CARRY)


class Serial:
    """A plain loop over the plan in the calling thread."""

    def is_here(self, watch: Watch) -> bool:
        """Yes."""
        return True

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Nothing can be done beforehand."""
        return self.run

    def run(self, run: Run) -> None:
        """Make every call; the number of threads is of no use here."""
        plan, recorder = run.plan, run.watch.recorder
        caller = Caller(run)
        with running(recorder, "serial", 1):
            for first in range(0, plan.calls, plan.grain):
                begun = None if recorder is None else moment()
                failure, last = self._run_task(run, caller, first)
                if recorder is not None and begun is not None:
                    recorder.note(first, last, 0, begun)
                if failure is not None:
                    run.watch.finished(last)  # a callback's exception is why the call failed
                    raise chunk_error(run, (failure,))
        run.watch.finished(plan.calls)

    def _run_task(self, run: Run, caller: Caller, first: int) -> tuple[Failure | None, int]:
        """Make the calls of one task up to the first that fails; that failure, and one past the last call."""
        last = min(first + run.plan.grain, run.plan.calls)
        for number in range(first, last):
            run.watch.look(number)
            failure = caller.call(number, worker=0)
            if failure is not None:
                return failure, number + 1
        return None, last


class Caller:
    """Makes single calls of a plan through ctypes, which releases the GIL meanwhile; any thread may use it.

    It indexes arrays where the native library adds up strides, so that the two check each other.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._plan = run.plan
        self._function = _foreign_function(run)

    def call(self, number: int, worker: int) -> Failure | None:
        """Make the call with this number on behalf of a worker; gives what went wrong, if something did."""
        plan = self._plan
        item, chunk = divmod(number, plan.grid.chunks)
        index: Any = np.unravel_index(item, plan.loop_shape) if plan.loop_shape else ()
        frame = _Frame(self._run, number, index, chunk, worker)
        with ExitStack() as written:
            values = [frame.value(argument, written) for argument in plan.arguments]
            ctypes.set_errno(0)
            with inside:
                result = self._function(*values)
            errno = ctypes.get_errno()
        if plan.status is not None:
            expected = plan.status.expected
            if isinstance(expected, str):
                expected = frame.length if expected == plan.contract.split else plan.sizes[expected]
            if result != expected:
                return bad_status(self._run, number, result, errno)
        kept = plan.returned
        if kept is not None and kept.array is not None:
            complex_value = isinstance(result, ctypes.Structure)
            kept.array[(*index, chunk) if kept.per_call else index] = _to_complex(result) if complex_value else result
        return None


class _Frame:
    """The values of one call's arguments."""

    def __init__(self, run: Run, number: int, index: Any, chunk: int, worker: int) -> None:
        self._run = run
        self._number = number
        self._index = index
        self._chunk = chunk
        self._worker = worker
        self._start, self._stop = run.plan.grid.span(chunk)

    @property
    def length(self) -> int:
        """Items of the size that is cut."""
        return self._stop - self._start

    def value(self, argument: Argument, written: ExitStack) -> Any:
        """What ctypes hands over for one argument."""
        kind = argument.kind
        if kind is Kind.CONSTANT:
            return _by_value(argument.scalar, argument.value)
        if kind is Kind.LENGTH:
            return self.length
        if kind is Kind.WORKER:
            return int(self._run.handles[argument.name][self._worker])
        if kind is Kind.TASK:
            return int(self._run.handles[argument.name][self._number // self._run.plan.grain])
        assert argument.array is not None  # every other kind reads memory
        per_call = (self._chunk,) if argument.per_call else ()
        place = argument.array[(*self._index, *per_call, ...)]  # ... keeps it an array
        if kind in (Kind.LOAD, Kind.LINEAR, Kind.CARRY):
            return self._scalar(argument, place)
        return self._address(argument, place, written)

    def _scalar(self, argument: Argument, place: Array) -> Any:
        assert argument.scalar is not None  # passed by value
        if argument.kind is Kind.CARRY and self._chunk:
            return _by_value(argument.scalar, argument.value)
        value = place.astype(argument.scalar.dtype).item()
        if argument.kind is Kind.LINEAR:
            advance = self._start * argument.step
            value += int(advance) if argument.scalar.is_integer else float(advance)
        return _by_value(argument.scalar, value)

    def _address(self, argument: Argument, place: Array, written: ExitStack) -> int:
        """Where the chunk's elements lie, counted as the function counts them."""
        if argument.factor:
            before = argument.boundary.before if argument.boundary else 0
            first = argument.factor * self._start - before
            stop = first + argument.factor * self.length + argument.offset
            inside = first >= 0 and stop <= len(place)
            place = place[first:stop] if inside else _beyond(argument, place, first, stop)
        if argument.kind is Kind.BUFFER:
            place = _buffered(argument, place, written)
        written.callback(lambda: place)  # the array lives until the call has ended
        lowered = (lower * stride for lower, stride in zip(argument.lowers, place.strides, strict=False))
        return address_of(place) - sum(lowered)


def _beyond(argument: Argument, place: Array, first: int, stop: int) -> Array:
    """The elements from `first` to `stop`, made up where they lie outside."""
    assert argument.boundary is not None
    assert argument.scalar is not None
    boundary = argument.boundary.boundary
    assert boundary is not None  # the planner keeps only parameters that have one
    chosen = places(boundary.mode, first, stop, len(place))
    made = aligned_empty((len(chosen), *place.shape[1:]), argument.scalar.dtype)
    made[...] = place[chosen]
    made[chosen < 0] = boundary.value
    return made


def _buffered(argument: Argument, place: Array, written: ExitStack) -> Array:
    """A contiguous copy in the function's own type; what the function writes goes back when `written` closes."""
    assert argument.scalar is not None  # arrays have an element type
    buffer = aligned_empty(place.shape, argument.scalar.dtype)
    if argument.read:
        np.copyto(buffer, place, casting="unsafe")
    if argument.written:
        write_back: Callable[[], None] = lambda: np.copyto(place, buffer, casting="unsafe")  # noqa: E731
        written.callback(write_back)
    return buffer


def _foreign_function(run: Run) -> Callable[..., Any]:
    """The foreign function as ctypes calls it."""
    types = [
        _ctype(argument.scalar) if argument.kind in _BY_VALUE and argument.scalar is not None else ctypes.c_void_p
        for argument in run.plan.arguments
    ]
    returns = run.plan.contract.prototype.returns
    function_type = ctypes.CFUNCTYPE(_ctype(returns) if returns else None, *types, use_errno=True)
    function: Callable[..., Any] = function_type(run.symbol.address)
    return function


class _FloatComplex(ctypes.Structure):
    _fields_ = (("real", ctypes.c_float), ("imag", ctypes.c_float))


class _DoubleComplex(ctypes.Structure):
    _fields_ = (("real", ctypes.c_double), ("imag", ctypes.c_double))


# ctypes has no complex numbers; on the usual ABIs (System V x86-64, AArch64) a struct of two is passed alike.
_COMPLEX: dict[int, Any] = {8: _FloatComplex, 16: _DoubleComplex}


def _ctype(scalar: Scalar) -> Any:
    return _COMPLEX[scalar.dtype.itemsize] if scalar.dtype.kind == "c" else scalar.ctype


def _by_value(scalar: Scalar | None, value: Any) -> Any:
    if scalar is not None and scalar.dtype.kind == "c":
        return _COMPLEX[scalar.dtype.itemsize](complex(value).real, complex(value).imag)
    return value


def _to_complex(value: Any) -> complex:
    return complex(value.real, value.imag)
