"""Jobs and proofs as calls, and threads that make them at the same time.

Most roads differ only in *what* is called: a Python function, a C function with or without the GIL. They hand a `Calls`
to `by_threads`, which does the rest.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import jobs
from .base import Prepared, Work

MOST_SPANS = 4096
SHORTEST_SWITCH = 1e-5
"""Seconds between forced switches while spans are recorded: shorter than a call, so threads alternate."""
LONGEST_SWITCH = 60.0
"""Seconds between forced switches while a rendezvous in Python is tried: none happens before patience ends."""


@dataclass(frozen=True)
class Calls:
    """What a road can call; None where it cannot.

    Attributes
    ----------
    fib, get : callable or None
        As in `roads.common.jobs`.
    total : callable or None
        Of the data, the first and the last-plus-one index of a chunk.
    meet : callable or None
        The native rendezvous, of the wanted number of callers and milliseconds.
    timed : callable or None
        fib that records its span.
    spans : str
        The shared object whose ``take_spans`` knows these spans.
    data : callable
        Makes the numbers to add up.
    """

    fib: Callable[[int], Any] | None = None
    total: Callable[[Any, int, int], float] | None = None
    get: Callable[[int], int] | None = None
    meet: Callable[[int, int], int] | None = None
    timed: Callable[[int], Any] | None = None
    spans: str = ""
    data: Callable[[int], Any] = jobs.numbers


Thunk = Callable[[], Any]


def share(workers: int, thunks: Sequence[Thunk]) -> list[Any]:
    """Do all on fresh threads: the i-th thread does the i-th, the (i + workers)-th ... of them."""
    results: list[Any] = [None] * len(thunks)
    errors: list[Exception] = []

    def work(first: int) -> None:
        try:
            for i in range(first, len(thunks), workers):
                results[i] = thunks[i]()
        except Exception as error:  # noqa: BLE001 -- raised again by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def by_threads(calls: Calls, work: Work, run: Callable[[int, Sequence[Thunk]], list[Any]] = share) -> Prepared:
    """A job on `work.workers` threads.

    Parameters
    ----------
    calls : Calls
        What is called.
    work : Work
        The job.
    run : callable
        Who does the calls at the same time, if not `share`.
    """
    workers = work.workers
    if work.job == "spans":
        timed = _need(calls.timed)
        thunks: list[Thunk] = [lambda: timed(work.size)] * work.count
        return Prepared(lambda: spans_by_threads(workers, thunks, run, calls.spans))
    if work.job == "interpreted":
        return Prepared(lambda: spin_by_threads(work, run))
    thunks, merge = _thunks(calls, work)
    return Prepared(lambda: merge(run(workers, thunks)))


def _thunks(calls: Calls, work: Work) -> tuple[list[Thunk], Callable[[list[Any]], Any]]:
    if work.job == "cpu":
        fib = _need(calls.fib)
        return [lambda: fib(work.size)] * work.count, max
    if work.job == "io":
        get = _need(calls.get)
        return [lambda: get(work.port)] * work.count, min
    if work.job == "native":
        meet = _need(calls.meet)
        return [lambda: meet(work.workers, work.patience)] * work.workers, sum
    if work.job == "sum":
        total = _need(calls.total)
        data = calls.data(work.size)
        chunks = jobs.borders(work.size, work.count)
        return [lambda a=a, b=b: total(data, a, b) for a, b in chunks], sum  # type: ignore[misc]
    raise NotImplementedError(f"no job {work.job!r} on this road")


def _need(call: Callable[..., Any] | None) -> Callable[..., Any]:
    if call is None:
        raise NotImplementedError("this road has no such call")
    return call


def spin_by_threads(work: Work, run: Callable[[int, Sequence[Thunk]], list[Any]]) -> int:
    """The pure-Python rendezvous of two threads, with the interpreter's own switching put off."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONGEST_SWITCH)
    flags = bytearray(3)
    try:
        seconds = work.patience / 1000
        return sum(run(2, [lambda: jobs.spin(flags, 0, seconds), lambda: jobs.spin(flags, 1, seconds)]))
    finally:
        sys.setswitchinterval(before)


def spans_by_threads(
    workers: int, thunks: Sequence[Thunk], run: Callable[[int, Sequence[Thunk]], list[Any]], path: str
) -> list[list[float]]:
    """Spans of calls between which the interpreter switches threads whenever it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SHORTEST_SWITCH)
    try:
        run(workers, thunks)
    finally:
        sys.setswitchinterval(before)
    return take_spans(path)


def take_spans(path: str) -> list[list[float]]:
    """The spans a shared object has recorded: start and end in seconds from the first start, number of the thread."""
    buffer = (ctypes.c_double * (3 * MOST_SPANS))()
    take = ctypes.CDLL(path).take_spans
    take.argtypes = ctypes.c_size_t, ctypes.POINTER(ctypes.c_double)
    take.restype = ctypes.c_size_t
    count = take(MOST_SPANS, buffer)
    rows = sorted((buffer[3 * i], buffer[3 * i + 1], buffer[3 * i + 2]) for i in range(count))
    numbers: dict[float, int] = {}
    return [
        [start - rows[0][0], stop - rows[0][0], numbers.setdefault(thread, len(numbers))]
        for start, stop, thread in rows
    ]
