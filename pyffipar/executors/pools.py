"""Executors of others: where they work, and how many they are."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any, Protocol

from ..watching import Watch

# Who has not begun anything by then may be waiting for the very call that asks.
PATIENCE = 60.0  # s

_TOKEN = os.urandom(16)  # a process that was forked has it too, but not its number
_known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


class Executor(Protocol):
    """What `concurrent.futures` calls an executor."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Have a function called."""


def identity() -> tuple[int, bytes]:
    """Which process this is, on whatever machine."""
    return os.getpid(), _TOKEN


class _Marker:
    """Something that cannot be pickled: who calls it works in this process, on the very objects he is given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> tuple[int, bytes]:
        with self._lock:
            return identity()


def works_here(pool: Executor, watch: Watch) -> bool:
    """Whether a pool's workers are threads of this process that take objects as they are; asked once.

    Raises
    ------
    RuntimeError
        If it does not begin anything.
    TypeError
        If its workers are interpreters of their own.
    """
    known = _known.get(pool)
    if known is None:
        known = _known[pool] = _works_here(pool, watch)
    return known


def _works_here(pool: Executor, watch: Watch) -> bool:
    interpreters = getattr(sys.modules["concurrent.futures"], "InterpreterPoolExecutor", None)
    if interpreters is not None and isinstance(pool, interpreters):
        raise TypeError("an InterpreterPoolExecutor's workers cannot import NumPy: take a ThreadPoolExecutor")
    if isinstance(pool, ThreadPoolExecutor):
        return True
    process = sys.modules.get("concurrent.futures.process")
    if process is not None and isinstance(pool, process.ProcessPoolExecutor):
        return False
    if _is_dasks(pool) or _asked(pool, identity, watch) != identity():
        return False  # dask pickles whatever it is given, and complains aloud of what it cannot
    try:
        return bool(_asked(pool, _Marker(), watch) == identity())
    except RuntimeError:
        raise
    except Exception:  # noqa: BLE001 - however it says that it wants to pickle it
        return False


def _asked(pool: Executor, question: Callable[[], Any], watch: Watch) -> Any:
    """What a worker answers."""
    future = pool.submit(question)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return future.result(watch.patience())
        except (NotYet, TimeoutError):
            watch.look(0)
        if time.monotonic() > deadline and future.cancel():
            raise RuntimeError(
                f"{type(pool).__name__} has begun nothing for {PATIENCE:.0f} s: is this call made by its only worker?"
            )


def _is_dasks(pool: Executor) -> bool:
    return type(pool).__module__.startswith("distributed.")


def is_inside(pool: Executor) -> bool:
    """Whether this thread works for a dask cluster, whose workers must not wait for each other."""
    if not _is_dasks(pool):
        return False
    state = getattr(sys.modules.get("distributed.worker"), "thread_state", None)
    return getattr(state, "execution_state", None) is not None
