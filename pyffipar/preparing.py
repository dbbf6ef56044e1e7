"""Calls whose arguments are bound once, to be made again and again on the same arrays."""

from __future__ import annotations

import inspect
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from .executors import Run
from .executors.repertoire import Repertoire
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


class _Bound:
    """A call with its arguments, laid out for whoever makes it.

    Parameters
    ----------
    name : str
        The function's.
    lay_out : callable
        Readies the plan for its executor.
    guards : object
        What must live as long as the call can be made.
    """

    def __init__(self, name: str, lay_out: Callable[[], LaidOut], guards: object) -> None:
        self._name = name
        self._lay_out = lay_out
        self._guards = guards
        self._lock = forking.Lock()
        self._lay_out_anew()

    def _lay_out_anew(self) -> None:
        self._laid_out = self._lay_out()

    def _check_turn(self, *, is_mine: bool) -> None:
        """Refuse to wait for a call that is being made, if that may be waiting for this thread."""
        if is_mine or nesting.depth() or in_call():
            raise RuntimeError(f"{self._name}: this prepared call is being made; it cannot be made again inside it")

    def __repr__(self) -> str:
        return f"<prepared call of {self._name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self._name}: a prepared call is bound to arrays of this process, so it cannot be pickled: pickle the "
            "function, and prepare it there"
        )


class Prepared(_Bound):
    """One call, to be made again and again; threads that make it at once take turns.

    Private copies and results are one set of arrays, so there is one such call at a time.

    Parameters
    ----------
    carry_out : callable
        Makes the call with what was laid out, until an event is set if there is one.
    *bound
        As of every call with its arguments.
    """

    def __init__(self, carry_out: Callable[[LaidOut, threading.Event | None], Any], *bound: Any) -> None:
        self._carry_out = carry_out
        super().__init__(*bound)

    def _lay_out_anew(self) -> None:
        super()._lay_out_anew()
        self._generation = forking.generation()

    def __call__(self) -> Any:
        """Make the call.

        Raises
        ------
        RuntimeError
            Inside a foreign call, if the prepared one is being made: it could be this very call that is waited for.
        """
        return self.until(None)

    def until(self, stop: threading.Event | None) -> Any:
        """Make the call, which ends early when an event is set; errors as of a call without one."""
        if not self._lock.acquire(blocking=False):
            self._check_turn(is_mine=self._lock.is_mine())
            self._lock.acquire()
        try:
            if self._generation != forking.generation():  # it may have been under way when the process was forked
                self._lay_out_anew()
            return self._carry_out(self._laid_out, stop)
        finally:
            self._lock.release()


class Repeated(_Bound):
    """The same where the native library makes the call by itself, and only what it leaves comes to Python.

    Parameters
    ----------
    learnt : callable
        Makes of what was laid out a repertoire of this call alone.
    *bound
        As of every call with its arguments.
    """

    __slots__ = ("__call__",)  # a built-in function, another one for each object
    __signature__ = inspect.Signature()

    def __init__(self, learnt: Callable[[LaidOut], Repertoire], *bound: Any) -> None:
        self._learnt = learnt
        self._all: list[Repertoire] = []  # also those of before a fork: a thread may be on its way into one
        super().__init__(*bound)
        forking.renew_in_child(self)

    def _lay_out_anew(self) -> None:
        super()._lay_out_anew()
        self._all.append(self._learnt(self._laid_out))
        self._is_lost = False  # whether a thread makes the call that is not in this process
        found_again = weakref.WeakMethod(self._in_turn)  # a cycle would keep the arrays for longer

        def otherwise() -> Any:
            in_turn = found_again()
            assert in_turn is not None  # whoever makes the call holds it
            return in_turn()

        self.__call__ = self._known.again(otherwise)

    @property
    def _known(self) -> Repertoire:
        return self._all[-1]

    def renew(self) -> None:
        """In a forked child: see whether another thread was making the call, and so will be for ever."""
        self._is_lost = not self._known.callers() <= {threading.get_ident()}

    def _in_turn(self) -> Any:
        """Make the call as soon as no other thread does, and after those that have waited for longer.

        The library tells nobody when a call has ended, so the first in the queue looks again and again, less and less
        often: what takes long enough to be waited for takes longer than a look every millisecond.
        """
        self._check_turn(is_mine=self._lock.is_mine() or threading.get_ident() in self._known.callers())
        with self._lock:
            if self._is_lost:
                self._lay_out_anew()
            with self._known.wanted():
                pause = 1e-5
                while (made := self._known.recall()) is NotImplemented:
                    time.sleep(pause)
                    pause = min(2 * pause, 1e-3)
                return made
