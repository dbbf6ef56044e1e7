"""What calls write down about themselves while a trace is on: which thread made which foreign calls, and when.

Nothing is written while none is on: calls look at `active`, which is empty then.
"""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..partition import Grid
from ..plans.plan import Argument, Plan
from ..system import forking

Array = np.ndarray[Any, np.dtype[Any]]

active: tuple[list[Record], ...] = ()
"""Where every trace that is on collects its records; replaced, never changed, when one begins or ends."""

now = time.monotonic_ns  # the native library reads the same clock

WIDTH = 7
"""Numbers in a row of `Record.rows`: those of `Row`."""

_lock = forking.Lock()
_listeners: list[Callable[[], None]] = []

# Our kernels as symbols, and those of them that users call something else.
_KERNEL = re.compile(r"pyffipar_(?:exact_|weighted_|fold_|round_)?(\w+?)(?:_rows|_where)?(?:_[cfiu]\d+)?")
_USERS_WORDS = {"sumsq": "norm", "sqdev": "var", "moments": "var", "count_numbers": "nanmean"}


class Row(NamedTuple):
    """What one thread did in one go: the calls of a task, or of several that it claimed together.

    Attributes
    ----------
    first, last : int
        The calls by their numbers, from `first` up to but without `last`.
    worker : int
        Which of those that worked on the call of Python it was; 0 is the calling thread.
    thread : int
        The system's number of the thread.
    begin, end : int
        Nanoseconds, of `now`.
    cpu : int
        Nanoseconds in which the thread had a CPU.
    """

    first: int
    last: int
    worker: int
    thread: int
    begin: int
    end: int
    cpu: int


class Moment(NamedTuple):
    """A moment in the life of a thread: `now`, and the nanoseconds for which the thread has had a CPU."""

    time: int
    cpu: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """How many bytes of arrays foreign calls cover: what they read and write, however often.

    Attributes
    ----------
    call : int
        Bytes of every call, whatever its length.
    item : int
        Bytes more for every item of the size that is cut.
    grid : Grid
    """

    call: int
    item: int
    grid: Grid

    def items(self, first: Any, last: Any) -> Any:
        """Items of the size that is cut in the calls from `first` to `last`; numbers, or arrays of them."""
        chunks = self.grid.chunks
        ends = last // chunks - first // chunks  # calls among them that are the last of their grid, so shorter
        return (last - first) * self.grid.chunk - ends * (chunks * self.grid.chunk - self.grid.length)

    def bytes(self, first: Any, last: Any) -> Any:
        """Bytes that the calls from `first` to `last` cover."""
        return (last - first) * self.call + self.items(first, last) * self.item


def footprint(plan: Plan) -> Footprint:
    """The footprint of a plan's calls."""
    arguments = (*plan.arguments, *([plan.returned] if plan.returned else []))
    covered = [_covered(argument, len(plan.loop_shape)) for argument in arguments if argument.array is not None]
    return Footprint(sum(call for call, _ in covered), sum(item for _, item in covered), plan.grid)


def _covered(argument: Argument, loops: int) -> tuple[int, int]:
    """Bytes of an argument for every call, and for every item of the size that is cut."""
    array = argument.array
    assert array is not None  # only arrays cover anything
    core = array.shape[loops + argument.per_call :]
    if not argument.factor:
        return int(np.prod(core, dtype=np.int64)) * array.itemsize, 0
    row = int(np.prod(core[1:], dtype=np.int64)) * array.itemsize
    return argument.offset * row, argument.factor * row


class Effort(NamedTuple):
    """What some calls took where they were made, which may be another process or another machine.

    Attributes
    ----------
    machine : str
        Whose clock the times are of.
    thread : int
        The system's number of the thread.
    begin, end : int
        Nanoseconds, of `now` there.
    cpu : int
        Nanoseconds in which the thread had a CPU.
    """

    machine: str
    thread: int
    begin: int
    end: int
    cpu: int


class Record:
    """One call of Python, from its beginning to its end.

    Attributes
    ----------
    function, split : str
        Names of the function, as users call it, and of the size along which it is cut.
    footprint : Footprint
    calls, tasks : int
        Foreign calls, and pieces in which they are handed out.
    executor : str
    threads : int
        Most that may work on it.
    thread, thread_name
        The calling one.
    dropped : int
        Rows that were not kept because there were too many.
    begin, begin_run, end_run, end : int
        Nanoseconds, of `now`: planning lies between the first two, merging between the last two. `end` is 0 while
        the call is under way.
    """

    def __init__(self, function: str, split: str, covers: Footprint, calls: int, tasks: int) -> None:
        self.function, self.split, self.footprint = _called(function), split, covers
        self.calls, self.tasks = calls, tasks
        self.executor, self.threads, self.dropped = "", 1, 0
        self.thread, self.thread_name = threading.get_native_id(), threading.current_thread().name
        self.begin = self.begin_run = self.end_run = now()
        self.end = 0
        self.noted: list[Row] = []
        self.arrays: list[Array] = []
        self.seats: dict[tuple[str, int], int] = {}  # workers elsewhere by machine and thread

    def rows(self) -> Array:
        """Every `Row`, in order of time, as an array of integers."""
        rows = np.concatenate([np.array(self.noted, np.int64).reshape(-1, WIDTH), *self.arrays])
        return rows[np.argsort(rows[:, 4], kind="stable")]

    def close(self) -> None:
        """The call has ended, well or not."""
        self.end = now()


