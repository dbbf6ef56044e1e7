"""One ctypes call into the C++ pool, whose std::thread workers make the foreign calls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from ctypes import POINTER, byref, c_int32, c_int64, c_void_p, pointer
from functools import cache
from typing import Any, NoReturn

import numpy as np

from .. import _native
from .._native import built_ins
from ..errors import Failure
from ..kinds import Kind
from ..language.clauses import Status
from ..language.scalars import POINTER_CODE, Scalar, element_code
from ..plans.plan import Argument, Plan
from ..sources.symbols import Symbol
from ..system.addresses import address_of
from ..system.interrupts import Shield
from ..threadpools import allow_threads, in_call, limited
from ..timelines import tracing
from ..timelines.tracing import WIDTH, Recorder
from ..watching import SLICE, Watch, is_plain
from .base import Array, Run, bad_status, chunk_error

_EXPECT_VALUE, _EXPECT_LENGTH = 1, 3  # pyffipar_job.check_status
_BOUNDARIES = {"constant": "FILL"}  # where the language and the library name a boundary differently
CALL_PATH = _native.CallPath.CHEAPEST  # how foreign calls are made; tests try the others
AT_ONCE = int(SLICE * 1e9)  # ns
_DONE = _native.Status.DONE
MAX_FAILURES = 16  # kept in full; after the first one tasks not begun are dropped, so there are rarely more
MOST_SPANS = 1 << 20  # of a call that is traced: more than that nobody can look at


class Native:
    """The pool of our own shared library."""

    def is_here(self, watch: Watch) -> bool:
        """Yes."""
        return True

    def run(self, run: Run) -> None:
        """Make every call."""
        self.prepare(run.plan, run.symbol, run.threads)(run)

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Lay a plan out once, to run it again and again."""
        return Job(plan, symbol, threads) if plan.calls else _nothing


def _nothing(run: Run) -> None:
    """A plan without calls."""


