"""The ways to carry out a plan, by name.

All are imported at once: a process that forks while another thread imports something leaves its child unable to do so.
"""

from __future__ import annotations

from .base import Executor, Run
from .native import Native
from .serial import Serial
from .threads import Threads

__all__ = ["Executor", "Run", "executor"]

_EXECUTORS: dict[str, Executor] = {"native": Native(), "threads": Threads(), "serial": Serial()}


def executor(name: str) -> Executor:
    """The executor called `name`."""
    return _EXECUTORS[name]