def _called(function: str) -> str:
    """What users call a function: ``pf.sum`` for ``pyffipar_sum_rows_f64``."""
    kernel = _KERNEL.fullmatch(function)
    return f"pf.{_USERS_WORDS.get(kernel[1], kernel[1])}" if kernel else function


class Recorder:
    """Where an executor writes down what it does for a call, or for the part of one that begins with some call.

    Parameters
    ----------
    record : Record
    first : int
        Number of the part's first call in the whole.
    """

    __slots__ = ("_first", "_record")

    def __init__(self, record: Record, first: int = 0) -> None:
        self._record, self._first = record, first

    def part(self, first: int) -> Recorder:
        """For the part that begins with some call."""
        return Recorder(self._record, self._first + first)

    @contextmanager
    def running(self, executor: str, threads: int) -> Iterator[None]:
        """While an executor makes foreign calls, with so many threads at most."""
        record = self._record
        if not record.executor:  # else a further part
            record.executor, record.threads, record.begin_run = executor, threads, now()
        try:
            yield
        finally:
            record.end_run = now()

    def note(self, first: int, last: int, worker: int, begun: Moment) -> None:
        """Keep what this thread has done since a moment: the calls from `first` up to `last`."""
        cpu = time.thread_time_ns() - begun.cpu
        first, last = first + self._first, last + self._first
        self._record.noted.append(Row(first, last, worker, threading.get_native_id(), begun.time, now(), cpu))

    def note_elsewhere(self, first: int, last: int, effort: Effort) -> None:
        """Keep what somebody else has done, of which this thread has just heard."""
        first, last = first + self._first, last + self._first
        worker = self._record.seats.setdefault((effort.machine, effort.thread), len(self._record.seats) + 1)
        begin, end = effort.begin, effort.end
        if effort.machine != machine():  # another clock: it has ended when we heard of it, as far as can be told
            begin, end = now() - (end - begin), now()
        self._record.noted.append(Row(first, last, worker, effort.thread, begin, end, effort.cpu))

    def add(self, rows: Array, count: int) -> None:
        """Keep rows that the native library wrote, of `count` there were."""
        kept = rows.copy()
        kept[:, :2] += self._first
        self._record.arrays.append(kept)
        self._record.dropped += count - len(rows)

    def close(self) -> None:
        """The call has ended, well or not."""
        self._record.close()


def running(recorder: Recorder | None, executor: str, threads: int) -> AbstractContextManager[None]:
    """`Recorder.running`, if there is a recorder."""
    return nullcontext() if recorder is None else recorder.running(executor, threads)


@cache
def machine() -> str:
    """What tells apart the machines whose clocks agree with each other from others: the boot of this one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{platform.node()} {os.getpid()}"  # each process has a clock of its own, for all that is known


def effort(begun: Moment) -> Effort:
    """What this thread has done since a moment."""
    return Effort(machine(), threading.get_native_id(), begun.time, now(), time.thread_time_ns() - begun.cpu)


def moment() -> Moment:
    """The moment it is now, for `Recorder.note`."""
    return Moment(now(), time.thread_time_ns())


class _Here(threading.local):
    """Calls of this thread that have begun: when, and their record as soon as there is one; the innermost last."""

    def __init__(self) -> None:
        self.entered: list[_Entered] = []


@dataclass(slots=True)
class _Entered:
    begin: int
    record: Record | None = None


_here = _Here()


@contextmanager
def entering() -> Iterator[None]:
    """A call of Python, from its first moment to its last."""
    entered = _Entered(now())
    _here.entered.append(entered)
    try:
        yield
    finally:
        _here.entered.pop()
        if entered.record is not None:
            entered.record.close()


def record(plan: Plan) -> Recorder | None:
    """Writes down a call that is about to carry out its plan, for all traces that are on; None if none is."""
    if not active:
        return None
    prototype = plan.contract.prototype
    return Recorder(_opened(Record(prototype.name, plan.contract.split or "", footprint(plan), plan.calls, plan.tasks)))


def _opened(made: Record) -> Record:
    """A new record, put where traces find it."""
    if _here.entered and _here.entered[-1].record is None:
        _here.entered[-1].record = made
        made.begin = _here.entered[-1].begin
    for records in active:
        records.append(made)
    return made


@contextmanager
def alone(function: str, covered: int) -> Iterator[None]:
    """A call of a single chunk that covers so many bytes, made by this thread without a plan."""
    made = _opened(Record(function, "", Footprint(covered, 0, Grid(0, 1, 1)), 1, 1))
    recorder = Recorder(made)
    with recorder.running("native", 1):
        begun = moment()
        yield
        recorder.note(0, 1, 0, begun)
    made.close()


def begin(records: list[Record]) -> None:
    """From now on calls are recorded in `records`, too."""
    global active  # noqa: PLW0603 - what every call looks at
    with _lock:
        active = (*active, records)
        _tell()


def end(records: list[Record]) -> None:
    """Calls that begin from now on are not recorded in `records`."""
    global active  # noqa: PLW0603 - as above
    with _lock:
        active = tuple(known for known in active if known is not records)
        _tell()


def tell(listener: Callable[[], None]) -> None:
    """Call it now, for a trace may be on, and whenever one begins or ends."""
    _listeners.append(listener)
    listener()


def _tell() -> None:
    for listener in _listeners:
        listener()
