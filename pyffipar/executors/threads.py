"""Python threads: every chunk is one ctypes call, which releases the GIL while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..errors import Failure, note_others
from ..plans.plan import Plan
from ..sources.symbols import Symbol
from ..system import forking
from ..system.starting import start_thread
from ..threadpools import in_call, limited
from ..timelines.tracing import moment, running
from ..watching import SLICE, Watch
from .base import Run, chunk_error
from .serial import Caller


class Threads:
    """Threads made for one run; the calling thread takes part and leaves last."""

    def is_here(self, watch: Watch) -> bool:
        """Yes."""
        return True

    def prepare(self, plan: Plan, symbol: Symbol, threads: int) -> Callable[[Run], None]:
        """Nothing can be done beforehand."""
        return self.run

    def run(self, run: Run) -> None:
        """Make every call, shared out task by task."""

        def begin(work: Callable[[int], None], worker: int) -> bool:
            try:
                start_thread(work, (worker,))
            except RuntimeError:  # the system has no more: then with those there are
                return False
            return True

        work_together(run, begin, "threads")


def work_together(run: Run, begin: Callable[[Callable[[int], None], int], bool], name: str) -> None:
    """Make every call in the calling thread and others.

    Parameters
    ----------
    run : Run
    begin : callable
        Has another thread do some work, which is given a worker's number; False if there is no further thread.
    name : str
        What a trace calls that.
    """
    threads = 1 if in_call() else limited(run.threads)
    team = _Team(run)
    run.watch.hold_signals()
    with running(run.watch.recorder, name, threads):
        try:
            for worker in range(1, min(threads, run.plan.tasks)):
                if not begin(team.work, worker):
                    break
            team.work(0)
        finally:
            team.leave()
    team.report()


class _Team:
    """Threads that claim tasks until none is left or one has failed.

    A thread takes part from its first look at the tasks on. One that comes late, when all are gone, finds nothing to
    do and is not waited for.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._recorder = run.watch.recorder
        self._caller = Caller(run)
        self._generation = forking.generation()
        self._claimed = 0
        self._ended = 0  # calls
        self._working = 0
        self._next_look = 0.0
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._stop = False
        self._errors: list[BaseException] = []
        self._failures: list[tuple[int, Failure]] = []

    def work(self, worker: int) -> None:
        """Claim tasks and make their calls."""
        with self._lock:
            if self._stop:
                return
            self._working += 1
        try:
            while self._work_on_one(worker):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again by report()
            self._stop = True
            self._errors.append(error)
        finally:
            if forking.generation() == self._generation:  # else the lock may be held by a thread that is not here
                with self._lock:
                    self._working -= 1
                    self._left.notify()

    def _work_on_one(self, worker: int) -> bool:
        """Claim a task and make its calls; False if there was none, or none is to be made."""
        self._check_generation()
        plan = self._run.plan
        with self._lock:
            first = self._claimed * plan.grain
            self._claimed += 1
        if self._stop or first >= plan.calls:
            return False
        if worker == 0:
            self._look(0)
        last = min(first + plan.grain, plan.calls)
        begun = None if self._recorder is None else moment()
        for number in range(first, last):
            if self._is_stopped():
                last = number
                break
            if worker == 0 and time.monotonic() >= self._next_look:
                self._look(number - first)
            failure = self._caller.call(number, worker)
            if failure is not None:
                self._stop = True
                self._failures.append((number, failure))
                last = number + 1
                break
        if self._recorder is not None and begun is not None and last > first:
            self._recorder.note(first, last, worker, begun)
        self._check_generation()
        with self._lock:
            self._ended += last - first
        return True

    def _is_stopped(self) -> bool:
        return self._stop

    def _look(self, ahead: int) -> None:
        """Look after signals, deadline and progress; the caller has made some calls that are not counted yet."""
        self._next_look = time.monotonic() + self._run.watch.patience()
        self._run.watch.look(self._ended + ahead)

    def _check_generation(self) -> None:
        if forking.generation() != self._generation:
            name = self._run.plan.contract.prototype.name
            raise RuntimeError(
                f"{name}: the process was forked inside this call: its other threads are not in the child"
            )

    def leave(self) -> None:
        """Wait until every other thread has left the arrays, whatever interrupts the waiting."""
        interrupted: BaseException | None = None
        while forking.generation() == self._generation:
            try:
                with self._left:
                    patience = SLICE if self._stop else self._run.watch.patience()
                    if self._left.wait_for(lambda: not self._working, patience):
                        self._stop = True  # for those who come late
                        break
                if not self._stop:
                    self._run.watch.look(self._ended)
            except BaseException as error:  # noqa: BLE001 - raised again below
                self._stop = True
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def report(self) -> None:
        """Raise what went wrong in any thread."""
        if self._errors:
            first, *others = self._errors
            note_others(first, others, "another worker failed as well")
            raise first
        self._run.watch.finished(self._ended)  # a callback's exception is why calls failed
        if self._failures:
            self._failures.sort(key=lambda entry: entry[0])
            raise chunk_error(self._run, tuple(failure for _, failure in self._failures))
