"""Whether a thread is inside a foreign call: what it starts there is its own business, and runs on it alone."""

from __future__ import annotations

import threading


class _Here(threading.local):
    """What is true of one thread."""

    depth = 0  # of the class, for threads that have none of their own: to find no attribute takes a microsecond


_here = _Here()
_around = 0  # calls that all of this process is inside of


class Inside:
    """Marks this thread as inside a foreign call that Python made; a context manager, which may be nested."""

    def __enter__(self) -> None:
        _here.depth += 1

    def __exit__(self, *_: object) -> None:
        _here.depth -= 1


def depth() -> int:
    """How many foreign calls made by Python threads this one is inside of; the native pool's workers count theirs."""
    return _here.depth + _around


def employ() -> None:
    """Mark this process as a worker of another one: all it does is inside that one's calls."""
    global _around  # noqa: PLW0603 - one per process
    _around = 1


def is_employed() -> bool:
    """Whether this process is a worker of another one."""
    return bool(_around)


inside = Inside()  # has no state of its own
