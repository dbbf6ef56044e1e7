"""The floating-point environment of a thread: how the processor rounds, and what it does with denormal numbers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_SIZE = 64  # bytes; fenv_t has 32 on x86-64, fewer elsewhere


@cache
def _functions() -> tuple[Any, Any] | None:
    """C's ``fegetenv`` and ``fesetenv``; None where the program does not have them."""
    program = ctypes.CDLL(None)
    try:
        return program["fegetenv"], program["fesetenv"]
    except AttributeError:
        return None


def environment() -> bytes:
    """The one of this thread, as bytes that a process on this machine can take over; empty where there is none."""
    functions = _functions()
    if functions is None:
        return b""
    buffer = ctypes.create_string_buffer(_SIZE)
    return buffer.raw if functions[0](buffer) == 0 else b""


@contextmanager
def taken_over(environment_: bytes) -> Iterator[None]:
    """Work in another thread's environment for a while."""
    functions = _functions()
    if functions is None or not environment_:
        yield
        return
    own = environment()
    functions[1](environment_)
    try:
        yield
    finally:
        functions[1](own)