class Job:
    """A plan laid out as the native library wants it.

    Attributes
    ----------
    is_plain : bool
        Whether nothing of the plan needs looking after but signals and the interpreter's end.
    """

    def __init__(self, plan: Plan, symbol: Symbol, threads: int) -> None:
        self._plan = plan
        self.is_plain = is_plain(plan)
        self._library = _native.library()
        allow_threads(threads)
        self._keep: list[Any] = []
        self._handles: list[tuple[_native.Argument, str]] = []
        self._targets: dict[str, _native.Argument] = {}
        self._scalars = {argument.name: argument.scalar for argument in plan.arguments}
        arguments = (_native.Argument * max(1, len(plan.arguments)))()
        for target, argument in zip(arguments, plan.arguments, strict=False):
            self._fill(target, argument)
        self._failures = (_native.FailureRecord * MAX_FAILURES)()
        job = _native.Job(
            function=_function(symbol.address, *_types(plan), CALL_PATH),
            arguments=arguments,
            loop_ndim=len(plan.loop_shape),
            loop_shape=self._int64s(plan.loop_shape),
            length=plan.grid.length,
            chunk=plan.grid.chunk,
            chunks=plan.grid.chunks,
            grain=plan.grain,
            threads=threads,
            failures=self._failures,
            max_failures=MAX_FAILURES,
        )
        if plan.returned is not None:
            self._fill(job.result, plan.returned)
        if plan.status is not None:
            self._set_status(job, plan.status)
        self._job = job
        self._reference = byref(job)
        self._template = _native.Template(job=pointer(job), slice_ns=AT_ONCE)
        self._run_at_once = built_ins.at_once(self._template)
        self._begun: int | None = None  # the status of a run that nobody looks after so far

    def __call__(self, run: Run) -> None:
        """Run to the end, looking after signals on the way; when this returns or raises no call is running."""
        for target, name in self._handles:
            target.base = address_of(run.handles[name])
        recorder = run.watch.recorder if self._begun is None else None  # what has begun is not recorded half-way
        status = self._run(run.watch) if recorder is None else self._run_recorded(run, recorder)
        if status != _DONE:
            self._fail(run, status)

    def is_done_at_once(self) -> bool:
        """Run for a slice of time with nobody looking after it: whether all went well and nothing is left.

        Else a call of the job takes up what is left, or raises what failed; or `leave` drops it. Most runs are over by
        then, and looking after them takes longer than the small ones do.
        """
        if tracing.active:
            return False  # to be recorded it has to be looked after
        status = self._run_at_once()
        if status == _DONE:
            return True
        self._begun = status
        return False

    def run_plain(self, symbol: Symbol, threads: int, describe: Callable[[int], str]) -> None:
        """Make the calls of a plan that is plain, and look after them only if they take longer than that does."""
        try:
            if not self.is_done_at_once():
                self._look_after(symbol, threads, describe)
        except BaseException:  # Ctrl-C may come between any two steps, and workers must not stay in the arrays
            self.leave()
            raise

    def take_up(self, status: int, symbol: Symbol, threads: int, describe: Callable[[int], str]) -> None:
        """Go on where somebody else has begun and got this status, as `run_plain` does; PENDING before it began."""
        try:
            is_begun = status != _native.Status.PENDING or self._job.state
            self._begun = status if is_begun else None
            self._look_after(symbol, threads, describe)
        except BaseException:
            self.leave()
            raise

    def _look_after(self, symbol: Symbol, threads: int, describe: Callable[[int], str]) -> None:
        with Watch(self._plan) as watch:
            self(Run(self._plan, symbol, threads, {}, describe, watch))

    def leave(self) -> None:
        """Drop what has not begun, if anything is left, and wait for what runs."""
        self._begun = None
        shield = Shield()
        try:
            self._drain(shield.begin)
        finally:
            shield.end()

    @property
    def record(self) -> Any:
        """Where the native library's own record of the job lies."""
        return self._template.job

    def target(self, name: str) -> _native.Argument:
        """The record of an argument, or of the returned value."""
        return self._targets[name]

    def rebase(self, name: str, address: int) -> None:
        """Let an argument, or the returned value, lie in another array of the same layout."""
        self._targets[name].base = address

    def set_constant(self, name: str, value: Any) -> None:
        """Give an argument that is passed by value another value."""
        _set_value(self._targets[name].value, self._scalars[name], value)

    def forget(self, plan: Plan) -> None:
        """Go on with a plan that is the same but for its arrays."""
        self._plan = plan

    def _run(self, watch: Watch) -> int:
        job = self._job
        status, self._begun = self._begun, None
        try:
            if status is None:
                status = self._library.pyffipar_run(self._reference, int(watch.patience() * 1e9))
            while status == _native.Status.PENDING:
                watch.hold_signals()
                watch.look(job.calls_done)
                status = self._library.pyffipar_resume(self._reference, int(watch.patience() * 1e9))
        finally:
            if job.state:
                self._drain(watch.hold_signals)
        watch.finished(job.calls_done)
        return status

    def _run_recorded(self, run: Run, recorder: Recorder) -> int:
        """As `_run`, and keep when which thread did what."""
        rows = np.empty((min(self._plan.calls, MOST_SPANS), WIDTH), np.int64)
        job = self._job
        job.spans, job.max_spans, job.span_count = rows.ctypes.data_as(POINTER(_native.Span)), len(rows), 0
        try:
            with recorder.running("native", 1 if in_call() else limited(run.threads)):
                return self._run(run.watch)
        finally:
            job.spans = None
            recorder.add(rows[: job.span_count], job.span_count)

    def _drain(self, hold_signals: Callable[[], None]) -> None:
        """Drop what has not begun and wait for what runs, whatever interrupts the waiting: the arrays are in use."""
        interrupted: BaseException | None = None
        while self._job.state:
            try:
                hold_signals()
                self._library.pyffipar_cancel(self._reference)
                self._library.pyffipar_resume(self._reference, _native.WAIT_FOREVER)
            except BaseException as error:  # noqa: BLE001 - raised again below
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _fill(self, target: _native.Argument, argument: Argument) -> None:
        """Lay out one argument, or the result."""
        self._targets[argument.name] = target
        target.kind = argument.kind
        target.type = POINTER_CODE if argument.scalar is None else argument.scalar.code
        if argument.kind in (Kind.CONSTANT, Kind.CARRY):
            _set_value(target.value, argument.scalar, argument.value)
        elif argument.kind is Kind.LINEAR:
            target.numerator = argument.step.numerator
            target.denominator = argument.step.denominator
        elif argument.kind in (Kind.WORKER, Kind.TASK):
            self._handles.append((target, argument.name))
        if argument.array is not None:
            self._fill_memory(target, argument, argument.array)

    def _set_status(self, job: _native.Job, status: Status) -> None:
        """What the returned value has to be."""
        returns = self._plan.contract.prototype.returns
        assert returns is not None  # the declaration was refused otherwise
        job.result.type = returns.code
        if status.expected == self._plan.contract.split:
            job.check_status = _EXPECT_LENGTH
        else:
            job.check_status = _EXPECT_VALUE
            expected = status.expected
            job.expected = self._plan.sizes[expected] if isinstance(expected, str) else expected

    def _fill_memory(self, target: _native.Argument, argument: Argument, array: Array) -> None:
        """Where an argument's data lies and how calls step through it."""
        loops = len(self._plan.loop_shape)
        target.element = element_code(array.dtype)
        target.element_size = array.dtype.itemsize
        target.flags = self._flags(argument)
        target.base = address_of(array)
        if argument.per_call:
            # the chunks lie inside the loop dimensions, so a call's number alone says where its place is
            target.slot = array.strides[loops]
            return
        target.loop_strides = self._int64s(array.strides[:loops])
        strides = array.strides[loops:]
        if argument.kind is Kind.BUFFER:
            target.core_ndim = argument.core_ndim
            target.core_shape = self._int64s(array.shape[loops:])
            target.core_strides = self._int64s(strides)
            assert argument.scalar is not None  # arrays have an element type
            strides = _contiguous(array.shape[loops:], argument.scalar.dtype.itemsize)
        if argument.boundary is not None:
            self._fill_boundary(target, argument, array)
        target.shift = -sum(lower * stride for lower, stride in zip(argument.lowers, strides, strict=False))
        target.factor = argument.factor
        target.offset = argument.offset
        if argument.factor:
            target.step = array.strides[loops] * argument.factor

    def _fill_boundary(self, target: _native.Argument, argument: Argument, array: Array) -> None:
        """What stands beyond the ends of an array, and how far calls read there."""
        parameter = argument.boundary
        assert parameter is not None
        assert parameter.boundary is not None  # the planner keeps only parameters that have one
        loops = len(self._plan.loop_shape)
        target.boundary = _native.Boundary[_BOUNDARIES.get(parameter.boundary.mode, parameter.boundary.mode.upper())]
        target.before = parameter.before
        target.extent = array.shape[loops]
        target.core_ndim = argument.core_ndim
        target.core_shape = self._int64s(array.shape[loops:])
        target.core_strides = self._int64s(array.strides[loops:])
        _set_value(target.value, argument.scalar, parameter.boundary.value)

    def _flags(self, argument: Argument) -> int:
        assert argument.array is not None  # only called for arrays
        flags = _native.Flag.READ if argument.read else _native.Flag(0)
        if argument.written:
            flags |= _native.Flag.WRITTEN
        if not argument.array.dtype.isnative:
            flags |= _native.Flag.SWAPPED
        return flags

    def _int64s(self, values: tuple[int, ...]) -> Any:
        """Values as a C array that lives as long as this object."""
        if not values:
            return None
        array = (c_int64 * len(values))(*values)
        self._keep.append(array)
        return array

    def _fail(self, run: Run, status: int) -> NoReturn:
        """Turn a status into the exception it stands for."""
        if status == _native.Status.NO_MEMORY:
            raise MemoryError(_native.last_error())
        if status == _native.Status.CANCELLED:  # not by this call: the interpreter is ending
            raise CancelledError(f"{self._plan.contract.prototype.name}: {_native.last_error()}")
        if status != _native.Status.FAILED:
            raise RuntimeError(f"pyffipar's native library: {_native.last_error()}")
        count = min(self._job.failure_count, MAX_FAILURES)
        records = sorted(self._failures[:count], key=lambda record: int(record.call))
        failures = tuple(self._failure(run, record) for record in records)
        raise chunk_error(run, failures)

    def _failure(self, run: Run, record: _native.FailureRecord) -> Failure:
        if record.reason != _native.Reason.EXCEPTION:
            return bad_status(run, record.call, record.value, record.error)
        item, start, stop = self._plan.where(record.call)
        text = record.text.decode("utf-8", "replace")
        return Failure(item, start, stop, None, record.error, f"threw a C++ exception: {text}")


