"""The ways to carry out a plan, by name; each is imported when it is first used."""

from __future__ import annotations

from functools import cache

from .base import Executor, Run

__all__ = ["Executor", "Run", "executor"]


@cache
def executor(name: str) -> Executor:
    """The executor called `name`."""
    if name == "serial":
        from . import serial

        return serial.Serial()
    if name == "threads":
        from . import threads

        return threads.Threads()
    from . import native

    return native.Native()
