"""The ways to carry out a plan, by name.

All are imported at once: a process that forks while another thread imports something leaves its child unable to do so.
"""

from __future__ import annotations

from typing import Any

from .base import Executor, Run
from .futures import Futures
from .native import Native
from .processes import Processes
from .serial import Serial
from .threads import Threads

__all__ = ["Executor", "Run", "executor"]

_EXECUTORS: dict[str, Executor] = {
    "native": Native(),
    "threads": Threads(),
    "serial": Serial(),
    "processes": Processes(),
}


def executor(chosen: Any) -> Executor:
    """The executor of a name, or the one that has a pool of the user's own do the work."""
    return _EXECUTORS[chosen] if isinstance(chosen, str) else Futures(chosen)
