"""Several interpreters in one process, each with a GIL of its own."""

from __future__ import annotations

import concurrent.futures
import ctypes
import importlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .common import jobs
from .common.base import Command, Group, Prepared, Road, Work, worker
from .common.interpreters import find

MOST = 10
DOUBLE = 8
Task = tuple[int, ...]


def fib(n: int) -> int:
    """In a subinterpreter: job *cpu*."""
    return jobs.fib(n)


def get(port: int) -> int:
    """In a subinterpreter: job *io*."""
    return jobs.get(port)


def add_up(address: int, count: int) -> float:
    """In a subinterpreter: a chunk at an address. Nothing keeps the array alive but the one who sent us."""
    return jobs.total(memoryview((ctypes.c_double * count).from_address(address)).cast("B").cast("d"))


def spin(address: int, me: int, patience: int) -> int:
    """In a subinterpreter: the pure-Python rendezvous, over three bytes at an address."""
    flags: Any = memoryview((ctypes.c_ubyte * 3).from_address(address)).cast("B")
    return jobs.spin(flags, me, patience / 1000)


class Crew:
    """What `InterpreterPoolExecutor` does, for 3.13, which has interpreters but no pool.

    Parameters
    ----------
    workers : int
        Interpreters.
    """

    def __init__(self, workers: int) -> None:
        self._machine = importlib.import_module("_interpreters")
        self._crew = [self._machine.create() for _ in range(workers)]

    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> list[Any]:
        """Results of a function of this module; interpreter i does every len(crew)-th task."""
        results: list[Any] = [None] * len(tasks)
        errors: list[str] = []

        def work(me: int) -> None:
            for i in range(me, len(tasks), len(self._crew)):
                reading, writing = os.pipe()
                code = f"import json, os\nfrom {__name__} import {function.__name__} as f\n"
                code += f"os.write({writing}, json.dumps(f(*{tasks[i]!r})).encode())"
                failure = self._machine.exec(self._crew[me], code)
                os.close(writing)
                with os.fdopen(reading) as answer:
                    text = answer.read()
                if failure is None:
                    results[i] = json.loads(text)
                else:
                    errors.append(failure.formatted)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(self._crew))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise RuntimeError(errors[0])
        return results

    def close(self) -> None:
        """End the interpreters."""
        for one in self._crew:
            self._machine.destroy(one)


class Pool:
    """The standard library's pool, from 3.14 on.

    Parameters
    ----------
    workers : int
        Interpreters.
    """

    def __init__(self, workers: int) -> None:
        # Looked up by name: the annotations of older Pythons do not know it.
        self._pool: concurrent.futures.Executor = getattr(concurrent.futures, "InterpreterPoolExecutor")(workers)  # noqa: B009

    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> list[Any]:
        """Results of a function of this module, in order."""
        return [future.result() for future in [self._pool.submit(function, *task) for task in tasks]]

    def close(self) -> None:
        """End the interpreters."""
        self._pool.shutdown()


def prepare(_variant: str, work: Work) -> Prepared:
    """Make a job ready for warm interpreters."""
    keep: Any = None
    moved = 0
    function: Callable[..., Any]
    tasks: list[Task]
    merge: Callable[[list[Any]], Any]
    if work.job == "cpu":
        function, tasks, merge = fib, [(work.size,)] * work.count, max
    elif work.job == "io":
        function, tasks, merge = get, [(work.port,)] * work.count, min
    elif work.job == "interpreted":
        keep = (ctypes.c_ubyte * 3)()
        function, merge = spin, sum
        tasks = [(ctypes.addressof(keep), me, work.patience) for me in (0, 1)]
    elif work.job == "sum":
        keep = jobs.numbers(work.size)
        address, _count = keep.buffer_info()
        function, merge = add_up, sum
        tasks = [(address + a * DOUBLE, b - a) for a, b in jobs.borders(work.size, work.count)]
        moved = sum(len(repr(task)) for task in tasks)
    else:
        raise NotImplementedError(f"no job {work.job!r} on this road")
    crew = Pool(work.workers) if hasattr(concurrent.futures, "InterpreterPoolExecutor") else Crew(work.workers)
    crew.map(fib, [(1,)] * work.workers)  # imports

    def run(_keep: Any = keep) -> Any:
        return merge(crew.map(function, tasks))

    return Prepared(run, moved, crew.close)


def command() -> Command:
    """A worker on the newest Python that has them."""
    path = find(
        ("python3.15", "python3.14", "python3.13"),
        "sys.implementation.name == 'cpython' and sys.version_info >= (3, 13) and getattr(sys, '_is_gil_enabled', "
        "lambda: 1)()",
        "there is no CPython 3.13 or newer on PATH",
        "apt-get install python3.13 (Debian 13), or pyenv install 3.14",
    )
    return worker("subinterpreters", "", interpreter=path)


ROADS = (
    Road(
        name="subinterpreters",
        what="Interpreters that share a process but neither objects nor a GIL (InterpreterPoolExecutor from "
        "Python 3.14; threads over the same machinery on 3.13). Arrays are handed over by address; NumPy "
        "does not load there.",
        group=Group.NONE,
        code="Python",
        jobs=("cpu", "sum", "io"),
        overlaps={"interpreted": True, "requests": True},
        command=lambda _folder: command(),
        most_workers=MOST,
        note="Each interpreter has its own GIL: none is shared.",
    ),
)
