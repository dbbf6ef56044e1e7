"""Jobs for pools of processes: what is sent to them, what they do with it, and how many bytes that is."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import pickle
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from . import jobs
from .base import Prepared, Work

Map = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""How a pool maps a function over arguments, one at a time."""

DOUBLE = 8

_attached: dict[str, SharedMemory] = {}


def add_up(values: Any, library: str) -> float:
    """A chunk by a Python loop, or by C if there is a library."""
    if not library:
        return jobs.total(values)
    view = memoryview(values)
    count = view.nbytes // DOUBLE
    function = ctypes.CDLL(library).total
    function.argtypes = ctypes.c_size_t, ctypes.c_void_p
    function.restype = ctypes.c_double
    start = (ctypes.c_char * view.nbytes).from_buffer(view)
    result: float = function(count, ctypes.addressof(start))
    del start
    return result


def add_up_sent(task: tuple[array[float], str]) -> float:
    """In a worker process: a chunk that came through the pipe."""
    values, library = task
    return add_up(values, library)


def _buffer(memory: SharedMemory) -> memoryview:
    buffer = memory.buf
    if buffer is None:
        raise ValueError(f"shared memory {memory.name} has been closed")
    return buffer


def add_up_shared(task: tuple[str, int, int, str]) -> float:
    """In a worker process: a chunk of a shared array of which only the name came."""
    name, start, stop, library = task
    if name not in _attached:
        _attached[name] = SharedMemory(name)
    with _buffer(_attached[name])[start * DOUBLE : stop * DOUBLE] as part, part.cast("d") as values:
        return add_up(values, library)


def spin(task: tuple[str, int, float]) -> int:
    """In a worker process: the pure-Python rendezvous, over a file that both map."""
    path, me, patience = task
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 3) as flags:
        shared: Any = flags  # a mapping can be read and written by index, which is all that is wanted
        return jobs.spin(shared, me, patience)


@contextlib.contextmanager
def shared_numbers(n: int) -> Iterator[SharedMemory]:
    """The numbers to add up in shared memory."""
    memory = SharedMemory(create=True, size=n * DOUBLE)
    try:
        with _buffer(memory)[: n * DOUBLE].cast("d") as view:
            view[:] = jobs.numbers(n)
        yield memory
    finally:
        memory.close()
        memory.unlink()


def tasks(work: Work, *, shared: bool, things: contextlib.ExitStack) -> tuple[Callable[[Any], Any], list[Any]]:
    """The function a job maps over a pool, and its arguments.

    Parameters
    ----------
    work : Work
        The job.
    shared : bool
        For *sum*: send the name of shared memory, not the numbers.
    things : ExitStack
        Ends what the tasks need.
    """
    if work.job == "cpu":
        return jobs.fib, [work.size] * work.count
    if work.job == "io":
        return jobs.get, [work.port] * work.count
    if work.job == "interpreted":
        path = Path(things.enter_context(tempfile.TemporaryDirectory()), "flags")
        path.write_bytes(bytes(3))
        return spin, [(str(path), me, work.patience / 1000) for me in (0, 1)]
    if work.job != "sum":
        raise NotImplementedError(f"no job {work.job!r} on this road")
    library = work.library if work.code == "c" else ""
    chunks = jobs.borders(work.size, work.count)
    if shared:
        memory = things.enter_context(shared_numbers(work.size))
        return add_up_shared, [(memory.name, start, stop, library) for start, stop in chunks]
    data = jobs.numbers(work.size)
    return add_up_sent, [(data[start:stop], library) for start, stop in chunks]


MERGE: dict[str, Callable[[list[Any]], Any]] = {"cpu": max, "io": min, "sum": sum, "interpreted": sum}


def prepared(
    work: Work, function: Callable[[Any], Any], arguments: list[Any], run: Map, close: Callable[[], None]
) -> Prepared:
    """A job on a pool that has been started."""
    results = run(function, arguments) if work.job == "sum" else []
    moved = sum(len(pickle.dumps(item)) for item in [*arguments, *results]) if work.job == "sum" else 0
    merge = MERGE[work.job]
    return Prepared(lambda: merge(run(function, arguments)), moved, close)
