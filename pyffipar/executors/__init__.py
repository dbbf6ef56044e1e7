"""The ways to carry out a plan, by name.

Those that work in this process are imported at once: a process that forks while another thread imports something leaves
its child unable to do so. The others bring sockets and processes, which few programs have use for.
"""

from __future__ import annotations

from typing import Any

from .base import Executor, Run
from .native import Native
from .serial import Serial
from .threads import Threads

__all__ = ["Executor", "Run", "executor"]

_EXECUTORS: dict[str, Executor] = {"native": Native(), "threads": Threads(), "serial": Serial()}


def executor(chosen: Any) -> Executor:
    """The executor of a name, or the one that has a pool of the user's own do the work."""
    if not isinstance(chosen, str):
        from .futures import Futures

        return Futures(chosen)
    if chosen not in _EXECUTORS:
        from .processes import Processes

        _EXECUTORS["processes"] = Processes()
    return _EXECUTORS[chosen]
