"""The pool as a whole: its limit, its end, and living with other pools through threadpoolctl."""

from __future__ import annotations

from typing import Any

from . import _native
from .errors import missing_extra
from .system.cpus import default_threads

_limits: list[int] = []  # the limit in force, if there is one


def register_threadpoolctl() -> None:
    """Let threadpoolctl see pyffipar's pool and limit it, as it does with BLAS and OpenMP.

    From then on ``threadpoolctl.threadpool_info()`` lists the pool, with ``user_api`` and ``internal_api``
    ``"pyffipar"``, and ``threadpoolctl.threadpool_limits`` limits the threads of every call in the process.

    Raises
    ------
    MissingExtraError
        If threadpoolctl is not installed.

    Examples
    --------
    >>> import threadpoolctl
    >>> import pyffipar as pf
    >>> pf.register_threadpoolctl()
    >>> with threadpoolctl.threadpool_limits(1, user_api="pyffipar"):
    ...     [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "pyffipar"]
    [1]
    """
    try:
        import threadpoolctl
    except ImportError as error:
        raise missing_extra("threadpoolctl is not installed", "threadpoolctl") from error
    _native.library()  # threadpoolctl looks through the libraries that are loaded
    if not any(known.__name__ == "PyffiparController" for known in threadpoolctl._ALL_CONTROLLERS):  # noqa: SLF001
        threadpoolctl.register(_controller(threadpoolctl.LibController))


def allow_threads(threads: int) -> None:
    """Let the pool grow to what a call asks for, unless threadpoolctl limits it."""
    library = _native.library()
    if not _limits and threads > library.pyffipar_get_num_threads():
        library.pyffipar_set_num_threads(threads)


def in_call() -> bool:
    """Whether this thread is inside a foreign call of the pool, which it cannot be before the library is loaded."""
    return bool(_native.is_loaded() and _native.library().pyffipar_in_call())


def shut_down(wait: float) -> None:
    """Let the pool begin nothing more, and wait so many seconds for what it runs."""
    if _native.is_loaded():
        _native.library().pyffipar_shutdown(int(wait * 1e9))


def limited(threads: int) -> int:
    """As many of the threads a call asks for as threadpoolctl allows; for executors that have no pool of ours."""
    return min(threads, *_limits) if _limits else threads


def _limit(threads: int) -> None:
    """Limit all calls; the default or more lifts the limit, so that options may ask for more threads."""
    default = default_threads()
    _limits[:] = [threads] if threads < default else []
    _native.library().pyffipar_set_num_threads(min(threads, default))


def _controller(base: type[Any]) -> type[Any]:
    """Threadpoolctl's view of our library; made late, because threadpoolctl is optional."""

    class PyffiparController(base):  # type: ignore[misc]  # a class that is known at run time only
        """Reads and sets the limit of the pool."""

        user_api = "pyffipar"
        internal_api = "pyffipar"
        filename_prefixes = ("libpyffipar", "pyffipar")

        def get_num_threads(self) -> int:
            """Threads a call uses at most: the limit if there is one, else the default."""
            return limited(default_threads())

        def set_num_threads(self, num_threads: int) -> None:
            """Limit all calls."""
            _limit(num_threads)

        def get_version(self) -> str:
            """The library's ABI version."""
            return str(_native.ABI_VERSION)

        def set_additional_attributes(self) -> None:
            """None."""

    return PyffiparController
