"""Python threads: every chunk is one ctypes call, which releases the GIL while it runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from ..errors import Failure
from ..plan import Plan
from ..symbols import Symbol
from .base import Run, chunk_error
from .serial import Caller


class Threads:
    """Threads made for one run; the calling thread takes part and leaves last."""

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Nothing can be done beforehand."""
        return self.run

    def run(self, run: Run) -> None:
        """Make every call, shared out task by task."""
        team = _Team(run)
        others = [
            threading.Thread(target=team.work, args=(worker,), daemon=True)
            for worker in range(1, min(run.threads, run.plan.tasks))
        ]
        started: list[threading.Thread] = []
        try:
            for thread in others:
                thread.start()
                started.append(thread)
            team.work(0)
        finally:
            team.leave(started)
        team.report()


class _Team:
    """Threads that claim tasks until none is left or one has failed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._caller = Caller(run)
        self._claimed = 0
        self._lock = threading.Lock()
        self._stop = False
        self._errors: list[BaseException] = []
        self._failures: list[tuple[int, Failure]] = []

    def work(self, worker: int) -> None:
        """Claim tasks and make their calls."""
        plan = self._run.plan
        while not self._stop:
            with self._lock:
                task = self._claimed
                self._claimed += 1
            first = task * plan.grain
            if first >= plan.calls:
                return
            try:
                if worker == 0:
                    self._run.watch.look(min(first, plan.calls))
                for number in range(first, min(first + plan.grain, plan.calls)):
                    failure = self._caller.call(number, worker)
                    if failure is not None:
                        self._stop = True
                        self._failures.append((number, failure))
                        break
            except BaseException as error:  # noqa: BLE001 - raised again by report()
                self._stop = True
                self._errors.append(error)

    def leave(self, others: list[threading.Thread]) -> None:
        """Wait until every other thread has left the arrays, whatever interrupts the waiting."""
        interrupted: BaseException | None = None
        while any(thread.is_alive() for thread in others):
            try:
                for thread in others:
                    while thread.is_alive() and not self._stop:
                        thread.join(self._run.watch.patience())
                        self._run.watch.look(self._done())
                    thread.join()
            except BaseException as error:  # noqa: BLE001 - raised again below. Ctrl-C: what has not begun is dropped, what runs is waited for
                self._stop = True
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _done(self) -> int:
        """Calls in tasks that have been claimed; some of them may still run."""
        return min(self._claimed * self._run.plan.grain, self._run.plan.calls)

    def report(self) -> None:
        """Raise what went wrong in any thread."""
        if self._errors:
            first, *others = self._errors
            for other in others:
                if sys.version_info >= (3, 11):
                    first.add_note(f"another worker failed as well: {other!r}")
                else:
                    first.__context__ = other
            raise first
        if self._failures:
            self._failures.sort(key=lambda entry: entry[0])
            raise chunk_error(self._run, tuple(failure for _, failure in self._failures))
        self._run.watch.finished(self._run.plan.calls)
