"""How calls are carried out: executor and threads; process-wide defaults, a context manager, per function."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextvars import ContextVar, Token
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, NoReturn, TypeAlias

from .errors import checked_seconds, shown
from .system import nesting
from .system.cpus import default_threads

UNPICKLE_VARIABLE = "PYFFIPAR_UNPICKLE"  # the process's guard until set_options gives one: for workers

# What may be unpickled: "allow", "refuse", names and paths of libraries, or whoever decides about each.
Guard: TypeAlias = "str | Collection[str | os.PathLike[str]] | Callable[[Any], object]"

EXECUTORS = ("native", "threads", "serial", "processes")


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen about a call without changing its result.

    Attributes
    ----------
    executor : str or executor
        ``native`` (std::thread workers), ``threads`` (Python threads and ctypes), ``serial`` (a loop, the oracle),
        ``processes`` (worker processes), or any executor of `concurrent.futures` or like those.
    threads : int or None
        Most threads that work on one call, the caller included, or processes; None for as many as the executor has,
        where it is one of the user's own, or else for ``PYFFIPAR_NUM_THREADS``, ``OMP_NUM_THREADS`` or the CPUs that
        this process may use.
    timeout : float or None
        Seconds after which a call ends with TimeoutError; chunks that run are waited for.
    progress : bool or callable
        True draws a bar with tqdm; a callable gets the foreign calls done and all there are, now and then.
    window : int
        Bytes of stored arrays that `Function.stream` works on at once; as many are read meanwhile.
    unpickle : str, collection, callable or None
        Which functions and libraries may be unpickled: ``"allow"`` all, ``"refuse"`` all, those of the libraries in a
        collection of names and paths, or those for which a callable, given an `UnpickleRequest`, returns True. None for
        what the process's default says, or else the variable ``PYFFIPAR_UNPICKLE``, or else all.
    """

    executor: Any = "native"
    threads: int | None = None
    timeout: float | None = None
    progress: bool | Callable[[int, int], object] = False
    window: int = 256 << 20
    unpickle: Guard | None = None

    def thread_count(self) -> int:
        """`threads`, or what stands in for None; 1 inside a foreign call, which is one of many already."""
        if nesting.depth():
            return 1
        if self.threads is not None:
            return self.threads
        own = None if isinstance(self.executor, str) else getattr(self.executor, "_max_workers", None)
        return own if isinstance(own, int) and own > 0 else _cpus()


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
        For an unknown option, and for a value of the wrong type.
    ValueError
        For a value it cannot have.
    """
    if changes.get("threads", ...) is None:
        _cpus.cache_clear()  # asked for again: CPUs or quota may have changed
    for name, value in changes.items():
        if name not in _NAMES:
            raise TypeError(f"there is no option {name}; there are {', '.join(_NAMES)}")
        if name == "executor" and not _is_executor(value):
            raise ValueError(
                f"executor = {value!r}; there are {', '.join(EXECUTORS)}, and the executors of concurrent.futures"
            )
        if name == "threads" and value is not None:
            _check_count("threads", value, ", or None for the default")
        if name == "timeout" and value is not None:
            changes = {**changes, "timeout": _checked_timeout(value)}
        if name == "progress" and not (isinstance(value, bool) or callable(value)):
            raise TypeError(f"progress = {value!r}; True, False or a callable is wanted")
        if name == "window":
            _check_count("window", value, ", in bytes")
        if name == "unpickle":
            _check_guard(value)
    return replace(base, **changes)


def _check_count(name: str, value: object, more: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} = {shown(value)}; a whole number of at least 1 is wanted{more}")
    if value < 1:
        raise ValueError(f"{name} = {value}; at least 1 is wanted{more}")


def _checked_timeout(value: object) -> float:
    seconds = checked_seconds("timeout", value, ", or None for no limit")
    if not seconds >= 0:  # nor is it nan
        raise ValueError(f"timeout = {seconds!r}; seconds are wanted, or None for no limit")
    return seconds


def _is_executor(value: Any) -> bool:
    """Whether it is a name of ours, or an object with the methods of `concurrent.futures.Executor`."""
    if isinstance(value, (str, type)):
        return value in EXECUTORS
    return callable(getattr(value, "submit", None)) and callable(getattr(value, "map", None))


def _check_guard(value: Any) -> None:
    if value is None or callable(value) or value in ("allow", "refuse"):
        return
    wanted = "'allow', 'refuse', a collection of libraries' names and paths, a callable or None is wanted"
    if isinstance(value, (str, bytes)) or not isinstance(value, Collection):
        raise TypeError(f"unpickle = {value!r}; {wanted}")
    for entry in value:
        if not isinstance(entry, (str, os.PathLike)):
            raise TypeError(f"unpickle = {value!r}; {wanted}")


def unpickle_guard() -> tuple[Guard, str]:
    """What may be unpickled here and now, and who says so."""
    block = _current.get()
    if block is not None and block.unpickle is not None:
        return block.unpickle, f"options(unpickle={block.unpickle!r})"
    if _default.unpickle is not None:
        return _default.unpickle, f"set_options(unpickle={_default.unpickle!r})"
    said = os.environ.get(UNPICKLE_VARIABLE, "")
    if said in ("", "allow", "refuse"):
        return said or "allow", f"{UNPICKLE_VARIABLE}={said}"
    return tuple(said.split(os.pathsep)), f"{UNPICKLE_VARIABLE}={said}"


def _check_named(what: str, given: tuple[object, ...]) -> None:
    """Refuse options without their names."""
    if given:
        raise TypeError(f"{what}: {shown(given[0])} has no name; options are given by name: {what}(threads=4)")


def current() -> Options:
    """The options in force here: the innermost `options` block's, else the process's.

    Returns
    -------
    Options

    Examples
    --------
    >>> import pyffipar as pf
    >>> with pf.options(threads=3):
    ...     pf.current_options().threads
    3
    """
    return _current.get() or _default


def set_options(*given: NoReturn, **changes: Any) -> None:
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
    _check_named("set_options", given)
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

    def __init__(self, *given: NoReturn, **changes: Any) -> None:
        _check_named("options", given)
        checked(current(), changes)
        self._changes = changes
        self._tokens: list[Token[Options | None]] = []

    def __enter__(self) -> Options:
        # A guard of the whole process is not copied into the block: changing it later counts inside, too.
        base = _current.get() or replace(_default, unpickle=None)
        changed = checked(base, self._changes)
        self._tokens.append(_current.set(changed))
        return changed

    def __exit__(self, *_: object) -> None:
        _current.reset(self._tokens.pop())
