"""The ways to carry out a plan, by name.

Those that work in this process are imported at once, the others by the first call that wants them.
"""

from __future__ import annotations

from typing import Any

from ..system import forking
from .base import Executor, Run
from .native import Native
from .serial import Serial
from .threads import Threads

__all__ = ["Executor", "Run", "executor"]

_EXECUTORS: dict[str, Executor] = {
    "native": Native(),
    "threads": Threads(),
    "serial": Serial(),
}


def executor(chosen: Any) -> Executor:
    """The executor of a name, or the one that has a pool of the user's own do the work."""
    if not isinstance(chosen, str):
        with forking.late_import():
            from .futures import Futures
        return Futures(chosen)
    if chosen == "processes" and chosen not in _EXECUTORS:
        with forking.late_import():
            from .processes import Processes
        _EXECUTORS.setdefault(chosen, Processes())
    return _EXECUTORS[chosen]
