"""Starts Python threads on which foreign functions run, with the stack that these may count on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from . import forking

if sys.platform != "win32":
    import resource

# What the native pool gives its workers: as much as the main thread has, between these.
_LEAST_STACK, _MOST_STACK = 8 << 20, 64 << 20  # bytes

_lock = forking.Lock()  # the size of stacks is set for the whole process


def start_thread(target: Callable[..., None], arguments: tuple[Any, ...], name: str | None = None) -> None:
    """Start a daemon thread: the interpreter's end cancels its call instead of waiting for all of it.

    Raises
    ------
    RuntimeError
        If the system gives no further thread.
    """
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    with _lock:
        before = threading.stack_size()
        threading.stack_size(max(before, _stack_size()))
        try:
            thread.start()
        finally:
            threading.stack_size(before)


def _stack_size() -> int:
    """Bytes; "unlimited" makes threads' stacks smaller than the default, not larger, so the system does not choose."""
    if sys.platform == "win32":
        return 0  # the default
    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if limit == resource.RLIM_INFINITY:
        return _LEAST_STACK
    return min(max(limit, _LEAST_STACK), _MOST_STACK) // 4096 * 4096
