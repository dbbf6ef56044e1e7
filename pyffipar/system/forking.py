"""What a forked child must not inherit: locks held by threads that are not in it, and imports that they had begun."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Inherited(Protocol):
    """What a forked child has to know of before it uses it."""

    def renew(self) -> None:
        """Become what it can be in the child; called there, by its only thread."""


_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()
_generation = 0
_importing = threading.RLock()


class Lock:
    """A lock that is open in a forked child, unless the forking thread itself holds it; a context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        renew_in_child(self)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it, after waiting where that is wanted; whether it was had."""
        taken = self._lock.acquire(blocking)
        if taken:
            self._owner = threading.get_ident()
        return taken

    def release(self) -> None:
        """Let it go."""
        self._owner = 0
        self._lock.release()

    def is_mine(self) -> bool:
        """Whether this thread holds it."""
        return self._owner == threading.get_ident()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def renew(self) -> None:
        """Be open in a child, unless its thread is the one that holds it."""
        if not self.is_mine():
            self._lock = threading.Lock()
            self._owner = 0


def renew_in_child(what: Inherited) -> None:
    """Have it renewed in every forked child, as long as it lives."""
    _inherited.add(what)


def generation() -> int:
    """How many forks lie between this process and the one that imported pyffipar."""
    return _generation


@contextmanager
def late_import() -> Iterator[None]:
    """Import inside a function: a fork waits until it is done.

    A child would find a module that another thread had begun to import locked for ever.
    """
    with _importing:
        yield


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
    )


def in_child(action: Callable[[], None]) -> Callable[[], None]:
    """Do something in every forked child, before anything else runs there; a decorator."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=action)
    return action


@in_child
def _begin_anew() -> None:
    global _generation  # noqa: PLW0603 - one per process
    _generation += 1
    for what in _inherited:
        what.renew()
