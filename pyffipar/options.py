"""How calls are carried out: executor and threads; process-wide defaults, a context manager, per function."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from . import nesting
from .cpus import default_threads

EXECUTORS = ("native", "threads", "serial")


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen about a call without changing its result.

    Attributes
    ----------
    executor : str
        ``native`` (std::thread workers), ``threads`` (Python threads and ctypes) or ``serial`` (a loop, the oracle).
    threads : int or None
        Most threads that work on one call, the caller included; None for ``PYFFIPAR_NUM_THREADS``,
        ``OMP_NUM_THREADS`` or else the CPUs this process may use.
    timeout : float or None
        Seconds after which a call ends with TimeoutError; chunks that run are waited for.
    progress : bool or callable
        True draws a bar with tqdm; a callable gets the foreign calls done and all there are, now and then.
    """

    executor: str = "native"
    threads: int | None = None
    timeout: float | None = None
    progress: bool | Callable[[int, int], object] = False

    def thread_count(self) -> int:
        """`threads`, or what stands in for None; 1 inside a foreign call, which is one of many already."""
        if nesting.depth():
            return 1
        return _cpus() if self.threads is None else self.threads


@cache
def _cpus() -> int:
    """The default number of threads; looking takes files of the kernel, so it is remembered."""
    return default_threads()


_NAMES = tuple(field.name for field in fields(Options))
_default = Options()
_current: ContextVar[Options | None] = ContextVar("pyffipar_options", default=None)


def checked(base: Options, changes: dict[str, Any]) -> Options:
    """`base` with some options changed.

    Raises
    ------
    TypeError
        For an unknown option.
    ValueError
        For a value it cannot have.
    """
    if changes.get("threads", ...) is None:
        _cpus.cache_clear()  # asked for again: CPUs or quota may have changed
    for name, value in changes.items():
        if name not in _NAMES:
            raise TypeError(f"there is no option {name}; there are {', '.join(_NAMES)}")
        if name == "executor" and value not in EXECUTORS:
            raise ValueError(f"executor = {value!r}; there are {', '.join(EXECUTORS)}")
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name == "threads" and value is not None and (not whole or value < 1):
            raise ValueError(f"threads = {value!r}; at least 1 is wanted, or None for the default")
        if name == "timeout" and value is not None and not value >= 0:
            raise ValueError(f"timeout = {value!r}; seconds are wanted, or None for no limit")
        if name == "progress" and not (isinstance(value, bool) or callable(value)):
            raise TypeError(f"progress = {value!r}; True, False or a callable is wanted")
    return replace(base, **changes)


def current() -> Options:
    """The options in force here: the innermost `options` block's, else the process's."""
    return _current.get() or _default


def set_options(**changes: Any) -> None:
    """Change the defaults of the whole process.

    Parameters
    ----------
    **changes
        The fields of `Options`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> pf.set_options(threads=2)
    >>> pf.set_options(threads=None)
    """
    global _default  # noqa: PLW0603 - the one value the whole process shares
    _default = checked(_default, changes)


class options:  # noqa: N801 - a context manager, spelled like numpy.errstate
    """Context manager: other options for the calls made inside, in this thread or task.

    Parameters
    ----------
    **changes
        The fields of `Options`.

    Examples
    --------
    >>> import pyffipar as pf
    >>> with pf.options(executor="serial"):
    ...     pf.current_options().executor
    'serial'
    """

    def __init__(self, **changes: Any) -> None:
        checked(current(), changes)
        self._changes = changes
        self._tokens: list[Token[Options | None]] = []

    def __enter__(self) -> Options:
        changed = checked(current(), self._changes)
        self._tokens.append(_current.set(changed))
        return changed

    def __exit__(self, *_: object) -> None:
        _current.reset(self._tokens.pop())