def _contiguous(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides of a C-contiguous array."""
    strides = []
    for extent in reversed(shape):
        strides.append(itemsize)
        itemsize *= extent
    return tuple(reversed(strides))


def _set_value(target: _native.Value, scalar: Scalar | None, value: Any) -> None:
    """Put a value into the member its type names."""
    if scalar is None:
        target.p = value
    elif scalar.dtype.kind == "f":
        if scalar.dtype.itemsize == 4:
            target.f = value
        else:
            target.d = value
    elif scalar.dtype.kind == "c":
        parts = target.c64 if scalar.dtype.itemsize == 8 else target.c128
        parts[0], parts[1] = value.real, value.imag
    elif scalar.dtype.kind == "u":
        target.u = value
    else:
        target.i = value


def _types(plan: Plan) -> tuple[int, tuple[int, ...]]:
    """Codes of the returned type and of every argument as it is handed over."""
    returns = plan.contract.prototype.returns
    by_value = (Kind.CONSTANT, Kind.LENGTH, Kind.LOAD, Kind.LINEAR, Kind.CARRY)
    types = tuple(
        argument.scalar.code if argument.scalar is not None and argument.kind in by_value else POINTER_CODE
        for argument in plan.arguments
    )
    return returns.code if returns else 0, types


@cache
def _function(address: int, result: int, types: tuple[int, ...], call_path: int) -> int:
    """The native library's own record of a foreign function, which remembers its speed; made once, never dropped."""
    library = _native.library()
    made = c_void_p()
    codes = (c_int32 * max(1, len(types)))(*types)
    status = library.pyffipar_function_create(address, result, codes, len(types), call_path, byref(made))
    if status != _native.Status.DONE:
        raise RuntimeError(f"pyffipar's native library: {_native.last_error()}")
    return int(made.value or 0)
