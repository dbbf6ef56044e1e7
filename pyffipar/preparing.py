"""Calls whose arguments are bound once, to be made again and again on the same arrays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from .executors import Run
from .plans.plan import Plan
from .system import forking, nesting
from .system.overlaps import hold
from .threadpools import in_call

LaidOut = Callable[[Run], None]


def guard(plan: Plan) -> tuple[object, ...]:
    """What keeps the arrays of a plan from being resized, as long as it lives."""
    arguments = (*plan.arguments, *([plan.returned] if plan.returned else []))
    arrays = [argument.array for argument in arguments] + [result.array for result in plan.outcome.results]
    return hold(array for array in arrays if array is not None)


class Prepared:
    """One call, to be made again and again; threads that make it at once take turns.

    Parameters
    ----------
    name : str
        The function's.
    lay_out : callable
        Readies the plan for its executor.
    carry_out : callable
        Makes the call with what `lay_out` made, until an event is set.
    repeater : callable
        Makes of that what makes the call to its end.
    guards : object
        What must live as long as the call can be made.
    """

    def __init__(
        self,
        name: str,
        lay_out: Callable[[], LaidOut],
        carry_out: Callable[[LaidOut, threading.Event], Any],
        repeater: Callable[[LaidOut], Callable[[], Any]],
        guards: object,
    ) -> None:
        self._name = name
        self._lay_out = lay_out
        self._carry_out = carry_out
        self._repeater = repeater
        self._guards = guards
        self._lay_out_anew()
        self._lock = forking.Lock()  # private copies and results are one set of arrays: one call at a time

    def _lay_out_anew(self) -> None:
        self._laid_out, self._generation = self._lay_out(), forking.generation()
        self._repeat = self._repeater(self._laid_out)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self._name}: a prepared call is bound to arrays of this process, so it cannot be pickled: pickle the "
            "function, and prepare it there"
        )

    def __call__(self) -> Any:
        """Make the call.

        Raises
        ------
        RuntimeError
            Inside a foreign call, if the prepared one is being made: it could be this very call that is waited for.
        """
        self._take()
        try:
            self._get_ready()
            return self._repeat()
        finally:
            self._lock.release()

    def until(self, stop: threading.Event) -> Any:
        """Make the call, which ends early when an event is set; errors as of a call without one."""
        self._take()
        try:
            self._get_ready()
            return self._carry_out(self._laid_out, stop)
        finally:
            self._lock.release()

    def _take(self) -> None:
        if not self._lock.acquire(blocking=False):
            if self._lock.is_mine() or nesting.depth() or in_call():
                raise RuntimeError(f"{self._name}: this prepared call is being made; it cannot be made again inside it")
            self._lock.acquire()

    def _get_ready(self) -> None:
        if self._generation != forking.generation():  # it may have been under way when the process was forked
            self._lay_out_anew()
